/* Two peers connected in memory: which transport they have, and what happens when the two sides do
 * not agree, or one does not answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>

#include "peer/peer_state.h"
#include "peer/send_frame.h"
#include "spv/error.h"
#include "spv/peer.h"
#include "support/random.h"
#include "wire/shared_frame.h"

/* The side that opened the connection, and the one that accepted it. */
struct pair {
    struct test_random random;
    struct spv_now now;
    struct spv_peer_config cfg[2];
    struct spv_peer *side[2];
    int error[2];
    size_t got[2]; /* messages returned */
    struct spv_msg last[2];
    size_t piece; /* bytes a feed; 0: all that is pending */
};

static void pair_init(struct pair *k, enum spv_transport_choice out, enum spv_transport_choice in)
{
    memset(k, 0, sizeof *k);
    k->random.state = 7;
    k->now = (struct spv_now){.mono_us = SPV_SECOND, .unix_s = 1700000000};
    for (int i = 0; i < 2; i++) {
        k->cfg[i].net = spv_netid_get(SPV_REGTEST);
        k->cfg[i].rng = test_random_rng(&k->random);
        k->cfg[i].transport = i == 0 ? out : in;
    }
}

static void pair_open(struct pair *k)
{
    assert_int_equal(spv_peer_new(&k->side[0], &k->cfg[0], SPV_OUTBOUND, k->now), 0);
    assert_int_equal(spv_peer_new(&k->side[1], &k->cfg[1], SPV_INBOUND, k->now), 0);
}

static void pair_close(struct pair *k)
{
    spv_peer_free(k->side[0]);
    spv_peer_free(k->side[1]);
}

static void feed(struct pair *k, int to, const uint8_t *bytes, size_t n)
{
    struct spv_msg msg;
    int rc = spv_peer_feed(k->side[to], bytes, n, k->now);
    while (rc == 0 && (rc = spv_peer_next(k->side[to], &msg, k->now)) == 1) {
        k->last[to] = msg;
        k->got[to]++;
        rc = 0;
    }
    if (rc < 0)
        k->error[to] = rc;
}

/* Moves bytes both ways until both sides are quiet or one has failed. */
static void exchange(struct pair *k)
{
    for (bool moved = true; moved && k->error[0] == 0 && k->error[1] == 0;) {
        moved = false;
        for (int from = 0; from < 2; from++) {
            const uint8_t *bytes;
            size_t n = spv_peer_pending(k->side[from], &bytes);
            if (k->piece > 0 && n > k->piece)
                n = k->piece;
            if (n == 0 || k->error[!from] < 0)
                continue;
            uint8_t *copy = test_malloc(n);
            memcpy(copy, bytes, n);
            spv_peer_sent(k->side[from], n, k->now);
            feed(k, !from, copy, n);
            test_free(copy);
            moved = true;
        }
    }
}

static struct spv_peer_stats stats_of(const struct pair *k, int side)
{
    struct spv_peer_stats stats;
    spv_peer_get_stats(k->side[side], &stats);
    return stats;
}

static void expect_ready(const struct pair *k, enum spv_transport transport)
{
    const struct spv_peer_stats a = stats_of(k, 0), b = stats_of(k, 1);
    static const uint8_t none[SPV_SESSION_ID];
    assert_int_equal(k->error[0], 0);
    assert_int_equal(k->error[1], 0);
    assert_true(a.ready && b.ready);
    assert_int_equal(a.transport, transport);
    assert_int_equal(b.transport, transport);
    assert_memory_equal(a.session_id, b.session_id, SPV_SESSION_ID);
    assert_int_equal(memcmp(a.session_id, none, SPV_SESSION_ID) != 0,
                     transport == SPV_TRANSPORT_V2);
}

static const enum spv_transport_choice V1 = SPV_TRANSPORT_ONLY_V1, V2 = SPV_TRANSPORT_ONLY_V2,
                                       AUTO = SPV_TRANSPORT_AUTO;

