/* The node: composes peers, sync and chain into one machine that brings the header chain up to date
 * and keeps it there. Inputs: connected, message, closed, resolved, stored, timer. Outputs: effects
 * that the shell pulls with spv_node_poll and carries out. No I/O; one thread.
 *
 * The shell gives each connection attempt the peer id that the CONNECT (or LISTEN side) effect
 * names; ids are a counter and never reused. spv/loop.h is the ready-made shell. */
#ifndef SPV_NODE_H
#define SPV_NODE_H

#include "spv/addrman.h"
#include "spv/chain.h"
#include "spv/endpoint.h"
#include "spv/peer.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_NODE_MAX_PEERS 64 /* outbound slots at most */
#define SPV_NODE_MAX_ENDPOINTS 256 /* --connect and --add-peer together */
#define SPV_NODE_MAX_CHECKPOINTS 8192 /* one a period: three centuries of blocks */

struct spv_node_config {
    const struct spv_params *params;
    struct spv_header_db reader; /* zeroed: start at genesis */
    const struct spv_endpoint *connect; /* only these, each a network group of its own */
    size_t n_connect;
    const struct spv_endpoint *add_peers; /* these, too */
    size_t n_add_peers;
    unsigned peers; /* outbound connections wanted; 0: 4 (or n_connect) */
    bool no_discovery; /* no DNS seeds, no gossip */
    unsigned nets; /* SPV_NET_*: networks that can be dialled; 0: IPv4 and IPv6 */
    bool proxied; /* never look up a name: seeds are dialled by name, and asked for addresses */
    const struct spv_addrman_rows
        *addrman_rows; /* what was stored; lent for the call; NULL: none */
    bool clear_bans;
    const struct spv_u256 *min_work; /* NULL: the network's */
    bool no_checkpoints;
    const struct spv_checkpoint *checkpoints; /* instead of the network's, ascending heights; must
                                                 outlive the node; NULL: the network's */
    size_t n_checkpoints; /* at most SPV_NODE_MAX_CHECKPOINTS */
    uint32_t start_height; /* an empty reader: start at the last checkpoint at or below where that
                              is possible (spv_params_start); 0: at genesis */
    bool backfill; /* once synced, fetch what is missing below the reader's base */
    struct spv_header_db backfill_db; /* what was filled of that so far (spv_store_backfill_db) */
    bool indexed; /* the reader's by_hash answers for every stored header */
    struct spv_rng rng;
    uint64_t request_timeout_us; /* a getheaders to the chain peer; 0: 20 s */
};

