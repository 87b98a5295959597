/* The table of networks. Genesis headers, limits, activation heights, minimum work and DNS seeds
 * are those of Bitcoin Core 30.0 (src/kernel/chainparams.cpp; minimum work there is that of mainnet
 * block 912683, testnet3 4550000, testnet4 91000, signet 267665); simnet's are btcd's
 * (chaincfg/params.go). A test hashes each genesis. */
#include "spv/params.h"

#include <string.h>

#include "spv/error.h"
#include "spv/params/checkpoints.h"
#include "spv/params/filter_checkpoints.h"
#include "spv/params/fixed_seeds.h"
#include "util/hash.h"
#include "util/network_ids.h"

#define TWO_WEEKS_S 1209600 /* seconds between retargets */
#define TEN_MINUTES_S 600 /* seconds between blocks */
#define FOUR_YEARS 210000 /* blocks */
/* ours, seconds since the tip moved: then connect to more peers; then warn the user */
#define EXTRA_PEERS_AFTER_S 1800
#define STALE_WARNING_AFTER_S 5400

/* Five of the six networks have the coinbase of mainnet's genesis block. */
#define GENESIS_ROOT                                                                               \
    SPV_HASH(0x4a5e1e4baab89f3a, 0x32518a88c31bc87f, 0x618f76673e2cc77a, 0xb2127b7afdeda33b)
#define TESTNET4_ROOT                                                                              \
    SPV_HASH(0x7aa0a7ae1e223414, 0xcb807e40cd57e667, 0xb718e42aaf9306db, 0x9102fe28912b7b4e)

#define LIMIT_32_BITS                                                                              \
    {                                                                                              \
        {                                                                                          \
            UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT32_MAX                                         \
        }                                                                                          \
    } /* 2^224 - 1 */
#define LIMIT_1_BIT                                                                                \
    {                                                                                              \
        {                                                                                          \
            UINT64_MAX, UINT64_MAX, UINT64_MAX, INT64_MAX                                          \
        }                                                                                          \
    } /* 2^255 - 1 */
#define LIMIT_SIGNET                                                                               \
    {                                                                                              \
        {                                                                                          \
            0, 0, 0, UINT64_C(0x00000377ae000000)                                                  \
        }                                                                                          \
    } /* BIP325 */

/* Prefixes as documented for each seed (chainparams.cpp, and the seeder programs of the operators).
 * When the name with a prefix yields no address, the name without it is resolved. */
#define SEEDS_ALL (SPV_SEED_X9 | SPV_SEED_XD | SPV_SEED_X49 | SPV_SEED_X809 | SPV_SEED_X849)
static const struct spv_dns_seed no_seeds[] = {{NULL, 0}};
static const struct spv_dns_seed mainnet_seeds[] = {
    {"seed.bitcoin.sipa.be", SPV_SEED_X9 | SPV_SEED_XD},
    {"dnsseed.bluematt.me", SPV_SEED_X9},
    {"seed.bitcoin.jonasschnelli.ch", SPV_SEED_X9 | SPV_SEED_XD},
    {"seed.btc.petertodd.net", SPV_SEED_X9 | SPV_SEED_XD},
    {"seed.bitcoin.sprovoost.nl", SPV_SEED_X9},
    {"dnsseed.emzy.de", SPV_SEED_X9},
    {"seed.bitcoin.wiz.biz", SPV_SEED_X9},
    {"seed.mainnet.achownodes.xyz", SEEDS_ALL},
    {NULL, 0},
};
static const struct spv_dns_seed testnet3_seeds[] = {
    {"testnet-seed.bitcoin.jonasschnelli.ch", SPV_SEED_X9},
    {"seed.tbtc.petertodd.net", SPV_SEED_X9},
    {"seed.testnet.bitcoin.sprovoost.nl", SPV_SEED_X9},
    {"testnet-seed.bluematt.me", 0}, /* a static list */
    {"seed.testnet.achownodes.xyz", SEEDS_ALL},
    {NULL, 0},
};
static const struct spv_dns_seed testnet4_seeds[] = {
    {"seed.testnet4.bitcoin.sprovoost.nl", SPV_SEED_X9},
    {"seed.testnet4.wiz.biz", SPV_SEED_X9},
    {NULL, 0},
};
static const struct spv_dns_seed signet_seeds[] = {
    {"seed.signet.bitcoin.sprovoost.nl", SPV_SEED_X9},
    {"seed.signet.achownodes.xyz", SEEDS_ALL},
    {NULL, 0},
};

