/* A write-ahead log that went missing: told from a note that the writer keeps in its lock file. */
#ifndef SPV_STORE_WAL_GUARD_H
#define SPV_STORE_WAL_GUARD_H

#include "store/db.h"

/* What a writer that did not end properly had committed last, and no log is there to hold it. */
struct spv_wal_note {
    bool noted; /* false: nothing to compare with */
    uint32_t height;
    struct spv_blockhash hash;
};

/* Reads the note beside the open connection's file. Before a snapshot is taken: what is noted then
 * is in it. */
void spv_wal_guard_read(struct spv_wal_note *out, struct spv_store *s);
/* Whether what was noted is missing: 1 (with words), 0 or negative. */
int spv_wal_guard_check(struct spv_store *s, const struct spv_wal_note *note);
/* The writer's: notes the tip, which is committed; or that all is in the file itself. */
void spv_wal_guard_write(struct spv_store *s);
void spv_wal_guard_clear(struct spv_store *s);

#endif
