/* Reading segwit addresses. */
#ifndef SPV_KEYS_SEGWIT_H
#define SPV_KEYS_SEGWIT_H

#include "spv/address.h"

/* The prefix of a bech32 address that the text begins with, '1' included, in either case; NULL:
 * none. */
const struct spv_bech32_prefix *spv_segwit_prefix(const char *text, size_t n);
/* Reads a text with that prefix. Returns 0 or the error of spv_address_decode. */
int spv_segwit_decode(struct spv_address *out, struct spv_text_error *why, const char *text,
                      size_t n, const struct spv_bech32_prefix *prefix);

#endif
