/* Rows at heights that have a stored filter header are compared with it; the ones above are stored
 * in batches, several to a transaction, without filter hashes.
 *
 *     file       0 1 2 .. .. .. 9 10 11      compared, known
 *     stored           4 .. .. 9             10, 11 are added; 0 to 3 are skipped: a run has no
 *                                            second part below */
#include "import_filters.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define BATCH 2000 /* rows stored at once */
#define POS_TEXT 64
#define REFRESH_EVERY 0.1 /* seconds; on a terminal */
#define PRINT_EVERY 1.0 /* seconds; JSON and plain lines */

struct filter_state {
    struct import_filters *i;
    const char *name; /* of the file */
    const struct spv_params *params;
    uint32_t tip, start; /* of the chain */
    bool started;
    uint32_t next; /* the height that follows in the file */
    struct spv_filter_header batch[BATCH];
    uint32_t batch_from, n;
    bool added; /* something was, from this height on */
    uint32_t added_from;
    struct spv_filter_header stored[BATCH]; /* read ahead */
    uint32_t stored_from, n_stored;
    struct spv_header blocks[BATCH];
    uint32_t blocks_from, n_blocks;
};

/* Output. */

static double rate(const struct import_filters *i)
{
    const double seconds = cli_clock() - i->started;
    return seconds > 0 ? (double)(i->added + i->known) / seconds : 0;
}

static json_t *height_or_null(const struct import_filters *i, uint32_t height)
{
    return i->any ? json_integer((json_int_t)height) : json_null();
}

static json_t *event_object(const struct import_filters *i, const char *event)
{
    return json_pack("{s:s, s:s, s:o?, s:o?, s:I, s:I, s:f}", "event", event, "network",
                     spv_store_params(i->store)->net.name, "filter_headers_from",
                     height_or_null(i, i->first), "filter_headers_to", height_or_null(i, i->last),
                     "added", (json_int_t)i->added, "known", (json_int_t)i->known, "rate", rate(i));
}

static void print_progress(struct import_filters *i)
{
    char line[4 * CLI_FIGURE + 64];
    char height[CLI_FIGURE];
    char added[CLI_FIGURE];
    char known[CLI_FIGURE];
    char speed[CLI_FIGURE];
    const double now = cli_clock();
    if (i->quiet || now - i->printed_at < (cli_live() ? REFRESH_EVERY : PRINT_EVERY) ||
        i->added + i->known == 0) {
        return;
    }
    i->printed_at = now;
    if (cli_json_on()) {
        const double share = input_done(i->in);
        json_t *o = event_object(i, "progress");
        if (o) {
            json_object_set_new(o, "percent", share < 0 ? json_null() : json_real(100 * share));
        }
        cli_json(o);
        return;
    }
    (void)snprintf(line, sizeof line, "filter headers to height %s  %s added  %s known  %s",
                   cli_count(height, i->last), cli_count(added, i->added),
                   cli_count(known, i->known), cli_rate(speed, rate(i)));
    if (cli_live()) {
        cli_status_line(line);
    } else {
        cli_print("%s", line);
    }
}

static void print_summary(const struct import_filters *i, bool done)
{
    char added[CLI_FIGURE];
    char known[CLI_FIGURE];
    char time[CLI_FIGURE];
    cli_status_line_clear();
    cli_stop_note(""); /* reported here */
    if (cli_json_on()) {
        json_t *o = event_object(i, done ? "imported" : "interrupted");
        json_t *more =
            json_pack("{s:I, s:f, s:s?, s:s, s:o?}", "below", (json_int_t)i->below, "seconds",
                      cli_clock() - i->started, "format",
                      spv_import_format_name(spv_import_format_of(i->decoder)), "compression",
                      input_compression(i->in), "database", json_string(spv_store_path(i->store)));
        if (o && more) {
            json_object_update(o, more);
        }
        json_decref(more);
        cli_json(o);
        return;
    }
    if (i->quiet) {
        return;
    }
    cli_print("%s %s filter headers to height %s, %s added, %s known, in %s, database %s",
              spv_store_params(i->store)->net.name, done ? "imported" : "interrupted",
              i->any ? CLI_COUNT(i->last) : "none", cli_count(added, i->added),
              cli_count(known, i->known), cli_duration(time, cli_clock() - i->started),
              spv_store_path(i->store));
    if (i->below > 0) {
        cli_print("%s filter headers below the first one of the database were skipped",
                  cli_count(added, i->below));
    }
    if (i->added > 0) {
        cli_print("They are not verified until a sync compares them with peers.");
    }
    if (!done) {
        cli_print("Run the same command again to resume.");
    }
}

