/* The version message: a known example, and the ways in which it may end early or late. */
#include "support/unit.h"

#include "spv/error.h"
#include "wire/codec.h"

/* The example of the protocol's public documentation: /Satoshi:0.7.2/ at protocol 60002. */
#define HEAD                                                                                       \
    "62ea0000"                                                                                     \
    "0100000000000000"                                                                             \
    "11b2d05000000000"
#define ADDR                                                                                       \
    "0100000000000000"                                                                             \
    "00000000000000000000ffff000000000000"
#define NONCE "3b2eb35d8ce61765"
#define AGENT "0f2f5361746f7368693a302e372e322f"
#define HEIGHT "c03e0300"
#define EXAMPLE HEAD ADDR ADDR NONCE AGENT HEIGHT
#define SIZE 100

static void check_head(const struct spv_msg_version *v)
{
    assert_int_equal(v->version, 60002);
    assert_true(v->services == SPV_NODE_NETWORK);
    assert_true(v->time == 1355854353);
    assert_true(v->recv_services == 1);
    assert_int_equal(v->recv.network, SPV_ADDR_IPV4);
    assert_int_equal(v->recv.port, 0);
}

static void documented_example_is_read_and_written(void **state)
{
    static const uint8_t frame[] = {0xf9, 0xbe, 0xb4, 0xd9, 'v',  'e',  'r',  's',
                                    'i',  'o',  'n',  0,    0,    0,    0,    0,
                                    SIZE, 0,    0,    0,    0x3b, 0x64, 0x8d, 0x5a};
    uint8_t body[SIZE];
    struct spv_msg msg = {.command = SPV_CMD_VERSION};
    struct spv_arena arena = {0};
    struct spv_buffer b;

    (void)state;
    assert_int_equal(unhex(body, sizeof body, EXAMPLE), SIZE);
    assert_int_equal(spv_msg_decode(&msg, body, SIZE, 0, &arena), 0);
    check_head(&msg.u.version);
    assert_true(msg.u.version.nonce == UINT64_C(0x6517e68c5db32e3b));
    assert_string_equal(msg.u.version.user_agent, "/Satoshi:0.7.2/");
    assert_int_equal(msg.u.version.user_agent_len, 15);
    assert_int_equal(msg.u.version.height, 212672);
    assert_true(msg.u.version.relay); /* absent means true */

    spv_buffer_init(&b);
    assert_int_equal(spv_msg_size(&msg, 0), SIZE);
    assert_int_equal(spv_msg_write(&b, &msg, spv_netid_get(SPV_MAINNET), 0), 0);
    assert_int_equal(b.len, SPV_FRAME_HEADER + SIZE);
    assert_memory_equal(b.data, frame, sizeof frame);
    assert_memory_equal(b.data + SPV_FRAME_HEADER, body, SIZE);
    spv_buffer_free(&b);
    spv_arena_free(&arena);
}

static void may_end_after_recv_nonce_agent_or_height_only(void **state)
{
    uint8_t body[SIZE];
    struct spv_arena arena = {0};

    (void)state;
    unhex(body, sizeof body, EXAMPLE);
    for (size_t cut = 0; cut <= SIZE; cut++) {
        struct spv_msg msg = {.command = SPV_CMD_VERSION};
        bool whole = cut == 46 || cut == 80 || cut == 96 || cut == SIZE;
        uint8_t *exact = malloc(cut + 1);

        assert_non_null(exact);
        memcpy(exact + 1, body, cut);
        assert_int_equal(spv_msg_decode(&msg, exact + 1, cut, 0, &arena),
                         whole ? 0 : SPV_ERR_SHORT);
        free(exact);
        if (!whole)
            continue;
        check_head(&msg.u.version);
        assert_true((msg.u.version.nonce != 0) == (cut >= 80));
        assert_int_equal(msg.u.version.user_agent_len, cut >= 96 ? 15 : 0);
        assert_int_equal(msg.u.version.height, cut == SIZE ? 212672 : 0);
        assert_true(msg.u.version.relay);
    }
    spv_arena_free(&arena);
}

static void relay_byte_is_used_from_70001(void **state)
{
    static const struct {
        uint32_t version;
        const char *tail;
        bool relay;
        size_t size; /* as we would write it */
    } cases[] = {
        {70000, "", true, SIZE},       {70000, "00", true, SIZE},
        {70001, "", true, SIZE + 1},   {70001, "00", false, SIZE + 1},
        {70001, "01", true, SIZE + 1}, {70016, "00", false, SIZE + 1},
        {70016, "ff", true, SIZE + 1}, {UINT32_MAX, "00", false, SIZE + 1},
    };
    struct spv_arena arena = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t body[SIZE + 1];
        struct spv_msg msg = {.command = SPV_CMD_VERSION};
        struct spv_buffer b;

        unhex(body, sizeof body, EXAMPLE);
        for (size_t j = 0; j < 4; j++)
            body[j] = (uint8_t)(cases[i].version >> (8 * j));
        size_t n = SIZE + unhex(body + SIZE, 1, cases[i].tail);
        assert_int_equal(spv_msg_decode(&msg, body, n, 0, &arena), 0);
        assert_true(msg.u.version.relay == cases[i].relay);
        spv_buffer_init(&b);
        assert_int_equal(spv_msg_encode(&b, &msg, 0), 0);
        assert_int_equal(b.len, cases[i].size);
        if (b.len > SIZE)
            assert_int_equal(b.data[SIZE], cases[i].relay);
        spv_buffer_free(&b);
    }
    spv_arena_free(&arena);
}

