/* Files of SPV_TEST_DATA/vectors, read with Jansson. */
#ifndef SPV_TESTS_SUPPORT_VECTORS_H
#define SPV_TESTS_SUPPORT_VECTORS_H

#include <jansson.h>
#include <stdio.h>

#include "support/unit.h"

/* The path of a file; false without SPV_TEST_DATA, which the test then says. */
static inline bool vector_path(char path[1024], const char *name)
{
    const char *folder = getenv("SPV_TEST_DATA");
    if (!folder) {
        print_message("SPV_TEST_DATA is not set: vectors/%s is not there to check\n", name);
        return false;
    }
    (void)snprintf(path, 1024, "%s/vectors/%s", folder, name);
    return true;
}

/* A JSON file; NULL without SPV_TEST_DATA. The caller frees it with json_decref. */
static inline json_t *vector_json(const char *name)
{
    char path[1024];
    json_error_t why;
    if (!vector_path(path, name))
        return NULL;
    json_t *all = json_load_file(path, 0, &why);
    assert_non_null(all);
    return all;
}

/* The string at a position of an array. */
static inline const char *vector_text(const json_t *array, size_t at)
{
    const char *text = json_string_value(json_array_get(array, at));
    assert_non_null(text);
    return text;
}

/* A member that is a string; NULL when there is none. */
static inline const char *vector_member(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* The next line of a CSV file of n columns without quotes, cut in place; false at the end. */
static inline bool vector_row(FILE *file, char *line, size_t cap, char **cells, size_t n)
{
    if (!fgets(line, (int)cap, file))
        return false;
    line[strcspn(line, "\r\n")] = '\0';
    for (size_t i = 0; i < n; i++) {
        char *comma = strchr(line, ',');
        cells[i] = line;
        if (!comma)
            comma = line + strlen(line);
        line = *comma ? comma + 1 : comma;
        *comma = '\0';
    }
    return true;
}

#endif
