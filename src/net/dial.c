/* Happy eyeballs (RFC 8305) without parallel look-ups: the addresses, with IPv6 and IPv4
 * alternating, are tried in turn; the next attempt starts when one fails, or after STAGGER_US. The
 * first connection is used, the others are closed, and one deadline bounds all of it. Everything,
 * the first attempt included, happens in the loop, so done is never called inside spv_dial_start.
 *
 * With a proxy, the proxy is dialled like this, and the SOCKS5 negotiation (socks5_conn.c) follows
 * under the same deadline. Errors before the negotiation are the proxy's, not the destination's. */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/reactor.h"
#include "net/sockaddr.h"
#include "net/socks5_conn.h"
#include "spv/dial.h"
#include "spv/resolve.h"

#define DEFAULT_TIMEOUT_US (10 * SPV_SECOND)
#define STAGGER_US (SPV_SECOND / 4) /* RFC 8305 recommends 250 ms */
#define ATTEMPTS 16 /* addresses tried: a name with more of them is a DNS seed, not a peer */

struct attempt {
    struct spv_dial *dial;
    struct event *event; /* NULL: ended */
    int fd;
};

struct spv_dial {
    struct spv_handle handle; /* first */
    struct spv_resolve *resolve; /* NULL once it has ended */
    struct spv_socks5_conn *conn; /* NULL without a proxy */
    bool negotiating; /* the proxy is connected */
    struct spv_timer *deadline;
    struct spv_timer *stagger;
    struct spv_netaddr addrs[ATTEMPTS];
    struct attempt attempts[ATTEMPTS];
    size_t n;
    size_t next;
    int error; /* the most specific one so far */
    struct spv_endpoint endpoint;
    void (*done)(void *ctx, int fd, int error);
    void *ctx;
};

static void drop_attempt(struct attempt *a)
{
    if (!a->event)
        return;
    event_free(a->event);
    a->event = NULL;
    if (a->fd >= 0)
        (void)close(a->fd);
}

static void drop_attempts(struct spv_dial *d)
{
    for (size_t i = 0; i < d->next; i++)
        drop_attempt(&d->attempts[i]);
}

static void dial_release(struct spv_dial *d)
{
    spv_handle_unregister(&d->handle);
    drop_attempts(d);
    spv_resolve_cancel(d->resolve);
    spv_socks5_conn_free(d->conn);
    spv_timer_free(d->stagger);
    spv_timer_free(d->deadline);
    free(d);
}

static void dial_finish(struct spv_dial *d, int fd, int error)
{
    void (*done)(void *, int, int) = d->done;
    void *ctx = d->ctx;
    const enum spv_err_class class = spv_err_class_of(error);
    if (d->conn && !d->negotiating && (class == SPV_CLASS_CONNECTION || class == SPV_CLASS_TIMEOUT))
        error = SPV_ERR_PROXY;
    dial_release(d);
    done(ctx, fd, error);
}

/* A refused connection is more specific than a missing route, for example of the other family. */
static void keep_error(struct spv_dial *d, int error)
{
    if (d->error == 0 || d->error == SPV_ERR_UNREACHABLE || error == SPV_ERR_REFUSED)
        d->error = error;
}

static bool has_open_attempt(const struct spv_dial *d)
{
    for (size_t i = 0; i < d->next; i++) {
        if (d->attempts[i].event)
            return true;
    }
    return false;
}

/* A socket can connect to itself when its destination is a closed local port of the ephemeral
 * range. */
static bool is_self_connected(int fd)
{
    struct sockaddr_storage here = {0};
    struct sockaddr_storage there = {0};
    socklen_t here_len = sizeof here;
    socklen_t there_len = sizeof there;
    return getsockname(fd, (struct sockaddr *)&here, &here_len) == 0 &&
           getpeername(fd, (struct sockaddr *)&there, &there_len) == 0 && here_len == there_len &&
           memcmp(&here, &there, here_len) == 0;
}

/* The result of a connect, once the socket is writable. */
static int connect_result(int fd)
{
    int err = 0;
    socklen_t len = sizeof err;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
        err = errno;
    if (err != 0)
        return spv_sock_error(err);
    return is_self_connected(fd) ? SPV_ERR_REFUSED : 0;
}

static void try_next(struct spv_dial *d);

static void on_socks5_done(void *ctx, int error)
{
    struct spv_dial *d = ctx;
    dial_finish(d, error < 0 ? -1 : spv_socks5_conn_release_fd(d->conn), error);
}

/* The proxy is connected: other attempts are dropped. */
static void begin_socks5(struct spv_dial *d, int fd)
{
    drop_attempts(d);
    spv_timer_set(d->stagger, SPV_NEVER);
    d->negotiating = true;
    int rc = spv_socks5_conn_start(d->conn, fd);
    if (rc < 0)
        dial_finish(d, -1, rc);
}

static void on_outcome(evutil_socket_t fd, short what, void *ctx)
{
    struct attempt *a = ctx;
    struct spv_dial *d = a->dial;
    struct spv_reactor *r = d->handle.reactor;
    (void)what;
    spv_reactor_begin_callback(r);
    int error = connect_result(fd);
    if (error < 0) {
        keep_error(d, error);
        drop_attempt(a);
        try_next(d);
    } else {
        a->fd = -1; /* the caller's or the SOCKS5 connection's from here on */
        if (d->conn)
            begin_socks5(d, fd);
        else
            dial_finish(d, fd, 0);
    }
    spv_reactor_end_callback(r);
}

