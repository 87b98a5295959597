#include "store_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "util/u256.h"

int folder_setup(void **state)
{
    char *folder = malloc(PATH_LEN);
    (void)snprintf(folder, PATH_LEN, "/tmp/spv-store-XXXXXX");
    if (!mkdtemp(folder)) {
        return -1;
    }
    *state = folder;
    return 0;
}

static void remove_tree(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e = NULL;
    while (d && (e = readdir(d))) {
        char inner[2 * PATH_LEN];
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            (void)snprintf(inner, sizeof inner, "%.299s/%.255s", path, e->d_name);
            remove_tree(inner);
        }
    }
    if (d) {
        (void)closedir(d);
    }
    (void)remove(path);
}

int folder_teardown(void **state)
{
    remove_tree(*state);
    free(*state);
    return 0;
}

const char *in_folder(void **state, const char *name)
{
    static char turn[8][PATH_LEN * 2];
    static unsigned next;
    char *out = turn[next++ % 8];
    (void)snprintf(out, sizeof turn[0], "%s/%s", (const char *)*state, name);
    return out;
}

const struct spv_params *regtest(void)
{
    return spv_params_get(SPV_REGTEST);
}

static struct spv_u256 work_of(uint32_t bits)
{
    struct spv_u256 target;
    assert_int_equal(spv_target_from_bits(&target, bits), 0);
    return spv_work_from_target(&target);
}

struct spv_chain_header genesis_record(const struct spv_params *params)
{
    struct spv_chain_header r = {.header = params->genesis};
    spv_header_hash(&r.hash, &r.header);
    r.work = work_of(r.header.bits);
    return r;
}

void extend(struct spv_chain_header *out, const struct spv_chain_header *parent, size_t n,
            uint32_t salt)
{
    struct spv_u256 target;
    assert_int_equal(spv_target_from_bits(&target, parent->header.bits), 0);
    struct spv_u256 work = spv_work_from_target(&target);
    for (size_t i = 0; i < n; i++) {
        const struct spv_chain_header *below = i == 0 ? parent : &out[i - 1];
        struct spv_chain_header r = {.header = below->header, .height = below->height + 1};
        r.header.version = i % 3 == 0 ? -1 : 4; /* mainnet has headers with negative versions */
        r.header.prev = below->hash;
        memset(r.header.merkle_root.b, 0, 32);
        memcpy(r.header.merkle_root.b, &salt, sizeof salt);
        memcpy(r.header.merkle_root.b + 8, &r.height, sizeof r.height);
        r.header.time = below->header.time + 600;
        r.header.nonce = i % 2 == 0 ? 0 : 0xf0000000; /* also above 31 bits */
        do {
            r.header.nonce++;
            spv_header_hash(&r.hash, &r.header);
        } while (!spv_hash_meets(r.hash.b, &target));
        r.work = spv_u256_add(&below->work, &work);
        out[i] = r;
    }
}

struct spv_store *must_open(const char *path, enum spv_store_mode mode)
{
    struct spv_store *s = NULL;
    struct spv_error_info why = {.text = ""};
    struct spv_store_config cfg = {.path = path, .params = regtest(), .mode = mode};
    int rc = spv_store_open(&s, &cfg, &why);
    if (rc != 0) {
        fail_msg("open %s: %s (%s)", path, spv_err_name(rc), why.text);
    }
    return s;
}

void must_refuse(const char *path, enum spv_store_mode mode, const struct spv_params *params,
                 int err, const char *word)
{
    struct spv_store *s = NULL;
    struct spv_error_info why = {.text = ""};
    struct spv_store_config cfg = {.path = path, .params = params, .mode = mode};
    int rc = spv_store_open(&s, &cfg, &why);
    if (rc != err) {
        fail_msg("open %s gave %s (%s), not %s", path, spv_err_name(rc), why.text,
                 spv_err_name(err));
    }
    assert_null(s);
    assert_int_equal(why.code, err);
    if (!strstr(why.text, path) || !strstr(why.text, word)) {
        fail_msg("the problem '%s' names not both %s and '%s'", why.text, path, word);
    }
}

