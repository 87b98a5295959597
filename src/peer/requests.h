/* The unanswered requests of a connection, each with its own deadline. Peers must answer getheaders
 * and getdata; getblocks and mempool may stay unanswered by the protocol and are not listed here.
 */
#ifndef SPV_PEER_REQUESTS_H
#define SPV_PEER_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/message.h"
#include "spv/peer.h"

#define SPV_REQUEST_KEYS 65536 /* ours: requested hashes of one connection, 512 KiB */
#define SPV_ANNOUNCED_HEADERS 8 /* BIP130: Bitcoin Core announces at most 8; more are an answer */

struct spv_request {
    enum spv_command command; /* GETHEADERS or GETDATA */
    uint64_t timeout;
    uint64_t deadline; /* SPV_NEVER until the request is on the wire */
    uint64_t sent_us; /* when it was put on the wire */
    uint64_t end; /* offset of its end among all bytes sent; SPV_NEVER: not known yet */
    uint64_t *keys; /* of the locator's hashes, or of the requested items; 0: answered */
    size_t n;
    size_t head; /* the keys before this index are answered */
    size_t open; /* GETDATA: items not answered */
    uint64_t stop; /* GETHEADERS: key of the stop hash */
    uint64_t tag; /* GETHEADERS: as set by the caller */
    bool by_stop; /* GETHEADERS with an empty locator: keys[0] is that of the stop hash */
};

struct spv_requests {
    struct spv_request list[SPV_PEER_REQUESTS]; /* oldest first */
    size_t n;
    size_t keys;
    uint64_t answer_us; /* from the last answered getheaders to its answer; 0: none yet */
    uint64_t answer_first, answer_last; /* keys of the last answer's first previous hash and of its
                                           last hash, if it followed the request's first hash */
    bool answer_complete; /* the last answer was full, or ended in the stop hash */
};

void spv_requests_free(struct spv_requests *r);

/* Adds a getheaders or getdata that is about to be sent; its deadline does not run yet. Returns 1,
 * 0 for an empty getdata, SPV_ERR_QUEUE_FULL or SPV_ERR_NOMEM. */
int spv_requests_add(struct spv_requests *r, const struct spv_msg *msg, uint64_t timeout);
/* Removes the one added last: it could not be sent. */
void spv_requests_undo(struct spv_requests *r);
/* True when a getheaders with the same first locator hash and stop hash is unanswered. */
bool spv_requests_is_pending(const struct spv_requests *r, const struct spv_msg_getheaders *msg);
/* Starts the deadlines that do not run yet: these requests are on the wire, and are sent completely
 * once `end` bytes were sent. */
void spv_requests_arm(struct spv_requests *r, uint64_t end, uint64_t mono_us);

/* A headers message was received after the socket had accepted `sent` bytes: removes the getheaders
 * that it answers, if any, and sets the message's role and tag. */
void spv_requests_headers(struct spv_requests *r, struct spv_msg_headers *msg, uint64_t sent,
                          uint64_t mono_us);
/* Another message was received: marks the getdata items that it answers. */
void spv_requests_complete(struct spv_requests *r, const struct spv_msg *msg, uint64_t mono_us);

/* The earliest deadline, or SPV_NEVER. */
uint64_t spv_requests_deadline(const struct spv_requests *r);
size_t spv_requests_memory(const struct spv_requests *r);

#endif
