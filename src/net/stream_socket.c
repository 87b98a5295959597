/* recv(2) straight into the caller's memory and send(2) straight from it; libevent tells when. */
#include "net/stream.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/reactor.h"
#include "net/sockaddr.h"

struct stream {
    struct spv_stream base; /* first */
    struct spv_reactor *reactor;
    int fd;
    struct event *readable;
    struct event *writable;
};

static struct stream *of(struct spv_stream *c)
{
    return (struct stream *)c;
}

/* A connection that ends in the middle is gone, however the kernel calls it. */
int spv_stream_end_error(int errnum)
{
    return errnum == ETIMEDOUT ? SPV_ERR_RESET : spv_sock_error(errnum);
}

static ssize_t do_read(struct spv_stream *c, uint8_t *out, size_t room)
{
    for (;;) {
        ssize_t got = recv(of(c)->fd, out, room, 0);
        if (got > 0)
            return got;
        if (got == 0)
            return SPV_ERR_CLOSED;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return 0;
        if (errno != EINTR)
            return spv_stream_end_error(errno);
    }
}

static ssize_t do_write(struct spv_stream *c, const uint8_t *bytes, size_t n)
{
    for (;;) {
        ssize_t took = send(of(c)->fd, bytes, n, MSG_NOSIGNAL);
        if (took >= 0)
            return took;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return 0;
        if (errno != EINTR)
            return spv_stream_end_error(errno);
    }
}

/* What the kernel holds for us right now. */
static size_t do_readable(const struct spv_stream *c)
{
    int n = 0;
    return ioctl(((const struct stream *)c)->fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 1;
}

static void do_want_write(struct spv_stream *c, bool on)
{
    struct event *writable = of(c)->writable;
    if (!on)
        (void)event_del(writable);
    else if (event_pending(writable, EV_WRITE, NULL) == 0)
        (void)event_add(writable, NULL);
}

static void do_want_read(struct spv_stream *c, bool on)
{
    struct event *readable = of(c)->readable;
    if (!on)
        (void)event_del(readable);
    else if (event_pending(readable, EV_READ, NULL) == 0)
        (void)event_add(readable, NULL);
}

static void do_free(struct spv_stream *c)
{
    event_free(of(c)->writable);
    event_free(of(c)->readable);
    (void)close(of(c)->fd);
    free(c);
}

static const struct spv_stream_ops ops = {.read = do_read,
                                          .write = do_write,
                                          .readable = do_readable,
                                          .want_write = do_want_write,
                                          .want_read = do_want_read,
                                          .free = do_free};

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    const struct stream *c = ctx;
    struct spv_reactor *r = c->reactor;
    (void)fd;
    (void)what;
    spv_reactor_enter(r);
    c->base.on_readable(c->base.ctx); /* may free the stream */
    spv_reactor_leave(r);
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
    const struct stream *c = ctx;
    struct spv_reactor *r = c->reactor;
    (void)fd;
    (void)what;
    spv_reactor_enter(r);
    c->base.on_writable(c->base.ctx); /* may free the stream */
    spv_reactor_leave(r);
}

int spv_stream_new_socket(struct spv_stream **out, struct spv_reactor *r, int fd,
                          const struct spv_stream *callbacks)
{
    struct stream *c = calloc(1, sizeof *c);
    if (!c)
        goto err0;
    c->base = *callbacks;
    c->base.ops = &ops;
    c->reactor = r;
    c->fd = fd;
    /* Requests are small and awaited; a unix socket says no, which is fine. */
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)evutil_make_socket_nonblocking(fd);
    c->readable = event_new(r->base, fd, EV_READ | EV_PERSIST, on_readable, c);
    if (!c->readable)
        goto err1;
    c->writable = event_new(r->base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
    if (!c->writable)
        goto err2;
    if (event_add(c->readable, NULL) != 0)
        goto err3;
    *out = &c->base;
    return 0;
err3:
    event_free(c->writable);
err2:
    event_free(c->readable);
err1:
    free(c);
err0:
    return SPV_ERR_NOMEM;
}
