/* A block is made as a draft: its transactions spend coins drawn from those that are unspent, or
 * were created earlier in the block, then the coinbase commits to their witnesses, and the header
 * is mined as sim_store_forge mines headers. */
#include "support/sim/blocks.h"

#include <stdlib.h>
#include <string.h>

#include "spv/merkle.h"
#include "support/sim/internal.h"
#include "util/hash.h"
#include "util/u256.h"

#define MATURITY 100 /* blocks before a coinbase is spent */
#define DEFAULT_TXS 3
#define DEFAULT_WALLET_IN 16
#define INPUTS_MAX 3
#define OUTPUTS_MAX 4
#define SUBSIDY INT64_C(5000000000)
#define HALVING 150 /* regtest */
#define FEE 100

/* The coinbase of regtest's genesis block. */
#define GENESIS_MESSAGE "The Times 03/Jan/2009 Chancellor on brink of second bailout for banks"
static const uint8_t genesis_key[] = {
    0x04, 0x67, 0x8a, 0xfd, 0xb0, 0xfe, 0x55, 0x48, 0x27, 0x19, 0x67, 0xf1, 0xa6,
    0x71, 0x30, 0xb7, 0x10, 0x5c, 0xd6, 0xa8, 0x28, 0xe0, 0x39, 0x09, 0xa6, 0x79,
    0x62, 0xe0, 0xea, 0x1f, 0x61, 0xde, 0xb6, 0x49, 0xf6, 0xbc, 0x3f, 0x4c, 0xef,
    0x38, 0xc4, 0xf3, 0x55, 0x04, 0xe5, 0x1e, 0xc1, 0x12, 0xde, 0x5c, 0x38, 0x4d,
    0xf7, 0xba, 0x0b, 0x8d, 0x57, 0x8a, 0x4c, 0x70, 0x2b, 0x6b, 0xf1, 0x1d, 0x5f};

/* A block in the making. */
struct draft {
    struct sim_blocks *chain;
    const struct sim_blocks_plan *plan;
    struct test_random *random;
    uint32_t height;
    struct sim_block *block;
    struct spv_buffer txs; /* without the coinbase */
    struct spv_txid *txids, *wtxids; /* the coinbase first */
    size_t n_txs, cap, wcap, created_cap, spent_cap;
    bool has_witness;
};

static void *checked(void *p)
{
    if (!p)
        abort();
    return p;
}

static void add_coin(struct sim_blocks *chain, const struct sim_coin *coin)
{
    chain->coins =
        sim_grow(chain->coins, &chain->coins_cap, chain->n_coins, sizeof(chain->coins[0]));
    chain->coins[chain->n_coins++] = *coin;
}

static void remove_coin(struct sim_blocks *chain, size_t i)
{
    chain->coins[i] = chain->coins[--chain->n_coins];
}

static void add_txid(struct draft *t, const struct spv_txid *txid, const struct spv_txid *wtxid)
{
    t->txids = sim_grow(t->txids, &t->cap, t->n_txs, sizeof(t->txids[0]));
    t->wtxids = sim_grow(t->wtxids, &t->wcap, t->n_txs, sizeof(t->wtxids[0]));
    t->txids[t->n_txs] = *txid;
    t->wtxids[t->n_txs++] = *wtxid;
}

static struct sim_output draw_output(struct draft *t)
{
    const unsigned wallet_in = t->plan->wallet_in ? t->plan->wallet_in : DEFAULT_WALLET_IN;
    const unsigned kinds = t->plan->kinds ? t->plan->kinds : (1u << SIM_FALSE_P2PKH) - 1;
    struct sim_output out = {.is_op_return = false};
    do
        out.kind = (enum sim_coin_kind)test_random_below(t->random, SIM_COIN_KINDS);
    while ((kinds >> out.kind & 1) == 0);
    out.key = (uint32_t)(SIM_WALLET_KEYS + test_random_below(t->random, 1u << 31));
    if (test_random_below(t->random, wallet_in) == 0)
        out.key = (uint32_t)test_random_below(t->random, SIM_WALLET_KEYS);
    return out;
}

