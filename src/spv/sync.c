/* One peer at a time is the chain peer: while its answers are full it is asked for more, the next
 * request going out before the batch is stored. When it has no more it is "done", and then
 * everybody else is asked at once whether they know better. A peer that does becomes the chain
 * peer. The chain is synced when nobody is being asked for more and peers of enough network groups
 * are done.
 *
 * A claim of height proves nothing: it only decides who is asked first and what progress is
 * measured against, and it falls as soon as the peer has no more headers to show. */
#include "spv/sync.h"

#include <string.h>

void spv_sync_init(struct spv_sync *s, const struct spv_sync_config *cfg)
{
    memset(s, 0, sizeof *s);
    s->cfg = *cfg;
    if (!s->cfg.request_timeout_us)
        s->cfg.request_timeout_us = SPV_SYNC_REQUEST;
    s->quorum = SPV_SYNC_GROUPS;
    s->retry_us = SPV_NEVER;
    s->recheck_us = SPV_NEVER;
}

struct spv_event *spv_sync_event(struct spv_effects *q, const struct spv_chain *chain,
                                 enum spv_event_kind kind, uint64_t peer)
{
    struct spv_effect *e = spv_effects_push(q, SPV_EFFECT_EVENT, peer);
    if (!e)
        return NULL;
    e->event.kind = kind;
    e->event.peer = peer;
    e->event.tip = *spv_chain_tip(chain);
    return &e->event;
}

static struct spv_sync_peer *find(struct spv_sync *s, uint64_t id)
{
    for (size_t i = 0; id && i < SPV_NODE_MAX_PEERS; i++)
        if (s->peer[i].id == id)
            return &s->peer[i];
    return NULL;
}

static void drop(struct spv_sync *s, const struct spv_sync_peer *p, int error)
{
    for (size_t i = 0; i < s->n_drop; i++)
        if (s->drop[i].id == p->id)
            return;
    if (s->n_drop < SPV_NODE_MAX_PEERS)
        s->drop[s->n_drop++] = (struct spv_sync_drop){.id = p->id, .error = error};
}

static bool dropping(const struct spv_sync *s, uint64_t id)
{
    for (size_t i = 0; i < s->n_drop; i++)
        if (s->drop[i].id == id)
            return true;
    return false;
}

int spv_sync_next_drop(struct spv_sync *s, struct spv_sync_drop *out)
{
    if (!s->n_drop)
        return 0;
    *out = s->drop[--s->n_drop];
    return 1;
}

/* Sends getheaders from `from`, or from our tip when it is NULL. */
static int ask(struct spv_sync *s, struct spv_sync_peer *p, const struct spv_blockhash *from,
               struct spv_now now)
{
    struct spv_blockhash locator[SPV_MAX_LOCATOR];
    const int n = spv_chain_locator(s->cfg.chain, locator, SPV_MAX_LOCATOR, from);
    if (n < 0)
        return n;
    spv_effects_send_getheaders(s->cfg.effects, p->id, locator, (size_t)n);
    p->asked_us = now.mono_us;
    p->deadline_us = now.mono_us + s->cfg.request_timeout_us;
    p->recheck = false;
    return s->cfg.effects->error;
}

static bool enough_work(const struct spv_sync *s)
{
    return spv_u256_cmp(&spv_chain_tip(s->cfg.chain)->work, &s->cfg.min_work) >= 0;
}

static unsigned done_groups(const struct spv_sync *s)
{
    unsigned groups = 0;
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++) {
        const struct spv_sync_peer *p = &s->peer[i];
        bool first = p->id && p->done;
        for (size_t j = 0; first && j < i; j++)
            first = !(s->peer[j].id && s->peer[j].done && s->peer[j].group == p->group);
        groups += first;
    }
    return groups;
}

/* "Synced is said only when at least two peers of different network groups (or every peer there is,
 * when fewer were asked for) have no better chain, judged by proven work." */
