/* Kept filters: the bound in bytes, the last run without gaps, and the check when one is read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter_fixture.h"
#include "spv/filter.h"
#include "spv/message.h"

#define N 120 /* headers of the chain above genesis */
#define ANY UINT64_MAX

static struct spv_chain_header best[N];
static struct filter_chain filters;

static struct spv_store *begin(void **state)
{
    const char *path = in_folder(state, "h.db");
    make_chain(path, best, N);
    make_filters(&filters, 1);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(add_filters(s, &filters, 0, N, true), 0);
    return s;
}

static void kept_filters_are_read_back(void **state)
{
    struct spv_store *s = begin(state);
    static const uint32_t heights[] = {5, 0, 6, 119, 7, 118, 10, 9, 11, 8};
    static const char *const kept[] = {"5",
                                       "0,5",
                                       "0,5-6",
                                       "0,5-6,119",
                                       "0,5-7,119",
                                       "0,5-7,118-119",
                                       "0,5-7,10,118-119",
                                       "0,5-7,9-10,118-119",
                                       "0,5-7,9-11,118-119",
                                       "0,5-11,118-119"};
    assert_kept(s, &filters, "");
    for (size_t i = 0; i < sizeof heights / sizeof heights[0]; i++) {
        assert_int_equal(keep(s, &filters, heights[i], ANY), 1);
        assert_kept(s, &filters, kept[i]);
    }
    assert_int_equal(spv_store_close(s), 0);
    s = must_open(in_folder(state, "h.db"), SPV_STORE_READ);
    assert_kept(s, &filters, "0,5-11,118-119");
    assert_int_equal(keep(s, &filters, 117, ANY), SPV_ERR_DB_READONLY);
    assert_int_equal(spv_store_close(s), 0);
}

/* The last run grows at both ends, and joins the one below when the gap is filled. */
static void the_last_run_joins_the_one_below(void **state)
{
    struct spv_store *s = begin(state);
    for (uint32_t h = 20; h <= 30; h++)
        assert_int_equal(keep(s, &filters, h, ANY), 1);
    for (uint32_t h = 40; h <= 50; h++)
        assert_int_equal(keep(s, &filters, h, ANY), 1);
    for (uint32_t h = 39; h > 31; h--)
        assert_int_equal(keep(s, &filters, h, ANY), 1);
    assert_kept(s, &filters, "20-30,32-50");
    assert_int_equal(keep(s, &filters, 31, ANY), 1);
    assert_kept(s, &filters, "20-50");
    assert_int_equal(keep(s, &filters, 52, ANY), 1);
    assert_kept(s, &filters, "20-50,52");
    assert_int_equal(keep(s, &filters, 51, ANY), 1);
    assert_kept(s, &filters, "20-52");
    assert_int_equal(spv_store_close(s), 0);
}

static uint64_t bytes_of(uint32_t from, uint32_t to)
{
    uint64_t sum = 0;
    for (uint32_t h = from; h <= to; h++)
        sum += filter_size(h);
    return sum;
}

static void the_lowest_filters_go_first(void **state)
{
    struct spv_store *s = begin(state);
    for (uint32_t h = 0; h <= 19; h++)
        assert_int_equal(keep(s, &filters, h, bytes_of(0, 19)), 1); /* the last one just fits */
    assert_kept(s, &filters, "0-19");
    assert_int_equal(keep(s, &filters, 20, bytes_of(0, 20) - 1), 1);
    assert_kept(s, &filters, "1-20");
    assert_int_equal(keep(s, &filters, 22, bytes_of(4, 20) + filter_size(22)), 1);
    assert_kept(s, &filters, "4-20,22");
    assert_int_equal(keep(s, &filters, 21, bytes_of(20, 22) - 1), 1); /* goes above 20 */
    assert_kept(s, &filters, "21-22");
    assert_int_equal(keep(s, &filters, 40, filter_size(40)), 1); /* alone */
    assert_kept(s, &filters, "40");
    assert_int_equal(spv_store_close(s), 0);
}

