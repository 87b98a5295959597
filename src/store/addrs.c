/* The rows of the address manager. Each save is one transaction, so a crash leaves the tables
 * before or after it. The tables only have addresses where peers may be, so a malformed row is
 * skipped and is no error: the file is untrusted, and could as well contain well-formed rows with
 * useless addresses.
 *
 * Statements are prepared for each call: a save comes every few minutes. */
#include "store/addrs.h"

#include <string.h>

#include "store/meta.h"
#include "store/schema.h"
#include "store/transaction.h"
#include "util/hex.h"

#define ADDRESS_COLUMNS                                                                            \
    "host, port, services, source, last_seen, last_try, last_success, attempts, slow, failure, "   \
    "tried, anchor"
#define KEY "book_key" /* meta: the buckets' secret, hexadecimal */
/* The year 36812: nothing overflows when times are compared. */
#define TIME_MAX (INT64_C(1) << 40)

/* Reading. */

static bool read_integer(int64_t *out, sqlite3_stmt *st, int column, int64_t min, int64_t max)
{
    *out = sqlite3_column_int64(st, column);
    return sqlite3_column_type(st, column) == SQLITE_INTEGER && *out >= min && *out <= max;
}

/* Text without a NUL inside that fits; false also without memory, which a later call reports. */
static bool read_text(char *out, size_t cap, sqlite3_stmt *st, int column)
{
    if (sqlite3_column_type(st, column) != SQLITE_TEXT)
        return false;
    const char *at = (const char *)sqlite3_column_text(st, column);
    const size_t n = (size_t)sqlite3_column_bytes(st, column);
    if (!at || n == 0 || n >= cap || strlen(at) != n)
        return false;
    memcpy(out, at, n + 1);
    return true;
}

static bool read_address(struct spv_addr_info *out, sqlite3_stmt *st)
{
    char host[SPV_HOST_MAX];
    int64_t port, services, attempts, slow, failure, tried, anchor;
    memset(out, 0, sizeof *out);
    if (!read_text(host, sizeof host, st, 0) || !read_integer(&port, st, 1, 1, UINT16_MAX) ||
        !read_integer(&services, st, 2, INT64_MIN, INT64_MAX) ||
        !read_integer(&out->last_seen, st, 4, 0, TIME_MAX) ||
        !read_integer(&out->last_try, st, 5, 0, TIME_MAX) ||
        !read_integer(&out->last_success, st, 6, 0, TIME_MAX) ||
        !read_integer(&attempts, st, 7, 0, UINT32_MAX) ||
        !read_integer(&slow, st, 8, 0, UINT32_MAX) ||
        !read_integer(&failure, st, 9, INT16_MIN, 0) || !read_integer(&tried, st, 10, 0, 1) ||
        !read_integer(&anchor, st, 11, 0, 1))
        return false;
    const int source = sqlite3_column_bytes(st, 3);
    if (sqlite3_column_type(st, 3) != SQLITE_BLOB || source < 1 || source > SPV_ADDRMAN_SOURCE)
        return false;
    if (spv_netaddr_from_host(&out->addr, host, (uint16_t)port) != 0)
        return false;
    memcpy(out->source, sqlite3_column_blob(st, 3), (size_t)source);
    out->source_len = (uint8_t)source;
    out->services = (uint64_t)services;
    out->attempts = (uint32_t)attempts;
    out->slow = (uint32_t)slow;
    out->failure = (int)failure;
    out->tried = tried != 0;
    out->anchor = anchor != 0;
    return true;
}

static bool read_ban(struct spv_ban_entry *out, sqlite3_stmt *st)
{
    int64_t code;
    memset(out, 0, sizeof *out);
    if (!read_text(out->address, sizeof out->address, st, 0) ||
        !read_integer(&out->since, st, 1, 0, TIME_MAX) ||
        !read_integer(&out->until, st, 2, 0, TIME_MAX) ||
        !read_integer(&code, st, 3, INT32_MIN, INT32_MAX))
        return false;
    out->code = (int)code;
    return true;
}

static int prepare_stmt(struct spv_store *s, sqlite3_stmt **st, const char *sql)
{
    const int code = sqlite3_prepare_v2(s->db, sql, -1, st, NULL);
    return code == SQLITE_OK ? 0 : spv_db_prepare_error(s, code, "read the peer addresses");
}

