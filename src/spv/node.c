/* The node keeps a table of peer ids, fills free slots from the candidates, passes messages to sync
 * and carries out sync's wish to drop a peer. Everything it wants from the shell goes through the
 * effect queue, in order. The first failure of the local system is kept and returned ever after. */
#include "spv/node.h"

#include <stdlib.h>
#include <string.h>

#include "spv/alarm.h"
#include "spv/candidates.h"
#include "spv/effects.h"
#include "spv/sync.h"

#define NODE_DEFAULT_PEERS 4 /* ours: two groups for a verdict and two in reserve */
#define NODE_DNS_INTERVAL (60 * SPV_SECOND) /* ours: when nobody is left to dial */
#define NODE_DNS_ENOUGH 8 /* ours: fewer candidates than this and the seeds are asked again */
#define NODE_ADDR_BUDGET 1000 /* addresses that a peer may tell us: one full answer to getaddr */

enum peer_state { PEER_FREE, PEER_DIALLING, PEER_READY };

struct node_peer {
    uint64_t id;
    enum peer_state state;
    unsigned addr_budget;
};

struct spv_node {
    struct spv_effects effects;
    struct spv_candidates candidates;
    struct spv_chain *chain;
    struct spv_sync sync;
    struct spv_alarm alarm;
    struct spv_params params; /* the caller's, with the checkpoints that are in force */
    struct node_peer peer[SPV_NODE_MAX_PEERS];
    unsigned wanted;
    unsigned extra; /* fresh peers beside them while the tip is stale: those after last_usual */
    uint64_t last_usual; /* peer id */
    uint64_t speaker; /* the peer whose message was judged last */
    bool discovery;
    uint64_t next_id;
    uint64_t dns_us; /* when the seeds may be asked again */
    uint32_t start_height;
    uint64_t bans;
    int error;
};

static struct node_peer *find(struct spv_node *n, uint64_t id)
{
    for (size_t i = 0; id && i < SPV_NODE_MAX_PEERS; i++)
        if (n->peer[i].state != PEER_FREE && n->peer[i].id == id)
            return &n->peer[i];
    return NULL;
}

static unsigned count(const struct spv_node *n, enum peer_state state)
{
    unsigned found = 0;
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++)
        found += n->peer[i].state == state;
    return found;
}

static int fail(struct spv_node *n, int error)
{
    if (!n->error && error < 0)
        n->error = error;
    if (!n->error && n->effects.error)
        n->error = n->effects.error;
    return n->error;
}

static void tell(struct spv_node *n, enum spv_event_kind kind, uint64_t id, int error)
{
    struct spv_event *event = spv_sync_event(&n->effects, n->chain, kind, id);
    const struct spv_candidate *x = spv_candidates_of(&n->candidates, id);
    if (!event)
        return;
    event->error = error;
    if (x)
        spv_endpoint_text(event->address, &x->endpoint);
}

static void set_quorum(struct spv_node *n, struct spv_now now)
{
    size_t groups = n->wanted;
    if (!n->discovery) {
        const size_t alive = spv_candidates_named_alive(&n->candidates, now);
        if (alive < groups)
            groups = alive;
    }
    if (groups > SPV_SYNC_GROUPS)
        groups = SPV_SYNC_GROUPS;
    spv_sync_set_quorum(&n->sync, groups ? (unsigned)groups : 1, now);
}

static void dial(struct spv_node *n, struct spv_candidate *x)
{
    struct node_peer *p = NULL;
    for (size_t i = 0; !p && i < SPV_NODE_MAX_PEERS; i++)
        if (n->peer[i].state == PEER_FREE)
            p = &n->peer[i];
    if (!p)
        return;
    *p = (struct node_peer){
        .id = ++n->next_id, .state = PEER_DIALLING, .addr_budget = NODE_ADDR_BUDGET};
    x->peer = p->id;
    struct spv_effect *e = spv_effects_push(&n->effects, SPV_EFFECT_CONNECT, p->id);
    if (e)
        e->endpoint = x->endpoint;
}

static void ask_seeds(struct spv_node *n, struct spv_now now)
{
    n->dns_us = now.mono_us + NODE_DNS_INTERVAL;
    for (const char *const *seed = n->params.dns_seeds; seed && *seed; seed++) {
        struct spv_effect *e = spv_effects_push(&n->effects, SPV_EFFECT_RESOLVE, 0);
        if (!e)
            return;
        e->endpoint.port = n->params.net.port;
        strncpy(e->endpoint.host, *seed, sizeof e->endpoint.host - 1);
    }
}

