/* Writing rows, by their keys. A row that is written again keeps the columns that the change does
 * not have: a watch its tag, the metadata the database id and the bloom filter, a transaction its
 * raw form and proof. */
#include <string.h>

#include "store/wallet_rows.h"

static int bind_hash(sqlite3_stmt *st, int i, const uint8_t hash[32])
{
    return sqlite3_bind_blob(st, i, hash, 32, SQLITE_STATIC);
}

static int bind_bytes(sqlite3_stmt *st, int i, struct spv_bytes bytes)
{
    return sqlite3_bind_blob64(st, i, bytes.n > 0 ? (const void *)bytes.bytes : "", bytes.n,
                               SQLITE_STATIC);
}

/* Runs a cached statement whose parameters are bound; bound: their codes together. */
static int run_bound(struct spv_store *s, enum spv_stmt which, int bound)
{
    int rc = bound == SQLITE_OK ? spv_db_run(s, which, "store the wallet")
                                : spv_db_error(s, sqlite3_errcode(s->db), "store the wallet");
    (void)sqlite3_clear_bindings(s->stmt[which]); /* bound bytes are borrowed */
    return rc;
}

int spv_wallet_run(struct spv_store *s, const char *sql, int64_t a, int64_t b)
{
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
    if (code == SQLITE_OK) {
        (void)sqlite3_bind_int64(st, 1, a);
        (void)sqlite3_bind_int64(st, 2,
                                 b); /* fails without effect when the statement has one parameter */
        code = sqlite3_step(st);
    }
    int rc = code == SQLITE_DONE || code == SQLITE_ROW
                 ? 0
                 : spv_db_prepare_error(s, code, "store the wallet");
    (void)sqlite3_finalize(st);
    return rc;
}

int spv_wallet_begin(struct spv_store *s)
{
    sqlite3_stmt *st = NULL;
    int64_t id = 0;
    int rc = spv_db_stmt(s, &st, SPV_STMT_WALLET_BEGIN);
    if (rc)
        return rc;
    sqlite3_randomness((int)sizeof id, &id);
    return run_bound(s, SPV_STMT_WALLET_BEGIN, sqlite3_bind_int64(st, 1, id));
}

static int write_meta(struct spv_store *s, const struct spv_wallet_meta *meta)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_wallet_begin(s);
    if (rc)
        return rc;
    rc = spv_db_stmt(s, &st, SPV_STMT_WALLET_META);
    if (rc)
        return rc;
    int code = SQLITE_OK;
    if (meta->scanned.height != SPV_NO_HEIGHT) {
        code |= sqlite3_bind_int64(st, 1, meta->scanned.height);
        code |= bind_hash(st, 2, meta->scanned.hash.b);
    }
    code |= sqlite3_bind_int64(st, 3, (int64_t)meta->revision);
    code |= sqlite3_bind_int64(st, 4, (int64_t)meta->next_tx);
    code |= sqlite3_bind_int64(st, 5, (int64_t)meta->next_watch);
    rc = run_bound(s, SPV_STMT_WALLET_META, code);
    return rc || sqlite3_changes(s->db) == 1
               ? rc
               : spv_db_fail(s, SPV_ERR_STATE,
                             "%s: the wallet's changes are older than what is stored. Nothing was "
                             "written: load the wallet again.",
                             s->path);
}

static int write_watch(struct spv_store *s, const struct spv_wallet_watch_row *row)
{
    const struct spv_watch_target *w = &row->watch;
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_WALLET_WATCH);
    if (rc)
        return rc;
    int code = sqlite3_bind_int64(st, 1, (int64_t)row->id);
    code |= sqlite3_bind_int64(st, 2, w->kind);
    if (w->kind == SPV_WATCH_DESCRIPTOR)
        code |= sqlite3_bind_text(st, 3, w->descriptor, -1, SQLITE_STATIC);
    if (w->kind == SPV_WATCH_SCRIPT || w->kind == SPV_WATCH_OUTPOINT)
        code |= bind_bytes(st, 4, w->script);
    if (w->kind == SPV_WATCH_OUTPOINT || w->kind == SPV_WATCH_TXID)
        code |= bind_hash(st, 5, w->txid.b);
    code |= sqlite3_bind_int64(st, 6, w->vout);
    code |= sqlite3_bind_int64(st, 7, w->gap);
    code |= sqlite3_bind_int64(st, 8, w->birthday);
    return run_bound(s, SPV_STMT_WALLET_WATCH, code);
}

