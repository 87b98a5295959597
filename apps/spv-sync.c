/* spv-sync: downloads a network's block headers into a database and reports progress.
 *
 * The library's event loop does the work; sync_events.c turns its events and a tick into a status
 * line (on a terminal), plain lines (into a pipe) or JSON lines, and decides when to stop: once
 * synced, on a signal, or when no peer was useful for --timeout seconds. However it ends, the same
 * command resumes, also after kill -9, because every batch is one transaction. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sync_state.h"

#define TICK 0.1 /* seconds between updates of the status line */
#define TIMEOUT_DEFAULT 120 /* seconds: several rounds of dialling */
#define TIMEOUT_MAX 31536000 /* a year */

static void stop_loop(void *ctx)
{
    spv_evloop_stop(ctx);
}

/* Endings. */

static int finish_sync(struct sync *s, int rc)
{
    struct spv_node_stats stats;
    const struct spv_chain_header *tip = &stats.tip;
    int code = (int)cli_stop_code();
    const char *how = code == CLI_DONE ? "stopped" : "interrupted", *name = how;
    char height[CLI_FIGURE];

    cli_stop_note(""); /* reported here */
    spv_evloop_get_stats(s->loop, &stats);
    if (rc == SPV_ERR_INTERRUPTED && cli_stopped())
        rc = 0; /* the signal ended the wait for a lock */
    if (rc != 0)
        return sync_end_failed(s->store, rc);
    if (s->reader_gone)
        return CLI_DONE;
    if (s->unresolved && !s->synced && !s->follow && !cli_stopped())
        return sync_end_unresolved(&s->end, &stats);
    if (s->gave_up) {
        if (s->failure == SPV_ERR_NO_DESCRIPTOR)
            return cli_fail(s->failure,
                            "%s: cannot connect to any peer: %s. Raise the limit (ulimit -n).",
                            s->target.params->net.name, spv_strerror(s->failure));
        s->end.banned = s->banned;
        return s->synced && s->filters ? sync_end_filters(&s->end, &stats)
                                       : sync_end_gave_up(&s->end, &stats, s->synced);
    } else if (s->synced && !s->follow && sync_has_filters(s)) {
        code = CLI_DONE;
        how = stats.headers_added == 0 ? "up to date" : "synced";
        name = "synced";
        tip = &s->synced_tip;
    }
    if (!s->quiet)
        report_summary(&s->report, how, name, &stats, tip);
    if (code == CLI_INTERRUPTED && !s->quiet && !cli_json_on())
        cli_warn("interrupted: everything up to height %s is kept. Run the same command again to "
                 "resume.",
                 cli_count(height, tip->height));
    return code;
}

#define MEGABYTE UINT64_C(1000000)

static int run_loop(struct sync *s)
{
    struct spv_evloop_config cfg = {
        .node = {.params = s->target.params,
                 .min_work = s->min_work_text ? &s->min_work : NULL,
                 .checkpoints = s->checkpoints.at,
                 .n_checkpoints = s->checkpoints.n,
                 .checkpoint_mode =
                     s->checkpoints.n > 0 ? SPV_CHECKPOINTS_ENFORCED : SPV_CHECKPOINTS_IGNORED,
                 .start_height = s->start_height,
                 .backfill = s->backfill,
                 .filters = s->filters},
        .store = s->store,
        .keep_filters = s->keep_filters * MEGABYTE,
        .on_event = sync_on_event,
        .on_scan = sync_on_scan,
        .on_tick = sync_on_tick,
        .tick_us = (uint64_t)(TICK * 1e6),
        .ctx = s,
    };
    struct spv_node_stats stats;
    struct spv_error_info why;
    int rc;

    s->end.params = s->target.params;
    s->end.proxy = &s->peers.proxy;
    s->end.failure = s->report.failure;
    s->end.timeout = s->timeout;
    s->end.connect = s->peers.connect.n;
    s->report.network = s->target.params->net.name;
    s->report.database = s->target.path;
    s->report.verbose = s->verbose;
    s->report.backfill = s->backfill;
    peer_options_apply(&s->peers, &cfg);
    rc = spv_evloop_new(&s->loop, &cfg, &why);

    if (rc != 0)
        return cli_print_error_info(&why);
    if (s->keep_filters > 0) /* a scan for nothing keeps them */
        rc = spv_evloop_scan(s->loop, NULL, 0, 1, UINT32_MAX);
    if (rc != 0) {
        spv_evloop_free(s->loop);
        return cli_fail(rc, "cannot keep filters: %s", spv_strerror(rc));
    }
    spv_evloop_get_stats(s->loop, &stats);
    if (peer_options_must_name(&s->peers, s->target.params) &&
        stats.addresses_new + stats.addresses_tried == 0) {
        spv_evloop_free(s->loop);
        return peer_options_name_peer(s->target.params);
    }
    s->end.option = peer_options_naming(&s->peers, s->target.params, &stats);
    s->report.few_peers = s->end.option != NULL;
    report_sample(&s->report, &stats);
    s->useful_at = cli_clock();
    s->printed_at = cli_json_on() ? 0 : s->useful_at; /* print the first JSON progress at once */
    cli_stop_hook(stop_loop, s->loop);
    cli_service_ready("height %s", CLI_COUNT(stats.tip.height));
    rc = cli_stopped() ? 0 : spv_evloop_run(s->loop);
    cli_stop_hook(NULL, NULL);
    cli_service_stopping();
    rc = finish_sync(s, rc);
    spv_evloop_free(s->loop);
    return rc;
}

