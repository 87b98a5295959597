/* The calls of the public API, each of which drives the modules of this folder.
 *
 * spv_peer_feed only stores bytes. spv_peer_next takes the first whole frame, checks that the
 * handshake allows its command now, decodes it in place, passes it to relay, requests, handshake
 * and timers, and returns it. Every message is thus processed once and in order, whatever the
 * chunking of the input. The first error is sticky: every later input returns it, while bytes that
 * are already queued (a last reject) may still be written.
 *
 * send.c and handshake.c queue messages but update neither relay state nor the write deadline: this
 * file calls relay.c and timers.c after them, so that no two files call each other in a circle. */
#include "peer/peer_state.h"

#include <stdlib.h>
#include <string.h>

#include "peer/send_frame.h"
#include "peer/transport/v2_ids.h"
#include "spv/error.h"
#include "spv/version.h"
#include "util/deadline.h"
#include "wire/codec.h"

static const struct spv_peer_timeouts default_timeouts = {
    .handshake = 30 * SPV_SECOND,
    .ping_interval = 120 * SPV_SECOND,
    .pong = 20 * 60 * SPV_SECOND,
    .idle = 5 * 60 * SPV_SECOND,
    .message = 5 * 60 * SPV_SECOND,
    .getheaders = 90 * SPV_SECOND,
    .getdata = 30 * SPV_SECOND,
    .trickle = 10 * SPV_SECOND,
    .write = 2 * 60 * SPV_SECOND,
    .v2_answer = 10 * SPV_SECOND,
};

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
    return value != 0 ? value : fallback;
}

static int check_config(struct spv_peer *p, const struct spv_peer_config *cfg)
{
    if (!cfg->net || !cfg->rng.fill)
        return SPV_ERR_INVALID;
    p->cfg = *cfg;
    struct spv_peer_config *c = &p->cfg;
    const uint32_t newest =
        c->n_features > 0 && !c->anonymous ? SPV_FEATURE_PROTOCOL_VERSION : SPV_PROTOCOL_VERSION;
    if (c->max_version == 0)
        c->max_version = newest;
    if (c->max_version < SPV_MIN_PROTOCOL_VERSION || c->max_version > newest)
        return SPV_ERR_INVALID;
    if (c->n_features > SPV_PEER_FEATURES)
        return SPV_ERR_INVALID;
    for (size_t i = 0; i < c->n_features; i++)
        if (c->features[i].id_len < SPV_MIN_FEATURE_ID ||
            c->features[i].id_len > SPV_MAX_FEATURE_ID || c->features[i].n > SPV_MAX_FEATURE_DATA)
            return SPV_ERR_INVALID;
    const char *agent = c->user_agent ? c->user_agent : "/libspv:" SPV_VERSION "/";
    size_t n = strlen(agent);
    if (n > SPV_MAX_USER_AGENT)
        return SPV_ERR_INVALID;
    memcpy(p->user_agent, agent, n + 1);
    if (c->max_queue_bytes == 0)
        c->max_queue_bytes = SPV_PEER_QUEUE_BYTES;
    if (c->max_queue_messages == 0)
        c->max_queue_messages = SPV_PEER_QUEUE_MESSAGES;
    if (c->max_payload == 0)
        c->max_payload = SPV_MAX_PAYLOAD;
    if (c->max_known == 0)
        c->max_known = SPV_PEER_KNOWN;
    struct spv_peer_timeouts *t = &c->timeouts;
    const struct spv_peer_timeouts *d = &default_timeouts;
    t->handshake = or_default(t->handshake, d->handshake);
    t->ping_interval = or_default(t->ping_interval, d->ping_interval);
    t->pong = or_default(t->pong, d->pong);
    t->idle = or_default(t->idle, d->idle);
    t->message = or_default(t->message, d->message);
    t->getheaders = or_default(t->getheaders, d->getheaders);
    t->getdata = or_default(t->getdata, d->getdata);
    t->trickle = or_default(t->trickle, d->trickle);
    t->write = or_default(t->write, d->write);
    t->v2_answer = or_default(t->v2_answer, d->v2_answer);
    return 0;
}

static void init_transport(struct spv_peer *p)
{
    const struct spv_transport_config cfg = {.net = p->cfg.net,
                                             .choice = p->cfg.transport,
                                             .direction = p->dir,
                                             .context = p->cfg.v2_context,
                                             .allow_v2 = p->cfg.allow_v2,
                                             .allow_ctx = p->cfg.allow_ctx,
                                             .endpoint = &p->cfg.endpoint,
                                             .rng = &p->cfg.rng,
                                             .max_contents = spv_command_rules_max_limit(&p->cfg) +
                                                             SPV_V2_NAME_BYTES};
    spv_transport_init(&p->transport, &cfg);
    p->stats.transport = p->transport.kind;
}

