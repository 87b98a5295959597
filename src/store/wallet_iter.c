/* An iterator has a connection of its own with one snapshot, as that of headers has. Each list is a
 * statement in the order of an index, begun after a key: so the cost of a page does not depend on
 * its position. Coins that are in no balance are found from the unconfirmed transactions, whose
 * number is bounded. */
#include <string.h>

#include "store/wallet_rows.h"

#define PENDING "4294967295" /* SPV_NO_HEIGHT */
_Static_assert(SPV_NO_HEIGHT == 4294967295, "as in the statements");

#define COIN_COLUMNS                                                                               \
    "o.tx, o.vout, o.field, o.value, o.script, o.spender, t.txid, t.height, t.flags"

enum origin_stmt { ORIGIN_STMT, TX_STMT, FIND_STMT, SHARES_STMT, STMTS };

struct spv_wallet_iter {
    struct spv_store *store; /* for error texts and checks */
    struct spv_store own; /* its connection, as a store for functions that read */
    struct spv_wallet_info info;
    enum spv_wallet_list list;
    sqlite3_stmt *st; /* of the list; NULL: none */
    bool has_more; /* other_coins follows, after the same key */
    int64_t after[3];
    sqlite3_stmt *stmt[STMTS]; /* prepared at first use */
};

/* The lists. Keys: ?1, ?2, ?3. */
static const char *const lists[SPV_WALLET_LISTS] = {
    [SPV_WALLET_LIST_HISTORY] =
        "SELECT " SPV_WALLET_TX_COLUMNS " FROM wallet_tx INDEXED BY wallet_tx_by_chain"
        " WHERE (height, position, id) > (?1, ?2, ?3) AND revision > 0"
        " ORDER BY height, position, id",
    [SPV_WALLET_LIST_HISTORY_REVERSED] =
        "SELECT " SPV_WALLET_TX_COLUMNS " FROM wallet_tx INDEXED BY wallet_tx_by_chain"
        " WHERE (height, position, id) < (?1, ?2, ?3) AND revision > 0"
        " ORDER BY height DESC, position DESC, id DESC",
    [SPV_WALLET_LIST_HISTORY_CHANGES] =
        "SELECT " SPV_WALLET_TX_COLUMNS " FROM wallet_tx INDEXED BY wallet_tx_by_revision"
        " WHERE revision > ?1 ORDER BY revision, id",
    /* coins in a balance; the others follow by the statement below */
    [SPV_WALLET_LIST_COINS] =
        "SELECT " COIN_COLUMNS ", o.field FROM wallet_output o"
        " INDEXED BY wallet_output_by_field CROSS JOIN wallet_tx t ON t.id = o.tx"
        " WHERE (o.field, o.tx, o.vout) > (?1, ?2, ?3) AND o.field > 0"
        " ORDER BY o.field, o.tx, o.vout",
    [SPV_WALLET_LIST_WATCHES] =
        "SELECT " SPV_WALLET_WATCH_COLUMNS " FROM wallet_watch WHERE id > ?1 ORDER BY id",
    [SPV_WALLET_LIST_BRANCHES] =
        "SELECT " SPV_WALLET_BRANCH_COLUMNS " FROM wallet_branch ORDER BY watch, branch",
    [SPV_WALLET_LIST_BALANCES] = "SELECT " SPV_WALLET_SUM_COLUMNS " FROM wallet_sum ORDER BY watch",
    [SPV_WALLET_LIST_LABELS] =
        "SELECT " SPV_WALLET_LABEL_COLUMNS " FROM wallet_label ORDER BY type, ref, origin",
    [SPV_WALLET_LIST_LABEL_LINES] = "SELECT line FROM wallet_label_line ORDER BY line",
    [SPV_WALLET_LIST_BROADCASTS] =
        "SELECT " SPV_WALLET_BROADCAST_COLUMNS " FROM broadcast ORDER BY id",
};

/* Coins in no balance (column field 0) are listed last, with 5 as key. In one statement with those
 * above SQLite would have to sort all coins. */
