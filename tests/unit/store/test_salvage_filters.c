/* Filter headers and kept filters of files with damaged pages: the run up to the damage stays. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter_fixture.h"

#define N 299
#define PAGE 4096

static struct spv_chain_header best[N];
static struct filter_chain filters;

static void make_file(void **state)
{
    const char *path = in_folder(state, "h.db");
    make_chain(path, best, N);
    make_filters(&filters, 1);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(add_filters(s, &filters, 0, 10, false), 0);
    assert_int_equal(add_filters(s, &filters, 10, 290, true), 0);
    for (uint32_t h = 10; h <= N; h++)
        assert_int_equal(keep(s, &filters, h, UINT64_MAX), 1);
    assert_int_equal(spv_store_close(s), 0);
}

static void overwrite(const char *path, long at, size_t n)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(fputc(0xa5, f), 0xa5);
    assert_int_equal(fclose(f), 0);
}

static const char *fresh_copy(void **state)
{
    static const char *const old[] = {"copy.db-wal", "copy.db-shm", "copy.db.damaged-1",
                                      "copy.db.damaged-1-wal"};
    for (size_t i = 0; i < sizeof old / sizeof old[0]; i++)
        (void)remove(in_folder(state, old[i]));
    copy_file(in_folder(state, "h.db"), in_folder(state, "copy.db"));
    return in_folder(state, "copy.db");
}

/* What a repair has left is a part of what was there, verifies, and can be continued. */
static void goes_on(const char *path, const struct spv_repair_report *r, uint32_t counts[3])
{
    static struct spv_verify_report v;
    const struct spv_verify_config cfg = {.path = path};
    struct spv_filter_header headers[N + 1];
    uint32_t first = 0;
    uint32_t last = 0;
    assert_int_equal(spv_store_verify(&v, &cfg, NULL), 0);
    assert_int_equal(v.valid_height, r->height);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    const struct spv_filter_db db = spv_store_filter_db(s);
    assert_chain(s, best, (size_t)r->height);
    if (r->height < N)
        assert_int_equal(apply(s, SPV_UPDATE_APPEND, (uint32_t)r->height, 0, best + r->height,
                               N - (size_t)r->height),
                         0);
    const int any = db.range(db.ctx, &first, &last);
    assert_in_range(any, 0, 1);
    if (any > 0) {
        assert_int_equal(first, 0);
        assert_true(last <= r->height);
        assert_int_equal(db.headers(db.ctx, headers, NULL, 0, N + 1), last + 1);
        assert_memory_equal(headers, filters.headers, (last + 1) * sizeof headers[0]);
        counts[0] += last == N;
        counts[1] += last < N;
    } else {
        counts[2]++;
    }
    struct spv_store_info info;
    assert_int_equal(spv_store_get_info(s, &info), 0);
    for (uint32_t h = 0; h < N; h++) {
        struct spv_bytes filter;
        const int kept = db.filter(db.ctx, &filter, h);
        assert_int_equal(kept, h >= 10 && h < 10 + info.kept_filters); /* from the lowest on */
        assert_true(!kept || (any > 0 && h <= last));
    }
    const uint32_t next = any > 0 ? last + 1 : 0;
    if (next <= N)
        assert_int_equal(add_filters(s, &filters, next, N + 1 - next, true), 0);
    assert_int_equal(spv_store_close(s), 0);
}

static void the_run_up_to_a_damaged_page_is_kept(void **state)
{
    uint32_t counts[3] = {0, 0, 0};
    int salvaged = 0;
    make_file(state);
    const long pages = file_size(in_folder(state, "h.db")) / PAGE;
    for (long page = 1; page < pages; page++) {
        static struct spv_repair_report r;
        struct spv_error_info why = {.text = ""};
        const char *path = fresh_copy(state);
        const struct spv_verify_config cfg = {.path = path, .params = regtest()};
        overwrite(path, page * PAGE, PAGE);
        const int rc = spv_store_repair(&r, &cfg, &why);
        if (rc != 0)
            fail_msg("page %ld: %s", page, why.text);
        salvaged += r.outcome == SPV_REPAIR_SALVAGED;
        goes_on(path, &r, counts);
    }
    print_message("%ld pages, %d salvaged; filter headers whole %u, a part %u, none %u\n", pages,
                  salvaged, counts[0], counts[1], counts[2]);
    assert_true(salvaged > 15);
    assert_true(counts[0] > 5 && counts[1] > 10 && counts[2] > 0);
}

/* Pages are damaged (side branches and peers have one each), and rows are wrong, too. */
static void bad_rows_are_not_copied(void **state)
{
    static const struct {
        const char *sql;
        int last;
        const char *kept;
    } cases[] = {
        {"SELECT 1", N, "10-299"},
        {"UPDATE filter_header SET header = zeroblob(32) WHERE height = 100", 99, "10-99"},
        {"UPDATE filter_header SET header = '' WHERE height = 100", 99, "10-99"},
        {"DELETE FROM filter_header WHERE height = 100", 99, "10-99"},
        {"DELETE FROM filter_header WHERE height = 5", 4, ""}, /* rows without hashes */
        {"UPDATE filter_header SET header = zeroblob(32) WHERE height = 0", -1, ""},
        {"UPDATE block_filter SET filter = zeroblob(22) WHERE height = 100", N, "10-99"},
        {"UPDATE block_filter SET filter = 7 WHERE height = 100", N, "10-99"},
        {"UPDATE filter_header SET filter_hash = NULL WHERE height = 100", N, "10-99"},
        {"UPDATE header SET nonce = nonce + 1 WHERE height = 100", 99, "10-99"},
        {"INSERT INTO filter_header VALUES (300, zeroblob(32), NULL)", N, "10-299"},
        {"INSERT INTO block_filter VALUES (-1, x'00'), (300, x'00')", N, "10-299"},
        {"UPDATE meta SET value = 5 WHERE key LIKE 'kept%'", N, "10-299"},
    };
    char root[20];
    make_file(state);
    ask(root, sizeof root, in_folder(state, "h.db"),
        "SELECT rootpage FROM sqlite_master WHERE name = 'peer_ban'");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct spv_repair_report r;
        struct spv_error_info why = {.text = ""};
        const char *path = fresh_copy(state);
        const struct spv_verify_config cfg = {.path = path, .params = regtest()};
        run_sql(path, cases[i].sql);
        run_sql(path, "PRAGMA wal_checkpoint(TRUNCATE)");
        overwrite(path, (strtol(root, NULL, 10) - 1) * PAGE, PAGE);
        if (spv_store_repair(&r, &cfg, &why) != 0)
            fail_msg("%s: %s", cases[i].sql, why.text);
        assert_int_equal(r.outcome, SPV_REPAIR_SALVAGED);
        struct spv_store *s = must_open(path, SPV_STORE_READ);
        print_message("%s\n", cases[i].sql);
        if (cases[i].last < 0) {
            assert_no_filters(s);
        } else {
            const struct spv_filter_db db = spv_store_filter_db(s);
            uint32_t first;
            uint32_t last;
            assert_int_equal(db.range(db.ctx, &first, &last), 1);
            assert_int_equal(last, cases[i].last);
            assert_kept(s, &filters, cases[i].kept);
        }
        assert_int_equal(spv_store_close(s), 0);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        T(the_run_up_to_a_damaged_page_is_kept),
        T(bad_rows_are_not_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
