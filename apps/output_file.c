/* A file is written under a temporary name beside its own and renamed at the end: it is there
 * complete or as it was, also after a power cut (file and folder are synced). The stop signal's
 * handler removes the temporary file itself, so that not even a second signal leaves it behind; a
 * rename that finds it gone then ends as interrupted.
 *
 * Bytes pass through here in one direction: rows -> buffer -> pack -> checksum -> descriptor. */
#include "output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "export_temporary.h"

#define WRITE_BUFFER ((size_t)256 * 1024) /* some 600 rows of text a write */
#define SUM_BYTES 32 /* SHA-256 */
#define WAIT_MS 100 /* between checks for a stop signal while a pipe is full */
#define PIECE PIPE_BUF /* bytes that a writable pipe accepts without blocking */

int sink_failed(const struct sink *s)
{
    if (s->error ==
        EPIPE) { /* the reader of our pipe has closed it: there is no one to report to */
        return CLI_FAILED;
    }
    if (s->error == EINTR && cli_stopped()) {
        return CLI_INTERRUPTED;
    }
    return cli_fail_as(CLI_FAILED, SPV_ERR_IO, "%s: cannot be written: %s. %s", s->name,
                       strerror(s->error), cli_write_advice(s->error));
}

static int output_fail(struct sink *s, int error)
{
    s->error = error;
    return sink_failed(s);
}

/* Opening. */

static void remove_temporary(void *ctx)
{
    (void)unlink(ctx); /* in a signal handler: async-signal-safe */
}

static int open_temporary(struct sink *s, const char *path)
{
    char *resolved = realpath(path, NULL); /* a link stays; what it leads to is replaced */
    s->target = resolved ? resolved : strdup(path);
    if (!s->target) {
        return ENOMEM;
    }
    s->fd = temporary_make(&s->temporary, s->target);
    if (s->fd < 0) {
        return errno;
    }
    cli_stop_hook(remove_temporary, s->temporary);
    return 0;
}

/* Returns true when the output is the database or one of its files, also through another name. */
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

/* Waits for a reader of a named pipe as open(2) does, but at most until a stop signal. Returns the
 * descriptor, or -1 and errno. */
