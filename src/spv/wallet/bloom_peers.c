/* Requests are sent in batches to all peers in parallel: each free peer gets the lowest heights
 * that are not requested from another. A batch is
 *
 *     [filterload, when the peer's filter is not the newest]  getdata  ping
 *
 * and peers answer in order, so the pong ends the batch: blocks that were not answered by then are
 * not available from the peer. */
#include <stdlib.h>
#include <string.h>

#include "spv/wallet/bloom_scan_state.h"
#include "util/deadline.h"
#include "util/rng.h"

int spv_bloom_scan_add_peer(struct spv_bloom_scan *s, uint64_t id)
{
    struct spv_peer_entry *p = spv_peer_table_find(s->cfg.peers, id);

    /* BIP111: a peer without NODE_BLOOM disconnects those that send filterload or mempool */
    if (!p || p->bloom || !(p->services & SPV_NODE_BLOOM))
        return 0;
    p->bloom = calloc(1, sizeof *p->bloom);
    return p->bloom ? 0 : SPV_ERR_NOMEM;
}

void spv_bloom_close_reading(struct spv_bloom_peer *p)
{
    free(p->reading.matches);
    free(p->reading.proof);
    spv_bloom_free_found(&p->reading.found);
    p->reading = (struct spv_bloom_reading){.is_open = false};
}

void spv_bloom_scan_remove_peer(struct spv_bloom_scan *s, uint64_t id)
{
    struct spv_peer_entry *p = spv_peer_table_find(s->cfg.peers, id);

    if (!p || !p->bloom)
        return;
    spv_bloom_cancel_peer(s, id, false);
    spv_bloom_close_reading(p->bloom);
    free(p->bloom);
    p->bloom = NULL;
}

void spv_bloom_disconnect_peer(struct spv_bloom_peer *p, int error)
{
    if (!p->disconnect_error)
        p->disconnect_error = error;
}

int spv_bloom_scan_next_disconnect(struct spv_bloom_scan *s, struct spv_disconnect *out)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(s->cfg.peers, p));) {
        if (!p->bloom || !p->bloom->disconnect_error || p->bloom->is_disconnect_reported)
            continue;
        p->bloom->is_disconnect_reported = true;
        *out = (struct spv_disconnect){.id = p->id, .error = p->bloom->disconnect_error};
        return 1;
    }
    return 0;
}

void spv_bloom_set_lacks(struct spv_bloom_peer *p, uint32_t height, struct spv_now now)
{
    if (!p->lacks_until_us || height > p->lacks_height)
        p->lacks_height = height;
    p->lacks_until_us = now.mono_us + SPV_BLOOM_LACKS_US;
}

/* ---- the scheduler ---- */

static bool is_usable(const struct spv_peer_entry *p)
{
    return p->bloom && !p->bloom->disconnect_error && !p->sync.disconnect_error &&
           !p->bloom->is_late;
}

/* Whether the peer serves blocks at a height: NODE_NETWORK_LIMITED peers disconnect for requests of
 * deeper ones. */
static bool peer_serves_height(const struct spv_bloom_scan *s, const struct spv_peer_entry *p,
                               uint32_t height)
{
    const uint32_t tip = spv_chain_tip(s->cfg.chain)->height;
    uint32_t has = p->start_height;

    if (p->sync.claimed_height > has)
        has = p->sync.claimed_height;
    if (p->filters.best_known_height > has)
        has = p->filters.best_known_height;
    if (height > has || (p->bloom->lacks_until_us && height <= p->bloom->lacks_height))
        return false;
    return (p->services & SPV_NODE_NETWORK) ||
           ((p->services & SPV_NODE_NETWORK_LIMITED) && height + SPV_BLOCKS_LIMITED_DEPTH > tip);
}

/* Fills a batch with the lowest heights that can be requested from the peer. Returns 0 or a
 * failure. */
