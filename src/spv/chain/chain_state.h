/* The chain's insides, shared by its source files: the window of recent best-chain headers, the
 * side branches, and the ways to look headers up in both and in the reader. */
#ifndef SPV_SPV_CHAIN_CHAIN_STATE_H
#define SPV_SPV_CHAIN_CHAIN_STATE_H

#include <stdbool.h>

#include "spv/chain.h"
#include "spv/chain/header_ctx.h"
#include "spv/message.h"

#define SPV_WINDOW_PERIODS 2 /* kept at least: the retarget rules look back one whole period */
#define SPV_WINDOW_MAX_PERIODS 6 /* then trimmed: moving memory costs little when it is rare */

/* Consecutive headers of one path. */
struct spv_header_array {
    struct spv_chain_header *headers;
    uint32_t *last_non_min_diff_bits; /* real bits of each (spv/rules.h) */
    size_t n;
    size_t cap;
};

/* A side branch: its first record's parent is the best chain's header at height fork. Every record
 * of it is off the best chain. A free slot has no records. */
struct spv_branch {
    uint32_t fork;
    struct spv_header_array headers;
};

struct spv_chain {
    const struct spv_params *params;
    struct spv_header_db reader;
    const struct spv_checkpoint *checkpoints;
    size_t n_checkpoints;
    size_t n_passed; /* checkpoints at or below the tip */
    struct spv_chain_header genesis;
    struct spv_header_array window; /* the best chain's last headers; never empty */
    struct spv_branch branches[SPV_CHAIN_BRANCHES];
    struct spv_header_ctx tip; /* judges children of the tip */
    uint32_t interval;
    int presynced_branch; /* the slot of the branch that the bound on headers does not cover, or -1
                           */
    bool pending; /* a change was handed out and is not stored yet */
};

/* spv_chain_accept of up to SPV_CHAIN_HASHED_MAX headers that the caller has hashed: each one's
 * prev is the hash of the one before, *last is the last one's. Everything else is judged. chain.c
 */
#define SPV_CHAIN_HASHED_MAX 8064 /* four periods: what fetch gives at once */
int spv_chain_accept_hashed(struct spv_chain *c, struct spv_accept_result *out,
                            const struct spv_header *headers, size_t n,
                            const struct spv_blockhash *last, struct spv_now now);

#define SPV_MAIN_CHAIN (-1)
/* Where a known header is: on the best chain, or in a branch's slot. */
struct spv_chain_pos {
    int branch;
    uint32_t height;
};

/* spans: span.c */
int spv_header_array_reserve(struct spv_header_array *s, size_t cap);
void spv_header_array_free(struct spv_header_array *s);
/* Copies n entries into dst at `at`, which must have room; the spans may be the same. */
void spv_header_array_copy(struct spv_header_array *dst, size_t at,
                           const struct spv_header_array *src, size_t from, size_t n);
/* Drops the first n entries. */
void spv_header_array_drop(struct spv_header_array *s, size_t n);

/* chain.c: SPV_ERR_DB_DAMAGED when a header at a checkpoint has another work than is known. */
int spv_chain_check_work(const struct spv_chain *c, const struct spv_checkpoint *checkpoint,
                         const struct spv_u256 *work);

/* chain_find.c. Where the stored chain begins; zeros when nothing is stored. */
struct spv_chain_start spv_chain_start_point(const struct spv_chain *c);
/* The index of the first checkpoint at or above a height. */
size_t spv_chain_next_checkpoint(const struct spv_chain *c, uint32_t height);
/* Look-ups: 1 found, 0 not there or not knowable, negative on failure. */
uint32_t spv_chain_window_start(const struct spv_chain *c);
const struct spv_chain_header *spv_chain_window_tip(const struct spv_chain *c);
int spv_chain_header_at_pos(const struct spv_chain *c, struct spv_chain_header *out,
                            struct spv_chain_pos pos);
int spv_chain_find_pos(const struct spv_chain *c, struct spv_chain_pos *out,
                       struct spv_chain_header *record, const struct spv_blockhash *hash);
/* The known child with this hash of the header at *place: moves *place there. */
int spv_chain_find_child(const struct spv_chain *c, struct spv_chain_pos *pos,
                         const struct spv_blockhash *hash);
/* Where headers (at least one) would attach: the last known header before the new ones goes to
 * *place, and how many of the first ones are known to *known: 1, 0 when they link to nothing known,
 * or negative. */
int spv_chain_find_fork_point(const struct spv_chain *c, struct spv_chain_pos *pos, size_t *known,
                              const struct spv_header *headers, size_t n);
/* A checkpoint in force stands above this height. */
bool spv_chain_covered(const struct spv_chain *c, uint32_t height);
/* A judge of the children of the header at place. */
int spv_chain_ctx_at(const struct spv_chain *c, struct spv_header_ctx *out,
                     struct spv_chain_pos pos);

/* Accepts headers whose chain has shown that it has more work than the best one (spv/presync.h), or
 * would have: what of them must wait in a side branch is not bounded, for one branch at a time.
 * Otherwise as spv_chain_accept. */
int spv_chain_accept_presynced(struct spv_chain *c, struct spv_accept_result *out,
                               const struct spv_header *headers, size_t n, struct spv_now now);
/* There is such a branch. */
bool spv_chain_has_presynced_branch(const struct spv_chain *c);
/* Nobody brings what it lacks: it is bounded like the others again, and goes when it is too long.
 */
void spv_chain_release_presynced_branch(struct spv_chain *c);

/* branches: branches.c. The new headers stand behind the window's end, n_new of them, judged, and
 * follow the header at place, which is not the tip. */
/* Keeps them in a side branch: 0, SPV_ERR_CHAIN_BRANCHES (never when proven), SPV_ERR_NOMEM.
 */
int spv_chain_add_branch(struct spv_chain *c, struct spv_chain_update *change,
                         struct spv_chain_pos pos, size_t n_new, bool proven);
/* Makes them the best chain. SPV_ERR_NOMEM leaves all as it was. */
int spv_chain_reorganise(struct spv_chain *c, struct spv_chain_update *change,
                         struct spv_chain_pos pos, size_t n_new);
void spv_chain_drop_branches_below(struct spv_chain *c, uint32_t height);
/* In branches that the bound covers. */
size_t spv_chain_branch_headers(const struct spv_chain *c);

#endif
