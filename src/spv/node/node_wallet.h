/* The wallet in the node: chooses the source of coins, connects it to spv_wallet_sync, and puts the
 * wallet's changes into effects: into the STORE of a chain update that disconnects scanned blocks,
 * or into a STORE_WALLET. Without a wallet every function does nothing.
 *
 * The wallet is changed only when the queue of effects is empty and nothing is being stored, and
 * before an effect that removes headers or filter headers of scanned blocks. */
#ifndef SPV_SPV_NODE_NODE_WALLET_H
#define SPV_SPV_NODE_NODE_WALLET_H

#include "spv/node/outbound.h"
#include "spv/sync/header_sync.h"
#include "spv/wallet/wallet_sync.h"

/* ours: NO_SOURCE is reported after this time, in which more peers may be found and dialled */
#define SPV_NODE_SOURCE_WAIT_US (60 * SPV_SECOND)
#define SPV_NODE_SOURCE_GROUPS 2 /* WATCH.md: network groups that must serve compact filters */

struct spv_node;

struct spv_node_wallet { /* zeroed: without a wallet */
    struct spv_wallet_sync *sync; /* NULL: none */
    struct spv_wallet *wallet; /* the caller's */
    enum spv_source wanted;
    bool allow_bloom;
    /* begin NULL: not supported by this node */
    struct spv_coin_source sources[SPV_SOURCE_BLOCKS + 1];
    enum spv_source chosen; /* SPV_SOURCE_AUTO: none is chosen */
    uint64_t missing_since_us; /* since when no peer serves what the source needs; 0: some do */
    uint64_t expiry_us; /* when an unconfirmed transaction may expire; SPV_NEVER: none */
    uint64_t alarm_us; /* when NO_SOURCE must be reported; SPV_NEVER: not */
    bool no_source; /* NO_SOURCE is raised */
    bool alarm_due; /* no_source has changed and must be reported */
    bool storing; /* a STORE_WALLET effect is unanswered */
    bool attached; /* the unanswered STORE effect has a wallet update */
};

/* Returns cfg, or *copy with the settings that cfg's source of coins implies. */
const struct spv_node_config *spv_node_wallet_config(struct spv_node_config *copy,
                                                     const struct spv_node_config *cfg);
/* After all other parts. Returns 0 or an error. */
int spv_node_wallet_init(struct spv_node *n, const struct spv_node_config *cfg, struct spv_now now);
void spv_node_wallet_free(struct spv_node *n);

/* After every input: chooses the source. */
void spv_node_wallet_run(struct spv_node *n, enum spv_more_peers more, struct spv_now now);
uint64_t spv_node_wallet_deadline(const struct spv_node *n);
/* spv_node_poll of a node with a wallet: 1, 0, or an error. */
int spv_node_wallet_poll(struct spv_node *n, struct spv_effect *out);
/* Whether an update of the wallet is being stored alone. */
bool spv_node_wallet_storing(const struct spv_node *n);
/* The unanswered effect was applied. Returns 1 when it was a STORE_WALLET, 0 when it was another
 * one. */
int spv_node_wallet_stored(struct spv_node *n);
size_t spv_node_wallet_memory(const struct spv_node *n);

#endif
