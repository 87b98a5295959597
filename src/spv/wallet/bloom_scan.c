/* Inputs and events. Heights are reported in order. The outputs and scripts that a reported block
 * brings are added before the next one; when its own answers were given without them, the block is
 * requested again. */
#include "spv/wallet/bloom_scan.h"

#include <stdlib.h>
#include <string.h>

#include "spv/wallet/bloom_scan_state.h"
#include "util/array.h"
#include "util/rng.h"

/* The capacity whose filters have the stored size, or the next larger one. */
static uint32_t capacity_of_size(const struct spv_bloom_scan *s)
{
    uint32_t capacity = spv_bloom_capacity(0, 0), larger;

    while (spv_bloom_capacity_bytes(s, capacity) < s->cfg.params.size &&
           (larger = spv_bloom_capacity(capacity + 1, 0)) > capacity)
        capacity = larger;
    return capacity;
}

int spv_bloom_scan_new(struct spv_bloom_scan **out, const struct spv_bloom_scan_config *cfg)
{
    struct spv_bloom_scan *s = calloc(1, sizeof *s);

    *out = NULL;
    if (!s)
        return SPV_ERR_NOMEM;
    s->cfg = *cfg;
    if (cfg->params.size == 0)
        s->cfg.params.tweak = (uint32_t)spv_rng_u64(&s->cfg.rng);
    else
        s->capacity = capacity_of_size(s);
    s->version = 1;
    *out = s;
    return 0;
}

void spv_bloom_scan_free(struct spv_bloom_scan *s)
{
    if (!s)
        return;
    spv_bloom_scan_stop(s);
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(s->cfg.peers, p));)
        spv_bloom_scan_remove_peer(s, p->id);
    free(s->views);
    free(s);
}

void spv_bloom_scan_stop(struct spv_bloom_scan *s)
{
    if (!s->is_running)
        return;
    spv_bloom_drop_heights(s, 0);
    spv_bloom_items_free(&s->items);
    spv_bloom_free(s->bloom);
    s->bloom = NULL;
    s->n_inserted = 0;
    s->is_running = false;
}

/* ---- what is watched ---- */

/* Whether `more` items may be added. */
static int check_rate(const struct spv_bloom_scan *s, size_t more)
{
    return spv_bloom_rate_of(s, s->items.n + more) > SPV_BLOOM_MAX_RATE ? SPV_ERR_BLOOM_RATE : 0;
}

static int check_scripts(const struct spv_bloom_scan *s, const struct spv_bytes *scripts, size_t n)
{
    size_t more = 0;

    for (size_t i = 0; i < n; i++) {
        const int rc = spv_bloom_items_count(&s->items, &scripts[i]);
        if (rc < 0)
            return rc;
        more += (size_t)rc;
    }
    return more > 0 ? check_rate(s, more) : 0;
}

/* Items were added that may match from a height on. */
static int after_add(struct spv_bloom_scan *s, uint32_t from)
{
    const int rc = spv_bloom_insert_new(s);

    spv_bloom_need_version(s, from);
    spv_source_heights_rescan(&s->heights, from, s->heights.next);
    return rc;
}

int spv_bloom_scan_add(struct spv_bloom_scan *s, const struct spv_bytes *scripts, size_t n,
                       uint32_t from)
{
    const uint32_t version = spv_bloom_next_version(s);
    int added = 0;

    if (!s->is_running)
        return SPV_ERR_STATE;
    int rc = check_scripts(s, scripts, n);
    for (size_t i = 0; rc >= 0 && i < n; i++) {
        rc = spv_bloom_items_add_script(&s->items, &scripts[i], version);
        added += rc > 0;
    }
    if (rc >= 0 && added > 0)
        return after_add(s, from);
    if (rc >= 0 &&
        n > 0) /* also for known ones: the block that is being reported was scanned, too */
        spv_source_heights_rescan(&s->heights, from, s->heights.next + s->is_reported);
    return rc < 0 ? rc : 0;
}

int spv_bloom_scan_add_output(struct spv_bloom_scan *s, const struct spv_txid *txid, uint32_t index)
{
    if (!s->is_running)
        return SPV_ERR_STATE;
    int rc = check_rate(s, 1);
    if (rc == 0)
        rc = spv_bloom_items_add_outpoint(&s->items, txid, index, spv_bloom_next_version(s));
    return rc <= 0 ? rc : after_add(s, s->heights.next);
}

int spv_bloom_scan_add_txid(struct spv_bloom_scan *s, const struct spv_txid *txid, uint32_t from)
{
    if (!s->is_running)
        return SPV_ERR_STATE;
    int rc = check_rate(s, 1);
    if (rc == 0)
        rc = spv_bloom_items_add_txid(&s->items, txid, spv_bloom_next_version(s));
    return rc <= 0 ? rc : after_add(s, from);
}

