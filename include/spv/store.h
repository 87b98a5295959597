/* The headers database: one SQLite file per network (docs/schema.md specifies it).
 *
 * The chain decides which headers are valid; the store keeps them. Each update is one transaction:
 * a crash at any moment leaves a valid chain and loses at most the updates that were not committed.
 * A database has one writer and any number of readers, in any processes.
 *
 * A store and its iterators belong to one thread at a time: only that thread calls functions on
 * them, unless its comment has "any thread". Functions that return int return 0, or what their
 * comment names, or a negative enum spv_err. "A database error" is SPV_ERR_DB_DAMAGED, _DB_BUSY,
 * _DB_FULL, _DB_READONLY, _DB, _IO, _NOMEM or _INTERRUPTED; spv_store_last_error has its text. */
#ifndef SPV_STORE_H
#define SPV_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/addrman.h"
#include "spv/chain.h"
#include "spv/error.h"
#include "spv/filter_db.h"
#include "spv/header_db.h"
#include "spv/params.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_SCHEMA_VERSION 4

enum spv_store_mode {
    SPV_STORE_READ = 0, /* must exist; is never written; works on a read-only file system */
    SPV_STORE_WRITE = 1, /* must exist */
    SPV_STORE_CREATE = 2, /* is created, with its folders, when it does not exist */
};

/* Interrupts stores at work, also while they are being opened. After the request, statements end
 * with SPV_ERR_INTERRUPTED: long read-only ones at once, all others after at most some 5 million
 * operations of SQLite, a third of a second, so that what was received can still be stored. What
 * was committed stays committed. Several stores may share one interrupt. */
struct spv_interrupt;

/* Returns a new interrupt, or NULL: no memory. The caller frees it. Any thread. */
SPV_API struct spv_interrupt *spv_interrupt_new(void);

/* Frees it; its stores and iterators must be closed. NULL is ignored. */
SPV_API void spv_interrupt_free(struct spv_interrupt *stop);

/* Requests the interruption, for good. Any thread; async-signal-safe. */
SPV_API void spv_interrupt_request(struct spv_interrupt *stop);

/* Returns whether it was requested; false for NULL. Any thread. */
SPV_API bool spv_interrupt_requested(const struct spv_interrupt *stop);

/* How to open a database. Copied, except what its pointers point to. */
struct spv_store_config {
    const char *path; /* read during the call */
    /* Read during the call. NULL: the network that is stored in the file; only with
     * SPV_STORE_READ. */
    const struct spv_params *params;
    enum spv_store_mode mode;
    struct spv_interrupt *stop; /* borrowed until the store is closed; NULL: none */
    /* Another program holds a lock that is needed. Called about ten times a second, inside a call
     * of the store, with the time waited for the lock so far (ms): non-zero continues to wait, 0
     * ends the call with SPV_ERR_DB_BUSY. It must not call the store. NULL: gives up after 5
     * seconds when writing, 1 second when reading. */
    int (*busy)(void *ctx, uint32_t waited_ms);
    void *busy_ctx;
};

struct spv_store;

/* Opens a database and checks it: application id, schema version (older ones are migrated in one
 * transaction), network, and the last rows, which are hashed and linked again. A writer deletes an
 * invalid tail (spv_store_lost_rows). *out is the caller's; close it with spv_store_close.
 * Returns 0, SPV_ERR_DB_NONE (no such file, or an empty one), SPV_ERR_DB_NEWER (a later schema),
 * SPV_ERR_DB_NETWORK (another network's), SPV_ERR_DB_BUSY (another writer), SPV_ERR_INVALID,
 * SPV_ERR_NO_DESCRIPTOR or a database error; then *out is NULL, and *why (may be NULL) has the code
 * and a text for the user. Any thread. */
SPV_API int spv_store_open(struct spv_store **out, const struct spv_store_config *cfg,
                           struct spv_error_info *why);

/* Commits deferred updates, checkpoints the write-ahead log, closes and frees the store. NULL is
 * ignored. Returns 0 or a database error; the store is freed in any case. */
SPV_API int spv_store_close(struct spv_store *s);

/* Applies one update of the chain, with the tip, in one transaction. A reorganisation also deletes
 * the filter headers and kept filters above the fork. *update is read during the call. Returns 0,
 * SPV_ERR_STATE (it does not fit the stored chain), SPV_ERR_INVALID (it has no headers),
 * SPV_ERR_DB_READONLY (opened for reading) or a database error; nothing is written then.
 */
