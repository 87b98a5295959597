/* Where spv-serve's headers come from: mined now, read from a file of raw headers, or a database.
 */
#ifndef SPV_SERVE_SOURCE_H
#define SPV_SERVE_SOURCE_H

#include "header_set.h"
#include "serve_follow.h"
#include "spv/chain.h"
#include "spv/store.h"

struct source {
    const struct spv_params *params; /* in; source_database takes the file's */
    bool quiet, verbose; /* in */
    struct spv_header_db reader; /* out: what to serve */
    struct header_set *set;
    struct spv_store *store;
    struct follow follow; /* a database that has no index yet; its set is not ours */
    struct spv_chain *chain; /* while loading and mining */
    const char *headers, *path; /* lent */
    uint64_t mine, seed;
    double refreshed_at; /* when progress was last shown */
};

/* Each returns CLI_DONE, CLI_INTERRUPTED when a signal came, or the code to exit with after the
 * error was told. */

/* The headers of a file (may be NULL), then `count` mined ones on top. */
int source_judged(struct source *s, const char *headers, uint64_t count, uint64_t seed);
/* A database, of these parameters or (NULL) of those that it names. */
int source_database(struct source *s, const char *path, const struct spv_params *params);

/* Releases all; returns what closing the database did. */
int source_close(struct source *s);

#endif
