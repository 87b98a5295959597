/* The probe's connection is handled by an owner of client ends that passes all others on. */
#include "probe.h"

#include <stdlib.h>
#include <string.h>

#include "support/sim/internal.h"

#define PROBE_ID (UINT64_C(1) << 60) /* no node's peer id */

static struct probe *the_probe;

static int attach(struct sim *sim, struct sim_conn *conn)
{
    struct sim_end *end = &conn->end[SIM_CLIENT_END];
    if (conn->peer != PROBE_ID)
        return sim_client_owner.attach(sim, conn);
    struct spv_peer_config cfg = {
        .net = &sim->cfg.params->net,
        .rng = test_random_rng(&end->random),
        .transport =
            conn->transport == SPV_TRANSPORT_V2 ? SPV_TRANSPORT_ONLY_V2 : SPV_TRANSPORT_ONLY_V1,
        .v2_context = sim->v2_context,
    };
    return spv_peer_new(&end->peer, &cfg, SPV_OUTBOUND, sim_end_now(sim, conn, SIM_CLIENT_END));
}

static void set_bytes(struct probe_msg *out, const void *bytes, size_t n)
{
    out->bytes = malloc(n + 1);
    if (!out->bytes)
        abort();
    if (n > 0)
        memcpy(out->bytes, bytes, n);
    out->n = n;
}

static void record(struct probe *probe, const struct spv_msg *msg)
{
    probe->msgs = sim_grow(probe->msgs, &probe->cap, probe->n, sizeof(probe->msgs[0]));
    struct probe_msg *out = &probe->msgs[probe->n++];
    *out = (struct probe_msg){.command = msg->command, .at_us = sim_now(probe->sim).mono_us};
    switch ((int)msg->command) {
    case SPV_CMD_CFILTER:
        out->hash = msg->u.cfilter.block;
        set_bytes(out, msg->u.cfilter.filter, msg->u.cfilter.n);
        break;
    case SPV_CMD_CFHEADERS:
        out->hash = msg->u.cfheaders.stop;
        out->prev = msg->u.cfheaders.prev;
        set_bytes(out, msg->u.cfheaders.hashes, 32 * msg->u.cfheaders.n);
        break;
    case SPV_CMD_CFCHECKPT:
        out->hash = msg->u.cfcheckpt.stop;
        set_bytes(out, msg->u.cfcheckpt.headers, 32 * msg->u.cfcheckpt.n);
        break;
    case SPV_CMD_BLOCK:
        spv_header_hash(&out->hash, &msg->u.block.header);
        set_bytes(out, msg->u.block.bytes, msg->u.block.n);
        break;
    default:
        break;
    }
}

static void on_message(struct sim *sim, struct sim_conn *conn, const struct spv_msg *msg)
{
    if (conn->peer != PROBE_ID) {
        sim_client_owner.on_message(sim, conn, msg);
        return;
    }
    the_probe->ready = spv_peer_ready(conn->end[SIM_CLIENT_END].peer);
    switch ((int)msg->command) {
    case SPV_CMD_VERSION:
    case SPV_CMD_VERACK:
    case SPV_CMD_SENDADDRV2:
    case SPV_CMD_PING:
    case SPV_CMD_PONG:
        break;
    default:
        record(the_probe, msg);
        break;
    }
}

static void on_closed(struct sim *sim, size_t client, uint64_t peer, int error)
{
    if (peer != PROBE_ID)
        sim_client_owner.on_closed(sim, client, peer, error);
    else
        the_probe->closed = true;
}

static const struct sim_owner owner = {attach, on_message, on_closed};

static bool is_ready(struct sim *sim, void *ctx)
{
    (void)sim;
    return ((struct probe *)ctx)->ready;
}

void probe_open(struct probe *probe, struct sim *sim, size_t server)
{
    const struct sim_event e = {
        .server = server,
        .peer = PROBE_ID,
        .transport = sim->cfg.transport == SIM_TRANSPORT_V2 ? SPV_TRANSPORT_V2 : SPV_TRANSPORT_V1};
    *probe = (struct probe){.sim = sim, .id = PROBE_ID};
    the_probe = probe;
    sim->owner[SIM_CLIENT_END] = &owner;
    sim_conn_open(sim, &e);
    if (sim_run(sim, 60 * SPV_SECOND, is_ready, probe) != 1)
        sim_break(sim, "the probe could not connect");
    probe_run(probe, 1); /* the server's verack, too */
    probe_clear(probe);
}

void probe_clear(struct probe *probe)
{
    for (size_t i = 0; i < probe->n; i++)
        free(probe->msgs[i].bytes);
    free(probe->msgs);
    probe->msgs = NULL;
    probe->n = probe->cap = 0;
}

void probe_send(struct probe *probe, const struct spv_msg *msg)
{
    struct sim *sim = probe->sim;
    struct sim_conn *conn = sim_conn_of(sim, 0, PROBE_ID);
    if (!conn || spv_peer_send(conn->end[SIM_CLIENT_END].peer, msg, sim_now(sim)) < 0)
        sim_break(sim, "the probe could not send");
    else
        sim_conn_flush(sim, conn, SIM_CLIENT_END);
}

void probe_get_filters(struct probe *probe, enum spv_command command, uint32_t start,
                       const struct spv_blockhash *stop)
{
    struct spv_msg msg = {.command = command};
    if (command == SPV_CMD_GETCFCHECKPT)
        msg.u.getcfcheckpt = (struct spv_msg_getcfcheckpt){SPV_FILTER_BASIC, *stop};
    else
        msg.u.getcfilters = (struct spv_msg_getcfilters){SPV_FILTER_BASIC, start, *stop};
    probe_send(probe, &msg);
}

void probe_get_block(struct probe *probe, const struct spv_blockhash *hash)
{
    struct spv_inv item = {.type = SPV_INV_BLOCK | SPV_INV_WITNESS};
    memcpy(item.hash.b, hash->b, sizeof(item.hash.b));
    probe_send(probe, &(struct spv_msg){.command = SPV_CMD_GETDATA, .u.inv = {&item, 1}});
}

void probe_run(struct probe *probe, uint64_t seconds)
{
    sim_run(probe->sim, seconds * SPV_SECOND, NULL, NULL);
}
