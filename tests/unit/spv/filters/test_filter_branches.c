/* Branches of filters that are not proven invalid: what is kept of them, and how they end. */
#include "support/unit.h"

#include "spv/filters/filter_sync_state.h"

#define TOP 3000

static struct spv_filter_sync fs;
static struct spv_peer_table table;
static struct spv_filter_hash ours[TOP + 1], theirs[TOP + 1];
static struct spv_filter_header headers[TOP + 1];
static uint32_t known_from; /* filter hashes below are not stored */
static struct spv_filter_hash others[SPV_FILTER_MAX_BRANCHES];

static int db_headers(void *ctx, struct spv_filter_header *out, struct spv_filter_hash *hashes,
                      uint32_t from, uint32_t n)
{
    uint32_t got = 0;

    (void)ctx;
    for (; got < n && from + got <= TOP && (!hashes || from + got >= known_from); got++) {
        if (out)
            out[got] = headers[from + got];
        if (hashes)
            hashes[got] = ours[from + got];
    }
    return (int)got;
}

static struct spv_filter_hash hash_of(uint32_t height, uint8_t side)
{
    struct spv_filter_hash hash = {{0}};

    memcpy(hash.b, &height, sizeof height);
    hash.b[31] = side;
    return hash;
}

static int open_fixture(void **state)
{
    (void)state;
    memset(&fs, 0, sizeof fs);
    memset(&table, 0, sizeof table);
    fs.cfg.peers = &table;
    fs.cfg.filter_db = (struct spv_filter_db){.headers = db_headers};
    known_from = 1;
    for (uint32_t h = 1; h <= TOP; h++) {
        ours[h] = theirs[h] = hash_of(h, 1);
        spv_filter_compute_header(&headers[h], &ours[h], &headers[h - 1]);
    }
    fs.begun = true;
    fs.height = TOP;
    fs.top = headers[TOP];
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    spv_filter_branches_free(&fs);
    return 0;
}

/* The filter header of their side, whose first difference is above `low`. */
static struct spv_filter_header their_header(uint32_t low, uint32_t height)
{
    struct spv_filter_header header = headers[low];

    for (uint32_t h = low + 1; h <= height; h++)
        spv_filter_compute_header(&header, &theirs[h], &header);
    return header;
}

/* Adds what a dispute over low + 1..high showed. */
static int add(int index, uint32_t low, uint32_t high)
{
    struct spv_filter_dispute d = {.low = low, .high = high};

    d.side[0].hashes = ours + low + 1;
    d.side[1].hashes = theirs + low + 1;
    d.their_high = their_header(low, high);
    return spv_filter_branches_add(&fs, index, &d);
}

static size_t count_others(uint32_t height)
{
    return spv_filter_sync_alternatives(&fs, others, height);
}

static struct spv_peer_entry *add_peer(uint64_t id, int branch)
{
    struct spv_peer_entry *p = spv_peer_table_add(&table, id);

    assert_non_null(p);
    p->filters.branch = (unsigned)branch + 1;
    return p;
}

static void only_heights_where_the_hashes_differ_are_kept(void **state)
{
    static const uint32_t differ[] = {11, 15, 20};

    (void)state;
    for (size_t i = 0; i < COUNT(differ); i++)
        theirs[differ[i]] = hash_of(differ[i], 2);
    assert_int_equal(add(-1, 10, 20), 0);
    assert_int_equal(fs.branch[0].n, COUNT(differ));
    assert_int_equal(fs.branch[0].top_height, 20);
    assert_int_equal(fs.branch[0].proofs_left, SPV_FILTER_MAX_BRANCH_PROOFS);
    for (uint32_t h = 1; h <= 30; h++) {
        const bool kept = h == 11 || h == 15 || h == 20;
        assert_int_equal(count_others(h), kept);
        if (kept)
            assert_memory_equal(others[0].b, theirs[h].b, 32);
    }
}

