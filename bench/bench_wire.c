/* Decoding of headers messages and blocks from a socket's buffer, in bytes per second, with the
 * lower bound of the same run: one copy of the bytes and the double SHA-256 of the frame's
 * checksum. The block is as large as a full mainnet block: 3,000 transactions, each with two
 * inputs, two outputs and a witness of a signature and a key per input. Rounds alternate; the best
 * one of each counts.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "spv/error.h"
#include "support/random.h"
#include "util/hash.h"
#include "wire/codec.h"
#include "wire/frame.h"

#define ROUNDS 25
#define TXS 3000
#define BYTES_A_ROUND (16u << 20)

static const struct spv_netid *net;
static struct spv_arena arena;
static uint8_t *input; /* the buffer that a link would read the frame into */

static void must(int rc)
{
    if (rc < 0) {
        fprintf(stderr, "bench_wire: %s\n", spv_strerror(rc));
        exit(1);
    }
}

static void put_random(struct spv_buffer *b, struct test_random *random, size_t n)
{
    uint8_t *at = spv_buffer_extend(b, n);
    if (!at)
        must(SPV_ERR_NOMEM);
    test_random_fill(random, at, n);
}

static void script(struct spv_buffer *b, struct test_random *random, size_t n)
{
    spv_buffer_compact(b, n);
    if (n > 0)
        put_random(b, random, n);
}

static void make_tx(struct spv_buffer *b, struct test_random *random)
{
    spv_buffer_u32(b, 2);
    spv_buffer_u16be(b, 1); /* marker and flag */
    spv_buffer_u8(b, 2);
    for (int i = 0; i < 2; i++) {
        put_random(b, random, 36);
        script(b, random, 0);
        spv_buffer_u32(b, UINT32_MAX);
    }
    spv_buffer_u8(b, 2);
    for (int i = 0; i < 2; i++) {
        spv_buffer_u64(b, 100000);
        script(b, random, 22);
    }
    for (int i = 0; i < 2; i++) {
        spv_buffer_u8(b, 2);
        script(b, random, 72);
        script(b, random, 33);
    }
    spv_buffer_u32(b, 0);
}

static void make_block(struct spv_buffer *frame, struct test_random *random)
{
    struct spv_buffer b;
    struct spv_msg msg = {.command = SPV_CMD_BLOCK};

    spv_buffer_init(&b);
    put_random(&b, random, SPV_HEADER_SIZE);
    spv_buffer_compact(&b, TXS);
    for (int i = 0; i < TXS; i++)
        make_tx(&b, random);
    must(b.error);
    must(spv_block_parse(&msg.u.block, b.data, b.len));
    must(spv_msg_write(frame, &msg, net, SPV_PROTOCOL_VERSION));
    spv_buffer_free(&b);
}

static void make_headers(struct spv_buffer *frame, struct test_random *random)
{
    static struct spv_header headers[SPV_MAX_HEADERS];
    struct spv_msg msg = {.command = SPV_CMD_HEADERS,
                          .u.headers = {.headers = headers, .n = SPV_MAX_HEADERS}};

    test_random_fill(random, headers, sizeof headers);
    must(spv_msg_write(frame, &msg, net, SPV_PROTOCOL_VERSION));
}

static void copy_and_hash(const struct spv_buffer *frame)
{
    uint8_t hash[32];

    memcpy(input, frame->data, frame->len);
    spv_sha256d(hash, input + SPV_FRAME_HEADER, frame->len - SPV_FRAME_HEADER);
}

static struct spv_msg decoded;
static void decode(const struct spv_buffer *frame)
{
    struct spv_frame head;

    memcpy(input, frame->data, frame->len);
    must(spv_frame_read(&head, input, net, SPV_MAX_PAYLOAD));
    must(spv_frame_check(&head, input + SPV_FRAME_HEADER));
    decoded.command = head.command;
    must(spv_msg_decode(&decoded, input + SPV_FRAME_HEADER, head.length, SPV_PROTOCOL_VERSION,
                        &arena));
}

/* Also reads every transaction's id, outputs and inputs, as a wallet would. */
static void decode_and_walk(const struct spv_buffer *frame)
{
    struct spv_tx tx;
    struct spv_txid txid;
    struct spv_tx_input in;
    struct spv_tx_output out;
    uint64_t seen = 0;

    decode(frame);
    struct spv_block_iter walk = spv_block_txs(&decoded.u.block);
    while (spv_block_next(&walk, &tx)) {
        struct spv_tx_iter inside = spv_tx_inputs(&tx);
        while (spv_tx_next_input(&inside, &in))
            seen += in.index != 0;
        inside = spv_tx_outputs(&tx);
        while (spv_tx_next_output(&inside, &out))
            seen += out.script.n;
        spv_tx_txid(&txid, &tx);
    }
    if (seen < TXS)
        must(SPV_ERR_STATE);
}

static void copy_and_hash_twice(const struct spv_buffer *frame)
{
    uint8_t hash[32];
    struct spv_block_iter walk = spv_block_txs(&decoded.u.block);
    struct spv_tx tx;

    copy_and_hash(frame);
    while (spv_block_next(&walk, &tx))
        spv_sha256d(hash, tx.bytes, tx.stripped_size);
}

/* Compares the bytes per second of the best rounds. */
static void compare(const char *what, const struct spv_buffer *frame,
                    void (*run)(const struct spv_buffer *),
                    void (*bound)(const struct spv_buffer *))
{
    void (*const ways[])(const struct spv_buffer *) = {run, bound};
    double best[2] = {0};
    size_t passes = BYTES_A_ROUND / frame->len + 1;

    for (int round = 0; round < ROUNDS; round++)
        for (int way = 0; way < 2; way++) {
            uint64_t start = bench_now_ns();
            for (size_t i = 0; i < passes; i++)
                ways[way](frame);
            double rate = (double)(passes * frame->len) * 1e9 / (double)(bench_now_ns() - start);
            if (rate > best[way])
                best[way] = rate;
        }
    bench_rate(what, best[0], best[1], "bytes/s");
}

int main(void)
{
    struct test_random random = {.state = 11};
    struct spv_buffer headers, block;

    net = spv_netid_get(SPV_MAINNET);
    input = malloc(SPV_FRAME_HEADER + SPV_MAX_PAYLOAD);
    if (!input)
        must(SPV_ERR_NOMEM);
    spv_buffer_init(&headers);
    spv_buffer_init(&block);
    make_headers(&headers, &random);
    make_block(&block, &random);
    printf("headers %zu bytes, block %zu bytes\n", headers.len, block.len);
    compare("headers decoded", &headers, decode, copy_and_hash);
    compare("block decoded", &block, decode, copy_and_hash);
    compare("block decoded, ids and outputs (lower bound: ids)", &block, decode_and_walk,
            copy_and_hash_twice);
    spv_buffer_free(&block);
    spv_buffer_free(&headers);
    spv_arena_free(&arena);
    free(input);
    return 0;
}
