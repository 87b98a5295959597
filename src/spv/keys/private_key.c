/* A token is a run of ASCII letters and digits. A token with the first characters and the length of
 * a private key is taken for one, also with a wrong checksum. Inside a longer token a private key
 * is found by its valid checksum. Seed words are twelve or more words of letters in a row, in any
 * language: nothing else that this library reads looks like that. */
#include "spv/keys/private_key.h"

#include <stdbool.h>
#include <string.h>

#include "spv/keys/base58.h"
#include "spv/keys/text_error.h"

#define XPRV_CHARS 111 /* base58check of 78 bytes that begin with 0x02 or 0x04 */
#define WIF_CHARS 51 /* of 33 bytes; 52 with the byte for a compressed public key */
#define BIP38_CHARS 58
#define SEED_WORDS 12 /* BIP39: 12, 15, 18, 21 or 24 */
#define WORD_CHARS 8 /* the longest word of the English list has 8 letters, the shortest 3 */
#define WORD_BYTES 48 /* of other lists, in UTF-8 */

static bool is_token_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* xprv, tprv, and the SLIP-132 forms; sprv of btcd's simnet. */
static bool begins_like_xprv(const char *text, size_t n)
{
    return n >= 4 && text[0] != '\0' && strchr("xtyzuvYZUVs", text[0]) &&
           memcmp(text + 1, "prv", 3) == 0;
}

/* The first two characters of all WIF keys of mainnet and the test networks: 5H-5K, Kw-Kz, L1-L5,
 * 91-93, cM-cV. */
static bool begins_like_wif(const char *text, size_t n)
{
    if (n < 2)
        return false;
    const char c = text[1];
    switch (text[0]) {
    case '5':
        return c >= 'H' && c <= 'K';
    case 'K':
        return c >= 'w' && c <= 'z';
    case 'L':
        return c >= '1' && c <= '5';
    case '9':
        return c >= '1' && c <= '3';
    case 'c':
        return c >= 'M' && c <= 'V';
    default:
        return false;
    }
}

static size_t wif_chars(char first)
{
    return first == '5' || first == '9' ? WIF_CHARS : WIF_CHARS + 1;
}

/* The bytes in n characters of base58check; -1 when they are not base58check. */
static int payload_size(uint8_t out[SPV_BASE58_BYTES], const char *text, size_t n)
{
    size_t bad_at;
    const int size = spv_base58check_decode(out, text, n, &bad_at);
    return size < 0 ? -1 : size;
}

static bool is_base58(const char *text, size_t n)
{
    uint8_t out[SPV_BASE58_BYTES];
    size_t bad_at;
    return spv_base58_decode(out, text, n, &bad_at) >= 0;
}

/* The kind of private key that a whole token is; NULL: none. */
static const char *token_kind(const char *text, size_t n)
{
    uint8_t payload[SPV_BASE58_BYTES];
    if (begins_like_xprv(text, n))
        return "an extended private key";
    if (n == BIP38_CHARS && text[0] == '6' && text[1] == 'P' && is_base58(text, n))
        return "an encrypted private key (BIP38)";
    if (begins_like_wif(text, n) && n == wif_chars(text[0]) && is_base58(text, n))
        return "a private key (WIF)";
    /* the WIF of other networks: a version, 32 bytes, 1 when the public key is compressed */
    if (n == WIF_CHARS || n == WIF_CHARS + 1) {
        const int size = payload_size(payload, text, n);
        if (size == 33 || (size == 34 && payload[33] == 1))
            return "a private key (WIF)";
    }
    return NULL;
}

/* The kind of private key with a valid checksum inside a token; NULL: none. */
static const char *glued_kind(const char *text, size_t n)
{
    uint8_t payload[SPV_BASE58_BYTES];
    if (n >= XPRV_CHARS && begins_like_xprv(text, n) &&
        payload_size(payload, text, XPRV_CHARS) == 78)
        return "an extended private key";
    if (begins_like_wif(text, n) && n >= wif_chars(text[0]) &&
        payload_size(payload, text, wif_chars(text[0])) >= 33)
        return "a private key (WIF)";
    if (n >= BIP38_CHARS && text[0] == '6' && text[1] == 'P' &&
        payload_size(payload, text, BIP38_CHARS) == 39)
        return "an encrypted private key (BIP38)";
    return NULL;
}

static int refuse_private_key(struct spv_text_error *why, size_t at, const char *what)
{
    return SPV_TEXT_FAIL_AT(why, SPV_ERR_PRIVATE_KEY, at,
                            "only public keys are accepted, but there is %s", what);
}

static int refuse_keys(struct spv_text_error *why, const char *text, size_t n)
{
    size_t at = 0;
    while (at < n) {
        size_t end = at;
        while (end < n && is_token_char(text[end]))
            end++;
        if (end == at) {
            at++;
            continue;
        }
        const char *what = token_kind(text + at, end - at);
        for (size_t i = at; !what && i < end; i++)
            what = glued_kind(text + i, end - i);
        if (what)
            return refuse_private_key(why, at, what);
        at = end;
    }
    return 0;
}

/* The bytes of a letter: an ASCII letter, or any byte of a non-ASCII character except the
 * ideographic space (U+3000), which separates Japanese seed words. */
static bool is_letter(const char *text, size_t at, size_t n)
{
    const char c = text[at];
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return true;
    if ((unsigned char)c < 0x80)
        return false;
    return n - at < 3 || memcmp(text + at, "\xe3\x80\x80", 3) != 0;
}

/* Bytes of the white space or comma at a position; 0: none. */
static size_t find_separator(const char *text, size_t at, size_t n)
{
    if (text[at] != '\0' && strchr(" \t\r\n,", text[at]))
        return 1;
    return n - at >= 3 && memcmp(text + at, "\xe3\x80\x80", 3) == 0 ? 3 : 0;
}

static bool is_word(const char *text, size_t n)
{
    bool ascii = true;
    for (size_t i = 0; i < n; i++)
        ascii = ascii && (unsigned char)text[i] < 0x80;
    return n >= 3 && n <= (ascii ? WORD_CHARS : WORD_BYTES);
}

static int refuse_seed_words(struct spv_text_error *why, const char *text, size_t n)
{
    size_t words = 0, first = 0, at = 0;
    while (at < n) {
        const size_t gap = find_separator(text, at, n);
        size_t end = at;
        if (gap > 0) {
            at += gap;
            continue;
        }
        while (end < n && is_letter(text, end, n))
            end++;
        if (end == at || !is_word(text + at, end - at)) {
            words = 0;
            at = end == at ? at + 1 : end;
            continue;
        }
        if (words++ == 0)
            first = at;
        at = end;
        if (words == SEED_WORDS)
            return refuse_private_key(why, first, "a row of seed words (BIP39)");
    }
    return 0;
}

int spv_private_key_refuse(struct spv_text_error *why, const char *text, size_t n)
{
    const int rc = refuse_keys(why, text, n);
    return rc != 0 ? rc : refuse_seed_words(why, text, n);
}
