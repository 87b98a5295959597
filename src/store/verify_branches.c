/* Side branches: each header must hash to its key and meet its target; where its parent is known
 * (on a side branch or on the best chain), it must be one above it and add to its work. The lowest
 * header of a branch may have lost its parent when the table was pruned. */
#include <stdio.h>
#include <string.h>

#include "store/row_check.h"
#include "store/verify.h"
#include "util/u256.h"

static const char all_sql[] = "SELECT " SPV_ROW_COLUMNS ", previous_hash FROM branch_header"
                              " ORDER BY height, hash";
static const char parent_sql[] = "SELECT height, work FROM branch_header WHERE hash = ?1 UNION ALL"
                                 " SELECT height, work FROM header"
                                 " WHERE height = ?2 - 1 AND hash = ?1 LIMIT 1";

/* NULL, or what is wrong; an SQLite code other than DONE and ROW in *code ends it. */
static const char *check_parent(sqlite3_stmt *parent, const struct spv_chain_header *r,
                                const struct spv_u256 *target, int *code)
{
    uint8_t prev[32];
    const char *reason = NULL;
    spv_row_reverse(prev, r->header.prev.b);
    (void)sqlite3_bind_blob(parent, 1, prev, sizeof prev, SQLITE_STATIC);
    (void)sqlite3_bind_int64(parent, 2, r->height);
    *code = sqlite3_step(parent);
    if (*code == SQLITE_ROW) {
        struct spv_u256 own = spv_work_from_target(target);
        if (sqlite3_column_int64(parent, 0) != (int64_t)r->height - 1) {
            reason = "does not stand one above its parent";
        } else if (sqlite3_column_bytes(parent, 1) == 32) {
            struct spv_u256 below = spv_u256_from_be(sqlite3_column_blob(parent, 1));
            struct spv_u256 work = spv_u256_add(&below, &own);
            reason = spv_u256_cmp(&work, &r->work) == 0 ? NULL : "has a wrong chain work";
        }
    }
    (void)sqlite3_reset(parent);
    return reason;
}

static int check_branch_row(struct spv_verify *v, sqlite3_stmt *st, sqlite3_stmt *parent)
{
    struct spv_chain_header r;
    struct spv_u256 target;
    char hex[SPV_HASH_HEX] = "of unreadable hash";
    const char *reason = NULL;
    int code = SQLITE_DONE;
    v->report->branch_headers++;
    if (spv_row_read(&r, st) != 0 || spv_row_hash(r.header.prev.b, st, SPV_ROW_N) != 0) {
        reason = "is malformed";
    } else {
        spv_blockhash_hex(hex, &r.hash);
        reason = spv_row_check_pow(&target, &r);
        if (!reason)
            reason = check_parent(parent, &r, &target, &code);
    }
    if (code != SQLITE_DONE && code != SQLITE_ROW)
        return spv_verify_unread(v, code, -1, "a side branch");
    if (reason) {
        v->report->branches_ok = false;
        spv_verify_found(v, -1, "the side branch's header %s (height %s) %s", hex,
                         SPV_COUNT(sqlite3_column_int64(st, 0)), reason);
    }
    return 0;
}

int spv_verify_branches(struct spv_verify *v)
{
    sqlite3_stmt *st = NULL;
    sqlite3_stmt *parent = NULL;
    int rc = 0;
    int code = sqlite3_prepare_v2(v->s->db, all_sql, -1, &st, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v2(v->s->db, parent_sql, -1, &parent, NULL);
    while (!rc && code == SQLITE_OK && (code = sqlite3_step(st)) == SQLITE_ROW) {
        rc = check_branch_row(v, st, parent);
        code = SQLITE_OK;
    }
    if (!rc && code != SQLITE_DONE) {
        v->report->branches_ok = false;
        rc = spv_verify_unread(v, code, -1, "the table of side branches");
    }
    (void)sqlite3_finalize(parent);
    (void)sqlite3_finalize(st);
    return rc;
}
