/* Filter headers as segments: which ranges are requested, and which answers count. */
#include "support/random.h"
#include "support/unit.h"

#include "spv/filter.h"
#include "spv/filters/filter_segments.h"
#include "spv/sync/peer_table.h"

#define LENGTH 9500
#define N_ENDS 9 /* 1000, 2000, ... */

static struct spv_filter_hash hashes[LENGTH + 1];
static struct spv_filter_header headers[LENGTH + 1];
static struct spv_blockhash blocks[LENGTH + 1];
static struct spv_filter_checkpoint ends[N_ENDS];

struct fixture {
    struct spv_effects effects;
    struct spv_peer_table peers;
    struct spv_filter_segments filters;
    struct spv_segments *segments;
    struct spv_now now;
    int block_error; /* what block_hash returns */
    size_t n_requests; /* that were pulled */
    struct {
        uint64_t peer;
        struct spv_msg_getcfilters get;
    } requests[64];
};

static int make_chain(void **state)
{
    struct test_random random = {1};

    (void)state;
    test_random_fill(&random, hashes, sizeof hashes);
    test_random_fill(&random, blocks, sizeof blocks);
    test_random_fill(&random, &headers[0], sizeof headers[0]);
    for (size_t i = 1; i <= LENGTH; i++)
        spv_filter_compute_header(&headers[i], &hashes[i], &headers[i - 1]);
    for (uint32_t i = 0; i < N_ENDS; i++)
        ends[i] = (struct spv_filter_checkpoint){(i + 1) * 1000, headers[(i + 1) * 1000]};
    return 0;
}

static int block_hash(void *ctx, struct spv_blockhash *out, uint32_t height)
{
    const struct fixture *f = ctx;

    assert_in_range(height, 1, LENGTH);
    *out = blocks[height];
    return f->block_error;
}

static void pull(struct fixture *f)
{
    struct spv_effect e;

    while (spv_effects_pop(&f->effects, &e) == 1) {
        assert_int_equal(e.kind, SPV_EFFECT_SEND);
        assert_int_equal(e.message.command, SPV_CMD_GETCFHEADERS);
        assert_int_equal(e.message.u.getcfilters.type, SPV_FILTER_BASIC);
        assert_true(f->n_requests < COUNT(f->requests));
        f->requests[f->n_requests].peer = e.peer;
        f->requests[f->n_requests++].get = e.message.u.getcfilters;
    }
}

static void open_fixture(struct fixture *f, uint32_t from, uint32_t to)
{
    const struct spv_filter_checkpoint start = {from, headers[from]};

    memset(f, 0, sizeof *f);
    f->now.mono_us = 1000 * SPV_SECOND;
    f->filters = (struct spv_filter_segments){.ends = ends, .block_hash = block_hash, .ctx = f};
    spv_effects_init(&f->effects);
    const struct spv_segments_config cfg = {.owner = SPV_SEGMENTS_OF_FILTERS,
                                            .ops = &spv_segments_filter_header_ops,
                                            .ops_ctx = &f->filters,
                                            .peers = &f->peers,
                                            .params = spv_params_get(SPV_REGTEST),
                                            .n_checkpoints = N_ENDS,
                                            .effects = &f->effects};
    assert_int_equal(spv_segments_new(&f->segments, &cfg), 0);
    assert_int_equal(spv_filter_segments_begin(f->segments, &start, to, f->now), 0);
}

static void close_fixture(struct fixture *f)
{
    spv_segments_free(f->segments);
    spv_effects_free(&f->effects);
}

static void add_peer(struct fixture *f, uint64_t id)
{
    assert_non_null(spv_peer_table_add(&f->peers, id));
    assert_int_equal(spv_segments_add(f->segments, id, f->now), 0);
    pull(f);
}

/* The true answer to a request for `start` to `stop`. */
static struct spv_msg_cfheaders answer_of(uint32_t start, uint32_t stop)
{
    struct spv_msg_cfheaders msg = {.type = SPV_FILTER_BASIC,
                                    .stop = blocks[stop],
                                    .hashes = (const void *)&hashes[start],
                                    .n = stop - start + 1};
    memcpy(msg.prev.b, headers[start - 1].b, sizeof msg.prev.b);
    return msg;
}

static int give(struct fixture *f, uint64_t id, const struct spv_msg_cfheaders *msg)
{
    f->now.mono_us += SPV_SECOND / 10;
    const int rc = spv_filter_segments_recv(f->segments, id, msg, f->now);
    pull(f);
    return rc;
}

