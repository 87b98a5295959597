/* A client's queue of getcfilters and the rates of filters, with the test's own time. */
#include "loop/filter_answers.h"
#include "spv/error.h"
#include "support/failing_alloc.h"
#include "support/unit.h"
#include "unit/spv/serve/filters_fixture.h"

#define BLOCKS 1200

struct answers_fixture {
    struct filters_fixture f;
    struct spv_filter_answers *answers;
    struct spv_filter_queue queue;
    uint64_t now_us;
    uint64_t next_us; /* of the last call */
    struct spv_msg msg;
};

static int set_up(void **state)
{
    static struct answers_fixture fixture;
    struct answers_fixture *k = &fixture;
    filters_fixture_init(&k->f, BLOCKS, 1);
    filters_fixture_fill(&k->f, 0, 1);
    const struct spv_header_db headers = filters_fixture_headers(&k->f);
    const struct spv_filter_db filters = filters_fixture_filters(&k->f);
    assert_int_equal(spv_filter_answers_new(&k->answers, &headers, &filters), 0);
    k->now_us = 5 * SPV_SECOND;
    spv_filter_queue_init(&k->queue, k->answers, k->now_us);
    *state = k;
    return 0;
}

static int tear_down(void **state)
{
    struct answers_fixture *k = *state;
    spv_filter_answers_free(k->answers);
    filters_fixture_free(&k->f);
    return 0;
}

static int push(struct answers_fixture *k, uint32_t start, uint32_t stop)
{
    const struct spv_msg_getcfilters request = {.start = start, .stop = k->f.at[stop].block.hash};
    return spv_filter_queue_push(&k->queue, k->answers, &request);
}

static int next_of(struct answers_fixture *k, struct spv_filter_queue *q,
                   const struct spv_netaddr *group)
{
    return spv_filter_queue_next(q, k->answers, &k->msg, &k->next_us, group, k->now_us);
}

static int next(struct answers_fixture *k)
{
    return next_of(k, &k->queue, NULL);
}

static void expect_filter(struct answers_fixture *k, uint32_t height)
{
    assert_int_equal(next(k), 1);
    assert_int_equal(k->msg.command, SPV_CMD_CFILTER);
    assert_memory_equal(k->msg.u.cfilter.block.b, k->f.at[height].block.hash.b, 32);
}

static void expect_nothing(struct answers_fixture *k)
{
    assert_int_equal(next(k), 0);
    assert_int_equal(k->queue.n, 0);
    assert_true(k->next_us == SPV_NEVER);
}

static void requests_are_answered_one_after_the_other(void **state)
{
    struct answers_fixture *k = *state;
    expect_nothing(k);
    assert_int_equal(push(k, 10, 12), 1);
    assert_int_equal(push(k, 1, 1), 1);
    assert_int_equal(push(k, 5, 6), 1);
    assert_int_equal(k->queue.n, 3);
    expect_filter(k, 10);
    assert_true(k->next_us == k->now_us);
    expect_filter(k, 11);
    assert_int_equal(k->queue.n, 3);
    expect_filter(k, 12);
    assert_int_equal(k->queue.n, 2); /* its place is free with its last filter */
    expect_filter(k, 1);
    expect_filter(k, 5);
    assert_true(k->next_us == k->now_us);
    expect_filter(k, 6);
    assert_true(k->next_us == SPV_NEVER);
    expect_nothing(k);
}

static void a_request_that_is_not_answered_takes_no_place(void **state)
{
    struct answers_fixture *k = *state;
    assert_int_equal(push(k, 5, 4), SPV_ERR_FILTER_REQUEST);
    filters_fixture_drop_filter(&k->f, 20);
    assert_int_equal(push(k, 20, 25), 0);
    assert_int_equal(k->queue.n, 0);
    assert_int_equal(push(k, 21, 25), 1);
    assert_int_equal(k->queue.n, 1);
    expect_filter(k, 21);
}

