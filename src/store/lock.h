/* The lock of the single writer: an flock on the file `<database>-lock`. Readers do not take it.
 *
 * It cannot be a lock on the database file itself: SQLite has POSIX locks on that, and those are
 * released when any descriptor of the file is closed in the process. An open SQLite write
 * transaction would exclude other writers, but then nothing could be committed. flock belongs to
 * the open file, so it also refuses a second writer inside one process, and the kernel drops it
 * when the process dies. The file stays (removing it would race with the next writer) and names the
 * last writer's process id. */
#ifndef SPV_STORE_LOCK_H
#define SPV_STORE_LOCK_H

#include "spv/error.h"

/* Takes the lock of the database at `path`, links resolved; texts name it as `shown`. 0 and the
 * descriptor in *fd; else with a text in *why: SPV_ERR_DB_BUSY; SPV_ERR_DB_READONLY, also when the
 * file has several names; SPV_ERR_IO, SPV_ERR_NOMEM. */
int spv_lock_take(int *fd, const char *path, const char *shown, struct spv_error_info *why);

/* Releases the lock. -1 is ignored. */
void spv_lock_release(int fd);

#endif
