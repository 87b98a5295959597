/* spv-proof make: the proof that a transaction is in a block of the best chain. */
#ifndef SPV_PROOF_MAKE_H
#define SPV_PROOF_MAKE_H

#include "spv/store.h"

struct proof_make_options {
    const char *txid; /* hexadecimal */
    const char *block_file; /* a raw block; NULL: the wallet has stored the proof */
    const char *output; /* NULL: standard output */
};

/* Makes, verifies and writes it. Returns CLI_DONE, or the code to exit with after reporting the
 * error. */
int proof_make(const struct proof_make_options *options, struct spv_store *store);

#endif
