/* compact and prune: making the file smaller. Each is one transaction. */
#include <inttypes.h>
#include <stdio.h>

#include "db.h"
#include "db_commands.h"

static int on_compact(void *ctx)
{
    db_progress(ctx, "compacting", 0, 0);
    return cli_stopped();
}

static int sizes(struct db_job *j, uint64_t *bytes)
{
    struct spv_store_info info;
    int rc = spv_store_get_info(j->store, &info);
    *bytes = info.file_bytes + info.log_bytes;
    return rc == 0 ? CLI_DONE : db_failed(j, rc);
}

int db_compact(struct db_job *j)
{
    uint64_t before = 0;
    uint64_t after = 0;
    char b[CLI_FIGURE];
    char a[CLI_FIGURE];
    int rc = db_open(j, SPV_STORE_WRITE);
    if (rc != CLI_DONE) {
        return rc;
    }
    rc = sizes(j, &before);
    if (rc != CLI_DONE) {
        return rc;
    }
    int err = spv_store_compact(j->store, on_compact, j);
    if (err == SPV_ERR_INTERRUPTED) {
        return CLI_INTERRUPTED;
    }
    if (err != 0) {
        return db_failed(j, err);
    }
    rc = sizes(j, &after);
    if (rc != CLI_DONE) {
        return rc;
    }
    if (cli_json_on()) {
        cli_json(json_pack("{s:s, s:I, s:I}", "event", "compact", "bytes_before",
                           (json_int_t)before, "bytes_after", (json_int_t)after));
    } else if (!j->quiet) {
        cli_print("%s: %s bytes, was %s", j->target.path, cli_count(a, after),
                  cli_count(b, before));
    }
    return CLI_DONE;
}

int db_prune(struct db_job *j)
{
    uint32_t base = 0;
    struct spv_chain_start before;
    char figure[CLI_FIGURE];
    int rc = db_open(j, SPV_STORE_WRITE);
    if (rc != CLI_DONE) {
        return rc;
    }
    struct spv_chain_header tip;
    int found = spv_store_tip(j->store, &tip);
    if (found < 1) {
        return db_failed(j, found < 0 ? found : SPV_ERR_DB_DAMAGED);
    }
    if (j->below > tip.height) {
        return cli_usage("prune: --below %" PRIu64 " is above the chain's tip, height %s.",
                         j->below, cli_count(figure, tip.height));
    }
    spv_store_get_start(j->store, &before);
    int err = spv_store_prune(j->store, (uint32_t)j->below, &base);
    if (err != 0) {
        return db_failed(j, err);
    }
    if (cli_json_on()) {
        cli_json(json_pack("{s:s, s:I, s:I}", "event", "prune", "base_before",
                           (json_int_t)before.height, "base", (json_int_t)base));
    } else if (base == before.height && !j->quiet) {
        cli_print("%s: nothing to drop: two retarget periods below the tip stay, and the chain "
                  "begins at %s",
                  j->target.path, cli_count(figure, base));
    } else if (!j->quiet) {
        cli_print("%s: the chain begins at height %s now; 'spv-db compact' frees the disk space",
                  j->target.path, cli_count(figure, base));
    }
    return CLI_DONE;
}
