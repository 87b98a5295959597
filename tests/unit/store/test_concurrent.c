/* Many readers and one writer, each on its own connection: no call waits or returns
 * SPV_ERR_DB_BUSY, and every reader sees complete updates only. */
#include "store_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#define OLD 20000
#define NEW 20000
#define BATCH 500
#define READERS 3
#define LOOKUPS 10000

static struct spv_chain_header chain[OLD + NEW];

static void prepare(const char *path)
{
    make_chain(path, chain, OLD);
    extend(chain + OLD, &chain[OLD - 1], NEW, 0);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(spv_store_build_index(s), 0);
    assert_int_equal(spv_store_close(s), 0);
}

static uint32_t next_random(uint64_t *x)
{
    *x = *x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*x >> 33);
}

/* The lock of another program, and the calls of the store's busy handler. */
struct foreign_lock {
    sqlite3 *db;
    int calls; /* calls for the present lock */
    int release_at; /* release after this many calls; 0: never */
    int give_up_at; /* give up after this many calls */
    uint32_t waited; /* ms, at the last call */
};

static int on_busy(void *ctx, uint32_t waited_ms)
{
    struct foreign_lock *f = ctx;
    f->calls++;
    assert_true(f->calls == 1 ? waited_ms == 0 : waited_ms > f->waited);
    f->waited = waited_ms;
    if (f->calls == f->release_at) {
        assert_int_equal(sqlite3_exec(f->db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    }
    return f->calls < f->give_up_at;
}

static void take_lock(struct foreign_lock *f, int release_at, int give_up_at)
{
    assert_int_equal(sqlite3_exec(f->db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    f->calls = 0;
    f->release_at = release_at;
    f->give_up_at = give_up_at;
}

static void the_busy_handler_limits_the_wait_for_a_lock(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_chain_header r[20];
    struct foreign_lock f = {.calls = 0};
    struct spv_store *s = NULL;
    const struct spv_store_config cfg = {.path = path,
                                         .params = regtest(),
                                         .mode = SPV_STORE_WRITE,
                                         .busy = on_busy,
                                         .busy_ctx = &f};
    make_chain(path, r, 10);
    extend(r + 10, &r[9], 10, 1);
    assert_int_equal(sqlite3_open(path, &f.db), SQLITE_OK);
    take_lock(&f, 3, 99); /* while opening */
    assert_int_equal(spv_store_open(&s, &cfg, NULL), 0);
    assert_int_equal(f.calls, 3);
    take_lock(&f, 15, 99);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 10, 0, r + 10, 5), 0);
    assert_int_equal(f.calls, 15);
    assert_true(f.waited >= 55); /* 1 + 2 + ... + 10 ms, then longer steps */
    assert_int_equal(spv_store_flush(s), 0); /* a commit that does not wait */
    take_lock(&f, 0, 4);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 15, 0, r + 15, 5), SPV_ERR_DB_BUSY);
    assert_int_equal(f.calls, 4);
    assert_int_equal(sqlite3_exec(f.db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 15, 0, r + 15, 5), 0);
    assert_chain(s, r, 20);
    assert_int_equal(spv_store_close(s), 0);
    assert_int_equal(sqlite3_close(f.db), SQLITE_OK);
}

/* Lookups between the batches of a writer, in one thread: deterministic. */
static void lookups_between_commits_are_never_busy(void **state)
{
    const char *path = in_folder(state, "h.db");
    uint64_t seed = 1;
    prepare(path);
    struct spv_store *writer = must_open(path, SPV_STORE_WRITE);
    struct spv_store *reader = must_open(path, SPV_STORE_READ);
    struct spv_store_iter *walk = NULL;
    assert_int_equal(spv_store_iter_open(&walk, reader, 0, UINT32_MAX),
                     0); /* the snapshot of before */
    for (uint32_t done = 0; done < NEW; done += BATCH) {
        assert_int_equal(apply(writer, SPV_UPDATE_APPEND, OLD + done, 0, chain + OLD + done, BATCH),
                         0);
        for (int i = 0; i < LOOKUPS / (NEW / BATCH); i++) {
            struct spv_chain_header r;
            const struct spv_chain_header *want = &chain[next_random(&seed) % (OLD + done + BATCH)];
            assert_int_equal(spv_store_by_hash(reader, &r, &want->hash), 1);
            assert_int_equal(r.height, want->height);
            assert_int_equal(spv_store_by_height(reader, &r, want->height), 1);
            assert_true(spv_blockhash_eq(&r.hash, &want->hash));
        }
        assert_int_equal(spv_store_flush(writer), 0);
    }
    struct spv_chain_header r;
    uint32_t n = 0;
    while (spv_store_iter_next(walk, &r) == 1) {
        n++;
    }
    assert_int_equal(n, OLD + 1); /* the rows of when the iterator was opened */
    spv_store_iter_close(walk);
    assert_int_equal(spv_store_close(reader), 0);
    assert_int_equal(spv_store_close(writer), 0);
}

struct reader_thread {
    pthread_t thread;
    const char *path;
    atomic_int *ready;
    uint64_t seed;
    uint32_t tip; /* the highest tip that it read */
    long done, failed;
};

/* No cmocka here: it is not thread-safe. */
static void *read_rows(void *ctx)
{
    struct reader_thread *l = ctx;
    struct spv_store *s = NULL;
    const struct spv_store_config cfg = {
        .path = l->path, .params = regtest(), .mode = SPV_STORE_READ};
    if (spv_store_open(&s, &cfg, NULL) != 0) {
        l->failed = -1;
        atomic_fetch_add(l->ready, 1);
        return NULL;
    }
    atomic_fetch_add(l->ready, 1);
    for (; l->done < LOOKUPS; l->done++) {
        struct spv_chain_header r;
        struct spv_chain_header tip;
        const struct spv_chain_header *want = &chain[next_random(&l->seed) % OLD];
        l->failed += spv_store_by_hash(s, &r, &want->hash) != 1 || r.height != want->height;
        l->failed += spv_store_tip(s, &tip) != 1 || tip.height < l->tip ||
                     (tip.height - OLD) % BATCH != 0 ||
                     !spv_blockhash_eq(&tip.hash, &chain[tip.height - 1].hash);
        l->tip = tip.height;
    }
    (void)spv_store_close(s);
    return NULL;
}

static void reader_threads_see_complete_transactions(void **state)
{
    char path[PATH_LEN];
    atomic_int ready = 0;
    struct reader_thread readers[READERS];
    (void)strncpy(path, in_folder(state, "h.db"), sizeof path - 1);
    path[sizeof path - 1] = '\0';
    prepare(path);
    struct spv_store *writer = must_open(path, SPV_STORE_WRITE);
    for (size_t i = 0; i < READERS; i++) {
        readers[i] = (struct reader_thread){.path = path, .ready = &ready, .seed = i + 1};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_rows, &readers[i]), 0);
    }
    while (atomic_load(&ready) < READERS) {
    }
    for (uint32_t done = 0; done < NEW; done += BATCH) {
        int rc = apply(writer, SPV_UPDATE_APPEND, OLD + done, 0, chain + OLD + done, BATCH);
        if (rc != 0) {
            fail_msg("%s", spv_store_last_error(writer));
        }
    }
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
        assert_int_equal(readers[i].failed, 0);
        assert_int_equal(readers[i].done, LOOKUPS);
    }
    assert_int_equal(spv_store_close(writer), 0);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(lookups_between_commits_are_never_busy),
        IN_FOLDER(reader_threads_see_complete_transactions),
        IN_FOLDER(the_busy_handler_limits_the_wait_for_a_lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
