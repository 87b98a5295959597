/* Opening with options that only the other files of the store may use. */
#ifndef SPV_STORE_OPEN_H
#define SPV_STORE_OPEN_H

#include "store/db.h"

struct spv_open_options {
    bool unchecked; /* the last rows are not checked; an older schema may be read */
    int lock; /* the writer's lock, already held; -1: take it. Close and a failed open release it */
};

/* As spv_store_open. */
int spv_store_open_as(struct spv_store **out, const struct spv_store_config *cfg,
                      const struct spv_open_options *options, struct spv_error_info *why);

#endif