static void create_coin(struct draft *t, const struct spv_txid *txid, uint32_t index,
                        const struct sim_output *output, bool is_coinbase)
{
    struct sim_block *block = t->block;
    struct sim_coin coin = {.txid = *txid,
                            .index = index,
                            .height = t->height,
                            .is_coinbase = is_coinbase,
                            .kind = output->kind,
                            .key = output->key,
                            .value = output->value};
    coin.n_script = sim_coin_script(coin.script, coin.kind, coin.key);
    block->created = sim_grow(block->created, &t->created_cap, block->n_created, sizeof(coin));
    block->created[block->n_created++] = coin;
    add_coin(t->chain, &coin);
}

/* Moves a coin that may be spent in this block from the unspent ones to the block's spent ones. */
static bool spend_coin(struct draft *t)
{
    struct sim_blocks *chain = t->chain;
    if (chain->n_coins == 0)
        return false;
    for (unsigned tries = 0; tries < 20; tries++) {
        const size_t i = (size_t)test_random_below(t->random, chain->n_coins);
        const struct sim_coin coin = chain->coins[i];
        if (coin.value < 10 * FEE * OUTPUTS_MAX ||
            (coin.is_coinbase && coin.height + MATURITY > t->height))
            continue;
        t->block->spent = sim_grow(t->block->spent, &t->spent_cap, t->block->n_spent, sizeof(coin));
        t->block->spent[t->block->n_spent++] = coin;
        remove_coin(chain, i);
        return true;
    }
    return false;
}

static void read_ids(struct spv_txid *txid, struct spv_txid *wtxid, bool *has_witness,
                     const uint8_t *bytes, size_t n)
{
    struct spv_wtxid id;
    struct spv_tx tx;
    if (spv_tx_parse(&tx, bytes, n) < 0)
        abort();
    spv_tx_txid(txid, &tx);
    spv_tx_wtxid(&id, &tx);
    memcpy(wtxid->b, id.b, sizeof(id.b));
    *has_witness = tx.has_witness;
}

static void add_tx(struct draft *t)
{
    const size_t first = t->block->n_spent;
    const size_t wanted = 1 + (size_t)test_random_below(t->random, INPUTS_MAX);
    const struct sim_coin *inputs[INPUTS_MAX];
    struct sim_output outputs[OUTPUTS_MAX + 1];
    size_t n_inputs = 0, n_outputs = 1 + (size_t)test_random_below(t->random, OUTPUTS_MAX);
    struct spv_txid txid, wtxid;
    bool has_witness;
    int64_t value = 0;
    while (n_inputs < wanted && spend_coin(t))
        n_inputs++;
    if (n_inputs == 0)
        return;
    for (size_t i = 0; i < n_inputs; i++) {
        inputs[i] = &t->block->spent[first + i];
        value += inputs[i]->value;
    }
    for (size_t i = 0; i < n_outputs; i++) {
        outputs[i] = draw_output(t);
        outputs[i].value = (value - FEE) / (int64_t)n_outputs;
    }
    if (test_random_below(t->random, 4) == 0)
        outputs[n_outputs++] =
            (struct sim_output){.is_op_return = true, .key = (uint32_t)test_random_next(t->random)};
    const size_t at = t->txs.len;
    sim_tx_put(&t->txs, inputs, n_inputs, outputs, n_outputs, t->random);
    if (t->txs.error != 0)
        abort();
    read_ids(&txid, &wtxid, &has_witness, t->txs.data + at, t->txs.len - at);
    t->has_witness = t->has_witness || has_witness;
    add_txid(t, &txid, &wtxid);
    for (uint32_t i = 0; i < n_outputs; i++)
        if (!outputs[i].is_op_return)
            create_coin(t, &txid, i, &outputs[i], false);
}

