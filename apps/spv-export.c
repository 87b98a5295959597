/* spv-export: the stored headers in the formats of spv/export_rows.h.
 *
 * One iter over one snapshot, one row in memory, each header hashed again on the way, so that what
 * is written is a linked chain or the export fails. --follow (export_follow.c) continues from
 * there.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "export_filters.h"
#include "export_follow.h"
#include "output_file.h"
#include "spv/export_rows.h"
#include "spv/store.h"

#define CHECK_EVERY 1024 /* rows between checks of the clock and of the stop signal */
#define REFRESH_EVERY 0.1 /* seconds */
#define FROM_START UINT64_MAX /* --from was not given: the database's first height */

struct job {
    struct cli_target target;
    const char *format_name, *output;
    uint64_t from, to;
    bool quiet, branches, follow, checksum, force, filter_headers;
    enum spv_export_format format;
    struct spv_store *store;
    struct output_file out;
    struct export_follow *follower;
    struct export_filters filters;
};

/* A device such as /dev/tty, or /dev/stdout on a terminal. */
static bool is_terminal(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISCHR(st.st_mode)) {
        return false;
    }
    const int fd = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    const bool terminal = fd >= 0 && isatty(fd) == 1;
    if (fd >= 0) {
        (void)close(fd);
    }
    return terminal;
}

/* Checks that format, output and options fit together. */
static int check_options(struct job *e)
{
    bool compressed = compress_kind_of_name(e->output) != COMPRESS_NONE;
    bool to_stdout = !e->output || strcmp(e->output, "-") == 0;
    if (e->format_name && spv_export_format_by_name(&e->format, e->format_name) != 0) {
        return cli_usage("--format: '%s' is not csv, jsonl, raw, electrum, neutrino or postgres.",
                         e->format_name);
    }
    const char *name = spv_export_format_name(e->format);
    const enum spv_export_reorg reorg = spv_export_format_reorg(e->format);
    if (e->from != FROM_START && e->from > e->to) {
        return cli_usage("--from, --to: %" PRIu64 " is above %" PRIu64 ".", e->from, e->to);
    }
    if (e->filter_headers && !spv_export_format_has_filter_headers(e->format)) {
        return cli_usage("--filter-headers: the format %s has none. Use csv, jsonl, raw or "
                         "neutrino.",
                         name);
    }
    if (e->filter_headers && (e->branches || e->follow)) {
        return cli_usage("--filter-headers: cannot be combined with --branches or --follow.");
    }
    if (e->branches && !spv_export_format_has_branches(e->format)) {
        return cli_usage("--branches: the format %s stores one chain only. Use csv, jsonl or "
                         "postgres.",
                         name);
    }
    if (compress_unsupported(e->output)) {
        return cli_usage(
            "--output: %s: compression %s is not supported. Name a file that ends in .gz or "
            ".zst, or compress standard output.",
            e->output, compress_unsupported(e->output));
    }
    if (reorg == SPV_EXPORT_REORG_CUT && !e->force &&
        (to_stdout ? isatty(STDOUT_FILENO) == 1 : is_terminal(e->output))) {
        return cli_usage("--format: %s is binary, and %s is a terminal. Name a file with --output, "
                         "or add --force.",
                         name, to_stdout ? "standard output" : e->output);
    }
    if (!e->follow) {
        return CLI_DONE;
    }
    if (reorg == SPV_EXPORT_REORG_NONE) {
        return cli_usage("--follow: the format %s cannot be appended to. Use csv, jsonl, raw, "
                         "electrum or neutrino.",
                         name);
    }
    if (reorg == SPV_EXPORT_REORG_CUT && to_stdout) {
        return cli_usage("--follow: in the format %s a reorganisation truncates the file, which "
                         "standard output does not allow. Name a file, or use csv or jsonl.",
                         name);
    }
    if (compressed) {
        return cli_usage(
            "--follow: a compressed file cannot be appended to. Name one without .gz or .zst.");
    }
    if (e->branches || e->checksum || e->to != UINT32_MAX) {
        return cli_usage("--follow: cannot be combined with --branches, --checksum or --to.");
    }
    return CLI_DONE;
}

/* Writing. */

struct progress {
    double started, refreshed_at;
    uint64_t done, total;
};

