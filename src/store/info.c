/* Facts about a database, the time of the last sync, and compacting. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/filter_rows.h"
#include "store/kept_filters.h"
#include "store/meta.h"
#include "store/wallet_rows.h"

static uint64_t size_of(const char *path, const char *suffix)
{
    struct stat st;
    char *name = sqlite3_mprintf("%s%s", path, suffix);
    uint64_t size = name && stat(name, &st) == 0 ? (uint64_t)st.st_size : 0;
    sqlite3_free(name);
    return size;
}

static int read_count(struct spv_store *s, uint64_t *out, const char *sql)
{
    int64_t x = 0;
    int rc = spv_db_integer(s, &x, sql, "read the database");
    *out = x > 0 ? (uint64_t)x : 0;
    return rc;
}

static int count_filters(struct spv_store *s, struct spv_store_info *out)
{
    struct spv_filter_run run = {.first = 0};
    struct spv_kept kept;
    int rc = spv_filter_tables(s);
    if (rc <= 0)
        return rc;
    rc = spv_filter_run_get(s, &run);
    if (rc < 0)
        return rc;
    out->filter_headers_from = run.first;
    out->filter_headers = rc > 0 ? (uint64_t)run.last - run.first + 1 : 0;
    rc = spv_kept_get(s, &kept);
    if (rc == 0) /* wrong metadata is for a verification to report */
        rc = spv_kept_count(s, &kept);
    if (rc < 0)
        return rc;
    out->kept_filters = (uint64_t)kept.n;
    out->kept_filter_bytes = (uint64_t)kept.bytes;
    return 0;
}

/* Numbers only: nothing here shows what is watched. */
static int count_wallet(struct spv_store *s, struct spv_store_info *out)
{
    const struct {
        uint64_t *out;
        const char *sql;
    } counts[] = {
        {&out->wallet_watches, "SELECT count(*) FROM wallet_watch"},
        {&out->wallet_scripts, "SELECT count(*) FROM wallet_script"},
        {&out->wallet_txs, "SELECT count(*) FROM wallet_tx WHERE revision > 0"},
        {&out->wallet_coins, "SELECT count(*) FROM wallet_output WHERE field > 0"},
        {&out->wallet_labels, "SELECT count(*) FROM wallet_label"},
        {&out->wallet_broadcasts, "SELECT count(*) FROM broadcast"},
    };
    struct spv_wallet_info info;
    int rc = spv_store_wallet_info(s, &info);
    if (rc <= 0)
        return rc;
    out->has_wallet = true;
    out->wallet_revision = info.meta.revision;
    if (info.meta.scanned.height != SPV_NO_HEIGHT)
        out->wallet_scanned = info.meta.scanned.height;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        rc = read_count(s, counts[i].out, counts[i].sql);
        if (rc)
            return rc;
    }
    return 0;
}

/* Inside one snapshot. */
static int collect_info(struct spv_store *s, struct spv_store_info *out)
{
    char text[24] = "";
    uint64_t free_pages = 0;
    uint64_t page = 0;
    uint64_t schema = 0;
    const struct {
        uint64_t *out;
        const char *sql;
    } counts[] = {
        {&schema, "PRAGMA user_version"},
        {&out->headers, "SELECT count(*) FROM header"},
        {&out->branch_headers, "SELECT count(*) FROM branch_header"},
        {&free_pages, "PRAGMA freelist_count"},
        {&page, "PRAGMA page_size"},
    };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        int rc = read_count(s, counts[i].out, counts[i].sql);
        if (rc)
            return rc;
    }
    out->schema = (int)schema;
    out->free_bytes = free_pages * page;
    out->wallet_scanned = -1;
    int rc = count_filters(s, out);
    if (rc)
        return rc;
    rc = count_wallet(s, out);
    if (rc)
        return rc;
    rc = spv_meta_get_info(s, out->created_by, sizeof out->created_by, "created_by");
    if (rc < 0)
        return rc;
    rc = spv_meta_get_info(s, text, sizeof text, "last_sync");
    if (rc < 0)
        return rc;
    out->last_sync = rc == 0 ? 0 : text[0] == '\0' ? -1 : (int64_t)strtoll(text, NULL, 10);
    return 0;
}

int spv_store_get_info(struct spv_store *s, struct spv_store_info *out)
{
    memset(out, 0, sizeof *out);
    out->file_bytes = size_of(s->path, "");
    out->log_bytes = size_of(s->path, "-wal");
    const bool own = sqlite3_get_autocommit(s->db) != 0; /* no transaction is open */
    int rc = own ? spv_db_exec(s, "BEGIN", "read it") : 0;
    if (rc)
        return rc;
    spv_db_watch_long(&s->watch, true); /* counting is one operation */
    rc = collect_info(s, out);
    spv_db_watch_long(&s->watch, false);
    if (own)
        spv_db_rollback(s);
    return rc;
}

int spv_store_set_last_sync(struct spv_store *s, int64_t unix_s)
{
    char text[24];
    if (s->mode == SPV_STORE_READ)
        return spv_db_fail(s, SPV_ERR_DB_READONLY, "%s: was opened for reading only", s->path);
    (void)sqlite3_snprintf(sizeof text, text, "%lld", (long long)unix_s);
    return spv_meta_set(s, "last_sync", text);
}

int spv_store_compact(struct spv_store *s, int (*progress)(void *ctx), void *ctx)
{
    if (s->mode == SPV_STORE_READ)
        return spv_db_fail(s, SPV_ERR_DB_READONLY, "%s: was opened for reading only", s->path);
    int rc = spv_store_commit(s);
    if (rc)
        return rc;
    spv_db_watch_progress(&s->watch, progress, ctx);
    rc = spv_db_exec(s, "VACUUM", "compact it");
    spv_db_watch_progress(&s->watch, NULL, NULL);
    return rc ? rc : spv_store_flush(s);
}
