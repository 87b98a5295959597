/* Small types that every module uses: hashes, 256-bit integers, time and randomness as arguments.
 *
 * Hashes are kept in internal byte order, the order on the wire and of the hash function's output.
 * Users read and write them reversed ("display order"); only the hex functions here reverse. */
#ifndef SPV_TYPES_H
#define SPV_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The current time, passed in by the caller: state machines read no clock. */
struct spv_now {
    uint64_t mono_us; /* monotonic clock in microseconds: timers, deadlines */
    int64_t unix_s; /* the system's UTC in unix seconds, which may be set back */
};

#define SPV_NEVER UINT64_MAX /* a deadline that does not expire */
#define SPV_SECOND UINT64_C(1000000) /* in microseconds */

/* A random generator, passed in by the caller. fill() writes n unpredictable bytes to out and must
 * not fail. Programs pass spv_system_rng(), tests a seeded one. */
struct spv_rng {
    void (*fill)(void *ctx, void *out, size_t n);
    void *ctx;
};

/* Hashes of different meaning have different types. All in internal byte order. */
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
/* BIP157: SHA-256d of a filter's bytes, and the filter header: SHA-256d of the filter hash and the
 * previous block's filter header. */
struct spv_filter_hash {
    uint8_t b[32];
};
struct spv_filter_header {
    uint8_t b[32];
};

/* A 256-bit unsigned integer, least significant word first. Targets and chain work. */
struct spv_u256 {
    uint64_t w[4];
};

#define SPV_HASH_HEX 65 /* 64 digits and NUL */

/* Writes a hash as 64 lower-case hex digits in display order into out, SPV_HASH_HEX bytes. Any
 * thread. */
SPV_API void spv_blockhash_hex(char *out, const struct spv_blockhash *hash);
SPV_API void spv_hash256_hex(char *out, const struct spv_hash256 *hash);
SPV_API void spv_txid_hex(char *out, const struct spv_txid *id);
SPV_API void spv_wtxid_hex(char *out, const struct spv_wtxid *id);

/* Reads exactly 64 hex digits of either case in display order. Returns 0, or SPV_ERR_MALFORMED with
 * out unchanged. Any thread. */
SPV_API int spv_blockhash_from_hex(struct spv_blockhash *out, const char *hex);
SPV_API int spv_txid_from_hex(struct spv_txid *out, const char *hex);

/* Returns true when both hashes are equal. Any thread. */
SPV_API bool spv_blockhash_eq(const struct spv_blockhash *a, const struct spv_blockhash *b);
SPV_API bool spv_filter_hash_eq(const struct spv_filter_hash *a, const struct spv_filter_hash *b);
SPV_API bool spv_filter_header_eq(const struct spv_filter_header *a,
                                  const struct spv_filter_header *b);
/* Returns true when all bytes are zero. Any thread. */
SPV_API bool spv_blockhash_is_zero(const struct spv_blockhash *hash);

/* Compares two integers. Returns -1, 0 or 1. Any thread. */
SPV_API int spv_u256_cmp(const struct spv_u256 *a, const struct spv_u256 *b);

/* Return a + b and a - b modulo 2^256. Any thread. */
SPV_API struct spv_u256 spv_u256_add(const struct spv_u256 *a, const struct spv_u256 *b);
SPV_API struct spv_u256 spv_u256_sub(const struct spv_u256 *a, const struct spv_u256 *b);

/* Writes an integer as 64 lower-case hex digits, most significant first (the form of Bitcoin Core's
 * "chainwork"), into out, SPV_HASH_HEX bytes. Any thread. */
SPV_API void spv_u256_hex(char *out, const struct spv_u256 *x);

/* Reads 1 to 64 hex digits, most significant first, with or without "0x". Returns 0, or
 * SPV_ERR_MALFORMED with out unchanged. Any thread. */
SPV_API int spv_u256_from_hex(struct spv_u256 *out, const char *hex);

#ifdef __cplusplus
}
#endif

#endif
