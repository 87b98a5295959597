/* Manual peers (--connect, --add-peer): never evicted, each in a network group of its own, retried
 * without limit. */
#ifndef SPV_SPV_ADDRMAN_MANUAL_PEERS_H
#define SPV_SPV_ADDRMAN_MANUAL_PEERS_H

#include "spv/addrman/backoff.h"
#include "spv/node.h"

/* ours: failures in a row after which UNRESOLVED does not wait for a manual peer */
#define SPV_MANUAL_PEERS_TRIES 3

struct spv_manual_peer {
    struct spv_endpoint endpoint;
    uint64_t next_try_us; /* monotonic */
    uint64_t banned_until_us;
    uint64_t v1_until_us; /* dialled with v1 first until then; 0: no preference */
    unsigned failures; /* in a row */
    bool in_use; /* connecting or connected */
};

struct spv_manual_peers {
    struct spv_manual_peer *peers;
    size_t n;
};

void spv_manual_peers_free(struct spv_manual_peers *m);
/* A known endpoint is ignored. Returns 0, SPV_ERR_INVALID (port 0), SPV_ERR_TOO_MANY,
 * SPV_ERR_NOMEM. */
int spv_manual_peers_add(struct spv_manual_peers *m, const struct spv_endpoint *endpoint);
/* Returns the peer to connect to next, that with the fewest failures; -1: none is due. */
int spv_manual_peers_pick(const struct spv_manual_peers *m, struct spv_now now);
/* The connection ended. healthy: it was useful, so the back-off is reset. */
void spv_manual_peers_released(struct spv_manual_peers *m, int index, bool healthy,
                               struct spv_rng rng, struct spv_now now);
/* When this peer may be tried again. */
uint64_t spv_manual_peers_next(const struct spv_manual_peers *m, int index);
/* When the next peer may be tried, or SPV_NEVER. */
uint64_t spv_manual_peers_deadline(const struct spv_manual_peers *m);
/* Neither banned nor failed SPV_MANUAL_PEERS_TRIES times in a row. */
bool spv_manual_peers_is_alive(const struct spv_manual_peer *p, struct spv_now now);
/* How many are alive. */
size_t spv_manual_peers_alive(const struct spv_manual_peers *m, struct spv_now now);

#endif
