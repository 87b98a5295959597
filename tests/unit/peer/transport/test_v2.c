/* The encrypted transport as a machine of bytes, against the transcripts of BIP324 and against
 * itself. */
#include "peer/transport/v2.h"

#include "spv/error.h"
#include "support/unit.h"
#include "util/hash.h"
#include "v2_vectors.h"

static const uint8_t regtest[4] = {0xfa, 0xbf, 0xb5, 0xda};

static uint64_t rng_state = 1;
static void fill(void *ctx, void *out, size_t n)
{
    (void)ctx;
    for (uint8_t *p = out; n-- > 0;)
        *p++ =
            (uint8_t)((rng_state = rng_state * 6364136223846793005u + 1442695040888963407u) >> 56);
}
static const struct spv_rng rng = {.fill = fill};
static struct spv_v2_context *keys;

static int make_keys(void **state)
{
    (void)state;
    return spv_v2_context_new(&keys, &rng);
}

static int free_keys(void **state)
{
    (void)state;
    spv_v2_context_free(keys);
    return 0;
}

/* One side of a handshake of the file, with what it has to send and what it will receive. */
struct side {
    struct spv_v2 v;
    struct spv_buffer out;
    size_t messages; /* received */
};

static void side_init(struct side *s, const json_t *h, enum spv_v2_role role)
{
    const bool initiator = role == SPV_V2_INITIATOR;
    struct spv_v2_key key;
    uint8_t magic[4];
    size_t n;
    unhex(magic, sizeof magic, text_of(h, "magic"));
    unhex(key.secret, sizeof key.secret,
          text_of(h, initiator ? "initiator_priv" : "responder_priv"));
    unhex(key.encoded, sizeof key.encoded,
          text_of(h, initiator ? "initiator_ellswift" : "responder_ellswift"));
    uint8_t *garbage = bytes_of(&n, h, initiator ? "initiator_garbage" : "responder_garbage");
    spv_buffer_init(&s->out);
    s->messages = 0;
    assert_int_equal(spv_v2_init(&s->v, role, magic, keys, &key, garbage, n), 0);
    s->v.version_by_caller = true;
    if (initiator)
        assert_int_equal(spv_v2_start(&s->v, &s->out), 0);
    free(garbage);
}

static void side_free(struct side *s)
{
    spv_v2_free(&s->v);
    spv_buffer_free(&s->out);
}

/* Receives bytes in pieces of at most `piece`; counts the messages. */
static int receive(struct side *s, const uint8_t *bytes, size_t n, size_t piece)
{
    const uint8_t *contents;
    size_t len;
    int rc = 0;
    for (size_t i = 0; i < n && rc >= 0; i += piece) {
        assert_int_equal(spv_v2_feed(&s->v, bytes + i, n - i < piece ? n - i : piece), 0);
        while ((rc = spv_v2_next(&s->v, &s->out, &contents, &len)) == 1)
            s->messages++;
    }
    return rc;
}

/* All packets that a side sends in this handshake, in order. */
static void send_packets(struct side *s, const json_t *h, const char *who)
{
    size_t i;
    json_t *step;
    json_array_foreach(json_object_get(h, "steps"), i, step)
    {
        size_t n;
        if (strcmp(text_of(step, "from"), who) != 0 || !json_object_get(step, "contents"))
            continue;
        uint8_t *contents = bytes_of(&n, step, "contents");
        const json_t *header = json_object_get(step, "header");
        const json_t *ignore = json_object_get(step, "ignore");
        const size_t start = spv_v2_packet_begin(&s->out);
        uint8_t bits = json_is_true(ignore) ? SPV_V2_IGNORE : 0;
        if (json_is_integer(header))
            bits = (uint8_t)json_integer_value(header);
        else if (json_is_string(header))
            unhex(&bits, 1, json_string_value(header));
        spv_buffer_put(&s->out, contents, n);
        assert_int_equal(spv_v2_packet_end(&s->out), 0);
        assert_int_equal(spv_v2_packet_seal(&s->v, &s->out, start, bits), 0);
        free(contents);
    }
}

static size_t count_messages(const json_t *h, const char *who)
{
    size_t i, n = 0;
    json_t *step;
    json_array_foreach(json_object_get(h, "steps"), i, step) n +=
        strcmp(text_of(step, "from"), who) == 0 &&
        strncmp(text_of(step, "what"), "message", 7) == 0;
    return n;
}

