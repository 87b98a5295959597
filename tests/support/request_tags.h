/* Decides which request a headers message answers, as struct spv_peer does, for tests that pass
 * messages to a node or to segments without a peer between. */
#ifndef SPV_TESTS_SUPPORT_REQUEST_TAGS_H
#define SPV_TESTS_SUPPORT_REQUEST_TAGS_H

#include "peer/requests.h"

#define REQUEST_TAGS_PEERS 16 /* peers at a time: the ids of a test are close together */

struct request_tags {
    struct {
        uint64_t id;
        struct spv_requests open;
    } peer[REQUEST_TAGS_PEERS];
};

static inline struct spv_requests *request_tags_of(struct request_tags *t, uint64_t id)
{
    const size_t at = id % REQUEST_TAGS_PEERS;
    if (t->peer[at].id != id) {
        spv_requests_free(&t->peer[at].open);
        t->peer[at].open = (struct spv_requests){0};
        t->peer[at].id = id;
    }
    return &t->peer[at].open;
}

/* Records a getheaders sent to the peer; when the list is full, it is cleared. */
static inline void request_tags_sent(struct request_tags *t, uint64_t id, const struct spv_msg *msg)
{
    struct spv_requests *r = request_tags_of(t, id);
    if (spv_requests_add(r, msg, 0) > 0)
        spv_requests_arm(r, 0, 0);
}

/* Sets the role and the request tag of a headers message of the peer. */
static inline void request_tags_set(struct request_tags *t, uint64_t id,
                                    struct spv_msg_headers *msg)
{
    spv_requests_headers(request_tags_of(t, id), msg, 0, 0);
}

static inline void request_tags_free(struct request_tags *t)
{
    for (size_t i = 0; i < REQUEST_TAGS_PEERS; i++) {
        spv_requests_free(&t->peer[i].open);
        t->peer[i].id = 0;
    }
}

#endif
