/* The headers database: one SQLite file a network (docs/schema.md is its contract).
 *
 * The chain judges; the store remembers. Each change is one transaction; a crash at any moment
 * leaves a valid chain and loses at most the tail that was not committed. One writer, any number of
 * readers. A store belongs to one thread. */
#ifndef SPV_STORE_H
#define SPV_STORE_H

#include "spv/book.h"
#include "spv/chain.h"
#include "spv/error.h"
#include "spv/header.h"
#include "spv/params.h"

#define SPV_SCHEMA_VERSION 2

enum spv_store_mode {
    SPV_STORE_READ, /* must exist; never written; works on a read-only file system */
    SPV_STORE_WRITE, /* must exist */
    SPV_STORE_CREATE, /* made (with its folders) when absent */
};

struct spv_store_config {
    const char *path;
    const struct spv_params *params; /* NULL with READ: take the network that the file says */
    enum spv_store_mode mode;
};

struct spv_store;

/* Opens and checks: application id, schema version (older ones are migrated in one transaction),
 * network guard, tip row, the last rows re-hashed and re-linked. A tail that does not hold is cut
 * back to the last good height when writing (spv_store_rewound says how many were cut).
 * SPV_ERR_DB_NONE, _DB_NEWER, _DB_NETWORK, _DB_DAMAGED, _DB_BUSY (another writer), _DB_READONLY,
 * _DB_FULL, _DB, _NOMEM; *why (may be NULL) then tells a person what to do. */
SPV_API int spv_store_open(struct spv_store **out, const struct spv_store_config *cfg,
                           struct spv_problem *why);

/* Commits what is pending, folds the write-ahead log into the file, closes. NULL is fine. */
SPV_API int spv_store_close(struct spv_store *s);

/* Applies one change of the chain in one transaction, tip and work with it. */
SPV_API int spv_store_apply(struct spv_store *s, const struct spv_change *change);

/* Where the stored chain begins: 0 and 0 for a whole one. It begins higher after a start at a
 * checkpoint (SPV_CHANGE_START) and after spv_store_prune. */
SPV_API void spv_store_base(struct spv_store *s, struct spv_base *out);
/* The height up to which the gap below the base is filled again (SPV_CHANGE_FILL); 0: not at all,
 * or no gap. The filled part is no part of the chain until it joins it. Negative on failure. */
SPV_API int spv_store_filled(struct spv_store *s, uint32_t *height);
/* Forgets what was filled below the base, so that filling begins anew. */
SPV_API int spv_store_unfill(struct spv_store *s);
/* The filled part as a reader: its tip is the highest filled header, at first genesis. */
SPV_API struct spv_reader spv_store_fill_reader(struct spv_store *s);

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
SPV_API int spv_store_tip(struct spv_store *s, struct spv_record *out);
SPV_API int spv_store_by_height(struct spv_store *s, struct spv_record *out, uint32_t height);
SPV_API int spv_store_by_hash(struct spv_store *s, struct spv_record *out,
                              const struct spv_blockhash *hash);
/* Up to n consecutive headers from height `from`; returns how many. */
SPV_API int spv_store_range(struct spv_store *s, struct spv_header *out, uint32_t from, uint32_t n);

/* A number that changes when another connection has committed since the last call (SQLite's
 * data_version): cheap enough to ask several times a second. */
SPV_API int spv_store_data_version(struct spv_store *s, uint32_t *out);

/* The store as a reader; lent, valid while the store is open, on the store's thread. */
SPV_API struct spv_reader spv_store_reader(struct spv_store *s);

/* The parameters that the store was opened with or found in the file; lent. */
SPV_API const struct spv_params *spv_store_params(const struct spv_store *s);
SPV_API const char *spv_store_path(const struct spv_store *s);
/* How many damaged rows opening cut off the end. */
SPV_API uint32_t spv_store_rewound(const struct spv_store *s);
/* What the last failed call on this store failed at, for a person. */
SPV_API const char *spv_store_last_problem(const struct spv_store *s);

/* A walk over best-chain records from height `from` to `to` (included) under one snapshot, constant
 * memory. next: 1, 0 at the end, negative. */
struct spv_store_walk;
SPV_API int spv_store_walk_open(struct spv_store_walk **out, struct spv_store *s, uint32_t from,
                                uint32_t to);
SPV_API int spv_store_walk_next(struct spv_store_walk *w, struct spv_record *out);
/* Goes on with the side branches' headers between the same heights, by height and then hash, under
 * the same snapshot; next gives them. */
SPV_API int spv_store_walk_branches(struct spv_store_walk *w);
SPV_API void spv_store_walk_close(struct spv_store_walk *w);

/* The address book. load: rows that make no sense are left out (the file may come from a stranger),
 * and no more are taken than the book has places; free with spv_store_book_free. save: one
 * transaction. */
SPV_API int spv_store_book_load(struct spv_store *s, struct spv_book *out);
SPV_API int spv_store_book_save(struct spv_store *s, const struct spv_book_changes *changes);
SPV_API void spv_store_book_free(struct spv_book *book);

/* The default place of a network's database:
 * file, when given; datadir/<network>/headers.db; $XDG_DATA_HOME/spv/<network>/headers.db;
 * $HOME/.local/share/spv/<network>/headers.db. SPV_ERR_TOO_LONG, SPV_ERR_NOT_FOUND (no HOME). */
SPV_API int spv_store_default_path(char *out, size_t cap, const struct spv_netid *net,
                                   const char *datadir, const char *file);

#endif
