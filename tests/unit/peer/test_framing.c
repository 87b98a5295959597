/* Bytes to messages: the chunking has no effect, the order of the checks, the limits. */
#include "unit/peer/peer_fixture.h"

#include <stdlib.h>

/* One side of a session: the peer, an application that replies, and records of both. */
struct side {
    struct spv_peer *p;
    struct test_random random;
    struct spv_buffer log; /* returned messages, encoded again */
    struct spv_buffer out; /* bytes written */
    bool asked;
};

static const struct spv_now when = {.mono_us = 5 * SPV_SECOND, .unix_s = PEER_FIXTURE_UNIX};

static void side_open(struct side *s, enum spv_direction dir)
{
    memset(s, 0, sizeof(*s));
    s->random.state = 7 + (uint64_t)dir;
    struct spv_peer_config cfg = {
        .net = spv_netid_get(SPV_REGTEST), .rng = test_random_rng(&s->random), .wtxidrelay = true};
    assert_int_equal(spv_peer_new(&s->p, &cfg, dir, when), 0);
    spv_buffer_init(&s->log);
    spv_buffer_init(&s->out);
}

static void side_close(struct side *s)
{
    spv_peer_free(s->p);
    spv_buffer_free(&s->log);
    spv_buffer_free(&s->out);
}

static void send_all_kinds(struct side *s)
{
    struct spv_header headers[20];
    struct spv_inv items[2] = {{SPV_INV_TX, {{1}}}, {77, {{2}}}};
    for (uint64_t i = 0; i < 20; i++)
        headers[i] = peer_fixture_header(i + 5);
    struct spv_msg answer = {.command = SPV_CMD_HEADERS,
                             .u.headers = {.headers = headers, .n = 20}};
    assert_int_equal(spv_peer_send(s->p, &answer, when), 0);
    struct spv_msg ping = {.command = SPV_CMD_PING, .u.ping = {true, 99}};
    assert_int_equal(spv_peer_send(s->p, &ping, when), 0);
    struct spv_msg strange = {.command = SPV_CMD_UNKNOWN, .name = "cmpctblock"};
    strange.u.raw = (struct spv_msg_raw){(const uint8_t *)"abcdefg", 7};
    assert_int_equal(spv_peer_send(s->p, &strange, when), 0);
    struct spv_msg inv = {.command = SPV_CMD_INV, .u.inv = {items, 2}};
    assert_int_equal(spv_peer_send(s->p, &inv, when), 0);
    strange.u.raw.n = 0;
    assert_int_equal(spv_peer_send(s->p, &strange, when), 0);
}

static void reply(struct side *s, const struct spv_msg *msg)
{
    if (spv_peer_ready(s->p) && msg->command == SPV_CMD_VERACK) {
        struct spv_msg send = {.command = SPV_CMD_SENDHEADERS};
        assert_int_equal(spv_peer_send(s->p, &send, when), 0);
        struct spv_blockhash locator[] = {peer_fixture_hash(5), peer_fixture_hash(1)};
        send = (struct spv_msg){.command = SPV_CMD_GETHEADERS,
                                .u.getheaders = {.locator = locator, .n = 2}};
        assert_int_equal(spv_peer_send(s->p, &send, when), 0);
    }
    if (msg->command == SPV_CMD_GETHEADERS)
        send_all_kinds(s);
}

static int side_input(struct side *s, const uint8_t *bytes, size_t n)
{
    struct spv_msg msg;
    int rc = spv_peer_feed(s->p, bytes, n, when);
    while (rc == 0 && (rc = spv_peer_next(s->p, &msg, when)) == 1) {
        assert_int_equal(
            spv_msg_write(&s->log, &msg, spv_netid_get(SPV_REGTEST), SPV_PROTOCOL_VERSION), 0);
        reply(s, &msg);
        rc = 0;
    }
    return rc;
}

