/* States of the transactions that are in no block of the best chain, evaluated anew at the end of
 * each input: they follow from the tables alone, not from the order of inputs. */
#ifndef SPV_WALLET_WALLET_STATES_H
#define SPV_WALLET_WALLET_STATES_H

#include "spv/wallet/wallet_state.h"

/* Evaluates all pending transactions; those that changed are dirty. Returns 0 or SPV_ERR_NOMEM.
 */
int spv_wallet_evaluate(struct spv_wallet *w);

/* Whether its announcements suffice to take our coins from the balance. */
bool spv_wallet_has_enough_groups(const struct spv_wallet *w, const struct spv_tx_record *tx);

#endif
