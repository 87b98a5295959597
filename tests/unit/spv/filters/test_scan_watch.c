/* Watched scripts and outputs, and lists of ranges. */
#include "block_fixture.h"

#include "support/random.h"
#include "support/unit.h"

#include "spv/filters/scan_ranges.h"
#include "spv/filters/scan_watch.h"

static struct spv_scan_watch *new_watch(void)
{
    static struct test_random random = {1};
    const struct spv_rng rng = test_random_rng(&random);
    struct spv_scan_watch *w;

    assert_int_equal(spv_scan_watch_new(&w, &rng), 0);
    return w;
}

static void watch(struct spv_scan_watch *w, uint32_t number)
{
    uint8_t bytes[BLOCK_FIXTURE_SCRIPT];
    const struct spv_bytes script = {bytes, sizeof bytes};

    fixture_script(bytes, number);
    assert_int_equal(spv_scan_watch_add(w, &script, 1), 0);
}

static void scripts_are_watched_once_and_empty_ones_not_at_all(void **state)
{
    const struct spv_bytes empty = {NULL, 0};
    struct spv_filter_query *query;
    struct spv_scan_watch *w = new_watch();

    (void)state;
    assert_int_equal(spv_scan_watch_add(w, &empty, 1), 0);
    assert_int_equal(spv_scan_watch_count(w), 0);
    for (int twice = 0; twice < 2; twice++)
        for (uint32_t i = 0; i < 1000; i++)
            watch(w, i);
    assert_int_equal(spv_scan_watch_count(w), 1000);
    assert_int_equal(spv_scan_watch_query(w, &query, 990), 0);
    assert_int_equal(spv_filter_query_count(query), 10);
    spv_filter_query_free(query);
    spv_scan_watch_free(w);
}

static void a_block_is_searched_for_what_pays_and_what_spends(void **state)
{
    struct fixture_tx txs[3] = {{.prev = {{1}}}, {.prev = {{2}}}, {.prev = {{3}}}};
    struct spv_chain *chain = fixture_chain_new();
    struct spv_scan_watch *w = new_watch();
    struct fixture_block b, c;
    struct spv_bytes script;
    uint32_t *positions;
    size_t n;

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        fixture_script(txs[i].script, 100 + i);
    fixture_block_make(&b, chain, txs, 3, 0);
    watch(w, 102);
    assert_int_equal(spv_scan_watch_search(w, &positions, &n, &b.block), 0);
    assert_int_equal(n, 1);
    assert_int_equal(positions[0], 3);
    free(positions);
    /* its output is watched now */
    assert_true(spv_scan_watch_find_output(w, &script, &b.txids[3], 0));
    assert_memory_equal(script.bytes, txs[2].script, sizeof txs[2].script);
    assert_false(spv_scan_watch_find_output(w, &script, &b.txids[3], 1));
    assert_false(spv_scan_watch_find_output(w, &script, &b.txids[2], 0));
    txs[1].prev = b.txids[3];
    fixture_block_make(&c, chain, txs, 2, 0);
    assert_int_equal(spv_scan_watch_search(w, &positions, &n, &c.block), 0);
    assert_int_equal(n, 1);
    assert_int_equal(positions[0], 2);
    free(positions);
    watch(w, 100);
    assert_int_equal(spv_scan_watch_search(w, &positions, &n, &c.block), 0);
    assert_int_equal(n, 2);
    assert_int_equal(positions[0], 1);
    assert_int_equal(positions[1], 2);
    free(positions);
    fixture_block_free(&b);
    fixture_block_free(&c);
    spv_chain_free(chain);
    spv_scan_watch_free(w);
}

