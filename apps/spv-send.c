/* spv-send: publishes raw transactions, alone or as a package, and follows what peers do with them.
 *
 * What is published is a row of the headers database first: each later run announces it again, also
 * after kill -9, until it is confirmed or withdrawn. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "send_state.h"

#define TIMEOUT_DEFAULT 120 /* seconds: two rounds of announcements */
#define TIMEOUT_MAX 31536000 /* a year */
#define CONFIRM_MAX 1000 /* ours: ten times what a transaction is remembered for */

static struct send state = {.timeout = TIMEOUT_DEFAULT};

static int check_files(struct send *s)
{
    size_t n_stdin = 0;

    if (s->resume && s->files.n > 0)
        return cli_usage("--resume: takes no FILE; every run announces what is stored.");
    if (!s->resume && s->files.n == 0) {
        if (isatty(STDIN_FILENO))
            return cli_usage("FILE is missing; - is standard input.");
        s->files.item[s->files.n++] = "-";
    }
    for (size_t i = 0; i < s->files.n; i++)
        n_stdin += strcmp(s->files.item[i], "-") == 0;
    return n_stdin > 1 ? cli_usage("-: standard input has one transaction.") : CLI_DONE;
}

static int check_options(struct send *s)
{
    const int n_modes = s->list + (s->withdraw.n > 0) + s->resume + s->dry_run;
    int rc;

    if (n_modes > 1)
        return cli_usage("--list, --withdraw, --resume, --dry-run: cannot be combined.");
    if ((s->list || s->withdraw.n > 0) && s->files.n > 0)
        return cli_usage("'%s': unexpected argument.", s->files.item[0]);
    if (s->follow && s->confirm > 0)
        return cli_usage("--follow, --confirm: cannot be combined.");
    if (s->quiet && s->verbose)
        return cli_usage("--quiet, --verbose: cannot be combined.");
    rc = cli_target_resolve(&s->target);
    if (rc == CLI_DONE)
        rc = peer_options_check(&s->peers, s->target.params);
    return rc == CLI_DONE && !s->list && s->withdraw.n == 0 ? check_files(s) : rc;
}

static bool is_absent(const struct send *s)
{
    return access(s->target.path, F_OK) != 0 && errno == ENOENT;
}

static int open_store(struct send *s, enum spv_store_mode mode)
{
    static struct cli_busy busy;
    struct spv_store_config cfg = {
        .path = s->target.path, .params = s->target.params, .mode = mode, .stop = cli_stop()};
    struct spv_error_info why;

    if (s->follow) {
        busy = (struct cli_busy){.path = s->target.path, .quiet = s->quiet};
        cfg.busy = cli_busy;
        cfg.busy_ctx = &busy;
    }
    if (spv_store_open(&s->store, &cfg, &why) == 0)
        return CLI_DONE;
    return why.code == SPV_ERR_INTERRUPTED && cli_stopped() ? (int)cli_stop_code()
                                                            : cli_print_error_info(&why);
}

/* --list and --withdraw */
static int use_stored(struct send *s)
{
    const int rc = open_store(s, s->list ? SPV_STORE_READ : SPV_STORE_WRITE);

    if (rc != CLI_DONE)
        return rc;
    return s->list ? send_list(s) : send_withdraw(s);
}

/* Refused transactions create no database: without one, they are checked first. */
static int check_transactions(struct send *s)
{
    const bool absent = is_absent(s);
    int rc = absent ? CLI_DONE : open_store(s, s->dry_run ? SPV_STORE_READ : SPV_STORE_WRITE);

    if (rc == CLI_DONE && s->store)
        rc = send_find_coins(s);
    if (rc == CLI_DONE)
        rc = send_check(s);
    for (size_t i = 0; i < s->n_txs && rc == CLI_DONE && (s->dry_run || !s->quiet); i++)
        send_print_tx(s, i, s->dry_run || s->verbose);
    return rc == CLI_DONE && absent && !s->dry_run ? open_store(s, SPV_STORE_CREATE) : rc;
}

static int run(struct send *s)
{
    int rc = check_options(s);

    if (rc != CLI_DONE)
        return rc;
    if (s->list || s->withdraw.n > 0)
        return use_stored(s);
    if (!s->dry_run && peer_options_must_name(&s->peers, s->target.params) && is_absent(s))
        return peer_options_name_peer(s->target.params);
    rc = cli_pid_file(s->pid_file);
    if (rc == CLI_DONE)
        rc = send_read(s);
    if (rc == CLI_DONE)
        rc = check_transactions(s);
    return rc == CLI_DONE && !s->dry_run ? send_run(s) : rc;
}

/* Frees what the run acquired. Returns the exit code of the program. */
static int end_run(struct send *s, int rc)
{
    int closed, flushed;

    send_read_free(s);
    send_free_machines(s);
    closed = spv_store_close(s->store);
    if (closed != 0 && (rc == CLI_DONE || rc == CLI_INTERRUPTED))
        rc = cli_fail(closed,
                      "%s: cannot be closed: %s. What was committed is kept; check "
                      "the disk.",
                      s->target.path, spv_strerror(closed));
    flushed = cli_finish_output();
    return rc != CLI_DONE ? rc : flushed;
}

