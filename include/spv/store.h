/* The headers database: one SQLite file a network (docs/schema.md is its contract).
 *
 * The chain judges; the store remembers. Each change is one transaction; a crash at any moment
 * leaves a valid chain and loses at most the tail that was not committed. One writer, any number of
 * readers. A store belongs to one thread. */
#ifndef SPV_STORE_H
#define SPV_STORE_H

#include "spv/addrman.h"
#include "spv/chain.h"
#include "spv/error.h"
#include "spv/header_db.h"
#include "spv/params.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_SCHEMA_VERSION 2

enum spv_store_mode {
    SPV_STORE_READ, /* must exist; never written; works on a read-only file system */
    SPV_STORE_WRITE, /* must exist */
    SPV_STORE_CREATE, /* made (with its folders) when absent */
};

/* A stop that can be asked for while a store is at work, also while it is being opened: statements
 * go on for as long as it takes to store what came (at most some 5 million operations of SQLite's,
 * a third of a second, all in all) and end then, or at once where nothing is stored, with
 * SPV_ERR_INTERRUPTED. What was committed stays. One stop serves any number of stores. */
struct spv_interrupt;
SPV_API struct spv_interrupt *spv_interrupt_new(void); /* NULL: no memory */
SPV_API void spv_interrupt_free(
    struct spv_interrupt *stop); /* once its stores and walks are closed */
/* For good. From any thread or signal handler: it is async-signal-safe. */
SPV_API void spv_interrupt_request(struct spv_interrupt *stop);
SPV_API bool spv_interrupt_requested(const struct spv_interrupt *stop); /* false for NULL */

struct spv_store_config {
    const char *path;
    const struct spv_params *params; /* NULL with READ: take the network that the file says */
    enum spv_store_mode mode;
    struct spv_interrupt *stop; /* lent for as long as the store is open; NULL: none */
    /* Another program holds a lock on the file that we need. Asked some ten times a second, with
     * how long that has lasted: non-zero waits on, 0 gives up with SPV_ERR_DB_BUSY. In the midst of
     * a call of the store, which must not be called from it. NULL: after 5 seconds when writing, 1
     * when reading, it is given up. */
    int (*busy)(void *ctx, uint32_t waited_ms);
    void *busy_ctx;
};

struct spv_store;

/* Opens and checks: application id, schema version (older ones are migrated in one transaction),
 * network guard, tip row, the last rows re-hashed and re-linked. A tail that does not hold is cut
 * back to the last good height when writing (spv_store_rewound says how many were cut).
 * SPV_ERR_DB_NONE, _DB_NEWER, _DB_NETWORK, _DB_DAMAGED, _DB_BUSY (another writer), _DB_READONLY,
 * _DB_FULL, _DB, _NOMEM, _STOPPED; *why (may be NULL) then tells a person what to do. */
SPV_API int spv_store_open(struct spv_store **out, const struct spv_store_config *cfg,
                           struct spv_error_info *why);

/* Commits what is pending, folds the write-ahead log into the file, closes. NULL is fine. */
SPV_API int spv_store_close(struct spv_store *s);

/* Applies one change of the chain in one transaction, tip and work with it. */
SPV_API int spv_store_apply(struct spv_store *s, const struct spv_chain_update *change);

/* As spv_store_apply, but the transaction stays open for the changes that follow, so that a first
 * sync syncs the disk less often. Until it is committed it is not durable and nobody else sees it;
 * that happens by itself at SPV_STORE_GROUP_COMMIT records, and before whatever else is called that
 * writes, builds, flushes or closes. When a later change or the commit fails, all of the open
 * transaction is undone: the store is where it was at its last commit. */
#define SPV_STORE_GROUP_COMMIT 16000 /* 2 MB of pages, half of the page cache */
SPV_API int spv_store_apply_deferred(struct spv_store *s, const struct spv_chain_update *change);
/* Commits what was gathered, if anything. */
SPV_API int spv_store_commit(struct spv_store *s);

/* Where the stored chain begins: 0 and 0 for a whole one. It begins higher after a start at a
 * checkpoint (SPV_UPDATE_CHECKPOINT_START) and after spv_store_prune. */
SPV_API void spv_store_get_start(struct spv_store *s, struct spv_chain_start *out);
/* The height up to which the gap below the base is filled again (SPV_UPDATE_BACKFILL); 0: not at
 * all, or no gap. The filled part is no part of the chain until it joins it. Negative on failure.
 */
SPV_API int spv_store_backfill_height(struct spv_store *s, uint32_t *height);
/* Forgets what was filled below the base, so that filling begins anew. */
SPV_API int spv_store_backfill_reset(struct spv_store *s);
/* The filled part as a reader: its tip is the highest filled header, at first genesis. */
SPV_API struct spv_header_db spv_store_backfill_db(struct spv_store *s);

/* Drops headers below a height, rounded down to a period's first and so far that two periods and a
 * median's span remain below the tip. *base (may be NULL) is where the chain begins then; 0 when
 * the chain is too short to lose anything. One transaction; the file gets smaller only when it is
 * compacted. SPV_ERR_DB_READONLY and the database's errors. */
