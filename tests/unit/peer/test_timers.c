/* Deadlines in virtual time: ping, pong, idle, message, write, and freeing memory. */
#include "unit/peer/peer_fixture.h"

#include <stdlib.h>

/* Waits for the next ping and returns its nonce. */
static uint64_t await_ping(struct peer_fixture *k)
{
    struct spv_msg msg;
    for (int second = 0; second < 151; second++) {
        assert_int_equal(peer_fixture_wait(k, 1), 0);
        if (peer_fixture_recv(k, &msg) == SPV_CMD_PING)
            return msg.u.ping.nonce;
    }
    fail_msg("no ping in 151 seconds");
    return 0;
}

static void ping_is_answered_with_its_nonce(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg msg;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    assert_int_equal(peer_fixture_send_ping(&k, SPV_CMD_PING, 0xfeed), 0);
    assert_int_equal(k.got.command, SPV_CMD_PING); /* returned, too */
    assert_int_equal(peer_fixture_recv(&k, &msg), SPV_CMD_PONG);
    assert_int_equal(msg.u.ping.nonce, 0xfeed);
    peer_fixture_close(&k);
}

static void ping_of_the_old_form_is_not_answered(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    peer_fixture_open(&k, SPV_OUTBOUND);
    peer_fixture_handshake(&k, 60000);
    assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_PING), 0);
    peer_fixture_expect_silence(&k);
    peer_fixture_close(&k);
}

static void pings_are_sent_every_two_minutes_plus_or_minus_a_quarter(void **state)
{
    (void)state;
    struct peer_fixture k;
    uint64_t seen[20];
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    uint64_t shortest = UINT64_MAX, longest = 0, last = k.now.mono_us;
    for (int i = 0; i < 20; i++) {
        seen[i] = await_ping(&k);
        for (int j = 0; j < i; j++)
            assert_true(seen[i] != seen[j]);
        uint64_t gap = (k.now.mono_us - last) / SPV_SECOND;
        last = k.now.mono_us;
        assert_in_range(gap, 90, 151);
        shortest = gap < shortest ? gap : shortest;
        longest = gap > longest ? gap : longest;
        assert_int_equal(peer_fixture_send_ping(&k, SPV_CMD_PONG, seen[i]), 0);
    }
    assert_true(longest - shortest >= 10); /* not synchronised */
    peer_fixture_close(&k);
}

static void the_round_trip_is_measured(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_peer_stats s;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    uint64_t nonce = await_ping(&k);
    spv_peer_get_stats(k.p, &s);
    uint64_t sent = s.ping_sent_us;
    assert_true(sent > k.now.mono_us - SPV_SECOND && sent <= k.now.mono_us);
    peer_fixture_wait_us(&k, 70000);
    peer_fixture_send_ping(&k, SPV_CMD_PONG, nonce);
    spv_peer_get_stats(k.p, &s);
    assert_int_equal(s.rtt_us, k.now.mono_us - sent);
    assert_int_equal(s.rtt_min_us, s.rtt_us);
    assert_int_equal(s.ping_sent_us, 0);
    uint64_t first = s.rtt_us;

    nonce = await_ping(&k);
    peer_fixture_wait(&k, 2);
    peer_fixture_send_ping(&k, SPV_CMD_PONG, nonce);
    spv_peer_get_stats(k.p, &s);
    assert_true(s.rtt_us > first);
    assert_int_equal(s.rtt_min_us, first);
    peer_fixture_close(&k);
}

static void a_pong_missing_for_twenty_minutes_closes(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_peer_stats s;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    await_ping(&k);
    spv_peer_get_stats(k.p, &s);
    uint64_t end = s.ping_sent_us + 20 * 60 * SPV_SECOND;
    while (k.now.mono_us + 60 * SPV_SECOND < end) {
        /* Other messages arrive, but no pong, and no second ping is sent. */
        assert_int_equal(peer_fixture_send_ping(&k, SPV_CMD_PING, 1), 0);
        assert_int_equal(peer_fixture_wait(&k, 60), 0);
        peer_fixture_expect(&k, SPV_CMD_PONG);
        peer_fixture_expect_silence(&k);
    }
    assert_int_equal(peer_fixture_wait_us(&k, end - k.now.mono_us - 1), 0);
    assert_int_equal(peer_fixture_wait_us(&k, 1), SPV_ERR_PONG_TIMEOUT);
    peer_fixture_close(&k);
}

