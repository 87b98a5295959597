/* Fetches the filters of a range of heights, each checked against its filter header: from the kept
 * ones where they are, else with getcfilters from many peers at once, by the scheduler of segments
 * (spv/sync/segments.h) with a third payload. Filters are handed on as they come, in any order, and
 * nothing of them is kept here.
 *
 * A pure state machine, a part of a scan (filter_scan.h). */
#ifndef SPV_SPV_FILTERS_FILTER_FETCH_H
#define SPV_SPV_FILTERS_FILTER_FETCH_H

#include "spv/filter.h"
#include "spv/filter_db.h"
#include "spv/filters/filter_alternatives.h"
#include "spv/filters/filter_sync.h" /* SPV_FILTER_MAX_BRANCHES */
#include "spv/sync/segments.h"

/* ours: bytes that a request should bring, so that a slow peer still answers in time, ... */
#define SPV_FILTER_FETCH_REQUEST_BYTES 262144
/* ... and requests on a peer: 4 MB together, as Bitcoin Core stops reading with 1 MB to send */
#define SPV_FILTER_FETCH_MAX_OPEN 16
#define SPV_FILTER_FETCH_MAX_SEGMENTS                                                              \
    32 /* ours: in the window: 8 MB on their way from all peers                                    \
        */
/* ours: filters a request; so many small ones are worth a round trip, and BIP157 allows 1,000 */
#define SPV_FILTER_FETCH_REQUEST_FILTERS 250
#define SPV_FILTER_FETCH_GUESS_BYTES 20000 /* ours: bytes of a filter, before any is known */

/* What filter header sync knows. Callbacks may be NULL. */
struct spv_filter_knowledge {
    /* The filter hashes at a height that other peers' headers commit to, beside the stored one, and
     * that nothing disproves: at most SPV_FILTER_MAX_BRANCHES. Returns their number. */
    size_t (*alternatives)(void *ctx, struct spv_filter_hash *out, uint32_t height);
    /* Whether the peer has itself given the stored filter header of a height. */
    bool (*has_committed)(void *ctx, uint64_t peer, uint32_t height);
    /* Whether the peer was compared up to a height: it agrees there, or the hashes in which it
     * differs are alternatives. Filters of a range are requested from such peers only: one that
     * supports other filter headers altogether would be of no use. */
    bool (*is_compared)(void *ctx, uint64_t peer, uint32_t height);
    void *ctx;
};

struct spv_filter_fetch_config {
    const struct spv_params *params; /* borrowed, as all that is pointed at here */
    const struct spv_chain *chain;
    struct spv_peer_table *peers;
    struct spv_effects *effects;
    struct spv_filter_db filter_db;
    struct spv_filter_knowledge knowledge;
    uint64_t timeout_us; /* of a request; 0: that of segments */
};

/* A filter whose hash is the stored one's, or that of an alternative. */
struct spv_fetched_filter {
    struct spv_filter filter; /* borrowed from the message, or from the database: see below */
    struct spv_filter_hash hash;
    uint32_t height;
    bool is_alternative;
    bool is_kept; /* it comes from the database */
};

struct spv_filter_fetch;

int spv_filter_fetch_new(struct spv_filter_fetch **out, const struct spv_filter_fetch_config *cfg);
void spv_filter_fetch_free(struct spv_filter_fetch *f);

/* Fetches the filters of first..last, at least 1, whose filter headers are stored, and that of
 * first - 1. What is left of an earlier range is not fetched any more. */
int spv_filter_fetch_begin(struct spv_filter_fetch *f, uint32_t first, uint32_t last,
                           struct spv_now now);
void spv_filter_fetch_stop(struct spv_filter_fetch *f);
/* The headers above a height are other ones now; ends the range, as spv_filter_fetch_stop. */
void spv_filter_fetch_rollback(struct spv_filter_fetch *f, uint32_t height);
/* Backpressure: requests and reads nothing above `ceiling`, because the filters that wait have
 * reached their limit; except the request that contains `lowest`. */
int spv_filter_fetch_limit(struct spv_filter_fetch *f, uint32_t lowest, uint32_t ceiling,
                           struct spv_now now);
/* All of the range was handed on. */
bool spv_filter_fetch_done(const struct spv_filter_fetch *f);

/* Wants a filter of another branch of filter headers (or of the stored one, when a peer sent
 * another), which is handed on like the others.
 * SPV_ERR_TOO_MANY: too many are wanted. */
int spv_filter_fetch_want_alternative(struct spv_filter_fetch *f, uint32_t height,
                                      const struct spv_filter_hash *hash, struct spv_now now);
/* The next of these that no peer sends: 1 or 0. */
int spv_filter_fetch_next_missing(struct spv_filter_fetch *f, uint32_t *height,
                                  struct spv_filter_hash *hash);

/* A new peer of the table; it is used when it offers compact filters. */
int spv_filter_fetch_add(struct spv_filter_fetch *f, uint64_t id, struct spv_now now);
/* Before the peer leaves the table; any id. */
int spv_filter_fetch_remove(struct spv_filter_fetch *f, uint64_t id, struct spv_now now);
/* Peers have shown more of the best chain. */
int spv_filter_fetch_schedule(struct spv_filter_fetch *f, struct spv_now now);

enum spv_filter_use {
    SPV_FILTER_UNSOLICITED = 0, /* it answers no request, or one that was answered */
    SPV_FILTER_USED = 1, /* it is handed on */
    SPV_FILTER_USELESS = 2, /* it is not: spv_filter_fetch_next_disconnect may return the peer */
};
/* A cfilter message. Returns an enum spv_filter_use, with *out if it is used, valid as long as the
 * message; or a failure of ours. */
int spv_filter_fetch_recv(struct spv_filter_fetch *f, struct spv_fetched_filter *out, uint64_t id,
                          const struct spv_msg_cfilter *msg, struct spv_now now);
/* The next kept filter of the range: 1 and *out, valid until the next call; 0: there is none now;
 * or a failure of ours. */
int spv_filter_fetch_read(struct spv_filter_fetch *f, struct spv_fetched_filter *out,
                          struct spv_now now);
int spv_filter_fetch_timer(struct spv_filter_fetch *f, struct spv_now now);
uint64_t spv_filter_fetch_deadline(const struct spv_filter_fetch *f);
/* The next peer to be disconnected, and why: 1 or 0. */
int spv_filter_fetch_next_disconnect(struct spv_filter_fetch *f, struct spv_disconnect *out);

size_t spv_filter_fetch_memory(const struct spv_filter_fetch *f);

#endif