static void show_progress(struct progress *p)
{
    char line[3 * CLI_FIGURE + 40];
    char done[CLI_FIGURE];
    char total[CLI_FIGURE];
    char rate[CLI_FIGURE];
    double now = cli_clock();
    if (now - p->refreshed_at < REFRESH_EVERY) {
        return;
    }
    p->refreshed_at = now;
    (void)snprintf(line, sizeof line, "%s of %s headers  %3.0f%%  %s", cli_count(done, p->done),
                   cli_count(total, p->total), 100.0 * (double)p->done / (double)p->total,
                   cli_rate(rate, (double)p->done / (now - p->started)));
    cli_status_line(line);
}

/* The first and last header of the best chain that were written. */
struct written {
    struct spv_chain_header first, last;
};

/* Writes all rows of the iterator. Returns an exit code. */
static int write_iter(struct job *e, struct spv_store_iter *iter,
                      const struct spv_export_rows *rows, bool side, struct written *written,
                      struct progress *p)
{
    struct spv_chain_header r;
    bool live = e->out.is_file && !e->quiet && cli_live();
    int rc = 0;
    while ((rc = spv_store_iter_next(iter, &r)) > 0) {
        const int err = side ? spv_export_rows_branch_row(rows, &r) : spv_export_rows_row(rows, &r);
        if (!side) {
            written->first = p->done == 0 ? r : written->first;
            written->last = r;
        }
        if (e->follower) {
            export_follow_wrote(e->follower, &r);
        }
        p->done++;
        if (err) {
            return output_file_exit(&e->out, err);
        }
        if (live && p->done % CHECK_EVERY == 0) {
            show_progress(p);
        }
    }
    cli_status_line_clear();
    if (rc < 0) {
        return cli_fail(rc, "%s", spv_store_last_error(e->store));
    }
    return cli_stopped() ? CLI_INTERRUPTED : CLI_DONE;
}

static int write_branches(struct job *e, struct spv_store_iter *iter,
                          const struct spv_export_rows *rows, struct written *written,
                          struct progress *p)
{
    int rc = output_file_exit(&e->out, spv_export_rows_begin_branches(rows));
    if (rc != CLI_DONE) {
        return rc;
    }
    int err = spv_store_iter_branches(iter);
    return err ? cli_fail(err, "%s", spv_store_last_error(e->store))
               : write_iter(e, iter, rows, true, written, p);
}

static int write_rows(struct job *e, struct spv_store_iter *iter,
                      const struct spv_export_rows *rows, struct progress *p)
{
    struct written written = {.first = {.height = 0}};
    int rc = output_file_exit(&e->out, spv_export_rows_begin(rows));
    if (rc != CLI_DONE) {
        return rc;
    }
    rc = write_iter(e, iter, rows, false, &written, p);
    if (rc != CLI_DONE) {
        return rc;
    }
    if (e->branches) {
        rc = write_branches(e, iter, rows, &written, p);
        if (rc != CLI_DONE) {
            return rc;
        }
    }
    return output_file_exit(&e->out, spv_export_rows_end(rows, &written.first, &written.last));
}

/* Writes the rows of one snapshot, which ends before this returns: it would block the writer's WAL
 * checkpoints. */
static int write_snapshot(struct job *e, const struct spv_export_rows *rows, struct progress *p)
{
    struct spv_store_iter *iter = NULL;
    int rc = spv_store_iter_open(&iter, e->store, (uint32_t)e->from, (uint32_t)e->to);
    if (rc != 0) {
        return cli_fail(rc, "%s", spv_store_last_error(e->store));
    }
    rc = write_rows(e, iter, rows, p);
    spv_store_iter_close(iter);
    return rc;
}

static void show_filters_progress(void *ctx, uint64_t done)
{
    struct progress *p = ctx;
    p->done = done;
    show_progress(p);
}

static int write_output(struct job *e, struct progress *p)
{
    const struct spv_export_rows rows = {.params = spv_store_params(e->store),
                                         .format = e->format,
                                         .from = (uint32_t)e->from,
                                         .branches = e->branches,
                                         .write = output_file_export,
                                         .ctx = &e->out};
    int rc = output_file_open(&e->out, "output", e->output, e->target.path, e->checksum);
    if (rc != CLI_DONE) {
        return rc;
    }
    if (e->filter_headers) {
        if (e->out.is_file && !e->quiet && cli_live()) {
            e->filters.progress = show_filters_progress;
            e->filters.ctx = p;
        }
        rc = export_filters_write(&e->filters, &rows, &e->out);
        p->done = p->total;
        return rc != CLI_DONE ? rc : output_file_finish(&e->out);
    }
    if (!e->follow) {
        rc = write_snapshot(e, &rows, p);
        return rc != CLI_DONE ? rc : output_file_finish(&e->out);
    }
    e->follower = export_follow_new(e->store, &rows, &e->out, e->quiet);
    if (!e->follower) {
        return cli_fail(SPV_ERR_NOMEM, "--follow: %s. Free some memory.",
                        spv_strerror(SPV_ERR_NOMEM));
    }
    rc = write_snapshot(e, &rows, p);
    if (rc == CLI_DONE) {
        rc = export_follow_run(e->follower);
    }
    export_follow_free(e->follower);
    return e->out.error == EPIPE ? CLI_DONE : rc; /* ends when the reader closes the pipe */
}

