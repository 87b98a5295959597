/* spv-import: imports headers from a file into the database, validated as if a peer had sent them.
 * import_run.c does the work; this file has the options and the messages. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "import_filters.h"
#include "import_run.h"

#define REFRESH_EVERY 0.1 /* seconds; on a terminal */
#define PRINT_EVERY 1.0 /* seconds; JSON and plain lines */

struct job {
    struct cli_target target;
    struct cli_list files; /* arguments */
    const char *input_name, *format_name;
    enum spv_import_format format;
    bool no_checkpoints, json, quiet, filter_headers;
    struct spv_params params; /* of the database */
    double started, printed_at;
    struct import import;
};

/* Output. */

static double rate(const struct job *j, const struct import_counts *c)
{
    double seconds = cli_clock() - j->started;
    return seconds > 0 ? (double)(c->added + c->known) / seconds : 0;
}

/* Creates the JSON object of an event. */
static json_t *event_object(const struct job *j, const char *event,
                            const struct spv_chain_header *tip, const struct import_counts *c)
{
    char hash[SPV_HASH_HEX];
    char work[SPV_HASH_HEX];
    spv_blockhash_hex(hash, &tip->hash);
    spv_u256_hex(work, &tip->work);
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:I, s:I, s:I, s:f}", "event", event, "network",
                     j->params.net.name, "height", (json_int_t)tip->height, "hash", hash,
                     "chain_work", work, "tip_time", (json_int_t)tip->header.time, "added",
                     (json_int_t)c->added, "known", (json_int_t)c->known, "rate", rate(j, c));
}

static void on_progress(void *ctx, const struct spv_chain_header *tip,
                        const struct import_counts *c)
{
    struct job *j = ctx;
    char line[6 * CLI_FIGURE + 64];
    char height[CLI_FIGURE];
    char added[CLI_FIGURE];
    char known[CLI_FIGURE];
    char speed[CLI_FIGURE];
    char time[CLI_FIGURE];
    double now = cli_clock();
    if (j->quiet || now - j->printed_at < (cli_live() ? REFRESH_EVERY : PRINT_EVERY)) {
        return;
    }
    if (!cli_live() && !cli_json_on() && c->added + c->known == 0) { /* nothing to report yet */
        return;
    }
    j->printed_at = now;
    double share = input_done(j->import.in);
    if (cli_json_on()) {
        json_t *o = event_object(j, "progress", tip, c);
        if (o) {
            json_object_set_new(o, "percent", share < 0 ? json_null() : json_real(100 * share));
        }
        cli_json(o);
        return;
    }
    int used = snprintf(line, sizeof line, "height %s  %s added  %s known  %s",
                        cli_count(height, tip->height), cli_count(added, c->added),
                        cli_count(known, c->known), cli_rate(speed, rate(j, c)));
    if (share > 0 && used > 0) {
        double left = (now - j->started) * (1 - share) / share;
        (void)snprintf(line + used, sizeof line - (size_t)used, "  %.0f%%  %s left", 100 * share,
                       cli_duration(time, left));
    }
    if (cli_live()) {
        cli_status_line(line);
    } else {
        cli_print("%s", line);
    }
}

static void on_reorg(void *ctx, const struct spv_chain_update *change)
{
    struct job *j = ctx;
    char a[CLI_FIGURE];
    char b[CLI_FIGURE];
    char c[CLI_FIGURE];
    if (cli_json_on()) {
        json_t *o = event_object(j, "reorg", &change->headers[change->n - 1], &j->import.counts);
        if (o) {
            json_object_set_new(o, "fork_height", json_integer(change->fork_height));
            json_object_set_new(o, "removed", json_integer(change->removed));
        }
        cli_json(o);
    } else if (!j->quiet) {
        cli_print("reorganisation: %s headers above height %s were replaced by %s with more work",
                  cli_count(b, change->removed), cli_count(a, change->fork_height),
                  cli_count(c, change->n));
    }
}

static void print_summary_json(const struct job *j, const char *event,
                               const struct spv_chain_header *tip)
{
    const struct import_counts *c = &j->import.counts;
    const char *format = spv_import_format_name(spv_import_format_of(j->import.decoder));
    json_t *o = event_object(j, event, tip, c);
    json_t *more = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:f, s:s?, s:s, s:o?}", "side", (json_int_t)c->side, "left_out",
        (json_int_t)c->left_out, "reorgs", (json_int_t)c->reorgs, "missing", (json_int_t)c->missing,
        "below", (json_int_t)c->below, "seconds", cli_clock() - j->started, "format", format,
        "compression", input_compression(j->import.in), "database", json_string(j->target.path));
    if (o && more) {
        json_object_update(o, more);
    }
    json_decref(more);
    cli_json(o);
}

