/* Stored filter headers: the run, what does not fit it, and what a change of the chain deletes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "filter_fixture.h"
#include "spv/filter.h"
#include "start_fixture.h"

#define N 60 /* headers of the chain above genesis */

static struct spv_chain_header best[N + 10]; /* best[i] has height i + 1 */
static struct filter_chain filters;

static struct spv_store *begin(void **state)
{
    const char *path = in_folder(state, "h.db");
    make_chain(path, best, N);
    make_filters(&filters, 1);
    return must_open(path, SPV_STORE_WRITE);
}

static void filter_headers_are_stored_and_read_back(void **state)
{
    struct spv_store *s = begin(state);
    assert_no_filters(s);
    assert_int_equal(add_filters(s, &filters, 0, 1, true), 0);
    assert_filters(s, &filters, 0, 0, 0);
    assert_int_equal(add_filters(s, &filters, 1, 40, true), 0);
    assert_int_equal(add_filters(s, &filters, 41, N - 40, true), 0); /* up to the tip */
    assert_filters(s, &filters, 0, N, 0);
    assert_int_equal(spv_store_close(s), 0);
    for (int mode = SPV_STORE_READ; mode <= SPV_STORE_CREATE; mode++) {
        s = must_open(in_folder(state, "h.db"), (enum spv_store_mode)mode);
        assert_filters(s, &filters, 0, N, 0);
        assert_int_equal(spv_store_close(s), 0);
    }
}

static void a_part_of_the_run_is_read(void **state)
{
    struct spv_store *s = begin(state);
    const struct spv_filter_db db = spv_store_filter_db(s);
    struct spv_filter_header headers[10];
    struct spv_filter_hash hashes[10];
    assert_int_equal(add_filters(s, &filters, 0, 30, true), 0);
    assert_int_equal(db.headers(db.ctx, headers, hashes, 7, 10), 10);
    assert_memory_equal(headers, filters.headers + 7, sizeof headers);
    assert_memory_equal(hashes, filters.hashes + 7, sizeof hashes);
    assert_int_equal(db.headers(db.ctx, headers, hashes, 25, 10), 5);
    assert_int_equal(db.headers(db.ctx, headers, hashes, 7, 0), 0);
    assert_int_equal(db.headers(db.ctx, NULL, NULL, 7, UINT32_MAX), 23);
    assert_int_equal(db.headers(db.ctx, headers, hashes, UINT32_MAX, UINT32_MAX), 0);
    assert_int_equal(spv_store_close(s), 0);
}

