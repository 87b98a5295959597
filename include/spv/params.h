/* The chain's rules of each network: limits, retargeting, activation heights, checkpoints. */
#ifndef SPV_PARAMS_H
#define SPV_PARAMS_H

#include "spv/header.h"
#include "spv/network.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_RETARGET_INTERVAL 2016
#define SPV_BIRTHDAY_MARGIN 1209600 /* seconds: two weeks; clocks of wallets and blocks differ */

/* A header that every valid chain holds. Each fact beside height and hash is optional. */
struct spv_checkpoint {
    uint32_t height;
    struct spv_blockhash hash;
    uint32_t next_time; /* time of the header after it, a period's first; 0: not known */
    struct spv_u256 work; /* of blocks 0..height; 0: not known */
};

/* A DNS name that answers with addresses of peers. Where it serves names by service bits, "x9." in
 * front asks for full nodes with witnesses (0x9 = NODE_NETWORK | NODE_WITNESS), "xd." for those
 * with NODE_BLOOM as well, "x49." for those with compact filters. */
#define SPV_SEED_X9 1u
#define SPV_SEED_XD 2u
#define SPV_SEED_X49 4u
struct spv_dns_seed {
    const char *name; /* NULL: the end of the list */
    unsigned prefixes; /* SPV_SEED_* */
};

/* Peers to begin with when DNS says nothing. */
struct spv_netaddr;
struct spv_fixed_seeds {
    const struct spv_netaddr *at;
    size_t n;
};

struct spv_params {
    struct spv_netid net;
    struct spv_header genesis;
    struct spv_u256 pow_limit;
    uint32_t pow_limit_bits;
    uint32_t target_timespan; /* seconds: 1,209,600 */
    uint32_t target_spacing; /* seconds: 600 */
    bool no_retarget; /* regtest */
    bool min_difficulty; /* testnet3, testnet4, simnet: 20 minutes give limit bits */
    bool bip94; /* testnet4 */
    uint32_t bip34_height; /* version >= 2 from here on */
    uint32_t bip66_height; /* version >= 3 */
    uint32_t bip65_height; /* version >= 4 */
    uint32_t fresh_peers_s; /* a tip older than this asks for other peers; 0: never */
    uint32_t stale_tip_s; /* and a warning, when older than this; 0: never */
    const struct spv_checkpoint *checkpoints; /* ascending heights; static or the caller's */
    size_t n_checkpoints;
    struct spv_u256 min_work; /* the best chain has at least this */
    const struct spv_dns_seed *dns_seeds; /* ends with a NULL name */
    const struct spv_fixed_seeds *fallback; /* NULL: none */
    uint8_t challenge_hash[32]; /* signet: double SHA-256 of the challenge script; else zero */
};

/* The parameters of a network. Static; NULL for a value outside the enum. Any thread. */
SPV_API const struct spv_params *spv_params_get(enum spv_network network);

/* A signet with its own challenge: the default signet's rules and genesis, own magic and name; no
 * checkpoints, minimum work or seeds. Errors as spv_netid_signet. */
SPV_API int spv_params_signet(struct spv_params *out, const uint8_t *challenge, size_t n);

/* Where a chain may start instead of at genesis: the last checkpoint at or below a height that ends
 * a period and whose period before ends in a checkpoint as well. The one for a birthday (unix
 * seconds) is the last one whose following header is known to be SPV_BIRTHDAY_MARGIN older. NULL
 * when there is none. The list ascends. Any thread. */
SPV_API const struct spv_checkpoint *spv_params_start(const struct spv_params *params,
                                                      const struct spv_checkpoint *list, size_t n,
                                                      uint32_t height);
SPV_API const struct spv_checkpoint *spv_params_birthday(const struct spv_params *params,
                                                         const struct spv_checkpoint *list,
                                                         size_t n, int64_t birthday);

#ifdef __cplusplus
}
#endif

#endif
