/* Transactions as views over their bytes: nothing is copied or allocated. Parsing reads all bytes
 * once; iterating over inputs, outputs and witnesses afterwards cannot fail.
 *
 * A view points into the bytes that it was parsed from and is valid as long as they are.
 *
 * A transaction that a peer sends with a merkleblock (BIP37), or for getdata with MSG_TX, is
 * stripped of its witness and looks like one that never had any: has_witness is false, the txid is
 * right, and wtxid, weight and virtual size are those of the stripped form only; whether they are
 * the transaction's is unknown. Such a copy must never replace one with witness. */
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

#define SPV_WITNESS_SCALE 4 /* BIP141 (WITNESS_SCALE_FACTOR): a non-witness byte weighs four */

/* Borrowed bytes. */
struct spv_bytes {
    const uint8_t *bytes;
    size_t n;
};

/* Filled by spv_tx_parse; read only. The _at fields are offsets into bytes. */
struct spv_tx {
    const uint8_t *bytes; /* the whole serialised transaction, with its witness if there is one */
    size_t n;
    uint32_t version;
    uint32_t lock_time; /* below 500,000,000: a height; else unix seconds */
    size_t n_inputs; /* at least 1 */
    size_t n_outputs; /* at least 1 */
    bool has_witness; /* serialised with marker and flag (BIP144); false when it was stripped */
    size_t stripped_size; /* bytes without marker, flag and witness */
    size_t inputs_at; /* the count of inputs */
    size_t outputs_at; /* the count of outputs */
    size_t witness_at; /* the first input's witness; the end of the outputs when there is none */
};

struct spv_tx_input {
    struct spv_txid prev; /* the transaction whose output is spent; zero in a coinbase */
    uint32_t index; /* the number of that output; 0xffffffff in a coinbase */
    struct spv_bytes script; /* scriptSig */
    uint32_t sequence;
};
struct spv_tx_output {
    int64_t value; /* satoshis, as serialised: may be out of range */
    struct spv_bytes script; /* scriptPubKey */
};
/* The witness of one input; empty for an input without one. */
struct spv_witness {
    size_t n_items; /* not read yet */
    struct spv_bytes rest; /* these items, each with its length */
};

/* An iterator over inputs, outputs or witnesses. A copy iterates independently. */
struct spv_tx_iter {
    const uint8_t *at;
    const uint8_t *end;
    size_t left;
};

/* Parses one whole serialised transaction, with or without witness (BIP144), and checks its form:
 * at least one input and one output, flag 1, at least one witness item in the witness form,
 * canonical CompactSizes, no bytes after the end. Values and scripts are not checked. out points
 * into bytes and is valid as long as they are.
 * Returns 0, SPV_ERR_SHORT, SPV_ERR_TRAILING, SPV_ERR_COMPACT_SIZE or SPV_ERR_MALFORMED; out is
 * undefined after an error. Any thread. */
SPV_API int spv_tx_parse(struct spv_tx *out, const uint8_t *bytes, size_t n);

/* Computes the txid: double SHA-256 without marker, flag and witness. Any thread. */
SPV_API void spv_tx_txid(struct spv_txid *out, const struct spv_tx *tx);
/* Computes the wtxid (BIP141): double SHA-256 of all bytes. Without witness bytes it is the txid,
 * which is the wtxid only of a transaction that has none, not of one that came stripped (BIP37).
 * For a coinbase it is that hash as well, although the witness commitment uses zero in its place.
 * Any thread. */
SPV_API void spv_tx_wtxid(struct spv_wtxid *out, const struct spv_tx *tx);

/* Returns the weight (BIP141): three times the stripped size plus the whole size; too low for a
 * transaction that came stripped. Any thread. */
SPV_API size_t spv_tx_weight(const struct spv_tx *tx);
/* Returns the virtual size (BIP141), the unit of fee rates: a fourth of the weight, rounded up; too
 * low for a transaction that came stripped. Any thread. */
SPV_API size_t spv_tx_vsize(const struct spv_tx *tx);
/* Returns true for a coinbase: one input, which spends nothing. Any thread. */
SPV_API bool spv_tx_is_coinbase(const struct spv_tx *tx);

/* Return iterators over the inputs, the outputs, and the witnesses of the inputs in order (empty
 * ones when the transaction has none); valid as long as the transaction's bytes. Any thread. */
SPV_API struct spv_tx_iter spv_tx_inputs(const struct spv_tx *tx);
SPV_API struct spv_tx_iter spv_tx_outputs(const struct spv_tx *tx);
SPV_API struct spv_tx_iter spv_tx_witnesses(const struct spv_tx *tx);

/* Read the next entry into out, which points into the transaction's bytes. Return true, or false at
 * the end with out unchanged. One thread per iterator at a time. */
SPV_API bool spv_tx_next_input(struct spv_tx_iter *iter, struct spv_tx_input *out);
SPV_API bool spv_tx_next_output(struct spv_tx_iter *iter, struct spv_tx_output *out);
SPV_API bool spv_tx_next_witness(struct spv_tx_iter *iter, struct spv_witness *out);
/* Removes the next item from a witness, the bottom of the stack first. Returns true, or false when
 * it is empty with out unchanged. One thread per witness at a time. */
SPV_API bool spv_witness_next(struct spv_witness *witness, struct spv_bytes *out);

#ifdef __cplusplus
}
#endif

#endif
