/* A transaction is dropped together with its pending descendants, which would spend unknown
 * outputs. */
#include "spv/wallet/wallet_bounds.h"

#include <stdlib.h>

#include "spv/error.h"
#include "spv/wallet/wallet_update.h"

/* A pending transaction while bounds are enforced: its bound_state. */
enum bound_state {
    BOUND_OPEN = 0,
    BOUND_NEEDED = 1, /* never dropped, or an ancestor of such a transaction */
    BOUND_DROPPED = 2,
};

struct usage {
    size_t n, bytes; /* of the transactions that are bounded */
    size_t n_peer; /* of the peer */
};

/* Not bounded: peers cannot cause these. One was published here, or was in a block with proof of
 * work, and a reorganisation must not delete history. */
static bool is_exempt(const struct spv_tx_record *tx)
{
    return (tx->row.flags & (SPV_TX_FLAG_PUBLISHED | SPV_TX_FLAG_WAS_CONFIRMED)) != 0;
}

static struct usage count_usage(const struct spv_wallet *w, uint64_t peer)
{
    struct usage usage = {.n = 0};

    for (size_t i = 0; i < w->pending.n; i++) {
        const struct spv_tx_record *tx = &w->txs[w->pending.at[i]];
        if (is_exempt(tx))
            continue;
        usage.n++;
        usage.bytes += tx->n_bytes;
        usage.n_peer += peer != 0 && tx->peer == peer;
    }
    return usage;
}

/* Whether a is dropped before b. */
static bool is_dropped_before(const struct spv_tx_record *a, const struct spv_tx_record *b)
{
    if (a->row.n_groups != b->row.n_groups)
        return a->row.n_groups < b->row.n_groups;
    return a->row.id < b->row.id;
}

/* Marks exempt transactions and their pending ancestors as needed. set has room for all pending
 * ones. */
static void mark_needed(struct spv_wallet *w, uint32_t *set)
{
    size_t n = 0;

    for (size_t i = 0; i < w->pending.n; i++) {
        const uint32_t tx = w->pending.at[i];
        w->txs[tx].bound_state = is_exempt(&w->txs[tx]) ? BOUND_NEEDED : BOUND_OPEN;
        if (is_exempt(&w->txs[tx]))
            set[n++] = tx;
    }
    while (n > 0) {
        const uint32_t tx = set[--n];
        for (uint32_t i = w->txs[tx].first_spend; i != SPV_NO_INDEX; i = w->spends[i].next) {
            const uint32_t parent = spv_wallet_find_tx(w, &w->spends[i].prev);
            if (parent == SPV_NO_INDEX || spv_tx_is_confirmed(&w->txs[parent]) ||
                w->txs[parent].bound_state == BOUND_NEEDED)
                continue;
            w->txs[parent].bound_state = BOUND_NEEDED;
            set[n++] = parent;
        }
    }
}

static uint32_t choose_dropped(const struct spv_wallet *w, uint64_t peer)
{
    uint32_t found = SPV_NO_INDEX;

    for (size_t i = 0; i < w->pending.n; i++) {
        const uint32_t tx = w->pending.at[i];
        if (w->txs[tx].bound_state == BOUND_NEEDED || (peer != 0 && w->txs[tx].peer != peer))
            continue;
        if (found == SPV_NO_INDEX || is_dropped_before(&w->txs[tx], &w->txs[found]))
            found = tx;
    }
    return found;
}

/* Fills set with a transaction and its pending descendants. Returns how many they are. */
static size_t find_descendants(struct spv_wallet *w, uint32_t *set, uint32_t tx)
{
    size_t n = 0;
    bool found = true;

    set[n++] = tx;
    w->txs[tx].bound_state = BOUND_DROPPED;
    while (found) {
        found = false;
        for (size_t i = 0; i < w->pending.n; i++) {
            const uint32_t child = w->pending.at[i];
            for (uint32_t j = w->txs[child].first_spend;
                 j != SPV_NO_INDEX && w->txs[child].bound_state != BOUND_DROPPED;
                 j = w->spends[j].next) {
                const uint32_t parent = spv_wallet_find_tx(w, &w->spends[j].prev);
                if (parent == SPV_NO_INDEX || spv_tx_is_confirmed(&w->txs[parent]) ||
                    w->txs[parent].bound_state != BOUND_DROPPED)
                    continue;
                w->txs[child].bound_state = BOUND_DROPPED;
                set[n++] = child;
                found = true;
            }
        }
    }
    return n;
}