SPV_API int spv_store_apply(struct spv_store *s, const struct spv_chain_update *update);

#define SPV_STORE_GROUP_COMMIT 16000 /* headers: 2 MB of pages, half of the page cache */
/* As spv_store_apply, but leaves the transaction open for the next update, so that a first sync
 * waits for the disk less often. Until the commit the update is not durable and readers do not see
 * it. The commit follows after SPV_STORE_GROUP_COMMIT headers, and before any other call that
 * writes, builds the index, flushes or closes. When a later update or the commit fails, the whole
 * open transaction is rolled back: the store is as it was at its last commit. Returns as
 * spv_store_apply. */
SPV_API int spv_store_apply_deferred(struct spv_store *s, const struct spv_chain_update *update);

/* Stores filter headers (BIP157) in one transaction. They are one run of heights: the first one
 * follows the highest stored one; the run begins at genesis, with a built-in filter header
 * (spv_params.filter_checkpoints), or right above one, which is stored as well; but not below the
 * start of the chain. The hash of the last block shows that they are those of the best chain. The
 * link of the first one is checked, and built-in filter headers in between; the links of the others
 * are the caller's. *update is read during the call. Returns 0, SPV_ERR_STATE (they do not fit: a
 * gap, above the tip, another block or filter header), SPV_ERR_INVALID (there are none),
 * SPV_ERR_DB_READONLY or a database error; nothing is written then. */
SPV_API int spv_store_apply_filter_headers(struct spv_store *s,
                                           const struct spv_filter_update *update);
/* The same, but leaves the transaction open, as spv_store_apply_deferred does and together with its
 * updates: a failure rolls the whole transaction back. Returns as the above. */
SPV_API int spv_store_apply_filter_headers_deferred(struct spv_store *s,
                                                    const struct spv_filter_update *update);

/* Deletes the filter headers and kept filters from a height on, in one transaction: for when
 * a block has disproved one of them. Returns 0, SPV_ERR_DB_READONLY or a database error. */
SPV_API int spv_store_drop_filter_headers(struct spv_store *s, uint32_t from);

/* Keeps the filter of a block, so that a later scan needs no network; its filter header must be
 * stored. At most `limit` bytes of filters are kept: the lowest ones are deleted first, in the same
 * transaction. Deferred as spv_store_apply_deferred: a failure rolls the whole transaction back.
 * *filter is read during the call. Returns 1; 0: all other kept filters are above it and it does
 * not fit; SPV_ERR_STATE (it does not match its filter header, or that is not stored),
 * SPV_ERR_INVALID (it is empty), SPV_ERR_TOO_LONG (above SPV_MAX_CFILTER), SPV_ERR_DB_READONLY or a
 * database error. */
SPV_API int spv_store_keep_filter(struct spv_store *s, uint32_t height,
                                  const struct spv_bytes *filter, uint64_t limit);

/* Returns the store as a filter database. A filter is checked against its filter header when it is
 * read: SPV_ERR_DB_DAMAGED. Borrows the store: valid until it is closed, on its thread. */
SPV_API struct spv_filter_db spv_store_filter_db(struct spv_store *s);

/* Commits deferred updates, if there are any. Returns 0 or a database error. */
SPV_API int spv_store_commit(struct spv_store *s);

/* Where the stored chain starts: height 0, work_since 0 for a complete one. It starts higher after
 * a start at a checkpoint (SPV_UPDATE_CHECKPOINT_START) and after spv_store_prune. */
SPV_API void spv_store_get_start(struct spv_store *s, struct spv_chain_start *out);

/* The height up to which the gap below the start is backfilled (SPV_UPDATE_BACKFILL); 0: not at
 * all, or there is no gap. Backfilled headers are no part of the chain until they reach its start.
 * Returns 0 or a database error. */
SPV_API int spv_store_backfill_height(struct spv_store *s, uint32_t *height);

/* Deletes the backfilled headers, so that backfilling starts again at genesis. Returns 0 or a
 * database error. */
SPV_API int spv_store_backfill_reset(struct spv_store *s);

/* Returns the backfilled headers as a header database: its tip is the highest of them, at first
 * genesis. Borrows the store: valid until it is closed, on its thread. */
SPV_API struct spv_header_db spv_store_backfill_db(struct spv_store *s);

