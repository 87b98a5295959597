/* Scripts of ranged descriptors: CPU time of 1,000 indexes. Lower bounds of the same run: the same
 * number of libsecp256k1's point additions with serialisation and of the hashes that the scripts
 * need; for parsing, decompressing the keys' points. The bar is 1.3 times the bound. */
#include <stdlib.h>
#include <string.h>

#include <secp256k1.h>

#include "bench.h"
#include "spv/address.h"
#include "spv/descriptor.h"
#include "spv/error.h"
#include "spv/keys.h"
#include "support/random.h"
#include "util/hash.h"

#define INDEXES 1000
#define ROUNDS 15
#define XPUB                                                                                       \
    "xpub6ERApfZwUNrhLCkDtcHTcxd75RbzS1ed54G1LkBUHQVHQKqhMkhgbmJbZRkrgZw4koxb5JaHWkY4ALHY2grBGRja" \
    "DMz"                                                                                          \
    "QLcgJvLJuZZvRcEL"

static struct test_random random_state = {.state = 32};

/* CPU time of the process: other programs do not count. */
static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static void must(int rc, const struct spv_text_error *why)
{
    if (rc < 0) {
        fprintf(stderr, "bench_keys: %s %s\n", spv_strerror(rc), why ? why->text : "");
        exit(1);
    }
}

/* Additions to a point with random tweaks, each child serialised and hashed. */
static double bound_ns(unsigned keys, void (*hash)(uint8_t *, const uint8_t *))
{
    static uint8_t tweaks[INDEXES][32];
    struct spv_xpub xpub;
    secp256k1_pubkey parent;
    uint8_t out[32];
    must(spv_xpub_parse(&xpub, NULL, XPUB, strlen(XPUB)), NULL);
    if (!secp256k1_ec_pubkey_parse(secp256k1_context_static, &parent, xpub.key, sizeof xpub.key))
        exit(1);
    test_random_fill(&random_state, tweaks, sizeof tweaks);
    const uint64_t begun = cpu_ns();
    for (size_t i = 0; i < INDEXES; i++) {
        uint8_t key[20 * 33];
        for (unsigned k = 0; k < keys; k++) {
            secp256k1_pubkey child = parent;
            size_t n = 33;
            if (!secp256k1_ec_pubkey_tweak_add(secp256k1_context_static, &child, tweaks[i]))
                exit(1);
            (void)secp256k1_ec_pubkey_serialize(secp256k1_context_static, key + 33 * k, &n, &child,
                                                SECP256K1_EC_COMPRESSED);
        }
        hash(out, key);
    }
    return (double)(cpu_ns() - begun);
}

static void hash160_key(uint8_t *out, const uint8_t *key)
{
    spv_hash160(out, key, 33);
}

static void sha256_three_keys(uint8_t *out, const uint8_t *keys)
{
    spv_sha256(out, keys, (size_t)3 * 34 + 3);
}

/* One more addition: the taproot tweak; its tagged hash is two blocks. */
static void tweak_key(uint8_t *out, const uint8_t *key)
{
    secp256k1_pubkey point;
    uint8_t even[33] = {2}, block[96] = {0}, tweak[32];
    size_t n = sizeof even;
    memcpy(even + 1, key + 1, 32);
    if (!secp256k1_ec_pubkey_parse(secp256k1_context_static, &point, even, sizeof even))
        exit(1);
    spv_sha256(tweak, block, sizeof block);
    if (!secp256k1_ec_pubkey_tweak_add(secp256k1_context_static, &point, tweak))
        exit(1);
    (void)secp256k1_ec_pubkey_serialize(secp256k1_context_static, even, &n, &point,
                                        SECP256K1_EC_COMPRESSED);
    memcpy(out, even + 1, 32);
}

static double derive_ns(const struct spv_descriptor *d)
{
    struct spv_derived_scripts got;
    const uint64_t begun = cpu_ns();
    must(spv_descriptor_derive(&got, d, 0, 0, INDEXES), NULL);
    spv_derived_scripts_free(&got);
    return (double)(cpu_ns() - begun);
}

static void bench_derive(const char *what, const char *text, unsigned keys,
                         void (*hash)(uint8_t *, const uint8_t *))
{
    struct spv_descriptor *d;
    struct spv_text_error why;
    double cost = 1e18, bound = 1e18;
    must(spv_descriptor_parse(&d, &why, text, strlen(text), SPV_ANY_NETWORK,
                              SPV_DESCRIPTOR_CHECKSUM_OPTIONAL),
         &why);
    for (int round = 0; round < ROUNDS; round++) {
        const double a = bound_ns(keys, hash), b = derive_ns(d);
        bound = a < bound ? a : bound;
        cost = b < cost ? b : cost;
    }
    bench_cost(what, cost / 1e3 / INDEXES, bound / 1e3 / INDEXES, "us/script");
    spv_descriptor_free(d);
}

static void bench_parse(void)
{
    static const char text[] = "wpkh([deadbeef/84h/0h/0h]" XPUB "/<0;1>/*)";
    double cost = 1e18, bound = 1e18;
    struct spv_xpub xpub;
    must(spv_xpub_parse(&xpub, NULL, XPUB, strlen(XPUB)), NULL);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t begun = cpu_ns();
        for (int i = 0; i < 100; i++) {
            struct spv_descriptor *d;
            struct spv_text_error why;
            must(spv_descriptor_parse(&d, &why, text, sizeof text - 1, SPV_ANY_NETWORK,
                                      SPV_DESCRIPTOR_CHECKSUM_OPTIONAL),
                 &why);
            spv_descriptor_free(d);
        }
        const double b = (double)(cpu_ns() - begun);
        begun = cpu_ns();
        for (int i = 0; i < 100; i++) {
            secp256k1_pubkey point;
            if (!secp256k1_ec_pubkey_parse(secp256k1_context_static, &point, xpub.key,
                                           sizeof xpub.key))
                exit(1);
        }
        const double a = (double)(cpu_ns() - begun);
        bound = a < bound ? a : bound;
        cost = b < cost ? b : cost;
    }
    bench_cost("a descriptor parsed (wpkh, one key)", cost / 1e3 / 100, bound / 1e3 / 100, "us");
}

static void bench_address(void)
{
    static const char text[] = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
    double cost = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        const uint64_t begun = cpu_ns();
        for (int i = 0; i < 1000; i++) {
            struct spv_address address;
            must(spv_address_decode(&address, NULL, text, sizeof text - 1, SPV_ANY_NETWORK), NULL);
        }
        const double a = (double)(cpu_ns() - begun);
        cost = a < cost ? a : cost;
    }
    bench_cost("an address decoded (P2WPKH)", cost / 1e3 / 1000, 0, "us");
}

int main(void)
{
    bench_derive("wpkh(xpub/0/*), an index (target 1.30 x)", "wpkh(" XPUB "/0/*)", 1, hash160_key);
    bench_derive("wsh(sortedmulti(2 of 3)), an index",
                 "wsh(sortedmulti(2," XPUB "/0/*," XPUB "/1/*," XPUB "/2/*))", 3,
                 sha256_three_keys);
    bench_derive("tr(xpub/0/*), an index", "tr(" XPUB "/0/*)", 1, tweak_key);
    bench_parse();
    bench_address();
    return 0;
}
