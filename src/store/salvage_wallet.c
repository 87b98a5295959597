/* Rows of the watch set, labels and broadcasts are read and copied one by one: when one cannot be
 * read, the repair is refused. Transactions are copied up to the first that cannot be read; then
 * all are deleted, and a rescan finds them again. */
#include <string.h>

#include "store/schema_check.h"
#include "store/transaction.h"
#include "store/wallet_load.h"
#include "store/wallet_private.h"
#include "store/wallet_repair.h"

static int write_row(void *ctx, const struct spv_wallet_change *row, const char *bad)
{
    return bad ? SPV_ERR_DB_DAMAGED : spv_wallet_row_write(ctx, row);
}

/* Copies all rows. 1: only a part could be read, and was written; 0: all; or an error of `fresh`.
 */
static int copy_rows(struct spv_store *fresh, struct spv_store *source,
                     enum spv_wallet_row_kind kind, const char *sql)
{
    fresh->error_text[0] = '\0';
    const int rc = spv_wallet_each_row(source, kind, sql, write_row, fresh);
    return rc == 0 ? 0 : fresh->error_text[0] != '\0' ? rc : 1;
}

/* Copies a table column by column, after `read` has found each row well-formed. Returns as
 * copy_rows. */
static int copy_notes(struct spv_store *fresh, struct spv_store *source, const char *select,
                      const char *insert, int (*read)(sqlite3_stmt *st))
{
    sqlite3_stmt *from = NULL;
    sqlite3_stmt *to = NULL;
    int rc = 0;
    int code = sqlite3_prepare_v2(source->db, select, -1, &from, NULL);
    if (code == SQLITE_OK && sqlite3_prepare_v2(fresh->db, insert, -1, &to, NULL) != SQLITE_OK)
        rc = spv_db_prepare_error(fresh, sqlite3_errcode(fresh->db), "copy the wallet");
    while (!rc && code == SQLITE_OK && (code = sqlite3_step(from)) == SQLITE_ROW &&
           read(from) == 0) {
        int bound = SQLITE_OK;
        for (int i = 0; i < sqlite3_column_count(from); i++)
            bound |= sqlite3_bind_value(to, i + 1, sqlite3_column_value(from, i));
        const int done = bound == SQLITE_OK ? sqlite3_step(to) : SQLITE_NOMEM;
        if (done != SQLITE_DONE)
            rc = spv_db_error(fresh, done, "copy the wallet");
        (void)sqlite3_reset(to);
        code = SQLITE_OK;
    }
    (void)sqlite3_finalize(from);
    (void)sqlite3_finalize(to);
    return rc ? rc : code == SQLITE_DONE ? 0 : 1;
}

static int read_info(sqlite3_stmt *st)
{
    struct spv_wallet_info info;
    const char *bad = NULL;
    return spv_wallet_info_read(&info, &bad, st);
}

static int read_label(sqlite3_stmt *st)
{
    struct spv_label label;
    const char *bad = NULL;
    return spv_wallet_label_read(&label, &bad, st);
}

static int read_line(sqlite3_stmt *st)
{
    const char *line = NULL;
    const char *bad = NULL;
    return spv_wallet_line_read(&line, &bad, st);
}

static int read_broadcast(sqlite3_stmt *st)
{
    struct spv_broadcast_row row;
    const char *bad = NULL;
    return spv_wallet_broadcast_read(&row, &bad, st);
}

/* Reads a tag, which is a column of its watch. */
static int read_tag(sqlite3_stmt *st)
{
    return sqlite3_column_type(st, 1) == SQLITE_TEXT && sqlite3_column_bytes(st, 1) <= SPV_TAG_MAX
               ? 0
               : SPV_ERR_DB_DAMAGED;
}

