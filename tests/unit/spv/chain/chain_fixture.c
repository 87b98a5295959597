/* A fork is mined by a second chain that first accepts the common headers. */
#include "unit/spv/chain/chain_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spv/message.h"
#include "util/u256.h"

const struct spv_now chain_fixture_late = {0, INT64_C(1) << 33};

struct spv_params chain_fixture_params(enum chain_fixture_kind kind)
{
    struct spv_params params = *spv_params_get(SPV_REGTEST);

    params.target_timespan = CHAIN_FIXTURE_INTERVAL * params.target_spacing;
    params.no_retarget = kind == CHAIN_FIXTURE_NO_RETARGET;
    params.min_difficulty = kind == CHAIN_FIXTURE_MIN_DIFFICULTY || kind == CHAIN_FIXTURE_BIP94;
    params.bip94 = kind == CHAIN_FIXTURE_BIP94;
    return params;
}

struct spv_chain *chain_fixture_chain(const struct spv_params *params)
{
    const struct spv_chain_config cfg = {.params = params,
                                         .checkpoint_mode = SPV_CHECKPOINTS_IGNORED};
    struct spv_chain *c;

    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    return c;
}

void chain_fixture_push(struct chain_fixture_headers *h, const struct spv_header *header)
{
    if (h->n == h->cap) {
        h->cap = h->cap == 0 ? 256 : 2 * h->cap;
        h->headers = realloc(h->headers, h->cap * sizeof *h->headers);
        assert_non_null(h->headers);
    }
    h->headers[h->n++] = *header;
}

void chain_fixture_headers_free(struct chain_fixture_headers *h)
{
    free(h->headers);
    *h = (struct chain_fixture_headers){0};
}

static int push_record(void *ctx, const struct spv_chain_header *record)
{
    chain_fixture_push(ctx, &record->header);
    return 0;
}

struct chain_fixture_headers chain_fixture_mined(const struct spv_params *params,
                                                 const struct chain_fixture_headers *base,
                                                 uint32_t fork, uint32_t n, uint32_t spacing,
                                                 uint64_t seed)
{
    struct chain_fixture_headers out = {0};
    const struct spv_mine_plan plan = {
        .n = n, .spacing = spacing, .seed = seed, .on_header = push_record, .ctx = &out};
    struct spv_chain *c = chain_fixture_chain(params);

    if (base) {
        chain_fixture_feed(c, base, 0, fork);
        for (uint32_t i = 0; i < fork; i++)
            chain_fixture_push(&out, &base->headers[i]);
    }
    assert_int_equal(spv_mine_chain(c, &plan), 0);
    spv_chain_free(c);
    return out;
}

