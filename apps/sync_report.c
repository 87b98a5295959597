/* Three forms of output: a status line and plain lines with the same numbers for users, JSON
 * objects for programs. The rate is that of the last few seconds, from samples of the number of
 * received headers, joined to the chain or waiting in segments. */
#include "sync_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "sync_metrics.h"

#define RATE_SPAN 5 /* seconds that the rate covers */

/* Numbers. */

/* Seconds between the first sample and the last; 0: no rate can be told. */
static double span(const struct report *r)
{
    return r->n_samples < 2 ? 0 : r->samples[r->n_samples - 1].at - r->samples[0].at;
}

static double per_second(uint64_t first, uint64_t last, double seconds)
{
    return seconds <= 0 || last < first ? 0 : (double)(last - first) / seconds;
}

static double rate(const struct report *r)
{
    return span(r) <= 0
               ? 0
               : per_second(r->samples[0].received, r->samples[r->n_samples - 1].received, span(r));
}

static double filter_rate(const struct report *r)
{
    return span(r) <= 0 ? 0
                        : per_second(r->samples[0].filter_headers,
                                     r->samples[r->n_samples - 1].filter_headers, span(r));
}

uint64_t report_received(const struct spv_node_stats *stats)
{
    return stats->headers_added + stats->headers_waiting;
}

void report_sample(struct report *r, const struct spv_node_stats *stats)
{
    double now = cli_clock();
    uint64_t received = report_received(stats);
    size_t old = 0;

    if (received == 0 && stats->filter_headers_added == 0)
        r->n_samples = 0; /* the rate counts from the first header on */
    while (old < r->n_samples && r->samples[old].at < now - RATE_SPAN)
        old++;
    if (r->n_samples - old == REPORT_SAMPLES)
        old++;
    memmove(r->samples, r->samples + old, (r->n_samples - old) * sizeof r->samples[0]);
    r->n_samples -= old;
    r->samples[r->n_samples++] = (struct report_sample){
        .at = now, .received = received, .filter_headers = stats->filter_headers_added};
}

/* The tip's height plus the headers that wait in segments above it. */
static uint64_t height_received(const struct spv_node_stats *stats)
{
    return stats->tip.height + (stats->synced ? 0 : stats->headers_waiting);
}

/* Headers not received yet. */
static uint64_t missing(const struct spv_node_stats *stats)
{
    return stats->target_height > height_received(stats)
               ? stats->target_height - height_received(stats)
               : 0;
}

/* Rounded down, so that 100 means complete. */
static double percent(const struct spv_node_stats *stats)
{
    if (stats->target_height == 0 || stats->tip.height >= stats->target_height)
        return 100;
    double tenths =
        (double)(uint64_t)((double)height_received(stats) * 1000 / stats->target_height);
    return tenths < 1000 ? tenths / 10 : 99.9; /* all received, not all validated */
}

/* JSON. */

static const char *event_name(enum spv_event_kind kind)
{
    switch (kind) {
    case SPV_EVENT_CONNECTED:
        return "connected";
    case SPV_EVENT_DISCONNECTED:
        return "disconnected";
    case SPV_EVENT_CONNECT_FAILED:
        return "connect_failed";
    case SPV_EVENT_PROGRESS:
        return "progress";
    case SPV_EVENT_REORG:
        return "reorg";
    case SPV_EVENT_SYNCED:
        return "synced";
    case SPV_EVENT_BEHIND:
        return "behind";
    case SPV_EVENT_BANNED:
        return "banned";
    case SPV_EVENT_BACKFILL_DONE:
        return "backfilled";
    case SPV_EVENT_FILTERS_SYNCED:
        return "filters_synced";
    case SPV_EVENT_WARNING:
        return "warning";
    case SPV_EVENT_UNRESOLVED:
        return "unresolved";
    }
    return "unknown";
}

