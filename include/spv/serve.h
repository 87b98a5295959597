/* Answers getheaders from stored headers, and compact filter requests (BIP157) from stored filters.
 */
#ifndef SPV_SERVE_H
#define SPV_SERVE_H

#include "spv/filter_db.h"
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

/* Answers to compact filter requests (BIP157). Both databases belong to one store: the snapshots of
 * the header database cover the filters, and each call reads in one of them. */

/* The answer to a getcfheaders. `hashes` has SPV_MAX_CFHEADERS elements; *out borrows it.
 * Returns 1; 0 when nothing is to be sent, because a part of the answer is not stored (yet);
 * SPV_ERR_FILTER_REQUEST when the peer is to be disconnected, as Bitcoin Core does, for a filter
 * type other than SPV_FILTER_BASIC, a stop hash that is not on the best chain, a start above the
 * stop, or too many blocks; or an error of a database. The databases' thread. */
SPV_API int spv_serve_cfheaders(const struct spv_header_db *headers,
                                const struct spv_filter_db *filters, struct spv_msg_cfheaders *out,
                                struct spv_hash256 *hashes,
                                const struct spv_msg_getcfilters *request);

/* The filter headers of heights 1,000, 2,000, ... as read for earlier answers: what has not changed
 * since is not read again. Starts zeroed; belongs to one pair of databases. */
struct spv_serve_checkpoints {
    struct spv_hash256 *headers;
    size_t n, cap;
};

/* The answer to a getcfcheckpt; *out borrows the checkpoints' memory until the next call. Returns
 * as spv_serve_cfheaders, or SPV_ERR_NOMEM. The databases' thread. */
SPV_API int spv_serve_cfcheckpt(const struct spv_header_db *headers,
                                const struct spv_filter_db *filters, struct spv_msg_cfcheckpt *out,
                                struct spv_serve_checkpoints *checkpoints,
                                const struct spv_msg_getcfcheckpt *request);
/* Frees their memory; they are zeroed. The databases' thread. */
SPV_API void spv_serve_checkpoints_free(struct spv_serve_checkpoints *checkpoints);

/* The answer to a getcfilters is up to SPV_MAX_GETCFILTERS messages, 26 MB for full blocks: each is
 * made when there is room to send it, and no memory is held in between. A copy iterates
 * independently. */
struct spv_serve_cfilters {
    struct spv_blockhash stop;
    uint32_t stop_height;
    uint32_t n_left; /* filters that are still to be sent; 0: the answer has ended */
};

/* Begins an answer, of which the first filter is read by spv_serve_cfilters_next; out->n_left is 0
 * unless it returns 1. Returns as spv_serve_cfheaders, 0 unless all filters of the range are kept
 * now. The databases' thread. */
SPV_API int spv_serve_cfilters_begin(const struct spv_header_db *headers,
                                     const struct spv_filter_db *filters,
                                     struct spv_serve_cfilters *out,
                                     const struct spv_msg_getcfilters *request);

/* Reads the next filter, in order of height; *out borrows it from the filter database.
 * Returns 1; 0 at the end of the answer, which it also is when the stop hash has left the best
 * chain or the filter is no longer kept; or an error of a database. The databases' thread. */
SPV_API int spv_serve_cfilters_next(const struct spv_header_db *headers,
                                    const struct spv_filter_db *filters,
                                    struct spv_serve_cfilters *answer, struct spv_msg_cfilter *out);

/* Which compact filter requests can be answered. */
enum spv_filter_coverage {
    SPV_FILTERS_NONE = 0, /* there are no filter headers */
    SPV_FILTERS_SOME = 1,
    /* Every request for a valid range, which SPV_NODE_COMPACT_FILTERS promises: all headers, filter
     * headers and filters from genesis to the tip are there, and blocks are found by hash. */
    SPV_FILTERS_ALL = 2,
};
/* Returns an enum spv_filter_coverage, or an error of a database. The databases' thread. */
SPV_API int spv_serve_filter_coverage(const struct spv_header_db *headers,
                                      const struct spv_filter_db *filters);

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
