/* The text formats write the same values with different separators; the binary formats write the 80
 * bytes of the wire after different file headers. */
#include "spv/formats/export_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "spv/formats/export_postgres.h"
#include "util/u256.h"

#define ROW_MAX 640 /* the longest row, JSON with a branch, has 500 bytes */

/* The values of a row as text. */
struct texts {
    char hash[SPV_HASH_HEX], prev[SPV_HASH_HEX], root[SPV_HASH_HEX], work[SPV_HASH_HEX];
};

static void to_texts(struct texts *t, const struct spv_chain_header *h)
{
    spv_blockhash_hex(t->hash, &h->hash);
    spv_blockhash_hex(t->prev, &h->header.prev);
    spv_hash256_hex(t->root, &h->header.merkle_root);
    spv_u256_hex(t->work, &h->work);
}

static int write_zeros(const struct spv_export_rows *e, uint64_t n)
{
    static const uint8_t zeros[4096];
    while (n > 0) {
        const size_t step = n < sizeof zeros ? (size_t)n : sizeof zeros;
        int rc = spv_export_write(e, zeros, step);
        if (rc)
            return rc;
        n -= step;
    }
    return 0;
}

/* csv */

static int csv_head(const struct spv_export_rows *e)
{
    int rc = spv_export_text(e, "height,hash,version,previous_hash,merkle_root,time,bits,nonce,"
                                "chain_work");
    return rc ? rc : spv_export_text(e, e->branches ? ",branch\n" : "\n");
}

static int csv_row(const struct spv_export_rows *e, const struct spv_chain_header *h, bool side)
{
    char row[ROW_MAX];
    struct texts t;
    to_texts(&t, h);
    int n = snprintf(row, sizeof row,
                     "%" PRIu32 ",%s,%" PRId32 ",%s,%s,%" PRIu32 ",%08" PRIx32 ",%" PRIu32 ",%s%s",
                     h->height, t.hash, h->header.version, t.prev, t.root, h->header.time,
                     h->header.bits, h->header.nonce, t.work,
                     !e->branches ? "\n"
                     : side       ? ",1\n"
                                  : ",0\n");
    return spv_export_write(e, row, (size_t)n);
}

static int csv_reorg(const struct spv_export_rows *e, uint32_t fork_height,
                     const struct spv_blockhash *fork, uint32_t removed)
{
    char line[ROW_MAX];
    char hash[SPV_HASH_HEX];
    spv_blockhash_hex(hash, fork);
    int n = snprintf(line, sizeof line, "#reorg,%" PRIu32 ",%s,%" PRIu32 "\n", fork_height, hash,
                     removed);
    return spv_export_write(e, line, (size_t)n);
}

/* jsonl */

static int jsonl_row(const struct spv_export_rows *e, const struct spv_chain_header *h, bool side)
{
    char row[ROW_MAX];
    struct texts t;
    to_texts(&t, h);
    int n = snprintf(row, sizeof row,
                     "{\"height\":%" PRIu32 ",\"hash\":\"%s\",\"version\":%" PRId32
                     ",\"previous_hash\":\"%s\",\"merkle_root\":\"%s\",\"time\":%" PRIu32
                     ",\"bits\":\"%08" PRIx32 "\",\"nonce\":%" PRIu32 ",\"chain_work\":\"%s\"%s}\n",
                     h->height, t.hash, h->header.version, t.prev, t.root, h->header.time,
                     h->header.bits, h->header.nonce, t.work,
                     !e->branches ? ""
                     : side       ? ",\"branch\":true"
                                  : ",\"branch\":false");
    return spv_export_write(e, row, (size_t)n);
}

static int jsonl_reorg(const struct spv_export_rows *e, uint32_t fork_height,
                       const struct spv_blockhash *fork, uint32_t removed)
{
    char line[ROW_MAX];
    char hash[SPV_HASH_HEX];
    spv_blockhash_hex(hash, fork);
    int n = snprintf(line, sizeof line,
                     "{\"event\":\"reorg\",\"fork_height\":%" PRIu32
                     ",\"fork_hash\":\"%s\",\"removed\":%" PRIu32 "}\n",
                     fork_height, hash, removed);
    return spv_export_write(e, line, (size_t)n);
}

/* raw, electrum, neutrino */

static int raw_row(const struct spv_export_rows *e, const struct spv_chain_header *h, bool side)
{
    uint8_t raw[SPV_HEADER_SIZE];
    (void)side;
    spv_header_encode(raw, &h->header);
    return spv_export_write(e, raw, sizeof raw);
}

static uint64_t raw_end_of(const struct spv_export_rows *e, uint64_t height)
{
    return (height + 1 - e->from) * SPV_HEADER_SIZE;
}

/* Electrum's blockchain_headers: the header of height h is at offset 80 h; a missing one is zero.
 */
static int electrum_head(const struct spv_export_rows *e)
{
    return write_zeros(e, (uint64_t)e->from * SPV_HEADER_SIZE);
}

