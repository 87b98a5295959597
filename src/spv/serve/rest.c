/* An answer is built from one snapshot of the database. A header's hash is the prev of the header
 * after it, so one header more than requested is read, and only the last one read is hashed. Median
 * times and chain work are computed incrementally from the first header. */
#include "spv/serve/rest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spv/chain/consensus.h"
#include "spv/error.h"
#include "util/hex.h"
#include "util/u256.h"

#define LINE 256 /* more than the longest text that append() formats at once */

__attribute__((format(printf, 2, 3))) static void append(struct spv_buffer *b, const char *format,
                                                         ...)
{
    char line[LINE];
    va_list args;

    va_start(args, format);
    const int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n > 0)
        spv_buffer_put(b, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

static void put_text(struct spv_buffer *b, const char *text)
{
    spv_buffer_put(b, text, strlen(text));
}

/* "key":"hex", */
static void print_hash(struct spv_buffer *b, const char *key, const uint8_t bytes[32])
{
    char hex[SPV_HASH_HEX];
    struct spv_hash256 hash;

    memcpy(hash.b, bytes, sizeof hash.b);
    spv_hash256_hex(hex, &hash);
    append(b, "\"%s\":\"%s\",", key, hex);
}

/* Omitted when it is unknown: stored chain work of a chain that starts at a checkpoint may count
 * from there. */
static void print_work(struct spv_buffer *b, const struct spv_header_db *db, uint32_t height,
                       const struct spv_u256 *work)
{
    struct spv_chain_start start = {0};
    char hex[SPV_HASH_HEX];

    if (db->start)
        db->start(db->ctx, &start);
    if (start.work_since > 0 && height > 0)
        return;
    spv_u256_hex(hex, work);
    append(b, "\"chainwork\":\"%s\",", hex);
}

/* 16 digits, with a decimal point in every locale. */
static void print_difficulty(struct spv_buffer *b, uint32_t bits)
{
    char text[40];

    (void)snprintf(text, sizeof text, "%.16g", spv_difficulty_from_bits(bits));
    for (char *p = text; *p != '\0'; p++)
        if (*p == ',')
            *p = '.';
    append(b, "\"difficulty\":%s,", text);
}

/* Removes the comma after the last member and closes the object. */
static void end_object(struct spv_buffer *b)
{
    if (b->error == 0 && b->len > 0 && b->data[b->len - 1] == ',')
        b->len--;
    put_text(b, "}");
}

static struct spv_u256 work_of(uint32_t bits)
{
    struct spv_u256 target;

    return spv_target_from_bits(&target, bits) < 0 ? spv_u256_from_u64(0)
                                                   : spv_work_from_target(&target);
}

/* The times of up to ten headers before a height. */
static int load_median(struct spv_median *m, const struct spv_header_db *db, uint32_t height)
{
    struct spv_chain_header entry;
    uint32_t h = height > SPV_MEDIAN_SPAN - 1 ? height - (SPV_MEDIAN_SPAN - 1) : 0;

    *m = (struct spv_median){0};
    for (; h < height; h++) {
        const int rc = db->by_height(db->ctx, &entry, h);

        if (rc < 0)
            return rc;
        if (rc == 0) /* below the start of the stored chain */
            *m = (struct spv_median){0};
        else
            spv_median_push(m, entry.header.time);
    }
    return 0;
}

/* Omitted when it is unknown: eleven times are needed, or those of all headers from genesis. */
static void print_median(struct spv_buffer *b, const struct spv_median *m, uint32_t height)
{
    if (m->n == SPV_MEDIAN_SPAN || m->n == height + 1)
        append(b, "\"mediantime\":%lu,", (unsigned long)spv_median_time(m));
}

/* ---- headers ---- */

struct run { /* consecutive headers, and the one after them if there is one */
    struct spv_header *headers;
    uint32_t n; /* requested */
    uint32_t got; /* n or n + 1 */
    struct spv_chain_header first, tip;
};

static int read_run(struct run *run, const struct spv_header_db *db,
                    const struct spv_rest_request *request)
{
    int rc = db->by_hash(db->ctx, &run->first, &request->hash);

    if (rc == 1)
        rc = db->tip(db->ctx, &run->tip);
    if (rc <= 0)
        return rc;
    run->n = run->tip.height - run->first.height + 1;
    if (run->n > request->count)
        run->n = request->count;
    run->headers = malloc(((size_t)run->n + 1) * sizeof *run->headers);
    if (!run->headers)
        return SPV_ERR_NOMEM;
    run->headers[0] = run->first.header;
    rc = db->range(db->ctx, run->headers + 1, run->first.height + 1, run->n);
    if (rc < 0)
        return rc;
    run->got = (uint32_t)rc + 1;
    if (run->n > run->got)
        run->n = run->got;
    return 0;
}

static struct spv_blockhash hash_in(const struct run *run, uint32_t i)
{
    struct spv_blockhash hash;

    if (i + 1 < run->got)
        return run->headers[i + 1].prev;
    spv_header_hash(&hash, &run->headers[i]);
    return hash;
}

/* The fields of getblockheader in its order, without those that need the block. */
static int print_run(struct spv_buffer *b, const struct run *run, const struct spv_header_db *db)
{
    struct spv_median median;
    struct spv_u256 work = run->first.work;
    int rc = load_median(&median, db, run->first.height);

    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < run->n; i++) {
        const struct spv_header *h = &run->headers[i];
        const uint32_t height = run->first.height + i;
        const uint32_t confirmations = run->tip.height - height + 1;
        const struct spv_blockhash hash = hash_in(run, i);

        spv_median_push(&median, h->time);
        if (i > 0) {
            const struct spv_u256 more = work_of(h->bits);
            work = spv_u256_add(&work, &more);
        }
        put_text(b, i > 0 ? ",{" : "{");
        print_hash(b, "hash", hash.b);
        append(b, "\"confirmations\":%lu,\"height\":%lu,\"version\":%ld,\"versionHex\":\"%08lx\",",
               (unsigned long)confirmations, (unsigned long)height, (long)h->version,
               (unsigned long)(uint32_t)h->version);
        print_hash(b, "merkleroot", h->merkle_root.b);
        append(b, "\"time\":%lu,", (unsigned long)h->time);
        print_median(b, &median, height);
        append(b, "\"nonce\":%lu,\"bits\":\"%08lx\",", (unsigned long)h->nonce,
               (unsigned long)h->bits);
        print_difficulty(b, h->bits);
        print_work(b, db, height, &work);
        if (height > 0)
            print_hash(b, "previousblockhash", h->prev.b);
        if (i + 1 < run->got) {
            const struct spv_blockhash next = hash_in(run, i + 1);
            print_hash(b, "nextblockhash", next.b);
        }
        end_object(b);
    }
    return 0;
}