static void a_filter_that_would_be_the_lowest_and_does_not_fit_is_not_kept(void **state)
{
    struct spv_store *s = begin(state);
    for (uint32_t h = 10; h <= 19; h++)
        assert_int_equal(keep(s, &filters, h, ANY), 1);
    assert_int_equal(keep(s, &filters, 9, bytes_of(9, 19) - 1), 0);
    assert_kept(s, &filters, "10-19");
    assert_int_equal(keep(s, &filters, 8, bytes_of(10, 19)), 0);
    assert_kept(s, &filters, "10-19");
    assert_int_equal(keep(s, &filters, 5, bytes_of(14, 19) - 1), 0); /* a smaller bound holds */
    assert_kept(s, &filters, "15-19");
    assert_int_equal(keep(s, &filters, 48, filter_size(48) - 1), 0); /* does not fit alone */
    assert_kept(s, &filters, "19");
    assert_int_equal(keep(s, &filters, 50, 0), 0);
    assert_kept(s, &filters, "");
    assert_int_equal(spv_store_close(s), 0);
}

static void a_filter_that_is_kept_already_is_counted_once(void **state)
{
    struct spv_store *s = begin(state);
    for (uint32_t h = 10; h <= 19; h++)
        assert_int_equal(keep(s, &filters, h, ANY), 1);
    for (uint32_t h = 10; h <= 19; h++)
        assert_int_equal(keep(s, &filters, h, bytes_of(10, 19)), 1);
    assert_kept(s, &filters, "10-19");
    assert_int_equal(keep(s, &filters, 12, bytes_of(12, 19)), 1);
    assert_kept(s, &filters, "12-19");
    assert_int_equal(keep(s, &filters, 12, bytes_of(12, 19) - 1), 0); /* it was the lowest */
    assert_kept(s, &filters, "13-19");
    assert_int_equal(keep(s, &filters, 19, 0), 0);
    assert_kept(s, &filters, "");
    assert_int_equal(spv_store_close(s), 0);
}

static void only_filters_of_their_filter_headers_are_kept(void **state)
{
    struct spv_store *s = begin(state);
    static uint8_t large[SPV_MAX_CFILTER + 1];
    static struct filter_chain other;
    const struct spv_bytes empty = {.bytes = large, .n = 0};
    const struct spv_bytes too_long = {.bytes = large, .n = sizeof large};
    fork_filters(&other, &filters, 19, 2);
    assert_int_equal(keep(s, &other, 20, ANY), SPV_ERR_STATE);
    assert_non_null(strstr(spv_store_last_error(s), "does not have the filter hash"));
    assert_int_equal(keep(s, &filters, N, ANY), SPV_ERR_STATE);
    assert_non_null(strstr(spv_store_last_error(s), "its filter header is not stored"));
    assert_int_equal(spv_store_keep_filter(s, 20, &empty, ANY), SPV_ERR_INVALID);
    assert_int_equal(spv_store_keep_filter(s, 20, &too_long, ANY), SPV_ERR_TOO_LONG);
    assert_kept(s, &filters, "");
    assert_int_equal(spv_store_close(s), 0);
}

/* What was imported has filter headers only: the filter itself shows its hash. */
static void keeping_a_filter_stores_its_hash(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_store *s = begin(state);
    static struct filter_chain other;
    fork_filters(&other, &filters, 19, 2);
    assert_int_equal(spv_store_drop_filter_headers(s, 0), 0);
    assert_int_equal(add_filters(s, &filters, 0, N, false), 0);
    assert_int_equal(keep(s, &other, 20, ANY), SPV_ERR_STATE);
    assert_non_null(strstr(spv_store_last_error(s), "does not give its filter header"));
    for (uint32_t h = 0; h < N; h++)
        assert_int_equal(keep(s, &filters, h, ANY), 1);
    assert_filters(s, &filters, 0, N - 1, 0);
    assert_kept(s, &filters, "0-119");
    assert_int_equal(spv_store_close(s), 0);
    /* the lowest row of a run that does not begin at genesis can't be checked */
    run_sql(path, "DELETE FROM filter_header WHERE height < 30;"
                  "UPDATE filter_header SET filter_hash = NULL WHERE height = 30");
    s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(keep(s, &filters, 30, ANY), SPV_ERR_STATE);
    assert_non_null(strstr(spv_store_last_error(s), "the filter header below is not stored"));
    assert_int_equal(spv_store_close(s), 0);
}

