/* How many requests a client may make: one token bucket an address, bounded in number. Time comes
 * as an argument. */
#ifndef SPV_LOOP_RATE_LIMIT_H
#define SPV_LOOP_RATE_LIMIT_H

#include <stddef.h>
#include <stdint.h>

#include "spv/message.h"

#define SPV_HTTP_ADDRESSES 4096 /* remembered at once: 160 KiB; beyond, the longest silent goes */

struct spv_http_bucket {
    uint8_t key[16]; /* the address; of IPv6 the /64, which one customer has whole */
    uint64_t seen_us;
    double tokens;
};

struct spv_rate_limit {
    struct spv_http_bucket *buckets;
    size_t n, cap;
    double rate; /* tokens a second; 0: no limit */
    double burst;
};

/* rate 0: nothing is limited or remembered. */
void spv_rate_limit_init(struct spv_rate_limit *l, unsigned rate, unsigned burst);
void spv_rate_limit_free(struct spv_rate_limit *l);
/* Takes a token of this address. 0 when there was one, else in how many seconds there will be. */
unsigned spv_rate_limit_take(struct spv_rate_limit *l, const struct spv_netaddr *from,
                             uint64_t now_us);

#endif
