/* An array of records by height. Lookups by hash scan down from the tip: locators are near it,
 * and simulated chains are short. */
#include <stdlib.h>
#include <string.h>

#include "spv/chain/consensus.h"
#include "spv/mine.h"
#include "spv/params/interval.h"
#include "support/sim/internal.h"
#include "util/u256.h"

static void append(struct sim_store *s, const struct spv_chain_header *record)
{
    s->at = sim_grow(s->at, &s->cap, s->n, sizeof(s->at[0]));
    s->at[s->n++] = *record;
}

void sim_store_init(struct sim_store *s, const struct spv_params *params)
{
    struct spv_chain *chain;
    struct spv_chain_config cfg = {.params = params};
    memset(s, 0, sizeof(*s));
    s->params = params;
    if (spv_chain_new(&chain, &cfg) < 0)
        abort();
    append(s, spv_chain_tip(chain));
    spv_chain_free(chain);
}

void sim_store_free(struct sim_store *s)
{
    free(s->at);
    memset(s, 0, sizeof(*s));
}

void sim_store_copy(struct sim_store *out, const struct sim_store *from, uint32_t base)
{
    const struct spv_chain_header none = {.height = 0};
    memset(out, 0, sizeof(*out));
    out->params = from->params;
    out->base = base;
    for (uint32_t i = 0; i < from->n; i++)
        append(out, i == 0 || i >= base ? &from->at[i] : &none);
}

const struct spv_chain_header *sim_store_tip(const struct sim_store *s)
{
    return &s->at[s->n - 1];
}

static int read_tip(void *ctx, struct spv_chain_header *out)
{
    *out = *sim_store_tip(ctx);
    return 1;
}

static int read_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    const struct sim_store *s = ctx;
    if (height >= s->n || (height > 0 && height < s->base))
        return 0;
    *out = s->at[height];
    return 1;
}

static int read_hash(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash)
{
    const struct sim_store *s = ctx;
    for (size_t i = s->n; i-- > 0;)
        if ((i == 0 || i >= s->base) && memcmp(s->at[i].hash.b, hash->b, sizeof(hash->b)) == 0) {
            *out = s->at[i];
            return 1;
        }
    return 0;
}

static int read_range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    const struct sim_store *s = ctx;
    uint32_t got = 0;
    while (got < n && from + got < s->n && (from + got == 0 || from + got >= s->base)) {
        out[got] = s->at[from + got].header;
        got++;
    }
    return (int)got;
}

static void read_base(void *ctx, struct spv_chain_start *out)
{
    *out = (struct spv_chain_start){.height = ((const struct sim_store *)ctx)->base};
}

struct spv_header_db sim_store_reader(struct sim_store *s)
{
    return (struct spv_header_db){.ctx = s,
                                  .tip = read_tip,
                                  .by_height = read_height,
                                  .by_hash = read_hash,
                                  .range = read_range,
                                  .start = read_base};
}

/* Checks a record against its parent, without the chain's own code. */
static const char *check_header(const struct spv_chain_header *parent,
                                const struct spv_chain_header *record)
{
    struct spv_blockhash hash;
    struct spv_u256 target;
    if (!spv_blockhash_eq(&record->header.prev, &parent->hash))
        return "a stored header does not link to its parent";
    if (record->height != parent->height + 1)
        return "a stored header has the wrong height";
    spv_header_hash(&hash, &record->header);
    if (!spv_blockhash_eq(&hash, &record->hash))
        return "a stored hash is not its header's";
    if (spv_target_from_bits(&target, record->header.bits) < 0 || !spv_hash_meets(hash.b, &target))
        return "a stored header lacks its proof of work";
    struct spv_u256 work = spv_work_from_target(&target);
    work = spv_u256_add(&parent->work, &work);
    if (spv_u256_cmp(&work, &record->work) != 0)
        return "a stored record has the wrong cumulative work";
    return NULL;
}

/* The parent of the first record is not stored: the checkpoint's hash and work replace it. */
static const char *start(struct sim_store *s, const struct spv_chain_update *change)
{
    if (s->n != 1 || change->n == 0 || change->headers[0].height != change->fork_height + 1)
        return "a start in the middle of a chain";
    s->base = change->headers[0].height;
    while (s->n < s->base)
        append(s, &(struct spv_chain_header){0});
    append(s, &change->headers[0]);
    for (size_t i = 1; i < change->n; i++) {
        const char *wrong = check_header(sim_store_tip(s), &change->headers[i]);
        if (wrong)
            return wrong;
        append(s, &change->headers[i]);
    }
    return NULL;
}

