/* The copy of a damaged database that a repair makes, and the rename at its end. */
#ifndef SPV_STORE_BACKUP_H
#define SPV_STORE_BACKUP_H

#include <stddef.h>

/* Copies the database at `path` to "<path>.damaged-N", N the first that is free, and its -wal, if
 * there is one, to "<path>.damaged-N-wal", so that the copy opens as the original would. Both are
 * on disk when it returns. The copy's name is written to out. 0, SPV_ERR_DB_FULL, _DB_READONLY, _IO
 * (errno is set; nothing is left behind), SPV_ERR_TOO_LONG. */
int spv_backup_make(char *out, size_t cap, const char *path);

/* Replaces the database at `path` by the file `fresh`, after removing its -wal and -shm. 0,
 * SPV_ERR_IO or another of the above. */
int spv_backup_replace(const char *path, const char *fresh);

/* Removes an incomplete database: the file, -wal, -shm and -lock. */
void spv_backup_remove(const char *path);

#endif
