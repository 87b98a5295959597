/* Nanoseconds per header hash with each of OpenSSL's interfaces, with the lower bound: the three
 * compressions of a double SHA-256 of 80 bytes, in one call, without padding and byte order. Rounds
 * of the interfaces alternate and the best round of each counts, so that other load matters least.
 * base/sha256d.c chose by this. */
#define OPENSSL_API_COMPAT 10100
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "spv/header.h"
#include "util/hash.h"

#define HEADERS 1998 /* about as many as one message holds; a multiple of three */
#define PASSES 10
#define ROUNDS 25
#define WAYS 6

static uint8_t raw[HEADERS * SPV_HEADER_SIZE];
static uint8_t hashes[HEADERS * 32];
static EVP_MD_CTX *evp;
static EVP_MD *evp_sha256;

static void compressions(void)
{
    SHA256_CTX c;

    SHA256_Init(&c);
    for (size_t i = 0; i + 3 <= HEADERS; i += 3) /* 240 bytes contain three blocks */
        for (size_t j = 0; j < 3; j++)
            SHA256_Update(&c, raw + i * SPV_HEADER_SIZE, 3 * 64);
    memcpy(hashes, c.h, 32);
}

static void one_shot(void)
{
    uint8_t once[32];

    for (size_t i = 0; i < HEADERS; i++) {
        SHA256(raw + i * SPV_HEADER_SIZE, SPV_HEADER_SIZE, once);
        SHA256(once, sizeof once, hashes + i * 32);
    }
}

static void reused_context(void)
{
    uint8_t once[32];

    for (size_t i = 0; i < HEADERS; i++) {
        EVP_DigestInit_ex(evp, evp_sha256, NULL);
        EVP_DigestUpdate(evp, raw + i * SPV_HEADER_SIZE, SPV_HEADER_SIZE);
        EVP_DigestFinal_ex(evp, once, NULL);
        EVP_DigestInit_ex(evp, evp_sha256, NULL);
        EVP_DigestUpdate(evp, once, sizeof once);
        EVP_DigestFinal_ex(evp, hashes + i * 32, NULL);
    }
}

static void init_update_final(void)
{
    for (size_t i = 0; i < HEADERS; i++)
        spv_sha256d(hashes + i * 32, raw + i * SPV_HEADER_SIZE, SPV_HEADER_SIZE);
}

static void batch(void)
{
    spv_sha256d_headers(hashes, raw, HEADERS);
}

static void single(void)
{
    for (size_t i = 0; i < HEADERS; i++)
        spv_sha256d_headers(hashes + i * 32, raw + i * SPV_HEADER_SIZE, 1);
}

static double measure(void (*run)(void))
{
    uint64_t start = bench_now_ns();

    for (int pass = 0; pass < PASSES; pass++)
        run();
    return (double)(bench_now_ns() - start) / (PASSES * HEADERS);
}

int main(void)
{
    static const struct {
        const char *what;
        void (*run)(void);
    } ways[] = {
        {"lower bound: three compressions", compressions},
        {"one-shot SHA256() twice", one_shot},
        {"EVP, context reused", reused_context},
        {"SHA256_Init/Update/Final (spv_sha256d)", init_update_final},
        {"spv_sha256d_headers, one at a time", single},
        {"spv_sha256d_headers, 1,998 at once", batch},
    };
    double best[WAYS] = {0};

    _Static_assert(sizeof ways / sizeof ways[0] == WAYS, "a figure for each way");
    evp = EVP_MD_CTX_new();
    evp_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!evp || !evp_sha256)
        return 1;
    for (size_t i = 0; i < sizeof raw; i++)
        raw[i] = (uint8_t)(i * 131 + (i >> 7));

    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < WAYS; i++) {
            double each = measure(ways[i].run);
            if (round == 0 || each < best[i])
                best[i] = each;
        }
    for (size_t i = 0; i < WAYS; i++)
        bench_cost(ways[i].what, best[i], best[0], "ns/header");
    EVP_MD_free(evp_sha256);
    EVP_MD_CTX_free(evp);
    return 0;
}
