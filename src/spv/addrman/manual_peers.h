/* The peers that the user named, with --connect or --add-peer: never evicted, each a network group
 * of its own, tried again and again. */
#ifndef SPV_SPV_ADDRMAN_MANUAL_PEERS_H
#define SPV_SPV_ADDRMAN_MANUAL_PEERS_H

#include "spv/addrman/backoff.h"
#include "spv/node.h"

/* ours: failures after which a named peer no longer holds up a verdict */
#define SPV_NAMED_TRIES 3

struct spv_named_peer {
    struct spv_endpoint endpoint;
    uint64_t next_try_us; /* monotonic */
    uint64_t banned_until_us;
    unsigned failures; /* in a row */
    bool held; /* dialled or connected */
};

struct spv_named {
    struct spv_named_peer *at;
    size_t n;
};

void spv_named_free(struct spv_named *l);
/* Known ones are ignored. SPV_ERR_INVALID (port 0), SPV_ERR_FULL, SPV_ERR_NOMEM. */
int spv_named_add(struct spv_named *l, const struct spv_endpoint *endpoint);
/* The next to dial now, the fewest failures first; -1: none. */
int spv_named_pick(const struct spv_named *l, struct spv_now now);
/* healthy: it had served us well, so it may be tried again soon. */
void spv_named_released(struct spv_named *l, int index, bool healthy, struct spv_rng rng,
                        struct spv_now now);
/* When this one may be tried again. */
uint64_t spv_named_next(const struct spv_named *l, int index);
/* When the next may be tried, or SPV_NEVER. */
uint64_t spv_named_deadline(const struct spv_named *l);
/* Is it not written off (banned, or SPV_NAMED_TRIES failures in a row)? */
bool spv_named_is_alive(const struct spv_named_peer *p, struct spv_now now);
/* How many are not. */
size_t spv_named_alive(const struct spv_named *l, struct spv_now now);

#endif
