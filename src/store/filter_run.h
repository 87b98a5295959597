/* Removing rows at the ends of the run of filter headers (filter_rows.h: consecutive heights
 * without a gap), together with the kept filters. */
#ifndef SPV_STORE_FILTER_RUN_H
#define SPV_STORE_FILTER_RUN_H

#include "store/db.h"

/* All inside the caller's transaction. Each returns 0 or an error of the database. */

/* Delete the filter headers and filters above or below a height. */
int spv_filters_remove_above(struct spv_store *s, int64_t height);
int spv_filters_remove_below(struct spv_store *s, int64_t height);

/* For a writer that opens the file, after the check of the last headers: cuts the run at its first
 * bad row among the last ones, above the tip and below the start of the chain. */
int spv_filters_trim(struct spv_store *s);

#endif
