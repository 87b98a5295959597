/* The store applies changes as the real one does, and is read as a chain that begins at its base.
 */
#include "unit/spv/sync/backfill_fixture.h"

#include <string.h>

#include "util/u256.h"

static int store_tip(void *ctx, struct spv_chain_header *out)
{
    const struct store *s = ctx;
    *out = s->at[s->tip];
    return 1;
}

static int store_by_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    const struct store *s = ctx;
    if (height > s->tip || (height > 0 && height < s->base.height))
        return 0;
    *out = s->at[height];
    return 1;
}

static int store_by_hash(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash)
{
    (void)ctx;
    (void)out;
    (void)hash;
    return 0;
}

static int store_range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    struct spv_chain_header record;
    int got = 0;
    while (n-- > 0 && store_by_height(ctx, &record, from++) == 1)
        out[got++] = record.header;
    return got;
}

static void store_base(void *ctx, struct spv_chain_start *out)
{
    *out = ((const struct store *)ctx)->base;
}

static int fill_tip(void *ctx, struct spv_chain_header *out)
{
    const struct store *s = ctx;
    uint32_t height = s->base.height;
    while (height > 0 && !s->there[height - 1])
        height--;
    *out = s->at[height > 0 ? height - 1 : 0];
    return 1;
}

static int fill_by_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    const struct store *s = ctx;
    if (height >= s->base.height || !s->there[height])
        return 0;
    *out = s->at[height];
    return 1;
}

static int fill_range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    struct spv_chain_header record;
    int got = 0;
    while (n-- > 0 && fill_by_height(ctx, &record, from++) == 1)
        out[got++] = record.header;
    return got;
}

static void apply(struct store *s, const struct spv_chain_update *c)
{
    const struct spv_chain_header *last = &c->headers[c->n - 1];
    switch (c->kind) {
    case SPV_UPDATE_NONE:
    case SPV_UPDATE_BRANCH:
        return;
    case SPV_UPDATE_CHECKPOINT_START:
        assert_int_equal(s->tip, 0);
        assert_int_equal(c->n, PERIOD);
        s->starts++;
        s->base.height = c->headers[0].height;
        s->base.work_since = s->starts_relative ? s->base.height : 0;
        break;
    case SPV_UPDATE_BACKFILL:
        assert_true(last->height < s->base.height);
        assert_memory_equal(&c->headers[0].header.prev, &s->at[c->fork_height].hash, 32);
        for (uint32_t h = c->fork_height + 1; h < s->base.height; h++)
            s->there[h] = false;
        if (s->fills++ == 0 || c->fork_height < s->filled_from)
            s->filled_from = c->fork_height;
        break;
    case SPV_UPDATE_APPEND:
    case SPV_UPDATE_REORG:
        break;
    }
    for (size_t i = 0; i < c->n; i++) {
        s->at[c->headers[i].height] = c->headers[i];
        s->there[c->headers[i].height] = true;
    }
    if (c->kind != SPV_UPDATE_BACKFILL)
        s->tip = last->height;
    else if (last->height + 1 == s->base.height) {
        assert_memory_equal(&last->hash, &s->at[s->base.height].header.prev, 32);
        for (uint32_t h = s->base.height; s->base.work_since > 0 && h <= s->tip; h++)
            s->at[h].work = spv_u256_add(&s->at[h].work, &last->work);
        s->base = (struct spv_chain_start){0};
    }
}

static void note_request(struct backfill_fixture *r, const struct spv_effect *e)
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

void backfill_fixture_pull(struct backfill_fixture *r)
{
    struct spv_effect e;
    while (spv_node_poll(r->node, &e) == 1) {
        switch (e.kind) {
        case SPV_EFFECT_CONNECT:
            if (r->n_dialled < PEERS)
                r->dialled[r->n_dialled++] = e.peer;
            break;
        case SPV_EFFECT_SEND:
            if (e.message.command == SPV_CMD_GETHEADERS) {
                request_tags_sent(&r->tags, e.peer, &e.message);
                note_request(r, &e);
            }
            break;
        case SPV_EFFECT_CLOSE:
            r->closed[e.peer] = e.error;
            break;
        case SPV_EFFECT_STORE:
            if (r->store_error == 0)
                apply(&r->store, &e.update);
            (void)spv_node_stored(r->node, r->store_error, r->now);
            break;
        case SPV_EFFECT_INDEX:
            (void)spv_node_indexed(r->node, 0, r->now);
            break;
        case SPV_EFFECT_EVENT:
            r->events[e.event.kind]++;
            break;
        case SPV_EFFECT_STORE_FILTER_HEADERS:
        case SPV_EFFECT_DROP_FILTER_HEADERS:
        case SPV_EFFECT_MATCH_FILTERS:
        case SPV_EFFECT_KEEP_FILTERS:
        case SPV_EFFECT_SCAN:
        case SPV_EFFECT_STORE_WALLET:
        case SPV_EFFECT_STORE_BLOOM:
        case SPV_EFFECT_WALLET:
        case SPV_EFFECT_STORE_BROADCAST:
        case SPV_EFFECT_BROADCAST:
        case SPV_EFFECT_RESOLVE:
        case SPV_EFFECT_SAVE_ADDRMAN:
            break;
        }
    }
}

