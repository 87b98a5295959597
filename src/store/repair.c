/* A repair makes a copy first and only then writes. Where SQLite finds every page valid, the
 * invalid part is deleted from the file itself, in one transaction, and everything else in it
 * stays. Else the file is not written to any more: what can be read goes into a new file, which
 * replaces it in one rename.
 *
 * The writer's lock is held from before the verification to the end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/addrs.h"
#include "store/backfill.h"
#include "store/backup.h"
#include "store/file_probe.h"
#include "store/filter_run.h"
#include "store/kept_filters.h"
#include "store/lock.h"
#include "store/meta.h"
#include "store/open.h"
#include "store/row_check.h"
#include "store/rows.h"
#include "store/salvage.h"
#include "store/schema.h"
#include "store/start.h"
#include "store/wallet_repair.h"

struct repair {
    struct spv_repair_report *out;
    const struct spv_verify_config *cfg;
    char path[SPV_PATH_TEXT]; /* links resolved */
    int lock;
    bool changed; /* the file differs, or may differ, from the copy */
    int64_t truncated; /* the file had this size before zeros were appended; -1: it has its size */
    struct spv_error_info why;
};

__attribute__((format(printf, 3, 4))) static int repair_error(struct repair *r, int code,
                                                              const char *format, ...)
{
    va_list args;
    va_start(args, format);
    r->why.code = (enum spv_err)code;
    (void)vsnprintf(r->why.text, sizeof r->why.text, format, args);
    va_end(args);
    return code;
}

static int resolve_path(struct repair *r)
{
    struct stat st;
    char *real = realpath(r->cfg->path, NULL);
    if (!real || stat(real, &st) != 0) {
        free(real);
        return repair_error(r, SPV_ERR_DB_NONE,
                            "%s: there is no database. Sync first, or check the path.",
                            r->cfg->path);
    }
    size_t n = strlen(real);
    if (n >= sizeof r->path) {
        free(real);
        return repair_error(r, SPV_ERR_TOO_LONG, "%s: the path is too long.", r->cfg->path);
    }
    memcpy(r->path, real, n + 1);
    free(real);
    if (!S_ISREG(st.st_mode)) {
        return repair_error(r, SPV_ERR_DB_DAMAGED,
                            "%s: is not a database but a folder or a device. Name a file.",
                            r->cfg->path);
    }
    return 0;
}

static int take_lock(struct repair *r)
{
    return spv_lock_take(&r->lock, r->path, r->cfg->path, &r->why);
}

static int make_backup(struct repair *r)
{
    int rc = spv_backup_make(r->out->copy, sizeof r->out->copy, r->path);
    if (!rc)
        return 0;
    char reason[96];
    if (strerror_r(errno, reason, sizeof reason) != 0)
        reason[0] = '\0';
    r->out->copy[0] = '\0';
    return repair_error(
        r, rc,
        "%s: no copy can be kept beside it: %s. Nothing was changed; make room in its "
        "folder and try again.",
        r->cfg->path, reason);
}

/* Not even the first row is valid. */
static int restart_at_genesis(struct spv_store *s, struct spv_chain_header *genesis)
{
    static const struct spv_chain_start complete = {0};
    int rc = spv_db_exec(s, "DELETE FROM header", "remove headers");
    if (rc)
        return rc;
    s->start = complete;
    rc = spv_start_write(s, &complete, NULL, NULL);
    if (rc)
        return rc;
    return spv_genesis_store(s, genesis);
}

/* Filter headers and kept filters: deletes those from the first bad one on, and those of headers
 * that are deleted. */
static int cut_filters(struct spv_store *s, const struct spv_verify_report *found)
{
    const int64_t last = found->valid_filter_header < found->valid_height
                             ? found->valid_filter_header
                             : found->valid_height;
    int rc = spv_filters_remove_below(s, s->start.height);
    if (rc)
        return rc;
    rc = spv_filters_remove_above(s, last);
    if (rc || found->filters_ok)
        return rc;
    rc = spv_kept_remove(s, found->valid_filter + 1, INT64_MAX);
    return rc ? rc : spv_kept_recount(s);
}

