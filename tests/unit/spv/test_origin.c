/* Where a node's chain begins: started at a checkpoint, filled down to genesis, in spite of liars
 * and lost peers. Periods are twelve blocks long (a median's span and one), and difficulty changes
 * with each. */
#include <string.h>

#include "base/u256.h"
#include "spv/node.h"
#include "spv/origin.h"
#include "unit/spv/chain_kit.h"

#define TOP 120
#define PERIOD 12
#define END 71 /* the checkpoint where it starts */
#define BASE 60
#define REQUESTS 64
#define PEERS 4

/* One allocation of the node's fails: the one that is chosen. */
static long allocation = -1; /* how many more succeed; -1: all */
static bool refused;
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool refuse(void)
{
    if (allocation < 0 || allocation-- > 0)
        return false;
    refused = true;
    return true;
}

void *__wrap_calloc(size_t n, size_t size)
{
    return refuse() ? NULL : __real_calloc(n, size);
}

void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return refuse() ? NULL : __real_realloc(old, size);
}

/* A store in memory that may begin at a base. */
struct store {
    struct spv_record at[TOP + 60];
    bool there[TOP + 60];
    uint32_t tip;
    struct spv_base base;
    unsigned starts, fills;
    uint32_t filled_from; /* the lowest fork height of a FILL */
};

/* A node, its store, and what it asked for and told. */
struct rig {
    struct spv_params params;
    struct kit_headers chain; /* the honest one; headers[i] is at height i + 1 */
    struct spv_record at[TOP + 1]; /* the same with hashes and works */
    struct spv_checkpoint marks[TOP / PERIOD];
    size_t n_marks;
    struct store store;
    int store_error;
    struct spv_node *node;
    struct spv_now now;
    struct {
        uint64_t peer; /* 0: free */
        struct spv_blockhash from, stop;
    } request[REQUESTS];
    size_t asked; /* in all */
    uint64_t dialled[PEERS];
    size_t n_dialled;
    int closed[PEERS + 8]; /* by peer id: why it was dropped */
    unsigned events[SPV_EVENT_WARNING + 1];
};

static int store_tip(void *ctx, struct spv_record *out)
{
    const struct store *s = ctx;
    *out = s->at[s->tip];
    return 1;
}

static int store_by_height(void *ctx, struct spv_record *out, uint32_t height)
{
    const struct store *s = ctx;
    if (height > s->tip || (height > 0 && height < s->base.height))
        return 0;
    *out = s->at[height];
    return 1;
}

static int store_by_hash(void *ctx, struct spv_record *out, const struct spv_blockhash *hash)
{
    (void)ctx;
    (void)out;
    (void)hash;
    return 0;
}

static int store_range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    struct spv_record record;
    int got = 0;
    while (n-- > 0 && store_by_height(ctx, &record, from++) == 1)
        out[got++] = record.header;
    return got;
}

static void store_base(void *ctx, struct spv_base *out)
{
    *out = ((const struct store *)ctx)->base;
}

static int fill_tip(void *ctx, struct spv_record *out)
{
    const struct store *s = ctx;
    uint32_t height = s->base.height;
    while (height > 0 && !s->there[height - 1])
        height--;
    *out = s->at[height > 0 ? height - 1 : 0];
    return 1;
}

static int fill_by_height(void *ctx, struct spv_record *out, uint32_t height)
{
    const struct store *s = ctx;
    if (height >= s->base.height || !s->there[height])
        return 0;
    *out = s->at[height];
    return 1;
}

static int fill_range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    struct spv_record record;
    int got = 0;
    while (n-- > 0 && fill_by_height(ctx, &record, from++) == 1)
        out[got++] = record.header;
    return got;
}

