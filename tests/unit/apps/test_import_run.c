/* The rules of an import, with files in memory and a database in a temporary folder. The tests' own
 * checkpoints are on the regtest chain. */
#define _GNU_SOURCE /* memfd_create, mkdtemp */
#include "support/unit.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli.h"
#include "import_run.h"
#include "spv/mine.h"

#define LONGEST 4200

/* A chain's raw headers, genesis first. */
struct chain {
    uint32_t n; /* headers, genesis included */
    uint8_t raw[(LONGEST + 1) * SPV_HEADER_SIZE];
    struct spv_chain_header records[LONGEST + 1];
};

static struct chain main_chain; /* 4100 headers */
static struct chain fork_chain; /* forks at 4050, 20 headers: less work */
static struct chain long_chain; /* forks at 4050, 100 headers: more work */
static struct spv_params params; /* regtest with checkpoints */
static struct spv_checkpoint checkpoints[2];

static void add(struct chain *c, const struct spv_chain_header *r)
{
    spv_header_encode(c->raw + (size_t)c->n * SPV_HEADER_SIZE, &r->header);
    c->records[c->n++] = *r;
}

static int keep(void *ctx, const struct spv_chain_header *record)
{
    add(ctx, record);
    return 0;
}

/* Mines a chain on the first n headers of `base`. */
static void mine(struct chain *c, const struct chain *base, uint32_t n, uint32_t more,
                 uint64_t seed)
{
    const struct spv_chain_config cfg = {.params = spv_params_get(SPV_REGTEST)};
    const struct spv_mine_plan plan = {
        .n = more, .spacing = 60, .seed = seed, .on_header = keep, .ctx = c};
    struct spv_chain *chain = NULL;
    struct spv_accept_result v;
    assert_int_equal(spv_chain_new(&chain, &cfg), 0);
    add(c, spv_chain_tip(chain));
    for (uint32_t i = 1; i < n; i++) {
        assert_int_equal(spv_chain_accept(chain, &v, &base->records[i].header, 1,
                                          (struct spv_now){0, base->records[i].header.time}),
                         0);
        spv_chain_stored(chain);
        add(c, spv_chain_tip(chain));
    }
    assert_int_equal(spv_mine_chain(chain, &plan), 0);
    spv_chain_free(chain);
}

static int set_up(void **state)
{
    (void)state;
    mine(&main_chain, NULL, 0, 4100, 1);
    mine(&fork_chain, &main_chain, 4051, 20, 2);
    mine(&long_chain, &main_chain, 4051, 100, 3);
    params = *spv_params_get(SPV_REGTEST);
    for (size_t i = 0; i < 2; i++) {
        const struct spv_chain_header *r = &main_chain.records[(i + 1) * 2016 - 1];
        checkpoints[i] =
            (struct spv_checkpoint){.height = r->height, .hash = r->hash, .work = r->work};
    }
    params.checkpoints = checkpoints;
    params.n_checkpoints = 2;
    stderr = freopen("/dev/null", "w", stderr); /* hides the error messages */
    return stderr == NULL;
}

/* A database in a temporary folder. */
struct temp_db {
    char folder[64];
    char db[96];
};

static void open_temp_db(struct temp_db *b)
{
    (void)snprintf(b->folder, sizeof b->folder, "/tmp/spv-import-XXXXXX");
    assert_non_null(mkdtemp(b->folder));
    (void)snprintf(b->db, sizeof b->db, "%s/headers.db", b->folder);
}

static void close_temp_db(struct temp_db *b)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
    char name[128];
    for (size_t i = 0; i < COUNT(suffixes); i++) {
        (void)snprintf(name, sizeof name, "%s%s", b->db, suffixes[i]);
        (void)unlink(name);
    }
    assert_int_equal(rmdir(b->folder), 0);
}

/* The contents of the database after an import. */
struct imported {
    struct import_counts counts;
    uint32_t height;
    struct spv_blockhash tip;
    struct spv_chain_start base;
    uint32_t side; /* rows on side branches */
};

