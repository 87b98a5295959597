/* Completions: each tagged message is reported exactly once, as sent or not sent. */
#include "peer/send_frame.h"
#include "spv/push.h"
#include "unit/peer/peer_fixture.h"

static int send_tagged(struct peer_fixture *k, enum spv_command command, uint64_t tag)
{
    struct spv_msg msg = {.command = command};
    if (command == SPV_CMD_PING)
        msg.u.ping = (struct spv_msg_ping){true, 1};
    return spv_peer_send_tagged(k->p, &msg, tag, k->now);
}

static void expect_done(struct peer_fixture *k, uint64_t tag, int error)
{
    uint64_t got_tag = ~tag;
    int got_error = 1;
    assert_int_equal(spv_peer_next_completion(k->p, &got_tag, &got_error), 1);
    assert_int_equal(got_tag, tag);
    assert_int_equal(got_error, error);
}

static void expect_none_done(struct peer_fixture *k)
{
    uint64_t tag;
    int error;
    assert_int_equal(spv_peer_next_completion(k->p, &tag, &error), 0);
}

static void sent_means_that_the_socket_accepted_the_last_byte(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    assert_int_equal(send_tagged(&k, SPV_CMD_PING, 7), 0);
    assert_int_equal(send_tagged(&k, SPV_CMD_GETADDR, 8), 0);
    expect_none_done(&k);
    spv_peer_sent(k.p, 31, k.now);
    expect_none_done(&k);
    spv_peer_sent(k.p, 1, k.now);
    expect_done(&k, 7, 0);
    expect_none_done(&k);
    spv_peer_sent(k.p, 24, k.now);
    expect_done(&k, 8, 0);
    expect_none_done(&k);
    peer_fixture_close(&k);
}

static void one_write_may_complete_many_and_untagged_messages_are_not_reported(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    for (uint64_t i = 0; i < 100; i++) {
        struct spv_msg plain = {.command = SPV_CMD_GETADDR};
        assert_int_equal(send_tagged(&k, SPV_CMD_PING, i), 0);
        assert_int_equal(spv_peer_send(k.p, &plain, k.now), 0);
    }
    spv_peer_sent(k.p, 100 * (32 + 24), k.now);
    for (uint64_t i = 0; i < 100; i++)
        expect_done(&k, i, 0);
    expect_none_done(&k);
    peer_fixture_close(&k);
}

static void a_deferred_message_is_sent_after_the_handshake(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    peer_fixture_open(&k, SPV_OUTBOUND);
    assert_int_equal(send_tagged(&k, SPV_CMD_PING, 1), 0);
    assert_int_equal(send_tagged(&k, SPV_CMD_GETADDR, 2), 0);
    peer_fixture_handshake(&k, 70016);
    expect_none_done(&k);
    peer_fixture_expect(&k, SPV_CMD_PING);
    expect_done(&k, 1, 0);
    expect_none_done(&k);
    peer_fixture_expect(&k, SPV_CMD_GETADDR);
    expect_done(&k, 2, 0);
    expect_none_done(&k);
    peer_fixture_close(&k);
}

static void a_deferred_message_that_the_version_lacks_is_not_sent(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    peer_fixture_open(&k, SPV_OUTBOUND);
    assert_int_equal(send_tagged(&k, SPV_CMD_PING, 1), 0);
    assert_int_equal(send_tagged(&k, SPV_CMD_SENDHEADERS, 2), 0);
    assert_int_equal(send_tagged(&k, SPV_CMD_GETADDR, 3), 0);
    peer_fixture_handshake(&k, 60000);
    expect_done(&k, 2, SPV_ERR_UNSUPPORTED);
    peer_fixture_expect(&k, SPV_CMD_PING);
    expect_done(&k, 1, 0);
    peer_fixture_expect(&k, SPV_CMD_GETADDR);
    expect_done(&k, 3, 0);
    expect_none_done(&k);
    peer_fixture_close(&k);
}

