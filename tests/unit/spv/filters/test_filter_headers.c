/* Where our filter headers begin, what is known of them, and the ranges by which they are fetched.
 */
#include "support/unit.h"
#include "unit/spv/filters/filter_sync_fixture.h"

#include "spv/filters/filter_sync_state.h"

#define PERIOD 2016

static struct sync_fixture f;
static struct spv_filter_header header;

/* The filter headers up to a height are stored, and the machine has not read them yet. */
static void store_headers(uint32_t height)
{
    memcpy(f.stored, honest.headers, (height + 1) * sizeof f.stored[0]);
    memcpy(f.stored_hashes, honest.hashes, (height + 1) * sizeof f.stored_hashes[0]);
    f.n_stored = height + 1;
}

static void built_in(const struct spv_filter_checkpoint *list, size_t n)
{
    f.params.filter_checkpoints = list;
    f.params.n_filter_checkpoints = n;
}

/* ---- begin ---- */

static void network_without_built_in_filter_headers_has_no_filter_sync(void **state)
{
    struct spv_filter_sync *sync;
    (void)state;
    sync_fixture_open(&f, 10);
    struct spv_filter_sync_config cfg = f.sync->cfg;
    built_in(NULL, 0);
    assert_int_equal(spv_filter_sync_new(&sync, &cfg), SPV_ERR_INVALID);
    assert_null(sync);
    sync_fixture_close(&f);
}

static void begins_when_the_chain_reaches_the_built_in_filter_header(void **state)
{
    const struct spv_filter_checkpoint at_1000 = {1000, honest.headers[1000]};
    (void)state;
    sync_fixture_open(&f, 999);
    built_in(&at_1000, 1);
    assert_int_equal(spv_filter_headers_begin(f.sync), 0);
    assert_false(f.sync->begun);
    sync_fixture_run(&f);
    assert_int_equal(f.events[SPV_EVENT_WARNING], 0);
    sync_fixture_grow(&f, 1000);
    assert_int_equal(spv_filter_headers_begin(f.sync), 1);
    assert_true(f.sync->begun);
    assert_int_equal(f.sync->start_height, 1000);
    assert_int_equal(f.sync->height, 1000);
    assert_memory_equal(f.sync->top.b, honest.headers[1000].b, 32);
    sync_fixture_close(&f);
}

static void waits_until_block_headers_are_synced(void **state)
{
    (void)state;
    sync_fixture_open(&f, 500);
    f.is_behind = true;
    sync_fixture_add(&f, 1, 1, &honest);
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_sleep(&f, 100 * SPV_SECOND);
    assert_int_equal(f.peers[1].n_headers, 0);
    f.is_behind = false;
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 500);
    sync_fixture_close(&f);
}

/* A chain whose headers begin at the second period: those below are not stored. */

static int start_tip(void *ctx, struct spv_chain_header *out)
{
    *out = *spv_chain_tip(ctx);
    return 1;
}

static int start_by_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    return height > 0 && height < PERIOD ? 0 : spv_chain_header_at(ctx, out, height);
}

static int start_by_hash(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash)
{
    (void)ctx;
    (void)out;
    (void)hash;
    return 0;
}

static int start_range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    struct spv_chain_header h;
    int got = 0;
    while (n-- > 0 && start_by_height(ctx, &h, from++) == 1)
        out[got++] = h.header;
    return got;
}

static void start_start(void *ctx, struct spv_chain_start *out)
{
    (void)ctx;
    *out = (struct spv_chain_start){.height = PERIOD};
}

static struct spv_chain *chain_from_second_period(struct spv_chain *whole)
{
    const struct spv_chain_config cfg = {.params = &f.params,
                                         .header_db = {.ctx = whole,
                                                       .tip = start_tip,
                                                       .by_height = start_by_height,
                                                       .by_hash = start_by_hash,
                                                       .range = start_range,
                                                       .start = start_start}};
    struct spv_chain *chain;
    assert_int_equal(spv_chain_new(&chain, &cfg), 0);
    return chain;
}

