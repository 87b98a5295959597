/* SQLite does not follow links at these names either, but it waits for a pipe, and writes into a
 * file that has another name elsewhere. */
#include "store/sidecar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

static bool is_own(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_nlink <= 1; /* 0: removed a moment ago */
}

int spv_sidecar_open(const char *name, int flags, int mode)
{
    struct stat st;
    int fd = open(name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode);
    if (fd < 0) {
        errno = errno == ENXIO || errno == EISDIR ? ELOOP : errno;
        return -1;
    }
    if (fstat(fd, &st) == 0 && is_own(&st))
        return fd;
    (void)close(fd);
    errno = ELOOP;
    return -1;
}

const char *spv_sidecar_check(const char *path)
{
    static const char *const suffixes[] = {"-lock", "-wal", "-shm", "-journal"};
    const char *bad = NULL;
    char *real = realpath(path, NULL);
    for (size_t i = 0; !bad && i < sizeof suffixes / sizeof suffixes[0]; i++) {
        struct stat st;
        char *name = sqlite3_mprintf("%s%s", real ? real : path, suffixes[i]);
        if (name && lstat(name, &st) == 0 && !is_own(&st))
            bad = suffixes[i];
        sqlite3_free(name);
    }
    free(real);
    return bad;
}
