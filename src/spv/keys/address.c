/* Addresses. A text is base58 when its checksum fits; otherwise bech32 when it begins with a known
 * prefix; otherwise it is reported as wrong base58: a character outside the alphabet is named,
 * other errors have no position. */
#include "spv/keys/segwit.h"

#include <stdbool.h>
#include <string.h>

#include "spv/keys/base58.h"
#include "spv/keys/bech32.h"
#include "spv/keys/prefixes.h"
#include "spv/keys/private_key.h"
#include "spv/keys/script.h"
#include "spv/keys/text_error.h"

#define HASH_BYTES 20
#define XPUB_BYTES 78

static int encode_base58(char *out, uint8_t version, const struct spv_bytes *hash)
{
    uint8_t payload[1 + HASH_BYTES];
    char text[SPV_BASE58_TEXT];
    payload[0] = version;
    memcpy(payload + 1, hash->bytes, HASH_BYTES);
    const int n = spv_base58check_encode(text, payload, sizeof payload);
    if (n < 0)
        return n;
    memcpy(out, text, (size_t)n + 1);
    return 0;
}

static int encode_segwit(char *out, const char *hrp, const struct spv_script_info *info)
{
    uint8_t values[SPV_BECH32_VALUES];
    values[0] = (uint8_t)info->witness_version;
    const int n = spv_bech32_regroup(values + 1, info->data.bytes, info->data.n, 8, 5);
    if (n < 0)
        return n;
    return spv_bech32_encode(out, hrp, values, 1 + (size_t)n,
                             values[0] == 0 ? SPV_BECH32_CONST : SPV_BECH32M_CONST);
}

int spv_address_encode(char *out, const uint8_t *script, size_t n, enum spv_network network)
{
    struct spv_script_info info;
    const struct spv_base58_prefix *base58 = spv_base58_prefixes;
    const struct spv_bech32_prefix *bech32 = spv_bech32_prefixes;
    if ((unsigned)network >= SPV_NETWORKS)
        return SPV_ERR_INVALID;
    while (!(base58->networks & SPV_NETWORK_BIT(network)))
        base58++;
    while (!(bech32->networks & SPV_NETWORK_BIT(network)))
        bech32++;
    switch (spv_script_classify(&info, script, n)) {
    case SPV_SCRIPT_P2PKH:
        return encode_base58(out, base58->p2pkh, &info.data);
    case SPV_SCRIPT_P2SH:
        return encode_base58(out, base58->p2sh, &info.data);
    case SPV_SCRIPT_P2WPKH:
    case SPV_SCRIPT_P2WSH:
    case SPV_SCRIPT_P2TR:
    case SPV_SCRIPT_P2A:
    case SPV_SCRIPT_WITNESS_UNKNOWN:
        return encode_segwit(out, bech32->hrp, &info);
    case SPV_SCRIPT_NONSTANDARD:
    case SPV_SCRIPT_P2PK:
    case SPV_SCRIPT_MULTISIG:
    case SPV_SCRIPT_OP_RETURN:
        break;
    }
    return SPV_ERR_NO_ADDRESS;
}

static int decode_base58(struct spv_address *out, struct spv_text_error *why,
                         const uint8_t *payload, size_t n)
{
    if (n == XPUB_BYTES)
        return spv_text_fail(why, SPV_ERR_ADDRESS, "this is an extended key, not an address");
    if (n != 1 + HASH_BYTES)
        return spv_text_fail(why, SPV_ERR_ADDRESS, "a base58 address has not %zu bytes but 21", n);
    for (size_t i = 0; i < SPV_BASE58_PREFIXES; i++) {
        const struct spv_base58_prefix *prefix = &spv_base58_prefixes[i];
        out->networks = prefix->networks;
        if (payload[0] == prefix->p2pkh) {
            out->kind = SPV_SCRIPT_P2PKH;
            out->n = spv_script_p2pkh(out->script, payload + 1);
            return 0;
        }
        if (payload[0] == prefix->p2sh) {
            out->kind = SPV_SCRIPT_P2SH;
            out->n = spv_script_p2sh(out->script, payload + 1);
            return 0;
        }
    }
    return spv_text_fail(why, SPV_ERR_ADDRESS, "the version byte %u is of no known network",
                         payload[0]);
}

