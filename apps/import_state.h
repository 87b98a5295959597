/* State of an import, shared by its source files. */
#ifndef SPV_IMPORT_STATE_H
#define SPV_IMPORT_STATE_H

#include "cli.h"
#include "import_run.h"
#include "spv/message.h"

#define BATCH SPV_MAX_HEADERS /* headers validated and stored at once */
#define SIDE_MAX SPV_CHAIN_BRANCH_HEADERS /* marked headers of a file: the limit of a database */

/* Position of a header in the file and on the chain. */
struct file_pos {
    uint64_t line, offset;
    uint32_t height;
};

struct import_state {
    struct import *i;
    const char *name; /* of the file */
    uint32_t tip; /* height of the stored tip */
    /* not yet validated */
    struct spv_header headers[BATCH];
    struct file_pos positions[BATCH];
    size_t n;
    bool side; /* marked as side branches */
    uint64_t n_side; /* marked headers so far */
    /* stored headers, read ahead */
    struct spv_header stored[BATCH];
    uint32_t stored_from, n_stored;
    /* order of the file */
    bool started;
    uint32_t last; /* height of the last header, or of the fork or hole after it */
    struct spv_header last_header;
    /* a start after a hole: import_start.c */
    uint32_t base; /* the database's first height, except genesis */
    struct spv_header *period; /* being collected; NULL: none */
    size_t n_period;
    const struct spv_checkpoint *before, *ending;
    uint64_t period_offset; /* of its first header */
    /* the first header that differs from the stored one */
    bool differs;
    struct file_pos differs_at;
    struct spv_blockhash differs_hash;
};

/* Reports the store's error err. Returns an exit code. */
static inline int import_store_failed(const struct import_state *s, int err)
{
    const char *why = spv_store_last_error(s->i->store);
    return cli_fail(err, "%s", why[0] != '\0' ? why : spv_strerror(err));
}

/* A hole ends at height `last`. Returns true, and starts collecting, if a retarget period between
 * two checkpoints may follow, with which an empty database can begin. */
bool import_start_wanted(struct import_state *s, uint32_t last);
/* Adds a header after the hole, while the period is not complete. Returns an exit code. */
int import_start_add(struct import_state *s, const struct spv_import_item *item);
/* Headers follow the period: stores it as the database's beginning. Returns
 * an exit code. */
int import_start(struct import_state *s);
/* The file ends: stores a period that is complete, and reports the hole before one that is not.
 * Returns an exit code. */
int import_start_finish(struct import_state *s);
/* Reports the headers between the database's tip and height `last` as missing. */
void import_report_missing(struct import_state *s, uint32_t last);
/* Discards the period: another hole, or the end, follows too early. Does nothing if there is none.
 */
void import_start_drop(struct import_state *s);

#endif
