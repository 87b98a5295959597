/* The checksum of descriptors (BIP380). */
#ifndef SPV_KEYS_DESC_CHECKSUM_H
#define SPV_KEYS_DESC_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>

/* Whether descriptors use the character. */
bool spv_desc_has_char(char c);

#endif
