/* Serving a database without its hash index: a set in memory that is updated to the database's
 * chain at every begin_read, until the index is built. */
#ifndef SPV_SERVE_FOLLOW_H
#define SPV_SERVE_FOLLOW_H

#include "header_set.h"
#include "spv/store.h"

struct serve_follow {
    struct spv_header_db stored; /* the database itself */
    struct header_set *set; /* owned; NULL once the database has its index */
};

/* Starts with a set that has the stored chain. Returns a header database, valid as long as *f. */
struct spv_header_db serve_follow_begin(struct serve_follow *f, struct spv_store *store,
                                        struct header_set *set);
void serve_follow_end(struct serve_follow *f);

#endif