static void begins_at_the_lowest_built_in_filter_header_whose_block_is_stored(void **state)
{
    const struct spv_filter_checkpoint list[] = {{0, honest.headers[0]},
                                                 {1000, honest.headers[1000]},
                                                 {PERIOD, honest.headers[PERIOD]},
                                                 {2040, honest.headers[2040]}};
    (void)state;
    sync_fixture_open(&f, 2050);
    struct spv_chain *chain = chain_from_second_period(f.chain);
    built_in(list, COUNT(list));
    f.sync->cfg.chain = chain;
    assert_int_equal(spv_filter_headers_begin(f.sync), 1);
    assert_int_equal(f.sync->height, PERIOD);
    assert_memory_equal(f.sync->top.b, honest.headers[PERIOD].b, 32);
    f.sync->cfg.chain = f.chain;
    spv_chain_free(chain);
    sync_fixture_close(&f);
}

static void chain_above_every_built_in_filter_header_is_told_once(void **state)
{
    (void)state;
    sync_fixture_open(&f, 2050);
    struct spv_chain *chain = chain_from_second_period(f.chain);
    f.sync->cfg.chain = chain;
    sync_fixture_add(&f, 1, 1, &honest);
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_sleep(&f, SPV_SECOND);
    assert_false(f.sync->begun);
    assert_int_equal(f.warnings[SPV_WARN_FILTERS_START], 1);
    assert_int_equal(f.warned_height, PERIOD);
    f.sync->cfg.chain = f.chain;
    spv_chain_free(chain);
    sync_fixture_close(&f);
}

static void stored_filter_headers_above_the_chain_are_no_place_to_begin(void **state)
{
    (void)state;
    sync_fixture_open(&f, 400);
    store_headers(401);
    assert_int_equal(spv_filter_headers_begin(f.sync), 1);
    assert_int_equal(f.sync->height, 0);
    f.n_stored--;
    assert_int_equal(spv_filter_headers_begin(f.sync), 1);
    assert_int_equal(f.sync->height, 400);
    sync_fixture_close(&f);
}

static void both_ends_of_what_is_stored_are_read(void **state)
{
    (void)state;
    sync_fixture_open(&f, 400);
    store_headers(300);
    assert_int_equal(spv_filter_headers_begin(f.sync), 1);
    assert_int_equal(f.sync->start_height, 0);
    assert_memory_equal(f.sync->start.b, honest.headers[0].b, 32);
    assert_int_equal(f.sync->height, 300);
    assert_memory_equal(f.sync->top.b, honest.headers[300].b, 32);
    sync_fixture_close(&f);
}

static void stored_filter_header_that_cannot_be_read_is_damage(void **state)
{
    (void)state;
    sync_fixture_open(&f, 400);
    store_headers(300);
    f.missing = 300;
    assert_int_equal(spv_filter_headers_begin(f.sync), SPV_ERR_DB_DAMAGED);
    assert_false(f.sync->begun);
    sync_fixture_run(&f);
    assert_int_equal(f.error, SPV_ERR_DB_DAMAGED);
    sync_fixture_close(&f);
}

/* ---- what is known ---- */

static void agreed_checkpoints_are_known_above_what_is_stored(void **state)
{
    (void)state;
    sync_fixture_open(&f, 2500);
    store_headers(300);
    assert_int_equal(spv_filter_headers_begin(f.sync), 1);
    f.sync->agreed = malloc(2 * sizeof *f.sync->agreed);
    assert_non_null(f.sync->agreed);
    f.sync->agreed[0] = honest.headers[1000];
    f.sync->agreed[1] = honest.headers[2000];
    f.sync->n_agreed = 2;
    for (uint32_t h = 1000; h <= 2000; h += 1000) {
        assert_int_equal(spv_filter_headers_at(f.sync, &header, h), 1);
        assert_memory_equal(header.b, honest.headers[h].b, 32);
    }
    assert_int_equal(spv_filter_headers_at(f.sync, &header, 1500), 0);
    assert_int_equal(spv_filter_headers_at(f.sync, &header, 3000), 0);
    assert_int_equal(spv_filter_headers_at(f.sync, &header, 299), 1);
    assert_memory_equal(header.b, honest.headers[299].b, 32);
    sync_fixture_close(&f);
}

