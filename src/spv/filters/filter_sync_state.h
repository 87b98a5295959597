/* The internals of filter header sync, shared by its source files. Each calls only those above it:
 *
 *   filter_requests.c   open requests
 *   filter_headers.c    our filter headers: stored, about to be, and their hashes
 *   filter_branches.c   branches of filters that are not proven false
 *   filter_rollback.c   filter headers that end, and what was derived from them
 *   filter_prove.c      two filters of a height are tested with its block
 *   filter_dispute.c    finds the heights where two sides differ, and what comes of it
 *   filter_votes.c      the rounds: what peers are asked, and their answers
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

/* in a request's serial: it belongs to a dispute, not to a round */
#define SPV_FILTER_OF_DISPUTE (UINT64_C(1) << 63)
/* heights in one request of a vote or a dispute */
#define SPV_FILTER_MAX_VOTE_HEIGHTS (SPV_MAX_CFHEADERS - 1)

/* A peer's answer to getcfheaders or getcfcheckpt, while its round lasts. */
struct spv_filter_answer {
    enum spv_command command; /* cfheaders or cfcheckpt */
    uint32_t start, stop; /* heights of a cfheaders */
    struct spv_filter_header prev; /* of the height below start */
    struct spv_filter_header last; /* computed: of stop */
    size_t n;
    struct spv_hash256 values[]; /* filter hashes; or filter headers of 1000, 2000, ... */
};

enum spv_filter_round_kind {
    SPV_FILTER_ROUND_NONE = 0, /* nothing to ask */
    SPV_FILTER_ROUND_COMPARE = 1, /* the filter header of our highest one: base = stop */
    SPV_FILTER_ROUND_CHECKPOINTS = 2, /* every 1,000th up to stop */
    SPV_FILTER_ROUND_HASHES = 3, /* the hashes above base up to stop, the tip */
};

/* What all peers are asked at a time. */
struct spv_filter_round {
    uint64_t id;
    enum spv_filter_round_kind kind;
    uint32_t our_height, stop;
    struct spv_blockhash stop_block;
    uint64_t start_us;
    bool is_new_tip; /* the first requests wait for the index of the peers */
};

/* A branch: what some peers say instead of what is stored, proven neither true nor false. */
struct spv_filter_diff {
    uint32_t height;
    struct spv_filter_hash hash;
};
struct spv_filter_branch {
    uint32_t top_height; /* compared up to here */
    struct spv_filter_header top; /* its filter header there */
    struct spv_filter_diff *diffs; /* heights ascending */
    size_t n, cap; /* n 0: free */
    unsigned proofs_left;
    bool frozen; /* it is not followed any further */
    /* it was stored before, and its differences are those from what took its place: to be checked
     * when that is stored */
    bool unchecked;
};

enum spv_filter_dispute_step {
    SPV_FILTER_DISPUTE_NONE = 0,
    SPV_FILTER_DISPUTE_CHECKPOINTS = 1, /* narrows down where they differ */
    SPV_FILTER_DISPUTE_HASHES = 2,
    SPV_FILTER_DISPUTE_PROVE = 3,
};
/* One of the two sides: a representative at a time. */
struct spv_filter_dispute_side {
    uint64_t peer; /* that is asked; 0: none */
    uint64_t until_us; /* its time to answer */
    struct spv_filter_hash *hashes; /* of low + 1..high; NULL: not known yet */
    uint8_t *filter; /* of the height that is tested */
    size_t n_filter;
    bool no_filter; /* no peer gives it */
};
struct spv_filter_dispute {
    enum spv_filter_dispute_step step;
    uint64_t serial; /* of its requests */
    uint64_t challenger; /* the peer that began it, for the warning */
    uint32_t low, high; /* their headers differ at high; at low they are those below */
    struct spv_filter_header our_low, their_low, our_high, their_high;
    bool their_high_known;
    int branch; /* that is followed, or -1 */
    struct spv_filter_dispute_side side[2]; /* ours, theirs */
    uint32_t at; /* the height that is tested; 0: none yet */
    unsigned proofs_left;
    struct spv_blockhash block;
    uint8_t *block_bytes;
    size_t n_block;
    bool block_wanted; /* spv_filter_sync_next_block has not returned it yet */
    uint64_t block_until_us;
};

struct spv_filter_invalid {
    uint32_t height;
    struct spv_filter_hash hash;
};

