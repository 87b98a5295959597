/* A request is answered at once from the databases; then the client is not read until the next turn
 * of the loop, so that each client gets one answer per turn however many it requests, and none
 * while too many of its earlier answers are unsent. A client that requests and never reads costs a
 * bounded queue and the sockets' buffers, and is closed by the write deadline. Other messages of
 * clients are ignored; the peer state machine answers pings.
 *
 * The answer to a getcfilters is up to 1,000 messages. Each is made in a turn of its own, while
 * little is unsent to the client. Meanwhile the client is read, so that its pings and getheaders
 * are answered; further getcfilters wait in its queue, and it is not read while that is full.
 *
 * The tip of the database is polled. The last headers up to a new tip are passed to each client's
 * peer state machine, which tracks the hashes that the peer has: it sends the headers that follow
 * those, or an inv of the tip if none connects. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/conn_slots.h"
#include "loop/filter_answers.h"
#include "loop/handshake_limit.h"
#include "net/link.h"
#include "net/reactor.h"
#include "net/sockaddr.h"
#include "spv/listener.h"
#include "spv/p2p_server.h"
#include "spv/push.h"
#include "spv/serve.h"
#include "spv/serve/frame_cache.h"
#include "util/deadline.h"

#define MAX_CLIENTS 256 /* ours: a quarter of the usual limit of 1024 descriptors */
#define MAX_WAITING (4u << 20) /* ours: 25 full answers unsent to one client */
#define MAX_ALL_WAITING (32u << 20) /* ours: the same for all clients, besides one answer each */
/* ours: filters unsent to one client, and one more: two of the largest; the socket has its own */
#define MAX_FILTERS_WAITING (256u << 10)
#define FULL_ANSWER (SPV_FRAME_HEADER + 3 + SPV_MAX_HEADERS * (SPV_HEADER_SIZE + 1))

#define MAX_ANNOUNCED 16 /* ours: at most 8 are sent; the peer may have the others */

struct client {
    struct client *next;
    struct spv_p2p_server *server;
    struct spv_link *link;
    struct spv_netaddr addr; /* network 0: unknown */
    bool ready;
    bool evicted; /* closing; its slot is free */
    /* in this turn, or too many answers are unsent or getcfilters queued: not read */
    bool answered;
    struct spv_filter_queue filters;
};

struct spv_p2p_server {
    struct spv_p2p_server_config cfg;
    struct spv_reactor *reactor;
    struct spv_listener *listener;
    struct spv_timer *watch;
    struct spv_timer *deferred; /* reads answered clients again */
    struct spv_blockhash tip; /* last one announced */
    struct client *clients;
    unsigned n_evicted; /* of the clients */
    uint64_t slots_key[2];
    struct spv_p2p_server_stats stats;
    struct spv_self_nonces nonces;
    struct spv_serve_cache *cache;
    struct spv_filter_answers *filters; /* NULL: none are served */
    struct spv_v2_context *v2_context; /* NULL: v1 only */
    struct spv_rate_limit v2_limit;
};

static void notify_client(const struct spv_p2p_server *s, const struct spv_endpoint *from,
                          bool connected, int error)
{
    if (s->cfg.on_client)
        s->cfg.on_client(s->cfg.ctx, from, connected, error, s->stats.clients);
}

static void on_ready(struct spv_link *link, void *ctx)
{
    struct client *c = ctx;
    const struct spv_p2p_server *s = c->server;
    struct spv_peer_stats stats;
    c->ready = true;
    if (!s->cfg.on_ready)
        return;
    spv_link_stats(link, &stats);
    s->cfg.on_ready(s->cfg.ctx, spv_link_endpoint(link), &stats);
}

static void on_reply_taken(void *ctx, int error)
{
    struct client *c = ctx;
    if (error == 0 && (c->answered || c->filters.n > 0))
        spv_timer_set(c->server->deferred, 0);
}

static int answer_getheaders(struct client *c, const struct spv_msg_getheaders *request)
{
    struct spv_p2p_server *s = c->server;
    struct spv_shared_frame *frame;
    s->stats.requests++;
    const int n = spv_serve_cache_answer(s->cache, &frame, request);
    if (n < 0)
        return n;
    const int rc = spv_link_send_headers(c->link, frame, on_reply_taken, c);
    spv_shared_frame_unref(frame);
    if (rc == 0)
        s->stats.headers_sent += (uint64_t)n;
    return rc;
}