static void run_handshake(const json_t *h, size_t piece)
{
    struct side a, b;
    size_t n_a, n_b;
    uint8_t *sent_a = bytes_of(&n_a, h, "initiator_sends");
    uint8_t *sent_b = bytes_of(&n_b, h, "responder_sends");
    uint8_t session[32];
    side_init(&a, h, SPV_V2_INITIATOR);
    side_init(&b, h, SPV_V2_RESPONDER);
    assert_int_equal(receive(&a, sent_b, n_b, piece), 0);
    assert_int_equal(receive(&b, sent_a, n_a, piece), 0);
    assert_int_equal(a.v.state, SPV_V2_READY);
    assert_int_equal(b.v.state, SPV_V2_READY);
    assert_int_equal(a.messages, count_messages(h, "responder"));
    assert_int_equal(b.messages, count_messages(h, "initiator"));
    unhex(session, sizeof session, text_of(h, "session_id"));
    assert_memory_equal(a.v.session_id, session, sizeof session);
    assert_memory_equal(b.v.session_id, session, sizeof session);
    send_packets(&a, h, "initiator");
    send_packets(&b, h, "responder");
    assert_int_equal(a.out.len, n_a);
    assert_memory_equal(a.out.data, sent_a, n_a);
    assert_int_equal(b.out.len, n_b);
    assert_memory_equal(b.out.data, sent_b, n_b);
    side_free(&a);
    side_free(&b);
    free(sent_a);
    free(sent_b);
}

static void transcripts_of_the_reference_are_sent_and_received_byte_for_byte(void **state)
{
    static const size_t pieces[] = {1, 2, 63, 64, 65, 100000};
    size_t i;
    json_t *h, *all = v2_vectors();
    (void)state;
    if (!all)
        skip();
    json_array_foreach(json_object_get(all, "handshakes"), i,
                       h) for (size_t k = 0; k < COUNT(pieces); k++) run_handshake(h, pieces[k]);
    json_decref(all);
}

static void streams_end_as_the_vectors_say(void **state)
{
    size_t i;
    json_t *r, *all = v2_vectors();
    (void)state;
    if (!all)
        skip();
    json_array_foreach(json_object_get(all, "receive"), i, r)
    {
        const bool initiator = strcmp(text_of(r, "receiver"), "initiator") == 0;
        const char *expect = text_of(r, "expect");
        struct spv_v2_key key;
        struct side s = {.messages = 0};
        uint8_t magic[4];
        size_t n;
        unhex(magic, sizeof magic, text_of(r, "magic"));
        unhex(key.secret, sizeof key.secret, text_of(r, "receiver_priv"));
        unhex(key.encoded, sizeof key.encoded, text_of(r, "receiver_ellswift"));
        assert_int_equal(spv_v2_init(&s.v, initiator ? SPV_V2_INITIATOR : SPV_V2_RESPONDER, magic,
                                     keys, &key, NULL, 0),
                         0);
        spv_buffer_init(&s.out);
        uint8_t *stream = bytes_of(&n, r, "stream");
        const int rc = receive(&s, stream, n, 1);
        print_message("%s: %s: %d\n", text_of(r, "name"), expect, rc);
        if (strcmp(expect, "accept") == 0)
            assert_true(rc == 0 && s.messages > 0 && s.v.state == SPV_V2_READY);
        else if (strcmp(expect, "v1") == 0)
            assert_int_equal(rc, SPV_ERR_V1_PEER);
        else if (strstr(expect, "v2:"))
            assert_true(rc == 0 && s.v.can_send);
        else if (strstr(expect, "wait"))
            assert_true(rc <= 0 && rc != SPV_ERR_CRYPTO);
        else
            assert_true(rc == SPV_ERR_V2_TAG || rc == SPV_ERR_V2_GARBAGE || rc == SPV_ERR_LENGTH);
        free(stream);
        side_free(&s);
    }
    json_decref(all);
}

/* Two machines of ours, joined: everything in `out` goes across until both are silent. */
static void join(struct side *a, struct side *b)
{
    spv_v2_start(&a->v, &a->out);
    for (int i = 0; i < 10 && (a->out.len || b->out.len); i++) {
        struct spv_buffer x = a->out, y = b->out;
        spv_buffer_init(&a->out);
        spv_buffer_init(&b->out);
        assert_int_equal(receive(b, x.data, x.len, 4096), 0);
        assert_int_equal(receive(a, y.data, y.len, 4096), 0);
        spv_buffer_free(&x);
        spv_buffer_free(&y);
    }
}

