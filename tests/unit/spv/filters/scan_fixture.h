/* A chain of small blocks with true filters, peers that answer getcfilters and getdata from it, and
 * a scan between them: shared by the tests of the filter fetcher and of the scan. */
#ifndef SPV_TESTS_UNIT_SPV_FILTERS_SCAN_FIXTURE_H
#define SPV_TESTS_UNIT_SPV_FILTERS_SCAN_FIXTURE_H

#include "block_fixture.h"
#include "support/random.h"

#include "spv/filters/filter_scan.h"

#define SCAN_FIXTURE_BLOCKS 400
#define SCAN_FIXTURE_PEERS 8
#define SCAN_FIXTURE_FULL (SPV_NODE_NETWORK | SPV_NODE_WITNESS | SPV_NODE_COMPACT_FILTERS)

struct fixture_filter {
    uint8_t *bytes;
    size_t n;
    struct spv_filter_hash hash;
    struct spv_filter_header header;
};

/* What a peer does with a request. */
struct scan_fixture_peer {
    uint64_t id; /* 0: none */
    bool is_silent; /* for filters */
    bool is_blockless; /* for blocks */
    bool sends_twice;
    bool is_backwards; /* the last filter of a range first */
    uint32_t false_height; /* its filter of this height is fixture->other[]; 0: none */
};

struct scan_fixture {
    struct spv_chain *chain;
    uint32_t tip;
    struct fixture_block blocks[SCAN_FIXTURE_BLOCKS + 1]; /* by height */
    struct fixture_filter filters[SCAN_FIXTURE_BLOCKS + 1];
    struct fixture_filter other; /* of false_height: its elements are other scripts */
    uint32_t first_header; /* height of the lowest stored filter header */
    uint32_t kept_first, kept_last; /* filter_db keeps these; 0: none */
    uint32_t kept_damaged; /* the kept filter of this height is wrong; 0: none */
    uint32_t conflict_height; /* other.hash is an alternative here; 0: nowhere */
    bool other_is_stored; /* and other.hash is the stored one, the true one the alternative */
    bool agrees_so_far; /* the alternative is not known yet */
    bool committed; /* what has_committed returns */

    struct spv_effects effects;
    struct spv_peer_table table;
    struct spv_block_fetch fetch;
    struct spv_filter_scan *scan;
    struct spv_output_cache *outputs; /* of the blocks that were fetched */
    struct test_random random;
    struct spv_now now;
    struct scan_fixture_peer peers[SCAN_FIXTURE_PEERS];
    uint32_t available;
    bool syncs; /* the tip is not reached yet */
    uint64_t keep_bytes; /* set before scan_fixture_start */
    uint32_t lowest_kept; /* of KEEP_FILTERS effects */
    size_t kept_total; /* bytes of them */
    bool holds_matches; /* MATCH_FILTERS effects are not executed yet */
    bool has_match;
    struct spv_match_filters_task match;
    bool holds_blocks; /* getdata is not answered yet */
    size_t n_held_blocks;
    struct {
        uint64_t peer;
        struct spv_hash256 hash;
    } held_blocks[64];
    size_t n_getcfilters, n_getdata;
    size_t filters_requested;
    size_t n_unsolicited; /* cfilter messages that answered nothing */
    uint64_t dropped; /* the last peer that was, and why */
    int drop_error;
    size_t n_kept; /* filters of KEEP_FILTERS effects */

    /* events */
    struct {
        enum spv_scan_event_kind kind;
        uint32_t height;
        size_t n;
        uint32_t position;
    } events[256];
    size_t n_events;
};

/* Opens a chain up to a tip. Block h pays script h (and 1,000,000 + h by its coinbase); block h
 * spends the output of block h - 10 by its only other transaction, h > 10. */
void scan_fixture_open(struct scan_fixture *f, uint32_t tip);
/* Makes `other`, a filter of this height with the script of one number only; an empty one if the
 * number is 0. */
void scan_fixture_make_other(struct scan_fixture *f, uint32_t height, uint32_t script);
/* Replaces the true filter of a height by one with the scripts of n numbers: no peer disagrees. */
void scan_fixture_replace(struct scan_fixture *f, uint32_t height, const uint32_t *scripts,
                          size_t n);
void scan_fixture_close(struct scan_fixture *f);
/* What a scan reads and knows. */
struct spv_filter_db scan_fixture_db(struct scan_fixture *f);
struct spv_filter_knowledge scan_fixture_knowledge(struct scan_fixture *f);
/* Opens the scan's machine. */
void scan_fixture_start(struct scan_fixture *f, bool keep);
struct scan_fixture_peer *scan_fixture_add(struct scan_fixture *f, uint64_t id);
void scan_fixture_remove(struct scan_fixture *f, uint64_t id);
/* Begins a scan for the script of one number. */
int scan_fixture_begin(struct scan_fixture *f, uint32_t script, uint32_t first, uint32_t last);
/* Watches the script of one more number. */
void scan_fixture_watch(struct scan_fixture *f, uint32_t script, uint32_t from);
/* Executes effects and answers requests until nothing is left to do now. */
void scan_fixture_run(struct scan_fixture *f);
/* Executes the held MATCH_FILTERS effect. */
void scan_fixture_match(struct scan_fixture *f);
/* Answers the held getdata, the last one first. */
void scan_fixture_send_blocks(struct scan_fixture *f);
/* Moves the clock, runs timers on the way. */
void scan_fixture_wait(struct scan_fixture *f, uint64_t us);
/* Replaces the blocks above a height by n others, which pay scripts 2,000,000 + height. */
void scan_fixture_reorganise(struct scan_fixture *f, uint32_t fork, uint32_t n);
/* The number of FOUND events of a height. */
size_t scan_fixture_matches(const struct scan_fixture *f, uint32_t height);

#endif
