/* Two arrays that grow, move and shrink together. */
#include <stdlib.h>
#include <string.h>

#include "spv/chain/chain_state.h"
#include "spv/error.h"

int spv_span_reserve(struct spv_span *s, size_t cap)
{
    struct spv_record *records;
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

void spv_span_free(struct spv_span *s)
{
    free(s->records);
    free(s->real);
    *s = (struct spv_span){0};
}

void spv_span_copy(struct spv_span *dst, size_t at, const struct spv_span *src, size_t from,
                   size_t n)
{
    if (n == 0)
        return;
    memmove(dst->records + at, src->records + from, n * sizeof *dst->records);
    memmove(dst->real + at, src->real + from, n * sizeof *dst->real);
}

void spv_span_drop(struct spv_span *s, size_t n)
{
    spv_span_copy(s, 0, s, n, s->n - n);
    s->n -= n;
}
