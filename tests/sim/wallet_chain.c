#include "wallet_chain.h"

#include "spv/descriptor.h"
#include "spv/network.h"

#define JUMP 30 /* indexes beyond the window that payments reach */
#define MAX_BLOCK 8 /* transactions */

const char *const wallet_chain_texts[MODEL_CHAINS] = {
    "wpkh(" WALLET_XPUB "/0/*)", "wpkh(" WALLET_XPUB "/1/*)", "pkh(" WALLET_XPUB "/7/*)"};

static struct spv_derived_scripts scripts[MODEL_CHAINS];
static const uint8_t foreign_bytes[] = {0x51, 0x52, 0x53};
static const struct spv_bytes foreign_script = {foreign_bytes, sizeof foreign_bytes};

int wallet_chain_setup(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_CHAINS; i++) {
        struct spv_descriptor *descriptor;
        assert_int_equal(spv_descriptor_parse(&descriptor, NULL, wallet_chain_texts[i],
                                              strlen(wallet_chain_texts[i]), SPV_ANY_NETWORK,
                                              SPV_DESCRIPTOR_CHECKSUM_OPTIONAL),
                         0);
        assert_int_equal(spv_descriptor_derive(&scripts[i], descriptor, 0, 0, MODEL_INDEXES), 0);
        spv_descriptor_free(descriptor);
    }
    return 0;
}

int wallet_chain_teardown(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_CHAINS; i++)
        spv_derived_scripts_free(&scripts[i]);
    return 0;
}

void wallet_chain_init(struct wallet_chain *w, uint64_t seed)
{
    w->r.state = seed;
    sim_blocks_init(&w->chains[0], spv_params_get(SPV_REGTEST));
    w->n = 1;
}

void wallet_chain_free(struct wallet_chain *w)
{
    for (size_t i = 0; i < w->n; i++)
        sim_blocks_free(&w->chains[i]);
    for (int t = 0; t < w->m.n; t++)
        built_tx_free(&w->m.txs[t].built);
}

struct sim_blocks *wallet_chain_best(struct wallet_chain *w)
{
    return &w->chains[w->n - 1];
}

bool wallet_chain_is_full(const struct wallet_chain *w)
{
    return w->n == WALLET_CHAINS;
}

uint64_t wallet_chain_below(struct wallet_chain *w, uint64_t n)
{
    return test_random_below(&w->r, n);
}

bool wallet_chain_chance(struct wallet_chain *w, unsigned percent)
{
    return wallet_chain_below(w, 100) < percent;
}

/* ---- transactions ---- */

static bool is_confirmed(const struct wallet_chain *w, int t)
{
    return w->m.txs[t].height != SPV_NO_HEIGHT;
}

static void choose_output(struct wallet_chain *w, struct model_output *o)
{
    const uint32_t beyond = wallet_chain_chance(w, 15) ? JUMP : 0;
    uint64_t index;

    *o = (struct model_output){.chain = FOREIGN,
                               .value = (int64_t)(1000 + wallet_chain_below(w, 1000000))};
    if (wallet_chain_chance(w, 35))
        return;
    o->chain = (int)wallet_chain_below(w, MODEL_CHAINS);
    index = wallet_chain_below(w, w->m.used[o->chain] + w->m.watches[0].gap + beyond);
    o->index = (uint32_t)(index < MODEL_INDEXES ? index : MODEL_INDEXES - 1);
}

static bool has_input(const struct model_tx *tx, const struct model_input *in)
{
    for (size_t i = 0; i < tx->n_inputs; i++)
        if (memcmp(&tx->inputs[i].outpoint, &in->outpoint, sizeof in->outpoint) == 0)
            return true;
    return false;
}

static void choose_input(struct wallet_chain *w, struct model_tx *tx)
{
    struct model_input in = {.tx = FOREIGN};

    for (int tries = 0; w->m.n > 0 && tries < 4 && wallet_chain_chance(w, 80); tries++) {
        const int t = (int)wallet_chain_below(w, (uint64_t)w->m.n);
        const uint32_t vout = (uint32_t)wallet_chain_below(w, w->m.txs[t].n_outputs);
        if (w->m.txs[t].outputs[vout].chain == FOREIGN || !is_confirmed(w, t))
            continue;
        in.tx = t;
        in.outpoint.prev = w->m.txs[t].built.txid;
        in.outpoint.vout = vout;
        break;
    }
    if (in.tx == FOREIGN)
        test_random_fill(&w->r, &in.outpoint, sizeof in.outpoint);
    if (!has_input(tx, &in))
        tx->inputs[tx->n_inputs++] = in;
}

static struct spv_bytes script_of(const struct model_output *o)
{
    return o->chain == FOREIGN ? foreign_script : scripts[o->chain].scripts[o->index].script;
}

static void serialise(struct wallet_chain *w, struct model_tx *tx)
{
    struct built_input inputs[MODEL_INPUTS];
    struct built_output outputs[MODEL_OUTPUTS];

    for (size_t i = 0; i < tx->n_inputs; i++)
        inputs[i] = tx->inputs[i].outpoint;
    for (size_t i = 0; i < tx->n_outputs; i++)
        outputs[i] = (struct built_output){.script = script_of(&tx->outputs[i]),
                                           .value = tx->outputs[i].value};
    build_tx(&tx->built, &(struct built_spec){.inputs = inputs,
                                              .n_inputs = tx->n_inputs,
                                              .outputs = outputs,
                                              .n_outputs = tx->n_outputs,
                                              .lock_time = ++w->salt});
}

