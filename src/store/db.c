/* The SQLite connection: limits on what a file can make it load, statements prepared once, and
 * every result code turned into one of our error codes with a text that says what to do.
 *
 * All memory of the store comes from SQLite's allocator, so that tests can fail every allocation
 * with one hook (sqlite3_config). */
#include "store/db.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "store/file_probe.h"
#include "util/u256.h"

/* (?1), (?2), ... (?101): SPV_MAX_LOCATOR of them */
#define TEN(d)                                                                                     \
    "(?" #d "0),(?" #d "1),(?" #d "2),(?" #d "3),(?" #d "4),(?" #d "5),(?" #d "6),(?" #d           \
    "7),(?" #d "8),(?" #d "9)"
#define LOCATOR_VALUES                                                                             \
    "(?1),(?2),(?3),(?4),(?5),(?6),(?7),(?8),(?9)," TEN(1) "," TEN(2) "," TEN(3) "," TEN(          \
        4) "," TEN(5) "," TEN(6) "," TEN(7) "," TEN(8) "," TEN(9) ",(?100),(?101)"
_Static_assert(SPV_MAX_LOCATOR == 101, "a parameter for each hash of a locator");

#define LARGEST_WRITE 65536 /* of SQLite at once: a page has at most that many bytes */

static const char *const statements[SPV_STMTS] = {
    [SPV_STMT_BEGIN] = "BEGIN IMMEDIATE",
    [SPV_STMT_COMMIT] = "COMMIT",
    [SPV_STMT_SNAPSHOT] = "BEGIN", /* the first read takes the snapshot */
    [SPV_STMT_INSERT] =
        "INSERT INTO header (" SPV_ROW_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [SPV_STMT_REMOVE_ABOVE] = "DELETE FROM header WHERE height > ?1",
    [SPV_STMT_MOVE_TO_BRANCH] =
        "INSERT OR REPLACE INTO branch_header (" SPV_ROW_COLUMNS ", previous_hash)"
        " SELECT h.height, h.hash, h.version, h.merkle_root, h.time, h.bits, h.nonce, h.work,"
        " p.hash FROM header h JOIN header p ON p.height = h.height - 1 WHERE h.height > ?1",
    [SPV_STMT_BRANCH_INSERT] =
        "INSERT OR REPLACE INTO branch_header (" SPV_ROW_COLUMNS ", previous_hash)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [SPV_STMT_BRANCH_REMOVE] = "DELETE FROM branch_header WHERE hash = ?1",
    [SPV_STMT_BRANCH_PRUNE] =
        "DELETE FROM branch_header WHERE hash IN (SELECT hash FROM branch_header"
        " ORDER BY height DESC, work DESC LIMIT -1 OFFSET ?1)",
    [SPV_STMT_BRANCHES] =
        "SELECT " SPV_ROW_COLUMNS ", previous_hash FROM (SELECT * FROM branch_header"
        " ORDER BY height DESC, work DESC LIMIT ?1) ORDER BY height, hash",
    [SPV_STMT_META_SET] = "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",
    [SPV_STMT_META_GET] = "SELECT value FROM meta WHERE key = ?1",
    [SPV_STMT_META_REMOVE] = "DELETE FROM meta WHERE key = ?1",
    [SPV_STMT_BACKFILL_CLEAR] = "DELETE FROM header WHERE height > ?1 AND height < ?2",
    [SPV_STMT_BACKFILL_HEIGHT] = "SELECT coalesce(max(height), 0) FROM header WHERE height < ?1",
    [SPV_STMT_TIP] =
        "SELECT h.height, h.hash, h.version, h.merkle_root, h.time, h.bits, h.nonce, h.work,"
        " p.hash FROM header h LEFT JOIN header p ON p.height = h.height - 1"
        " ORDER BY h.height DESC LIMIT 1",
    /* The first term is the index's own expression; the second makes the match exact. Without the
     * index it fails rather than scan. */
    [SPV_STMT_BY_HASH] =
        "SELECT h.height, h.hash, h.version, h.merkle_root, h.time, h.bits, h.nonce, h.work,"
        " p.hash FROM header h INDEXED BY header_by_hash"
        " LEFT JOIN header p ON p.height = h.height - 1"
        " WHERE substr(h.hash, 25) = substr(?1, 25) AND h.hash = ?1",
    /* The locator's hashes in their order, each looked up as above, until one is found. */
    [SPV_STMT_LOCATE] =
        "SELECT h.height, h.hash, h.version, h.merkle_root, h.time, h.bits, h.nonce, h.work,"
        " p.hash FROM (VALUES " LOCATOR_VALUES ") AS l"
        " CROSS JOIN header h INDEXED BY header_by_hash"
        " LEFT JOIN header p ON p.height = h.height - 1"
        " WHERE substr(h.hash, 25) = substr(l.column1, 25) AND h.hash = l.column1"
        " AND (h.height = 0 OR h.height >= ?102) LIMIT 1",
    [SPV_STMT_RANGE] =
        "SELECT " SPV_ROW_COLUMNS " FROM header WHERE height BETWEEN ?1 AND ?2 ORDER BY height",
    [SPV_STMT_HAS_INDEX] =
        "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND name = 'header_by_hash'",
    [SPV_STMT_FILTER_INSERT] =
        "INSERT INTO filter_header (height, header, filter_hash) VALUES (?1, ?2, ?3)",
    [SPV_STMT_FILTER_SET_HASH] = "UPDATE filter_header SET filter_hash = ?2 WHERE height = ?1",
    /* both at once would read the whole table */
    [SPV_STMT_FILTER_BOUNDS] = "SELECT (SELECT min(height) FROM filter_header),"
                               " (SELECT max(height) FROM filter_header)",
    [SPV_STMT_FILTER_RANGE] = "SELECT height, header, filter_hash FROM filter_header"
                              " WHERE height BETWEEN ?1 AND ?2 ORDER BY height",
    [SPV_STMT_FILTER_REMOVE_ABOVE] = "DELETE FROM filter_header WHERE height > ?1",
    [SPV_STMT_FILTER_REMOVE_BELOW] = "DELETE FROM filter_header WHERE height < ?1",
    [SPV_STMT_KEPT_INSERT] = "INSERT OR REPLACE INTO block_filter (height, filter) VALUES (?1, ?2)",
    [SPV_STMT_KEPT_READ] = "SELECT b.filter, f.filter_hash FROM block_filter b"
                           " LEFT JOIN filter_header f ON f.height = b.height WHERE b.height = ?1",
    [SPV_STMT_KEPT_RUN] = "SELECT height FROM block_filter WHERE height < ?1 ORDER BY height DESC",
    [SPV_STMT_KEPT_TOTALS] = "SELECT (SELECT value FROM meta WHERE key = 'kept_filters'),"
                             " (SELECT value FROM meta WHERE key = 'kept_filter_bytes'),"
                             " (SELECT value FROM meta WHERE key = 'kept_filters_from'),"
                             " (SELECT max(height) FROM block_filter)",
    [SPV_STMT_KEPT_LOWEST] =
        "SELECT height, length(filter) FROM block_filter ORDER BY height LIMIT 1",
    [SPV_STMT_KEPT_SUM] = "SELECT count(*), coalesce(sum(length(filter)), 0) FROM block_filter"
                          " WHERE height BETWEEN ?1 AND ?2",
    [SPV_STMT_KEPT_REMOVE] = "DELETE FROM block_filter WHERE height BETWEEN ?1 AND ?2",
    [SPV_STMT_WALLET_BEGIN] =
        "INSERT OR IGNORE INTO wallet_meta (id, database_id, revision, next_tx, next_watch)"
        " VALUES (1, ?1, 0, 1, 1)",
    [SPV_STMT_WALLET_META] =
        "UPDATE wallet_meta SET scanned_height = ?1, scanned_hash = ?2, revision = ?3,"
        " next_tx = ?4, next_watch = ?5 WHERE id = 1 AND revision <= ?3",
    [SPV_STMT_WALLET_WATCH] =
        "INSERT INTO wallet_watch (id, kind, descriptor, script, txid, vout, gap, birthday)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO UPDATE SET"
        " kind = excluded.kind, descriptor = excluded.descriptor, script = excluded.script,"
        " txid = excluded.txid, vout = excluded.vout, gap = excluded.gap,"
        " birthday = excluded.birthday",
    [SPV_STMT_WALLET_BRANCH] = "INSERT OR REPLACE INTO wallet_branch (watch, branch, n_used,"
                               " \"window\", n_searched) VALUES (?1, ?2, ?3, ?4, ?5)",
    [SPV_STMT_WALLET_SCRIPT] =
        "INSERT INTO wallet_script (watch, branch, position, number, script)"
        " SELECT ?1, ?2, ?3, coalesce(max(number) + 1, 0), ?4 FROM wallet_script"
        " WHERE watch = ?1 AND branch = ?2 AND position = ?3",
    [SPV_STMT_WALLET_TX] =
        "INSERT INTO wallet_tx (id, revision, txid, height, block_hash, position, flags, state,"
        " groups, block_time, first_seen, last_seen, conflict, received, spent, fee)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
        " ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, txid = excluded.txid,"
        " height = excluded.height, block_hash = excluded.block_hash,"
        " position = excluded.position, flags = excluded.flags, state = excluded.state,"
        " groups = excluded.groups, block_time = excluded.block_time,"
        " first_seen = excluded.first_seen, last_seen = excluded.last_seen,"
        " conflict = excluded.conflict, received = excluded.received, spent = excluded.spent,"
        " fee = excluded.fee",
    [SPV_STMT_WALLET_RAW] = "INSERT INTO wallet_tx_data (tx, raw) VALUES (?1, ?2)"
                            " ON CONFLICT (tx) DO UPDATE SET raw = excluded.raw",
    [SPV_STMT_WALLET_PROOF] = "UPDATE wallet_tx_data SET proof = ?2 WHERE tx = ?1",
    [SPV_STMT_WALLET_OUTPUT] =
        "INSERT OR REPLACE INTO wallet_output (tx, vout, field, value, script, spender)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [SPV_STMT_WALLET_SHARE] = "INSERT OR REPLACE INTO wallet_share (tx, watch, received, spent)"
                              " VALUES (?1, ?2, ?3, ?4)",
    [SPV_STMT_WALLET_SUM] = "INSERT OR REPLACE INTO wallet_sum (watch, confirmed, trusted_pending,"
                            " untrusted_pending, immature) VALUES (?1, ?2, ?3, ?4, ?5)",
    [SPV_STMT_BROADCAST] =
        "INSERT OR REPLACE INTO broadcast (id, package, position, txid, state, flags, wait_height,"
        " wait_time, height, n_rounds, announced_at, ended_at, n_rejects, reject_code, groups, raw)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    [SPV_STMT_BROADCAST_CHANGE] =
        "UPDATE broadcast SET package = ?2, position = ?3, state = ?5, flags = ?6,"
        " wait_height = ?7, wait_time = ?8, height = ?9, n_rounds = ?10, announced_at = ?11,"
        " ended_at = ?12, n_rejects = ?13, reject_code = ?14, groups = ?15"
        " WHERE id = ?1 AND txid = ?4",
};

