/* A poll returns, in this order: queued effects, changes of the wallet after its next step, its
 * events, and what follows from the next event of the source. So each block that the source finds
 * is stored before the next one is scanned. */
#include "spv/node/node_wallet.h"

#include "spv/node/node_state.h"
#include "spv/wallet/bloom_items.h"
#include "util/deadline.h"

/* ---- the source of compact filters ---- */

static int begin_filters(void *ctx, const struct spv_bytes *scripts, size_t n, uint32_t first,
                         struct spv_now now)
{
    struct spv_node_filters *f = ctx;

    spv_filter_scan_stop(f->scan);
    return spv_filter_scan_begin(f->scan, scripts, n, first, UINT32_MAX, now);
}

static int add_to_filters(void *ctx, const struct spv_bytes *scripts, size_t n, uint32_t from,
                          struct spv_now now)
{
    struct spv_node_filters *f = ctx;

    (void)now;
    return spv_filter_scan_search(f->scan, scripts, n, from);
}

static int add_output_to_filters(void *ctx, const struct spv_txid *txid, uint32_t vout,
                                 const struct spv_bytes *script, struct spv_now now)
{
    struct spv_node_filters *f = ctx;

    (void)now;
    return spv_filter_scan_add_output(f->scan, txid, vout, script);
}

static void stop_filters(void *ctx)
{
    struct spv_node_filters *f = ctx;

    spv_filter_scan_stop(f->scan);
}

static void filters_progress(const void *ctx, struct spv_source_progress *out)
{
    const struct spv_node_filters *f = ctx;
    struct spv_scan_stats stats;

    spv_filter_scan_get_stats(f->scan, &stats);
    *out = (struct spv_source_progress){.height = stats.next_height,
                                        .lowest = spv_filter_scan_first_checkable(f->scan),
                                        .left = spv_filter_scan_left(f->scan),
                                        .is_matching = true};
}

/* ---- the source of whole blocks ---- */

static int begin_blocks(void *ctx, const struct spv_bytes *scripts, size_t n, uint32_t first,
                        struct spv_now now)
{
    struct spv_node_filters *f = ctx;

    (void)scripts;
    (void)n;
    (void)now;
    spv_block_scan_stop(f->block_scan);
    return spv_block_scan_begin(f->block_scan, first, UINT32_MAX);
}

static int add_to_blocks(void *ctx, const struct spv_bytes *scripts, size_t n, uint32_t from,
                         struct spv_now now)
{
    struct spv_node_filters *f = ctx;

    (void)scripts;
    (void)n;
    (void)now;
    return spv_block_scan_add(f->block_scan, from);
}

/* The wallet scans every block for spends itself. */
static int add_output_to_blocks(void *ctx, const struct spv_txid *txid, uint32_t vout,
                                const struct spv_bytes *script, struct spv_now now)
{
    (void)ctx;
    (void)txid;
    (void)vout;
    (void)script;
    (void)now;
    return 0;
}

static void stop_blocks(void *ctx)
{
    struct spv_node_filters *f = ctx;

    spv_block_scan_stop(f->block_scan);
}

static void blocks_progress(const void *ctx, struct spv_source_progress *out)
{
    const struct spv_node_filters *f = ctx;
    struct spv_block_scan_stats stats;
    struct spv_chain_start start;

    spv_block_scan_get_stats(f->block_scan, &stats);
    spv_chain_get_start(f->peers.chain, &start);
    *out = (struct spv_source_progress){.height = stats.height,
                                        .lowest = start.height + 1,
                                        .left = stats.left,
                                        .is_matching = true};
}

/* ---- life cycle ---- */

const struct spv_node_config *spv_node_wallet_config(struct spv_node_config *copy,
                                                     const struct spv_node_config *cfg)
{
    *copy = *cfg;
    if (cfg->wallet && (cfg->source == SPV_SOURCE_AUTO || cfg->source == SPV_SOURCE_FILTERS))
        copy->filters = true;
    return copy;
}

/* Refuses a script that the source cannot look for. */
static int check_script(void *ctx, const struct spv_bytes *script)
{
    const struct spv_node *n = ctx;
    const bool is_bloom =
        n->wallet.wanted == SPV_SOURCE_BLOOM || n->wallet.chosen == SPV_SOURCE_BLOOM;

    return is_bloom ? spv_bloom_items_check(script) : 0;
}

