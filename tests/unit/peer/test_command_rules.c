/* Allowed commands: bloom filters (BIP37, BIP111), fee filters (BIP133), the reject before a close.
 */
#include "unit/peer/peer_fixture.h"

static const enum spv_command bloom[] = {SPV_CMD_FILTERLOAD, SPV_CMD_FILTERADD, SPV_CMD_FILTERCLEAR,
                                         SPV_CMD_MEMPOOL};
/* Payloads with one element, where the command has elements. */
static const struct {
    const char *bytes;
    size_t n;
} body[] = {{"\1\x55\1\0\0\0\0\0\0\0\0", 11}, {"\1\x55", 2}, {"", 0}, {"", 0}};
#define BLOOM 4

static int feed_bloom(struct peer_fixture *k, size_t i)
{
    return peer_fixture_send_raw(k, spv_command_name(bloom[i]), body[i].bytes, body[i].n);
}

static void bloom_commands_without_node_bloom_close_at_every_version(void **state)
{
    (void)state;
    static const uint32_t versions[] = {60000, 70010, 70011, 70016};
    for (size_t v = 0; v < sizeof(versions) / sizeof(versions[0]); v++) {
        for (size_t i = 0; i < BLOOM; i++) {
            struct peer_fixture k;
            peer_fixture_init(&k);
            peer_fixture_open(&k, SPV_INBOUND);
            peer_fixture_handshake(&k, versions[v]);
            assert_int_equal(feed_bloom(&k, i), SPV_ERR_BLOOM_NOT_OFFERED);
            assert_int_equal(k.n_got, 0); /* not returned */
            peer_fixture_close(&k);
        }
    }
}

/* Each compact filter request must be returned, or close the connection. */
static void assert_filter_requests(uint64_t services, bool accept, bool returned)
{
    static const struct {
        const char *command;
        size_t n;
    } requests[] = {{"getcfilters", 37}, {"getcfheaders", 37}, {"getcfcheckpt", 33}};
    static const uint8_t zeros[37];
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct peer_fixture k;
        peer_fixture_init(&k);
        k.cfg.services = services;
        k.cfg.accept_filter_requests = accept;
        peer_fixture_ready(&k, SPV_INBOUND);
        assert_int_equal(peer_fixture_send_raw(&k, requests[i].command, zeros, requests[i].n),
                         returned ? 0 : SPV_ERR_FILTERS_NOT_OFFERED);
        assert_int_equal(k.n_got, returned);
        peer_fixture_close(&k);
    }
}

/* BIP157; Bitcoin Core closes the connection, too. */
static void compact_filter_requests_without_the_service_bit_close(void **state)
{
    (void)state;
    assert_filter_requests(SPV_NODE_BLOOM, false, false);
    assert_filter_requests(SPV_NODE_COMPACT_FILTERS, false, true);
}

static void compact_filter_requests_are_returned_without_the_bit_when_accepted(void **state)
{
    (void)state;
    assert_filter_requests(0, true, true);
    assert_filter_requests(SPV_NODE_COMPACT_FILTERS, true, true);
}

static void accepting_compact_filter_requests_accepts_no_bloom_command(void **state)
{
    (void)state;
    for (size_t i = 0; i < BLOOM; i++) {
        struct peer_fixture k;
        peer_fixture_init(&k);
        k.cfg.accept_filter_requests = true;
        peer_fixture_ready(&k, SPV_INBOUND);
        assert_int_equal(feed_bloom(&k, i), SPV_ERR_BLOOM_NOT_OFFERED);
        peer_fixture_close(&k);
    }
}

static void an_ignored_message_does_not_hide_the_next_one(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_buffer b;
    peer_fixture_init(&k);
    peer_fixture_open(&k, SPV_INBOUND);
    peer_fixture_handshake(&k, 70010);
    spv_buffer_init(&b);
    peer_fixture_frame(&b, "verack", "", 0);
    peer_fixture_frame(&b, "getaddr", "", 0);
    assert_int_equal(spv_peer_feed(k.p, b.data, b.len, k.now), 0);
    assert_int_equal(spv_peer_next(k.p, &k.got, k.now), 1);
    assert_int_equal(k.got.command, SPV_CMD_GETADDR);
    assert_int_equal(spv_peer_next(k.p, &k.got, k.now), 0);
    spv_buffer_free(&b);
    peer_fixture_close(&k);
}

static void bloom_commands_are_returned_when_we_offer_node_bloom(void **state)
{
    (void)state;
    for (size_t i = 0; i < BLOOM; i++) {
        struct peer_fixture k;
        peer_fixture_init(&k);
        k.cfg.services = SPV_NODE_BLOOM;
        peer_fixture_ready(&k, SPV_INBOUND);
        assert_int_equal(feed_bloom(&k, i), 0);
        assert_int_equal(k.n_got, 1);
        peer_fixture_close(&k);
    }
}

