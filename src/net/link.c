/* The state machine of a link: a stream of bytes and its peer state machine.
 *
 * Bytes are read into the reactor's receive buffer, fed to the peer state machine, and written
 * straight from its send queue. What the stream has not accepted stays in the send queue, so the
 * queue's limit and the write deadline cover all of it (docs/decisions.md explains why a socket is
 * not wrapped in a bufferevent).
 *
 * One event reads at most READ_BUDGET bytes, so that one socket cannot starve the others. An
 * expired deadline first reads what the socket has received: a delay of ours is not the peer's
 * fault.
 *
 * A link is open, then flushing (a last reject is written, for FLUSH_US at most), then done: from
 * then on the loop calls the remaining completions and on_closed and drops the reactor's reference.
 * Calls on a link never free it and never call back, so callbacks may send to and close any link,
 * their own included. */
#include "net/link.h"

#include <event2/event.h>
#include <stdlib.h>

#include "peer/send_frame.h"

#define READ_BUDGET (4u * SPV_SCRATCH) /* bytes per event: more than one full headers message */
#define FLUSH_US SPV_SECOND /* for the last bytes of a closing link */
#define SLOW_READ_US (SPV_SECOND / 20) /* more bytes arrive during a read this long: read again */
#define MAX_READS 4 /* at one expired deadline */

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

/* Writes pending bytes; waits for writability when the stream accepts no more. A socket that was
 * reset may still have bytes to read (a reject with the reason): the deferred event reads them,
 * then closes. */
static void flush_output(struct spv_link *l)
{
    const uint8_t *bytes;
    size_t n;
    while (!l->write_dead && (n = spv_peer_pending(l->peer, &bytes)) > 0) {
        ssize_t written = l->stream->ops->write(l->stream, bytes, n);
        if (written == 0) {
            l->stream->ops->want_write(l->stream, true);
            return;
        }
        if (written < 0) {
            l->write_dead = true;
            schedule_deferred(l);
            break;
        }
        spv_peer_sent(l->peer, (size_t)written, spv_system_now());
        if (l->n_pending > 0)
            schedule_deferred(l);
    }
    l->stream->ops->want_write(l->stream, false);
}

/* Returns true when queued bytes should be written before closing. A slow or lost peer does not
 * read them. */
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
        return error == SPV_ERR_DISCONNECTED; /* requested by us: what was sent before is written */
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
    spv_mailbox_close(&l->mailbox, &l->backlog);
    l->stream->ops->want_read(l->stream, false);
    flush_output(l);
    if (l->write_dead || output_pending(l) == 0 || !worth_flushing(error)) {
        begin_finalize(l);
        return;
    }
    spv_timer_set(l->timer, spv_system_now().mono_us + FLUSH_US);
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
    spv_link_publish_stats(l);
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

/* Reads at most budget bytes, or until the stream has no more. */
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

static void run_completions(struct spv_link *l)
{
    l->n_pending -= spv_link_completion_collect(&l->finished, l->peer, l->n_pending);
    spv_link_completion_run(&l->finished);
}

void spv_link_end_of_event(struct spv_link *l)
{
    spv_link_exec_queued(l);
    spv_link_publish_stats(l);
    run_completions(l);
}

void spv_link_on_readable(void *ctx)
{
    struct spv_link *l = ctx;
    read_input(l, READ_BUDGET);
    spv_link_end_of_event(l);
}

void spv_link_on_writable(void *ctx)
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

