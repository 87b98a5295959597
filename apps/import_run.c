/* A header at a height that the database has is compared with the stored one: if equal, it is known
 * and skipped. The first one that differs or is above the tip, and all after it, are passed to the
 * chain in batches; accepted headers are stored, a few batches per transaction.
 *
 * A file may fork from the stored chain. Its headers are then a side branch of the chain until they
 * have more work; only then are they stored, as a reorganisation. If the file ends before, it
 * contradicts the database and is refused: no header of that branch was stored. Headers that the
 * file itself marks as side branches are stored as such.
 *
 * Headers that are not continuous (side branches, headers after a reorganisation) need no special
 * case: the chain returns the index of the break, and the rest is passed to it again. */
#include "import_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "spv/reactor.h"

/* Messages. */

#define POS_TEXT 64

static const char *format_pos(char *out, const struct file_pos *p)
{
    if (p->line > 0) {
        (void)snprintf(out, POS_TEXT, "line %" PRIu64, p->line);
    } else {
        (void)snprintf(out, POS_TEXT, "byte %" PRIu64, p->offset);
    }
    return out;
}

/* Writes the hash that the database, or a checkpoint, has at a height, or "unknown". */
static void competing_header(const struct import_state *s, char out[SPV_HASH_HEX],
                             const char **whose, uint32_t height)
{
    const struct spv_params *params = spv_store_params(s->i->store);
    struct spv_chain_header r;
    *whose = "the stored header is";
    if (spv_store_by_height(s->i->store, &r, height) == 1) {
        spv_blockhash_hex(out, &r.hash);
        return;
    }
    (void)snprintf(out, SPV_HASH_HEX, "unknown");
    for (size_t k = 0; k < params->n_checkpoints; k++) {
        if (params->checkpoints[k].height == height) {
            *whose = "the checkpoint is";
            spv_blockhash_hex(out, &params->checkpoints[k].hash);
        }
    }
}

static const char *advice(int err)
{
    switch (err) {
    case SPV_ERR_HDR_TIME_FUTURE:
        return "Check this computer's clock, or import again later.";
    case SPV_ERR_HDR_UNCONNECTING:
    case SPV_ERR_FORK_BELOW_START:
        return "Import or sync the preceding headers first.";
    case SPV_ERR_CHAIN_BRANCHES:
        return "Import into an empty database.";
    default:
        return "Get the file from elsewhere, or sync instead.";
    }
}

/* The header at `at` of the batch was not accepted. */
static int report_invalid(const struct import_state *s, size_t at, int err)
{
    const struct file_pos *p = &s->positions[at];
    struct spv_blockhash hash;
    char hex[SPV_HASH_HEX];
    char other[SPV_HASH_HEX];
    char text[POS_TEXT];
    const char *whose;
    spv_header_hash(&hash, &s->headers[at]);
    spv_blockhash_hex(hex, &hash);
    if (err == SPV_ERR_HDR_CHECKPOINT || err == SPV_ERR_HDR_FORK_DEPTH) {
        competing_header(s, other, &whose, p->height);
        return cli_fail_as(CLI_FAILED, err, "%s: %s: the header of height %s, %s, %s; %s %s. %s",
                           s->name, format_pos(text, p), CLI_COUNT(p->height), hex,
                           spv_strerror(err), whose, other, advice(err));
    }
    return cli_fail_as(CLI_FAILED, err, "%s: %s: the header of height %s, %s: %s. %s", s->name,
                       format_pos(text, p), CLI_COUNT(p->height), hex, spv_strerror(err),
                       advice(err));
}

/* Validating and storing. */

static int store_change(struct import_state *s, const struct spv_chain_update *change)
{
    struct import *i = s->i;
    if (change->kind == SPV_UPDATE_NONE) {
        return CLI_DONE;
    }
    /* a branch without more work is in memory only, unless the file marks it as one */
    if (change->kind != SPV_UPDATE_BRANCH || s->side) {
        int rc = spv_store_apply_deferred(i->store, change);
        if (rc != 0) {
            return import_store_failed(s, rc);
        }
    }
    if (change->kind == SPV_UPDATE_BRANCH) {
        i->counts.side += s->side ? change->n : 0;
    } else {
        i->counts.added += change->n;
        s->tip = change->headers[change->n - 1].height;
        s->n_stored = 0; /* the headers read ahead may be stale */
    }
    if (change->kind == SPV_UPDATE_REORG) {
        i->counts.reorgs++;
        if (i->reorganised) {
            i->reorganised(i->ctx, change);
        }
    }
    spv_chain_stored(i->chain);
    return CLI_DONE;
}

