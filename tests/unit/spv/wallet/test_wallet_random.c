/* Random wallets: payments, spends, double spends, published and announced transactions,
 * reorganisations up to 20 deep, gap jumps, late watches, restarts; after which the wallet must say
 * what a plain model says (wallet_model.c). SPV_SIM_SEEDS more seeds, SPV_SIM_SEED just one. */
#include <stdio.h>

#include "support/row_store.h"
#include "wallet_model.h"

#include "spv/descriptor.h"
#include "spv/error.h"

#ifndef SEEDS
#define SEEDS 200
#endif
#define STEPS 80
#define MAX_HEIGHT 700
#define MAX_DEPTH 20
#define WIDE 64 /* a look-ahead that every payment is within */
#define JUMP 30 /* indexes beyond the window that payments reach */

#define XPUB                                                                                       \
    "tpubDCwf7iLkApvAxZE8pJckS47pkp3oxUjAcRKVH3oo8RBri2GmxTum8uXGvm2ukTeD5PgHUbWKXH8h6WXznjLjmm"   \
    "WiQizU1dVk2aFJTz212Li"
static const char *const chain_texts[MODEL_CHAINS] = {"wpkh(" XPUB "/0/*)", "wpkh(" XPUB "/1/*)",
                                                      "pkh(" XPUB "/7/*)"};

struct chain_block {
    struct built_block built; /* bytes NULL: nothing in it */
    struct built_tx coinbase; /* bytes NULL: the model has it */
    struct spv_point point;
    int txs[MODEL_TXS];
    size_t n;
};

struct world {
    struct model m;
    struct test_random r, key;
    struct spv_wallet_config cfg;
    struct spv_wallet *wallet;
    struct row_store store;
    struct chain_block *best[MAX_HEIGHT];
    uint32_t salt;
    bool wide; /* else rescans are done after each block, and there is only the best chain */
};

static struct spv_derived_scripts scripts[MODEL_CHAINS];
static const uint8_t foreign_script[] = {0x51, 0x52, 0x53};
static struct spv_now now = {.unix_s = 1800000000};

static uint64_t below(struct world *w, uint64_t n)
{
    return test_random_below(&w->r, n);
}

static bool chance(struct world *w, unsigned percent)
{
    return below(w, 100) < percent;
}

/* ---- transactions ---- */

static bool is_confirmed(const struct world *w, int t)
{
    return w->m.txs[t].height != SPV_NO_HEIGHT;
}

static void choose_output(struct world *w, struct model_output *o)
{
    const uint32_t beyond = chance(w, 15) ? JUMP : 0;
    uint64_t index;

    *o = (struct model_output){.chain = FOREIGN, .value = (int64_t)(1000 + below(w, 1000000))};
    if (chance(w, 35))
        return;
    o->chain = (int)below(w, MODEL_CHAINS);
    index = below(w, w->m.used[o->chain] + w->m.watches[0].gap + beyond);
    o->index = (uint32_t)(index < MODEL_INDEXES ? index : MODEL_INDEXES - 1);
}

static bool is_used_input(const struct model_tx *tx, const struct model_input *in)
{
    for (size_t i = 0; i < tx->n_inputs; i++)
        if (memcmp(&tx->inputs[i].outpoint, &in->outpoint, sizeof in->outpoint) == 0)
            return true;
    return false;
}

static void choose_input(struct world *w, struct model_tx *tx, bool confirmed)
{
    struct model_input in = {.tx = FOREIGN};

    for (int tries = 0; w->m.n > 0 && tries < 4 && chance(w, 80); tries++) {
        const int t = (int)below(w, (uint64_t)w->m.n);
        const uint32_t vout = (uint32_t)below(w, w->m.txs[t].n_outputs);
        if (!w->m.txs[t].seen || &w->m.txs[t] == tx || w->m.txs[t].outputs[vout].chain == FOREIGN ||
            (confirmed && !is_confirmed(w, t)))
            continue;
        in.tx = t;
        in.outpoint.prev = w->m.txs[t].built.txid;
        in.outpoint.vout = vout;
        break;
    }
    if (in.tx == FOREIGN)
        test_random_fill(&w->r, &in.outpoint, sizeof in.outpoint);
    if (!is_used_input(tx, &in))
        tx->inputs[tx->n_inputs++] = in;
}

