/* A scan, its filters and blocks: the first byte chooses what is kept, then the input is a script
 * of steps of 3 bytes, op % 12, a, b.
 *
 *     0    peer a % 4 sends the next filter of its oldest open getcfilters
 *     1    it sends all filters of it, from number b on
 *     2    it sends number b of it again, or early
 *     3    it sends a filter with a changed byte
 *     4    it sends the filter of height b, asked for or not
 *     5    it sends the block that was asked of it first
 *     6    it sends the block of height b, or (a > 127) a notfound
 *     7    it disconnects, and another peer of group b % 4 connects
 *     8    b * 300 ms elapse; the deadlines in between fire
 *     9    the matcher is done
 *     10   script b is added from height 1 on (a > 200: the scan begins again)
 *     11   the filter headers end at height b, (a > 127) reach the tip again, or (a > 200) a branch
 *          replaces the blocks above FORK
 * Invariants: no failure; no true filter is disproved; a peer that sent true things only is not
 * dropped; a match is a block of the best chain; the next deadline lies in the future; memory is
 * bounded. At the end an honest peer comes: the scan is done, and has found all that is there. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "spv/chain.h"
#include "spv/filters/filter_scan.h"
#include "support/random.h"
#include "support/sim/blocks.h"

#define LENGTH 120
#define FORK 60
#define BRANCH 70 /* blocks above it */
#define PEERS 4
#define OPEN_MAX 64
#define DIFFERS_AT 50 /* some peers have another filter here, which nothing proves false */
#define KEPT_FIRST 20
#define KEPT_LAST 40

static struct sim_blocks chains[2];
static struct sim_filters other; /* with another filter at DIFFERS_AT */

struct range {
    uint32_t start, n, next;
};

struct fuzz {
    struct spv_effects effects;
    struct spv_peer_table table;
    struct spv_block_fetch blocks;
    struct spv_output_cache *outputs;
    struct spv_chain *chain;
    struct spv_filter_scan *scan;
    struct test_random random;
    struct spv_now now;
    const struct sim_blocks *best;
    uint32_t available;
    bool keeps_some;
    struct {
        uint64_t id;
        bool lies; /* it has sent something false, or unasked */
        struct range open[OPEN_MAX];
        size_t n;
        struct spv_hash256 blocks[OPEN_MAX];
        size_t n_blocks;
    } peer[PEERS];
    uint64_t next_id;
    bool has_match;
    struct spv_match_filters_task match;
    uint64_t found[FORK + BRANCH + 1]; /* positions by height */
    bool done;
};

static void make_world(void)
{
    struct sim_blocks_plan plan = {.n = LENGTH, .seed = 3, .txs_max = 2, .wallet_in = 20};
    sim_blocks_init(&chains[0], spv_params_get(SPV_REGTEST));
    sim_blocks_grow(&chains[0], &plan);
    plan.n = BRANCH;
    plan.seed = 4;
    sim_blocks_fork(&chains[1], &chains[0], FORK, &plan);
    sim_filters_copy(&other, &chains[0]);
    sim_filters_lie(&other, &chains[0], DIFFERS_AT, SIM_OF_OTHER_BLOCK);
}

/* ---- what is stored and known ---- */

static int db_headers(void *ctx, struct spv_filter_header *out, struct spv_filter_hash *hashes,
                      uint32_t from, uint32_t n)
{
    const struct fuzz *f = ctx;
    uint32_t i = 0;
    for (; i < n && from + i <= f->available; i++) {
        if (out)
            out[i] = f->best->filters.at[from + i].header;
        if (hashes)
            hashes[i] = f->best->filters.at[from + i].hash;
    }
    return (int)i;
}

static int db_range(void *ctx, uint32_t *first, uint32_t *last)
{
    const struct fuzz *f = ctx;
    *first = 0;
    *last = f->available;
    return 1;
}

static int db_filter(void *ctx, struct spv_bytes *out, uint32_t height)
{
    const struct fuzz *f = ctx;
    if (!f->keeps_some || height < KEPT_FIRST || height > KEPT_LAST)
        return 0;
    *out = (struct spv_bytes){f->best->filters.at[height].bytes, f->best->filters.at[height].n};
    return 1;
}

static int db_kept(void *ctx, uint32_t *first, uint32_t *last)
{
    const struct fuzz *f = ctx;
    *first = KEPT_FIRST;
    *last = KEPT_LAST;
    return f->keeps_some;
}

