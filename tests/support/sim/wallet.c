/* The wallet of the test chains: keys below SIM_WALLET_KEYS, of each kind. */
#include <string.h>

#include "support/sim/blocks.h"

const struct spv_bytes *sim_wallet_scripts(size_t *n)
{
    static uint8_t bytes[SIM_COIN_KINDS * SIM_WALLET_KEYS][SIM_SCRIPT_MAX];
    static struct spv_bytes scripts[SIM_COIN_KINDS * SIM_WALLET_KEYS];
    for (unsigned i = 0; i < SIM_COIN_KINDS * SIM_WALLET_KEYS; i++)
        scripts[i] = (struct spv_bytes){
            bytes[i], sim_coin_script(bytes[i], (enum sim_coin_kind)(i % SIM_COIN_KINDS),
                                      i / SIM_COIN_KINDS)};
    *n = SIM_COIN_KINDS * SIM_WALLET_KEYS;
    return scripts;
}

bool sim_wallet_has(const struct sim_coin *coin)
{
    return coin->key < SIM_WALLET_KEYS;
}

bool sim_wallet_in_block(const struct sim_block *block)
{
    for (size_t i = 0; i < block->n_created; i++)
        if (sim_wallet_has(&block->created[i]))
            return true;
    for (size_t i = 0; i < block->n_spent; i++)
        if (sim_wallet_has(&block->spent[i]))
            return true;
    return false;
}

bool sim_wallet_in_tx(const struct sim_block *block, size_t position)
{
    struct spv_block_iter iter = spv_block_txs(&block->parsed);
    struct spv_tx tx;
    struct spv_txid txid;
    size_t spent = 0;
    for (size_t i = 0; spv_block_next(&iter, &tx) && i < position; i++)
        spent += i == 0 ? 0 : tx.n_inputs;
    spv_tx_txid(&txid, &tx);
    for (size_t i = 0; position > 0 && i < tx.n_inputs; i++)
        if (sim_wallet_has(&block->spent[spent + i]))
            return true;
    for (size_t i = 0; i < block->n_created; i++)
        if (sim_wallet_has(&block->created[i]) &&
            memcmp(block->created[i].txid.b, txid.b, sizeof(txid.b)) == 0)
            return true;
    return false;
}
