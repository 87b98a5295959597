/* The packets that an encrypted connection accepts, sent by the transport of a remote side that
 * the test scripts: decoys, names of messages, limits of length and of garbage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "peer/peer_state.h"
#include "spv/error.h"
#include "spv/peer.h"
#include "support/random.h"

struct fixture {
    struct test_random random;
    struct spv_rng rng;
    struct spv_peer *p; /* inbound */
    struct spv_transport_state remote;
    struct spv_buffer out; /* of the remote */
    struct spv_now now;
    struct spv_msg got;
    size_t n_got;
    int error;
};

static void send_out(struct fixture *k)
{
    int rc = spv_peer_feed(k->p, k->out.data, k->out.len, k->now);
    k->out.len = 0;
    while (rc == 0 && (rc = spv_peer_next(k->p, &k->got, k->now)) == 1) {
        k->n_got++;
        rc = 0;
    }
    if (rc < 0)
        k->error = rc;
}

/* Reads what the peer sends, up to the end of the transport's handshake. */
static void read_peer(struct fixture *k)
{
    const uint8_t *bytes, *payload;
    size_t n;
    while ((n = spv_peer_pending(k->p, &bytes)) > 0) {
        assert_int_equal(spv_transport_feed(&k->remote, bytes, n), 0);
        spv_peer_sent(k->p, n, k->now);
        while (spv_transport_header(&k->remote, &k->out, SPV_MAX_PAYLOAD) == 1)
            assert_int_equal(spv_transport_payload(&k->remote, &payload), 1);
    }
}

/* The remote has sent nothing yet; its key is in k->out. */
static void prepare(struct fixture *k, const struct spv_msg_feature *features, size_t n)
{
    memset(k, 0, sizeof *k);
    k->random.state = 11;
    k->rng = test_random_rng(&k->random);
    k->now = (struct spv_now){.mono_us = SPV_SECOND, .unix_s = 1700000000};
    const struct spv_peer_config cfg = {
        .net = spv_netid_get(SPV_REGTEST), .rng = k->rng, .features = features, .n_features = n};
    const struct spv_transport_config remote = {
        .net = cfg.net, .choice = SPV_TRANSPORT_ONLY_V2, .direction = SPV_OUTBOUND, .rng = &k->rng};
    assert_int_equal(spv_peer_new(&k->p, &cfg, SPV_INBOUND, k->now), 0);
    spv_transport_init(&k->remote, &remote);
    spv_buffer_init(&k->out);
    assert_int_equal(spv_transport_start(&k->remote, &k->out), 0);
}

/* The transport's handshake is complete on both sides; no message has been sent. */
static void begin_with(struct fixture *k, const struct spv_msg_feature *features, size_t n)
{
    prepare(k, features, n);
    for (int i = 0; i < 3; i++) {
        send_out(k);
        read_peer(k);
    }
    assert_int_equal(k->error, 0);
    assert_int_equal(k->remote.kind, SPV_TRANSPORT_V2);
}

static void begin(struct fixture *k)
{
    begin_with(k, NULL, 0);
}

static void end(struct fixture *k)
{
    spv_peer_free(k->p);
    spv_transport_free(&k->remote);
    spv_buffer_free(&k->out);
}

/* A packet of these contents. */
static void put_packet(struct fixture *k, const void *contents, size_t n, uint8_t header)
{
    const size_t start = spv_v2_packet_begin(&k->out);
    spv_buffer_put(&k->out, contents, n);
    assert_int_equal(spv_v2_packet_end(&k->out), 0);
    assert_int_equal(spv_v2_packet_seal(k->remote.v2, &k->out, start, header), 0);
}

static void put_msg(struct fixture *k, const struct spv_msg *msg)
{
    size_t start;
    assert_int_equal(spv_transport_put(&k->remote, &k->out, msg, SPV_PROTOCOL_VERSION, &start), 0);
    assert_int_equal(spv_transport_seal(&k->remote, &k->out, start), 0);
}

static void put_version_of(struct fixture *k, uint32_t number)
{
    const struct spv_msg version = {.command = SPV_CMD_VERSION,
                                    .u.version = {.version = number, .nonce = 77}};
    put_msg(k, &version);
}

static void put_version(struct fixture *k)
{
    put_version_of(k, SPV_PROTOCOL_VERSION);
}

