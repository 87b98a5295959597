/* Chains that do not begin at genesis: how they are stored, read, checked and continued. */
#include <string.h>

#include "spv/chain.h"
#include "spv/message.h"
#include "start_fixture.h"
#include "store/db.h"
#include "util/u256.h"

static void a_store_starts_at_a_base_and_is_continued(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_store *s = start_fixture_started(path, BASE + PERIOD - 1, true);
    char got[SPV_HASH_HEX];
    char want[SPV_HASH_HEX];

    start_fixture_check(s, BASE, BASE + PERIOD - 1);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, BASE + PERIOD - 1, 0, base_chain + BASE + PERIOD,
                           TOP - BASE - PERIOD + 1),
                     0);
    assert_int_equal(spv_store_build_index(s), 0);
    start_fixture_check(s, BASE, TOP);
    assert_int_equal(spv_store_close(s), 0);
    for (int mode = SPV_STORE_READ; mode <= SPV_STORE_CREATE; mode++) {
        s = start_fixture_open(path, (enum spv_store_mode)mode);
        assert_int_equal(spv_store_lost_rows(s), 0);
        start_fixture_check(s, BASE, TOP);
        assert_int_equal(spv_store_close(s), 0);
    }
    /* the view shows the base's previous hash, too */
    ask(got, sizeof got, path, "SELECT previous_hash FROM block_header WHERE height = 40");
    spv_blockhash_hex(want, &base_chain[BASE - 1].hash);
    assert_string_equal(got, want);
    ask(got, sizeof got, path, "SELECT previous_hash FROM block_header WHERE height = 41");
    spv_blockhash_hex(want, &base_chain[BASE].hash);
    assert_string_equal(got, want);
    ask(got, sizeof got, path, "SELECT value FROM meta WHERE key = 'base'");
    assert_string_equal(got, "40");
}

static void a_chain_above_a_base_is_continued(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_store *s = start_fixture_started(path, 80, true);
    struct spv_checkpoint checkpoint = {.height = BASE - 1, .hash = base_chain[BASE - 1].hash};
    struct spv_chain_config cfg = {.params = &base_params,
                                   .header_db = spv_store_header_db(s),
                                   .checkpoints = &checkpoint,
                                   .n_checkpoints = 1};
    struct spv_blockhash locator[SPV_MAX_LOCATOR];
    struct spv_chain_header got;
    struct spv_chain_start base;
    struct spv_chain *c;

    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    spv_chain_get_start(c, &base);
    assert_int_equal(base.height, BASE);
    start_fixture_same(spv_chain_tip(c), &base_chain[80]);
    assert_int_equal(spv_chain_header_at(c, &got, BASE), 1);
    start_fixture_same(&got, &base_chain[BASE]);
    assert_int_equal(spv_chain_header_at(c, &got, BASE - 1), 0);
    assert_int_equal(spv_chain_header_at(c, &got, 1), 0);
    assert_int_equal(spv_chain_header_at(c, &got, 0), 1);
    assert_int_equal(spv_chain_find(c, &got, NULL, &base_chain[BASE - 1].hash), 0);
    /* a locator contains stored headers and genesis */
    int n = spv_chain_locator(c, locator, SPV_MAX_LOCATOR, NULL);
    assert_true(n > 10);
    assert_memory_equal(&locator[n - 1], &base_chain[0].hash, 32);
    for (int i = 0; i < n - 1; i++) {
        size_t h = BASE;
        while (h <= 80 && memcmp(&base_chain[h].hash, &locator[i], 32) != 0) {
            h++;
        }
        assert_true(h <= 80);
    }
    spv_chain_free(c);
    /* a checkpoint fixes the base's parent, and another one stored headers */
    checkpoint.hash.b[0] ^= 1;
    assert_int_equal(spv_chain_new(&c, &cfg), SPV_ERR_DB_CHECKPOINT);
    checkpoint = (struct spv_checkpoint){.height = BASE, .hash = base_chain[BASE + 1].hash};
    assert_int_equal(spv_chain_new(&c, &cfg), SPV_ERR_DB_CHECKPOINT);
    /* where the checkpoint has a work value, the chain has it */
    checkpoint = (struct spv_checkpoint){
        .height = 79, .hash = base_chain[79].hash, .work = base_chain[79].work};
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    spv_chain_free(c);
    checkpoint.work = base_chain[78].work;
    assert_int_equal(spv_chain_new(&c, &cfg), SPV_ERR_DB_DAMAGED);
    assert_int_equal(spv_store_close(s), 0);
}

/* Validating a fork needs the median time of eleven headers: one nearer to the base cannot be
 * validated, which is not misbehaving. */
