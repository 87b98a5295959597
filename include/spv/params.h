/* The consensus parameters of each network (Bitcoin Core: chainparams): limits, retargeting,
 * activation heights, checkpoints, seeds. */
#ifndef SPV_PARAMS_H
#define SPV_PARAMS_H

#include "spv/header.h"
#include "spv/network.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_RETARGET_INTERVAL 2016
#define SPV_BIRTHDAY_MARGIN_S 1209600 /* seconds: two weeks, for wrong wallet and miner clocks */

/* A header that every valid chain contains. Fields other than height and hash are optional. */
struct spv_checkpoint {
    uint32_t height;
    struct spv_blockhash hash;
    uint32_t next_time; /* time of the header after it, a period's first; 0: not known */
    struct spv_u256 work; /* of blocks 0..height; 0: not known */
};

/* A filter header (BIP157) that every chain of basic filters contains. */
struct spv_filter_checkpoint {
    uint32_t height;
    struct spv_filter_header header;
};

/* A DNS seed. The prefixes that it supports filter by service bits (hexadecimal): "x9." is
 * NODE_NETWORK | NODE_WITNESS, "xd." adds NODE_BLOOM, "x49." adds NODE_COMPACT_FILTERS to x9;
 * "x809." and "x849." add NODE_P2P_V2 to x9 and x49. */
#define SPV_SEED_X9 1u
#define SPV_SEED_XD 2u
#define SPV_SEED_X49 4u
#define SPV_SEED_X809 8u
#define SPV_SEED_X849 16u
struct spv_dns_seed {
    const char *name; /* NULL: the end of the list */
    unsigned prefixes; /* SPV_SEED_* */
};

/* Peers to connect to when no DNS seed answers. */
struct spv_netaddr;
struct spv_fixed_seeds {
    const struct spv_netaddr *addrs;
    size_t n;
};

struct spv_params {
    struct spv_netid net;
    struct spv_header genesis;
    struct spv_u256 pow_limit;
    uint32_t pow_limit_bits;
    uint32_t target_timespan; /* seconds: 1,209,600 */
    uint32_t target_spacing; /* seconds: 600 */
    uint32_t halving_interval; /* blocks; the subsidy is halved then: 210,000; regtest 150 */
    bool no_retarget; /* regtest */
    bool min_difficulty; /* testnet3, testnet4, simnet: a block 20 minutes after its parent
                            may have pow_limit_bits */
    bool bip94; /* testnet4 */
    uint32_t bip34_height; /* version >= 2 from here on */
    uint32_t bip66_height; /* version >= 3 */
    uint32_t bip65_height; /* version >= 4 */
    uint32_t segwit_height; /* BIP141's rules hold from here on; UINT32_MAX: not known (simnet) */
    uint32_t
        extra_peers_after_s; /* a tip older than this makes us connect to more peers; 0: never */
    uint32_t stale_warning_after_s; /* a tip older than this causes a warning; 0: never */
    const struct spv_checkpoint *checkpoints; /* ascending heights; borrowed */
    size_t n_checkpoints;
    /* ascending heights, the first is that of genesis; borrowed */
    const struct spv_filter_checkpoint *filter_checkpoints;
    size_t n_filter_checkpoints;
    struct spv_u256 min_work; /* minimum chain work of a chain that we accept as synced */
    const struct spv_dns_seed *dns_seeds; /* ends with a NULL name */
    const struct spv_fixed_seeds *fixed_seeds; /* NULL: none */
    uint8_t challenge_hash[32]; /* signet: double SHA-256 of the challenge script; else zero */
};

/* Returns the parameters of a network, which are static; NULL for a value outside the enum. Any
 * thread. */
SPV_API const struct spv_params *spv_params_get(enum spv_network network);

/* The parameters of a custom signet (BIP325): the default signet's rules and genesis, its own magic
 * and name, no checkpoints, minimum work or seeds. The default challenge yields the default signet.
 * Returns 0, or SPV_ERR_INVALID when the challenge is empty or longer than 10,000 bytes. *out
 * refers to static data only. Any thread. */
SPV_API int spv_params_signet(struct spv_params *out, const uint8_t *challenge, size_t n);

/* A chain may start at a checkpoint instead of at genesis when the checkpoint is the last header of
 * a retarget period and the period before also ends in a checkpoint. `list` has n checkpoints of
 * ascending heights.
 * spv_params_start_checkpoint returns the last such checkpoint at or below `height`.
 * spv_params_birthday_checkpoint returns the last one whose next header is at least
 * SPV_BIRTHDAY_MARGIN_S older than `birthday`, the unix time of a wallet's first key. Both return a
 * pointer into `list`, or NULL. Any thread. */
SPV_API const struct spv_checkpoint *spv_params_start_checkpoint(const struct spv_params *params,
                                                                 const struct spv_checkpoint *list,
                                                                 size_t n, uint32_t height);
SPV_API const struct spv_checkpoint *spv_params_birthday_checkpoint(
    const struct spv_params *params, const struct spv_checkpoint *list, size_t n, int64_t birthday);

#ifdef __cplusplus
}
#endif

#endif