/* BIP141: the merkle root of the wtxids, the coinbase's as zero, and the reserved value. */
static void make_commitment(uint8_t out[32], const struct draft *t)
{
    static const uint8_t reserved[32];
    struct spv_hash256 root;
    if (spv_merkle_root(&root, t->wtxids, t->n_txs) < 0)
        abort();
    const struct spv_chunk chunks[] = {{root.b, 32}, {reserved, 32}};
    spv_sha256d_chunks(out, chunks, 2);
}

static void put_block(struct draft *t, struct spv_hash256 *root)
{
    const uint32_t halvings = t->height / HALVING;
    struct sim_output output = draw_output(t);
    struct spv_txid txid, wtxid;
    struct spv_buffer coinbase, all;
    uint8_t commitment[32];
    bool has_witness;
    output.value = halvings < 32 ? SUBSIDY >> halvings : 0;
    if (t->has_witness)
        make_commitment(commitment, t);
    spv_buffer_init(&coinbase);
    sim_coinbase_put(&coinbase, t->height, &output, t->has_witness ? commitment : NULL, t->random);
    if (coinbase.error != 0)
        abort();
    read_ids(&txid, &wtxid, &has_witness, coinbase.data, coinbase.len);
    t->txids[0] = txid;
    create_coin(t, &txid, 0, &output, true);
    spv_buffer_init(&all);
    checked(spv_buffer_extend(&all, SPV_HEADER_SIZE)); /* when it is mined */
    spv_buffer_compact(&all, t->n_txs);
    spv_buffer_put(&all, coinbase.data, coinbase.len);
    spv_buffer_put(&all, t->txs.data, t->txs.len);
    if (all.error != 0 || spv_merkle_root(root, t->txids, t->n_txs) < 0)
        abort();
    spv_buffer_free(&coinbase);
    t->block->bytes = all.data;
    t->block->n = all.len;
}

static void set_root(void *ctx, struct spv_header *header, uint32_t i)
{
    (void)i;
    header->merkle_root = *(const struct spv_hash256 *)ctx;
}

/* The header of the store's tip, the filter, and the place in the chain. */
static void append_spending(struct sim_blocks *chain, struct sim_block *block,
                            const struct spv_bytes *spent, size_t n_spent)
{
    uint8_t *filter;
    size_t n;
    spv_header_encode(block->bytes, &sim_store_tip(&chain->store)->header);
    block->hash = sim_store_tip(&chain->store)->hash;
    if (spv_block_parse(&block->parsed, block->bytes, block->n) < 0)
        abort();
    if (spv_filter_build_block(&filter, &n, &block->parsed, spent, n_spent) < 0)
        abort();
    sim_filters_append(&chain->filters, filter, n, true);
    free(filter);
    chain->at = sim_grow(chain->at, &chain->cap, chain->store.n - 1, sizeof(chain->at[0]));
    chain->at[chain->store.n - 1] = block;
}

static void append(struct sim_blocks *chain, struct sim_block *block)
{
    struct spv_bytes *spent = checked(calloc(block->n_spent + 1, sizeof(*spent)));
    for (size_t i = 0; i < block->n_spent; i++)
        spent[i] = (struct spv_bytes){block->spent[i].script, block->spent[i].n_script};
    append_spending(chain, block, spent, block->n_spent);
    free(spent);
}

static void mine_block(struct sim_blocks *chain, const struct sim_blocks_plan *plan,
                       struct test_random *random)
{
    static const struct spv_txid zero;
    struct draft t = {.chain = chain,
                      .plan = plan,
                      .random = random,
                      .height = (uint32_t)chain->store.n,
                      .block = checked(calloc(1, sizeof(*t.block)))};
    const unsigned max = plan->txs_max ? plan->txs_max : DEFAULT_TXS;
    struct spv_hash256 root;
    spv_buffer_init(&t.txs);
    t.block->owners = 1;
    add_txid(&t, &zero, &zero);
    for (uint64_t n = plan->txs_min + test_random_below(random, max - plan->txs_min + 1); n > 0;
         n--)
        add_tx(&t);
    put_block(&t, &root);
    sim_store_forge(&chain->store, 1, test_random_next(random), set_root, &root);
    append(chain, t.block);
    spv_buffer_free(&t.txs);
    free(t.txids);
    free(t.wtxids);
}

