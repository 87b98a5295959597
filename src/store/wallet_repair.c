/* The watch set with its used indexes, labels and broadcasts must be well-formed: they cannot be
 * computed again. Transactions that are being published are read from both tables that have them,
 * and published again in the wallet that is loaded from the other rows. */
#include "store/wallet_repair.h"

#include <string.h>

#include "store/wallet_check.h"
#include "store/wallet_load.h"

int spv_wallet_refuse_repair(struct spv_store *s, const char *what)
{
    return spv_db_fail(
        s, SPV_ERR_STATE,
        "%s: the wallet's %s cannot be read, and cannot be downloaded again. Nothing "
        "was changed. Restore the file from a backup, or move it away and add the "
        "watches anew.",
        s->path, what);
}

/* ---- what must be well-formed ---- */

static int must_be_good(void *ctx, const struct spv_wallet_change *row, const char *bad)
{
    (void)row;
    *(bool *)ctx = *(bool *)ctx || bad;
    return 0;
}

/* Checks rows that only the store knows: each is well-formed, or *bad is its column. */
static int check_notes(struct spv_store *s, const char *sql,
                       int (*read)(sqlite3_stmt *st, const char **bad), bool *bad)
{
    sqlite3_stmt *st = NULL;
    int rc = 0;
    int code = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
    while (!rc && code == SQLITE_OK && (code = sqlite3_step(st)) == SQLITE_ROW) {
        const char *column = NULL;
        code = SQLITE_OK;
        rc = read(st, &column);
        *bad = *bad || rc == SPV_ERR_DB_DAMAGED;
        rc = rc == SPV_ERR_DB_DAMAGED ? 0 : rc ? spv_wallet_row_error(s, rc, "", "") : 0;
    }
    if (!rc && code != SQLITE_DONE)
        rc = spv_db_prepare_error(s, code, "read the wallet");
    (void)sqlite3_finalize(st);
    return rc;
}

static int read_tag(sqlite3_stmt *st, const char **bad)
{
    const char *tag = NULL;
    return spv_wallet_tag_read(&tag, bad, st);
}

static int read_label(sqlite3_stmt *st, const char **bad)
{
    struct spv_label label;
    return spv_wallet_label_read(&label, bad, st);
}

static int read_line(sqlite3_stmt *st, const char **bad)
{
    const char *line = NULL;
    return spv_wallet_line_read(&line, bad, st);
}

static int read_broadcast(sqlite3_stmt *st, const char **bad)
{
    struct spv_broadcast_row row;
    return spv_wallet_broadcast_read(&row, bad, st);
}

static int check_kept(struct spv_store *s)
{
    static const struct {
        enum spv_wallet_row_kind kind;
        const char *sql, *what;
    } rows[] = {
        {SPV_WALLET_ROW_WATCH, "SELECT " SPV_WALLET_WATCH_COLUMNS " FROM wallet_watch", "watches"},
        {SPV_WALLET_ROW_BRANCH, "SELECT " SPV_WALLET_BRANCH_COLUMNS " FROM wallet_branch",
         "used indexes"},
    };
    static const struct {
        int (*read)(sqlite3_stmt *st, const char **bad);
        const char *sql, *what;
    } notes[] = {
        {read_tag, "SELECT " SPV_WALLET_WATCH_COLUMNS " FROM wallet_watch", "tags"},
        {read_label, "SELECT " SPV_WALLET_LABEL_COLUMNS " FROM wallet_label", "labels"},
        {read_line, "SELECT line FROM wallet_label_line", "labels"},
        {read_broadcast, "SELECT " SPV_WALLET_BROADCAST_COLUMNS " FROM broadcast",
         "published transactions"},
    };
    bool bad = false;
    int rc = 0;
    for (size_t i = 0; !rc && i < sizeof rows / sizeof rows[0]; i++) {
        rc = spv_wallet_each_row(s, rows[i].kind, rows[i].sql, must_be_good, &bad);
        if (!rc && bad)
            rc = spv_wallet_refuse_repair(s, rows[i].what);
    }
    for (size_t i = 0; !rc && i < sizeof notes / sizeof notes[0]; i++) {
        rc = check_notes(s, notes[i].sql, notes[i].read, &bad);
        if (!rc && bad)
            rc = spv_wallet_refuse_repair(s, notes[i].what);
    }
    return rc;
}

