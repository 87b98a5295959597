/* Coins: who counts them, in which balance each is, and the balances, which are kept by differences
 * as coins move between the balances. */
#ifndef SPV_WALLET_WALLET_COINS_H
#define SPV_WALLET_WALLET_COINS_H

#include "spv/wallet/wallet_state.h"

/* Whether some watch counts a coin; the record's balance `active` follows at the end of an input.
 */
bool spv_wallet_coin_is_active(const struct spv_wallet *w, const struct spv_coin_record *coin);
/* Iterates over the watches that count a coin, each once. */
bool spv_wallet_next_active_owner(const struct spv_wallet *w, const struct spv_coin_record *coin,
                                  struct spv_owner_iter *iter, struct spv_script_owner *out);

uint32_t spv_wallet_confirmations_at(const struct spv_wallet *w, uint32_t height);

/* Moves a coin to another balance. */
void spv_wallet_set_coin_balance(struct spv_wallet *w, struct spv_coin_record *coin,
                                 enum spv_balance_kind balance);
/* Finds the balance and the spender of a coin. Returns 1 when one of them changed, 0, or
 * SPV_ERR_NOMEM. */
int spv_wallet_refresh_coin(struct spv_wallet *w, uint32_t number);
/* Adds up the balances of all watches anew, after windows reached coins that were there. */
void spv_wallet_sum_balances(struct spv_wallet *w);
/* Touches the coinbases whose maturity the scanned height changes. */
int spv_wallet_mark_matured_dirty(struct spv_wallet *w);
int spv_wallet_mark_immature_dirty(struct spv_wallet *w, uint32_t height);

#endif
