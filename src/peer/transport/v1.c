/* Bytes are appended to one buffer and read in place: a frame's payload is returned as a pointer
 * into it, so that a headers message is copied once, from the socket. Returned frames stay at the
 * front until the next feed moves the remaining bytes over them; that is at most one incomplete
 * frame, moved once. A frame header is checked as soon as its 24 bytes are received, so that an
 * invalid length allocates nothing.
 *
 * The buffer doubles when it is full, but not beyond the end of the incomplete message, and a trim
 * shrinks it to the buffered bytes when it is larger than twice these. */
#include "peer/transport/v1.h"

#include <string.h>

#include "spv/error.h"

void spv_frame_reader_init(struct spv_frame_reader *in)
{
    memset(in, 0, sizeof(*in));
    spv_buffer_init(&in->buf);
}

void spv_frame_reader_free(struct spv_frame_reader *in)
{
    spv_buffer_free(&in->buf);
}

size_t spv_frame_reader_buffered(const struct spv_frame_reader *in)
{
    return in->buf.len - in->off;
}

/* Bytes of the frame whose header has been read. */
static size_t frame_size(const struct spv_frame_reader *in)
{
    return SPV_FRAME_HEADER + (size_t)in->frame.length;
}

/* Grows to at least `need` bytes: doubles, but not beyond the end of the incomplete message. */
static int buffer_grow(struct spv_frame_reader *in, size_t need)
{
    size_t cap = need > in->buf.cap ? need : in->buf.cap;
    if (cap < 2 * in->buf.cap)
        cap = 2 * in->buf.cap;
    if (in->have_frame && need <= frame_size(in) && cap > frame_size(in))
        cap = frame_size(in);
    return spv_buffer_resize(&in->buf, cap);
}

int spv_frame_reader_feed(struct spv_frame_reader *in, const uint8_t *bytes, size_t n)
{
    if (in->off > 0) {
        spv_buffer_consume(&in->buf, in->off);
        in->off = 0;
    }
    if (n > in->buf.cap - in->buf.len) {
        int rc = buffer_grow(in, in->buf.len + n);
        if (rc < 0)
            return rc;
    }
    spv_buffer_put(&in->buf, bytes, n);
    return in->buf.error;
}

int spv_frame_reader_header(struct spv_frame_reader *in, const struct spv_netid *net,
                            uint32_t max_payload)
{
    if (in->have_frame)
        return 1;
    if (spv_frame_reader_buffered(in) < SPV_FRAME_HEADER)
        return 0;
    int rc = spv_frame_read(&in->frame, in->buf.data + in->off, net, max_payload);
    if (rc < 0)
        return rc;
    in->have_frame = true;
    return 1;
}

int spv_frame_reader_next(struct spv_frame_reader *in, const uint8_t **payload)
{
    const size_t whole = frame_size(in);
    if (spv_frame_reader_buffered(in) < whole)
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

/* True above twice the buffered bytes (at most the message's size) plus what an idle connection
 * keeps. */
bool spv_frame_reader_is_oversized(const struct spv_frame_reader *in)
{
    size_t use = 2 * spv_frame_reader_buffered(in);
    if (in->have_frame && use > frame_size(in))
        use = frame_size(in);
    return in->buf.cap > use + SPV_FRAME_READER_KEEP;
}

void spv_frame_reader_trim(struct spv_frame_reader *in)
{
    if (!spv_frame_reader_is_oversized(in))
        return;
    spv_buffer_consume(&in->buf, in->off);
    in->off = 0;
    (void)spv_buffer_resize(&in->buf, in->buf.len);
    in->buf.error = 0; /* when shrinking fails, the buffer stays as it is */
}