static void judge(struct spv_sync *s, struct spv_now now)
{
    if (s->synced || s->chain_peer || !enough_work(s) || done_groups(s) < s->quorum)
        return;
    if (!s->cfg.indexed && !s->index_asked) {
        spv_effects_push(s->cfg.effects, SPV_EFFECT_INDEX, 0);
        s->index_asked = true;
    }
    s->synced = true;
    s->recheck_us = now.mono_us + SPV_SYNC_RECHECK;
    spv_sync_event(s->cfg.effects, s->cfg.chain, SPV_EVENT_SYNCED, 0);
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++) {
        struct spv_sync_peer *p = &s->peer[i];
        if (p->id && !p->told && p->version >= SPV_VERSION_SENDHEADERS) {
            spv_effects_send_empty(s->cfg.effects, p->id, SPV_CMD_SENDHEADERS);
            p->told = true;
        }
    }
}

/* Who is asked first: the one whose claim is highest, then the one that came first. */
static struct spv_sync_peer *best_untried(struct spv_sync *s)
{
    struct spv_sync_peer *best = NULL;
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++) {
        struct spv_sync_peer *p = &s->peer[i];
        if (!p->id || p->done || p->deadline_us || dropping(s, p->id))
            continue;
        if (!best || p->claim > best->claim || (p->claim == best->claim && p->id < best->id))
            best = p;
    }
    return best;
}

/* Hands out what is to be asked now. */
static int schedule(struct spv_sync *s, struct spv_now now)
{
    int rc = 0;
    if (!s->chain_peer && !done_groups(s)) {
        bool asking = false;
        for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++)
            asking |= s->peer[i].id && s->peer[i].deadline_us && !dropping(s, s->peer[i].id);
        struct spv_sync_peer *p = asking ? NULL : best_untried(s);
        if (p) {
            s->chain_peer = p->id;
            rc = ask(s, p, NULL, now);
        }
    } else if (!s->chain_peer) {
        for (size_t i = 0; !rc && i < SPV_NODE_MAX_PEERS; i++) {
            struct spv_sync_peer *p = &s->peer[i];
            if (p->id && !p->done && !p->deadline_us && !dropping(s, p->id))
                rc = ask(s, p, NULL, now);
        }
    }
    judge(s, now);
    return rc ? rc : s->cfg.effects->error;
}

int spv_sync_add(struct spv_sync *s, uint64_t id, uint64_t group, const struct spv_peer_stats *info,
                 struct spv_now now)
{
    struct spv_sync_peer *p = NULL;
    for (size_t i = 0; !p && i < SPV_NODE_MAX_PEERS; i++)
        if (!s->peer[i].id)
            p = &s->peer[i];
    if (!p)
        return SPV_ERR_FULL;
    *p = (struct spv_sync_peer){.id = id, .group = group, .version = info->version};
    p->claim = info->start_height > 0 ? (uint32_t)info->start_height : 0;
    p->claims = true;
    if (s->synced && p->version >= SPV_VERSION_SENDHEADERS) {
        spv_effects_send_empty(s->cfg.effects, id, SPV_CMD_SENDHEADERS);
        p->told = true;
    }
    return schedule(s, now);
}

bool spv_sync_remove(struct spv_sync *s, uint64_t id, struct spv_now now)
{
    struct spv_sync_peer *p = find(s, id);
    const bool useful = p && p->useful;
    if (p)
        *p = (struct spv_sync_peer){0};
    if (s->chain_peer == id)
        s->chain_peer = 0;
    spv_effects_forget(s->cfg.effects, id);
    (void)schedule(s, now); /* the queue keeps its error */
    return useful;
}

void spv_sync_set_quorum(struct spv_sync *s, unsigned groups, struct spv_now now)
{
    if (groups == s->quorum)
        return;
    s->quorum = groups;
    judge(s, now);
}

/* The peer has no more: its claim falls, and somebody else may be asked. */
static void finish(struct spv_sync *s, struct spv_sync_peer *p)
{
    p->done = true;
    p->claims = false;
    p->useful = true;
    if (s->chain_peer == p->id)
        s->chain_peer = 0;
    /* "a peer that cannot show enough work is dropped" */
    if (!enough_work(s))
        drop(s, p, SPV_ERR_CHAIN_WORK);
}

static void lied(struct spv_sync *s, const struct spv_sync_peer *p, int error)
{
    s->lies++;
    drop(s, p, error);
}

/* What a change of the chain means to the store and to the application. The STORE effect comes
 * after the next request, so that the answer is under way while the disk works. */
