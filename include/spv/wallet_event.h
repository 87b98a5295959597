/* What a node reports of the wallet that it synchronises with the chain (spv/node.h:
 * spv_node_config.wallet). */
#ifndef SPV_WALLET_EVENT_H
#define SPV_WALLET_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "spv/wallet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The source of coins: from what data a node finds the wallet's transactions. */
enum spv_source {
    SPV_SOURCE_AUTO = 0, /* compact filters when peers of two network groups serve them (with
                            `connect`: when all of them do); else bloom filters when allowed */
    SPV_SOURCE_FILTERS = 1, /* compact filters (BIP157): peers learn nothing */
    SPV_SOURCE_BLOOM = 2, /* bloom filters (BIP37): peers learn what is watched */
    SPV_SOURCE_BLOCKS = 3, /* every block, from a node of one's own */
};

enum spv_wallet_event_kind {
    SPV_WALLET_EVENT_CHANGED = 0, /* rows up to `revision` are stored */
    SPV_WALLET_EVENT_SCANNED = 1, /* every watch is complete up to `scanned` */
    SPV_WALLET_EVENT_ANSWER = 2, /* `request` is stored, and the source scans for what it added */
    SPV_WALLET_EVENT_ALARM = 3, /* `alarm` is raised or cleared, by `raised` */
};
enum spv_wallet_alarm {
    SPV_WALLET_ALARM_NO_SOURCE = 1, /* no peers serve what the configured source needs */
    SPV_WALLET_ALARM_BOUNDS = 2, /* unconfirmed transactions were dropped; never cleared */
    SPV_WALLET_ALARM_START = 3, /* the stored headers or filter headers begin at `height`, above a
                                   birthday: no block below it is scanned; never cleared */
};
struct spv_wallet_event {
    enum spv_wallet_event_kind kind;
    uint64_t revision;
    struct spv_point scanned;
    uint64_t request;
    enum spv_wallet_alarm alarm;
    bool raised; /* ALARM; false: cleared */
    uint32_t height;
};

/* Tweak and size of a wallet's bloom filters. They are stored and are the same for all peers and in
 * all runs: filters of different tweaks or sizes could be intersected, which leaves what is really
 * watched. */
struct spv_bloom_params {
    uint32_t tweak;
    uint32_t size; /* bytes; 0: no filter was loaded yet */
};

struct spv_wallet_status {
    bool on; /* the node has a wallet */
    bool has_source; /* `source` was chosen */
    enum spv_source source;
    struct spv_point scanned; /* height SPV_NO_HEIGHT: nothing yet */
    uint32_t left; /* blocks that are yet to be scanned, rescans included */
    double progress; /* 0 to 1; falls only for a new watch or a reorganisation */
    double rate; /* blocks per second over the last seconds; 0: unknown */
    uint64_t left_us; /* estimated time, in microseconds; 0: nothing is left, or unknown */
    double false_positive_rate; /* of the bloom filter; 0: another source */
    uint64_t fetched; /* whole blocks, by the sources of this run */
};

#ifdef __cplusplus
}
#endif

#endif
