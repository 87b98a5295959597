/* The network that a database belongs to. */
#ifndef SPV_STORE_NETWORK_ID_H
#define SPV_STORE_NETWORK_ID_H

#include "store/db.h"

/* Each returns 0 or an error of the database. */
/* Writes the network into a new database, inside the caller's transaction. */
int spv_network_id_write(struct spv_store *s);
/* Compares the database with the network that the store was opened for. SPV_ERR_DB_NETWORK: it is
 * another one; SPV_ERR_DB_DAMAGED: the file names none. */
int spv_network_id_check(struct spv_store *s);
/* Takes the network from the file. The same errors; SPV_ERR_DB_NETWORK: this version does not
 * support the network. */
int spv_network_id_load(struct spv_store *s);

#endif
