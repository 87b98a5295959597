/* A chain with a store accepts headers; the input is a script. Headers are mined (two hashes each
 * at regtest's limit), so that they are invalid in what the script changes, not only in their proof
 * of work.
 *
 *   first byte: bits 0-1 the rules (plain, minimum difficulty, BIP94, no retarget), bit 2 a
 *               checkpoint, bit 3 no hash index
 *   then steps of 4 bytes: op % 8, a, b, c
 *     0, 1 mine b % 32 headers with spacings from c, on the tip or on the header a ago, one message
 *     2    the same, the last header changed in byte b of 80 and mined again
 *     3    the same, the last header changed and not mined again
 *     4    c known headers again, starting at a
 *     5    80 raw bytes of the input
 *     6    a new chain from the store
 *     7    sets the clock to a time around the tip's, by a
 *
 * Invariants: the best chain's work never decreases, every update connects to the store's chain,
 * memory stays bounded, the counts of a result add up, tip and store are equal. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "spv/chain.h"
#include "spv/chain/chain_state.h"
#include "spv/error.h"
#include "spv/message.h"
#include "spv/mine.h"
#include "util/u256.h"

#define STORE_MAX 4096 /* headers; scripts are shorter */
#define MADE_MAX 4096 /* mined headers that steps can refer to */
#define MESSAGE_MAX 64
#define MEMORY_MAX (9u << 20)
#define TRIES 64 /* nonces to try for a changed header */

struct world {
    struct spv_params params;
    struct spv_checkpoint checkpoint;
    bool checked, indexed;
    struct spv_chain *c;
    struct spv_chain_header *store;
    size_t n_store;
    struct spv_header *made;
    size_t n_made;
    struct spv_now now;
};

static int store_tip(void *ctx, struct spv_chain_header *out)
{
    const struct world *w = ctx;
    *out = w->store[w->n_store - 1];
    return 1;
}

static int store_by_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    const struct world *w = ctx;
    if (height >= w->n_store)
        return 0;
    *out = w->store[height];
    return 1;
}

static int store_by_hash(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash)
{
    const struct world *w = ctx;
    for (size_t i = 0; w->indexed && i < w->n_store; i++)
        if (spv_blockhash_eq(&w->store[i].hash, hash)) {
            *out = w->store[i];
            return 1;
        }
    return 0;
}

static int store_range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    const struct world *w = ctx;
    uint32_t got = 0;
    for (; got < n && from + got < w->n_store; got++)
        out[got] = w->store[from + got].header;
    return (int)got;
}

static void open_chain(struct world *w)
{
    const struct spv_chain_config cfg = {
        .params = &w->params,
        .reader = {.ctx = w,
                   .tip = store_tip,
                   .by_height = store_by_height,
                   .by_hash = store_by_hash,
                   .range = store_range},
        .checkpoints = w->checked ? &w->checkpoint : NULL,
        .n_checkpoints = w->checked ? 1 : 0,
        .checkpoint_mode = w->checked ? SPV_CHECKPOINTS_ENFORCED : SPV_CHECKPOINTS_IGNORED,
    };
    FUZZ_CHECK(spv_chain_new(&w->c, &cfg) == 0);
}

static void apply(struct world *w, const struct spv_chain_update *change)
{
    if (change->kind == SPV_UPDATE_NONE) {
        FUZZ_CHECK(change->n == 0);
        return;
    }
    FUZZ_CHECK(change->n > 0);
    for (size_t i = 0; i < change->n; i++) {
        const struct spv_chain_header *r = &change->headers[i];
        struct spv_blockhash hash;
        spv_header_hash(&hash, &r->header);
        FUZZ_CHECK(spv_blockhash_eq(&hash, &r->hash));
        FUZZ_CHECK(r->height == change->fork_height + 1 + i);
        if (i > 0)
            FUZZ_CHECK(spv_blockhash_eq(&r->header.prev, &r[-1].hash));
    }
    if (change->kind == SPV_UPDATE_BRANCH)
        return;
    FUZZ_CHECK(change->fork_height < w->n_store);
    FUZZ_CHECK(change->fork_height + change->removed + 1 == w->n_store);
    FUZZ_CHECK((change->kind == SPV_UPDATE_REORG) == (change->removed > 0));
    FUZZ_CHECK(
        spv_blockhash_eq(&change->headers[0].header.prev, &w->store[change->fork_height].hash));
    FUZZ_CHECK(change->fork_height + 1 + change->n <= STORE_MAX);
    memcpy(w->store + change->fork_height + 1, change->headers,
           change->n * sizeof *change->headers);
    w->n_store = change->fork_height + 1 + change->n;
}

