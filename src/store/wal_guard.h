/* Detects a lost write-ahead log, from a note that the writer keeps in its lock file. */
#ifndef SPV_STORE_WAL_GUARD_H
#define SPV_STORE_WAL_GUARD_H

#include "store/db.h"

/* The last commit of a writer that was killed, when there is no log. */
struct spv_wal_note {
    bool noted; /* false: nothing to compare with */
    uint32_t height;
    struct spv_blockhash hash;
};

/* Reads the note beside the open connection's file. Call it before a snapshot is taken: the
 * snapshot then includes the noted commit. */
void spv_wal_guard_read(struct spv_wal_note *out, struct spv_store *s);
/* Whether the noted header is missing: 1 (with a text in the store), 0, or an error of the
 * database. */
int spv_wal_guard_check(struct spv_store *s, const struct spv_wal_note *note);
/* For the writer: notes the committed tip; or removes the note after a complete checkpoint. */
void spv_wal_guard_write(struct spv_store *s);
void spv_wal_guard_clear(struct spv_store *s);

#endif
