/* Presync and redownload of a chain; the input is a script. Headers are mined (two hashes each at
 * regtest's limit), so that they are invalid only in what the script changes.
 *
 *   first byte: bits 0-1 the rules (plain, minimum difficulty, BIP94, no retarget), bit 2 a time
 *               between headers that makes retargets harder
 *   second: the work threshold in units of 100 headers; third: key and offset of the commitments
 *   then steps of 4 bytes: op % 8, a, b, c
 *     0, 1 the next 1 + 8 * b headers of the chain with seed a % 4, in one message
 *     2    the same, the last header changed in byte c of 80 and mined again
 *     3    the same, the last header changed and not mined again
 *     4    the first b headers of the last message again
 *     5    80 raw bytes of the input
 *     6    sets the clock to a time around the last header's, by a
 *     7    releases b headers
 *
 * Invariants: the states follow in order; no header is released during presync; released headers
 * are linked and valid by every rule; before the end 14,400 headers are buffered behind them;
 * together they have the required work; memory is bounded. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "spv/chain/chain_state.h"
#include "spv/error.h"
#include "spv/message.h"
#include "spv/mine.h"
#include "spv/sync/presync.h"
#include "util/u256.h"

#define MINED_MAX 60000 /* limit of mined headers per input */
#define TRIES 64 /* nonces to try for a changed header */

struct fuzz {
    struct spv_params params;
    struct spv_header_ctx start;
    struct spv_presync p;
    struct spv_header_ctx out; /* validates released headers */
    struct spv_header message[SPV_MAX_HEADERS];
    struct spv_header released[SPV_MAX_HEADERS];
    size_t n_mined;
    uint32_t spacing;
    struct spv_now now;
};