static void a_filter_that_is_not_kept_does_not_store_its_hash(void **state)
{
    struct spv_store *s = begin(state);
    assert_int_equal(spv_store_drop_filter_headers(s, 0), 0);
    assert_int_equal(add_filters(s, &filters, 0, N, false), 0);
    assert_int_equal(keep(s, &filters, N - 1, 1), 0);
    assert_filters(s, &filters, 0, N - 1, N);
    assert_int_equal(spv_store_close(s), 0);
}

static void a_kept_filter_is_checked_when_it_is_read(void **state)
{
    static const char *const sql[] = {
        "UPDATE block_filter SET filter = zeroblob(20) WHERE height = 14",
        "UPDATE block_filter SET filter = substr(filter, 2) WHERE height = 14",
        "UPDATE block_filter SET filter = x'' WHERE height = 14",
        "UPDATE block_filter SET filter = 'text' WHERE height = 14",
        "UPDATE block_filter SET filter = CAST(filter AS TEXT) WHERE height = 14",
        "UPDATE filter_header SET filter_hash = NULL WHERE height = 14",
        "UPDATE filter_header SET filter_hash = zeroblob(32) WHERE height = 14",
        "DELETE FROM filter_header WHERE height = 14",
    };
    struct spv_store *s = begin(state);
    for (uint32_t h = 10; h <= 19; h++)
        assert_int_equal(keep(s, &filters, h, ANY), 1);
    assert_int_equal(spv_store_close(s), 0);
    for (size_t i = 0; i < sizeof sql / sizeof sql[0]; i++) {
        const char *path = in_folder(state, "copy.db");
        struct spv_bytes filter;
        copy_file(in_folder(state, "h.db"), path);
        run_sql(path, sql[i]);
        s = must_open(path, SPV_STORE_READ);
        const struct spv_filter_db db = spv_store_filter_db(s);
        assert_int_equal(db.filter(db.ctx, &filter, 13), 1);
        assert_int_equal(db.filter(db.ctx, &filter, 14), SPV_ERR_DB_DAMAGED);
        assert_non_null(strstr(spv_store_last_error(s), "height 14"));
        assert_non_null(strstr(spv_store_last_error(s), "spv-db repair"));
        assert_int_equal(db.filter(db.ctx, &filter, 15), 1);
        assert_int_equal(spv_store_close(s), 0);
    }
}

/* A kept filter of other bytes, and another size, is replaced. */
static void a_damaged_kept_filter_is_replaced(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_store *s = begin(state);
    for (uint32_t h = 10; h <= 19; h++)
        assert_int_equal(keep(s, &filters, h, ANY), 1);
    assert_int_equal(spv_store_close(s), 0);
    run_sql(path, "UPDATE block_filter SET filter = x'00' WHERE height = 14;"
                  "UPDATE meta SET value = value + 1 - 20 WHERE key = 'kept_filter_bytes'");
    s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(keep(s, &filters, 14, bytes_of(10, 19)), 1);
    assert_kept(s, &filters, "10-19");
    assert_int_equal(spv_store_close(s), 0);
}

/* A reader reports wrong totals, a writer counts again. */
static void wrong_totals_are_counted_again(void **state)
{
    static const char *const sql[] = {
        "DELETE FROM meta WHERE key LIKE 'kept%'",
        "UPDATE meta SET value = 'x' WHERE key = 'kept_filters'",
        "UPDATE meta SET value = -1 WHERE key = 'kept_filters'",
        "UPDATE meta SET value = 9 WHERE key = 'kept_filter_bytes'",
        "UPDATE meta SET value = x'00' WHERE key = 'kept_filter_bytes'",
        "UPDATE meta SET value = 20 WHERE key = 'kept_filters_from'",
        "UPDATE meta SET value = 9 WHERE key = 'kept_filters_from'",
        "UPDATE meta SET value = -1 WHERE key = 'kept_filters_from'",
    };
    struct spv_store *s = begin(state);
    for (uint32_t h = 10; h <= 19; h++)
        assert_int_equal(keep(s, &filters, h, ANY), 1);
    assert_int_equal(spv_store_close(s), 0);
    for (size_t i = 0; i < sizeof sql / sizeof sql[0]; i++) {
        const char *path = in_folder(state, "copy.db");
        uint32_t first;
        uint32_t last;
        (void)remove(in_folder(state, "copy.db-wal"));
        copy_file(in_folder(state, "h.db"), path);
        run_sql(path, sql[i]);
        s = must_open(path, SPV_STORE_READ);
        const struct spv_filter_db db = spv_store_filter_db(s);
        assert_int_equal(db.kept(db.ctx, &first, &last), SPV_ERR_DB_DAMAGED);
        assert_non_null(strstr(spv_store_last_error(s), "number of kept filters is wrong"));
        assert_int_equal(spv_store_close(s), 0);
        s = must_open(path, SPV_STORE_WRITE);
        assert_int_equal(keep(s, &filters, 20, ANY), 1);
        assert_kept(s, &filters, "10-20");
        assert_int_equal(spv_store_close(s), 0);
    }
}