static void a_refused_message_is_never_reported(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    k.cfg.max_queue_bytes = 40;
    peer_fixture_ready(&k, SPV_OUTBOUND);
    assert_int_equal(send_tagged(&k, SPV_CMD_VERACK, 1), SPV_ERR_INVALID);
    assert_int_equal(send_tagged(&k, SPV_CMD_PING, 2), 0);
    assert_int_equal(send_tagged(&k, SPV_CMD_PING, 3), SPV_ERR_QUEUE_FULL);
    peer_fixture_expect(&k, SPV_CMD_PING);
    expect_done(&k, 2, 0);
    expect_none_done(&k);
    spv_peer_close(k.p, SPV_ERR_CLOSED);
    expect_none_done(&k);
    assert_int_equal(send_tagged(&k, SPV_CMD_PING, 4), SPV_ERR_CLOSED);
    expect_none_done(&k);
    peer_fixture_close(&k);
}

static void a_close_in_the_handshake_reports_deferred_messages(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    peer_fixture_open(&k, SPV_INBOUND);
    assert_int_equal(send_tagged(&k, SPV_CMD_PING, 1), 0);
    assert_int_equal(send_tagged(&k, SPV_CMD_PING, 2), 0);
    assert_int_equal(peer_fixture_wait(&k, 31), SPV_ERR_HANDSHAKE_TIMEOUT);
    expect_done(&k, 1, SPV_ERR_HANDSHAKE_TIMEOUT);
    expect_done(&k, 2, SPV_ERR_HANDSHAKE_TIMEOUT);
    spv_peer_close(k.p, SPV_ERR_CLOSED);
    expect_none_done(&k);
    peer_fixture_close(&k);
}

static void messages_pending_at_the_close_are_reported_as_not_sent(void **state)
{
    (void)state;
    struct peer_fixture k;
    const uint8_t *bytes;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(send_tagged(&k, SPV_CMD_PING, i), 0);
    spv_peer_sent(k.p, 32 + 5, k.now);
    spv_peer_close(k.p, SPV_ERR_RESET);
    spv_peer_close(k.p, SPV_ERR_CLOSED);
    assert_int_equal(spv_peer_pending(k.p, &bytes), 0);
    assert_int_equal(spv_peer_deadline(k.p), SPV_NEVER);
    expect_done(&k, 1, 0);
    expect_done(&k, 2, SPV_ERR_RESET);
    expect_done(&k, 3, SPV_ERR_RESET);
    expect_none_done(&k);
    peer_fixture_close(&k);
}

static void a_failed_peer_may_still_write_pending_bytes(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    assert_int_equal(send_tagged(&k, SPV_CMD_PING, 1), 0);
    assert_int_equal(send_tagged(&k, SPV_CMD_PING, 2), 0);
    assert_int_equal(peer_fixture_send_raw(&k, "inv", "\2", 1), SPV_ERR_SHORT);
    expect_none_done(&k);
    spv_peer_sent(k.p, 32, k.now);
    expect_done(&k, 1, 0);
    spv_peer_close(k.p, SPV_ERR_CLOSED);
    expect_done(&k, 2, SPV_ERR_SHORT);
    expect_none_done(&k);
    peer_fixture_close(&k);
}

static void the_queue_limits_messages_and_unread_completions_count(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    k.cfg.max_queue_messages = 3;
    peer_fixture_ready(&k, SPV_OUTBOUND);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(send_tagged(&k, SPV_CMD_PING, i), 0);
    assert_int_equal(send_tagged(&k, SPV_CMD_PING, 9), SPV_ERR_QUEUE_FULL);
    spv_peer_sent(k.p, 96, k.now);
    assert_int_equal(send_tagged(&k, SPV_CMD_PING, 9), SPV_ERR_QUEUE_FULL);
    expect_done(&k, 0, 0);
    assert_int_equal(send_tagged(&k, SPV_CMD_PING, 3), 0);
    /* The limit does not apply to pongs. */
    assert_int_equal(peer_fixture_send_ping(&k, SPV_CMD_PING, 5), 0);
    spv_peer_sent(k.p, 64, k.now);
    for (uint64_t i = 1; i < 4; i++)
        expect_done(&k, i, 0);
    expect_none_done(&k);
    peer_fixture_close(&k);
}

