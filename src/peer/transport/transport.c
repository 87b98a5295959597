/* An inbound connection with automatic choice begins undetected: its bytes are kept by the v1
 * reader until they differ from how v1 begins (then they move to a new v2 state machine), or
 * contain all of it. */
#include "peer/transport/transport.h"

#include <stdlib.h>
#include <string.h>

#include "peer/transport/v2_ids.h"
#include "spv/error.h"
#include "wire/codec.h"

void spv_transport_init(struct spv_transport_state *t, const struct spv_transport_config *cfg)
{
    memset(t, 0, sizeof *t);
    t->cfg = *cfg;
    if (t->cfg.max_contents == 0)
        t->cfg.max_contents = SPV_V2_MAX_CONTENTS;
    const bool inbound = cfg->direction == SPV_INBOUND;
    const bool v1 =
        cfg->choice == SPV_TRANSPORT_ONLY_V1 || (cfg->choice == SPV_TRANSPORT_AUTO && !inbound);
    t->kind = v1 ? SPV_TRANSPORT_V1 : SPV_TRANSPORT_PENDING;
    spv_frame_reader_init(&t->v1);
}

static void free_v2(struct spv_transport_state *t)
{
    if (t->v2)
        spv_v2_free(t->v2);
    free(t->v2);
    t->v2 = NULL;
    spv_v2_context_free(t->own_context);
    t->own_context = NULL;
}

void spv_transport_free(struct spv_transport_state *t)
{
    free_v2(t);
    spv_frame_reader_free(&t->v1);
    spv_arena_free(&t->arena);
}

/* Draws the key and the garbage of this connection. */
static int make_v2(struct spv_transport_state *t)
{
    const bool inbound = t->cfg.direction == SPV_INBOUND;
    if (!t->cfg.context) {
        const int rc = spv_v2_context_new(&t->own_context, t->cfg.rng);
        if (rc < 0)
            return rc;
    }
    struct spv_v2 *v2 = malloc(sizeof *v2);
    if (!v2)
        return SPV_ERR_NOMEM;
    const int rc =
        spv_v2_init_random(v2, inbound ? SPV_V2_RESPONDER : SPV_V2_INITIATOR, t->cfg.net->magic,
                           t->own_context ? t->own_context : t->cfg.context, t->cfg.rng);
    if (rc < 0) {
        free(v2);
        return rc;
    }
    v2->max_contents = t->cfg.max_contents;
    t->v2 = v2;
    return 0;
}

int spv_transport_start(struct spv_transport_state *t, struct spv_buffer *out)
{
    if (t->kind == SPV_TRANSPORT_V1 || t->cfg.direction == SPV_INBOUND)
        return 0;
    const int rc = make_v2(t);
    return rc < 0 ? rc : spv_v2_start(t->v2, out);
}

int spv_transport_feed(struct spv_transport_state *t, const uint8_t *bytes, size_t n)
{
    return t->v2 ? spv_v2_feed(t->v2, bytes, n) : spv_frame_reader_feed(&t->v1, bytes, n);
}

/* Decides by the first bytes of an inbound connection. Returns 1 once it is decided, 0 before, or
 * an error. */
static int detect_transport(struct spv_transport_state *t)
{
    const size_t n = spv_frame_reader_buffered(&t->v1);
    if (n == 0) /* the buffer may not be allocated yet */
        return 0;
    const uint8_t *bytes = t->v1.buf.data + t->v1.off;
    switch (spv_v2_classify(bytes, n, t->cfg.net->magic)) {
    case SPV_FIRST_BYTES_UNDECIDED:
        return 0;
    case SPV_FIRST_BYTES_V1:
        if (t->cfg.choice == SPV_TRANSPORT_ONLY_V2)
            return SPV_ERR_V1_PEER;
        t->kind = SPV_TRANSPORT_V1;
        return 1;
    case SPV_FIRST_BYTES_V1_OTHER_NETWORK:
        return SPV_ERR_MAGIC;
    case SPV_FIRST_BYTES_V2:
        break;
    }
    if (t->cfg.allow_v2 && !t->cfg.allow_v2(t->cfg.allow_ctx, t->cfg.endpoint))
        return SPV_ERR_ADDRESS_LIMIT;
    int rc = make_v2(t);
    if (rc < 0)
        return rc;
    rc = spv_v2_feed(t->v2, bytes, n);
    spv_frame_reader_free(&t->v1);
    spv_frame_reader_init(&t->v1);
    return rc < 0 ? rc : 1;
}

