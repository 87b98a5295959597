/* Damage that no byte shows ends in a named deadline: peers connected in memory, of which one is
 * sent a part of the other's stream, or a packet whose encrypted length was changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "peer/peer_state.h"
#include "spv/error.h"
#include "spv/peer.h"
#include "support/random.h"

#define LONGEST (16 * 1024) /* of what a side sends in a handshake */

struct pair {
    struct test_random random;
    struct spv_now now;
    struct spv_peer *side[2]; /* the one that opened the connection, and the one that accepted it */
    size_t got[2];
};

static void pair_open(struct pair *k)
{
    memset(k, 0, sizeof *k);
    k->random.state = 7;
    k->now = (struct spv_now){.mono_us = SPV_SECOND, .unix_s = 1700000000};
    for (int i = 0; i < 2; i++) {
        const struct spv_peer_config cfg = {.net = spv_netid_get(SPV_REGTEST),
                                            .rng = test_random_rng(&k->random),
                                            .transport = SPV_TRANSPORT_ONLY_V2,
                                            .timeouts = {.message = 60 * SPV_SECOND}};
        assert_int_equal(
            spv_peer_new(&k->side[i], &cfg, i == 0 ? SPV_OUTBOUND : SPV_INBOUND, k->now), 0);
    }
}

static void pair_close(struct pair *k)
{
    spv_peer_free(k->side[0]);
    spv_peer_free(k->side[1]);
}

static int feed(struct pair *k, int to, const uint8_t *bytes, size_t n)
{
    struct spv_msg msg;
    int rc = spv_peer_feed(k->side[to], bytes, n, k->now);
    while (rc == 0 && (rc = spv_peer_next(k->side[to], &msg, k->now)) == 1) {
        k->got[to]++;
        rc = 0;
    }
    return rc;
}

/* Takes all that a side has to send. */
static size_t take(struct pair *k, int from, uint8_t *out)
{
    const uint8_t *bytes;
    size_t n, all = 0;
    while ((n = spv_peer_pending(k->side[from], &bytes)) > 0) {
        assert_true(all + n <= LONGEST);
        memcpy(out + all, bytes, n);
        all += n;
        spv_peer_sent(k->side[from], n, k->now);
    }
    return all;
}

static void exchange(struct pair *k)
{
    uint8_t bytes[LONGEST];
    size_t n[2] = {1, 1};
    while (n[0] + n[1] > 0) {
        for (int from = 0; from < 2; from++) {
            n[from] = take(k, from, bytes);
            assert_int_equal(feed(k, !from, bytes, n[from]), 0);
        }
    }
}

/* Runs a side's timers up to `seconds` from now; returns the error that ends it then. */
static int run_to(struct pair *k, int side, uint64_t seconds)
{
    k->now.mono_us += seconds * SPV_SECOND - 1;
    assert_int_equal(spv_peer_timer(k->side[side], k->now), 0);
    k->now.mono_us++;
    return spv_peer_timer(k->side[side], k->now);
}

/* All that the responder sends in the handshake up to its version packet, in `stream`. */
static size_t responder_stream(struct pair *k, uint8_t *stream)
{
    const size_t n = take(k, 0, stream);
    assert_int_equal(n, SPV_ELLSWIFT_BYTES);
    assert_int_equal(feed(k, 1, stream, n), 0);
    return take(k, 1, stream);
}