static void deferred_messages_are_bounded_too(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    k.cfg.max_queue_messages = 2; /* our version is one of them */
    peer_fixture_open(&k, SPV_OUTBOUND);
    assert_int_equal(send_tagged(&k, SPV_CMD_PING, 1), 0);
    assert_int_equal(send_tagged(&k, SPV_CMD_PING, 2), SPV_ERR_QUEUE_FULL);
    peer_fixture_close(&k);
}

/* Random sends, writes and reads of completions, and a close at a random point: every accepted tag
 * is reported once, in order. */
static void every_tag_is_reported_exactly_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct test_random random = {.state = seed};
        struct peer_fixture k;
        const uint8_t *bytes;
        uint64_t sent = 0, done = 0, tag;
        int error, last = 0;
        print_message(seed == 1 ? "seeds 1..200\n" : "");
        peer_fixture_init(&k);
        peer_fixture_open(&k, SPV_OUTBOUND);
        uint64_t greet_at = test_random_below(&random, 60), steps = test_random_below(&random, 300);
        for (uint64_t i = 0; i < steps; i++) {
            size_t n;
            if (i == greet_at)
                peer_fixture_handshake(&k, 70016);
            switch (test_random_below(&random, 3)) {
            case 0:
                assert_int_equal(send_tagged(&k, SPV_CMD_PING, sent), 0);
                sent++;
                break;
            case 1:
                n = spv_peer_pending(k.p, &bytes);
                if (i > greet_at && n > 0)
                    spv_peer_sent(k.p, test_random_below(&random, n) + 1, k.now);
                break;
            default:
                while (spv_peer_next_completion(k.p, &tag, &error) == 1) {
                    assert_int_equal(tag, done++);
                    assert_int_equal(error, 0);
                }
            }
        }
        spv_peer_close(k.p, SPV_ERR_INTERRUPTED);
        while (spv_peer_next_completion(k.p, &tag, &error) == 1) {
            assert_int_equal(tag, done++);
            assert_true(last == 0 || error == last);
            last = error;
        }
        assert_int_equal(done, sent);
        peer_fixture_close(&k);
    }
}

/* Returns a sealed frame with a headers message of n headers. */
static struct spv_shared_frame *sealed_frame(const struct peer_fixture *k, size_t n)
{
    struct spv_shared_frame *f = spv_shared_frame_new(1 + n * (SPV_HEADER_SIZE + 1));
    assert_non_null(f);
    uint8_t *at = f->bytes + SPV_FRAME_HEADER;
    *at++ = (uint8_t)n;
    for (size_t i = 0; i < n; i++, at += SPV_HEADER_SIZE + 1) {
        const struct spv_header header = peer_fixture_header(i);
        spv_header_encode(at, &header);
        at[SPV_HEADER_SIZE] = 0;
    }
    spv_shared_frame_seal(f, k->cfg.net, SPV_CMD_HEADERS);
    return f;
}

/* Appends all pending bytes to out, `piece` bytes at a time. */
static void append_pending(struct peer_fixture *k, struct spv_buffer *out, size_t part)
{
    const uint8_t *bytes;
    size_t n;
    while ((n = spv_peer_pending(k->p, &bytes)) > 0) {
        if (n > part)
            n = part;
        spv_buffer_put(out, bytes, n);
        spv_peer_sent(k->p, n, k->now);
    }
}

