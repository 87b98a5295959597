/* What the files of the store share: the open store, its SQLite connection with cached statements,
 * and errors with texts. Private to the store. */
#ifndef SPV_STORE_DB_H
#define SPV_STORE_DB_H

#include <sqlite3.h>

#include "spv/message.h"
#include "spv/store.h"
#include "store/count_text.h"
#include "store/interrupt.h"
#include "store/row.h"

/* How long a call waits for another connection's lock (ms). Only foreign programs hold such locks:
 * our own writers exclude each other by the lock file, and readers of a WAL database block no other
 * connection. */
#define SPV_DB_WAIT_READ_MS 1000
#define SPV_DB_WAIT_WRITE_MS 5000
#define SPV_DB_CACHE_KIB 4096 /* page cache, and what an index build sorts in memory at once */
/* Longest value or row that SQLite loads from a file: a transaction that fills a block, 4,000,000
 * bytes, and its proof. */
#define SPV_DB_CELL_MAX 4010000
/* Limit of LIKE patterns in bytes: an integrity check runs the CHECK clauses of foreign tables, and
 * a pattern with many wildcards takes hours over one long value. */
#define SPV_DB_PATTERN_MAX 100

/* What to do about damage. */
#define SPV_DB_REPAIR_ADVICE "Repair it with spv-db repair (a copy is kept), then sync again."

enum spv_stmt {
    SPV_STMT_BEGIN,
    SPV_STMT_COMMIT,
    SPV_STMT_SNAPSHOT,
    SPV_STMT_INSERT,
    SPV_STMT_REMOVE_ABOVE,
    SPV_STMT_MOVE_TO_BRANCH,
    SPV_STMT_BRANCH_INSERT,
    SPV_STMT_BRANCH_REMOVE,
    SPV_STMT_BRANCH_PRUNE,
    SPV_STMT_BRANCHES,
    SPV_STMT_META_SET,
    SPV_STMT_META_GET,
    SPV_STMT_META_REMOVE,
    SPV_STMT_BACKFILL_CLEAR,
    SPV_STMT_BACKFILL_HEIGHT,
    SPV_STMT_TIP,
    SPV_STMT_BY_HASH,
    SPV_STMT_LOCATE,
    SPV_STMT_RANGE,
    SPV_STMT_HAS_INDEX,
    SPV_STMT_FILTER_INSERT,
    SPV_STMT_FILTER_SET_HASH,
    SPV_STMT_FILTER_BOUNDS,
    SPV_STMT_FILTER_RANGE,
    SPV_STMT_FILTER_REMOVE_ABOVE,
    SPV_STMT_FILTER_REMOVE_BELOW,
    SPV_STMT_KEPT_INSERT,
    SPV_STMT_KEPT_READ,
    SPV_STMT_KEPT_RUN,
    SPV_STMT_KEPT_TOTALS,
    SPV_STMT_KEPT_LOWEST,
    SPV_STMT_KEPT_SUM,
    SPV_STMT_KEPT_REMOVE,
    SPV_STMT_WALLET_BEGIN,
    SPV_STMT_WALLET_META,
    SPV_STMT_WALLET_WATCH,
    SPV_STMT_WALLET_BRANCH,
    SPV_STMT_WALLET_SCRIPT,
    SPV_STMT_WALLET_TX,
    SPV_STMT_WALLET_RAW,
    SPV_STMT_WALLET_PROOF,
    SPV_STMT_WALLET_OUTPUT,
    SPV_STMT_WALLET_SHARE,
    SPV_STMT_WALLET_SUM,
    SPV_STMT_BROADCAST,
    SPV_STMT_BROADCAST_CHANGE,
    SPV_STMTS
};

struct spv_store {
    sqlite3 *db;
    struct spv_db_watch watch; /* interrupts db's statements */
    sqlite3_stmt *stmt[SPV_STMTS]; /* prepared at first use */
    struct spv_params params;
    enum spv_store_mode mode;
    bool unchecked; /* opened to be verified or repaired */
    bool immutable; /* opened with immutable=1: on a read-only file system */
    bool indexed;
    int schema; /* the version that the file had when it was last looked up */
    int lock; /* descriptor of the writer's lock, or -1 */
    char *path;
    struct spv_chain_header tip; /* when writing: the last applied tip */
    struct spv_chain_header committed_tip; /* the tip before the deferred updates */
    size_t n_uncommitted; /* headers, or as much, in the open transaction of deferred updates */
    struct spv_chain_start start; /* where the chain begins: start.h */
    struct spv_blockhash start_parent; /* hash and work of the header below the start */
    struct spv_u256 start_work;
    uint8_t *filter; /* the last filter read; borrowed by the caller until the next one */
    size_t filter_size; /* bytes allocated */
    uint32_t lost_rows; /* deleted from a damaged tail, or lost with the log */
    char error_text[SPV_ERROR_INFO_TEXT];
};

/* Opens a connection with our limits, watched by w. An SQLite code; *db may be set even on failure.
 */
int spv_db_connect(sqlite3 **db, struct spv_db_watch *w, const char *path, enum spv_store_mode mode,
                   bool immutable);
void spv_db_disconnect(sqlite3 **db, struct spv_db_watch *w);

/* Stores the text for spv_store_last_error and returns err. */
__attribute__((format(printf, 3, 4))) int spv_db_fail(struct spv_store *s, int err,
                                                      const char *format, ...);

/* Turns an SQLite code of the store's connection (or of another one) into our error, with a text:
 * path, what was tried, SQLite's reason, what to do. */
int spv_db_error(struct spv_store *s, int code, const char *tried);
int spv_db_error_of(struct spv_store *s, sqlite3 *db, int code, const char *tried);

/* The same for preparing: a statement of ours fails with the plain SQLITE_ERROR when a table or
 * column is not there. */
int spv_db_prepare_error(struct spv_store *s, int code, const char *tried);

int spv_db_exec(struct spv_store *s, const char *sql, const char *tried);
/* The first column of the first row as an integer. */
int spv_db_integer(struct spv_store *s, int64_t *out, const char *sql, const char *tried);

/* A cached statement, reset and ready to bind. */
int spv_db_stmt(struct spv_store *s, sqlite3_stmt **out, enum spv_stmt which);
/* Runs a statement that returns no rows, and resets it. */
int spv_db_run(struct spv_store *s, enum spv_stmt which, const char *tried);

/* Transactions. rollback does nothing outside one. */
int spv_db_begin(struct spv_store *s);
int spv_db_commit(struct spv_store *s);
void spv_db_rollback(struct spv_store *s);

#endif
