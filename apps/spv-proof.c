/* spv-proof: verifies merkle proofs offline, against the headers database of spv-sync. */
#include <string.h>

#include "find_header.h"
#include "proof.h"

static struct {
    struct cli_target target;
    struct cli_list words, txs; /* the command and its file; raw transactions */
    const char *coinbase_proof;
    bool without_depth, json, quiet;
} job;

static int open_store(struct spv_store **out)
{
    struct spv_error_info why;
    const struct spv_store_config cfg = {.path = job.target.path,
                                         .params =
                                             job.target.db ? job.target.network : job.target.params,
                                         .mode = SPV_STORE_READ,
                                         .stop = cli_stop()};

    return spv_store_open(out, &cfg, &why) == 0 ? CLI_DONE : cli_print_error_info(&why);
}

/* What the exit code says, with its reason. */
static int conclude(const struct proof *p)
{
    size_t unproven = 0;

    if (!p->in_chain.stored) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                           "%s: its block is not among the headers up to height %s in %s. Sync "
                           "first (spv-sync), or the block is in another chain.",
                           p->name, CLI_COUNT(p->in_chain.tip), job.target.path);
    }
    if (p->in_chain.confirmations == 0) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                           "%s: its block is on a side branch, not in the best chain.", p->name);
    }
    for (size_t i = 0; i < p->n_matches; i++) {
        unproven += p->matches[i].by == PROOF_BY_NOTHING;
    }
    if (unproven > 0 && !job.without_depth) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                           "%s: the depth of %s of %s transactions is not proven. Give the raw "
                           "transaction with --tx, or accept the tree alone with --without-depth.",
                           p->name, CLI_COUNT(unproven), CLI_COUNT(p->n_matches));
    }
    return CLI_DONE;
}

static int verify(const char *path)
{
    struct proof p = {
        .path = path, .name = read_bytes_name(path), .coinbase_path = job.coinbase_proof};
    struct spv_store *store = NULL;
    int rc = cli_target_resolve(&job.target);

    if (rc == CLI_DONE) {
        rc = proof_read(&p, &job.txs);
    }
    if (rc == CLI_DONE) {
        rc = proof_check_depth(&p);
    }
    if (rc == CLI_DONE) {
        rc = open_store(&store);
    }
    if (rc == CLI_DONE) {
        rc = proof_find_block(&p.in_chain, store, &p.block);
    }
    if (rc == CLI_DONE) {
        if (!job.quiet) {
            proof_print(&p, spv_store_params(store)->net.name);
        }
        rc = conclude(&p);
    }
    (void)spv_store_close(store);
    proof_free(&p);
    return rc;
}

static int run_command(void)
{
    if (job.words.n == 0) {
        return cli_usage("a command is missing: verify.");
    }
    if (strcmp(job.words.item[0], "verify") != 0) {
        return cli_usage("'%s' is not a command; use verify.", job.words.item[0]);
    }
    if (job.words.n < 2) {
        return cli_usage("verify: FILE is missing; - is standard input.");
    }
    if (job.words.n > 2) {
        return cli_usage("verify: '%s': unexpected argument.", job.words.item[2]);
    }
    if (job.coinbase_proof && job.txs.n == 0) {
        return cli_usage("--coinbase-proof: give the raw coinbase transaction with --tx.");
    }
    return verify(job.words.item[1]);
}

static const struct cli_option options[] = {
    {.group = "Database"},
    CLI_NETWORK_ROW(job.target),
    CLI_CHALLENGE_ROW(job.target),
    CLI_DATADIR_ROW(job.target),
    CLI_DB_ROW(job.target),
    {.group = "Depth"},
    {.name = "tx",
     .letter = 't',
     .kind = CLI_LIST,
     .value = "FILE",
     .help =
         "A raw transaction of the proof: proves that it is a transaction, and no inner node of "
         "the tree. Repeatable.",
     .into = &job.txs},
    {.name = "coinbase-proof",
     .kind = CLI_TEXT,
     .value = "FILE",
     .help = "The proof of the same block's coinbase, whose raw transaction is given with --tx: "
             "proves the depth of all transactions.",
     .into = &job.coinbase_proof},
    {.name = "without-depth",
     .kind = CLI_FLAG,
     .help = "Exit with 0 also when only the tree is proven, as other programs do.",
     .into = &job.without_depth},
    {.group = "Output"},
    CLI_JSON_ROW(job.json, "A JSON object instead of text."),
    CLI_QUIET_ROW(job.quiet, "Print nothing but errors; the exit code tells."),
    {0},
};

int main(int argc, char **argv)
{
    static const enum cli_exit exits[] = {CLI_DONE, CLI_FAILED, CLI_USAGE, CLI_DATABASE,
                                          CLI_INTERRUPTED};
    static const struct cli_app app = {
        .name = "spv-proof",
        .summary =
            "Verifies that transactions are in a block of the best chain, offline.\n"
            "\n"
            "  verify FILE   a merkle proof as Bitcoin Core's gettxoutproof makes it, hexadecimal\n"
            "                or binary; - is standard input\n"
            "\n"
            "Prints block, height, confirmations and time, and for each transaction of the proof\n"
            "its position and whether its depth is proven: that it is a transaction, and no\n"
            "inner node of the tree. The headers come from the database of spv-sync.",
        .usage = "verify [OPTION]... FILE",
        .options = options,
        .notes = "Exit code 0: the transactions are in the best chain. 1: the proof is invalid,\n"
                 "its block is not in the best chain, or a depth is not proven.\n"
                 "\n"
                 "Examples:\n"
                 "  spv-proof verify proof.hex --tx tx.hex\n"
                 "  bitcoin-cli gettxoutproof '[\"TXID\"]' | spv-proof verify - --tx tx.hex\n"
                 "  spv-proof verify --json --without-depth proof.hex\n",
        .exits = exits,
        .n_exits = sizeof exits / sizeof exits[0],
        .operands = &job.words,
        .commands = "verify",
    };
    int rc = cli_parse(&app, argc, argv);

    if (rc != CLI_PROCEED) {
        return rc;
    }
    if (job.json) {
        cli_json_mode();
    }
    cli_catch_signals();
    cli_stop_note("spv-proof: interrupted.\n");
    rc = run_command();
    int out = cli_finish_output();
    return rc == CLI_DONE ? out : rc;
}
