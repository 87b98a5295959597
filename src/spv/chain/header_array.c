/* Headers and their last_non_min_diff_bits: two arrays of the same length and capacity. */
#include <stdlib.h>
#include <string.h>

#include "spv/chain/chain_state.h"
#include "spv/error.h"

int spv_header_array_reserve(struct spv_header_array *s, size_t cap)
{
    struct spv_chain_header *headers;
    uint32_t *bits;

    if (cap <= s->cap)
        return 0;
    headers = realloc(s->headers, cap * sizeof *headers);
    if (!headers)
        return SPV_ERR_NOMEM;
    s->headers = headers;
    bits = realloc(s->last_non_min_diff_bits, cap * sizeof *bits);
    if (!bits)
        return SPV_ERR_NOMEM;
    s->last_non_min_diff_bits = bits;
    s->cap = cap;
    return 0;
}

void spv_header_array_free(struct spv_header_array *s)
{
    free(s->headers);
    free(s->last_non_min_diff_bits);
    *s = (struct spv_header_array){0};
}

void spv_header_array_copy(struct spv_header_array *dst, size_t at,
                           const struct spv_header_array *src, size_t from, size_t n)
{
    if (n == 0)
        return;
    memmove(dst->headers + at, src->headers + from, n * sizeof *dst->headers);
    memmove(dst->last_non_min_diff_bits + at, src->last_non_min_diff_bits + from,
            n * sizeof *dst->last_non_min_diff_bits);
}

void spv_header_array_drop(struct spv_header_array *s, size_t n)
{
    spv_header_array_copy(s, 0, s, n, s->n - n);
    s->n -= n;
}