static void encode_run(struct spv_buffer *b, const struct run *run, enum spv_rest_format format)
{
    for (uint32_t i = 0; i < run->n; i++) {
        uint8_t raw[SPV_HEADER_SIZE];
        char hex[2 * SPV_HEADER_SIZE + 1];

        spv_header_encode(raw, &run->headers[i]);
        if (format == SPV_REST_BIN) {
            spv_buffer_put(b, raw, sizeof raw);
        } else {
            spv_hex(hex, raw, sizeof raw);
            spv_buffer_put(b, hex, 2 * sizeof raw);
        }
    }
}

/* "Returns empty if the block doesn't exist or it isn't in the active chain." */
static int answer_headers(struct spv_buffer *b, const struct spv_header_db *db,
                          const struct spv_rest_request *request)
{
    struct run run = {0};
    int rc = read_run(&run, db, request);

    if (rc < 0)
        goto free_headers;
    switch (request->format) {
    case SPV_REST_JSON:
        put_text(b, "[");
        rc = print_run(b, &run, db);
        put_text(b, "]\n");
        break;
    case SPV_REST_HEX:
        encode_run(b, &run, request->format);
        put_text(b, "\n");
        break;
    case SPV_REST_BIN:
        encode_run(b, &run, request->format);
        break;
    }
free_headers:
    free(run.headers);
    return rc < 0 ? rc : SPV_REST_OK;
}

/* ---- the other requests ---- */

static int answer_blockhash(struct spv_buffer *b, const struct spv_header_db *db,
                            const struct spv_rest_request *request)
{
    struct spv_chain_header entry;
    char hex[SPV_HASH_HEX];
    const int rc = db->by_height(db->ctx, &entry, request->height);

    if (rc < 0)
        return rc;
    if (rc == 0) {
        put_text(b, "Block height out of range");
        return SPV_REST_NOT_FOUND;
    }
    spv_blockhash_hex(hex, &entry.hash);
    switch (request->format) {
    case SPV_REST_BIN:
        spv_buffer_put(b, entry.hash.b, sizeof entry.hash.b);
        break;
    case SPV_REST_HEX:
        append(b, "%s\n", hex);
        break;
    case SPV_REST_JSON:
        append(b, "{\"blockhash\":\"%s\"}\n", hex);
        break;
    }
    return SPV_REST_OK;
}

