/* In a round every peer gets the same request, so that the answers (votes) can be compared:
 *
 *     COMPARE       the filter header at our height
 *     CHECKPOINTS   every 1,000th filter header, when the tip is far ahead; first COMPARE
 *     HASHES        the filter hashes up to the tip; the previous filter header is the comparison
 *
 * A request is repeated 3, 13 and 58 seconds later: a peer is silent while its block filter index
 * (Core: -blockfilterindex), which is built in the background, lags, also for seconds after a new
 * block; that is never a timeout. 20 seconds after the last request the peer is left out for a
 * while. For a new tip the first request is sent 2 seconds after the block became the peer's best
 * known one. */
#include <stdlib.h>

#include "spv/filters/filter_sync_state.h"

/* ours: the time that a block filter index needs for a new block */
#define NEW_TIP_DELAY_US (2 * SPV_SECOND)
/* ours: a peer that has not announced the new tip by then is probed for it */
#define NEW_TIP_PROBE_US (5 * SPV_SECOND)

/* ours: more missing heights than this are requested in two parts, as a block filter index may lack
 * the last blocks for long */
#define INDEX_LAG_BLOCKS 10
#define MAX_TRIES 4 /* requests, then none for SPV_FILTER_SILENT_US */

/* The time from request number `tries` to the next one. */
static uint64_t retry_delay_us(unsigned tries)
{
    static const uint64_t delays[MAX_TRIES] = {3 * SPV_SECOND, 10 * SPV_SECOND, 45 * SPV_SECOND,
                                               20 * SPV_SECOND};
    return delays[tries - 1];
}

/* ---- answers of earlier rounds ---- */

/* The stored filter header of a height. 1, 0 when there is none (any more), or negative. */
static int stored_header(const struct spv_filter_sync *fs, struct spv_filter_header *out,
                         uint32_t height)
{
    if (height < fs->start_height || height > fs->height)
        return 0;
    if (height == fs->height || height == fs->start_height)
        return spv_filter_headers_at(fs, out, height);
    return fs->cfg.filter_db.headers(fs->cfg.filter_db.ctx, out, NULL, height, 1);
}

/* Remembers where a header that a peer gave differs from the stored one: it contradicts itself once
 * it commits to that one (spv_filter_agree_run). */
static int compare_stored(const struct spv_filter_sync *fs, struct spv_peer_entry *p,
                          const struct spv_filter_header *header, uint32_t height)
{
    struct spv_filter_header ours;
    const int rc = p->filters.differs_at ? 0 : stored_header(fs, &ours, height);
    if (rc > 0 && !spv_filter_header_eq(&ours, header))
        p->filters.differs_at = height;
    return rc < 0 ? rc : 0;
}

/* Compares an answer of an earlier round with what is stored now. */
static int compare_answer(const struct spv_filter_sync *fs, struct spv_peer_entry *p,
                          const struct spv_filter_answer *a)
{
    int rc = 0;
    if (a->command == SPV_CMD_CFHEADERS) {
        rc = compare_stored(fs, p, &a->prev, a->start - 1);
        return rc < 0 ? rc : compare_stored(fs, p, &a->last, a->stop);
    }
    for (size_t i = 0; rc >= 0 && i < a->n; i++) {
        const struct spv_filter_header header = spv_filter_header_of(&a->values[i]);
        rc = compare_stored(fs, p, &header, (uint32_t)(i + 1) * SPV_CFCHECKPT_INTERVAL);
    }
    return rc;
}

/* ---- rounds ---- */

void spv_filter_votes_forget(struct spv_peer_entry *p)
{
    free(p->filters.answer);
    p->filters.answer = NULL;
    p->filters.tries = 0;
    p->filters.next_us = 0;
    p->filters.compared = false;
}

void spv_filter_votes_restart(struct spv_filter_sync *fs)
{
    fs->round.id++;
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));)
        spv_filter_votes_forget(p);
}