static void apply(struct store *s, const struct spv_change *c)
{
    const struct spv_record *last = &c->records[c->n - 1];
    switch (c->kind) {
    case SPV_CHANGE_NONE:
    case SPV_CHANGE_BRANCH:
        return;
    case SPV_CHANGE_START:
        assert_int_equal(s->tip, 0);
        assert_int_equal(c->n, PERIOD);
        s->starts++;
        s->base.height = c->records[0].height;
        break;
    case SPV_CHANGE_FILL:
        assert_true(last->height < s->base.height);
        assert_memory_equal(&c->records[0].header.prev, &s->at[c->fork_height].hash, 32);
        for (uint32_t h = c->fork_height + 1; h < s->base.height; h++)
            s->there[h] = false;
        if (s->fills++ == 0 || c->fork_height < s->filled_from)
            s->filled_from = c->fork_height;
        break;
    case SPV_CHANGE_APPEND:
    case SPV_CHANGE_REORG:
        break;
    }
    for (size_t i = 0; i < c->n; i++) {
        s->at[c->records[i].height] = c->records[i];
        s->there[c->records[i].height] = true;
    }
    if (c->kind != SPV_CHANGE_FILL)
        s->tip = last->height;
    else if (last->height + 1 == s->base.height) {
        assert_memory_equal(&last->hash, &s->at[s->base.height].header.prev, 32);
        for (uint32_t h = s->base.height; s->base.work_from > 0 && h <= s->tip; h++)
            s->at[h].work = spv_u256_add(&s->at[h].work, &last->work);
        s->base = (struct spv_base){0};
    }
}

static void note_request(struct rig *r, const struct spv_effect *e)
{
    const struct spv_msg_getheaders *g = &e->message.u.getheaders;
    r->asked++;
    for (size_t i = 0; i < REQUESTS; i++) {
        if (r->request[i].peer != 0)
            continue;
        r->request[i].peer = e->peer;
        r->request[i].from = g->locator[0];
        r->request[i].stop = g->stop;
        return;
    }
    fail_msg("too many open requests");
}

static void pull(struct rig *r)
{
    struct spv_effect e;
    while (spv_node_poll(r->node, &e) == 1) {
        switch (e.kind) {
        case SPV_EFFECT_CONNECT:
            if (r->n_dialled < PEERS)
                r->dialled[r->n_dialled++] = e.peer;
            break;
        case SPV_EFFECT_SEND:
            if (e.message.command == SPV_CMD_GETHEADERS)
                note_request(r, &e);
            break;
        case SPV_EFFECT_CLOSE:
            r->closed[e.peer] = e.error;
            break;
        case SPV_EFFECT_STORE:
            if (r->store_error == 0)
                apply(&r->store, &e.change);
            (void)spv_node_stored(r->node, r->store_error, r->now);
            break;
        case SPV_EFFECT_INDEX:
            (void)spv_node_indexed(r->node, 0, r->now);
            break;
        case SPV_EFFECT_EVENT:
            r->events[e.event.kind]++;
            break;
        case SPV_EFFECT_RESOLVE:
        case SPV_EFFECT_BOOK:
            break;
        }
    }
}

static void set(struct rig *r)
{
    memset(r, 0, sizeof *r);
    r->params = kit_params(KIT_PLAIN);
    r->params.target_timespan = PERIOD * r->params.target_spacing;
    r->chain = kit_uneven(&r->params, NULL, 0, TOP, 1);
    struct spv_chain *c = kit_chain(&r->params);
    r->store.at[0] = *spv_chain_tip(c);
    r->store.there[0] = true;
    for (size_t i = 0; i <= TOP; i++) {
        r->at[i] = *spv_chain_tip(c);
        if (i < TOP)
            kit_feed(c, &r->chain, i, i + 1);
    }
    spv_chain_free(c);
    for (uint32_t h = PERIOD - 1; h < 108; h += PERIOD)
        r->marks[r->n_marks++] = (struct spv_checkpoint){.height = h, .hash = r->at[h].hash};
    r->now = (struct spv_now){.mono_us = SPV_SECOND, .unix_s = kit_late.unix_s};
}

static void random_fill(void *ctx, void *out, size_t n)
{
    uint64_t *state = ctx;
    uint8_t *at = out;
    for (size_t i = 0; i < n; i++) {
        *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407U;
        at[i] = (uint8_t)(*state >> 56);
    }
}

