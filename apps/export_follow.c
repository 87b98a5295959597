/* SQLite's data_version changes when another connection commits; polling it reads one page. Only
 * after a change the tip is read. The hashes of written headers are kept in a ring with the
 * capacity of all side branches together, so that the fork is found by comparison with the
 * database. The next rows are read from one snapshot whose first row must be the fork itself; if
 * the chain has changed stale meanwhile, the search is repeated. */
#include "export_follow.h"

#include <poll.h>
#include <stdlib.h>

#include "cli.h"

#define POLL_MS 250 /* between two reads of data_version */
#define RING SPV_CHAIN_BRANCH_HEADERS /* deeper reorganisations are refused: 512 KiB */

struct export_follow {
    struct spv_store *store;
    const struct spv_export_rows *rows;
    struct output_file *out;
    bool quiet;
    uint32_t version; /* data_version at the last read */
    uint64_t next; /* the height to be written next */
    struct spv_blockhash ring[RING]; /* by height modulo RING */
};

struct export_follow *export_follow_new(struct spv_store *store, const struct spv_export_rows *rows,
                                        struct output_file *out, bool quiet)
{
    struct export_follow *f = calloc(1, sizeof *f);
    if (!f) {
        return NULL;
    }
    f->store = store;
    f->rows = rows;
    f->out = out;
    f->quiet = quiet;
    f->next = rows->from;
    /* from before the first row is read, so that no commit is missed */
    if (spv_store_data_version(store, &f->version) != 0) {
        f->version = 0;
    }
    return f;
}

void export_follow_free(struct export_follow *f)
{
    free(f);
}

void export_follow_wrote(struct export_follow *f, const struct spv_chain_header *record)
{
    f->ring[record->height % RING] = record->hash;
    f->next = (uint64_t)record->height + 1;
}

static int store_failed(struct export_follow *f, int err)
{
    if (err == SPV_ERR_INTERRUPTED && cli_stopped()) { /* the signal ended the wait for a lock */
        return CLI_INTERRUPTED;
    }
    return cli_fail(err, "%s", spv_store_last_error(f->store));
}

/* Sets *above to the highest written height whose header the database still has, plus one; to the
 * first height when there is none. Returns an exit code. */
static int find_fork(struct export_follow *f, uint64_t *above)
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
            "does not support. Export stale.",
            spv_store_path(f->store), CLI_COUNT(RING));
    }
    return CLI_DONE;
}

/* Removes or marks the written rows from height `above` on. */
static int undo_rows(struct export_follow *f, uint64_t above, const struct spv_blockhash *fork)
{
    uint32_t removed = (uint32_t)(f->next - above);
    uint32_t fork_height = above > 0 ? (uint32_t)(above - 1) : 0;
    const bool cut = spv_export_format_reorg(f->rows->format) == SPV_EXPORT_REORG_CUT;
    f->next = above;
    if (!f->quiet) {
        cli_warn("%s: reorganisation: %s headers above height %s %s.", f->out->name,
                 CLI_COUNT(removed), CLI_COUNT(fork_height),
                 cut ? "are removed" : "are marked as stale");
    }
    if (cut) {
        uint64_t end = above == f->rows->from
                           ? spv_export_rows_end_offset(f->rows, above) - SPV_HEADER_SIZE
                           : spv_export_rows_end_offset(f->rows, above - 1);
        return output_file_truncate(f->out, end);
    }
    (void)spv_export_rows_reorg(f->rows, fork_height, fork, removed);
    return CLI_DONE;
}

/* Writes the rows of one snapshot from height `above` on. *stale: the snapshot does not contain the
 * fork; search stale. */
static int write_from(struct export_follow *f, uint64_t above, bool *stale)
{
    struct spv_store_iter *iter = NULL;
    struct spv_chain_header r;
    bool based = above > f->rows->from; /* the snapshot's first row must be the fork */
    int rc =
        spv_store_iter_open(&iter, f->store, (uint32_t)(based ? above - 1 : above), UINT32_MAX);
    int code = CLI_DONE;
    if (rc == 0 && based) {
        rc = spv_store_iter_next(iter, &r);
        *stale = rc == 0 || (rc > 0 && !spv_blockhash_eq(&r.hash, &f->ring[r.height % RING]));
    }
    bool ready = rc >= 0 && !*stale;
    rc = ready ? spv_store_iter_next(iter, &r) : rc;
    if (ready && rc >= 0 && above < f->next) {
        /* without a fork among the rows, the first new one must follow the last */
        code = undo_rows(f, above, based ? &f->ring[(above - 1) % RING] : &r.header.prev);
    }
    while (ready && rc > 0 && code == CLI_DONE && f->out->error == 0) {
        (void)spv_export_rows_row(f->rows, &r); /* an error stays in the out */
        export_follow_wrote(f, &r);
        rc = spv_store_iter_next(iter, &r);
    }
    spv_store_iter_close(iter);
    return rc < 0 ? store_failed(f, rc) : code;
}

static int catch_up(struct export_follow *f)
{
    uint64_t above = f->next;
    bool stale = false;
    do {
        int rc = find_fork(f, &above);
        if (rc != CLI_DONE) {
            return rc;
        }
        stale = false;
        rc = write_from(f, above, &stale);
        if (rc != CLI_DONE) {
            return rc;
        }
    } while (stale && !cli_stopped());
    return output_file_publish(f->out);
}

/* Waits until the next poll. Returns true when the reader of a pipe has closed it. */
static bool wait_for_poll(const struct export_follow *f)
{
    struct pollfd out = {.fd = f->out->fd, .events = 0};
    return poll(&out, 1, POLL_MS) > 0; /* a signal ends the wait as well */
}

int export_follow_run(struct export_follow *f)
{
    int rc = output_file_publish(f->out);
    while (rc == CLI_DONE && !cli_stopped()) {
        uint32_t version = 0;
        int err = spv_store_data_version(f->store, &version);
        if (err != 0) {
            return store_failed(f, err);
        }
        if (version == f->version) {
            if (wait_for_poll(f)) {
                return CLI_DONE;
            }
            continue;
        }
        f->version = version;
        rc = catch_up(f);
    }
    return rc == CLI_DONE ? CLI_INTERRUPTED : rc;
}
