/* A probe is a getheaders whose locator starts at the parent of a block and whose stop hash is the
 * block:
 *
 *     locator: parent, parent - 1, - 3, - 7, ..., genesis      stop: block
 *
 * A peer that has the block sends its header and no other; an empty answer means that it has not.
 * The rest of the locator keeps a peer on another branch from sending its chain from genesis on. */
#include "spv/filters/filter_peers.h"

#include <string.h>

void spv_filter_peers_init(struct spv_filter_peers *fp, const struct spv_chain *chain,
                           struct spv_effects *effects, struct spv_peer_table *peers)
{
    *fp = (struct spv_filter_peers){
        .chain = chain, .effects = effects, .peers = peers, .tip = *spv_chain_tip(chain)};
}

void spv_filter_peers_add(struct spv_filter_peers *fp, struct spv_peer_entry *p)
{
    struct spv_chain_header genesis;
    p->filters = (struct spv_filter_peer){.added = true};
    if (spv_chain_header_at(fp->chain, &genesis, 0) == 1)
        p->filters.best_known_hash = genesis.hash;
}

/* ---- headers and inv messages ---- */

static int raise_best_known(const struct spv_filter_peers *fp, struct spv_peer_entry *p,
                            const struct spv_blockhash *hash)
{
    struct spv_chain_header h;
    bool in_best_chain = false;
    const int rc = spv_chain_find(fp->chain, &h, &in_best_chain, hash);
    if (rc == 1 && in_best_chain && h.height > p->filters.best_known_height) {
        p->filters.best_known_height = h.height;
        p->filters.best_known_hash = h.hash;
        p->filters.probe_until_us = 0;
    }
    return rc < 0 ? rc : 0;
}

int spv_filter_peers_headers(struct spv_filter_peers *fp, uint64_t id,
                             const struct spv_msg_headers *msg, struct spv_now now)
{
    struct spv_peer_entry *p = spv_peer_table_find(fp->peers, id);
    struct spv_blockhash last;
    int rc = 0;
    if (!p || !p->filters.added)
        return 0;
    const bool answer =
        msg->role == SPV_HEADERS_ANSWER && msg->tag && msg->tag == p->filters.probe_tag;
    if (answer) {
        p->filters.probe_tag = 0;
        p->filters.probe_until_us = now.mono_us + SPV_FILTER_PROBE_RETRY_US;
    }
    if (msg->n) {
        spv_header_hash(&last, &msg->headers[msg->n - 1]);
        rc = raise_best_known(fp, p, &last);
    }
    return rc;
}

int spv_filter_peers_inv(struct spv_filter_peers *fp, uint64_t id, const struct spv_msg_inv *msg)
{
    struct spv_peer_entry *p = spv_peer_table_find(fp->peers, id);
    if (!p || !p->filters.added)
        return 0;
    /* the last block suffices: inventories list blocks in the order of the chain */
    for (size_t i = msg->n; i-- > 0;) {
        struct spv_blockhash hash;
        if ((msg->items[i].type & ~SPV_INV_WITNESS) != SPV_INV_BLOCK)
            continue;
        memcpy(hash.b, msg->items[i].hash.b, sizeof hash.b);
        return raise_best_known(fp, p, &hash);
    }
    return 0;
}

/* ---- reorganisations ---- */

/* 1: the former tip is still on the best chain. By height, as no hash index may hold an old header.
 */
static int is_extended(const struct spv_filter_peers *fp)
{
    struct spv_chain_header h;
    const int rc = spv_chain_header_at(fp->chain, &h, fp->tip.height);
    return rc == 1 ? spv_blockhash_eq(&h.hash, &fp->tip.hash) : rc;
}

/* The last header that the branch of a former tip has in common with the best chain; genesis when
 * that branch is not stored any more. */
static int find_fork(const struct spv_filter_peers *fp, struct spv_chain_header *fork)
{
    struct spv_blockhash hash = fp->tip.hash;
    bool in_best_chain = false;
    int rc;
    while ((rc = spv_chain_find(fp->chain, fork, &in_best_chain, &hash)) == 1 && !in_best_chain)
        hash = fork->header.prev;
    return rc == 0 ? spv_chain_header_at(fp->chain, fork, 0) : rc;
}

