/* A test fixture for a node: runs effects in memory, one peer at a time, with the test's own
 * clock. Shared by the node's tests. */
#ifndef SPV_TESTS_UNIT_SPV_NODE_NODE_FIXTURE_H
#define SPV_TESTS_UNIT_SPV_NODE_NODE_FIXTURE_H

#include "spv/mine.h"
#include "spv/node.h"

#define NODE_FIXTURE_EFFECTS 4096

/* A mined regtest chain: headers[i] is height i, genesis included. */
struct test_chain {
    struct spv_header *headers;
    struct spv_blockhash *hashes;
    uint32_t n;
};

/* Mines n headers after genesis. Forks off `base` at height `fork` when base is not NULL. */
struct test_chain test_chain_mine(uint32_t n, uint64_t seed, const struct test_chain *base,
                                  uint32_t fork);
void test_chain_free(struct test_chain *c);

struct node_fixture {
    struct spv_node *node;
    struct spv_now now;
    uint64_t rng;
    struct spv_effect
        log[NODE_FIXTURE_EFFECTS]; /* every effect, in order; pointers in it are stale */
    size_t n;
    size_t seen; /* where the last search ended */
    int store_error;
    struct spv_chain_header tip; /* of the last STORE */
};

struct spv_rng node_fixture_rng(struct node_fixture *s);
struct node_fixture *node_fixture_new(struct spv_node_config *cfg, size_t n_connect);
void node_fixture_free(struct node_fixture *s);

/* Pulls all effects into the log and acknowledges stores. */
void node_fixture_pull(struct node_fixture *s);
/* The next logged effect of this kind since the last call, or NULL. */
const struct spv_effect *node_fixture_next(struct node_fixture *s, enum spv_effect_kind kind);
const struct spv_effect *node_fixture_next_event(struct node_fixture *s, enum spv_event_kind kind);
/* How many effects or events of a kind there were in total. */
size_t node_fixture_events(const struct node_fixture *s, enum spv_event_kind kind);

/* Completes the handshake of the next dialled peer with this start height; returns its id. */
uint64_t node_fixture_connect(struct node_fixture *s, int32_t height, uint64_t services);
void node_fixture_headers(struct node_fixture *s, uint64_t peer, const struct spv_header *headers,
                          size_t n);
void node_fixture_inv(struct node_fixture *s, uint64_t peer, const struct spv_blockhash *hash);
void node_fixture_close(struct node_fixture *s, uint64_t peer, int error);
void node_fixture_timer(struct node_fixture *s);
/* Moves the clock to the node's next deadline and fires it. */
void node_fixture_sleep_until_deadline(struct node_fixture *s);

/* Answers every open getheaders of `peer` in the log from the chain, until it sends no more;
 * returns how many requests it answered. */
size_t node_fixture_serve(struct node_fixture *s, uint64_t peer, const struct test_chain *chain);

#endif