static void a_full_queue_holds_16_requests(void **state)
{
    struct answers_fixture *k = *state;
    for (uint32_t i = 0; i < SPV_FILTER_ANSWERS_MAX_QUEUE; i++)
        assert_int_equal(push(k, i, i), 1);
    assert_int_equal(k->queue.n, SPV_FILTER_ANSWERS_MAX_QUEUE);
    for (uint32_t i = 0; i < SPV_FILTER_ANSWERS_MAX_QUEUE; i++)
        expect_filter(k, i);
    expect_nothing(k);
}

/* The stop hash of the first two requests leaves the best chain. */
static void answers_that_ended_are_passed_over(void **state)
{
    struct answers_fixture *k = *state;
    assert_int_equal(push(k, 1000, 1100), 1);
    assert_int_equal(push(k, 1001, 1100), 1);
    assert_int_equal(push(k, 50, 51), 1);
    expect_filter(k, 1000);
    filters_fixture_reorganise(&k->f, 1090, 2);
    expect_filter(k, 50);
    assert_int_equal(k->queue.n, 1);
    expect_filter(k, 51);
    assert_int_equal(push(k, 1000, 1010), 1);
    filters_fixture_reorganise(&k->f, 1005, 3);
    expect_nothing(k);
}

static void a_failing_database_is_an_error(void **state)
{
    struct answers_fixture *k = *state;
    assert_int_equal(push(k, 10, 12), 1);
    k->f.calls = 0;
    k->f.fail_at = 2;
    assert_int_equal(next(k), SPV_ERR_DB);
    assert_false(k->f.in_snapshot);
}

/* Filters that one client is sent at once; at most `most`. */
static unsigned drain(struct answers_fixture *k, struct spv_filter_queue *q,
                      const struct spv_netaddr *group, unsigned most)
{
    unsigned n = 0;
    while (n < most) {
        if (q->n == 0) {
            const struct spv_msg_getcfilters request = {.start = 0,
                                                        .stop = k->f.at[999].block.hash};
            assert_int_equal(spv_filter_queue_push(q, k->answers, &request), 1);
        }
        const int rc = next_of(k, q, group);
        assert_in_range(rc, 0, 1);
        if (rc == 0)
            break;
        n++;
    }
    return n;
}

static void a_client_is_sent_a_burst_and_then_at_its_rate(void **state)
{
    struct answers_fixture *k = *state;
    assert_int_equal(drain(k, &k->queue, NULL, 10000), SPV_FILTER_ANSWERS_BURST);
    assert_true(k->next_us == k->now_us + SPV_SECOND);
    assert_int_equal(k->queue.n, 1); /* its request waits */
    k->now_us = k->next_us;
    assert_int_equal(drain(k, &k->queue, NULL, 10000), SPV_FILTER_ANSWERS_PER_SECOND);
    k->now_us += SPV_SECOND / 2;
    assert_int_equal(drain(k, &k->queue, NULL, 10000), SPV_FILTER_ANSWERS_PER_SECOND / 2);
    k->now_us += 1000 * SPV_SECOND;
    assert_int_equal(drain(k, &k->queue, NULL, 10000), SPV_FILTER_ANSWERS_BURST);
}

/* Six clients of one group; another client has tokens of its own. */
static void clients_of_a_group_share_a_rate(void **state)
{
    static struct spv_filter_queue clients[6];
    struct answers_fixture *k = *state;
    const struct spv_netaddr group = {.network = SPV_ADDR_IPV4, .len = 4, .bytes = {192, 0, 2, 0}};
    const struct spv_netaddr other = {.network = SPV_ADDR_IPV4, .len = 4, .bytes = {192, 0, 3, 0}};
    unsigned sent = 0;
    for (unsigned i = 0; i < COUNT(clients); i++) {
        spv_filter_queue_init(&clients[i], k->answers, k->now_us);
        sent += drain(k, &clients[i], &group, 10000);
    }
    assert_int_equal(sent, SPV_FILTER_ANSWERS_GROUP_BURST);
    assert_true(k->next_us == k->now_us + SPV_SECOND);
    assert_int_equal(drain(k, &k->queue, &other, 10000), SPV_FILTER_ANSWERS_BURST);
    k->now_us += SPV_SECOND;
    sent = 0;
    for (unsigned i = 0; i < COUNT(clients); i++)
        sent += drain(k, &clients[i], &group, 10000);
    assert_int_equal(sent, SPV_FILTER_ANSWERS_GROUP_PER_SECOND);
}

