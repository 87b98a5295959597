/* Hex digits and bytes, in the order of memory; display order is the business of spv/types.h. */
#ifndef SPV_UTIL_HEX_H
#define SPV_UTIL_HEX_H

#include <stddef.h>
#include <stdint.h>

/* 2n lower-case digits and NUL. */
void spv_hex(char *out, const uint8_t *in, size_t n);
/* Exactly 2n digits of either case, then NUL. SPV_ERR_MALFORMED otherwise. */
int spv_hex_decode(uint8_t *out, size_t n, const char *hex);

#endif
