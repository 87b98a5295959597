/* Compares the answers (votes) of a round. The answer that most network groups agree on is used
 * once two groups gave it and no peer disagrees, or once it is that of the only group that answers.
 * Where answers differ, a dispute is resolved first. */
#include <stdlib.h>

#include "spv/filters/filter_sync_state.h"

/* ours: network groups that must contradict a built-in filter header before it may be the wrong one
 */
#define MIN_BUILT_IN_NETGROUPS 3

/* ---- counting ---- */

/* A set of network groups. */
struct netgroups {
    uint64_t group[SPV_NODE_MAX_PEERS];
    unsigned n;
};

static void add_netgroup(struct netgroups *g, uint64_t group)
{
    for (unsigned i = 0; i < g->n; i++)
        if (g->group[i] == group)
            return;
    g->group[g->n++] = group;
}

/* The index of the first value above our height in the round. */
static size_t first_value(const struct spv_filter_sync *fs)
{
    return fs->round.kind == SPV_FILTER_ROUND_CHECKPOINTS
               ? fs->round.our_height / SPV_CFCHECKPT_INTERVAL
               : 0;
}

static bool same_answer(const struct spv_filter_sync *fs, const struct spv_filter_answer *a,
                        const struct spv_filter_answer *b)
{
    const size_t from = first_value(fs);
    return a->n == b->n &&
           memcmp(a->values + from, b->values + from, (a->n - from) * sizeof a->values[0]) == 0;
}

/* Whether the peer's answer is a vote of this round: it has our filter header at our height, and
 * continues from there. */
static bool has_voted(const struct spv_filter_sync *fs, const struct spv_peer_entry *p,
                      struct spv_now now)
{
    return spv_filter_peer_can_vote(p, now) && p->filters.answer &&
           (p->filters.answer->command == SPV_CMD_CFCHECKPT ||
            (fs->round.kind == SPV_FILTER_ROUND_HASHES &&
             spv_filter_header_eq(&p->filters.answer->prev, &fs->top)));
}

static unsigned count_agreeing_netgroups(const struct spv_filter_sync *fs,
                                         const struct spv_filter_answer *a, struct spv_now now)
{
    struct netgroups g = {.n = 0};
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));)
        if (has_voted(fs, p, now) && same_answer(fs, p->filters.answer, a))
            add_netgroup(&g, p->group);
    return g.n;
}

/* A peer whose answer most network groups agree on; NULL: no peer has voted. */
static struct spv_peer_entry *find_largest_agreement(const struct spv_filter_sync *fs,
                                                     struct spv_now now)
{
    struct spv_peer_entry *best = NULL;
    unsigned most = 0;
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));) {
        if (!has_voted(fs, p, now))
            continue;
        const unsigned n = count_agreeing_netgroups(fs, p->filters.answer, now);
        if (n <= most)
            continue;
        most = n;
        best = p;
    }
    return best;
}

bool spv_filter_agree_pending(const struct spv_filter_sync *fs, struct spv_now now)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));)
        if (spv_filter_votes_pending(fs, p, now))
            return true;
    return false;
}

/* The number of network groups that must agree. One is enough when it is the only one that answers
 * and no other peer is expected soon. */
static unsigned agree_min_netgroups(struct spv_filter_sync *fs, struct spv_now now)
{
    struct netgroups g = {.n = 0};
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));)
        if (spv_filter_peer_can_vote(p, now) &&
            (p->filters.answer || spv_filter_votes_pending(fs, p, now)))
            add_netgroup(&g, p->group);
    if (g.n >= SPV_FILTER_MIN_NETGROUPS) {
        fs->single_netgroup_since_us = 0;
        return SPV_FILTER_MIN_NETGROUPS;
    }
    if (!fs->single_netgroup_since_us)
        fs->single_netgroup_since_us = now.mono_us ? now.mono_us : 1;
    return fs->more == SPV_MORE_PEERS_NONE ||
                   fs->single_netgroup_since_us + SPV_FILTER_SINGLE_NETGROUP_WAIT_US <= now.mono_us
               ? 1
               : SPV_FILTER_MIN_NETGROUPS;
}

bool spv_filter_agree_unsupported(struct spv_filter_sync *fs, struct spv_now now)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));)
        if (spv_filter_peer_can_vote(p, now))
            return false;
    return agree_min_netgroups(fs, now) == 1;
}

/* ---- built-in filter headers ---- */

