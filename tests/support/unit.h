/* Included by unit tests: cmocka with the headers that it requires, and two small helpers. */
#ifndef SPV_TESTS_UNIT_H
#define SPV_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/hex.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Decodes hex digits to bytes; fails the test when they are invalid or too many. Returns the
 * number of bytes. */
static inline size_t unhex(uint8_t *out, size_t cap, const char *hex)
{
    size_t n = strlen(hex) / 2;

    assert_true(n <= cap);
    assert_int_equal(spv_hex_decode(out, n, hex), 0);
    return n;
}

#endif
