/* An onion name (Tor's rend-spec-v3, 6) is the base32 of a 32-byte key, a 2-byte checksum and the
 * version 3; the checksum is the start of SHA3-256(".onion checksum" | key | version). */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "spv/error.h"
#include "spv/netaddr.h"
#include "util/hash.h"

#define ONION_BYTES 35 /* 32 + 2 + 1 */
#define ONION_CHARS 56 /* 8 characters for each 5 bytes */
#define ONION_VERSION 3

static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";
static const uint8_t ipv4_mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static int onion_checksum(uint8_t out[2], const uint8_t key[32])
{
    uint8_t in[15 + 32 + 1] = {'.', 'o', 'n', 'i', 'o', 'n', ' ', 'c',
                               'h', 'e', 'c', 'k', 's', 'u', 'm'};
    uint8_t hash[32];
    memcpy(in + 15, key, 32);
    in[47] = ONION_VERSION;
    int rc = spv_sha3_256(hash, in, sizeof in);
    if (rc < 0)
        return rc;
    memcpy(out, hash, 2);
    return 0;
}

static int onion_text(char *out, const uint8_t key[32])
{
    uint8_t bytes[ONION_BYTES];
    memcpy(bytes, key, 32);
    int rc = onion_checksum(bytes + 32, key);
    if (rc < 0)
        return rc;
    bytes[34] = ONION_VERSION;
    for (size_t i = 0; i < ONION_CHARS; i++) {
        const size_t bit = 5 * i;
        const unsigned two =
            (unsigned)bytes[bit / 8] << 8 | (bit / 8 + 1 < sizeof bytes ? bytes[bit / 8 + 1] : 0U);
        out[i] = base32[two >> (11 - bit % 8) & 31];
    }
    memcpy(out + ONION_CHARS, ".onion", 7);
    return 0;
}

static int base32_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a';
    return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

static bool ends_in_onion(const char *host)
{
    static const char suffix[] = ".onion";
    const size_t n = strlen(host);
    if (n != ONION_CHARS + 6)
        return false;
    for (size_t i = 0; i < 6; i++) {
        const char c = host[ONION_CHARS + i];
        if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != suffix[i])
            return false;
    }
    return true;
}

static int onion_parse(struct spv_netaddr *out, const char *host)
{
    uint8_t bytes[ONION_BYTES] = {0}, checksum[2];
    for (size_t i = 0; i < ONION_CHARS; i++) {
        const int value = base32_value(host[i]);
        if (value < 0)
            return SPV_ERR_MALFORMED;
        const size_t bit = 5 * i;
        const unsigned two = (unsigned)value << (11 - bit % 8);
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] | two >> 8);
        if (bit / 8 + 1 < sizeof bytes)
            bytes[bit / 8 + 1] = (uint8_t)(bytes[bit / 8 + 1] | (two & 0xff));
    }
    if (bytes[34] != ONION_VERSION)
        return SPV_ERR_MALFORMED;
    int rc = onion_checksum(checksum, bytes);
    if (rc < 0)
        return rc;
    if (memcmp(checksum, bytes + 32, 2) != 0)
        return SPV_ERR_MALFORMED;
    out->network = SPV_ADDR_TORV3;
    out->len = 32;
    memcpy(out->bytes, bytes, 32);
    return 0;
}

/* RFC 5952: the longest run of two or more zero groups, the first of equals, becomes "::". */
static void ipv6_text(char *out, const uint8_t ip[16])
{
    unsigned group[8];
    size_t run = 8, longest = 1;
    for (size_t i = 0; i < 8; i++)
        group[i] = (unsigned)ip[2 * i] << 8 | ip[2 * i + 1];
    for (size_t i = 0; i < 8; i++) {
        size_t n = 0;
        while (i + n < 8 && group[i + n] == 0)
            n++;
        if (n > longest) {
            run = i;
            longest = n;
        }
    }
    size_t at = 0;
    for (size_t i = 0; i < 8; i++) {
        if (i == run) {
            at += (size_t)snprintf(out + at, SPV_HOST_MAX - at, "::");
            i += longest - 1;
            continue;
        }
        const bool colon = i > 0 && !(run < 8 && i == run + longest);
        at += (size_t)snprintf(out + at, SPV_HOST_MAX - at, colon ? ":%x" : "%x", group[i]);
    }
}

