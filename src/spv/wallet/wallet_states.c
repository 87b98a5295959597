/* Three passes. (1) In an order in which parents come before children: orphaned, conflicted with a
 * block, expired, or a candidate. (2) Candidates from the strongest to the weakest - believed ones
 * first, then those first seen most recently - are tried together with their unconfirmed ancestors:
 * when nothing that they spend is taken, all of these are live; else the candidate is replaced. So
 * no two live ones conflict, and the ancestors of a live one are live. (3) Again parents first:
 * does a live one count (effective), and is it trusted? */
#include "spv/wallet/wallet_states.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"

struct verdict {
    uint32_t tx;
    uint32_t state; /* enum spv_tx_state; 0: a candidate */
    struct spv_txid conflict;
    bool effective, trusted;
};

/* One evaluation; the arrays have an entry for each pending transaction. */
struct evaluation {
    struct spv_wallet *w;
    struct verdict *verdicts; /* parents first, once the order is made */
    size_t n;
    uint32_t *set; /* a stack; or a candidate and its ancestors */
    uint32_t *via; /* cursors of the stack; or the child by which each ancestor is in the set */
};

bool spv_wallet_believes(const struct spv_wallet *w, const struct spv_tx_record *tx)
{
    return (tx->row.flags & (SPV_TX_FLAG_PUBLISHED | SPV_TX_FLAG_WAS_CONFIRMED)) != 0 ||
           tx->row.n_groups >= w->cfg.belief_groups;
}

static struct verdict *verdict_of(const struct evaluation *e, uint32_t tx)
{
    return &e->verdicts[e->w->txs[tx].place];
}

static bool is_pending(const struct spv_wallet *w, uint32_t tx)
{
    return !spv_tx_is_confirmed(&w->txs[tx]);
}

/* The unconfirmed transaction whose output is spent; SPV_NONE: a confirmed or an unknown one. */
static uint32_t pending_parent(const struct spv_wallet *w, const struct spv_spend_record *spend)
{
    const uint32_t parent = spv_wallet_find_tx(w, &spend->prev);

    return parent != SPV_NONE && is_pending(w, parent) ? parent : SPV_NONE;
}

/* ---- the order ---- */

/* The next parent of a transaction that is not yet in the order; SPV_NONE: there is none. */
static uint32_t next_open_parent(const struct spv_wallet *w, uint32_t *next_spend)
{
    while (*next_spend != SPV_NONE) {
        const struct spv_spend_record *spend = &w->spends[*next_spend];
        const uint32_t parent = pending_parent(w, spend);
        *next_spend = spend->next;
        if (parent != SPV_NONE && w->txs[parent].mark == SPV_MARK_OPEN)
            return parent;
    }
    return SPV_NONE;
}

/* Depth first, with a stack of our own: a chain may be a thousand transactions long. Txids make no
 * cycles. */
