/* A copy is complete when the file, its log and their names are on disk: each is synced, and then
 * the folder. Until then the original must not change. */
#include "store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spv/store.h"

#define COPIES_MAX 10000 /* damaged copies beside one database; then the repair fails */
#define CHUNK 65536

static int error_of(int e)
{
    return e == ENOSPC || e == EDQUOT                ? SPV_ERR_DB_FULL
           : e == EACCES || e == EROFS || e == EPERM ? SPV_ERR_DB_READONLY
                                                     : SPV_ERR_IO;
}

/* The path with something after it; SPV_ERR_TOO_LONG. */
static int with_suffix(char *out, const char *path, const char *suffix)
{
    int n = snprintf(out, SPV_PATH_TEXT, "%s%s", path, suffix);
    return n >= 0 && n < SPV_PATH_TEXT ? 0 : SPV_ERR_TOO_LONG;
}

static int copy_bytes(int from, int to)
{
    static _Thread_local char chunk[CHUNK];
    ssize_t n = 0;
    while ((n = read(from, chunk, sizeof chunk)) > 0) {
        for (ssize_t done = 0; done < n;) {
            ssize_t w = write(to, chunk + done, (size_t)(n - done));
            if (w < 0 && errno != EINTR)
                return error_of(errno);
            done += w > 0 ? w : 0;
        }
    }
    return n < 0 ? SPV_ERR_IO : fsync(to) != 0 ? error_of(errno) : 0;
}

/* Sets *exists and returns SPV_ERR_IO when the target exists. */
static int copy_file(bool *exists, const char *from, const char *to)
{
    struct stat st;
    int rc = 0;
    *exists = false;
    /* the path is resolved: a link or a pipe was put there since */
    int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (in < 0)
        return error_of(errno);
    mode_t mode = fstat(in, &st) == 0 ? st.st_mode & 0777 : 0600;
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode | 0200);
    if (out < 0) {
        *exists = errno == EEXIST;
        rc = *exists ? SPV_ERR_IO : error_of(errno);
        goto out;
    }
    rc = copy_bytes(in, out);
    int e = errno;
    if (close(out) != 0 && !rc) {
        e = errno;
        rc = error_of(e);
    }
    if (rc)
        (void)unlink(to);
    errno = e;
out:
    (void)close(in);
    return rc;
}

static int sync_folder(const char *path)
{
    char folder[SPV_PATH_TEXT];
    int rc = with_suffix(folder, path, "");
    if (rc)
        return rc;
    char *slash = strrchr(folder, '/');
    if (!slash)
        memcpy(folder, ".", 2);
    else
        slash[slash == folder] = '\0';
    int f = open(folder, O_RDONLY | O_CLOEXEC);
    if (f < 0)
        return error_of(errno);
    rc = fsync(f) == 0 ? 0 : error_of(errno);
    (void)close(f);
    return rc;
}

int spv_backup_make(char *out, size_t cap, const char *path)
{
    char log[SPV_PATH_TEXT];
    char copy[SPV_PATH_TEXT];
    char copy_log[SPV_PATH_TEXT];
    bool exists = true;
    int rc = SPV_ERR_IO;
    for (int n = 1; n <= COPIES_MAX && exists; n++) {
        char suffix[32];
        (void)snprintf(suffix, sizeof suffix, ".damaged-%d", n);
        if (with_suffix(copy, path, suffix) != 0 || strlen(copy) >= cap ||
            with_suffix(copy_log, copy, "-wal") != 0 || with_suffix(log, path, "-wal") != 0)
            return SPV_ERR_TOO_LONG;
        rc = copy_file(&exists, path, copy);
    }
    if (rc)
        return rc;
    if (access(log, F_OK) == 0) {
        rc = copy_file(&exists, log, copy_log);
        if (rc)
            goto err;
    }
    rc = sync_folder(path);
    if (rc)
        goto err;
    memcpy(out, copy, strlen(copy) + 1);
    return 0;
err:;
    const int e = errno;
    (void)unlink(copy);
    if (!exists) /* else the log's copy is not ours */
        (void)unlink(copy_log);
    errno = e;
    return rc;
}

int spv_backup_replace(const char *path, const char *fresh)
{
    char name[SPV_PATH_TEXT];
    static const char *const suffixes[] = {"-wal", "-shm"};
    for (size_t i = 0; i < 2; i++) {
        if (with_suffix(name, path, suffixes[i]) != 0)
            return SPV_ERR_TOO_LONG;
        if (unlink(name) != 0 && errno != ENOENT)
            return error_of(errno);
    }
    if (rename(fresh, path) != 0)
        return error_of(errno);
    return sync_folder(path);
}

void spv_backup_remove(const char *path)
{
    char name[SPV_PATH_TEXT];
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
        if (with_suffix(name, path, suffixes[i]) == 0)
            (void)unlink(name);
}