static struct spv_filter_round wanted_round(const struct spv_filter_sync *fs)
{
    const uint32_t tip = spv_chain_tip(fs->cfg.chain)->height;
    struct spv_filter_round r = {.our_height = fs->height, .stop = fs->height};
    if (tip > fs->height + SPV_FILTER_MAX_VOTE_HEIGHTS) {
        r.kind = SPV_FILTER_ROUND_CHECKPOINTS;
        r.stop = tip / SPV_CFCHECKPT_INTERVAL * SPV_CFCHECKPT_INTERVAL;
    } else if (tip > fs->height) {
        r.kind = SPV_FILTER_ROUND_HASHES;
        r.stop = tip - fs->height > INDEX_LAG_BLOCKS ? tip - INDEX_LAG_BLOCKS : tip;
    } else if (fs->height > fs->start_height) {
        r.kind = SPV_FILTER_ROUND_COMPARE;
    }
    return r;
}

/* Whether ranges are being fetched up to the agreed checkpoints; a new tip does not begin another
 * round then. */
static bool is_agreed(const struct spv_filter_sync *fs)
{
    return fs->round.kind == SPV_FILTER_ROUND_CHECKPOINTS && fs->agreed &&
           fs->height < fs->round.stop;
}

/* Compares the answers that arrived while filter headers were stored. */
static int compare_answers(const struct spv_filter_sync *fs)
{
    int rc = 0;
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));)
        if (rc >= 0 && p->filters.answer)
            rc = compare_answer(fs, p, p->filters.answer);
    return rc;
}

static int choose_round(struct spv_filter_sync *fs, struct spv_now now)
{
    struct spv_filter_round r = wanted_round(fs);
    if (is_agreed(fs))
        return 0;
    int rc = spv_filter_headers_block(fs, &r.stop_block, r.stop);
    if (rc < 0)
        return rc;
    if (r.kind == fs->round.kind && r.our_height == fs->round.our_height &&
        spv_blockhash_eq(&r.stop_block, &fs->round.stop_block))
        return 0;
    /* we had reached the tip: this block is new to the peers, too */
    r.is_new_tip = r.kind == SPV_FILTER_ROUND_HASHES && r.our_height == fs->round.stop &&
                   (fs->round.kind == SPV_FILTER_ROUND_COMPARE ||
                    (fs->round.kind == SPV_FILTER_ROUND_NONE && fs->round.id));
    r.is_new_tip |=
        fs->round.is_new_tip && r.kind == SPV_FILTER_ROUND_HASHES &&
        r.our_height == fs->round.our_height; /* another block before the first one was agreed on */
    rc = compare_answers(fs);
    if (rc < 0)
        return rc;
    spv_filter_headers_forget_agreed(fs);
    r.id = fs->round.id;
    r.start_us = now.mono_us;
    fs->round = r;
    spv_filter_votes_restart(fs);
    return 0;
}

/* ---- requests ---- */

/* Whether the peer has committed to our filter header at our height of the round. */
static bool has_compared(const struct spv_filter_sync *fs, const struct spv_peer_entry *p)
{
    return p->filters.compared ||
           (p->filters.agrees && p->filters.agrees_height >= fs->round.our_height);
}

/* The next request of a peer: a comparison comes before checkpoints. */
static struct spv_filter_request next_request(const struct spv_filter_sync *fs,
                                              const struct spv_peer_entry *p)
{
    const struct spv_filter_round *round = &fs->round;
    struct spv_filter_request r = {.command = SPV_CMD_GETCFHEADERS,
                                   .serial = round->id,
                                   .start = round->our_height + 1,
                                   .stop = round->stop};
    if (round->kind == SPV_FILTER_ROUND_CHECKPOINTS &&
        (has_compared(fs, p) || round->our_height == fs->start_height))
        r.command = SPV_CMD_GETCFCHECKPT;
    else if (round->kind != SPV_FILTER_ROUND_HASHES)
        r.start = r.stop = round->our_height;
    return r;
}

static bool needs_request(const struct spv_filter_sync *fs, const struct spv_peer_entry *p,
                          struct spv_now now)
{
    return fs->round.kind != SPV_FILTER_ROUND_NONE && spv_filter_peer_can_vote(p, now) &&
           !p->filters.answer &&
           !(fs->round.kind == SPV_FILTER_ROUND_COMPARE && has_compared(fs, p));
}

