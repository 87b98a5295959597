/* The events of a sync and its ticks: what is printed, and when the loop stops. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sync_state.h"

#define JSON_EVERY 1.0 /* seconds between progress objects */
#define PLAIN_EVERY 5.0 /* seconds between plain lines */
#define STATUS_EVERY 5.0 /* seconds between lines for a service manager */

bool sync_has_filters(const struct sync *s)
{
    return (!s->filters || s->filters_synced) && (s->keep_filters == 0 || s->filters_kept);
}

/* Everything that was requested is there: the loop stops, unless it follows the tip. */
static void stop_when_done(struct sync *s)
{
    struct spv_node_stats stats;

    spv_evloop_get_stats(s->loop, &stats);
    if (s->follow || !s->synced || (s->backfill && stats.start.height > 0) || !sync_has_filters(s))
        return;
    spv_evloop_stop(s->loop);
}

static void on_synced(struct sync *s, const struct spv_event *e)
{
    struct spv_node_stats stats;

    s->synced = true;
    s->unresolved = false;
    s->synced_tip = e->tip;
    if (s->follow)
        cli_stop_codes(CLI_INTERRUPTED, CLI_DONE);
    stop_when_done(s);
    if (s->follow && !s->quiet) {
        spv_evloop_get_stats(s->loop, &stats);
        report_summary(&s->report, "synced", "synced", &stats, &e->tip);
    }
}

/* Progress is printed at most once in JSON_EVERY or PLAIN_EVERY seconds, in JSON only if there is
 * any. */
static void print_progress(struct sync *s)
{
    struct spv_node_stats stats;
    double now = cli_clock(), every = cli_json_on() ? JSON_EVERY : PLAIN_EVERY;

    if (s->quiet || (!cli_live() && (s->synced || now - s->printed_at < every)))
        return;
    spv_evloop_get_stats(s->loop, &stats);
    if (cli_json_on() && report_received(&stats) + stats.presync_headers == s->printed_added)
        return;
    report_sample(&s->report, &stats);
    report_progress(&s->report, &stats, s->peer,
                    cli_json_on() ? spv_evloop_node_peers(s->loop, s->peer, SPV_NODE_MAX_PEERS)
                                  : 0);
    s->printed_at = now;
    s->printed_added = report_received(&stats) + stats.presync_headers;
}

/* When every --connect peer is banned, there is nothing to wait for. */
static void count_banned(struct sync *s, const struct spv_event *e)
{
    if (e->kind != SPV_EVENT_BANNED && e->error != SPV_ERR_BANNED)
        return;
    s->banned++;
    if (s->peers.connect.n == 0 || s->banned < s->peers.connect.n || s->timeout == 0)
        return;
    s->gave_up = true;
    spv_evloop_stop(s->loop);
}

/* A peer that was disconnected for what it sent reconnects again and again: that must not count as
 * progress, or the run would never end. */
static bool is_useless(const struct sync *s, const char *address)
{
    size_t i;

    for (i = 0; i < s->n_useless && i < USELESS_MAX; i++)
        if (strcmp(s->useless[i], address) == 0)
            return true;
    return false;
}

static void note_useless(struct sync *s, const struct spv_event *e)
{
    if (spv_err_class_of(e->error) == SPV_CLASS_PEER && !is_useless(s, e->address))
        snprintf(s->useless[s->n_useless++ % USELESS_MAX], sizeof s->useless[0], "%s", e->address);
}

/* Returns true if a connected peer may be useful. */
static bool may_succeed(struct sync *s)
{
    size_t i, n = spv_evloop_node_peers(s->loop, s->peer, SPV_NODE_MAX_PEERS);

    for (i = 0; i < n; i++)
        if (!is_useless(s, s->peer[i].address))
            return true;
    return false;
}

static bool is_synced(const struct sync *s)
{
    struct spv_node_stats stats;

    spv_evloop_get_stats(s->loop, &stats);
    return stats.synced;
}

/* Nothing that comes later gives filter headers. */
static bool cannot_have_filters(const struct sync *s, const struct spv_event *e)
{
    return !s->follow && (e->warning == SPV_WARN_FILTERS_BUILT_IN ||
                          (e->warning == SPV_WARN_FILTERS_START && !s->backfill));
}

