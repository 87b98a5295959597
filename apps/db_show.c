/* The commands info, tip and header. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "db_commands.h"
#include "find_header.h"

/* One line of "name  value". */
static void line(const char *name, const char *value)
{
    cli_print("%-14s %s", name, value);
}

struct texts {
    char hash[SPV_HASH_HEX], prev[SPV_HASH_HEX], root[SPV_HASH_HEX], work[SPV_HASH_HEX];
    char raw[2 * SPV_HEADER_SIZE + 1];
    char time[CLI_FIGURE];
};

static void to_texts(struct texts *t, const struct spv_chain_header *r)
{
    uint8_t raw[SPV_HEADER_SIZE];
    spv_blockhash_hex(t->hash, &r->hash);
    spv_blockhash_hex(t->prev, &r->header.prev);
    spv_hash256_hex(t->root, &r->header.merkle_root);
    spv_u256_hex(t->work, &r->work);
    spv_header_encode(raw, &r->header);
    for (size_t i = 0; i < sizeof raw; i++) {
        (void)snprintf(t->raw + 2 * i, 3, "%02x", raw[i]);
    }
    (void)cli_time(t->time, r->header.time);
}

/* Shows a header and its confirmations (0: on a side branch). */
static void show(struct db_job *j, const char *event, const struct spv_chain_header *r,
                 uint32_t depth)
{
    struct texts t;
    char text[2 * CLI_FIGURE + 10], iso[CLI_FIGURE];
    const struct spv_header *h = &r->header;
    double difficulty = spv_difficulty_from_bits(h->bits);
    char bits[9];
    to_texts(&t, r);
    (void)snprintf(bits, sizeof bits, "%08" PRIx32, h->bits);
    if (cli_json_on()) {
        cli_json(json_pack(
            "{s:s, s:s, s:I, s:s, s:b, s:I, s:i, s:s, s:s, s:I, s:s, s:s, s:I, s:f, s:s, s:s}",
            "event", event, "network", spv_store_params(j->store)->net.name, "height",
            (json_int_t)r->height, "hash", t.hash, "best", depth > 0, "confirmations",
            (json_int_t)depth, "version", (int)h->version, "previous_hash", t.prev, "merkle_root",
            t.root, "time", (json_int_t)h->time, "utc", cli_iso_time(iso, h->time), "bits", bits,
            "nonce", (json_int_t)h->nonce, "difficulty", difficulty, "chain_work", t.work, "raw",
            t.raw));
        return;
    }
    line("height", cli_count(text, r->height));
    line("hash", t.hash);
    if (depth > 0) {
        line("confirmations", cli_count(text, depth));
    } else {
        line("branch", "a side branch, not the best chain");
    }
    (void)snprintf(text, sizeof text, "%" PRId32 " (%08" PRIx32 ")", h->version,
                   (uint32_t)h->version);
    line("version", text);
    line("previous hash", t.prev);
    line("merkle root", t.root);
    (void)snprintf(text, sizeof text, "%s (%" PRIu32 ")", t.time, h->time);
    line("time", text);
    (void)snprintf(text, sizeof text, "%s, difficulty %.8g", bits, difficulty);
    line("bits", text);
    (void)snprintf(text, sizeof text, "%" PRIu32, h->nonce);
    line("nonce", text);
    line("chain work", t.work);
    line("raw", t.raw);
}

static int get_tip(struct db_job *j, struct spv_chain_header *tip)
{
    int rc = db_open(j, SPV_STORE_READ);
    if (rc != CLI_DONE) {
        return rc;
    }
    int found = spv_store_tip(j->store, tip);
    return found == 1 ? CLI_DONE : db_failed(j, found < 0 ? found : SPV_ERR_DB_DAMAGED);
}

int db_tip(struct db_job *j)
{
    struct spv_chain_header tip;
    int rc = get_tip(j, &tip);
    if (rc == CLI_DONE) {
        show(j, "tip", &tip, 1);
    }
    return rc;
}

static void show_progress(void *ctx, uint32_t height, uint32_t tip)
{
    db_progress(ctx, "searched", height, tip);
}