static const struct cli_option options[] = {
    {.group = "What and where"},
    CLI_NETWORK_ROW(state.target),
    CLI_CHALLENGE_ROW(state.target),
    CLI_DATADIR_ROW(state.target),
    CLI_DB_ROW(state.target),
    {.name = "dry-run",
     .kind = CLI_FLAG,
     .help = "Check, print what would be sent, and exit; nothing is stored or sent.",
     .into = &state.dry_run},
    {.name = "allow-high-fee",
     .kind = CLI_FLAG,
     .help = "Also send what pays more than 0.1 BTC per 1,000 vbytes.",
     .into = &state.allow_high_fee},
    {.name = "private",
     .kind = CLI_FLAG,
     .help = "Only on private connections of its own. Not in this version: it is refused, never "
             "sent otherwise.",
     .into = &state.is_private},
    {.group = "What was sent before"},
    {.name = "list",
     .kind = CLI_FLAG,
     .help = "Print what was published from this database, and exit.",
     .into = &state.list},
    {.name = "withdraw",
     .kind = CLI_LIST,
     .value = "TXID",
     .help = "Never announce this transaction and its package again; who has it keeps it. "
             "Repeatable.",
     .into = &state.withdraw},
    {.name = "resume",
     .kind = CLI_FLAG,
     .help = "Announce again all that is neither confirmed nor withdrawn; every run does so beside "
             "its own.",
     .into = &state.resume},
    {.group = "Peers"},
    PEER_CONNECT_ROW(state.peers),
    PEER_ADD_PEER_ROW(state.peers),
    PEER_PROXY_ROW(state.peers),
    PEER_ONION_ROW(state.peers),
    PEER_TRANSPORT_ROW(state.peers),
    PEER_CLEAR_BANS_ROW(state.peers),
    PEER_PEERS_ROW(state.peers),
    {.group = "When to end"},
    {.name = "confirm",
     .kind = CLI_NUMBER,
     .value = "N",
     .help =
         "Wait for so many confirmations, of what a watch of the wallet has a part in. Default: "
         "end when a peer announces it that did not have it from here.",
     .into = &state.confirm,
     .min = 1,
     .max = CONFIRM_MAX},
    {.name = "follow",
     .letter = 'f',
     .kind = CLI_FLAG,
     .help = "Keep announcing and reporting until interrupted.",
     .into = &state.follow},
    {.name = "timeout",
     .kind = CLI_NUMBER,
     .value = "SECONDS",
     .help = "Give up when nothing new was heard of it for this long. Default 120; 0: never.",
     .into = &state.timeout,
     .max = TIMEOUT_MAX},
    {.group = "Output"},
    CLI_LOG_FILE_ROW(state.log),
    CLI_TIMESTAMPS_ROW(state.log),
    CLI_PID_FILE_ROW(state.pid_file),
    CLI_JSON_ROW(state.json, "One JSON object per line: transaction, broadcast, sent, error..."),
    CLI_QUIET_ROW(state.quiet, "Print only errors; the exit code tells."),
    CLI_VERBOSE_ROW(state.verbose, "Also print inputs, outputs and connections."),
    {0},
};

int main(int argc, char **argv)
{
    static const enum cli_exit exits[] = {CLI_DONE,     CLI_FAILED,  CLI_USAGE,
                                          CLI_DATABASE, CLI_NO_PEER, CLI_INTERRUPTED};
    static const struct cli_app app = {
        .name = "spv-send",
        .summary =
            "Publishes a raw transaction, hexadecimal or binary, or a package: parents and, last,\n"
            "one child, a FILE each; - (the default) is standard input. Ends when a peer that\n"
            "did not have it from here announces it.",
        .usage = "[OPTION]... [FILE|-]...",
        .options = options,
        .notes = "A transaction does not say of which network it is. It is stored before it is\n"
                 "announced, and announced again by every run until it is confirmed or withdrawn.\n"
                 "Peers that have it know this address as its origin.\n"
                 "\n"
                 "Exit code 0: announced back, or confirmed. 1: refused, conflicted, locked, or "
                 "fetched\n"
                 "but not announced back in time. 4: no peer fetched it in time.\n"
                 "\n"
                 "Examples:\n"
                 "  spv-send --dry-run tx.hex                # what would be sent\n"
                 "  spv-send tx.hex\n"
                 "  spv-send parent.hex child.hex            # a package\n"
                 "  spv-send --list; spv-send --resume; spv-send --withdraw TXID\n",
        .exits = exits,
        .n_exits = sizeof exits / sizeof exits[0],
        .operands = &state.files,
    };
    int rc = cli_parse(&app, argc, argv);

    if (rc != CLI_PROCEED)
        return rc;
    state.report.started = cli_clock();
    cli_catch_signals();
    cli_stop_note("spv-send: interrupted: what was published is kept.\n");
    if (state.json)
        cli_json_mode();
    rc = cli_log_begin(&state.log);
    if (rc != CLI_DONE)
        return rc;
    return end_run(&state, run(&state));
}
