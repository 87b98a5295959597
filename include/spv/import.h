/* Files of headers, read: raw, electrum, neutrino, csv and jsonl (docs/formats.md has each byte by
 * byte). Bytes go in, headers come out, in the order of the file.
 *
 * Nothing is believed here: what comes out is what the file says, well formed; whether a header is
 * valid and where it belongs is the chain's business (spv/chain.h). Memory is bounded whatever
 * comes in. Any thread, one at a time. */
#ifndef SPV_IMPORT_H
#define SPV_IMPORT_H

#include "spv/error.h"
#include "spv/header.h"
#include "spv/params.h"

/* Bounds. */
#define SPV_IMPORT_LINE_MAX 4096 /* bytes of a line; ours have at most 500 */
#define SPV_IMPORT_COLUMNS_MAX 32 /* of a csv file; ours have at most 10 */
#define SPV_IMPORT_HOLE_MAX 8000000 /* zero headers in a row: longer than any network's chain */

#ifdef __cplusplus
extern "C" {
#endif
#define SPV_IMPORT_REORGS_MAX 100000 /* reorganisations that a followed file tells of */

enum spv_import_format {
    SPV_IMPORT_AUTO, /* told by the first bytes */
    SPV_IMPORT_RAW,
    SPV_IMPORT_ELECTRUM,
    SPV_IMPORT_NEUTRINO,
    SPV_IMPORT_CSV,
    SPV_IMPORT_JSONL,
};

/* "raw", ... NULL for AUTO and for a value outside the enum. Static string. */
SPV_API const char *spv_import_format_name(enum spv_import_format format);
/* The format of a name; SPV_ERR_NOT_FOUND. */
SPV_API int spv_import_format_by_name(enum spv_import_format *out, const char *name);

enum spv_import_kind {
    SPV_IMPORT_HEADER, /* the next header; in a file without marks it follows the one before */
    SPV_IMPORT_HOLE, /* electrum: `count` headers from `height` on are not there */
    SPV_IMPORT_REORG, /* csv, jsonl: `count` headers above `height` have left; others follow */
};

struct spv_import_item {
    enum spv_import_kind kind;
    struct spv_header header; /* HEADER */
    bool placed; /* HEADER: the file says its height */
    bool branch; /* HEADER: marked as one of a side branch */
    uint32_t height;
    uint32_t count;
    uint64_t line; /* text: from 1; binary: 0 */
    uint64_t offset; /* where it begins, in bytes of the unpacked file */
};

struct spv_import;

/* params must outlive it. SPV_ERR_NOMEM, SPV_ERR_INVALID. */
SPV_API int spv_import_new(struct spv_import **out, const struct spv_params *params,
                           enum spv_import_format format);
SPV_API void spv_import_free(struct spv_import *d);

/* Where the next bytes go, and (*n) how many have room; never none once next returned 0. */
SPV_API uint8_t *spv_import_reserve(struct spv_import *d, size_t *n);
/* n bytes were put there. */
SPV_API void spv_import_commit(struct spv_import *d, size_t n);
/* No more will come. */
SPV_API void spv_import_finish(struct spv_import *d);

/* 1 and the next item; 0 when more bytes are needed or, after end, when all is read; or an error
 * that stays: SPV_ERR_MALFORMED, SPV_ERR_SHORT (ends in the middle), SPV_ERR_TOO_LONG,
 * SPV_ERR_MAGIC (another network's), SPV_ERR_UNSUPPORTED. */
SPV_API int spv_import_next(struct spv_import *d, struct spv_import_item *out);

/* The format, once known; before that AUTO. */
SPV_API enum spv_import_format spv_import_format_of(const struct spv_import *d);
/* What the error was about, for a person: "line 17: time: '12x' is not a number from 0 to
 * 4294967295". Lent. */
SPV_API const char *spv_import_error_text(const struct spv_import *d);

#ifdef __cplusplus
}
#endif

#endif
