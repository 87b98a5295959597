/* Each wanted block is requested from one peer, chosen at random among those that should have it
 * and have a free slot; from a second one when the first is slow. An answer is attributed by its
 * block hash. A request that timed out (late) stays open, as its answer is still used. */
#include "spv/filters/block_fetch.h"

#include <string.h>

#include "spv/filters/block_check.h"
#include "util/deadline.h"
#include "util/rng.h"

#define MAX_INFLIGHT 2 /* ours: peers with a request for a block that is not late */

void spv_block_fetch_init(struct spv_block_fetch *f, const struct spv_chain *chain,
                          const struct spv_params *params, struct spv_effects *effects,
                          struct spv_peer_table *peers, struct spv_rng rng)
{
    *f = (struct spv_block_fetch){
        .chain = chain, .params = params, .effects = effects, .peers = peers, .rng = rng};
}

/* ---- requests of a peer ---- */

static struct spv_block_request *find_request(struct spv_block_peer *p,
                                              const struct spv_blockhash *hash)
{
    for (unsigned i = 0; i < p->n_open; i++)
        if (spv_blockhash_eq(&p->requests[i].hash, hash))
            return &p->requests[i];
    return NULL;
}

static bool is_requested_from(struct spv_block_peer *p, const struct spv_blockhash *hash)
{
    const struct spv_block_request *r = find_request(p, hash);
    return r && !r->late;
}

/* Closes a request that was answered once; when it was sent more often, the other answers may still
 * come. */
static void close_request(struct spv_block_peer *p, struct spv_block_request *r)
{
    if (--r->n_sent > 0) {
        r->late = true;
        return;
    }
    *r = p->requests[--p->n_open];
}

static void set_lacks(struct spv_block_peer *p, uint32_t height, struct spv_now now)
{
    if (!p->lacks_until_us || height > p->lacks_height)
        p->lacks_height = height;
    p->lacks_until_us = now.mono_us + SPV_BLOCKS_LACKS_US;
}

static bool peer_lacks_height(const struct spv_block_peer *p, uint32_t height)
{
    return p->lacks_until_us && height <= p->lacks_height;
}

/* The height of the chain that the peer has, or claims to have. */
static uint32_t peer_tip_height(const struct spv_peer_entry *p)
{
    const uint32_t known = p->sync.claimed_height > p->filters.best_known_height
                               ? p->sync.claimed_height
                               : p->filters.best_known_height;

    return p->start_height > known ? p->start_height : known;
}

/* Whether the peer offers the block at a height. */
static bool peer_serves_height(const struct spv_block_fetch *f, const struct spv_peer_entry *p,
                               uint32_t height)
{
    const uint32_t tip = spv_chain_tip(f->chain)->height;

    if (!p->blocks.added || p->blocks.disconnect_error || p->sync.disconnect_error ||
        !(p->services & SPV_NODE_WITNESS) || height > peer_tip_height(p))
        return false;
    return (p->services & SPV_NODE_NETWORK) ||
           ((p->services & SPV_NODE_NETWORK_LIMITED) && height + SPV_BLOCKS_LIMITED_DEPTH > tip);
}

static bool can_request(const struct spv_block_fetch *f, struct spv_peer_entry *p,
                        const struct spv_wanted_block *w)
{
    struct spv_block_peer *b = &p->blocks;

    return peer_serves_height(f, p, w->height) && !peer_lacks_height(b, w->height) &&
           !is_requested_from(b, &w->hash) &&
           (b->n_open < SPV_BLOCKS_MAX_OPEN || find_request(b, &w->hash));
}

static void send_request(const struct spv_block_fetch *f, struct spv_peer_entry *p,
                         const struct spv_wanted_block *w, struct spv_now now)
{
    struct spv_inv item = {.type = SPV_INV_BLOCK | SPV_INV_WITNESS};
    struct spv_block_request *r = find_request(&p->blocks, &w->hash);

    if (!r) {
        r = &p->blocks.requests[p->blocks.n_open++];
        *r = (struct spv_block_request){.hash = w->hash, .height = w->height};
    }
    r->n_sent++;
    r->late = false;
    r->requested_us = now.mono_us;
    memcpy(item.hash.b, w->hash.b, sizeof item.hash.b);
    spv_effects_send_getdata(f->effects, p->id, &item, 1);
}

/* ---- the scheduler ---- */

/* A random one of the peers that may get the request, each with the same probability; NULL: none.
 */
static struct spv_peer_entry *pick_peer(const struct spv_block_fetch *f,
                                        const struct spv_wanted_block *w)
{
    struct spv_peer_entry *picked = NULL;
    uint64_t n = 0;

    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(f->peers, p));)
        if (can_request(f, p, w) && spv_rng_below(&f->rng, ++n) == 0)
            picked = p;
    return picked;
}

static bool has_available_peer(const struct spv_block_fetch *f, const struct spv_wanted_block *w)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(f->peers, p));)
        if (can_request(f, p, w))
            return true;
    return false;
}

