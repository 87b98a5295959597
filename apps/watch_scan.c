/* The commands scan and follow: a node with the wallet on the event loop. A scan ends when every
 * watch is complete up to the tip; follow prints a line for each transaction that changes, until it
 * is stopped. What is found is stored with the height up to which it was looked for, so that the
 * same command resumes wherever a run ended, also after kill -9. */
#include <stdio.h>
#include <string.h>

#include "spv/reactor.h"
#include "watch_commands.h"
#include "watch_run.h"
#include "watch_text.h"
#include "watch_tx.h"

#define TICK 0.1 /* seconds between updates of the live line, and between looks for changes */
#define JSON_EVERY 1.0 /* seconds between progress objects */
#define PLAIN_EVERY 5.0 /* seconds between plain lines */
#define STATUS_EVERY 5.0 /* seconds between lines for a service manager */

/* ---- changes ---- */

/* Prints what has changed since the last revision. Returns 0 or an error of the store. */
static int print_list(struct watch_run *r, const struct watch_txs *txs, struct spv_wallet_iter *it)
{
    const struct spv_wallet_key after = {{r->revision}};
    struct spv_wallet_item item;
    int rc = spv_wallet_iter_list(it, SPV_WALLET_LIST_HISTORY_CHANGES, &after);

    while (rc == 0 && cli_output_error() == 0 && (rc = spv_wallet_iter_next(it, &item)) == 1) {
        watch_txs_change(txs, &item.of.tx);
        r->revision = item.of.tx.revision;
        rc = 0;
    }
    return rc;
}

/* Prints changes from one snapshot. An error is reported here, and ends the run. */
static void print_changes(struct watch_run *r)
{
    struct spv_wallet_iter *it = NULL;
    struct watch_txs txs = {.n = 0};
    int err;

    r->changed = false;
    if (!r->follow || r->job->quiet || r->reader_gone || r->code != CLI_DONE)
        return;
    r->code = watch_snapshot(r->job, &it);
    if (r->code == CLI_DONE)
        r->code = watch_txs_load(&txs, r->job, it);
    if (r->code == CLI_DONE) {
        err = print_list(r, &txs, it);
        if (err < 0)
            r->code = watch_failed(r->job, err);
    }
    watch_txs_free(&txs);
    spv_wallet_iter_close(it);
    if (r->code != CLI_DONE)
        spv_evloop_stop(r->loop);
}

/* ---- events ---- */

static void stop_loop(void *ctx)
{
    spv_evloop_stop(ctx);
}

/* A scan ends at the tip of the synced chain. */
static void stop_when_done(struct watch_run *r)
{
    struct spv_node_stats stats;

    spv_evloop_get_stats(r->loop, &stats);
    if (!r->synced || !r->complete || r->scanned.height < stats.tip.height)
        return;
    if (r->follow) {
        cli_stop_codes(CLI_INTERRUPTED, CLI_DONE);
        return;
    }
    r->done = true; /* whatever arrives while the loop ends */
    spv_evloop_stop(r->loop);
}

/* When every --connect peer is banned, there is nothing to wait for. */
static void note_error(struct watch_run *r, const struct spv_event *e)
{
    if (e->error == 0)
        return;
    r->failure = e->error;
    (void)snprintf(r->report.failure, sizeof r->report.failure, "%s: %s", e->address,
                   spv_strerror(e->error));
    if (e->kind != SPV_EVENT_BANNED && e->error != SPV_ERR_BANNED)
        return;
    r->banned++;
    if (r->job->peers.connect.n > 0 && r->banned >= r->job->peers.connect.n && r->job->timeout > 0)
        spv_evloop_stop(r->loop);
}

/* Whether an event concerns what is watched, or only how it is kept. */
static bool is_detail(const struct spv_event *e)
{
    return e->kind == SPV_EVENT_PROGRESS || e->kind == SPV_EVENT_SYNCED ||
           e->kind == SPV_EVENT_FILTERS_SYNCED || e->kind == SPV_EVENT_BEHIND;
}

