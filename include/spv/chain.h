/* The header chain: validates headers by the consensus rules, keeps recent headers and side
 * branches in bounded memory, and follows the branch with the most chain work.
 *
 * Accepted headers are reported as a struct spv_chain_update, which a store applies; older headers
 * are read back through a struct spv_header_db. The chain performs no I/O of its own. One chain is
 * used by one thread at a time; different chains are independent. */
#ifndef SPV_CHAIN_H
#define SPV_CHAIN_H

#include "spv/error.h"
#include "spv/header_db.h"
#include "spv/params.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_CHAIN_BRANCHES 32 /* side branches at once; the one with the least work is evicted */
#define SPV_CHAIN_BRANCH_HEADERS 16384 /* headers in all side branches together: 2.3 MB */

/* A header's time may be at most two hours ahead of our clock (Bitcoin Core: MAX_FUTURE_BLOCK_TIME,
 * "time-too-new"). Seconds. */
#define SPV_MAX_FUTURE_S 7200
/* A header's time must exceed the median time of this many headers before it ("time-too-old"). */
#define SPV_MEDIAN_SPAN 11

/* What one accepted batch changed; a store applies it in one transaction. */
enum spv_chain_update_kind {
    SPV_UPDATE_NONE = 0, /* no new header */
    SPV_UPDATE_APPEND = 1, /* headers extend the old tip */
    SPV_UPDATE_REORG = 2, /* headers follow fork_height; those above it were removed */
    SPV_UPDATE_BRANCH = 3, /* headers belong to a side branch; the best chain is unchanged */
    /* an empty store starts at headers[0]; below it only genesis is stored */
    SPV_UPDATE_CHECKPOINT_START = 4,
    /* headers follow fork_height below the start of the stored chain (backfill) */
    SPV_UPDATE_BACKFILL = 5,
};
struct spv_chain_update {
    enum spv_chain_update_kind kind;
    uint32_t fork_height; /* height of the parent of headers[0] */
    uint32_t removed; /* REORG: how many headers left the best chain */
    const struct spv_chain_header *headers; /* borrowed; valid until the next call on the chain */
    size_t n;
};

/* Whether checkpoints are enforced. */
enum spv_checkpoint_mode {
    SPV_CHECKPOINTS_ENFORCED = 0, /* the caller's when there are any, else the network's */
    SPV_CHECKPOINTS_IGNORED = 1,
};

struct spv_chain_config {
    const struct spv_params *params; /* borrowed; must outlive the chain */
    struct spv_header_db header_db; /* stored headers; zeroed: none, the chain starts at genesis */
    /* used instead of the network's; borrowed, must outlive the chain. NULL: the network's */
    const struct spv_checkpoint *checkpoints;
    size_t n_checkpoints;
    enum spv_checkpoint_mode checkpoint_mode;
};

/* The result of one spv_chain_accept. */
struct spv_accept_result {
    size_t accepted; /* headers that were new and valid */
    size_t known; /* headers that the chain already had */
    int error; /* 0, or why headers[index] was not accepted */
    size_t index; /* of the first header that was not accepted; n when all were */
    uint32_t height; /* its height; 0 when its parent is unknown */
    struct spv_chain_update update;
};

struct spv_chain;

/* Creates a chain from the stored headers, or from genesis when nothing is stored. The most recent
 * headers are read, hashed and linked again; stored side branches are validated again.
 * Returns 0 and *out, which the caller releases with spv_chain_free, or a negative error (*out is
 * NULL): SPV_ERR_DB_DAMAGED when stored headers do not link or their chain work is wrong,
 * SPV_ERR_DB_CHECKPOINT when a stored header contradicts a checkpoint, SPV_ERR_DB_NETWORK when the
 * stored genesis is another network's, SPV_ERR_INVALID when the genesis bits of *params are
 * invalid, SPV_ERR_NOMEM, or an error of the header database. */
SPV_API int spv_chain_new(struct spv_chain **out, const struct spv_chain_config *cfg);

/* Releases a chain. NULL is ignored. */
SPV_API void spv_chain_free(struct spv_chain *c);

/* Reads the stored headers again, after they were changed by other means than the chain's updates.
 * Returns 0, SPV_ERR_STATE while an update is not stored yet, or an error of spv_chain_new; on an
 * error the chain is unchanged. */
SPV_API int spv_chain_reload(struct spv_chain *c);

