/* Fetches the filters of a range of heights, each checked against its filter header: from the
 * database where they are kept, else with getcfilters from many peers at once, by the scheduler of
 * segments (spv/sync/segments.h). Filters are passed to the caller as they arrive, in any order,
 * and are not copied.
 *
 * A pure state machine, a part of a scan (filter_scan.h). */
#ifndef SPV_SPV_FILTERS_FILTER_FETCH_H
#define SPV_SPV_FILTERS_FILTER_FETCH_H

#include "spv/filter.h"
#include "spv/filter_db.h"
#include "spv/filters/filter_alternatives.h"
#include "spv/filters/filter_sync.h" /* SPV_FILTER_MAX_BRANCHES */
#include "spv/sync/segments.h"

/* ours: bytes of filters per request, so that a slow peer still answers in time, ... */
#define SPV_FILTER_FETCH_REQUEST_BYTES 262144
/* ... and open requests per peer: 4 MB together, as Bitcoin Core stops reading with 1 MB to send */
#define SPV_FILTER_FETCH_MAX_OPEN 16
/* ours: segments in the download window: 8 MB in flight from all peers */
#define SPV_FILTER_FETCH_MAX_SEGMENTS 32
/* ours: filters per request at most; more small ones would save little of the round trip, and
 * BIP157 allows 1,000 */
#define SPV_FILTER_FETCH_REQUEST_FILTERS 250
#define SPV_FILTER_FETCH_GUESS_BYTES 20000 /* ours: size of a filter, before any was received */

/* What filter header sync knows about filters and peers. Callbacks may be NULL. */
struct spv_filter_knowledge {
    /* The alternatives at a height: filter hashes that filter headers of some peers commit to,
     * beside the stored one, and that are not proven invalid; at most SPV_FILTER_MAX_BRANCHES.
     * Returns their number. */
    size_t (*alternatives)(void *ctx, struct spv_filter_hash *out, uint32_t height);
    /* Whether the peer itself has sent the stored filter header of a height, or one above that
     * commits to it. */
    bool (*has_committed)(void *ctx, uint64_t peer, uint32_t height);
    /* Whether the peer was compared up to a height: it agrees there, or the hashes in which it
     * differs are alternatives. Filters of a range are requested from such peers only: a peer with
     * other filter headers would send filters that match no stored one. */
    bool (*is_compared)(void *ctx, uint64_t peer, uint32_t height);
    void *ctx;
};

struct spv_filter_fetch_config {
    const struct spv_params *params; /* borrowed, as is everything pointed at here */
    const struct spv_chain *chain;
    struct spv_peer_table *peers;
    struct spv_effects *effects;
    struct spv_filter_db filter_db;
    struct spv_filter_knowledge knowledge;
    uint64_t timeout_us; /* of a request; 0: the default of segments */
};

/* A filter whose hash is the stored one's, or that of an alternative. */
struct spv_fetched_filter {
    struct spv_filter filter; /* borrowed from the message or from the database */
    struct spv_filter_hash hash;
    uint32_t height;
    bool is_alternative;
    bool is_kept; /* read from the database */
};

struct spv_filter_fetch;

int spv_filter_fetch_new(struct spv_filter_fetch **out, const struct spv_filter_fetch_config *cfg);
void spv_filter_fetch_free(struct spv_filter_fetch *f);

/* Fetches the filters of first..last, first at least 1; the filter headers of first - 1..last are
 * stored. The rest of an earlier range is not fetched. */
int spv_filter_fetch_begin(struct spv_filter_fetch *f, uint32_t first, uint32_t last,
                           struct spv_now now);
void spv_filter_fetch_stop(struct spv_filter_fetch *f);
/* The headers above a height were replaced or removed; ends the range, as spv_filter_fetch_stop. */
void spv_filter_fetch_rollback(struct spv_filter_fetch *f, uint32_t height);
/* Backpressure: requests and reads nothing above `ceiling`, because buffered filters have reached
 * their limit. Exception: the request that contains `lowest`, which the scan needs to make
 * progress. */
int spv_filter_fetch_limit(struct spv_filter_fetch *f, uint32_t lowest, uint32_t ceiling,
                           struct spv_now now);
/* Whether all filters of the range were passed to the caller. */
bool spv_filter_fetch_done(const struct spv_filter_fetch *f);

/* Fetches an alternative of a height (or the stored filter, when a peer sent an alternative), which
 * is passed to the caller like the others. SPV_ERR_TOO_MANY: as many are wanted as is allowed. */
int spv_filter_fetch_want_alternative(struct spv_filter_fetch *f, uint32_t height,
                                      const struct spv_filter_hash *hash, struct spv_now now);
/* Returns 1 and the next of these that no peer sends, or 0. */
int spv_filter_fetch_next_missing(struct spv_filter_fetch *f, uint32_t *height,
                                  struct spv_filter_hash *hash);

/* A new peer of the table; it is used when it offers compact filters. */
int spv_filter_fetch_add(struct spv_filter_fetch *f, uint64_t id, struct spv_now now);
/* Before the peer leaves the table; any id. */
int spv_filter_fetch_remove(struct spv_filter_fetch *f, uint64_t id, struct spv_now now);
/* A peer's best known block is higher, or a peer was compared: sends the requests that became
 * possible. */
int spv_filter_fetch_schedule(struct spv_filter_fetch *f, struct spv_now now);

enum spv_filter_use {
    SPV_FILTER_UNSOLICITED = 0, /* it answers no request, or a request that was answered already */
    SPV_FILTER_USED = 1, /* *out is set */
    SPV_FILTER_USELESS = 2, /* not used; spv_filter_fetch_next_disconnect may return the peer */
};
/* A cfilter message. Returns an enum spv_filter_use, or a failure of ours. *out is valid as long as
 * the message. */
int spv_filter_fetch_recv(struct spv_filter_fetch *f, struct spv_fetched_filter *out, uint64_t id,
                          const struct spv_msg_cfilter *msg, struct spv_now now);
/* Returns 1 and the next kept filter of the range in *out, valid until the next call; 0 when there
 * is none now; or a failure of ours. */
int spv_filter_fetch_read(struct spv_filter_fetch *f, struct spv_fetched_filter *out,
                          struct spv_now now);
int spv_filter_fetch_timer(struct spv_filter_fetch *f, struct spv_now now);
uint64_t spv_filter_fetch_deadline(const struct spv_filter_fetch *f);
/* The next peer to be disconnected, and why: 1 or 0. */
int spv_filter_fetch_next_disconnect(struct spv_filter_fetch *f, struct spv_disconnect *out);

size_t spv_filter_fetch_memory(const struct spv_filter_fetch *f);

#endif