static bool wants_seeds(const struct spv_node *n)
{
    return n->discovery && n->candidates.n < NODE_DNS_ENOUGH && n->params.dns_seeds &&
           n->params.dns_seeds[0];
}

static void fill_slots(struct spv_node *n, struct spv_now now)
{
    while (!n->effects.error &&
           count(n, PEER_DIALLING) + count(n, PEER_READY) < n->wanted + n->extra) {
        struct spv_candidate *x = spv_candidates_pick(&n->candidates, now);
        if (!x)
            break;
        dial(n, x);
    }
    if (wants_seeds(n) && n->dns_us <= now.mono_us)
        ask_seeds(n, now);
}

/* The end of a peer, whoever ended it. */
static void bury(struct spv_node *n, struct node_peer *p, int error, struct spv_now now)
{
    const uint64_t id = p->id;
    const bool was_ready = p->state == PEER_READY;
    struct spv_candidate *x = spv_candidates_of(&n->candidates, id);
    *p = (struct node_peer){0};
    spv_alarm_closed(&n->alarm, id, now);
    if (spv_err_class(error) == SPV_CLASS_LYING) {
        tell(n, SPV_EVENT_BANNED, id, error);
        n->bans++;
        if (x)
            spv_candidates_ban(x, now);
    } else {
        tell(n, was_ready ? SPV_EVENT_DISCONNECTED : SPV_EVENT_CONNECT_FAILED, id, error);
    }
    const bool useful = spv_sync_remove(&n->sync, id, now);
    if (x)
        spv_candidates_release(&n->candidates, x, useful && spv_err_class(error) == SPV_CLASS_GONE,
                               now);
    set_quorum(n, now);
}

static void close_peer(struct spv_node *n, struct node_peer *p, int error, struct spv_now now)
{
    const uint64_t id = p->id;
    bury(n, p, error, now);
    struct spv_effect *e = spv_effects_push(&n->effects, SPV_EFFECT_CLOSE, id);
    if (e)
        e->error = error;
}

/* The extra peers make room: for other ones, or because the tip has moved. Whoever moved it stays.
 */
static void close_extra(struct spv_node *n, struct spv_now now)
{
    for (size_t i = 0; n->extra && i < SPV_NODE_MAX_PEERS; i++) {
        struct node_peer *p = &n->peer[i];
        if (p->state != PEER_FREE && p->id > n->last_usual && p->id != n->speaker &&
            count(n, PEER_DIALLING) + count(n, PEER_READY) > n->wanted)
            close_peer(n, p, SPV_ERR_DISCONNECTED, now);
    }
    n->extra = 0;
}

/* SYNC.md: "fresh peers when the tip is older than 30 minutes and a warning to the user at 90". */
static void heed_alarms(struct spv_node *n, struct spv_now now)
{
    struct spv_alarm_note note;
    spv_alarm_tip(&n->alarm, n->sync.synced, spv_chain_tip(n->chain), now);
    while (!n->effects.error && spv_alarm_next(&n->alarm, &note, now)) {
        struct spv_event *event;
        switch (note.kind) {
        case SPV_ALARM_FRESH_PEERS:
            close_extra(n, now);
            n->last_usual = n->next_id;
            n->extra = !n->discovery ? 0 : SPV_ALARM_EXTRA;
            if (n->extra > SPV_NODE_MAX_PEERS - n->wanted)
                n->extra = SPV_NODE_MAX_PEERS - n->wanted;
            break;
        case SPV_ALARM_OVER:
            close_extra(n, now);
            break;
        case SPV_ALARM_WARNING:
            event = spv_sync_event(&n->effects, n->chain, SPV_EVENT_WARNING, 0);
            if (!event)
                return;
            event->warning = note.warning;
            event->seconds = note.seconds;
            event->text = spv_alarm_text(note.warning);
            break;
        }
    }
}

/* After every input: what sync wants dropped is dropped, free slots are filled. */
static int settle(struct spv_node *n, int rc, struct spv_now now)
{
    struct spv_sync_drop drop;
    while (!fail(n, rc) && spv_sync_next_drop(&n->sync, &drop)) {
        struct node_peer *p = find(n, drop.id);
        if (!p)
            continue;
        close_peer(n, p, drop.error, now);
    }
    if (!n->error) {
        heed_alarms(n, now);
        fill_slots(n, now);
    }
    return fail(n, 0);
}

