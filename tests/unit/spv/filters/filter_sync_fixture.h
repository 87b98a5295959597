/* Filter header sync without a node: a regtest chain of real blocks, peers that serve filters of it
 * and may lie, a database in memory, and the test's own clock. Answers come at once, in the order
 * of the requests. */
#ifndef SPV_TESTS_UNIT_SPV_FILTERS_FILTER_SYNC_FIXTURE_H
#define SPV_TESTS_UNIT_SPV_FILTERS_FILTER_SYNC_FIXTURE_H

#include "unit/spv/filters/block_fixture.h"

#include "spv/filter.h"
#include "spv/filters/filter_sync.h"

#define SYNC_LENGTH 2600 /* blocks: two checkpoints, and more than one request */
#define SYNC_PEERS 6
#define SYNC_QUEUE 256

/* What a peer says of the filters of all blocks. */
struct filter_view {
    struct spv_filter_hash hashes[SYNC_LENGTH + 1];
    struct spv_filter_header headers[SYNC_LENGTH + 1];
    uint32_t fork; /* its blocks above are those of sync_branch; 0: those of sync_blocks */
    enum filter_lie {
        LIE_NONE,
        LIE_OUTPUT, /* the filter lacks the script of an output: the block proves it false */
        LIE_PREVOUT, /* it lacks a spent script that the block does not show */
    } lies[SYNC_LENGTH + 1];
};
/* The blocks, once for all tests. Those whose height ends in 5 spend an output. */
extern struct fixture_block sync_blocks[SYNC_LENGTH + 1];
extern struct filter_view honest;
/* The blocks of sync_fixture_reorganise, and their honest view. */
extern struct fixture_block sync_branch[SYNC_LENGTH + 1];
extern struct filter_view honest_branch;
/* Of a group of tests; cmocka's signatures. */
int sync_world_make(void **state);
int sync_world_free(void **state);
/* A view with one lie, or more: set lies[] and call it. */
void filter_view_make(struct filter_view *v);
/* The honest view with one lie. */
struct filter_view *filter_view_lie(uint32_t height, enum filter_lie lie);

struct sync_peer {
    const struct filter_view *view;
    struct spv_peer_entry *entry;
    bool silent; /* answers nothing about filters */
    bool gives_no_filters;
    bool gives_no_cfheaders;
    bool gives_no_cfcheckpt;
    bool hides_headers; /* does not show blocks when asked */
    const struct filter_view *other; /* cfheaders and filters are those of this view; NULL: view */
    uint32_t lags_above; /* silent about stop blocks above this height; 0: never */
    bool silent_after_drop; /* of stored filter headers */
    bool holds; /* its requests are answered by sync_fixture_release */
    int extra; /* cfheaders have so many hashes more (or fewer), cfcheckpt too */
    int dropped; /* why it was dropped */
    unsigned n_headers, n_checkpoints, n_filters, n_probes; /* requests to it */
    unsigned n_ranges; /* of n_headers, those that end at a checkpoint */
    uint64_t last_request_us; /* for filter headers */
};

struct sync_fixture {
    struct spv_params params;
    struct spv_effects effects;
    struct spv_peer_table table;
    struct spv_filter_peers filter_peers;
    struct spv_chain *chain;
    struct spv_filter_sync *sync;
    struct spv_now now;
    enum spv_more_peers more;
    uint64_t timeout_us; /* of requests for ranges; 0: the machine's own */
    struct sync_peer peers[SYNC_PEERS + 1]; /* by id */
    /* the database */
    struct spv_filter_header stored[SYNC_LENGTH + 1];
    struct spv_filter_hash stored_hashes[SYNC_LENGTH + 1];
    uint32_t n_stored; /* 0: none; else heights 0..n_stored - 1 */
    bool hashes_unknown;
    bool knows_spent; /* the scripts of all spent outputs are known */
    uint32_t missing; /* its row cannot be read; 0: all can */
    bool holds_stores; /* a STORE_FILTER_HEADERS is executed by sync_fixture_apply */
    bool has_update;
    struct spv_filter_update update; /* that is held */
    bool only_inputs; /* the machine runs after inputs and stores only, as the node lets it */
    bool is_behind; /* header sync is not complete */
    uint32_t fork; /* the best chain is sync_branch above; 0: sync_blocks */
    unsigned n_updates, n_drops;
    uint32_t dropped_from;
    unsigned events[SPV_EVENT_FILTERS_SYNCED + 1];
    unsigned warnings[SPV_WARN_FILTERS_START + 1];
    uint32_t warned_height;
    bool no_blocks; /* wanted blocks do not come */
    unsigned n_blocks; /* wanted */
    int error; /* the first failure of the machine */
    size_t n_queue;
    struct sync_request {
        uint64_t peer;
        enum spv_command command;
        uint64_t tag;
        uint32_t start, stop;
        struct spv_blockhash stop_block;
    } queue[SYNC_QUEUE];
    size_t n_held;
    struct sync_request held[SYNC_QUEUE];
};

/* A chain of so many blocks; filter sync is not begun. */
void sync_fixture_open(struct sync_fixture *f, uint32_t height);
/* Creates the machine; called by the above. */
void sync_fixture_start(struct sync_fixture *f);
void sync_fixture_close(struct sync_fixture *f);
/* The chain grows up to a height. */
void sync_fixture_grow(struct sync_fixture *f, uint32_t height);
/* Replaces the blocks above a height by n others, of sync_branch, and the filter headers above with
 * them. Peers know the new blocks when the test has changed their view, and hides_headers. */
void sync_fixture_reorganise(struct sync_fixture *f, uint32_t fork, uint32_t n);
/* Executes the held update. */
void sync_fixture_apply(struct sync_fixture *f);
/* A peer with this id and group, which has the tip as its best known block. */
struct sync_peer *sync_fixture_add(struct sync_fixture *f, uint64_t id, uint64_t group,
                                   const struct filter_view *view);
void sync_fixture_shows(struct sync_fixture *f, uint64_t id, uint32_t height);
void sync_fixture_remove(struct sync_fixture *f, uint64_t id);
/* Answers what was requested from a peer that holds its answers. */
void sync_fixture_release(struct sync_fixture *f, uint64_t id);
/* Runs until nothing happens at this time. */
void sync_fixture_run(struct sync_fixture *f);
/* Moves the clock, firing every deadline in between. */
void sync_fixture_sleep(struct sync_fixture *f, uint64_t us);
/* Everything stored is that of a view, up to a height. */
void sync_fixture_assert_stored(const struct sync_fixture *f, const struct filter_view *view,
                                uint32_t height);
/* The bytes of the filter that a view has for a height; freed by the caller. */
void filter_view_filter(const struct filter_view *v, uint8_t **bytes, size_t *n, uint32_t height);

#endif