static void each_update_that_does_not_fit_is_refused(void **state)
{
    struct spv_store *s = begin(state);
    struct spv_chain_header fork[2];
    static struct filter_chain other;
    assert_int_equal(add_filters(s, &filters, 0, 31, true), 0);
    extend(fork, &best[38], 2, 9);
    assert_int_equal(apply(s, SPV_UPDATE_BRANCH, 39, 0, fork, 2), 0);
    make_filters(&other, 2);
    const struct {
        const char *word;
        uint32_t first;
        size_t n;
        const struct filter_chain *from;
        const struct spv_blockhash *last_block;
        int err;
    } cases[] = {
        {"do not follow the highest", 32, 9, &filters, &best[39].hash, SPV_ERR_STATE},
        {"do not follow the highest", 30, 11, &filters, &best[39].hash, SPV_ERR_STATE},
        {"do not follow the highest", 0, 41, &filters, &best[39].hash, SPV_ERR_STATE},
        {"end above the tip", 31, N - 29, &filters, &best[N - 1].hash, SPV_ERR_STATE},
        {"end above the tip", UINT32_MAX, 2, &filters, &best[N - 1].hash, SPV_ERR_STATE},
        {"end above the tip", 31, SIZE_MAX, &filters, &best[N - 1].hash, SPV_ERR_STATE},
        {"not on the best chain", 31, 10, &filters, &best[38].hash, SPV_ERR_STATE},
        {"not on the best chain", 31, 10, &filters, &fork[0].hash, SPV_ERR_STATE},
        {"does not follow the filter header below", 31, 10, &other, &best[39].hash, SPV_ERR_STATE},
        {"without filter headers", 31, 0, &filters, &best[39].hash, SPV_ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint32_t at = cases[i].first % FILTERS_MAX;
        const struct spv_filter_update update = {.first = cases[i].first,
                                                 .headers = cases[i].from->headers + at,
                                                 .hashes = cases[i].from->hashes + at,
                                                 .n = cases[i].n,
                                                 .last_block = *cases[i].last_block};
        for (int deferred = 0; deferred <= 1; deferred++) {
            int rc = deferred ? spv_store_apply_filter_headers_deferred(s, &update)
                              : spv_store_apply_filter_headers(s, &update);
            if (rc != cases[i].err || !strstr(spv_store_last_error(s), cases[i].word))
                fail_msg("case %zu: %d, %s", i, rc, spv_store_last_error(s));
            assert_filters(s, &filters, 0, 30, 0);
        }
    }
    assert_int_equal(add_filters(s, &filters, 31, 10, true), 0);
    assert_int_equal(spv_store_close(s), 0);
    s = must_open(in_folder(state, "h.db"), SPV_STORE_READ);
    assert_int_equal(add_filters(s, &filters, 41, 1, true), SPV_ERR_DB_READONLY);
    assert_int_equal(spv_store_drop_filter_headers(s, 0), SPV_ERR_DB_READONLY);
    assert_filters(s, &filters, 0, 40, 0);
    assert_int_equal(spv_store_close(s), 0);
}

static void filter_headers_without_hashes_are_taken_on_the_callers_word(void **state)
{
    struct spv_store *s = begin(state);
    static struct filter_chain other;
    fork_filters(&other, &filters, 19, 2);
    assert_int_equal(add_filters(s, &filters, 0, 20, false), 0);
    assert_filters(s, &filters, 0, 19, 20);
    assert_int_equal(add_filters(s, &other, 20, 5, false), 0);
    assert_filters(s, &other, 0, 24, 25);
    assert_int_equal(add_filters(s, &filters, 25, 5, true), SPV_ERR_STATE); /* links to others */
    assert_int_equal(add_filters(s, &other, 25, 5, true), 0);
    assert_filters(s, &other, 0, 29, 25);
    assert_int_equal(spv_store_close(s), 0);
}

/* A run that begins with a built-in filter header of height 10; there is one of height 40, too. */
static void a_run_begins_at_genesis_or_at_a_built_in_filter_header(void **state)
{
    struct spv_params params = *regtest();
    const char *path = in_folder(state, "h.db");
    static struct filter_chain other;
    assert_int_equal(spv_store_close(begin(state)), 0);
    fork_filters(&other, &filters, 35, 2);
    const struct spv_filter_checkpoint built_in[] = {{10, filters.headers[10]},
                                                     {40, filters.headers[40]}};
    params.filter_checkpoints = built_in;
    params.n_filter_checkpoints = 2;
    struct spv_store *s = open_with(path, SPV_STORE_WRITE, &params);
    for (uint32_t from = 1; from < 45; from++)
        if (from != 10 && from != 11 && from != 40 && from != 41)
            assert_int_equal(add_filters(s, &filters, from, 1, true), SPV_ERR_STATE);
    assert_non_null(strstr(spv_store_last_error(s), "neither at genesis nor at a built-in"));
    assert_int_equal(add_filters(s, &other, 40, 1, false), SPV_ERR_STATE);
    assert_int_equal(add_filters(s, &filters, 10, 1, false), 0);
    assert_int_equal(add_filters(s, &filters, 11, 25, true), 0);
    assert_filters(s, &filters, 10, 35, 11);
    /* the links of these are right, but for the built-in filter header */
    assert_int_equal(add_filters(s, &other, 36, 10, true), SPV_ERR_STATE);
    assert_non_null(strstr(spv_store_last_error(s), "contradicts the built-in filter header"));
    assert_int_equal(add_filters(s, &other, 36, 5, true), SPV_ERR_STATE);
    assert_int_equal(add_filters(s, &other, 36, 4, true), 0); /* ends below it */
    assert_int_equal(add_filters(s, &other, 40, 4, true), SPV_ERR_STATE);
    assert_int_equal(spv_store_drop_filter_headers(s, 36), 0);
    assert_int_equal(add_filters(s, &filters, 36, 10, true), 0);
    assert_filters(s, &filters, 10, 45, 11);
    assert_int_equal(spv_store_drop_filter_headers(s, 0), 0);
    assert_no_filters(s);
    assert_int_equal(add_filters(s, &filters, 0, 20, true), 0);
    assert_int_equal(spv_store_close(s), 0);
}

/* A sync starts from a filter header that it knows: that one is stored with the first above it. */
static void a_run_may_begin_right_above_a_built_in_filter_header(void **state)
{
    static struct filter_chain other;
    struct spv_store *s = begin(state); /* regtest has that of genesis */
    make_filters(&other, 2);
    other.headers[0].b[7] ^= 1;
    assert_int_equal(add_filters(s, &other, 0, 1, false), SPV_ERR_STATE);
    fork_filters(&other, &other, 0, 2); /* on a wrong one */
    assert_int_equal(add_filters(s, &other, 1, 30, true), SPV_ERR_STATE);
    assert_non_null(strstr(spv_store_last_error(s), "does not follow the filter header below"));
    assert_no_filters(s);
    assert_int_equal(add_filters(s, &filters, 1, 30, true), 0);
    assert_filters(s, &filters, 0, 30, 1);
    assert_int_equal(spv_store_drop_filter_headers(s, 0), 0);
    struct spv_chain_header block;
    assert_int_equal(spv_store_by_height(s, &block, 20), 1);
    const struct spv_filter_update update = {.first = 1,
                                             .headers = filters.headers + 1,
                                             .hashes = filters.hashes + 1,
                                             .n = 20,
                                             .last_block = block.hash};
    assert_int_equal(spv_store_apply_filter_headers_deferred(s, &update), 0);
    assert_filters(s, &filters, 0, 20, 1);
    assert_int_equal(spv_store_close(s), 0);
}

static void dropping_deletes_from_a_height_on(void **state)
{
    struct spv_store *s = begin(state);
    assert_int_equal(add_filters(s, &filters, 0, 31, true), 0);
    for (uint32_t h = 20; h <= 30; h++)
        assert_int_equal(keep(s, &filters, h, UINT64_MAX), 1);
    assert_int_equal(spv_store_drop_filter_headers(s, 31), 0);
    assert_filters(s, &filters, 0, 30, 0);
    assert_int_equal(spv_store_drop_filter_headers(s, 25), 0);
    assert_filters(s, &filters, 0, 24, 0);
    assert_kept(s, &filters, "20-24");
    for (uint32_t h = 7; h <= 12; h++)
        assert_int_equal(keep(s, &filters, h, UINT64_MAX), 1);
    assert_int_equal(spv_store_drop_filter_headers(s, 15), 0); /* the whole last run goes */
    assert_kept(s, &filters, "7-12");
    assert_int_equal(spv_store_drop_filter_headers(s, 0), 0);
    assert_no_filters(s);
    assert_int_equal(spv_store_close(s), 0);
}

static int add_deferred(struct spv_store *s, uint32_t from, size_t n)
{
    struct spv_chain_header block;
    assert_int_equal(spv_store_by_height(s, &block, from + (uint32_t)n - 1), 1);
    const struct spv_filter_update update = {.first = from,
                                             .headers = filters.headers + from,
                                             .hashes = filters.hashes + from,
                                             .n = n,
                                             .last_block = block.hash};
    return spv_store_apply_filter_headers_deferred(s, &update);
}

static void deferred_filter_headers_share_a_transaction_with_headers(void **state)
{
    struct spv_store *s = begin(state);
    struct spv_store *reader = must_open(in_folder(state, "h.db"), SPV_STORE_READ);
    extend(best + N, &best[N - 1], 10, 0);
    struct spv_chain_update more = {
        .kind = SPV_UPDATE_APPEND, .fork_height = N, .headers = best + N, .n = 5};
    assert_int_equal(add_deferred(s, 0, 30), 0);
    assert_int_equal(spv_store_apply_deferred(s, &more), 0);
    assert_int_equal(add_deferred(s, 30, N + 6 - 30), 0); /* blocks of the same transaction */
    assert_filters(s, &filters, 0, N + 5, 0);
    assert_no_filters(reader);
    assert_int_equal(spv_store_commit(s), 0);
    assert_filters(reader, &filters, 0, N + 5, 0);
    assert_chain(reader, best, N + 5);
    /* a row that must not exist makes the next one fail, and undoes the headers, too */
    more = (struct spv_chain_update){
        .kind = SPV_UPDATE_APPEND, .fork_height = N + 5, .headers = best + N + 5, .n = 5};
    assert_int_equal(spv_store_apply_deferred(s, &more), 0);
    assert_int_equal(spv_store_commit(s), 0);
    assert_int_equal(spv_store_drop_filter_headers(s, N), 0);
    run_sql(in_folder(state, "h.db"), "INSERT INTO filter_header SELECT 64, header, filter_hash"
                                      " FROM filter_header WHERE height = 3");
    assert_int_equal(add_deferred(s, N, 5), SPV_ERR_STATE); /* the run ends at 64 now */
    run_sql(in_folder(state, "h.db"), "DELETE FROM filter_header WHERE height = 64");
    assert_int_equal(add_deferred(s, N, 2), 0);
    assert_int_equal(spv_store_close(s), 0);
    assert_filters(reader, &filters, 0, N + 1, 0); /* closing commits */
    assert_int_equal(spv_store_close(reader), 0);
}

static void many_deferred_filter_headers_are_committed(void **state)
{
    const size_t n = SPV_STORE_GROUP_COMMIT;
    struct spv_chain_header *many = test_calloc(n, sizeof *many);
    struct spv_filter_header *headers = test_calloc(n + 1, sizeof *headers);
    const char *path = in_folder(state, "h.db");
    make_chain(path, many, n);
    make_filters(&filters, 1);
    headers[0] = filters.headers[0];
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    struct spv_store *reader = must_open(path, SPV_STORE_READ);
    struct spv_filter_update update = {
        .headers = headers, .n = n - 1, .last_block = many[n - 3].hash};
    assert_int_equal(spv_store_apply_filter_headers_deferred(s, &update), 0);
    assert_no_filters(reader);
    update = (struct spv_filter_update){.first = (uint32_t)n - 1,
                                        .headers = headers + n - 1,
                                        .n = 1,
                                        .last_block = many[n - 2].hash};
    assert_int_equal(spv_store_apply_filter_headers_deferred(s, &update), 0);
    const struct spv_filter_db db = spv_store_filter_db(reader);
    uint32_t first;
    uint32_t last;
    assert_int_equal(db.range(db.ctx, &first, &last), 1);
    assert_int_equal(last, n - 1);
    test_free(headers);
    test_free(many);
    assert_int_equal(spv_store_close(reader), 0);
    assert_int_equal(spv_store_close(s), 0);
}

static void a_reorganisation_deletes_what_is_above_the_fork(void **state)
{
    struct spv_store *s = begin(state);
    struct spv_chain_header fork[N];
    static struct filter_chain other;
    assert_int_equal(add_filters(s, &filters, 0, 51, true), 0);
    for (uint32_t h = 30; h <= 50; h++)
        assert_int_equal(keep(s, &filters, h, UINT64_MAX), 1);
    extend(fork, &best[54], N - 50, 5);
    assert_int_equal(apply(s, SPV_UPDATE_BRANCH, 55, 0, fork, 3), 0);
    assert_int_equal(apply(s, SPV_UPDATE_REORG, 55, N - 55, fork, N - 50), 0);
    assert_filters(s, &filters, 0, 50, 0); /* above the run nothing is deleted */
    assert_kept(s, &filters, "30-50");
    extend(fork, &best[39], N - 30, 6);
    assert_int_equal(apply(s, SPV_UPDATE_REORG, 40, N + 5 - 40, fork, N - 30), 0);
    assert_filters(s, &filters, 0, 40, 0);
    assert_kept(s, &filters, "30-40");
    fork_filters(&other, &filters, 40, 2);
    assert_int_equal(add_filters(s, &other, 41, N - 31, true), 0);
    assert_filters(s, &other, 0, N + 9, 0);
    assert_int_equal(keep(s, &other, 41, UINT64_MAX), 1);
    extend(fork, &best[9], N, 7);
    assert_int_equal(apply(s, SPV_UPDATE_REORG, 10, N, fork, N), 0);
    assert_filters(s, &filters, 0, 10, 0);
    assert_kept(s, &filters, "");
    assert_int_equal(spv_store_close(s), 0);
    struct spv_verify_report r;
    const struct spv_verify_config cfg = {.path = in_folder(state, "h.db")};
    assert_int_equal(spv_store_verify(&r, &cfg, NULL), 0);
}

static void pruning_deletes_below_the_start_and_a_backfill_keeps_the_rest(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_store *s = start_fixture_open(path, SPV_STORE_CREATE);
    make_filters(&filters, 1);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 0, 0, base_chain + 1, 90), 0);
    assert_int_equal(add_filters(s, &filters, 0, 81, true), 0);
    for (uint32_t h = 30; h <= 45; h++)
        assert_int_equal(keep(s, &filters, h, UINT64_MAX), 1);
    assert_int_equal(spv_store_prune(s, 40, NULL), 0);
    assert_filters(s, &filters, 40, 80, 40);
    assert_kept(s, &filters, "40-45");
    assert_int_equal(spv_store_close(s), 0);
    s = start_fixture_open(path, SPV_STORE_WRITE);
    assert_filters(s, &filters, 40, 80, 40);
    assert_int_equal(add_filters(s, &filters, 81, 5, true), 0);
    assert_int_equal(apply(s, SPV_UPDATE_BACKFILL, 0, 0, base_chain + 1, 39), 0);
    assert_filters(s, &filters, 40, 85, 40);
    assert_kept(s, &filters, "40-45");
    assert_int_equal(spv_store_close(s), 0);
    s = start_fixture_open(path, SPV_STORE_WRITE);
    assert_filters(s, &filters, 40, 85, 40);
    assert_int_equal(spv_store_close(s), 0);
}

