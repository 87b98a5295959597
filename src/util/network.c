/* The table of networks. A custom signet differs in magic and name only: BIP325 derives the magic
 * from the double hash of the challenge script, serialised with its CompactSize length. */
#include "spv/network.h"

#include <string.h>

#include "spv/error.h"
#include "util/buffer.h"
#include "util/hash.h"
#include "util/hex.h"
#include "util/network_ids.h"

#define MAX_CHALLENGE 10000 /* consensus limit of a script */

static const struct spv_netid networks[SPV_NETWORKS] = {
    SPV_NETID_MAINNET, SPV_NETID_TESTNET3, SPV_NETID_TESTNET4,
    SPV_NETID_SIGNET,  SPV_NETID_REGTEST,  SPV_NETID_SIMNET,
};

const struct spv_netid *spv_netid_get(enum spv_network network)
{
    for (size_t i = 0; i < SPV_NETWORKS; i++)
        if (networks[i].network == network)
            return &networks[i];
    return NULL;
}

const struct spv_netid *spv_netid_by_name(const char *name)
{
    for (size_t i = 0; i < SPV_NETWORKS; i++)
        if (strcmp(networks[i].name, name) == 0)
            return &networks[i];
    return NULL;
}

int spv_netid_signet(struct spv_netid *out, const uint8_t *challenge, size_t n)
{
    const struct spv_netid *signet = spv_netid_get(SPV_SIGNET);
    uint8_t serialised[3 + MAX_CHALLENGE];
    uint8_t hash[32];
    size_t prefix;

    if (n == 0 || n > MAX_CHALLENGE)
        return SPV_ERR_INVALID;
    prefix = spv_compact_size(n);
    if (prefix == 1) {
        serialised[0] = (uint8_t)n;
    } else {
        serialised[0] = 0xfd;
        serialised[1] = (uint8_t)n;
        serialised[2] = (uint8_t)(n >> 8);
    }
    memcpy(serialised + prefix, challenge, n);
    spv_sha256d(hash, serialised, prefix + n);

    *out = *signet;
    if (memcmp(hash, signet->magic, sizeof out->magic) == 0)
        return 0;
    memcpy(out->magic, hash, sizeof out->magic);
    memcpy(out->name, "signet-", 7);
    spv_hex(out->name + 7, out->magic, sizeof out->magic);
    return 0;
}
