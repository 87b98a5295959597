#include "unit/spv/serve/filters_fixture.h"

#include "spv/error.h"
#include "spv/filter.h"
#include "support/unit.h"

/* Every callback: 0, or the planned error. */
static int enter(struct filters_fixture *f)
{
    assert_true(f->in_snapshot);
    return ++f->calls == f->fail_at ? SPV_ERR_DB : 0;
}

static int begin_read(void *ctx)
{
    struct filters_fixture *f = ctx;
    assert_false(f->in_snapshot);
    if (f->before_read)
        f->before_read(f);
    if (++f->calls == f->fail_at)
        return SPV_ERR_DB;
    f->in_snapshot = true;
    return 0;
}

static void end_read(void *ctx)
{
    struct filters_fixture *f = ctx;
    assert_true(f->in_snapshot);
    f->in_snapshot = false;
}

static int by_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    struct filters_fixture *f = ctx;
    const int rc = enter(f);
    if (rc < 0 || height >= f->n)
        return rc;
    *out = f->at[height].block;
    return 1;
}

static int tip(void *ctx, struct spv_chain_header *out)
{
    struct filters_fixture *f = ctx;
    if (!f->tip_anywhere || f->in_snapshot)
        return by_height(ctx, out, f->n - 1);
    *out = f->at[f->n - 1].block;
    return 1;
}

static int read_range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    struct filters_fixture *f = ctx;
    const int rc = enter(f);
    uint32_t got = 0;
    if (rc < 0)
        return rc;
    for (; got < n && from + got < f->n; got++)
        out[got] = f->at[from + got].block.header;
    return (int)got;
}

static int by_hash(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash)
{
    struct filters_fixture *f = ctx;
    const int rc = enter(f);
    if (rc < 0 || f->no_index)
        return rc;
    for (uint32_t h = 0; h < f->n; h++) {
        if (!spv_blockhash_eq(&f->at[h].block.hash, hash))
            continue;
        *out = f->at[h].block;
        return 1;
    }
    return 0;
}

static int has_hash_index(void *ctx)
{
    struct filters_fixture *f = ctx;
    const int rc = enter(f);
    return rc < 0 ? rc : !f->no_index;
}

static void get_start(void *ctx, struct spv_chain_start *out)
{
    const struct filters_fixture *f = ctx;
    assert_true(f->in_snapshot);
    *out = (struct spv_chain_start){.height = f->start};
}

static int read_headers(void *ctx, struct spv_filter_header *headers,
                        struct spv_filter_hash *hashes, uint32_t from, uint32_t n)
{
    struct filters_fixture *f = ctx;
    const int rc = enter(f);
    uint32_t got = 0;
    if (rc < 0)
        return rc;
    for (; got < n && from + got < f->n; got++) {
        const struct filters_fixture_block *block = &f->at[from + got];
        if (!block->has_header || (hashes && !block->has_hash))
            break;
        if (headers)
            headers[got] = block->header;
        if (hashes)
            hashes[got] = block->hash;
        f->header_reads++;
    }
    return (int)got;
}

static int read_filter(void *ctx, struct spv_bytes *out, uint32_t height)
{
    struct filters_fixture *f = ctx;
    const int rc = enter(f);
    if (rc < 0 || height >= f->n || !f->at[height].filter)
        return rc;
    f->filter_reads++;
    free(f->served);
    f->served = malloc(f->at[height].n);
    assert_non_null(f->served);
    memcpy(f->served, f->at[height].filter, f->at[height].n);
    *out = (struct spv_bytes){f->served, f->at[height].n};
    return 1;
}

static int get_range(void *ctx, uint32_t *first, uint32_t *last)
{
    struct filters_fixture *f = ctx;
    const int rc = enter(f);
    uint32_t from = 0, to = f->n;
    while (from < f->n && !f->at[from].has_header)
        from++;
    while (to > from && !f->at[to - 1].has_header)
        to--;
    if (rc < 0 || from == to)
        return rc;
    *first = from;
    *last = to - 1;
    return 1;
}

static int get_kept(void *ctx, uint32_t *first, uint32_t *last)
{
    struct filters_fixture *f = ctx;
    const int rc = enter(f);
    uint32_t to = f->n;
    while (to > 0 && !f->at[to - 1].filter)
        to--;
    if (rc < 0 || to == 0)
        return rc;
    *last = to - 1;
    while (to > 0 && f->at[to - 1].filter)
        to--;
    *first = to;
    return 1;
}

struct spv_header_db filters_fixture_headers(struct filters_fixture *f)
{
    return (struct spv_header_db){.ctx = f,
                                  .tip = tip,
                                  .by_height = by_height,
                                  .by_hash = by_hash,
                                  .range = read_range,
                                  .begin_read = begin_read,
                                  .end_read = end_read,
                                  .has_hash_index = has_hash_index,
                                  .start = get_start};
}

struct spv_filter_db filters_fixture_filters(struct filters_fixture *f)
{
    return (struct spv_filter_db){.ctx = f,
                                  .headers = read_headers,
                                  .filter = read_filter,
                                  .range = get_range,
                                  .kept = get_kept};
}

static void clear_block(struct filters_fixture_block *block)
{
    free(block->filter);
    *block = (struct filters_fixture_block){.n = 0};
}

void filters_fixture_reorganise(struct filters_fixture *f, uint32_t from, uint32_t salt)
{
    for (uint32_t h = from; h < f->n; h++) {
        struct spv_chain_header *block = &f->at[h].block;
        clear_block(&f->at[h]);
        block->height = h;
        block->header.nonce = h + salt;
        if (h > 0)
            block->header.prev = f->at[h - 1].block.hash;
        spv_header_hash(&block->hash, &block->header);
    }
}

void filters_fixture_init(struct filters_fixture *f, uint32_t n, uint32_t salt)
{
    *f = (struct filters_fixture){.n = n};
    f->at = calloc(n, sizeof *f->at);
    assert_non_null(f->at);
    filters_fixture_reorganise(f, 0, salt);
}

void filters_fixture_free(struct filters_fixture *f)
{
    for (uint32_t h = 0; h < f->n; h++)
        clear_block(&f->at[h]);
    free(f->at);
    free(f->served);
}

void filters_fixture_set_filter(struct filters_fixture *f, uint32_t height, const uint8_t *bytes,
                                size_t n)
{
    static const struct spv_filter_header zero;
    struct filters_fixture_block *block = &f->at[height];
    const struct spv_filter filter = {.bytes = bytes, .n = n};
    free(block->filter);
    block->filter = malloc(n);
    assert_non_null(block->filter);
    memcpy(block->filter, bytes, n);
    block->n = n;
    spv_filter_compute_hash(&block->hash, &filter);
    block->has_hash = true;
    if (height > 0 && !f->at[height - 1].has_header)
        return;
    spv_filter_compute_header(&block->header, &block->hash,
                              height > 0 ? &f->at[height - 1].header : &zero);
    block->has_header = true;
}

void filters_fixture_fill(struct filters_fixture *f, uint32_t from, uint32_t salt)
{
    for (uint32_t h = from; h < f->n; h++) {
        const uint8_t bytes[] = {1, (uint8_t)h, (uint8_t)(h >> 8), (uint8_t)salt, 4, 5, 6};
        filters_fixture_set_filter(f, h, bytes, 4 + h % 4);
    }
}

void filters_fixture_drop_filter(struct filters_fixture *f, uint32_t height)
{
    free(f->at[height].filter);
    f->at[height].filter = NULL;
}