static bool has_both_cases(const char *text, size_t n)
{
    bool has_upper = false, has_lower = false;
    for (size_t i = 0; i < n; i++) {
        has_upper = has_upper || (text[i] >= 'A' && text[i] <= 'Z');
        has_lower = has_lower || (text[i] >= 'a' && text[i] <= 'z');
    }
    return has_upper && has_lower;
}

/* The length of the prefix of a text in the form of bech32: up to 8 characters, 1, and at least 14
 * of the charset, all in one case (BIP173). 0: it has another form. Addresses of other coins have
 * this form, and addresses with a mistyped prefix; base58 has letters of both cases. */
static size_t foreign_prefix(const char *text, size_t n)
{
    const char *one = n > 0 ? memchr(text, '1', n) : NULL;
    const size_t prefix = one ? (size_t)(one - text) : 0;
    if (prefix == 0 || prefix > 8 || n - prefix - 1 < 14 || has_both_cases(text, n))
        return 0;
    for (size_t i = prefix + 1; i < n; i++)
        if (spv_bech32_value(text[i]) == SPV_BECH32_BAD)
            return 0;
    return prefix;
}

/* Refuses a text that is neither base58 nor has a known bech32 prefix. */
static int refuse_text(struct spv_text_error *why, const char *text, size_t n, int code,
                       size_t bad_at)
{
    const size_t prefix = foreign_prefix(text, n);
    if (n == 0)
        return spv_text_fail(why, SPV_ERR_ADDRESS, "the address is empty");
    if (code == SPV_ERR_TOO_LONG || n >= SPV_ADDRESS_TEXT)
        return spv_text_fail(why, SPV_ERR_ADDRESS, "this is too long for an address");
    if (prefix > 0)
        return spv_text_fail(why, SPV_ERR_ADDRESS,
                             "the prefix of %zu characters before the 1 is of no known network",
                             prefix);
    if (code == SPV_ERR_TEXT_CHARACTER)
        return SPV_TEXT_FAIL_AT(why, code, bad_at, "a character that base58 does not use");
    if (n < 26)
        return spv_text_fail(why, SPV_ERR_ADDRESS, "this is too short for an address");
    return spv_text_fail(why, code, "wrong checksum: check the address");
}

int spv_address_decode(struct spv_address *out, struct spv_text_error *why, const char *text,
                       size_t n, unsigned networks)
{
    uint8_t payload[SPV_BASE58_BYTES];
    size_t bad_at = 0;
    if (!(networks & SPV_ANY_NETWORK))
        return spv_text_fail(why, SPV_ERR_INVALID, "no network is allowed");
    int rc = spv_private_key_refuse(why, text, n);
    if (rc != 0)
        return rc;
    const int size = spv_base58check_decode(payload, text, n, &bad_at);
    const struct spv_bech32_prefix *prefix = spv_segwit_prefix(text, n);
    if (size >= 0)
        rc = decode_base58(out, why, payload, (size_t)size);
    else if (prefix)
        rc = spv_segwit_decode(out, why, text, n, prefix);
    else
        rc = refuse_text(why, text, n, size, bad_at);
    if (rc != 0)
        return rc;
    if (!(out->networks & networks)) {
        char theirs[SPV_NETWORK_NAMES], ours[SPV_NETWORK_NAMES];
        spv_network_names(theirs, out->networks);
        spv_network_names(ours, networks & SPV_ANY_NETWORK);
        return spv_text_fail(why, SPV_ERR_WRONG_NETWORK, "an address of %s, not of %s", theirs,
                             ours);
    }
    return 0;
}
