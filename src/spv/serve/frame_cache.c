/* A chunk is valid while its last header is on the best chain: that commits to all before it, so
 * one look-up by height, in the answer's snapshot, suffices after any reorganisation. An invalid
 * chunk is dropped with all above it. The chunk at the tip is shorter and is extended as the chain
 * grows.
 *
 * An answer spans one chunk or two. A chunk of which at least half is needed is read whole and
 * cached; of another one only the needed headers are read. So a client that syncs the chain at any
 * alignment costs one read of a chunk per answer when it is the first, and none otherwise.
 *
 * A full cache evicts a random chunk: with least-recently-used eviction, a client that syncs a
 * chain longer than the cache would miss on every chunk, as each is evicted before it is needed
 * again. */
#include "spv/serve/frame_cache.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/serve/header_range.h"
#include "util/rng.h"

#define CHUNK SPV_MAX_HEADERS /* the most headers of one answer */
#define ENTRY (SPV_HEADER_SIZE + 1) /* a header and its transaction count */
#define COUNT_3 3 /* a CompactSize from 253 on */
#define CHUNK_PAYLOAD (COUNT_3 + (size_t)CHUNK * ENTRY)
#define CHUNK_BYTES (sizeof(struct spv_shared_frame) + SPV_FRAME_HEADER + CHUNK_PAYLOAD)

/* Heights number * CHUNK + 1 and up, n of them. The frame has the capacity of a whole chunk and is
 * sealed when it is complete. */
struct chunk {
    uint32_t number;
    uint32_t n;
    struct spv_blockhash last;
    struct spv_shared_frame *frame;
};

struct spv_serve_cache {
    struct spv_serve_cache_config cfg;
    struct chunk *chunks; /* in no order */
    size_t n_chunks, max_chunks;
    struct spv_serve_cache_stats stats;
    struct spv_header headers[CHUNK];
    uint8_t entries[CHUNK * ENTRY]; /* headers that are not cached, for one answer */
};

int spv_serve_cache_new(struct spv_serve_cache **out, const struct spv_serve_cache_config *cfg)
{
    const size_t bytes = cfg->max_bytes == 0 ? SPV_SERVE_CACHE_BYTES : cfg->max_bytes;
    struct spv_serve_cache *c = malloc(sizeof *c);

    if (!c)
        return SPV_ERR_NOMEM;
    c->cfg = *cfg;
    c->n_chunks = 0;
    c->max_chunks = bytes / CHUNK_BYTES;
    c->stats = (struct spv_serve_cache_stats){0};
    c->chunks = calloc(c->max_chunks + 1, sizeof *c->chunks);
    if (!c->chunks) {
        free(c);
        return SPV_ERR_NOMEM;
    }
    *out = c;
    return 0;
}

/* Moves the last chunk into its slot. */
static void drop_chunk(struct spv_serve_cache *c, size_t i)
{
    spv_shared_frame_unref(c->chunks[i].frame);
    c->chunks[i] = c->chunks[--c->n_chunks];
}

void spv_serve_cache_free(struct spv_serve_cache *c)
{
    if (!c)
        return;
    while (c->n_chunks > 0)
        drop_chunk(c, c->n_chunks - 1);
    free(c->chunks);
    free(c);
}

void spv_serve_cache_get_stats(const struct spv_serve_cache *c, struct spv_serve_cache_stats *out)
{
    *out = c->stats;
    out->chunks = c->n_chunks;
}