/* Four decimal numbers up to 255 without leading zeros. */
static int ipv4_parse(uint8_t out[4], const char *text)
{
    for (size_t i = 0; i < 4; i++) {
        unsigned value = 0;
        size_t digits = 0;
        for (; *text >= '0' && *text <= '9' && digits < 4; digits++)
            value = value * 10 + (unsigned)(*text++ - '0');
        if (digits == 0 || value > 255 || (digits > 1 && text[-(int)digits] == '0'))
            return SPV_ERR_MALFORMED;
        if (*text++ != (i < 3 ? '.' : '\0'))
            return SPV_ERR_MALFORMED;
        out[i] = (uint8_t)value;
    }
    return 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 4291, 2.2: groups of up to four digits, at most one "::", possibly IPv4 at the end. */
static int ipv6_parse(uint8_t out[16], const char *text)
{
    uint8_t bytes[16] = {0};
    size_t n = 0, gap = 17; /* gap: offset of the zeros of "::"; 17: none yet */
    if (text[0] == ':' && text[1] != ':')
        return SPV_ERR_MALFORMED;
    while (*text != '\0') {
        if (text[0] == ':' && text[1] == ':') {
            if (gap != 17)
                return SPV_ERR_MALFORMED;
            gap = n;
            text += 2;
            continue;
        }
        if (text[0] == ':' && (n == 0 || text[1] == '\0'))
            return SPV_ERR_MALFORMED;
        text += text[0] == ':';
        const size_t word = strcspn(text, ":");
        if (memchr(text, '.', word)) {
            if (text[word] != '\0' || n > 12 || ipv4_parse(bytes + n, text) != 0)
                return SPV_ERR_MALFORMED;
            n += 4;
            break;
        }
        unsigned value = 0;
        if (word == 0 || word > 4 || n > 14)
            return SPV_ERR_MALFORMED;
        for (size_t i = 0; i < word; i++) {
            const int digit = hex_value(text[i]);
            if (digit < 0)
                return SPV_ERR_MALFORMED;
            value = value << 4 | (unsigned)digit;
        }
        bytes[n++] = (uint8_t)(value >> 8);
        bytes[n++] = (uint8_t)value;
        text += word;
    }
    if (gap == 17 ? n != 16 : n > 14)
        return SPV_ERR_MALFORMED;
    memset(out, 0, 16);
    memcpy(out, bytes, gap == 17 ? n : gap);
    if (gap < n)
        memcpy(out + 16 - (n - gap), bytes + gap, n - gap);
    return 0;
}

int spv_netaddr_to_host(char *out, const struct spv_netaddr *addr)
{
    const uint8_t *b = addr->bytes;
    if (addr->network == SPV_ADDR_IPV4 && addr->len == 4) {
        (void)snprintf(out, SPV_HOST_MAX, "%u.%u.%u.%u", (unsigned)b[0], (unsigned)b[1],
                       (unsigned)b[2], (unsigned)b[3]);
        return 0;
    }
    if (addr->network == SPV_ADDR_IPV6 && addr->len == 16) {
        ipv6_text(out, b);
        return 0;
    }
    if (addr->network == SPV_ADDR_TORV3 && addr->len == 32)
        return onion_text(out, b);
    return SPV_ERR_UNSUPPORTED;
}

int spv_netaddr_from_host(struct spv_netaddr *out, const char *host, uint16_t port)
{
    uint8_t ip[16];
    *out = (struct spv_netaddr){.port = port};
    if (ends_in_onion(host))
        return onion_parse(out, host);
    if (ipv4_parse(ip, host) == 0) {
        out->network = SPV_ADDR_IPV4;
        out->len = 4;
        memcpy(out->bytes, ip, 4);
        return 0;
    }
    if (ipv6_parse(ip, host) != 0)
        return SPV_ERR_MALFORMED;
    const bool ipv4 = memcmp(ip, ipv4_mapped_prefix, sizeof ipv4_mapped_prefix) == 0;
    out->network = ipv4 ? SPV_ADDR_IPV4 : SPV_ADDR_IPV6;
    out->len = ipv4 ? 4 : 16;
    memcpy(out->bytes, ipv4 ? ip + 12 : ip, out->len);
    return 0;
}
