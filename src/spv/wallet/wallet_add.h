/* Adding a transaction to the wallet, for transactions of blocks and unconfirmed ones. */
#ifndef SPV_WALLET_WALLET_ADD_H
#define SPV_WALLET_WALLET_ADD_H

#include "spv/wallet/wallet_state.h"

/* Checks amounts against the consensus limits, and that no output is spent twice: the tables rely
 * on both. Returns 0, SPV_ERR_TX_VALUE, SPV_ERR_TX_DUPLICATE_INPUT or SPV_ERR_NOMEM. */
int spv_wallet_check_tx(const struct spv_tx *tx);

/* Whether a transaction pays a script of the watch set, spends a coin, conflicts with a pending
 * transaction, or has a watched txid. txid may be NULL: watched txids are not compared. */
bool spv_wallet_is_relevant(const struct spv_wallet *w, const struct spv_tx *tx,
                            const struct spv_txid *txid);

/* Stores the raw form of a transaction that is in no block. Returns 0 or SPV_ERR_NOMEM. */
int spv_wallet_keep_raw(struct spv_tx_record *record, const struct spv_tx *tx);

/* Adds a transaction with the next id, or adds missing coins and the raw form to a known one: a
 * form without witness never replaces a full one. Its scripts are marked as used. */
int spv_wallet_put_tx(struct spv_wallet *w, uint32_t *number, const struct spv_tx *tx,
                      const struct spv_txid *txid, bool stripped);

#endif
