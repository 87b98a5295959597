/* A file is TARGET.spv-tmp.XXXXXX and carries a flock. The kernel drops that when the writer's
 * descriptor is closed, also when the writer was killed; a process id could be reused by
 * another program. Only the process that has the lock removes a file. Between creating and locking
 * a file another run may remove it; the creator then finds that the file has no name any more and
 * creates another. On a file system without locks nothing is removed. */
#include "export_temporary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define INFIX ".spv-tmp." /* no user file has such a name */
#define RANDOM 6 /* letters and digits that mkstemp chooses */
#define TRIES 100 /* files lost to another run's removal: one in a row is rare */

/* The permissions that an ordinary new file would get: mkstemp's are for the owner alone. */
static void set_default_mode(int fd)
{
    mode_t mask = umask(0);
    (void)umask(mask);
    (void)fchmod(fd, 0666 & ~mask);
}

static bool is_temporary(const char *name, const char *base)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t n = strlen(base);
    if (strncmp(name, base, n) != 0 || strncmp(name + n, INFIX, sizeof INFIX - 1) != 0) {
        return false;
    }
    name += n + sizeof INFIX - 1;
    return strlen(name) == RANDOM && strspn(name, letters) == RANDOM;
}

/* Removes a regular file of ours that no writer has locked. */
static void remove_stale(int folder, const char *name)
{
    struct stat st;
    int fd = openat(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
        flock(fd, LOCK_EX | LOCK_NB) == 0) {
        (void)unlinkat(folder, name, 0);
    }
    (void)close(fd);
}

static void remove_all_stale(const char *target)
{
    const char *slash = strrchr(target, '/');
    const char *base = slash ? slash + 1 : target;
    char *path = !slash            ? strdup(".")
                 : slash == target ? strdup("/")
                                   : strndup(target, (size_t)(slash - target));
    DIR *folder = path ? opendir(path) : NULL;
    const struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        if (is_temporary(entry->d_name, base)) {
            remove_stale(dirfd(folder), entry->d_name);
        }
    }
    if (folder) {
        (void)closedir(folder);
    }
    free(path);
}

/* Returns false when another run removed the file before it was locked. */
static bool lock_temporary(int fd)
{
    struct stat st;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return errno != EWOULDBLOCK; /* no locks on this file system: no other process removes it */
    }
    return fstat(fd, &st) != 0 || st.st_nlink > 0;
}

int temporary_make(char **name, const char *target)
{
    size_t room = strlen(target) + sizeof INFIX + RANDOM;
    *name = malloc(room);
    if (!*name) {
        errno = ENOMEM;
        return -1;
    }
    remove_all_stale(target);
    int fd = -1;
    for (int i = 0; i < TRIES; i++) {
        (void)snprintf(*name, room, "%s" INFIX "XXXXXX", target);
        fd = mkstemp(*name);
        if (fd < 0 || lock_temporary(fd)) {
            break;
        }
        (void)close(fd);
        fd = -1;
        errno = EBUSY;
    }
    if (fd < 0) {
        int error = errno;
        free(*name);
        *name = NULL;
        errno = error;
        return -1;
    }
    set_default_mode(fd);
    return fd;
}
