/* Requests that wait for an answer, each with its own deadline. getheaders and getdata must be
 * answered; getblocks and mempool may rightly stay unanswered and are not kept here. */
#ifndef SPV_PEER_REQUESTS_H
#define SPV_PEER_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/message.h"
#include "spv/peer.h"

#define SPV_REQUEST_KEYS 65536 /* ours: hashes waited for on one connection, 512 KiB */
#define SPV_ANNOUNCED_HEADERS 8 /* BIP130 peers announce at most 8 headers; more is an answer */

struct spv_request {
    enum spv_command command; /* GETHEADERS or GETDATA */
    uint64_t timeout;
    uint64_t deadline; /* SPV_NEVER until the request is on its way */
    uint64_t sent_us; /* since when it is */
    uint64_t end; /* where its last byte lies among all bytes sent; SPV_NEVER: not known yet */
    uint64_t *keys; /* of locator hashes, or of the items asked for; 0 is settled */
    size_t n;
    size_t head; /* keys before it are settled */
    size_t open; /* GETDATA: items not settled */
    uint64_t stop; /* GETHEADERS: the stop hash's key */
    uint64_t tag; /* GETHEADERS: as the caller named it */
    bool by_stop; /* GETHEADERS with an empty locator: keys[0] is the stop hash's */
};

struct spv_requests {
    struct spv_request list[SPV_PEER_REQUESTS]; /* oldest first */
    size_t n;
    size_t keys;
    uint64_t answer_us; /* how long the last getheaders took to be answered; 0: none was */
    uint64_t answer_first, answer_last; /* keys of the hashes before and at the end of the last
                                           answer, when it followed the request's first hash */
    bool answer_whole; /* it was full, or ended where it should */
};

void spv_requests_free(struct spv_requests *r);

/* Remembers a getheaders or getdata about to be sent; not yet armed. SPV_ERR_QUEUE_FULL,
 * SPV_ERR_NOMEM. */
int spv_requests_add(struct spv_requests *r, const struct spv_msg *msg, uint64_t timeout);
/* Takes back the last one added: it could not be sent. */
void spv_requests_undo(struct spv_requests *r);
/* Is the answer to a getheaders with the same first locator hash and stop still to come? */
bool spv_requests_asked(const struct spv_requests *r, const struct spv_msg_getheaders *msg);
/* Arms whatever is not armed yet: it is on its way, and has left when `end` bytes were sent. */
void spv_requests_arm(struct spv_requests *r, uint64_t end, uint64_t mono_us);

/* A headers message came, when the peer's socket had taken `sent` bytes of ours: removes the
 * getheaders that it answers, if any, and sets the message's role and tag. */
void spv_requests_headers(struct spv_requests *r, struct spv_msg_headers *msg, uint64_t sent,
                          uint64_t mono_us);
/* Another message came: settles what it answers. */
void spv_requests_complete(struct spv_requests *r, const struct spv_msg *msg, uint64_t mono_us);

/* The earliest deadline, or SPV_NEVER. */
uint64_t spv_requests_deadline(const struct spv_requests *r);
size_t spv_requests_memory(const struct spv_requests *r);

#endif
