/* The node: composes addresses, header sync and chain into one state machine that downloads the
 * header chain and keeps it up to date. It performs no I/O and reads no clock: the caller
 * (spv/loop.h, or your own code) passes in events (connected, message, closed, resolved, stored,
 * timer) with the current time, and executes the effects that spv_node_poll returns. A peer is
 * identified by the id of the CONNECT effect that requested its connection; ids ascend and are
 * never reused.
 *
 * Thread rule: all calls on one node from one thread at a time; different nodes are independent.
 * Heights count from genesis (0). Times are in microseconds (_us) or seconds (_s), as named. */
#ifndef SPV_NODE_H
#define SPV_NODE_H

#include "spv/addrman.h"
#include "spv/broadcast.h"
#include "spv/chain.h"
#include "spv/endpoint.h"
#include "spv/filter_db.h"
#include "spv/peer.h"
#include "spv/scan.h"
#include "spv/wallet_event.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_NODE_MAX_PEERS 64 /* outbound slots at most */
#define SPV_NODE_MAX_ENDPOINTS 256 /* connect and add_peers together */
#define SPV_NODE_MAX_CHECKPOINTS 8192 /* one per period: three centuries of blocks */

/* Whether peers other than the configured ones are discovered. */
enum spv_discovery_mode {
    SPV_DISCOVERY_ON = 0, /* DNS seeds, fixed seeds, address gossip; not with `connect` */
    SPV_DISCOVERY_OFF = 1,
};

/* What is pointed at is copied by spv_node_new, except where noted. */
struct spv_node_config {
    const struct spv_params *params; /* required; what it points at must outlive the node */
    /* the stored headers, read while the node lives; zeroed: none */
    struct spv_header_db header_db;
    const struct spv_endpoint *connect; /* connect only to these; each is a network group */
    size_t n_connect;
    const struct spv_endpoint *add_peers; /* connect to these as well */
    size_t n_add_peers;
    unsigned peers; /* target number of outbound connections; 0: 4 (or n_connect) */
    enum spv_discovery_mode discovery;
    unsigned nets; /* SPV_NET_*: networks that can be connected to; 0: IPv4 and IPv6 */
    enum spv_transport_choice transport; /* AUTO: v2 to manual peers and to addresses that
                                            advertise SPV_NODE_P2P_V2; v1 after a v2 handshake
                                            that failed as with a peer that has v1 only */
    bool proxied; /* resolve no name: connect to DNS seeds by name and send them getaddr */
    const struct spv_addrman_rows *addrman_rows; /* the stored addresses and bans; NULL: none */
    bool clear_bans;
    const struct spv_u256 *min_work; /* minimum chain work; NULL: the network's */
    enum spv_checkpoint_mode checkpoint_mode;
    const struct spv_checkpoint *checkpoints; /* instead of the network's, heights ascending; must
                                                 outlive the node; NULL: the network's */
    size_t n_checkpoints; /* at most SPV_NODE_MAX_CHECKPOINTS */
    uint32_t start_height; /* when none is stored: start at the last checkpoint at or below this
                              height where that is possible (spv_params_start_checkpoint); 0: at
                              genesis */
    bool backfill; /* once synced, fetch the headers below the first stored one */
    struct spv_header_db backfill_db; /* those fetched so far (spv_store_backfill_db) */
    bool indexed; /* header_db.by_hash finds every stored header */
    /* Keep filter headers (BIP157) in step with the best chain; prefers peers that offer
     * SPV_NODE_COMPACT_FILTERS. Filter headers start at the lowest built-in one
     * (spv_params.filter_checkpoints) at or above the first stored header; a chain that starts
     * above all of them has none until the backfill is done (SPV_WARN_FILTERS_START). */
    bool filters;
    bool keep_filters; /* a scan emits KEEP_FILTERS effects */
    uint64_t keep_filters_bytes; /* how many bytes of filters are kept, the highest ones: a scan
                                    without scripts fetches no more; 0: no bound */
    struct spv_filter_db filter_db; /* the stored ones, read while the node lives; zeroed: none */
    /* Synchronise this loaded wallet with the chain: see spv_node_watch. Borrowed: only the node
     * may use it until the node is freed; NULL: none. */
    struct spv_wallet *wallet;
    enum spv_source source; /* AUTO and FILTERS imply `filters` */
    bool allow_bloom; /* AUTO may use bloom filters, which reveal to peers what is watched */
    struct spv_bloom_params bloom; /* as stored (STORE_BLOOM); zeroed: no filter was loaded yet */
    bool bloom_cross_check; /* each block is requested from two peers */
    int64_t bloom_whole_from; /* satoshis: a block with such an output to the wallet is fetched
                                 whole; 0: none is */
    /* Fetch every transaction that peers announce, for payments that are in no block yet: all
     * connections get relay 1. With bloom filters peers announce what matches in any case. */
    bool fetch_unconfirmed;
    /* Publish transactions with this object: see spv_node_publish. Borrowed: only the node may use
     * it until the node is freed; NULL: none. */
    struct spv_broadcast *broadcast;
    struct spv_rng rng; /* required */
    uint64_t request_timeout_us; /* of a getheaders; 0: 20 s */
};

