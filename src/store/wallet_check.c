/* Coins, shares and balances follow from the transactions and the watch set: a wallet that is
 * loaded from these computes what must be in the tables. */
#include "store/wallet_check.h"

#include <stdio.h>
#include <string.h>

#include "store/wallet_load.h"

#define TEXT 160 /* bytes of the text of a contradiction */

/* ---- rows alone ---- */

static int report_row(void *ctx, const struct spv_wallet_change *row, const char *bad)
{
    const struct spv_wallet_check *c = ctx;
    char name[SPV_WALLET_ROW_TEXT];
    char text[TEXT];
    if (bad) {
        spv_wallet_row_name(name, row);
        (void)snprintf(text, sizeof text, "%s is malformed: its %s", name, bad);
        c->found(c->ctx, text);
    }
    return c->row ? c->row(c->ctx) : 0;
}

/* Rows of other kinds than those of struct spv_wallet_change, by number. */
enum other { INFO, TAGS, LABELS, LINES, BROADCASTS, OTHERS };

static int read_other(enum other which, const char **bad, sqlite3_stmt *st)
{
    struct spv_wallet_info info;
    struct spv_label label;
    struct spv_broadcast_row broadcast;
    const char *text = NULL;
    switch (which) {
    case INFO:
        return spv_wallet_info_read(&info, bad, st);
    case TAGS:
        return spv_wallet_tag_read(&text, bad, st);
    case LABELS:
        return spv_wallet_label_read(&label, bad, st);
    case LINES:
        return spv_wallet_line_read(&text, bad, st);
    case BROADCASTS:
    case OTHERS:
        break;
    }
    return spv_wallet_broadcast_read(&broadcast, bad, st);
}

static int check_other(const struct spv_wallet_check *c, enum other which)
{
    static const struct {
        const char *name, *sql;
    } tables[OTHERS] = {
        [INFO] = {"metadata", "SELECT " SPV_WALLET_META_COLUMNS " FROM wallet_meta"},
        [TAGS] = {"watch", "SELECT " SPV_WALLET_WATCH_COLUMNS " FROM wallet_watch"},
        [LABELS] = {"label", "SELECT " SPV_WALLET_LABEL_COLUMNS " FROM wallet_label"},
        [LINES] = {"label", "SELECT line FROM wallet_label_line"},
        [BROADCASTS] = {"broadcast", "SELECT " SPV_WALLET_BROADCAST_COLUMNS " FROM broadcast"},
    };
    char text[TEXT];
    sqlite3_stmt *st = NULL;
    int rc = 0;
    int code = sqlite3_prepare_v2(c->s->db, tables[which].sql, -1, &st, NULL);
    while (!rc && code == SQLITE_OK && (code = sqlite3_step(st)) == SQLITE_ROW) {
        const char *bad = NULL;
        code = SQLITE_OK;
        rc = read_other(which, &bad, st);
        if (rc == SPV_ERR_DB_DAMAGED) {
            (void)snprintf(text, sizeof text, "%s is malformed: its %s", tables[which].name, bad);
            c->found(c->ctx, text);
            rc = 0;
        } else if (rc) {
            rc = spv_wallet_row_error(c->s, rc, "", "");
        }
        if (!rc && c->row)
            rc = c->row(c->ctx);
    }
    if (!rc && code != SQLITE_DONE)
        rc = spv_db_prepare_error(c->s, code, "read the wallet");
    (void)sqlite3_finalize(st);
    return rc;
}

int spv_wallet_check_rows(const struct spv_wallet_check *c)
{
    static const struct {
        enum spv_wallet_row_kind kind;
        const char *sql;
    } tables[] = {
        {SPV_WALLET_ROW_WATCH, "SELECT " SPV_WALLET_WATCH_COLUMNS " FROM wallet_watch"},
        {SPV_WALLET_ROW_BRANCH, "SELECT " SPV_WALLET_BRANCH_COLUMNS " FROM wallet_branch"},
        {SPV_WALLET_ROW_SCRIPT, "SELECT " SPV_WALLET_SCRIPT_COLUMNS " FROM wallet_script"},
        {SPV_WALLET_ROW_TX, "SELECT " SPV_WALLET_TX_COLUMNS ", raw, proof FROM wallet_tx"
                            " LEFT JOIN wallet_tx_data ON tx = id"},
        {SPV_WALLET_ROW_COIN, "SELECT " SPV_WALLET_OUTPUT_COLUMNS " FROM wallet_output"},
        {SPV_WALLET_ROW_SHARE, "SELECT " SPV_WALLET_SHARE_COLUMNS " FROM wallet_share"},
        {SPV_WALLET_ROW_BALANCE, "SELECT " SPV_WALLET_SUM_COLUMNS " FROM wallet_sum"},
    };
    int rc = 0;
    for (int i = 0; !rc && i < OTHERS; i++)
        rc = check_other(c, (enum other)i);
    for (size_t i = 0; !rc && i < sizeof tables / sizeof tables[0]; i++)
        rc =
            spv_wallet_each_row(c->s, tables[i].kind, tables[i].sql, report_row, (void *)(size_t)c);
    return rc;
}

