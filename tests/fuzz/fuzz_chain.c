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
#define MINED_MAX 4096 /* mined headers that steps can refer to */
#define MESSAGE_MAX 64
#define MEMORY_MAX (9u << 20)
#define TRIES 64 /* nonces to try for a changed header */

struct fuzz {
    struct spv_params params;
    struct spv_checkpoint checkpoint;
    bool has_checkpoint, indexed;
    struct spv_chain *c;
    struct spv_chain_header *store;
    size_t n_store;
    struct spv_header *mined;
    size_t n_mined;
    struct spv_now now;
};

static int store_tip(void *ctx, struct spv_chain_header *out)
{
    const struct fuzz *f = ctx;
    *out = f->store[f->n_store - 1];
    return 1;
}

static int store_by_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    const struct fuzz *f = ctx;
    if (height >= f->n_store)
        return 0;
    *out = f->store[height];
    return 1;
}

static int store_by_hash(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash)
{
    const struct fuzz *f = ctx;
    for (size_t i = 0; f->indexed && i < f->n_store; i++)
        if (spv_blockhash_eq(&f->store[i].hash, hash)) {
            *out = f->store[i];
            return 1;
        }
    return 0;
}

static int store_range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    const struct fuzz *f = ctx;
    uint32_t got = 0;
    for (; got < n && from + got < f->n_store; got++)
        out[got] = f->store[from + got].header;
    return (int)got;
}

static void open_chain(struct fuzz *f)
{
    const struct spv_chain_config cfg = {
        .params = &f->params,
        .header_db = {.ctx = f,
                      .tip = store_tip,
                      .by_height = store_by_height,
                      .by_hash = store_by_hash,
                      .range = store_range},
        .checkpoints = f->has_checkpoint ? &f->checkpoint : NULL,
        .n_checkpoints = f->has_checkpoint ? 1 : 0,
        .checkpoint_mode = f->has_checkpoint ? SPV_CHECKPOINTS_ENFORCED : SPV_CHECKPOINTS_IGNORED,
    };
    FUZZ_CHECK(spv_chain_new(&f->c, &cfg) == 0);
}

static void apply(struct fuzz *f, const struct spv_chain_update *change)
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
    FUZZ_CHECK(change->fork_height < f->n_store);
    FUZZ_CHECK(change->fork_height + change->removed + 1 == f->n_store);
    FUZZ_CHECK((change->kind == SPV_UPDATE_REORG) == (change->removed > 0));
    FUZZ_CHECK(
        spv_blockhash_eq(&change->headers[0].header.prev, &f->store[change->fork_height].hash));
    FUZZ_CHECK(change->fork_height + 1 + change->n <= STORE_MAX);
    memcpy(f->store + change->fork_height + 1, change->headers,
           change->n * sizeof *change->headers);
    f->n_store = change->fork_height + 1 + change->n;
}

static void check_chain(const struct fuzz *f)
{
    const struct spv_chain_header *tip = spv_chain_tip(f->c);
    struct spv_blockhash locator[SPV_MAX_LOCATOR];
    struct spv_chain_header record;
    bool best = false;
    FUZZ_CHECK(tip->height + 1 == f->n_store);
    FUZZ_CHECK(spv_blockhash_eq(&tip->hash, &f->store[tip->height].hash));
    FUZZ_CHECK(spv_chain_memory(f->c) < MEMORY_MAX);
    FUZZ_CHECK(spv_chain_branch_headers(f->c) <= SPV_CHAIN_BRANCH_HEADERS);
    FUZZ_CHECK(spv_chain_find(f->c, &record, &best, &tip->hash) == 1 && best);
    const int n = spv_chain_locator(f->c, locator, SPV_MAX_LOCATOR, NULL);
    FUZZ_CHECK(n > 0 && n <= SPV_MAX_LOCATOR);
    FUZZ_CHECK(spv_blockhash_eq(&locator[n - 1], &f->store[0].hash));
    for (int i = 0; i < SPV_CHAIN_BRANCHES; i++) {
        const struct spv_branch *b = &f->c->branches[i];
        if (b->headers.n == 0)
            continue;
        /* its parent is on the best chain, its first header is not, and it has no more work */
        FUZZ_CHECK(spv_chain_header_at(f->c, &record, b->fork) == 1);
        FUZZ_CHECK(spv_blockhash_eq(&record.hash, &b->headers.headers[0].header.prev));
        if (spv_chain_header_at(f->c, &record, b->fork + 1) == 1)
            FUZZ_CHECK(!spv_blockhash_eq(&record.hash, &b->headers.headers[0].hash));
        FUZZ_CHECK(spv_u256_cmp(&b->headers.headers[b->headers.n - 1].work, &tip->work) <= 0);
    }
}