static void check_chain(const struct world *w)
{
    const struct spv_chain_header *tip = spv_chain_tip(w->c);
    struct spv_blockhash locator[SPV_MAX_LOCATOR];
    struct spv_chain_header record;
    bool best = false;
    FUZZ_CHECK(tip->height + 1 == w->n_store);
    FUZZ_CHECK(spv_blockhash_eq(&tip->hash, &w->store[tip->height].hash));
    FUZZ_CHECK(spv_chain_memory(w->c) < MEMORY_MAX);
    FUZZ_CHECK(spv_chain_branch_headers(w->c) <= SPV_CHAIN_BRANCH_HEADERS);
    FUZZ_CHECK(spv_chain_find(w->c, &record, &best, &tip->hash) == 1 && best);
    const int n = spv_chain_locator(w->c, locator, SPV_MAX_LOCATOR, NULL);
    FUZZ_CHECK(n > 0 && n <= SPV_MAX_LOCATOR);
    FUZZ_CHECK(spv_blockhash_eq(&locator[n - 1], &w->store[0].hash));
    for (int i = 0; i < SPV_CHAIN_BRANCHES; i++) {
        const struct spv_branch *b = &w->c->branches[i];
        if (b->headers.n == 0)
            continue;
        /* its parent is on the best chain, its first header is not, and it has no more work */
        FUZZ_CHECK(spv_chain_header_at(w->c, &record, b->fork) == 1);
        FUZZ_CHECK(spv_blockhash_eq(&record.hash, &b->headers.headers[0].header.prev));
        if (spv_chain_header_at(w->c, &record, b->fork + 1) == 1)
            FUZZ_CHECK(!spv_blockhash_eq(&record.hash, &b->headers.headers[0].hash));
        FUZZ_CHECK(spv_u256_cmp(&b->headers.headers[b->headers.n - 1].work, &tip->work) <= 0);
    }
}

static void give(struct world *w, const struct spv_header *headers, size_t n)
{
    const struct spv_u256 before = spv_chain_tip(w->c)->work;
    struct spv_accept_result v;
    if (w->n_store + 2 * MESSAGE_MAX > STORE_MAX / 2)
        return; /* close to the limit of the store */
    FUZZ_CHECK(spv_chain_accept(w->c, &v, headers, n, w->now) == 0);
    FUZZ_CHECK(v.error == 0 ? v.accepted + v.known == n : v.accepted + v.known <= v.index);
    FUZZ_CHECK(v.error <= 0 && v.index <= n);
    const int cmp = spv_u256_cmp(&spv_chain_tip(w->c)->work, &before);
    const bool forward = v.update.kind == SPV_UPDATE_APPEND || v.update.kind == SPV_UPDATE_REORG;
    FUZZ_CHECK(forward ? cmp > 0 : cmp == 0);
    FUZZ_CHECK(v.update.kind == SPV_UPDATE_REORG ? v.update.n >= v.accepted
                                                 : v.update.n == v.accepted);
    apply(w, &v.update);
    spv_chain_stored(w->c);
    check_chain(w);
}

static void remember(struct world *w, const struct spv_header *header)
{
    if (w->n_made < MADE_MAX)
        w->made[w->n_made++] = *header;
}

/* Mines a message of headers on a parent. On the tip the bits are right; elsewhere the parent's
 * bits are used, which may be wrong. */
