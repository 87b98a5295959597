/* The rules of an import of filter headers, with files in memory and a database in a temporary
 * folder. Regtest has built-in filter headers of heights 0, 2500 and 6000 here. */
#define _GNU_SOURCE /* memfd_create, mkdtemp */
#include "support/unit.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli.h"
#include "import_filters.h"
#include "spv/export_rows.h"
#include "spv/filter.h"
#include "spv/mine.h"

#define TOP 7000 /* of the chain */

static struct spv_chain_header blocks[TOP + 1];
static struct spv_filter_header headers[TOP + 1];
static struct spv_params params;
static struct spv_filter_checkpoint built_in[3];
static char message[4096]; /* what the last import wrote to standard error */

static int keep_block(void *ctx, const struct spv_chain_header *block)
{
    (void)ctx;
    blocks[block->height] = *block;
    return 0;
}

static int set_up(void **state)
{
    const struct spv_chain_config cfg = {.params = spv_params_get(SPV_REGTEST)};
    const struct spv_mine_plan plan = {.n = TOP, .spacing = 60, .seed = 1, .on_header = keep_block};
    struct spv_chain *chain = NULL;
    (void)state;
    assert_int_equal(spv_chain_new(&chain, &cfg), 0);
    blocks[0] = *spv_chain_tip(chain);
    assert_int_equal(spv_mine_chain(chain, &plan), 0);
    spv_chain_free(chain);
    headers[0] = cfg.params->filter_checkpoints[0].header;
    for (uint32_t h = 1; h <= TOP; h++) {
        struct spv_filter_hash hash = {{1}};
        memcpy(hash.b, &h, sizeof h);
        spv_filter_compute_header(&headers[h], &hash, &headers[h - 1]);
    }
    static const uint32_t heights[] = {0, 2500, 6000};
    for (size_t i = 0; i < 3; i++)
        built_in[i] = (struct spv_filter_checkpoint){heights[i], headers[heights[i]]};
    params = *cfg.params;
    params.filter_checkpoints = built_in;
    params.n_filter_checkpoints = 3;
    params.target_timespan = 10 * params.target_spacing; /* pruning goes by periods */
    return 0;
}

struct temp_db {
    char folder[64];
    char db[96];
};

static int setup(void **state)
{
    static struct temp_db b;
    struct spv_store *s = NULL;
    const struct spv_store_config cfg = {.path = b.db, .params = &params, .mode = SPV_STORE_CREATE};
    (void)snprintf(b.folder, sizeof b.folder, "/tmp/spv-import-XXXXXX");
    assert_non_null(mkdtemp(b.folder));
    (void)snprintf(b.db, sizeof b.db, "%s/headers.db", b.folder);
    assert_int_equal(spv_store_open(&s, &cfg, NULL), 0);
    const struct spv_chain_update update = {
        .kind = SPV_UPDATE_APPEND, .headers = blocks + 1, .n = TOP};
    assert_int_equal(spv_store_apply(s, &update), 0);
    assert_int_equal(spv_store_close(s), 0);
    *state = &b;
    return 0;
}

static int teardown(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
    const struct temp_db *b = *state;
    char name[128];
    for (size_t i = 0; i < COUNT(suffixes); i++) {
        (void)snprintf(name, sizeof name, "%s%s", b->db, suffixes[i]);
        (void)unlink(name);
    }
    return rmdir(b->folder);
}

static struct spv_store *open_db(const struct temp_db *b)
{
    struct spv_store *s = NULL;
    const struct spv_store_config cfg = {.path = b->db, .params = &params, .mode = SPV_STORE_WRITE};
    assert_int_equal(spv_store_open(&s, &cfg, NULL), 0);
    return s;
}

/* Standard error into `message`. */
static int run_quietly(struct import_filters *i)
{
    const int saved = dup(STDERR_FILENO);
    const int file = memfd_create("errors", 0);
    (void)fflush(stderr);
    assert_true(dup2(file, STDERR_FILENO) >= 0);
    const int rc = import_filters_run(i);
    (void)fflush(stderr);
    const ssize_t n = pread(file, message, sizeof message - 1, 0);
    message[n > 0 ? n : 0] = '\0';
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(file);
    (void)close(saved);
    return rc;
}