static void keeping_is_deferred(void **state)
{
    static const struct filter_chain *const all = &filters;
    struct spv_store *s = begin(state);
    struct spv_store *reader = must_open(in_folder(state, "h.db"), SPV_STORE_READ);
    assert_int_equal(keep(s, all, 10, ANY), 1);
    assert_int_equal(keep(s, all, 9, 1), 0);
    assert_kept(s, all, "");
    assert_kept(reader, all, "");
    assert_int_equal(keep(s, all, 10, ANY), 1);
    assert_kept(s, all, "10");
    assert_kept(reader, all, "");
    assert_int_equal(spv_store_commit(s), 0);
    assert_kept(reader, all, "10");
    assert_int_equal(keep(s, all, 5, 0), 0); /* an open transaction, too */
    assert_kept(reader, all, "10");
    assert_int_equal(spv_store_close(s), 0);
    assert_kept(reader, all, "");
    assert_int_equal(spv_store_close(reader), 0);
}

/* Filters of some 26 kB: a transaction has 2 MB of them, as it has of headers. */
static void large_filters_are_committed_often(void **state)
{
    enum { SIZE = 26000, MANY = 100 };
    static uint8_t bytes[MANY][SIZE];
    struct spv_filter_header headers[MANY];
    struct spv_filter_hash hashes[MANY];
    struct spv_store *s = begin(state);
    struct spv_filter_header prev = filters.headers[0];
    struct spv_store *reader = must_open(in_folder(state, "h.db"), SPV_STORE_READ);
    const struct spv_filter_db db = spv_store_filter_db(reader);
    for (uint32_t h = 0; h < MANY; h++) {
        const struct spv_filter filter = {.bytes = bytes[h], .n = SIZE};
        memcpy(bytes[h], &h, sizeof h);
        spv_filter_compute_hash(&hashes[h], &filter);
        spv_filter_compute_header(&headers[h], &hashes[h], &prev);
        prev = headers[h];
    }
    const struct spv_filter_update update = {.first = 1,
                                             .headers = headers,
                                             .hashes = hashes,
                                             .n = MANY,
                                             .last_block = best[MANY - 1].hash};
    assert_int_equal(spv_store_drop_filter_headers(s, 0), 0);
    assert_int_equal(spv_store_apply_filter_headers(s, &update), 0);
    uint32_t first = 0;
    uint32_t last = 0;
    uint32_t h = 0;
    for (; db.kept(db.ctx, &first, &last) == 0; h++) {
        const struct spv_bytes filter = {.bytes = bytes[h], .n = SIZE};
        assert_true(h < MANY);
        assert_int_equal(spv_store_keep_filter(s, h + 1, &filter, ANY), 1);
    }
    assert_in_range(h, 70, 85);
    assert_int_equal(spv_store_close(s), 0);
    struct spv_bytes got;
    assert_int_equal(db.filter(db.ctx, &got, 4), 1);
    assert_int_equal(got.n, SIZE);
    assert_memory_equal(got.bytes, bytes[3], SIZE);
    assert_int_equal(spv_store_close(reader), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        T(kept_filters_are_read_back),
        T(the_last_run_joins_the_one_below),
        T(the_lowest_filters_go_first),
        T(a_filter_that_would_be_the_lowest_and_does_not_fit_is_not_kept),
        T(a_filter_that_is_kept_already_is_counted_once),
        T(only_filters_of_their_filter_headers_are_kept),
        T(keeping_a_filter_stores_its_hash),
        T(a_filter_that_is_not_kept_does_not_store_its_hash),
        T(a_kept_filter_is_checked_when_it_is_read),
        T(a_damaged_kept_filter_is_replaced),
        T(wrong_totals_are_counted_again),
        T(keeping_is_deferred),
        T(large_filters_are_committed_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
