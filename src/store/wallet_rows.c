/* Reading rows. The file is untrusted: each column is checked for the type and range that this
 * library writes; whether rows contradict each other is checked by the wallet that they are loaded
 * into. */
#include "store/wallet_rows.h"

#include <stdio.h>
#include <string.h>

#include "store/schema.h"
#include "store/schema_check.h"

#define PARTS_MAX 65536 /* branches: more than a descriptor may have */
#define MONEY_MAX INT64_C(2100000000000000) /* consensus: MAX_MONEY */

int spv_wallet_tables(struct spv_store *s)
{
    return spv_schema_reached(s, SPV_SCHEMA_WALLET);
}

/* ---- columns; the name of the first malformed one is kept ---- */

struct columns {
    sqlite3_stmt *st;
    const char *bad;
    bool no_memory;
};

static void set_bad(struct columns *c, const char *name)
{
    if (!c->bad)
        c->bad = name;
}

static int64_t read_int(struct columns *c, int i, int64_t min, int64_t max, const char *name)
{
    const int64_t x = sqlite3_column_int64(c->st, i);
    if (sqlite3_column_type(c->st, i) != SQLITE_INTEGER || x < min || x > max) {
        set_bad(c, name);
        return min;
    }
    return x;
}

static uint32_t read_u32(struct columns *c, int i, const char *name)
{
    return (uint32_t)read_int(c, i, 0, UINT32_MAX, name);
}

static uint64_t read_id(struct columns *c, int i, int64_t min, const char *name)
{
    return (uint64_t)read_int(c, i, min, INT64_MAX, name);
}

static bool is_null(const struct columns *c, int i)
{
    return sqlite3_column_type(c->st, i) == SQLITE_NULL;
}

static struct spv_bytes read_blob(struct columns *c, int i, size_t min, size_t max,
                                  const char *name)
{
    struct spv_bytes out = {.n = (size_t)sqlite3_column_bytes(c->st, i)};
    if (sqlite3_column_type(c->st, i) != SQLITE_BLOB || out.n < min || out.n > max) {
        set_bad(c, name);
        out.n = 0;
    }
    out.bytes = out.n > 0 ? sqlite3_column_blob(c->st, i) : NULL;
    if (out.n > 0 && !out.bytes) {
        c->no_memory = true;
        out.n = 0;
    }
    return out;
}

static void read_hash(struct columns *c, uint8_t out[32], int i, const char *name)
{
    const struct spv_bytes hash = read_blob(c, i, 32, 32, name);
    memset(out, 0, 32);
    if (hash.n == 32)
        memcpy(out, hash.bytes, 32);
}

/* Text without a NUL inside; NULL also for an empty one. */
static const char *read_text(struct columns *c, int i, size_t max, const char *name)
{
    const int n = sqlite3_column_bytes(c->st, i);
    const char *text = NULL;
    if (sqlite3_column_type(c->st, i) != SQLITE_TEXT || n > (int)max) {
        set_bad(c, name);
        return NULL;
    }
    text = (const char *)sqlite3_column_text(c->st, i);
    if (!text)
        c->no_memory = true;
    else if (strlen(text) != (size_t)n)
        set_bad(c, name);
    return text && n > 0 ? text : NULL;
}

static int end_columns(const struct columns *c, const char **bad)
{
    *bad = c->bad;
    return c->no_memory ? SPV_ERR_NOMEM : c->bad ? SPV_ERR_DB_DAMAGED : 0;
}

/* ---- rows ---- */

int spv_wallet_info_read(struct spv_wallet_info *out, const char **bad, sqlite3_stmt *st)
{
    struct columns c = {.st = st};
    memset(out, 0, sizeof *out);
    (void)read_int(&c, 0, 1, 1, "id");
    out->database_id = (uint64_t)read_int(&c, 1, INT64_MIN, INT64_MAX, "database_id");
    out->meta.scanned.height = SPV_NO_HEIGHT;
    if (!is_null(&c, 2) || !is_null(&c, 3)) {
        out->meta.scanned.height = (uint32_t)read_int(&c, 2, 0, UINT32_MAX - 1, "scanned_height");
        read_hash(&c, out->meta.scanned.hash.b, 3, "scanned_hash");
    }
    out->meta.revision = read_id(&c, 4, 0, "revision");
    out->meta.next_tx = read_id(&c, 5, 1, "next_tx");
    out->meta.next_watch = read_id(&c, 6, 1, "next_watch");
    out->has_bloom = !is_null(&c, 7) || !is_null(&c, 8);
    if (out->has_bloom) {
        out->bloom_tweak = read_u32(&c, 7, "bloom_tweak");
        out->bloom_size = (uint32_t)read_int(&c, 8, 1, SPV_MAX_FILTER_LOAD, "bloom_size");
    }
    return end_columns(&c, bad);
}

