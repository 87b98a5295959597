/* spv-export: the stored headers as raw bytes, CSV or JSON lines.
 *
 * One walk over one snapshot, one row in memory, each header hashed again on the way, so that what
 * is written is a linked chain or the export fails. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "export_sink.h"
#include "spv/store.h"

#define ROW_MAX 512 /* the longest row, JSON, has 480 bytes */
#define LOOK_EVERY 1024 /* rows between looks at the clock and at the stop signal */
#define PAINT_EVERY 0.1 /* seconds */

/* Writes one record; what it returns is ferror's business. */
typedef void (*row_writer)(FILE *f, const struct spv_record *r);

struct format {
    const char *name;
    const char *head; /* before the rows */
    row_writer row;
};

struct job {
    struct cli_place place;
    const char *format_name, *output;
    uint64_t from, to;
    bool quiet;
    const struct format *format;
    struct spv_store *store;
    struct sink sink;
};

static void write_raw(FILE *f, const struct spv_record *r)
{
    uint8_t raw[SPV_HEADER_SIZE];
    spv_header_encode(raw, &r->header);
    (void)fwrite(raw, 1, sizeof raw, f);
}

/* The text forms differ in what stands between the values only. */
struct texts {
    char hash[SPV_HASH_HEX], prev[SPV_HASH_HEX], root[SPV_HASH_HEX], work[SPV_HASH_HEX];
};

static void to_texts(struct texts *t, const struct spv_record *r)
{
    spv_blockhash_hex(t->hash, &r->hash);
    spv_blockhash_hex(t->prev, &r->header.prev);
    spv_hash256_hex(t->root, &r->header.merkle_root);
    spv_u256_hex(t->work, &r->work);
}

static void write_csv(FILE *f, const struct spv_record *r)
{
    char row[ROW_MAX];
    struct texts t;
    to_texts(&t, r);
    int n = snprintf(row, sizeof row,
                     "%" PRIu32 ",%s,%" PRId32 ",%s,%s,%" PRIu32 ",%08" PRIx32 ",%" PRIu32 ",%s\n",
                     r->height, t.hash, r->header.version, t.prev, t.root, r->header.time,
                     r->header.bits, r->header.nonce, t.work);
    (void)fwrite(row, 1, (size_t)n, f);
}

static void write_jsonl(FILE *f, const struct spv_record *r)
{
    char row[ROW_MAX];
    struct texts t;
    to_texts(&t, r);
    int n = snprintf(row, sizeof row,
                     "{\"height\":%" PRIu32 ",\"hash\":\"%s\",\"version\":%" PRId32
                     ",\"previous_hash\":\"%s\",\"merkle_root\":\"%s\",\"time\":%" PRIu32
                     ",\"bits\":\"%08" PRIx32 "\",\"nonce\":%" PRIu32 ",\"chain_work\":\"%s\"}\n",
                     r->height, t.hash, r->header.version, t.prev, t.root, r->header.time,
                     r->header.bits, r->header.nonce, t.work);
    (void)fwrite(row, 1, (size_t)n, f);
}

static const struct format formats[] = {
    {"csv", "height,hash,version,previous_hash,merkle_root,time,bits,nonce,chain_work\n",
     write_csv},
    {"jsonl", "", write_jsonl},
    {"raw", "", write_raw},
};

static int choose_format(struct job *e)
{
    const char *name = e->format_name;
    if (name == NULL) { /* the first one is the default */
        return CLI_DONE;
    }
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (strcmp(formats[i].name, name) == 0) {
            e->format = &formats[i];
            return CLI_DONE;
        }
    }
    return cli_usage("--format: '%s' is not raw, csv or jsonl.", name);
}

/* Writing. */

struct progress {
    double started, painted;
    uint64_t done, total;
};

static void paint(struct progress *p)
{
    char line[3 * CLI_FIGURE + 40];
    char done[CLI_FIGURE];
    char total[CLI_FIGURE];
    char rate[CLI_FIGURE];
    double now = cli_clock();
    if (now - p->painted < PAINT_EVERY) {
        return;
    }
    p->painted = now;
    (void)snprintf(line, sizeof line, "%s of %s headers  %3.0f%%  %s", cli_count(done, p->done),
                   cli_count(total, p->total), 100.0 * (double)p->done / (double)p->total,
                   cli_rate(rate, (double)p->done / (now - p->started)));
    cli_paint(line);
}

/* The rows of the walk. Returns an exit code. */
static int write_rows(struct job *e, struct spv_store_walk *walk, struct progress *p)
{
    struct spv_record r;
    bool live = e->sink.is_file && !e->quiet && cli_live();
    int rc = 0;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): choose_format went before */
    (void)fputs(e->format->head, e->sink.f);
    while ((rc = spv_store_walk_next(walk, &r)) > 0) {
        e->format->row(e->sink.f, &r);
        p->done++;
        if (ferror(e->sink.f)) {
            return sink_failed(&e->sink, errno);
        }
        if (p->done % LOOK_EVERY != 0) {
            continue;
        }
        if (cli_stopped()) {
            return CLI_INTERRUPTED;
        }
        if (live) {
            paint(p);
        }
    }
    cli_paint_clear();
    if (rc < 0) {
        return cli_fail(rc, "%s", spv_store_last_problem(e->store));
    }
    return cli_stopped() ? CLI_INTERRUPTED : CLI_DONE;
}