/* Compares the height in the file with that of the chain. */
static int check_height(const struct import_state *s, const struct spv_accept_result *v, size_t at)
{
    char text[POS_TEXT];
    const struct file_pos *p = &s->positions[at + v->known];
    if (v->accepted == 0) {
        return CLI_DONE;
    }
    uint32_t last = v->update.headers[v->update.n - 1].height;
    uint32_t height = last - (uint32_t)v->accepted + 1;
    return height == p->height
               ? CLI_DONE
               : cli_fail_as(CLI_FAILED, SPV_ERR_MALFORMED,
                             "%s: %s: the header is one of height %s, not %s. Get the file from "
                             "elsewhere, or sync instead.",
                             s->name, format_pos(text, p), CLI_COUNT(height), CLI_COUNT(p->height));
}

/* Errors for which a header of a marked side branch is skipped. */
static bool may_leave_out(int err)
{
    return err == SPV_ERR_HDR_FORK_DEPTH || err == SPV_ERR_CHAIN_BRANCHES ||
           err == SPV_ERR_HDR_UNCONNECTING || err == SPV_ERR_FORK_BELOW_START;
}

/* Passes the batch from *at on to the chain and moves *at past the headers that were processed. */
static int accept_part(struct import_state *s, size_t *at)
{
    struct import *i = s->i;
    struct spv_accept_result v;
    int rc = spv_chain_accept(i->chain, &v, s->headers + *at, s->n - *at, spv_system_now());
    if (rc == 0 && v.error == SPV_ERR_HDR_UNCONNECTING && v.index == 0 &&
        !spv_store_indexed(i->store)) {
        /* an interrupted load left no index, without which a stored parent is not found */
        rc = spv_store_build_index(i->store);
        if (rc != 0) {
            return import_store_failed(s, rc);
        }
        rc = spv_chain_accept(i->chain, &v, s->headers + *at, s->n - *at, spv_system_now());
    }
    if (rc != 0) {
        return import_store_failed(s, rc);
    }
    i->counts.known += v.known;
    rc = check_height(s, &v, *at);
    if (rc != CLI_DONE) {
        return rc;
    }
    rc = store_change(s, &v.update);
    if (rc != CLI_DONE) {
        return rc;
    }
    *at += v.index;
    if (v.error == 0 || v.error == SPV_ERR_HDR_NONCONTINUOUS) {
        return CLI_DONE; /* the rest is passed to the chain again */
    }
    if (s->side && may_leave_out(v.error)) {
        i->counts.left_out++;
        (*at)++;
        return CLI_DONE;
    }
    return report_invalid(s, *at, v.error);
}

static int flush_batch(struct import_state *s)
{
    for (size_t at = 0; at < s->n;) {
        int rc = accept_part(s, &at);
        if (rc != CLI_DONE) {
            s->n = 0;
            return rc;
        }
    }
    s->n = 0;
    if (s->i->progress) {
        s->i->progress(s->i->ctx, spv_chain_tip(s->i->chain), &s->i->counts);
    }
    return CLI_DONE;
}

static int add_header(struct import_state *s, const struct spv_import_item *item,
                      const struct file_pos *p)
{
    s->headers[s->n] = item->header;
    s->positions[s->n] = *p;
    s->n++;
    return s->n == BATCH ? flush_batch(s) : CLI_DONE;
}

/* Comparing the file with the database. */

static bool same_header(const struct spv_header *a, const struct spv_header *b)
{
    return a->version == b->version && spv_blockhash_eq(&a->prev, &b->prev) &&
           memcmp(&a->merkle_root, &b->merkle_root, sizeof a->merkle_root) == 0 &&
           a->time == b->time && a->bits == b->bits && a->nonce == b->nonce;
}