/* Returns 0; 1 when all are needed, so that none can be dropped; or an error. */
static int bounds_drop_tx(struct spv_wallet *w, uint32_t *set, uint32_t tx)
{
    size_t n;
    int rc = 0;

    if (tx == SPV_NO_INDEX)
        return 1;
    n = find_descendants(w, set, tx);
    w->dropped += n;
    while (rc == 0 && n > 0)
        rc = spv_wallet_delete_tx(w, set[--n]);
    return rc;
}

int spv_wallet_enforce_bounds(struct spv_wallet *w, uint64_t peer)
{
    uint32_t *set = NULL;
    int rc = 0;

    while (rc == 0) {
        const struct usage usage = count_usage(w, peer);
        const bool peer_full = usage.n_peer > SPV_WALLET_MAX_UNCONFIRMED_PEER;
        if (!peer_full && usage.n <= SPV_WALLET_MAX_UNCONFIRMED &&
            usage.bytes <= SPV_WALLET_MAX_UNCONFIRMED_BYTES)
            break;
        if (!set)
            set = malloc((w->pending.n + 1) * sizeof *set);
        if (!set)
            return SPV_ERR_NOMEM;
        mark_needed(w, set);
        rc = bounds_drop_tx(w, set, choose_dropped(w, peer_full ? peer : 0));
    }
    free(set);
    return rc < 0 ? rc : 0;
}

/* ---- spenders of one output ---- */

static size_t count_spenders(const struct spv_wallet *w, const struct spv_spend_record *spend)
{
    struct spv_probe_iter iter = spv_wallet_spenders(w, &spend->prev, spend->vout);
    uint32_t tx;
    size_t n = 0;

    while (spv_wallet_next_spender(w, &iter, &spend->prev, spend->vout, &tx))
        n += !spv_tx_is_confirmed(&w->txs[tx]) && !is_exempt(&w->txs[tx]);
    return n;
}

static uint32_t choose_spender(const struct spv_wallet *w, const struct spv_spend_record *spend)
{
    struct spv_probe_iter iter = spv_wallet_spenders(w, &spend->prev, spend->vout);
    uint32_t found = SPV_NO_INDEX, tx;

    while (spv_wallet_next_spender(w, &iter, &spend->prev, spend->vout, &tx)) {
        if (spv_tx_is_confirmed(&w->txs[tx]) || w->txs[tx].bound_state == BOUND_NEEDED)
            continue;
        if (found == SPV_NO_INDEX || is_dropped_before(&w->txs[tx], &w->txs[found]))
            found = tx;
    }
    return found;
}

int spv_wallet_limit_conflicts(struct spv_wallet *w, uint32_t tx)
{
    const uint64_t id = w->txs[tx].row.id;
    uint32_t *set = NULL, i = w->txs[tx].first_spend;
    int rc = 0;

    while (rc == 0 && i != SPV_NO_INDEX) {
        const struct spv_spend_record spend = w->spends[i];
        i = spend.next;
        while (rc == 0 && count_spenders(w, &spend) > SPV_WALLET_MAX_CONFLICTS) {
            if (!set)
                set = malloc((w->pending.n + 1) * sizeof *set);
            if (!set)
                return SPV_ERR_NOMEM;
            mark_needed(w, set);
            rc = bounds_drop_tx(w, set, choose_spender(w, &spend));
            if (w->txs[tx].row.id != id) /* the new one itself was dropped */
                i = SPV_NO_INDEX;
        }
    }
    free(set);
    return rc < 0 ? rc : 0;
}
