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
        assert_int_equal(spv_v2_packet_end(&s->v, &s->out, start, bits), 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transcripts_of_the_reference_are_sent_and_received_byte_for_byte),
        cmocka_unit_test(streams_end_as_the_vectors_say),
        cmocka_unit_test(two_machines_agree_on_a_session_whatever_is_drawn),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
