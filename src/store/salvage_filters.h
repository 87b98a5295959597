/* Copies filter headers and kept filters out of a damaged file. */
#ifndef SPV_STORE_SALVAGE_FILTERS_H
#define SPV_STORE_SALVAGE_FILTERS_H

#include "store/db.h"

/* Copies the filter headers and kept filters of `source` that belong to the headers of `fresh`,
 * each up to the first that is bad or cannot be read. 0 or an error of the database `fresh`. */
int spv_salvage_filters(struct spv_store *fresh, struct spv_store *source);

#endif
