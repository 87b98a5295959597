/* Synchronises a wallet with the best chain: gives its scripts to a source of coins, passes the
 * blocks that the source finds to the wallet, has ranges of scripts rescanned, and follows
 * reorganisations. The caller stores the wallet's changes before the wallet is changed again.
 *
 * A pure state machine. The node connects it to a source. It uses the source in
 * spv_wallet_sync_step only, after all changes were stored. */
#ifndef SPV_WALLET_WALLET_SYNC_H
#define SPV_WALLET_WALLET_SYNC_H

#include "spv/chain.h"
#include "spv/header_db.h"
#include "spv/wallet/coin_source.h"
#include "spv/wallet_event.h"

/* ours: after this many blocks without a relevant one the scanned height is stored, so that a
 * restart repeats at most these; a second of matching */
#define SPV_WALLET_SYNC_STEP 2000

struct spv_source_progress {
    uint32_t height; /* the lowest height that is not scanned yet */
    uint32_t lowest; /* the lowest height that it can scan */
    uint32_t left; /* blocks that are yet to be scanned */
    bool is_matching; /* it scans for all scripts and outputs that it was given; bloom filters:
                         peers have the newest filter */
};

/* A source of coins. Functions with a result return 0 or a negative enum spv_err, which stops the
 * node. Arguments are copied. */
struct spv_coin_source {
    void *ctx;
    /* Begins a scan for n scripts at a height of at least 1, which follows the tip; a running scan
     * is stopped before. */
    int (*begin)(void *ctx, const struct spv_bytes *scripts, size_t n, uint32_t first,
                 struct spv_now now);
    /* Scans for more scripts, or for known ones once more, from a height on: blocks that were
     * scanned already are scanned again. DONE follows after these. */
    int (*add)(void *ctx, const struct spv_bytes *scripts, size_t n, uint32_t from,
               struct spv_now now);
    /* Scans for transactions that spend an output. */
    int (*add_output)(void *ctx, const struct spv_txid *txid, uint32_t vout,
                      const struct spv_bytes *script, struct spv_now now);
    void (*stop)(void *ctx);
    void (*progress)(const void *ctx, struct spv_source_progress *out);
};

struct spv_wallet_sync_config {
    struct spv_wallet *wallet; /* loaded; borrowed, as all here */
    const struct spv_chain *chain;
    struct spv_header_db header_db;
    /* Whether a script can be looked for: 0, or the error of a watch that has it. NULL: each can.
     */
    int (*check_script)(void *ctx, const struct spv_bytes *script);
    void *ctx;
};

struct spv_wallet_sync;

/* The caller frees it with spv_wallet_sync_free. When the wallet's scanned block is not on the best
 * chain (the headers were repaired), the wallet is rolled back to one that is. Returns 0 or an
 * error. */
int spv_wallet_sync_new(struct spv_wallet_sync **out, const struct spv_wallet_sync_config *cfg,
                        struct spv_now now);
void spv_wallet_sync_free(struct spv_wallet_sync *s); /* NULL is allowed */

/* Sets the source; NULL: none. The previous one is stopped. */
void spv_wallet_sync_set_source(struct spv_wallet_sync *s, const struct spv_coin_source *source);

/* The node's state in which a step is made. */
struct spv_wallet_sync_context {
    bool synced; /* header sync */
    bool backfilling; /* headers below the first stored one are being fetched */
};
/* Does what can be done now: begins a scan, gives new scripts to the source. Returns 0 or an error.
 */
int spv_wallet_sync_step(struct spv_wallet_sync *s, const struct spv_wallet_sync_context *in,
                         struct spv_now now);
/* Passes on an event of the source. Returns 0 or an error. */
int spv_wallet_sync_source_event(struct spv_wallet_sync *s, const struct spv_source_event *event,
                                 struct spv_now now);
/* The blocks above a height are about to leave the stored chain. Returns 0 or an error. */
int spv_wallet_sync_disconnect(struct spv_wallet_sync *s, uint32_t fork_height, struct spv_now now);

/* ---- operations of the application; ANSWER events follow in their order ---- */

/* Each returns as the function of spv/wallet.h that it calls, and when that is 0 the number of the
 * request. */
int spv_wallet_sync_watch(struct spv_wallet_sync *s, uint64_t *request, uint64_t *id,
                          struct spv_text_error *why, const struct spv_watch_target *watch);
int spv_wallet_sync_unwatch(struct spv_wallet_sync *s, uint64_t *request, uint64_t id);
int spv_wallet_sync_reserve_index(struct spv_wallet_sync *s, uint64_t *request, uint32_t *index,
                                  uint64_t id, uint32_t branch);
/* The caller has changed the wallet itself. */
void spv_wallet_sync_wallet_changed(struct spv_wallet_sync *s);

/* ---- outputs ---- */

/* Returns 1 and the changes to be stored, valid until spv_wallet_sync_stored, which must follow; 0
 * when there are none; or an error. */
int spv_wallet_sync_changes(struct spv_wallet_sync *s, struct spv_wallet_update *out);
void spv_wallet_sync_stored(struct spv_wallet_sync *s);
/* Returns 1 and the next event, once all changes are stored, or 0. */
int spv_wallet_sync_next_event(struct spv_wallet_sync *s, struct spv_wallet_event *out);
/* Fills in all members except `on`, `has_source` and `source`. */
void spv_wallet_sync_get_status(const struct spv_wallet_sync *s, struct spv_wallet_status *out);
size_t spv_wallet_sync_memory(const struct spv_wallet_sync *s);

#endif