static size_t alternatives(void *ctx, struct spv_filter_hash *out, uint32_t height)
{
    (void)ctx;
    if (height == DIFFERS_AT)
        out[0] = other.at[height].hash;
    return height == DIFFERS_AT;
}

/* ---- effects ---- */

static uint32_t height_of(const struct fuzz *f, const uint8_t hash[32])
{
    uint32_t height;
    struct spv_blockhash block;
    memcpy(block.b, hash, sizeof block.b);
    FUZZ_CHECK(sim_blocks_find(f->best, &height, &block));
    return height;
}

static size_t slot_of(const struct fuzz *f, uint64_t id)
{
    size_t i = 0;
    while (i < PEERS && f->peer[i].id != id)
        i++;
    FUZZ_CHECK(i < PEERS);
    return i;
}

static void note_request(struct fuzz *f, const struct spv_effect *e)
{
    const size_t i = slot_of(f, e->peer);
    if (e->message.command == SPV_CMD_GETDATA) {
        FUZZ_CHECK(e->message.u.inv.n == 1);
        if (f->peer[i].n_blocks < OPEN_MAX)
            f->peer[i].blocks[f->peer[i].n_blocks++] = e->message.u.inv.items->hash;
        return;
    }
    FUZZ_CHECK(e->message.command == SPV_CMD_GETCFILTERS);
    const uint32_t start = e->message.u.getcfilters.start;
    const uint32_t stop = height_of(f, e->message.u.getcfilters.stop.b);
    FUZZ_CHECK(start > 0 && start <= stop && stop - start < SPV_MAX_GETCFILTERS);
    FUZZ_CHECK(stop <= f->available);
    if (f->peer[i].n < OPEN_MAX)
        f->peer[i].open[f->peer[i].n++] = (struct range){.start = start, .n = stop - start + 1};
}

static void execute_match(struct fuzz *f)
{
    struct spv_filter_matcher *matcher;
    if (!f->has_match)
        return;
    FUZZ_CHECK(spv_filter_matcher_new(&matcher, f->match.query) == 0);
    spv_filter_match_list(matcher, f->match.results, f->match.filters, f->match.n);
    spv_filter_matcher_free(matcher);
    f->has_match = false;
    FUZZ_CHECK(spv_filter_scan_matched(f->scan) == 0);
}

static void read_kept(const struct spv_keep_filters_task *keep)
{
    struct spv_filter_hash hash;
    for (size_t i = 0; i < keep->n; i++)
        spv_filter_compute_hash(&hash, &keep->filters[i]);
}

static bool pull(struct fuzz *f)
{
    struct spv_effect e;
    bool any = false;
    while (spv_effects_pop(&f->effects, &e) == 1) {
        any = true;
        if (e.kind == SPV_EFFECT_MATCH_FILTERS) {
            FUZZ_CHECK(!f->has_match);
            f->has_match = true;
            f->match = e.match;
        } else if (e.kind == SPV_EFFECT_KEEP_FILTERS) {
            read_kept(&e.keep);
        } else {
            FUZZ_CHECK(e.kind == SPV_EFFECT_SEND);
            note_request(f, &e);
        }
    }
    return any;
}

static void note_event(struct fuzz *f, const struct spv_scan_event *event)
{
    f->done = event->kind == SPV_SCAN_DONE;
    if (event->kind == SPV_SCAN_FOUND) {
        FUZZ_CHECK(event->height > 0 && event->height <= f->available && event->n > 0);
        FUZZ_CHECK(spv_blockhash_eq(&event->hash, &f->best->at[event->height]->hash));
        for (size_t i = 0; i < event->n; i++) {
            FUZZ_CHECK(event->positions[i] < event->block.n_txs);
            FUZZ_CHECK(sim_wallet_in_tx(f->best->at[event->height], event->positions[i]));
            f->found[event->height] |= UINT64_C(1) << event->positions[i];
        }
    }
    for (uint32_t h = event->height + 1; event->kind == SPV_SCAN_ROLLED_BACK && h <= FORK + BRANCH;
         h++)
        f->found[h] = 0;
}

/* ---- peers ---- */

static void connect(struct fuzz *f, size_t i, uint64_t group)
{
    const uint32_t tip = spv_chain_tip(f->chain)->height;
    struct spv_peer_entry *p = spv_peer_table_add(&f->table, ++f->next_id);
    FUZZ_CHECK(p);
    memset(&f->peer[i], 0, sizeof f->peer[i]);
    f->peer[i].id = f->next_id;
    p->group = group;
    p->start_height = tip;
    p->services = SPV_NODE_NETWORK | SPV_NODE_WITNESS | SPV_NODE_COMPACT_FILTERS;
    p->filters = (struct spv_filter_peer){.added = true, .best_known_height = tip};
    FUZZ_CHECK(spv_block_fetch_add(&f->blocks, p->id, f->now) == 0);
    FUZZ_CHECK(spv_filter_scan_add_peer(f->scan, p->id, f->now) == 0);
}

