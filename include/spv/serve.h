/* Answering getheaders from stored headers; a pure function over a reader. */
#ifndef SPV_SERVE_H
#define SPV_SERVE_H

#include "spv/header_db.h"
#include "spv/message.h"
#include "spv/peer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The headers after the first locator hash that is on the reader's best chain (or after genesis
 * when none is), up to the stop hash (included), at most SPV_MAX_HEADERS. An empty locator asks for
 * the stop hash alone. Returns how many were written to out, which holds SPV_MAX_HEADERS, or
 * negative. */
SPV_API int spv_serve_headers(const struct spv_header_db *reader, struct spv_header *out,
                              const struct spv_msg_getheaders *request);

/* Bounds what a client can make its machine of a header server hold: no message above
 * SPV_SERVE_PAYLOAD is taken, a burst's memory is given back at once, and of the hashes that the
 * client is known to have the last SPV_SERVE_KNOWN stay, enough to announce new headers by. */
#define SPV_SERVE_PAYLOAD 32768 /* ours: an addr of 1,000 entries, the most that comes unasked */
#define SPV_SERVE_KNOWN 128 /* ours: the longest locator and a few headers */
SPV_API void spv_serve_limits(struct spv_peer_config *cfg);

#ifdef __cplusplus
}
#endif

#endif
