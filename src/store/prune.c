/* Pruning moves the start of the chain up and deletes the headers, filter headers and filters below
 * it, in one transaction. */
#include "spv/params/interval.h"
#include "store/filter_run.h"
#include "store/hash_index.h"
#include "store/start.h"
#include "store/wallet_rows.h"

/* Blocks that stay below the tip whatever is pruned, apart from two periods: a median's. */
#define KEEP_MEDIAN SPV_MEDIAN_SPAN

/* The highest start, at most `below`, that keeps the headers which the chain needs. */
static uint32_t prune_limit(const struct spv_store *s, uint32_t below)
{
    const uint32_t period = spv_params_interval(&s->params);
    const uint32_t keep = 2 * period + KEEP_MEDIAN;
    const uint32_t most = s->tip.height > keep ? s->tip.height - keep : 0;
    if (below > most)
        below = most;
    return below - below % period;
}

static int prune_headers(struct spv_store *s, const struct spv_chain_start *to,
                         const struct spv_chain_header *parent)
{
    sqlite3_stmt *st = NULL;
    const bool rebuild_index = s->indexed && to->height - s->start.height > SPV_HASH_INDEX_BULK;
    char sql[80];
    int rc = spv_db_begin(s);
    if (rc)
        return rc;
    if (rebuild_index) {
        rc = spv_hash_index_drop(s);
        if (rc)
            return rc;
    }
    rc = spv_db_stmt(s, &st, SPV_STMT_BACKFILL_CLEAR);
    if (rc)
        return rc;
    (void)sqlite3_bind_int64(st, 1, 0);
    (void)sqlite3_bind_int64(st, 2, to->height);
    rc = spv_db_run(s, SPV_STMT_BACKFILL_CLEAR, "prune headers");
    if (rc)
        return rc;
    (void)sqlite3_snprintf(sizeof sql, sql, "DELETE FROM branch_header WHERE height <= %u",
                           (unsigned)to->height);
    rc = spv_db_exec(s, sql, "prune side branches");
    if (rc)
        return rc;
    rc = spv_filters_remove_below(s, to->height);
    if (rc)
        return rc;
    rc = spv_start_write(s, to, &parent->hash, &parent->work);
    if (rc)
        return rc;
    if (rebuild_index) {
        rc = spv_store_build_index(s);
        if (rc)
            return rc;
    }
    return spv_db_commit(s);
}

/* A wallet must have scanned all blocks whose headers are deleted: without a header a block cannot
 * be downloaded. */
static int check_wallet(struct spv_store *s, uint32_t start)
{
    struct spv_wallet_info info;
    int64_t n_rescans = 0;
    int rc = spv_store_wallet_info(s, &info);
    if (rc <= 0)
        return rc;
    /* a watched txid is a range of one index */
    rc = spv_db_integer(s, &n_rescans,
                        "SELECT count(*) FROM wallet_branch JOIN wallet_watch ON id = watch"
                        " WHERE n_searched < CASE kind WHEN 4 THEN 1 ELSE \"window\" END",
                        "read the wallet");
    if (rc)
        return rc;
    const bool behind =
        info.meta.scanned.height == SPV_NO_HEIGHT || info.meta.scanned.height < start;
    int64_t watches = 0;
    rc = spv_db_integer(s, &watches, "SELECT count(*) FROM wallet_watch", "read the wallet");
    if (rc || watches == 0 || (n_rescans == 0 && !behind))
        return rc;
    return spv_db_fail(s, SPV_ERR_STATE,
                       "%s: the wallet has not searched all blocks below height %s, which it could "
                       "not download afterwards. Scan first, then prune.",
                       s->path, SPV_COUNT(start));
}

int spv_store_prune(struct spv_store *s, uint32_t below, uint32_t *start)
{
    struct spv_chain_header parent;
    struct spv_chain_start to = s->start;
    if (s->mode == SPV_STORE_READ)
        return spv_db_fail(s, SPV_ERR_DB_READONLY, "%s: was opened for reading only", s->path);
    int rc = spv_store_commit(s);
    if (rc)
        return rc;
    to.height = prune_limit(s, below);
    if (start)
        *start = to.height > s->start.height ? to.height : s->start.height;
    if (to.height <= s->start.height)
        return 0;
    rc = check_wallet(s, to.height);
    if (rc)
        return rc;
    rc = spv_store_by_height(s, &parent, to.height - 1);
    if (rc <= 0)
        return rc < 0 ? rc : spv_start_mismatch(s, "the header below the new start is not there");
    const bool indexed = s->indexed;
    rc = prune_headers(s, &to, &parent);
    if (rc) {
        spv_db_rollback(s);
        s->indexed = indexed;
        return rc;
    }
    s->start = to;
    s->start_parent = parent.hash;
    s->start_work = parent.work;
    return 0;
}