static struct spv_node_config config(struct rig *r)
{
    static const struct spv_endpoint names[PEERS] = {{.host = "a", .port = 1},
                                                     {.host = "b", .port = 1},
                                                     {.host = "c", .port = 1},
                                                     {.host = "d", .port = 1}};
    static uint64_t state = 7;
    struct spv_node_config cfg = {
        .params = &r->params,
        .reader = {.ctx = &r->store,
                   .tip = store_tip,
                   .by_height = store_by_height,
                   .by_hash = store_by_hash,
                   .range = store_range,
                   .base = store_base},
        .filled = {.ctx = &r->store,
                   .tip = fill_tip,
                   .by_height = fill_by_height,
                   .by_hash = store_by_hash,
                   .range = fill_range},
        .connect = names,
        .n_connect = 2,
        .checkpoints = r->marks,
        .n_checkpoints = r->n_marks,
        .start_height = 75,
        .rng = {.fill = random_fill, .ctx = &state},
    };
    return cfg;
}

static void open_node(struct rig *r, const struct spv_node_config *cfg)
{
    spv_node_free(r->node);
    r->node = NULL;
    memset(r->request, 0, sizeof r->request);
    r->n_dialled = 0;
    assert_int_equal(spv_node_new(&r->node, cfg, r->now), 0);
    pull(r);
}

static void unset(struct rig *r)
{
    spv_node_free(r->node);
    kit_headers_free(&r->chain);
}

static uint64_t come(struct rig *r, size_t which)
{
    const struct spv_peer_stats info = {.ready = true, .version = 70016, .start_height = TOP};
    assert_true(which < r->n_dialled);
    assert_int_equal(spv_node_connected(r->node, r->dialled[which], &info, r->now), 0);
    pull(r);
    return r->dialled[which];
}

static void give(struct rig *r, uint64_t peer, const struct spv_header *headers, size_t n)
{
    const struct spv_msg msg = {.command = SPV_CMD_HEADERS,
                                .u.headers = {.headers = headers, .n = n}};
    (void)spv_node_recv(r->node, peer, &msg, r->now);
    pull(r);
}

/* Answers one open request of the peer out of a chain, as an honest node does: false when there is
 * none. */
static bool answer(struct rig *r, uint64_t peer, const struct kit_headers *chain)
{
    for (size_t i = 0; i < REQUESTS; i++) {
        size_t from = 0;
        size_t n = 0;
        if (r->request[i].peer != peer)
            continue;
        for (size_t h = 1; h <= chain->n && from == 0; h++) {
            const struct spv_blockhash hash = kit_hash(&chain->headers[h - 1]);
            from = spv_blockhash_eq(&hash, &r->request[i].from) ? h : 0;
        }
        while (from + n < chain->n) {
            const struct spv_blockhash hash = kit_hash(&chain->headers[from + n++]);
            if (spv_blockhash_eq(&hash, &r->request[i].stop))
                break;
        }
        r->request[i].peer = 0;
        give(r, peer, chain->headers + from, n);
        return true;
    }
    return false;
}

static void serve(struct rig *r, uint64_t peer, const struct kit_headers *chain)
{
    for (int i = 0; i < 1000 && r->closed[peer] == 0; i++)
        if (!answer(r, peer, chain))
            return;
}

/* The store holds the honest chain from the base on; work is summed from genesis, or the base. */
static void holds(struct rig *r, uint32_t base, bool whole_work)
{
    const struct spv_u256 below = base > 0 ? r->at[base - 1].work : (struct spv_u256){{0}};

    assert_int_equal(r->store.base.height, base);
    assert_int_equal(r->store.tip, TOP);
    for (uint32_t h = base; h <= TOP; h++) {
        struct spv_record want = r->at[h];
        assert_true(r->store.there[h]);
        assert_memory_equal(&r->store.at[h].hash, &want.hash, 32);
        if (!whole_work)
            want.work = spv_u256_sub(&want.work, &below);
        assert_int_equal(spv_u256_cmp(&r->store.at[h].work, &want.work), 0);
    }
}

/* ---- starting ---- */

