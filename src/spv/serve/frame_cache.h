/* Answers to getheaders as finished frames, put together from a bounded cache of encoded headers.
 *
 * The cache holds blocks of 2,000 headers at heights 1, 2001, 4001, ...: a client that syncs from
 * genesis is sent them as they are; any other answer is two copies and one checksum. It owns the
 * frames, each of which lives on while somebody sends it. */
#ifndef SPV_SPV_SERVE_FRAME_CACHE_H
#define SPV_SPV_SERVE_FRAME_CACHE_H

#include "spv/header_db.h"
#include "spv/message.h"
#include "spv/network.h"
#include "spv/types.h"
#include "wire/shared_frame.h"

#define SPV_SERVE_CACHE_BYTES                                                                      \
    (32u << 20) /* ours: 207 blocks, two fifths of a chain of a million headers */

struct spv_serve_cache_config {
    const struct spv_netid *net;
    struct spv_header_db reader;
    struct spv_rng rng; /* says which block is replaced by another */
    size_t max_bytes; /* of all blocks; 0: SPV_SERVE_CACHE_BYTES. Less than a block: none is kept */
};
struct spv_serve_cache;

/* SPV_ERR_NOMEM. What the configuration points at outlives the cache. */
int spv_serve_cache_new(struct spv_serve_cache **out, const struct spv_serve_cache_config *cfg);
void spv_serve_cache_free(struct spv_serve_cache *c);

/* What spv_serve_headers answers, as a sealed frame with a reference for the caller. Returns how
 * many headers are in it, or what the reader failed with, or SPV_ERR_NOMEM. */
int spv_serve_cache_answer(struct spv_serve_cache *c, struct spv_shared_frame **out,
                           const struct spv_msg_getheaders *request);

/* Blocks held now, headers read from the reader so far, and answers that were a block as it is. */
struct spv_serve_cache_stats {
    size_t blocks;
    uint64_t headers_read;
    uint64_t whole;
};
void spv_serve_cache_get_stats(const struct spv_serve_cache *c, struct spv_serve_cache_stats *out);

#endif