const char *sim_store_apply(struct sim_store *s, const struct spv_chain_update *change)
{
    if (change->kind == SPV_UPDATE_NONE)
        return "an empty change was to be stored";
    if (change->kind == SPV_UPDATE_BRANCH)
        return NULL; /* the best chain is unchanged */
    if (change->n == 0)
        return "a change without records";
    if (change->kind == SPV_UPDATE_CHECKPOINT_START)
        return start(s, change);
    if (change->fork_height >= s->n)
        return "a change forks above the stored tip";
    if (change->kind == SPV_UPDATE_APPEND && change->fork_height + 1 != s->n)
        return "an append does not follow the stored tip";
    if (change->kind == SPV_UPDATE_REORG) {
        if (change->removed == 0 || change->removed != s->n - 1 - change->fork_height)
            return "a reorganisation removes the wrong number of headers";
        s->n = change->fork_height + 1;
    }
    for (size_t i = 0; i < change->n; i++) {
        const char *wrong = check_header(sim_store_tip(s), &change->headers[i]);
        if (wrong)
            return wrong;
        append(s, &change->headers[i]);
    }
    return NULL;
}

static int keep(void *ctx, const struct spv_chain_header *record)
{
    append(ctx, record);
    return 0;
}

static void grow(struct sim_store *s, const struct spv_mine_plan *wanted)
{
    struct spv_chain_config cfg = {.params = s->params,
                                   .header_db = sim_store_reader(s),
                                   .checkpoint_mode = SPV_CHECKPOINTS_IGNORED};
    struct spv_mine_plan plan = *wanted;
    struct spv_chain *chain;
    plan.on_header = keep;
    plan.ctx = s;
    if (spv_chain_new(&chain, &cfg) < 0 || spv_mine_chain(chain, &plan) < 0)
        abort();
    spv_chain_free(chain);
}

void sim_store_grow(struct sim_store *s, uint32_t n, uint32_t spacing, uint64_t seed)
{
    grow(s, &(struct spv_mine_plan){.n = n, .spacing = spacing, .seed = seed});
}

void sim_store_fork(struct sim_store *out, const struct sim_store *base, uint32_t fork_height,
                    uint32_t n, uint64_t seed)
{
    memset(out, 0, sizeof(*out));
    out->params = base->params;
    for (uint32_t i = 0; i <= fork_height && i < base->n; i++)
        append(out, &base->at[i]);
    if (n > 0)
        sim_store_grow(out, n, 0, seed);
}

void sim_store_mine(struct sim_store *out, const struct spv_params *params, uint32_t n,
                    uint64_t seed)
{
    sim_store_init(out, params);
    if (n > 0)
        sim_store_grow(out, n, 0, seed);
}

/* The required bits after the tip, which may itself be invalid. */
static uint32_t next_bits(const struct sim_store *s, uint32_t time)
{
    const struct spv_chain_header *tip = sim_store_tip(s);
    const uint32_t interval = spv_params_interval(s->params);
    const struct spv_chain_header *first = &s->at[tip->height - tip->height % interval];
    struct spv_consensus_parent parent = {.height = tip->height,
                                          .time = tip->header.time,
                                          .bits = tip->header.bits,
                                          .last_non_min_diff_bits = first->header.bits,
                                          .first_time = first->header.time,
                                          .first_bits = first->header.bits};
    for (const struct spv_chain_header *r = first + 1; r <= tip; r++)
        parent.last_non_min_diff_bits = spv_consensus_last_non_min_diff_bits(
            s->params, r->height, r->header.bits, parent.last_non_min_diff_bits);
    return spv_consensus_next_bits(s->params, &parent, time);
}

void sim_store_forge(struct sim_store *s, uint32_t n, uint64_t seed,
                     void (*change)(void *ctx, struct spv_header *header, uint32_t i), void *ctx)
{
    struct test_random random = {.state = seed};
    for (uint32_t i = 0; i < n; i++) {
        const struct spv_chain_header *tip = sim_store_tip(s);
        struct spv_chain_header record = {.height = tip->height + 1, .work = tip->work};
        struct spv_header *h = &record.header;
        struct spv_u256 work;
        *h = (struct spv_header){.version = 0x20000000,
                                 .prev = tip->hash,
                                 .time = tip->header.time + s->params->target_spacing};
        test_random_fill(&random, h->merkle_root.b, sizeof(h->merkle_root.b));
        h->bits = next_bits(s, h->time);
        if (change)
            change(ctx, h, i);
        if (spv_mine_header(h, &record.hash) < 0) /* no target: proof of work is impossible */
            spv_header_hash(&record.hash, h);
        if (spv_target_from_bits(&work, h->bits) == 0) {
            work = spv_work_from_target(&work);
            record.work = spv_u256_add(&record.work, &work);
        }
        append(s, &record);
    }
}
