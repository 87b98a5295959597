/* Creates a chain from the stored headers, or from genesis.
 *
 * The window is read back in order, hashed and linked again, and its chain work is summed up again,
 * from that of its first header to that of the stored tip. Headers below the window were validated
 * when they were stored; the window's first header commits to them by its prev hash.
 *
 * All checkpoints are compared with what is stored: the database may have been written by a version
 * with fewer of them.
 *
 * Stored side branches pass through spv_chain_accept like headers from a peer, so every rule and
 * bound applies, and those that do not connect or are invalid are skipped. A branch with more work
 * than the stored tip (the end of the best chain was truncated) is restored only up to the tip's
 * work: the reorganisation happens, and is stored, when a peer sends its next header. */
#include <stdlib.h>
#include <string.h>

#include "spv/chain/chain_state.h"
#include "spv/error.h"
#include "spv/message.h"
#include "spv/params/interval.h"
#include "util/array.h"
#include "util/u256.h"

#define READ_AT_ONCE 128 /* headers in one range(): 10 KB of stack */
#define FIRST_STORED 64 /* side branch headers allocated at first */

/* ---- the window ---- */

/* Checks the prev hash and proof of work of a stored header, and appends it. */
static int append_header(struct spv_chain *c, struct spv_header_ctx *ctx,
                         const struct spv_header *header, const struct spv_blockhash *hash)
{
    struct spv_header_array *w = &c->window;
    const struct spv_chain_header *last = &w->headers[w->n - 1];
    struct spv_chain_header *entry = &w->headers[w->n];
    struct spv_u256 work;

    if (!spv_blockhash_eq(&header->prev, &last->hash) ||
        spv_header_ctx_check_pow(ctx, &work, header, hash) < 0)
        return SPV_ERR_DB_DAMAGED;
    entry->header = *header;
    entry->hash = *hash;
    entry->height = last->height + 1;
    entry->work = spv_u256_add(&last->work, &work);
    w->last_non_min_diff_bits[w->n] = spv_consensus_last_non_min_diff_bits(
        c->params, entry->height, header->bits, w->last_non_min_diff_bits[w->n - 1]);
    w->n++;
    return 0;
}

/* Appends the stored headers of heights from..to to the window. */
static int read_window(struct spv_chain *c, struct spv_header_ctx *ctx, uint32_t from, uint32_t to)
{
    struct spv_header headers[READ_AT_ONCE];

    while (from <= to) {
        const uint32_t left = to - from + 1;
        const uint32_t count = left < READ_AT_ONCE ? left : READ_AT_ONCE;
        int got = c->header_db.range(c->header_db.ctx, headers, from, count);
        if (got < 0)
            return got;
        if ((uint32_t)got != count)
            return SPV_ERR_DB_DAMAGED;
        for (uint32_t i = 0; i < count; i++) {
            struct spv_blockhash hash;
            int rc;
            spv_header_hash(&hash, &headers[i]);
            rc = append_header(c, ctx, &headers[i], &hash);
            if (rc < 0)
                return rc;
        }
        from += count;
    }
    return 0;
}

/* The window's first header: genesis, or a stored one whose chain work is not recomputed. */
static int read_start(struct spv_chain *c, struct spv_chain_header *out, uint32_t start)
{
    struct spv_blockhash hash;
    int rc;

    if (start == 0) {
        *out = c->genesis;
        return 0;
    }
    rc = c->header_db.by_height(c->header_db.ctx, out, 0);
    if (rc < 0)
        return rc;
    if (rc == 1 && !spv_blockhash_eq(&out->hash, &c->genesis.hash))
        return SPV_ERR_DB_NETWORK;
    rc = c->header_db.by_height(c->header_db.ctx, out, start);
    if (rc < 0)
        return rc;
    spv_header_hash(&hash, &out->header);
    if (rc == 0 || out->height != start || !spv_blockhash_eq(&hash, &out->hash))
        return SPV_ERR_DB_DAMAGED;
    return 0;
}

