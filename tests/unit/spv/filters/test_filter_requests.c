/* Which open request of a peer an answer about filters belongs to. */
#include "support/unit.h"

#include "spv/filters/filter_requests.h"

static struct spv_effects effects;
static struct spv_peer_entry peer;

static int open_fixture(void **state)
{
    (void)state;
    spv_effects_init(&effects);
    peer = (struct spv_peer_entry){.id = 7};
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    spv_effects_free(&effects);
    return 0;
}

static struct spv_blockhash block(uint32_t height)
{
    struct spv_blockhash hash = {{0}};

    memcpy(hash.b, &height, sizeof height);
    return hash;
}

/* Sends a request, and returns the message. */
static struct spv_msg ask(enum spv_command command, uint32_t start, uint32_t stop)
{
    const struct spv_filter_request r = {
        .command = command, .start = start, .stop = stop, .stop_block = block(stop)};
    struct spv_effect e = {.kind = SPV_EFFECT_EVENT};

    spv_filter_requests_send(&effects, &peer, &r);
    assert_int_equal(spv_effects_pop(&effects, &e), 1);
    assert_int_equal(e.kind, SPV_EFFECT_SEND);
    assert_int_equal(e.peer, 7);
    assert_int_equal(e.message.command, command);
    return e.message;
}

static enum spv_filter_answer_match take(struct spv_filter_request *out, const struct spv_msg *msg)
{
    memset(out, 0, sizeof *out);
    return spv_filter_requests_take(&peer, out, msg);
}

static struct spv_msg cfheaders(uint32_t stop, size_t n)
{
    return (struct spv_msg){.command = SPV_CMD_CFHEADERS,
                            .u.cfheaders = {.stop = block(stop), .n = n}};
}

static struct spv_msg cfcheckpt(uint32_t stop, size_t n)
{
    return (struct spv_msg){.command = SPV_CMD_CFCHECKPT,
                            .u.cfcheckpt = {.stop = block(stop), .n = n}};
}

static struct spv_msg cfilter(uint32_t height)
{
    return (struct spv_msg){.command = SPV_CMD_CFILTER, .u.cfilter = {.block = block(height)}};
}

static void requests_name_their_type_and_range(void **state)
{
    struct spv_msg msg = ask(SPV_CMD_GETCFHEADERS, 11, 20);
    const struct spv_blockhash stop = block(20);

    (void)state;
    assert_int_equal(msg.u.getcfilters.type, SPV_FILTER_BASIC);
    assert_int_equal(msg.u.getcfilters.start, 11);
    assert_true(spv_blockhash_eq(&msg.u.getcfilters.stop, &stop));
    msg = ask(SPV_CMD_GETCFCHECKPT, 0, 20);
    assert_int_equal(msg.u.getcfcheckpt.type, SPV_FILTER_BASIC);
    assert_true(spv_blockhash_eq(&msg.u.getcfcheckpt.stop, &stop));
}

static void answers_are_attributed_by_type_and_stop_hash_in_any_order(void **state)
{
    struct spv_filter_request r;
    struct spv_msg msg;

    (void)state;
    (void)ask(SPV_CMD_GETCFHEADERS, 1, 5);
    (void)ask(SPV_CMD_GETCFHEADERS, 6, 10);
    (void)ask(SPV_CMD_GETCFILTERS, 5, 5);
    msg = cfilter(5);
    assert_int_equal(take(&r, &msg), SPV_FILTER_ANSWER_EXACT);
    assert_int_equal(r.command, SPV_CMD_GETCFILTERS);
    msg = cfheaders(10, 5);
    assert_int_equal(take(&r, &msg), SPV_FILTER_ANSWER_EXACT);
    assert_int_equal(r.start, 6);
    msg = cfheaders(5, 5);
    assert_int_equal(take(&r, &msg), SPV_FILTER_ANSWER_EXACT);
    assert_int_equal(r.start, 1);
    assert_int_equal(peer.filters.n_requests, 0);
}

static void an_answer_is_taken_once(void **state)
{
    const struct spv_msg msg = cfheaders(10, 10);
    struct spv_filter_request r;

    (void)state;
    (void)ask(SPV_CMD_GETCFHEADERS, 1, 10);
    assert_int_equal(take(&r, &msg), SPV_FILTER_ANSWER_EXACT);
    assert_int_equal(take(&r, &msg), SPV_FILTER_ANSWER_NONE);
}

static void an_answer_closes_only_its_request(void **state)
{
    struct spv_filter_request r;
    struct spv_msg msg = cfheaders(20, 10);

    (void)state;
    (void)ask(SPV_CMD_GETCFHEADERS, 1, 10);
    (void)ask(SPV_CMD_GETCFHEADERS, 11, 20);
    (void)ask(SPV_CMD_GETCFHEADERS, 21, 30);
    assert_int_equal(take(&r, &msg), SPV_FILTER_ANSWER_EXACT);
    msg = cfheaders(10, 10);
    assert_int_equal(take(&r, &msg), SPV_FILTER_ANSWER_EXACT);
    msg = cfheaders(30, 10);
    assert_int_equal(take(&r, &msg), SPV_FILTER_ANSWER_EXACT);
    assert_int_equal(r.start, 21);
}

