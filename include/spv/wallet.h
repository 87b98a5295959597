/* A watch-only wallet: transactions that concern a watch set, their states, coins and balances. It
 * performs no I/O and reads no clock: blocks and transactions go in, and rows to store come out.
 *
 * A call that changes the wallet is an operation; an input is always that of a transaction. Every
 * operation collects changes of rows. spv_wallet_changes returns those since the last
 * spv_wallet_stored; a store applies them in one database transaction, together with the headers
 * that they belong to, so that a crash leaves the old state or the new one. After an error of class
 * LOCAL, or when the store failed, the wallet is freed and loaded again from its rows.
 *
 * A light client verifies no scripts: anyone can invent an unconfirmed transaction that pays this
 * wallet or spends its coins. A transaction that spends coins of this wallet is in the balances
 * only when it was published here, was in a block that left the best chain, or was announced by
 * peers of two network groups: then it is sufficiently announced.
 *
 * Arguments are read during the call only; what the wallet keeps, it copies. What it returns is
 * borrowed, until the next call that changes it.
 *
 * Thread rule: all calls on one wallet from one thread at a time; different wallets are
 * independent. Amounts are in satoshis, times in unix seconds, hashes in internal byte order. */
#ifndef SPV_WALLET_H
#define SPV_WALLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/block.h"
#include "spv/error.h"
#include "spv/export.h"
#include "spv/network.h"
#include "spv/tx.h"
#include "spv/types.h"
#include "spv/watch.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_NO_HEIGHT UINT32_MAX /* not in a block of the best chain */
#define SPV_COINBASE_MATURITY 100 /* consensus: a coinbase is spendable with 101 confirmations */

/* ours: unconfirmed transactions; anyone may invent them, so they are bounded */
#define SPV_WALLET_MAX_UNCONFIRMED 1000
#define SPV_WALLET_MAX_UNCONFIRMED_BYTES 10000000 /* ours: of them together, serialised */
#define SPV_WALLET_MAX_UNCONFIRMED_PEER 100 /* ours: first announced by one peer */
/* ours: unconfirmed spenders of one output; evaluation compares each with all others */
#define SPV_WALLET_MAX_CONFLICTS 25
/* ours: announcing network groups that are stored per transaction */
#define SPV_WALLET_MAX_GROUPS 8
#define SPV_WALLET_MIN_GROUPS 2 /* ours: one peer alone cannot take a coin from the balance */
#define SPV_WALLET_EXPIRY_S 1209600 /* 14 days: Bitcoin Core's DEFAULT_MEMPOOL_EXPIRY_HOURS */

struct spv_wallet;

/* A block: height and hash together. */
struct spv_point {
    uint32_t height;
    struct spv_blockhash hash;
};

enum spv_tx_state {
    SPV_TX_UNCONFIRMED = 1,
    SPV_TX_CONFIRMED = 2, /* in a block of the best chain */
    SPV_TX_REPLACED = 3, /* another unconfirmed one spends the same output: `conflict` */
    SPV_TX_CONFLICTED = 4, /* a confirmed one spends what it or an ancestor spends: `conflict` */
    SPV_TX_ORPHANED = 5, /* a coinbase whose block left the best chain, or its descendant */
    SPV_TX_EXPIRED = 6, /* not announced for 14 days and not published here, or its descendant */
};

enum spv_tx_flag {
    SPV_TX_FLAG_COINBASE = 1,
    SPV_TX_FLAG_PUBLISHED = 2, /* given to spv_wallet_publish */
    SPV_TX_FLAG_WAS_CONFIRMED = 4, /* in a block that left the best chain */
    SPV_TX_FLAG_HAS_WITNESS = 8, /* the raw form has one */
    SPV_TX_FLAG_STRIPPED = 16, /* came without witness (BIP37): its wtxid is unknown */
    SPV_TX_FLAG_DEPTH_PROVEN = 32, /* spv/merkle.h: the proof shows a transaction */
    SPV_TX_FLAG_EXPIRED = 64,
};

/* Which balance a coin is in. */
enum spv_balance_kind {
    SPV_BALANCE_NONE = 0, /* spent by an unconfirmed transaction, or of one that is in no balance */
    SPV_BALANCE_CONFIRMED = 1,
    SPV_BALANCE_TRUSTED_PENDING = 2, /* of a transaction published here whose inputs are trusted */
    SPV_BALANCE_UNTRUSTED_PENDING = 3,
    SPV_BALANCE_IMMATURE = 4, /* of a coinbase with 100 confirmations or fewer */
};
#define SPV_BALANCE_KINDS 5

