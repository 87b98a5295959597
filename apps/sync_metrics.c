#include "sync_metrics.h"

void metrics_totals(json_t *object, const struct spv_node_stats *stats)
{
    const struct {
        const char *name;
        uint64_t value;
    } totals[] = {
        {"presync_peers", stats->presync_peers},
        {"presync_pass", stats->presync_pass},
        {"presync_headers", stats->presync_headers},
        {"presync_length", stats->presync_length},
        {"requests", stats->requests},
        {"segments", stats->segments},
        {"segments_done", stats->segments_done},
        {"hedges", stats->hedges},
        {"stalls", stats->stalls},
        {"reorgs", stats->reorgs},
        {"bans", stats->bans},
        {"filter_height", stats->filter_height},
        {"filter_headers_added", stats->filter_headers_added},
        {"filter_peers", stats->filter_peers},
    };
    for (size_t i = 0; object && i < sizeof totals / sizeof totals[0]; i++)
        json_object_set_new(object, totals[i].name, json_integer((json_int_t)totals[i].value));
}

static const char *group_name(enum spv_group_kind kind)
{
    switch (kind) {
    case SPV_GROUP_MANUAL:
        return "named";
    case SPV_GROUP_IPV4:
        return "ipv4";
    case SPV_GROUP_IPV6:
        return "ipv6";
    case SPV_GROUP_ONION:
        return "onion";
    }
    return "other";
}

static json_t *peer_object(const struct spv_node_peer *p)
{
    return json_pack("{s:I, s:s, s:s, s:s, s:f, s:b, s:b, s:I, s:I, s:f, s:i, s:I, s:I, s:I, s:f}",
                     "peer_id", (json_int_t)p->id, "peer", p->address, "group",
                     group_name(p->group), "transport",
                     p->transport == SPV_TRANSPORT_V2 ? "v2" : "v1", "connected",
                     (double)p->connected_for_us / 1e6, "chain", (int)p->is_sync_peer, "done",
                     (int)p->at_tip, "claim", (json_int_t)p->claimed_height, "headers",
                     (json_int_t)p->headers, "rate", p->rate, "requests", (int)p->requests,
                     "segments_done", (json_int_t)p->segments_done, "hedges", (json_int_t)p->hedges,
                     "stalls", (json_int_t)p->stalls, "latency", (double)p->latency_us / 1e6);
}

void metrics_peers(json_t *object, const struct spv_node_peer *peers, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < n; i++)
        json_array_append_new(list, peer_object(&peers[i]));
    if (object && list)
        json_object_set(object, "peer_list", list);
    json_decref(list);
}
