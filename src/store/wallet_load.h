/* Reading all rows of the wallet, for its loading and its verification. */
#ifndef SPV_STORE_WALLET_LOAD_H
#define SPV_STORE_WALLET_LOAD_H

#include "store/wallet_rows.h"

/* Passes each row that a statement selects (in the columns of its kind) to `each`, with the name of
 * a malformed column or NULL, until that returns something other than 0. Returns that, 0, or an
 * error of the database. */
int spv_wallet_each_row(struct spv_store *s, enum spv_wallet_row_kind kind, const char *sql,
                        int (*each)(void *ctx, const struct spv_wallet_change *row,
                                    const char *bad),
                        void *ctx);

/* As spv_store_load_broadcast, inside the caller's transaction. */
int spv_wallet_load_broadcast(struct spv_store *s, struct spv_broadcast *b, struct spv_now now);

/* As spv_store_load_wallet, inside the caller's transaction. */
int spv_wallet_load_rows(struct spv_store *s, struct spv_wallet *wallet);

#endif
