/* Outbound connections: selects the addresses to dial and finds new ones (manual peers, addrman,
 * DNS seeds, gossip, fixed seeds); bans, anchors, feelers; when addrman is saved. A part of the
 * node, which reports how each dial ends. Queues CONNECT, RESOLVE, CLOSE (of feelers and addr_fetch
 * connections), SEND (getaddr) and SAVE_ADDRMAN effects. */
#ifndef SPV_SPV_NODE_OUTBOUND_H
#define SPV_SPV_NODE_OUTBOUND_H

#include "spv/addrman/addrman.h"
#include "spv/addrman/banman.h"
#include "spv/addrman/manual_peers.h"
#include "spv/effects/effects.h"

#define SPV_CONNS_SPARE 4 /* slots for feelers and addr_fetch beside the peers */
#define SPV_CONNS (SPV_NODE_MAX_PEERS + SPV_CONNS_SPARE)
#define SPV_DNS_MAX_PARALLEL 3 /* seeds queried at a time, in random order; as in Bitcoin Core */
#define SPV_DNS_STEP_US (10 * SPV_SECOND) /* ours: until the next seeds are queried */
#define SPV_DNS_INTERVAL_US (60 * SPV_SECOND) /* ours: between rounds through all seeds */
#define SPV_DNS_SEEDS 16 /* in a network's list, at most */
#define SPV_ADDRMAN_ENOUGH 8 /* ours: with fewer addresses the seeds are queried at once */
#define SPV_FIXED_SEEDS_AFTER_US (60 * SPV_SECOND) /* as in Bitcoin Core */
#define SPV_FEELER_INTERVAL_US (120 * SPV_SECOND) /* on average, as in Bitcoin Core */
/* ours: from dial to handshake; through a proxy, which may be Tor; an addr_fetch connection's from
 * handshake, too */
#define SPV_FEELER_TIMEOUT_US (30 * SPV_SECOND)
#define SPV_PROXY_TIMEOUT_US (120 * SPV_SECOND)
#define SPV_ADDR_FETCH_TIMEOUT_US SPV_PROXY_TIMEOUT_US
/* addresses accepted from a peer at first: one full answer to getaddr */
#define SPV_ADDR_BUDGET 1000
#define SPV_ADDR_CENTI_PER_SECOND 10 /* hundredths of an address after that; as in Bitcoin Core */
#define SPV_SAVE_AFTER_US (180 * SPV_SECOND) /* ours: after gossip */
#define SPV_SAVE_SOON_US (10 * SPV_SECOND) /* ours: after a successful connection */
/* ours: an address that fell back gets v1 first for this long */
#define SPV_V1_FIRST_US (7 * 86400 * SPV_SECOND)
#define SPV_V2_BLOCKED_GROUPS 3 /* ours: that fell back: then the path blocks v2 */
#define SPV_V2_BLOCKED_US (3600 * SPV_SECOND) /* ours: then v2 is tried again */
#define SPV_ANCHORS 2 /* as in Bitcoin Core */
/* With filters: network groups of peers that serve them. While there are fewer, up to this many
 * peers more than wanted are dialled, if addresses are known that offer filters. */
#define SPV_OUTBOUND_FILTER_GROUPS 2
/* ours: until such addresses are looked for again */
#define SPV_FILTER_DIAL_INTERVAL_US (10 * SPV_SECOND)

enum spv_conn_type {
    SPV_CONN_OUTBOUND, /* serves headers; takes a slot */
    SPV_CONN_FEELER, /* tests an address; closed after the handshake */
    SPV_CONN_ADDR_FETCH, /* a DNS seed's name dialled through the proxy, for a getaddr only */
};
enum spv_conn_state { SPV_CONN_STATE_FREE, SPV_CONN_STATE_CONNECTING, SPV_CONN_STATE_READY };

struct spv_conn {
    uint64_t id;
    enum spv_conn_state state;
    enum spv_conn_type kind;
    struct spv_endpoint endpoint;
    struct spv_netgroup netgroup; /* source of its gossip */
    uint64_t group; /* a number for the network group; a manual peer's own */
    int manual; /* index in manual peers, or -1 */
    int entry; /* index in addrman, or -1 */
    enum spv_transport transport; /* dialled with */
    bool for_filters; /* dialled for its compact filters: of no use without them */
    bool fell_back; /* v2 failed just before: see spv_outbound_fall_back */
    bool relay; /* our version has relay 1: the peer announces transactions to us */
    uint64_t services; /* of a ready peer; before that, as addrman knows them */
    uint64_t ready_us;
    uint64_t deadline_us; /* of feelers and addr_fetch; else SPV_NEVER */
    uint64_t addr_tokens; /* hundredths of an address that it may send */
    uint64_t addr_tokens_us; /* when they were last refilled */
};

