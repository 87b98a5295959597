/* The server of compact filters with clients made of links, on loopback: what it answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/loop/filter_client_fixture.h"

static void assert_range_is_served(enum spv_transport_choice transport)
{
    struct filter_client a = {.requests = {filter_client_getcfilters(100, 1099)},
                              .n_requests = 1,
                              .from = 100,
                              .want = 1000,
                              .cfg = {.transport = transport}};
    filter_client_ask(&a);
    assert_int_equal(a.end.messages[SPV_CMD_CFILTER], 1000);
    filter_client_end(&a);
    assert_int_equal(a.server.stats.filters_sent, 1000);
    assert_int_equal(a.server.stats.filter_requests, 1);
    assert_int_equal(a.server.stats.requests, 0);
    assert_int_equal(filter_client_chain.filter_reads, 1000);
}

static void filters_of_a_range_are_sent_in_order(void **state)
{
    (void)state;
    assert_range_is_served(SPV_TRANSPORT_ONLY_V1);
}

static void filters_of_a_range_are_sent_over_v2(void **state)
{
    (void)state;
    assert_range_is_served(SPV_TRANSPORT_ONLY_V2);
}

static void cfheaders_and_cfcheckpt_are_sent(void **state)
{
    (void)state;
    struct filter_client a = {.requests = {filter_client_getcfheaders(1, 2000),
                                           filter_client_getcfcheckpt(2199),
                                           filter_client_getcfheaders(0, 9)},
                              .n_requests = 3};
    filter_client_ask(&a);
    assert_int_equal(a.end.messages[SPV_CMD_CFHEADERS], 2);
    assert_int_equal(a.end.messages[SPV_CMD_CFCHECKPT], 1);
    assert_int_equal(a.cfheaders, 10);
    assert_int_equal(a.cfcheckpts, 2);
    filter_client_end(&a);
    assert_int_equal(a.server.stats.filter_requests, 3);
}

static void requests_that_wait_are_answered_in_order(void **state)
{
    (void)state;
    struct filter_client a = {.from = 7, .want = 3 * SPV_FILTER_ANSWERS_MAX_QUEUE + 15};
    while (a.n_requests < SPV_FILTER_ANSWERS_MAX_QUEUE + 5) {
        const uint32_t from = a.from + 3 * a.n_requests;
        a.requests[a.n_requests++] = filter_client_getcfilters(from, from + 2);
    }
    filter_client_ask(&a);
    filter_client_end(&a);
    assert_int_equal(a.server.stats.filter_requests, SPV_FILTER_ANSWERS_MAX_QUEUE + 5);
    assert_int_equal(a.server.stats.filters_sent, a.want);
}

/* Of the requests, the last one breaks a rule; those before are answered, for an answer does not
 * wait for the answer to a getcfilters. */
static void assert_closes(const struct spv_msg *request, int error)
{
    struct filter_client a = {.requests = {filter_client_getcfheaders(0, 9), *request},
                              .n_requests = 2};
    filter_client_ask(&a);
    assert_int_equal(a.end.n_closed, 1);
    assert_int_equal(a.end.messages[SPV_CMD_CFHEADERS], 1);
    assert_int_equal(a.end.messages[SPV_CMD_PONG], 0);
    filter_client_end(&a);
    assert_int_equal(a.server.client_error, error);
}

static void a_request_that_breaks_a_rule_closes(void **state)
{
    (void)state;
    struct spv_msg bad[8] = {
        filter_client_getcfilters(0, 1000), filter_client_getcfheaders(0, 2000),
        filter_client_getcfilters(8, 7),    filter_client_getcfheaders(8, 7),
        filter_client_getcfcheckpt(7),      filter_client_getcfilters(0, 7),
        filter_client_getcfheaders(0, 7),   filter_client_getcfcheckpt(7)};
    bad[4].u.getcfcheckpt.type = 1;
    bad[5].u.getcfilters.type = 1;
    bad[6].u.getcfilters.stop.b[5] ^= 1;
    bad[7].u.getcfcheckpt.stop.b[5] ^= 1;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_closes(&bad[i], SPV_ERR_FILTER_REQUEST);
}

static void a_failing_database_closes(void **state)
{
    (void)state;
    struct filter_client a = {
        .requests = {filter_client_getcfilters(100, 120)}, .n_requests = 1, .want = 21};
    a.from = 100;
    filter_client_chain.fail_at = 40; /* within the answer */
    filter_client_ask(&a);
    assert_int_equal(a.end.n_closed, 1);
    assert_in_range(a.end.messages[SPV_CMD_CFILTER], 1, 20);
    filter_client_end(&a);
    assert_int_equal(a.server.client_error, SPV_ERR_DB);
}

