/* The filters that are kept, so that a later scan needs no network. Their number, their bytes and
 * the start of their last run without gaps are metadata, so that none of them is counted each time.
 */
#ifndef SPV_STORE_KEPT_FILTERS_H
#define SPV_STORE_KEPT_FILTERS_H

#include "store/db.h"

struct spv_kept {
    int64_t n, bytes;
    int64_t from, last; /* the last run without gaps; only when n > 0 */
};

/* Returns 1 and *out; 0: the metadata does not fit the rows; or an error of the database. */
int spv_kept_get(struct spv_store *s, struct spv_kept *out);

/* Counts the rows. 0 or an error of the database. */
int spv_kept_count(struct spv_store *s, struct spv_kept *out);

/* All inside the caller's transaction. Each returns 0 or an error of the database.
 * remove: deletes the filters of heights from..to, which are the lowest or the highest ones.
 * recount: writes the metadata anew. */
int spv_kept_remove(struct spv_store *s, int64_t from, int64_t to);
int spv_kept_recount(struct spv_store *s);
/* Inserts or replaces a filter without its check, the bound and the metadata. */
int spv_kept_insert(struct spv_store *s, uint32_t height, const struct spv_bytes *filter);

/* How many headers take as much of a transaction as the filter. */
size_t spv_kept_weight(const struct spv_bytes *filter);

#endif