/* Reads what has been received, then checks the deadlines. */
static void on_deadline(struct spv_link *l)
{
    uint64_t start;
    uint64_t end = spv_system_now().mono_us;
    unsigned reads = 0;
    do {
        start = end;
        read_input(l, readable_bytes(l));
        end = spv_system_now().mono_us;
    } while (wants_input(l) && end - start > SLOW_READ_US && ++reads < MAX_READS);
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

void spv_link_on_timer(void *ctx)
{
    struct spv_link *l = ctx;
    if (l->state == SPV_LINK_FLUSHING)
        begin_finalize(l);
    else
        on_deadline(l);
    spv_link_end_of_event(l);
}

/* Ends every message that was not sent, in order: those in the send queue, then the backlog. */
static void fail_completions(struct spv_link *l)
{
    struct spv_link_cmd *cmd;
    l->unsent = spv_peer_queued(l->peer);
    spv_peer_close(l->peer, l->error);
    run_completions(l); /* all of them: nothing is sent on a link that is done */
    while ((cmd = spv_link_cmd_pop(&l->backlog))) {
        spv_link_cmd_fail(cmd, &l->finished, l->error, spv_system_now());
        run_completions(l);
    }
}

static void link_finalize(struct spv_link *l)
{
    l->state = SPV_LINK_DONE;
    spv_mailbox_close(&l->mailbox, &l->backlog);
    spv_link_publish_stats(l);
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
        link_finalize(l);
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

void spv_link_on_deferred(int fd, short what, void *ctx)
{
    struct spv_link *l = ctx;
    struct spv_reactor *r = l->handle.reactor;
    (void)fd;
    (void)what;
    spv_reactor_begin_callback(r);
    run_deferred(l); /* may free the link */
    spv_reactor_end_callback(r);
}

void spv_link_on_handle_close(struct spv_handle *handle)
{
    struct spv_link *l = (struct spv_link *)handle;
    spv_link_exec_queued(l);
    if (l->state == SPV_LINK_OPEN)
        l->error = SPV_ERR_INTERRUPTED;
    link_finalize(l);
}

void spv_link_on_wakeup(struct spv_task *task)
{
    struct spv_link *l = (void *)((char *)task - offsetof(struct spv_link, wakeup));
    spv_mailbox_woken(&l->mailbox);
    if (!l->shared.closed)
        spv_link_end_of_event(l);
    spv_link_unref(l);
}

/* The send queue may get space later: the command stays queued. When nothing is in flight it never
 * fits and fails now. */
static bool must_stay_queued(const struct spv_link *l, const struct spv_link_cmd *cmd, int rc)
{
    if (rc != SPV_ERR_QUEUE_FULL)
        return false;
    return !spv_peer_ready(l->peer) || output_pending(l) > 0 ||
           cmd->command == SPV_CMD_GETHEADERS || cmd->command == SPV_CMD_GETDATA;
}

/* A command was executed with the given result. */
static void cmd_done(struct spv_link *l, struct spv_link_cmd *cmd, int rc)
{
    if (cmd->completion && rc < 0) {
        spv_link_completion_push(&l->finished, cmd->completion, rc);
        schedule_deferred(l);
    } else if (cmd->completion) {
        l->n_pending++;
    }
    spv_link_cmd_free(cmd);
}

static void exec_backlog(struct spv_link *l)
{
    struct spv_arena arena = {0};
    size_t n = 0;
    size_t bytes = 0;
    while (l->backlog.head) {
        int rc = spv_link_cmd_exec(l->backlog.head, l->peer, &arena, spv_system_now());
        if (must_stay_queued(l, l->backlog.head, rc))
            break;
        struct spv_link_cmd *cmd = spv_link_cmd_pop(&l->backlog);
        n++;
        bytes += spv_link_cmd_size(cmd);
        cmd_done(l, cmd, rc);
    }
    spv_arena_free(&arena);
    if (n == 0)
        return;
    spv_mailbox_release(&l->mailbox, n, bytes);
    flush_output(l);
    arm_timer(l);
}

void spv_link_exec_queued(struct spv_link *l)
{
    if (l->state != SPV_LINK_OPEN)
        return;
    if (!spv_mailbox_has_pending(&l->mailbox) && !l->backlog.head)
        return;
    spv_reactor_begin_callback(l->handle.reactor);
    int close_error = spv_mailbox_take(&l->mailbox, &l->backlog);
    exec_backlog(l);
    if (close_error < 0)
        begin_close(l, close_error);
    spv_reactor_end_callback(l->handle.reactor);
}

void spv_link_flush(struct spv_link *l)
{
    flush_output(l);
    arm_timer(l);
    spv_link_publish_stats(l);
}

static int send_open(struct spv_link *l, const struct spv_msg *msg,
                     struct spv_link_completion *completion)
{
    int rc = spv_link_completion_send(completion, l->peer, msg, spv_system_now());
    if (rc < 0)
        return rc;
    if (completion)
        l->n_pending++;
    spv_link_flush(l);
    return 0;
}

int spv_link_send_on_reactor(struct spv_link *l, const struct spv_msg *msg,
                             struct spv_link_completion *completion)
{
    spv_link_exec_queued(l); /* keeps the order */
    if (l->state != SPV_LINK_OPEN)
        return SPV_ERR_STATE;
    spv_reactor_begin_callback(l->handle.reactor);
    int rc = send_open(l, msg, completion);
    spv_reactor_end_callback(l->handle.reactor);
    return rc;
}

int spv_link_exec_on_reactor(struct spv_link *l,
                             void (*fn)(void *ctx, struct spv_peer *peer, struct spv_now now),
                             void *ctx)
{
    spv_link_exec_queued(l);
    if (l->state != SPV_LINK_OPEN)
        return SPV_ERR_STATE;
    spv_reactor_begin_callback(l->handle.reactor);
    fn(ctx, l->peer, spv_system_now());
    spv_link_flush(l);
    spv_reactor_end_callback(l->handle.reactor);
    return 0;
}

void spv_link_close_on_reactor(struct spv_link *l, int error)
{
    spv_link_exec_queued(l);
    if (l->state != SPV_LINK_OPEN)
        return;
    spv_reactor_begin_callback(l->handle.reactor);
    begin_close(l, error);
    spv_reactor_end_callback(l->handle.reactor);
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
    const uint64_t tag = spv_link_completion_tag(completion);
    spv_reactor_begin_callback(l->handle.reactor);
    int rc = spv_peer_send_headers(l->peer, frame, &tag, spv_system_now());
    if (rc == 0) {
        l->n_pending++;
        spv_link_flush(l);
    }
    spv_reactor_end_callback(l->handle.reactor);
    if (rc < 0)
        free(completion);
    return rc;
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