static void note_bad(void *ctx, const char *text)
{
    (void)text;
    *(bool *)ctx = true;
}

/* Loads the published transactions, too. */
static int check_published(struct spv_store *s)
{
    bool bad = false;
    const struct spv_wallet_check c = {.s = s, .found = note_bad, .ctx = &bad};
    int rc = spv_wallet_check_broadcast(&c);
    return rc || !bad ? rc : spv_wallet_refuse_repair(s, "published transactions");
}

/* ---- transactions that are being published ---- */

/* Publishes in the wallet what the statement selects: raw form and time. */
static int publish_again(struct spv_store *s, struct spv_wallet *wallet, sqlite3_stmt *st)
{
    int code = SQLITE_DONE;
    int rc = 0;
    while (!rc && (code = sqlite3_step(st)) == SQLITE_ROW) {
        const struct spv_now now = {.unix_s = sqlite3_column_int64(st, 1)};
        struct spv_tx tx;
        const void *raw = sqlite3_column_blob(st, 0);
        if (!raw || spv_tx_parse(&tx, raw, (size_t)sqlite3_column_bytes(st, 0)) != 0)
            rc = spv_wallet_refuse_repair(s, "published transactions");
        else
            rc = spv_wallet_publish(wallet, &tx, now);
        if (rc == SPV_ERR_NOMEM)
            rc = spv_wallet_row_error(s, rc, "", "");
        else if (rc)
            rc = spv_wallet_refuse_repair(s, "published transactions");
    }
    return rc || code == SQLITE_DONE ? rc : spv_db_error(s, code, "read the wallet");
}

#define PUBLISHED                                                                                  \
    "SELECT raw, first_seen FROM temp.published UNION ALL"                                         \
    " SELECT raw, announced_at FROM broadcast WHERE state IN (1, 2)"

/* Deletes all transactions except those that are being published, which are added again when the
 * wallet is loaded. The revision is kept: callers see transactions that a rescan finds as changed.
 */
static int forget_transactions(struct spv_store *s)
{
    return spv_db_exec(
        s,
        "DROP TABLE IF EXISTS temp.published;"
        "CREATE TEMP TABLE published AS SELECT raw, first_seen FROM main.wallet_tx"
        " JOIN main.wallet_tx_data ON tx = id WHERE typeof(flags) = 'integer' AND (flags & 2) <> 0"
        " AND height = 4294967295;"
        "DELETE FROM wallet_tx; DELETE FROM wallet_tx_data; DELETE FROM wallet_output;"
        "DELETE FROM wallet_share; DELETE FROM wallet_sum; DELETE FROM wallet_script;"
        "UPDATE wallet_branch SET n_searched = 0",
        "repair the wallet");
}

/* ---- what is derived ---- */

static int write_changes(struct spv_store *s, struct spv_wallet *wallet)
{
    struct spv_wallet_update update;
    int rc = spv_wallet_changes(wallet, &update);
    if (rc)
        return spv_wallet_row_error(s, rc, "rows", "order");
    for (size_t i = 0; !rc && i < update.n; i++)
        rc = spv_wallet_row_write(s, &update.changes[i]);
    if (!rc)
        spv_wallet_stored(wallet);
    return rc;
}

static int write_shares(struct spv_store *s, const struct spv_wallet *wallet)
{
    struct spv_wallet_change row = {.kind = SPV_WALLET_ROW_SHARE};
    const struct spv_wallet_tx_row *tx = NULL;
    uint64_t next = 0;
    int rc = 0;
    while (!rc && spv_wallet_next_tx(wallet, &next, &tx)) {
        uint64_t watch = 0;
        while (!rc && spv_wallet_next_share(wallet, &watch, &row.row.share, tx))
            rc = spv_wallet_row_write(s, &row);
    }
    return rc;
}

struct balances {
    struct spv_store *s;
    const struct spv_wallet *wallet;
};