static void starts_with_the_period_before_and_goes_on_from_there(void **state)
{
    struct rig r;
    struct spv_node_stats stats;
    (void)state;
    set(&r);
    const struct spv_node_config cfg = config(&r);
    open_node(&r, &cfg);
    spv_node_stats(r.node, &stats);
    assert_true(stats.starting);
    const uint64_t a = come(&r, 0);
    const uint64_t b = come(&r, 1);
    /* one period is asked for, from the checkpoint before to the one where it starts */
    for (size_t i = 0; i < REQUESTS; i++) {
        if (r.request[i].peer == 0)
            continue;
        assert_memory_equal(&r.request[i].from, &r.at[BASE - 1].hash, 32);
        assert_memory_equal(&r.request[i].stop, &r.at[END].hash, 32);
    }
    assert_int_equal(r.store.starts, 0);
    for (int i = 0; i < 20; i++) {
        serve(&r, a, &r.chain);
        serve(&r, b, &r.chain);
    }
    assert_int_equal(r.store.starts, 1);
    holds(&r, BASE, false);
    spv_node_stats(r.node, &stats);
    assert_false(stats.starting);
    assert_int_equal(stats.base.height, BASE);
    assert_int_equal(stats.headers_added, TOP - BASE + 1);
    assert_int_equal(r.events[SPV_EVENT_SYNCED], 1);
    assert_int_equal(r.events[SPV_EVENT_BANNED], 0);
    unset(&r);
}

static void known_work_counts_from_genesis(void **state)
{
    struct rig r;
    (void)state;
    set(&r);
    for (size_t i = 0; i < r.n_marks; i++)
        r.marks[i].work = r.at[r.marks[i].height].work;
    const struct spv_node_config cfg = config(&r);
    open_node(&r, &cfg);
    const uint64_t a = come(&r, 0);
    serve(&r, a, &r.chain);
    holds(&r, BASE, true);
    unset(&r);
}

static void a_liar_about_the_first_period_is_banned_and_the_next_peer_asked(void **state)
{
    struct rig r;
    (void)state;
    set(&r);
    /* it has the checkpoint before, and then another chain */
    struct kit_headers other = kit_uneven(&r.params, &r.chain, BASE - 1, 40, 9);
    const struct spv_node_config cfg = config(&r);
    open_node(&r, &cfg);
    const uint64_t liar = come(&r, 0);
    serve(&r, liar, &other);
    assert_int_equal(spv_err_class(r.closed[liar]), SPV_CLASS_LYING);
    assert_int_equal(r.events[SPV_EVENT_BANNED], 1);
    assert_int_equal(r.store.starts, 0);
    const uint64_t honest = come(&r, 1);
    serve(&r, honest, &r.chain);
    assert_int_equal(r.closed[honest], 0);
    holds(&r, BASE, false);
    kit_headers_free(&other);
    unset(&r);
}

static void a_peer_lost_in_the_first_period_loses_nothing(void **state)
{
    struct rig r;
    (void)state;
    set(&r);
    const struct spv_node_config cfg = config(&r);
    open_node(&r, &cfg);
    const uint64_t lost = come(&r, 0);
    give(&r, lost, r.chain.headers + BASE - 1, 4); /* a part, and then nothing */
    assert_int_equal(spv_node_closed(r.node, lost, SPV_ERR_RESET, r.now), 0);
    pull(&r);
    assert_int_equal(r.store.starts, 0);
    const uint64_t other = come(&r, 1);
    serve(&r, other, &r.chain);
    holds(&r, BASE, false);
    unset(&r);
}

static void a_mute_peer_is_changed_for_another(void **state)
{
    struct rig r;
    (void)state;
    set(&r);
    const struct spv_node_config cfg = config(&r);
    open_node(&r, &cfg);
    const uint64_t mute = come(&r, 0);
    const uint64_t other = come(&r, 1);
    for (int i = 0; i < 50 && r.closed[mute] == 0; i++) {
        r.now.mono_us = spv_node_deadline(r.node);
        assert_true(r.now.mono_us != SPV_NEVER);
        assert_int_equal(spv_node_timer(r.node, r.now), 0);
        pull(&r);
        serve(&r, other, &r.chain);
    }
    holds(&r, BASE, false);
    unset(&r);
}

