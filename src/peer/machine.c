/* The public calls, and the way of a message through the machine.
 *
 * feed only stores bytes; next takes the first whole frame, asks the handshake whether it may come
 * now, decodes it in place, lets handshake, keep-alive and requests act on it, and hands it out. So
 * everything happens once a message, in order, however the bytes were cut. The first error sticks:
 * every later input returns it, while bytes already pending (a last reject) may still be written.
 */
#include "peer/machine.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/version.h"

static const struct spv_peer_timeouts default_timeouts = {
    .handshake = 30 * SPV_SECOND,
    .ping_interval = 120 * SPV_SECOND,
    .pong = 20 * 60 * SPV_SECOND,
    .idle = 5 * 60 * SPV_SECOND,
    .message = 5 * 60 * SPV_SECOND,
    .getheaders = 90 * SPV_SECOND,
    .getdata = 30 * SPV_SECOND,
    .write = 2 * 60 * SPV_SECOND,
};

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
    return value != 0 ? value : fallback;
}

static int configure(struct spv_peer *p, const struct spv_peer_config *cfg)
{
    if (cfg->net == NULL || cfg->rng.fill == NULL)
        return SPV_ERR_INVALID;
    p->cfg = *cfg;
    struct spv_peer_config *c = &p->cfg;
    if (c->max_version == 0)
        c->max_version = SPV_PROTOCOL_VERSION;
    if (c->max_version < SPV_MIN_PROTOCOL_VERSION || c->max_version > SPV_PROTOCOL_VERSION)
        return SPV_ERR_INVALID;
    const char *agent = c->user_agent != NULL ? c->user_agent : "/libspv:" SPV_VERSION "/";
    size_t n = strlen(agent);
    if (n > SPV_MAX_USER_AGENT)
        return SPV_ERR_INVALID;
    memcpy(p->user_agent, agent, n + 1);
    if (c->max_queue_bytes == 0)
        c->max_queue_bytes = SPV_PEER_QUEUE_BYTES;
    if (c->max_queue_messages == 0)
        c->max_queue_messages = SPV_PEER_QUEUE_MESSAGES;
    struct spv_peer_timeouts *t = &c->timeouts;
    const struct spv_peer_timeouts *d = &default_timeouts;
    t->handshake = or_default(t->handshake, d->handshake);
    t->ping_interval = or_default(t->ping_interval, d->ping_interval);
    t->pong = or_default(t->pong, d->pong);
    t->idle = or_default(t->idle, d->idle);
    t->message = or_default(t->message, d->message);
    t->getheaders = or_default(t->getheaders, d->getheaders);
    t->getdata = or_default(t->getdata, d->getdata);
    t->write = or_default(t->write, d->write);
    return 0;
}

int spv_peer_new(struct spv_peer **out, const struct spv_peer_config *cfg, enum spv_direction dir,
                 struct spv_now now)
{
    *out = NULL;
    struct spv_peer *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return SPV_ERR_NOMEM;
    p->dir = dir;
    spv_intake_init(&p->in);
    spv_sendq_init(&p->out);
    for (size_t i = 0; i < SPV_PEER_CLOCKS; i++)
        p->clock[i] = SPV_NEVER;
    int rc = configure(p, cfg);
    if (rc < 0)
        goto err;
    p->stats.direction = dir;
    p->stats.connected_us = now.mono_us;
    rc = spv_handshake_begin(p, now);
    if (rc < 0)
        goto err;
    *out = p;
    return 0;
err:
    spv_peer_free(p);
    return rc;
}

void spv_peer_free(struct spv_peer *p)
{
    if (p == NULL)
        return;
    spv_requests_free(&p->requests);
    spv_sendq_free(&p->out);
    spv_intake_free(&p->in);
    free(p);
}

static int fail(struct spv_peer *p, int error)
{
    p->error = error;
    spv_sendq_drop_held(&p->out, error);
    for (size_t i = 0; i < SPV_PEER_CLOCKS; i++)
        p->clock[i] = SPV_NEVER;
    return error;
}

int spv_peer_put(struct spv_peer *p, const struct spv_msg *msg, uint32_t version,
                 struct spv_now now)
{
    int rc = spv_sendq_put(&p->out, msg, p->cfg.net, version, NULL, NULL);
    if (rc == 0)
        spv_keepalive_wrote(p, 0, now);
    return rc;
}

int spv_peer_feed(struct spv_peer *p, const uint8_t *in, size_t n, struct spv_now now)
{
    if (p->error < 0)
        return p->error;
    if (n == 0)
        return 0;
    int rc = spv_intake_feed(&p->in, in, n);
    if (rc < 0)
        return fail(p, rc);
    p->stats.bytes_in += n;
    p->stats.last_in_us = now.mono_us;
    spv_keepalive_arrived(p, false, now);
    return 0;
}

