/* False filters are built from the block's elements by leaving some out or adding others. */
#include "support/sim/filters.h"

#include <stdlib.h>
#include <string.h>

#include "support/sim/blocks.h"
#include "support/sim/internal.h"

static void set_header(struct sim_filters *filters, size_t height)
{
    static const struct spv_filter_header zero;
    struct sim_filter *f = &filters->at[height];
    spv_filter_compute_header(&f->header, &f->hash,
                              height > 0 ? &filters->at[height - 1].header : &zero);
}

static uint8_t *copy_bytes(const uint8_t *bytes, size_t n)
{
    uint8_t *copy = malloc(n);
    if (!copy)
        abort();
    memcpy(copy, bytes, n);
    return copy;
}

void sim_filters_append(struct sim_filters *filters, const uint8_t *bytes, size_t n, bool copy)
{
    uint8_t *owned = copy ? copy_bytes(bytes, n) : NULL;
    filters->at = sim_grow(filters->at, &filters->cap, filters->n, sizeof(filters->at[0]));
    struct sim_filter *f = &filters->at[filters->n++];
    *f = (struct sim_filter){.bytes = owned ? owned : bytes, .n = n, .owned = owned};
    spv_filter_compute_hash(&f->hash, &(struct spv_filter){.bytes = bytes, .n = n});
    set_header(filters, filters->n - 1);
}

void sim_filters_extend(struct sim_filters *filters, const struct sim_blocks *blocks)
{
    while (filters->n < blocks->filters.n) {
        const struct sim_filter *f = &blocks->filters.at[filters->n];
        sim_filters_append(filters, f->bytes, f->n, false);
    }
}

void sim_filters_copy(struct sim_filters *out, const struct sim_blocks *blocks)
{
    memset(out, 0, sizeof(*out));
    sim_filters_extend(out, blocks);
}

void sim_filters_cut(struct sim_filters *filters, uint32_t height)
{
    while (filters->n > height)
        free(filters->at[--filters->n].owned);
}

void sim_filters_free(struct sim_filters *filters)
{
    sim_filters_cut(filters, 0);
    free(filters->at);
    memset(filters, 0, sizeof(*filters));
}

static void rejoin(struct sim_filters *filters, uint32_t height)
{
    for (size_t i = height; i < filters->n; i++)
        set_header(filters, i);
}

void sim_filters_replace(struct sim_filters *filters, uint32_t height, uint8_t *bytes, size_t n)
{
    struct sim_filter *f = &filters->at[height];
    free(f->owned);
    *f = (struct sim_filter){.bytes = bytes, .n = n, .owned = bytes};
    spv_filter_compute_hash(&f->hash, &(struct spv_filter){.bytes = bytes, .n = n});
    rejoin(filters, height);
}

void sim_filters_replace_hash(struct sim_filters *filters, uint32_t height, uint64_t seed)
{
    struct test_random random = {.state = seed};
    test_random_fill(&random, filters->at[height].hash.b, sizeof(filters->at[height].hash.b));
    rejoin(filters, height);
}

/* The scripts of a filter in the making; borrowed from the block. */
struct elements {
    struct spv_bytes *at;
    size_t n, cap;
};

static void add_element(struct elements *e, const uint8_t *bytes, size_t n)
{
    e->at = sim_grow(e->at, &e->cap, e->n, sizeof(e->at[0]));
    e->at[e->n++] = (struct spv_bytes){bytes, n};
}

/* Blocks create no output without a coin but genesis's and OP_RETURN ones. */
static struct elements true_elements(const struct sim_block *block)
{
    struct elements e = {NULL, 0, 0};
    for (size_t i = 0; i < block->n_created; i++)
        add_element(&e, block->created[i].script, block->created[i].n_script);
    for (size_t i = 0; i < block->n_spent; i++)
        add_element(&e, block->spent[i].script, block->spent[i].n_script);
    return e;
}

static bool is_script(const struct spv_bytes *element, const struct sim_coin *coin)
{
    return element->n == coin->n_script && memcmp(element->bytes, coin->script, element->n) == 0;
}

static void remove_script(struct elements *e, const struct sim_coin *coin)
{
    size_t kept = 0;
    for (size_t i = 0; i < e->n; i++)
        if (!is_script(&e->at[i], coin))
            e->at[kept++] = e->at[i];
    e->n = kept;
}

static bool creates_script(const struct sim_block *block, const struct sim_coin *coin)
{
    for (size_t i = 0; i < block->n_created; i++)
        if (block->created[i].n_script == coin->n_script &&
            memcmp(block->created[i].script, coin->script, coin->n_script) == 0)
            return true;
    return false;
}

static bool hides_coin(enum sim_filter_lie lie)
{
    return lie <= SIM_FOLLOWS_INFERRED || lie == SIM_DECOYS;
}

/* Whether a filter without the coin's script is this lie. The script must not also be an output's,
 * nor the coin be known from the same block. */