static int answer_filter_request(struct client *c, const struct spv_msg *request)
{
    struct spv_p2p_server *s = c->server;
    struct spv_msg answer;
    s->stats.filter_requests++;
    if (request->command == SPV_CMD_GETCFILTERS)
        return spv_filter_queue_push(&c->filters, s->filters, &request->u.getcfilters);
    const int rc = spv_filter_answers_reply(s->filters, &answer, request);
    return rc == 1 ? spv_link_send_tracked(c->link, &answer, on_reply_taken, c) : rc;
}

/* Sends the next filter, unless the rate is exceeded. Returns when to try again. */
static uint64_t send_filter(struct client *c, size_t *all, uint64_t now_us)
{
    struct spv_p2p_server *s = c->server;
    struct spv_netaddr group;
    struct spv_msg msg;
    uint64_t next_us;
    int rc = spv_filter_queue_next(&c->filters, s->filters, &msg, &next_us,
                                   spv_conn_slots_limited_group(&group, &c->addr) ? &group : NULL,
                                   now_us);
    if (rc == 0)
        return next_us;
    if (rc == 1)
        rc = spv_link_send_tracked(c->link, &msg, on_reply_taken, c);
    if (rc == 0) {
        s->stats.filters_sent++;
        *all += msg.u.cfilter.n;
        return next_us;
    }
    c->filters.n = 0;
    spv_link_close(c->link, rc);
    return SPV_NEVER;
}

/* A client's part of a turn: it is read again, or sent a filter, if few enough of its answers are
 * unsent. Returns when its next turn is; SPV_NEVER: when something was sent or received. */
static uint64_t take_turn(struct client *c, size_t *all, uint64_t now_us)
{
    const size_t mine = spv_link_pending(c->link);
    if (mine > 0 && *all > MAX_ALL_WAITING)
        return SPV_NEVER;
    if (c->answered && mine <= MAX_WAITING && c->filters.n < SPV_FILTER_ANSWERS_MAX_QUEUE) {
        c->answered = false;
        *all += FULL_ANSWER;
        spv_link_read_start(c->link);
        return c->filters.n > 0 ? now_us : SPV_NEVER;
    }
    if (c->filters.n == 0 || mine > MAX_FILTERS_WAITING)
        return SPV_NEVER;
    const uint64_t next_us = send_filter(c, all, now_us);
    /* answers that ended without a filter have made room in a full queue */
    return c->answered && c->filters.n < SPV_FILTER_ANSWERS_MAX_QUEUE ? now_us : next_us;
}

/* The next turn. Memory is bounded however many clients request without reading. */
static void on_deferred(void *ctx)
{
    struct spv_p2p_server *s = ctx;
    const uint64_t now_us = spv_system_now().mono_us;
    uint64_t next_us = SPV_NEVER;
    size_t all = 0;
    for (const struct client *c = s->clients; c; c = c->next)
        all += spv_link_pending(c->link);
    for (struct client *c = s->clients; c; c = c->next)
        next_us = spv_min_deadline(next_us, take_turn(c, &all, now_us));
    spv_timer_set(s->deferred, next_us);
}

static bool is_request(const struct spv_p2p_server *s, enum spv_command command)
{
    if (command == SPV_CMD_GETHEADERS)
        return true;
    return s->filters && (command == SPV_CMD_GETCFILTERS || command == SPV_CMD_GETCFHEADERS ||
                          command == SPV_CMD_GETCFCHECKPT);
}

static void on_message(struct spv_link *link, const struct spv_msg *msg, void *ctx)
{
    struct client *c = ctx;
    if (!c->ready || !is_request(c->server, msg->command))
        return;
    c->answered = true;
    spv_link_read_stop(link);
    const int rc = msg->command == SPV_CMD_GETHEADERS ? answer_getheaders(c, &msg->u.getheaders)
                                                      : answer_filter_request(c, msg);
    if (rc < 0)
        spv_link_close(link, rc);
    spv_timer_set(c->server->deferred, 0);
}

/* Reads the last headers up to a new tip. Returns how many, 0 if the tip is unchanged, or negative.
 */
