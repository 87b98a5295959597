/* All rows of the wallet, in the order in which spv_wallet_load takes them, from one snapshot. */
#include "store/wallet_load.h"

#include <string.h>

/* Of a kind: what is read, in this order. */
static const struct source {
    enum spv_wallet_row_kind kind;
    const char *sql;
} sources[] = {
    {SPV_WALLET_ROW_WATCH, "SELECT " SPV_WALLET_WATCH_COLUMNS " FROM wallet_watch ORDER BY id"},
    {SPV_WALLET_ROW_BRANCH,
     "SELECT " SPV_WALLET_BRANCH_COLUMNS " FROM wallet_branch ORDER BY watch, branch"},
    {SPV_WALLET_ROW_SCRIPT, "SELECT " SPV_WALLET_SCRIPT_COLUMNS " FROM wallet_script"
                            " ORDER BY watch, branch, position, number"},
    {SPV_WALLET_ROW_TX, "SELECT " SPV_WALLET_TX_COLUMNS ", raw, NULL FROM wallet_tx"
                        " LEFT JOIN wallet_tx_data ON tx = id ORDER BY id"},
    {SPV_WALLET_ROW_COIN,
     "SELECT " SPV_WALLET_OUTPUT_COLUMNS " FROM wallet_output ORDER BY tx, vout"},
};

/* An error of the wallet that loads a row. */
static int load_error(struct spv_store *s, int rc, const struct spv_wallet_change *row)
{
    char name[SPV_WALLET_ROW_TEXT];
    spv_wallet_row_name(name, row);
    if (rc == SPV_ERR_NOMEM)
        return spv_db_error_of(s, NULL, SQLITE_NOMEM, "load the wallet");
    if (rc != SPV_ERR_DB_DAMAGED)
        return spv_db_fail(s, rc, "%s: the wallet cannot be loaded: it was used before.", s->path);
    return spv_db_fail(s, SPV_ERR_DB_DAMAGED,
                       "%s: the wallet's %s contradicts the rows before it. " SPV_DB_REPAIR_ADVICE,
                       s->path, name);
}

int spv_wallet_each_row(struct spv_store *s, enum spv_wallet_row_kind kind, const char *sql,
                        int (*each)(void *ctx, const struct spv_wallet_change *row,
                                    const char *bad),
                        void *ctx)
{
    sqlite3_stmt *st = NULL;
    int rc = 0;
    int code = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
    while (!rc && code == SQLITE_OK && (code = sqlite3_step(st)) == SQLITE_ROW) {
        struct spv_wallet_change row;
        const char *bad = NULL;
        code = SQLITE_OK;
        rc = spv_wallet_row_read(&row, &bad, kind, st);
        rc = rc == SPV_ERR_NOMEM ? spv_wallet_row_error(s, rc, "", "") : each(ctx, &row, bad);
    }
    if (!rc && code != SQLITE_DONE)
        rc = spv_db_prepare_error(s, code, "read the wallet");
    (void)sqlite3_finalize(st);
    return rc;
}

struct load {
    struct spv_store *s;
    struct spv_wallet *wallet;
};

static int load_row(void *ctx, const struct spv_wallet_change *row, const char *bad)
{
    const struct load *load = ctx;
    char name[SPV_WALLET_ROW_TEXT];
    spv_wallet_row_name(name, row);
    if (bad)
        return spv_wallet_row_damaged(load->s, name, bad);
    int rc = spv_wallet_load(load->wallet, row);
    return rc ? load_error(load->s, rc, row) : 0;
}

int spv_wallet_load_rows(struct spv_store *s, struct spv_wallet *wallet)
{
    struct load load = {.s = s, .wallet = wallet};
    struct spv_wallet_change row = {.kind = SPV_WALLET_ROW_META};
    struct spv_wallet_info info;
    int rc = spv_store_wallet_info(s, &info);
    if (rc <= 0)
        return rc;
    row.row.meta = info.meta;
    rc = load_row(&load, &row, NULL);
    for (size_t i = 0; !rc && i < sizeof sources / sizeof sources[0]; i++)
        rc = spv_wallet_each_row(s, sources[i].kind, sources[i].sql, load_row, &load);
    if (rc)
        return rc;
    rc = spv_wallet_load_end(wallet);
    return rc ? load_error(s, rc, &row) : 1;
}