static void print_summary(const struct job *j, int rc)
{
    const struct import_counts *c = &j->import.counts;
    const struct spv_chain_header *tip = spv_chain_tip(j->import.chain);
    bool done = rc == CLI_DONE;
    char hash[SPV_HASH_HEX];
    char height[CLI_FIGURE];
    char added[CLI_FIGURE];
    char known[CLI_FIGURE];
    char time[CLI_FIGURE];
    cli_status_line_clear();
    cli_stop_note(""); /* reported here */
    if (cli_json_on()) {
        print_summary_json(j, done ? "imported" : "interrupted", tip);
        return;
    }
    if (j->quiet) {
        return;
    }
    spv_blockhash_hex(hash, &tip->hash);
    cli_print("%s %s at height %s, tip %s, %s headers added, %s known, in %s, database %s",
              j->params.net.name, done ? "imported" : "interrupted", cli_count(height, tip->height),
              hash, cli_count(added, c->added), cli_count(known, c->known),
              cli_duration(time, cli_clock() - j->started), j->target.path);
    if (c->side > 0 || c->left_out > 0) {
        cli_print("%s headers of side branches stored, %s left out (forks below the last "
                  "checkpoint, or too many branches)",
                  cli_count(added, c->side), cli_count(known, c->left_out));
    }
    if (c->below > 0) {
        cli_print("%s headers below the database's first height were skipped",
                  cli_count(added, c->below));
    }
    if (!done) {
        cli_print("Run the same command again to resume.");
    }
}

/* The job. */

/* An existing database names its network. */
static void learn_network(struct job *j)
{
    struct spv_store_config cfg = {
        .path = j->target.path, .mode = SPV_STORE_READ, .stop = cli_stop()};
    struct spv_store *store = NULL;
    j->params = *j->target.params;
    if (j->target.db && !j->target.network && spv_store_open(&store, &cfg, NULL) == 0) {
        j->params = *spv_store_params(store);
        (void)spv_store_close(store);
    }
}

static int open_store(struct job *j)
{
    struct spv_error_info why;
    struct spv_store_config cfg = {
        .path = j->target.path,
        .params = &j->params,
        /* filter headers are stored beside headers, which must be there */
        .mode = j->filter_headers ? SPV_STORE_WRITE : SPV_STORE_CREATE,
        .stop = cli_stop()};
    if (spv_store_open(&j->import.store, &cfg, &why) != 0) {
        return cli_print_error_info(&why);
    }
    uint32_t cut = spv_store_lost_rows(j->import.store);
    char a[CLI_FIGURE];
    if (cut > 0 && !j->quiet) {
        cli_warn("%s: the last %s headers were damaged and have been removed.", j->target.path,
                 cli_count(a, cut));
    }
    return CLI_DONE;
}

static int open_chain(struct job *j)
{
    struct spv_chain_config *cfg = &j->import.chain_config;
    cfg->params = &j->params;
    cfg->header_db = spv_store_header_db(j->import.store);
    cfg->checkpoint_mode = j->no_checkpoints ? SPV_CHECKPOINTS_IGNORED : SPV_CHECKPOINTS_ENFORCED;
    int rc = spv_chain_new(&j->import.chain, cfg);
    if (rc != 0) {
        return cli_fail(rc,
                        "%s: the chain cannot be loaded: %s. See spv-sync(1) on damaged "
                        "databases.",
                        j->target.path, spv_strerror(rc));
    }
    return CLI_DONE;
}

static int open_decoder(struct job *j)
{
    int rc = j->filter_headers
                 ? spv_import_new_filter_headers(&j->import.decoder, &j->params, j->format)
                 : spv_import_new(&j->import.decoder, &j->params, j->format);
    return rc != 0 ? cli_fail(rc, "%s. Free some memory.", spv_strerror(rc)) : CLI_DONE;
}

static int import_all(struct job *j)
{
    int rc = import_run(&j->import);
    cli_status_line_clear();
    if (rc != CLI_DONE && rc != CLI_INTERRUPTED) {
        return rc;
    }
    /* as after a first sync: kept up to date from here on */
    int built = rc == CLI_DONE ? spv_store_build_index(j->import.store) : 0;
    if (built != 0) {
        return cli_fail(built, "%s", spv_store_last_error(j->import.store));
    }
    print_summary(j, rc);
    return rc;
}

static int import_filter_headers(struct job *j)
{
    int rc = open_decoder(j);
    if (rc != CLI_DONE) {
        return rc;
    }
    struct import_filters filters = {.store = j->import.store,
                                     .decoder = j->import.decoder,
                                     .in = j->import.in,
                                     .quiet = j->quiet};
    return import_filters_run(&filters);
}

/* The input may be an argument. */
static int name_input(struct job *j)
{
    if (j->files.n > 1) {
        return cli_usage("'%s': unexpected argument; one file is imported at a time.",
                         j->files.item[1]);
    }
    if (j->files.n == 1 && j->input_name) {
        return cli_usage("--input: cannot be combined with the argument '%s'.", j->files.item[0]);
    }
    if (j->files.n == 1) {
        j->input_name = j->files.item[0];
    }
    return CLI_DONE;
}

