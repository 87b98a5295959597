/* spv-db: inspects, verifies, repairs, compacts and prunes a headers database.
 *
 * This file has the tables of commands and options; each command is a function of db_*.c. */
#include <string.h>

#include "db.h"
#include "db_commands.h"

static struct db_job job = {.below = DB_NO_HEIGHT};

struct command {
    const char *name;
    int (*run)(struct db_job *j);
    size_t arguments;
    const char *argument; /* how a message calls it */
};

static const struct command commands[] = {
    {"info", db_info, 0, ""},
    {"tip", db_tip, 0, ""},
    {"header", db_header, 1, "HEIGHT or HASH"},
    {"verify", db_verify, 0, ""},
    {"repair", db_repair, 0, ""},
    {"stats", db_stats, 0, ""},
    {"compact", db_compact, 0, ""},
    {"prune", db_prune, 0, ""},
};

static int run_command(struct db_job *j)
{
    const struct command *c = NULL;
    if (j->words.n == 0) {
        return cli_usage("a command is missing: info, tip, header, verify, repair, stats, compact "
                         "or prune.");
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, j->words.item[0]) == 0) {
            c = &commands[i];
        }
    }
    if (!c) {
        return cli_usage("'%s' is not a command; use info, tip, header, verify, repair, stats, "
                         "compact or prune.",
                         j->words.item[0]);
    }
    if (j->words.n - 1 < c->arguments) {
        return cli_usage("%s: %s is missing.", c->name, c->argument);
    }
    if (j->words.n - 1 > c->arguments) {
        return cli_usage("%s: '%s': unexpected argument.", c->name,
                         j->words.item[1 + c->arguments]);
    }
    if (j->full && c->run != db_verify && c->run != db_repair) {
        return cli_usage("--full: only for verify and repair.");
    }
    if (j->svg && c->run != db_stats) {
        return cli_usage("--svg: only for stats.");
    }
    if ((j->below != DB_NO_HEIGHT) != (c->run == db_prune)) {
        return cli_usage(c->run == db_prune ? "prune: --below HEIGHT is missing."
                                            : "--below: only for prune.");
    }
    int rc = cli_target_resolve(&j->target);
    if (rc == CLI_DONE) {
        rc = c->run(j);
    }
    cli_status_line_clear();
    (void)spv_store_close(j->store);
    return rc;
}

static const struct cli_option options[] = {
    {.group = "Database"},
    CLI_NETWORK_ROW(job.target),
    CLI_CHALLENGE_ROW(job.target),
    CLI_DATADIR_ROW(job.target),
    CLI_DB_ROW(job.target),
    {.group = "Command options"},
    {.name = "full",
     .kind = CLI_FLAG,
     .help = "verify, repair: validate every header by all consensus rules, as a sync does.",
     .into = &job.full},
    {.name = "svg",
     .kind = CLI_TEXT,
     .value = "FILE",
     .help = "stats: also draw difficulty and block interval. The file appears complete or not at "
             "all.",
     .into = &job.svg},
    {.name = "below",
     .kind = CLI_NUMBER,
     .value = "HEIGHT",
     .help = "prune: drop headers below this height.",
     .into = &job.below,
     .max = UINT32_MAX},
    {.group = "Output"},
    CLI_JSON_ROW(job.json, "JSON objects, one per line, instead of text."),
    CLI_QUIET_ROW(job.quiet, "Print no progress, and nothing on success."),
    {0},
};

int main(int argc, char **argv)
{
    static const enum cli_exit exits[] = {CLI_DONE, CLI_FAILED, CLI_USAGE, CLI_DATABASE,
                                          CLI_INTERRUPTED};
    static const struct cli_app app = {
        .name = "spv-db",
        .summary = "Inspects, verifies and repairs the block header database of spv-sync.\n"
                   "\n"
                   "Commands:\n"
                   "  info                 network, height, tip, work, size, schema, last sync\n"
                   "  tip                  the last header\n"
                   "  header HEIGHT|HASH   any header\n"
                   "  verify               check hashes, links and work (chain work recomputed)\n"
                   "  repair               repair a damaged database; a copy of it is kept\n"
                   "  stats                a table of blocks, intervals and difficulty by year\n"
                   "  compact              rewrite the file without its empty pages\n"
                   "  prune                drop old headers (--below HEIGHT)",
        .usage = "COMMAND [OPTION]...",
        .options = options,
        .notes = "info, tip, header, verify and stats only read and may run while spv-sync\n"
                 "writes. All commands accept --json. Interrupting one changes nothing.\n"
                 "\n"
                 "Examples:\n"
                 "  spv-db info --network signet\n"
                 "  spv-db header 0 --json\n"
                 "  spv-db verify --full && echo undamaged\n"
                 "  spv-db repair --db headers.db && spv-sync --db headers.db\n"
                 "  spv-db stats --svg chain.svg\n",
        .exits = exits,
        .n_exits = sizeof exits / sizeof exits[0],
        .operands = &job.words,
        .commands = "info tip header verify repair stats compact prune",
    };
    int rc = cli_parse(&app, argc, argv);
    if (rc != CLI_PROCEED) {
        return rc;
    }
    if (job.json) {
        cli_json_mode();
    }
    cli_catch_signals();
    cli_stop_note("spv-db: interrupted.\n");
    rc = run_command(&job);
    int out = cli_finish_output();
    return rc == CLI_DONE ? out : rc;
}
