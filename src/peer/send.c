/* The way out: a message is checked (policy.c), its answer's deadline noted (requests.c), encoded
 * and queued (sendq.c), and one day its last byte is taken by the socket, or it never is. */
#include <string.h>

#include "peer/peer_state.h"
#include "peer/send_frame.h"
#include "spv/error.h"

/* A message now stands at the end of one of the queue's buffers. */
static void after_enqueue(struct spv_peer *p, const struct spv_msg *msg, uint32_t version,
                          const struct spv_buffer *b, struct spv_now now)
{
    if (p->cfg.observer.on_log) {
        size_t n = spv_msg_size(msg, version);
        spv_trace_message(p, SPV_TRACE_OUT, msg, b->data + b->len - n, n);
    }
    if (b == &p->out.wire)
        spv_peer_timers_on_write(p, 0, now);
}

int spv_peer_put(struct spv_peer *p, const struct spv_msg *msg, uint32_t version,
                 struct spv_now now)
{
    int rc = spv_send_queue_put(&p->out, msg, p->cfg.net, version, NULL, NULL);
    if (rc == 0)
        after_enqueue(p, msg, version, &p->out.wire, now);
    return rc;
}

void spv_peer_send_reject_before_close(struct spv_peer *p, const char *command, uint8_t code,
                                       const char *reason, struct spv_now now)
{
    struct spv_msg msg = {.command = SPV_CMD_REJECT, .u.reject.code = code};
    uint32_t version = p->stats.version;
    if (spv_command_rules_send(SPV_CMD_REJECT, version, p->stats.services) < 0)
        return;
    memcpy(msg.u.reject.command, command, strnlen(command, SPV_COMMAND_SIZE));
    memcpy(msg.u.reject.reason, reason, strnlen(reason, SPV_MAX_REJECT_REASON));
    (void)spv_peer_put(p, &msg, version, now); /* the peer is dropped either way */
}

/* What the caller may send: not the negotiation, which is the machine's own, and nothing that the
 * negotiated version does not know. */
static int may_send(const struct spv_peer *p, const struct spv_msg *msg)
{
    if (msg->command == SPV_CMD_VERSION || msg->command == SPV_CMD_VERACK ||
        msg->command == SPV_CMD_SENDADDRV2 || msg->command == SPV_CMD_WTXIDRELAY)
        return SPV_ERR_INVALID;
    /* BIP155: only to a peer that asked for it, which a peer may do until the handshake is through.
     */
    if (msg->command == SPV_CMD_ADDRV2 && !(p->ready && p->stats.addrv2))
        return SPV_ERR_UNSUPPORTED;
    return p->ready ? spv_command_rules_send(msg->command, p->stats.version, p->stats.services) : 0;
}

static int enqueue(struct spv_peer *p, const struct spv_msg *msg, const uint64_t *tag,
                   struct spv_now now)
{
    const struct spv_send_queue_bound bound = {p->cfg.max_queue_bytes, p->cfg.max_queue_messages};
    int rc = p->ready ? spv_send_queue_put(&p->out, msg, p->cfg.net, p->stats.version, &bound, tag)
                      : spv_send_queue_defer(&p->out, msg, p->cfg.net, &bound, tag);
    if (rc == 0)
        after_enqueue(p, msg, p->ready ? p->stats.version : SPV_PROTOCOL_VERSION,
                      p->ready ? &p->out.wire : &p->out.deferred, now);
    return rc;
}

static int send_checked(struct spv_peer *p, const struct spv_msg *msg, const uint64_t *tag,
                        struct spv_now now)
{
    int rc = may_send(p, msg);
    if (rc < 0)
        return rc;
    int added = 0;
    if (msg->command == SPV_CMD_GETHEADERS)
        added = spv_requests_add(&p->requests, msg, p->cfg.timeouts.getheaders);
    else if (msg->command == SPV_CMD_GETDATA)
        added = spv_requests_add(&p->requests, msg, p->cfg.timeouts.getdata);
    if (added < 0)
        return added;
    rc = enqueue(p, msg, tag, now);
    if (rc < 0 && added > 0)
        spv_requests_undo(&p->requests);
    if (rc < 0)
        return rc;
    spv_relay_on_sent(&p->relay, msg);
    if (p->ready && added > 0) {
        spv_requests_arm(&p->requests, p->out.taken + spv_send_queue_pending(&p->out), now.mono_us);
        p->deadline[SPV_DEADLINE_REQUEST] = spv_requests_deadline(&p->requests);
    }
    return 0;
}

