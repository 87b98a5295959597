/* Filters wait until no MATCH_FILTERS effect is unanswered, and then go into the next one together.
 * The block of a height with several filters (a conflict) is fetched if any of them matches or
 * cannot be obtained. */
#include <stdlib.h>
#include <string.h>

#include "spv/filters/filter_scan_state.h"
#include "util/array.h"

static void free_bytes(struct spv_filter_scan *s, struct spv_scan_filter *f)
{
    if (f->bytes)
        s->buffered_bytes -= f->n;
    free(f->bytes);
    f->bytes = NULL;
}

/* Returns SPV_ERR_NOMEM with nothing changed. */
static int push_pending(struct spv_filter_scan *s, const struct spv_fetched_filter *f)
{
    struct spv_scan_filters *p = &s->pending;
    struct spv_scan_filter *list = spv_array_grow(p->list, &p->cap, p->n + 1, 64, sizeof *list);

    if (!list)
        return SPV_ERR_NOMEM;
    p->list = list;
    uint8_t *bytes = malloc(f->filter.n + 1);
    if (!bytes)
        return SPV_ERR_NOMEM;
    if (f->filter.n > 0)
        memcpy(bytes, f->filter.bytes, f->filter.n);
    list[p->n++] = (struct spv_scan_filter){.height = f->height,
                                            .hash = f->hash,
                                            .block = f->filter.block,
                                            .bytes = bytes,
                                            .n = f->filter.n,
                                            .is_alternative = f->is_alternative,
                                            .is_kept = f->is_kept};
    s->buffered_bytes += f->filter.n;
    if (f->filter.n > s->largest_filter)
        s->largest_filter = f->filter.n;
    s->stats.filters++;
    s->stats.filter_bytes += f->filter.n;
    s->stats.filters_kept += f->is_kept;
    return 0;
}

/* ---- heights with several filters ---- */

static struct spv_scan_conflict *find_conflict(struct spv_filter_scan *s, uint32_t height)
{
    for (size_t i = 0; i < s->n_conflicts; i++)
        if (s->conflicts[i].height == height)
            return &s->conflicts[i];
    return NULL;
}

static void remove_conflict(struct spv_filter_scan *s, struct spv_scan_conflict *a)
{
    if (a->stored)
        s->buffered_bytes -= a->n_stored;
    free(a->stored);
    *a = s->conflicts[--s->n_conflicts];
}

/* The block is to be fetched, whether or not its other filters match. */
static int add_conflict_candidate(struct spv_filter_scan *s, struct spv_scan_conflict *a)
{
    const int rc = spv_scan_add_candidate(s, a->height, &a->block, a->stored, a->n_stored);

    if (rc < 0)
        return rc;
    a->stored = NULL; /* owned by the candidate now */
    remove_conflict(s, a);
    return 0;
}

/* Whether the block is fetched although its filter does not match. */
static bool is_sample(struct spv_filter_scan *s, uint32_t height)
{
    for (size_t i = 0; i < SPV_SCAN_SAMPLES; i++) {
        if (s->samples[i] != height)
            continue;
        s->samples[i] = 0;
        s->stats.samples++;
        return true;
    }
    return false;
}

static int scan_on_no_match(struct spv_filter_scan *s, uint32_t height,
                            const struct spv_blockhash *hash, uint8_t **filter, size_t n)
{
    if (is_sample(s, height)) {
        const int rc = spv_scan_add_candidate(s, height, hash, *filter, n);
        if (rc < 0)
            return rc;
        *filter = NULL;
        spv_scan_set_sample(s, height);
        return 0;
    }
    *spv_scan_state_of(s, height) = SPV_SCAN_IS_UNMATCHED;
    return 0;
}

/* Adds the candidate once the block is wanted and the stored filter arrived or cannot be obtained;
 * ends the conflict when no filter matches. */