static const char *warning_name(enum spv_warning warning)
{
    switch (warning) {
    case SPV_WARN_NONE:
        break;
    case SPV_WARN_STALE_TIP:
        return "stale_tip";
    case SPV_WARN_CLOCK:
        return "clock";
    case SPV_WARN_NO_PEERS:
        return "no_peers";
    case SPV_WARN_UNMET_CLAIM:
        return "unmet_claim";
    case SPV_WARN_FORK_BELOW_START:
        return "fork_below_start";
    case SPV_WARN_FUTURE_HEADERS:
        return "future_headers";
    case SPV_WARN_TIP_UNKNOWN:
        return "tip_unknown";
    case SPV_WARN_LOW_WORK:
        return "low_work";
    case SPV_WARN_V2_BLOCKED:
        return "v2_blocked";
    case SPV_WARN_FILTERS_ONE_GROUP:
        return "filters_one_group";
    case SPV_WARN_FILTERS_DISPUTED:
        return "filters_disputed";
    case SPV_WARN_FILTERS_BUILT_IN:
        return "filters_built_in";
    case SPV_WARN_FILTERS_START:
        return "filters_start";
    }
    return "other";
}

/* Creates an event's object with the fields that all have. */
static json_t *object(const struct report *r, const char *event, const struct spv_chain_header *tip)
{
    char hash[SPV_HASH_HEX], work[SPV_HASH_HEX];

    spv_blockhash_hex(hash, &tip->hash);
    spv_u256_hex(work, &tip->work);
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:I}", "event", event, "network", r->network,
                     "height", (json_int_t)tip->height, "hash", hash, "chain_work", work,
                     "tip_time", (json_int_t)tip->header.time);
}

/* Adds fields and prints. Releases both. */
static void print_object(json_t *base, json_t *more)
{
    if (base && more)
        json_object_update(base, more);
    json_decref(more);
    cli_json(base);
}

static void json_progress(const struct report *r, const struct spv_node_stats *stats,
                          const struct spv_node_peer *peers, size_t n_peers)
{
    json_t *more = json_pack(
        "{s:I, s:I, s:I, s:f, s:f, s:i, s:o}", "target_height", (json_int_t)stats->target_height,
        "added", (json_int_t)stats->headers_added, "received", (json_int_t)report_received(stats),
        "percent", percent(stats), "rate", rate(r), "peers", (int)stats->peers, "peer",
        r->source[0] != '\0' ? json_string(r->source) : json_null());

    metrics_totals(more, stats);
    metrics_peers(more, peers, n_peers);
    print_object(object(r, "progress", &stats->tip), more);
}

static void json_summary(const struct report *r, const char *event,
                         const struct spv_node_stats *stats, const struct spv_chain_header *tip)
{
    double seconds = cli_clock() - r->started;
    json_t *more =
        json_pack("{s:I, s:I, s:I, s:i, s:f, s:f, s:o?}", "base", (json_int_t)stats->start.height,
                  "work_from", (json_int_t)stats->start.work_since, "added",
                  (json_int_t)stats->headers_added, "peers", (int)stats->peers, "seconds", seconds,
                  "rate", seconds > 0 ? (double)stats->headers_added / seconds : 0.0, "database",
                  json_string(r->database));

    metrics_totals(more, stats);
    print_object(object(r, event, tip), more);
}

/* Adds the fields of a warning (enum spv_warning). */
static void add_warning(json_t *more, const struct spv_event *e)
{
    char work[SPV_HASH_HEX];

    json_object_set_new(more, "warning", json_string(warning_name(e->warning)));
    json_object_set_new(more, "seconds", json_integer(e->seconds));
    switch (e->warning) {
    case SPV_WARN_NONE:
    case SPV_WARN_STALE_TIP:
    case SPV_WARN_CLOCK:
    case SPV_WARN_NO_PEERS:
    case SPV_WARN_V2_BLOCKED:
        return;
    case SPV_WARN_UNMET_CLAIM:
        json_object_set_new(more, "claimed_height", json_integer(e->claimed_height));
        break;
    case SPV_WARN_LOW_WORK:
        spv_u256_hex(work, &e->work);
        json_object_set_new(more, "peer_work", json_string(work));
        spv_u256_hex(work, &e->wanted_work);
        json_object_set_new(more, "wanted_work", json_string(work));
        break;
    case SPV_WARN_FORK_BELOW_START:
    case SPV_WARN_FUTURE_HEADERS:
    case SPV_WARN_TIP_UNKNOWN:
    case SPV_WARN_FILTERS_ONE_GROUP:
    case SPV_WARN_FILTERS_DISPUTED:
    case SPV_WARN_FILTERS_BUILT_IN:
    case SPV_WARN_FILTERS_START:
        break;
    }
    json_object_set_new(more, "given_height", json_integer(e->given_height));
}