static void disconnect(struct fuzz *f, size_t i)
{
    FUZZ_CHECK(spv_block_fetch_remove(&f->blocks, f->peer[i].id, f->now) == 0);
    FUZZ_CHECK(spv_filter_scan_remove_peer(f->scan, f->peer[i].id, f->now) == 0);
    spv_peer_table_remove(&f->table, f->peer[i].id);
    spv_effects_discard_sends(&f->effects, f->peer[i].id);
}

static void drop_peers(struct fuzz *f)
{
    struct spv_disconnect drop;
    while (spv_filter_scan_next_disconnect(f->scan, &drop) ||
           spv_block_fetch_next_disconnect(&f->blocks, &drop)) {
        const size_t i = slot_of(f, drop.id);
        FUZZ_CHECK(f->peer[i].lies);
        disconnect(f, i);
        connect(f, i, i);
    }
}

static void after_input(struct fuzz *f)
{
    struct spv_scan_event event;
    struct spv_scan_stats stats;
    uint32_t height;
    int error;
    do {
        FUZZ_CHECK(spv_filter_scan_run(f->scan, f->available,
                                       f->available == spv_chain_tip(f->chain)->height,
                                       f->now) == 0);
        drop_peers(f);
        FUZZ_CHECK(!spv_filter_scan_get_invalid(f->scan, &height, &error));
        if (pull(f))
            continue;
        if (spv_filter_scan_next(f->scan, &event) != 1)
            break;
        note_event(f, &event);
    } while (true);
    FUZZ_CHECK(spv_filter_scan_deadline(f->scan) > f->now.mono_us);
    FUZZ_CHECK(spv_block_fetch_deadline(&f->blocks) > f->now.mono_us);
    spv_filter_scan_get_stats(f->scan, &stats);
    FUZZ_CHECK(stats.memory < 24u << 20);
}

static void elapse(struct fuzz *f, uint64_t us)
{
    const uint64_t end = f->now.mono_us + us;
    for (;;) {
        const uint64_t scan = spv_filter_scan_deadline(f->scan);
        const uint64_t blocks = spv_block_fetch_deadline(&f->blocks);
        const uint64_t at = scan < blocks ? scan : blocks;
        if (at > end)
            break;
        f->now.mono_us = at;
        FUZZ_CHECK(spv_block_fetch_timer(&f->blocks, f->now) == 0);
        FUZZ_CHECK(spv_filter_scan_timer(f->scan, f->now) == 0);
        after_input(f);
    }
    f->now.mono_us = end;
}

/* ---- answers ---- */

static void send_filter(struct fuzz *f, size_t i, uint32_t height, uint8_t bend)
{
    const struct sim_filters *table = i == 1 && f->best == &chains[0] ? &other : &f->best->filters;
    uint8_t bytes[4096];
    struct spv_msg_cfilter msg = {.type = SPV_FILTER_BASIC};
    if (height == 0 || height >= f->best->filters.n)
        return;
    if (height != DIFFERS_AT)
        table = &f->best->filters;
    FUZZ_CHECK(table->at[height].n <= sizeof bytes);
    memcpy(bytes, table->at[height].bytes, table->at[height].n);
    bytes[bend % table->at[height].n] ^= bend;
    msg.block = f->best->at[height]->hash;
    msg.filter = bytes;
    msg.n = table->at[height].n;
    f->peer[i].lies |= bend != 0;
    FUZZ_CHECK(spv_filter_scan_cfilter(f->scan, f->peer[i].id, &msg, f->now) >= 0);
    after_input(f);
}

static void remove_first(struct fuzz *f, size_t i)
{
    f->peer[i].n--;
    memmove(f->peer[i].open, f->peer[i].open + 1, f->peer[i].n * sizeof f->peer[i].open[0]);
}

static void answer_filters(struct fuzz *f, size_t i, uint32_t from)
{
    if (!f->peer[i].n)
        return;
    const struct range r = f->peer[i].open[0];
    const uint64_t id = f->peer[i].id;
    remove_first(f, i);
    for (uint32_t k = 0; k < r.n && f->peer[i].id == id; k++)
        send_filter(f, i, r.start + (from + k) % r.n, 0);
}

