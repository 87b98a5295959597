/* One row per set of networks that share a prefix. The values are those of Bitcoin Core's
 * chainparams.cpp, and of btcd for simnet. */
#include "spv/keys/prefixes.h"

#include <stdio.h>

#define TESTNETS                                                                                   \
    (SPV_NETWORK_BIT(SPV_TESTNET3) | SPV_NETWORK_BIT(SPV_TESTNET4) | SPV_NETWORK_BIT(SPV_SIGNET))

const struct spv_base58_prefix spv_base58_prefixes[SPV_BASE58_PREFIXES] = {
    {SPV_NETWORK_BIT(SPV_MAINNET), 0x00, 0x05, 0x0488b21e}, /* 1..., 3..., xpub */
    {TESTNETS | SPV_NETWORK_BIT(SPV_REGTEST), 0x6f, 0xc4, 0x043587cf}, /* m or n, 2..., tpub */
    {SPV_NETWORK_BIT(SPV_SIMNET), 0x3f, 0x7b, 0x0420bd3a}, /* S..., r..., spub (btcd) */
};

const struct spv_bech32_prefix spv_bech32_prefixes[SPV_BECH32_PREFIXES] = {
    {SPV_NETWORK_BIT(SPV_MAINNET), "bc"},
    {TESTNETS, "tb"},
    {SPV_NETWORK_BIT(SPV_REGTEST), "bcrt"},
    {SPV_NETWORK_BIT(SPV_SIMNET), "sb"},
};

void spv_network_names(char *out, unsigned networks)
{
    size_t used = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < SPV_NETWORKS; i++) {
        if (!(networks & SPV_NETWORK_BIT(i)))
            continue;
        const unsigned later = networks >> (i + 1);
        const char *before = used == 0 ? "" : later ? ", " : " and ";
        const int n = snprintf(out + used, SPV_NETWORK_NAMES - used, "%s%s", before,
                               spv_netid_get((enum spv_network)i)->name);
        used += n < 0 ? 0 : (size_t)n;
        if (used >= SPV_NETWORK_NAMES)
            return;
    }
}
