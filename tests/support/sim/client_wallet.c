/* A client's wallet: its rows are stored with the chain, and a crash may follow each time. */
#include "support/sim/internal.h"

/* A crash at this point must leave rows that fit the stored chain. */
static const char *check_point(const struct sim_client *c)
{
    const struct spv_point point = c->cfg.wallet->stored_point(c->cfg.wallet->ctx);
    if (point.height == SPV_NO_HEIGHT)
        return NULL;
    if (point.height >= c->store.n)
        return "the stored wallet is scanned beyond the stored chain";
    return spv_blockhash_eq(&point.hash, &c->store.at[point.height].hash)
               ? NULL
               : "the stored wallet is scanned to a block that is not on the stored chain";
}

bool sim_client_wallet_is_above(const struct sim_client *c, uint32_t height)
{
    const struct spv_point point = c->cfg.wallet->stored_point(c->cfg.wallet->ctx);
    return point.height != SPV_NO_HEIGHT && point.height >= height;
}

/* Filters of different tweaks could be intersected; the size only grows. */
void sim_client_store_bloom(struct sim *sim, struct sim_client *c,
                            const struct spv_bloom_params *params)
{
    if (c->bloom.size > 0 && (params->tweak != c->bloom.tweak || params->size < c->bloom.size))
        sim_break(sim, "the bloom filter's tweak has changed, or its size has fallen");
    c->bloom = *params;
}

void sim_client_store_wallet(struct sim *sim, struct sim_client *c,
                             const struct spv_wallet_update *update)
{
    const struct sim_wallet *wallet = c->cfg.wallet;
    if (!wallet) {
        if (update->n > 0)
            sim_break(sim, "an update of a wallet that there is not");
        return;
    }
    const char *wrong = update->n > 0 ? wallet->store(wallet->ctx, update) : NULL;
    if (!wrong)
        wrong = check_point(c);
    if (wrong)
        sim_break(sim, wrong);
    c->crashes =
        c->cfg.crash_permille > 0 && test_random_below(&sim->random, 1000) < c->cfg.crash_permille;
}
