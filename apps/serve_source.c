/* Headers that are not from a database are validated by spv_chain, so that only valid chains are
 * served; the chain reads its older headers back from the same set in memory that the server then
 * answers from.
 */
#include "serve_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "spv/message.h"
#include "spv/mine.h"
#include "spv/reactor.h"

#define BATCH SPV_MAX_HEADERS /* headers validated at once */
#define REFRESH_EVERY 0.2 /* seconds */
#define REGTEST_SPACING_MIN 1 /* seconds; times are whole and must rise */
#define NOW_MARGIN 60 /* seconds that the last mined header stays before now */

static void show_progress(struct source *s, const char *deed, uint64_t done, uint64_t all)
{
    char line[3 * CLI_FIGURE], a[CLI_FIGURE], b[CLI_FIGURE];

    if (s->quiet || !cli_live() || cli_clock() - s->refreshed_at < REFRESH_EVERY)
        return;
    s->refreshed_at = cli_clock();
    snprintf(line, sizeof line, "%s header %.24s of %.24s", deed, cli_count(a, done),
             cli_count(b, all));
    cli_status_line(line);
}

/* Creates the chain that validates loaded or mined headers, on an empty set with genesis. */
static int open_chain(struct source *s)
{
    struct spv_chain_config cfg = {.params = s->params};
    int rc = header_set_new(&s->set);

    if (rc != 0)
        goto failed;
    s->header_db = header_set_db(s->set);
    cfg.header_db = s->header_db;
    rc = spv_chain_new(&s->chain, &cfg);
    if (rc != 0)
        goto failed;
    rc = header_set_add(s->set, spv_chain_tip(s->chain));
    if (rc != 0)
        goto failed;
    return 0;

failed:
    return cli_fail(rc, "chain of %s: cannot be started: %s. Free some memory.",
                    s->params->net.name, spv_strerror(rc));
}

/* Mining. */

static int on_mined(void *ctx, const struct spv_chain_header *record)
{
    struct source *s = ctx;

    show_progress(s, "mining", record->height, s->mine);
    if (cli_stopped())
        return SPV_ERR_INTERRUPTED;
    return header_set_add(s->set, record);
}

/* Returns the seconds between the times of mined headers: the network's spacing, on regtest halved
 * until the last header is before now; 0 when there is none. Simnet has the network's spacing,
 * because with a shorter one its retargets would raise the difficulty. */
static uint32_t mine_spacing(const struct source *s)
{
    int64_t room =
        spv_system_now().unix_s - NOW_MARGIN - (int64_t)spv_chain_tip(s->chain)->header.time;
    uint32_t spacing = s->params->target_spacing;

    while (spacing >= REGTEST_SPACING_MIN && (int64_t)s->mine * spacing > room) {
        if (!s->params->no_retarget)
            return 0;
        spacing /= 2;
    }
    return spacing;
}

static int mine_chain(struct source *s)
{
    struct spv_mine_plan plan = {
        .n = (uint32_t)s->mine, .seed = s->seed, .on_header = on_mined, .ctx = s};
    int rc;

    plan.spacing = mine_spacing(s);
    if (plan.spacing == 0) {
        int64_t room =
            spv_system_now().unix_s - NOW_MARGIN - (int64_t)spv_chain_tip(s->chain)->header.time;
        int64_t apart =
            s->params->no_retarget ? REGTEST_SPACING_MIN : (int64_t)s->params->target_spacing;

        return cli_usage("--mine: %s headers, %lld s apart, do not fit between the chain's last "
                         "header and now. Mine at most %s.",
                         CLI_COUNT(s->mine), (long long)apart,
                         CLI_COUNT((uint64_t)(room > 0 ? room / apart : 0)));
    }
    rc = spv_mine_chain(s->chain, &plan);
    cli_status_line_clear();
    if (rc == SPV_ERR_INTERRUPTED)
        return CLI_INTERRUPTED;
    if (rc != 0)
        return cli_fail(rc, "mining on %s: stopped at height %s: %s. Try another --seed.",
                        s->params->net.name, CLI_COUNT(spv_chain_tip(s->chain)->height),
                        spv_strerror(rc));
    if (s->verbose)
        cli_print("mined %s headers, %lu s apart, seed %llu", CLI_COUNT(s->mine),
                  (unsigned long)plan.spacing, (unsigned long long)s->seed);
    return 0;
}