static uint8_t *entries_of(const struct chunk *chunk)
{
    return chunk->frame->bytes + SPV_FRAME_HEADER + COUNT_3;
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

/* Appends the chain's headers after the chunk's last one. Returns 0 or negative. */
static int extend_chunk(struct spv_serve_cache *c, struct chunk *chunk)
{
    uint8_t *at = entries_of(chunk) + (size_t)chunk->n * ENTRY;
    const int got = read_entries(c, at, chunk->number * CHUNK + 1 + chunk->n, CHUNK - chunk->n);

    if (got <= 0)
        return got;
    chunk->n += (uint32_t)got;
    spv_header_hash_raw(&chunk->last, at + (size_t)(got - 1) * ENTRY, 1);
    if (chunk->n == CHUNK) {
        const uint8_t count[COUNT_3] = {0xfd, CHUNK & 0xff, CHUNK >> 8};
        memcpy(chunk->frame->bytes + SPV_FRAME_HEADER, count, sizeof count);
        spv_shared_frame_seal(chunk->frame, c->cfg.net, SPV_CMD_HEADERS);
    }
    return 0;
}

/* Whether the chunk's last header is on the best chain. Returns 1, 0 or negative. */
static int is_on_chain(const struct spv_serve_cache *c, const struct chunk *chunk)
{
    const struct spv_header_db *r = &c->cfg.header_db;
    struct spv_chain_header entry;
    const int rc = r->by_height(r->ctx, &entry, chunk->number * CHUNK + chunk->n);

    return rc == 1 ? spv_blockhash_eq(&entry.hash, &chunk->last) : rc;
}

static void drop_from(struct spv_serve_cache *c, uint32_t number)
{
    for (size_t i = c->n_chunks; i-- > 0;)
        if (c->chunks[i].number >= number)
            drop_chunk(c, i);
}

/* A free slot for a chunk; a random chunk is evicted from a full cache. */
static struct chunk *free_chunk(struct spv_serve_cache *c)
{
    if (c->n_chunks == c->max_chunks)
        drop_chunk(c, (size_t)spv_rng_below(&c->cfg.rng, c->n_chunks));
    return &c->chunks[c->n_chunks];
}

/* Reads a chunk into the cache; *out is NULL when the chain has none of its headers. */
static int load_chunk(struct spv_serve_cache *c, struct chunk **out, uint32_t number)
{
    struct chunk *chunk = free_chunk(c);

    *out = NULL;
    *chunk = (struct chunk){.number = number, .frame = spv_shared_frame_new(CHUNK_PAYLOAD)};
    if (!chunk->frame)
        return SPV_ERR_NOMEM;
    int rc = extend_chunk(c, chunk);
    if (rc < 0 || chunk->n == 0) {
        spv_shared_frame_unref(chunk->frame);
        return rc;
    }
    c->n_chunks++;
    *out = chunk;
    return 0;
}

/* The valid chunk of this number; NULL when it is not cached and less than half of it is needed. */
static int find_chunk(struct spv_serve_cache *c, struct chunk **out, uint32_t number,
                      uint32_t wanted)
{
    *out = NULL;
    for (size_t i = 0; i < c->n_chunks; i++) {
        struct chunk *chunk = &c->chunks[i];
        if (chunk->number != number)
            continue;
        int rc = is_on_chain(c, chunk);
        if (rc == 1) {
            *out = chunk;
            return chunk->n < CHUNK ? extend_chunk(c, chunk) : 0;
        }
        if (rc < 0)
            return rc;
        drop_from(c, number);
        break;
    }
    return wanted >= CHUNK / 2 && c->max_chunks > 0 ? load_chunk(c, out, number) : 0;
}

/* Part of an answer: n entries. */
struct part {
    struct spv_shared_frame *frame; /* a reference to the entries' frame; NULL: c->entries */
    const uint8_t *entries;
    uint32_t n;
};

/* n headers at `from`, all of one chunk. Headers that are not cached are read into `buffer`. */
static int get_part(struct spv_serve_cache *c, struct part *out, uint8_t *buffer, uint32_t from,
                    uint32_t n)
{
    const uint32_t first = (from - 1) % CHUNK;
    struct chunk *chunk;
    int rc = find_chunk(c, &chunk, (from - 1) / CHUNK, n);

    *out = (struct part){.entries = buffer};
    if (rc < 0)
        return rc;
    if (!chunk) {
        rc = read_entries(c, buffer, from, n);
        out->n = rc > 0 ? (uint32_t)rc : 0;
        return rc < 0 ? rc : 0;
    }
    if (chunk->n > first)
        out->n = chunk->n - first < n ? chunk->n - first : n;
    out->entries = entries_of(chunk) + (size_t)first * ENTRY;
    out->frame = spv_shared_frame_ref(chunk->frame);
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

    if (p[0].n == CHUNK && n == CHUNK && p[0].frame) {
        *out = spv_shared_frame_ref(p[0].frame);
        c->stats.n_unchanged_chunks++;
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
    if (range.from == 0) { /* genesis, which is in no chunk, or no header */
        rc = read_entries(c, c->entries, 0, range.max);
        p[0] = (struct part){.entries = c->entries, .n = rc > 0 ? (uint32_t)rc : 0};
    } else {
        const uint32_t left_in_chunk = CHUNK - (range.from - 1) % CHUNK;
        const uint32_t n0 = range.max < left_in_chunk ? range.max : left_in_chunk;
        rc = get_part(c, &p[0], c->entries, range.from, n0);
        if (rc == 0 && p[0].n == n0 && n0 < range.max)
            rc = get_part(c, &p[1], c->entries + (size_t)n0 * ENTRY, range.from + n0,
                          range.max - n0);
    }
    if (rc >= 0)
        rc = finish_frame(c, out, p, range.stop_hash);
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