static void a_branch_grows_by_the_next_part(void **state)
{
    (void)state;
    theirs[11] = hash_of(11, 2);
    theirs[25] = hash_of(25, 2);
    assert_int_equal(add(-1, 10, 20), 0);
    fs.branch[0].proofs_left = 3;
    assert_int_equal(add(0, 20, 30), 0);
    assert_int_equal(fs.branch[0].n, 2);
    assert_int_equal(fs.branch[0].top_height, 30);
    assert_int_equal(fs.branch[0].proofs_left, 3);
    assert_int_equal(count_others(25), 1);
}

static void eight_branches_are_kept_and_no_ninth(void **state)
{
    (void)state;
    for (int i = 0; i < SPV_FILTER_MAX_BRANCHES; i++) {
        theirs[11] = hash_of(11, (uint8_t)(2 + i));
        assert_int_equal(add(-1, 10, 20), i);
    }
    assert_int_equal(count_others(11), SPV_FILTER_MAX_BRANCHES);
    assert_int_equal(add(-1, 10, 20), SPV_ERR_TOO_MANY);
    spv_filter_branches_remove(&fs, 3);
    assert_int_equal(add(-1, 10, 20), 3);
}

static void a_branch_with_too_many_differences_is_not_followed(void **state)
{
    uint32_t n = 0;

    (void)state;
    for (uint32_t h = 1001; h <= 2000; h++)
        theirs[h] = hash_of(h, 2);
    assert_int_equal(add(-1, 1000, 2000), 0);
    for (n = 1000; n + 1000 <= SPV_FILTER_MAX_BRANCH_DIFFS; n += 1000)
        assert_int_equal(add(0, 1000, 2000), 0);
    assert_int_equal(add(0, 1000, 1000 + SPV_FILTER_MAX_BRANCH_DIFFS - n), 0);
    assert_int_equal(fs.branch[0].n, SPV_FILTER_MAX_BRANCH_DIFFS);
    assert_false(fs.branch[0].frozen);
    assert_int_equal(add(0, 1000, 1001), 0);
    assert_int_equal(fs.branch[0].n, SPV_FILTER_MAX_BRANCH_DIFFS);
    assert_true(fs.branch[0].frozen);
}

static void equal_filters_of_two_branches_are_one_alternative(void **state)
{
    (void)state;
    theirs[11] = hash_of(11, 2);
    assert_int_equal(add(-1, 10, 20), 0);
    theirs[12] = hash_of(12, 2);
    assert_int_equal(add(-1, 10, 20), 1);
    assert_int_equal(count_others(11), 1);
    assert_int_equal(count_others(12), 1);
    theirs[11] = hash_of(11, 3);
    assert_int_equal(add(-1, 10, 20), 2);
    assert_int_equal(count_others(11), 2);
}

static void peers_of_a_removed_branch_are_on_none(void **state)
{
    (void)state;
    theirs[11] = hash_of(11, 2);
    assert_int_equal(add(-1, 10, 20), 0);
    theirs[11] = hash_of(11, 3);
    assert_int_equal(add(-1, 10, 20), 1);
    const struct spv_peer_entry *first = add_peer(1, 0), *second = add_peer(2, 1);
    spv_filter_branches_remove(&fs, 1);
    assert_int_equal(first->filters.branch, 1);
    assert_int_equal(second->filters.branch, 0);
    assert_int_equal(fs.branch[1].n, 0);
}

static void branches_that_say_the_same_are_joined_with_their_peers(void **state)
{
    (void)state;
    theirs[11] = hash_of(11, 2);
    assert_int_equal(add(-1, 10, 20), 0);
    assert_int_equal(add(-1, 10, 25), 1); /* the same filters, but compared further */
    const struct spv_peer_entry *first = add_peer(1, 0), *second = add_peer(2, 1);
    spv_filter_branches_join(&fs, 1);
    assert_int_equal(second->filters.branch, 2);
    assert_int_equal(add(0, 20, 25), 0);
    fs.branch[0].top = fs.branch[1].top; /* computed from the difference on, not from 20 on */
    spv_filter_branches_join(&fs, 1);
    assert_int_equal(first->filters.branch, 1);
    assert_int_equal(second->filters.branch, 1);
    assert_int_equal(fs.branch[1].n, 0);
    assert_int_equal(fs.branch[0].n, 1);
}

