/* The BIP324 vectors of SPV_TEST_DATA as JSON and CSV rows. */
#ifndef SPV_TESTS_V2_VECTORS_H
#define SPV_TESTS_V2_VECTORS_H

#include <jansson.h>
#include <stdio.h>

#include "support/unit.h"

/* vectors/bip324.json; NULL without SPV_TEST_DATA. The caller frees it with json_decref. */
static inline json_t *v2_vectors(void)
{
    const char *folder = getenv("SPV_TEST_DATA");
    char path[1024];
    json_error_t why;
    if (!folder) {
        print_message("SPV_TEST_DATA is not set: the vectors of BIP324 are not there to check\n");
        return NULL;
    }
    (void)snprintf(path, sizeof path, "%s/vectors/bip324.json", folder);
    json_t *all = json_load_file(path, 0, &why);
    assert_non_null(all);
    return all;
}

static inline const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    assert_non_null(text);
    return text;
}

/* A member's hex digits as bytes; the caller frees them. */
static inline uint8_t *bytes_of(size_t *n, const json_t *object, const char *key)
{
    const char *hex = text_of(object, key);
    *n = strlen(hex) / 2;
    uint8_t *bytes = malloc(*n + 1);
    assert_non_null(bytes);
    assert_int_equal(spv_hex_decode(bytes, *n, hex), 0);
    return bytes;
}

#endif
