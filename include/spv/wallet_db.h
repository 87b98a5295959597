/* A wallet in the headers database (docs/schema.md): its rows are loaded into a spv_wallet, its
 * changes are applied in the transaction that moves the tip, and programs read history, coins and
 * balances from the tables, also while another process writes.
 *
 * A database has one wallet, which begins with the first row that is written. What cannot be
 * downloaded again (watches, labels, tags, used and reserved indexes, published transactions, the
 * database id) survives spv_store_repair, or the repair is refused and the file stays unchanged.
 *
 * Functions return as those of spv/store.h, and have its thread rule. Hashes are in internal byte
 * order, amounts in satoshis, times in unix seconds. */
#ifndef SPV_WALLET_DB_H
#define SPV_WALLET_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/broadcast.h"
#include "spv/store.h"
#include "spv/wallet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ours: longest texts of labels and tags; BIP329 advises at most 255 characters */
#define SPV_LABEL_MAX 4096 /* bytes of one text, without its NUL */
#define SPV_TAG_MAX 255 /* bytes, without its NUL */

/* Changes that one database transaction applies together. */
struct spv_store_update {
    const struct spv_chain_update *chain; /* NULL: none */
    bool drop_filters; /* delete the filter headers and kept filters from a height on */
    uint32_t drop_filters_from;
    const struct spv_wallet_update *wallet; /* NULL: none */
    const struct spv_broadcast_update *broadcast; /* NULL: none */
};

/* Applies everything in one transaction: a crash leaves the state before or after it. Deferred
 * updates are committed first. The first rows of a wallet make the file accessible to its owner
 * only (mode 0600), and its folder (0700) when there is nothing else in that. *update is read
 * during the call. Returns 0, SPV_ERR_STATE (`chain` does not continue the stored chain, or a row
 * that is changed is not stored), SPV_ERR_INVALID, SPV_ERR_TOO_MANY (above SPV_BROADCAST_MAX_TXS),
 * SPV_ERR_DB_READONLY or a database error; after an error nothing is written, and the caller frees
 * the wallet and loads it again. */
SPV_API int spv_store_apply_all(struct spv_store *s, const struct spv_store_update *update);

/* Loads all rows into a new wallet, from one snapshot, and ends the loading. Returns 1; 0 when
 * there is no wallet, and *wallet is unchanged; SPV_ERR_DB_DAMAGED, SPV_ERR_NOMEM or another
 * database error, after which the wallet must be freed. */
SPV_API int spv_store_load_wallet(struct spv_store *s, struct spv_wallet *wallet);

/* Loads the published transactions into a new object, and ends its loading. Returns how many
 * transactions there are; SPV_ERR_DB_DAMAGED, SPV_ERR_NOMEM or another database error, after which
 * the object must be freed. */
SPV_API int spv_store_load_broadcast(struct spv_store *s, struct spv_broadcast *b,
                                     struct spv_now now);

/* The wallet's metadata (table wallet_meta). */
struct spv_wallet_info {
    uint64_t database_id; /* random; with a revision it is a caller's cursor: when the id differs,
                             all revisions are new to the caller */
    struct spv_wallet_meta meta;
    bool has_bloom; /* a bloom filter was loaded into a peer: all later ones have its tweak and size
                       (BIP37) */
    uint32_t bloom_tweak;
    uint32_t bloom_size; /* bytes */
};
/* Returns 1, 0 when there is no wallet, or a database error. */
SPV_API int spv_store_wallet_info(struct spv_store *s, struct spv_wallet_info *out);

/* Each of the following functions writes in a transaction of its own, and creates the wallet when
 * there is none. */

/* Stores tweak and size of the bloom filter. Returns 0 or a database error. */
SPV_API int spv_store_set_bloom(struct spv_store *s, uint32_t tweak, uint32_t size);
/* Sets a caller's tag of a watch; NULL removes it. Returns 0, SPV_ERR_NOT_FOUND, SPV_ERR_TOO_LONG
 * or a database error. */
SPV_API int spv_store_set_tag(struct spv_store *s, uint64_t watch, const char *tag);

/* A label (BIP329). Its key is type, ref and origin. */
enum spv_label_spendable {
    SPV_LABEL_SPENDABLE_UNSET = -1,
    SPV_LABEL_NOT_SPENDABLE = 0,
    SPV_LABEL_SPENDABLE = 1,
};
struct spv_label {
    const char *type; /* "tx", "addr", "pubkey", "input", "output" or "xpub" */
    const char *ref;
    const char *label; /* NULL: none */
    const char *origin; /* NULL: none */
    enum spv_label_spendable spendable;
};
/* Writes labels, replacing those with their keys, and lines of an import that were not understood,
 * each stored once, in one transaction. Returns 0, SPV_ERR_INVALID (no type or ref),
 * SPV_ERR_TOO_LONG or a database error. */
