#include "wallet_model.h"

#define ANY_WATCH (-1)
#define BELIEF 2

/* ---- windows ---- */

static bool in_watch(const struct model_watch *w, const struct model_output *o)
{
    if (!w->active || o->chain == FOREIGN)
        return false;
    if (w->script_chain != FOREIGN)
        return w->script_chain == o->chain && w->script_index == o->index;
    return w->chains[o->chain] && o->index < w->window[o->chain];
}

bool model_is_ours(const struct model *m, const struct model_output *o, int watch)
{
    for (int i = 0; i < MODEL_WATCHES; i++)
        if ((watch == ANY_WATCH || watch == i) && in_watch(&m->watches[i], o))
            return true;
    return false;
}

/* Moves the windows beyond what is used. Returns whether one moved. */
static bool move_windows(struct model *m)
{
    bool moved = false;

    for (int t = 0; t < m->n; t++) {
        for (size_t o = 0; m->txs[t].seen && o < m->txs[t].n_outputs; o++) {
            const struct model_output *out = &m->txs[t].outputs[o];
            for (int i = 0; i < MODEL_WATCHES; i++) {
                struct model_watch *w = &m->watches[i];
                if (w->script_chain != FOREIGN || !in_watch(w, out))
                    continue;
                if (out->index + 1 > m->used[out->chain])
                    m->used[out->chain] = out->index + 1;
                if (out->index + 1 + w->gap <= w->window[out->chain])
                    continue;
                w->window[out->chain] = out->index + 1 + w->gap;
                moved = true;
            }
        }
    }
    return moved;
}

void model_windows(struct model *m)
{
    for (int i = 0; i < MODEL_WATCHES; i++)
        for (int c = 0; c < MODEL_CHAINS; c++)
            if (m->watches[i].window[c] < m->watches[i].gap)
                m->watches[i].window[c] = m->watches[i].gap;
    while (move_windows(m))
        ;
}

/* ---- states ---- */

static bool is_confirmed(const struct model_tx *t)
{
    return t->height != SPV_NO_HEIGHT;
}

static bool share_input(const struct model_tx *a, const struct model_tx *b)
{
    for (size_t i = 0; i < a->n_inputs; i++)
        for (size_t j = 0; j < b->n_inputs; j++)
            if (memcmp(&a->inputs[i].outpoint, &b->inputs[j].outpoint,
                       sizeof a->inputs[i].outpoint) == 0)
                return true;
    return false;
}

static bool is_believed(const struct model_tx *t)
{
    return t->published || t->was_confirmed || __builtin_popcount(t->groups) >= BELIEF;
}

/* Whether the predicate holds for a transaction or one of its unconfirmed ancestors. */
static bool holds_up(const struct model *m, int t, bool (*predicate)(const struct model *, int))
{
    if (is_confirmed(&m->txs[t]))
        return false;
    if (predicate(m, t))
        return true;
    for (size_t i = 0; i < m->txs[t].n_inputs; i++)
        if (m->txs[t].inputs[i].tx != FOREIGN && m->txs[m->txs[t].inputs[i].tx].seen &&
            holds_up(m, m->txs[t].inputs[i].tx, predicate))
            return true;
    return false;
}

static bool is_orphan(const struct model *m, int t)
{
    return m->txs[t].coinbase;
}

static bool has_confirmed_conflict(const struct model *m, int t)
{
    for (int o = 0; o < m->n; o++)
        if (o != t && is_confirmed(&m->txs[o]) && share_input(&m->txs[o], &m->txs[t]))
            return true;
    return false;
}

/* Adds a transaction and its unconfirmed ancestors to a set. */
static void add_family(const struct model *m, bool *set, int t)
{
    if (is_confirmed(&m->txs[t]) || !m->txs[t].seen)
        return;
    set[t] = true;
    for (size_t i = 0; i < m->txs[t].n_inputs; i++)
        if (m->txs[t].inputs[i].tx != FOREIGN)
            add_family(m, set, m->txs[t].inputs[i].tx);
}

/* Whether no two of a set spend the same output, and all in it may still be live. */
static bool can_live(const struct model *m, const unsigned *state, const bool *set)
{
    for (int a = 0; a < m->n; a++) {
        if (!set[a])
            continue;
        if (state[a] != MODEL_NOT_SEEN && state[a] != SPV_TX_UNCONFIRMED)
            return false;
        for (int b = 0; b < m->n; b++)
            if (a != b && (set[b] || (state[b] == SPV_TX_UNCONFIRMED)) &&
                share_input(&m->txs[a], &m->txs[b]))
                return false;
    }
    return true;
}