static void forks_near_the_base_are_not_validated_and_those_above_are(void **state)
{
    static const struct {
        uint32_t fork;
        int error;
        enum spv_chain_update_kind kind;
    } cases[] = {
        {0, SPV_ERR_FORK_BELOW_START, SPV_UPDATE_NONE},
        {BASE - 1, SPV_ERR_HDR_UNCONNECTING, SPV_UPDATE_NONE},
        {BASE, SPV_ERR_FORK_BELOW_START, SPV_UPDATE_NONE},
        {BASE + 9, SPV_ERR_FORK_BELOW_START, SPV_UPDATE_NONE},
        {BASE + 10, 0, SPV_UPDATE_BRANCH},
        {79, 0, SPV_UPDATE_BRANCH},
        {80, 0, SPV_UPDATE_APPEND},
    };
    struct spv_store *s = start_fixture_started(in_folder(state, "h.db"), 80, true);
    assert_int_equal(spv_store_build_index(s), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct spv_chain_config cfg = {.params = &base_params,
                                             .header_db = spv_store_header_db(s)};
        const struct spv_now now = {.unix_s = INT64_C(1) << 33};
        struct spv_chain_header next;
        struct spv_accept_result v;
        struct spv_chain *c;
        assert_int_equal(spv_chain_new(&c, &cfg), 0);
        extend(&next, &base_chain[cases[i].fork], 1, 5);
        next.header.version = 4;
        next.header.nonce = 0;
        struct spv_u256 target;
        assert_int_equal(spv_target_from_bits(&target, next.header.bits), 0);
        do {
            next.header.nonce++;
            spv_header_hash(&next.hash, &next.header);
        } while (!spv_hash_meets(next.hash.b, &target));
        assert_int_equal(spv_chain_accept(c, &v, &next.header, 1, now), 0);
        assert_int_equal(v.error, cases[i].error);
        assert_int_equal(v.update.kind, cases[i].kind);
        spv_chain_free(c);
    }
    assert_int_equal(spv_store_close(s), 0);
}

static void work_that_counts_from_the_base_is_not_compared_with_total_work(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_store *s = start_fixture_started(path, 80, false);
    struct spv_checkpoint checkpoint = {
        .height = 79, .hash = base_chain[79].hash, .work = base_chain[79].work};
    struct spv_chain_config cfg = {.params = &base_params,
                                   .header_db = spv_store_header_db(s),
                                   .checkpoints = &checkpoint,
                                   .n_checkpoints = 1};
    struct spv_chain_start base;
    struct spv_chain *c;

    spv_store_get_start(s, &base);
    assert_int_equal(base.work_since, BASE);
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    /* the last checkpoint gives the work below it; without one the work counts from the base */
    assert_true(spv_chain_has_work(c, &base_chain[80].work));
    spv_chain_free(c);
    cfg.checkpoint_mode = SPV_CHECKPOINTS_IGNORED;
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    assert_false(spv_chain_has_work(c, &base_chain[80].work));
    assert_true(spv_chain_has_work(c, &spv_chain_tip(c)->work));
    spv_chain_free(c);
    assert_int_equal(spv_store_close(s), 0);
}

static void a_checkpoint_start_needs_an_empty_store_and_a_period_start(void **state)
{
    struct spv_store *s = start_fixture_open(in_folder(state, "h.db"), SPV_STORE_CREATE);

    assert_int_equal(apply(s, SPV_UPDATE_CHECKPOINT_START, BASE, 0, base_chain + BASE + 1, 5),
                     SPV_ERR_STATE);
    assert_int_equal(apply(s, SPV_UPDATE_CHECKPOINT_START, BASE - 1, 0, base_chain + BASE + 1, 5),
                     SPV_ERR_STATE);
    assert_int_equal(apply(s, SPV_UPDATE_BACKFILL, 0, 0, base_chain + 1, 5),
                     SPV_ERR_STATE); /* no gap */
    start_fixture_check(s, 0, 0);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 0, 0, base_chain + 1, 5), 0);
    assert_int_equal(apply(s, SPV_UPDATE_CHECKPOINT_START, BASE - 1, 0, base_chain + BASE, PERIOD),
                     SPV_ERR_STATE);
    start_fixture_check(s, 0, 5);
    assert_int_equal(spv_store_close(s), 0);
    s = start_fixture_started(in_folder(state, "2.db"), BASE + PERIOD - 1, true);
    assert_int_equal(apply(s, SPV_UPDATE_CHECKPOINT_START, BASE + 2 * PERIOD - 1, 0,
                           base_chain + BASE + 2 * PERIOD, 5),
                     SPV_ERR_STATE);
    start_fixture_check(s, BASE, BASE + PERIOD - 1);
    assert_int_equal(spv_store_close(s), 0);
}