/* Queues what opens the connection. */
static int open_transport(struct spv_peer *p, struct spv_now now)
{
    const size_t len = p->out.wire.len;
    const int rc = spv_transport_start(&p->transport, &p->out.wire);
    spv_send_queue_opened(&p->out, len);
    if (p->transport.v2)
        p->deadline[SPV_DEADLINE_V2_ANSWER] = now.mono_us + p->cfg.timeouts.v2_answer;
    return rc;
}

int spv_peer_new(struct spv_peer **out, const struct spv_peer_config *cfg, enum spv_direction dir,
                 struct spv_now now)
{
    *out = NULL;
    struct spv_peer *p = calloc(1, sizeof(*p));
    if (!p)
        return SPV_ERR_NOMEM;
    p->dir = dir;
    spv_send_queue_init(&p->out);
    for (size_t i = 0; i < SPV_PEER_DEADLINES; i++)
        p->deadline[i] = SPV_NEVER;
    int rc = check_config(p, cfg);
    init_transport(p);
    if (rc < 0)
        goto err;
    spv_relay_init(&p->relay, &p->cfg.rng, p->cfg.max_known);
    p->stats.direction = dir;
    p->stats.id = cfg->id;
    p->stats.endpoint = cfg->endpoint;
    p->tolerant = cfg->tolerate_malformed && cfg->net->network == SPV_REGTEST &&
                  spv_command_rules_loopback(cfg->endpoint.host);
    p->out.on_frame_done = spv_trace_completed;
    p->out.ctx = p;
    p->stats.connected_us = now.mono_us;
    rc = open_transport(p, now);
    if (rc < 0)
        goto err;
    rc = spv_handshake_begin(p, now);
    if (rc < 0)
        goto err;
    spv_peer_timers_on_queued(p, now);
    *out = p;
    return 0;
err:
    spv_peer_free(p);
    return rc;
}

void spv_peer_free(struct spv_peer *p)
{
    if (!p)
        return;
    spv_relay_free(&p->relay);
    spv_requests_free(&p->requests);
    spv_send_queue_free(&p->out);
    spv_transport_free(&p->transport);
    spv_features_free(&p->features);
    free(p);
}

/* Ends the connection for this reason, which is returned. */
static int peer_fail(struct spv_peer *p, int error, struct spv_now now)
{
    p->error = error;
    spv_send_queue_drop_deferred(&p->out, error);
    for (size_t i = 0; i < SPV_PEER_DEADLINES; i++)
        p->deadline[i] = SPV_NEVER;
    /* A peer that timed out is not expected to read them. */
    if (spv_send_queue_pending(&p->out) > 0 && spv_err_class_of(error) != SPV_CLASS_TIMEOUT)
        p->deadline[SPV_DEADLINE_FLUSH] = now.mono_us + SPV_PEER_FLUSH_US;
    return error;
}

int spv_peer_feed(struct spv_peer *p, const uint8_t *in, size_t n, struct spv_now now)
{
    if (p->error < 0)
        return p->error;
    if (n == 0)
        return 0;
    int rc = spv_transport_feed(&p->transport, in, n);
    if (rc < 0)
        return peer_fail(p, rc, now);
    p->deadline[SPV_DEADLINE_V2_ANSWER] = SPV_NEVER;
    p->stats.bytes_in += n;
    p->stats.last_in_us = now.mono_us;
    spv_peer_timers_on_read(p, SPV_READ_BYTES, now);
    return 0;
}

/* Stores which announcements the peer accepts, and in which form. */
static void apply_relay_preference(struct spv_peer *p, const struct spv_msg *msg)
{
    enum spv_command command = msg->command;
    struct spv_peer_stats *s = &p->stats;
    if (command == SPV_CMD_SENDHEADERS) {
        s->send_headers = true; /* BIP130 */
    } else if (command == SPV_CMD_FEEFILTER) {
        /* BIP133: ignore a rate that no transaction can pay. */
        if (msg->u.feefilter.rate <= SPV_MAX_MONEY)
            s->fee_filter = msg->u.feefilter.rate;
    } else if (command == SPV_CMD_FILTERLOAD) {
        s->filtered = true;
        s->relay = true; /* BIP37: a filter ends "relay: false" of the version message */
    } else if (command == SPV_CMD_FILTERCLEAR) {
        s->filtered = false;
        s->relay = true;
    }
}

/* An inv with blocks answers getblocks. */
static void on_block_inv(struct spv_peer *p, const struct spv_msg_inv *inv)
{
    for (size_t i = 0; i < inv->n; i++)
        if ((inv->items[i].type & ~SPV_INV_WITNESS) == SPV_INV_BLOCK)
            p->last_getblocks.until = 0;
}

