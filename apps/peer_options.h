/* The options that say to which peers a program connects, and how. */
#ifndef APPS_PEER_OPTIONS_H
#define APPS_PEER_OPTIONS_H

#include "cli.h"
#include "spv/loop.h"
#include "sync_proxy.h"

struct peer_options {
    struct cli_list connect, add_peers;
    struct sync_proxy proxy;
    enum spv_transport_choice transport;
    bool clear_bans;
    uint64_t peers; /* 0: not given */
    struct spv_endpoint endpoints[2 * CLI_LIST_MAX]; /* made from both lists, --connect first */
};

/* The rows of the table of options, as macros that take a struct peer_options. */
#define PEER_CONNECT_ROW(options)                                                                  \
    {                                                                                              \
        .name = "connect", .letter = 'c', .kind = CLI_LIST, .value = "HOST[:PORT]",                \
        .help = "Connect only to this peer; may be given several times. Default: peers are found " \
                "by DNS.",                                                                         \
        .into = &(options).connect                                                                 \
    }
#define PEER_ADD_PEER_ROW(options)                                                                 \
    {                                                                                              \
        .name = "add-peer", .kind = CLI_LIST, .value = "HOST[:PORT]",                              \
        .help = "Connect to this peer in addition to those that are found; may be given several "  \
                "times.",                                                                          \
        .into = &(options).add_peers                                                               \
    }
#define PEER_PROXY_ROW(options)                                                                    \
    {                                                                                              \
        .name = "proxy", .kind = CLI_TEXT, .value = "HOST[:PORT]",                                 \
        .help = "Connect to every peer through this SOCKS5 proxy (Tor: 127.0.0.1:9050); names "    \
                "are resolved by the proxy, never locally.",                                       \
        .into = &(options).proxy.text                                                              \
    }
#define PEER_ONION_ROW(options)                                                                    \
    {                                                                                              \
        .name = "onion", .kind = CLI_FLAG,                                                         \
        .help = "Connect only to onion addresses, through --proxy. Default proxy: "                \
                "127.0.0.1:9050.",                                                                 \
        .into = &(options).proxy.onion                                                             \
    }
#define PEER_TRANSPORT_ROW(options)                                                                \
    CLI_TRANSPORT_ROW((options).transport,                                                         \
                      "Encrypt connections (BIP324, v2). auto: where the peer has it, else v1; "   \
                      "v1: never; v2: only with peers that have it. Default auto.")
#define PEER_CLEAR_BANS_ROW(options)                                                               \
    {                                                                                              \
        .name = "clear-bans", .kind = CLI_FLAG,                                                    \
        .help = "Remove all bans. A peer is banned for 24 hours for sending an invalid header.",   \
        .into = &(options).clear_bans                                                              \
    }
#define PEER_PEERS_ROW(options)                                                                    \
    {                                                                                              \
        .name = "peers", .kind = CLI_NUMBER, .value = "N",                                         \
        .help = "Number of outbound connections. Default: 4, or all of --connect.",                \
        .into = &(options).peers, .min = 1, .max = SPV_NODE_MAX_PEERS                              \
    }

/* Checks the options of a network and makes the endpoints. Returns CLI_DONE, or the exit code after
 * reporting a usage error. */
int peer_options_check(struct peer_options *o, const struct spv_params *params);
/* Sets them in a configuration; *o is borrowed during spv_evloop_new. */
void peer_options_apply(const struct peer_options *o, struct spv_evloop_config *cfg);

/* No peer is named, and this network has no seeds. */
bool peer_options_must_name(const struct peer_options *o, const struct spv_params *params);
/* Reports that a peer must be named. Returns the exit code. */
int peer_options_name_peer(const struct spv_params *params);
/* Returns the option that names every peer the run begins with; NULL: there are others. */
const char *peer_options_naming(const struct peer_options *o, const struct spv_params *params,
                                const struct spv_node_stats *stats);

#endif
