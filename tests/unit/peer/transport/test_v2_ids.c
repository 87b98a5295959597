/* The names of messages in encrypted packets: every byte of BIP324's table, in both directions. */
#include "peer/transport/v2_ids.h"

#include "spv/message.h"
#include "support/unit.h"

/* BIP324, "v2 Bitcoin P2P message structure", and BIP434; copied from there. */
static const struct {
    uint8_t id;
    const char *name;
    enum spv_command command; /* SPV_CMD_UNKNOWN: one that we do not decode */
} table[] = {
    {1, "addr", SPV_CMD_ADDR},
    {2, "block", SPV_CMD_BLOCK},
    {3, "blocktxn", SPV_CMD_UNKNOWN},
    {4, "cmpctblock", SPV_CMD_UNKNOWN},
    {5, "feefilter", SPV_CMD_FEEFILTER},
    {6, "filteradd", SPV_CMD_FILTERADD},
    {7, "filterclear", SPV_CMD_FILTERCLEAR},
    {8, "filterload", SPV_CMD_FILTERLOAD},
    {9, "getblocks", SPV_CMD_GETBLOCKS},
    {10, "getblocktxn", SPV_CMD_UNKNOWN},
    {11, "getdata", SPV_CMD_GETDATA},
    {12, "getheaders", SPV_CMD_GETHEADERS},
    {13, "headers", SPV_CMD_HEADERS},
    {14, "inv", SPV_CMD_INV},
    {15, "mempool", SPV_CMD_MEMPOOL},
    {16, "merkleblock", SPV_CMD_MERKLEBLOCK},
    {17, "notfound", SPV_CMD_NOTFOUND},
    {18, "ping", SPV_CMD_PING},
    {19, "pong", SPV_CMD_PONG},
    {20, "sendcmpct", SPV_CMD_SENDCMPCT},
    {21, "tx", SPV_CMD_TX},
    {22, "getcfilters", SPV_CMD_GETCFILTERS},
    {23, "cfilter", SPV_CMD_CFILTER},
    {24, "getcfheaders", SPV_CMD_GETCFHEADERS},
    {25, "cfheaders", SPV_CMD_CFHEADERS},
    {26, "getcfcheckpt", SPV_CMD_GETCFCHECKPT},
    {27, "cfcheckpt", SPV_CMD_CFCHECKPT},
    {28, "addrv2", SPV_CMD_ADDRV2},
    {37, "feature", SPV_CMD_FEATURE},
};

static void pad(uint8_t command[SPV_COMMAND_SIZE], const char *name)
{
    const size_t n = strlen(name);
    assert_true(n <= SPV_COMMAND_SIZE);
    memset(command, 0, SPV_COMMAND_SIZE);
    memcpy(command, name, n);
}

static void each_command_of_the_table_is_written_as_its_id(void **state)
{
    uint8_t out[SPV_V2_NAME_BYTES], command[SPV_COMMAND_SIZE];
    (void)state;
    assert_int_equal(COUNT(table), 29);
    for (size_t i = 0; i < COUNT(table); i++) {
        pad(command, table[i].name);
        assert_int_equal(spv_v2_name_write(out, command), 1);
        assert_int_equal(out[0], table[i].id);
    }
}

static void each_id_and_each_name_is_read_as_its_command(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        uint8_t text[SPV_V2_NAME_BYTES] = {0};
        struct spv_frame frame = {.command = SPV_CMD_VERSION, .name = "version"};
        assert_int_equal(spv_v2_name_read(&frame, &table[i].id, 1), 1);
        assert_string_equal(frame.name, table[i].name);
        assert_int_equal(frame.command, table[i].command);
        pad(text + 1, table[i].name);
        frame = (struct spv_frame){.command = SPV_CMD_VERSION, .name = "version"};
        assert_int_equal(spv_v2_name_read(&frame, text, sizeof text), SPV_V2_NAME_BYTES);
        assert_string_equal(frame.name, table[i].name);
        assert_int_equal(frame.command, table[i].command);
    }
}

static void other_bytes_are_no_id(void **state)
{
    (void)state;
    for (unsigned id = 1; id < 256; id++) {
        const uint8_t byte = (uint8_t)id;
        struct spv_frame frame = {0};
        bool assigned = false;
        for (size_t i = 0; i < COUNT(table); i++)
            assigned |= table[i].id == id;
        assert_int_equal(spv_v2_name_read(&frame, &byte, 1), assigned);
    }
}

/* BIP324: "version", "verack", "sendheaders" ... have no id; nor has any prefix of a name. */
static void other_commands_are_written_with_their_name(void **state)
{
    static const char *const names[] = {
        "version", "verack", "getaddr", "sendheaders", "wtxidrelay",  "reject",      "sendaddrv2",
        "alert",   "pin",    "pingg",   "tx2",         "sendtxrcncl", "twelve_chars"};
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        uint8_t out[SPV_V2_NAME_BYTES], command[SPV_COMMAND_SIZE];
        struct spv_frame frame = {0};
        pad(command, names[i]);
        assert_int_equal(spv_v2_name_write(out, command), SPV_V2_NAME_BYTES);
        assert_int_equal(out[0], 0);
        assert_memory_equal(out + 1, command, sizeof command);
        assert_int_equal(spv_v2_name_read(&frame, out, sizeof out), SPV_V2_NAME_BYTES);
        assert_string_equal(frame.name, names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_of_the_table_is_written_as_its_id),
        cmocka_unit_test(each_id_and_each_name_is_read_as_its_command),
        cmocka_unit_test(other_bytes_are_no_id),
        cmocka_unit_test(other_commands_are_written_with_their_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
