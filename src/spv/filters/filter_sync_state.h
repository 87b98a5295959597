/* The internals of filter header sync, shared by its source files. Each calls only those above it:
 *
 *   filter_requests.c   open requests
 *   filter_headers.c    our filter headers: stored or being stored, and their hashes
 *   filter_branches.c   filter branches: filter headers of some peers that are not proven invalid
 *   filter_rollback.c   rolls filter headers back, with what was derived from them
 *   filter_prove.c      tests two filters of a height with its block
 *   filter_dispute.c    finds the heights where two sides of a dispute differ, and resolves it
 *   filter_votes.c      rounds of votes: the requests to peers, and their answers
 *   filter_agree.c      compares the votes
 *   filter_ranges.c     ranges between agreed filter headers
 *   filter_sync.c       the calls of the node */
#ifndef SPV_SPV_FILTERS_FILTER_SYNC_STATE_H
#define SPV_SPV_FILTERS_FILTER_SYNC_STATE_H

#include <string.h>

#include "spv/filter.h"
#include "spv/filters/filter_requests.h"
#include "spv/filters/filter_segments.h"
#include "spv/filters/filter_sync.h"
#include "spv/filters/scan_ranges.h"

/* a bit of a request's serial: the request belongs to a dispute, not to a round */
#define SPV_FILTER_OF_DISPUTE (UINT64_C(1) << 63)
/* heights in one request of a vote or a dispute. BIP157 allows 2,000 (stop - start < 2,000); with
 * one less the known height below start is less than 2,000 below stop, too */
#define SPV_FILTER_MAX_VOTE_HEIGHTS (SPV_MAX_CFHEADERS - 1)

/* A vote: a peer's answer to getcfheaders or getcfcheckpt, kept until the end of its round. */
struct spv_filter_answer {
    enum spv_command command; /* cfheaders or cfcheckpt */
    uint32_t start, stop; /* heights of a cfheaders */
    struct spv_filter_header prev; /* filter header of height start - 1 */
    struct spv_filter_header last; /* computed: filter header of stop */
    size_t n;
    /* filter hashes; of a cfcheckpt: the filter headers of 1000, 2000, ... */
    struct spv_hash256 values[];
};

enum spv_filter_round_kind {
    SPV_FILTER_ROUND_NONE = 0, /* no request is needed */
    SPV_FILTER_ROUND_COMPARE = 1, /* the filter header at our_height = stop */
    SPV_FILTER_ROUND_CHECKPOINTS = 2, /* every 1,000th filter header up to stop */
    SPV_FILTER_ROUND_HASHES = 3, /* the filter hashes above our_height up to stop */
};

/* A round of votes: the same request to all peers, so that the answers can be compared. */
struct spv_filter_round {
    uint64_t id;
    enum spv_filter_round_kind kind;
    uint32_t our_height; /* of our highest filter header when the round began */
    uint32_t stop;
    struct spv_blockhash stop_block;
    uint64_t start_us;
    bool is_new_tip; /* the first requests wait for the block filter index of the peers */
};

/* A filter branch: filter headers that some peers serve in place of ours, proven neither valid nor
 * invalid. It stores the heights with other filter hashes. */
struct spv_filter_diff {
    uint32_t height;
    struct spv_filter_hash hash;
};
struct spv_filter_branch {
    uint32_t top_height; /* compared up to here */
    struct spv_filter_header top; /* its filter header at top_height */
    struct spv_filter_diff *diffs; /* heights ascending */
    size_t n, cap; /* n 0: this slot is free */
    unsigned proofs_left; /* heights that may still be tested with a block */
    bool frozen; /* it has SPV_FILTER_MAX_BRANCH_DIFFS and is not compared any further */
    /* it was stored before, and diffs are against the branch that replaced it: checked once that is
     * stored */
    bool unchecked;
};

