/* Requests are recorded by peer as they are pulled (the locator is borrowed and valid only
 * then), and answered when the test does so. */
#include "node_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/request_tags.h"

#define MAX_OPEN 256

static struct {
    uint64_t peer;
    struct spv_blockhash locator[SPV_MAX_LOCATOR];
    size_t n;
} open_request[MAX_OPEN];
static struct request_tags tags;

static void fill(void *ctx, void *out, size_t n)
{
    uint64_t *state = ctx;
    uint8_t *at = out;
    for (size_t i = 0; i < n; i++) {
        *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407U;
        at[i] = (uint8_t)(*state >> 56);
    }
}

struct spv_rng node_fixture_rng(struct node_fixture *s)
{
    return (struct spv_rng){.fill = fill, .ctx = &s->rng};
}

static int keep(void *ctx, const struct spv_chain_header *record)
{
    struct test_chain *c = ctx;
    c->headers[record->height] = record->header;
    c->hashes[record->height] = record->hash;
    return 0;
}

struct test_chain test_chain_mine(uint32_t n, uint64_t seed, const struct test_chain *base,
                                  uint32_t fork)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    const struct spv_chain_config cfg = {.params = params};
    struct test_chain c = {.n = n + 1};
    struct spv_chain *chain = NULL;
    assert_int_equal(spv_chain_new(&chain, &cfg), 0);
    c.headers = calloc(n + 1, sizeof *c.headers);
    c.hashes = calloc(n + 1, sizeof *c.hashes);
    assert_non_null(c.headers);
    assert_non_null(c.hashes);
    c.headers[0] = params->genesis;
    spv_header_hash(&c.hashes[0], &c.headers[0]);
    uint32_t from = 0;
    if (base) {
        struct spv_accept_result v;
        const struct spv_now late = {.unix_s = INT64_C(1) << 32};
        for (from = 0; from < fork; from++) {
            assert_int_equal(spv_chain_accept(chain, &v, &base->headers[from + 1], 1, late), 0);
            assert_int_equal(v.accepted, 1);
            spv_chain_stored(chain);
            c.headers[from + 1] = base->headers[from + 1];
            c.hashes[from + 1] = base->hashes[from + 1];
        }
    }
    const struct spv_mine_plan plan = {.n = n - from, .seed = seed, .on_header = keep, .ctx = &c};
    assert_int_equal(spv_mine_chain(chain, &plan), 0);
    spv_chain_free(chain);
    return c;
}

void test_chain_free(struct test_chain *c)
{
    free(c->headers);
    free(c->hashes);
}

struct node_fixture *node_fixture_new(struct spv_node_config *cfg, size_t n_connect)
{
    static const struct spv_endpoint names[4] = {{.host = "a", .port = 1},
                                                 {.host = "b", .port = 1},
                                                 {.host = "c", .port = 1},
                                                 {.host = "d", .port = 1}};
    struct node_fixture *s = calloc(1, sizeof *s);
    assert_non_null(s);
    memset(open_request, 0, sizeof open_request);
    s->now = (struct spv_now){.mono_us = SPV_SECOND, .unix_s = 1800000000};
    s->rng = 7;
    if (!cfg->params)
        cfg->params = spv_params_get(SPV_REGTEST);
    cfg->rng = node_fixture_rng(s);
    cfg->connect = n_connect ? names : NULL;
    cfg->n_connect = n_connect;
    assert_int_equal(spv_node_new(&s->node, cfg, s->now), 0);
    node_fixture_pull(s);
    return s;
}

void node_fixture_free(struct node_fixture *s)
{
    spv_node_free(s->node);
    request_tags_free(&tags);
    free(s);
}

static void note_request(const struct spv_effect *e)
{
    const struct spv_msg_getheaders *g = &e->message.u.getheaders;
    request_tags_sent(&tags, e->peer, &e->message);
    for (size_t i = 0; i < MAX_OPEN; i++) {
        if (open_request[i].peer)
            continue;
        open_request[i].peer = e->peer;
        open_request[i].n = g->n;
        memcpy(open_request[i].locator, g->locator, g->n * sizeof *g->locator);
        return;
    }
    fail_msg("too many open requests");
}

void node_fixture_pull(struct node_fixture *s)
{
    struct spv_effect e;
    while (spv_node_poll(s->node, &e)) {
        assert_true(s->n < NODE_FIXTURE_EFFECTS);
        s->log[s->n++] = e;
        if (e.kind == SPV_EFFECT_SEND && e.message.command == SPV_CMD_GETHEADERS)
            note_request(&e);
        if (e.kind == SPV_EFFECT_STORE) {
            s->tip = e.update.headers[e.update.n - 1];
            (void)spv_node_stored(s->node, s->store_error, s->now);
        }
        if (e.kind == SPV_EFFECT_STORE_WALLET)
            assert_int_equal(spv_node_stored(s->node, 0, s->now), 0);
        if (e.kind == SPV_EFFECT_INDEX)
            assert_int_equal(spv_node_indexed(s->node, 0, s->now), 0);
    }
}

