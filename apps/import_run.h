/* An import: headers of a file are validated by the chain and stored in the database; headers that
 * it already has are skipped. Errors are reported here; the functions return an exit code. */
#ifndef SPV_IMPORT_RUN_H
#define SPV_IMPORT_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "import_input.h"
#include "spv/chain.h"
#include "spv/import.h"
#include "spv/store.h"

struct import_counts {
    uint64_t added; /* to the best chain, including headers that left it again */
    uint64_t known; /* skipped */
    uint64_t side; /* stored on side branches */
    uint64_t left_out; /* side-branch headers that the chain refused */
    uint64_t reorgs;
    uint64_t missing; /* electrum: zero headers that a sync must download */
    uint64_t below; /* skipped: below the database's first height */
};

struct import {
    struct spv_store *store; /* borrowed, open for writing; those below are borrowed, too */
    struct spv_chain *chain; /* may be replaced by another one, which the caller then owns */
    struct spv_chain_config chain_config; /* what it was made with */
    struct spv_import *decoder;
    struct input *in;
    /* called a few times per second at most; may be NULL */
    void (*progress)(void *ctx, const struct spv_chain_header *tip,
                     const struct import_counts *counts);
    void (*reorganised)(void *ctx, const struct spv_chain_update *change);
    void *ctx;
    struct import_counts counts;
};

/* Imports up to the end of the file or the first error. Returns CLI_DONE, CLI_INTERRUPTED (the
 * headers so far are stored), or another code after reporting the error. */
int import_run(struct import *i);

#endif
