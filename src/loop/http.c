/* libevent's HTTP server around the pure answers of src/spv/rest.c.
 *
 * evhttp reads requests and writes replies; it bounds the header and the body and closes a
 * connection on which nothing moves. It does not bound the number of connections, nor the time that
 * a client takes which sends a byte now and then. So each connection's bufferevent is made here,
 * with a reference of our own, and noted with a deadline: for the whole request, and then for the
 * taking of the whole reply. A bufferevent that evhttp has given up has no callbacks left; it is
 * then let go. A late one has its socket shut down, which evhttp takes for the client's leaving.
 * Of too many connections the longest waiting one goes. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "link/listener.h"
#include "link/reactor.h"
#include "link/sockaddr.h"
#include "loop/http_limit.h"
#include "spv/loop.h"
#include "spv/rest.h"

#define MAX_CONNECTIONS 64 /* ours: a few descriptors of the usual 1024 */
#define MAX_HEADERS 8192 /* bytes of a request's header; MAX_HEADERS_SIZE of Bitcoin Core */
#define REQUEST_US (10 * SPV_SECOND) /* ours: a request is one packet */
#define REPLY_US (60 * SPV_SECOND) /* ours: the longest reply is 1.3 MB */
#define BURST_SECONDS 4 /* ours: so much may be asked at once after a silence */
#define SWEEP_US (SPV_SECOND / 4)

enum stage {
    WAITING, /* for a request, or for the rest of one */
    REPLYING,
};

struct connection {
    struct connection *prev, *next; /* oldest first */
    struct spv_http *http;
    struct bufferevent *bev; /* a reference of ours */
    enum stage stage;
    bool shut;
    uint64_t deadline;
};

struct spv_http {
    struct spv_http_config cfg;
    struct spv_reactor *reactor;
    struct evhttp *ev;
    struct evconnlistener *listener; /* evhttp's */
    struct spv_timer *sweep;
    uint16_t port;
    struct connection *first, *last;
    unsigned n; /* connections that are not shut */
    struct spv_http_limit limit;
    struct spv_http_stats stats;
};

/* ---- connections ---- */

static void unlink_connection(struct connection *c)
{
    struct spv_http *h = c->http;
    *(c->prev != NULL ? &c->prev->next : &h->first) = c->next;
    *(c->next != NULL ? &c->next->prev : &h->last) = c->prev;
    if (!c->shut)
        h->n--;
}

static void append_connection(struct spv_http *h, struct connection *c)
{
    c->http = h;
    c->prev = h->last;
    *(h->last != NULL ? &h->last->next : &h->first) = c;
    h->last = c;
    h->n++;
}

/* evhttp has freed its connection: bufferevent_free clears the callbacks and what they are given.
 */
static bool is_over(const struct connection *c)
{
    bufferevent_data_cb read_cb = NULL, write_cb = NULL;
    bufferevent_event_cb event_cb = NULL;
    void *arg = NULL;
    bufferevent_getcb(c->bev, &read_cb, &write_cb, &event_cb, &arg);
    return read_cb == NULL && write_cb == NULL && event_cb == NULL && arg == NULL;
}

static void shut(struct connection *c)
{
    if (c->shut)
        return;
    c->shut = true;
    c->http->n--;
    c->http->stats.dropped++;
    (void)shutdown(bufferevent_getfd(c->bev), SHUT_RDWR);
}

/* Lets go of those that are over and shuts the late ones. */
static void sweep(struct spv_http *h)
{
    const uint64_t now = spv_system_now().mono_us;
    for (struct connection *c = h->first, *next; c != NULL; c = next) {
        next = c->next;
        if (is_over(c)) {
            unlink_connection(c);
            (void)bufferevent_decref(c->bev);
            free(c);
        } else if (c->deadline <= now) {
            shut(c);
        }
    }
}

static void on_sweep(void *ctx)
{
    struct spv_http *h = ctx;
    sweep(h);
    (void)evconnlistener_enable(h->listener); /* where it paused */
    spv_timer_set(h->sweep, spv_system_now().mono_us + SWEEP_US);
}

/* The longest waiting one makes room; when all are being answered, the newcomer has to go. */
static void make_room(struct spv_http *h, struct connection *newcomer)
{
    struct connection *c = h->first;
    while (c != NULL && (c->shut || c->stage != WAITING || c == newcomer))
        c = c->next;
    if (c != NULL)
        shut(c);
    else
        newcomer->deadline = 0; /* it has no socket yet: the sweep shuts it */
}

/* evhttp has accepted a connection and wants a bufferevent for it. NULL: it makes one by itself,
 * which happens only when memory is short. */
