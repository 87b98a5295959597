/* Side branches: bounded arrays of headers, each from its fork point on the best chain. A branch
 * off a branch copies the part that they share, so that either can be dropped alone. At the limit,
 * the branches with the least work are evicted, but never for one with less work. One branch at a
 * time is exempt from the limit: one that passed presync (sync/presync.h) and is expected to become
 * the best chain.
 *
 * A reorganisation makes a branch the best chain: its headers move into the window after the fork,
 * the headers that they displace become a branch, and every other branch that forked from the
 * displaced part, or shares the beginning of the new best chain, gets a new fork point. */
#include <stdlib.h>

#include "spv/chain/chain_state.h"
#include "spv/error.h"
#include "util/u256.h"

size_t spv_chain_branch_headers(const struct spv_chain *c)
{
    size_t n = 0;

    for (int i = 0; i < SPV_CHAIN_BRANCHES; i++)
        if (i != c->presynced_branch)
            n += c->branches[i].headers.n;
    return n;
}

bool spv_chain_has_presynced_branch(const struct spv_chain *c)
{
    return c->presynced_branch >= 0;
}

void spv_chain_release_presynced_branch(struct spv_chain *c)
{
    const int slot = c->presynced_branch;

    c->presynced_branch = -1;
    if (slot >= 0 && spv_chain_branch_headers(c) > SPV_CHAIN_BRANCH_HEADERS)
        spv_header_array_free(&c->branches[slot].headers);
}

/* Ends the exemption when the presynced branch is among those that were dropped. */
static void clear_empty_presynced(struct spv_chain *c)
{
    if (c->presynced_branch >= 0 && c->branches[c->presynced_branch].headers.n == 0)
        c->presynced_branch = -1;
}

static const struct spv_u256 *branch_work(const struct spv_branch *b)
{
    return &b->headers.headers[b->headers.n - 1].work;
}

void spv_chain_drop_branches_below(struct spv_chain *c, uint32_t height)
{
    for (size_t i = 0; i < SPV_CHAIN_BRANCHES; i++)
        if (c->branches[i].headers.n > 0 && c->branches[i].fork < height)
            spv_header_array_free(&c->branches[i].headers);
    clear_empty_presynced(c);
}

/* Evicts branches with less than *work until n more headers fit, and, when slot is not NULL, one
 * more branch. The branch in `spared` and the presynced one stay. Returns false, and evicts none,
 * when that cannot suffice. */
static bool evict_for(struct spv_chain *c, int *slot, size_t n, const struct spv_u256 *work,
                      int spared)
{
    size_t kept = 0; /* headers in branches that cannot be evicted */
    size_t used = 0; /* their slots */
    size_t total = spv_chain_branch_headers(c);

    for (int i = 0; i < SPV_CHAIN_BRANCHES; i++) {
        const struct spv_branch *b = &c->branches[i];
        if (b->headers.n == 0)
            continue;
        if (i == c->presynced_branch) {
            used++;
        } else if (i == spared || spv_u256_cmp(branch_work(b), work) >= 0) {
            kept += b->headers.n;
            used++;
        }
    }
    if (kept + n > SPV_CHAIN_BRANCH_HEADERS || (slot && used == SPV_CHAIN_BRANCHES))
        return false;
    for (;;) {
        int weakest = -1;
        int free_slot = -1;
        for (int i = 0; i < SPV_CHAIN_BRANCHES; i++) {
            const struct spv_branch *b = &c->branches[i];
            if (b->headers.n == 0)
                free_slot = i;
            else if (i != spared && i != c->presynced_branch &&
                     (weakest < 0 ||
                      spv_u256_cmp(branch_work(b), branch_work(&c->branches[weakest])) < 0))
                weakest = i;
        }
        if (total + n <= SPV_CHAIN_BRANCH_HEADERS && (!slot || free_slot >= 0)) {
            if (slot)
                *slot = free_slot;
            return true;
        }
        total -= c->branches[weakest].headers.n;
        spv_header_array_free(&c->branches[weakest].headers);
    }
}

/* A slot for a presynced branch: a free one, or that of the branch with the least work other than
 * `spared`. */
static int presynced_slot(struct spv_chain *c, int spared)
{
    int weakest = -1;

    for (int i = 0; i < SPV_CHAIN_BRANCHES; i++) {
        const struct spv_branch *b = &c->branches[i];
        if (b->headers.n == 0)
            return i;
        if (i != spared &&
            (weakest < 0 || spv_u256_cmp(branch_work(b), branch_work(&c->branches[weakest])) < 0))
            weakest = i;
    }
    spv_header_array_free(&c->branches[weakest].headers);
    clear_empty_presynced(c);
    return weakest;
}

/* Exempts the branch in this slot from the limit, in place of an earlier one, which is dropped if
 * it exceeds the limit. */
static void set_presynced(struct spv_chain *c, int slot)
{
    const int before = c->presynced_branch;

    c->presynced_branch = slot;
    if (before >= 0 && before != slot && spv_chain_branch_headers(c) > SPV_CHAIN_BRANCH_HEADERS)
        spv_header_array_free(&c->branches[before].headers);
}

int spv_chain_add_branch(struct spv_chain *c, struct spv_chain_update *update,
                         struct spv_chain_pos pos, size_t n_new, bool presynced)
{
    const struct spv_u256 *work = &c->window.headers[c->window.n + n_new - 1].work;
    const bool on_main_chain = pos.branch == SPV_MAIN_CHAIN;
    const uint32_t fork = on_main_chain ? pos.height : c->branches[pos.branch].fork;
    const size_t shared = pos.height - fork; /* headers of the branch at pos */
    int slot = pos.branch;
    struct spv_header_array *headers;
    int rc;