static int export_rows(struct job *e, uint64_t total)
{
    struct progress p = {.started = cli_clock(), .total = total};
    char count[CLI_FIGURE];
    char time[CLI_FIGURE];
    int rc = write_output(e, &p);
    cli_status_line_clear();
    output_file_close(&e->out);
    if (rc == CLI_DONE && !e->follow && e->out.is_file && !e->quiet) {
        cli_print("%s %sheaders of %s written to %s in %s", cli_count(count, p.done),
                  e->filter_headers ? "filter " : "", spv_store_params(e->store)->net.name,
                  e->output, cli_duration(time, cli_clock() - p.started));
    }
    return rc;
}

/* Computes the number of headers to write from the tip. Returns an exit code. */
static int check_range(struct job *e, uint64_t *total)
{
    struct spv_chain_header tip;
    int rc = spv_store_tip(e->store, &tip);
    if (rc < 0) {
        return cli_fail(rc, "%s", spv_store_last_error(e->store));
    }
    uint32_t height = rc > 0 ? tip.height : 0;
    struct spv_chain_start base;
    spv_store_get_start(e->store, &base);
    if (e->from == FROM_START) {
        e->from = base.height;
        if (base.height > 0 && !e->quiet) {
            cli_warn("%s: begins at height %s, and so does the export. Download the "
                     "headers below with spv-sync --backfill.",
                     e->target.path, CLI_COUNT(base.height));
        }
    } else if (e->from < base.height) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                           "--from %" PRIu64
                           ": %s begins at height %s. Export from there, or download the "
                           "headers below with spv-sync --backfill.",
                           e->from, e->target.path, CLI_COUNT(base.height));
    }
    if (e->from > e->to) {
        return cli_usage("--to: %" PRIu64 " is below the database's first height %s.", e->to,
                         CLI_COUNT(e->from));
    }
    if (e->to != UINT32_MAX && e->to > height) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                           "--to %" PRIu64
                           ": the stored chain ends at height %s. Sync further or leave --to out.",
                           e->to, CLI_COUNT(height));
    }
    if (e->from > height) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                           "--from %" PRIu64 ": the stored chain ends at height %s. Sync further.",
                           e->from, CLI_COUNT(height));
    }
    *total = (e->to < height ? e->to : height) - e->from + 1;
    return CLI_DONE;
}

/* The filter headers of a snapshot. */
static int export_filter_headers(struct job *e)
{
    e->filters = (struct export_filters){
        .store = e->store,
        .from = e->from == FROM_START ? EXPORT_FILTERS_ALL : e->from,
        .to = e->to == UINT32_MAX ? EXPORT_FILTERS_ALL : e->to,
        .format = e->format,
    };
    int rc = export_filters_begin(&e->filters);
    if (rc != CLI_DONE) {
        return rc;
    }
    e->from = e->filters.from;
    rc = export_rows(e, e->filters.to - e->filters.from + 1);
    export_filters_end(&e->filters);
    return rc;
}

static int run_export(struct job *e)
{
    struct spv_error_info why;
    uint64_t total = 0;
    int rc = check_options(e);
    if (rc != CLI_DONE) {
        return rc;
    }
    rc = cli_target_resolve(&e->target);
    if (rc != CLI_DONE) {
        return rc;
    }
    struct cli_busy busy = {.path = e->target.path, .quiet = e->quiet};
    struct spv_store_config cfg = {
        .path = e->target.path,
        /* the file names its network */
        .params = e->target.db ? e->target.network : e->target.params,
        .mode = SPV_STORE_READ,
        .stop = cli_stop(),
        .busy = e->follow ? cli_busy : NULL,
        .busy_ctx = &busy,
    };
    if (spv_store_open(&e->store, &cfg, &why) != 0) {
        return why.code == SPV_ERR_INTERRUPTED && e->follow && cli_stopped()
                   ? CLI_INTERRUPTED
                   : cli_print_error_info(&why);
    }
    if (e->filter_headers) {
        rc = export_filter_headers(e);
    } else {
        rc = check_range(e, &total);
        if (rc == CLI_DONE) {
            rc = export_rows(e, total);
        }
    }
    (void)spv_store_close(e->store);
    return rc;
}

