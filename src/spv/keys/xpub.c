/* The text of extended public keys: base58check of version (4 bytes), depth (1), the parent's
 * fingerprint (4), index (4, big-endian), chain code (32) and public key (33). */
#include <string.h>

#include "spv/keys.h"
#include "spv/keys/base58.h"
#include "spv/keys/hd.h"
#include "spv/keys/prefixes.h"
#include "spv/keys/private_key.h"
#include "spv/keys/text_error.h"
#include "util/hash.h"

#define XPUB_BYTES 78

/* SLIP-132: the version names the script. */
static const struct {
    uint32_t version;
    const char *name, *means, *as;
} slip132[] = {
    {0x049d7cb2, "ypub", "sh(wpkh(xpub...))", "xpub"},
    {0x04b24746, "zpub", "wpkh(xpub...)", "xpub"},
    {0x0295b43f, "Ypub", "sh(wsh(sortedmulti(M,xpub...,...)))", "xpub"},
    {0x02aa7ed3, "Zpub", "wsh(sortedmulti(M,xpub...,...))", "xpub"},
    {0x044a5262, "upub", "sh(wpkh(tpub...))", "tpub"},
    {0x045f1cf6, "vpub", "wpkh(tpub...)", "tpub"},
    {0x024289ef, "Upub", "sh(wsh(sortedmulti(M,tpub...,...)))", "tpub"},
    {0x02575483, "Vpub", "wsh(sortedmulti(M,tpub...,...))", "tpub"},
};

static uint32_t read_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void write_be32(uint8_t *p, uint32_t x)
{
    for (size_t i = 0; i < 4; i++)
        p[i] = (uint8_t)(x >> (24 - 8 * i));
}

unsigned spv_xpub_networks(const struct spv_xpub *xpub)
{
    for (size_t i = 0; i < SPV_BASE58_PREFIXES; i++)
        if (spv_base58_prefixes[i].xpub == xpub->version)
            return spv_base58_prefixes[i].networks;
    return 0;
}

static int check_version(struct spv_text_error *why, const struct spv_xpub *xpub)
{
    if (spv_xpub_networks(xpub) != 0)
        return 0;
    for (size_t i = 0; i < sizeof slip132 / sizeof *slip132; i++)
        if (slip132[i].version == xpub->version)
            return spv_text_fail(why, SPV_ERR_SLIP132,
                                 "a %s (SLIP-132) stands for a descriptor: write %s with the same "
                                 "key as %s",
                                 slip132[i].name, slip132[i].means, slip132[i].as);
    return spv_text_fail(why, SPV_ERR_PUBLIC_KEY, "an extended key of unknown version");
}

int spv_xpub_parse(struct spv_xpub *out, struct spv_text_error *why, const char *text, size_t n)
{
    uint8_t p[SPV_BASE58_BYTES];
    struct spv_hd_parent point;
    size_t bad_at = 0;
    int rc = spv_private_key_refuse(why, text, n);
    if (rc != 0)
        return rc;
    const int size = spv_base58check_decode(p, text, n, &bad_at);
    if (size == SPV_ERR_TEXT_CHARACTER)
        return SPV_TEXT_FAIL_AT(why, size, bad_at, "a character that base58 does not use");
    if (size == SPV_ERR_TEXT_CHECKSUM)
        return spv_text_fail(why, size, "wrong checksum: check the extended key");
    if (size != XPUB_BYTES)
        return spv_text_fail(why, SPV_ERR_PUBLIC_KEY,
                             "this is no extended key: it has not 78 bytes");
    *out = (struct spv_xpub){.version = read_be32(p), .depth = p[4], .child = read_be32(p + 9)};
    memcpy(out->parent, p + 5, sizeof out->parent);
    memcpy(out->chain_code, p + 13, sizeof out->chain_code);
    memcpy(out->key, p + 45, sizeof out->key);
    rc = check_version(why, out);
    if (rc != 0)
        return rc;
    if (out->depth == 0 && (read_be32(out->parent) != 0 || out->child != 0))
        return spv_text_fail(why, SPV_ERR_PUBLIC_KEY,
                             "an extended key of depth 0 has a parent or an index");
    if (spv_hd_parent_init(&point, out->key, out->chain_code) != 0)
        return spv_text_fail(why, SPV_ERR_PUBLIC_KEY, "the extended key's point is not valid");
    return 0;
}

void spv_xpub_text(char *out, const struct spv_xpub *xpub)
{
    uint8_t p[XPUB_BYTES];
    char text[SPV_BASE58_TEXT];
    write_be32(p, xpub->version);
    p[4] = xpub->depth;
    memcpy(p + 5, xpub->parent, sizeof xpub->parent);
    write_be32(p + 9, xpub->child);
    memcpy(p + 13, xpub->chain_code, sizeof xpub->chain_code);
    memcpy(p + 45, xpub->key, sizeof xpub->key);
    const int n = spv_base58check_encode(text, p, sizeof p); /* 82 bytes: at most 112 characters */
    memcpy(out, text, (size_t)n + 1);
}

void spv_xpub_fingerprint(uint8_t *out, const struct spv_xpub *xpub)
{
    uint8_t hash[20];
    spv_hash160(hash, xpub->key, sizeof xpub->key);
    memcpy(out, hash, SPV_FINGERPRINT);
}

int spv_xpub_derive(struct spv_xpub *out, const struct spv_xpub *parent, uint32_t index)
{
    struct spv_hd_parent hd;
    struct spv_xpub child = {.version = parent->version, .child = index};
    if (parent->depth == UINT8_MAX)
        return SPV_ERR_TOO_LONG;
    int rc = spv_hd_parent_init(&hd, parent->key, parent->chain_code);
    if (rc == 0)
        rc = spv_hd_child(child.key, child.chain_code, &hd, index);
    if (rc != 0)
        return rc;
    child.depth = (uint8_t)(parent->depth + 1);
    spv_xpub_fingerprint(child.parent, parent);
    *out = child;
    return 0;
}

int spv_xpub_derive_range(uint8_t *keys, const struct spv_xpub *parent, uint32_t first, uint32_t n)
{
    struct spv_hd_parent hd;
    if (first > SPV_HARDENED || n > SPV_HARDENED - first)
        return SPV_ERR_HARDENED;
    if (parent->depth == UINT8_MAX)
        return SPV_ERR_TOO_LONG;
    int rc = spv_hd_parent_init(&hd, parent->key, parent->chain_code);
    for (uint32_t i = 0; rc == 0 && i < n; i++)
        rc = spv_hd_child(keys + (size_t)i * SPV_PUBLIC_KEY, NULL, &hd, first + i);
    return rc;
}
