/* Where a sync begins: at genesis, or at a checkpoint near a height or a day that the user names.
 */
#ifndef SPV_SYNC_START_H
#define SPV_SYNC_START_H

#include "checkpoint_list.h"
#include "spv/store.h"

struct start_options {
    uint64_t height; /* --start-height; 0: not given, or genesis */
    const char *birthday; /* --birthday; NULL: not given */
    bool quiet;
    int64_t day; /* parsed from birthday */
};

/* Reads the day. CLI_DONE, or the code to exit with after the error was told. */
int start_check(struct start_options *o);

/* The height for spv_node_config.start_height: 0 where the sync begins at genesis or goes on from
 * what is stored. Tells what was chosen and what can't be had. CLI_DONE, or the code to exit with.
 */
int start_choose(uint32_t *out, const struct start_options *o, const struct spv_params *params,
                 const struct checkpoint_list *list, struct spv_store *store);

#endif
