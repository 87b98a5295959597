/* Output descriptors (BIP380 to 387 and 389): texts that describe the scripts of a wallet.
 *
 * pk, pkh, wpkh, sh, wsh, combo, multi, sortedmulti, tr with trees of pk, multi_a and
 * sortedmulti_a, rawtr, raw and addr; key origins, ranges, h and ' as hardened markers, multipath
 * steps <0;1>. Miniscript (BIP379), musig() (BIP390) and sp() (BIP392) are refused with
 * SPV_ERR_DESC_UNSUPPORTED, whose message names them. A text that contains a private key is refused
 * with SPV_ERR_PRIVATE_KEY before any other check, so that no message quotes it.
 *
 * A descriptor does not change after it was parsed: any number of threads may use one. */
#ifndef SPV_DESCRIPTOR_H
#define SPV_DESCRIPTOR_H

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

/* Characters of a descriptor: 999 keys with origin and path take about 160,000. */
#define SPV_DESCRIPTOR_TEXT_MAX 262144
#define SPV_DESCRIPTOR_CHECKSUM_CHARS 8
#define SPV_DESCRIPTOR_DERIVE_MAX 100000 /* indexes of one call: about 10 MB of scripts */

struct spv_descriptor;

enum spv_descriptor_checksum_rule {
    SPV_DESCRIPTOR_CHECKSUM_OPTIONAL = 0,
    SPV_DESCRIPTOR_CHECKSUM_REQUIRED = 1,
};

/* Parses a descriptor of n characters; a checksum after # is verified. networks is the set of
 * networks that its keys and its address may belong to: SPV_NETWORK_BIT(SPV_MAINNET), or
 * SPV_ANY_NETWORK. Free *out with spv_descriptor_free.
 * A hardened step after a public key is accepted here: spv_descriptor_check_derivable refuses it.
 * Returns 0, or an error with *why (which may be NULL) filled, its key included, and *out NULL:
 * SPV_ERR_PRIVATE_KEY, SPV_ERR_SLIP132, SPV_ERR_TEXT_CHARACTER, SPV_ERR_TEXT_CHECKSUM (of the
 * descriptor, whose message names the checksum given and the one expected, of a key or an address),
 * SPV_ERR_PUBLIC_KEY, SPV_ERR_ADDRESS, SPV_ERR_WRONG_NETWORK, SPV_ERR_DESC_SYNTAX,
 * SPV_ERR_DESC_CONTEXT, SPV_ERR_DESC_LIMIT, SPV_ERR_DESC_UNSUPPORTED, SPV_ERR_NOMEM, or
 * SPV_ERR_INVALID when networks has no network. */
SPV_API int spv_descriptor_parse(struct spv_descriptor **out, struct spv_text_error *why,
                                 const char *text, size_t n, unsigned networks,
                                 enum spv_descriptor_checksum_rule rule);
/* NULL is allowed. Not while another thread uses it. */
SPV_API void spv_descriptor_free(struct spv_descriptor *descriptor);

/* Returns the canonical text: h as marker, lower-case hex, its own checksum; NUL-terminated, valid
 * as long as the descriptor. Two descriptors are equal when their texts are. */
SPV_API const char *spv_descriptor_text(const struct spv_descriptor *descriptor);
/* Returns the set of networks that all keys and the address of the descriptor belong to. */
SPV_API unsigned spv_descriptor_networks(const struct spv_descriptor *descriptor);
/* Returns true when a key ends in a range: then it has scripts for each index. */
SPV_API bool spv_descriptor_is_range(const struct spv_descriptor *descriptor);
/* Returns the number of branches: of single-path descriptors that a multipath one stands for
 * (BIP389), usually receiving and change; 1 without multipath steps. */
SPV_API size_t spv_descriptor_n_branches(const struct spv_descriptor *descriptor);
/* Returns the number of scripts per index: 1, or 4 or 2 for combo(). */
SPV_API size_t spv_descriptor_scripts_per_index(const struct spv_descriptor *descriptor);

/* Writes the single-path descriptor of one branch to *out; free it. branch is below
 * spv_descriptor_n_branches. Returns 0, SPV_ERR_INVALID for another branch, or SPV_ERR_NOMEM. */
SPV_API int spv_descriptor_expand(struct spv_descriptor **out,
                                  const struct spv_descriptor *descriptor, size_t branch);

/* Returns 0 when public derivation gives all scripts, or SPV_ERR_HARDENED with *why (which may be
 * NULL) naming the key with a hardened step. */
SPV_API int spv_descriptor_check_derivable(const struct spv_descriptor *descriptor,
                                           struct spv_text_error *why);

struct spv_derived_script {
    uint32_t index;
    struct spv_bytes script;
};
struct spv_derived_scripts {
    struct spv_derived_script *scripts; /* by index; those of combo() as BIP384 lists them */
    size_t n;
    uint8_t *bytes; /* of all scripts; NULL when all are empty: raw() */
};

/* Derives the output scripts of a branch (below spv_descriptor_n_branches) for count indexes from
 * an index on. Without a range the result has the scripts of index 0, whatever the indexes are.
 * Free it with spv_derived_scripts_free. Returns 0, or an error with *out empty: SPV_ERR_INVALID
 * for another branch or a count above SPV_DESCRIPTOR_DERIVE_MAX, SPV_ERR_HARDENED for a hardened
 * step or index, SPV_ERR_NO_CHILD_KEY, or SPV_ERR_NOMEM. */
SPV_API int spv_descriptor_derive(struct spv_derived_scripts *out,
                                  const struct spv_descriptor *descriptor, size_t branch,
                                  uint32_t first, uint32_t count);
/* An empty one is allowed; scripts is empty afterwards. */
SPV_API void spv_derived_scripts_free(struct spv_derived_scripts *scripts);

/* Computes the checksum (BIP380) of n characters without #, NUL-terminated, into out,
 * SPV_DESCRIPTOR_CHECKSUM_CHARS + 1 bytes. Returns 0, or SPV_ERR_TEXT_CHARACTER for a character
 * that descriptors do not use. */
SPV_API int spv_descriptor_checksum(char *out, const char *text, size_t n);

#ifdef __cplusplus
}
#endif

#endif
