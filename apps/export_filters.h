/* Writes the filter headers of a database. One snapshot covers the blocks' hashes and the filter
 * headers, so that they belong together while spv-sync writes. Errors are reported here; the
 * functions return an exit code. */
#ifndef SPV_EXPORT_FILTERS_H
#define SPV_EXPORT_FILTERS_H

#include <stdint.h>

#include "output_file.h"
#include "spv/export_rows.h"
#include "spv/store.h"

struct export_filters {
    struct spv_store *store; /* borrowed, open for reading */
    uint64_t from, to; /* EXPORT_FILTERS_ALL: the first or last that is stored */
    enum spv_export_format format;
    /* called every few thousand rows; may be NULL */
    void (*progress)(void *ctx, uint64_t done);
    void *ctx;
};
#define EXPORT_FILTERS_ALL UINT64_MAX

/* Begins the snapshot, and checks that the heights are stored; from and to are heights then. After
 * CLI_DONE export_filters_end follows. */
int export_filters_begin(struct export_filters *f);
/* Writes them. rows: of the same heights and format, into out. */
int export_filters_write(const struct export_filters *f, const struct spv_export_rows *rows,
                         const struct output_file *out);
void export_filters_end(struct export_filters *f);

#endif