/* "file:" URI of a path, with the characters escaped that have a meaning in a URI. NULL: no memory.
 */
static char *immutable_uri(const char *path)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = strlen(path);
    char *uri = sqlite3_malloc64(3 * n + sizeof "file:?immutable=1");
    if (!uri)
        return NULL;
    char *p = uri + sizeof "file:" - 1;
    memcpy(uri, "file:", sizeof "file:" - 1);
    for (size_t i = 0; i < n; i++) {
        if (strchr("%?#", path[i])) {
            *p++ = '%';
            *p++ = digits[(unsigned char)path[i] >> 4];
            *p++ = digits[(unsigned char)path[i] & 15];
        } else {
            *p++ = path[i];
        }
    }
    memcpy(p, "?immutable=1", sizeof "?immutable=1");
    return uri;
}

static int open_flags(enum spv_store_mode mode)
{
    const int common = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    switch (mode) {
    case SPV_STORE_READ:
        return common | SQLITE_OPEN_READONLY;
    case SPV_STORE_WRITE:
        return common | SQLITE_OPEN_READWRITE;
    case SPV_STORE_CREATE:
        return common | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    }
    return common | SQLITE_OPEN_READONLY;
}

int spv_db_connect(sqlite3 **db, struct spv_db_watch *w, const char *path, enum spv_store_mode mode,
                   bool immutable)
{
    /* A leading "./" keeps SQLite from interpreting names such as ":memory:" or "file:x". */
    char *name =
        immutable ? immutable_uri(path) : sqlite3_mprintf(path[0] == '/' ? "%s" : "./%s", path);
    if (!name)
        return SQLITE_NOMEM;
    int rc = sqlite3_open_v2(name, db, open_flags(mode) | (immutable ? SQLITE_OPEN_URI : 0), NULL);
    sqlite3_free(name);
    if (rc != SQLITE_OK)
        return rc;
    (void)sqlite3_extended_result_codes(*db, 1);
    (void)sqlite3_limit(*db, SQLITE_LIMIT_LENGTH, SPV_DB_CELL_MAX);
    (void)sqlite3_limit(*db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, SPV_DB_PATTERN_MAX);
    /* The file is untrusted: its schema must not call functions with side effects. */
    (void)sqlite3_db_config(*db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(*db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    (void)sqlite3_db_config(*db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL); /* we read tables only */
    (void)sqlite3_db_config(*db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL);
    w->wait_ms = mode == SPV_STORE_READ ? SPV_DB_WAIT_READ_MS : SPV_DB_WAIT_WRITE_MS;
    spv_db_watch_begin(w, *db); /* before anything is read: the schema itself may be endless */
    char pragma[80];
    (void)snprintf(pragma, sizeof pragma, "PRAGMA cache_size = -%d; PRAGMA cell_size_check = ON",
                   SPV_DB_CACHE_KIB);
    return sqlite3_exec(*db, pragma, NULL, NULL, NULL);
}

void spv_db_disconnect(sqlite3 **db, struct spv_db_watch *w)
{
    spv_db_watch_end(w);
    (void)sqlite3_close(*db);
    *db = NULL;
}

int spv_db_fail(struct spv_store *s, int err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(s->error_text, sizeof s->error_text, format, args);
    va_end(args);
    return err;
}

/* Our error for an SQLite code; e is the errno behind it, 0 when there is none. */
static int error_for(int code, int e)
{
    if (code == SQLITE_IOERR_NOMEM)
        return SPV_ERR_NOMEM;
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return SPV_ERR_NOMEM;
    case SQLITE_FULL:
        return SPV_ERR_DB_FULL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return SPV_ERR_DB_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
    case SQLITE_CONSTRAINT: /* a row exists already */
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
        return SPV_ERR_DB_DAMAGED;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return SPV_ERR_DB_READONLY;
    case SQLITE_CANTOPEN:
        if (e == ENOENT)
            return SPV_ERR_DB_NONE;
        if (e == EMFILE || e == ENFILE)
            return SPV_ERR_NO_DESCRIPTOR;
        return e == EACCES || e == EPERM || e == EROFS ? SPV_ERR_DB_READONLY : SPV_ERR_IO;
    case SQLITE_IOERR:
        return e == ENOSPC || e == EDQUOT ? SPV_ERR_DB_FULL : SPV_ERR_IO;
    case SQLITE_INTERRUPT:
        return SPV_ERR_INTERRUPTED;
    default: /* SQLite's codes, not an enum of ours */
        return SPV_ERR_DB;
    }
}

static const char *advice_for(int err, int e)
{
    if (err == SPV_ERR_IO && e == EFBIG)
        return "Raise the limit of file sizes (ulimit -f); what was stored is safe.";
    switch (err) {
    case SPV_ERR_NOMEM:
        return "Free some memory and try again.";
    case SPV_ERR_DB_FULL:
        return "Free some disk space and try again.";
    case SPV_ERR_DB_BUSY:
        return "Another program has locked the database: close it and try again.";
    case SPV_ERR_DB_DAMAGED:
        return SPV_DB_REPAIR_ADVICE;
    case SPV_ERR_DB_READONLY:
        return "Check the permissions of the file and its folder.";
    case SPV_ERR_DB_NONE:
        return "Sync first, or check the path.";
    case SPV_ERR_NO_DESCRIPTOR:
        return "Raise the limit of open files (ulimit -n).";
    case SPV_ERR_IO:
        return "Check the disk.";
    default:
        return "Try again; if the error persists, report it.";
    }
}

/* SQLite has one code for all damage; the file's header often shows more. */
static int damage_error(struct spv_store *s, int code, const char *tried, const char *reason)
{
    struct spv_file_probe_result probe;
    spv_file_probe(&probe, s->path);
    switch (probe.kind) {
    case SPV_FILE_FOREIGN:
        return spv_db_fail(s, SPV_ERR_DB_DAMAGED,
                           "%s: is not a database: its %s bytes do not begin as an SQLite file "
                           "does. Name another file; or put an empty database in its place with "
                           "spv-db repair (a copy is kept), then sync again.",
                           s->path, SPV_COUNT(probe.size));
    case SPV_FILE_TRUNCATED:
        return spv_db_fail(
            s, SPV_ERR_DB_DAMAGED,
            "%s: the database is truncated: it has %s of %s bytes. " SPV_DB_REPAIR_ADVICE, s->path,
            SPV_COUNT(probe.size), SPV_COUNT(probe.claimed_size));
    case SPV_FILE_UNREADABLE:
    case SPV_FILE_PAGES_DAMAGED:
        break;
    }
    return spv_db_fail(s, SPV_ERR_DB_DAMAGED,
                       "%s: the database is damaged: pages inside the file are invalid (SQLite "
                       "could not %s: %s, code %d). " SPV_DB_REPAIR_ADVICE,
                       s->path, tried, reason, code);
}

/* Returns true when the next write to one of the files may exceed the limit of file sizes. SQLite
 * keeps no errno of a write that was cut short, nor of one before a rollback. */
static bool is_near_size_limit(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char name[SPV_PATH_TEXT + 8];
    struct rlimit limit;
    struct stat st;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return false;
    }
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        (void)snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        const uint64_t size = stat(name, &st) == 0 ? (uint64_t)st.st_size : 0;
        if (size + LARGEST_WRITE > limit.rlim_cur) {
            return true;
        }
    }
    return false;
}

