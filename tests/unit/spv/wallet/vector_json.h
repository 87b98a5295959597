/* A reader of JSON vectors and other files under SPV_TEST_DATA; anything unexpected fails the test.
 */
#ifndef SPV_TESTS_VECTOR_JSON_H
#define SPV_TESTS_VECTOR_JSON_H

#include "support/unit.h"

struct json {
    const char *key; /* in an object */
    const char *text; /* of a string: NUL-terminated, escapes as they stand; of a number or word:
                         its start */
    struct json *child, *next;
    size_t n; /* children */
};

/* Returns the bytes of a file below SPV_TEST_DATA with a NUL behind them, to be freed. Skips the
 * test when the variable or the file is not there. */
char *read_data(const char *name, size_t *n);

/* Parses text in place. Free with json_free; the text must live as long. */
struct json *json_parse(char *text);
void json_free(struct json *j);

/* A member of an object; NULL when it is not there. */
const struct json *json_find(const struct json *object, const char *key);
/* Members that must be there. json_text fails on null, json_number takes integers up to 2^53. */
const struct json *json_get(const struct json *object, const char *key);
const char *json_text(const struct json *object, const char *key);
double json_number(const struct json *object, const char *key);
bool json_bool(const struct json *object, const char *key);
bool json_is_null(const struct json *j);

/* Bytes of any number of hex digits, to be freed. */
uint8_t *hex_bytes(const char *hex, size_t *n);

#endif
