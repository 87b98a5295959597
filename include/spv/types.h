/* The small types that every module shares: hashes, 256-bit integers, injected time and randomness.
 *
 * Hashes are kept in internal byte order, the order on the wire and of the hash function's output.
 * People read and write them reversed ("display order"): only the hex functions here turn them. */
#ifndef SPV_TYPES_H
#define SPV_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Time as an argument: a machine never reads a clock. mono_us never steps back (timers, deadlines);
 * unix_s is the system's idea of UTC and may step. */
struct spv_now {
    uint64_t mono_us;
    int64_t unix_s;
};

/* A deadline that never comes. */
#define SPV_NEVER UINT64_MAX
#define SPV_SECOND UINT64_C(1000000) /* in microseconds */

/* Randomness as an argument. fill() writes n unpredictable bytes and cannot fail; the shell gives
 * the system's generator, tests a seeded one. */
struct spv_rng {
    void (*fill)(void *ctx, void *out, size_t n);
    void *ctx;
};

struct spv_hash256 {
    uint8_t b[32];
};
struct spv_blockhash {
    uint8_t b[32];
};
struct spv_txid {
    uint8_t b[32];
};
struct spv_wtxid {
    uint8_t b[32];
};

/* 256-bit unsigned integer, least significant word first. Targets and chain work. */
struct spv_u256 {
    uint64_t w[4];
};

#define SPV_HASH_HEX 65 /* 64 digits and NUL */

/* Hash as 64 lower-case hex digits in display order. out holds SPV_HASH_HEX bytes. Any thread. */
SPV_API void spv_blockhash_hex(char *out, const struct spv_blockhash *hash);
SPV_API void spv_hash256_hex(char *out, const struct spv_hash256 *hash);
SPV_API void spv_txid_hex(char *out, const struct spv_txid *id);
SPV_API void spv_wtxid_hex(char *out, const struct spv_wtxid *id);

/* Reads exactly 64 hex digits in display order. SPV_ERR_MALFORMED otherwise. Any thread. */
SPV_API int spv_blockhash_from_hex(struct spv_blockhash *out, const char *hex);
SPV_API int spv_txid_from_hex(struct spv_txid *out, const char *hex);

SPV_API bool spv_blockhash_eq(const struct spv_blockhash *a, const struct spv_blockhash *b);
SPV_API bool spv_blockhash_is_zero(const struct spv_blockhash *hash);

/* -1, 0 or 1. Any thread. */
SPV_API int spv_u256_cmp(const struct spv_u256 *a, const struct spv_u256 *b);

/* As 64 lower-case hex digits, most significant first (Bitcoin Core's "chainwork" form). */
SPV_API void spv_u256_hex(char *out, const struct spv_u256 *x);

/* Reads 1 to 64 hex digits, optional 0x, most significant first. SPV_ERR_MALFORMED otherwise. */
SPV_API int spv_u256_from_hex(struct spv_u256 *out, const char *hex);

#ifdef __cplusplus
}
#endif

#endif
