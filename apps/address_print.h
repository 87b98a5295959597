/* The output of spv-address. */
#ifndef SPV_ADDRESS_PRINT_H
#define SPV_ADDRESS_PRINT_H

#include "spv/address.h"
#include "spv/descriptor.h"

struct address_range {
    uint32_t first, last; /* indexes, both included */
};

/* Print a script with its addresses on a set of networks; and a descriptor with the scripts of its
 * branches for a range of indexes. Return CLI_DONE, or the code to exit with after reporting the
 * error. */
int address_print_script(const uint8_t *script, size_t n, unsigned networks);
int address_print_descriptor(const struct spv_descriptor *descriptor, struct address_range range);

#endif
