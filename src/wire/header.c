/* The 80 bytes of a header: version, previous hash, merkle root, time, bits, nonce. */
#include "spv/header.h"

#include <string.h>

#include "util/hash.h"

/* Arrays of hashes are written as bytes. */
_Static_assert(sizeof(struct spv_blockhash) == 32, "an array of hashes has no padding");

static void put32(uint8_t *out, uint32_t x)
{
    out[0] = (uint8_t)x;
    out[1] = (uint8_t)(x >> 8);
    out[2] = (uint8_t)(x >> 16);
    out[3] = (uint8_t)(x >> 24);
}

static uint32_t get32(const uint8_t *in)
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

void spv_header_encode(uint8_t out[SPV_HEADER_SIZE], const struct spv_header *header)
{
    put32(out, (uint32_t)header->version);
    memcpy(out + 4, header->prev.b, 32);
    memcpy(out + 36, header->merkle_root.b, 32);
    put32(out + 68, header->time);
    put32(out + 72, header->bits);
    put32(out + 76, header->nonce);
}

void spv_header_decode(struct spv_header *out, const uint8_t in[SPV_HEADER_SIZE])
{
    out->version = (int32_t)get32(in);
    memcpy(out->prev.b, in + 4, 32);
    memcpy(out->merkle_root.b, in + 36, 32);
    out->time = get32(in + 68);
    out->bits = get32(in + 72);
    out->nonce = get32(in + 76);
}

void spv_header_hash(struct spv_blockhash *out, const struct spv_header *header)
{
    uint8_t raw[SPV_HEADER_SIZE];

    spv_header_encode(raw, header);
    spv_sha256d(out->b, raw, sizeof raw);
}

void spv_header_hash_raw(struct spv_blockhash *out, const uint8_t *raw, size_t n)
{
    if (n == 1)
        spv_sha256d(out->b, raw, SPV_HEADER_SIZE); /* faster for one: see util/sha256d.c */
    else if (n > 0)
        spv_sha256d_headers(out->b, raw, n);
}

double spv_difficulty_from_bits(uint32_t bits)
{
    const uint32_t mantissa = bits & 0xffffff;
    double difficulty = mantissa != 0 ? 65535.0 / mantissa : 0.0;

    for (uint32_t e = bits >> 24; e < 29; e++)
        difficulty *= 256.0;
    for (uint32_t e = bits >> 24; e > 29; e--)
        difficulty /= 256.0;
    return difficulty;
}
