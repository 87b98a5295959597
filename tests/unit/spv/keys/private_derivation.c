#include "private_derivation.h"

#include <secp256k1.h>

#include "spv/keys/base58.h"
#include "util/hash.h"
#include "util/hmac_sha512.h"

static const secp256k1_context *signing(void)
{
    static secp256k1_context *ctx;
    if (!ctx)
        ctx = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
    assert_non_null(ctx);
    return ctx;
}

static void public_of(uint8_t *out, size_t *n, const uint8_t secret[32], unsigned flags)
{
    secp256k1_pubkey point;
    assert_int_equal(secp256k1_ec_pubkey_create(signing(), &point, secret), 1);
    assert_int_equal(secp256k1_ec_pubkey_serialize(signing(), out, n, &point, flags), 1);
}

static void set_key(struct test_xprv *x)
{
    size_t n = SPV_PUBLIC_KEY;
    public_of(x->pub.key, &n, x->secret, SECP256K1_EC_COMPRESSED);
}

void test_xprv_from_seed(struct test_xprv *out, const uint8_t *seed, size_t n)
{
    struct spv_hmac_sha512_key hmac;
    uint8_t I[64];
    spv_hmac_sha512_init(&hmac, "Bitcoin seed", 12);
    spv_hmac_sha512_compute(I, &hmac, seed, n);
    *out = (struct test_xprv){.pub = {.version = 0x0488b21e}};
    memcpy(out->secret, I, 32);
    memcpy(out->pub.chain_code, I + 32, 32);
    set_key(out);
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void test_xprv_parse(struct test_xprv *out, const char *text, size_t n)
{
    uint8_t p[SPV_BASE58_BYTES];
    size_t bad_at;
    assert_int_equal(spv_base58check_decode(p, text, n, &bad_at), 78);
    const uint32_t version = be32(p);
    assert_true(version == 0x0488ade4 || version == 0x04358394);
    assert_int_equal(p[45], 0);
    *out = (struct test_xprv){.pub = {.version = version == 0x0488ade4 ? 0x0488b21e : 0x043587cf,
                                      .depth = p[4],
                                      .child = be32(p + 9)}};
    memcpy(out->pub.parent, p + 5, 4);
    memcpy(out->pub.chain_code, p + 13, 32);
    memcpy(out->secret, p + 46, 32);
    set_key(out);
}

void test_xprv_text(char out[SPV_XPUB_TEXT], const struct test_xprv *xprv)
{
    struct spv_xpub as_public = xprv->pub;
    as_public.version = xprv->pub.version == 0x0488b21e ? 0x0488ade4 : 0x04358394;
    as_public.key[0] = 0;
    memcpy(as_public.key + 1, xprv->secret, 32);
    spv_xpub_text(out, &as_public);
}

void test_xprv_derive(struct test_xprv *out, const struct test_xprv *parent, uint32_t index)
{
    struct spv_hmac_sha512_key hmac;
    uint8_t message[37] = {0}, I[64];
    struct test_xprv child = {.pub = {.version = parent->pub.version, .child = index}};
    if (index >= SPV_HARDENED)
        memcpy(message + 1, parent->secret, 32);
    else
        memcpy(message, parent->pub.key, 33);
    for (size_t i = 0; i < 4; i++)
        message[33 + i] = (uint8_t)(index >> (24 - 8 * i));
    spv_hmac_sha512_init(&hmac, parent->pub.chain_code, 32);
    spv_hmac_sha512_compute(I, &hmac, message, sizeof message);
    memcpy(child.secret, parent->secret, 32);
    assert_int_equal(secp256k1_ec_seckey_tweak_add(signing(), child.secret, I), 1);
    memcpy(child.pub.chain_code, I + 32, 32);
    child.pub.depth = (uint8_t)(parent->pub.depth + 1);
    spv_xpub_fingerprint(child.pub.parent, &parent->pub);
    set_key(&child);
    *out = child;
}

size_t test_wif_public(uint8_t out[65], const char *text, size_t n)
{
    uint8_t p[SPV_BASE58_BYTES];
    size_t bad_at, len = 65;
    const int size = spv_base58check_decode(p, text, n, &bad_at);
    assert_true(size == 33 || size == 34);
    public_of(out, &len, p + 1, size == 34 ? SECP256K1_EC_COMPRESSED : SECP256K1_EC_UNCOMPRESSED);
    return len;
}
