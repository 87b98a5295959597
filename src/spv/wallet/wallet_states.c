/* 1. Parents before children: each transaction is orphaned, conflicted, expired, or a candidate.
 * 2. Candidates, sufficiently announced ones first, then the most recently first-seen (highest id),
 * are tried together with their unconfirmed ancestors, as a mempool accepts packages: when none of
 * them spends what an accepted transaction spends, all become accepted; else the candidate is
 * replaced. So no two accepted ones conflict, and all ancestors of an accepted one are accepted.
 * 3. Parents first: whether each accepted one is in the balances, and whether it is trusted. */
#include "spv/wallet/wallet_states.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"

/* A pending transaction in an evaluation. */
struct tx_eval {
    uint32_t tx;
    uint32_t state; /* enum spv_tx_state; 0: it is a candidate */
    struct spv_txid conflict;
    bool in_balance, trusted;
};

/* One evaluation; the arrays have an entry for each pending transaction. */
struct evaluation {
    struct spv_wallet *w;
    struct tx_eval *evals; /* in order: parents before their children */
    size_t n;
    uint32_t *set; /* order: a stack of transactions; pass 2: a candidate and its ancestors */
    uint32_t *via; /* order: per stack entry the next spend; pass 2: index in `set` of the child of
                      each ancestor */
};

bool spv_wallet_has_enough_groups(const struct spv_wallet *w, const struct spv_tx_record *tx)
{
    return (tx->row.flags & (SPV_TX_FLAG_PUBLISHED | SPV_TX_FLAG_WAS_CONFIRMED)) != 0 ||
           tx->row.n_groups >= w->cfg.min_groups;
}

static struct tx_eval *eval_of(const struct evaluation *e, uint32_t tx)
{
    return &e->evals[e->w->txs[tx].eval_index];
}

static bool is_pending(const struct spv_wallet *w, uint32_t tx)
{
    return !spv_tx_is_confirmed(&w->txs[tx]);
}

/* The unconfirmed transaction whose output is spent; SPV_NO_INDEX: a confirmed or an unknown one.
 */
static uint32_t pending_parent(const struct spv_wallet *w, const struct spv_spend_record *spend)
{
    const uint32_t parent = spv_wallet_find_tx(w, &spend->prev);

    return parent != SPV_NO_INDEX && is_pending(w, parent) ? parent : SPV_NO_INDEX;
}

/* ---- the order ---- */

/* The next parent of a transaction that is not yet in the order; SPV_NO_INDEX: none. */
static uint32_t next_open_parent(const struct spv_wallet *w, uint32_t *next_spend)
{
    while (*next_spend != SPV_NO_INDEX) {
        const struct spv_spend_record *spend = &w->spends[*next_spend];
        const uint32_t parent = pending_parent(w, spend);
        *next_spend = spend->next;
        if (parent != SPV_NO_INDEX && w->txs[parent].eval_state == SPV_EVAL_OPEN)
            return parent;
    }
    return SPV_NO_INDEX;
}

/* Depth first, with a stack of our own: a chain may be a thousand transactions long. Txids make no
 * cycles. */
static void make_order(struct evaluation *e)
{
    struct spv_wallet *w = e->w;
    uint32_t *cursors = e->via; /* the next spend of each transaction on the stack */

    for (size_t i = 0; i < w->pending.n; i++)
        w->txs[w->pending.at[i]].eval_state = SPV_EVAL_OPEN;
    for (size_t i = 0; i < w->pending.n; i++) {
        uint32_t next = w->pending.at[i];
        size_t depth = 0;
        if (w->txs[next].eval_state != SPV_EVAL_OPEN)
            continue;
        do {
            if (next != SPV_NO_INDEX) {
                w->txs[next].eval_state = SPV_EVAL_CANDIDATE;
                cursors[depth] = w->txs[next].first_spend;
                e->set[depth++] = next;
            }
            next = next_open_parent(w, &cursors[depth - 1]);
            if (next == SPV_NO_INDEX) {
                const uint32_t tx = e->set[--depth];
                w->txs[tx].eval_index = (uint32_t)e->n;
                e->evals[e->n++] = (struct tx_eval){.tx = tx};
            }
        } while (next != SPV_NO_INDEX || depth > 0);
    }
}

/* ---- pass 1 ---- */

static bool find_confirmed_conflict(const struct spv_wallet *w, struct spv_txid *out, uint32_t tx,
                                    const struct spv_spend_record *spend)
{
    struct spv_probe_iter iter = spv_wallet_spenders(w, &spend->prev, spend->vout);
    uint32_t other;

    while (spv_wallet_next_spender(w, &iter, &spend->prev, spend->vout, &other)) {
        if (other != tx && !is_pending(w, other)) {
            *out = w->txs[other].row.txid;
            return true;
        }
    }
    return false;
}

