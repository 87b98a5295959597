/* Loading from a store: the chain must continue as if it had not been restarted, and damage must
 * be detected. */
#include <stdlib.h>
#include <string.h>

#include "spv/chain/chain_state.h"
#include "spv/error.h"
#include "unit/spv/chain/chain_fixture.h"
#include "util/u256.h"

#define STORED 100

/* A store that holds STORED headers of a small network, and 50 headers more to come. */
struct load_fixture {
    struct spv_params params;
    struct chain_fixture_headers headers;
    struct chain_fixture_store store;
};

static void open_fixture(struct load_fixture *s, enum chain_fixture_kind kind)
{
    struct spv_chain *c;

    s->params = chain_fixture_params(kind);
    s->headers = chain_fixture_uneven(&s->params, NULL, 0, STORED + 50, 1);
    chain_fixture_store_init(&s->store, &s->params);
    const struct spv_chain_config cfg = {.params = &s->params,
                                         .header_db = chain_fixture_reader(&s->store)};
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    chain_fixture_feed_stored(c, &s->store, &s->headers, 0, STORED);
    spv_chain_free(c);
}

static void close_fixture(struct load_fixture *s)
{
    chain_fixture_store_free(&s->store);
    chain_fixture_headers_free(&s->headers);
}

static int open_chain(struct load_fixture *s, struct spv_chain **c)
{
    const struct spv_chain_config cfg = {.params = &s->params,
                                         .header_db = chain_fixture_reader(&s->store)};

    return spv_chain_new(c, &cfg);
}

static void a_loaded_chain_continues_like_the_original(void **state)
{
    const enum chain_fixture_kind kinds[] = {CHAIN_FIXTURE_PLAIN, CHAIN_FIXTURE_MIN_DIFFICULTY,
                                             CHAIN_FIXTURE_BIP94, CHAIN_FIXTURE_NO_RETARGET};
    (void)state;

    for (size_t k = 0; k < 4; k++) {
        /* a reload after every single header: at every place of a period */
        struct load_fixture s;
        struct spv_chain *whole;
        struct spv_chain *c;
        open_fixture(&s, kinds[k]);
        whole = chain_fixture_chain(&s.params);
        chain_fixture_feed(whole, &s.headers, 0, STORED);
        for (size_t i = STORED; i < STORED + 50; i++) {
            const struct spv_now now = chain_fixture_late;
            struct spv_accept_result v;
            assert_int_equal(open_chain(&s, &c), 0);
            assert_int_equal(spv_chain_median_time(c), spv_chain_median_time(whole));
            for (uint32_t t = 0; t < 3000; t += 601)
                assert_int_equal(spv_chain_next_bits(c, spv_chain_tip(c)->header.time + t),
                                 spv_chain_next_bits(whole, spv_chain_tip(whole)->header.time + t));
            assert_int_equal(spv_chain_accept(c, &v, &s.headers.headers[i], 1, now), 0);
            assert_int_equal(v.error, 0);
            chain_fixture_store_apply(&s.store, &v.update);
            chain_fixture_feed(whole, &s.headers, i, i + 1);
            assert_memory_equal(&spv_chain_tip(c)->hash, &spv_chain_tip(whole)->hash, 32);
            assert_memory_equal(&spv_chain_tip(c)->work, &spv_chain_tip(whole)->work, 32);
            spv_chain_free(c);
        }
        spv_chain_free(whole);
        close_fixture(&s);
    }
}

/* Forks at all heights of the loaded window: each is validated as before the restart. */
static void a_loaded_chain_validates_forks(void **state)
{
    struct spv_chain *c;
    struct load_fixture s;
    (void)state;

    open_fixture(&s, CHAIN_FIXTURE_MIN_DIFFICULTY);
    for (uint32_t height = STORED - 10; height < STORED; height++) {
        s.store.n = height + 1; /* the store of an earlier day */
        assert_int_equal(open_chain(&s, &c), 0);
        for (uint32_t fork = height - 25; fork < height; fork++) {
            struct chain_fixture_headers b =
                chain_fixture_mined(&s.params, &s.headers, fork, 1, 500, 9);
            assert_int_equal(chain_fixture_accept(c, &b.headers[fork], chain_fixture_late), 0);
            chain_fixture_headers_free(&b);
        }
        spv_chain_free(c);
    }
    s.store.n = STORED + 1;
    close_fixture(&s);
}

static void an_empty_store_means_genesis(void **state)
{
    struct load_fixture s = {.params = chain_fixture_params(CHAIN_FIXTURE_PLAIN)};
    struct spv_chain *c;
    (void)state;

    chain_fixture_store_init(&s.store, &s.params);
    assert_int_equal(open_chain(&s, &c), 0);
    assert_int_equal(spv_chain_tip(c)->height, 0);
    spv_chain_free(c);
    close_fixture(&s);
}