static int errno_of(const struct spv_store *s, sqlite3 *db, int code)
{
    int e = sqlite3_system_errno(db);
    if ((code & 0xff) == SQLITE_IOERR && e != ENOSPC && e != EDQUOT &&
        is_near_size_limit(s->path)) {
        return EFBIG;
    }
    return e;
}

int spv_db_error_of(struct spv_store *s, sqlite3 *db, int code, const char *tried)
{
    int e = db ? errno_of(s, db, code) : 0;
    int err = error_for(code, e);
    if (err == SPV_ERR_DB_BUSY && spv_interrupt_requested(s->watch.stop))
        err = SPV_ERR_INTERRUPTED; /* the stop ended the wait for the lock */
    const char *reason = db ? sqlite3_errmsg(db) : sqlite3_errstr(code);
    if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB)
        return damage_error(s, code, tried, reason);
    if (err == SPV_ERR_INTERRUPTED)
        return spv_db_fail(s, err, "%s: stopped before it was done (%s).", s->path, tried);
    return spv_db_fail(s, err, "%s: cannot %s: %s (SQLite code %d). %s", s->path, tried, reason,
                       code, advice_for(err, e));
}

int spv_db_error(struct spv_store *s, int code, const char *tried)
{
    return spv_db_error_of(s, s->db, code, tried);
}

