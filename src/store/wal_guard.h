/* A write-ahead log that went missing: told from a note that the writer keeps in its lock file. */
#ifndef SPV_STORE_WAL_GUARD_H
#define SPV_STORE_WAL_GUARD_H

#include "store/db.h"

/* What a writer that did not end properly had committed last, and no log is there to hold it. */
struct spv_lostlog {
    bool noted; /* false: nothing to compare with */
    uint32_t height;
    struct spv_blockhash hash;
};

/* Reads the note beside the open connection's file. Before a snapshot is taken: what is noted then
 * is in it. */
void spv_lostlog_read(struct spv_lostlog *out, struct spv_store *s);
/* Whether what was noted is missing: 1 (with words), 0 or negative. */
int spv_lostlog_missing(struct spv_store *s, const struct spv_lostlog *note);
/* The writer's: notes the tip, which is committed; or that all is in the file itself. */
void spv_lostlog_note(struct spv_store *s);
void spv_lostlog_forget(struct spv_store *s);

#endif