void sync_on_event(void *ctx, const struct spv_event *e)
{
    struct sync *s = ctx;

    switch (e->kind) {
    case SPV_EVENT_SYNCED:
        s->useful_at = cli_clock();
        on_synced(s, e);
        return;
    case SPV_EVENT_PROGRESS:
        s->useful_at = cli_clock();
        if (e->address[0] != '\0')
            snprintf(s->report.source, sizeof s->report.source, "%s", e->address);
        if (!s->synced) {
            if (cli_json_on())
                print_progress(s);
            return;
        }
        break; /* following: report each new tip */
    case SPV_EVENT_CONNECTED:
        /* One that failed before counts only once it sends headers. */
        if (e->failures == 0 && !is_useless(s, e->address))
            s->useful_at = cli_clock();
        break;
    case SPV_EVENT_REORG:
        s->useful_at = cli_clock();
        break;
    case SPV_EVENT_BEHIND:
        s->synced = false;
        cli_stop_codes(CLI_INTERRUPTED, CLI_INTERRUPTED);
        break;
    case SPV_EVENT_BACKFILL_DONE:
        s->synced_tip = e->tip; /* with all its work */
        s->synced = s->synced && is_synced(s); /* else peers are asked again */
        stop_when_done(s);
        break;
    case SPV_EVENT_UNRESOLVED:
        s->unresolved = true;
        s->end.why = *e;
        if (!s->follow)
            spv_evloop_stop(s->loop);
        break;
    case SPV_EVENT_DISCONNECTED:
        note_useless(s, e);
        break;
    case SPV_EVENT_CONNECT_FAILED:
    case SPV_EVENT_BANNED:
        break;
    case SPV_EVENT_FILTERS_SYNCED:
        s->useful_at = cli_clock();
        s->filters_synced = true;
        s->synced_tip = e->tip;
        stop_when_done(s);
        break;
    case SPV_EVENT_WARNING:
        sync_end_note(&s->end, e);
        if (cannot_have_filters(s, e)) {
            s->gave_up = true;
            spv_evloop_stop(s->loop);
        }
        break;
    }
    if (!s->quiet)
        report_event(&s->report, e);
    if (e->error != 0) {
        s->failure = e->error;
        snprintf(s->report.failure, sizeof s->report.failure, "%s: %s", e->address,
                 spv_strerror(e->error));
    }
    count_banned(s, e);
}

/* The scan has no scripts: it only keeps filters. */
void sync_on_scan(void *ctx, const struct spv_scan_event *e)
{
    struct sync *s = ctx;

    if (e->kind != SPV_SCAN_DONE)
        return;
    s->useful_at = cli_clock();
    s->filters_kept = true;
    stop_when_done(s);
}

static void note_filters(struct sync *s)
{
    struct spv_scan_stats scan;

    spv_evloop_scan_stats(s->loop, &scan);
    if (scan.filters != s->filters_done)
        s->useful_at = cli_clock();
    s->filters_done = scan.filters;
}

static void report_status(struct sync *s, const struct spv_node_stats *stats)
{
    if (cli_clock() - s->status_at < STATUS_EVERY)
        return;
    s->status_at = cli_clock();
    if (stats->synced)
        cli_service_status("synced at height %s, %u peers", CLI_COUNT(stats->tip.height),
                           stats->peers);
    else
        cli_service_status("height %s of %s, %u peers", CLI_COUNT(stats->tip.height),
                           CLI_COUNT(stats->target_height), stats->peers);
}

void sync_on_tick(void *ctx)
{
    struct sync *s = ctx;
    struct spv_node_stats stats;

    if (s->follow && !s->quiet && cli_reader_gone()) {
        s->reader_gone = true;
        spv_evloop_stop(s->loop);
        return;
    }
    spv_evloop_get_stats(s->loop, &stats);
    report_status(s, &stats);
    report_sample(&s->report, &stats);
    if (s->synced && stats.peers > 0 && (s->follow || !s->filters))
        s->useful_at = cli_clock(); /* following: no new header is normal */
    if (stats.filter_headers_added != s->filter_headers) {
        s->useful_at = cli_clock();
        s->filter_headers = stats.filter_headers_added;
    }
    note_filters(s);
    if (stats.presync_headers != s->presync) {
        if (may_succeed(s))
            s->useful_at = cli_clock(); /* a first pass adds nothing, and may take long */
        s->presync = stats.presync_headers;
    }
    if (report_received(&stats) != s->received) {
        s->useful_at = cli_clock(); /* segments that are not joined yet count, too */
        s->received = report_received(&stats);
    }
    if (s->timeout > 0 && cli_clock() - s->useful_at >= (double)s->timeout) {
        s->gave_up = true;
        spv_evloop_stop(s->loop);
        return;
    }
    print_progress(s);
}