static void on_event(void *ctx, const struct spv_event *e)
{
    struct watch_run *r = ctx;

    switch (e->kind) {
    case SPV_EVENT_SYNCED:
        r->synced = true;
        r->unresolved = false;
        r->useful_at = cli_clock();
        break;
    case SPV_EVENT_PROGRESS:
        if (e->address[0] != '\0')
            (void)snprintf(r->report.source, sizeof r->report.source, "%s", e->address);
        r->useful_at = cli_clock();
        break;
    case SPV_EVENT_REORG:
    case SPV_EVENT_FILTERS_SYNCED:
    case SPV_EVENT_BACKFILL_DONE:
        r->useful_at = cli_clock();
        break;
    case SPV_EVENT_CONNECTED:
        if (e->failures == 0)
            r->useful_at = cli_clock();
        break;
    case SPV_EVENT_BEHIND:
        r->synced = false;
        cli_stop_codes(CLI_INTERRUPTED, CLI_INTERRUPTED);
        break;
    case SPV_EVENT_UNRESOLVED:
        r->unresolved = true;
        r->end.why = *e;
        if (!r->follow)
            spv_evloop_stop(r->loop);
        break;
    case SPV_EVENT_WARNING:
        sync_end_note(&r->end, e);
        break;
    case SPV_EVENT_DISCONNECTED:
    case SPV_EVENT_CONNECT_FAILED:
    case SPV_EVENT_BANNED:
        break;
    }
    if (!r->job->quiet && (!is_detail(e) || r->job->verbose))
        report_event(&r->report, e);
    note_error(r, e);
    stop_when_done(r);
}

static const char *wanted_peers(enum spv_source source)
{
    switch (source) {
    case SPV_SOURCE_AUTO:
        return "compact filters (two peers of different networks, or all that --connect names)";
    case SPV_SOURCE_FILTERS:
        return "compact filters (BIP157)";
    case SPV_SOURCE_BLOOM:
        return "bloom filters (BIP37)";
    case SPV_SOURCE_BLOCKS:
        break;
    }
    return "whole blocks";
}

static void on_alarm(struct watch_run *r, const struct spv_wallet_event *e)
{
    const char *net = r->job->params.net.name;

    switch (e->alarm) {
    case SPV_WALLET_ALARM_NO_SOURCE:
        r->no_source = e->raised;
        if (e->raised && !r->follow &&
            (r->job->peers.connect.n > 0 || r->job->source == SPV_SOURCE_BLOOM))
            spv_evloop_stop(r->loop);
        else if (e->raised)
            cli_warn("%s: nothing is scanned: no peer serves %s. Waiting for one.", net,
                     wanted_peers(r->job->source));
        break;
    case SPV_WALLET_ALARM_BOUNDS:
        cli_warn("%s: too many unconfirmed transactions: some were left out.", net);
        break;
    case SPV_WALLET_ALARM_START:
        cli_warn("%s: blocks below height %s are not looked at, as their headers are not stored: "
                 "download them with spv-sync --backfill, then scan again.",
                 net, CLI_COUNT(e->height));
        break;
    }
}

static void on_wallet(void *ctx, const struct spv_wallet_event *e)
{
    struct watch_run *r = ctx;

    r->useful_at = cli_clock();
    switch (e->kind) {
    case SPV_WALLET_EVENT_CHANGED:
        r->changed = true;
        break;
    case SPV_WALLET_EVENT_SCANNED:
        r->complete = true;
        r->scanned = e->scanned;
        if (r->changed)
            print_changes(r);
        if (r->follow && !r->job->quiet && cli_json_on())
            watch_show_scanned(r);
        stop_when_done(r);
        break;
    case SPV_WALLET_EVENT_ANSWER:
        break;
    case SPV_WALLET_EVENT_ALARM:
        on_alarm(r, e);
        break;
    }
}

/* ---- ticks ---- */

/* Whatever arrives keeps a run alive, also where it is not shown. */
static void note_useful(struct watch_run *r, const struct spv_node_stats *stats,
                        const struct spv_wallet_status *status)
{
    if (report_received(stats) != r->received || stats->presync_headers != r->presync ||
        stats->filter_headers_added != r->filter_headers || status->fetched != r->fetched ||
        status->left != r->left || (r->complete && status->left == 0 && stats->peers > 0))
        r->useful_at = cli_clock();
    r->received = report_received(stats);
    r->presync = stats->presync_headers;
    r->filter_headers = stats->filter_headers_added;
    r->fetched = status->fetched;
    r->left = status->left;
}

