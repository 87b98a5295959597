/* BIP157: the hash of a filter is the double SHA-256 of its bytes; a filter header is the double
 * SHA-256 of the filter hash and the previous filter header. */
#include "spv/filter.h"

#include <string.h>

#include "util/hash.h"

void spv_filter_compute_hash(struct spv_filter_hash *out, const struct spv_filter *filter)
{
    spv_sha256d(out->b, filter->bytes, filter->n);
}

void spv_filter_compute_header(struct spv_filter_header *out, const struct spv_filter_hash *hash,
                               const struct spv_filter_header *prev)
{
    uint8_t both[64];

    memcpy(both, hash->b, 32);
    memcpy(both + 32, prev->b, 32);
    spv_sha256d(out->b, both, sizeof both);
}
