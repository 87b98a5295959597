/* Opening and closing. Opening runs these checks in order; each has its own error message.
 *
 *   the file exists (or may be created) -> it is SQLite -> it is ours -> its schema is not newer ->
 *   no other writer -> one transaction: migrate the schema, compare the network, check the tails of
 *   headers and filter headers
 *
 * The file is identified before the lock is taken, so that no lock file is left beside a file that
 * is not ours, and again under the lock. A reader runs the same checks under one snapshot and
 * changes nothing.
 *
 * synchronous is FULL: each commit is on disk when it returns. At 2,000 rows per commit the cost
 * cannot be measured. */
#include "store/open.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "store/apply.h"
#include "store/filter_run.h"
#include "store/hash_index.h"
#include "store/lock.h"
#include "store/meta.h"
#include "store/network_id.h"
#include "store/path.h"
#include "store/row_check.h"
#include "store/schema.h"
#include "store/schema_check.h"
#include "store/sidecar.h"
#include "store/tail_check.h"
#include "store/wal_guard.h"

static void release_all(struct spv_store *s)
{
    for (size_t i = 0; i < SPV_STMTS; i++) {
        (void)sqlite3_finalize(s->stmt[i]);
        s->stmt[i] = NULL;
    }
    spv_db_disconnect(&s->db, &s->watch);
    spv_lock_release(s->lock);
    s->lock = -1;
    sqlite3_free(s->filter);
    s->filter = NULL;
}

static const char *errno_text(char *buffer, size_t cap)
{
    return strerror_r(errno, buffer, cap) == 0 ? buffer : "unknown reason";
}

static int check_sidecars(struct spv_store *s)
{
    const char *suffix = spv_sidecar_check(s->path);
    return !suffix ? 0
                   : spv_db_fail(
                         s, SPV_ERR_IO,
                         "%s: the file beside it with the ending %s is a link, a pipe, a folder "
                         "or a device, or has another name as well, and was left alone. Remove "
                         "it.",
                         s->path, suffix);
}

/* The path is that of a file, or of one that may be created. */
static int check_path(struct spv_store *s)
{
    char reason[96];
    struct stat st;
    if (stat(s->path, &st) == 0) {
        return S_ISREG(st.st_mode)
                   ? check_sidecars(s)
                   : spv_db_fail(s, SPV_ERR_DB_DAMAGED,
                                 "%s: is not a database but a folder or a device. Name "
                                 "a file.",
                                 s->path);
    }
    if (errno == EACCES) {
        return spv_db_fail(s, SPV_ERR_DB_READONLY,
                           "%s: cannot be reached: %s. Check the permissions of its folders.",
                           s->path, errno_text(reason, sizeof reason));
    }
    if (s->mode != SPV_STORE_CREATE) {
        return spv_db_fail(s, SPV_ERR_DB_NONE,
                           "%s: there is no database. Sync first, or check the path.", s->path);
    }
    int rc = spv_path_make_folders(s->path);
    if (rc == SPV_ERR_NOMEM)
        return spv_db_error_of(s, NULL, SQLITE_NOMEM, "make its folder");
    if (rc) {
        int code = errno == EACCES || errno == EROFS || errno == EPERM ? SPV_ERR_DB_READONLY
                   : errno == ENOSPC || errno == EDQUOT                ? SPV_ERR_DB_FULL
                                                                       : SPV_ERR_IO;
        return spv_db_fail(s, code, "%s: its folder cannot be created: %s. Name another path.",
                           s->path, errno_text(reason, sizeof reason));
    }
    return check_sidecars(s);
}

/* Checks application id and schema version, and the tables' definitions before one of them is read.
 * *version: 0 for an empty database. */
