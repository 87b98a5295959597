/* What spv-sync tells: progress, events and the summary, on a live line, as plain lines or as JSON.
 */
#ifndef SPV_SYNC_REPORT_H
#define SPV_SYNC_REPORT_H

#include "spv/node.h"

#define REPORT_SAMPLES 32 /* more than ticks in the span of the rate */

struct report_sample {
    double at;
    uint64_t received; /* headers, joined to the chain or not */
};

struct report {
    const char *network, *database; /* lent */
    double started; /* seconds of cli_clock */
    bool verbose;
    bool lost; /* every peer: said, and none is back */
    bool few_peers; /* each was named: tell when one fails */
    struct report_sample samples[REPORT_SAMPLES];
    size_t n_samples;
    char source[SPV_ENDPOINT_TEXT]; /* the peer that the last headers came from */
    char failure[SPV_ENDPOINT_TEXT + 64]; /* the last reason why a peer was of no use */
};

/* Work in hex without its leading zeros. */
const char *report_work(const char *hex);
/* Headers that have come so far, joined to the chain or not. */
uint64_t report_received(const struct spv_node_stats *stats);
/* Takes note for the rate; to be called at each tick. */
void report_sample(struct report *r, const struct spv_node_stats *stats);
/* One progress line or object. */
void report_progress(const struct report *r, const struct spv_node_stats *stats,
                     const struct spv_node_peer *peers, size_t n_peers);
/* An event other than SYNCED, and PROGRESS only when each step is news. */
void report_event(struct report *r, const struct spv_event *e);
/* The summary: `how` for people, `event` for programs. */
void report_summary(const struct report *r, const char *how, const char *event,
                    const struct spv_node_stats *stats, const struct spv_chain_header *tip);

#endif
