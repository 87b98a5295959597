/* A batch is validated in one pass. First the known headers, found by height and hash, are skipped.
 * The new ones are validated one after the other and staged after the end of the window, which is
 * their final position if they extend the tip. The staged headers then extend the best chain or a
 * side branch, or form a new branch; a branch with more work than the best chain replaces it.
 *
 * The window grows until the store has acknowledged an update, then it is trimmed to the start of a
 * period, rarely enough that moving memory does not matter. */
#include "spv/chain.h"

#include <string.h>

#include "spv/chain/chain_state.h"
#include "spv/chain/hash_ahead.h"
#include "spv/error.h"
#include "util/u256.h"

static size_t window_limit(const struct spv_chain *c)
{
    return (size_t)SPV_WINDOW_MAX_PERIODS * c->interval;
}

/* ---- validating a batch ---- */

int spv_chain_check_work(const struct spv_chain *c, const struct spv_checkpoint *checkpoint,
                         const struct spv_u256 *work)
{
    if (spv_u256_is_zero(&checkpoint->work) || spv_u256_cmp(&checkpoint->work, work) == 0 ||
        spv_chain_start_point(c).work_since > 0)
        return 0;
    return SPV_ERR_DB_DAMAGED;
}

/* One accept in progress. */
struct batch {
    struct spv_accept_result *result;
    /* NULL, or the last header's hash; the other hashes are the prevs */
    const struct spv_blockhash *last;
    struct spv_now now;
    struct spv_chain_pos pos; /* of the last known header before the new ones */
    bool has_parent;
    struct spv_header_ctx ctx; /* of the next header, once a new one was found */
    size_t n_new;
    bool presynced;
    size_t checkpoint; /* index of the next checkpoint */
};

/* The first header's parent, or the header itself, must be known. */
static int find_parent(const struct spv_chain *c, struct batch *b, const struct spv_header *header,
                       const struct spv_blockhash *hash)
{
    struct spv_chain_header parent;
    int rc = spv_chain_find_pos(c, &b->pos, &parent, &header->prev);

    if (rc < 0)
        return rc;
    b->has_parent = rc == 1;
    if (b->has_parent)
        return 0;
    rc = spv_chain_find_pos(c, &b->pos, &parent, hash);
    if (rc < 0)
        return rc;
    if (rc == 1) {
        b->has_parent = true;
        b->result->known = 1;
        return 0;
    }
    b->result->error =
        spv_blockhash_is_zero(&header->prev) ? SPV_ERR_HDR_GENESIS : SPV_ERR_HDR_UNCONNECTING;
    return 0;
}

/* Before the first new header: checks that a fork is allowed here, and sets up the context for it
 * and its children. */
static int begin_new_headers(struct spv_chain *c, struct batch *b)
{
    const bool on_main_chain = b->pos.branch == SPV_MAIN_CHAIN;
    const uint32_t fork = on_main_chain ? b->pos.height : c->branches[b->pos.branch].fork;
    const uint32_t start_height = spv_chain_start_point(c).height;
    int rc;

    /* between genesis and the start a known header and a fork cannot be distinguished */
    if (on_main_chain && b->pos.height + 1 < start_height) {
        b->result->error = SPV_ERR_FORK_BELOW_START;
        return 0;
    }
    /* Bitcoin Core: "forked chain older than last checkpoint" */
    if (c->n_passed > 0 && fork < c->checkpoints[c->n_passed - 1].height) {
        b->result->error = SPV_ERR_HDR_FORK_DEPTH;
        return 0;
    }
    /* below the window and no header database: it may be known, which cannot be checked */
    if (on_main_chain && b->pos.height + 1 < spv_chain_window_start(c) && !c->header_db.by_height) {
        b->result->error = SPV_ERR_HDR_UNCONNECTING;
        return 0;
    }
    b->checkpoint = spv_chain_next_checkpoint(c, b->pos.height + 1);
    if (on_main_chain && b->pos.height == c->tip.parent.height) {
        b->ctx = c->tip;
        return 0;
    }
    rc = spv_chain_ctx_at(c, &b->ctx, b->pos);
    if (rc == 0) /* the headers before it are neither in memory nor stored */
        b->result->error = start_height > 0 ? SPV_ERR_FORK_BELOW_START : SPV_ERR_HDR_UNCONNECTING;
    return rc < 0 ? rc : 0;
}