/* The first retarget after the start, and the first medians, are judged like any other. */
static void difficulty_dropped_right_after_the_start_is_a_lie(void **state)
{
    struct rig r;
    (void)state;
    set(&r);
    r.n_marks = END / PERIOD + 1; /* nothing is proven beforehand above the start */
    struct kit_headers cheap = {0};
    for (size_t i = 0; i < TOP; i++)
        kit_push(&cheap, &r.chain.headers[i]);
    for (size_t i = END; i < TOP; i++) {
        cheap.headers[i].prev = kit_hash(&cheap.headers[i - 1]);
        cheap.headers[i].bits = r.params.pow_limit_bits;
        kit_work(&cheap.headers[i]);
    }
    assert_int_not_equal(r.chain.headers[END].bits, r.params.pow_limit_bits);
    const struct spv_node_config cfg = config(&r);
    open_node(&r, &cfg);
    const uint64_t liar = come(&r, 0);
    serve(&r, liar, &cheap);
    assert_int_equal(r.store.starts, 1);
    assert_int_equal(r.closed[liar], SPV_ERR_HDR_BITS);
    const uint64_t honest = come(&r, 1);
    serve(&r, honest, &r.chain);
    holds(&r, BASE, false);
    kit_headers_free(&cheap);
    unset(&r);
}

/* One that is behind knows nothing of our locator but genesis. */
static void a_peer_that_answers_from_genesis_is_behind_and_no_liar(void **state)
{
    struct rig r;
    (void)state;
    set(&r);
    const struct spv_node_config cfg = config(&r);
    open_node(&r, &cfg);
    const uint64_t good = come(&r, 0);
    serve(&r, good, &r.chain);
    const uint64_t behind = come(&r, 1);
    struct kit_headers few = {.headers = r.chain.headers, .n = 30};
    assert_int_equal(r.events[SPV_EVENT_SYNCED], 0); /* two were asked for */
    serve(&r, behind, &few);
    assert_int_equal(r.closed[behind], 0);
    assert_int_equal(r.events[SPV_EVENT_BANNED], 0);
    assert_int_equal(r.events[SPV_EVENT_SYNCED], 1); /* it has no better chain */
    holds(&r, BASE, false);
    unset(&r);
}

static void a_start_that_cannot_be_stored_stops_the_node(void **state)
{
    struct rig r;
    (void)state;
    set(&r);
    const struct spv_node_config cfg = config(&r);
    open_node(&r, &cfg);
    const uint64_t a = come(&r, 0);
    r.store_error = SPV_ERR_DB_FULL;
    serve(&r, a, &r.chain);
    assert_int_equal(spv_node_timer(r.node, r.now), SPV_ERR_DB_FULL);
    /* the same again, with room: nothing had been lost */
    r.store_error = 0;
    open_node(&r, &cfg);
    serve(&r, come(&r, 0), &r.chain);
    holds(&r, BASE, false);
    unset(&r);
}

static void a_store_that_holds_headers_goes_on_with_them(void **state)
{
    struct rig r;
    struct spv_node_stats stats;
    (void)state;
    set(&r);
    struct spv_node_config cfg = config(&r);
    cfg.start_height = 0;
    open_node(&r, &cfg);
    struct kit_headers some = {.headers = r.chain.headers, .n = 20};
    serve(&r, come(&r, 0), &some);
    assert_int_equal(r.store.tip, 20);
    cfg.start_height = 75;
    open_node(&r, &cfg);
    spv_node_stats(r.node, &stats);
    assert_false(stats.starting);
    serve(&r, come(&r, 0), &r.chain);
    holds(&r, 0, true);
    assert_int_equal(r.store.starts, 0);
    unset(&r);
}

/* ---- filling ---- */

/* A node that has started at the checkpoint, is synced, and whose store begins at BASE. */
static void start_first(struct rig *r)
{
    const struct spv_node_config cfg = config(r);
    open_node(r, &cfg);
    serve(r, come(r, 0), &r->chain);
    holds(r, BASE, false);
    r->store.base.work_from = BASE;
}

static void fills_once_synced_and_puts_the_work_right(void **state)
{
    struct rig r;
    struct spv_node_stats stats;
    (void)state;
    set(&r);
    start_first(&r);
    struct spv_node_config cfg = config(&r);
    cfg.backfill = true;
    cfg.n_connect = 1;
    open_node(&r, &cfg);
    const uint64_t a = come(&r, 0);
    serve(&r, a, &r.chain);
    assert_int_equal(r.events[SPV_EVENT_WHOLE], 1);
    assert_true(r.store.fills > 0);
    holds(&r, 0, true);
    spv_node_stats(r.node, &stats);
    assert_int_equal(stats.base.height, 0);
    /* the node's own chain has the right work, too */
    assert_int_equal(spv_u256_cmp(&stats.tip.work, &r.store.at[TOP].work), 0);
    /* nothing left to do: the option does no harm */
    open_node(&r, &cfg);
    serve(&r, come(&r, 0), &r.chain);
    assert_int_equal(r.events[SPV_EVENT_WHOLE], 1);
    unset(&r);
}