static void publish(struct spv_sync *s, const struct spv_sync_peer *p, const struct spv_verdict *v)
{
    if (v->change.kind == SPV_CHANGE_NONE)
        return;
    struct spv_effect *e = spv_effects_push(s->cfg.effects, SPV_EFFECT_STORE, p->id);
    if (!e)
        return;
    e->change = v->change;
    s->storing = true;
    if (v->change.kind == SPV_CHANGE_BRANCH)
        return;
    const bool reorg = v->change.kind == SPV_CHANGE_REORG;
    s->headers_added += v->change.n;
    s->reorgs += reorg;
    struct spv_event *event = spv_sync_event(s->cfg.effects, s->cfg.chain,
                                             reorg ? SPV_EVENT_REORG : SPV_EVENT_PROGRESS, p->id);
    if (event) {
        event->fork_height = v->change.fork_height;
        event->removed = v->change.removed;
        event->added = (uint32_t)v->change.n;
    }
}

/* Headers that our clock calls future ones are kept aside by asking for them again when their time
 * has come: the peer is not lying, one of the two clocks is wrong. */
static void retry_future(struct spv_sync *s, const struct spv_header *header, struct spv_now now)
{
    int64_t wait = (int64_t)header->time - SPV_MAX_FUTURE - now.unix_s;
    if (wait < 1)
        wait = 1;
    if (wait > 600)
        wait = 600; /* our clock may be set right any time */
    const uint64_t at = now.mono_us + (uint64_t)wait * SPV_SECOND;
    if (at < s->retry_us)
        s->retry_us = at;
}

/* What a verdict on a batch says about the peer that sent it. Asks for more where there is more. */
static int follow_up(struct spv_sync *s, struct spv_sync_peer *p, const struct spv_msg_headers *msg,
                     const struct spv_verdict *v, struct spv_now now)
{
    if (v->error == SPV_ERR_HDR_TIME_FUTURE) {
        retry_future(s, &msg->headers[v->index], now);
        finish(s, p);
        return 0;
    }
    if (v->error && spv_err_class(v->error) == SPV_CLASS_LYING) {
        lied(s, p, v->error);
        return 0;
    }
    if (v->error) {
        drop(s, p, v->error);
        return 0;
    }
    p->useful |= v->accepted > 0;
    p->useless = v->accepted ? 0 : p->useless + 1;
    struct spv_blockhash last;
    spv_header_hash(&last, &msg->headers[msg->n - 1]);
    if (msg->n == SPV_MAX_HEADERS && p->useless <= SPV_SYNC_MAX_USELESS) {
        if (s->synced) {
            s->synced = false;
            spv_sync_event(s->cfg.effects, s->cfg.chain, SPV_EVENT_BEHIND, p->id);
        }
        p->done = false;
        if (!s->chain_peer)
            s->chain_peer = p->id;
        return s->chain_peer == p->id ? ask(s, p, &last, now) : 0;
    }
    /* Fewer than it claimed to have: ask once more, an honest peer answers with nothing. */
    const bool claims_more = p->claims && p->claim > spv_chain_tip(s->cfg.chain)->height;
    if (v->accepted && (p->recheck || claims_more)) {
        p->claims = false;
        return ask(s, p, &last, now);
    }
    finish(s, p);
    return 0;
}

int spv_sync_headers(struct spv_sync *s, uint64_t id, const struct spv_msg_headers *msg,
                     struct spv_now now)
{
    struct spv_sync_peer *p = find(s, id);
    if (!p || dropping(s, id))
        return 0;
    if (msg->n == 0) { /* "an empty one settles the oldest" */
        if (!p->deadline_us)
            return 0;
        p->deadline_us = 0;
        if (p->recheck) /* it may have been sent before what was announced since */
            return ask(s, p, NULL, now);
        finish(s, p);
        return schedule(s, now);
    }
    struct spv_verdict v;
    int rc = spv_chain_accept(s->cfg.chain, &v, msg->headers, msg->n, now);
    if (rc < 0)
        return rc;
    if (v.error == SPV_ERR_HDR_UNLINKED) {
        /* An announcement from ahead of us; it settles no request. */
        if (++p->unlinked > SPV_SYNC_MAX_UNLINKED) {
            drop(s, p, SPV_ERR_HDR_UNLINKED);
            return 0;
        }
        p->done = false;
        p->recheck = p->deadline_us != 0;
        return p->deadline_us ? 0 : ask(s, p, NULL, now);
    }
    p->unlinked = 0;
    p->deadline_us = 0;
    rc = follow_up(s, p, msg, &v, now);
    publish(s, p, &v);
    return rc ? rc : schedule(s, now);
}

