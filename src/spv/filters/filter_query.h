/* The scripts of a query in the order in which SipHash reads them. The scripts of a batch have the
 * same number of words, and their values fit into the first-level cache; eight scripts (a row of
 * lanes) are interleaved word by word, so that one vector load reads the same word of four scripts:
 *
 *     word 0 of scripts 0..7 | word 1 of scripts 0..7 | ... | last word, with the length
 *
 * The last row of a batch is filled with copies of its last script. */
#ifndef SPV_SPV_FILTERS_FILTER_QUERY_H
#define SPV_SPV_FILTERS_FILTER_QUERY_H

#include <stddef.h>
#include <stdint.h>

#include "spv/filter.h"
#include "spv/filters/gcs.h"

#define SPV_FILTER_LANES 8
#define SPV_SCRIPT_BATCH_ROWS 128
#define SPV_SCRIPT_BATCH_SLOTS (SPV_SCRIPT_BATCH_ROWS * SPV_FILTER_LANES)

struct spv_script_batch {
    size_t n_words; /* of 8 bytes per script; the last one has the remaining bytes and the length */
    size_t n_rows; /* up to SPV_SCRIPT_BATCH_ROWS */
    size_t first_slot; /* the slot (lane of a row) where it begins */
    const uint64_t *words;
};

struct spv_filter_query {
    size_t n; /* scripts of the caller */
    size_t n_slots; /* lanes of all rows */
    size_t n_batches;
    struct spv_script_batch *batches;
    uint32_t *script_of; /* index of the script, by slot */
    uint64_t *words;
};

/* Computes the values of all slots of a batch for a filter with this key and range into out. */
void spv_script_batch_hash(uint64_t *out, const struct spv_script_batch *batch,
                           struct spv_gcs_key key, uint64_t range, enum spv_simd simd);

#endif