int db_header(struct db_job *j)
{
    struct spv_chain_header r;
    struct spv_chain_header tip;
    struct spv_blockhash hash;
    struct spv_chain_start base;
    const char *word = j->words.item[1];
    char *end = NULL;
    bool best = true;
    bool by_hash = spv_blockhash_from_hex(&hash, word) == 0;
    unsigned long long height = by_hash ? 0 : strtoull(word, &end, 10);
    if (!by_hash && (word[0] < '0' || word[0] > '9' || *end != '\0' || height > UINT32_MAX)) {
        return cli_usage("header: '%s' is neither a height nor a hash of 64 hexadecimal digits.",
                         word);
    }
    int rc = get_tip(j, &tip);
    if (rc != CLI_DONE) {
        return rc;
    }
    int found = by_hash ? find_header(j->store, &r, &best, &hash, show_progress, j)
                        : spv_store_by_height(j->store, &r, (uint32_t)height);
    if (found == SPV_ERR_INTERRUPTED) {
        return CLI_INTERRUPTED;
    }
    if (found < 0) {
        return db_failed(j, found);
    }
    spv_store_get_start(j->store, &base);
    if (found == 0 && !by_hash && height < base.height) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                           "%s: height %s is not stored: the chain begins at %s.", j->target.path,
                           CLI_COUNT(height), CLI_COUNT(base.height));
    }
    if (found == 0) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                           "%s: %s is not stored: the chain ends at height %s.", j->target.path,
                           by_hash ? word : CLI_COUNT(height), CLI_COUNT(tip.height));
    }
    show(j, "header", &r, best ? tip.height - r.height + 1 : 0);
    return CLI_DONE;
}

/* Numbers only: what is watched is private. */
static json_t *wallet_json(const struct spv_store_info *info)
{
    return !info->has_wallet
               ? json_null()
               : json_pack(
                     "{s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:I}", "watches",
                     (json_int_t)info->wallet_watches, "scripts", (json_int_t)info->wallet_scripts,
                     "transactions", (json_int_t)info->wallet_txs, "coins",
                     (json_int_t)info->wallet_coins, "labels", (json_int_t)info->wallet_labels,
                     "broadcasts", (json_int_t)info->wallet_broadcasts, "scanned_height",
                     info->wallet_scanned >= 0 ? json_integer(info->wallet_scanned) : json_null(),
                     "revision", (json_int_t)info->wallet_revision);
}

static void info_json(struct db_job *j, const struct spv_store_info *info,
                      const struct spv_chain_header *tip, const struct spv_chain_start *base)
{
    struct texts t;
    to_texts(&t, tip);
    cli_json(json_pack(
        "{s:s, s:s, s:o?, s:I, s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:o?, s:o?, s:I, s:I, s:I, s:I, "
        "s:I, s:o, s:i, s:b, s:o?, s:s?}",
        "event", "info", "network", spv_store_params(j->store)->net.name, "database",
        json_string(j->target.path), "height", (json_int_t)tip->height, "hash", t.hash, "tip_time",
        (json_int_t)tip->header.time, "chain_work", t.work, "base", (json_int_t)base->height,
        "work_from", (json_int_t)base->work_since, "headers", (json_int_t)info->headers,
        "branch_headers", (json_int_t)info->branch_headers, "filter_headers_from",
        info->filter_headers > 0 ? json_integer((json_int_t)info->filter_headers_from)
                                 : json_null(),
        "filter_headers_to",
        info->filter_headers > 0 ? json_integer((json_int_t)info->filter_headers_from +
                                                (json_int_t)info->filter_headers - 1)
                                 : json_null(),
        "kept_filters", (json_int_t)info->kept_filters, "kept_filter_bytes",
        (json_int_t)info->kept_filter_bytes, "file_bytes", (json_int_t)info->file_bytes,
        "log_bytes", (json_int_t)info->log_bytes, "free_bytes", (json_int_t)info->free_bytes,
        "wallet", wallet_json(info), "schema", info->schema, "hash_index",
        spv_store_indexed(j->store), "last_sync",
        info->last_sync > 0 ? json_integer((json_int_t)info->last_sync) : json_null(), "created_by",
        info->created_by[0] != '\0' ? info->created_by : NULL));
}