static struct bufferevent *on_connection(struct event_base *base, void *ctx)
{
    struct spv_http *h = ctx;
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->bev = bufferevent_socket_new(base, -1, 0);
    if (c->bev == NULL) {
        free(c);
        return NULL;
    }
    bufferevent_incref(c->bev);
    const uint64_t now = spv_system_now().mono_us;
    sweep(h);
    c->stage = WAITING;
    c->deadline = now + h->cfg.request_timeout_us;
    append_connection(h, c);
    h->stats.connections++;
    if (h->n > h->cfg.max_connections)
        make_room(h, c);
    if (c->deadline == 0)
        spv_timer_set(h->sweep, now);
    return c->bev;
}

/* No descriptors: the kernel would report the same waiting connection again at once and for ever.
 * The next sweep goes on. */
static void on_accept_error(struct evconnlistener *listener, void *ctx)
{
    (void)ctx; /* evhttp's */
    (void)evconnlistener_disable(listener);
}

/* ---- requests ---- */

static struct connection *connection_of(const struct spv_http *h, struct evhttp_request *req)
{
    struct evhttp_connection *ev = evhttp_request_get_connection(req);
    const struct bufferevent *bev = ev != NULL ? evhttp_connection_get_bufferevent(ev) : NULL;
    for (struct connection *c = h->last; c != NULL; c = c->prev)
        if (c->bev == bev)
            return c;
    return NULL;
}

static bool who_asks(struct spv_netaddr *out, const struct connection *c)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    return c != NULL && getpeername(bufferevent_getfd(c->bev), (struct sockaddr *)&sa, &len) == 0 &&
           spv_sock_to_netaddr(out, (const struct sockaddr *)&sa) == 0;
}

/* The reply is with the kernel: the next request may come. */
static void on_replied(struct evhttp_request *req, void *ctx)
{
    struct connection *c = ctx;
    (void)req;
    c->stage = WAITING;
    c->deadline = spv_system_now().mono_us + c->http->cfg.request_timeout_us;
}

static const char *phrase(enum spv_rest_status status)
{
    switch (status) {
    case SPV_REST_OK:
        return "OK";
    case SPV_REST_BAD_REQUEST:
        return "Bad Request";
    case SPV_REST_NOT_FOUND:
        return "Not Found";
    case SPV_REST_METHOD:
        return "Method Not Allowed";
    case SPV_REST_TOO_LONG:
        return "URI Too Long";
    case SPV_REST_TOO_MANY:
        return "Too Many Requests";
    case SPV_REST_INTERNAL:
        return "Internal Server Error";
    case SPV_REST_UNAVAILABLE:
        return "Service Unavailable";
    }
    return "";
}

static void free_body(const void *data, size_t n, void *extra)
{
    (void)data;
    (void)n;
    free(extra);
}

/* Sends a reply and takes its body. */
static void reply(struct evhttp_request *req, struct spv_rest_reply *r)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(req);
    struct evbuffer *out = evhttp_request_get_output_buffer(req);
    char length[24];
    (void)snprintf(length, sizeof length, "%zu", r->body.len);
    (void)evhttp_add_header(headers, "Content-Type", r->type);
    (void)evhttp_add_header(headers, "Content-Length", length); /* HEAD's, too */
    if (evhttp_request_get_command(req) == EVHTTP_REQ_HEAD || r->body.len == 0 ||
        evbuffer_add_reference(out, r->body.data, r->body.len, free_body, r->body.data) != 0)
        spv_buffer_free(&r->body);
    evhttp_send_reply(req, (int)r->status, phrase(r->status), NULL);
}

static void refuse(struct evhttp_request *req, enum spv_rest_status status, const char *text)
{
    struct spv_rest_reply r = {.status = status, .type = "text/plain"};
    spv_buffer_init(&r.body);
    spv_buffer_put(&r.body, text, strlen(text));
    reply(req, &r);
}

static void add_header(struct evhttp_request *req, const char *key, const char *value)
{
    (void)evhttp_add_header(evhttp_request_get_output_headers(req), key, value);
}