static void goes_on_filling_where_it_was_ended(void **state)
{
    struct rig r;
    (void)state;
    set(&r);
    start_first(&r);
    struct spv_node_config cfg = config(&r);
    cfg.backfill = true;
    cfg.n_connect = 1;
    for (uint32_t h = 1; h < 30; h++) { /* what an earlier run had stored */
        r.store.at[h] = r.at[h];
        r.store.there[h] = true;
    }
    open_node(&r, &cfg);
    serve(&r, come(&r, 0), &r.chain);
    assert_int_equal(r.store.filled_from, 29);
    holds(&r, 0, true);
    unset(&r);
}

static void what_was_filled_and_is_damaged_is_filled_anew(void **state)
{
    struct rig r;
    (void)state;
    set(&r);
    start_first(&r);
    for (uint32_t h = 1; h < 30; h++) {
        r.store.at[h] = r.store.at[BASE + h];
        r.store.at[h].height = h;
        r.store.there[h] = true;
    }
    struct spv_node_config cfg = config(&r);
    cfg.backfill = true;
    cfg.n_connect = 1;
    open_node(&r, &cfg);
    serve(&r, come(&r, 0), &r.chain);
    holds(&r, 0, true);
    unset(&r);
}

static void a_liar_about_the_gap_is_banned_and_the_next_peer_asked(void **state)
{
    struct rig r;
    (void)state;
    set(&r);
    start_first(&r);
    struct kit_headers other = {0};
    for (size_t i = 0; i < TOP; i++)
        kit_push(&other, &r.chain.headers[i]);
    kit_miss(&other.headers[14]); /* the old links stay: one header is not what it should be */
    struct spv_node_config cfg = config(&r);
    cfg.backfill = true;
    open_node(&r, &cfg);
    const uint64_t liar = come(&r, 0);
    const uint64_t honest = come(&r, 1);
    for (int i = 0; i < 10; i++) {
        serve(&r, liar, &other);
        serve(&r, honest, &r.chain);
    }
    assert_int_equal(spv_err_class(r.closed[liar]), SPV_CLASS_LYING);
    assert_int_equal(r.closed[honest], 0);
    holds(&r, 0, true);
    kit_headers_free(&other);
    unset(&r);
}

/* Without checkpoints a liar may have led an earlier run astray, by valid headers of his own. */
static void what_was_filled_and_nobody_knows_is_filled_anew(void **state)
{
    struct rig r;
    struct spv_chain *c;
    (void)state;
    set(&r);
    start_first(&r);
    struct kit_headers other = kit_uneven(&r.params, NULL, 0, 40, 77);
    c = kit_chain(&r.params);
    for (size_t i = 0; i < 40; i++) {
        kit_feed(c, &other, i, i + 1);
        r.store.at[i + 1] = *spv_chain_tip(c);
        r.store.there[i + 1] = true;
    }
    spv_chain_free(c);
    struct spv_node_config cfg = config(&r);
    cfg.backfill = true;
    cfg.n_connect = 1;
    cfg.no_checkpoints = true;
    open_node(&r, &cfg);
    const uint64_t honest = come(&r, 0);
    for (int i = 0; i < 5 && r.store.base.height > 0; i++) {
        serve(&r, honest, &r.chain);
        r.now.mono_us = spv_node_deadline(r.node);
        assert_int_equal(spv_node_timer(r.node, r.now), 0);
        pull(&r);
    }
    assert_int_equal(r.closed[honest], 0);
    holds(&r, 0, true);
    kit_headers_free(&other);
    unset(&r);
}

