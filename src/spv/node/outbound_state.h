/* Shared by the files of outbound. Each calls only those above it: outbound_conns.c (the table of
 * connections), outbound_sources.c (where addresses come from, and when they are saved), outbound.c
 * (which address is dialled, and when). */
#ifndef SPV_SPV_NODE_OUTBOUND_STATE_H
#define SPV_SPV_NODE_OUTBOUND_STATE_H

#include "spv/node/outbound.h"

/* outbound_conns.c */
/* A new connection, its CONNECT effect queued; NULL: no free slot. */
struct spv_conn *spv_outbound_connect(struct spv_outbound *o, enum spv_conn_type kind,
                                      const struct spv_endpoint *endpoint,
                                      enum spv_transport transport, struct spv_now now);
enum spv_v2_offer { SPV_V2_NOT_OFFERED, SPV_V2_OFFERED };
/* The transport to dial an address with: v2 when it offers v2 (manual peers count as if they did),
 * unless v1 is to be used first or v2 is blocked; or the one that the configuration demands. */
enum spv_transport spv_outbound_transport(const struct spv_outbound *o, enum spv_v2_offer offer,
                                          uint64_t v1_until_us, struct spv_now now);
/* The handshake has shown that its transport works for the address. */
void spv_outbound_transport_works(struct spv_outbound *o, const struct spv_conn *conn,
                                  const struct spv_peer_stats *info, struct spv_now now);
/* Closes a feeler or an addr_fetch connection; the node is not involved. */
void spv_outbound_close(struct spv_outbound *o, struct spv_conn *conn, int error,
                        struct spv_now now);

/* outbound_sources.c */
void spv_outbound_replenish(struct spv_outbound *o, unsigned wanted, struct spv_now now);
void spv_outbound_plan_save(struct spv_outbound *o, struct spv_now now);
uint64_t spv_outbound_sources_deadline(const struct spv_outbound *o, unsigned wanted);

#endif
