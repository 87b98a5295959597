/* Each input is passed to the state machines in dependency order: filter_peers, block_fetch,
 * filter_sync, filter_scan. */
#include "spv/node/node_filters.h"

#include "spv/node/node_bloom.h"

#include "util/deadline.h"

static size_t list_alternatives(void *ctx, struct spv_filter_hash *out, uint32_t height)
{
    const struct spv_node_filters *f = ctx;
    return spv_filter_sync_alternatives(f->sync, out, height);
}

static bool has_committed(void *ctx, uint64_t peer, uint32_t height)
{
    const struct spv_node_filters *f = ctx;
    const struct spv_peer_entry *p = spv_peer_table_find(f->peers.peers, peer);
    return p && p->filters.agrees && p->filters.agrees_height >= height;
}

static bool is_compared(void *ctx, uint64_t peer, uint32_t height)
{
    const struct spv_node_filters *f = ctx;
    const struct spv_peer_entry *p = spv_peer_table_find(f->peers.peers, peer);
    return p && (p->filters.branch || (p->filters.agrees && p->filters.agrees_height >= height));
}

/* For disputes: what the scan has found, or was given, and the blocks that were fetched. */
static bool find_output(void *ctx, struct spv_bytes *script, const struct spv_txid *txid,
                        uint32_t index)
{
    const struct spv_node_filters *f = ctx;
    return spv_filter_scan_find_output(f->scan, script, txid, index);
}

static int init_scan(struct spv_node_filters *f, const struct spv_node_config *cfg,
                     const struct spv_params *params, const struct spv_chain *chain,
                     struct spv_effects *effects, struct spv_peer_table *table)
{
    const struct spv_filter_scan_config scan = {.params = params,
                                                .chain = chain,
                                                .peers = table,
                                                .effects = effects,
                                                .blocks = &f->blocks,
                                                .filter_db = cfg->filter_db,
                                                .knowledge = {.alternatives = list_alternatives,
                                                              .has_committed = has_committed,
                                                              .is_compared = is_compared,
                                                              .ctx = f},
                                                .outputs = f->outputs,
                                                .rng = cfg->rng,
                                                .keep = cfg->keep_filters,
                                                .keep_bytes = cfg->keep_filters_bytes,
                                                .timeout_us = cfg->request_timeout_us};
    return spv_filter_scan_new(&f->scan, &scan);
}

int spv_node_filters_init(struct spv_node_filters *f, const struct spv_node_config *cfg,
                          const struct spv_params *params, const struct spv_chain *chain,
                          struct spv_effects *effects, struct spv_peer_table *table)
{
    const bool blocks = cfg->wallet && cfg->source == SPV_SOURCE_BLOCKS;
    f->fetches_blocks = blocks || spv_node_may_use_bloom(cfg);
    if (!cfg->filters && !f->fetches_blocks)
        return 0;
    const struct spv_block_scan_config coins = {.chain = chain, .blocks = &f->blocks};
    const struct spv_filter_sync_config sync = {.params = params,
                                                .effects = effects,
                                                .chain = chain,
                                                .peers = table,
                                                .filter_peers = &f->peers,
                                                .filter_db = cfg->filter_db,
                                                .known = {.find = find_output, .ctx = f},
                                                .timeout_us = cfg->request_timeout_us};
    spv_filter_peers_init(&f->peers, chain, effects, table);
    spv_block_fetch_init(&f->blocks, chain, params, effects, table, cfg->rng);
    int rc = blocks ? spv_block_scan_new(&f->block_scan, &coins) : 0;
    if (rc < 0 || !cfg->filters)
        return rc;
    f->on = true;
    rc = spv_output_cache_new(&f->outputs, &cfg->rng);
    if (rc >= 0)
        rc = spv_filter_sync_new(&f->sync, &sync);
    return rc < 0 ? rc : init_scan(f, cfg, params, chain, effects, table);
}