static int reject_header(struct batch *b, int error)
{
    b->result->error = error;
    return 0; /* no local error */
}

/* Validates a new header and stages it. Negative only for local errors. */
static int check_new_header(struct spv_chain *c, struct batch *b, const struct spv_header *header,
                            const struct spv_blockhash *hash)
{
    struct spv_chain_header *entry = &c->window.headers[c->window.n + b->n_new];
    int rc;

    entry->header = *header;
    entry->hash = *hash;
    rc = spv_header_ctx_check(&b->ctx, entry);
    if (rc < 0)
        return reject_header(b, rc);
    if (b->checkpoint < c->n_checkpoints && c->checkpoints[b->checkpoint].height == entry->height) {
        const struct spv_checkpoint *checkpoint = &c->checkpoints[b->checkpoint];

        if (!spv_blockhash_eq(&checkpoint->hash, hash))
            return reject_header(b, SPV_ERR_HDR_CHECKPOINT);
        if (spv_chain_check_work(c, checkpoint, &entry->work) < 0)
            return SPV_ERR_DB_DAMAGED;
        b->checkpoint++;
    }
    rc = spv_consensus_future(header->time, b->now);
    if (rc < 0)
        return reject_header(b, rc);
    c->window.last_non_min_diff_bits[c->window.n + b->n_new] =
        spv_header_ctx_connect(&b->ctx, entry);
    b->n_new++;
    return 0;
}

/* One header, after the first one's parent was found. Sets result->error when it is invalid. */
static int process_header(struct spv_chain *c, struct batch *b, const struct spv_header *header,
                          const struct spv_blockhash *hash)
{
    int rc;

    if (b->n_new == 0) {
        rc = spv_chain_find_child(c, &b->pos, hash);
        if (rc < 0)
            return rc;
        if (rc == 1) {
            b->result->known++;
            return 0;
        }
        rc = begin_new_headers(c, b);
        if (rc < 0 || b->result->error != 0)
            return rc;
    }
    return check_new_header(c, b, header, hash);
}

/* The hash of headers[i]: the prev of the header after it, *last, or computed. */
static const struct spv_blockhash *hash_of(const struct batch *b, struct spv_hash_ahead *ahead,
                                           const struct spv_header *headers, size_t i, size_t n)
{
    if (!b->last)
        return spv_hash_ahead_at(ahead, headers, i, n);
    return i + 1 < n ? &headers[i + 1].prev : b->last;
}

/* Validates the batch up to the first invalid header. */
static int check_batch(struct spv_chain *c, struct batch *b, const struct spv_header *headers,
                       size_t n)
{
    struct spv_hash_ahead ahead;
    struct spv_blockhash last = {{0}};
    struct spv_accept_result *result = b->result;

    for (size_t i = 0; i < n; i++) {
        const struct spv_header *header = &headers[i];
        const struct spv_blockhash *hash = hash_of(b, &ahead, headers, i, n);
        int rc = 0;

        result->index = i;
        if (i == 0) {
            rc = find_parent(c, b, header, hash);
            if (rc == 0 && result->error == 0 && result->known == 0)
                rc = process_header(c, b, header, hash);
        } else if (!spv_blockhash_eq(&header->prev, &last)) {
            result->error = SPV_ERR_HDR_NONCONTINUOUS;
        } else {
            rc = process_header(c, b, header, hash);
        }
        if (rc < 0)
            return rc;
        if (result->error != 0) {
            if (b->has_parent)
                result->height = b->pos.height + (uint32_t)b->n_new + 1;
            return 0;
        }
        last = *hash;
    }
    result->index = n;
    return 0;
}

/* ---- storing the accepted headers ---- */