static void complete_handshake(struct fixture *k)
{
    const struct spv_msg verack = {.command = SPV_CMD_VERACK};
    put_version(k);
    put_msg(k, &verack);
    send_out(k);
    assert_int_equal(k->error, 0);
    assert_true(spv_peer_ready(k->p));
    k->n_got = 0;
}

static void decoys_are_skipped_and_count_as_nothing(void **state)
{
    (void)state;
    struct fixture k;
    struct spv_peer_stats stats;
    static const uint8_t ping[] = {18, 1, 2, 3, 4, 5, 6, 7, 8};
    static uint8_t long_decoy[5000]; /* longer than a message may be now */
    begin(&k);
    put_packet(&k, long_decoy, sizeof long_decoy, SPV_V2_IGNORE);
    put_version(&k);
    put_packet(&k, ping, sizeof ping, 0xff); /* the other bits mean nothing */
    send_out(&k);
    assert_int_equal(k.error, 0);
    assert_int_equal(k.n_got, 1);
    assert_int_equal(k.got.command, SPV_CMD_VERSION);
    spv_peer_get_stats(k.p, &stats);
    assert_int_equal(stats.messages_in, 1);
    assert_int_equal(stats.unknown_in, 0);
    end(&k);
}

static void seven_header_bits_are_ignored(void **state)
{
    (void)state;
    struct fixture k;
    static const uint8_t ping[] = {18, 1, 2, 3, 4, 5, 6, 7, 8};
    begin(&k);
    complete_handshake(&k);
    for (uint8_t bit = 0; bit < 7; bit++)
        put_packet(&k, ping, sizeof ping, (uint8_t)(1 << bit));
    send_out(&k);
    assert_int_equal(k.n_got, 7);
    assert_int_equal(k.got.command, SPV_CMD_PING);
    end(&k);
}

static void both_names_of_a_command_are_accepted(void **state)
{
    (void)state;
    struct fixture k;
    static const uint8_t named[] = "\0ping\0\0\0\0\0\0\0\0\1\2\3\4\5\6\7\10";
    begin(&k);
    complete_handshake(&k);
    put_packet(&k, named, sizeof named - 1, 0);
    send_out(&k);
    assert_int_equal(k.error, 0);
    assert_int_equal(k.n_got, 1);
    assert_int_equal(k.got.command, SPV_CMD_PING);
    end(&k);
}

/* BIP434: 37 before verack; afterwards it is late, as in v1. */
static void a_feature_is_read_under_its_id_and_its_name_until_verack(void **state)
{
    (void)state;
    static const struct spv_msg_feature ours = {
        .id = (const uint8_t *)"BIP999", .id_len = 6, .data = NULL, .n = 0};
    static const char by_id[] = "\45\4abcd\1\7";
    static const char by_name[] = "\0feature\0\0\0\0\0\4efgh\0";
    const struct spv_msg verack = {.command = SPV_CMD_VERACK};
    const struct spv_msg_feature *got;
    struct fixture k;
    begin_with(&k, &ours, 1);
    put_version_of(&k, SPV_FEATURE_PROTOCOL_VERSION);
    put_packet(&k, by_id, sizeof by_id - 1, 0);
    put_packet(&k, by_name, sizeof by_name - 1, 0);
    send_out(&k);
    assert_int_equal(k.error, 0);
    assert_int_equal(spv_peer_features(k.p, &got), 2);
    assert_memory_equal(got[0].id, "abcd", 4);
    assert_int_equal(got[0].n, 1);
    assert_int_equal(got[0].data[0], 7);
    assert_memory_equal(got[1].id, "efgh", 4);
    assert_int_equal(got[1].n, 0);
    put_msg(&k, &verack);
    put_packet(&k, by_id, sizeof by_id - 1, 0);
    send_out(&k);
    assert_int_equal(k.error, SPV_ERR_LATE_NEGOTIATION);
    end(&k);
}

