/* The header chain: judges headers by consensus, keeps the recent ones and every side branch still
 * in play in bounded memory, and chooses the branch with the most work.
 *
 * What it accepts leaves as a struct spv_chain_update for a store; older headers are read back
 * through a struct spv_header_db. It links no database and does no I/O. A chain belongs to one
 * thread. */
#ifndef SPV_CHAIN_H
#define SPV_CHAIN_H

#include "spv/error.h"
#include "spv/header_db.h"
#include "spv/params.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bounds. */
#define SPV_CHAIN_BRANCHES 32 /* side branches at once; the weakest gives way */
#define SPV_CHAIN_BRANCH_HEADERS 16384 /* headers in all side branches together: 2.3 MB */
#define SPV_MAX_FUTURE 7200 /* seconds a header's time may be ahead of our clock */
#define SPV_MEDIAN_SPAN 11 /* headers whose median time must be exceeded */

/* What one accepted batch did to the chain, and what a store must apply in one transaction. The
 * records are lent until the next call on the chain. */
enum spv_chain_update_kind {
    SPV_UPDATE_NONE = 0, /* nothing new */
    SPV_UPDATE_APPEND = 1, /* records follow the old tip */
    SPV_UPDATE_REORG = 2, /* records follow fork_height; what was above it left the best chain */
    SPV_UPDATE_BRANCH = 3, /* records belong to a side branch; the best chain is as it was */
    SPV_UPDATE_CHECKPOINT_START =
        4, /* an empty store begins at records[0]; only genesis stands below
            */
    SPV_UPDATE_BACKFILL =
        5, /* records follow fork_height below the base: the gap is being filled */
};
struct spv_chain_update {
    enum spv_chain_update_kind kind;
    uint32_t fork_height; /* height of the records' first parent */
    uint32_t removed; /* REORG: how many headers left the best chain */
    const struct spv_chain_header *headers;
    size_t n;
};

struct spv_chain_config {
    const struct spv_params *params; /* must outlive the chain */
    struct spv_header_db reader; /* zeroed: nothing stored, the chain starts at genesis */
    const struct spv_checkpoint *checkpoints; /* instead of the network's; NULL: the network's */
    size_t n_checkpoints;
    bool no_checkpoints;
};

/* The verdict on a batch. */
struct spv_accept_result {
    size_t accepted; /* headers that were new and valid */
    size_t known; /* headers that were already known */
    int error; /* 0, or why the header at `index` was not accepted */
    size_t index; /* of the first header that was refused */
    uint32_t height; /* its height, when its parent is known */
    struct spv_chain_update update;
};

struct spv_chain;

/* A chain that starts from what the reader holds (its tip and the headers before it are re-linked
 * and re-hashed), or from genesis. SPV_ERR_DB_DAMAGED when what was read does not link,
 * SPV_ERR_DB_CHECKPOINT when it contradicts a checkpoint, SPV_ERR_NOMEM. */
SPV_API int spv_chain_new(struct spv_chain **out, const struct spv_chain_config *cfg);
SPV_API void spv_chain_free(struct spv_chain *c);

/* Starts again from what the reader holds now: it began elsewhere, or its works were put right.
 * Errors as spv_chain_new, and SPV_ERR_STATE while a change waits; the chain is then as it was. */
SPV_API int spv_chain_reload(struct spv_chain *c);

/* Judges n headers that follow each other, at most SPV_MAX_HEADERS. Those before the first bad one
 * are kept. Returns 0 and fills *out (whose error tells of a refused header), or a negative error:
 * SPV_ERR_TOO_LONG, SPV_ERR_STATE (the last change is not stored yet), SPV_ERR_NOMEM,
 * SPV_ERR_DB_DAMAGED or another error of the reader; the chain is then as it was.
 * After a change other than NONE, spv_chain_stored must be called before the next accept.
 *
 * out->error is an SPV_ERR_HDR_* code, or SPV_ERR_CHAIN_BRANCHES when a side branch that does not
 * win yet finds no room beside stronger ones: nothing of it is then kept, and it proves no lie. */
SPV_API int spv_chain_accept(struct spv_chain *c, struct spv_accept_result *out,
                             const struct spv_header *headers, size_t n, struct spv_now now);

/* The last change is durable: memory that it held may go. */
SPV_API void spv_chain_stored(struct spv_chain *c);

/* The best chain's tip; valid until the next accept. */
SPV_API const struct spv_chain_header *spv_chain_tip(const struct spv_chain *c);

/* A header of the best chain by height, from memory or the reader: 1, 0 or negative. */
SPV_API int spv_chain_header_at(const struct spv_chain *c, struct spv_chain_header *out,
                                uint32_t height);

/* A known header by hash, on the best chain or a branch: 1 (and whether it is on the best chain), 0
 * or negative. on_best may be NULL. */
SPV_API int spv_chain_find(const struct spv_chain *c, struct spv_chain_header *out, bool *on_best,
                           const struct spv_blockhash *hash);

/* A block locator of the best chain, or of the branch that ends in *tip when tip is not NULL: dense
 * at first, then in doubling steps, genesis last. Returns how many were written
 * (<= SPV_MAX_LOCATOR) or a negative error. */
SPV_API int spv_chain_locator(const struct spv_chain *c, struct spv_blockhash *out, size_t cap,
                              const struct spv_blockhash *tip);

/* The bits that a header with this time must have on top of the tip. For miners and tests. */
SPV_API uint32_t spv_chain_next_bits(const struct spv_chain *c, uint32_t time);

/* The median time of the tip and the ten before it: the next header's time must exceed it. */
SPV_API uint32_t spv_chain_median_time(const struct spv_chain *c);

/* The last checkpoint at or below the tip; NULL when there is none. */
SPV_API const struct spv_checkpoint *spv_chain_last_checkpoint(const struct spv_chain *c);

/* Where the chain begins. Zeros for a whole one. */
SPV_API void spv_chain_get_start(const struct spv_chain *c, struct spv_chain_start *out);

/* Whether the best chain has at least this much work. Where its work counts from a later height
 * than genesis, having reached the last checkpoint is proof enough: its hash commits to all the
 * work below. */
SPV_API bool spv_chain_has_work(const struct spv_chain *c, const struct spv_u256 *work);

/* The records of the period that two checkpoints stand before and at the end of, for an empty store
 * to begin with (SPV_UPDATE_CHECKPOINT_START): each header follows the one before and meets its own
 * target, the first follows `before`, the last is `end`. headers and out hold a period (2,016)
 * each; works count from what `before` says. SPV_ERR_INVALID when the checkpoints are not a period
 * apart; SPV_ERR_HDR_CHECKPOINT, _DISORDER, _BITS_FORM, _BITS_LIMIT or _POW of headers[*bad]. Any
 * thread.
 */
SPV_API int spv_chain_period(struct spv_chain_header *out, const struct spv_params *params,
                             const struct spv_checkpoint *before, const struct spv_checkpoint *end,
                             const struct spv_header *headers, size_t *bad);

/* Bytes of memory that the chain holds; bounded. */
SPV_API size_t spv_chain_memory(const struct spv_chain *c);

#ifdef __cplusplus
}
#endif

#endif
