/* In a table a transaction is named by the ends of its txid, so that a line has 80 columns;
 * --verbose, JSON and CSV have it whole. */
#include "watch_tx.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch_text.h"

static const char *state_name(uint32_t state)
{
    switch ((enum spv_tx_state)state) {
    case SPV_TX_UNCONFIRMED:
        return "unconfirmed";
    case SPV_TX_CONFIRMED:
        return "confirmed";
    case SPV_TX_REPLACED:
        return "replaced";
    case SPV_TX_CONFLICTED:
        return "conflicted";
    case SPV_TX_ORPHANED:
        return "orphaned";
    case SPV_TX_EXPIRED:
        return "expired";
    }
    return "unknown";
}

/* ---- what is published from here ---- */

/* The last fact of all network groups. */
static const char *progress_name(const struct spv_broadcast_row *row)
{
    uint32_t facts = 0;

    if (row->state == SPV_BROADCAST_WITHDRAWN)
        return "withdrawn";
    for (uint32_t i = 0; i < row->n_groups && i < SPV_BROADCAST_MAX_GROUPS; i++)
        facts |= row->facts[i];
    if (facts & (SPV_BROADCAST_RETURNED | SPV_BROADCAST_RETURNED_SAME))
        return "returned";
    if (facts & SPV_BROADCAST_FETCHED)
        return "fetched";
    return facts & SPV_BROADCAST_ANNOUNCED ? "announced" : "waiting";
}

int watch_txs_load(struct watch_txs *out, struct watch_job *j, struct spv_wallet_iter *it)
{
    const struct spv_wallet_info *facts = spv_wallet_iter_info(it);
    struct spv_wallet_item item;
    int rc;

    *out = (struct watch_txs){.job = j, .scanned = facts->meta.scanned.height};
    out->published = malloc(SPV_BROADCAST_MAX_TXS * sizeof *out->published);
    if (!out->published)
        return cli_fail(SPV_ERR_NOMEM, "not enough memory.");
    rc = spv_wallet_iter_list(it, SPV_WALLET_LIST_BROADCASTS, NULL);
    while (rc == 0 && out->n < SPV_BROADCAST_MAX_TXS &&
           (rc = spv_wallet_iter_next(it, &item)) == 1) {
        out->published[out->n++] = (struct watch_published){
            .txid = item.of.broadcast.txid, .progress = progress_name(&item.of.broadcast)};
        rc = 0;
    }
    return rc < 0 ? watch_failed(j, rc) : CLI_DONE;
}

void watch_txs_free(struct watch_txs *txs)
{
    free(txs->published);
    txs->published = NULL;
    txs->n = 0;
}

/* NULL: it was not published here. */
static const char *progress_of(const struct watch_txs *txs, const struct spv_txid *txid)
{
    for (size_t i = 0; i < txs->n; i++)
        if (memcmp(txs->published[i].txid.b, txid->b, sizeof txid->b) == 0)
            return txs->published[i].progress;
    return NULL;
}

/* ---- one transaction ---- */

struct view {
    bool in_block; /* of the best chain */
    char txid[SPV_HASH_HEX], block_hash[SPV_HASH_HEX]; /* of an orphan: the block that left */
    bool has_hash;
    const char *state, *progress;
    uint32_t confirmations;
    int64_t time; /* of the block; else when it was first seen */
};

static void view_of(struct view *v, const struct watch_txs *txs,
                    const struct spv_wallet_tx_row *row)
{
    static const struct spv_blockhash none;
    const uint32_t height = row->block.height;

    v->in_block = height != SPV_NO_HEIGHT;
    spv_txid_hex(v->txid, &row->txid);
    v->has_hash = !spv_blockhash_eq(&row->block.hash, &none);
    spv_blockhash_hex(v->block_hash, &row->block.hash);
    v->state = state_name(row->state);
    v->progress = progress_of(txs, &row->txid);
    v->confirmations = v->in_block && txs->scanned != SPV_NO_HEIGHT && height <= txs->scanned
                           ? txs->scanned - height + 1
                           : 0;
    v->time = v->in_block ? row->block_time : row->first_seen;
}

static json_t *object_of(const struct view *v, const struct spv_wallet_tx_row *row, int64_t net)
{
    return json_pack(
        "{s:s, s:s, s:o, s:s?, s:I, s:o, s:s, s:s?, s:I, s:I}", "event", "transaction", "txid",
        v->txid, "height", v->in_block ? json_integer(row->block.height) : json_null(),
        "block_hash", v->has_hash ? v->block_hash : NULL, "net", (json_int_t)net, "fee",
        row->fee >= 0 ? json_integer(row->fee) : json_null(), "state", v->state, "progress",
        v->progress, "confirmations", (json_int_t)v->confirmations, "time", (json_int_t)v->time);
}

static void print_csv(const struct watch_job *j, const struct view *v,
                      const struct spv_wallet_tx_row *row, int64_t net)
{
    char amount[CLI_FIGURE], fee[CLI_FIGURE], height[CLI_FIGURE] = "";

    if (v->in_block)
        (void)snprintf(height, sizeof height, "%" PRIu32, row->block.height);
    (void)printf("%s,%s,%s,%s,%s,%s,%s,%" PRIu32 ",%" PRId64 "\n", v->txid, height,
                 v->has_hash ? v->block_hash : "", watch_amount(amount, net, j->sat),
                 row->fee >= 0 ? watch_amount(fee, row->fee, j->sat) : "", v->state,
                 v->progress ? v->progress : "", v->confirmations, v->time);
}

static const char *short_id(char out[WATCH_SHORT], const struct watch_job *j, const char *id)
{
    return j->verbose ? watch_short(out, id, 64, 0) : watch_short(out, id, 8, 6);
}

static void print_line(const struct watch_job *j, const struct view *v,
                       const struct spv_wallet_tx_row *row, int64_t net)
{
    char amount[CLI_FIGURE], when[CLI_FIGURE], height[CLI_FIGURE], id[WATCH_SHORT];

    (void)cli_time(when, v->time);
    cli_print("%9s  %-16.16s  %18s  %-11s  %s",
              v->in_block ? cli_count(height, row->block.height) : "-", when,
              watch_net(amount, net, j->sat), v->state, short_id(id, j, v->txid));
}

void watch_txs_head(const struct watch_job *j)
{
    if (cli_json_on())
        return;
    if (j->csv)
        (void)printf("txid,height,block_hash,net,fee,state,progress,confirmations,time\n");
    else
        cli_print("%9s  %-16s  %18s  %-11s  %s", "height", "time (UTC)",
                  j->sat ? "satoshis" : "BTC", "state", "transaction");
}

void watch_txs_row(const struct watch_txs *txs, const struct spv_wallet_tx_row *row, int64_t net)
{
    struct view v;

    view_of(&v, txs, row);
    if (cli_json_on())
        cli_json(object_of(&v, row, net));
    else if (txs->job->csv)
        print_csv(txs->job, &v, row, net);
    else
        print_line(txs->job, &v, row, net);
}

void watch_txs_change(const struct watch_txs *txs, const struct spv_wallet_tx_row *row)
{
    const int64_t net = row->received - row->spent;
    struct view v;
    json_t *object;

    if (!cli_json_on()) {
        watch_txs_row(txs, row, net);
        return;
    }
    view_of(&v, txs, row);
    object = object_of(&v, row, net);
    if (object)
        json_object_set_new(object, "revision", json_integer((json_int_t)row->revision));
    cli_json(object);
}
