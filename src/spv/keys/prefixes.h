/* The prefixes of addresses and extended public keys on each network. The networks in one row of a
 * table share its prefixes: testnet3, testnet4 and signet share all, regtest all except bech32. */
#ifndef SPV_KEYS_PREFIXES_H
#define SPV_KEYS_PREFIXES_H

#include <stddef.h>
#include <stdint.h>

#include "spv/network.h"

struct spv_base58_prefix {
    unsigned networks;
    uint8_t p2pkh, p2sh; /* version bytes of addresses */
    uint32_t xpub; /* version of extended public keys */
};
#define SPV_BASE58_PREFIXES 3
extern const struct spv_base58_prefix spv_base58_prefixes[SPV_BASE58_PREFIXES];

struct spv_bech32_prefix {
    unsigned networks;
    const char *hrp;
};
#define SPV_BECH32_PREFIXES 4
extern const struct spv_bech32_prefix spv_bech32_prefixes[SPV_BECH32_PREFIXES];

#define SPV_NETWORK_NAMES 80 /* characters of the names of all networks, and NUL */
/* Writes the names of a set: "testnet3, testnet4 and signet". */
void spv_network_names(char *out, unsigned networks);

#endif
