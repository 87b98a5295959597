/* Answers getheaders from stored headers. */
#ifndef SPV_SERVE_H
#define SPV_SERVE_H

#include "spv/header_db.h"
#include "spv/message.h"
#include "spv/peer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The headers after the first locator hash that is on the best chain (after genesis when none is),
 * up to and including the stop hash, at most SPV_MAX_HEADERS. For an empty locator only the header
 * with the stop hash. `out` has SPV_MAX_HEADERS elements.
 * Returns how many were written, or an error of the header database. The database's thread. */
SPV_API int spv_serve_headers(const struct spv_header_db *db, struct spv_header *out,
                              const struct spv_msg_getheaders *request);

/* Limits for the peers of a header server. */
/* bytes; ours: an addr of 1,000 entries, the largest unsolicited message */
#define SPV_SERVE_PAYLOAD 32768
#define SPV_SERVE_KNOWN 128 /* hashes; ours: the longest locator and some announced headers */
/* Sets those limits in *cfg, which bound the memory that one client can make us use: messages above
 * SPV_SERVE_PAYLOAD are rejected, buffers are released as soon as they are empty, and the last
 * SPV_SERVE_KNOWN hashes that the client has are remembered. Any thread. */
SPV_API void spv_serve_limits(struct spv_peer_config *cfg);

#ifdef __cplusplus
}
#endif

#endif
