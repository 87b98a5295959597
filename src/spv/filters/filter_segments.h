/* Segments of filter headers (spv/sync/segments.h): ranges between filter headers that are known,
 * requested with getcfheaders from many peers at once. Their units are filter hashes. An answer
 * whose hashes lead from the one filter header to the other is what these two commit to, from any
 * peer; the caller decides whether the two are right. */
#ifndef SPV_SPV_FILTERS_FILTER_SEGMENTS_H
#define SPV_SPV_FILTERS_FILTER_SEGMENTS_H

#include "spv/message.h"
#include "spv/params.h"
#include "spv/sync/segments.h"

/* The ops_ctx of such segments; n_checkpoints is the number of ends. */
struct spv_filter_segments {
    /* Ascending heights, at most 2,000 apart; none lies above the best known block of a peer of the
     * segments. */
    const struct spv_filter_checkpoint *ends;
    /* The hash of the best chain's block at a height. Returns 0 or a negative enum spv_err. */
    int (*block_hash)(void *ctx, struct spv_blockhash *out, uint32_t height);
    void *ctx;
};

extern const struct spv_segments_ops spv_segments_filter_header_ops;

/* spv_segments_begin above a known filter header. */
int spv_filter_segments_begin(struct spv_segments *segs, const struct spv_filter_checkpoint *from,
                              uint32_t to, struct spv_now now);

/* A cfheaders message of a peer. 1: it answers a request of these segments, which is closed; when
 * it does not lead to the end of the segment, spv_segments_next_disconnect returns the peer with
 * SPV_ERR_FILTER_HEADERS, which proves no misbehaviour. 0: it answers none. SPV_ERR_NOMEM: nothing
 * has changed; or the error of the effect queue. */
int spv_filter_segments_recv(struct spv_segments *segs, uint64_t id,
                             const struct spv_msg_cfheaders *msg, struct spv_now now);

/* The filter hashes of a batch. */
static inline const struct spv_filter_hash *spv_filter_segments_hashes(
    const struct spv_segments_batch *batch)
{
    return (const void *)batch->headers;
}

#endif