/* When the peer may be probed for the stop block of the round. */
static uint64_t probe_from_us(const struct spv_filter_sync *fs)
{
    return fs->round.start_us + (fs->round.is_new_tip ? NEW_TIP_PROBE_US : 0);
}

static int send_vote_request(struct spv_filter_sync *fs, struct spv_peer_entry *p,
                             struct spv_now now)
{
    struct spv_filter_peer *f = &p->filters;
    struct spv_filter_request r = next_request(fs, p);
    if (!spv_filter_peer_has_block(p, r.stop)) {
        if (probe_from_us(fs) > now.mono_us)
            return 0;
        const int state = spv_filter_peers_probe(fs->cfg.filter_peers, p, r.stop, now);
        if (state != SPV_FILTER_BLOCK_KNOWN)
            return state < 0 ? state : 0;
    }
    if (!f->next_us)
        f->next_us = now.mono_us + (fs->round.is_new_tip ? NEW_TIP_DELAY_US : 0);
    if (f->next_us > now.mono_us)
        return 0;
    if (f->tries == MAX_TRIES) {
        f->silent_until_us = now.mono_us + SPV_FILTER_SILENT_US;
        return 0;
    }
    const int rc = spv_filter_headers_block(fs, &r.stop_block, r.stop);
    if (rc < 0)
        return rc;
    spv_filter_requests_send(fs->cfg.effects, p, &r);
    f->next_us = now.mono_us + retry_delay_us(++f->tries);
    return fs->cfg.effects->error;
}

int spv_filter_votes_run(struct spv_filter_sync *fs, struct spv_now now)
{
    int rc = choose_round(fs, now);
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));)
        if (!rc && needs_request(fs, p, now))
            rc = send_vote_request(fs, p, now);
    return rc;
}

bool spv_filter_votes_pending(const struct spv_filter_sync *fs, const struct spv_peer_entry *p,
                              struct spv_now now)
{
    return needs_request(fs, p, now) && (spv_filter_peer_has_block(p, fs->round.stop) ||
                                         p->filters.probe_tag || probe_from_us(fs) > now.mono_us);
}

uint64_t spv_filter_votes_deadline(const struct spv_filter_sync *fs, struct spv_now now)
{
    uint64_t first = SPV_NEVER;
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));) {
        first = spv_filter_earlier(first, p->filters.silent_until_us, now);
        if (!needs_request(fs, p, now))
            continue;
        first = spv_filter_earlier(first, p->filters.next_us, now);
        if (spv_filter_peer_has_block(p, next_request(fs, p).stop))
            continue;
        first = spv_filter_earlier(first, probe_from_us(fs), now);
        first = spv_filter_earlier(first, spv_filter_peers_deadline(p), now);
    }
    return first;
}

/* ---- answers ---- */

bool spv_filter_votes_header(const struct spv_filter_answer *a, struct spv_filter_header *out,
                             uint32_t height)
{
    if (a->command == SPV_CMD_CFCHECKPT) {
        const size_t i = height / SPV_CFCHECKPT_INTERVAL;
        if (!i || i > a->n || height % SPV_CFCHECKPT_INTERVAL)
            return false;
        *out = spv_filter_header_of(&a->values[i - 1]);
    } else if (height == a->stop) {
        *out = a->last;
    } else if (height + 1 == a->start) {
        *out = a->prev;
    } else {
        return false;
    }
    return true;
}

/* Copies an answer, to be kept until the end of the round. */
static struct spv_filter_answer *new_answer(enum spv_command command,
                                            const struct spv_hash256 *values, size_t n)
{
    struct spv_filter_answer *a = calloc(1, sizeof *a + n * sizeof *values);
    if (!a)
        return NULL;
    a->command = command;
    a->n = n;
    memcpy(a->values, values, n * sizeof *values);
    return a;
}

/* Returns whether a filter header differs from the one that is built in for its height. */
static bool contradicts_built_in(struct spv_filter_sync *fs, const struct spv_filter_header *header,
                                 uint32_t height)
{
    const struct spv_filter_header *built_in = spv_filter_headers_built_in(fs, height);
    if (!built_in || spv_filter_header_eq(built_in, header))
        return false;
    fs->contradicted = height;
    return true;
}

