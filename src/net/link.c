/* A carrier of bytes and its peer machine.
 *
 * Bytes are read into the reactor's scratch memory and from there into the machine, and written
 * straight from the machine's queue: what the carrier has not taken stays in the machine, whose
 * bound and write deadline therefore see everything (docs/decisions.md says why a socket of ours is
 * no bufferevent).
 *
 * One wake-up reads at most READ_BUDGET bytes, then the other sockets have their turn. A deadline
 * that strikes first reads what the socket holds, so that our own slowness is not the peer's fault.
 *
 * A link is open, then flushing (a last reject on its way, for FLUSH_TIME at most), then done: from
 * there the loop keeps the promises that are left, calls on_closed and gives up the link. No call
 * of the user's ever frees or calls back synchronously, so callbacks may send to and close any
 * link, their own included.
 */
#include "net/link.h"

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/sockaddr.h"
#include "peer/send_frame.h"

#define READ_BUDGET (4u * SPV_SCRATCH) /* bytes a wake-up: more than one full headers message */
/* bytes of one read where each connection shall hold little: messages behind one at which the
 * reader stops wait in the machine */
#define SMALL_PIECE 8192
#define FLUSH_TIME SPV_SECOND /* for the last bytes of a closing link */
#define SLOW_DRAIN (SPV_SECOND / 20) /* a drain this long lets more bytes arrive: drain again */
#define MAX_DRAINS 4 /* but not for ever */

static size_t pending(const struct spv_link *l)
{
    const uint8_t *bytes;
    return spv_peer_pending(l->peer, &bytes);
}

static void call_later(struct spv_link *l)
{
    event_active(l->later, EV_TIMEOUT, 0);
}

static void finish(struct spv_link *l)
{
    l->state = SPV_LINK_DONE;
    l->carrier->ops->want_read(l->carrier, false);
    l->carrier->ops->want_write(l->carrier, false);
    spv_timer_set(l->timer, SPV_NEVER);
    call_later(l);
}

/* Hands pending bytes to the carrier; waits for writability when it takes no more. A socket that is
 * reset may still hold bytes to read (a reject that tells why): on_later reads them, then closes.
 */
static void push(struct spv_link *l)
{
    const uint8_t *bytes;
    size_t n;
    while (!l->write_dead && (n = spv_peer_pending(l->peer, &bytes)) > 0) {
        ssize_t took = l->carrier->ops->write(l->carrier, bytes, n);
        if (took == 0) {
            l->carrier->ops->want_write(l->carrier, true);
            return;
        }
        if (took < 0) {
            l->write_dead = true;
            call_later(l);
            break;
        }
        spv_peer_sent(l->peer, (size_t)took, spv_system_now());
        if (l->promised > 0)
            call_later(l);
    }
    l->carrier->ops->want_write(l->carrier, false);
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
    if (l->state != SPV_LINK_OPEN)
        return;
    l->error = error < 0 ? error : SPV_ERR_DISCONNECTED;
    l->state = SPV_LINK_FLUSHING;
    spv_link_shut_door(l);
    l->carrier->ops->want_read(l->carrier, false);
    push(l);
    if (l->write_dead || pending(l) == 0 || !worth_flushing(error)) {
        finish(l);
        return;
    }
    spv_timer_set(l->timer, spv_system_now().mono_us + FLUSH_TIME);
}

static void arm(struct spv_link *l)
{
    if (l->state == SPV_LINK_OPEN)
        spv_timer_set(l->timer, spv_peer_deadline(l->peer));
}

static void tell_ready(struct spv_link *l)
{
    if (l->state != SPV_LINK_OPEN || l->ready || !spv_peer_ready(l->peer))
        return;
    l->ready = true;
    spv_link_publish(l);
    if (l->callbacks.on_ready != NULL)
        l->callbacks.on_ready(l, l->callbacks.ctx);
}

static bool reading(const struct spv_link *l)
{
    return l->state == SPV_LINK_OPEN && !spv_reactor_stopped(l->resident.reactor);
}