/* The lines of filter headers and kept filters. */
static void info_filters(const struct spv_store_info *info)
{
    char from[CLI_FIGURE];
    char to[CLI_FIGURE];
    char text[3 * CLI_FIGURE];
    if (info->filter_headers > 0) {
        (void)snprintf(text, sizeof text, "%s to %s", cli_count(from, info->filter_headers_from),
                       cli_count(to, info->filter_headers_from + info->filter_headers - 1));
    } else {
        (void)snprintf(text, sizeof text, "none");
    }
    line("filter headers", text);
    if (info->kept_filters > 0) {
        (void)snprintf(text, sizeof text, "%s, %s bytes", cli_count(from, info->kept_filters),
                       cli_count(to, info->kept_filter_bytes));
    } else {
        (void)snprintf(text, sizeof text, "none");
    }
    line("kept filters", text);
}

/* The lines of a wallet, when there is one. */
static void info_wallet(const struct spv_store_info *info)
{
    char n[4][CLI_FIGURE];
    char text[8 * CLI_FIGURE];
    if (!info->has_wallet)
        return;
    (void)snprintf(text, sizeof text, "%s watches, %s scripts, %s transactions, %s coins",
                   cli_count(n[0], info->wallet_watches), cli_count(n[1], info->wallet_scripts),
                   cli_count(n[2], info->wallet_txs), cli_count(n[3], info->wallet_coins));
    line("wallet", text);
    if (info->wallet_scanned >= 0)
        (void)snprintf(text, sizeof text, "to height %s, revision %s",
                       cli_count(n[0], (uint64_t)info->wallet_scanned),
                       cli_count(n[1], info->wallet_revision));
    else
        (void)snprintf(text, sizeof text, "nothing yet");
    line("wallet scanned", text);
}

int db_info(struct db_job *j)
{
    struct spv_chain_header tip;
    struct spv_store_info info;
    struct spv_chain_start base;
    struct texts t;
    char text[SPV_HASH_HEX + 2 * CLI_FIGURE];
    char figure[CLI_FIGURE];
    int rc = get_tip(j, &tip);
    if (rc != CLI_DONE) {
        return rc;
    }
    rc = spv_store_get_info(j->store, &info);
    if (rc != 0) {
        return db_failed(j, rc);
    }
    spv_store_get_start(j->store, &base);
    if (cli_json_on()) {
        info_json(j, &info, &tip, &base);
        return CLI_DONE;
    }
    to_texts(&t, &tip);
    line("network", spv_store_params(j->store)->net.name);
    line("file", j->target.path);
    line("height", cli_count(text, tip.height));
    line("tip", t.hash);
    line("tip's time", t.time);
    (void)snprintf(text, sizeof text, "%s%s", t.work,
                   base.work_since > 0 ? " (counted from the chain start)" : "");
    line("chain work", text);
    if (base.height > 0) {
        line("chain start", cli_count(text, base.height));
    }
    line("headers", cli_count(text, info.headers));
    line("side branches", cli_count(text, info.branch_headers));
    info_filters(&info);
    info_wallet(&info);
    (void)snprintf(text, sizeof text, "%s bytes", cli_count(figure, info.file_bytes));
    line("size", text);
    (void)snprintf(text, sizeof text, "%s bytes", cli_count(figure, info.log_bytes));
    line("log", text);
    (void)snprintf(text, sizeof text, "%s bytes", cli_count(figure, info.free_bytes));
    line("empty pages", text);
    (void)snprintf(text, sizeof text, "%d", info.schema);
    line("schema", text);
    line("hash index",
         spv_store_indexed(j->store) ? "yes" : "not yet (built after the first sync)");
    line("last sync", info.last_sync > 0   ? cli_time(text, info.last_sync)
                      : info.last_sync < 0 ? "unknown"
                                           : "never completed");
    line("made by", info.created_by[0] != '\0' ? info.created_by : "unknown");
    return CLI_DONE;
}