static int give_true(struct fixture *f, uint64_t id, uint32_t start, uint32_t stop)
{
    const struct spv_msg_cfheaders msg = answer_of(start, stop);

    return give(f, id, &msg);
}

/* Consumes all batches, which must follow height `at`; returns the height after them. */
static uint32_t consume(struct fixture *f, uint32_t at)
{
    struct spv_segments_batch batch;

    f->now.mono_us += SPV_SEGMENTS_BATCH_DELAY_US;
    while (spv_segments_next_batch(f->segments, &batch, f->now)) {
        assert_int_equal(batch.height, at + 1);
        assert_true(batch.proven);
        assert_memory_equal(spv_filter_segments_hashes(&batch), &hashes[at + 1],
                            batch.n * sizeof hashes[0]);
        at += (uint32_t)batch.n;
        assert_memory_equal(batch.last.b, headers[at].b, 32);
        assert_int_equal(spv_segments_consume(f->segments, f->now), 0);
        pull(f);
    }
    return at;
}

static int dropped(struct fixture *f, uint64_t *id)
{
    struct spv_disconnect drop = {0};

    if (!spv_segments_next_disconnect(f->segments, &drop))
        return 0;
    *id = drop.id;
    return drop.error;
}

static void a_range_is_requested_in_thousands_two_at_a_time(void **state)
{
    static const uint32_t stops[] = {2000, 4000, 6000, 8000, 9000};
    struct fixture f;

    (void)state;
    open_fixture(&f, 0, UINT32_MAX);
    add_peer(&f, 1);
    assert_int_equal(f.n_requests, COUNT(stops));
    for (size_t i = 0; i < COUNT(stops); i++) {
        assert_int_equal(f.requests[i].get.start, i ? stops[i - 1] + 1 : 1);
        assert_memory_equal(f.requests[i].get.stop.b, blocks[stops[i]].b, 32);
    }
    close_fixture(&f);
}

static void a_range_begins_at_any_known_header_and_ends_where_it_should(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 1500, 4999);
    add_peer(&f, 1);
    assert_int_equal(f.n_requests, 2);
    assert_int_equal(f.requests[0].get.start, 1501);
    assert_memory_equal(f.requests[0].get.stop.b, blocks[3000].b, 32);
    assert_int_equal(f.requests[1].get.start, 3001);
    assert_memory_equal(f.requests[1].get.stop.b, blocks[4000].b, 32);
    assert_int_equal(give_true(&f, 1, 1501, 3000), 1);
    assert_int_equal(give_true(&f, 1, 3001, 4000), 1);
    assert_int_equal(consume(&f, 1500), 4000);
    assert_true(spv_segments_done(f.segments));
    close_fixture(&f);
}

static void answers_in_any_order_are_joined_in_order(void **state)
{
    struct fixture f;
    uint64_t id;

    (void)state;
    open_fixture(&f, 0, UINT32_MAX);
    add_peer(&f, 1);
    assert_int_equal(give_true(&f, 1, 8001, 9000), 1);
    assert_int_equal(give_true(&f, 1, 4001, 6000), 1);
    assert_int_equal(consume(&f, 0), 0);
    assert_int_equal(give_true(&f, 1, 1, 2000), 1);
    assert_int_equal(consume(&f, 0), 2000);
    assert_int_equal(give_true(&f, 1, 6001, 8000), 1);
    assert_int_equal(give_true(&f, 1, 2001, 4000), 1);
    assert_int_equal(consume(&f, 2000), 9000);
    assert_true(spv_segments_done(f.segments));
    assert_int_equal(dropped(&f, &id), 0);
    close_fixture(&f);
}

/* The first peer's answer is of no use: it is dropped with `error`, and the second one's counts. */
static void expect_refused(const struct spv_msg_cfheaders *msg, int error)
{
    struct fixture f;
    uint64_t id = 0;

    open_fixture(&f, 0, 2000);
    add_peer(&f, 1);
    add_peer(&f, 2);
    assert_int_equal(f.n_requests, 1);
    assert_int_equal(give(&f, 1, msg), 1);
    assert_int_equal(dropped(&f, &id), error);
    assert_int_equal(id, 1);
    assert_int_equal(consume(&f, 0), 0);
    assert_int_equal(f.n_requests, 2);
    assert_int_equal(f.requests[1].peer, 2);
    assert_int_equal(give_true(&f, 2, 1, 2000), 1);
    assert_int_equal(consume(&f, 0), 2000);
    assert_int_equal(dropped(&f, &id), 0);
    close_fixture(&f);
}

