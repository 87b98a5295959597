/* The watch set: watches, the windows of their branches, and the scripts that are looked for.
 *
 * The scripts of a branch are derived up to the end of its window and look-ahead. An index that is
 * used (paid by any transaction ever seen) or handed out moves the window's end to `gap` indexes
 * beyond it; windows never shrink. A script counts for a watch when its index is in the window. */
#ifndef SPV_WALLET_WATCH_SET_H
#define SPV_WALLET_WATCH_SET_H

#include "spv/descriptor.h"
#include "spv/wallet/script_table.h"
#include "spv/watch.h"

/* A branch of a watch. One that is no descriptor has one branch with one index. */
struct spv_watch_branch {
    uint32_t n_used; /* indexes up to the highest one used or handed out */
    uint32_t window; /* indexes that count */
    uint32_t n_derived; /* indexes whose scripts are in the table */
    uint32_t n_scanned; /* indexes whose scripts were looked for in all blocks */
    uint32_t *scripts; /* numbers of scripts, scripts_per_index an index */
    size_t n_scripts;
    bool ended; /* an index without a key (BIP32): nothing beyond it */
    bool changed; /* since the wallet wrote its row */
    uint32_t n_written; /* derived indexes whose scripts the wallet wrote as rows */
};

struct spv_watch_entry {
    uint64_t id; /* 0: the slot is free */
    struct spv_watch_target watch; /* script and descriptor are not borrowed: NULL */
    struct spv_descriptor *descriptor;
    struct spv_watch_branch *branches;
    size_t n_branches;
    uint32_t per_index; /* scripts an index */
    bool changed; /* since the wallet wrote its row */
    bool balance_changed;
    int64_t balances[5]; /* the wallet's: satoshis by enum spv_balance_kind */
    int64_t received, spent; /* the wallet's: the part in the transaction at hand */
    bool has_share;
};

/* A window that moved: indexes first to end - 1 count now. */
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

/* The set is zeroed. */
void spv_watch_set_init(struct spv_watch_set *set, const struct spv_rng *rng, unsigned networks,
                        uint32_t lookahead);
void spv_watch_set_free(struct spv_watch_set *set);

/* Adds a watch and derives its window and look-ahead. An equal one (the same canonical text, script
 * or outpoint) gets the larger gap and the earlier birthday instead; with an earlier birthday all
 * its scripts are unsearched again. Returns 0 and *slot, or an error of spv_wallet_watch with the
 * set unchanged, but for SPV_ERR_NOMEM and SPV_ERR_TOO_MANY, after which it must be freed. */
int spv_watch_set_add(struct spv_watch_set *set, struct spv_text_error *why, uint32_t *slot,
                      const struct spv_watch_target *watch);
/* Adds a watch that was stored, without deriving. Errors as above, and SPV_ERR_INVALID for an id
 * that is 0 or there already. */
int spv_watch_set_restore(struct spv_watch_set *set, struct spv_text_error *why, uint32_t *slot,
                          const struct spv_watch_target *watch, uint64_t id);
/* Sets what was stored of a branch; its scripts follow, in order. Returns 0 or SPV_ERR_INVALID. */
int spv_watch_set_restore_branch(struct spv_watch_set *set, uint64_t id, uint32_t branch,
                                 uint32_t n_used, uint32_t n_scanned);
/* Appends a stored script to a branch. Returns 0, SPV_ERR_INVALID, SPV_ERR_TOO_MANY or
 * SPV_ERR_NOMEM. */
int spv_watch_set_restore_script(struct spv_watch_set *set, uint64_t id, uint32_t branch,
                                 uint32_t index, struct spv_bytes script);
/* Derives what the windows of all branches need and have not. Returns 0 or an error. */
int spv_watch_set_restore_end(struct spv_watch_set *set);

/* Frees a slot; its scripts are disowned. */
void spv_watch_set_remove(struct spv_watch_set *set, uint32_t slot);
/* The slot of an id, or SPV_NO_INDEX. */
uint32_t spv_watch_set_slot(const struct spv_watch_set *set, uint64_t id);
/* Whether a transaction is watched by its id. */
bool spv_watch_set_has_txid(const struct spv_watch_set *set, const struct spv_txid *txid);

/* Returns true when an owner has the index in its window and, if it watches an outpoint, this one
 * is it. */
bool spv_watch_set_is_active(const struct spv_watch_set *set, const struct spv_script_owner *owner,
                             const struct spv_txid *txid, uint32_t vout);
/* A transaction pays the script in an output that counts: moves the windows of its owners. Returns
 * 0, SPV_ERR_TOO_MANY or SPV_ERR_NOMEM. */
int spv_watch_set_use_script(struct spv_watch_set *set, uint32_t script);
/* Marks the indexes below n_used as used or handed out. Returns as spv_watch_set_use_script. */
int spv_watch_set_use_index(struct spv_watch_set *set, uint32_t slot, uint32_t branch,
                            uint32_t n_used);
/* Nothing was scanned yet: there is no past that the scripts were not searched in. */
void spv_watch_set_set_scanned(struct spv_watch_set *set);
/* The indexes of a branch that are to be searched: 0 when those in the window were. A watched txid
 * counts as one. */
uint32_t spv_watch_set_rescan_end(const struct spv_watch_entry *entry, uint32_t branch);
/* Returns true and the next window that moved, or false. */
bool spv_watch_set_next_move(struct spv_watch_set *set, struct spv_window_move *out);

size_t spv_watch_set_memory(const struct spv_watch_set *set);

#endif