static void send_block(struct fuzz *f, size_t i, uint32_t height)
{
    struct spv_fetched_block out;
    if (height >= f->best->store.n)
        return;
    const int rc =
        spv_block_fetch_recv(&f->blocks, &out, f->peer[i].id, &f->best->at[height]->parsed, f->now);
    FUZZ_CHECK(rc >= 0);
    if (rc == 1) {
        FUZZ_CHECK(spv_output_cache_add(f->outputs, &out.block) == 0);
        FUZZ_CHECK(spv_filter_scan_block(f->scan, &out) == 0);
    }
    after_input(f);
}

static void answer_block(struct fuzz *f, size_t i)
{
    uint32_t height;
    struct spv_blockhash hash;
    if (!f->peer[i].n_blocks)
        return;
    memcpy(hash.b, f->peer[i].blocks[0].b, sizeof hash.b);
    f->peer[i].n_blocks--;
    memmove(f->peer[i].blocks, f->peer[i].blocks + 1,
            f->peer[i].n_blocks * sizeof f->peer[i].blocks[0]);
    if (sim_blocks_find(f->best, &height, &hash)) /* else of the branch that is gone */
        send_block(f, i, height);
}

static void send_notfound(struct fuzz *f, size_t i)
{
    struct spv_inv item = {.type = SPV_INV_BLOCK | SPV_INV_WITNESS};
    const struct spv_msg_inv msg = {.items = &item, .n = 1};
    if (f->peer[i].n_blocks)
        item.hash = f->peer[i].blocks[0];
    FUZZ_CHECK(spv_block_fetch_notfound(&f->blocks, f->peer[i].id, &msg, f->now) == 0);
    after_input(f);
}

/* ---- the scan's inputs ---- */

static void begin(struct fuzz *f)
{
    size_t n;
    const struct spv_bytes *scripts = sim_wallet_scripts(&n);
    memset(f->found, 0, sizeof f->found);
    FUZZ_CHECK(spv_filter_scan_begin(f->scan, scripts, n / 2, 1, UINT32_MAX, f->now) == 0);
}

static void add_script(struct fuzz *f, size_t number)
{
    size_t n;
    const struct spv_bytes *scripts = sim_wallet_scripts(&n);
    FUZZ_CHECK(spv_filter_scan_add(f->scan, &scripts[number % n], 1, 1) == 0);
}

static void accept_blocks(struct fuzz *f, const struct sim_blocks *blocks, uint32_t from)
{
    const struct spv_now late = {.unix_s = INT64_C(1) << 32};
    for (uint32_t h = from; h < blocks->store.n; h++) {
        struct spv_accept_result v;
        FUZZ_CHECK(spv_chain_accept(f->chain, &v, &blocks->store.at[h].header, 1, late) == 0);
        FUZZ_CHECK(!v.error);
        if (v.update.kind != SPV_UPDATE_NONE)
            spv_chain_stored(f->chain);
    }
    f->best = blocks;
}

static void reorganise(struct fuzz *f)
{
    if (f->best == &chains[1])
        return;
    accept_blocks(f, &chains[1], FORK + 1);
    for (size_t i = 0; i < PEERS; i++) {
        struct spv_peer_entry *p = spv_peer_table_find(&f->table, f->peer[i].id);
        p->start_height = p->filters.best_known_height = spv_chain_tip(f->chain)->height;
        f->peer[i].n = f->peer[i].n_blocks = 0;
        f->peer[i].lies = true; /* answers to former requests may be of other filters now */
    }
    if (f->available > FORK)
        spv_filter_scan_rollback(f->scan, FORK);
    f->available = spv_chain_tip(f->chain)->height;
}

static void limit(struct fuzz *f, uint32_t height)
{
    if (height > f->available)
        return;
    spv_filter_scan_rollback(f->scan, height);
    f->available = height;
    for (size_t i = 0; i < PEERS; i++)
        f->peer[i].n = 0;
}

