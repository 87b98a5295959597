/* What the files of discovery share: discovery.c (dials and their ends), discovery_sources.c (where
 * addresses come from, and where they are kept). */
#ifndef SPV_SPV_NODE_OUTBOUND_SOURCES_H
#define SPV_SPV_NODE_OUTBOUND_SOURCES_H

#include "spv/node/outbound.h"

/* discovery.c */
/* A free place with this dial, its effect queued; NULL: no place. */
struct spv_conn *spv_outbound_connect(struct spv_outbound *d, enum spv_conn_type kind,
                                      const struct spv_endpoint *endpoint, struct spv_now now);
void spv_outbound_close(struct spv_outbound *d, struct spv_conn *x, int error, struct spv_now now);

/* discovery_sources.c */
void spv_outbound_replenish(struct spv_outbound *d, unsigned wanted, struct spv_now now);
void spv_outbound_plan_save(struct spv_outbound *d, struct spv_now now);
uint64_t spv_outbound_sources_deadline(const struct spv_outbound *d, unsigned wanted);

#endif
