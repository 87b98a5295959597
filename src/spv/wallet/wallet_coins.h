/* Coins: which watches own a coin, which balance it is in, and the balances, which are updated by
 * differences when a coin moves from one to another. */
#ifndef SPV_WALLET_WALLET_COINS_H
#define SPV_WALLET_WALLET_COINS_H

#include "spv/wallet/wallet_state.h"

/* Whether a coin has an active owner; the record's member `active` is set at the end of an
 * operation. */
bool spv_wallet_coin_is_active(const struct spv_wallet *w, const struct spv_coin_record *coin);
/* Iterates over the active owners of a coin, each watch once. */
bool spv_wallet_next_active_owner(const struct spv_wallet *w, const struct spv_coin_record *coin,
                                  struct spv_owner_iter *iter, struct spv_script_owner *out);

uint32_t spv_wallet_confirmations_at(const struct spv_wallet *w, uint32_t height);

/* Moves a coin to another balance. */
void spv_wallet_set_coin_balance(struct spv_wallet *w, struct spv_coin_record *coin,
                                 enum spv_balance_kind balance);
/* Updates the balance and the spender of a coin. Returns 1 when one of them changed, 0, or
 * SPV_ERR_NOMEM. */
int spv_wallet_refresh_coin(struct spv_wallet *w, uint32_t number);
/* Sums the balances of all watches again, after windows have reached known coins. */
void spv_wallet_sum_balances(struct spv_wallet *w);
/* Mark as dirty: the coinbases that have become mature; those that may be immature again after a
 * reorganisation to a height. */
int spv_wallet_mark_matured_dirty(struct spv_wallet *w);
int spv_wallet_mark_immature_dirty(struct spv_wallet *w, uint32_t height);
/* Whether a confirmed transaction spends a coin. */
bool spv_wallet_is_spent_in_block(const struct spv_wallet *w, const struct spv_coin_record *coin);

#endif