int spv_node_wallet_init(struct spv_node *n, const struct spv_node_config *cfg, struct spv_now now)
{
    struct spv_node_wallet *w = &n->wallet;
    const struct spv_wallet_sync_config sync = {.wallet = cfg->wallet,
                                                .chain = n->chain,
                                                .header_db = cfg->header_db,
                                                .check_script = check_script,
                                                .ctx = n};

    w->alarm_us = SPV_NEVER;
    if (!cfg->wallet)
        return 0;
    w->wallet = cfg->wallet;
    w->wanted = cfg->source;
    w->allow_bloom = cfg->allow_bloom;
    if (n->filters.on)
        w->sources[SPV_SOURCE_FILTERS] =
            (struct spv_coin_source){.ctx = &n->filters,
                                     .begin = begin_filters,
                                     .add = add_to_filters,
                                     .add_output = add_output_to_filters,
                                     .stop = stop_filters,
                                     .progress = filters_progress};
    if (n->filters.block_scan)
        w->sources[SPV_SOURCE_BLOCKS] = (struct spv_coin_source){.ctx = &n->filters,
                                                                 .begin = begin_blocks,
                                                                 .add = add_to_blocks,
                                                                 .add_output = add_output_to_blocks,
                                                                 .stop = stop_blocks,
                                                                 .progress = blocks_progress};
    w->sources[SPV_SOURCE_BLOOM] = spv_node_bloom_source(n);
    return spv_wallet_sync_new(&w->sync, &sync, now);
}

void spv_node_wallet_free(struct spv_node *n)
{
    spv_wallet_sync_free(n->wallet.sync);
    n->wallet.sync = NULL;
}

/* ---- the choice of a source ---- */

struct served {
    unsigned groups; /* network groups of peers that serve it */
    unsigned peers, others; /* peers that serve it, and that do not */
};

static struct served count_served(struct spv_node *n, uint64_t services)
{
    struct served s = {.groups = 0};

    for (const struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(&n->peers, p));) {
        bool is_new = true;
        if ((p->services & services) == 0) {
            s.others++;
            continue;
        }
        for (const struct spv_peer_entry *q = NULL; (q = spv_peer_table_next(&n->peers, q)) != p;)
            is_new = is_new && ((q->services & services) == 0 || q->group != p->group);
        s.groups += is_new;
        s.peers++;
    }
    return s;
}

static uint64_t needed_services(enum spv_source source)
{
    switch (source) {
    case SPV_SOURCE_FILTERS:
        return SPV_NODE_COMPACT_FILTERS;
    case SPV_SOURCE_BLOOM:
        return SPV_NODE_BLOOM;
    case SPV_SOURCE_BLOCKS:
    case SPV_SOURCE_AUTO:
        break;
    }
    return SPV_NODE_NETWORK;
}

static bool can_serve(struct spv_node *n, enum spv_source source)
{
    return n->wallet.sources[source].begin && count_served(n, needed_services(source)).peers > 0;
}

/* WATCH.md: compact filters when peers of two network groups serve them, or all manual peers when
 * only those are used; else bloom filters only when they are allowed. */
static enum spv_source choose_auto(struct spv_node *n, enum spv_more_peers more)
{
    const struct served filters = count_served(n, SPV_NODE_COMPACT_FILTERS);
    const bool all_named =
        !n->outbound.discovery && more != SPV_MORE_PEERS_EXPECTED && filters.others == 0;

    if (can_serve(n, SPV_SOURCE_FILTERS) &&
        (filters.groups >= SPV_NODE_SOURCE_GROUPS || (all_named && filters.peers > 0)))
        return SPV_SOURCE_FILTERS;
    if (n->wallet.allow_bloom && more != SPV_MORE_PEERS_EXPECTED &&
        can_serve(n, SPV_SOURCE_BLOOM) && spv_node_bloom_takes_wallet(n))
        return SPV_SOURCE_BLOOM;
    return SPV_SOURCE_AUTO;
}

static void set_no_source(struct spv_node_wallet *w, bool no_source)
{
    w->alarm_due = w->alarm_due != (w->no_source != no_source);
    w->no_source = no_source;
}

/* When an unconfirmed transaction may expire; at most a day from now, as the wall clock may be set.
 */
