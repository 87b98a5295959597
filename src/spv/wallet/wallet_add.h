/* What the inputs of blocks and of unconfirmed transactions share. */
#ifndef SPV_WALLET_WALLET_ADD_H
#define SPV_WALLET_WALLET_ADD_H

#include "spv/wallet/wallet_state.h"

/* Checks what the tables rely on: amounts within the consensus limits, and no output spent twice.
 * Returns 0, SPV_ERR_TX_VALUE, SPV_ERR_TX_DUPLICATE_INPUT or SPV_ERR_NOMEM. */
int spv_wallet_check_tx(const struct spv_tx *tx);

/* Whether a transaction pays a script of the table, spends a coin, or spends what a transaction
 * without a block spends. Its txid matters only for watched txids; txid may be NULL. */
bool spv_wallet_is_relevant(const struct spv_wallet *w, const struct spv_tx *tx,
                            const struct spv_txid *txid);

/* Keeps the raw form of a transaction that is in no block. Returns 0 or SPV_ERR_NOMEM. */
int spv_wallet_keep_raw(struct spv_tx_record *record, const struct spv_tx *tx);

/* Adds a transaction with the next id, or gives a known one the raw form and coins that it lacks: a
 * stripped form never replaces a full one. Scripts are marked as used. */
int spv_wallet_put_tx(struct spv_wallet *w, uint32_t *number, const struct spv_tx *tx,
                      const struct spv_txid *txid, bool stripped);

#endif
