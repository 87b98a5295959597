/* Extended public keys (BIP32): their text, fingerprints, and public derivation.
 *
 * Pure functions over the caller's memory, safe in any thread. Nothing here reads or makes a
 * private key: extended private keys are refused with SPV_ERR_PRIVATE_KEY. The SLIP-132 forms of
 * public keys (ypub, zpub and the like) are refused, too: their first letter stands for a kind of
 * script, which a descriptor names (spv/descriptor.h). */
#ifndef SPV_KEYS_H
#define SPV_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "spv/error.h"
#include "spv/export.h"
#include "spv/network.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_HARDENED 0x80000000u /* added to the index of a hardened child */
#define SPV_PUBLIC_KEY 33 /* bytes of a compressed public key */
#define SPV_FINGERPRINT 4 /* bytes */

struct spv_xpub {
    uint32_t version; /* 0x0488b21e: xpub, 0x043587cf: tpub, 0x0420bd3a: spub (simnet) */
    uint8_t depth; /* derivations from the master key */
    uint8_t parent[SPV_FINGERPRINT]; /* fingerprint of the parent; zero at depth 0 */
    uint32_t child; /* the index it was derived with; 0 at depth 0 */
    uint8_t chain_code[32];
    uint8_t key[SPV_PUBLIC_KEY];
};

/* Reads an extended public key of n characters and checks it (BIP32): version, a key on the curve,
 * no parent and index at depth 0. Returns 0, or an error with *why (which may be NULL) filled and
 * out undefined: SPV_ERR_PRIVATE_KEY; SPV_ERR_SLIP132, whose message names the descriptor;
 * SPV_ERR_TEXT_CHARACTER, SPV_ERR_TEXT_CHECKSUM or SPV_ERR_PUBLIC_KEY. */
SPV_API int spv_xpub_parse(struct spv_xpub *out, struct spv_text_error *why, const char *text,
                           size_t n);

#define SPV_XPUB_TEXT 113 /* at most 112 characters and NUL */
/* Writes the text of a key into out, SPV_XPUB_TEXT bytes. */
SPV_API void spv_xpub_text(char *out, const struct spv_xpub *xpub);

/* Returns the set of networks (SPV_NETWORK_BIT) that use the key's version: mainnet for xpub; all
 * of testnet3, testnet4, signet and regtest for tpub; 0 for an unknown version. */
SPV_API unsigned spv_xpub_networks(const struct spv_xpub *xpub);

/* Writes the key's fingerprint into out, SPV_FINGERPRINT bytes: the first of its hash160, as in the
 * key origin of a descriptor. */
SPV_API void spv_xpub_fingerprint(uint8_t *out, const struct spv_xpub *xpub);

/* Derives the child at an index below SPV_HARDENED (CKDpub). out may be parent. Returns 0,
 * SPV_ERR_HARDENED for a hardened index, SPV_ERR_TOO_LONG at depth 255, SPV_ERR_PUBLIC_KEY when the
 * parent's key is not on the curve, or SPV_ERR_NO_CHILD_KEY for one of the indexes (fewer than one
 * in 2^127) that have no key. */
SPV_API int spv_xpub_derive(struct spv_xpub *out, const struct spv_xpub *parent, uint32_t index);

/* Derives the public keys of n children from an index on into keys, SPV_PUBLIC_KEY bytes each:
 * several times as fast as one by one. Returns 0 or the first error of spv_xpub_derive;
 * SPV_ERR_HARDENED, with nothing written, when an index of the range is hardened. */
SPV_API int spv_xpub_derive_range(uint8_t *keys, const struct spv_xpub *parent, uint32_t first,
                                  uint32_t n);

#ifdef __cplusplus
}
#endif

#endif