int spv_bloom_scan_begin(struct spv_bloom_scan *s, const struct spv_bytes *scripts, size_t n,
                         uint32_t first, uint32_t last)
{
    int rc = 0;

    if (s->is_running)
        return SPV_ERR_STATE;
    if (first == 0 || first > last)
        return SPV_ERR_INVALID;
    s->is_running = true;
    s->refused = 0;
    s->stats = (struct spv_bloom_scan_stats){0};
    spv_source_heights_begin(&s->heights, first, last);
    spv_bloom_items_init(&s->items, &s->cfg.rng);
    /* the filters of peers are those of the scan before */
    s->version++;
    s->is_version_used = false;
    if (n > 0)
        rc = spv_bloom_scan_add(s, scripts, n, first);
    for (struct spv_peer_entry *p = NULL; rc == 0 && (p = spv_peer_table_next(s->cfg.peers, p));)
        rc = spv_bloom_scan_add_peer(s, p->id);
    if (rc < 0)
        spv_bloom_scan_stop(s);
    return rc;
}

struct spv_bloom_params spv_bloom_scan_params(const struct spv_bloom_scan *s)
{
    return (struct spv_bloom_params){.tweak = s->cfg.params.tweak,
                                     .size = spv_bloom_capacity_bytes(s, s->capacity)};
}

/* ---- whole blocks ---- */

/* Compares a transaction of the whole block with the answers. A peer whose answer lacks one that
 * matches its filter is disconnected, and its other answers are requested again. It is not banned:
 * a node that does not add outpoints to its filter, or loads filters late, does the same. */
static void check_answers(struct spv_bloom_scan *s, struct spv_bloom_height *h,
                          const struct spv_txid *txid, uint32_t version)
{
    unsigned answers = 0;

    for (size_t i = 0; i < h->found.n; i++)
        if (memcmp(h->found.list[i].txid.b, txid->b, sizeof txid->b) == 0)
            answers = h->found.list[i].answers;
    for (size_t i = 0; i < SPV_BLOOM_ANSWERS; i++) {
        const struct spv_bloom_answer a = h->answers[i];
        if (!a.has_come || answers & 1u << i || version > a.version)
            continue;
        struct spv_peer_entry *p = spv_peer_table_find(s->cfg.peers, a.peer);
        if (p && p->bloom)
            spv_bloom_disconnect_peer(p->bloom, SPV_ERR_BLOOM_OMISSION);
        s->stats.omissions++;
        spv_bloom_cancel_peer(s, a.peer, true);
    }
}

/* Scans the whole block: also transactions that the answers lacked are found and watched. */
static int search_block(struct spv_bloom_scan *s, struct spv_bloom_height *h,
                        const struct spv_block *block)
{
    struct spv_block_iter iter = spv_block_txs(block);
    struct spv_tx tx;
    int rc = 0;

    while (rc == 0 && spv_block_next(&iter, &tx)) {
        const uint32_t version = spv_bloom_items_match_tx(&s->items, &tx);
        struct spv_txid txid;
        if (version == 0)
            continue;
        spv_tx_txid(&txid, &tx);
        check_answers(s, h, &txid, version);
        rc = spv_bloom_watch_outputs(s, &tx, &txid, h->height);
    }
    return rc;
}

int spv_bloom_scan_block(struct spv_bloom_scan *s, const struct spv_fetched_block *block)
{
    struct spv_bloom_height *h = spv_bloom_find_height(s, block->height);

    if (!h || !spv_blockhash_eq(&h->hash, &block->hash) || !h->wants_whole || h->block)
        return 0;
    h->block = malloc(block->block.n);
    if (!h->block)
        return SPV_ERR_NOMEM;
    memcpy(h->block, block->block.bytes, block->block.n);
    h->n_block = block->block.n;
    s->buffered_bytes += h->n_block;
    s->stats.whole_blocks++;
    return search_block(s, h, &block->block);
}

/* ---- the next height ---- */

static bool has_match(const struct spv_bloom_scan *s, const struct spv_bloom_height *h)
{
    struct spv_block block;
    struct spv_tx tx;

    if (!h->block)
        return h->found.n > 0;
    (void)spv_block_parse(&block, h->block, h->n_block); /* was parsed before */
    struct spv_block_iter iter = spv_block_txs(&block);
    while (spv_block_next(&iter, &tx))
        if (spv_bloom_items_match_tx(&s->items, &tx) != 0)
            return true;
    return false;
}

static int reserve_views(struct spv_bloom_scan *s, size_t n)
{
    if (n == 0)
        return 0;
    struct spv_proven_tx *views = spv_array_grow(s->views, &s->cap_views, n, 16, sizeof *views);

    if (!views)
        return SPV_ERR_NOMEM;
    s->views = views;
    return 0;
}