static void side_flush(struct side *s)
{
    const uint8_t *bytes;
    size_t n = spv_peer_pending(s->p, &bytes);
    if (n > 0)
        spv_buffer_put(&s->out, bytes, n);
    spv_peer_sent(s->p, n, when);
}

/* Moves bytes between two peers until both have none pending. */
static void exchange(struct side *a, struct side *b)
{
    side_open(a, SPV_OUTBOUND);
    side_open(b, SPV_INBOUND);
    size_t a_read = 0, b_read = 0;
    do {
        side_flush(a);
        size_t n = a->out.len - b_read;
        assert_int_equal(side_input(b, a->out.data + b_read, n), 0);
        b_read += n;
        side_flush(b);
        n = b->out.len - a_read;
        assert_int_equal(side_input(a, b->out.data + a_read, n), 0);
        a_read += n;
        side_flush(a);
    } while (b_read < a->out.len);
    assert_true(spv_peer_ready(a->p) && spv_peer_ready(b->p));
}

static void check_same(struct side *s, const struct side *model)
{
    struct spv_peer_stats got, want;
    side_flush(s);
    assert_int_equal(s->log.len, model->log.len);
    assert_memory_equal(s->log.data, model->log.data, model->log.len);
    assert_int_equal(s->out.len, model->out.len);
    assert_memory_equal(s->out.data, model->out.data, model->out.len);
    spv_peer_get_stats(s->p, &got);
    spv_peer_get_stats(model->p, &want);
    assert_int_equal(got.messages_in, want.messages_in);
    assert_int_equal(got.messages_out, want.messages_out);
    assert_int_equal(got.unknown_in, want.unknown_in);
    assert_int_equal(got.bytes_in, want.bytes_in);
    assert_int_equal(got.bytes_out, want.bytes_out);
    assert_int_equal(spv_peer_deadline(s->p), spv_peer_deadline(model->p));
}

/* Replays the input of one side, split after `cut` bytes and then every `step` bytes. */
static void replay(const struct side *model, enum spv_direction dir,
                   const struct spv_buffer *received, size_t cut, size_t step)
{
    struct side s;
    side_open(&s, dir);
    for (size_t at = 0, n = cut; at < received->len; at += n, n = step) {
        if (n > received->len - at)
            n = received->len - at;
        assert_int_equal(side_input(&s, received->data + at, n), 0);
    }
    check_same(&s, model);
    side_close(&s);
}

static void every_split_point_gives_the_same_messages_and_output(void **state)
{
    (void)state;
    struct side client, server;
    exchange(&client, &server);
    assert_true(client.log.len > 1700);
    for (size_t cut = 0; cut <= server.out.len; cut++)
        replay(&client, SPV_OUTBOUND, &server.out, cut, server.out.len);
    for (size_t cut = 0; cut <= client.out.len; cut++)
        replay(&server, SPV_INBOUND, &client.out, cut, client.out.len);
    side_close(&client);
    side_close(&server);
}

static void chunks_of_any_size_give_the_same_messages_and_output(void **state)
{
    (void)state;
    struct side client, server;
    exchange(&client, &server);
    for (size_t step = 1; step < 70; step++) {
        replay(&client, SPV_OUTBOUND, &server.out, step, step);
        replay(&server, SPV_INBOUND, &client.out, step, step);
    }
    side_close(&client);
    side_close(&server);
}

static void an_invalid_frame_is_found_at_every_split_after_valid_ones(void **state)
{
    (void)state;
    struct side client, server;
    exchange(&client, &server);
    struct spv_buffer bytes;
    spv_buffer_init(&bytes);
    spv_buffer_put(&bytes, server.out.data, server.out.len);
    peer_fixture_frame(&bytes, "ping", "12345678", 8);
    bytes.data[bytes.len - 1] ^= 1; /* checksum */
    for (size_t cut = 0; cut <= bytes.len; cut++) {
        struct side s;
        side_open(&s, SPV_OUTBOUND);
        int rc = side_input(&s, bytes.data, cut);
        if (cut < bytes.len) {
            assert_int_equal(rc, 0);
            rc = side_input(&s, bytes.data + cut, bytes.len - cut);
        }
        assert_int_equal(rc, SPV_ERR_CHECKSUM);
        assert_int_equal(side_input(&s, bytes.data, 1), SPV_ERR_CHECKSUM); /* the error is sticky */
        assert_int_equal(s.log.len, client.log.len);
        side_close(&s);
    }
    spv_buffer_free(&bytes);
    side_close(&client);
    side_close(&server);
}