/* Makes a transaction; rival: one whose first input it spends as well, or FOREIGN. */
static int make_tx(struct wallet_chain *w, bool coinbase, int rival)
{
    struct model_tx *tx = &w->m.txs[w->m.n];
    const size_t n_inputs = coinbase ? 0 : 1 + wallet_chain_below(w, MODEL_INPUTS);

    if (w->m.n == MODEL_TXS)
        return FOREIGN;
    *tx = (struct model_tx){.coinbase = coinbase, .height = SPV_NO_HEIGHT};
    if (rival != FOREIGN)
        tx->inputs[tx->n_inputs++] = w->m.txs[rival].inputs[0];
    while (tx->n_inputs < n_inputs)
        choose_input(w, tx);
    tx->n_outputs = 1 + wallet_chain_below(w, MODEL_OUTPUTS);
    for (size_t i = 0; i < tx->n_outputs; i++)
        choose_output(w, &tx->outputs[i]);
    if (rival != FOREIGN || wallet_chain_chance(w, 30)) {
        tx->outputs[0].chain = 0;
        tx->outputs[0].index = 0;
    }
    serialise(w, tx);
    return w->m.n++;
}

/* One that was in a block that left. */
static int find_stale(struct wallet_chain *w)
{
    for (int tries = 0; w->m.n > 0 && tries < 20; tries++) {
        const int t = (int)wallet_chain_below(w, (uint64_t)w->m.n);
        if (!is_confirmed(w, t) && !w->m.txs[t].coinbase)
            return t;
    }
    return FOREIGN;
}

/* It pays a script that is in every window. */
static bool is_sure(const struct model_tx *tx)
{
    return tx->outputs[0].chain == 0 && tx->outputs[0].index == 0;
}

/* A wallet knows of a conflict only when both transactions concern it. */
static bool may_conflict(const struct wallet_chain *w, int a, int b)
{
    return is_sure(&w->m.txs[a]) && is_sure(&w->m.txs[b]);
}

static bool fits_chain(const struct wallet_chain *w, int t)
{
    const struct model_tx *tx = &w->m.txs[t];

    for (size_t i = 0; i < tx->n_inputs; i++) {
        if (tx->inputs[i].tx != FOREIGN && !is_confirmed(w, tx->inputs[i].tx))
            return false;
        for (int o = 0; o < w->m.n; o++)
            if (o != t && has_input(&w->m.txs[o], &tx->inputs[i]) &&
                (is_confirmed(w, o) || !may_conflict(w, t, o)))
                return false;
    }
    return true;
}

/* ---- blocks ---- */

struct draft {
    struct spv_bytes txs[MAX_BLOCK];
    struct spv_bytes spent[MAX_BLOCK * MODEL_INPUTS];
    size_t n, n_spent;
    uint32_t height;
};

static void include(struct wallet_chain *w, struct draft *d, int t)
{
    struct model_tx *tx = &w->m.txs[t];

    tx->height = d->height;
    tx->position = (uint32_t)d->n;
    tx->seen = ++w->m.n_seen;
    d->txs[d->n++] = (struct spv_bytes){tx->built.bytes, tx->built.tx.n};
    for (size_t i = 0; i < tx->n_inputs; i++) {
        const struct model_input *in = &tx->inputs[i];
        d->spent[d->n_spent++] = in->tx == FOREIGN
                                     ? foreign_script
                                     : script_of(&w->m.txs[in->tx].outputs[in->outpoint.vout]);
    }
}

static void mine(struct wallet_chain *w, struct sim_blocks *chain)
{
    const struct built_output out = {.script = foreign_script, .value = 1};
    struct draft d = {.height = (uint32_t)chain->store.n};
    const int coinbase = wallet_chain_chance(w, 15) ? make_tx(w, true, FOREIGN) : FOREIGN;
    struct built_tx foreign = {.bytes = NULL};

    if (coinbase != FOREIGN) {
        include(w, &d, coinbase);
    } else {
        build_tx(&foreign,
                 &(struct built_spec){.outputs = &out, .n_outputs = 1, .lock_time = ++w->salt});
        d.txs[d.n++] = (struct spv_bytes){foreign.bytes, foreign.tx.n};
    }
    for (int t = 0; t < w->m.n && d.n < MAX_BLOCK - 3; t++)
        if (!is_confirmed(w, t) && !w->m.txs[t].coinbase && wallet_chain_chance(w, 15) &&
            fits_chain(w, t))
            include(w, &d, t);
    for (uint64_t i = wallet_chain_below(w, 3); i > 0; i--) {
        const int t = make_tx(w, false, wallet_chain_chance(w, 20) ? find_stale(w) : FOREIGN);
        if (t != FOREIGN && fits_chain(w, t)) {
            include(w, &d, t);
        } else if (t != FOREIGN) {
            built_tx_free(&w->m.txs[t].built);
            w->m.n--;
        }
    }
    sim_blocks_put(chain, d.txs, d.n, d.spent, d.n_spent, test_random_next(&w->r));
    built_tx_free(&foreign);
    w->m.height = d.height;
    model_windows(&w->m);
}

void wallet_chain_grow(struct wallet_chain *w, uint32_t depth, uint32_t n)
{
    const struct sim_blocks *old = wallet_chain_best(w);
    const uint32_t fork = (uint32_t)old->store.n - 1 - depth;
    struct sim_blocks *chain = &w->chains[w->n++];

    assert_true(w->n <= WALLET_CHAINS);
    sim_blocks_fork(chain, old, fork, &(struct sim_blocks_plan){.n = 0});
    for (int t = 0; t < w->m.n; t++) {
        if (w->m.txs[t].height == SPV_NO_HEIGHT || w->m.txs[t].height <= fork)
            continue;
        w->m.txs[t].height = SPV_NO_HEIGHT;
        w->m.txs[t].was_confirmed = true;
    }
    for (uint32_t i = 0; i < n; i++)
        mine(w, chain);
}
