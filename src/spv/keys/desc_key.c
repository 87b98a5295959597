/* Key expressions (BIP380, BIP389): [fingerprint/origin]KEY, where KEY is hex, or an extended key
 * with steps, one of which may be a multipath <a;b>, and an optional range. */
#include <string.h>

#include "spv/keys/desc_parser.h"
#include "spv/keys/hd.h"
#include "spv/keys/prefixes.h"
#include "util/hex.h"

#define NUMBER_DIGITS 10
#define ORIGIN_STEPS 255 /* BIP32: the depth is one byte */
#define MULTIPATH_ALTERNATIVES 256 /* ours: duplicates are found by comparing all pairs */

int spv_desc_nomem(struct spv_desc_parser *p)
{
    return spv_text_fail(p->why, SPV_ERR_NOMEM, "out of memory");
}

int spv_desc_number(struct spv_desc_parser *p, uint32_t *out, uint32_t max, const char *what)
{
    const size_t begin = p->at;
    uint64_t x = 0;
    while (spv_desc_peek(p) >= '0' && spv_desc_peek(p) <= '9' && p->at - begin < NUMBER_DIGITS)
        x = x * 10 + (uint64_t)(p->text[p->at++] - '0');
    if (p->at == begin)
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, begin, "%s is not a number", what);
    if (x > max || (spv_desc_peek(p) >= '0' && spv_desc_peek(p) <= '9'))
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, begin, "%s is above %lu", what,
                             (unsigned long)max);
    *out = (uint32_t)x;
    return 0;
}

/* NUM, NUMh or NUM'. */
static int read_step(struct spv_desc_parser *p, uint32_t *out)
{
    const int rc = spv_desc_number(p, out, SPV_HARDENED - 1, "the path step");
    if (rc != 0)
        return rc;
    if (spv_desc_skip(p, 'h') || spv_desc_skip(p, '\''))
        *out += SPV_HARDENED;
    return 0;
}

static int add_step(struct spv_desc_parser *p, uint32_t step)
{
    return spv_desc_add_step(p->d, step) == 0 ? 0 : spv_desc_nomem(p);
}

static int read_origin(struct spv_desc_parser *p, struct spv_desc_key *key)
{
    char digits[2 * SPV_FINGERPRINT + 1] = {0};
    const size_t begin = p->at;
    for (size_t i = 0; i + 1 < sizeof digits; i++) {
        const char c = spv_desc_peek(p);
        if (c == '/' || c == ']' || c == '\0')
            break;
        digits[i] = c;
        p->at++;
    }
    if (spv_hex_decode(key->fingerprint, SPV_FINGERPRINT, digits) != 0 ||
        (spv_desc_peek(p) != '/' && spv_desc_peek(p) != ']'))
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, begin,
                             "the fingerprint of the key origin has not 8 hex digits");
    key->has_origin = true;
    key->origin = p->d->n_steps;
    while (spv_desc_skip(p, '/')) {
        uint32_t step = 0;
        int rc = read_step(p, &step);
        if (rc == 0)
            rc = add_step(p, step);
        if (rc != 0)
            return rc;
        if (++key->n_origin > ORIGIN_STEPS)
            return SPV_DESC_FAIL(p, SPV_ERR_DESC_LIMIT, p->at,
                                 "the key origin has more than 255 steps");
    }
    if (!spv_desc_skip(p, ']'))
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, p->at, "/ or ] is expected in the key origin");
    return 0;
}

static bool is_hex(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strchr("0123456789abcdefABCDEF", text[i]))
            return false;
    return true;
}

/* Reads a key of n hex digits at p->at. */
static int read_hex(struct spv_desc_parser *p, struct spv_desc_pubkey *pubkey, size_t n,
                    enum spv_desc_key_rule rule)
{
    char digits[131] = {0};
    uint8_t compressed[33] = {2};
    secp256k1_pubkey parsed;
    if (n != 64 && n != 66 && n != 130)
        return SPV_DESC_FAIL(p, SPV_ERR_PUBLIC_KEY, p->at,
                             "a public key has 66, 130 or (x-only) 64 hex digits, not %zu", n);
    memcpy(digits, p->text + p->at, n);
    pubkey->n = (uint8_t)(n / 2);
    (void)spv_hex_decode(pubkey->b, pubkey->n, digits);
    if (n == 64 && rule != SPV_DESC_KEY_XONLY)
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_CONTEXT, p->at,
                             "an x-only key is for tr() and rawtr() only");
    if (n == 130 && rule != SPV_DESC_KEY_ANY)
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_CONTEXT, p->at,
                             "an uncompressed key is not allowed here");
    memcpy(compressed + 1, pubkey->b, 32);
    /* libsecp256k1 also reads hybrid keys (06, 07), which BIP380 does not have */
    const uint8_t *bytes = n == 64 ? compressed : pubkey->b;
    if ((n == 130 && pubkey->b[0] != 4) ||
        !secp256k1_ec_pubkey_parse(secp256k1_context_static, &parsed, bytes,
                                   n == 64 ? sizeof compressed : pubkey->n))
        return SPV_DESC_FAIL(p, SPV_ERR_PUBLIC_KEY, p->at, "the public key is not valid");
    p->at += n;
    return 0;
}

