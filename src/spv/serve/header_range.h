/* The range of best-chain heights that a getheaders requests. */
#ifndef SPV_SPV_SERVE_HEADER_RANGE_H
#define SPV_SPV_SERVE_HEADER_RANGE_H

#include "spv/header_db.h"
#include "spv/message.h"

struct spv_serve_range {
    uint32_t from;
    uint32_t max; /* headers; 0: none */
    /* A stop hash that the database did not find, for instance while it has no hash index: a header
     * with this hash still ends the answer. NULL: none. Borrowed from the request. */
    const struct spv_blockhash *stop_hash;
};

/* Returns 0, or an error of the database. Call it between begin_read and end_read. */
int spv_serve_find_range(const struct spv_header_db *db, struct spv_serve_range *out,
                         const struct spv_msg_getheaders *request);
/* The header of the first locator hash that is on the best chain. Returns 1 and *out, 0 when there
 * is none, or negative. */
int spv_serve_locate(const struct spv_header_db *db, struct spv_chain_header *out,
                     const struct spv_blockhash *locator, size_t n);

#endif
