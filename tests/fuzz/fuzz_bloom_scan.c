/* A scan with bloom filters and its peers: the input is a first byte (1: cross check, 2: whole
 * blocks for amounts) and a script of steps of 3 bytes, op % 10, a, b.
 *
 *     0, 1 peer a % 3 answers its oldest (1: its b-th) message
 *     2    it sends the filtered block of height a with byte b of its proof changed
 *     3    it sends transaction b of block a
 *     4    it sends the pong of its newest ping, or one of nonce b
 *     5    it disconnects, and another peer connects
 *     6    b * 500 ms elapse
 *     7    script a % 8 is watched from height b on
 *     8    the blocks above height a are undone, and done again
 *     9    wanted whole blocks arrive; transaction b of block a is announced
 * Invariants: reported transactions are proven to be in their block of the best chain; only
 * filterload changes filters; memory stays bounded; a peer that sent nothing that was changed is
 * not disconnected for invalid data. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "spv/bloom.h"
#include "spv/chain.h"
#include "spv/merkle.h"
#include "spv/mine.h"
#include "spv/wallet/bloom_scan.h"
#include "support/random.h"
#include "util/buffer.h"

#define TIP 60
#define TXS 3
#define PEERS 3
#define QUEUE 4096
#define SERVICES (SPV_NODE_NETWORK | SPV_NODE_WITNESS | SPV_NODE_BLOOM)
#define SCRIPT 22

static struct spv_chain *chain;
static struct {
    struct spv_buffer bytes;
    struct spv_block block;
    struct spv_blockhash hash;
    struct spv_tx txs[TXS];
    struct spv_txid txids[TXS];
} blocks[TIP + 1];

struct message {
    bool is_ping;
    uint64_t nonce;
    uint32_t height; /* of a filtered block */
};

struct fuzz {
    struct spv_effects effects;
    struct spv_peer_table peers;
    struct spv_block_fetch fetch;
    struct spv_bloom_scan *scan;
    struct test_random random;
    struct spv_now now;
    uint32_t wanted[64]; /* whole blocks, with the peer that was asked */
    uint64_t wanted_of[64];
    size_t n_wanted;
    struct {
        uint64_t id;
        bool has_lied;
        struct spv_bloom *filter;
        struct message queue[QUEUE];
        size_t n;
    } peer[PEERS];
    uint64_t next_id;
};

static struct fuzz f;

static void put_tx(struct spv_buffer *b, const struct spv_txid *prev, uint32_t vout,
                   uint32_t script)
{
    static const uint8_t zero[32];
    uint8_t bytes[SCRIPT] = {0, 20};

    memcpy(bytes + 2, &script, sizeof script);
    spv_buffer_u32(b, 2);
    spv_buffer_u8(b, 1);
    spv_buffer_put(b, prev ? prev->b : zero, 32);
    spv_buffer_u32(b, prev ? vout : UINT32_MAX);
    spv_buffer_u8(b, 2);
    spv_buffer_put(b, &script, 2);
    spv_buffer_u32(b, UINT32_MAX);
    spv_buffer_u8(b, 1);
    spv_buffer_u64(b, 1000 + script);
    spv_buffer_u8(b, SCRIPT);
    spv_buffer_put(b, bytes, SCRIPT);
    spv_buffer_u32(b, script);
}

