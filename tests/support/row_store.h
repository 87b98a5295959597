/* A store of a wallet's rows in memory: it applies changes by their keys, as a database would, and
 * loads a wallet from them. */
#ifndef SPV_TESTS_SUPPORT_ROW_STORE_H
#define SPV_TESTS_SUPPORT_ROW_STORE_H

#include "support/random.h"
#include "support/unit.h"

#include "spv/wallet.h"

struct stored_row {
    struct spv_wallet_change row; /* its pointers point at the following */
    char *text;
    uint8_t *bytes;
    uint8_t *proof;
};

struct row_store {
    struct stored_row *rows;
    size_t n, cap;
};

void row_store_free(struct row_store *store);
/* Applies changes. */
void row_store_update(struct row_store *store, const struct spv_wallet_update *update);
/* Applies the changes of a wallet, which are then stored. Returns how many there were. */
size_t row_store_apply(struct row_store *store, struct spv_wallet *wallet);
/* Loads a wallet; fails the test on errors. */
struct spv_wallet *row_store_load(const struct row_store *store,
                                  const struct spv_wallet_config *cfg);
/* The same, but returns the error, with *out NULL. */
int row_store_try_load(struct spv_wallet **out, const struct row_store *store,
                       const struct spv_wallet_config *cfg);
/* The row of a kind with these numbers in its key (0 where a kind has fewer); NULL: none. */
const struct spv_wallet_change *row_store_find(const struct row_store *store,
                                               enum spv_wallet_row_kind kind, uint64_t a,
                                               uint64_t b);
/* Demands that rows of coins, balances and transactions say what the wallet says, and that a wallet
 * loaded from the rows says the same and changes nothing. */
void row_store_check(const struct row_store *store, const struct spv_wallet *wallet,
                     const struct spv_wallet_config *cfg);

#endif