static int identify_schema(struct spv_store *s, int64_t *version)
{
    int64_t id = 0;
    int64_t tables = 0;
    int rc = spv_db_integer(s, &id, "PRAGMA application_id", "open it");
    if (rc)
        return rc;
    rc = spv_db_integer(s, version, "PRAGMA user_version", "open it");
    if (rc)
        return rc;
    rc = spv_db_integer(s, &tables, "SELECT count(*) FROM sqlite_master", "open it");
    if (rc)
        return rc;
    if (id == 0 && *version == 0 && tables == 0) {
        return s->mode == SPV_STORE_CREATE
                   ? 0
                   : spv_db_fail(s, SPV_ERR_DB_NONE,
                                 "%s: is empty, no headers were stored yet. Sync first.", s->path);
    }
    if (id != SPV_APPLICATION_ID) {
        return spv_db_fail(s, SPV_ERR_DB_DAMAGED,
                           "%s: is a database of another program, not a headers database. Name "
                           "another file.",
                           s->path);
    }
    if (*version > SPV_SCHEMA_VERSION) {
        return spv_db_fail(s, SPV_ERR_DB_NEWER,
                           "%s: was written by a newer version (schema %lld, this version supports "
                           "%d). Update this program, or name another database.",
                           s->path, (long long)*version, SPV_SCHEMA_VERSION);
    }
    if (*version < 1) {
        return spv_db_fail(
            s, SPV_ERR_DB_DAMAGED,
            "%s: the database is damaged: schema version %lld. " SPV_DB_REPAIR_ADVICE, s->path,
            (long long)*version);
    }
    if (*version < SPV_SCHEMA_READABLE && s->mode == SPV_STORE_READ && !s->unchecked) {
        return spv_db_fail(s, SPV_ERR_DB_READONLY,
                           "%s: has the older schema %lld and must be migrated first. Sync once.",
                           s->path, (long long)*version);
    }
    s->schema = (int)*version;
    return spv_schema_check(s, (int)*version);
}

static int take_lock(struct spv_store *s)
{
    struct spv_error_info why;
    /* SQLite's name of the file is absolute and has links resolved: the same for every path to it.
     */
    int rc = spv_lock_take(&s->lock, sqlite3_db_filename(s->db, "main"), s->path, &why);
    return rc ? spv_db_fail(s, rc, "%s", why.text) : 0;
}

/* A new database: its network, and genesis as the tip. */
static int create_chain(struct spv_store *s)
{
    int rc = spv_network_id_write(s);
    if (rc)
        return rc;
    rc = spv_genesis_store(s, &s->tip);
    if (rc)
        return rc;
    return spv_meta_set_tip(s, &s->tip);
}

/* Inside the transaction: migrates from any older version. */
static int migrate_schema(struct spv_store *s, int64_t version)
{
    if (version > 0) { /* another network's file is not changed */
        int rc = spv_network_id_check(s);
        if (rc)
            return rc;
    }
    if (version < SPV_SCHEMA_VERSION) {
        int code = spv_schema_migrate(s->db, (int)version, SPV_SCHEMA_VERSION, spv_migrations,
                                      spv_n_migrations);
        if (code != SQLITE_OK)
            return spv_db_error(s, code, "migrate the schema");
        s->schema = SPV_SCHEMA_VERSION;
    }
    if (version == 0)
        return create_chain(s);
    return s->unchecked ? 0 : spv_tail_check(s);
}

/* A writer counts the headers that were in a lost log; a sync fetches them again. */
static int check_lost_log(struct spv_store *s, const struct spv_wal_note *note)
{
    int lost = s->unchecked ? 0 : spv_wal_guard_check(s, note);
    if (lost > 0) {
        uint32_t n = note->height > s->tip.height ? note->height - s->tip.height : 1;
        s->lost_rows = n > s->lost_rows ? n : s->lost_rows;
    }
    return lost < 0 ? lost : 0;
}

/* What opening changes in the file, inside one transaction. */
static int write_opening(struct spv_store *s, const struct spv_wal_note *note)
{
    int64_t version = 0;
    int rc = identify_schema(s, &version);
    if (rc)
        return rc;
    rc = migrate_schema(s, version);
    if (rc)
        return rc;
    if (version == 0)
        return 0;
    rc = check_lost_log(s, note);
    if (rc)
        return rc;
    rc = s->unchecked ? 0 : spv_filters_trim(s);
    if (rc)
        return rc;
    return spv_branches_prune(s);
}