static void two_machines_agree_on_a_session_whatever_is_drawn(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct side a = {.messages = 0}, b = {.messages = 0};
        assert_int_equal(spv_v2_init_random(&a.v, SPV_V2_INITIATOR, regtest, keys, &rng), 0);
        assert_int_equal(spv_v2_init_random(&b.v, SPV_V2_RESPONDER, regtest, keys, &rng), 0);
        join(&a, &b);
        assert_int_equal(a.v.state, SPV_V2_READY);
        assert_int_equal(b.v.state, SPV_V2_READY);
        assert_memory_equal(a.v.session_id, b.v.session_id, 32);
        side_free(&a);
        side_free(&b);
    }
}

static void first_bytes_tell_v1_from_v2_and_name_another_network(void **state)
{
    uint8_t v1[SPV_V1_PREFIX + 4] = {0xfa, 0xbf, 0xb5, 0xda, 'v', 'e', 'r', 's', 'i', 'o', 'n'};
    (void)state;
    for (size_t n = 0; n < SPV_V1_PREFIX; n++)
        assert_int_equal(spv_v2_classify(v1, n, regtest), SPV_FIRST_BYTES_UNDECIDED);
    for (size_t n = SPV_V1_PREFIX; n <= sizeof v1; n++)
        assert_int_equal(spv_v2_classify(v1, n, regtest), SPV_FIRST_BYTES_V1);
    for (size_t i = 0; i < SPV_V1_PREFIX; i++) {
        v1[i] ^= 1;
        for (size_t n = i + 1; n < SPV_V1_PREFIX; n++)
            assert_int_equal(spv_v2_classify(v1, n, regtest), SPV_FIRST_BYTES_V2);
        assert_int_equal(spv_v2_classify(v1, SPV_V1_PREFIX, regtest),
                         i < 4 ? SPV_FIRST_BYTES_V1_OTHER_NETWORK : SPV_FIRST_BYTES_V2);
        v1[i] ^= 1;
    }
}

/* A responder, and a stream to it: key, garbage, terminator, version packet and one message. */
static void make_stream(struct side *b, struct spv_buffer *stream)
{
    struct side a = {.messages = 0};
    rng_state = 1; /* the same keys each time */
    assert_int_equal(spv_v2_init_random(&a.v, SPV_V2_INITIATOR, regtest, keys, &rng), 0);
    a.v.n_garbage = 20;
    assert_int_equal(spv_v2_init_random(&b->v, SPV_V2_RESPONDER, regtest, keys, &rng), 0);
    b->v.n_garbage = 0;
    spv_buffer_init(&a.out);
    spv_buffer_init(&b->out);
    assert_int_equal(spv_v2_start(&a.v, &a.out), 0);
    struct side twin = {.messages = 0}; /* answers with the responder's key */
    rng_state = 1;
    struct spv_v2 unused;
    assert_int_equal(spv_v2_init_random(&unused, SPV_V2_INITIATOR, regtest, keys, &rng), 0);
    spv_v2_free(&unused);
    assert_int_equal(spv_v2_init_random(&twin.v, SPV_V2_RESPONDER, regtest, keys, &rng), 0);
    twin.v.n_garbage = 0;
    spv_buffer_init(&twin.out);
    assert_int_equal(receive(&twin, a.out.data, a.out.len, 4096), 0);
    assert_int_equal(receive(&a, twin.out.data, twin.out.len, 4096), 0);
    const size_t start = spv_v2_packet_begin(&a.out);
    spv_buffer_put(&a.out, "\x12message", 8);
    assert_int_equal(spv_v2_packet_end(&a.out), 0);
    assert_int_equal(spv_v2_packet_seal(&a.v, &a.out, start, 0), 0);
    *stream = a.out;
    spv_buffer_init(&a.out);
    side_free(&a);
    side_free(&twin);
    b->messages = 0;
}