static void disconnect_contradicting(struct spv_filter_sync *fs)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));)
        if (p->filters.contradicts_built_in)
            spv_filter_peers_disconnect(p, SPV_ERR_FILTER_BUILT_IN);
    fs->contradicted_us = 0;
}

/* Bans peers that contradict a built-in filter header. When every peer does, from three network
 * groups or more, the built-in one may be wrong: no peer is banned and filter sync stops. Returns
 * whether it does. */
static bool check_contradicting(struct spv_filter_sync *fs, struct spv_now now)
{
    struct netgroups g = {.n = 0};
    bool supported = false;
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));) {
        if (!spv_filter_peer_serves(p))
            continue;
        if (p->filters.contradicts_built_in)
            add_netgroup(&g, p->group);
        else
            supported |= p->filters.answer || p->filters.compared || p->filters.agrees;
    }
    if (!g.n)
        return false;
    if (!fs->contradicted_us)
        fs->contradicted_us = now.mono_us ? now.mono_us : 1;
    const bool more_may_come =
        fs->more != SPV_MORE_PEERS_NONE &&
        fs->contradicted_us + SPV_FILTER_SINGLE_NETGROUP_WAIT_US > now.mono_us;
    if (supported) {
        disconnect_contradicting(fs);
    } else if (!spv_filter_agree_pending(fs, now) && !more_may_come) {
        if (g.n < MIN_BUILT_IN_NETGROUPS) {
            disconnect_contradicting(fs);
            return false;
        }
        fs->phase = SPV_FILTER_SYNC_STOPPED;
        spv_filter_headers_warn(fs, SPV_WARN_FILTERS_BUILT_IN, 0, fs->contradicted);
        return true;
    }
    return false;
}

/* ---- branches ---- */

/* The number of network groups that support a branch, or with -1 the stored filter headers, up to
 * our height. */
static unsigned count_supporters(const struct spv_filter_sync *fs, int branch)
{
    struct netgroups g = {.n = 0};
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));) {
        const bool supports = branch >= 0
                                  ? p->filters.branch == (unsigned)branch + 1
                                  : p->filters.agrees && p->filters.agrees_height >= fs->height;
        if (supports && spv_filter_peer_serves(p))
            add_netgroup(&g, p->group);
    }
    return g.n;
}

int spv_filter_agree_preferred(const struct spv_filter_sync *fs, struct spv_now now)
{
    unsigned most = count_supporters(fs, -1);
    int best = -1;
    /* wait until all peers were compared, except those that do not answer in time */
    if (fs->round.kind != SPV_FILTER_ROUND_COMPARE || fs->n_exchanges == SPV_FILTER_MAX_EXCHANGES ||
        (spv_filter_agree_pending(fs, now) &&
         fs->round.start_us + SPV_FILTER_TIMEOUT_US > now.mono_us))
        return -1;
    if (most < SPV_FILTER_MIN_NETGROUPS - 1)
        most = SPV_FILTER_MIN_NETGROUPS - 1;
    for (int i = 0; i < SPV_FILTER_MAX_BRANCHES; i++) {
        const struct spv_filter_branch *b = &fs->branch[i];
        if (!b->n || b->frozen || b->unchecked || b->top_height != fs->height ||
            count_supporters(fs, i) <= most)
            continue;
        most = count_supporters(fs, i);
        best = i;
    }
    return best;
}

/* ---- disputes ---- */

/* Sets the side of every peer that voted or was compared, by its filter header of a height. */
static void set_sides(struct spv_filter_sync *fs, uint32_t height,
                      const struct spv_filter_header *ours, const struct spv_filter_header *theirs)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));) {
        struct spv_filter_header header;
        p->filters.side = SPV_FILTER_SIDE_NONE;
        if (!spv_filter_peer_serves(p) || p->filters.branch)
            continue;
        if (p->filters.answer && spv_filter_votes_header(p->filters.answer, &header, height))
            p->filters.side = spv_filter_header_eq(&header, ours)     ? SPV_FILTER_OURS
                              : spv_filter_header_eq(&header, theirs) ? SPV_FILTER_THEIRS
                                                                      : SPV_FILTER_SIDE_NONE;
        else if (p->filters.agrees && p->filters.agrees_height >= height)
            p->filters.side = SPV_FILTER_OURS;
    }
}

/* Begins a dispute with a peer that has another filter header at our height. Returns 1 when one has
 * begun. */
