/* row_store.h on a database: the tests of src/spv/wallet that keep their rows in a row store run
 * with this one as well. Each change goes to a row store in memory, too, and after each the rows in
 * the file are those in memory; wallets are loaded from the file. */
#define row_store_free memory_free
#define row_store_apply memory_apply
#define row_store_load memory_load
#define row_store_try_load memory_try_load
#define row_store_check memory_check
#include "support/row_store.c" // NOLINT(bugprone-suspicious-include)
#undef row_store_free
#undef row_store_apply
#undef row_store_load
#undef row_store_try_load
#undef row_store_check

#include <stdio.h>
#include <unistd.h>

#include "spv/wallet_db.h"
#include "store/wallet_load.h"

void row_store_free(struct row_store *store);
size_t row_store_apply(struct row_store *store, struct spv_wallet *wallet);
struct spv_wallet *row_store_load(const struct row_store *store,
                                  const struct spv_wallet_config *cfg);
int row_store_try_load(struct spv_wallet **out, const struct row_store *store,
                       const struct spv_wallet_config *cfg);
void row_store_check(const struct row_store *store, const struct spv_wallet *wallet,
                     const struct spv_wallet_config *cfg);

static struct spv_store *db; /* of the only row store at a time */
static char folder[] = "/tmp/spv-rows-XXXXXX";
static char path[sizeof folder + 8];

static void open_db(void)
{
    struct spv_error_info why = {.text = ""};
    const struct spv_store_config cfg = {
        .path = path, .params = spv_params_get(SPV_REGTEST), .mode = SPV_STORE_CREATE};
    if (db)
        return;
    if (path[0] == '\0') {
        memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
        assert_non_null(mkdtemp(folder));
        (void)snprintf(path, sizeof path, "%s/h.db", folder);
    }
    if (spv_store_open(&db, &cfg, &why) != 0)
        fail_msg("%s", why.text);
    /* nothing here is about durability */
    assert_int_equal(sqlite3_exec(db->db, "PRAGMA synchronous = OFF", NULL, NULL, NULL), 0);
}

void row_store_free(struct row_store *store)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
    memory_free(store);
    if (!db)
        return;
    assert_int_equal(spv_store_close(db), 0);
    db = NULL;
    for (size_t i = 0; i < COUNT(suffixes); i++) {
        char name[sizeof path + 8];
        (void)snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        (void)unlink(name);
    }
    (void)rmdir(folder);
    path[0] = '\0';
}

/* ---- rows in the file are those in memory ---- */

static void same_bytes(struct spv_bytes a, struct spv_bytes b)
{
    assert_int_equal(a.n, b.n);
    if (a.n > 0)
        assert_memory_equal(a.bytes, b.bytes, a.n);
}

static void same_watch(const struct spv_watch_target *a, const struct spv_watch_target *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(!a->descriptor, !b->descriptor);
    if (a->descriptor)
        assert_string_equal(a->descriptor, b->descriptor);
    same_bytes(a->script, b->script);
    assert_memory_equal(&a->txid, &b->txid, sizeof a->txid);
    assert_int_equal(a->vout, b->vout);
    assert_int_equal(a->gap, b->gap);
    assert_int_equal(a->birthday, b->birthday);
}

static void same_tx(const struct spv_wallet_tx_row *a, const struct spv_wallet_tx_row *b)
{
    check_same_row(a, b);
    assert_memory_equal(a->groups, b->groups, a->n_groups * sizeof a->groups[0]);
    assert_int_equal(a->block_time, b->block_time);
    assert_int_equal(a->first_seen, b->first_seen);
    assert_int_equal(a->last_seen, b->last_seen);
    same_bytes(a->raw, b->raw);
    same_bytes(a->proof, b->proof);
}

