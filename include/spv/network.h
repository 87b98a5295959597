/* How networks differ on the wire: name, magic and port. Their consensus rules are in spv/params.h;
 * a peer needs only this part. */
#ifndef SPV_NETWORK_H
#define SPV_NETWORK_H

#include <stddef.h>
#include <stdint.h>

#include "spv/export.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spv_network {
    SPV_MAINNET = 0,
    SPV_TESTNET3 = 1,
    SPV_TESTNET4 = 2, /* BIP94 */
    SPV_SIGNET = 3, /* BIP325 */
    SPV_REGTEST = 4,
    SPV_SIMNET = 5, /* btcd's private test network */
};
#define SPV_NETWORKS 6

/* Sets of networks: keys and addresses of the test networks share their prefixes. */
#define SPV_NETWORK_BIT(network) (1u << (unsigned)(network))
#define SPV_ANY_NETWORK ((1u << SPV_NETWORKS) - 1)

#define SPV_NETNAME_MAX 24 /* "signet-", 8 hex digits, NUL, and some spare bytes */

struct spv_netid {
    enum spv_network network;
    char name[SPV_NETNAME_MAX]; /* "mainnet", ..., "signet-1a2b3c4d" for a custom signet */
    uint8_t magic[4]; /* in wire order */
    uint16_t port; /* default P2P port, host order */
};

/* Returns the identity of a network, which is static, or NULL for a value outside the enum. Any
 * thread. */
SPV_API const struct spv_netid *spv_netid_get(enum spv_network network);

/* Finds a network by name: "mainnet", "testnet3", "testnet4", "signet", "regtest" or "simnet".
 * Returns its identity, which is static, or NULL. Any thread. */
SPV_API const struct spv_netid *spv_netid_by_name(const char *name);

/* Computes the identity of the signet with the given challenge script of n bytes (BIP325): magic is
 * the first 4 bytes of the double SHA-256 of the serialised challenge, the name "signet-<magic>";
 * the default challenge results in the default signet. challenge is not kept.
 * Returns 0, or SPV_ERR_INVALID when n is 0 or above 10,000. Any thread. */
SPV_API int spv_netid_signet(struct spv_netid *out, const uint8_t *challenge, size_t n);

#ifdef __cplusplus
}
#endif

#endif