SPV_API int spv_store_prune(struct spv_store *s, uint32_t below, uint32_t *base);

/* Makes everything so far durable: write-ahead log folded into the file and synced. */
SPV_API int spv_store_flush(struct spv_store *s);

/* Builds the hash index if it is not there (after the first sync; it would slow that tenfold).
 * Until then by-hash look-ups find nothing. */
SPV_API int spv_store_build_index(struct spv_store *s);
SPV_API bool spv_store_indexed(const struct spv_store *s);

/* 1 found, 0 not there, negative on failure. Only the best chain. */
SPV_API int spv_store_tip(struct spv_store *s, struct spv_chain_header *out);
SPV_API int spv_store_by_height(struct spv_store *s, struct spv_chain_header *out, uint32_t height);
SPV_API int spv_store_by_hash(struct spv_store *s, struct spv_chain_header *out,
                              const struct spv_blockhash *hash);
/* The first of n hashes (SPV_MAX_LOCATOR at most: SPV_ERR_TOO_LONG) that spv_store_by_hash finds,
 * in one statement. */
SPV_API int spv_store_locate(struct spv_store *s, struct spv_chain_header *out,
                             const struct spv_blockhash *hashes, size_t n);
/* Up to n consecutive headers from height `from`; returns how many. */
SPV_API int spv_store_range(struct spv_store *s, struct spv_header *out, uint32_t from, uint32_t n);

/* A number that changes when another connection has committed since the last call (SQLite's
 * data_version): cheap enough to ask several times a second. */
SPV_API int spv_store_data_version(struct spv_store *s, uint32_t *out);

/* Hands each header off the best chain to `each`, lowest first, until that returns something other
 * than 0, which is then returned; 0 at the end, negative on failure. Rows that are malformed are
 * left out. `each` must not use the store. */
SPV_API int spv_store_branches(struct spv_store *s,
                               int (*each)(void *arg, const struct spv_chain_header *record),
                               void *arg);

/* The store as a reader; lent, valid while the store is open, on the store's thread. */
SPV_API struct spv_header_db spv_store_header_db(struct spv_store *s);

/* The parameters that the store was opened with or found in the file; lent. */
SPV_API const struct spv_params *spv_store_params(const struct spv_store *s);
SPV_API const char *spv_store_path(const struct spv_store *s);
/* How many damaged rows opening cut off the end. */
SPV_API uint32_t spv_store_rewound(const struct spv_store *s);
/* What the last failed call on this store failed at, for a person. */
SPV_API const char *spv_store_last_error(const struct spv_store *s);

/* A walk over best-chain records from height `from` to `to` (included) under one snapshot, constant
 * memory. next: 1, 0 at the end, negative. */
struct spv_store_iter;
SPV_API int spv_store_iter_open(struct spv_store_iter **out, struct spv_store *s, uint32_t from,
                                uint32_t to);
SPV_API int spv_store_iter_next(struct spv_store_iter *w, struct spv_chain_header *out);
/* Goes on with the side branches' headers between the same heights, by height and then hash, under
 * the same snapshot; next gives them. */
SPV_API int spv_store_iter_branches(struct spv_store_iter *w);
SPV_API void spv_store_iter_close(struct spv_store_iter *w);

/* The address book. load: rows that make no sense are left out (the file may come from a stranger),
 * and no more are taken than the book has places; free with spv_store_addrman_free. Damaged tables
 * are replaced by empty ones when writing, else SPV_ERR_DB_DAMAGED. save: one transaction. */
SPV_API int spv_store_addrman_load(struct spv_store *s, struct spv_addrman_rows *out);
SPV_API int spv_store_addrman_save(struct spv_store *s, const struct spv_addrman_changes *changes);
SPV_API void spv_store_addrman_free(struct spv_addrman_rows *book);

/* What a database says of itself, all of one moment. */
struct spv_store_info {
    int schema; /* version of the schema in the file */
    uint64_t headers; /* rows of the best chain, and what is filled below its base */
    uint64_t branch_headers; /* rows of side branches */
    uint64_t file_bytes, log_bytes; /* the file and its write-ahead log */
    uint64_t free_bytes; /* of the file: empty pages, which compacting gives back */
    int64_t last_sync; /* unix seconds of the last spv_store_synced; 0: never */
    char created_by[48]; /* the library and version that made it */
};
SPV_API int spv_store_get_info(struct spv_store *s, struct spv_store_info *out);

/* Notes that the chain was found complete at this time: the store has no clock of its own. */
SPV_API int spv_store_synced(struct spv_store *s, int64_t unix_s);

/* Writes the file anew without empty pages, in one transaction, and folds the log; needs as much
 * room again meanwhile. progress (may be NULL) is called now and then: non-zero stops, with
 * SPV_ERR_INTERRUPTED and nothing changed. SPV_ERR_DB_READONLY, _DB_FULL and others. */
