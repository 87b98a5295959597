/* The end of an operation: recomputes windows, states, coins and balances of what the operation
 * marked as dirty, and collects the rows that differ as changes. */
#ifndef SPV_WALLET_WALLET_UPDATE_H
#define SPV_WALLET_WALLET_UPDATE_H

#include "spv/wallet/wallet_state.h"

/* Marks the scripts that a transaction pays as used, until no window moves any more. */
int spv_wallet_use_scripts(struct spv_wallet *w, uint32_t tx);
/* Activates the coins in the windows that have moved. */
int spv_wallet_follow_windows(struct spv_wallet *w);
/* Deletes a transaction: its row, and those of its coins and shares. */
int spv_wallet_delete_tx(struct spv_wallet *w, uint32_t tx);
/* Removes the coins of a transaction whose scripts have no owner any more, and their rows. */
int spv_wallet_drop_unowned_coins(struct spv_wallet *w, uint32_t tx);
/* Ends an operation whose result is rc: a number, or an error, after which all further operations
 * are refused. Returns rc or another error. */
int spv_wallet_end_operation(struct spv_wallet *w, int rc);
/* Frees the collected changes. */
void spv_wallet_drop_changes(struct spv_wallet *w);

#endif