void spv_node_filters_free(struct spv_node_filters *f)
{
    spv_block_scan_free(f->block_scan);
    f->block_scan = NULL;
    spv_filter_scan_free(f->scan);
    f->scan = NULL;
    spv_filter_sync_free(f->sync);
    f->sync = NULL;
    spv_output_cache_free(f->outputs);
    f->outputs = NULL;
}

static bool is_used(const struct spv_node_filters *f)
{
    return f->on || f->fetches_blocks;
}

int spv_node_filters_add(struct spv_node_filters *f, struct spv_peer_entry *p, struct spv_now now)
{
    if (!is_used(f))
        return 0;
    spv_filter_peers_add(&f->peers, p);
    const int rc = spv_block_fetch_add(&f->blocks, p->id, now);
    return rc < 0 || !f->on ? rc : spv_filter_scan_add_peer(f->scan, p->id, now);
}

int spv_node_filters_remove(struct spv_node_filters *f, uint64_t id, struct spv_now now)
{
    if (!is_used(f))
        return 0;
    int rc = spv_block_fetch_remove(&f->blocks, id, now);
    if (!f->on)
        return rc;
    if (rc >= 0)
        rc = spv_filter_scan_remove_peer(f->scan, id, now);
    return rc < 0 ? rc : spv_filter_sync_remove(f->sync, id, now);
}

/* A filter message that answers no request counts against its peer. */
static int recv_filters(struct spv_node_filters *f, uint64_t id, const struct spv_msg *msg,
                        struct spv_now now)
{
    struct spv_peer_entry *p = spv_peer_table_find(f->peers.peers, id);
    int rc = spv_filter_sync_recv(f->sync, id, msg, now);
    if (rc == 0 && msg->command == SPV_CMD_CFILTER)
        rc = spv_filter_scan_cfilter(f->scan, id, &msg->u.cfilter, now);
    if (rc == 0 && p)
        spv_filter_peers_unsolicited(p);
    return rc < 0 ? rc : 0;
}

static int recv_block(struct spv_node_filters *f, uint64_t id, const struct spv_block *block,
                      struct spv_now now)
{
    struct spv_fetched_block fetched;
    int rc = spv_block_fetch_recv(&f->blocks, &fetched, id, block, now);
    if (rc <= 0)
        return rc;
    rc = f->on ? spv_output_cache_add(f->outputs, &fetched.block) : 0;
    if (rc >= 0 && fetched.owners & SPV_BLOCKS_OF_SYNC)
        rc = spv_filter_sync_block(f->sync, fetched.height, &fetched.block);
    if (rc >= 0 && fetched.owners & SPV_BLOCKS_OF_SCAN)
        rc = spv_filter_scan_block(f->scan, &fetched);
    if (rc >= 0 && f->block_scan && fetched.owners & SPV_BLOCKS_OF_COINS)
        rc = spv_block_scan_block(f->block_scan, &fetched);
    if (rc >= 0 && f->bloom_scan && fetched.owners & SPV_BLOCKS_OF_COINS)
        rc = spv_bloom_scan_block(f->bloom_scan, &fetched);
    return rc;
}

/* Messages that may raise the best known block of a peer. */
static int recv_shown(struct spv_node_filters *f, uint64_t id, const struct spv_msg *msg,
                      struct spv_now now)
{
    const int rc = msg->command == SPV_CMD_HEADERS
                       ? spv_filter_peers_headers(&f->peers, id, &msg->u.headers, now)
                       : spv_filter_peers_inv(&f->peers, id, &msg->u.inv);
    return rc < 0 || !f->on ? rc : spv_filter_scan_schedule(f->scan, now);
}