static void report_service(struct watch_run *r, const struct spv_node_stats *stats,
                           const struct spv_wallet_status *status)
{
    if (cli_clock() - r->status_at < STATUS_EVERY)
        return;
    r->status_at = cli_clock();
    cli_service_status("height %s, %s blocks to scan, %u peers", CLI_COUNT(stats->tip.height),
                       CLI_COUNT(status->left), stats->peers);
}

static void show_progress(struct watch_run *r, const struct spv_wallet_status *status)
{
    const double now = cli_clock(), every = cli_json_on() ? JSON_EVERY : PLAIN_EVERY;
    const bool idle = r->synced && r->complete && status->left == 0;
    const bool only_changes = r->follow && !cli_json_on(); /* in a pipe or file */

    if (r->job->quiet || (!cli_live() && (idle || only_changes || now - r->printed_at < every)))
        return;
    watch_show_progress(r);
    r->printed_at = now;
}

static void on_tick(void *ctx)
{
    struct watch_run *r = ctx;
    struct spv_node_stats stats;
    struct spv_wallet_status status;

    if (r->follow && !r->job->quiet && cli_reader_gone()) {
        r->reader_gone = true;
        spv_evloop_stop(r->loop);
        return;
    }
    spv_evloop_get_stats(r->loop, &stats);
    spv_evloop_wallet_status(r->loop, &status);
    note_useful(r, &stats, &status);
    report_service(r, &stats, &status);
    if (r->changed)
        print_changes(r);
    stop_when_done(r);
    if (r->job->timeout > 0 && cli_clock() - r->useful_at >= (double)r->job->timeout)
        spv_evloop_stop(r->loop);
    else
        show_progress(r, &status);
}

/* ---- endings ---- */

static int end_without_source(const struct watch_run *r)
{
    const struct watch_job *j = r->job;
    const char *net = j->params.net.name;

    if (j->source == SPV_SOURCE_BLOOM)
        return cli_fail_as(CLI_NO_PEER, SPV_ERR_UNSUPPORTED,
                           "%s: --source bloom: nothing was scanned: no peer serves %s. Use "
                           "--source filters, or --source blocks with a node of your own.",
                           net, wanted_peers(j->source));
    return cli_fail_as(
        CLI_NO_PEER, SPV_ERR_SERVICES,
        "%s: --source %s: nothing was scanned: no peer serves %s. Name one with "
        "--connect HOST%s.",
        net, watch_source_name(j->source), wanted_peers(j->source),
        j->source == SPV_SOURCE_BLOCKS ? "" : ", or use --source blocks with a node of your own");
}

static int end_gave_up(struct watch_run *r, const struct spv_node_stats *stats)
{
    struct spv_wallet_status status;
    char t[CLI_FIGURE];

    r->end.banned = r->banned;
    if (r->no_source)
        return end_without_source(r);
    if (!r->synced || stats->peers == 0)
        return sync_end_gave_up(&r->end, stats, r->synced);
    spv_evloop_wallet_status(r->loop, &status);
    return cli_fail_as(CLI_NO_PEER, SPV_ERR_STALL,
                       "%s: %s blocks are still to be scanned, and nothing came in %s. What was "
                       "found is kept; run the same command again, or name another peer with "
                       "--connect HOST.",
                       r->job->params.net.name, CLI_COUNT(status.left),
                       cli_duration(t, (double)r->job->timeout));
}