static int load_window(struct spv_chain *c)
{
    struct spv_header_ctx ctx = {.params = c->params};
    struct spv_chain_header stored = c->genesis;
    struct spv_chain_header first;
    const struct spv_chain_header *tip;
    uint32_t start;
    int rc;

    if (c->header_db.tip) {
        rc = c->header_db.tip(c->header_db.ctx, &stored);
        if (rc < 0)
            return rc;
        if (rc == 0)
            stored = c->genesis;
    }
    start = stored.height > SPV_WINDOW_PERIODS * c->interval
                ? stored.height - SPV_WINDOW_PERIODS * c->interval
                : 0;
    start -= start % c->interval; /* a period's first header has last_non_min_diff_bits == bits */
    if (start < spv_chain_start_point(c).height)
        start = spv_chain_start_point(c).height; /* also the first height of a period */
    if (start > stored.height)
        return SPV_ERR_DB_DAMAGED;

    rc = read_start(c, &first, start);
    if (rc < 0)
        return rc;
    rc = spv_header_array_reserve(&c->window, stored.height - start + 1);
    if (rc < 0)
        return rc;
    c->window.headers[0] = first;
    c->window.last_non_min_diff_bits[0] = first.header.bits;
    c->window.n = 1;
    rc = read_window(c, &ctx, start + 1, stored.height);
    if (rc < 0)
        return rc;
    tip = spv_chain_window_tip(c);
    if (!spv_blockhash_eq(&tip->hash, &stored.hash) || spv_u256_cmp(&tip->work, &stored.work) != 0)
        return SPV_ERR_DB_DAMAGED;
    return 0;
}

/* ---- checkpoints ---- */

/* The checkpoint below the first stored header is not stored itself: checks the prev hash. */
static int check_below(const struct spv_chain *c, const struct spv_checkpoint *checkpoint)
{
    struct spv_chain_header first;
    int rc = c->header_db.by_height(c->header_db.ctx, &first, checkpoint->height + 1);

    if (rc < 0)
        return rc;
    if (rc == 0)
        return SPV_ERR_DB_DAMAGED;
    return spv_blockhash_eq(&first.header.prev, &checkpoint->hash) ? 0 : SPV_ERR_DB_CHECKPOINT;
}

static int check_at(const struct spv_chain *c, const struct spv_checkpoint *checkpoint)
{
    struct spv_chain_header header;
    int rc = spv_chain_header_at_pos(c, &header,
                                     (struct spv_chain_pos){SPV_MAIN_CHAIN, checkpoint->height});

    if (rc < 0)
        return rc;
    if (rc == 0) /* no header is stored below the window */
        return 0;
    if (!spv_blockhash_eq(&header.hash, &checkpoint->hash))
        return SPV_ERR_DB_CHECKPOINT;
    return spv_chain_check_work(c, checkpoint, &header.work);
}