int apply(struct spv_store *s, enum spv_chain_update_kind kind, uint32_t fork, uint32_t removed,
          const struct spv_chain_header *records, size_t n)
{
    struct spv_chain_update change = {
        .kind = kind, .fork_height = fork, .removed = removed, .headers = records, .n = n};
    return spv_store_apply(s, &change);
}

void make_chain(const char *path, struct spv_chain_header *records, size_t n)
{
    struct spv_store *s = must_open(path, SPV_STORE_CREATE);
    struct spv_chain_header genesis = genesis_record(regtest());
    extend(records, &genesis, n, 0);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 0, 0, records, n), 0);
    assert_int_equal(spv_store_close(s), 0);
}

void same_record(const struct spv_chain_header *a, const struct spv_chain_header *b)
{
    assert_int_equal(a->height, b->height);
    assert_memory_equal(&a->hash, &b->hash, sizeof a->hash);
    assert_int_equal(spv_u256_cmp(&a->work, &b->work), 0);
    uint8_t x[SPV_HEADER_SIZE];
    uint8_t y[SPV_HEADER_SIZE];
    spv_header_encode(x, &a->header);
    spv_header_encode(y, &b->header);
    assert_memory_equal(x, y, sizeof x);
}

void assert_chain(struct spv_store *s, const struct spv_chain_header *records, size_t n)
{
    struct spv_chain_header genesis = genesis_record(spv_store_params(s));
    struct spv_chain_header got;
    struct spv_store_iter *walk = NULL;
    assert_int_equal(spv_store_tip(s, &got), 1);
    same_record(&got, n > 0 ? &records[n - 1] : &genesis);
    assert_int_equal(spv_store_iter_open(&walk, s, 0, UINT32_MAX), 0);
    struct spv_header *range = calloc(n + 2, sizeof *range);
    assert_int_equal(spv_store_range(s, range, 0, (uint32_t)n + 2), n + 1);
    for (size_t i = 0; i <= n; i++) {
        const struct spv_chain_header *want = i == 0 ? &genesis : &records[i - 1];
        assert_int_equal(spv_store_by_height(s, &got, (uint32_t)i), 1);
        same_record(&got, want);
        assert_int_equal(spv_store_iter_next(walk, &got), 1);
        same_record(&got, want);
        got.header = range[i];
        same_record(&got, want);
        assert_int_equal(spv_store_by_hash(s, &got, &want->hash), spv_store_indexed(s));
        if (spv_store_indexed(s)) {
            same_record(&got, want);
        }
    }
    assert_int_equal(spv_store_by_height(s, &got, (uint32_t)n + 1), 0);
    assert_int_equal(spv_store_iter_next(walk, &got), 0);
    spv_store_iter_close(walk);
    free(range);
}

static sqlite3 *plain_open(const char *path)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    (void)sqlite3_busy_timeout(db, 60000); /* fails a test that hangs */
    return db;
}

void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = plain_open(path);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

void ask(char *out, size_t cap, const char *path, const char *sql)
{
    sqlite3 *db = plain_open(path);
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
    out[0] = '\0';
    if (sqlite3_step(st) == SQLITE_ROW) {
        (void)snprintf(out, cap, "%s", (const char *)sqlite3_column_text(st, 0));
    }
    (void)sqlite3_finalize(st);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

void write_file(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

void copy_file(const char *from, const char *to)
{
    static uint8_t bytes[1 << 22];
    FILE *f = fopen(from, "rb");
    assert_non_null(f);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    assert_true(n < sizeof bytes);
    assert_int_equal(fclose(f), 0);
    write_file(to, bytes, n);
}

long file_size(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

void truncate_file(const char *path, long size)
{
    assert_int_equal(truncate(path, size), 0);
}
