/* The watch set: watches, the windows of their branches, and their scripts.
 *
 * The scripts of a branch are derived up to the end of its window and look-ahead. An index that is
 * used (paid by any transaction ever seen) or reserved moves the window's end to `gap` indexes
 * beyond it; windows never shrink. A script is active for a watch when its index is in the window.
 */
#ifndef SPV_WALLET_WATCH_SET_H
#define SPV_WALLET_WATCH_SET_H

#include "spv/descriptor.h"
#include "spv/wallet/script_table.h"
#include "spv/watch.h"

/* A branch of a watch: one path of a multipath descriptor (BIP389). A watch of another kind has one
 * branch with one index. */
struct spv_watch_branch {
    uint32_t n_used; /* indexes 0 to n_used - 1: up to the highest one that is used or reserved */
    uint32_t window; /* indexes 0 to window - 1 are active */
    uint32_t n_derived; /* indexes 0 to n_derived - 1 have their scripts in the table */
    uint32_t n_scanned; /* indexes 0 to n_scanned - 1: all blocks from the birthday were scanned for
                           their scripts */
    uint32_t *scripts; /* indexes into the script table, per_index of them per index */
    size_t n_scripts;
    bool ended; /* an index has no key (BIP32): the branch ends before it */
    bool changed; /* it differs from its stored row */
    uint32_t n_written; /* derived indexes whose scripts have stored rows */
};

struct spv_watch_entry {
    uint64_t id; /* 0: the slot is free */
    struct spv_watch_target watch; /* script and descriptor text are NULL: they are in the script
                                      table and in `descriptor` */
    struct spv_descriptor *descriptor;
    struct spv_watch_branch *branches;
    size_t n_branches;
    uint32_t per_index; /* scripts per index */
    bool changed; /* it differs from its stored row */
    bool balance_changed;
    int64_t balances[5]; /* used by the wallet: satoshis by enum spv_balance_kind */
    int64_t received,
        spent; /* used by the wallet: in the transaction whose shares are being computed */
    bool has_share;
};

/* A window that moved: indexes first to end - 1 are active now. */
struct spv_window_move {
    uint32_t watch; /* its slot */
    uint32_t branch;
    uint32_t first;
    uint32_t end;
};

struct spv_watch_set {
    unsigned networks; /* SPV_NETWORK_BITs that keys and addresses must fit */
    uint32_t lookahead;
    uint64_t next_id;
    struct spv_watch_entry *watches;
    size_t n_watches, cap_watches;
    size_t n_txids; /* watches of kind TXID */
    struct spv_script_table scripts;
    struct spv_window_move *moves; /* not yet popped */
    size_t n_moves, cap_moves;
};

/* The set must be zeroed. */
void spv_watch_set_init(struct spv_watch_set *set, const struct spv_rng *rng, unsigned networks,
                        uint32_t lookahead);
void spv_watch_set_free(struct spv_watch_set *set);

/* Adds a watch and derives its window and look-ahead. An equal one (the same canonical text, script
 * or outpoint) gets the larger gap and the earlier birthday instead; with an earlier birthday all
 * its scripts need a rescan again. Returns 0 and *slot, or an error of spv_wallet_watch. The set is
 * unchanged then, except after SPV_ERR_NOMEM and SPV_ERR_TOO_MANY: it must be freed. */
int spv_watch_set_add(struct spv_watch_set *set, struct spv_text_error *why, uint32_t *slot,
                      const struct spv_watch_target *watch);
/* Adds a watch that was stored, without deriving. Errors as above, and SPV_ERR_INVALID for an id
 * that is 0 or in use. */
int spv_watch_set_restore(struct spv_watch_set *set, struct spv_text_error *why, uint32_t *slot,
                          const struct spv_watch_target *watch, uint64_t id);
/* Sets what was stored of a branch; its scripts follow, in order. Returns 0 or SPV_ERR_INVALID. */
int spv_watch_set_restore_branch(struct spv_watch_set *set, uint64_t id, uint32_t branch,
                                 uint32_t n_used, uint32_t n_scanned);
/* Appends a stored script to a branch. Returns 0, SPV_ERR_INVALID, SPV_ERR_TOO_MANY or
 * SPV_ERR_NOMEM. */
int spv_watch_set_restore_script(struct spv_watch_set *set, uint64_t id, uint32_t branch,
                                 uint32_t index, struct spv_bytes script);
/* Derives the scripts that the windows of all branches lack. Returns 0 or an error. */
int spv_watch_set_restore_end(struct spv_watch_set *set);

/* Frees a slot and removes it as owner of its scripts. */
void spv_watch_set_remove(struct spv_watch_set *set, uint32_t slot);
/* The slot of an id, or SPV_NO_INDEX. */
uint32_t spv_watch_set_slot(const struct spv_watch_set *set, uint64_t id);
/* Whether a transaction is watched by its id. */
bool spv_watch_set_has_txid(const struct spv_watch_set *set, const struct spv_txid *txid);

/* Whether an output with a script is active for an owner of the script: the index is in the window;
 * of a watched outpoint, the output is that outpoint. */
bool spv_watch_set_is_active(const struct spv_watch_set *set, const struct spv_script_owner *owner,
                             const struct spv_txid *txid, uint32_t vout);
/* A transaction pays the script: moves the windows of the owners for which it is active. Returns 0,
 * SPV_ERR_TOO_MANY or SPV_ERR_NOMEM. */
int spv_watch_set_use_script(struct spv_watch_set *set, uint32_t script);
/* Marks the indexes below n_used as used or reserved. Returns as spv_watch_set_use_script. */
int spv_watch_set_use_index(struct spv_watch_set *set, uint32_t slot, uint32_t branch,
                            uint32_t n_used);
/* No block was scanned yet: no script needs a rescan. */
void spv_watch_set_set_scanned(struct spv_watch_set *set);
/* The end of a branch's rescan range, from n_scanned on; 0: none. A watched txid is a range of one
 * index. */
uint32_t spv_watch_set_rescan_end(const struct spv_watch_entry *entry, uint32_t branch);
/* Returns true and the next window that moved, or false. */
bool spv_watch_set_next_move(struct spv_watch_set *set, struct spv_window_move *out);

size_t spv_watch_set_memory(const struct spv_watch_set *set);

#endif
