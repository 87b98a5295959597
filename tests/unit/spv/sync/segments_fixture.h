/* Shared by the segment tests: a mined chain with checkpoints, a fork of it, and segments with
 * every request recorded and every answer given by the test. */
#ifndef SPV_TESTS_UNIT_SPV_SYNC_SEGMENTS_FIXTURE_H
#define SPV_TESTS_UNIT_SPV_SYNC_SEGMENTS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "spv/sync/peer_table.h"
#include "spv/sync/segments.h"
#include "support/request_tags.h"
#include "unit/spv/node/node_fixture.h"

#define PERIOD 2016
#define PERIODS 5
#define LENGTH (PERIODS * PERIOD + 300) /* the last 300 follow the last checkpoint */
#define MAX_REQUESTS 512

extern struct test_chain chain;
extern struct test_chain fork_chain; /* forks at 2005, within the rest of the first period */
extern struct spv_checkpoint segments_checkpoints[PERIODS];

struct request {
    uint64_t peer;
    struct spv_blockhash locator[3];
    size_t n;
    struct spv_blockhash stop;
};

struct segments_fixture {
    struct spv_effects effects;
    struct spv_peer_table peers;
    struct spv_segments *segments;
    struct spv_now now;
    struct request_tags tags;
    struct request log[MAX_REQUESTS]; /* all requests, in order */
    size_t n;
};

int segments_fixture_setup(void **state);
int segments_fixture_teardown(void **state);
void segments_fixture_pull(struct segments_fixture *k);
void open_with(struct segments_fixture *k, const struct spv_checkpoint *m, size_t n, bool tail);
void segments_fixture_begin(struct segments_fixture *k, uint32_t from);
void open_fixture(struct segments_fixture *k);
void close_fixture(struct segments_fixture *k);
void segments_fixture_add(struct segments_fixture *k, uint64_t id);
void segments_fixture_remove(struct segments_fixture *k, uint64_t id);
void segments_fixture_wait_us(struct segments_fixture *k, uint64_t us);
int send_raw(struct segments_fixture *k, uint64_t id, const struct spv_header *headers, size_t n);
void segments_fixture_send(struct segments_fixture *k, uint64_t id, uint32_t from, size_t n);
void send_segment(struct segments_fixture *k, uint64_t id, uint32_t from);
size_t asked(const struct segments_fixture *k, uint64_t id, uint32_t from, size_t since);
int dropped(struct segments_fixture *k, uint64_t *id);
void assert_no_peer_dropped(struct segments_fixture *k);
uint32_t consume_all(struct segments_fixture *k, uint32_t tip);
struct spv_segments_peer_stats stats_of(const struct segments_fixture *k, uint64_t id);
struct spv_segments_stats sums(const struct segments_fixture *k);

/* The second group of tests of the program sync_segments: peers that are slow, lost, behind or
 * misbehaving. Returns how many failed. */
int fetch_peer_tests(void);

#endif
