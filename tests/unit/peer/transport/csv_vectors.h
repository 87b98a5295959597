/* Vectors of SPV_TEST_DATA as rows of comma-separated fields without quotes. */
#ifndef SPV_TESTS_CSV_VECTORS_H
#define SPV_TESTS_CSV_VECTORS_H

#include <stdio.h>

#include "support/unit.h"

/* vectors/NAME behind its first row, which names the fields; NULL without SPV_TEST_DATA. The caller
 * closes it. */
static inline FILE *csv_vectors(const char *name)
{
    const char *folder = getenv("SPV_TEST_DATA");
    char path[1024];
    if (!folder) {
        print_message("SPV_TEST_DATA is not set: %s is not there to check\n", name);
        return NULL;
    }
    (void)snprintf(path, sizeof path, "%s/vectors/%s", folder, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    int c;
    do
        c = fgetc(f);
    while (c != '\n' && c != EOF);
    return f;
}

/* The next field of a row; moves *row behind it. */
static inline char *csv_field(char **row)
{
    char *field = *row;
    char *end = field + strcspn(field, ",\r\n");
    *row = end + (*end != '\0');
    *end = '\0';
    return field;
}

#endif
