/* Two arrays that grow, move and shrink together. */
#include <stdlib.h>
#include <string.h>

#include "spv/chain/chain_state.h"
#include "spv/error.h"

int spv_header_array_reserve(struct spv_header_array *s, size_t cap)
{
    struct spv_chain_header *records;
    uint32_t *real;

    if (cap <= s->cap)
        return SPV_OK;
    records = realloc(s->records, cap * sizeof *records);
    if (records == NULL)
        return SPV_ERR_NOMEM;
    s->records = records;
    real = realloc(s->real, cap * sizeof *real);
    if (real == NULL)
        return SPV_ERR_NOMEM;
    s->real = real;
    s->cap = cap;
    return SPV_OK;
}

void spv_header_array_free(struct spv_header_array *s)
{
    free(s->records);
    free(s->real);
    *s = (struct spv_header_array){0};
}

void spv_header_array_copy(struct spv_header_array *dst, size_t at,
                           const struct spv_header_array *src, size_t from, size_t n)
{
    if (n == 0)
        return;
    memmove(dst->records + at, src->records + from, n * sizeof *dst->records);
    memmove(dst->real + at, src->real + from, n * sizeof *dst->real);
}

void spv_header_array_drop(struct spv_header_array *s, size_t n)
{
    spv_header_array_copy(s, 0, s, n, s->n - n);
    s->n -= n;
}
