/* A node that scans: it syncs a small regtest chain and its filter headers from peers that give
 * true filters and blocks, through the public calls only. Effects are executed in memory, in order,
 * and requests are answered in order; the clock is the test's own. The first failure of the node
 * ends everything, so that allocations may fail. */
#ifndef SPV_TESTS_UNIT_SPV_NODE_SCAN_NODE_FIXTURE_H
#define SPV_TESTS_UNIT_SPV_NODE_SCAN_NODE_FIXTURE_H

#include "support/random.h"
#include "unit/spv/filters/block_fixture.h"

#include "spv/filter.h"
#include "spv/node.h"

#define SCAN_NODE_BLOCKS 60
#define SCAN_NODE_PEERS 3
#define SCAN_NODE_REQUESTS 64

struct scan_node_filter {
    uint8_t *bytes;
    size_t n;
    struct spv_filter_hash hash;
    struct spv_filter_header header;
};

/* Block h pays script h (and 1,000,000 + h by its coinbase); block h spends the output of block
 * h - 10 by its only other transaction, h > 10. */
struct scan_node {
    struct fixture_block blocks[SCAN_NODE_BLOCKS + 1]; /* by height, up to the tip */
    struct scan_node_filter filters[SCAN_NODE_BLOCKS + 1];
    uint32_t tip;
    struct spv_node *node;
    struct spv_now now;
    struct test_random random;
    uint64_t services; /* of the peers; 0: all that a scan needs */
    uint64_t peers[SCAN_NODE_PEERS]; /* ids of those that are connected */
    size_t n_peers;
    struct spv_filter_header stored[SCAN_NODE_BLOCKS + 1]; /* the database */
    struct spv_filter_hash stored_hashes[SCAN_NODE_BLOCKS + 1];
    uint32_t n_stored; /* 0: none; else heights 0..n_stored - 1 */
    int store_error; /* what storing filter headers gives */
    bool sends_no_blocks, sends_no_filters;
    bool sends_false_blocks; /* their merkle root is another one */
    bool holds_matches; /* a MATCH_FILTERS effect is executed by scan_node_match */
    bool has_match;
    struct spv_match_filters_task match;
    int error; /* the first failure of the node */
    size_t n_kept, n_matched, n_drops;
    uint32_t dropped_from;
    unsigned events[SPV_EVENT_FILTERS_SYNCED + 1];
    int closed; /* why the last connection was closed */
    struct {
        enum spv_scan_event_kind kind;
        uint32_t height;
        size_t n;
    } log[128]; /* of scan events */
    size_t n_log;
    struct scan_node_request {
        uint64_t peer;
        enum spv_command command;
        uint64_t tag; /* of a getheaders */
        uint32_t start, stop;
    } requests[SCAN_NODE_REQUESTS];
    size_t n_requests;
    unsigned n_getcfilters, n_getdata;
};

/* The chain, up to a tip; no node yet. */
void scan_node_open(struct scan_node *s, uint32_t tip);
/* Creates the node and connects so many peers, which does not fail the test: see s->error. */
void scan_node_start(struct scan_node *s, struct spv_node_config *cfg, size_t n_peers);
/* Frees the node; another one may be started. */
void scan_node_stop(struct scan_node *s);
void scan_node_close(struct scan_node *s);
/* Begins a scan for the script of a number. */
int scan_node_begin(struct scan_node *s, uint32_t script, uint32_t first, uint32_t last);
int scan_node_add(struct scan_node *s, uint32_t script, uint32_t from);
/* Executes effects and answers requests until nothing is left to do now. */
void scan_node_run(struct scan_node *s);
/* Executes the held MATCH_FILTERS effect. */
void scan_node_match(struct scan_node *s);
/* Moves the clock, firing every deadline in between. */
void scan_node_sleep(struct scan_node *s, uint64_t us);
/* The chain grows by a block, which all peers announce. */
void scan_node_grow(struct scan_node *s);
/* Replaces the blocks above a height by n others, which all peers announce. */
void scan_node_reorganise(struct scan_node *s, uint32_t fork, uint32_t n);
/* A message of a peer. */
void scan_node_recv(struct scan_node *s, uint64_t peer, const struct spv_msg *msg);
/* The number of FOUND events of a height, and of events of a kind. */
size_t scan_node_matches(const struct scan_node *s, uint32_t height);
size_t scan_node_count(const struct scan_node *s, enum spv_scan_event_kind kind);

#endif
