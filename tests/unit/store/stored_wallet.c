#include "stored_wallet.h"

#include <stdio.h>

#include <sqlite3.h>

#include "spv/error.h"
#include "spv/filter.h"

#define FORK 26 /* the reorganisation leaves headers up to here */
#define NEW 6
#define FILTERS 28 /* filter headers up to this height */

const char wallet_descriptor[] =
    "wpkh(tpubDCwf7iLkApvAxZE8pJckS47pkp3oxUjAcRKVH3oo8RBri2GmxTum8uXGvm2ukTeD5PgHUbWKXH8h6WXznjLj"
    "mmWiQizU1dVk2aFJTz212Li/<0;1>/*)";

struct built_tx wallet_txs[WALLET_TXS];
struct spv_chain_header wallet_chain[WALLET_HEADERS];
static struct spv_chain_header fork[NEW], next_header[1];
static struct spv_now now = {.unix_s = 1800000000};

struct spv_bytes wallet_script(uint8_t k)
{
    static uint8_t scripts[256][2];

    scripts[k][0] = 0x51;
    scripts[k][1] = k;
    return (struct spv_bytes){.bytes = scripts[k], .n = 2};
}

/* Transaction i spends output 0 of one before (-1: foreign) and pays two scripts. */
static void make(size_t i, int spends, uint8_t to, int64_t value)
{
    const struct built_input in = {.prev = spends >= 0 ? wallet_txs[spends].txid
                                                       : (struct spv_txid){{(uint8_t)(i + 1)}}};
    const struct built_output outputs[] = {{wallet_script(to), value}, {wallet_script(9), 700}};

    build_tx(&wallet_txs[i], &(struct built_spec){.inputs = &in,
                                                  .n_inputs = 1,
                                                  .outputs = outputs,
                                                  .n_outputs = 2,
                                                  .lock_time = (uint32_t)i + 1,
                                                  .witness = i % 2 == 0});
}

void stored_wallet_prepare(void)
{
    const struct spv_chain_header genesis = genesis_record(regtest());

    extend(wallet_chain, &genesis, WALLET_HEADERS, 1);
    extend(next_header, &wallet_chain[WALLET_HEADERS - 1], 1, 1);
    extend(fork, &wallet_chain[FORK - 1], NEW, 2);
    make(0, -1, 0, 50000);
    make(1, -1, 1, 60000);
    make(2, 0, 1, 40000); /* spends 0 */
    make(3, 1, 0, 55000); /* published: spends 1 */
    make(4, -1, 0, 30000); /* unconfirmed, of a peer */
    make(5, 1, 1, 50000); /* conflicts with 3 */
}

void stored_wallet_free(void)
{
    for (size_t i = 0; i < WALLET_TXS; i++)
        built_tx_free(&wallet_txs[i]);
}

struct spv_wallet_config wallet_config(void)
{
    static struct test_random random;

    return (struct spv_wallet_config){
        .rng = test_random_rng(&random), .networks = SPV_NETWORK_BIT(SPV_REGTEST), .lookahead = 2};
}

void make_wallet_chain(const char *path)
{
    struct spv_filter_header headers[FILTERS + 1];
    struct spv_filter_hash hashes[FILTERS + 1];
    const struct spv_filter_update update = {.first = 1,
                                             .headers = headers + 1,
                                             .hashes = hashes + 1,
                                             .n = FILTERS,
                                             .last_block = wallet_chain[FILTERS - 1].hash};
    struct spv_store *s;

    s = must_open(path, SPV_STORE_CREATE);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 0, 0, wallet_chain, WALLET_HEADERS), 0);
    headers[0] = regtest()->filter_checkpoints[0].header;
    for (uint32_t h = 1; h <= FILTERS; h++) {
        hashes[h] = (struct spv_filter_hash){{(uint8_t)h}};
        spv_filter_compute_header(&headers[h], &hashes[h], &headers[h - 1]);
    }
    if (spv_store_apply_filter_headers(s, &update) != 0)
        fail_msg("%s", spv_store_last_error(s));
    assert_int_equal(spv_store_close(s), 0);
}

/* ---- steps ---- */

