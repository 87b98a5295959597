/* Liveness of the peer: pings, and one deadline for each thing that must happen in time.
 *
 * A ping goes out every two minutes or so, one at a time, with a random nonce; its pong gives the
 * round trip. Every complete message renews the idle deadline, except a pong with an unknown nonce.
 * A message must be complete by its own deadline, so that a peer which sends single bytes is
 * disconnected, too. When several deadlines have passed, the one that passed first is the reason.
 */
#include "peer/peer_state.h"
#include "spv/error.h"
#include "util/rng.h"

/* The interval, up to a quarter shorter or longer: pings of many connections must not be
 * synchronised. */
static uint64_t with_jitter(struct spv_peer *p, uint64_t interval)
{
    return spv_rng_jitter(&p->cfg.rng, interval, interval / 4);
}

void spv_peer_timers_start(struct spv_peer *p, struct spv_now now)
{
    p->deadline[SPV_DEADLINE_IDLE] = now.mono_us + p->cfg.timeouts.idle;
    p->deadline[SPV_DEADLINE_PING] = now.mono_us + with_jitter(p, p->cfg.timeouts.ping_interval);
}

static int send_ping(struct spv_peer *p, struct spv_now now)
{
    p->deadline[SPV_DEADLINE_PING] = now.mono_us + with_jitter(p, p->cfg.timeouts.ping_interval);
    if (p->stats.ping_sent_us != 0)
        return 0; /* one in flight is enough */
    struct spv_msg ping = {.command = SPV_CMD_PING};
    /* BIP31: a nonce, and with it an answer, only above version 60000. */
    if (p->stats.version >= SPV_VERSION_PING_NONCE) {
        p->ping_nonce = spv_rng_u64(&p->cfg.rng);
        ping.u.ping.has_nonce = true;
        ping.u.ping.nonce = p->ping_nonce;
        p->stats.ping_sent_us = now.mono_us > 0 ? now.mono_us : 1;
        p->deadline[SPV_DEADLINE_PONG] = now.mono_us + p->cfg.timeouts.pong;
    }
    return spv_send_control(p, &ping, p->stats.version);
}

static int on_ping(struct spv_peer *p, const struct spv_msg_ping *ping)
{
    if (!ping->has_nonce || p->stats.version < SPV_VERSION_PING_NONCE)
        return 0; /* BIP31: the old form has no answer */
    if (p->pong_bytes >= SPV_PEER_PONG_BYTES)
        return 0;
    struct spv_msg pong = {.command = SPV_CMD_PONG, .u.ping = *ping};
    size_t before = spv_send_queue_pending(&p->out);
    int rc = spv_send_control(p, &pong, p->stats.version);
    if (rc == 0)
        p->pong_bytes += spv_send_queue_pending(&p->out) - before;
    return rc;
}

/* True when the pong answers the ping in flight. */
static bool on_pong(struct spv_peer *p, const struct spv_msg_ping *pong, struct spv_now now)
{
    struct spv_peer_stats *s = &p->stats;
    if (s->ping_sent_us == 0 || !pong->has_nonce || pong->nonce != p->ping_nonce)
        return false;
    uint64_t rtt = now.mono_us > s->ping_sent_us ? now.mono_us - s->ping_sent_us : 1;
    s->rtt_us = rtt;
    if (s->rtt_min_us == 0 || rtt < s->rtt_min_us)
        s->rtt_min_us = rtt;
    s->ping_sent_us = 0;
    p->deadline[SPV_DEADLINE_PONG] = SPV_NEVER;
    return true;
}

int spv_peer_timers_input(struct spv_peer *p, const struct spv_msg *msg, struct spv_now now)
{
    int rc = 0;
    bool alive = true;
    if (msg->command == SPV_CMD_PING)
        rc = on_ping(p, &msg->u.ping);
    else if (msg->command == SPV_CMD_PONG)
        alive = on_pong(p, &msg->u.ping, now);
    if (alive && p->ready)
        p->deadline[SPV_DEADLINE_IDLE] = now.mono_us + p->cfg.timeouts.idle;
    return rc;
}