/* Bitcoin Core's names of the networks; btcd's for simnet. */
static const char *chain_name(enum spv_network network)
{
    switch (network) {
    case SPV_MAINNET:
        return "main";
    case SPV_TESTNET3:
        return "test";
    case SPV_TESTNET4:
        return "testnet4";
    case SPV_SIGNET:
        return "signet";
    case SPV_REGTEST:
        return "regtest";
    case SPV_SIMNET:
        return "simnet";
    }
    return "";
}

static int answer_chaininfo(struct spv_buffer *b, const struct spv_header_db *db,
                            const struct spv_params *params)
{
    struct spv_median median;
    struct spv_chain_header tip;
    int rc = db->tip(db->ctx, &tip);

    if (rc == 0) {
        put_text(b, "No header is stored yet");
        return SPV_REST_UNAVAILABLE;
    }
    if (rc == 1)
        rc = load_median(&median, db, tip.height);
    if (rc < 0)
        return rc;
    spv_median_push(&median, tip.header.time);
    append(b, "{\"chain\":\"%s\",\"blocks\":%lu,\"headers\":%lu,", chain_name(params->net.network),
           (unsigned long)tip.height, (unsigned long)tip.height);
    print_hash(b, "bestblockhash", tip.hash.b);
    append(b, "\"bits\":\"%08lx\",", (unsigned long)tip.header.bits);
    print_difficulty(b, tip.header.bits);
    append(b, "\"time\":%lu,", (unsigned long)tip.header.time);
    print_median(b, &median, tip.height);
    print_work(b, db, tip.height, &tip.work);
    end_object(b);
    put_text(b, "\n");
    return SPV_REST_OK;
}

/* Returns a status, or an error of the database. */
static int answer_request(struct spv_buffer *b, const struct spv_header_db *db,
                          const struct spv_params *params, const struct spv_rest_request *request)
{
    int rc;

    switch (request->kind) {
    case SPV_REST_HEADERS:
        /* a client must not be able to cause a table scan */
        rc = db->has_hash_index ? db->has_hash_index(db->ctx) : 1;
        if (rc == 0) {
            put_text(
                b, "There is no index of hashes until the first sync has ended; request by height");
            return SPV_REST_UNAVAILABLE;
        }
        return rc < 0 ? rc : answer_headers(b, db, request);
    case SPV_REST_BLOCKHASH:
        return answer_blockhash(b, db, request);
    case SPV_REST_CHAININFO:
        return answer_chaininfo(b, db, params);
    }
    return SPV_ERR_INVALID;
}

static const char *type_of(enum spv_rest_format format)
{
    switch (format) {
    case SPV_REST_BIN:
        return "application/octet-stream";
    case SPV_REST_HEX:
        return "text/plain";
    case SPV_REST_JSON:
        return "application/json";
    }
    return "text/plain";
}

/* Answers from one snapshot. Returns a status, or an error of the database. */
static int answer_parsed(struct spv_buffer *b, const struct spv_header_db *db,
                         const struct spv_params *params, const struct spv_rest_request *request)
{
    int rc = db->begin_read ? db->begin_read(db->ctx) : 0;

    if (rc < 0)
        return rc;
    rc = answer_request(b, db, params, request);
    if (db->end_read)
        db->end_read(db->ctx);
    return rc;
}

int spv_rest_answer(struct spv_rest_reply *out, const struct spv_header_db *db,
                    const struct spv_params *params, const char *target)
{
    struct spv_rest_request request;
    char why[SPV_REST_REASON_SIZE];
    int rc;

    spv_buffer_init(&out->body);
    out->status = spv_rest_parse(&request, why, target);
    if (out->status == SPV_REST_OK) {
        rc = answer_parsed(&out->body, db, params, &request);
        if (rc < 0) {
            out->body.len = 0;
            append(&out->body, "The headers cannot be read: %s", spv_strerror(rc));
            rc = SPV_REST_INTERNAL;
        }
        out->status = (enum spv_rest_status)rc;
    } else {
        put_text(&out->body, why);
    }
    out->type = type_of(request.format);
    if (out->status != SPV_REST_OK) { /* "RESTERR": a line of plain text */
        out->type = "text/plain";
        put_text(&out->body, "\r\n");
    }
    rc = out->body.error;
    if (rc < 0)
        spv_buffer_free(&out->body);
    return rc;
}
