/* Small messages, one direction at a time: pending bytes are sent, then exactly the proxy's reply
 * is read. */
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

#define CRED_BYTES 16 /* of a random user name: no two dials have the same */

struct spv_socks5_conn {
    struct spv_reactor *reactor;
    struct spv_socks5 socks;
    int fd; /* -1: not started, or released */
    struct event *readable;
    struct event *writable;
    void (*done)(void *ctx, int error);
    void *ctx;
};

/* Returns 1 when connected, 0 when it waits for the socket, or an error. */
static int socks5_step(struct spv_socks5_conn *conn)
{
    const uint8_t *bytes;
    uint8_t in[SPV_SOCKS5_IN];
    size_t n;
    for (;;) {
        ssize_t n_bytes;
        bool sending = (n = spv_socks5_pending(&conn->socks, &bytes)) > 0;
        if (sending)
            n_bytes = send(conn->fd, bytes, n, MSG_NOSIGNAL);
        else
            n_bytes = recv(conn->fd, in, spv_socks5_wants(&conn->socks), 0);
        if (n_bytes < 0 && errno == EINTR)
            continue;
        if (n_bytes < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return event_add(sending ? conn->writable : conn->readable, NULL) == 0 ? 0
                                                                                   : SPV_ERR_NOMEM;
        if (n_bytes <= 0)
            return SPV_ERR_PROXY;
        if (sending) {
            spv_socks5_sent(&conn->socks, (size_t)n_bytes);
            continue;
        }
        int rc = spv_socks5_feed(&conn->socks, in, (size_t)n_bytes);
        if (rc != 0)
            return rc;
    }
}

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
    struct spv_socks5_conn *conn = ctx;
    (void)fd;
    (void)what;
    struct spv_reactor *r = conn->reactor;
    spv_reactor_begin_callback(r);
    int rc = socks5_step(conn);
    if (rc != 0)
        conn->done(conn->ctx, rc < 0 ? rc : 0); /* may free the connection */
    spv_reactor_end_callback(r);
}

/* The proxy does not check them: they only have to be unique. */
static void random_credentials(char out[2 * CRED_BYTES + 1])
{
    uint8_t raw[CRED_BYTES];
    const struct spv_rng rng = spv_system_rng();
    rng.fill(rng.ctx, raw, sizeof raw);
    spv_hex(out, raw, sizeof raw);
}

int spv_socks5_conn_new(struct spv_socks5_conn **out, struct spv_reactor *r,
                        const struct spv_proxy *proxy, const struct spv_endpoint *endpoint)
{
    struct spv_socks5_conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return SPV_ERR_NOMEM;
    conn->reactor = r;
    conn->fd = -1;
    char random[2 * CRED_BYTES + 1];
    const char *user = proxy->user;
    const char *password = proxy->password;
    if (!user && !password && proxy->isolate) {
        random_credentials(random);
        user = random;
        password = random;
    }
    int rc = spv_socks5_begin(&conn->socks, endpoint, user, password);
    if (rc < 0) {
        free(conn);
        return rc;
    }
    *out = conn;
    return 0;
}

void spv_socks5_conn_set_callback(struct spv_socks5_conn *conn, void (*done)(void *ctx, int error),
                                  void *ctx)
{
    conn->done = done;
    conn->ctx = ctx;
}

int spv_socks5_conn_start(struct spv_socks5_conn *conn, int fd)
{
    conn->fd = fd;
    conn->readable = event_new(conn->reactor->base, fd, EV_READ, on_event, conn);
    conn->writable = event_new(conn->reactor->base, fd, EV_WRITE, on_event, conn);
    if (!conn->readable || !conn->writable)
        return SPV_ERR_NOMEM;
    /* A SOCKS5 proxy sends nothing before the first request. */
    return event_add(conn->writable, NULL) == 0 ? 0 : SPV_ERR_NOMEM;
}

static void drop_events(struct spv_socks5_conn *conn)
{
    if (conn->readable)
        event_free(conn->readable);
    if (conn->writable)
        event_free(conn->writable);
    conn->readable = NULL;
    conn->writable = NULL;
}

int spv_socks5_conn_release_fd(struct spv_socks5_conn *conn)
{
    int fd = conn->fd;
    drop_events(conn);
    conn->fd = -1;
    return fd;
}

void spv_socks5_conn_free(struct spv_socks5_conn *conn)
{
    if (!conn)
        return;
    drop_events(conn);
    if (conn->fd >= 0)
        (void)close(conn->fd);
    free(conn);
}
