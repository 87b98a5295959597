/* Frames are encoded straight into the wire buffer; what the socket took is skipped by an offset
 * and moved away only when it is at least half of the buffer, so a long queue written in small
 * pieces costs linear time. Held frames are encoded at our own version, because the negotiated one
 * is not known yet; releasing them walks the frames once and leaves out what the peer could not
 * read. */
#include "peer/sendq.h"

#include <string.h>

#include "base/cursor.h"
#include "spv/error.h"
#include "wire/codec.h"
#include "wire/frame.h"

void spv_sendq_init(struct spv_sendq *q)
{
    memset(q, 0, sizeof(*q));
    spv_buffer_init(&q->wire);
    spv_buffer_init(&q->held);
}

void spv_sendq_free(struct spv_sendq *q)
{
    spv_buffer_free(&q->wire);
    spv_buffer_free(&q->held);
}

size_t spv_sendq_pending(const struct spv_sendq *q)
{
    return q->wire.len - q->off;
}

size_t spv_sendq_bytes(const struct spv_sendq *q)
{
    return spv_sendq_pending(q) + q->held.len;
}

/* Writes a frame at the end of one of the queue's buffers, or leaves all as it was. */
static int append(struct spv_sendq *q, struct spv_buffer *b, const struct spv_msg *msg,
                  const struct spv_netid *net, uint32_t version, size_t max)
{
    size_t len = b->len;
    int rc = spv_msg_write(b, msg, net, version);
    if (rc == 0 && spv_sendq_bytes(q) > max)
        rc = SPV_ERR_QUEUE_FULL;
    if (rc < 0)
        b->len = len;
    return rc;
}

int spv_sendq_put(struct spv_sendq *q, const struct spv_msg *msg, const struct spv_netid *net,
                  uint32_t version, size_t max)
{
    if (q->off > 0 && q->off >= q->wire.len / 2) {
        spv_buffer_consume(&q->wire, q->off);
        q->off = 0;
    }
    int rc = append(q, &q->wire, msg, net, version, max);
    if (rc == 0)
        q->messages++;
    return rc;
}

int spv_sendq_hold(struct spv_sendq *q, const struct spv_msg *msg, const struct spv_netid *net,
                   size_t max)
{
    return append(q, &q->held, msg, net, SPV_PROTOCOL_VERSION, max);
}

static int release_one(struct spv_sendq *q, const struct spv_frame *frame, const uint8_t *bytes,
                       size_t n, const struct spv_netid *net, uint32_t version)
{
    if (spv_command_since(frame->command) > version)
        return 0;
    /* BIP61 was withdrawn: reject is sent at 70002..70015 only. */
    if (frame->command == SPV_CMD_REJECT && version >= SPV_PROTOCOL_VERSION)
        return 0;
    /* BIP31: up to version 60000 a ping carries no nonce and gets no answer. */
    if (frame->command == SPV_CMD_PING && version < SPV_VERSION_PING_NONCE) {
        struct spv_msg ping = {.command = SPV_CMD_PING};
        return spv_sendq_put(q, &ping, net, version, SIZE_MAX);
    }
    spv_buffer_put(&q->wire, bytes, n);
    q->messages++;
    return q->wire.error;
}

int spv_sendq_release(struct spv_sendq *q, const struct spv_netid *net, uint32_t version)
{
    struct spv_cursor c = spv_cursor_over(q->held.data, q->held.len);
    int rc = 0;
    while (rc == 0 && spv_cursor_left(&c) > 0) {
        const uint8_t *at = c.p;
        const uint8_t *head = spv_cursor_take(&c, SPV_FRAME_HEADER);
        struct spv_frame frame;
        if (head == NULL || spv_frame_read(&frame, head, net, SPV_MAX_PAYLOAD) < 0)
            break;
        spv_cursor_take(&c, frame.length);
        rc = release_one(q, &frame, at, SPV_FRAME_HEADER + (size_t)frame.length, net, version);
    }
    spv_sendq_drop_held(q);
    return rc;
}

void spv_sendq_drop_held(struct spv_sendq *q)
{
    spv_buffer_free(&q->held);
    spv_buffer_init(&q->held);
}

const uint8_t *spv_sendq_front(const struct spv_sendq *q)
{
    return q->wire.data + q->off;
}

void spv_sendq_sent(struct spv_sendq *q, size_t n)
{
    q->off += n;
    if (q->off == q->wire.len) {
        q->wire.len = 0;
        q->off = 0;
    }
}

bool spv_sendq_bulky(const struct spv_sendq *q)
{
    return spv_sendq_pending(q) == 0 && q->wire.cap > SPV_SENDQ_KEEP;
}

void spv_sendq_trim(struct spv_sendq *q)
{
    if (!spv_sendq_bulky(q))
        return;
    spv_buffer_free(&q->wire);
    spv_buffer_init(&q->wire);
    q->off = 0;
}

size_t spv_sendq_memory(const struct spv_sendq *q)
{
    return q->wire.cap + q->held.cap;
}