static void read_watch(struct columns *c, struct spv_wallet_watch_row *out)
{
    out->id = read_id(c, 0, 1, "id");
    out->watch.kind =
        (enum spv_watch_kind)read_int(c, 1, SPV_WATCH_DESCRIPTOR, SPV_WATCH_TXID, "kind");
    if (out->watch.kind == SPV_WATCH_DESCRIPTOR)
        out->watch.descriptor = read_text(c, 2, SPV_DB_CELL_MAX, "descriptor");
    if (out->watch.kind == SPV_WATCH_DESCRIPTOR ? !out->watch.descriptor : !is_null(c, 2))
        set_bad(c, "descriptor");
    if (out->watch.kind == SPV_WATCH_SCRIPT || out->watch.kind == SPV_WATCH_OUTPOINT)
        out->watch.script = read_blob(c, 3, 1, SPV_WATCH_MAX_SCRIPT_BYTES, "script");
    else if (!is_null(c, 3))
        set_bad(c, "script");
    if (out->watch.kind == SPV_WATCH_OUTPOINT || out->watch.kind == SPV_WATCH_TXID)
        read_hash(c, out->watch.txid.b, 4, "txid");
    else if (!is_null(c, 4))
        set_bad(c, "txid");
    out->watch.vout = read_u32(c, 5, "vout");
    out->watch.gap = (uint32_t)read_int(c, 6, 0, SPV_WATCH_MAX_GAP, "gap");
    out->watch.birthday = read_int(c, 7, INT64_MIN, INT64_MAX, "birthday");
}

static void read_groups(struct columns *c, struct spv_wallet_tx_row *out)
{
    const struct spv_bytes groups = read_blob(c, 8, 0, sizeof out->groups, "groups");
    if (groups.n % 8 != 0)
        set_bad(c, "groups");
    out->n_groups = (uint32_t)(groups.n / 8);
    for (size_t i = 0; i < out->n_groups; i++)
        for (size_t k = 8; k-- > 0;)
            out->groups[i] = out->groups[i] << 8 | groups.bytes[8 * i + k];
}

static void read_tx(struct columns *c, struct spv_wallet_tx_row *out)
{
    out->id = read_id(c, 0, 1, "id");
    out->revision = read_id(c, 1, 0, "revision");
    read_hash(c, out->txid.b, 2, "txid");
    out->block.height = read_u32(c, 3, "height");
    if (!is_null(c, 4))
        read_hash(c, out->block.hash.b, 4, "block_hash");
    else if (out->block.height != SPV_NO_HEIGHT)
        set_bad(c, "block_hash");
    out->position = read_u32(c, 5, "position");
    out->flags = read_u32(c, 6, "flags");
    out->state = (uint32_t)read_int(c, 7, SPV_TX_UNCONFIRMED, SPV_TX_EXPIRED, "state");
    read_groups(c, out);
    out->block_time = read_int(c, 9, INT64_MIN, INT64_MAX, "block_time");
    out->first_seen = read_int(c, 10, INT64_MIN, INT64_MAX, "first_seen");
    out->last_seen = read_int(c, 11, INT64_MIN, INT64_MAX, "last_seen");
    if (!is_null(c, 12))
        read_hash(c, out->conflict.b, 12, "conflict");
    out->received = read_int(c, 13, 0, INT64_MAX, "received");
    out->spent = read_int(c, 14, 0, INT64_MAX, "spent");
    out->fee = is_null(c, 15) ? -1 : read_int(c, 15, 0, INT64_MAX, "fee");
    if (sqlite3_column_count(c->st) <= SPV_WALLET_TX_N)
        return;
    out->raw = read_blob(c, 16, 1, SPV_DB_CELL_MAX, "raw form");
    if (!is_null(c, 17))
        out->proof = read_blob(c, 17, 1, SPV_DB_CELL_MAX, "proof");
}