static const char other_coins[] =
    "SELECT " COIN_COLUMNS ", 5 FROM wallet_tx t INDEXED BY wallet_tx_by_chain"
    " JOIN wallet_output o ON o.tx = t.id WHERE t.height = " PENDING " AND t.state = 1"
    " AND o.field = 0 AND (5, o.tx, o.vout) > (?1, ?2, ?3)"
    " UNION ALL"
    " SELECT " COIN_COLUMNS ", 5 FROM wallet_tx s INDEXED BY wallet_tx_by_chain"
    " JOIN wallet_output o ON o.spender = s.id JOIN wallet_tx t ON t.id = o.tx"
    " WHERE s.height = " PENDING " AND t.height < " PENDING " AND o.field = 0"
    " AND (5, o.tx, o.vout) > (?1, ?2, ?3)"
    " ORDER BY 1, 2";

static const char *const stmts[STMTS] = {
    /* the owner of a script: a descriptor's window, a watched script or outpoint */
    [ORIGIN_STMT] = "SELECT s.watch, s.branch, s.position FROM wallet_script s"
                    " INDEXED BY wallet_script_by_script JOIN wallet_branch b"
                    " ON b.watch = s.watch AND b.branch = s.branch"
                    " WHERE s.script = ?1 AND s.position < b.\"window\""
                    " UNION ALL SELECT id, 0, 0 FROM wallet_watch INDEXED BY wallet_watch_by_script"
                    " WHERE script = ?1 AND (kind = 2 OR (kind = 3 AND txid = ?2 AND vout = ?3))"
                    " ORDER BY 1, 2, 3 LIMIT 1",
    [TX_STMT] = "SELECT " SPV_WALLET_TX_COLUMNS ", raw, proof FROM wallet_tx"
                " LEFT JOIN wallet_tx_data ON tx = id WHERE id = ?1",
    [FIND_STMT] = "SELECT " SPV_WALLET_TX_COLUMNS ", raw, proof FROM wallet_tx"
                  " INDEXED BY wallet_tx_by_txid LEFT JOIN wallet_tx_data ON tx = id"
                  " WHERE txid = ?1 ORDER BY nullif(height, " PENDING ") DESC, id DESC LIMIT 1",
    [SHARES_STMT] =
        "SELECT " SPV_WALLET_SHARE_COLUMNS " FROM wallet_share WHERE tx = ?1 ORDER BY watch",
};

void spv_wallet_iter_close(struct spv_wallet_iter *it)
{
    if (!it)
        return;
    (void)sqlite3_finalize(it->st);
    for (size_t i = 0; i < STMTS; i++)
        (void)sqlite3_finalize(it->stmt[i]);
    spv_db_disconnect(&it->own.db, &it->own.watch);
    sqlite3_free(it);
}

static int iter_error(struct spv_wallet_iter *it, int code)
{
    return spv_db_error_of(it->store, it->own.db, code, "read the wallet");
}

/* Copies the text of an error of the iterator's own store. */
static int own_error(struct spv_wallet_iter *it, int rc)
{
    return rc >= 0 ? rc : spv_db_fail(it->store, rc, "%s", it->own.error_text);
}

