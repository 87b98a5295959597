/* The outputs of the wallet that are spent: a fee follows from them. A database without a wallet
 * has none, which is no error. */
#include <stdlib.h>
#include <string.h>

#include "send_state.h"

int send_store_failed(const struct send *s, int rc)
{
    const char *text = spv_store_last_error(s->store);

    return cli_fail(rc, "%s", text && text[0] != '\0' ? text : spv_strerror(rc));
}

static int compare_coins(const void *a, const void *b)
{
    const struct send_coin *one = a, *other = b;
    const int order = memcmp(&one->txid, &other->txid, sizeof one->txid);

    return order != 0 ? order : (one->vout > other->vout) - (one->vout < other->vout);
}

const struct send_coin *send_coin_of(const struct send *s, const struct spv_tx_input *input)
{
    const struct send_coin wanted = {.txid = input->prev, .vout = input->index};
    const struct send_coin *found =
        s->n_coins > 0 ? bsearch(&wanted, s->coins, s->n_coins, sizeof wanted, compare_coins)
                       : NULL;

    return found && found->value >= 0 ? found : NULL;
}

/* All outputs that are spent, their values not known yet. Returns false when memory is out. */
static bool want_coins(struct send *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_txs; i++)
        n += s->txs[i].tx.n_inputs;
    s->coins = calloc(n + 1, sizeof *s->coins);
    for (size_t i = 0; s->coins && i < s->n_txs; i++) {
        struct spv_tx_iter iter = spv_tx_inputs(&s->txs[i].tx);
        struct spv_tx_input input;
        while (spv_tx_next_input(&iter, &input))
            s->coins[s->n_coins++] =
                (struct send_coin){.txid = input.prev, .vout = input.index, .value = -1};
    }
    if (s->coins)
        qsort(s->coins, s->n_coins, sizeof *s->coins, compare_coins);
    return s->coins != NULL;
}

/* An output that is spent twice is refused later: one of its entries may stay without a value. */
static void take_coin(struct send *s, const struct spv_wallet_coin *coin)
{
    const struct send_coin wanted = {.txid = coin->txid, .vout = coin->vout};
    struct send_coin *found = bsearch(&wanted, s->coins, s->n_coins, sizeof wanted, compare_coins);

    if (found) {
        found->value = coin->value;
        found->height = coin->height;
    }
}

int send_find_coins(struct send *s)
{
    struct spv_wallet_iter *iter = NULL;
    struct spv_wallet_item item;
    int rc;

    if (!want_coins(s))
        return cli_fail(SPV_ERR_NOMEM, "not enough memory.");
    rc = spv_wallet_iter_open(&iter, s->store);
    if (rc == SPV_ERR_NOT_FOUND)
        return CLI_DONE;
    if (rc == 0)
        rc = spv_wallet_iter_list(iter, SPV_WALLET_LIST_COINS, NULL);
    while (rc >= 0 && (rc = spv_wallet_iter_next(iter, &item)) > 0)
        take_coin(s, &item.of.coin.coin);
    spv_wallet_iter_close(iter);
    return rc < 0 ? send_store_failed(s, rc) : CLI_DONE;
}
