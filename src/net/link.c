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

static size_t output_pending(const struct spv_link *l)
{
    const uint8_t *bytes;
    return spv_peer_pending(l->peer, &bytes);
}

static void schedule_deferred(struct spv_link *l)
{
    event_active(l->deferred_event, EV_TIMEOUT, 0);
}

static void begin_finalize(struct spv_link *l)
{
    l->state = SPV_LINK_DONE;
    l->stream->ops->want_read(l->stream, false);
    l->stream->ops->want_write(l->stream, false);
    spv_timer_set(l->timer, SPV_NEVER);
    schedule_deferred(l);
}

/* Hands pending bytes to the carrier; waits for writability when it takes no more. A socket that is
 * reset may still hold bytes to read (a reject that tells why): on_later reads them, then closes.
 */
static void flush_output(struct spv_link *l)
{
    const uint8_t *bytes;
    size_t n;
    while (!l->write_dead && (n = spv_peer_pending(l->peer, &bytes)) > 0) {
        ssize_t took = l->stream->ops->write(l->stream, bytes, n);
        if (took == 0) {
            l->stream->ops->want_write(l->stream, true);
            return;
        }
        if (took < 0) {
            l->write_dead = true;
            schedule_deferred(l);
            break;
        }
        spv_peer_sent(l->peer, (size_t)took, spv_system_now());
        if (l->n_pending > 0)
            schedule_deferred(l);
    }
    l->stream->ops->want_write(l->stream, false);
}

