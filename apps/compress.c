/* zlib and zstd behind one interface: both are fed until they consumed everything, and both pass
 * their output over a chunk at a time. */
#include "compress.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#define ZLIB_CONST /* zlib does not write to what it reads */
#include <zlib.h>
#include <zstd.h>

#include "spv/error.h"

#define CHUNK (64 * 1024) /* compressed bytes per callback */
#define GZIP_LEVEL 6 /* the tools' usual levels */
#define ZSTD_LEVEL 3
#define GZIP_WRAPPER 16 /* added to zlib's window bits: a gzip header around */

struct compress {
    enum compress_kind kind;
    compress_output to;
    void *ctx;
    z_stream gzip;
    ZSTD_CCtx *zstd;
    uint8_t chunk[CHUNK];
};

enum compress_kind compress_kind_of_name(const char *name)
{
    const char *dot = name ? strrchr(name, '.') : NULL;
    if (dot && strcasecmp(dot, ".gz") == 0) {
        return COMPRESS_GZIP;
    }
    if (dot && strcasecmp(dot, ".zst") == 0) {
        return COMPRESS_ZSTD;
    }
    return COMPRESS_NONE;
}

const char *compress_unsupported(const char *name)
{
    static const char *const others[] = {".bz2", ".xz",  ".lzma", ".lz4", ".br", ".zip",
                                         ".7z",  ".rar", ".Z",    ".tgz", ".tar"};
    const char *dot = name ? strrchr(name, '.') : NULL;
    for (size_t i = 0; dot && i < sizeof others / sizeof others[0]; i++) {
        if (strcasecmp(dot, others[i]) == 0) {
            return dot;
        }
    }
    return NULL;
}

static int compress_start(struct compress *p)
{
    switch (p->kind) {
    case COMPRESS_NONE:
        return 0;
    case COMPRESS_GZIP: /* zlib writes no time and no name of its own */
        return deflateInit2(&p->gzip, GZIP_LEVEL, Z_DEFLATED, MAX_WBITS + GZIP_WRAPPER, 8,
                            Z_DEFAULT_STRATEGY) == Z_OK
                   ? 0
                   : SPV_ERR_NOMEM;
    case COMPRESS_ZSTD:
        p->zstd = ZSTD_createCCtx();
        if (!p->zstd ||
            ZSTD_isError(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL)) ||
            ZSTD_isError(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_checksumFlag, 1))) {
            return SPV_ERR_NOMEM;
        }
        return 0;
    }
    return SPV_ERR_INVALID;
}

int compress_new(struct compress **out, enum compress_kind kind, compress_output to, void *ctx)
{
    struct compress *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p) {
        return SPV_ERR_NOMEM;
    }
    p->kind = kind;
    p->to = to;
    p->ctx = ctx;
    int rc = compress_start(p);
    if (rc != 0) {
        compress_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

static int run_gzip(struct compress *p, const uint8_t *bytes, size_t n, bool end)
{
    p->gzip.next_in = bytes;
    p->gzip.avail_in = (uInt)n;
    for (;;) {
        p->gzip.next_out = p->chunk;
        p->gzip.avail_out = CHUNK;
        int rc = deflate(&p->gzip, end ? Z_FINISH : Z_NO_FLUSH);
        if (rc == Z_STREAM_ERROR) {
            return SPV_ERR_IO;
        }
        p->to(p->ctx, p->chunk, CHUNK - p->gzip.avail_out);
        if (end ? rc == Z_STREAM_END : p->gzip.avail_out != 0) {
            return 0;
        }
    }
}

static int run_zstd(struct compress *p, const uint8_t *bytes, size_t n, bool end)
{
    ZSTD_inBuffer in = {.src = bytes, .size = n};
    for (;;) {
        ZSTD_outBuffer out = {.dst = p->chunk, .size = CHUNK};
        size_t left = ZSTD_compressStream2(p->zstd, &out, &in, end ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left)) {
            return SPV_ERR_IO;
        }
        p->to(p->ctx, p->chunk, out.pos);
        if (end ? left == 0 : in.pos == in.size) {
            return 0;
        }
    }
}

static int compress_run(struct compress *p, const uint8_t *bytes, size_t n, bool end)
{
    switch (p->kind) {
    case COMPRESS_NONE:
        p->to(p->ctx, bytes, n);
        return 0;
    case COMPRESS_GZIP:
        return run_gzip(p, bytes, n, end);
    case COMPRESS_ZSTD:
        return run_zstd(p, bytes, n, end);
    }
    return SPV_ERR_INVALID;
}

int compress_write(struct compress *p, const uint8_t *bytes, size_t n)
{
    return compress_run(p, bytes, n, false);
}

int compress_finish(struct compress *p)
{
    return compress_run(p, NULL, 0, true);
}

void compress_free(struct compress *p)
{
    if (!p) {
        return;
    }
    if (p->kind == COMPRESS_GZIP) {
        (void)deflateEnd(&p->gzip);
    }
    (void)ZSTD_freeCCtx(p->zstd);
    free(p);
}
