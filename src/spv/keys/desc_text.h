/* The canonical text of descriptors. */
#ifndef SPV_KEYS_DESC_TEXT_H
#define SPV_KEYS_DESC_TEXT_H

#include "spv/keys/desc.h"

#define SPV_DESC_ALL_BRANCHES SIZE_MAX
/* Writes the text of one path of a multipath descriptor, or the multipath text of all, with its
 * checksum. Returns it, NUL-terminated, for free(); NULL when out of memory. */
char *spv_desc_write(const struct spv_descriptor *d, size_t branch);

#endif
