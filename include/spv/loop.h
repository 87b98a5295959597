/* The event loop of a light client (spv_evloop_*): runs a node (spv/node.h) with its connections
 * and its store on a reactor (spv/reactor.h). It executes the node's effects, as a caller without
 * this loop would have to. A header sync is one call: spv_evloop_run. */
#ifndef SPV_LOOP_H
#define SPV_LOOP_H

#include <stddef.h>
#include <stdint.h>

#include "spv/node.h"
#include "spv/reactor.h"
#include "spv/store.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spv_evloop_config {
    /* The loop fills in header_db, backfill_db, filter_db, indexed, rng, addrman_rows, bloom and
     * proxied; with a proxy and nets 0 also nets (all networks). params and checkpoints are
     * borrowed until spv_evloop_free, the other pointers during spv_evloop_new. */
    struct spv_node_config node; /* its wallet and broadcast, if any, are new ones, without an
                                    input: spv_evloop_new loads their rows from the store */
    struct spv_store *store; /* open for writing; borrowed until spv_evloop_free */
    uint64_t connect_timeout_us; /* 0: 10 s, or 60 s through a proxy */
    /* SOCKS5 proxy for every outbound connection, or NULL. Each connection uses its own random
     * credentials (Tor's stream isolation), so the proxy must support user name authentication. No
     * name is resolved locally. Borrowed during spv_evloop_new. */
    const struct spv_endpoint *proxy;
    const char *user_agent; /* NULL: the library's. Borrowed until spv_evloop_free */
    /* Called for each event on the loop's thread; the event is valid during the call. May call
     * spv_evloop_stop and the statistics. May be NULL. */
    void (*on_event)(void *ctx, const struct spv_event *event);
    /* Called for each event of a scan (spv/scan.h), likewise; it may also call spv_evloop_scan and
     * the functions after it. May be NULL. */
    void (*on_scan)(void *ctx, const struct spv_scan_event *event);
    /* Called for each event of the wallet (spv/wallet_event.h), likewise; it may also call
     * spv_evloop_watch and the functions after it. May be NULL. */
    void (*on_wallet)(void *ctx, const struct spv_wallet_event *event);
    /* Called when the progress of a published transaction has changed, likewise. May be NULL. */
    void (*on_broadcast)(void *ctx, const struct spv_broadcast_progress *progress);
    uint64_t keep_filters; /* bytes of filters that a scan keeps in the store; 0: none */
    /* Called every tick_us microseconds (0: never) on the loop's thread. May be NULL. */
    void (*on_tick)(void *ctx);
    uint64_t tick_us;
    void *ctx; /* argument of the callbacks */
};

struct spv_evloop;

/* Creates a loop; opens no connection yet. The caller owns *out and frees it with spv_evloop_free,
 * before the store is closed. *why (may be NULL) is filled in on failure. Thread: any; the loop
 * then belongs to the thread that runs it. Returns 0, SPV_ERR_INVALID (no store, no params),
 * SPV_ERR_NOMEM, SPV_ERR_IO, SPV_ERR_NO_DESCRIPTOR, SPV_ERR_DB_CHECKPOINT (the stored chain
 * contradicts a checkpoint), or the store's error when the stored chain cannot be loaded. */
SPV_API int spv_evloop_new(struct spv_evloop **out, const struct spv_evloop_config *cfg,
                           struct spv_error_info *why);

/* Runs the loop until spv_evloop_stop or a failure of the store; then every accepted header is
 * committed and flushed. Runs once. Thread: the calling thread becomes the loop's thread.
 * Returns 0 after a stop, the store's error, SPV_ERR_IO, or SPV_ERR_STATE when the loop has already
 * run or is running (called in one of its callbacks, which has no effect). */
SPV_API int spv_evloop_run(struct spv_evloop *l);

/* Makes spv_evloop_run return soon; stopping twice has no further effect. Any thread;
 * async-signal-safe. */
SPV_API void spv_evloop_stop(struct spv_evloop *l);

/* A scan of the node (spv/node.h), whose filters are matched on threads of the loop. They return
 * what the functions of the node do, or SPV_ERR_NOMEM. Thread: the loop's only, in a callback; or
 * any one thread before the loop runs. */
SPV_API int spv_evloop_scan(struct spv_evloop *l, const struct spv_bytes *scripts, size_t n,
                            uint32_t first, uint32_t last);
SPV_API int spv_evloop_scan_add(struct spv_evloop *l, const struct spv_bytes *scripts, size_t n,
                                uint32_t from);
SPV_API int spv_evloop_scan_add_output(struct spv_evloop *l, const struct spv_txid *txid,
                                       uint32_t index, const struct spv_bytes *script);
SPV_API int spv_evloop_scan_stop(struct spv_evloop *l);
SPV_API void spv_evloop_scan_stats(const struct spv_evloop *l, struct spv_scan_stats *out);

/* The inputs of the node's wallet and of what it publishes (spv/node.h). They return what the
 * functions of the node do. Thread: as spv_evloop_scan. */
SPV_API int spv_evloop_watch(struct spv_evloop *l, uint64_t *request, uint64_t *id,
                             struct spv_text_error *why, const struct spv_watch_target *watch);
SPV_API int spv_evloop_unwatch(struct spv_evloop *l, uint64_t *request, uint64_t id);
SPV_API int spv_evloop_reserve_index(struct spv_evloop *l, uint64_t *request, uint32_t *index,
                                     uint64_t id, uint32_t branch);
SPV_API void spv_evloop_wallet_status(const struct spv_evloop *l, struct spv_wallet_status *out);
SPV_API int spv_evloop_publish(struct spv_evloop *l, const struct spv_tx *txs,
                               const struct spv_broadcast_report *reports, size_t n,
                               unsigned flags);
SPV_API int spv_evloop_withdraw(struct spv_evloop *l, const struct spv_txid *txid);

/* Writes the node's statistics to *out. Thread: the loop's only, in a callback; or any one thread
 * while the loop does not run. Not safe from other threads: copy them in on_tick instead. */
SPV_API void spv_evloop_get_stats(const struct spv_evloop *l, struct spv_node_stats *out);

/* Writes the statistics of the connections with a completed handshake to out, at most cap, and
 * their peer ids to ids (parallel arrays; ids may be NULL). Returns how many. Thread: as
 * spv_evloop_get_stats. */
SPV_API size_t spv_evloop_peers(const struct spv_evloop *l, struct spv_peer_stats *out,
                                uint64_t *ids, size_t cap);

/* Writes the node's view of the same peers with their latencies (see spv_node_peers) to out, at
 * most cap. Returns how many. Thread: as spv_evloop_get_stats. */
SPV_API size_t spv_evloop_node_peers(const struct spv_evloop *l, struct spv_node_peer *out,
                                     size_t cap);

/* Closes all connections and frees the loop; the store stays open and is the caller's. NULL is
 * allowed. Thread: any one thread while the loop does not run.
 * Returns 0, or SPV_ERR_STATE while the loop runs (called in one of its callbacks): nothing is
 * freed; call spv_evloop_stop, and free the loop after spv_evloop_run has returned. */
SPV_API int spv_evloop_free(struct spv_evloop *l);

#ifdef __cplusplus
}
#endif

#endif
