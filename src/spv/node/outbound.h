/* Whom to dial, and where to hear of more: named peers, the address book, DNS seeds, gossip, the
 * fallback list; bans, anchors, feelers; when to save the book. Part of the node, which tells it
 * what became of each dial. It queues CONNECT, RESOLVE, CLOSE (of feelers and seeds), SEND
 * (getaddr) and BOOK effects. */
#ifndef SPV_SPV_NODE_OUTBOUND_H
#define SPV_SPV_NODE_OUTBOUND_H

#include "spv/addrman/addrman.h"
#include "spv/addrman/banman.h"
#include "spv/addrman/manual_peers.h"
#include "spv/effects/effects.h"

#define SPV_CONNS_SPARE 4 /* places for feelers and seeds beside the peers */
#define SPV_CONNS (SPV_NODE_MAX_PEERS + SPV_CONNS_SPARE)
#define SPV_DNS_AT_ONCE                                                                            \
    3 /* seeds asked at a time, in an order of chance; as the reference node                       \
       */
#define SPV_DNS_STEP (10 * SPV_SECOND) /* ours: then the next ones */
#define SPV_DNS_INTERVAL (60 * SPV_SECOND) /* ours: between rounds through all of them */
#define SPV_DNS_SEEDS 16 /* in a network's list, at most */
#define SPV_ADDRMAN_ENOUGH 8 /* ours: with fewer addresses the seeds are asked at once */
#define SPV_FALLBACK_AFTER (60 * SPV_SECOND) /* as the reference node */
#define SPV_FEELER_INTERVAL (120 * SPV_SECOND) /* on average, as the reference node */
/* ours: from dial to handshake; through a proxy, which may be Tor; a seed's from handshake, too */
#define SPV_FEELER_TIMEOUT (30 * SPV_SECOND)
#define SPV_PROXY_TIMEOUT (120 * SPV_SECOND)
#define SPV_ADDR_FETCH_TIMEOUT SPV_PROXY_TIMEOUT
#define SPV_ADDR_BUDGET 1000 /* addresses from a peer at first: one full answer to getaddr */
#define SPV_ADDR_PER_SECOND 10 /* hundredths of one after that; as the reference node */
#define SPV_SAVE_AFTER (180 * SPV_SECOND) /* ours: gossip alone */
#define SPV_SAVE_SOON (10 * SPV_SECOND) /* ours: a peer has proven itself */
#define SPV_ANCHORS 2 /* as the reference node */

enum spv_conn_type {
    SPV_CONN_OUTBOUND, /* for the chain */
    SPV_CONN_FEELER, /* to see whether somebody is there; closed after the handshake */
    SPV_CONN_ADDR_FETCH, /* a seed's bare name through a proxy, asked for addresses only */
};
enum spv_conn_state { SPV_CONN_STATE_FREE, SPV_CONN_STATE_CONNECTING, SPV_CONN_STATE_READY };

struct spv_conn {
    uint64_t id;
    enum spv_conn_state state;
    enum spv_conn_type kind;
    struct spv_endpoint endpoint;
    struct spv_netgroup netgroup; /* where its gossip comes from */
    uint64_t group; /* a number for the network group; its own when named */
    int manual; /* index, or -1 */
    int entry; /* in the book, or -1 */
    uint64_t ready_us;
    uint64_t deadline_us; /* feelers and seeds */
    uint64_t addr_tokens,
        addr_tokens_us; /* hundredths of an address that it may tell; when last counted */
};

struct spv_outbound {
    struct spv_manual_peers manual;
    struct spv_addrman addrman;
    struct spv_banman banman;
    struct spv_conn conn[SPV_CONNS];
    const struct spv_params *params;
    struct spv_effects *effects;
    struct spv_rng rng;
    bool on; /* peers are looked for */
    bool proxied; /* no look-up of names here, ever */
    unsigned nets; /* SPV_NET_* */
    uint64_t next_id;
    uint64_t group_key[2];
    int anchor[SPV_ANCHORS]; /* entries to dial first; -1 */
    uint8_t seed_order[SPV_DNS_SEEDS];
    size_t n_seeds, next_seed;
    uint64_t dns_us; /* when seeds may be asked again */
    bool dns_gave; /* a seed has given addresses in this run */
    uint64_t fallback_us;
    bool fallback_used;
    uint64_t feeler_us;
    uint64_t save_us;
    bool bans_unsaved; /* BOOK is queued for them */
    uint64_t feelers; /* sent in this run */
};

int spv_outbound_init(struct spv_outbound *d, const struct spv_node_config *cfg,
                      const struct spv_params *params, struct spv_effects *effects,
                      struct spv_now now);
void spv_outbound_free(struct spv_outbound *d);
size_t spv_outbound_memory(const struct spv_outbound *d);

/* NULL: no such id. */
struct spv_conn *spv_outbound_of(struct spv_outbound *d, uint64_t id);
/* Of kind PEER. */
unsigned spv_outbound_count(const struct spv_outbound *d, enum spv_conn_state state);

/* Named peers that are not ready and not written off (spv_manual_peers_alive). */
unsigned spv_outbound_unreachable(const struct spv_outbound *d, struct spv_now now);

/* After every input: dials while fewer than `wanted` peers are there, and whatever else is due. */
void spv_outbound_tick(struct spv_outbound *d, unsigned wanted, struct spv_now now);
uint64_t spv_outbound_deadline(const struct spv_outbound *d, unsigned wanted);

/* The handshake is complete. A feeler is closed and forgotten here. */
void spv_outbound_on_handshake(struct spv_outbound *d, struct spv_conn *x, uint64_t services,
                               struct spv_now now);
/* addr or addrv2. A seed is closed and forgotten once it has told something. */
int spv_outbound_gossip(struct spv_outbound *d, struct spv_conn *x, const struct spv_msg_addr *msg,
                        struct spv_now now);
/* What a seed's name resolved to. */
int spv_outbound_resolved(struct spv_outbound *d, const struct spv_endpoint *seed, int error,
                          const struct spv_netaddr *addrs, size_t n, struct spv_now now);
/* It lied. Before ended. */
/* How often in a row the peer at the other end has failed, counted before this dial ends. */
unsigned spv_outbound_failures(const struct spv_outbound *d, const struct spv_conn *x);
void spv_outbound_ban(struct spv_outbound *d, const struct spv_conn *x, int code,
                      struct spv_now now);
/* The dial or connection is over; x is free after it. useful: it had served us. */
void spv_outbound_on_closed(struct spv_outbound *d, struct spv_conn *x, int error, bool useful,
                            struct spv_now now);

/* What is to be saved: lent until the next call. */
int spv_outbound_changes(struct spv_outbound *d, struct spv_addrman_changes *out,
                         struct spv_now now);

#endif
