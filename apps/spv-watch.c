/* spv-watch: a watch-only wallet. This file has the tables of commands and options; each command is
 * a function of watch_*.c. Those that show only read the database, also while another process
 * writes; scan and follow connect to peers; the others write without a network. */
#include <string.h>

#include "spv/node.h"
#include "watch_commands.h"
#include "watch_run.h"

#define TIMEOUT_DEFAULT 120 /* seconds: several rounds of dialling */
#define TIMEOUT_MAX 31536000 /* a year */
#define NAMES "add, list, remove, address, scan, follow, balance, history, coins or labels"

static struct watch_job job = {.gap = SPV_WATCH_GAP,
                               .branch = WATCH_NONE,
                               .watch = WATCH_NONE,
                               .last = WATCH_NONE,
                               .timeout = TIMEOUT_DEFAULT};

struct command {
    const char *name;
    int (*run)(struct watch_job *j);
    bool has_arguments;
    bool is_list; /* --csv */
    bool is_run; /* connects to peers */
};

static const struct command commands[] = {
    {"add", watch_add, true, false, false},         {"list", watch_list, false, true, false},
    {"remove", watch_remove, true, false, false},   {"address", watch_address, true, false, false},
    {"scan", watch_scan, false, false, true},       {"follow", watch_follow, false, false, true},
    {"balance", watch_balance, false, true, false}, {"history", watch_history, false, true, false},
    {"coins", watch_coins, false, true, false},     {"labels", watch_labels, false, false, false},
};

/* Options that would do nothing are mistakes. */
static int check_options(const struct watch_job *j, const struct command *c)
{
    if (j->words.n > 1 && !c->has_arguments)
        return cli_usage("%s: takes no argument.", c->name);
    if (j->csv && !c->is_list)
        return cli_usage("--csv: only for list, balance, history and coins.");
    if (j->csv && j->json)
        return cli_usage("--csv, --json: cannot be combined.");
    if (j->min && c->run != watch_coins)
        return cli_usage("--min: only for coins.");
    if (j->last != WATCH_NONE && c->run != watch_history)
        return cli_usage("--last: only for history.");
    if (j->watch != WATCH_NONE && c->run != watch_history && c->run != watch_balance)
        return cli_usage("--watch: only for balance and history.");
    if (j->watch != WATCH_NONE && j->last != WATCH_NONE)
        return cli_usage("--last, --watch: cannot be combined.");
    if (j->branch != WATCH_NONE && c->run != watch_address)
        return cli_usage("--branch: only for address.");
    if (j->tag && c->run != watch_add)
        return cli_usage("--tag: only for add.");
    if (j->export && c->run != watch_labels)
        return cli_usage("--export: only for labels.");
    if (j->import && c->run != watch_labels)
        return cli_usage("--import: only for labels.");
    return CLI_DONE;
}

/* An argument is never repeated: it may hold a key. */
static int run_command(struct watch_job *j)
{
    const struct command *c = NULL;
    int rc;

    if (j->words.n == 0)
        return cli_usage("a command is missing: " NAMES ".");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, j->words.item[0]) == 0)
            c = &commands[i];
    if (!c)
        return cli_usage("the first argument is not a command; use " NAMES ".");
    rc = check_options(j, c);
    if (rc == CLI_DONE && j->source_name && watch_source_of(&j->source, j->source_name) != 0)
        rc = cli_usage("--source: '%s' is not a source; use auto, filters, bloom or blocks.",
                       j->source_name);
    if (rc == CLI_DONE)
        rc = cli_target_resolve(&j->target);
    if (rc == CLI_DONE && c->is_run)
        rc = cli_log_begin(&j->log);
    if (rc == CLI_DONE)
        rc = c->run(j);
    cli_status_line_clear();
    return watch_close(j, rc);
}