static int send_message(struct spv_peer *p, const struct spv_msg *msg, const uint64_t *tag,
                        struct spv_now now)
{
    if (p->error < 0)
        return p->error;
    if (msg->command == SPV_CMD_GETDATA && msg->u.inv.n > SPV_MAX_INV)
        return SPV_ERR_TOO_LONG;
    if (msg->command == SPV_CMD_GETHEADERS || msg->command == SPV_CMD_GETBLOCKS) {
        /* A peer that gets a longer locator drops us; checked before anything is remembered. */
        if (msg->u.getheaders.n > SPV_MAX_LOCATOR)
            return SPV_ERR_TOO_LONG;
        if (msg->u.getheaders.version == 0) {
            struct spv_msg filled = *msg;
            filled.u.getheaders.version = p->cfg.max_version; /* the field carries our version */
            return send_checked(p, &filled, tag, now);
        }
    }
    return send_checked(p, msg, tag, now);
}

int spv_peer_send(struct spv_peer *p, const struct spv_msg *msg, struct spv_now now)
{
    return send_message(p, msg, NULL, now);
}

int spv_peer_send_tagged(struct spv_peer *p, const struct spv_msg *msg, uint64_t tag,
                         struct spv_now now)
{
    return send_message(p, msg, &tag, now);
}

static void observe_frame(const struct spv_peer *p, const struct spv_shared_frame *frame)
{
    const uint8_t *payload = frame->bytes + SPV_FRAME_HEADER;
    const size_t n = frame->n - SPV_FRAME_HEADER;
    struct spv_msg msg = {.command = SPV_CMD_HEADERS};
    struct spv_arena arena = {0};
    if (spv_msg_decode(&msg, payload, n, p->stats.version, &arena) == 0)
        spv_trace_message(p, SPV_TRACE_OUT, &msg, payload, n);
    spv_arena_free(&arena);
}

int spv_peer_send_headers(struct spv_peer *p, struct spv_shared_frame *frame, const uint64_t *tag,
                          struct spv_now now)
{
    const struct spv_send_queue_bound bound = {p->cfg.max_queue_bytes, p->cfg.max_queue_messages};
    if (p->error < 0)
        return p->error;
    if (!p->ready)
        return SPV_ERR_STATE;
    int rc = spv_send_queue_put_shared(&p->out, frame, SPV_CMD_HEADERS, &bound, tag);
    if (rc < 0)
        return rc;
    if (p->cfg.observer.on_log)
        observe_frame(p, frame);
    spv_peer_timers_on_write(p, 0, now);
    spv_relay_said_headers(&p->relay, frame->bytes + SPV_FRAME_HEADER, frame->n - SPV_FRAME_HEADER);
    return 0;
}

int spv_peer_next_completion(struct spv_peer *p, uint64_t *tag, int *error)
{
    return spv_completions_pop(&p->out.completions, tag, error);
}

void spv_peer_close(struct spv_peer *p, int error)
{
    if (p->error == 0)
        p->error = error < 0 ? error : SPV_ERR_DISCONNECTED;
    spv_send_queue_drop_all(&p->out, p->error);
    for (size_t i = 0; i < SPV_PEER_DEADLINES; i++)
        p->deadline[i] = SPV_NEVER;
}

size_t spv_peer_pending(const struct spv_peer *p, const uint8_t **bytes)
{
    return spv_send_queue_front(&p->out, bytes);
}

size_t spv_peer_queued(const struct spv_peer *p)
{
    return spv_send_queue_pending(&p->out);
}

void spv_peer_sent(struct spv_peer *p, size_t n, struct spv_now now)
{
    size_t pending = spv_send_queue_pending(&p->out);
    if (n > pending)
        n = pending;
    if (n == 0)
        return;
    spv_send_queue_sent(&p->out, n);
    p->stats.bytes_out += n;
    p->stats.last_out_us = now.mono_us;
    if (p->error == 0)
        spv_peer_timers_on_write(p, n, now);
    else if (n == pending)
        p->deadline[SPV_DEADLINE_FLUSH] = SPV_NEVER;
}
