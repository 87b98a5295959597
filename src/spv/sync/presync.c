/* Low-work header DoS protection (Bitcoin Core's HeadersSyncState): early blocks are cheap to mine,
 * so a peer could make us store millions of valid headers. A chain must therefore show its work
 * before it takes more than bounded memory.
 *
 * Checking a header takes constant memory, so the first pass (PRESYNC) applies every rule, not only
 * proof of work. It keeps one bit of a keyed hash of each 600th header; the key and the offset
 * among the 600 are secret. When the work is sufficient, the same headers are requested again
 * (REDOWNLOAD) and checked again, and a header is released when 24 later bits have matched: a peer
 * that sends other headers the second time has to guess them.
 *
 * A chain that differs in the second pass proves no misbehaviour: the best chain of an honest peer
 * may have changed in between. Such a peer is disconnected. A header that breaks a rule is
 * misbehaviour in either pass. */
#include "spv/sync/presync.h"

#include <stdlib.h>
#include <string.h>

#include "spv/chain/hash_ahead.h"
#include "spv/error.h"
#include "spv/message.h"
#include "util/array.h"
#include "util/hash.h"
#include "util/rng.h"
#include "util/u256.h"

#define BITS_MIN 64 /* bytes: 307,200 headers */
#define BUFFER_CAP (SPV_PRESYNC_REDOWNLOAD_BUF + SPV_MAX_HEADERS) /* and one message more */

struct spv_compressed_header {
    int32_t version;
    struct spv_hash256 merkle_root;
    uint32_t time;
    uint32_t bits;
    uint32_t nonce;
};

_Static_assert(sizeof(struct spv_compressed_header) == 48,
               "size of a buffered header, as in presync.h");

void spv_presync_begin(struct spv_presync *p, const struct spv_header_ctx *start,
                       const struct spv_u256 *threshold, struct spv_rng rng, struct spv_now now)
{
    const int64_t seconds =
        now.unix_s + SPV_MAX_FUTURE_S - (int64_t)spv_median_time(&start->median);

    spv_presync_end(p);
    p->phase = SPV_PRESYNC_PHASE_PRESYNC;
    p->start = *start;
    p->ctx = *start;
    p->threshold = *threshold;
    /* a time exceeds the median of the eleven before, so six headers move it by a second, and no
     * time may be later than two hours from now */
    p->max = seconds > 0 ? SPV_PRESYNC_MAX_HEADERS_PER_SECOND * (uint64_t)seconds : 0;
    p->key[0] = spv_rng_u64(&rng);
    p->key[1] = spv_rng_u64(&rng);
    p->offset = (uint32_t)spv_rng_below(&rng, SPV_PRESYNC_PERIOD);
}

void spv_presync_end(struct spv_presync *p)
{
    free(p->bits);
    free(p->redownload_buf);
    *p = (struct spv_presync){0};
}

/* ---- commitments ---- */

static unsigned commitment_bit(const struct spv_presync *p, const struct spv_blockhash *hash)
{
    return (unsigned)(spv_siphash(p->key[0], p->key[1], hash->b, sizeof hash->b) & 1);
}

static bool commits_at(const struct spv_presync *p, uint32_t height)
{
    return height % SPV_PRESYNC_PERIOD == p->offset;
}

static int store_commitment(struct spv_presync *p, const struct spv_blockhash *hash)
{
    const size_t byte = (size_t)(p->n_bits / 8);

    if (byte == p->bits_cap) {
        const size_t most = (size_t)(p->max / SPV_PRESYNC_PERIOD / 8) + 1;
        const size_t cap = spv_array_next_cap(p->bits_cap, byte + 1, BITS_MIN, most);
        uint8_t *bits = cap > 0 ? realloc(p->bits, cap) : NULL;
        if (!bits)
            return SPV_ERR_NOMEM;
        p->bits = bits;
        p->bits_cap = cap;
    }
    if (p->n_bits % 8 == 0)
        p->bits[byte] = 0;
    p->bits[byte] |= (uint8_t)(commitment_bit(p, hash) << (p->n_bits % 8));
    p->n_bits++;
    return 0;
}

static int check_commitment(struct spv_presync *p, const struct spv_blockhash *hash)
{
    const uint64_t i = p->next_bit++;
    unsigned bit;

    if (i >= p->n_bits)
        return SPV_ERR_REDOWNLOAD_MISMATCH;
    bit = (unsigned)p->bits[i / 8] >> (i % 8) & 1;
    return bit == commitment_bit(p, hash) ? 0 : SPV_ERR_REDOWNLOAD_MISMATCH;
}

/* ---- the second pass's buffer ---- */