static void mine(struct world *w, unsigned op, const uint8_t *s)
{
    struct spv_header message[MESSAGE_MAX];
    const size_t n = 1 + s[2] % 32;
    struct spv_header parent = spv_chain_tip(w->c)->header;
    const bool on_tip = s[1] == 0;
    struct spv_blockhash prev = spv_chain_tip(w->c)->hash;
    if (!on_tip && w->n_made > 0) {
        parent = w->made[w->n_made - 1 - s[1] % w->n_made];
        spv_header_hash(&prev, &parent);
    }
    for (size_t i = 0; i < n; i++) {
        struct spv_header *h = &message[i];
        *h = (struct spv_header){.version = 4, .prev = prev};
        h->merkle_root.b[0] = s[1];
        h->merkle_root.b[1] = s[3];
        h->time = parent.time + 1 + (uint32_t)s[3] * 7;
        h->bits = i == 0 && on_tip ? spv_chain_next_bits(w->c, h->time) : parent.bits;
        if (h->bits != w->params.pow_limit_bits && (h->bits >> 24) < 0x1f)
            return; /* too much work for a fuzz target */
        if (spv_mine_header(h, &prev) != 0)
            return;
        parent = *h;
        remember(w, h);
    }
    if (op >= 2) {
        uint8_t raw[SPV_HEADER_SIZE];
        struct spv_header *last = &message[n - 1];
        spv_header_encode(raw, last);
        raw[s[2] % SPV_HEADER_SIZE] ^= s[3] | 1;
        spv_header_decode(last, raw);
        if (op == 2) {
            struct spv_u256 target;
            struct spv_blockhash hash;
            for (unsigned t = 0; t < TRIES && spv_target_from_bits(&target, last->bits) == 0; t++) {
                spv_header_hash(&hash, last);
                if (spv_hash_meets(hash.b, &target))
                    break;
                last->nonce++;
            }
            remember(w, last);
        }
    }
    give(w, message, n);
}

static void again(struct world *w, const uint8_t *s)
{
    size_t from = s[1];
    size_t n = s[3] % MESSAGE_MAX;
    if (w->n_made == 0)
        return;
    from %= w->n_made;
    n = n < w->n_made - from ? n : w->n_made - from;
    give(w, w->made + from, n);
}

static size_t step(struct world *w, const uint8_t *data, size_t size)
{
    const unsigned op = data[0] % 8;
    switch (op) {
    case 0:
    case 1:
    case 2:
    case 3:
        mine(w, op, data);
        return 4;
    case 4:
        again(w, data);
        return 4;
    case 5:
        if (size >= 1 + SPV_HEADER_SIZE) {
            struct spv_header header;
            spv_header_decode(&header, data + 1);
            give(w, &header, 1);
        }
        return 1 + SPV_HEADER_SIZE;
    case 6:
        spv_chain_free(w->c);
        open_chain(w);
        check_chain(w);
        return 4;
    default:
        w->now.unix_s = (int64_t)spv_chain_tip(w->c)->header.time + 64 * ((int64_t)data[1] - 128);
        return 4;
    }
}

static void set_up(struct world *w, uint8_t kind)
{
    *w = (struct world){.params = *spv_params_get(SPV_REGTEST), .now = {0, INT64_C(1) << 33}};
    w->params.target_timespan = 10 * w->params.target_spacing; /* retargets every ten blocks */
    w->params.no_retarget = (kind & 3) == 3;
    w->params.min_difficulty = (kind & 3) == 1 || (kind & 3) == 2;
    w->params.bip94 = (kind & 3) == 2;
    w->indexed = (kind & 8) == 0;
    w->store = calloc(STORE_MAX, sizeof *w->store);
    w->made = calloc(MADE_MAX, sizeof *w->made);
    FUZZ_CHECK(w->store && w->made);
    w->store[0].header = w->params.genesis;
    spv_header_hash(&w->store[0].hash, &w->params.genesis);
    w->store[0].work = spv_u256_from_u64(2); /* 2^256 / (0x7fffff * 2^232 + 1) */
    w->n_store = 1;
    open_chain(w);
    if ((kind & 4) != 0) {
        /* starts with a few headers, and a checkpoint among them */
        const uint8_t steps[] = {0, 0, 25, 60};
        mine(w, 0, steps);
        if (w->n_store > 1) {
            w->checked = true;
            w->checkpoint.height = (uint32_t)w->n_store / 2;
            w->checkpoint.hash = w->store[w->checkpoint.height].hash;
            spv_chain_free(w->c);
            open_chain(w);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w;
    if (size < 1)
        return 0;
    set_up(&w, data[0]);
    for (size_t at = 1; at + 4 <= size;) {
        const size_t used = step(&w, data + at, size - at);
        at = used < size - at ? at + used : size;
    }
    spv_chain_free(w.c);
    free(w.store);
    free(w.made);
    return 0;
}