/* Imports a file; *out has the counts and the run afterwards, whatever the import returns. */
static int import(const struct temp_db *b, const void *bytes, size_t n, struct import_filters *out)
{
    char path[64];
    const int fd = memfd_create("filter-headers", 0);
    struct import_filters i = {.store = open_db(b), .quiet = true};
    assert_int_equal(write(fd, bytes, n), n);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    assert_int_equal(spv_import_new_filter_headers(&i.decoder, &params, SPV_IMPORT_AUTO), 0);
    assert_int_equal(input_open(&i.in, path), CLI_DONE);
    const int rc = run_quietly(&i);
    *out = i;
    input_close(i.in);
    spv_import_free(i.decoder);
    const struct spv_filter_db db = spv_store_filter_db(i.store);
    out->any = db.range(db.ctx, &out->first, &out->last) > 0;
    struct spv_filter_header got[TOP + 1];
    if (out->any) {
        const uint32_t rows = out->last - out->first + 1;
        assert_int_equal(db.headers(db.ctx, got, NULL, out->first, rows), rows);
        assert_memory_equal(got, headers + out->first, rows * sizeof got[0]);
    }
    assert_int_equal(spv_store_close(i.store), 0);
    (void)close(fd);
    return rc;
}

/* A file for neutrino of heights from..to. */
static int import_heights(const struct temp_db *b, uint32_t from, uint32_t to,
                          struct import_filters *out)
{
    static uint8_t file[10 + sizeof headers];
    memcpy(file, params.net.magic, 4);
    file[4] = 0;
    file[5] = 1;
    for (unsigned i = 0; i < 4; i++)
        file[6 + i] = (uint8_t)(from >> (8 * i));
    memcpy(file + 10, headers + from, (to - from + 1) * sizeof headers[0]);
    return import(b, file, 10 + (to - from + 1) * sizeof headers[0], out);
}

static void assert_run(const struct import_filters *i, uint32_t first, uint32_t last)
{
    assert_true(i->any);
    assert_int_equal(i->first, first);
    assert_int_equal(i->last, last);
}

static void a_file_from_genesis_is_stored_without_hashes(void **state)
{
    struct import_filters a;
    struct spv_filter_hash hash;
    assert_int_equal(import(*state, headers, sizeof headers, &a), CLI_DONE);
    assert_int_equal(a.added, TOP + 1);
    assert_int_equal(a.known, 0);
    assert_run(&a, 0, TOP);
    struct spv_store *s = open_db(*state);
    const struct spv_filter_db db = spv_store_filter_db(s);
    for (uint32_t h = 0; h <= TOP; h += 500)
        assert_int_equal(db.headers(db.ctx, NULL, &hash, h, 1), 0);
    assert_int_equal(spv_store_close(s), 0);
}

static void stored_rows_are_known_and_the_others_added(void **state)
{
    struct import_filters a;
    assert_int_equal(import_heights(*state, 0, 2999, &a), CLI_DONE);
    assert_int_equal(import_heights(*state, 0, 4500, &a), CLI_DONE);
    assert_int_equal(a.added, 1501);
    assert_int_equal(a.known, 3000);
    assert_int_equal(import_heights(*state, 4501, 5000, &a), CLI_DONE); /* continues it */
    assert_int_equal(a.added, 500);
    assert_int_equal(import_heights(*state, 3333, 5500, &a), CLI_DONE); /* begins inside */
    assert_int_equal(a.added, 500);
    assert_int_equal(a.known, 1668);
    assert_int_equal(import_heights(*state, 100, 200, &a), CLI_DONE);
    assert_int_equal(a.added, 0);
    assert_int_equal(a.known, 101);
    assert_run(&a, 0, 5500);
}

static void a_file_may_begin_at_a_built_in_filter_header(void **state)
{
    struct import_filters a;
    assert_int_equal(import_heights(*state, 2500, 5000, &a), CLI_DONE);
    assert_run(&a, 2500, 5000);
    assert_int_equal(a.added, 2501);
    /* one from genesis is compared, and what is below the run skipped */
    assert_int_equal(import(*state, headers, sizeof headers, &a), CLI_DONE);
    assert_int_equal(a.below, 2500);
    assert_int_equal(a.known, 2501);
    assert_int_equal(a.added, TOP - 5000);
    assert_run(&a, 2500, TOP);
}

