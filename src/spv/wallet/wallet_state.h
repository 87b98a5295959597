/* The wallet's tables in memory: transactions, the outputs that they spend, and the coins, each a
 * pool of records that are known by their numbers. Used by the files wallet_*.c, each of which
 * changes its own part; wallet_update.h is called at the end of every input. */
#ifndef SPV_WALLET_WALLET_STATE_H
#define SPV_WALLET_WALLET_STATE_H

#include "spv/wallet.h"
#include "spv/wallet/watch_set.h"

/* The eval on a transaction that is in no block, while states are evaluated. */
enum spv_eval_state {
    SPV_EVAL_OPEN = 0,
    SPV_EVAL_CANDIDATE = 1, /* in the set that is tried together */
    SPV_EVAL_ACCEPTED = 2,
    SPV_EVAL_REJECTED = 3,
};

struct spv_tx_record {
    struct spv_wallet_tx_row row; /* id 0: the record is free; raw and proof are empty */
    uint64_t peer; /* that sent it first; 0: none */
    uint32_t n_bytes; /* of the raw form */
    int64_t paid; /* sum of all outputs */
    uint32_t first_spend; /* SPV_NO_INDEX: none */
    uint32_t first_coin;
    uint32_t next; /* of the free records */
    uint8_t *raw; /* while it is in no block: it is looked at again when scripts are added */
    uint8_t *new_raw; /* not yet in a change; owned */
    size_t n_new_raw;
    uint8_t *new_proof;
    size_t n_new_proof;
    uint32_t eval_index; /* among the evals of one evaluation */
    uint8_t eval_state; /* enum spv_eval_state */
    uint8_t bound_state; /* enum bound_state (wallet_bounds.c) */
    bool in_balance; /* what it spends and pays counts */
    bool trusted;
    bool dirty; /* in the list of those to be looked at when the input ends */
    bool changed; /* its row must be written */
};

/* An output that a transaction spends. */
struct spv_spend_record {
    struct spv_txid prev;
    uint32_t vout;
    uint32_t tx; /* the spending one */
    uint32_t next; /* of the same transaction, or of the free records */
};

/* An output with a script of the table. */
struct spv_coin_record {
    int64_t value;
    uint32_t tx;
    uint32_t vout;
    uint32_t script;
    uint32_t next; /* of the same transaction, or of the free records */
    uint32_t next_of_script;
    uint64_t spender; /* id of the transaction that counts as spending it; 0: none */
    uint8_t balance; /* enum spv_balance_kind */
    bool active; /* some watch has a part in it */
    bool written; /* it has a row */
};

struct spv_number_list {
    uint32_t *at;
    size_t n, cap;
};

/* A change with the bytes that it points at. */
struct spv_owned_change {
    struct spv_wallet_change change;
    uint8_t *bytes; /* raw form or script */
    uint8_t *proof;
};

struct spv_wallet {
    struct spv_wallet_config cfg;
    int error; /* of a failed input: nothing more is accepted */
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
    struct spv_probe_table by_prev; /* spends, by the output that they spend */
    struct spv_probe_table by_outpoint; /* coins */
    struct spv_number_list in_blocks; /* confirmed transactions by height and position */
    struct spv_number_list pending; /* all others */
    struct spv_number_list dirty;
    size_t n_pending_scripts; /* scripts that `pending` was looked at with */
    struct spv_number_list immature; /* coins; some may have changed since */

    int64_t balances[SPV_BALANCE_KINDS];
    bool balance_changed;
    bool removed; /* a transaction that others may have conflicted with */
    bool must_sum_balances; /* windows reached coins that were there: balances of watches are added
                               anew */

    struct spv_owned_change *changes; /* of transactions and coins */
    size_t n_changes, cap_changes;
    uint64_t *deleted_watches; /* ids whose rows must be deleted */
    size_t n_deleted, cap_deleted;
    struct spv_wallet_change *update; /* what spv_wallet_changes returned last */
    size_t cap_update;
};

/* ---- wallet_table.c ---- */

int spv_number_list_push(struct spv_number_list *list, uint32_t number);

/* The transaction with a txid; of several (old coinbases) the one in the highest block.
 * SPV_NO_INDEX: none. */
uint32_t spv_wallet_find_tx(const struct spv_wallet *w, const struct spv_txid *txid);
/* The one in a block that is or was on the best chain. */
uint32_t spv_wallet_find_in_block(const struct spv_wallet *w, const struct spv_txid *txid,
                                  const struct spv_blockhash *block);
/* The coin of the transaction that spv_wallet_find_tx returns; SPV_NO_INDEX: none. */
uint32_t spv_wallet_find_coin(const struct spv_wallet *w, const struct spv_txid *txid,
                              uint32_t vout);
/* Iterates over the transactions that spend an output. */
struct spv_probe_iter spv_wallet_spenders(const struct spv_wallet *w, const struct spv_txid *txid,
                                          uint32_t vout);
bool spv_wallet_next_spender(const struct spv_wallet *w, struct spv_probe_iter *iter,
                             const struct spv_txid *txid, uint32_t vout, uint32_t *tx);

/* Looks at a transaction again when the input ends. */
int spv_wallet_mark_dirty(struct spv_wallet *w, uint32_t tx);
/* Touches all transactions with its txid, and those that spend its outputs. */
int spv_wallet_mark_related_dirty(struct spv_wallet *w, uint32_t tx);

/* Adds a record for a transaction, in no block and dirty. Returns 0 and its number, or an error.
 */
int spv_wallet_add_tx(struct spv_wallet *w, uint32_t *number, const struct spv_tx *tx,
                      const struct spv_txid *txid, uint64_t id);
/* Adds the outputs with scripts of the table that are not yet coins. */
int spv_wallet_add_coins(struct spv_wallet *w, uint32_t tx, const struct spv_tx *parsed);
/* Removes a record. Its coins' rows go with that of the transaction. */
void spv_wallet_remove_tx(struct spv_wallet *w, uint32_t tx);
/* Removes the coins of a transaction that have no owner any more. */
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