static int store_batch(struct spv_chain *c, struct batch *b)
{
    struct spv_chain_update *update = &b->result->update;
    const struct spv_chain_pos pos = b->pos;
    int rc = 0;

    if (pos.branch == SPV_MAIN_CHAIN && pos.height == c->tip.parent.height) {
        update->kind = SPV_UPDATE_APPEND;
        update->fork_height = pos.height;
        update->headers = c->window.headers + c->window.n;
        update->n = b->n_new;
        c->window.n += b->n_new;
    } else if (spv_u256_cmp(&b->ctx.work, &c->tip.work) > 0) {
        /* strictly more work: with equal work the branch seen first stays */
        rc = spv_chain_reorganise(c, update, pos, b->n_new);
    } else {
        rc = spv_chain_add_branch(c, update, pos, b->n_new, b->presynced);
    }
    if (rc == SPV_ERR_CHAIN_BRANCHES) {
        if (b->result->error == 0) {
            b->result->error = rc;
            b->result->index = b->result->known;
            b->result->height = pos.height + 1;
        }
        return 0;
    }
    if (rc < 0)
        return rc;
    if (update->kind != SPV_UPDATE_BRANCH) {
        c->tip = b->ctx;
        while (c->n_passed < c->n_checkpoints &&
               c->checkpoints[c->n_passed].height <= c->tip.parent.height)
            c->n_passed++;
    }
    b->result->accepted = b->n_new;
    c->pending = true;
    return 0;
}

/* Reserves capacity for n more headers in the window; it doubles up to the usual size. */
static int reserve_window(struct spv_chain *c, size_t n)
{
    const size_t usual = window_limit(c) + SPV_CHAIN_HASHED_MAX;
    const size_t need = c->window.n + n;
    size_t cap = c->window.cap * 2;

    if (need <= c->window.cap)
        return 0;
    if (cap > usual)
        cap = usual;
    return spv_header_array_reserve(&c->window, need > cap ? need : cap);
}

static int accept_batch(struct spv_chain *c, struct batch *b, const struct spv_header *headers,
                        size_t n)
{
    int rc;

    if (c->pending)
        return SPV_ERR_STATE;
    rc = reserve_window(c, n);
    if (rc < 0)
        return rc;
    rc = check_batch(c, b, headers, n);
    if (rc < 0)
        return rc;
    return b->n_new == 0 ? 0 : store_batch(c, b);
}

int spv_chain_accept(struct spv_chain *c, struct spv_accept_result *out,
                     const struct spv_header *headers, size_t n, struct spv_now now)
{
    struct batch b = {.result = out, .now = now};

    *out = (struct spv_accept_result){0};
    return n > SPV_MAX_HEADERS ? SPV_ERR_TOO_LONG : accept_batch(c, &b, headers, n);
}

int spv_chain_accept_hashed(struct spv_chain *c, struct spv_accept_result *out,
                            const struct spv_header *headers, size_t n,
                            const struct spv_blockhash *last, struct spv_now now)
{
    struct batch b = {.result = out, .last = last, .now = now};

    *out = (struct spv_accept_result){0};
    return n > SPV_CHAIN_HASHED_MAX ? SPV_ERR_TOO_LONG : accept_batch(c, &b, headers, n);
}

int spv_chain_accept_presynced(struct spv_chain *c, struct spv_accept_result *out,
                               const struct spv_header *headers, size_t n, struct spv_now now)
{
    struct batch b = {.result = out, .now = now, .presynced = true};

    *out = (struct spv_accept_result){0};
    return n > SPV_MAX_HEADERS ? SPV_ERR_TOO_LONG : accept_batch(c, &b, headers, n);
}

void spv_chain_stored(struct spv_chain *c)
{
    const uint32_t tip = c->tip.parent.height;
    const uint32_t behind = SPV_WINDOW_PERIODS * c->interval;
    const size_t usual = window_limit(c) + SPV_CHAIN_HASHED_MAX;

    c->pending = false;
    if (c->n_passed > 0)
        spv_chain_drop_branches_below(c, c->checkpoints[c->n_passed - 1].height);
    if (c->window.n <= window_limit(c) || tip <= behind)
        return;
    const uint32_t first = tip - behind - (tip - behind) % c->interval;
    const uint32_t start = spv_chain_window_start(c);
    if (first > start)
        spv_header_array_drop(&c->window, first - start);
    if (c->window.cap > usual) {
        /* a deep reorganisation made it larger */
        struct spv_header_array fit = {0};
        if (spv_header_array_reserve(&fit, usual) == 0) {
            spv_header_array_copy(&fit, 0, &c->window, 0, c->window.n);
            fit.n = c->window.n;
            spv_header_array_free(&c->window);
            c->window = fit;
        } else {
            spv_header_array_free(&fit);
        }
    }
}

