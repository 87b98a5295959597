/* Fixture of the tests of v2.c: one side of a connection as a machine of bytes, and the library's
 * context. Randomness is seeded. */
#ifndef SPV_TESTS_V2_FIXTURE_H
#define SPV_TESTS_V2_FIXTURE_H

#include "peer/transport/v2.h"
#include "support/random.h"
#include "support/unit.h"

static const uint8_t regtest[4] = {0xfa, 0xbf, 0xb5, 0xda};

static struct test_random v2_random = {.state = 1};
static const struct spv_rng rng = {.fill = test_random_fill, .ctx = &v2_random};
static struct spv_v2_context *keys;

/* Group setup and teardown of cmocka. */
static inline int make_keys(void **state)
{
    (void)state;
    return spv_v2_context_new(&keys, &rng);
}

static inline int free_keys(void **state)
{
    (void)state;
    spv_v2_context_free(keys);
    return 0;
}

/* One side of a handshake, with what it has to send. */
struct side {
    struct spv_v2 v;
    struct spv_buffer out;
    size_t messages; /* received */
};

static inline void side_free(struct side *s)
{
    spv_v2_free(&s->v);
    spv_buffer_free(&s->out);
}

/* Receives bytes in pieces of at most `piece`; counts the messages. Returns 0 or an error. */
static inline int receive(struct side *s, const uint8_t *bytes, size_t n, size_t piece)
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

/* Appends a packet of these contents to what the side sends. */
static inline void side_put(struct side *s, const void *contents, size_t n, uint8_t header)
{
    const size_t start = spv_v2_packet_begin(&s->out);
    spv_buffer_put(&s->out, contents, n);
    assert_int_equal(spv_v2_packet_end(&s->out), 0);
    assert_int_equal(spv_v2_packet_seal(&s->v, &s->out, start, header), 0);
}

#endif
