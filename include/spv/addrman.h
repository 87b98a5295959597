/* The address book as it is kept between runs: where peers may be found, and who is banned. The
 * node keeps the book (src/spv/addrman/addrman.h), a store remembers it; these are the rows that
 * pass between the two. */
#ifndef SPV_ADDRMAN_H
#define SPV_ADDRMAN_H

#include "spv/endpoint.h"
#include "spv/message.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_ADDRMAN_NEW                                                                            \
    16384 /* places for addresses that were only heard of: 256 buckets of 64                       \
           */
#define SPV_ADDRMAN_TRIED 4096 /* places for those that have answered: 64 buckets of 64 */
#define SPV_ADDRMAN_ADDRESSES (SPV_ADDRMAN_NEW + SPV_ADDRMAN_TRIED)
#define SPV_ADDRMAN_BANS 1024 /* ours: the one that ends first gives way */
#define SPV_ADDRMAN_KEY 16 /* the secret that places addresses in buckets: a SipHash key */
#define SPV_ADDRMAN_SOURCE 8 /* bytes of a network group, at most */

/* Networks that can be dialled. */
#define SPV_NET_IPV4 1u
#define SPV_NET_IPV6 2u
#define SPV_NET_ONION 4u /* through a proxy */

/* Times are unix seconds, 0 for never. */
struct spv_addr_info {
    struct spv_netaddr addr; /* IPv4, IPv6 or Tor v3 */
    uint64_t services; /* as last heard; as it said itself once it has answered */
    uint8_t source[SPV_ADDRMAN_SOURCE]; /* network group of who told us first */
    uint8_t source_len;
    int64_t last_seen; /* somebody said that it was there */
    int64_t last_try;
    int64_t last_success; /* a handshake was completed */
    uint32_t attempts; /* in a row that reached nobody */
    uint32_t slow; /* times in a row that it was late or useless after the handshake */
    int failure; /* the last one's code; 0: none */
    bool tried; /* it has answered once */
    bool anchor; /* it served us when the book was saved: dialled first at the next start */
};

struct spv_ban_entry {
    char address[SPV_ENDPOINT_TEXT]; /* a host; with its port when the user named the peer */
    int64_t since, until;
    int code; /* the lie: an enum spv_err of SPV_CLASS_MISBEHAVING */
};

/* All of it. */
struct spv_addrman_rows {
    bool keyed; /* key is known: there was a book */
    uint8_t key[SPV_ADDRMAN_KEY];
    struct spv_addr_info *addresses;
    size_t n;
    struct spv_ban_entry *bans;
    size_t n_bans;
};

/* What is new since the last save. */
struct spv_addrman_changes {
    uint8_t key[SPV_ADDRMAN_KEY];
    bool all; /* what was stored goes first; the changed ones are all there are */
    const struct spv_addr_info *changed;
    size_t n_changed;
    const struct spv_netaddr *removed;
    size_t n_removed;
    bool bans_changed; /* bans replace those stored */
    const struct spv_ban_entry *bans;
    size_t n_bans;
};

#ifdef __cplusplus
}
#endif

#endif