const struct spv_effect *node_fixture_next(struct node_fixture *s, enum spv_effect_kind kind)
{
    while (s->seen < s->n)
        if (s->log[s->seen++].kind == kind)
            return &s->log[s->seen - 1];
    return NULL;
}

const struct spv_effect *node_fixture_next_event(struct node_fixture *s, enum spv_event_kind kind)
{
    const struct spv_effect *e;
    while ((e = node_fixture_next(s, SPV_EFFECT_EVENT)))
        if (e->event.kind == kind)
            return e;
    return NULL;
}

size_t node_fixture_events(const struct node_fixture *s, enum spv_event_kind kind)
{
    size_t found = 0;
    for (size_t i = 0; i < s->n; i++)
        found += s->log[i].kind == SPV_EFFECT_EVENT && s->log[i].event.kind == kind;
    return found;
}

uint64_t node_fixture_connect(struct node_fixture *s, int32_t height, uint64_t services)
{
    const struct spv_effect *dial = node_fixture_next(s, SPV_EFFECT_CONNECT);
    assert_non_null(dial);
    const uint64_t id = dial ? dial->peer : 0; /* gcc cannot see that asserts end the test */
    const struct spv_peer_stats info = {
        .ready = true, .version = 70016, .services = services, .start_height = height};
    assert_int_equal(spv_node_connected(s->node, id, &info, s->now), 0);
    node_fixture_pull(s);
    return id;
}

void node_fixture_headers(struct node_fixture *s, uint64_t peer, const struct spv_header *headers,
                          size_t n)
{
    struct spv_msg msg = {.command = SPV_CMD_HEADERS, .u.headers = {.headers = headers, .n = n}};
    request_tags_set(&tags, peer, &msg.u.headers);
    (void)spv_node_recv(s->node, peer, &msg, s->now);
    node_fixture_pull(s);
}

void node_fixture_inv(struct node_fixture *s, uint64_t peer, const struct spv_blockhash *hash)
{
    struct spv_inv item = {.type = SPV_INV_BLOCK};
    memcpy(item.hash.b, hash->b, sizeof hash->b);
    const struct spv_msg msg = {.command = SPV_CMD_INV, .u.inv = {.items = &item, .n = 1}};
    assert_int_equal(spv_node_recv(s->node, peer, &msg, s->now), 0);
    node_fixture_pull(s);
}

void node_fixture_close(struct node_fixture *s, uint64_t peer, int error)
{
    assert_int_equal(spv_node_closed(s->node, peer, error, s->now), 0);
    node_fixture_pull(s);
}

void node_fixture_timer(struct node_fixture *s)
{
    assert_int_equal(spv_node_timer(s->node, s->now), 0);
    node_fixture_pull(s);
}

void node_fixture_sleep_until_deadline(struct node_fixture *s)
{
    const uint64_t at = spv_node_deadline(s->node);
    assert_true(at != SPV_NEVER);
    if (at > s->now.mono_us) {
        s->now.unix_s += (int64_t)((at - s->now.mono_us) / SPV_SECOND);
        s->now.mono_us = at;
    }
    node_fixture_timer(s);
}

static void answer(struct node_fixture *s, size_t i, const struct test_chain *chain)
{
    uint32_t from = 0;
    for (size_t l = 0; l < open_request[i].n && !from; l++)
        for (uint32_t h = chain->n; h-- > 1 && !from;)
            if (spv_blockhash_eq(&chain->hashes[h], &open_request[i].locator[l]))
                from = h;
    uint32_t n = chain->n - from - 1;
    if (n > SPV_MAX_HEADERS)
        n = SPV_MAX_HEADERS;
    const uint64_t peer = open_request[i].peer;
    open_request[i].peer = 0;
    node_fixture_headers(s, peer, chain->headers + from + 1, n);
}

size_t node_fixture_serve(struct node_fixture *s, uint64_t peer, const struct test_chain *chain)
{
    size_t answered = 0;
    for (size_t i = 0; i < MAX_OPEN; i++) {
        if (open_request[i].peer != peer)
            continue;
        answer(s, i, chain);
        answered++;
        i = SIZE_MAX; /* from the first again: an answer may have opened a request */
    }
    return answered;
}