/* The others are answered. */
static void what_is_not_stored_is_not_answered(void **state)
{
    (void)state;
    filters_fixture_drop_filter(&filter_client_chain, 50);
    filter_client_chain.at[60].has_header = false;
    struct filter_client a = {
        .requests = {filter_client_getcfilters(45, 55), filter_client_getcfheaders(58, 60),
                     filter_client_getcfheaders(70, 79), filter_client_getcfilters(51, 53)},
        .n_requests = 4,
        .from = 51,
        .want = 3};
    filter_client_ask(&a);
    assert_int_equal(a.cfheaders, 10);
    filter_client_end(&a);
    assert_int_equal(a.server.stats.filter_requests, 4);
}

static void a_server_without_filters_closes(void **state)
{
    (void)state;
    struct filter_client a = {.requests = {filter_client_getcfilters(0, 7)},
                              .n_requests = 1,
                              .server = {.header_db = &filter_client_headers}};
    filter_client_ask(&a);
    assert_int_equal(a.end.n_closed, 1);
    filter_client_end(&a);
    assert_int_equal(a.server.client_error, SPV_ERR_FILTERS_NOT_OFFERED);
    assert_int_equal(a.server.stats.filter_requests, 0);
}

static void a_server_closes_while_it_has_no_filter_headers(void **state)
{
    (void)state;
    struct filter_client a = {.requests = {filter_client_getcfilters(0, 7)}, .n_requests = 1};
    filters_fixture_reorganise(&filter_client_chain, 0, 1); /* the same blocks, without filters */
    filter_client_ask(&a);
    assert_int_equal(a.end.n_closed, 1);
    filter_client_end(&a);
    assert_int_equal(a.server.client_error, SPV_ERR_FILTERS_NOT_OFFERED);
}

/* The service bits of a server that was configured with others; it answers in any case. */
static uint64_t offered(uint64_t services)
{
    struct filter_client a = {.requests = {filter_client_getcfheaders(100, 109)},
                              .n_requests = 1,
                              .server = {.services = services}};
    struct spv_peer_stats stats;
    filter_client_ask(&a);
    assert_int_equal(a.cfheaders, 10);
    spv_link_stats(a.end.link, &stats);
    filter_client_end(&a);
    return stats.services & ~SPV_NODE_P2P_V2;
}

static void compact_filters_are_offered_while_all_are_there(void **state)
{
    (void)state;
    const uint64_t bit = SPV_NODE_COMPACT_FILTERS;
    assert_int_equal(offered(SPV_NODE_NETWORK), SPV_NODE_NETWORK | bit);
    assert_int_equal(offered(SPV_NODE_NETWORK | bit), SPV_NODE_NETWORK | bit);
    filters_fixture_drop_filter(&filter_client_chain, 0); /* a bounded store */
    assert_int_equal(offered(SPV_NODE_NETWORK), SPV_NODE_NETWORK);
    assert_int_equal(offered(SPV_NODE_NETWORK | bit), SPV_NODE_NETWORK);
    filters_fixture_fill(&filter_client_chain, 0, 1);
    filters_fixture_reorganise(&filter_client_chain, FILTER_CLIENT_BLOCKS - 1,
                               2); /* the new tip's filter is not there yet */
    assert_int_equal(offered(0), 0);
    filters_fixture_fill(&filter_client_chain, FILTER_CLIENT_BLOCKS - 1, 2);
    assert_int_equal(offered(0), bit);
}

static void reading_fails(struct filters_fixture *f)
{
    f->fail_at = f->calls + 1;
    f->before_read = NULL;
}

static void compact_filters_are_not_offered_when_that_cannot_be_read(void **state)
{
    (void)state;
    filter_client_chain.before_read = reading_fails;
    assert_int_equal(offered(0), 0);
}

/* Snapshots: for the offer to the first client, for its answer, for the offer to the second one. */
static void refills(struct filters_fixture *f)
{
    static unsigned n;
    if (++n == 3) {
        filters_fixture_fill(f, 0, 1);
        f->before_read = NULL;
    }
}

/* What is offered is what is there when the client connects, not when the server started. */
static void the_offer_is_made_anew_for_each_client(void **state)
{
    (void)state;
    struct filter_client a = {.requests = {filter_client_getcfheaders(100, 109)}, .n_requests = 1};
    struct filter_client b = {.n_requests = 0};
    struct spv_peer_stats stats;
    filters_fixture_drop_filter(&filter_client_chain, 0);
    filter_client_chain.before_read = refills;
    filter_client_ask(&a);
    spv_link_stats(a.end.link, &stats);
    assert_int_equal(stats.services & SPV_NODE_COMPACT_FILTERS, 0);
    const struct spv_endpoint at = server_fixture_endpoint(&a.server);
    filter_client_dial(&b, &at);
    net_fixture_run(b.loop);
    spv_link_stats(b.end.link, &stats);
    assert_int_equal(stats.services & SPV_NODE_COMPACT_FILTERS, SPV_NODE_COMPACT_FILTERS);
    filter_client_hang_up(&b);
    filter_client_end(&a);
}