static void a_bad_tail_is_cut_down_to_the_base_and_no_further(void **state)
{
    static const struct {
        const char *sql;
        uint32_t tip;
    } cases[] = {
        {"UPDATE header SET nonce = nonce + 1 WHERE height = 41", 40},
        {"DELETE FROM header WHERE height > 40", 40},
        {"UPDATE header SET nonce = nonce + 1 WHERE height = 40", 0},
        {"UPDATE meta SET value = (SELECT value FROM meta WHERE key = 'genesis')"
         " WHERE key = 'base_parent'",
         0},
        {"DELETE FROM header WHERE height >= 40", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[16];
        (void)sqlite3_snprintf(sizeof name, name, "%d.db", (int)i);
        const char *path = in_folder(state, name);
        assert_int_equal(spv_store_close(start_fixture_started(path, 80, true)), 0);
        run_sql(path, cases[i].sql);
        must_refuse(path, SPV_STORE_READ, &base_params, SPV_ERR_DB_DAMAGED, "damaged");
        struct spv_store *s = start_fixture_open(path, SPV_STORE_WRITE);
        assert_true(spv_store_lost_rows(s) >= 40);
        start_fixture_check(s, cases[i].tip == 0 ? 0 : BASE, cases[i].tip);
        assert_int_equal(spv_store_close(s), 0);
    }
}

static void a_malformed_base_is_damage(void **state)
{
    static const char *const cases[] = {
        "UPDATE meta SET value = 'x' WHERE key = 'base'",
        "UPDATE meta SET value = '41' WHERE key = 'base'", /* not the first of a period */
        "UPDATE meta SET value = '-40' WHERE key = 'base'",
        "UPDATE meta SET value = '99999999999' WHERE key = 'base'",
        "DELETE FROM meta WHERE key = 'base_parent'",
        "DELETE FROM meta WHERE key = 'base_work'",
        "UPDATE meta SET value = 'no hash' WHERE key = 'base_parent'",
        "UPDATE meta SET value = '' WHERE key = 'base_work'",
        "INSERT INTO meta VALUES ('work_from', '50')", /* above the base */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[16];
        (void)sqlite3_snprintf(sizeof name, name, "%d.db", (int)i);
        const char *path = in_folder(state, name);
        assert_int_equal(spv_store_close(start_fixture_started(path, 80, true)), 0);
        run_sql(path, cases[i]);
        must_refuse(path, SPV_STORE_READ, &base_params, SPV_ERR_DB_DAMAGED, "begins");
        must_refuse(path, SPV_STORE_WRITE, &base_params, SPV_ERR_DB_DAMAGED, "begins");
    }
}

static void a_reader_follows_a_base_that_moves(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_store *writer = start_fixture_open(path, SPV_STORE_CREATE);
    struct spv_chain_header got;
    uint32_t base;

    assert_int_equal(apply(writer, SPV_UPDATE_APPEND, 0, 0, base_chain + 1, TOP), 0);
    assert_int_equal(spv_store_build_index(writer), 0);
    struct spv_store *by_height = start_fixture_open(path, SPV_STORE_READ);
    struct spv_store *by_range = start_fixture_open(path, SPV_STORE_READ);
    struct spv_header headers[4];
    assert_int_equal(spv_store_prune(writer, BASE, &base), 0);
    assert_int_equal(spv_store_by_height(by_height, &got, BASE), 1);
    start_fixture_same(&got, &base_chain[BASE]);
    assert_int_equal(spv_store_range(by_range, headers, BASE - 1, 4), 0);
    assert_int_equal(spv_store_range(by_range, headers, BASE, 4), 4);
    assert_memory_equal(&headers[0], &base_chain[BASE].header, sizeof headers[0]);
    start_fixture_check(by_height, BASE, TOP);
    /* and below it again */
    assert_int_equal(apply(writer, SPV_UPDATE_BACKFILL, 0, 0, base_chain + 1, BASE - 1), 0);
    assert_int_equal(spv_store_by_height(by_height, &got, 7), 1);
    start_fixture_same(&got, &base_chain[7]);
    assert_int_equal(spv_store_range(by_range, headers, 3, 4), 4);
    start_fixture_check(by_range, 0, TOP);
    assert_int_equal(spv_store_close(by_range), 0);
    assert_int_equal(spv_store_close(by_height), 0);
    assert_int_equal(spv_store_close(writer), 0);
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        FRESH(a_store_starts_at_a_base_and_is_continued),
        FRESH(a_chain_above_a_base_is_continued),
        FRESH(forks_near_the_base_are_not_validated_and_those_above_are),
        FRESH(work_that_counts_from_the_base_is_not_compared_with_total_work),
        FRESH(a_checkpoint_start_needs_an_empty_store_and_a_period_start),
        FRESH(a_bad_tail_is_cut_down_to_the_base_and_no_further),
        FRESH(a_malformed_base_is_damage),
        FRESH(a_reader_follows_a_base_that_moves),
    };
    start_fixture_prepare();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
