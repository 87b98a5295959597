/* The open requests of filter header sync, per peer. An answer is attributed by its type, its stop
 * hash and its length, never by order: together they are the requested range. */
#ifndef SPV_SPV_FILTERS_FILTER_REQUESTS_H
#define SPV_SPV_FILTERS_FILTER_REQUESTS_H

#include "spv/effects/effects.h"
#include "spv/sync/peer_table.h"

/* Sends a request to a peer that has its stop block. When SPV_FILTER_MAX_REQUESTS are open, the
 * oldest is forgotten. */
void spv_filter_requests_send(struct spv_effects *effects, struct spv_peer_entry *p,
                              const struct spv_filter_request *request);

/* How an answer compares with the open requests of its peer. */
enum spv_filter_answer_match {
    SPV_FILTER_ANSWER_NONE = 0,
    SPV_FILTER_ANSWER_WRONG_LENGTH =
        1, /* the stop hash of an open request, and another number of entries */
    SPV_FILTER_ANSWER_EXACT = 2, /* it answers *out, which is closed */
};
enum spv_filter_answer_match spv_filter_requests_take(struct spv_peer_entry *p,
                                                      struct spv_filter_request *out,
                                                      const struct spv_msg *msg);

#endif