/* Block h pays scripts h % 8 and 100 + h, and spends what block h - 3 paid. */
static void mine(void)
{
    const struct spv_chain_config cfg = {.params = spv_params_get(SPV_REGTEST)};
    struct spv_accept_result result;

    FUZZ_CHECK(spv_chain_new(&chain, &cfg) == 0);
    for (uint32_t h = 1; h <= TIP; h++) {
        const struct spv_chain_header *tip = spv_chain_tip(chain);
        struct spv_header header = {.version = 4,
                                    .prev = tip->hash,
                                    .time = tip->header.time + 600,
                                    .bits = tip->header.bits};
        struct spv_buffer *b = &blocks[h].bytes;
        const struct spv_txid other = {{(uint8_t)h, 1}};
        static const uint8_t raw[SPV_HEADER_SIZE];
        spv_buffer_init(b);
        spv_buffer_put(b, raw, sizeof raw);
        spv_buffer_u8(b, TXS);
        put_tx(b, NULL, 0, 1000 + h);
        put_tx(b, h > 3 ? &blocks[h - 3].txids[2] : &other, 0, 100 + h);
        put_tx(b, &other, h, h % 8);
        FUZZ_CHECK(b->error == 0 && spv_block_parse(&blocks[h].block, b->data, b->len) == 0);
        struct spv_block_iter iter = spv_block_txs(&blocks[h].block);
        for (size_t i = 0; i < TXS; i++) {
            FUZZ_CHECK(spv_block_next(&iter, &blocks[h].txs[i]));
            spv_tx_txid(&blocks[h].txids[i], &blocks[h].txs[i]);
        }
        FUZZ_CHECK(spv_merkle_root(&header.merkle_root, blocks[h].txids, TXS) == 0);
        FUZZ_CHECK(spv_mine_header(&header, &blocks[h].hash) == 0);
        spv_header_encode(b->data, &header);
        FUZZ_CHECK(spv_block_parse(&blocks[h].block, b->data, b->len) == 0);
        FUZZ_CHECK(spv_chain_accept(chain, &result, &header, 1,
                                    (struct spv_now){.unix_s = INT64_C(1) << 32}) == 0);
        spv_chain_stored(chain);
    }
}

static void connect_peer(size_t i)
{
    struct spv_peer_entry *p = spv_peer_table_add(&f.peers, ++f.next_id);

    FUZZ_CHECK(p);
    p->services = SERVICES;
    p->start_height = TIP;
    f.peer[i].id = f.next_id;
    f.peer[i].has_lied = false;
    f.peer[i].n = 0;
    FUZZ_CHECK(spv_block_fetch_add(&f.fetch, f.next_id, f.now) == 0);
    FUZZ_CHECK(spv_bloom_scan_add_peer(f.scan, f.next_id) == 0);
}

static void disconnect_peer(size_t i)
{
    spv_bloom_scan_remove_peer(f.scan, f.peer[i].id);
    FUZZ_CHECK(spv_block_fetch_remove(&f.fetch, f.peer[i].id, f.now) == 0);
    spv_effects_discard_sends(&f.effects, f.peer[i].id);
    spv_peer_table_remove(&f.peers, f.peer[i].id);
    spv_bloom_free(f.peer[i].filter);
    f.peer[i].filter = NULL;
}

static uint32_t height_of(const struct spv_hash256 *hash)
{
    uint32_t h = TIP;

    while (h > 0 && memcmp(blocks[h].hash.b, hash->b, 32) != 0)
        h--;
    return h;
}

static void take_getdata(size_t i, const struct spv_msg_inv *inv)
{
    for (size_t k = 0; k < inv->n; k++) {
        const uint32_t height = height_of(&inv->items[k].hash);
        if (inv->items[k].type == SPV_INV_FILTERED_BLOCK) {
            FUZZ_CHECK(height > 0 && f.peer[i].n < QUEUE);
            f.peer[i].queue[f.peer[i].n++] = (struct message){.height = height};
        } else if (height > 0 && f.n_wanted < 64) {
            f.wanted[f.n_wanted] = height;
            f.wanted_of[f.n_wanted++] = f.peer[i].id;
        }
    }
}

static void take_effect(const struct spv_effect *e)
{
    size_t i = 0;

    while (i < PEERS && f.peer[i].id != e->peer)
        i++;
    FUZZ_CHECK(i < PEERS && e->kind == SPV_EFFECT_SEND);
    switch ((int)e->message.command) {
    case SPV_CMD_FILTERLOAD:
        spv_bloom_free(f.peer[i].filter);
        FUZZ_CHECK(spv_bloom_from_filterload(&f.peer[i].filter, &e->message.u.filterload) == 0);
        break;
    case SPV_CMD_GETDATA:
        take_getdata(i, &e->message.u.inv);
        break;
    case SPV_CMD_PING:
        FUZZ_CHECK(f.peer[i].n < QUEUE);
        f.peer[i].queue[f.peer[i].n++] =
            (struct message){.is_ping = true, .nonce = e->message.u.ping.nonce};
        break;
    default:
        FUZZ_CHECK(e->message.command == SPV_CMD_MEMPOOL);
    }
}

