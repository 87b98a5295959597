/* When a run of spv-send ends, and what it says then: each ending that is not what was asked for is
 * one error with what was tried, the facts, and what to do. */
#include <stdio.h>

#include "send_state.h"

/* An earlier run may have seen it announced back: in this one, something must have happened. */
static bool is_fresh(const struct send_item *item)
{
    const struct spv_broadcast_progress *a = &item->before, *b = &item->progress;

    return a->returned == 0 || a->announced != b->announced || a->fetched != b->fetched ||
           a->returned != b->returned;
}

bool send_was_fetched(const struct send_item *item)
{
    return item->progress.fetched > 0;
}

bool send_is_done(const struct send *s)
{
    for (size_t i = 0; i < s->n_items; i++) {
        const struct send_item *item = &s->items[i];
        if (s->confirm > 0 ? item->confirmations < s->confirm
                           : item->is_child && item->progress.state != SPV_BROADCAST_CONFIRMED &&
                                 (item->progress.returned == 0 || !is_fresh(item)))
            return false;
    }
    return true;
}

/* ---- the timeout ---- */

static int waits(const struct send_item *item, const struct spv_node_stats *stats)
{
    char txid[SPV_HASH_HEX], figure[CLI_FIGURE];

    spv_txid_hex(txid, &item->txid);
    if (item->progress.wait_time > 0)
        return cli_fail_as(CLI_FAILED, SPV_ERR_STALL,
                           "%s is locked until the median time of the chain is above %s: nothing "
                           "was announced. It is kept: run with --resume then, or --follow.",
                           txid, cli_time(figure, item->progress.wait_time));
    return cli_fail_as(CLI_FAILED, SPV_ERR_STALL,
                       "%s is locked until height %s, and the chain has %s: nothing was announced. "
                       "It is kept: run with --resume then, or --follow.",
                       txid, CLI_COUNT(item->progress.wait_height), CLI_COUNT(stats->tip.height));
}

static int not_confirmed(const struct send *s, const struct send_item *item, const char *t)
{
    char txid[SPV_HASH_HEX];

    spv_txid_hex(txid, &item->txid);
    return cli_fail_as(CLI_FAILED, SPV_ERR_STALL,
                       "%s: has %s of %s confirmations, and nothing new was heard in %s. Run the "
                       "same command again.",
                       txid, CLI_COUNT(item->confirmations), CLI_COUNT(s->confirm), t);
}

/* Peers have it, and none of the others has announced it. */
static int not_returned(const struct send *s, const struct send_item *item, const char *t)
{
    char txid[SPV_HASH_HEX], reject[SEND_REJECT];

    spv_txid_hex(txid, &item->txid);
    return cli_fail_as(CLI_FAILED, SPV_ERR_STALL,
                       "%s: fetched by %u, announced back by none in %s%s: whether it spreads is "
                       "unknown. %s It is kept: --resume announces it again.",
                       txid, item->progress.fetched, t, send_reject(reject, &item->progress),
                       s->peers.connect.n == 1
                           ? "Only a second peer can announce it back: name one with --connect."
                           : "Peers say nothing when they refuse one (fee, inputs, signatures).");
}

static int not_taken(const struct send *s, const struct send_item *item, const char *t)
{
    char txid[SPV_HASH_HEX];

    spv_txid_hex(txid, &item->txid);
    if (item->progress.announced == 0)
        return cli_fail_as(CLI_NO_PEER, SPV_ERR_STALL,
                           "%s: announced to none in %s: no connected peer accepts transactions. "
                           "It is kept: name another peer with --connect HOST.",
                           txid, t);
    return cli_fail_as(CLI_NO_PEER, SPV_ERR_STALL,
                       "%s: announced to %u, fetched by none in %s (%s connected peers accept "
                       "transactions): they have it already, or the announcement is ignored. It is "
                       "kept: --resume announces it again.",
                       txid, item->progress.announced, t, CLI_COUNT(s->n_relay));
}

static int gave_up(const struct send *s, const struct spv_node_stats *stats)
{
    const struct send_item *item = NULL;
    char t[CLI_FIGURE];

    cli_duration(t, (double)s->timeout);
    for (size_t i = 0; i < s->n_items && s->confirm > 0; i++)
        if (s->items[i].progress.state == SPV_BROADCAST_CONFIRMED &&
            s->items[i].confirmations < s->confirm)
            return not_confirmed(s, &s->items[i], t);
    for (size_t i = 0; i < s->n_items && !item; i++)
        if (s->items[i].is_child && s->items[i].progress.state != SPV_BROADCAST_CONFIRMED &&
            s->items[i].progress.returned == 0)
            item = &s->items[i];
    if (!item) { /* an earlier run saw them come back, and this one had no news */
        send_print_all_sent(s);
        return CLI_DONE;
    }
    if (item->progress.waits)
        return waits(item, stats);
    if (send_was_fetched(item))
        return not_returned(s, item, t);
    if (stats->peers == 0)
        return sync_end_gave_up(&s->end, stats, false);
    return not_taken(s, item, t);
}

int send_finish(struct send *s, int rc)
{
    struct spv_node_stats stats;

    cli_stop_note(""); /* reported here */
    spv_evloop_get_stats(s->loop, &stats);
    if (rc == SPV_ERR_INTERRUPTED && cli_stopped())
        rc = 0; /* the signal ended the wait for a lock */
    if (rc != 0)
        return sync_end_failed(s->store, rc);
    if (s->error != 0)
        return sync_end_failed(s->store, s->error);
    if (s->reader_gone)
        return CLI_DONE;
    if (s->conflicted)
        return cli_fail_as(CLI_FAILED, SPV_ERR_TX_DUPLICATE_INPUT,
                           "a confirmed transaction spends the same output: what was sent cannot "
                           "be confirmed any more, and is not announced again.");
    if (s->gave_up)
        return gave_up(s, &stats);
    if (s->sent && !s->follow) {
        send_print_all_sent(s);
        return CLI_DONE;
    }
    if (!s->quiet && !cli_json_on())
        cli_warn("stopped: what is not confirmed is kept in %s, and --resume announces it again. "
                 "--withdraw TXID ends that.",
                 s->target.path);
    return (int)cli_stop_code();
}
