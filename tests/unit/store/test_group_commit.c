/* Several updates in one transaction: when each connection sees them, and what a failure rolls
 * back. */
#include "spv/error.h"
#include "unit/store/store_fixture.h"

#define N 30

static struct spv_chain_header best[N]; /* best[i] has height i + 1 */

static int append_deferred(struct spv_store *s, uint32_t from, size_t n)
{
    const struct spv_chain_update change = {
        .kind = SPV_UPDATE_APPEND, .fork_height = from, .headers = &best[from], .n = n};
    return spv_store_apply_deferred(s, &change);
}

static uint32_t height_of(struct spv_store *s)
{
    struct spv_chain_header r;
    assert_int_equal(spv_store_tip(s, &r), 1);
    return r.height;
}

static struct spv_store *begin(void **state, const char **path)
{
    const struct spv_chain_header genesis = genesis_record(regtest());
    *path = in_folder(state, "gathered.db");
    extend(best, &genesis, N, 0);
    return must_open(*path, SPV_STORE_CREATE);
}

static void deferred_updates_are_visible_to_others_after_the_commit(void **state)
{
    const char *path;
    struct spv_store *s = begin(state, &path);
    struct spv_store *other = must_open(path, SPV_STORE_READ);
    assert_int_equal(append_deferred(s, 0, 10), 0);
    assert_int_equal(append_deferred(s, 10, 10), 0);
    assert_int_equal(height_of(s), 20); /* the writer reads it */
    assert_int_equal(height_of(other), 0);
    assert_int_equal(spv_store_commit(s), 0);
    assert_int_equal(height_of(other), 20);
    assert_int_equal(spv_store_commit(s), 0); /* nothing to commit */
    assert_int_equal(spv_store_close(other), 0);
    assert_chain(s, best, 20);
    assert_int_equal(spv_store_close(s), 0);
}

static void whatever_else_writes_commits_it_first(void **state)
{
    const char *path;
    struct spv_store *s = begin(state, &path);
    struct spv_store *other = must_open(path, SPV_STORE_READ);
    assert_int_equal(append_deferred(s, 0, 5), 0);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 5, 0, &best[5], 5), 0);
    assert_int_equal(height_of(other), 10);
    assert_int_equal(append_deferred(s, 10, 5), 0);
    assert_int_equal(spv_store_build_index(s), 0);
    assert_int_equal(height_of(other), 15);
    assert_int_equal(append_deferred(s, 15, 5), 0);
    assert_int_equal(spv_store_flush(s), 0);
    assert_int_equal(height_of(other), 20);
    assert_int_equal(append_deferred(s, 20, 5), 0);
    assert_int_equal(spv_store_close(s), 0);
    assert_int_equal(height_of(other), 25);
    assert_int_equal(spv_store_close(other), 0);
}

static void a_failure_rolls_back_to_the_last_commit(void **state)
{
    const char *path;
    struct spv_store *s = begin(state, &path);
    assert_int_equal(append_deferred(s, 0, 10), 0);
    assert_int_equal(spv_store_commit(s), 0);
    assert_int_equal(append_deferred(s, 10, 5), 0);
    assert_int_equal(spv_store_commit(s), 0);
    /* a row that must not exist */
    run_sql(path,
            "INSERT INTO header SELECT 18, hash, version, merkle_root, time, bits, nonce, work"
            " FROM header WHERE height = 3");
    assert_int_equal(append_deferred(s, 15, 2), 0);
    assert_int_equal(append_deferred(s, 17, 3), SPV_ERR_DB_DAMAGED);
    run_sql(path, "DELETE FROM header WHERE height = 18");
    assert_int_equal(append_deferred(s, 17, 3),
                     SPV_ERR_STATE); /* the deferred updates are rolled back, too */
    assert_int_equal(append_deferred(s, 15, 5), 0);
    assert_int_equal(spv_store_commit(s), 0);
    assert_chain(s, best, 20);
    assert_int_equal(spv_store_close(s), 0);
}

static void commits_when_many_updates_are_deferred(void **state)
{
    const char *path;
    struct spv_store *s = begin(state, &path);
    struct spv_store *other = must_open(path, SPV_STORE_READ);
    const size_t n = SPV_STORE_GROUP_COMMIT / 10;
    struct spv_chain_header *many = test_calloc(10 * n, sizeof *many);
    const struct spv_chain_header genesis = genesis_record(regtest());
    extend(many, &genesis, 10 * n, 1);
    for (uint32_t i = 0; i < 10; i++) {
        const struct spv_chain_update change = {.kind = SPV_UPDATE_APPEND,
                                                .fork_height = (uint32_t)(i * n),
                                                .headers = many + i * n,
                                                .n = n};
        assert_int_equal(height_of(other), 0);
        assert_int_equal(spv_store_apply_deferred(s, &change), 0);
    }
    assert_int_equal(height_of(other), 10 * n);
    test_free(many);
    assert_int_equal(spv_store_close(other), 0);
    assert_int_equal(spv_store_close(s), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        T(deferred_updates_are_visible_to_others_after_the_commit),
        T(whatever_else_writes_commits_it_first),
        T(a_failure_rolls_back_to_the_last_commit),
        T(commits_when_many_updates_are_deferred),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