SPV_API int spv_store_compact(struct spv_store *s, int (*progress)(void *ctx), void *ctx);

/* Verifying: every row is hashed and linked again, its proof of work and bits judged, the work
 * summed up, the tip compared with the metadata, the hash index and all pages with the rows
 * (SQLite's integrity check), side branches with their parents. `full` also judges every header by
 * all rules of consensus (required bits, median times, versions, checkpoints), as a sync would. */
#define SPV_FINDINGS 16 /* that a report tells one by one; the first ones say what broke */
#define SPV_FINDING_TEXT 240
struct spv_finding {
    int64_t height; /* of the header it is about; -1: not about one header */
    char text[SPV_FINDING_TEXT]; /* what is wrong and why; a sentence without the path */
};
struct spv_verify_config {
    const char *path;
    const struct spv_params *params; /* NULL: the network that the file says */
    bool full;
    struct spv_now now; /* only with full: a header more than two hours ahead of it ends the run */
    /* Every few thousand rows, may be NULL: non-zero stops. total is 0 while it is not known. */
    int (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
    struct spv_interrupt *stop; /* lent; NULL: none */
};
struct spv_verify_report {
    uint64_t headers; /* rows of the best chain that were read */
    uint64_t branch_headers; /* rows of side branches that were read */
    int64_t tip; /* the highest row's height; -1: none */
    int64_t claimed; /* the tip's height that the metadata names; -1: none */
    int64_t good; /* up to this height everything holds; -1: not even the first row */
    bool indexed; /* the hash index is there */
    bool pages_ok; /* SQLite found every page and index sound */
    bool branches_ok; /* side branches are sound */
    bool backfill_ok; /* what was filled below the base is sound */
    bool addrs_ok; /* the address book and the bans can be read */
    struct spv_chain_start start; /* where the chain begins */
    size_t n; /* findings kept, in the order in which they were met */
    uint64_t total; /* findings altogether */
    struct spv_finding findings[SPV_FINDINGS];
};

/* Reads the whole database and changes nothing; a writer may go on meanwhile. 0: everything holds.
 * SPV_ERR_DB_DAMAGED: the report says what does not. SPV_ERR_INTERRUPTED: progress said so.
 * SPV_ERR_HDR_TIME_FUTURE (full only): a stored header lies in the future of cfg->now, so the clock
 * is to be checked; that is never damage. Other errors as spv_store_open's; *why (may be NULL) has
 * words for each of them. Any thread. */
SPV_API int spv_store_verify(struct spv_verify_report *out, const struct spv_verify_config *cfg,
                             struct spv_error_info *why);

/* What a repair did. */
enum spv_repair_outcome {
    SPV_REPAIR_NONE, /* everything holds: nothing was changed, no copy made */
    SPV_REPAIR_REWOUND, /* cut back to the last good height; index built anew */
    SPV_REPAIR_SALVAGED, /* pages were damaged: what could be read went into a new file */
    SPV_REPAIR_RECREATED, /* nothing could be read: a new database that holds the genesis */
};
#define SPV_PATH_TEXT 4096
struct spv_repair_report {
    enum spv_repair_outcome done;
    int64_t height; /* the chain's tip now */
    int64_t lost; /* headers that the file had or claimed above it, at heights that can be */
    /* The damaged file, as it was; its -wal lies beside it. Empty when nothing was changed. */
    char copy[SPV_PATH_TEXT];
    struct spv_verify_report found; /* what was wrong */
};

/* Mends a damaged database: keeps a copy beside it ("<path>.damaged-1", with "-wal", the number the
 * first that is free), then rewinds to the last height up to which everything holds; a sync fetches
 * the rest again. An address book or ban table that cannot be read is made anew, empty. A file
 * whose pages are damaged is read row by row into a new one, which then takes its place; a file
 * that is no database at all becomes an empty one (cfg->params must name the network where the file
 * cannot). The copy is complete and synced before anything else is written; a crash in between
 * leaves the damaged file or the mended one.
 *
 * 0, SPV_ERR_DB_NONE, _DB_BUSY (a writer is at it), _DB_NEWER and _DB_NETWORK (the file is sound,
 * and not touched), _DB_DAMAGED (another program's database: not touched), _DB_READONLY, _DB_FULL,
 * _IO, _INVALID (no network named), _STOPPED, _HDR_TIME_FUTURE (nothing was changed: the clock is
 * to be checked). cfg is that of spv_store_verify. */
SPV_API int spv_store_repair(struct spv_repair_report *out, const struct spv_verify_config *cfg,
                             struct spv_error_info *why);

/* The default place of a network's database:
 * file, when given; datadir/<network>/headers.db; $XDG_DATA_HOME/spv/<network>/headers.db;
 * $HOME/.local/share/spv/<network>/headers.db. SPV_ERR_TOO_LONG, SPV_ERR_NOT_FOUND (no HOME). */
SPV_API int spv_store_default_path(char *out, size_t cap, const struct spv_netid *net,
                                   const char *datadir, const char *file);

#ifdef __cplusplus
}
#endif

#endif