static void step(struct fuzz *f, const uint8_t *s)
{
    const size_t i = s[1] % PEERS;
    switch (s[0] % 12) {
    case 0:
        if (f->peer[i].n > 0) {
            struct range *r = &f->peer[i].open[0];
            const uint32_t height = r->start + r->next;
            if (++r->next == r->n)
                remove_first(f, i);
            send_filter(f, i, height, 0);
        }
        break;
    case 1:
        answer_filters(f, i, s[2]);
        break;
    case 2:
        if (f->peer[i].n > 0)
            send_filter(f, i, f->peer[i].open[0].start + s[2] % f->peer[i].open[0].n, 0);
        break;
    case 3:
        if (f->peer[i].n > 0)
            send_filter(f, i, f->peer[i].open[0].start, s[2] ? s[2] : 1);
        break;
    case 4:
        send_filter(f, i, s[2], 0);
        break;
    case 5:
        answer_block(f, i);
        break;
    case 6:
        if (s[1] > 127) {
            send_notfound(f, i);
            break;
        }
        f->peer[i].lies = true; /* unasked */
        send_block(f, i, s[2]);
        break;
    case 7:
        disconnect(f, i);
        connect(f, i, s[2] % 4);
        break;
    case 8:
        elapse(f, s[2] * (SPV_SECOND * 3 / 10));
        break;
    case 9:
        execute_match(f);
        break;
    case 10:
        if (s[1] > 200) {
            spv_filter_scan_stop(f->scan);
            begin(f);
        } else {
            add_script(f, s[2]);
        }
        break;
    default:
        if (s[1] > 200)
            reorganise(f);
        else if (s[1] > 127)
            f->available = spv_chain_tip(f->chain)->height;
        else
            limit(f, s[2]);
        break;
    }
    after_input(f);
}

/* An honest peer comes, and all is answered. */
static void finish(struct fuzz *f)
{
    size_t n;
    (void)sim_wallet_scripts(&n);
    f->available = spv_chain_tip(f->chain)->height;
    for (size_t i = 0; i < n; i++)
        add_script(f, i);
    for (size_t i = 0; i < PEERS; i++) {
        disconnect(f, i);
        connect(f, i, 1000 + i);
    }
    after_input(f);
    for (int turn = 0; turn < 2000 && !(f->done && !f->has_match); turn++) {
        execute_match(f);
        for (size_t i = 0; i < PEERS; i++) {
            answer_filters(f, i, 0);
            answer_block(f, i);
        }
        after_input(f);
        elapse(f, SPV_SECOND);
    }
    FUZZ_CHECK(f->done);
    for (uint32_t h = 1; h <= f->available; h++) {
        const struct sim_block *block = f->best->at[h];
        for (uint32_t k = 0; k < block->parsed.n_txs; k++)
            FUZZ_CHECK(sim_wallet_in_tx(block, k) == ((f->found[h] >> k & 1) != 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool made;
    static struct fuzz f;
    const struct spv_chain_config chain = {.params = spv_params_get(SPV_REGTEST)};
    if (!made)
        make_world();
    made = true;
    memset(&f, 0, sizeof f);
    f.random.state = 1;
    f.now.mono_us = 1000 * SPV_SECOND;
    f.keeps_some = size > 0 && (data[0] & 1) != 0;
    spv_effects_init(&f.effects);
    FUZZ_CHECK(spv_chain_new(&f.chain, &chain) == 0);
    accept_blocks(&f, &chains[0], 1);
    f.available = LENGTH;
    const struct spv_rng rng = test_random_rng(&f.random);
    FUZZ_CHECK(spv_output_cache_new(&f.outputs, &rng) == 0);
    spv_block_fetch_init(&f.blocks, f.chain, chain.params, &f.effects, &f.table, rng);
    const struct spv_filter_scan_config cfg = {
        .params = chain.params,
        .chain = f.chain,
        .peers = &f.table,
        .effects = &f.effects,
        .blocks = &f.blocks,
        .filter_db = {.ctx = &f,
                      .headers = db_headers,
                      .filter = db_filter,
                      .range = db_range,
                      .kept = db_kept},
        .knowledge = {.alternatives = alternatives, .ctx = &f},
        .outputs = f.outputs,
        .rng = rng,
        .keep = size > 0 && (data[0] & 2) != 0};
    FUZZ_CHECK(spv_filter_scan_new(&f.scan, &cfg) == 0);
    begin(&f);
    for (size_t i = 0; i < PEERS; i++)
        connect(&f, i, i);
    after_input(&f);
    for (size_t at = 1; at + 3 <= size && at < 3 * 300; at += 3)
        step(&f, data + at);
    finish(&f);
    for (size_t i = 0; i < PEERS; i++)
        disconnect(&f, i);
    execute_match(&f);
    spv_filter_scan_free(f.scan);
    spv_output_cache_free(f.outputs);
    spv_effects_free(&f.effects);
    spv_chain_free(f.chain);
    return 0;
}