enum spv_filter_sync_phase {
    SPV_FILTER_SYNC_WAITING = 0, /* for header sync, or a start */
    SPV_FILTER_SYNC_RUNNING = 1,
    SPV_FILTER_SYNC_STOPPED = 2, /* every peer contradicts a built-in filter header */
};

struct spv_filter_sync {
    struct spv_filter_sync_config cfg;
    enum spv_filter_sync_phase phase;
    struct spv_now now; /* of the last run */
    /* our filter headers */
    uint32_t start_height; /* the lowest: stored, or built in */
    struct spv_filter_header start;
    uint32_t height; /* the highest */
    struct spv_filter_header top;
    bool begun;
    struct spv_filter_header *agreed; /* checkpoints that are agreed on, of 1000, 2000, ... */
    size_t n_agreed;
    uint32_t rolled_back_from; /* from this height on; UINT32_MAX: nothing was */
    /* storing */
    bool storing;
    bool dropping; /* it is a DROP */
    uint32_t drop_from; /* a DROP is due; UINT32_MAX: none */
    uint32_t fork; /* the chain was reorganised while storing; UINT32_MAX: it was not */
    struct spv_filter_header *headers; /* of the update */
    struct spv_filter_hash *hashes;
    size_t n_update;
    uint64_t added;
    struct spv_filter_round round;
    uint64_t single_netgroup_since_us; /* one group of peers only; 0: more */
    uint32_t contradicted; /* the height of a built-in filter header that a peer contradicts */
    uint64_t contradicted_us; /* when the first one did; 0: none does */
    enum spv_more_peers more;
    struct spv_segments *segments; /* NULL: no ranges are fetched */
    struct spv_filter_segments payload;
    struct spv_filter_checkpoint *ends;
    struct spv_filter_dispute dispute;
    struct spv_filter_branch branch[SPV_FILTER_MAX_BRANCHES];
    struct spv_filter_invalid invalid[SPV_FILTER_MAX_INVALID];
    size_t n_invalid; /* counts up: the oldest are overwritten */
    struct spv_scan_ranges differing; /* heights of new differences, for who uses the filters */
    unsigned n_exchanges; /* of what is stored for a branch of more groups */
    bool warned_one_group, warned_disputed, warned_start;
    struct spv_blockhash reported; /* the tip of the last FILTERS_SYNCED */
};

/* The peer takes part in rounds. */
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

/* The earlier deadline; times that have passed were handled. */
static inline uint64_t spv_filter_earlier(uint64_t first, uint64_t at, struct spv_now now)
{
    return at > now.mono_us && at < first ? at : first;
}

/* filter_headers.c */
/* Chooses where to begin. Returns 1, 0 when there is no place yet, or negative. */
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
/* The agreed checkpoints, and the ranges between them, are forgotten. */
void spv_filter_headers_forget_agreed(struct spv_filter_sync *fs);
/* No peer agrees with us above a height. */
void spv_filter_headers_limit_agreement(struct spv_filter_sync *fs, uint32_t height);
/* Remembers a filter that is proven false. */
void spv_filter_headers_add_invalid(struct spv_filter_sync *fs, uint32_t height,
                                    const struct spv_filter_hash *hash);
/* Whether one of n hashes from `from` on is remembered. */
bool spv_filter_headers_has_invalid(const struct spv_filter_sync *fs, uint32_t from,
                                    const struct spv_hash256 *hashes, size_t n);
/* A WARNING event. */
void spv_filter_headers_warn(struct spv_filter_sync *fs, enum spv_warning warning, uint64_t peer,
                             uint32_t height);

/* filter_branches.c */
/* Adds what one chunk of a branch showed: where its hashes differ from ours. index: the branch, or
 * -1 for a new one. Returns the branch, SPV_ERR_TOO_MANY, or SPV_ERR_NOMEM. */
int spv_filter_branches_add(struct spv_filter_sync *fs, int index,
                            const struct spv_filter_dispute *d);
/* When another branch says the same up to the same height, the peers of this one join it. */
void spv_filter_branches_join(struct spv_filter_sync *fs, int index);
/* The branch is gone, and its peers vote again. */
void spv_filter_branches_remove(struct spv_filter_sync *fs, int index);
/* Removes those whose differences are not those from what is stored: their peers are compared anew.
 * Returns 0 or negative. */
int spv_filter_branches_check(struct spv_filter_sync *fs);
/* Our filter headers end at a height now. Returns 0 or negative. */
int spv_filter_branches_rollback(struct spv_filter_sync *fs, uint32_t height);
void spv_filter_branches_free(struct spv_filter_sync *fs);

