/* Parsing of transactions and blocks from a cursor, for codecs and blocks. */
#ifndef SPV_WIRE_TX_H
#define SPV_WIRE_TX_H

#include "spv/block.h"
#include "spv/tx.h"
#include "util/cursor.h"

/* Parse one transaction or block and leave the cursor behind it. Errors are the cursor's; out is
 * then undefined. */
void spv_tx_read(struct spv_tx *out, struct spv_cursor *c);
void spv_block_read(struct spv_block *out, struct spv_cursor *c);

#endif
