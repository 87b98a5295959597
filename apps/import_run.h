/* An import: headers of a file go through the chain, which judges each by every rule, into the
 * database; what is there already is passed over. Errors are told here; what comes back is an exit
 * code. */
#ifndef SPV_IMPORT_RUN_H
#define SPV_IMPORT_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "import_input.h"
#include "spv/chain.h"
#include "spv/import.h"
#include "spv/store.h"

struct import_counts {
    uint64_t added; /* to the best chain, what left it again included */
    uint64_t known; /* passed over */
    uint64_t side; /* stored on side branches */
    uint64_t left_out; /* side-branch headers that the chain has no room or no place for */
    uint64_t reorgs;
    uint64_t missing; /* electrum: zero headers that sync must fetch */
    uint64_t below; /* passed over: the database begins above them */
};

struct import {
    struct spv_store *store; /* lent, open for writing, as are those below */
    struct spv_chain *chain; /* its owner may find another one here afterwards */
    struct spv_chain_config chain_config; /* what it was made with */
    struct spv_import *decoder;
    struct input *in;
    /* called a few times a second at most; may be NULL */
    void (*progress)(void *ctx, const struct spv_chain_header *tip,
                     const struct import_counts *counts);
    void (*reorganised)(void *ctx, const struct spv_chain_update *change);
    void *ctx;
    struct import_counts counts;
};

/* Reads to the end of the file, or to what cannot be used. CLI_DONE, CLI_INTERRUPTED (everything so
 * far is stored), or another code after the reason was told. */
int import_run(struct import *i);

#endif
