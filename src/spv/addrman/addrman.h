/* The address manager (Bitcoin Core: AddrMan): addresses of peers that we may connect to. Addresses
 * from gossip ("new") and addresses that completed a handshake ("tried") are kept in buckets chosen
 * by a secret key and by network groups, so that one sender of many addresses fills few buckets.
 * Selects addresses to connect to and reports what changed since the last save.
 *
 * An entry is identified by its index, which is stable while the entry is in use
 * (spv_addrman_set_in_use). At most SPV_ADDRMAN_ADDRESSES entries: 3 MiB. */
#ifndef SPV_SPV_ADDRMAN_ADDRMAN_H
#define SPV_SPV_ADDRMAN_ADDRMAN_H

#include "spv/addrman.h"
#include "spv/addrman/netgroup.h"
#include "spv/error.h"
#include "spv/types.h"

#define SPV_BUCKET 64 /* slots in a bucket */
#define SPV_BUCKETS_PER_SOURCE 16 /* of 256: one source group can fill 1,024 slots */
#define SPV_BUCKETS_PER_GROUP 4 /* of 64: buckets that one group has in the tried table */
#define SPV_BUCKET_PROBES 4 /* ours: slots that are tried before a bucket counts as full */
#define SPV_ADDRMAN_COLLISIONS 10 /* unresolved collisions in the tried table, as Bitcoin Core */
/* ours: with more removals since the last save, all rows are rewritten */
#define SPV_ADDRMAN_REMOVED 4096

/* How a connection to an address ended. */
enum spv_conn_outcome {
    SPV_CONN_OUTCOME_GOOD, /* useful, or closed by us */
    SPV_CONN_OUTCOME_UNREACHABLE, /* no connection or no handshake: may be evicted after several */
    SPV_CONN_OUTCOME_USELESS, /* slow or useless after the handshake: deprioritised, not evicted */
    SPV_CONN_OUTCOME_DROPPED, /* closed by the peer, or our fault: backs off */
};

struct spv_addrman_entry {
    struct spv_addr_info a;
    uint64_t next_try_us; /* monotonic */
    uint64_t deferred_until_us; /* monotonic */
    uint64_t v1_until_us; /* monotonic: dialled with v1 first until then; 0: no preference */
    uint16_t next; /* in its hash chain, or the free list; index + 1 */
    uint16_t slot; /* in its table */
    uint8_t failures; /* in a row since start-up, of any kind; determines the back-off */
    bool used; /* false: on the free list */
    bool in_use; /* connecting or connected */
    bool dirty; /* differs from what is stored */
    bool stored; /* in the store, so its removal must be saved */
};

struct spv_addrman_collision {
    int entry; /* the new entry whose tried slots are all occupied */
    int64_t since; /* unix */
};

struct spv_addrman {
    struct spv_addrman_entry *entries;
    size_t cap, n_new, n_tried;
    uint16_t unused; /* free list; index + 1 */
    uint16_t hash_heads[8192]; /* by hash of address and port; index + 1 */
    uint16_t new_tbl[SPV_ADDRMAN_NEW]; /* the new table: index + 1 */
    uint16_t tried_tbl[SPV_ADDRMAN_TRIED];
    struct spv_addrman_collision collision[SPV_ADDRMAN_COLLISIONS];
    size_t n_collisions;
    uint64_t key[2];
    struct spv_rng rng;
    uint64_t idle_until_us; /* no entry can be selected before; 0: unknown */
    bool changed; /* since the last save */
    bool save_soon; /* an anchor or a tried entry is new since the last save */
    bool all; /* the next save writes everything */
    struct spv_netaddr *removed; /* since the last save */
    size_t n_removed;
    struct spv_addr_info *out; /* returned by the last spv_addrman_get_changes */
    struct spv_netaddr *out_removed;
};

/* key: SPV_ADDRMAN_KEY bytes, or NULL for a random one. */
void spv_addrman_init(struct spv_addrman *am, const uint8_t *key, struct spv_rng rng);
void spv_addrman_free(struct spv_addrman *am);
size_t spv_addrman_memory(const struct spv_addrman *am);

