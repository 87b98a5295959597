/* The rows of a wallet as columns: each kind has one list of columns, and one function that reads
 * and checks them. */
#ifndef SPV_STORE_WALLET_ROWS_H
#define SPV_STORE_WALLET_ROWS_H

#include "spv/wallet_db.h"
#include "store/db.h"

/* Columns in the order in which a row is read. */
#define SPV_WALLET_META_COLUMNS                                                                    \
    "id, database_id, scanned_height, scanned_hash, revision, next_tx, next_watch, bloom_tweak,"   \
    " bloom_size"
#define SPV_WALLET_WATCH_COLUMNS "id, kind, descriptor, script, txid, vout, gap, birthday, tag"
#define SPV_WALLET_BRANCH_COLUMNS "watch, branch, n_used, \"window\", n_searched"
#define SPV_WALLET_SCRIPT_COLUMNS "watch, branch, position, script"
#define SPV_WALLET_TX_COLUMNS                                                                      \
    "id, revision, txid, height, block_hash, position, flags, state, groups, block_time,"          \
    " first_seen, last_seen, conflict, received, spent, fee"
#define SPV_WALLET_TX_N 16 /* number of the columns above; raw form and proof may follow */
#define SPV_WALLET_OUTPUT_COLUMNS "tx, vout, field, value, script, spender"
#define SPV_WALLET_SHARE_COLUMNS "tx, watch, received, spent"
#define SPV_WALLET_SUM_COLUMNS "watch, confirmed, trusted_pending, untrusted_pending, immature"
#define SPV_WALLET_LABEL_COLUMNS "type, ref, origin, label, spendable"
#define SPV_BROADCAST_GROUP_BYTES 9 /* per network group in the column `groups` */
#define SPV_WALLET_BROADCAST_COLUMNS                                                               \
    "id, package, position, txid, state, flags, wait_height, wait_time, height, n_rounds,"         \
    " announced_at, ended_at, n_rejects, reject_code, groups, raw"

/* Whether the file has the tables of a wallet: 1, 0, or an error of the database. */
int spv_wallet_tables(struct spv_store *s);

/* Reads a row of a kind of struct spv_wallet_change other than META, by the columns above; a
 * transaction's raw form and proof are read when the statement has these columns. Pointers are
 * valid until the statement's next step. 0; SPV_ERR_DB_DAMAGED with *bad, the name of the first
 * column that is malformed; or SPV_ERR_NOMEM. */
int spv_wallet_row_read(struct spv_wallet_change *out, const char **bad,
                        enum spv_wallet_row_kind kind, sqlite3_stmt *st);
/* The same for rows of other kinds. */
int spv_wallet_info_read(struct spv_wallet_info *out, const char **bad, sqlite3_stmt *st);
int spv_wallet_tag_read(const char **out, const char **bad,
                        sqlite3_stmt *st); /* the tag in a watch's row */
int spv_wallet_label_read(struct spv_label *out, const char **bad, sqlite3_stmt *st);
int spv_wallet_line_read(const char **out, const char **bad, sqlite3_stmt *st);
int spv_wallet_broadcast_read(struct spv_broadcast_row *out, const char **bad, sqlite3_stmt *st);

/* Writes the name of a row for error texts, with its key: "transaction 17". */
#define SPV_WALLET_ROW_TEXT 64
void spv_wallet_row_name(char out[SPV_WALLET_ROW_TEXT], const struct spv_wallet_change *row);

/* Stores the text "the wallet's WHAT is malformed: its COLUMN" and returns SPV_ERR_DB_DAMAGED. */
int spv_wallet_row_damaged(struct spv_store *s, const char *what, const char *column);
/* The same for an error of a function above: of SPV_ERR_DB_DAMAGED with the column's name `bad`. */
int spv_wallet_row_error(struct spv_store *s, int rc, const char *what, const char *bad);

/* Writes or deletes a row inside the caller's transaction. The first row of META gets a database
 * id. 0, SPV_ERR_STATE (a row that is changed is not stored), or an error of the database. */
int spv_wallet_row_write(struct spv_store *s, const struct spv_wallet_change *change);
/* A row without its raw transaction changes the stored row: SPV_ERR_STATE when there is none. */
int spv_wallet_broadcast_write(struct spv_store *s, const struct spv_broadcast_change *change);
/* Creates the wallet when there is none. */
int spv_wallet_begin(struct spv_store *s);

/* Prepares a statement, binds up to two integers and runs it once. */
int spv_wallet_run(struct spv_store *s, const char *sql, int64_t a, int64_t b);

#endif
