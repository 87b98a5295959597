/* Bloom filters in the node, as a source of a wallet's coins: binds the scan of
 * spv/wallet/bloom_scan.h, and passes it messages while it is the chosen source. Without one every
 * function does nothing. */
#ifndef SPV_SPV_NODE_NODE_BLOOM_H
#define SPV_SPV_NODE_NODE_BLOOM_H

#include "spv/wallet/bloom_scan.h"

struct spv_node;
struct spv_node_config;

struct spv_node_bloom { /* zeroed: without */
    struct spv_bloom_scan *scan; /* NULL: none */
    struct spv_bloom_params stored; /* of the last STORE_BLOOM, or of the configuration */
    size_t n_checked; /* scripts of the wallet that were looked at for an item */
    bool has_script_without_item; /* one of them has none */
};

/* Whether a node with this configuration may use bloom filters. */
bool spv_node_may_use_bloom(const struct spv_node_config *cfg);
/* After the filters' part, whose list of wanted blocks it shares. Returns 0 or SPV_ERR_NOMEM. */
int spv_node_bloom_init(struct spv_node *n, const struct spv_node_config *cfg);
void spv_node_bloom_free(struct spv_node *n);
/* The functions of the source; begin is NULL without a scan. */
struct spv_coin_source spv_node_bloom_source(struct spv_node *n);
/* Whether every script of the wallet has an item for a bloom filter. */
bool spv_node_bloom_takes_wallet(struct spv_node *n);

/* A new peer of the table, whose services are set. Returns 0 or SPV_ERR_NOMEM. */
int spv_node_bloom_add(struct spv_node *n, uint64_t id);
/* Before the peer leaves the table; any id. */
void spv_node_bloom_remove(struct spv_node *n, uint64_t id);
/* merkleblock, pong or notfound. Returns 0 or a failure. */
int spv_node_bloom_recv(struct spv_node *n, uint64_t id, const struct spv_msg *msg,
                        struct spv_now now);
/* After every input: requests what can be. Returns 0 or a failure. */
int spv_node_bloom_run(struct spv_node *n, struct spv_now now);
/* The next event of the scan, which goes on first: 1, 0, or a failure. */
int spv_node_bloom_next(struct spv_node *n, struct spv_source_event *out, struct spv_now now);
/* The next peer to be disconnected, and why: 1 or 0. */
int spv_node_bloom_next_disconnect(struct spv_node *n, struct spv_disconnect *out);
void spv_node_bloom_timer(struct spv_node *n, struct spv_now now);
uint64_t spv_node_bloom_deadline(const struct spv_node *n);

#endif
