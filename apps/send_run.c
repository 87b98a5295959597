/* The run: the loop keeps headers in step and publishes what the database has. What the command
 * line names is stored before the loop begins (send_store.c): a kill loses nothing, and the first
 * connections are opened with relay 1, so that their peers can announce it back. */
#include <stdlib.h>
#include <string.h>

#include "send_state.h"

#define TICK 0.1 /* seconds between updates of the status line */

static void stop_loop(void *ctx)
{
    spv_evloop_stop(ctx);
}

/* ---- items ---- */

static struct send_item *find_item(struct send *s, const struct spv_txid *txid)
{
    for (size_t i = 0; i < s->n_items; i++)
        if (memcmp(&s->items[i].txid, txid, sizeof *txid) == 0)
            return &s->items[i];
    return NULL;
}

/* --resume: all that the database still publishes. */
static void add_stored(struct send *s)
{
    struct spv_broadcast_progress p;
    uint64_t next = 0;

    while (s->n_items < SPV_BROADCAST_MAX_TXS && spv_broadcast_next(s->broadcast, &next, &p))
        if (p.state == SPV_BROADCAST_PUBLISHING)
            s->items[s->n_items++] = (struct send_item){.txid = p.txid, .before = p, .progress = p};
    for (size_t i = 0; i < s->n_items; i++) { /* the last one of each package */
        s->items[i].is_child = true;
        for (size_t j = i + 1; j < s->n_items; j++)
            if (s->items[j].before.package == s->items[i].before.package)
                s->items[i].is_child = false;
    }
}

static void add_named(struct send *s)
{
    for (size_t i = 0; i < s->n_txs; i++) {
        struct send_item *item = &s->items[s->n_items++];
        *item = (struct send_item){.txid = s->reports[i].txid, .is_child = i + 1 == s->n_txs};
        (void)spv_broadcast_find(s->broadcast, &item->before, &item->txid);
        item->progress = item->before;
    }
}

/* How many others the database publishes. */
static size_t count_others(struct send *s)
{
    struct spv_broadcast_progress p;
    uint64_t next = 0;
    size_t n = 0;

    while (spv_broadcast_next(s->broadcast, &next, &p))
        n += p.state == SPV_BROADCAST_PUBLISHING && !find_item(s, &p.txid);
    return n;
}

/* ---- callbacks ---- */

static void on_event(void *ctx, const struct spv_event *e)
{
    struct send *s = ctx;

    if (e->kind == SPV_EVENT_WARNING)
        sync_end_note(&s->end, e);
    if (e->kind == SPV_EVENT_BANNED || e->error == SPV_ERR_BANNED)
        s->end.banned++;
    if (e->kind == SPV_EVENT_PROGRESS || e->kind == SPV_EVENT_REORG)
        s->tip_moved = true;
    if (e->error != 0)
        (void)snprintf(s->report.failure, sizeof s->report.failure, "%s: %s", e->address,
                       spv_strerror(e->error));
    if (!s->quiet && e->kind != SPV_EVENT_PROGRESS && e->kind != SPV_EVENT_SYNCED &&
        e->kind != SPV_EVENT_FILTERS_SYNCED)
        report_event(&s->report, e);
}

static void on_wallet(void *ctx, const struct spv_wallet_event *e)
{
    struct send *s = ctx;

    if (e->kind == SPV_WALLET_EVENT_CHANGED || e->kind == SPV_WALLET_EVENT_SCANNED)
        s->tip_moved = true;
}

static void on_broadcast(void *ctx, const struct spv_broadcast_progress *progress)
{
    struct send *s = ctx;
    struct send_item *item = find_item(s, &progress->txid);

    if (!item)
        return;
    item->progress = *progress;
    s->heard_at = cli_clock();
    s->tip_moved = true;
    if (!s->quiet && (!cli_live() || s->verbose || progress->state != SPV_BROADCAST_PUBLISHING))
        send_print_item(item);
}

/* While a transaction is locked, headers are progress: it may need one that comes. */
static void note_headers(struct send *s, const struct spv_node_stats *stats)
{
    bool waits = false;

    for (size_t i = 0; i < s->n_items; i++)
        waits = waits || s->items[i].progress.waits;
    if (waits && report_received(stats) != s->received)
        s->heard_at = cli_clock();
    s->received = report_received(stats);
}

static size_t count_relay(const struct send *s)
{
    struct spv_peer_stats peers[SPV_NODE_MAX_PEERS];
    const size_t n = spv_evloop_peers(s->loop, peers, NULL, SPV_NODE_MAX_PEERS);
    size_t found = 0;

    for (size_t i = 0; i < n; i++)
        found += peers[i].relay;
    return found;
}

static bool is_conflicted(const struct send *s)
{
    for (size_t i = 0; i < s->n_items; i++)
        if (s->items[i].progress.state == SPV_BROADCAST_CONFLICTED)
            return true;
    return false;
}