static void check_event(const struct spv_source_event *e)
{
    FUZZ_CHECK(e->kind != SPV_SOURCE_EVENT_FOUND || (e->height >= 1 && e->height <= TIP));
    for (size_t i = 0; i < e->n_txs; i++) {
        struct spv_merkle_match matches[TXS + 2];
        struct spv_msg_merkleblock proof;
        struct spv_txid txid;
        bool found = false;
        FUZZ_CHECK(spv_merkle_parse(&proof, e->txs[i].proof.bytes, e->txs[i].proof.n) == 0);
        FUZZ_CHECK(proof.n_hashes <= TXS + 2);
        const int n = spv_merkle_verify(matches, &proof);
        spv_tx_txid(&txid, &e->txs[i].tx);
        for (int k = 0; k < n; k++)
            found |= matches[k].position == e->txs[i].position &&
                     memcmp(matches[k].txid.b, txid.b, 32) == 0;
        FUZZ_CHECK(found && memcmp(proof.header.merkle_root.b,
                                   blocks[e->height].block.header.merkle_root.b, 32) == 0);
    }
}

static void run(void)
{
    struct spv_disconnect drop;
    struct spv_source_event event;
    struct spv_bloom_scan_stats stats;
    struct spv_effect e;

    for (unsigned i = 0; i < 300; i++) {
        FUZZ_CHECK(spv_bloom_scan_run(f.scan, TIP, true, f.now) == 0);
        while (spv_effects_pop(&f.effects, &e) == 1)
            take_effect(&e);
        if (spv_bloom_scan_next(f.scan, &event) != 1)
            break;
        check_event(&event);
    }
    while (spv_bloom_scan_next_disconnect(f.scan, &drop) == 1)
        for (size_t i = 0; i < PEERS; i++)
            if (f.peer[i].id == drop.id) {
                FUZZ_CHECK(f.peer[i].has_lied ||
                           spv_err_class_of(drop.error) != SPV_CLASS_MISBEHAVING);
                disconnect_peer(i);
                connect_peer(i);
            }
    spv_bloom_scan_get_stats(f.scan, &stats);
    FUZZ_CHECK(stats.memory < 1000000);
}

/* The filtered block, with a byte of its hashes or flags changed; -1: none. */
static void send_filtered(size_t i, uint32_t height, int byte)
{
    uint32_t positions[TXS];
    struct spv_merkle_proof *proof;
    struct spv_hash256 hashes[TXS + 2];
    uint8_t flags[4];
    size_t n = 0;

    for (uint32_t k = 0; f.peer[i].filter && k < TXS; k++)
        if (spv_bloom_match_tx(f.peer[i].filter, &blocks[height].txs[k]))
            positions[n++] = k;
    FUZZ_CHECK(spv_merkle_proof_new(&proof, &blocks[height].block.header, blocks[height].txids, TXS,
                                    positions, n) == 0);
    struct spv_msg_merkleblock msg = *spv_merkle_proof_message(proof);
    memcpy(hashes, msg.hashes, msg.n_hashes * sizeof hashes[0]);
    memcpy(flags, msg.flags, msg.n_flags);
    msg.hashes = hashes;
    msg.flags = flags;
    if (byte >= 0) {
        f.peer[i].has_lied = true;
        if ((size_t)byte < msg.n_hashes * 32)
            hashes[byte / 32].b[byte % 32] ^= 1;
        else if (byte < 200)
            flags[0] ^= (uint8_t)(1u << byte % 8);
        else
            msg.total += (uint32_t)byte - 199;
    }
    FUZZ_CHECK(spv_bloom_scan_merkleblock(f.scan, f.peer[i].id, &msg, f.now) >= 0);
    spv_merkle_proof_free(proof);
    for (size_t k = 0; byte < 0 && k < n; k++)
        FUZZ_CHECK(
            spv_bloom_scan_tx(f.scan, f.peer[i].id, &blocks[height].txs[positions[k]], f.now) >= 0);
}

static void answer(size_t i, size_t at)
{
    if (f.peer[i].n == 0)
        return;
    at %= f.peer[i].n;
    const struct message m = f.peer[i].queue[at];
    f.peer[i].n--;
    memmove(&f.peer[i].queue[at], &f.peer[i].queue[at + 1],
            (f.peer[i].n - at) * sizeof f.peer[i].queue[0]);
    if (m.is_ping) {
        const struct spv_msg_ping pong = {.has_nonce = true, .nonce = m.nonce};
        FUZZ_CHECK(spv_bloom_scan_pong(f.scan, f.peer[i].id, &pong, f.now) >= 0);
    } else {
        send_filtered(i, m.height, -1);
    }
}

