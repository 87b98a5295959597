/* HTTP/1.1 server for the pure functions of src/spv/serve/rest.c.
 *
 * A connection waits for a request, is sent the reply, and waits again; nothing is read while a
 * reply is being sent. A client that pipelines requests gets one reply per turn of the loop. To end
 * a connection the server shuts it down for writing and reads for LINGER_US more, so that late
 * bytes of the client do not reset the connection before it has the reply. Each stage has a
 * deadline, checked by one timer. Above the limit the longest idle connection is closed.
 *
 * The stream owns the socket and removes it from the event loop before it closes it: no event of a
 * closed descriptor is left for the next connection that gets its number. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/http_reply.h"
#include "loop/http_request.h"
#include "loop/rate_limit.h"
#include "net/reactor.h"
#include "net/sockaddr.h"
#include "net/stream.h"
#include "spv/http_server.h"
#include "spv/listener.h"
#include "spv/serve/rest.h"

#define MAX_CONNECTIONS 64 /* ours: a few descriptors of the usual 1024 */
#define REQUEST_US (10 * SPV_SECOND) /* ours: a request is one packet */
#define REPLY_US (60 * SPV_SECOND) /* ours: the longest reply is 1.3 MB */
#define LINGER_US SPV_SECOND /* ours: for bytes sent before the client saw our shutdown */
#define BURST_SECONDS 4 /* ours: size of a burst */
#define SWEEP_US (SPV_SECOND / 4)

/* In the order in which connections are closed for a new one. */
enum stage {
    LINGERING, /* the reply is in the kernel; the connection ends */
    WAITING, /* for a request, or for the rest of one */
    REPLYING,
};

struct connection {
    struct connection *prev, *next;
    struct spv_http_server *http;
    struct spv_stream *stream;
    int fd; /* the stream's */
    struct spv_netaddr from; /* network 0: unknown */
    enum stage stage;
    bool keep_alive;
    bool has_more; /* a complete request may be in `in`: handled in the next turn */
    uint64_t since_us; /* start of the stage; when replying, the last successful write */
    uint64_t deadline;
    struct spv_buffer in; /* SPV_HTTP_MAX_HEAD bytes at most */
    struct spv_buffer out; /* one answer */
    size_t n_sent;
};

struct spv_http_server {
    struct spv_http_server_config cfg;
    struct spv_reactor *reactor;
    struct spv_listener *listener;
    struct spv_timer *sweep_timer; /* closes connections past their deadline */
    struct spv_timer *deferred; /* handles pipelined requests */
    struct connection *first;
    unsigned n;
    bool answering; /* the header database is being read: spv_http_server_free fails */
    struct spv_rate_limit limit;
    struct spv_http_server_stats stats;
};

static uint64_t now_us(void)
{
    return spv_system_now().mono_us;
}

/* ---- connections ---- */

static void close_connection(struct connection *c)
{
    struct spv_http_server *h = c->http;
    *(c->prev ? &c->prev->next : &h->first) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    h->n--;
    c->stream->ops->free(c->stream);
    spv_buffer_free(&c->in);
    spv_buffer_free(&c->out);
    free(c);
}

static void drop_connection(struct connection *c)
{
    c->http->stats.dropped++;
    close_connection(c);
}

static void enter_stage(struct connection *c, enum stage stage, uint64_t lasts_us)
{
    c->stage = stage;
    c->since_us = now_us();
    c->deadline = c->since_us + lasts_us;
    c->stream->ops->want_read(c->stream, stage != REPLYING);
}

static void begin_waiting(struct connection *c)
{
    enter_stage(c, WAITING, c->http->cfg.request_timeout_us);
}

static void on_sweep(void *ctx)
{
    struct spv_http_server *h = ctx;
    const uint64_t now = now_us();
    for (struct connection *c = h->first, *next; c; c = next) {
        next = c->next;
        if (c->deadline > now)
            continue;
        if (c->stage == LINGERING)
            close_connection(c);
        else
            drop_connection(c);
    }
    if (h->first)
        spv_timer_set(h->sweep_timer, now + SWEEP_US);
}

/* Closes the connection that has been idle longest, one that is being sent a reply last. */
static void close_idle(struct spv_http_server *h)
{
    struct connection *found = h->first;
    for (struct connection *c = h->first; c; c = c->next)
        if (c->stage < found->stage || (c->stage == found->stage && c->since_us < found->since_us))
            found = c;
    if (found)
        drop_connection(found);
}

/* ---- answers ---- */

