/* SQLite keeps the text of each CREATE statement, so the text in the file is compared with ours
 * (schema.c) token by token: that covers types, columns, CHECK and DEFAULT clauses, collations,
 * generated columns, STRICT and WITHOUT ROWID at once. SQLite itself refuses a row of sqlite_master
 * whose text creates an object of another type or name than the row's.
 *
 * Names are compared as SQLite does: without case, up to the first NUL. */
#include "store/schema_check.h"

#include <string.h>

#include "store/schema.h"

/* Our objects, and the schema version that each came with. */
static const struct object {
    const char *type, *name;
    int since;
    bool optional; /* it is created when it is needed */
} objects[] = {
    {"table", "header", 1, false},
    {"table", "branch_header", 1, false},
    {"table", "meta", 1, false},
    {"view", "block_header", 1, true},
    {"index", "header_by_hash", 1, true},
    {"table", "peer_address", 2, true},
    {"table", "peer_ban", 2, true},
    {"table", "filter_header", 3, false},
    {"table", "block_filter", 3, false},
    {"table", "wallet_meta", 4, false},
    {"table", "wallet_watch", 4, false},
    {"table", "wallet_branch", 4, false},
    {"table", "wallet_script", 4, false},
    {"table", "wallet_tx", 4, false},
    {"table", "wallet_tx_data", 4, false},
    {"table", "wallet_output", 4, false},
    {"table", "wallet_share", 4, false},
    {"table", "wallet_sum", 4, false},
    {"table", "wallet_label", 4, false},
    {"table", "wallet_label_line", 4, false},
    {"table", "broadcast", 4, false},
    {"view", "wallet_history", 4, true},
    {"view", "wallet_coin", 4, true},
    {"view", "wallet_balance", 4, true},
    {"index", "wallet_watch_by_script", 4, false},
    {"index", "wallet_script_by_script", 4, false},
    {"index", "wallet_tx_by_chain", 4, false},
    {"index", "wallet_tx_by_revision", 4, false},
    {"index", "wallet_tx_by_txid", 4, false},
    {"index", "wallet_output_by_field", 4, false},
    {"index", "wallet_output_by_script", 4, false},
    {"index", "wallet_output_by_spender", 4, false},
    {"index", "wallet_share_by_watch", 4, false},
};
#define OBJECTS (sizeof objects / sizeof objects[0])

static size_t find_object(const char *name)
{
    size_t i = 0;
    while (i < OBJECTS && sqlite3_stricmp(name, objects[i].name) != 0)
        i++;
    return i;
}

/* The text of a statement without its spacing: a space remains only between two words. */
struct scan {
    const char *at, *end;
    bool quoted; /* inside a string */
    bool word; /* the last character belongs to a word */
};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The next character, or 0 at the end. */
static char scan_next(struct scan *t)
{
    bool spaced = false;
    for (; !t->quoted && t->at < t->end && is_space(*t->at); t->at++)
        spaced = true;
    if (t->at == t->end)
        return '\0';
    if (spaced && t->word && is_word(*t->at)) {
        t->word = false;
        return ' ';
    }
    const char c = *t->at++;
    t->quoted = c == '\'' ? !t->quoted : t->quoted;
    t->word = is_word(c);
    return c;
}

static bool same_text(const char *a, size_t n_a, const char *b, size_t n_b)
{
    struct scan x = {.at = a, .end = a + n_a};
    struct scan y = {.at = b, .end = b + n_b};
    char c = '\0';
    char d = '\0';
    do {
        c = scan_next(&x);
        d = scan_next(&y);
    } while (c == d && c != '\0');
    return c == d && x.at == x.end && y.at == y.end;
}

/* The statement that created the object: the last one up to the version, as a later schema may
 * create it again. NULL: that version has no such object. */
static const char *find_definition(size_t *n, const struct object *o, int version)
{
    char begin[64];
    const char *found = NULL;
    if (strcmp(o->name, "header_by_hash") == 0) {
        *n = sizeof "CREATE INDEX " SPV_SCHEMA_INDEX - 1;
        return "CREATE INDEX " SPV_SCHEMA_INDEX;
    }
    (void)sqlite3_snprintf(sizeof begin, begin, "CREATE %s %s ",
                           strcmp(o->type, "view") == 0    ? "VIEW"
                           : strcmp(o->type, "index") == 0 ? "INDEX"
                                                           : "TABLE",
                           o->name);
    for (size_t i = 0; i < spv_n_migrations; i++) {
        const char *at = spv_migrations[i].from < version ? spv_migrations[i].sql : NULL;
        while (at && (at = strstr(at, begin))) {
            found = at;
            at++;
        }
    }
    *n = found ? strcspn(found, ";") : 0;
    return found;
}

/* The text has nothing from the file: its names are untrusted. */
static int schema_mismatch(struct spv_store *s, int version, const char *what, const char *name,
                           const char *why)
{
    return spv_db_fail(
        s, SPV_ERR_DB_DAMAGED,
        "%s: its tables are not those of schema %d (the %s %s %s), so none was read. "
        "" SPV_DB_REPAIR_ADVICE,
        s->path, version, what, name, why);
}