/* Deletes what is invalid, inside the transaction. */
static int cut_tail(struct spv_store *s, const struct spv_verify_report *found,
                    struct spv_chain_header *tip)
{
    int rc = spv_db_exec(s, "DELETE FROM header WHERE height < 0", "remove headers");
    if (rc)
        return rc;
    rc = spv_rows_remove_above(s, found->valid_height);
    if (rc)
        return rc;
    if (found->valid_height < 0) {
        rc = restart_at_genesis(s, tip);
        if (rc)
            return rc;
    } else {
        rc = spv_store_by_height(s, tip, (uint32_t)found->valid_height);
        if (rc != 1)
            return rc < 0 ? rc : SPV_ERR_DB_DAMAGED;
    }
    if (!found->backfill_ok && found->valid_height >= 0) {
        rc = spv_backfill_clear(s);
        if (rc)
            return rc;
    }
    if (!found->branches_ok) {
        rc = spv_db_exec(s, "DELETE FROM branch_header", "remove side branches");
        if (rc)
            return rc;
    }
    if (!found->addrs_ok) {
        rc = spv_addrs_recreate(s);
        if (rc)
            return rc;
    }
    rc = cut_filters(s, found);
    if (rc)
        return rc;
    return spv_meta_set_tip(s, tip);
}