static void json_event(const struct report *r, const struct spv_event *e)
{
    json_t *peer = e->address[0] != '\0' ? json_string(e->address) : json_null();
    json_t *more = json_pack("{s:o, s:I}", "peer", peer, "peer_id", (json_int_t)e->peer);

    if (more && e->error != 0) {
        json_object_set_new(more, "code", json_string(spv_err_name(e->error)));
        json_object_set_new(more, "text", json_string(spv_strerror(e->error)));
    }
    if (more && e->seconds > 0 &&
        (e->kind == SPV_EVENT_DISCONNECTED || e->kind == SPV_EVENT_CONNECT_FAILED))
        json_object_set_new(more, "again_in", json_integer(e->seconds));
    if (e->kind == SPV_EVENT_CONNECTED)
        cli_json_transport(more, e->transport, e->session_id);
    if (more && e->kind == SPV_EVENT_REORG) {
        json_object_set_new(more, "fork_height", json_integer(e->fork_height));
        json_object_set_new(more, "removed", json_integer(e->removed));
        json_object_set_new(more, "added", json_integer(e->added));
    }
    if (more && e->text)
        json_object_set_new(more, "text", json_string(e->text));
    if (more && (e->kind == SPV_EVENT_WARNING || e->kind == SPV_EVENT_UNRESOLVED))
        add_warning(more, e);
    print_object(object(r, event_name(e->kind), &e->tip), more);
}

/* Text. */

/* Appends to a line of `used` bytes. Returns how many bytes were added. */
__attribute__((format(printf, 4, 5))) static int part(char *out, size_t cap, int used,
                                                      const char *format, ...)
{
    va_list args;
    int more;

    if (used < 0 || (size_t)used >= cap)
        return 0;
    va_start(args, format);
    more = vsnprintf(out + used, cap - (size_t)used, format, args);
    va_end(args);
    return more > 0 ? more : 0;
}

static void progress_line(const struct report *r, char *out, size_t cap,
                          const struct spv_node_stats *stats)
{
    char a[CLI_FIGURE], b[CLI_FIGURE], c[CLI_FIGURE], d[CLI_FIGURE];
    double speed = rate(r);
    int used;

    if (stats->peers == 0) {
        snprintf(out, cap, "height %s  looking for peers (%u connecting)",
                 cli_count(a, stats->tip.height), stats->peers_connecting);
        return;
    }
    if (stats->starting) {
        snprintf(out, cap,
                 "downloading the retarget period before the checkpoint  %s received  %u %s",
                 cli_count(a, stats->headers_waiting), stats->peers,
                 stats->peers == 1 ? "peer" : "peers");
        return;
    }
    if (!stats->synced && stats->presync_peers > 0) {
        used =
            snprintf(out, cap, "height %s  proving chain work (presync): pass %u of 2, %s headers",
                     cli_count(a, stats->tip.height), stats->presync_pass,
                     cli_count(b, stats->presync_headers));
        if (used > 0 && (size_t)used < cap && stats->presync_length > 0)
            snprintf(out + used, cap - (size_t)used, " of %s", cli_count(c, stats->presync_length));
        return;
    }
    if (stats->synced && stats->backfill_height > 0) {
        snprintf(out, cap, "backfilling below height %s: %s of %s",
                 cli_count(a, stats->start.height), cli_count(b, stats->backfill_height),
                 cli_count(c, stats->start.height - 1));
        return;
    }
    if (stats->synced && stats->filters && stats->filter_height < stats->tip.height) {
        speed = filter_rate(r);
        used = snprintf(out, cap, "filter headers: height %s of %s  %s  %u %s with filters",
                        cli_count(a, stats->filter_height), cli_count(b, stats->tip.height),
                        cli_rate(c, speed), stats->filter_peers,
                        stats->filter_peers == 1 ? "peer" : "peers");
        if (speed > 0)
            (void)part(out, cap, used, "  %s left",
                       cli_duration(d, (stats->tip.height - stats->filter_height) / speed));
        return;
    }
    used = snprintf(out, cap, "height %s of %s (%.1f%%)", cli_count(a, stats->tip.height),
                    cli_count(b, stats->target_height > stats->tip.height ? stats->target_height
                                                                          : stats->tip.height),
                    percent(stats));
    if (!stats->synced && stats->segments > 0)
        used += part(out, cap, used, "  %s received  %u %s", cli_count(c, stats->headers_waiting),
                     stats->segments, stats->segments == 1 ? "segment" : "segments");
    used += part(out, cap, used, "  %s  %u %s", cli_rate(c, speed), stats->peers,
                 stats->peers == 1 ? "peer" : "peers");
    if (missing(stats) > 0 && speed > 0)
        (void)part(out, cap, used, "  %s left", cli_duration(d, (double)missing(stats) / speed));
}