/* Returns the stored header of a height at or below the tip, or NULL and *rc. */
static const struct spv_header *read_stored(struct import_state *s, uint32_t height, int *rc)
{
    if (height < s->stored_from || height - s->stored_from >= s->n_stored) {
        uint32_t left = s->tip - height + 1;
        int got = spv_store_range(s->i->store, s->stored, height, left < BATCH ? left : BATCH);
        s->stored_from = height;
        s->n_stored = got > 0 ? (uint32_t)got : 0;
        if (got <= 0) {
            *rc = got < 0 ? import_store_failed(s, got)
                          : cli_fail(SPV_ERR_DB_DAMAGED,
                                     "%s: the header of height %s is missing. See "
                                     "spv-sync(1) on damaged databases.",
                                     spv_store_path(s->i->store), CLI_COUNT(height));
            return NULL;
        }
        if (s->i->progress) {
            s->i->progress(s->i->ctx, spv_chain_tip(s->i->chain), &s->i->counts);
        }
    }
    return &s->stored[height - s->stored_from];
}

/* Reports which network the genesis header in the file belongs to. */
static int report_other_genesis(const struct import_state *s, const struct spv_import_item *item)
{
    const struct spv_params *params = spv_store_params(s->i->store);
    for (int n = 0; n < SPV_NETWORKS; n++) {
        const struct spv_params *other = spv_params_get((enum spv_network)n);
        if (same_header(&other->genesis, &item->header)) {
            return cli_usage("--input: %s contains headers of %s, not of %s. Add --network %s.",
                             s->name, other->net.name, params->net.name, other->net.name);
        }
    }
    return cli_fail_as(CLI_FAILED, SPV_ERR_HDR_GENESIS,
                       "%s: does not begin with the genesis header of any known network. Get the "
                       "file from elsewhere.",
                       s->name);
}

/* The height of a file's first header, if it has none: that of its parent plus one. */
static int find_first_height(struct import_state *s, const struct spv_import_item *item,
                             uint32_t *height)
{
    struct spv_chain_header parent;
    char hex[SPV_HASH_HEX];
    int rc = spv_chain_find(s->i->chain, &parent, NULL, &item->header.prev);
    if (rc == 0 && !spv_store_indexed(s->i->store)) {
        rc = spv_store_build_index(s->i->store);
        if (rc < 0) {
            return import_store_failed(s, rc);
        }
        rc = spv_chain_find(s->i->chain, &parent, NULL, &item->header.prev);
    }
    if (rc < 0) {
        return import_store_failed(s, rc);
    }
    if (rc == 0) {
        spv_blockhash_hex(hex, &item->header.prev);
        return cli_fail_as(CLI_FAILED, SPV_ERR_HDR_UNCONNECTING,
                           "%s: its first header follows %s, which is not in the database. Check "
                           "--network, or import or sync the preceding headers first.",
                           s->name, hex);
    }
    *height = parent.height + 1;
    return CLI_DONE;
}

static int find_height(struct import_state *s, const struct spv_import_item *item, uint32_t *height)
{
    if (item->has_height) {
        return CLI_DONE; /* *height is the item's own */
    }
    if (!s->started) {
        return find_first_height(s, item, height);
    }
    *height = s->last + 1;
    return CLI_DONE;
}

/* Heights ascend by one, except after a fork or hole in the file. */
static int check_order(struct import_state *s, const struct file_pos *p)
{
    char text[POS_TEXT];
    if (!s->started && p->height > s->tip + 1) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_HDR_UNCONNECTING,
                           "%s: begins at height %s, but the database ends at %s. Import or sync "
                           "the headers in between first.",
                           s->name, CLI_COUNT(p->height), CLI_COUNT(s->tip));
    }
    if (s->started && p->height != s->last + 1) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_MALFORMED,
                           "%s: %s: height %s comes after height %s. Get the file from elsewhere.",
                           s->name, format_pos(text, p), CLI_COUNT(p->height), CLI_COUNT(s->last));
    }
    return CLI_DONE;
}

