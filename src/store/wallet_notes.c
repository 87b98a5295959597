/* What only the store knows of a wallet, not struct spv_wallet: labels, tags, and the bloom
 * filter's tweak and size. Each call is one database transaction. */
#include <string.h>

#include "spv/message.h"
#include "store/transaction.h"
#include "store/wallet_private.h"
#include "store/wallet_rows.h"

/* Begins a database transaction, and creates the wallet when there is none. */
static int begin_wallet(struct spv_store *s)
{
    struct spv_wallet_info info;
    if (s->mode == SPV_STORE_READ)
        return spv_db_fail(s, SPV_ERR_DB_READONLY, "%s: was opened for reading only", s->path);
    int rc = spv_store_wallet_info(s, &info);
    if (rc < 0)
        return rc;
    if (rc == 0)
        spv_wallet_make_private(s);
    rc = spv_transaction_commit_and_begin(s);
    if (rc)
        return rc;
    rc = spv_wallet_begin(s);
    return rc ? spv_transaction_undo(s, rc) : 0;
}

static int end_wallet(struct spv_store *s, int rc)
{
    if (rc >= 0) {
        const int committed = spv_db_commit(s);
        rc = committed ? committed : rc;
    }
    return rc < 0 ? spv_transaction_undo(s, rc) : rc;
}

int spv_store_set_bloom(struct spv_store *s, uint32_t tweak, uint32_t size)
{
    if (size == 0 || size > SPV_MAX_FILTER_LOAD)
        return spv_db_fail(s, SPV_ERR_INVALID, "%s: a bloom filter of no allowed size", s->path);
    int rc = begin_wallet(s);
    return rc ? rc
              : end_wallet(s, spv_wallet_run(s,
                                             "UPDATE wallet_meta SET bloom_tweak = ?1,"
                                             " bloom_size = ?2",
                                             tweak, size));
}

static int too_long(struct spv_store *s, const char *what, int max)
{
    return spv_db_fail(s, SPV_ERR_TOO_LONG, "%s: a %s has more than %d bytes. Shorten it.", s->path,
                       what, max);
}

/* Runs a statement with up to five texts (NULL: NULL). Returns how many rows have changed. */
static int run_texts(struct spv_store *s, const char *sql, const char *const *texts, size_t n,
                     const int64_t *integer)
{
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
    for (size_t i = 0; i < n && code == SQLITE_OK; i++)
        code = sqlite3_bind_text(st, (int)i + 1, texts[i], -1, SQLITE_STATIC);
    if (code == SQLITE_OK && integer)
        code = sqlite3_bind_int64(st, (int)n + 1, *integer);
    if (code == SQLITE_OK)
        code = sqlite3_step(st);
    int rc = code == SQLITE_DONE ? sqlite3_changes(s->db)
                                 : spv_db_prepare_error(s, code, "store the wallet");
    (void)sqlite3_finalize(st);
    return rc;
}

int spv_store_set_tag(struct spv_store *s, uint64_t watch, const char *tag)
{
    const int64_t id = (int64_t)watch;
    if (tag && strlen(tag) > SPV_TAG_MAX)
        return too_long(s, "tag", SPV_TAG_MAX);
    int rc = begin_wallet(s);
    if (rc)
        return rc;
    rc = run_texts(s, "UPDATE wallet_watch SET tag = ?1 WHERE id = ?2", &tag, 1, &id);
    if (rc == 0)
        rc = spv_db_fail(s, SPV_ERR_NOT_FOUND, "%s: there is no watch %llu", s->path,
                         (unsigned long long)watch);
    rc = end_wallet(s, rc);
    return rc > 0 ? 0 : rc;
}

/* ---- labels ---- */

static int check_label(struct spv_store *s, const struct spv_label *l)
{
    const char *const texts[] = {l->type, l->ref, l->label, l->origin};
    if (!l->type || l->type[0] == '\0' || !l->ref || l->ref[0] == '\0')
        return spv_db_fail(s, SPV_ERR_INVALID, "%s: a label without a type or a ref", s->path);
    for (size_t i = 0; i < 4; i++)
        if (texts[i] && strlen(texts[i]) > SPV_LABEL_MAX)
            return too_long(s, "label", SPV_LABEL_MAX);
    return 0;
}

static int write_label(struct spv_store *s, const struct spv_label *l)
{
    const char *const texts[] = {l->type, l->ref, l->origin ? l->origin : "", l->label};
    const int64_t spendable = l->spendable;
    int rc = check_label(s, l);
    if (rc)
        return rc;
    rc = run_texts(s,
                   "INSERT OR REPLACE INTO wallet_label (type, ref, origin, label, spendable)"
                   " VALUES (?1, ?2, ?3, ?4, ?5)",
                   texts, 4, l->spendable == SPV_LABEL_SPENDABLE_UNSET ? NULL : &spendable);
    return rc < 0 ? rc : 0;
}

static int write_line(struct spv_store *s, const char *line)
{
    if (line[0] == '\0')
        return 0;
    if (strlen(line) > SPV_LABEL_MAX)
        return too_long(s, "line", SPV_LABEL_MAX);
    int rc =
        run_texts(s, "INSERT OR IGNORE INTO wallet_label_line (line) VALUES (?1)", &line, 1, NULL);
    return rc < 0 ? rc : 0;
}

int spv_store_add_labels(struct spv_store *s, const struct spv_label *labels, size_t n,
                         const char *const *lines, size_t n_lines)
{
    int rc = begin_wallet(s);
    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < n; i++)
        rc = write_label(s, &labels[i]);
    for (size_t i = 0; !rc && i < n_lines; i++)
        rc = write_line(s, lines[i]);
    return end_wallet(s, rc);
}

int spv_store_remove_label(struct spv_store *s, const struct spv_label *l)
{
    const char *const texts[] = {l->type, l->ref, l->origin ? l->origin : ""};
    int rc = check_label(s, l);
    if (!rc)
        rc = begin_wallet(s);
    if (rc)
        return rc;
    return end_wallet(
        s, run_texts(s, "DELETE FROM wallet_label WHERE type = ?1 AND ref = ?2 AND origin = ?3",
                     texts, 3, NULL));
}
