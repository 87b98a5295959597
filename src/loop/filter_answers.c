/* A request is checked when it arrives: the stop hash of one that waits may leave the best chain
 * meanwhile, which ends its answer but is no reason to disconnect the client. A client that is over
 * its rate keeps its queue and is answered when it has a token again. */
#include "loop/filter_answers.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"

struct spv_filter_answers {
    struct spv_header_db headers;
    struct spv_filter_db filters;
    struct spv_serve_checkpoints checkpoints;
    struct spv_rate_limit client_limit; /* without buckets: each client has its own */
    struct spv_rate_limit group_limit;
    struct spv_hash256 hashes[SPV_MAX_CFHEADERS]; /* of one answer */
};

int spv_filter_answers_new(struct spv_filter_answers **out, const struct spv_header_db *headers,
                           const struct spv_filter_db *filters)
{
    struct spv_filter_answers *a = calloc(1, sizeof *a);
    if (!a)
        return SPV_ERR_NOMEM;
    a->headers = *headers;
    a->filters = *filters;
    spv_rate_limit_init(&a->client_limit, SPV_FILTER_ANSWERS_PER_SECOND, SPV_FILTER_ANSWERS_BURST);
    spv_rate_limit_init(&a->group_limit, SPV_FILTER_ANSWERS_GROUP_PER_SECOND,
                        SPV_FILTER_ANSWERS_GROUP_BURST);
    *out = a;
    return 0;
}

void spv_filter_answers_free(struct spv_filter_answers *a)
{
    if (!a)
        return;
    spv_serve_checkpoints_free(&a->checkpoints);
    spv_rate_limit_free(&a->group_limit);
    free(a);
}

int spv_filter_answers_coverage(const struct spv_filter_answers *a)
{
    return spv_serve_filter_coverage(&a->headers, &a->filters);
}

int spv_filter_answers_reply(struct spv_filter_answers *a, struct spv_msg *out,
                             const struct spv_msg *request)
{
    if (request->command == SPV_CMD_GETCFHEADERS) {
        *out = (struct spv_msg){.command = SPV_CMD_CFHEADERS};
        return spv_serve_cfheaders(&a->headers, &a->filters, &out->u.cfheaders, a->hashes,
                                   &request->u.getcfilters);
    }
    *out = (struct spv_msg){.command = SPV_CMD_CFCHECKPT};
    return spv_serve_cfcheckpt(&a->headers, &a->filters, &out->u.cfcheckpt, &a->checkpoints,
                               &request->u.getcfcheckpt);
}

void spv_filter_queue_init(struct spv_filter_queue *q, const struct spv_filter_answers *a,
                           uint64_t now_us)
{
    q->n = 0;
    spv_rate_bucket_fill(&q->bucket, &a->client_limit, now_us);
}

int spv_filter_queue_push(struct spv_filter_queue *q, const struct spv_filter_answers *a,
                          const struct spv_msg_getcfilters *request)
{
    const int rc = spv_serve_cfilters_begin(&a->headers, &a->filters, &q->requests[q->n], request);
    if (rc == 1)
        q->n++;
    return rc;
}

static void queue_pop(struct spv_filter_queue *q)
{
    q->n--;
    memmove(&q->requests[0], &q->requests[1], q->n * sizeof q->requests[0]);
}

/* Returns 0, or the seconds until the next token. */
static unsigned take_tokens(struct spv_filter_queue *q, struct spv_filter_answers *a,
                            const struct spv_netaddr *group, uint64_t now_us)
{
    const unsigned wait = spv_rate_bucket_take(&q->bucket, &a->client_limit, now_us);
    if (wait > 0 || !group)
        return wait;
    return spv_rate_limit_take(&a->group_limit, group, now_us);
}

int spv_filter_queue_next(struct spv_filter_queue *q, struct spv_filter_answers *a,
                          struct spv_msg *out, uint64_t *next_us, const struct spv_netaddr *group,
                          uint64_t now_us)
{
    int rc = 0;
    *next_us = SPV_NEVER;
    if (q->n == 0)
        return 0;
    const unsigned wait = take_tokens(q, a, group, now_us);
    if (wait > 0) {
        *next_us = now_us + wait * SPV_SECOND;
        return 0;
    }
    *out = (struct spv_msg){.command = SPV_CMD_CFILTER};
    while (rc == 0 && q->n > 0) {
        rc = spv_serve_cfilters_next(&a->headers, &a->filters, &q->requests[0], &out->u.cfilter);
        if (q->requests[0].n_left == 0)
            queue_pop(q);
    }
    if (q->n > 0)
        *next_us = now_us;
    return rc;
}