static int load_indexed(struct spv_store *s)
{
    int indexed = spv_hash_index_exists(s);
    s->indexed = indexed > 0;
    return indexed < 0 ? indexed : 0;
}

static int open_write(struct spv_store *s)
{
    int64_t version = 0;
    struct spv_wal_note note;
    int code = spv_db_connect(&s->db, &s->watch, s->path, s->mode, false);
    if (code != SQLITE_OK)
        return spv_db_error(s, code, "open it");
    int rc = identify_schema(s, &version);
    if (rc)
        return rc;
    if (sqlite3_db_readonly(s->db, "main") != 0) {
        return spv_db_fail(s, SPV_ERR_DB_READONLY,
                           "%s: cannot be written. Check the permissions of the file.", s->path);
    }
    spv_wal_guard_read(&note, s);
    if (s->lock < 0) {
        rc = take_lock(s);
        if (rc)
            return rc;
    }
    rc = spv_db_exec(s,
                     "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                     "PRAGMA wal_autocheckpoint = 4000", /* pages: 16 MB between checkpoints */
                     "set up the write-ahead log");
    if (rc)
        return rc;
    rc = spv_db_begin(s);
    if (rc)
        return rc;
    rc = write_opening(s, &note);
    if (rc)
        goto rollback;
    rc = spv_db_commit(s);
    if (rc)
        goto rollback;
    return load_indexed(s);
rollback:
    spv_db_rollback(s);
    return rc;
}

static bool has_wal(const struct spv_store *s)
{
    struct stat st;
    char *name = sqlite3_mprintf("%s-wal", s->path);
    bool has = !name || (stat(name, &st) == 0 && st.st_size > 0);
    sqlite3_free(name);
    return has;
}

/* A WAL database is read with the help of a shared-memory file (-shm) beside it. Where that cannot
 * be created and there is no log, no program can change the file either: it is opened as immutable.
 */
static int connect_read(struct spv_store *s, bool immutable)
{
    int64_t probe = 0;
    int code = spv_db_connect(&s->db, &s->watch, s->path, SPV_STORE_READ, immutable);
    int rc = code == SQLITE_OK
                 ? spv_db_integer(s, &probe, "SELECT count(*) FROM sqlite_master", "open it")
                 : spv_db_error(s, code, "open it");
    if (rc == 0 || immutable) {
        s->immutable = immutable;
        return rc;
    }
    code = sqlite3_errcode(s->db) & 0xff;
    if (code != SQLITE_CANTOPEN && code != SQLITE_READONLY)
        return rc;
    if (has_wal(s)) {
        return spv_db_fail(s, SPV_ERR_DB_READONLY,
                           "%s: its write-ahead log (-wal) was left by a program that was killed, "
                           "and cannot be read where nothing can be written. Copy both files to "
                           "where you may write, or open it there once.",
                           s->path);
    }
    spv_db_disconnect(&s->db, &s->watch);
    return connect_read(s, true);
}

/* The checks of a reader, under one snapshot. */
static int check_snapshot(struct spv_store *s, const struct spv_wal_note *note, bool any_network)
{
    int64_t version = 0;
    int rc = identify_schema(s, &version);
    if (rc)
        return rc;
    rc = any_network ? spv_network_id_load(s) : spv_network_id_check(s);
    if (rc)
        return rc;
    if (!s->unchecked) {
        rc = spv_tail_check(s);
        if (rc)
            return rc;
        rc = spv_wal_guard_check(s, note);
        if (rc)
            return rc > 0 ? SPV_ERR_DB_DAMAGED : rc;
    }
    return load_indexed(s);
}