static void read_change(struct columns *c, struct spv_wallet_change *out)
{
    switch (out->kind) {
    case SPV_WALLET_ROW_META:
        set_bad(c, "kind"); /* spv_wallet_info_read */
        break;
    case SPV_WALLET_ROW_WATCH:
        read_watch(c, &out->row.watch);
        break;
    case SPV_WALLET_ROW_BRANCH:
        out->row.branch.watch = read_id(c, 0, 1, "watch");
        out->row.branch.branch = (uint32_t)read_int(c, 1, 0, PARTS_MAX, "branch");
        out->row.branch.n_used = read_u32(c, 2, "n_used");
        out->row.branch.window = read_u32(c, 3, "window");
        out->row.branch.n_scanned = read_u32(c, 4, "n_searched");
        break;
    case SPV_WALLET_ROW_SCRIPT:
        out->row.script.origin.watch = read_id(c, 0, 1, "watch");
        out->row.script.origin.branch = (uint32_t)read_int(c, 1, 0, PARTS_MAX, "branch");
        out->row.script.origin.index = read_u32(c, 2, "position");
        out->row.script.script = read_blob(c, 3, 1, SPV_WATCH_MAX_SCRIPT_BYTES, "script");
        break;
    case SPV_WALLET_ROW_TX:
        read_tx(c, &out->row.tx);
        break;
    case SPV_WALLET_ROW_COIN:
        out->row.coin.tx = read_id(c, 0, 1, "tx");
        out->row.coin.vout = read_u32(c, 1, "vout");
        out->row.coin.balance = (uint32_t)read_int(c, 2, 0, SPV_BALANCE_KINDS - 1, "field");
        out->row.coin.value = read_int(c, 3, 0, MONEY_MAX, "value");
        out->row.coin.script = read_blob(c, 4, 1, SPV_WATCH_MAX_SCRIPT_BYTES, "script");
        out->row.coin.spender = read_id(c, 5, 0, "spender");
        break;
    case SPV_WALLET_ROW_SHARE:
        out->row.share.tx = read_id(c, 0, 1, "tx");
        out->row.share.watch = read_id(c, 1, 1, "watch");
        out->row.share.received = read_int(c, 2, 0, INT64_MAX, "received");
        out->row.share.spent = read_int(c, 3, 0, INT64_MAX, "spent");
        break;
    case SPV_WALLET_ROW_BALANCE:
        out->row.balance.watch = read_id(c, 0, 0, "watch");
        for (int i = SPV_BALANCE_NONE + 1; i < SPV_BALANCE_KINDS; i++)
            out->row.balance.amount[i] = read_int(c, i, INT64_MIN, INT64_MAX, "amounts");
        break;
    }
}

int spv_wallet_row_read(struct spv_wallet_change *out, const char **bad,
                        enum spv_wallet_row_kind kind, sqlite3_stmt *st)
{
    struct columns c = {.st = st};
    memset(out, 0, sizeof *out);
    out->kind = kind;
    read_change(&c, out);
    return end_columns(&c, bad);
}

int spv_wallet_tag_read(const char **out, const char **bad, sqlite3_stmt *st)
{
    struct columns c = {.st = st};
    *out = is_null(&c, 8) ? NULL : read_text(&c, 8, SPV_TAG_MAX, "tag");
    return end_columns(&c, bad);
}

int spv_wallet_label_read(struct spv_label *out, const char **bad, sqlite3_stmt *st)
{
    struct columns c = {.st = st};
    memset(out, 0, sizeof *out);
    out->type = read_text(&c, 0, SPV_LABEL_MAX, "type");
    out->ref = read_text(&c, 1, SPV_LABEL_MAX, "ref");
    if (!out->type)
        set_bad(&c, "type");
    if (!out->ref)
        set_bad(&c, "ref");
    out->origin = read_text(&c, 2, SPV_LABEL_MAX, "origin");
    out->label = is_null(&c, 3) ? NULL : read_text(&c, 3, SPV_LABEL_MAX, "label");
    out->spendable = is_null(&c, 4) ? SPV_LABEL_SPENDABLE_UNSET
                                    : (enum spv_label_spendable)read_int(&c, 4, 0, 1, "spendable");
    return end_columns(&c, bad);
}

int spv_wallet_line_read(const char **out, const char **bad, sqlite3_stmt *st)
{
    struct columns c = {.st = st};
    *out = read_text(&c, 0, SPV_LABEL_MAX, "line");
    if (!*out)
        set_bad(&c, "line");
    return end_columns(&c, bad);
}

