/* A socket and its peer machine.
 *
 * The socket is read with recv(2) straight into the reactor's scratch memory and from there into
 * the machine, and written with send(2) straight from the machine's queue: what the socket has not
 * taken stays in the machine, whose bound and write deadline therefore see everything. (libevent
 * gives readiness and timers only. A bufferevent was weighed and left: it reads 4 KiB a wake-up in
 * libevent 2.1, hides written bytes from the machine, raises SIGPIPE, and cannot be drained before
 * a deadline is judged.)
 *
 * One wake-up reads at most READ_BUDGET bytes, then the other sockets have their turn. A deadline
 * that strikes first reads what the socket holds, so that our own slowness is not the peer's fault.
 *
 * A link is open, then flushing (a last reject on its way, for FLUSH_TIME at most), then done: from
 * there the loop calls on_closed and frees it. No call of the user's ever frees or calls back
 * synchronously, so callbacks may send to and close any link, their own included. */
#include "link/link.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link/reactor.h"
#include "link/sockaddr.h"

#define READ_BUDGET (4u * SPV_SCRATCH) /* bytes a wake-up: more than one full headers message */
#define FLUSH_TIME SPV_SECOND /* for the last bytes of a closing link */
#define SLOW_DRAIN (SPV_SECOND / 20) /* a drain this long lets more bytes arrive: drain again */
#define MAX_DRAINS 4 /* but not for ever */

enum state {
    OPEN,
    FLUSHING,
    DONE,
};

struct spv_link {
    struct spv_resident resident; /* first */
    struct spv_peer *peer;
    int fd;
    enum state state;
    int error; /* why it closed */
    bool ready; /* on_ready was called */
    bool write_dead; /* the socket takes no more */
    struct event *readable;
    struct event *writable;
    struct event *later; /* carries what must not happen inside a user's call */
    struct spv_timer *timer;
    struct spv_link_callbacks callbacks;
    struct spv_endpoint endpoint;
};

static size_t pending(const struct spv_link *l)
{
    const uint8_t *bytes;
    return spv_peer_pending(l->peer, &bytes);
}

static void finish(struct spv_link *l)
{
    l->state = DONE;
    (void)event_del(l->readable);
    (void)event_del(l->writable);
    spv_timer_set(l->timer, SPV_NEVER);
    event_active(l->later, EV_TIMEOUT, 0);
}

/* Hands pending bytes to the socket; waits for writability when it takes no more. A socket that is
 * reset may still hold bytes to read (a reject that tells why): on_later reads them, then closes.
 */
static void push(struct spv_link *l)
{
    const uint8_t *bytes;
    size_t n;
    while (!l->write_dead && (n = spv_peer_pending(l->peer, &bytes)) > 0) {
        ssize_t took = send(l->fd, bytes, n, MSG_NOSIGNAL);
        if (took > 0) {
            spv_peer_sent(l->peer, (size_t)took, spv_system_now());
        } else if (took < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            if (event_pending(l->writable, EV_WRITE, NULL) == 0)
                (void)event_add(l->writable, NULL);
            return;
        } else if (took < 0 && errno != EINTR) {
            l->write_dead = true;
            event_active(l->later, EV_TIMEOUT, 0);
        }
    }
    (void)event_del(l->writable);
}

/* Are queued bytes worth waiting for? A peer that is slow or gone won't take them. */
static bool worth_flushing(int error)
{
    switch (spv_err_class(error)) {
    case SPV_CLASS_NONE:
    case SPV_CLASS_LYING:
    case SPV_CLASS_PEER:
    case SPV_CLASS_LOCAL:
    case SPV_CLASS_CALLER:
        return true;
    case SPV_CLASS_GONE:
        return error == SPV_ERR_DISCONNECTED; /* our own wish: what was sent before goes first */
    case SPV_CLASS_SLOW:
        return false;
    }
    return false;
}

