/* Shared by the chain's tests: small networks with retargets every ten blocks, chains mined in
 * memory, a store in memory that can be damaged, and real headers from SPV_TEST_DATA. */
#ifndef SPV_TESTS_UNIT_SPV_CHAIN_CHAIN_FIXTURE_H
#define SPV_TESTS_UNIT_SPV_CHAIN_CHAIN_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "spv/chain.h"
#include "spv/mine.h"

#define CHAIN_FIXTURE_INTERVAL 10 /* blocks a period of a small network */

/* Far enough ahead that no header of a test is in the future. */
extern const struct spv_now chain_fixture_late;

/* Rules of a kind of network with regtest's limit and periods of ten blocks. */
enum chain_fixture_kind {
    CHAIN_FIXTURE_PLAIN, /* mainnet's and signet's rules */
    CHAIN_FIXTURE_MIN_DIFFICULTY, /* testnet3's, simnet's */
    CHAIN_FIXTURE_BIP94, /* testnet4's */
    CHAIN_FIXTURE_NO_RETARGET, /* regtest's */
};
struct spv_params chain_fixture_params(enum chain_fixture_kind kind);

/* A chain without checkpoints and header database. */
struct spv_chain *chain_fixture_chain(const struct spv_params *params);

/* Headers on a heap; headers[i] is at height i + 1. */
struct chain_fixture_headers {
    struct spv_header *headers;
    size_t n;
    size_t cap;
};
void chain_fixture_push(struct chain_fixture_headers *h, const struct spv_header *header);
void chain_fixture_headers_free(struct chain_fixture_headers *h);

/* n headers after the first `fork` of base (NULL: after genesis), mined with spacing and seed, and
 * those of base before them. */
struct chain_fixture_headers chain_fixture_mined(const struct spv_params *params,
                                                 const struct chain_fixture_headers *base,
                                                 uint32_t fork, uint32_t n, uint32_t spacing,
                                                 uint64_t seed);

/* The same with uneven spacings, so that networks with minimum difficulty have some such blocks. */
struct chain_fixture_headers chain_fixture_uneven(const struct spv_params *params,
                                                  const struct chain_fixture_headers *base,
                                                  uint32_t fork, uint32_t n, uint64_t seed);

/* Sets the nonce to one that meets the bits, or (miss) to one that does not. */
void chain_fixture_work(struct spv_header *header);
void chain_fixture_miss(struct spv_header *header);
struct spv_blockhash chain_fixture_hash(const struct spv_header *header);

/* The next header on the chain's tip, mined: time seconds after the tip, bits by the rules. */
struct spv_header chain_fixture_next(const struct spv_chain *c, uint32_t seconds);

/* Accepts and acknowledges headers[from..to), in batches, each of which must be accepted
 * completely. */
void chain_fixture_feed(struct spv_chain *c, const struct chain_fixture_headers *h, size_t from,
                        size_t to);
/* Accepts one header, and returns the result's error. */
int chain_fixture_accept(struct spv_chain *c, const struct spv_header *header, struct spv_now now);

/* A store in memory: records[i] is at height i. */
struct chain_fixture_store {
    struct spv_chain_header *records;
    size_t n;
    size_t cap;
    bool indexed;
    size_t reads;
    struct spv_chain_header *side; /* off the best chain */
    size_t n_side;
    size_t cap_side;
};
void chain_fixture_store_init(struct chain_fixture_store *s, const struct spv_params *params);
void chain_fixture_store_apply(struct chain_fixture_store *s,
                               const struct spv_chain_update *change);
void chain_fixture_store_free(struct chain_fixture_store *s);
struct spv_header_db chain_fixture_reader(struct chain_fixture_store *s);
/* Like kit_feed, and the store applies each update. */
void chain_fixture_feed_stored(struct spv_chain *c, struct chain_fixture_store *s,
                               const struct chain_fixture_headers *h, size_t from, size_t to);

/* Reads a file of raw headers under SPV_TEST_DATA; returns false and prints a message when it is
 * missing. */
bool chain_fixture_real(struct chain_fixture_headers *out, const char *name);

#endif