static void send_whole(void)
{
    while (f.n_wanted > 0) {
        struct spv_fetched_block out;
        const uint32_t h = f.wanted[--f.n_wanted];
        const int rc =
            spv_block_fetch_recv(&f.fetch, &out, f.wanted_of[f.n_wanted], &blocks[h].block, f.now);
        FUZZ_CHECK(rc >= 0);
        if (rc == 1)
            FUZZ_CHECK(spv_bloom_scan_block(f.scan, &out) == 0);
    }
}

static void announce(size_t i, uint32_t height, size_t tx)
{
    struct spv_inv item = {.type = SPV_INV_TX};
    const struct spv_msg_inv msg = {.items = &item, .n = 1};

    memcpy(item.hash.b, blocks[height].txids[tx].b, 32);
    FUZZ_CHECK(spv_bloom_scan_inv(f.scan, f.peer[i].id, &msg) == 0);
}

static void step(const uint8_t *in)
{
    const size_t i = in[1] % PEERS;
    const uint32_t height = 1 + in[1] % TIP;
    uint8_t bytes[SCRIPT] = {0, 20, in[1] % 8};
    const struct spv_bytes script = {bytes, SCRIPT};
    const struct spv_msg_ping pong = {.has_nonce = true, .nonce = in[2]};

    switch (in[0] % 10) {
    case 0:
        answer(i, 0);
        break;
    case 1:
        answer(i, in[2]);
        break;
    case 2:
        send_filtered(i, height, in[2]);
        break;
    case 3:
        FUZZ_CHECK(
            spv_bloom_scan_tx(f.scan, f.peer[i].id, &blocks[height].txs[in[2] % TXS], f.now) >= 0);
        break;
    case 4:
        FUZZ_CHECK(spv_bloom_scan_pong(f.scan, f.peer[i].id, &pong, f.now) >= 0);
        break;
    case 5:
        disconnect_peer(i);
        connect_peer(i);
        break;
    case 6:
        f.now.mono_us += in[2] * (SPV_SECOND / 2);
        spv_bloom_scan_timer(f.scan, f.now);
        FUZZ_CHECK(spv_block_fetch_timer(&f.fetch, f.now) == 0);
        break;
    case 7:
        FUZZ_CHECK(spv_bloom_scan_add(f.scan, &script, 1, in[2] % (TIP + 2)) == 0);
        break;
    case 8:
        spv_bloom_scan_roll_back(f.scan, height);
        break;
    case 9:
        send_whole();
        announce(i, height, in[2] % TXS);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t bytes[SCRIPT] = {0, 20, 1};
    const struct spv_bytes script = {bytes, SCRIPT};

    if (!chain)
        mine();
    if (n == 0)
        return 0;
    memset(&f, 0, sizeof f);
    f.random.state = 1;
    f.now = (struct spv_now){.mono_us = 1000 * SPV_SECOND, .unix_s = INT64_C(1) << 32};
    spv_effects_init(&f.effects);
    spv_block_fetch_init(&f.fetch, chain, spv_params_get(SPV_REGTEST), &f.effects, &f.peers,
                         test_random_rng(&f.random));
    const struct spv_bloom_scan_config cfg = {.chain = chain,
                                              .peers = &f.peers,
                                              .effects = &f.effects,
                                              .blocks = &f.fetch,
                                              .rng = test_random_rng(&f.random),
                                              .cross_check = data[0] & 1,
                                              .whole_from = data[0] & 2 ? 1003 : 0};
    FUZZ_CHECK(spv_bloom_scan_new(&f.scan, &cfg) == 0);
    for (size_t i = 0; i < PEERS; i++)
        connect_peer(i);
    FUZZ_CHECK(spv_bloom_scan_begin(f.scan, &script, 1, 1, UINT32_MAX) == 0);
    run();
    for (size_t at = 1; at + 3 <= n && at < 1500; at += 3) {
        step(data + at);
        run();
    }
    spv_bloom_scan_free(f.scan);
    spv_effects_free(&f.effects);
    for (size_t i = 0; i < PEERS; i++)
        spv_bloom_free(f.peer[i].filter);
    return 0;
}