/* The handshake is complete: sends deferred messages and starts pings and trickles. */
static int on_ready(struct spv_peer *p, struct spv_now now)
{
    int rc = spv_send_deferred(p, now);
    if (rc < 0)
        return rc;
    spv_peer_timers_start(p, now);
    spv_relay_begin(p, now);
    return 0;
}

/* Returns 1 to return the message to the caller, 0 to skip it, or an error. */
static int process_message(struct spv_peer *p, struct spv_msg *out, const uint8_t *payload,
                           struct spv_now now)
{
    const struct spv_frame *frame = &p->transport.frame;
    p->stats.messages_in++;
    int rc = spv_handshake_check(p, frame->command);
    if (rc <= 0)
        return rc;
    rc = spv_command_rules_receive(frame->command, &p->cfg);
    if (rc <= 0)
        return rc;
    out->command = frame->command;
    memcpy(out->name, frame->name, sizeof(out->name));
    rc = spv_msg_decode(out, payload, frame->length, p->stats.version, &p->transport.arena);
    if (rc < 0)
        return rc;
    spv_trace_message(p, SPV_TRACE_IN, out, payload, frame->length);
    if (out->command == SPV_CMD_UNKNOWN)
        p->stats.unknown_in++;
    apply_relay_preference(p, out);
    spv_relay_on_received(&p->relay, out);
    if (out->command == SPV_CMD_INV)
        on_block_inv(p, &out->u.inv);
    if (out->command == SPV_CMD_HEADERS)
        spv_requests_headers(&p->requests, &out->u.headers, p->out.taken, now.mono_us);
    else if (p->requests.n > 0)
        spv_requests_complete(&p->requests, out, now.mono_us);
    p->deadline[SPV_DEADLINE_REQUEST] = spv_requests_deadline(&p->requests);
    rc = spv_handshake_input(p, out, now);
    if (rc < 0)
        return rc;
    if (rc > 0) {
        rc = on_ready(p, now);
        if (rc < 0)
            return rc;
    }
    rc = spv_peer_timers_input(p, out, now);
    return rc < 0 ? rc : 1;
}

/* Returns 0 to skip the invalid message, or the error that closes the connection. */
static int on_invalid_message(struct spv_peer *p, int error)
{
    if (!spv_command_rules_malformed(error))
        return error;
    if (p->tolerant) {
        p->stats.malformed_in++;
        return 0;
    }
    spv_send_reject_before_close(p, p->transport.frame.name, SPV_REJECT_MALFORMED,
                                 spv_strerror(error));
    return error;
}

/* Reads the next frame header. The transport may send bytes of its own, and may become able to send
 * our version message. */
static int read_header(struct spv_peer *p, uint32_t max_payload, struct spv_now now)
{
    const size_t len = p->out.wire.len;
    int rc = spv_transport_header(&p->transport, &p->out.wire, max_payload);
    p->stats.transport = p->transport.kind;
    if (p->out.wire.len > len) {
        spv_send_queue_opened(&p->out, len);
        spv_peer_timers_on_queued(p, now);
    }
    if (p->transport.v2 && p->transport.kind == SPV_TRANSPORT_V2)
        memcpy(p->stats.session_id, p->transport.v2->session_id, sizeof p->stats.session_id);
    if (rc >= 0 && !p->version_sent) {
        const int sent = spv_handshake_opened(p, now);
        spv_peer_timers_on_queued(p, now);
        if (sent < 0)
            rc = sent;
    }
    return rc;
}

/* BIP324: a message of an unassigned id is ignored. */
static int skip_unreadable(struct spv_peer *p)
{
    p->stats.messages_in++;
    p->stats.unknown_in++;
    return 0;
}

/* Reads the next frame. Returns 1 to return its message to the caller, 0 to skip it, or an error;
 * *any is false when there is no whole frame. */
static int process_frame(struct spv_peer *p, struct spv_msg *out, bool *any, struct spv_now now)
{
    const uint8_t *payload = NULL;
    uint32_t max_payload = p->ready ? SPV_MAX_PAYLOAD : SPV_MAX_EARLY_PAYLOAD;
    const struct spv_frame *frame = &p->transport.frame;
    size_t waiting = spv_transport_buffered(&p->transport);
    int rc = read_header(p, max_payload, now);
    if (rc > 0 && frame->length > spv_command_rules_limit(&p->cfg, frame->command))
        rc = SPV_ERR_LENGTH;
    if (rc > 0)
        rc = spv_transport_payload(&p->transport, &payload);
    *any = rc != 0;
    if (rc == 0)
        return 0;
    /* Without a valid frame header, all buffered bytes are counted. */
    bool framed = rc > 0 || rc == SPV_ERR_CHECKSUM;
    bool named = framed || rc == SPV_ERR_LENGTH;
    size_t bytes = framed ? p->transport.frame_bytes : waiting;
    if (rc > 0 && p->transport.has_unknown_id)
        rc = skip_unreadable(p);
    else if (rc > 0)
        rc = process_message(p, out, payload, now);
    spv_trace_read(p, bytes, named ? frame->name : "", rc < 0 ? rc : 0);
    return rc < 0 ? on_invalid_message(p, rc) : rc;
}

