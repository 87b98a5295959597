/* See the header; the chains are mined once and kept for all tests. */
#include "segments_fixture.h"

struct test_chain chain;
struct test_chain fork_chain;
struct spv_checkpoint segments_checkpoints[PERIODS];

int segments_fixture_setup(void **state)
{
    (void)state;
    chain = test_chain_mine(LENGTH, 1, NULL, 0);
    fork_chain = test_chain_mine(4200, 2, &chain, 2005);
    for (uint32_t i = 0; i < PERIODS; i++) {
        const uint32_t height = (i + 1) * PERIOD - 1;
        segments_checkpoints[i] =
            (struct spv_checkpoint){.height = height, .hash = chain.hashes[height]};
    }
    return 0;
}

int segments_fixture_teardown(void **state)
{
    (void)state;
    test_chain_free(&chain);
    test_chain_free(&fork_chain);
    return 0;
}

void segments_fixture_pull(struct segments_fixture *k)
{
    struct spv_effect e;
    while (spv_effects_pop(&k->effects, &e) == 1) {
        const struct spv_msg_getheaders *get = &e.message.u.getheaders;
        assert_int_equal(e.kind, SPV_EFFECT_SEND);
        assert_int_equal(e.message.command, SPV_CMD_GETHEADERS);
        assert_in_range(get->n, 1, 3);
        assert_true(k->n < MAX_REQUESTS);
        struct request *r = &k->log[k->n++];
        *r = (struct request){.peer = e.peer, .n = get->n, .stop = get->stop};
        memcpy(r->locator, get->locator, get->n * sizeof r->locator[0]);
        request_tags_sent(&k->tags, e.peer, &e.message);
    }
}

static struct spv_params strict; /* as regtest, but bits stay as they are within a period */

void open_with(struct segments_fixture *k, const struct spv_checkpoint *m, size_t n, bool tail)
{
    strict = *spv_params_get(SPV_REGTEST);
    strict.min_difficulty = false;
    const struct spv_segments_config cfg = {.ops = &spv_segments_header_ops,
                                            .peers = &k->peers,
                                            .params = &strict,
                                            .checkpoints = m,
                                            .n_checkpoints = n,
                                            .effects = &k->effects,
                                            .post_checkpoint = tail};
    memset(k, 0, sizeof *k);
    k->now = (struct spv_now){.mono_us = 1000 * SPV_SECOND, .unix_s = 1800000000};
    spv_effects_init(&k->effects);
    assert_int_equal(spv_segments_new(&k->segments, &cfg), 0);
}

void segments_fixture_begin(struct segments_fixture *k, uint32_t from)
{
    const struct spv_checkpoint start = {.height = from, .hash = chain.hashes[from]};
    assert_int_equal(spv_segments_begin(k->segments, &start, UINT32_MAX, k->now), 0);
    segments_fixture_pull(k);
}

void open_fixture(struct segments_fixture *k)
{
    open_with(k, segments_checkpoints, PERIODS, false);
    segments_fixture_begin(k, 0);
}

void close_fixture(struct segments_fixture *k)
{
    spv_segments_free(k->segments);
    spv_effects_free(&k->effects);
    request_tags_free(&k->tags);
}

void segments_fixture_add(struct segments_fixture *k, uint64_t id)
{
    assert_non_null(spv_peer_table_add(&k->peers, id));
    assert_int_equal(spv_segments_add(k->segments, id, k->now), 0);
    segments_fixture_pull(k);
}

void segments_fixture_remove(struct segments_fixture *k, uint64_t id)
{
    assert_int_equal(spv_segments_remove(k->segments, id, k->now), 0);
    spv_peer_table_remove(&k->peers, id);
}

void segments_fixture_wait_us(struct segments_fixture *k, uint64_t us)
{
    k->now.mono_us += us;
    assert_int_equal(spv_segments_timer(k->segments, k->now), 0);
    segments_fixture_pull(k);
}

int send_raw(struct segments_fixture *k, uint64_t id, const struct spv_header *headers, size_t n)
{
    struct spv_msg_headers msg = {.headers = headers, .n = n};
    request_tags_set(&k->tags, id, &msg);
    const int rc = spv_segments_headers(k->segments, id, &msg, k->now);
    segments_fixture_pull(k);
    return rc;
}

/* The headers after height `from`. */
void segments_fixture_send(struct segments_fixture *k, uint64_t id, uint32_t from, size_t n)
{
    assert_int_equal(send_raw(k, id, chain.headers + from + 1, n), 1);
}

/* A complete segment that starts at a checkpoint's height. */
void send_segment(struct segments_fixture *k, uint64_t id, uint32_t from)
{
    const uint32_t end = ((from + 1) / PERIOD + 1) * PERIOD - 1;
    segments_fixture_send(k, id, from, 2000);
    segments_fixture_send(k, id, from + 2000, end - from - 2000);
}

/* How often a peer was queried for the successors of this height, since the log's entry `since`. */
size_t asked(const struct segments_fixture *k, uint64_t id, uint32_t from, size_t since)
{
    size_t n = 0;
    for (size_t i = since; i < k->n; i++)
        n += k->log[i].peer == id && spv_blockhash_eq(&k->log[i].locator[0], &chain.hashes[from]);
    return n;
}

int dropped(struct segments_fixture *k, uint64_t *id)
{
    struct spv_disconnect drop;
    *id = 0;
    if (!spv_segments_next_disconnect(k->segments, &drop))
        return 0;
    *id = drop.id;
    return drop.error;
}

void assert_no_peer_dropped(struct segments_fixture *k)
{
    uint64_t id;
    assert_int_equal(dropped(k, &id), 0);
}

/* Consumes all available headers; returns the height of the last. */
uint32_t consume_all(struct segments_fixture *k, uint32_t tip)
{
    struct spv_segments_batch batch;
    k->now.mono_us += SPV_SEGMENTS_BATCH_DELAY_US;
    while (spv_segments_next_batch(k->segments, &batch, k->now)) {
        assert_int_equal(batch.height, tip + 1);
        assert_in_range(batch.n, 1, SPV_SEGMENTS_MAX_BATCH);
        assert_memory_equal(batch.headers, &chain.headers[batch.height],
                            batch.n * sizeof *batch.headers);
        tip += (uint32_t)batch.n;
        assert_memory_equal(&batch.last, &chain.hashes[tip], 32);
        assert_int_equal(spv_segments_consume(k->segments, k->now), 0);
        segments_fixture_pull(k);
    }
    return tip;
}

struct spv_segments_peer_stats stats_of(const struct segments_fixture *k, uint64_t id)
{
    struct spv_segments_peer_stats stats;
    assert_true(spv_segments_get_peer(k->segments, &stats, id));
    return stats;
}

struct spv_segments_stats sums(const struct segments_fixture *k)
{
    struct spv_segments_stats stats;
    spv_segments_get_stats(k->segments, &stats);
    return stats;
}