static int import_header(struct import_state *s, const struct spv_import_item *item)
{
    struct file_pos p = {.line = item->line, .offset = item->offset, .height = item->height};
    int rc = find_height(s, item, &p.height);
    if (rc != CLI_DONE) {
        return rc;
    }
    if (s->started && p.height != s->last + 1) {
        rc = flush_batch(s); /* the headers before are valid */
        if (rc != CLI_DONE) {
            return rc;
        }
    }
    rc = check_order(s, &p);
    if (rc != CLI_DONE) {
        return rc;
    }
    s->started = true;
    s->last = p.height;
    s->last_header = item->header;
    if (s->n > 0 || p.height > s->tip) {
        return add_header(s, item, &p);
    }
    if (p.height > 0 && p.height < s->base) { /* below the database's first height */
        s->i->counts.below++;
        return CLI_DONE;
    }
    const struct spv_header *stored = read_stored(s, p.height, &rc);
    if (!stored) {
        return rc;
    }
    if (same_header(stored, &item->header)) {
        s->i->counts.known++;
        return cli_stopped() ? CLI_INTERRUPTED : CLI_DONE;
    }
    if (p.height == 0) {
        return report_other_genesis(s, item);
    }
    if (!s->differs) {
        s->differs = true;
        s->differs_at = p;
        spv_header_hash(&s->differs_hash, &item->header);
    }
    return add_header(s, item, &p);
}

static int import_side_header(struct import_state *s, const struct spv_import_item *item)
{
    struct file_pos p = {.line = item->line, .offset = item->offset, .height = item->height};
    if (!s->side) {
        int rc = flush_batch(s);
        if (rc != CLI_DONE) {
            return rc;
        }
        s->side = true;
    }
    if (++s->n_side > SIDE_MAX) {
        char text[POS_TEXT];
        return cli_fail_as(CLI_FAILED, SPV_ERR_TOO_LONG,
                           "%s: %s: more than %s headers on side branches. Remove some.", s->name,
                           format_pos(text, &p), CLI_COUNT(SIDE_MAX));
    }
    return add_header(s, item, &p);
}

/* Electrum's hole below its checkpoints. Sets *end when the database neither has the missing
 * headers nor can begin after the hole. */
static int import_hole(struct import_state *s, const struct spv_import_item *item, bool *end)
{
    int rc = flush_batch(s);
    uint32_t last = item->height + item->count - 1;
    if (rc != CLI_DONE) {
        return rc;
    }
    import_start_drop(
        s); /* a single period between two holes: headers may continue after this one */
    s->started = true;
    s->last = last;
    if (last <= s->tip || import_start_wanted(s, last)) {
        return CLI_DONE;
    }
    *end = true;
    import_report_missing(s, last);
    return CLI_DONE;
}

static int import_main_header(struct import_state *s, const struct spv_import_item *item)
{
    int rc;
    if (s->side) {
        rc = flush_batch(s);
        if (rc != CLI_DONE) {
            return rc;
        }
        s->side = false;
    }
    if (s->period && s->n_period < SPV_RETARGET_INTERVAL) {
        return import_start_add(s, item);
    }
    if (s->period) {
        rc = import_start(s);
        if (rc != CLI_DONE) {
            return rc;
        }
    }
    return import_header(s, item);
}

/* The file continues above a height at or below its last header. */
static int import_fork(struct import_state *s, const struct spv_import_item *item)
{
    int rc = flush_batch(s);
    if (rc != CLI_DONE) {
        return rc;
    }
    if (s->started && item->height > s->last) {
        return cli_fail_as(
            CLI_FAILED, SPV_ERR_MALFORMED,
            "%s: line %" PRIu64
            ": a fork at height %s, above the last header. Get the file from elsewhere.",
            s->name, item->line, CLI_COUNT(item->height));
    }
    s->last = item->height;
    return CLI_DONE;
}

static int import_item(struct import_state *s, const struct spv_import_item *item, bool *end)
{
    switch (item->kind) {
    case SPV_IMPORT_HEADER:
        return item->branch ? import_side_header(s, item) : import_main_header(s, item);
    case SPV_IMPORT_GAP:
        return import_hole(s, item, end);
    case SPV_IMPORT_REORG:
        return import_fork(s, item);
    case SPV_IMPORT_FILTER_HEADER: /* only of a decoder for them */
        break;
    }
    return CLI_FAILED;
}

