/* Answers to getheaders as complete frames, built from a bounded cache of encoded headers.
 *
 * The cache has chunks of 2,000 headers at heights 1, 2001, 4001, ...: a client that syncs from
 * genesis receives them unchanged; any other answer costs two copies and one checksum. Frames are
 * reference-counted: one lives while it is queued for a peer. */
#ifndef SPV_SPV_SERVE_FRAME_CACHE_H
#define SPV_SPV_SERVE_FRAME_CACHE_H

#include "spv/header_db.h"
#include "spv/message.h"
#include "spv/network.h"
#include "spv/types.h"
#include "wire/shared_frame.h"

/* ours: 207 chunks, two fifths of a chain of a million headers */
#define SPV_SERVE_CACHE_BYTES (32u << 20)

struct spv_serve_cache_config {
    const struct spv_netid *net;
    struct spv_header_db header_db;
    struct spv_rng rng; /* selects the chunk that is evicted */
    size_t max_bytes; /* of all chunks; 0: SPV_SERVE_CACHE_BYTES. Less than a chunk: no cache */
};
struct spv_serve_cache;

/* Returns 0 or SPV_ERR_NOMEM. cfg->net and the database must outlive the cache. */
int spv_serve_cache_new(struct spv_serve_cache **out, const struct spv_serve_cache_config *cfg);
void spv_serve_cache_free(struct spv_serve_cache *c);

/* The answer of spv_serve_headers as a sealed frame; the caller owns one reference. Returns how
 * many headers are in it, SPV_ERR_NOMEM, or an error of the header database. */
int spv_serve_cache_answer(struct spv_serve_cache *c, struct spv_shared_frame **out,
                           const struct spv_msg_getheaders *request);

struct spv_serve_cache_stats {
    size_t chunks; /* cached now */
    uint64_t headers_read; /* from the database */
    uint64_t n_unchanged_chunks; /* answers that are a cached chunk as it stands */
};
void spv_serve_cache_get_stats(const struct spv_serve_cache *c, struct spv_serve_cache_stats *out);

#endif
