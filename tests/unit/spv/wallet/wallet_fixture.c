#include "wallet_fixture.h"

#include "util/buffer.h"
#include "util/hash.h"
#include "util/u256.h"

static void put_script(struct spv_buffer *b, const char *hex)
{
    uint8_t script[TX_MAX];
    const size_t n = unhex(script, sizeof script, hex);

    spv_buffer_compact(b, n);
    spv_buffer_put(b, script, n);
}

void make_tx(struct spv_tx *out, uint8_t bytes[TX_MAX], const struct tx_spec *spec)
{
    struct spv_buffer b;
    uint8_t n = 0;

    while (n < 3 && spec->outputs[n])
        n++;
    spv_buffer_init(&b);
    spv_buffer_u32(&b, 2);
    spv_buffer_u8(&b, 1);
    spv_buffer_put(&b, spec->prev.b, sizeof spec->prev.b);
    spv_buffer_u32(&b, spec->index);
    put_script(&b, spec->input);
    spv_buffer_u32(&b, UINT32_MAX);
    spv_buffer_u8(&b, n);
    for (uint8_t i = 0; i < n; i++) {
        spv_buffer_u64(&b, 1000);
        put_script(&b, spec->outputs[i]);
    }
    spv_buffer_u32(&b, 0);
    assert_int_equal(b.error, 0);
    assert_true(b.len <= TX_MAX);
    memcpy(bytes, b.data, b.len);
    assert_int_equal(spv_tx_parse(out, bytes, b.len), 0);
    spv_buffer_free(&b);
}

struct spv_txid leaf_id(uint32_t block, uint32_t i)
{
    const uint32_t both[2] = {block, i};
    struct spv_txid id;

    spv_sha256d(id.b, both, sizeof both);
    return id;
}

struct spv_hash256 plain_root(const struct spv_txid *txids, size_t n)
{
    struct spv_hash256 *nodes = malloc(n * sizeof *nodes), root;

    assert_non_null(nodes);
    memcpy(nodes, txids, n * sizeof *nodes);
    for (; n > 1; n = (n + 1) / 2)
        for (size_t i = 0; i < n; i += 2) {
            const struct spv_chunk pair[] = {{nodes[i].b, 32},
                                             {nodes[i + 1 < n ? i + 1 : i].b, 32}};
            spv_sha256d_chunks(nodes[i / 2].b, pair, 2);
        }
    root = nodes[0];
    free(nodes);
    return root;
}

void mine_header(struct spv_header *header)
{
    struct spv_blockhash hash;
    struct spv_u256 target;

    assert_int_equal(spv_target_from_bits(&target, header->bits), 0);
    for (header->nonce = 0;; header->nonce++) {
        spv_header_hash(&hash, header);
        if (spv_hash_meets(hash.b, &target))
            return;
    }
}

struct spv_header header_with_root(const struct spv_hash256 *root)
{
    struct spv_header header = {
        .version = 4, .merkle_root = *root, .time = 1600000000, .bits = EASY_BITS};

    mine_header(&header);
    return header;
}
