/* Blocks as views over their bytes. Transactions are read one after the other, so no claimed count
 * causes an allocation. */
#ifndef SPV_BLOCK_H
#define SPV_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/export.h"
#include "spv/header.h"
#include "spv/tx.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Filled by spv_block_parse; read only. */
struct spv_block {
    const uint8_t *bytes; /* the whole serialised block, which starts with the header */
    size_t n;
    struct spv_header header;
    size_t n_txs; /* at least 1 */
    size_t txs_at; /* offset of the first transaction */
    size_t stripped_size; /* bytes without any witness (BIP141) */
    bool has_witness; /* of any transaction */
};

/* An iterator over a block's transactions. A copy iterates independently. */
struct spv_block_iter {
    const uint8_t *at;
    const uint8_t *end;
    size_t left;
};

/* Parses one whole serialised block and the form of all its transactions as spv_tx_parse does;
 * there must be at least one. Proof of work, merkle root and witness commitment are not checked.
 * Nothing is copied: out points into bytes and is valid as long as they are. Returns 0,
 * SPV_ERR_SHORT, SPV_ERR_TRAILING, SPV_ERR_COMPACT_SIZE or SPV_ERR_MALFORMED; out is undefined
 * after an error. Any thread. */
SPV_API int spv_block_parse(struct spv_block *out, const uint8_t *bytes, size_t n);

/* Returns the weight (BIP141): three times the stripped size plus the whole size. Any thread. */
SPV_API size_t spv_block_weight(const struct spv_block *block);

/* Returns an iterator at the coinbase, valid as long as the block's bytes. Any thread. */
SPV_API struct spv_block_iter spv_block_txs(const struct spv_block *block);

/* Reads the next transaction into out, which points into the block's bytes. Returns true, or false
 * at the end with out unchanged. One thread per iterator at a time. */
SPV_API bool spv_block_next(struct spv_block_iter *iter, struct spv_tx *out);

#ifdef __cplusplus
}
#endif

#endif
