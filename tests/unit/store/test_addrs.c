/* The addrman rows. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store_fixture.h"

#define ONION "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"

static struct spv_addr_info address(const char *host, uint16_t port)
{
    struct spv_addr_info a = {.services = UINT64_MAX - 1,
                              .source = {1, 2, 3},
                              .source_len = 3,
                              .last_seen = 1800000000,
                              .last_try = 1800000001,
                              .last_success = 1800000002,
                              .attempts = 3,
                              .slow = 4,
                              .failure = SPV_ERR_STALL};
    assert_int_equal(spv_netaddr_from_host(&a.addr, host, port), 0);
    return a;
}

static void same_address(const struct spv_addr_info *a, const struct spv_addr_info *b)
{
    assert_memory_equal(&a->addr, &b->addr, sizeof a->addr);
    assert_memory_equal(a->source, b->source, SPV_ADDRMAN_SOURCE);
    assert_int_equal(a->source_len, b->source_len);
    assert_true(a->services == b->services);
    assert_int_equal(a->last_seen, b->last_seen);
    assert_int_equal(a->last_try, b->last_try);
    assert_int_equal(a->last_success, b->last_success);
    assert_int_equal(a->attempts, b->attempts);
    assert_int_equal(a->slow, b->slow);
    assert_int_equal(a->failure, b->failure);
    assert_int_equal(a->tried, b->tried);
    assert_int_equal(a->anchor, b->anchor);
}

static const struct spv_addr_info *is_stored(const struct spv_addrman_rows *book,
                                             const struct spv_addr_info *a)
{
    for (size_t i = 0; i < book->n; i++)
        if (memcmp(&book->addresses[i].addr, &a->addr, sizeof a->addr) == 0)
            return &book->addresses[i];
    fail_msg("an address is missing");
    return NULL;
}

static void saved_rows_are_loaded(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_addr_info a[] = {address("203.0.113.7", 8333), address("2001:db8::1", 1),
                                address(ONION, 8333), address("203.0.113.7", 8334)};
    a[1].tried = true;
    a[2].tried = a[2].anchor = true;
    struct spv_ban_entry ban = {
        .address = "203.0.113.9", .since = 5, .until = 86405, .code = SPV_ERR_HDR_POW};
    struct spv_addrman_changes c = {.key = {1, 2, 3, 255},
                                    .changed = a,
                                    .n_changed = 4,
                                    .bans_changed = true,
                                    .bans = &ban,
                                    .n_bans = 1};
    struct spv_addrman_rows book;
    char got[100];
    struct spv_store *s = must_open(path, SPV_STORE_CREATE);
    assert_int_equal(spv_store_addrman_save(s, &c), 0);
    assert_int_equal(spv_store_close(s), 0);

    s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(spv_store_addrman_load(s, &book), 0);
    assert_true(book.keyed);
    assert_memory_equal(book.key, c.key, sizeof c.key);
    assert_int_equal(book.n, 4);
    for (size_t i = 0; i < 4; i++)
        same_address(is_stored(&book, &a[i]), &a[i]);
    assert_true(book.addresses[0].anchor); /* the best addresses first */
    assert_int_equal(book.n_bans, 1);
    assert_memory_equal(&book.bans[0], &ban, sizeof ban);
    spv_store_addrman_free(&book);
    ask(got, sizeof got, path, "SELECT reason FROM peer_ban WHERE address = '203.0.113.9'");
    assert_string_equal(got, spv_strerror(SPV_ERR_HDR_POW));

    /* one changed, one removed, bans unchanged */
    a[0].attempts = 0;
    struct spv_addrman_changes next = {
        .changed = a, .n_changed = 1, .removed = &a[3].addr, .n_removed = 1};
    assert_int_equal(spv_store_addrman_save(s, &next), 0);
    assert_int_equal(spv_store_addrman_load(s, &book), 0);
    assert_int_equal(book.n, 3);
    same_address(is_stored(&book, &a[0]), &a[0]);
    assert_int_equal(book.n_bans, 1);
    spv_store_addrman_free(&book);

    /* everything replaced */
    struct spv_addrman_changes all = {
        .all = true, .changed = a + 1, .n_changed = 1, .bans_changed = true};
    assert_int_equal(spv_store_addrman_save(s, &all), 0);
    assert_int_equal(spv_store_addrman_load(s, &book), 0);
    assert_int_equal(book.n, 1);
    assert_int_equal(book.n_bans, 0);
    spv_store_addrman_free(&book);
    assert_int_equal(spv_store_close(s), 0);
    s = must_open(path, SPV_STORE_READ);
    assert_int_equal(spv_store_addrman_save(s, &all), SPV_ERR_DB_READONLY);
    assert_int_equal(spv_store_close(s), 0);
}