static void summary_line(const struct report *r, const char *how,
                         const struct spv_node_stats *stats, const struct spv_chain_header *tip)
{
    char hash[SPV_HASH_HEX], a[CLI_FIGURE], b[CLI_FIGURE], c[CLI_FIGURE], d[CLI_FIGURE];

    spv_blockhash_hex(hash, &tip->hash);
    cli_print("%s %s at height %s, tip %s of %s, %s headers added in %s, database %s", r->network,
              how, cli_count(a, tip->height), hash, cli_time(b, tip->header.time),
              cli_count(c, stats->headers_added), cli_duration(d, cli_clock() - r->started),
              r->database);
    if (stats->start.height > 0)
        cli_print("the database begins at height %s%s", cli_count(a, stats->start.height),
                  stats->start.work_since > 0 ? ", and its chain work counts from there" : "");
    if (stats->filters)
        cli_print("filter headers up to height %s, %s added%s", cli_count(a, stats->filter_height),
                  cli_count(b, stats->filter_headers_added),
                  stats->filter_branches > 0 ? "; some peers have others, which are matched as well"
                                             : "");
}

const char *report_work(const char *hex)
{
    while (hex[0] == '0' && hex[1] != '\0')
        hex++;
    return hex;
}

static void print_warning(const struct report *r, const struct spv_event *e)
{
    char figure[CLI_FIGURE], when[CLI_FIGURE], work[SPV_HASH_HEX], wanted[SPV_HASH_HEX];

    switch (e->warning) {
    case SPV_WARN_UNMET_CLAIM:
        cli_print("warning: %s claims height %s, but sent no header above height %s", e->address,
                  cli_count(figure, e->claimed_height), cli_count(when, e->given_height));
        break;
    case SPV_WARN_FORK_BELOW_START:
        cli_print("warning: %s: its chain forks below height %s, where the database begins: sync "
                  "into a new database%s",
                  e->address, cli_count(figure, e->given_height),
                  r->backfill ? "" : ", or run with --backfill and a peer that has our chain");
        break;
    case SPV_WARN_FUTURE_HEADERS:
        cli_print("warning: %s: its headers above height %s are %s ahead of this system's "
                  "clock: check the clock",
                  e->address, cli_count(when, e->given_height),
                  cli_duration(figure, (double)e->seconds));
        break;
    case SPV_WARN_TIP_UNKNOWN:
        cli_print(
            "warning: no peer has our tip at height %s: their longest chain ends at height %s "
            "with less work; was this network reset?",
            cli_count(figure, e->tip.height), cli_count(when, e->given_height));
        break;
    case SPV_WARN_V2_BLOCKED:
        cli_print("warning: %s", e->text);
        break;
    case SPV_WARN_FILTERS_ONE_GROUP:
        cli_print("warning: above height %s filter headers come from one group of peers only; "
                  "nothing else confirms them",
                  cli_count(figure, e->given_height));
        break;
    case SPV_WARN_FILTERS_DISPUTED:
        cli_print("warning: %s disagrees about the filter of height %s, and the block proves "
                  "neither filter false: both are used",
                  e->address, cli_count(figure, e->given_height));
        break;
    case SPV_WARN_FILTERS_BUILT_IN:
        cli_print("warning: every peer contradicts the built-in filter header of height %s: no "
                  "filter headers are synced; is this program up to date?",
                  cli_count(figure, e->given_height));
        break;
    case SPV_WARN_FILTERS_START:
        cli_print("warning: the database begins at height %s, above every built-in filter header: "
                  "filter headers need the headers below (--backfill)",
                  cli_count(figure, e->given_height));
        break;
    case SPV_WARN_LOW_WORK:
        spv_u256_hex(work, &e->work);
        spv_u256_hex(wanted, &e->wanted_work);
        cli_print("warning: %s: its chain ends at height %s with work %s, %s is required; it may "
                  "still be "
                  "syncing",
                  e->address, cli_count(figure, e->given_height), report_work(work),
                  report_work(wanted));
        break;
    case SPV_WARN_STALE_TIP:
        cli_print("warning: no new header for %s (the tip is of %s): the network connection may be "
                  "down",
                  cli_duration(figure, (double)e->seconds), cli_time(when, e->tip.header.time));
        break;
    case SPV_WARN_CLOCK:
        cli_print("warning: this system's clock is %s %s the clocks of most peers: check the "
                  "clock",
                  cli_duration(figure, (double)(e->seconds < 0 ? -e->seconds : e->seconds)),
                  e->seconds < 0 ? "ahead of" : "behind");
        break;
    case SPV_WARN_NO_PEERS:
    case SPV_WARN_NONE:
        cli_print("warning: %s", e->text ? e->text : spv_strerror(e->error));
        break;
    }
}

