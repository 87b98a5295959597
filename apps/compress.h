/* Compression of what is exported: bytes go in, packed bytes come out through a callback. The same
 * bytes in give the same bytes out: no time, no name, one thread. */
#ifndef SPV_COMPRESS_H
#define SPV_COMPRESS_H

#include <stddef.h>
#include <stdint.h>

enum pack_kind {
    PACK_NONE,
    PACK_GZIP,
    PACK_ZSTD,
};

/* The kind that a file's ending asks for: .gz, .zst. */
enum pack_kind pack_of_name(const char *name);
/* The ending of a name that asks for a packing which is not written; NULL: none. */
const char *pack_refused(const char *name);

typedef void (*pack_out)(void *ctx, const uint8_t *bytes, size_t n);

struct pack;
/* 0 or SPV_ERR_NOMEM. PACK_NONE passes everything on as it is. */
int pack_new(struct pack **out, enum pack_kind kind, pack_out to, void *ctx);
/* 0, SPV_ERR_NOMEM or SPV_ERR_IO (the library refused). */
int pack_write(struct pack *p, const uint8_t *bytes, size_t n);
/* Ends the stream; what was held back comes out. */
int pack_finish(struct pack *p);
void pack_free(struct pack *p);

#endif
