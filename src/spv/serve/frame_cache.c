/* A block is valid while its last header is on the best chain: that commits to all before it, so
 * one look-up by height, in the answer's snapshot, suffices after any reorganisation. An invalid
 * block is dropped with all above it. The block at the tip is shorter and is extended as the chain
 * grows.
 *
 * An answer spans one block or two. A block of which at least half is needed is read whole and
 * cached; of another one only the needed headers are read. So a client that syncs the chain at any
 * alignment costs one read of a block an answer when it is the first, and none otherwise.
 *
 * A full cache evicts a random block: with least-recently-used eviction, a client that syncs a
 * chain longer than the cache would miss on every block, as each is evicted before it is needed
 * again. */
#include "spv/serve/frame_cache.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/serve/header_range.h"
#include "util/rng.h"

#define BLOCK SPV_MAX_HEADERS /* the most headers of one answer */
#define ENTRY (SPV_HEADER_SIZE + 1) /* a header and its transaction count */
#define COUNT_3 3 /* a CompactSize from 253 on */
#define BLOCK_PAYLOAD (COUNT_3 + (size_t)BLOCK * ENTRY)
#define BLOCK_BYTES (sizeof(struct spv_shared_frame) + SPV_FRAME_HEADER + BLOCK_PAYLOAD)

/* Heights number * BLOCK + 1 and up, n of them. The frame has the capacity of a whole block and is
 * sealed when it is complete. */
struct block {
    uint32_t number;
    uint32_t n;
    struct spv_blockhash last;
    struct spv_shared_frame *frame;
};

struct spv_serve_cache {
    struct spv_serve_cache_config cfg;
    struct block *blocks; /* in no order */
    size_t n_blocks, max_blocks;
    struct spv_serve_cache_stats stats;
    struct spv_header headers[BLOCK];
    uint8_t entries[BLOCK * ENTRY]; /* headers that are not cached, for one answer */
};

int spv_serve_cache_new(struct spv_serve_cache **out, const struct spv_serve_cache_config *cfg)
{
    const size_t bytes = cfg->max_bytes == 0 ? SPV_SERVE_CACHE_BYTES : cfg->max_bytes;
    struct spv_serve_cache *c = malloc(sizeof *c);

    if (!c)
        return SPV_ERR_NOMEM;
    c->cfg = *cfg;
    c->n_blocks = 0;
    c->max_blocks = bytes / BLOCK_BYTES;
    c->stats = (struct spv_serve_cache_stats){0};
    c->blocks = calloc(c->max_blocks + 1, sizeof *c->blocks);
    if (!c->blocks) {
        free(c);
        return SPV_ERR_NOMEM;
    }
    *out = c;
    return 0;
}

/* Moves the last block into its slot. */
static void drop_block(struct spv_serve_cache *c, size_t i)
{
    spv_shared_frame_unref(c->blocks[i].frame);
    c->blocks[i] = c->blocks[--c->n_blocks];
}

void spv_serve_cache_free(struct spv_serve_cache *c)
{
    if (!c)
        return;
    while (c->n_blocks > 0)
        drop_block(c, c->n_blocks - 1);
    free(c->blocks);
    free(c);
}

void spv_serve_cache_get_stats(const struct spv_serve_cache *c, struct spv_serve_cache_stats *out)
{
    *out = c->stats;
    out->blocks = c->n_blocks;
}

static uint8_t *entries_of(const struct block *b)
{
    return b->frame->bytes + SPV_FRAME_HEADER + COUNT_3;
}

/* Reads up to n headers from height `from` on as entries of a headers message. Returns how many,
 * or negative. */
static int read_entries(struct spv_serve_cache *c, uint8_t *out, uint32_t from, uint32_t n)
{
    const struct spv_header_db *r = &c->cfg.header_db;
    const int got = n > 0 ? r->range(r->ctx, c->headers, from, n) : 0;

    for (int i = 0; i < got; i++, out += ENTRY) {
        spv_header_encode(out, &c->headers[i]);
        out[SPV_HEADER_SIZE] = 0;
    }
    if (got > 0)
        c->stats.headers_read += (uint64_t)got;
    return got;
}