static int dispute_our_height(struct spv_filter_sync *fs, struct spv_now now)
{
    const uint32_t our_height = fs->round.our_height;
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));) {
        struct spv_filter_header header;
        struct spv_filter_checkpoint low = {.height = fs->start_height, .header = fs->start};
        const struct spv_filter_checkpoint ours = {.height = our_height, .header = fs->top};
        if (!spv_filter_peer_can_vote(p, now) || !p->filters.answer ||
            p->filters.answer->command != SPV_CMD_CFHEADERS ||
            !spv_filter_votes_header(p->filters.answer, &header, our_height) ||
            spv_filter_header_eq(&header, &fs->top))
            continue;
        if ((p->filters.agrees && p->filters.agrees_height >= our_height) ||
            our_height == fs->start_height) {
            spv_filter_peers_disconnect(p, SPV_ERR_FILTER_CONTRADICTION);
            continue;
        }
        if (p->filters.agrees && p->filters.agrees_height > low.height) {
            low.height = p->filters.agrees_height;
            const int rc = spv_filter_headers_at(fs, &low.header, low.height);
            if (rc < 0)
                return rc;
        }
        set_sides(fs, our_height, &fs->top, &header);
        spv_filter_dispute_begin(fs, p->id, &low, &ours, &header);
        return 1;
    }
    return 0;
}

static int dispute_hashes(struct spv_filter_sync *fs, const struct spv_filter_answer *ours,
                          const struct spv_peer_entry *p)
{
    const struct spv_filter_checkpoint low = {.height = fs->round.our_height, .header = fs->top};
    const struct spv_filter_checkpoint high = {.height = fs->round.stop, .header = ours->last};
    const struct spv_filter_answer *theirs = p->filters.answer;
    set_sides(fs, high.height, &ours->last, &theirs->last);
    spv_filter_dispute_begin(fs, p->id, &low, &high, &theirs->last);
    const int rc = spv_filter_dispute_set_hashes(fs, ours->values, theirs->values);
    return rc < 0 ? rc : 1;
}

/* values: our checkpoints. */
static int dispute_checkpoints(struct spv_filter_sync *fs, const struct spv_hash256 *values,
                               const struct spv_peer_entry *p)
{
    const struct spv_hash256 *theirs = p->filters.answer->values;
    const size_t first = first_value(fs);
    size_t i = first;
    while (memcmp(values[i].b, theirs[i].b, sizeof values[i].b) == 0)
        i++;
    struct spv_filter_checkpoint low = {.height = fs->round.our_height, .header = fs->top};
    int rc = 1;
    if (i > first)
        low = (struct spv_filter_checkpoint){.height = (uint32_t)i * SPV_CFCHECKPT_INTERVAL,
                                             .header = spv_filter_header_of(&values[i - 1])};
    else if (low.height != fs->height) /* ranges were stored meanwhile */
        rc = spv_filter_headers_at(fs, &low.header, low.height);
    if (rc < 0)
        return rc;
    const struct spv_filter_checkpoint high = {.height = (uint32_t)(i + 1) * SPV_CFCHECKPT_INTERVAL,
                                               .header = spv_filter_header_of(&values[i])};
    const struct spv_filter_header their_high = spv_filter_header_of(&theirs[i]);
    set_sides(fs, high.height, &high.header, &their_high);
    spv_filter_dispute_begin(fs, p->id, &low, &high, &their_high);
    return 1;
}

/* A peer whose answer differs from `best`. */
static const struct spv_peer_entry *find_disagreeing(const struct spv_filter_sync *fs,
                                                     const struct spv_filter_answer *best,
                                                     struct spv_now now)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));)
        if (has_voted(fs, p, now) && !same_answer(fs, p->filters.answer, best))
            return p;
    return NULL;
}

/* ---- agreement ---- */

static void set_agreed(struct spv_filter_sync *fs, const struct spv_filter_answer *best,
                       struct spv_now now)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));) {
        if (!has_voted(fs, p, now) || !same_answer(fs, p->filters.answer, best))
            continue;
        p->filters.agrees = true;
        p->filters.agrees_height = fs->round.stop;
    }
}

static int agree_on(struct spv_filter_sync *fs, const struct spv_filter_answer *best,
                    struct spv_now now)
{
    if (agree_min_netgroups(fs, now) == 1 && !fs->warned_one_group) {
        fs->warned_one_group = true;
        spv_filter_headers_warn(fs, SPV_WARN_FILTERS_ONE_GROUP, 0, fs->height);
    }
    if (fs->round.kind == SPV_FILTER_ROUND_HASHES) {
        const struct spv_filter_hash *hashes = (const void *)best->values;
        set_agreed(fs, best, now);
        return spv_filter_headers_store(fs, hashes, best->n);
    }
    spv_filter_headers_forget_agreed(fs); /* agreement above the stored ones, too */
    set_agreed(fs, best, now);
    fs->agreed = malloc(best->n * sizeof *fs->agreed);
    if (!fs->agreed)
        return SPV_ERR_NOMEM;
    memcpy(fs->agreed, best->values, best->n * sizeof *fs->agreed);
    fs->n_agreed = best->n;
    return 0;
}

