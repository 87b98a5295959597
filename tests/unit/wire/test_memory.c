/* Failed allocations while reading or writing a message affect that message only. */
#include "support/unit.h"

#include "spv/error.h"
#include "support/failing_alloc.h"
#include "wire/codec.h"

static void message_can_be_decoded_again_after_a_failed_allocation(void **state)
{
    static const struct {
        enum spv_command command;
        size_t n;
    } lists[] = {{SPV_CMD_ADDR, 1 + 30},
                 {SPV_CMD_ADDRV2, 1 + 9},
                 {SPV_CMD_INV, 1 + 36},
                 {SPV_CMD_GETHEADERS, 4 + 1 + 32},
                 {SPV_CMD_HEADERS, 1 + 81}};

    (void)state;
    for (size_t i = 0; i < COUNT(lists); i++) {
        uint8_t body[128] = {0};
        struct spv_arena arena = {0};
        struct spv_msg msg = {.command = lists[i].command};

        if (msg.command != SPV_CMD_GETHEADERS)
            body[0] = 1;
        failing_alloc_plan(1, FAILING_ALLOC_REST);
        assert_int_equal(spv_msg_decode(&msg, body, lists[i].n, 70016, &arena), SPV_ERR_NOMEM);
        assert_null(arena.mem);
        assert_true(failing_alloc_end() > 0);
        assert_int_equal(spv_msg_decode(&msg, body, lists[i].n, 70016, &arena), 0);
        spv_arena_free(&arena);
    }
}

static void failed_allocation_leaves_earlier_messages_in_the_buffer(void **state)
{
    static const uint8_t bytes[5000] = {1};
    const struct spv_netid *net = spv_netid_get(SPV_MAINNET);
    const struct spv_msg ping = {.command = SPV_CMD_PING, .u.ping = {true, 1}};
    const struct spv_msg big = {
        .command = SPV_CMD_UNKNOWN, .name = "big", .u.raw = {bytes, sizeof bytes}};
    struct spv_buffer b;

    (void)state;
    spv_buffer_init(&b);
    failing_alloc_plan(1, FAILING_ALLOC_REST);
    assert_int_equal(spv_msg_write(&b, &ping, net, 70016), SPV_ERR_NOMEM);
    assert_int_equal(b.len, 0);
    assert_true(failing_alloc_end() > 0);
    assert_int_equal(spv_msg_write(&b, &ping, net, 70016), 0);
    assert_int_equal(b.len, SPV_FRAME_HEADER + 8);
    failing_alloc_plan(1, FAILING_ALLOC_REST);
    assert_int_equal(spv_msg_write(&b, &big, net, 70016), SPV_ERR_NOMEM);
    assert_int_equal(spv_msg_encode(&b, &big, 70016), SPV_ERR_NOMEM);
    assert_true(failing_alloc_end() > 0);
    assert_int_equal(b.len, SPV_FRAME_HEADER + 8);
    assert_memory_equal(b.data + 4, "ping", 5);
    assert_int_equal(spv_msg_write(&b, &big, net, 70016), 0);
    assert_int_equal(b.len, 2 * SPV_FRAME_HEADER + 8 + sizeof bytes);
    spv_buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_can_be_decoded_again_after_a_failed_allocation),
        cmocka_unit_test(failed_allocation_leaves_earlier_messages_in_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