/* Events that the application may display or act on. */
enum spv_event_kind {
    SPV_EVENT_CONNECTED = 0, /* handshake done */
    SPV_EVENT_DISCONNECTED = 1, /* error is the reason */
    SPV_EVENT_CONNECT_FAILED = 2,
    SPV_EVENT_PROGRESS = 3, /* the tip moved forward */
    SPV_EVENT_REORG = 4, /* the tip moved to another branch */
    SPV_EVENT_SYNCED = 5, /* the chain is synced; again after each BEHIND */
    SPV_EVENT_BEHIND = 6, /* no longer synced: a peer has more headers */
    SPV_EVENT_BANNED = 7, /* a peer sent provably invalid data; error is the rule it breaks */
    SPV_EVENT_BACKFILL_DONE =
        8, /* the headers below the database's start are complete to genesis */
    SPV_EVENT_WARNING = 9, /* `warning` is its kind, `text` its description */
    /* No request is left to send, and the chain is not synced; `warning` is the reason, and
     * WARNINGs with the details precede it. The conditions are: every ready peer has answered each
     * request (or is overdue); there are as many ready peers as SYNCED requires; and no further
     * peer is expected, as every `connect` peer is ready, banned, or has failed several times in a
     * row. Never with discovery, where more peers can always be tried: then only the WARNINGs
     * occur. Once for each tip and reason. The node continues, and SYNCED may follow when a peer
     * sends more headers or another peer connects. */
    SPV_EVENT_UNRESOLVED = 10,
    /* The filter headers reach the tip of the synced chain, and all peers that serve filters and
     * answer in time were compared with them; once for each tip. */
    SPV_EVENT_FILTERS_SYNCED = 11,
};
/* The kinds of WARNING, and the meaning of the event's numbers. */
enum spv_warning {
    SPV_WARN_NONE = 0,
    SPV_WARN_STALE_TIP = 1, /* `seconds` since the tip moved; repeated hourly while it lasts */
    SPV_WARN_CLOCK = 2, /* most peers' clocks are ahead of ours by `seconds` (negative: behind);
                       repeated hourly while it lasts. Our clock is never adjusted. */
    SPV_WARN_NO_PEERS = 3, /* no peer is connected any more; once */
    /* The following are about `peer`, once for each tip, and may be the `warning` of UNRESOLVED. */
    SPV_WARN_UNMET_CLAIM = 4, /* the peer claimed claimed_height, but sent no header above
                             given_height, and no other peer met its claim either. Unless the tip
                             has the network's minimum work (a minimum of 0 does not count) this
                             prevents SYNCED. */
    SPV_WARN_FORK_BELOW_START = 5, /* the peer's best chain forks from ours below given_height,
                                  where the database starts */
    SPV_WARN_FUTURE_HEADERS = 6, /* the peer's headers above given_height were rejected only because
                                their time is too far ahead of our clock, by `seconds`: one of the
                                two clocks is wrong */
    SPV_WARN_TIP_UNKNOWN = 7, /* no ready peer has our tip: each answered from below it, with less
                             work; the highest of their chains ends at given_height */
    SPV_WARN_LOW_WORK = 8, /* the peer's chain ends at given_height with `work`, less than
                          wanted_work: another chain, or the peer is still syncing */
    SPV_WARN_V2_BLOCKED = 9, /* peers of three network groups offer v2, but could be reached with v1
                                only, and none with v2: something on the path blocks it; once. v1
                                is used for an hour. */
    /* Of the sync of filter headers; each once. */
    SPV_WARN_FILTERS_ONE_GROUP = 10, /* from given_height on, filter headers are those of the only
                                        network group that serves them: nothing compares them */
    SPV_WARN_FILTERS_DISPUTED = 11, /* peers disagree about the filter of given_height, and the
                                      block proves neither invalid: both are used from now on.
                                      `peer` is one whose filter header is not the stored one */
    SPV_WARN_FILTERS_BUILT_IN = 12, /* every peer of three network groups contradicts the built-in
                                      filter header of given_height: no filter headers are synced,
                                      and no peer is banned */
    SPV_WARN_FILTERS_START = 13, /* the stored headers begin at given_height, above every built-in
                                   filter header: no filter headers are synced before the backfill
                                   is done */
};
struct spv_event {
    enum spv_event_kind kind;
    uint64_t peer; /* 0: none */
    char address[SPV_ENDPOINT_TEXT]; /* the peer's */
    int error; /* 0 or an enum spv_err */
    struct spv_chain_header tip; /* of the best chain */
    uint32_t fork_height; /* REORG: the last common header */
    uint32_t removed, added; /* REORG: headers; PROGRESS: added */
    const char *text; /* WARNING, UNRESOLVED: English, static */
    enum spv_warning warning; /* WARNING, UNRESOLVED */
    /* WARNING: see enum spv_warning. DISCONNECTED, CONNECT_FAILED: seconds until the next
     * connection attempt to the peer, where that is known (when there are slots for all manual
     * peers); else 0.
     */
    int64_t seconds;
    /* CONNECTED, DISCONNECTED, CONNECT_FAILED: how often in a row this peer has failed: it was not
     * reachable, or useless. */
    unsigned failures;
    enum spv_transport transport; /* CONNECTED: that of the connection */
    uint8_t session_id[SPV_SESSION_ID]; /* CONNECTED with v2; else zero */
    uint32_t claimed_height, given_height; /* WARNING, UNRESOLVED: see enum spv_warning */
    struct spv_u256 work, wanted_work; /* WARNING, UNRESOLVED: see enum spv_warning */
};