static void the_checks_of_a_frame_have_a_fixed_order(void **state)
{
    (void)state;
    /* Each frame is invalid from byte `from` on; the first check that fails determines the error.
     */
    static const struct {
        int magic, command, length, cap, checksum, body;
        int want;
    } rows[] = {
        {1, 1, 1, 1, 1, 1, SPV_ERR_MAGIC},
        {0, 1, 1, 1, 1, 1, SPV_ERR_COMMAND},
        {0, 0, 1, 1, 1, 1, SPV_ERR_LENGTH},
        {0, 0, 0, 1, 1, 1, SPV_ERR_LENGTH},
        {0, 0, 0, 0, 1, 1, SPV_ERR_CHECKSUM},
        {0, 0, 0, 0, 0, 1, SPV_ERR_SHORT},
        {0, 0, 0, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct peer_fixture k;
        struct spv_buffer b;
        peer_fixture_init(&k);
        peer_fixture_ready(&k, SPV_OUTBOUND);
        spv_buffer_init(&b);
        peer_fixture_frame(&b, "ping", "12345678", rows[i].body ? 7 : 8);
        if (rows[i].magic)
            b.data[3] ^= 1;
        if (rows[i].command)
            b.data[4 + 10] = 'x'; /* after a NUL */
        if (rows[i].length)
            b.data[16 + 3] = 1; /* 16 MiB */
        if (rows[i].cap)
            b.data[16 + 1] = 1; /* more than the largest ping */
        if (rows[i].checksum)
            b.data[20] ^= 1;
        assert_int_equal(peer_fixture_send_bytes(&k, b.data, b.len), rows[i].want);
        spv_buffer_free(&b);
        peer_fixture_close(&k);
    }
}

static void invalid_frames_close_but_never_ban(void **state)
{
    (void)state;
    static const int codes[] = {SPV_ERR_MAGIC, SPV_ERR_COMMAND, SPV_ERR_LENGTH, SPV_ERR_CHECKSUM};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(spv_err_class_of(codes[i]), SPV_CLASS_PEER);
}

static void an_invalid_frame_header_is_refused_before_its_payload_arrives(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_buffer b;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    spv_buffer_init(&b);
    peer_fixture_frame(&b, "block", "", 0);
    uint32_t claim = SPV_MAX_PAYLOAD + 1;
    for (int i = 0; i < 4; i++)
        b.data[16 + i] = (uint8_t)(claim >> (8 * i));
    assert_int_equal(peer_fixture_send_bytes(&k, b.data, SPV_FRAME_HEADER - 1), 0);
    assert_int_equal(peer_fixture_send_bytes(&k, b.data + SPV_FRAME_HEADER - 1, 1), SPV_ERR_LENGTH);
    spv_buffer_free(&b);
    peer_fixture_close(&k);
}

static void payloads_during_the_handshake_are_limited_to_a_kilobyte(void **state)
{
    (void)state;
    static const uint8_t body[SPV_MAX_EARLY_PAYLOAD + 1];
    struct peer_fixture k;
    peer_fixture_init(&k);
    peer_fixture_open(&k, SPV_OUTBOUND);
    peer_fixture_send_version(&k, 70016);
    assert_int_equal(peer_fixture_send_raw(&k, "future", body, SPV_MAX_EARLY_PAYLOAD), 0);
    assert_int_equal(peer_fixture_send_raw(&k, "future", body, SPV_MAX_EARLY_PAYLOAD + 1),
                     SPV_ERR_LENGTH);
    peer_fixture_close(&k);

    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    assert_int_equal(peer_fixture_send_raw(&k, "future", body, SPV_MAX_EARLY_PAYLOAD + 1), 0);
    peer_fixture_close(&k);
}

static void unknown_commands_are_counted_and_returned_raw(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_peer_stats s;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_INBOUND);
    assert_int_equal(peer_fixture_send_raw(&k, "twelve_chars", "xyz", 3), 0);
    assert_int_equal(k.got.command, SPV_CMD_UNKNOWN);
    assert_string_equal(k.got.name, "twelve_chars");
    assert_int_equal(k.got.u.raw.n, 3);
    assert_memory_equal(k.got.u.raw.bytes, "xyz", 3);
    spv_peer_get_stats(k.p, &s);
    assert_int_equal(s.unknown_in, 1);
    peer_fixture_close(&k);
}

