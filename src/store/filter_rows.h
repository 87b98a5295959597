/* Rows of the table of filter headers (BIP157), and the rules that a row obeys. The rows are one
 * run of heights without gaps, which ends at or below the tip. */
#ifndef SPV_STORE_FILTER_ROWS_H
#define SPV_STORE_FILTER_ROWS_H

#include "store/db.h"

struct spv_filter_row {
    uint32_t height;
    struct spv_filter_header header;
    struct spv_filter_hash hash; /* only when has_hash */
    bool has_hash; /* false: it was imported, or is a built-in filter header */
};

/* Where the run begins and ends. */
struct spv_filter_run {
    uint32_t first, last;
};

/* Whether the file has the tables of filter headers and filters: 1, 0, or an error of the database.
 * A reader of an older schema looks again: the writer may have migrated it since. */
int spv_filter_tables(struct spv_store *s);

/* A row of the statements that select height, header and filter_hash. 0 or SPV_ERR_DB_DAMAGED. */
int spv_filter_row_read(struct spv_filter_row *out, sqlite3_stmt *st);
/* Inserts a row, inside the caller's transaction; hash may be NULL. 0 or an error of the database.
 */
int spv_filter_row_insert(struct spv_store *s, uint32_t height,
                          const struct spv_filter_header *header,
                          const struct spv_filter_hash *hash);

/* NULL, or what is wrong with a row, as the end of a sentence that begins "the filter header".
 * below: the row one height below; NULL: there is none. */
const char *spv_filter_row_check(const struct spv_params *params,
                                 const struct spv_filter_row *below,
                                 const struct spv_filter_row *row);

/* The row of a height. 1, 0: there is none, or an error of the database. */
int spv_filter_row_get(struct spv_store *s, struct spv_filter_row *out, uint32_t height);
/* 1 and the run, 0: there are no rows, or an error of the database. */
int spv_filter_run_get(struct spv_store *s, struct spv_filter_run *out);

/* The text for a row that cannot be read. Returns SPV_ERR_DB_DAMAGED. */
int spv_filter_row_damaged(struct spv_store *s, int64_t height);

#endif
