/* Writes files of headers: csv, jsonl, raw, electrum, neutrino and postgres, and of filter headers
 * (docs/formats.md specifies each). The caller passes in headers; the bytes are passed to the
 * caller's write function and depend on the headers alone.
 *
 * Nothing here has state or allocates memory: every function may be called from any thread. */
#ifndef SPV_EXPORT_ROWS_H
#define SPV_EXPORT_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/error.h"
#include "spv/header.h"
#include "spv/params.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spv_export_format {
    SPV_EXPORT_CSV = 0,
    SPV_EXPORT_JSONL = 1,
    SPV_EXPORT_RAW = 2,
    SPV_EXPORT_ELECTRUM = 3,
    SPV_EXPORT_NEUTRINO = 4,
    SPV_EXPORT_POSTGRES = 5,
};

/* Returns "csv", "jsonl", ...: a static string; NULL for a value outside the enum. */
SPV_API const char *spv_export_format_name(enum spv_export_format format);

/* Finds a format by its name. Returns 0 or SPV_ERR_NOT_FOUND. */
SPV_API int spv_export_format_by_name(enum spv_export_format *out, const char *name);

/* Returns whether the format supports side branches: csv, jsonl and postgres. */
SPV_API bool spv_export_format_has_branches(enum spv_export_format format);

/* How the format shows that headers have left the best chain after they were written. */
enum spv_export_reorg {
    SPV_EXPORT_REORG_NONE = 0, /* not at all: the file has a trailer (postgres) */
    SPV_EXPORT_REORG_LINE = 1, /* by a line: spv_export_rows_reorg (csv, jsonl) */
    SPV_EXPORT_REORG_CUT =
        2, /* the file is cut back: spv_export_rows_end_offset (binary formats) */
};
/* Returns SPV_EXPORT_REORG_NONE for a value outside the enum, too. */
SPV_API enum spv_export_reorg spv_export_format_reorg(enum spv_export_format format);

/* One export. The struct and what it points to belong to the caller and are read during calls only.
 */
struct spv_export_rows {
    const struct spv_params *params;
    enum spv_export_format format;
    uint32_t from; /* the height of the first header */
    bool branches; /* csv, jsonl: rows have a field that marks side branches */
    /* Takes n bytes; they are valid during the call. Returns 0; anything else ends the function
     * that called it, which returns it. */
    int (*write)(void *ctx, const void *bytes, size_t n);
    void *ctx;
};

/* An export is: begin, one call of row per header from the first height upwards, then, with side
 * branches, begin_branches and one call of branch_row per header, then end. */

/* Writes the part of the file before the rows. electrum: zeros up to the first height.
 * Returns 0; the value that write returned; or SPV_ERR_INVALID: the format is outside the enum. */
SPV_API int spv_export_rows_begin(const struct spv_export_rows *e);
/* Writes the row of one header. Returns as spv_export_rows_begin. */
SPV_API int spv_export_rows_row(const struct spv_export_rows *e, const struct spv_chain_header *h);
/* Writes what separates the best chain from the side branches. Returns as spv_export_rows_begin. */
SPV_API int spv_export_rows_begin_branches(const struct spv_export_rows *e);
/* Writes the row of one side-branch header. Returns as spv_export_rows_begin. */
SPV_API int spv_export_rows_branch_row(const struct spv_export_rows *e,
                                       const struct spv_chain_header *h);
/* Writes the part of the file after the rows. first, last: of the best chain's rows. Returns as
 * spv_export_rows_begin. */
SPV_API int spv_export_rows_end(const struct spv_export_rows *e,
                                const struct spv_chain_header *first,
                                const struct spv_chain_header *last);

/* Writes the line of a reorganisation: `removed` headers above the fork have left the best chain.
 * Returns as spv_export_rows_begin, or SPV_ERR_UNSUPPORTED: the format has no such line. */
SPV_API int spv_export_rows_reorg(const struct spv_export_rows *e, uint32_t fork_height,
                                  const struct spv_blockhash *fork, uint32_t removed);

/* Returns the offset of the first byte after the row of a height (not below `from`), where a binary
 * format's file is cut in a reorganisation; 0 for other formats. */
SPV_API uint64_t spv_export_rows_end_offset(const struct spv_export_rows *e, uint64_t height);

/* Files of filter headers (BIP157): csv, jsonl, raw and neutrino, of the same struct: begin, one
 * call of row per filter header from the first height upwards. `branches` is not used. */

#define SPV_FILTER_HEADER_SIZE 32 /* bytes */

/* Returns whether a file of filter headers may have the format. */
SPV_API bool spv_export_format_has_filter_headers(enum spv_export_format format);

/* Writes the part of the file before the rows. Returns 0; the value that write returned;
 * SPV_ERR_UNSUPPORTED: the format has no filter headers; or SPV_ERR_INVALID: a raw file does not
 * begin at genesis. */
SPV_API int spv_export_filters_begin(const struct spv_export_rows *e);
/* Writes the row of one filter header. block: the hash of its block, which raw and neutrino do not
 * contain. Returns as spv_export_filters_begin. */
SPV_API int spv_export_filters_row(const struct spv_export_rows *e, uint32_t height,
                                   const struct spv_blockhash *block,
                                   const struct spv_filter_header *header);

#ifdef __cplusplus
}
#endif

#endif
