/* Output scripts and addresses: the kinds of standard scripts, and the text of an address to its
 * script and back on every network (base58check; BIP173, BIP350; BIP433 for pay to anchor).
 *
 * Pure functions over the caller's memory, safe in any thread. A text that is a private key is
 * refused with SPV_ERR_PRIVATE_KEY; no message repeats the text. */
#ifndef SPV_ADDRESS_H
#define SPV_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/error.h"
#include "spv/export.h"
#include "spv/network.h"
#include "spv/tx.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The kinds of output scripts, by the rules of Bitcoin Core's Solver. */
enum spv_script_kind {
    SPV_SCRIPT_NONSTANDARD = 0,
    SPV_SCRIPT_P2PK = 1, /* <public key> OP_CHECKSIG */
    SPV_SCRIPT_P2PKH = 2,
    SPV_SCRIPT_P2SH = 3,
    SPV_SCRIPT_P2WPKH = 4,
    SPV_SCRIPT_P2WSH = 5,
    SPV_SCRIPT_P2TR = 6,
    SPV_SCRIPT_P2A = 7, /* pay to anchor (BIP433): OP_1 <4e73> */
    SPV_SCRIPT_WITNESS_UNKNOWN = 8, /* a witness program without a meaning yet */
    SPV_SCRIPT_MULTISIG = 9, /* bare multisig */
    SPV_SCRIPT_OP_RETURN = 10, /* OP_RETURN and pushes: unspendable data */
};
#define SPV_SCRIPT_KINDS 11

/* What spv_script_classify found; data points into the script. */
struct spv_script_info {
    enum spv_script_kind kind;
    unsigned witness_version; /* of a witness program: 0 to 16 */
    struct spv_bytes data; /* the public key, hash or witness program; empty for the other kinds */
    unsigned threshold; /* multisig: signatures needed, 1 to n_keys */
    unsigned n_keys; /* multisig: 1 to 20 */
};

/* Fills out with the kind of a script of n bytes and its parts. Returns the kind. */
SPV_API enum spv_script_kind spv_script_classify(struct spv_script_info *out, const uint8_t *script,
                                                 size_t n);

/* Returns the name of a kind, a static string: "p2pkh", "multisig", "op_return", "nonstandard";
 * "unknown" for a value outside the enum. */
SPV_API const char *spv_script_kind_name(enum spv_script_kind kind);

/* An iterator over the operations of a script; a copy iterates independently. */
struct spv_script_iter {
    const uint8_t *at;
    const uint8_t *end;
};
struct spv_script_op {
    uint8_t opcode; /* 1 to 75: a push of that many bytes; 76 to 78: OP_PUSHDATA1, 2, 4 */
    struct spv_bytes data; /* the data of a push, inside the script; empty for other operations */
};
/* Returns an iterator over n bytes, valid as long as they are. */
SPV_API struct spv_script_iter spv_script_ops(const uint8_t *script, size_t n);
/* Reads the next operation. Returns 1, 0 at the end with out unchanged, or SPV_ERR_SHORT when a
 * push is longer than the script, after which the iterator is at the end. */
SPV_API int spv_script_next_op(struct spv_script_iter *iter, struct spv_script_op *out);

#define SPV_ADDRESS_TEXT 91 /* 90 characters (BIP173) and NUL */
#define SPV_ADDRESS_SCRIPT 42 /* the longest script that has an address */

/* Writes the address of a script of n bytes on a network into out, SPV_ADDRESS_TEXT bytes.
 * Returns 0, SPV_ERR_NO_ADDRESS when the script has none (bare keys and multisig, OP_RETURN,
 * nonstandard scripts), or SPV_ERR_INVALID for a network outside the enum. */
SPV_API int spv_address_encode(char *out, const uint8_t *script, size_t n,
                               enum spv_network network);

/* A decoded address. */
struct spv_address {
    uint8_t script[SPV_ADDRESS_SCRIPT];
    size_t n; /* bytes of the script */
    enum spv_script_kind kind;
    unsigned networks; /* SPV_NETWORK_BITs of the networks that have this address */
};

/* Reads an address of n characters, without spaces around it. networks is the set of those allowed:
 * SPV_NETWORK_BIT(SPV_MAINNET), or SPV_ANY_NETWORK. bech32 of one case is accepted.
 * Returns 0, or an error with *why (which may be NULL) filled and out undefined:
 * SPV_ERR_PRIVATE_KEY; SPV_ERR_TEXT_CHARACTER for characters outside the alphabet or of mixed case;
 * SPV_ERR_TEXT_CHECKSUM, with the positions of up to two wrong characters for bech32 and bech32m,
 * which are never corrected, and none for base58 or when more are wrong; SPV_ERR_ADDRESS for a
 * wrong length, version, padding or prefix; SPV_ERR_WRONG_NETWORK, whose message lists the networks
 * that have the address; SPV_ERR_INVALID when networks has no network. */
SPV_API int spv_address_decode(struct spv_address *out, struct spv_text_error *why,
                               const char *text, size_t n, unsigned networks);

#ifdef __cplusplus
}
#endif

#endif
