/* Hex in memory order, and the display order of hashes: a block hash is written with its last byte
 * first, so that its proof of work appears as leading zeros. */
#include "util/hex.h"

#include <string.h>

#include "spv/error.h"
#include "spv/types.h"
#include "util/u256.h"

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

void spv_hex(char *out, const uint8_t *in, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
    out[2 * n] = '\0';
}

int spv_hex_decode(uint8_t *out, size_t n, const char *hex)
{
    for (size_t i = 0; i < n; i++) {
        int high = digit_value(hex[2 * i]);
        int low = high < 0 ? -1 : digit_value(hex[2 * i + 1]); /* never look past a NUL */
        if (low < 0)
            return SPV_ERR_MALFORMED;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return hex[2 * n] == '\0' ? 0 : SPV_ERR_MALFORMED;
}

static void reverse_bytes(uint8_t out[32], const uint8_t in[32])
{
    for (size_t i = 0; i < 32; i++)
        out[i] = in[31 - i];
}

static void to_display(char *out, const uint8_t hash[32])
{
    uint8_t reversed[32];

    reverse_bytes(reversed, hash);
    spv_hex(out, reversed, sizeof reversed);
}

void spv_blockhash_hex(char *out, const struct spv_blockhash *hash)
{
    to_display(out, hash->b);
}

void spv_hash256_hex(char *out, const struct spv_hash256 *hash)
{
    to_display(out, hash->b);
}

void spv_txid_hex(char *out, const struct spv_txid *id)
{
    to_display(out, id->b);
}

void spv_wtxid_hex(char *out, const struct spv_wtxid *id)
{
    to_display(out, id->b);
}

static int from_display(uint8_t out[32], const char *hex)
{
    uint8_t reversed[32];
    int rc = spv_hex_decode(reversed, sizeof reversed, hex);

    if (rc < 0)
        return rc;
    reverse_bytes(out, reversed);
    return 0;
}

int spv_blockhash_from_hex(struct spv_blockhash *out, const char *hex)
{
    return from_display(out->b, hex);
}

int spv_txid_from_hex(struct spv_txid *out, const char *hex)
{
    return from_display(out->b, hex);
}

bool spv_blockhash_eq(const struct spv_blockhash *a, const struct spv_blockhash *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

bool spv_filter_hash_eq(const struct spv_filter_hash *a, const struct spv_filter_hash *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

bool spv_filter_header_eq(const struct spv_filter_header *a, const struct spv_filter_header *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

bool spv_blockhash_is_zero(const struct spv_blockhash *hash)
{
    static const struct spv_blockhash zero;

    return spv_blockhash_eq(hash, &zero);
}

void spv_u256_hex(char *out, const struct spv_u256 *x)
{
    uint8_t bytes[32];

    spv_u256_to_be(bytes, x);
    spv_hex(out, bytes, sizeof bytes);
}

int spv_u256_from_hex(struct spv_u256 *out, const char *hex)
{
    char padded[SPV_HASH_HEX];
    uint8_t bytes[32];

    if (hex[0] == '0' && (hex[1] == 'x' || hex[1] == 'X'))
        hex += 2;
    size_t n = strlen(hex);
    if (n == 0 || n > 64)
        return SPV_ERR_MALFORMED;
    memset(padded, '0', 64 - n);
    memcpy(padded + 64 - n, hex, n + 1);
    if (spv_hex_decode(bytes, sizeof bytes, padded) != 0)
        return SPV_ERR_MALFORMED;
    *out = spv_u256_from_be(bytes);
    return 0;
}