struct spv_outbound {
    struct spv_manual_peers manual;
    struct spv_addrman addrman;
    struct spv_banman banman;
    struct spv_conn conn[SPV_CONNS];
    const struct spv_params *params;
    struct spv_effects *effects;
    struct spv_rng rng;
    bool discovery; /* addresses are taken from addrman, DNS seeds and gossip */
    bool proxied; /* resolve no names */
    bool filters; /* peers that offer compact filters are preferred */
    uint64_t filter_dial_us; /* when another peer for filters may be dialled */
    unsigned nets; /* SPV_NET_* */
    bool relay_all; /* every connection is to have relay 1 */
    unsigned relay_wanted; /* connections that are to have relay 1 */
    uint64_t next_id;
    uint64_t group_key[2];
    int anchor[SPV_ANCHORS]; /* indices in addrman to dial first; -1: none */
    uint8_t seed_order[SPV_DNS_SEEDS];
    size_t n_seeds, next_seed;
    uint64_t dns_us; /* when DNS seeds may be queried again */
    bool dns_answered; /* a DNS seed has returned addresses in this run */
    uint64_t fixed_seeds_us; /* when the fixed seeds may be added */
    bool fixed_seeds_used;
    uint64_t feeler_us;
    uint64_t save_us;
    bool bans_unsaved; /* SAVE_ADDRMAN is queued for them */
    uint64_t feelers; /* opened in this run */
    enum spv_transport_choice transport;
    bool v2_reached; /* a v2 handshake succeeded in this run */
    struct spv_netgroup
        fell_back[SPV_V2_BLOCKED_GROUPS]; /* groups of peers that offer v2 and fell back */
    size_t n_fell_back;
    uint64_t v2_blocked_until_us; /* v1 is dialled until then; 0: v2 was never blocked */
    bool v2_blocked_reported;
};

int spv_outbound_init(struct spv_outbound *o, const struct spv_node_config *cfg,
                      const struct spv_params *params, struct spv_effects *effects,
                      struct spv_now now);
void spv_outbound_free(struct spv_outbound *o);
size_t spv_outbound_memory(const struct spv_outbound *o);

/* The index of the first used connection from this one on, or SPV_CONNS:
 *     for (size_t i = 0; (i = spv_outbound_next_used(o, i)) < SPV_CONNS; i++)
 * The loop may open and close connections. */
size_t spv_outbound_next_used(const struct spv_outbound *o, size_t from);
/* The connection with this id; NULL: none. */
struct spv_conn *spv_outbound_find(struct spv_outbound *o, uint64_t id);
/* How many of kind OUTBOUND are in this state. */
unsigned spv_outbound_count(const struct spv_outbound *o, enum spv_conn_state state);

/* How many connections with relay 1 are missing. */
unsigned spv_outbound_relay_missing(const struct spv_outbound *o);

/* Whether a manual peer is neither ready nor banned, and has failed fewer times in a row than this.
 */
bool spv_outbound_is_manual_missing(const struct spv_outbound *o, unsigned failures,
                                    struct spv_now now);

/* After every input: dials while fewer than `wanted` peers are connected, and does everything else
 * that is due. */
void spv_outbound_tick(struct spv_outbound *o, unsigned wanted, struct spv_now now);
uint64_t spv_outbound_deadline(const struct spv_outbound *o, unsigned wanted);

/* The handshake is complete. A feeler is closed here. */
void spv_outbound_on_handshake(struct spv_outbound *o, struct spv_conn *conn,
                               const struct spv_peer_stats *info, struct spv_now now);
/* A dial with v2 has ended such that the peer may know v1 only: with automatic choice it is dialled
 * once more, with v1. When that succeeds, its address gets v1 first for SPV_V1_FIRST_US; and when
 * its peer offers v2 all the same, something on the path may block v2. Returns false when the end
 * counts as any other. */
bool spv_outbound_fall_back(struct spv_outbound *o, struct spv_conn *conn, int error);
/* True once: peers of SPV_V2_BLOCKED_GROUPS network groups offer v2, could be reached with v1 only,
 * and none was reached with v2. */
bool spv_outbound_v2_blocked(struct spv_outbound *o);
/* An addr or addrv2 message. An addr_fetch connection is closed after it. 0 or SPV_ERR_NOMEM. */
int spv_outbound_gossip(struct spv_outbound *o, struct spv_conn *conn,
                        const struct spv_msg_addr *msg, struct spv_now now);
/* What a DNS seed's name resolved to. 0 or SPV_ERR_NOMEM. */
int spv_outbound_resolved(struct spv_outbound *o, const struct spv_endpoint *seed, int error,
                          const struct spv_netaddr *addrs, size_t n, struct spv_now now);
/* How often in a row this peer has failed, before this dial ends. */
unsigned spv_outbound_failures(const struct spv_outbound *o, const struct spv_conn *conn);
/* The peer misbehaved: bans its address. Call before spv_outbound_on_closed. */
void spv_outbound_ban(struct spv_outbound *o, const struct spv_conn *conn, int code,
                      struct spv_now now);
/* The dial or connection has ended; its slot is free afterwards. useful: the peer has served us. */
void spv_outbound_on_closed(struct spv_outbound *o, struct spv_conn *conn, int error, bool useful,
                            struct spv_now now);

/* What is to be saved; borrowed until the next call. 0 or SPV_ERR_NOMEM. */
int spv_outbound_changes(struct spv_outbound *o, struct spv_addrman_changes *out,
                         struct spv_now now);

#endif
