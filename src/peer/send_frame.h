/* Sends an encoded headers message that several connections share. */
#ifndef SPV_PEER_SEND_FRAME_H
#define SPV_PEER_SEND_FRAME_H

#include "spv/peer.h"
#include "wire/shared_frame.h"

/* Queues the sealed frame of a headers message, without a copy: the connection keeps a reference
 * until it is sent or dropped. A tag (may be NULL) is reported as for spv_peer_send_tagged. Returns
 * 0, SPV_ERR_STATE before the handshake is complete, SPV_ERR_QUEUE_FULL, SPV_ERR_NOMEM, or the
 * peer's earlier error. */
int spv_peer_send_headers(struct spv_peer *p, struct spv_shared_frame *frame, const uint64_t *tag,
                          struct spv_now now);

#endif