/* Deletes the headers, filter headers and kept filters below a height, in one transaction. The
 * height is rounded down to the first block of a difficulty period, and low enough that two periods
 * and the span of a median time remain below the tip. *start (may be NULL): the height at which the
 * chain starts afterwards, which is unchanged when the chain is too short to be pruned. The file
 * shrinks only when it is compacted. Returns 0, SPV_ERR_STATE (a wallet has not yet searched blocks
 * whose headers would go) or a database error. */
SPV_API int spv_store_prune(struct spv_store *s, uint32_t below, uint32_t *start);

/* Commits deferred updates and checkpoints the write-ahead log into the file, synced; a reader's
 * snapshot may keep a part of the log. Returns 0 (also for a reader) or a database error. */
SPV_API int spv_store_flush(struct spv_store *s);

/* Builds the index that finds headers by hash, if there is none. To be built after the first sync,
 * which the index would slow down tenfold. Without it, look-ups by hash find nothing. Returns 0 or
 * a database error. */
SPV_API int spv_store_build_index(struct spv_store *s);

/* Returns whether the hash index existed when the store last checked. */
SPV_API bool spv_store_indexed(const struct spv_store *s);

/* Look-ups in the best chain. Hashes are in internal byte order. Each returns 1 and fills *out, 0:
 * there is no such header, or a database error. */
SPV_API int spv_store_tip(struct spv_store *s, struct spv_chain_header *out);
SPV_API int spv_store_by_height(struct spv_store *s, struct spv_chain_header *out, uint32_t height);
SPV_API int spv_store_by_hash(struct spv_store *s, struct spv_chain_header *out,
                              const struct spv_blockhash *hash);
/* The first of n hashes that spv_store_by_hash finds, in one statement. Also returns
 * SPV_ERR_TOO_LONG: n is above SPV_MAX_LOCATOR. */
SPV_API int spv_store_locate(struct spv_store *s, struct spv_chain_header *out,
                             const struct spv_blockhash *hashes, size_t n);

/* Reads up to n consecutive headers from height `from` into out. Returns how many, or a database
 * error. */
SPV_API int spv_store_range(struct spv_store *s, struct spv_header *out, uint32_t from, uint32_t n);

/* Writes a number that changes when another connection has committed since the last call (SQLite's
 * data_version): cheap enough for several calls a second. Returns 0 or a database error. */
SPV_API int spv_store_data_version(struct spv_store *s, uint32_t *out);

/* Passes each side-branch header to `each`, lowest first, until that returns something other than
 * 0. The header is valid during the call; `each` must not use the store. Malformed rows are
 * skipped. Returns 0, what `each` returned, or a database error. */
SPV_API int spv_store_branches(struct spv_store *s,
                               int (*each)(void *arg, const struct spv_chain_header *header),
                               void *arg);

/* Returns the store as a header database for a chain. Borrows the store: valid until it is closed,
 * on its thread. */
SPV_API struct spv_header_db spv_store_header_db(struct spv_store *s);

/* Return the parameters that the store was opened with or found in the file, and its path as it was
 * given. Borrowed: valid until the store is closed. */
SPV_API const struct spv_params *spv_store_params(const struct spv_store *s);
SPV_API const char *spv_store_path(const struct spv_store *s);

/* Returns how many rows spv_store_open deleted from an invalid tail, or found missing because the
 * write-ahead log was lost. */
SPV_API uint32_t spv_store_lost_rows(const struct spv_store *s);

/* Returns the text of the last call that failed: path, what was tried, why it failed, what to do.
 * Borrowed: valid until the next call on the store. */
SPV_API const char *spv_store_last_error(const struct spv_store *s);

/* An iterator over the best chain from height `from` to `to` (included), under one snapshot and in
 * constant memory. */
struct spv_store_iter;

/* Opens an iterator. *out is the caller's; close it with spv_store_iter_close before the store.
 * Returns 0, SPV_ERR_NOT_FOUND (the chain starts above `from`) or a database error. */
SPV_API int spv_store_iter_open(struct spv_store_iter **out, struct spv_store *s, uint32_t from,
                                uint32_t to);

/* Returns 1 and the next header, 0 at the end, or a database error (of the store). Each header is
 * hashed again: SPV_ERR_DB_DAMAGED where the chain of hashes is broken. */
SPV_API int spv_store_iter_next(struct spv_store_iter *it, struct spv_chain_header *out);

/* Switches to the side branches' headers between the same heights, by height and then hash, under
 * the same snapshot. Returns 0 or a database error. */
SPV_API int spv_store_iter_branches(struct spv_store_iter *it);

/* NULL is ignored. */
SPV_API void spv_store_iter_close(struct spv_store_iter *it);