static void what_names_no_message_is_skipped_and_counted(void **state)
{
    (void)state;
    struct fixture k;
    struct spv_peer_stats stats;
    static const struct {
        const char *contents;
        size_t n;
    } cases[] = {
        {"", 0}, /* empty */
        {"\35", 1}, /* 29: not assigned */
        {"\44", 1}, /* 36 */
        {"\377", 1}, /* 255 */
        {"\0pi", 3}, /* shorter than a name */
        {"\0p\0ng\0\0\0\0\0\0\0\0", 13}, /* text behind the padding */
        {"\0ping\0\0\0\0\0\0\0\1", 13}, /* other bytes behind it */
        {"\0\177\0\0\0\0\0\0\0\0\0\0\0", 13}, /* not printable */
    };
    begin(&k);
    complete_handshake(&k);
    spv_peer_get_stats(k.p, &stats);
    const uint64_t before = stats.unknown_in;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_packet(&k, cases[i].contents, cases[i].n, 0);
        send_out(&k);
        spv_peer_get_stats(k.p, &stats);
        assert_int_equal(k.error, 0);
        assert_int_equal(k.n_got, 0);
        assert_int_equal(stats.unknown_in, before + i + 1);
    }
    end(&k);
}

static void a_message_before_the_handshake_is_limited(void **state)
{
    (void)state;
    static const uint8_t zeros[1100];
    for (int more = 0; more < 2; more++) {
        struct fixture k;
        begin(&k);
        put_version(&k);
        const size_t start = spv_v2_packet_begin(&k.out);
        spv_buffer_put(&k.out, "\0odd\0\0\0\0\0\0\0\0\0", 13);
        spv_buffer_put(&k.out, zeros, 1024 + (size_t)more);
        assert_int_equal(spv_v2_packet_end(&k.out), 0);
        assert_int_equal(spv_v2_packet_seal(k.remote.v2, &k.out, start, 0), 0);
        send_out(&k);
        assert_int_equal(k.error, more ? SPV_ERR_LENGTH : 0);
        end(&k);
    }
}

static void a_replayed_packet_is_not_authentic(void **state)
{
    (void)state;
    struct fixture k;
    static const uint8_t ping[] = {18, 1, 2, 3, 4, 5, 6, 7, 8};
    uint8_t copy[64];
    begin(&k);
    complete_handshake(&k);
    put_packet(&k, ping, sizeof ping, 0);
    const size_t n = k.out.len;
    assert_true(n <= sizeof copy);
    memcpy(copy, k.out.data, n);
    send_out(&k);
    assert_int_equal(k.n_got, 1);
    /* its length decrypts to another one: bytes follow until the packet is complete */
    for (int i = 0; i < 4000000 && k.error == 0; i++) {
        spv_buffer_put(&k.out, copy, n);
        for (int more = 0; more < 1000; more++)
            spv_buffer_put(&k.out, copy, n);
        send_out(&k);
    }
    assert_true(k.error == SPV_ERR_V2_TAG || k.error == SPV_ERR_LENGTH);
    assert_int_equal(k.n_got, 1);
    end(&k);
}

static void a_burst_is_freed_two_seconds_later(void **state)
{
    (void)state;
    struct fixture k;
    static uint8_t zeros[300000];
    const struct spv_msg big = {
        .command = SPV_CMD_UNKNOWN, .name = "big", .u.raw = {zeros, sizeof zeros}};
    begin(&k);
    complete_handshake(&k);
    k.now.mono_us += 3 * SPV_SECOND; /* frees what the handshake used */
    assert_int_equal(spv_peer_timer(k.p, k.now), 0);
    put_msg(&k, &big);
    send_out(&k);
    assert_int_equal(k.n_got, 1);
    assert_true(spv_peer_memory(k.p) > sizeof zeros);
    k.now.mono_us += 2 * SPV_SECOND;
    assert_int_equal(spv_peer_timer(k.p, k.now), 0);
    assert_true(spv_peer_memory(k.p) < 16 * 1024);
    end(&k);
}

static void a_decoy_is_freed_and_leaves_no_deadline(void **state)
{
    (void)state;
    struct fixture k;
    static uint8_t zeros[300000];
    begin(&k);
    complete_handshake(&k);
    k.now.mono_us += 3 * SPV_SECOND; /* frees what the handshake used */
    assert_int_equal(spv_peer_timer(k.p, k.now), 0);
    const uint64_t deadline = spv_peer_deadline(k.p);
    put_packet(&k, zeros, sizeof zeros, SPV_V2_IGNORE);
    send_out(&k);
    assert_int_equal(k.n_got, 0);
    assert_int_equal(k.p->deadline[SPV_DEADLINE_MESSAGE], SPV_NEVER);
    k.now.mono_us += 2 * SPV_SECOND;
    assert_int_equal(spv_peer_timer(k.p, k.now), 0);
    assert_true(spv_peer_memory(k.p) < 16 * 1024);
    assert_int_equal(spv_peer_deadline(k.p), deadline);
    end(&k);
}