static int add_named(struct spv_node *n, const struct spv_endpoint *endpoints, size_t count_named)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < count_named; i++)
        rc = spv_candidates_add_named(&n->candidates, &endpoints[i]);
    return rc;
}

static bool checkpoints_ascend(const struct spv_node_config *cfg)
{
    if (!cfg->checkpoints)
        return true;
    for (size_t i = 1; i < cfg->n_checkpoints; i++)
        if (cfg->checkpoints[i].height <= cfg->checkpoints[i - 1].height)
            return false;
    return cfg->n_checkpoints <= SPV_NODE_MAX_CHECKPOINTS;
}

int spv_node_new(struct spv_node **out, const struct spv_node_config *cfg, struct spv_now now)
{
    if (!cfg->params || !cfg->rng.fill || cfg->peers > SPV_NODE_MAX_PEERS ||
        !checkpoints_ascend(cfg))
        return SPV_ERR_INVALID;
    struct spv_node *n = calloc(1, sizeof *n);
    if (!n)
        return SPV_ERR_NOMEM;
    n->params = *cfg->params;
    if (cfg->no_checkpoints) {
        n->params.n_checkpoints = 0;
    } else if (cfg->checkpoints) {
        n->params.checkpoints = cfg->checkpoints;
        n->params.n_checkpoints = cfg->n_checkpoints;
    }
    n->discovery = !cfg->n_connect && !cfg->no_discovery;
    n->wanted = cfg->peers ? cfg->peers : NODE_DEFAULT_PEERS;
    if (cfg->n_connect && !cfg->peers)
        n->wanted =
            cfg->n_connect < SPV_NODE_MAX_PEERS ? (unsigned)cfg->n_connect : SPV_NODE_MAX_PEERS;
    spv_effects_init(&n->effects);
    spv_candidates_init(&n->candidates, cfg->rng);

    const struct spv_chain_config chain = {
        .params = &n->params, .reader = cfg->reader, .no_checkpoints = cfg->no_checkpoints};
    int rc = add_named(n, cfg->connect, cfg->n_connect);
    if (!rc && !cfg->n_connect) /* "--connect (only these)" */
        rc = add_named(n, cfg->add_peers, cfg->n_add_peers);
    if (!rc)
        rc = spv_chain_new(&n->chain, &chain);
    if (rc < 0) {
        spv_node_free(n);
        return rc;
    }
    n->start_height = spv_chain_tip(n->chain)->height;
    const struct spv_sync_config sync = {.chain = n->chain,
                                         .effects = &n->effects,
                                         .params = &n->params,
                                         .min_work =
                                             cfg->min_work ? *cfg->min_work : n->params.min_work,
                                         .request_timeout_us = cfg->request_timeout_us,
                                         .indexed = cfg->indexed};
    spv_sync_init(&n->sync, &sync);
    spv_alarm_init(&n->alarm, &n->params, n->wanted);
    set_quorum(n, now);
    fill_slots(n, now);
    rc = fail(n, 0);
    if (rc < 0) {
        spv_node_free(n);
        return rc;
    }
    *out = n;
    return 0;
}

void spv_node_free(struct spv_node *n)
{
    if (!n)
        return;
    spv_chain_free(n->chain);
    spv_candidates_free(&n->candidates);
    spv_effects_free(&n->effects);
    free(n);
}

int spv_node_connected(struct spv_node *n, uint64_t peer, const struct spv_peer_stats *info,
                       struct spv_now now)
{
    struct node_peer *p = find(n, peer);
    struct spv_candidate *x = spv_candidates_of(&n->candidates, peer);
    if (n->error)
        return n->error;
    if (!p || p->state != PEER_DIALLING || !x)
        return SPV_ERR_STATE;
    p->state = PEER_READY;
    tell(n, SPV_EVENT_CONNECTED, peer, 0);
    /* Of strangers we want the chain; a peer that the user named may be a plain header server. */
    if (!x->named && !(info->services & (SPV_NODE_NETWORK | SPV_NODE_NETWORK_LIMITED))) {
        close_peer(n, p, SPV_ERR_SERVICES, now);
        return settle(n, 0, now);
    }
    spv_alarm_connected(&n->alarm, peer, info->time_offset_s, now);
    if (n->discovery)
        spv_effects_send_empty(&n->effects, peer, SPV_CMD_GETADDR);
    return settle(n, spv_sync_add(&n->sync, peer, x->group, info, now), now);
}

