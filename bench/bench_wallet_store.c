/* A stored wallet of 1,000,000 transactions and 100,000 scripts: reading balance and pages, storing
 * a block with one match and a reorganisation of 6, and starting. Rows are written by plain SQL, in
 * the form that the store writes. Each figure stands beside its lower bound: the same pages read by
 * a plain statement prepared before, and the same number of plain commits.
 *
 * bench_wallet_store [TRANSACTIONS [SCRIPTS [FOLDER]]] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "bench.h"
#include "spv/wallet_db.h"

#define PAGE 50
#define ROUNDS 20

static char path[400];

static double seconds(void)
{
    return (double)bench_now_ns() * 1e-9;
}

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_wallet_store: %s\n", what);
    exit(1);
}

static void print_row(const char *name, double ms, double lower, double bar)
{
    printf("%-44s %10.3f ms   lower bound %10.3f ms   bar %6.0f ms\n", name, ms, lower, bar);
}

static struct spv_store *open_store(enum spv_store_mode mode)
{
    struct spv_store *s = NULL;
    struct spv_error_info why = {.text = ""};
    const struct spv_store_config cfg = {
        .path = path, .params = spv_params_get(SPV_REGTEST), .mode = mode};
    if (spv_store_open(&s, &cfg, &why) != 0)
        die(why.text);
    return s;
}

static void exec_sql(sqlite3 *db, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        die(why);
}

/* Each transaction has one input and two outputs, one of them a coin of 1,000 satoshis. */
static void fill(unsigned long txs, unsigned long scripts)
{
    static char sql[3000];
    sqlite3 *db = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK)
        die("open");
    (void)snprintf(
        sql, sizeof sql,
        "PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; BEGIN;"
        "INSERT INTO wallet_meta VALUES (1, 7, %lu, randomblob(32), %lu, %lu, 2, NULL, NULL);"
        "INSERT INTO wallet_watch VALUES (1, 1, 'd', NULL, NULL, 0, 20, 0, NULL);"
        "INSERT INTO wallet_branch VALUES (1, 0, %lu, %lu, %lu);"
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %lu - 1)"
        " INSERT INTO wallet_script SELECT 1, 0, i, 0, randomblob(22) FROM n;"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %lu)"
        " INSERT INTO wallet_tx SELECT i, i, randomblob(32), i / 2, randomblob(32), i %% 2, 0, 2,"
        " x'', 1600000000, 0, 0, NULL, 1000, 0, NULL FROM n;"
        "INSERT INTO wallet_tx_data SELECT id, randomblob(222), NULL FROM wallet_tx;"
        "INSERT INTO wallet_output SELECT t.id, 0, t.id %% 4 = 0, 1000, s.script,"
        " CASE WHEN t.id %% 4 = 0 THEN 0 ELSE t.id END FROM wallet_tx t CROSS JOIN wallet_script s"
        " ON s.watch = 1 AND s.branch = 0 AND s.position = t.id %% %lu AND s.number = 0;"
        "INSERT INTO wallet_share SELECT id, 1, 1000, 0 FROM wallet_tx;"
        "INSERT INTO wallet_sum VALUES (0, 250000, 0, 0, 0), (1, 250000, 0, 0, 0);"
        "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)",
        txs / 2, txs, txs + 1, scripts - 20, scripts, scripts, scripts, txs, scripts);
    exec_sql(db, sql);
    (void)sqlite3_close(db);
}

/* One page of a list by the library, after a key; milliseconds, the best of some rounds. */
static double page(struct spv_store *s, enum spv_wallet_list list, const struct spv_wallet_key *key)
{
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        const double start = seconds();
        struct spv_wallet_iter *it = NULL;
        struct spv_wallet_item item;
        int n = 0;
        if (spv_wallet_iter_open(&it, s) != 0 || spv_wallet_iter_list(it, list, key) != 0)
            die(spv_store_last_error(s));
        while (n < PAGE && spv_wallet_iter_next(it, &item) == 1)
            n++;
        spv_wallet_iter_close(it);
        const double took = (seconds() - start) * 1e3;
        best = took < best ? took : best;
    }
    return best;
}

/* The same number of rows by primary key, with a statement that is prepared. */
static double plain_page(long from)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    double best = 1e9;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "SELECT * FROM wallet_tx WHERE id > ?1 ORDER BY id LIMIT 50", -1,
                           &st, NULL) != SQLITE_OK)
        die("lower bound");
    for (int round = 0; round < ROUNDS; round++) {
        const double start = seconds();
        (void)sqlite3_bind_int64(st, 1, from);
        while (sqlite3_step(st) == SQLITE_ROW)
            continue;
        (void)sqlite3_reset(st);
        const double took = (seconds() - start) * 1e3;
        best = took < best ? took : best;
    }
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(db);
    return best;
}