/* How many rows to allocate: as many as the table has, at most as many as the address manager has
 * slots for. */
static int count_rows(struct spv_store *s, int64_t *n, const char *sql, int64_t most)
{
    const int rc = spv_db_integer(s, n, sql, "read the peer addresses");
    if (*n > most)
        *n = most;
    return rc;
}

static int load_addresses(struct spv_store *s, struct spv_addrman_rows *out)
{
    sqlite3_stmt *st = NULL;
    int64_t most = 0;
    int rc = count_rows(s, &most, "SELECT count(*) FROM (SELECT 1 FROM peer_address LIMIT 20480)",
                        SPV_ADDRMAN_ADDRESSES);
    if (rc)
        return rc;
    if (most > 0) {
        out->addresses = sqlite3_malloc64((uint64_t)most * sizeof *out->addresses);
        if (!out->addresses)
            return spv_db_error_of(s, NULL, SQLITE_NOMEM, "read the peer addresses");
    }
    /* Addresses that have served us come first: a foreign file may have more rows than are read. */
    rc = prepare_stmt(s, &st,
                      "SELECT " ADDRESS_COLUMNS " FROM peer_address"
                      " ORDER BY anchor DESC, tried DESC, last_success DESC LIMIT 20480");
    if (rc)
        return rc;
    int code = SQLITE_DONE;
    while (out->n < (size_t)most && (code = sqlite3_step(st)) == SQLITE_ROW)
        out->n += read_address(&out->addresses[out->n], st);
    if (code != SQLITE_DONE && code != SQLITE_ROW)
        rc = spv_db_error(s, code, "read the peer addresses");
    (void)sqlite3_finalize(st);
    return rc;
}

static int load_bans(struct spv_store *s, struct spv_addrman_rows *out)
{
    sqlite3_stmt *st = NULL;
    int64_t most = 0;
    int rc = count_rows(s, &most, "SELECT count(*) FROM (SELECT 1 FROM peer_ban LIMIT 1024)",
                        SPV_ADDRMAN_BANS);
    if (rc)
        return rc;
    if (most > 0) {
        out->bans = sqlite3_malloc64((uint64_t)most * sizeof *out->bans);
        if (!out->bans)
            return spv_db_error_of(s, NULL, SQLITE_NOMEM, "read the bans");
    }
    rc = prepare_stmt(s, &st,
                      "SELECT address, since, until, code FROM peer_ban"
                      " ORDER BY until DESC LIMIT 1024");
    if (rc)
        return rc;
    int code = SQLITE_DONE;
    while (out->n_bans < (size_t)most && (code = sqlite3_step(st)) == SQLITE_ROW)
        out->n_bans += read_ban(&out->bans[out->n_bans], st);
    if (code != SQLITE_DONE && code != SQLITE_ROW)
        rc = spv_db_error(s, code, "read the bans");
    (void)sqlite3_finalize(st);
    return rc;
}

static int load_key(struct spv_store *s, struct spv_addrman_rows *out)
{
    char hex[2 * SPV_ADDRMAN_KEY + 1];
    const int rc = spv_meta_get(s, hex, sizeof hex, KEY);
    /* A malformed key is replaced by a new random one: addresses only change their buckets. */
    out->keyed = rc > 0 && spv_hex_decode(out->key, sizeof out->key, hex) == 0;
    return rc < 0 && rc != SPV_ERR_DB_DAMAGED ? rc : 0;
}

static int load_rows(struct spv_store *s, struct spv_addrman_rows *out)
{
    memset(out, 0, sizeof *out);
    int rc = spv_db_exec(s, "BEGIN", "read the peer addresses");
    if (rc)
        return rc;
    rc = load_key(s, out);
    if (rc)
        goto out;
    rc = load_addresses(s, out);
    if (rc)
        goto out;
    rc = load_bans(s, out);
out:
    spv_db_rollback(s);
    if (rc)
        spv_store_addrman_free(out);
    return rc;
}

