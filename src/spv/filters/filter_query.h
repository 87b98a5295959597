/* The scripts of a query in the order in which SipHash reads them. Groups have scripts of equal
 * word count, so many that their values stay in the first-level cache; eight of them (a row of
 * lanes) lie interleaved word by word, so that one vector load brings the same word of four
 * scripts:
 *
 *     word 0 of scripts 0..7 | word 1 of scripts 0..7 | ... | last word, with the length
 *
 * The last row of a batch is filled up with copies of its last script. */
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
    size_t n_words; /* of each script: whole ones, and a last one with the rest and the length */
    size_t n_rows; /* up to SPV_SCRIPT_BATCH_ROWS */
    size_t first_slot; /* a slot is a lane of a row */
    const uint64_t *words;
};

struct spv_filter_query {
    size_t n; /* scripts given */
    size_t n_slots; /* lanes in all rows */
    size_t n_batches;
    struct spv_script_batch *batches;
    uint32_t *script_of; /* by slot */
    uint64_t *words;
};

/* Computes the values of all slots of a batch for a filter with this key and range into out. */
void spv_script_batch_hash(uint64_t *out, const struct spv_script_batch *batch,
                           struct spv_gcs_key key, uint64_t range, enum spv_simd simd);

#endif