/* Adds stored rows, the most useful first (anchors, then tried addresses); invalid rows and rows
 * without a free slot are skipped. Returns 0 or SPV_ERR_NOMEM. */
int spv_addrman_load(struct spv_addrman *am, const struct spv_addr_info *rows, size_t n,
                     struct spv_now now);

/* Adds an address received from a peer of group `source`; `seen` is its time in unix seconds.
 * Returns 1 when it was added, 0 when it is known, not routable or its bucket is full, or
 * SPV_ERR_NOMEM. */
int spv_addrman_add(struct spv_addrman *am, const struct spv_netaddr *addr, uint64_t services,
                    int64_t seen, const struct spv_netgroup *source, struct spv_now now);

/* Returns the index of an address, or -1. */
int spv_addrman_find(const struct spv_addrman *am, const struct spv_netaddr *addr);

struct spv_addrman_query {
    unsigned nets; /* SPV_NET_* that we can connect to */
    bool only_new; /* for a feeler */
    const struct spv_netgroup *groups; /* connected: other groups are preferred */
    size_t n_groups;
    uint64_t prefer; /* SPV_NODE_*: addresses with all of these come first; 0: none do */
    bool only_preferred; /* and no others are selected */
};
/* Selects an address to connect to now: not in use, not deferred, not backing off, and serving the
 * chain by its service bits. Random; failures lower the chance. Returns its index, or -1. */
int spv_addrman_select(struct spv_addrman *am, const struct spv_addrman_query *pick,
                       struct spv_now now);
/* When spv_addrman_select may succeed after it returned -1; SPV_NEVER when there is no address; 0
 * when the last pick succeeded. */
uint64_t spv_addrman_deadline(const struct spv_addrman *am);

/* A connection attempt begins: the entry is in use until it is released. */
void spv_addrman_set_in_use(struct spv_addrman *am, int entry, struct spv_now now);
/* The handshake completed, with these services: the entry moves to the tried table, or a collision
 * with the entry in its slot is recorded. */
void spv_addrman_on_handshake(struct spv_addrman *am, int entry, uint64_t services,
                              struct spv_now now);
/* Sets the service bits of its version message, when they lack services that we need. */
void spv_addrman_set_services(struct spv_addrman *am, int entry, uint64_t services);
/* The connection ended; error is stored with the entry, 0 for none. */
void spv_addrman_released(struct spv_addrman *am, int entry, enum spv_conn_outcome outcome,
                          int error, struct spv_now now);
/* Excludes the entry from selection until until_us, for instance while it is banned. */
void spv_addrman_defer(struct spv_addrman *am, int entry, uint64_t until_us);

/* Test before evict: resolves the collisions that can be resolved. Returns the tried entry that a
 * feeler should test next, or -1. */
int spv_addrman_select_collision(struct spv_addrman *am, unsigned nets, struct spv_now now);

/* The anchors: connected to first after a restart (Bitcoin Core: anchors.dat). */
void spv_addrman_set_anchors(struct spv_addrman *am, const int *entries, size_t n);

/* What changed since the last call. The arrays in *out are borrowed; valid until the next call. key
 * and bans are not set. Returns 0 or SPV_ERR_NOMEM. */
int spv_addrman_get_changes(struct spv_addrman *am, struct spv_addrman_changes *out);

/* The network of an address as a bit of SPV_NET_*. */
unsigned spv_net_bit(const struct spv_netaddr *addr);
/* Whether the entry's address is of one of these networks. */
bool spv_addrman_reachable(const struct spv_addrman *am, int entry, unsigned nets);
/* Whether the services include NODE_NETWORK or NODE_NETWORK_LIMITED. */
bool spv_serves_chain(uint64_t services);

/* Whether it may be evicted for a new address (Bitcoin Core: AddrInfo::IsTerrible). */
bool spv_addrman_is_terrible(const struct spv_addrman_entry *e, int64_t now);

#endif