/* filter_rollback.c */
/* The filter headers from a height on are wrong: a DROP becomes due, or takes place, and what was
 * derived from them is forgotten. Returns 0 or negative. */
int spv_filter_rollback_stored(struct spv_filter_sync *fs, uint32_t from);
/* The filter headers above a height are no longer stored, by us or by the chain. */
int spv_filter_rollback_to(struct spv_filter_sync *fs, uint32_t height);
/* A branch takes the place of what is stored, which fewer groups support, or none; what was stored
 * stays as a branch. Returns 0 or negative. */
int spv_filter_rollback_adopt(struct spv_filter_sync *fs, int index);

/* filter_prove.c */
/* Fetches the filters and the block of the height d->at. 1: what can be had is there. 0: it is
 * waited for. Negative: failed. */
int spv_filter_prove_fetch(struct spv_filter_sync *fs, struct spv_now now);
/* Tests both filters: sets for each side whether it is proven false. Returns 0 or negative. */
int spv_filter_prove_test(struct spv_filter_sync *fs, bool is_invalid[2]);
/* Forgets the filters and the block. */
void spv_filter_prove_clear(struct spv_filter_dispute *d);
/* A cfilter that a dispute asked for. */
int spv_filter_prove_recv(struct spv_filter_sync *fs, struct spv_peer_entry *p,
                          const struct spv_msg_cfilter *msg);
/* The representative of a side that can be asked for this height, which has shown it; NULL: none
 * now, *wait whether one may be soon. */
struct spv_peer_entry *spv_filter_prove_peer(struct spv_filter_sync *fs, enum spv_filter_side side,
                                             uint32_t height, bool *wait, struct spv_now now);

/* filter_dispute.c */
/* Begins a dispute: their and our filter header of a height differ, those of `low` are equal. The
 * sides of the peers are set; `them` is the peer that a warning names. */
void spv_filter_dispute_begin(struct spv_filter_sync *fs, uint64_t challenger,
                              const struct spv_filter_checkpoint *low,
                              const struct spv_filter_checkpoint *ours,
                              const struct spv_filter_header *theirs);
/* What is known of its hashes already: n is high - low. Either may be NULL. */
int spv_filter_dispute_set_hashes(struct spv_filter_sync *fs, const struct spv_hash256 *ours,
                                  const struct spv_hash256 *theirs);
/* Begins to compare the next part of a branch. */
int spv_filter_dispute_begin_branch(struct spv_filter_sync *fs, int index,
                                    struct spv_peer_entry *p);
/* Does what is due. 1: the dispute goes on, and nothing else may be decided; 0: there is none. */
int spv_filter_dispute_run(struct spv_filter_sync *fs, struct spv_now now);
void spv_filter_dispute_end(struct spv_filter_sync *fs);
/* An answer to one of its requests. */
int spv_filter_dispute_recv(struct spv_filter_sync *fs, struct spv_peer_entry *p,
                            const struct spv_filter_request *r, const struct spv_msg *msg);
uint64_t spv_filter_dispute_deadline(const struct spv_filter_sync *fs, struct spv_now now);

/* filter_votes.c */
/* Chooses the round, and sends the requests that are due. Returns 0 or negative. */
int spv_filter_votes_run(struct spv_filter_sync *fs, struct spv_now now);
/* Begins a new round even when the same is asked. */
void spv_filter_votes_restart(struct spv_filter_sync *fs);
/* An answer in the current round. */
int spv_filter_votes_recv(struct spv_filter_sync *fs, struct spv_peer_entry *p,
                          const struct spv_filter_request *r, const struct spv_msg *msg);
void spv_filter_votes_forget(struct spv_peer_entry *p);
/* The filter header of a height that an answer shows: false when it shows none. */
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
/* Whether no peer votes any more, for so long that a branch may take the place of what is stored.
 */
bool spv_filter_agree_unsupported(struct spv_filter_sync *fs, struct spv_now now);
/* The branch that more groups support than what is stored; -1: none does. */
int spv_filter_agree_preferred(const struct spv_filter_sync *fs, struct spv_now now);
uint64_t spv_filter_agree_deadline(const struct spv_filter_sync *fs, struct spv_now now);

/* filter_ranges.c */
/* Fetches the ranges between the agreed checkpoints, and stores them. */
int spv_filter_ranges_run(struct spv_filter_sync *fs, struct spv_now now);

#endif
