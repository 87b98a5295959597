/* Start of a sync: genesis, or a checkpoint before a height or date given by the user. */
#ifndef SPV_SYNC_START_H
#define SPV_SYNC_START_H

#include "checkpoint_list.h"
#include "spv/store.h"

struct start_options {
    bool filters; /* begin at or below a built-in filter header */
    uint64_t height; /* --start-height; 0: not given, or genesis */
    const char *birthday; /* --birthday; NULL: not given */
    bool quiet;
    int64_t day; /* parsed from birthday */
};

/* Parses the date. Returns CLI_DONE, or the code to exit with after reporting the error. */
int start_check(struct start_options *o);

/* Chooses spv_node_config.start_height: 0 when the sync begins at genesis or resumes. Reports the
 * choice. Returns CLI_DONE, or the code to exit with. */
int start_choose(uint32_t *out, const struct start_options *o, const struct spv_params *params,
                 const struct checkpoint_list *list, struct spv_store *store);

#endif
