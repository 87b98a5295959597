/* Iterators over the side branches, and detection of other connections' writes. */
#include "store_fixture.h"

#include <string.h>

#include "spv/error.h"

#define COMMON 10
#define BRANCH 6

/* The main chain, and two branches on its header 4 whose rows interleave when sorted. */
static struct spv_chain_header chain[COMMON];
static struct spv_chain_header one[BRANCH];
static struct spv_chain_header other[BRANCH];

static void make_branched(const char *path)
{
    make_chain(path, chain, COMMON);
    extend(one, &chain[3], BRANCH, 5);
    extend(other, &chain[3], BRANCH, 6);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(apply(s, SPV_UPDATE_BRANCH, 4, 0, one, BRANCH), 0);
    assert_int_equal(apply(s, SPV_UPDATE_BRANCH, 4, 0, other, BRANCH), 0);
    assert_int_equal(spv_store_close(s), 0);
}

/* Iterates over the side branches between two heights. Returns how many there are; each must be
 * complete and in order. */
static size_t walk_side(struct spv_store *s, uint32_t from, uint32_t to)
{
    struct spv_store_iter *w = NULL;
    struct spv_chain_header r;
    size_t n = 0;
    uint32_t height = 0;
    int rc;
    assert_int_equal(spv_store_iter_open(&w, s, from, to), 0);
    assert_int_equal(spv_store_iter_branches(w), 0);
    while ((rc = spv_store_iter_next(w, &r)) == 1) {
        const size_t i = r.height - 5;
        assert_true(r.height >= height && i < BRANCH);
        height = r.height;
        const struct spv_chain_header *want =
            spv_blockhash_eq(&r.hash, &one[i].hash) ? &one[i] : &other[i];
        assert_memory_equal(&r.header, &want->header, sizeof r.header);
        assert_memory_equal(&r.hash, &want->hash, sizeof r.hash);
        assert_memory_equal(&r.work, &want->work, sizeof r.work);
        n++;
    }
    spv_store_iter_close(w);
    return rc == 0 ? n : 1000;
}

static void side_branches_are_iterated_by_height(void **state)
{
    const char *path = in_folder(state, "headers.db");
    make_branched(path);
    struct spv_store *s = must_open(path, SPV_STORE_READ);
    assert_int_equal(walk_side(s, 0, UINT32_MAX), 2 * BRANCH);
    assert_int_equal(walk_side(s, 6, 7), 4);
    assert_int_equal(walk_side(s, 0, 4), 0);
    assert_int_equal(spv_store_close(s), 0);
}

static void side_branches_are_of_the_iterators_own_snapshot(void **state)
{
    const char *path = in_folder(state, "headers.db");
    struct spv_store_iter *w = NULL;
    struct spv_chain_header r;
    struct spv_chain_header more[3];
    size_t n = 0;
    make_branched(path);
    struct spv_store *s = must_open(path, SPV_STORE_READ);
    assert_int_equal(spv_store_iter_open(&w, s, 0, UINT32_MAX), 0);
    assert_int_equal(spv_store_iter_next(w, &r), 1);
    struct spv_store *writer = must_open(path, SPV_STORE_WRITE);
    extend(more, &chain[5], 3, 7);
    assert_int_equal(apply(writer, SPV_UPDATE_BRANCH, 6, 0, more, 3), 0);
    assert_int_equal(spv_store_close(writer), 0);
    assert_int_equal(spv_store_iter_branches(w), 0);
    while (spv_store_iter_next(w, &r) == 1) {
        n++;
    }
    assert_int_equal(n, 2 * BRANCH);
    spv_store_iter_close(w);
    assert_int_equal(spv_store_close(s), 0);
}

static void an_altered_side_branch_is_reported_as_damage(void **state)
{
    static const char *const edits[] = {
        "UPDATE branch_header SET nonce = nonce + 1 WHERE height = 7",
        "UPDATE branch_header SET previous_hash = x'00' WHERE height = 7",
        "UPDATE branch_header SET previous_hash = zeroblob(32) WHERE height = 7",
    };
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        const char *path = in_folder(state, i == 0 ? "a.db" : i == 1 ? "b.db" : "c.db");
        struct spv_store_iter *w = NULL;
        struct spv_chain_header r;
        int rc;
        make_branched(path);
        run_sql(path, edits[i]);
        struct spv_store *s = must_open(path, SPV_STORE_READ);
        assert_int_equal(spv_store_iter_open(&w, s, 0, UINT32_MAX), 0);
        assert_int_equal(spv_store_iter_branches(w), 0);
        while ((rc = spv_store_iter_next(w, &r)) == 1)
            continue;
        assert_int_equal(rc, SPV_ERR_DB_DAMAGED);
        assert_non_null(strstr(spv_store_last_error(s), "height 7 on a side branch"));
        spv_store_iter_close(w);
        assert_int_equal(spv_store_close(s), 0);
    }
}

static void data_version_changes_with_commits_of_others(void **state)
{
    const char *path = in_folder(state, "headers.db");
    struct spv_chain_header more[3];
    uint32_t before = 0;
    uint32_t after = 0;
    make_chain(path, chain, COMMON);
    struct spv_store *writer = must_open(path, SPV_STORE_WRITE);
    struct spv_store *s = must_open(path, SPV_STORE_READ);
    assert_int_equal(spv_store_data_version(s, &before), 0);
    assert_int_equal(spv_store_data_version(s, &after), 0);
    assert_int_equal(before, after);
    extend(more, &chain[COMMON - 1], 3, 1);
    assert_int_equal(apply(writer, SPV_UPDATE_APPEND, COMMON, 0, more, 3), 0);
    assert_int_equal(spv_store_data_version(s, &after), 0);
    assert_int_not_equal(before, after);
    assert_int_equal(spv_store_close(writer), 0);
    assert_int_equal(spv_store_close(s), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        TEST(side_branches_are_iterated_by_height),
        TEST(side_branches_are_of_the_iterators_own_snapshot),
        TEST(an_altered_side_branch_is_reported_as_damage),
        TEST(data_version_changes_with_commits_of_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