/* The whole repair in place, in one transaction. */
static int rewind_rows(struct spv_store *s, struct spv_repair_report *out,
                       struct spv_chain_header *tip)
{
    const struct spv_verify_report *found = &out->found;
    int rc = spv_start_load(s);
    if (rc == SPV_ERR_DB_DAMAGED) /* then it was verified as a chain that starts at genesis */
        s->start = (struct spv_chain_start){0};
    else if (rc)
        return rc;
    rc = spv_db_begin(s);
    if (rc)
        return rc;
    if (s->start.height == 0) {
        rc = spv_start_write(s, &s->start, NULL, NULL);
        if (rc)
            goto rollback;
    }
    rc = cut_tail(s, found, tip);
    if (rc)
        goto rollback;
    rc = found->wallet_ok ? 0 : spv_wallet_repair(s, false, &out->wallet_rescan);
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

static int rewind_in_place(struct repair *r)
{
    struct spv_store *s = NULL;
    struct spv_chain_header tip = {.height = 0};
    struct spv_params params;
    bool readable = false;
    int rc = spv_salvage_probe(&params, &readable, r->cfg, r->path, &r->why);
    if (rc)
        return rc;
    const struct spv_store_config cfg = {
        .path = r->path, .params = &params, .mode = SPV_STORE_WRITE};
    const struct spv_open_options options = {.unchecked = true, .lock = r->lock};
    r->lock = -1; /* owned by the store, also when it does not open */
    rc = spv_store_open_as(&s, &cfg, &options, &r->why);
    if (rc)
        return rc;
    rc = rewind_rows(s, r->out, &tip);
    if (!rc) {
        r->changed = true;
        rc = spv_store_flush(s);
    }
    if (rc)
        (void)repair_error(r, rc, "%s", spv_store_last_error(s));
    int closed = spv_store_close(s);
    r->out->outcome = SPV_REPAIR_REWOUND;
    r->out->height = tip.height;
    return rc ? rc : closed;
}

static int salvage_rows(struct repair *r, const struct spv_params *params, bool readable)
{
    char fresh[SPV_PATH_TEXT];
    char old[SPV_PATH_TEXT + 16];
    const struct spv_verify_report *found = &r->out->found;
    int n = snprintf(fresh, sizeof fresh, "%s.repaired", r->path);
    if (n < 0 || n >= (int)sizeof fresh - 8)
        return repair_error(r, SPV_ERR_TOO_LONG, "%s: the path is too long.", r->cfg->path);
    spv_backup_remove(fresh); /* of a repair that was interrupted */
    (void)snprintf(old, sizeof old, "%s.mending", r->path);
    spv_backup_remove(old); /* of one by version 0.1, which named the file so */
    int64_t limit = found->tip >= 0 && found->valid_height >= 0 ? found->valid_height : -1;
    int rc = spv_salvage_rows(&r->out->height, &r->out->wallet_rescan, fresh, r->path, params,
                              readable, limit, r->cfg->stop, &r->why);
    if (rc)
        goto out;
    r->changed = true;
    rc = spv_backup_replace(r->path, fresh);
    if (rc) {
        (void)repair_error(r, rc, "%s: the repaired file cannot replace it. Check the folder.",
                           r->cfg->path);
    }
out:
    spv_backup_remove(fresh);
    r->out->outcome = r->out->height > 0 ? SPV_REPAIR_SALVAGED : SPV_REPAIR_RECREATED;
    return rc;
}

/* Makes the copy, once it is known that the file is ours. SQLite does not read a file that is
 * shorter than its header states: a truncated file is extended with zeros, which are invalid pages,
 * so that the other pages can be read. */
static int prepare_repair(struct repair *r, struct spv_params *params, bool *readable)
{
    struct spv_file_probe_result probe;
    spv_file_probe(&probe, r->path);
    if (probe.kind != SPV_FILE_TRUNCATED || probe.application_id != SPV_APPLICATION_ID) {
        int rc = spv_salvage_probe(params, readable, r->cfg, r->path, &r->why);
        return rc ? rc : make_backup(r);
    }
    int rc = make_backup(r);
    if (rc)
        return rc;
    if (truncate(r->path, (off_t)probe.claimed_size) != 0) {
        return repair_error(
            r, errno == ENOSPC ? SPV_ERR_DB_FULL : SPV_ERR_IO,
            "%s: cannot be extended to its full length. Free some disk space and try again.",
            r->cfg->path);
    }
    r->truncated = (int64_t)probe.size;
    return spv_salvage_probe(params, readable, r->cfg, r->path, &r->why);
}

static int repair_pages(struct repair *r)
{
    struct spv_params params;
    bool readable = false;
    const struct spv_verify_report *found = &r->out->found;
    int rc = prepare_repair(r, &params, &readable);
    if (rc)
        return rc;
    rc = found->pages_ok ? rewind_in_place(r) : salvage_rows(r, &params, readable);
    if (rc == SPV_ERR_DB_DAMAGED && found->pages_ok) { /* worse than it looked */
        rc = take_lock(r);
        if (!rc)
            rc = salvage_rows(r, &params, readable);
    }
    const int64_t claimed = found->claimed_height <= found->capacity ? found->claimed_height : -1;
    const int64_t had = found->tip > claimed ? found->tip : claimed;
    r->out->lost = had > r->out->height ? had - r->out->height : 0;
    return rc;
}

int spv_store_repair(struct spv_repair_report *out, const struct spv_verify_config *cfg,
                     struct spv_error_info *why)
{
    struct repair r = {.out = out, .cfg = cfg, .lock = -1, .truncated = -1};
    memset(out, 0, sizeof *out);
    out->height = -1;
    int rc = resolve_path(&r);
    if (rc)
        goto out;
    rc = take_lock(&r);
    if (rc)
        goto out;
    rc = spv_store_verify(&out->found, cfg, &r.why);
    if (!rc)
        out->height = out->found.tip;
    else if (rc == SPV_ERR_DB_DAMAGED)
        rc = repair_pages(&r);
    if (rc && !r.changed && r.truncated >= 0 && truncate(r.path, (off_t)r.truncated) != 0)
        errno = 0; /* zeros at the end do no harm */
    if (rc && !r.changed && out->copy[0] != '\0') {
        spv_backup_remove(out->copy); /* or each attempt would leave one more */
        out->copy[0] = '\0';
    }
    spv_lock_release(r.lock);
out:
    if (why && rc)
        *why = r.why;
    return rc;
}
