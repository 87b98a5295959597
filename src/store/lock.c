/* See lock.h for why it is a file of its own. */
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "store/sidecar.h"

static long holder_of(int fd)
{
    char text[24] = {0};
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    return n > 0 ? strtol(text, NULL, 10) : 0;
}

/* The id is only for the error message of a second writer: on a full disk it may be missing. */
static void write_holder(int fd)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n)
        errno = 0;
}

__attribute__((format(printf, 3, 4))) static int lock_error(struct spv_error_info *why, int code,
                                                            const char *format, ...)
{
    va_list args;
    va_start(args, format);
    why->code = (enum spv_err)code;
    (void)vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return code;
}

static int open_failed(struct spv_error_info *why, const char *shown)
{
    const int e = errno;
    char reason[96];
    if (e == ELOOP) {
        return lock_error(
            why, SPV_ERR_IO,
            "%s: its lock file (-lock) is a link, a pipe, a folder or a device, or has "
            "another name as well, and was left alone. Remove it.",
            shown);
    }
    if (strerror_r(e, reason, sizeof reason) != 0)
        reason[0] = '\0';
    if (e == EMFILE || e == ENFILE) {
        return lock_error(why, SPV_ERR_NO_DESCRIPTOR,
                          "%s: its lock file cannot be made: %s. Raise the limit of open files "
                          "(ulimit -n).",
                          shown, reason);
    }
    return lock_error(why,
                      e == EACCES || e == EROFS || e == EPERM ? SPV_ERR_DB_READONLY : SPV_ERR_IO,
                      "%s: its lock file cannot be made: %s. Check the folder.", shown, reason);
}

int spv_lock_take(int *fd, const char *path, const char *shown, struct spv_error_info *why)
{
    struct stat st;
    /* Another name has a lock file and a log of its own. */
    if (stat(path, &st) == 0 && st.st_nlink > 1) {
        return lock_error(
            why, SPV_ERR_DB_READONLY,
            "%s: has %lu names (hard links), and a writer that uses another one cannot be "
            "detected. Copy it to a file of its own, or remove the other "
            "names.",
            shown, (unsigned long)st.st_nlink);
    }
    char *name = sqlite3_mprintf("%s-lock", path);
    if (!name) {
        return lock_error(why, SPV_ERR_NOMEM, "%s: out of memory. Free some memory and try again.",
                          shown);
    }
    int f = spv_sidecar_open(name, O_RDWR | O_CREAT, 0644);
    if (f < 0) {
        int rc = open_failed(why, shown);
        sqlite3_free(name);
        return rc;
    }
    sqlite3_free(name);
    if (flock(f, LOCK_EX | LOCK_NB) != 0) {
        int rc = errno != EWOULDBLOCK
                     ? open_failed(why, shown)
                     : lock_error(why, SPV_ERR_DB_BUSY,
                                  "%s: another program (process %ld) is writing to this database. "
                                  "Wait for it to end, or stop it.",
                                  shown, holder_of(f));
        (void)close(f);
        return rc;
    }
    write_holder(f);
    *fd = f;
    return 0;
}

void spv_lock_release(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}
