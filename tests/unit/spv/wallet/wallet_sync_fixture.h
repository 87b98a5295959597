/* A driver of a wallet with a scripted source, and what the node does around it: for
 * test_wallet_sync.c alone. */
#ifndef SPV_TESTS_WALLET_SYNC_FIXTURE_H
#define SPV_TESTS_WALLET_SYNC_FIXTURE_H

#include "chain_builder.h"
#include "support/row_store.h"
#include "support/sim/sim.h"

#include "spv/error.h"
#include "spv/network.h"
#include "spv/wallet/birthday.h"
#include "spv/wallet/wallet_sync.h"

#define CHAIN 60
#define XPUB                                                                                       \
    "tpubDCwf7iLkApvAxZE8pJckS47pkp3oxUjAcRKVH3oo8RBri2GmxTum8uXGvm2ukTeD5PgHUbWKXH8h6WXznjLjmm"   \
    "WiQizU1dVk2aFJTz212Li"
#define RECEIVING "wpkh(" XPUB "/0/*)"
#define LOG 32

struct fixture {
    struct sim_store store;
    struct spv_chain *chain;
    struct test_random random;
    struct spv_wallet_config cfg;
    struct spv_wallet *wallet;
    struct row_store rows;
    struct spv_wallet_sync *sync;
    struct spv_wallet_sync_context in;
    struct spv_now now;
    /* The source: what it was called with. */
    struct spv_source_progress progress;
    uint32_t begun[LOG]; /* first heights */
    size_t n_begun, n_began_with; /* scripts */
    uint32_t added[LOG]; /* heights */
    size_t n_scripts_added[LOG];
    size_t n_added, n_outputs, n_stopped;
    struct spv_wallet_event events[LOG];
    size_t n_events, seen;
    size_t n_stores;
};

static int source_begin(void *ctx, const struct spv_bytes *scripts, size_t n, uint32_t first,
                        struct spv_now now)
{
    struct fixture *f = ctx;

    (void)now;
    for (size_t i = 0; i < n; i++)
        assert_true(scripts[i].n > 0);
    f->n_began_with = n;
    f->begun[f->n_begun++] = f->progress.height = first;
    return 0;
}

static int source_add(void *ctx, const struct spv_bytes *scripts, size_t n, uint32_t from,
                      struct spv_now now)
{
    struct fixture *f = ctx;

    (void)scripts;
    (void)now;
    assert_true(f->n_added < LOG);
    f->n_scripts_added[f->n_added] = n;
    f->added[f->n_added++] = from;
    return 0;
}

static int source_add_output(void *ctx, const struct spv_txid *txid, uint32_t vout,
                             const struct spv_bytes *script, struct spv_now now)
{
    struct fixture *f = ctx;

    (void)txid;
    (void)vout;
    (void)script;
    (void)now;
    f->n_outputs++;
    return 0;
}

static void source_stop(void *ctx)
{
    ((struct fixture *)ctx)->n_stopped++;
}

static void source_progress(const void *ctx, struct spv_source_progress *out)
{
    *out = ((const struct fixture *)ctx)->progress;
}

static void set_source(struct fixture *f)
{
    const struct spv_coin_source source = {.ctx = f,
                                           .begin = source_begin,
                                           .add = source_add,
                                           .add_output = source_add_output,
                                           .stop = source_stop,
                                           .progress = source_progress};

    spv_wallet_sync_set_source(f->sync, &source);
}

