/* What the node reports: its peers, and statistics of all of its parts. */
#include "spv/node/node_state.h"

static enum spv_group_kind group_kind(const struct spv_conn *conn)
{
    struct spv_netaddr addr;
    if (conn->manual >= 0 ||
        spv_netaddr_from_host(&addr, conn->endpoint.host, conn->endpoint.port) < 0)
        return SPV_GROUP_MANUAL;
    if (addr.network == SPV_ADDR_IPV4)
        return SPV_GROUP_IPV4;
    return addr.network == SPV_ADDR_IPV6 ? SPV_GROUP_IPV6 : SPV_GROUP_ONION;
}

static void add_segments(struct spv_node_peer *p, const struct spv_segments *segments)
{
    struct spv_segments_peer_stats stats;
    if (!segments || !spv_segments_get_peer(segments, &stats, p->id))
        return;
    p->requests += stats.in_flight;
    p->segments_done += stats.segments;
    p->hedges += stats.hedged;
}

size_t spv_node_peers(const struct spv_node *n, struct spv_node_peer *out, size_t cap,
                      struct spv_now now)
{
    size_t found = 0;
    const struct spv_outbound *o = &n->outbound;
    for (size_t i = 0; found < cap && (i = spv_outbound_next_used(o, i)) < SPV_CONNS; i++) {
        const struct spv_conn *conn = &o->conn[i];
        struct spv_node_peer *p = &out[found];
        *p = (struct spv_node_peer){.id = conn->id};
        if (conn->state != SPV_CONN_STATE_READY || conn->kind != SPV_CONN_OUTBOUND ||
            !spv_peer_rates_get(&n->peer_rates, p, conn->id, &conn->endpoint, now))
            continue;
        spv_endpoint_text(p->address, &conn->endpoint);
        p->group = group_kind(conn);
        p->transport = conn->transport;
        spv_sync_peer_info(&n->sync, p);
        add_segments(p, n->sync.segments);
        add_segments(p, spv_checkpoint_start_segments(n->start));
        add_segments(p, spv_backfill_segments(n->backfill));
        found++;
    }
    return found;
}

void spv_node_get_stats(const struct spv_node *n, struct spv_node_stats *out)
{
    const unsigned ready = spv_outbound_count(&n->outbound, SPV_CONN_STATE_READY);
    struct spv_chain_start start;
    struct spv_filter_sync_stats filters;
    spv_filter_sync_get_stats(n->filters.sync, &filters);
    spv_chain_get_start(n->chain, &start);
    *out = (struct spv_node_stats){
        .start = start,
        .tip = *spv_chain_tip(n->chain),
        .start_height = n->start_height,
        .headers_added = n->sync.headers_added + spv_checkpoint_start_added(n->start) +
                         spv_backfill_added(n->backfill),
        .backfill_height = spv_backfill_height(n->backfill),
        .starting = spv_checkpoint_start_running(n->start),
        .target_height = spv_sync_target(&n->sync),
        .peers = ready,
        .peers_connecting = spv_outbound_count(&n->outbound, SPV_CONN_STATE_CONNECTING),
        .sync_peer = n->sync.sync_peer,
        .synced = n->sync.synced && ready > 0,
        .wants_extra_peers = n->health.wants_extra_peers,
        .clock_skew_s = n->health.skew_s,
        .reorgs = n->sync.reorgs,
        .stalls = n->sync.stalls,
        .bans = n->bans,
        .addresses_new = n->outbound.addrman.n_new,
        .addresses_tried = n->outbound.addrman.n_tried,
        .banned = n->outbound.banman.n,
        .feelers = n->outbound.feelers,
        .memory = sizeof *n + spv_chain_memory(n->chain) + spv_sync_memory(&n->sync) +
                  spv_outbound_memory(&n->outbound) + spv_checkpoint_start_memory(n->start) +
                  spv_backfill_memory(n->backfill) + filters.memory + spv_node_wallet_memory(n),
        .filters = n->filters.on,
        .filters_stopped = filters.stopped,
        .filter_height = filters.begun ? filters.height : 0,
        .filter_headers_added = filters.added,
        .filter_peers = filters.peers,
        .filter_branches = filters.branches,
    };
    const struct spv_segments *segments[] = {n->sync.segments,
                                             spv_checkpoint_start_segments(n->start),
                                             spv_backfill_segments(n->backfill)};
    for (size_t i = 0; i < sizeof segments / sizeof segments[0]; i++) {
        struct spv_segments_stats stats;
        if (!segments[i])
            continue;
        spv_segments_get_stats(segments[i], &stats);
        out->requests += stats.in_flight;
        out->segments += stats.segments;
        out->headers_waiting += stats.waiting;
        out->segments_done += stats.done;
        out->hedges += stats.hedges;
    }
    out->requests += spv_sync_open_requests(&n->sync);
    spv_sync_presync_info(&n->sync, out);
}