static int write_branch(struct spv_store *s, const struct spv_wallet_branch_row *row)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_WALLET_BRANCH);
    if (rc)
        return rc;
    int code = sqlite3_bind_int64(st, 1, (int64_t)row->watch);
    code |= sqlite3_bind_int64(st, 2, row->branch);
    code |= sqlite3_bind_int64(st, 3, row->n_used);
    code |= sqlite3_bind_int64(st, 4, row->window);
    code |= sqlite3_bind_int64(st, 5, row->n_scanned);
    return run_bound(s, SPV_STMT_WALLET_BRANCH, code);
}

static int write_script(struct spv_store *s, const struct spv_wallet_script_row *row)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_WALLET_SCRIPT);
    if (rc)
        return rc;
    int code = sqlite3_bind_int64(st, 1, (int64_t)row->origin.watch);
    code |= sqlite3_bind_int64(st, 2, row->origin.branch);
    code |= sqlite3_bind_int64(st, 3, row->origin.index);
    code |= bind_bytes(st, 4, row->script);
    return run_bound(s, SPV_STMT_WALLET_SCRIPT, code);
}

static void pack_groups(uint8_t out[8 * SPV_WALLET_MAX_GROUPS], const struct spv_wallet_tx_row *row)
{
    for (size_t i = 0; i < row->n_groups; i++)
        for (size_t k = 0; k < 8; k++)
            out[8 * i + k] = (uint8_t)(row->groups[i] >> 8 * k);
}

static int write_tx_row(struct spv_store *s, const struct spv_wallet_tx_row *row)
{
    static const struct spv_txid none;
    static const struct spv_blockhash no_block;
    uint8_t groups[8 * SPV_WALLET_MAX_GROUPS];
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_WALLET_TX);
    if (rc)
        return rc;
    pack_groups(groups, row);
    int code = sqlite3_bind_int64(st, 1, (int64_t)row->id);
    code |= sqlite3_bind_int64(st, 2, (int64_t)row->revision);
    code |= bind_hash(st, 3, row->txid.b);
    code |= sqlite3_bind_int64(st, 4, row->block.height);
    if (row->block.height != SPV_NO_HEIGHT || !spv_blockhash_eq(&row->block.hash, &no_block))
        code |= bind_hash(st, 5, row->block.hash.b);
    code |= sqlite3_bind_int64(st, 6, row->position);
    code |= sqlite3_bind_int64(st, 7, row->flags);
    code |= sqlite3_bind_int64(st, 8, row->state);
    code |= bind_bytes(st, 9, (struct spv_bytes){groups, (size_t)8 * row->n_groups});
    code |= sqlite3_bind_int64(st, 10, row->block_time);
    code |= sqlite3_bind_int64(st, 11, row->first_seen);
    code |= sqlite3_bind_int64(st, 12, row->last_seen);
    if (memcmp(&row->conflict, &none, sizeof none) != 0)
        code |= bind_hash(st, 13, row->conflict.b);
    code |= sqlite3_bind_int64(st, 14, row->received);
    code |= sqlite3_bind_int64(st, 15, row->spent);
    if (row->fee >= 0)
        code |= sqlite3_bind_int64(st, 16, row->fee);
    return run_bound(s, SPV_STMT_WALLET_TX, code);
}

static int write_bytes(struct spv_store *s, enum spv_stmt which, uint64_t tx,
                       struct spv_bytes bytes)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, which);
    if (rc)
        return rc;
    int code = sqlite3_bind_int64(st, 1, (int64_t)tx);
    code |= bind_bytes(st, 2, bytes);
    return run_bound(s, which, code);
}

static int write_tx(struct spv_store *s, const struct spv_wallet_tx_row *row)
{
    int rc = write_tx_row(s, row);
    if (!rc && row->raw.n > 0)
        rc = write_bytes(s, SPV_STMT_WALLET_RAW, row->id, row->raw);
    if (!rc && row->proof.n > 0)
        rc = write_bytes(s, SPV_STMT_WALLET_PROOF, row->id, row->proof);
    if (!rc && row->proof.n > 0 && sqlite3_changes(s->db) != 1)
        rc = spv_db_fail(s, SPV_ERR_STATE,
                         "%s: the wallet's transaction %llu has a proof and no raw form. Nothing "
                         "was written.",
                         s->path, (unsigned long long)row->id);
    return rc;
}