/* Are queued bytes worth waiting for? A peer that is slow or gone won't take them. */
static bool worth_flushing(int error)
{
    switch (spv_err_class_of(error)) {
    case SPV_CLASS_NONE:
    case SPV_CLASS_MISBEHAVING:
    case SPV_CLASS_PEER:
    case SPV_CLASS_LOCAL:
    case SPV_CLASS_CALLER:
        return true;
    case SPV_CLASS_CONNECTION:
        return error == SPV_ERR_DISCONNECTED; /* our own wish: what was sent before goes first */
    case SPV_CLASS_TIMEOUT:
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
    spv_link_mailbox_close(l);
    l->stream->ops->want_read(l->stream, false);
    flush_output(l);
    if (l->write_dead || output_pending(l) == 0 || !worth_flushing(error)) {
        begin_finalize(l);
        return;
    }
    spv_timer_set(l->timer, spv_system_now().mono_us + FLUSH_TIME);
}

static void arm_timer(struct spv_link *l)
{
    if (l->state == SPV_LINK_OPEN)
        spv_timer_set(l->timer, spv_peer_deadline(l->peer));
}

static void notify_ready(struct spv_link *l)
{
    if (l->state != SPV_LINK_OPEN || l->ready || !spv_peer_ready(l->peer))
        return;
    l->ready = true;
    spv_link_update_stats(l);
    if (l->callbacks.on_ready)
        l->callbacks.on_ready(l, l->callbacks.ctx);
}

static bool wants_input(const struct spv_link *l)
{
    return l->state == SPV_LINK_OPEN && !spv_reactor_stopped(l->handle.reactor);
}

static void dispatch_messages(struct spv_link *l)
{
    while (wants_input(l) && !l->read_stopped) {
        struct spv_msg msg;
        int rc = spv_peer_next(l->peer, &msg, spv_system_now());
        if (rc < 0)
            begin_close(l, rc);
        if (rc <= 0)
            break;
        if (l->callbacks.on_message)
            l->callbacks.on_message(l, &msg, l->callbacks.ctx);
        notify_ready(l);
    }
}

/* Reads at most budget bytes, or until the carrier has no more. */
static void read_input(struct spv_link *l, size_t budget)
{
    uint8_t *scratch = l->handle.reactor->scratch;
    while (wants_input(l) && !l->read_stopped && budget > 0) {
        size_t want = budget < l->read_size ? budget : l->read_size;
        ssize_t got = l->stream->ops->read(l->stream, scratch, want);
        if (got < 0)
            begin_close(l, got == SPV_ERR_CLOSED && l->write_dead ? SPV_ERR_RESET : (int)got);
        if (got <= 0)
            break;
        budget -= (size_t)got;
        int rc = spv_peer_feed(l->peer, scratch, (size_t)got, spv_system_now());
        if (rc < 0)
            begin_close(l, rc);
        dispatch_messages(l);
        if ((size_t)got < want)
            break;
    }
    if (l->state == SPV_LINK_OPEN)
        flush_output(l);
    arm_timer(l);
}

static size_t readable_bytes(const struct spv_link *l)
{
    return l->stream->ops->readable(l->stream);
}

/* Tells the senders whose messages have gone, or could not. Those that are sent meanwhile have
 * their own turn. */
static void run_completions(struct spv_link *l)
{
    struct spv_link_completion *completion;
    int error;
    for (size_t n = l->n_pending; n > 0 && (completion = spv_link_completion_next(l->peer, &error));
         n--) {
        l->n_pending--;
        spv_link_completion_fire(completion, error);
    }
    while ((completion = l->failed)) {
        l->failed = completion->next;
        spv_link_completion_fire(completion, completion->error);
    }
}

void spv_link_end_of_event(struct spv_link *l)
{
    spv_link_exec_queued(l);
    spv_link_update_stats(l);
    run_completions(l);
}

static void on_readable(void *ctx)
{
    struct spv_link *l = ctx;
    read_input(l, READ_BUDGET);
    spv_link_end_of_event(l);
}

static void on_writable(void *ctx)
{
    struct spv_link *l = ctx;
    if (l->state == SPV_LINK_DONE)
        return;
    flush_output(l);
    if (l->state == SPV_LINK_FLUSHING && (l->write_dead || output_pending(l) == 0))
        begin_finalize(l);
    arm_timer(l);
    spv_link_end_of_event(l);
}

/* Reads what waits, then judges. */
static void on_deadline(struct spv_link *l)
{
    uint64_t start;
    uint64_t end = spv_system_now().mono_us;
    unsigned rounds = 0;
    do {
        start = end;
        read_input(l, readable_bytes(l));
        end = spv_system_now().mono_us;
    } while (wants_input(l) && end - start > SLOW_DRAIN && ++rounds < MAX_DRAINS);
    if (!wants_input(l))
        return;
    int rc = spv_peer_timer(l->peer, spv_system_now());
    if (rc < 0) {
        begin_close(l, rc);
        return;
    }
    flush_output(l);
    arm_timer(l);
}

static void on_timer(void *ctx)
{
    struct spv_link *l = ctx;
    if (l->state == SPV_LINK_FLUSHING)
        begin_finalize(l);
    else
        on_deadline(l);
    spv_link_end_of_event(l);
}

/* Tells all others that it won't be. */
static void fail_completions(struct spv_link *l)
{
    l->unsent = spv_peer_queued(l->peer);
    spv_peer_close(l->peer, l->error);
    run_completions(l); /* all of them now: nothing is sent on a link that is done */
    struct spv_link_cmd *cmd;
    while ((cmd = spv_link_cmd_pop(&l->backlog)))
        spv_link_cmd_fail(cmd, l->error, spv_system_now());
}

static void finalize(struct spv_link *l)
{
    l->state = SPV_LINK_DONE;
    spv_link_mailbox_close(l);
    spv_link_update_stats(l);
    fail_completions(l);
    if (l->callbacks.on_closed)
        l->callbacks.on_closed(l, l->error, l->callbacks.ctx);
    spv_handle_unregister(&l->handle);
    spv_timer_free(l->timer);
    event_free(l->deferred_event);
    l->stream->ops->free(l->stream);
    spv_peer_free(l->peer);
    l->peer = NULL;
    spv_link_signal_closed(l);
    spv_link_unref(l);
}

static void run_deferred(struct spv_link *l)
{
    if (l->state == SPV_LINK_DONE) {
        finalize(l);
        return;
    }
    if (l->read_resumed) {
        l->read_resumed = false;
        dispatch_messages(l); /* before more is fed */
        read_input(l, READ_BUDGET);
    }
    if (l->state == SPV_LINK_OPEN && l->write_dead) {
        read_input(l, readable_bytes(l));
        begin_close(l, SPV_ERR_RESET); /* schedules another deferred event */
    }
    spv_link_end_of_event(l);
}

static void on_deferred(evutil_socket_t fd, short what, void *ctx)
{
    struct spv_link *l = ctx;
    struct spv_reactor *r = l->handle.reactor;
    (void)fd;
    (void)what;
    spv_reactor_enter(r);
    run_deferred(l); /* may free the link */
    spv_reactor_leave(r);
}

static void handle_close(struct spv_handle *handle)
{
    struct spv_link *l = (struct spv_link *)handle;
    spv_link_exec_queued(l);
    if (l->state == SPV_LINK_OPEN)
        l->error = SPV_ERR_INTERRUPTED;
    finalize(l);
}

/* Room again only when bytes go, or answers come: until then the letter waits. Told at once is what
 * would never fit. */
static bool must_stay_queued(const struct spv_link *l, const struct spv_link_cmd *cmd, int rc)
{
    if (rc != SPV_ERR_QUEUE_FULL)
        return false;
    return !spv_peer_ready(l->peer) || output_pending(l) > 0 ||
           cmd->command == SPV_CMD_GETHEADERS || cmd->command == SPV_CMD_GETDATA;
}

/* A letter that the machine did not take: its sender is told from the loop, like all others. */
static void fail_cmd(struct spv_link *l, struct spv_link_completion *completion, int error)
{
    if (!completion)
        return;
    completion->error = error;
    completion->next = l->failed;
    l->failed = completion;
    schedule_deferred(l);
}

void spv_link_exec_queued(struct spv_link *l)
{
    bool knocked = atomic_load_explicit(&l->mailbox.has_pending, memory_order_acquire);
    if (l->state != SPV_LINK_OPEN || (!knocked && !l->backlog.head))
        return;
    spv_reactor_enter(l->handle.reactor);
    struct spv_arena arena = {0};
    int close_error = spv_link_mailbox_take(l);
    size_t n = 0;
    size_t bytes = 0;
    while (l->backlog.head) {
        const struct spv_link_cmd *first = l->backlog.head;
        int rc = spv_link_cmd_exec(first, l->peer, &arena, spv_system_now());
        if (must_stay_queued(l, first, rc))
            break;
        struct spv_link_cmd *cmd = spv_link_cmd_pop(&l->backlog);
        n++;
        bytes += spv_link_cmd_size(cmd);
        if (rc < 0)
            fail_cmd(l, cmd->completion, rc);
        else if (cmd->completion)
            l->n_pending++;
        spv_link_cmd_free(cmd);
    }
    spv_arena_free(&arena);
    spv_link_mailbox_release(l, n, bytes);
    if (n > 0) {
        flush_output(l);
        arm_timer(l);
    }
    if (close_error < 0)
        begin_close(l, close_error);
    spv_reactor_leave(l->handle.reactor);
}

/* After something was queued outside an event of the link. */
static void flush_and_publish(struct spv_link *l)
{
    flush_output(l);
    arm_timer(l);
    spv_link_update_stats(l);
}

static int send_here(struct spv_link *l, const struct spv_msg *msg,
                     struct spv_link_completion *completion)
{
    int rc = spv_link_completion_send(completion, l->peer, msg, spv_system_now());
    if (rc < 0)
        return rc;
    if (completion)
        l->n_pending++;
    flush_and_publish(l);
    return 0;
}

int spv_link_send_here(struct spv_link *l, const struct spv_msg *msg,
                       struct spv_link_completion *completion)
{
    spv_link_exec_queued(l); /* what came before goes before */
    if (l->state != SPV_LINK_OPEN)
        return SPV_ERR_STATE;
    spv_reactor_enter(l->handle.reactor);
    int rc = send_here(l, msg, completion);
    spv_reactor_leave(l->handle.reactor);
    return rc;
}

int spv_link_exec_here(struct spv_link *l,
                       void (*fn)(void *ctx, struct spv_peer *peer, struct spv_now now), void *ctx)
{
    spv_link_exec_queued(l);
    if (l->state != SPV_LINK_OPEN)
        return SPV_ERR_STATE;
    spv_reactor_enter(l->handle.reactor);
    fn(ctx, l->peer, spv_system_now());
    flush_and_publish(l);
    spv_reactor_leave(l->handle.reactor);
    return 0;
}

void spv_link_close_here(struct spv_link *l, int error)
{
    spv_link_exec_queued(l);
    if (l->state != SPV_LINK_OPEN)
        return;
    spv_reactor_enter(l->handle.reactor);
    begin_close(l, error);
    spv_reactor_leave(l->handle.reactor);
}

int spv_link_send_headers(struct spv_link *l, struct spv_shared_frame *frame,
                          void (*done)(void *ctx, int error), void *ctx)
{
    spv_link_exec_queued(l);
    if (l->state != SPV_LINK_OPEN)
        return SPV_ERR_STATE;
    struct spv_link_completion *completion = spv_link_completion_new(done, ctx);
    if (!completion)
        return SPV_ERR_NOMEM;
    const uint64_t tag = (uint64_t)(uintptr_t)completion;
    int rc = spv_peer_send_headers(l->peer, frame, &tag, spv_system_now());
    if (rc < 0) {
        free(completion);
        return rc;
    }
    l->n_pending++;
    flush_and_publish(l);
    return 0;
}

void spv_link_read_stop(struct spv_link *l)
{
    if (l->state != SPV_LINK_OPEN)
        return;
    l->read_stopped = true;
    l->read_resumed = false;
    l->stream->ops->want_read(l->stream, false);
}

void spv_link_read_start(struct spv_link *l)
{
    if (l->state != SPV_LINK_OPEN || !l->read_stopped)
        return;
    l->read_stopped = false;
    l->read_resumed = true;
    l->stream->ops->want_read(l->stream, true);
    schedule_deferred(l);
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
    if (!l)
        goto err0;
    l->callbacks = *callbacks;
    l->read_size = cfg->trim_at_once ? SMALL_PIECE : SPV_SCRATCH;
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    (void)getpeername(fd, (struct sockaddr *)&sa, &len);
    spv_sock_to_endpoint(&l->endpoint, (const struct sockaddr *)&sa);
    l->task_queue = spv_task_queue_ref(r->task_queue);
    rc = spv_link_mailbox_init(l);
    if (rc < 0)
        goto err1;
    struct spv_peer_config own = *cfg;
    if (own.endpoint.host[0] == '\0')
        own.endpoint = l->endpoint;
    rc = spv_peer_new(&l->peer, &own, dir, spv_system_now());
    if (rc < 0)
        goto err2;
    rc = SPV_ERR_NOMEM;
    l->deferred_event = event_new(r->base, -1, 0, on_deferred, l);
    if (!l->deferred_event)
        goto err3;
    rc = spv_timer_new(&l->timer, r, on_timer, l);
    if (rc < 0)
        goto err4;
    rc = spv_handle_register(r, &l->handle, SPV_HANDLE_CONNECTION, handle_close);
    if (rc < 0)
        goto err5;
    *out = l;
    return 0;
err5:
    spv_timer_free(l->timer);
err4:
    event_free(l->deferred_event);
err3:
    spv_peer_free(l->peer);
err2:
    spv_link_mailbox_destroy(l);
err1:
    spv_task_queue_unref(l->task_queue);
    free(l);
err0:
    return rc;
}

/* Undoes new_link. */
static void drop_link(struct spv_link *l)
{
    spv_handle_unregister(&l->handle);
    spv_timer_free(l->timer);
    event_free(l->deferred_event);
    spv_peer_free(l->peer);
    l->peer = NULL;
    spv_link_unref(l);
}

int spv_link_attach(struct spv_link **out, struct spv_reactor *r, int fd,
                    const struct spv_peer_config *cfg, enum spv_direction dir,
                    const struct spv_link_callbacks *callbacks)
{
    struct spv_link *l;
    r->callbacks++; /* the observer may be called */
    int rc = new_link(&l, r, cfg, dir, callbacks, fd);
    if (rc < 0)
        goto err0;
    const struct spv_stream up = {.on_readable = on_readable, .on_writable = on_writable, .ctx = l};
    rc = spv_stream_new_socket(&l->stream, r, fd, &up);
    if (rc < 0)
        goto err1;
    flush_and_publish(l);
    r->callbacks--;
    *out = l;
    return 0;
err1:
    drop_link(l);
err0:
    r->callbacks--;
    (void)close(fd);
    return rc;
}

int spv_link_attach_bufferevent(struct spv_link **out, struct spv_reactor *r,
                                struct bufferevent *bev, const struct spv_peer_config *cfg,
                                enum spv_direction dir, const struct spv_link_callbacks *callbacks)
{
    struct spv_link *l;
    int rc = SPV_ERR_INVALID;
    r->callbacks++; /* the observer may be called */
    if (bufferevent_get_base(bev) != r->base)
        goto err0;
    rc = new_link(&l, r, cfg, dir, callbacks, bufferevent_getfd(bev));
    if (rc < 0)
        goto err0;
    const struct spv_stream up = {.on_readable = on_readable, .on_writable = on_writable, .ctx = l};
    rc = spv_stream_new_bufferevent(&l->stream, r, bev, &up);
    if (rc < 0)
        goto err1;
    flush_and_publish(l);
    r->callbacks--;
    *out = l;
    return 0;
err1:
    drop_link(l);
err0:
    r->callbacks--;
    bufferevent_free(bev);
    return rc;
}