/* What the application is told. */
enum spv_event_kind {
    SPV_EVENT_CONNECTED, /* handshake done */
    SPV_EVENT_DISCONNECTED, /* error says why */
    SPV_EVENT_CONNECT_FAILED,
    SPV_EVENT_PROGRESS, /* the tip moved forward */
    SPV_EVENT_REORG, /* the tip moved to another branch */
    SPV_EVENT_SYNCED, /* the verdict; again after each later change of it */
    SPV_EVENT_BEHIND, /* no longer synced: a better chain was heard of */
    SPV_EVENT_BANNED, /* a peer proved a lie; error says which */
    SPV_EVENT_BACKFILL_DONE, /* what was missing below the base is filled: the chain reaches genesis
                              */
    SPV_EVENT_WARNING, /* text says what */
    /* There is nothing left to ask, and the chain cannot be called synced; `warning` says why, and
     * WARNINGs with the particulars came before. It needs all of this: every ready peer has
     * answered all that it was asked (or is overdue); they are as many as a verdict takes; and no
     * further peer is to come, as every --connect peer is ready, banned, or has failed several
     * times in a row. With discovery it never comes, as there are always more peers to try: then
     * there are only the WARNINGs. Once for each tip and reason; the node goes on, and SYNCED may
     * still follow when a peer brings news or another one comes. */
    SPV_EVENT_UNRESOLVED,
};
/* What a WARNING is about, and what its figures say. */
enum spv_warning {
    SPV_WARN_NONE,
    SPV_WARN_STALE_TIP, /* for so long the tip has not moved; again each hour while it stands */
    SPV_WARN_CLOCK, /* by so much most peers' clocks are ahead of ours (negative: behind); again
                       each hour while it stands. Our clock is never adjusted. */
    SPV_WARN_NO_PEERS, /* every peer is lost; once */
    /* The following are said of `peer` once for each tip, and may be the `warning` of UNRESOLVED.
     */
    SPV_WARN_UNMET_CLAIM, /* it said that its chain has claimed_height, gave no header above
                             given_height, and no other peer's claim was met either. Without proven
                             minimum work (never proven where the network's is zero) this refuses
                             the verdict. */
    SPV_WARN_FORK_BELOW_START, /* its best chain leaves ours below the height at which the database
                                  begins; given_height is where that is */
    SPV_WARN_FUTURE_HEADERS, /* its headers above given_height were refused only because they lie
                                in our future, by `seconds`: one of the two clocks is wrong */
    SPV_WARN_TIP_UNKNOWN, /* no ready peer has our tip: all answered from below it, with less work;
                             given_height is where the highest of their chains ends */
    SPV_WARN_LOW_WORK, /* its chain ends at given_height with `work`, less than wanted_work: it is
                          another chain, or the peer is still syncing */
};
struct spv_event {
    enum spv_event_kind kind;
    uint64_t peer; /* 0: none */
    char address[SPV_ENDPOINT_TEXT]; /* the peer's */
    int error; /* 0 or a code */
    struct spv_chain_header tip;
    uint32_t fork_height; /* REORG */
    uint32_t removed, added; /* REORG; PROGRESS: added */
    const char *text; /* WARNING, UNRESOLVED; static */
    enum spv_warning warning; /* WARNING, UNRESOLVED */
    /* WARNING. DISCONNECTED, CONNECT_FAILED: until the peer is dialled again, where that is known:
     * each of the peers that the user named is wanted; else 0. */
    int64_t seconds;
    /* CONNECTED, DISCONNECTED, CONNECT_FAILED: how often in a row this peer has failed, by not
     * being reached or by being of no use. */
    unsigned failures;
    uint32_t claimed_height, given_height; /* WARNING, UNRESOLVED: see enum spv_warning */
    struct spv_u256 work, wanted_work; /* WARNING, UNRESOLVED: see enum spv_warning */
};

enum spv_effect_kind {
    SPV_EFFECT_CONNECT, /* dial `endpoint` as peer id `peer` */
    SPV_EFFECT_RESOLVE, /* look up `endpoint`.host; answer with spv_node_resolved */
    SPV_EFFECT_SEND, /* `message` to `peer` */
    SPV_EFFECT_CLOSE, /* drop `peer`, `error` says why; no closed input follows */
    SPV_EFFECT_STORE, /* apply `change` in one transaction, then call spv_node_stored */
    SPV_EFFECT_INDEX, /* build the hash index, then call spv_node_indexed */
    SPV_EFFECT_EVENT, /* tell the application */
    SPV_EFFECT_SAVE_ADDRMAN, /* save what spv_node_addrman_changes gives */
};
/* What the pointers in it point at is lent until the next call on the node. */
struct spv_effect {
    enum spv_effect_kind kind;
    uint64_t peer;
    int error;
    struct spv_endpoint endpoint;
    struct spv_msg message;
    struct spv_chain_update update;
    struct spv_event event;
};

struct spv_node_stats {
    struct spv_chain_header tip;
    uint32_t start_height; /* the tip's height when the node started */
    uint64_t headers_added; /* accepted onto the best chain since start, or filled in below */
    struct spv_chain_start start; /* where the stored chain begins */
    uint32_t backfill_height; /* the height up to which the gap below the base is filled */
    bool starting; /* fetching the period before the checkpoint at which the chain starts */
    uint32_t
        target_height; /* best estimate of where the chain ends: the highest height proven by
                          headers or checkpoints, or claimed by a peer whose claim still stands */
    unsigned peers; /* handshakes complete */
    unsigned peers_connecting;
    uint64_t chain_peer; /* the id asked for the chain now; 0 none */
    bool synced;
    bool stale; /* the tip has not moved for long: fresh peers are being tried */
    int64_t clock_skew_s; /* 0, or by how much most peers' clocks are ahead of ours */
    uint64_t reorgs, stalls, bans;
    unsigned
        presync_peers; /* peers whose chain must show its work before anything of it is stored */
    unsigned presync_pass; /* 1 or 2, of the one that is furthest; 0: none */
    uint64_t presync_headers; /* of that pass so far */
    uint64_t presync_length; /* of its chain, where that is known: in the second pass */
    unsigned requests; /* for headers, open on all peers */
    unsigned segments; /* begun and not joined, where checkpoints cut the chain into segments */
    uint64_t segments_done; /* joined */
    uint64_t
        headers_waiting; /* that have come in segments and are not joined: beside those added */
    uint64_t hedges; /* segments asked of one more peer because one was slow */
    size_t addresses_new, addresses_tried; /* in the address book */
    size_t banned; /* now, those of earlier runs too */
    uint64_t feelers; /* short visits to test an address */
    size_t memory;
};

