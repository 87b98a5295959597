/* Keeps a wallet in step with the best chain: gives its scripts to a source of coins, has the
 * wallet look at the blocks that the source finds, and at the past of late scripts, and follows
 * reorganisations. What changes is stored by the caller before anything else is done with the
 * wallet.
 *
 * A pure state machine, a part of the node, which binds the source. It acts in
 * spv_wallet_sync_step only, when all that was to be stored is. */
#ifndef SPV_WALLET_WALLET_SYNC_H
#define SPV_WALLET_WALLET_SYNC_H

#include "spv/chain.h"
#include "spv/header_db.h"
#include "spv/wallet/coin_source.h"
#include "spv/wallet_event.h"

/* ours: blocks without a match after which the scanned height is stored, so that a restart repeats
 * at most so many; a second of matching */
#define SPV_WALLET_SYNC_STEP 2000

struct spv_source_progress {
    uint32_t height; /* every block below was looked at with the scripts that the source began with,
                        and those found before it */
    uint32_t lowest; /* that it can look at */
    uint32_t left; /* blocks that are yet to be looked at */
    bool is_matching; /* all that it was given is in force at its peers */
};

/* A source, as wallet_sync uses it. Each function but those without a result returns 0 or a
 * negative enum spv_err, which ends the node. What is pointed at is copied. */
struct spv_coin_source {
    void *ctx;
    /* Begins with n scripts at a height of at least 1, and follows the tip; or begins again. */
    int (*begin)(void *ctx, const struct spv_bytes *scripts, size_t n, uint32_t first,
                 struct spv_now now);
    /* Looks for more scripts, or for known ones once more, from a height on: blocks that were
     * passed are looked at again. DONE follows when that is done as well. */
    int (*add)(void *ctx, const struct spv_bytes *scripts, size_t n, uint32_t from,
               struct spv_now now);
    /* Looks for what spends an output. */
    int (*add_output)(void *ctx, const struct spv_txid *txid, uint32_t vout,
                      const struct spv_bytes *script, struct spv_now now);
    void (*stop)(void *ctx);
    void (*progress)(const void *ctx, struct spv_source_progress *out);
};

struct spv_wallet_sync_config {
    struct spv_wallet *wallet; /* loaded; borrowed, as all here */
    const struct spv_chain *chain;
    struct spv_header_db header_db;
};

struct spv_wallet_sync;

/* The caller frees it with spv_wallet_sync_free. A wallet whose scanned block is not on the chain
 * (the headers were repaired) goes back to one that is. Returns 0 or an error. */
int spv_wallet_sync_new(struct spv_wallet_sync **out, const struct spv_wallet_sync_config *cfg,
                        struct spv_now now);
void spv_wallet_sync_free(struct spv_wallet_sync *s); /* NULL is allowed */

/* The source from now on; NULL: none. The one before is stopped. */
void spv_wallet_sync_set_source(struct spv_wallet_sync *s, const struct spv_coin_source *source);

/* What the node knows when it calls the step. */
struct spv_wallet_sync_context {
    bool synced; /* header sync */
    bool backfilling; /* headers below the first stored one are being fetched */
};
/* Goes on as far as it can now: begins, gives new scripts to the source. Returns 0 or an error. */
int spv_wallet_sync_step(struct spv_wallet_sync *s, const struct spv_wallet_sync_context *in,
                         struct spv_now now);
/* What the source found. Returns 0 or an error. */
int spv_wallet_sync_source_event(struct spv_wallet_sync *s, const struct spv_source_event *event,
                                 struct spv_now now);
/* The blocks above a height are about to leave the stored chain. Returns 0 or an error. */
int spv_wallet_sync_disconnect(struct spv_wallet_sync *s, uint32_t fork_height, struct spv_now now);

/* ---- inputs of the application; they are answered by ANSWER events, in order ---- */

/* Each returns as the function of spv/wallet.h that it calls, and the number of the request. */
int spv_wallet_sync_watch(struct spv_wallet_sync *s, uint64_t *request, uint64_t *id,
                          struct spv_text_error *why, const struct spv_watch_target *watch);
int spv_wallet_sync_unwatch(struct spv_wallet_sync *s, uint64_t *request, uint64_t id);
int spv_wallet_sync_reserve_index(struct spv_wallet_sync *s, uint64_t *request, uint32_t *index,
                                  uint64_t id, uint32_t branch);
/* Another input of the wallet was made, by the caller. */
void spv_wallet_sync_wallet_changed(struct spv_wallet_sync *s);

/* ---- outputs ---- */

/* The changes to be stored: 1 and *out, valid until spv_wallet_sync_stored, which must follow;
 * 0: none; or an error. */
int spv_wallet_sync_changes(struct spv_wallet_sync *s, struct spv_wallet_update *out);
void spv_wallet_sync_stored(struct spv_wallet_sync *s);
/* The next event, once all changes are stored: 1 and *out, or 0. */
int spv_wallet_sync_next_event(struct spv_wallet_sync *s, struct spv_wallet_event *out);
/* Fills in all but `on` and the source. */
void spv_wallet_sync_get_status(const struct spv_wallet_sync *s, struct spv_wallet_status *out);
size_t spv_wallet_sync_memory(const struct spv_wallet_sync *s);

#endif