static void a_headers_message_is_returned_as_one_message(void **state)
{
    (void)state;
    static struct spv_header headers[SPV_MAX_HEADERS];
    struct peer_fixture k;
    struct spv_buffer b;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    for (uint64_t i = 0; i < SPV_MAX_HEADERS; i++)
        headers[i] = peer_fixture_header(i);
    struct spv_msg msg = {.command = SPV_CMD_HEADERS,
                          .u.headers = {.headers = headers, .n = SPV_MAX_HEADERS}};
    spv_buffer_init(&b);
    assert_int_equal(spv_msg_write(&b, &msg, k.cfg.net, SPV_PROTOCOL_VERSION), 0);
    for (size_t at = 0; at < b.len; at += 1460) {
        size_t n = b.len - at < 1460 ? b.len - at : 1460;
        assert_int_equal(spv_peer_feed(k.p, b.data + at, n, k.now), 0);
        assert_int_equal(spv_peer_next(k.p, &k.got, k.now), at + n == b.len);
    }
    assert_int_equal(k.got.command, SPV_CMD_HEADERS);
    assert_int_equal(k.got.u.headers.n, SPV_MAX_HEADERS);
    for (uint64_t i = 0; i < SPV_MAX_HEADERS; i++)
        assert_memory_equal(&k.got.u.headers.headers[i].prev, &headers[i].prev, 32);
    spv_buffer_free(&b);
    peer_fixture_close(&k);
}

static void too_many_headers_or_locator_hashes_are_not_sent(void **state)
{
    (void)state;
    static struct spv_header headers[SPV_MAX_HEADERS + 1];
    static struct spv_blockhash locator[SPV_MAX_LOCATOR + 1];
    struct peer_fixture k;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    struct spv_msg msg = {.command = SPV_CMD_HEADERS,
                          .u.headers = {.headers = headers, .n = SPV_MAX_HEADERS + 1}};
    assert_int_equal(spv_peer_send(k.p, &msg, k.now), SPV_ERR_TOO_LONG);
    msg = (struct spv_msg){.command = SPV_CMD_GETHEADERS,
                           .u.getheaders = {.locator = locator, .n = SPV_MAX_LOCATOR + 1}};
    assert_int_equal(spv_peer_send(k.p, &msg, k.now), SPV_ERR_TOO_LONG);
    peer_fixture_expect_silence(&k);
    msg.u.getheaders.n = SPV_MAX_LOCATOR;
    assert_int_equal(spv_peer_send(k.p, &msg, k.now), 0);
    peer_fixture_expect(&k, SPV_CMD_GETHEADERS);
    msg = (struct spv_msg){.command = SPV_CMD_HEADERS,
                           .u.headers = {.headers = headers, .n = SPV_MAX_HEADERS}};
    assert_int_equal(spv_peer_send(k.p, &msg, k.now), 0);
    peer_fixture_close(&k);
}

