/* Rate limit of HTTP requests, v2 handshakes and compact filters: one token bucket per address,
 * bounded in number, or one that the caller keeps. The time is an argument. */
#ifndef SPV_LOOP_RATE_LIMIT_H
#define SPV_LOOP_RATE_LIMIT_H

#include <stddef.h>
#include <stdint.h>

#include "spv/message.h"

/* buckets: 160 KiB; for a new one the least recently used is dropped */
#define SPV_RATE_LIMIT_BUCKETS 4096

struct spv_rate_bucket {
    uint8_t key[16]; /* the address; for IPv6 its /64, which one customer usually gets */
    uint64_t seen_us;
    double tokens;
};

struct spv_rate_limit {
    struct spv_rate_bucket *buckets;
    size_t n, cap;
    double rate; /* tokens per second; 0: no limit */
    double burst;
};

/* rate 0: no limit, no memory. */
void spv_rate_limit_init(struct spv_rate_limit *r, unsigned rate, unsigned burst);
void spv_rate_limit_free(struct spv_rate_limit *r);
/* Takes a token of this address. Returns 0, or the seconds until the next token. */
unsigned spv_rate_limit_take(struct spv_rate_limit *r, const struct spv_netaddr *from,
                             uint64_t now_us);

/* A bucket of the caller's, of a limit that needs no memory then: filled, and a token taken as
 * above. */
void spv_rate_bucket_fill(struct spv_rate_bucket *b, const struct spv_rate_limit *r,
                          uint64_t now_us);
unsigned spv_rate_bucket_take(struct spv_rate_bucket *b, const struct spv_rate_limit *r,
                              uint64_t now_us);

#endif