static int begin_snapshot(struct spv_wallet_iter *it)
{
    const int code = sqlite3_exec(it->own.db, "BEGIN", NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return iter_error(it, code);
    int rc = own_error(it, spv_store_wallet_info(&it->own, &it->info));
    return rc != 0 ? (rc < 0 ? rc : 0)
                   : spv_db_fail(it->store, SPV_ERR_NOT_FOUND,
                                 "%s: has no wallet. Add a watch first.", it->store->path);
}

int spv_wallet_iter_open(struct spv_wallet_iter **out, struct spv_store *s)
{
    *out = NULL;
    struct spv_wallet_iter *it = sqlite3_malloc64(sizeof *it);
    if (!it)
        return spv_db_error_of(s, NULL, SQLITE_NOMEM, "read the wallet");
    memset(it, 0, sizeof *it);
    it->store = s;
    it->own.path = s->path;
    it->own.mode = SPV_STORE_READ;
    it->own.lock = -1;
    it->own.watch.stop = s->watch.stop;
    it->own.watch.busy = s->watch.busy;
    it->own.watch.busy_ctx = s->watch.busy_ctx;
    int code = spv_db_connect(&it->own.db, &it->own.watch, s->path, SPV_STORE_READ, s->immutable);
    int rc = code == SQLITE_OK ? begin_snapshot(it) : iter_error(it, code);
    if (rc) {
        spv_wallet_iter_close(it);
        return rc;
    }
    *out = it;
    return 0;
}

const struct spv_wallet_info *spv_wallet_iter_info(const struct spv_wallet_iter *it)
{
    return &it->info;
}

static int begin_list(struct spv_wallet_iter *it, const char *sql)
{
    (void)sqlite3_finalize(it->st);
    it->st = NULL;
    const int code = sqlite3_prepare_v2(it->own.db, sql, -1, &it->st, NULL);
    if (code != SQLITE_OK)
        return iter_error(it, code);
    const int n = sqlite3_bind_parameter_count(it->st);
    for (int i = 0; i < n; i++)
        (void)sqlite3_bind_int64(it->st, i + 1, it->after[i]);
    return 0;
}

int spv_wallet_iter_list(struct spv_wallet_iter *it, enum spv_wallet_list list,
                         const struct spv_wallet_key *after)
{
    if ((unsigned)list >= SPV_WALLET_LISTS)
        return spv_db_fail(it->store, SPV_ERR_INVALID, "%s: an unknown list", it->store->path);
    /* without a key a list begins below or, reversed, above every key */
    for (size_t i = 0; i < 3; i++)
        it->after[i] = after                                      ? (int64_t)after->part[i]
                       : list == SPV_WALLET_LIST_HISTORY_REVERSED ? INT64_MAX
                                                                  : -1;
    if (!after && list == SPV_WALLET_LIST_COINS) { /* above field 0, which spent coins have, too */
        it->after[0] = 0;
        it->after[1] = it->after[2] = INT64_MAX;
    }
    it->list = list;
    it->has_more = list == SPV_WALLET_LIST_COINS;
    return begin_list(it, lists[list]);
}

/* A statement of stmts, ready to be bound. */
static int iter_prepare(struct spv_wallet_iter *it, sqlite3_stmt **out, enum origin_stmt which)
{
    if (!it->stmt[which]) {
        const int code = sqlite3_prepare_v3(it->own.db, stmts[which], -1, SQLITE_PREPARE_PERSISTENT,
                                            &it->stmt[which], NULL);
        if (code != SQLITE_OK)
            return iter_error(it, code);
    }
    (void)sqlite3_reset(it->stmt[which]);
    *out = it->stmt[which];
    return 0;
}

/* ---- items ---- */

static int row_malformed(struct spv_wallet_iter *it, int rc, const struct spv_wallet_change *row,
                         const char *bad)
{
    char name[SPV_WALLET_ROW_TEXT];
    spv_wallet_row_name(name, row);
    return spv_wallet_row_error(it->store, rc, name, bad);
}

/* Sets the first owner of a coin's script; zeros when there is none. */
static int find_origin(struct spv_wallet_iter *it, struct spv_wallet_coin *coin)
{
    sqlite3_stmt *st = NULL;
    int rc = iter_prepare(it, &st, ORIGIN_STMT);
    if (rc)
        return rc;
    (void)sqlite3_bind_blob64(st, 1, coin->script.bytes, coin->script.n, SQLITE_STATIC);
    (void)sqlite3_bind_blob(st, 2, coin->txid.b, 32, SQLITE_STATIC);
    (void)sqlite3_bind_int64(st, 3, coin->vout);
    const int code = sqlite3_step(st);
    if (code == SQLITE_ROW) {
        coin->origin.watch = (uint64_t)sqlite3_column_int64(st, 0);
        coin->origin.branch = (uint32_t)sqlite3_column_int64(st, 1);
        coin->origin.index = (uint32_t)sqlite3_column_int64(st, 2);
    }
    (void)sqlite3_reset(st);
    (void)sqlite3_clear_bindings(st);
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : iter_error(it, code);
}

static int read_coin(struct spv_wallet_iter *it, struct spv_wallet_item *out)
{
    struct spv_wallet_coin *coin = &out->of.coin.coin;
    const uint32_t scanned = it->info.meta.scanned.height;
    struct spv_wallet_change row;
    const char *bad = NULL;
    int rc = spv_wallet_row_read(&row, &bad, SPV_WALLET_ROW_COIN, it->st);
    if (!rc && (sqlite3_column_type(it->st, 6) != SQLITE_BLOB ||
                sqlite3_column_bytes(it->st, 6) != (int)sizeof coin->txid.b)) {
        bad = "transaction's txid";
        rc = SPV_ERR_DB_DAMAGED;
    }
    if (!rc && spv_row_u32(&coin->height, it->st, 7) != 0) {
        bad = "transaction's height";
        rc = SPV_ERR_DB_DAMAGED;
    }
    if (rc)
        return row_malformed(it, rc, &row, bad);
    const void *txid = sqlite3_column_blob(it->st, 6);
    if (!txid)
        return iter_error(it, SQLITE_NOMEM);
    memcpy(coin->txid.b, txid, sizeof coin->txid.b);
    coin->vout = row.row.coin.vout;
    coin->confirmations =
        scanned != SPV_NO_HEIGHT && coin->height <= scanned ? scanned - coin->height + 1 : 0;
    coin->balance = (enum spv_balance_kind)row.row.coin.balance;
    coin->value = row.row.coin.value;
    coin->script = row.row.coin.script;
    coin->coinbase = (sqlite3_column_int64(it->st, 8) & SPV_TX_FLAG_COINBASE) != 0;
    coin->spent_unconfirmed = row.row.coin.spender != 0;
    out->of.coin.tx = row.row.coin.tx;
    out->of.coin.spender = row.row.coin.spender;
    out->key = (struct spv_wallet_key){
        {(uint64_t)sqlite3_column_int64(it->st, 9), row.row.coin.tx, coin->vout}};
    return find_origin(it, coin);
}

static int read_row(struct spv_wallet_iter *it, struct spv_wallet_change *row,
                    enum spv_wallet_row_kind kind)
{
    const char *bad = NULL;
    const int rc = spv_wallet_row_read(row, &bad, kind, it->st);
    return rc ? row_malformed(it, rc, row, bad) : 0;
}

static int read_watch(struct spv_wallet_iter *it, struct spv_wallet_item *out)
{
    struct spv_wallet_change row;
    const char *bad = NULL;
    int rc = read_row(it, &row, SPV_WALLET_ROW_WATCH);
    if (rc)
        return rc;
    out->of.watch.row = row.row.watch;
    out->key.part[0] = row.row.watch.id;
    rc = spv_wallet_tag_read(&out->of.watch.tag, &bad, it->st);
    return rc ? row_malformed(it, rc, &row, bad) : 0;
}

/* Rows of other kinds than those of struct spv_wallet_change. */
static int read_other(struct spv_wallet_iter *it, struct spv_wallet_item *out)
{
    const char *bad = NULL;
    const char *what = "label";
    int rc = 0;
    if (it->list == SPV_WALLET_LIST_LABELS) {
        rc = spv_wallet_label_read(&out->of.label, &bad, it->st);
    } else if (it->list == SPV_WALLET_LIST_LABEL_LINES) {
        rc = spv_wallet_line_read(&out->of.line, &bad, it->st);
    } else {
        what = "broadcast";
        rc = spv_wallet_broadcast_read(&out->of.broadcast, &bad, it->st);
    }
    return rc ? spv_wallet_row_error(it->store, rc, what, bad) : 0;
}

static int read_item(struct spv_wallet_iter *it, struct spv_wallet_item *out)
{
    struct spv_wallet_change row;
    int rc = 0;
    switch (it->list) {
    case SPV_WALLET_LIST_HISTORY:
    case SPV_WALLET_LIST_HISTORY_REVERSED:
    case SPV_WALLET_LIST_HISTORY_CHANGES:
        rc = read_row(it, &row, SPV_WALLET_ROW_TX);
        out->of.tx = row.row.tx;
        if (it->list == SPV_WALLET_LIST_HISTORY_CHANGES)
            out->key.part[0] = row.row.tx.revision;
        else
            out->key = (struct spv_wallet_key){
                {row.row.tx.block.height, row.row.tx.position, row.row.tx.id}};
        return rc;
    case SPV_WALLET_LIST_COINS:
        return read_coin(it, out);
    case SPV_WALLET_LIST_WATCHES:
        return read_watch(it, out);
    case SPV_WALLET_LIST_BRANCHES:
        rc = read_row(it, &row, SPV_WALLET_ROW_BRANCH);
        out->of.branch = row.row.branch;
        return rc;
    case SPV_WALLET_LIST_BALANCES:
        rc = read_row(it, &row, SPV_WALLET_ROW_BALANCE);
        out->of.balance = row.row.balance;
        return rc;
    case SPV_WALLET_LIST_LABELS:
    case SPV_WALLET_LIST_LABEL_LINES:
    case SPV_WALLET_LIST_BROADCASTS:
        return read_other(it, out);
    }
    return SPV_ERR_INVALID;
}

int spv_wallet_iter_next(struct spv_wallet_iter *it, struct spv_wallet_item *out)
{
    memset(out, 0, sizeof *out);
    if (!it->st)
        return 0;
    int code = sqlite3_step(it->st);
    if (code == SQLITE_DONE && it->has_more) {
        it->has_more = false;
        const int rc = begin_list(it, other_coins);
        if (rc)
            return rc;
        code = sqlite3_step(it->st);
    }
    if (code == SQLITE_DONE) {
        (void)sqlite3_finalize(it->st); /* otherwise the next step would begin the list again */
        it->st = NULL;
        return 0;
    }
    if (code != SQLITE_ROW)
        return iter_error(it, code);
    const int rc = read_item(it, out);
    return rc ? rc : 1;
}

/* ---- single transactions ---- */

static int read_tx(struct spv_wallet_iter *it, struct spv_wallet_tx_row *out, sqlite3_stmt *st)
{
    struct spv_wallet_change row;
    const char *bad = NULL;
    const int code = sqlite3_step(st);
    if (code == SQLITE_DONE)
        return 0;
    if (code != SQLITE_ROW)
        return iter_error(it, code);
    const int rc = spv_wallet_row_read(&row, &bad, SPV_WALLET_ROW_TX, st);
    *out = row.row.tx;
    return rc ? row_malformed(it, rc, &row, bad) : 1;
}

int spv_wallet_iter_tx(struct spv_wallet_iter *it, struct spv_wallet_tx_row *out, uint64_t id)
{
    sqlite3_stmt *st = NULL;
    int rc = iter_prepare(it, &st, TX_STMT);
    if (rc)
        return rc;
    (void)sqlite3_bind_int64(st, 1, (int64_t)id);
    return read_tx(it, out, st);
}

int spv_wallet_iter_find_tx(struct spv_wallet_iter *it, struct spv_wallet_tx_row *out,
                            const struct spv_txid *txid)
{
    sqlite3_stmt *st = NULL;
    int rc = iter_prepare(it, &st, FIND_STMT);
    if (rc)
        return rc;
    if (sqlite3_bind_blob(st, 1, txid->b, sizeof txid->b, SQLITE_TRANSIENT) != SQLITE_OK)
        return iter_error(it, SQLITE_NOMEM);
    return read_tx(it, out, st);
}

int spv_wallet_iter_shares(struct spv_wallet_iter *it, struct spv_wallet_share_row *out, size_t cap,
                           uint64_t tx)
{
    sqlite3_stmt *st = NULL;
    int code = SQLITE_DONE;
    int n = 0;
    int rc = iter_prepare(it, &st, SHARES_STMT);
    if (rc)
        return rc;
    (void)sqlite3_bind_int64(st, 1, (int64_t)tx);
    while (!rc && (code = sqlite3_step(st)) == SQLITE_ROW) {
        struct spv_wallet_change row;
        const char *bad = NULL;
        rc = spv_wallet_row_read(&row, &bad, SPV_WALLET_ROW_SHARE, st);
        if (rc)
            rc = row_malformed(it, rc, &row, bad);
        else if ((size_t)n < cap)
            out[n] = row.row.share;
        n += !rc;
    }
    (void)sqlite3_reset(st);
    if (!rc && code != SQLITE_DONE)
        rc = iter_error(it, code);
    return rc ? rc : n;
}