static int export_rows(struct job *e, uint64_t total)
{
    struct spv_store_walk *walk = NULL;
    struct progress p = {.started = cli_clock(), .total = total};
    char count[CLI_FIGURE];
    char time[CLI_FIGURE];
    int rc = spv_store_walk_open(&walk, e->store, (uint32_t)e->from, (uint32_t)e->to);
    if (rc != 0) {
        return cli_fail(rc, "%s", spv_store_last_problem(e->store));
    }
    rc = sink_open(&e->sink, e->output, e->place.path);
    if (rc == CLI_DONE) {
        rc = write_rows(e, walk, &p);
    }
    if (rc == CLI_DONE) {
        rc = sink_finish(&e->sink);
    }
    cli_paint_clear();
    spv_store_walk_close(walk);
    sink_close(&e->sink);
    if (rc == CLI_DONE && e->sink.is_file && !e->quiet) {
        cli_say("%s headers of %s written to %s in %s", cli_count(count, p.done),
                spv_store_params(e->store)->net.name, e->output,
                cli_duration(time, cli_clock() - p.started));
    }
    return rc;
}

/* How many headers there are to write, told from the tip. Returns an exit code. */
static int check_span(struct job *e, uint64_t *total)
{
    struct spv_record tip;
    int rc = spv_store_tip(e->store, &tip);
    if (rc < 0) {
        return cli_fail(rc, "%s", spv_store_last_problem(e->store));
    }
    uint32_t height = rc > 0 ? tip.height : 0;
    if (e->to != UINT32_MAX && e->to > height) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                           "--to %" PRIu64 ": the stored chain ends at height %" PRIu32
                           ". Sync further or leave --to out.",
                           e->to, height);
    }
    if (e->from > height) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                           "--from %" PRIu64 ": the stored chain ends at height %" PRIu32
                           ". Sync further.",
                           e->from, height);
    }
    *total = (e->to < height ? e->to : height) - e->from + 1;
    return CLI_DONE;
}

static int run(struct job *e)
{
    struct spv_problem why;
    uint64_t total = 0;
    int rc = choose_format(e);
    if (rc == CLI_DONE && e->from > e->to) {
        rc = cli_usage("--from, --to: %" PRIu64 " is above %" PRIu64 ".", e->from, e->to);
    }
    if (rc == CLI_DONE) {
        rc = cli_place_resolve(&e->place);
    }
    if (rc != CLI_DONE) {
        return rc;
    }
    struct spv_store_config cfg = {
        .path = e->place.path,
        /* a named file tells its network by itself */
        .params = e->place.db != NULL ? e->place.network : e->place.params,
        .mode = SPV_STORE_READ,
    };
    if (spv_store_open(&e->store, &cfg, &why) != 0) {
        return cli_problem(&why);
    }
    rc = check_span(e, &total);
    if (rc == CLI_DONE) {
        rc = export_rows(e, total);
    }
    (void)spv_store_close(e->store);
    return rc;
}

static struct job state = {.to = UINT32_MAX, .format = &formats[0]};

static const struct cli_option options[] = {
    {.group = "What"},
    {.name = "format",
     .letter = 'f',
     .kind = CLI_TEXT,
     .value = "FORMAT",
     .help = "csv (default), jsonl (one JSON object a line) or raw (80 bytes a header).",
     .into = &state.format_name},
    {.name = "from",
     .kind = CLI_NUMBER,
     .value = "HEIGHT",
     .help = "First height. Default 0, the genesis.",
     .into = &state.from,
     .max = UINT32_MAX},
    {.name = "to",
     .kind = CLI_NUMBER,
     .value = "HEIGHT",
     .help = "Last height. Default: the tip.",
     .into = &state.to,
     .max = UINT32_MAX},
    {.group = "From where"},
    CLI_NETWORK_ROW(state.place),
    CLI_DATADIR_ROW(state.place),
    CLI_DB_ROW(state.place),
    {.group = "Output"},
    {.name = "output",
     .letter = 'o',
     .kind = CLI_TEXT,
     .value = "FILE",
     .help = "Where to write; '-' is standard output (default). A file appears complete or not at "
             "all.",
     .into = &state.output},
    {.name = "quiet",
     .letter = 'q',
     .kind = CLI_FLAG,
     .help = "Only errors.",
     .into = &state.quiet},
    {0},
};

int main(int argc, char **argv)
{
    static const enum cli_exit exits[] = {CLI_DONE, CLI_FAILED, CLI_USAGE, CLI_DATABASE};
    static const struct cli_app app = {
        .name = "spv-export",
        .summary =
            "Writes the block headers that spv-sync stored as CSV, JSON lines or raw bytes.\n"
            "May run while spv-sync writes; what comes out is one moment's chain.",
        .usage = "[OPTION]...",
        .options = options,
        .notes = "Hashes and chain work are hexadecimal as explorers show them, times "
                 "unix\nseconds. An interrupted export leaves no file and exits with 130.\n"
                 "\n"
                 "Examples:\n"
                 "  spv-export > headers.csv\n"
                 "  spv-export --format raw --output headers.bin\n"
                 "  spv-export --network testnet4 --format jsonl --from 1000 --to 1009\n",
        .exits = exits,
        .n_exits = sizeof exits / sizeof exits[0],
    };
    int rc = cli_parse(&app, argc, argv);
    if (rc != CLI_PROCEED) {
        return rc;
    }
    cli_catch_signals();
    rc = run(&state);
    return rc == CLI_DONE ? cli_finish_output() : rc;
}