/* Network groups: per group a hash, little-endian, and a byte of facts. */
static void read_facts(struct columns *c, struct spv_broadcast_row *out, int i)
{
    const struct spv_bytes blob =
        read_blob(c, i, 0, (size_t)SPV_BROADCAST_MAX_GROUPS * SPV_BROADCAST_GROUP_BYTES, "groups");
    out->n_groups = (uint32_t)(blob.n / SPV_BROADCAST_GROUP_BYTES);
    if (blob.n % SPV_BROADCAST_GROUP_BYTES != 0)
        set_bad(c, "groups");
    for (uint32_t g = 0; g < out->n_groups; g++) {
        const uint8_t *group = blob.bytes + (size_t)g * SPV_BROADCAST_GROUP_BYTES;
        for (size_t k = 8; k-- > 0;)
            out->groups[g] = out->groups[g] << 8 | group[k];
        out->facts[g] = group[SPV_BROADCAST_GROUP_BYTES - 1];
    }
}

/* Whether the row is consistent is checked by spv_broadcast_load. */
int spv_wallet_broadcast_read(struct spv_broadcast_row *out, const char **bad, sqlite3_stmt *st)
{
    struct columns c = {.st = st};
    memset(out, 0, sizeof *out);
    out->id = (uint64_t)read_int(&c, 0, 1, INT64_MAX, "id");
    out->package = (uint64_t)read_int(&c, 1, 1, INT64_MAX, "package");
    out->position = read_u32(&c, 2, "position");
    read_hash(&c, out->txid.b, 3, "txid");
    out->state = read_u32(&c, 4, "state");
    out->flags = read_u32(&c, 5, "flags");
    out->wait_height = read_u32(&c, 6, "wait_height");
    out->wait_time = read_int(&c, 7, 0, INT64_MAX, "wait_time");
    out->height = read_u32(&c, 8, "height");
    out->n_rounds = read_u32(&c, 9, "n_rounds");
    out->announced_at = read_int(&c, 10, 0, INT64_MAX, "announced_at");
    out->ended_at = read_int(&c, 11, 0, INT64_MAX, "ended_at");
    out->n_rejects = read_u32(&c, 12, "n_rejects");
    out->reject_code = read_u32(&c, 13, "reject_code");
    read_facts(&c, out, 14);
    out->raw = read_blob(&c, 15, 1, SPV_DB_CELL_MAX, "raw form");
    return end_columns(&c, bad);
}

/* ---- errors ---- */

/* Numbers only: no text has a script, an address, a txid or a descriptor. */
void spv_wallet_row_name(char out[SPV_WALLET_ROW_TEXT], const struct spv_wallet_change *row)
{
    static const char *const words[] = {
        "", "metadata", "watch", "branch", "script", "transaction", "coin", "share", "balance"};
    unsigned long long a = 0;
    unsigned long long b = 0;
    switch (row->kind) {
    case SPV_WALLET_ROW_META:
        break;
    case SPV_WALLET_ROW_WATCH:
        a = row->row.watch.id;
        break;
    case SPV_WALLET_ROW_BRANCH:
        a = row->row.branch.watch;
        b = row->row.branch.branch;
        break;
    case SPV_WALLET_ROW_SCRIPT:
        a = row->row.script.origin.watch;
        b = row->row.script.origin.index;
        break;
    case SPV_WALLET_ROW_TX:
        a = row->row.tx.id;
        break;
    case SPV_WALLET_ROW_COIN:
        a = row->row.coin.tx;
        b = row->row.coin.vout;
        break;
    case SPV_WALLET_ROW_SHARE:
        a = row->row.share.tx;
        b = row->row.share.watch;
        break;
    case SPV_WALLET_ROW_BALANCE:
        a = row->row.balance.watch;
        break;
    }
    if (row->kind == SPV_WALLET_ROW_META)
        (void)snprintf(out, SPV_WALLET_ROW_TEXT, "metadata");
    else if (row->kind == SPV_WALLET_ROW_WATCH || row->kind == SPV_WALLET_ROW_TX ||
             row->kind == SPV_WALLET_ROW_BALANCE)
        (void)snprintf(out, SPV_WALLET_ROW_TEXT, "%s %llu", words[row->kind], a);
    else
        (void)snprintf(out, SPV_WALLET_ROW_TEXT, "%s %llu:%llu", words[row->kind], a, b);
}

int spv_wallet_row_damaged(struct spv_store *s, const char *what, const char *column)
{
    return spv_db_fail(s, SPV_ERR_DB_DAMAGED,
                       "%s: the wallet's %s is malformed: its %s. " SPV_DB_REPAIR_ADVICE, s->path,
                       what, column);
}

int spv_wallet_row_error(struct spv_store *s, int rc, const char *what, const char *bad)
{
    return rc == SPV_ERR_NOMEM ? spv_db_error_of(s, NULL, SQLITE_NOMEM, "read the wallet")
                               : spv_wallet_row_damaged(s, what, bad);
}
