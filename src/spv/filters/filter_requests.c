/* A short array per peer, searched from its start. */
#include "spv/filters/filter_requests.h"

#include <string.h>

void spv_filter_requests_send(struct spv_effects *effects, struct spv_peer_entry *p,
                              const struct spv_filter_request *request)
{
    struct spv_filter_peer *f = &p->filters;
    struct spv_effect *e = spv_effects_push(effects, SPV_EFFECT_SEND, p->id);
    if (!e)
        return;
    e->message.command = request->command;
    if (request->command == SPV_CMD_GETCFCHECKPT)
        e->message.u.getcfcheckpt =
            (struct spv_msg_getcfcheckpt){.type = SPV_FILTER_BASIC, .stop = request->stop_block};
    else
        e->message.u.getcfilters = (struct spv_msg_getcfilters){
            .type = SPV_FILTER_BASIC, .start = request->start, .stop = request->stop_block};
    if (f->n_requests == SPV_FILTER_MAX_REQUESTS) {
        f->n_requests--;
        memmove(f->request, f->request + 1, f->n_requests * sizeof f->request[0]);
    }
    f->request[f->n_requests++] = *request;
}

/* The fields that attribute an answer to its request. */
struct answer_key {
    enum spv_command command; /* of the request */
    const struct spv_blockhash *stop;
    size_t n;
};

static bool read_key(struct answer_key *key, const struct spv_msg *msg)
{
    if (msg->command == SPV_CMD_CFHEADERS && msg->u.cfheaders.type == SPV_FILTER_BASIC)
        *key =
            (struct answer_key){SPV_CMD_GETCFHEADERS, &msg->u.cfheaders.stop, msg->u.cfheaders.n};
    else if (msg->command == SPV_CMD_CFCHECKPT && msg->u.cfcheckpt.type == SPV_FILTER_BASIC)
        *key =
            (struct answer_key){SPV_CMD_GETCFCHECKPT, &msg->u.cfcheckpt.stop, msg->u.cfcheckpt.n};
    else if (msg->command == SPV_CMD_CFILTER && msg->u.cfilter.type == SPV_FILTER_BASIC)
        *key = (struct answer_key){SPV_CMD_GETCFILTERS, &msg->u.cfilter.block, 1};
    else
        return false;
    return true;
}

/* BIP157: cfheaders has exactly stop - start + 1 hashes, cfcheckpt exactly one for each 1,000
 * heights. */
static size_t answer_length(const struct spv_filter_request *r)
{
    if (r->command == SPV_CMD_GETCFCHECKPT)
        return r->stop / SPV_CFCHECKPT_INTERVAL;
    return r->command == SPV_CMD_GETCFHEADERS ? r->stop - r->start + 1 : 1;
}

enum spv_filter_answer_match spv_filter_requests_take(struct spv_peer_entry *p,
                                                      struct spv_filter_request *out,
                                                      const struct spv_msg *msg)
{
    struct spv_filter_peer *f = &p->filters;
    enum spv_filter_answer_match match = SPV_FILTER_ANSWER_NONE;
    struct answer_key key;
    if (!read_key(&key, msg))
        return SPV_FILTER_ANSWER_NONE;
    for (unsigned i = 0; i < f->n_requests; i++) {
        const struct spv_filter_request *r = &f->request[i];
        if (r->command != key.command || !spv_blockhash_eq(&r->stop_block, key.stop))
            continue;
        match = SPV_FILTER_ANSWER_WRONG_LENGTH;
        if (answer_length(r) != key.n)
            continue;
        *out = *r;
        f->n_requests--;
        memmove(f->request + i, f->request + i + 1, (f->n_requests - i) * sizeof f->request[0]);
        return SPV_FILTER_ANSWER_EXACT;
    }
    return match;
}
