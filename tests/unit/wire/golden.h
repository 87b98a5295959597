/* Known message bodies and the checks for each: decoding returns the fields, encoding returns the
 * bytes, every truncation and every extra byte is refused. */
#ifndef SPV_TESTS_UNIT_WIRE_GOLDEN_H
#define SPV_TESTS_UNIT_WIRE_GOLDEN_H

#include "support/unit.h"

#include "spv/error.h"
#include "wire/codec.h"
#include "wire/frame.h"

#define GOLDEN_MAX 1024 /* bytes; more than the longest */

#define HASH_1 "1111111111111111111111111111111111111111111111111111111111111111"
#define HASH_2 "2222222222222222222222222222222222222222222222222222222222222222"
#define HASH_0 "0000000000000000000000000000000000000000000000000000000000000000"

struct golden {
    enum spv_command command;
    uint32_t version; /* negotiated */
    const char *body; /* hex */
    void (*check)(const struct spv_msg *m); /* asserts the fields */
};

void golden_decode_and_encode(const struct golden *golden, size_t n);
void golden_refuse_truncations(const struct golden *golden, size_t n);
void golden_refuse_trailing(const struct golden *golden, size_t n);

/* Decodes hex at 70016; the arena is the caller's. */
int decode_hex(struct spv_msg *out, enum spv_command command, const char *hex,
               struct spv_arena *arena);

#endif