static void refuses_an_inconsistent_store(void **state)
{
    enum damage {
        HARM_TIME, /* a header's field */
        HARM_LINK, /* another header in its place */
        HARM_TIP_HASH,
        HARM_TIP_WORK,
        HARM_TIP_HEIGHT, /* claims more than it has */
        HARM_BASE_HASH,
        HARM_BASE_HEADER,
        HARM_BASE_WORK,
        HARMS,
    };
    const uint32_t base = STORED - 2 * CHAIN_FIXTURE_INTERVAL;
    (void)state;

    for (enum damage damage = 0; damage < HARMS; damage = (enum damage)(damage + 1)) {
        struct spv_chain *c;
        struct load_fixture s;
        open_fixture(&s, CHAIN_FIXTURE_PLAIN);
        struct spv_chain_header *records = s.store.records;
        switch (damage) {
        case HARM_TIME:
            records[STORED - 5].header.time++;
            break;
        case HARM_LINK:
            records[STORED - 5] = records[STORED - 6];
            break;
        case HARM_TIP_HASH:
            records[STORED].hash.b[31] ^= 1;
            break;
        case HARM_TIP_WORK:
            records[STORED].work.w[0]++;
            break;
        case HARM_TIP_HEIGHT:
            records[STORED].height++;
            break;
        case HARM_BASE_HASH:
            records[base].hash.b[0] ^= 1;
            break;
        case HARM_BASE_HEADER:
            records[base].header.nonce++;
            break;
        case HARM_BASE_WORK:
            records[base].work.w[0]--;
            break;
        case HARMS:
            break;
        }
        assert_int_equal(open_chain(&s, &c), SPV_ERR_DB_DAMAGED);
        assert_null(c);
        close_fixture(&s);
    }
}

static void refuses_a_stored_header_without_its_work(void **state)
{
    struct spv_chain *c;
    struct load_fixture s;
    (void)state;

    open_fixture(&s, CHAIN_FIXTURE_NO_RETARGET);
    struct spv_chain_header *tip = &s.store.records[STORED];
    chain_fixture_miss(&tip->header);
    tip->hash = chain_fixture_hash(&tip->header);
    assert_int_equal(open_chain(&s, &c), SPV_ERR_DB_DAMAGED);
    close_fixture(&s);
}

static void refuses_a_store_of_another_network(void **state)
{
    struct spv_chain *c;
    struct load_fixture s;
    (void)state;

    open_fixture(&s, CHAIN_FIXTURE_NO_RETARGET);
    s.params.genesis.nonce++;
    assert_int_equal(open_chain(&s, &c), SPV_ERR_DB_NETWORK);
    close_fixture(&s);
}

static void refuses_a_store_that_contradicts_a_checkpoint(void **state)
{
    struct spv_chain *c;
    struct load_fixture s;
    (void)state;

    open_fixture(&s, CHAIN_FIXTURE_PLAIN);
    struct spv_checkpoint checkpoint = {.height = STORED - 3,
                                        .hash = s.store.records[STORED - 3].hash};
    const struct spv_chain_config cfg = {.params = &s.params,
                                         .header_db = chain_fixture_reader(&s.store),
                                         .checkpoints = &checkpoint,
                                         .n_checkpoints = 1};
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    assert_ptr_equal(spv_chain_last_checkpoint(c), &checkpoint);
    spv_chain_free(c);
    checkpoint.hash.b[3] ^= 1;
    assert_int_equal(spv_chain_new(&c, &cfg), SPV_ERR_DB_CHECKPOINT);
    /* also far below what is kept in memory */
    checkpoint = (struct spv_checkpoint){.height = 1, .hash = s.store.records[1].hash};
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    spv_chain_free(c);
    checkpoint.hash.b[3] ^= 1;
    assert_int_equal(spv_chain_new(&c, &cfg), SPV_ERR_DB_CHECKPOINT);
    close_fixture(&s);
}

static void damage_below_the_window_is_found_when_it_is_read(void **state)
{
    struct spv_accept_result v;
    struct spv_chain_header record;
    struct spv_chain *c;
    struct load_fixture s;
    (void)state;

    open_fixture(&s, CHAIN_FIXTURE_PLAIN);
    struct chain_fixture_headers fork = chain_fixture_mined(&s.params, &s.headers, 30, 5, 600, 2);
    assert_int_equal(open_chain(&s, &c), 0);
    s.store.records[25].header.time++; /* one of the eleven */
    assert_int_equal(spv_chain_accept(c, &v, fork.headers + 30, 5, chain_fixture_late),
                     SPV_ERR_DB_DAMAGED);
    assert_int_equal(spv_chain_header_at(c, &record, 25), SPV_ERR_DB_DAMAGED);
    assert_int_equal(spv_chain_find(c, &record, NULL, &s.store.records[25].hash),
                     SPV_ERR_DB_DAMAGED);
    s.store.records[25].header.time--;
    assert_int_equal(spv_chain_accept(c, &v, fork.headers + 30, 5, chain_fixture_late), 0);
    assert_int_equal(v.accepted, 5);
    spv_chain_free(c);
    chain_fixture_headers_free(&fork);
    close_fixture(&s);
}