/* Loading. */

/* Passes a batch to the chain, which must accept all of it, and stores it in the set. */
static int load_batch(struct source *s, const struct spv_header *headers, size_t n)
{
    struct spv_accept_result result;
    uint32_t first = spv_chain_tip(s->chain)->height + 1;
    size_t i;
    int rc = spv_chain_accept(s->chain, &result, headers, n, spv_system_now());

    if (rc != 0)
        return cli_fail(rc,
                        "%s: headers from height %s on could not be validated: %s. Free some "
                        "memory.",
                        s->headers, CLI_COUNT(first), spv_strerror(rc));
    if (result.update.kind == SPV_UPDATE_APPEND) {
        for (i = 0; i < result.update.n && rc == 0; i++)
            rc = header_set_add(s->set, &result.update.headers[i]);
        if (rc != 0)
            return cli_fail(rc, "%s: does not fit in memory: %s. Serve a --db instead.", s->headers,
                            spv_strerror(rc));
        spv_chain_stored(s->chain);
    }
    if (result.error == 0 && result.accepted == n)
        return 0;
    rc = result.error != 0 ? result.error : SPV_ERR_HDR_NONCONTINUOUS;
    return cli_fail(rc, "%s: the header at height %s is not valid on %s: %s. %s", s->headers,
                    CLI_COUNT(first + result.index), s->params->net.name, spv_strerror(rc),
                    rc == SPV_ERR_HDR_TIME_FUTURE
                        ? "Check this computer's clock, or serve the file later."
                        : "Check the file and --network.");
}

static int check_genesis(const struct source *s, const uint8_t raw[SPV_HEADER_SIZE])
{
    uint8_t want[SPV_HEADER_SIZE];
    int i;

    spv_header_encode(want, &s->params->genesis);
    if (memcmp(want, raw, sizeof want) == 0)
        return 0;
    for (i = 0; i < SPV_NETWORKS; i++) {
        const struct spv_params *other = spv_params_get((enum spv_network)i);

        spv_header_encode(want, &other->genesis);
        if (memcmp(want, raw, sizeof want) == 0)
            return cli_usage("--headers: %s contains headers of %s, not of %s. Add --network %s.",
                             s->headers, other->net.name, s->params->net.name, other->net.name);
    }
    return cli_fail(
        SPV_ERR_HDR_GENESIS,
        "%s: does not start with the genesis header of any known network. It must contain "
        "raw 80-byte headers from height 0 on, as 'spv-export --format raw' writes them.",
        s->headers);
}

static int load_file(struct source *s, FILE *f, uint8_t *raw, struct spv_header *headers)
{
    uint64_t total = 0;
    size_t got, n, i;
    int rc;

    for (;;) {
        got = fread(raw, 1, (size_t)BATCH * SPV_HEADER_SIZE, f);
        n = got / SPV_HEADER_SIZE;
        if (ferror(f) && cli_stopped())
            return CLI_INTERRUPTED;
        if (ferror(f))
            return cli_fail(SPV_ERR_IO, "%s: cannot be read: %s. Check the file.", s->headers,
                            strerror(errno));
        if (got == 0 && total == 0)
            return cli_fail(SPV_ERR_SHORT, "%s: is empty. Copy or export it again.", s->headers);
        if (got % SPV_HEADER_SIZE != 0)
            return cli_fail(SPV_ERR_SHORT,
                            "%s: its size is not a multiple of 80 bytes. Copy or export it again.",
                            s->headers);
        if (total == 0 && (rc = check_genesis(s, raw)) != 0)
            return rc;
        for (i = 0; i < n; i++)
            spv_header_decode(&headers[i], raw + i * SPV_HEADER_SIZE);
        i = total == 0 ? 1 : 0; /* the set has genesis already */
        if (n > i && (rc = load_batch(s, headers + i, n - i)) != 0)
            return rc;
        total += n;
        show_progress(s, "loading", total, total);
        if (cli_stopped())
            return CLI_INTERRUPTED;
        if (n < BATCH)
            return 0;
    }
}

