/* Text from peers and files: no control character reaches a terminal or breaks a JSON line. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "support/unit.h"

static void assert_cleaned(const char *dirty, const char *clean)
{
    char text[64];

    assert_true(strlen(dirty) < sizeof text);
    memcpy(text, dirty, strlen(dirty) + 1);
    cli_clean(text);
    assert_string_equal(text, clean);
}

static void utf8_text_is_printed_as_it_is(void **state)
{
    (void)state;
    assert_cleaned("", "");
    assert_cleaned("/home/j\xc3\xbcrgen/\xe2\x82\xbf.db ~",
                   "/home/j\xc3\xbcrgen/\xe2\x82\xbf.db ~");
    assert_cleaned("\xc2\xa0\xdf\xbf\xe0\xa0\x80\xef\xbf\xbd\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
                   "\xc2\xa0\xdf\xbf\xe0\xa0\x80\xef\xbf\xbd\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
}

static void c0_and_c1_control_characters_become_question_marks(void **state)
{
    char text[2];
    unsigned c;

    (void)state;
    for (c = 1; c < 0x20; c++) {
        snprintf(text, sizeof text, "%c", (int)c);
        assert_cleaned(text, "?");
    }
    assert_cleaned("a\033[31mb\x07\x7f\r\n", "a?[31mb????");
    assert_cleaned("\xc2\x80\xc2\x9b"
                   "31m\xc2\x9f",
                   "??31m?"); /* CSI in one character */
}

static void bidi_overrides_and_line_separators_become_question_marks(void **state)
{
    (void)state;
    assert_cleaned("a\xe2\x80\xaetxt.exe", "a?txt.exe"); /* right-to-left override */
    assert_cleaned("\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac\xe2\x80\xad\xe2\x80\x8e\xe2\x80\x8f",
                   "??????");
    assert_cleaned("\xe2\x81\xa6\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9\xd8\x9c", "?????");
    assert_cleaned("a\xe2\x80\xa8"
                   "b\xe2\x80\xa9"
                   "c",
                   "a?b?c");
    assert_cleaned("\xf3\xa0\x81\x81", "?"); /* a tag */
}

static void bytes_that_are_no_utf8_become_question_marks(void **state)
{
    (void)state;
    assert_cleaned("\x80\xbf\xfe\xff", "????");
    assert_cleaned("\xc0\x9b\xc1\xbf", "????"); /* overlong ESC: some terminals take it */
    assert_cleaned("\xe0\x80\x9b", "???");
    assert_cleaned("\xf0\x80\x80\x9b", "????");
    assert_cleaned("\xed\xa0\x80", "???"); /* a surrogate */
    assert_cleaned("\xf4\x90\x80\x80\xf5\x80\x80\x80", "????????"); /* past U+10FFFF */
    assert_cleaned("a\xe2\x82", "a??"); /* cut at the end of a buffer */
    assert_cleaned("a\xe2\x82z\xc3\x1b", "a??z??");
}

/* The printed JSON line, parsed again. */
static json_t *printed(json_t *object, char *line, size_t cap)
{
    char *dump, *escaped;
    const char *p;
    json_t *again;

    assert_non_null(object);
    dump = json_dumps(object, JSON_COMPACT);
    assert_non_null(dump);
    escaped = cli_json_escape(dump);
    assert_non_null(escaped);
    assert_true(strlen(escaped) < cap);
    memcpy(line, escaped, strlen(escaped) + 1);
    for (p = line; *p != '\0'; p++)
        assert_true((unsigned char)*p >= ' ' && *p != 0x7f);
    again = json_loads(line, 0, NULL);
    assert_non_null(again);
    free(escaped);
    free(dump);
    json_decref(object);
    return again;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    assert_non_null(text);
    return text;
}

static void json_keeps_control_characters_as_escapes(void **state)
{
    static const char path[] = "/tmp/\033[2J\x7f\xc2\x9b"
                               "1m\xe2\x80\xae\xf3\xa0\x81\x81\xc3\xa9";
    char line[256];
    json_t *object;

    (void)state;
    object = printed(cli_json_pack("{s:s}", "path", path), line, sizeof line);
    assert_string_equal(text_of(object, "path"), path);
    assert_non_null(strstr(line, "\\u009b1m\\u202e\\udb40\\udc41\xc3\xa9"));
    json_decref(object);
}

static void json_is_built_from_bytes_that_are_no_utf8(void **state)
{
    char line[512];
    json_t *object =
        cli_json_pack("{s:s, s:I, s:s?, s:o?, s:o?, s:b, s:i, s:f, s:s}", "bad",
                      "a\xff"
                      "b",
                      "n", (json_int_t)1 << 40, "none", NULL, "null", NULL, "list", json_array(),
                      "yes", 1, "small", -3, "real", 0.5, "last", "\xc3");

    (void)state;
    object = printed(object, line, sizeof line);
    assert_string_equal(text_of(object, "bad"), "a?b");
    assert_string_equal(text_of(object, "last"), "?");
    assert_true(json_integer_value(json_object_get(object, "n")) == (json_int_t)1 << 40);
    assert_true(json_is_null(json_object_get(object, "none")));
    assert_true(json_is_null(json_object_get(object, "null")));
    assert_true(json_is_array(json_object_get(object, "list")));
    assert_true(json_is_true(json_object_get(object, "yes")));
    assert_int_equal(json_integer_value(json_object_get(object, "small")), -3);
    assert_true(json_real_value(json_object_get(object, "real")) == 0.5);
    json_decref(object);
    assert_null(cli_json_pack("{s:s}", "absent", NULL));
    assert_null(cli_json_pack("{s:[]}", "a format that is none"));
    assert_null(cli_json_string(NULL));
}

/* Last, as it stays set until the process ends. */
static void an_object_that_cannot_be_built_is_no_success(void **state)
{
    (void)state;
    assert_int_equal(cli_finish_output(), CLI_DONE);
    cli_json(NULL);
    assert_int_equal(cli_finish_output(), CLI_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_text_is_printed_as_it_is),
        cmocka_unit_test(c0_and_c1_control_characters_become_question_marks),
        cmocka_unit_test(bidi_overrides_and_line_separators_become_question_marks),
        cmocka_unit_test(bytes_that_are_no_utf8_become_question_marks),
        cmocka_unit_test(json_keeps_control_characters_as_escapes),
        cmocka_unit_test(json_is_built_from_bytes_that_are_no_utf8),
        cmocka_unit_test(an_object_that_cannot_be_built_is_no_success),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