static int write_coin(struct spv_store *s, const struct spv_wallet_coin_row *row)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_WALLET_OUTPUT);
    if (rc)
        return rc;
    int code = sqlite3_bind_int64(st, 1, (int64_t)row->tx);
    code |= sqlite3_bind_int64(st, 2, row->vout);
    code |= sqlite3_bind_int64(st, 3, row->balance);
    code |= sqlite3_bind_int64(st, 4, row->value);
    code |= bind_bytes(st, 5, row->script);
    code |= sqlite3_bind_int64(st, 6, (int64_t)row->spender);
    return run_bound(s, SPV_STMT_WALLET_OUTPUT, code);
}

static int write_share(struct spv_store *s, const struct spv_wallet_share_row *row)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_WALLET_SHARE);
    if (rc)
        return rc;
    int code = sqlite3_bind_int64(st, 1, (int64_t)row->tx);
    code |= sqlite3_bind_int64(st, 2, (int64_t)row->watch);
    code |= sqlite3_bind_int64(st, 3, row->received);
    code |= sqlite3_bind_int64(st, 4, row->spent);
    return run_bound(s, SPV_STMT_WALLET_SHARE, code);
}

static int write_balance(struct spv_store *s, const struct spv_wallet_balance_row *row)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_WALLET_SUM);
    if (rc)
        return rc;
    int code = sqlite3_bind_int64(st, 1, (int64_t)row->watch);
    for (int i = SPV_BALANCE_NONE + 1; i < SPV_BALANCE_KINDS; i++)
        code |= sqlite3_bind_int64(st, i + 1, row->amount[i]);
    return run_bound(s, SPV_STMT_WALLET_SUM, code);
}

/* ---- deletions ---- */

static int delete_rows(struct spv_store *s, const char *const *sql, size_t n, int64_t a, int64_t b)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < n; i++)
        rc = spv_wallet_run(s, sql[i], a, b);
    return rc;
}

#define DELETE(list, a, b) delete_rows(s, list, sizeof(list) / sizeof(list)[0], (int64_t)(a), b)

static int delete_row(struct spv_store *s, const struct spv_wallet_change *change)
{
    static const char *const watch[] = {
        "DELETE FROM wallet_watch WHERE id = ?1", "DELETE FROM wallet_branch WHERE watch = ?1",
        "DELETE FROM wallet_script WHERE watch = ?1", "DELETE FROM wallet_share WHERE watch = ?1",
        "DELETE FROM wallet_sum WHERE watch = ?1"};
    static const char *const tx[] = {
        "DELETE FROM wallet_tx WHERE id = ?1", "DELETE FROM wallet_tx_data WHERE tx = ?1",
        "DELETE FROM wallet_output WHERE tx = ?1", "DELETE FROM wallet_share WHERE tx = ?1"};
    static const char *const branch[] = {
        "DELETE FROM wallet_branch WHERE watch = ?1 AND branch = ?2",
        "DELETE FROM wallet_script WHERE watch = ?1 AND branch = ?2"};
    static const char *const coin[] = {"DELETE FROM wallet_output WHERE tx = ?1 AND vout = ?2"};
    static const char *const share[] = {"DELETE FROM wallet_share WHERE tx = ?1 AND watch = ?2"};
    static const char *const balance[] = {"DELETE FROM wallet_sum WHERE watch = ?1"};
    switch (change->kind) {
    case SPV_WALLET_ROW_META:
    case SPV_WALLET_ROW_SCRIPT:
        break; /* never deleted alone */
    case SPV_WALLET_ROW_WATCH:
        return DELETE(watch, change->row.watch.id, 0);
    case SPV_WALLET_ROW_BRANCH:
        return DELETE(branch, change->row.branch.watch, change->row.branch.branch);
    case SPV_WALLET_ROW_TX:
        return DELETE(tx, change->row.tx.id, 0);
    case SPV_WALLET_ROW_COIN:
        return DELETE(coin, change->row.coin.tx, change->row.coin.vout);
    case SPV_WALLET_ROW_SHARE:
        return DELETE(share, change->row.share.tx, (int64_t)change->row.share.watch);
    case SPV_WALLET_ROW_BALANCE:
        return DELETE(balance, change->row.balance.watch, 0);
    }
    return spv_db_fail(s, SPV_ERR_INVALID, "%s: a row of the wallet that cannot be deleted",
                       s->path);
}