/* Beginnings. */

static int check_options(struct sync *s)
{
    int rc = cli_target_resolve(&s->target);

    if (rc != CLI_DONE)
        return rc;
    if (s->quiet && s->verbose)
        return cli_usage("--quiet, --verbose: cannot be combined.");
    rc = peer_options_check(&s->peers, s->target.params);
    if (rc != CLI_DONE)
        return rc;
    if (s->min_work_text && spv_u256_from_hex(&s->min_work, s->min_work_text) != 0)
        return cli_usage("--min-chain-work: '%s' is not 1 to 64 hex digits.", s->min_work_text);
    rc = start_check(&s->start);
    if (rc != CLI_DONE)
        return rc;
    return checkpoint_list_make(&s->checkpoints, s->target.params->checkpoints,
                                s->no_checkpoints ? 0 : s->target.params->n_checkpoints,
                                &s->checkpoint_items, s->checkpoint_file);
}

static int open_store(struct sync *s)
{
    struct spv_store_config cfg = {.path = s->target.path,
                                   .params = s->target.params,
                                   .mode = SPV_STORE_CREATE,
                                   .stop = cli_stop()};
    struct spv_error_info why;
    uint32_t cut;
    char a[CLI_FIGURE];

    if (s->follow) {
        s->busy = (struct cli_busy){.path = s->target.path, .quiet = s->quiet};
        cfg.busy = cli_busy;
        cfg.busy_ctx = &s->busy;
    }
    if (spv_store_open(&s->store, &cfg, &why) != 0)
        return why.code == SPV_ERR_INTERRUPTED && s->follow && cli_stopped()
                   ? (int)cli_stop_code()
                   : cli_print_error_info(&why);
    cut = spv_store_lost_rows(s->store);
    if (cut > 0 && !s->quiet)
        cli_warn("%s: the last %s headers were damaged and have been removed. They are downloaded "
                 "again now.",
                 s->target.path, cli_count(a, cut));
    return CLI_DONE;
}

static int run_sync(struct sync *s)
{
    int rc = check_options(s);

    if (rc != CLI_DONE)
        return rc;
    /* without a database there is no stored address: do not create one */
    if (peer_options_must_name(&s->peers, s->target.params) && access(s->target.path, F_OK) != 0 &&
        errno == ENOENT)
        return peer_options_name_peer(s->target.params);
    rc = cli_pid_file(s->pid_file);
    if (rc == CLI_DONE)
        rc = open_store(s);
    if (rc != CLI_DONE)
        return rc;
    s->filters |= s->keep_filters > 0;
    s->start.filters = s->filters;
    rc = start_choose(&s->start_height, &s->start, s->target.params, &s->checkpoints, s->store);
    if (rc != CLI_DONE)
        return rc;
    return run_loop(s);
}

/* Frees what run_sync acquired. Returns the exit code of the program. */
static int end_sync(struct sync *s, int rc)
{
    int closed, flushed;

    checkpoint_list_free(&s->checkpoints);
    closed = spv_store_close(s->store);
    if (closed != 0 && (rc == CLI_DONE || rc == CLI_INTERRUPTED))
        rc = cli_fail(closed,
                      "%s: cannot be closed: %s. What was committed is kept; check "
                      "the disk.",
                      s->target.path, spv_strerror(closed));
    flushed = cli_finish_output();
    return rc != CLI_DONE ? rc : flushed;
}

static struct sync state = {.timeout = TIMEOUT_DEFAULT};