static int open_pipe(const char *path)
{
    int fd = -1;
    while ((fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0 && errno == ENXIO) {
        if (cli_stopped()) {
            errno = EINTR;
            return -1;
        }
        (void)poll(NULL, 0, WAIT_MS);
    }
    if (fd >= 0 && fcntl(fd, F_SETFL, O_WRONLY) != 0) {
        int error = errno;
        (void)close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static int open_place(struct sink *s, const char *path, const char *database)
{
    struct stat st;
    int error = 0;
    if (!path || strcmp(path, "-") == 0) {
        s->name = "standard output";
        s->fd = STDOUT_FILENO;
        s->waits = fstat(s->fd, &st) != 0 || !S_ISREG(st.st_mode);
        return CLI_DONE;
    }
    bool exists = stat(path, &st) == 0;
    s->name = path;
    if (exists && S_ISDIR(st.st_mode)) {
        return cli_usage("--output: %s is a folder. Name a file in it.", path);
    }
    if (exists && is_database(database, &st)) {
        return cli_usage("--output: %s belongs to the database. Name another file.", path);
    }
    if (exists && !S_ISREG(st.st_mode)) { /* a device or a pipe */
        s->fd = open_pipe(path);
        error = s->fd < 0 ? errno : 0;
        s->waits = true;
    } else {
        error = open_temporary(s, path);
        s->is_file = true;
    }
    return error != 0 ? output_fail(s, error) : CLI_DONE;
}

/* Waits until a write does not block. Returns false after a stop signal. */
static bool wait_to_write(struct sink *s)
{
    struct pollfd out = {.fd = s->fd, .events = POLLOUT};
    while (!cli_stopped()) {
        if (poll(&out, 1, WAIT_MS) != 0) { /* writable, or an error that write returns */
            return true;
        }
    }
    s->error = EINTR;
    return false;
}

static void write_all(void *ctx, const uint8_t *bytes, size_t n)
{
    struct sink *s = ctx;
    if (s->error != 0) {
        return;
    }
    if (s->sum && EVP_DigestUpdate(s->sum, bytes, n) != 1) {
        s->error = EIO;
        return;
    }
    while (n > 0) {
        if (s->waits && !wait_to_write(s)) {
            return;
        }
        ssize_t wrote = write(s->fd, bytes, s->waits && n > PIECE ? PIECE : n);
        if (wrote < 0 && (errno == EINTR || (errno == EAGAIN && s->waits))) {
            continue; /* another program may have made the pipe non-blocking */
        }
        if (wrote < 0) {
            s->error = errno;
            return;
        }
        bytes += wrote;
        n -= (size_t)wrote;
    }
}

int sink_open(struct sink *s, const char *path, const char *database, bool checksum)
{
    s->fd = -1;
    int rc = open_place(s, path, database);
    if (rc != CLI_DONE) {
        return rc;
    }
    s->buffer = malloc(WRITE_BUFFER);
    if (!s->buffer || pack_new(&s->pack, pack_of_name(path), write_all, s) != 0) {
        return output_fail(s, ENOMEM);
    }
    if (checksum) {
        s->sum = EVP_MD_CTX_new();
        if (!s->sum || EVP_DigestInit_ex(s->sum, EVP_sha256(), NULL) != 1) {
            return output_fail(s, ENOMEM);
        }
    }
    return CLI_DONE;
}

/* Writing. */

static void drain_pipe(struct sink *s)
{
    int rc = s->error == 0 && s->used > 0 ? pack_write(s->pack, s->buffer, s->used) : 0;
    if (rc != 0 && s->error == 0) {
        s->error = rc == SPV_ERR_NOMEM ? ENOMEM : EIO;
    }
    s->used = 0;
}

void sink_write(struct sink *s, const void *bytes, size_t n)
{
    const uint8_t *from = bytes;
    s->position += n;
    while (n > 0) {
        size_t part = WRITE_BUFFER - s->used < n ? WRITE_BUFFER - s->used : n;
        memcpy(s->buffer + s->used, from, part);
        s->used += part;
        from += part;
        n -= part;
        if (s->used == WRITE_BUFFER) {
            drain_pipe(s);
        }
    }
}

void sink_text(struct sink *s, const char *text)
{
    sink_write(s, text, strlen(text));
}

void sink_zeros(struct sink *s, uint64_t n)
{
    static const uint8_t zeros[4096];
    for (; n > 0 && s->error == 0 && !cli_stopped(); n -= n < sizeof zeros ? n : sizeof zeros) {
        sink_write(s, zeros, n < sizeof zeros ? (size_t)n : sizeof zeros);
    }
}

/* Ending. */

/* Syncs the folder of a path, so that a rename in it survives a power cut. Ignores errors: some
 * file systems cannot sync folders. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = !slash          ? strdup(".")
                   : slash == path ? strdup("/")
                                   : strndup(path, (size_t)(slash - path));
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
    free(folder);
}

/* Syncs the file, then renames it to its own name. */
static int make_visible(struct sink *s)
{
    if (fsync(s->fd) != 0 || rename(s->temporary, s->target) != 0) {
        int error = errno;
        return cli_stopped() ? CLI_INTERRUPTED : output_fail(s, error);
    }
    cli_stop_hook(NULL, NULL);
    free(s->temporary);
    s->temporary = NULL;
    sync_folder(s->target);
    return CLI_DONE;
}

/* Formats the hash of all bytes as sha256sum does: digits, two spaces, the name. */
static int sum_line(struct sink *s, char *line, size_t room, const char *name)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    if (EVP_DigestFinal_ex(s->sum, digest, NULL) != 1) {
        return output_fail(s, EIO);
    }
    for (size_t i = 0; i < SUM_BYTES; i++) {
        (void)snprintf(line + 2 * i, room - 2 * i, "%02x", digest[i]);
    }
    (void)snprintf(line + 2 * SUM_BYTES, room - (size_t)2 * SUM_BYTES, "  %s\n", name);
    return CLI_DONE;
}

/* Writes the line into TARGET.sha256, itself complete or as it was. */
static int write_sidecar(struct sink *s, const char *line)
{
    size_t room = strlen(s->target) + sizeof ".sha256";
    char *path = malloc(room);
    char *temporary = NULL;
    int fd = -1;
    int error = ENOMEM;
    if (path) {
        (void)snprintf(path, room, "%s.sha256", s->target);
        fd = temporary_make(&temporary, path);
        error = fd < 0 ? errno : 0;
    }
    if (fd >= 0) {
        size_t n = strlen(line);
        cli_stop_hook(remove_temporary, temporary);
        ssize_t wrote = write(fd, line, n);
        if (wrote != (ssize_t)n || fsync(fd) != 0 || rename(temporary, path) != 0) {
            error = wrote >= 0 && wrote != (ssize_t)n ? ENOSPC : errno;
            (void)unlink(temporary);
        }
        cli_stop_hook(NULL, NULL);
        (void)close(fd);
        sync_folder(path);
    }
    free(temporary);
    free(path);
    return error != 0 ? output_fail(s, error) : CLI_DONE;
}

static int write_sum(struct sink *s)
{
    char line[2 * SUM_BYTES + NAME_MAX + 8];
    const char *slash = s->target ? strrchr(s->target, '/') : NULL;
    const char *name = !s->target ? "-" : slash ? slash + 1 : s->target;
    int rc = sum_line(s, line, sizeof line, name);
    if (rc != CLI_DONE) {
        return rc;
    }
    if (s->target) {
        return write_sidecar(s, line);
    }
    (void)fputs(line, stderr);
    return CLI_DONE;
}

int sink_finish(struct sink *s)
{
    drain_pipe(s);
    int rc = s->error == 0 ? pack_finish(s->pack) : 0;
    if (rc != 0) {
        return output_fail(s, rc == SPV_ERR_NOMEM ? ENOMEM : EIO);
    }
    if (s->error != 0) {
        return sink_failed(s);
    }
    rc = s->temporary ? make_visible(s) : CLI_DONE;
    return rc == CLI_DONE && s->sum ? write_sum(s) : rc;
}

int sink_publish(struct sink *s)
{
    drain_pipe(s);
    if (s->error != 0) {
        return sink_failed(s);
    }
    if (s->temporary) {
        return make_visible(s);
    }
    if (s->is_file && fsync(s->fd) != 0) {
        return output_fail(s, errno);
    }
    return CLI_DONE;
}

int sink_cut(struct sink *s, uint64_t position)
{
    drain_pipe(s);
    if (s->error != 0) {
        return sink_failed(s);
    }
    if (ftruncate(s->fd, (off_t)position) != 0 || lseek(s->fd, (off_t)position, SEEK_SET) < 0) {
        return output_fail(s, errno);
    }
    s->position = position;
    return CLI_DONE;
}

void sink_close(struct sink *s)
{
    if (s->fd >= 0 && s->fd != STDOUT_FILENO) {
        (void)close(s->fd);
    }
    if (s->temporary) {
        (void)unlink(s->temporary);
        cli_stop_hook(NULL, NULL);
        free(s->temporary);
    }
    EVP_MD_CTX_free(s->sum);
    pack_free(s->pack);
    free(s->buffer);
    free(s->target);
}
