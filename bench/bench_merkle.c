/* Bloom filters and merkle proofs, each beside the hash calls that it cannot do without. The block
 * has 1.8 MB: 4,800 transactions with a witness. Rounds alternate; the
 * best one of each counts. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "spv/block.h"
#include "spv/bloom.h"
#include "spv/error.h"
#include "spv/merkle.h"
#include "support/random.h"
#include "util/buffer.h"
#include "util/hash.h"
#include "util/u256.h"

#define ROUNDS 25
#define TXS 4800
#define ITEMS 20000
#define RATE 0.001
#define PROOFS 1000 /* verifications a round */
#define EASY_BITS 0x207fffff

static struct spv_buffer block_bytes;
static struct spv_block block;
static struct spv_tx txs[TXS];
static struct spv_txid txids[TXS];
static uint8_t items[ITEMS][20];
static volatile uint64_t sink; /* keeps results alive */

static void must(int rc)
{
    if (rc < 0) {
        fprintf(stderr, "bench_merkle: %s\n", spv_strerror(rc));
        exit(1);
    }
}

static void put_script(struct spv_buffer *b, struct test_random *random, size_t n)
{
    spv_buffer_u8(b, (uint8_t)n);
    uint8_t *at = spv_buffer_extend(b, n);
    if (!at)
        must(SPV_ERR_NOMEM);
    test_random_fill(random, at, n);
}

static void put_hash160(struct spv_buffer *b, struct test_random *random)
{
    spv_buffer_u8(b, 22);
    spv_buffer_u8(b, 0); /* witness version */
    put_script(b, random, 20);
}

static void put_tx(struct spv_buffer *b, struct test_random *random)
{
    spv_buffer_u32(b, 2);
    spv_buffer_u16be(b, 1); /* marker and flag */
    spv_buffer_u8(b, 2);
    for (int i = 0; i < 2; i++) {
        uint8_t outpoint[36];
        test_random_fill(random, outpoint, sizeof outpoint);
        spv_buffer_put(b, outpoint, sizeof outpoint);
        spv_buffer_u8(b, 0);
        spv_buffer_u32(b, UINT32_MAX);
    }
    spv_buffer_u8(b, 2);
    for (int i = 0; i < 2; i++) {
        spv_buffer_u64(b, 100000);
        put_hash160(b, random);
    }
    for (int i = 0; i < 2; i++) {
        spv_buffer_u8(b, 2);
        put_script(b, random, 72);
        put_script(b, random, 33);
    }
    spv_buffer_u32(b, 0);
}

static void make_block(void)
{
    struct test_random random = {1};
    const struct spv_header header = {.version = 4, .bits = EASY_BITS};
    uint8_t raw[SPV_HEADER_SIZE];

    spv_buffer_init(&block_bytes);
    spv_header_encode(raw, &header);
    spv_buffer_put(&block_bytes, raw, sizeof raw);
    spv_buffer_compact(&block_bytes, TXS);
    for (int i = 0; i < TXS; i++)
        put_tx(&block_bytes, &random);
    must(block_bytes.error);
    must(spv_block_parse(&block, block_bytes.data, block_bytes.len));
    struct spv_block_iter iter = spv_block_txs(&block);
    for (size_t i = 0; i < TXS; i++)
        (void)spv_block_next(&iter, &txs[i]);
    test_random_fill(&random, items, sizeof items);
}

/* Sets root and a nonce that meets the bits. */
static void fit_header(struct spv_header *header)
{
    struct spv_blockhash hash;
    struct spv_u256 target;

    must(spv_merkle_root(&header->merkle_root, txids, TXS));
    must(spv_target_from_bits(&target, header->bits));
    for (header->nonce = 0;; header->nonce++) {
        spv_header_hash(&hash, header);
        if (spv_hash_meets(hash.b, &target))
            return;
    }
}

static void block_txids(void)
{
    struct spv_block_iter iter = spv_block_txs(&block);
    struct spv_tx tx;

    for (size_t i = 0; spv_block_next(&iter, &tx); i++)
        spv_tx_txid(&txids[i], &tx);
}

/* The hash calls of block_txids: the stripped bytes of each transaction, from one place. */
static void block_txids_bound(void)
{
    const size_t stripped = block.stripped_size / TXS;

    for (size_t i = 0; i < TXS; i++) {
        const uint8_t *bytes = block.bytes + block.txs_at + i * (block.n - block.txs_at) / TXS;
        spv_sha256d(txids[i].b, bytes, stripped);
    }
}

static void merkle_root(void)
{
    struct spv_hash256 root;

    must(spv_merkle_root(&root, txids, TXS));
    sink += root.b[0];
}

static void hash_pairs(size_t n)
{
    uint8_t pair[64] = {0};

    for (size_t i = 0; i < n; i++)
        spv_sha256d(pair, pair, sizeof pair);
    sink += pair[0];
}