/* ---- rows ---- */

struct spv_wallet_meta {
    struct spv_point scanned; /* height SPV_NO_HEIGHT: nothing yet */
    uint64_t revision; /* grows by one with each change of a transaction's row, and is stored in it:
                          a reader that remembers it can ask for all later changes */
    uint64_t next_tx; /* ids of transactions and watches are never used again */
    uint64_t next_watch;
};
struct spv_wallet_watch_row {
    uint64_t id;
    struct spv_watch_target watch; /* the descriptor in its canonical text */
};
struct spv_wallet_branch_row {
    uint64_t watch;
    uint32_t branch;
    uint32_t n_used; /* indexes 0 to n_used - 1: up to the highest one that is used or reserved */
    uint32_t window; /* indexes 0 to window - 1 are active: payments to them are in history and
                        balances */
    uint32_t n_scanned; /* indexes 0 to n_scanned - 1: all blocks from the birthday to the scanned
                           height were scanned for their scripts */
};
struct spv_wallet_script_row { /* of a descriptor: of its window and look-ahead */
    struct spv_script_origin origin;
    struct spv_bytes script;
};
struct spv_wallet_tx_row {
    uint64_t id; /* ascending in the order in which transactions were first seen */
    uint64_t revision; /* of its last change; 0: it concerns no active script (yet), and is in no
                          history */
    struct spv_txid txid;
    /* height SPV_NO_HEIGHT unless confirmed; orphaned: its former block's hash */
    struct spv_point block;
    uint32_t position; /* in the block */
    uint32_t flags; /* enum spv_tx_flag */
    uint32_t state; /* enum spv_tx_state */
    uint32_t n_groups; /* network groups that announced it, SPV_WALLET_MAX_GROUPS at most */
    uint64_t groups[SPV_WALLET_MAX_GROUPS];
    int64_t block_time;
    int64_t first_seen;
    int64_t last_seen; /* when it was last announced, or its block left the best chain; updated at
                          most once per day */
    struct spv_txid conflict; /* REPLACED, CONFLICTED; else zero */
    int64_t received; /* by all watches together: a coin that several watch is added once */
    int64_t spent;
    int64_t fee; /* -1 unless every input spends a coin of some watch */
    struct spv_bytes raw; /* empty in a change: the stored one stays */
    struct spv_bytes proof; /* gettxoutproof bytes; empty in a change: the stored ones stay */
};
struct spv_wallet_coin_row {
    uint64_t tx; /* id of the transaction */
    uint32_t vout;
    uint32_t balance; /* enum spv_balance_kind */
    int64_t value;
    struct spv_bytes script;
    uint64_t spender; /* id of the confirmed or sufficiently announced transaction that spends it;
                         0: none */
};
struct spv_wallet_share_row { /* what one watch received and spent in a transaction */
    uint64_t tx;
    uint64_t watch;
    int64_t received;
    int64_t spent;
};
struct spv_wallet_balance_row {
    uint64_t watch; /* 0: all watches together, each coin once */
    int64_t amount[SPV_BALANCE_KINDS]; /* by enum spv_balance_kind; that of NONE is 0 */
};

enum spv_wallet_row_kind {
    SPV_WALLET_ROW_META = 1,
    SPV_WALLET_ROW_WATCH = 2, /* key id; deletion takes its branches, scripts, shares, balance */
    SPV_WALLET_ROW_BRANCH = 3, /* key watch, branch */
    SPV_WALLET_ROW_SCRIPT = 4, /* key watch, branch, index, script; never changed */
    SPV_WALLET_ROW_TX = 5, /* key id; deletion takes its coins and shares */
    SPV_WALLET_ROW_COIN = 6, /* key tx, vout */
    SPV_WALLET_ROW_SHARE = 7, /* key tx, watch */
    SPV_WALLET_ROW_BALANCE = 8, /* key watch */
};
/* One row that is written or, by its key, deleted. */
struct spv_wallet_change {
    enum spv_wallet_row_kind kind;
    bool deleted;
    union {
        struct spv_wallet_meta meta;
        struct spv_wallet_watch_row watch;
        struct spv_wallet_branch_row branch;
        struct spv_wallet_script_row script;
        struct spv_wallet_tx_row tx;
        struct spv_wallet_coin_row coin;
        struct spv_wallet_share_row share;
        struct spv_wallet_balance_row balance;
    } row; /* by kind */
};
/* To be applied in order, in one database transaction. */
struct spv_wallet_update {
    const struct spv_wallet_change *changes;
    size_t n;
};

