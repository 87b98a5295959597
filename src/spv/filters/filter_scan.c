/* The main pass goes from the first height to the last, with all scripts that are watched when a
 * filter is matched. The heights that were matched without scripts that were added later are
 * remembered as missed ranges; when the main pass has reached its end, a catch-up pass goes over
 * these with the added scripts only, and may leave missed ranges of its own. Then the main pass
 * resumes.
 *
 *     heights:   finished | lowest (in progress) ... fetched_to | to be fetched ... end
 *
 * Filters arrive and are matched in any order; heights are finished in order, from `lowest` on. */
#include "spv/filters/filter_scan.h"

#include <stdlib.h>
#include <string.h>

#include "spv/filters/filter_scan_state.h"
#include "util/rng.h"

/* ---- creation ---- */

int spv_filter_scan_new(struct spv_filter_scan **out, const struct spv_filter_scan_config *cfg)
{
    const struct spv_filter_fetch_config fetch = {.params = cfg->params,
                                                  .chain = cfg->chain,
                                                  .peers = cfg->peers,
                                                  .effects = cfg->effects,
                                                  .filter_db = cfg->filter_db,
                                                  .knowledge = cfg->knowledge,
                                                  .timeout_us = cfg->timeout_us};
    struct spv_filter_scan *s = calloc(1, sizeof *s);

    *out = NULL;
    if (!s)
        return SPV_ERR_NOMEM;
    s->cfg = *cfg;
    s->rolled_back_to = UINT32_MAX;
    s->heights = calloc(SPV_SCAN_RING_HEIGHTS, 1);
    s->conflicts = calloc(SPV_SCAN_MAX_CONFLICTS, sizeof *s->conflicts);
    if (!s->heights || !s->conflicts || spv_filter_fetch_new(&s->fetch, &fetch) < 0) {
        spv_filter_scan_free(s);
        return SPV_ERR_NOMEM;
    }
    *out = s;
    return 0;
}

void spv_filter_scan_free(struct spv_filter_scan *s)
{
    if (!s)
        return;
    spv_filter_scan_stop(s);
    spv_scan_free_matching(s);
    spv_filter_fetch_free(s->fetch);
    free(s->heights);
    free(s->conflicts);
    free(s->candidates);
    free(s);
}

/* Chooses SPV_SCAN_SAMPLES random heights whose blocks are fetched although their filter does not
 * match, to detect invalid filters. The tip is known: filter headers are synced after the chain. */
static void choose_samples(struct spv_filter_scan *s)
{
    const uint32_t tip = spv_chain_tip(s->cfg.chain)->height, first = s->lowest;
    const uint32_t last = s->last < tip ? s->last : tip;

    memset(s->samples, 0, sizeof s->samples);
    s->samples_chosen = true;
    for (size_t i = 0; i < SPV_SCAN_SAMPLES && last >= first; i++)
        s->samples[i] = first + (uint32_t)spv_rng_below(&s->cfg.rng, (uint64_t)last - first + 1);
}

/* Sets the next height when none is in progress. */
static void set_lowest(struct spv_filter_scan *s, uint32_t lowest)
{
    s->lowest = lowest;
    s->fetched_to = s->top = s->queried_to = lowest - 1;
    s->query_is_old = true;
}

int spv_filter_scan_begin(struct spv_filter_scan *s, const struct spv_bytes *scripts, size_t n,
                          uint32_t first, uint32_t last, struct spv_now now)
{
    if (s->watch)
        return SPV_ERR_STATE;
    if (first == 0 || first > last)
        return SPV_ERR_INVALID;
    int rc = spv_scan_watch_new(&s->watch, &s->cfg.rng);
    if (rc == 0)
        rc = spv_scan_watch_add(s->watch, scripts, n);
    if (rc == 0 && spv_scan_watch_count(s->watch) == 0 && !s->cfg.keep)
        rc = SPV_ERR_INVALID;
    if (rc < 0) {
        spv_scan_watch_free(s->watch);
        s->watch = NULL;
        return rc;
    }
    s->first = first;
    s->last = last;
    s->catch_up = false;
    s->ranges.n = s->missed.n = 0;
    s->first_script = 0;
    s->rolled_back_to = UINT32_MAX;
    s->reported_to = 0;
    s->done_reported = false;
    s->invalid_height = 0;
    s->stats = (struct spv_scan_stats){0};
    memset(s->heights, SPV_SCAN_IS_MISSING, SPV_SCAN_RING_HEIGHTS);
    set_lowest(s, first);
    s->samples_chosen = false;
    s->range_known = false;
    s->keeps_only = s->cfg.keep && s->cfg.keep_bytes && spv_scan_watch_count(s->watch) == 0;
    s->window_first = 0;
    s->largest_filter = 0;
    s->first_checkable = 1;
    for (struct spv_peer_entry *p = NULL; rc == 0 && (p = spv_peer_table_next(s->cfg.peers, p));)
        rc = spv_filter_fetch_add(s->fetch, p->id, now);
    return rc;
}

