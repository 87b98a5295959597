/* recv(2) into the caller's memory and send(2) from it, when libevent reports readiness. */
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

static struct stream *stream_of(struct spv_stream *s)
{
    return (struct stream *)s;
}

/* ETIMEDOUT of an established connection is no connect timeout. */
int spv_stream_end_error(int errnum)
{
    return errnum == ETIMEDOUT ? SPV_ERR_RESET : spv_sock_error(errnum);
}

static ssize_t do_read(struct spv_stream *s, uint8_t *out, size_t size)
{
    for (;;) {
        ssize_t got = recv(stream_of(s)->fd, out, size, 0);
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

static ssize_t do_write(struct spv_stream *s, const uint8_t *bytes, size_t n)
{
    for (;;) {
        ssize_t sent = send(stream_of(s)->fd, bytes, n, MSG_NOSIGNAL);
        if (sent >= 0)
            return sent;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return 0;
        if (errno != EINTR)
            return spv_stream_end_error(errno);
    }
}

/* What the kernel has received. */
static size_t do_readable(const struct spv_stream *s)
{
    int n = 0;
    return ioctl(((const struct stream *)s)->fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 1;
}

static void do_want_write(struct spv_stream *s, bool on)
{
    struct event *writable = stream_of(s)->writable;
    if (!on)
        (void)event_del(writable);
    else if (event_pending(writable, EV_WRITE, NULL) == 0)
        (void)event_add(writable, NULL);
}

static void do_want_read(struct spv_stream *s, bool on)
{
    struct event *readable = stream_of(s)->readable;
    if (!on)
        (void)event_del(readable);
    else if (event_pending(readable, EV_READ, NULL) == 0)
        (void)event_add(readable, NULL);
}

static void do_free(struct spv_stream *s)
{
    event_free(stream_of(s)->writable);
    event_free(stream_of(s)->readable);
    (void)close(stream_of(s)->fd);
    free(s);
}

static const struct spv_stream_ops ops = {.read = do_read,
                                          .write = do_write,
                                          .readable = do_readable,
                                          .want_write = do_want_write,
                                          .want_read = do_want_read,
                                          .free = do_free};

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    const struct stream *s = ctx;
    struct spv_reactor *r = s->reactor;
    (void)fd;
    (void)what;
    spv_reactor_begin_callback(r);
    s->base.on_readable(s->base.ctx); /* may free the stream */
    spv_reactor_end_callback(r);
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
    const struct stream *s = ctx;
    struct spv_reactor *r = s->reactor;
    (void)fd;
    (void)what;
    spv_reactor_begin_callback(r);
    s->base.on_writable(s->base.ctx); /* may free the stream */
    spv_reactor_end_callback(r);
}

int spv_stream_new_socket(struct spv_stream **out, struct spv_reactor *r, int fd,
                          const struct spv_stream *callbacks)
{
    struct stream *s = calloc(1, sizeof *s);
    if (!s)
        goto err0;
    s->base = *callbacks;
    s->base.ops = &ops;
    s->reactor = r;
    s->fd = fd;
    /* Requests are small and latency matters; unix sockets refuse the option, which is ignored. */
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)evutil_make_socket_nonblocking(fd);
    s->readable = event_new(r->base, fd, EV_READ | EV_PERSIST, on_readable, s);
    if (!s->readable)
        goto err1;
    s->writable = event_new(r->base, fd, EV_WRITE | EV_PERSIST, on_writable, s);
    if (!s->writable)
        goto err2;
    if (event_add(s->readable, NULL) != 0)
        goto err3;
    *out = &s->base;
    return 0;
err3:
    event_free(s->writable);
err2:
    event_free(s->readable);
err1:
    free(s);
err0:
    return SPV_ERR_NOMEM;
}