/* Opens the next packet with a message. Packets that name no known form of message are skipped. */
static int open_packet(struct spv_transport_state *t, struct spv_buffer *out, uint32_t max_payload)
{
    const uint8_t *contents = NULL;
    size_t n = 0;
    if (t->have_packet)
        return 1;
    const int rc = spv_v2_next(t->v2, out, &contents, &n);
    if (t->v2->state == SPV_V2_READY)
        t->kind = SPV_TRANSPORT_V2;
    if (rc != 1)
        return rc;
    const size_t name = spv_v2_name_read(&t->frame, contents, n);
    t->has_unknown_id = name == 0;
    if (t->has_unknown_id) {
        memset(t->frame.name, 0, sizeof t->frame.name);
        t->frame.command = SPV_CMD_UNKNOWN;
    }
    t->frame.length = (uint32_t)(n - name);
    t->frame_bytes = SPV_V2_OVERHEAD + n;
    if (!t->has_unknown_id && (t->frame.length > max_payload ||
                               t->frame.length > spv_command_max_payload(t->frame.command)))
        return SPV_ERR_LENGTH;
    t->packet = contents + name;
    t->have_packet = true;
    return 1;
}

int spv_transport_header(struct spv_transport_state *t, struct spv_buffer *out,
                         uint32_t max_payload)
{
    if (t->kind == SPV_TRANSPORT_PENDING && !t->v2) {
        const int rc = detect_transport(t);
        if (rc != 1)
            return rc;
    }
    if (t->v2)
        return open_packet(t, out, max_payload);
    const int rc = spv_frame_reader_header(&t->v1, t->cfg.net, max_payload);
    if (rc == 1 || rc == SPV_ERR_LENGTH) {
        t->frame = t->v1.frame;
        t->frame_bytes = SPV_FRAME_HEADER + (size_t)t->frame.length;
    }
    return rc;
}

int spv_transport_payload(struct spv_transport_state *t, const uint8_t **payload)
{
    if (!t->v2)
        return spv_frame_reader_next(&t->v1, payload);
    *payload = t->packet;
    t->have_packet = false;
    return 1;
}

bool spv_transport_can_send(const struct spv_transport_state *t)
{
    return t->kind == SPV_TRANSPORT_V1 || (t->v2 && t->v2->can_send);
}

bool spv_transport_unanswered(const struct spv_transport_state *t)
{
    return t->v2 && t->v2->role == SPV_V2_INITIATOR && t->v2->state == SPV_V2_RECV_KEY;
}

/* Begins a packet with the name of its message. */
static void begin_packet(struct spv_buffer *out, const uint8_t command[SPV_COMMAND_SIZE],
                         size_t *start)
{
    uint8_t name[SPV_V2_NAME_BYTES];
    const size_t n = spv_v2_name_write(name, command);
    *start = spv_v2_packet_begin(out);
    spv_buffer_put(out, name, n);
}

int spv_transport_put(const struct spv_transport_state *t, struct spv_buffer *out,
                      const struct spv_msg *msg, uint32_t version, size_t *start)
{
    uint8_t command[SPV_COMMAND_SIZE];
    *start = out->len;
    if (!t->v2)
        return spv_msg_write(out, msg, t->cfg.net, version);
    int rc = spv_msg_command(command, msg);
    if (rc < 0)
        return rc;
    begin_packet(out, command, start);
    rc = out->error ? out->error : spv_msg_encode(out, msg, version);
    if (!rc)
        rc = spv_v2_packet_end(out);
    out->error = 0; /* the messages before it stay valid */
    return rc;
}

int spv_transport_put_frame(const struct spv_transport_state *t, struct spv_buffer *out,
                            const uint8_t *frame, size_t n, size_t *start)
{
    int rc;
    *start = out->len;
    if (!t->v2) {
        spv_buffer_put(out, frame, n);
        rc = out->error;
    } else {
        begin_packet(out, frame + sizeof t->cfg.net->magic, start);
        spv_buffer_put(out, frame + SPV_FRAME_HEADER, n - SPV_FRAME_HEADER);
        rc = spv_v2_packet_end(out);
    }
    out->error = 0;
    return rc;
}

int spv_transport_seal(struct spv_transport_state *t, struct spv_buffer *out, size_t start)
{
    const int rc = t->v2 ? spv_v2_packet_seal(t->v2, out, start, 0) : 0;
    if (rc < 0)
        out->len = start; /* it must not leave unencrypted */
    return rc;
}

size_t spv_transport_buffered(const struct spv_transport_state *t)
{
    return t->v2 ? spv_v2_buffered(t->v2) : spv_frame_reader_buffered(&t->v1);
}

bool spv_transport_is_oversized(const struct spv_transport_state *t)
{
    return t->arena.cap > SPV_FRAME_READER_KEEP ||
           (t->v2 ? spv_v2_is_oversized(t->v2) : spv_frame_reader_is_oversized(&t->v1));
}

void spv_transport_trim(struct spv_transport_state *t)
{
    spv_arena_trim(&t->arena, SPV_FRAME_READER_KEEP);
    if (t->v2 && !t->have_packet)
        spv_v2_trim(t->v2);
    else if (!t->v2)
        spv_frame_reader_trim(&t->v1);
}

size_t spv_transport_memory(const struct spv_transport_state *t)
{
    return t->arena.cap + (t->v2 ? sizeof *t->v2 + t->v2->in.cap : t->v1.buf.cap);
}
