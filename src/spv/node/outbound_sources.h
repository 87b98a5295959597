/* What the files of discovery share: discovery.c (dials and their ends), discovery_sources.c (where
 * addresses come from, and where they are kept). */
#ifndef SPV_SPV_NODE_OUTBOUND_SOURCES_H
#define SPV_SPV_NODE_OUTBOUND_SOURCES_H

#include "spv/node/outbound.h"

/* discovery.c */
uint64_t spv_discovery_draw(struct spv_discovery *d, uint64_t bound);
/* A free place with this dial, its effect queued; NULL: no place. */
struct spv_dialled *spv_discovery_dial(struct spv_discovery *d, enum spv_dial_kind kind,
                                       const struct spv_endpoint *endpoint, struct spv_now now);
void spv_discovery_leave(struct spv_discovery *d, struct spv_dialled *x, int error,
                         struct spv_now now);

/* discovery_sources.c */
void spv_discovery_find_more(struct spv_discovery *d, unsigned wanted, struct spv_now now);
void spv_discovery_plan_save(struct spv_discovery *d, struct spv_now now);
uint64_t spv_discovery_sources_deadline(const struct spv_discovery *d, unsigned wanted);

#endif
