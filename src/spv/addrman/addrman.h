/* The address book: where peers may be found. Places that were only heard of ("new") and places
 * that have answered ("tried") are kept in buckets that a secret and the network groups choose, so
 * that whoever floods us with addresses fills few of them. Knows when each may be tried again,
 * prefers what is likely to answer, and says what has changed since it was last saved.
 *
 * An entry is named by its index, which stays as long as the entry is in use
 * (spv_addrman_set_in_use). At most SPV_ADDRMAN_ADDRESSES entries: 3 MiB. */
#ifndef SPV_SPV_ADDRMAN_ADDRMAN_H
#define SPV_SPV_ADDRMAN_ADDRMAN_H

#include "spv/addrman.h"
#include "spv/addrman/netgroup.h"
#include "spv/error.h"
#include "spv/types.h"

#define SPV_BUCKET 64 /* places in a bucket */
#define SPV_BUCKETS_PER_SOURCE 16 /* of 256: what one source's group can fill is 1,024 places */
#define SPV_BUCKETS_PER_GROUP 4 /* of 64: what one group can have of the tried */
#define SPV_BUCKET_PROBES 4 /* ours: places looked at before a bucket is called full there */
#define SPV_ADDRMAN_COLLISIONS 10 /* tried places under dispute at once, as the reference node */
#define SPV_ADDRMAN_REMOVED                                                                        \
    4096 /* ours: more removals between saves and the whole book is written                        \
          */

/* How the use of a place ended: three words for failure, each with its own consequence. */
enum spv_conn_outcome {
    SPV_CONN_OUTCOME_GOOD, /* it was of use, or we left it */
    SPV_CONN_OUTCOME_UNREACHABLE, /* nobody answered: counts towards being forgotten */
    SPV_CONN_OUTCOME_USELESS, /* it answered and was late or of no use: liked less, never forgotten
                                 for it */
    SPV_CONN_OUTCOME_DROPPED, /* it went, or the fault was ours: it waits, no more */
};

struct spv_addrman_entry {
    struct spv_addr_info a;
    uint64_t next_try_us; /* monotonic */
    uint64_t deferred_until_us; /* likewise */
    uint16_t next; /* in its hash chain, or the free list; index + 1 */
    uint16_t slot; /* in its table */
    uint8_t failures; /* in a row in this run, any kind: how long to wait */
    bool used; /* false: on the free list */
    bool in_use; /* dialled or connected */
    bool dirty; /* differs from what is stored */
    bool stored; /* was saved once, so its going must be, too */
};

struct spv_addrman_collision {
    int entry; /* the new one that wants the place of a tried one */
    int64_t since; /* unix */
};

struct spv_addrman {
    struct spv_addrman_entry *at;
    size_t cap, n_new, n_tried;
    uint16_t unused; /* free list; index + 1 */
    uint16_t hash_heads[8192]; /* by hash of address and port; index + 1 */
    uint16_t new_tbl[SPV_ADDRMAN_NEW]; /* the new table: index + 1 */
    uint16_t tried_tbl[SPV_ADDRMAN_TRIED];
    struct spv_addrman_collision collision[SPV_ADDRMAN_COLLISIONS];
    size_t n_collisions;
    uint64_t key[2];
    struct spv_rng rng;
    uint64_t idle_until_us; /* no pick before this finds anything; 0: unknown */
    bool changed, changed_much; /* since the last save; much: an anchor or a promotion */
    bool all; /* the next save writes everything */
    struct spv_netaddr *removed; /* since the last save */
    size_t n_removed;
    struct spv_addr_info *out; /* lent by the last spv_addrman_get_changes */
    struct spv_netaddr *out_removed;
};

/* key: SPV_ADDRMAN_KEY bytes, or NULL to draw one. */
void spv_addrman_init(struct spv_addrman *b, const uint8_t *key, struct spv_rng rng);
void spv_addrman_free(struct spv_addrman *b);
size_t spv_addrman_memory(const struct spv_addrman *b);

/* Takes what was stored, the best first. What finds no place or makes no sense is left out. */
int spv_addrman_load(struct spv_addrman *b, const struct spv_addr_info *rows, size_t n,
                     struct spv_now now);

/* Somebody of group `source` says that there is a peer; seen: unix seconds, when. 1 taken as a new
 * entry, 0 known or without place or not routable, SPV_ERR_NOMEM. */
int spv_addrman_add(struct spv_addrman *b, const struct spv_netaddr *addr, uint64_t services,
                    int64_t seen, const struct spv_netgroup *source, struct spv_now now);

/* The index, or -1. */
int spv_addrman_find(const struct spv_addrman *b, const struct spv_netaddr *addr);

struct spv_pick {
    unsigned nets; /* SPV_NET_* that can be dialled */
    bool only_new; /* for a feeler */
    const struct spv_netgroup *groups; /* in use: others are preferred (a feeler does not care) */
    size_t n_groups;
};
/* One to dial now, or -1: not held, not banned, its time has come, serves the chain as far as is
 * known. By chance, those that failed with less of it. */
int spv_addrman_pick(struct spv_addrman *b, const struct spv_pick *pick, struct spv_now now);
/* When the next pick may find one; SPV_NEVER when there is none at all. Of the last pick that found
 * none (0: there was none such). */
uint64_t spv_addrman_deadline(const struct spv_addrman *b);

/* A dial begins: it is in use until released. */
void spv_addrman_set_in_use(struct spv_addrman *b, int entry, struct spv_now now);
/* The handshake was completed with these services: it is tried now, or challenges the one that has
 * its place. */
void spv_addrman_on_handshake(struct spv_addrman *b, int entry, uint64_t services,
                              struct spv_now now);
/* It is there and has only these services, which are not those we need. */
void spv_addrman_serves(struct spv_addrman *b, int entry, uint64_t services);
/* Its use is over; error is kept for the record, 0 for none. */
void spv_addrman_released(struct spv_addrman *b, int entry, enum spv_conn_outcome how, int error,
                          struct spv_now now);
/* Leaves it alone until then: it is banned, say. */
void spv_addrman_defer(struct spv_addrman *b, int entry, uint64_t until_us);

/* Test before evict: settles the challenges that can be, and says which tried one a feeler should
 * test next, or -1. */
int spv_addrman_to_test(struct spv_addrman *b, unsigned reach, struct spv_now now);

/* The ones to be dialled first at the next start. */
void spv_addrman_set_anchors(struct spv_addrman *b, const int *entries, size_t n);

/* What has changed since the last call, which also lent what is now freed. key and bans are not
 * touched. SPV_ERR_NOMEM. */
int spv_addrman_get_changes(struct spv_addrman *b, struct spv_addrman_changes *out);

unsigned spv_net_of(const struct spv_netaddr *addr);
bool spv_addrman_reachable(const struct spv_addrman *b, int entry, unsigned reach);
/* NODE_NETWORK or NODE_NETWORK_LIMITED. */
bool spv_serves_chain(uint64_t services);

/* For tests: nobody would miss it. */
bool spv_addrman_is_terrible(const struct spv_addrman_entry *e, int64_t now);

#endif
