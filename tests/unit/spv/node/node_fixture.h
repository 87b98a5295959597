/* A shell for a node under test: carries effects out in memory, one peer at a time, with the test's
 * own clock. Shared by the node's tests. */
#ifndef SPV_TESTS_UNIT_SPV_NODE_NODE_FIXTURE_H
#define SPV_TESTS_UNIT_SPV_NODE_NODE_FIXTURE_H

#include "spv/mine.h"
#include "spv/node.h"

#define SHELL_LOG 4096

/* A mined regtest chain: headers[i] is height i, genesis included. */
struct test_chain {
    struct spv_header *headers;
    struct spv_blockhash *hashes;
    uint32_t n;
};

/* n headers after genesis. Forks off `base` at height `fork` when base is not NULL. */
struct test_chain test_chain_mine(uint32_t n, uint64_t seed, const struct test_chain *base,
                                  uint32_t fork);
void test_chain_free(struct test_chain *c);

struct shell {
    struct spv_node *node;
    struct spv_now now;
    uint64_t rng;
    struct spv_effect log[SHELL_LOG]; /* every effect, in order; pointers in it are stale */
    size_t n;
    size_t seen; /* where the last search ended */
    int store_error;
    struct spv_record tip; /* of the last STORE */
};

struct spv_rng shell_rng(struct shell *s);
struct shell *shell_new(struct spv_node_config *cfg, size_t n_connect);
void shell_free(struct shell *s);

/* Pulls all effects into the log and acknowledges stores. */
void shell_pull(struct shell *s);
/* The next logged effect of this kind since the last call, or NULL. */
const struct spv_effect *shell_next(struct shell *s, enum spv_effect_kind kind);
const struct spv_effect *shell_next_event(struct shell *s, enum spv_event_kind kind);
/* How many effects or events of a kind there were in all. */
size_t shell_events(const struct shell *s, enum spv_event_kind kind);

/* The next dialled peer is ready and claims this height; returns its id. */
uint64_t shell_connect(struct shell *s, int32_t height, uint64_t services);
void shell_headers(struct shell *s, uint64_t peer, const struct spv_header *headers, size_t n);
void shell_inv(struct shell *s, uint64_t peer, const struct spv_blockhash *hash);
void shell_close(struct shell *s, uint64_t peer, int error);
void shell_timer(struct shell *s);
/* Moves the clock to the node's next deadline and fires it. */
void shell_sleep_until_deadline(struct shell *s);

/* Answers every open getheaders of `peer` in the log from the chain, until it asks no more; returns
 * how many requests it answered. */
size_t shell_serve(struct shell *s, uint64_t peer, const struct test_chain *chain);

#endif
