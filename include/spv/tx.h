/* Transactions as views over their bytes: nothing is copied or allocated. Parsing walks through all
 * of the bytes once; afterwards the walks over inputs, outputs and witnesses cannot fail.
 *
 * A view lends the bytes that it was parsed from and is good for as long as they are. */
#ifndef SPV_TX_H
#define SPV_TX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/export.h"
#include "spv/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_WITNESS_SCALE 4 /* BIP141: a byte outside the witness weighs four */

/* Bytes lent by their owner. */
struct spv_bytes {
    const uint8_t *bytes;
    size_t n;
};

/* Filled by spv_tx_parse; read only. The places are offsets into bytes. */
struct spv_tx {
    const uint8_t *bytes; /* the whole transaction in the form it came in, with witness if any */
    size_t n;
    uint32_t version;
    uint32_t lock_time; /* below 500,000,000 a height, else unix seconds */
    size_t n_inputs; /* at least 1 */
    size_t n_outputs; /* at least 1 */
    bool has_witness; /* BIP144 form, with marker and flag */
    size_t stripped_size; /* bytes without marker, flag and witness */
    size_t inputs_at; /* the count of inputs */
    size_t outputs_at; /* the count of outputs */
    size_t witness_at; /* the first input's witness; behind the outputs when there is none */
};

struct spv_tx_input {
    struct spv_txid prev; /* the transaction whose output is spent; zero in a coinbase */
    uint32_t index; /* the number of that output; 0xffffffff in a coinbase */
    struct spv_bytes script; /* scriptSig */
    uint32_t sequence;
};
struct spv_tx_output {
    int64_t value; /* satoshis, as on the wire: anybody may write what is out of range */
    struct spv_bytes script; /* scriptPubKey */
};
/* What one input's witness holds; empty for an input without. */
struct spv_witness {
    size_t n_items; /* still to come */
    struct spv_bytes rest; /* the items with their lengths */
};

/* Where a walk over inputs, outputs or witnesses stands. A copy walks on its own. */
struct spv_tx_iter {
    const uint8_t *at;
    const uint8_t *end;
    size_t left;
};

/* Reads one whole transaction, in the old form or with witness (BIP144), and checks its form: at
 * least one input and one output, flag 1, a witness that is not empty throughout, canonical
 * CompactSizes, no bytes after the end. Values and scripts are not judged. Keeps no reference to
 * out; out lends `bytes`. 0, SPV_ERR_SHORT, SPV_ERR_TRAILING, SPV_ERR_COMPACT_SIZE or
 * SPV_ERR_MALFORMED; out is meaningless after an error. Any thread. */
SPV_API int spv_tx_parse(struct spv_tx *out, const uint8_t *bytes, size_t n);

/* Double SHA-256 without marker, flag and witness. Any thread. */
SPV_API void spv_tx_txid(struct spv_txid *out, const struct spv_tx *tx);
/* Double SHA-256 of all bytes (BIP141); equals the txid when there is no witness. (A coinbase's
 * counts as zero in the witness commitment; this gives its real hash.) Any thread. */
SPV_API void spv_tx_wtxid(struct spv_wtxid *out, const struct spv_tx *tx);

/* BIP141: three times the stripped size plus the whole size. Any thread. */
SPV_API size_t spv_tx_weight(const struct spv_tx *tx);
/* BIP141: a fourth of the weight, rounded up; fee rates are per these. Any thread. */
SPV_API size_t spv_tx_vsize(const struct spv_tx *tx);
/* One input, which spends nothing. Any thread. */
SPV_API bool spv_tx_is_coinbase(const struct spv_tx *tx);

/* Walks: begin with the first call, then take one after the other until false, which leaves *out as
 * it was. n_inputs inputs and as many witnesses (empty ones for an input, or a transaction,
 * without) and n_outputs outputs come out, in order. Any thread, each walk in one. */
SPV_API struct spv_tx_iter spv_tx_inputs(const struct spv_tx *tx);
SPV_API bool spv_tx_next_input(struct spv_tx_iter *walk, struct spv_tx_input *out);
SPV_API struct spv_tx_iter spv_tx_outputs(const struct spv_tx *tx);
SPV_API bool spv_tx_next_output(struct spv_tx_iter *walk, struct spv_tx_output *out);
SPV_API struct spv_tx_iter spv_tx_witnesses(const struct spv_tx *tx);
SPV_API bool spv_tx_next_witness(struct spv_tx_iter *walk, struct spv_witness *out);
/* Takes the next item off a witness, bottom of the stack first. */
SPV_API bool spv_witness_next(struct spv_witness *witness, struct spv_bytes *out);

#ifdef __cplusplus
}
#endif

#endif