int spv_sync_inv(struct spv_sync *s, uint64_t id, const struct spv_msg_inv *msg, struct spv_now now)
{
    struct spv_sync_peer *p = find(s, id);
    if (!p || dropping(s, id))
        return 0;
    /* The last block decides: inventories list blocks in the order of the chain. */
    for (size_t i = msg->n; i-- > 0;) {
        if ((msg->items[i].type & ~SPV_INV_WITNESS) != SPV_INV_BLOCK)
            continue;
        struct spv_record known;
        struct spv_blockhash hash;
        memcpy(hash.b, msg->items[i].hash.b, sizeof hash.b);
        const int rc = spv_chain_find(s->cfg.chain, &known, NULL, &hash);
        if (rc)
            return rc < 0 ? rc : 0;
        p->done = false;
        p->recheck = p->deadline_us != 0;
        return p->deadline_us || s->chain_peer ? 0 : ask(s, p, NULL, now);
    }
    return 0;
}

void spv_sync_stored(struct spv_sync *s)
{
    s->storing = false;
    spv_chain_stored(s->cfg.chain);
}

void spv_sync_indexed(struct spv_sync *s)
{
    s->cfg.indexed = true;
}

static bool others(const struct spv_sync *s, uint64_t id)
{
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++)
        if (s->peer[i].id && s->peer[i].id != id && !dropping(s, s->peer[i].id))
            return true;
    return false;
}

/* With nobody else to ask, patience costs nothing. */
static uint64_t patience(const struct spv_sync *s, const struct spv_sync_peer *p)
{
    return others(s, p->id) ? p->deadline_us
                            : p->asked_us + SPV_SYNC_PATIENCE * s->cfg.request_timeout_us;
}

int spv_sync_timer(struct spv_sync *s, struct spv_now now)
{
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++) {
        const struct spv_sync_peer *p = &s->peer[i];
        if (!p->id || !p->deadline_us || dropping(s, p->id) || patience(s, p) > now.mono_us)
            continue;
        s->stalls++;
        drop(s, p, SPV_ERR_STALL);
    }
    const bool retry = s->retry_us <= now.mono_us;
    const bool recheck = s->recheck_us <= now.mono_us;
    if (retry)
        s->retry_us = SPV_NEVER;
    if (recheck)
        s->recheck_us = now.mono_us + SPV_SYNC_RECHECK;
    for (size_t i = 0; (retry || recheck) && i < SPV_NODE_MAX_PEERS; i++) {
        struct spv_sync_peer *p = &s->peer[i];
        const int rc = p->id && !p->deadline_us && !dropping(s, p->id) && !s->chain_peer
                           ? ask(s, p, NULL, now)
                           : 0;
        if (rc)
            return rc;
    }
    return s->cfg.effects->error;
}

uint64_t spv_sync_deadline(const struct spv_sync *s)
{
    uint64_t first = s->retry_us < s->recheck_us ? s->retry_us : s->recheck_us;
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++) {
        const struct spv_sync_peer *p = &s->peer[i];
        if (p->id && p->deadline_us && patience(s, p) < first)
            first = patience(s, p);
    }
    return first;
}

uint32_t spv_sync_target(const struct spv_sync *s)
{
    uint32_t claims[SPV_NODE_MAX_PEERS];
    size_t n = 0;
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++) {
        const struct spv_sync_peer *p = &s->peer[i];
        if (!p->id || !p->claims)
            continue;
        size_t at = n++; /* insertion keeps them ascending */
        for (; at && claims[at - 1] > p->claim; at--)
            claims[at] = claims[at - 1];
        claims[at] = p->claim;
    }
    const struct spv_params *params = s->cfg.params;
    uint32_t target = spv_chain_tip(s->cfg.chain)->height;
    if (params->n_checkpoints && params->checkpoints[params->n_checkpoints - 1].height > target)
        target = params->checkpoints[params->n_checkpoints - 1].height;
    /* One liar must not move the bar, so the median claim counts. */
    return n && claims[n / 2] > target ? claims[n / 2] : target;
}
