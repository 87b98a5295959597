/* The items of a wallet's bloom filter: data pushes of its scripts, outpoints and txids. The filter
 * has false positives; with these items a transaction is matched exactly.
 *
 * Items have versions: a filter of version v has all items up to v. So the version of a peer's
 * filter tells which items its answers have not considered. */
#ifndef SPV_WALLET_BLOOM_ITEMS_H
#define SPV_WALLET_BLOOM_ITEMS_H

#include "spv/bloom.h"
#include "spv/types.h"
#include "spv/wallet/probe_table.h"

/* bytes; WATCH.md: "a script without a push of 20 bytes or more" is refused: shorter pushes are in
 * scripts of many others */
#define SPV_BLOOM_MIN_PUSH 20
#define SPV_BLOOM_OUTPOINT 36 /* bytes: a txid and an index, little-endian */

struct spv_bloom_item {
    uint32_t at; /* offset in `bytes` */
    uint32_t version; /* never 0 */
    uint16_t n;
};

struct spv_bloom_items {
    uint64_t key[2]; /* of SipHash: random, so that no peer can choose items that collide */
    struct spv_bloom_item *list;
    size_t n, cap;
    uint8_t *bytes;
    size_t n_bytes, cap_bytes;
    struct spv_probe_table table;
};

void spv_bloom_items_init(struct spv_bloom_items *items, const struct spv_rng *rng);
void spv_bloom_items_free(struct spv_bloom_items *items);

/* Returns 0, or SPV_ERR_BLOOM_SCRIPT for a script that has no item. */
int spv_bloom_items_check(const struct spv_bytes *script);
/* Returns the number of new items in a script, or SPV_ERR_BLOOM_SCRIPT when it has no item. */
int spv_bloom_items_count(const struct spv_bloom_items *items, const struct spv_bytes *script);
/* Each adds items with a version, at least that of all earlier ones. They return the number of new
 * items, SPV_ERR_BLOOM_SCRIPT for a script without an item, SPV_ERR_TOO_MANY, or SPV_ERR_NOMEM
 * (some may have been added). */
int spv_bloom_items_add_script(struct spv_bloom_items *items, const struct spv_bytes *script,
                               uint32_t version);
int spv_bloom_items_add_outpoint(struct spv_bloom_items *items, const struct spv_txid *txid,
                                 uint32_t index, uint32_t version);
int spv_bloom_items_add_txid(struct spv_bloom_items *items, const struct spv_txid *txid,
                             uint32_t version);

/* The lowest version of the items that are in a script; 0: it has none. */
uint32_t spv_bloom_items_match_script(const struct spv_bloom_items *items,
                                      const struct spv_bytes *script);
/* Matches a transaction as a filter without false positives does (spv_bloom_match_tx), but inserts
 * no outpoint. Returns the lowest version of the items that match, or 0. */
uint32_t spv_bloom_items_match_tx(const struct spv_bloom_items *items, const struct spv_tx *tx);

/* Inserts the items from a number on, in the order in which they were added. */
void spv_bloom_items_fill(const struct spv_bloom_items *items, struct spv_bloom *bloom,
                          size_t from);
size_t spv_bloom_items_memory(const struct spv_bloom_items *items);

#endif