void spv_filter_scan_stop(struct spv_filter_scan *s)
{
    if (!s->watch)
        return;
    spv_filter_fetch_rollback(s->fetch, 0);
    spv_scan_free_filters(s);
    spv_scan_remove_candidates_above(s, 0);
    spv_scan_forget_search(s);
    spv_scan_watch_free(s->watch);
    s->watch = NULL;
    s->query_is_old = true;
    s->invalid_height = 0;
}

/* ---- passes ---- */

/* The last height that the pass can reach now. */
static uint32_t pass_end(const struct spv_filter_scan *s)
{
    if (s->catch_up)
        return s->ranges.list[0].last;
    return s->last < s->available ? s->last : s->available;
}

static void begin_catch_up(struct spv_filter_scan *s)
{
    s->catch_up = true;
    s->main_next = s->lowest;
    s->ranges = s->missed;
    s->missed.n = 0;
    s->first_script = s->missed_script;
    set_lowest(s, s->ranges.list[0].first);
}

/* The next missed range, or the main pass again. */
static void next_range(struct spv_filter_scan *s)
{
    if (s->ranges.n > 0)
        spv_scan_ranges_remove_first(&s->ranges);
    if (s->ranges.n > 0) {
        set_lowest(s, s->ranges.list[0].first);
        return;
    }
    s->catch_up = false;
    s->first_script = 0;
    set_lowest(s, s->main_next);
}

/* Scripts from number `script` on are searched for again in the heights from `from` on that were
 * already passed. */
static void search_passed(struct spv_filter_scan *s, size_t script, uint32_t from)
{
    const uint32_t first = from > s->first_checkable ? from : s->first_checkable;
    uint32_t passed = s->queried_to > s->lowest - 1 ? s->queried_to : s->lowest - 1;

    s->query_is_old = true;
    s->done_reported = false;
    if (!s->window_first) /* not begun at the tip yet: it goes up from its first height */
        s->keeps_only = false;
    if (s->catch_up)
        passed = s->main_next - 1;
    if (first > passed)
        return;
    if (s->missed.n == 0 || script < s->missed_script)
        s->missed_script = script;
    spv_scan_ranges_add(&s->missed, first, passed);
}

int spv_filter_scan_add(struct spv_filter_scan *s, const struct spv_bytes *scripts, size_t n,
                        uint32_t from)
{
    if (!s->watch)
        return SPV_ERR_STATE;
    const size_t before = spv_scan_watch_count(s->watch);
    const int rc = spv_scan_watch_add(s->watch, scripts, n);

    if (spv_scan_watch_count(s->watch) > before)
        search_passed(s, before, from);
    return rc;
}

int spv_filter_scan_search(struct spv_filter_scan *s, const struct spv_bytes *scripts, size_t n,
                           uint32_t from)
{
    if (!s->watch)
        return SPV_ERR_STATE;
    const int rc = spv_scan_watch_add(s->watch, scripts, n);
    const size_t first = spv_scan_watch_lowest(s->watch, scripts, n);

    s->done_reported = false;
    if (rc == 0 && first < spv_scan_watch_count(s->watch))
        search_passed(s, first, from);
    return rc;
}

void spv_filter_scan_rescan(struct spv_filter_scan *s, uint32_t first, uint32_t last)
{
    /* filters that wait to be matched arrived before the alternatives were known */
    const uint32_t passed = s->catch_up ? s->main_next - 1 : s->top;

    if (!s->watch || s->keeps_only)
        return;
    if (first < s->first)
        first = s->first;
    if (last > passed)
        last = passed;
    if (first > last)
        return;
    s->missed_script = 0;
    spv_scan_ranges_add(&s->missed, first, last);
    s->done_reported = false;
}