/* BIP157: cfheaders has stop - start + 1 hashes. */
static void cfheaders_of_another_length_is_told_from_one_that_was_not_asked_for(void **state)
{
    struct spv_filter_request r;
    struct spv_msg msg = cfheaders(10, 9);

    (void)state;
    (void)ask(SPV_CMD_GETCFHEADERS, 1, 10);
    assert_int_equal(take(&r, &msg), SPV_FILTER_ANSWER_WRONG_LENGTH);
    msg = cfheaders(10, 11);
    assert_int_equal(take(&r, &msg), SPV_FILTER_ANSWER_WRONG_LENGTH);
    msg = cfheaders(11, 10);
    assert_int_equal(take(&r, &msg), SPV_FILTER_ANSWER_NONE);
    msg = cfcheckpt(10, 10);
    assert_int_equal(take(&r, &msg), SPV_FILTER_ANSWER_NONE);
    msg = cfheaders(10, 10);
    assert_int_equal(take(&r, &msg), SPV_FILTER_ANSWER_EXACT);
}

static void the_length_tells_two_ranges_with_one_stop_hash_apart(void **state)
{
    struct spv_filter_request r;
    const struct spv_msg msg = cfheaders(10, 3);

    (void)state;
    (void)ask(SPV_CMD_GETCFHEADERS, 1, 10);
    (void)ask(SPV_CMD_GETCFHEADERS, 8, 10);
    assert_int_equal(take(&r, &msg), SPV_FILTER_ANSWER_EXACT);
    assert_int_equal(r.start, 8);
}

/* BIP157: cfcheckpt has one filter header for each 1,000 heights. */
static void cfcheckpt_has_a_filter_header_for_each_thousand_heights(void **state)
{
    static const struct {
        uint32_t stop;
        size_t n;
    } rows[] = {{999, 0}, {1000, 1}, {1999, 1}, {2000, 2}};
    struct spv_filter_request r;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct spv_msg msg = cfcheckpt(rows[i].stop, rows[i].n + 1);
        (void)ask(SPV_CMD_GETCFCHECKPT, 0, rows[i].stop);
        assert_int_equal(take(&r, &msg), SPV_FILTER_ANSWER_WRONG_LENGTH);
        msg = cfcheckpt(rows[i].stop, rows[i].n);
        assert_int_equal(take(&r, &msg), SPV_FILTER_ANSWER_EXACT);
    }
}

static void another_type_of_filter_answers_nothing(void **state)
{
    struct spv_filter_request r;
    struct spv_msg msg = cfheaders(1000, 1);

    (void)state;
    (void)ask(SPV_CMD_GETCFHEADERS, 1000, 1000);
    (void)ask(SPV_CMD_GETCFCHECKPT, 0, 1000);
    (void)ask(SPV_CMD_GETCFILTERS, 1000, 1000);
    msg.u.cfheaders.type = SPV_FILTER_BASIC + 1;
    assert_int_equal(take(&r, &msg), SPV_FILTER_ANSWER_NONE);
    msg = cfcheckpt(1000, 1);
    msg.u.cfcheckpt.type = SPV_FILTER_BASIC + 1;
    assert_int_equal(take(&r, &msg), SPV_FILTER_ANSWER_NONE);
    msg = cfilter(1000);
    msg.u.cfilter.type = SPV_FILTER_BASIC + 1;
    assert_int_equal(take(&r, &msg), SPV_FILTER_ANSWER_NONE);
    assert_int_equal(peer.filters.n_requests, 3);
}

static void the_oldest_request_is_forgotten_when_too_many_are_open(void **state)
{
    struct spv_filter_request r;
    struct spv_msg msg;

    (void)state;
    for (uint32_t i = 1; i <= SPV_FILTER_MAX_REQUESTS + 1; i++)
        (void)ask(SPV_CMD_GETCFILTERS, i, i);
    assert_int_equal(peer.filters.n_requests, SPV_FILTER_MAX_REQUESTS);
    msg = cfilter(1);
    assert_int_equal(take(&r, &msg), SPV_FILTER_ANSWER_NONE);
    for (uint32_t i = 2; i <= SPV_FILTER_MAX_REQUESTS + 1; i++) {
        msg = cfilter(i);
        assert_int_equal(take(&r, &msg), SPV_FILTER_ANSWER_EXACT);
        assert_int_equal(r.stop, i);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        T(requests_name_their_type_and_range),
        T(answers_are_attributed_by_type_and_stop_hash_in_any_order),
        T(an_answer_is_taken_once),
        T(an_answer_closes_only_its_request),
        T(cfheaders_of_another_length_is_told_from_one_that_was_not_asked_for),
        T(the_length_tells_two_ranges_with_one_stop_hash_apart),
        T(cfcheckpt_has_a_filter_header_for_each_thousand_heights),
        T(another_type_of_filter_answers_nothing),
        T(the_oldest_request_is_forgotten_when_too_many_are_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
