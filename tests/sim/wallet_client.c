#include "wallet_client.h"

#include "spv/network.h"

#define UNSEEN 1000000 /* an order of arrival after all others */

/* ---- what the client's store does ---- */

static void watch_chain(struct wallet_client *c, int i, const char *text)
{
    struct model_watch *w = &c->chain->m.watches[i];
    const struct spv_watch_target watch = {
        .kind = SPV_WATCH_DESCRIPTOR, .descriptor = text, .gap = w->gap};

    assert_int_equal(spv_wallet_watch(c->wallet, &w->id, NULL, &watch), 0);
}

static void watch_first(struct wallet_client *c)
{
    struct model_watch *script = &c->chain->m.watches[3];
    struct spv_watch_target target = {.kind = SPV_WATCH_SCRIPT};

    watch_chain(c, 0, "wpkh(" WALLET_XPUB "/<0;1>/*)");
    watch_chain(c, 1, wallet_chain_texts[2]);
    assert_int_equal(spv_wallet_script_at(c->wallet, &target.script, c->chain->m.watches[0].id,
                                          (uint32_t)script->script_chain, script->script_index),
                     0);
    uint8_t copy[64];
    memcpy(copy, target.script.bytes, target.script.n);
    target.script.bytes = copy;
    assert_int_equal(spv_wallet_watch(c->wallet, &script->id, NULL, &target), 0);
}

static struct spv_wallet *load(void *ctx)
{
    struct wallet_client *c = ctx;

    spv_wallet_free(c->wallet);
    if (c->store.n > 0) {
        c->wallet = row_store_load(&c->store, &c->cfg);
    } else {
        assert_int_equal(spv_wallet_new(&c->wallet, &c->cfg), 0);
        watch_first(c);
    }
    c->starts++;
    c->answered = c->last_request = 0;
    c->scanned.height = 0;
    return c->wallet;
}

static const char *store(void *ctx, const struct spv_wallet_update *update)
{
    struct wallet_client *c = ctx;

    row_store_update(&c->store, update);
    c->stores++;
    return NULL;
}

static struct spv_point stored_point(void *ctx)
{
    struct wallet_client *c = ctx;
    const struct spv_wallet_change *meta = row_store_find(&c->store, SPV_WALLET_ROW_META, 0, 0);

    return meta ? meta->row.meta.scanned : (struct spv_point){.height = SPV_NO_HEIGHT};
}

/* What was answered must survive everything from here on. */
static void take_answer(struct wallet_client *c, uint64_t request)
{
    if (request != c->answered + 1 || request > c->last_request) {
        sim_break(c->sim, "an answer to no request, or out of order");
        return;
    }
    c->answered = request;
    if (c->counts_answers_only)
        return;
    if (c->requests[request].is_reservation) {
        const uint32_t branch = c->requests[request].branch;
        const struct spv_wallet_change *row =
            row_store_find(&c->store, SPV_WALLET_ROW_BRANCH, c->chain->m.watches[0].id, branch);
        if (!row || row->row.branch.n_used <= c->requests[request].index)
            sim_break(c->sim, "an index was handed out that is not stored");
        if (c->reserved[branch] < c->requests[request].index + 1)
            c->reserved[branch] = c->requests[request].index + 1;
    } else if (!row_store_find(&c->store, SPV_WALLET_ROW_WATCH, c->chain->m.watches[2].id, 0)) {
        sim_break(c->sim, "a watch was answered that is not stored");
    }
}

static void event(void *ctx, const struct spv_wallet_event *e)
{
    struct wallet_client *c = ctx;

    switch (e->kind) {
    case SPV_WALLET_EVENT_CHANGED:
        if (e->revision < c->changed_revision)
            sim_break(c->sim, "revisions do not ascend");
        c->changed_revision = e->revision;
        break;
    case SPV_WALLET_EVENT_SCANNED:
        c->scanned = e->scanned;
        break;
    case SPV_WALLET_EVENT_ANSWER:
        take_answer(c, e->request);
        break;
    case SPV_WALLET_EVENT_ALARM:
        c->alarms[e->alarm]++;
        break;
    }
}

void wallet_client_init(struct wallet_client *c, struct sim *sim, struct wallet_chain *chain,
                        uint32_t lookahead)
{
    struct model *m = &chain->m;

    *c = (struct wallet_client){.sim = sim, .chain = chain, .random = {.state = chain->r.state}};
    c->cfg = (struct spv_wallet_config){.rng = test_random_rng(&c->random),
                                        .networks = SPV_NETWORK_BIT(SPV_REGTEST),
                                        .lookahead = lookahead};
    c->hooks = (struct sim_wallet){
        .ctx = c, .load = load, .store = store, .stored_point = stored_point, .event = event};
    m->watches[0] = (struct model_watch){
        .active = true, .chains = {true, true, false}, .gap = 5, .script_chain = FOREIGN};
    m->watches[1] = (struct model_watch){
        .active = true, .chains = {false, false, true}, .gap = 3, .script_chain = FOREIGN};
    m->watches[2] = (struct model_watch){.chains = {true, false, false},
                                         .gap = 2 + (uint32_t)wallet_chain_below(chain, 6),
                                         .script_chain = FOREIGN};
    m->watches[3] = (struct model_watch){.active = true, .script_chain = 1, .script_index = 4};
}

