/* One buffer of compressed bytes; zlib and zstd read from it and write directly to the caller's. A
 * gzip file may hold several members, a zstd file several frames, as their tools allow. */
#include "import_input.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#define ZLIB_CONST /* zlib does not write to what it reads */
#include <zlib.h>
#include <zstd.h>

#include "cli.h"

#define CHUNK ((size_t)64 * 1024)
#define GZIP_WRAPPER 16 /* added to zlib's window bits: a gzip header around */
#define ZSTD_WINDOW_LOG 23 /* 8 MiB: what zstd makes up to level 19 */

static const uint8_t gzip_magic[] = {0x1f, 0x8b, 0x08}; /* RFC 1952: ID1, ID2, deflate */
static const uint8_t zstd_magic[] = {0x28, 0xb5, 0x2f, 0xfd}; /* RFC 8878 */

enum compression {
    COMPRESSION_UNKNOWN,
    COMPRESSION_NONE,
    COMPRESSION_GZIP,
    COMPRESSION_ZSTD,
};

struct input {
    const char *name;
    int fd;
    bool ended; /* end of file on fd */
    bool inside; /* a member or frame has begun and not ended */
    enum compression compression;
    z_stream gzip;
    ZSTD_DCtx *zstd;
    uint64_t size, taken; /* bytes of a regular file from where it was opened, 0 unknown; read */
    size_t at, end; /* compressed[at..end) is unread */
    uint8_t compressed[CHUNK];
};

static int report_read_error(const struct input *in, int error)
{
    return cli_fail_as(CLI_FAILED, SPV_ERR_IO, "%s: cannot be read: %s. Check the file.", in->name,
                       strerror(error));
}

static int report_corrupt(const struct input *in, const char *why)
{
    return cli_fail_as(CLI_FAILED, SPV_ERR_MALFORMED,
                       "%s: cannot be decompressed: %s. Download the file again.", in->name, why);
}

int input_open(struct input **out, const char *path)
{
    struct stat st;
    struct input *in = calloc(1, sizeof *in);
    *out = NULL;
    if (!in) {
        return cli_fail(SPV_ERR_NOMEM, "%s. Free some memory.", spv_strerror(SPV_ERR_NOMEM));
    }
    bool standard = !path || strcmp(path, "-") == 0;
    in->name = standard ? "standard input" : path;
    in->fd = standard ? STDIN_FILENO : cli_open_input(path);
    if (in->fd < 0 || fstat(in->fd, &st) != 0) {
        int error = errno;
        int rc = cli_fail_as(CLI_FAILED, SPV_ERR_IO, "%s: cannot be opened: %s. Check the path.",
                             in->name, strerror(error));
        input_close(in);
        return rc;
    }
    if (S_ISDIR(st.st_mode)) {
        int rc = cli_usage("--input: %s is a folder. Name a file in it.", path);
        input_close(in);
        return rc;
    }
    if (S_ISREG(st.st_mode)) {
        off_t at = lseek(in->fd, 0, SEEK_CUR);
        in->size = at >= 0 && st.st_size > at ? (uint64_t)(st.st_size - at) : 0;
    }
    *out = in;
    return CLI_DONE;
}

void input_close(struct input *in)
{
    if (!in) {
        return;
    }
    if (in->compression == COMPRESSION_GZIP) {
        (void)inflateEnd(&in->gzip);
    }
    (void)ZSTD_freeDCtx(in->zstd);
    if (in->fd > STDIN_FILENO) {
        (void)close(in->fd);
    }
    free(in);
}

const char *input_name(const struct input *in)
{
    return in->name;
}

const char *input_compression(const struct input *in)
{
    return in->compression == COMPRESSION_GZIP   ? "gzip"
           : in->compression == COMPRESSION_ZSTD ? "zstd"
                                                 : "none";
}

double input_done(const struct input *in)
{
    const uint64_t used = in->taken - (in->end - in->at);
    if (in->size == 0) {
        return -1;
    }
    return used < in->size ? (double)used / (double)in->size : 1;
}

/* One read of up to n bytes. */
static int read_some(struct input *in, uint8_t *bytes, size_t n, size_t *got)
{
    ssize_t r = cli_read(in->fd, bytes, n);
    *got = 0;
    if (r < 0) {
        return cli_stopped() ? CLI_INTERRUPTED : report_read_error(in, errno);
    }
    in->ended = r == 0;
    in->taken += (uint64_t)r;
    *got = (size_t)r;
    return CLI_DONE;
}

/* Reads more compressed bytes when all are used. */
static int refill_input(struct input *in)
{
    size_t got = 0;
    if (in->at < in->end || in->ended) {
        return CLI_DONE;
    }
    int rc = read_some(in, in->compressed, CHUNK, &got);
    in->at = 0;
    in->end = got;
    return rc;
}