static uint64_t electrum_end_of(const struct spv_export_rows *e, uint64_t height)
{
    (void)e;
    return (height + 1) * SPV_HEADER_SIZE;
}

static int neutrino_head(const struct spv_export_rows *e)
{
    return spv_export_neutrino_head(e, SPV_NEUTRINO_BLOCK_HEADERS);
}

static uint64_t neutrino_end_of(const struct spv_export_rows *e, uint64_t height)
{
    return SPV_NEUTRINO_HEAD + raw_end_of(e, height);
}

static const struct format {
    const char *name;
    bool branches; /* supports side branches */
    /* Each may be NULL, except row. */
    int (*head)(const struct spv_export_rows *e);
    int (*row)(const struct spv_export_rows *e, const struct spv_chain_header *h, bool side);
    int (*reorg)(const struct spv_export_rows *e, uint32_t fork_height,
                 const struct spv_blockhash *fork, uint32_t removed);
    uint64_t (*end_of)(const struct spv_export_rows *e, uint64_t height);
    int (*between)(const struct spv_export_rows *e); /* before the side branches */
    int (*tail)(const struct spv_export_rows *e, const struct spv_chain_header *first,
                const struct spv_chain_header *last);
} formats[] = {
    [SPV_EXPORT_CSV] = {"csv", true, csv_head, csv_row, csv_reorg, NULL, NULL, NULL},
    [SPV_EXPORT_JSONL] = {"jsonl", true, NULL, jsonl_row, jsonl_reorg, NULL, NULL, NULL},
    [SPV_EXPORT_RAW] = {"raw", false, NULL, raw_row, NULL, raw_end_of, NULL, NULL},
    [SPV_EXPORT_ELECTRUM] = {"electrum", false, electrum_head, raw_row, NULL, electrum_end_of, NULL,
                             NULL},
    [SPV_EXPORT_NEUTRINO] = {"neutrino", false, neutrino_head, raw_row, NULL, neutrino_end_of, NULL,
                             NULL},
    [SPV_EXPORT_POSTGRES] = {"postgres", true, spv_postgres_begin, spv_postgres_row, NULL, NULL,
                             spv_postgres_begin_branches, spv_postgres_end},
};
#define FORMATS (sizeof formats / sizeof formats[0])

static const struct format *find_format(enum spv_export_format format)
{
    return (size_t)format < FORMATS ? &formats[format] : NULL;
}

const char *spv_export_format_name(enum spv_export_format format)
{
    const struct format *f = find_format(format);
    return f ? f->name : NULL;
}

int spv_export_format_by_name(enum spv_export_format *out, const char *name)
{
    for (size_t i = 0; i < FORMATS; i++) {
        if (strcmp(formats[i].name, name) == 0) {
            *out = (enum spv_export_format)i;
            return 0;
        }
    }
    return SPV_ERR_NOT_FOUND;
}

bool spv_export_format_has_branches(enum spv_export_format format)
{
    const struct format *f = find_format(format);
    return f && f->branches;
}

enum spv_export_reorg spv_export_format_reorg(enum spv_export_format format)
{
    const struct format *f = find_format(format);
    return f && f->reorg    ? SPV_EXPORT_REORG_LINE
           : f && f->end_of ? SPV_EXPORT_REORG_CUT
                            : SPV_EXPORT_REORG_NONE;
}

int spv_export_rows_begin(const struct spv_export_rows *e)
{
    const struct format *f = find_format(e->format);
    if (!f)
        return SPV_ERR_INVALID;
    return f->head ? f->head(e) : 0;
}

int spv_export_rows_row(const struct spv_export_rows *e, const struct spv_chain_header *h)
{
    const struct format *f = find_format(e->format);
    return f ? f->row(e, h, false) : SPV_ERR_INVALID;
}

int spv_export_rows_begin_branches(const struct spv_export_rows *e)
{
    const struct format *f = find_format(e->format);
    if (!f)
        return SPV_ERR_INVALID;
    return f->between ? f->between(e) : 0;
}

int spv_export_rows_branch_row(const struct spv_export_rows *e, const struct spv_chain_header *h)
{
    const struct format *f = find_format(e->format);
    return f ? f->row(e, h, true) : SPV_ERR_INVALID;
}

int spv_export_rows_end(const struct spv_export_rows *e, const struct spv_chain_header *first,
                        const struct spv_chain_header *last)
{
    const struct format *f = find_format(e->format);
    if (!f)
        return SPV_ERR_INVALID;
    return f->tail ? f->tail(e, first, last) : 0;
}

int spv_export_rows_reorg(const struct spv_export_rows *e, uint32_t fork_height,
                          const struct spv_blockhash *fork, uint32_t removed)
{
    const struct format *f = find_format(e->format);
    if (!f)
        return SPV_ERR_INVALID;
    return f->reorg ? f->reorg(e, fork_height, fork, removed) : SPV_ERR_UNSUPPORTED;
}

uint64_t spv_export_rows_end_offset(const struct spv_export_rows *e, uint64_t height)
{
    const struct format *f = find_format(e->format);
    return f && f->end_of ? f->end_of(e, height) : 0;
}
