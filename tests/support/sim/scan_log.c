#include "support/sim/scan_log.h"

#include <stdlib.h>
#include <string.h>

#include "support/sim/internal.h"

void sim_scan_log_free(struct sim_scan_log *log)
{
    free(log->at);
    memset(log, 0, sizeof(*log));
}

static const char *add_match(struct sim_scan_log *log, const struct spv_scan_event *event)
{
    struct sim_scan_match match = {.height = event->height, .hash = event->hash};
    struct spv_blockhash hash;
    size_t i = log->n;
    spv_header_hash(&hash, &event->block.header);
    if (!spv_blockhash_eq(&hash, &event->hash))
        return "a match with another block";
    if (event->n == 0)
        return "a match without a transaction";
    for (size_t k = 0; k < event->n; k++) {
        if (event->positions[k] >= SIM_SCAN_TXS || event->positions[k] >= event->block.n_txs)
            return "a match of a transaction that its block does not have";
        if (k > 0 && event->positions[k] <= event->positions[k - 1])
            return "positions that do not ascend";
        match.positions |= UINT64_C(1) << event->positions[k];
    }
    while (i > 0 && log->at[i - 1].height >= match.height)
        i--;
    if (i < log->n && log->at[i].height == match.height) { /* of a later pass */
        if (!spv_blockhash_eq(&log->at[i].hash, &match.hash))
            return "a match of a block that was not taken back";
        log->at[i].positions |= match.positions;
        return NULL;
    }
    log->at = sim_grow(log->at, &log->cap, log->n, sizeof(match));
    memmove(&log->at[i + 1], &log->at[i], (log->n - i) * sizeof(match));
    log->at[i] = match;
    log->n++;
    return NULL;
}

const char *sim_scan_log_event(struct sim_scan_log *log, const struct spv_scan_event *event)
{
    switch (event->kind) {
    case SPV_SCAN_FOUND:
        log->last_match = event->height;
        return add_match(log, event);
    case SPV_SCAN_ROLLED_BACK:
        log->undone++;
        if (log->done > event->height)
            log->done = event->height;
        while (log->n > 0 && log->at[log->n - 1].height > event->height)
            log->n--;
        return NULL;
    case SPV_SCAN_DONE:
        log->done = event->height;
        return NULL;
    }
    return "an unknown event of a scan";
}