int spv_store_load_wallet(struct spv_store *s, struct spv_wallet *wallet)
{
    int rc = spv_wallet_tables(s);
    if (rc <= 0)
        return rc;
    rc = spv_store_commit(s);
    if (rc)
        return rc;
    rc = spv_db_exec(s, "BEGIN", "read the wallet");
    if (rc)
        return rc;
    rc = spv_wallet_load_rows(s, wallet);
    spv_db_rollback(s);
    return rc;
}

/* ---- what is published ---- */

static int broadcast_error(struct spv_store *s, int rc)
{
    if (rc == SPV_ERR_NOMEM)
        return spv_db_error_of(s, NULL, SQLITE_NOMEM, "load what is published");
    if (rc != SPV_ERR_DB_DAMAGED)
        return spv_db_fail(s, rc, "%s: what is published cannot be loaded: the machine was used.",
                           s->path);
    return spv_db_fail(s, SPV_ERR_DB_DAMAGED,
                       "%s: the wallet's broadcasts contradict each other. " SPV_DB_REPAIR_ADVICE,
                       s->path);
}

int spv_wallet_load_broadcast(struct spv_store *s, struct spv_broadcast *b, struct spv_now now)
{
    sqlite3_stmt *st = NULL;
    int rc = 0;
    int n = 0;
    int code = sqlite3_prepare_v2(
        s->db, "SELECT " SPV_WALLET_BROADCAST_COLUMNS " FROM broadcast ORDER BY id", -1, &st, NULL);
    for (; !rc && code == SQLITE_OK && (code = sqlite3_step(st)) == SQLITE_ROW; n++) {
        struct spv_broadcast_row row;
        const char *bad = NULL;
        code = SQLITE_OK;
        rc = spv_wallet_broadcast_read(&row, &bad, st);
        if (rc)
            rc = spv_wallet_row_error(s, rc, "broadcast", bad);
        else if ((rc = spv_broadcast_load(b, &row)) != 0)
            rc = broadcast_error(s, rc);
    }
    if (!rc && code != SQLITE_DONE)
        rc = spv_db_prepare_error(s, code, "load what is published");
    (void)sqlite3_finalize(st);
    if (!rc && (rc = spv_broadcast_load_end(b, now)) != 0)
        rc = broadcast_error(s, rc);
    return rc ? rc : n;
}

int spv_store_load_broadcast(struct spv_store *s, struct spv_broadcast *b, struct spv_now now)
{
    int rc = spv_wallet_tables(s);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return spv_broadcast_load_end(b, now);
    rc = spv_store_commit(s);
    return rc ? rc : spv_wallet_load_broadcast(s, b, now);
}

int spv_store_wallet_info(struct spv_store *s, struct spv_wallet_info *out)
{
    sqlite3_stmt *st = NULL;
    const char *bad = NULL;
    memset(out, 0, sizeof *out);
    out->meta.scanned.height = SPV_NO_HEIGHT;
    int rc = spv_wallet_tables(s);
    if (rc <= 0)
        return rc;
    int code = sqlite3_prepare_v2(
        s->db, "SELECT " SPV_WALLET_META_COLUMNS " FROM wallet_meta ORDER BY id LIMIT 1", -1, &st,
        NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(st);
    if (code == SQLITE_ROW) {
        rc = spv_wallet_info_read(out, &bad, st);
        rc = rc ? spv_wallet_row_error(s, rc, "metadata", bad) : 1;
    } else {
        rc = code == SQLITE_DONE ? 0 : spv_db_prepare_error(s, code, "read the wallet");
    }
    (void)sqlite3_finalize(st);
    return rc;
}