/* Messages. */

static int filters_store_failed(const struct filter_state *s, int err)
{
    return cli_fail(err, "%s", spv_store_last_error(s->i->store));
}

static const char *format_pos(char *out, const struct spv_import_item *item)
{
    (void)snprintf(out, POS_TEXT, item->line > 0 ? "line %" PRIu64 : "byte %" PRIu64,
                   item->line > 0 ? item->line : item->offset);
    return out;
}

static const char *header_text(char out[SPV_HASH_HEX], const struct spv_filter_header *header)
{
    struct spv_hash256 hash;
    memcpy(hash.b, header->b, sizeof hash.b);
    spv_hash256_hex(out, &hash);
    return out;
}

/* The filter header of the item differs from the one that is known. What this import has added
 * leads to the wrong one: it is deleted. */
static int report_contradiction(struct filter_state *s, const struct spv_import_item *item,
                                const struct spv_filter_header *known, const char *whose)
{
    char text[POS_TEXT];
    char theirs[SPV_HASH_HEX];
    char ours[SPV_HASH_HEX];
    s->n = 0;
    if (s->added) {
        const int rc = spv_store_drop_filter_headers(s->i->store, s->added_from);
        if (rc != 0) {
            return filters_store_failed(s, rc);
        }
    }
    return cli_fail_as(CLI_FAILED, SPV_ERR_FILTER_HEADERS,
                       "%s: %s: the filter header of height %s is %s, the %s one %s. None of its "
                       "filter headers were added. Get the file from elsewhere, or sync instead.",
                       s->name, format_pos(text, item), CLI_COUNT(item->height),
                       header_text(theirs, &item->filter_header), whose, header_text(ours, known));
}

/* Storing. */

static int flush_batch(struct filter_state *s)
{
    struct import_filters *i = s->i;
    struct spv_chain_header block = {.height = 0};
    if (s->n == 0) {
        return CLI_DONE;
    }
    int rc = spv_store_by_height(i->store, &block, s->batch_from + s->n - 1);
    if (rc >= 0) {
        const struct spv_filter_update update = {
            .first = s->batch_from, .headers = s->batch, .n = s->n, .last_block = block.hash};
        rc = spv_store_apply_filter_headers_deferred(i->store, &update);
    }
    if (rc < 0) {
        s->n = 0;
        return filters_store_failed(s, rc);
    }
    i->first = i->any ? i->first : s->batch_from;
    i->last = s->batch_from + s->n - 1;
    i->any = true;
    i->added += s->n;
    s->added_from = s->added ? s->added_from : s->batch_from;
    s->added = true;
    s->n = 0;
    print_progress(i);
    return CLI_DONE;
}

/* Comparing. */

static const struct spv_filter_header *built_in_at(const struct filter_state *s, uint32_t height)
{
    for (size_t k = 0; k < s->params->n_filter_checkpoints; k++) {
        if (s->params->filter_checkpoints[k].height == height) {
            return &s->params->filter_checkpoints[k].header;
        }
    }
    return NULL;
}

/* The block that a row names is the one of the chain at its height. */
static int check_block(struct filter_state *s, const struct spv_import_item *item)
{
    char text[POS_TEXT];
    char theirs[SPV_HASH_HEX];
    char ours[SPV_HASH_HEX];
    struct spv_blockhash hash;
    if (item->height < s->blocks_from || item->height - s->blocks_from >= s->n_blocks) {
        const uint32_t left = s->tip - item->height + 1;
        const int got =
            spv_store_range(s->i->store, s->blocks, item->height, left < BATCH ? left : BATCH);
        s->blocks_from = item->height;
        s->n_blocks = got > 0 ? (uint32_t)got : 0;
        if (got < 0) {
            return filters_store_failed(s, got);
        }
        if (got == 0) {
            return CLI_DONE; /* below the first header of the chain */
        }
    }
    spv_header_hash(&hash, &s->blocks[item->height - s->blocks_from]);
    if (spv_blockhash_eq(&hash, &item->block)) {
        return CLI_DONE;
    }
    spv_blockhash_hex(theirs, &item->block);
    spv_blockhash_hex(ours, &hash);
    const int rc = flush_batch(s); /* those before are of blocks of the chain */
    return rc != CLI_DONE
               ? rc
               : cli_fail_as(CLI_FAILED, SPV_ERR_UNKNOWN_HASH,
                             "%s: %s: the block of height %s is %s, the stored one %s: the file "
                             "is of another branch. Sync, or get the file from elsewhere.",
                             s->name, format_pos(text, item), CLI_COUNT(item->height), theirs,
                             ours);
}

