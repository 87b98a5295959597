/* Verification of filter headers and kept filters, and the repair in place of what it finds. */
#include <stdio.h>
#include <string.h>

#include "filter_fixture.h"

#define N 280 /* headers of the chain above genesis; filter headers reach 270, filters 200..250 */

static struct spv_chain_header best[N];
static struct filter_chain filters;

static void make_file(void **state)
{
    const char *path = in_folder(state, "h.db");
    make_chain(path, best, N);
    make_filters(&filters, 1);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(add_filters(s, &filters, 0, 100, false), 0);
    assert_int_equal(add_filters(s, &filters, 100, 171, true), 0);
    for (uint32_t h = 200; h <= 250; h++)
        assert_int_equal(keep(s, &filters, h, UINT64_MAX), 1);
    assert_int_equal(spv_store_close(s), 0);
}

/* A copy of the file, edited. */
static const char *edited(void **state, const char *sql)
{
    static const char *const old[] = {"copy.db-wal", "copy.db-shm", "copy.db.damaged-1",
                                      "copy.db.damaged-1-wal"};
    const char *path = in_folder(state, "copy.db");
    for (size_t i = 0; i < sizeof old / sizeof old[0]; i++)
        (void)remove(in_folder(state, old[i]));
    copy_file(in_folder(state, "h.db"), path);
    run_sql(path, sql);
    return path;
}

static int verify(struct spv_verify_report *r, const char *path)
{
    const struct spv_verify_config cfg = {.path = path, .params = regtest()};
    return spv_store_verify(r, &cfg, NULL);
}

static void a_sound_file_passes(void **state)
{
    struct spv_verify_report r;
    make_file(state);
    assert_int_equal(verify(&r, in_folder(state, "h.db")), 0);
    assert_true(r.filters_ok);
    assert_int_equal(r.filter_headers, 271);
    assert_int_equal(r.kept_filters, 51);
    assert_int_equal(r.valid_filter_header, 270);
    assert_int_equal(r.valid_filter, 250);
}

static void a_file_without_filter_headers_passes(void **state)
{
    struct spv_verify_report r;
    make_chain(in_folder(state, "h.db"), best, N);
    assert_int_equal(verify(&r, in_folder(state, "h.db")), 0);
    assert_true(r.filters_ok);
    assert_int_equal(r.valid_filter_header, -1);
    assert_int_equal(r.valid_filter, -1);
}

struct damage {
    const char *sql, *words;
    int64_t height; /* of the finding */
    int64_t good, valid_filter; /* afterwards: the highest filter header and kept filter */
    const char *kept;
};