static int begin_attempt(struct spv_dial *d, struct attempt *a, const struct spv_netaddr *addr)
{
    struct sockaddr_storage sa;
    socklen_t len;
    int rc = spv_sock_from_netaddr(&sa, &len, addr);
    if (rc < 0)
        goto err0;
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        rc = spv_sock_error(errno);
        goto err0;
    }
    /* EINTR: connecting continues in the background as after EINPROGRESS. */
    if (connect(fd, (const struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS &&
        errno != EINTR) {
        rc = spv_sock_error(errno);
        goto err1;
    }
    rc = SPV_ERR_NOMEM;
    *a = (struct attempt){.dial = d, .fd = fd};
    a->event = event_new(d->handle.reactor->base, fd, EV_WRITE, on_outcome, a);
    if (!a->event)
        goto err1;
    if (event_add(a->event, NULL) != 0)
        goto err2;
    return 0;
err2:
    event_free(a->event);
    a->event = NULL;
err1:
    (void)close(fd);
err0:
    return rc;
}

/* Starts the next attempt; ends the dial when no attempt can be started and none is open. */
static void try_next(struct spv_dial *d)
{
    while (d->next < d->n) {
        size_t i = d->next++;
        int rc = begin_attempt(d, &d->attempts[i], &d->addrs[i]);
        if (rc == 0) {
            spv_timer_set(d->stagger,
                          d->next < d->n ? spv_system_now().mono_us + STAGGER_US : SPV_NEVER);
            return;
        }
        keep_error(d, rc);
    }
    if (!has_open_attempt(d))
        dial_finish(d, -1, d->error);
}

/* The families alternate, each in the resolver's order, beginning with the resolver's first one. */
static void interleave_families(struct spv_dial *d, const struct spv_netaddr *addrs, size_t n)
{
    size_t at[2] = {0, 0};
    const uint8_t first = addrs[0].network;
    for (unsigned turn = 0; d->n < ATTEMPTS && (at[0] < n || at[1] < n); turn ^= 1) {
        size_t i = at[turn];
        while (i < n && (addrs[i].network == first) != (turn == 0))
            i++;
        if (i < n)
            d->addrs[d->n++] = addrs[i];
        at[turn] = i < n ? i + 1 : n;
    }
}

static void on_resolved(void *ctx, int error, const struct spv_netaddr *addrs, size_t n)
{
    struct spv_dial *d = ctx;
    d->resolve = NULL;
    if (error < 0) {
        dial_finish(d, -1, error);
        return;
    }
    interleave_families(d, addrs, n);
    try_next(d);
}

static void on_stagger(void *ctx)
{
    try_next(ctx);
}

static void on_deadline(void *ctx)
{
    struct spv_dial *d = ctx;
    dial_finish(d, -1, d->resolve ? SPV_ERR_RESOLVE : SPV_ERR_CONNECT_TIMEOUT);
}

static void handle_close(struct spv_handle *handle)
{
    dial_release((struct spv_dial *)handle);
}

/* endpoint is the proxy where there is one; conn is then the dial's, also on failure. */
static int dial_start(struct spv_dial **out, struct spv_reactor *r,
                      const struct spv_endpoint *endpoint, struct spv_socks5_conn *conn,
                      uint64_t timeout_us, void (*done)(void *ctx, int fd, int error), void *ctx)
{
    int rc = SPV_ERR_NOMEM;
    struct spv_dial *d = calloc(1, sizeof *d);
    if (!d)
        goto err0;
    d->endpoint = *endpoint;
    d->conn = conn;
    d->done = done;
    d->ctx = ctx;
    rc = spv_timer_new(&d->deadline, r, on_deadline, d);
    if (rc < 0)
        goto err1;
    rc = spv_timer_new(&d->stagger, r, on_stagger, d);
    if (rc < 0)
        goto err2;
    rc = spv_handle_register(r, &d->handle, SPV_HANDLE_CONNECTION, handle_close);
    if (rc < 0)
        goto err3;
    rc = spv_resolve_start(&d->resolve, r, d->endpoint.host, d->endpoint.port, on_resolved, d);
    if (rc < 0)
        goto err4;
    if (conn)
        spv_socks5_conn_set_callback(conn, on_socks5_done, d);
    spv_timer_set(d->deadline,
                  spv_system_now().mono_us + (timeout_us != 0 ? timeout_us : DEFAULT_TIMEOUT_US));
    *out = d;
    return 0;
err4:
    spv_handle_unregister(&d->handle);
err3:
    spv_timer_free(d->stagger);
err2:
    spv_timer_free(d->deadline);
err1:
    free(d);
err0:
    spv_socks5_conn_free(conn);
    return rc;
}

int spv_dial_start(struct spv_dial **out, struct spv_reactor *r,
                   const struct spv_endpoint *endpoint, uint64_t timeout_us,
                   void (*done)(void *ctx, int fd, int error), void *ctx)
{
    return dial_start(out, r, endpoint, NULL, timeout_us, done, ctx);
}

int spv_dial_proxy_start(struct spv_dial **out, struct spv_reactor *r,
                         const struct spv_proxy *proxy, const struct spv_endpoint *endpoint,
                         uint64_t timeout_us, void (*done)(void *ctx, int fd, int error), void *ctx)
{
    struct spv_socks5_conn *conn;
    int rc = spv_socks5_conn_new(&conn, r, proxy, endpoint);
    return rc < 0 ? rc : dial_start(out, r, &proxy->endpoint, conn, timeout_us, done, ctx);
}

void spv_dial_cancel(struct spv_dial *d)
{
    if (d)
        dial_release(d);
}