/* Of several states the one that lasts longest has priority. */
static unsigned state_priority(uint32_t state)
{
    return state == SPV_TX_ORPHANED ? 3 : state == SPV_TX_CONFLICTED ? 2 : state == 0 ? 0 : 1;
}

static void eval_set_state(struct tx_eval *v, uint32_t state, const struct spv_txid *conflict)
{
    if (state_priority(state) <= state_priority(v->state))
        return;
    v->state = state;
    v->conflict = conflict ? *conflict : (struct spv_txid){.b = {0}};
}

static void eval_alone(struct evaluation *e, struct tx_eval *v)
{
    const struct spv_wallet *w = e->w;
    const struct spv_tx_record *tx = &w->txs[v->tx];
    struct spv_txid conflict;

    /* The block of the coinbase left the best chain, so its outputs do not exist. */
    if ((tx->row.flags & SPV_TX_FLAG_COINBASE) != 0)
        eval_set_state(v, SPV_TX_ORPHANED, NULL);
    if ((tx->row.flags & SPV_TX_FLAG_EXPIRED) != 0)
        eval_set_state(v, SPV_TX_EXPIRED, NULL);
    for (uint32_t i = tx->first_spend; i != SPV_NO_INDEX; i = w->spends[i].next) {
        const uint32_t parent = pending_parent(w, &w->spends[i]);
        if (find_confirmed_conflict(w, &conflict, v->tx, &w->spends[i]))
            eval_set_state(v, SPV_TX_CONFLICTED, &conflict);
        if (parent != SPV_NO_INDEX)
            eval_set_state(v, eval_of(e, parent)->state, &eval_of(e, parent)->conflict);
    }
}

/* ---- pass 2 ---- */

/* Whether an accepted transaction, or another one of the set, spends the same output. */
static bool find_accepted_conflict(const struct spv_wallet *w, uint32_t *out, uint32_t tx,
                                   const struct spv_spend_record *spend)
{
    struct spv_probe_iter iter = spv_wallet_spenders(w, &spend->prev, spend->vout);

    while (spv_wallet_next_spender(w, &iter, &spend->prev, spend->vout, out)) {
        const uint8_t eval_state = w->txs[*out].eval_state;
        if (*out != tx && is_pending(w, *out) &&
            (eval_state == SPV_EVAL_ACCEPTED || eval_state == SPV_EVAL_CANDIDATE))
            return true;
    }
    return false;
}

/* Why a set can't be accepted. */
struct failure {
    struct spv_txid conflict;
    size_t a, b; /* entries of the set that conflict with each other; equal: entry a conflicts with
                    an accepted one */
};

/* Adds the parents of entry i to the set. Returns false with *out when entry i can't be accepted.
 */
static bool add_parents(struct evaluation *e, struct failure *out, size_t *n, size_t i)
{
    struct spv_wallet *w = e->w;
    const uint32_t tx = e->set[i];
    uint32_t other;

    out->a = out->b = i;
    for (uint32_t s = w->txs[tx].first_spend; s != SPV_NO_INDEX; s = w->spends[s].next) {
        const uint32_t parent = pending_parent(w, &w->spends[s]);
        if (find_accepted_conflict(w, &other, tx, &w->spends[s])) {
            out->conflict = w->txs[other].row.txid;
            for (size_t j = 0; j < *n; j++)
                if (e->set[j] == other)
                    out->b = j;
            return false;
        }
        if (parent == SPV_NO_INDEX || w->txs[parent].eval_state == SPV_EVAL_CANDIDATE ||
            w->txs[parent].eval_state == SPV_EVAL_ACCEPTED)
            continue;
        if (w->txs[parent].eval_state == SPV_EVAL_REJECTED) {
            out->conflict = eval_of(e, parent)->conflict;
            return false;
        }
        w->txs[parent].eval_state = SPV_EVAL_CANDIDATE;
        e->via[*n] = (uint32_t)i;
        e->set[(*n)++] = parent;
    }
    return true;
}

/* No descendant of both entries can be accepted. Those from their first common descendant to the
 * candidate are rejected now: otherwise each transaction of a long chain would find the same
 * conflict again. */
static void mark_rejected(struct evaluation *e, const struct failure *f)
{
    size_t a = f->a, b = f->b;

    while (a != b) { /* a child is before its parents in the set */
        if (a > b)
            a = e->via[a];
        else
            b = e->via[b];
    }
    while (true) {
        struct tx_eval *v = eval_of(e, e->set[a]);
        e->w->txs[v->tx].eval_state = SPV_EVAL_REJECTED;
        v->state = SPV_TX_REPLACED;
        v->conflict = f->conflict;
        if (a == 0)
            return;
        a = e->via[a];
    }
}