/* Whether a peer can vote that agrees up to the end of the round. */
static bool has_supporter(const struct spv_filter_sync *fs, struct spv_now now)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));)
        if (spv_filter_peer_can_vote(p, now) && p->filters.agrees &&
            p->filters.agrees_height >= fs->round.stop)
            return true;
    return false;
}

/* Compares peers that connect while ranges are fetched with the agreed checkpoints. */
static int compare_with_agreed(struct spv_filter_sync *fs, struct spv_now now)
{
    const struct spv_hash256 *agreed = (const void *)fs->agreed;
    const size_t from = first_value(fs);
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));) {
        if (!has_voted(fs, p, now))
            continue;
        if (memcmp(agreed + from, p->filters.answer->values + from,
                   (fs->n_agreed - from) * sizeof *agreed) == 0) {
            p->filters.agrees = true;
            p->filters.agrees_height = fs->round.stop;
        } else if (p->filters.agrees && p->filters.agrees_height >= fs->round.stop) {
            spv_filter_peers_disconnect(p, SPV_ERR_FILTER_CONTRADICTION); /* it had agreed before */
        } else if (has_supporter(fs, now)) {
            return dispute_checkpoints(fs, agreed, p);
        } else { /* no peer supports the agreed checkpoints any more */
            spv_filter_headers_forget_agreed(fs);
            spv_filter_votes_restart(fs);
            return 0;
        }
    }
    return 0;
}

static int compare_votes(struct spv_filter_sync *fs, struct spv_now now)
{
    struct spv_peer_entry *best = find_largest_agreement(fs, now);
    if (!best)
        return 0;
    const struct spv_filter_answer *a = best->filters.answer;
    const struct spv_peer_entry *other = find_disagreeing(fs, a, now);
    if (!other)
        return count_agreeing_netgroups(fs, a, now) >= agree_min_netgroups(fs, now)
                   ? agree_on(fs, a, now)
                   : 0;
    /* the majority is that of the peers that answer in time */
    if (spv_filter_agree_pending(fs, now) &&
        fs->round.start_us + SPV_FILTER_TIMEOUT_US > now.mono_us)
        return 0;
    const int rc = fs->round.kind == SPV_FILTER_ROUND_HASHES
                       ? dispute_hashes(fs, a, other)
                       : dispute_checkpoints(fs, a->values, other);
    return rc;
}

/* Disconnects peers that committed to our filter headers and have sent another one. */
static void disconnect_inconsistent(struct spv_filter_sync *fs)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));)
        if (p->filters.differs_at && p->filters.agrees &&
            p->filters.agrees_height >= p->filters.differs_at)
            spv_filter_peers_disconnect(p, SPV_ERR_FILTER_CONTRADICTION);
}

int spv_filter_agree_run(struct spv_filter_sync *fs, struct spv_now now)
{
    disconnect_inconsistent(fs);
    if (fs->round.kind == SPV_FILTER_ROUND_NONE || check_contradicting(fs, now))
        return 0;
    const int rc = dispute_our_height(fs, now);
    if (rc || fs->round.kind == SPV_FILTER_ROUND_COMPARE)
        return rc < 0 ? rc : 0;
    if (fs->round.kind == SPV_FILTER_ROUND_CHECKPOINTS && fs->agreed)
        return compare_with_agreed(fs, now);
    return compare_votes(fs, now);
}

uint64_t spv_filter_agree_deadline(const struct spv_filter_sync *fs, struct spv_now now)
{
    uint64_t first = SPV_NEVER;
    if (fs->single_netgroup_since_us && fs->more != SPV_MORE_PEERS_NONE)
        first = spv_filter_earlier(
            first, fs->single_netgroup_since_us + SPV_FILTER_SINGLE_NETGROUP_WAIT_US, now);
    if (fs->contradicted_us)
        first = spv_filter_earlier(first, fs->contradicted_us + SPV_FILTER_SINGLE_NETGROUP_WAIT_US,
                                   now);
    return spv_filter_earlier(first, fs->round.start_us + SPV_FILTER_TIMEOUT_US, now);
}
