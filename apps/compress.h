/* Compression of exported bytes; the output goes to a callback. Deterministic: no time stamp, no
 * name, one thread. */
#ifndef SPV_COMPRESS_H
#define SPV_COMPRESS_H

#include <stddef.h>
#include <stdint.h>

enum compress_kind {
    COMPRESS_NONE,
    COMPRESS_GZIP,
    COMPRESS_ZSTD,
};

/* Returns the kind for the file name's extension: .gz, .zst. */
enum compress_kind compress_kind_of_name(const char *name);
/* Returns the extension if it names an unsupported compression, or NULL. */
const char *compress_unsupported(const char *name);

typedef void (*compress_output)(void *ctx, const uint8_t *bytes, size_t n);

struct compress;
/* Returns 0 or SPV_ERR_NOMEM. COMPRESS_NONE passes bytes on unchanged. */
int compress_new(struct compress **out, enum compress_kind kind, compress_output to, void *ctx);
/* Returns 0, SPV_ERR_NOMEM or SPV_ERR_IO (the compression library failed). */
int compress_write(struct compress *p, const uint8_t *bytes, size_t n);
/* Ends the stream and writes the buffered rest. Returns as compress_write. */
int compress_finish(struct compress *p);
void compress_free(struct compress *p);

#endif