static const struct cli_option options[] = {
    {.group = "What and where"},
    CLI_NETWORK_ROW(state.target),
    CLI_CHALLENGE_ROW(state.target),
    CLI_DATADIR_ROW(state.target),
    CLI_DB_ROW(state.target),
    {.group = "Peers"},
    PEER_CONNECT_ROW(state.peers),
    PEER_ADD_PEER_ROW(state.peers),
    PEER_PROXY_ROW(state.peers),
    PEER_ONION_ROW(state.peers),
    PEER_TRANSPORT_ROW(state.peers),
    PEER_CLEAR_BANS_ROW(state.peers),
    PEER_PEERS_ROW(state.peers),
    {.group = "How much of the chain"},
    {.name = "start-height",
     .kind = CLI_NUMBER,
     .value = "HEIGHT",
     .help = "Start a new database at the last checkpoint at or below this height. Default 0, "
             "genesis.",
     .into = &state.start.height,
     .max = UINT32_MAX},
    {.name = "birthday",
     .kind = CLI_TEXT,
     .value = "YYYY-MM-DD",
     .help = "Like --start-height, at the last checkpoint that is at least two weeks older than "
             "this day.",
     .into = &state.start.birthday},
    {.name = "backfill",
     .kind = CLI_FLAG,
     .help = "Once synced, download the headers that such a start (or pruning) left out.",
     .into = &state.backfill},
    {.name = "filters",
     .kind = CLI_FLAG,
     .help = "Also download filter headers (BIP157), from peers that serve compact filters, and "
             "compare them.",
     .into = &state.filters},
    {.name = "keep-filters",
     .kind = CLI_NUMBER,
     .value = "MB",
     .help = "Also download the filters, and keep so many megabytes of them, the highest ones: a "
             "scan then needs no network for them. Implies --filters.",
     .into = &state.keep_filters,
     .min = 1,
     .max = KEEP_FILTERS_MAX},
    {.group = "Validation"},
    {.name = "min-chain-work",
     .kind = CLI_TEXT,
     .value = "HEX",
     .help = "Minimum chain work; a chain with less is not accepted. Default: built in for each "
             "network.",
     .into = &state.min_work_text},
    {.name = "no-checkpoints",
     .kind = CLI_FLAG,
     .help =
         "Validate without the built-in checkpoints: consensus rules and minimum chain work only.",
     .into = &state.no_checkpoints},
    {.name = "checkpoint",
     .kind = CLI_LIST,
     .value = "HEIGHT:HASH",
     .help =
         "Additional checkpoint: the header that the chain must have at this height; may be given "
         "several times.",
     .into = &state.checkpoint_items},
    {.name = "checkpoint-file",
     .kind = CLI_TEXT,
     .value = "FILE",
     .help = "File of additional checkpoints, one per line: HEIGHT:HASH or HEIGHT,HASH, ascending.",
     .into = &state.checkpoint_file},
    {.group = "When to end"},
    {.name = "follow",
     .letter = 'f',
     .kind = CLI_FLAG,
     .help = "Keep following the tip until interrupted. Default: exit once synced.",
     .into = &state.follow},
    {.name = "timeout",
     .kind = CLI_NUMBER,
     .value = "SECONDS",
     .help = "Give up when no peer answered and no header arrived for this long. Default 120; "
             "0: never.",
     .into = &state.timeout,
     .max = TIMEOUT_MAX},
    {.group = "Output"},
    CLI_LOG_FILE_ROW(state.log),
    CLI_TIMESTAMPS_ROW(state.log),
    CLI_PID_FILE_ROW(state.pid_file),
    CLI_JSON_ROW(
        state.json,
        "One JSON object per line: connected, disconnected, progress, reorg, synced, error..."),
    CLI_QUIET_ROW(state.quiet, "Print only errors."),
    CLI_VERBOSE_ROW(state.verbose, "Also print connections and disconnections of each peer."),
    {0},
};

int main(int argc, char **argv)
{
    static const enum cli_exit exits[] = {CLI_DONE,     CLI_FAILED,  CLI_USAGE,
                                          CLI_DATABASE, CLI_NO_PEER, CLI_INTERRUPTED};
    static const struct cli_app app = {
        .name = "spv-sync",
        .summary =
            "Downloads a network's block headers from its peers, validates them by the\n"
            "consensus rules, and stores them in an SQLite database. Resumes where the last\n"
            "run stopped.",
        .usage = "[OPTION]...",
        .options = options,
        .notes =
            "Examples:\n"
            "  spv-sync                                 # mainnet, from the public network\n"
            "  spv-sync --network testnet4 --follow     # follow the tip\n"
            "  spv-sync --connect 192.0.2.7 --json      # only this peer; JSON output\n"
            "\nFiles:\n"
            "  $XDG_DATA_HOME/spv/NETWORK/headers.db, or ~/.local/share/spv/NETWORK/headers.db\n"
            "\nCtrl-C, kill -9 or a power failure loses at most the headers of the last\n"
            "quarter second.\n",
        .exits = exits,
        .n_exits = sizeof exits / sizeof exits[0],
    };
    int rc = cli_parse(&app, argc, argv);

    if (rc != CLI_PROCEED)
        return rc;
    state.report.started = cli_clock();
    cli_catch_signals();
    cli_stop_note(
        "spv-sync: interrupted: what was committed is kept. Run the same command again to "
        "resume.\n");
    if (state.json)
        cli_json_mode();
    rc = cli_log_begin(&state.log);
    if (rc != CLI_DONE)
        return rc;
    return end_sync(&state, run_sync(&state));
}
