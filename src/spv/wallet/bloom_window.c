/* The heights in progress, and the answers of peers for each. An answer is valid when the peer's
 * filter had the version that the height needs. With two answers, each transaction of one must be
 * in the other when it matches the other's filter; if not, the whole block is fetched, and shows
 * which peer left it out. */
#include <stdlib.h>
#include <string.h>

#include "spv/wallet/bloom_scan_state.h"
#include "util/array.h"

/* ---- buffers ---- */

void spv_bloom_free_found(struct spv_bloom_found_list *found)
{
    for (size_t i = 0; i < found->n; i++)
        free(found->list[i].bytes);
    free(found->list);
    *found = (struct spv_bloom_found_list){.list = NULL};
}

/* Discards an answer: it must be requested again. */
static void reset_answer(struct spv_bloom_scan *s, struct spv_bloom_height *h, size_t at)
{
    size_t n = 0;

    if (h->height == s->heights.next)
        s->is_ready = false;
    s->buffered_bytes -= h->answers[at].n_proof;
    free(h->answers[at].proof);
    h->answers[at] = (struct spv_bloom_answer){0};
    for (size_t i = 0; i < h->found.n; i++) {
        struct spv_bloom_found *f = &h->found.list[i];
        f->answers &= ~(1u << at);
        if (f->answers) {
            h->found.list[n++] = *f;
            continue;
        }
        s->buffered_bytes -= f->n;
        free(f->bytes);
    }
    h->found.n = n;
}

void spv_bloom_close_height(struct spv_bloom_scan *s, struct spv_bloom_height *h)
{
    s->n_whole -= h->wants_whole;
    if (h->wants_whole && !h->block)
        spv_block_fetch_cancel(s->cfg.blocks, SPV_BLOCKS_OF_COINS, &h->hash);
    for (size_t i = 0; i < SPV_BLOOM_ANSWERS; i++)
        reset_answer(s, h, i);
    free(h->found.list);
    s->buffered_bytes -= h->n_block;
    free(h->block);
    *h = (struct spv_bloom_height){0};
}

struct spv_bloom_height *spv_bloom_find_height(struct spv_bloom_scan *s, uint32_t height)
{
    struct spv_bloom_height *h = &s->window[height % SPV_BLOOM_WINDOW];

    return height != 0 && h->height == height ? h : NULL;
}

int spv_bloom_open_height(struct spv_bloom_scan *s, struct spv_bloom_height **out, uint32_t height)
{
    struct spv_bloom_height *h = spv_bloom_find_height(s, height);
    struct spv_chain_header header;

    if (!h) {
        const int rc = spv_chain_header_at(s->cfg.chain, &header, height);
        if (rc <= 0)
            return rc;
        h = &s->window[height % SPV_BLOOM_WINDOW];
        spv_bloom_close_height(s, h);
        *h = (struct spv_bloom_height){.height = height, .hash = header.hash, .needed = s->version};
    }
    *out = h;
    return 1;
}

void spv_bloom_drop_heights(struct spv_bloom_scan *s, uint32_t above)
{
    for (size_t i = 0; i < SPV_BLOOM_WINDOW; i++)
        if (s->window[i].height > above)
            spv_bloom_close_height(s, &s->window[i]);
    if (s->heights.next > above)
        s->is_ready = s->is_reported = false;
}

/* ---- versions ---- */

void spv_bloom_need_version(struct spv_bloom_scan *s, uint32_t from)
{
    for (size_t i = 0; i < SPV_BLOOM_WINDOW; i++) {
        struct spv_bloom_height *h = &s->window[i];
        if (!h->height || h->height < from)
            continue;
        h->needed = s->version;
        if (h->height == s->heights.next)
            s->is_ready = s->is_reported = false; /* the block must be reported again */
        for (size_t a = 0; a < SPV_BLOOM_ANSWERS; a++) {
            if (!h->answers[a].has_come || h->answers[a].version >= h->needed)
                continue;
            reset_answer(s, h, a);
            s->stats.again++;
        }
    }
}