int spv_filter_scan_add_output(struct spv_filter_scan *s, const struct spv_txid *txid,
                               uint32_t index, const struct spv_bytes *script)
{
    if (!s->watch)
        return SPV_ERR_STATE;
    s->query_is_old = true;
    return spv_scan_watch_add_output(s->watch, txid, index, script);
}

/* ---- heights ---- */

static void next_height(struct spv_filter_scan *s)
{
    *spv_scan_state_of(s, s->lowest) = SPV_SCAN_IS_MISSING; /* the slot is for another height now */
    s->lowest++;
}

/* Searches the block at `lowest` once it was fetched. 1: it is to be reported; 0: not, or not yet.
 */
static int search_lowest(struct spv_filter_scan *s)
{
    const struct spv_scan_candidate *candidate = spv_scan_lowest_candidate(s);

    if (!candidate || !candidate->block || s->invalid_height)
        return 0;
    const int rc = s->is_searched ? 0 : spv_scan_search_candidate(s, candidate);
    return rc < 0 ? rc : spv_scan_is_found(s);
}

/* Passes over finished heights up to the next block that is to be reported. Returns as
 * search_lowest. */
static int scan_advance(struct spv_filter_scan *s)
{
    while (s->lowest <= pass_end(s) && s->lowest <= s->top) {
        const enum spv_scan_height state = *spv_scan_state_of(s, s->lowest);
        switch (state) {
        case SPV_SCAN_IS_MISSING:
        case SPV_SCAN_IS_WAITING:
        case SPV_SCAN_IS_CONFLICT:
            return 0;
        case SPV_SCAN_IS_UNMATCHED:
            break;
        case SPV_SCAN_IS_CANDIDATE: {
            const int rc = search_lowest(s);
            if (rc != 0 || !s->is_searched)
                return rc;
            spv_scan_remove_lowest_candidate(s);
            break;
        }
        }
        next_height(s);
    }
    return 0;
}

/* The same, and begins the next pass when one has reached its end. */
static int scan_advance_passes(struct spv_filter_scan *s)
{
    int rc = scan_advance(s);

    while (rc == 0 && s->lowest > pass_end(s) &&
           (s->catch_up || s->missed.n > 0 || spv_scan_keep_next(s))) {
        if (s->catch_up)
            next_range(s);
        else
            begin_catch_up(s);
        rc = scan_advance(s);
    }
    return rc;
}

/* A filter is checked with the filter header of the previous block: heights without one are left
 * out. */
static int skip_unstored(struct spv_filter_scan *s)
{
    const struct spv_filter_db *db = &s->cfg.filter_db;
    uint32_t first, last;

    if (!db->range || s->range_known || s->available == 0)
        return 0;
    const int rc = db->range(db->ctx, &first, &last);
    if (rc <= 0)
        return rc;
    s->range_known = true;
    s->first_checkable = first + 1;
    spv_scan_ranges_remove_below(&s->missed, s->first_checkable);
    if (s->first < s->first_checkable) { /* nothing is in progress yet */
        s->first = s->first_checkable;
        set_lowest(s, s->first_checkable);
    }
    return 0;
}

static int begin_fetch(struct spv_filter_scan *s, struct spv_now now)
{
    const uint32_t end = pass_end(s), first = s->fetched_to + 1;

    if (s->keeps_only && !s->window_first) /* it waits for the tip */
        return 0;
    if (!spv_filter_fetch_done(s->fetch) || s->fetched_to >= end)
        return 0;
    /* no result depends on filters that are only kept, and their peers may not serve old blocks */
    if (!s->samples_chosen && !s->keeps_only)
        choose_samples(s);
    s->fetched_to = end;
    if (end > s->top)
        s->top = end;
    return spv_filter_fetch_begin(s->fetch, first, end, now);
}

static int set_limit(struct spv_filter_scan *s, struct spv_now now)
{
    const uint32_t ring = UINT32_MAX - s->lowest < SPV_SCAN_RING_HEIGHTS
                              ? UINT32_MAX
                              : s->lowest + SPV_SCAN_RING_HEIGHTS - 1;

    return spv_filter_fetch_limit(s->fetch, s->lowest,
                                  s->buffered_bytes < SPV_SCAN_MAX_BUFFERED_BYTES ? ring : 0, now);
}