static void without_a_hash_index_old_hashes_are_unknown(void **state)
{
    struct spv_accept_result v;
    struct spv_chain_header record;
    struct spv_chain *c;
    struct load_fixture s;
    (void)state;

    open_fixture(&s, CHAIN_FIXTURE_PLAIN);
    assert_int_equal(open_chain(&s, &c), 0);
    const struct spv_blockhash old = s.store.records[30].hash;
    assert_int_equal(spv_chain_find(c, &record, NULL, &old), 1);
    s.store.indexed = false;
    assert_int_equal(spv_chain_find(c, &record, NULL, &old), 0);
    assert_int_equal(spv_chain_accept(c, &v, s.headers.headers + 30, 5, chain_fixture_late), 0);
    assert_int_equal(v.error, SPV_ERR_HDR_UNCONNECTING);
    /* headers in memory are found in any case, with or without their parent */
    const size_t start = spv_chain_window_start(c);
    assert_int_equal(spv_chain_accept(c, &v, s.headers.headers + start - 1, 5, chain_fixture_late),
                     0);
    assert_int_equal(v.error, 0);
    assert_int_equal(v.known, 5);
    /* from genesis on, heights do */
    assert_int_equal(spv_chain_accept(c, &v, s.headers.headers, STORED, chain_fixture_late), 0);
    assert_int_equal(v.known, STORED);
    spv_chain_free(c);
    close_fixture(&s);
}

static int failing_by_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    (void)ctx;
    (void)out;
    (void)height;
    return SPV_ERR_DB;
}

static int failing_range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    (void)ctx;
    (void)out;
    (void)from;
    (void)n;
    return SPV_ERR_DB_BUSY;
}

static void a_failing_store_is_our_problem_not_the_peers(void **state)
{
    struct spv_chain_header record;
    struct spv_chain *c;
    struct load_fixture s;
    (void)state;

    open_fixture(&s, CHAIN_FIXTURE_PLAIN);
    struct spv_chain_config cfg = {.params = &s.params,
                                   .header_db = chain_fixture_reader(&s.store)};
    cfg.header_db.range = failing_range;
    assert_int_equal(spv_chain_new(&c, &cfg), SPV_ERR_DB_BUSY);
    cfg.header_db = chain_fixture_reader(&s.store);
    cfg.header_db.by_height = failing_by_height;
    assert_int_equal(spv_chain_new(&c, &cfg), SPV_ERR_DB);
    assert_int_equal(open_chain(&s, &c), 0);
    c->header_db.by_height = failing_by_height;
    assert_int_equal(spv_chain_header_at(c, &record, 20), SPV_ERR_DB);
    struct spv_blockhash locator[SPV_MAX_LOCATOR];
    assert_int_equal(spv_chain_locator(c, locator, SPV_MAX_LOCATOR, NULL), SPV_ERR_DB);
    spv_chain_free(c);
    close_fixture(&s);
}

static void a_locator_reaches_below_the_window(void **state)
{
    static const uint32_t heights[] = {100, 99, 98, 97, 96, 95, 94, 93, 92,
                                       91,  90, 88, 84, 76, 60, 28, 0};
    struct spv_blockhash locator[SPV_MAX_LOCATOR];
    struct spv_chain *c;
    struct load_fixture s;
    (void)state;

    open_fixture(&s, CHAIN_FIXTURE_PLAIN);
    assert_int_equal(open_chain(&s, &c), 0);
    assert_int_equal(spv_chain_window_start(c), 80);
    assert_int_equal(spv_chain_locator(c, locator, SPV_MAX_LOCATOR, NULL),
                     sizeof heights / sizeof heights[0]);
    for (size_t i = 0; i < sizeof heights / sizeof heights[0]; i++)
        assert_memory_equal(&locator[i], &s.store.records[heights[i]].hash, 32);
    /* from a hash that only the store has */
    assert_int_equal(spv_chain_locator(c, locator, SPV_MAX_LOCATOR, &s.store.records[2].hash), 3);
    assert_memory_equal(&locator[1], &s.store.records[1].hash, 32);
    spv_chain_free(c);
    close_fixture(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loaded_chain_continues_like_the_original),
        cmocka_unit_test(a_loaded_chain_validates_forks),
        cmocka_unit_test(an_empty_store_means_genesis),
        cmocka_unit_test(refuses_an_inconsistent_store),
        cmocka_unit_test(refuses_a_stored_header_without_its_work),
        cmocka_unit_test(refuses_a_store_of_another_network),
        cmocka_unit_test(refuses_a_store_that_contradicts_a_checkpoint),
        cmocka_unit_test(damage_below_the_window_is_found_when_it_is_read),
        cmocka_unit_test(without_a_hash_index_old_hashes_are_unknown),
        cmocka_unit_test(a_failing_store_is_our_problem_not_the_peers),
        cmocka_unit_test(a_locator_reaches_below_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
