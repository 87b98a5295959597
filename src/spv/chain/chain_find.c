/* Look-ups search the window from its end, the side branches, then the header database. There is no
 * hash table: a batch needs one look-up by hash, for its first parent, and all others are by
 * height. The scan compares eight bytes of each hash first.
 *
 * Headers from the database are hashed again, so that a damaged database is detected. */
#include <string.h>

#include "spv/chain/chain_state.h"
#include "spv/error.h"

uint32_t spv_chain_window_start(const struct spv_chain *c)
{
    return c->window.headers[0].height;
}

const struct spv_chain_header *spv_chain_window_tip(const struct spv_chain *c)
{
    return &c->window.headers[c->window.n - 1];
}

struct spv_chain_start spv_chain_start_point(const struct spv_chain *c)
{
    struct spv_chain_start start = {0};

    if (c->header_db.start)
        c->header_db.start(c->header_db.ctx, &start);
    return start;
}

/* A header from the database must have the hash that is stored with it. */
static int check_read(const struct spv_chain_header *header)
{
    struct spv_blockhash hash;

    spv_header_hash(&hash, &header->header);
    return spv_blockhash_eq(&hash, &header->hash) ? 1 : SPV_ERR_DB_DAMAGED;
}

/* The best chain's header at a height. */
static int main_chain_header(const struct spv_chain *c, struct spv_chain_header *out,
                             uint32_t height)
{
    const uint32_t start = spv_chain_window_start(c);
    int rc;

    if (height >= start) {
        if (height - start >= c->window.n)
            return 0;
        *out = c->window.headers[height - start];
        return 1;
    }
    if (height == 0) {
        *out = c->genesis;
        return 1;
    }
    if (!c->header_db.by_height || height < spv_chain_start_point(c).height)
        return 0; /* not stored */
    rc = c->header_db.by_height(c->header_db.ctx, out, height);
    if (rc < 0)
        return rc;
    if (rc == 0 || out->height != height)
        return SPV_ERR_DB_DAMAGED;
    if (height == start - 1 && !spv_blockhash_eq(&out->hash, &c->window.headers[0].header.prev))
        return SPV_ERR_DB_DAMAGED;
    return check_read(out);
}

/* A branch's header at a height; NULL when it has none there. */
static const struct spv_chain_header *branch_header(const struct spv_branch *b, uint32_t height)
{
    if (height <= b->fork || height - b->fork > b->headers.n)
        return NULL;
    return &b->headers.headers[height - b->fork - 1];
}

int spv_chain_header_at_pos(const struct spv_chain *c, struct spv_chain_header *out,
                            struct spv_chain_pos pos)
{
    if (pos.branch != SPV_MAIN_CHAIN) {
        const struct spv_branch *b = &c->branches[pos.branch];
        const struct spv_chain_header *header = branch_header(b, pos.height);
        if (header) {
            *out = *header;
            return 1;
        }
        if (pos.height > b->fork)
            return 0;
    }
    return main_chain_header(c, out, pos.height);
}

static bool same_hash(const struct spv_blockhash *a, const struct spv_blockhash *b)
{
    uint64_t x;
    uint64_t y;

    memcpy(&x, a->b, sizeof x);
    memcpy(&y, b->b, sizeof y);
    return x == y && spv_blockhash_eq(a, b);
}

/* The index of a hash in an array, searched from its end; n when it is not there. */
static size_t find_in_array(const struct spv_header_array *s, const struct spv_blockhash *hash)
{
    for (size_t i = s->n; i > 0; i--)
        if (same_hash(&s->headers[i - 1].hash, hash))
            return i - 1;
    return s->n;
}

int spv_chain_find_pos(const struct spv_chain *c, struct spv_chain_pos *out,
                       struct spv_chain_header *header, const struct spv_blockhash *hash)
{
    const uint32_t start = spv_chain_window_start(c);
    size_t i = find_in_array(&c->window, hash);
    int rc;

    if (i < c->window.n) {
        *out = (struct spv_chain_pos){SPV_MAIN_CHAIN, start + (uint32_t)i};
        *header = c->window.headers[i];
        return 1;
    }
    for (int b = 0; b < SPV_CHAIN_BRANCHES; b++) {
        const struct spv_branch *branch = &c->branches[b];
        i = find_in_array(&branch->headers, hash);
        if (i < branch->headers.n) {
            *out = (struct spv_chain_pos){b, branch->fork + 1 + (uint32_t)i};
            *header = branch->headers.headers[i];
            return 1;
        }
    }
    if (same_hash(&c->genesis.hash, hash)) {
        *out = (struct spv_chain_pos){SPV_MAIN_CHAIN, 0};
        *header = c->genesis;
        return 1;
    }
    if (start == 0 || !c->header_db.by_hash)
        return 0;
    rc = c->header_db.by_hash(c->header_db.ctx, header, hash);
    if (rc <= 0)
        return rc;
    if (!spv_blockhash_eq(&header->hash, hash))
        return SPV_ERR_DB_DAMAGED;
    if (header->height >= start) /* stored, but no longer on the best chain */
        return 0;
    *out = (struct spv_chain_pos){SPV_MAIN_CHAIN, header->height};
    return check_read(header);
}

