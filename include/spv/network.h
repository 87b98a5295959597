/* The networks' identities on the wire: name, magic, port. The chain's rules of each network are in
 * spv/params.h; this part is all that the peer core needs. */
#ifndef SPV_NETWORK_H
#define SPV_NETWORK_H

#include <stddef.h>
#include <stdint.h>

#include "spv/export.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spv_network {
    SPV_MAINNET,
    SPV_TESTNET3,
    SPV_TESTNET4, /* BIP94 */
    SPV_SIGNET, /* BIP325 */
    SPV_REGTEST,
    SPV_SIMNET, /* btcd's private test network */
};
#define SPV_NETWORKS 6

#define SPV_NETNAME_MAX 24 /* "signet-" and 8 hex digits, and room */

struct spv_netid {
    enum spv_network network;
    char name[SPV_NETNAME_MAX]; /* "mainnet", ..., "signet-1a2b3c4d" for a custom signet */
    uint8_t magic[4]; /* in the order of the wire */
    uint16_t port; /* default P2P port, host order */
};

/* The identity of a network. Static; NULL for a value outside the enum. Any thread. */
SPV_API const struct spv_netid *spv_netid_get(enum spv_network network);

/* By name ("mainnet", "testnet3", "testnet4", "signet", "regtest", "simnet"); NULL when unknown. */
SPV_API const struct spv_netid *spv_netid_by_name(const char *name);

/* A signet with its own challenge script (BIP325): magic is the first 4 bytes of the double SHA-256
 * of the serialised challenge, the name is "signet-<magic>"; the default challenge gives the
 * default signet. SPV_ERR_INVALID when the script is empty or longer than 10,000 bytes. Any thread.
 */
SPV_API int spv_netid_signet(struct spv_netid *out, const uint8_t *challenge, size_t n);

#ifdef __cplusplus
}
#endif

#endif
