/* A file is written under a temporary name beside its own and renamed at the end: it is there
 * complete or as it was. The stop signal's handler removes the temporary file itself, so that not
 * even a second signal leaves it behind; a rename that finds it gone then ends as interrupted. */
#include "export_sink.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

#define WRITE_BUFFER (256 * 1024) /* some 600 rows of text a write */

int sink_failed(const struct sink *s, int error)
{
    if (error == EPIPE) { /* the reader of our pipe has had enough: nobody is left to tell */
        return CLI_FAILED;
    }
    return cli_fail_as(CLI_FAILED, SPV_ERR_IO,
                       "%s: cannot be written: %s. Make room or choose another place.", s->name,
                       strerror(error));
}

static void remove_temporary(void *ctx)
{
    (void)unlink(ctx); /* in a signal handler: async-signal-safe */
}

/* The permissions that an ordinary new file would get: mkstemp's are for the owner alone. */
static void usual_mode(int fd)
{
    mode_t mask = umask(0);
    (void)umask(mask);
    (void)fchmod(fd, 0666 & ~mask);
}

static int open_temporary(struct sink *s, const char *path)
{
    char *resolved = realpath(path, NULL); /* a link stays; what it leads to is replaced */
    s->target = resolved != NULL ? resolved : strdup(path);
    if (s->target == NULL) {
        return ENOMEM;
    }
    size_t room = strlen(s->target) + sizeof ".XXXXXX";
    s->temporary = malloc(room);
    if (s->temporary == NULL) {
        return ENOMEM;
    }
    (void)snprintf(s->temporary, room, "%s.XXXXXX", s->target);
    int fd = mkstemp(s->temporary);
    if (fd < 0) {
        int error = errno;
        free(s->temporary);
        s->temporary = NULL;
        return error;
    }
    cli_stop_hook(remove_temporary, s->temporary);
    usual_mode(fd);
    s->f = fdopen(fd, "wb");
    if (s->f == NULL) {
        int error = errno;
        (void)close(fd);
        return error;
    }
    return 0;
}

/* The output is the database, or one of the files that belong to it, by whatever name. */
static bool is_database(const char *database, const struct stat *output)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
    char name[CLI_PATH_MAX + 8];
    struct stat st;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        (void)snprintf(name, sizeof name, "%s%s", database, suffixes[i]);
        if (stat(name, &st) == 0 && st.st_dev == output->st_dev && st.st_ino == output->st_ino) {
            return true;
        }
    }
    return false;
}

int sink_open(struct sink *s, const char *path, const char *database)
{
    struct stat st;
    int error = 0;
    if (path == NULL || strcmp(path, "-") == 0) {
        s->name = "standard output";
        s->f = stdout;
    } else {
        bool exists = stat(path, &st) == 0;
        s->name = path;
        if (exists && S_ISDIR(st.st_mode)) {
            return cli_usage("--output: %s is a folder. Name a file in it.", path);
        }
        if (exists && is_database(database, &st)) {
            return cli_usage("--output: %s belongs to the database. Name another file.", path);
        }
        if (exists && !S_ISREG(st.st_mode)) { /* a device or a pipe */
            s->f = fopen(path, "wb");
            error = s->f == NULL ? errno : 0;
        } else {
            error = open_temporary(s, path);
            s->is_file = true;
        }
    }
    if (error != 0) {
        return sink_failed(s, error);
    }
    (void)setvbuf(s->f, NULL, _IOFBF, WRITE_BUFFER);
    return CLI_DONE;
}

/* Everything is written: flushed, on disk, under its own name. */
int sink_finish(struct sink *s)
{
    if (fflush(s->f) != 0) {
        return sink_failed(s, errno);
    }
    if (s->temporary == NULL) {
        return CLI_DONE;
    }
    if (fsync(fileno(s->f)) != 0 || rename(s->temporary, s->target) != 0) {
        int error = errno;
        return cli_stopped() ? CLI_INTERRUPTED : sink_failed(s, error);
    }
    cli_stop_hook(NULL, NULL);
    free(s->temporary);
    s->temporary = NULL;
    return CLI_DONE;
}

void sink_close(struct sink *s)
{
    if (s->f != NULL && s->f != stdout) {
        (void)fclose(s->f);
    }
    if (s->temporary != NULL) {
        (void)unlink(s->temporary);
        cli_stop_hook(NULL, NULL);
        free(s->temporary);
    }
    free(s->target);
}
