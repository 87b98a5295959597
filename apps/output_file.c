/* A file is written under a temporary name beside its own and renamed at the end: it is there
 * complete or as it was, also after a power cut (file and folder are synced). The stop signal's
 * handler removes the temporary file itself, so that not even a second signal leaves it behind; a
 * rename that finds it gone then ends as interrupted.
 *
 * Bytes pass through here in one direction: rows -> buffer -> compression -> checksum ->
 * descriptor. */
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
#define DIGEST_BYTES 32 /* SHA-256 */
#define WAIT_MS 100 /* between checks for a stop signal while a pipe is full */

int output_file_report(const struct output_file *o)
{
    if (o->error ==
        EPIPE) { /* the reader of our pipe has closed it: there is no one to report to */
        return CLI_FAILED;
    }
    if (o->error == EINTR && cli_stopped()) {
        return CLI_INTERRUPTED;
    }
    return cli_fail_as(CLI_FAILED, SPV_ERR_IO, "%s: cannot be written: %s. %s", o->name,
                       strerror(o->error), cli_write_advice(o->error));
}

static int output_file_fail(struct output_file *o, int error)
{
    o->error = error;
    return output_file_report(o);
}

/* Opening. */

static void remove_temporary(void *ctx)
{
    (void)unlink(ctx); /* in a signal handler: async-signal-safe */
}