/* ---- rows together ---- */

static void fill_random(void *ctx, void *out, size_t n)
{
    (void)ctx;
    sqlite3_randomness((int)n, out);
}

/* Reports the text of an error, without the path before it and the advice behind it. */
static void report_error(const struct spv_wallet_check *c)
{
    static const char subject[] = "the wallet's ";
    char text[TEXT];
    const char *at = strstr(c->s->error_text, subject);
    at = at ? at + sizeof subject - 1 : c->s->error_text;
    (void)snprintf(text, sizeof text, "%.*s", (int)strcspn(at, "."), at);
    c->found(c->ctx, text);
}

int spv_wallet_check_load(struct spv_wallet **wallet, const struct spv_wallet_check *c,
                          uint32_t min_groups)
{
    const struct spv_wallet_config cfg = {
        .rng = {.fill = fill_random},
        .networks = SPV_NETWORK_BIT(c->s->params.net.network),
        .min_groups = min_groups,
    };
    int rc = spv_wallet_new(wallet, &cfg);
    if (rc)
        return spv_wallet_row_error(c->s, SPV_ERR_NOMEM, "", "");
    rc = spv_wallet_load_rows(c->s, *wallet);
    if (rc == 1)
        return 1;
    spv_wallet_free(*wallet);
    *wallet = NULL;
    if (rc != SPV_ERR_DB_DAMAGED)
        return rc;
    report_error(c);
    return 0;
}

int spv_wallet_check_broadcast(const struct spv_wallet_check *c)
{
    const struct spv_broadcast_config cfg = {.rng = {.fill = fill_random}};
    struct spv_broadcast *b = NULL;
    int rc = spv_broadcast_new(&b, &cfg);
    if (rc)
        return spv_wallet_row_error(c->s, SPV_ERR_NOMEM, "", "");
    rc = spv_wallet_load_broadcast(c->s, b, (struct spv_now){.mono_us = 0});
    spv_broadcast_free(b);
    if (rc != SPV_ERR_DB_DAMAGED)
        return rc < 0 ? rc : 0;
    report_error(c);
    return 0;
}

int spv_wallet_has_changes(struct spv_store *s, struct spv_wallet *wallet)
{
    struct spv_wallet_update update;
    if (spv_wallet_changes(wallet, &update) != 0)
        return spv_wallet_row_error(s, SPV_ERR_NOMEM, "", "");
    for (size_t i = 0; i < update.n; i++)
        if (update.changes[i].kind == SPV_WALLET_ROW_TX ||
            update.changes[i].kind == SPV_WALLET_ROW_COIN)
            return 1;
    return 0;
}

static int report_changes(const struct spv_wallet_check *c, struct spv_wallet *wallet)
{
    struct spv_wallet_update update;
    char name[SPV_WALLET_ROW_TEXT];
    char text[TEXT];
    if (spv_wallet_changes(wallet, &update) != 0)
        return spv_wallet_row_error(c->s, SPV_ERR_NOMEM, "", "");
    for (size_t i = 0; i < update.n; i++) {
        const struct spv_wallet_change *row = &update.changes[i];
        if (row->kind != SPV_WALLET_ROW_TX && row->kind != SPV_WALLET_ROW_COIN)
            continue;
        spv_wallet_row_name(name, row);
        (void)snprintf(text, sizeof text, "%s is not what follows from the transactions", name);
        c->found(c->ctx, text);
    }
    return 0;
}

/* Balances: every watch has a row, and id 0 has one; there are no others. */
struct balances {
    const struct spv_wallet_check *c;
    const struct spv_wallet *wallet;
    int64_t n;
};