/* The answer to a request for filter headers; *out stays NULL when no vote is left to be compared.
 */
static int recv_headers(struct spv_filter_sync *fs, struct spv_filter_answer **out,
                        struct spv_peer_entry *p, const struct spv_filter_request *r,
                        const struct spv_msg_cfheaders *msg)
{
    struct spv_filter_header header = spv_filter_header_of(&msg->prev);
    bool wrong = contradicts_built_in(fs, &header, r->start - 1);
    for (size_t i = 0; i < msg->n; i++) {
        const struct spv_filter_hash hash = spv_filter_hash_of(&msg->hashes[i]);
        spv_filter_compute_header(&header, &hash, &header);
        wrong |= contradicts_built_in(fs, &header, r->start + (uint32_t)i);
    }
    p->filters.contradicts_built_in |= wrong;
    if (wrong)
        return 0;
    if (spv_filter_headers_has_invalid(fs, r->start, msg->hashes, msg->n)) {
        spv_filter_peers_disconnect(p, SPV_ERR_FILTER_INVALID);
        return 0;
    }
    if (r->stop == fs->round.our_height && spv_filter_header_eq(&header, &fs->top)) {
        p->filters.compared = p->filters.agrees = true;
        p->filters.agrees_height = fs->height;
        p->filters.tries = 0;
        p->filters.next_us = 0;
        return 0;
    }
    struct spv_filter_answer *a = new_answer(SPV_CMD_CFHEADERS, msg->hashes, msg->n);
    if (!a)
        return SPV_ERR_NOMEM;
    a->start = r->start;
    a->stop = r->stop;
    a->prev = spv_filter_header_of(&msg->prev);
    a->last = header;
    *out = a;
    return 0;
}

static int recv_checkpoints(struct spv_filter_sync *fs, struct spv_filter_answer **out,
                            struct spv_peer_entry *p, const struct spv_msg_cfcheckpt *msg)
{
    for (size_t i = 0; i < msg->n; i++) {
        const struct spv_filter_header header = spv_filter_header_of(&msg->headers[i]);
        p->filters.contradicts_built_in |=
            contradicts_built_in(fs, &header, (uint32_t)(i + 1) * SPV_CFCHECKPT_INTERVAL);
    }
    if (p->filters.contradicts_built_in)
        return 0;
    *out = new_answer(SPV_CMD_CFCHECKPT, msg->headers, msg->n);
    return *out ? 0 : SPV_ERR_NOMEM;
}

/* Whether the stop block of a request is on the best chain: filter headers of different block
 * chains are not compared. 1, 0, or negative. */
static int is_on_chain(const struct spv_filter_sync *fs, const struct spv_filter_request *r)
{
    struct spv_blockhash block;
    const int rc = spv_filter_headers_block(fs, &block, r->stop);
    if (rc < 0)
        return rc == SPV_ERR_STATE ? 0 : rc;
    return spv_blockhash_eq(&block, &r->stop_block);
}

int spv_filter_votes_recv(struct spv_filter_sync *fs, struct spv_peer_entry *p,
                          const struct spv_filter_request *r, const struct spv_msg *msg)
{
    struct spv_filter_answer *a = NULL;
    const bool is_late = r->serial != fs->round.id || p->filters.answer; /* or a second answer */
    int rc = fs->begun ? 1 : 0;
    if (rc > 0 && is_late)
        rc = is_on_chain(fs, r);
    if (rc <= 0)
        return rc;
    rc = 0;
    if (msg->command == SPV_CMD_CFHEADERS)
        rc = recv_headers(fs, &a, p, r, &msg->u.cfheaders);
    else if (msg->command == SPV_CMD_CFCHECKPT)
        rc = recv_checkpoints(fs, &a, p, &msg->u.cfcheckpt);
    if (!a || !is_late) {
        if (a)
            p->filters.answer = a;
        return rc;
    }
    rc = compare_answer(fs, p, a);
    free(a);
    return rc;
}
