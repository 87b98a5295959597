/* A peer in initial download asks for no transactions by a fee filter of MAX_MONEY, which Bitcoin
 * Core rounds to one of its steps (FeeFilterRounder): each is 1.1 times the one before, the last at
 * most 10,000,000. So the last step, wherever the steps begin, is above 10,000,000 / 1.1.
 *
 * The fees of blocks are in a ring buffer, indexed by height. */
#include "spv/fees.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/message.h"

#define HIGHEST_STEP_MIN 9090909 /* above it a fee filter means initial block download */
#define INITIAL_SUBSIDY UINT64_C(5000000000)
#define RATE_UNIT (1000 * SPV_WITNESS_SCALE) /* weight of 1,000 virtual bytes */

struct peer_filter {
    uint64_t peer;
    uint64_t rate;
};

struct spv_fees {
    const struct spv_params *params;
    struct peer_filter filters[SPV_FEES_MAX_PEERS];
    size_t n_filters;
    struct spv_block_fees blocks[SPV_FEES_BLOCKS];
    bool known[SPV_FEES_BLOCKS];
};

int spv_fees_new(struct spv_fees **out, const struct spv_params *params)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return SPV_ERR_NOMEM;
    (*out)->params = params;
    return 0;
}

void spv_fees_free(struct spv_fees *f)
{
    free(f);
}

/* ---- peers ---- */

void spv_fees_set_filter(struct spv_fees *f, uint64_t peer, uint64_t rate)
{
    size_t i = 0;

    if (rate > SPV_MAX_MONEY)
        return;
    while (i < f->n_filters && f->filters[i].peer != peer)
        i++;
    if (i == SPV_FEES_MAX_PEERS)
        return;
    if (i == f->n_filters)
        f->n_filters++;
    f->filters[i] = (struct peer_filter){.peer = peer, .rate = rate};
}

void spv_fees_remove_peer(struct spv_fees *f, uint64_t peer)
{
    for (size_t i = 0; i < f->n_filters; i++)
        if (f->filters[i].peer == peer) {
            f->filters[i] = f->filters[--f->n_filters];
            return;
        }
}

static int compare_rates(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

void spv_fees_filters(const struct spv_fees *f, struct spv_fee_filters *out)
{
    uint64_t rates[SPV_FEES_MAX_PEERS];

    *out = (struct spv_fee_filters){.n_peers = 0};
    for (size_t i = 0; i < f->n_filters; i++) {
        if (f->filters[i].rate > HIGHEST_STEP_MIN)
            out->n_syncing++;
        else
            rates[out->n_peers++] = f->filters[i].rate;
    }
    if (out->n_peers == 0)
        return;
    qsort(rates, out->n_peers, sizeof rates[0], compare_rates);
    out->median = rates[out->n_peers / 2];
    out->highest = rates[out->n_peers - 1];
}

/* ---- blocks ---- */

uint64_t spv_fees_subsidy(const struct spv_params *params, uint32_t height)
{
    const uint32_t halvings = height / params->halving_interval;

    /* consensus (GetBlockSubsidy): "Force block reward to zero when right shift is undefined." */
    return halvings >= 64 ? 0 : INITIAL_SUBSIDY >> halvings;
}

static int sum_outputs(const struct spv_tx *tx, uint64_t *sum)
{
    struct spv_tx_iter iter = spv_tx_outputs(tx);
    struct spv_tx_output output;

    *sum = 0;
    while (spv_tx_next_output(&iter, &output)) {
        if (output.value < 0 || (uint64_t)output.value > SPV_MAX_MONEY - *sum)
            return SPV_ERR_TX_VALUE;
        *sum += (uint64_t)output.value;
    }
    return 0;
}

int spv_fees_add_block(struct spv_fees *f, uint32_t height, const struct spv_block *block)
{
    struct spv_block_fees facts = {.height = height};
    struct spv_block_iter iter = spv_block_txs(block);
    const uint64_t subsidy = spv_fees_subsidy(f->params, height);
    struct spv_tx tx;
    uint64_t paid;
    int rc;

    if (!spv_block_next(&iter, &tx) || !spv_tx_is_coinbase(&tx))
        return SPV_ERR_BLOCK_COINBASE;
    rc = sum_outputs(&tx, &paid);
    if (rc < 0)
        return rc;
    while (spv_block_next(&iter, &tx))
        facts.weight += spv_tx_weight(&tx);
    facts.fees = paid > subsidy ? paid - subsidy : 0;
    /* at most 2.1e15 times 4,000: fits */
    if (facts.weight > 0)
        facts.rate = facts.fees * RATE_UNIT / facts.weight;
    f->blocks[height % SPV_FEES_BLOCKS] = facts;
    f->known[height % SPV_FEES_BLOCKS] = true;
    return 0;
}

void spv_fees_disconnect(struct spv_fees *f, uint32_t height)
{
    for (size_t i = 0; i < SPV_FEES_BLOCKS; i++)
        if (f->blocks[i].height > height)
            f->known[i] = false;
}

size_t spv_fees_blocks(const struct spv_fees *f, struct spv_block_fees *out, uint32_t tip)
{
    const uint32_t first = tip < SPV_FEES_BLOCKS ? 0 : tip - SPV_FEES_BLOCKS + 1;
    size_t n = 0;

    for (uint64_t height = first; height <= tip; height++) {
        const size_t i = (size_t)(height % SPV_FEES_BLOCKS);
        if (f->known[i] && f->blocks[i].height == height)
            out[n++] = f->blocks[i];
    }
    return n;
}
