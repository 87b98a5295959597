/* The rows of the address manager that a store keeps between runs: peer addresses and bans. The
 * node owns the address manager (src/spv/addrman/addrman.h); these structs pass rows between it and
 * the store. */
#ifndef SPV_ADDRMAN_H
#define SPV_ADDRMAN_H

#include "spv/endpoint.h"
#include "spv/message.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Slots for addresses that we never connected to: 256 buckets of 64. */
#define SPV_ADDRMAN_NEW 16384
/* Slots for addresses that completed a handshake: 64 buckets of 64. */
#define SPV_ADDRMAN_TRIED 4096
#define SPV_ADDRMAN_ADDRESSES (SPV_ADDRMAN_NEW + SPV_ADDRMAN_TRIED)
#define SPV_ADDRMAN_BANS 1024 /* ours: the ban that ends first is replaced */
#define SPV_ADDRMAN_KEY 16 /* bytes of the secret SipHash key that selects buckets */
#define SPV_ADDRMAN_SOURCE 8 /* bytes of the longest network group */

/* Networks that can be connected to: a bit mask. */
#define SPV_NET_IPV4 1u
#define SPV_NET_IPV6 2u
#define SPV_NET_ONION 4u /* through a proxy */

/* An address and its history. Times are unix seconds, 0 for never. */
struct spv_addr_info {
    struct spv_netaddr addr; /* IPv4, IPv6 or Tor v3 */
    uint64_t services; /* service bits from gossip, or from its version message */
    uint8_t source[SPV_ADDRMAN_SOURCE]; /* network group of the peer that first sent it */
    uint8_t source_len;
    int64_t last_seen; /* from gossip, or our own connection */
    int64_t last_try;
    int64_t last_success; /* last completed handshake */
    uint32_t attempts; /* failed connection attempts in a row */
    uint32_t slow; /* connections in a row that were slow or useless after the handshake */
    int failure; /* enum spv_err of the last failure; 0: none */
    bool tried; /* in the tried table */
    bool anchor; /* connected when last saved: connected to first after a restart */
};

struct spv_ban_entry {
    char address[SPV_ENDPOINT_TEXT]; /* a host; for a manual peer "host:port" */
    int64_t since, until; /* unix seconds */
    int code; /* the misbehaviour: an enum spv_err of SPV_CLASS_MISBEHAVING */
};

/* All stored rows. */
struct spv_addrman_rows {
    bool keyed; /* key was stored */
    uint8_t key[SPV_ADDRMAN_KEY];
    struct spv_addr_info *addresses;
    size_t n;
    struct spv_ban_entry *bans;
    size_t n_bans;
};

/* What changed since the last save. */
struct spv_addrman_changes {
    uint8_t key[SPV_ADDRMAN_KEY];
    bool all; /* delete all stored addresses first; `changed` has every address */
    const struct spv_addr_info *changed;
    size_t n_changed;
    const struct spv_netaddr *removed;
    size_t n_removed;
    bool bans_changed; /* `bans` replaces all stored bans */
    const struct spv_ban_entry *bans;
    size_t n_bans;
};

#ifdef __cplusplus
}
#endif

#endif