static int open_temporary(struct output_file *o, const char *path)
{
    char *resolved = realpath(path, NULL); /* a link stays; what it leads to is replaced */
    o->target = resolved ? resolved : strdup(path);
    if (!o->target) {
        return ENOMEM;
    }
    o->fd = temporary_make(&o->temporary, o->target);
    if (o->fd < 0) {
        return errno;
    }
    cli_stop_hook(remove_temporary, o->temporary);
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

static int open_target(struct output_file *o, const char *option, const char *path,
                       const char *database)
{
    struct stat st;
    int error = 0;
    if (!path || strcmp(path, "-") == 0) {
        o->name = "standard output";
        o->fd = STDOUT_FILENO;
        o->waits = fstat(o->fd, &st) != 0 || !S_ISREG(st.st_mode);
        return CLI_DONE;
    }
    bool exists = stat(path, &st) == 0;
    o->name = path;
    if (exists && S_ISDIR(st.st_mode)) {
        return cli_usage("--%s: %s is a folder. Name a file in it.", option, path);
    }
    if (exists && is_database(database, &st)) {
        return cli_usage("--%s: %s belongs to the database. Name another file.", option, path);
    }
    if (exists && !S_ISREG(st.st_mode)) { /* a device or a pipe */
        o->fd = open_pipe(path);
        error = o->fd < 0 ? errno : 0;
        o->waits = true;
    } else {
        error = open_temporary(o, path);
        o->is_file = true;
    }
    return error != 0 ? output_file_fail(o, error) : CLI_DONE;
}

/* Waits until a write does not block. Returns false after a stop signal. */
static bool wait_to_write(struct output_file *o)
{
    struct pollfd out = {.fd = o->fd, .events = POLLOUT};
    while (!cli_stopped()) {
        if (poll(&out, 1, WAIT_MS) != 0) { /* writable, or an error that write returns */
            return true;
        }
    }
    o->error = EINTR;
    return false;
}

static void write_all(void *ctx, const uint8_t *bytes, size_t n)
{
    struct output_file *o = ctx;
    if (o->error != 0) {
        return;
    }
    if (o->sum && EVP_DigestUpdate(o->sum, bytes, n) != 1) {
        o->error = EIO;
        return;
    }
    while (n > 0) {
        if (o->waits && !wait_to_write(o)) {
            return;
        }
        /* a writable pipe accepts PIPE_BUF bytes without blocking */
        ssize_t wrote = write(o->fd, bytes, o->waits && n > PIPE_BUF ? PIPE_BUF : n);
        if (wrote < 0 && (errno == EINTR || (errno == EAGAIN && o->waits))) {
            continue; /* another program may have made the pipe non-blocking */
        }
        if (wrote < 0) {
            o->error = errno;
            return;
        }
        bytes += wrote;
        n -= (size_t)wrote;
    }
}

int output_file_open(struct output_file *o, const char *option, const char *path,
                     const char *database, bool checksum)
{
    o->fd = -1;
    int rc = open_target(o, option, path, database);
    if (rc != CLI_DONE) {
        return rc;
    }
    o->buffer = malloc(WRITE_BUFFER);
    if (!o->buffer ||
        compress_new(&o->compressor, compress_kind_of_name(path), write_all, o) != 0) {
        return output_file_fail(o, ENOMEM);
    }
    if (checksum) {
        o->sum = EVP_MD_CTX_new();
        if (!o->sum || EVP_DigestInit_ex(o->sum, EVP_sha256(), NULL) != 1) {
            return output_file_fail(o, ENOMEM);
        }
    }
    return CLI_DONE;
}

/* Writing. */

static void flush_buffer(struct output_file *o)
{
    int rc = o->error == 0 && o->used > 0 ? compress_write(o->compressor, o->buffer, o->used) : 0;
    if (rc != 0 && o->error == 0) {
        o->error = rc == SPV_ERR_NOMEM ? ENOMEM : EIO;
    }
    o->used = 0;
}

void output_file_write(struct output_file *o, const void *bytes, size_t n)
{
    const uint8_t *from = bytes;
    o->position += n;
    while (n > 0) {
        size_t part = WRITE_BUFFER - o->used < n ? WRITE_BUFFER - o->used : n;
        memcpy(o->buffer + o->used, from, part);
        o->used += part;
        from += part;
        n -= part;
        if (o->used == WRITE_BUFFER) {
            flush_buffer(o);
        }
    }
}

void output_file_text(struct output_file *o, const char *text)
{
    output_file_write(o, text, strlen(text));
}

void output_file_zeros(struct output_file *o, uint64_t n)
{
    static const uint8_t zeros[4096];
    for (; n > 0 && o->error == 0 && !cli_stopped(); n -= n < sizeof zeros ? n : sizeof zeros) {
        output_file_write(o, zeros, n < sizeof zeros ? (size_t)n : sizeof zeros);
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
static int rename_temporary(struct output_file *o)
{
    if (fsync(o->fd) != 0 || rename(o->temporary, o->target) != 0) {
        int error = errno;
        return cli_stopped() ? CLI_INTERRUPTED : output_file_fail(o, error);
    }
    cli_stop_hook(NULL, NULL);
    free(o->temporary);
    o->temporary = NULL;
    sync_folder(o->target);
    return CLI_DONE;
}

/* Formats the hash of all bytes as sha256sum does: digits, two spaces, the name. */
static int format_checksum(struct output_file *o, char *line, size_t room, const char *name)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    if (EVP_DigestFinal_ex(o->sum, digest, NULL) != 1) {
        return output_file_fail(o, EIO);
    }
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        (void)snprintf(line + 2 * i, room - 2 * i, "%02x", digest[i]);
    }
    (void)snprintf(line + 2 * DIGEST_BYTES, room - (size_t)2 * DIGEST_BYTES, "  %s\n", name);
    return CLI_DONE;
}

/* Writes the line into TARGET.sha256, itself complete or as it was. */
static int write_checksum_file(struct output_file *o, const char *line)
{
    size_t room = strlen(o->target) + sizeof ".sha256";
    char *path = malloc(room);
    char *temporary = NULL;
    int fd = -1;
    int error = ENOMEM;
    if (path) {
        (void)snprintf(path, room, "%s.sha256", o->target);
        fd = temporary_make(&temporary, path);
        error = fd < 0 ? errno : 0;
    }
    if (fd >= 0) {
        size_t n = strlen(line);
        cli_stop_hook(remove_temporary, temporary);
        /* a writable pipe accepts PIPE_BUF bytes without blocking */
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
    return error != 0 ? output_file_fail(o, error) : CLI_DONE;
}

static int write_checksum(struct output_file *o)
{
    char line[2 * DIGEST_BYTES + NAME_MAX + 8];
    const char *slash = o->target ? strrchr(o->target, '/') : NULL;
    const char *name = !o->target ? "-" : slash ? slash + 1 : o->target;
    int rc = format_checksum(o, line, sizeof line, name);
    if (rc != CLI_DONE) {
        return rc;
    }
    if (o->target) {
        return write_checksum_file(o, line);
    }
    (void)fputs(line, stderr);
    return CLI_DONE;
}

int output_file_finish(struct output_file *o)
{
    flush_buffer(o);
    int rc = o->error == 0 ? compress_finish(o->compressor) : 0;
    if (rc != 0) {
        return output_file_fail(o, rc == SPV_ERR_NOMEM ? ENOMEM : EIO);
    }
    if (o->error != 0) {
        return output_file_report(o);
    }
    rc = o->temporary ? rename_temporary(o) : CLI_DONE;
    return rc == CLI_DONE && o->sum ? write_checksum(o) : rc;
}

int output_file_publish(struct output_file *o)
{
    flush_buffer(o);
    if (o->error != 0) {
        return output_file_report(o);
    }
    if (o->temporary) {
        return rename_temporary(o);
    }
    if (o->is_file && fsync(o->fd) != 0) {
        return output_file_fail(o, errno);
    }
    return CLI_DONE;
}

int output_file_truncate(struct output_file *o, uint64_t position)
{
    flush_buffer(o);
    if (o->error != 0) {
        return output_file_report(o);
    }
    if (ftruncate(o->fd, (off_t)position) != 0 || lseek(o->fd, (off_t)position, SEEK_SET) < 0) {
        return output_file_fail(o, errno);
    }
    o->position = position;
    return CLI_DONE;
}

void output_file_close(struct output_file *o)
{
    if (o->fd >= 0 && o->fd != STDOUT_FILENO) {
        (void)close(o->fd);
    }
    if (o->temporary) {
        (void)unlink(o->temporary);
        cli_stop_hook(NULL, NULL);
        free(o->temporary);
    }
    EVP_MD_CTX_free(o->sum);
    compress_free(o->compressor);
    free(o->buffer);
    free(o->target);
}

int output_file_export(void *ctx, const void *bytes, size_t n)
{
    struct output_file *o = ctx;
    output_file_write(o, bytes, n);
    return o->error != 0 ? SPV_ERR_IO : cli_stopped() ? SPV_ERR_INTERRUPTED : 0;
}

int output_file_exit(const struct output_file *o, int rc)
{
    if (!rc) {
        return CLI_DONE;
    }
    return o->error != 0 ? output_file_report(o) : CLI_INTERRUPTED;
}
