/* The files beside a database: -lock, -wal, -shm, -journal. Their names are predictable, so where
 * other users can write into the folder, one may be a link to a file of ours, or a pipe. */
#ifndef SPV_STORE_SIDECAR_H
#define SPV_STORE_SIDECAR_H

/* Opens such a file without following a link and without waiting for a pipe. The descriptor, or -1
 * and errno: ELOOP when it is no regular file, or has another name as well. */
int spv_sidecar_open(const char *name, int flags, int mode);

/* Checks all files beside the database at `path` (links in it are resolved). NULL, or the
 * suffix of the first that SQLite or we must not open. */
const char *spv_sidecar_check(const char *path);

#endif
