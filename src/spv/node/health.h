/* Alarms: what a node tells its user of without being able to mend it. The tip has not moved for
 * long, most peers' clocks disagree with ours, every peer is lost. Knows peers by id, the tip by
 * its record; asks for nothing and changes no clock. What is due is pulled with spv_health_next. */
#ifndef SPV_SPV_NODE_HEALTH_H
#define SPV_SPV_NODE_HEALTH_H

#include "spv/node.h"

#define SPV_HEALTH_AGAIN                                                                           \
    (3600 * SPV_SECOND) /* a warning that stands is repeated at most hourly                        \
                         */
#define SPV_HEALTH_SKEW 600 /* seconds that a peer's clock may be off */
#define SPV_HEALTH_CLOCKS                                                                          \
    5 /* clocks that make a majority believable, where we want so many peers                       \
       */
#define SPV_HEALTH_LOOK                                                                            \
    (600 * SPV_SECOND) /* ours: how often clocks are compared: ours may be set                     \
                        */
#define SPV_HEALTH_NO_PEERS_DELAY (10 * SPV_SECOND) /* ours: a lost peer may be back at once */
#define SPV_HEALTH_EXTRA 2 /* ours: fresh peers beside the wanted ones while the tip is stale */

enum spv_health_kind {
    SPV_HEALTH_FRESH_PEERS, /* the tip is stale: other peers may know more */
    SPV_HEALTH_TIP_RESUMED, /* the tip has moved after that */
    SPV_HEALTH_WARNING, /* tell the user */
};
struct spv_health_note {
    enum spv_health_kind kind;
    enum spv_warning warning; /* WARNING */
    int64_t seconds; /* WARNING: how old, how far ahead; see enum spv_warning */
};

struct spv_health_peer {
    uint64_t id;
    bool has_clock; /* a time of 0 is no clock */
    int64_t clock_s; /* what its clock would have said when our monotonic one began */
};

struct spv_health {
    uint64_t fresh_s, stale_s; /* of the network; 0: never */
    unsigned wanted;
    struct spv_health_peer peer[SPV_NODE_MAX_PEERS];
    size_t peers;
    bool started; /* a first verdict was made: the tip is expected to move */
    struct spv_blockhash tip;
    int64_t moved_us; /* monotonic; before our clock began when the tip is older */
    bool stale; /* fresh peers were asked for */
    bool tip_resumed; /* the tip moved after that; to be told */
    uint64_t fresh_us, stale_us; /* when each comes next; SPV_NEVER */
    uint64_t check_us; /* when clocks are compared next */
    uint64_t skew_us; /* when a skew may be told again */
    int64_t skew_s; /* 0, or the median by which most clocks are ahead of ours */
    uint64_t no_peers_us; /* when the loss of all peers is told */
};

void spv_health_init(struct spv_health *a, const struct spv_params *params, unsigned wanted);

/* A peer is ready; ahead_s is its clock minus ours. */
void spv_health_connected(struct spv_health *a, uint64_t id, int64_t ahead_s, struct spv_now now);
/* A peer is gone; any id. */
void spv_health_closed(struct spv_health *a, uint64_t id, struct spv_now now);
/* After each input: whether the verdict stands, and the tip. True when it has moved (or is the
 * first one that counts). */
bool spv_health_tip(struct spv_health *a, bool synced, const struct spv_chain_header *tip,
                    struct spv_now now);

/* The next thing to be done or told now: 1 and *out, or 0. */
int spv_health_next(struct spv_health *a, struct spv_health_note *out, struct spv_now now);
uint64_t spv_health_deadline(const struct spv_health *a);

/* Seconds since the tip moved, or by its own time where that was before we came; 0 before the first
 * verdict. */
uint64_t spv_health_age(const struct spv_health *a, struct spv_now now);

#endif
