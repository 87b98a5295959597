/* The text is a polynomial over GF(32), the last character its constant term; the checksum makes
 * its remainder by g(x) = x^6 + 29x^5 + 22x^4 + 20x^3 + 21x^2 + 29x + 18 a constant. The prefix
 * enters as its high bits, a zero, and its low bits (BIP173). A remainder has its six coefficients
 * in 30 bits, that of x^5 on top. */
#include "spv/keys/bech32.h"

#include <string.h>

#include "spv/error.h"

static const char charset[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/* remainder * x + value, modulo g. */
static uint32_t bech32_step(uint32_t remainder, uint8_t value)
{
    /* g's lower coefficients times 1, 2, 4, 8 and 16 */
    static const uint32_t multiples[5] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
                                          0x2a1462b3};
    const uint32_t top = remainder >> 25;
    remainder = (remainder & 0x1ffffff) << 5 ^ value;
    for (size_t i = 0; i < 5; i++)
        if (top >> i & 1)
            remainder ^= multiples[i];
    return remainder;
}

uint32_t spv_bech32_remainder(const char *hrp, const uint8_t *values, size_t n)
{
    uint32_t remainder = 1;
    for (size_t i = 0; hrp[i]; i++)
        remainder = bech32_step(remainder, (uint8_t)hrp[i] >> 5);
    remainder = bech32_step(remainder, 0);
    for (size_t i = 0; hrp[i]; i++)
        remainder = bech32_step(remainder, hrp[i] & 31);
    for (size_t i = 0; i < n; i++)
        remainder = bech32_step(remainder, values[i]);
    return remainder;
}

int spv_bech32_encode(char *out, const char *hrp, const uint8_t *values, size_t n,
                      uint32_t constant)
{
    static const uint8_t zeros[SPV_BECH32_SUM];
    const size_t prefix = strlen(hrp) + 1;
    if (n > SPV_BECH32_TEXT || prefix + n + SPV_BECH32_SUM > SPV_BECH32_TEXT)
        return SPV_ERR_TOO_LONG;
    uint32_t sum = spv_bech32_remainder(hrp, values, n);
    for (size_t i = 0; i < SPV_BECH32_SUM; i++)
        sum = bech32_step(sum, zeros[i]);
    sum ^= constant;
    memcpy(out, hrp, prefix - 1);
    out[prefix - 1] = '1';
    for (size_t i = 0; i < n; i++)
        out[prefix + i] = charset[values[i] & 31];
    for (size_t i = 0; i < SPV_BECH32_SUM; i++)
        out[prefix + n + i] = charset[sum >> 5 * (SPV_BECH32_SUM - 1 - i) & 31];
    out[prefix + n + SPV_BECH32_SUM] = '\0';
    return 0;
}

uint8_t spv_bech32_value(char c)
{
    const char lower = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    const char *found = lower ? strchr(charset, lower) : NULL;
    return found ? (uint8_t)(found - charset) : SPV_BECH32_BAD;
}

int spv_bech32_regroup(uint8_t *out, const uint8_t *in, size_t n, unsigned from, unsigned to)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        bits = (bits << from | in[i]) & 0xfff; /* at most to - 1 + from bits are unread */
        have += from;
        while (have >= to) {
            have -= to;
            out[len++] = (uint8_t)(bits >> have & ((1u << to) - 1));
        }
    }
    const uint32_t rest = bits & ((1u << have) - 1);
    if (from == 8) {
        if (have > 0)
            out[len++] = (uint8_t)(rest << (to - have));
        return (int)len;
    }
    /* BIP173: "any incomplete group at the end MUST be 4 bits or less, MUST be all zeroes" */
    return have < from && rest == 0 ? (int)len : SPV_ERR_MALFORMED;
}