static void getheaders_and_pings_are_answered_during_a_long_answer(void **state)
{
    (void)state;
    const struct spv_blockhash genesis = *filter_client_hash(0);
    struct filter_client a = {.requests = {filter_client_getcfilters(100, 1099)},
                              .n_requests = 2,
                              .from = 100,
                              .want = 1000};
    a.requests[1] = (struct spv_msg){
        .command = SPV_CMD_GETHEADERS,
        .u.getheaders = {.version = SPV_PROTOCOL_VERSION, .locator = &genesis, .n = 1}};
    filter_client_make_big(100, 1099, 20000);
    filter_client_ask(&a);
    assert_int_equal(a.end.messages[SPV_CMD_HEADERS], 1);
    assert_int_equal(a.end.messages[SPV_CMD_PONG], 1);
    /* those that the kernel and the queue held when the server read the getheaders */
    assert_in_range(a.before_headers, 0, 900);
    filter_client_end(&a);
}

static void reorganises(struct filters_fixture *f)
{
    if (f->filter_reads == 6) {
        filters_fixture_reorganise(f, 1050, 2);
        filters_fixture_fill(f, 1050, 2);
        f->before_read = NULL;
    }
}

/* The answer ends without a sign; the next request is answered. */
static void a_reorganisation_ends_an_answer(void **state)
{
    (void)state;
    struct filter_client a = {
        .requests = {filter_client_getcfilters(100, 1099), filter_client_getcfilters(106, 108)},
        .n_requests = 2,
        .from = 100,
        .want = 9};
    filter_client_chain.before_read = reorganises;
    filter_client_ask(&a);
    assert_int_equal(a.end.n_closed, 0);
    filter_client_end(&a);
    assert_int_equal(a.server.stats.filters_sent, 9);
}

/* How often requests were begun, and the offer of the first client was made. */
static unsigned kept_calls;

static int counted_kept(void *ctx, uint32_t *first, uint32_t *last)
{
    kept_calls++;
    return filter_client_filters.kept(ctx, first, last);
}

static void reorganises_when_full(struct filters_fixture *f)
{
    if (kept_calls == SPV_FILTER_ANSWERS_MAX_QUEUE + 1) {
        filters_fixture_reorganise(f, 1050, 2);
        f->before_read = NULL;
    }
}

/* All answers of a full queue end at once, while nothing is unsent: the client is read again. */
static void a_reorganisation_makes_room_in_a_full_queue(void **state)
{
    (void)state;
    struct spv_filter_db counting = filter_client_filters;
    struct filter_client a = {
        .from = 100, .server = {.header_db = &filter_client_headers, .filter_db = &counting}};
    counting.kept = counted_kept;
    kept_calls = 0;
    while (a.n_requests < SPV_FILTER_ANSWERS_MAX_QUEUE)
        a.requests[a.n_requests++] = filter_client_getcfilters(100, 1099);
    filter_client_chain.before_read = reorganises_when_full;
    filter_client_ask(&a);
    assert_int_equal(a.end.n_closed, 0);
    assert_int_equal(a.end.messages[SPV_CMD_PONG], 1);
    filter_client_end(&a);
    assert_int_equal(a.server.stats.filter_requests, SPV_FILTER_ANSWERS_MAX_QUEUE);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, filter_client_setup, filter_client_teardown)
    const struct CMUnitTest tests[] = {
        T(filters_of_a_range_are_sent_in_order),
        T(filters_of_a_range_are_sent_over_v2),
        T(cfheaders_and_cfcheckpt_are_sent),
        T(requests_that_wait_are_answered_in_order),
        T(a_request_that_breaks_a_rule_closes),
        T(a_failing_database_closes),
        T(what_is_not_stored_is_not_answered),
        T(a_server_without_filters_closes),
        T(a_server_closes_while_it_has_no_filter_headers),
        T(compact_filters_are_offered_while_all_are_there),
        T(compact_filters_are_not_offered_when_that_cannot_be_read),
        T(the_offer_is_made_anew_for_each_client),
        T(getheaders_and_pings_are_answered_during_a_long_answer),
        T(a_reorganisation_ends_an_answer),
        T(a_reorganisation_makes_room_in_a_full_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
