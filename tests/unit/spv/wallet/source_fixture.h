/* A small chain with payments, peers that serve it (BIP37 and whole blocks), and one of the two
 * sources of coins between them and a wallet of numbered scripts. Peers process what they get in
 * order, one message at a time in turn; each fault is a field. */
#ifndef SPV_TESTS_WALLET_SOURCE_FIXTURE_H
#define SPV_TESTS_WALLET_SOURCE_FIXTURE_H

#include "chain_builder.h"
#include "support/random.h"

#include "spv/wallet/block_scan.h"
#include "spv/wallet/bloom_scan.h"

#define SOURCE_BLOCKS 500
#define SOURCE_PEERS 4
#define SOURCE_TXS 6 /* of a block */
#define SOURCE_SCRIPT 22 /* bytes */
#define SOURCE_QUEUE 8192
#define SOURCE_SERVICES (SPV_NODE_NETWORK | SPV_NODE_WITNESS | SPV_NODE_BLOOM)

struct source_tx {
    struct built_tx built;
    uint32_t scripts[2]; /* numbers that its outputs pay; 0: none */
};

struct source_block {
    struct source_tx txs[SOURCE_TXS]; /* the coinbase first; made by source_tx_add */
    size_t n;
    struct spv_txid txids[SOURCE_TXS];
    uint8_t *bytes;
    struct spv_block block;
    struct spv_blockhash hash;
};

struct source_message {
    enum { SOURCE_FILTERED, SOURCE_PING } kind;
    struct spv_blockhash hash;
    uint64_t nonce;
};

struct source_peer {
    uint64_t id; /* 0: none */
    struct spv_bloom *filter;
    struct source_message *queue;
    size_t first, n_queued;
    size_t n_loads, n_mempool, n_getdata, n_pings, n_tx_requests;
    uint32_t lowest, highest; /* heights that were requested */
    uint32_t n_filtered;
    uint32_t tweak;
    size_t n_bytes; /* of its filter */
    /* faults */
    bool is_silent;
    bool lacks_all; /* answers pings only */
    bool no_update; /* does not add outpoints */
    uint32_t omits; /* a height where it matches nothing; 0: none */
    uint32_t false_root; /* a height where it sends a tree of other hashes */
    uint32_t lacks_txs; /* a height where the last transaction does not follow */
    uint32_t other_tx; /* a height where a transaction of another block follows */
    uint32_t swaps_txs; /* a height where they follow in reverse order */
    uint32_t adds_witness; /* a height where transactions have a witness that nothing commits to */
    bool is_backwards; /* answers the last block of a batch first */
    uint32_t stops_at; /* disconnects when asked for this height */
    uint32_t unrequested; /* sends each block once more */
};

struct source_event_row {
    enum spv_source_event_kind kind;
    uint32_t height;
    size_t n; /* transactions that concern the wallet */
    bool whole;
};

struct source_fixture {
    uint64_t seed;
    struct spv_chain *chain;
    uint32_t tip;
    struct source_block blocks[SOURCE_BLOCKS + 1]; /* by height */
    struct spv_effects effects;
    struct spv_peer_table table;
    struct spv_block_fetch fetch;
    struct spv_bloom_scan *bloom; /* one of the two */
    struct spv_block_scan *whole;
    struct test_random random;
    struct spv_now now;
    struct source_peer peers[SOURCE_PEERS];
    size_t n_forbidden; /* filteradd and filterclear, which nobody may send */
    size_t n_whole_requests;
    uint64_t dropped; /* the last peer that was, and why */
    int drop_error;
    bool keeps_dropped; /* they stay connected */
    size_t max_in_flight;
    int failed; /* the first failure of the source */

    /* the wallet: scripts 1 to n_scripts; the last one that is paid brings the next one */
    uint32_t n_scripts;
    uint32_t script_limit; /* no more than these; 0: n_scripts stays */
    uint32_t
        scripts_from; /* height from which new ones are scanned for; 0: that of the block found */
    bool found[SOURCE_BLOCKS + 1][SOURCE_TXS];
    struct source_event_row events[4096];
    size_t n_events;
};

/* Opens a chain with genesis only. */
void source_open(struct source_fixture *f, uint64_t seed);
void source_close(struct source_fixture *f);
/* The script of a number. */
struct spv_bytes source_script(uint8_t out[SOURCE_SCRIPT], uint32_t number);

/* Adds a transaction to the next block: it spends output vout of a transaction of a lower block or
 * the same (NULL: an output of nobody) and pays scripts a and b (0: nobody's). Returns its
 * number in the block. */
size_t source_pay(struct source_fixture *f, const struct built_tx *spends, uint32_t vout,
                  uint32_t a, uint32_t b);
/* Adds one with these bytes. */
void source_add_raw(struct source_fixture *f, const uint8_t *bytes, size_t n);
/* Mines the next block. Returns its height. */
uint32_t source_mine(struct source_fixture *f);
void source_mine_to(struct source_fixture *f, uint32_t height);
struct built_tx *source_tx(struct source_fixture *f, uint32_t height, size_t n);
/* Removes the blocks above a height; others are mined by the caller. */
void source_reorganise(struct source_fixture *f, uint32_t height);

void source_start_bloom(struct source_fixture *f, struct spv_bloom_params params, bool cross_check,
                        int64_t whole_from);
void source_start_blocks(struct source_fixture *f);
struct source_peer *source_connect(struct source_fixture *f, uint64_t id, uint64_t services);
void source_disconnect(struct source_fixture *f, uint64_t id);
struct source_peer *source_peer(struct source_fixture *f, uint64_t id);
/* Begins with scripts 1 to n. */
int source_begin(struct source_fixture *f, uint32_t n, uint32_t first, uint32_t last);
int source_watch(struct source_fixture *f, uint32_t number, uint32_t from);
/* Peers answer and the wallet takes events until nothing is left to do now. */
void source_run(struct source_fixture *f);
/* One call of the source, and the effects it has; no peer answers. */
void source_step(struct source_fixture *f);
/* Moves the clock, runs timers on the way. */
void source_wait(struct source_fixture *f, uint64_t us);
size_t source_matches(const struct source_fixture *f, uint32_t height);
/* Compares what was found with the fixed point over all blocks from a height on. */
void source_check(const struct source_fixture *f, uint32_t first);

#endif