static int read_kept(struct spv_filter_scan *s, struct spv_now now)
{
    struct spv_fetched_filter filter;
    int rc = set_limit(s, now);

    while (rc == 0 && (rc = spv_filter_fetch_read(s->fetch, &filter, now)) == 1) {
        rc = spv_scan_take_filter(s, &filter, now);
        if (rc == 0)
            rc = set_limit(s, now);
    }
    return rc;
}

int spv_filter_scan_run(struct spv_filter_scan *s, uint32_t available, bool at_tip,
                        struct spv_now now)
{
    if (available > s->available)
        s->done_reported = false;
    s->available = available;
    s->at_tip = at_tip;
    if (!s->watch)
        return 0;
    if (s->is_reported) {
        spv_scan_remove_lowest_candidate(s);
        next_height(s);
    }
    int rc = skip_unstored(s);
    if (s->keeps_only && !s->window_first && spv_scan_keep_begin(s))
        set_lowest(s, s->window_first);
    if (rc == 0)
        rc = spv_scan_take_missing(s);
    if (rc == 0)
        rc = scan_advance_passes(s);
    if (rc >= 0)
        rc = begin_fetch(s, now);
    if (rc >= 0)
        rc = read_kept(s, now);
    if (rc >= 0)
        rc = spv_scan_match(s);
    if (rc >= 0)
        rc = spv_scan_want_blocks(s, now);
    return rc < 0 ? rc : 0;
}

/* ---- events ---- */

static void report_match(struct spv_filter_scan *s, struct spv_scan_event *out)
{
    const struct spv_scan_candidate *candidate = spv_scan_lowest_candidate(s);

    *out = (struct spv_scan_event){.kind = SPV_SCAN_FOUND,
                                   .height = candidate->height,
                                   .hash = candidate->hash,
                                   .positions = s->positions,
                                   .n = s->n_positions};
    (void)spv_block_parse(&out->block, candidate->block, candidate->n_block);
    s->is_reported = true;
    if (candidate->height > s->reported_to)
        s->reported_to = candidate->height;
    s->stats.found++;
}

int spv_filter_scan_next(struct spv_filter_scan *s, struct spv_scan_event *out)
{
    if (!s->watch)
        return 0;
    if (s->rolled_back_to != UINT32_MAX) {
        *out = (struct spv_scan_event){.kind = SPV_SCAN_ROLLED_BACK, .height = s->rolled_back_to};
        s->rolled_back_to = UINT32_MAX;
        return 1;
    }
    if (spv_scan_is_found(s)) {
        if (s->is_reported)
            return 0;
        report_match(s, out);
        return 1;
    }
    if (s->catch_up || s->missed.n > 0 || s->done_reported || s->lowest <= pass_end(s) ||
        (s->lowest <= s->last && !s->at_tip))
        return 0;
    *out = (struct spv_scan_event){.kind = SPV_SCAN_DONE, .height = s->lowest - 1};
    s->done_reported = true;
    return 1;
}

int spv_filter_scan_get_invalid(const struct spv_filter_scan *s, uint32_t *height, int *error)
{
    if (!s->invalid_height)
        return 0;
    *height = s->invalid_height;
    *error = s->invalid_error;
    return 1;
}

/* ---- reorganisations ---- */

/* Filters above a height are to be fetched again, and those below that have not arrived. */
static void forget_heights_above(struct spv_filter_scan *s, uint32_t height)
{
    uint32_t next = s->lowest;

    while (s->top > height && s->top >= s->lowest) {
        if (s->top - s->lowest < SPV_SCAN_RING_HEIGHTS)
            *spv_scan_state_of(s, s->top) = SPV_SCAN_IS_MISSING;
        s->top--;
    }
    while (next <= s->top && next - s->lowest < SPV_SCAN_RING_HEIGHTS &&
           *spv_scan_state_of(s, next) != SPV_SCAN_IS_MISSING)
        next++;
    s->fetched_to = next - 1;
    if (s->queried_to > height)
        s->queried_to = height;
}

