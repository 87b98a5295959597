/* Connection slots of a server: limits per address and group, and which client is evicted when all
 * slots are taken. Pure functions of the clients' statistics. */
#ifndef SPV_LOOP_CONN_SLOTS_H
#define SPV_LOOP_CONN_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/message.h"
#include "spv/types.h"

/* A group is an IPv4 /24 or an IPv6 /64: what one customer usually gets. */
#define SPV_CONN_SLOTS_ADDRESS_SHARE 8 /* an address has 1/8 of the slots, at least one */
#define SPV_CONN_SLOTS_GROUP_SHARE 4 /* its group 1/4 */

/* Protected from eviction, as in Bitcoin Core's SelectNodeToEvict: to take all slots an
 * attacker needs addresses in groups chosen by a secret key, low latency, and long connections. */
#define SPV_CONN_SLOTS_KEYED_GROUPS 4 /* the longest-connected client of each */
#define SPV_CONN_SLOTS_LOW_PINGS 8

struct spv_conn_slot {
    struct spv_netaddr addr;
    bool ready; /* the handshake is complete */
    uint64_t connected_us;
    /* Time of its last byte, a decoy's included; 0: none yet. It counts during the handshake only,
     * whose deadline no byte postpones. */
    uint64_t last_in_us;
    uint64_t ping_us; /* lowest ping; 0: not measured */
    /* Set by spv_conn_slots_victim. */
    uint64_t group_hash;
    bool is_protected;
};

/* Returns true for 127.0.0.0/8 and ::1. Clients of an onion service also have these addresses, so
 * they are not limited. */
bool spv_conn_slots_loopback(const struct spv_netaddr *addr);

/* Writes the address that stands for a client's group, whose members share one limit of rate: an
 * IPv4 /24 (an IPv6 /64 is one bucket of rate_limit.h already). Returns false for clients without a
 * limit: loopback, and sockets without an address (network 0). */
bool spv_conn_slots_limited_group(struct spv_netaddr *out, const struct spv_netaddr *client);

/* Counts the clients with a new client's address and group: zero it, add each client. */
struct spv_conn_slots_count {
    unsigned address, group;
};
void spv_conn_slots_add(struct spv_conn_slots_count *count, const struct spv_netaddr *new_addr,
                        const struct spv_netaddr *client);
/* Returns true if the new client's address or group already uses its share of the slots. */
bool spv_conn_slots_share_taken(const struct spv_conn_slots_count *count,
                                const struct spv_netaddr *new_addr, unsigned slots);

#define SPV_CONN_SLOTS_NONE SIZE_MAX

/* Selects the client that is evicted for a new one: of those that have not completed the handshake
 * the one inactive longest, else the most recently connected one that is not protected. Protected
 * are the longest-connected client in each of SPV_CONN_SLOTS_KEYED_GROUPS groups, the
 * SPV_CONN_SLOTS_LOW_PINGS lowest pings of the others, and of all clients the half that has been
 * connected longest. Returns its index, or SPV_CONN_SLOTS_NONE when all are protected. */
size_t spv_conn_slots_victim(struct spv_conn_slot *clients, size_t n, const uint64_t key[2]);

#endif
