/* Health: warns of conditions that a node cannot repair: the tip has not moved for long, most
 * peers' clocks disagree with ours, or no peer is connected any more. It sends no requests and
 * changes no clock; spv_health_next returns what is due. */
#ifndef SPV_SPV_NODE_HEALTH_H
#define SPV_SPV_NODE_HEALTH_H

#include "spv/sync/peer_table.h"

/* a warning is repeated at most hourly while it lasts */
#define SPV_HEALTH_REPEAT_US (3600 * SPV_SECOND)
#define SPV_HEALTH_MAX_SKEW_S 600 /* seconds that a peer's clock may be off */
/* clocks needed for a majority, if at least that many peers are wanted */
#define SPV_HEALTH_MIN_CLOCKS 5
/* ours: how often clocks are compared: ours may be corrected */
#define SPV_HEALTH_CLOCK_INTERVAL_US (600 * SPV_SECOND)
/* ours: a lost peer may reconnect at once */
#define SPV_HEALTH_NO_PEERS_DELAY_US (10 * SPV_SECOND)
#define SPV_HEALTH_MAX_EXTRA_PEERS 2 /* ours: while the tip does not move */

enum spv_health_kind {
    SPV_HEALTH_EXTRA_PEERS, /* the tip has not moved for extra_peers_after_s: connect to more peers
                             */
    SPV_HEALTH_TIP_RESUMED, /* the tip has moved since */
    SPV_HEALTH_WARNING, /* emit a WARNING */
};
struct spv_health_event {
    enum spv_health_kind kind;
    enum spv_warning warning; /* WARNING */
    int64_t seconds; /* WARNING: how old, how far ahead; see enum spv_warning */
};

struct spv_health {
    uint64_t extra_peers_after_s, stale_warning_after_s; /* as in struct spv_params; 0: never */
    unsigned wanted;
    struct spv_peer_table *peers; /* borrowed */
    size_t n_peers; /* that are ready */
    bool started; /* SYNCED was reached once: the tip is expected to move */
    struct spv_blockhash tip;
    /* when the tip moved, monotonic; negative when the tip is older than our clock */
    int64_t moved_us;
    bool wants_extra_peers; /* EXTRA_PEERS was returned, and the tip has not moved since */
    bool tip_resumed; /* TIP_RESUMED is due */
    uint64_t extra_peers_us, stale_warning_us; /* when each is due next; SPV_NEVER */
    uint64_t check_us; /* when clocks are compared next */
    uint64_t skew_us; /* when a skew may be reported again */
    int64_t skew_s; /* 0, or the median by which most clocks are ahead of ours */
    uint64_t no_peers_us; /* when the loss of all peers is reported */
};

void spv_health_init(struct spv_health *h, const struct spv_params *params, unsigned wanted,
                     struct spv_peer_table *peers);

/* A peer of the table is ready; ahead_s is its clock minus ours. */
void spv_health_connected(struct spv_health *h, uint64_t id, int64_t ahead_s, struct spv_now now);
/* A peer is disconnected, and leaves the table after this call; any id. */
void spv_health_closed(struct spv_health *h, uint64_t id, struct spv_now now);
/* After each input: whether we are synced, and the tip. True when the tip has moved (or counts for
 * the first time). */
bool spv_health_tip(struct spv_health *h, bool synced, const struct spv_chain_header *tip,
                    struct spv_now now);

/* The next thing that is due: 1 and *out, or 0. */
int spv_health_next(struct spv_health *h, struct spv_health_event *out, struct spv_now now);
uint64_t spv_health_deadline(const struct spv_health *h);

/* Seconds since the tip moved, or since its own time where it is older than our clock; 0 before the
 * first SYNCED. */
uint64_t spv_health_age(const struct spv_health *h, struct spv_now now);

#endif