static void branches_with_other_filters_stay_apart(void **state)
{
    (void)state;
    theirs[11] = hash_of(11, 2);
    assert_int_equal(add(-1, 10, 20), 0);
    theirs[11] = hash_of(11, 3);
    assert_int_equal(add(-1, 10, 20), 1);
    const struct spv_peer_entry *second = add_peer(2, 1);
    spv_filter_branches_join(&fs, 1);
    assert_int_equal(second->filters.branch, 2);
    assert_int_equal(fs.branch[1].n, 1);
}

static void a_lowered_branch_has_the_filter_header_of_its_new_height(void **state)
{
    struct spv_filter_header want;

    (void)state;
    for (uint32_t h = 11; h <= 211; h += 100)
        theirs[h] = hash_of(h, 2);
    assert_int_equal(add(-1, 10, 300), 0);
    want = their_header(10, 210);
    assert_int_equal(spv_filter_branches_rollback(&fs, 210), 0);
    assert_int_equal(fs.branch[0].n, 2);
    assert_int_equal(fs.branch[0].top_height, 210);
    assert_memory_equal(fs.branch[0].top.b, want.b, 32);
    assert_int_equal(count_others(211), 0);
    assert_int_equal(count_others(111), 1);
}

static void a_branch_below_the_new_height_is_not_changed(void **state)
{
    (void)state;
    theirs[11] = hash_of(11, 2);
    assert_int_equal(add(-1, 10, 20), 0);
    const struct spv_filter_header top = fs.branch[0].top;
    assert_int_equal(spv_filter_branches_rollback(&fs, 20), 0);
    assert_int_equal(fs.branch[0].top_height, 20);
    assert_memory_equal(fs.branch[0].top.b, top.b, 32);
    assert_int_equal(fs.branch[0].n, 1);
}

static void a_branch_ends_with_its_lowest_difference(void **state)
{
    (void)state;
    theirs[11] = hash_of(11, 2);
    assert_int_equal(add(-1, 10, 20), 0);
    const struct spv_peer_entry *p = add_peer(1, 0);
    assert_int_equal(spv_filter_branches_rollback(&fs, 11), 0);
    assert_int_equal(fs.branch[0].n, 1);
    assert_int_equal(spv_filter_branches_rollback(&fs, 10), 0);
    assert_int_equal(fs.branch[0].n, 0);
    assert_int_equal(p->filters.branch, 0);
}

static void a_branch_whose_header_cannot_be_computed_is_given_up(void **state)
{
    (void)state;
    theirs[11] = hash_of(11, 2);
    assert_int_equal(add(-1, 10, 20), 0);
    const struct spv_peer_entry *p = add_peer(1, 0);
    known_from = 13;
    assert_int_equal(spv_filter_branches_rollback(&fs, 15), 0);
    assert_int_equal(fs.branch[0].n, 0);
    assert_int_equal(p->filters.branch, 0);
}

static void no_filter_sync_has_no_alternatives(void **state)
{
    (void)state;
    assert_int_equal(spv_filter_sync_alternatives(NULL, others, 11), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        T(only_heights_where_the_hashes_differ_are_kept),
        T(a_branch_grows_by_the_next_part),
        T(eight_branches_are_kept_and_no_ninth),
        T(a_branch_with_too_many_differences_is_not_followed),
        T(equal_filters_of_two_branches_are_one_alternative),
        T(peers_of_a_removed_branch_are_on_none),
        T(branches_that_say_the_same_are_joined_with_their_peers),
        T(branches_with_other_filters_stay_apart),
        T(a_lowered_branch_has_the_filter_header_of_its_new_height),
        T(a_branch_below_the_new_height_is_not_changed),
        T(a_branch_ends_with_its_lowest_difference),
        T(a_branch_whose_header_cannot_be_computed_is_given_up),
        T(no_filter_sync_has_no_alternatives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