static int resolve_conflict(struct spv_filter_scan *s, struct spv_scan_conflict *a)
{
    size_t n_no_match = 0;

    if (a->wants_block)
        return a->has_stored ? add_conflict_candidate(s, a) : 0;
    for (size_t i = 0; i < a->n; i++)
        n_no_match += a->no_match[i];
    if (n_no_match < a->n)
        return 0;
    const int rc = scan_on_no_match(s, a->height, &a->block, &a->stored, a->n_stored);
    if (rc == 0)
        remove_conflict(s, a);
    return rc;
}

/* The hash of the stored filter: of the fetched filter, or from the database. 1: it is known. */
static int stored_hash(const struct spv_filter_scan *s, struct spv_filter_hash *out,
                       const struct spv_fetched_filter *f)
{
    const struct spv_filter_db *db = &s->cfg.filter_db;

    if (f->is_alternative)
        return db->headers(db->ctx, NULL, out, f->height, 1);
    *out = f->hash;
    return 1;
}

static bool has_hash(const struct spv_scan_conflict *a, const struct spv_filter_hash *hash)
{
    for (size_t i = 0; i < a->n; i++)
        if (spv_filter_hash_eq(&a->hashes[i], hash))
            return true;
    return false;
}

/* The first filter of a height that has n alternatives. */
static int begin_conflict(struct spv_filter_scan *s, const struct spv_fetched_filter *f,
                          const struct spv_filter_hash *alternatives, size_t n, struct spv_now now)
{
    struct spv_scan_conflict a = {.height = f->height, .block = f->filter.block, .n = 1};
    int rc = stored_hash(s, &a.hashes[0], f);

    if (rc < 0)
        return rc;
    if (rc == 0 || s->n_conflicts == SPV_SCAN_MAX_CONFLICTS)
        return spv_scan_add_candidate(s, f->height, &f->filter.block, NULL, 0);
    for (size_t i = 0; i < n; i++)
        if (!has_hash(&a, &alternatives[i]))
            a.hashes[a.n++] = alternatives[i];
    rc = push_pending(s, f);
    if (rc < 0)
        return rc;
    struct spv_scan_conflict *kept = &s->conflicts[s->n_conflicts++];
    *kept = a;
    *spv_scan_state_of(s, f->height) = SPV_SCAN_IS_CONFLICT;
    for (size_t i = 0; i < a.n; i++) {
        if (spv_filter_hash_eq(&a.hashes[i], &f->hash))
            continue;
        rc = spv_filter_fetch_want_alternative(s->fetch, f->height, &a.hashes[i], now);
        if (rc == SPV_ERR_TOO_MANY)
            return add_conflict_candidate(s, kept);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int spv_scan_take_filter(struct spv_filter_scan *s, const struct spv_fetched_filter *f,
                         struct spv_now now)
{
    const struct spv_filter_knowledge *k = &s->cfg.knowledge;
    struct spv_filter_hash alternatives[SPV_FILTER_MAX_BRANCHES];

    if (!spv_scan_in_progress(s, f->height))
        return 0;
    uint8_t *state = spv_scan_state_of(s, f->height);
    if (*state == SPV_SCAN_IS_CONFLICT)
        return push_pending(s, f);
    if (*state != SPV_SCAN_IS_MISSING)
        return 0; /* received before */
    const size_t n = k->alternatives ? k->alternatives(k->ctx, alternatives, f->height) : 0;
    if (n > 0 || f->is_alternative)
        return begin_conflict(s, f, alternatives, n, now);
    const int rc = push_pending(s, f);
    if (rc == 0)
        *state = SPV_SCAN_IS_WAITING;
    return rc;
}

int spv_scan_take_missing(struct spv_filter_scan *s)
{
    struct spv_filter_hash hash;
    uint32_t height;
    int rc = 0;

    while (rc == 0 && spv_filter_fetch_next_missing(s->fetch, &height, &hash)) {
        struct spv_scan_conflict *a = find_conflict(s, height);
        if (!a)
            continue;
        a->wants_block = true;
        a->has_stored |= spv_filter_hash_eq(&a->hashes[0], &hash);
        rc = resolve_conflict(s, a);
    }
    return rc;
}

/* ---- the matcher ---- */

static int reserve_views(struct spv_filter_scan *s, size_t n)
{
    size_t cap = s->cap_views;
    struct spv_filter *views = spv_array_grow(s->views, &cap, n, 64, sizeof *views);

    if (!views)
        return SPV_ERR_NOMEM;
    s->views = views;
    int *results = realloc(s->results, cap * sizeof *results);
    if (!results)
        return SPV_ERR_NOMEM; /* cap_views still holds for both */
    s->results = results;
    s->cap_views = cap;
    return 0;
}

static int make_query(struct spv_filter_scan *s)
{
    if (s->query && !s->query_is_old)
        return 0;
    spv_filter_query_free(s->query);
    s->query = NULL;
    const int rc = spv_scan_watch_query(s->watch, &s->query, s->first_script);
    s->query_is_old = rc < 0;
    return rc;
}

int spv_scan_match(struct spv_filter_scan *s)
{
    struct spv_scan_filters *m = &s->matching;
    const struct spv_scan_filters empty = *m;

    if (s->is_matching || s->pending.n == 0)
        return 0;
    int rc = reserve_views(s, s->pending.n);
    if (rc == 0)
        rc = make_query(s);
    if (rc < 0)
        return rc;
    *m = s->pending;
    s->pending = empty;
    for (size_t i = 0; i < m->n; i++) {
        s->views[i] = (struct spv_filter){
            .block = m->list[i].block, .bytes = m->list[i].bytes, .n = m->list[i].n};
        if (m->list[i].height > s->queried_to)
            s->queried_to = m->list[i].height;
    }
    struct spv_effect *e = spv_effects_push(s->cfg.effects, SPV_EFFECT_MATCH_FILTERS, 0);
    if (!e)
        return s->cfg.effects->error;
    e->match = (struct spv_match_filters_task){
        .query = s->query, .filters = s->views, .results = s->results, .n = m->n};
    s->is_matching = true;
    return 0;
}

static int take_conflict_result(struct spv_filter_scan *s, struct spv_scan_filter *f, bool matches)
{
    struct spv_scan_conflict *a = find_conflict(s, f->height);
    size_t at = 0;

    if (!a)
        return 0;
    while (at < a->n && !spv_filter_hash_eq(&a->hashes[at], &f->hash))
        at++;
    if (at == a->n || (at == 0 ? a->has_stored : a->no_match[at]))
        return 0; /* of a branch that was removed meanwhile, or matched before */
    if (at == 0) {
        a->has_stored = true;
        a->stored = f->bytes;
        a->n_stored = f->n;
        f->bytes = NULL;
    }
    a->no_match[at] = !matches;
    a->wants_block |= matches;
    return resolve_conflict(s, a);
}

/* A filter with the right hash that cannot be decoded is invalid: its block is fetched, which
 * proves it. */
static int take_result(struct spv_filter_scan *s, struct spv_scan_filter *f, int result)
{
    if (result == SPV_ERR_NOMEM)
        return result;
    if (f->height == 0 || !spv_scan_in_progress(s, f->height))
        return 0;
    const uint8_t state = *spv_scan_state_of(s, f->height);
    if (state == SPV_SCAN_IS_CONFLICT)
        return take_conflict_result(s, f, result != 0);
    if (state != SPV_SCAN_IS_WAITING)
        return 0;
    if (result == 0)
        return scan_on_no_match(s, f->height, &f->block, &f->bytes, f->n);
    const int rc = spv_scan_add_candidate(s, f->height, &f->block, f->bytes, f->n);
    if (rc == 0)
        f->bytes = NULL;
    return rc;
}

/* ---- kept filters ---- */

static void free_keeping(struct spv_filter_scan *s)
{
    for (size_t i = 0; i < s->keeping.n; i++)
        free(s->keeping.list[i].bytes);
    s->keeping.n = 0;
}

static int reserve_kept(struct spv_filter_scan *s, size_t n)
{
    size_t cap = s->cap_kept;
    struct spv_filter *views = spv_array_grow(s->kept_views, &cap, n, 64, sizeof *views);

    if (!views)
        return SPV_ERR_NOMEM;
    s->kept_views = views;
    uint32_t *heights = realloc(s->kept_heights, cap * sizeof *heights);
    if (!heights)
        return SPV_ERR_NOMEM;
    s->kept_heights = heights;
    s->cap_kept = cap;
    return 0;
}

/* Emits KEEP_FILTERS for the filters that were matched. By their views, as some bytes will belong
 * to candidates. */
static int emit_keep(struct spv_filter_scan *s)
{
    const struct spv_scan_filters *m = &s->matching;
    const int rc = reserve_kept(s, m->n);
    size_t n = 0;

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < m->n; i++) {
        const struct spv_scan_filter *f = &m->list[i];
        /* those in a conflict are freed before the effect is executed, and may be invalid */
        if (f->height == 0 || f->is_kept || f->is_alternative || find_conflict(s, f->height))
            continue;
        s->kept_heights[n] = f->height;
        s->kept_views[n++] = s->views[i];
    }
    if (n == 0)
        return 0;
    struct spv_effect *e = spv_effects_push(s->cfg.effects, SPV_EFFECT_KEEP_FILTERS, 0);
    if (!e)
        return s->cfg.effects->error;
    e->keep = (struct spv_keep_filters_task){
        .heights = s->kept_heights, .filters = s->kept_views, .n = n};
    return 0;
}

int spv_scan_take_results(struct spv_filter_scan *s)
{
    struct spv_scan_filters *m = &s->matching;
    int rc = 0;

    if (!s->is_matching)
        return SPV_ERR_STATE;
    s->is_matching = false;
    free_keeping(s); /* the effect that needed them is older than MATCH_FILTERS */
    if (s->cfg.keep && s->watch)
        rc = emit_keep(s);
    for (size_t i = 0; i < m->n && rc == 0; i++)
        rc = take_result(s, &m->list[i], s->results[i]);
    for (size_t i = 0; i < m->n; i++)
        if (m->list[i].bytes)
            s->buffered_bytes -= m->list[i].n;
    const struct spv_scan_filters swap = s->keeping;
    s->keeping = *m;
    *m = swap;
    if (!s->cfg.keep)
        free_keeping(s);
    return rc;
}

/* ---- freeing ---- */

void spv_scan_remove_filters_above(struct spv_filter_scan *s, uint32_t height)
{
    size_t n = 0;

    for (size_t i = 0; i < s->pending.n; i++) {
        if (s->pending.list[i].height > height)
            free_bytes(s, &s->pending.list[i]);
        else
            s->pending.list[n++] = s->pending.list[i];
    }
    s->pending.n = n;
    for (size_t i = 0; i < s->matching.n; i++) /* being matched: the bytes stay */
        if (s->matching.list[i].height > height)
            s->matching.list[i].height = 0;
    for (size_t i = s->n_conflicts; i-- > 0;)
        if (s->conflicts[i].height > height)
            remove_conflict(s, &s->conflicts[i]);
}

void spv_scan_free_filters(struct spv_filter_scan *s)
{
    spv_scan_remove_filters_above(s, 0);
    free(s->pending.list);
    s->pending = (struct spv_scan_filters){0};
}

void spv_scan_free_matching(struct spv_filter_scan *s)
{
    for (size_t i = 0; i < s->matching.n; i++)
        free(s->matching.list[i].bytes);
    free_keeping(s);
    free(s->matching.list);
    free(s->keeping.list);
    free(s->views);
    free(s->results);
    free(s->kept_views);
    free(s->kept_heights);
    spv_filter_query_free(s->query);
}
