/* A bufferevent of the caller's: TLS, a filter, a pair, a connection through another proxy.
 *
 * Bytes are not all copied to its output buffer, where they would count as sent without a limit.
 * One chunk at a time is copied and stays in the peer's send queue; when the output buffer is
 * empty, the next write() reports that chunk as accepted and copies the next one. So the limit
 * of the send queue, the write deadline and the completions cover what was really sent. */
#include "net/stream.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/util.h>
#include <stdlib.h>

#include "net/reactor.h"
#include "spv/error.h"

#define CHUNK 65536u /* bytes in its output buffer: about one socket buffer */
#define MAX_INPUT (256u * 1024) /* bytes that it may read ahead; every read drains it */

struct stream {
    struct spv_stream base; /* first */
    struct spv_reactor *reactor;
    struct bufferevent *bev;
    size_t chunk; /* how many of the bytes given to write() are in bev's output buffer */
    int ended; /* the error with which it ended; 0: open */
    struct event *deferred; /* calls back from the loop instead of from bev's callbacks */
};

static struct stream *stream_of(struct spv_stream *s)
{
    return (struct stream *)s;
}

static ssize_t do_read(struct spv_stream *s, uint8_t *out, size_t size)
{
    size_t got = bufferevent_read(stream_of(s)->bev, out, size);
    return got > 0 ? (ssize_t)got : stream_of(s)->ended;
}

static ssize_t do_write(struct spv_stream *base, const uint8_t *bytes, size_t n)
{
    struct stream *s = stream_of(base);
    if (s->chunk > 0) {
        if (evbuffer_get_length(bufferevent_get_output(s->bev)) > 0)
            return s->ended;
        size_t accepted = s->chunk;
        s->chunk = 0;
        return (ssize_t)accepted;
    }
    if (s->ended < 0)
        return s->ended;
    s->chunk = n < CHUNK ? n : CHUNK;
    if (bufferevent_write(s->bev, bytes, s->chunk) == 0)
        return 0;
    s->chunk = 0;
    return SPV_ERR_NOMEM;
}

static size_t do_readable(const struct spv_stream *s)
{
    struct bufferevent *bev = ((const struct stream *)s)->bev;
    size_t n = evbuffer_get_length(bufferevent_get_input(bev));
    return n > 0 ? n : 1;
}

static void do_want_write(struct spv_stream *s, bool on)
{
    (void)s; /* bev calls on_write whenever its output buffer is empty */
    (void)on;
}

/* Bytes that bev has read already are reported again. */
static void do_want_read(struct spv_stream *s, bool on)
{
    if (!on) {
        (void)bufferevent_disable(stream_of(s)->bev, EV_READ);
        return;
    }
    (void)bufferevent_enable(stream_of(s)->bev, EV_READ);
    event_active(stream_of(s)->deferred, EV_READ, 0);
}

static void do_free(struct spv_stream *s)
{
    bufferevent_setcb(stream_of(s)->bev, NULL, NULL, NULL, NULL);
    bufferevent_free(stream_of(s)->bev);
    event_free(stream_of(s)->deferred);
    free(s);
}

static const struct spv_stream_ops ops = {.read = do_read,
                                          .write = do_write,
                                          .readable = do_readable,
                                          .want_write = do_want_write,
                                          .want_read = do_want_read,
                                          .free = do_free};

static void on_deferred(evutil_socket_t fd, short what, void *ctx)
{
    const struct stream *s = ctx;
    struct spv_reactor *r = s->reactor;
    (void)fd;
    spv_reactor_begin_callback(r);
    if (what & EV_WRITE)
        s->base.on_writable(s->base.ctx);
    if (what & EV_READ)
        s->base.on_readable(s->base.ctx);
    spv_reactor_end_callback(r);
}

static void on_read(struct bufferevent *bev, void *ctx)
{
    (void)bev;
    event_active(stream_of(ctx)->deferred, EV_READ, 0);
}

static void on_write(struct bufferevent *bev, void *ctx)
{
    (void)bev;
    event_active(stream_of(ctx)->deferred, EV_WRITE, 0);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
    struct stream *s = ctx;
    (void)bev;
    if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) == 0)
        return; /* connected, or a timeout that the caller has set */
    int errnum = EVUTIL_SOCKET_ERROR();
    s->ended = SPV_ERR_CLOSED;
    if (what & BEV_EVENT_ERROR)
        s->ended = errnum != 0 ? spv_stream_end_error(errnum) : SPV_ERR_RESET;
    event_active(s->deferred, EV_READ, 0);
}

int spv_stream_new_bufferevent(struct spv_stream **out, struct spv_reactor *r,
                               struct bufferevent *bev, const struct spv_stream *callbacks)
{
    int rc = SPV_ERR_NOMEM;
    struct stream *s = calloc(1, sizeof *s);
    if (!s)
        goto err0;
    s->base = *callbacks;
    s->base.ops = &ops;
    s->reactor = r;
    s->bev = bev;
    s->deferred = event_new(bufferevent_get_base(bev), -1, 0, on_deferred, s);
    if (!s->deferred)
        goto err1;
    bufferevent_setcb(bev, on_read, on_write, on_event, s);
    bufferevent_setwatermark(bev, EV_READ, 0, MAX_INPUT);
    bufferevent_setwatermark(bev, EV_WRITE, 0, 0);
    if (bufferevent_enable(bev, EV_READ | EV_WRITE) != 0) {
        rc = SPV_ERR_IO;
        goto err2;
    }
    event_active(s->deferred, EV_READ, 0); /* bytes that it has read before */
    *out = &s->base;
    return 0;
err2:
    bufferevent_setcb(bev, NULL, NULL, NULL, NULL);
    event_free(s->deferred);
err1:
    free(s);
err0:
    return rc;
}
