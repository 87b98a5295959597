/* The peers that the user named, with --connect or --add-peer: never evicted, each a network group
 * of its own, tried again and again. */
#ifndef SPV_SPV_ADDRMAN_MANUAL_PEERS_H
#define SPV_SPV_ADDRMAN_MANUAL_PEERS_H

#include "spv/addrman/backoff.h"
#include "spv/node.h"

/* ours: failures after which a named peer no longer holds up a verdict */
#define SPV_MANUAL_PEERS_TRIES 3

struct spv_manual_peer {
    struct spv_endpoint endpoint;
    uint64_t next_try_us; /* monotonic */
    uint64_t banned_until_us;
    unsigned failures; /* in a row */
    bool in_use; /* dialled or connected */
};

struct spv_manual_peers {
    struct spv_manual_peer *at;
    size_t n;
};

void spv_manual_peers_free(struct spv_manual_peers *l);
/* Known ones are ignored. SPV_ERR_INVALID (port 0), SPV_ERR_FULL, SPV_ERR_NOMEM. */
int spv_manual_peers_add(struct spv_manual_peers *l, const struct spv_endpoint *endpoint);
/* The next to dial now, the fewest failures first; -1: none. */
int spv_manual_peers_pick(const struct spv_manual_peers *l, struct spv_now now);
/* healthy: it had served us well, so it may be tried again soon. */
void spv_manual_peers_released(struct spv_manual_peers *l, int index, bool healthy,
                               struct spv_rng rng, struct spv_now now);
/* When this one may be tried again. */
uint64_t spv_manual_peers_next(const struct spv_manual_peers *l, int index);
/* When the next may be tried, or SPV_NEVER. */
uint64_t spv_manual_peers_deadline(const struct spv_manual_peers *l);
/* Is it not written off (banned, or SPV_MANUAL_PEERS_TRIES failures in a row)? */
bool spv_manual_peers_is_alive(const struct spv_manual_peer *p, struct spv_now now);
/* How many are not. */
size_t spv_manual_peers_alive(const struct spv_manual_peers *l, struct spv_now now);

#endif
