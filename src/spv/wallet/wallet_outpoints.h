/* The outputs whose spends a source of coins is to find: all that the wallet has and no confirmed
 * transaction spends, those of look-ahead scripts included, whose window may come later. */
#ifndef SPV_WALLET_WALLET_OUTPOINTS_H
#define SPV_WALLET_WALLET_OUTPOINTS_H

#include "spv/wallet.h"

struct spv_wallet_outpoint {
    struct spv_txid txid;
    uint32_t vout;
    struct spv_bytes script; /* valid until the next input of the wallet */
};

/* Returns true and the next one, or false; *next is 0 at first. */
bool spv_wallet_next_outpoint(const struct spv_wallet *wallet, uint64_t *next,
                              struct spv_wallet_outpoint *out);

#endif