/* Compares a row with the stored one of its height. */
static int compare_stored(struct filter_state *s, const struct spv_import_item *item)
{
    if (item->height < s->stored_from || item->height - s->stored_from >= s->n_stored) {
        const struct spv_filter_db db = spv_store_filter_db(s->i->store);
        const uint32_t left = s->i->last - item->height + 1;
        const int got =
            db.headers(db.ctx, s->stored, NULL, item->height, left < BATCH ? left : BATCH);
        if (got <= 0) {
            return got < 0 ? filters_store_failed(s, got)
                           : cli_fail(SPV_ERR_DB_DAMAGED,
                                      "%s: the filter header of height %s is missing. Repair it "
                                      "with spv-db repair (a copy is kept), then sync again.",
                                      spv_store_path(s->i->store), CLI_COUNT(item->height));
        }
        s->stored_from = item->height;
        s->n_stored = (uint32_t)got;
        print_progress(s->i);
    }
    const struct spv_filter_header *stored = &s->stored[item->height - s->stored_from];
    if (memcmp(stored->b, item->filter_header.b, sizeof stored->b) != 0) {
        return report_contradiction(s, item, stored, "stored");
    }
    s->i->known++;
    return CLI_DONE;
}

/* The order of the file. */

/* A file begins where a run of filter headers may begin, or in the stored one. */
static int check_begin(const struct filter_state *s, uint32_t height)
{
    const struct import_filters *i = s->i;
    char stored[2 * CLI_FIGURE + 40] = "";
    if (i->any && height > (uint64_t)i->last + 1) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_FILTER_HEADERS,
                           "%s: begins at height %s, but the stored filter headers end at %s. "
                           "Import or sync those in between first.",
                           s->name, CLI_COUNT(height), CLI_COUNT(i->last));
    }
    if (height == 0 || built_in_at(s, height) || (i->any && height >= i->first)) {
        return CLI_DONE;
    }
    if (i->any) {
        (void)snprintf(stored, sizeof stored, ", or at heights %s to %s", CLI_COUNT(i->first),
                       CLI_COUNT((uint64_t)i->last + 1));
    }
    return cli_fail_as(CLI_FAILED, SPV_ERR_FILTER_HEADERS,
                       "%s: begins at height %s, and nothing shows whether its filter headers are "
                       "right. A file may begin at genesis, at a built-in filter header%s.",
                       s->name, CLI_COUNT(height), stored);
}

static int check_order(struct filter_state *s, const struct spv_import_item *item)
{
    char text[POS_TEXT];
    if (s->started && item->height != s->next) {
        const int rc = flush_batch(s);
        return rc != CLI_DONE
                   ? rc
                   : cli_fail_as(CLI_FAILED, SPV_ERR_MALFORMED,
                                 "%s: %s: height %s comes after height %s. Get the file from "
                                 "elsewhere.",
                                 s->name, format_pos(text, item), CLI_COUNT(item->height),
                                 CLI_COUNT(s->next - 1));
    }
    if (item->height > s->tip) {
        const int rc = flush_batch(s);
        return rc != CLI_DONE
                   ? rc
                   : cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                                 "%s: %s: the filter header of height %s is above the chain, which "
                                 "ends at height %s. Sync or import the headers first.",
                                 s->name, format_pos(text, item), CLI_COUNT(item->height),
                                 CLI_COUNT(s->tip));
    }
    return s->started ? CLI_DONE : check_begin(s, item->height);
}

static int import_row(struct filter_state *s, const struct spv_import_item *item)
{
    struct import_filters *i = s->i;
    int rc = check_order(s, item);
    if (rc != CLI_DONE) {
        return rc;
    }
    s->started = true;
    s->next = item->height + 1;
    const struct spv_filter_header *built_in = built_in_at(s, item->height);
    if (built_in && memcmp(built_in->b, item->filter_header.b, sizeof built_in->b) != 0) {
        return report_contradiction(s, item, built_in, "built-in");
    }
    if (item->has_block) {
        rc = check_block(s, item);
        if (rc != CLI_DONE) {
            return rc;
        }
    }
    if (i->any && item->height >= i->first && item->height <= i->last) {
        return compare_stored(s, item);
    }
    const bool begins = !i->any && s->n == 0;
    if (item->height < s->start || (i->any && item->height < i->first) ||
        (begins && item->height > 0 && !built_in)) {
        i->below++;
        return CLI_DONE;
    }
    if (s->n == 0) {
        s->batch_from = item->height;
    }
    s->batch[s->n++] = item->filter_header;
    return s->n == BATCH ? flush_batch(s) : CLI_DONE;
}

