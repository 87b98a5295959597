/* Adding filter headers to the stored ones and removing them. The caller has verified that they
 * chain, or trusts an imported file. Here it is only checked that they fit what is stored, which
 * costs one hash for an update of any size. */
#include <string.h>

#include "spv/filter.h"
#include "store/filter_rows.h"
#include "store/filter_run.h"
#include "store/transaction.h"

static int filter_mismatch(struct spv_store *s, const char *what)
{
    return spv_db_fail(s, SPV_ERR_STATE,
                       "%s: the filter headers do not fit what is stored (tip %s): %s. Nothing was "
                       "written.",
                       s->path, SPV_COUNT(s->tip.height), what);
}

static const struct spv_filter_checkpoint *built_in_at(const struct spv_store *s, uint32_t height)
{
    for (size_t i = 0; i < s->params.n_filter_checkpoints; i++)
        if (s->params.filter_checkpoints[i].height == height)
            return &s->params.filter_checkpoints[i];
    return NULL;
}

/* The first one follows the highest stored one, or begins the run. *start: the built-in filter
 * header right below it with which the run begins then; NULL: none. */
static int check_first(struct spv_store *s, const struct spv_filter_checkpoint **start,
                       const struct spv_filter_update *u)
{
    struct spv_filter_run run;
    struct spv_filter_row below = {.height = 0};
    const struct spv_filter_row row = {.height = u->first,
                                       .header = u->headers[0],
                                       .hash =
                                           u->hashes ? u->hashes[0] : (struct spv_filter_hash){{0}},
                                       .has_hash = u->hashes != NULL};
    int rc = spv_filter_run_get(s, &run);
    if (rc < 0)
        return rc;
    const bool begins = rc == 0;
    *start = begins && u->first > 0 ? built_in_at(s, u->first - 1) : NULL;
    if (begins && u->first - (*start ? 1 : 0) < s->start.height)
        return filter_mismatch(s, "they begin below the first header of the chain");
    if (begins && u->first > 0 && !*start && !built_in_at(s, u->first))
        return filter_mismatch(s, "they begin neither at genesis nor at a built-in filter header");
    if (!begins && u->first != (uint64_t)run.last + 1)
        return filter_mismatch(s, "they do not follow the highest stored one");
    if (!begins) {
        rc = spv_filter_row_get(s, &below, run.last);
        if (rc <= 0)
            return rc < 0 ? rc : spv_filter_row_damaged(s, run.last);
    } else if (*start) {
        below.header = (*start)->header;
    }
    return !spv_filter_row_check(&s->params, begins && !*start ? NULL : &below, &row)
               ? 0
               : filter_mismatch(s, "the first one does not follow the filter header below");
}

/* The last one is that of a block of the best chain. */
static int check_last(struct spv_store *s, const struct spv_filter_update *u)
{
    struct spv_chain_header block;
    if (u->first > s->tip.height || u->n - 1 > s->tip.height - u->first)
        return filter_mismatch(s, "they end above the tip");
    int rc = spv_store_by_height(s, &block, u->first + (uint32_t)u->n - 1);
    if (rc < 0)
        return rc;
    return rc > 0 && spv_blockhash_eq(&block.hash, &u->last_block)
               ? 0
               : filter_mismatch(s, "their last block is not on the best chain");
}

static int check_built_in(struct spv_store *s, const struct spv_filter_update *u)
{
    for (size_t i = 0; i < s->params.n_filter_checkpoints; i++) {
        const struct spv_filter_checkpoint *c = &s->params.filter_checkpoints[i];
        if (c->height >= u->first && c->height - u->first < u->n &&
            memcmp(c->header.b, u->headers[c->height - u->first].b, sizeof c->header.b) != 0)
            return filter_mismatch(s, "one contradicts the built-in filter header of its height");
    }
    return 0;
}

static int check_update(struct spv_store *s, const struct spv_filter_checkpoint **start,
                        const struct spv_filter_update *u)
{
    if (s->mode == SPV_STORE_READ)
        return spv_db_fail(s, SPV_ERR_DB_READONLY, "%s: was opened for reading only", s->path);
    if (u->n == 0 || !u->headers)
        return spv_db_fail(s, SPV_ERR_INVALID, "%s: an update without filter headers", s->path);
    int rc = check_last(s, u);
    if (rc)
        return rc;
    rc = check_first(s, start, u);
    return rc ? rc : check_built_in(s, u);
}

static int insert_rows(struct spv_store *s, const struct spv_filter_checkpoint *start,
                       const struct spv_filter_update *u)
{
    if (start) {
        int rc = spv_filter_row_insert(s, start->height, &start->header, NULL);
        if (rc)
            return rc;
    }
    for (size_t i = 0; i < u->n; i++) {
        int rc = spv_filter_row_insert(s, u->first + (uint32_t)i, &u->headers[i],
                                       u->hashes ? &u->hashes[i] : NULL);
        if (rc)
            return rc;
    }
    return 0;
}

int spv_store_apply_filter_headers(struct spv_store *s, const struct spv_filter_update *update)
{
    const struct spv_filter_checkpoint *start = NULL;
    int rc = check_update(s, &start, update);
    if (rc)
        return rc;
    rc = spv_transaction_commit_and_begin(s);
    if (rc)
        return rc;
    rc = insert_rows(s, start, update);
    if (rc)
        return spv_transaction_undo(s, rc);
    rc = spv_db_commit(s);
    return rc ? spv_transaction_undo(s, rc) : 0;
}

int spv_store_apply_filter_headers_deferred(struct spv_store *s,
                                            const struct spv_filter_update *update)
{
    const struct spv_filter_checkpoint *start = NULL;
    int rc = check_update(s, &start, update);
    if (rc)
        return rc;
    rc = spv_transaction_join(s);
    if (rc)
        return rc;
    rc = insert_rows(s, start, update);
    return rc ? spv_transaction_undo(s, rc) : spv_transaction_leave(s, update->n);
}

int spv_store_drop_filter_headers(struct spv_store *s, uint32_t from)
{
    if (s->mode == SPV_STORE_READ)
        return spv_db_fail(s, SPV_ERR_DB_READONLY, "%s: was opened for reading only", s->path);
    int rc = spv_transaction_commit_and_begin(s);
    if (rc)
        return rc;
    rc = spv_filters_remove_above(s, (int64_t)from - 1);
    if (rc)
        return spv_transaction_undo(s, rc);
    rc = spv_db_commit(s);
    return rc ? spv_transaction_undo(s, rc) : 0;
}
