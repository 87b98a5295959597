/* The wallet's tables in memory: transactions, the outputs that they spend, and coins, each an
 * array of records; an index refers to a record. The files wallet_*.c share them;
 * spv_wallet_end_operation (wallet_update.h) is called at the end of every operation. */
#ifndef SPV_WALLET_WALLET_STATE_H
#define SPV_WALLET_WALLET_STATE_H

#include "spv/wallet.h"
#include "spv/wallet/watch_set.h"

/* A transaction that is in no block, while states are evaluated (wallet_states.c). */
enum spv_eval_state {
    SPV_EVAL_OPEN = 0,
    SPV_EVAL_CANDIDATE = 1, /* in the set whose transactions are tried together */
    SPV_EVAL_ACCEPTED = 2, /* it conflicts with no other accepted one, as in a mempool */
    SPV_EVAL_REJECTED = 3,
};

struct spv_tx_record {
    struct spv_wallet_tx_row row; /* id 0: the record is free. Its raw form and proof are empty */
    uint64_t peer; /* the one that sent it first; 0: none */
    uint32_t n_bytes; /* of the raw form */
    int64_t paid; /* sum of all its outputs, satoshis */
    uint32_t first_spend; /* list of its spends; SPV_NO_INDEX: none */
    uint32_t first_coin; /* list of its coins */
    uint32_t next; /* in the list of free records */
    uint8_t *raw; /* while it is in no block: it is matched again when scripts are added */
    uint8_t *new_raw; /* not yet in a change of rows; owned */
    size_t n_new_raw;
    uint8_t *new_proof;
    size_t n_new_proof;
    uint32_t eval_index; /* its index in the evaluation's list (wallet_states.c) */
    uint8_t eval_state; /* enum spv_eval_state */
    uint8_t bound_state; /* enum bound_state (wallet_bounds.c) */
    bool in_balance; /* unconfirmed: its outputs, and what it spends, are in the balances */
    bool trusted;
    bool dirty; /* it is in spv_wallet.dirty */
    bool changed; /* its row must be written */
};

/* An output that a transaction spends. */
struct spv_spend_record {
    struct spv_txid prev;
    uint32_t vout;
    uint32_t tx; /* index of the spending transaction */
    uint32_t next; /* in the list of the same transaction, or of free records */
};

/* A coin: an output with a script of the watch set. */
struct spv_coin_record {
    int64_t value;
    uint32_t tx;
    uint32_t vout;
    uint32_t script;
    uint32_t next; /* in the list of the same transaction, or of free records */
    uint32_t next_of_script; /* in the list of the same script */
    uint64_t spender; /* id of the confirmed or sufficiently announced transaction that spends it;
                         0: none */
    uint8_t balance; /* enum spv_balance_kind */
    bool active; /* an active script or a watched outpoint: it is in history and balances */
    bool written; /* it has a stored row */
};

struct spv_number_list {
    uint32_t *at;
    size_t n, cap;
};

/* A change of a row, with the bytes that it points at. */
struct spv_owned_change {
    struct spv_wallet_change change;
    uint8_t *bytes; /* raw form or script */
    uint8_t *proof;
};

struct spv_wallet {
    struct spv_wallet_config cfg;
    int error; /* of a failed operation; every later one is refused */
    bool loading;
    struct spv_watch_set set;
    struct spv_wallet_meta meta;
    bool meta_changed;
    uint64_t dropped;

    struct spv_tx_record *txs;
    size_t n_txs, cap_txs;
    uint32_t free_tx;
    struct spv_spend_record *spends;
    size_t n_spends, cap_spends;
    uint32_t free_spend;
    struct spv_coin_record *coins;
    size_t n_coins, cap_coins;
    uint32_t free_coin;
    struct spv_probe_table by_txid; /* transactions */
    struct spv_probe_table by_prev; /* spends, by the outpoint */
    struct spv_probe_table by_outpoint; /* coins */
    struct spv_number_list in_blocks; /* confirmed transactions, by height and position */
    struct spv_number_list pending; /* all others */
    struct spv_number_list dirty;
    size_t n_pending_scripts; /* scripts that the transactions of `pending` were matched with */
    struct spv_number_list immature; /* coins in the balance IMMATURE; some entries are outdated */

    int64_t balances[SPV_BALANCE_KINDS];
    bool balance_changed;
    bool removed; /* a transaction was removed, so conflicts of others may have ended */
    bool must_sum_balances; /* windows reached coins that were known: the balances of all watches
                               are summed again */

    struct spv_owned_change *changes; /* of rows of transactions and coins */
    size_t n_changes, cap_changes;
    uint64_t *deleted_watches; /* ids of watches whose rows must be deleted */
    size_t n_deleted, cap_deleted;
    struct spv_wallet_change *update; /* what spv_wallet_changes returned last */
    size_t cap_update;
};

/* ---- wallet_table.c ---- */

int spv_number_list_push(struct spv_number_list *list, uint32_t number);

/* The transaction with a txid; of several (old coinbases) the one in the highest block.
 * SPV_NO_INDEX: none. */
uint32_t spv_wallet_find_tx(const struct spv_wallet *w, const struct spv_txid *txid);
/* The transaction with a txid in one block, which is or was on the best chain. */
uint32_t spv_wallet_find_in_block(const struct spv_wallet *w, const struct spv_txid *txid,
                                  const struct spv_blockhash *block);
/* The coin of that transaction at an output; SPV_NO_INDEX: none. */
uint32_t spv_wallet_find_coin(const struct spv_wallet *w, const struct spv_txid *txid,
                              uint32_t vout);
/* Iterates over the transactions that spend an output. */
struct spv_probe_iter spv_wallet_spenders(const struct spv_wallet *w, const struct spv_txid *txid,
                                          uint32_t vout);
bool spv_wallet_next_spender(const struct spv_wallet *w, struct spv_probe_iter *iter,
                             const struct spv_txid *txid, uint32_t vout, uint32_t *tx);

/* Marks a transaction as dirty: it is evaluated again when the operation ends. */
int spv_wallet_mark_dirty(struct spv_wallet *w, uint32_t tx);
/* Marks all transactions with its txid, and those that spend its outputs, as dirty. */
int spv_wallet_mark_related_dirty(struct spv_wallet *w, uint32_t tx);

/* Adds a record for a transaction, in no block and dirty. Returns 0 and its number, or an error.
 */
int spv_wallet_add_tx(struct spv_wallet *w, uint32_t *number, const struct spv_tx *tx,
                      const struct spv_txid *txid, uint64_t id);
/* Adds coins for the outputs with scripts of the watch set that have none yet. */
int spv_wallet_add_coins(struct spv_wallet *w, uint32_t tx, const struct spv_tx *parsed);
/* Removes a record. Deleting the transaction's row deletes those of its coins. */
void spv_wallet_remove_tx(struct spv_wallet *w, uint32_t tx);
/* Removes the coins of a transaction whose scripts have no owner any more. */
void spv_wallet_remove_unowned_coins(struct spv_wallet *w, uint32_t tx);
/* Move a transaction between `pending` and `in_blocks`; its row has the block. */
int spv_wallet_move_to_block(struct spv_wallet *w, uint32_t tx);
int spv_wallet_move_to_pending(struct spv_wallet *w, uint32_t tx);
/* The first entry of in_blocks above a height. */
size_t spv_wallet_first_above(const struct spv_wallet *w, uint64_t height);

static inline bool spv_tx_is_confirmed(const struct spv_tx_record *tx)
{
    return tx->row.block.height != SPV_NO_HEIGHT;
}

#endif
