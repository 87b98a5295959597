/* A scan: finds the transactions of a range of blocks that pay given scripts or spend the outputs
 * found. Filters are fetched (filter_fetch.h) and matched by the caller, who executes the
 * MATCH_FILTERS effects; the blocks whose filters match are fetched (block_fetch.h), searched here,
 * and reported in order of height. Peers do not learn the scripts.
 *
 * A pure state machine, a part of the node. */
#ifndef SPV_SPV_FILTERS_FILTER_SCAN_H
#define SPV_SPV_FILTERS_FILTER_SCAN_H

#include "spv/filters/block_fetch.h"
#include "spv/filters/filter_fetch.h"
#include "spv/filters/output_cache.h"
#include "spv/scan.h"

/* ours: bytes of filters that wait to be matched, or for their block; nothing more is requested
 * then */
#define SPV_SCAN_MAX_BUFFERED_BYTES (8 * 1024 * 1024)
/* ours: blocks requested or waiting for a lower one at a time: 13 MB of usual ones */
#define SPV_SCAN_MAX_BLOCKS 8
/* ours: random blocks per scan that are fetched to check their filters */
#define SPV_SCAN_SAMPLES 20
/* ours: heights per window of a scan that only keeps filters, 200 MB of the largest filters; at the
 * end of a window the download idles for about one round trip */
#define SPV_SCAN_KEEP_WINDOW_HEIGHTS 10000
/* ours: heights in progress above the lowest; a power of two */
#define SPV_SCAN_RING_HEIGHTS 65536
/* ours: heights whose alternatives are fetched at a time; beyond, their blocks are fetched */
#define SPV_SCAN_MAX_CONFLICTS 64

struct spv_filter_scan_config {
    const struct spv_params *params; /* borrowed, as is everything pointed at here */
    const struct spv_chain *chain;
    struct spv_peer_table *peers;
    struct spv_effects *effects;
    struct spv_block_fetch *blocks;
    struct spv_filter_db filter_db;
    struct spv_filter_knowledge knowledge;
    const struct spv_output_cache *outputs; /* of fetched blocks; NULL: none */
    struct spv_rng rng;
    bool keep; /* emit KEEP_FILTERS effects */
    uint64_t keep_bytes; /* limit of what the caller keeps: a scan without scripts goes down from
                            the tip and fetches no more; 0: no limit */
    uint64_t timeout_us; /* of a getcfilters; 0: the default of segments */
};

struct spv_filter_scan;

int spv_filter_scan_new(struct spv_filter_scan **out, const struct spv_filter_scan_config *cfg);
/* No MATCH_FILTERS effect may be unanswered. */
void spv_filter_scan_free(struct spv_filter_scan *s);

/* Begins a scan of first..last (UINT32_MAX: follow the tip). SPV_ERR_INVALID: first is 0 or above
 * last, or no script; SPV_ERR_STATE: a scan is running. */
int spv_filter_scan_begin(struct spv_filter_scan *s, const struct spv_bytes *scripts, size_t n,
                          uint32_t first, uint32_t last, struct spv_now now);
/* Watches more scripts from a height on; heights already passed are searched by a catch-up pass. */
int spv_filter_scan_add(struct spv_filter_scan *s, const struct spv_bytes *scripts, size_t n,
                        uint32_t from);
/* Alternatives became known for heights in first..last: those already passed are searched again by
 * a catch-up pass. */
void spv_filter_scan_rescan(struct spv_filter_scan *s, uint32_t first, uint32_t last);
/* As spv_filter_scan_add, but scripts that are watched already are searched for again as well.
 * Another DONE follows, also for n 0. */
int spv_filter_scan_search(struct spv_filter_scan *s, const struct spv_bytes *scripts, size_t n,
                           uint32_t from);
/* Watches an output that an earlier scan found. */
int spv_filter_scan_add_output(struct spv_filter_scan *s, const struct spv_txid *txid,
                               uint32_t index, const struct spv_bytes *script);
void spv_filter_scan_stop(struct spv_filter_scan *s);
/* The script of an output that is known for certain: it was found by the scan, added by
 * spv_filter_scan_add_output, or is in the cache. *script is valid until the next call of another
 * function. */
bool spv_filter_scan_find_output(const struct spv_filter_scan *s, struct spv_bytes *script,
                                 const struct spv_txid *txid, uint32_t index);

int spv_filter_scan_add_peer(struct spv_filter_scan *s, uint64_t id, struct spv_now now);
int spv_filter_scan_remove_peer(struct spv_filter_scan *s, uint64_t id, struct spv_now now);
/* A peer's best known block is higher, or a peer was compared: sends the requests that became
 * possible. */
int spv_filter_scan_schedule(struct spv_filter_scan *s, struct spv_now now);
/* A cfilter message. Returns 1 when it answers a request, 0 when it does not, or a failure of ours.
 */
int spv_filter_scan_cfilter(struct spv_filter_scan *s, uint64_t id,
                            const struct spv_msg_cfilter *msg, struct spv_now now);
/* A fetched block with the owner SPV_BLOCKS_OF_SCAN. */
int spv_filter_scan_block(struct spv_filter_scan *s, const struct spv_fetched_block *block);
/* The MATCH_FILTERS effect was executed. SPV_ERR_STATE: none is unanswered. */
int spv_filter_scan_matched(struct spv_filter_scan *s);
/* The blocks or the filter headers above a height were replaced or removed. Called before the next
 * run. */
void spv_filter_scan_rollback(struct spv_filter_scan *s, uint32_t height);
int spv_filter_scan_timer(struct spv_filter_scan *s, struct spv_now now);
uint64_t spv_filter_scan_deadline(const struct spv_filter_scan *s);
int spv_filter_scan_next_disconnect(struct spv_filter_scan *s, struct spv_disconnect *out);

/* After every input: continues up to `available`, the highest height with a stored filter header.
 * at_tip: that is the tip of the synced chain. */
int spv_filter_scan_run(struct spv_filter_scan *s, uint32_t available, bool at_tip,
                        struct spv_now now);
/* Returns 1 and the next event in *out, valid until the next call of another function; call
 * spv_filter_scan_run again to continue. 0: there is none. */
int spv_filter_scan_next(struct spv_filter_scan *s, struct spv_scan_event *out);
/* Returns 1 and the height of a stored filter that its block proves invalid, with the error that
 * says how; 0: none. The scan waits at this height for spv_filter_scan_rollback. */
int spv_filter_scan_get_invalid(const struct spv_filter_scan *s, uint32_t *height, int *error);

/* The number of heights still to be scanned, those of catch-up passes included. */
uint32_t spv_filter_scan_left(const struct spv_filter_scan *s);
/* The lowest height whose filter can be checked; 1 while it is unknown. */
uint32_t spv_filter_scan_first_checkable(const struct spv_filter_scan *s);
void spv_filter_scan_get_stats(const struct spv_filter_scan *s, struct spv_scan_stats *out);

#endif
