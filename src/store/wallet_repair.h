/* Repairing a wallet's tables. Derived rows are computed again; when rows of transactions are
 * damaged, all transactions are deleted and all scripts are marked as needing a rescan, which finds
 * them again. What cannot be downloaded again is kept, or the repair is refused. */
#ifndef SPV_STORE_WALLET_REPAIR_H
#define SPV_STORE_WALLET_REPAIR_H

#include "store/wallet_rows.h"

/* Inside the caller's transaction. forget: transactions are known to be missing. *rescan: all were
 * deleted, so that a rescan is needed. Returns 0 (also without a wallet), SPV_ERR_STATE with a
 * text: refused, the caller rolls back; or an error of the database. */
int spv_wallet_repair(struct spv_store *s, bool forget, bool *rescan);

/* Copies the wallet of a damaged file into a new database, in one transaction, and repairs it
 * there. Returns as spv_wallet_repair. */
int spv_salvage_wallet(struct spv_store *fresh, struct spv_store *source, bool *rescan);

/* Stores the error text of a refused repair and returns SPV_ERR_STATE. what: "labels". */
int spv_wallet_refuse_repair(struct spv_store *s, const char *what);

#endif