/* An index under another name is foreign and stays, unless storing a header would run an expression
 * of the file's, or fail. Its columns are names, so no expression and no collation. */
static int check_foreign_index(struct spv_store *s, int version, const char *name,
                               const char *table)
{
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(
        s->db,
        "SELECT count(*) FROM pragma_index_list(?2) l, pragma_index_xinfo(?1) x"
        " WHERE l.name = ?1 COLLATE NOCASE AND (l.\"unique\" OR l.partial OR x.cid = -2"
        " OR (x.key AND x.coll <> 'BINARY'))",
        -1, &st, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_bind_text(st, 1, name, -1, SQLITE_TRANSIENT);
    if (code == SQLITE_OK)
        code = sqlite3_bind_text(st, 2, table, -1, SQLITE_TRANSIENT);
    if (code == SQLITE_OK)
        code = sqlite3_step(st);
    const bool plain = code == SQLITE_ROW && sqlite3_column_int64(st, 0) == 0;
    (void)sqlite3_finalize(st);
    if (code != SQLITE_ROW)
        return spv_db_prepare_error(s, code, "read the schema");
    return plain ? 0
                 : schema_mismatch(s, version, "table", objects[find_object(table)].name,
                                   "has a foreign index that is unique, partial or computed");
}

/* One row of sqlite_master: type, name, table, text. */
static int check_row(struct spv_store *s, sqlite3_stmt *st, int version, bool seen[OBJECTS])
{
    const char *column[4];
    size_t n = 0;
    for (int i = 0; i < 4; i++) {
        column[i] = (const char *)sqlite3_column_text(st, i);
        if (!column[i] && sqlite3_column_type(st, i) != SQLITE_NULL)
            return spv_db_error_of(s, NULL, SQLITE_NOMEM, "read the schema");
        column[i] = column[i] ? column[i] : "";
    }
    const size_t own = find_object(column[1]);
    const size_t on = find_object(column[2]);
    if (own < OBJECTS) {
        const struct object *o = &objects[own];
        const char *want = version >= o->since ? find_definition(&n, o, version) : NULL;
        if (seen[own] || !want || strcmp(column[0], o->type) != 0 ||
            !same_text(column[3], (size_t)sqlite3_column_bytes(st, 3), want, n))
            return schema_mismatch(s, version, o->type, o->name, "is not defined as in its schema");
        seen[own] = true;
        return 0;
    }
    if (on == OBJECTS)
        return 0;
    return strcmp(column[0], "index") == 0
               ? check_foreign_index(s, version, column[1], column[2])
               : schema_mismatch(s, version, objects[on].type, objects[on].name, "has a trigger");
}

int spv_schema_check(struct spv_store *s, int version)
{
    sqlite3_stmt *st = NULL;
    bool seen[OBJECTS] = {false};
    int rc = 0;
    int code = sqlite3_prepare_v2(s->db, "SELECT type, name, tbl_name, sql FROM sqlite_master", -1,
                                  &st, NULL);
    while (!rc && code == SQLITE_OK && (code = sqlite3_step(st)) == SQLITE_ROW) {
        rc = check_row(s, st, version, seen);
        code = SQLITE_OK;
    }
    if (!rc && code != SQLITE_DONE)
        rc = spv_db_prepare_error(s, code, "read the schema");
    (void)sqlite3_finalize(st);
    for (size_t i = 0; i < OBJECTS && !rc; i++)
        if (!seen[i] && !objects[i].optional && version >= objects[i].since)
            rc = schema_mismatch(s, version, objects[i].type, objects[i].name, "is missing");
    return rc;
}

int spv_schema_reached(struct spv_store *s, int version)
{
    int64_t now = 0;
    if (s->schema >= version)
        return 1;
    int rc = spv_db_integer(s, &now, "PRAGMA user_version", "read the schema");
    if (rc || now < version || now > SPV_SCHEMA_VERSION)
        return rc;
    rc = spv_schema_check(s, (int)now);
    if (rc)
        return rc;
    s->schema = (int)now;
    return 1;
}

bool spv_schema_is_plain(sqlite3 *db, const char *schema, const char *name)
{
    sqlite3_stmt *st = NULL;
    char *sql = sqlite3_mprintf(
        "SELECT (SELECT count(*) FROM \"%w\".sqlite_master WHERE type = 'table'"
        " AND name = %Q AND sql LIKE 'CREATE TABLE%%')"
        " AND (SELECT count(*) > 0 AND max(hidden) = 0 FROM pragma_table_xinfo(%Q, %Q))",
        schema, name, name, schema);
    bool plain = sql && sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK &&
                 sqlite3_step(st) == SQLITE_ROW && sqlite3_column_int(st, 0) == 1;
    (void)sqlite3_finalize(st);
    sqlite3_free(sql);
    return plain;
}