static int run_import(struct job *j)
{
    int rc = name_input(j);
    bool standard = !j->input_name || strcmp(j->input_name, "-") == 0;
    if (rc != CLI_DONE) {
        return rc;
    }
    if (j->format_name && spv_import_format_by_name(&j->format, j->format_name) != 0) {
        return cli_usage("--format: '%s' is not raw, electrum, neutrino, csv or jsonl.",
                         j->format_name);
    }
    if (j->filter_headers && j->format == SPV_IMPORT_ELECTRUM) {
        return cli_usage("--filter-headers: the format electrum has none. Use raw, neutrino, csv "
                         "or jsonl.");
    }
    if (j->filter_headers && j->no_checkpoints) {
        return cli_usage("--filter-headers: cannot be combined with --no-checkpoints.");
    }
    if (standard && isatty(STDIN_FILENO) == 1) {
        return cli_usage("standard input is a terminal. Name a file with --input.");
    }
    rc = cli_target_resolve(&j->target);
    if (rc != CLI_DONE) {
        return rc;
    }
    rc = input_open(&j->import.in, j->input_name); /* before a database is made for nothing */
    if (rc != CLI_DONE) {
        return rc;
    }
    learn_network(j);
    rc = open_store(j);
    if (rc != CLI_DONE) {
        return rc;
    }
    if (j->filter_headers) {
        return import_filter_headers(j);
    }
    rc = open_chain(j);
    if (rc != CLI_DONE) {
        return rc;
    }
    rc = open_decoder(j);
    if (rc != CLI_DONE) {
        return rc;
    }
    j->started = cli_clock();
    j->printed_at = cli_live() || cli_json_on() ? 0 : j->started; /* a quick one needs no line */
    return import_all(j);
}

static int finish_import(struct job *j, int rc)
{
    spv_import_free(j->import.decoder);
    spv_chain_free(j->import.chain);
    int closed = spv_store_close(j->import.store);
    if (closed != 0 && (rc == CLI_DONE || rc == CLI_INTERRUPTED)) {
        rc = cli_fail(closed,
                      "%s: cannot be closed: %s. What was committed is kept; check the "
                      "disk.",
                      j->target.path, spv_strerror(closed));
    }
    input_close(j->import.in);
    int printed = cli_finish_output();
    return rc != CLI_DONE ? rc : printed;
}

static struct job state = {
    .import = {.progress = on_progress, .reorganised = on_reorg, .ctx = &state}};

static const struct cli_option options[] = {
    {.group = "What"},
    {.name = "input",
     .letter = 'i',
     .kind = CLI_TEXT,
     .value = "FILE",
     .help = "The file, which may also be an argument; '-' is standard input (default). May be "
             "compressed with gzip or zstd.",
     .into = &state.input_name},
    {.name = "format",
     .letter = 'F',
     .kind = CLI_TEXT,
     .value = "FORMAT",
     .choices = "raw electrum neutrino csv jsonl",
     .help = "raw, electrum, neutrino, csv or jsonl. Default: detected from the first bytes.",
     .into = &state.format_name},
    {.name = "filter-headers",
     .kind = CLI_FLAG,
     .help = "The file has filter headers of compact block filters (BIP157): raw, neutrino, csv or "
             "jsonl. They must agree with those stored and built in, and have stored headers; "
             "beyond that they are not verified until a sync compares them with peers.",
     .into = &state.filter_headers},
    {.group = "Database"},
    CLI_NETWORK_ROW(state.target),
    CLI_CHALLENGE_ROW(state.target),
    CLI_DATADIR_ROW(state.target),
    CLI_DB_ROW(state.target),
    {.group = "Validation"},
    {.name = "no-checkpoints",
     .kind = CLI_FLAG,
     .help = "Validate without the built-in checkpoints.",
     .into = &state.no_checkpoints},
    {.group = "Output"},
    CLI_JSON_ROW(
        state.json,
        "One JSON object per line: progress, reorg, imported, interrupted, warning, error."),
    CLI_QUIET_ROW(state.quiet, "Print only errors."),
    {0},
};

int main(int argc, char **argv)
{
    static const enum cli_exit exits[] = {CLI_DONE, CLI_FAILED, CLI_USAGE, CLI_DATABASE,
                                          CLI_INTERRUPTED};
    static const struct cli_app app = {
        .name = "spv-import",
        .summary = "Imports block headers from a file into the database of spv-sync. Each header "
                   "is\nvalidated by the consensus rules, as if a peer had sent it.",
        .usage = "[OPTION]... [FILE]",
        .options = options,
        .notes = "A file that forks from the stored chain is imported only if it has more "
                 "work.\nspv-sync continues where the file ends.\n"
                 "\n"
                 "Examples:\n"
                 "  spv-import headers.csv.gz\n"
                 "  spv-import --network testnet4 ~/.electrum/testnet4/blockchain_headers\n"
                 "  curl -s https://example.com/headers.bin.zst | spv-import --json\n"
                 "  spv-import --filter-headers filter-headers.bin\n",
        .exits = exits,
        .n_exits = sizeof exits / sizeof exits[0],
        .operands = &state.files,
    };
    int rc = cli_parse(&app, argc, argv);
    if (rc != CLI_PROCEED) {
        return rc;
    }
    cli_catch_signals();
    cli_stop_note("spv-import: interrupted: what was committed is kept. Run the same command again "
                  "to resume.\n");
    if (state.json) {
        cli_json_mode();
    }
    return finish_import(&state, run_import(&state));
}
