/* A network without seeds, as regtest is, has no peers but those that are named or stored. */
#include "peer_options.h"

static bool has_seeds(const struct spv_params *p)
{
    return (p->dns_seeds && p->dns_seeds[0].name) || p->fixed_seeds;
}

bool peer_options_must_name(const struct peer_options *o, const struct spv_params *params)
{
    return o->connect.n == 0 && o->add_peers.n == 0 && !has_seeds(params);
}

const char *peer_options_naming(const struct peer_options *o, const struct spv_params *params,
                                const struct spv_node_stats *stats)
{
    if (o->connect.n > 0)
        return "--connect";
    return o->add_peers.n > 0 && !has_seeds(params) &&
                   stats->addresses_new + stats->addresses_tried == 0
               ? "--add-peer"
               : NULL;
}

int peer_options_name_peer(const struct spv_params *params)
{
    return cli_usage("%s: this network has no DNS seeds: name a peer with --connect "
                     "HOST[:PORT] or --add-peer HOST[:PORT].",
                     params->net.name);
}

static int read_endpoints(const struct peer_options *o, struct spv_endpoint *out,
                          const struct cli_list *list, const char *option, uint16_t port)
{
    size_t i;

    for (i = 0; i < list->n; i++) {
        int rc = cli_endpoint(&out[i], option, list->item[i], port);
        if (rc != CLI_DONE)
            return rc;
        if (out[i].port == 0)
            return cli_usage("--%s: '%s' is not HOST, HOST:PORT or [IPv6]:PORT.", option,
                             list->item[i]);
        rc = sync_proxy_allows(&o->proxy, option, &out[i]);
        if (rc != CLI_DONE)
            return rc;
    }
    return CLI_DONE;
}

int peer_options_check(struct peer_options *o, const struct spv_params *params)
{
    const uint16_t port = params->net.port;
    int rc;

    if (o->connect.n > 0 && o->add_peers.n > 0)
        return cli_usage(
            "--add-peer: cannot be combined with --connect, which allows no other peer.");
    if (o->connect.n > SPV_NODE_MAX_ENDPOINTS || o->add_peers.n > SPV_NODE_MAX_ENDPOINTS)
        return cli_usage("--connect: more than %d peers.", SPV_NODE_MAX_ENDPOINTS);
    rc = sync_proxy_read(&o->proxy);
    if (rc == CLI_DONE)
        rc = read_endpoints(o, o->endpoints, &o->connect, "connect", port);
    if (rc == CLI_DONE)
        rc = read_endpoints(o, o->endpoints + o->connect.n, &o->add_peers, "add-peer", port);
    return rc;
}

void peer_options_apply(const struct peer_options *o, struct spv_evloop_config *cfg)
{
    cfg->node.connect = o->endpoints;
    cfg->node.n_connect = o->connect.n;
    cfg->node.add_peers = o->endpoints + o->connect.n;
    cfg->node.n_add_peers = o->add_peers.n;
    cfg->node.peers = (unsigned)o->peers;
    cfg->node.clear_bans = o->clear_bans;
    cfg->node.transport = o->transport;
    sync_proxy_apply(&o->proxy, cfg);
}