/* The number of unanswered requests for a block that are not late, and when the last one was sent.
 */
static unsigned count_inflight(const struct spv_block_fetch *f, const struct spv_wanted_block *w,
                               uint64_t *requested_us)
{
    unsigned n = 0;

    *requested_us = 0;
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(f->peers, p));) {
        const struct spv_block_request *r = find_request(&p->blocks, &w->hash);
        if (!r || r->late)
            continue;
        n++;
        if (r->requested_us > *requested_us)
            *requested_us = r->requested_us;
    }
    return n;
}

static int block_fetch_schedule(struct spv_block_fetch *f, struct spv_now now)
{
    for (size_t i = 0; i < f->n_wanted && !f->effects->error; i++) {
        const struct spv_wanted_block *w = &f->wanted[i];
        uint64_t requested_us;
        const unsigned n = count_inflight(f, w, &requested_us);
        struct spv_peer_entry *p;

        if (n >= MAX_INFLIGHT || (n > 0 && now.mono_us < requested_us + SPV_BLOCKS_HEDGE_DELAY_US))
            continue;
        p = pick_peer(f, w);
        if (p)
            send_request(f, p, w, now);
    }
    return f->effects->error;
}

/* ---- the list ---- */

static size_t find_wanted(const struct spv_block_fetch *f, const struct spv_blockhash *hash)
{
    size_t i = 0;

    while (i < f->n_wanted && !spv_blockhash_eq(&f->wanted[i].hash, hash))
        i++;
    return i;
}

static void remove_wanted(struct spv_block_fetch *f, size_t at)
{
    f->n_wanted--;
    memmove(&f->wanted[at], &f->wanted[at + 1], (f->n_wanted - at) * sizeof f->wanted[0]);
}

int spv_block_fetch_want(struct spv_block_fetch *f, enum spv_block_owner owner,
                         const struct spv_blockhash *hash, uint32_t height, struct spv_now now)
{
    size_t at = find_wanted(f, hash);

    if (at < f->n_wanted) {
        f->wanted[at].owners |= owner;
        return 0;
    }
    if (f->n_wanted == SPV_BLOCKS_MAX_WANTED)
        return SPV_ERR_TOO_MANY;
    while (at > 0 && f->wanted[at - 1].height > height)
        at--;
    memmove(&f->wanted[at + 1], &f->wanted[at], (f->n_wanted - at) * sizeof f->wanted[0]);
    f->n_wanted++;
    f->wanted[at] = (struct spv_wanted_block){.hash = *hash, .height = height, .owners = owner};
    return block_fetch_schedule(f, now);
}

static void remove_owner(struct spv_block_fetch *f, size_t at, enum spv_block_owner owner)
{
    f->wanted[at].owners &= ~(unsigned)owner;
    if (!f->wanted[at].owners)
        remove_wanted(f, at);
}

void spv_block_fetch_cancel(struct spv_block_fetch *f, enum spv_block_owner owner,
                            const struct spv_blockhash *hash)
{
    const size_t at = find_wanted(f, hash);

    if (at < f->n_wanted)
        remove_owner(f, at, owner);
}

void spv_block_fetch_cancel_from(struct spv_block_fetch *f, enum spv_block_owner owner,
                                 uint32_t height)
{
    for (size_t i = f->n_wanted; i-- > 0 && f->wanted[i].height >= height;)
        remove_owner(f, i, owner);
}

/* ---- peers ---- */

int spv_block_fetch_add(struct spv_block_fetch *f, uint64_t id, struct spv_now now)
{
    struct spv_peer_entry *p = spv_peer_table_find(f->peers, id);

    if (!p || p->blocks.added)
        return 0;
    p->blocks = (struct spv_block_peer){.added = true};
    for (size_t i = 0; i < SPV_BLOCKS_MAX_CLOSED; i++) {
        if (f->closed[i].group != p->group || f->closed[i].until_us <= now.mono_us)
            continue;
        if (f->closed[i].height > p->blocks.lacks_height)
            p->blocks.lacks_height = f->closed[i].height;
        p->blocks.lacks_until_us = f->closed[i].until_us;
    }
    return block_fetch_schedule(f, now);
}

static void remember_closed(struct spv_block_fetch *f, const struct spv_peer_entry *p,
                            struct spv_now now)
{
    uint32_t height = 0;

    for (unsigned i = 0; i < p->blocks.n_open; i++)
        if (p->blocks.requests[i].height > height)
            height = p->blocks.requests[i].height;
    f->closed[f->next_closed].group = p->group;
    f->closed[f->next_closed].height = height;
    f->closed[f->next_closed].until_us = now.mono_us + SPV_BLOCKS_LACKS_US;
    f->next_closed = (f->next_closed + 1) % SPV_BLOCKS_MAX_CLOSED;
}

