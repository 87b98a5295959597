/* Name, magic and port of each network, for src/util/network.c and src/spv/params/params.c. */
#ifndef SPV_UTIL_NETWORK_IDS_H
#define SPV_UTIL_NETWORK_IDS_H

/* clang-format off */
#define SPV_NETID_MAINNET {SPV_MAINNET, "mainnet", {0xf9, 0xbe, 0xb4, 0xd9}, 8333}
#define SPV_NETID_TESTNET3 {SPV_TESTNET3, "testnet3", {0x0b, 0x11, 0x09, 0x07}, 18333}
#define SPV_NETID_TESTNET4 {SPV_TESTNET4, "testnet4", {0x1c, 0x16, 0x3f, 0x28}, 48333}
#define SPV_NETID_SIGNET {SPV_SIGNET, "signet", {0x0a, 0x03, 0xcf, 0x40}, 38333}
#define SPV_NETID_REGTEST {SPV_REGTEST, "regtest", {0xfa, 0xbf, 0xb5, 0xda}, 18444}
#define SPV_NETID_SIMNET {SPV_SIMNET, "simnet", {0x16, 0x1c, 0x14, 0x12}, 18555}
/* clang-format on */

#endif