/* A block of the header chain with these transactions. */
static int connect(struct spv_wallet *w, const struct spv_chain_header *header, const size_t *txs,
                   size_t n)
{
    struct spv_proven_tx proven[WALLET_TXS];
    struct spv_wallet_block block = {.point = {header->height, header->hash},
                                     .time = header->header.time,
                                     .txs = proven,
                                     .n_txs = n};

    for (size_t i = 0; i < n; i++)
        proven[i] = (struct spv_proven_tx){.tx = wallet_txs[txs[i]].tx,
                                           .position = (uint32_t)i + 1,
                                           .depth_proven = true,
                                           .proof = wallet_script((uint8_t)txs[i])};
    return spv_wallet_connect(w, &block);
}

static int add_watches(struct spv_wallet *w)
{
    const struct spv_watch_target targets[] = {
        {.kind = SPV_WATCH_SCRIPT, .script = wallet_script(0), .birthday = 5},
        {.kind = SPV_WATCH_SCRIPT, .script = wallet_script(1)},
        {.kind = SPV_WATCH_DESCRIPTOR, .descriptor = wallet_descriptor, .gap = 2},
        {.kind = SPV_WATCH_TXID, .txid = wallet_txs[2].txid},
        {.kind = SPV_WATCH_OUTPOINT,
         .txid = wallet_txs[2].txid,
         .vout = 1,
         .script = wallet_script(9)},
    };
    uint64_t id;
    uint32_t index;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < COUNT(targets); i++)
        rc = spv_wallet_watch(w, &id, NULL, &targets[i]);
    return rc ? rc : spv_wallet_reserve_index(w, &index, 3, 1);
}

static int scan(struct spv_wallet *w)
{
    static const size_t first[] = {0}, second[] = {1}, third[] = {2};
    int rc = connect(w, &wallet_chain[9], first, 1);

    rc = rc ? rc : connect(w, &wallet_chain[19], second, 1);
    return rc ? rc : connect(w, &wallet_chain[29], third, 1);
}

static int apply_step(struct spv_store *s, struct spv_wallet *w, size_t i)
{
    static const size_t published[] = {3};
    const struct spv_tx_source source = {.peer = 1, .group = 7};
    const struct spv_point point = {FORK, wallet_chain[FORK - 1].hash};
    const struct spv_chain_update append = {
        .kind = SPV_UPDATE_APPEND, .fork_height = WALLET_HEADERS, .headers = next_header, .n = 1};
    const struct spv_chain_update reorg = {.kind = SPV_UPDATE_REORG,
                                           .fork_height = FORK,
                                           .removed = WALLET_HEADERS + 1 - FORK,
                                           .headers = fork,
                                           .n = NEW};
    const struct spv_broadcast_change published_rows[] = {
        {.row = {.id = 5,
                 .package = 5,
                 .txid = wallet_txs[3].txid,
                 .state = SPV_BROADCAST_PUBLISHING,
                 .flags = SPV_BROADCAST_PRIVATE,
                 .wait_height = 7,
                 .wait_time = 8,
                 .n_rounds = 9,
                 .announced_at = 1800000000,
                 .n_rejects = 2,
                 .reject_code = 0x42,
                 .n_groups = 2,
                 .groups = {UINT64_C(0x8877665544332211), 1},
                 .facts = {SPV_BROADCAST_ANNOUNCED, SPV_BROADCAST_FETCHED},
                 .raw = {wallet_txs[3].tx.bytes, wallet_txs[3].tx.n}}},
    };
    const struct spv_broadcast_change confirmed_rows[] = {
        {.row = {.id = 5,
                 .package = 5,
                 .txid = wallet_txs[3].txid,
                 .state = SPV_BROADCAST_CONFIRMED,
                 .height = FORK + 3,
                 .ended_at = 1800000100}},
    };
    const struct spv_broadcast_change deleted_rows[] = {{.deleted = true, .row.id = 5}};
    const struct spv_broadcast_update publish = {published_rows, 1}, confirm = {confirmed_rows, 1},
                                      delete = {deleted_rows, 1};
    struct spv_wallet_update changes;
    struct spv_store_update all = {.wallet = &changes};
    int rc = 0;

    switch (i) {
    case 0:
        rc = add_watches(w);
        break;
    case 1:
        rc = scan(w);
        break;
    case 2: /* a block, with its header */
        all.chain = &append;
        rc = connect(w, next_header, NULL, 0);
        break;
    case 3: /* published, and another one received */
        all.broadcast = &publish;
        rc = spv_wallet_publish(w, &wallet_txs[3].tx, now);
        rc = rc ? rc : spv_wallet_receive(w, &wallet_txs[4].tx, &source, now);
        break;
    case 4: /* a reorganisation; a filter header below the fork is wrong as well */
        all.chain = &reorg;
        all.drop_filters = true;
        all.drop_filters_from = 20;
        all.broadcast = &confirm;
        rc = spv_wallet_disconnect(w, &point, now);
        rc = rc < 0 ? rc : connect(w, &fork[2], published, 1);
        break;
    case 5: /* what was published is forgotten */
        all.broadcast = &delete;
        rc = connect(w, &fork[NEW - 1], NULL, 0);
        break;
    default:
        rc = spv_wallet_unwatch(w, 1);
    }
    if (rc >= 0)
        rc = spv_wallet_changes(w, &changes);
    return rc < 0 ? rc : spv_store_apply_all(s, &all);
}

