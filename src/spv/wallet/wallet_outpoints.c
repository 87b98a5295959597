#include "spv/wallet/wallet_outpoints.h"

#include "spv/wallet/wallet_coins.h"

bool spv_wallet_next_outpoint(const struct spv_wallet *w, uint64_t *next,
                              struct spv_wallet_outpoint *out)
{
    while (*next < w->n_coins) {
        const struct spv_coin_record *coin = &w->coins[(*next)++];
        if (coin->tx == SPV_NO_INDEX || spv_wallet_is_spent_in_block(w, coin))
            continue;
        *out = (struct spv_wallet_outpoint){
            .txid = w->txs[coin->tx].row.txid,
            .vout = coin->vout,
            .script = spv_script_table_bytes(&w->set.scripts, coin->script)};
        return true;
    }
    return false;
}