static void begin_close(struct spv_link *l, int error)
{
    if (l->state != OPEN)
        return;
    l->error = error;
    l->state = FLUSHING;
    (void)event_del(l->readable);
    push(l);
    if (l->write_dead || pending(l) == 0 || !worth_flushing(error)) {
        finish(l);
        return;
    }
    spv_timer_set(l->timer, spv_system_now().mono_us + FLUSH_TIME);
}

static void arm(struct spv_link *l)
{
    if (l->state == OPEN)
        spv_timer_set(l->timer, spv_peer_deadline(l->peer));
}

static void tell_ready(struct spv_link *l)
{
    if (l->state != OPEN || l->ready || !spv_peer_ready(l->peer))
        return;
    l->ready = true;
    if (l->callbacks.on_ready != NULL)
        l->callbacks.on_ready(l, l->callbacks.ctx);
}

static bool reading(const struct spv_link *l)
{
    return l->state == OPEN && !spv_reactor_stopped(l->resident.reactor);
}

static void hand_out(struct spv_link *l)
{
    while (reading(l)) {
        struct spv_msg msg;
        int rc = spv_peer_next(l->peer, &msg, spv_system_now());
        if (rc < 0)
            begin_close(l, rc);
        if (rc <= 0)
            break;
        if (l->callbacks.on_message != NULL)
            l->callbacks.on_message(l, &msg, l->callbacks.ctx);
        tell_ready(l);
    }
}

/* A connection that ends in the middle is gone, however the kernel calls it. */
static int end_error(int errnum)
{
    return errnum == ETIMEDOUT ? SPV_ERR_RESET : spv_sock_error(errnum);
}

/* Reads at most budget bytes, or until the socket has no more. */
static void pull(struct spv_link *l, size_t budget)
{
    uint8_t *scratch = l->resident.reactor->scratch;
    while (reading(l) && budget > 0) {
        size_t want = budget < SPV_SCRATCH ? budget : SPV_SCRATCH;
        ssize_t got = recv(l->fd, scratch, want, 0);
        if (got > 0) {
            budget -= (size_t)got;
            int rc = spv_peer_feed(l->peer, scratch, (size_t)got, spv_system_now());
            if (rc < 0)
                begin_close(l, rc);
            hand_out(l);
            if ((size_t)got < want)
                break;
        } else if (got == 0) {
            begin_close(l, l->write_dead ? SPV_ERR_RESET : SPV_ERR_CLOSED);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            break;
        } else if (errno != EINTR) {
            begin_close(l, end_error(errno));
        }
    }
    if (l->state == OPEN)
        push(l);
    arm(l);
}