static void a_peer_without_ping_nonces_is_not_asked_for_a_pong(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_peer_stats s;
    struct spv_msg msg;
    unsigned pings = 0;
    peer_fixture_init(&k);
    peer_fixture_open(&k, SPV_OUTBOUND);
    peer_fixture_handshake(&k, 60000);
    for (int minute = 0; minute < 60; minute++) {
        assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_PING), 0);
        assert_int_equal(peer_fixture_wait(&k, 60), 0);
        while (peer_fixture_recv(&k, &msg) != SPV_CMD_UNKNOWN) {
            assert_int_equal(msg.command, SPV_CMD_PING);
            assert_false(msg.u.ping.has_nonce);
            pings++;
        }
    }
    assert_in_range(pings, 24, 40);
    spv_peer_get_stats(k.p, &s);
    assert_int_equal(s.ping_sent_us, 0);
    peer_fixture_close(&k);
}

static void five_minutes_without_a_message_close(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg msg;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    int rc = 0;
    uint64_t start = k.now.mono_us;
    while (rc == 0 && k.now.mono_us < start + 400 * SPV_SECOND) {
        rc = peer_fixture_wait_us(&k, SPV_SECOND);
        peer_fixture_recv(&k, &msg); /* the socket accepts our pings */
    }
    assert_int_equal(rc, SPV_ERR_IDLE);
    assert_int_equal(k.now.mono_us - start, 300 * SPV_SECOND);
    peer_fixture_close(&k);
}

/* Half an hour with only answers to our pings, or only pongs with unknown nonces. */
static int receive_only_pongs(bool matching)
{
    struct peer_fixture k;
    struct spv_msg msg;
    int rc = 0;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    for (int second = 0; rc == 0 && second < 1800; second++) {
        rc = peer_fixture_wait(&k, 1);
        bool pinged = rc == 0 && peer_fixture_recv(&k, &msg) == SPV_CMD_PING;
        if (matching ? pinged : rc == 0)
            rc = peer_fixture_send_ping(&k, SPV_CMD_PONG, matching ? msg.u.ping.nonce : 1);
    }
    peer_fixture_close(&k);
    return rc;
}

static void a_matching_pong_keeps_alive_and_another_is_ignored(void **state)
{
    (void)state;
    assert_int_equal(receive_only_pongs(true), 0);
    assert_int_equal(receive_only_pongs(false), SPV_ERR_IDLE);
}

static void single_bytes_do_not_renew_the_message_deadline(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    k.cfg.timeouts.ping_interval = 100000 * SPV_SECOND;
    peer_fixture_ready(&k, SPV_OUTBOUND);
    struct spv_buffer b;
    spv_buffer_init(&b);
    static const uint8_t body[2000];
    peer_fixture_frame(&b, "whatever", body, sizeof(body));
    int rc = 0;
    size_t i = 0;
    uint64_t start = k.now.mono_us;
    while (rc == 0 && i < b.len) {
        rc = peer_fixture_send_bytes(&k, b.data + i++, 1);
        if (rc == 0)
            rc = peer_fixture_wait(&k, 1);
    }
    /* Both deadlines start with the handshake's last message, or the first byte after it. */
    assert_int_equal(rc, SPV_ERR_MESSAGE_TIMEOUT);
    assert_int_equal(k.now.mono_us - start, 300 * SPV_SECOND);
    spv_buffer_free(&b);
    peer_fixture_close(&k);
}

static void each_message_has_its_own_message_deadline(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    k.cfg.timeouts.message = 10 * SPV_SECOND;
    peer_fixture_ready(&k, SPV_OUTBOUND);
    struct spv_buffer b;
    spv_buffer_init(&b);
    peer_fixture_frame(&b, "whatever", "12345678", 8);
    size_t whole = b.len;
    peer_fixture_frame(&b, "whatever", "12345678", 8);
    /* Chunks across message boundaries: always an incomplete message, but each a new one. */
    assert_int_equal(peer_fixture_send_bytes(&k, b.data, 20), 0);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(peer_fixture_wait(&k, 7), 0);
        assert_int_equal(peer_fixture_send_bytes(&k, b.data + 20, whole), 0);
    }
    assert_int_equal(k.n_got, 6);
    assert_int_equal(peer_fixture_wait_us(&k, 10 * SPV_SECOND - 1), 0);
    assert_int_equal(peer_fixture_wait_us(&k, 1), SPV_ERR_MESSAGE_TIMEOUT);
    spv_buffer_free(&b);
    peer_fixture_close(&k);
}

