/* The formats that spv-export writes (docs/formats.md has each byte by byte): what stands before,
 * in and after the rows. Bytes go to a sink; what comes out depends on the headers alone. */
#ifndef SPV_EXPORT_ROWS_H
#define SPV_EXPORT_ROWS_H

#include "output_file.h"
#include "spv/params.h"

struct rows {
    struct sink *sink;
    const struct spv_params *params;
    uint32_t from; /* the first height */
    bool branches; /* side branches follow the best chain */
};

struct export_format {
    const char *name;
    bool branches; /* can carry side branches */
    /* The position behind the row of a height: how a followed file is cut back in a
     * reorganisation. NULL: a line marks it (mark), or the format cannot be followed. */
    uint64_t (*end_of)(const struct rows *r, uint64_t height);
    void (*mark)(const struct rows *r, uint32_t fork_height, const struct spv_blockhash *fork,
                 uint32_t removed);
    void (*head)(const struct rows *r); /* each may be NULL but row */
    void (*row)(const struct rows *r, const struct spv_chain_header *record, bool side);
    void (*between)(const struct rows *r); /* before the side branches */
    void (*tail)(const struct rows *r, const struct spv_chain_header *first,
                 const struct spv_chain_header *last);
};

/* By name; NULL is the default. NULL when there is none of this name. */
const struct export_format *export_format(const char *name);
#define EXPORT_FORMATS "csv, jsonl, raw, electrum, neutrino or postgres"

#endif