static void hand_out(struct spv_link *l)
{
    while (reading(l) && !l->read_stopped) {
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

/* Reads at most budget bytes, or until the carrier has no more. */
static void pull(struct spv_link *l, size_t budget)
{
    uint8_t *scratch = l->resident.reactor->scratch;
    while (reading(l) && !l->read_stopped && budget > 0) {
        size_t want = budget < l->piece ? budget : l->piece;
        ssize_t got = l->carrier->ops->read(l->carrier, scratch, want);
        if (got < 0)
            begin_close(l, got == SPV_ERR_CLOSED && l->write_dead ? SPV_ERR_RESET : (int)got);
        if (got <= 0)
            break;
        budget -= (size_t)got;
        int rc = spv_peer_feed(l->peer, scratch, (size_t)got, spv_system_now());
        if (rc < 0)
            begin_close(l, rc);
        hand_out(l);
        if ((size_t)got < want)
            break;
    }
    if (l->state == SPV_LINK_OPEN)
        push(l);
    arm(l);
}

static size_t readable_bytes(const struct spv_link *l)
{
    return l->carrier->ops->readable(l->carrier);
}

/* Tells the senders whose messages have gone, or could not. Those that are sent meanwhile have
 * their own turn. */
static void keep_promises(struct spv_link *l)
{
    struct spv_promise *promise;
    int error;
    for (size_t n = l->promised; n > 0 && (promise = spv_promise_next(l->peer, &error)); n--) {
        l->promised--;
        spv_promise_tell(promise, error);
    }
    while ((promise = l->refused) != NULL) {
        l->refused = promise->next;
        spv_promise_tell(promise, promise->error);
    }
}

void spv_link_rest(struct spv_link *l)
{
    spv_link_collect(l);
    spv_link_publish(l);
    keep_promises(l);
}

static void on_readable(void *ctx)
{
    struct spv_link *l = ctx;
    spv_inbox_enter(l->inbox);
    pull(l, READ_BUDGET);
    spv_link_rest(l);
}

static void on_writable(void *ctx)
{
    struct spv_link *l = ctx;
    spv_inbox_enter(l->inbox);
    if (l->state == SPV_LINK_DONE)
        return;
    push(l);
    if (l->state == SPV_LINK_FLUSHING && (l->write_dead || pending(l) == 0))
        finish(l);
    arm(l);
    spv_link_rest(l);
}

/* Reads what waits, then judges. */
static void strike(struct spv_link *l)
{
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

static void on_timer(void *ctx)
{
    struct spv_link *l = ctx;
    spv_inbox_enter(l->inbox);
    if (l->state == SPV_LINK_FLUSHING)
        finish(l);
    else
        strike(l);
    spv_link_rest(l);
}

/* Tells all others that it won't be. */
static void break_promises(struct spv_link *l)
{
    l->unsent = spv_peer_queued(l->peer);
    spv_peer_shut(l->peer, l->error);
    keep_promises(l); /* all of them now: nothing is sent on a link that is done */
    struct spv_letter *letter;
    while ((letter = spv_letters_take(&l->backlog)) != NULL)
        spv_letter_return(letter, l->error, spv_system_now());
}

static void deliver(struct spv_link *l)
{
    l->state = SPV_LINK_DONE;
    spv_link_shut_door(l);
    spv_link_publish(l);
    break_promises(l);
    if (l->callbacks.on_closed != NULL)
        l->callbacks.on_closed(l, l->error, l->callbacks.ctx);
    spv_reactor_leave(&l->resident);
    spv_timer_free(l->timer);
    event_free(l->later);
    l->carrier->ops->free(l->carrier);
    spv_peer_free(l->peer);
    l->peer = NULL;
    spv_link_tell_gone(l);
    spv_link_unref(l);
}

static void on_later(evutil_socket_t fd, short what, void *ctx)
{
    struct spv_link *l = ctx;
    (void)fd;
    (void)what;
    spv_inbox_enter(l->inbox);
    if (l->state == SPV_LINK_DONE) {
        deliver(l);
        return;
    }
    if (l->read_resumed) {
        l->read_resumed = false;
        hand_out(l); /* before more is fed */
        pull(l, READ_BUDGET);
    }
    if (l->state == SPV_LINK_OPEN && l->write_dead) {
        pull(l, readable_bytes(l));
        begin_close(l, SPV_ERR_RESET); /* which comes back here */
    }
    spv_link_rest(l);
}

static void evict(struct spv_resident *resident)
{
    struct spv_link *l = (struct spv_link *)resident;
    spv_link_collect(l);
    if (l->state == SPV_LINK_OPEN)
        l->error = SPV_ERR_STOPPED;
    deliver(l);
}

/* Room again only when bytes go, or answers come: until then the letter waits. Told at once is what
 * would never fit. */
static bool must_wait(const struct spv_link *l, const struct spv_letter *letter, int rc)
{
    if (rc != SPV_ERR_QUEUE_FULL)
        return false;
    return !spv_peer_ready(l->peer) || pending(l) > 0 || letter->command == SPV_CMD_GETHEADERS ||
           letter->command == SPV_CMD_GETDATA;
}

/* A letter that the machine did not take: its sender is told from the loop, like all others. */
static void refuse(struct spv_link *l, struct spv_promise *promise, int error)
{
    if (promise == NULL)
        return;
    promise->error = error;
    promise->next = l->refused;
    l->refused = promise;
    call_later(l);
}

void spv_link_collect(struct spv_link *l)
{
    bool knocked = atomic_load_explicit(&l->door.knocked, memory_order_acquire);
    if (l->state != SPV_LINK_OPEN || (!knocked && l->backlog.head == NULL))
        return;
    struct spv_arena arena = {0};
    int close_error = spv_link_open_door(l);
    size_t n = 0;
    size_t bytes = 0;
    while (l->backlog.head != NULL) {
        const struct spv_letter *first = l->backlog.head;
        int rc = spv_letter_send(first, l->peer, &arena, spv_system_now());
        if (must_wait(l, first, rc))
            break;
        struct spv_letter *letter = spv_letters_take(&l->backlog);
        n++;
        bytes += spv_letter_size(letter);
        if (rc < 0)
            refuse(l, letter->promise, rc);
        else if (letter->promise != NULL)
            l->promised++;
        spv_letter_free(letter);
    }
    spv_arena_free(&arena);
    spv_link_letters_gone(l, n, bytes);
    if (n > 0) {
        push(l);
        arm(l);
    }
    if (close_error < 0)
        begin_close(l, close_error);
}

int spv_link_send_here(struct spv_link *l, const struct spv_msg *msg, struct spv_promise *promise)
{
    spv_link_collect(l); /* what came before goes before */
    if (l->state != SPV_LINK_OPEN)
        return SPV_ERR_STATE;
    int rc = spv_promise_send(promise, l->peer, msg, spv_system_now());
    if (rc < 0)
        return rc;
    if (promise != NULL)
        l->promised++;
    push(l);
    arm(l);
    spv_link_publish(l);
    return 0;
}

int spv_link_call_here(struct spv_link *l,
                       void (*fn)(void *ctx, struct spv_peer *peer, struct spv_now now), void *ctx)
{
    spv_link_collect(l);
    if (l->state != SPV_LINK_OPEN)
        return SPV_ERR_STATE;
    fn(ctx, l->peer, spv_system_now());
    push(l);
    arm(l);
    spv_link_publish(l);
    return 0;
}

void spv_link_close_here(struct spv_link *l, int error)
{
    spv_link_collect(l);
    begin_close(l, error);
}

int spv_link_send_headers(struct spv_link *l, struct spv_shared_frame *frame,
                          void (*done)(void *ctx, int error), void *ctx)
{
    spv_link_collect(l);
    if (l->state != SPV_LINK_OPEN)
        return SPV_ERR_STATE;
    struct spv_promise *promise = spv_promise_new(done, ctx);
    if (promise == NULL)
        return SPV_ERR_NOMEM;
    const uint64_t tag = (uint64_t)(uintptr_t)promise;
    int rc = spv_peer_send_headers(l->peer, frame, &tag, spv_system_now());
    if (rc < 0) {
        free(promise);
        return rc;
    }
    l->promised++;
    push(l);
    arm(l);
    spv_link_publish(l);
    return 0;
}

void spv_link_read_stop(struct spv_link *l)
{
    if (l->state != SPV_LINK_OPEN)
        return;
    l->read_stopped = true;
    l->read_resumed = false;
    l->carrier->ops->want_read(l->carrier, false);
}

void spv_link_read_start(struct spv_link *l)
{
    if (l->state != SPV_LINK_OPEN || !l->read_stopped)
        return;
    l->read_stopped = false;
    l->read_resumed = true;
    l->carrier->ops->want_read(l->carrier, true);
    call_later(l);
}

size_t spv_link_pending(const struct spv_link *link)
{
    return link->state == SPV_LINK_DONE ? link->unsent : spv_peer_queued(link->peer);
}

/* Everything but the carrier. */
static int new_link(struct spv_link **out, struct spv_reactor *r, const struct spv_peer_config *cfg,
                    enum spv_direction dir, const struct spv_link_callbacks *callbacks, int fd)
{
    int rc = SPV_ERR_NOMEM;
    struct spv_link *l = calloc(1, sizeof *l);
    if (l == NULL)
        goto err0;
    l->callbacks = *callbacks;
    l->piece = cfg->trim_at_once ? SMALL_PIECE : SPV_SCRATCH;
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    (void)getpeername(fd, (struct sockaddr *)&sa, &len);
    spv_sock_to_endpoint(&l->endpoint, (const struct sockaddr *)&sa);
    l->inbox = spv_inbox_ref(r->inbox);
    rc = spv_link_door_init(l);
    if (rc < 0)
        goto err1;
    struct spv_peer_config own = *cfg;
    if (own.endpoint.host[0] == '\0')
        own.endpoint = l->endpoint;
    rc = spv_peer_new(&l->peer, &own, dir, spv_system_now());
    if (rc < 0)
        goto err2;
    rc = SPV_ERR_NOMEM;
    l->later = event_new(r->base, -1, 0, on_later, l);
    if (l->later == NULL)
        goto err3;
    rc = spv_timer_new(&l->timer, r, on_timer, l);
    if (rc < 0)
        goto err4;
    rc = spv_reactor_settle(r, &l->resident, evict);
    if (rc < 0)
        goto err5;
    *out = l;
    return 0;
err5:
    spv_timer_free(l->timer);
err4:
    event_free(l->later);
err3:
    spv_peer_free(l->peer);
err2:
    spv_link_door_end(l);
err1:
    spv_inbox_unref(l->inbox);
    free(l);
err0:
    return rc;
}

/* Undoes new_link. */
static void drop_link(struct spv_link *l)
{
    spv_reactor_leave(&l->resident);
    spv_timer_free(l->timer);
    event_free(l->later);
    spv_peer_free(l->peer);
    l->peer = NULL;
    spv_link_unref(l);
}

static void begin(struct spv_link *l)
{
    push(l);
    arm(l);
    spv_link_publish(l);
}

int spv_link_attach(struct spv_link **out, struct spv_reactor *r, int fd,
                    const struct spv_peer_config *cfg, enum spv_direction dir,
                    const struct spv_link_callbacks *callbacks)
{
    struct spv_link *l;
    int rc = new_link(&l, r, cfg, dir, callbacks, fd);
    if (rc < 0)
        goto err0;
    const struct spv_carrier up = {
        .on_readable = on_readable, .on_writable = on_writable, .ctx = l};
    rc = spv_carrier_socket(&l->carrier, r, fd, &up);
    if (rc < 0)
        goto err1;
    begin(l);
    *out = l;
    return 0;
err1:
    drop_link(l);
err0:
    (void)close(fd);
    return rc;
}

int spv_link_attach_bufferevent(struct spv_link **out, struct spv_reactor *r,
                                struct bufferevent *bev, const struct spv_peer_config *cfg,
                                enum spv_direction dir, const struct spv_link_callbacks *callbacks)
{
    struct spv_link *l;
    int rc = SPV_ERR_INVALID;
    if (bufferevent_get_base(bev) != r->base)
        goto err0;
    rc = new_link(&l, r, cfg, dir, callbacks, bufferevent_getfd(bev));
    if (rc < 0)
        goto err0;
    const struct spv_carrier up = {
        .on_readable = on_readable, .on_writable = on_writable, .ctx = l};
    rc = spv_carrier_bufferevent(&l->carrier, bev, &up);
    if (rc < 0)
        goto err1;
    begin(l);
    *out = l;
    return 0;
err1:
    drop_link(l);
err0:
    bufferevent_free(bev);
    return rc;
}
