/* Rows are found by linear search: tests have few. Rows of scripts are only appended. */
#include "support/row_store.h"

#include "spv/error.h"

struct key {
    enum spv_wallet_row_kind kind;
    uint64_t a, b;
};

static struct key key_of(const struct spv_wallet_change *row)
{
    struct key key = {.kind = row->kind};

    switch (row->kind) {
    case SPV_WALLET_ROW_META:
    case SPV_WALLET_ROW_SCRIPT:
        break;
    case SPV_WALLET_ROW_WATCH:
        key.a = row->row.watch.id;
        break;
    case SPV_WALLET_ROW_BRANCH:
        key.a = row->row.branch.watch;
        key.b = row->row.branch.branch;
        break;
    case SPV_WALLET_ROW_TX:
        key.a = row->row.tx.id;
        break;
    case SPV_WALLET_ROW_COIN:
        key.a = row->row.coin.tx;
        key.b = row->row.coin.vout;
        break;
    case SPV_WALLET_ROW_SHARE:
        key.a = row->row.share.tx;
        key.b = row->row.share.watch;
        break;
    case SPV_WALLET_ROW_BALANCE:
        key.a = row->row.balance.watch;
        break;
    }
    return key;
}

static bool same_key(const struct key *a, const struct key *b)
{
    return a->kind == b->kind && a->a == b->a && a->b == b->b;
}

static void free_row(struct stored_row *row)
{
    free(row->text);
    free(row->bytes);
    free(row->proof);
}

void row_store_free(struct row_store *store)
{
    for (size_t i = 0; i < store->n; i++)
        free_row(&store->rows[i]);
    free(store->rows);
    *store = (struct row_store){.n = 0};
}

static uint8_t *copy_bytes(struct spv_bytes *bytes)
{
    uint8_t *copy = malloc(bytes->n + 1);

    assert_non_null(copy);
    if (bytes->n > 0)
        memcpy(copy, bytes->bytes, bytes->n);
    bytes->bytes = copy;
    return copy;
}

static void copy_row(struct stored_row *out, const struct spv_wallet_change *row)
{
    *out = (struct stored_row){.row = *row};
    switch (row->kind) {
    case SPV_WALLET_ROW_WATCH:
        if (row->row.watch.watch.descriptor) {
            const size_t n = strlen(row->row.watch.watch.descriptor) + 1;
            out->text = malloc(n);
            assert_non_null(out->text);
            memcpy(out->text, row->row.watch.watch.descriptor, n);
            out->row.row.watch.watch.descriptor = out->text;
        }
        out->bytes = copy_bytes(&out->row.row.watch.watch.script);
        break;
    case SPV_WALLET_ROW_SCRIPT:
        out->bytes = copy_bytes(&out->row.row.script.script);
        break;
    case SPV_WALLET_ROW_TX:
        out->bytes = copy_bytes(&out->row.row.tx.raw);
        out->proof = copy_bytes(&out->row.row.tx.proof);
        break;
    case SPV_WALLET_ROW_COIN:
        out->bytes = copy_bytes(&out->row.row.coin.script);
        break;
    case SPV_WALLET_ROW_META:
    case SPV_WALLET_ROW_BRANCH:
    case SPV_WALLET_ROW_SHARE:
    case SPV_WALLET_ROW_BALANCE:
        break;
    }
}

/* Empty raw forms and proofs of a change stay what was stored. */
static void keep_old_bytes(struct stored_row *row, struct stored_row *old)
{
    if (row->row.kind != SPV_WALLET_ROW_TX)
        return;
    if (row->row.row.tx.raw.n == 0) {
        uint8_t *bytes = row->bytes;
        row->row.row.tx.raw = old->row.row.tx.raw;
        row->bytes = old->bytes;
        old->bytes = bytes;
    }
    if (row->row.row.tx.proof.n == 0) {
        uint8_t *proof = row->proof;
        row->row.row.tx.proof = old->row.row.tx.proof;
        row->proof = old->proof;
        old->proof = proof;
    }
}

static bool goes_with(const struct key *key, const struct key *deleted)
{
    if (same_key(key, deleted))
        return true;
    if (deleted->kind == SPV_WALLET_ROW_TX)
        return (key->kind == SPV_WALLET_ROW_COIN || key->kind == SPV_WALLET_ROW_SHARE) &&
               key->a == deleted->a;
    if (deleted->kind == SPV_WALLET_ROW_WATCH)
        return ((key->kind == SPV_WALLET_ROW_BRANCH || key->kind == SPV_WALLET_ROW_BALANCE) &&
                key->a == deleted->a) ||
               (key->kind == SPV_WALLET_ROW_SHARE && key->b == deleted->a);
    return false;
}

