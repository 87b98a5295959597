/* The canonical text of descriptors. */
#ifndef SPV_KEYS_DESC_TEXT_H
#define SPV_KEYS_DESC_TEXT_H

#include "spv/keys/desc.h"

#define SPV_DESC_ALL_BRANCHES SIZE_MAX
/* Writes the text of one branch of a multipath descriptor, or the multipath text of all branches,
 * with its checksum. Returns it, NUL-terminated, to be freed with free(); NULL when out of memory.
 */
char *spv_desc_write(const struct spv_descriptor *d, size_t branch);

#endif
