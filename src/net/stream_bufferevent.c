/* A caller's bufferevent: TLS, a filter, a pair, a connection through some other proxy.
 *
 * Bytes are not simply poured into its output, where they would count as sent and wait without a
 * bound. One piece at a time is copied there while the machine still holds it; once the output has
 * run empty, the next write() says of that piece that it was taken, and hands over the next. So
 * the machine's bound, its write deadline and the completions see what really went. */
#include "net/stream.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/util.h>
#include <stdlib.h>

#include "net/reactor.h"
#include "spv/error.h"

#define PIECE 65536u /* in the bufferevent's hands at once: what a socket buffer takes */
#define INPUT (256u * 1024) /* that it may read ahead; every call drains it */

struct stream {
    struct spv_stream base; /* first */
    struct spv_reactor *reactor;
    struct bufferevent *bev;
    size_t piece; /* the first bytes of what write() was offered lie in bev's output */
    int ended; /* why nothing more comes */
    struct event *kick; /* carries bev's callbacks to the loop */
};

static struct stream *of(struct spv_stream *c)
{
    return (struct stream *)c;
}

static ssize_t do_read(struct spv_stream *c, uint8_t *out, size_t room)
{
    size_t got = bufferevent_read(of(c)->bev, out, room);
    return got > 0 ? (ssize_t)got : of(c)->ended;
}

static ssize_t do_write(struct spv_stream *c, const uint8_t *bytes, size_t n)
{
    struct stream *b = of(c);
    if (b->piece > 0) {
        if (evbuffer_get_length(bufferevent_get_output(b->bev)) > 0)
            return b->ended;
        size_t took = b->piece;
        b->piece = 0;
        return (ssize_t)took;
    }
    if (b->ended < 0)
        return b->ended;
    b->piece = n < PIECE ? n : PIECE;
    if (bufferevent_write(b->bev, bytes, b->piece) == 0)
        return 0;
    b->piece = 0;
    return SPV_ERR_NOMEM;
}

static size_t do_readable(const struct spv_stream *c)
{
    struct bufferevent *bev = ((const struct stream *)c)->bev;
    size_t n = evbuffer_get_length(bufferevent_get_input(bev));
    return n > 0 ? n : 1;
}

static void do_want_write(struct spv_stream *c, bool on)
{
    (void)c; /* it calls whenever its output has run empty */
    (void)on;
}

/* What it has read already is offered again. */
static void do_want_read(struct spv_stream *c, bool on)
{
    if (!on) {
        (void)bufferevent_disable(of(c)->bev, EV_READ);
        return;
    }
    (void)bufferevent_enable(of(c)->bev, EV_READ);
    event_active(of(c)->kick, EV_READ, 0);
}

static void do_free(struct spv_stream *c)
{
    bufferevent_setcb(of(c)->bev, NULL, NULL, NULL, NULL);
    bufferevent_free(of(c)->bev);
    event_free(of(c)->kick);
    free(c);
}

static const struct spv_stream_ops ops = {.read = do_read,
                                          .write = do_write,
                                          .readable = do_readable,
                                          .want_write = do_want_write,
                                          .want_read = do_want_read,
                                          .free = do_free};

static void on_kick(evutil_socket_t fd, short what, void *ctx)
{
    const struct stream *c = ctx;
    struct spv_reactor *r = c->reactor;
    (void)fd;
    spv_reactor_enter(r);
    if (what & EV_WRITE)
        c->base.on_writable(c->base.ctx);
    if (what & EV_READ)
        c->base.on_readable(c->base.ctx);
    spv_reactor_leave(r);
}

static void on_read(struct bufferevent *bev, void *ctx)
{
    (void)bev;
    event_active(of(ctx)->kick, EV_READ, 0);
}

static void on_write(struct bufferevent *bev, void *ctx)
{
    (void)bev;
    event_active(of(ctx)->kick, EV_WRITE, 0);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
    struct stream *c = ctx;
    (void)bev;
    if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) == 0)
        return; /* connected at last, or a timeout that the caller had set: ours are elsewhere */
    int errnum = EVUTIL_SOCKET_ERROR();
    c->ended = SPV_ERR_CLOSED;
    if (what & BEV_EVENT_ERROR)
        c->ended = errnum != 0 ? spv_stream_end_error(errnum) : SPV_ERR_RESET;
    event_active(c->kick, EV_READ, 0);
}

int spv_stream_new_bufferevent(struct spv_stream **out, struct spv_reactor *r,
                               struct bufferevent *bev, const struct spv_stream *callbacks)
{
    int rc = SPV_ERR_NOMEM;
    struct stream *c = calloc(1, sizeof *c);
    if (!c)
        goto err0;
    c->base = *callbacks;
    c->base.ops = &ops;
    c->reactor = r;
    c->bev = bev;
    c->kick = event_new(bufferevent_get_base(bev), -1, 0, on_kick, c);
    if (!c->kick)
        goto err1;
    bufferevent_setcb(bev, on_read, on_write, on_event, c);
    bufferevent_setwatermark(bev, EV_READ, 0, INPUT);
    bufferevent_setwatermark(bev, EV_WRITE, 0, 0);
    if (bufferevent_enable(bev, EV_READ | EV_WRITE) != 0) {
        rc = SPV_ERR_IO;
        goto err2;
    }
    event_active(c->kick, EV_READ, 0); /* what it had read before it came to us */
    *out = &c->base;
    return 0;
err2:
    bufferevent_setcb(bev, NULL, NULL, NULL, NULL);
    event_free(c->kick);
err1:
    free(c);
err0:
    return rc;
}
