#include "spv/node/node_unconfirmed.h"

#include <string.h>

#include "spv/node/node_state.h"

int spv_node_unconfirmed_init(struct spv_node *n, const struct spv_node_config *cfg)
{
    return cfg->wallet && cfg->fetch_unconfirmed
               ? spv_tx_requests_new(&n->unconfirmed.requests, &n->effects, &cfg->rng)
               : 0;
}

void spv_node_unconfirmed_free(struct spv_node *n)
{
    spv_tx_requests_free(n->unconfirmed.requests);
    n->unconfirmed.requests = NULL;
}

static bool uses_bloom(const struct spv_node *n)
{
    return n->bloom.scan && n->wallet.chosen == SPV_SOURCE_BLOOM;
}

static struct spv_tx_source source_of(const struct spv_peer_entry *p)
{
    return (struct spv_tx_source){
        .peer = p->id, .group = p->group, .stripped = (p->services & SPV_NODE_WITNESS) == 0};
}

/* ---- announcements ---- */

static int request(struct spv_node *n, const struct spv_peer_entry *p, const struct spv_inv *items,
                   size_t n_items)
{
    const struct spv_msg_inv msg = {.items = items, .n = n_items};

    if (n_items == 0)
        return 0;
    if (uses_bloom(n))
        return spv_bloom_scan_inv(n->bloom.scan, p->id, &msg);
    return n->unconfirmed.requests
               ? spv_tx_requests_inv(n->unconfirmed.requests, p->id,
                                     (p->services & SPV_NODE_WITNESS) != 0, items, n_items)
               : 0;
}

/* Those that the wallet has only count as announced by one more peer. */
static int on_inv(struct spv_node *n, const struct spv_peer_entry *p, const struct spv_msg_inv *msg,
                  struct spv_now now)
{
    const struct spv_tx_source source = source_of(p);
    struct spv_inv unknown[SPV_TX_REQUESTS_OPEN];
    size_t n_unknown = 0;
    int rc = 0;

    for (size_t i = 0; rc >= 0 && i < msg->n && i < SPV_TX_REQUESTS_ITEMS; i++) {
        struct spv_txid txid;
        if (msg->items[i].type != SPV_INV_TX)
            continue;
        memcpy(txid.b, msg->items[i].hash.b, sizeof txid.b);
        rc = spv_wallet_announced(n->wallet.wallet, &txid, &source, now);
        if (rc == 1)
            spv_wallet_sync_wallet_changed(n->wallet.sync);
        else if (rc == 0)
            unknown[n_unknown++] = msg->items[i];
        if (n_unknown == SPV_TX_REQUESTS_OPEN) {
            rc = request(n, p, unknown, n_unknown);
            n_unknown = 0;
        }
    }
    return rc < 0 ? rc : request(n, p, unknown, n_unknown);
}

/* ---- transactions ---- */

/* What spends the same outputs, or the wallet's new ones, is announced by peers with a bloom filter
 * that has them. A filter that has no room for them is no failure: the wallet's own coins are in
 * it. */
static int watch_outpoints(struct spv_node *n, const struct spv_tx *tx)
{
    struct spv_tx_iter inputs = spv_tx_inputs(tx), outputs = spv_tx_outputs(tx);
    struct spv_script_origin origin;
    struct spv_tx_input input;
    struct spv_tx_output output;
    struct spv_txid txid;
    int rc = 0;

    spv_tx_txid(&txid, tx);
    while (rc == 0 && spv_tx_next_input(&inputs, &input))
        rc = spv_bloom_scan_add_output(n->bloom.scan, &input.prev, input.index);
    for (uint32_t vout = 0; rc == 0 && spv_tx_next_output(&outputs, &output); vout++)
        if (spv_wallet_find_script(n->wallet.wallet, &origin, 1, output.script) > 0)
            rc = spv_bloom_scan_add_output(n->bloom.scan, &txid, vout);
    return rc == SPV_ERR_BLOOM_RATE ? 0 : rc;
}

/* Whether a tx message is a transaction that was requested here: 1, 0, or a failure. */
static int take_tx(struct spv_node *n, const struct spv_peer_entry *p, const struct spv_tx *tx,
                   struct spv_now now)
{
    struct spv_txid txid;

    if (uses_bloom(n)) {
        const int what = spv_bloom_scan_tx(n->bloom.scan, p->id, tx, now);
        return what < 0 ? what : what == SPV_BLOOM_TX_UNCONFIRMED;
    }
    if (!n->unconfirmed.requests)
        return 0;
    spv_tx_txid(&txid, tx);
    return spv_tx_requests_tx(n->unconfirmed.requests, p->id, &txid);
}

/* A transaction that breaks a rule is dropped: peers that do not verify may have sent it on. */
static bool is_refused(int rc)
{
    return rc == SPV_ERR_TX_VALUE || rc == SPV_ERR_TX_DUPLICATE_INPUT || rc == SPV_ERR_MALFORMED;
}

static int on_tx(struct spv_node *n, const struct spv_peer_entry *p, const struct spv_tx *tx,
                 struct spv_now now)
{
    const struct spv_tx_source source = source_of(p);
    int rc = take_tx(n, p, tx, now);

    if (rc == 1)
        rc = spv_wallet_receive(n->wallet.wallet, tx, &source, now);
    if (rc <= 0)
        return is_refused(rc) ? 0 : rc;
    spv_wallet_sync_wallet_changed(n->wallet.sync);
    return uses_bloom(n) ? watch_outpoints(n, tx) : 0;
}

int spv_node_unconfirmed_recv(struct spv_node *n, uint64_t id, const struct spv_msg *msg,
                              struct spv_now now)
{
    const struct spv_peer_entry *p = spv_peer_table_find(&n->peers, id);

    if (!n->wallet.sync || !p)
        return 0;
    if (msg->command == SPV_CMD_INV && n->sync.synced)
        return on_inv(n, p, &msg->u.inv, now);
    if (msg->command == SPV_CMD_TX)
        return on_tx(n, p, &msg->u.tx, now);
    if (msg->command == SPV_CMD_NOTFOUND && n->unconfirmed.requests)
        spv_tx_requests_notfound(n->unconfirmed.requests, id, &msg->u.inv);
    return 0;
}

void spv_node_unconfirmed_remove(struct spv_node *n, uint64_t id)
{
    if (n->unconfirmed.requests)
        spv_tx_requests_remove(n->unconfirmed.requests, id);
}
