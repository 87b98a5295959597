/* Scans of 20,000 blocks of 100 transactions, as whole blocks and as filtered blocks of which one
 * in ten has a match.
 *
 * Peers are not measured: all that a peer sends is made before. The lower bound is to decode and
 * hash the same messages alone: blocks are parsed and their merkle roots computed, filtered blocks
 * are parsed and verified, and their transactions hashed. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "spv/merkle.h"
#include "spv/mine.h"
#include "spv/wallet/block_scan.h"
#include "spv/wallet/bloom_scan.h"
#include "support/random.h"
#include "util/buffer.h"

#define N_BLOCKS 20000
#define N_TXS 100
#define N_BODIES 10 /* different blocks but for their headers; the first one has the match */
#define SCRIPT 22
#define MATCH 37 /* the transaction that matches */
#define PEER 1
#define ROUNDS 9 /* of filtered blocks, which take 20 ms: the best one counts */

static struct {
    struct spv_chain *chain;
    struct spv_buffer bodies[N_BODIES]; /* blocks; the header is put in */
    struct spv_txid txids[N_BODIES][N_TXS];
    struct spv_tx match;
    struct spv_chain_header headers[N_BLOCKS + 1]; /* as stored */
    struct spv_buffer proofs[N_BLOCKS + 1];
    struct spv_effects effects;
    struct spv_peer_table peers;
    struct spv_block_fetch fetch;
    struct test_random random;
    uint64_t served_ns; /* spent by the peer */
    size_t n_matches;
} b;

static const struct spv_now now = {.mono_us = SPV_SECOND, .unix_s = INT64_C(1) << 32};

static void check(int rc, const char *what)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "bench_coin_sources: %s: %d\n", what, rc);
    exit(1);
}

/* ---- what the peer sends ---- */

static void put_tx(struct spv_buffer *out, bool coinbase, uint32_t number)
{
    uint8_t script[SCRIPT] = {0, 20}, prev[32] = {0};

    if (!coinbase)
        test_random_fill(&b.random, prev, sizeof prev);
    memcpy(script + 2, &number, sizeof number);
    spv_buffer_u32(out, 2);
    spv_buffer_u8(out, 1);
    spv_buffer_put(out, prev, sizeof prev);
    spv_buffer_u32(out, coinbase ? UINT32_MAX : 0);
    spv_buffer_u8(out, 2);
    spv_buffer_u16(out, 0x5151);
    spv_buffer_u32(out, UINT32_MAX);
    spv_buffer_u8(out, 2);
    for (size_t i = 0; i < 2; i++) {
        spv_buffer_u64(out, 1000);
        spv_buffer_u8(out, SCRIPT);
        spv_buffer_put(out, script, SCRIPT);
    }
    spv_buffer_u32(out, 0);
}

static void make_body(size_t at)
{
    static const uint8_t header[SPV_HEADER_SIZE];
    struct spv_buffer *out = &b.bodies[at];
    struct spv_block block;
    struct spv_tx tx;

    spv_buffer_init(out);
    spv_buffer_put(out, header, sizeof header);
    spv_buffer_compact(out, N_TXS);
    for (uint32_t i = 0; i < N_TXS; i++)
        put_tx(out, i == 0, at == 0 && i == MATCH ? 1 : 1000 + i);
    check(out->error, "memory");
    check(spv_block_parse(&block, out->data, out->len), "parse");
    struct spv_block_iter iter = spv_block_txs(&block);
    for (size_t i = 0; i < N_TXS && spv_block_next(&iter, &tx); i++) {
        spv_tx_txid(&b.txids[at][i], &tx);
        if (at == 0 && i == MATCH)
            b.match = tx;
    }
}

static void make_proof(uint32_t height)
{
    const uint32_t position = MATCH;
    const bool matches = height % N_BODIES == 0;
    struct spv_merkle_proof *proof;

    check(spv_merkle_proof_new(&proof, &b.headers[height].header, b.txids[height % N_BODIES], N_TXS,
                               &position, matches ? 1 : 0),
          "proof");
    const struct spv_msg_merkleblock *msg = spv_merkle_proof_message(proof);
    spv_buffer_init(&b.proofs[height]);
    uint8_t *bytes = spv_buffer_extend(&b.proofs[height], spv_merkle_encoded_size(msg));
    check(bytes ? 0 : SPV_ERR_NOMEM, "memory");
    check(spv_merkle_encode(bytes, b.proofs[height].len, msg), "encode");
    spv_merkle_proof_free(proof);
}

static int read_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    (void)ctx;
    if (height > N_BLOCKS)
        return 0;
    *out = b.headers[height];
    return 1;
}

static int read_tip(void *ctx, struct spv_chain_header *out)
{
    return read_height(ctx, out, N_BLOCKS);
}

