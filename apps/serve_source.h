/* Source of spv-serve's headers: mined, a file of raw headers, or a database. */
#ifndef SPV_SERVE_SOURCE_H
#define SPV_SERVE_SOURCE_H

#include "header_set.h"
#include "serve_follow.h"
#include "spv/chain.h"
#include "spv/store.h"

struct source {
    const struct spv_params *params; /* in; source_database sets the file's */
    bool quiet, verbose; /* in */
    struct spv_header_db header_db; /* out: what to serve */
    struct spv_filter_db filter_db; /* out: a database's; zeroed without one */
    struct header_set *set;
    struct spv_store *store;
    struct serve_follow follow; /* a database without a hash index; owns its set */
    struct spv_chain *chain; /* while loading and mining */
    const char *headers, *path; /* borrowed */
    uint64_t mine, seed;
    double refreshed_at; /* when progress was last shown */
};

/* Each returns CLI_DONE, CLI_INTERRUPTED after a signal, or the code to exit with after
 * reporting the error. */

/* Loads the headers of a file (may be NULL), then mines `count` on top. */
int source_validated(struct source *s, const char *headers, uint64_t count, uint64_t seed);
/* Opens a database of these parameters, or (NULL) of those that it names. */
int source_database(struct source *s, const char *path, const struct spv_params *params);

/* Releases everything. Returns the result of closing the database. */
int source_close(struct source *s);

#endif