static void accept_headers(struct fuzz *f, const struct spv_header *headers, size_t n)
{
    const struct spv_u256 before = spv_chain_tip(f->c)->work;
    struct spv_accept_result result;
    if (f->n_store + 2 * MESSAGE_MAX > STORE_MAX / 2)
        return; /* close to the limit of the store */
    FUZZ_CHECK(spv_chain_accept(f->c, &result, headers, n, f->now) == 0);
    FUZZ_CHECK(result.error == 0 ? result.accepted + result.known == n
                                 : result.accepted + result.known <= result.index);
    FUZZ_CHECK(result.error <= 0 && result.index <= n);
    const int cmp = spv_u256_cmp(&spv_chain_tip(f->c)->work, &before);
    const bool forward =
        result.update.kind == SPV_UPDATE_APPEND || result.update.kind == SPV_UPDATE_REORG;
    FUZZ_CHECK(forward ? cmp > 0 : cmp == 0);
    FUZZ_CHECK(result.update.kind == SPV_UPDATE_REORG ? result.update.n >= result.accepted
                                                      : result.update.n == result.accepted);
    apply(f, &result.update);
    spv_chain_stored(f->c);
    check_chain(f);
}

static void add_mined(struct fuzz *f, const struct spv_header *header)
{
    if (f->n_mined < MINED_MAX)
        f->mined[f->n_mined++] = *header;
}

/* Mines a message of headers on a parent. On the tip the bits are right; elsewhere the parent's
 * bits are used, which may be wrong. */
static void mine(struct fuzz *f, unsigned op, const uint8_t *s)
{
    struct spv_header message[MESSAGE_MAX];
    const size_t n = 1 + s[2] % 32;
    struct spv_header parent = spv_chain_tip(f->c)->header;
    const bool on_tip = s[1] == 0;
    struct spv_blockhash prev = spv_chain_tip(f->c)->hash;
    if (!on_tip && f->n_mined > 0) {
        parent = f->mined[f->n_mined - 1 - s[1] % f->n_mined];
        spv_header_hash(&prev, &parent);
    }
    for (size_t i = 0; i < n; i++) {
        struct spv_header *h = &message[i];
        *h = (struct spv_header){.version = 4, .prev = prev};
        h->merkle_root.b[0] = s[1];
        h->merkle_root.b[1] = s[3];
        h->time = parent.time + 1 + (uint32_t)s[3] * 7;
        h->bits = i == 0 && on_tip ? spv_chain_next_bits(f->c, h->time) : parent.bits;
        if (h->bits != f->params.pow_limit_bits && (h->bits >> 24) < 0x1f)
            return; /* too much work for a fuzz target */
        if (spv_mine_header(h, &prev) != 0)
            return;
        parent = *h;
        add_mined(f, h);
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
            add_mined(f, last);
        }
    }
    accept_headers(f, message, n);
}

static void repeat_mined(struct fuzz *f, const uint8_t *s)
{
    size_t from = s[1];
    size_t n = s[3] % MESSAGE_MAX;
    if (f->n_mined == 0)
        return;
    from %= f->n_mined;
    n = n < f->n_mined - from ? n : f->n_mined - from;
    accept_headers(f, f->mined + from, n);
}

static size_t step(struct fuzz *f, const uint8_t *data, size_t size)
{
    const unsigned op = data[0] % 8;
    switch (op) {
    case 0:
    case 1:
    case 2:
    case 3:
        mine(f, op, data);
        return 4;
    case 4:
        repeat_mined(f, data);
        return 4;
    case 5:
        if (size >= 1 + SPV_HEADER_SIZE) {
            struct spv_header header;
            spv_header_decode(&header, data + 1);
            accept_headers(f, &header, 1);
        }
        return 1 + SPV_HEADER_SIZE;
    case 6:
        spv_chain_free(f->c);
        open_chain(f);
        check_chain(f);
        return 4;
    default:
        f->now.unix_s = (int64_t)spv_chain_tip(f->c)->header.time + 64 * ((int64_t)data[1] - 128);
        return 4;
    }
}

static void set_up(struct fuzz *f, uint8_t kind)
{
    *f = (struct fuzz){.params = *spv_params_get(SPV_REGTEST), .now = {0, INT64_C(1) << 33}};
    f->params.target_timespan = 10 * f->params.target_spacing; /* retargets every ten blocks */
    f->params.no_retarget = (kind & 3) == 3;
    f->params.min_difficulty = (kind & 3) == 1 || (kind & 3) == 2;
    f->params.bip94 = (kind & 3) == 2;
    f->indexed = (kind & 8) == 0;
    f->store = calloc(STORE_MAX, sizeof *f->store);
    f->mined = calloc(MINED_MAX, sizeof *f->mined);
    FUZZ_CHECK(f->store && f->mined);
    f->store[0].header = f->params.genesis;
    spv_header_hash(&f->store[0].hash, &f->params.genesis);
    f->store[0].work = spv_u256_from_u64(2); /* 2^256 / (0x7fffff * 2^232 + 1) */
    f->n_store = 1;
    open_chain(f);
    if ((kind & 4) != 0) {
        /* starts with a few headers, and a checkpoint among them */
        const uint8_t steps[] = {0, 0, 25, 60};
        mine(f, 0, steps);
        if (f->n_store > 1) {
            f->has_checkpoint = true;
            f->checkpoint.height = (uint32_t)f->n_store / 2;
            f->checkpoint.hash = f->store[f->checkpoint.height].hash;
            spv_chain_free(f->c);
            open_chain(f);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    if (size < 1)
        return 0;
    set_up(&f, data[0]);
    for (size_t at = 1; at + 4 <= size;) {
        const size_t used = step(&f, data + at, size - at);
        at = used < size - at ? at + used : size;
    }
    spv_chain_free(f.c);
    free(f.store);
    free(f.mined);
    return 0;
}