enum spv_effect_kind {
    SPV_EFFECT_CONNECT = 0, /* dial `endpoint` as `peer`, with `transport`; then spv_node_connected
                               or spv_node_closed, with SPV_ERR_V1_PEER if spv_peer_wants_v1 */
    SPV_EFFECT_RESOLVE = 1, /* resolve `endpoint`.host; then spv_node_resolved */
    SPV_EFFECT_SEND = 2, /* send `message` to `peer` */
    SPV_EFFECT_CLOSE = 3, /* disconnect `peer`, because of `error`; do not call spv_node_closed */
    SPV_EFFECT_STORE = 4, /* apply `update`, and `wallet_update` when it is not empty, together in
                             one transaction; then spv_node_stored */
    SPV_EFFECT_INDEX = 5, /* build the hash index; then spv_node_indexed */
    SPV_EFFECT_EVENT = 6, /* `event` is for the application */
    SPV_EFFECT_SAVE_ADDRMAN = 7, /* save what spv_node_addrman_changes returns */
    SPV_EFFECT_STORE_FILTER_HEADERS = 8, /* store `filter_update`; then spv_node_stored */
    SPV_EFFECT_DROP_FILTER_HEADERS = 9, /* delete the filter headers and kept filters from `height`
                                           on; then spv_node_stored */
    SPV_EFFECT_MATCH_FILTERS =
        10, /* do `match`, which stays valid until then; then spv_node_filters_matched */
    SPV_EFFECT_KEEP_FILTERS = 11, /* keep the filters of `keep` */
    SPV_EFFECT_SCAN = 12, /* `scan` is for the application */
    SPV_EFFECT_STORE_WALLET = 13, /* apply `wallet_update` in one transaction; then spv_node_stored
                                   */
    SPV_EFFECT_WALLET = 14, /* `wallet_event` is for the application */
    SPV_EFFECT_STORE_BROADCAST = 15, /* apply `broadcast_update` in one transaction; then
                                        spv_node_broadcast_stored */
    SPV_EFFECT_BROADCAST = 16, /* `progress` is for the application */
    SPV_EFFECT_STORE_BLOOM = 17, /* store `bloom`, for spv_node_config.bloom of later runs, before
                                    the effects that follow */
};
/* What its pointers point at is borrowed: valid until the next call on the node (of a
 * filter_update or wallet_update: until spv_node_stored). */