static void shared_frames_keep_their_order_among_other_messages(void **state)
{
    (void)state;
    for (size_t part = 1; part < 400; part += 7) {
        struct peer_fixture k;
        struct spv_buffer want, got;
        peer_fixture_init(&k);
        peer_fixture_ready(&k, SPV_INBOUND);
        spv_buffer_init(&want);
        spv_buffer_init(&got);
        for (uint64_t i = 0; i < 9; i++) {
            struct spv_shared_frame *f = sealed_frame(&k, i);
            struct spv_msg ping = {.command = SPV_CMD_PING, .u.ping = {true, 1}};
            assert_int_equal(spv_peer_send_headers(k.p, f, &i, k.now), 0);
            spv_buffer_put(&want, f->bytes, f->n);
            spv_shared_frame_unref(f);
            if (i % 3 == 2) {
                assert_int_equal(send_tagged(&k, SPV_CMD_PING, 100 + i), 0);
                assert_int_equal(spv_msg_write(&want, &ping, k.cfg.net, 70016), 0);
            }
        }
        assert_int_equal(spv_peer_queued(k.p), want.len);
        append_pending(&k, &got, part);
        assert_int_equal(got.len, want.len);
        assert_memory_equal(got.data, want.data, want.len);
        for (uint64_t i = 0; i < 9; i++) {
            expect_done(&k, i, 0);
            if (i % 3 == 2)
                expect_done(&k, 100 + i, 0);
        }
        const struct spv_header last = peer_fixture_header(7); /* of the last frame */
        struct spv_blockhash hash;
        struct spv_hash256 known;
        spv_header_hash(&hash, &last);
        memcpy(known.b, hash.b, sizeof(known.b));
        assert_true(spv_peer_knows(k.p, &known));
        spv_buffer_free(&want);
        spv_buffer_free(&got);
        peer_fixture_close(&k);
    }
}

static void shared_frames_are_released_when_sent_or_dropped(void **state)
{
    (void)state;
    struct peer_fixture k;
    const uint64_t tags[] = {1, 2, 3};
    struct spv_buffer got;
    peer_fixture_init(&k);
    k.cfg.max_queue_bytes = 1000;
    struct spv_shared_frame *f = sealed_frame(&k, 4); /* 349 bytes */
    peer_fixture_open(&k, SPV_INBOUND);
    assert_int_equal(spv_peer_send_headers(k.p, f, &tags[0], k.now), SPV_ERR_STATE);
    peer_fixture_handshake(&k, SPV_PROTOCOL_VERSION);
    assert_int_equal(spv_peer_send_headers(k.p, f, &tags[0], k.now), 0);
    assert_int_equal(spv_peer_send_headers(k.p, f, &tags[1], k.now), 0);
    assert_int_equal(spv_peer_send_headers(k.p, f, &tags[2], k.now), SPV_ERR_QUEUE_FULL);
    assert_int_equal(f->refs, 3);
    spv_peer_sent(k.p, f->n, k.now);
    assert_int_equal(f->refs, 2);
    expect_done(&k, 1, 0);
    spv_peer_sent(k.p, 100, k.now);
    spv_peer_close(k.p, SPV_ERR_RESET);
    assert_int_equal(f->refs, 1);
    expect_done(&k, 2, SPV_ERR_RESET);
    expect_none_done(&k);
    spv_buffer_init(&got);
    append_pending(&k, &got, 100);
    assert_int_equal(got.len, 0);
    peer_fixture_close(&k);
    spv_shared_frame_unref(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_frames_keep_their_order_among_other_messages),
        cmocka_unit_test(shared_frames_are_released_when_sent_or_dropped),
        cmocka_unit_test(sent_means_that_the_socket_accepted_the_last_byte),
        cmocka_unit_test(one_write_may_complete_many_and_untagged_messages_are_not_reported),
        cmocka_unit_test(a_deferred_message_is_sent_after_the_handshake),
        cmocka_unit_test(a_deferred_message_that_the_version_lacks_is_not_sent),
        cmocka_unit_test(a_refused_message_is_never_reported),
        cmocka_unit_test(a_close_in_the_handshake_reports_deferred_messages),
        cmocka_unit_test(messages_pending_at_the_close_are_reported_as_not_sent),
        cmocka_unit_test(a_failed_peer_may_still_write_pending_bytes),
        cmocka_unit_test(the_queue_limits_messages_and_unread_completions_count),
        cmocka_unit_test(deferred_messages_are_bounded_too),
        cmocka_unit_test(every_tag_is_reported_exactly_once),
    };
    return cmocka_run_group_tests_name("peer: sending", tests, NULL, NULL);
}
