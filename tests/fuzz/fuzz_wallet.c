/* Inputs of a wallet: the input is a script of steps of 3 bytes, op % 10, a, b.
 *
 *     0    a transaction is made: it spends output a % 2 of transaction a / 2, or a foreign output,
 *          and pays scripts b % 8 and b / 8 % 8, of which 0 to 3 are watched at first
 *     1    the next block has transactions a and b
 *     2    a coinbase is made that pays script b % 8, and the next block has it
 *     3    a % 8 blocks leave
 *     4, 5 a peer of group b % 4 sends transaction a, or announces it
 *     6    transaction a is published; b odd: withdrawn
 *     7    b days pass
 *     8    script a % 8 is watched; b odd: not any more
 *     9    the wallet is loaded from the rows of its transactions and coins
 * Invariants: the listed coins add up to the balances, each in one field; states and blocks agree;
 * a loaded wallet says the same as the one before, unless a watch was added late. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "spv/error.h"
#include "spv/wallet.h"
#include "util/buffer.h"

#define TXS 48
#define SCRIPTS 8
#define ROWS 4096

struct fuzz_tx {
    struct spv_buffer bytes;
    struct spv_tx tx;
    struct spv_txid txid;
};

struct fuzz {
    struct spv_wallet *wallet;
    struct fuzz_tx txs[TXS];
    size_t n;
    uint32_t height;
    uint32_t salt;
    struct spv_now now;
    uint64_t watches[SCRIPTS];
    struct spv_wallet_change rows[ROWS]; /* of transactions and coins, without their bytes */
    size_t n_rows;
    struct spv_wallet_meta meta;
    bool late; /* a watch was added after blocks */
};

static uint8_t script_bytes[SCRIPTS][2];

static void fill_zero(void *ctx, void *out, size_t n)
{
    (void)ctx;
    memset(out, 7, n);
}

static struct spv_bytes script(size_t k)
{
    script_bytes[k][0] = 0x51;
    script_bytes[k][1] = (uint8_t)k;
    return (struct spv_bytes){.bytes = script_bytes[k], .n = 2};
}

static void watch(struct fuzz *f, size_t k)
{
    const struct spv_watch_target target = {.kind = SPV_WATCH_SCRIPT, .script = script(k)};

    FUZZ_CHECK(spv_wallet_watch(f->wallet, &f->watches[k], NULL, &target) == 0);
}

static void make_tx(struct fuzz *f, bool coinbase, uint8_t a, uint8_t b)
{
    struct fuzz_tx *out = &f->txs[f->n];
    struct spv_buffer *bytes = &out->bytes;
    const size_t parent = a / 2;
    struct spv_txid prev = {.b = {0}};
    uint32_t vout = coinbase ? UINT32_MAX : a % 2;

    if (f->n == TXS)
        return;
    if (!coinbase && parent < f->n)
        prev = f->txs[parent].txid;
    else if (!coinbase)
        prev.b[0] = (uint8_t)(1 + a % 4);
    spv_buffer_init(bytes);
    spv_buffer_u32(bytes, 2);
    spv_buffer_u8(bytes, 1);
    spv_buffer_put(bytes, &prev, sizeof prev);
    spv_buffer_u32(bytes, vout);
    spv_buffer_u8(bytes, 0);
    spv_buffer_u32(bytes, 0);
    spv_buffer_u8(bytes, 2);
    for (size_t i = 0; i < 2; i++) {
        spv_buffer_u64(bytes, 1000 + b);
        spv_buffer_u8(bytes, 2);
        spv_buffer_put(bytes, script((i == 0 ? b : b / 8) % SCRIPTS).bytes, 2);
    }
    spv_buffer_u32(bytes, ++f->salt);
    FUZZ_CHECK(spv_tx_parse(&out->tx, bytes->data, bytes->len) == 0);
    spv_tx_txid(&out->txid, &out->tx);
    f->n++;
}

static void connect(struct fuzz *f, const size_t *txs, size_t n)
{
    struct spv_proven_tx proven[2] = {{.position = 0}, {.position = 1}};
    struct spv_wallet_block block = {.point.height = f->height + 1, .txs = proven};

    for (size_t i = 0; i < n; i++)
        if (txs[i] < f->n && (i == 0 || txs[i] != txs[0]))
            proven[block.n_txs++].tx = f->txs[txs[i]].tx;
    block.point.hash.b[0] = (uint8_t)++f->salt;
    block.point.hash.b[1] = (uint8_t)(f->salt >> 8);
    FUZZ_CHECK(spv_wallet_connect(f->wallet, &block) == 0);
    f->height++;
}