/* What a block with n matches changes: rows of n transactions, coins and shares, two sums. */
static double store_changes(struct spv_store *s, unsigned long first, size_t n, uint64_t revision)
{
    static uint8_t bytes[250], script[22];
    struct spv_wallet_change rows[64];
    struct spv_wallet_update update = {.changes = rows};
    const struct spv_store_update all = {.wallet = &update};
    size_t k = 0;
    rows[k++] = (struct spv_wallet_change){.kind = SPV_WALLET_ROW_META,
                                           .row.meta = {.scanned = {.height = 1000000},
                                                        .revision = revision,
                                                        .next_tx = first + n + 1,
                                                        .next_watch = 2}};
    for (size_t i = 0; i < n; i++) {
        rows[k++] =
            (struct spv_wallet_change){.kind = SPV_WALLET_ROW_TX,
                                       .row.tx = {.id = first + i,
                                                  .revision = revision,
                                                  .block.height = 1000000,
                                                  .state = 2,
                                                  .txid = {{(uint8_t)i, (uint8_t)revision, 1}},
                                                  .fee = -1,
                                                  .raw = {bytes, sizeof bytes}}};
        rows[k++] = (struct spv_wallet_change){.kind = SPV_WALLET_ROW_SHARE,
                                               .row.share = {.tx = first + i, .watch = 1}};
        rows[k++] = (struct spv_wallet_change){
            .kind = SPV_WALLET_ROW_COIN,
            .row.coin = {.tx = first + i, .balance = 1, .script = {script, sizeof script}}};
    }
    for (uint64_t watch = 0; watch < 2; watch++)
        rows[k++] =
            (struct spv_wallet_change){.kind = SPV_WALLET_ROW_BALANCE, .row.balance.watch = watch};
    update.n = k;
    const double start = seconds();
    if (spv_store_apply_all(s, &all) != 0)
        die(spv_store_last_error(s));
    return (seconds() - start) * 1e3;
}

/* A commit of one row with the same pragmas. */
static double plain_commit(void)
{
    char name[450];
    double best = 1e9;
    sqlite3 *db = NULL;
    (void)snprintf(name, sizeof name, "%s-plain", path);
    if (sqlite3_open(name, &db) != SQLITE_OK)
        die("lower bound");
    exec_sql(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                 "CREATE TABLE IF NOT EXISTS t (x)");
    for (int round = 0; round < ROUNDS; round++) {
        const double start = seconds();
        exec_sql(db, "INSERT INTO t VALUES (1)");
        const double took = (seconds() - start) * 1e3;
        best = took < best ? took : best;
    }
    (void)sqlite3_close(db);
    return best;
}

/* The rows that a start reads, of which a wallet needs all today, and the scripts alone. */
static double read_all(const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    const double start = seconds();
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        die("read");
    while (sqlite3_step(st) == SQLITE_ROW)
        (void)sqlite3_column_blob(st, 1);
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(db);
    return (seconds() - start) * 1e3;
}

static void bench_reads(struct spv_store *s, unsigned long txs)
{
    const struct spv_wallet_key middle = {{txs / 4, 0, 0}};
    const struct spv_wallet_key coins = {{1, txs / 2, 0}};
    print_row("balances", page(s, SPV_WALLET_LIST_BALANCES, NULL), plain_page(0), 10);
    print_row("first page of history", page(s, SPV_WALLET_LIST_HISTORY_REVERSED, NULL),
              plain_page((long)txs - PAGE), 10);
    print_row("a page in the middle", page(s, SPV_WALLET_LIST_HISTORY_REVERSED, &middle),
              plain_page((long)txs / 2), 10);
    print_row(
        "changes since a revision",
        page(s, SPV_WALLET_LIST_HISTORY_CHANGES, &(struct spv_wallet_key){{txs - PAGE, 0, 0}}),
        plain_page((long)txs - PAGE), 10);
    print_row("first page of coins", page(s, SPV_WALLET_LIST_COINS, NULL), plain_page(0), 10);
    print_row("a page of coins in the middle", page(s, SPV_WALLET_LIST_COINS, &coins),
              plain_page((long)txs / 2), 10);
}

int main(int argc, char **argv)
{
    const unsigned long txs = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    const unsigned long scripts = argc > 2 ? strtoul(argv[2], NULL, 10) : 100000;
    double best = 1e9;
    (void)snprintf(path, sizeof path, "%s/bench_wallet.db", argc > 3 ? argv[3] : "/tmp");
    (void)unlink(path);
    if (spv_store_close(open_store(SPV_STORE_CREATE)) != 0)
        die("create");
    fill(txs, scripts);
    struct spv_store *s = open_store(SPV_STORE_READ);
    bench_reads(s, txs);
    (void)spv_store_close(s);
    s = open_store(SPV_STORE_WRITE);
    for (unsigned long i = 0; i < ROUNDS; i++) {
        const double took = store_changes(s, txs + 1 + i, 1, txs + 1 + i);
        best = took < best ? took : best;
    }
    print_row("a block with one match stored", best, plain_commit(), 10);
    /* six blocks of three matches leave, and six others come */
    print_row("a reorganisation of 6 stored",
              store_changes(s, txs - 18, 18, txs + 100) +
                  store_changes(s, txs + 200, 18, txs + 101),
              2 * plain_commit(), 100);
    (void)spv_store_close(s);
    print_row("start: scripts read",
              read_all("SELECT watch, script FROM wallet_script ORDER BY watch, branch, position"),
              0, 500);
    print_row("start: all transactions read (as today)",
              read_all("SELECT id, raw FROM wallet_tx JOIN wallet_tx_data ON tx = id ORDER BY id"),
              0, 500);
    print_row("start: those in no block read",
              read_all("SELECT id, raw FROM wallet_tx JOIN wallet_tx_data ON tx = id"
                       " WHERE height = 4294967295"),
              0, 500);
    struct stat st;
    if (stat(path, &st) == 0)
        printf("%.0f bytes a transaction\n", (double)st.st_size / (double)(txs > 0 ? txs : 1));
    return 0;
}