static int fill_batch(struct spv_bloom_scan *s, struct spv_bloom_batch *b,
                      const struct spv_peer_entry *p)
{
    const uint32_t next = s->heights.next, end = spv_source_heights_end(&s->heights);

    for (uint32_t i = 0; i < SPV_BLOOM_WINDOW && next + i <= end && b->n < SPV_BLOOM_BATCH; i++) {
        struct spv_bloom_height *h;
        if (i > 0 && s->buffered_bytes >= SPV_BLOOM_BUFFER_BYTES)
            break; /* the next height is requested even so: buffered ones wait for it */
        if (!peer_serves_height(s, p, next + i))
            continue;
        const int rc = spv_bloom_open_height(s, &h, next + i);
        if (rc <= 0)
            return rc;
        struct spv_bloom_answer *a = spv_bloom_open_answer(s, h, p->id);
        if (!a)
            continue;
        a->peer = p->id;
        b->items[b->n].height = h->height;
        b->items[b->n++].hash = h->hash;
    }
    return 0;
}

static void send_batch(struct spv_bloom_scan *s, struct spv_peer_entry *p,
                       const struct spv_bloom_batch *filled, struct spv_now now)
{
    struct spv_bloom_peer *bp = p->bloom;
    struct spv_bloom_batch *b = &bp->batches[bp->n_batches++];
    struct spv_inv items[SPV_BLOOM_BATCH];

    if (bp->version != s->version || bp->n_false >= SPV_BLOOM_MAX_FALSE)
        spv_bloom_send_filterload(s, p);
    *b = *filled;
    b->nonce = spv_rng_u64(&s->cfg.rng);
    b->load = bp->load;
    b->version = bp->version;
    b->requested_us = now.mono_us;
    for (unsigned i = 0; i < b->n; i++) {
        items[i].type = SPV_INV_FILTERED_BLOCK;
        memcpy(items[i].hash.b, b->items[i].hash.b, sizeof items[i].hash.b);
    }
    spv_effects_send_getdata(s->cfg.effects, p->id, items, b->n);
    spv_effects_send_ping(s->cfg.effects, p->id, b->nonce);
}

/* Sends one more batch to each peer that has n. Returns 0 or a failure. */
static int schedule_round(struct spv_bloom_scan *s, unsigned n, struct spv_now now)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(s->cfg.peers, p));) {
        struct spv_bloom_batch b = {.n = 0};
        if (!is_usable(p) || p->bloom->n_batches != n)
            continue;
        const int rc = fill_batch(s, &b, p);
        if (rc < 0)
            return rc;
        if (b.n > 0)
            send_batch(s, p, &b, now);
    }
    return s->cfg.effects->error;
}

int spv_bloom_schedule(struct spv_bloom_scan *s, struct spv_now now)
{
    int rc = 0;

    for (unsigned n = 0; s->bloom && rc == 0 && n < SPV_BLOOM_PEER_BATCHES; n++)
        rc = schedule_round(s, n, now);
    return rc;
}

/* ---- time ---- */

/* Since when the peer's next answer is awaited; a batch is open. */
static uint64_t waiting_since(const struct spv_bloom_peer *p)
{
    return p->last_us > p->batches[0].requested_us ? p->last_us : p->batches[0].requested_us;
}

void spv_bloom_scan_timer(struct spv_bloom_scan *s, struct spv_now now)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(s->cfg.peers, p));) {
        struct spv_bloom_peer *bp = p->bloom;
        if (!bp)
            continue;
        if (bp->lacks_until_us && bp->lacks_until_us <= now.mono_us)
            bp->lacks_until_us = 0;
        if (bp->n_batches == 0 || waiting_since(bp) + SPV_BLOOM_TIMEOUT_US > now.mono_us)
            continue;
        bp->is_late = true;
        spv_bloom_cancel_peer(s, p->id, false);
        if (waiting_since(bp) + SPV_BLOOM_STALL_US <= now.mono_us)
            spv_bloom_disconnect_peer(bp, SPV_ERR_STALL);
    }
}

uint64_t spv_bloom_scan_deadline(const struct spv_bloom_scan *s)
{
    uint64_t first = SPV_NEVER;

    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(s->cfg.peers, p));) {
        const struct spv_bloom_peer *bp = p->bloom;
        if (!bp || bp->disconnect_error)
            continue;
        if (bp->lacks_until_us)
            first = spv_min_deadline(first, bp->lacks_until_us);
        if (bp->n_batches > 0)
            first =
                spv_min_deadline(first, waiting_since(bp) + (bp->is_late ? SPV_BLOOM_STALL_US
                                                                         : SPV_BLOOM_TIMEOUT_US));
    }
    return first;
}