/* ---- life cycle ---- */

struct spv_wallet_config {
    struct spv_rng rng; /* required: keys of hash tables */
    unsigned networks; /* SPV_NETWORK_BITs that keys and addresses must fit */
    uint32_t lookahead; /* scripts per branch beyond the window; usually SPV_WATCH_LOOKAHEAD */
    uint32_t min_groups; /* network groups that must announce an unconfirmed transaction before what
                            it spends leaves the balances; 0: SPV_WALLET_MIN_GROUPS. With manual
                            peers only, pass their number if it is lower */
};

/* Creates an empty wallet; the caller frees it with spv_wallet_free. Returns 0 or SPV_ERR_NOMEM. */
SPV_API int spv_wallet_new(struct spv_wallet **out, const struct spv_wallet_config *cfg);
SPV_API void spv_wallet_free(struct spv_wallet *wallet); /* NULL is allowed */

/* Loads one stored row into a wallet before any operation: META first, then WATCH, BRANCH, SCRIPT
 * by ascending index, TX by ascending id with its raw form, COIN. SHARE and BALANCE are ignored:
 * they are derived. Where rows contradict each other, or a watch was stored that needs a rescan,
 * there are changes after spv_wallet_load_end. Returns 0, SPV_ERR_DB_DAMAGED for a row that this
 * library does not write, SPV_ERR_STATE after spv_wallet_load_end or an operation, or
 * SPV_ERR_NOMEM. */
SPV_API int spv_wallet_load(struct spv_wallet *wallet, const struct spv_wallet_change *row);
/* All rows are loaded. Returns 0 or an error as above. */
SPV_API int spv_wallet_load_end(struct spv_wallet *wallet);

/* Fills in the changes since the last spv_wallet_stored; they are valid until the next call on the
 * wallet. Returns 0, SPV_ERR_STATE after a failed operation, or SPV_ERR_NOMEM. */
SPV_API int spv_wallet_changes(struct spv_wallet *wallet, struct spv_wallet_update *out);
/* These changes are durable. */
SPV_API void spv_wallet_stored(struct spv_wallet *wallet);

/* ---- watch set ---- */

/* Watches something. An equal watch (the same canonical descriptor, script, outpoint or txid) keeps
 * its id and gets the larger gap and the earlier birthday. Its scripts need a rescan:
 * spv_wallet_next_rescan. Returns 0 and *id, an error of spv_descriptor_parse or SPV_ERR_HARDENED
 * with *why (which may be NULL) filled, SPV_ERR_INVALID (a kind, an empty script, a gap above
 * SPV_WATCH_MAX_GAP), SPV_ERR_TOO_LONG (a script), SPV_ERR_TOO_MANY above SPV_WATCH_MAX_WATCHES or
 * SPV_WATCH_MAX_SCRIPTS, SPV_ERR_STATE after a failed operation, or SPV_ERR_NOMEM. */
SPV_API int spv_wallet_watch(struct spv_wallet *wallet, uint64_t *id, struct spv_text_error *why,
                             const struct spv_watch_target *watch);
/* Ends a watch; transactions and coins that concern no other watch are deleted. Returns 0,
 * SPV_ERR_NOT_FOUND, SPV_ERR_STATE or SPV_ERR_NOMEM. */
SPV_API int spv_wallet_unwatch(struct spv_wallet *wallet, uint64_t id);
/* Reserves the first index of a branch above all that are used or reserved (Bitcoin Core:
 * getnewaddress). The window moves, so the address may be shown to a payer as soon as the changes
 * are stored. Returns 0 and *index, SPV_ERR_NOT_FOUND for an unknown watch or branch,
 * SPV_ERR_UNSUPPORTED without a range, SPV_ERR_TOO_MANY at the end of the range, SPV_ERR_STATE or
 * SPV_ERR_NOMEM. */
