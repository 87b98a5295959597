/* Filter headers (BIP157) that two independent sources agree on: the tables of neutrino, of Wasabi
 * Wallet 2.8.3, a review that compared them with Bitcoin Core, and mainnet's 100,000 computed from
 * block 100,000. Values that only one source has are left out. Those of genesis blocks follow from
 * the blocks (tests/unit/spv/filters/test_genesis.c computes them). */
#include "spv/params/filter_checkpoints.h"

#include "spv/params/checkpoints.h"

/* clang-format off */
const struct spv_filter_checkpoint spv_filter_checkpoints_mainnet[SPV_N_FILTER_CHECKPOINTS_MAINNET] = {
    {0, SPV_HASH(0x02c2392180d0ce2b, 0x5b6f8b08d39a11ff, 0xe831c673311a3ecf, 0x77b97fc3f0303c9f)},
    {100000, SPV_HASH(0xf28cbc1ab369eb01, 0xb7b5fe8bf59763ab, 0xb73a31471fe404a2, 0x6a06be4153aa7fa5)},
    {500000, SPV_HASH(0x5d16ca293c9bdc0a, 0x9bc279b63f99fb66, 0x1be38b095a59a442, 0x00a807caaa631a3c)},
    {600000, SPV_HASH(0xbde0854d0b2f4386, 0xa860462547140e0c, 0x6817f5b4b2ab515e, 0xf70e204e377598f8)},
    {900000, SPV_HASH(0x8627fbbd8fb0acbc, 0xaac7f7360ee2d9e7, 0xef033350d1b509d4, 0xd49b4b6d3a69f447)},
    {930000, SPV_HASH(0x8c0eb22b34748ba7, 0x31062fb3bee7fa56, 0xd0b0352d3f9fc234, 0xa111cd0c8a78d1a6)},
};

const struct spv_filter_checkpoint spv_filter_checkpoints_testnet3[SPV_N_FILTER_CHECKPOINTS_TESTNET3] = {
    {0, SPV_HASH(0x21584579b7eb0899, 0x7773e5aeff3a7f93, 0x2700042d0ed2a612, 0x9012b7d7ae81b750)},
    {100000, SPV_HASH(0x97c0633f14625627, 0xfcd133250ad8cc52, 0x5937e776b5f3fd27, 0x2b06d02c58b65a1c)},
    {200000, SPV_HASH(0x51aa817e5abe3acd, 0xcf103616b1a5736c, 0xaf84bc3773a7286e, 0x9081108ecc38cc87)},
    {400000, SPV_HASH(0x4aab9b3d4312cd85, 0xcfcd48a08b36c440, 0x2bfdc1e8395dcf42, 0x36c3029dfa837c48)},
    {600000, SPV_HASH(0x713d9c9198e2dba0, 0x739e85aab6875cb9, 0x51c36297b95a2d51, 0x131aa6919753b55d)},
    {800000, SPV_HASH(0x0dafdff27269a702, 0x93c120b14b1f5e9a, 0x72a5e8688098cfc6, 0x140b9d64f8325b99)},
    {1000000, SPV_HASH(0xc2043fa2f6eb5f8f, 0x8d2c5584f743187f, 0x36302ed86b62c302, 0xe31155f378da9c5f)},
    {1400000, SPV_HASH(0xf9ae1750483d4c8c, 0xe82512616b1ded93, 0x2886af46decb8d3e, 0x575907930542d9b3)},
    {1500000, SPV_HASH(0xdc0cfa13daf09df9, 0xb8dbe7532f75ebdb, 0x4255860b295016b2, 0xca4b789394bc5090)},
};

const struct spv_filter_checkpoint spv_filter_checkpoints_testnet4[SPV_N_FILTER_CHECKPOINTS_TESTNET4] = {
    {0, SPV_HASH(0x0bf21f76e7229834, 0x99fdf053df229813, 0xd79bad9e0dfd316e, 0xd3e89de2c4b7b2f1)},
};

const struct spv_filter_checkpoint spv_filter_checkpoints_signet[SPV_N_FILTER_CHECKPOINTS_SIGNET] = {
    {0, SPV_HASH(0x0d56a463c236df12, 0xc9ef21ba12f27fa1, 0x7ac4bf7792a36d16, 0x36cb231f822076f4)},
};

const struct spv_filter_checkpoint spv_filter_checkpoints_regtest[SPV_N_FILTER_CHECKPOINTS_REGTEST] = {
    {0, SPV_HASH(0x485e301e4509d7f0, 0xd954bf5b529f3ece, 0xf68c5191fd0e635f, 0x775c1d0266dc5a2b)},
};

const struct spv_filter_checkpoint spv_filter_checkpoints_simnet[SPV_N_FILTER_CHECKPOINTS_SIMNET] = {
    {0, SPV_HASH(0xcf24d6ca4862839d, 0xbafe633c144fd92d, 0xf0ceb3a7c9c99fd7, 0x3208795d5c0fefb2)},
};