static void filter_hashes_above_the_highest_and_of_the_start_are_not_known(void **state)
{
    struct spv_filter_hash hashes[4];
    (void)state;
    sync_fixture_open(&f, 400);
    store_headers(300);
    assert_int_equal(spv_filter_headers_begin(f.sync), 1);
    assert_int_equal(spv_filter_headers_hashes(f.sync, hashes, 0, 1), 0);
    assert_int_equal(spv_filter_headers_hashes(f.sync, hashes, 301, 1), 0);
    assert_int_equal(spv_filter_headers_hashes(f.sync, hashes, 299, 4), 2);
    assert_memory_equal(hashes[1].b, honest.hashes[300].b, 32);
    sync_fixture_close(&f);
}

static void agreement_is_lowered_and_never_raised(void **state)
{
    (void)state;
    sync_fixture_open(&f, 400);
    for (uint64_t id = 1; id <= 2; id++) {
        struct spv_filter_peer *p = &sync_fixture_add(&f, id, id, &honest)->entry->filters;
        p->agrees = true;
        p->agrees_height = id == 1 ? 300 : 100;
    }
    spv_filter_headers_limit_agreement(f.sync, 200);
    assert_int_equal(f.peers[1].entry->filters.agrees_height, 200);
    assert_int_equal(f.peers[2].entry->filters.agrees_height, 100);
    sync_fixture_close(&f);
}

static void last_sixteen_invalid_filters_are_remembered(void **state)
{
    struct spv_hash256 hash;
    (void)state;
    sync_fixture_open(&f, 400);
    for (uint32_t h = 1; h <= SPV_FILTER_MAX_INVALID + 1; h++)
        spv_filter_headers_add_invalid(f.sync, h, &honest.hashes[h]);
    for (uint32_t h = 1; h <= SPV_FILTER_MAX_INVALID + 2; h++) {
        memcpy(hash.b, honest.hashes[h].b, 32);
        assert_int_equal(spv_filter_headers_has_invalid(f.sync, h, &hash, 1),
                         h > 1 && h <= SPV_FILTER_MAX_INVALID + 1);
        hash.b[0] ^= 1; /* another filter of this height */
        assert_false(spv_filter_headers_has_invalid(f.sync, h, &hash, 1));
    }
    sync_fixture_close(&f);
}

/* ---- ranges ---- */

static void ranges_begin_at_what_is_stored(void **state)
{
    (void)state;
    sync_fixture_open(&f, 2500);
    store_headers(400);
    sync_fixture_add(&f, 1, 1, &honest);
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 2500);
    sync_fixture_close(&f);
}

static void peer_that_has_not_agreed_on_the_checkpoints_is_not_asked_for_ranges(void **state)
{
    (void)state;
    sync_fixture_open(&f, 2500);
    store_headers(400);
    sync_fixture_add(&f, 1, 1, &honest);
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_add(&f, 3, 3, &honest)->gives_no_cfcheckpt = true;
    f.holds_stores = true;
    sync_fixture_run(&f);
    assert_true(f.has_update);
    assert_int_equal(f.update.first, 401);
    assert_int_equal(f.peers[3].n_checkpoints, 1);
    assert_true(f.peers[3].entry->filters.agrees); /* to that of height 400 */
    for (uint64_t id = 1; id <= 3; id++) {
        const struct spv_segments_peer *p = &f.peers[id].entry->segments[SPV_SEGMENTS_OF_FILTERS];
        assert_int_equal(p->entry != NULL, id < 3);
    }
    sync_fixture_apply(&f);
    sync_fixture_close(&f);
}

