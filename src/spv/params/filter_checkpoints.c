/* Filter headers (BIP157) that two independent sources agree on: the tables of neutrino, of Wasabi
 * Wallet 2.8.3, a review that compared them with Bitcoin Core, and mainnet's 100,000 computed from
 * block 100,000. Values that only one source has are left out. */
#include "spv/params/filter_checkpoints.h"

#include "spv/params/checkpoints.h"

/* clang-format off */
const struct spv_filter_checkpoint spv_filter_checkpoints_mainnet[SPV_N_FILTER_CHECKPOINTS_MAINNET] = {
    {100000, SPV_HASH(0xf28cbc1ab369eb01, 0xb7b5fe8bf59763ab, 0xb73a31471fe404a2, 0x6a06be4153aa7fa5)},
    {500000, SPV_HASH(0x5d16ca293c9bdc0a, 0x9bc279b63f99fb66, 0x1be38b095a59a442, 0x00a807caaa631a3c)},
    {600000, SPV_HASH(0xbde0854d0b2f4386, 0xa860462547140e0c, 0x6817f5b4b2ab515e, 0xf70e204e377598f8)},
    {900000, SPV_HASH(0x8627fbbd8fb0acbc, 0xaac7f7360ee2d9e7, 0xef033350d1b509d4, 0xd49b4b6d3a69f447)},
    {930000, SPV_HASH(0x8c0eb22b34748ba7, 0x31062fb3bee7fa56, 0xd0b0352d3f9fc234, 0xa111cd0c8a78d1a6)},
};

const struct spv_filter_checkpoint spv_filter_checkpoints_testnet3[SPV_N_FILTER_CHECKPOINTS_TESTNET3] = {
    {100000, SPV_HASH(0x97c0633f14625627, 0xfcd133250ad8cc52, 0x5937e776b5f3fd27, 0x2b06d02c58b65a1c)},
    {200000, SPV_HASH(0x51aa817e5abe3acd, 0xcf103616b1a5736c, 0xaf84bc3773a7286e, 0x9081108ecc38cc87)},
    {400000, SPV_HASH(0x4aab9b3d4312cd85, 0xcfcd48a08b36c440, 0x2bfdc1e8395dcf42, 0x36c3029dfa837c48)},
    {600000, SPV_HASH(0x713d9c9198e2dba0, 0x739e85aab6875cb9, 0x51c36297b95a2d51, 0x131aa6919753b55d)},
    {800000, SPV_HASH(0x0dafdff27269a702, 0x93c120b14b1f5e9a, 0x72a5e8688098cfc6, 0x140b9d64f8325b99)},
    {1000000, SPV_HASH(0xc2043fa2f6eb5f8f, 0x8d2c5584f743187f, 0x36302ed86b62c302, 0xe31155f378da9c5f)},
    {1400000, SPV_HASH(0xf9ae1750483d4c8c, 0xe82512616b1ded93, 0x2886af46decb8d3e, 0x575907930542d9b3)},
    {1500000, SPV_HASH(0xdc0cfa13daf09df9, 0xb8dbe7532f75ebdb, 0x4255860b295016b2, 0xca4b789394bc5090)},
};