/* What the kernel holds for us right now. */
static size_t readable_bytes(const struct spv_link *l)
{
    int n = 0;
    return ioctl(l->fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 1;
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    pull(ctx, READ_BUDGET);
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
    struct spv_link *l = ctx;
    (void)fd;
    (void)what;
    push(l);
    if (l->state == FLUSHING && (l->write_dead || pending(l) == 0))
        finish(l);
    arm(l);
}

static void on_timer(void *ctx)
{
    struct spv_link *l = ctx;
    if (l->state == FLUSHING) {
        finish(l);
        return;
    }
    uint64_t start;
    uint64_t end = spv_system_now().mono_us;
    unsigned rounds = 0;
    do {
        start = end;
        pull(l, readable_bytes(l));
        end = spv_system_now().mono_us;
    } while (reading(l) && end - start > SLOW_DRAIN && ++rounds < MAX_DRAINS);
    if (!reading(l))
        return;
    int rc = spv_peer_timer(l->peer, spv_system_now());
    if (rc < 0) {
        begin_close(l, rc);
        return;
    }
    push(l);
    arm(l);
}

static void release(struct spv_link *l)
{
    spv_reactor_leave(&l->resident);
    spv_timer_free(l->timer);
    event_free(l->later);
    event_free(l->writable);
    event_free(l->readable);
    (void)close(l->fd);
    spv_peer_free(l->peer);
    free(l);
}

static void deliver(struct spv_link *l)
{
    l->state = DONE;
    if (l->callbacks.on_closed != NULL)
        l->callbacks.on_closed(l, l->error, l->callbacks.ctx);
    release(l);
}

static void on_later(evutil_socket_t fd, short what, void *ctx)
{
    struct spv_link *l = ctx;
    (void)fd;
    (void)what;
    if (l->state == OPEN && l->write_dead) {
        pull(l, readable_bytes(l));
        begin_close(l, SPV_ERR_RESET); /* which comes back here */
        return;
    }
    if (l->state == DONE)
        deliver(l);
}

static void evict(struct spv_resident *resident)
{
    struct spv_link *l = (struct spv_link *)resident;
    if (l->state == OPEN)
        l->error = SPV_ERR_STOPPED;
    deliver(l);
}

static int make_events(struct spv_link *l, struct spv_reactor *r)
{
    l->readable = event_new(r->base, l->fd, EV_READ | EV_PERSIST, on_readable, l);
    if (l->readable == NULL)
        goto err0;
    l->writable = event_new(r->base, l->fd, EV_WRITE | EV_PERSIST, on_writable, l);
    if (l->writable == NULL)
        goto err1;
    l->later = event_new(r->base, -1, 0, on_later, l);
    if (l->later == NULL)
        goto err2;
    if (spv_timer_new(&l->timer, r, on_timer, l) < 0)
        goto err3;
    if (event_add(l->readable, NULL) != 0)
        goto err4;
    return 0;
err4:
    spv_timer_free(l->timer);
err3:
    event_free(l->later);
err2:
    event_free(l->writable);
err1:
    event_free(l->readable);
err0:
    return SPV_ERR_NOMEM;
}

int spv_link_attach(struct spv_link **out, struct spv_reactor *r, int fd,
                    const struct spv_peer_config *cfg, enum spv_direction dir,
                    const struct spv_link_callbacks *callbacks)
{
    int rc = SPV_ERR_NOMEM;
    struct spv_link *l = calloc(1, sizeof *l);
    if (l == NULL)
        goto err0;
    l->fd = fd;
    l->callbacks = *callbacks;
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    (void)getpeername(fd, (struct sockaddr *)&sa, &len);
    spv_sock_to_endpoint(&l->endpoint, (const struct sockaddr *)&sa);
    /* Requests are small and awaited; a unix socket says no, which is fine. */
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)evutil_make_socket_nonblocking(fd);
    rc = spv_peer_new(&l->peer, cfg, dir, spv_system_now());
    if (rc < 0)
        goto err1;
    rc = make_events(l, r);
    if (rc < 0)
        goto err2;
    rc = spv_reactor_settle(r, &l->resident, evict);
    if (rc < 0)
        goto err3;
    push(l);
    arm(l);
    *out = l;
    return 0;
err3:
    spv_timer_free(l->timer);
    event_free(l->later);
    event_free(l->writable);
    event_free(l->readable);
err2:
    spv_peer_free(l->peer);
err1:
    free(l);
err0:
    (void)close(fd);
    return rc;
}

int spv_link_send(struct spv_link *link, const struct spv_msg *msg)
{
    if (link->state != OPEN)
        return SPV_ERR_STATE;
    int rc = spv_peer_send(link->peer, msg, spv_system_now());
    if (rc < 0)
        return rc;
    push(link);
    arm(link);
    return 0;
}

void spv_link_close(struct spv_link *link, int error)
{
    begin_close(link, error);
}

void spv_link_stats(const struct spv_link *link, struct spv_peer_stats *out)
{
    spv_peer_stats(link->peer, out);
}

const struct spv_endpoint *spv_link_endpoint(const struct spv_link *link)
{
    return &link->endpoint;
}

size_t spv_link_pending(const struct spv_link *link)
{
    return pending(link);
}