/* The whole reply is in the kernel. */
static void end_reply(struct connection *c)
{
    spv_buffer_free(&c->out);
    c->n_sent = 0;
    if (!c->keep_alive) {
        spv_buffer_free(&c->in);
        (void)shutdown(c->fd, SHUT_WR);
        enter_stage(c, LINGERING, LINGER_US);
        return;
    }
    begin_waiting(c);
    c->has_more = c->in.len > 0;
    if (c->has_more)
        spv_timer_set(c->http->deferred, c->since_us);
}

/* Writes as much as the socket accepts. May free the connection. */
static void push_output(struct connection *c)
{
    while (c->n_sent < c->out.len) {
        const ssize_t written =
            c->stream->ops->write(c->stream, c->out.data + c->n_sent, c->out.len - c->n_sent);
        if (written < 0) {
            close_connection(c);
            return;
        }
        if (written == 0) {
            c->stream->ops->want_write(c->stream, true);
            return;
        }
        c->n_sent += (size_t)written;
        c->since_us = now_us();
    }
    c->stream->ops->want_write(c->stream, false);
    end_reply(c);
}

/* Sends a reply and frees its body. May free the connection. */
static void send_reply(struct connection *c, const struct spv_http_request *req,
                       struct spv_rest_reply *r, unsigned retry_after)
{
    const struct spv_http_reply_head head = {
        .status = r->status,
        .type = r->type,
        .length = r->body.len,
        .retry_after = retry_after,
        .http_1_0 = req->http_1_0,
        .keep_alive = req->keep_alive,
        .unix_s = spv_system_now().unix_s,
    };
    c->keep_alive = req->keep_alive;
    spv_http_reply_put_head(&c->out, &head);
    if (req->method != SPV_HTTP_HEAD)
        spv_buffer_put(&c->out, r->body.data, r->body.len);
    const bool failed = c->out.error != 0 || r->body.error != 0;
    spv_buffer_free(&r->body);
    spv_buffer_consume(&c->in, req->len);
    if (c->in.len == 0)
        spv_buffer_free(&c->in);
    if (failed) {
        close_connection(c);
        return;
    }
    enter_stage(c, REPLYING, REPLY_US);
    push_output(c);
}

static void refuse_request(struct connection *c, const struct spv_http_request *req,
                           enum spv_rest_status status, unsigned retry_after, const char *text)
{
    struct spv_rest_reply r = {.status = status, .type = "text/plain"};
    spv_buffer_init(&r.body);
    spv_buffer_put(&r.body, text, strlen(text));
    spv_buffer_put(&r.body, "\r\n", 2);
    send_reply(c, req, &r, retry_after);
}

static void send_answer(struct connection *c, const struct spv_http_request *req)
{
    struct spv_http_server *h = c->http;
    struct spv_rest_reply r;
    const unsigned wait =
        c->from.network != 0 ? spv_rate_limit_take(&h->limit, &c->from, now_us()) : 0;
    h->stats.requests++;
    if (wait > 0) {
        h->stats.limited++;
        refuse_request(c, req, SPV_REST_TOO_MANY, wait, "Too many requests; see Retry-After");
        return;
    }
    if (req->method == SPV_HTTP_OTHER) {
        refuse_request(c, req, SPV_REST_METHOD, 0, "Only GET and HEAD");
        return;
    }
    h->answering = true;
    const int rc = spv_rest_answer(&r, &h->cfg.header_db, h->cfg.params, req->target);
    h->answering = false;
    if (rc < 0)
        refuse_request(c, req, SPV_REST_UNAVAILABLE, 0, "Out of memory");
    else
        send_reply(c, req, &r, r.status == SPV_REST_UNAVAILABLE ? 10 : 0);
}

/* Handles the next request if it is complete. May free the connection. */
static void handle_request(struct connection *c)
{
    struct spv_http_request req;
    c->has_more = false;
    const enum spv_http_parse parsed = spv_http_request_parse(&req, (char *)c->in.data, c->in.len);
    switch (parsed) {
    case SPV_HTTP_INCOMPLETE:
        return;
    case SPV_HTTP_COMPLETE:
        send_answer(c, &req);
        return;
    case SPV_HTTP_BAD_REQUEST:
        refuse_request(c, &req, SPV_REST_BAD_REQUEST, 0, req.why);
        return;
    case SPV_HTTP_HAS_BODY:
        refuse_request(c, &req, SPV_REST_TOO_LARGE, 0, req.why);
        return;
    case SPV_HTTP_BAD_VERSION:
        refuse_request(c, &req, SPV_REST_VERSION, 0, req.why);
        return;
    }
}

static void on_deferred(void *ctx)
{
    const struct spv_http_server *h = ctx;
    for (struct connection *c = h->first, *next; c; c = next) {
        next = c->next;
        if (c->has_more && c->stage == WAITING)
            handle_request(c);
    }
}