static void a_handshake_that_stops_at_any_part_ends_after_thirty_seconds(void **state)
{
    (void)state;
    static const size_t fixed = SPV_ELLSWIFT_BYTES + SPV_V2_TERMINATOR + SPV_V2_OVERHEAD;
    uint8_t stream[LONGEST];
    struct pair k;
    pair_open(&k);
    const size_t all = responder_stream(&k, stream), garbage = all - fixed;
    const size_t stops[] = {0,
                            1,
                            SPV_ELLSWIFT_BYTES - 1,
                            SPV_ELLSWIFT_BYTES,
                            SPV_ELLSWIFT_BYTES + garbage / 2,
                            SPV_ELLSWIFT_BYTES + garbage + SPV_V2_TERMINATOR - 1,
                            SPV_ELLSWIFT_BYTES + garbage + SPV_V2_TERMINATOR,
                            all - SPV_V2_OVERHEAD + SPV_V2_LENGTH,
                            all - 1,
                            all};
    pair_close(&k);
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        struct spv_peer_stats stats;
        pair_open(&k); /* the same random bytes each time */
        assert_int_equal(responder_stream(&k, stream), all);
        assert_int_equal(feed(&k, 0, stream, stops[i]), 0);
        (void)take(&k, 0, stream); /* what is written has no deadline any more */
        assert_int_equal(run_to(&k, 0, stops[i] == 0 ? 10 : 30), SPV_ERR_HANDSHAKE_TIMEOUT);
        spv_peer_get_stats(k.side[0], &stats);
        assert_int_equal(stats.transport,
                         stops[i] == all ? SPV_TRANSPORT_V2 : SPV_TRANSPORT_PENDING);
        assert_int_equal(spv_peer_wants_v1(k.side[0]), stops[i] == 0);
        assert_int_equal(k.got[0], 0);
        pair_close(&k);
    }
}

static void garbage_that_dribbles_ends_after_thirty_seconds(void **state)
{
    (void)state;
    uint8_t stream[LONGEST];
    struct pair k;
    pair_open(&k);
    (void)responder_stream(&k, stream);
    assert_int_equal(feed(&k, 0, stream, SPV_ELLSWIFT_BYTES), 0);
    const uint64_t begun = k.now.mono_us;
    for (int i = 1; i < 30; i++) {
        static const uint8_t zero;
        k.now.mono_us = begun + (uint64_t)i * SPV_SECOND;
        assert_int_equal(feed(&k, 0, &zero, 1), 0);
        assert_int_equal(spv_peer_timer(k.side[0], k.now), 0);
    }
    k.now.mono_us = begun + 30 * SPV_SECOND;
    assert_int_equal(spv_peer_timer(k.side[0], k.now), SPV_ERR_HANDSHAKE_TIMEOUT);
    pair_close(&k);
}

/* The version packet is empty: with any of 14 bits of its length flipped, more bytes are waited
 * for. */
static void a_flipped_length_of_the_version_packet_ends_at_the_handshake_s_deadline(void **state)
{
    (void)state;
    uint8_t stream[LONGEST];
    for (unsigned bit = 8; bit < 22; bit++) {
        struct pair k;
        pair_open(&k);
        const size_t n = responder_stream(&k, stream);
        stream[n - SPV_V2_OVERHEAD + bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(feed(&k, 0, stream, n), 0);
        assert_int_equal(run_to(&k, 0, 30), SPV_ERR_HANDSHAKE_TIMEOUT);
        assert_false(spv_peer_wants_v1(k.side[0]));
        pair_close(&k);
    }
}

static void a_flipped_length_of_a_message_ends_at_the_message_s_deadline(void **state)
{
    (void)state;
    const struct spv_msg ping = {.command = SPV_CMD_PING, .u.ping = {true, 1}};
    uint8_t bytes[LONGEST];
    for (unsigned bit = 8; bit < 22; bit++) {
        struct pair k;
        pair_open(&k);
        exchange(&k);
        assert_true(spv_peer_ready(k.side[0]) && spv_peer_ready(k.side[1]));
        const size_t before = k.got[1];
        assert_int_equal(spv_peer_send(k.side[0], &ping, k.now), 0);
        const size_t n = take(&k, 0, bytes);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(feed(&k, 1, bytes, n), 0);
        assert_int_equal(run_to(&k, 1, 60), SPV_ERR_MESSAGE_TIMEOUT);
        assert_int_equal(k.got[1], before);
        pair_close(&k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handshake_that_stops_at_any_part_ends_after_thirty_seconds),
        cmocka_unit_test(garbage_that_dribbles_ends_after_thirty_seconds),
        cmocka_unit_test(a_flipped_length_of_the_version_packet_ends_at_the_handshake_s_deadline),
        cmocka_unit_test(a_flipped_length_of_a_message_ends_at_the_message_s_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
