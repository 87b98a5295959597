/* The text formats name the block of each filter header, so that a reader sees which chain it
 * belongs to; the binary formats are 32 bytes each, in the order of the wire. */
#include <inttypes.h>
#include <stdio.h>

#include "spv/formats/export_rows.h"

#define ROW_MAX 240 /* the longest row, JSON, has 190 bytes */

static void header_hex(char out[SPV_HASH_HEX], const struct spv_filter_header *header)
{
    struct spv_hash256 hash;
    memcpy(hash.b, header->b, sizeof hash.b);
    spv_hash256_hex(out, &hash);
}

static int text_row(const struct spv_export_rows *e, uint32_t height,
                    const struct spv_blockhash *block, const struct spv_filter_header *header)
{
    char row[ROW_MAX];
    char hash[SPV_HASH_HEX];
    char text[SPV_HASH_HEX];
    spv_blockhash_hex(hash, block);
    header_hex(text, header);
    const int n =
        e->format == SPV_EXPORT_CSV
            ? snprintf(row, sizeof row, "%" PRIu32 ",%s,%s\n", height, hash, text)
            : snprintf(row, sizeof row,
                       "{\"height\":%" PRIu32 ",\"block_hash\":\"%s\",\"filter_header\":\"%s\"}\n",
                       height, hash, text);
    return spv_export_write(e, row, (size_t)n);
}

bool spv_export_format_has_filter_headers(enum spv_export_format format)
{
    switch (format) {
    case SPV_EXPORT_CSV:
    case SPV_EXPORT_JSONL:
    case SPV_EXPORT_RAW:
    case SPV_EXPORT_NEUTRINO:
        return true;
    case SPV_EXPORT_ELECTRUM:
    case SPV_EXPORT_POSTGRES:
        break;
    }
    return false;
}

int spv_export_filters_begin(const struct spv_export_rows *e)
{
    switch (e->format) {
    case SPV_EXPORT_CSV:
        return spv_export_text(e, "height,block_hash,filter_header\n");
    case SPV_EXPORT_JSONL:
        return 0;
    case SPV_EXPORT_RAW: /* nothing in the file tells where it begins */
        return e->from == 0 ? 0 : SPV_ERR_INVALID;
    case SPV_EXPORT_NEUTRINO:
        return spv_export_neutrino_head(e, SPV_NEUTRINO_FILTER_HEADERS);
    case SPV_EXPORT_ELECTRUM:
    case SPV_EXPORT_POSTGRES:
        break;
    }
    return SPV_ERR_UNSUPPORTED;
}

int spv_export_filters_row(const struct spv_export_rows *e, uint32_t height,
                           const struct spv_blockhash *block,
                           const struct spv_filter_header *header)
{
    switch (e->format) {
    case SPV_EXPORT_CSV:
    case SPV_EXPORT_JSONL:
        return text_row(e, height, block, header);
    case SPV_EXPORT_RAW:
    case SPV_EXPORT_NEUTRINO:
        return spv_export_write(e, header->b, sizeof header->b);
    case SPV_EXPORT_ELECTRUM:
    case SPV_EXPORT_POSTGRES:
        break;
    }
    return SPV_ERR_UNSUPPORTED;
}
