/* Reads files of headers: raw, electrum, neutrino, csv and jsonl, and of filter headers: raw,
 * neutrino, csv and jsonl (docs/formats.md specifies each). The caller passes in bytes; headers are
 * returned in the order of the file.
 *
 * An import checks the form of the file only. Whether a header is valid and where it belongs is
 * decided by the chain (spv/chain.h). Memory is bounded for every input.
 *
 * An import may be used from any thread, by one at a time. */
#ifndef SPV_IMPORT_H
#define SPV_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/error.h"
#include "spv/header.h"
#include "spv/params.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Limits of a file: a file that exceeds one is rejected, so that no file takes unbounded memory or
 * time.
 */
#define SPV_IMPORT_LINE_MAX 4096 /* bytes of a line; lines of spv-export have at most 500 */
#define SPV_IMPORT_COLUMNS_MAX 32 /* of a csv file; those of spv-export have at most 10 */
#define SPV_IMPORT_GAP_MAX 8000000 /* zero headers in a row: more than any network's chain has */
#define SPV_IMPORT_REORGS_MAX 100000 /* reorganisations in a file written by --follow */

enum spv_import_format {
    SPV_IMPORT_AUTO = 0, /* detected from the first bytes */
    SPV_IMPORT_RAW = 1,
    SPV_IMPORT_ELECTRUM = 2,
    SPV_IMPORT_NEUTRINO = 3,
    SPV_IMPORT_CSV = 4,
    SPV_IMPORT_JSONL = 5,
};

/* Returns "raw", "electrum", ...: a static string; NULL for AUTO and for a value outside the enum.
 * Any thread. */
SPV_API const char *spv_import_format_name(enum spv_import_format format);

/* Finds a format by its name. Returns 0 or SPV_ERR_NOT_FOUND. Any thread. */
SPV_API int spv_import_format_by_name(enum spv_import_format *out, const char *name);

enum spv_import_kind {
    SPV_IMPORT_HEADER = 0, /* the next header; unless a REORG is between, it follows the last one */
    SPV_IMPORT_GAP = 1, /* electrum: `count` headers from `height` on are missing */
    SPV_IMPORT_REORG = 2, /* csv, jsonl: `count` headers above `height` were removed */
    SPV_IMPORT_FILTER_HEADER = 3, /* the next filter header; has_height is set */
};

struct spv_import_item {
    enum spv_import_kind kind;
    struct spv_header header; /* HEADER */
    bool has_height; /* HEADER: the file contains its height */
    bool branch; /* HEADER: the file marks it as part of a side branch */
    struct spv_filter_header filter_header; /* FILTER_HEADER */
    bool has_block; /* FILTER_HEADER: the file contains the hash of its block */
    struct spv_blockhash block;
    uint32_t height;
    uint32_t count;
    uint64_t line; /* text: from 1; binary: 0 */
    uint64_t offset; /* of its first byte in the uncompressed file */
};

struct spv_import;

/* Creates an import. params is borrowed until spv_import_free, which frees *out.
 * Returns 0, SPV_ERR_NOMEM or SPV_ERR_INVALID (no params, or a format outside the enum). */
SPV_API int spv_import_new(struct spv_import **out, const struct spv_params *params,
                           enum spv_import_format format);

/* Creates an import of filter headers (BIP157), whose items are all FILTER_HEADERs. Raw files begin
 * at genesis, with its built-in filter header. Returns as spv_import_new; SPV_ERR_INVALID also for
 * electrum. */
SPV_API int spv_import_new_filter_headers(struct spv_import **out, const struct spv_params *params,
                                          enum spv_import_format format);

/* NULL is ignored. */
SPV_API void spv_import_free(struct spv_import *im);

/* Returns where the next bytes of the file are to be copied, and in *n how many fit: at least one
 * after spv_import_next has returned 0. Valid until the next call of any function except
 * spv_import_commit. */
SPV_API uint8_t *spv_import_reserve(struct spv_import *im, size_t *n);

/* Adds the n bytes that were copied there; n is at most what spv_import_reserve returned. */
SPV_API void spv_import_commit(struct spv_import *im, size_t n);

/* Declares that the file has ended. */
SPV_API void spv_import_finish(struct spv_import *im);

/* Reads the next item. Returns 1 and *out; 0: it needs more bytes or, after spv_import_finish, all
 * is read; or an error, which every later call returns again: SPV_ERR_MALFORMED, SPV_ERR_SHORT (the
 * file ends inside an item), SPV_ERR_TOO_LONG (a limit above), SPV_ERR_MAGIC (another network's
 * file), SPV_ERR_UNSUPPORTED. */
SPV_API int spv_import_next(struct spv_import *im, struct spv_import_item *out);

/* Returns the format; AUTO before it is detected. */
SPV_API enum spv_import_format spv_import_format_of(const struct spv_import *im);

/* Returns the text of the error, with its line or offset: "line 17: time: '12x' is not a number
 * from 0 to 4294967295". Borrowed: valid until spv_import_free. */
SPV_API const char *spv_import_error_text(const struct spv_import *im);

#ifdef __cplusplus
}
#endif

#endif
