/* Invariant: all blocks up to the wallet's scanned height s were scanned for all scripts that need
 * no rescan. The source begins at s + 1 with all scripts. Scripts that are added later are given to
 * it at once, for the blocks above s; when a window reaches them, or their watch is new, lower
 * blocks are rescanned for them (rescan_ranges.h):
 *
 *     birthday .......... rescans ............. s | source ............ tip
 *
 * A block that the source finds above s is connected and moves s; one at or below s is rescanned.
 * After a crash at any time, the stored state is enough to find everything again. */
#include "spv/wallet/wallet_sync.h"

#include <stdlib.h>

#include "spv/error.h"
#include "spv/wallet/birthday.h"
#include "spv/wallet/chain_point.h"
#include "spv/wallet/rescan_ranges.h"
#include "spv/wallet/scan_rate.h"
#include "spv/wallet/wallet_outpoints.h"

struct spv_wallet_sync {
    struct spv_wallet_sync_config cfg;
    struct spv_coin_source source; /* begin NULL: none */
    bool source_begun;
    uint32_t source_first; /* the height at which the source began */
    size_t n_source_scripts; /* the first ones of the wallet, which were given to the source */
    struct spv_rescan_ranges rescans;
    bool check_rescans; /* the wallet may have new ranges that need a rescan */
    bool outputs_due; /* coins whose spends left the chain are to be given to the source */
    bool was_synced;
    bool wallet_changed; /* it may have changes that were not taken yet */
    bool storing; /* its changes are being stored */
    uint64_t revision; /* of the last stored change */
    /* Outputs: what is to be reported. */
    uint64_t reported_revision;
    uint64_t last_request, answered;
    bool scanned_due;
    bool start_due, start_raised;
    uint32_t start_height;
    uint64_t reported_dropped; /* UINT64_MAX: the alarm was raised */
    struct spv_scan_rate rate;
};

static uint32_t scanned_height(const struct spv_wallet_sync *s)
{
    return spv_wallet_scanned(s->cfg.wallet).height;
}

/* Sets the scanned height: no block up to it concerns the wallet. */
static int set_scanned(struct spv_wallet_sync *s, uint32_t height)
{
    struct spv_wallet_block none = {.whole = NULL};
    const int rc = spv_chain_point_get(s->cfg.chain, &none.point, height);

    s->wallet_changed = true;
    return rc < 0 ? rc : spv_wallet_connect(s->cfg.wallet, &none);
}

static int disconnect_to(struct spv_wallet_sync *s, const struct spv_point *to, struct spv_now now)
{
    s->wallet_changed = true;
    return spv_wallet_disconnect(s->cfg.wallet, to, now);
}

/* ---- creation ---- */

/* The highest block on the best chain that has a transaction of the wallet; else genesis. */
static int find_common(const struct spv_wallet_sync *s, struct spv_point *out)
{
    const struct spv_wallet_tx_row *row;
    uint64_t next = 0;
    int rc = spv_chain_point_get(s->cfg.chain, out, 0);

    while (rc == 0 && spv_wallet_next_tx(s->cfg.wallet, &next, &row)) {
        if (row->block.height == SPV_NO_HEIGHT)
            continue;
        rc = spv_chain_point_is_best(s->cfg.chain, &row->block);
        if (rc == 1) {
            *out = row->block;
            rc = 0;
        }
    }
    return rc;
}

static int join_chain(struct spv_wallet_sync *s, struct spv_now now)
{
    const struct spv_point scanned = spv_wallet_scanned(s->cfg.wallet);
    struct spv_point common;
    int rc = scanned.height == SPV_NO_HEIGHT ? 1 : spv_chain_point_is_best(s->cfg.chain, &scanned);

    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = find_common(s, &common);
    return rc < 0 ? rc : disconnect_to(s, &common, now);
}

int spv_wallet_sync_new(struct spv_wallet_sync **out, const struct spv_wallet_sync_config *cfg,
                        struct spv_now now)
{
    struct spv_wallet_sync *s = calloc(1, sizeof *s);
    int rc;

