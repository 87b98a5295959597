/* The places that a node may dial: named by the user, found by DNS or heard from peers. Knows when
 * each may be tried again (exponential backoff with jitter), who is banned, and how to spread the
 * choice over network groups. Bounded; owns nothing but its table. */
#ifndef SPV_SPV_CANDIDATES_H
#define SPV_SPV_CANDIDATES_H

#include "spv/node.h"

#define SPV_BACKOFF_FIRST (SPV_SECOND / 2) /* ours: a restarting peer is back in a second */
#define SPV_BACKOFF_NAMED (30 * SPV_SECOND) /* ours: the user asked for this very peer */
#define SPV_BACKOFF_MAX (600 * SPV_SECOND) /* ours: nothing is given up for good */
#define SPV_BAN_SECONDS 86400 /* SYNC.md: 24 h for a proven lie */
#define SPV_NAMED_TRIES                                                                            \
    3 /* ours: failures after which a named peer no longer holds up a verdict                      \
       */

struct spv_candidate {
    struct spv_endpoint endpoint;
    uint64_t group; /* network group: /16 of IPv4, /32 of IPv6, its own when named */
    uint64_t peer; /* the id that uses it now; 0 none */
    uint64_t next_try_us; /* monotonic */
    uint64_t banned_until_us;
    unsigned failures; /* in a row */
    bool named; /* by the user; never evicted */
};

struct spv_candidates {
    struct spv_candidate *at; /* SPV_NODE_ADDRESSES + SPV_NODE_MAX_ENDPOINTS at most */
    size_t n;
    size_t cap;
    struct spv_rng rng;
    uint64_t salt[2]; /* keys the groups, so that nobody can aim at a collision */
};

void spv_candidates_init(struct spv_candidates *c, struct spv_rng rng);
void spv_candidates_free(struct spv_candidates *c);

/* A place that the user named; known ones are ignored. SPV_ERR_INVALID (port 0), SPV_ERR_FULL,
 * SPV_ERR_NOMEM. */
int spv_candidates_add_named(struct spv_candidates *c, const struct spv_endpoint *endpoint);

/* An address that somebody claims to exist. Refused silently: unroutable ones, networks that cannot
 * be dialled, known ones. When the table is full a random one that failed gives way. */
int spv_candidates_add(struct spv_candidates *c, const struct spv_netaddr *addr);

/* The next one to dial now, or NULL: unused, not banned, its time has come; of a group that no used
 * one has, if there is any; named ones first, then the fewest failures, else by chance. */
struct spv_candidate *spv_candidates_pick(struct spv_candidates *c, struct spv_now now);

struct spv_candidate *spv_candidates_of(const struct spv_candidates *c, uint64_t peer);

/* The peer that used it is gone. healthy: it had served us well, so it may be tried again soon. */
void spv_candidates_release(struct spv_candidates *c, struct spv_candidate *candidate, bool healthy,
                            struct spv_now now);
void spv_candidates_ban(struct spv_candidate *candidate, struct spv_now now);

/* When the next unused one may be tried, or SPV_NEVER. */
uint64_t spv_candidates_deadline(const struct spv_candidates *c);

/* Named ones that are not written off (banned, or SPV_NAMED_TRIES failures in a row). */
size_t spv_candidates_named_alive(const struct spv_candidates *c, struct spv_now now);

/* The text form of an IPv4 or IPv6 address; false for others and for unroutable ones. */
bool spv_candidate_endpoint(struct spv_endpoint *out, const struct spv_netaddr *addr);

#endif