static void a_start_at_a_checkpoint_begins_above_its_start(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_params params = base_params;
    make_filters(&filters, 1);
    const struct spv_filter_checkpoint built_in[] = {{30, filters.headers[30]},
                                                     {50, filters.headers[50]}};
    params.filter_checkpoints = built_in;
    params.n_filter_checkpoints = 2;
    struct spv_store *s = open_with(path, SPV_STORE_CREATE, &params);
    assert_int_equal(add_filters(s, &filters, 0, 1, true), 0); /* that of genesis */
    assert_int_equal(
        apply(s, SPV_UPDATE_CHECKPOINT_START, BASE - 1, 0, base_chain + BASE, 3 * PERIOD), 0);
    assert_no_filters(s);
    assert_int_equal(add_filters(s, &filters, 30, 20, false), SPV_ERR_STATE);
    assert_non_null(strstr(spv_store_last_error(s), "below the first header of the chain"));
    assert_int_equal(add_filters(s, &filters, 0, 1, true), SPV_ERR_STATE);
    assert_int_equal(add_filters(s, &filters, 51, 10, true), 0); /* with that of height 50 */
    assert_filters(s, &filters, 50, 60, 51);
    assert_int_equal(spv_store_close(s), 0);
}

static void a_bad_tail_is_cut_when_a_writer_opens(void **state)
{
    static const struct {
        const char *sql;
        int last; /* -1: no filter header is left */
        const char *kept;
    } cases[] = {
        {"", 50, "40-50"},
        {"UPDATE filter_header SET header = zeroblob(32) WHERE height = 50", 49, "40-49"},
        {"UPDATE filter_header SET filter_hash = zeroblob(32) WHERE height = 44", 43, "40-43"},
        {"UPDATE filter_header SET header = 'text' WHERE height = 45", 44, "40-44"},
        {"UPDATE filter_header SET filter_hash = x'00' WHERE height = 45", 44, "40-44"},
        {"DELETE FROM filter_header WHERE height = 48", 47, "40-47"},
        {"UPDATE filter_header SET filter_hash = NULL, header = zeroblob(32) WHERE height = 20", 20,
         ""}, /* the row above does not link to it */
        {"INSERT INTO filter_header VALUES (9223372036854775807, zeroblob(32), NULL)", 50, "40-50"},
        {"INSERT INTO filter_header VALUES (-1, zeroblob(32), NULL)", 50, "40-50"},
        {"INSERT INTO filter_header SELECT height + 51, header, NULL FROM filter_header", 60,
         "40-50"}, /* up to the tip they may be right */
        {"INSERT INTO block_filter VALUES (-1, x'00'), (4294967296, x'00')", 50, "40-50"},
        {"DELETE FROM filter_header WHERE height < 42", 50, "42-50"},
        {"DELETE FROM filter_header", -1, ""},
        {"DELETE FROM header WHERE height > 45", 45, "40-45"},
        {"UPDATE header SET nonce = nonce + 1 WHERE height = 30", 29, ""},
        {"UPDATE meta SET value = 2 WHERE key = 'kept_filters'; DELETE FROM filter_header"
         " WHERE height > 46",
         46, "40-46"},
    };
    struct spv_store *s = begin(state);
    assert_int_equal(add_filters(s, &filters, 0, 51, true), 0);
    for (uint32_t h = 40; h <= 50; h++)
        assert_int_equal(keep(s, &filters, h, UINT64_MAX), 1);
    assert_int_equal(spv_store_close(s), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = in_folder(state, "copy.db");
        (void)remove(in_folder(state, "copy.db-wal"));
        copy_file(in_folder(state, "h.db"), path);
        run_sql(path, cases[i].sql);
        s = must_open(path, SPV_STORE_WRITE);
        const struct spv_filter_db db = spv_store_filter_db(s);
        uint32_t first = 0;
        uint32_t last = 0;
        print_message("%s\n", cases[i].sql);
        assert_int_equal(db.range(db.ctx, &first, &last), cases[i].last >= 0);
        if (cases[i].last >= 0)
            assert_int_equal(last, cases[i].last);
        assert_kept(s, &filters, cases[i].kept);
        assert_int_equal(spv_store_close(s), 0);
    }
}