/* Copies all that cannot be downloaded again. */
static int copy_kept(struct spv_store *fresh, struct spv_store *source)
{
    static const struct {
        const char *what, *select, *insert;
        int (*read)(sqlite3_stmt *st);
    } notes[] = {
        {"metadata", "SELECT " SPV_WALLET_META_COLUMNS " FROM wallet_meta",
         "INSERT INTO wallet_meta (" SPV_WALLET_META_COLUMNS
         ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
         read_info},
        {"tags", "SELECT id, tag FROM wallet_watch WHERE tag IS NOT NULL",
         "UPDATE wallet_watch SET tag = ?2 WHERE id = ?1", read_tag},
        {"labels", "SELECT " SPV_WALLET_LABEL_COLUMNS " FROM wallet_label",
         "INSERT INTO wallet_label (" SPV_WALLET_LABEL_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5)",
         read_label},
        {"labels", "SELECT line FROM wallet_label_line",
         "INSERT INTO wallet_label_line (line) VALUES (?1)", read_line},
        {"published transactions", "SELECT " SPV_WALLET_BROADCAST_COLUMNS " FROM broadcast",
         "INSERT INTO broadcast (" SPV_WALLET_BROADCAST_COLUMNS
         ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
         read_broadcast},
    };
    int rc = copy_rows(fresh, source, SPV_WALLET_ROW_WATCH,
                       "SELECT " SPV_WALLET_WATCH_COLUMNS " FROM wallet_watch");
    if (rc > 0)
        return spv_wallet_refuse_repair(fresh, "watches");
    if (!rc)
        rc = copy_rows(fresh, source, SPV_WALLET_ROW_BRANCH,
                       "SELECT " SPV_WALLET_BRANCH_COLUMNS " FROM wallet_branch");
    if (rc > 0)
        return spv_wallet_refuse_repair(fresh, "used indexes");
    for (size_t i = 0; !rc && i < sizeof notes / sizeof notes[0]; i++) {
        rc = copy_notes(fresh, source, notes[i].select, notes[i].insert, notes[i].read);
        if (rc > 0)
            return spv_wallet_refuse_repair(fresh, notes[i].what);
    }
    return rc;
}

/* Copies what can be found again in blocks. *forget: not all could be read. */
static int copy_others(struct spv_store *fresh, struct spv_store *source, bool *forget)
{
    static const struct {
        enum spv_wallet_row_kind kind;
        const char *table, *sql;
    } tables[] = {
        {SPV_WALLET_ROW_SCRIPT, "wallet_script",
         "SELECT " SPV_WALLET_SCRIPT_COLUMNS " FROM wallet_script"
         " ORDER BY watch, branch, position, number"},
        {SPV_WALLET_ROW_TX, "wallet_tx",
         "SELECT " SPV_WALLET_TX_COLUMNS ", raw, proof FROM wallet_tx"
         " LEFT JOIN wallet_tx_data ON tx = id ORDER BY id"},
        {SPV_WALLET_ROW_COIN, "wallet_output",
         "SELECT " SPV_WALLET_OUTPUT_COLUMNS " FROM wallet_output ORDER BY tx, vout"},
    };
    int rc = 0;
    *forget = !spv_schema_is_plain(source->db, "main", "wallet_tx_data");
    for (size_t i = 0; rc >= 0 && !*forget && i < sizeof tables / sizeof tables[0]; i++) {
        *forget = !spv_schema_is_plain(source->db, "main", tables[i].table);
        if (!*forget)
            rc = copy_rows(fresh, source, tables[i].kind, tables[i].sql);
        *forget = *forget || rc > 0;
    }
    return rc < 0 ? rc : 0;
}

/* Whether the file has a wallet: rows that can be read. A page that cannot be read is none, else no
 * file without a wallet could be repaired. 1; 0; or SPV_ERR_STATE: it has rows of one, but not its
 * tables. */
static int find_wallet(struct spv_store *fresh, struct spv_store *source)
{
    static const char *const tables[] = {"wallet_meta",       "wallet_watch", "wallet_branch",
                                         "wallet_label",      "broadcast",    "wallet_script",
                                         "wallet_label_line", "wallet_sum"};
    bool plain = true;
    bool any = false;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        char sql[80];
        int64_t n = 0;
        if (!spv_schema_is_plain(source->db, "main", tables[i])) {
            plain = false;
            continue;
        }
        (void)sqlite3_snprintf(sizeof sql, sql, "SELECT EXISTS (SELECT 1 FROM %s)", tables[i]);
        any = (spv_db_integer(source, &n, sql, "read the wallet") == 0 && n > 0) || any;
    }
    return !any ? 0 : plain ? 1 : spv_wallet_refuse_repair(fresh, "tables");
}

int spv_salvage_wallet(struct spv_store *fresh, struct spv_store *source, bool *rescan)
{
    bool forget = false;
    int rc = find_wallet(fresh, source);
    *rescan = false;
    if (rc <= 0)
        return rc;
    spv_wallet_make_private(fresh);
    rc = spv_transaction_commit_and_begin(fresh);
    if (rc)
        return rc;
    rc = copy_kept(fresh, source);
    if (!rc)
        rc = copy_others(fresh, source, &forget);
    if (!rc)
        rc = spv_wallet_repair(fresh, forget, rescan);
    if (!rc)
        rc = spv_db_commit(fresh);
    return rc ? spv_transaction_undo(fresh, rc) : 0;
}