/* Checks that a file that forked from the stored chain has become the best one. */
static int check_end(struct import_state *s)
{
    struct spv_chain_header r;
    struct spv_blockhash last;
    char text[POS_TEXT];
    char ours[SPV_HASH_HEX];
    char theirs[SPV_HASH_HEX];
    bool in_best_chain = false;
    const char *whose;
    if (!s->differs) {
        return CLI_DONE;
    }
    spv_header_hash(&last, &s->last_header);
    int rc = spv_chain_find(s->i->chain, &r, &in_best_chain, &last);
    if (rc < 0) {
        return import_store_failed(s, rc);
    }
    if (rc == 1 && in_best_chain) {
        return CLI_DONE;
    }
    competing_header(s, ours, &whose, s->differs_at.height);
    spv_blockhash_hex(theirs, &s->differs_hash);
    return cli_fail_as(CLI_FAILED, SPV_ERR_LOW_WORK,
                       "%s: %s: contradicts the database at height %s: its header is %s, %s %s, "
                       "and its chain does not have more work. None of its headers "
                       "were stored. Get a longer file, or sync instead.",
                       s->name, format_pos(text, &s->differs_at), CLI_COUNT(s->differs_at.height),
                       theirs, whose, ours);
}

/* Reading. */

static int report_bad_file(const struct import_state *s, int err)
{
    if (err == SPV_ERR_MAGIC) {
        return cli_usage("--input: %s: %s. Choose the right --network or --db.", s->name,
                         spv_import_error_text(s->i->decoder));
    }
    return cli_fail_as(CLI_FAILED, err, "%s: %s. %s", s->name, spv_import_error_text(s->i->decoder),
                       err == SPV_ERR_SHORT ? "Download the file again."
                       : err == SPV_ERR_UNSUPPORTED
                           ? "Convert it, or choose another file."
                           : "Download the file again, or choose its --format.");
}

/* Imports the decoded items. Sets *end when the rest of the file is not needed. */
static int import_pending(struct import_state *s, bool *end)
{
    struct spv_import_item item;
    int got = 0;
    while (!*end && (got = spv_import_next(s->i->decoder, &item)) == 1) {
        int rc = import_item(s, &item, end);
        if (rc != CLI_DONE) {
            return rc;
        }
    }
    if (*end || got == 0) {
        return CLI_DONE;
    }
    int rc = flush_batch(s); /* the headers before the error are valid */
    return rc != CLI_DONE ? rc : report_bad_file(s, got);
}

/* Decodes and imports all bytes. Returns CLI_INTERRUPTED after a stop signal. */
static int read_input(struct import_state *s)
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
        if (got == 0) {
            spv_import_finish(s->i->decoder);
        }
        rc = import_pending(s, &end);
        if (rc != CLI_DONE) {
            return rc;
        }
        if (cli_stopped()) {
            return CLI_INTERRUPTED;
        }
        end = end || got == 0;
    }
    return CLI_DONE;
}

/* Reads and imports the whole file. */
static int import_file(struct import_state *s)
{
    int rc = read_input(s);
    if (rc != CLI_DONE && rc != CLI_INTERRUPTED) {
        return rc;
    }
    int kept = flush_batch(s); /* headers read before the end or a signal are kept */
    if (kept != CLI_DONE) {
        return kept;
    }
    if (rc == CLI_INTERRUPTED) {
        return rc;
    }
    rc = import_start_finish(s);
    return rc != CLI_DONE ? rc : check_end(s);
}

int import_run(struct import *i)
{
    struct spv_chain_start base;
    struct import_state *s = calloc(1, sizeof *s);
    if (!s) {
        return cli_fail(SPV_ERR_NOMEM, "%s. Free some memory.", spv_strerror(SPV_ERR_NOMEM));
    }
    s->i = i;
    s->name = input_name(i->in);
    s->tip = spv_chain_tip(i->chain)->height;
    spv_store_get_start(i->store, &base);
    s->base = base.height;
    int rc = import_file(s);
    import_start_drop(s);
    int err = spv_store_commit(i->store); /* headers accepted before an error are kept */
    if (err != 0) {
        rc = import_store_failed(s, err);
    }
    free(s);
    return rc;
}