static int import(struct temp_db *b, const void *bytes, size_t n, struct imported *out)
{
    struct spv_store_config cfg = {.path = b->db, .params = &params, .mode = SPV_STORE_CREATE};
    struct import i = {.store = NULL};
    struct spv_store_iter *walk = NULL;
    struct spv_chain_header r;
    char path[64];
    int fd = memfd_create("headers", 0);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    assert_int_equal(spv_store_open(&i.store, &cfg, NULL), 0);
    i.chain_config =
        (struct spv_chain_config){.params = &params, .header_db = spv_store_header_db(i.store)};
    assert_int_equal(spv_chain_new(&i.chain, &i.chain_config), 0);
    assert_int_equal(spv_import_new(&i.decoder, &params, SPV_IMPORT_AUTO), 0);
    assert_int_equal(input_open(&i.in, path), CLI_DONE);
    memset(out, 0, sizeof *out);
    int rc = import_run(&i);
    out->counts = i.counts;
    spv_store_get_start(i.store, &out->base);
    assert_int_equal(spv_store_tip(i.store, &r), 1);
    /* a header that is refused after the chain accepted it is not stored */
    assert_true(rc != CLI_DONE || spv_blockhash_eq(&r.hash, &spv_chain_tip(i.chain)->hash));
    out->height = r.height;
    out->tip = r.hash;
    assert_int_equal(spv_store_iter_open(&walk, i.store, out->base.height, UINT32_MAX), 0);
    assert_int_equal(spv_store_iter_branches(walk), 0);
    while (spv_store_iter_next(walk, &r) == 1) {
        out->side++;
    }
    spv_store_iter_close(walk);
    input_close(i.in);
    spv_import_free(i.decoder);
    spv_chain_free(i.chain);
    assert_int_equal(spv_store_close(i.store), 0);
    close(fd);
    return rc;
}

static int import_chain(struct temp_db *b, const struct chain *c, struct imported *out)
{
    return import(b, c->raw, (size_t)c->n * SPV_HEADER_SIZE, out);
}

static void known_headers_are_skipped_and_new_ones_added(void **state)
{
    (void)state;
    struct temp_db b;
    struct imported a;
    open_temp_db(&b);
    assert_int_equal(import(&b, main_chain.raw, 3000 * SPV_HEADER_SIZE, &a), CLI_DONE);
    assert_int_equal(a.counts.added, 2999);
    assert_int_equal(a.counts.known, 1);
    assert_int_equal(import_chain(&b, &main_chain, &a), CLI_DONE);
    assert_int_equal(a.counts.added, 1101);
    assert_int_equal(a.counts.known, 3000);
    assert_int_equal(a.height, 4100);
    close_temp_db(&b);
}

static void a_branch_with_less_work_is_not_stored(void **state)
{
    (void)state;
    struct temp_db b;
    struct imported a;
    open_temp_db(&b);
    assert_int_equal(import_chain(&b, &main_chain, &a), CLI_DONE);
    assert_int_equal(import_chain(&b, &fork_chain, &a), CLI_FAILED);
    assert_true(spv_blockhash_eq(&a.tip, &main_chain.records[4100].hash));
    assert_int_equal(a.side, 0);
    assert_int_equal(a.counts.added, 0);
    close_temp_db(&b);
}

static void a_branch_with_more_work_becomes_the_chain(void **state)
{
    (void)state;
    struct temp_db b;
    struct imported a;
    open_temp_db(&b);
    assert_int_equal(import_chain(&b, &main_chain, &a), CLI_DONE);
    assert_int_equal(import_chain(&b, &long_chain, &a), CLI_DONE);
    assert_true(spv_blockhash_eq(&a.tip, &long_chain.records[4150].hash));
    assert_int_equal(a.counts.reorgs, 1);
    assert_int_equal(a.counts.added, 100);
    assert_int_equal(a.side, 50);
    close_temp_db(&b);
}

