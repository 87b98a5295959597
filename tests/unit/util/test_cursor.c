/* Cursor and buffer: what the buffer writes the cursor reads, and neither passes its end. */
#include "support/unit.h"

#include "spv/error.h"
#include "util/buffer.h"
#include "util/cursor.h"

static void cursor_reads_what_the_buffer_wrote(void **state)
{
    struct spv_buffer b;

    (void)state;
    spv_buffer_init(&b);
    spv_buffer_u8(&b, 0x01);
    spv_buffer_u16(&b, 0x0203);
    spv_buffer_u16be(&b, 0x208d);
    spv_buffer_u32(&b, 0x04050607);
    spv_buffer_u64(&b, UINT64_C(0x08090a0b0c0d0e0f));
    spv_buffer_put(&b, "abc", 3);
    static const uint8_t wire[] = {0x01, 0x03, 0x02, 0x20, 0x8d, 0x07, 0x06, 0x05, 0x04, 0x0f,
                                   0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08, 'a',  'b',  'c'};
    assert_int_equal(b.len, sizeof wire);
    assert_memory_equal(b.data, wire, sizeof wire);

    struct spv_cursor c = spv_cursor_over(b.data, b.len);
    char text[3];
    assert_int_equal(spv_cursor_u8(&c), 0x01);
    assert_int_equal(spv_cursor_u16(&c), 0x0203);
    assert_int_equal(spv_cursor_u16be(&c), 0x208d);
    assert_int_equal(spv_cursor_u32(&c), 0x04050607);
    assert_true(spv_cursor_u64(&c) == UINT64_C(0x08090a0b0c0d0e0f));
    assert_int_equal(spv_cursor_finish(&c), SPV_ERR_TRAILING);
    spv_cursor_copy(&c, text, 3);
    assert_memory_equal(text, "abc", 3);
    assert_int_equal(spv_cursor_finish(&c), 0);
    spv_buffer_free(&b);
}

static void first_error_is_sticky(void **state)
{
    static const uint8_t three[] = {1, 2, 3};
    struct spv_cursor c = spv_cursor_over(three, sizeof three);
    uint8_t copy[2] = {9, 9};

    (void)state;
    assert_int_equal(spv_cursor_u32(&c), 0);
    assert_int_equal(spv_cursor_u8(&c), 0); /* though three bytes are left */
    assert_int_equal(spv_cursor_left(&c), 0);
    assert_null(spv_cursor_take(&c, 1));
    spv_cursor_copy(&c, copy, 2);
    assert_int_equal(copy[0] | copy[1], 0);
    spv_cursor_fail(&c, SPV_ERR_MALFORMED); /* the first error is kept */
    assert_int_equal(spv_cursor_finish(&c), SPV_ERR_SHORT);
}

static void empty_input_has_no_bytes_to_read(void **state)
{
    struct spv_cursor c = spv_cursor_over(NULL, 0);

    (void)state;
    assert_non_null(spv_cursor_take(&c, 0));
    assert_int_equal(spv_cursor_finish(&c), 0);
    assert_int_equal(spv_cursor_u8(&c), 0);
    assert_int_equal(spv_cursor_finish(&c), SPV_ERR_SHORT);
}

static const struct {
    uint64_t value;
    const char *hex;
} compact[] = {
    {0, "00"},
    {252, "fc"},
    {253, "fdfd00"},
    {65535, "fdffff"},
    {65536, "fe00000100"},
    {UINT32_MAX, "feffffffff"},
    {UINT64_C(1) << 32, "ff0000000001000000"},
    {UINT64_MAX, "ffffffffffffffffff"},
};

static void compact_size_is_read_and_written_in_its_shortest_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(compact); i++) {
        uint8_t bytes[9];
        size_t n = unhex(bytes, sizeof bytes, compact[i].hex);
        struct spv_buffer b;

        spv_buffer_init(&b);
        spv_buffer_compact(&b, compact[i].value);
        assert_int_equal(b.len, n);
        assert_memory_equal(b.data, bytes, n);
        assert_int_equal(spv_compact_size(compact[i].value), n);
        spv_buffer_free(&b);

        struct spv_cursor c = spv_cursor_over(bytes, n);
        assert_true(spv_cursor_compact(&c) == compact[i].value);
        assert_int_equal(spv_cursor_finish(&c), 0);
        for (size_t cut = 0; cut < n; cut++) {
            c = spv_cursor_over(bytes, cut);
            assert_true(spv_cursor_compact(&c) == 0);
            assert_int_equal(spv_cursor_finish(&c), SPV_ERR_SHORT);
        }
    }
}