/* What kind of network group a peer is counted in. */
enum spv_group_kind {
    SPV_GROUP_MANUAL, /* its own: the user named it */
    SPV_GROUP_IPV4, /* a /16 */
    SPV_GROUP_IPV6, /* a /32 */
    SPV_GROUP_ONION, /* a sixteenth of all */
};
/* A peer that is ready, as one looks at it. */
struct spv_node_peer {
    uint64_t id;
    char address[SPV_ENDPOINT_TEXT];
    enum spv_group_kind group;
    uint64_t connected_us; /* for how long */
    bool chain; /* it is the one asked for the chain now */
    bool at_tip; /* it has shown that it knows no better chain than ours */
    uint32_t claimed_height; /* the height it says it has */
    uint64_t headers; /* in messages that it sent */
    double rate; /* of those, headers a second over the last seconds */
    unsigned requests; /* for headers, open */
    uint64_t
        segments_done; /* finished first by it, where checkpoints cut the chain into segments */
    uint64_t hedges; /* its segments that were asked of another peer as well */
    uint64_t stalls; /* how often this address was dropped for not answering */
    uint64_t latency_us; /* the last answer's; 0: not known. Known to the loop (spv/loop.h) only */
};

struct spv_node;

/* Errors: SPV_ERR_INVALID (checkpoints that do not ascend among them), SPV_ERR_NOMEM, those of
 * spv_chain_new. */
SPV_API int spv_node_new(struct spv_node **out, const struct spv_node_config *cfg,
                         struct spv_now now);
SPV_API void spv_node_free(struct spv_node *n);

/* A dial succeeded and the handshake is complete. Inbound peers have no place here. */
SPV_API int spv_node_connected(struct spv_node *n, uint64_t peer, const struct spv_peer_stats *info,
                               struct spv_now now);
/* A message of a ready peer. */
SPV_API int spv_node_recv(struct spv_node *n, uint64_t peer, const struct spv_msg *msg,
                          struct spv_now now);
/* The dial failed or the link is gone; error is the reason. Once per id. */
SPV_API int spv_node_closed(struct spv_node *n, uint64_t peer, int error, struct spv_now now);
/* The answer to a RESOLVE effect: n_addrs addresses (ports are the network's), or an error. */
SPV_API int spv_node_resolved(struct spv_node *n, const struct spv_endpoint *endpoint, int error,
                              const struct spv_netaddr *addrs, size_t n_addrs, struct spv_now now);
/* The last STORE effect was applied (error 0) or failed: then the node stops and every call returns
 * the error. */
SPV_API int spv_node_stored(struct spv_node *n, int error, struct spv_now now);
SPV_API int spv_node_indexed(struct spv_node *n, int error, struct spv_now now);
/* What is to be saved of the address book and the bans: when BOOK says so, and at the end. Lent
 * until the next call. SPV_ERR_NOMEM. */
SPV_API int spv_node_addrman_changes(struct spv_node *n, struct spv_addrman_changes *out,
                                     struct spv_now now);
SPV_API int spv_node_timer(struct spv_node *n, struct spv_now now);
SPV_API uint64_t spv_node_deadline(const struct spv_node *n);

/* The next effect: 1 and *out, or 0. A STORE effect must be answered before the next one is pulled.
 */
SPV_API int spv_node_poll(struct spv_node *n, struct spv_effect *out);

SPV_API const struct spv_chain *spv_node_chain(const struct spv_node *n);
/* The peers that are ready, at most cap of them; returns how many. */
SPV_API size_t spv_node_peers(const struct spv_node *n, struct spv_node_peer *out, size_t cap,
                              struct spv_now now);
SPV_API void spv_node_get_stats(const struct spv_node *n, struct spv_node_stats *out);

#ifdef __cplusplus
}
#endif

#endif
