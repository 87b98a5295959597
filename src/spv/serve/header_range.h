/* What a getheaders asks for, as heights of a reader's best chain. */
#ifndef SPV_SPV_SERVE_HEADER_RANGE_H
#define SPV_SPV_SERVE_HEADER_RANGE_H

#include "spv/header_db.h"
#include "spv/message.h"

struct spv_serve_range {
    uint32_t from;
    uint32_t max; /* headers; 0: none */
    /* A stop hash that the reader did not find: the header whose hash this is ends the answer, if
     * it is there after all. NULL: none. Lent by the request. */
    const struct spv_blockhash *seek;
};

/* 0 or what the reader failed with; within its hold. */
int spv_serve_find_range(const struct spv_header_db *reader, struct spv_serve_range *out,
                         const struct spv_msg_getheaders *request);
/* The first hash of a locator that the best chain has: 1, 0 for none, or negative. */
int spv_serve_locate(const struct spv_header_db *reader, struct spv_chain_header *out,
                     const struct spv_blockhash *locator, size_t n);

#endif