static void a_bloom_filter_is_in_the_statistics_until_filterclear(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_peer_stats stats;
    peer_fixture_init(&k);
    k.cfg.services = SPV_NODE_BLOOM;
    peer_fixture_open(&k, SPV_INBOUND);
    struct spv_msg msg = {.command = SPV_CMD_VERSION};
    msg.u.version.version = 70016; /* no relay until it loads a filter */
    assert_int_equal(peer_fixture_send(&k, &msg), 0);
    assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_VERACK), 0);
    spv_peer_get_stats(k.p, &stats);
    assert_false(stats.relay || stats.filtered);
    assert_int_equal(feed_bloom(&k, 0), 0);
    spv_peer_get_stats(k.p, &stats);
    assert_true(stats.relay && stats.filtered);
    assert_int_equal(feed_bloom(&k, 2), 0);
    spv_peer_get_stats(k.p, &stats);
    assert_true(stats.relay && !stats.filtered);
    peer_fixture_close(&k);
}

static int send_bloom(struct peer_fixture *k, size_t i, uint64_t tag)
{
    struct spv_msg msg = {.command = bloom[i]};
    return spv_peer_send_tagged(k->p, &msg, tag, k->now);
}

static void bloom_commands_to_a_peer_without_node_bloom_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t version;
        uint64_t services;
        int rc;
    } cases[] = {{70011, 0, SPV_ERR_UNSUPPORTED},
                 {70016, SPV_NODE_NETWORK | SPV_NODE_WITNESS, SPV_ERR_UNSUPPORTED},
                 {70010, 0, 0}, /* before BIP111 the service bit had no meaning */
                 {70016, SPV_NODE_BLOOM, 0}};
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
        for (size_t i = 0; i < BLOOM; i++) {
            struct peer_fixture k;
            peer_fixture_init(&k);
            k.services = cases[c].services;
            peer_fixture_open(&k, SPV_OUTBOUND);
            peer_fixture_handshake(&k, cases[c].version);
            assert_int_equal(send_bloom(&k, i, 1), cases[c].rc);
            peer_fixture_close(&k);
        }
}

static void commands_newer_than_the_peers_version_are_not_sent(void **state)
{
    (void)state;
    static const struct {
        enum spv_command command;
        uint32_t since;
    } cases[] = {{SPV_CMD_MEMPOOL, 60002},     {SPV_CMD_NOTFOUND, 70001},
                 {SPV_CMD_FILTERCLEAR, 70001}, {SPV_CMD_REJECT, 70002},
                 {SPV_CMD_SENDHEADERS, 70012}, {SPV_CMD_FEEFILTER, 70013},
                 {SPV_CMD_SENDCMPCT, 70014}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (uint32_t late = 0; late < 2; late++) {
            struct peer_fixture k;
            struct spv_msg out, msg = {.command = cases[i].command};
            if (msg.command == SPV_CMD_REJECT)
                memcpy(msg.u.reject.command, "tx", 3);
            peer_fixture_init(&k);
            peer_fixture_open(&k, SPV_OUTBOUND);
            peer_fixture_handshake(&k, cases[i].since - 1 + late);
            assert_int_equal(spv_peer_send(k.p, &msg, k.now), late ? 0 : SPV_ERR_UNSUPPORTED);
            peer_fixture_close(&k);
            peer_fixture_init(&k); /* and a message that waited for the handshake */
            k.services = SPV_NODE_BLOOM;
            peer_fixture_open(&k, SPV_OUTBOUND);
            assert_int_equal(spv_peer_send(k.p, &msg, k.now), 0);
            peer_fixture_handshake(&k, cases[i].since - 1 + late);
            assert_int_equal(peer_fixture_recv(&k, &out), late ? msg.command : SPV_CMD_UNKNOWN);
            peer_fixture_close(&k);
        }
}

static void deferred_bloom_commands_are_dropped_without_node_bloom(void **state)
{
    (void)state;
    struct peer_fixture k;
    uint64_t tag;
    int error;
    peer_fixture_init(&k);
    peer_fixture_open(&k, SPV_OUTBOUND);
    for (size_t i = 0; i < BLOOM; i++)
        assert_int_equal(send_bloom(&k, i, i), 0);
    peer_fixture_handshake(&k, 70016);
    peer_fixture_expect_silence(&k);
    for (size_t i = 0; i < BLOOM; i++) {
        assert_int_equal(spv_peer_next_completion(k.p, &tag, &error), 1);
        assert_int_equal(tag, i);
        assert_int_equal(error, SPV_ERR_UNSUPPORTED);
    }
    peer_fixture_close(&k);
}

static uint64_t fee_filter(struct peer_fixture *k)
{
    struct spv_peer_stats stats;
    spv_peer_get_stats(k->p, &stats);
    return stats.fee_filter;
}

static void feefilter_is_stored_and_one_above_max_money_ignored(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    assert_int_equal(fee_filter(&k), 0);
    assert_int_equal(peer_fixture_send_raw(&k, "feefilter", "\xe8\3\0\0\0\0\0\0", 8), 0);
    assert_int_equal(fee_filter(&k), 1000);
    assert_int_equal(peer_fixture_send_raw(&k, "feefilter", "\x01\x40\x07\x5a\xf0\x75\x07\0", 8),
                     0);
    assert_int_equal(fee_filter(&k), 1000); /* the last was 21,000,000 BTC and a satoshi: ignored */
    assert_int_equal(peer_fixture_send_raw(&k, "feefilter", "\x00\x40\x07\x5a\xf0\x75\x07\0", 8),
                     0);
    assert_int_equal(fee_filter(&k), SPV_MAX_MONEY);
    peer_fixture_close(&k);
}

static void a_malformed_message_gets_a_reject_at_versions_that_have_it(void **state)
{
    (void)state;
    static const uint32_t versions[] = {70001, 70002, 70015, 70016};
    for (size_t i = 0; i < 4; i++) {
        struct peer_fixture k;
        struct spv_msg out;
        peer_fixture_init(&k);
        peer_fixture_open(&k, SPV_OUTBOUND);
        peer_fixture_handshake(&k, versions[i]);
        assert_int_equal(peer_fixture_send_raw(&k, "inv", "\2", 1), SPV_ERR_SHORT);
        if (i == 1 || i == 2) {
            assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_REJECT);
            assert_string_equal(out.u.reject.command, "inv");
            assert_int_equal(out.u.reject.code, SPV_REJECT_MALFORMED);
        }
        peer_fixture_expect_silence(&k);
        peer_fixture_close(&k);
    }
}