static int end_stopped(struct watch_run *r)
{
    struct spv_wallet_status status;
    const int code = (int)cli_stop_code();
    const char *how = code == CLI_DONE ? "stopped" : "interrupted";

    spv_evloop_wallet_status(r->loop, &status);
    if (r->job->quiet)
        return code;
    if (cli_json_on())
        cli_json(json_pack(
            "{s:s, s:s, s:o}", "event", how, "network", r->job->params.net.name, "scanned_height",
            status.scanned.height != SPV_NO_HEIGHT ? json_integer(status.scanned.height)
                                                   : json_null()));
    else if (code == CLI_INTERRUPTED && status.scanned.height != SPV_NO_HEIGHT)
        cli_warn("interrupted: what was found up to height %s is kept. Run the same command again "
                 "to resume.",
                 CLI_COUNT(status.scanned.height));
    else if (code == CLI_INTERRUPTED)
        cli_warn("interrupted: nothing was scanned yet, what was downloaded is kept. Run the same "
                 "command again to resume.");
    return code;
}

static int end_run(struct watch_run *r, int rc)
{
    struct spv_node_stats stats;

    cli_stop_note(""); /* reported here */
    spv_evloop_get_stats(r->loop, &stats);
    if (rc == SPV_ERR_INTERRUPTED && cli_stopped())
        rc = 0; /* the signal ended the wait for a lock */
    if (rc != 0)
        return sync_end_failed(r->job->store, rc);
    if (r->changed)
        print_changes(r);
    if (r->code != CLI_DONE && !cli_stopped())
        return r->code;
    if (r->reader_gone)
        return CLI_DONE;
    if (r->done) {
        if (!r->job->quiet)
            watch_show_scanned(r);
        return CLI_DONE;
    }
    if (cli_stopped())
        return end_stopped(r);
    if (r->no_source)
        return end_without_source(r);
    if (r->unresolved && !r->synced)
        return sync_end_unresolved(&r->end, &stats);
    return end_gave_up(r, &stats);
}

/* ---- beginnings ---- */

static int check_options(struct watch_run *r)
{
    struct watch_job *j = r->job;
    int rc;

    if (j->quiet && j->verbose)
        return cli_usage("--quiet, --verbose: cannot be combined.");
    rc = peer_options_check(&j->peers, &j->params);
    if (rc == CLI_DONE && peer_options_must_name(&j->peers, &j->params))
        rc = peer_options_name_peer(&j->params);
    return rc;
}

/* A new database begins at the last checkpoint before the earliest birthday. */
static int choose_start(struct watch_run *r, struct spv_wallet_iter *it)
{
    const struct spv_params *p = &r->job->params;
    const struct spv_checkpoint *start;
    struct spv_wallet_item item;
    struct spv_chain_header tip;
    int64_t birthday = INT64_MAX;
    uint32_t built_in = 0;
    int rc = spv_store_tip(r->job->store, &tip);

    if (rc == 1)
        rc = spv_wallet_iter_list(it, SPV_WALLET_LIST_WATCHES, NULL);
    while (rc == 0 && (rc = spv_wallet_iter_next(it, &item)) == 1) {
        if (item.of.watch.row.watch.birthday < birthday)
            birthday = item.of.watch.row.watch.birthday;
        rc = 0;
    }
    if (rc < 0 || tip.height > 0 || birthday == INT64_MAX || birthday <= 0)
        return rc;
    start = spv_params_birthday_checkpoint(p, p->checkpoints, p->n_checkpoints, birthday);
    if (!start)
        return 0;
    for (size_t i = 0; i < p->n_filter_checkpoints; i++) /* filter headers begin at one */
        if (p->filter_checkpoints[i].height <= start->height)
            built_in = p->filter_checkpoints[i].height;
    if (r->job->source != SPV_SOURCE_BLOCKS)
        start = spv_params_start_checkpoint(p, p->checkpoints, p->n_checkpoints, built_in);
    r->start_height = start ? start->height : 0;
    if (start && !r->job->quiet && !cli_json_on())
        cli_print("%s starts at the checkpoint at height %s", p->net.name,
                  CLI_COUNT(start->height));
    return 0;
}

/* Reads what the run begins with, and says what peers learn when it is the first one. */
static int read_wallet(struct watch_run *r)
{
    struct spv_wallet_iter *it;
    bool first;
    int rc = watch_snapshot(r->job, &it), err;

    if (rc != CLI_DONE)
        return rc;
    first = spv_wallet_iter_info(it)->meta.scanned.height == SPV_NO_HEIGHT;
    r->revision = spv_wallet_iter_info(it)->meta.revision;
    err = choose_start(r, it);
    spv_wallet_iter_close(it);
    if (err < 0)
        return watch_failed(r->job, err);
    if (first && !r->job->quiet && !cli_json_on())
        watch_show_privacy();
    return CLI_DONE;
}