static size_t csv_row(char *out, const struct spv_chain_header *r, uint32_t height, bool side)
{
    char prev[SPV_HASH_HEX];
    char root[SPV_HASH_HEX];
    spv_blockhash_hex(prev, &r->header.prev);
    spv_hash256_hex(root, &r->header.merkle_root);
    return (size_t)sprintf(out, "%u,%d,%s,%s,%u,%08x,%u,%d\n", height, r->header.version, prev,
                           root, r->header.time, r->header.bits, r->header.nonce, side);
}

static const char names[] = "height,version,previous_hash,merkle_root,time,bits,nonce,branch\n";

static void marked_headers_are_stored_as_a_branch(void **state)
{
    (void)state;
    struct temp_db b;
    struct imported a;
    char *text = malloc(64000);
    assert_non_null(text);
    size_t n = (size_t)sprintf(text, "%s", names);
    open_temp_db(&b);
    assert_int_equal(import_chain(&b, &main_chain, &a), CLI_DONE);
    for (uint32_t h = 4051; h <= 4070; h++) {
        n += csv_row(text + n, &fork_chain.records[h], h, true);
    }
    assert_int_equal(import(&b, text, n, &a), CLI_DONE);
    assert_int_equal(a.counts.side, 20);
    assert_int_equal(a.side, 20);
    assert_int_equal(a.height, 4100);
    /* below the last checkpoint no branch is accepted: skipped */
    n = (size_t)sprintf(text, "%s", names);
    struct spv_chain_header low = main_chain.records[1000];
    struct spv_blockhash hash;
    do {
        low.header.nonce++;
        spv_header_hash(&hash, &low.header);
    } while (hash.b[31] > 0x7e);
    n += csv_row(text + n, &low, 1000, true);
    assert_int_equal(import(&b, text, n, &a), CLI_DONE);
    assert_int_equal(a.counts.left_out, 1);
    assert_int_equal(a.side, 20);
    free(text);
    close_temp_db(&b);
}

static void heights_must_be_the_headers_own_and_in_order(void **state)
{
    (void)state;
    static const uint32_t heights[][3] = {{1, 2, 4}, {1, 2, 2}, {1, 3, 4}, {2, 3, 4}};
    for (size_t k = 0; k < COUNT(heights); k++) {
        struct temp_db b;
        struct imported a;
        char text[4000];
        size_t n = (size_t)sprintf(text, "%s", names);
        open_temp_db(&b);
        n += csv_row(text + n, &main_chain.records[0], 0, false);
        for (uint32_t i = 0; i < 3; i++) {
            n += csv_row(text + n, &main_chain.records[i + 1], heights[k][i], false);
        }
        assert_int_equal(import(&b, text, n, &a), CLI_FAILED);
        assert_int_equal(a.height, k < 2 ? 2 : k == 2 ? 1 : 0);
        close_temp_db(&b);
    }
    /* nor may a file repeat known headers for ever */
    struct temp_db b;
    struct imported a;
    char text[4000];
    size_t n = (size_t)sprintf(text, "%s", names);
    open_temp_db(&b);
    assert_int_equal(import(&b, main_chain.raw, 11 * SPV_HEADER_SIZE, &a), CLI_DONE);
    for (uint32_t i = 0; i < 8; i++) {
        n += csv_row(text + n, &main_chain.records[i % 4], i % 4, false);
    }
    assert_int_equal(import(&b, text, n, &a), CLI_FAILED);
    assert_int_equal(a.counts.known, 4);
    close_temp_db(&b);
}

static void a_neutrino_file_with_a_wrong_start_height_stores_nothing(void **state)
{
    (void)state;
    struct temp_db b;
    struct imported a;
    uint8_t file[10 + 30 * SPV_HEADER_SIZE];
    open_temp_db(&b);
    assert_int_equal(import(&b, main_chain.raw, 11 * SPV_HEADER_SIZE, &a), CLI_DONE);
    (void)unhex(file, sizeof file, "fabfb5da00000b000000"); /* claims to start at 11, starts at 5 */
    memcpy(file + 10, main_chain.raw + 5 * SPV_HEADER_SIZE, 30 * SPV_HEADER_SIZE);
    assert_int_equal(import(&b, file, sizeof file, &a), CLI_FAILED);
    assert_int_equal(a.height, 10);
    close_temp_db(&b);
}