/* Nodes above the leaves. */
static size_t inner_nodes(void)
{
    size_t n = 0;

    for (size_t width = TXS; width > 1; width = (width + 1) / 2)
        n += (width + 1) / 2;
    return n;
}

static void merkle_root_bound(void)
{
    hash_pairs(inner_nodes());
}

static struct spv_merkle_proof *proof;

static void merkle_verify(void)
{
    struct spv_merkle_match out[64];

    for (int i = 0; i < PROOFS; i++)
        must(spv_merkle_verify(out, spv_merkle_proof_message(proof)));
}

/* The header, and the 13 pairs above one of 4,800 leaves. */
static void merkle_verify_bound(void)
{
    uint8_t header[SPV_HEADER_SIZE], hash[32];

    spv_header_encode(header, &block.header);
    for (int i = 0; i < PROOFS; i++) {
        spv_sha256d(hash, header, sizeof header);
        hash_pairs(13);
    }
    sink += hash[0];
}

/* MurmurHash3_x86_32 of whole words, one seed at a time. */
static uint32_t murmur3(uint32_t h, const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i += 4) {
        uint32_t k;
        memcpy(&k, data + i, sizeof k);
        k *= 0xcc9e2d51u;
        k = (k << 15 | k >> 17) * 0x1b873593u;
        h ^= k;
        h = (h << 13 | h >> 19) * 5 + 0xe6546b64u;
    }
    h ^= (uint32_t)n;
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return h ^ h >> 16;
}

static struct spv_bloom *bloom;

static void bloom_insert(void)
{
    for (size_t i = 0; i < ITEMS; i++)
        spv_bloom_insert(bloom, items[i], sizeof items[i]);
}

static void bloom_insert_bound(void)
{
    const uint32_t functions = spv_bloom_get_shape(bloom)->n_functions;

    for (size_t i = 0; i < ITEMS; i++)
        for (uint32_t f = 0; f < functions; f++)
            sink += murmur3(f * 0xfba4c795u, items[i], sizeof items[i]);
}

/* Of transactions that are parsed already: the walk over a block has its own figure. */
static void bloom_match(void)
{
    for (size_t i = 0; i < TXS; i++)
        sink += spv_bloom_match_tx(bloom, &txs[i]);
}

/* A txid, and of its five items (txid, two outpoints, two hashes) the hash functions up to the
 * first that selects a 0 bit: two on average in a half full filter. */
static void bloom_match_bound(void)
{
    uint8_t item[36] = {0};

    block_txids_bound();
    for (size_t i = 0; i < TXS; i++)
        for (uint32_t f = 0; f < 2; f++) {
            memcpy(item, txids[i].b, sizeof txids[i].b);
            sink += murmur3(f, item, 32);
            sink += murmur3(f, item, 36);
            sink += murmur3(f, item, 36);
            sink += murmur3(f, item, 20);
            sink += murmur3(f, item, 20);
        }
}

static double best(double best_ns, void (*work)(void))
{
    const uint64_t start = bench_now_ns();

    work();
    const double ns = (double)(bench_now_ns() - start);
    return best_ns == 0 || ns < best_ns ? ns : best_ns;
}

int main(void)
{
    static const struct {
        const char *what;
        void (*work)(void), (*bound)(void);
        double per; /* units a call */
        const char *unit;
    } rows[] = {
        {"txids of a block of 1.8 MB", block_txids, block_txids_bound, 1e3, "us"},
        {"merkle root of 4,800 txids", merkle_root, merkle_root_bound, 1e3, "us"},
        {"verify a proof of 1 of 4,800", merkle_verify, merkle_verify_bound, PROOFS, "ns"},
        {"bloom insert, 36,000 bytes", bloom_insert, bloom_insert_bound, ITEMS, "ns"},
        {"bloom match, a transaction", bloom_match, bloom_match_bound, TXS, "ns"},
    };
    static const uint32_t position = 1234;
    double cost[sizeof rows / sizeof rows[0]] = {0}, bound[sizeof rows / sizeof rows[0]] = {0};
    struct spv_bloom_shape shape = {.update = SPV_BLOOM_UPDATE_ALL};

    make_block();
    block_txids();
    fit_header(&block.header);
    must(spv_merkle_proof_new(&proof, &block.header, txids, TXS, &position, 1));
    must(spv_bloom_size(&shape, ITEMS, RATE));
    must(spv_bloom_new(&bloom, &shape));
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            if (rows[i].work == merkle_root)
                block_txids(); /* the bounds overwrite them */
            cost[i] = best(cost[i], rows[i].work);
            bound[i] = best(bound[i], rows[i].bound);
        }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        bench_cost(rows[i].what, cost[i] / rows[i].per, bound[i] / rows[i].per, rows[i].unit);
    spv_bloom_free(bloom);
    spv_merkle_proof_free(proof);
    spv_buffer_free(&block_bytes);
    return 0;
}
