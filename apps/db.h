/* Shared by the commands of spv-db: the options, the open database, progress on the status line,
 * and the difficulty of a header. */
#ifndef SPV_DB_H
#define SPV_DB_H

#include "cli.h"
#include "spv/store.h"

struct db_job {
    struct cli_target target;
    struct cli_list words; /* the command and its argument */
    bool json, quiet, full;
    const char *svg;
    uint64_t below; /* DB_NO_HEIGHT: not given */
    struct spv_store *store;
    double refreshed_at; /* when the status line was last updated */
};
#define DB_NO_HEIGHT UINT64_MAX

/* Opens the database to be read, or (network taken from the file) to be written. */
int db_open(struct db_job *j, enum spv_store_mode mode);
/* Returns the parameters to open it with; NULL: those that the file names. */
const struct spv_params *db_params(const struct db_job *j);
/* Reports the store's error. Returns the code to exit with. */
int db_failed(struct db_job *j, int err);
/* Shows "<what> <done> of <total> headers" on the status line, at most every 0.1 s. */
void db_progress(struct db_job *j, const char *what, uint64_t done, uint64_t total);

#endif