int spv_bloom_watch_outputs(struct spv_bloom_scan *s, const struct spv_tx *tx,
                            const struct spv_txid *txid, uint32_t height)
{
    const uint32_t version = spv_bloom_next_version(s);
    struct spv_tx_iter outputs = spv_tx_outputs(tx);
    struct spv_tx_output output;
    int added = 0, rc = 0;

    for (uint32_t i = 0; rc >= 0 && spv_tx_next_output(&outputs, &output); i++) {
        if (spv_bloom_items_match_script(&s->items, &output.script) == 0)
            continue;
        rc = spv_bloom_items_add_outpoint(&s->items, txid, i, version);
        added += rc > 0;
    }
    if (rc >= 0 && added > 0) {
        rc = spv_bloom_insert_new(s);
        spv_bloom_need_version(s, height);
        /* in a second pass: heights outside its ranges may spend them */
        spv_source_heights_rescan(&s->heights, height, s->heights.next);
    }
    return rc < 0 ? rc : 0;
}

/* ---- answers ---- */

struct spv_bloom_answer *spv_bloom_answer_of(struct spv_bloom_height *h, uint64_t peer)
{
    for (size_t i = 0; i < SPV_BLOOM_ANSWERS; i++)
        if (h->answers[i].peer == peer)
            return &h->answers[i];
    return NULL;
}

struct spv_bloom_answer *spv_bloom_open_answer(const struct spv_bloom_scan *s,
                                               struct spv_bloom_height *h, uint64_t peer)
{
    const size_t n = s->cfg.cross_check ? SPV_BLOOM_ANSWERS : 1;

    if (h->wants_whole || spv_bloom_answer_of(h, peer))
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (!h->answers[i].peer)
            return &h->answers[i];
    return NULL;
}

bool spv_bloom_cancel_answer(struct spv_bloom_scan *s, uint32_t height,
                             const struct spv_blockhash *hash, uint64_t peer)
{
    struct spv_bloom_height *h = spv_bloom_find_height(s, height);
    struct spv_bloom_answer *a =
        h && spv_blockhash_eq(&h->hash, hash) ? spv_bloom_answer_of(h, peer) : NULL;

    if (!a || a->has_come)
        return false;
    *a = (struct spv_bloom_answer){0};
    return true;
}

void spv_bloom_cancel_peer(struct spv_bloom_scan *s, uint64_t peer, bool with_answers)
{
    for (size_t i = 0; i < SPV_BLOOM_WINDOW; i++) {
        struct spv_bloom_height *h = &s->window[i];
        struct spv_bloom_answer *a = h->height ? spv_bloom_answer_of(h, peer) : NULL;
        if (a && (with_answers || !a->has_come))
            reset_answer(s, h, (size_t)(a - h->answers));
    }
}

static struct spv_bloom_found *find_found(struct spv_bloom_height *h, const struct spv_txid *txid)
{
    for (size_t i = 0; i < h->found.n; i++)
        if (memcmp(h->found.list[i].txid.b, txid->b, sizeof txid->b) == 0)
            return &h->found.list[i];
    return NULL;
}

/* Moves what was found into the entry. Returns 0, or SPV_ERR_NOMEM with nothing moved. */
static int merge_found(struct spv_bloom_scan *s, struct spv_bloom_height *h,
                       struct spv_bloom_found_list *found, unsigned bit)
{
    const size_t n = h->found.n + found->n;

    if (found->n == 0)
        return 0;
    struct spv_bloom_found *list = spv_array_grow(h->found.list, &h->found.cap, n, 4, sizeof *list);
    if (!list)
        return SPV_ERR_NOMEM;
    h->found.list = list;
    for (size_t i = 0; i < found->n; i++) {
        struct spv_bloom_found *f = &found->list[i], *known = find_found(h, &f->txid);
        if (known) {
            known->answers |= bit;
            free(f->bytes);
        } else {
            size_t at = h->found.n++;
            while (at > 0 && list[at - 1].position > f->position) {
                list[at] = list[at - 1];
                at--;
            }
            list[at] = *f;
            list[at].answers = bit;
            s->buffered_bytes += f->n;
        }
    }
    found->n = 0;
    return 0;
}