static void on_request(struct evhttp_request *req, void *ctx)
{
    struct spv_http *h = ctx;
    struct connection *c = connection_of(h, req);
    const enum evhttp_cmd_type method = evhttp_request_get_command(req);
    const struct spv_now now = spv_system_now();
    struct spv_netaddr from;
    struct spv_rest_reply r;
    h->stats.requests++;
    if (c != NULL) {
        c->stage = REPLYING;
        c->deadline = now.mono_us + REPLY_US;
        evhttp_request_set_on_complete_cb(req, on_replied, c);
    }
    const unsigned wait =
        who_asks(&from, c) ? spv_http_limit_take(&h->limit, &from, now.mono_us) : 0;
    if (wait > 0) {
        char seconds[16];
        (void)snprintf(seconds, sizeof seconds, "%u", wait);
        add_header(req, "Retry-After", seconds);
        h->stats.limited++;
        refuse(req, SPV_REST_TOO_MANY, "Too many requests; see Retry-After\r\n");
    } else if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
        add_header(req, "Allow", "GET, HEAD");
        refuse(req, SPV_REST_METHOD, "Only GET and HEAD\r\n");
    } else if (spv_rest_answer(&r, &h->cfg.reader, h->cfg.params, evhttp_request_get_uri(req)) <
               0) {
        refuse(req, SPV_REST_UNAVAILABLE, "Out of memory\r\n");
    } else {
        if (r.status == SPV_REST_UNAVAILABLE)
            add_header(req, "Retry-After", "10");
        reply(req, &r);
    }
}

/* ---- life ---- */

static int begin_listening(struct spv_http *h, struct spv_problem *why)
{
    int fd = -1;
    int rc = spv_listen_open(&fd, &h->cfg.listen, why);
    if (rc < 0)
        return rc;
    h->port = spv_listen_port(fd);
    h->listener = evconnlistener_new(h->reactor->base, NULL, NULL,
                                     LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (h->listener == NULL) {
        evutil_closesocket(fd);
        return SPV_ERR_NOMEM;
    }
    if (evhttp_bind_listener(h->ev, h->listener) == NULL) {
        evconnlistener_free(h->listener);
        return SPV_ERR_NOMEM;
    }
    evconnlistener_set_error_cb(h->listener, on_accept_error);
    spv_timer_set(h->sweep, spv_system_now().mono_us + SWEEP_US);
    return 0;
}

static int begin_http(struct spv_http *h)
{
    const struct timeval idle = {
        .tv_sec = (time_t)(REPLY_US / SPV_SECOND)}; /* our own deadlines come first */
    h->ev = evhttp_new(h->reactor->base);
    if (h->ev == NULL)
        return SPV_ERR_NOMEM;
    evhttp_set_max_headers_size(h->ev, MAX_HEADERS);
    evhttp_set_max_body_size(h->ev, 0);
    evhttp_set_timeout_tv(h->ev, &idle);
    /* All that it knows, so that the refusal is ours and says what is allowed. */
    evhttp_set_allowed_methods(h->ev, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
                                          EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS |
                                          EVHTTP_REQ_TRACE | EVHTTP_REQ_PATCH);
    evhttp_set_bevcb(h->ev, on_connection, h);
    evhttp_set_gencb(h->ev, on_request, h);
    return 0;
}

int spv_http_new(struct spv_http **out, struct spv_reactor *r, const struct spv_http_config *cfg,
                 struct spv_problem *why)
{
    int rc = SPV_ERR_NOMEM;
    struct spv_problem said = {0};
    struct spv_http *h = calloc(1, sizeof *h);
    if (h == NULL)
        goto err0;
    h->cfg = *cfg;
    h->reactor = r;
    if (h->cfg.max_connections == 0)
        h->cfg.max_connections = MAX_CONNECTIONS;
    if (h->cfg.request_timeout_us == 0)
        h->cfg.request_timeout_us = REQUEST_US;
    spv_http_limit_init(&h->limit, cfg->rate, cfg->rate * BURST_SECONDS);
    rc = spv_timer_new(&h->sweep, r, on_sweep, h);
    if (rc < 0)
        goto err1;
    rc = begin_http(h);
    if (rc < 0)
        goto err2;
    rc = begin_listening(h, &said);
    if (rc < 0)
        goto err3;
    *out = h;
    return 0;
err3:
    evhttp_free(h->ev);
err2:
    spv_timer_free(h->sweep);
err1:
    free(h);
err0:
    if (why != NULL) {
        *why = said;
        why->code = (enum spv_err)rc;
        if (said.text[0] == '\0')
            (void)snprintf(why->text, sizeof why->text, "cannot start the HTTP server: %s",
                           spv_strerror(rc));
    }
    return rc;
}

uint16_t spv_http_port(const struct spv_http *h)
{
    return h->port;
}

void spv_http_stats(const struct spv_http *h, struct spv_http_stats *out)
{
    *out = h->stats;
    out->open = h->n;
}

void spv_http_free(struct spv_http *h)
{
    if (h == NULL)
        return;
    evhttp_free(h->ev); /* closes what is open; then all bufferevents are over */
    sweep(h);
    spv_timer_free(h->sweep);
    spv_http_limit_free(&h->limit);
    free(h);
}