static void wrong_work_below_the_base_stops_the_node(void **state)
{
    struct rig r;
    (void)state;
    set(&r);
    start_first(&r);
    assert_int_equal(r.marks[2].height, 35);
    r.marks[2].work = r.at[36].work; /* not what height 35 has */
    struct spv_node_config cfg = config(&r);
    cfg.backfill = true;
    cfg.n_connect = 1;
    open_node(&r, &cfg);
    serve(&r, come(&r, 0), &r.chain);
    assert_int_equal(spv_node_timer(r.node, r.now), SPV_ERR_DB_DAMAGED);
    assert_int_equal(r.store.fills, 0); /* before anything of it is stored */
    unset(&r);
}

static void checkpoints_of_the_callers_must_ascend(void **state)
{
    struct rig r;
    struct spv_node *node = NULL;
    (void)state;
    set(&r);
    struct spv_node_config cfg = config(&r);
    r.marks[3].height = r.marks[2].height;
    assert_int_equal(spv_node_new(&node, &cfg, r.now), SPV_ERR_INVALID);
    r.marks[3].height++;
    cfg.n_checkpoints = 2;
    assert_int_equal(spv_node_new(&node, &cfg, r.now), 0);
    spv_node_free(node);
    unset(&r);
}

/* A start and a fill, as far as memory allows. */
static void live(struct rig *r)
{
    const struct spv_peer_stats info = {.ready = true, .version = 70016, .start_height = TOP};
    struct spv_node_config cfg = config(r);
    cfg.backfill = true;
    cfg.n_connect = 1;
    r->n_dialled = 0;
    memset(r->request, 0, sizeof r->request);
    if (spv_node_new(&r->node, &cfg, r->now) < 0) {
        r->node = NULL;
        return;
    }
    pull(r);
    if (r->n_dialled > 0) {
        (void)spv_node_connected(r->node, r->dialled[0], &info, r->now);
        pull(r);
        serve(r, r->dialled[0], &r->chain);
    }
    spv_node_free(r->node);
    r->node = NULL;
}

static void each_failing_allocation_is_survived(void **state)
{
    struct rig r;
    long k = 0;
    (void)state;
    set(&r);
    const struct spv_record genesis = r.store.at[0];
    do {
        memset(&r.store, 0, sizeof r.store);
        memset(r.closed, 0, sizeof r.closed);
        r.store.at[0] = genesis;
        r.store.there[0] = true;
        refused = false;
        allocation = k++;
        live(&r);
        allocation = -1;
        /* whatever was lost: the next run ends well */
        r.store.base.work_from = r.store.base.height;
        if (r.store.tip < TOP || r.store.base.height > 0)
            live(&r);
        if (r.store.base.height > 0) { /* where the works of a start had not been told apart */
            r.store.base.work_from = r.store.base.height;
            live(&r);
        }
        assert_int_equal(r.store.tip, TOP);
        assert_int_equal(r.store.base.height, 0);
        assert_true(k < 10000);
    } while (refused);
    print_message("%ld allocations\n", k);
    assert_true(k > 20);
    unset(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_with_the_period_before_and_goes_on_from_there),
        cmocka_unit_test(known_work_counts_from_genesis),
        cmocka_unit_test(a_liar_about_the_first_period_is_banned_and_the_next_peer_asked),
        cmocka_unit_test(a_peer_lost_in_the_first_period_loses_nothing),
        cmocka_unit_test(a_mute_peer_is_changed_for_another),
        cmocka_unit_test(difficulty_dropped_right_after_the_start_is_a_lie),
        cmocka_unit_test(a_peer_that_answers_from_genesis_is_behind_and_no_liar),
        cmocka_unit_test(a_start_that_cannot_be_stored_stops_the_node),
        cmocka_unit_test(a_store_that_holds_headers_goes_on_with_them),
        cmocka_unit_test(checkpoints_of_the_callers_must_ascend),
        cmocka_unit_test(fills_once_synced_and_puts_the_work_right),
        cmocka_unit_test(goes_on_filling_where_it_was_ended),
        cmocka_unit_test(what_was_filled_and_is_damaged_is_filled_anew),
        cmocka_unit_test(a_liar_about_the_gap_is_banned_and_the_next_peer_asked),
        cmocka_unit_test(what_was_filled_and_nobody_knows_is_filled_anew),
        cmocka_unit_test(wrong_work_below_the_base_stops_the_node),
        cmocka_unit_test(each_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