static void many_outputs_are_found_again(void **state)
{
    struct spv_scan_watch *w = new_watch();
    uint8_t bytes[BLOCK_FIXTURE_SCRIPT];
    const struct spv_bytes script = {bytes, sizeof bytes};
    struct spv_bytes found;

    (void)state;
    fixture_script(bytes, 7);
    for (uint32_t i = 0; i < 500; i++) {
        const struct spv_txid txid = {{(uint8_t)i, (uint8_t)(i >> 8)}};
        assert_int_equal(spv_scan_watch_add_output(w, &txid, i, &script), 0);
        assert_int_equal(spv_scan_watch_add_output(w, &txid, i, &script), 0);
    }
    assert_int_equal(spv_scan_watch_count(w), 1);
    for (uint32_t i = 0; i < 500; i++) {
        const struct spv_txid txid = {{(uint8_t)i, (uint8_t)(i >> 8)}};
        assert_true(spv_scan_watch_find_output(w, &found, &txid, i));
        assert_false(spv_scan_watch_find_output(w, &found, &txid, i + 1));
    }
    spv_scan_watch_free(w);
}

/* ---- ranges ---- */

static bool has(const struct spv_scan_ranges *r, uint32_t height)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->list[i].first <= height && height <= r->list[i].last)
            return true;
    return false;
}

static void ranges_are_joined_when_they_touch(void **state)
{
    struct spv_scan_ranges r = {.n = 0};

    (void)state;
    spv_scan_ranges_add(&r, 10, 20);
    spv_scan_ranges_add(&r, 30, 40);
    spv_scan_ranges_add(&r, 22, 28);
    assert_int_equal(r.n, 3);
    spv_scan_ranges_add(&r, 21, 21);
    assert_int_equal(r.n, 2);
    assert_int_equal(r.list[0].first, 10);
    assert_int_equal(r.list[0].last, 28);
    spv_scan_ranges_add(&r, 1, 100);
    assert_int_equal(r.n, 1);
    assert_int_equal(r.list[0].last, 100);
    spv_scan_ranges_truncate(&r, 50);
    assert_int_equal(r.list[0].last, 50);
    spv_scan_ranges_truncate(&r, 0);
    assert_int_equal(r.n, 0);
}

static void ranges_lose_no_height_whatever_is_added(void **state)
{
    struct test_random random = {7};

    (void)state;
    for (int round = 0; round < 50; round++) {
        struct spv_scan_ranges r = {.n = 0};
        bool wanted[2000] = {false};
        for (int i = 0; i < 150; i++) {
            const uint32_t first = (uint32_t)test_random_below(&random, 1990),
                           last = first + (uint32_t)test_random_below(&random, 8);
            spv_scan_ranges_add(&r, first, last);
            for (uint32_t h = first; h <= last; h++)
                wanted[h] = true;
            assert_true(r.n <= SPV_SCAN_MAX_RANGES);
        }
        for (uint32_t h = 0; h < 2000; h++)
            assert_true(!wanted[h] || has(&r, h));
        for (size_t i = 1; i < r.n; i++)
            assert_true(r.list[i - 1].last + 1 < r.list[i].first);
    }
}

static void a_full_list_joins_the_closest_neighbours(void **state)
{
    struct spv_scan_ranges r = {.n = 0};

    (void)state;
    for (uint32_t i = 0; i < SPV_SCAN_MAX_RANGES; i++)
        spv_scan_ranges_add(&r, 1000 * i + (i == 20 ? 10 : 500), 1000 * i + 999);
    assert_int_equal(r.n, SPV_SCAN_MAX_RANGES);
    spv_scan_ranges_add(&r, 1000000, 1000000);
    assert_int_equal(r.n, SPV_SCAN_MAX_RANGES);
    assert_true(has(&r, 1000000));
    assert_true(has(&r, 20005)); /* of the smallest gap; no other one is closed */
    for (uint32_t i = 1; i < SPV_SCAN_MAX_RANGES; i++)
        assert_int_equal(has(&r, 1000 * i + 5), i == 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts_are_watched_once_and_empty_ones_not_at_all),
        cmocka_unit_test(a_block_is_searched_for_what_pays_and_what_spends),
        cmocka_unit_test(many_outputs_are_found_again),
        cmocka_unit_test(ranges_are_joined_when_they_touch),
        cmocka_unit_test(ranges_lose_no_height_whatever_is_added),
        cmocka_unit_test(a_full_list_joins_the_closest_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