enum spv_filter_dispute_step {
    SPV_FILTER_DISPUTE_NONE = 0,
    SPV_FILTER_DISPUTE_CHECKPOINTS = 1, /* narrows the range down by cfcheckpt */
    SPV_FILTER_DISPUTE_HASHES = 2,
    SPV_FILTER_DISPUTE_PROVE = 3,
};
/* One of the two sides of a dispute; one peer of it at a time gets requests. */
struct spv_filter_dispute_side {
    uint64_t peer; /* with an open request; 0: none */
    uint64_t until_us; /* when its answer is overdue */
    struct spv_filter_hash *hashes; /* of low + 1..high; NULL: not known yet */
    uint8_t *filter; /* of height `at` */
    size_t n_filter;
    bool no_filter; /* no peer sends it */
};
struct spv_filter_dispute {
    enum spv_filter_dispute_step step;
    uint64_t serial; /* of the requests of this dispute */
    uint64_t challenger; /* the peer whose answer began it, for the warning */
    uint32_t low, high; /* heights: the filter headers of the sides differ at high, and are equal
                           (or known, of a branch) at low */
    struct spv_filter_header our_low, their_low, our_high, their_high;
    bool their_high_known;
    int branch; /* index of the branch that is compared; -1: none */
    struct spv_filter_dispute_side side[2]; /* ours, theirs */
    uint32_t at; /* the height that is tested with its block; 0: none yet */
    unsigned proofs_left; /* heights that may still be tested */
    struct spv_blockhash block; /* of height `at` */
    uint8_t *block_bytes;
    size_t n_block;
    bool block_wanted; /* spv_filter_sync_next_block has not returned it yet */
    uint64_t block_until_us; /* when the test continues without the block */
};

struct spv_filter_invalid {
    uint32_t height;
    struct spv_filter_hash hash;
};

enum spv_filter_sync_phase {
    SPV_FILTER_SYNC_WAITING = 0, /* for the end of header sync */
    SPV_FILTER_SYNC_RUNNING = 1,
    SPV_FILTER_SYNC_STOPPED = 2, /* every peer contradicts a built-in filter header */
};

struct spv_filter_sync {
    struct spv_filter_sync_config cfg;
    enum spv_filter_sync_phase phase;
    struct spv_now now; /* of the last run */
    /* our filter headers */
    uint32_t start_height; /* of the lowest: stored or built in */
    struct spv_filter_header start;
    uint32_t height; /* of the highest */
    struct spv_filter_header top;
    bool begun;
    struct spv_filter_header *agreed; /* filter headers of 1000, 2000, ... that were agreed on */
    size_t n_agreed;
    uint32_t rolled_back_from; /* height, for spv_filter_sync_next_rollback; UINT32_MAX: none */
    /* storing */
    bool storing;
    bool dropping; /* the unanswered effect is DROP_FILTER_HEADERS; else STORE_FILTER_HEADERS */
    uint32_t drop_from; /* height of a DROP_FILTER_HEADERS to be emitted; UINT32_MAX: none */
    uint32_t fork; /* height of a reorganisation while storing; UINT32_MAX: none */
    struct spv_filter_header *headers; /* of the unanswered update */
    struct spv_filter_hash *hashes;
    size_t n_update;
    uint64_t added; /* filter headers stored since creation */
    struct spv_filter_round round;
    uint64_t single_netgroup_since_us; /* peers are of one network group only since; 0: of more */
    uint32_t contradicted; /* the height of a built-in filter header that a peer contradicts */
    uint64_t contradicted_us; /* when the first peer did; 0: none does */
    enum spv_more_peers more;
    struct spv_segments *segments; /* NULL: no ranges are fetched */
    struct spv_filter_segments ops;
    struct spv_filter_checkpoint *ends;
    struct spv_filter_dispute dispute;
    struct spv_filter_branch branch[SPV_FILTER_MAX_BRANCHES];
    struct spv_filter_invalid invalid[SPV_FILTER_MAX_INVALID];
    size_t n_invalid; /* ever added: the oldest are overwritten */
    struct spv_scan_ranges differing; /* heights that got alternatives since they were returned */
    unsigned n_exchanges; /* branches of more network groups that became the stored headers */
    bool warned_one_group, warned_disputed, warned_start;
    struct spv_blockhash reported; /* the tip of the last FILTERS_SYNCED */
};

/* Whether the peer takes part in rounds of votes. */
static inline bool spv_filter_peer_can_vote(const struct spv_peer_entry *p, struct spv_now now)
{
    return spv_filter_peer_serves(p) && !p->filters.branch && !p->filters.contradicts_built_in &&
           p->filters.silent_until_us <= now.mono_us;
}

static inline struct spv_filter_header spv_filter_header_of(const struct spv_hash256 *hash)
{
    struct spv_filter_header out;
    memcpy(out.b, hash->b, sizeof out.b);
    return out;
}

