/* Origin: where the stored chain begins. It starts an empty database at a checkpoint instead of at
 * genesis, and it fills the gap below a later base, from genesis up, once the chain is synced.
 *
 * A machine inside the node, with the node's silhouette: it asks through a fetch of its own
 * (spv/fetch.h), hands out STORE effects, and is told when they are stored. The gap is judged by a
 * second chain. NULL is an origin that has nothing to do. */
#ifndef SPV_SPV_SYNC_BACKFILL_H
#define SPV_SPV_SYNC_BACKFILL_H

#include "spv/sync/segments.h"

struct spv_origin_config {
    const struct spv_params *params; /* with the checkpoints in force; lent */
    struct spv_effects *effects; /* lent */
    const struct spv_chain *chain; /* the node's; lent */
    const struct spv_checkpoint *start; /* an empty chain starts here; NULL: at genesis */
    bool fill;
    struct spv_reader filled; /* what was filled so far; zeroed: nothing */
    uint64_t timeout_us; /* of a request; 0: fetch's own */
};

struct spv_origin;

/* What a stored change of the origin's means to the node. */
enum spv_origin_news {
    SPV_ORIGIN_NONE,
    SPV_ORIGIN_STARTED, /* the chain is to be read anew and synced from there */
    SPV_ORIGIN_WHOLE, /* the gap is closed; the chain is to be read anew (its works changed) */
};

/* SPV_ERR_NOMEM, the effect queue's error. *out stays NULL when there is nothing to do. */
int spv_origin_new(struct spv_origin **out, const struct spv_origin_config *cfg,
                   struct spv_now now);
void spv_origin_free(struct spv_origin *o);

/* The chain has not started yet: sync must wait. */
bool spv_origin_starting(const struct spv_origin *o);
/* A change of the origin's waits for its acknowledgement. */
bool spv_origin_storing(const struct spv_origin *o);
/* Headers that it has brought into the store. */
uint64_t spv_origin_added(const struct spv_origin *o);
/* The height up to which the gap is filled. */
uint32_t spv_origin_filled(const struct spv_origin *o);
/* Its fetch; NULL: it has none. For statistics. */
const struct spv_fetch *spv_origin_fetch(const struct spv_origin *o);
size_t spv_origin_memory(const struct spv_origin *o);

/* Peers that may be asked. One that comes while the origin is starting is handed back by
 * spv_origin_waiting. */
int spv_origin_add(struct spv_origin *o, uint64_t id, uint64_t group,
                   const struct spv_peer_stats *info, struct spv_now now);
int spv_origin_remove(struct spv_origin *o, uint64_t id, struct spv_now now);
/* 1: the answer to a request of the origin's; 0: it was not; negative: as spv_fetch_headers. */
int spv_origin_headers(struct spv_origin *o, uint64_t id, const struct spv_msg_headers *msg,
                       struct spv_now now);
int spv_origin_timer(struct spv_origin *o, struct spv_now now);
uint64_t spv_origin_deadline(const struct spv_origin *o);
/* The next peer to be dropped, and why: 1 or 0. */
int spv_origin_next_drop(struct spv_origin *o, struct spv_fetch_drop *out);

/* After every input, while no change waits to be stored: begins to fill once the node is synced,
 * and takes what came. SPV_ERR_DB_DAMAGED when the works of what is filled are not those of the
 * checkpoints; SPV_ERR_INVALID when the checkpoints themselves lead nowhere. */
int spv_origin_run(struct spv_origin *o, bool synced, struct spv_now now);
/* The peers that came while it was starting, for sync: the next one, or NULL. */
struct spv_origin_peer {
    uint64_t id; /* 0: a free place */
    uint64_t group;
    struct spv_peer_stats info;
    bool waits;
};
const struct spv_origin_peer *spv_origin_waiting(struct spv_origin *o);

/* The STORE effect was carried out. News, or negative. */
int spv_origin_stored(struct spv_origin *o, struct spv_now now);

#endif