int wallet_step(struct spv_store *s, size_t i)
{
    const struct spv_wallet_config cfg = wallet_config();
    struct spv_wallet *w;
    int rc = spv_wallet_new(&w, &cfg);

    if (rc == 0)
        rc = spv_store_load_wallet(s, w);
    if (rc >= 0)
        rc = apply_step(s, w, i);
    spv_wallet_free(w);
    return rc;
}

void make_stored_wallet(const char *path, size_t n_steps)
{
    struct spv_store *s;

    make_wallet_chain(path);
    s = must_open(path, SPV_STORE_WRITE);
    for (size_t i = 0; i < n_steps; i++)
        if (wallet_step(s, i) != 0)
            fail_msg("step %zu: %s", i, spv_store_last_error(s));
    assert_int_equal(spv_store_close(s), 0);
}

/* ---- state ---- */

static uint64_t mix(uint64_t h, const char *text)
{
    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return h * 31 + 7;
}

uint64_t wallet_state(const char *path)
{
    static const char *const queries[] = {
        "SELECT scanned_height, hex(scanned_hash), revision, next_tx, next_watch FROM wallet_meta",
        "SELECT * FROM wallet_watch",
        "SELECT * FROM wallet_branch",
        "SELECT * FROM wallet_script",
        "SELECT id, revision, hex(txid), height, hex(block_hash), position, flags, state,"
        " hex(groups), block_time, first_seen, last_seen, hex(conflict), received, spent, fee"
        " FROM wallet_tx",
        "SELECT tx, hex(raw), hex(proof) FROM wallet_tx_data",
        "SELECT tx, vout, field, value, hex(script), spender FROM wallet_output",
        "SELECT * FROM wallet_share",
        "SELECT * FROM wallet_sum",
        "SELECT * FROM wallet_label",
        "SELECT hex(txid), state, height, hex(groups), hex(raw) FROM broadcast",
        "SELECT count(*), max(height) FROM header",
        "SELECT max(height) FROM filter_header",
        "PRAGMA integrity_check(1)"};
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    for (size_t i = 0; i < COUNT(queries); i++) {
        sqlite3_stmt *st = NULL;
        if (sqlite3_prepare_v2(db, queries[i], -1, &st, NULL) != SQLITE_OK)
            fail_msg("%s: %s", queries[i], sqlite3_errmsg(db));
        while (sqlite3_step(st) == SQLITE_ROW)
            for (int c = 0; c < sqlite3_column_count(st); c++) {
                const char *text = (const char *)sqlite3_column_text(st, c);
                h = mix(h, text ? text : "-");
            }
        (void)sqlite3_finalize(st);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return h;
}

const char *new_stored_wallet(void **state, size_t n_steps)
{
    const char *path = in_folder(state, "h.db");
    make_stored_wallet(path, n_steps);
    return path;
}

struct spv_wallet_iter *open_wallet_list(struct spv_store *s, enum spv_wallet_list list,
                                         const struct spv_wallet_key *after)
{
    struct spv_wallet_iter *it;
    if (spv_wallet_iter_open(&it, s) != 0 || spv_wallet_iter_list(it, list, after) != 0)
        fail_msg("%s", spv_store_last_error(s));
    return it;
}

int stored_wallet_setup(void **state)
{
    (void)state;
    stored_wallet_prepare();
    return 0;
}

int stored_wallet_teardown(void **state)
{
    (void)state;
    stored_wallet_free();
    return 0;
}
