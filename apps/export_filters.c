/* Batches of filter headers and, for the text formats, of headers, whose hashes are computed again.
 * Filter headers whose filter hashes are known are linked again, so that what is written follows
 * from what was checked when it was stored, or the export fails. */
#include "export_filters.h"

#include <inttypes.h>
#include <string.h>

#include "cli.h"
#include "spv/filter.h"

#define BATCH 2000 /* rows read at once */

struct batch {
    uint32_t from;
    uint32_t n;
    struct spv_filter_header headers[BATCH];
    struct spv_filter_hash hashes[BATCH];
    struct spv_header blocks[BATCH];
    struct spv_filter_header below; /* of the height below `from`; only when from > 0 */
    bool linked; /* below is valid */
};

static int store_failed(const struct export_filters *f, int err)
{
    return cli_fail(err, "%s", spv_store_last_error(f->store));
}

static int check_heights(struct export_filters *f, uint32_t first, uint32_t last)
{
    const char *path = spv_store_path(f->store);
    if (f->from == EXPORT_FILTERS_ALL) {
        f->from = first;
    }
    if (f->to == EXPORT_FILTERS_ALL) {
        f->to = last;
    }
    if (f->from < first || f->from > last || f->to > last || f->to < first) {
        const bool is_from = f->from < first || f->from > last;
        return cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                           "%s %" PRIu64
                           ": %s has the filter headers of heights %s to %s. Choose among them, or "
                           "sync further.",
                           is_from ? "--from" : "--to", is_from ? f->from : f->to, path,
                           CLI_COUNT(first), CLI_COUNT(last));
    }
    if (f->format == SPV_EXPORT_RAW && first > 0) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                           "%s: its filter headers begin at height %s, and a raw file begins at "
                           "genesis. Use the format neutrino, csv or jsonl.",
                           path, CLI_COUNT(first));
    }
    if (f->format == SPV_EXPORT_RAW && f->from > 0) {
        return cli_usage("--from: %" PRIu64 ", but a raw file begins at genesis. Use the format "
                         "neutrino, csv or jsonl.",
                         f->from);
    }
    return CLI_DONE;
}

int export_filters_begin(struct export_filters *f)
{
    const struct spv_header_db blocks = spv_store_header_db(f->store);
    const struct spv_filter_db db = spv_store_filter_db(f->store);
    uint32_t first = 0;
    uint32_t last = 0;
    int rc = blocks.begin_read(blocks.ctx);
    if (rc != 0) {
        return store_failed(f, rc);
    }
    rc = db.range(db.ctx, &first, &last);
    if (rc < 0) {
        rc = store_failed(f, rc);
    } else if (rc == 0) {
        rc = cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                         "%s: has no filter headers. Import some with spv-import "
                         "--filter-headers.",
                         spv_store_path(f->store));
    } else {
        rc = check_heights(f, first, last);
    }
    if (rc != CLI_DONE) {
        export_filters_end(f);
    }
    return rc;
}

void export_filters_end(struct export_filters *f)
{
    const struct spv_header_db blocks = spv_store_header_db(f->store);
    blocks.end_read(blocks.ctx);
}

/* Links rows at..n - 1 again, up to the first whose filter hash is not known. Returns how many, or
 * an error that was reported: negative. */
static int check_links(const struct export_filters *f, struct batch *b, uint32_t at)
{
    const struct spv_filter_db db = spv_store_filter_db(f->store);
    const int got = db.headers(db.ctx, NULL, b->hashes, b->from + at, b->n - at);
    for (int i = 0; i < got; i++) {
        static const struct spv_filter_header zero;
        const uint32_t k = at + (uint32_t)i;
        const struct spv_filter_header *prev = k > 0              ? &b->headers[k - 1]
                                               : b->from + k == 0 ? &zero
                                               : b->linked        ? &b->below
                                                                  : NULL;
        struct spv_filter_header want;
        if (!prev) {
            continue;
        }
        spv_filter_compute_header(&want, &b->hashes[i], prev);
        if (memcmp(want.b, b->headers[k].b, sizeof want.b) != 0) {
            (void)cli_fail(SPV_ERR_DB_DAMAGED,
                           "%s: the filter header of height %s is not the hash of its filter hash "
                           "and the filter header below. Repair it with spv-db repair (a copy is "
                           "kept), then sync again.",
                           spv_store_path(f->store), CLI_COUNT(b->from + k));
            return SPV_ERR_DB_DAMAGED;
        }
    }
    if (got < 0) {
        (void)store_failed(f, got);
    }
    return got;
}

/* Reads the batch that begins at b->from. */
static int read_batch(const struct export_filters *f, struct batch *b, bool with_blocks)
{
    const struct spv_filter_db db = spv_store_filter_db(f->store);
    const uint64_t left = f->to - b->from + 1;
    b->n = left < BATCH ? (uint32_t)left : BATCH;
    int rc = db.headers(db.ctx, b->headers, NULL, b->from, b->n);
    if (rc >= 0 && (uint32_t)rc < b->n) {
        return cli_fail(SPV_ERR_DB_DAMAGED,
                        "%s: the filter header of height %s is missing. Repair it with spv-db "
                        "repair (a copy is kept), then sync again.",
                        spv_store_path(f->store), CLI_COUNT(b->from + (uint32_t)rc));
    }
    if (rc >= 0 && with_blocks) {
        rc = spv_store_range(f->store, b->blocks, b->from, b->n);
        if (rc >= 0 && (uint32_t)rc < b->n) {
            return cli_fail(SPV_ERR_DB_DAMAGED,
                            "%s: the header of height %s is missing. See spv-sync(1) on damaged "
                            "databases.",
                            spv_store_path(f->store), CLI_COUNT(b->from + (uint32_t)rc));
        }
    }
    if (rc < 0) {
        return store_failed(f, rc);
    }
    /* only the first row of a run usually has no filter hash; rows that were imported have none */
    int linked = check_links(f, b, 0);
    if (linked >= 0 && (uint32_t)linked + 1 < b->n) {
        linked = check_links(f, b, (uint32_t)linked + 1);
    }
    return linked < 0 ? (int)cli_exit_of(linked) : CLI_DONE;
}

int export_filters_write(const struct export_filters *f, const struct spv_export_rows *rows,
                         const struct output_file *out)
{
    static struct batch b; /* 300 KB */
    const bool text = f->format == SPV_EXPORT_CSV || f->format == SPV_EXPORT_JSONL;
    int rc = spv_export_filters_begin(rows);
    b.linked = false;
    for (uint64_t next = f->from; rc == 0 && next <= f->to;) {
        b.from = (uint32_t)next;
        const int code = read_batch(f, &b, text);
        if (code != CLI_DONE) {
            return code;
        }
        for (uint32_t i = 0; rc == 0 && i < b.n; i++) {
            struct spv_blockhash hash = {{0}};
            if (text) {
                spv_header_hash(&hash, &b.blocks[i]);
            }
            rc = spv_export_filters_row(rows, b.from + i, &hash, &b.headers[i]);
        }
        b.below = b.headers[b.n - 1];
        b.linked = true;
        next += b.n;
        if (f->progress) {
            f->progress(f->ctx, next - f->from);
        }
    }
    return output_file_exit(out, rc);
}
