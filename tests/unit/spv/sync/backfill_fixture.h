/* Shared by the checkpoint start and backfill tests: a node over a store in memory that may
 * begin at a base, and peers that answer as the test decides. Periods are twelve blocks long (a
 * median's span and one), and difficulty changes with each. */
#ifndef SPV_TESTS_UNIT_SPV_SYNC_BACKFILL_FIXTURE_H
#define SPV_TESTS_UNIT_SPV_SYNC_BACKFILL_FIXTURE_H

#include "spv/node.h"
#include "support/request_tags.h"
#include "unit/spv/chain/chain_fixture.h"

#define TOP 120
#define PERIOD 12
#define END 71 /* the checkpoint where it starts */
#define BASE 60
#define REQUESTS 64
#define PEERS 4

/* A store in memory that may begin at a base. */
struct store {
    struct spv_chain_header at[TOP + 60];
    bool there[TOP + 60];
    uint32_t tip;
    struct spv_chain_start base;
    unsigned starts, fills;
    bool starts_relative; /* work values of a START count from its base */
    uint32_t filled_from; /* the lowest fork height of a BACKFILL */
};

/* A node, its store, its requests and its events. */
struct backfill_fixture {
    struct spv_params params;
    struct chain_fixture_headers chain; /* the honest one; headers[i] is at height i + 1 */
    struct spv_chain_header at[TOP + 1]; /* the same with hashes and works */
    struct spv_checkpoint checkpoints[TOP / PERIOD];
    size_t n_checkpoints;
    struct store store;
    int store_error;
    struct spv_node *node;
    struct spv_now now;
    struct {
        uint64_t peer; /* 0: unused */
        struct spv_blockhash from, stop;
    } request[REQUESTS];
    struct request_tags tags;
    size_t asked; /* total */
    uint64_t dialled[PEERS];
    size_t n_dialled;
    int closed[PEERS + 8]; /* by peer id: the error with which it was dropped */
    unsigned events[SPV_EVENT_FILTERS_SYNCED + 1];
};

/* Runs the node's effects. */
void backfill_fixture_pull(struct backfill_fixture *r);
/* The honest chain, an empty store, checkpoints at the ends of periods. */
void backfill_fixture_set(struct backfill_fixture *r);
/* Two manual peers, the checkpoints, a start at END. */
struct spv_node_config backfill_fixture_config(struct backfill_fixture *r);
/* Restarts the node over the current store; an error fails the test. */
void backfill_fixture_open(struct backfill_fixture *r, const struct spv_node_config *cfg);
void backfill_fixture_unset(struct backfill_fixture *r);
/* Completes the handshake of the which-th dialled peer; returns its id. */
uint64_t backfill_fixture_connect(struct backfill_fixture *r, size_t which);
/* A headers message of a peer. */
void backfill_fixture_headers(struct backfill_fixture *r, uint64_t peer,
                              const struct spv_header *headers, size_t n);
/* Answers one open request of the peer from a chain, as an honest node does; returns false when
 * there is none. */
bool backfill_fixture_answer(struct backfill_fixture *r, uint64_t peer,
                             const struct chain_fixture_headers *chain);
/* Answers the peer's requests until it has none, or is disconnected. */
void backfill_fixture_serve(struct backfill_fixture *r, uint64_t peer,
                            const struct chain_fixture_headers *chain);
/* Stores the honest chain from the base on; work is summed from genesis, or the base. */
void backfill_fixture_check_store(struct backfill_fixture *r, uint32_t base, bool whole_work);

#endif
