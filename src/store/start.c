/* Where the chain begins. A complete database begins at genesis. One that was started at a
 * checkpoint or pruned has genesis, then a gap, then every header from its start on. Hash and work
 * of the header below the start are metadata, so that the start's row is checked, linked and
 * exported like any other.
 *
 *     0 1 2 .. f               s s+1 .. tip
 *     genesis, backfilled      the chain */
#include "store/start.h"

#include <stdlib.h>
#include <string.h>

#include "spv/params/interval.h"
#include "store/filter_run.h"
#include "store/meta.h"
#include "store/rows.h"
#include "util/u256.h"

static int malformed_start(struct spv_store *s)
{
    return spv_db_fail(s, SPV_ERR_DB_DAMAGED,
                       "%s: the database is damaged: the height at which it begins "
                       "is malformed. " SPV_DB_REPAIR_ADVICE,
                       s->path);
}

/* ---- the metadata ---- */

/* A height: 1, 0 when absent (then *out is 0) or negative. */
static int meta_height(struct spv_store *s, uint32_t *out, const char *key)
{
    char text[16];
    char *end;
    unsigned long long x;
    int rc = spv_meta_get(s, text, sizeof text, key);
    *out = 0;
    if (rc <= 0)
        return rc;
    x = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || x > UINT32_MAX)
        return malformed_start(s);
    *out = (uint32_t)x;
    return 1;
}

static int set_height(struct spv_store *s, const char *key, uint32_t height)
{
    char text[16];
    (void)sqlite3_snprintf(sizeof text, text, "%u", (unsigned)height);
    return spv_meta_set(s, key, text);
}

static int load_start(struct spv_store *s)
{
    char hex[SPV_HASH_HEX + 1];
    struct spv_chain_start start;
    struct spv_blockhash parent = {{0}};
    struct spv_u256 work = {{0}};
    int rc = meta_height(s, &start.height, "base");
    if (rc < 0)
        return rc;
    rc = meta_height(s, &start.work_since, "work_from");
    if (rc < 0)
        return rc;
    if (start.height > 0) {
        rc = spv_meta_get(s, hex, sizeof hex, "base_parent");
        if (rc < 0)
            return rc;
        if (rc == 0 || spv_blockhash_from_hex(&parent, hex) != 0)
            return malformed_start(s);
        rc = spv_meta_get(s, hex, sizeof hex, "base_work");
        if (rc < 0)
            return rc;
        if (rc == 0 || spv_u256_from_hex(&work, hex) != 0)
            return malformed_start(s);
    }
    if (start.height % spv_params_interval(&s->params) != 0 || start.work_since > start.height)
        return malformed_start(s);
    s->start = start;
    s->start_parent = parent;
    s->start_work = work;
    return 0;
}

int spv_start_load(struct spv_store *s)
{
    if (sqlite3_get_autocommit(s->db) == 0)
        return load_start(s);
    int rc = spv_db_exec(s, "BEGIN", "read the metadata");
    if (rc)
        return rc;
    rc = load_start(s);
    spv_db_rollback(s);
    return rc;
}

int spv_start_moved(struct spv_store *s)
{
    const struct spv_chain_start before = s->start;
    if (s->mode != SPV_STORE_READ)
        return 0;
    int rc = spv_start_load(s);
    return rc < 0 ? rc
                  : s->start.height != before.height || s->start.work_since != before.work_since;
}

static int remove_start(struct spv_store *s)
{
    static const char *const keys[] = {"base", "base_parent", "base_work", "work_from"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        int rc = spv_meta_remove(s, keys[i]);
        if (rc)
            return rc;
    }
    return 0;
}

int spv_start_write(struct spv_store *s, const struct spv_chain_start *start,
                    const struct spv_blockhash *parent, const struct spv_u256 *work)
{
    char hex[SPV_HASH_HEX];
    if (start->height == 0 || !parent || !work)
        return remove_start(s);
    int rc = set_height(s, "base", start->height);
    if (rc)
        return rc;
    spv_blockhash_hex(hex, parent);
    rc = spv_meta_set(s, "base_parent", hex);
    if (rc)
        return rc;
    spv_u256_hex(hex, work);
    rc = spv_meta_set(s, "base_work", hex);
    if (rc)
        return rc;
    return start->work_since > 0 ? set_height(s, "work_from", start->work_since) : 0;
}

/* ---- starting at a checkpoint ---- */

int spv_start_mismatch(struct spv_store *s, const char *what)
{
    return spv_db_fail(
        s, SPV_ERR_STATE,
        "%s: the headers do not fit the stored chain (start %s, tip %s): %s. Nothing "
        "was written.",
        s->path, SPV_COUNT(s->start.height), SPV_COUNT(s->tip.height), what);
}

/* The chain work below a header. */
static int work_below(struct spv_u256 *out, const struct spv_chain_header *entry)
{
    struct spv_u256 target;
    int rc = spv_target_from_bits(&target, entry->header.bits);
    const struct spv_u256 own = spv_work_from_target(&target);
    *out = spv_u256_sub(&entry->work, &own);
    return rc;
}

int spv_start_apply(struct spv_store *s, const struct spv_chain_update *c)
{
    const struct spv_chain_header *first = &c->headers[0];
    struct spv_chain_start start = {.height = first->height};
    struct spv_u256 below = {{0}};
    if (s->tip.height != 0 || s->start.height != 0)
        return spv_start_mismatch(s, "it is not empty");
    if (first->height == 0 || first->height % spv_params_interval(&s->params) != 0)
        return spv_start_mismatch(s, "the first one is not the first of a period");
    if (work_below(&below, first) != 0)
        return spv_start_mismatch(s, "the first one has impossible bits");
    start.work_since = spv_u256_is_zero(&below) ? start.height : 0;
    int rc = spv_start_write(s, &start, &first->header.prev, &below);
    if (rc)
        return rc;
    rc = spv_filters_remove_below(s, start.height); /* that of genesis */
    if (rc)
        return rc;
    rc = spv_rows_insert_all(s, c->headers, c->n);
    return rc ? rc : spv_meta_set_tip(s, &c->headers[c->n - 1]);
}

void spv_start_applied(struct spv_store *s, const struct spv_chain_update *c)
{
    const struct spv_chain_header *last = &c->headers[c->n - 1];
    if (c->kind == SPV_UPDATE_CHECKPOINT_START) {
        s->start.height = c->headers[0].height;
        s->start_parent = c->headers[0].header.prev;
        (void)work_below(&s->start_work, &c->headers[0]);
        s->start.work_since = spv_u256_is_zero(&s->start_work) ? s->start.height : 0;
        s->tip = *last;
    } else if (last->height + 1 == s->start.height) {
        const struct spv_u256 more = spv_u256_sub(&last->work, &s->start_work);
        s->tip.work = spv_u256_add(&s->tip.work, &more); /* adds 0 where the work was known */
        s->start = (struct spv_chain_start){0};
    }
}

void spv_store_get_start(struct spv_store *s, struct spv_chain_start *out)
{
    (void)spv_start_moved(s);
    *out = s->start;
}