void wallet_client_start(struct wallet_client *c, const struct sim_client_config *cfg)
{
    struct sim_client_config copy = *cfg;

    copy.wallet = &c->hooks;
    c->client = sim_add_client(c->sim, &copy);
}

void wallet_client_free(struct wallet_client *c)
{
    spv_wallet_free(c->wallet);
    row_store_free(&c->store);
}

/* ---- requests ---- */

static bool has_late(const struct wallet_client *c)
{
    const uint64_t id = c->chain->m.watches[2].id;

    return id != 0 && row_store_find(&c->store, SPV_WALLET_ROW_WATCH, id, 0);
}

void wallet_client_watch_late(struct wallet_client *c)
{
    struct model_watch *w = &c->chain->m.watches[2];
    const struct spv_watch_target watch = {
        .kind = SPV_WATCH_DESCRIPTOR, .descriptor = wallet_chain_texts[0], .gap = w->gap};
    const uint64_t starts = c->starts;
    uint64_t request, id;

    if (has_late(c) || c->last_request == WALLET_REQUESTS)
        return;
    c->requests[++c->last_request].is_reservation = false;
    assert_int_equal(sim_client_watch(c->sim, c->client, &request, &w->id, &watch), 0);
    id = w->id;
    if (c->starts == starts && (request != c->last_request || id == 0))
        sim_break(c->sim, "requests are not counted");
}

void wallet_client_reserve_index(struct wallet_client *c, uint32_t branch)
{
    const struct spv_wallet_change *row =
        row_store_find(&c->store, SPV_WALLET_ROW_BRANCH, c->chain->m.watches[0].id, branch);
    const uint64_t next = c->last_request + 1;
    uint32_t index;
    uint64_t request;

    if (!row || next > WALLET_REQUESTS || row->row.branch.n_used > MODEL_INDEXES / 2)
        return;
    c->last_request = next;
    c->requests[next].is_reservation = true;
    c->requests[next].branch = branch;
    c->requests[next].index = row->row.branch.n_used; /* nothing is unstored between two inputs */
    assert_int_equal(sim_client_reserve_index(c->sim, c->client, &request, &index,
                                              c->chain->m.watches[0].id, branch),
                     0);
    assert_int_equal(index, c->requests[next].index);
}

/* ---- the end ---- */

bool wallet_client_done(struct sim *sim, void *client)
{
    const struct wallet_client *c = client;
    const struct spv_chain_header *tip = sim_store_tip(&wallet_chain_best(c->chain)->store);

    (void)sim;
    return c->scanned.height == tip->height && spv_blockhash_eq(&c->scanned.hash, &tip->hash) &&
           c->answered == c->last_request;
}

/* The row of a transaction with this place in the order of ids; 0: none. */
static int find_seen(const struct wallet_client *c, const struct spv_txid *txid)
{
    const uint64_t none = UINT64_MAX;
    uint64_t id = none;

    for (size_t i = 0; i < c->store.n; i++) {
        const struct spv_wallet_change *row = &c->store.rows[i].row;
        if (row->kind == SPV_WALLET_ROW_TX && row->row.tx.id < id &&
            memcmp(&row->row.tx.txid, txid, sizeof *txid) == 0)
            id = row->row.tx.id;
    }
    return id == none ? 0 : (int)id;
}

/* A transaction of a block that left pays scripts that were beyond the look-ahead when the block
 * was there: the blocks that are rescanned for them do not include this one. */
static void forget_unknown_outputs(struct wallet_client *c, struct model_tx *tx)
{
    for (uint32_t i = 0; i < tx->n_outputs; i++)
        if (!row_store_find(&c->store, SPV_WALLET_ROW_COIN, (uint64_t)tx->seen, i))
            tx->outputs[i].chain = FOREIGN;
}

/* What the wallet must know: every transaction of the chain, and those of blocks that left which it
 * has seen there. */
static void set_seen(struct wallet_client *c)
{
    struct model *m = &c->chain->m;

    for (int t = 0; t < m->n; t++) {
        struct model_tx *tx = &m->txs[t];
        tx->seen = find_seen(c, &tx->built.txid);
        if (tx->height != SPV_NO_HEIGHT && tx->seen == 0)
            tx->seen = UNSEEN + t;
        else if (tx->height == SPV_NO_HEIGHT && tx->seen != 0 && c->cfg.lookahead < WALLET_WIDE)
            forget_unknown_outputs(c, tx);
    }
}

void wallet_client_check(struct wallet_client *c)
{
    struct model *m = &c->chain->m;

    set_seen(c);
    memset(m->used, 0, sizeof m->used);
    m->watches[2].active = has_late(c);
    for (int i = 0; i < MODEL_WATCHES; i++)
        memset(m->watches[i].window, 0, sizeof m->watches[i].window);
    for (uint32_t branch = 0; branch < 2; branch++)
        m->watches[0].window[branch] = c->reserved[branch] + m->watches[0].gap;
    model_check(m, c->wallet);
    if (c->cfg.lookahead >= WALLET_WIDE) /* else loading finds what forget_unknown_outputs says */
        row_store_check(&c->store, c->wallet, &c->cfg);
}