static void new_sync(struct fixture *f)
{
    const struct spv_wallet_sync_config cfg = {
        .wallet = f->wallet, .chain = f->chain, .header_db = sim_store_reader(&f->store)};

    assert_int_equal(spv_wallet_sync_new(&f->sync, &cfg, f->now), 0);
    set_source(f);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct spv_chain_config chain = {.params = spv_params_get(SPV_REGTEST)};

    assert_non_null(f);
    sim_store_mine(&f->store, chain.params, CHAIN, 1);
    chain.header_db = sim_store_reader(&f->store);
    assert_int_equal(spv_chain_new(&f->chain, &chain), 0);
    f->random.state = 1;
    f->now = (struct spv_now){.mono_us = 1000000, .unix_s = 1800000000};
    f->in.synced = true;
    f->progress = (struct spv_source_progress){.lowest = 1, .is_matching = true};
    f->cfg = (struct spv_wallet_config){.rng = test_random_rng(&f->random),
                                        .networks = SPV_NETWORK_BIT(SPV_REGTEST),
                                        .lookahead = 0};
    assert_int_equal(spv_wallet_new(&f->wallet, &f->cfg), 0);
    new_sync(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    spv_wallet_sync_free(f->sync);
    spv_wallet_free(f->wallet);
    row_store_free(&f->rows);
    spv_chain_free(f->chain);
    sim_store_free(&f->store);
    free(f);
    return 0;
}

/* ---- the node's part ---- */

/* Everything until nothing is left, as the node polls. */
static void pull(struct fixture *f)
{
    struct spv_wallet_update update;
    int rc;

    do {
        assert_int_equal(spv_wallet_sync_step(f->sync, &f->in, f->now), 0);
        rc = spv_wallet_sync_changes(f->sync, &update);
        assert_true(rc >= 0);
        if (rc == 1) {
            row_store_update(&f->rows, &update);
            spv_wallet_sync_stored(f->sync);
            f->n_stores++;
            continue;
        }
        assert_true(f->n_events < LOG);
        rc = spv_wallet_sync_next_event(f->sync, &f->events[f->n_events]);
        f->n_events += rc == 1;
    } while (rc == 1);
}

static void restart(struct fixture *f)
{
    spv_wallet_sync_free(f->sync);
    spv_wallet_free(f->wallet);
    f->wallet = row_store_load(&f->rows, &f->cfg);
    new_sync(f);
}

/* The next event of a kind since the last call, or NULL. */
static const struct spv_wallet_event *next_event(struct fixture *f, enum spv_wallet_event_kind kind)
{
    while (f->seen < f->n_events)
        if (f->events[f->seen++].kind == kind)
            return &f->events[f->seen - 1];
    return NULL;
}

/* The same; the test fails when there is none. */
static const struct spv_wallet_event *must_event(struct fixture *f, enum spv_wallet_event_kind kind)
{
    static const struct spv_wallet_event none;
    const struct spv_wallet_event *event = next_event(f, kind);

    assert_non_null(event);
    return event ? event : &none;
}

static uint64_t watch(struct fixture *f, int64_t birthday, uint64_t *request)
{
    const struct spv_watch_target target = {
        .kind = SPV_WATCH_DESCRIPTOR, .descriptor = RECEIVING, .gap = 4, .birthday = birthday};
    uint64_t id;

    assert_int_equal(spv_wallet_sync_watch(f->sync, request, &id, NULL, &target), 0);
    return id;
}

static void watch_script(struct fixture *f, uint8_t number, int64_t birthday)
{
    const uint8_t bytes[] = {0x51, number};
    const struct spv_watch_target target = {
        .kind = SPV_WATCH_SCRIPT, .script = {bytes, sizeof bytes}, .birthday = birthday};
    uint64_t id, request;

    assert_int_equal(spv_wallet_sync_watch(f->sync, &request, &id, NULL, &target), 0);
}

static uint32_t scanned(const struct fixture *f)
{
    return spv_wallet_scanned(f->wallet).height;
}

static int done(struct fixture *f, uint32_t height)
{
    const struct spv_source_event event = {.kind = SPV_SOURCE_EVENT_DONE, .height = height};

    return spv_wallet_sync_source_event(f->sync, &event, f->now);
}

/* The source finds a payment of a value to a script at a height. */
static int match(struct fixture *f, uint32_t height, struct spv_bytes script, int64_t value)
{
    const struct built_output out = {.script = script, .value = value};
    const struct built_input in = {.vout = height};
    struct built_tx tx;
    build_tx(
        &tx,
        &(struct built_spec){
            .inputs = &in, .n_inputs = 1, .outputs = &out, .n_outputs = 1, .lock_time = height});
    const struct spv_proven_tx proven = {.tx = tx.tx, .position = 1};
    const struct spv_source_event event = {.kind = SPV_SOURCE_EVENT_FOUND,
                                           .height = height,
                                           .hash = f->store.at[height].hash,
                                           .txs = &proven,
                                           .n_txs = 1};
    const int rc = spv_wallet_sync_source_event(f->sync, &event, f->now);
    built_tx_free(&tx);
    return rc;
}

/* The same to the script at an index of the first watch, whose bytes the wallet has. */
static int match_index(struct fixture *f, uint32_t height, uint64_t id, uint32_t index)
{
    struct spv_bytes script;
    uint8_t copy[64];

    assert_int_equal(spv_wallet_script_at(f->wallet, &script, id, 0, index), 0);
    memcpy(copy, script.bytes, script.n);
    script.bytes = copy;
    return match(f, height, script, 1000);
}

static int64_t time_of(const struct fixture *f, uint32_t height)
{
    return f->store.at[height].header.time;
}

#endif
