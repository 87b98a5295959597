/* Frames are encoded directly into the wire buffer. Bytes that the socket has accepted are skipped
 * by an offset and removed only when they are at least half of the buffer, so that writing a long
 * queue in small parts takes linear time. Deferred frames are encoded at our own version, because
 * the negotiated one is not known yet; flushing them drops those that the peer cannot decode.
 *
 * A shared frame is not copied: a list has it with its offset in the stream, and the bytes of
 * `wire` from that offset on are written after it.
 *
 * Every frame has an entry with the offset of its end, counted from the connection's first byte.
 * The socket takes bytes in order, so frames complete in order, too. */
#include "peer/send_queue.h"

#include <stdlib.h>
#include <string.h>

#include "peer/command_rules.h"
#include "spv/error.h"
#include "util/array.h"
#include "util/cursor.h"
#include "wire/codec.h"
#include "wire/frame.h"

#define INITIAL_SHARED 2 /* most connections have at most one answer queued */

void spv_send_queue_init(struct spv_send_queue *q)
{
    memset(q, 0, sizeof(*q));
    spv_buffer_init(&q->wire);
    spv_buffer_init(&q->deferred);
}

static void release_shared(struct spv_send_queue *q)
{
    for (size_t i = 0; i < q->n_shared; i++)
        spv_shared_frame_unref(q->shared[q->first_shared + i].frame);
    free(q->shared);
    q->shared = NULL;
    q->first_shared = q->n_shared = q->shared_cap = q->shared_bytes = 0;
}

void spv_send_queue_free(struct spv_send_queue *q)
{
    release_shared(q);
    spv_buffer_free(&q->wire);
    spv_buffer_free(&q->deferred);
    spv_queued_frames_free(&q->frames);
    spv_queued_frames_free(&q->deferred_frames);
    spv_completions_free(&q->completions);
}

size_t spv_send_queue_pending(const struct spv_send_queue *q)
{
    return q->wire.len - q->off + q->shared_bytes;
}

size_t spv_send_queue_bytes(const struct spv_send_queue *q)
{
    return spv_send_queue_pending(q) + q->deferred.len;
}

static struct spv_queued_frame make_queued_frame(enum spv_command command, const char *name,
                                                 uint64_t end, const uint64_t *tag)
{
    struct spv_queued_frame queued = {
        .end = end, .command = (uint8_t)command, .tagged = tag != NULL};
    size_t n = strnlen(name, SPV_COMMAND_SIZE);
    memcpy(queued.name, name, n);
    if (tag)
        queued.tag = *tag;
    return queued;
}

/* Adds the entry of the frame that was just appended to a buffer. */
static int add_frame(struct spv_send_queue *q, struct spv_queued_frames *frames,
                     enum spv_command command, const char *name, uint64_t end, const uint64_t *tag)
{
    const struct spv_queued_frame queued = make_queued_frame(command, name, end, tag);
    int rc = tag ? spv_completions_reserve(&q->completions) : 0;
    if (rc < 0)
        return rc;
    rc = spv_queued_frames_push(frames, &queued);
    if (rc < 0 && tag)
        spv_completions_unreserve(&q->completions);
    return rc;
}

size_t spv_send_queue_messages(const struct spv_send_queue *q)
{
    return spv_queued_frames_count(&q->frames) + spv_queued_frames_count(&q->deferred_frames) +
           spv_completions_count(&q->completions);
}

static bool is_over_bound(const struct spv_send_queue *q, const struct spv_send_queue_bound *bound)
{
    return bound && (spv_send_queue_bytes(q) > bound->bytes ||
                     spv_send_queue_messages(q) >= bound->messages);
}

void spv_send_queue_opened(struct spv_send_queue *q, size_t len)
{
    q->completed += q->wire.len - len;
}

static void remove_sent(struct spv_send_queue *q)
{
    if (q->off > 0 && q->off >= q->wire.len / 2) {
        spv_buffer_consume(&q->wire, q->off);
        q->off = 0;
    }
}

/* The message at offset start of q->wire was appended: adds its entry and seals it, or removes it
 * again after an error. */
static int commit_message(struct spv_send_queue *q, enum spv_command command, const char *name,
                          struct spv_transport_state *transport, size_t start,
                          const struct spv_send_queue_bound *bound, const uint64_t *tag)
{
    int rc = is_over_bound(q, bound) ? SPV_ERR_QUEUE_FULL : 0;
    if (rc == 0)
        rc = add_frame(q, &q->frames, command, name, q->taken + spv_send_queue_pending(q), tag);
    if (rc < 0) {
        q->wire.len = start;
        return rc;
    }
    rc = spv_transport_seal(transport, &q->wire, start);
    if (rc < 0) {
        spv_queued_frames_pop_newest(&q->frames);
        if (tag)
            spv_completions_unreserve(&q->completions);
        return rc;
    }
    q->messages++;
    return 0;
}

static const char *name_of(const struct spv_msg *msg)
{
    return msg->command == SPV_CMD_UNKNOWN ? msg->name : spv_command_name(msg->command);
}

