/* States of the transactions that are in no block of the best chain. They are evaluated again at
 * the end of each operation, from the tables alone: the order of operations does not matter. */
#ifndef SPV_WALLET_WALLET_STATES_H
#define SPV_WALLET_WALLET_STATES_H

#include "spv/wallet/wallet_state.h"

/* Evaluates all pending transactions, and marks those that changed as dirty. Returns 0 or
 * SPV_ERR_NOMEM. */
int spv_wallet_evaluate(struct spv_wallet *w);

/* Whether a transaction is sufficiently announced (spv/wallet.h) to take coins from the balances.
 */
bool spv_wallet_has_enough_groups(const struct spv_wallet *w, const struct spv_tx_record *tx);

#endif
