/* The encrypted transport as a machine of bytes, against the transcripts of BIP324 and against
 * itself. Streams that are cut or damaged: test_v2_streams.c. */
#include "peer/transport/v2.h"

#include "spv/error.h"
#include "support/unit.h"
#include "v2_fixture.h"
#include "v2_vectors.h"

#define SHORT_TRANSCRIPT 500 /* bytes: shorter ones are cut in two at each of theirs */

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
        uint8_t bits = json_is_true(ignore) ? SPV_V2_IGNORE : 0;
        if (json_is_integer(header))
            bits = (uint8_t)json_integer_value(header);
        else if (json_is_string(header))
            unhex(&bits, 1, json_string_value(header));
        side_put(s, contents, n, bits);
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
    assert_int_equal(json_array_size(json_object_get(all, "handshakes")), 19);
    json_array_foreach(json_object_get(all, "handshakes"), i, h)
    {
        for (size_t k = 0; k < COUNT(pieces); k++)
            run_handshake(h, pieces[k]);
    }
    json_decref(all);
}

/* What `role` receives in this handshake, cut in two at each byte. Returns 0 when it is too long.
 */
static size_t run_cuts(const json_t *h, enum spv_v2_role role)
{
    const char *sender = role == SPV_V2_INITIATOR ? "responder" : "initiator";
    size_t n;
    uint8_t *bytes =
        bytes_of(&n, h, role == SPV_V2_INITIATOR ? "responder_sends" : "initiator_sends");
    for (size_t cut = 0; cut <= n && n < SHORT_TRANSCRIPT; cut++) {
        struct side s;
        side_init(&s, h, role);
        assert_int_equal(receive(&s, bytes, cut, n), 0);
        assert_int_equal(receive(&s, bytes + cut, n - cut, n), 0);
        assert_int_equal(s.v.state, SPV_V2_READY);
        assert_int_equal(s.messages, count_messages(h, sender));
        side_free(&s);
    }
    free(bytes);
    return n < SHORT_TRANSCRIPT;
}

static void every_split_point_of_the_short_transcripts_is_received_alike(void **state)
{
    size_t i, n = 0;
    json_t *h, *all = v2_vectors();
    (void)state;
    if (!all)
        skip();
    json_array_foreach(json_object_get(all, "handshakes"), i, h)
    {
        n += run_cuts(h, SPV_V2_INITIATOR);
        n += run_cuts(h, SPV_V2_RESPONDER);
    }
    assert_int_equal(n, 20); /* of 38 */
    json_decref(all);
}

/* How each of the file's streams ends, by its name. */
static int expected_end(const char *name)
{
    static const struct {
        const char *name;
        int error;
    } ends[] = {
        {"correct stream", 0},
        {"garbage bit flipped (first packet fails its tag)", SPV_ERR_V2_TAG},
        {"key bit flipped (terminator never found, then too much garbage)", SPV_ERR_V2_GARBAGE},
        {"terminator bit flipped", SPV_ERR_V2_GARBAGE},
        {"bit flipped in the first ciphertext", SPV_ERR_V2_TAG},
        {"bit flipped in the last tag", SPV_ERR_V2_TAG},
        {"bit flipped in an encrypted length", SPV_ERR_V2_TAG}, /* shorter: all of it is there */
        {"peer of another network", SPV_ERR_V2_GARBAGE},
        {"garbage of 4095 bytes", 0},
        {"garbage of 4096 bytes", SPV_ERR_V2_GARBAGE},
        {"v1 version message", SPV_ERR_V1_PEER},
        {"v1 version message of another network", SPV_ERR_MAGIC},
        {"first 15 bytes of the v1 prefix, then a key", 0},
    };
    for (size_t i = 0; i < COUNT(ends); i++)
        if (strcmp(ends[i].name, name) == 0)
            return ends[i].error;
    fail_msg("a stream of an unknown name: %s", name);
    return 0;
}