static uint64_t expiry_us(const struct spv_wallet *wallet, struct spv_now now)
{
    const int64_t at = spv_wallet_next_expiry(wallet), day = 86400;

    if (at == INT64_MAX)
        return SPV_NEVER;
    if (at <= now.unix_s)
        return now.mono_us;
    return now.mono_us +
           (uint64_t)(at > now.unix_s + day ? day : at - now.unix_s) * (uint64_t)SPV_SECOND;
}

/* What source stays chosen while a peer serves it: another one would scan from the start again. */
void spv_node_wallet_run(struct spv_node *n, enum spv_more_peers more, struct spv_now now)
{
    struct spv_node_wallet *w = &n->wallet;
    enum spv_source source = w->wanted;

    if (!w->sync || n->error)
        return;
    w->expiry_us = expiry_us(w->wallet, now);
    if (w->chosen != SPV_SOURCE_AUTO && can_serve(n, w->chosen))
        source = w->chosen;
    else if (source == SPV_SOURCE_AUTO)
        source = choose_auto(n, more);
    else if (!can_serve(n, source))
        source = SPV_SOURCE_AUTO;
    if (source != SPV_SOURCE_AUTO) {
        if (source != w->chosen)
            spv_wallet_sync_set_source(w->sync, &w->sources[source]);
        w->chosen = source;
        w->missing_since_us = 0;
        w->alarm_us = SPV_NEVER;
        set_no_source(w, false);
        return;
    }
    if (w->missing_since_us == 0)
        w->missing_since_us = now.mono_us;
    w->alarm_us = w->missing_since_us + SPV_NODE_SOURCE_WAIT_US;
    if (now.mono_us >= w->alarm_us || (more == SPV_MORE_PEERS_NONE && n->sync.synced))
        set_no_source(w, true);
    if (w->no_source)
        w->alarm_us = SPV_NEVER;
}

uint64_t spv_node_wallet_deadline(const struct spv_node *n)
{
    return n->wallet.sync ? spv_min_deadline(n->wallet.alarm_us, n->wallet.expiry_us) : SPV_NEVER;
}

/* ---- effects ---- */

static int poll_changes(struct spv_node *n, struct spv_effect *out)
{
    struct spv_wallet_update update;
    const int rc = spv_wallet_sync_changes(n->wallet.sync, &update);

    if (rc != 1)
        return rc;
    n->wallet.storing = true;
    *out = (struct spv_effect){.kind = SPV_EFFECT_STORE_WALLET, .wallet_update = update};
    const int rc_changed = spv_node_broadcast_changed(&n->broadcast, &update, n->now);
    return rc_changed < 0 ? rc_changed : 1;
}

/* The first queued effect. The wallet disconnects blocks in the same transaction as the chain
 * update, and before filter headers that were proven false are dropped. */
static int poll_queue(struct spv_node *n, struct spv_effect *out)
{
    struct spv_node_wallet *w = &n->wallet;
    const struct spv_effect *head = spv_effects_head(&n->effects);
    int rc = 0;

    if (head && head->kind == SPV_EFFECT_DROP_FILTER_HEADERS && head->height > 0) {
        rc = spv_wallet_sync_disconnect(w->sync, head->height - 1, n->now);
        if (rc == 0)
            rc = poll_changes(n, out);
    }
    if (rc != 0 || spv_effects_pop(&n->effects, out) == 0)
        return rc;
    if (out->kind != SPV_EFFECT_STORE || out->update.kind != SPV_UPDATE_REORG)
        return 1;
    rc = spv_wallet_sync_disconnect(w->sync, out->update.fork_height, n->now);
    if (rc == 0)
        rc = spv_wallet_sync_changes(w->sync, &out->wallet_update);
    w->attached = rc == 1;
    if (rc == 1)
        rc = spv_node_broadcast_changed(&n->broadcast, &out->wallet_update, n->now);
    return rc < 0 ? rc : 1;
}

static bool poll_event(struct spv_node *n, struct spv_effect *out)
{
    struct spv_node_wallet *w = &n->wallet;

    *out = (struct spv_effect){.kind = SPV_EFFECT_WALLET};
    if (w->alarm_due) {
        w->alarm_due = false;
        out->wallet_event = (struct spv_wallet_event){.kind = SPV_WALLET_EVENT_ALARM,
                                                      .alarm = SPV_WALLET_ALARM_NO_SOURCE,
                                                      .raised = w->no_source};
        return true;
    }
    return spv_wallet_sync_next_event(w->sync, &out->wallet_event);
}