static struct job state = {.from = FROM_START, .to = UINT32_MAX};

static const struct cli_option options[] = {
    {.group = "What"},
    {.name = "format",
     .letter = 'F',
     .kind = CLI_TEXT,
     .value = "FORMAT",
     .choices = "csv jsonl raw electrum neutrino postgres",
     .help = "csv (default), jsonl (one JSON object per line), raw (80 bytes per header), electrum "
             "(blockchain_headers), neutrino (block headers to import) or postgres (SQL).",
     .into = &state.format_name},
    {.name = "filter-headers",
     .kind = CLI_FLAG,
     .help = "Filter headers of compact block filters (BIP157) instead of headers: csv, jsonl, raw "
             "(32 bytes each, from genesis) or neutrino.",
     .into = &state.filter_headers},
    {.name = "from",
     .kind = CLI_NUMBER,
     .value = "HEIGHT",
     .help = "First height. Default 0, genesis, or the first height of the database.",
     .into = &state.from,
     .max = UINT32_MAX},
    {.name = "to",
     .kind = CLI_NUMBER,
     .value = "HEIGHT",
     .help = "Last height. Default: the tip.",
     .into = &state.to,
     .max = UINT32_MAX},
    {.name = "branches",
     .kind = CLI_FLAG,
     .help = "Side branches after the best chain (csv, jsonl, postgres).",
     .into = &state.branches},
    {.name = "follow",
     .letter = 'f',
     .kind = CLI_FLAG,
     .help =
         "Keep running and append what spv-sync stores, until interrupted. A reorganisation adds "
         "a marker line (csv, jsonl) or truncates the file (raw, electrum, neutrino).",
     .into = &state.follow},
    {.group = "Database"},
    CLI_NETWORK_ROW(state.target),
    CLI_CHALLENGE_ROW(state.target),
    CLI_DATADIR_ROW(state.target),
    CLI_DB_ROW(state.target),
    {.group = "Output"},
    {.name = "output",
     .letter = 'o',
     .kind = CLI_TEXT,
     .value = "FILE",
     .help = "Where to write; '-' is standard output (default). A file is written atomically, "
             "and compressed when its name ends in .gz or .zst.",
     .into = &state.output},
    {.name = "checksum",
     .kind = CLI_FLAG,
     .help = "Also write FILE.sha256, for sha256sum -c; for standard output a line on standard "
             "error.",
     .into = &state.checksum},
    {.name = "force",
     .kind = CLI_FLAG,
     .help = "Write a binary format even to a terminal.",
     .into = &state.force},
    CLI_QUIET_ROW(state.quiet, "Print only errors."),
    {0},
};

int main(int argc, char **argv)
{
    static const enum cli_exit exits[] = {CLI_DONE, CLI_FAILED, CLI_USAGE, CLI_DATABASE};
    static const struct cli_app app = {
        .name = "spv-export",
        .summary =
            "Writes the block headers that spv-sync stored: CSV, JSON lines, raw bytes, files\n"
            "for Electrum, neutrino and PostgreSQL.\n"
            "May run while spv-sync writes; the output is a consistent snapshot of the chain.",
        .usage = "[OPTION]...",
        .options = options,
        .notes =
            "Hashes and chain work are hexadecimal as explorers show them, times "
            "unix\nseconds. An interrupted export leaves no file and exits with 130; --follow\n"
            "exits with 0 on SIGTERM or SIGHUP, and when the reader closes the pipe.\n"
            "\n"
            "Examples:\n"
            "  spv-export > headers.csv\n"
            "  spv-export --format raw --output headers.bin.zst --checksum\n"
            "  spv-export --format postgres | psql wallet\n"
            "  spv-export --filter-headers --format neutrino --output filter-headers.bin\n"
            "  spv-export --follow --format jsonl | my-program\n"
            "  spv-export --network testnet4 --format jsonl --from 1000 --to 1009\n",
        .exits = exits,
        .n_exits = sizeof exits / sizeof exits[0],
    };
    int rc = cli_parse(&app, argc, argv);
    if (rc != CLI_PROCEED) {
        return rc;
    }
    cli_catch_signals();
    if (state.follow) {
        cli_stop_codes(CLI_INTERRUPTED, CLI_DONE); /* a service manager's stop is no failure */
    }
    rc = run_export(&state);
    if (rc == CLI_INTERRUPTED) {
        rc = (int)cli_stop_code();
    }
    return rc == CLI_DONE ? cli_finish_output() : rc;
}