/* The peer was reached, and its behaviour ended the connection. */
static bool has_answered(const struct spv_event *e)
{
    return e->kind == SPV_EVENT_DISCONNECTED || spv_err_class_of(e->error) == SPV_CLASS_PEER;
}

static void print_failure(const char *failure, const struct spv_event *e)
{
    char when[CLI_FIGURE];

    if (e->seconds > 0)
        cli_print("%s; next attempt in %s", failure, cli_duration(when, (double)e->seconds));
    else
        cli_print("%s", failure);
}

static void print_event(const struct report *r, const struct spv_event *e)
{
    char a[CLI_FIGURE], failure[sizeof r->failure], transport[CLI_TRANSPORT_TEXT];

    switch (e->kind) {
    case SPV_EVENT_CONNECTED:
        if (r->verbose)
            cli_print("%s %s (%s)", r->lost ? "connected again:" : "connected to", e->address,
                      cli_transport(transport, e->transport, e->session_id));
        else if (r->lost)
            cli_print("connected again: %s", e->address);
        break;
    case SPV_EVENT_DISCONNECTED:
    case SPV_EVENT_CONNECT_FAILED:
        snprintf(failure, sizeof failure, "%s: %s", e->address, spv_strerror(e->error));
        /* Without --verbose: where an option names every peer, report each lost connection, and
         * each failure to connect once; with automatic peers, none. */
        if (r->verbose || (r->few_peers && (has_answered(e) || strcmp(failure, r->failure) != 0)))
            print_failure(failure, e);
        break;
    case SPV_EVENT_REORG:
        cli_print("reorganisation: %s headers above height %s were replaced by %s with more work",
                  CLI_COUNT(e->removed), cli_count(a, e->fork_height), CLI_COUNT(e->added));
        break;
    case SPV_EVENT_BANNED:
        cli_print("%s: banned: %s", e->address, spv_strerror(e->error));
        break;
    case SPV_EVENT_WARNING:
        print_warning(r, e);
        break;
    case SPV_EVENT_BEHIND:
        if (r->verbose)
            cli_print("%s has a chain with more work", e->address);
        break;
    case SPV_EVENT_PROGRESS:
        if (!cli_live())
            cli_print("height %s", cli_count(a, e->tip.height));
        break;
    case SPV_EVENT_BACKFILL_DONE:
        cli_print("backfilled down to genesis");
        break;
    case SPV_EVENT_FILTERS_SYNCED:
        cli_print("filter headers reach height %s", cli_count(a, e->tip.height));
        break;
    case SPV_EVENT_SYNCED:
    case SPV_EVENT_UNRESOLVED: /* in the warning and in the program's last message */
        break;
    }
}

/* Both. */

void report_progress(const struct report *r, const struct spv_node_stats *stats,
                     const struct spv_node_peer *peers, size_t n_peers)
{
    char line[6 * CLI_FIGURE + 96];

    if (cli_json_on()) {
        json_progress(r, stats, peers, n_peers);
        return;
    }
    progress_line(r, line, sizeof line, stats);
    if (cli_live())
        cli_status_line(line);
    else
        cli_print("%s", line);
}

void report_event(struct report *r, const struct spv_event *e)
{
    if (cli_json_on())
        json_event(r, e);
    else
        print_event(r, e);
    if (e->kind == SPV_EVENT_CONNECTED)
        r->lost = false;
    else if (e->kind == SPV_EVENT_WARNING && e->warning == SPV_WARN_NO_PEERS)
        r->lost = true;
}

void report_summary(const struct report *r, const char *how, const char *event,
                    const struct spv_node_stats *stats, const struct spv_chain_header *tip)
{
    if (cli_json_on())
        json_summary(r, event, stats, tip);
    else
        summary_line(r, how, stats, tip);
}