static void try_candidate(struct evaluation *e, struct tx_eval *v)
{
    struct spv_wallet *w = e->w;
    struct failure failure;
    size_t n = 0;
    bool accepted = true;

    if (w->txs[v->tx].eval_state != SPV_EVAL_OPEN)
        return; /* accepted as the ancestor of another candidate, or rejected with a descendant */
    w->txs[v->tx].eval_state = SPV_EVAL_CANDIDATE;
    e->set[n++] = v->tx;
    for (size_t i = 0; accepted && i < n; i++)
        accepted = add_parents(e, &failure, &n, i);
    for (size_t i = 0; i < n; i++) {
        w->txs[e->set[i]].eval_state = accepted ? SPV_EVAL_ACCEPTED : SPV_EVAL_OPEN;
        if (accepted)
            eval_of(e, e->set[i])->state = SPV_TX_UNCONFIRMED;
    }
    if (!accepted)
        mark_rejected(e, &failure);
}

struct candidate {
    bool has_enough_groups;
    uint64_t id;
    struct tx_eval *eval;
};

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->has_enough_groups != y->has_enough_groups)
        return x->has_enough_groups ? -1 : 1;
    return x->id > y->id ? -1 : x->id < y->id;
}

static int choose_accepted(struct evaluation *e)
{
    struct spv_wallet *w = e->w;
    struct candidate *candidates = malloc((e->n + 1) * sizeof *candidates);
    size_t n = 0;

    if (!candidates)
        return SPV_ERR_NOMEM;
    for (size_t i = 0; i < e->n; i++) {
        struct tx_eval *v = &e->evals[i];
        struct spv_tx_record *tx = &w->txs[v->tx];
        tx->eval_state = v->state == 0 ? SPV_EVAL_OPEN : SPV_EVAL_REJECTED;
        if (v->state == 0)
            candidates[n++] =
                (struct candidate){.has_enough_groups = spv_wallet_has_enough_groups(w, tx),
                                   .id = tx->row.id,
                                   .eval = v};
    }
    qsort(candidates, n, sizeof *candidates, compare_candidates);
    for (size_t i = 0; i < n; i++)
        try_candidate(e, candidates[i].eval);
    free(candidates);
    return 0;
}

/* ---- pass 3 ---- */

static void eval_in_balance(struct evaluation *e, struct tx_eval *v)
{
    const struct spv_wallet *w = e->w;
    const struct spv_tx_record *tx = &w->txs[v->tx];
    bool spends_ours = false;

    v->in_balance = true;
    v->trusted = (tx->row.flags & SPV_TX_FLAG_PUBLISHED) != 0;
    for (uint32_t i = tx->first_spend; i != SPV_NO_INDEX; i = w->spends[i].next) {
        const struct spv_spend_record *spend = &w->spends[i];
        const uint32_t parent = pending_parent(w, spend);
        const uint32_t coin = spv_wallet_find_coin(w, &spend->prev, spend->vout);
        const bool ours = coin != SPV_NO_INDEX && w->coins[coin].active;
        spends_ours = spends_ours || ours;
        if (parent != SPV_NO_INDEX && !eval_of(e, parent)->in_balance)
            v->in_balance = false;
        if (!ours || (parent != SPV_NO_INDEX && !eval_of(e, parent)->trusted))
            v->trusted = false;
    }
    /* One peer may have invented it: it takes our coins from the balances only when it is
     * sufficiently announced. */
    if (spends_ours && !spv_wallet_has_enough_groups(w, tx))
        v->in_balance = false;
    v->trusted = v->trusted && v->in_balance;
}

/* ---- */

static int apply_eval(struct spv_wallet *w, const struct tx_eval *v)
{
    struct spv_tx_record *tx = &w->txs[v->tx];

    if (tx->row.state != v->state ||
        memcmp(&tx->row.conflict, &v->conflict, sizeof v->conflict) != 0)
        tx->changed = true;
    else if (tx->in_balance == v->in_balance && tx->trusted == v->trusted)
        return 0;
    tx->row.state = v->state;
    tx->row.conflict = v->conflict;
    tx->in_balance = v->in_balance;
    tx->trusted = v->trusted;
    return spv_wallet_mark_dirty(w, v->tx);
}

int spv_wallet_evaluate(struct spv_wallet *w)
{
    struct evaluation e = {.w = w};
    const size_t n = w->pending.n;
    int rc = SPV_ERR_NOMEM;

    if (n == 0)
        return 0;
    e.evals = malloc(n * sizeof *e.evals);
    e.set = calloc(n, sizeof *e.set);
    e.via = calloc(n, sizeof *e.via);
    if (!e.evals || !e.set || !e.via)
        goto free_arrays;
    make_order(&e);
    for (size_t i = 0; i < n; i++)
        eval_alone(&e, &e.evals[i]);
    rc = choose_accepted(&e);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (e.evals[i].state == SPV_TX_UNCONFIRMED)
            eval_in_balance(&e, &e.evals[i]);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = apply_eval(w, &e.evals[i]);
free_arrays:
    free(e.via);
    free(e.set);
    free(e.evals);
    return rc;
}
