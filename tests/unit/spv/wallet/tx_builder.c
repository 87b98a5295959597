#include "tx_builder.h"

#include "util/buffer.h"

static void put_filler(struct spv_buffer *b, size_t n)
{
    spv_buffer_compact(b, n);
    for (size_t i = 0; i < n; i++)
        spv_buffer_u8(b, 0x51);
}

static void put_input(struct spv_buffer *b, const struct tx_in *in, size_t number)
{
    static const struct spv_txid zero;
    struct spv_txid prev = in->prev;

    if (!in->null && memcmp(&prev, &zero, sizeof prev) == 0) {
        prev.b[0] = (uint8_t)(number + 1);
        prev.b[1] = (uint8_t)((number + 1) >> 8);
    }
    spv_buffer_put(b, prev.b, sizeof prev.b);
    spv_buffer_u32(b, in->vout);
    put_filler(b, in->script);
    spv_buffer_u32(b, ~in->not_sequence);
}

uint8_t *make_bytes(size_t *n, const struct tx_spec *spec)
{
    struct spv_buffer b;
    bool witness = false;

    spv_buffer_init(&b);
    for (size_t i = 0; i < spec->n_inputs; i++)
        witness = witness || spec->inputs[i].witness > 0;
    spv_buffer_u32(&b, spec->version > 0 ? spec->version : 2);
    if (witness)
        spv_buffer_u16(&b, 0x0100);
    spv_buffer_compact(&b, spec->n_inputs);
    for (size_t i = 0; i < spec->n_inputs; i++)
        put_input(&b, &spec->inputs[i], i);
    spv_buffer_compact(&b, spec->n_outputs);
    for (size_t i = 0; i < spec->n_outputs; i++) {
        spv_buffer_u64(&b, (uint64_t)spec->outputs[i].value);
        put_filler(&b, spec->outputs[i].script);
    }
    for (size_t i = 0; witness && i < spec->n_inputs; i++) {
        spv_buffer_compact(&b, spec->inputs[i].witness > 0 ? 1 : 0);
        if (spec->inputs[i].witness > 0)
            put_filler(&b, spec->inputs[i].witness);
    }
    spv_buffer_u32(&b, spec->lock_time);
    assert_int_equal(b.error, 0);
    *n = b.len;
    return b.data;
}

void make_tx(struct built_tx *out, const struct tx_spec *spec)
{
    size_t n;

    out->bytes = make_bytes(&n, spec);
    assert_int_equal(spv_tx_parse(&out->tx, out->bytes, n), 0);
    spv_tx_txid(&out->txid, &out->tx);
}