static void unknown_trailing_fields_are_ignored(void **state)
{
    uint8_t body[SIZE + 20];
    struct spv_msg msg = {.command = SPV_CMD_VERSION};
    struct spv_arena arena = {0};

    (void)state;
    memset(body, 0xee, sizeof body);
    unhex(body, sizeof body, EXAMPLE);
    memcpy(body, "\x80\x11\x01\x00", 4); /* 70016 */
    body[SIZE] = 0;
    for (size_t n = SIZE + 1; n <= sizeof body; n++) {
        assert_int_equal(spv_msg_decode(&msg, body, n, 0, &arena), 0);
        assert_int_equal(msg.u.version.height, 212672);
        assert_false(msg.u.version.relay);
    }
    spv_arena_free(&arena);
}

static void user_agent_has_256_bytes_of_any_kind_and_a_longer_one_is_truncated(void **state)
{
    uint8_t body[SPV_MAX_EARLY_PAYLOAD];
    struct spv_msg msg = {.command = SPV_CMD_VERSION};
    struct spv_arena arena = {0};
    struct spv_buffer b;

    (void)state;
    memset(body, 0, sizeof body);
    memcpy(body + 80, "\xfd\x00\x01", 3); /* 256 */
    for (size_t i = 0; i < 256; i++)
        body[83 + i] = (uint8_t)i;
    assert_int_equal(spv_msg_decode(&msg, body, 80 + 3 + 256 + 4, 0, &arena), 0);
    assert_int_equal(msg.u.version.user_agent_len, 256);
    assert_memory_equal(msg.u.version.user_agent, body + 83, 256);
    assert_int_equal(msg.u.version.user_agent[256], '\0');
    spv_buffer_init(&b);
    assert_int_equal(spv_msg_encode(&b, &msg, 0), 0);
    assert_int_equal(b.len, 80 + 3 + 256 + 4);
    spv_buffer_free(&b);

    for (size_t more = 1; more <= sizeof body - (80 + 3 + 256 + 4); more += 97) {
        const size_t length = 256 + more;
        body[81] = (uint8_t)length;
        body[82] = (uint8_t)(length >> 8);
        memset(body + 83 + 256, 'x', more);
        memcpy(body + 83 + length, "\x04\x03\x02\x01", 4); /* the height behind it is found */
        assert_int_equal(spv_msg_decode(&msg, body, 83 + length + 4, 0, &arena), 0);
        assert_int_equal(msg.u.version.user_agent_len, 256);
        assert_memory_equal(msg.u.version.user_agent, body + 83, 256);
        assert_int_equal(msg.u.version.user_agent[256], '\0');
        assert_int_equal(msg.u.version.height, 0x01020304);
    }
    memset(body + 80, 0xff, 9); /* longer than the message */
    assert_int_equal(spv_msg_decode(&msg, body, sizeof body, 0, &arena), SPV_ERR_SHORT);
    spv_arena_free(&arena);
}

static void addresses_that_do_not_fit_are_written_as_zeros(void **state)
{
    struct spv_msg msg = {
        .command = SPV_CMD_VERSION,
        .u.version = {.version = 70016,
                      .recv = {.network = SPV_ADDR_TORV3, .len = 32, .port = 8333},
                      .from = {.network = SPV_ADDR_IPV6, .len = 16, .port = 1, .bytes = {0x20}}}};
    static const uint8_t zeros[16];
    struct spv_buffer b;

    (void)state;
    memset(msg.u.version.recv.bytes, 0x77, 32);
    spv_buffer_init(&b);
    assert_int_equal(spv_msg_encode(&b, &msg, 0), 0);
    assert_memory_equal(b.data + 28, zeros, 16);
    assert_memory_equal(b.data + 44, "\x20\x8d", 2);
    assert_int_equal(b.data[54], 0x20);
    spv_buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documented_example_is_read_and_written),
        cmocka_unit_test(may_end_after_recv_nonce_agent_or_height_only),
        cmocka_unit_test(relay_byte_is_used_from_70001),
        cmocka_unit_test(unknown_trailing_fields_are_ignored),
        cmocka_unit_test(user_agent_has_256_bytes_of_any_kind_and_a_longer_one_is_truncated),
        cmocka_unit_test(addresses_that_do_not_fit_are_written_as_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
