/* Output of spv-sync: progress, events and the summary, as a status line, plain lines or JSON. */
#ifndef SPV_SYNC_REPORT_H
#define SPV_SYNC_REPORT_H

#include "spv/node.h"

#define REPORT_SAMPLES 32 /* more than ticks in the span of the rate */

struct report_sample {
    double at;
    uint64_t received; /* headers, joined to the chain or not */
    uint64_t filter_headers; /* stored in this run */
};

struct report {
    const char *network, *database; /* borrowed */
    double started; /* seconds of cli_clock */
    bool verbose;
    bool backfill; /* the run fills the gap below the start */
    bool lost; /* "every peer is lost" was reported, and none is connected again */
    bool few_peers; /* an option names every peer: report each failure */
    struct report_sample samples[REPORT_SAMPLES];
    size_t n_samples;
    char source[SPV_ENDPOINT_TEXT]; /* the peer that sent the last headers */
    char failure[SPV_ENDPOINT_TEXT + 64]; /* the last error of a peer */
};

/* Returns hex without its leading zeros. */
const char *report_work(const char *hex);
/* Returns the number of headers received, joined to the chain or not. */
uint64_t report_received(const struct spv_node_stats *stats);
/* Adds a sample for the rate; call it at each tick. */
void report_sample(struct report *r, const struct spv_node_stats *stats);
/* Prints one progress line or object. */
void report_progress(const struct report *r, const struct spv_node_stats *stats,
                     const struct spv_node_peer *peers, size_t n_peers);
/* Prints an event other than SYNCED; PROGRESS only while following. */
void report_event(struct report *r, const struct spv_event *e);
/* Prints the summary: `how` in text, `event` in JSON. */
void report_summary(const struct report *r, const char *how, const char *event,
                    const struct spv_node_stats *stats, const struct spv_chain_header *tip);

#endif
