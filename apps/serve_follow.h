/* A database without its index of hashes, as spv-serve answers from it: a set in memory that is
 * brought up to the database's chain whenever a reader is held, until the index is there. */
#ifndef SPV_SERVE_FOLLOW_H
#define SPV_SERVE_FOLLOW_H

#include "header_set.h"
#include "spv/store.h"

struct follow {
    struct spv_reader stored; /* the database itself */
    struct headerset *set; /* owned; NULL once the database has its index */
};

/* The set holds the chain of a moment ago. The reader is valid as long as the struct. */
struct spv_reader follow_begin(struct follow *f, struct spv_store *store, struct headerset *set);
void follow_end(struct follow *f);

#endif