static void a_full_send_queue_refuses_and_stays_unchanged(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg out, ping = {.command = SPV_CMD_PING, .u.ping = {true, 0}};
    peer_fixture_init(&k);
    k.cfg.max_queue_bytes = 32 * 10;
    peer_fixture_ready(&k, SPV_OUTBOUND);
    for (uint64_t i = 0; i < 10; i++) {
        ping.u.ping.nonce = i;
        assert_int_equal(spv_peer_send(k.p, &ping, k.now), 0);
    }
    assert_int_equal(spv_peer_send(k.p, &ping, k.now), SPV_ERR_QUEUE_FULL);
    assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_PING);
    ping.u.ping.nonce = 10;
    assert_int_equal(spv_peer_send(k.p, &ping, k.now), 0);
    assert_int_equal(spv_peer_send(k.p, &ping, k.now), SPV_ERR_QUEUE_FULL);
    for (uint64_t i = 1; i <= 10; i++) {
        assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_PING);
        assert_int_equal(out.u.ping.nonce, i);
    }
    peer_fixture_expect_silence(&k);
    peer_fixture_close(&k);
}

static void deferred_messages_count_as_queued(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg ping = {.command = SPV_CMD_PING, .u.ping = {true, 0}};
    const uint8_t *bytes;
    peer_fixture_init(&k);
    k.cfg.max_queue_bytes = 320;
    peer_fixture_open(&k, SPV_OUTBOUND);
    size_t version = spv_peer_pending(k.p, &bytes);
    size_t n_hashes = (320 - version) / 32;
    for (size_t i = 0; i < n_hashes; i++)
        assert_int_equal(spv_peer_send(k.p, &ping, k.now), 0);
    assert_int_equal(spv_peer_send(k.p, &ping, k.now), SPV_ERR_QUEUE_FULL);
    peer_fixture_close(&k);
}

static void a_long_queue_written_in_small_chunks_is_complete(void **state)
{
    (void)state;
    struct peer_fixture k;
    const uint8_t *bytes;
    uint64_t queued = 0, received = 0;
    uint8_t frame[32];
    size_t have = 0;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    while (received < 3000) {
        for (int i = 0; i < 3 && queued < 3000; i++) {
            struct spv_msg ping = {.command = SPV_CMD_PING, .u.ping = {true, queued++}};
            assert_int_equal(spv_peer_send(k.p, &ping, k.now), 0);
        }
        for (int i = 0; i < 9; i++) {
            size_t n = spv_peer_pending(k.p, &bytes);
            size_t take = n < 7 ? n : 7;
            for (size_t j = 0; j < take; j++) {
                frame[have++] = bytes[j];
                if (have == 32) {
                    uint64_t nonce;
                    memcpy(&nonce, frame + 24, 8);
                    assert_int_equal(nonce, received++);
                    have = 0;
                }
            }
            spv_peer_sent(k.p, take, k.now);
        }
    }
    spv_peer_sent(k.p, 1000, k.now); /* more than is pending: no effect */
    peer_fixture_expect_silence(&k);
    peer_fixture_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split_point_gives_the_same_messages_and_output),
        cmocka_unit_test(chunks_of_any_size_give_the_same_messages_and_output),
        cmocka_unit_test(an_invalid_frame_is_found_at_every_split_after_valid_ones),
        cmocka_unit_test(the_checks_of_a_frame_have_a_fixed_order),
        cmocka_unit_test(invalid_frames_close_but_never_ban),
        cmocka_unit_test(an_invalid_frame_header_is_refused_before_its_payload_arrives),
        cmocka_unit_test(payloads_during_the_handshake_are_limited_to_a_kilobyte),
        cmocka_unit_test(unknown_commands_are_counted_and_returned_raw),
        cmocka_unit_test(a_headers_message_is_returned_as_one_message),
        cmocka_unit_test(too_many_headers_or_locator_hashes_are_not_sent),
        cmocka_unit_test(a_full_send_queue_refuses_and_stays_unchanged),
        cmocka_unit_test(deferred_messages_count_as_queued),
        cmocka_unit_test(a_long_queue_written_in_small_chunks_is_complete),
    };
    return cmocka_run_group_tests_name("peer: framing", tests, NULL, NULL);
}