static int check_stored(const struct spv_chain *c)
{
    const uint32_t start_height = spv_chain_start_point(c).height;

    for (size_t i = 0; i < c->n_passed; i++) {
        const struct spv_checkpoint *checkpoint = &c->checkpoints[i];
        int rc;

        if (checkpoint->height + 1 < start_height)
            continue;
        rc = checkpoint->height + 1 == start_height ? check_below(c, checkpoint)
                                                    : check_at(c, checkpoint);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- side branches ---- */

struct stored_child {
    struct spv_blockhash prev;
    size_t at; /* of the header in the array */
};

/* Stored headers off the best chain, parents before children. */
struct stored_headers {
    struct spv_header *headers;
    struct spv_blockhash *hashes;
    bool *used;
    size_t n;
    size_t cap;
    struct stored_child *children; /* of all headers, in ascending order of prev, then at */
};

static void stored_headers_free(struct stored_headers *s)
{
    free(s->headers);
    free(s->hashes);
    free(s->used);
    free(s->children);
}

static int stored_headers_grow(struct stored_headers *s)
{
    const size_t cap =
        spv_array_next_cap(s->cap, s->cap + 1, FIRST_STORED, SPV_CHAIN_BRANCH_HEADERS);
    struct spv_header *headers = cap > 0 ? realloc(s->headers, cap * sizeof *headers) : NULL;
    struct spv_blockhash *hashes;
    bool *used;

    if (!headers)
        return SPV_ERR_NOMEM;
    s->headers = headers;
    hashes = realloc(s->hashes, cap * sizeof *hashes);
    if (!hashes)
        return SPV_ERR_NOMEM;
    s->hashes = hashes;
    used = realloc(s->used, cap * sizeof *used);
    if (!used)
        return SPV_ERR_NOMEM;
    s->used = used;
    s->cap = cap;
    return 0;
}

static int collect_headers(void *arg, const struct spv_chain_header *entry)
{
    struct stored_headers *s = arg;
    int rc;

    if (s->n == SPV_CHAIN_BRANCH_HEADERS)
        return 0;
    if (s->n == s->cap) {
        rc = stored_headers_grow(s);
        if (rc < 0)
            return rc;
    }
    s->headers[s->n] = entry->header;
    spv_header_hash(&s->hashes[s->n], &entry->header);
    s->used[s->n] = false;
    s->n++;
    return 0;
}

/* How many of these consecutive headers are valid and have no more work than the tip. */
static int count_valid(const struct spv_chain *c, size_t *out, const struct spv_header *headers,
                       size_t n)
{
    struct spv_header_ctx ctx;
    struct spv_chain_pos pos;
    size_t i;
    int rc = spv_chain_find_fork_point(c, &pos, &i, headers, n);

    *out = 0;
    if (rc <= 0)
        return rc;
    rc = spv_chain_ctx_at(c, &ctx, pos);
    for (; rc == 1 && i < n; i++) {
        struct spv_chain_header entry = {.header = headers[i]};
        spv_header_hash(&entry.hash, &entry.header);
        if (spv_header_ctx_check(&ctx, &entry) < 0 || spv_u256_cmp(&entry.work, &c->tip.work) > 0)
            break;
        (void)spv_header_ctx_connect(&ctx, &entry);
    }
    if (rc == 1)
        *out = i;
    return rc < 0 ? rc : 0;
}

static int restore_branch(struct spv_chain *c, const struct spv_header *headers, size_t n)
{
    const struct spv_now now = {0, UINT32_MAX}; /* the times were checked before they were stored */
    struct spv_accept_result result;
    size_t take;
    int rc = count_valid(c, &take, headers, n);

    if (rc < 0 || take == 0)
        return rc;
    rc = spv_chain_accept(c, &result, headers, take, now);
    if (rc < 0)
        return rc;
    spv_chain_stored(c); /* they were read from the store */
    return 0;
}

static int compare_prev(const void *a, const void *b)
{
    const struct stored_child *x = a;
    const struct stored_child *y = b;
    const int order = memcmp(&x->prev, &y->prev, sizeof x->prev);

    return order != 0 ? order : (x->at > y->at) - (x->at < y->at);
}

/* Sorts the headers by their previous hash: a database from elsewhere may have many that are not
 * linked, and a scan of all headers for each one's child would take seconds. */
static int index_children(struct stored_headers *s)
{
    s->children = malloc(s->n * sizeof *s->children);
    if (!s->children)
        return SPV_ERR_NOMEM;
    for (size_t i = 0; i < s->n; i++)
        s->children[i] = (struct stored_child){s->headers[i].prev, i};
    qsort(s->children, s->n, sizeof *s->children, compare_prev);
    return 0;
}

/* Returns the first unused header after this one that follows it, or s->n. */
static size_t find_child(const struct stored_headers *s, size_t parent)
{
    const struct stored_child least = {s->hashes[parent], parent + 1};
    size_t low = 0;
    size_t high = s->n;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (compare_prev(&s->children[middle], &least) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < s->n && spv_blockhash_eq(&s->children[low].prev, &least.prev); low++)
        if (!s->used[s->children[low].at])
            return s->children[low].at;
    return s->n;
}

/* Copies header i and an unused chain of its descendants, at most SPV_MAX_HEADERS in all. */
static size_t follow_branch(struct stored_headers *s, struct spv_header *out, size_t i)
{
    size_t n = 0;

    while (i < s->n && n < SPV_MAX_HEADERS) {
        s->used[i] = true;
        out[n++] = s->headers[i];
        i = find_child(s, i);
    }
    return n;
}

static int load_branches(struct spv_chain *c)
{
    struct stored_headers s = {0};
    struct spv_header *run;
    int rc;

    if (!c->header_db.branches)
        return 0;
    rc = c->header_db.branches(c->header_db.ctx, collect_headers, &s);
    if (rc < 0 || s.n == 0)
        goto free_headers;
    run = malloc(SPV_MAX_HEADERS * sizeof *run);
    if (!run) {
        rc = SPV_ERR_NOMEM;
        goto free_headers;
    }
    rc = index_children(&s);
    if (rc < 0)
        goto free_run;
    for (size_t i = 0; i < s.n; i++) {
        if (s.used[i])
            continue;
        rc = restore_branch(c, run, follow_branch(&s, run, i));
        if (rc < 0)
            break;
    }
free_run:
    free(run);
free_headers:
    stored_headers_free(&s);
    return rc;
}

/* ---- creation ---- */

static int start_from_genesis_or_header_db(struct spv_chain *c)
{
    struct spv_header_ctx ctx = {.params = c->params};
    struct spv_chain_header *genesis = &c->genesis;
    uint32_t height;
    int rc;

    genesis->header = c->params->genesis;
    spv_header_hash(&genesis->hash, &genesis->header);
    /* genesis is valid by definition; its work follows from its bits */
    rc = spv_consensus_target(c->params, &genesis->work, genesis->header.bits);
    if (rc < 0)
        return SPV_ERR_INVALID;
    genesis->work = spv_work_from_target(&genesis->work);

    rc = load_window(c);
    if (rc < 0)
        return rc;
    height = spv_chain_window_tip(c)->height;
    c->n_passed = spv_chain_next_checkpoint(c, height + 1);
    rc = check_stored(c);
    if (rc < 0)
        return rc;
    rc = spv_chain_ctx_at(c, &ctx, (struct spv_chain_pos){SPV_MAIN_CHAIN, height});
    if (rc < 0)
        return rc;
    if (rc == 0)
        return SPV_ERR_DB_DAMAGED;
    c->tip = ctx;
    return load_branches(c);
}

int spv_chain_new(struct spv_chain **out, const struct spv_chain_config *cfg)
{
    struct spv_chain *c = calloc(1, sizeof *c);
    int rc;

    *out = NULL;
    if (!c)
        return SPV_ERR_NOMEM;
    c->params = cfg->params;
    c->presynced_branch = -1;
    c->header_db = cfg->header_db;
    c->interval = spv_params_interval(cfg->params);
    if (cfg->checkpoint_mode == SPV_CHECKPOINTS_ENFORCED) {
        const bool own = cfg->checkpoints != NULL;
        c->checkpoints = own ? cfg->checkpoints : cfg->params->checkpoints;
        c->n_checkpoints = own ? cfg->n_checkpoints : cfg->params->n_checkpoints;
    }
    rc = start_from_genesis_or_header_db(c);
    if (rc < 0) {
        spv_chain_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

void spv_chain_free(struct spv_chain *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < SPV_CHAIN_BRANCHES; i++)
        spv_header_array_free(&c->branches[i].headers);
    spv_header_array_free(&c->window);
    free(c);
}

int spv_chain_reload(struct spv_chain *c)
{
    const struct spv_chain_config cfg = {.params = c->params,
                                         .header_db = c->header_db,
                                         .checkpoints = c->checkpoints,
                                         .n_checkpoints = c->n_checkpoints,
                                         .checkpoint_mode = c->n_checkpoints > 0
                                                                ? SPV_CHECKPOINTS_ENFORCED
                                                                : SPV_CHECKPOINTS_IGNORED};
    struct spv_chain *fresh;
    struct spv_chain old;
    int rc = c->pending ? SPV_ERR_STATE : spv_chain_new(&fresh, &cfg);

    if (rc < 0)
        return rc;
    old = *c;
    *c = *fresh;
    *fresh = old;
    spv_chain_free(fresh);
    return 0;
}
