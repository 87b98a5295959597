/* A transaction goes with its pending descendants, which would spend outputs that are unknown. */
#include "spv/wallet/wallet_bounds.h"

#include <stdlib.h>

#include "spv/error.h"
#include "spv/wallet/wallet_update.h"

struct usage {
    size_t n, bytes; /* of those that are not published */
    size_t n_peer; /* of the peer */
};

static bool is_published(const struct spv_tx_record *tx)
{
    return (tx->row.flags & SPV_TX_FLAG_PUBLISHED) != 0;
}

static struct usage count_usage(const struct spv_wallet *w, uint64_t peer)
{
    struct usage usage = {.n = 0};

    for (size_t i = 0; i < w->pending.n; i++) {
        const struct spv_tx_record *tx = &w->txs[w->pending.at[i]];
        if (is_published(tx))
            continue;
        usage.n++;
        usage.bytes += tx->n_bytes;
        usage.n_peer += peer != 0 && tx->peer == peer;
    }
    return usage;
}

/* Whether a is dropped before b. */
static bool goes_before(const struct spv_tx_record *a, const struct spv_tx_record *b)
{
    const uint32_t kept = SPV_TX_FLAG_WAS_CONFIRMED;

    if ((a->row.flags & kept) != (b->row.flags & kept))
        return (a->row.flags & kept) == 0;
    if (a->row.n_groups != b->row.n_groups)
        return a->row.n_groups < b->row.n_groups;
    return a->row.id < b->row.id;
}

/* Marks the pending ancestors of published transactions: they stay. set has room for all. */
static void mark_needed(struct spv_wallet *w, uint32_t *set)
{
    size_t n = 0;

    for (size_t i = 0; i < w->pending.n; i++) {
        const uint32_t tx = w->pending.at[i];
        w->txs[tx].mark = is_published(&w->txs[tx]) ? SPV_MARK_LIVE : SPV_MARK_OPEN;
        if (is_published(&w->txs[tx]))
            set[n++] = tx;
    }
    while (n > 0) {
        const uint32_t tx = set[--n];
        for (uint32_t i = w->txs[tx].first_spend; i != SPV_NONE; i = w->spends[i].next) {
            const uint32_t parent = spv_wallet_find_tx(w, &w->spends[i].prev);
            if (parent == SPV_NONE || spv_tx_is_confirmed(&w->txs[parent]) ||
                w->txs[parent].mark == SPV_MARK_LIVE)
                continue;
            w->txs[parent].mark = SPV_MARK_LIVE;
            set[n++] = parent;
        }
    }
}

static uint32_t choose_dropped(const struct spv_wallet *w, uint64_t peer)
{
    uint32_t found = SPV_NONE;

    for (size_t i = 0; i < w->pending.n; i++) {
        const uint32_t tx = w->pending.at[i];
        if (w->txs[tx].mark == SPV_MARK_LIVE || (peer != 0 && w->txs[tx].peer != peer))
            continue;
        if (found == SPV_NONE || goes_before(&w->txs[tx], &w->txs[found]))
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
    w->txs[tx].mark = SPV_MARK_DEAD;
    while (found) {
        found = false;
        for (size_t i = 0; i < w->pending.n; i++) {
            const uint32_t child = w->pending.at[i];
            for (uint32_t j = w->txs[child].first_spend;
                 j != SPV_NONE && w->txs[child].mark != SPV_MARK_DEAD; j = w->spends[j].next) {
                const uint32_t parent = spv_wallet_find_tx(w, &w->spends[j].prev);
                if (parent == SPV_NONE || spv_tx_is_confirmed(&w->txs[parent]) ||
                    w->txs[parent].mark != SPV_MARK_DEAD)
                    continue;
                w->txs[child].mark = SPV_MARK_DEAD;
                set[n++] = child;
                found = true;
            }
        }
    }
    return n;
}

static int drop(struct spv_wallet *w, uint32_t *set, uint64_t peer)
{
    uint32_t tx;
    size_t n;
    int rc = 0;

    mark_needed(w, set);
    tx = choose_dropped(w, peer);
    if (tx == SPV_NONE)
        return 1; /* all are needed */
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
        rc = set ? drop(w, set, peer_full ? peer : 0) : SPV_ERR_NOMEM;
    }
    free(set);
    return rc < 0 ? rc : 0;
}