static bool begins_with(const struct input *in, const uint8_t *magic, size_t n)
{
    return in->end >= n && memcmp(in->compressed, magic, n) == 0;
}

/* Detects the compression from the first bytes. */
static int begin_input(struct input *in)
{
    size_t got = 1;
    int rc = CLI_DONE;
    while (rc == CLI_DONE && in->end < sizeof zstd_magic && got > 0) {
        rc = read_some(in, in->compressed + in->end, CHUNK - in->end, &got);
        in->end += got;
    }
    if (rc != CLI_DONE) {
        return rc;
    }
    if (begins_with(in, gzip_magic, sizeof gzip_magic)) {
        if (inflateInit2(&in->gzip, MAX_WBITS + GZIP_WRAPPER) != Z_OK) {
            return report_corrupt(in, "out of memory");
        }
        in->compression = COMPRESSION_GZIP;
        in->inside = true;
    } else if (begins_with(in, zstd_magic, sizeof zstd_magic)) {
        in->zstd = ZSTD_createDCtx();
        if (!in->zstd ||
            ZSTD_isError(ZSTD_DCtx_setParameter(in->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG))) {
            return report_corrupt(in, "out of memory");
        }
        in->compression = COMPRESSION_ZSTD;
    } else {
        in->compression = COMPRESSION_NONE;
    }
    return CLI_DONE;
}

static int read_plain(struct input *in, uint8_t *bytes, size_t n, size_t *got)
{
    *got = in->end - in->at < n ? in->end - in->at : n;
    if (*got == 0) {
        return in->ended ? CLI_DONE : read_some(in, bytes, n, got);
    }
    memcpy(bytes, in->compressed + in->at, *got);
    in->at += *got;
    return CLI_DONE;
}

static int read_gzip(struct input *in, uint8_t *bytes, size_t n, size_t *got)
{
    for (*got = 0; *got == 0;) {
        int rc = refill_input(in);
        if (rc != CLI_DONE) {
            return rc;
        }
        if (in->at == in->end && !in->inside) {
            return CLI_DONE;
        }
        if (!in->inside) { /* another member */
            (void)inflateReset(&in->gzip);
            in->inside = true;
        }
        in->gzip.next_in = in->compressed + in->at;
        in->gzip.avail_in = (uInt)(in->end - in->at);
        in->gzip.next_out = bytes;
        in->gzip.avail_out = (uInt)n;
        int code = inflate(&in->gzip, Z_NO_FLUSH);
        in->at = in->end - in->gzip.avail_in;
        *got = n - in->gzip.avail_out;
        if (code == Z_STREAM_END) {
            in->inside = false;
        } else if (code == Z_BUF_ERROR && in->ended && *got == 0) {
            return report_corrupt(in, "it ends too early");
        } else if (code != Z_OK && code != Z_BUF_ERROR) {
            return report_corrupt(in, in->gzip.msg ? in->gzip.msg : "it is not gzip data");
        }
    }
    return CLI_DONE;
}

static int read_zstd(struct input *in, uint8_t *bytes, size_t n, size_t *got)
{
    for (*got = 0; *got == 0;) {
        ZSTD_outBuffer out = {.dst = bytes, .size = n};
        int rc = refill_input(in);
        if (rc != CLI_DONE) {
            return rc;
        }
        if (in->at == in->end && !in->inside) {
            return CLI_DONE;
        }
        ZSTD_inBuffer compressed = {.src = in->compressed, .size = in->end, .pos = in->at};
        size_t left = ZSTD_decompressStream(in->zstd, &out, &compressed);
        if (ZSTD_isError(left)) {
            return report_corrupt(in, ZSTD_getErrorName(left));
        }
        in->inside = left != 0;
        *got = out.pos;
        if (in->at == in->end && out.pos == 0) {
            return report_corrupt(in, "it ends too early");
        }
        in->at = compressed.pos;
    }
    return CLI_DONE;
}

int input_read(struct input *in, uint8_t *bytes, size_t n, size_t *got)
{
    int rc = in->compression == COMPRESSION_UNKNOWN ? begin_input(in) : CLI_DONE;
    *got = 0;
    if (rc != CLI_DONE) {
        return rc;
    }
    switch (in->compression) {
    case COMPRESSION_UNKNOWN:
    case COMPRESSION_NONE:
        return read_plain(in, bytes, n, got);
    case COMPRESSION_GZIP:
        return read_gzip(in, bytes, n, got);
    case COMPRESSION_ZSTD:
        return read_zstd(in, bytes, n, got);
    }
    return CLI_FAILED;
}
