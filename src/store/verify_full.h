/* The full verdict of a verification: stored headers judged once more by all rules, by a chain of
 * their own. */
#ifndef SPV_STORE_VERIFY_FULL_H
#define SPV_STORE_VERIFY_FULL_H

#include "store/verify.h"

/* A chain that does not begin at genesis lacks the times that its first headers were judged by: as
 * many are taken as they are, and stand for them. */
#define SPV_FULL_SEED (SPV_MEDIAN_SPAN + 1)
#define SPV_FULL_FEED SPV_MAX_HEADERS /* handed to the chain at once: its own limit */

struct spv_full {
    struct spv_verify *v; /* NULL: not asked for, or it has come to its end */
    struct spv_chain *chain;
    struct spv_chain_header seed[SPV_FULL_SEED];
    size_t n_seed;
    struct spv_header *feed;
    int64_t first; /* height of feed[0] */
    size_t fed;
};

/* Nothing happens unless the verification is full. Negative: as spv_store_verify. */
int spv_full_start(struct spv_full *f, struct spv_verify *v);
/* The next row that holds by itself; rows below the base but genesis are not to be given. */
int spv_full_add(struct spv_full *f, const struct spv_chain_header *r);
/* Judges what still waits; rows that come after this are not judged. */
int spv_full_end(struct spv_full *f);
/* Frees it without checking what waits; does nothing after spv_full_end. */
void spv_full_free(struct spv_full *f);

#endif
