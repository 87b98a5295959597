/* Private state of the chain, shared by its source files: the window of recent best-chain headers,
 * the side branches, and look-ups in both and in the header database. */
#ifndef SPV_SPV_CHAIN_CHAIN_STATE_H
#define SPV_SPV_CHAIN_CHAIN_STATE_H

#include <stdbool.h>

#include "spv/chain.h"
#include "spv/chain/header_ctx.h"
#include "spv/message.h"

#define SPV_WINDOW_PERIODS 2 /* at least: the retarget rules need one whole period */
#define SPV_WINDOW_MAX_PERIODS 6 /* then trimmed, rarely, as it moves the headers that stay */

/* Consecutive headers of one branch. */
struct spv_header_array {
    struct spv_chain_header *headers;
    uint32_t *last_non_min_diff_bits; /* of each, see consensus.h */
    size_t n;
    size_t cap;
};

/* A side branch: its first header's parent is the best chain's header at height fork. None of its
 * headers is on the best chain. A free slot has no headers. */
struct spv_branch {
    uint32_t fork;
    struct spv_header_array headers;
};

struct spv_chain {
    const struct spv_params *params;
    struct spv_header_db header_db;
    const struct spv_checkpoint *checkpoints;
    size_t n_checkpoints;
    size_t n_passed; /* checkpoints at or below the tip */
    struct spv_chain_header genesis;
    struct spv_header_array window; /* the best chain's last headers; never empty */
    struct spv_branch branches[SPV_CHAIN_BRANCHES];
    struct spv_header_ctx tip; /* validates children of the tip */
    uint32_t interval;
    /* slot of the branch that SPV_CHAIN_BRANCH_HEADERS does not limit, or -1 */
    int presynced_branch;
    bool pending; /* an update was returned and is not stored yet */
};

/* spv_chain_accept for up to SPV_CHAIN_HASHED_MAX headers that the caller has hashed: each prev is
 * the hash of the header before, *last is the hash of the last one. All other rules are checked.
 */
#define SPV_CHAIN_HASHED_MAX 8064 /* four periods: SPV_SEGMENTS_MAX_BATCH */
int spv_chain_accept_hashed(struct spv_chain *c, struct spv_accept_result *out,
                            const struct spv_header *headers, size_t n,
                            const struct spv_blockhash *last, struct spv_now now);

#define SPV_MAIN_CHAIN (-1)
/* Position of a known header: on the best chain, or in the branch of a slot. */
struct spv_chain_pos {
    int branch;
    uint32_t height;
};

/* header_array.c. SPV_ERR_NOMEM leaves the array unchanged. */
int spv_header_array_reserve(struct spv_header_array *s, size_t cap);
void spv_header_array_free(struct spv_header_array *s);
/* Copies n entries to dst at index `at`, within its capacity; src and dst may be the same array. */
void spv_header_array_copy(struct spv_header_array *dst, size_t at,
                           const struct spv_header_array *src, size_t from, size_t n);
/* Drops the first n entries. */
void spv_header_array_drop(struct spv_header_array *s, size_t n);

/* chain.c. Returns SPV_ERR_DB_DAMAGED when the chain work at a checkpoint differs from the
 * checkpoint's; else 0, also when the checkpoint has no chain work or the stored chain work does
 * not count from genesis. */
int spv_chain_check_work(const struct spv_chain *c, const struct spv_checkpoint *checkpoint,
                         const struct spv_u256 *work);

/* chain_find.c. Where the stored chain begins; zeros when nothing is stored. */
struct spv_chain_start spv_chain_start_point(const struct spv_chain *c);
/* The index of the first checkpoint at or above a height. */
size_t spv_chain_next_checkpoint(const struct spv_chain *c, uint32_t height);
/* Look-ups return 1 when found, 0 when absent or not in memory and not stored, or negative. */
uint32_t spv_chain_window_start(const struct spv_chain *c);
const struct spv_chain_header *spv_chain_window_tip(const struct spv_chain *c);
int spv_chain_header_at_pos(const struct spv_chain *c, struct spv_chain_header *out,
                            struct spv_chain_pos pos);
int spv_chain_find_pos(const struct spv_chain *c, struct spv_chain_pos *out,
                       struct spv_chain_header *header, const struct spv_blockhash *hash);
/* The known child, with this hash, of the header at *pos: moves *pos to it. */
int spv_chain_find_child(const struct spv_chain *c, struct spv_chain_pos *pos,
                         const struct spv_blockhash *hash);
/* Where n > 0 headers connect: *pos is the last known header before the new ones, *known how many
 * of the headers are known. Returns 1, 0 when they connect to no known header, or negative. */
int spv_chain_find_fork_point(const struct spv_chain *c, struct spv_chain_pos *pos, size_t *known,
                              const struct spv_header *headers, size_t n);
/* Whether there is a checkpoint above this height. */
bool spv_chain_below_checkpoint(const struct spv_chain *c, uint32_t height);
/* The context that validates children of the header at *pos. */
int spv_chain_ctx_at(const struct spv_chain *c, struct spv_header_ctx *out,
                     struct spv_chain_pos pos);

/* spv_chain_accept for headers whose chain has shown more work than the best chain, or will
 * (sync/presync.h): a side branch that they need is exempt from SPV_CHAIN_BRANCH_HEADERS, one
 * branch at a time. */
int spv_chain_accept_presynced(struct spv_chain *c, struct spv_accept_result *out,
                               const struct spv_header *headers, size_t n, struct spv_now now);
/* Whether a branch is exempt from the limit. */
bool spv_chain_has_presynced_branch(const struct spv_chain *c);
/* Ends the exemption, when the peer that extended the branch is disconnected: the limit applies
 * again, and the branch is dropped if it exceeds it. */
void spv_chain_release_presynced_branch(struct spv_chain *c);

/* side_branches.c. n_new validated headers are staged after the end of the window; they follow the
 * header at *pos, which is not the tip. */
/* Stores them in a side branch. Returns 0, SPV_ERR_CHAIN_BRANCHES (never when presynced), or
 * SPV_ERR_NOMEM. */
int spv_chain_add_branch(struct spv_chain *c, struct spv_chain_update *update,
                         struct spv_chain_pos pos, size_t n_new, bool presynced);
/* Makes their branch the best chain. Returns 0, or SPV_ERR_NOMEM with the chain unchanged. */
int spv_chain_reorganise(struct spv_chain *c, struct spv_chain_update *update,
                         struct spv_chain_pos pos, size_t n_new);
void spv_chain_drop_branches_below(struct spv_chain *c, uint32_t height);
/* Headers in the branches that the limit covers. */
size_t spv_chain_branch_headers(const struct spv_chain *c);

#endif