/* A client that has used up its own tokens leaves those of its group to the others. */
static void waiting_for_the_own_rate_takes_no_token_of_the_group(void **state)
{
    static struct spv_filter_queue greedy;
    struct answers_fixture *k = *state;
    const struct spv_netaddr group = {.network = SPV_ADDR_IPV4, .len = 4, .bytes = {192, 0, 2, 0}};
    spv_filter_queue_init(&greedy, k->answers, k->now_us);
    assert_int_equal(drain(k, &greedy, &group, 10000), SPV_FILTER_ANSWERS_BURST);
    for (unsigned i = 0; i < SPV_FILTER_ANSWERS_GROUP_BURST; i++)
        assert_int_equal(next_of(k, &greedy, &group), 0);
    assert_int_equal(drain(k, &k->queue, &group, 10000), SPV_FILTER_ANSWERS_BURST);
}

static void waiting_reads_nothing(void **state)
{
    struct answers_fixture *k = *state;
    (void)drain(k, &k->queue, NULL, 10000);
    k->f.calls = 0;
    assert_int_equal(next(k), 0);
    assert_int_equal(k->f.calls, 0);
}

static void replies_to_getcfheaders_and_getcfcheckpt(void **state)
{
    struct answers_fixture *k = *state;
    struct spv_msg request = {.command = SPV_CMD_GETCFHEADERS};
    request.u.getcfilters.start = 3;
    request.u.getcfilters.stop = k->f.at[7].block.hash;
    assert_int_equal(spv_filter_answers_reply(k->answers, &k->msg, &request), 1);
    assert_int_equal(k->msg.command, SPV_CMD_CFHEADERS);
    assert_int_equal(k->msg.u.cfheaders.n, 5);
    request = (struct spv_msg){.command = SPV_CMD_GETCFCHECKPT};
    request.u.getcfcheckpt.stop = k->f.at[1100].block.hash;
    assert_int_equal(spv_filter_answers_reply(k->answers, &k->msg, &request), 1);
    assert_int_equal(k->msg.command, SPV_CMD_CFCHECKPT);
    assert_int_equal(k->msg.u.cfcheckpt.n, 1);
    assert_int_equal(spv_filter_answers_coverage(k->answers), SPV_FILTERS_ALL);
    filters_fixture_drop_filter(&k->f, 0);
    assert_int_equal(spv_filter_answers_coverage(k->answers), SPV_FILTERS_SOME);
}

static void without_memory_there_are_no_answers(void **state)
{
    struct answers_fixture *k = *state;
    const struct spv_header_db headers = filters_fixture_headers(&k->f);
    const struct spv_filter_db filters = filters_fixture_filters(&k->f);
    struct spv_filter_answers *none;
    failing_alloc_plan(1, FAILING_ALLOC_ONE);
    assert_int_equal(spv_filter_answers_new(&none, &headers, &filters), SPV_ERR_NOMEM);
    assert_int_equal(failing_alloc_end(), 1);
    spv_filter_answers_free(NULL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(requests_are_answered_one_after_the_other),
        T(a_request_that_is_not_answered_takes_no_place),
        T(a_full_queue_holds_16_requests),
        T(answers_that_ended_are_passed_over),
        T(a_failing_database_is_an_error),
        T(a_client_is_sent_a_burst_and_then_at_its_rate),
        T(clients_of_a_group_share_a_rate),
        T(waiting_for_the_own_rate_takes_no_token_of_the_group),
        T(waiting_reads_nothing),
        T(replies_to_getcfheaders_and_getcfcheckpt),
        T(without_memory_there_are_no_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