static int read_new_tip(struct spv_p2p_server *s, struct spv_chain_header *tip,
                        struct spv_header *out)
{
    const struct spv_header_db *r = &s->cfg.header_db;
    int rc = r->begin_read ? r->begin_read(r->ctx) : 0;
    if (rc < 0)
        return rc;
    rc = r->tip(r->ctx, tip);
    if (rc == 1) {
        const uint32_t from = tip->height > MAX_ANNOUNCED ? tip->height - MAX_ANNOUNCED + 1 : 1;
        rc = spv_blockhash_eq(&tip->hash, &s->tip) ? 0 : r->range(r->ctx, out, from, MAX_ANNOUNCED);
    }
    if (r->end_read)
        r->end_read(r->ctx);
    return rc;
}

struct announcement {
    const struct spv_header *headers;
    size_t n;
};

/* Announces the headers after the last one that the peer has; all if it has none of them. */
static void announce_tip(void *ctx, struct spv_peer *peer, struct spv_now now)
{
    const struct announcement *announcement = ctx;
    size_t first = announcement->n;
    struct spv_hash256 prev;
    if (!peer)
        return;
    do {
        first--;
        memcpy(prev.b, announcement->headers[first].prev.b, sizeof prev.b);
    } while (first > 0 && !spv_peer_knows(peer, &prev));
    /* errors end the link */
    (void)spv_peer_announce(peer, announcement->headers + first, announcement->n - first, now);
}

/* A failed read is retried at the next poll: another process may be opening the file. */
static void on_watch(void *ctx)
{
    struct spv_p2p_server *s = ctx;
    struct spv_header headers[MAX_ANNOUNCED];
    struct spv_chain_header tip;
    const int n = read_new_tip(s, &tip, headers);
    if (n > 0) {
        struct announcement announcement = {headers, (size_t)n};
        s->tip = tip.hash;
        for (const struct client *c = s->clients; c; c = c->next)
            if (c->ready)
                (void)spv_link_exec(c->link, announce_tip, &announcement);
        if (s->cfg.on_tip)
            s->cfg.on_tip(s->cfg.ctx, &tip);
    }
    spv_timer_set(s->watch, spv_system_now().mono_us + s->cfg.tip_poll_us);
}

static void on_closed(struct spv_link *link, int error, void *ctx)
{
    struct client *c = ctx;
    struct spv_p2p_server *s = c->server;
    struct client **at = &s->clients;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    s->n_evicted -= c->evicted;
    free(c);
    s->stats.clients--;
    notify_client(s, spv_link_endpoint(link), false, error);
}

/* Returns 0 if the address and its group are within their shares. */
static int check_share(const struct spv_p2p_server *s, const struct spv_netaddr *addr)
{
    struct spv_conn_slots_count count = {0};
    for (const struct client *c = s->clients; c; c = c->next)
        if (!c->evicted)
            spv_conn_slots_add(&count, addr, &c->addr);
    return spv_conn_slots_share_taken(&count, addr, s->cfg.max_clients) ? SPV_ERR_ADDRESS_LIMIT : 0;
}

static struct spv_conn_slot slot_of(const struct client *c)
{
    struct spv_peer_stats stats;
    spv_link_stats(c->link, &stats);
    return (struct spv_conn_slot){.addr = c->addr,
                                  .ready = stats.ready,
                                  .connected_us = stats.connected_us,
                                  .last_in_us = stats.last_in_us,
                                  .ping_us = stats.rtt_min_us};
}

/* Evicts a client. */
static int evict_one(struct spv_p2p_server *s)
{
    struct spv_conn_slot *slots = calloc(s->stats.clients, sizeof *slots);
    size_t n = 0;
    if (!slots)
        return SPV_ERR_NOMEM;
    for (const struct client *c = s->clients; c; c = c->next)
        if (!c->evicted)
            slots[n++] = slot_of(c);
    size_t victim = spv_conn_slots_victim(slots, n, s->slots_key);
    free(slots);
    if (victim == SPV_CONN_SLOTS_NONE)
        return SPV_ERR_SERVER_FULL;
    struct client *c = s->clients;
    while (c && (c->evicted || victim-- > 0))
        c = c->next;
    if (!c)
        return SPV_ERR_SERVER_FULL;
    c->evicted = true;
    s->n_evicted++;
    s->stats.evicted++;
    spv_link_close(c->link, SPV_ERR_EVICTED);
    return 0;
}

