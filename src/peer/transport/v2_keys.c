/* With libsecp256k1 0.4 and later, its module ellswift encodes keys and computes the
 * shared secret (SPV_HAVE_ELLSWIFT). Otherwise ours maps the public x coordinates, and the module
 * ecdh multiplies, with a hash function of ours:
 *
 *     SHA256(tag || tag || initiator's encoding || responder's encoding || x),
 *     tag = SHA256("bip324_ellswift_xonly_ecdh").
 *
 * A decoded x stands for two points that differ in the sign of y; the product's x is the same. */
#include "peer/transport/v2_keys.h"

#include <secp256k1.h>
#ifdef SPV_HAVE_ELLSWIFT
#include <secp256k1_ellswift.h>
#else
#include <secp256k1_ecdh.h>
#endif

#include <string.h>

#include "spv/error.h"
#include "util/hash.h"
#include "util/hmac.h"

#define POINT 33 /* a compressed public key: sign, x */

static secp256k1_context *context_of(const struct spv_v2_context *c)
{
    return (secp256k1_context *)(uintptr_t)c;
}

int spv_v2_context_new(struct spv_v2_context **out, const struct spv_rng *rng)
{
    uint8_t seed[32];
    *out = NULL;
    secp256k1_context *ctx = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
    if (!ctx)
        return SPV_ERR_NOMEM;
    rng->fill(rng->ctx, seed, sizeof seed);
    const int ok = secp256k1_context_randomize(ctx, seed);
    spv_cleanse(seed, sizeof seed);
    if (!ok) {
        secp256k1_context_destroy(ctx);
        return SPV_ERR_CRYPTO;
    }
    *out = (struct spv_v2_context *)ctx;
    return 0;
}

void spv_v2_context_free(struct spv_v2_context *c)
{
    if (c)
        secp256k1_context_destroy(context_of(c));
}

/* A uniform secret key, 1 to the group's order less 1. A draw is outside with probability 2^-128.
 */
static void draw_secret(uint8_t secret[32], const secp256k1_context *ctx, const struct spv_rng *rng)
{
    do
        rng->fill(rng->ctx, secret, 32);
    while (!secp256k1_ec_seckey_verify(ctx, secret));
}

#ifdef SPV_HAVE_ELLSWIFT

int spv_v2_key_new(struct spv_v2_key *out, const struct spv_v2_context *c,
                   const struct spv_rng *rng)
{
    uint8_t extra[32];
    draw_secret(out->secret, context_of(c), rng);
    rng->fill(rng->ctx, extra, sizeof extra);
    const int ok = secp256k1_ellswift_create(context_of(c), out->encoded, out->secret, extra);
    spv_cleanse(extra, sizeof extra);
    return ok ? 0 : SPV_ERR_CRYPTO;
}

int spv_v2_ecdh(uint8_t shared[32], const struct spv_v2_context *c, const struct spv_v2_key *ours,
                const uint8_t theirs[SPV_ELLSWIFT_BYTES], enum spv_v2_role role)
{
    const bool initiator = role == SPV_V2_INITIATOR;
    const uint8_t *a = initiator ? ours->encoded : theirs;
    const uint8_t *b = initiator ? theirs : ours->encoded;
    return secp256k1_ellswift_xdh(context_of(c), shared, a, b, ours->secret, !initiator,
                                  secp256k1_ellswift_xdh_hash_function_bip324, NULL)
               ? 0
               : SPV_ERR_CRYPTO;
}

#else

int spv_v2_key_new(struct spv_v2_key *out, const struct spv_v2_context *c,
                   const struct spv_rng *rng)
{
    secp256k1_pubkey point;
    uint8_t compressed[POINT];
    size_t len = sizeof compressed;
    draw_secret(out->secret, context_of(c), rng);
    if (!secp256k1_ec_pubkey_create(context_of(c), &point, out->secret))
        return SPV_ERR_CRYPTO;
    (void)secp256k1_ec_pubkey_serialize(context_of(c), compressed, &len, &point,
                                        SECP256K1_EC_COMPRESSED);
    spv_ellswift_encode(out->encoded, compressed + 1, rng);
    return 0;
}

/* The encodings, the initiator's first. */
struct pair {
    const uint8_t *initiator;
    const uint8_t *responder;
};

static int hash_shared_x(unsigned char *out, const unsigned char *x, const unsigned char *y,
                         void *ctx)
{
    static const char tag[] = "bip324_ellswift_xonly_ecdh";
    const struct pair *keys = ctx;
    uint8_t text[32 + 32 + SPV_ELLSWIFT_BYTES + SPV_ELLSWIFT_BYTES + 32];
    uint8_t *p = text;
    (void)y;
    spv_sha256(p, tag, sizeof tag - 1);
    memcpy(p + 32, p, 32);
    p += 64;
    memcpy(p, keys->initiator, SPV_ELLSWIFT_BYTES);
    p += SPV_ELLSWIFT_BYTES;
    memcpy(p, keys->responder, SPV_ELLSWIFT_BYTES);
    p += SPV_ELLSWIFT_BYTES;
    memcpy(p, x, 32);
    spv_sha256(out, text, sizeof text);
    spv_cleanse(text, sizeof text);
    return 1;
}

int spv_v2_ecdh(uint8_t shared[32], const struct spv_v2_context *c, const struct spv_v2_key *ours,
                const uint8_t theirs[SPV_ELLSWIFT_BYTES], enum spv_v2_role role)
{
    const bool initiator = role == SPV_V2_INITIATOR;
    struct pair keys = {.initiator = initiator ? ours->encoded : theirs,
                        .responder = initiator ? theirs : ours->encoded};
    uint8_t compressed[POINT] = {0x02}; /* y even */
    secp256k1_pubkey point;
    spv_ellswift_decode(compressed + 1, theirs);
    return secp256k1_ec_pubkey_parse(context_of(c), &point, compressed, sizeof compressed) &&
                   secp256k1_ecdh(context_of(c), shared, &point, ours->secret, hash_shared_x, &keys)
               ? 0
               : SPV_ERR_CRYPTO;
}

#endif