void spv_filter_scan_rollback(struct spv_filter_scan *s, uint32_t height)
{
    if (s->available > height)
        s->available = height;
    if (!s->watch)
        return;
    spv_filter_fetch_rollback(s->fetch, height);
    spv_scan_remove_filters_above(s, height);
    spv_scan_remove_candidates_above(s, height);
    if (s->invalid_height > height)
        s->invalid_height = 0;
    if ((s->done_reported && s->lowest - 1 > height) || s->reported_to > height) {
        if (height < s->rolled_back_to)
            s->rolled_back_to = height;
        if (s->reported_to > height)
            s->reported_to = height;
    }
    s->done_reported = false;
    spv_scan_ranges_truncate(&s->missed, height);
    forget_heights_above(s, height);
    if (s->catch_up) {
        spv_scan_ranges_truncate(&s->ranges, height);
        if (s->main_next > height + 1)
            s->main_next = height + 1 > s->first ? height + 1 : s->first;
        if (s->ranges.n == 0)
            next_range(s);
    } else if (s->lowest > height + 1) {
        set_lowest(s, height + 1 > s->first ? height + 1 : s->first);
    }
    if (s->window_first > height + 1)
        s->window_first = height + 1 > s->first ? height + 1 : s->first;
}

/* ---- inputs ---- */

int spv_filter_scan_add_peer(struct spv_filter_scan *s, uint64_t id, struct spv_now now)
{
    return s->watch ? spv_filter_fetch_add(s->fetch, id, now) : 0;
}

int spv_filter_scan_remove_peer(struct spv_filter_scan *s, uint64_t id, struct spv_now now)
{
    return spv_filter_fetch_remove(s->fetch, id, now);
}

int spv_filter_scan_schedule(struct spv_filter_scan *s, struct spv_now now)
{
    return s->watch ? spv_filter_fetch_schedule(s->fetch, now) : 0;
}

int spv_filter_scan_cfilter(struct spv_filter_scan *s, uint64_t id,
                            const struct spv_msg_cfilter *msg, struct spv_now now)
{
    struct spv_fetched_filter filter;
    int rc = spv_filter_fetch_recv(s->fetch, &filter, id, msg, now);

    if (rc == SPV_FILTER_USED) {
        rc = spv_scan_take_filter(s, &filter, now);
        return rc < 0 ? rc : 1;
    }
    return rc < 0 ? rc : rc != SPV_FILTER_UNSOLICITED;
}

int spv_filter_scan_matched(struct spv_filter_scan *s)
{
    return spv_scan_take_results(s);
}

int spv_filter_scan_timer(struct spv_filter_scan *s, struct spv_now now)
{
    return spv_filter_fetch_timer(s->fetch, now);
}

uint64_t spv_filter_scan_deadline(const struct spv_filter_scan *s)
{
    return spv_filter_fetch_deadline(s->fetch);
}

int spv_filter_scan_next_disconnect(struct spv_filter_scan *s, struct spv_disconnect *out)
{
    return spv_filter_fetch_next_disconnect(s->fetch, out);
}

static uint32_t count_heights(const struct spv_scan_ranges *ranges)
{
    uint32_t n = 0;

    for (size_t i = 0; i < ranges->n; i++)
        n += ranges->list[i].last - ranges->list[i].first + 1;
    return n;
}

uint32_t spv_filter_scan_left(const struct spv_filter_scan *s)
{
    const uint32_t tip = spv_chain_tip(s->cfg.chain)->height;
    const uint32_t end = s->last < tip ? s->last : tip;
    const uint32_t next = s->catch_up ? s->main_next : s->lowest;
    uint32_t left = next <= end ? end - next + 1 : 0;

    if (!s->watch)
        return 0;
    left += count_heights(&s->missed);
    if (s->catch_up) /* the first range is in progress */
        left += count_heights(&s->ranges) - (s->lowest - s->ranges.list[0].first);
    return left;
}

uint32_t spv_filter_scan_first_checkable(const struct spv_filter_scan *s)
{
    return s->first_checkable;
}

void spv_filter_scan_get_stats(const struct spv_filter_scan *s, struct spv_scan_stats *out)
{
    *out = s->stats;
    out->running = s->watch != NULL;
    out->first = s->first;
    out->last = s->last;
    out->next_height = s->catch_up ? s->main_next : s->lowest;
    out->scripts = s->watch ? spv_scan_watch_count(s->watch) : 0;
    out->memory =
        sizeof *s + SPV_SCAN_RING_HEIGHTS + SPV_SCAN_MAX_CONFLICTS * sizeof *s->conflicts +
        s->buffered_bytes + s->block_bytes + s->cap_candidates * sizeof *s->candidates +
        (s->pending.cap + s->matching.cap + s->keeping.cap) * sizeof *s->pending.list +
        s->cap_views * (sizeof *s->views + sizeof *s->results) + spv_filter_fetch_memory(s->fetch);
}
