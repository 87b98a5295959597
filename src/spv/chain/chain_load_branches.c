/* Side branches are read back with the chain, so that a restart forgets none: a branch that was
 * short of winning needs one header more after it as before it.
 *
 * The reader's records are only believed to be headers. They are strung together by their links and
 * go the way of headers from a peer: judged by every rule, bounded, the weakest let go. What does
 * not attach, or is not good, is left out; it is a help and no duty. A branch with more work than
 * the stored tip (the tail of the best chain was cut off) is read as far as it has not: who sends
 * its next header makes it win, and that change then is stored like any other. */
#include <stdlib.h>

#include "spv/chain/chain_state.h"
#include "spv/error.h"
#include "spv/message.h"
#include "util/array.h"
#include "util/u256.h"

#define FIRST_STORED 64 /* headers allocated at first */

/* What the reader handed out, by height. */
struct loose {
    struct spv_header *headers;
    struct spv_blockhash *hashes;
    bool *used;
    size_t n;
    size_t cap;
};

static void stored_headers_free(struct loose *l)
{
    free(l->headers);
    free(l->hashes);
    free(l->used);
}

static int stored_headers_grow(struct loose *l)
{
    const size_t cap =
        spv_array_next_cap(l->cap, l->cap + 1, FIRST_STORED, SPV_CHAIN_BRANCH_HEADERS);
    struct spv_header *headers = realloc(l->headers, cap * sizeof *headers);
    struct spv_blockhash *hashes;
    bool *used;

    if (!headers)
        return SPV_ERR_NOMEM;
    l->headers = headers;
    hashes = realloc(l->hashes, cap * sizeof *hashes);
    if (!hashes)
        return SPV_ERR_NOMEM;
    l->hashes = hashes;
    used = realloc(l->used, cap * sizeof *used);
    if (!used)
        return SPV_ERR_NOMEM;
    l->used = used;
    l->cap = cap;
    return 0;
}

static int collect_headers(void *arg, const struct spv_chain_header *record)
{
    struct loose *l = arg;
    int rc;

    if (l->n == SPV_CHAIN_BRANCH_HEADERS)
        return 0;
    if (l->n == l->cap) {
        rc = stored_headers_grow(l);
        if (rc < 0)
            return rc;
    }
    l->headers[l->n] = record->header;
    spv_header_hash(&l->hashes[l->n], &record->header);
    l->used[l->n] = false;
    l->n++;
    return 0;
}

/* How many of headers that follow each other may be taken: good, and not more work than the tip. */
static int is_valid_next(const struct spv_chain *c, size_t *out, const struct spv_header *headers,
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
        struct spv_chain_header record = {.header = headers[i]};
        spv_header_hash(&record.hash, &record.header);
        if (spv_header_ctx_check(&ctx, &record) < 0 || spv_u256_cmp(&record.work, &c->tip.work) > 0)
            break;
        (void)spv_header_ctx_connect(&ctx, &record);
    }
    if (rc == 1)
        *out = i;
    return rc < 0 ? rc : 0;
}

static int restore_branch(struct spv_chain *c, const struct spv_header *headers, size_t n)
{
    const struct spv_now now = {0, UINT32_MAX}; /* they were not in the future when they came */
    struct spv_accept_result v;
    size_t take;
    int rc = is_valid_next(c, &take, headers, n);

    if (rc < 0 || take == 0)
        return rc;
    rc = spv_chain_accept(c, &v, headers, take, now);
    if (rc < 0)
        return rc;
    spv_chain_stored(c); /* it is */
    return 0;
}

/* Strings together what follows record i, up to a message's worth. */
static size_t follow_branch(struct loose *l, struct spv_header *out, size_t i)
{
    size_t n = 0;

    for (size_t last = i;; i++) {
        if (i == l->n || n == SPV_MAX_HEADERS)
            return n;
        if (n > 0 && (l->used[i] || !spv_blockhash_eq(&l->headers[i].prev, &l->hashes[last])))
            continue;
        l->used[i] = true;
        out[n++] = l->headers[i];
        last = i;
    }
}

int spv_chain_reload_branches(struct spv_chain *c)
{
    struct loose l = {0};
    struct spv_header *run = NULL;
    int rc;

    if (!c->reader.branches)
        return 0;
    rc = c->reader.branches(c->reader.ctx, collect_headers, &l);
    if (rc == 0 && l.n > 0) {
        run = malloc(SPV_MAX_HEADERS * sizeof *run);
        rc = !run ? SPV_ERR_NOMEM : 0;
    }
    for (size_t i = 0; rc == 0 && i < l.n; i++)
        if (!l.used[i])
            rc = restore_branch(c, run, follow_branch(&l, run, i));
    free(run);
    stored_headers_free(&l);
    return rc;
}
