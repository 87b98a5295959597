/* Answers that neither extend our chain nor show that the peer has no better one: a chain that
 * forks from ours below the first stored header, headers whose times are ahead of our clock, a
 * chain of less work than ours, one of too little work for the network. None of them proves
 * misbehaviour.
 *
 * Such a peer has answered, so its request is closed and requests go to the others. It does not
 * count towards SYNCED, and does not prevent it either. */
#include "spv/chain/chain_state.h"
#include "spv/effects/warning_text.h"
#include "spv/sync/sync_state.h"
#include "util/u256.h"

/* The numbers of a warning about this peer. */
void spv_sync_describe_warning(const struct spv_sync *s, struct spv_event *event,
                               const struct spv_peer_entry *p, enum spv_warning why)
{
    event->warning = why;
    event->text = spv_warning_text(why);
    event->seconds = p->sync.future_s;
    event->claimed_height = p->sync.claimed_height;
    event->given_height = p->sync.last_answer_height;
    event->work = p->sync.low_work;
    event->wanted_work = s->cfg.min_work;
}

void spv_sync_warn(struct spv_sync *s, struct spv_peer_entry *p, enum spv_warning why)
{
    const struct spv_blockhash *tip = &spv_chain_tip(s->cfg.chain)->hash;
    /* the start of the database does not change with the tip */
    if (p->sync.warned == why &&
        (why == SPV_WARN_FORK_BELOW_START || spv_blockhash_eq(&p->sync.warned_tip, tip)))
        return;
    if (why ==
        SPV_WARN_FUTURE_HEADERS) { /* one warning for all peers: our clock is to be checked */
        if (spv_blockhash_eq(&s->future_tip, tip))
            return;
        s->future_tip = *tip;
    }
    p->sync.warned = why;
    p->sync.warned_tip = *tip;
    struct spv_event *event =
        spv_sync_event(s->cfg.effects, s->cfg.chain, SPV_EVENT_WARNING, p->id);
    if (event)
        spv_sync_describe_warning(s, event, p, why);
}

/* The peer's request is answered, and the peer does not count towards SYNCED. */
static void exclude_peer(struct spv_sync *s, struct spv_peer_entry *p, enum spv_warning why)
{
    spv_presync_peers_forget(s, p);
    p->sync.request_tag = 0;
    p->sync.n_unconnecting = 0;
    spv_sync_exclude(s, p, why);
}

/* ---- a fork below the first stored header ---- */

/* The first stored header is in every locator, so a peer that answers from genesis lacks it. The
 * peer is behind when its chain is shorter than that, and on another chain when it is not. */
static bool is_behind(const struct spv_peer_entry *p, const struct spv_msg_headers *msg,
                      const struct spv_chain_header *genesis, uint32_t start)
{
    return spv_blockhash_eq(&msg->headers[0].prev, &genesis->hash) && msg->n < start &&
           (msg->n < SPV_MAX_HEADERS || p->sync.claimed_height < start);
}

int spv_sync_on_fork_below_start(struct spv_sync *s, struct spv_peer_entry *p,
                                 const struct spv_msg_headers *msg)
{
    struct spv_chain_start start;
    struct spv_chain_header genesis;
    const int rc = spv_chain_header_at(s->cfg.chain, &genesis, 0);

    if (rc < 0)
        return rc;
    spv_chain_get_start(s->cfg.chain, &start);
    if (is_behind(p, msg, &genesis, start.height)) {
        p->sync.request_tag = 0;
        p->sync.last_answer_work = genesis.work;
        p->sync.last_answer_height = (uint32_t)msg->n;
        return 1;
    }
    exclude_peer(s, p, SPV_WARN_FORK_BELOW_START);
    p->sync.last_answer_height = start.height;
    if (s->cfg.discovers) { /* discovery finds other peers */
        if (s->warned_fork_below_start++ < SPV_SYNC_MAX_FORK_WARNINGS)
            spv_sync_warn(s, p, SPV_WARN_FORK_BELOW_START);
        spv_sync_disconnect(s, p, SPV_ERR_FORK_BELOW_START);
    }
    return 0;
}

/* ---- headers from the future ---- */

void spv_sync_on_future_header(struct spv_sync *s, struct spv_peer_entry *p, uint32_t time,
                               struct spv_now now)
{
    int64_t wait = (int64_t)time - SPV_MAX_FUTURE_S - now.unix_s;
    if (p) {
        exclude_peer(s, p, SPV_WARN_FUTURE_HEADERS);
        p->sync.last_answer_height = spv_chain_tip(s->cfg.chain)->height;
        p->sync.future_s = (int64_t)time - now.unix_s;
    }
    if (wait < 1)
        wait = 1;
    if (wait > SPV_SYNC_FUTURE_RETRY_S)
        wait = SPV_SYNC_FUTURE_RETRY_S; /* our clock may be corrected at any time */
    const uint64_t at = now.mono_us + (uint64_t)wait * SPV_SECOND;
    if (at < s->retry_us)
        s->retry_us = at;
}

bool spv_sync_soon_valid(const struct spv_sync *s, const struct spv_peer_entry *p)
{
    (void)s;
    return p->sync.excluded == SPV_WARN_FUTURE_HEADERS &&
           p->sync.future_s <= SPV_MAX_FUTURE_S + SPV_SYNC_FUTURE_WAIT_S;
}

void spv_sync_retry_future_headers(struct spv_sync *s)
{
    s->retry_us = SPV_NEVER;
    for (struct spv_peer_entry *p = NULL; (p = spv_sync_next_peer(s, p));)
        if (p->sync.excluded == SPV_WARN_FUTURE_HEADERS)
            p->sync.excluded = SPV_WARN_NONE;
}

/* ---- less work than ours ---- */

/* After an empty answer, whose chain ends at a header of our locator, the peer's claim decides. */
bool spv_sync_chain_below_tip(const struct spv_sync *s, const struct spv_peer_entry *p)
{
    const struct spv_chain_header *tip = spv_chain_tip(s->cfg.chain);
    return spv_u256_is_zero(&p->sync.last_answer_work)
               ? p->sync.claimed_height < tip->height
               : spv_u256_cmp(&p->sync.last_answer_work, &tip->work) < 0;
}

/* ---- too little work for the network ---- */

void spv_sync_on_low_work(struct spv_sync *s, struct spv_peer_entry *p, uint32_t height,
                          const struct spv_u256 *work)
{
    p->sync.last_answer_height = height;
    p->sync.low_work = *work;
    /* such a peer reconnects again and again, and may have more each time */
    if (spv_u256_cmp(work, &s->warned_work) != 0)
        spv_sync_warn(s, p, SPV_WARN_LOW_WORK);
    s->warned_work = *work;
    spv_sync_disconnect(s, p, SPV_ERR_LOW_WORK);
}