static void malformed_rows_are_damage_when_read(void **state)
{
    static const struct {
        const char *sql;
        uint32_t from;
        int range;
    } cases[] = {
        {"UPDATE filter_header SET header = zeroblob(31) WHERE height = 12", 8, 1},
        {"UPDATE filter_header SET header = 'x' WHERE height = 8", 8, 1},
        {"UPDATE filter_header SET filter_hash = zeroblob(33) WHERE height = 12", 8, 1},
        {"DELETE FROM filter_header WHERE height = 12", 8, 1},
        {"INSERT INTO filter_header VALUES (-1, zeroblob(32), NULL);"
         "UPDATE filter_header SET header = '' WHERE height = 9",
         9, SPV_ERR_DB_DAMAGED},
        {"INSERT INTO filter_header VALUES (4294967296, zeroblob(32), NULL);"
         "UPDATE filter_header SET header = '' WHERE height = 9",
         9, SPV_ERR_DB_DAMAGED},
    };
    struct spv_store *s = begin(state);
    assert_int_equal(add_filters(s, &filters, 0, 51, true), 0);
    assert_int_equal(spv_store_close(s), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct spv_filter_header headers[20];
        uint32_t first;
        uint32_t last;
        const char *path = in_folder(state, "copy.db");
        (void)remove(in_folder(state, "copy.db-wal"));
        copy_file(in_folder(state, "h.db"), path);
        run_sql(path, cases[i].sql);
        s = must_open(path, SPV_STORE_READ);
        const struct spv_filter_db db = spv_store_filter_db(s);
        assert_int_equal(db.headers(db.ctx, headers, NULL, cases[i].from, 20), SPV_ERR_DB_DAMAGED);
        assert_non_null(strstr(spv_store_last_error(s), "spv-db repair"));
        assert_int_equal(db.range(db.ctx, &first, &last), cases[i].range);
        assert_int_equal(spv_store_close(s), 0);
    }
}