/* Moves over heights that are complete, to the next one that must be reported. */
static int bloom_scan_advance(struct spv_bloom_scan *s)
{
    struct spv_source_heights *hs = &s->heights;

    s->is_ready = false;
    for (;;) {
        struct spv_bloom_height *h = spv_bloom_find_height(s, hs->next);
        if (hs->next > spv_source_heights_end(hs) || !h || !spv_bloom_is_complete(s, h))
            break;
        if (!s->is_reported && has_match(s, h)) {
            s->is_ready = true;
            return reserve_views(s, h->found.n);
        }
        s->is_reported = false;
        spv_bloom_close_height(s, h);
        hs->next++;
    }
    s->is_reported = false;
    return 0;
}

int spv_bloom_scan_run(struct spv_bloom_scan *s, uint32_t available, bool at_tip,
                       struct spv_now now)
{
    if (!s->is_running)
        return 0;
    spv_source_heights_set_available(&s->heights, available, at_tip);
    int rc = bloom_scan_advance(s);
    while (rc == 0 && spv_source_heights_next_pass(&s->heights)) {
        spv_bloom_drop_heights(s, 0);
        rc = bloom_scan_advance(s);
    }
    if (rc == 0)
        rc = s->refused;
    if (rc == 0)
        rc = spv_bloom_schedule(s, now);
    if (rc == 0)
        rc = spv_bloom_want_whole(s, now);
    if (rc == 0 && at_tip && s->heights.next > spv_source_heights_end(&s->heights))
        rc = spv_bloom_send_mempools(s);
    return rc;
}

void spv_bloom_scan_roll_back(struct spv_bloom_scan *s, uint32_t height)
{
    if (!s->is_running)
        return;
    const uint32_t next = s->heights.next;

    spv_bloom_drop_heights(s, height);
    spv_source_heights_roll_back(&s->heights, height);
    if (s->heights.next != next) /* the answers belong to another pass */
        spv_bloom_drop_heights(s, 0);
}

/* ---- events ---- */

static struct spv_bytes proof_of(const struct spv_bloom_height *h, const struct spv_bloom_found *f)
{
    const struct spv_bloom_answer *a = &h->answers[f->answers & 1 ? 0 : 1];

    return (struct spv_bytes){a->proof, a->n_proof};
}

static void report_match(struct spv_bloom_scan *s, struct spv_source_event *out)
{
    const struct spv_bloom_height *h = spv_bloom_find_height(s, s->heights.next);

    *out = (struct spv_source_event){
        .kind = SPV_SOURCE_EVENT_FOUND, .height = h->height, .hash = h->hash};
    if (h->block) {
        (void)spv_block_parse(&s->block, h->block, h->n_block); /* was parsed before */
        out->block = &s->block;
    } else {
        for (size_t i = 0; i < h->found.n; i++) {
            const struct spv_bloom_found *f = &h->found.list[i];
            s->views[i] = (struct spv_proven_tx){.position = f->position,
                                                 .stripped = true,
                                                 .depth_proven = true,
                                                 .proof = proof_of(h, f)};
            (void)spv_tx_parse(&s->views[i].tx, f->bytes, f->n); /* was parsed before */
        }
        out->txs = s->views;
        out->n_txs = h->found.n;
    }
    spv_source_heights_reported(&s->heights, h->height);
    s->is_reported = true;
    s->stats.matches++;
}

int spv_bloom_scan_next(struct spv_bloom_scan *s, struct spv_source_event *out)
{
    if (!s->is_running || s->is_reported)
        return 0;
    if (spv_source_heights_take_rolled_back(&s->heights, out))
        return 1;
    if (!s->is_ready)
        return spv_source_heights_take_done(&s->heights, out);
    s->is_ready = false;
    report_match(s, out);
    return 1;
}

void spv_bloom_scan_get_stats(const struct spv_bloom_scan *s, struct spv_bloom_scan_stats *out)
{
    *out = s->stats;
    out->running = s->is_running;
    out->first = s->heights.first;
    out->last = s->heights.last;
    out->height = s->heights.is_second_pass ? s->heights.main_next : s->heights.next;
    out->left = spv_source_heights_left(&s->heights);
    out->items = s->items.n;
    out->is_matching = true;
    out->rate = spv_bloom_rate_of(s, s->items.n);
    out->memory = sizeof *s + s->buffered_bytes + spv_bloom_items_memory(&s->items) +
                  s->cap_views * sizeof *s->views;
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(s->cfg.peers, p));) {
        out->peers += p->bloom && p->bloom->version;
        out->is_matching &= !p->bloom || !p->bloom->version || p->bloom->version == s->version;
        out->memory += p->bloom ? sizeof *p->bloom : 0;
    }
}