/* Passes the next event of the source to the wallet: 1, 0 when there is none, or an error. */
static int take_source_event(struct spv_node *n)
{
    static const enum spv_source_event_kind kinds[] = {[SPV_SCAN_FOUND] = SPV_SOURCE_EVENT_FOUND,
                                                       [SPV_SCAN_ROLLED_BACK] =
                                                           SPV_SOURCE_EVENT_ROLLED_BACK,
                                                       [SPV_SCAN_DONE] = SPV_SOURCE_EVENT_DONE};
    struct spv_source_event block;
    struct spv_effect found;
    int rc = 0;

    if (n->wallet.chosen == SPV_SOURCE_BLOCKS || n->wallet.chosen == SPV_SOURCE_BLOOM) {
        rc = n->wallet.chosen == SPV_SOURCE_BLOOM
                 ? spv_node_bloom_next(n, &block, n->now)
                 : spv_node_filters_next_block(&n->filters, &block, n->now);
        if (rc != 1)
            return rc;
        rc = spv_wallet_sync_source_event(n->wallet.sync, &block, n->now);
        return rc < 0 ? rc : 1;
    }
    rc = spv_node_filters_poll(&n->filters, &found, n->now);
    if (rc != 1)
        return rc;
    const struct spv_source_event event = {.kind = kinds[found.scan.kind],
                                           .height = found.scan.height,
                                           .hash = found.scan.hash,
                                           .block = &found.scan.block};
    rc = spv_wallet_sync_source_event(n->wallet.sync, &event, n->now);
    return rc < 0 ? rc : 1;
}

int spv_node_wallet_poll(struct spv_node *n, struct spv_effect *out)
{
    struct spv_chain_start start;
    int rc;

    spv_chain_get_start(n->chain, &start);
    const struct spv_wallet_sync_context in = {.synced = n->sync.synced,
                                               .backfilling = n->backfill && start.height > 0};
    do {
        rc = poll_queue(n, out);
        if (rc == 0)
            rc = spv_wallet_sync_step(n->wallet.sync, &in, n->now);
        if (rc == 0 && !spv_effects_head(&n->effects)) {
            rc = poll_changes(n, out);
            if (rc == 0)
                rc = poll_event(n, out);
        }
        if (rc != 0)
            return rc;
        rc = spv_effects_head(&n->effects) ? 1 : take_source_event(n);
    } while (rc == 1 || (rc == 0 && spv_effects_head(&n->effects)));
    return rc;
}

bool spv_node_wallet_storing(const struct spv_node *n)
{
    return n->wallet.storing;
}

int spv_node_wallet_stored(struct spv_node *n)
{
    struct spv_node_wallet *w = &n->wallet;
    const bool alone = w->storing;

    if (w->storing || w->attached)
        spv_wallet_sync_stored(w->sync);
    w->storing = w->attached = false;
    return alone;
}

size_t spv_node_wallet_memory(const struct spv_node *n)
{
    return n->wallet.sync ? spv_wallet_sync_memory(n->wallet.sync) : 0;
}

static uint64_t count_fetched(const struct spv_node_filters *f)
{
    struct spv_scan_stats scan = {.blocks = 0};
    struct spv_block_scan_stats blocks = {.blocks = 0};

    if (f->on)
        spv_filter_scan_get_stats(f->scan, &scan);
    if (f->block_scan)
        spv_block_scan_get_stats(f->block_scan, &blocks);
    return scan.blocks + blocks.blocks;
}

void spv_node_wallet_status(const struct spv_node *n, struct spv_wallet_status *out)
{
    const struct spv_node_wallet *w = &n->wallet;

    *out = (struct spv_wallet_status){.scanned.height = SPV_NO_HEIGHT};
    if (!w->sync)
        return;
    spv_wallet_sync_get_status(w->sync, out);
    out->on = true;
    out->has_source = w->chosen != SPV_SOURCE_AUTO && !w->no_source;
    out->source = w->chosen;
    if (n->bloom.scan && w->chosen == SPV_SOURCE_BLOOM) {
        struct spv_bloom_scan_stats stats;
        spv_bloom_scan_get_stats(n->bloom.scan, &stats);
        out->false_positive_rate = stats.rate;
    }
    out->fetched = count_fetched(&n->filters);
}
