/* A database without its index of hashes, as spv-serve answers from it: a set in memory that is
 * brought up to the database's chain whenever a reader is held, until the index is there. */
#ifndef SPV_SERVE_FOLLOW_H
#define SPV_SERVE_FOLLOW_H

#include "header_set.h"
#include "spv/store.h"

struct follow {
    struct spv_header_db stored; /* the database itself */
    struct header_set *set; /* owned; NULL once the database has its index */
};

/* The set holds the chain of a moment ago. The reader is valid as long as the struct. */
struct spv_header_db follow_begin(struct follow *f, struct spv_store *store,
                                  struct header_set *set);
void follow_end(struct follow *f);

#endif
