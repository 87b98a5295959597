/* See lock.h for why it is a file of its own. */
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <sqlite3.h>

#include "spv/error.h"

static long holder_of(int fd)
{
    char text[24] = {0};
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    return n > 0 ? strtol(text, NULL, 10) : 0;
}

/* The id only serves the message that a second writer gets: a full disk may leave it out. */
static void write_holder(int fd)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n) {
        errno = 0;
    }
}

int spv_lock_take(int *fd, const char *path, long *holder)
{
    char *name = sqlite3_mprintf("%s-lock", path);
    if (name == NULL) {
        return SPV_ERR_NOMEM;
    }
    int rc = SPV_OK;
    int f = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (f < 0) {
        rc = errno == EACCES || errno == EROFS || errno == EPERM ? SPV_ERR_DB_READONLY : SPV_ERR_IO;
        goto out;
    }
    if (flock(f, LOCK_EX | LOCK_NB) != 0) {
        int e = errno;
        *holder = holder_of(f);
        (void)close(f);
        errno = e;
        rc = e == EWOULDBLOCK ? SPV_ERR_DB_BUSY : SPV_ERR_IO;
        goto out;
    }
    write_holder(f);
    *fd = f;
out:
    sqlite3_free(name);
    return rc;
}

void spv_lock_release(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}
