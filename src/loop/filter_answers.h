/* Answers of a P2P server to compact filter requests (spv/serve.h) with their bounds: a queue of
 * getcfilters for each client, of which the first is being answered, and the rate of filters of a
 * client and of its group. No sockets; the time is an argument. */
#ifndef SPV_LOOP_FILTER_ANSWERS_H
#define SPV_LOOP_FILTER_ANSWERS_H

#include "loop/rate_limit.h"
#include "spv/serve.h"

/* ours: getcfilters of one client that wait, 640 bytes: 16,000 blocks are more than a client has
 * requested at once */
#define SPV_FILTER_ANSWERS_MAX_QUEUE 16
/* ours: filters per second of one client. One of 26 kB costs the server's thread 30 us besides its
 * reading from the database, so a client takes 6 % of it; at 100 Mbit/s it is sent 500 per second.
 */
#define SPV_FILTER_ANSWERS_PER_SECOND 2000
#define SPV_FILTER_ANSWERS_BURST 4000 /* ours: four requests of the largest range */
/* ours: of all clients of one group (IPv4 /24, IPv6 /64): 12 % of the thread */
#define SPV_FILTER_ANSWERS_GROUP_PER_SECOND 4000
#define SPV_FILTER_ANSWERS_GROUP_BURST 16000 /* ours: four clients that begin at once */

struct spv_filter_answers;

/* The databases are copied; their ctx must outlive the answers. Returns 0 or SPV_ERR_NOMEM. */
int spv_filter_answers_new(struct spv_filter_answers **out, const struct spv_header_db *headers,
                           const struct spv_filter_db *filters);
void spv_filter_answers_free(struct spv_filter_answers *a); /* NULL is fine */

/* As spv_serve_filter_coverage. */
int spv_filter_answers_coverage(const struct spv_filter_answers *a);
/* The answer to a getcfheaders or getcfcheckpt. Returns as spv_serve_cfcheckpt; *out is borrowed
 * until the next call. */
int spv_filter_answers_reply(struct spv_filter_answers *a, struct spv_msg *out,
                             const struct spv_msg *request);

/* A client's getcfilters, oldest first. */
struct spv_filter_queue {
    struct spv_serve_cfilters requests[SPV_FILTER_ANSWERS_MAX_QUEUE];
    unsigned n;
    struct spv_rate_bucket bucket;
};

void spv_filter_queue_init(struct spv_filter_queue *q, const struct spv_filter_answers *a,
                           uint64_t now_us);
/* Appends a request to a queue that is not full. Returns as spv_serve_cfilters_begin. */
int spv_filter_queue_push(struct spv_filter_queue *q, const struct spv_filter_answers *a,
                          const struct spv_msg_getcfilters *request);
/* Takes the next filter; *out borrows it from the filter database. `group` is the address that the
 * client's group shares, NULL: not limited. Returns 1 and *out, 0 when there is none to send now,
 * or an error of a database. *next_us: when to call it again; SPV_NEVER once the queue is empty. */
int spv_filter_queue_next(struct spv_filter_queue *q, struct spv_filter_answers *a,
                          struct spv_msg *out, uint64_t *next_us, const struct spv_netaddr *group,
                          uint64_t now_us);

#endif