static void peer_that_is_silent_about_a_range_is_left_out_for_ten_minutes(void **state)
{
    (void)state;
    sync_fixture_open(&f, 2500);
    sync_fixture_add(&f, 1, 1, &honest);
    sync_fixture_add(&f, 2, 2, &honest)->gives_no_cfheaders = true;
    f.more = SPV_MORE_PEERS_NONE;
    sync_fixture_sleep(&f, 300 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 2500);
    assert_int_equal(f.peers[2].dropped, 0);
    assert_true(f.peers[2].entry->filters.silent_until_us > f.now.mono_us);
    assert_true(f.n_updates >= 3); /* the range of the other peer did not wait */
    sync_fixture_close(&f);
}

static void range_that_times_out_in_a_dispute_is_fetched_after_it(void **state)
{
    (void)state;
    sync_fixture_open(&f, 2500);
    sync_fixture_add(&f, 1, 1, &honest)->gives_no_cfheaders = true;
    sync_fixture_add(&f, 2, 2, &honest)->gives_no_cfheaders = true;
    sync_fixture_run(&f);
    assert_non_null(f.sync->segments);
    sync_fixture_add(&f, 3, 3, filter_view_lie(1205, LIE_PREVOUT));
    sync_fixture_sleep(&f, 5 * SPV_SECOND);
    assert_true(spv_filter_sync_disputing(f.sync));
    sync_fixture_sleep(&f, 200 * SPV_SECOND); /* the fixture sees that no deadline is in the past */
    assert_false(spv_filter_sync_disputing(f.sync));
    assert_int_equal(f.error, 0);
    assert_int_equal(f.n_stored, 2501); /* peer 3 gives what nothing proves false */
    for (uint64_t id = 1; id <= 3; id++)
        assert_int_equal(f.peers[id].dropped, 0);
    sync_fixture_close(&f);
}

static void requests_for_ranges_time_out_as_configured(void **state)
{
    (void)state;
    for (uint64_t timeout = 0; timeout <= SPV_SECOND; timeout += SPV_SECOND) {
        sync_fixture_open(&f, 2500);
        spv_filter_sync_free(f.sync);
        f.timeout_us = timeout;
        sync_fixture_start(&f);
        sync_fixture_add(&f, 1, 1, &honest)->gives_no_cfheaders = true;
        sync_fixture_add(&f, 2, 2, &honest)->gives_no_cfheaders = true;
        sync_fixture_sleep(&f, 1100 * SPV_SECOND / 1000);
        assert_int_equal(f.peers[1].entry->filters.silent_until_us > f.now.mono_us, timeout > 0);
        sync_fixture_close(&f);
    }
}

/* ---- what is told ---- */

static void synced_waits_for_peers_that_have_not_been_compared_but_not_for_long(void **state)
{
    (void)state;
    sync_fixture_open(&f, 400);
    store_headers(400);
    sync_fixture_add(&f, 1, 1, &honest)->silent = true;
    sync_fixture_sleep(&f, 19 * SPV_SECOND);
    assert_int_equal(f.events[SPV_EVENT_FILTERS_SYNCED], 0);
    sync_fixture_sleep(&f, 2 * SPV_SECOND);
    assert_int_equal(f.events[SPV_EVENT_FILTERS_SYNCED], 1);
    sync_fixture_sleep(&f, 1000 * SPV_SECOND);
    assert_int_equal(f.events[SPV_EVENT_FILTERS_SYNCED], 1);
    sync_fixture_close(&f);
}

static void synced_waits_for_the_end_of_a_dispute(void **state)
{
    (void)state;
    sync_fixture_open(&f, 400);
    store_headers(400);
    f.no_blocks = true;
    sync_fixture_add(&f, 1, 1, &honest);
    sync_fixture_add(&f, 2, 2, filter_view_lie(205, LIE_OUTPUT));
    sync_fixture_sleep(&f, SPV_SECOND);
    assert_true(spv_filter_sync_disputing(f.sync));
    assert_int_equal(f.events[SPV_EVENT_FILTERS_SYNCED], 0);
    sync_fixture_sleep(&f, 200 * SPV_SECOND);
    assert_false(spv_filter_sync_disputing(f.sync));
    assert_int_equal(f.events[SPV_EVENT_FILTERS_SYNCED], 1);
    sync_fixture_close(&f);
}