/* Appends the chain's headers after the block's last one. Returns 0 or negative. */
static int extend_block(struct spv_serve_cache *c, struct block *b)
{
    uint8_t *at = entries_of(b) + (size_t)b->n * ENTRY;
    const int got = read_entries(c, at, b->number * BLOCK + 1 + b->n, BLOCK - b->n);

    if (got <= 0)
        return got;
    b->n += (uint32_t)got;
    spv_header_hash_raw(&b->last, at + (size_t)(got - 1) * ENTRY, 1);
    if (b->n == BLOCK) {
        const uint8_t count[COUNT_3] = {0xfd, BLOCK & 0xff, BLOCK >> 8};
        memcpy(b->frame->bytes + SPV_FRAME_HEADER, count, sizeof count);
        spv_shared_frame_seal(b->frame, c->cfg.net, SPV_CMD_HEADERS);
    }
    return 0;
}

/* Whether the block's last header is on the best chain. Returns 1, 0 or negative. */
static int is_on_chain(const struct spv_serve_cache *c, const struct block *b)
{
    const struct spv_header_db *r = &c->cfg.header_db;
    struct spv_chain_header entry;
    const int rc = r->by_height(r->ctx, &entry, b->number * BLOCK + b->n);

    return rc == 1 ? spv_blockhash_eq(&entry.hash, &b->last) : rc;
}

static void drop_from(struct spv_serve_cache *c, uint32_t number)
{
    for (size_t i = c->n_blocks; i-- > 0;)
        if (c->blocks[i].number >= number)
            drop_block(c, i);
}

/* A free slot for a block; a random block is evicted from a full cache. */
static struct block *free_block(struct spv_serve_cache *c)
{
    if (c->n_blocks == c->max_blocks)
        drop_block(c, (size_t)spv_rng_below(&c->cfg.rng, c->n_blocks));
    return &c->blocks[c->n_blocks];
}

/* Reads a block into the cache; *out is NULL when the chain has none of its headers. */
static int load_block(struct spv_serve_cache *c, struct block **out, uint32_t number)
{
    struct block *block = free_block(c);

    *out = NULL;
    *block = (struct block){.number = number, .frame = spv_shared_frame_new(BLOCK_PAYLOAD)};
    if (!block->frame)
        return SPV_ERR_NOMEM;
    int rc = extend_block(c, block);
    if (rc < 0 || block->n == 0) {
        spv_shared_frame_unref(block->frame);
        return rc;
    }
    c->n_blocks++;
    *out = block;
    return 0;
}

/* The valid block of this number; NULL when it is not cached and less than half of it is needed. */
static int find_block(struct spv_serve_cache *c, struct block **out, uint32_t number,
                      uint32_t wanted)
{
    *out = NULL;
    for (size_t i = 0; i < c->n_blocks; i++) {
        struct block *b = &c->blocks[i];
        if (b->number != number)
            continue;
        int rc = is_on_chain(c, b);
        if (rc == 1) {
            *out = b;
            return b->n < BLOCK ? extend_block(c, b) : 0;
        }
        if (rc < 0)
            return rc;
        drop_from(c, number);
        break;
    }
    return wanted >= BLOCK / 2 && c->max_blocks > 0 ? load_block(c, out, number) : 0;
}

/* Part of an answer: n entries. */
struct part {
    struct spv_shared_frame *frame; /* a reference to the entries' frame; NULL: c->entries */
    const uint8_t *entries;
    uint32_t n;
};

/* n headers at `from`, all of one block. Headers that are not cached are read into `buffer`. */
static int get_part(struct spv_serve_cache *c, struct part *out, uint8_t *buffer, uint32_t from,
                    uint32_t n)
{
    const uint32_t first = (from - 1) % BLOCK;
    struct block *b;
    int rc = find_block(c, &b, (from - 1) / BLOCK, n);

    *out = (struct part){.entries = buffer};
    if (rc < 0)
        return rc;
    if (!b) {
        rc = read_entries(c, buffer, from, n);
        out->n = rc > 0 ? (uint32_t)rc : 0;
        return rc < 0 ? rc : 0;
    }
    if (b->n > first)
        out->n = b->n - first < n ? b->n - first : n;
    out->entries = entries_of(b) + (size_t)first * ENTRY;
    out->frame = spv_shared_frame_ref(b->frame);
    return 0;
}