static void peers_with_v2_exchange_messages_in_pieces_of_any_size(void **state)
{
    (void)state;
    static const size_t pieces[] = {0, 1, 3, 15, 16, 17, 64, 1000};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct pair k;
        struct spv_msg ping = {.command = SPV_CMD_PING, .u.ping = {true, 42}};
        struct spv_msg own = {.command = SPV_CMD_UNKNOWN, .name = "ours"};
        pair_init(&k, V2, i % 2 ? V2 : AUTO);
        k.piece = pieces[i];
        pair_open(&k);
        assert_int_equal(spv_peer_send(k.side[0], &ping, k.now), 0); /* deferred */
        exchange(&k);
        expect_ready(&k, SPV_TRANSPORT_V2);
        assert_int_equal(k.last[0].command, SPV_CMD_PONG);
        assert_int_equal(spv_peer_send(k.side[1], &own, k.now), 0); /* a name of 12 bytes */
        exchange(&k);
        assert_int_equal(k.last[0].command, SPV_CMD_UNKNOWN);
        assert_string_equal(k.last[0].name, "ours");
        assert_int_equal(stats_of(&k, 0).bytes_in, stats_of(&k, 1).bytes_out);
        assert_int_equal(stats_of(&k, 0).messages_in, stats_of(&k, 1).messages_out);
        pair_close(&k);
    }
}

static void automatic_inbound_accepts_v1(void **state)
{
    (void)state;
    for (size_t piece = 0; piece < 3; piece++) {
        struct pair k;
        pair_init(&k, piece ? V1 : AUTO, AUTO);
        k.piece = piece;
        pair_open(&k);
        assert_int_equal(stats_of(&k, 1).transport, SPV_TRANSPORT_PENDING);
        exchange(&k);
        expect_ready(&k, SPV_TRANSPORT_V1);
        pair_close(&k);
    }
}

static void v2_only_refuses_v1_and_sends_nothing(void **state)
{
    (void)state;
    struct pair k;
    pair_init(&k, V1, V2);
    pair_open(&k);
    exchange(&k);
    assert_int_equal(k.error[1], SPV_ERR_V1_PEER);
    assert_int_equal(stats_of(&k, 1).bytes_out, 0);
    assert_false(spv_peer_wants_v1(k.side[1]));
    assert_false(spv_peer_wants_v1(k.side[0])); /* it is v1 already */
    pair_close(&k);
}

static void another_network_is_named_as_such(void **state)
{
    (void)state;
    struct pair k;
    pair_init(&k, V1, AUTO);
    k.cfg[0].net = spv_netid_get(SPV_TESTNET4);
    pair_open(&k);
    exchange(&k);
    assert_int_equal(k.error[1], SPV_ERR_MAGIC);
    pair_close(&k);
    pair_init(&k, V2, AUTO); /* the magic is part of the keys */
    k.cfg[0].net = spv_netid_get(SPV_TESTNET4);
    pair_open(&k);
    exchange(&k);
    assert_int_equal(k.error[0], 0);
    assert_int_equal(k.error[1], 0);
    assert_int_equal(stats_of(&k, 1).transport, SPV_TRANSPORT_PENDING);
    pair_close(&k);
}

static void features_are_exchanged_over_v2(void **state)
{
    (void)state;
    static const struct spv_msg_feature ours[] = {
        {(const uint8_t *)"BIP999", 6, (const uint8_t *)"x", 1},
        {(const uint8_t *)"BIP998", 6, NULL, 0}};
    struct pair k;
    pair_init(&k, V2, V2);
    for (int i = 0; i < 2; i++) {
        k.cfg[i].features = ours;
        k.cfg[i].n_features = 2;
    }
    pair_open(&k);
    exchange(&k);
    expect_ready(&k, SPV_TRANSPORT_V2);
    for (int i = 0; i < 2; i++) {
        const struct spv_msg_feature *got;
        assert_int_equal(stats_of(&k, i).version, SPV_FEATURE_PROTOCOL_VERSION);
        assert_int_equal(spv_peer_features(k.side[i], &got), 2);
        assert_memory_equal(got[0].id, "BIP999", 6);
        assert_int_equal(got[0].n, 1);
        assert_memory_equal(got[1].id, "BIP998", 6);
        assert_int_equal(got[1].n, 0);
    }
    pair_close(&k);
}