static void copy_spent(struct sim_block *block, const struct spv_bytes *spent, size_t n)
{
    block->spent = checked(calloc(n + 1, sizeof(*block->spent)));
    block->n_spent = n;
    for (size_t i = 0; i < n; i++) {
        if (spent[i].n > SIM_SCRIPT_MAX)
            abort();
        memcpy(block->spent[i].script, spent[i].bytes, spent[i].n);
        block->spent[i].n_script = spent[i].n;
    }
}

void sim_blocks_put(struct sim_blocks *blocks, const struct spv_bytes *txs, size_t n,
                    const struct spv_bytes *spent, size_t n_spent, uint64_t seed)
{
    struct sim_block *block = checked(calloc(1, sizeof(*block)));
    struct spv_txid *txids = checked(calloc(n, sizeof(*txids)));
    struct spv_hash256 root;
    struct spv_buffer b;
    struct spv_tx tx;
    spv_buffer_init(&b);
    checked(spv_buffer_extend(&b, SPV_HEADER_SIZE));
    spv_buffer_compact(&b, n);
    for (size_t i = 0; i < n; i++) {
        spv_buffer_put(&b, txs[i].bytes, txs[i].n);
        if (spv_tx_parse(&tx, txs[i].bytes, txs[i].n) < 0 || tx.has_witness)
            abort();
        spv_tx_txid(&txids[i], &tx);
    }
    if (b.error != 0 || spv_merkle_root(&root, txids, n) < 0)
        abort();
    block->owners = 1;
    block->bytes = b.data;
    block->n = b.len;
    copy_spent(block, spent, n_spent);
    sim_store_forge(&blocks->store, 1, seed, set_root, &root);
    append(blocks, block);
    free(txids);
}

const char *sim_blocks_load(struct sim_blocks *blocks, const uint8_t *bytes, size_t n,
                            const struct spv_bytes *spent, size_t n_spent)
{
    struct sim_block *block = checked(calloc(1, sizeof(*block)));
    const struct spv_chain_header *tip = sim_store_tip(&blocks->store);
    struct spv_chain_header header = {.height = tip->height + 1};
    struct spv_u256 work;
    block->owners = 1;
    block->bytes = checked(malloc(n));
    block->n = n;
    memcpy(block->bytes, bytes, n);
    spv_header_decode(&header.header, bytes);
    if (spv_target_from_bits(&work, header.header.bits) < 0)
        abort();
    spv_header_hash(&header.hash, &header.header);
    work = spv_work_from_target(&work);
    header.work = spv_u256_add(&tip->work, &work);
    const struct spv_chain_update update = {
        .kind = SPV_UPDATE_APPEND, .fork_height = tip->height, .headers = &header, .n = 1};
    const char *wrong = sim_store_apply(&blocks->store, &update);
    if (!wrong)
        append_spending(blocks, block, spent, n_spent);
    return wrong;
}

static void put_genesis(struct sim_block *block, const struct spv_params *params)
{
    static const uint8_t zero[32], push[] = {0x04, 0xff, 0xff, 0x00, 0x1d, 0x01, 0x04, 0x45};
    struct spv_buffer b;
    struct spv_txid txid, wtxid;
    bool has_witness;
    spv_buffer_init(&b);
    checked(spv_buffer_extend(&b, SPV_HEADER_SIZE));
    spv_buffer_u8(&b, 1);
    spv_buffer_u32(&b, 1);
    spv_buffer_u8(&b, 1);
    spv_buffer_put(&b, zero, sizeof(zero));
    spv_buffer_u32(&b, UINT32_MAX);
    spv_buffer_u8(&b, (uint8_t)(sizeof(push) + strlen(GENESIS_MESSAGE)));
    spv_buffer_put(&b, push, sizeof(push));
    spv_buffer_put(&b, GENESIS_MESSAGE, strlen(GENESIS_MESSAGE));
    spv_buffer_u32(&b, UINT32_MAX);
    spv_buffer_u8(&b, 1);
    spv_buffer_u64(&b, (uint64_t)SUBSIDY);
    spv_buffer_u8(&b, sizeof(genesis_key) + 2);
    spv_buffer_u8(&b, sizeof(genesis_key));
    spv_buffer_put(&b, genesis_key, sizeof(genesis_key));
    spv_buffer_u8(&b, 0xac);
    spv_buffer_u32(&b, 0);
    if (b.error != 0)
        abort();
    read_ids(&txid, &wtxid, &has_witness, b.data + SPV_HEADER_SIZE + 1,
             b.len - SPV_HEADER_SIZE - 1);
    if (memcmp(txid.b, params->genesis.merkle_root.b, sizeof(txid.b)) != 0)
        abort(); /* another network's */
    block->owners = 1;
    block->bytes = b.data;
    block->n = b.len;
}

