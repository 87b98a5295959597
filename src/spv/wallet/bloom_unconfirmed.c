/* Unconfirmed transactions: a peer with a filter announces those that match it; `mempool` makes it
 * announce those that it has already. Each is requested from every peer that announces it. */
#include <stdlib.h>
#include <string.h>

#include "spv/wallet/bloom_scan_state.h"

int spv_bloom_send_mempools(struct spv_bloom_scan *s)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(s->cfg.peers, p));) {
        struct spv_bloom_peer *bp = p->bloom;
        if (!s->bloom || !bp || bp->disconnect_error || p->sync.disconnect_error)
            continue;
        if (bp->version != s->version)
            spv_bloom_send_filterload(s, p);
        if (bp->mempool_version == s->version)
            continue;
        bp->mempool_version = s->version;
        spv_effects_send_empty(s->cfg.effects, p->id, SPV_CMD_MEMPOOL);
    }
    return s->cfg.effects->error;
}

static bool txid_eq(const struct spv_txid *a, const struct spv_txid *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

static size_t find_txid(const struct spv_txid *list, size_t n, const struct spv_txid *txid)
{
    size_t at = 0;

    while (at < n && !txid_eq(&list[at], txid))
        at++;
    return at;
}

int spv_bloom_scan_inv(struct spv_bloom_scan *s, uint64_t id, const struct spv_msg_inv *msg)
{
    struct spv_peer_entry *p = spv_peer_table_find(s->cfg.peers, id);
    struct spv_bloom_peer *bp = p ? p->bloom : NULL;

    if (!s->is_running || !bp || bp->disconnect_error)
        return 0;
    for (size_t i = 0; i < msg->n && bp->n_txs < SPV_BLOOM_MAX_TX_REQUESTS; i++) {
        struct spv_inv item = msg->items[i];
        struct spv_txid txid;
        if (item.type != SPV_INV_TX)
            continue;
        memcpy(txid.b, item.hash.b, sizeof txid.b);
        if (find_txid(bp->txs, bp->n_txs, &txid) < bp->n_txs ||
            find_txid(s->seen, SPV_BLOOM_SEEN_TXS, &txid) < SPV_BLOOM_SEEN_TXS)
            continue;
        bp->txs[bp->n_txs++] = txid;
        if (p->services & SPV_NODE_WITNESS)
            item.type |= SPV_INV_WITNESS;
        spv_effects_send_getdata(s->cfg.effects, id, &item, 1);
    }
    return s->cfg.effects->error;
}

int spv_bloom_unconfirmed_tx(struct spv_bloom_scan *s, struct spv_bloom_peer *p,
                             const struct spv_tx *tx)
{
    struct spv_txid txid;

    spv_tx_txid(&txid, tx);
    const size_t at = find_txid(p->txs, p->n_txs, &txid);
    if (at == p->n_txs)
        return SPV_BLOOM_TX_NOT_MINE;
    p->txs[at] = p->txs[--p->n_txs];
    if (spv_bloom_items_match_tx(&s->items, tx) != 0)
        return SPV_BLOOM_TX_UNCONFIRMED;
    s->seen[s->next_seen] = txid;
    s->next_seen = (s->next_seen + 1) % SPV_BLOOM_SEEN_TXS;
    s->stats.false_positives++;
    return SPV_BLOOM_TX_NOT_MINE;
}

void spv_bloom_unconfirmed_notfound(struct spv_bloom_peer *p, const struct spv_msg_inv *msg)
{
    for (size_t i = 0; i < msg->n; i++) {
        struct spv_txid txid;
        if ((msg->items[i].type & ~SPV_INV_WITNESS) != SPV_INV_TX)
            continue;
        memcpy(txid.b, msg->items[i].hash.b, sizeof txid.b);
        const size_t at = find_txid(p->txs, p->n_txs, &txid);
        if (at < p->n_txs)
            p->txs[at] = p->txs[--p->n_txs];
    }
}