static void disconnect(struct fuzz *f, uint32_t n)
{
    const struct spv_point fork = {.height = n < f->height ? f->height - n : 1};

    FUZZ_CHECK(spv_wallet_disconnect(f->wallet, &fork, f->now) == 0);
    f->height = fork.height;
}

static bool is_coinbase(const struct fuzz *f, size_t t)
{
    return spv_tx_is_coinbase(&f->txs[t].tx);
}

static void unconfirmed(struct fuzz *f, uint8_t op, uint8_t a, uint8_t b)
{
    const struct spv_tx_source source = {.peer = 1 + b % 4u, .group = b % 4u};
    const struct fuzz_tx *tx = &f->txs[a < f->n ? a : 0];
    int rc = 0;

    if (f->n == 0)
        return;
    if (op == 4)
        rc = spv_wallet_receive(f->wallet, &tx->tx, &source, f->now);
    else if (op == 5)
        rc = spv_wallet_announced(f->wallet, &tx->txid, &source, f->now);
    else if (b % 2 == 0)
        rc = spv_wallet_publish(f->wallet, &tx->tx, f->now);
    else
        (void)spv_wallet_withdraw(f->wallet, &tx->txid, f->now);
    FUZZ_CHECK(rc >= 0 || (rc == SPV_ERR_MALFORMED && is_coinbase(f, (size_t)(tx - f->txs))));
}

static bool same_key(const struct spv_wallet_change *a, const struct spv_wallet_change *b)
{
    if (a->kind != b->kind)
        return false;
    return a->kind == SPV_WALLET_ROW_TX
               ? a->row.tx.id == b->row.tx.id
               : a->row.coin.tx == b->row.coin.tx && a->row.coin.vout == b->row.coin.vout;
}

static void delete_rows(struct fuzz *f, const struct spv_wallet_change *deleted)
{
    size_t kept = 0;

    for (size_t i = 0; i < f->n_rows; i++) {
        const struct spv_wallet_change *row = &f->rows[i];
        const bool with_tx = deleted->kind == SPV_WALLET_ROW_TX &&
                             row->kind == SPV_WALLET_ROW_COIN &&
                             row->row.coin.tx == deleted->row.tx.id;
        if (!with_tx && !same_key(row, deleted))
            f->rows[kept++] = *row;
    }
    f->n_rows = kept;
}

/* Keeps the rows of transactions and coins as a store would. */
static void store(struct fuzz *f)
{
    struct spv_wallet_update update;

    FUZZ_CHECK(spv_wallet_changes(f->wallet, &update) == 0);
    for (size_t i = 0; i < update.n; i++) {
        const struct spv_wallet_change *row = &update.changes[i];
        size_t at = 0;
        if (row->kind == SPV_WALLET_ROW_META)
            f->meta = row->row.meta;
        if (row->kind != SPV_WALLET_ROW_TX && row->kind != SPV_WALLET_ROW_COIN)
            continue;
        if (row->deleted) {
            delete_rows(f, row);
            continue;
        }
        while (at < f->n_rows && !same_key(&f->rows[at], row))
            at++;
        FUZZ_CHECK(at < ROWS);
        if (at == f->n_rows)
            f->n_rows++;
        f->rows[at] = *row;
    }
    spv_wallet_stored(f->wallet);
}

static void new_wallet(struct fuzz *f)
{
    const struct spv_wallet_config cfg = {.rng = {.fill = fill_zero}, .networks = SPV_ANY_NETWORK};

    FUZZ_CHECK(spv_wallet_new(&f->wallet, &cfg) == 0);
}

static int compare_ids(const void *a, const void *b)
{
    const struct spv_wallet_change *x = a, *y = b;

    if (x->kind != y->kind)
        return x->kind == SPV_WALLET_ROW_TX ? -1 : 1;
    if (x->kind == SPV_WALLET_ROW_COIN)
        return 0;
    return x->row.tx.id < y->row.tx.id ? -1 : x->row.tx.id > y->row.tx.id;
}

