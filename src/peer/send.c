/* Queues a message for the socket: checks that it may be sent (command_rules.c), registers the
 * request that it makes (requests.c), then encodes it onto the send queue (send_queue.c). Relay
 * state and the write deadline are the callers' to update. */
#include <string.h>

#include "peer/peer_state.h"
#include "spv/error.h"
#include "wire/codec.h"

/* Logs a message that was queued. It is encoded again: the queue's bytes may be encrypted. */
static void trace_enqueued(const struct spv_peer *p, const struct spv_msg *msg, uint32_t version)
{
    struct spv_buffer payload;
    if (!p->cfg.observer.on_log || p->cfg.observer.log_level == SPV_LOG_OFF)
        return;
    spv_buffer_init(&payload);
    if (spv_msg_encode(&payload, msg, version) == 0)
        spv_trace_message(p, SPV_TRACE_OUT, msg, payload.data, payload.len);
    spv_buffer_free(&payload);
}

int spv_send_control(struct spv_peer *p, const struct spv_msg *msg, uint32_t version)
{
    int rc = spv_send_queue_put(&p->out, msg, &p->transport, version, NULL, NULL);
    if (rc < 0)
        return rc;
    trace_enqueued(p, msg, version);
    return 0;
}

void spv_send_reject_before_close(struct spv_peer *p, const char *command, uint8_t code,
                                  const char *reason)
{
    struct spv_msg msg = {.command = SPV_CMD_REJECT, .u.reject.code = code};
    uint32_t version = p->stats.version;
    if (spv_command_rules_send(SPV_CMD_REJECT, version, p->stats.services) < 0)
        return;
    memcpy(msg.u.reject.command, command, strnlen(command, SPV_COMMAND_SIZE));
    memcpy(msg.u.reject.reason, reason, strnlen(reason, SPV_MAX_REJECT_REASON));
    (void)spv_send_control(p, &msg, version); /* the peer is dropped either way */
}

/* Refuses the handshake's messages, which only the peer itself sends, and commands that the
 * negotiated version does not have. */
static int check_command(const struct spv_peer *p, const struct spv_msg *msg)
{
    if (msg->command == SPV_CMD_VERSION || msg->command == SPV_CMD_VERACK ||
        msg->command == SPV_CMD_SENDADDRV2 || msg->command == SPV_CMD_WTXIDRELAY ||
        msg->command == SPV_CMD_FEATURE)
        return SPV_ERR_INVALID;
    /* BIP155: only to a peer that sent sendaddrv2, which it may do until verack. */
    if (msg->command == SPV_CMD_ADDRV2 && !(p->ready && p->stats.addrv2))
        return SPV_ERR_UNSUPPORTED;
    return p->ready ? spv_command_rules_send(msg->command, p->stats.version, p->stats.services) : 0;
}

static int enqueue_message(struct spv_peer *p, const struct spv_msg *msg, const uint64_t *tag)
{
    const struct spv_send_queue_bound bound = {p->cfg.max_queue_bytes, p->cfg.max_queue_messages};
    int rc = p->ready
                 ? spv_send_queue_put(&p->out, msg, &p->transport, p->stats.version, &bound, tag)
                 : spv_send_queue_defer(&p->out, msg, p->cfg.net, &bound, tag);
    if (rc < 0)
        return rc;
    trace_enqueued(p, msg, p->ready ? p->stats.version : SPV_PROTOCOL_VERSION);
    return 0;
}

/* Starts the answer deadlines of the requests whose frames are now on the wire. */
static void arm_requests(struct spv_peer *p, struct spv_now now)
{
    spv_requests_arm(&p->requests, p->out.taken + spv_send_queue_pending(&p->out), now.mono_us);
    p->deadline[SPV_DEADLINE_REQUEST] = spv_requests_deadline(&p->requests);
}

static int send_checked(struct spv_peer *p, const struct spv_msg *msg, const uint64_t *tag,
                        struct spv_now now)
{
    int rc = check_command(p, msg);
    if (rc < 0)
        return rc;
    int added = 0;
    if (msg->command == SPV_CMD_GETHEADERS)
        added = spv_requests_add(&p->requests, msg, p->cfg.timeouts.getheaders);
    else if (msg->command == SPV_CMD_GETDATA)
        added = spv_requests_add(&p->requests, msg, p->cfg.timeouts.getdata);
    if (added < 0)
        return added;
    rc = enqueue_message(p, msg, tag);
    if (rc < 0 && added > 0)
        spv_requests_undo(&p->requests);
    if (rc < 0)
        return rc;
    if (p->ready && added > 0)
        arm_requests(p, now);
    return 0;
}

int spv_send_message(struct spv_peer *p, const struct spv_msg *msg, const uint64_t *tag,
                     struct spv_now now)
{
    if (msg->command == SPV_CMD_GETDATA && msg->u.inv.n > SPV_MAX_INV)
        return SPV_ERR_TOO_LONG;
    if (msg->command == SPV_CMD_GETHEADERS || msg->command == SPV_CMD_GETBLOCKS) {
        /* A peer disconnects us for a longer locator. Checked before the request is registered. */
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

static void trace_frame(const struct spv_peer *p, const struct spv_shared_frame *frame)
{
    const uint8_t *payload = frame->bytes + SPV_FRAME_HEADER;
    const size_t n = frame->n - SPV_FRAME_HEADER;
    struct spv_msg msg = {.command = SPV_CMD_HEADERS};
    struct spv_arena arena = {0};
    if (spv_msg_decode(&msg, payload, n, p->stats.version, &arena) == 0)
        spv_trace_message(p, SPV_TRACE_OUT, &msg, payload, n);
    spv_arena_free(&arena);
}

int spv_send_headers_frame(struct spv_peer *p, struct spv_shared_frame *frame, const uint64_t *tag)
{
    const struct spv_send_queue_bound bound = {p->cfg.max_queue_bytes, p->cfg.max_queue_messages};
    if (!p->ready)
        return SPV_ERR_STATE;
    int rc = spv_send_queue_put_shared(&p->out, frame, SPV_CMD_HEADERS, &p->transport, &bound, tag);
    if (rc < 0)
        return rc;
    if (p->cfg.observer.on_log)
        trace_frame(p, frame);
    return 0;
}

int spv_send_deferred(struct spv_peer *p, struct spv_now now)
{
    int rc =
        spv_send_queue_flush_deferred(&p->out, &p->transport, p->stats.version, p->stats.services);
    if (rc < 0)
        return rc;
    arm_requests(p, now);
    return 0;
}
