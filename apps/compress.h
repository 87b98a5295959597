/* Compression of exported bytes; the output goes to a callback. Deterministic: no time stamp, no
 * name, one thread. */
#ifndef SPV_COMPRESS_H
#define SPV_COMPRESS_H

#include <stddef.h>
#include <stdint.h>

enum pack_kind {
    PACK_NONE,
    PACK_GZIP,
    PACK_ZSTD,
};

/* Returns the kind for the file name's extension: .gz, .zst. */
enum pack_kind pack_of_name(const char *name);
/* Returns the extension if it names an unsupported compression, or NULL. */
const char *pack_refused(const char *name);

typedef void (*pack_out)(void *ctx, const uint8_t *bytes, size_t n);

struct pack;
/* Returns 0 or SPV_ERR_NOMEM. PACK_NONE passes bytes on unchanged. */
int pack_new(struct pack **out, enum pack_kind kind, pack_out to, void *ctx);
/* Returns 0, SPV_ERR_NOMEM or SPV_ERR_IO (the compression library failed). */
int pack_write(struct pack *p, const uint8_t *bytes, size_t n);
/* Ends the stream and writes the buffered rest. Returns as pack_write. */
int pack_finish(struct pack *p);
void pack_free(struct pack *p);

#endif