/* Removes the table or view of this name, if there is one. */
static int drop_object(struct spv_store *s, const char *name)
{
    int64_t view = 0;
    char sql[128];
    (void)sqlite3_snprintf(sizeof sql, sql,
                           "SELECT count(*) FROM sqlite_master WHERE type = 'view' AND"
                           " name = '%s' COLLATE NOCASE",
                           name);
    int rc = spv_db_integer(s, &view, sql, "create empty address tables");
    if (rc)
        return rc;
    (void)sqlite3_snprintf(sizeof sql, sql, "DROP %s IF EXISTS %s", view > 0 ? "VIEW" : "TABLE",
                           name);
    return spv_db_exec(s, sql, "create empty address tables");
}

/* Copies the rows of a table to a temporary one. Returns whether that succeeded. */
static bool copy_to_temp(struct spv_store *s, const char *sql)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

int spv_addrs_recreate(struct spv_store *s)
{
    /* only one of them may be broken */
    const bool addresses =
        copy_to_temp(s, "CREATE TEMP TABLE kept_address AS SELECT " ADDRESS_COLUMNS
                        " FROM main.peer_address LIMIT 20480");
    const bool bans =
        copy_to_temp(s, "CREATE TEMP TABLE kept_ban AS SELECT address, since, until, code,"
                        " reason FROM main.peer_ban LIMIT 1024");
    static const char *const objects[] = {"peer_address", "peer_ban", "block_header"};
    for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++) {
        int rc = drop_object(s, objects[i]);
        if (rc)
            return rc;
    }
    /* the migration replaces the view, too, and needs one to drop */
    int rc =
        spv_db_exec(s, "CREATE VIEW main.block_header AS SELECT 1", "create empty address tables");
    if (rc)
        return rc;
    rc = spv_db_exec(s, spv_schema_addrman, "create empty address tables");
    if (rc)
        return rc;
    if (addresses) {
        rc = spv_db_exec(s,
                         "INSERT OR IGNORE INTO main.peer_address SELECT * FROM kept_address;"
                         "DROP TABLE kept_address",
                         "keep the peer addresses");
        if (rc)
            return rc;
    }
    if (bans) {
        rc = spv_db_exec(s,
                         "INSERT OR IGNORE INTO main.peer_ban SELECT * FROM kept_ban;"
                         "DROP TABLE kept_ban",
                         "keep the bans");
        if (rc)
            return rc;
    }
    return 0;
}

/* Replaces the damaged tables: a sync must be able to start without their rows. */
static int reset_tables(struct spv_store *s)
{
    int rc = spv_transaction_commit_and_begin(s);
    if (rc)
        return rc;
    rc = spv_addrs_recreate(s);
    if (rc)
        goto rollback;
    rc = spv_db_commit(s);
    if (rc)
        goto rollback;
    return 0;
rollback:
    spv_db_rollback(s);
    return rc;
}

int spv_store_addrman_load(struct spv_store *s, struct spv_addrman_rows *out)
{
    int rc = load_rows(s, out);
    if (rc == SPV_ERR_DB_DAMAGED && s->mode != SPV_STORE_READ && reset_tables(s) == 0)
        rc = load_rows(s, out);
    return rc;
}

void spv_store_addrman_free(struct spv_addrman_rows *rows)
{
    sqlite3_free(rows->addresses);
    sqlite3_free(rows->bans);
    memset(rows, 0, sizeof *rows);
}

/* Writing. */

static int run_sql(struct spv_store *s, sqlite3_stmt *st, int bound)
{
    int code = bound == SQLITE_OK ? sqlite3_step(st) : bound;
    (void)sqlite3_reset(st);
    return code == SQLITE_DONE ? 0 : spv_db_error(s, code, "write the peer addresses");
}

static int write_address(struct spv_store *s, sqlite3_stmt *st, const struct spv_addr_info *a)
{
    char host[SPV_HOST_MAX];
    const int rc = spv_netaddr_to_host(host, &a->addr);
    if (rc < 0)
        return spv_db_fail(s, rc, "%s: an address that has no text form", s->path);
    int code = sqlite3_bind_text(st, 1, host, -1, SQLITE_STATIC);
    code |= sqlite3_bind_int64(st, 2, a->addr.port);
    code |= sqlite3_bind_int64(st, 3, (int64_t)a->services);
    code |= sqlite3_bind_blob(st, 4, a->source, a->source_len, SQLITE_STATIC);
    code |= sqlite3_bind_int64(st, 5, a->last_seen);
    code |= sqlite3_bind_int64(st, 6, a->last_try);
    code |= sqlite3_bind_int64(st, 7, a->last_success);
    code |= sqlite3_bind_int64(st, 8, a->attempts);
    code |= sqlite3_bind_int64(st, 9, a->slow);
    code |= sqlite3_bind_int64(st, 10, a->failure);
    code |= sqlite3_bind_int64(st, 11, a->tried);
    code |= sqlite3_bind_int64(st, 12, a->anchor);
    return run_sql(s, st, code == SQLITE_OK ? code : sqlite3_errcode(s->db));
}