static void same_row(const struct spv_wallet_change *a, const struct spv_wallet_change *b)
{
    switch (a->kind) {
    case SPV_WALLET_ROW_META:
        assert_int_equal(a->row.meta.scanned.height, b->row.meta.scanned.height);
        if (a->row.meta.scanned.height != SPV_NO_HEIGHT)
            assert_memory_equal(&a->row.meta.scanned.hash, &b->row.meta.scanned.hash, 32);
        assert_int_equal(a->row.meta.revision, b->row.meta.revision);
        assert_int_equal(a->row.meta.next_tx, b->row.meta.next_tx);
        assert_int_equal(a->row.meta.next_watch, b->row.meta.next_watch);
        break;
    case SPV_WALLET_ROW_WATCH:
        same_watch(&a->row.watch.watch, &b->row.watch.watch);
        break;
    case SPV_WALLET_ROW_BRANCH:
        assert_int_equal(a->row.branch.n_used, b->row.branch.n_used);
        assert_int_equal(a->row.branch.window, b->row.branch.window);
        assert_int_equal(a->row.branch.n_scanned, b->row.branch.n_scanned);
        break;
    case SPV_WALLET_ROW_SCRIPT: /* their order is the row store's */
        assert_int_equal(a->row.script.origin.index, b->row.script.origin.index);
        same_bytes(a->row.script.script, b->row.script.script);
        break;
    case SPV_WALLET_ROW_TX:
        same_tx(&a->row.tx, &b->row.tx);
        break;
    case SPV_WALLET_ROW_COIN:
        assert_int_equal(a->row.coin.balance, b->row.coin.balance);
        assert_int_equal(a->row.coin.value, b->row.coin.value);
        assert_int_equal(a->row.coin.spender, b->row.coin.spender);
        same_bytes(a->row.coin.script, b->row.coin.script);
        break;
    case SPV_WALLET_ROW_SHARE:
        assert_int_equal(a->row.share.received, b->row.share.received);
        assert_int_equal(a->row.share.spent, b->row.share.spent);
        break;
    case SPV_WALLET_ROW_BALANCE:
        for (int i = 0; i < SPV_BALANCE_KINDS; i++)
            assert_int_equal(a->row.balance.amount[i], b->row.balance.amount[i]);
        break;
    }
}

struct compare {
    const struct row_store *store;
    size_t n;
    size_t next_script; /* in the store's rows, of the branch at hand */
    struct spv_script_origin at;
};

static const struct spv_wallet_change *next_script(struct compare *c,
                                                   const struct spv_script_origin *origin)
{
    if (c->at.watch != origin->watch || c->at.branch != origin->branch)
        c->next_script = 0;
    c->at = *origin;
    while (c->next_script < c->store->n) {
        const struct spv_wallet_change *row = &c->store->rows[c->next_script++].row;
        if (row->kind == SPV_WALLET_ROW_SCRIPT && row->row.script.origin.watch == origin->watch &&
            row->row.script.origin.branch == origin->branch)
            return row;
    }
    return NULL;
}

static int compare_row(void *ctx, const struct spv_wallet_change *row, const char *bad)
{
    struct compare *c = ctx;
    const struct key key = key_of(row);
    const struct spv_wallet_change *want = row->kind == SPV_WALLET_ROW_SCRIPT
                                               ? next_script(c, &row->row.script.origin)
                                               : row_store_find(c->store, key.kind, key.a, key.b);
    if (bad)
        fail_msg("a row's %s is malformed", bad);
    assert_non_null(want);
    same_row(row, want);
    c->n++;
    return 0;
}

static void compare_rows(const struct row_store *store)
{
    static const struct {
        enum spv_wallet_row_kind kind;
        const char *sql;
    } tables[] = {
        {SPV_WALLET_ROW_WATCH, "SELECT " SPV_WALLET_WATCH_COLUMNS " FROM wallet_watch"},
        {SPV_WALLET_ROW_BRANCH, "SELECT " SPV_WALLET_BRANCH_COLUMNS " FROM wallet_branch"},
        {SPV_WALLET_ROW_SCRIPT, "SELECT " SPV_WALLET_SCRIPT_COLUMNS " FROM wallet_script"
                                " ORDER BY watch, branch, position, number"},
        {SPV_WALLET_ROW_TX, "SELECT " SPV_WALLET_TX_COLUMNS ", raw, proof FROM wallet_tx"
                            " LEFT JOIN wallet_tx_data ON tx = id"},
        {SPV_WALLET_ROW_COIN, "SELECT " SPV_WALLET_OUTPUT_COLUMNS " FROM wallet_output"},
        {SPV_WALLET_ROW_SHARE, "SELECT " SPV_WALLET_SHARE_COLUMNS " FROM wallet_share"},
        {SPV_WALLET_ROW_BALANCE, "SELECT " SPV_WALLET_SUM_COLUMNS " FROM wallet_sum"},
    };
    struct compare c = {.store = store};
    struct spv_wallet_info info;
    struct spv_wallet_change meta = {.kind = SPV_WALLET_ROW_META};

    assert_int_equal(spv_store_wallet_info(db, &info), 1);
    meta.row.meta = info.meta;
    compare_row(&c, &meta, NULL);
    for (size_t i = 0; i < COUNT(tables); i++)
        if (spv_wallet_each_row(db, tables[i].kind, tables[i].sql, compare_row, &c) != 0)
            fail_msg("%s", spv_store_last_error(db));
    assert_int_equal(c.n, store->n);
}

