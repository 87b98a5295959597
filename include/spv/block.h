/* Blocks as views over their bytes, of which transactions are taken one after the other: no claimed
 * count makes anybody allocate. */
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
    const uint8_t *bytes; /* the whole block in the form it came in; the header comes first */
    size_t n;
    struct spv_header header;
    size_t n_txs; /* at least 1 */
    size_t txs_at; /* offset of the first transaction */
    size_t stripped_size; /* bytes without any witness */
    bool has_witness; /* of any transaction */
};

/* Where a walk over a block's transactions stands. A copy walks on its own. */
struct spv_block_iter {
    const uint8_t *at;
    const uint8_t *end;
    size_t left;
};

/* Reads one whole block and checks the form of all its transactions (see spv_tx_parse), of which
 * there must be at least one. Proof of work, merkle root and witness commitment are not judged. out
 * lends `bytes`. 0, SPV_ERR_SHORT, SPV_ERR_TRAILING, SPV_ERR_COMPACT_SIZE or SPV_ERR_MALFORMED; out
 * is meaningless after an error. Any thread. */
SPV_API int spv_block_parse(struct spv_block *out, const uint8_t *bytes, size_t n);

/* BIP141: three times the stripped size plus the whole size. Any thread. */
SPV_API size_t spv_block_weight(const struct spv_block *block);

/* The block's n_txs transactions in order, the coinbase first; false at the end leaves *out as it
 * was. Each view lends the block's bytes. Any thread, each walk in one. */
SPV_API struct spv_block_iter spv_block_txs(const struct spv_block *block);
SPV_API bool spv_block_next(struct spv_block_iter *walk, struct spv_tx *out);

#ifdef __cplusplus
}
#endif

#endif