/* ---- fall back to v1 ---- */

static void open_outbound_v2(struct pair *k)
{
    pair_init(k, V2, AUTO);
    pair_open(k);
}

static size_t send_all(struct pair *k)
{
    const uint8_t *bytes;
    size_t n, all = 0;
    while ((n = spv_peer_pending(k->side[0], &bytes)) > 0) {
        spv_peer_sent(k->side[0], n, k->now);
        all += n;
    }
    return all;
}

static void the_key_goes_alone_until_the_first_byte(void **state)
{
    (void)state;
    struct pair k;
    open_outbound_v2(&k);
    assert_int_equal(send_all(&k), 64);
    assert_int_equal(spv_peer_queued(k.side[0]), 0);
    feed(&k, 0, k.cfg[0].net->magic, 4); /* as v1 so far */
    assert_int_equal(spv_peer_queued(k.side[0]), 0);
    feed(&k, 0, (const uint8_t *)"w", 1); /* v1 has a 'v': our garbage follows at once */
    assert_int_equal(k.error[0], 0);
    const struct spv_v2 *v2 = k.side[0]->transport.v2;
    const uint8_t *bytes;
    assert_true(v2->n_garbage > 0);
    assert_int_equal(spv_peer_pending(k.side[0], &bytes), v2->n_garbage);
    assert_memory_equal(bytes, v2->garbage, v2->n_garbage);
    pair_close(&k);
}

/* BIP324: to send the key as soon as the other side is known to have v2 keeps both from waiting. */
static void a_responder_sends_its_key_at_the_first_byte_that_is_not_v1_s(void **state)
{
    (void)state;
    static const char version[] = "version\0\0\0\0";
    for (size_t same = 0; same < SPV_V1_PREFIX; same++) {
        struct pair k;
        uint8_t bytes[SPV_V1_PREFIX];
        const uint8_t *key;
        pair_init(&k, V2, AUTO);
        pair_open(&k);
        memcpy(bytes, k.cfg[1].net->magic, 4);
        memcpy(bytes + 4, version, sizeof version);
        feed(&k, 1, bytes, same);
        assert_int_equal(spv_peer_queued(k.side[1]), 0);
        const uint8_t other = bytes[same] ^ 0x80;
        feed(&k, 1, &other, 1);
        assert_int_equal(k.error[1], 0);
        assert_int_equal(spv_peer_pending(k.side[1], &key), SPV_ELLSWIFT_BYTES);
        assert_memory_equal(key, k.side[1]->transport.v2->key.encoded, SPV_ELLSWIFT_BYTES);
        pair_close(&k);
    }
}

/* Our version message needs no byte behind the responder's key: one round trip less. */
static void version_follows_the_version_packet_without_waiting(void **state)
{
    (void)state;
    struct pair k;
    const uint8_t *bytes;
    pair_init(&k, V2, V2);
    pair_open(&k);
    size_t n = spv_peer_pending(k.side[0], &bytes);
    feed(&k, 1, bytes, n);
    spv_peer_sent(k.side[0], n, k.now);
    n = spv_peer_pending(k.side[1], &bytes);
    assert_true(n > SPV_ELLSWIFT_BYTES); /* garbage and the rest: not delivered yet */
    feed(&k, 0, bytes, SPV_ELLSWIFT_BYTES);
    spv_peer_sent(k.side[1], SPV_ELLSWIFT_BYTES, k.now);
    assert_int_equal(stats_of(&k, 0).transport, SPV_TRANSPORT_PENDING);
    n = spv_peer_pending(k.side[0], &bytes);
    feed(&k, 1, bytes, n);
    spv_peer_sent(k.side[0], n, k.now);
    assert_int_equal(k.got[1], 1);
    assert_int_equal(k.last[1].command, SPV_CMD_VERSION);
    exchange(&k);
    expect_ready(&k, SPV_TRANSPORT_V2);
    pair_close(&k);
}