/* ---- queries ---- */

const struct spv_chain_header *spv_chain_tip(const struct spv_chain *c)
{
    return spv_chain_window_tip(c);
}

int spv_chain_header_at(const struct spv_chain *c, struct spv_chain_header *out, uint32_t height)
{
    return spv_chain_header_at_pos(c, out, (struct spv_chain_pos){SPV_MAIN_CHAIN, height});
}

int spv_chain_find(const struct spv_chain *c, struct spv_chain_header *out, bool *in_best_chain,
                   const struct spv_blockhash *hash)
{
    struct spv_chain_pos pos;
    int rc = spv_chain_find_pos(c, &pos, out, hash);

    if (rc == 1 && in_best_chain)
        *in_best_chain = pos.branch == SPV_MAIN_CHAIN;
    return rc;
}

int spv_chain_locator(const struct spv_chain *c, struct spv_blockhash *out, size_t cap,
                      const struct spv_blockhash *tip)
{
    struct spv_chain_pos pos = {SPV_MAIN_CHAIN, c->tip.parent.height};
    const uint32_t start_height = spv_chain_start_point(c).height;
    struct spv_chain_header header;
    uint32_t step = 1;
    size_t n = 0;
    int rc;

    if (cap == 0)
        return SPV_ERR_INVALID;
    if (cap > SPV_MAX_LOCATOR)
        cap = SPV_MAX_LOCATOR;
    if (tip) {
        rc = spv_chain_find_pos(c, &pos, &header, tip);
        if (rc <= 0)
            return rc < 0 ? rc : SPV_ERR_UNKNOWN_HASH;
    }
    /* ten in a row, then each step twice as long; the last one is genesis */
    while (pos.height > 0 && n < cap - 1) {
        rc = spv_chain_header_at_pos(c, &header, pos);
        if (rc < 0)
            return rc;
        if (rc == 1)
            out[n++] = header.hash;
        if (n > 10)
            step *= 2;
        uint32_t next = pos.height > step ? pos.height - step : 0;
        /* always include the first stored header, which every branch that forks above it contains
         */
        if (next < start_height && pos.height > start_height)
            next = start_height;
        pos.height = next;
    }
    out[n++] = c->genesis.hash;
    return (int)n;
}

uint32_t spv_chain_next_bits(const struct spv_chain *c, uint32_t time)
{
    return spv_consensus_next_bits(c->params, &c->tip.parent, time);
}

uint32_t spv_chain_median_time(const struct spv_chain *c)
{
    return spv_median_time(&c->tip.median);
}

const struct spv_checkpoint *spv_chain_last_checkpoint(const struct spv_chain *c)
{
    return c->n_passed == 0 ? NULL : &c->checkpoints[c->n_passed - 1];
}

void spv_chain_get_start(const struct spv_chain *c, struct spv_chain_start *out)
{
    *out = spv_chain_start_point(c);
}

bool spv_chain_has_work(const struct spv_chain *c, const struct spv_u256 *work)
{
    if (spv_chain_start_point(c).work_since > 0 && c->n_checkpoints > 0 &&
        c->n_passed == c->n_checkpoints)
        return true;
    return spv_u256_cmp(&c->tip.work, work) >= 0;
}

size_t spv_chain_memory(const struct spv_chain *c)
{
    const size_t each = sizeof *c->window.headers + sizeof *c->window.last_non_min_diff_bits;
    size_t n = c->window.cap;

    for (size_t i = 0; i < SPV_CHAIN_BRANCHES; i++)
        n += c->branches[i].headers.cap;
    return sizeof *c + n * each;
}
