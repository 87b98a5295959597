/* Frames: reading, errors and their order, writing. */
#include "support/unit.h"

#include "spv/error.h"
#include "util/hash.h"
#include "wire/codec.h"
#include "wire/frame.h"

/* A frame header of mainnet for an empty body, which tests modify. */
static void make(uint8_t out[SPV_FRAME_HEADER], const char *command, uint32_t length)
{
    memset(out, 0, SPV_FRAME_HEADER);
    memcpy(out, spv_netid_get(SPV_MAINNET)->magic, 4);
    memcpy(out + 4, command, strnlen(command, SPV_COMMAND_SIZE));
    for (size_t i = 0; i < 4; i++)
        out[16 + i] = (uint8_t)(length >> (8 * i));
    memcpy(out + 20, "\x5d\xf6\xe0\xe2", 4);
}

static void reads_the_fields_of_a_frame(void **state)
{
    uint8_t in[SPV_FRAME_HEADER];
    struct spv_frame frame;
    const struct spv_netid *net = spv_netid_get(SPV_MAINNET);

    (void)state;
    make(in, "headers", 162003);
    assert_int_equal(spv_frame_read(&frame, in, net, SPV_MAX_PAYLOAD), 0);
    assert_string_equal(frame.name, "headers");
    assert_int_equal(frame.command, SPV_CMD_HEADERS);
    assert_int_equal(frame.length, 162003);
    assert_memory_equal(frame.checksum, "\x5d\xf6\xe0\xe2", 4);

    make(in, "twelve_bytes", 5);
    assert_int_equal(spv_frame_read(&frame, in, net, SPV_MAX_PAYLOAD), 0);
    assert_string_equal(frame.name, "twelve_bytes");
    assert_int_equal(frame.command, SPV_CMD_UNKNOWN);
}

static void first_of_several_errors_is_returned(void **state)
{
    enum { GOOD_MAGIC = 1, GOOD_COMMAND = 2, GOOD_LENGTH = 4, ALL = 7 };
    const struct spv_netid *net = spv_netid_get(SPV_MAINNET);

    (void)state;
    for (int good = 0; good <= ALL; good++) {
        uint8_t in[SPV_FRAME_HEADER];
        struct spv_frame frame;
        int expected = !(good & GOOD_MAGIC)     ? SPV_ERR_MAGIC
                       : !(good & GOOD_COMMAND) ? SPV_ERR_COMMAND
                       : !(good & GOOD_LENGTH)  ? SPV_ERR_LENGTH
                                                : 0;
        make(in, good & GOOD_COMMAND ? "inv" : "in\x7fv", good & GOOD_LENGTH ? 37 : UINT32_MAX);
        if (!(good & GOOD_MAGIC))
            in[3] ^= 1;
        assert_int_equal(spv_frame_read(&frame, in, net, SPV_MAX_PAYLOAD), expected);
    }
}

static void every_byte_of_the_magic_is_compared(void **state)
{
    (void)state;
    for (int n = 0; n < SPV_NETWORKS; n++) {
        uint8_t in[SPV_FRAME_HEADER];
        struct spv_frame frame;

        make(in, "verack", 0);
        memcpy(in, spv_netid_get((enum spv_network)n)->magic, 4);
        for (int other = 0; other < SPV_NETWORKS; other++)
            assert_int_equal(spv_frame_read(&frame, in, spv_netid_get((enum spv_network)other), 0),
                             other == n ? 0 : SPV_ERR_MAGIC);
        for (size_t i = 0; i < 4; i++) {
            in[i] ^= 0x80;
            assert_int_equal(spv_frame_read(&frame, in, spv_netid_get((enum spv_network)n), 0),
                             SPV_ERR_MAGIC);
            in[i] ^= 0x80;
        }
    }
}

