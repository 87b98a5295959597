/* Limit of the encrypted handshakes (BIP324) that a server makes with one group of addresses: each
 * costs it a key and a Diffie-Hellman product. A pure function over rate_limit's buckets; the time
 * is an argument. */
#ifndef SPV_LOOP_HANDSHAKE_LIMIT_H
#define SPV_LOOP_HANDSHAKE_LIMIT_H

#include <stdbool.h>

#include "loop/rate_limit.h"

/* ours: from one group; each costs about 0.3 ms of CPU time, so a group has 0.3 % of a
 * core */
#define SPV_HANDSHAKE_PER_SECOND 10
/* ours: the whole share of a group's slots reconnects at once */
#define SPV_HANDSHAKE_BURST 100

/* The caller frees it with spv_rate_limit_free. Allocates nothing. */
void spv_handshake_limit_init(struct spv_rate_limit *r);

/* Whether a handshake with this address is allowed now, and counts it. A group is an IPv4 /24 or an
 * IPv6 /64, as of the slots. Loopback, where the clients of an onion service arrive, and sockets
 * without an address (network 0) are not limited. */
bool spv_handshake_limit_allow(struct spv_rate_limit *r, const struct spv_netaddr *from,
                               uint64_t now_us);

#endif