static void statistics_count_the_peers_that_serve_filters(void **state)
{
    struct spv_filter_sync_stats stats;
    (void)state;
    sync_fixture_open(&f, 500);
    sync_fixture_add(&f, 1, 1, &honest);
    sync_fixture_add(&f, 2, 2, &honest);
    struct spv_peer_entry *p = spv_peer_table_add(&f.table, 9);
    assert_non_null(p);
    p->services = SPV_NODE_NETWORK | SPV_NODE_WITNESS;
    spv_filter_peers_add(&f.filter_peers, p);
    sync_fixture_sleep(&f, SPV_SECOND);
    spv_filter_sync_get_stats(f.sync, &stats);
    assert_int_equal(stats.peers, 2);
    assert_int_equal(stats.height, 500);
    assert_int_equal(stats.added, 500);
    assert_true(stats.begun);
    assert_false(stats.stopped);
    spv_peer_table_remove(&f.table, 9);
    sync_fixture_close(&f);
}

static void message_of_a_peer_that_is_being_dropped_answers_nothing(void **state)
{
    struct spv_msg msg = {.command = SPV_CMD_CFHEADERS};
    static struct spv_hash256 hashes[500];
    (void)state;
    sync_fixture_open(&f, 500);
    sync_fixture_add(&f, 1, 1, &honest)->silent = true;
    sync_fixture_run(&f);
    struct spv_filter_peer *p = &f.peers[1].entry->filters;
    assert_int_equal(p->n_requests, 1);
    msg.u.cfheaders = (struct spv_msg_cfheaders){
        .stop = p->request[0].stop_block, .hashes = hashes, .n = p->request[0].stop};
    spv_filter_peers_disconnect(f.peers[1].entry, SPV_ERR_FILTER_ANSWER);
    assert_int_equal(spv_filter_sync_recv(f.sync, 1, &msg, f.now), 0);
    assert_int_equal(p->n_requests, 1);
    p->disconnect_error = 0;
    assert_int_equal(spv_filter_sync_recv(f.sync, 1, &msg, f.now), 1);
    sync_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(network_without_built_in_filter_headers_has_no_filter_sync),
        cmocka_unit_test(begins_when_the_chain_reaches_the_built_in_filter_header),
        cmocka_unit_test(waits_until_block_headers_are_synced),
        cmocka_unit_test(begins_at_the_lowest_built_in_filter_header_whose_block_is_stored),
        cmocka_unit_test(chain_above_every_built_in_filter_header_is_told_once),
        cmocka_unit_test(stored_filter_headers_above_the_chain_are_no_place_to_begin),
        cmocka_unit_test(both_ends_of_what_is_stored_are_read),
        cmocka_unit_test(stored_filter_header_that_cannot_be_read_is_damage),
        cmocka_unit_test(agreed_checkpoints_are_known_above_what_is_stored),
        cmocka_unit_test(filter_hashes_above_the_highest_and_of_the_start_are_not_known),
        cmocka_unit_test(agreement_is_lowered_and_never_raised),
        cmocka_unit_test(last_sixteen_invalid_filters_are_remembered),
        cmocka_unit_test(ranges_begin_at_what_is_stored),
        cmocka_unit_test(peer_that_has_not_agreed_on_the_checkpoints_is_not_asked_for_ranges),
        cmocka_unit_test(peer_that_is_silent_about_a_range_is_left_out_for_ten_minutes),
        cmocka_unit_test(range_that_times_out_in_a_dispute_is_fetched_after_it),
        cmocka_unit_test(requests_for_ranges_time_out_as_configured),
        cmocka_unit_test(synced_waits_for_peers_that_have_not_been_compared_but_not_for_long),
        cmocka_unit_test(synced_waits_for_the_end_of_a_dispute),
        cmocka_unit_test(statistics_count_the_peers_that_serve_filters),
        cmocka_unit_test(message_of_a_peer_that_is_being_dropped_answers_nothing),
    };
    return cmocka_run_group_tests(tests, sync_world_make, sync_world_free);
}