/* Later messages do not postpone it: a trickle of small messages must not keep a burst's
 * memory. */
static void schedule_trim(struct spv_peer *p, bool oversized, struct spv_now now)
{
    if (oversized && p->deadline[SPV_DEADLINE_TRIM] == SPV_NEVER)
        p->deadline[SPV_DEADLINE_TRIM] = now.mono_us + SPV_PEER_TRIM_US;
}

void spv_peer_timers_on_queued(struct spv_peer *p, struct spv_now now)
{
    uint64_t *write = &p->deadline[SPV_DEADLINE_WRITE];
    if (*write == SPV_NEVER && spv_send_queue_pending(&p->out) > 0)
        *write = now.mono_us + p->cfg.timeouts.write;
}

void spv_peer_timers_on_sent(struct spv_peer *p, struct spv_now now)
{
    uint64_t *write = &p->deadline[SPV_DEADLINE_WRITE];
    if (spv_send_queue_pending(&p->out) > 0) {
        *write = now.mono_us + p->cfg.timeouts.write;
        return;
    }
    *write = SPV_NEVER;
    p->pong_bytes = 0;
    schedule_trim(p, spv_send_queue_is_oversized(&p->out), now);
}

void spv_peer_timers_on_read(struct spv_peer *p, enum spv_read_step step, struct spv_now now)
{
    uint64_t *message = &p->deadline[SPV_DEADLINE_MESSAGE];
    if (spv_transport_buffered(&p->transport) == 0) {
        *message = SPV_NEVER;
        schedule_trim(p, spv_transport_is_oversized(&p->transport), now);
    } else if (step == SPV_READ_MESSAGE || *message == SPV_NEVER) {
        *message = now.mono_us + p->cfg.timeouts.message;
    }
}

static int on_deadline(struct spv_peer *p, enum spv_peer_deadline_kind which, struct spv_now now)
{
    switch (which) {
    case SPV_DEADLINE_HANDSHAKE:
    case SPV_DEADLINE_V2_ANSWER:
        return SPV_ERR_HANDSHAKE_TIMEOUT;
    case SPV_DEADLINE_MESSAGE:
        return SPV_ERR_MESSAGE_TIMEOUT;
    case SPV_DEADLINE_REQUEST:
        return SPV_ERR_STALL;
    case SPV_DEADLINE_WRITE:
        return SPV_ERR_WRITE_TIMEOUT;
    case SPV_DEADLINE_PONG:
        return SPV_ERR_PONG_TIMEOUT;
    case SPV_DEADLINE_IDLE:
        return SPV_ERR_IDLE;
    case SPV_DEADLINE_PING:
        return send_ping(p, now);
    case SPV_DEADLINE_TRICKLE:
        return spv_relay_trickle(p, now);
    case SPV_DEADLINE_TRIM:
        p->deadline[SPV_DEADLINE_TRIM] = SPV_NEVER;
        spv_transport_trim(&p->transport);
        spv_send_queue_trim(&p->out);
        return 0;
    case SPV_DEADLINE_FLUSH:
        break; /* of failed peers, which have no other deadline */
    }
    return SPV_ERR_STATE;
}

int spv_peer_timers_expire(struct spv_peer *p, struct spv_now now)
{
    for (;;) {
        size_t first = 0;
        for (size_t i = 1; i < SPV_PEER_DEADLINES; i++)
            if (p->deadline[i] < p->deadline[first])
                first = i;
        if (p->deadline[first] > now.mono_us || p->deadline[first] == SPV_NEVER)
            return 0;
        int rc = on_deadline(p, (enum spv_peer_deadline_kind)first, now);
        if (rc < 0)
            return rc;
        spv_peer_timers_on_queued(p, now);
    }
}