static void a_v1_answer_asks_for_v1(void **state)
{
    (void)state;
    struct pair k;
    struct spv_peer *other;
    const uint8_t *bytes;
    open_outbound_v2(&k);
    send_all(&k);
    k.cfg[1].transport = V1;
    assert_int_equal(spv_peer_new(&other, &k.cfg[1], SPV_OUTBOUND, k.now), 0);
    const size_t n = spv_peer_pending(other, &bytes);
    feed(&k, 0, bytes, n);
    assert_int_equal(k.error[0], SPV_ERR_V1_PEER);
    assert_true(spv_peer_wants_v1(k.side[0]));
    assert_int_equal(spv_peer_queued(k.side[0]), 0); /* and no garbage is sent */
    spv_peer_free(other);
    pair_close(&k);
}

static void a_close_without_an_answer_asks_for_v1(void **state)
{
    (void)state;
    struct pair k;
    const uint8_t *bytes;
    open_outbound_v2(&k);
    assert_int_equal(spv_peer_pending(k.side[0], &bytes), 64);
    spv_peer_sent(k.side[0], 23, k.now); /* less than a v1 header: the peer has seen nothing */
    assert_false(spv_peer_wants_v1(k.side[0]));
    spv_peer_sent(k.side[0], 1, k.now);
    assert_true(spv_peer_wants_v1(k.side[0]));
    spv_peer_close(k.side[0], SPV_ERR_CLOSED);
    assert_true(spv_peer_wants_v1(k.side[0]));
    pair_close(&k);
    open_outbound_v2(&k);
    send_all(&k);
    feed(&k, 0, (const uint8_t *)"x", 1); /* a byte that is not v1's */
    spv_peer_close(k.side[0], SPV_ERR_CLOSED);
    assert_false(spv_peer_wants_v1(k.side[0]));
    pair_close(&k);
}

static void silence_ends_after_ten_seconds(void **state)
{
    (void)state;
    struct pair k;
    open_outbound_v2(&k);
    send_all(&k);
    const uint64_t begun = k.now.mono_us;
    assert_int_equal(spv_peer_deadline(k.side[0]), begun + 10 * SPV_SECOND);
    k.now.mono_us = begun + 10 * SPV_SECOND - 1;
    assert_int_equal(spv_peer_timer(k.side[0], k.now), 0);
    k.now.mono_us++;
    assert_int_equal(spv_peer_timer(k.side[0], k.now), SPV_ERR_HANDSHAKE_TIMEOUT);
    assert_true(spv_peer_wants_v1(k.side[0]));
    pair_close(&k);
    open_outbound_v2(&k); /* one byte in time: the handshake's 30 s remain */
    send_all(&k);
    feed(&k, 0, (const uint8_t *)"x", 1);
    k.now.mono_us = begun + 30 * SPV_SECOND - 1;
    assert_int_equal(spv_peer_timer(k.side[0], k.now), 0);
    k.now.mono_us++;
    assert_int_equal(spv_peer_timer(k.side[0], k.now), SPV_ERR_HANDSHAKE_TIMEOUT);
    assert_false(spv_peer_wants_v1(k.side[0]));
    pair_close(&k);
}

/* ---- limits ---- */

static bool refuse(void *ctx, const struct spv_endpoint *from)
{
    ++*(unsigned *)ctx;
    assert_string_equal(from->host, "192.0.2.7");
    return false;
}