/* The first candidate that has no state yet: sufficiently announced ones first, then the last one
 * first seen. */
static int strongest(const struct model *m, const unsigned *state)
{
    int best = FOREIGN;

    for (int t = 0; t < m->n; t++) {
        if (!m->txs[t].seen || state[t] != MODEL_NOT_SEEN)
            continue;
        if (best == FOREIGN || is_believed(&m->txs[t]) > is_believed(&m->txs[best]) ||
            (is_believed(&m->txs[t]) == is_believed(&m->txs[best]) &&
             m->txs[t].seen > m->txs[best].seen))
            best = t;
    }
    return best;
}

static void judge_pending(struct model_view *v, const struct model *m)
{
    for (int t; (t = strongest(m, v->state)) != FOREIGN;) {
        bool family[MODEL_TXS] = {false};
        add_family(m, family, t);
        if (!can_live(m, v->state, family)) {
            v->state[t] = SPV_TX_REPLACED;
            continue;
        }
        for (int i = 0; i < m->n; i++)
            if (family[i])
                v->state[i] = SPV_TX_UNCONFIRMED;
    }
}

/* Parents are earlier in the list. */
static void judge_effects(struct model_view *v, const struct model *m)
{
    for (int t = 0; t < m->n; t++) {
        const struct model_tx *tx = &m->txs[t];
        bool ours = false, all_trusted = tx->published;
        v->effective[t] = v->trusted[t] = v->state[t] == SPV_TX_CONFIRMED;
        if (v->state[t] != SPV_TX_UNCONFIRMED)
            continue;
        v->effective[t] = true;
        for (size_t i = 0; i < tx->n_inputs; i++) {
            const int p = tx->inputs[i].tx;
            const bool input_ours =
                p != FOREIGN && m->txs[p].seen &&
                model_is_ours(m, &m->txs[p].outputs[tx->inputs[i].outpoint.vout], ANY_WATCH);
            ours = ours || input_ours;
            if (!input_ours || !v->trusted[p])
                all_trusted = false;
            if (p != FOREIGN && m->txs[p].seen && !v->effective[p])
                v->effective[t] = false;
        }
        if (ours && !is_believed(tx))
            v->effective[t] = false;
        v->trusted[t] = v->effective[t] && all_trusted;
    }
}

void model_view(struct model_view *v, const struct model *m)
{
    memset(v, 0, sizeof *v);
    for (int t = 0; t < m->n; t++) {
        if (!m->txs[t].seen)
            continue;
        if (is_confirmed(&m->txs[t]))
            v->state[t] = SPV_TX_CONFIRMED;
        else if (holds_up(m, t, is_orphan))
            v->state[t] = SPV_TX_ORPHANED;
        else if (holds_up(m, t, has_confirmed_conflict))
            v->state[t] = SPV_TX_CONFLICTED;
    }
    judge_pending(v, m);
    judge_effects(v, m);
}

/* ---- what the wallet must say ---- */

struct sums {
    int64_t received, spent, fee;
    bool visible;
};

static const struct model_output *spent_output(const struct model *m, const struct model_input *in)
{
    return in->tx == FOREIGN || !m->txs[in->tx].seen ? NULL
                                                     : &m->txs[in->tx].outputs[in->outpoint.vout];
}

static struct sums sum_up(const struct model *m, int t)
{
    const struct model_tx *tx = &m->txs[t];
    struct sums s = {.visible = tx->published};
    bool all = !tx->coinbase;
    int64_t paid = 0;

    for (size_t i = 0; i < tx->n_outputs; i++) {
        paid += tx->outputs[i].value;
        if (!model_is_ours(m, &tx->outputs[i], ANY_WATCH))
            continue;
        s.visible = true;
        s.received += tx->outputs[i].value;
    }
    for (size_t i = 0; i < tx->n_inputs; i++) {
        const struct model_output *o = spent_output(m, &tx->inputs[i]);
        if (!o || !model_is_ours(m, o, ANY_WATCH)) {
            all = false;
            continue;
        }
        s.visible = true;
        s.spent += o->value;
    }
    s.fee = all && s.spent >= paid ? s.spent - paid : -1;
    return s;
}

static int find_tx(const struct model *m, const struct spv_txid *txid)
{
    for (int t = 0; t < m->n; t++)
        if (memcmp(&m->txs[t].built.txid, txid, sizeof *txid) == 0)
            return t;
    fail_msg("the wallet has a transaction that the model has not");
    return 0;
}