static uint64_t mix64(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static void fill(void *ctx, void *out, size_t n)
{
    uint64_t *seed = ctx;
    for (size_t i = 0; i < n; i++) {
        *seed = mix64(*seed + 1);
        ((uint8_t *)out)[i] = (uint8_t)*seed;
    }
}

/* Releases at most n headers. */
static void pop_ready(struct fuzz *f, size_t n)
{
    const enum spv_presync_phase phase = f->p.phase;
    const size_t got =
        spv_presync_pop_ready(&f->p, f->released, n < SPV_MAX_HEADERS ? n : SPV_MAX_HEADERS);
    FUZZ_CHECK(got == 0 || phase == SPV_PRESYNC_PHASE_REDOWNLOAD ||
               phase == SPV_PRESYNC_PHASE_FINAL);
    for (size_t i = 0; i < got; i++) {
        struct spv_chain_header r = {.header = f->released[i]};
        FUZZ_CHECK(spv_blockhash_eq(&r.header.prev, &f->out.hash));
        spv_header_hash(&r.hash, &r.header);
        FUZZ_CHECK(spv_header_ctx_check(&f->out, &r) == 0);
        (void)spv_header_ctx_connect(&f->out, &r);
    }
    FUZZ_CHECK(f->p.phase == phase);
    if (phase == SPV_PRESYNC_PHASE_REDOWNLOAD && got > 0)
        FUZZ_CHECK(f->out.parent.height + SPV_PRESYNC_REDOWNLOAD_BUF <= f->p.ctx.parent.height);
    if (phase == SPV_PRESYNC_PHASE_FINAL && spv_presync_n_ready(&f->p) == 0)
        FUZZ_CHECK(spv_u256_cmp(&f->out.work, &f->p.threshold) >= 0);
}

static void take_headers(struct fuzz *f, size_t n)
{
    const enum spv_presync_phase before = f->p.phase;
    const struct spv_u256 work = f->p.ctx.work;
    size_t taken = SIZE_MAX;
    const int rc = spv_presync_take(&f->p, &taken, f->message, n, f->now);
    FUZZ_CHECK(taken <= n && rc <= 0);
    FUZZ_CHECK(rc == 0 || taken < n || rc == SPV_ERR_STATE);
    FUZZ_CHECK(spv_presync_memory(&f->p) <= SPV_PRESYNC_MAX_MEMORY);
    FUZZ_CHECK(f->p.phase == before || f->p.phase == before + 1);
    FUZZ_CHECK(f->p.phase != SPV_PRESYNC_PHASE_PRESYNC || spv_presync_n_ready(&f->p) == 0);
    if (rc == SPV_ERR_STATE || rc == SPV_ERR_HDR_UNCONNECTING)
        FUZZ_CHECK(taken == 0 && spv_u256_cmp(&f->p.ctx.work, &work) == 0);
    if (f->p.phase != before)
        FUZZ_CHECK(rc == 0 &&
                   (before == SPV_PRESYNC_PHASE_PRESYNC || before == SPV_PRESYNC_PHASE_REDOWNLOAD));
    if (rc < 0 && rc != SPV_ERR_STATE && rc != SPV_ERR_HDR_UNCONNECTING) {
        spv_presync_end(&f->p); /* as the owner does after an error */
        FUZZ_CHECK(spv_presync_memory(&f->p) == 0);
    }
}

/* Mines the next headers of a chain, each determined by its height and the chain's seed. */
static size_t mine_headers(struct fuzz *f, uint64_t seed, size_t n)
{
    struct spv_header_ctx j = f->p.ctx;
    size_t i;
    if (f->p.phase == SPV_PRESYNC_PHASE_OFF)
        return 0; /* it has failed */
    for (i = 0; i < n && f->n_mined < MINED_MAX; i++, f->n_mined++) {
        const uint64_t x = mix64(seed << 32 | (j.parent.height + 1));
        const uint32_t median = spv_median_time(&j.median);
        struct spv_header *h = &f->message[i];
        struct spv_chain_header r;
        *h = (struct spv_header){.version = 4, .prev = j.hash};
        memcpy(h->merkle_root.b, &x, sizeof x);
        h->time = j.parent.time + f->spacing + (uint32_t)(x % 7);
        if (h->time <= median)
            h->time = median + 1;
        h->bits = spv_consensus_next_bits(&f->params, &j.parent, h->time);
        if ((h->bits >> 24) < 0x20) /* too much work for a fuzz target */
            h->bits = f->params.pow_limit_bits;
        r.header = *h;
        if (spv_mine_header(&r.header, &r.hash) != 0)
            break;
        *h = r.header;
        if (spv_header_ctx_check(&j, &r) < 0)
            return i + 1; /* violates a rule that this function does not implement: presync must
                             find it */
        (void)spv_header_ctx_connect(&j, &r);
    }
    return i;
}

/* Flips bits of one byte of the last header; mines it again on request. */
static void corrupt_last(struct fuzz *f, size_t n, uint8_t at, bool mine_again)
{
    uint8_t raw[SPV_HEADER_SIZE];
    struct spv_header *last = &f->message[n - 1];
    struct spv_blockhash hash;
    struct spv_u256 target;
    spv_header_encode(raw, last);
    raw[at % SPV_HEADER_SIZE] ^= (uint8_t)(at | 1);
    spv_header_decode(last, raw);
    for (unsigned t = 0; mine_again && t < TRIES && spv_target_from_bits(&target, last->bits) == 0;
         t++) {
        spv_header_hash(&hash, last);
        if (spv_hash_meets(hash.b, &target))
            break;
        last->nonce++;
    }
}

static size_t step(struct fuzz *f, const uint8_t *data, size_t size)
{
    const unsigned op = data[0] % 8;
    size_t n = 1 + 8 * (size_t)data[2];
    n = n < SPV_MAX_HEADERS ? n : SPV_MAX_HEADERS;
    switch (op) {
    case 0:
    case 1:
    case 2:
    case 3:
        n = mine_headers(f, data[1] % 4, n);
        if (n > 0 && op >= 2)
            corrupt_last(f, n, data[3], op == 2);
        take_headers(f, n);
        return 4;
    case 4:
        take_headers(f, data[2] < n ? data[2] : n); /* the first headers of the last message */
        return 4;
    case 5:
        if (size >= 1 + SPV_HEADER_SIZE) {
            spv_header_decode(&f->message[0], data + 1);
            take_headers(f, 1);
        }
        return 1 + SPV_HEADER_SIZE;
    case 6:
        f->now.unix_s = (int64_t)f->p.ctx.parent.time + 64 * ((int64_t)data[1] - 100);
        return 4;
    default:
        pop_ready(f, n);
        return 4;
    }
}

static void set_up(struct fuzz *f, const uint8_t *data)
{
    const struct spv_chain_config cfg = {.params = &f->params,
                                         .checkpoint_mode = SPV_CHECKPOINTS_IGNORED};
    struct spv_u256 threshold;
    uint64_t seed = data[2];
    struct spv_chain *c;
    f->params = *spv_params_get(SPV_REGTEST);
    f->params.target_timespan = 10 * f->params.target_spacing; /* retargets every ten blocks */
    f->params.no_retarget = (data[0] & 3) == 3;
    f->params.min_difficulty = (data[0] & 3) == 1 || (data[0] & 3) == 2;
    f->params.bip94 = (data[0] & 3) == 2;
    f->spacing = (data[0] & 4) != 0 ? 400 : 600;
    f->now = (struct spv_now){0, INT64_C(1) << 33};
    FUZZ_CHECK(spv_chain_new(&c, &cfg) == 0);
    f->start = c->tip;
    f->out = c->tip;
    spv_chain_free(c);
    threshold = spv_u256_from_u64(200 * (uint64_t)data[1]);
    spv_presync_begin(&f->p, &f->start, &threshold, (struct spv_rng){fill, &seed}, f->now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz *f;
    if (size < 3)
        return 0;
    f = calloc(1, sizeof *f);
    FUZZ_CHECK(f != NULL);
    set_up(f, data);
    for (size_t at = 3; at + 4 <= size;) {
        const size_t used = step(f, data + at, size - at);
        at = used < size - at ? at + used : size;
    }
    pop_ready(f, SPV_MAX_HEADERS);
    spv_presync_end(&f->p);
    free(f);
    return 0;
}