/* Reads the addresses and bans of the address manager, at most as many as it has slots for. Rows
 * that are malformed are skipped. Damaged tables are replaced by empty ones when writing. *out is
 * the caller's; free it with spv_store_addrman_free. Returns 0 or a database error. */
SPV_API int spv_store_addrman_load(struct spv_store *s, struct spv_addrman_rows *out);

/* Writes changes of the address manager in one transaction. changes is read during the call.
 * Returns 0 or a database error. */
SPV_API int spv_store_addrman_save(struct spv_store *s, const struct spv_addrman_changes *changes);

/* Frees what spv_store_addrman_load allocated, not the struct. Any thread. */
SPV_API void spv_store_addrman_free(struct spv_addrman_rows *rows);

/* Statistics of a database, all from one snapshot. */
struct spv_store_info {
    int schema; /* version of the schema in the file */
    uint64_t headers; /* rows of the best chain and of the backfill */
    uint64_t branch_headers; /* rows of side branches */
    uint64_t filter_headers; /* filter headers: consecutive heights */
    uint32_t filter_headers_from; /* the height of the lowest; only when there are any */
    uint64_t kept_filters, kept_filter_bytes; /* filters that are kept, and their bytes */
    bool has_wallet; /* the following are the wallet's: zeros where there is none */
    uint64_t wallet_watches, wallet_scripts, wallet_txs, wallet_coins; /* rows; coins unspent */
    uint64_t wallet_labels, wallet_broadcasts;
    int64_t wallet_scanned; /* the height up to which blocks were scanned; -1: none */
    uint64_t wallet_revision; /* of the last change */
    uint64_t file_bytes, log_bytes; /* the file and its write-ahead log */
    uint64_t free_bytes; /* of the file: empty pages, which compacting frees */
    int64_t last_sync; /* unix seconds of the last spv_store_set_last_sync; 0: never; -1: unknown */
    char created_by[48]; /* the library and version that created it; empty: unknown */
};
/* Returns 0 or a database error. */
SPV_API int spv_store_get_info(struct spv_store *s, struct spv_store_info *out);

/* Stores the time (unix seconds) at which the chain was synced. Returns 0 or a database error. */
SPV_API int spv_store_set_last_sync(struct spv_store *s, int64_t unix_s);

/* Rewrites the file without empty pages, in one transaction, and checkpoints the log; needs the
 * file's size of free disk space meanwhile. progress (may be NULL) is called every few
 * milliseconds: non-zero ends the call with SPV_ERR_INTERRUPTED and nothing changed; it must not
 * call the store. Returns 0 or a database error. */
SPV_API int spv_store_compact(struct spv_store *s, int (*progress)(void *ctx), void *ctx);

/* A verification hashes and links every row again, checks proof of work and bits, adds up the work
 * and compares: the tip with the metadata, the hash index and all pages with the rows (SQLite's
 * integrity check), side branches with their parents, filter headers with their filter hashes and
 * with built-in ones, kept filters with their hashes, the wallet's shares, coins and balances with
 * what follows from its transactions. With `full` it also checks every header by all rules of
 * consensus (required bits, median times, versions, checkpoints), as a sync does. */