static void a_complete_message_removes_the_message_deadline(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg msg;
    peer_fixture_init(&k);
    k.cfg.timeouts.message = 10 * SPV_SECOND;
    peer_fixture_ready(&k, SPV_OUTBOUND);
    assert_int_equal(peer_fixture_send_raw(&k, "whatever", "12345678", 8), 0);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(peer_fixture_wait(&k, 1), 0);
        peer_fixture_recv(&k, &msg);
    }
    peer_fixture_close(&k);
}

static void a_peer_that_does_not_read_is_closed(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    assert_int_equal(peer_fixture_send_ping(&k, SPV_CMD_PING, 1), 0);
    assert_int_equal(peer_fixture_wait(&k, 60), 0);
    assert_int_equal(peer_fixture_send_ping(&k, SPV_CMD_PING, 2),
                     0); /* another queued message does not renew the deadline */
    assert_int_equal(peer_fixture_wait_us(&k, 60 * SPV_SECOND - 1), 0);
    assert_int_equal(peer_fixture_wait_us(&k, 1), SPV_ERR_WRITE_TIMEOUT);
    peer_fixture_close(&k);
}

static void each_accepted_byte_renews_the_write_deadline(void **state)
{
    (void)state;
    struct peer_fixture k;
    const uint8_t *bytes;
    peer_fixture_init(&k);
    k.cfg.timeouts.ping_interval = 100000 * SPV_SECOND;
    peer_fixture_ready(&k, SPV_OUTBOUND);
    assert_int_equal(peer_fixture_send_ping(&k, SPV_CMD_PING, 1), 0);
    size_t n = spv_peer_pending(k.p, &bytes);
    for (size_t i = 0; i + 1 < n; i++) {
        assert_int_equal(peer_fixture_wait(&k, 100), 0);
        spv_peer_sent(k.p, 1, k.now);
        assert_int_equal(peer_fixture_send_raw(&k, "life", "", 0), 0);
    }
    assert_int_equal(peer_fixture_wait(&k, 119), 0);
    assert_int_equal(peer_fixture_wait(&k, 1), SPV_ERR_WRITE_TIMEOUT);
    peer_fixture_close(&k);
}

static void the_write_deadline_applies_during_the_handshake_too(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    k.cfg.timeouts.write = 10 * SPV_SECOND;
    peer_fixture_open(&k, SPV_OUTBOUND);
    assert_int_equal(peer_fixture_wait_us(&k, 10 * SPV_SECOND - 1), 0);
    assert_int_equal(peer_fixture_wait_us(&k, 1), SPV_ERR_WRITE_TIMEOUT);
    peer_fixture_close(&k);
}

static void sent_messages_and_pings_start_the_write_deadline(void **state)
{
    (void)state;
    for (int ping = 0; ping < 2; ping++) {
        const struct spv_msg getaddr = {.command = SPV_CMD_GETADDR};
        struct peer_fixture k;
        peer_fixture_init(&k);
        k.cfg.timeouts.write = 10 * SPV_SECOND;
        peer_fixture_ready(&k, SPV_OUTBOUND);
        if (ping)
            assert_int_equal(peer_fixture_wait_us(&k, spv_peer_deadline(k.p) - k.now.mono_us), 0);
        else
            assert_int_equal(spv_peer_send(k.p, &getaddr, k.now), 0);
        assert_true(spv_peer_queued(k.p) > 0);
        assert_int_equal(peer_fixture_wait_us(&k, 10 * SPV_SECOND - 1), 0);
        assert_int_equal(peer_fixture_wait_us(&k, 1), SPV_ERR_WRITE_TIMEOUT);
        peer_fixture_close(&k);
    }
}

static void pongs_for_a_peer_that_does_not_read_are_bounded(void **state)
{
    (void)state;
    struct peer_fixture k;
    const uint8_t *bytes;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_INBOUND);
    for (uint64_t i = 0; i < 10000; i++)
        assert_int_equal(peer_fixture_send_ping(&k, SPV_CMD_PING, i), 0);
    assert_in_range(spv_peer_pending(k.p, &bytes), 4096, 4200);
    spv_peer_sent(k.p, spv_peer_pending(k.p, &bytes), k.now);
    peer_fixture_send_ping(&k, SPV_CMD_PING, 1);
    peer_fixture_expect(&k, SPV_CMD_PONG);
    peer_fixture_close(&k);
}