/* Reading. */

static int report_bad_file(const struct filter_state *s, int err)
{
    const char *why = spv_import_error_text(s->i->decoder);
    if (err == SPV_ERR_MAGIC) {
        return cli_usage("--input: %s: %s. Choose the right --network or --db.", s->name, why);
    }
    return cli_fail_as(CLI_FAILED, err, "%s: %s. %s", s->name, why,
                       err == SPV_ERR_SHORT         ? "Download the file again."
                       : err == SPV_ERR_UNSUPPORTED ? "Choose another file."
                                                    : "Download the file again, or choose its "
                                                      "--format.");
}

/* Imports the decoded rows. */
static int import_pending(struct filter_state *s)
{
    struct spv_import_item item;
    int got = 0;
    while ((got = spv_import_next(s->i->decoder, &item)) == 1) {
        int rc = import_row(s, &item);
        if (rc != CLI_DONE) {
            return rc;
        }
    }
    if (got == 0) {
        return CLI_DONE;
    }
    int rc = flush_batch(s); /* the rows before the error */
    return rc != CLI_DONE ? rc : report_bad_file(s, got);
}

static int read_input(struct filter_state *s)
{
    for (bool end = false; !end;) {
        size_t cap = 0;
        size_t got = 0;
        uint8_t *to = spv_import_reserve(s->i->decoder, &cap);
        int rc = input_read(s->i->in, to, cap, &got);
        if (rc != CLI_DONE) {
            return rc;
        }
        spv_import_commit(s->i->decoder, got);
        end = got == 0;
        if (end) {
            spv_import_finish(s->i->decoder);
        }
        rc = import_pending(s);
        if (rc != CLI_DONE) {
            return rc;
        }
        if (cli_stopped()) {
            return CLI_INTERRUPTED;
        }
    }
    return CLI_DONE;
}

/* Where the chain and the stored filter headers begin and end. */
static int read_bounds(struct filter_state *s)
{
    struct import_filters *i = s->i;
    const struct spv_filter_db db = spv_store_filter_db(i->store);
    struct spv_chain_header tip = {.height = 0};
    struct spv_chain_start start;
    int rc = spv_store_tip(i->store, &tip);
    if (rc < 0) {
        return filters_store_failed(s, rc);
    }
    s->tip = tip.height;
    spv_store_get_start(i->store, &start);
    s->start = start.height;
    rc = db.range(db.ctx, &i->first, &i->last);
    i->any = rc > 0;
    return rc < 0 ? filters_store_failed(s, rc) : CLI_DONE;
}

static int import_file(struct filter_state *s)
{
    int rc = read_bounds(s);
    if (rc != CLI_DONE) {
        return rc;
    }
    rc = read_input(s);
    if (rc != CLI_DONE && rc != CLI_INTERRUPTED) {
        return rc;
    }
    const int kept = flush_batch(s);
    if (kept != CLI_DONE) {
        return kept;
    }
    if (rc == CLI_DONE && !s->i->any) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                           "%s: %s begins at height %s, and the file has no built-in filter header "
                           "from there on. Nothing was stored. Download the headers below with "
                           "spv-sync --backfill.",
                           s->name, spv_store_path(s->i->store), CLI_COUNT(s->start));
    }
    return rc;
}

int import_filters_run(struct import_filters *i)
{
    struct filter_state *s = calloc(1, sizeof *s);
    if (!s) {
        return cli_fail(SPV_ERR_NOMEM, "%s. Free some memory.", spv_strerror(SPV_ERR_NOMEM));
    }
    i->started = cli_clock();
    i->printed_at = cli_live() || cli_json_on() ? 0 : i->started;
    s->i = i;
    s->name = input_name(i->in);
    s->params = spv_store_params(i->store);
    int rc = import_file(s);
    const int err = spv_store_commit(i->store); /* rows before an error are kept */
    if (err != 0) {
        rc = filters_store_failed(s, err);
    }
    free(s);
    cli_status_line_clear();
    if (rc == CLI_DONE || rc == CLI_INTERRUPTED) {
        print_summary(i, rc == CLI_DONE);
    }
    return rc;
}
