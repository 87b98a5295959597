/* The error table: every code is its own, has a text, a name and somebody at fault. */
#include "support/unit.h"

#include "spv/error.h"
#include "spv/version.h"

static const struct {
    int value;
    const char *name, *message;
    enum spv_err_class class;
} table[] = {
#define ROW(name, value, class, message) {value, #name, message, SPV_CLASS_##class},
    SPV_ERRORS(ROW)
#undef ROW
};

static void every_code_is_negative_and_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        assert_true(table[i].value < 0);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(table[i].value, table[j].value);
            assert_string_not_equal(table[i].message, table[j].message);
        }
    }
}

static void every_code_has_its_message_name_and_class(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        assert_string_equal(spv_strerror(table[i].value), table[i].message);
        assert_true(strlen(table[i].message) > 5);
        assert_string_equal(spv_err_name(table[i].value), table[i].name);
        assert_int_equal(spv_err_class(table[i].value), table[i].class);
        assert_int_not_equal(spv_err_class(table[i].value), SPV_CLASS_NONE);
    }
}

static void success_and_strangers_are_named_too(void **state)
{
    (void)state;
    assert_string_equal(spv_strerror(0), "success");
    assert_string_equal(spv_err_name(0), "OK");
    assert_int_equal(spv_err_class(0), SPV_CLASS_NONE);
    assert_string_equal(spv_strerror(-9999), "unknown error");
    assert_string_equal(spv_err_name(12), "UNKNOWN");
    assert_int_equal(spv_err_class(-9999), SPV_CLASS_CALLER);
}

/* The policy that the classes carry: only a proven lie may ban. */
static void faults_are_laid_at_the_right_door(void **state)
{
    static const struct {
        int error;
        enum spv_err_class class;
    } cases[] = {
        {SPV_ERR_MAGIC, SPV_CLASS_PEER},       {SPV_ERR_CHECKSUM, SPV_CLASS_PEER},
        {SPV_ERR_LENGTH, SPV_CLASS_PEER},      {SPV_ERR_SHORT, SPV_CLASS_LYING},
        {SPV_ERR_HDR_POW, SPV_CLASS_LYING},    {SPV_ERR_HDR_TIME_FUTURE, SPV_CLASS_PEER},
        {SPV_ERR_STALL, SPV_CLASS_SLOW},       {SPV_ERR_PONG_TIMEOUT, SPV_CLASS_SLOW},
        {SPV_ERR_REFUSED, SPV_CLASS_GONE},     {SPV_ERR_NOMEM, SPV_CLASS_LOCAL},
        {SPV_ERR_DB_DAMAGED, SPV_CLASS_LOCAL}, {SPV_ERR_INVALID, SPV_CLASS_CALLER},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(spv_err_class(cases[i].error), cases[i].class);
}

static void the_library_knows_its_version(void **state)
{
    (void)state;
    assert_string_equal(spv_version(), SPV_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_is_negative_and_its_own),
        cmocka_unit_test(every_code_has_its_message_name_and_class),
        cmocka_unit_test(success_and_strangers_are_named_too),
        cmocka_unit_test(faults_are_laid_at_the_right_door),
        cmocka_unit_test(the_library_knows_its_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
