/* Hex digits and bytes in memory order; spv/types.h has the functions for display order. */
#ifndef SPV_UTIL_HEX_H
#define SPV_UTIL_HEX_H

#include <stddef.h>
#include <stdint.h>

/* Writes 2n lower-case digits and NUL. */
void spv_hex(char *out, const uint8_t *in, size_t n);
/* Reads exactly 2n digits of either case, then NUL. Returns 0 or SPV_ERR_MALFORMED. */
int spv_hex_decode(uint8_t *out, size_t n, const char *hex);

#endif