static bool suits(const struct sim_block *block, const struct sim_coin *coin,
                  enum sim_filter_lie lie)
{
    uint8_t inferred[SIM_SCRIPT_MAX];
    const bool is_false = coin->kind == SIM_FALSE_P2PKH || coin->kind == SIM_FALSE_P2WPKH;
    if (creates_script(block, coin))
        return false;
    if (lie == SIM_LACKS_CERTAIN)
        return coin->kind == SIM_P2SH_P2WPKH;
    if (lie == SIM_FOLLOWS_INFERRED)
        return is_false;
    if (lie == SIM_LACKS_HIDDEN)
        return sim_coin_inferred(inferred, coin->kind, coin->key) == 0;
    return coin->kind != SIM_P2SH_P2WPKH && !is_false &&
           sim_coin_inferred(inferred, coin->kind, coin->key) > 0;
}

/* The coin whose script the lie hides, one of the wallet before others (decoys: after others, whose
 * scripts a client does not know); NULL: it hides none, or there is none. */
static const struct sim_coin *hidden_coin(const struct sim_block *block, enum sim_filter_lie lie)
{
    const bool output = lie == SIM_LACKS_OUTPUT, decoys = lie == SIM_DECOYS;
    const struct sim_coin *coins = output ? block->created : block->spent, *found = NULL;
    const size_t n = output ? block->n_created : block->n_spent;
    if (!hides_coin(lie))
        return NULL;
    for (size_t i = 0; i < n; i++)
        if ((output || suits(block, &coins[i], decoys ? SIM_LACKS_HIDDEN : lie)) &&
            (!found || (sim_wallet_has(&coins[i]) == !decoys && sim_wallet_has(found) == decoys)))
            found = &coins[i];
    return found;
}

static uint8_t *build(size_t *n, const struct sim_block *block, const struct elements *e)
{
    uint8_t *out;
    if (spv_filter_build(&out, n, &block->hash, e->at, e->n) < 0)
        abort();
    return out;
}

/* Elements that are nobody's scripts, n of them, in memory that is to be freed. */
static uint8_t *add_decoys(struct elements *e, size_t n)
{
    uint8_t *scripts = calloc(n + 1, 2);
    if (!scripts)
        abort();
    for (size_t i = 0; i < n; i++) {
        scripts[2 * i] = (uint8_t)i;
        scripts[2 * i + 1] = (uint8_t)(i >> 8);
        add_element(e, scripts + 2 * i, 2);
    }
    return scripts;
}

uint8_t *sim_filter_false(size_t *n, const struct sim_blocks *blocks, uint32_t height,
                          enum sim_filter_lie lie)
{
    const struct sim_block *block = blocks->at[height];
    const struct sim_filter *truth = &blocks->filters.at[height];
    const struct sim_coin *hidden = hidden_coin(block, lie);
    uint8_t inferred[SIM_SCRIPT_MAX], *out = NULL, *decoys = NULL;
    struct elements e = {NULL, 0, 0};
    switch (lie) {
    case SIM_LACKS_OUTPUT:
    case SIM_LACKS_CERTAIN:
    case SIM_LACKS_INFERRED:
    case SIM_LACKS_HIDDEN:
    case SIM_FOLLOWS_INFERRED:
        if (!hidden)
            return NULL;
        e = true_elements(block);
        remove_script(&e, hidden);
        if (lie == SIM_FOLLOWS_INFERRED)
            add_element(&e, inferred, sim_coin_inferred(inferred, hidden->kind, hidden->key));
        out = build(n, block, &e);
        break;
    case SIM_TOO_MANY:
        e = true_elements(block);
        decoys = add_decoys(&e, block->n_created + block->n_spent + 1);
        out = build(n, block, &e);
        break;
    case SIM_DECOYS: /* in place of the spent scripts that nothing shows */
        if (!hidden)
            return NULL;
        e = true_elements(block);
        remove_script(&e, hidden);
        decoys = add_decoys(&e, 1);
        out = build(n, block, &e);
        break;
    case SIM_CUT_SHORT:
        *n = truth->n / 2 + 1;
        out = copy_bytes(truth->bytes, *n);
        out[0] = 0xfc; /* 252 elements */
        break;
    case SIM_OF_OTHER_BLOCK:
        truth = &blocks->filters.at[height > 1 ? height - 1 : height + 1];
        *n = truth->n;
        out = copy_bytes(truth->bytes, *n);
        break;
    case SIM_EMPTY:
        *n = 1;
        out = copy_bytes((const uint8_t[]){0}, 1);
        break;
    }
    free(decoys);
    free(e.at);
    return out;
}

uint32_t sim_filter_lie_height(const struct sim_blocks *blocks, uint32_t from,
                               enum sim_filter_lie lie, bool wallet)
{
    for (uint32_t h = from; h < blocks->store.n; h++) {
        const struct sim_coin *hidden = hidden_coin(blocks->at[h], lie);
        if (hides_coin(lie) ? hidden && (!wallet || sim_wallet_has(hidden))
                            : !wallet || sim_wallet_in_block(blocks->at[h]))
            return h;
    }
    return 0;
}

void sim_filters_lie(struct sim_filters *filters, const struct sim_blocks *blocks, uint32_t height,
                     enum sim_filter_lie lie)
{
    size_t n;
    uint8_t *bytes = sim_filter_false(&n, blocks, height, lie);
    if (!bytes)
        abort();
    sim_filters_replace(filters, height, bytes, n);
}