    if (!on_main_chain && shared == c->branches[slot].headers.n) {
        if (!presynced && slot != c->presynced_branch && !evict_for(c, NULL, n_new, work, slot))
            return SPV_ERR_CHAIN_BRANCHES;
        headers = &c->branches[slot].headers;
        /* 1.5 times, as a branch that grows once grows often; the limit was checked above */
        rc = spv_header_array_reserve(headers,
                                      shared + n_new > headers->cap ? (shared + n_new) * 3 / 2 : 0);
        if (rc < 0)
            return rc;
    } else {
        if (presynced)
            slot = presynced_slot(c, pos.branch);
        else if (!evict_for(c, &slot, shared + n_new, work, pos.branch))
            return SPV_ERR_CHAIN_BRANCHES;
        headers = &c->branches[slot].headers;
        rc = spv_header_array_reserve(headers, shared + n_new);
        if (rc < 0) {
            spv_header_array_free(headers);
            return rc;
        }
        c->branches[slot].fork = fork;
        if (shared > 0)
            spv_header_array_copy(headers, 0, &c->branches[pos.branch].headers, 0, shared);
    }
    spv_header_array_copy(headers, shared, &c->window, c->window.n, n_new);
    headers->n = shared + n_new;
    if (presynced)
        set_presynced(c, slot);

    update->kind = SPV_UPDATE_BRANCH;
    update->fork_height = pos.height;
    update->headers = headers->headers + shared;
    update->n = n_new;
    return 0;
}

/* Moves the fork point of a branch that forked from the displaced part below that part. Drops the
 * branch when displaced headers are missing, over the limit, or out of memory. */
static void extend_branch_down(struct spv_chain *c, struct spv_branch *b, uint32_t fork,
                               const struct spv_header_array *displaced)
{
    const bool bounded = c->presynced_branch < 0 || b != &c->branches[c->presynced_branch];
    const size_t more = b->fork - fork;
    struct spv_header_array *headers = &b->headers;

    if (more > displaced->n ||
        (bounded && spv_chain_branch_headers(c) + more > SPV_CHAIN_BRANCH_HEADERS) ||
        spv_header_array_reserve(headers, headers->n + more) < 0) {
        spv_header_array_free(headers);
        return;
    }
    spv_header_array_copy(headers, more, headers, 0, headers->n);
    spv_header_array_copy(headers, 0, displaced, 0, more);
    headers->n += more;
    b->fork = fork;
}

/* A branch with the same fork point may share its beginning with the new best chain. */
static void trim_shared_prefix(struct spv_chain *c, struct spv_branch *b, size_t keep)
{
    size_t same = 0;

    while (same < b->headers.n && keep + same < c->window.n &&
           spv_blockhash_eq(&b->headers.headers[same].hash, &c->window.headers[keep + same].hash))
        same++;
    if (same == b->headers.n) {
        spv_header_array_free(&b->headers);
        return;
    }
    spv_header_array_drop(&b->headers, same);
    b->fork += (uint32_t)same;
}

int spv_chain_reorganise(struct spv_chain *c, struct spv_chain_update *update,
                         struct spv_chain_pos pos, size_t n_new)
{
    const bool on_main_chain = pos.branch == SPV_MAIN_CHAIN;
    const uint32_t fork = on_main_chain ? pos.height : c->branches[pos.branch].fork;
    const size_t shared = pos.height - fork; /* headers of the branch at pos that move along */
    const uint32_t start = spv_chain_window_start(c);
    const uint32_t old_tip = spv_chain_window_tip(c)->height;
    const size_t keep = fork + 1 > start ? fork + 1 - start : 0;
    const size_t staged = c->window.n;
    struct spv_header_array displaced = {0};
    int rc;

    rc = spv_header_array_reserve(&c->window, keep + shared + n_new);
    if (rc < 0)
        return rc;
    /* keeping the displaced headers is optional: too many, or no memory, and they are dropped */
    if (fork + 1 >= start && staged - keep <= SPV_CHAIN_BRANCH_HEADERS &&
        spv_header_array_reserve(&displaced, staged - keep) == 0) {
        displaced.n = staged - keep;
        spv_header_array_copy(&displaced, 0, &c->window, keep, displaced.n);
    }

    spv_header_array_copy(&c->window, keep + shared, &c->window, staged, n_new);
    if (shared > 0)
        spv_header_array_copy(&c->window, keep, &c->branches[pos.branch].headers, 0, shared);
    c->window.n = keep + shared + n_new;

    for (size_t i = 0; i < SPV_CHAIN_BRANCHES; i++) {
        struct spv_branch *b = &c->branches[i];
        if (b->headers.n == 0)
            continue;
        if (b->fork > fork)
            extend_branch_down(c, b, fork, &displaced);
        else if (b->fork == fork)
            trim_shared_prefix(c, b, keep);
    }
    clear_empty_presynced(c);
    if (displaced.n > 0) {
        int slot = -1;
        if (evict_for(c, &slot, displaced.n, &displaced.headers[displaced.n - 1].work, -1))
            c->branches[slot] = (struct spv_branch){fork, displaced};
        else
            spv_header_array_free(&displaced);
    } else {
        spv_header_array_free(&displaced);
    }

    update->kind = SPV_UPDATE_REORG;
    update->fork_height = fork;
    update->removed = old_tip - fork;
    update->headers = c->window.headers + keep;
    update->n = shared + n_new;
    return 0;
}