static void a_reject_before_the_close_has_a_second_to_be_written(void **state)
{
    (void)state;
    for (int taken = 0; taken < 2; taken++) {
        struct peer_fixture k;
        const uint8_t *bytes;
        peer_fixture_init(&k);
        peer_fixture_open(&k, SPV_OUTBOUND);
        peer_fixture_handshake(&k, 70015);
        assert_int_equal(peer_fixture_send_raw(&k, "inv", "\2", 1), SPV_ERR_SHORT);
        assert_int_equal(spv_peer_deadline(k.p), k.now.mono_us + SPV_SECOND);
        k.now.mono_us += SPV_SECOND - 1;
        assert_int_equal(spv_peer_timer(k.p, k.now), SPV_ERR_SHORT);
        assert_true(spv_peer_pending(k.p, &bytes) > 0);
        if (taken)
            peer_fixture_expect(&k, SPV_CMD_REJECT);
        assert_true((spv_peer_deadline(k.p) == SPV_NEVER) == taken);
        k.now.mono_us++;
        assert_int_equal(spv_peer_timer(k.p, k.now), SPV_ERR_SHORT);
        assert_int_equal(spv_peer_pending(k.p, &bytes), 0);
        assert_int_equal(spv_peer_deadline(k.p), SPV_NEVER);
        peer_fixture_close(&k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bloom_commands_without_node_bloom_close_at_every_version),
        cmocka_unit_test(compact_filter_requests_without_the_service_bit_close),
        cmocka_unit_test(compact_filter_requests_are_returned_without_the_bit_when_accepted),
        cmocka_unit_test(accepting_compact_filter_requests_accepts_no_bloom_command),
        cmocka_unit_test(an_ignored_message_does_not_hide_the_next_one),
        cmocka_unit_test(bloom_commands_are_returned_when_we_offer_node_bloom),
        cmocka_unit_test(a_bloom_filter_is_in_the_statistics_until_filterclear),
        cmocka_unit_test(bloom_commands_to_a_peer_without_node_bloom_are_refused),
        cmocka_unit_test(commands_newer_than_the_peers_version_are_not_sent),
        cmocka_unit_test(deferred_bloom_commands_are_dropped_without_node_bloom),
        cmocka_unit_test(feefilter_is_stored_and_one_above_max_money_ignored),
        cmocka_unit_test(a_malformed_message_gets_a_reject_at_versions_that_have_it),
        cmocka_unit_test(a_reject_before_the_close_has_a_second_to_be_written),
    };
    return cmocka_run_group_tests_name("peer: policy", tests, NULL, NULL);
}
