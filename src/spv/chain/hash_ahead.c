/* headers[i] for i = 0, SPV_HASH_AHEAD, ... hashes the batch that starts there. */
#include "spv/chain/hash_ahead.h"

const struct spv_blockhash *spv_hash_ahead_at(struct spv_hash_ahead *h,
                                              const struct spv_header *headers, size_t i, size_t n)
{
    const size_t more = n - i < SPV_HASH_AHEAD ? n - i : SPV_HASH_AHEAD;
    uint8_t raw[SPV_HASH_AHEAD * SPV_HEADER_SIZE];

    if (i % SPV_HASH_AHEAD == 0) {
        for (size_t k = 0; k < more; k++)
            spv_header_encode(raw + k * SPV_HEADER_SIZE, &headers[i + k]);
        spv_header_hash_raw(h->hashes, raw, more);
    }
    return &h->hashes[i % SPV_HASH_AHEAD];
}