static int open_read(struct spv_store *s, bool any_network)
{
    struct spv_wal_note note;
    int rc = connect_read(s, false);
    if (rc)
        return rc;
    spv_wal_guard_read(&note, s);
    rc = spv_db_exec(s, "BEGIN", "read it");
    if (rc)
        return rc;
    rc = check_snapshot(s, &note, any_network);
    spv_db_rollback(s);
    return rc;
}

static void set_error_info(struct spv_error_info *why, int code, const char *text)
{
    if (why) {
        why->code = (enum spv_err)code;
        (void)sqlite3_snprintf((int)sizeof why->text, why->text, "%s", text);
    }
}

int spv_store_open_as(struct spv_store **out, const struct spv_store_config *cfg,
                      const struct spv_open_options *options, struct spv_error_info *why)
{
    *out = NULL;
    if (!cfg->path || cfg->path[0] == '\0' || (!cfg->params && cfg->mode != SPV_STORE_READ)) {
        set_error_info(why, SPV_ERR_INVALID,
                       "A database needs a path, and a network to be written.");
        spv_lock_release(options->lock);
        return SPV_ERR_INVALID;
    }
    struct spv_store *s = sqlite3_malloc64(sizeof *s);
    if (!s) {
        set_error_info(why, SPV_ERR_NOMEM, "Out of memory. Free some memory and try again.");
        spv_lock_release(options->lock);
        return SPV_ERR_NOMEM;
    }
    memset(s, 0, sizeof *s);
    s->lock = options->lock;
    s->unchecked = options->unchecked;
    s->mode = cfg->mode;
    s->watch.stop = cfg->stop;
    s->watch.busy = cfg->busy;
    s->watch.busy_ctx = cfg->busy_ctx;
    if (cfg->params)
        s->params = *cfg->params;
    int rc = 0;
    s->path = sqlite3_mprintf("%s", cfg->path);
    if (!s->path) {
        rc = spv_db_fail(s, SPV_ERR_NOMEM, "Out of memory. Free some memory and try again.");
        goto err;
    }
    rc = check_path(s);
    if (rc)
        goto err;
    rc = cfg->mode == SPV_STORE_READ ? open_read(s, cfg->params == NULL) : open_write(s);
    if (rc)
        goto err;
    s->error_text[0] = '\0';
    *out = s;
    return 0;
err:
    set_error_info(why, rc, s->error_text);
    release_all(s);
    sqlite3_free(s->path);
    sqlite3_free(s);
    return rc;
}

int spv_store_open(struct spv_store **out, const struct spv_store_config *cfg,
                   struct spv_error_info *why)
{
    const struct spv_open_options options = {.lock = -1};
    return spv_store_open_as(out, cfg, &options, why);
}

int spv_store_flush(struct spv_store *s)
{
    if (s->mode == SPV_STORE_READ)
        return 0;
    int rc = spv_store_commit(s);
    if (rc)
        return rc;
    /* A reader's snapshot may keep the checkpoint from completing. Commits are durable in the log
     * all the same, so the call does not wait for the reader. */
    s->watch.wait_ms = 0;
    rc = sqlite3_wal_checkpoint_v2(s->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    s->watch.wait_ms = SPV_DB_WAIT_WRITE_MS;
    return rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY
               ? 0
               : spv_db_error(s, rc, "checkpoint the write-ahead log");
}

int spv_store_close(struct spv_store *s)
{
    if (!s)
        return 0;
    int rc = spv_store_flush(s);
    if (!rc)
        spv_wal_guard_clear(s);
    release_all(s);
    sqlite3_free(s->path);
    sqlite3_free(s);
    return rc;
}

const struct spv_params *spv_store_params(const struct spv_store *s)
{
    return &s->params;
}

const char *spv_store_path(const struct spv_store *s)
{
    return s->path;
}

uint32_t spv_store_lost_rows(const struct spv_store *s)
{
    return s->lost_rows;
}

const char *spv_store_last_error(const struct spv_store *s)
{
    return s->error_text;
}