/* Activity is a message: a peer that sends decoys only is as idle as one that sends nothing. */
static void a_decoy_does_not_renew_the_idle_deadline(void **state)
{
    (void)state;
    struct fixture k;
    begin(&k);
    complete_handshake(&k);
    const uint64_t idle = k.p->deadline[SPV_DEADLINE_IDLE];
    assert_int_equal(idle, k.now.mono_us + 300 * SPV_SECOND);
    while (k.now.mono_us < idle - SPV_SECOND) {
        k.now.mono_us += SPV_SECOND;
        put_packet(&k, "decoy", 5, SPV_V2_IGNORE);
        send_out(&k);
        read_peer(&k); /* its pings, too: nothing waits to be written */
        assert_int_equal(spv_peer_timer(k.p, k.now), 0);
    }
    assert_int_equal(k.n_got, 0);
    k.now.mono_us = idle;
    assert_int_equal(spv_peer_timer(k.p, k.now), SPV_ERR_IDLE);
    end(&k);
}

/* The handshake's 30 s hold for decoys in place of the version message. */
static void a_handshake_of_decoys_ends_after_thirty_seconds(void **state)
{
    (void)state;
    struct fixture k;
    begin(&k);
    const uint64_t begun = k.now.mono_us;
    for (int i = 1; i < 30; i++) {
        k.now.mono_us = begun + (uint64_t)i * SPV_SECOND;
        put_packet(&k, "decoy", 5, SPV_V2_IGNORE);
        send_out(&k);
        assert_int_equal(k.error, 0);
        assert_int_equal(spv_peer_timer(k.p, k.now), 0);
    }
    k.now.mono_us = begun + 30 * SPV_SECOND;
    assert_int_equal(spv_peer_timer(k.p, k.now), SPV_ERR_HANDSHAKE_TIMEOUT);
    end(&k);
}

/* The 1,024 bytes before the handshake's end are a limit of messages; a version packet is none. */
static void a_version_packet_may_be_longer_than_an_early_message(void **state)
{
    (void)state;
    static const uint8_t zeros[5000];
    struct fixture k;
    prepare(&k, NULL, 0);
    k.remote.v2->version_by_caller = true;
    for (int i = 0; i < 3; i++) {
        send_out(&k);
        read_peer(&k);
    }
    put_packet(&k, zeros, sizeof zeros, 0);
    complete_handshake(&k);
    end(&k);
}

static void garbage_ends_after_4095_bytes(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        struct fixture k;
        prepare(&k, NULL, 0);
        struct spv_v2 *v2 = k.remote.v2;
        free(v2->garbage);
        v2->n_garbage = SPV_V2_MAX_GARBAGE + (size_t)more;
        v2->garbage = calloc(1, v2->n_garbage);
        send_out(&k);
        read_peer(&k);
        send_out(&k); /* garbage, terminator and version packet at once */
        assert_int_equal(k.error, more ? SPV_ERR_V2_GARBAGE : 0);
        end(&k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoys_are_skipped_and_count_as_nothing),
        cmocka_unit_test(seven_header_bits_are_ignored),
        cmocka_unit_test(both_names_of_a_command_are_accepted),
        cmocka_unit_test(a_feature_is_read_under_its_id_and_its_name_until_verack),
        cmocka_unit_test(what_names_no_message_is_skipped_and_counted),
        cmocka_unit_test(a_message_before_the_handshake_is_limited),
        cmocka_unit_test(a_replayed_packet_is_not_authentic),
        cmocka_unit_test(a_burst_is_freed_two_seconds_later),
        cmocka_unit_test(a_decoy_is_freed_and_leaves_no_deadline),
        cmocka_unit_test(a_decoy_does_not_renew_the_idle_deadline),
        cmocka_unit_test(a_handshake_of_decoys_ends_after_thirty_seconds),
        cmocka_unit_test(a_version_packet_may_be_longer_than_an_early_message),
        cmocka_unit_test(garbage_ends_after_4095_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