    *out = NULL;
    if (!s)
        return SPV_ERR_NOMEM;
    s->cfg = *cfg;
    s->wallet_changed = true; /* loading may have repaired rows */
    s->reported_dropped = spv_wallet_dropped(cfg->wallet);
    rc = join_chain(s, now);
    if (rc < 0) {
        spv_wallet_sync_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

void spv_wallet_sync_free(struct spv_wallet_sync *s)
{
    if (!s)
        return;
    spv_rescan_ranges_free(&s->rescans);
    free(s);
}

/* ---- the source ---- */

static void stop_source(struct spv_wallet_sync *s)
{
    if (s->source_begun)
        s->source.stop(s->source.ctx);
    s->source_begun = false;
    spv_rescan_ranges_clear(&s->rescans);
}

void spv_wallet_sync_set_source(struct spv_wallet_sync *s, const struct spv_coin_source *source)
{
    stop_source(s);
    s->source = source ? *source : (struct spv_coin_source){.begin = NULL};
}

/* Lists the watched scripts from an index on; the caller frees *out. */
static int list_scripts(const struct spv_wallet_sync *s, struct spv_bytes **out, size_t *n,
                        size_t from)
{
    const size_t count = spv_wallet_script_count(s->cfg.wallet);

    *n = 0;
    *out = malloc((count - from + 1) * sizeof **out);
    if (!*out)
        return SPV_ERR_NOMEM;
    for (size_t i = from; i < count; i++) {
        const struct spv_bytes script = spv_wallet_script(s->cfg.wallet, i);
        if (script.n > 0)
            (*out)[(*n)++] = script;
    }
    return 0;
}

/* Gives new scripts to the source, to be scanned for from a height on. */
static int add_scripts_to_source(struct spv_wallet_sync *s, uint32_t from, struct spv_now now)
{
    const size_t count = spv_wallet_script_count(s->cfg.wallet);
    struct spv_bytes *scripts;
    size_t n;
    int rc;

    if (!s->source_begun || s->n_source_scripts == count)
        return 0;
    rc = list_scripts(s, &scripts, &n, s->n_source_scripts);
    if (rc < 0)
        return rc;
    s->n_source_scripts = count;
    rc = n > 0 ? s->source.add(s->source.ctx, scripts, n, from, now) : 0;
    free(scripts);
    return rc;
}

/* Raises the alarm: blocks below a height are not scanned, although a watch may be older. */
static void set_start_alarm(struct spv_wallet_sync *s, uint32_t height)
{
    if (s->start_raised)
        return;
    s->start_due = s->start_raised = true;
    s->start_height = height;
}

/* The first height to scan for a birthday. Returns 1, 0 when lower headers are still being fetched,
 * or an error. */
static int find_birthday(struct spv_wallet_sync *s, uint32_t *height, int64_t birthday,
                         const struct spv_wallet_sync_context *in)
{
    struct spv_birthday found;
    const int rc = spv_birthday_find(&found, s->cfg.chain, &s->cfg.header_db, birthday);

    if (rc < 0)
        return rc;
    if (found.is_below_start && in->backfilling)
        return 0;
    if (found.is_below_start)
        set_start_alarm(s, found.height);
    *height = found.height;
    return 1;
}

/* Sets the scanned height to just below the earliest birthday, so that no script needs a rescan.
 * Returns 1, 0 when headers are still being fetched, or an error. */
static int begin_wallet(struct spv_wallet_sync *s, const struct spv_wallet_sync_context *in)
{
    struct spv_rescan_range range;
    int64_t birthday = INT64_MAX;
    uint64_t next = 0;
    uint32_t height;
    int rc;

    while (spv_wallet_next_rescan(s->cfg.wallet, &next, &range))
        if (range.birthday < birthday)
            birthday = range.birthday;
    rc = find_birthday(s, &height, birthday, in);
    if (rc == 1) {
        rc = set_scanned(s, height - 1);
        return rc < 0 ? rc : 1;
    }
    return rc;
}

/* Spends of the wallet's coins are scanned for, too: a bloom filter matches a segwit spend by its
 * outpoint only. */
static int add_outputs_to_source(struct spv_wallet_sync *s, struct spv_now now)
{
    struct spv_wallet_outpoint output;
    uint64_t next = 0;
    int rc = 0;

    s->outputs_due = false;
    while (rc == 0 && spv_wallet_next_outpoint(s->cfg.wallet, &next, &output))
        rc = s->source.add_output(s->source.ctx, &output.txid, output.vout, &output.script, now);
    return rc;
}

static bool has_scripts(const struct spv_wallet_sync *s)
{
    const size_t count = spv_wallet_script_count(s->cfg.wallet);
    size_t i = 0;

    while (i < count && spv_wallet_script(s->cfg.wallet, i).n == 0)
        i++;
    return i < count;
}

static int begin_source(struct spv_wallet_sync *s, const struct spv_wallet_sync_context *in,
                        struct spv_now now)
{
    struct spv_bytes *scripts;
    size_t n;
    int rc = 1;

    if (!has_scripts(s))
        return 0;
    if (scanned_height(s) == SPV_NO_HEIGHT)
        rc = begin_wallet(s, in);
    if (rc <= 0)
        return rc;
    rc = list_scripts(s, &scripts, &n, 0);
    if (rc < 0)
        return rc;
    s->source_first = scanned_height(s) + 1;
    s->n_source_scripts = spv_wallet_script_count(s->cfg.wallet);
    s->check_rescans = true;
    rc = s->source.begin(s->source.ctx, scripts, n, s->source_first, now);
    s->source_begun = rc == 0;
    free(scripts);
    return rc < 0 ? rc : add_outputs_to_source(s, now);
}

/* ---- rescans ---- */

static int begin_rescans(struct spv_wallet_sync *s, const struct spv_wallet_sync_context *in,
                         struct spv_now now)
{
    struct spv_source_progress progress;
    uint32_t from;
    int rc = 1;

    if (!s->check_rescans)
        return 0;
    rc = spv_rescan_ranges_collect(&s->rescans, s->cfg.wallet);
    s->check_rescans = false;
    if (rc < 0 || !s->rescans.found)
        return rc;
    rc = find_birthday(s, &from, s->rescans.birthday, in);
    if (rc <= 0) { /* repeated when the headers are stored */
        spv_rescan_ranges_clear(&s->rescans);
        s->check_rescans = true;
        return rc;
    }
    s->source.progress(s->source.ctx, &progress);
    if (from < progress.lowest)
        set_start_alarm(s, progress.lowest);
    return s->source.add(s->source.ctx, s->rescans.scripts, s->rescans.n_scripts, from, now);
}

/* ---- progress ---- */

static void measure_rate(struct spv_wallet_sync *s, struct spv_now now)
{
    struct spv_source_progress p;

    s->source.progress(s->source.ctx, &p);
    spv_scan_rate_measure(&s->rate, p.left, now);
}

/* Moves the scanned height over many blocks that concern nothing, so that it is stored. */
static int store_progress(struct spv_wallet_sync *s)
{
    struct spv_source_progress p;

    s->source.progress(s->source.ctx, &p);
    if (p.lowest > s->source_first && !s->start_raised)
        set_start_alarm(s, p.lowest);
    if (p.height <= scanned_height(s) + SPV_WALLET_SYNC_STEP)
        return 0;
    return set_scanned(s, p.height - 1);
}

int spv_wallet_sync_step(struct spv_wallet_sync *s, const struct spv_wallet_sync_context *in,
                         struct spv_now now)
{
    int rc = 0;

    s->was_synced = s->was_synced || in->synced;
    if (!s->storing && spv_wallet_next_expiry(s->cfg.wallet) <= now.unix_s) {
        s->wallet_changed = true;
        rc = spv_wallet_expire(s->cfg.wallet, now);
        if (rc < 0)
            return rc;
    }
    if (!s->source.begin || !s->was_synced || s->storing)
        return 0;
    if (!s->source_begun)
        rc = begin_source(s, in, now);
    if (rc < 0 || !s->source_begun)
        return rc;
    rc = add_scripts_to_source(s, scanned_height(s) + 1, now);
    if (rc == 0 && s->outputs_due)
        rc = add_outputs_to_source(s, now);
    if (rc == 0)
        rc = begin_rescans(s, in, now);
    if (rc == 0)
        rc = store_progress(s);
    measure_rate(s, now);
    return rc;
}

/* ---- events of the source ---- */

/* A block with invalid amounts or an invalid merkle tree is skipped, in spite of its proof of work.
 */
static bool is_invalid_block(int rc)
{
    return rc == SPV_ERR_TX_VALUE || rc == SPV_ERR_MERKLE_ROOT || rc == SPV_ERR_MERKLE_DUPLICATE;
}

static int on_found(struct spv_wallet_sync *s, const struct spv_source_event *event,
                    struct spv_now now)
{
    struct spv_wallet_block block = {.point = {.height = event->height, .hash = event->hash},
                                     .whole = event->block,
                                     .txs = event->txs,
                                     .n_txs = event->n_txs};
    const bool is_above = event->height > scanned_height(s);
    struct spv_chain_header header;
    int rc = spv_chain_header_at(s->cfg.chain, &header, event->height);

    if (rc < 0)
        return rc;
    if (rc == 0 || !spv_blockhash_eq(&header.hash, &event->hash))
        return SPV_ERR_STATE; /* the source must have rolled it back */
    block.time = header.header.time;
    rc = is_above ? spv_wallet_connect(s->cfg.wallet, &block)
                  : spv_wallet_rescan_block(s->cfg.wallet, &block);
    s->wallet_changed = s->check_rescans = true;
    if (is_invalid_block(rc))
        rc = is_above ? set_scanned(s, event->height) : 0;
    return rc < 0 ? rc : add_scripts_to_source(s, event->height, now);
}

int spv_wallet_sync_disconnect(struct spv_wallet_sync *s, uint32_t fork_height, struct spv_now now)
{
    const uint32_t scanned = scanned_height(s);
    struct spv_point fork;
    int rc;

    if (scanned == SPV_NO_HEIGHT || scanned <= fork_height)
        return 0;
    rc = spv_chain_point_get(s->cfg.chain, &fork, fork_height);
    if (rc == 0)
        rc = disconnect_to(s, &fork, now);
    s->scanned_due = false;
    s->outputs_due = true;
    if (fork_height + 1 < s->source_first) /* a source cannot roll back below its first height */
        stop_source(s);
    return rc;
}

/* The source has scanned all blocks up to a height for all that it was given. */
static int on_done(struct spv_wallet_sync *s, uint32_t height)
{
    struct spv_rescan_range range;
    uint64_t next = 0;
    int rc = height > scanned_height(s) ? set_scanned(s, height) : 0;

    if (rc == 0 && s->rescans.n > 0) {
        s->wallet_changed = true;
        rc = spv_rescan_ranges_finish(&s->rescans, s->cfg.wallet);
    }
    /* newer scripts are given to it in the next step, and another DONE follows */
    s->scanned_due = !spv_wallet_next_rescan(s->cfg.wallet, &next, &range) &&
                     s->n_source_scripts == spv_wallet_script_count(s->cfg.wallet);
    return rc;
}

int spv_wallet_sync_source_event(struct spv_wallet_sync *s, const struct spv_source_event *event,
                                 struct spv_now now)
{
    if (!s->source_begun)
        return 0;
    switch (event->kind) {
    case SPV_SOURCE_EVENT_FOUND:
        return on_found(s, event, now);
    case SPV_SOURCE_EVENT_ROLLED_BACK:
        return spv_wallet_sync_disconnect(s, event->height, now);
    case SPV_SOURCE_EVENT_DONE:
        return on_done(s, event->height);
    }
    return 0;
}

/* ---- operations of the application ---- */

static int end_request(struct spv_wallet_sync *s, uint64_t *request, int rc)
{
    s->wallet_changed = s->check_rescans = true;
    if (rc == 0)
        *request = ++s->last_request;
    return rc;
}

/* Those of a new watch. */
static int check_scripts(const struct spv_wallet_sync *s, size_t from)
{
    const size_t count = spv_wallet_script_count(s->cfg.wallet);
    int rc = 0;

    for (size_t i = from; rc == 0 && s->cfg.check_script && i < count; i++) {
        const struct spv_bytes script = spv_wallet_script(s->cfg.wallet, i);
        rc = s->cfg.check_script(s->cfg.ctx, &script);
    }
    return rc;
}

int spv_wallet_sync_watch(struct spv_wallet_sync *s, uint64_t *request, uint64_t *id,
                          struct spv_text_error *why, const struct spv_watch_target *watch)
{
    const size_t before = spv_wallet_script_count(s->cfg.wallet);
    int rc = spv_wallet_watch(s->cfg.wallet, id, why, watch);

    if (rc == 0) {
        rc = check_scripts(s, before);
        if (rc < 0 && spv_wallet_unwatch(s->cfg.wallet, *id) < 0)
            rc = SPV_ERR_NOMEM;
    }
    return end_request(s, request, rc);
}

int spv_wallet_sync_unwatch(struct spv_wallet_sync *s, uint64_t *request, uint64_t id)
{
    return end_request(s, request, spv_wallet_unwatch(s->cfg.wallet, id));
}

int spv_wallet_sync_reserve_index(struct spv_wallet_sync *s, uint64_t *request, uint32_t *index,
                                  uint64_t id, uint32_t branch)
{
    return end_request(s, request, spv_wallet_reserve_index(s->cfg.wallet, index, id, branch));
}

void spv_wallet_sync_wallet_changed(struct spv_wallet_sync *s)
{
    s->wallet_changed = s->check_rescans = true;
}

/* ---- outputs ---- */

int spv_wallet_sync_changes(struct spv_wallet_sync *s, struct spv_wallet_update *out)
{
    int rc;

    *out = (struct spv_wallet_update){.n = 0};
    if (!s->wallet_changed || s->storing)
        return 0;
    rc = spv_wallet_changes(s->cfg.wallet, out);
    if (rc < 0)
        return rc;
    s->wallet_changed = false;
    s->storing = out->n > 0;
    for (size_t i = 0; i < out->n; i++)
        if (out->changes[i].kind == SPV_WALLET_ROW_META)
            s->revision = out->changes[i].row.meta.revision;
    return s->storing;
}

void spv_wallet_sync_stored(struct spv_wallet_sync *s)
{
    spv_wallet_stored(s->cfg.wallet);
    s->storing = false;
}

/* Whether the source scans for all of the wallet's scripts. True without a source: the next one
 * begins with all. */
static bool source_has_all(const struct spv_wallet_sync *s)
{
    struct spv_source_progress p;

    if (!s->source_begun)
        return true;
    s->source.progress(s->source.ctx, &p);
    return p.is_matching && s->n_source_scripts == spv_wallet_script_count(s->cfg.wallet);
}

static bool next_alarm(struct spv_wallet_sync *s, struct spv_wallet_event *out)
{
    *out = (struct spv_wallet_event){.kind = SPV_WALLET_EVENT_ALARM, .raised = true};
    if (s->start_due) {
        s->start_due = false;
        out->alarm = SPV_WALLET_ALARM_START;
        out->height = s->start_height;
        return true;
    }
    if (s->reported_dropped < spv_wallet_dropped(s->cfg.wallet)) {
        s->reported_dropped = UINT64_MAX; /* raised only once */
        out->alarm = SPV_WALLET_ALARM_BOUNDS;
        return true;
    }
    return false;
}

int spv_wallet_sync_next_event(struct spv_wallet_sync *s, struct spv_wallet_event *out)
{
    if (s->wallet_changed || s->storing)
        return 0;
    if (next_alarm(s, out))
        return 1;
    *out = (struct spv_wallet_event){.kind = SPV_WALLET_EVENT_CHANGED};
    if (s->reported_revision != s->revision) {
        s->reported_revision = out->revision = s->revision;
        return 1;
    }
    if (s->answered < s->last_request && source_has_all(s)) {
        out->kind = SPV_WALLET_EVENT_ANSWER;
        out->request = ++s->answered;
        return 1;
    }
    if (s->scanned_due) {
        s->scanned_due = false;
        out->kind = SPV_WALLET_EVENT_SCANNED;
        out->scanned = spv_wallet_scanned(s->cfg.wallet);
        return 1;
    }
    return 0;
}

void spv_wallet_sync_get_status(const struct spv_wallet_sync *s, struct spv_wallet_status *out)
{
    const uint32_t tip = spv_chain_tip(s->cfg.chain)->height;
    struct spv_source_progress p;

    *out = (struct spv_wallet_status){.scanned = spv_wallet_scanned(s->cfg.wallet)};
    out->left = out->scanned.height < tip ? tip - out->scanned.height : 0;
    if (out->scanned.height == SPV_NO_HEIGHT)
        out->left = tip;
    if (s->source_begun) {
        s->source.progress(s->source.ctx, &p);
        out->left = p.left;
    }
    spv_scan_rate_status(&s->rate, out);
}

size_t spv_wallet_sync_memory(const struct spv_wallet_sync *s)
{
    return sizeof *s + (s->rescans.cap + s->rescans.next_cap) * sizeof *s->rescans.list +
           s->rescans.cap_scripts * sizeof *s->rescans.scripts;
}