static int load_source(struct source *s)
{
    uint8_t *raw = malloc((size_t)BATCH * SPV_HEADER_SIZE);
    struct spv_header *headers = malloc(BATCH * sizeof *headers);
    FILE *f = cli_fopen_input(s->headers);
    int rc;

    if (!f)
        rc = cli_fail(SPV_ERR_IO, "%s: cannot be opened: %s. Check the path.", s->headers,
                      strerror(errno));
    else if (!raw || !headers)
        rc = cli_fail(SPV_ERR_NOMEM, "%s: %s. Free some memory.", s->headers,
                      spv_strerror(SPV_ERR_NOMEM));
    else
        rc = load_file(s, f, raw, headers);
    cli_status_line_clear();
    if (f)
        fclose(f);
    free(headers);
    free(raw);
    return rc;
}

/* Reads the stored chain into the set. Returns 0 or an error. */
static int read_all(struct source *s, uint32_t tip)
{
    struct spv_store_iter *iter = NULL;
    struct spv_chain_header record;
    int rc = header_set_new(&s->set);

    if (rc != 0)
        return rc;
    rc = spv_store_iter_open(&iter, s->store, 0, tip);
    if (rc != 0)
        return rc;
    while ((rc = spv_store_iter_next(iter, &record)) == 1) {
        rc = header_set_add(s->set, &record);
        if (rc != 0)
            break;
        show_progress(s, "loading", record.height, tip);
        if (cli_stopped()) {
            rc = SPV_ERR_INTERRUPTED;
            break;
        }
    }
    spv_store_iter_close(iter);
    cli_status_line_clear();
    return rc;
}

/* A database without its hash index cannot answer locators: its headers are read into memory, and
 * those that another process adds follow. */
static int load_unindexed(struct source *s, uint32_t tip)
{
    const int rc = read_all(s, tip);

    if (rc == SPV_ERR_INTERRUPTED)
        return CLI_INTERRUPTED;
    if (rc != 0)
        return cli_fail(rc,
                        "%s: cannot be read into memory: %s. Let spv-sync finish first: its "
                        "hash index makes this unnecessary.",
                        s->path, spv_strerror(rc));
    s->header_db = serve_follow_begin(&s->follow, s->store, s->set);
    s->set = NULL;
    return 0;
}

int source_database(struct source *s, const char *path, const struct spv_params *params)
{
    struct spv_store_config cfg = {
        .path = path, .params = params, .mode = SPV_STORE_READ, .stop = cli_stop()};
    struct spv_error_info why;
    struct spv_chain_header tip;
    struct spv_chain_start base;
    int rc;

    s->path = path;
    rc = spv_store_open(&s->store, &cfg, &why);
    if (rc != 0)
        return cli_print_error_info(&why);
    s->params = spv_store_params(s->store);
    s->header_db = spv_store_header_db(s->store);
    s->filter_db = spv_store_filter_db(s->store);
    rc = spv_store_tip(s->store, &tip);
    if (rc < 0)
        return cli_fail(rc, "%s: cannot be read: %s. See spv-sync(1) on damaged databases.",
                        s->path, spv_strerror(rc));
    spv_store_get_start(s->store, &base);
    if (base.height > 0 && !s->quiet)
        cli_warn(
            "%s: begins at height %s: a client whose chain ends below gets no headers. Download "
            "the headers below with spv-sync --backfill.",
            s->path, CLI_COUNT(base.height));
    /* not above genesis: locators that reach below the first height do not match there */
    if (rc == 1 && base.height == 0 && !spv_store_indexed(s->store))
        return load_unindexed(s, tip.height);
    return 0;
}

int source_validated(struct source *s, const char *headers, uint64_t count, uint64_t seed)
{
    int rc = open_chain(s);

    s->headers = headers;
    s->mine = count;
    s->seed = seed;
    if (rc != 0)
        goto done;
    if (headers) {
        rc = load_source(s);
        if (rc != 0)
            goto done;
    }
    if (count > 0)
        rc = mine_chain(s);
done:
    spv_chain_free(s->chain); /* all valid: only the set is needed from here on */
    s->chain = NULL;
    return rc;
}

int source_close(struct source *s)
{
    int rc;

    serve_follow_end(&s->follow);
    rc = spv_store_close(s->store);
    header_set_free(s->set);
    s->store = NULL;
    s->set = NULL;
    return rc;
}