struct spv_effect {
    enum spv_effect_kind kind;
    uint64_t peer; /* 0: none */
    int error;
    struct spv_endpoint endpoint;
    enum spv_transport transport; /* CONNECT: v1 or v2 */
    bool relay; /* CONNECT: the relay field of our version message (BIP37) */
    struct spv_msg message;
    struct spv_chain_update update;
    struct spv_filter_update filter_update;
    uint32_t height;
    struct spv_event event;
    struct spv_match_filters_task match;
    struct spv_keep_filters_task keep;
    struct spv_scan_event scan;
    struct spv_wallet_update wallet_update;
    struct spv_wallet_event wallet_event;
    struct spv_broadcast_update broadcast_update;
    struct spv_broadcast_progress progress;
    struct spv_bloom_params bloom;
};

struct spv_node_stats {
    struct spv_chain_header tip; /* of the best chain */
    uint32_t start_height; /* the tip's height when the node was created */
    uint64_t headers_added; /* since then: to the best chain, or below its start */
    struct spv_chain_start start; /* where the stored chain starts */
    uint32_t backfill_height; /* the backfill is complete up to here */
    bool starting; /* fetching the period before the checkpoint at which the chain starts */
    uint32_t target_height; /* estimate of where the chain ends: the highest height proven by
                               headers or checkpoints, or the median of the peers' claimed heights,
                               without claims that a peer's headers did not reach */
    unsigned peers; /* connected, handshake complete */
    unsigned peers_connecting;
    uint64_t sync_peer; /* id of the peer that headers are requested from now; 0: none */
    bool synced;
    bool wants_extra_peers; /* the tip is older than extra_peers_after_s (spv/params.h) */
    int64_t clock_skew_s; /* 0, or by how much most peers' clocks are ahead of ours */
    uint64_t reorgs, stalls, bans; /* counts since the node was created */
    unsigned presync_peers; /* peers whose chain must prove its work before it is stored */
    unsigned presync_pass; /* 1 or 2, of the one that is furthest; 0: none */
    uint64_t presync_headers; /* of that pass so far */
    uint64_t presync_length; /* second pass: the length of its chain; else 0 */
    unsigned requests; /* getheaders open on all peers */
    unsigned segments; /* in progress, where checkpoints cut the chain into segments */
    uint64_t segments_done; /* accepted */
    uint64_t headers_waiting; /* received in segments and not accepted yet; not in headers_added */
    uint64_t hedges; /* segments requested from one more peer because one was slow */
    bool filters; /* filter headers are synced */
    bool filters_stopped; /* because peers contradict a built-in one (SPV_WARN_FILTERS_BUILT_IN) */
    uint32_t filter_height; /* filter headers are stored up to here; 0: none yet */
    uint64_t filter_headers_added; /* since the node was created */
    unsigned filter_peers; /* that serve compact filters */
    unsigned
        filter_branches; /* of filter headers that differ from ours and are not proven invalid */
    size_t addresses_new, addresses_tried; /* in addrman */
    size_t banned; /* addresses banned now, those of earlier runs included */
    uint64_t feelers; /* short connections that test an address */
    size_t memory; /* bytes */
};

/* What kind of network group a peer is counted in. */
enum spv_group_kind {
    SPV_GROUP_MANUAL = 0, /* a group of its own: a connect or add_peers peer */
    SPV_GROUP_IPV4 = 1, /* a /16 */
    SPV_GROUP_IPV6 = 2, /* a /32 */
    SPV_GROUP_ONION = 3, /* one sixteenth of the onion addresses */
};
/* A peer whose handshake is complete. */
struct spv_node_peer {
    uint64_t id;
    char address[SPV_ENDPOINT_TEXT];
    enum spv_group_kind group;
    uint64_t connected_for_us; /* duration of the connection so far */
    bool is_sync_peer; /* headers are requested from it now */
    bool at_tip; /* its answers contain no better chain than ours */
    uint32_t claimed_height; /* the height of its chain, as claimed or shown */
    uint64_t headers; /* received from it */
    double rate; /* headers per second over the last seconds */
    unsigned requests; /* getheaders open */
    uint64_t segments_done; /* segments that it delivered first */
    uint64_t hedges; /* segments that were requested from another peer as well */
    uint64_t stalls; /* how often this address was disconnected because it did not answer */
    enum spv_transport transport;
    uint64_t latency_us; /* of the last answer; 0: unknown. Set by the loop (spv/loop.h) only */
};

struct spv_node;

/* Creates a node and queues its first effects. The caller frees *out; it is untouched on failure.
 * Returns 0, SPV_ERR_INVALID (no params or rng, too many peers or checkpoints, heights that do not
 * ascend), SPV_ERR_TOO_MANY (too many endpoints), SPV_ERR_NOMEM, or an error of spv_chain_new. */