/* Validates n headers that follow each other, at most SPV_MAX_HEADERS, and keeps those before the
 * first invalid one. `now` is the clock for the limit SPV_MAX_FUTURE_S.
 *
 * Returns 0 and fills *out, also when a header is invalid: out->error is then an SPV_ERR_HDR_*
 * code, or SPV_ERR_FORK_BELOW_START (a fork below the first stored header: it cannot be validated),
 * or SPV_ERR_CHAIN_BRANCHES (a side branch with too little work to displace the others; none of it
 * is kept, and the peer is not at fault). Returns a negative error with the chain unchanged:
 * SPV_ERR_TOO_LONG, SPV_ERR_STATE (the last update is not stored yet), SPV_ERR_NOMEM,
 * SPV_ERR_DB_DAMAGED, or an error of the header database.
 *
 * After an update of another kind than NONE, call spv_chain_stored before the next accept. */
SPV_API int spv_chain_accept(struct spv_chain *c, struct spv_accept_result *out,
                             const struct spv_header *headers, size_t n, struct spv_now now);

/* The last update is durable: the chain may release headers that can be read back. */
SPV_API void spv_chain_stored(struct spv_chain *c);

/* Returns the best chain's tip. Borrowed; valid until the next accept, stored or reload. */
SPV_API const struct spv_chain_header *spv_chain_tip(const struct spv_chain *c);

/* The best chain's header at a height, from memory or the header database. Returns 1 and *out, 0
 * when there is none (above the tip, or below the first stored header), SPV_ERR_DB_DAMAGED, or an
 * error of the header database. */
SPV_API int spv_chain_header_at(const struct spv_chain *c, struct spv_chain_header *out,
                                uint32_t height);

/* A header by hash, on the best chain or a side branch. Returns 1, *out and whether it is on the
 * best chain (in_best_chain may be NULL), 0 when it is unknown, SPV_ERR_DB_DAMAGED, or an error of
 * the header database. */
SPV_API int spv_chain_find(const struct spv_chain *c, struct spv_chain_header *out,
                           bool *in_best_chain, const struct spv_blockhash *hash);

/* A block locator for getheaders: hashes of the best chain, or of the branch that ends in *tip when
 * tip is not NULL, from the tip down, the first ten consecutive, then at doubling distances,
 * genesis last. At most cap and SPV_MAX_LOCATOR hashes, in internal byte order. Returns how many
 * were written, SPV_ERR_INVALID (cap is 0), SPV_ERR_UNKNOWN_HASH (*tip is unknown), or an error of
 * the header database. */
SPV_API int spv_chain_locator(const struct spv_chain *c, struct spv_blockhash *out, size_t cap,
                              const struct spv_blockhash *tip);

/* Returns the compact bits that the tip's child must have when its time is `time` (unix seconds).
 * For miners and tests. */
SPV_API uint32_t spv_chain_next_bits(const struct spv_chain *c, uint32_t time);

/* Returns the median time past of the tip's child (BIP113), in unix seconds: its time must exceed
 * it. */
SPV_API uint32_t spv_chain_median_time(const struct spv_chain *c);

/* Returns the last checkpoint at or below the tip, or NULL. Valid as long as the list of
 * checkpoints that the chain uses. */
SPV_API const struct spv_checkpoint *spv_chain_last_checkpoint(const struct spv_chain *c);

/* Where the stored chain begins; zeros when it begins at genesis. */
SPV_API void spv_chain_get_start(const struct spv_chain *c, struct spv_chain_start *out);

/* Returns whether the best chain has at least this much work. When stored work does not count from
 * genesis, having passed the last checkpoint suffices: its hash commits to all work below it. */
SPV_API bool spv_chain_has_work(const struct spv_chain *c, const struct spv_u256 *work);

/* Validates one retarget period between two checkpoints, with which an empty store may begin
 * (SPV_UPDATE_CHECKPOINT_START): each header links to the one before and meets its own target, the
 * first follows *before, the last is *end. headers and out have one retarget interval (2016) of
 * headers each; chain work counts from before->work. Returns 0 and fills out, SPV_ERR_INVALID when
 * the checkpoints are not one period apart, or why headers[*bad] is invalid:
 * SPV_ERR_HDR_CHECKPOINT, SPV_ERR_HDR_NONCONTINUOUS, SPV_ERR_HDR_BITS_MALFORMED,
 * SPV_ERR_HDR_BITS_LIMIT or SPV_ERR_HDR_POW. Any thread. */
SPV_API int spv_chain_period(struct spv_chain_header *out, const struct spv_params *params,
                             const struct spv_checkpoint *before, const struct spv_checkpoint *end,
                             const struct spv_header *headers, size_t *bad);

/* Returns the bytes of memory in use; bounded. */
SPV_API size_t spv_chain_memory(const struct spv_chain *c);

#ifdef __cplusplus
}
#endif

#endif
