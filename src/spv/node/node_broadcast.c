/* Changes of rows are an effect of their own, STORE_BROADCAST, and no message is sent before it is
 * answered: so a crash does not lose a transaction that was announced. */
#include "spv/node/node_broadcast.h"

#include "spv/node/node_state.h"
#include "util/deadline.h"

int spv_node_broadcast_add(struct spv_node_broadcast *p, const struct spv_conn *conn,
                           const struct spv_peer_stats *info, struct spv_now now)
{
    const struct spv_broadcast_peer peer = {.id = conn->id,
                                            .group = conn->group,
                                            .relay = info->relay,
                                            .announces = conn->relay,
                                            .wtxidrelay = info->wtxidrelay};
    return p->broadcast ? spv_broadcast_add_peer(p->broadcast, &peer, now) : 0;
}

int spv_node_broadcast_remove(struct spv_node_broadcast *p, uint64_t id, struct spv_now now)
{
    return p->broadcast ? spv_broadcast_remove_peer(p->broadcast, id, now) : 0;
}

int spv_node_broadcast_recv(struct spv_node_broadcast *p, uint64_t id, const struct spv_msg *msg,
                            struct spv_now now)
{
    return p->broadcast ? spv_broadcast_recv(p->broadcast, id, msg, now) : 0;
}

int spv_node_broadcast_run(struct spv_node_broadcast *p, const struct spv_chain *chain,
                           struct spv_outbound *outbound, struct spv_now now)
{
    if (!p->broadcast)
        return 0;
    const uint32_t height = spv_chain_tip(chain)->height;
    const uint32_t median_time = spv_chain_median_time(chain);
    outbound->relay_wanted = spv_broadcast_relay_wanted(p->broadcast);
    if (p->has_tip && p->height == height && p->median_time == median_time)
        return now.mono_us >= spv_broadcast_deadline(p->broadcast)
                   ? spv_broadcast_timer(p->broadcast, now)
                   : 0;
    p->has_tip = true;
    p->height = height;
    p->median_time = median_time;
    return spv_broadcast_set_tip(p->broadcast, height, median_time, now);
}

uint64_t spv_node_broadcast_deadline(const struct spv_node_broadcast *p)
{
    return p->broadcast ? spv_broadcast_deadline(p->broadcast) : SPV_NEVER;
}

/* Outbound connections to open beyond the target, which is reached, so that some have relay 1. */
static unsigned extra_relay(const struct spv_outbound *outbound, unsigned wanted)
{
    const unsigned taken = spv_outbound_count(outbound, SPV_CONN_STATE_CONNECTING) +
                           spv_outbound_count(outbound, SPV_CONN_STATE_READY);
    const unsigned missing = spv_outbound_relay_missing(outbound);
    if (!outbound->discovery || taken < wanted || taken >= SPV_NODE_MAX_PEERS)
        return 0;
    return taken - wanted + missing < SPV_NODE_MAX_PEERS - wanted ? taken - wanted + missing
                                                                  : SPV_NODE_MAX_PEERS - wanted;
}

unsigned spv_node_wanted_outbound(const struct spv_node *n)
{
    const unsigned wanted = n->target_outbound + n->n_extra;
    return wanted + extra_relay(&n->outbound, wanted);
}

/* ---- states of the wallet's transactions ---- */

static int set_state(struct spv_node_broadcast *p, const struct spv_wallet_tx_row *row,
                     struct spv_now now)
{
    const enum spv_broadcast_state state = row->state == SPV_TX_CONFIRMED ? SPV_BROADCAST_CONFIRMED
                                           : row->state == SPV_TX_CONFLICTED
                                               ? SPV_BROADCAST_CONFLICTED
                                               : SPV_BROADCAST_PUBLISHING;
    return spv_broadcast_set_state(p->broadcast, &row->txid, state, row->block.height, now);
}

/* Rows of the wallet and of what is published are stored in different database transactions, so
 * they may differ after a crash. */
int spv_node_broadcast_load(struct spv_node_broadcast *p, const struct spv_wallet *wallet,
                            struct spv_now now)
{
    const struct spv_wallet_tx_row *row;
    uint64_t next = 0;
    int rc = 0;

    while (rc == 0 && p->broadcast && wallet && spv_wallet_next_tx(wallet, &next, &row))
        rc = set_state(p, row, now);
    return rc;
}

int spv_node_broadcast_changed(struct spv_node_broadcast *p, const struct spv_wallet_update *update,
                               struct spv_now now)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && p->broadcast && i < update->n; i++)
        if (update->changes[i].kind == SPV_WALLET_ROW_TX && !update->changes[i].deleted)
            rc = set_state(p, &update->changes[i].row.tx, now);
    return rc;
}

int spv_node_broadcast_poll(struct spv_node_broadcast *p, struct spv_effect *out)
{
    struct spv_broadcast_update update;
    struct spv_broadcast_action action;
    if (!p->broadcast || p->storing)
        return 0;
    int rc = spv_broadcast_changes(p->broadcast, &update);
    if (rc < 0)
        return rc;
    if (update.n > 0) {
        *out = (struct spv_effect){.kind = SPV_EFFECT_STORE_BROADCAST, .broadcast_update = update};
        p->storing = true;
        return 1;
    }
    rc = spv_broadcast_poll(p->broadcast, &action);
    if (rc != 1)
        return rc;
    if (action.kind == SPV_BROADCAST_SEND)
        *out = (struct spv_effect){
            .kind = SPV_EFFECT_SEND, .peer = action.peer, .message = action.message};
    else
        *out = (struct spv_effect){.kind = SPV_EFFECT_BROADCAST, .progress = action.progress};
    return 1;
}