/* A wallet looks only at what concerns it. */
static bool concerns(const struct world *w, const struct model_tx *tx)
{
    for (size_t i = 0; i < tx->n_outputs; i++)
        if (tx->outputs[i].chain != FOREIGN)
            return true;
    for (size_t i = 0; i < tx->n_inputs; i++)
        if (tx->inputs[i].tx != FOREIGN &&
            w->m.txs[tx->inputs[i].tx].outputs[tx->inputs[i].outpoint.vout].chain != FOREIGN)
            return true;
    return false;
}

static void serialise(struct world *w, struct model_tx *tx)
{
    struct built_input inputs[MODEL_INPUTS];
    struct built_output outputs[MODEL_OUTPUTS];
    const struct built_spec spec = {.inputs = inputs,
                                    .n_inputs = tx->n_inputs,
                                    .outputs = outputs,
                                    .n_outputs = tx->n_outputs,
                                    .lock_time = ++w->salt,
                                    .witness = w->salt % 2 == 0};

    for (size_t i = 0; i < tx->n_inputs; i++)
        inputs[i] = tx->inputs[i].outpoint;
    for (size_t i = 0; i < tx->n_outputs; i++) {
        const struct model_output *o = &tx->outputs[i];
        outputs[i].value = o->value;
        outputs[i].script = (struct spv_bytes){.bytes = foreign_script, .n = sizeof foreign_script};
        if (o->chain != FOREIGN)
            outputs[i].script = scripts[o->chain].scripts[o->index].script;
    }
    build_tx(&tx->built, &spec);
}

enum purpose { COINBASE, IN_BLOCK, UNCONFIRMED };

/* Makes a transaction; rival: one whose first input it spends as well, or FOREIGN. Returns FOREIGN
 * when the model is full. */
static int make_tx(struct world *w, enum purpose purpose, int rival)
{
    struct model_tx *tx = &w->m.txs[w->m.n];
    const size_t n_inputs = purpose == COINBASE ? 0 : 1 + below(w, MODEL_INPUTS);

    if (w->m.n == MODEL_TXS)
        return FOREIGN;
    *tx = (struct model_tx){.coinbase = purpose == COINBASE, .height = SPV_NO_HEIGHT};
    if (rival != FOREIGN)
        tx->inputs[tx->n_inputs++] = w->m.txs[rival].inputs[0];
    while (tx->n_inputs < n_inputs)
        choose_input(w, tx, purpose == IN_BLOCK);
    tx->n_outputs = 1 + below(w, MODEL_OUTPUTS);
    for (size_t i = 0; i < tx->n_outputs; i++)
        choose_output(w, &tx->outputs[i]);
    if (!concerns(w, tx))
        tx->outputs[0] = (struct model_output){.chain = 0, .value = 5000};
    serialise(w, tx);
    return w->m.n++;
}

static void set_seen(struct world *w, int t)
{
    if (!w->m.txs[t].seen)
        w->m.txs[t].seen = ++w->m.n_seen;
}

static int find_pending(struct world *w)
{
    for (int tries = 0; w->m.n > 0 && tries < 20; tries++) {
        const int t = (int)below(w, (uint64_t)w->m.n);
        if (w->m.txs[t].seen && !is_confirmed(w, t) && !w->m.txs[t].coinbase)
            return t;
    }
    return FOREIGN;
}

/* ---- unconfirmed ones ---- */

static void receive(struct world *w, int rival)
{
    const int t = make_tx(w, UNCONFIRMED, rival);
    const unsigned group = (unsigned)below(w, 4);
    const struct spv_tx_source source = {.peer = (uint64_t)t + 1, .group = group};

    if (t == FOREIGN)
        return;
    assert_int_equal(spv_wallet_receive(w->wallet, &w->m.txs[t].built.tx, &source, now), 1);
    set_seen(w, t);
    w->m.txs[t].groups |= 1u << group;
}

static void announce(struct world *w)
{
    const int t = find_pending(w);
    const unsigned group = (unsigned)below(w, 4);
    const struct spv_tx_source source = {.peer = 1, .group = group};

    if (t == FOREIGN)
        return;
    assert_int_equal(spv_wallet_announced(w->wallet, &w->m.txs[t].built.txid, &source, now), 1);
    w->m.txs[t].groups |= 1u << group;
}