int spv_wallet_row_write(struct spv_store *s, const struct spv_wallet_change *change)
{
    if (change->deleted)
        return delete_row(s, change);
    switch (change->kind) {
    case SPV_WALLET_ROW_META:
        return write_meta(s, &change->row.meta);
    case SPV_WALLET_ROW_WATCH:
        return write_watch(s, &change->row.watch);
    case SPV_WALLET_ROW_BRANCH:
        return write_branch(s, &change->row.branch);
    case SPV_WALLET_ROW_SCRIPT:
        return write_script(s, &change->row.script);
    case SPV_WALLET_ROW_TX:
        return write_tx(s, &change->row.tx);
    case SPV_WALLET_ROW_COIN:
        return write_coin(s, &change->row.coin);
    case SPV_WALLET_ROW_SHARE:
        return write_share(s, &change->row.share);
    case SPV_WALLET_ROW_BALANCE:
        return write_balance(s, &change->row.balance);
    }
    return spv_db_fail(s, SPV_ERR_INVALID, "%s: an unknown kind of row of the wallet", s->path);
}

/* ---- what is being published ---- */

static int bind_facts(sqlite3_stmt *st, int i, const struct spv_broadcast_row *row)
{
    uint8_t blob[SPV_BROADCAST_MAX_GROUPS * SPV_BROADCAST_GROUP_BYTES];
    size_t n = 0;
    for (uint32_t g = 0; g < row->n_groups && g < SPV_BROADCAST_MAX_GROUPS; g++) {
        for (unsigned k = 0; k < 8; k++)
            blob[n++] = (uint8_t)(row->groups[g] >> 8 * k);
        blob[n++] = (uint8_t)row->facts[g];
    }
    return sqlite3_bind_blob(st, i, n > 0 ? blob : (const void *)"", (int)n, SQLITE_TRANSIENT);
}

int spv_wallet_broadcast_write(struct spv_store *s, const struct spv_broadcast_change *change)
{
    const struct spv_broadcast_row *row = &change->row;
    if (change->deleted)
        return spv_wallet_run(s, "DELETE FROM broadcast WHERE id = ?1", (int64_t)row->id, 0);
    const enum spv_stmt which =
        row->raw.n > 0 ? SPV_STMT_BROADCAST : SPV_STMT_BROADCAST_CHANGE; /* the stored bytes stay */
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, which);
    if (rc)
        return rc;
    int code = sqlite3_bind_int64(st, 1, (int64_t)row->id);
    code |= sqlite3_bind_int64(st, 2, (int64_t)row->package);
    code |= sqlite3_bind_int64(st, 3, row->position);
    code |= bind_hash(st, 4, row->txid.b);
    code |= sqlite3_bind_int64(st, 5, row->state);
    code |= sqlite3_bind_int64(st, 6, row->flags);
    code |= sqlite3_bind_int64(st, 7, row->wait_height);
    code |= sqlite3_bind_int64(st, 8, row->wait_time);
    code |= sqlite3_bind_int64(st, 9, row->height);
    code |= sqlite3_bind_int64(st, 10, row->n_rounds);
    code |= sqlite3_bind_int64(st, 11, row->announced_at);
    code |= sqlite3_bind_int64(st, 12, row->ended_at);
    code |= sqlite3_bind_int64(st, 13, row->n_rejects);
    code |= sqlite3_bind_int64(st, 14, row->reject_code);
    code |= bind_facts(st, 15, row);
    if (row->raw.n > 0)
        code |= bind_bytes(st, 16, row->raw);
    rc = run_bound(s, which, code);
    if (rc == 0 && sqlite3_changes(s->db) != 1)
        return spv_db_fail(s, SPV_ERR_STATE,
                           "%s: a published transaction that is not there cannot change", s->path);
    return rc;
}