static void a_file_that_begins_elsewhere_is_refused(void **state)
{
    struct import_filters a;
    static const uint32_t heights[] = {1, 2499, 2501, 6001};
    for (size_t i = 0; i < COUNT(heights); i++) {
        assert_int_equal(import_heights(*state, heights[i], TOP, &a), CLI_FAILED);
        assert_false(a.any);
        assert_non_null(strstr(message, "nothing shows whether its filter headers are right"));
    }
    assert_int_equal(import_heights(*state, 2500, 3000, &a), CLI_DONE);
    assert_int_equal(import_heights(*state, 3002, TOP, &a), CLI_FAILED); /* leaves a gap */
    assert_non_null(strstr(message, "but the stored filter headers end at 3,000"));
    assert_int_equal(import_heights(*state, 2499, TOP, &a), CLI_FAILED);
    assert_non_null(strstr(message, "or at heights 2,500 to 3,001"));
    assert_run(&a, 2500, 3000);
    /* a built-in one above the run leaves a gap, too */
    assert_int_equal(import_heights(*state, 6000, TOP, &a), CLI_FAILED);
    assert_non_null(strstr(message, "but the stored filter headers end at 3,000"));
    assert_run(&a, 2500, 3000);
}

static void a_file_that_contradicts_a_built_in_filter_header_leaves_nothing(void **state)
{
    static struct spv_filter_header wrong[TOP + 1];
    struct import_filters a;
    memcpy(wrong, headers, sizeof wrong);
    memset(&wrong[6000], 7, sizeof wrong[0]);
    assert_int_equal(import(*state, wrong, sizeof wrong, &a), CLI_FAILED);
    assert_non_null(strstr(message, "byte 192000: the filter header of height 6,000 is 0707"));
    assert_non_null(strstr(message, "the built-in one"));
    assert_non_null(strstr(message, "None of its filter headers were added"));
    assert_false(a.any);
    /* what was stored before stays */
    assert_int_equal(import_heights(*state, 0, 3000, &a), CLI_DONE);
    assert_int_equal(import(*state, wrong, sizeof wrong, &a), CLI_FAILED);
    assert_run(&a, 0, 3000);
    memset(&wrong[2500], 7, sizeof wrong[0]);
    assert_int_equal(import(*state, wrong, sizeof wrong, &a), CLI_FAILED);
    assert_non_null(strstr(message, "height 2,500"));
    assert_run(&a, 0, 3000);
}

static void a_file_that_contradicts_the_stored_ones_is_refused(void **state)
{
    static struct spv_filter_header wrong[TOP + 1];
    struct import_filters a;
    memcpy(wrong, headers, sizeof wrong);
    memset(&wrong[1000], 7, sizeof wrong[0]);
    assert_int_equal(import_heights(*state, 0, 1000, &a), CLI_DONE);
    assert_int_equal(import(*state, wrong, sizeof wrong, &a), CLI_FAILED);
    assert_non_null(strstr(message, "the filter header of height 1,000 is 0707"));
    assert_non_null(strstr(message, "the stored one"));
    assert_run(&a, 0, 1000);
}

static void rows_above_the_tip_are_refused_and_those_below_kept(void **state)
{
    static struct spv_filter_header more[TOP + 2];
    struct import_filters a;
    memcpy(more, headers, sizeof headers);
    memset(&more[TOP + 1], 7, sizeof more[0]);
    assert_int_equal(import(*state, more, sizeof more, &a), CLI_FAILED);
    assert_non_null(strstr(message, "height 7,001 is above the chain, which ends at height 7,000"));
    assert_run(&a, 0, TOP);
}

/* Writes rows of csv. */
struct text {
    char bytes[400000];
    size_t n;
};

static int append(void *ctx, const void *bytes, size_t n)
{
    struct text *t = ctx;
    assert_true(t->n + n <= sizeof t->bytes);
    memcpy(t->bytes + t->n, bytes, n);
    t->n += n;
    return 0;
}

static void write_csv(struct text *t, uint32_t from, uint32_t to, uint32_t other_block)
{
    const struct spv_export_rows e = {
        .params = &params, .format = SPV_EXPORT_CSV, .from = from, .write = append, .ctx = t};
    if (t->n == 0)
        assert_int_equal(spv_export_filters_begin(&e), 0);
    for (uint32_t h = from; h <= to; h++)
        assert_int_equal(
            spv_export_filters_row(&e, h, &blocks[h == other_block ? h - 1 : h].hash, &headers[h]),
            0);
}