int spv_db_exec(struct spv_store *s, const char *sql, const char *tried)
{
    int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : spv_db_error(s, rc, tried);
}

int spv_db_prepare_error(struct spv_store *s, int code, const char *tried)
{
    if (code != SQLITE_ERROR)
        return spv_db_error(s, code, tried);
    return spv_db_fail(s, SPV_ERR_DB_DAMAGED,
                       "%s: its tables are not those of schema %d (%s). " SPV_DB_REPAIR_ADVICE,
                       s->path, SPV_SCHEMA_VERSION, sqlite3_errmsg(s->db));
}

int spv_db_integer(struct spv_store *s, int64_t *out, const char *sql, const char *tried)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    *out = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    int result = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : spv_db_prepare_error(s, rc, tried);
    (void)sqlite3_finalize(st);
    return result;
}

int spv_db_stmt(struct spv_store *s, sqlite3_stmt **out, enum spv_stmt which)
{
    if (!s->stmt[which]) {
        int rc = sqlite3_prepare_v3(s->db, statements[which], -1, SQLITE_PREPARE_PERSISTENT,
                                    &s->stmt[which], NULL);
        if (rc != SQLITE_OK)
            return spv_db_prepare_error(s, rc, "read the schema");
    }
    (void)sqlite3_reset(s->stmt[which]);
    *out = s->stmt[which];
    return 0;
}

int spv_db_run(struct spv_store *s, enum spv_stmt which, const char *tried)
{
    int rc = sqlite3_step(s->stmt[which]);
    int result = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : spv_db_error(s, rc, tried);
    (void)sqlite3_reset(s->stmt[which]);
    return result;
}

int spv_db_begin(struct spv_store *s)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_BEGIN);
    return rc ? rc : spv_db_run(s, SPV_STMT_BEGIN, "begin a transaction");
}

int spv_db_commit(struct spv_store *s)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_COMMIT);
    return rc ? rc : spv_db_run(s, SPV_STMT_COMMIT, "commit");
}

void spv_db_rollback(struct spv_store *s)
{
    /* an allocation may fail: once more, or the next transaction could not begin */
    for (int i = 0; i < 2 && sqlite3_get_autocommit(s->db) == 0; i++)
        (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}