static void publish(struct world *w)
{
    const int pending = find_pending(w);
    const int t = pending != FOREIGN && chance(w, 30) ? pending : make_tx(w, UNCONFIRMED, FOREIGN);

    if (t == FOREIGN)
        return;
    if (w->m.txs[t].published && chance(w, 50)) {
        assert_int_equal(spv_wallet_withdraw(w->wallet, &w->m.txs[t].built.txid, now), 0);
        w->m.txs[t].published = false;
        return;
    }
    assert_int_equal(spv_wallet_publish(w->wallet, &w->m.txs[t].built.tx, now), 0);
    set_seen(w, t);
    w->m.txs[t].published = true;
}

/* ---- blocks ---- */

static bool fits_chain(const struct world *w, int t)
{
    const struct model_tx *tx = &w->m.txs[t];

    for (size_t i = 0; i < tx->n_inputs; i++) {
        if (tx->inputs[i].tx != FOREIGN && !is_confirmed(w, tx->inputs[i].tx))
            return false;
        for (int o = 0; o < w->m.n; o++)
            if (o != t && is_confirmed(w, o) && is_used_input(&w->m.txs[o], &tx->inputs[i]))
                return false;
    }
    return true;
}

static void include(struct world *w, struct chain_block *b, int t)
{
    w->m.txs[t].height = b->point.height;
    w->m.txs[t].position = (uint32_t)b->n + (b->coinbase.bytes != NULL);
    b->txs[b->n++] = t;
}

static void fill_block(struct world *w, struct chain_block *b)
{
    const int coinbase = chance(w, 25) ? make_tx(w, COINBASE, FOREIGN) : FOREIGN;
    const struct built_output out = {.script = {foreign_script, sizeof foreign_script}, .value = 1};
    const int n = w->m.n;

    if (coinbase == FOREIGN)
        build_tx(&b->coinbase,
                 &(struct built_spec){.outputs = &out, .n_outputs = 1, .lock_time = ++w->salt});
    else
        include(w, b, coinbase);
    for (int t = 0; t < n; t++)
        if (w->m.txs[t].seen && !is_confirmed(w, t) && !w->m.txs[t].coinbase && chance(w, 25) &&
            fits_chain(w, t))
            include(w, b, t);
    for (uint64_t i = below(w, 4); i > 0; i--) {
        const int t = make_tx(w, IN_BLOCK, chance(w, 20) ? find_pending(w) : FOREIGN);
        if (t != FOREIGN && fits_chain(w, t)) {
            include(w, b, t);
        } else if (t != FOREIGN) {
            built_tx_free(&w->m.txs[t].built);
            w->m.n--;
        }
    }
}

static void build(struct world *w, struct chain_block *b)
{
    const struct built_tx *txs[MODEL_TXS + 1];
    size_t n = 0;

    if (b->coinbase.bytes)
        txs[n++] = &b->coinbase;
    for (size_t i = 0; i < b->n; i++)
        txs[n++] = &w->m.txs[b->txs[i]].built;
    build_block(&b->built, b->point.height, ++w->salt, txs, n);
    b->point = b->built.in.point;
}

/* As from a peer that serves filtered blocks: the transactions without the others. */
static void connect_proven(struct world *w, const struct chain_block *b)
{
    struct spv_wallet_block in = b->built.in;
    struct spv_proven_tx *txs = calloc(b->n + 1, sizeof *txs);

    assert_non_null(txs);
    for (size_t i = 0; i < b->n; i++)
        txs[i] = (struct spv_proven_tx){.tx = w->m.txs[b->txs[i]].built.tx,
                                        .position = w->m.txs[b->txs[i]].position};
    in.whole = NULL;
    in.txs = txs;
    in.n_txs = b->n;
    assert_int_equal(spv_wallet_connect(w->wallet, &in), 0);
    free(txs);
}