static int read_hash(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash)
{
    (void)ctx;
    for (uint32_t h = 0; h <= N_BLOCKS; h++)
        if (spv_blockhash_eq(&b.headers[h].hash, hash))
            return read_height(NULL, out, h);
    return 0;
}

static int read_range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    uint32_t i = 0;

    (void)ctx;
    for (; i < n && from + i <= N_BLOCKS; i++)
        out[i] = b.headers[from + i].header;
    return (int)i;
}

/* Mined on a chain without a database, then read by the one that is used. */
static void make_chain(void)
{
    struct spv_chain_config cfg = {.params = spv_params_get(SPV_REGTEST)};
    struct spv_accept_result result;
    struct spv_blockhash hash;

    check(spv_chain_new(&b.chain, &cfg), "chain");
    b.headers[0] = *spv_chain_tip(b.chain);
    for (uint32_t h = 1; h <= N_BLOCKS; h++) {
        const struct spv_chain_header *tip = spv_chain_tip(b.chain);
        struct spv_header header = {.version = 4,
                                    .prev = tip->hash,
                                    .time = tip->header.time + 600,
                                    .bits = tip->header.bits};
        check(spv_merkle_root(&header.merkle_root, b.txids[h % N_BODIES], N_TXS), "root");
        check(spv_mine_header(&header, &hash), "mine");
        check(spv_chain_accept(b.chain, &result, &header, 1, now), "accept");
        spv_chain_stored(b.chain);
        b.headers[h] = *spv_chain_tip(b.chain);
        make_proof(h);
    }
    spv_chain_free(b.chain);
    cfg.header_db = (struct spv_header_db){
        .tip = read_tip, .by_height = read_height, .by_hash = read_hash, .range = read_range};
    check(spv_chain_new(&b.chain, &cfg), "chain");
}

static uint32_t next_height; /* what was requested last; requests ascend, but for those after */

static uint32_t height_of(const struct spv_hash256 *hash)
{
    for (uint32_t i = 0; i < N_BLOCKS; i++) {
        const uint32_t h = 1 + (next_height + i) % N_BLOCKS;
        if (memcmp(b.headers[h].hash.b, hash->b, sizeof hash->b) == 0) {
            next_height = h;
            return h;
        }
    }
    check(SPV_ERR_NOT_FOUND, "height");
    return 0;
}

/* ---- the lower bounds ---- */

static double bound_of_blocks(void)
{
    static struct spv_txid txids[N_TXS];
    const uint64_t start = bench_now_ns();

    for (uint32_t h = 1; h <= N_BLOCKS; h++) {
        const struct spv_buffer *body = &b.bodies[h % N_BODIES];
        struct spv_hash256 root;
        struct spv_block block;
        struct spv_tx tx;
        check(spv_block_parse(&block, body->data, body->len), "parse");
        struct spv_block_iter iter = spv_block_txs(&block);
        for (size_t i = 0; i < N_TXS && spv_block_next(&iter, &tx); i++)
            spv_tx_txid(&txids[i], &tx);
        check(spv_merkle_root(&root, txids, N_TXS), "root");
    }
    return (double)(bench_now_ns() - start) / 1e6;
}

static double bound_of_bloom(void)
{
    struct spv_merkle_match matches[N_TXS];
    const uint64_t start = bench_now_ns();

    for (uint32_t h = 1; h <= N_BLOCKS; h++) {
        struct spv_msg_merkleblock msg;
        struct spv_txid txid;
        check(spv_merkle_parse(&msg, b.proofs[h].data, b.proofs[h].len), "parse");
        const int n = spv_merkle_verify(matches, &msg);
        check(n, "verify");
        if (n > 0)
            spv_tx_txid(&txid, &b.match);
    }
    return (double)(bench_now_ns() - start) / 1e6;
}

/* ---- the scans ---- */

static struct spv_block_scan *whole;
static struct spv_bloom_scan *bloom;

static void send_block(uint32_t h)
{
    const struct spv_buffer *body = &b.bodies[h % N_BODIES];
    struct spv_fetched_block out;
    struct spv_block block;

    spv_header_encode(body->data, &b.headers[h].header);
    check(spv_block_parse(&block, body->data, body->len), "parse");
    const int rc = spv_block_fetch_recv(&b.fetch, &out, PEER, &block, now);
    check(rc, "recv");
    if (rc == 1)
        check(spv_block_scan_block(whole, &out), "block");
}

static void send_filtered(uint32_t h)
{
    struct spv_msg_merkleblock msg;

    check(spv_merkle_parse(&msg, b.proofs[h].data, b.proofs[h].len), "parse");
    check(spv_bloom_scan_merkleblock(bloom, PEER, &msg, now), "merkleblock");
    if (h % N_BODIES == 0)
        check(spv_bloom_scan_tx(bloom, PEER, &b.match, now), "tx");
}

