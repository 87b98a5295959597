/* spv-proof: makes and verifies merkle proofs offline, against the headers database of spv-sync. */
#include <string.h>

#include "find_header.h"
#include "proof.h"
#include "proof_make.h"

static struct {
    struct cli_target target;
    struct cli_list words, txs; /* the command and its file or TXID; raw transactions */
    const char *coinbase_proof;
    const char *block_file, *output; /* of make */
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

static int make(const char *txid)
{
    const struct proof_make_options options = {
        .txid = txid, .block_file = job.block_file, .output = job.output};
    struct spv_store *store = NULL;
    int rc = cli_target_resolve(&job.target);

    if (rc == CLI_DONE) {
        rc = open_store(&store);
    }
    if (rc == CLI_DONE) {
        rc = proof_make(&options, store);
    }
    (void)spv_store_close(store);
    return rc;
}

static int run_make(void)
{
    if (job.words.n < 2) {
        return cli_usage("make: TXID is missing.");
    }
    if (job.words.n > 2) {
        return cli_usage("make: '%s': unexpected argument.", job.words.item[2]);
    }
    if (job.txs.n > 0 || job.coinbase_proof || job.without_depth) {
        return cli_usage("--tx, --coinbase-proof, --without-depth: only for verify.");
    }
    if (job.quiet && !job.output) {
        return cli_usage("make: --quiet leaves nothing to do without --output.");
    }
    return make(job.words.item[1]);
}

static int run_verify(void)
{
    if (job.words.n < 2) {
        return cli_usage("verify: FILE is missing; - is standard input.");
    }
    if (job.words.n > 2) {
        return cli_usage("verify: '%s': unexpected argument.", job.words.item[2]);
    }
    if (job.coinbase_proof && job.txs.n == 0) {
        return cli_usage("--coinbase-proof: give the raw coinbase transaction with --tx.");
    }
    if (job.block_file || job.output) {
        return cli_usage("--block-file, --output: only for make.");
    }
    return verify(job.words.item[1]);
}

static int run_command(void)
{
    if (job.words.n == 0) {
        return cli_usage("a command is missing: verify or make.");
    }
    if (strcmp(job.words.item[0], "make") == 0) {
        return run_make();
    }
    if (strcmp(job.words.item[0], "verify") == 0) {
        return run_verify();
    }
    return cli_usage("'%s' is not a command; use verify or make.", job.words.item[0]);
}

static const struct cli_option options[] = {
    {.group = "Database"},
    CLI_NETWORK_ROW(job.target),
    CLI_CHALLENGE_ROW(job.target),
    CLI_DATADIR_ROW(job.target),
    CLI_DB_ROW(job.target),
    {.group = "Make"},
    {.name = "block-file",
     .kind = CLI_TEXT,
     .value = "FILE",
     .help = "Make the proof from this raw block, hexadecimal or binary; - is standard input. "
             "Default: the proof that the wallet has stored.",
     .into = &job.block_file},
    {.name = "output",
     .letter = 'o',
     .kind = CLI_TEXT,
     .value = "FILE",
     .help = "Write the proof to this file. Default: standard output.",
     .into = &job.output},
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
    CLI_QUIET_ROW(job.quiet, "Print only errors; the exit code has the result."),
    {0},
};

int main(int argc, char **argv)
{
    static const enum cli_exit exits[] = {CLI_DONE, CLI_FAILED, CLI_USAGE, CLI_DATABASE,
                                          CLI_INTERRUPTED};
    static const struct cli_app app = {
        .name = "spv-proof",
        .summary =
            "Verifies or makes proofs that transactions are in a block of the best chain, "
            "offline.\n"
            "\n"
            "  verify FILE   a merkle proof as Bitcoin Core's gettxoutproof makes it, hexadecimal\n"
            "                or binary; - is standard input\n"
            "  make TXID     such a proof, hexadecimal, from the wallet or a block\n"
            "\n"
            "verify prints block, height, confirmations and time, and for each transaction of the "
            "proof\n"
            "its position and whether its depth is proven: that it is a transaction, and no\n"
            "inner node of the tree. The headers come from the database of spv-sync.",
        .usage = "verify|make [OPTION]... FILE|TXID",
        .options = options,
        .notes = "Exit code 0: the transactions are in the best chain. 1: the proof is invalid or\n"
                 "cannot be made, its block is not in the best chain, or a depth is not proven.\n"
                 "\n"
                 "Examples:\n"
                 "  spv-proof verify proof.hex --tx tx.hex\n"
                 "  bitcoin-cli gettxoutproof '[\"TXID\"]' | spv-proof verify - --tx tx.hex\n"
                 "  spv-proof verify --json --without-depth proof.hex\n"
                 "  spv-proof make TXID --output proof.hex\n"
                 "  bitcoin-cli getblock HASH 0 | spv-proof make TXID --block-file -\n",
        .exits = exits,
        .n_exits = sizeof exits / sizeof exits[0],
        .operands = &job.words,
        .commands = "verify make",
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