static void delete_rows(struct row_store *store, const struct spv_wallet_change *change)
{
    const struct key deleted = key_of(change);
    size_t kept = 0;

    for (size_t i = 0; i < store->n; i++) {
        const struct spv_wallet_change *row = &store->rows[i].row;
        const struct key key = key_of(row);
        const bool script = row->kind == SPV_WALLET_ROW_SCRIPT &&
                            change->kind == SPV_WALLET_ROW_WATCH &&
                            row->row.script.origin.watch == deleted.a;
        if (script || goes_with(&key, &deleted))
            free_row(&store->rows[i]);
        else
            store->rows[kept++] = store->rows[i];
    }
    store->n = kept;
}

static void put_row(struct row_store *store, const struct spv_wallet_change *change)
{
    const struct key key = key_of(change);
    struct stored_row row;

    copy_row(&row, change);
    for (size_t i = 0; change->kind != SPV_WALLET_ROW_SCRIPT && i < store->n; i++) {
        const struct key other = key_of(&store->rows[i].row);
        if (!same_key(&key, &other))
            continue;
        keep_old_bytes(&row, &store->rows[i]);
        free_row(&store->rows[i]);
        store->rows[i] = row;
        return;
    }
    if (store->n == store->cap) {
        store->cap = 2 * store->cap + 64;
        store->rows = realloc(store->rows, store->cap * sizeof *store->rows);
        assert_non_null(store->rows);
    }
    store->rows[store->n++] = row;
}

void row_store_update(struct row_store *store, const struct spv_wallet_update *update)
{
    for (size_t i = 0; i < update->n; i++) {
        if (update->changes[i].deleted)
            delete_rows(store, &update->changes[i]);
        else
            put_row(store, &update->changes[i]);
    }
}

size_t row_store_apply(struct row_store *store, struct spv_wallet *wallet)
{
    struct spv_wallet_update update;

    assert_int_equal(spv_wallet_changes(wallet, &update), 0);
    row_store_update(store, &update);
    spv_wallet_stored(wallet);
    return update.n;
}

static int compare_ids(const void *a, const void *b)
{
    const struct spv_wallet_change *x = *(const struct spv_wallet_change *const *)a;
    const struct spv_wallet_change *y = *(const struct spv_wallet_change *const *)b;

    return x->row.tx.id < y->row.tx.id ? -1 : x->row.tx.id > y->row.tx.id;
}

static int load_txs(struct spv_wallet *wallet, const struct row_store *store)
{
    const struct spv_wallet_change **txs = malloc((store->n + 1) * sizeof *txs);
    size_t n = 0;
    int rc = 0;

    assert_non_null(txs);
    for (size_t i = 0; i < store->n; i++)
        if (store->rows[i].row.kind == SPV_WALLET_ROW_TX)
            txs[n++] = &store->rows[i].row;
    qsort(txs, n, sizeof *txs, compare_ids);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = spv_wallet_load(wallet, txs[i]);
    free(txs);
    return rc;
}

int row_store_try_load(struct spv_wallet **out, const struct row_store *store,
                       const struct spv_wallet_config *cfg)
{
    static const enum spv_wallet_row_kind kinds[] = {SPV_WALLET_ROW_META, SPV_WALLET_ROW_WATCH,
                                                     SPV_WALLET_ROW_BRANCH, SPV_WALLET_ROW_SCRIPT};
    int rc = spv_wallet_new(out, cfg);

    for (size_t k = 0; rc == 0 && k < COUNT(kinds); k++)
        for (size_t i = 0; rc == 0 && i < store->n; i++)
            if (store->rows[i].row.kind == kinds[k])
                rc = spv_wallet_load(*out, &store->rows[i].row);
    if (rc == 0)
        rc = load_txs(*out, store);
    for (size_t i = 0; rc == 0 && i < store->n; i++)
        if (store->rows[i].row.kind == SPV_WALLET_ROW_COIN)
            rc = spv_wallet_load(*out, &store->rows[i].row);
    if (rc == 0)
        rc = spv_wallet_load_end(*out);
    if (rc < 0) {
        spv_wallet_free(*out);
        *out = NULL;
    }
    return rc;
}

struct spv_wallet *row_store_load(const struct row_store *store,
                                  const struct spv_wallet_config *cfg)
{
    struct spv_wallet *wallet;

    assert_int_equal(row_store_try_load(&wallet, store, cfg), 0);
    return wallet;
}

const struct spv_wallet_change *row_store_find(const struct row_store *store,
                                               enum spv_wallet_row_kind kind, uint64_t a,
                                               uint64_t b)
{
    for (size_t i = 0; i < store->n; i++) {
        const struct key key = key_of(&store->rows[i].row);
        if (key.kind == kind && key.a == a && key.b == b)
            return &store->rows[i].row;
    }
    return NULL;
}

/* ---- comparisons ---- */

