/* Small messages, one side at a time: what is pending is sent, then just as many bytes are read as
 * the proxy owes. */
#include "net/socks5_conn.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/reactor.h"
#include "net/socks5.h"
#include "util/hex.h"

#define SECRET 16 /* random bytes of an isolating user name: no two dials ever share it */

struct spv_socks5_conn {
    struct spv_reactor *reactor;
    struct spv_socks5 socks;
    int fd; /* -1: not begun, or handed back */
    struct event *readable;
    struct event *writable;
    void (*done)(void *ctx, int error);
    void *ctx;
};

/* 1 when through, 0 when it waits for the socket, or an error. */
static int socks5_step(struct spv_socks5_conn *t)
{
    const uint8_t *bytes;
    uint8_t in[SPV_SOCKS5_IN];
    size_t n;
    for (;;) {
        ssize_t moved;
        bool ours = (n = spv_socks5_pending(&t->socks, &bytes)) > 0;
        if (ours)
            moved = send(t->fd, bytes, n, MSG_NOSIGNAL);
        else
            moved = recv(t->fd, in, spv_socks5_wants(&t->socks), 0);
        if (moved < 0 && errno == EINTR)
            continue;
        if (moved < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return event_add(ours ? t->writable : t->readable, NULL) == 0 ? 0 : SPV_ERR_NOMEM;
        if (moved <= 0)
            return SPV_ERR_PROXY;
        if (ours) {
            spv_socks5_sent(&t->socks, (size_t)moved);
            continue;
        }
        int rc = spv_socks5_feed(&t->socks, in, (size_t)moved);
        if (rc != 0)
            return rc;
    }
}

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
    struct spv_socks5_conn *t = ctx;
    (void)fd;
    (void)what;
    struct spv_reactor *r = t->reactor;
    spv_reactor_enter(r);
    int rc = socks5_step(t);
    if (rc != 0)
        t->done(t->ctx, rc < 0 ? rc : 0); /* may free the connection */
    spv_reactor_leave(r);
}

/* A name that nobody else has; the proxy makes nothing of it. */
static void random_credentials(char out[2 * SECRET + 1])
{
    uint8_t secret[SECRET];
    const struct spv_rng rng = spv_system_rng();
    rng.fill(rng.ctx, secret, sizeof secret);
    spv_hex(out, secret, sizeof secret);
}

int spv_socks5_conn_new(struct spv_socks5_conn **out, struct spv_reactor *r,
                        const struct spv_proxy *proxy, const struct spv_endpoint *endpoint)
{
    struct spv_socks5_conn *t = calloc(1, sizeof *t);
    if (!t)
        return SPV_ERR_NOMEM;
    t->reactor = r;
    t->fd = -1;
    char drawn[2 * SECRET + 1];
    const char *user = proxy->user;
    const char *password = proxy->password;
    if (!user && !password && proxy->isolate) {
        random_credentials(drawn);
        user = drawn;
        password = drawn;
    }
    int rc = spv_socks5_begin(&t->socks, endpoint, user, password);
    if (rc < 0) {
        free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void spv_socks5_conn_set_callback(struct spv_socks5_conn *t, void (*done)(void *ctx, int error),
                                  void *ctx)
{
    t->done = done;
    t->ctx = ctx;
}

int spv_socks5_conn_start(struct spv_socks5_conn *t, int fd)
{
    t->fd = fd;
    t->readable = event_new(t->reactor->base, fd, EV_READ, on_event, t);
    t->writable = event_new(t->reactor->base, fd, EV_WRITE, on_event, t);
    if (!t->readable || !t->writable)
        return SPV_ERR_NOMEM;
    /* The proxy cannot have said anything yet, so this only begins. */
    return event_add(t->writable, NULL) == 0 ? 0 : SPV_ERR_NOMEM;
}

static void drop_events(struct spv_socks5_conn *t)
{
    if (t->readable)
        event_free(t->readable);
    if (t->writable)
        event_free(t->writable);
    t->readable = NULL;
    t->writable = NULL;
}

int spv_socks5_conn_release_fd(struct spv_socks5_conn *t)
{
    int fd = t->fd;
    drop_events(t);
    t->fd = -1;
    return fd;
}

void spv_socks5_conn_free(struct spv_socks5_conn *t)
{
    if (!t)
        return;
    drop_events(t);
    if (t->fd >= 0)
        (void)close(t->fd);
    free(t);
}