int spv_filter_peers_update(struct spv_filter_peers *fp, uint32_t *fork)
{
    const struct spv_chain_header *tip = spv_chain_tip(fp->chain);
    struct spv_chain_header common;
    if (spv_blockhash_eq(&tip->hash, &fp->tip.hash))
        return 0;
    const int extended = is_extended(fp);
    const int rc = extended ? extended : find_fork(fp, &common);
    if (rc < 0)
        return rc;
    fp->tip = *tip;
    if (extended)
        return 0;
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fp->peers, p));) {
        if (p->filters.best_known_height <= common.height)
            continue;
        p->filters.best_known_height = common.height;
        p->filters.best_known_hash = common.hash;
    }
    *fork = common.height;
    return 1;
}

/* ---- probes ---- */

#define PROBE_LOCATOR 34 /* one hash for each power of two of a height, and genesis */

static int send_probe(struct spv_filter_peers *fp, struct spv_peer_entry *p,
                      const struct spv_blockhash *block, uint32_t height, struct spv_now now)
{
    struct spv_blockhash locator[PROBE_LOCATOR];
    size_t n = 0;
    uint32_t at = height - 1;
    for (uint32_t step = 1;; step *= 2) {
        struct spv_chain_header h;
        const int rc = spv_chain_header_at(fp->chain, &h, at);
        if (rc < 0)
            return rc;
        if (rc == 1)
            locator[n++] = h.hash;
        if (at == 0)
            break;
        at = at > step ? at - step : 0;
    }
    p->filters.probe_tag = spv_effects_send_getheaders_until(fp->effects, p->id, locator, n, block);
    p->filters.probe_until_us = now.mono_us + SPV_FILTER_PROBE_TIMEOUT_US;
    return fp->effects->error;
}

int spv_filter_peers_probe(struct spv_filter_peers *fp, struct spv_peer_entry *p, uint32_t height,
                           struct spv_now now)
{
    struct spv_filter_peer *f = &p->filters;
    struct spv_chain_header block;
    if (spv_filter_peer_has_block(p, height))
        return SPV_FILTER_BLOCK_KNOWN;
    if (!f->added || p->sync.disconnect_error || f->disconnect_error)
        return SPV_FILTER_BLOCK_UNKNOWN;
    if (f->probe_tag && f->probe_until_us <= now.mono_us) { /* a late answer is still used */
        f->probe_tag = 0;
        f->probe_until_us = now.mono_us + SPV_FILTER_PROBE_RETRY_US;
    }
    if (f->probe_tag)
        return SPV_FILTER_BLOCK_PROBING;
    if (f->probe_until_us > now.mono_us)
        return SPV_FILTER_BLOCK_UNKNOWN;
    int rc = spv_chain_header_at(fp->chain, &block, height);
    if (rc == 1)
        rc = send_probe(fp, p, &block.hash, height, now);
    else if (rc == 0)
        return SPV_FILTER_BLOCK_UNKNOWN; /* above our tip */
    return rc < 0 ? rc : SPV_FILTER_BLOCK_PROBING;
}

uint64_t spv_filter_peers_deadline(const struct spv_peer_entry *p)
{
    return p->filters.probe_until_us ? p->filters.probe_until_us : SPV_NEVER;
}

/* ---- disconnecting ---- */

void spv_filter_peers_disconnect(struct spv_peer_entry *p, int error)
{
    if (!p->filters.disconnect_error)
        p->filters.disconnect_error = error;
}

void spv_filter_peers_unsolicited(struct spv_peer_entry *p)
{
    if (++p->filters.n_unsolicited >= SPV_FILTER_MAX_UNSOLICITED)
        spv_filter_peers_disconnect(p, SPV_ERR_FILTER_ANSWER);
}

int spv_filter_peers_next_disconnect(struct spv_filter_peers *fp, struct spv_disconnect *out)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fp->peers, p));) {
        if (!p->filters.disconnect_error)
            continue;
        *out = (struct spv_disconnect){.id = p->id, .error = p->filters.disconnect_error};
        return 1;
    }
    return 0;
}
