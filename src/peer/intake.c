/* Bytes are appended to one buffer and read in place: a frame's payload is handed out as a pointer
 * into it, so a headers message is copied once, from the socket. Frames already handed out stay at
 * the front until the next feed moves what is left over them; that is at most one incomplete frame,
 * moved once. A frame header is checked the moment its 24 bytes are there, so a bad length costs
 * the sender's 24 bytes and none of our memory. */
#include "peer/intake.h"

#include <string.h>

#include "spv/error.h"

void spv_intake_init(struct spv_intake *in)
{
    memset(in, 0, sizeof(*in));
    spv_buffer_init(&in->buf);
}

void spv_intake_free(struct spv_intake *in)
{
    spv_buffer_free(&in->buf);
    spv_arena_free(&in->arena);
}

size_t spv_intake_waiting(const struct spv_intake *in)
{
    return in->buf.len - in->off;
}

int spv_intake_feed(struct spv_intake *in, const uint8_t *bytes, size_t n)
{
    if (in->off > 0) {
        spv_buffer_consume(&in->buf, in->off);
        in->off = 0;
    }
    spv_buffer_put(&in->buf, bytes, n);
    return in->buf.error;
}

int spv_intake_next(struct spv_intake *in, const uint8_t **payload, const struct spv_netid *net,
                    uint32_t cap)
{
    if (!in->have_frame) {
        if (spv_intake_waiting(in) < SPV_FRAME_HEADER)
            return 0;
        int rc = spv_frame_read(&in->frame, in->buf.data + in->off, net, cap);
        if (rc < 0)
            return rc;
        in->have_frame = true;
    }
    size_t whole = SPV_FRAME_HEADER + (size_t)in->frame.length;
    if (spv_intake_waiting(in) < whole)
        return 0;
    const uint8_t *body = in->buf.data + in->off + SPV_FRAME_HEADER;
    in->have_frame = false;
    in->off += whole;
    int rc = spv_frame_check(&in->frame, body);
    if (rc < 0)
        return rc;
    *payload = body;
    return 1;
}

bool spv_intake_bulky(const struct spv_intake *in)
{
    return spv_intake_waiting(in) == 0 &&
           (in->buf.cap > SPV_INTAKE_KEEP || in->arena.cap > SPV_INTAKE_KEEP);
}

void spv_intake_trim(struct spv_intake *in)
{
    if (!spv_intake_bulky(in))
        return;
    spv_buffer_free(&in->buf);
    spv_buffer_init(&in->buf);
    in->off = 0;
    spv_arena_trim(&in->arena, SPV_INTAKE_KEEP);
}

size_t spv_intake_memory(const struct spv_intake *in)
{
    return in->buf.cap + in->arena.cap;
}