int spv_block_fetch_remove(struct spv_block_fetch *f, uint64_t id, struct spv_now now)
{
    struct spv_peer_entry *p = spv_peer_table_find(f->peers, id);

    if (!p || !p->blocks.added)
        return 0;
    if (p->blocks.n_open > 0)
        remember_closed(f, p, now);
    p->blocks = (struct spv_block_peer){0};
    return block_fetch_schedule(f, now);
}

int spv_block_fetch_next_disconnect(struct spv_block_fetch *f, struct spv_disconnect *out)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(f->peers, p));) {
        if (!p->blocks.disconnect_error || p->blocks.is_disconnect_reported)
            continue;
        p->blocks.is_disconnect_reported = true;
        *out = (struct spv_disconnect){.id = p->id, .error = p->blocks.disconnect_error};
        return 1;
    }
    return 0;
}

/* ---- answers ---- */

int spv_block_fetch_recv(struct spv_block_fetch *f, struct spv_fetched_block *out, uint64_t id,
                         const struct spv_block *block, struct spv_now now)
{
    struct spv_peer_entry *p = spv_peer_table_find(f->peers, id);
    struct spv_blockhash hash;

    if (!p || !p->blocks.added || p->blocks.disconnect_error)
        return 0;
    spv_header_hash(&hash, &block->header);
    struct spv_block_request *r = find_request(&p->blocks, &hash);
    if (!r) {
        if (++p->blocks.n_unsolicited == SPV_BLOCKS_MAX_UNSOLICITED)
            p->blocks.disconnect_error = SPV_ERR_UNSOLICITED;
        return 0;
    }
    const size_t at = find_wanted(f, &hash);
    const int error = at < f->n_wanted ? spv_block_check(block, r->height, f->params) : 0;
    if (error == SPV_ERR_NOMEM)
        return error;
    close_request(&p->blocks, r);
    p->blocks.last_us = now.mono_us;
    p->blocks.disconnect_error = error;
    int rc = 0;
    if (at < f->n_wanted && !error) {
        *out = (struct spv_fetched_block){.block = *block,
                                          .hash = hash,
                                          .height = f->wanted[at].height,
                                          .owners = f->wanted[at].owners,
                                          .peer = id};
        remove_wanted(f, at);
        rc = 1;
    }
    const int failed = block_fetch_schedule(f, now);
    return failed ? failed : rc;
}

int spv_block_fetch_notfound(struct spv_block_fetch *f, uint64_t id, const struct spv_msg_inv *msg,
                             struct spv_now now)
{
    struct spv_peer_entry *p = spv_peer_table_find(f->peers, id);

    if (!p || !p->blocks.added)
        return 0;
    for (size_t i = 0; i < msg->n; i++) {
        struct spv_blockhash hash;
        memcpy(hash.b, msg->items[i].hash.b, sizeof hash.b);
        struct spv_block_request *r = find_request(&p->blocks, &hash);
        if (!r)
            continue;
        set_lacks(&p->blocks, r->height, now);
        close_request(&p->blocks, r);
    }
    return block_fetch_schedule(f, now);
}

/* ---- time ---- */

/* A peer answers one request after the other: the time counts from its last block. */
static uint64_t late_us(const struct spv_block_peer *p, const struct spv_block_request *r)
{
    return (p->last_us > r->requested_us ? p->last_us : r->requested_us) + SPV_BLOCKS_TIMEOUT_US;
}

int spv_block_fetch_timer(struct spv_block_fetch *f, struct spv_now now)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(f->peers, p));) {
        struct spv_block_peer *b = &p->blocks;
        if (b->lacks_until_us && b->lacks_until_us <= now.mono_us)
            b->lacks_until_us = 0;
        for (unsigned i = 0; i < b->n_open; i++) {
            if (b->requests[i].late || late_us(b, &b->requests[i]) > now.mono_us)
                continue;
            b->requests[i].late = true;
            set_lacks(b, b->requests[i].height, now);
        }
    }
    return block_fetch_schedule(f, now);
}

static uint64_t peer_deadline(const struct spv_block_peer *p)
{
    uint64_t first = p->lacks_until_us ? p->lacks_until_us : SPV_NEVER;

    for (unsigned i = 0; i < p->n_open; i++)
        if (!p->requests[i].late)
            first = spv_min_deadline(first, late_us(p, &p->requests[i]));
    return first;
}

uint64_t spv_block_fetch_deadline(const struct spv_block_fetch *f)
{
    uint64_t first = SPV_NEVER;

    if (!f->n_wanted)
        return SPV_NEVER; /* no decision depends on the requests and heights of peers */
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(f->peers, p));)
        first = spv_min_deadline(first, peer_deadline(&p->blocks));
    for (size_t i = 0; i < f->n_wanted; i++) {
        uint64_t requested_us;
        const unsigned n = count_inflight(f, &f->wanted[i], &requested_us);
        if (n > 0 && n < MAX_INFLIGHT && has_available_peer(f, &f->wanted[i]))
            first = spv_min_deadline(first, requested_us + SPV_BLOCKS_HEDGE_DELAY_US);
    }
    return first;
}