static void run_stream(const json_t *r)
{
    const char *expect = text_of(r, "expect");
    const bool initiator = strcmp(text_of(r, "receiver"), "initiator") == 0;
    struct spv_v2_key key;
    struct side s = {.messages = 0};
    uint8_t magic[4];
    size_t n;
    unhex(magic, sizeof magic, text_of(r, "magic"));
    unhex(key.secret, sizeof key.secret, text_of(r, "receiver_priv"));
    unhex(key.encoded, sizeof key.encoded, text_of(r, "receiver_ellswift"));
    assert_int_equal(spv_v2_init(&s.v, initiator ? SPV_V2_INITIATOR : SPV_V2_RESPONDER, magic, keys,
                                 &key, NULL, 0),
                     0);
    spv_buffer_init(&s.out);
    uint8_t *stream = bytes_of(&n, r, "stream");
    assert_int_equal(receive(&s, stream, n, 1), expected_end(text_of(r, "name")));
    if (strcmp(expect, "accept") == 0)
        assert_true(s.messages > 0 && s.v.state == SPV_V2_READY);
    else if (strcmp(expect, "disconnect at the last packet") == 0)
        assert_true(s.v.state == SPV_V2_READY); /* what came before it was delivered */
    else if (strstr(expect, "v2:"))
        assert_true(s.v.can_send);
    else
        assert_int_equal(s.messages, 0);
    free(stream);
    side_free(&s);
}

static void streams_end_as_the_vectors_say(void **state)
{
    size_t i;
    json_t *r, *all = v2_vectors();
    (void)state;
    if (!all)
        skip();
    assert_int_equal(json_array_size(json_object_get(all, "receive")), 30);
    json_array_foreach(json_object_get(all, "receive"), i, r) run_stream(r);
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

/* Draws of two bytes, the length of the garbage, come from `length`; the last other draw is kept.
 */
struct scripted {
    uint16_t length;
    uint8_t last[SPV_V2_MAX_GARBAGE];
};

static void fill_scripted(void *ctx, void *out, size_t n)
{
    struct scripted *s = ctx;
    if (n == sizeof s->length) {
        memcpy(out, &s->length, n);
        return;
    }
    rng.fill(rng.ctx, out, n);
    assert_true(n <= sizeof s->last);
    memcpy(s->last, out, n);
}

static void garbage_has_0_to_4095_random_bytes(void **state)
{
    static const struct {
        uint16_t draw;
        size_t n;
    } cases[] = {{0, 0},    {1, 1},       {2048, 2048},  {4095, 4095},
                 {4096, 0}, {8191, 4095}, {65535, 4095}, {61440 + 17, 17}};
    static struct scripted script;
    const struct spv_rng scripted = {.fill = fill_scripted, .ctx = &script};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spv_v2 v;
        script.length = cases[i].draw;
        assert_int_equal(spv_v2_init_random(&v, SPV_V2_INITIATOR, regtest, keys, &scripted), 0);
        assert_int_equal(v.n_garbage, cases[i].n);
        assert_memory_equal(v.garbage, script.last, v.n_garbage);
        spv_v2_free(&v);
    }
}

/* Eight equal ranges of lengths, each within five standard deviations of 1/8 of the draws. */
static void lengths_of_garbage_are_spread_evenly(void **state)
{
    enum { DRAWS = 800, RANGES = 8 };
    size_t count[RANGES] = {0};
    (void)state;
    for (int i = 0; i < DRAWS; i++) {
        struct spv_v2 v;
        assert_int_equal(spv_v2_init_random(&v, SPV_V2_INITIATOR, regtest, keys, &rng), 0);
        assert_true(v.n_garbage <= SPV_V2_MAX_GARBAGE);
        count[v.n_garbage * RANGES / (SPV_V2_MAX_GARBAGE + 1)]++;
        spv_v2_free(&v);
    }
    for (size_t i = 0; i < RANGES; i++) {
        const double off = (double)count[i] - (double)DRAWS / RANGES;
        assert_true(off * off <= 25 * (double)DRAWS / RANGES * (1 - 1.0 / RANGES));
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
            for (size_t at = 3; at < packet.len;) {
                const size_t piece = packet.len - at < 65536 ? packet.len - at : 65536;
                assert_int_equal(receive(&b, packet.data + at, piece, piece), 0);
                at += piece;
                assert_true(b.v.in.cap <= at + (size_t)256 * 1024);
            }
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
        cmocka_unit_test(every_split_point_of_the_short_transcripts_is_received_alike),
        cmocka_unit_test(streams_end_as_the_vectors_say),
        cmocka_unit_test(two_machines_agree_on_a_session_whatever_is_drawn),
        cmocka_unit_test(garbage_has_0_to_4095_random_bytes),
        cmocka_unit_test(lengths_of_garbage_are_spread_evenly),
        cmocka_unit_test(first_bytes_tell_v1_from_v2_and_name_another_network),
        cmocka_unit_test(an_announced_length_costs_memory_only_as_bytes_arrive),
        cmocka_unit_test(nothing_secret_is_left_after_use),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