static int write_addresses(struct spv_store *s, const struct spv_addrman_changes *c)
{
    sqlite3_stmt *st = NULL;
    int rc = prepare_stmt(s, &st,
                          "INSERT OR REPLACE INTO peer_address (" ADDRESS_COLUMNS
                          ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)");
    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < c->n_changed; i++)
        rc = write_address(s, st, &c->changed[i]);
    (void)sqlite3_finalize(st);
    return rc;
}

static int remove_addresses(struct spv_store *s, const struct spv_addrman_changes *c)
{
    sqlite3_stmt *st = NULL;
    char host[SPV_HOST_MAX];
    int rc = prepare_stmt(s, &st, "DELETE FROM peer_address WHERE host = ?1 AND port = ?2");
    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < c->n_removed; i++) {
        if (spv_netaddr_to_host(host, &c->removed[i]) != 0)
            continue;
        int code = sqlite3_bind_text(st, 1, host, -1, SQLITE_STATIC);
        code |= sqlite3_bind_int64(st, 2, c->removed[i].port);
        rc = run_sql(s, st, code == SQLITE_OK ? code : sqlite3_errcode(s->db));
    }
    (void)sqlite3_finalize(st);
    return rc;
}

static int write_bans(struct spv_store *s, const struct spv_addrman_changes *c)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_exec(s, "DELETE FROM peer_ban", "write the bans");
    if (rc)
        return rc;
    rc = prepare_stmt(s, &st,
                      "INSERT OR REPLACE INTO peer_ban (address, since, until, code, reason)"
                      " VALUES (?1, ?2, ?3, ?4, ?5)");
    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < c->n_bans; i++) {
        const struct spv_ban_entry *b = &c->bans[i];
        int code = sqlite3_bind_text(st, 1, b->address, -1, SQLITE_STATIC);
        code |= sqlite3_bind_int64(st, 2, b->since);
        code |= sqlite3_bind_int64(st, 3, b->until);
        code |= sqlite3_bind_int64(st, 4, b->code);
        code |= sqlite3_bind_text(st, 5, spv_strerror(b->code), -1, SQLITE_STATIC);
        rc = run_sql(s, st, code == SQLITE_OK ? code : sqlite3_errcode(s->db));
    }
    (void)sqlite3_finalize(st);
    return rc;
}

static int write_addrs(struct spv_store *s, const struct spv_addrman_changes *c)
{
    char hex[2 * SPV_ADDRMAN_KEY + 1];
    spv_hex(hex, c->key, sizeof c->key);
    int rc = spv_meta_set(s, KEY, hex);
    if (rc)
        return rc;
    if (c->all) {
        rc = spv_db_exec(s, "DELETE FROM peer_address", "write the peer addresses");
        if (rc)
            return rc;
    }
    if (c->n_removed > 0) {
        rc = remove_addresses(s, c);
        if (rc)
            return rc;
    }
    if (c->n_changed > 0) {
        rc = write_addresses(s, c);
        if (rc)
            return rc;
    }
    return c->bans_changed ? write_bans(s, c) : 0;
}

int spv_store_addrman_save(struct spv_store *s, const struct spv_addrman_changes *c)
{
    if (s->mode == SPV_STORE_READ)
        return spv_db_fail(s, SPV_ERR_DB_READONLY, "%s: was opened for reading only", s->path);
    int rc = spv_transaction_commit_and_begin(s);
    if (rc)
        return rc;
    rc = write_addrs(s, c);
    if (rc)
        goto rollback;
    rc = spv_db_commit(s);
    if (rc)
        goto rollback;
    return 0;
rollback:
    spv_db_rollback(s);
    return rc;
}
