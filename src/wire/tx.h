/* Transactions in the middle of other bytes: what blocks and codecs share with spv/tx.h. */
#ifndef SPV_WIRE_TX_H
#define SPV_WIRE_TX_H

#include "spv/block.h"
#include "spv/tx.h"
#include "util/cursor.h"

/* Reads one transaction and leaves the cursor behind it; errors go to the cursor, and out is then
 * meaningless. */
void spv_tx_read(struct spv_tx *out, struct spv_cursor *c);
void spv_block_read(struct spv_block *out, struct spv_cursor *c);

#endif