static int find_slot(struct spv_p2p_server *s, const struct spv_netaddr *addr)
{
    int rc = check_share(s, addr);
    if (rc == 0 && s->stats.clients - s->n_evicted >= s->cfg.max_clients)
        rc = evict_one(s);
    return rc;
}

static bool allow_v2(void *ctx, const struct spv_endpoint *from)
{
    struct client *c = ctx;
    (void)from; /* the address as text */
    return spv_handshake_limit_allow(&c->server->v2_limit, &c->addr, spv_system_now().mono_us);
}

/* What a new client may request. Compact filters are offered while every one is there, as clients
 * of BIP157 expect, and requests for them are accepted while there are some. */
static void set_services(const struct spv_p2p_server *s, struct spv_peer_config *cfg)
{
    cfg->services = s->cfg.services;
    if (!s->filters)
        return;
    const int coverage = spv_filter_answers_coverage(s->filters);
    cfg->accept_filter_requests = coverage != SPV_FILTERS_NONE;
    cfg->services &= ~SPV_NODE_COMPACT_FILTERS;
    if (coverage == SPV_FILTERS_ALL)
        cfg->services |= SPV_NODE_COMPACT_FILTERS;
}

/* Takes ownership of the socket, also on failure. */
static int admit_client(struct spv_p2p_server *s, int fd)
{
    struct spv_netaddr remote = {0};
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    if (getpeername(fd, (struct sockaddr *)&sa, &len) == 0)
        (void)spv_sock_to_netaddr(&remote, (const struct sockaddr *)&sa);
    int rc = find_slot(s, &remote);
    struct client *c = rc == 0 ? calloc(1, sizeof *c) : NULL;
    if (!c) {
        (void)close(fd);
        return rc < 0 ? rc : SPV_ERR_NOMEM;
    }
    c->server = s;
    c->addr = remote;
    if (s->filters)
        spv_filter_queue_init(&c->filters, s->filters, spv_system_now().mono_us);
    struct spv_peer_config cfg = {
        .net = s->cfg.net,
        .rng = spv_system_rng(),
        .self_nonces = &s->nonces,
        .remote = remote,
        .transport = s->cfg.transport,
        .v2_context = s->v2_context,
        .allow_v2 = allow_v2,
        .allow_ctx = c,
    };
    set_services(s, &cfg);
    spv_serve_limits(&cfg);
    struct spv_chain_header tip;
    if (s->cfg.header_db.tip(s->cfg.header_db.ctx, &tip) == 1)
        cfg.height = (int32_t)tip.height;
    const struct spv_link_callbacks callbacks = {
        .on_ready = on_ready, .on_message = on_message, .on_closed = on_closed, .ctx = c};
    rc = spv_link_attach(&c->link, s->reactor, fd, &cfg, SPV_INBOUND, &callbacks);
    if (rc < 0) {
        free(c);
        return rc;
    }
    c->next = s->clients;
    s->clients = c;
    return 0;
}

static void on_accepted(void *ctx, int fd, const struct spv_endpoint *from)
{
    struct spv_p2p_server *s = ctx;
    const int rc = admit_client(s, fd);
    if (rc < 0) {
        s->stats.refused++;
        if (s->cfg.on_refused)
            s->cfg.on_refused(s->cfg.ctx, from, rc, s->stats.clients);
        return;
    }
    s->stats.clients++;
    s->stats.accepted++;
    notify_client(s, from, true, 0);
}

/* Creates the timers and reads the first tip, which is not announced: our version has its height.
 */
static int begin_timers(struct spv_p2p_server *s)
{
    struct spv_chain_header tip;
    int rc = spv_timer_new(&s->deferred, s->reactor, on_deferred, s);
    if (rc < 0)
        return rc;
    rc = spv_timer_new(&s->watch, s->reactor, on_watch, s);
    if (rc < 0) {
        spv_timer_free(s->deferred);
        return rc;
    }
    if (s->cfg.tip_poll_us == 0)
        return 0;
    if (s->cfg.header_db.tip(s->cfg.header_db.ctx, &tip) == 1)
        s->tip = tip.hash;
    spv_timer_set(s->watch, spv_system_now().mono_us + s->cfg.tip_poll_us);
    return 0;
}