static void commands_are_printable_and_padded_with_nuls(void **state)
{
    static const struct {
        const char command[SPV_COMMAND_SIZE + 1];
        int rc;
    } cases[] = {
        {"verack\0\0\0\0\0\0", 0},
        {"a b~\0\0\0\0\0\0\0\0", 0},
        {"abcdefghijkl", 0},
        {"\0\0\0\0\0\0\0\0\0\0\0\0", 0}, /* an empty name is an unknown command */
        {"verack\0\0\0\0\0x", SPV_ERR_COMMAND},
        {"ver\0ack\0\0\0\0\0", SPV_ERR_COMMAND},
        {"\0verack\0\0\0\0\0", SPV_ERR_COMMAND},
        {"ver\nack\0\0\0\0\0", SPV_ERR_COMMAND},
        {"ver\x1f\0\0\0\0\0\0\0\0", SPV_ERR_COMMAND},
        {"ver\x7f\0\0\0\0\0\0\0\0", SPV_ERR_COMMAND},
        {"ver\xe9\0\0\0\0\0\0\0\0", SPV_ERR_COMMAND},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t in[SPV_FRAME_HEADER];
        struct spv_frame frame;
        make(in, "", 0);
        memcpy(in + 4, cases[i].command, SPV_COMMAND_SIZE);
        assert_int_equal(spv_frame_read(&frame, in, spv_netid_get(SPV_MAINNET), 0), cases[i].rc);
    }
}

static void length_is_checked_against_both_limits(void **state)
{
    static const struct {
        const char *command;
        uint32_t cap, length;
        int rc;
    } cases[] = {
        {"stranger", SPV_MAX_PAYLOAD, SPV_MAX_PAYLOAD, 0},
        {"stranger", SPV_MAX_PAYLOAD, SPV_MAX_PAYLOAD + 1, SPV_ERR_LENGTH},
        {"stranger", UINT32_MAX, SPV_MAX_PAYLOAD + 1, SPV_ERR_LENGTH},
        {"stranger", SPV_MAX_EARLY_PAYLOAD, 1024, 0},
        {"stranger", SPV_MAX_EARLY_PAYLOAD, 1025, SPV_ERR_LENGTH},
        {"block", SPV_MAX_PAYLOAD, SPV_MAX_PAYLOAD, 0},
        {"version", SPV_MAX_PAYLOAD, 1025, SPV_ERR_LENGTH},
        {"verack", SPV_MAX_PAYLOAD, 1, SPV_ERR_LENGTH},
        {"sendheaders", SPV_MAX_PAYLOAD, 1, SPV_ERR_LENGTH},
        {"ping", SPV_MAX_PAYLOAD, 8, 0},
        {"ping", SPV_MAX_PAYLOAD, 9, SPV_ERR_LENGTH},
        {"addr", SPV_MAX_PAYLOAD, 3 + 1000 * 30, 0},
        {"addr", SPV_MAX_PAYLOAD, 3 + 1000 * 30 + 1, SPV_ERR_LENGTH},
        {"inv", SPV_MAX_PAYLOAD, 3 + 50000 * 36, 0},
        {"inv", SPV_MAX_PAYLOAD, 3 + 50000 * 36 + 1, SPV_ERR_LENGTH},
        {"headers", SPV_MAX_PAYLOAD, 3 + 2000 * 89, 0},
        {"headers", SPV_MAX_PAYLOAD, 3 + 2000 * 89 + 1, SPV_ERR_LENGTH},
        {"getheaders", SPV_MAX_PAYLOAD, 4 + 1 + 102 * 32, 0},
        {"getheaders", SPV_MAX_PAYLOAD, 4 + 1 + 102 * 32 + 1, SPV_ERR_LENGTH},
        {"feefilter", SPV_MAX_PAYLOAD, 9, SPV_ERR_LENGTH},
        {"getcfilters", SPV_MAX_PAYLOAD, 38, SPV_ERR_LENGTH},
        {"merkleblock", SPV_MAX_PAYLOAD, 80 + 4 + 3 + 16666 * 32 + 3 + 4168, 0},
        {"merkleblock", SPV_MAX_PAYLOAD, 80 + 4 + 3 + 16666 * 32 + 3 + 4168 + 1, SPV_ERR_LENGTH},
        {"filterload", SPV_MAX_PAYLOAD, 3 + 36000 + 9 + 1, SPV_ERR_LENGTH},
        {"filteradd", SPV_MAX_PAYLOAD, 3 + 520 + 1, SPV_ERR_LENGTH},
        {"cfilter", SPV_MAX_PAYLOAD, 256 * 1024, 0},
        {"cfilter", SPV_MAX_PAYLOAD, 256 * 1024 + 1, SPV_ERR_LENGTH},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t in[SPV_FRAME_HEADER];
        struct spv_frame frame;
        make(in, cases[i].command, cases[i].length);
        assert_int_equal(spv_frame_read(&frame, in, spv_netid_get(SPV_MAINNET), cases[i].cap),
                         cases[i].rc);
    }
}