static int take_message(struct spv_peer *p, struct spv_msg *out, const uint8_t *payload,
                        struct spv_now now)
{
    const struct spv_frame *frame = &p->in.frame;
    p->stats.messages_in++;
    int rc = spv_handshake_check(p, frame->command, now);
    if (rc < 0)
        return rc;
    out->command = frame->command;
    memcpy(out->name, frame->name, sizeof(out->name));
    rc = spv_msg_decode(out, payload, frame->length, p->stats.version, &p->in.arena);
    if (rc < 0)
        return rc;
    if (out->command == SPV_CMD_UNKNOWN)
        p->stats.unknown_in++;
    if (out->command == SPV_CMD_SENDHEADERS)
        p->stats.send_headers = true; /* BIP130 */
    if (p->requests.n > 0) {
        spv_requests_settle(&p->requests, out, payload, frame->length, now.mono_us);
        p->clock[SPV_CLOCK_REQUEST] = spv_requests_deadline(&p->requests);
    }
    rc = spv_handshake_input(p, out, now);
    return rc < 0 ? rc : spv_keepalive_input(p, out, now);
}

int spv_peer_next(struct spv_peer *p, struct spv_msg *out, struct spv_now now)
{
    if (p->error < 0)
        return p->error;
    const uint8_t *payload;
    uint32_t cap = p->ready ? SPV_MAX_PAYLOAD : SPV_MAX_EARLY_PAYLOAD;
    int rc = spv_intake_next(&p->in, &payload, p->cfg.net, cap);
    if (rc == 0)
        return 0;
    if (rc > 0)
        rc = take_message(p, out, payload, now);
    if (rc < 0)
        return fail(p, rc);
    spv_keepalive_arrived(p, true, now);
    return 1;
}

/* What the caller may send: not the negotiation, which is the machine's own, and nothing that the
 * negotiated version does not know. */
static int may_send(const struct spv_peer *p, const struct spv_msg *msg)
{
    if (msg->command == SPV_CMD_VERSION || msg->command == SPV_CMD_VERACK ||
        msg->command == SPV_CMD_SENDADDRV2 || msg->command == SPV_CMD_WTXIDRELAY)
        return SPV_ERR_INVALID;
    /* BIP61 was withdrawn: reject is sent at 70002..70015 only. */
    if (p->ready && msg->command == SPV_CMD_REJECT && p->stats.version >= SPV_PROTOCOL_VERSION)
        return SPV_ERR_UNSUPPORTED;
    if (p->ready && spv_command_since(msg->command) > p->stats.version)
        return SPV_ERR_UNSUPPORTED;
    return 0;
}

static int enqueue(struct spv_peer *p, const struct spv_msg *msg, const uint64_t *tag,
                   struct spv_now now)
{
    const struct spv_sendq_bound bound = {p->cfg.max_queue_bytes, p->cfg.max_queue_messages};
    if (!p->ready)
        return spv_sendq_hold(&p->out, msg, p->cfg.net, &bound, tag);
    int rc = spv_sendq_put(&p->out, msg, p->cfg.net, p->stats.version, &bound, tag);
    if (rc == 0)
        spv_keepalive_wrote(p, 0, now);
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
    if (p->ready && added > 0) {
        spv_requests_arm(&p->requests, now.mono_us);
        p->clock[SPV_CLOCK_REQUEST] = spv_requests_deadline(&p->requests);
    }
    return 0;
}

static int send(struct spv_peer *p, const struct spv_msg *msg, const uint64_t *tag,
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
    return send(p, msg, NULL, now);
}

int spv_peer_send_tagged(struct spv_peer *p, const struct spv_msg *msg, uint64_t tag,
                         struct spv_now now)
{
    return send(p, msg, &tag, now);
}

int spv_peer_next_done(struct spv_peer *p, uint64_t *tag, int *error)
{
    return spv_dones_take(&p->out.dones, tag, error);
}

void spv_peer_shut(struct spv_peer *p, int error)
{
    if (p->error == 0)
        fail(p, error < 0 ? error : SPV_ERR_DISCONNECTED);
    spv_sendq_drop_all(&p->out, p->error);
}

size_t spv_peer_pending(const struct spv_peer *p, const uint8_t **bytes)
{
    size_t n = spv_sendq_pending(&p->out);
    *bytes = n > 0 ? spv_sendq_front(&p->out) : NULL;
    return n;
}

void spv_peer_sent(struct spv_peer *p, size_t n, struct spv_now now)
{
    size_t pending = spv_sendq_pending(&p->out);
    if (n > pending)
        n = pending;
    if (n == 0)
        return;
    spv_sendq_sent(&p->out, n);
    p->stats.bytes_out += n;
    p->stats.last_out_us = now.mono_us;
    if (p->error == 0)
        spv_keepalive_wrote(p, n, now);
}

int spv_peer_timer(struct spv_peer *p, struct spv_now now)
{
    if (p->error < 0)
        return p->error;
    int rc = spv_keepalive_timer(p, now);
    return rc < 0 ? fail(p, rc) : 0;
}

uint64_t spv_peer_deadline(const struct spv_peer *p)
{
    uint64_t earliest = SPV_NEVER;
    for (size_t i = 0; i < SPV_PEER_CLOCKS; i++)
        if (p->clock[i] < earliest)
            earliest = p->clock[i];
    return earliest;
}

bool spv_peer_ready(const struct spv_peer *p)
{
    return p->ready;
}

void spv_peer_stats(const struct spv_peer *p, struct spv_peer_stats *out)
{
    *out = p->stats;
    out->messages_out = p->out.messages;
}

size_t spv_peer_memory(const struct spv_peer *p)
{
    return sizeof(*p) + spv_intake_memory(&p->in) + spv_sendq_memory(&p->out) +
           spv_requests_memory(&p->requests);
}