static int begin_v2(struct spv_p2p_server *s)
{
    const struct spv_rng rng = spv_system_rng();
    if (s->cfg.transport == SPV_TRANSPORT_ONLY_V1)
        return 0;
    s->cfg.services |= SPV_NODE_P2P_V2;
    spv_handshake_limit_init(&s->v2_limit);
    return spv_v2_context_new(&s->v2_context, &rng);
}

/* What answers requests: encoded headers, and compact filters. */
static int begin_answers(struct spv_p2p_server *s)
{
    const struct spv_serve_cache_config cache = {.net = s->cfg.net,
                                                 .header_db = s->cfg.header_db,
                                                 .rng = spv_system_rng(),
                                                 .max_bytes = s->cfg.cache_bytes};
    const int rc = spv_serve_cache_new(&s->cache, &cache);
    if (rc < 0 || !s->cfg.filter_db)
        return rc;
    return spv_filter_answers_new(&s->filters, &s->cfg.header_db, s->cfg.filter_db);
}

/* Undoes begin_v2 and begin_answers, also in part. */
static void end_parts(struct spv_p2p_server *s)
{
    spv_rate_limit_free(&s->v2_limit);
    spv_v2_context_free(s->v2_context);
    spv_filter_answers_free(s->filters);
    spv_serve_cache_free(s->cache);
}

int spv_p2p_server_new(struct spv_p2p_server **out, const struct spv_p2p_server_config *cfg,
                       struct spv_error_info *why)
{
    int rc = SPV_ERR_NOMEM;
    struct spv_p2p_server *s = calloc(1, sizeof *s);
    if (!s)
        goto err0;
    s->cfg = *cfg;
    if (s->cfg.max_clients == 0)
        s->cfg.max_clients = MAX_CLIENTS;
    const struct spv_rng rng = spv_system_rng();
    rng.fill(rng.ctx, s->slots_key, sizeof s->slots_key);
    rc = begin_answers(s);
    if (rc < 0)
        goto err1;
    rc = begin_v2(s);
    if (rc < 0)
        goto err1;
    rc = spv_reactor_new(&s->reactor, NULL);
    if (rc < 0)
        goto err1;
    rc = begin_timers(s);
    if (rc < 0)
        goto err2;
    rc = spv_listener_new(&s->listener, s->reactor, &cfg->listen, on_accepted, s, why);
    if (rc < 0) {
        spv_timer_free(s->deferred);
        spv_timer_free(s->watch);
        spv_reactor_free(s->reactor);
        end_parts(s);
        free(s);
        return rc; /* the listener has filled in why */
    }
    *out = s;
    return 0;
err2:
    spv_reactor_free(s->reactor);
err1:
    end_parts(s);
    free(s);
err0:
    if (why) {
        why->code = (enum spv_err)rc;
        (void)snprintf(why->text, sizeof why->text, "cannot start the server: %s%s",
                       spv_strerror(rc),
                       rc == SPV_ERR_NO_DESCRIPTOR ? ". Raise the limit (ulimit -n)." : "");
    }
    return rc;
}

uint16_t spv_p2p_server_port(const struct spv_p2p_server *s)
{
    return spv_listener_port(s->listener);
}

struct spv_reactor *spv_p2p_server_reactor(struct spv_p2p_server *s)
{
    return s->reactor;
}

int spv_p2p_server_run(struct spv_p2p_server *s)
{
    return spv_reactor_run(s->reactor);
}

void spv_p2p_server_stop(struct spv_p2p_server *s)
{
    spv_reactor_stop(s->reactor);
}

void spv_p2p_server_get_stats(const struct spv_p2p_server *s, struct spv_p2p_server_stats *out)
{
    *out = s->stats;
}

int spv_p2p_server_free(struct spv_p2p_server *s)
{
    if (!s)
        return 0;
    if (spv_reactor_busy(s->reactor))
        return SPV_ERR_STATE;
    spv_listener_free(s->listener);
    spv_timer_free(s->deferred);
    spv_timer_free(s->watch);
    (void)spv_reactor_free(s->reactor); /* closes the links, which frees the clients */
    end_parts(s);
    free(s);
    return 0;
}