int spv_peer_next(struct spv_peer *p, struct spv_msg *out, struct spv_now now)
{
    bool any = true;
    if (p->error < 0)
        return p->error;
    while (any) {
        int rc = process_frame(p, out, &any, now);
        if (rc < 0)
            return peer_fail(p, rc, now);
        if (any) {
            spv_peer_timers_on_read(p, SPV_READ_MESSAGE, now);
            spv_peer_timers_on_queued(p, now);
        }
        if (rc > 0)
            return 1;
    }
    spv_peer_timers_on_read(p, SPV_READ_BYTES, now); /* decoys may have emptied the buffer */
    if (p->cfg.trim_at_once && spv_transport_is_oversized(&p->transport))
        spv_transport_trim(&p->transport);
    return 0;
}

/* A message that could not be encrypted has put the cipher out of step. */
static int on_send_error(struct spv_peer *p, int error, struct spv_now now)
{
    return error == SPV_ERR_CRYPTO ? peer_fail(p, error, now) : error;
}

static int peer_send_message(struct spv_peer *p, const struct spv_msg *msg, const uint64_t *tag,
                             struct spv_now now)
{
    if (p->error < 0)
        return p->error;
    int rc = spv_send_message(p, msg, tag, now);
    if (rc < 0)
        return on_send_error(p, rc, now);
    spv_relay_on_sent(&p->relay, msg);
    spv_peer_timers_on_queued(p, now);
    return 0;
}

int spv_peer_send(struct spv_peer *p, const struct spv_msg *msg, struct spv_now now)
{
    return peer_send_message(p, msg, NULL, now);
}

int spv_peer_send_tagged(struct spv_peer *p, const struct spv_msg *msg, uint64_t tag,
                         struct spv_now now)
{
    return peer_send_message(p, msg, &tag, now);
}

int spv_peer_send_headers(struct spv_peer *p, struct spv_shared_frame *frame, const uint64_t *tag,
                          struct spv_now now)
{
    if (p->error < 0)
        return p->error;
    int rc = spv_send_headers_frame(p, frame, tag);
    if (rc < 0)
        return on_send_error(p, rc, now);
    spv_relay_on_sent_headers(&p->relay, frame->bytes + SPV_FRAME_HEADER,
                              frame->n - SPV_FRAME_HEADER);
    spv_peer_timers_on_queued(p, now);
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
        spv_peer_timers_on_sent(p, now);
    else if (n == pending)
        p->deadline[SPV_DEADLINE_FLUSH] = SPV_NEVER;
}

int spv_peer_timer(struct spv_peer *p, struct spv_now now)
{
    if (p->error < 0 && p->deadline[SPV_DEADLINE_FLUSH] <= now.mono_us)
        spv_peer_close(p, p->error);
    if (p->error < 0)
        return p->error;
    int rc = spv_peer_timers_expire(p, now);
    return rc < 0 ? peer_fail(p, rc, now) : 0;
}

uint64_t spv_peer_deadline(const struct spv_peer *p)
{
    uint64_t earliest = SPV_NEVER;
    for (size_t i = 0; i < SPV_PEER_DEADLINES; i++)
        earliest = spv_min_deadline(earliest, p->deadline[i]);
    return earliest;
}

void spv_peer_note_height(struct spv_peer *p, int32_t height)
{
    if (height > p->stats.last_height)
        p->stats.last_height = height;
}

bool spv_peer_ready(const struct spv_peer *p)
{
    return p->ready;
}

void spv_peer_get_stats(const struct spv_peer *p, struct spv_peer_stats *out)
{
    *out = p->stats;
    out->messages_out = p->out.messages;
    out->answer_us = p->requests.answer_us;
}

size_t spv_peer_features(const struct spv_peer *p, const struct spv_msg_feature **out)
{
    *out = p->features.list;
    return p->features.n;
}

bool spv_peer_wants_v1(const struct spv_peer *p)
{
    if (!spv_transport_unanswered(&p->transport))
        return false;
    return p->error == SPV_ERR_V1_PEER ||
           (p->stats.bytes_in == 0 && p->stats.bytes_out >= SPV_FRAME_HEADER);
}

size_t spv_peer_memory(const struct spv_peer *p)
{
    return sizeof(*p) + spv_transport_memory(&p->transport) + spv_send_queue_memory(&p->out) +
           spv_requests_memory(&p->requests) + spv_relay_memory(&p->relay) +
           spv_features_memory(&p->features);
}