static const struct cli_option options[] = {
    {.group = "Database"},
    CLI_NETWORK_ROW(job.target),
    CLI_CHALLENGE_ROW(job.target),
    CLI_DATADIR_ROW(job.target),
    CLI_DB_ROW(job.target),
    {.group = "What to watch"},
    {.name = "birthday",
     .kind = CLI_TEXT,
     .value = "YYYY-MM-DD",
     .help = "add: nothing older than this day is looked for. Default: everything since genesis.",
     .into = &job.birthday},
    {.name = "gap",
     .kind = CLI_NUMBER,
     .value = "N",
     .help = "add: how many unused addresses of each branch are watched beyond the last used one. "
             "Default 20.",
     .into = &job.gap,
     .min = 1,
     .max = SPV_WATCH_MAX_GAP},
    {.name = "tag",
     .kind = CLI_TEXT,
     .value = "TEXT",
     .help = "add: a name of yours, which list shows.",
     .into = &job.tag},
    {.name = "branch",
     .kind = CLI_NUMBER,
     .value = "N",
     .help = "address: of this branch of the descriptor: 0 (receiving) or 1 (change). Default 0.",
     .into = &job.branch,
     .max = UINT32_MAX},
    {.group = "What to show"},
    {.name = "watch",
     .kind = CLI_NUMBER,
     .value = "ID",
     .help = "balance, history: of this watch alone. Default: of all together.",
     .into = &job.watch,
     .min = 1,
     .max = INT64_MAX},
    {.name = "last",
     .kind = CLI_NUMBER,
     .value = "N",
     .help = "history: only the last N transactions.",
     .into = &job.last,
     .max = UINT32_MAX},
    {.name = "min",
     .kind = CLI_TEXT,
     .value = "AMOUNT",
     .help = "coins: only those of at least this amount, in BTC (with --sat: satoshis).",
     .into = &job.min},
    {.name = "export",
     .kind = CLI_FLAG,
     .help = "labels: print all labels (BIP329), one JSON object a line.",
     .into = &job.export},
    {.name = "import",
     .kind = CLI_TEXT,
     .value = "FILE",
     .help =
         "labels: read such lines; - is standard input. A label replaces that of the same type, "
         "ref and origin.",
     .into = &job.import},
    {.group = "Where coins are looked for"},
    {.name = "source",
     .kind = CLI_TEXT,
     .value = "NAME",
     .choices = "auto filters bloom blocks",
     .help = "auto (default): compact filters when two peers of different networks serve them, or "
             "all of --connect. filters: peers do not learn your addresses. bloom: they do. "
             "blocks: every block, from a node of your own.",
     .into = &job.source_name},
    {.name = "allow-bloom",
     .kind = CLI_FLAG,
     .help = "auto may use bloom filters, which tell a peer what is watched.",
     .into = &job.allow_bloom},
    {.name = "unconfirmed",
     .kind = CLI_FLAG,
     .help = "Fetch all transactions that peers announce, to show payments before they are in a "
             "block. With bloom filters peers announce them in any case.",
     .into = &job.unconfirmed},
    {.group = "Peers"},
    PEER_CONNECT_ROW(job.peers),
    PEER_ADD_PEER_ROW(job.peers),
    PEER_PROXY_ROW(job.peers),
    PEER_ONION_ROW(job.peers),
    PEER_TRANSPORT_ROW(job.peers),
    PEER_CLEAR_BANS_ROW(job.peers),
    PEER_PEERS_ROW(job.peers),
    {.name = "timeout",
     .kind = CLI_NUMBER,
     .value = "SECONDS",
     .help = "Give up when nothing useful arrived for this long. Default 120; 0: never.",
     .into = &job.timeout,
     .max = TIMEOUT_MAX},
    {.group = "Output"},
    {.name = "sat",
     .kind = CLI_FLAG,
     .help = "Amounts in satoshis, not in BTC. JSON always has satoshis.",
     .into = &job.sat},
    {.name = "csv",
     .kind = CLI_FLAG,
     .help = "list, balance, history, coins: comma-separated values, with a line of names.",
     .into = &job.csv},
    CLI_JSON_ROW(job.json, "JSON objects, one per line, instead of text; amounts in satoshis."),
    CLI_LOG_FILE_ROW(job.log),
    CLI_TIMESTAMPS_ROW(job.log),
    CLI_PID_FILE_ROW(job.pid_file),
    CLI_QUIET_ROW(job.quiet, "Print no progress, and nothing on success but what was asked for."),
    CLI_VERBOSE_ROW(job.verbose, "Whole transaction ids, addresses and descriptors in tables; also "
                                 "print connections and disconnections of each peer."),
    {0},
};

int main(int argc, char **argv)
{
    static const enum cli_exit exits[] = {CLI_DONE,     CLI_FAILED,  CLI_USAGE,
                                          CLI_DATABASE, CLI_NO_PEER, CLI_INTERRUPTED};
    static const struct cli_app app = {
        .name = "spv-watch",
        .summary =
            "Watches addresses without their private keys: finds their transactions, coins and\n"
            "balances, in the database of spv-sync.\n"
            "\n"
            "Commands:\n"
            "  add DESCRIPTOR...   watch descriptors (BIP380), addresses or scripts\n"
            "  list                what is watched\n"
            "  remove ID...        end a watch\n"
            "  address [ID]        reserve the next unused address and print it\n"
            "  scan                look for transactions up to the tip, then exit\n"
            "  follow              the same, then stay: a line for each change\n"
            "  balance             amounts that can be trusted, and those that cannot yet\n"
            "  history             all transactions\n"
            "  coins               all unspent outputs\n"
            "  labels              labels of other wallets (BIP329), in and out",
        .usage = "COMMAND [OPTION]...",
        .options = options,
        .notes =
            "list, balance, history and coins only read, and may run while another command\n"
            "writes. add, remove and address need no network, but the database for\n"
            "themselves: stop follow first.\n"
            "\n"
            "Compact filters tell peers only that some blocks are fetched; bloom filters tell\n"
            "them what is watched, and are used only with --source bloom or --allow-bloom.\n"
            "\n"
            "Examples:\n"
            "  spv-watch add 'wpkh([d34db33f/84h/0h/0h]xpub.../<0;1>/*)' --birthday 2023-01-01\n"
            "  spv-watch follow\n"
            "  spv-watch coins --min 0.001 --csv\n",
        .exits = exits,
        .n_exits = sizeof exits / sizeof exits[0],
        .operands = &job.words,
        .commands = "add list remove address scan follow balance history coins labels",
    };
    int rc = cli_parse(&app, argc, argv), out;

    if (rc != CLI_PROCEED)
        return rc;
    if (job.json)
        cli_json_mode();
    cli_catch_signals();
    cli_stop_note("spv-watch: interrupted.\n");
    rc = run_command(&job);
    out = cli_finish_output();
    return rc == CLI_DONE ? out : rc;
}