static void every_flipped_bit_of_a_stream_delivers_no_message_and_ends_in_a_named_error(
    void **state)
{
    static const uint8_t more[SPV_V2_MAX_GARBAGE + SPV_V2_TERMINATOR];
    size_t bits = 1;
    (void)state;
    for (size_t bit = 0; bit <= bits; bit++) {
        struct side b;
        struct spv_buffer stream;
        make_stream(&b, &stream);
        bits = 8 * stream.len;
        if (bit < bits)
            stream.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        int rc = receive(&b, stream.data, stream.len, 100);
        if (bit == bits) { /* as it was */
            assert_int_equal(rc, 0);
            assert_int_equal(b.messages, 1);
        } else {
            if (rc == 0) /* a key or terminator that is none, or a length: more bytes show it */
                rc = receive(&b, more, sizeof more, sizeof more);
            assert_int_equal(b.messages, 0);
            /* A length of up to 2^24 waits for as many bytes: the caller's deadline ends it. */
            assert_true(rc == SPV_ERR_V2_TAG || rc == SPV_ERR_V2_GARBAGE || rc == SPV_ERR_LENGTH ||
                        (rc == 0 && b.v.state >= SPV_V2_RECV_VERSION));
        }
        spv_buffer_free(&stream);
        side_free(&b);
    }
}

static void garbage_without_end_is_refused_after_4111_bytes(void **state)
{
    struct side b;
    struct spv_buffer stream;
    uint8_t zero = 0;
    int rc = 0;
    size_t n = 0;
    (void)state;
    make_stream(&b, &stream);
    assert_int_equal(receive(&b, stream.data, SPV_ELLSWIFT_BYTES, 100), 0);
    for (; rc == 0; n++)
        rc = receive(&b, &zero, 1, 1);
    assert_int_equal(rc, SPV_ERR_V2_GARBAGE);
    assert_int_equal(n, SPV_V2_MAX_GARBAGE + SPV_V2_TERMINATOR);
    spv_buffer_free(&stream);
    side_free(&b);
}

static void an_announced_length_costs_memory_only_as_bytes_arrive(void **state)
{
    struct side a = {.messages = 0}, b = {.messages = 0};
    struct spv_buffer packet;
    (void)state;
    assert_int_equal(spv_v2_init_random(&a.v, SPV_V2_INITIATOR, regtest, keys, &rng), 0);
    assert_int_equal(spv_v2_init_random(&b.v, SPV_V2_RESPONDER, regtest, keys, &rng), 0);
    join(&a, &b);
    for (int more = 0; more < 2; more++) { /* the longest packet, and one byte more */
        const size_t n = SPV_V2_MAX_CONTENTS + (size_t)more;
        spv_buffer_init(&packet);
        const size_t start = spv_v2_packet_begin(&packet);
        assert_non_null(spv_buffer_extend(&packet, n));
        memset(packet.data + start + 4, 0, n);
        assert_int_equal(spv_v2_packet_end(&packet), 0);
        assert_int_equal(spv_v2_packet_seal(&a.v, &packet, start, 0), 0);
        assert_int_equal(receive(&b, packet.data, 3, 3), more ? SPV_ERR_LENGTH : 0);
        if (!more) {
            assert_true(b.v.in.cap <= 256 * 1024 + 3);
            assert_int_equal(receive(&b, packet.data + 3, packet.len - 3, 65536), 0);
            assert_int_equal(b.messages, 1);
        }
        spv_buffer_free(&packet);
    }
    side_free(&a);
    side_free(&b);
}

static void nothing_secret_is_left_after_use(void **state)
{
    struct side a = {.messages = 0}, b = {.messages = 0};
    uint8_t secret[32];
    static const uint8_t zeros[sizeof(struct spv_v2)];
    (void)state;
    assert_int_equal(spv_v2_init_random(&a.v, SPV_V2_INITIATOR, regtest, keys, &rng), 0);
    assert_int_equal(spv_v2_init_random(&b.v, SPV_V2_RESPONDER, regtest, keys, &rng), 0);
    memcpy(secret, a.v.key.secret, sizeof secret);
    assert_memory_not_equal(secret, zeros, sizeof secret);
    join(&a, &b);
    assert_memory_equal(a.v.key.secret, zeros, sizeof secret); /* it ends with the shared secret */
    side_free(&a);
    assert_memory_equal(&a.v, zeros, sizeof a.v);
    side_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transcripts_of_the_reference_are_sent_and_received_byte_for_byte),
        cmocka_unit_test(streams_end_as_the_vectors_say),
        cmocka_unit_test(two_machines_agree_on_a_session_whatever_is_drawn),
        cmocka_unit_test(first_bytes_tell_v1_from_v2_and_name_another_network),
        cmocka_unit_test(
            every_flipped_bit_of_a_stream_delivers_no_message_and_ends_in_a_named_error),
        cmocka_unit_test(garbage_without_end_is_refused_after_4111_bytes),
        cmocka_unit_test(an_announced_length_costs_memory_only_as_bytes_arrive),
        cmocka_unit_test(nothing_secret_is_left_after_use),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
