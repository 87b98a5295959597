/* The full part of a verification: a chain of its own validates the stored headers again by all
 * rules. */
#ifndef SPV_STORE_VERIFY_FULL_H
#define SPV_STORE_VERIFY_FULL_H

#include "store/verify.h"

/* A chain that does not start at genesis lacks the times that validate its first headers: as many
 * headers are taken without validation, and their times are used. */
#define SPV_FULL_SEED (SPV_MEDIAN_SPAN + 1)
#define SPV_FULL_BATCH SPV_MAX_HEADERS /* headers passed to the chain at once: its own limit */

struct spv_full {
    struct spv_verify *v; /* NULL: not requested, or ended */
    struct spv_chain *chain;
    struct spv_chain_header seed[SPV_FULL_SEED];
    size_t n_seed;
    struct spv_header *batch;
    int64_t first; /* height of batch[0] */
    size_t n_batch;
};

/* Nothing happens unless the verification is full. Negative: as spv_store_verify. */
int spv_full_start(struct spv_full *f, struct spv_verify *v);
/* Adds the next row, which is valid by itself; of those below the start only genesis is added. */
int spv_full_add(struct spv_full *f, const struct spv_chain_header *r);
/* Validates the rows of the last batch; rows added after this are ignored. */
int spv_full_end(struct spv_full *f);
/* Frees it without validating the last batch; does nothing after spv_full_end. */
void spv_full_free(struct spv_full *f);

#endif
