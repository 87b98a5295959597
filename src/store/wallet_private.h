/* File modes of a database with a wallet. */
#ifndef SPV_STORE_WALLET_PRIVATE_H
#define SPV_STORE_WALLET_PRIVATE_H

#include "store/db.h"

/* Makes the files of the database accessible to their owner only, and the folder as well when it
 * has no other files. Failures are ignored: the file may be another user's, or the file system may
 * have no modes. */
void spv_wallet_make_private(struct spv_store *s);

#endif