static inline struct spv_filter_hash spv_filter_hash_of(const struct spv_hash256 *hash)
{
    struct spv_filter_hash out;
    memcpy(out.b, hash->b, sizeof out.b);
    return out;
}

/* The earlier deadline; times in the past were handled and are ignored. */
static inline uint64_t spv_filter_earlier(uint64_t first, uint64_t at, struct spv_now now)
{
    return at > now.mono_us && at < first ? at : first;
}

/* filter_headers.c */
/* Chooses the first filter header. Returns 1, 0 when none is possible yet, or negative. */
int spv_filter_headers_begin(struct spv_filter_sync *fs);
/* Our filter header of a height: stored, or an agreed checkpoint. Returns 1, 0 or negative. */
int spv_filter_headers_at(const struct spv_filter_sync *fs, struct spv_filter_header *out,
                          uint32_t height);
/* The stored filter hashes of n heights from `from` on. Returns how many are known, or negative. */
int spv_filter_headers_hashes(const struct spv_filter_sync *fs, struct spv_filter_hash *out,
                              uint32_t from, uint32_t n);
/* The block of the best chain at a height. Returns 0, SPV_ERR_STATE when there is none, or
 * negative. */
int spv_filter_headers_block(const struct spv_filter_sync *fs, struct spv_blockhash *out,
                             uint32_t height);
/* NULL: none is built in for this height. */
const struct spv_filter_header *spv_filter_headers_built_in(const struct spv_filter_sync *fs,
                                                            uint32_t height);
/* Stores n filter hashes that follow the highest filter header. Returns 0 or negative. */
int spv_filter_headers_store(struct spv_filter_sync *fs, const struct spv_filter_hash *hashes,
                             size_t n);
/* Forgets the agreed checkpoints and the ranges between them. */
void spv_filter_headers_forget_agreed(struct spv_filter_sync *fs);
/* Limits the heights up to which peers are known to agree with us. */
void spv_filter_headers_limit_agreement(struct spv_filter_sync *fs, uint32_t height);
/* Remembers a filter that is proven invalid. */
void spv_filter_headers_add_invalid(struct spv_filter_sync *fs, uint32_t height,
                                    const struct spv_filter_hash *hash);
/* Whether one of n hashes from `from` on is remembered. */
bool spv_filter_headers_has_invalid(const struct spv_filter_sync *fs, uint32_t from,
                                    const struct spv_hash256 *hashes, size_t n);
/* Emits a WARNING event. */
void spv_filter_headers_warn(struct spv_filter_sync *fs, enum spv_warning warning, uint64_t peer,
                             uint32_t height);

/* filter_branches.c */
/* Adds the compared range of a dispute to a branch: the heights where hashes differ from ours.
 * index: of the branch, or -1 for a new one. Returns the index, SPV_ERR_TOO_MANY, or SPV_ERR_NOMEM.
 */
int spv_filter_branches_add(struct spv_filter_sync *fs, int index,
                            const struct spv_filter_dispute *d);
/* When another branch has the same filter header at the same height, moves the peers of this one to
 * it and removes this one. */
void spv_filter_branches_join(struct spv_filter_sync *fs, int index);
/* Removes a branch; its peers vote again. */
void spv_filter_branches_remove(struct spv_filter_sync *fs, int index);
/* Checks exchanged branches; removes those whose hashes do not lead to their filter header: their
 * peers are compared again. Returns 0 or negative. */
int spv_filter_branches_check(struct spv_filter_sync *fs);
/* Rolls all branches back to a height. Returns 0 or negative. */
int spv_filter_branches_rollback(struct spv_filter_sync *fs, uint32_t height);
void spv_filter_branches_free(struct spv_filter_sync *fs);

/* filter_rollback.c */
/* Rolls back the filter headers from a height on, which are invalid or replaced, and schedules a
 * DROP_FILTER_HEADERS if they are stored. Returns 0 or negative. */
int spv_filter_rollback_stored(struct spv_filter_sync *fs, uint32_t from);
/* Rolls the state back to a height, above which no filter headers are stored any more. */
int spv_filter_rollback_to(struct spv_filter_sync *fs, uint32_t height);
/* Replaces the stored filter headers by a branch that more network groups support; the stored ones
 * become a branch. Returns 0 or negative. */
int spv_filter_rollback_adopt(struct spv_filter_sync *fs, int index);

/* filter_prove.c */
/* Fetches both filters and the block of height d->at. 1: all that can be obtained was received; 0:
 * not yet; negative: failed. */