static int write_balance(void *ctx, const struct spv_wallet_change *watch, const char *bad)
{
    const struct balances *b = ctx;
    struct spv_wallet_change row = {.kind = SPV_WALLET_ROW_BALANCE};
    (void)bad;
    return spv_wallet_balance(b->wallet, &row.row.balance, watch->row.watch.id) == 0
               ? spv_wallet_row_write(b->s, &row)
               : 0;
}

static int write_derived(struct spv_store *s, struct spv_wallet *wallet)
{
    const struct spv_wallet_change all = {.kind = SPV_WALLET_ROW_WATCH};
    struct balances balances = {.s = s, .wallet = wallet};
    int rc = write_changes(s, wallet);
    if (!rc)
        rc = spv_db_exec(s,
                         "DELETE FROM wallet_share; DELETE FROM wallet_sum;"
                         "DELETE FROM wallet_tx_data WHERE tx NOT IN (SELECT id FROM wallet_tx)",
                         "repair the wallet");
    if (!rc)
        rc = write_shares(s, wallet);
    if (!rc)
        rc = write_balance(&balances, &all, NULL);
    return rc ? rc
              : spv_wallet_each_row(s, SPV_WALLET_ROW_WATCH,
                                    "SELECT " SPV_WALLET_WATCH_COLUMNS " FROM wallet_watch",
                                    write_balance, &balances);
}

/* ---- all ---- */

static void ignore_finding(void *ctx, const char *text)
{
    (void)ctx;
    (void)text;
}

/* Loads the rows that forget_transactions has left, and publishes again. */
static int load_forgotten(struct spv_wallet **wallet, const struct spv_wallet_check *c)
{
    sqlite3_stmt *st = NULL;
    int rc = forget_transactions(c->s);
    if (rc)
        return rc;
    rc = spv_wallet_check_load(wallet, c, 0);
    if (rc <= 0)
        return rc < 0 ? rc : spv_wallet_refuse_repair(c->s, "watches");
    const int code = sqlite3_prepare_v2(c->s->db, PUBLISHED, -1, &st, NULL);
    rc = code == SQLITE_OK ? publish_again(c->s, *wallet, st)
                           : spv_db_prepare_error(c->s, code, "read the wallet");
    (void)sqlite3_finalize(st);
    return rc;
}

/* Whether the rows of transactions and coins are well-formed. Of the other rows, damaged ones are
 * refused or computed again. */
static int check_transactions(struct spv_store *s, bool *bad)
{
    const struct spv_wallet_check c = {.s = s, .found = note_bad, .ctx = bad};
    return spv_wallet_check_rows(&c);
}

int spv_wallet_repair(struct spv_store *s, bool forget, bool *rescan)
{
    const struct spv_wallet_check c = {.s = s, .found = ignore_finding};
    struct spv_wallet_info info;
    struct spv_wallet *wallet = NULL;
    bool bad = forget;
    int rc = spv_store_wallet_info(s, &info);
    *rescan = false;
    if (rc == SPV_ERR_DB_DAMAGED)
        return spv_wallet_refuse_repair(s, "metadata");
    if (rc < 0)
        return rc;
    if (rc == 0) {
        int64_t n = 0;
        rc = spv_db_integer(s, &n,
                            "SELECT EXISTS (SELECT 1 FROM wallet_watch)"
                            " + EXISTS (SELECT 1 FROM wallet_label)"
                            " + EXISTS (SELECT 1 FROM broadcast)",
                            "repair the wallet");
        return rc || n == 0 ? rc : spv_wallet_refuse_repair(s, "metadata");
    }
    rc = check_kept(s);
    if (!rc)
        rc = check_published(s);
    if (!rc)
        rc = check_transactions(s, &bad);
    if (!rc && !bad) {
        rc = spv_wallet_check_load(&wallet, &c, 0);
        bad = rc == 0;
        rc = rc < 0 ? rc : 0;
    }
    if (!rc && bad) {
        *rescan = true;
        rc = load_forgotten(&wallet, &c);
    }
    if (!rc)
        rc = write_derived(s, wallet);
    spv_wallet_free(wallet);
    return rc;
}