static void a_row_of_a_block_of_another_branch_is_refused(void **state)
{
    static struct text t;
    struct import_filters a;
    t.n = 0;
    write_csv(&t, 0, 2050, 2049);
    assert_int_equal(import(*state, t.bytes, t.n, &a), CLI_FAILED);
    assert_non_null(strstr(message, "line 2051: the block of height 2,049 is "));
    assert_non_null(strstr(message, "the file is of another branch"));
    assert_run(&a, 0, 2048);
    assert_int_equal(import(*state, t.bytes, t.n, &a), CLI_FAILED); /* known rows before it */
    assert_int_equal(a.known, 2049);
    t.n = 0;
    write_csv(&t, 0, 2050, UINT32_MAX);
    assert_int_equal(import(*state, t.bytes, t.n, &a), CLI_DONE);
    assert_run(&a, 0, 2050);
}

static void heights_that_do_not_ascend_by_one_are_refused(void **state)
{
    static const uint32_t next[] = {101, 99, 100, 0};
    for (size_t i = 0; i < COUNT(next); i++) {
        static struct text t;
        struct import_filters a;
        t.n = 0;
        write_csv(&t, 0, i == 0 ? 99 : 100, UINT32_MAX);
        write_csv(&t, next[i], next[i], UINT32_MAX);
        assert_int_equal(import(*state, t.bytes, t.n, &a), CLI_FAILED);
        assert_non_null(strstr(message, "comes after height"));
        assert_run(&a, 0, i == 0 ? 99 : 100);
    }
}

static void a_truncated_file_keeps_its_whole_rows(void **state)
{
    struct import_filters a;
    assert_int_equal(import(*state, headers, 4100 * 32 + 7, &a), CLI_FAILED);
    assert_non_null(strstr(message, "the file ends inside a filter header, after 7 of its 32"));
    assert_run(&a, 0, 4099);
    assert_int_equal(a.added, 4100);
}

/* The database begins at height 3,000: its filter headers begin at the next built-in one. */
static void rows_below_the_first_header_of_the_chain_are_skipped(void **state)
{
    struct import_filters a;
    uint32_t start = 0;
    struct spv_store *s = open_db(*state);
    assert_int_equal(spv_store_prune(s, 3000, &start), 0);
    assert_int_equal(start, 3000);
    assert_int_equal(spv_store_close(s), 0);
    assert_int_equal(import_heights(*state, 0, 5999, &a), CLI_FAILED);
    assert_non_null(strstr(message, "no built-in filter header from there on"));
    assert_false(a.any);
    assert_int_equal(import(*state, headers, sizeof headers, &a), CLI_DONE);
    assert_int_equal(a.below, 6000);
    assert_run(&a, 6000, TOP);
}

static void a_run_that_was_pruned_is_continued(void **state)
{
    struct import_filters a;
    struct spv_store *s = NULL;
    assert_int_equal(import_heights(*state, 0, 4000, &a), CLI_DONE);
    s = open_db(*state);
    assert_int_equal(spv_store_prune(s, 3000, NULL), 0);
    assert_int_equal(spv_store_close(s), 0);
    assert_int_equal(import(*state, headers, sizeof headers, &a), CLI_DONE);
    assert_int_equal(a.below, 3000);
    assert_int_equal(a.known, 1001);
    assert_run(&a, 3000, TOP);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_file_from_genesis_is_stored_without_hashes),
        T(stored_rows_are_known_and_the_others_added),
        T(a_file_may_begin_at_a_built_in_filter_header),
        T(a_file_that_begins_elsewhere_is_refused),
        T(a_file_that_contradicts_a_built_in_filter_header_leaves_nothing),
        T(a_file_that_contradicts_the_stored_ones_is_refused),
        T(rows_above_the_tip_are_refused_and_those_below_kept),
        T(a_row_of_a_block_of_another_branch_is_refused),
        T(heights_that_do_not_ascend_by_one_are_refused),
        T(a_truncated_file_keeps_its_whole_rows),
        T(rows_below_the_first_header_of_the_chain_are_skipped),
        T(a_run_that_was_pruned_is_continued),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