#define FILTER(height, sql) "UPDATE block_filter SET filter = " sql " WHERE height = " #height
#define HEADER(height, sql) "UPDATE filter_header SET " sql " WHERE height = " #height
static const struct damage damages[] = {
    {HEADER(150, "header = zeroblob(32)"), "height 150 is not the hash of its filter hash", 150,
     149, -1, ""},
    {HEADER(230, "filter_hash = zeroblob(32)"), "height 230 is not the hash of its filter hash",
     230, 229, 229, "200-229"},
    {HEADER(50, "header = zeroblob(31)"), "filter header of height 50 is malformed", 50, 49, -1,
     ""},
    {HEADER(50, "header = 'text'"), "filter header of height 50 is malformed", 50, 49, -1, ""},
    {HEADER(210, "filter_hash = x''"), "filter header of height 210 is malformed", 210, 209, 209,
     "200-209"},
    {"DELETE FROM filter_header WHERE height = 210", "height 211 follows a gap", 211, 209, 209,
     "200-209"},
    /* without hashes only the link of the first that has one shows it */
    {HEADER(99, "header = zeroblob(32)"), "height 100 is not the hash", 100, 99, -1, ""},
    {HEADER(0, "header = zeroblob(32)"), "height 0 contradicts the built-in filter header", 0, -1,
     -1, ""},
    {"INSERT INTO filter_header SELECT height + 271, header, NULL FROM filter_header",
     "filter header of height 281 stands above the tip", 281, 280, 250, "200-250"},
    {"INSERT INTO filter_header VALUES (9223372036854775807, zeroblob(32), NULL)",
     "height 9,223,372,036,854,775,807 stands above the tip", -1, 270, 250, "200-250"},
    {"INSERT INTO filter_header VALUES (-5, zeroblob(32), NULL), (-4, zeroblob(32), NULL)",
     "filter header of height -5 stands below the chain's first", -1, 270, 250, "200-250"},
    {FILTER(220, "zeroblob(23)"), "kept filter of height 220 does not have its filter hash", 220,
     270, 219, "200-219"},
    {FILTER(220, "'text'"), "kept filter of height 220 is malformed", 220, 270, 219, "200-219"},
    {FILTER(221, "CAST(filter AS TEXT)"), "kept filter of height 221 is malformed", 221, 270, 220,
     "200-220"},
    {FILTER(200, "x''"), "kept filter of height 200 is malformed", 200, 270, -1, ""},
    {HEADER(250, "filter_hash = NULL"), "kept filter of height 250 has no filter hash", 250, 270,
     249, "200-249"},
    {"INSERT INTO block_filter VALUES (275, x'00')",
     "kept filter of height 275 has no valid filter header", 275, 270, 250, "200-250"},
    {"INSERT INTO block_filter VALUES (-1, x'00')", "kept filter of height -1 has no filter hash",
     -1, 270, -1, ""},
    {"DELETE FROM filter_header", "kept filter of height 200 has no valid filter header", 200, -1,
     -1, ""},
    {"UPDATE meta SET value = 50 WHERE key = 'kept_filters'",
     "totals of kept filters are wrong: there are 51 of 1,1", -1, 270, 250, "200-250"},
    {"UPDATE meta SET value = value + 1 WHERE key = 'kept_filter_bytes'", "totals of kept filters",
     -1, 270, 250, "200-250"},
    {"UPDATE meta SET value = 201 WHERE key = 'kept_filters_from'", "totals of kept filters", -1,
     270, 250, "200-250"},
    {"DELETE FROM meta WHERE key LIKE 'kept%'", "totals of kept filters", -1, 270, 250, "200-250"},
    {"DELETE FROM block_filter", "totals of kept filters are wrong: there are 0 of 0", -1, 270, -1,
     ""},
    {"DELETE FROM block_filter WHERE height = 230", "totals of kept filters", -1, 270, 250,
     "200-229,231-250"},
};

static void each_damage_is_found_and_repaired(void **state)
{
    make_file(state);
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        static struct spv_verify_report r;
        static struct spv_repair_report repaired;
        struct spv_error_info why = {.text = ""};
        const struct damage *d = &damages[i];
        const char *path = edited(state, d->sql);
        const struct spv_verify_config cfg = {.path = path, .params = regtest()};
        if (verify(&r, path) != SPV_ERR_DB_DAMAGED || !strstr(r.findings[0].text, d->words) ||
            r.findings[0].height != d->height)
            fail_msg("%s: %lld, %s", d->sql, (long long)r.findings[0].height, r.findings[0].text);
        assert_int_equal(r.total, 1); /* one finding a cause */
        assert_false(r.filters_ok);
        assert_true(r.pages_ok && r.branches_ok && r.addrs_ok && r.backfill_ok);
        assert_int_equal(r.valid_height, N); /* the headers are valid */
        if (spv_store_repair(&repaired, &cfg, &why) != 0)
            fail_msg("%s: %s", d->sql, why.text);
        assert_int_equal(repaired.outcome, SPV_REPAIR_REWOUND);
        assert_int_equal(repaired.height, N);
        assert_int_equal(repaired.lost, 0);
        assert_int_equal(verify(&r, path), 0);
        assert_int_equal(r.valid_filter_header, d->good);
        assert_int_equal(r.valid_filter, d->valid_filter);
        struct spv_store *s = must_open(path, SPV_STORE_READ);
        assert_kept(s, &filters, d->kept);
        assert_int_equal(spv_store_close(s), 0);
    }
}

