/* Version negotiation.
 *
 *   outbound: version >            inbound: > version
 *             > version                     version [wtxidrelay] sendaddrv2 verack >
 *             [wtxidrelay] sendaddrv2 verack >
 *             > verack: ready               > verack: ready
 *
 * The first message must be version. A second version or verack is ignored, as Bitcoin Core does.
 * Between them unknown commands are skipped and feature negotiation (sendaddrv2, wtxidrelay,
 * feature) is stored; after verack it closes the connection. The negotiated version is the smaller
 * of the two.
 */
#include <string.h>

#include "peer/peer_state.h"
#include "spv/error.h"

static int send_version(struct spv_peer *p, struct spv_now now)
{
    struct spv_msg msg = {.command = SPV_CMD_VERSION};
    struct spv_msg_version *v = &msg.u.version;
    v->version = p->cfg.max_version;
    v->nonce = p->nonce;
    v->user_agent_len = strlen(p->user_agent);
    memcpy(v->user_agent, p->user_agent, v->user_agent_len + 1);
    p->version_sent = true;
    if (p->cfg.anonymous) /* all else is zero: the fields could tell connections apart */
        return spv_send_control(p, &msg, p->cfg.max_version);
    v->services = p->cfg.services;
    v->time = now.unix_s;
    v->recv = p->cfg.remote; /* zeroed behind a proxy */
    v->from_services = p->cfg.services; /* no address of ours: services only */
    v->height = p->cfg.newest_height ? p->cfg.newest_height(p->cfg.newest_ctx) : p->cfg.height;
    v->relay = p->cfg.relay;
    return spv_send_control(p, &msg, p->cfg.max_version);
}

int spv_handshake_begin(struct spv_peer *p, struct spv_now now)
{
    p->nonce = spv_self_nonce_draw(p->cfg.self_nonces, &p->cfg.rng);
    p->deadline[SPV_DEADLINE_HANDSHAKE] = now.mono_us + p->cfg.timeouts.handshake;
    return spv_handshake_opened(p, now);
}

int spv_handshake_opened(struct spv_peer *p, struct spv_now now)
{
    if (p->version_sent || p->dir == SPV_INBOUND || !spv_transport_can_send(&p->transport))
        return 0;
    return send_version(p, now);
}

int spv_handshake_check(const struct spv_peer *p, enum spv_command command)
{
    if (!p->version_received)
        return command == SPV_CMD_VERSION ? 1 : SPV_ERR_NOT_VERSION;
    if (command == SPV_CMD_VERSION || (command == SPV_CMD_VERACK && p->verack_received))
        return 0;
    if (command == SPV_CMD_FEATURE && p->stats.version < SPV_VERSION_FEATURE)
        return 0; /* an unknown command at that version */
    /* BIP155, BIP339, BIP434: only between version and verack. */
    if ((command == SPV_CMD_SENDADDRV2 || command == SPV_CMD_WTXIDRELAY ||
         command == SPV_CMD_FEATURE) &&
        p->verack_received)
        return SPV_ERR_LATE_NEGOTIATION;
    return 1;
}

static void store_version(struct spv_peer *p, const struct spv_msg_version *v, struct spv_now now)
{
    struct spv_peer_stats *s = &p->stats;
    s->peer_version = v->version;
    s->services = v->services;
    s->start_height = v->height;
    s->last_height = v->height;
    s->relay = v->relay;
    s->time_offset_s = (int64_t)((uint64_t)v->time - (uint64_t)now.unix_s); /* any 64-bit claim */
    size_t n = v->user_agent_len < SPV_MAX_USER_AGENT ? v->user_agent_len : SPV_MAX_USER_AGENT;
    for (size_t i = 0; i < n; i++) {
        char c = v->user_agent[i];
        s->user_agent[i] = c >= 32 && c <= 126 ? c : '?';
    }
    s->user_agent[n] = '\0';
}

static int send_empty(struct spv_peer *p, enum spv_command command)
{
    struct spv_msg msg = {.command = command};
    return spv_send_control(p, &msg, p->stats.version);
}

/* What BIP155 and BIP339 announce between version and verack, and the caller's features (BIP434).
 */
static int send_features(struct spv_peer *p)
{
    int rc = 0;
    if (p->cfg.anonymous)
        return 0;
    if (p->stats.version < SPV_VERSION_ADDRV2)
        return 0;
    if (p->cfg.wtxidrelay)
        rc = send_empty(p, SPV_CMD_WTXIDRELAY);
    if (rc < 0)
        return rc;
    rc = send_empty(p, SPV_CMD_SENDADDRV2);
    if (p->stats.version < SPV_VERSION_FEATURE)
        return rc;
    for (size_t i = 0; rc == 0 && i < p->cfg.n_features; i++) {
        const struct spv_msg msg = {.command = SPV_CMD_FEATURE, .u.feature = p->cfg.features[i]};
        rc = spv_send_control(p, &msg, p->stats.version);
    }
    return rc;
}

static int on_version(struct spv_peer *p, const struct spv_msg_version *v, struct spv_now now)
{
    p->version_received = true;
    store_version(p, v, now);
    if (spv_self_nonce_known(p->cfg.self_nonces, v->nonce))
        return SPV_ERR_SELF;
    if (v->version < SPV_MIN_PROTOCOL_VERSION)
        return SPV_ERR_OBSOLETE;
    if ((v->services & p->cfg.need_services) != p->cfg.need_services)
        return SPV_ERR_SERVICES;
    p->stats.version = v->version < p->cfg.max_version ? v->version : p->cfg.max_version;
    int rc = p->version_sent ? 0 : send_version(p, now);
    if (rc < 0)
        return rc;
    rc = send_features(p);
    if (rc < 0)
        return rc;
    return send_empty(p, SPV_CMD_VERACK);
}

static void on_verack(struct spv_peer *p)
{
    p->verack_received = true;
    p->ready = true;
    p->stats.ready = true;
    p->deadline[SPV_DEADLINE_HANDSHAKE] = SPV_NEVER;
}

int spv_handshake_input(struct spv_peer *p, const struct spv_msg *msg, struct spv_now now)
{
    if (msg->command == SPV_CMD_VERSION)
        return on_version(p, &msg->u.version, now);
    if (msg->command == SPV_CMD_VERACK) {
        on_verack(p);
        return 1;
    }
    if (msg->command == SPV_CMD_FEATURE)
        return spv_features_add(&p->features, &msg->u.feature);
    if (msg->command == SPV_CMD_SENDADDRV2)
        p->stats.addrv2 = true;
    else if (msg->command == SPV_CMD_WTXIDRELAY)
        p->stats.wtxidrelay = p->cfg.wtxidrelay;
    return 0;
}