int spv_node_filters_recv(struct spv_node_filters *f, uint64_t id, const struct spv_msg *msg,
                          struct spv_now now)
{
    if (!is_used(f))
        return 0;
    if (msg->command == SPV_CMD_HEADERS || msg->command == SPV_CMD_INV)
        return recv_shown(f, id, msg, now);
    if (f->on && (msg->command == SPV_CMD_CFHEADERS || msg->command == SPV_CMD_CFCHECKPT ||
                  msg->command == SPV_CMD_CFILTER))
        return recv_filters(f, id, msg, now);
    if (msg->command == SPV_CMD_BLOCK)
        return recv_block(f, id, &msg->u.block, now);
    if (msg->command == SPV_CMD_NOTFOUND)
        return spv_block_fetch_notfound(&f->blocks, id, &msg->u.inv, now);
    return 0;
}

/* A dispute needs one block at a time. */
static int want_block(struct spv_node_filters *f, struct spv_now now)
{
    struct spv_blockhash hash;
    uint32_t height;
    if (!spv_filter_sync_disputing(f->sync))
        spv_block_fetch_cancel_from(&f->blocks, SPV_BLOCKS_OF_SYNC, 0);
    if (!spv_filter_sync_next_block(f->sync, &hash, &height))
        return 0;
    spv_block_fetch_cancel_from(&f->blocks, SPV_BLOCKS_OF_SYNC, 0);
    return spv_block_fetch_want(&f->blocks, SPV_BLOCKS_OF_SYNC, &hash, height, now);
}

/* A block has proven the filter of the scan's height invalid: filter sync drops the filter headers
 * from there. */
static int pass_disproved(struct spv_node_filters *f)
{
    uint32_t height;
    int error;
    if (!spv_filter_scan_get_invalid(f->scan, &height, &error) || height == f->disproved)
        return 0;
    f->disproved = height;
    return spv_filter_sync_on_invalid(f->sync, height);
}

/* A number that changes when filters may be requested from more peers. */
static uint64_t count_compared(const struct spv_node_filters *f)
{
    uint64_t n = 0;
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(f->peers.peers, p));)
        n += p->filters.branch ? 1 : p->filters.agrees ? p->id + p->filters.agrees_height : 0;
    return n;
}

static int run_scan(struct spv_node_filters *f, struct spv_now now)
{
    uint32_t from, last, height;
    while (spv_filter_sync_next_rollback(f->sync, &from)) {
        spv_filter_scan_rollback(f->scan, from > 0 ? from - 1 : 0);
        f->disproved = 0;
    }
    while (spv_filter_sync_next_differing(f->sync, &from, &last))
        spv_filter_scan_rescan(f->scan, from, last);
    if (!spv_filter_sync_height(f->sync, &height))
        return 0;
    int rc = spv_filter_scan_run(f->scan, height, f->at_tip, now);
    const uint64_t n_compared = count_compared(f);
    if (rc >= 0 && n_compared != f->compared) {
        f->compared = n_compared;
        rc = spv_filter_scan_schedule(f->scan, now);
    }
    return rc < 0 ? rc : pass_disproved(f);
}

int spv_node_filters_poll(struct spv_node_filters *f, struct spv_effect *out, struct spv_now now)
{
    if (!f->on)
        return 0;
    if (f->reported) {
        f->reported = false;
        const int rc = run_scan(f, now);
        if (rc < 0)
            return rc;
    }
    *out = (struct spv_effect){.kind = SPV_EFFECT_SCAN};
    f->reported = spv_filter_scan_next(f->scan, &out->scan) == 1;
    return f->reported;
}

static int run_block_scan(struct spv_node_filters *f, struct spv_now now)
{
    return f->block_scan ? spv_block_scan_run(f->block_scan, spv_chain_tip(f->peers.chain)->height,
                                              f->is_synced, now)
                         : 0;
}

int spv_node_filters_next_block(struct spv_node_filters *f, struct spv_source_event *out,
                                struct spv_now now)
{
    if (!f->block_scan)
        return 0;
    const int rc = run_block_scan(f, now);
    return rc < 0 ? rc : spv_block_scan_next(f->block_scan, out);
}

static bool reaches_tip(const struct spv_node_filters *f)
{
    uint32_t height;
    return spv_filter_sync_height(f->sync, &height) &&
           height == spv_chain_tip(f->peers.chain)->height;
}