static void filters_of_headers_that_a_repair_deletes_go_with_them(void **state)
{
    static struct spv_repair_report r;
    make_file(state);
    const char *path = edited(state, "UPDATE header SET nonce = nonce + 1 WHERE height = 221;"
                                     "UPDATE filter_header SET header = '' WHERE height = 240");
    struct spv_verify_config cfg = {.path = path, .params = regtest()};
    assert_int_equal(spv_store_repair(&r, &cfg, NULL), 0);
    assert_int_equal(r.height, 220);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_filters(s, &filters, 0, 220, 100);
    assert_kept(s, &filters, "200-220");
    assert_int_equal(spv_store_close(s), 0);
    path = edited(state, "UPDATE header SET nonce = nonce + 1 WHERE height = 0");
    cfg.path = path;
    assert_int_equal(spv_store_repair(&r, &cfg, NULL), 0);
    assert_int_equal(r.height, 0);
    s = must_open(path, SPV_STORE_WRITE);
    assert_no_filters(s);
    assert_int_equal(spv_store_close(s), 0);
}

/* At each opening a writer only looks at the last rows. */
static void damage_below_the_last_rows_is_left_to_a_verification(void **state)
{
    struct spv_verify_report r;
    const struct spv_filter_header *h = filters.headers;
    make_file(state);
    const char *path = edited(state, "UPDATE filter_header SET header = '' WHERE height = 69");
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    const struct spv_filter_db db = spv_store_filter_db(s);
    struct spv_filter_header got;
    uint32_t first;
    uint32_t last;
    assert_int_equal(db.range(db.ctx, &first, &last), 1);
    assert_int_equal(last, 270);
    assert_int_equal(db.headers(db.ctx, &got, NULL, 69, 1), SPV_ERR_DB_DAMAGED);
    assert_int_equal(db.headers(db.ctx, &got, NULL, 70, 1), 1);
    assert_memory_equal(&got, &h[70], sizeof got);
    assert_int_equal(spv_store_close(s), 0);
    assert_int_equal(verify(&r, path), SPV_ERR_DB_DAMAGED);
    path = edited(state, "UPDATE filter_header SET header = '' WHERE height = 70");
    s = must_open(path, SPV_STORE_WRITE); /* the first of the last 201 */
    assert_filters(s, &filters, 0, 69, 70);
    assert_int_equal(spv_store_close(s), 0);
}

struct seen {
    uint64_t done, total;
    int calls;
};

static int note_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct seen *seen = ctx;
    if (total > 0) {
        assert_true(done <= total);
        assert_true(done >= seen->done);
        seen->done = done;
        seen->total = total;
        seen->calls++;
    }
    return 0;
}

static int end_it(void *ctx, uint64_t done, uint64_t total)
{
    (void)total;
    return done > *(const uint64_t *)ctx;
}

/* 9,000 headers and as many filter headers are 18,000 rows: progress is reported every 4,096. */
static void progress_counts_filter_headers(void **state)
{
    enum { MANY = 9000 };
    static struct spv_chain_header many[MANY];
    static struct spv_filter_header headers[MANY + 1];
    static struct spv_verify_report r;
    struct seen seen = {.calls = 0};
    const char *path = in_folder(state, "h.db");
    make_filters(&filters, 1);
    headers[0] = filters.headers[0];
    make_chain(path, many, MANY);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    const struct spv_filter_update update = {
        .headers = headers, .n = MANY + 1, .last_block = many[MANY - 1].hash};
    assert_int_equal(spv_store_apply_filter_headers(s, &update), 0);
    assert_int_equal(spv_store_close(s), 0);
    struct spv_verify_config cfg = {
        .path = path, .params = regtest(), .progress = note_progress, .ctx = &seen};
    assert_int_equal(spv_store_verify(&r, &cfg, NULL), 0);
    assert_int_equal(seen.done, 4 * 4096);
    assert_int_equal(seen.total, 2 * (MANY + 1));
    assert_in_range(seen.calls, 4, 6);
    uint64_t end = 3 * 4096 - 1; /* among the filter headers */
    cfg.progress = end_it;
    cfg.ctx = &end;
    assert_int_equal(spv_store_verify(&r, &cfg, NULL), SPV_ERR_INTERRUPTED);
    assert_int_equal(r.headers + r.filter_headers, 3 * 4096);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        T(a_sound_file_passes),
        T(a_file_without_filter_headers_passes),
        T(each_damage_is_found_and_repaired),
        T(filters_of_headers_that_a_repair_deletes_go_with_them),
        T(damage_below_the_last_rows_is_left_to_a_verification),
        T(progress_counts_filter_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
