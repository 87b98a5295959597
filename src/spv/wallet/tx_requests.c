#include "spv/wallet/tx_requests.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "util/hash.h"
#include "util/rng.h"

struct peer_requests {
    uint64_t peer; /* 0: the slot is free */
    size_t n;
    struct spv_txid txids[SPV_TX_REQUESTS_OPEN];
};

struct spv_tx_requests {
    struct spv_effects *effects;
    uint64_t key[2]; /* of SipHash: no peer can choose txids that collide */
    struct peer_requests peers[SPV_NODE_MAX_PEERS];
    uint64_t seen[SPV_TX_REQUESTS_SEEN]; /* hashes of txids, each in one place; 0: free */
};

int spv_tx_requests_new(struct spv_tx_requests **out, struct spv_effects *effects,
                        const struct spv_rng *rng)
{
    struct spv_tx_requests *t = calloc(1, sizeof *t);

    *out = t;
    if (!t)
        return SPV_ERR_NOMEM;
    t->effects = effects;
    t->key[0] = spv_rng_u64(rng);
    t->key[1] = spv_rng_u64(rng);
    return 0;
}

void spv_tx_requests_free(struct spv_tx_requests *t)
{
    free(t);
}

/* ---- what was received ---- */

static uint64_t hash_txid(const struct spv_tx_requests *t, const struct spv_txid *txid)
{
    const uint64_t hash = spv_siphash(t->key[0], t->key[1], txid->b, sizeof txid->b);

    return hash ? hash : 1;
}

static bool is_seen(const struct spv_tx_requests *t, const struct spv_txid *txid)
{
    const uint64_t hash = hash_txid(t, txid);

    return t->seen[hash % SPV_TX_REQUESTS_SEEN] == hash;
}

static void set_seen(struct spv_tx_requests *t, const struct spv_txid *txid)
{
    const uint64_t hash = hash_txid(t, txid);

    t->seen[hash % SPV_TX_REQUESTS_SEEN] = hash;
}

/* ---- requests ---- */

/* The requests of a peer; NULL: none is open. */
static struct peer_requests *find_peer(struct spv_tx_requests *t, uint64_t peer)
{
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++)
        if (t->peers[i].peer == peer)
            return &t->peers[i];
    return NULL;
}

static size_t find_request(const struct peer_requests *p, const struct spv_txid *txid)
{
    size_t at = 0;

    while (at < p->n && memcmp(p->txids[at].b, txid->b, sizeof txid->b) != 0)
        at++;
    return at;
}

/* Whether a transaction may be requested from one more peer, which is p. */
static bool is_wanted(const struct spv_tx_requests *t, const struct peer_requests *p,
                      const struct spv_txid *txid)
{
    unsigned open = 0;

    if (is_seen(t, txid) || find_request(p, txid) < p->n)
        return false;
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++)
        open += t->peers[i].peer != 0 && find_request(&t->peers[i], txid) < t->peers[i].n;
    return open < SPV_TX_REQUESTS_PEERS;
}

int spv_tx_requests_inv(struct spv_tx_requests *t, uint64_t peer, bool has_witness,
                        const struct spv_inv *items, size_t n)
{
    struct peer_requests *p = find_peer(t, peer);
    struct spv_inv wanted[SPV_TX_REQUESTS_OPEN];
    size_t n_wanted = 0;

    if (!p)
        p = find_peer(t, 0);
    if (!p)
        return 0;
    p->peer = peer;
    if (n > SPV_TX_REQUESTS_ITEMS)
        n = SPV_TX_REQUESTS_ITEMS;
    for (size_t i = 0; i < n && p->n < SPV_TX_REQUESTS_OPEN; i++) {
        struct spv_txid txid;
        if (items[i].type != SPV_INV_TX)
            continue;
        memcpy(txid.b, items[i].hash.b, sizeof txid.b);
        if (!is_wanted(t, p, &txid))
            continue;
        p->txids[p->n++] = txid;
        wanted[n_wanted] = items[i];
        if (has_witness)
            wanted[n_wanted].type |= SPV_INV_WITNESS;
        n_wanted++;
    }
    if (n_wanted > 0)
        spv_effects_send_getdata(t->effects, peer, wanted, n_wanted);
    return t->effects->error;
}

/* Ends a request; whether there was one. */
static bool end_request(struct spv_tx_requests *t, uint64_t peer, const struct spv_txid *txid)
{
    struct peer_requests *p = find_peer(t, peer);
    const size_t at = p ? find_request(p, txid) : 0;

    if (!p || at == p->n)
        return false;
    p->txids[at] = p->txids[--p->n];
    return true;
}

bool spv_tx_requests_tx(struct spv_tx_requests *t, uint64_t peer, const struct spv_txid *txid)
{
    if (!end_request(t, peer, txid))
        return false;
    set_seen(t, txid);
    return true;
}

void spv_tx_requests_notfound(struct spv_tx_requests *t, uint64_t peer,
                              const struct spv_msg_inv *msg)
{
    for (size_t i = 0; i < msg->n; i++) {
        struct spv_txid txid;
        if ((msg->items[i].type & ~SPV_INV_WITNESS) != SPV_INV_TX)
            continue;
        memcpy(txid.b, msg->items[i].hash.b, sizeof txid.b);
        (void)end_request(t, peer, &txid);
    }
}

void spv_tx_requests_remove(struct spv_tx_requests *t, uint64_t peer)
{
    struct peer_requests *p = find_peer(t, peer);

    if (p)
        *p = (struct peer_requests){.peer = 0};
}

size_t spv_tx_requests_memory(const struct spv_tx_requests *t)
{
    return sizeof *t;
}
