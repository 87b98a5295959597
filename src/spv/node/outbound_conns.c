/* The table of outbound connections, from dial to close, and what the end of each means for its
 * address: one value of enum spv_conn_outcome. Errors of our own, a proxy that fails, and an end
 * while no other peer answers either (we are offline) count against no address. */
#include "spv/node/outbound_state.h"

struct spv_conn *spv_outbound_of(struct spv_outbound *d, uint64_t id)
{
    for (size_t i = 0; id && i < SPV_CONNS; i++)
        if (d->conn[i].state != SPV_CONN_STATE_FREE && d->conn[i].id == id)
            return &d->conn[i];
    return NULL;
}

unsigned spv_outbound_count(const struct spv_outbound *d, enum spv_conn_state state)
{
    unsigned found = 0;
    for (size_t i = 0; i < SPV_CONNS; i++)
        found += d->conn[i].state == state && d->conn[i].kind == SPV_CONN_OUTBOUND;
    return found;
}

unsigned spv_outbound_unreachable(const struct spv_outbound *d, struct spv_now now)
{
    unsigned absent = 0;
    for (size_t i = 0; i < d->manual.n; i++)
        absent += spv_manual_peers_is_alive(&d->manual.at[i], now);
    for (size_t i = 0; i < SPV_CONNS; i++) {
        const struct spv_conn *x = &d->conn[i];
        absent -= x->state == SPV_CONN_STATE_READY && x->kind == SPV_CONN_OUTBOUND &&
                  x->manual >= 0 && spv_manual_peers_is_alive(&d->manual.at[x->manual], now);
    }
    return absent;
}

struct spv_conn *spv_outbound_connect(struct spv_outbound *d, enum spv_conn_type kind,
                                      const struct spv_endpoint *endpoint, struct spv_now now)
{
    struct spv_conn *x = NULL;
    for (size_t i = 0; !x && i < SPV_CONNS; i++)
        if (d->conn[i].state == SPV_CONN_STATE_FREE)
            x = &d->conn[i];
    if (!x)
        return NULL;
    struct spv_effect *e = spv_effects_push(d->effects, SPV_EFFECT_CONNECT, d->next_id + 1);
    if (!e)
        return NULL;
    *x = (struct spv_conn){.id = ++d->next_id,
                           .state = SPV_CONN_STATE_CONNECTING,
                           .kind = kind,
                           .endpoint = *endpoint,
                           .netgroup = spv_netgroup_of_name(endpoint->host),
                           .manual = -1,
                           .entry = -1,
                           .deadline_us = SPV_NEVER,
                           .addr_tokens = SPV_ADDR_BUDGET * 100,
                           .addr_tokens_us = now.mono_us};
    e->endpoint = *endpoint;
    return x;
}

unsigned spv_outbound_failures(const struct spv_outbound *d, const struct spv_conn *x)
{
    if (x->manual >= 0)
        return d->manual.at[x->manual].failures;
    return x->entry >= 0 ? d->addrman.at[x->entry].failures : 0;
}

void spv_outbound_ban(struct spv_outbound *d, const struct spv_conn *x, int code,
                      struct spv_now now)
{
    char text[SPV_ENDPOINT_TEXT];
    const uint64_t until = now.mono_us + SPV_BAN_SECONDS * SPV_SECOND;
    spv_endpoint_text(text, &x->endpoint);
    spv_banman_add(&d->banman, x->manual >= 0 ? text : x->endpoint.host, code, now);
    if (x->manual >= 0)
        d->manual.at[x->manual].banned_until_us = until;
    if (x->entry >= 0)
        spv_addrman_defer(&d->addrman, x->entry, until);
}

static enum spv_conn_outcome conn_outcome(const struct spv_outbound *d, const struct spv_conn *x,
                                          int error, bool useful)
{
    const enum spv_err_class fault = spv_err_class_of(error);
    if (error == SPV_ERR_DISCONNECTED || (useful && fault == SPV_CLASS_CONNECTION))
        return SPV_CONN_OUTCOME_GOOD;
    if (fault == SPV_CLASS_LOCAL || fault == SPV_CLASS_CALLER || error == SPV_ERR_PROXY)
        return SPV_CONN_OUTCOME_DROPPED;
    if (x->state == SPV_CONN_STATE_READY)
        return fault == SPV_CLASS_CONNECTION ? SPV_CONN_OUTCOME_DROPPED : SPV_CONN_OUTCOME_USELESS;
    return spv_outbound_count(d, SPV_CONN_STATE_READY) ? SPV_CONN_OUTCOME_UNREACHABLE
                                                       : SPV_CONN_OUTCOME_DROPPED;
}

void spv_outbound_on_closed(struct spv_outbound *d, struct spv_conn *x, int error, bool useful,
                            struct spv_now now)
{
    const enum spv_conn_outcome how = conn_outcome(d, x, error, useful);
    if (x->manual >= 0)
        spv_manual_peers_released(&d->manual, x->manual, how == SPV_CONN_OUTCOME_GOOD, d->rng, now);
    if (x->entry >= 0)
        spv_addrman_released(&d->addrman, x->entry, how, how == SPV_CONN_OUTCOME_GOOD ? 0 : error,
                             now);
    *x = (struct spv_conn){0};
}

void spv_outbound_close(struct spv_outbound *d, struct spv_conn *x, int error, struct spv_now now)
{
    struct spv_effect *e = spv_effects_push(d->effects, SPV_EFFECT_CLOSE, x->id);
    if (e)
        e->error = error;
    spv_effects_forget(d->effects, x->id);
    spv_outbound_on_closed(d, x, error, false, now);
}