static const uint8_t *entry_at(const struct part p[2], uint32_t i)
{
    return i < p[0].n ? p[0].entries + (size_t)i * ENTRY
                      : p[1].entries + (size_t)(i - p[0].n) * ENTRY;
}

/* How many entries there are up to and including the header with this hash. */
static uint32_t count_to_stop(const struct part p[2], uint32_t n, const struct spv_blockhash *stop)
{
    for (uint32_t i = 1; stop && i < n; i++)
        if (memcmp(entry_at(p, i) + 4, stop->b, sizeof stop->b) == 0) /* the prev of entry i */
            return i;
    return n;
}

/* A new frame with the first n entries. */
static struct spv_shared_frame *copy_to_frame(const struct spv_serve_cache *c,
                                              const struct part p[2], uint32_t n)
{
    const size_t count = n < 0xfd ? 1 : COUNT_3;
    const uint32_t n0 = n < p[0].n ? n : p[0].n;
    struct spv_shared_frame *f = spv_shared_frame_new(count + (size_t)n * ENTRY);

    if (!f)
        return NULL;
    uint8_t *at = f->bytes + SPV_FRAME_HEADER;
    at[0] = count == 1 ? (uint8_t)n : 0xfd;
    if (count > 1) {
        at[1] = (uint8_t)n;
        at[2] = (uint8_t)(n >> 8);
    }
    at += count;
    if (n0 > 0)
        memcpy(at, p[0].entries, (size_t)n0 * ENTRY);
    if (n > n0)
        memcpy(at + (size_t)n0 * ENTRY, p[1].entries, (size_t)(n - n0) * ENTRY);
    spv_shared_frame_seal(f, c->cfg.net, SPV_CMD_HEADERS);
    return f;
}

static int finish_frame(struct spv_serve_cache *c, struct spv_shared_frame **out,
                        const struct part p[2], const struct spv_blockhash *stop)
{
    const uint32_t n = count_to_stop(p, p[0].n + p[1].n, stop);

    if (p[0].n == BLOCK && n == BLOCK && p[0].frame) {
        *out = spv_shared_frame_ref(p[0].frame);
        c->stats.whole++;
    } else {
        *out = copy_to_frame(c, p, n);
    }
    return *out ? (int)n : SPV_ERR_NOMEM;
}

static int cache_answer(struct spv_serve_cache *c, struct spv_shared_frame **out,
                        const struct spv_msg_getheaders *request)
{
    struct spv_serve_range range;
    struct part p[2] = {{0}};
    int rc = spv_serve_find_range(&c->cfg.header_db, &range, request);

    if (rc < 0)
        return rc;
    if (range.from == 0) { /* genesis, which is in no block, or no header */
        rc = read_entries(c, c->entries, 0, range.max);
        p[0] = (struct part){.entries = c->entries, .n = rc > 0 ? (uint32_t)rc : 0};
    } else {
        const uint32_t left_in_block = BLOCK - (range.from - 1) % BLOCK;
        const uint32_t n0 = range.max < left_in_block ? range.max : left_in_block;
        rc = get_part(c, &p[0], c->entries, range.from, n0);
        if (rc == 0 && p[0].n == n0 && n0 < range.max)
            rc = get_part(c, &p[1], c->entries + (size_t)n0 * ENTRY, range.from + n0,
                          range.max - n0);
    }
    if (rc >= 0)
        rc = finish_frame(c, out, p, range.seek);
    spv_shared_frame_unref(p[0].frame);
    spv_shared_frame_unref(p[1].frame);
    return rc;
}

int spv_serve_cache_answer(struct spv_serve_cache *c, struct spv_shared_frame **out,
                           const struct spv_msg_getheaders *request)
{
    const struct spv_header_db *r = &c->cfg.header_db;
    int rc = r->begin_read ? r->begin_read(r->ctx) : 0;

    *out = NULL;
    if (rc < 0)
        return rc;
    rc = cache_answer(c, out, request);
    if (r->end_read)
        r->end_read(r->ctx);
    return rc;
}