static int check_balance(void *ctx, const struct spv_wallet_change *row, const char *bad)
{
    struct balances *b = ctx;
    struct spv_wallet_balance_row want;
    char text[TEXT];
    const uint64_t id = row->row.balance.watch;
    if (bad)
        return 0; /* reported before */
    b->n++;
    if (spv_wallet_balance(b->wallet, &want, id) == 0 &&
        memcmp(want.amount, row->row.balance.amount, sizeof want.amount) == 0)
        return 0;
    (void)snprintf(text, sizeof text, "balance %llu is not the sum of its coins",
                   (unsigned long long)id);
    b->c->found(b->c->ctx, text);
    return 0;
}

/* The shares of one transaction. */
static int check_shares(const struct spv_wallet_check *c, const struct spv_wallet *wallet,
                        const struct spv_wallet_tx_row *tx, sqlite3_stmt *st, uint64_t *n)
{
    struct spv_wallet_share_row want;
    struct spv_wallet_change row;
    const char *bad = NULL;
    char text[TEXT];
    uint64_t watch = 0;
    int code = SQLITE_DONE;
    bool same = true;
    (void)sqlite3_reset(st);
    (void)sqlite3_bind_int64(st, 1, (int64_t)tx->id);
    while (spv_wallet_next_share(wallet, &watch, &want, tx)) {
        code = sqlite3_step(st);
        if (code != SQLITE_ROW && code != SQLITE_DONE)
            return spv_db_error(c->s, code, "read the wallet");
        (*n)++;
        same = same && code == SQLITE_ROW &&
               spv_wallet_row_read(&row, &bad, SPV_WALLET_ROW_SHARE, st) == 0 &&
               row.row.share.watch == want.watch && row.row.share.received == want.received &&
               row.row.share.spent == want.spent;
        if (!same)
            break;
    }
    if (!same) {
        (void)snprintf(text, sizeof text, "shares in transaction %llu are wrong",
                       (unsigned long long)tx->id);
        c->found(c->ctx, text);
    }
    return 0;
}

static int read_count(const struct spv_wallet_check *c, const char *sql, uint64_t *out)
{
    int64_t n = 0;
    int rc = spv_db_integer(c->s, &n, sql, "read the wallet");
    *out = n > 0 ? (uint64_t)n : 0;
    return rc;
}

static int check_all_shares(const struct spv_wallet_check *c, const struct spv_wallet *wallet)
{
    const struct spv_wallet_tx_row *tx = NULL;
    sqlite3_stmt *st = NULL;
    uint64_t next = 0;
    uint64_t n = 0;
    uint64_t rows = 0;
    int rc = 0;
    const int code = sqlite3_prepare_v2(c->s->db,
                                        "SELECT " SPV_WALLET_SHARE_COLUMNS
                                        " FROM wallet_share WHERE tx = ?1 ORDER BY watch",
                                        -1, &st, NULL);
    if (code != SQLITE_OK)
        rc = spv_db_prepare_error(c->s, code, "read the wallet");
    while (!rc && spv_wallet_next_tx(wallet, &next, &tx))
        rc = check_shares(c, wallet, tx, st, &n);
    (void)sqlite3_finalize(st);
    if (!rc)
        rc = read_count(c, "SELECT count(*) FROM wallet_share", &rows);
    if (!rc && rows != n)
        c->found(c->ctx, "shares are more or fewer than its transactions have");
    return rc;
}

int spv_wallet_check_derived(const struct spv_wallet_check *c, struct spv_wallet *wallet)
{
    static const struct {
        const char *sql, *text;
    } counts[] = {
        {"SELECT count(*) FROM wallet_tx_data WHERE tx NOT IN (SELECT id FROM wallet_tx)",
         "raw transactions have some without a row"},
        {"SELECT (SELECT count(*) FROM wallet_sum) <> 1 + (SELECT count(*) FROM wallet_watch)",
         "balances are more or fewer than its watches"},
    };
    struct balances balances = {.c = c, .wallet = wallet};
    struct spv_rescan_range range;
    uint64_t n = 0;
    int rc = 0;
    for (size_t i = 0; !rc && i < sizeof counts / sizeof counts[0]; i++) {
        rc = read_count(c, counts[i].sql, &n);
        if (!rc && n > 0)
            c->found(c->ctx, counts[i].text);
    }
    n = 0;
    /* a watch that needs a rescan may have coins that are not in the tables */
    if (rc || spv_wallet_next_rescan(wallet, &n, &range))
        return rc;
    rc = report_changes(c, wallet);
    if (rc)
        return rc;
    rc = spv_wallet_each_row(c->s, SPV_WALLET_ROW_BALANCE,
                             "SELECT " SPV_WALLET_SUM_COLUMNS " FROM wallet_sum", check_balance,
                             &balances);
    return rc ? rc : check_all_shares(c, wallet);
}