static void run_effect(const struct spv_effect *e)
{
    const struct spv_msg_inv *inv = &e->message.u.inv;

    if (e->message.command == SPV_CMD_PING)
        check(spv_bloom_scan_pong(bloom, PEER, &e->message.u.ping, now), "pong");
    for (size_t i = 0; e->message.command == SPV_CMD_GETDATA && i < inv->n; i++) {
        const uint64_t start = bench_now_ns();
        const uint32_t h = height_of(&inv->items[i].hash);
        b.served_ns += bench_now_ns() - start;
        if (bloom)
            send_filtered(h);
        else
            send_block(h);
    }
}

static double scan(void)
{
    struct spv_source_event event = {.kind = SPV_SOURCE_EVENT_FOUND};
    struct spv_effect e;
    const uint64_t start = bench_now_ns();

    b.served_ns = 0;
    b.n_matches = 0;
    while (event.kind != SPV_SOURCE_EVENT_DONE) {
        check(bloom ? spv_bloom_scan_run(bloom, N_BLOCKS, true, now)
                    : spv_block_scan_run(whole, N_BLOCKS, true, now),
              "run");
        if ((bloom ? spv_bloom_scan_next(bloom, &event) : spv_block_scan_next(whole, &event)) == 1)
            b.n_matches += event.kind == SPV_SOURCE_EVENT_FOUND;
        else if (spv_effects_pop(&b.effects, &e) == 1)
            run_effect(&e);
        else
            check(SPV_ERR_STATE, "nothing left to do");
    }
    return (double)(bench_now_ns() - start - b.served_ns) / 1e6;
}

static void open_peers(void)
{
    memset(&b.peers, 0, sizeof b.peers);
    spv_effects_free(&b.effects);
    spv_effects_init(&b.effects);
    spv_block_fetch_init(&b.fetch, b.chain, spv_params_get(SPV_REGTEST), &b.effects, &b.peers,
                         test_random_rng(&b.random));
    struct spv_peer_entry *p = spv_peer_table_add(&b.peers, PEER);
    p->services = SPV_NODE_NETWORK | SPV_NODE_WITNESS | SPV_NODE_BLOOM;
    p->start_height = N_BLOCKS;
    check(spv_block_fetch_add(&b.fetch, PEER, now), "peer");
}

static void bench_whole(void)
{
    const struct spv_block_scan_config cfg = {.chain = b.chain, .blocks = &b.fetch};
    const double bound = bound_of_blocks();

    open_peers();
    check(spv_block_scan_new(&whole, &cfg), "new");
    check(spv_block_scan_begin(whole, 1, N_BLOCKS), "begin");
    bench_cost("scan of 20,000 whole blocks", scan(), bound, "ms");
    if (b.n_matches != N_BLOCKS)
        check(SPV_ERR_STATE, "blocks are missing");
    spv_block_scan_free(whole);
}

static void bench_bloom(void)
{
    const struct spv_bloom_scan_config cfg = {.chain = b.chain,
                                              .peers = &b.peers,
                                              .effects = &b.effects,
                                              .blocks = &b.fetch,
                                              .rng = test_random_rng(&b.random)};
    uint8_t bytes[SCRIPT] = {0, 20, 1};
    const struct spv_bytes script = {bytes, SCRIPT};
    double best = 1e9, bound = 1e9;

    for (unsigned i = 0; i < ROUNDS; i++) {
        const double this_bound = bound_of_bloom();
        open_peers();
        check(spv_bloom_scan_new(&bloom, &cfg), "new");
        check(spv_bloom_scan_begin(bloom, &script, 1, 1, N_BLOCKS), "begin");
        const double cost = scan();
        if (b.n_matches != N_BLOCKS / N_BODIES)
            check(SPV_ERR_STATE, "matches are missing");
        spv_bloom_scan_free(bloom);
        best = cost < best ? cost : best;
        bound = this_bound < bound ? this_bound : bound;
    }
    bench_cost("scan of 20,000 filtered blocks", best, bound, "ms");
}

int main(void)
{
    b.random.state = 1;
    for (size_t i = 0; i < N_BODIES; i++)
        make_body(i);
    make_chain();
    bench_whole();
    bench_bloom();
    spv_effects_free(&b.effects);
    spv_chain_free(b.chain);
    for (size_t i = 0; i < N_BODIES; i++)
        spv_buffer_free(&b.bodies[i]);
    for (uint32_t h = 1; h <= N_BLOCKS; h++)
        spv_buffer_free(&b.proofs[h]);
    return 0;
}
