/* The buckets are an array that is searched from its start: a request costs far more than comparing
 * a few thousand keys, and active clients move to the front. Without memory for a bucket an address
 * is not limited; the number of connections is bounded anyway. */
#include "loop/rate_limit.h"

#include <stdlib.h>
#include <string.h>

#include "util/array.h"

#define FIRST_BUCKETS 16

void spv_rate_limit_init(struct spv_rate_limit *r, unsigned rate, unsigned burst)
{
    *r = (struct spv_rate_limit){.rate = rate, .burst = burst > 0 ? burst : 1};
}

void spv_rate_limit_free(struct spv_rate_limit *r)
{
    free(r->buckets);
    r->buckets = NULL;
    r->n = 0;
    r->cap = 0;
}

static void make_key(uint8_t key[16], const struct spv_netaddr *from)
{
    memset(key, 0, 16);
    memcpy(key, from->bytes, from->len < 8 ? from->len : 8);
    key[15] = from->network;
}

/* Returns a bucket at the end: a new one, or the least recently used. */
static struct spv_rate_bucket *new_bucket(struct spv_rate_limit *r)
{
    if (r->n == r->cap && r->cap < SPV_RATE_LIMIT_BUCKETS) {
        const size_t cap =
            spv_array_next_cap(r->cap, r->cap + 1, FIRST_BUCKETS, SPV_RATE_LIMIT_BUCKETS);
        struct spv_rate_bucket *buckets = realloc(r->buckets, cap * sizeof *buckets);
        if (buckets) {
            r->buckets = buckets;
            r->cap = cap;
        }
    }
    if (r->n < r->cap)
        return &r->buckets[r->n++];
    struct spv_rate_bucket *oldest = r->n > 0 ? &r->buckets[0] : NULL;
    for (size_t i = 1; i < r->n; i++)
        if (r->buckets[i].seen_us < oldest->seen_us)
            oldest = &r->buckets[i];
    return oldest;
}

static struct spv_rate_bucket *find_bucket(struct spv_rate_limit *r, const uint8_t key[16])
{
    for (size_t i = 0; i < r->n; i++) {
        if (memcmp(r->buckets[i].key, key, 16) != 0)
            continue;
        if (i > 0) { /* one place forward each time: active clients move to the front */
            const struct spv_rate_bucket swap = r->buckets[i - 1];
            r->buckets[i - 1] = r->buckets[i];
            r->buckets[i] = swap;
            i--;
        }
        return &r->buckets[i];
    }
    return NULL;
}

void spv_rate_bucket_fill(struct spv_rate_bucket *b, const struct spv_rate_limit *r,
                          uint64_t now_us)
{
    *b = (struct spv_rate_bucket){.seen_us = now_us, .tokens = r->burst};
}

unsigned spv_rate_bucket_take(struct spv_rate_bucket *b, const struct spv_rate_limit *r,
                              uint64_t now_us)
{
    if (now_us > b->seen_us) {
        b->tokens += (double)(now_us - b->seen_us) / (double)SPV_SECOND * r->rate;
        b->seen_us = now_us;
        if (b->tokens > r->burst)
            b->tokens = r->burst;
    }
    if (b->tokens >= 1) {
        b->tokens -= 1;
        return 0;
    }
    return (unsigned)((1 - b->tokens) / r->rate) + 1;
}

unsigned spv_rate_limit_take(struct spv_rate_limit *r, const struct spv_netaddr *from,
                             uint64_t now_us)
{
    uint8_t key[16];
    if (r->rate <= 0)
        return 0;
    make_key(key, from);
    struct spv_rate_bucket *b = find_bucket(r, key);
    if (!b) {
        b = new_bucket(r);
        if (!b)
            return 0;
        spv_rate_bucket_fill(b, r, now_us);
        memcpy(b->key, key, sizeof b->key);
    }
    return spv_rate_bucket_take(b, r, now_us);
}
