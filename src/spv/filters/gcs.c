/* Per filter: reads the element count, checks the encoding, encodes. */
#include "spv/filters/gcs.h"

#include <stdlib.h>

#include "spv/error.h"
#include "util/cursor.h"

struct spv_gcs_key spv_gcs_key_of(const struct spv_blockhash *block)
{
    struct spv_cursor c = spv_cursor_over(block->b, 16);
    struct spv_gcs_key key;

    key.k0 = spv_cursor_u64(&c);
    key.k1 = spv_cursor_u64(&c);
    return key;
}

int spv_gcs_open(struct spv_gcs *out, const uint8_t *bytes, size_t n)
{
    struct spv_cursor c = spv_cursor_over(bytes, n);
    const uint64_t count = spv_cursor_compact(&c);
    const size_t left = spv_cursor_left(&c);

    if (c.error != 0)
        return c.error;
    /* "each element costs at least P + 1 bits" */
    if (count > (uint64_t)left * 8 / (SPV_FILTER_P + 1) || count > UINT32_MAX)
        return SPV_ERR_SHORT;
    if (count == 0 && left > 0)
        return SPV_ERR_TRAILING;
    *out = (struct spv_gcs){.n = (size_t)count,
                            .range = count * SPV_FILTER_M,
                            .bits = c.p,
                            .end = left > 0 ? c.p + left : c.p};
    return 0;
}

int spv_filter_decode(uint64_t *out, const struct spv_filter *filter)
{
    struct spv_gcs set;
    const int rc = spv_gcs_open(&set, filter->bytes, filter->n);

    return rc != 0 ? rc : spv_gcs_decode(out, &set, spv_simd_best());
}

/* The number of bits of the codes of these values. */
static uint64_t code_bits(const uint64_t *values, size_t n)
{
    uint64_t bits = 0, before = 0;

    for (size_t i = 0; i < n; i++) {
        bits += ((values[i] - before) >> SPV_FILTER_P) + 1 + SPV_FILTER_P;
        before = values[i];
    }
    return bits;
}

int spv_filter_check(size_t *n_elements, const struct spv_filter *filter)
{
    struct spv_gcs set;
    size_t none;
    uint64_t *values = NULL;
    int rc = spv_gcs_open(&set, filter->bytes, filter->n);

    if (!n_elements)
        n_elements = &none;
    *n_elements = 0;
    if (rc != 0 || set.n == 0)
        return rc;
    values = malloc(set.n * sizeof *values);
    if (!values)
        return SPV_ERR_NOMEM;
    rc = spv_gcs_decode(values, &set, spv_simd_best());
    if (rc == 0) {
        const unsigned used = (unsigned)(code_bits(values, set.n) % 8);
        *n_elements = set.n;
        if (used > 0 && (set.end[-1] & (0xffu >> used)) != 0)
            rc = SPV_ERR_FILTER_PADDING;
    }
    free(values);
    return rc;
}

struct bit_writer {
    struct spv_buffer *out;
    uint64_t bits; /* the n last ones are still to be written */
    unsigned n; /* below 8 between calls */
};

static void write_bits(struct bit_writer *w, uint64_t bits, unsigned n)
{
    w->bits = w->bits << n | bits;
    w->n += n;
    for (; w->n >= 8; w->n -= 8)
        spv_buffer_u8(w->out, (uint8_t)(w->bits >> (w->n - 8)));
}

void spv_gcs_encode(struct spv_buffer *out, const uint64_t *values, size_t n)
{
    struct bit_writer w = {.out = out};
    uint64_t before = 0;

    spv_buffer_compact(out, n);
    for (size_t i = 0; i < n; i++) {
        const uint64_t delta = values[i] - before;
        for (uint64_t ones = delta >> SPV_FILTER_P; ones > 0; ones--)
            write_bits(&w, 1, 1);
        write_bits(&w, delta & (((uint64_t)1 << SPV_FILTER_P) - 1), SPV_FILTER_P + 1);
        before = values[i];
    }
    if (w.n > 0)
        write_bits(&w, 0, 8 - w.n);
}