static int read_xpub(struct spv_desc_parser *p, struct spv_xpub *xpub, size_t n)
{
    struct spv_text_error why;
    char theirs[SPV_NETWORK_NAMES], ours[SPV_NETWORK_NAMES];
    const int rc = spv_xpub_parse(xpub, &why, p->text + p->at, n);
    if (rc == SPV_ERR_TEXT_CHARACTER)
        return SPV_DESC_FAIL(p, rc, p->at + why.at[0],
                             "the key has a character that base58 does "
                             "not use");
    if (rc != 0)
        return SPV_DESC_FAIL(p, rc, p->at, "%s", why.text);
    const unsigned networks = spv_xpub_networks(xpub);
    spv_network_names(theirs, networks);
    spv_network_names(ours, p->d->networks);
    if (!(networks & p->d->networks))
        return SPV_DESC_FAIL(p, SPV_ERR_WRONG_NETWORK, p->at, "a key of %s, not of %s", theirs,
                             ours);
    p->d->networks &= networks;
    p->at += n;
    return 0;
}

static bool has_step(const uint32_t *steps, size_t n, uint32_t step)
{
    for (size_t i = 0; i < n; i++)
        if (steps[i] == step)
            return true;
    return false;
}

/* <a;b...> after its <, into the key's alternatives. */
static int read_multipath(struct spv_desc_parser *p, struct spv_desc_key *key,
                          uint32_t *alternatives)
{
    const size_t begin = p->at - 1;
    if (key->n_alternatives > 0)
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, begin, "a key has only one multipath step");
    key->multipath_at = key->n_path;
    do {
        uint32_t step = 0;
        const size_t at = p->at;
        const int rc = read_step(p, &step);
        if (rc != 0)
            return rc;
        if (has_step(alternatives, key->n_alternatives, step))
            return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, at,
                                 "a step of the multipath is there twice");
        if (key->n_alternatives == MULTIPATH_ALTERNATIVES)
            return SPV_DESC_FAIL(p, SPV_ERR_DESC_LIMIT, at,
                                 "a multipath step has more than 256 alternatives");
        alternatives[key->n_alternatives++] = step;
    } while (spv_desc_skip(p, ';'));
    if (!spv_desc_skip(p, '>'))
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, p->at, "; or > is expected in the multipath");
    if (key->n_alternatives < 2)
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, begin,
                             "a multipath step has at least two alternatives");
    /* BIP389: "must have tuples of exactly the same length" */
    if (p->d->n_branches > 1 && p->d->n_branches != key->n_alternatives)
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, begin,
                             "the multipath steps have different lengths: %zu and %zu",
                             p->d->n_branches, key->n_alternatives);
    p->d->n_branches = key->n_alternatives;
    return 0;
}

/* The steps after an extended key. */
static int read_path(struct spv_desc_parser *p, struct spv_desc_key *key)
{
    uint32_t alternatives[MULTIPATH_ALTERNATIVES] = {0};
    int rc = 0;
    key->path = p->d->n_steps;
    while (rc == 0 && key->range == SPV_DESC_NO_RANGE && spv_desc_skip(p, '/')) {
        uint32_t step = 0;
        if (spv_desc_skip(p, '*')) {
            const bool is_hardened = spv_desc_skip(p, 'h') || spv_desc_skip(p, '\'');
            key->range = is_hardened ? SPV_DESC_HARDENED_RANGE : SPV_DESC_RANGE;
            p->d->is_range = true;
        } else if (spv_desc_skip(p, '<')) {
            rc = read_multipath(p, key, alternatives);
        } else {
            rc = read_step(p, &step);
            if (rc == 0)
                rc = add_step(p, step);
            key->n_path++;
        }
        const size_t depth = key->xpub.depth + key->n_path + (key->n_alternatives > 0) +
                             (key->range != SPV_DESC_NO_RANGE);
        if (rc == 0 && depth > UINT8_MAX)
            rc = SPV_DESC_FAIL(p, SPV_ERR_DESC_LIMIT, p->at,
                               "the key is more than 255 steps below its master key");
    }
    key->alternatives = p->d->n_steps;
    for (size_t i = 0; rc == 0 && i < key->n_alternatives; i++)
        rc = add_step(p, alternatives[i]);
    return rc;
}

int spv_desc_read_key(struct spv_desc_parser *p, enum spv_desc_key_rule rule)
{
    struct spv_desc_key key = {.at = p->at};
    size_t at, n = 0;
    int rc = 0;
    p->key = p->d->n_keys + 1;
    if (spv_desc_skip(p, '['))
        rc = read_origin(p, &key);
    if (rc != 0)
        return rc;
    while (p->at + n < p->n && !strchr("/,(){}[;<>", p->text[p->at + n]))
        n++;
    const char *text = p->text + p->at;
    const char end = p->at + n < p->n ? text[n] : '\0';
    if (end == '(' && n == 5 && memcmp(text, "musig", 5) == 0)
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_UNSUPPORTED, p->at,
                             "musig() (BIP390) is not supported");
    if (end == '(')
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, p->at, "a key is expected, not a function");
    if (end == '[' || memchr(text, ']', n))
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, p->at,
                             "a key origin stands in [ ] before the key, once");
    if (n == 0)
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, p->at, "the key is missing");
    key.is_extended = !is_hex(text, n);
    rc = key.is_extended ? read_xpub(p, &key.xpub, n) : read_hex(p, &key.pubkey, n, rule);
    if (rc == 0 && key.is_extended)
        rc = read_path(p, &key);
    if (rc != 0)
        return rc;
    if (spv_desc_peek(p) == '/')
        return SPV_DESC_FAIL(p, SPV_ERR_DESC_SYNTAX, p->at,
                             key.is_extended ? "nothing may follow the range *"
                                             : "a path follows a key that has no children");
    if (spv_desc_add_key(p->d, &at) != 0)
        return spv_desc_nomem(p);
    p->d->keys[at] = key;
    p->key = 0;
    return 0;
}