static void non_canonical_compact_size_is_refused(void **state)
{
    static const char *const longer[] = {
        "fd0000", "fdfc00", "fe00000000", "feffff0000", "ff0000000000000000", "ffffffffff00000000"};

    (void)state;
    for (size_t i = 0; i < COUNT(longer); i++) {
        uint8_t bytes[9];
        struct spv_cursor c = spv_cursor_over(bytes, unhex(bytes, sizeof bytes, longer[i]));
        assert_true(spv_cursor_compact(&c) == 0);
        assert_int_equal(spv_cursor_finish(&c), SPV_ERR_COMPACT_SIZE);
    }
}

static void count_is_bounded_by_its_limit_and_the_bytes_left(void **state)
{
    static const struct {
        const char *hex;
        size_t max, each, count;
        int error;
    } cases[] = {
        {"02aaaaaaaa", 2, 2, 2, 0},
        {"02aaaaaaaa", 1, 2, 0, SPV_ERR_COUNT},
        {"02aaaaaa", 2, 2, 0, SPV_ERR_SHORT},
        {"03aaaaaaaa", 9, 2, 0, SPV_ERR_SHORT},
        {"00", 0, 32, 0, 0},
        {"ffffffffffffffffff", 50000, 36, 0, SPV_ERR_COUNT},
        {"ffffffffffffffffff", SIZE_MAX, 36, 0, SPV_ERR_SHORT},
        {"fd0100", 9, 1, 0, SPV_ERR_COMPACT_SIZE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t bytes[16];
        struct spv_cursor c = spv_cursor_over(bytes, unhex(bytes, sizeof bytes, cases[i].hex));
        assert_int_equal(spv_cursor_count(&c, cases[i].max, cases[i].each), cases[i].count);
        assert_int_equal(c.error, cases[i].error);
    }
}

static void buffer_grows_and_consumes_from_the_front(void **state)
{
    struct spv_buffer b;

    (void)state;
    spv_buffer_init(&b);
    for (unsigned i = 0; i < 1000; i++)
        spv_buffer_u8(&b, (uint8_t)i);
    spv_buffer_consume(&b, 0);
    assert_int_equal(b.len, 1000);
    spv_buffer_consume(&b, 990);
    assert_int_equal(b.len, 10);
    assert_int_equal(b.data[0], 990 % 256);
    assert_int_equal(b.data[9], 999 % 256);
    spv_buffer_consume(&b, 11);
    assert_int_equal(b.len, 0);
    spv_buffer_free(&b);
    spv_buffer_free(&b); /* has no effect */
}

static void failed_allocation_is_a_sticky_error_of_the_buffer(void **state)
{
    struct spv_buffer b;

    (void)state;
    spv_buffer_init(&b);
    spv_buffer_u8(&b, 7);
    assert_int_equal(spv_buffer_reserve(&b, SIZE_MAX), SPV_ERR_NOMEM);
    spv_buffer_u32(&b, 1);
    assert_null(spv_buffer_extend(&b, 1));
    assert_int_equal(b.error, SPV_ERR_NOMEM);
    assert_int_equal(b.len, 1);
    spv_buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cursor_reads_what_the_buffer_wrote),
        cmocka_unit_test(first_error_is_sticky),
        cmocka_unit_test(empty_input_has_no_bytes_to_read),
        cmocka_unit_test(compact_size_is_read_and_written_in_its_shortest_form),
        cmocka_unit_test(non_canonical_compact_size_is_refused),
        cmocka_unit_test(count_is_bounded_by_its_limit_and_the_bytes_left),
        cmocka_unit_test(buffer_grows_and_consumes_from_the_front),
        cmocka_unit_test(failed_allocation_is_a_sticky_error_of_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
