/* The text is the bytes read as one big-endian number in base 58; leading zero bytes, which do not
 * change the number, are written as one '1' each. Both directions multiply the number by the old
 * base and add the next digit: quadratic time, hence the bounds. */
#include "spv/keys/base58.h"

#include <stdbool.h>
#include <string.h>

#include "spv/error.h"
#include "util/hash.h"

static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/* The value of a character; -1 outside the alphabet. */
static int base58_digit(char c)
{
    const char *found = c ? strchr(alphabet, c) : NULL;
    return found ? (int)(found - alphabet) : -1;
}

/* number = number * from + digit, in base `to`, least significant digit first. len grows. */
static void multiply_add(uint8_t *number, size_t *len, unsigned from, unsigned to, unsigned digit)
{
    unsigned carry = digit;
    for (size_t i = 0; i < *len; i++) {
        carry += number[i] * from;
        number[i] = (uint8_t)(carry % to);
        carry /= to;
    }
    for (; carry != 0; carry /= to)
        number[(*len)++] = (uint8_t)(carry % to);
}

int spv_base58_encode(char *out, const uint8_t *in, size_t n)
{
    uint8_t digits[SPV_BASE58_TEXT];
    size_t len = 0, zeros = 0;
    if (n > SPV_BASE58_BYTES)
        return SPV_ERR_TOO_LONG;
    while (zeros < n && in[zeros] == 0)
        zeros++;
    for (size_t i = zeros; i < n; i++)
        multiply_add(digits, &len, 256, 58, in[i]);
    memset(out, alphabet[0], zeros);
    for (size_t i = 0; i < len; i++)
        out[zeros + i] = alphabet[digits[len - 1 - i]];
    out[zeros + len] = '\0';
    return (int)(zeros + len);
}

int spv_base58check_encode(char *out, const uint8_t *in, size_t n)
{
    uint8_t summed[SPV_BASE58_BYTES], hash[32];
    if (n > SPV_BASE58_BYTES - SPV_BASE58CHECK_SUM)
        return SPV_ERR_TOO_LONG;
    memcpy(summed, in, n);
    spv_sha256d(hash, in, n);
    memcpy(summed + n, hash, SPV_BASE58CHECK_SUM);
    return spv_base58_encode(out, summed, n + SPV_BASE58CHECK_SUM);
}

int spv_base58_decode(uint8_t *out, const char *text, size_t n, size_t *bad_at)
{
    uint8_t number[SPV_BASE58_TEXT];
    size_t len = 0, zeros = 0;
    if (n >= SPV_BASE58_TEXT)
        return SPV_ERR_TOO_LONG;
    while (zeros < n && text[zeros] == alphabet[0])
        zeros++;
    for (size_t i = zeros; i < n; i++) {
        const int digit = base58_digit(text[i]);
        if (digit < 0) {
            *bad_at = i;
            return SPV_ERR_TEXT_CHARACTER;
        }
        multiply_add(number, &len, 58, 256, (unsigned)digit);
    }
    if (zeros + len > SPV_BASE58_BYTES)
        return SPV_ERR_TOO_LONG;
    memset(out, 0, zeros);
    for (size_t i = 0; i < len; i++)
        out[zeros + i] = number[len - 1 - i];
    return (int)(zeros + len);
}

int spv_base58check_decode(uint8_t *out, const char *text, size_t n, size_t *bad_at)
{
    uint8_t hash[32];
    const int got = spv_base58_decode(out, text, n, bad_at);
    if (got < 0)
        return got;
    if (got < SPV_BASE58CHECK_SUM)
        return SPV_ERR_TEXT_CHECKSUM;
    const size_t payload = (size_t)got - SPV_BASE58CHECK_SUM;
    spv_sha256d(hash, out, payload);
    if (memcmp(hash, out + payload, SPV_BASE58CHECK_SUM) != 0)
        return SPV_ERR_TEXT_CHECKSUM;
    return (int)payload;
}
