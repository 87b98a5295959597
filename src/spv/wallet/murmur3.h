/* MurmurHash3, the 32-bit form for x86: the hash function of BIP37. Not cryptographic. */
#ifndef SPV_WALLET_MURMUR3_H
#define SPV_WALLET_MURMUR3_H

#include <stddef.h>
#include <stdint.h>

uint32_t spv_murmur3(uint32_t seed, const uint8_t *data, size_t n);

#endif
