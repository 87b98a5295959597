/* A database that begins after a hole, as a sync that starts at a checkpoint: the hole ends at one
 * checkpoint, and the first retarget period after it ends at the next. The headers between link one
 * hash to the other, so they are valid whatever their source; those after are fully validated. The
 * period is kept in memory until headers follow it: a single period that Electrum downloaded below
 * its checkpoints is not the beginning of the file's chain. */
#include <inttypes.h>
#include <stdlib.h>

#include "cli.h"
#include "import_state.h"

static const struct spv_checkpoint *checkpoint_at(const struct import_state *s, uint64_t height)
{
    const struct spv_params *params = s->i->chain_config.params;
    for (size_t k = 0; s->i->chain_config.checkpoint_mode == SPV_CHECKPOINTS_ENFORCED &&
                       k < params->n_checkpoints;
         k++) {
        if (params->checkpoints[k].height == height) {
            return &params->checkpoints[k];
        }
    }
    return NULL;
}

bool import_start_wanted(struct import_state *s, uint32_t last)
{
    s->before = checkpoint_at(s, last);
    s->ending = checkpoint_at(s, (uint64_t)last + SPV_RETARGET_INTERVAL);
    if (s->tip > 0 || s->base > 0 || !s->before || !s->ending) {
        return false;
    }
    s->n_period = 0;
    s->period = calloc(SPV_RETARGET_INTERVAL, sizeof *s->period);
    return s->period != NULL;
}

int import_start_add(struct import_state *s, const struct spv_import_item *item)
{
    if (s->n_period == 0) {
        s->period_offset = item->offset;
    }
    s->period[s->n_period++] = item->header;
    s->last = item->height;
    s->last_header = item->header;
    return CLI_DONE;
}

void import_start_drop(struct import_state *s)
{
    free(s->period);
    s->period = NULL;
    s->n_period = 0;
}

static int start_error(const struct import_state *s, int err, size_t bad)
{
    struct spv_blockhash hash;
    char hex[SPV_HASH_HEX];
    spv_header_hash(&hash, &s->period[bad]);
    spv_blockhash_hex(hex, &hash);
    return cli_fail_as(CLI_FAILED, err,
                       "%s: byte %" PRIu64 ": the header of height %" PRIu32
                       ", %s: %s. Get the file from elsewhere, or sync instead.",
                       s->name, s->period_offset + (uint64_t)bad * SPV_HEADER_SIZE,
                       s->before->height + 1 + (uint32_t)bad, hex, spv_strerror(err));
}

/* Stores the period and restarts the chain from it. */
static int start_chain(struct import_state *s, const struct spv_chain_header *records)
{
    struct import *i = s->i;
    struct spv_chain *chain = NULL;
    struct spv_chain_update change = {.kind = SPV_UPDATE_CHECKPOINT_START,
                                      .fork_height = s->before->height,
                                      .headers = records,
                                      .n = SPV_RETARGET_INTERVAL};
    int rc = spv_store_apply(i->store, &change);
    if (rc != 0) {
        return import_store_failed(s, rc);
    }
    rc = spv_chain_new(&chain, &i->chain_config);
    if (rc != 0) {
        return cli_fail(rc, "%s: the chain cannot be loaded: %s.", spv_store_path(i->store),
                        spv_strerror(rc));
    }
    spv_chain_free(i->chain);
    i->chain = chain;
    i->counts.added += SPV_RETARGET_INTERVAL;
    i->counts.missing = s->before->height;
    s->tip = s->ending->height;
    s->base = s->before->height + 1;
    return CLI_DONE;
}

int import_start(struct import_state *s)
{
    char a[CLI_FIGURE];
    size_t bad = 0;
    struct spv_chain_header *records = calloc(SPV_RETARGET_INTERVAL, sizeof *records);
    if (!records) {
        return cli_fail(SPV_ERR_NOMEM, "%s. Free some memory.", spv_strerror(SPV_ERR_NOMEM));
    }
    int rc =
        spv_chain_period(records, s->i->chain_config.params, s->before, s->ending, s->period, &bad);
    rc = rc != 0 ? start_error(s, rc, bad) : start_chain(s, records);
    free(records);
    if (rc == CLI_DONE) {
        cli_warn("%s: has no headers below height %s, which follows a checkpoint: the database "
                 "begins there. spv-sync --backfill downloads the others.",
                 s->name, cli_count(a, s->base));
    }
    import_start_drop(s);
    return rc;
}

void import_report_missing(struct import_state *s, uint32_t last)
{
    char a[CLI_FIGURE], b[CLI_FIGURE];
    s->i->counts.missing = last - s->tip;
    cli_warn("%s: has no headers from height %s to %s. The headers above cannot be validated "
             "without them and are skipped; spv-sync downloads them.",
             s->name, cli_count(a, (uint64_t)s->tip + 1), cli_count(b, last));
}

int import_start_finish(struct import_state *s)
{
    if (!s->period) {
        return CLI_DONE;
    }
    if (s->n_period == SPV_RETARGET_INTERVAL) {
        return import_start(s);
    }
    import_report_missing(s, s->last - (uint32_t)s->n_period);
    return CLI_DONE;
}
