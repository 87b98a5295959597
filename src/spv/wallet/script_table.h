/* The scripts of a watch set: from the bytes of a script to its owners (watch, branch, index) by
 * one hash probe. Scripts are numbered in the order of addition; a script without owners stays as
 * an empty one until the wallet is loaded again.
 *
 * 100,000 scripts of 34 bytes take less than 10 MB. */
#ifndef SPV_WALLET_SCRIPT_TABLE_H
#define SPV_WALLET_SCRIPT_TABLE_H

#include "spv/tx.h"
#include "spv/wallet/probe_table.h"

#define SPV_NO_INDEX UINT32_MAX /* no record: the end of a list, or not found */

struct spv_script_owner {
    uint32_t watch; /* its slot in the watch set */
    uint32_t index;
    uint32_t next; /* in the table's owners; SPV_NO_INDEX: it is the last */
    uint16_t branch;
};

struct spv_script_entry {
    uint32_t at; /* in the table's bytes */
    uint16_t n; /* bytes; at most SPV_WATCH_MAX_SCRIPT_BYTES */
    uint16_t branch; /* this and the next three: the first owner; most scripts have only one */
    uint32_t watch; /* SPV_NO_INDEX: the script has no owner */
    uint32_t index;
    uint32_t next;
    /* used by the wallet: list of the coins with this script; SPV_NO_INDEX: none */
    uint32_t first_coin;
};

struct spv_script_table {
    uint64_t key[2]; /* of SipHash: random, so that no peer can choose scripts that collide */
    struct spv_script_entry *scripts;
    size_t n, cap;
    struct spv_script_owner *owners; /* of scripts with several owners, all except the first one */
    size_t n_owners, cap_owners;
    uint8_t *bytes;
    size_t n_bytes, cap_bytes;
    struct spv_probe_table by_script;
};

void spv_script_table_free(struct spv_script_table *table);
/* Returns the number of a script, or SPV_NO_INDEX. */
uint32_t spv_script_table_find(const struct spv_script_table *table, struct spv_bytes script);
/* Adds an owner (whose next is ignored) to a script, which is added when it is new. Returns 0 and
 * *number, SPV_ERR_INVALID for an empty script, SPV_ERR_TOO_MANY, SPV_ERR_TOO_LONG or
 * SPV_ERR_NOMEM. */
int spv_script_table_add(struct spv_script_table *table, uint32_t *number, struct spv_bytes script,
                         const struct spv_script_owner *owner);
/* Removes all owners of one watch from a script. Returns true when none is left. */
bool spv_script_table_remove_owner(struct spv_script_table *table, uint32_t number, uint32_t watch);
/* The bytes of a script, valid until the next addition. */
struct spv_bytes spv_script_table_bytes(const struct spv_script_table *table, uint32_t number);

/* Iterates over the owners of a script; the table must not change meanwhile. */
struct spv_owner_iter { /* zeroed: before the first owner */
    bool begun;
    uint32_t next; /* in the table's owners; SPV_NO_INDEX: the end */
};
bool spv_script_table_next_owner(const struct spv_script_table *table, struct spv_script_owner *out,
                                 uint32_t number, struct spv_owner_iter *iter);

size_t spv_script_table_memory(const struct spv_script_table *table);

#endif