SPV_API int spv_wallet_reserve_index(struct spv_wallet *wallet, uint32_t *index, uint64_t id,
                                     uint32_t branch);

/* Returns the number of scripts to scan for, which only grows: a scan adds the new ones. */
SPV_API size_t spv_wallet_script_count(const struct spv_wallet *wallet);
/* Returns script i; empty when it is not watched any more. Valid until the next operation. */
SPV_API struct spv_bytes spv_wallet_script(const struct spv_wallet *wallet, size_t i);
/* Finds the watches, branches and indexes that a script belongs to, also one of the look-ahead, and
 * fills in up to cap of them. Returns how many there are. */
SPV_API size_t spv_wallet_find_script(const struct spv_wallet *wallet,
                                      struct spv_script_origin *out, size_t cap,
                                      struct spv_bytes script);
/* Fills in the script (the first one, when an index has several) at an index of a branch that is in
 * the window or the look-ahead. Returns 0 or SPV_ERR_NOT_FOUND. Valid until the next operation. */
SPV_API int spv_wallet_script_at(const struct spv_wallet *wallet, struct spv_bytes *out,
                                 uint64_t id, uint32_t branch, uint32_t index);
/* Returns true and the next range of scripts that need a rescan, or false; *next is 0 at first. */
SPV_API bool spv_wallet_next_rescan(const struct spv_wallet *wallet, uint64_t *next,
                                    struct spv_rescan_range *out);
/* Returns true and the next script of the range, or false; *next is 0 at first. Valid until the
 * next operation. */
SPV_API bool spv_wallet_next_rescan_script(const struct spv_wallet *wallet, uint64_t *next,
                                           struct spv_bytes *out,
                                           const struct spv_rescan_range *scripts);
/* All blocks from the birthday up to the scanned height were scanned for the scripts of the range.
 * Returns 0, SPV_ERR_NOT_FOUND or SPV_ERR_STATE. */
SPV_API int spv_wallet_rescan_done(struct spv_wallet *wallet,
                                   const struct spv_rescan_range *scripts);

/* ---- blocks and transactions ---- */

/* A transaction that a verified merkle proof shows to be in a block. */
struct spv_proven_tx {
    struct spv_tx tx;
    uint32_t position; /* in the block */
    bool stripped; /* it may have had a witness that was not sent */
    bool depth_proven; /* spv/merkle.h */
    struct spv_bytes proof; /* gettxoutproof bytes */
};
/* A block of the best chain. Header and proofs were verified by the caller. */
struct spv_wallet_block {
    struct spv_point point;
    int64_t time;
    const struct spv_block *whole; /* all of it, or NULL */
    const struct spv_proven_tx *txs; /* without the whole block: those that matched */
    size_t n_txs;
};
/* The next block of the best chain, or the next one that matched: the caller guarantees that no
 * block between the scanned height and this one concerns the watch set. Of a whole block all
 * transactions are scanned, otherwise `txs`. Returns 0, SPV_ERR_INVALID for a height that was
 * scanned already, SPV_ERR_MERKLE_ROOT or SPV_ERR_MERKLE_DUPLICATE for a whole block whose
 * transactions are not those of its header, SPV_ERR_TX_VALUE (after these the wallet is unchanged),
 * SPV_ERR_STATE, SPV_ERR_TOO_MANY or SPV_ERR_NOMEM. */
SPV_API int spv_wallet_connect(struct spv_wallet *wallet, const struct spv_wallet_block *block);
/* Scans a block at or below the scanned height again, for scripts that need a rescan. Blocks are
 * passed in ascending order, so that a coin is known before its spend. Returns 0 or an error as
 * above. */
SPV_API int spv_wallet_rescan_block(struct spv_wallet *wallet,
                                    const struct spv_wallet_block *block);
/* The blocks above `fork` left the best chain. Returns 0, SPV_ERR_INVALID for a point above the
 * scanned height, SPV_ERR_STATE or SPV_ERR_NOMEM. */
SPV_API int spv_wallet_disconnect(struct spv_wallet *wallet, const struct spv_point *fork,
                                  struct spv_now now);