static const struct spv_params all_params[SPV_NETWORKS] = {
    {
        .net = SPV_NETID_MAINNET,
        .genesis = {1, {{0}}, GENESIS_ROOT, 1231006505, 0x1d00ffff, 2083236893},
        .pow_limit = LIMIT_32_BITS,
        .pow_limit_bits = 0x1d00ffff,
        .target_timespan = TWO_WEEKS_S,
        .target_spacing = TEN_MINUTES_S,
        .halving_interval = FOUR_YEARS,
        .extra_peers_after_s = EXTRA_PEERS_AFTER_S,
        .stale_warning_after_s = STALE_WARNING_AFTER_S,
        .bip34_height = 227931,
        .bip66_height = 363725,
        .bip65_height = 388381,
        .segwit_height = 481824,
        .checkpoints = spv_checkpoints_mainnet,
        .n_checkpoints = SPV_N_CHECKPOINTS_MAINNET,
        .filter_checkpoints = spv_filter_checkpoints_mainnet,
        .n_filter_checkpoints = SPV_N_FILTER_CHECKPOINTS_MAINNET,
        .min_work = {{UINT64_C(0x09ad8a9820433c68), UINT64_C(0xdee8e2a3), 0, 0}},
        .dns_seeds = mainnet_seeds,
        .fixed_seeds = &spv_fixed_seeds_mainnet,
    },
    {
        .net = SPV_NETID_TESTNET3,
        .genesis = {1, {{0}}, GENESIS_ROOT, 1296688602, 0x1d00ffff, 414098458},
        .pow_limit = LIMIT_32_BITS,
        .pow_limit_bits = 0x1d00ffff,
        .target_timespan = TWO_WEEKS_S,
        .target_spacing = TEN_MINUTES_S,
        .halving_interval = FOUR_YEARS,
        .extra_peers_after_s = EXTRA_PEERS_AFTER_S,
        .stale_warning_after_s = STALE_WARNING_AFTER_S,
        .min_difficulty = true,
        .bip34_height = 21111,
        .bip66_height = 330776,
        .bip65_height = 581885,
        .segwit_height = 834624,
        .checkpoints = spv_checkpoints_testnet3,
        .n_checkpoints = SPV_N_CHECKPOINTS_TESTNET3,
        .filter_checkpoints = spv_filter_checkpoints_testnet3,
        .n_filter_checkpoints = SPV_N_FILTER_CHECKPOINTS_TESTNET3,
        .min_work = {{UINT64_C(0x270dd94fac1d7632), UINT64_C(0x16dd), 0, 0}},
        .dns_seeds = testnet3_seeds,
    },
    {
        .net = SPV_NETID_TESTNET4,
        .genesis = {1, {{0}}, TESTNET4_ROOT, 1714777860, 0x1d00ffff, 393743547},
        .pow_limit = LIMIT_32_BITS,
        .pow_limit_bits = 0x1d00ffff,
        .target_timespan = TWO_WEEKS_S,
        .target_spacing = TEN_MINUTES_S,
        .halving_interval = FOUR_YEARS,
        .extra_peers_after_s = EXTRA_PEERS_AFTER_S,
        .stale_warning_after_s = STALE_WARNING_AFTER_S,
        .min_difficulty = true,
        .bip94 = true,
        .bip34_height = 1,
        .bip66_height = 1,
        .bip65_height = 1,
        .segwit_height = 1,
        .checkpoints = spv_checkpoints_testnet4,
        .n_checkpoints = SPV_N_CHECKPOINTS_TESTNET4,
        .filter_checkpoints = spv_filter_checkpoints_testnet4,
        .n_filter_checkpoints = SPV_N_FILTER_CHECKPOINTS_TESTNET4,
        .min_work = {{UINT64_C(0x4690fe592dc49c7c), UINT64_C(0x034a), 0, 0}},
        .dns_seeds = testnet4_seeds,
        .fixed_seeds = &spv_fixed_seeds_testnet4,
    },
    {
        .net = SPV_NETID_SIGNET,
        .genesis = {1, {{0}}, GENESIS_ROOT, 1598918400, 0x1e0377ae, 52613770},
        .pow_limit = LIMIT_SIGNET,
        .pow_limit_bits = 0x1e0377ae,
        .target_timespan = TWO_WEEKS_S,
        .target_spacing = TEN_MINUTES_S,
        .halving_interval = FOUR_YEARS,
        .extra_peers_after_s = EXTRA_PEERS_AFTER_S,
        .stale_warning_after_s = STALE_WARNING_AFTER_S,
        .bip34_height = 1,
        .bip66_height = 1,
        .bip65_height = 1,
        .segwit_height = 1,
        .checkpoints = spv_checkpoints_signet,
        .n_checkpoints = SPV_N_CHECKPOINTS_SIGNET,
        .filter_checkpoints = spv_filter_checkpoints_signet,
        .n_filter_checkpoints = SPV_N_FILTER_CHECKPOINTS_SIGNET,
        .min_work = {{UINT64_C(0x0000067d328e681a), 0, 0, 0}},
        .dns_seeds = signet_seeds,
        .fixed_seeds = &spv_fixed_seeds_signet,
        /* of 512103ad5e0e...f6c452ae, BIP325's default challenge */
        .challenge_hash = {0x0f, 0x1b, 0xf2, 0xe1, 0x22, 0xfd, 0xc7, 0x76, 0xde, 0x65, 0xc6,
                           0xf8, 0xc2, 0x09, 0x01, 0x75, 0x78, 0x51, 0x2d, 0x19, 0x92, 0x51,
                           0xab, 0x99, 0xf0, 0x35, 0x0b, 0xdd, 0xda, 0xa7, 0x30, 0x5f},
    },
    {
        .net = SPV_NETID_REGTEST,
        .halving_interval = 150,
        .genesis = {1, {{0}}, GENESIS_ROOT, 1296688602, 0x207fffff, 2},
        .pow_limit = LIMIT_1_BIT,
        .pow_limit_bits = 0x207fffff,
        .target_timespan = TWO_WEEKS_S,
        .target_spacing = TEN_MINUTES_S,
        .no_retarget = true,
        .bip34_height = 1,
        .bip66_height = 1,
        .bip65_height = 1,
        .segwit_height = 0,
        .filter_checkpoints = spv_filter_checkpoints_regtest,
        .n_filter_checkpoints = SPV_N_FILTER_CHECKPOINTS_REGTEST,
        .dns_seeds = no_seeds,
    },
    {
        .net = SPV_NETID_SIMNET,
        .genesis = {1, {{0}}, GENESIS_ROOT, 1401292357, 0x207fffff, 2},
        .pow_limit = LIMIT_1_BIT,
        .pow_limit_bits = 0x207fffff,
        .target_timespan = TWO_WEEKS_S,
        .target_spacing = TEN_MINUTES_S,
        .halving_interval = FOUR_YEARS,
        .min_difficulty = true,
        .segwit_height = UINT32_MAX,
        .filter_checkpoints = spv_filter_checkpoints_simnet,
        .n_filter_checkpoints = SPV_N_FILTER_CHECKPOINTS_SIMNET,
        .dns_seeds = no_seeds,
    },
};

const struct spv_params *spv_params_get(enum spv_network network)
{
    for (size_t i = 0; i < SPV_NETWORKS; i++)
        if (all_params[i].net.network == network)
            return &all_params[i];
    return NULL;
}

int spv_params_signet(struct spv_params *out, const uint8_t *challenge, size_t n)
{
    struct spv_netid net;
    int rc = spv_netid_signet(&net, challenge, n);

    if (rc < 0)
        return rc;
    *out = *spv_params_get(SPV_SIGNET);
    spv_sha256d(out->challenge_hash, challenge, n);
    if (memcmp(out->challenge_hash, spv_params_get(SPV_SIGNET)->challenge_hash, 32) == 0)
        return 0;
    out->net = net;
    out->checkpoints = NULL;
    out->n_checkpoints = 0;
    out->n_filter_checkpoints = 1; /* genesis is the same */
    out->min_work = (struct spv_u256){{0}};
    out->dns_seeds = no_seeds;
    out->fixed_seeds = NULL;
    return 0;
}
