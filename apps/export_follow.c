/* SQLite's data_version changes when another connection commits; polling it reads one page. Only
 * after a change the tip is read. The hashes of written headers are kept in a ring with the
 * capacity of all side branches together, so that the fork is found by comparison with the
 * database. The next rows are read from one snapshot whose first row must be the fork itself; if
 * the chain has changed again meanwhile, the search is repeated. */
#include "export_follow.h"

#include <poll.h>
#include <stdlib.h>

#include "cli.h"

#define LOOK_EVERY_MS 250 /* between two reads of data_version */
#define RING SPV_CHAIN_BRANCH_HEADERS /* deeper reorganisations are refused: 512 KiB */

struct follow {
    struct spv_store *store;
    const struct spv_export_rows *rows;
    struct sink *sink;
    bool quiet;
    uint32_t version; /* data_version at the last read */
    uint64_t next; /* the height to be written next */
    struct spv_blockhash ring[RING]; /* by height modulo RING */
};

struct follow *follow_new(struct spv_store *store, const struct spv_export_rows *rows,
                          struct sink *sink, bool quiet)
{
    struct follow *f = calloc(1, sizeof *f);
    if (!f) {
        return NULL;
    }
    f->store = store;
    f->rows = rows;
    f->sink = sink;
    f->quiet = quiet;
    f->next = rows->from;
    /* from before the first row is read, so that no commit is missed */
    if (spv_store_data_version(store, &f->version) != 0) {
        f->version = 0;
    }
    return f;
}

void follow_free(struct follow *f)
{
    free(f);
}

void follow_wrote(struct follow *f, const struct spv_chain_header *record)
{
    f->ring[record->height % RING] = record->hash;
    f->next = (uint64_t)record->height + 1;
}

static int store_failed(struct follow *f, int err)
{
    if (err == SPV_ERR_DB_BUSY && cli_stopped()) { /* the signal ended the wait for a lock */
        return CLI_INTERRUPTED;
    }
    return cli_fail(err, "%s", spv_store_last_error(f->store));
}

/* Sets *above to the highest written height whose header the database still has, plus one; to the
 * first height when there is none. Returns an exit code. */
static int find_fork(struct follow *f, uint64_t *above)
{
    uint64_t low = f->rows->from;
    if (f->next - low > RING) {
        low = f->next - RING;
    }
    for (*above = f->next; *above > low; (*above)--) {
        uint32_t height = (uint32_t)(*above - 1);
        struct spv_chain_header r;
        int rc = spv_store_by_height(f->store, &r, height);
        if (rc < 0) {
            return store_failed(f, rc);
        }
        if (rc == 1 && spv_blockhash_eq(&r.hash, &f->ring[height % RING])) {
            return CLI_DONE;
        }
    }
    if (low > f->rows->from) {
        return cli_fail_as(
            CLI_FAILED, SPV_ERR_TOO_LONG,
            "%s: the chain was reorganised more than %s headers deep, which --follow "
            "does not support. Export again.",
            spv_store_path(f->store), CLI_COUNT(RING));
    }
    return CLI_DONE;
}

/* Removes or marks the written rows from height `above` on. */
static int undo_rows(struct follow *f, uint64_t above, const struct spv_blockhash *fork)
{
    uint32_t removed = (uint32_t)(f->next - above);
    uint32_t fork_height = above > 0 ? (uint32_t)(above - 1) : 0;
    const bool cut = spv_export_format_reorg(f->rows->format) == SPV_EXPORT_REORG_CUT;
    f->next = above;
    if (!f->quiet) {
        cli_warn("%s: reorganisation: %s headers above height %s %s.", f->sink->name,
                 CLI_COUNT(removed), CLI_COUNT(fork_height),
                 cut ? "are removed" : "are marked as stale");
    }
    if (cut) {
        uint64_t end = above == f->rows->from
                           ? spv_export_rows_end_of(f->rows, above) - SPV_HEADER_SIZE
                           : spv_export_rows_end_of(f->rows, above - 1);
        return sink_cut(f->sink, end);
    }
    (void)spv_export_rows_reorg(f->rows, fork_height, fork, removed);
    return CLI_DONE;
}

/* Writes the rows of one snapshot from height `above` on. *again: the snapshot does not contain the
 * fork; search again. */
static int write_from(struct follow *f, uint64_t above, bool *again)
{
    struct spv_store_iter *walk = NULL;
    struct spv_chain_header r;
    bool based = above > f->rows->from; /* the snapshot's first row must be the fork */
    int rc =
        spv_store_iter_open(&walk, f->store, (uint32_t)(based ? above - 1 : above), UINT32_MAX);
    int code = CLI_DONE;
    if (rc == 0 && based) {
        rc = spv_store_iter_next(walk, &r);
        *again = rc == 0 || (rc > 0 && !spv_blockhash_eq(&r.hash, &f->ring[r.height % RING]));
    }
    bool ready = rc >= 0 && !*again;
    rc = ready ? spv_store_iter_next(walk, &r) : rc;
    if (ready && rc >= 0 && above < f->next) {
        /* without a fork among the rows, the first new one must follow the last */
        code = undo_rows(f, above, based ? &f->ring[(above - 1) % RING] : &r.header.prev);
    }
    while (ready && rc > 0 && code == CLI_DONE && f->sink->error == 0) {
        (void)spv_export_rows_row(f->rows, &r); /* an error stays in the sink */
        follow_wrote(f, &r);
        rc = spv_store_iter_next(walk, &r);
    }
    spv_store_iter_close(walk);
    return rc < 0 ? store_failed(f, rc) : code;
}

static int catch_up(struct follow *f)
{
    uint64_t above = f->next;
    bool again = false;
    int rc = CLI_DONE;
    do {
        rc = find_fork(f, &above);
        again = false;
        if (rc == CLI_DONE) {
            rc = write_from(f, above, &again);
        }
    } while (rc == CLI_DONE && again && !cli_stopped());
    return rc == CLI_DONE ? sink_publish(f->sink) : rc;
}

/* Waits until the next poll. Returns true when the reader of a pipe has closed it. */
static bool wait_for_look(const struct follow *f)
{
    struct pollfd out = {.fd = f->sink->fd, .events = 0};
    return poll(&out, 1, LOOK_EVERY_MS) > 0; /* a signal ends the wait as well */
}

int follow_run(struct follow *f)
{
    int rc = sink_publish(f->sink);
    while (rc == CLI_DONE && !cli_stopped()) {
        uint32_t version = 0;
        int err = spv_store_data_version(f->store, &version);
        if (err != 0) {
            return store_failed(f, err);
        }
        if (version == f->version) {
            if (wait_for_look(f)) {
                return CLI_DONE;
            }
            continue;
        }
        f->version = version;
        rc = catch_up(f);
    }
    return rc == CLI_DONE ? CLI_INTERRUPTED : rc;
}
