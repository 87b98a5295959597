/* Outpoints that are spent twice are found in a sorted copy: n log n for a transaction with
 * thousands of inputs. */
#include "spv/wallet/wallet_add.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/message.h"
#include "spv/wallet/wallet_update.h"

struct outpoint {
    struct spv_txid txid;
    uint32_t vout;
};

static int compare_outpoints(const void *a, const void *b)
{
    const struct outpoint *x = a, *y = b;
    const int order = memcmp(&x->txid, &y->txid, sizeof x->txid);

    return order != 0 ? order : (x->vout > y->vout) - (x->vout < y->vout);
}

static int check_inputs(const struct spv_tx *tx)
{
    struct spv_tx_iter iter = spv_tx_inputs(tx);
    struct spv_tx_input input;
    struct outpoint *spent;
    size_t n = 0;
    int rc = 0;

    if (tx->n_inputs == 1)
        return 0;
    spent = calloc(tx->n_inputs, sizeof *spent);
    if (!spent)
        return SPV_ERR_NOMEM;
    while (spv_tx_next_input(&iter, &input))
        spent[n++] = (struct outpoint){.txid = input.prev, .vout = input.index};
    qsort(spent, n, sizeof *spent, compare_outpoints);
    for (size_t i = 1; i < n; i++)
        if (compare_outpoints(&spent[i - 1], &spent[i]) == 0)
            rc = SPV_ERR_TX_DUPLICATE_INPUT; /* consensus: bad-txns-inputs-duplicate */
    free(spent);
    return rc;
}

int spv_wallet_check_tx(const struct spv_tx *tx)
{
    struct spv_tx_iter iter = spv_tx_outputs(tx);
    struct spv_tx_output output;
    int64_t sum = 0;

    while (spv_tx_next_output(&iter, &output)) {
        /* consensus: bad-txns-vout-negative, -toolarge, bad-txns-txouttotal-toolarge */
        if (output.value < 0 || output.value > (int64_t)SPV_MAX_MONEY - sum)
            return SPV_ERR_TX_VALUE;
        sum += output.value;
    }
    return check_inputs(tx);
}

static bool spends_pending(const struct spv_wallet *w, const struct spv_tx_input *input)
{
    struct spv_probe_iter iter = spv_wallet_spenders(w, &input->prev, input->index);
    uint32_t tx;

    while (spv_wallet_next_spender(w, &iter, &input->prev, input->index, &tx))
        if (!spv_tx_is_confirmed(&w->txs[tx]))
            return true;
    return false;
}

bool spv_wallet_is_relevant(const struct spv_wallet *w, const struct spv_tx *tx,
                            const struct spv_txid *txid)
{
    struct spv_tx_iter outputs = spv_tx_outputs(tx), inputs = spv_tx_inputs(tx);
    struct spv_tx_output output;
    struct spv_tx_input input;

    while (spv_tx_next_output(&outputs, &output))
        if (spv_script_table_find(&w->set.scripts, output.script) != SPV_NO_INDEX)
            return true;
    while (spv_tx_next_input(&inputs, &input))
        if (spv_wallet_find_coin(w, &input.prev, input.index) != SPV_NO_INDEX ||
            spends_pending(w, &input))
            return true;
    return txid && spv_watch_set_has_txid(&w->set, txid);
}

int spv_wallet_keep_raw(struct spv_tx_record *record, const struct spv_tx *tx)
{
    uint8_t *copy = malloc(tx->n);

    if (!copy)
        return SPV_ERR_NOMEM;
    memcpy(copy, tx->bytes, tx->n);
    free(record->raw);
    record->raw = copy;
    record->n_bytes = (uint32_t)tx->n;
    return 0;
}

static int set_raw(struct spv_tx_record *record, const struct spv_tx *tx, bool stripped)
{
    uint8_t *copy = malloc(tx->n);

    if (!copy)
        return SPV_ERR_NOMEM;
    memcpy(copy, tx->bytes, tx->n);
    free(record->new_raw);
    record->new_raw = copy;
    record->n_new_raw = tx->n;
    record->row.flags &= ~(uint32_t)(SPV_TX_FLAG_HAS_WITNESS | SPV_TX_FLAG_STRIPPED);
    if (tx->has_witness)
        record->row.flags |= SPV_TX_FLAG_HAS_WITNESS;
    if (stripped && !tx->has_witness)
        record->row.flags |= SPV_TX_FLAG_STRIPPED;
    record->changed = true;
    return spv_wallet_keep_raw(record, tx);
}

int spv_wallet_put_tx(struct spv_wallet *w, uint32_t *number, const struct spv_tx *tx,
                      const struct spv_txid *txid, bool stripped)
{
    const bool is_new = *number == SPV_NO_INDEX;
    int rc;

    if (is_new) {
        rc = spv_wallet_add_tx(w, number, tx, txid, w->meta.next_tx);
        w->meta.next_tx++;
        w->meta_changed = true;
    } else {
        rc = spv_wallet_mark_dirty(w, *number);
        if (rc == 0)
            rc = spv_wallet_add_coins(w, *number, tx);
    }
    if (rc < 0)
        return rc;
    /* Only a full form is new, where the stored one is stripped. */
    if (is_new ||
        ((w->txs[*number].row.flags & SPV_TX_FLAG_STRIPPED) != 0 && (tx->has_witness || !stripped)))
        rc = set_raw(&w->txs[*number], tx, stripped);
    if (rc == 0)
        rc = spv_wallet_mark_related_dirty(w, *number);
    return rc < 0 ? rc : spv_wallet_use_scripts(w, *number);
}