static int buffer_header(struct spv_presync *p, const struct spv_header *h)
{
    struct spv_compressed_header *kept;

    if (!p->redownload_buf) {
        p->redownload_cap = p->length < BUFFER_CAP ? (size_t)p->length : BUFFER_CAP;
        p->redownload_buf = malloc(p->redownload_cap * sizeof *p->redownload_buf);
        if (!p->redownload_buf)
            return SPV_ERR_NOMEM;
    }
    kept = &p->redownload_buf[(p->redownload_at + p->n_redownload) % p->redownload_cap];
    kept->version = h->version;
    kept->merkle_root = h->merkle_root;
    kept->time = h->time;
    kept->bits = h->bits;
    kept->nonce = h->nonce;
    p->n_redownload++;
    return 0;
}

size_t spv_presync_n_ready(const struct spv_presync *p)
{
    if (p->phase == SPV_PRESYNC_PHASE_FINAL)
        return p->n_redownload;
    return p->n_redownload > SPV_PRESYNC_REDOWNLOAD_BUF
               ? p->n_redownload - SPV_PRESYNC_REDOWNLOAD_BUF
               : 0;
}

size_t spv_presync_pop_ready(struct spv_presync *p, struct spv_header *out, size_t cap)
{
    const size_t ready = spv_presync_n_ready(p);
    const size_t n = ready < cap ? ready : cap;

    for (size_t i = 0; i < n; i++) {
        const struct spv_compressed_header *kept = &p->redownload_buf[p->redownload_at];
        out[i] = (struct spv_header){.version = kept->version,
                                     .prev = p->prev,
                                     .merkle_root = kept->merkle_root,
                                     .time = kept->time,
                                     .bits = kept->bits,
                                     .nonce = kept->nonce};
        spv_header_hash(&p->prev, &out[i]);
        p->redownload_at = (p->redownload_at + 1) % p->redownload_cap;
        p->n_redownload--;
    }
    return n;
}

/* ---- the passes ---- */

static bool has_reached_threshold(const struct spv_presync *p)
{
    return spv_u256_cmp(&p->ctx.work, &p->threshold) >= 0;
}

static void next_pass(struct spv_presync *p)
{
    p->length = p->n;
    p->n = 0;
    p->ctx = p->start;
    p->prev = p->start.hash;
    p->phase = SPV_PRESYNC_PHASE_REDOWNLOAD;
}

/* Checks one header by every rule, then does what the pass needs. */
static int process_pass(struct spv_presync *p, const struct spv_header *header,
                        const struct spv_blockhash *hash, struct spv_now now)
{
    struct spv_chain_header next = {.header = *header, .hash = *hash};
    const bool first = p->phase == SPV_PRESYNC_PHASE_PRESYNC;
    int rc;

    /* the chain has shown its end: the same chain is exactly as long */
    if (!first && p->n >= p->length)
        return SPV_ERR_REDOWNLOAD_MISMATCH;
    rc = spv_header_ctx_check(&p->ctx, &next);
    if (rc < 0)
        return rc;
    rc = spv_consensus_future(header->time, now);
    if (rc < 0)
        return rc;
    /* After the time rule: if our clock is years behind, max is 0 and shows nothing about the
     * chain. */
    if (first && p->n >= p->max)
        return SPV_ERR_LOW_WORK;
    if (commits_at(p, next.height))
        rc = first ? store_commitment(p, hash) : check_commitment(p, hash);
    if (rc < 0)
        return rc;
    rc = first ? 0 : buffer_header(p, header);
    if (rc < 0)
        return rc;
    (void)spv_header_ctx_connect(&p->ctx, &next);
    p->n++;
    return 0;
}

int spv_presync_take(struct spv_presync *p, size_t *taken, const struct spv_header *headers,
                     size_t n, struct spv_now now)
{
    struct spv_hash_ahead ahead;

    *taken = 0;
    if ((p->phase != SPV_PRESYNC_PHASE_PRESYNC && p->phase != SPV_PRESYNC_PHASE_REDOWNLOAD) ||
        spv_presync_n_ready(p) > 0 || n > SPV_MAX_HEADERS)
        return SPV_ERR_STATE;
    for (size_t i = 0; i < n; i++) {
        const struct spv_blockhash *hash = spv_hash_ahead_at(&ahead, headers, i, n);
        int rc;

        if (!spv_blockhash_eq(&headers[i].prev, &p->ctx.hash))
            return i == 0 ? SPV_ERR_HDR_UNCONNECTING : SPV_ERR_HDR_NONCONTINUOUS;
        rc = process_pass(p, &headers[i], hash, now);
        if (rc < 0)
            return rc;
        *taken = i + 1;
        if (has_reached_threshold(p)) {
            if (p->phase == SPV_PRESYNC_PHASE_PRESYNC)
                next_pass(p);
            else
                p->phase = SPV_PRESYNC_PHASE_FINAL;
            return 0;
        }
    }
    return 0;
}

const struct spv_blockhash *spv_presync_last(const struct spv_presync *p)
{
    return &p->ctx.hash;
}

size_t spv_presync_memory(const struct spv_presync *p)
{
    return p->bits_cap + p->redownload_cap * sizeof *p->redownload_buf;
}
