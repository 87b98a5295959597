/* Announcements to a peer: the transactions queued for the next trickle, and the inventory that the
 * peer is known to have. */
#ifndef SPV_PEER_RELAY_H
#define SPV_PEER_RELAY_H

#include "peer/known_inv.h"
#include "spv/message.h"

struct spv_relay {
    struct spv_known_inv known_inv;
    struct spv_inv *items; /* queued transactions, oldest first: items[head..n) */
    uint64_t *fees; /* of each, satoshis per 1,000 virtual bytes */
    size_t head, n, cap;
};

void spv_relay_init(struct spv_relay *r, const struct spv_rng *rng, size_t max_known);
void spv_relay_free(struct spv_relay *r);
size_t spv_relay_memory(const struct spv_relay *r);

/* Marks the items of a message, received from or sent to the peer, as known to it. */
void spv_relay_on_received(struct spv_relay *r, const struct spv_msg *msg);
void spv_relay_on_sent(struct spv_relay *r, const struct spv_msg *msg);
/* The same for the payload of a well-formed headers message. */
void spv_relay_on_sent_headers(struct spv_relay *r, const uint8_t *payload, size_t n);

#endif