#define SPV_FINDINGS 16 /* kept in a report; the first ones show what broke */
#define SPV_FINDING_TEXT 240 /* bytes, NUL included */
struct spv_finding {
    int64_t height; /* of the header it is about; -1: not about one header */
    char text[SPV_FINDING_TEXT]; /* what is wrong and why; a sentence without the path */
};
struct spv_verify_config {
    const char *path;
    const struct spv_params *params; /* NULL: the network that is stored in the file */
    bool full;
    struct spv_now now; /* with full: a header more than two hours ahead of it ends the run */
    /* Called every few thousand rows; may be NULL. Non-zero ends the run. total is 0 while it is
     * not known. */
    int (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
    struct spv_interrupt *stop; /* borrowed during the call; NULL: none */
};
struct spv_verify_report {
    uint64_t headers; /* rows of the best chain that were read */
    uint64_t branch_headers; /* rows of side branches that were read */
    int64_t tip; /* the highest row's height; -1: none */
    int64_t claimed_height; /* the tip's height in the metadata; -1: none */
    int64_t capacity; /* headers that a file of its size can have; a higher claim is wrong */
    int64_t valid_height; /* everything is valid up to this height; -1: not even the first row */
    bool indexed; /* the hash index is there */
    bool pages_ok; /* SQLite found every page and index valid */
    bool branches_ok; /* side branches are valid */
    bool backfill_ok; /* backfilled headers are valid */
    bool addrs_ok; /* addresses and bans can be read */
    bool filters_ok; /* filter headers and kept filters are valid */
    bool wallet_ok; /* the wallet's rows are valid */
    uint64_t filter_headers; /* rows of filter headers that were read */
    uint64_t kept_filters; /* kept filters that were read */
    uint64_t wallet_rows; /* rows of the wallet that were read */
    int64_t valid_filter_header; /* filter headers are valid up to this height; -1: none is */
    int64_t valid_filter; /* kept filters are valid up to this height; -1: none is */
    struct spv_chain_start start; /* where the chain starts */
    size_t n; /* findings kept, in the order in which they were found */
    uint64_t total; /* all findings */
    struct spv_finding findings[SPV_FINDINGS];
};

/* Reads the whole database under one snapshot and changes nothing; a writer may work meanwhile.
 * Returns 0: everything is valid; SPV_ERR_DB_DAMAGED: the report has what is not;
 * SPV_ERR_INTERRUPTED: progress or stop ended it; SPV_ERR_HDR_TIME_FUTURE (full only): a stored
 * header is ahead of cfg->now, so the clock must be checked, which is never damage; or an error of
 * spv_store_open. *why (may be NULL) has code and text of each of them. Any thread. */
SPV_API int spv_store_verify(struct spv_verify_report *out, const struct spv_verify_config *cfg,
                             struct spv_error_info *why);

enum spv_repair_outcome {
    SPV_REPAIR_NONE = 0, /* everything is valid: nothing was changed, no copy made */
    SPV_REPAIR_REWOUND = 1, /* cut back to the last valid height */
    SPV_REPAIR_SALVAGED = 2, /* pages were damaged: the readable rows were copied to a new file */
    SPV_REPAIR_RECREATED = 3, /* nothing was readable: a new database with the genesis only */
};
#define SPV_PATH_TEXT 4096
struct spv_repair_report {
    enum spv_repair_outcome outcome;
    int64_t height; /* the chain's tip now */
    int64_t lost; /* headers above it that the file had or claimed, at possible heights */
    /* The damaged file, as it was; its -wal is beside it. Empty when nothing was changed. */
    char copy[SPV_PATH_TEXT];
    bool wallet_rescan; /* the wallet's transactions were damaged: the next scan finds them again */
    struct spv_verify_report found; /* what was wrong */
};

/* Repairs a damaged database. It keeps a copy beside it ("<path>.damaged-1", with "-wal", the
 * number the first that is free) and cuts the chain back to the last height up to which everything
 * is valid; a sync fetches the rest again. Tables of addresses or bans that cannot be read are
 * created anew, empty; filter headers and kept filters are deleted from the first bad one on. What
 * follows from a wallet's transactions is computed again. A file with damaged pages is read row by
 * row into a new one, which then replaces it; a file that is no database becomes an empty one
 * (cfg->params must name the network where the file does not). The copy is complete and synced
 * before anything else is written; a crash in between leaves the damaged file or the repaired one.
 * Returns 0, SPV_ERR_DB_NONE, SPV_ERR_DB_BUSY (a writer has it open), SPV_ERR_DB_NEWER and
 * SPV_ERR_DB_NETWORK (the file is valid, and not changed), SPV_ERR_DB_DAMAGED (another program's
 * database: not changed), SPV_ERR_INVALID (no network is named), SPV_ERR_STATE (what a wallet has
 * and cannot be downloaded again is damaged: not changed), SPV_ERR_TOO_LONG,
 * SPV_ERR_HDR_TIME_FUTURE (nothing was changed: the clock must be checked) or a database error. cfg
 * is that of spv_store_verify. Any thread. */
SPV_API int spv_store_repair(struct spv_repair_report *out, const struct spv_verify_config *cfg,
                             struct spv_error_info *why);

/* The default path of a network's database: `file`, when given; datadir/<network>/headers.db;
 * $XDG_DATA_HOME/spv/<network>/headers.db; $HOME/.local/share/spv/<network>/headers.db.
 * Returns 0, SPV_ERR_TOO_LONG, SPV_ERR_NOT_FOUND (no HOME) or SPV_ERR_INVALID. Any thread, as long
 * as none changes the environment. */
SPV_API int spv_store_default_path(char *out, size_t cap, const struct spv_netid *net,
                                   const char *datadir, const char *file);

#ifdef __cplusplus
}
#endif

#endif
