/* Fills the gap below the first stored header, from genesis up, once the chain is synced.
 *
 * A pure state machine inside the node: it sends its requests through segments of its own,
 * validates the received headers with a second chain, and emits STORE effects. NULL stands for no
 * backfill: every function accepts it. */
#ifndef SPV_SPV_SYNC_BACKFILL_H
#define SPV_SPV_SYNC_BACKFILL_H

#include "spv/sync/segments.h"

struct spv_backfill_config {
    const struct spv_params *params; /* with the checkpoints in force; borrowed */
    struct spv_effects *effects; /* borrowed */
    const struct spv_chain *chain; /* the node's; borrowed */
    struct spv_peer_table *peers; /* borrowed; requests may go to all of them */
    struct spv_header_db backfill_db; /* the headers backfilled so far; zeroed: none */
    uint64_t timeout_us; /* of a request; 0: that of segments */
};

struct spv_backfill;

/* SPV_ERR_NOMEM. */
int spv_backfill_new(struct spv_backfill **out, const struct spv_backfill_config *cfg);
void spv_backfill_free(struct spv_backfill *b);

/* Whether its STORE effect waits for spv_backfill_stored. */
bool spv_backfill_storing(const struct spv_backfill *b);
/* Headers that it has stored. */
uint64_t spv_backfill_added(const struct spv_backfill *b);
/* The height up to which the gap is backfilled; 0 while it does not run. */
uint32_t spv_backfill_height(const struct spv_backfill *b);
/* Its segments, for statistics; NULL: none. */
const struct spv_segments *spv_backfill_segments(const struct spv_backfill *b);
/* Bytes. */
size_t spv_backfill_memory(const struct spv_backfill *b);

/* A new peer of the table. SPV_ERR_NOMEM, or the effect queue's error. */
int spv_backfill_add(struct spv_backfill *b, uint64_t id, struct spv_now now);
int spv_backfill_remove(struct spv_backfill *b, uint64_t id, struct spv_now now);
/* As spv_segments_headers. */
int spv_backfill_headers(struct spv_backfill *b, uint64_t id, const struct spv_msg_headers *msg,
                         struct spv_now now);
int spv_backfill_timer(struct spv_backfill *b, struct spv_now now);
uint64_t spv_backfill_deadline(const struct spv_backfill *b);
/* The next peer to be disconnected, and why: 1 or 0. */
int spv_backfill_next_disconnect(struct spv_backfill *b, struct spv_disconnect *out);

/* After every input, while no update waits to be stored: begins once the node is synced, and
 * accepts the received headers. SPV_ERR_DB_DAMAGED when the first stored header cannot be read;
 * SPV_ERR_INVALID when the checkpoints themselves contradict the rules. */
int spv_backfill_run(struct spv_backfill *b, bool synced, struct spv_now now);
/* The STORE effect was executed. 1: the gap is closed, and the chain must be read again (its work
 * has changed); 0: not yet; SPV_ERR_STATE. */
int spv_backfill_stored(struct spv_backfill *b);

#endif