static void payload_is_checked_against_the_checksum(void **state)
{
    uint8_t payload[] = {'h', 'e', 'l', 'l', 'o'};
    struct spv_frame frame = {.length = 5, .checksum = {0x95, 0x95, 0xc9, 0xdf}};

    (void)state;
    assert_int_equal(spv_frame_check(&frame, payload), 0);
    for (size_t i = 0; i < 4; i++) {
        frame.checksum[i] ^= 1;
        assert_int_equal(spv_frame_check(&frame, payload), SPV_ERR_CHECKSUM);
        frame.checksum[i] ^= 1;
    }
    payload[4] = 'a';
    assert_int_equal(spv_frame_check(&frame, payload), SPV_ERR_CHECKSUM);
}

static void written_verack_is_the_well_known_one(void **state)
{
    static const uint8_t verack[] = {0xf9, 0xbe, 0xb4, 0xd9, 'v',  'e',  'r',  'a',
                                     'c',  'k',  0,    0,    0,    0,    0,    0,
                                     0,    0,    0,    0,    0x5d, 0xf6, 0xe0, 0xe2};
    const struct spv_msg msg = {.command = SPV_CMD_VERACK};
    struct spv_buffer b;

    (void)state;
    spv_buffer_init(&b);
    assert_int_equal(spv_msg_write(&b, &msg, spv_netid_get(SPV_MAINNET), 0), 0);
    assert_int_equal(b.len, sizeof verack);
    assert_memory_equal(b.data, verack, sizeof verack);
    spv_buffer_free(&b);
}

static void consecutive_frames_are_read_back(void **state)
{
    const struct spv_netid *net = spv_netid_get(SPV_REGTEST);
    struct spv_msg msgs[] = {
        {.command = SPV_CMD_PING, .u.ping = {.has_nonce = true, .nonce = 77}},
        {.command = SPV_CMD_SENDHEADERS},
        {.command = SPV_CMD_UNKNOWN, .name = "stranger", .u.raw = {(const uint8_t *)"xyz", 3}},
    };
    static const char *const names[] = {"ping", "sendheaders", "stranger"};
    static const uint32_t lengths[] = {8, 0, 3};
    struct spv_buffer b;
    size_t at = 0;

    (void)state;
    spv_buffer_init(&b);
    for (size_t i = 0; i < COUNT(msgs); i++)
        assert_int_equal(spv_msg_write(&b, &msgs[i], net, SPV_PROTOCOL_VERSION), 0);
    for (size_t i = 0; i < COUNT(msgs); i++) {
        struct spv_frame frame;
        assert_int_equal(spv_frame_read(&frame, b.data + at, net, SPV_MAX_PAYLOAD), 0);
        assert_string_equal(frame.name, names[i]);
        assert_int_equal(frame.length, lengths[i]);
        assert_int_equal(spv_frame_check(&frame, b.data + at + SPV_FRAME_HEADER), 0);
        at += SPV_FRAME_HEADER + frame.length;
    }
    assert_int_equal(at, b.len);
    spv_buffer_free(&b);
}

