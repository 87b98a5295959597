#include "secp256k1_ellswift.h"

#include <secp256k1_ecdh.h>
#include <string.h>

#include "peer/transport/ellswift.h"
#include "util/hash.h"

static int hash_bip324(unsigned char *output, const unsigned char *x32,
                       const unsigned char *ell_a64, const unsigned char *ell_b64, void *data)
{
    static const char tag[] = "bip324_ellswift_xonly_ecdh";
    uint8_t text[32 + 32 + 64 + 64 + 32];
    (void)data;
    spv_sha256(text, tag, sizeof tag - 1);
    memcpy(text + 32, text, 32);
    memcpy(text + 64, ell_a64, 64);
    memcpy(text + 128, ell_b64, 64);
    memcpy(text + 192, x32, 32);
    spv_sha256(output, text, sizeof text);
    return 1;
}

const secp256k1_ellswift_xdh_hash_function secp256k1_ellswift_xdh_hash_function_bip324 =
    hash_bip324;

/* Enough randomness for a test: a hash of the caller's and a counter. */
struct draws {
    uint8_t seed[36];
};

static void fill(void *ctx, void *out, size_t n)
{
    struct draws *d = ctx;
    for (uint8_t *p = out; n > 0;) {
        uint8_t block[32];
        const size_t part = n < sizeof block ? n : sizeof block;
        spv_sha256(block, d->seed, sizeof d->seed);
        if (++d->seed[32] == 0)
            d->seed[33]++;
        memcpy(p, block, part);
        p += part;
        n -= part;
    }
}

static int copy_x(unsigned char *out, const unsigned char *x, const unsigned char *y, void *data)
{
    (void)y;
    (void)data;
    memcpy(out, x, 32);
    return 1;
}

int secp256k1_ellswift_create(const secp256k1_context *ctx, unsigned char *ell64,
                              const unsigned char *seckey32, const unsigned char *auxrnd32)
{
    struct draws d = {{0}};
    const struct spv_rng rng = {.fill = fill, .ctx = &d};
    secp256k1_pubkey point;
    unsigned char compressed[33];
    size_t len = sizeof compressed;
    memcpy(d.seed, auxrnd32, 32);
    if (!secp256k1_ec_pubkey_create(ctx, &point, seckey32))
        return 0;
    (void)secp256k1_ec_pubkey_serialize(ctx, compressed, &len, &point, SECP256K1_EC_COMPRESSED);
    spv_ellswift_encode(ell64, compressed + 1, &rng);
    return 1;
}

int secp256k1_ellswift_xdh(const secp256k1_context *ctx, unsigned char *output,
                           const unsigned char *ell_a64, const unsigned char *ell_b64,
                           const unsigned char *seckey32, int party,
                           secp256k1_ellswift_xdh_hash_function hashfp, void *data)
{
    unsigned char compressed[33] = {0x02}, x[32];
    secp256k1_pubkey point;
    spv_ellswift_decode(compressed + 1, party ? ell_a64 : ell_b64); /* party 0 holds key a */
    return secp256k1_ec_pubkey_parse(ctx, &point, compressed, sizeof compressed) &&
           secp256k1_ecdh(ctx, x, &point, seckey32, copy_x, NULL) &&
           hashfp(output, x, ell_a64, ell_b64, data);
}
