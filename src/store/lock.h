/* One writer a database, readers unhindered: an flock on the file `<database>-lock`.
 *
 * It cannot be a lock on the database file itself: SQLite holds POSIX locks on that, and those die
 * when any descriptor of the file is closed in the process. A held SQLite write transaction would
 * do, but then nothing could be committed. flock belongs to the open file, so it also refuses a
 * second writer inside one process, and the kernel drops it when the process dies. The file stays
 * (removing it would race with the next writer) and names the last writer's process id. */
#ifndef SPV_STORE_LOCK_H
#define SPV_STORE_LOCK_H

/* Takes the lock of the database at `path`. 0 and the descriptor in *fd; SPV_ERR_DB_BUSY and the
 * holder's process id in *holder (0: not known); SPV_ERR_DB_READONLY, SPV_ERR_IO (errno is set),
 * SPV_ERR_NOMEM. */
int spv_lock_take(int *fd, const char *path, long *holder);

/* Lets go; -1 is fine. */
void spv_lock_release(int fd);

#endif