/* Rows that an attacker may have written. */
static void invalid_rows_are_not_loaded(void **state)
{
    static const char *const values[] = {
        "'example.org', 1, 0, x'01', 1, 1, 1, 0, 0, 0, 0, 0",
        "'1.2.3.256', 1, 0, x'01', 1, 1, 1, 0, 0, 0, 0, 0",
        "x'312e322e332e34', 1, 0, x'01', 1, 1, 1, 0, 0, 0, 0, 0",
        "'1.2.3.4' || char(0), 1, 0, x'01', 1, 1, 1, 0, 0, 0, 0, 0",
        "'1.2.3.4', 0, 0, x'01', 1, 1, 1, 0, 0, 0, 0, 0",
        "'1.2.3.4', 65536, 0, x'01', 1, 1, 1, 0, 0, 0, 0, 0",
        "'1.2.3.5', 'x', 0, x'01', 1, 1, 1, 0, 0, 0, 0, 0",
        "'1.2.3.6', 1, 'x', x'01', 1, 1, 1, 0, 0, 0, 0, 0",
        "'1.2.3.7', 1, 0, x'', 1, 1, 1, 0, 0, 0, 0, 0",
        "'1.2.3.8', 1, 0, x'010203040506070809', 1, 1, 1, 0, 0, 0, 0, 0",
        "'1.2.3.9', 1, 0, 'text', 1, 1, 1, 0, 0, 0, 0, 0",
        "'1.2.4.1', 1, 0, x'01', -1, 1, 1, 0, 0, 0, 0, 0",
        "'1.2.4.2', 1, 0, x'01', 1, 9223372036854775807, 1, 0, 0, 0, 0, 0",
        "'1.2.4.3', 1, 0, x'01', 1, 1, 1.5, 0, 0, 0, 0, 0",
        "'1.2.4.4', 1, 0, x'01', 1, 1, 1, -1, 0, 0, 0, 0",
        "'1.2.4.5', 1, 0, x'01', 1, 1, 1, 0, 4294967296, 0, 0, 0",
        "'1.2.4.6', 1, 0, x'01', 1, 1, 1, 0, 0, 1, 0, 0",
        "'1.2.4.7', 1, 0, x'01', 1, 1, 1, 0, 0, 0, 2, 0",
        "'1.2.4.8', 1, 0, x'01', 1, 1, 1, 0, 0, 0, 0, -1",
        "printf('%.*c', 100000, 'x'), 1, 0, x'01', 1, 1, 1, 0, 0, 0, 0, 0",
        "'1.2.4.9', 1, 0, x'01', 1, 1, 1, 0, 0, 0, 1, 1", /* valid */
    };
    const char *path = in_folder(state, "h.db");
    struct spv_addrman_rows book;
    struct spv_chain_header r[1];
    make_chain(path, r, 1);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char sql[300];
        (void)snprintf(sql, sizeof sql, "INSERT INTO peer_address VALUES (%s)", values[i]);
        run_sql(path, sql);
    }
    run_sql(path, "INSERT INTO peer_ban VALUES (x'01', 1, 2, -1, ''), ('', 1, 2, -1, ''),"
                  " (printf('%.*c', 300, 'x'), 1, 2, -1, ''), ('a', -1, 2, -1, ''),"
                  " ('b', 1, 'z', -1, ''), ('c', 1, 2, 1, ''), ('d', 1, 2, -105, 'x')");
    run_sql(path, "INSERT INTO meta VALUES ('book_key', 'zz')");
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(spv_store_addrman_load(s, &book), 0);
    assert_int_equal(book.n, 1);
    assert_int_equal(book.addresses[0].addr.bytes[2], 4);
    assert_int_equal(book.addresses[0].addr.bytes[3], 9);
    /* a code that does not ban is loaded: the ban manager drops it, and its row is deleted */
    assert_int_equal(book.n_bans, 2);
    assert_int_equal(book.bans[0].code + book.bans[1].code, 1 - 105);
    assert_false(book.keyed);
    spv_store_addrman_free(&book);
    assert_int_equal(spv_store_close(s), 0);
}

