/* Known message bodies and the checks for each: decoding returns the fields, encoding returns the
 * bytes, every truncation and every extra byte is refused. */
#ifndef SPV_TESTS_SUPPORT_GOLDEN_H
#define SPV_TESTS_SUPPORT_GOLDEN_H

#include "support/msg_bytes.h"
#include "support/unit.h"

#include "spv/error.h"
#include "wire/codec.h"
#include "wire/frame.h"

#define GOLDEN_MAX 1024 /* bytes; longer than any of them */

#define HASH_1 "1111111111111111111111111111111111111111111111111111111111111111"
#define HASH_2 "2222222222222222222222222222222222222222222222222222222222222222"
#define HASH_0 "0000000000000000000000000000000000000000000000000000000000000000"

struct golden {
    enum spv_command command;
    uint32_t version; /* negotiated */
    const char *body; /* hex */
    void (*check)(const struct spv_msg *m); /* asserts the fields */
};

struct golden_list {
    const struct golden *at;
    size_t n;
};

/* The tests of a struct golden_list, as entries of an array of struct CMUnitTest. */
#define GOLDEN_TESTS(list)                                                                         \
    cmocka_unit_test_prestate(decodes_the_fields_and_encodes_the_bytes, list),                     \
        cmocka_unit_test_prestate(refuses_every_truncation, list),                                 \
        cmocka_unit_test_prestate(refuses_bytes_after_the_end, list)

void decodes_the_fields_and_encodes_the_bytes(void **list);
void refuses_every_truncation(void **list);
void refuses_bytes_after_the_end(void **list);

/* Decodes hex for protocol version 70016; the arena is the caller's. */
int decode_hex(struct spv_msg *out, enum spv_command command, const char *hex,
               struct spv_arena *arena);

#endif