static void check_same_row(const struct spv_wallet_tx_row *a, const struct spv_wallet_tx_row *b)
{
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->revision, b->revision);
    assert_memory_equal(&a->txid, &b->txid, sizeof a->txid);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->block.height, b->block.height);
    assert_memory_equal(&a->block.hash, &b->block.hash, sizeof a->block.hash);
    assert_int_equal(a->position, b->position);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->n_groups, b->n_groups);
    assert_memory_equal(&a->conflict, &b->conflict, sizeof a->conflict);
    assert_int_equal(a->received, b->received);
    assert_int_equal(a->spent, b->spent);
    assert_int_equal(a->fee, b->fee);
}

static void check_balances(const struct row_store *store, const struct spv_wallet *wallet)
{
    for (size_t i = 0; i < store->n; i++) {
        const struct spv_wallet_change *row = &store->rows[i].row;
        struct spv_wallet_balance_row balance;
        if (row->kind != SPV_WALLET_ROW_BALANCE)
            continue;
        assert_int_equal(spv_wallet_balance(wallet, &balance, row->row.balance.watch), 0);
        assert_memory_equal(balance.amount, row->row.balance.amount, sizeof balance.amount);
    }
}

static uint64_t id_of(const struct spv_wallet *wallet, const struct spv_txid *txid, uint32_t height)
{
    const struct spv_wallet_tx_row *row;
    uint64_t next = 0;

    while (spv_wallet_next_tx(wallet, &next, &row))
        if (memcmp(&row->txid, txid, sizeof *txid) == 0 && row->block.height == height)
            return row->id;
    fail_msg("a coin's transaction is not in the history");
    return 0;
}

static void check_coins(const struct row_store *store, const struct spv_wallet *wallet)
{
    int64_t sums[SPV_BALANCE_KINDS] = {0};
    struct spv_wallet_balance_row balance;
    struct spv_wallet_coin coin;
    uint64_t next = 0;

    while (spv_wallet_next_coin(wallet, &next, &coin)) {
        const struct spv_wallet_change *row = row_store_find(
            store, SPV_WALLET_ROW_COIN, id_of(wallet, &coin.txid, coin.height), coin.vout);
        if (!row) {
            fail_msg("a coin has no row");
            return;
        }
        assert_int_equal(row->row.coin.balance, coin.balance);
        assert_int_equal(row->row.coin.value, coin.value);
        assert_int_equal(row->row.coin.spender != 0, coin.spent_unconfirmed);
        assert_int_equal(row->row.coin.script.n, coin.script.n);
        assert_memory_equal(row->row.coin.script.bytes, coin.script.bytes, coin.script.n);
        sums[coin.balance] += coin.value;
    }
    assert_int_equal(spv_wallet_balance(wallet, &balance, 0), 0);
    assert_int_equal(balance.amount[SPV_BALANCE_NONE], 0);
    for (int field = SPV_BALANCE_NONE + 1; field < SPV_BALANCE_KINDS; field++)
        assert_int_equal(balance.amount[field], sums[field]);
    /* Rows of coins that are not listed are in no balance. */
    for (size_t i = 0; i < store->n; i++)
        if (store->rows[i].row.kind == SPV_WALLET_ROW_COIN)
            sums[store->rows[i].row.row.coin.balance] -= store->rows[i].row.row.coin.value;
    for (int field = SPV_BALANCE_NONE + 1; field < SPV_BALANCE_KINDS; field++)
        assert_int_equal(sums[field], 0);
}

static void check_txs(const struct row_store *store, const struct spv_wallet *wallet,
                      const struct spv_wallet *loaded)
{
    const struct spv_wallet_tx_row *row, *other;
    uint64_t next = 0, other_next = 0;

    while (spv_wallet_next_tx(wallet, &next, &row)) {
        const struct spv_wallet_change *stored =
            row_store_find(store, SPV_WALLET_ROW_TX, row->id, 0);
        assert_non_null(stored);
        check_same_row(&stored->row.tx, row);
        assert_true(spv_wallet_next_tx(loaded, &other_next, &other));
        check_same_row(other, row);
    }
    assert_false(spv_wallet_next_tx(loaded, &other_next, &other));
}

void row_store_check(const struct row_store *store, const struct spv_wallet *wallet,
                     const struct spv_wallet_config *cfg)
{
    struct spv_wallet *loaded = row_store_load(store, cfg);
    struct spv_wallet_update update;

    assert_int_equal(spv_wallet_changes(loaded, &update), 0);
    assert_int_equal(update.n, 0);
    check_balances(store, wallet);
    check_balances(store, loaded);
    check_coins(store, wallet);
    check_coins(store, loaded);
    check_txs(store, wallet, loaded);
    assert_int_equal(spv_wallet_script_count(loaded) > 0, spv_wallet_script_count(wallet) > 0);
    spv_wallet_free(loaded);
}
