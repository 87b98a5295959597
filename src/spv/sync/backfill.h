/* Origin: where the stored chain begins. It starts an empty database at a checkpoint instead of at
 * genesis, and it fills the gap below a later base, from genesis up, once the chain is synced.
 *
 * A machine inside the node, with the node's silhouette: it asks through a fetch of its own
 * (spv/fetch.h), hands out STORE effects, and is told when they are stored. The gap is judged by a
 * second chain. NULL is an origin that has nothing to do. */
#ifndef SPV_SPV_SYNC_BACKFILL_H
#define SPV_SPV_SYNC_BACKFILL_H

#include "spv/sync/segments.h"

struct spv_backfill_config {
    const struct spv_params *params; /* with the checkpoints in force; lent */
    struct spv_effects *effects; /* lent */
    const struct spv_chain *chain; /* the node's; lent */
    const struct spv_checkpoint *start; /* an empty chain starts here; NULL: at genesis */
    bool backfill;
    struct spv_header_db backfill_db; /* what was filled so far; zeroed: nothing */
    uint64_t timeout_us; /* of a request; 0: fetch's own */
};

struct spv_backfill;

/* What a stored change of the origin's means to the node. */
enum spv_backfill_result {
    SPV_BACKFILL_NONE,
    SPV_BACKFILL_STARTED, /* the chain is to be read anew and synced from there */
    SPV_BACKFILL_COMPLETE, /* the gap is closed; the chain is to be read anew (its works changed) */
};

/* SPV_ERR_NOMEM, the effect queue's error. *out stays NULL when there is nothing to do. */
int spv_backfill_new(struct spv_backfill **out, const struct spv_backfill_config *cfg,
                     struct spv_now now);
void spv_backfill_free(struct spv_backfill *o);

/* The chain has not started yet: sync must wait. */
bool spv_backfill_starting(const struct spv_backfill *o);
/* A change of the origin's waits for its acknowledgement. */
bool spv_backfill_storing(const struct spv_backfill *o);
/* Headers that it has brought into the store. */
uint64_t spv_backfill_added(const struct spv_backfill *o);
/* The height up to which the gap is filled. */
uint32_t spv_backfill_height(const struct spv_backfill *o);
/* Its fetch; NULL: it has none. For statistics. */
const struct spv_segments *spv_backfill_segments(const struct spv_backfill *o);
size_t spv_backfill_memory(const struct spv_backfill *o);

/* Peers that may be asked. One that comes while the origin is starting is handed back by
 * spv_backfill_waiting. */
int spv_backfill_add(struct spv_backfill *o, uint64_t id, uint64_t group,
                     const struct spv_peer_stats *info, struct spv_now now);
int spv_backfill_remove(struct spv_backfill *o, uint64_t id, struct spv_now now);
/* 1: the answer to a request of the origin's; 0: it was not; negative: as spv_segments_headers. */
int spv_backfill_headers(struct spv_backfill *o, uint64_t id, const struct spv_msg_headers *msg,
                         struct spv_now now);
int spv_backfill_timer(struct spv_backfill *o, struct spv_now now);
uint64_t spv_backfill_deadline(const struct spv_backfill *o);
/* The next peer to be dropped, and why: 1 or 0. */
int spv_backfill_next_drop(struct spv_backfill *o, struct spv_segments_drop *out);

/* After every input, while no change waits to be stored: begins to fill once the node is synced,
 * and takes what came. SPV_ERR_DB_DAMAGED when the works of what is filled are not those of the
 * checkpoints; SPV_ERR_INVALID when the checkpoints themselves lead nowhere. */
int spv_backfill_run(struct spv_backfill *o, bool synced, struct spv_now now);
/* The peers that came while it was starting, for sync: the next one, or NULL. */
struct spv_backfill_peer {
    uint64_t id; /* 0: a free place */
    uint64_t group;
    struct spv_peer_stats info;
    bool waits;
};
const struct spv_backfill_peer *spv_backfill_waiting(struct spv_backfill *o);

/* The STORE effect was carried out. News, or negative. */
int spv_backfill_stored(struct spv_backfill *o, struct spv_now now);

#endif