static void check_history(const struct model *m, const struct model_view *v,
                          const struct spv_wallet *wallet)
{
    const struct spv_wallet_tx_row *row;
    uint64_t next = 0, before = 0;
    int expected = 0, n = 0;

    for (int t = 0; t < m->n; t++)
        expected += m->txs[t].seen && sum_up(m, t).visible;
    while (spv_wallet_next_tx(wallet, &next, &row)) {
        const int t = find_tx(m, &row->txid);
        const struct sums s = sum_up(m, t);
        const uint64_t place = row->block.height == SPV_NO_HEIGHT
                                   ? (UINT64_C(1) << 63) + row->id
                                   : (uint64_t)row->block.height << 32 | (row->position + 1);
        assert_int_equal(row->state, v->state[t]);
        assert_int_equal(row->block.height, m->txs[t].height);
        assert_true(s.visible);
        assert_int_equal(row->received, s.received);
        assert_int_equal(row->spent, s.spent);
        assert_int_equal(row->fee, s.fee);
        assert_true(place > before);
        before = place;
        n++;
    }
    assert_int_equal(n, expected);
}

/* Whether a transaction of such a state spends an output. */
static bool is_spent(const struct model *m, const struct model_view *v, int t, size_t vout,
                     bool confirmed)
{
    for (int s = 0; s < m->n; s++)
        for (size_t i = 0; i < m->txs[s].n_inputs; i++)
            if (m->txs[s].inputs[i].tx == t && m->txs[s].inputs[i].outpoint.vout == vout &&
                (confirmed ? v->state[s] == SPV_TX_CONFIRMED
                           : v->state[s] == SPV_TX_UNCONFIRMED && v->effective[s]))
                return true;
    return false;
}

static enum spv_balance_kind balance_of(const struct model *m, const struct model_view *v, int t,
                                        size_t vout)
{
    if (is_spent(m, v, t, vout, false) || !v->effective[t])
        return SPV_BALANCE_NONE;
    if (v->state[t] == SPV_TX_CONFIRMED)
        return m->txs[t].coinbase && m->height - m->txs[t].height + 1 < 101 ? SPV_BALANCE_IMMATURE
                                                                            : SPV_BALANCE_CONFIRMED;
    return v->trusted[t] ? SPV_BALANCE_TRUSTED_PENDING : SPV_BALANCE_UNTRUSTED_PENDING;
}

static void check_coins(const struct model *m, const struct model_view *v,
                        const struct spv_wallet *wallet)
{
    int64_t sums[MODEL_WATCHES + 1][SPV_BALANCE_KINDS] = {{0}};
    struct spv_wallet_balance_row balance;
    struct spv_wallet_coin coin;
    uint64_t next = 0;
    int expected = 0, n = 0;

    for (int t = 0; t < m->n; t++) {
        for (size_t o = 0; o < m->txs[t].n_outputs; o++) {
            if ((v->state[t] != SPV_TX_CONFIRMED && v->state[t] != SPV_TX_UNCONFIRMED) ||
                !model_is_ours(m, &m->txs[t].outputs[o], ANY_WATCH) || is_spent(m, v, t, o, true))
                continue;
            const enum spv_balance_kind kind = balance_of(m, v, t, o);
            expected++;
            for (int w = 0; w < MODEL_WATCHES && kind != SPV_BALANCE_NONE; w++)
                if (model_is_ours(m, &m->txs[t].outputs[o], w))
                    sums[w][kind] += m->txs[t].outputs[o].value;
            if (kind != SPV_BALANCE_NONE)
                sums[MODEL_WATCHES][kind] += m->txs[t].outputs[o].value;
        }
    }
    while (spv_wallet_next_coin(wallet, &next, &coin)) {
        const int t = find_tx(m, &coin.txid);
        assert_true(model_is_ours(m, &m->txs[t].outputs[coin.vout], ANY_WATCH));
        assert_int_equal(coin.balance, balance_of(m, v, t, coin.vout));
        assert_int_equal(coin.value, m->txs[t].outputs[coin.vout].value);
        assert_int_equal(coin.spent_unconfirmed, is_spent(m, v, t, coin.vout, false));
        n++;
    }
    assert_int_equal(n, expected);
    for (int w = 0; w <= MODEL_WATCHES; w++) {
        if (w < MODEL_WATCHES && !m->watches[w].active)
            continue;
        assert_int_equal(
            spv_wallet_balance(wallet, &balance, w == MODEL_WATCHES ? 0 : m->watches[w].id), 0);
        for (int f = 0; f < SPV_BALANCE_KINDS; f++)
            assert_int_equal(balance.amount[f], sums[w][f]);
    }
}

void model_check(struct model *m, const struct spv_wallet *wallet)
{
    static struct model_view v;

    model_windows(m);
    model_view(&v, m);
    check_history(m, &v, wallet);
    check_coins(m, &v, wallet);
}