/* Once a peer has it, a run that waits for more is not ended by the timeout. */
static bool is_too_late(const struct send *s)
{
    if (s->timeout == 0 || cli_clock() - s->heard_at < (double)s->timeout)
        return false;
    for (size_t i = 0; i < s->n_items && (s->follow || s->confirm > 0); i++)
        if (s->items[i].is_child && send_was_fetched(&s->items[i]))
            return false;
    return true;
}

static void stop_when_due(struct send *s)
{
    s->sent = send_is_done(s);
    s->conflicted = is_conflicted(s);
    s->gave_up = !s->sent && !s->conflicted && is_too_late(s);
    if (s->sent && s->follow && !s->reported) {
        s->reported = true;
        cli_stop_codes(CLI_INTERRUPTED, CLI_DONE);
        send_print_all_sent(s);
    }
    if (s->error != 0 || s->gave_up || ((s->sent || s->conflicted) && !s->follow))
        spv_evloop_stop(s->loop);
}

static void on_tick(void *ctx)
{
    struct send *s = ctx;
    struct spv_node_stats stats;

    if (s->follow && !s->quiet && cli_reader_gone()) {
        s->reader_gone = true;
        spv_evloop_stop(s->loop);
        return;
    }
    spv_evloop_get_stats(s->loop, &stats);
    note_headers(s, &stats);
    s->n_relay = count_relay(s);
    if (s->confirm > 0 && s->tip_moved) {
        s->tip_moved = false;
        s->error = send_count_confirmations(s, stats.tip.height);
    }
    stop_when_due(s);
    if (cli_live() && !s->quiet)
        send_print_live(s, &stats);
}

/* ---- the run ---- */

static int new_loop(struct send *s)
{
    struct spv_evloop_config cfg = {
        .node = {.params = s->target.params, .wallet = s->wallet, .broadcast = s->broadcast},
        .store = s->store,
        .on_event = on_event,
        .on_wallet = on_wallet,
        .on_broadcast = on_broadcast,
        .on_tick = on_tick,
        .tick_us = (uint64_t)(TICK * 1e6),
        .ctx = s,
    };
    struct spv_error_info why;

    peer_options_apply(&s->peers, &cfg);
    return spv_evloop_new(&s->loop, &cfg, &why) == 0 ? CLI_DONE : cli_print_error_info(&why);
}

static void init_reports(struct send *s, const struct spv_node_stats *stats)
{
    s->end.params = s->target.params;
    s->end.proxy = &s->peers.proxy;
    s->end.failure = s->report.failure;
    s->end.timeout = s->timeout;
    s->end.connect = s->peers.connect.n;
    s->end.option = peer_options_naming(&s->peers, s->target.params, stats);
    s->report.network = s->target.params->net.name;
    s->report.database = s->target.path;
    s->report.verbose = s->verbose;
    s->report.few_peers = s->end.option != NULL;
}

static int begin(struct send *s)
{
    struct spv_node_stats stats;
    const size_t room = s->resume ? SPV_BROADCAST_MAX_TXS : SPV_BROADCAST_MAX_PACKAGE;
    size_t others;

    spv_evloop_get_stats(s->loop, &stats);
    if (peer_options_must_name(&s->peers, s->target.params) &&
        stats.addresses_new + stats.addresses_tried == 0)
        return peer_options_name_peer(s->target.params);
    init_reports(s, &stats);
    s->items = calloc(room, sizeof *s->items);
    if (!s->items)
        return cli_fail(SPV_ERR_NOMEM, "not enough memory.");
    if (s->resume)
        add_stored(s);
    else
        add_named(s);
    others = count_others(s);
    if (others > 0 && !s->quiet)
        cli_print("announced again, too: %s of earlier runs (--list)", CLI_COUNT(others));
    for (size_t i = 0; i < s->n_items && !s->quiet && !cli_live(); i++)
        send_print_item(&s->items[i]);
    return CLI_DONE;
}

static int run_loop(struct send *s)
{
    int rc = begin(s);

    if (rc != CLI_DONE)
        return rc;
    if (s->n_items == 0) {
        if (!s->quiet)
            cli_print("nothing is being published from %s", s->target.path);
        return CLI_DONE;
    }
    s->heard_at = cli_clock();
    s->tip_moved = true;
    cli_stop_hook(stop_loop, s->loop);
    cli_service_ready("publishing %s", CLI_COUNT(s->n_items));
    rc = cli_stopped() ? 0 : spv_evloop_run(s->loop);
    cli_stop_hook(NULL, NULL);
    cli_service_stopping();
    cli_status_line_clear();
    return send_finish(s, rc);
}

int send_run(struct send *s)
{
    int rc = s->n_txs > 0 ? send_store(s) : CLI_DONE;

    if (rc == CLI_DONE)
        rc = send_new_machines(s);
    if (rc == CLI_DONE)
        rc = new_loop(s);
    if (rc == CLI_DONE)
        rc = run_loop(s);
    (void)spv_evloop_free(s->loop);
    return rc;
}