static void an_answer_has_exactly_the_hashes_of_its_range(void **state)
{
    struct spv_msg_cfheaders msg = answer_of(1, 2000);

    (void)state;
    msg.n = 1999;
    expect_refused(&msg, SPV_ERR_FILTER_ANSWER);
    msg.n = 0;
    expect_refused(&msg, SPV_ERR_FILTER_ANSWER);
    msg.n = 2001;
    expect_refused(&msg, SPV_ERR_FILTER_ANSWER);
}

static void an_answer_leads_from_the_known_header_to_the_known_header(void **state)
{
    static struct spv_filter_hash other[2000];
    struct spv_msg_cfheaders msg = answer_of(1, 2000);

    (void)state;
    msg.prev.b[31] ^= 1;
    expect_refused(&msg, SPV_ERR_FILTER_HEADERS);
    memcpy(other, &hashes[1], sizeof other);
    msg = answer_of(1, 2000);
    msg.hashes = (const void *)other;
    for (size_t i = 0; i < 2000; i += 1999) { /* the first, the last */
        other[i].b[0] ^= 0x80;
        expect_refused(&msg, SPV_ERR_FILTER_HEADERS);
        other[i].b[0] ^= 0x80;
    }
}

static void what_was_not_requested_is_not_taken(void **state)
{
    struct fixture f;
    struct spv_msg_cfheaders msg;
    uint64_t id;

    (void)state;
    open_fixture(&f, 0, 2000);
    add_peer(&f, 1);
    assert_int_equal(give_true(&f, 2, 1, 2000), 0); /* no such peer */
    assert_int_equal(give_true(&f, 1, 1, 1000), 0); /* another stop hash */
    msg = answer_of(1, 2000);
    msg.type = 1;
    assert_int_equal(give(&f, 1, &msg), 0);
    assert_int_equal(give_true(&f, 1, 1, 2000), 1);
    assert_int_equal(give_true(&f, 1, 1, 2000), 0); /* twice */
    assert_int_equal(dropped(&f, &id), 0);
    close_fixture(&f);
}

static void requests_of_a_lost_peer_go_to_another(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 0, 4000);
    add_peer(&f, 1);
    add_peer(&f, 2);
    assert_int_equal(f.n_requests, 2);
    assert_int_equal(f.requests[1].peer, 1);
    assert_int_equal(spv_segments_remove(f.segments, 1, f.now), 0);
    pull(&f);
    assert_int_equal(f.n_requests, 4);
    assert_int_equal(f.requests[2].peer, 2);
    assert_int_equal(f.requests[2].get.start, 1);
    assert_int_equal(f.requests[3].get.start, 2001);
    close_fixture(&f);
}

static void a_late_answer_of_an_earlier_range_is_recognised(void **state)
{
    const struct spv_filter_checkpoint from = {2000, headers[2000]};
    struct fixture f;
    uint64_t id;

    (void)state;
    open_fixture(&f, 0, 2000);
    add_peer(&f, 1);
    assert_int_equal(spv_filter_segments_begin(f.segments, &from, 4000, f.now), 0);
    pull(&f);
    assert_int_equal(give_true(&f, 1, 1, 2000), 1);
    assert_int_equal(consume(&f, 2000), 2000);
    assert_int_equal(give_true(&f, 1, 2001, 4000), 1);
    assert_int_equal(consume(&f, 2000), 4000);
    assert_int_equal(dropped(&f, &id), 0);
    close_fixture(&f);
}

static void a_block_hash_that_cannot_be_read_ends_the_sync(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 0, 2000);
    f.block_error = SPV_ERR_DB_DAMAGED;
    assert_non_null(spv_peer_table_add(&f.peers, 1));
    assert_int_equal(spv_segments_add(f.segments, 1, f.now), SPV_ERR_DB_DAMAGED);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_is_requested_in_thousands_two_at_a_time),
        cmocka_unit_test(a_range_begins_at_any_known_header_and_ends_where_it_should),
        cmocka_unit_test(answers_in_any_order_are_joined_in_order),
        cmocka_unit_test(an_answer_has_exactly_the_hashes_of_its_range),
        cmocka_unit_test(an_answer_leads_from_the_known_header_to_the_known_header),
        cmocka_unit_test(what_was_not_requested_is_not_taken),
        cmocka_unit_test(requests_of_a_lost_peer_go_to_another),
        cmocka_unit_test(a_late_answer_of_an_earlier_range_is_recognised),
        cmocka_unit_test(a_block_hash_that_cannot_be_read_ends_the_sync),
    };
    return cmocka_run_group_tests(tests, make_chain, NULL);
}
