/* A whole stream to each role of the encrypted transport: cut in two at every byte, ended at every
 * byte, and with every bit flipped in turn. */
#include "peer/transport/v2.h"

#include "spv/error.h"
#include "v2_fixture.h"

#define GARBAGE 20
#define MESSAGES 2

/* Where the parts of the stream end. */
enum part { KEY, GARBAGE_END, TERMINATOR, DECOY, VERSION, FIRST, SECOND, PARTS };

static const uint8_t garbage[GARBAGE] = "garbage of 20 bytes";
static struct spv_v2_key key[2]; /* of the initiator, of the responder */

static enum spv_v2_role other(enum spv_v2_role role)
{
    return role == SPV_V2_INITIATOR ? SPV_V2_RESPONDER : SPV_V2_INITIATOR;
}

static void side_begin(struct side *s, enum spv_v2_role role)
{
    *s = (struct side){.messages = 0};
    spv_buffer_init(&s->out);
    assert_int_equal(spv_v2_init(&s->v, role, regtest, keys, &key[role], garbage, GARBAGE), 0);
    if (role == SPV_V2_INITIATOR)
        assert_int_equal(spv_v2_start(&s->v, &s->out), 0);
}

/* What a side of this role sends: key, garbage, terminator, a decoy of 5 bytes of contents, the
 * version packet, two messages of 8 and 3. */
static void record(struct spv_buffer *stream, size_t end[PARTS], enum spv_v2_role role)
{
    struct side s;
    side_begin(&s, role);
    s.v.version_by_caller = true;
    assert_int_equal(receive(&s, key[other(role)].encoded, SPV_ELLSWIFT_BYTES, 64), 0);
    end[KEY] = SPV_ELLSWIFT_BYTES;
    end[GARBAGE_END] = SPV_ELLSWIFT_BYTES + GARBAGE;
    end[TERMINATOR] = s.out.len;
    side_put(&s, "decoy", 5, SPV_V2_IGNORE);
    end[DECOY] = s.out.len;
    side_put(&s, "", 0, 0);
    end[VERSION] = s.out.len;
    side_put(&s, "\x12message", 8, 0);
    end[FIRST] = s.out.len;
    side_put(&s, "\x13no", 3, 0);
    end[SECOND] = s.out.len;
    assert_int_equal(end[TERMINATOR], end[GARBAGE_END] + SPV_V2_TERMINATOR);
    *stream = s.out;
    spv_buffer_init(&s.out);
    side_free(&s);
}

static int setup(void **state)
{
    int rc = make_keys(state);
    for (int role = 0; rc == 0 && role < 2; role++)
        rc = spv_v2_key_new(&key[role], keys, &rng);
    return rc;
}

static void every_split_point_is_received_alike(void **state)
{
    (void)state;
    for (enum spv_v2_role role = SPV_V2_INITIATOR; role <= SPV_V2_RESPONDER; role++) {
        struct side whole, b;
        struct spv_buffer stream;
        size_t end[PARTS];
        record(&stream, end, other(role));
        side_begin(&whole, role);
        assert_int_equal(receive(&whole, stream.data, stream.len, stream.len), 0);
        assert_int_equal(whole.messages, MESSAGES);
        for (size_t cut = 0; cut <= stream.len; cut++) {
            side_begin(&b, role);
            assert_int_equal(receive(&b, stream.data, cut, stream.len), 0);
            assert_int_equal(receive(&b, stream.data + cut, stream.len - cut, stream.len), 0);
            assert_int_equal(b.v.state, SPV_V2_READY);
            assert_int_equal(b.messages, MESSAGES);
            assert_int_equal(spv_v2_buffered(&b.v), 0);
            assert_int_equal(b.out.len, whole.out.len);
            assert_memory_equal(b.out.data, whole.out.data, whole.out.len);
            side_free(&b);
        }
        side_free(&whole);
        spv_buffer_free(&stream);
    }
}

