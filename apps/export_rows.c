/* Text formats say the same of each header and differ in what stands between the values; binary
 * ones are the 80 bytes of the wire and differ in what stands before. */
#include "export_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "export_postgres.h"

#define ROW_MAX 640 /* the longest row, JSON with a branch, has 500 bytes */

/* The values of a row as text. */
struct texts {
    char hash[SPV_HASH_HEX], prev[SPV_HASH_HEX], root[SPV_HASH_HEX], work[SPV_HASH_HEX];
};

static void to_texts(struct texts *t, const struct spv_chain_header *r)
{
    spv_blockhash_hex(t->hash, &r->hash);
    spv_blockhash_hex(t->prev, &r->header.prev);
    spv_hash256_hex(t->root, &r->header.merkle_root);
    spv_u256_hex(t->work, &r->work);
}

/* csv */

static void csv_head(const struct rows *r)
{
    sink_text(r->sink, "height,hash,version,previous_hash,merkle_root,time,bits,nonce,chain_work");
    sink_text(r->sink, r->branches ? ",branch\n" : "\n");
}

static void csv_row(const struct rows *r, const struct spv_chain_header *record, bool side)
{
    char row[ROW_MAX];
    struct texts t;
    to_texts(&t, record);
    int n = snprintf(row, sizeof row,
                     "%" PRIu32 ",%s,%" PRId32 ",%s,%s,%" PRIu32 ",%08" PRIx32 ",%" PRIu32 ",%s%s",
                     record->height, t.hash, record->header.version, t.prev, t.root,
                     record->header.time, record->header.bits, record->header.nonce, t.work,
                     !r->branches ? "\n"
                     : side       ? ",1\n"
                                  : ",0\n");
    sink_write(r->sink, row, (size_t)n);
}

static void csv_branch(const struct rows *r, uint32_t fork_height, const struct spv_blockhash *fork,
                       uint32_t removed)
{
    char line[ROW_MAX];
    char hash[SPV_HASH_HEX];
    spv_blockhash_hex(hash, fork);
    int n = snprintf(line, sizeof line, "#reorg,%" PRIu32 ",%s,%" PRIu32 "\n", fork_height, hash,
                     removed);
    sink_write(r->sink, line, (size_t)n);
}

/* jsonl */

static void jsonl_row(const struct rows *r, const struct spv_chain_header *record, bool side)
{
    char row[ROW_MAX];
    struct texts t;
    to_texts(&t, record);
    int n = snprintf(row, sizeof row,
                     "{\"height\":%" PRIu32 ",\"hash\":\"%s\",\"version\":%" PRId32
                     ",\"previous_hash\":\"%s\",\"merkle_root\":\"%s\",\"time\":%" PRIu32
                     ",\"bits\":\"%08" PRIx32 "\",\"nonce\":%" PRIu32 ",\"chain_work\":\"%s\"%s}\n",
                     record->height, t.hash, record->header.version, t.prev, t.root,
                     record->header.time, record->header.bits, record->header.nonce, t.work,
                     !r->branches ? ""
                     : side       ? ",\"branch\":true"
                                  : ",\"branch\":false");
    sink_write(r->sink, row, (size_t)n);
}

static void jsonl_mark(const struct rows *r, uint32_t fork_height, const struct spv_blockhash *fork,
                       uint32_t removed)
{
    char line[ROW_MAX];
    char hash[SPV_HASH_HEX];
    spv_blockhash_hex(hash, fork);
    int n = snprintf(line, sizeof line,
                     "{\"event\":\"reorg\",\"fork_height\":%" PRIu32
                     ",\"fork_hash\":\"%s\",\"removed\":%" PRIu32 "}\n",
                     fork_height, hash, removed);
    sink_write(r->sink, line, (size_t)n);
}

/* raw, electrum, neutrino */

static void raw_row(const struct rows *r, const struct spv_chain_header *record, bool side)
{
    uint8_t raw[SPV_HEADER_SIZE];
    (void)side;
    spv_header_encode(raw, &record->header);
    sink_write(r->sink, raw, sizeof raw);
}

static uint64_t raw_end_of(const struct rows *r, uint64_t height)
{
    return (height + 1 - r->from) * SPV_HEADER_SIZE;
}

/* Electrum's blockchain_headers: the header of height h stands at 80 h; what is not there is zero.
 */
static void electrum_head(const struct rows *r)
{
    sink_zeros(r->sink, (uint64_t)r->from * SPV_HEADER_SIZE);
}

static uint64_t electrum_end_of(const struct rows *r, uint64_t height)
{
    (void)r;
    return (height + 1) * SPV_HEADER_SIZE;
}

/* neutrino's chainimport: magic (u32 little-endian: the bytes of the wire), version 0, type 0
 * (block headers), height of the first header (u32 little-endian); then the headers. */
#define NEUTRINO_HEAD 10

static void neutrino_head(const struct rows *r)
{
    uint8_t head[NEUTRINO_HEAD] = {0};
    memcpy(head, r->params->net.magic, 4);
    for (unsigned i = 0; i < 4; i++) {
        head[6 + i] = (uint8_t)(r->from >> (8 * i));
    }
    sink_write(r->sink, head, sizeof head);
}

static uint64_t neutrino_end_of(const struct rows *r, uint64_t height)
{
    return NEUTRINO_HEAD + raw_end_of(r, height);
}

static const struct export_format formats[] = {
    {.name = "csv", .branches = true, .mark = csv_branch, .head = csv_head, .row = csv_row},
    {.name = "jsonl", .branches = true, .mark = jsonl_mark, .row = jsonl_row},
    {.name = "raw", .end_of = raw_end_of, .row = raw_row},
    {.name = "electrum", .end_of = electrum_end_of, .head = electrum_head, .row = raw_row},
    {.name = "neutrino", .end_of = neutrino_end_of, .head = neutrino_head, .row = raw_row},
    {.name = "postgres",
     .branches = true,
     .head = postgres_head,
     .row = postgres_row,
     .between = postgres_between,
     .tail = postgres_tail},
};

const struct export_format *export_format(const char *name)
{
    if (!name) {
        return &formats[0];
    }
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (strcmp(formats[i].name, name) == 0) {
            return &formats[i];
        }
    }
    return NULL;
}
