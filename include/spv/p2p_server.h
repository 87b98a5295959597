/* P2P server for block headers and compact block filters: accepts inbound connections and answers
 * getheaders, getcfilters, getcfheaders and getcfcheckpt from databases, for many clients at once.
 * The chain may grow and reorganise meanwhile. */
#ifndef SPV_P2P_SERVER_H
#define SPV_P2P_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/endpoint.h"
#include "spv/error.h"
#include "spv/export.h"
#include "spv/filter_db.h"
#include "spv/header_db.h"
#include "spv/network.h"
#include "spv/peer.h"
#include "spv/reactor.h"
#include "spv/transport.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spv_p2p_server_config {
    const struct spv_netid *net; /* borrowed until spv_p2p_server_free */
    struct spv_header_db header_db; /* its ctx is borrowed until spv_p2p_server_free */
    /* Filters of the same store, whose snapshots are those of header_db; copied, and its ctx is
     * borrowed until spv_p2p_server_free. Compact filter requests (BIP157) are then answered as far
     * as the filters are there, and a request that breaks a rule closes the connection with
     * SPV_ERR_FILTER_REQUEST. NULL, or no filter headers when the client connects: they close it
     * with SPV_ERR_FILTERS_NOT_OFFERED. */
    const struct spv_filter_db *filter_db;
    struct spv_endpoint listen; /* port 0: a free one */
    /* Service bits in our version message. With a filter_db, SPV_NODE_COMPACT_FILTERS is added to
     * or removed from them for each new connection, by spv_serve_filter_coverage. */
    uint64_t services;
    /* Maximum number of clients; 0: 256. One address may use 1/8 of the slots, its group (IPv4 /24,
     * IPv6 /64) 1/4; loopback is not limited. When all are in use a new client evicts the one that
     * has been inactive longest without completing the handshake, else the most recently connected
     * one that is not protected by its group, its ping or its age. */
    unsigned max_clients;
    enum spv_transport_choice transport; /* that clients may use; AUTO and ONLY_V2 add P2P_V2 to
                                            the services */
    size_t cache_bytes; /* of encoded headers messages; 0: 32 MiB. Below 160 KiB: no cache */
    /* How often the database is checked for a new tip, in microseconds; a new one is announced to
     * every client, by headers if it sent sendheaders (BIP130), else by inv. 0: never. */
    uint64_t tip_poll_us;
    /* Callbacks, on the server's thread; each may be NULL, and each pointer argument is valid
     * during the call. They may call spv_p2p_server_stop and the getters. */
    void (*on_tip)(void *ctx, const struct spv_chain_header *tip); /* the tip has changed */
    /* A client connected (connected true, error 0) or disconnected. Also called by
     * spv_p2p_server_free. */
    void (*on_client)(void *ctx, const struct spv_endpoint *from, bool connected, int error,
                      unsigned clients);
    /* A client's handshake is complete: its transport and version are known. */
    void (*on_ready)(void *ctx, const struct spv_endpoint *from,
                     const struct spv_peer_stats *stats);
    /* A connection was rejected: SPV_ERR_ADDRESS_LIMIT, SPV_ERR_SERVER_FULL, or a local error. */
    void (*on_refused)(void *ctx, const struct spv_endpoint *from, int error, unsigned clients);
    void *ctx; /* argument of the callbacks */
};

struct spv_p2p_server_stats {
    unsigned clients; /* connected now */
    uint64_t accepted, refused, headers_sent, requests; /* requests: getheaders */
    uint64_t evicted; /* of the accepted ones */
    uint64_t filter_requests; /* getcfilters, getcfheaders and getcfcheckpt */
    uint64_t filters_sent;
};

struct spv_p2p_server;

/* Creates a server and listens; connections are accepted once it runs. The caller owns *out and
 * frees it with spv_p2p_server_free. *why (may be NULL) is filled in on failure. Thread: any; the
 * server then belongs to the thread that runs it. Returns 0, SPV_ERR_NOMEM, SPV_ERR_NO_DESCRIPTOR,
 * SPV_ERR_RESOLVE (the listen address), or SPV_ERR_IO (cannot listen on it). */
SPV_API int spv_p2p_server_new(struct spv_p2p_server **out, const struct spv_p2p_server_config *cfg,
                               struct spv_error_info *why);

/* Returns the port that it listens on. Any thread. */
SPV_API uint16_t spv_p2p_server_port(const struct spv_p2p_server *s);

/* Runs until spv_p2p_server_stop. Thread: the calling thread becomes the server's thread.
 * Returns 0 after a stop, SPV_ERR_IO, or SPV_ERR_STATE in a callback of the server or of its
 * reactor (no effect). */
SPV_API int spv_p2p_server_run(struct spv_p2p_server *s);

/* Makes spv_p2p_server_run return soon; final. Any thread; async-signal-safe. */
SPV_API void spv_p2p_server_stop(struct spv_p2p_server *s);

/* Writes the statistics to *out. Thread: the server's only, in a callback; or any one thread while
 * the server does not run. Not safe from other threads. */
SPV_API void spv_p2p_server_get_stats(const struct spv_p2p_server *s,
                                      struct spv_p2p_server_stats *out);

/* Returns the server's reactor, borrowed until spv_p2p_server_free. Other handles may use it; free
 * them before the server. Any thread. */
SPV_API struct spv_reactor *spv_p2p_server_reactor(struct spv_p2p_server *s);

/* Closes all connections (on_client is called for each) and frees the server. NULL is allowed.
 * Thread: any one thread while the server does not run.
 * Returns 0, or SPV_ERR_STATE in a callback of the server or of its reactor: nothing is freed; call
 * spv_p2p_server_stop, and free the server after spv_p2p_server_run has returned. */
SPV_API int spv_p2p_server_free(struct spv_p2p_server *s);

#ifdef __cplusplus
}
#endif

#endif