static void make_order(struct evaluation *e)
{
    struct spv_wallet *w = e->w;
    uint32_t *cursors = e->via; /* the next spend of each transaction on the stack */

    for (size_t i = 0; i < w->pending.n; i++)
        w->txs[w->pending.at[i]].mark = SPV_MARK_OPEN;
    for (size_t i = 0; i < w->pending.n; i++) {
        uint32_t next = w->pending.at[i];
        size_t depth = 0;
        if (w->txs[next].mark != SPV_MARK_OPEN)
            continue;
        do {
            if (next != SPV_NONE) {
                w->txs[next].mark = SPV_MARK_CANDIDATE;
                cursors[depth] = w->txs[next].first_spend;
                e->set[depth++] = next;
            }
            next = next_open_parent(w, &cursors[depth - 1]);
            if (next == SPV_NONE) {
                const uint32_t tx = e->set[--depth];
                w->txs[tx].place = (uint32_t)e->n;
                e->verdicts[e->n++] = (struct verdict){.tx = tx};
            }
        } while (next != SPV_NONE || depth > 0);
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

/* Of several reasons the one that lasts longest is shown. */
static unsigned severity(uint32_t state)
{
    return state == SPV_TX_ORPHANED ? 3 : state == SPV_TX_CONFLICTED ? 2 : state == 0 ? 0 : 1;
}

static void weaken(struct verdict *v, uint32_t state, const struct spv_txid *conflict)
{
    if (severity(state) <= severity(v->state))
        return;
    v->state = state;
    v->conflict = conflict ? *conflict : (struct spv_txid){.b = {0}};
}

static void judge_alone(struct evaluation *e, struct verdict *v)
{
    const struct spv_wallet *w = e->w;
    const struct spv_tx_record *tx = &w->txs[v->tx];
    struct spv_txid conflict;

    /* The block that made a coinbase is gone, and so are its coins. */
    if ((tx->row.flags & SPV_TX_FLAG_COINBASE) != 0)
        weaken(v, SPV_TX_ORPHANED, NULL);
    if ((tx->row.flags & SPV_TX_FLAG_EXPIRED) != 0)
        weaken(v, SPV_TX_EXPIRED, NULL);
    for (uint32_t i = tx->first_spend; i != SPV_NONE; i = w->spends[i].next) {
        const uint32_t parent = pending_parent(w, &w->spends[i]);
        if (find_confirmed_conflict(w, &conflict, v->tx, &w->spends[i]))
            weaken(v, SPV_TX_CONFLICTED, &conflict);
        if (parent != SPV_NONE)
            weaken(v, verdict_of(e, parent)->state, &verdict_of(e, parent)->conflict);
    }
}

/* ---- pass 2 ---- */

/* A transaction spends what another one of the live or tried ones spends. */
static bool find_live_conflict(const struct spv_wallet *w, uint32_t *out, uint32_t tx,
                               const struct spv_spend_record *spend)
{
    struct spv_probe_iter iter = spv_wallet_spenders(w, &spend->prev, spend->vout);

    while (spv_wallet_next_spender(w, &iter, &spend->prev, spend->vout, out)) {
        const uint8_t mark = w->txs[*out].mark;
        if (*out != tx && is_pending(w, *out) &&
            (mark == SPV_MARK_LIVE || mark == SPV_MARK_CANDIDATE))
            return true;
    }
    return false;
}

/* Why a set can't be live. */
struct failure {
    struct spv_txid conflict;
    size_t a, b; /* entries of the set that conflict with each other; equal: a with a live one */
};

/* Adds the parents of entry i to the set. Returns false with *out when entry i can't be live. */
static bool add_parents(struct evaluation *e, struct failure *out, size_t *n, size_t i)
{
    struct spv_wallet *w = e->w;
    const uint32_t tx = e->set[i];
    uint32_t other;

    out->a = out->b = i;
    for (uint32_t s = w->txs[tx].first_spend; s != SPV_NONE; s = w->spends[s].next) {
        const uint32_t parent = pending_parent(w, &w->spends[s]);
        if (find_live_conflict(w, &other, tx, &w->spends[s])) {
            out->conflict = w->txs[other].row.txid;
            for (size_t j = 0; j < *n; j++)
                if (e->set[j] == other)
                    out->b = j;
            return false;
        }
        if (parent == SPV_NONE || w->txs[parent].mark == SPV_MARK_CANDIDATE ||
            w->txs[parent].mark == SPV_MARK_LIVE)
            continue;
        if (w->txs[parent].mark == SPV_MARK_DEAD) {
            out->conflict = verdict_of(e, parent)->conflict;
            return false;
        }
        w->txs[parent].mark = SPV_MARK_CANDIDATE;
        e->via[*n] = (uint32_t)i;
        e->set[(*n)++] = parent;
    }
    return true;
}

/* All that descend from both entries can't be live either, whatever comes later. Those on the way
 * to the candidate are marked now: else each of a long chain would look for the same conflict. */
static void mark_dead(struct evaluation *e, const struct failure *f)
{
    size_t a = f->a, b = f->b;

    while (a != b) { /* a child is before its parents in the set */
        if (a > b)
            a = e->via[a];
        else
            b = e->via[b];
    }
    while (true) {
        struct verdict *v = verdict_of(e, e->set[a]);
        e->w->txs[v->tx].mark = SPV_MARK_DEAD;
        v->state = SPV_TX_REPLACED;
        v->conflict = f->conflict;
        if (a == 0)
            return;
        a = e->via[a];
    }
}

static void try_candidate(struct evaluation *e, struct verdict *v)
{
    struct spv_wallet *w = e->w;
    struct failure failure;
    size_t n = 0;
    bool live = true;

    if (w->txs[v->tx].mark != SPV_MARK_OPEN)
        return; /* live as the ancestor of another, or dead with a descendant */
    w->txs[v->tx].mark = SPV_MARK_CANDIDATE;
    e->set[n++] = v->tx;
    for (size_t i = 0; live && i < n; i++)
        live = add_parents(e, &failure, &n, i);
    for (size_t i = 0; i < n; i++) {
        w->txs[e->set[i]].mark = live ? SPV_MARK_LIVE : SPV_MARK_OPEN;
        if (live)
            verdict_of(e, e->set[i])->state = SPV_TX_UNCONFIRMED;
    }
    if (!live)
        mark_dead(e, &failure);
}

struct strength {
    bool believed;
    uint64_t id;
    struct verdict *verdict;
};

static int compare_strength(const void *a, const void *b)
{
    const struct strength *x = a, *y = b;

    if (x->believed != y->believed)
        return x->believed ? -1 : 1;
    return x->id > y->id ? -1 : x->id < y->id;
}

static int choose_live(struct evaluation *e)
{
    struct spv_wallet *w = e->w;
    struct strength *candidates = malloc((e->n + 1) * sizeof *candidates);
    size_t n = 0;

    if (!candidates)
        return SPV_ERR_NOMEM;
    for (size_t i = 0; i < e->n; i++) {
        struct verdict *v = &e->verdicts[i];
        struct spv_tx_record *tx = &w->txs[v->tx];
        tx->mark = v->state == 0 ? SPV_MARK_OPEN : SPV_MARK_DEAD;
        if (v->state == 0)
            candidates[n++] = (struct strength){
                .believed = spv_wallet_believes(w, tx), .id = tx->row.id, .verdict = v};
    }
    qsort(candidates, n, sizeof *candidates, compare_strength);
    for (size_t i = 0; i < n; i++)
        try_candidate(e, candidates[i].verdict);
    free(candidates);
    return 0;
}

/* ---- pass 3 ---- */

static void judge_effect(struct evaluation *e, struct verdict *v)
{
    const struct spv_wallet *w = e->w;
    const struct spv_tx_record *tx = &w->txs[v->tx];
    bool spends_ours = false;

    v->effective = true;
    v->trusted = (tx->row.flags & SPV_TX_FLAG_PUBLISHED) != 0;
    for (uint32_t i = tx->first_spend; i != SPV_NONE; i = w->spends[i].next) {
        const struct spv_spend_record *spend = &w->spends[i];
        const uint32_t parent = pending_parent(w, spend);
        const uint32_t coin = spv_wallet_find_coin(w, &spend->prev, spend->vout);
        const bool ours = coin != SPV_NONE && w->coins[coin].visible;
        spends_ours = spends_ours || ours;
        if (parent != SPV_NONE && !verdict_of(e, parent)->effective)
            v->effective = false;
        if (!ours || (parent != SPV_NONE && !verdict_of(e, parent)->trusted))
            v->trusted = false;
    }
    /* One peer may have invented it: what it pays counts instead of what it spends only when it is
     * believed. */
    if (spends_ours && !spv_wallet_believes(w, tx))
        v->effective = false;
    v->trusted = v->trusted && v->effective;
}

/* ---- */

static int apply_verdict(struct spv_wallet *w, const struct verdict *v)
{
    struct spv_tx_record *tx = &w->txs[v->tx];

    if (tx->row.state != v->state ||
        memcmp(&tx->row.conflict, &v->conflict, sizeof v->conflict) != 0)
        tx->changed = true;
    else if (tx->effective == v->effective && tx->trusted == v->trusted)
        return 0;
    tx->row.state = v->state;
    tx->row.conflict = v->conflict;
    tx->effective = v->effective;
    tx->trusted = v->trusted;
    return spv_wallet_touch(w, v->tx);
}

int spv_wallet_evaluate(struct spv_wallet *w)
{
    struct evaluation e = {.w = w};
    const size_t n = w->pending.n;
    int rc = SPV_ERR_NOMEM;

    if (n == 0)
        return 0;
    e.verdicts = malloc(n * sizeof *e.verdicts);
    e.set = calloc(n, sizeof *e.set);
    e.via = calloc(n, sizeof *e.via);
    if (!e.verdicts || !e.set || !e.via)
        goto free_arrays;
    make_order(&e);
    for (size_t i = 0; i < n; i++)
        judge_alone(&e, &e.verdicts[i]);
    rc = choose_live(&e);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (e.verdicts[i].state == SPV_TX_UNCONFIRMED)
            judge_effect(&e, &e.verdicts[i]);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = apply_verdict(w, &e.verdicts[i]);
free_arrays:
    free(e.via);
    free(e.set);
    free(e.verdicts);
    return rc;
}
