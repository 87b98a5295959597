/* Tweak and size of the filters are stored before a peer gets a filter: after a crash between the
 * two it would get one of another tweak. */
#include "spv/node/node_bloom.h"

#include "spv/node/node_state.h"
#include "spv/wallet/bloom_items.h"
#include "util/deadline.h"

/* ---- the source ---- */

static int begin(void *ctx, const struct spv_bytes *scripts, size_t n, uint32_t first,
                 struct spv_now now)
{
    struct spv_node *node = ctx;

    (void)now;
    spv_bloom_scan_stop(node->bloom.scan);
    return spv_bloom_scan_begin(node->bloom.scan, scripts, n, first, UINT32_MAX);
}

static int add(void *ctx, const struct spv_bytes *scripts, size_t n, uint32_t from,
               struct spv_now now)
{
    const struct spv_node *node = ctx;

    (void)now;
    return spv_bloom_scan_add(node->bloom.scan, scripts, n, from);
}

static int add_output(void *ctx, const struct spv_txid *txid, uint32_t vout,
                      const struct spv_bytes *script, struct spv_now now)
{
    const struct spv_node *node = ctx;

    (void)script;
    (void)now;
    return spv_bloom_scan_add_output(node->bloom.scan, txid, vout);
}

static void stop(void *ctx)
{
    const struct spv_node *node = ctx;

    spv_bloom_scan_stop(node->bloom.scan);
}

static void progress(const void *ctx, struct spv_source_progress *out)
{
    const struct spv_node *node = ctx;
    struct spv_bloom_scan_stats stats;
    struct spv_chain_start start;

    spv_bloom_scan_get_stats(node->bloom.scan, &stats);
    spv_chain_get_start(node->chain, &start);
    *out = (struct spv_source_progress){.height = stats.height,
                                        .lowest = start.height + 1,
                                        .left = stats.left,
                                        .is_matching = stats.is_matching};
}

struct spv_coin_source spv_node_bloom_source(struct spv_node *n)
{
    if (!n->bloom.scan)
        return (struct spv_coin_source){.begin = NULL};
    return (struct spv_coin_source){.ctx = n,
                                    .begin = begin,
                                    .add = add,
                                    .add_output = add_output,
                                    .stop = stop,
                                    .progress = progress};
}

bool spv_node_bloom_takes_wallet(struct spv_node *n)
{
    struct spv_node_bloom *b = &n->bloom;
    const size_t count = spv_wallet_script_count(n->wallet.wallet);

    for (; b->n_checked < count && !b->has_script_without_item; b->n_checked++) {
        const struct spv_bytes script = spv_wallet_script(n->wallet.wallet, b->n_checked);
        b->has_script_without_item = script.n > 0 && spv_bloom_items_check(&script) < 0;
    }
    return !b->has_script_without_item;
}

/* ---- life cycle ---- */

bool spv_node_may_use_bloom(const struct spv_node_config *cfg)
{
    return cfg->wallet && (cfg->source == SPV_SOURCE_BLOOM ||
                           (cfg->source == SPV_SOURCE_AUTO && cfg->allow_bloom));
}

int spv_node_bloom_init(struct spv_node *n, const struct spv_node_config *cfg)
{
    const struct spv_bloom_scan_config scan = {.chain = n->chain,
                                               .peers = &n->peers,
                                               .effects = &n->effects,
                                               .blocks = &n->filters.blocks,
                                               .rng = cfg->rng,
                                               .params = cfg->bloom,
                                               .cross_check = cfg->bloom_cross_check,
                                               .whole_from = cfg->bloom_whole_from};
    if (!spv_node_may_use_bloom(cfg))
        return 0;
    const int rc = spv_bloom_scan_new(&n->bloom.scan, &scan);
    if (rc < 0)
        return rc;
    n->bloom.stored = cfg->bloom;
    n->filters.bloom_scan = n->bloom.scan;
    return 0;
}

void spv_node_bloom_free(struct spv_node *n)
{
    spv_bloom_scan_free(n->bloom.scan);
    n->bloom.scan = n->filters.bloom_scan = NULL;
}

/* ---- inputs ---- */

static bool is_chosen(const struct spv_node *n)
{
    return n->bloom.scan && n->wallet.chosen == SPV_SOURCE_BLOOM;
}

int spv_node_bloom_add(struct spv_node *n, uint64_t id)
{
    return n->bloom.scan ? spv_bloom_scan_add_peer(n->bloom.scan, id) : 0;
}

void spv_node_bloom_remove(struct spv_node *n, uint64_t id)
{
    if (n->bloom.scan)
        spv_bloom_scan_remove_peer(n->bloom.scan, id);
}

int spv_node_bloom_recv(struct spv_node *n, uint64_t id, const struct spv_msg *msg,
                        struct spv_now now)
{
    int rc = 0;

    if (!is_chosen(n))
        return 0;
    if (msg->command == SPV_CMD_MERKLEBLOCK)
        rc = spv_bloom_scan_merkleblock(n->bloom.scan, id, &msg->u.merkleblock, now);
    else if (msg->command == SPV_CMD_PONG)
        rc = spv_bloom_scan_pong(n->bloom.scan, id, &msg->u.ping, now);
    else if (msg->command == SPV_CMD_NOTFOUND)
        rc = spv_bloom_scan_notfound(n->bloom.scan, id, &msg->u.inv, now);
    return rc < 0 ? rc : 0;
}

static int store_params(struct spv_node *n)
{
    const struct spv_bloom_params params = spv_bloom_scan_params(n->bloom.scan);

    if (params.size == 0 || /* no filter yet */
        (params.size == n->bloom.stored.size && params.tweak == n->bloom.stored.tweak))
        return 0;
    struct spv_effect *effect = spv_effects_push(&n->effects, SPV_EFFECT_STORE_BLOOM, 0);
    if (!effect)
        return n->effects.error;
    effect->bloom = n->bloom.stored = params;
    return 0;
}

int spv_node_bloom_run(struct spv_node *n, struct spv_now now)
{
    if (!is_chosen(n))
        return 0;
    const int rc = store_params(n);
    return rc < 0 ? rc
                  : spv_bloom_scan_run(n->bloom.scan, spv_chain_tip(n->chain)->height,
                                       n->sync.synced, now);
}

int spv_node_bloom_next(struct spv_node *n, struct spv_source_event *out, struct spv_now now)
{
    const int rc = spv_node_bloom_run(n, now);

    return rc < 0 ? rc : spv_bloom_scan_next(n->bloom.scan, out);
}

int spv_node_bloom_next_disconnect(struct spv_node *n, struct spv_disconnect *out)
{
    return n->bloom.scan ? spv_bloom_scan_next_disconnect(n->bloom.scan, out) : 0;
}

void spv_node_bloom_timer(struct spv_node *n, struct spv_now now)
{
    if (n->bloom.scan)
        spv_bloom_scan_timer(n->bloom.scan, now);
}

uint64_t spv_node_bloom_deadline(const struct spv_node *n)
{
    return is_chosen(n) ? spv_bloom_scan_deadline(n->bloom.scan) : SPV_NEVER;
}