/* WATCH.md: "asks a second peer for what the first left out" */
static bool answers_differ(const struct spv_bloom_height *h)
{
    for (size_t i = 0; i < h->found.n; i++) {
        const struct spv_bloom_found *f = &h->found.list[i];
        for (size_t a = 0; a < SPV_BLOOM_ANSWERS; a++)
            if (h->answers[a].has_come && !(f->answers & 1u << a) &&
                f->version <= h->answers[a].version)
                return true;
    }
    return false;
}

/* Whether an output to the wallet has the amount from which on the whole block is fetched. */
static bool has_large_output(const struct spv_bloom_scan *s, const struct spv_bloom_height *h)
{
    for (size_t i = 0; s->cfg.whole_from > 0 && i < h->found.n; i++) {
        struct spv_tx_output output;
        struct spv_tx tx;
        if (spv_tx_parse(&tx, h->found.list[i].bytes, h->found.list[i].n) < 0)
            continue; /* cannot fail: it was parsed before */
        struct spv_tx_iter outputs = spv_tx_outputs(&tx);
        while (spv_tx_next_output(&outputs, &output))
            if (output.value >= s->cfg.whole_from &&
                spv_bloom_items_match_script(&s->items, &output.script) != 0)
                return true;
    }
    return false;
}

int spv_bloom_put_answer(struct spv_bloom_scan *s, struct spv_bloom_height *h,
                         struct spv_bloom_answer *answer, struct spv_bloom_reading *reading,
                         uint32_t version)
{
    const unsigned bit = 1u << (answer - h->answers);

    if (version < h->needed) { /* the height needs a newer version than when it was requested */
        *answer = (struct spv_bloom_answer){0};
        s->stats.again++;
        return 0;
    }
    const int rc = merge_found(s, h, &reading->found, bit);
    if (rc < 0)
        return rc;
    answer->has_come = true;
    answer->version = version;
    answer->proof = reading->proof;
    answer->n_proof = reading->n_proof;
    s->buffered_bytes += answer->n_proof;
    reading->proof = NULL;
    if (!h->wants_whole && (reading->wants_whole || answers_differ(h) || has_large_output(s, h))) {
        h->wants_whole = true;
        s->n_whole++;
    }
    return 0;
}

bool spv_bloom_is_complete(const struct spv_bloom_scan *s, const struct spv_bloom_height *h)
{
    const size_t n = s->cfg.cross_check ? SPV_BLOOM_ANSWERS : 1;

    if (h->block || h->wants_whole)
        return h->block != NULL;
    for (size_t i = 0; i < n; i++)
        if (!h->answers[i].has_come)
            return false;
    return true;
}

/* ---- whole blocks ---- */

int spv_bloom_want_whole(struct spv_bloom_scan *s, struct spv_now now)
{
    size_t n = 0;

    if (s->n_whole == 0)
        return 0;
    for (size_t i = 0; i < SPV_BLOOM_WINDOW; i++)
        n += s->window[i].is_whole_requested && !s->window[i].block;
    for (uint32_t i = 0; i < SPV_BLOOM_WINDOW; i++) {
        struct spv_bloom_height *h = spv_bloom_find_height(s, s->heights.next + i);
        if (!h || !h->wants_whole || h->is_whole_requested)
            continue;
        /* all received whole blocks may be above the next height, which they wait for */
        if (i > 0 && (n >= SPV_BLOOM_MAX_WHOLE || s->buffered_bytes >= SPV_BLOOM_BUFFER_BYTES))
            return 0;
        const int rc =
            spv_block_fetch_want(s->cfg.blocks, SPV_BLOCKS_OF_COINS, &h->hash, h->height, now);
        if (rc < 0)
            return rc == SPV_ERR_TOO_MANY ? 0 : rc;
        h->is_whole_requested = true;
        n++;
    }
    return 0;
}
