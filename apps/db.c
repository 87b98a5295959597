/* Functions that the commands of spv-db share. */
#include "db.h"

#include <stdio.h>

#define REFRESH_EVERY 0.1 /* seconds between updates of the status line */

const struct spv_params *db_params(const struct db_job *j)
{
    /* the file names its network */
    return j->target.db ? j->target.network : j->target.params;
}

int db_open(struct db_job *j, enum spv_store_mode mode)
{
    struct spv_error_info why;
    struct spv_params params;
    struct spv_store_config cfg = {
        .path = j->target.path, .params = db_params(j), .mode = SPV_STORE_READ, .stop = cli_stop()};
    if (mode != SPV_STORE_READ && !cfg.params) {
        if (spv_store_open(&j->store, &cfg, &why) != 0) {
            return cli_print_error_info(&why);
        }
        params = *spv_store_params(j->store);
        (void)spv_store_close(j->store);
        j->store = NULL;
        cfg.params = &params;
    }
    cfg.mode = mode;
    return spv_store_open(&j->store, &cfg, &why) == 0 ? CLI_DONE : cli_print_error_info(&why);
}

int db_failed(struct db_job *j, int err)
{
    return cli_fail(err, "%s", spv_store_last_error(j->store));
}

void db_progress(struct db_job *j, const char *what, uint64_t done, uint64_t total)
{
    char line[3 * CLI_FIGURE + 60];
    char d[CLI_FIGURE];
    char t[CLI_FIGURE];
    double now = cli_clock();
    if (j->quiet || !cli_live() || now - j->refreshed_at < REFRESH_EVERY) {
        return;
    }
    j->refreshed_at = now;
    if (total == 0) {
        (void)snprintf(line, sizeof line, "%s ...", what);
    } else {
        (void)snprintf(line, sizeof line, "%s %s of %s headers  %3.0f%%", what, cli_count(d, done),
                       cli_count(t, total), 100.0 * (double)done / (double)total);
    }
    cli_status_line(line);
}