SPV_API int spv_node_new(struct spv_node **out, const struct spv_node_config *cfg,
                         struct spv_now now);
/* Frees the node and its pending effects. NULL is ignored. */
SPV_API void spv_node_free(struct spv_node *n);

/* Every input below returns 0 or a negative enum spv_err. SPV_ERR_STATE is a call out of order and
 * changes nothing. Any other error is a failure of ours (SPV_ERR_NOMEM, an error of the header
 * database or of a failed STORE): the node stops, and every later input returns that error. */

/* The dial of `peer` has succeeded and its handshake is complete; *info is copied.
 * Returns 0, SPV_ERR_STATE (the node does not dial this peer), or a failure as above. */
SPV_API int spv_node_connected(struct spv_node *n, uint64_t peer, const struct spv_peer_stats *info,
                               struct spv_now now);
/* A message from a connected peer; borrowed during the call. A peer that was closed is ignored.
 * Returns 0, SPV_ERR_STATE (a STORE is unanswered, or the peer is not connected), or a failure. */
SPV_API int spv_node_recv(struct spv_node *n, uint64_t peer, const struct spv_msg *msg,
                          struct spv_now now);
/* The dial has failed or the connection is lost; error is the reason. Once for each id, and not
 * after CLOSE. Returns 0 or a failure. */
SPV_API int spv_node_closed(struct spv_node *n, uint64_t peer, int error, struct spv_now now);
/* The result of a RESOLVE effect: n_addrs addresses with the network's port, or an error. All is
 * borrowed during the call. Returns 0 or a failure. */
SPV_API int spv_node_resolved(struct spv_node *n, const struct spv_endpoint *endpoint, int error,
                              const struct spv_netaddr *addrs, size_t n_addrs, struct spv_now now);
/* The last STORE, STORE_FILTER_HEADERS, DROP_FILTER_HEADERS or STORE_WALLET effect was applied
 * (error 0) or has failed. Returns 0, SPV_ERR_STATE (none is pending), or a failure, `error` among
 * them. */
SPV_API int spv_node_stored(struct spv_node *n, int error, struct spv_now now);
/* The last INDEX effect was executed (error 0) or has failed. Returns 0 or a failure. */
SPV_API int spv_node_indexed(struct spv_node *n, int error, struct spv_now now);
/* Fills in the addresses and bans to be saved: after SAVE_ADDRMAN, and before the node is freed.
 * *out points into the node: valid until the next call on it. Returns 0 or SPV_ERR_NOMEM. */
SPV_API int spv_node_addrman_changes(struct spv_node *n, struct spv_addrman_changes *out,
                                     struct spv_now now);
/* The time has passed spv_node_deadline; earlier calls do no harm. Returns 0 or a failure. */
SPV_API int spv_node_timer(struct spv_node *n, struct spv_now now);
/* Returns when spv_node_timer must be called next, in monotonic microseconds; SPV_NEVER: not before
 * the next input. */
SPV_API uint64_t spv_node_deadline(const struct spv_node *n);

/* ---- scanning (spv/scan.h); with filters only ---- */

/* Begins a scan: finds the blocks of the heights first..last (last UINT32_MAX: up to the tip, and
 * each new block) that pay one of n scripts or spend an output found, and reports them by SCAN
 * effects. It continues as filter headers are synced. The scripts are copied. The genesis block's
 * output cannot be spent: first is at least 1. Heights up to that of the lowest stored filter
 * header are left out, as nothing proves their filters (spv_node_scan_stats has the first one).
 * With keep_filters a scan without scripts is allowed: it only keeps filters. Returns 0,
 * SPV_ERR_INVALID (the node syncs no filters, first is 0 or above last, or there is no script that
 * is not empty), SPV_ERR_STATE (a scan runs already), or a failure. */
SPV_API int spv_node_scan(struct spv_node *n, const struct spv_bytes *scripts, size_t n_scripts,
                          uint32_t first, uint32_t last, struct spv_now now);
/* Watches more scripts, which are copied, from a height on; those that are watched already are left
 * out. Blocks that the scan has passed are searched once more. May be called when a MATCH is
 * reported, for scripts that follow from it: with its height. Returns 0, SPV_ERR_STATE (no scan
 * runs), SPV_ERR_TOO_MANY, or a failure. */
SPV_API int spv_node_scan_add(struct spv_node *n, const struct spv_bytes *scripts, size_t n_scripts,
                              uint32_t from, struct spv_now now);
/* Watches an output that pays a script: what spends it is found. For outputs of earlier scans;
 * those that the scan itself finds are watched already. Returns as spv_node_scan_add. */