size_t row_store_apply(struct row_store *store, struct spv_wallet *wallet)
{
    struct spv_wallet_update update;
    const struct spv_store_update all = {.wallet = &update};

    open_db();
    assert_int_equal(spv_wallet_changes(wallet, &update), 0);
    if (spv_store_apply_all(db, &all) != 0)
        fail_msg("%s", spv_store_last_error(db));
    memory_apply(store, wallet);
    if (update.n > 0)
        compare_rows(store);
    return update.n;
}

int row_store_try_load(struct spv_wallet **out, const struct row_store *store,
                       const struct spv_wallet_config *cfg)
{
    int rc = spv_wallet_new(out, cfg);

    (void)store;
    open_db();
    if (rc == 0)
        rc = spv_store_load_wallet(db, *out);
    if (rc < 0) {
        spv_wallet_free(*out);
        *out = NULL;
    }
    return rc > 0 ? 0 : rc;
}

struct spv_wallet *row_store_load(const struct row_store *store,
                                  const struct spv_wallet_config *cfg)
{
    struct spv_wallet *wallet;

    if (row_store_try_load(&wallet, store, cfg) != 0)
        fail_msg("%s", spv_store_last_error(db));
    return wallet;
}

/* ---- the lists are the wallet's ---- */

static void check_history(struct spv_wallet_iter *it, const struct spv_wallet *wallet)
{
    const struct spv_wallet_tx_row *want;
    struct spv_wallet_item item;
    uint64_t next = 0;

    assert_int_equal(spv_wallet_iter_list(it, SPV_WALLET_LIST_HISTORY, NULL), 0);
    while (spv_wallet_next_tx(wallet, &next, &want)) {
        assert_int_equal(spv_wallet_iter_next(it, &item), 1);
        check_same_row(&item.of.tx, want);
        /* each page begins after its key */
        assert_int_equal(spv_wallet_iter_list(it, SPV_WALLET_LIST_HISTORY, &item.key), 0);
    }
    assert_int_equal(spv_wallet_iter_next(it, &item), 0);
}

static bool find_coin(const struct spv_wallet *wallet, const struct spv_wallet_coin *coin)
{
    struct spv_wallet_coin other;
    uint64_t next = 0;

    while (spv_wallet_next_coin(wallet, &next, &other))
        if (memcmp(&other.txid, &coin->txid, sizeof other.txid) == 0 && other.vout == coin->vout &&
            other.height == coin->height) {
            assert_int_equal(other.confirmations, coin->confirmations);
            assert_int_equal(other.balance, coin->balance);
            assert_int_equal(other.value, coin->value);
            assert_int_equal(other.coinbase, coin->coinbase);
            assert_int_equal(other.spent_unconfirmed, coin->spent_unconfirmed);
            same_bytes(other.script, coin->script);
            assert_true(coin->origin.watch != 0);
            return true;
        }
    return false;
}

static void check_coin_list(struct spv_wallet_iter *it, const struct spv_wallet *wallet)
{
    struct spv_wallet_coin coin;
    struct spv_wallet_item item;
    uint64_t next = 0;
    size_t n = 0, listed = 0;

    while (spv_wallet_next_coin(wallet, &next, &coin))
        n++;
    assert_int_equal(spv_wallet_iter_list(it, SPV_WALLET_LIST_COINS, NULL), 0);
    while (spv_wallet_iter_next(it, &item) == 1) {
        assert_true(find_coin(wallet, &item.of.coin.coin));
        listed++;
        assert_int_equal(spv_wallet_iter_list(it, SPV_WALLET_LIST_COINS, &item.key), 0);
    }
    assert_int_equal(listed, n);
}

void row_store_check(const struct row_store *store, const struct spv_wallet *wallet,
                     const struct spv_wallet_config *cfg)
{
    struct spv_wallet_iter *it;
    struct spv_verify_report report;
    struct spv_error_info why = {.text = ""};
    const struct spv_verify_config verify = {.path = path};
    int rc;

    memory_check(store, wallet, cfg);
    assert_int_equal(spv_wallet_iter_open(&it, db), 0);
    check_history(it, wallet);
    check_coin_list(it, wallet);
    spv_wallet_iter_close(it);
    rc = spv_store_verify(&report, &verify, &why);
    if (rc != 0)
        fail_msg("%d: %s", rc, why.text);
}
