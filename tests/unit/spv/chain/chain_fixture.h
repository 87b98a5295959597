/* What the chain's tests share: small networks whose retargets come every ten blocks, chains mined
 * in memory, a store in memory that can be damaged, and real headers from SPV_TEST_DATA. */
#ifndef SPV_TESTS_UNIT_SPV_CHAIN_CHAIN_FIXTURE_H
#define SPV_TESTS_UNIT_SPV_CHAIN_CHAIN_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "spv/chain.h"
#include "spv/mine.h"

#define KIT_INTERVAL 10 /* blocks a period of a small network */

/* Far enough ahead that no header of a test is in the future. */
extern const struct spv_now kit_late;

/* Rules of a kind of network with regtest's limit and periods of ten blocks. */
enum kit_kind {
    KIT_PLAIN, /* mainnet's and signet's rules */
    KIT_MIN_DIFFICULTY, /* testnet3's, simnet's */
    KIT_BIP94, /* testnet4's */
    KIT_NO_RETARGET, /* regtest's */
};
struct spv_params kit_params(enum kit_kind kind);

/* A chain without checkpoints and reader. */
struct spv_chain *kit_chain(const struct spv_params *params);

/* Headers on a heap; headers[i] is at height i + 1. */
struct kit_headers {
    struct spv_header *headers;
    size_t n;
    size_t cap;
};
void kit_push(struct kit_headers *h, const struct spv_header *header);
void kit_headers_free(struct kit_headers *h);

/* n headers after the first `fork` of base (NULL: after genesis), mined with spacing and seed, and
 * those of base before them. */
struct kit_headers kit_mined(const struct spv_params *params, const struct kit_headers *base,
                             uint32_t fork, uint32_t n, uint32_t spacing, uint64_t seed);

/* The same with uneven spacings, so that networks with minimum difficulty get some of it. */
struct kit_headers kit_uneven(const struct spv_params *params, const struct kit_headers *base,
                              uint32_t fork, uint32_t n, uint64_t seed);

/* Sets the nonce to one that meets the bits, or (miss) to one that does not. */
void kit_work(struct spv_header *header);
void kit_miss(struct spv_header *header);
struct spv_blockhash kit_hash(const struct spv_header *header);

/* The next header on the chain's tip, mined: time seconds after the tip, bits by the rules. */
struct spv_header kit_next(const struct spv_chain *c, uint32_t seconds);

/* Accepts and acknowledges headers[from..to), in batches, each of which must be taken whole. */
void kit_feed(struct spv_chain *c, const struct kit_headers *h, size_t from, size_t to);
/* Accepts one header, and returns the verdict's error. */
int kit_judge(struct spv_chain *c, const struct spv_header *header, struct spv_now now);

/* A store in memory: records[i] is at height i. */
struct kit_store {
    struct spv_record *records;
    size_t n;
    size_t cap;
    bool indexed;
    size_t reads;
    struct spv_record *side; /* off the best chain */
    size_t n_side;
    size_t cap_side;
};
void kit_store_init(struct kit_store *s, const struct spv_params *params);
void kit_store_apply(struct kit_store *s, const struct spv_change *change);
void kit_store_free(struct kit_store *s);
struct spv_reader kit_reader(struct kit_store *s);
/* As kit_feed, and the store applies each change. */
void kit_feed_stored(struct spv_chain *c, struct kit_store *s, const struct kit_headers *h,
                     size_t from, size_t to);

/* A file of raw headers under SPV_TEST_DATA; false, saying so, when it is not there. */
bool kit_real(struct kit_headers *out, const char *name);

#endif