static int open_loop(struct watch_run *r)
{
    struct watch_job *j = r->job;
    struct spv_evloop_config cfg = {
        .node = {.params = &j->params,
                 .checkpoints = j->params.checkpoints,
                 .n_checkpoints = j->params.n_checkpoints,
                 .checkpoint_mode = j->params.n_checkpoints > 0 ? SPV_CHECKPOINTS_ENFORCED
                                                                : SPV_CHECKPOINTS_IGNORED,
                 .start_height = r->start_height,
                 .source = j->source,
                 .allow_bloom = j->allow_bloom || j->source == SPV_SOURCE_BLOOM,
                 .fetch_unconfirmed = j->unconfirmed,
                 .wallet = j->wallet},
        .store = j->store,
        .on_event = on_event,
        .on_wallet = on_wallet,
        .on_tick = on_tick,
        .tick_us = (uint64_t)(TICK * 1e6),
        .ctx = r,
    };
    struct spv_error_info why;

    peer_options_apply(&j->peers, &cfg);
    if (spv_evloop_new(&r->loop, &cfg, &why) != 0)
        return cli_print_error_info(&why);
    if (spv_wallet_script_count(j->wallet) == 0)
        return watch_failed(j, SPV_ERR_NOT_FOUND);
    return CLI_DONE;
}

static int run_loop(struct watch_run *r)
{
    const struct watch_job *j = r->job;
    struct spv_node_stats stats;
    int rc;

    r->end = (struct sync_end){.params = &j->params,
                               .proxy = &j->peers.proxy,
                               .failure = r->report.failure,
                               .timeout = j->timeout,
                               .connect = j->peers.connect.n,
                               .option = j->peers.connect.n > 0 ? "--connect" : NULL};
    r->report.network = j->params.net.name;
    r->report.database = j->target.path;
    r->report.verbose = j->verbose;
    r->report.few_peers = r->end.option != NULL;
    spv_evloop_get_stats(r->loop, &stats);
    report_sample(&r->report, &stats);
    r->useful_at = cli_clock();
    r->printed_at = cli_json_on() ? 0 : r->useful_at; /* print the first JSON progress at once */
    cli_stop_hook(stop_loop, r->loop);
    cli_service_ready("height %s", CLI_COUNT(stats.tip.height));
    rc = cli_stopped() ? 0 : spv_evloop_run(r->loop);
    cli_stop_hook(NULL, NULL);
    cli_service_stopping();
    return end_run(r, rc);
}

static int run_watch(struct watch_job *j, bool follow)
{
    static struct watch_run run;
    struct watch_run *r = &run;
    int rc;

    r->job = j;
    r->follow = follow;
    r->report.started = r->started = cli_clock();
    cli_stop_note("spv-watch: interrupted: what was committed is kept. Run the same command again "
                  "to resume.\n");
    if (j->words.n > 1)
        return cli_usage("%s: takes no argument.", follow ? "follow" : "scan");
    rc = watch_learn_network(j);
    if (rc == CLI_DONE)
        rc = check_options(r);
    if (rc == CLI_DONE)
        rc = cli_pid_file(j->pid_file);
    if (rc == CLI_DONE)
        rc = watch_open(j, SPV_STORE_WRITE);
    if (rc == CLI_DONE)
        rc = read_wallet(r);
    if (rc == CLI_DONE) /* all named peers are believed when only those are used */
        rc = watch_new_wallet(j, (uint32_t)j->peers.connect.n);
    if (rc == CLI_DONE)
        rc = open_loop(r);
    if (rc == CLI_DONE)
        rc = run_loop(r);
    spv_evloop_free(r->loop);
    return rc;
}

int watch_scan(struct watch_job *j)
{
    return run_watch(j, false);
}

int watch_follow(struct watch_job *j)
{
    return run_watch(j, true);
}
