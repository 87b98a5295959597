/* Finds private keys in a text by their form: such a text is refused before any other check, so
 * that no message quotes it. */
#ifndef SPV_KEYS_PRIVATE_KEY_H
#define SPV_KEYS_PRIVATE_KEY_H

#include <stddef.h>

#include "spv/error.h"

/* Looks for extended private keys (BIP32 and SLIP-132), WIF and BIP38 keys, valid or mistyped, and
 * for seed words (BIP39) anywhere in n characters. Returns 0 when there are none, or
 * SPV_ERR_PRIVATE_KEY with *why filled. */
int spv_private_key_refuse(struct spv_text_error *why, const char *text, size_t n);

#endif