/* A block is requested from peers that have shown it. Filter sync asks them to; without it each
 * peer is asked for the tip. */
static int probe_for_tip(struct spv_node_filters *f, struct spv_now now)
{
    const uint32_t height = spv_chain_tip(f->peers.chain)->height;
    int rc = 0;

    for (struct spv_peer_entry *p = NULL; rc >= 0 && (p = spv_peer_table_next(f->peers.peers, p));)
        rc = height > 0 ? spv_filter_peers_probe(&f->peers, p, height, now) : 0;
    return rc < 0 ? rc : 0;
}

int spv_node_filters_run(struct spv_node_filters *f, const struct spv_node_filters_input *in,
                         struct spv_now now)
{
    uint32_t fork;
    if (!is_used(f))
        return 0;
    f->is_synced = in->synced;
    int rc = spv_filter_peers_update(&f->peers, &fork);
    if (rc > 0 && f->block_scan)
        spv_block_scan_roll_back(f->block_scan, fork);
    if (rc > 0 && f->bloom_scan)
        spv_bloom_scan_roll_back(f->bloom_scan, fork);
    if (rc > 0 && f->on) {
        spv_block_fetch_cancel_from(&f->blocks, SPV_BLOCKS_OF_SYNC, fork + 1);
        spv_filter_scan_rollback(f->scan, fork);
        rc = spv_filter_sync_reorganised(f->sync, fork);
    }
    if (rc < 0 || in->storing)
        return rc;
    if (!f->on && in->synced)
        rc = probe_for_tip(f, now);
    if (rc >= 0)
        rc = run_block_scan(f, now);
    if (rc < 0 || !f->on)
        return rc;
    rc = spv_filter_sync_run(f->sync, in->synced, in->more, now);
    if (rc >= 0)
        rc = want_block(f, now);
    if (rc < 0 || spv_filter_sync_storing(f->sync))
        return rc;
    f->at_tip = in->synced && reaches_tip(f);
    return run_scan(f, now);
}

bool spv_node_filters_storing(const struct spv_node_filters *f)
{
    return f->on && spv_filter_sync_storing(f->sync);
}

int spv_node_filters_stored(struct spv_node_filters *f)
{
    return spv_filter_sync_stored(f->sync);
}

int spv_node_filters_timer(struct spv_node_filters *f, struct spv_now now)
{
    if (!is_used(f))
        return 0;
    int rc = spv_block_fetch_timer(&f->blocks, now);
    if (!f->on)
        return rc;
    if (rc >= 0)
        rc = spv_filter_scan_timer(f->scan, now);
    return rc < 0 ? rc : spv_filter_sync_timer(f->sync, now);
}

static uint64_t probe_deadline(const struct spv_node_filters *f)
{
    const uint32_t height = spv_chain_tip(f->peers.chain)->height;
    uint64_t first = SPV_NEVER;

    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(f->peers.peers, p));)
        if (!spv_filter_peer_has_block(p, height))
            first = spv_min_deadline(first, spv_filter_peers_deadline(p));
    return first;
}

uint64_t spv_node_filters_deadline(const struct spv_node_filters *f)
{
    if (!f->on)
        return f->fetches_blocks
                   ? spv_min_deadline(spv_block_fetch_deadline(&f->blocks), probe_deadline(f))
                   : SPV_NEVER;
    const uint64_t first =
        spv_min_deadline(spv_block_fetch_deadline(&f->blocks), spv_filter_scan_deadline(f->scan));
    return spv_min_deadline(first, spv_filter_sync_deadline(f->sync));
}

int spv_node_filters_next_disconnect(struct spv_node_filters *f, struct spv_disconnect *out)
{
    if (!is_used(f))
        return 0;
    if (spv_block_fetch_next_disconnect(&f->blocks, out))
        return 1;
    return f->on && (spv_filter_scan_next_disconnect(f->scan, out) ||
                     spv_filter_peers_next_disconnect(&f->peers, out));
}
