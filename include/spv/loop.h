/* The ready-made shell: drives a node, its links and its store on one reactor. */
#ifndef SPV_LOOP_H
#define SPV_LOOP_H

#include "spv/node.h"
#include "spv/reactor.h"
#include "spv/store.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spv_evloop_config {
    struct spv_node_config node; /* reader, indexed, rng, book and proxied are filled in by the
                                    loop; reach, too, with a proxy, when it is 0: everything */
    struct spv_store *store; /* open for writing; lent */
    uint64_t connect_timeout_us; /* 0: 10 s, or 60 s through a proxy */
    /* A SOCKS5 proxy that every dial goes through, each with random credentials of its own, so that
     * Tor gives each a circuit of its own; it must take some. No name is looked up here then. NULL:
     * none. Lent for the call. */
    const struct spv_endpoint *proxy;
    const char *user_agent; /* NULL: the library's */
    /* Each event, on the loop's thread; lent for the call. May call spv_evloop_stop. */
    void (*on_event)(void *ctx, const struct spv_event *event);
    /* Every tick_us (0: never), for progress lines. */
    void (*on_tick)(void *ctx);
    uint64_t tick_us;
    void *ctx;
};

struct spv_evloop;

SPV_API int spv_evloop_new(struct spv_evloop **out, const struct spv_evloop_config *cfg,
                           struct spv_error_info *why);
/* Runs until spv_evloop_stop (returns 0) or until the store fails (returns its error). Everything
 * accepted by then is committed and flushed. */
SPV_API int spv_evloop_run(struct spv_evloop *l);
/* Any thread; async-signal-safe. */
SPV_API void spv_evloop_stop(struct spv_evloop *l);
SPV_API void spv_evloop_stats(const struct spv_evloop *l, struct spv_node_stats *out);
/* Statistics of the ready peers, at most cap; returns how many. Parallel arrays; ids may be NULL.
 */
SPV_API size_t spv_evloop_peers(const struct spv_evloop *l, struct spv_peer_stats *out,
                                uint64_t *ids, size_t cap);
/* The node's own view of them, with latencies: see spv_node_peers. */
SPV_API size_t spv_evloop_node_peers(const struct spv_evloop *l, struct spv_node_peer *out,
                                     size_t cap);
SPV_API void spv_evloop_free(struct spv_evloop *l);

/* A header server: listens, shakes hands, answers getheaders from a reader, many clients at once.
 * The reader's chain may grow and reorganise meanwhile, by whoever writes it. */
struct spv_server_config {
    const struct spv_netid *net;
    struct spv_header_db reader;
    struct spv_endpoint listen;
    uint64_t services;
    /* Slots; 0: 256. An address has 1/8 of them, its group (IPv4 /24, IPv6 /64) 1/4; loopback has
     * no share. When all are taken a newcomer evicts the longest silent client that has not
     * finished the handshake, else the youngest that is not protected: by its group, its ping or
     * its age. */
    unsigned max_clients;
    size_t cache_bytes; /* of headers kept as they are sent; 0: 32 MiB. Below 160 KiB: none */
    /* How often the reader's tip is looked at; a new one is announced to every client, by headers
     * if it asked so (BIP130), else by its hash. 0: the chain stays as it is. */
    uint64_t watch_us;
    /* May be NULL: the reader has another tip than before. */
    void (*on_tip)(void *ctx, const struct spv_chain_header *tip);
    /* May be NULL: a client came (error 0, connected true) or went. */
    void (*on_client)(void *ctx, const struct spv_endpoint *from, bool connected, int error,
                      unsigned clients);
    /* May be NULL: a connection was closed at once (SPV_ERR_CONN_SHARE, SPV_ERR_CONNS_TAKEN, or
     * an error of this system). */
    void (*on_refused)(void *ctx, const struct spv_endpoint *from, int error, unsigned clients);
    void *ctx;
};
struct spv_server_stats {
    unsigned clients;
    uint64_t accepted, refused, headers_sent, requests;
    uint64_t evicted; /* of the accepted ones */
};
struct spv_server;
SPV_API int spv_server_new(struct spv_server **out, const struct spv_server_config *cfg,
                           struct spv_error_info *why);
SPV_API uint16_t spv_server_port(const struct spv_server *s);
SPV_API int spv_server_run(struct spv_server *s);
SPV_API void spv_server_stop(struct spv_server *s); /* any thread; async-signal-safe */
SPV_API void spv_server_get_stats(const struct spv_server *s, struct spv_server_stats *out);
/* What it runs on; lent. Others may live there, too: they are freed before the server. */
SPV_API struct spv_reactor *spv_server_reactor(struct spv_server *s);
SPV_API void spv_server_free(struct spv_server *s);

/* An HTTP server of the reference node's REST endpoints for headers: /rest/headers/<hash>.<ext>
 * with ?count=, the older /rest/headers/<count>/<hash>.<ext>,
 * /rest/blockhashbyheight/<height>.<ext> and /rest/chaininfo.json; GET and HEAD only. Each answer
 * is of one state of the reader's chain, which may grow meanwhile. */
struct spv_http_config {
    const struct spv_params *params;
    struct spv_header_db reader;
    struct spv_endpoint listen;
    unsigned max_connections; /* 0: 64; of more, the longest idle one is closed, one that is
                                 being answered last */
    unsigned rate; /* requests a second of one address (IPv6: /64), four seconds' worth at once;
                      beyond, 429 and when to come again. 0: as many as come */
    uint64_t request_timeout_us; /* a request must be complete in so long; 0: 10 s */
};
struct spv_http_stats {
    unsigned open; /* connections now */
    uint64_t connections, requests;
    uint64_t limited; /* requests answered with 429 */
    uint64_t dropped; /* connections that were too slow or too many */
};
struct spv_http;
/* Runs on the reactor, whose thread all calls belong to, and is freed before it. SPV_ERR_NOMEM,
 * SPV_ERR_IO, SPV_ERR_RESOLVE. */
SPV_API int spv_http_new(struct spv_http **out, struct spv_reactor *r,
                         const struct spv_http_config *cfg, struct spv_error_info *why);
SPV_API uint16_t spv_http_port(const struct spv_http *h);
SPV_API void spv_http_get_stats(const struct spv_http *h, struct spv_http_stats *out);
SPV_API void spv_http_free(struct spv_http *h);

#ifdef __cplusplus
}
#endif

#endif