SPV_API int spv_store_add_labels(struct spv_store *s, const struct spv_label *labels, size_t n,
                                 const char *const *lines, size_t n_lines);
/* Returns 1 when there was one with this key (label and spendable are not compared), 0 or an error
 * as above. */
SPV_API int spv_store_remove_label(struct spv_store *s, const struct spv_label *label);

/* ---- reading ---- */

enum spv_wallet_list {
    SPV_WALLET_LIST_HISTORY = 0, /* in chain order, unconfirmed transactions last */
    SPV_WALLET_LIST_HISTORY_REVERSED = 1,
    SPV_WALLET_LIST_HISTORY_CHANGES = 2, /* by revision, which is the key's first part */
    SPV_WALLET_LIST_COINS = 3, /* not spent by a confirmed transaction; by balance */
    SPV_WALLET_LIST_WATCHES = 4,
    SPV_WALLET_LIST_BRANCHES = 5,
    SPV_WALLET_LIST_BALANCES = 6, /* the first one is that of all watches */
    SPV_WALLET_LIST_LABELS = 7,
    SPV_WALLET_LIST_LABEL_LINES = 8,
    SPV_WALLET_LIST_BROADCASTS = 9, /* by id */
};
#define SPV_WALLET_LISTS 10

/* The position of an item in its list. A page begins after the last key of the page before; its
 * cost does not depend on the position. */
struct spv_wallet_key {
    uint64_t part[3];
};

struct spv_wallet_coin_item {
    struct spv_wallet_coin coin;
    uint64_t tx; /* id of its transaction */
    uint64_t spender; /* id of the unconfirmed transaction that spends it; 0: none */
};
struct spv_wallet_watch_item {
    struct spv_wallet_watch_row row;
    const char *tag; /* NULL: none */
};

/* Borrowed by the iterator until the next call with it. */
struct spv_wallet_item {
    struct spv_wallet_key key; /* HISTORY..., COINS, WATCHES; else zero */
    union {
        struct spv_wallet_tx_row tx; /* without raw form and proof */
        struct spv_wallet_coin_item coin;
        struct spv_wallet_watch_item watch;
        struct spv_wallet_branch_row branch;
        struct spv_wallet_balance_row balance;
        struct spv_label label;
        const char *line;
        struct spv_broadcast_row broadcast;
    } of; /* by list */
};

/* Lists of a wallet, all from one snapshot, which later writes do not change. */
struct spv_wallet_iter;

/* The caller closes *out with spv_wallet_iter_close before the store. Returns 0, SPV_ERR_NOT_FOUND
 * (there is no wallet) or a database error. */
SPV_API int spv_wallet_iter_open(struct spv_wallet_iter **out, struct spv_store *s);
/* Returns the metadata in the snapshot, valid until it is closed. */
SPV_API const struct spv_wallet_info *spv_wallet_iter_info(const struct spv_wallet_iter *it);
/* Begins a list, after a key (NULL: at its first item). Lists without keys always begin at the
 * first item. Returns 0 or a database error (of the store). */
SPV_API int spv_wallet_iter_list(struct spv_wallet_iter *it, enum spv_wallet_list list,
                                 const struct spv_wallet_key *after);
/* Returns 1 and the next item of the list, 0 at its end, or a database error. */
SPV_API int spv_wallet_iter_next(struct spv_wallet_iter *it, struct spv_wallet_item *out);
/* Fills in a transaction by its id, with raw form and proof (empty: none), borrowed until the next
 * call with the iterator; the current list is not affected. Returns 1, 0 when there is none, or a
 * database error. */
SPV_API int spv_wallet_iter_tx(struct spv_wallet_iter *it, struct spv_wallet_tx_row *out,
                               uint64_t id);
/* The same by txid; of several (old coinbases) the one in the highest block. Returns as
 * spv_wallet_iter_tx. */
SPV_API int spv_wallet_iter_find_tx(struct spv_wallet_iter *it, struct spv_wallet_tx_row *out,
                                    const struct spv_txid *txid);
/* Fills in what up to cap watches received and spent in a transaction, by watch. Returns how many
 * watches there are, or a database error. */
SPV_API int spv_wallet_iter_shares(struct spv_wallet_iter *it, struct spv_wallet_share_row *out,
                                   size_t cap, uint64_t tx);
/* NULL is ignored. */
SPV_API void spv_wallet_iter_close(struct spv_wallet_iter *it);

#ifdef __cplusplus
}
#endif

#endif
