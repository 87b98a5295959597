/* A database that begins behind a hole, as a sync that starts at a checkpoint does (origin.c): the
 * hole ends in one checkpoint, and the first period behind it ends in the next. What lies between
 * leads from one hash to the other, so it is right whatever its source; what comes after is judged
 * in full. It is kept in memory until headers follow it: a lone piece that Electrum happened to
 * fetch below its checkpoints is not where the file's chain begins. */
#include <inttypes.h>
#include <stdlib.h>

#include "cli.h"
#include "import_state.h"

static const struct spv_checkpoint *checkpoint_at(const struct work *w, uint64_t height)
{
    const struct spv_params *params = w->i->chain_config.params;
    for (size_t k = 0; !w->i->chain_config.no_checkpoints && k < params->n_checkpoints; k++) {
        if (params->checkpoints[k].height == height) {
            return &params->checkpoints[k];
        }
    }
    return NULL;
}

bool import_start_wanted(struct work *w, uint32_t last)
{
    w->before = checkpoint_at(w, last);
    w->ending = checkpoint_at(w, (uint64_t)last + SPV_RETARGET_INTERVAL);
    if (w->tip > 0 || w->base > 0 || !w->before || !w->ending) {
        return false;
    }
    w->n_period = 0;
    w->period = calloc(SPV_RETARGET_INTERVAL, sizeof *w->period);
    return w->period != NULL;
}

int import_start_take(struct work *w, const struct spv_import_item *item)
{
    if (w->n_period == 0) {
        w->period_offset = item->offset;
    }
    w->period[w->n_period++] = item->header;
    w->last = item->height;
    w->last_header = item->header;
    return CLI_DONE;
}

void import_start_drop(struct work *w)
{
    free(w->period);
    w->period = NULL;
    w->n_period = 0;
}

static int start_error(const struct work *w, int err, size_t bad)
{
    struct spv_blockhash hash;
    char hex[SPV_HASH_HEX];
    spv_header_hash(&hash, &w->period[bad]);
    spv_blockhash_hex(hex, &hash);
    return cli_fail_as(CLI_FAILED, err,
                       "%s: byte %" PRIu64 ": the header of height %" PRIu32
                       ", %s: %s. Get the file from elsewhere, or sync instead.",
                       w->name, w->period_offset + (uint64_t)bad * SPV_HEADER_SIZE,
                       w->before->height + 1 + (uint32_t)bad, hex, spv_strerror(err));
}

/* Stores the period and lets the chain begin anew from there. */
static int import_begin(struct work *w, const struct spv_chain_header *records)
{
    struct import *i = w->i;
    struct spv_chain *chain = NULL;
    struct spv_chain_update change = {.kind = SPV_UPDATE_CHECKPOINT_START,
                                      .fork_height = w->before->height,
                                      .headers = records,
                                      .n = SPV_RETARGET_INTERVAL};
    int rc = spv_store_apply(i->store, &change);
    if (rc != 0) {
        return import_store_failed(w, rc);
    }
    rc = spv_chain_new(&chain, &i->chain_config);
    if (rc != 0) {
        return cli_fail(rc, "%s: the chain cannot be loaded: %s.", spv_store_path(i->store),
                        spv_strerror(rc));
    }
    spv_chain_free(i->chain);
    i->chain = chain;
    i->counts.added += SPV_RETARGET_INTERVAL;
    i->counts.missing = w->before->height;
    w->tip = w->ending->height;
    w->base = w->before->height + 1;
    return CLI_DONE;
}

int import_start(struct work *w)
{
    char a[CLI_FIGURE];
    size_t bad = 0;
    struct spv_chain_header *records = calloc(SPV_RETARGET_INTERVAL, sizeof *records);
    if (!records) {
        return cli_fail(SPV_ERR_NOMEM, "%s. Free some memory.", spv_strerror(SPV_ERR_NOMEM));
    }
    int rc =
        spv_chain_period(records, w->i->chain_config.params, w->before, w->ending, w->period, &bad);
    rc = rc != 0 ? start_error(w, rc, bad) : import_begin(w, records);
    free(records);
    if (rc == CLI_DONE) {
        cli_warn("%s: has no headers below height %s, which follows a checkpoint: the database "
                 "begins there. spv-sync --backfill downloads the others.",
                 w->name, cli_count(a, w->base));
    }
    import_start_drop(w);
    return rc;
}