int spv_filter_prove_fetch(struct spv_filter_sync *fs, struct spv_now now);
/* Tests both filters: sets for each side whether its filter is proven invalid. Returns 0 or
 * negative. */
int spv_filter_prove_test(struct spv_filter_sync *fs, bool is_invalid[2]);
/* Frees the filters and the block. */
void spv_filter_prove_clear(struct spv_filter_dispute *d);
/* A cfilter that answers a request of a dispute. */
int spv_filter_prove_recv(struct spv_filter_sync *fs, struct spv_peer_entry *p,
                          const struct spv_msg_cfilter *msg);
/* A peer of a side that has the block of this height and may get a request; NULL: none now, and
 * *wait says whether one may soon. */
struct spv_peer_entry *spv_filter_prove_peer(struct spv_filter_sync *fs, enum spv_filter_side side,
                                             uint32_t height, bool *wait, struct spv_now now);

/* filter_dispute.c */
/* Begins a dispute: our filter header at ours->height differs from theirs, those at low->height are
 * equal. The sides of the peers are set; the warning names `challenger`. */
void spv_filter_dispute_begin(struct spv_filter_sync *fs, uint64_t challenger,
                              const struct spv_filter_checkpoint *low,
                              const struct spv_filter_checkpoint *ours,
                              const struct spv_filter_header *theirs);
/* Sets hashes that are known already, high - low each. Either may be NULL. */
int spv_filter_dispute_set_hashes(struct spv_filter_sync *fs, const struct spv_hash256 *ours,
                                  const struct spv_hash256 *theirs);
/* Begins to compare the next range of a branch. */
int spv_filter_dispute_begin_branch(struct spv_filter_sync *fs, int index,
                                    struct spv_peer_entry *p);
/* Sends requests and tests filters. 1: the dispute continues, and no votes may be compared
 * meanwhile; 0: there is none. */
int spv_filter_dispute_run(struct spv_filter_sync *fs, struct spv_now now);
void spv_filter_dispute_end(struct spv_filter_sync *fs);
/* An answer to a request of a dispute. */
int spv_filter_dispute_recv(struct spv_filter_sync *fs, struct spv_peer_entry *p,
                            const struct spv_filter_request *r, const struct spv_msg *msg);
uint64_t spv_filter_dispute_deadline(const struct spv_filter_sync *fs, struct spv_now now);

/* filter_votes.c */
/* Chooses the round, and sends the requests that are due. Returns 0 or negative. */
int spv_filter_votes_run(struct spv_filter_sync *fs, struct spv_now now);
/* Begins a new round even when its requests are the same. */
void spv_filter_votes_restart(struct spv_filter_sync *fs);
/* An answer to a request of a round. */
int spv_filter_votes_recv(struct spv_filter_sync *fs, struct spv_peer_entry *p,
                          const struct spv_filter_request *r, const struct spv_msg *msg);
void spv_filter_votes_forget(struct spv_peer_entry *p);
/* The filter header that an answer gives for a height; false: it gives none. */
bool spv_filter_votes_header(const struct spv_filter_answer *a, struct spv_filter_header *out,
                             uint32_t height);
/* Whether the peer may still answer in this round. */
bool spv_filter_votes_pending(const struct spv_filter_sync *fs, const struct spv_peer_entry *p,
                              struct spv_now now);
uint64_t spv_filter_votes_deadline(const struct spv_filter_sync *fs, struct spv_now now);

/* filter_agree.c */
/* Compares the votes: begins a dispute, agrees on checkpoints, or stores. */
int spv_filter_agree_run(struct spv_filter_sync *fs, struct spv_now now);
/* Whether a peer may still answer in this round. */
bool spv_filter_agree_pending(const struct spv_filter_sync *fs, struct spv_now now);
/* Whether no peer can vote any more for long enough that a branch may replace the stored filter
 * headers. */
bool spv_filter_agree_unsupported(struct spv_filter_sync *fs, struct spv_now now);
/* The branch that more network groups support than the stored filter headers; -1: none. */
int spv_filter_agree_preferred(const struct spv_filter_sync *fs, struct spv_now now);
uint64_t spv_filter_agree_deadline(const struct spv_filter_sync *fs, struct spv_now now);

/* filter_ranges.c */
/* Fetches the ranges between the agreed checkpoints, and stores them. */
int spv_filter_ranges_run(struct spv_filter_sync *fs, struct spv_now now);

#endif