static void connect(struct world *w, struct chain_block *b)
{
    w->m.height = b->point.height;
    w->best[b->point.height] = b;
    for (size_t i = 0; i < b->n; i++)
        set_seen(w, b->txs[i]);
    if (!b->built.bytes || chance(w, 70))
        assert_int_equal(
            spv_wallet_connect(w->wallet, b->built.bytes
                                              ? &b->built.in
                                              : &(struct spv_wallet_block){.point = b->point}),
            0);
    else
        connect_proven(w, b);
}

static void search_past(struct world *w)
{
    struct spv_rescan_range ranges[MODEL_WATCHES * MODEL_CHAINS];
    uint64_t next;
    size_t n;

    do {
        next = 0;
        n = 0;
        while (spv_wallet_next_rescan(w->wallet, &next, &ranges[n]))
            n++;
        for (uint32_t h = 1; n > 0 && h <= w->m.height; h++)
            if (w->best[h] && w->best[h]->built.bytes)
                assert_int_equal(spv_wallet_rescan_block(w->wallet, &w->best[h]->built.in), 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(spv_wallet_rescan_done(w->wallet, &ranges[i]), 0);
    } while (n > 0);
}

/* Mines one block; or skips many in which nothing is. */
static void mine(struct world *w)
{
    struct chain_block *b = calloc(1, sizeof *b);
    const bool skip = chance(w, 15);

    assert_non_null(b);
    b->point.height = w->m.height + 1 + (skip ? (uint32_t)below(w, 60) : 0);
    if (b->point.height >= MAX_HEIGHT) {
        free(b);
        return;
    }
    if (!skip) {
        fill_block(w, b);
        build(w, b);
    }
    connect(w, b);
    if (!w->wide)
        search_past(w);
}

static void free_block(struct chain_block *b)
{
    if (!b)
        return;
    built_block_free(&b->built);
    built_tx_free(&b->coinbase);
    free(b);
}

static void reorganise(struct world *w)
{
    const uint32_t tip = w->m.height, most = tip < MAX_DEPTH ? tip : MAX_DEPTH;
    const uint32_t fork = tip - (most == 0 ? 0 : 1 + (uint32_t)below(w, most));
    const bool step_by_step = chance(w, 50), same = chance(w, 20);
    struct chain_block *removed[MAX_DEPTH + 1] = {NULL};

    for (uint32_t h = tip; h > fork; h--) {
        const struct spv_point point = {.height = h - 1};
        removed[h - fork - 1] = w->best[h];
        w->best[h] = NULL;
        for (int t = 0; t < w->m.n; t++) {
            if (w->m.txs[t].height != h)
                continue;
            w->m.txs[t].height = SPV_NO_HEIGHT;
            w->m.txs[t].was_confirmed = true;
        }
        if (step_by_step || h == fork + 1)
            assert_int_equal(spv_wallet_disconnect(w->wallet, &point, now), 0);
    }
    w->m.height = fork;
    for (uint32_t i = 0; i < MAX_DEPTH; i++) {
        struct chain_block *b = removed[i];
        for (size_t k = 0; b && same && k < b->n; k++)
            w->m.txs[b->txs[k]].height = b->point.height;
        if (b && same)
            connect(w, b);
        else
            free_block(b);
    }
    for (uint32_t i = fork; !same && i <= tip; i++)
        mine(w);
}

/* ---- the rest ---- */

static void watch_chain(struct world *w, int i, const char *text, uint32_t gap)
{
    const struct spv_watch_target watch = {
        .kind = SPV_WATCH_DESCRIPTOR, .descriptor = text, .gap = gap};

    assert_int_equal(spv_wallet_watch(w->wallet, &w->m.watches[i].id, NULL, &watch), 0);
    w->m.watches[i].active = true;
}

static void setup_watches(struct world *w)
{
    struct spv_watch_target script = {.kind = SPV_WATCH_SCRIPT,
                                      .script = scripts[1].scripts[4].script};

    w->m.watches[0] =
        (struct model_watch){.chains = {true, true, false}, .gap = 5, .script_chain = FOREIGN};
    w->m.watches[1] =
        (struct model_watch){.chains = {false, false, true}, .gap = 3, .script_chain = FOREIGN};
    w->m.watches[2] = (struct model_watch){
        .chains = {true, false, false}, .gap = 2 + (uint32_t)below(w, 6), .script_chain = FOREIGN};
    w->m.watches[3] = (struct model_watch){.active = true, .script_chain = 1, .script_index = 4};
    watch_chain(w, 0, "wpkh(" XPUB "/<0;1>/*)", 5);
    watch_chain(w, 1, chain_texts[2], 3);
    assert_int_equal(spv_wallet_watch(w->wallet, &w->m.watches[3].id, NULL, &script), 0);
}

static void watch_late(struct world *w)
{
    if (w->m.watches[2].active)
        return;
    watch_chain(w, 2, chain_texts[0], w->m.watches[2].gap);
    search_past(w);
}

static void reserve_index(struct world *w)
{
    const uint32_t branch = (uint32_t)below(w, 2);
    struct model_watch *watch = &w->m.watches[0];
    uint32_t index;

    if (w->m.used[branch] > MODEL_INDEXES / 2)
        return;
    assert_int_equal(spv_wallet_reserve_index(w->wallet, &index, watch->id, branch), 0);
    if (index + 1 + watch->gap > watch->window[branch])
        watch->window[branch] = index + 1 + watch->gap;
}

static void commit(struct world *w)
{
    row_store_apply(&w->store, w->wallet);
    if (!chance(w, 20))
        return;
    spv_wallet_free(w->wallet);
    w->wallet = row_store_load(&w->store, &w->cfg);
}

static void step(struct world *w)
{
    const uint64_t what = below(w, 100);

    if (what < 25 || !w->wide)
        mine(w);
    else if (what < 40)
        receive(w, FOREIGN);
    else if (what < 60)
        receive(w, find_pending(w));
    else if (what < 75)
        announce(w);
    else if (what < 87)
        publish(w);
    else if (what < 92)
        reorganise(w);
    else if (what < 97)
        reserve_index(w);
    else
        watch_late(w);
    if (!w->wide && what < 10)
        reserve_index(w);
    if (!w->wide && what > 95)
        watch_late(w);
    if (!w->wide)
        search_past(w);
}

static void run_seed(uint64_t seed)
{
    struct world *w = calloc(1, sizeof *w);

    assert_non_null(w);
    w->r.state = w->key.state = seed;
    w->wide = chance(w, 70);
    w->cfg = (struct spv_wallet_config){.rng = test_random_rng(&w->key),
                                        .networks = SPV_NETWORK_BIT(SPV_REGTEST),
                                        .lookahead = w->wide ? WIDE : (uint32_t)below(w, 4)};
    assert_int_equal(spv_wallet_new(&w->wallet, &w->cfg), 0);
    setup_watches(w);
    for (int i = 0; i < STEPS; i++) {
        step(w);
        if (chance(w, 60))
            commit(w);
        if (chance(w, 25) || i == STEPS - 1)
            model_check(&w->m, w->wallet);
        else
            model_windows(&w->m);
    }
    commit(w);
    row_store_check(&w->store, w->wallet, &w->cfg);
    spv_wallet_free(w->wallet);
    row_store_free(&w->store);
    for (int t = 0; t < w->m.n; t++)
        built_tx_free(&w->m.txs[t].built);
    for (int h = 0; h < MAX_HEIGHT; h++)
        free_block(w->best[h]);
    free(w);
}

static void wallet_says_what_the_model_says(void **state)
{
    const char *one = getenv("SPV_SIM_SEED"), *many = getenv("SPV_SIM_SEEDS");
    const uint64_t n = many ? strtoull(many, NULL, 10) : SEEDS;

    (void)state;
    if (one) {
        run_seed(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= n; seed++) {
        printf("seed %llu\r", (unsigned long long)seed);
        (void)fflush(stdout);
        run_seed(seed);
    }
}

static int setup(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_CHAINS; i++) {
        struct spv_descriptor *descriptor;
        assert_int_equal(spv_descriptor_parse(&descriptor, NULL, chain_texts[i],
                                              strlen(chain_texts[i]), SPV_ANY_NETWORK,
                                              SPV_DESCRIPTOR_CHECKSUM_OPTIONAL),
                         0);
        assert_int_equal(spv_descriptor_derive(&scripts[i], descriptor, 0, 0, MODEL_INDEXES), 0);
        spv_descriptor_free(descriptor);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_CHAINS; i++)
        spv_derived_scripts_free(&scripts[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(wallet_says_what_the_model_says)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