static void no_more_is_loaded_than_the_book_has_places(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_addrman_rows book;
    struct spv_chain_header r[1];
    make_chain(path, r, 1);
    run_sql(path, "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 29999)"
                  " INSERT INTO peer_address SELECT printf('9.%d.%d.1', i / 256, i % 256), 1, 1,"
                  " x'01', 1, 1, i, 0, 0, 0, i = 7, i = 5 FROM n");
    run_sql(path, "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1999)"
                  " INSERT INTO peer_ban SELECT printf('9.%d.%d.1', i / 256, i % 256), 1, i, -105,"
                  " '' FROM n");
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(spv_store_addrman_load(s, &book), 0);
    assert_int_equal(book.n, SPV_ADDRMAN_ADDRESSES);
    assert_true(book.addresses[0].anchor);
    assert_true(book.addresses[1].tried);
    assert_int_equal(book.addresses[2].last_success, 29999);
    assert_int_equal(book.n_bans, SPV_ADDRMAN_BANS);
    assert_int_equal(book.bans[0].until, 1999);
    spv_store_addrman_free(&book);
    assert_int_equal(spv_store_close(s), 0);
}

static void missing_tables_are_created_empty(void **state)
{
    static const char *const damages[] = {"DROP TABLE peer_ban", "DROP TABLE peer_address"};
    struct spv_addrman_rows book;
    struct spv_chain_header r[3];
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        char name[10];
        (void)snprintf(name, sizeof name, "%zu.db", i);
        const char *path = in_folder(state, name);
        make_chain(path, r, 3);
        run_sql(path, damages[i]);
        struct spv_store *s = must_open(path, SPV_STORE_READ);
        assert_int_equal(spv_store_addrman_load(s, &book), SPV_ERR_DB_DAMAGED);
        assert_null(book.addresses);
        assert_int_equal(spv_store_close(s), 0);
        s = must_open(path, SPV_STORE_WRITE);
        assert_int_equal(spv_store_addrman_load(s, &book), 0);
        assert_int_equal(book.n + book.n_bans, 0);
        struct spv_addr_info a = address("9.9.9.9", 1);
        const struct spv_addrman_changes c = {.changed = &a, .n_changed = 1, .bans_changed = true};
        assert_int_equal(spv_store_addrman_save(s, &c), 0);
        assert_chain(s, r, 3);
        assert_int_equal(spv_store_close(s), 0);
    }
}

/* A process killed during a save leaves the rows of before or of after the save. */
static void a_killed_save_leaves_the_book_before_or_after(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_chain_header r[1];
    make_chain(path, r, 1);
    for (unsigned round = 0; round < 8; round++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct spv_store *s = must_open(path, SPV_STORE_WRITE);
            static struct spv_addr_info a[2000];
            for (unsigned turn = 0;; turn++) {
                for (unsigned i = 0; i < 2000; i++) {
                    a[i] = address("9.9.9.9", (uint16_t)(i + 1));
                    a[i].attempts = turn;
                }
                const struct spv_addrman_changes c = {.changed = a, .n_changed = 2000};
                if (spv_store_addrman_save(s, &c) != 0)
                    _exit(1);
            }
        }
        char got[100];
        do /* until the first save is committed */
            ask(got, sizeof got, path, "SELECT count(*) FROM peer_address");
        while (strcmp(got, "0") == 0);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        ask(got, sizeof got, path,
            "SELECT count(*) || ' ' || count(DISTINCT attempts) FROM peer_address");
        assert_string_equal(got, "2000 1");
    }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(saved_rows_are_loaded),
        IN_FOLDER(invalid_rows_are_not_loaded),
        IN_FOLDER(no_more_is_loaded_than_the_book_has_places),
        IN_FOLDER(missing_tables_are_created_empty),
        IN_FOLDER(a_killed_save_leaves_the_book_before_or_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