static void an_empty_database_begins_behind_a_hole_between_checkpoints(void **state)
{
    (void)state;
    struct temp_db b;
    struct imported a;
    struct chain *holed = calloc(1, sizeof *holed);
    assert_non_null(holed);
    *holed = main_chain;
    memset(holed->raw + SPV_HEADER_SIZE, 0, 2015 * SPV_HEADER_SIZE);
    open_temp_db(&b);
    /* one header short of the second checkpoint: not confirmed by it */
    assert_int_equal(import(&b, holed->raw, 4031 * SPV_HEADER_SIZE, &a), CLI_DONE);
    assert_int_equal(a.height, 0);
    assert_int_equal(a.base.height, 0);
    assert_int_equal(a.counts.missing, 2015);
    /* first the period alone, then all headers */
    assert_int_equal(import(&b, holed->raw, 4032 * SPV_HEADER_SIZE, &a), CLI_DONE);
    assert_int_equal(a.height, 4031);
    assert_int_equal(a.base.height, 2016);
    assert_int_equal(import_chain(&b, holed, &a), CLI_DONE);
    assert_int_equal(a.height, 4100);
    assert_int_equal(a.counts.added, 69);
    assert_int_equal(a.counts.known, 1 + 2016);
    /* a complete file adds nothing below the base */
    assert_int_equal(import_chain(&b, &main_chain, &a), CLI_DONE);
    assert_int_equal(a.counts.below, 2015);
    assert_int_equal(a.counts.added, 0);
    close_temp_db(&b);
    /* a database that is not empty does not start at a checkpoint */
    open_temp_db(&b);
    assert_int_equal(import(&b, main_chain.raw, 10 * SPV_HEADER_SIZE, &a), CLI_DONE);
    assert_int_equal(import_chain(&b, holed, &a), CLI_DONE);
    assert_int_equal(a.height, 9);
    assert_int_equal(a.counts.missing, 2015 - 9);
    close_temp_db(&b);
    /* a wrong header in the period */
    open_temp_db(&b);
    holed->raw[3000 * SPV_HEADER_SIZE + 4] ^= 1;
    assert_int_equal(import_chain(&b, holed, &a), CLI_FAILED);
    assert_int_equal(a.height, 0);
    close_temp_db(&b);
    free(holed);
}

static void headers_before_an_invalid_one_are_kept(void **state)
{
    (void)state;
    struct temp_db b;
    struct imported a;
    struct chain *bad = calloc(1, sizeof *bad);
    assert_non_null(bad);
    *bad = main_chain;
    bad->raw[3500 * SPV_HEADER_SIZE + 72] ^= 1; /* its bits */
    open_temp_db(&b);
    assert_int_equal(import_chain(&b, bad, &a), CLI_FAILED);
    assert_int_equal(a.height, 3499);
    assert_int_equal(import(&b, main_chain.raw, 3600 * SPV_HEADER_SIZE + 1, &a), CLI_FAILED);
    assert_int_equal(a.height, 3599);
    close_temp_db(&b);
    free(bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_headers_are_skipped_and_new_ones_added),
        cmocka_unit_test(a_branch_with_less_work_is_not_stored),
        cmocka_unit_test(a_branch_with_more_work_becomes_the_chain),
        cmocka_unit_test(marked_headers_are_stored_as_a_branch),
        cmocka_unit_test(heights_must_be_the_headers_own_and_in_order),
        cmocka_unit_test(a_neutrino_file_with_a_wrong_start_height_stores_nothing),
        cmocka_unit_test(an_empty_database_begins_behind_a_hole_between_checkpoints),
        cmocka_unit_test(headers_before_an_invalid_one_are_kept),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