static void unknown_command_without_a_valid_name_is_not_written(void **state)
{
    static const char names[][SPV_COMMAND_SIZE + 1] = {"", "a\nb", "\x80", "thirteenbytes"};
    struct spv_buffer b;

    (void)state;
    spv_buffer_init(&b);
    for (size_t i = 0; i < COUNT(names); i++) {
        struct spv_msg msg = {.command = SPV_CMD_UNKNOWN};
        memcpy(msg.name, names[i], sizeof msg.name);
        assert_int_equal(spv_msg_write(&b, &msg, spv_netid_get(SPV_MAINNET), 0), SPV_ERR_INVALID);
    }
    assert_int_equal(b.len, 0);
    spv_buffer_free(&b);
}

static void every_command_is_found_by_its_name(void **state)
{
    (void)state;
    for (int i = SPV_CMD_UNKNOWN + 1; i <= SPV_CMD_FEATURE; i++) {
        const char *name = spv_command_name((enum spv_command)i);
        assert_true(strlen(name) <= SPV_COMMAND_SIZE);
        assert_int_equal(spv_command_find(name), i);
        assert_true(spv_command_max_payload((enum spv_command)i) <= SPV_MAX_PAYLOAD);
    }
#define NAMED(name, value, text)                                                                   \
    assert_string_equal(spv_command_name(SPV_CMD_##name), text);                                   \
    assert_int_equal(SPV_CMD_##name, ++value_before);
    int value_before = 0; /* no value is left out: the table of commands is an array */
    SPV_COMMANDS(NAMED)
#undef NAMED
    assert_int_equal(spv_command_find("unknown"), SPV_CMD_UNKNOWN);
    assert_int_equal(spv_command_find(""), SPV_CMD_UNKNOWN);
    assert_int_equal(spv_command_find("Version"), SPV_CMD_UNKNOWN);
    assert_string_equal(spv_command_name((enum spv_command)(SPV_CMD_FEATURE + 1)), "unknown");
    assert_string_equal(spv_command_name((enum spv_command)999), "unknown");
}

static void commands_have_their_first_protocol_version(void **state)
{
    static const struct {
        enum spv_command command;
        uint32_t since;
    } cases[] = {
        {SPV_CMD_VERSION, 0},         {SPV_CMD_GETHEADERS, 0},    {SPV_CMD_PING, 0},
        {SPV_CMD_PONG, 60001},        {SPV_CMD_MEMPOOL, 60002},   {SPV_CMD_NOTFOUND, 70001},
        {SPV_CMD_FILTERLOAD, 70001},  {SPV_CMD_FILTERADD, 70001}, {SPV_CMD_FILTERCLEAR, 70001},
        {SPV_CMD_MERKLEBLOCK, 70001}, {SPV_CMD_REJECT, 70002},    {SPV_CMD_SENDHEADERS, 70012},
        {SPV_CMD_FEEFILTER, 70013},   {SPV_CMD_SENDCMPCT, 70014}, {SPV_CMD_WTXIDRELAY, 70016},
        {SPV_CMD_SENDADDRV2, 70016},  {SPV_CMD_ADDRV2, 70016},    {SPV_CMD_UNKNOWN, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(spv_command_since(cases[i].command), cases[i].since);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_fields_of_a_frame),
        cmocka_unit_test(first_of_several_errors_is_returned),
        cmocka_unit_test(every_byte_of_the_magic_is_compared),
        cmocka_unit_test(commands_are_printable_and_padded_with_nuls),
        cmocka_unit_test(length_is_checked_against_both_limits),
        cmocka_unit_test(payload_is_checked_against_the_checksum),
        cmocka_unit_test(written_verack_is_the_well_known_one),
        cmocka_unit_test(consecutive_frames_are_read_back),
        cmocka_unit_test(unknown_command_without_a_valid_name_is_not_written),
        cmocka_unit_test(every_command_is_found_by_its_name),
        cmocka_unit_test(commands_have_their_first_protocol_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
