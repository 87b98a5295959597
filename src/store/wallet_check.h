/* Compares the wallet's tables with what its transactions and watches imply: used by a
 * verification, and by a repair before and after it has changed rows. */
#ifndef SPV_STORE_WALLET_CHECK_H
#define SPV_STORE_WALLET_CHECK_H

#include "store/wallet_rows.h"

/* `found` is called with each contradiction, as a clause whose subject is "the wallet's ...". */
struct spv_wallet_check {
    struct spv_store *s;
    void (*found)(void *ctx, const char *text);
    /* Called after each row of the first pass; non-zero ends the check. */
    int (*row)(void *ctx);
    void *ctx;
};

/* Checks that each row of each table is well-formed. 0 or an error of the database; malformed rows
 * are reported. Inside the caller's transaction. */
int spv_wallet_check_rows(const struct spv_wallet_check *c);

/* Loads all rows and compares. 1: there is a wallet, and *wallet is the caller's; 0: there is none,
 * or the rows contradict each other, which is reported; or an error of the database. min_groups: as
 * in struct spv_wallet_config. */
int spv_wallet_check_load(struct spv_wallet **wallet, const struct spv_wallet_check *c,
                          uint32_t min_groups);
/* Compares what the wallet has computed with the tables. 0 or an error of the database. */
int spv_wallet_check_derived(const struct spv_wallet_check *c, struct spv_wallet *wallet);

/* Loads the published transactions; rows that contradict each other are reported. 0 or an error. */
int spv_wallet_check_broadcast(const struct spv_wallet_check *c);

/* 1: the loaded wallet has changes to transactions or coins, 0: not, or SPV_ERR_NOMEM. */
int spv_wallet_has_changes(struct spv_store *s, struct spv_wallet *wallet);

#endif
