/* The buckets are an array that is searched from its start: a request costs far more than comparing
 * a few thousand keys, and active clients move to the front. Without memory for a bucket an address
 * is not limited; the number of connections is bounded anyway. */
#include "loop/rate_limit.h"

#include <stdlib.h>
#include <string.h>

#include "util/array.h"

#define FIRST_BUCKETS 16

void spv_rate_limit_init(struct spv_rate_limit *l, unsigned rate, unsigned burst)
{
    *l = (struct spv_rate_limit){.rate = rate, .burst = burst > 0 ? burst : 1};
}

void spv_rate_limit_free(struct spv_rate_limit *l)
{
    free(l->buckets);
    l->buckets = NULL;
    l->n = 0;
    l->cap = 0;
}

static void make_key(uint8_t key[16], const struct spv_netaddr *from)
{
    memset(key, 0, 16);
    memcpy(key, from->bytes, from->len < 8 ? from->len : 8);
    key[15] = from->network;
}

/* Returns a bucket at the end: a new one, or the least recently used. */
static struct spv_http_bucket *make_room(struct spv_rate_limit *l)
{
    if (l->n == l->cap && l->cap < SPV_HTTP_ADDRESSES) {
        const size_t cap =
            spv_array_next_cap(l->cap, l->cap + 1, FIRST_BUCKETS, SPV_HTTP_ADDRESSES);
        struct spv_http_bucket *buckets = realloc(l->buckets, cap * sizeof *buckets);
        if (buckets) {
            l->buckets = buckets;
            l->cap = cap;
        }
    }
    if (l->n < l->cap)
        return &l->buckets[l->n++];
    struct spv_http_bucket *oldest = l->n > 0 ? &l->buckets[0] : NULL;
    for (size_t i = 1; i < l->n; i++)
        if (l->buckets[i].seen_us < oldest->seen_us)
            oldest = &l->buckets[i];
    return oldest;
}

static struct spv_http_bucket *find_bucket(struct spv_rate_limit *l, const uint8_t key[16])
{
    for (size_t i = 0; i < l->n; i++) {
        if (memcmp(l->buckets[i].key, key, 16) != 0)
            continue;
        if (i > 0) { /* one place forward each time: active clients move to the front */
            const struct spv_http_bucket swap = l->buckets[i - 1];
            l->buckets[i - 1] = l->buckets[i];
            l->buckets[i] = swap;
            i--;
        }
        return &l->buckets[i];
    }
    return NULL;
}

unsigned spv_rate_limit_take(struct spv_rate_limit *l, const struct spv_netaddr *from,
                             uint64_t now_us)
{
    uint8_t key[16];
    if (l->rate <= 0)
        return 0;
    make_key(key, from);
    struct spv_http_bucket *b = find_bucket(l, key);
    if (!b) {
        b = make_room(l);
        if (!b)
            return 0;
        *b = (struct spv_http_bucket){.seen_us = now_us, .tokens = l->burst};
        memcpy(b->key, key, sizeof b->key);
    }
    if (now_us > b->seen_us) {
        b->tokens += (double)(now_us - b->seen_us) / (double)SPV_SECOND * l->rate;
        b->seen_us = now_us;
        if (b->tokens > l->burst)
            b->tokens = l->burst;
    }
    if (b->tokens >= 1) {
        b->tokens -= 1;
        return 0;
    }
    return (unsigned)((1 - b->tokens) / l->rate) + 1;
}