void sim_blocks_init(struct sim_blocks *blocks, const struct spv_params *params)
{
    struct sim_block *genesis = checked(calloc(1, sizeof(*genesis)));
    memset(blocks, 0, sizeof(*blocks));
    sim_store_init(&blocks->store, params);
    put_genesis(genesis, params);
    append(blocks, genesis); /* its output cannot be spent */
}

void sim_blocks_free(struct sim_blocks *blocks)
{
    for (size_t i = 0; i < blocks->store.n; i++) {
        struct sim_block *block = blocks->at[i];
        if (--block->owners > 0)
            continue;
        free(block->bytes);
        free(block->created);
        free(block->spent);
        free(block);
    }
    sim_filters_free(&blocks->filters);
    sim_store_free(&blocks->store);
    free(blocks->at);
    free(blocks->coins);
    memset(blocks, 0, sizeof(*blocks));
}

void sim_blocks_grow(struct sim_blocks *blocks, const struct sim_blocks_plan *plan)
{
    struct test_random random = {.state = plan->seed};
    for (uint32_t i = 0; i < plan->n; i++)
        mine_block(blocks, plan, &random);
}

static bool is_coin(const struct sim_coin *a, const struct sim_coin *b)
{
    return a->index == b->index && memcmp(a->txid.b, b->txid.b, sizeof(a->txid.b)) == 0;
}

/* Takes a block's transactions back: what it created is gone, what it spent is there again. */
static void undo_coins(struct sim_blocks *chain, const struct sim_block *block)
{
    for (size_t i = 0; i < block->n_spent; i++)
        add_coin(chain, &block->spent[i]);
    for (size_t i = 0; i < block->n_created; i++)
        for (size_t k = chain->n_coins; k-- > 0;)
            if (is_coin(&chain->coins[k], &block->created[i])) {
                remove_coin(chain, k);
                break;
            }
}

void sim_blocks_fork(struct sim_blocks *out, const struct sim_blocks *base, uint32_t fork_height,
                     const struct sim_blocks_plan *plan)
{
    memset(out, 0, sizeof(*out));
    sim_store_fork(&out->store, &base->store, fork_height, 0, 0);
    for (size_t i = 0; i < base->n_coins; i++)
        add_coin(out, &base->coins[i]);
    for (size_t i = base->store.n; i-- > fork_height + 1;)
        undo_coins(out, base->at[i]);
    for (size_t i = 0; i <= fork_height; i++) {
        const struct sim_filter *filter = &base->filters.at[i];
        out->at = sim_grow(out->at, &out->cap, i, sizeof(out->at[0]));
        out->at[i] = base->at[i];
        out->at[i]->owners++;
        sim_filters_append(&out->filters, filter->bytes, filter->n, true);
    }
    sim_blocks_grow(out, plan);
}

const struct sim_block *sim_blocks_find(const struct sim_blocks *blocks, uint32_t *height,
                                        const struct spv_blockhash *hash)
{
    for (size_t i = blocks->store.n; i-- > 0;)
        if (spv_blockhash_eq(&blocks->at[i]->hash, hash)) {
            if (height)
                *height = (uint32_t)i;
            return blocks->at[i];
        }
    return NULL;
}
