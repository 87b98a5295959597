/* Starts an empty database at a checkpoint instead of at genesis. The period that ends in the
 * checkpoint is fetched first, so that the first retarget and median times can be checked, too.
 *
 * A pure state machine inside the node: it sends its requests through segments of its own, and
 * emits one STORE effect. Header sync begins afterwards, with the peers that have connected
 * meanwhile. NULL stands for no start at a checkpoint: every function accepts it. */
#ifndef SPV_SPV_SYNC_CHECKPOINT_START_H
#define SPV_SPV_SYNC_CHECKPOINT_START_H

#include "spv/sync/segments.h"

struct spv_checkpoint_start_config {
    const struct spv_params *params; /* with the checkpoints in force; borrowed */
    struct spv_effects *effects; /* borrowed */
    struct spv_peer_table *peers; /* borrowed */
    const struct spv_checkpoint *start; /* one of params' checkpoints */
    uint64_t timeout_us; /* of a request; 0: that of segments */
};

struct spv_checkpoint_start;

/* SPV_ERR_NOMEM, the effect queue's error. */
int spv_checkpoint_start_new(struct spv_checkpoint_start **out,
                             const struct spv_checkpoint_start_config *cfg, struct spv_now now);
void spv_checkpoint_start_free(struct spv_checkpoint_start *c);

/* Whether the chain has not started yet, so that header sync must wait. */
bool spv_checkpoint_start_running(const struct spv_checkpoint_start *c);
/* Whether its STORE effect waits for spv_checkpoint_start_stored. */
bool spv_checkpoint_start_storing(const struct spv_checkpoint_start *c);
/* Headers that it has stored. */
uint64_t spv_checkpoint_start_added(const struct spv_checkpoint_start *c);
/* Its segments, for statistics; NULL: none. */
const struct spv_segments *spv_checkpoint_start_segments(const struct spv_checkpoint_start *c);
/* Bytes. */
size_t spv_checkpoint_start_memory(const struct spv_checkpoint_start *c);

/* A new peer of the table. SPV_ERR_NOMEM, or the effect queue's error. */
int spv_checkpoint_start_add(struct spv_checkpoint_start *c, uint64_t id, struct spv_now now);
int spv_checkpoint_start_remove(struct spv_checkpoint_start *c, uint64_t id, struct spv_now now);
/* As spv_segments_headers. */
int spv_checkpoint_start_headers(struct spv_checkpoint_start *c, uint64_t id,
                                 const struct spv_msg_headers *msg, struct spv_now now);
int spv_checkpoint_start_timer(struct spv_checkpoint_start *c, struct spv_now now);
uint64_t spv_checkpoint_start_deadline(const struct spv_checkpoint_start *c);
/* The next peer to be disconnected, and why: 1 or 0. */
int spv_checkpoint_start_next_disconnect(struct spv_checkpoint_start *c,
                                         struct spv_disconnect *out);

/* After every input: consumes the received headers. SPV_ERR_INVALID when the checkpoints themselves
 * contradict the rules. */
int spv_checkpoint_start_run(struct spv_checkpoint_start *c, struct spv_now now);
/* The STORE effect was executed: the chain must be read again, and header sync begins. 0 or
 * SPV_ERR_STATE. */
int spv_checkpoint_start_stored(struct spv_checkpoint_start *c);

#endif
