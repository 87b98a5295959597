/* The functions of hash.h based on SHA-256, with OpenSSL's SHA256_Init/Update/Final.
 *
 * Hashing 80-byte headers is the hot path of header sync. bench/bench_hash.c, release preset, best
 * of 25 rounds (AMD EPYC with SHA-NI, OpenSSL 3.0.22, gcc 12), nanoseconds per double hash of 80
 * bytes:
 *
 *     the three compressions alone, in one call         109
 *     SHA256() twice, which fetches and allocates       620-830
 *     EVP with a reused context                         202
 *     SHA256_Init/Update/Final twice                    122
 *     spv_sha256d_headers, for many at once             109
 *
 * The plain form is for messages and single headers. For many headers the constant padding is
 * written once and whole blocks are compressed; aligned to a cache line they always take 109 ns,
 * unaligned up to 139 ns.
 *
 * OpenSSL 3 deprecates these calls in favour of EVP, which allocates and may fail; these do
 * neither. Only this file lowers the compatibility level. */
#define OPENSSL_API_COMPAT 10100
#include <openssl/ripemd.h>
#include <openssl/sha.h>

#include <string.h>

#include "util/hash.h"

#define HEADER 80
#define BLOCK 64
#define GATHERED (16 * BLOCK)

void spv_sha256(uint8_t out[32], const void *in, size_t n)
{
    SHA256_CTX c;

    SHA256_Init(&c);
    SHA256_Update(&c, in, n);
    SHA256_Final(out, &c);
}

void spv_sha256d(uint8_t out[32], const void *in, size_t n)
{
    uint8_t once[32];

    spv_sha256(once, in, n);
    spv_sha256(out, once, sizeof once);
}

void spv_sha256_chunks(uint8_t out[32], const struct spv_chunk *chunks, size_t n)
{
    SHA256_CTX c;

    SHA256_Init(&c);
    for (size_t i = 0; i < n; i++)
        SHA256_Update(&c, chunks[i].bytes, chunks[i].n);
    SHA256_Final(out, &c);
}

void spv_hash160(uint8_t out[20], const void *in, size_t n)
{
    uint8_t once[32];
    RIPEMD160_CTX c;

    spv_sha256(once, in, n);
    RIPEMD160_Init(&c);
    RIPEMD160_Update(&c, once, sizeof once);
    RIPEMD160_Final(out, &c);
}

/* Four words at a time. */
typedef uint32_t words __attribute__((vector_size(16)));

/* The eight state words as 32 bytes, most significant first. Stored 16 bytes at a time: the
 * compression that follows loads 16 at once, and waits for bytes that were stored one by one. */
static inline void store_state(uint8_t out[32], const SHA_LONG h[8])
{
    for (size_t i = 0; i < 2; i++) {
        words w;
        memcpy(&w, h + 4 * i, sizeof w);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        w = w << 24 | (w & 0xff00) << 8 | (w >> 8 & 0xff00) | w >> 24;
#endif
        memcpy(out + 16 * i, &w, sizeof w);
    }
}

/* FIPS 180-4, 5.1.1: a 1 bit, zeros, and the length in bits as 64 bits big-endian. Returns how many
 * bytes of blocks there are, after n bytes with room for BLOCK + 8 more. */
static size_t sha256_pad(uint8_t *blocks, size_t n, uint64_t total)
{
    const size_t end = (n + 8) / BLOCK * BLOCK + BLOCK;

    memset(blocks + n, 0, end - n);
    blocks[n] = 0x80;
    for (size_t i = 0; i < 8; i++)
        blocks[end - 1 - i] = (uint8_t)(total * 8 >> 8 * i);
    return end;
}

/* Most transactions fit into these bytes: copied together they are hashed in one call. */
void spv_sha256d_chunks(uint8_t out[32], const struct spv_chunk *chunks, size_t n)
{
    _Alignas(BLOCK) uint8_t blocks[GATHERED + 2 * BLOCK];
    _Alignas(BLOCK) uint8_t once[BLOCK] = {[32] = 0x80, [62] = 256 >> 8};
    size_t used = 0;
    uint64_t total = 0;
    SHA256_CTX c;

    SHA256_Init(&c);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *at = chunks[i].bytes;
        size_t left = chunks[i].n;
        total += left;
        while (left > 0) {
            const size_t take = left < GATHERED - used ? left : GATHERED - used;
            memcpy(blocks + used, at, take);
            at += take;
            left -= take;
            used += take;
            if (used == GATHERED) {
                SHA256_Update(&c, blocks, GATHERED);
                used = 0;
            }
        }
    }
    SHA256_Update(&c, blocks, sha256_pad(blocks, used, total));
    store_state(once, c.h);
    SHA256_Init(&c);
    SHA256_Update(&c, once, sizeof once);
    store_state(out, c.h);
}

void spv_sha256d_headers(uint8_t *out, const uint8_t *raw, size_t n)
{
    /* FIPS 180-4, 5.1.1: a 1 bit, zeros, and the length in bits as 64 bits big-endian. */
    _Alignas(BLOCK) uint8_t first[2 * BLOCK] = {[80] = 0x80, [126] = 640 >> 8, [127] = 640 & 0xff};
    _Alignas(BLOCK) uint8_t second[BLOCK] = {[32] = 0x80, [62] = 256 >> 8};
    SHA_LONG start[8];
    SHA256_CTX c;

    SHA256_Init(&c);
    memcpy(start, c.h, sizeof start);
    for (size_t i = 0; i < n; i++) {
        memcpy(first, raw + i * HEADER, HEADER);
        memcpy(c.h, start, sizeof start);
        SHA256_Update(&c, first, sizeof first); /* whole blocks: c's buffer stays empty */
        store_state(second, c.h);
        memcpy(c.h, start, sizeof start);
        SHA256_Transform(&c, second);
        store_state(out + i * 32, c.h);
    }
}