static void on_readable(void *ctx)
{
    struct connection *c = ctx;
    struct spv_reactor *r = c->http->reactor;
    size_t cap = SPV_SCRATCH;
    if (c->stage != LINGERING)
        cap = SPV_HTTP_MAX_HEAD > c->in.len ? SPV_HTTP_MAX_HEAD - c->in.len : 0;
    if (c->stage == REPLYING || cap == 0)
        return;
    const ssize_t got = c->stream->ops->read(c->stream, r->scratch, cap);
    if (got < 0) {
        close_connection(c);
        return;
    }
    if (got == 0 || c->stage == LINGERING)
        return;
    spv_buffer_put(&c->in, r->scratch, (size_t)got);
    if (c->in.error != 0)
        close_connection(c);
    else if (!c->has_more)
        handle_request(c);
}

static void on_writable(void *ctx)
{
    struct connection *c = ctx;
    if (c->stage == REPLYING)
        push_output(c);
}

static void on_accepted(void *ctx, int fd, const struct spv_endpoint *from)
{
    struct spv_http_server *h = ctx;
    (void)from;
    if (h->n >= h->cfg.max_connections)
        close_idle(h);
    struct connection *c = calloc(1, sizeof *c);
    if (!c)
        goto err0;
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    if (getpeername(fd, (struct sockaddr *)&sa, &len) == 0)
        (void)spv_sock_to_netaddr(&c->from, (const struct sockaddr *)&sa);
    const struct spv_stream stream_callbacks = {
        .on_readable = on_readable, .on_writable = on_writable, .ctx = c};
    if (spv_stream_new_socket(&c->stream, h->reactor, fd, &stream_callbacks) < 0)
        goto err1;
    c->http = h;
    c->fd = fd;
    spv_buffer_init(&c->in);
    spv_buffer_init(&c->out);
    begin_waiting(c);
    c->next = h->first;
    if (c->next)
        c->next->prev = c;
    else
        spv_timer_set(h->sweep_timer, c->since_us + SWEEP_US);
    h->first = c;
    h->n++;
    h->stats.connections++;
    return;
err1:
    free(c);
err0:
    (void)close(fd);
    h->stats.dropped++;
}

/* ---- creation and freeing ---- */

int spv_http_server_new(struct spv_http_server **out, struct spv_reactor *r,
                        const struct spv_http_server_config *cfg, struct spv_error_info *why)
{
    int rc = SPV_ERR_NOMEM;
    struct spv_http_server *h = calloc(1, sizeof *h);
    if (!h)
        goto err0;
    h->cfg = *cfg;
    h->reactor = r;
    if (h->cfg.max_connections == 0)
        h->cfg.max_connections = MAX_CONNECTIONS;
    if (h->cfg.request_timeout_us == 0)
        h->cfg.request_timeout_us = REQUEST_US;
    spv_rate_limit_init(&h->limit, cfg->rate, cfg->rate * BURST_SECONDS);
    rc = spv_timer_new(&h->sweep_timer, r, on_sweep, h);
    if (rc < 0)
        goto err1;
    rc = spv_timer_new(&h->deferred, r, on_deferred, h);
    if (rc < 0)
        goto err2;
    rc = spv_listener_new(&h->listener, r, &cfg->listen, on_accepted, h, why);
    if (rc < 0) {
        why = NULL; /* set by the listener */
        goto err3;
    }
    *out = h;
    return 0;
err3:
    spv_timer_free(h->deferred);
err2:
    spv_timer_free(h->sweep_timer);
err1:
    free(h);
err0:
    if (why) {
        why->code = (enum spv_err)rc;
        (void)snprintf(why->text, sizeof why->text, "cannot start the HTTP server: %s",
                       spv_strerror(rc));
    }
    return rc;
}

uint16_t spv_http_server_port(const struct spv_http_server *h)
{
    return spv_listener_port(h->listener);
}

void spv_http_server_get_stats(const struct spv_http_server *h, struct spv_http_server_stats *out)
{
    *out = h->stats;
    out->open = h->n;
}

int spv_http_server_free(struct spv_http_server *h)
{
    if (!h)
        return 0;
    if (h->answering)
        return SPV_ERR_STATE;
    spv_listener_free(h->listener);
    for (struct connection *c = h->first, *next; c; c = next) {
        next = c->next;
        close_connection(c);
    }
    spv_timer_free(h->deferred);
    spv_timer_free(h->sweep_timer);
    spv_rate_limit_free(&h->limit);
    free(h);
    return 0;
}