SPV_API int spv_node_scan_add_output(struct spv_node *n, const struct spv_txid *txid,
                                     uint32_t index, const struct spv_bytes *script,
                                     struct spv_now now);
/* Ends the scan; another one may begin. Returns 0 or a failure. */
SPV_API int spv_node_scan_stop(struct spv_node *n, struct spv_now now);
/* The last MATCH_FILTERS effect was executed. Returns 0, SPV_ERR_STATE (none is pending), or a
 * failure. */
SPV_API int spv_node_filters_matched(struct spv_node *n, struct spv_now now);
/* Fills in *out. */
SPV_API void spv_node_scan_stats(const struct spv_node *n, struct spv_scan_stats *out);

/* ---- the wallet (spv/wallet.h); with spv_node_config.wallet only ----
 *
 * The node gives the wallet's scripts to a source of coins (enum spv_source), passes the blocks
 * that the source finds to the wallet, and follows reorganisations. Scans of the application
 * (spv_node_scan) are refused. The wallet may be read between two calls on the node.
 *
 * Each of these returns as the function of spv/wallet.h with its name and, when that is 0, the
 * number of the request: SPV_EFFECT_WALLET with SPV_WALLET_EVENT_ANSWER follows once the change is
 * stored and the source scans for the scripts that it adds. Only then may the application show a
 * new address to a payer. SPV_ERR_INVALID: the node has no wallet; SPV_ERR_STATE: an effect that
 * stores is unanswered; or a failure. */
SPV_API int spv_node_watch(struct spv_node *n, uint64_t *request, uint64_t *id,
                           struct spv_text_error *why, const struct spv_watch_target *watch,
                           struct spv_now now);
SPV_API int spv_node_unwatch(struct spv_node *n, uint64_t *request, uint64_t id,
                             struct spv_now now);
SPV_API int spv_node_reserve_index(struct spv_node *n, uint64_t *request, uint32_t *index,
                                   uint64_t id, uint32_t branch, struct spv_now now);
/* Fills in *out. */
SPV_API void spv_node_wallet_status(const struct spv_node *n, struct spv_wallet_status *out);

/* ---- publishing (spv/broadcast.h); with spv_node_config.broadcast only ---- */

/* Publishes what spv_broadcast_check has passed. It is announced once its rows are stored. While
 * something is published, new connections are opened with relay 1 until SPV_BROADCAST_RELAY_PEERS
 * are, beyond the target number where peers are discovered, so that it can return
 * (spv/broadcast.h). It is published in the node's wallet, too (spv_wallet_publish), whose states
 * end it when it is confirmed or conflicted. Returns as spv_broadcast_publish or
 * spv_wallet_publish, SPV_ERR_STATE while an effect that stores is unanswered, SPV_ERR_INVALID when
 * the node publishes nothing (spv_node_config.broadcast), SPV_ERR_NO_PRIVATE_PEERS for
 * SPV_BROADCAST_PRIVATE, as this node has no private connections, or a failure. */
SPV_API int spv_node_publish(struct spv_node *n, const struct spv_tx *txs,
                             const struct spv_broadcast_report *reports, size_t n_txs,
                             unsigned flags, struct spv_now now);
/* Returns as spv_broadcast_withdraw, SPV_ERR_INVALID when the node publishes nothing, or a failure.
 */
SPV_API int spv_node_withdraw(struct spv_node *n, const struct spv_txid *txid, struct spv_now now);
/* The last STORE_BROADCAST effect was applied (error 0) or has failed. Returns 0, SPV_ERR_STATE
 * (none is pending), or a failure, `error` among them. */
SPV_API int spv_node_broadcast_stored(struct spv_node *n, int error, struct spv_now now);

/* The next effect, in order. An effect that stores must be answered before the next one is taken.
 * Returns 1 and *out (valid until the next call on the node), or 0 when there is none. */
SPV_API int spv_node_poll(struct spv_node *n, struct spv_effect *out);

/* Returns the node's chain: read only, valid while the node lives. */
SPV_API const struct spv_chain *spv_node_chain(const struct spv_node *n);
/* Fills in the connected peers, at most cap of them. Returns how many. */
SPV_API size_t spv_node_peers(const struct spv_node *n, struct spv_node_peer *out, size_t cap,
                              struct spv_now now);
/* Fills in *out. */
SPV_API void spv_node_get_stats(const struct spv_node *n, struct spv_node_stats *out);

#ifdef __cplusplus
}
#endif

#endif