static void inbound_keys_are_made_only_when_allowed(void **state)
{
    (void)state;
    struct pair k;
    unsigned calls = 0;
    pair_init(&k, V2, AUTO);
    k.cfg[1].allow_v2 = refuse;
    k.cfg[1].allow_ctx = &calls;
    strcpy(k.cfg[1].endpoint.host, "192.0.2.7");
    pair_open(&k);
    exchange(&k);
    assert_int_equal(k.error[1], SPV_ERR_ADDRESS_LIMIT);
    assert_int_equal(calls, 1);
    assert_int_equal(stats_of(&k, 1).bytes_out, 0);
    pair_close(&k);
    pair_init(&k, V1, AUTO); /* v1 costs no keys */
    k.cfg[1].allow_v2 = refuse;
    k.cfg[1].allow_ctx = &calls;
    pair_open(&k);
    exchange(&k);
    expect_ready(&k, SPV_TRANSPORT_V1);
    assert_int_equal(calls, 1);
    pair_close(&k);
}

static void a_shared_frame_is_sent_encrypted(void **state)
{
    (void)state;
    struct pair k;
    const uint64_t tag = 5;
    uint64_t done = 0;
    int error = -1;
    pair_init(&k, V2, V2);
    pair_open(&k);
    exchange(&k);
    struct spv_shared_frame *f = spv_shared_frame_new(1);
    f->bytes[SPV_FRAME_HEADER] = 0; /* no headers */
    spv_shared_frame_seal(f, k.cfg[1].net, SPV_CMD_HEADERS);
    assert_int_equal(spv_peer_send_headers(k.side[1], f, &tag, k.now), 0);
    assert_int_equal(spv_peer_queued(k.side[1]), 3 + 1 + 1 + 1 + 16); /* the id is one byte */
    spv_shared_frame_unref(f);
    exchange(&k);
    assert_int_equal(k.last[0].command, SPV_CMD_HEADERS);
    assert_int_equal(spv_peer_next_completion(k.side[1], &done, &error), 1);
    assert_int_equal(done, tag);
    assert_int_equal(error, 0);
    pair_close(&k);
}

static void a_message_that_does_not_fit_the_queue_keeps_the_cipher_in_step(void **state)
{
    (void)state;
    struct pair k;
    struct spv_msg ping = {.command = SPV_CMD_PING, .u.ping = {true, 1}};
    pair_init(&k, V2, V2);
    k.cfg[0].max_queue_messages = 2;
    pair_open(&k);
    exchange(&k);
    assert_int_equal(spv_peer_send(k.side[0], &ping, k.now), 0);
    assert_int_equal(spv_peer_send(k.side[0], &ping, k.now), 0);
    assert_int_equal(spv_peer_send(k.side[0], &ping, k.now), SPV_ERR_QUEUE_FULL);
    exchange(&k);
    ping.u.ping.nonce = 2;
    assert_int_equal(spv_peer_send(k.side[0], &ping, k.now), 0);
    exchange(&k);
    expect_ready(&k, SPV_TRANSPORT_V2);
    assert_int_equal(k.last[0].u.ping.nonce, 2);
    pair_close(&k);
}

static void a_flipped_bit_ends_the_connection_without_a_message(void **state)
{
    (void)state;
    struct pair k;
    const uint8_t *bytes;
    struct spv_msg ping = {.command = SPV_CMD_PING, .u.ping = {true, 1}};
    pair_init(&k, V2, V2);
    pair_open(&k);
    exchange(&k);
    assert_int_equal(spv_peer_send(k.side[0], &ping, k.now), 0);
    const size_t n = spv_peer_pending(k.side[0], &bytes);
    uint8_t copy[64];
    assert_true(n <= sizeof copy);
    memcpy(copy, bytes, n);
    copy[n - 1] ^= 1;
    const size_t before = k.got[1];
    feed(&k, 1, copy, n);
    assert_int_equal(k.error[1], SPV_ERR_V2_TAG);
    assert_int_equal(spv_err_class_of(k.error[1]), SPV_CLASS_PEER);
    assert_int_equal(k.got[1], before);
    pair_close(&k);
}