void backfill_fixture_set(struct backfill_fixture *r)
{
    memset(r, 0, sizeof *r);
    r->params = chain_fixture_params(CHAIN_FIXTURE_PLAIN);
    r->params.target_timespan = PERIOD * r->params.target_spacing;
    r->chain = chain_fixture_uneven(&r->params, NULL, 0, TOP, 1);
    struct spv_chain *c = chain_fixture_chain(&r->params);
    r->store.at[0] = *spv_chain_tip(c);
    r->store.there[0] = true;
    for (size_t i = 0; i <= TOP; i++) {
        r->at[i] = *spv_chain_tip(c);
        if (i < TOP)
            chain_fixture_feed(c, &r->chain, i, i + 1);
    }
    spv_chain_free(c);
    for (uint32_t h = PERIOD - 1; h < 108; h += PERIOD)
        r->checkpoints[r->n_checkpoints++] =
            (struct spv_checkpoint){.height = h, .hash = r->at[h].hash};
    r->now = (struct spv_now){.mono_us = SPV_SECOND, .unix_s = chain_fixture_late.unix_s};
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

struct spv_node_config backfill_fixture_config(struct backfill_fixture *r)
{
    static const struct spv_endpoint names[PEERS] = {{.host = "a", .port = 1},
                                                     {.host = "b", .port = 1},
                                                     {.host = "c", .port = 1},
                                                     {.host = "d", .port = 1}};
    static uint64_t state = 7;
    struct spv_node_config cfg = {
        .params = &r->params,
        .header_db = {.ctx = &r->store,
                      .tip = store_tip,
                      .by_height = store_by_height,
                      .by_hash = store_by_hash,
                      .range = store_range,
                      .start = store_base},
        .backfill_db = {.ctx = &r->store,
                        .tip = fill_tip,
                        .by_height = fill_by_height,
                        .by_hash = store_by_hash,
                        .range = fill_range},
        .connect = names,
        .n_connect = 2,
        .checkpoints = r->checkpoints,
        .n_checkpoints = r->n_checkpoints,
        .start_height = 75,
        .rng = {.fill = random_fill, .ctx = &state},
    };
    return cfg;
}

void backfill_fixture_open(struct backfill_fixture *r, const struct spv_node_config *cfg)
{
    spv_node_free(r->node);
    r->node = NULL;
    memset(r->request, 0, sizeof r->request);
    request_tags_free(&r->tags);
    r->n_dialled = 0;
    assert_int_equal(spv_node_new(&r->node, cfg, r->now), 0);
    backfill_fixture_pull(r);
}

void backfill_fixture_unset(struct backfill_fixture *r)
{
    spv_node_free(r->node);
    request_tags_free(&r->tags);
    chain_fixture_headers_free(&r->chain);
}

uint64_t backfill_fixture_connect(struct backfill_fixture *r, size_t which)
{
    const struct spv_peer_stats info = {.ready = true, .version = 70016, .start_height = TOP};
    assert_true(which < r->n_dialled);
    assert_int_equal(spv_node_connected(r->node, r->dialled[which], &info, r->now), 0);
    backfill_fixture_pull(r);
    return r->dialled[which];
}

void backfill_fixture_headers(struct backfill_fixture *r, uint64_t peer,
                              const struct spv_header *headers, size_t n)
{
    struct spv_msg msg = {.command = SPV_CMD_HEADERS, .u.headers = {.headers = headers, .n = n}};
    request_tags_set(&r->tags, peer, &msg.u.headers);
    (void)spv_node_recv(r->node, peer, &msg, r->now);
    backfill_fixture_pull(r);
}

bool backfill_fixture_answer(struct backfill_fixture *r, uint64_t peer,
                             const struct chain_fixture_headers *chain)
{
    for (size_t i = 0; i < REQUESTS; i++) {
        size_t from = 0;
        size_t n = 0;
        if (r->request[i].peer != peer)
            continue;
        for (size_t h = 1; h <= chain->n && from == 0; h++) {
            const struct spv_blockhash hash = chain_fixture_hash(&chain->headers[h - 1]);
            from = spv_blockhash_eq(&hash, &r->request[i].from) ? h : 0;
        }
        while (from + n < chain->n) {
            const struct spv_blockhash hash = chain_fixture_hash(&chain->headers[from + n++]);
            if (spv_blockhash_eq(&hash, &r->request[i].stop))
                break;
        }
        r->request[i].peer = 0;
        backfill_fixture_headers(r, peer, chain->headers + from, n);
        return true;
    }
    return false;
}

void backfill_fixture_serve(struct backfill_fixture *r, uint64_t peer,
                            const struct chain_fixture_headers *chain)
{
    for (int i = 0; i < 1000 && r->closed[peer] == 0; i++)
        if (!backfill_fixture_answer(r, peer, chain))
            return;
}

void backfill_fixture_check_store(struct backfill_fixture *r, uint32_t base, bool whole_work)
{
    const struct spv_u256 below = base > 0 ? r->at[base - 1].work : (struct spv_u256){{0}};

    assert_int_equal(r->store.base.height, base);
    assert_int_equal(r->store.tip, TOP);
    for (uint32_t h = base; h <= TOP; h++) {
        struct spv_chain_header want = r->at[h];
        assert_true(r->store.there[h]);
        assert_memory_equal(&r->store.at[h].hash, &want.hash, 32);
        if (!whole_work)
            want.work = spv_u256_sub(&want.work, &below);
        assert_int_equal(spv_u256_cmp(&r->store.at[h].work, &want.work), 0);
    }
}
