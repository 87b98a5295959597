/* JSON vectors and other files under SPV_TEST_DATA, by Jansson; anything unexpected fails the test.
 */
#ifndef SPV_TESTS_SUPPORT_VECTOR_JSON_H
#define SPV_TESTS_SUPPORT_VECTOR_JSON_H

#include <jansson.h>

#include "support/unit.h"

/* Returns the bytes of a file below SPV_TEST_DATA with a NUL behind them, to be freed. Skips the
 * test when the variable or the file is not there. */
char *read_data(const char *name, size_t *n);
/* The same for a JSON file; json_decref it. */
json_t *read_json(const char *name);

/* A member of an object; NULL when it is not there. */
const json_t *json_find(const json_t *object, const char *key);
/* Members that must be there and have the type. */
const json_t *json_get(const json_t *object, const char *key);
const char *json_text(const json_t *object, const char *key);
double json_number(const json_t *object, const char *key);
bool json_bool(const json_t *object, const char *key);

/* Bytes of any number of hex digits, to be freed. */
uint8_t *hex_bytes(const char *hex, size_t *n);

/* The lines of a CSV file without quotes; the first names the columns. */
struct csv_table {
    char *text; /* freed by the test */
    char *next;
};
/* Opens a file, as read_data finds it. */
struct csv_table csv_table_open(const char *name);
/* The first n cells of the next line, cut in place; false at the end. */
bool csv_table_row(struct csv_table *t, char **cells, size_t n);

#endif