static int take_addresses(struct spv_node *n, struct node_peer *p, const struct spv_msg_addr *msg)
{
    int rc = 0;
    for (size_t i = 0; !rc && n->discovery && i < msg->n && p->addr_budget; i++, p->addr_budget--)
        rc = spv_candidates_add(&n->candidates, &msg->entries[i].addr);
    return rc;
}

int spv_node_recv(struct spv_node *n, uint64_t peer, const struct spv_msg *msg, struct spv_now now)
{
    struct node_peer *p = find(n, peer);
    if (n->error)
        return n->error;
    if (n->sync.storing || (p && p->state != PEER_READY))
        return SPV_ERR_STATE;
    if (!p) /* we have closed it, and this was already on its way */
        return 0;
    int rc = 0;
    n->speaker = peer;
    if (msg->command == SPV_CMD_HEADERS)
        rc = spv_sync_headers(&n->sync, peer, &msg->u.headers, now);
    else if (msg->command == SPV_CMD_INV)
        rc = spv_sync_inv(&n->sync, peer, &msg->u.inv, now);
    else if (msg->command == SPV_CMD_ADDR)
        rc = take_addresses(n, p, &msg->u.addr);
    return settle(n, rc, now);
}

int spv_node_closed(struct spv_node *n, uint64_t peer, int error, struct spv_now now)
{
    struct node_peer *p = find(n, peer);
    if (n->error)
        return n->error;
    if (!p)
        return 0;
    bury(n, p, error, now);
    return settle(n, 0, now);
}

int spv_node_resolved(struct spv_node *n, const struct spv_endpoint *endpoint, int error,
                      const struct spv_netaddr *addrs, size_t n_addrs, struct spv_now now)
{
    (void)endpoint; /* which seed answered makes no difference yet */
    int rc = 0;
    for (size_t i = 0; !rc && !error && i < n_addrs; i++)
        rc = spv_candidates_add(&n->candidates, &addrs[i]);
    return settle(n, rc, now);
}

int spv_node_stored(struct spv_node *n, int error, struct spv_now now)
{
    if (!n->sync.storing)
        return SPV_ERR_STATE;
    if (fail(n, error))
        return n->error;
    spv_sync_stored(&n->sync);
    return settle(n, 0, now);
}

int spv_node_indexed(struct spv_node *n, int error, struct spv_now now)
{
    if (fail(n, error))
        return n->error;
    spv_sync_indexed(&n->sync);
    return settle(n, 0, now);
}

int spv_node_timer(struct spv_node *n, struct spv_now now)
{
    if (n->error)
        return n->error;
    return settle(n, spv_sync_timer(&n->sync, now), now);
}

uint64_t spv_node_deadline(const struct spv_node *n)
{
    uint64_t first = spv_sync_deadline(&n->sync);
    if (spv_alarm_deadline(&n->alarm) < first)
        first = spv_alarm_deadline(&n->alarm);
    if (count(n, PEER_DIALLING) + count(n, PEER_READY) < n->wanted + n->extra) {
        const uint64_t next = spv_candidates_deadline(&n->candidates);
        if (next < first)
            first = next;
    }
    return wants_seeds(n) && n->dns_us < first ? n->dns_us : first;
}

int spv_node_poll(struct spv_node *n, struct spv_effect *out)
{
    return spv_effects_pop(&n->effects, out);
}

const struct spv_chain *spv_node_chain(const struct spv_node *n)
{
    return n->chain;
}

void spv_node_stats(const struct spv_node *n, struct spv_node_stats *out)
{
    *out = (struct spv_node_stats){
        .tip = *spv_chain_tip(n->chain),
        .start_height = n->start_height,
        .headers_added = n->sync.headers_added,
        .target_height = spv_sync_target(&n->sync),
        .peers = count(n, PEER_READY),
        .peers_connecting = count(n, PEER_DIALLING),
        .chain_peer = n->sync.chain_peer,
        .synced = n->sync.synced,
        .stale = n->alarm.stale,
        .clock_skew_s = n->alarm.skew_s,
        .reorgs = n->sync.reorgs,
        .stalls = n->sync.stalls,
        .bans = n->bans,
        .memory =
            sizeof *n + spv_chain_memory(n->chain) + n->candidates.cap * sizeof *n->candidates.at,
    };
}