struct chain_fixture_headers chain_fixture_uneven(const struct spv_params *params,
                                                  const struct chain_fixture_headers *base,
                                                  uint32_t fork, uint32_t n, uint64_t seed)
{
    static const uint32_t spacings[] = {200, 300, 450, 1300};
    struct chain_fixture_headers out = {0};
    struct spv_mine_plan plan = {.n = 1, .seed = seed, .on_header = push_record, .ctx = &out};
    struct spv_chain *c = chain_fixture_chain(params);
    uint64_t random = seed;

    if (base) {
        chain_fixture_feed(c, base, 0, fork);
        for (uint32_t i = 0; i < fork; i++)
            chain_fixture_push(&out, &base->headers[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        plan.spacing = spacings[random >> 62];
        assert_int_equal(spv_mine_chain(c, &plan), 0);
    }
    spv_chain_free(c);
    return out;
}

struct spv_blockhash chain_fixture_hash(const struct spv_header *header)
{
    struct spv_blockhash hash;

    spv_header_hash(&hash, header);
    return hash;
}

void chain_fixture_work(struct spv_header *header)
{
    struct spv_blockhash hash;

    assert_int_equal(spv_mine_header(header, &hash), 0);
}

void chain_fixture_miss(struct spv_header *header)
{
    struct spv_u256 target;
    struct spv_blockhash hash;

    assert_int_equal(spv_target_from_bits(&target, header->bits), 0);
    for (;; header->nonce++) {
        hash = chain_fixture_hash(header);
        if (!spv_hash_meets(hash.b, &target))
            return;
    }
}

struct spv_header chain_fixture_next(const struct spv_chain *c, uint32_t seconds)
{
    const struct spv_chain_header *tip = spv_chain_tip(c);
    struct spv_header header = {.version = 0x20000000, .prev = tip->hash};

    header.time = tip->header.time + seconds;
    header.bits = spv_chain_next_bits(c, header.time);
    chain_fixture_work(&header);
    return header;
}

int chain_fixture_accept(struct spv_chain *c, const struct spv_header *header, struct spv_now now)
{
    struct spv_accept_result v;

    assert_int_equal(spv_chain_accept(c, &v, header, 1, now), 0);
    spv_chain_stored(c);
    if (v.error == 0)
        assert_int_equal(v.accepted + v.known, 1);
    else
        assert_int_equal(v.accepted + v.known + v.index, 0);
    return v.error;
}

static void feed(struct spv_chain *c, struct chain_fixture_store *s,
                 const struct chain_fixture_headers *h, size_t from, size_t to)
{
    while (from < to) {
        const size_t n = to - from < SPV_MAX_HEADERS ? to - from : SPV_MAX_HEADERS;
        struct spv_accept_result v;
        assert_int_equal(spv_chain_accept(c, &v, h->headers + from, n, chain_fixture_late), 0);
        assert_int_equal(v.error, 0);
        assert_int_equal(v.accepted + v.known, n);
        if (s)
            chain_fixture_store_apply(s, &v.update);
        spv_chain_stored(c);
        from += n;
    }
}

void chain_fixture_feed(struct spv_chain *c, const struct chain_fixture_headers *h, size_t from,
                        size_t to)
{
    feed(c, NULL, h, from, to);
}

void chain_fixture_feed_stored(struct spv_chain *c, struct chain_fixture_store *s,
                               const struct chain_fixture_headers *h, size_t from, size_t to)
{
    feed(c, s, h, from, to);
}

static void store_put(struct chain_fixture_store *s, const struct spv_chain_header *record)
{
    if (s->n == s->cap) {
        s->cap = s->cap == 0 ? 256 : 2 * s->cap;
        s->records = realloc(s->records, s->cap * sizeof *s->records);
        assert_non_null(s->records);
    }
    assert_int_equal(record->height, s->n);
    s->records[s->n++] = *record;
}

void chain_fixture_store_init(struct chain_fixture_store *s, const struct spv_params *params)
{
    struct spv_chain *c = chain_fixture_chain(params);

    *s = (struct chain_fixture_store){.indexed = true};
    store_put(s, spv_chain_tip(c));
    spv_chain_free(c);
}

static void side_put(struct chain_fixture_store *s, const struct spv_chain_header *record)
{
    if (s->n_side == s->cap_side) {
        s->cap_side = s->cap_side == 0 ? 256 : 2 * s->cap_side;
        s->side = realloc(s->side, s->cap_side * sizeof *s->side);
        assert_non_null(s->side);
    }
    s->side[s->n_side++] = *record;
}

static void side_remove(struct chain_fixture_store *s, const struct spv_blockhash *hash)
{
    for (size_t i = 0; i < s->n_side; i++)
        if (spv_blockhash_eq(&s->side[i].hash, hash))
            s->side[i--] = s->side[--s->n_side];
}

void chain_fixture_store_apply(struct chain_fixture_store *s, const struct spv_chain_update *change)
{
    if (change->kind == SPV_UPDATE_NONE)
        return;
    for (size_t i = 0; s->n_side > 0 && i < change->n; i++)
        side_remove(s, &change->headers[i].hash);
    if (change->kind == SPV_UPDATE_BRANCH) {
        for (size_t i = 0; i < change->n; i++)
            side_put(s, &change->headers[i]);
        return;
    }
    assert_int_equal(change->fork_height + change->removed, s->n - 1);
    for (size_t i = change->fork_height + 1; i < s->n; i++)
        side_put(s, &s->records[i]);
    s->n = change->fork_height + 1;
    for (size_t i = 0; i < change->n; i++)
        store_put(s, &change->headers[i]);
}

void chain_fixture_store_free(struct chain_fixture_store *s)
{
    free(s->records);
    free(s->side);
    *s = (struct chain_fixture_store){0};
}

static int store_tip(void *ctx, struct spv_chain_header *out)
{
    struct chain_fixture_store *s = ctx;

    *out = s->records[s->n - 1];
    return 1;
}

static int store_by_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    struct chain_fixture_store *s = ctx;

    s->reads++;
    if (height >= s->n)
        return 0;
    *out = s->records[height];
    return 1;
}

static int store_by_hash(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash)
{
    struct chain_fixture_store *s = ctx;

    s->reads++;
    for (size_t i = 0; s->indexed && i < s->n; i++)
        if (spv_blockhash_eq(&s->records[i].hash, hash)) {
            *out = s->records[i];
            return 1;
        }
    return 0;
}

static int store_range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    const struct chain_fixture_store *s = ctx;
    int got = 0;

    for (; n > 0 && from < s->n; from++, n--)
        out[got++] = s->records[from].header;
    return got;
}

static int lower(const void *a, const void *b)
{
    const uint32_t x = ((const struct spv_chain_header *)a)->height;
    const uint32_t y = ((const struct spv_chain_header *)b)->height;

    return (x > y) - (x < y);
}

static int store_branches(void *ctx, int (*each)(void *arg, const struct spv_chain_header *record),
                          void *arg)
{
    struct chain_fixture_store *s = ctx;
    int rc = 0;

    if (s->n_side > 0)
        qsort(s->side, s->n_side, sizeof *s->side, lower);
    for (size_t i = 0; rc == 0 && i < s->n_side; i++)
        rc = each(arg, &s->side[i]);
    return rc;
}

struct spv_header_db chain_fixture_reader(struct chain_fixture_store *s)
{
    return (struct spv_header_db){.ctx = s,
                                  .tip = store_tip,
                                  .by_height = store_by_height,
                                  .by_hash = store_by_hash,
                                  .range = store_range,
                                  .branches = store_branches};
}

bool chain_fixture_real(struct chain_fixture_headers *out, const char *name)
{
    const char *folder = getenv("SPV_TEST_DATA");
    uint8_t raw[SPV_HEADER_SIZE];
    char path[512];
    FILE *f;

    *out = (struct chain_fixture_headers){0};
    if (!folder) {
        print_message("skipped: SPV_TEST_DATA is not set\n");
        return false;
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "rb");
    if (!f) {
        print_message("skipped: there is no %s\n", path);
        return false;
    }
    while (fread(raw, 1, sizeof raw, f) == sizeof raw) {
        struct spv_header header;
        spv_header_decode(&header, raw);
        chain_fixture_push(out, &header);
    }
    fclose(f);
    return true;
}
