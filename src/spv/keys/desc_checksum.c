/* A BCH code over GF(32) with eight symbols (BIP380). Each character gives its position within its
 * group of 32, and every three characters give one more symbol for their groups. */
#include "spv/keys/desc_checksum.h"

#include <string.h>

#include "spv/descriptor.h"

/* The order matters: three groups of 32. */
static const char charset[] = "0123456789()[],'/*abcdefgh@:$%{}"
                              "IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~"
                              "ijklmnopqrstuvwxyzABCDEFGH`#\"\\ ";

/* The position in the charset; -1: none. */
static int char_position(char c)
{
    const char *found = c ? strchr(charset, c) : NULL;
    return found ? (int)(found - charset) : -1;
}

bool spv_desc_has_char(char c)
{
    return char_position(c) >= 0;
}

static uint64_t checksum_step(uint64_t remainder, unsigned value)
{
    static const uint64_t multiples[5] = {0xf5dee51989, 0xa9fdca3312, 0x1bab10e32d, 0x3706b1677a,
                                          0x644d626ffd};
    const uint64_t top = remainder >> 35;
    remainder = (remainder & 0x7ffffffff) << 5 ^ value;
    for (size_t i = 0; i < 5; i++)
        if (top >> i & 1)
            remainder ^= multiples[i];
    return remainder;
}

int spv_descriptor_checksum(char *out, const char *text, size_t n)
{
    static const char sum_charset[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    uint64_t remainder = 1;
    unsigned groups = 0, n_groups = 0;
    for (size_t i = 0; i < n; i++) {
        const int position = char_position(text[i]);
        if (position < 0)
            return SPV_ERR_TEXT_CHARACTER;
        remainder = checksum_step(remainder, (unsigned)position & 31);
        groups = groups * 3 + ((unsigned)position >> 5);
        if (++n_groups == 3) {
            remainder = checksum_step(remainder, groups);
            groups = 0;
            n_groups = 0;
        }
    }
    if (n_groups > 0)
        remainder = checksum_step(remainder, groups);
    for (size_t i = 0; i < SPV_DESCRIPTOR_CHECKSUM_CHARS; i++)
        remainder = checksum_step(remainder, 0);
    remainder ^= 1;
    for (size_t i = 0; i < SPV_DESCRIPTOR_CHECKSUM_CHARS; i++)
        out[i] = sum_charset[remainder >> 5 * (SPV_DESCRIPTOR_CHECKSUM_CHARS - 1 - i) & 31];
    out[SPV_DESCRIPTOR_CHECKSUM_CHARS] = '\0';
    return 0;
}