static void an_idle_connection_keeps_little_memory(void **state)
{
    (void)state;
    struct pair k;
    struct spv_msg big = {.command = SPV_CMD_UNKNOWN, .name = "big"};
    static uint8_t bytes[300000];
    big.u.raw.bytes = bytes;
    big.u.raw.n = sizeof bytes;
    pair_init(&k, V2, V2);
    pair_open(&k);
    exchange(&k);
    assert_int_equal(spv_peer_send(k.side[0], &big, k.now), 0);
    exchange(&k);
    assert_int_equal(k.last[1].u.raw.n, sizeof bytes);
    k.now.mono_us += 2 * SPV_SECOND;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(spv_peer_timer(k.side[i], k.now), 0);
        assert_true(spv_peer_memory(k.side[i]) < 16 * 1024);
    }
    exchange(&k);
    expect_ready(&k, SPV_TRANSPORT_V2);
    pair_close(&k);
}

/* OpenSSL refuses a context without a cipher. */
static void a_message_that_cannot_be_encrypted_ends_the_connection_and_is_not_sent(void **state)
{
    (void)state;
    struct pair k;
    struct spv_msg ping = {.command = SPV_CMD_PING, .u.ping = {true, 1}};
    const uint64_t tag = 5;
    uint64_t done = 0;
    int error = 0;
    pair_init(&k, V2, V2);
    pair_open(&k);
    exchange(&k);
    assert_int_equal(EVP_CIPHER_CTX_reset(k.side[0]->transport.v2->send.aead.ctx), 1);
    assert_int_equal(spv_peer_send_tagged(k.side[0], &ping, tag, k.now), SPV_ERR_CRYPTO);
    assert_int_equal(spv_peer_queued(k.side[0]), 0);
    assert_int_equal(spv_peer_send(k.side[0], &ping, k.now), SPV_ERR_CRYPTO);
    assert_int_equal(spv_peer_timer(k.side[0], k.now), SPV_ERR_CRYPTO);
    spv_peer_close(k.side[0], SPV_ERR_CRYPTO);
    assert_int_equal(spv_peer_next_completion(k.side[0], &done, &error), 0);
    pair_close(&k);
}

/* The limit is added to: it must not wrap. */
static void any_limit_of_a_payload_leaves_room_for_its_name(void **state)
{
    (void)state;
    struct pair k;
    pair_init(&k, V2, V2);
    k.cfg[0].max_payload = k.cfg[1].max_payload = UINT32_MAX;
    pair_open(&k);
    exchange(&k);
    expect_ready(&k, SPV_TRANSPORT_V2);
    pair_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peers_with_v2_exchange_messages_in_pieces_of_any_size),
        cmocka_unit_test(automatic_inbound_accepts_v1),
        cmocka_unit_test(v2_only_refuses_v1_and_sends_nothing),
        cmocka_unit_test(another_network_is_named_as_such),
        cmocka_unit_test(features_are_exchanged_over_v2),
        cmocka_unit_test(the_key_goes_alone_until_the_first_byte),
        cmocka_unit_test(a_responder_sends_its_key_at_the_first_byte_that_is_not_v1_s),
        cmocka_unit_test(version_follows_the_version_packet_without_waiting),
        cmocka_unit_test(a_v1_answer_asks_for_v1),
        cmocka_unit_test(a_close_without_an_answer_asks_for_v1),
        cmocka_unit_test(silence_ends_after_ten_seconds),
        cmocka_unit_test(inbound_keys_are_made_only_when_allowed),
        cmocka_unit_test(a_shared_frame_is_sent_encrypted),
        cmocka_unit_test(a_message_that_does_not_fit_the_queue_keeps_the_cipher_in_step),
        cmocka_unit_test(a_flipped_bit_ends_the_connection_without_a_message),
        cmocka_unit_test(an_idle_connection_keeps_little_memory),
        cmocka_unit_test(a_message_that_cannot_be_encrypted_ends_the_connection_and_is_not_sent),
        cmocka_unit_test(any_limit_of_a_payload_leaves_room_for_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