static void reload(struct fuzz *f)
{
    struct spv_wallet_change row = {.kind = SPV_WALLET_ROW_META};
    struct spv_wallet_balance_row before, after;
    struct spv_wallet_update update;

    store(f);
    FUZZ_CHECK(spv_wallet_balance(f->wallet, &before, 0) == 0);
    spv_wallet_free(f->wallet);
    new_wallet(f);
    row.row.meta = f->meta;
    FUZZ_CHECK(spv_wallet_load(f->wallet, &row) == 0);
    for (size_t k = 0; k < SCRIPTS; k++) {
        row = (struct spv_wallet_change){
            .kind = SPV_WALLET_ROW_WATCH,
            .row.watch = {.id = f->watches[k],
                          .watch = {.kind = SPV_WATCH_SCRIPT, .script = script(k)}}};
        if (f->watches[k] != 0)
            FUZZ_CHECK(spv_wallet_load(f->wallet, &row) == 0);
    }
    qsort(f->rows, f->n_rows, sizeof f->rows[0], compare_ids);
    for (size_t i = 0; i < f->n_rows; i++) {
        row = f->rows[i];
        for (size_t t = 0; row.kind == SPV_WALLET_ROW_TX && t < f->n; t++)
            if (memcmp(&f->txs[t].txid, &row.row.tx.txid, sizeof row.row.tx.txid) == 0)
                row.row.tx.raw = (struct spv_bytes){f->txs[t].bytes.data, f->txs[t].bytes.len};
        FUZZ_CHECK(spv_wallet_load(f->wallet, &row) == 0);
    }
    FUZZ_CHECK(spv_wallet_load_end(f->wallet) == 0);
    FUZZ_CHECK(spv_wallet_balance(f->wallet, &after, 0) == 0);
    /* Of a watch that was added the past is unsearched. */
    if (f->late)
        return;
    FUZZ_CHECK(memcmp(before.amount, after.amount, sizeof before.amount) == 0);
    FUZZ_CHECK(spv_wallet_changes(f->wallet, &update) == 0 && update.n == 0);
}

static void check(const struct fuzz *f)
{
    int64_t sums[SPV_BALANCE_KINDS] = {0};
    const struct spv_wallet_tx_row *row;
    struct spv_wallet_balance_row balance;
    struct spv_wallet_coin coin;
    uint64_t next = 0;

    while (spv_wallet_next_coin(f->wallet, &next, &coin))
        sums[coin.balance] += coin.value;
    sums[SPV_BALANCE_NONE] = 0;
    FUZZ_CHECK(spv_wallet_balance(f->wallet, &balance, 0) == 0);
    FUZZ_CHECK(memcmp(balance.amount, sums, sizeof sums) == 0);
    next = 0;
    while (spv_wallet_next_tx(f->wallet, &next, &row)) {
        FUZZ_CHECK((row->block.height != SPV_NO_HEIGHT) == (row->state == SPV_TX_CONFIRMED));
        FUZZ_CHECK(row->block.height == SPV_NO_HEIGHT || row->block.height <= f->height);
        FUZZ_CHECK(row->state >= SPV_TX_UNCONFIRMED && row->state <= SPV_TX_EXPIRED);
    }
}

static void step(struct fuzz *f, uint8_t op, uint8_t a, uint8_t b)
{
    if (op == 0)
        make_tx(f, false, a, b);
    if (op == 1)
        connect(f, (const size_t[]){a, b}, 2);
    if (op == 2 && f->n < TXS) {
        make_tx(f, true, a, b);
        connect(f, (const size_t[]){f->n - 1}, 1);
    }
    if (op == 3)
        disconnect(f, a % 8);
    if (op >= 4 && op <= 6)
        unconfirmed(f, op, a, b);
    if (op == 7) {
        f->now.unix_s += b * 86400;
        FUZZ_CHECK(spv_wallet_expire(f->wallet, f->now) == 0);
    }
    if (op == 8 && b % 2 == 0) {
        watch(f, a % SCRIPTS);
        f->late = true;
    }
    if (op == 8 && b % 2 == 1 && f->watches[a % SCRIPTS] != 0) {
        FUZZ_CHECK(spv_wallet_unwatch(f->wallet, f->watches[a % SCRIPTS]) == 0);
        f->watches[a % SCRIPTS] = 0;
    }
    if (op == 9)
        reload(f);
    store(f);
    check(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz *f = calloc(1, sizeof *f);

    FUZZ_CHECK(f != NULL);
    f->now.unix_s = 1800000000;
    new_wallet(f);
    for (size_t k = 0; k < 4; k++)
        watch(f, k);
    connect(f, NULL, 0);
    for (size_t i = 0; i + 3 <= size && i < 600; i += 3)
        step(f, data[i] % 10, data[i + 1], data[i + 2]);
    spv_wallet_free(f->wallet);
    for (size_t t = 0; t < f->n; t++)
        spv_buffer_free(&f->txs[t].bytes);
    free(f);
    return 0;
}