static void the_reason_is_the_deadline_that_passed_first(void **state)
{
    (void)state;
    static const struct {
        unsigned getheaders, write;
        int want;
    } rows[] = {{90, 120, SPV_ERR_STALL}, {200, 120, SPV_ERR_WRITE_TIMEOUT}};
    for (size_t i = 0; i < 2; i++) {
        struct peer_fixture k;
        peer_fixture_init(&k);
        k.cfg.timeouts.getheaders = rows[i].getheaders * SPV_SECOND;
        k.cfg.timeouts.write = rows[i].write * SPV_SECOND;
        peer_fixture_ready(&k, SPV_OUTBOUND);
        struct spv_blockhash locator[] = {peer_fixture_hash(5)};
        struct spv_msg ask = {.command = SPV_CMD_GETHEADERS,
                              .u.getheaders = {.locator = locator, .n = 1}};
        assert_int_equal(spv_peer_send(k.p, &ask, k.now), 0);
        k.now.mono_us += 3600 * SPV_SECOND; /* all deadlines have passed */
        assert_int_equal(spv_peer_timer(k.p, k.now), rows[i].want);
        peer_fixture_close(&k);
    }
}

static void the_timer_called_early_does_nothing(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    uint64_t before = spv_peer_deadline(k.p);
    for (int i = 0; i < 100; i++)
        assert_int_equal(spv_peer_timer(k.p, k.now), 0);
    assert_int_equal(spv_peer_deadline(k.p), before);
    peer_fixture_expect_silence(&k);
    peer_fixture_close(&k);
}

static void statistics_count_both_ways(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_peer_stats s;
    peer_fixture_init(&k);
    uint64_t opened = k.now.mono_us;
    peer_fixture_ready(&k, SPV_OUTBOUND);
    peer_fixture_wait(&k, 1);
    peer_fixture_send_empty(&k, SPV_CMD_SENDHEADERS);
    peer_fixture_send_ping(&k, SPV_CMD_PING, 4);
    peer_fixture_wait(&k, 1);
    peer_fixture_expect(&k, SPV_CMD_PONG);
    spv_peer_get_stats(k.p, &s);
    assert_int_equal(s.direction, SPV_OUTBOUND);
    assert_true(s.ready && s.send_headers && s.relay);
    assert_int_equal(s.services, SPV_NODE_NETWORK | SPV_NODE_WITNESS);
    assert_string_equal(s.user_agent, "/other:1.0/");
    assert_int_equal(s.start_height, 321);
    assert_int_equal(s.time_offset_s, 7);
    assert_int_equal(s.messages_in, 4); /* version, verack, sendheaders, ping */
    assert_int_equal(s.messages_out, 4); /* version, sendaddrv2, verack, pong */
    assert_int_equal(s.connected_us, opened);
    assert_int_equal(s.last_in_us, opened + SPV_SECOND);
    assert_int_equal(s.last_out_us, opened + 2 * SPV_SECOND);
    assert_int_equal(s.bytes_in, (24 + 86 + 11) + 24 + 24 + 32);
    assert_true(s.bytes_out > s.bytes_in - 40);
    peer_fixture_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ping_is_answered_with_its_nonce),
        cmocka_unit_test(ping_of_the_old_form_is_not_answered),
        cmocka_unit_test(pings_are_sent_every_two_minutes_plus_or_minus_a_quarter),
        cmocka_unit_test(the_round_trip_is_measured),
        cmocka_unit_test(a_pong_missing_for_twenty_minutes_closes),
        cmocka_unit_test(a_peer_without_ping_nonces_is_not_asked_for_a_pong),
        cmocka_unit_test(five_minutes_without_a_message_close),
        cmocka_unit_test(a_matching_pong_keeps_alive_and_another_is_ignored),
        cmocka_unit_test(single_bytes_do_not_renew_the_message_deadline),
        cmocka_unit_test(each_message_has_its_own_message_deadline),
        cmocka_unit_test(a_complete_message_removes_the_message_deadline),
        cmocka_unit_test(a_peer_that_does_not_read_is_closed),
        cmocka_unit_test(each_accepted_byte_renews_the_write_deadline),
        cmocka_unit_test(the_write_deadline_applies_during_the_handshake_too),
        cmocka_unit_test(sent_messages_and_pings_start_the_write_deadline),
        cmocka_unit_test(pongs_for_a_peer_that_does_not_read_are_bounded),
        cmocka_unit_test(the_reason_is_the_deadline_that_passed_first),
        cmocka_unit_test(the_timer_called_early_does_nothing),
        cmocka_unit_test(statistics_count_both_ways),
    };
    return cmocka_run_group_tests_name("peer: keep-alive", tests, NULL, NULL);
}