int spv_send_queue_put(struct spv_send_queue *q, const struct spv_msg *msg,
                       struct spv_transport_state *transport, uint32_t version,
                       const struct spv_send_queue_bound *bound, const uint64_t *tag)
{
    size_t start;
    remove_sent(q);
    const int rc = spv_transport_put(transport, &q->wire, msg, version, &start);
    if (rc < 0) {
        q->wire.len = start;
        return rc;
    }
    return commit_message(q, msg->command, name_of(msg), transport, start, bound, tag);
}

/* Reserves capacity for one more shared frame. */
static int shared_reserve(struct spv_send_queue *q)
{
    if (q->first_shared + q->n_shared < q->shared_cap)
        return 0;
    if (q->first_shared > 0) {
        memmove(q->shared, q->shared + q->first_shared, q->n_shared * sizeof(q->shared[0]));
        q->first_shared = 0;
        return 0;
    }
    void *shared = spv_array_grow(q->shared, &q->shared_cap, q->shared_cap + 1, INITIAL_SHARED,
                                  sizeof(q->shared[0]));
    if (!shared)
        return SPV_ERR_NOMEM;
    q->shared = shared;
    return 0;
}

int spv_send_queue_put_shared(struct spv_send_queue *q, struct spv_shared_frame *frame,
                              enum spv_command command, struct spv_transport_state *transport,
                              const struct spv_send_queue_bound *bound, const uint64_t *tag)
{
    const char *name = spv_command_name(command);
    if (transport->v2) {
        size_t start;
        remove_sent(q);
        const int rc = spv_transport_put_frame(transport, &q->wire, frame->bytes, frame->n, &start);
        if (rc < 0) {
            q->wire.len = start;
            return rc;
        }
        return commit_message(q, command, name, transport, start, bound, tag);
    }
    const uint64_t at = q->taken + spv_send_queue_pending(q);
    int rc = shared_reserve(q);
    if (rc < 0)
        return rc;
    q->shared_bytes += frame->n;
    rc = is_over_bound(q, bound) ? SPV_ERR_QUEUE_FULL
                                 : add_frame(q, &q->frames, command, name, at + frame->n, tag);
    if (rc < 0) {
        q->shared_bytes -= frame->n;
        return rc;
    }
    q->shared[q->first_shared + q->n_shared++] =
        (struct spv_send_queue_shared){at, spv_shared_frame_ref(frame)};
    q->messages++;
    return 0;
}

int spv_send_queue_defer(struct spv_send_queue *q, const struct spv_msg *msg,
                         const struct spv_netid *net, const struct spv_send_queue_bound *bound,
                         const uint64_t *tag)
{
    size_t len = q->deferred.len;
    int rc = spv_msg_write(&q->deferred, msg, net, SPV_PROTOCOL_VERSION);
    if (rc < 0)
        goto truncate;
    if (is_over_bound(q, bound)) {
        rc = SPV_ERR_QUEUE_FULL;
        goto truncate;
    }
    rc = add_frame(q, &q->deferred_frames, msg->command, name_of(msg), q->deferred.len, tag);
    if (rc < 0)
        goto truncate;
    return 0;

truncate:
    q->deferred.len = len;
    return rc;
}

/* The oldest frame was sent (error 0), or is dropped. */
static void complete_frame(struct spv_send_queue *q, struct spv_queued_frames *frames, size_t bytes,
                           int error)
{
    const struct spv_queued_frame queued = *spv_queued_frames_front(frames);
    spv_queued_frames_pop(frames);
    if (queued.tagged)
        spv_completions_add(&q->completions, queued.tag, error);
    if (q->on_frame_done)
        q->on_frame_done(q->ctx, &queued, bytes, error);
}

void spv_send_queue_drop_deferred(struct spv_send_queue *q, int error)
{
    while (spv_queued_frames_count(&q->deferred_frames) > 0)
        complete_frame(q, &q->deferred_frames, 0, error);
    spv_buffer_free(&q->deferred);
    spv_buffer_init(&q->deferred);
}

void spv_send_queue_drop_all(struct spv_send_queue *q, int error)
{
    while (spv_queued_frames_count(&q->frames) > 0) {
        uint64_t end = spv_queued_frames_front(&q->frames)->end;
        size_t sent = q->taken > q->completed ? (size_t)(q->taken - q->completed) : 0;
        q->completed = end;
        complete_frame(q, &q->frames, sent, error);
    }
    spv_send_queue_drop_deferred(q, error);
    release_shared(q);
    spv_buffer_free(&q->wire);
    spv_buffer_init(&q->wire);
    q->off = 0;
}

/* Appends a deferred frame to the wire, in the form of the negotiated version. */
static int put_deferred(struct spv_send_queue *q, const struct spv_frame *frame,
                        const uint8_t *bytes, struct spv_transport_state *transport,
                        uint32_t version, size_t *start)
{
    /* BIP31: up to version 60000 a ping carries no nonce and gets no answer. */
    if (frame->command == SPV_CMD_PING && version < SPV_VERSION_PING_NONCE) {
        struct spv_msg ping = {.command = SPV_CMD_PING};
        return spv_transport_put(transport, &q->wire, &ping, version, start);
    }
    return spv_transport_put_frame(transport, &q->wire, bytes,
                                   SPV_FRAME_HEADER + (size_t)frame->length, start);
}