/* The peer that announced or sent an unconfirmed transaction. */
struct spv_tx_source {
    uint64_t peer; /* never 0 */
    uint64_t group; /* a keyed hash of its network group */
    bool stripped; /* sent without witness */
};
/* A peer sent an unconfirmed transaction. Returns 1 when it is stored, 0 when it concerns
 * no watch or does not fit within the bounds of unconfirmed transactions, SPV_ERR_TX_VALUE,
 * SPV_ERR_TX_DUPLICATE_INPUT, SPV_ERR_STATE, SPV_ERR_TOO_MANY or SPV_ERR_NOMEM. */
SPV_API int spv_wallet_receive(struct spv_wallet *wallet, const struct spv_tx *tx,
                               const struct spv_tx_source *source, struct spv_now now);
/* A peer announced an unconfirmed transaction. Returns 1 when it is known, 0 when it is not,
 * SPV_ERR_STATE or SPV_ERR_NOMEM. */
SPV_API int spv_wallet_announced(struct spv_wallet *wallet, const struct spv_txid *txid,
                                 const struct spv_tx_source *source, struct spv_now now);
/* The caller publishes a transaction. It is added whether it concerns a watch or not. Returns 0 or
 * an error as above. */
SPV_API int spv_wallet_publish(struct spv_wallet *wallet, const struct spv_tx *tx,
                               struct spv_now now);
/* The transaction is not published any more, and expires like others. Returns 0, SPV_ERR_NOT_FOUND,
 * SPV_ERR_STATE or SPV_ERR_NOMEM. */
SPV_API int spv_wallet_withdraw(struct spv_wallet *wallet, const struct spv_txid *txid,
                                struct spv_now now);
/* Returns when spv_wallet_expire must be called next, in unix seconds; INT64_MAX: not before the
 * next operation. */
SPV_API int64_t spv_wallet_next_expiry(const struct spv_wallet *wallet);
/* Returns 0, SPV_ERR_STATE or SPV_ERR_NOMEM. */
SPV_API int spv_wallet_expire(struct spv_wallet *wallet, struct spv_now now);

/* ---- reading ---- */

struct spv_wallet_coin {
    struct spv_txid txid;
    uint32_t vout;
    uint32_t height; /* SPV_NO_HEIGHT: unconfirmed */
    uint32_t confirmations;
    enum spv_balance_kind balance;
    int64_t value;
    struct spv_bytes script; /* valid until the next operation */
    struct spv_script_origin origin; /* the first active owner of its script */
    bool coinbase;
    bool spent_unconfirmed;
};

/* Returns the block up to which all blocks are scanned. */
SPV_API struct spv_point spv_wallet_scanned(const struct spv_wallet *wallet);
/* Fills in the balance of a watch, or of all watches together with id 0. Returns 0 or
 * SPV_ERR_NOT_FOUND. */
SPV_API int spv_wallet_balance(const struct spv_wallet *wallet, struct spv_wallet_balance_row *out,
                               uint64_t id);
/* Returns the confirmations of a row: 0 unless it is confirmed. */
SPV_API uint32_t spv_wallet_confirmations(const struct spv_wallet *wallet,
                                          const struct spv_wallet_tx_row *row);
/* The history in chain order, those without a block last, by id. Returns true and the next row
 * (without raw form and proof; valid until the next operation), or false; *next is 0 at first. */
SPV_API bool spv_wallet_next_tx(const struct spv_wallet *wallet, uint64_t *next,
                                const struct spv_wallet_tx_row **out);
/* What each watch received and spent in a transaction (whose row is from spv_wallet_next_tx), by id
 * of the watch. Returns true and the next row, or false; *watch, its id, is 0 at first. */
SPV_API bool spv_wallet_next_share(const struct spv_wallet *wallet, uint64_t *watch,
                                   struct spv_wallet_share_row *out,
                                   const struct spv_wallet_tx_row *row);
/* The coins that are not spent by a confirmed transaction, in no order. Returns true and the next
 * one, or false; *next is 0 at first. */
SPV_API bool spv_wallet_next_coin(const struct spv_wallet *wallet, uint64_t *next,
                                  struct spv_wallet_coin *out);
/* Returns the transactions that were refused or dropped because a bound of unconfirmed ones was
 * hit, since the wallet was created or loaded: when it grows, the caller should warn the user that
 * balances may be incomplete. */
SPV_API uint64_t spv_wallet_dropped(const struct spv_wallet *wallet);
/* Returns the bytes of memory in use. */
SPV_API size_t spv_wallet_memory(const struct spv_wallet *wallet);

#ifdef __cplusplus
}
#endif

#endif