int spv_chain_find_child(const struct spv_chain *c, struct spv_chain_pos *pos,
                         const struct spv_blockhash *hash)
{
    const uint32_t height = pos->height + 1;
    struct spv_chain_header header;

    for (int b = 0; b < SPV_CHAIN_BRANCHES; b++) {
        const struct spv_chain_header *found = branch_header(&c->branches[b], height);
        if (found && same_hash(&found->hash, hash)) {
            *pos = (struct spv_chain_pos){b, height};
            return 1;
        }
    }
    if (pos->branch == SPV_MAIN_CHAIN) {
        int rc = main_chain_header(c, &header, height);
        if (rc <= 0)
            return rc;
        if (same_hash(&header.hash, hash)) {
            pos->height = height;
            return 1;
        }
    }
    return 0;
}

int spv_chain_find_fork_point(const struct spv_chain *c, struct spv_chain_pos *pos, size_t *known,
                              const struct spv_header *headers, size_t n)
{
    struct spv_blockhash last = headers[0].prev;
    struct spv_chain_header header;
    int rc;

    *known = 0;
    rc = spv_chain_find_pos(c, pos, &header, &last);
    if (rc == 0) { /* the parent is unknown or not stored; the header itself may be known */
        spv_header_hash(&last, &headers[0]);
        rc = spv_chain_find_pos(c, pos, &header, &last);
        *known = rc == 1;
    }
    if (rc <= 0)
        return rc;
    while (*known < n && spv_blockhash_eq(&headers[*known].prev, &last)) {
        spv_header_hash(&last, &headers[*known]);
        rc = spv_chain_find_child(c, pos, &last);
        if (rc < 0)
            return rc;
        if (rc == 0)
            break;
        ++*known;
    }
    return 1;
}

/* last_non_min_diff_bits at a position: from memory, else found by reading backwards. */
static int last_non_min_diff_bits_at(const struct spv_chain *c, uint32_t *out,
                                     struct spv_chain_pos pos)
{
    const struct spv_params *params = c->params;
    const uint32_t start = spv_chain_window_start(c);

    if (pos.branch != SPV_MAIN_CHAIN && pos.height > c->branches[pos.branch].fork) {
        const struct spv_branch *b = &c->branches[pos.branch];
        *out = b->headers.last_non_min_diff_bits[pos.height - b->fork - 1];
        return 1;
    }
    if (pos.height >= start) {
        *out = c->window.last_non_min_diff_bits[pos.height - start];
        return 1;
    }
    for (;; pos.height--) {
        struct spv_chain_header header;
        int rc = main_chain_header(c, &header, pos.height);
        if (rc <= 0)
            return rc;
        *out = header.header.bits;
        if (!params->min_difficulty || pos.height % c->interval == 0 ||
            header.header.bits != params->pow_limit_bits)
            return 1;
    }
}

int spv_chain_ctx_at(const struct spv_chain *c, struct spv_header_ctx *out,
                     struct spv_chain_pos pos)
{
    const uint32_t height = pos.height;
    const uint32_t first = height - height % c->interval;
    const uint32_t span = height < SPV_MEDIAN_SPAN - 1 ? height : SPV_MEDIAN_SPAN - 1;
    struct spv_chain_header header;
    int rc;

    memset(out, 0, sizeof *out);
    out->params = c->params;
    memcpy(out->targets, c->tip.targets, sizeof out->targets);

    pos.height = first;
    rc = spv_chain_header_at_pos(c, &header, pos);
    if (rc <= 0)
        return rc;
    out->parent.first_time = header.header.time;
    out->parent.first_bits = header.header.bits;

    for (pos.height = height - span; pos.height <= height; pos.height++) {
        rc = spv_chain_header_at_pos(c, &header, pos);
        if (rc <= 0)
            return rc;
        spv_median_push(&out->median, header.header.time);
    }
    pos.height = height;
    rc = last_non_min_diff_bits_at(c, &out->parent.last_non_min_diff_bits, pos);
    if (rc <= 0)
        return rc;
    out->parent.height = height;
    out->parent.time = header.header.time;
    out->parent.bits = header.header.bits;
    out->hash = header.hash;
    out->work = header.work;
    return 1;
}

/* The index of the first checkpoint at or above a height. */
size_t spv_chain_next_checkpoint(const struct spv_chain *c, uint32_t height)
{
    size_t low = 0;
    size_t high = c->n_checkpoints;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (c->checkpoints[middle].height < height)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool spv_chain_below_checkpoint(const struct spv_chain *c, uint32_t height)
{
    return c->n_checkpoints > 0 && height < c->checkpoints[c->n_checkpoints - 1].height;
}