/* Moves the oldest deferred frame and its entry to the wire. */
static int move_deferred(struct spv_send_queue *q, const struct spv_frame *frame,
                         const uint8_t *bytes, struct spv_transport_state *transport,
                         uint32_t version)
{
    size_t start;
    int rc = put_deferred(q, frame, bytes, transport, version, &start);
    if (rc == 0) {
        struct spv_queued_frame queued = *spv_queued_frames_front(&q->deferred_frames);
        queued.end = q->taken + spv_send_queue_pending(q);
        rc = spv_queued_frames_push(&q->frames, &queued);
    }
    if (rc < 0) {
        q->wire.len = start;
        return rc;
    }
    spv_queued_frames_pop(&q->deferred_frames);
    q->messages++;
    return spv_transport_seal(transport, &q->wire, start);
}

int spv_send_queue_flush_deferred(struct spv_send_queue *q, struct spv_transport_state *transport,
                                  uint32_t version, uint64_t services)
{
    struct spv_cursor c = spv_cursor_over(q->deferred.data, q->deferred.len);
    int rc = 0;
    while (rc == 0 && spv_cursor_left(&c) > 0) {
        const uint8_t *at = c.p;
        const uint8_t *head = spv_cursor_take(&c, SPV_FRAME_HEADER);
        struct spv_frame frame;
        if (!head || spv_frame_read(&frame, head, transport->cfg.net, SPV_MAX_PAYLOAD) < 0)
            break;
        spv_cursor_take(&c, frame.length);
        if (spv_command_rules_send(frame.command, version, services) < 0)
            complete_frame(q, &q->deferred_frames, 0, SPV_ERR_UNSUPPORTED);
        else
            rc = move_deferred(q, &frame, at, transport, version);
    }
    spv_send_queue_drop_deferred(q, rc < 0 ? rc : SPV_ERR_UNSUPPORTED);
    return rc;
}

/* The shared frame that is sent next; NULL when bytes of wire precede it, or nothing is pending. */
static struct spv_send_queue_shared *front_shared(const struct spv_send_queue *q)
{
    struct spv_send_queue_shared *s = q->n_shared > 0 ? &q->shared[q->first_shared] : NULL;
    return s && s->at <= q->taken ? s : NULL;
}

size_t spv_send_queue_front(const struct spv_send_queue *q, const uint8_t **bytes)
{
    const struct spv_send_queue_shared *s = front_shared(q);
    if (s) {
        const size_t sent = (size_t)(q->taken - s->at);
        *bytes = s->frame->bytes + sent;
        return s->frame->n - sent;
    }
    size_t n = q->wire.len - q->off;
    if (q->n_shared > 0)
        n = (size_t)(q->shared[q->first_shared].at - q->taken);
    *bytes = n > 0 ? q->wire.data + q->off : NULL;
    return n;
}

/* The socket has accepted n bytes of the front. */
static void consume_front(struct spv_send_queue *q, size_t n)
{
    struct spv_send_queue_shared *s = front_shared(q);
    q->taken += n;
    if (!s) {
        q->off += n;
        return;
    }
    q->shared_bytes -= n;
    if (q->taken == s->at + s->frame->n) {
        spv_shared_frame_unref(s->frame);
        q->n_shared--;
        q->first_shared = q->n_shared == 0 ? 0 : q->first_shared + 1;
    }
}

void spv_send_queue_sent(struct spv_send_queue *q, size_t n)
{
    while (n > 0) {
        const uint8_t *bytes;
        size_t most = spv_send_queue_front(q, &bytes);
        if (most > n)
            most = n;
        consume_front(q, most);
        n -= most;
    }
    if (q->off == q->wire.len) {
        q->wire.len = 0;
        q->off = 0;
    }
    const struct spv_queued_frame *front;
    while ((front = spv_queued_frames_front(&q->frames)) && front->end <= q->taken) {
        uint64_t end = front->end;
        size_t bytes = (size_t)(end - q->completed);
        q->completed = end;
        complete_frame(q, &q->frames, bytes, 0);
    }
}

bool spv_send_queue_is_oversized(const struct spv_send_queue *q)
{
    return spv_send_queue_pending(q) == 0 && q->wire.cap > SPV_SEND_QUEUE_KEEP;
}

void spv_send_queue_trim(struct spv_send_queue *q)
{
    if (!spv_send_queue_is_oversized(q))
        return;
    spv_buffer_free(&q->wire);
    spv_buffer_init(&q->wire);
    q->off = 0;
}

size_t spv_send_queue_memory(const struct spv_send_queue *q)
{
    return q->wire.cap + q->deferred.cap + q->shared_cap * sizeof(q->shared[0]) +
           q->completions.cap * sizeof(q->completions.list[0]) +
           (q->frames.cap + q->deferred_frames.cap) * sizeof(q->frames.list[0]);
}