static void a_snapshot_of_the_headers_covers_filter_headers(void **state)
{
    struct spv_store *s = begin(state);
    struct spv_store *reader = must_open(in_folder(state, "h.db"), SPV_STORE_READ);
    const struct spv_header_db headers = spv_store_header_db(reader);
    struct spv_chain_header fork[N];
    assert_int_equal(add_filters(s, &filters, 0, 41, true), 0);
    assert_int_equal(headers.begin_read(headers.ctx), 0);
    assert_filters(reader, &filters, 0, 40, 0);
    extend(fork, &best[29], N, 5);
    assert_int_equal(apply(s, SPV_UPDATE_REORG, 30, N - 30, fork, N - 20), 0);
    assert_filters(s, &filters, 0, 30, 0);
    assert_filters(reader, &filters, 0, 40, 0);
    headers.end_read(headers.ctx);
    assert_filters(reader, &filters, 0, 30, 0);
    assert_int_equal(spv_store_close(reader), 0);
    assert_int_equal(spv_store_close(s), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        T(filter_headers_are_stored_and_read_back),
        T(a_part_of_the_run_is_read),
        T(each_update_that_does_not_fit_is_refused),
        T(filter_headers_without_hashes_are_taken_on_the_callers_word),
        T(a_run_begins_at_genesis_or_at_a_built_in_filter_header),
        T(a_run_may_begin_right_above_a_built_in_filter_header),
        T(dropping_deletes_from_a_height_on),
        T(deferred_filter_headers_share_a_transaction_with_headers),
        T(many_deferred_filter_headers_are_committed),
        T(a_reorganisation_deletes_what_is_above_the_fork),
        T(pruning_deletes_below_the_start_and_a_backfill_keeps_the_rest),
        T(a_start_at_a_checkpoint_begins_above_its_start),
        T(a_bad_tail_is_cut_when_a_writer_opens),
        T(malformed_rows_are_damage_when_read),
        T(a_snapshot_of_the_headers_covers_filter_headers),
    };
    start_fixture_prepare();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