/* A stream that ends early has delivered what it holds, and waits: the deadlines end it. */
static void a_truncated_stream_waits_and_delivers_its_whole_messages(void **state)
{
    (void)state;
    for (enum spv_v2_role role = SPV_V2_INITIATOR; role <= SPV_V2_RESPONDER; role++) {
        struct spv_buffer stream;
        size_t end[PARTS];
        record(&stream, end, other(role));
        for (size_t n = 0; n < stream.len; n++) {
            struct side b;
            side_begin(&b, role);
            assert_int_equal(receive(&b, stream.data, n, n + 1), 0);
            assert_int_equal(b.messages, n >= end[FIRST]);
            assert_int_equal(b.v.can_send, n >= end[KEY]);
            assert_int_equal(b.v.state, n < end[KEY]          ? SPV_V2_RECV_KEY
                                        : n < end[TERMINATOR] ? SPV_V2_RECV_GARBAGE
                                        : n < end[VERSION]    ? SPV_V2_RECV_VERSION
                                                              : SPV_V2_READY);
            side_free(&b);
        }
        spv_buffer_free(&stream);
    }
}

static uint8_t more[SPV_V2_MAX_CONTENTS + SPV_V2_OVERHEAD]; /* what follows a damaged stream */

/* The stream was received without an error: so many bytes more show the damage, and not one less.
 */
static void expect_after(struct side *b, size_t n, int error)
{
    assert_true(n > 0 && n <= sizeof more);
    assert_int_equal(receive(b, more, n - 1, sizeof more), 0);
    assert_int_equal(receive(b, more, 1, 1), error);
}

/* The flipped bit belongs to the encrypted length of the packet from `start` to `end`. */
static void expect_length(struct side *b, int rc, size_t start, size_t end, size_t total,
                          size_t bit)
{
    const size_t n = (end - start - SPV_V2_OVERHEAD) ^ (size_t)1 << (bit - 8 * start);
    const size_t need = start + SPV_V2_OVERHEAD + n;
    if (n > SPV_V2_MAX_CONTENTS) {
        assert_int_equal(rc, SPV_ERR_LENGTH);
    } else if (need <= total) {
        assert_int_equal(rc, SPV_ERR_V2_TAG);
    } else {
        assert_int_equal(rc, 0);
        expect_after(b, need - total, SPV_ERR_V2_TAG);
    }
}

static void every_flipped_bit_delivers_no_message_and_ends_in_the_error_of_its_part(void **state)
{
    (void)state;
    for (enum spv_v2_role role = SPV_V2_INITIATOR; role <= SPV_V2_RESPONDER; role++) {
        struct spv_buffer stream;
        size_t end[PARTS];
        record(&stream, end, other(role));
        for (size_t bit = 0; bit < 8 * stream.len; bit++) {
            const size_t at = bit / 8;
            size_t part = KEY;
            struct side b;
            while (at >= end[part])
                part++;
            stream.data[at] ^= (uint8_t)(1 << bit % 8);
            side_begin(&b, role);
            const int rc = receive(&b, stream.data, stream.len, 100);
            stream.data[at] ^= (uint8_t)(1 << bit % 8);
            if (part == KEY || part == TERMINATOR) {
                assert_int_equal(rc, 0); /* another terminator is searched for, up to its limit */
                expect_after(&b, end[KEY] + SPV_V2_MAX_GARBAGE + SPV_V2_TERMINATOR - stream.len,
                             SPV_ERR_V2_GARBAGE);
            } else if (part == GARBAGE_END) {
                assert_int_equal(rc, SPV_ERR_V2_TAG);
            } else if (at < end[part - 1] + SPV_V2_LENGTH) {
                expect_length(&b, rc, end[part - 1], end[part], stream.len, bit);
            } else {
                assert_int_equal(rc, SPV_ERR_V2_TAG);
            }
            assert_int_equal(b.messages, part == SECOND);
            side_free(&b);
        }
        spv_buffer_free(&stream);
    }
}

static void garbage_without_end_is_refused_after_4111_bytes(void **state)
{
    (void)state;
    for (enum spv_v2_role role = SPV_V2_INITIATOR; role <= SPV_V2_RESPONDER; role++) {
        struct side b;
        side_begin(&b, role);
        assert_int_equal(receive(&b, key[other(role)].encoded, SPV_ELLSWIFT_BYTES, 100), 0);
        expect_after(&b, SPV_V2_MAX_GARBAGE + SPV_V2_TERMINATOR, SPV_ERR_V2_GARBAGE);
        side_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split_point_is_received_alike),
        cmocka_unit_test(a_truncated_stream_waits_and_delivers_its_whole_messages),
        cmocka_unit_test(every_flipped_bit_delivers_no_message_and_ends_in_the_error_of_its_part),
        cmocka_unit_test(garbage_without_end_is_refused_after_4111_bytes),
    };
    return cmocka_run_group_tests(tests, setup, free_keys);
}
