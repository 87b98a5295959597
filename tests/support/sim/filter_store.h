/* The filter headers and kept filters that a client stores, as the database would: they begin at
 * genesis, at a built-in filter header or right above one, follow each other, and belong to the
 * best chain. */
#ifndef SPV_TESTS_SUPPORT_SIM_FILTER_STORE_H
#define SPV_TESTS_SUPPORT_SIM_FILTER_STORE_H

#include "spv/filter_db.h"
#include "support/sim/sim.h"

struct sim_filter_row {
    struct spv_filter_header header;
    struct spv_filter_hash hash;
    uint8_t *filter; /* kept; NULL: not */
    size_t n;
};

struct sim_filter_store {
    const struct sim_store *chain;
    uint32_t first;
    struct sim_filter_row *at; /* at[0] is of height first */
    size_t n, cap;
    size_t kept, kept_bytes; /* filters, and their bytes */
    uint64_t limit; /* the last limit of kept filters */
};

void sim_filter_store_init(struct sim_filter_store *s, const struct sim_store *chain);
void sim_filter_store_free(struct sim_filter_store *s);
struct spv_filter_db sim_filter_store_reader(struct sim_filter_store *s);
/* Each returns NULL, or what is wrong with the call. */
const char *sim_filter_store_apply(struct sim_filter_store *s,
                                   const struct spv_filter_update *update);
const char *sim_filter_store_drop(struct sim_filter_store *s, uint32_t from);
/* As spv_store_keep_filter. */
const char *sim_filter_store_keep(struct sim_filter_store *s, uint32_t height,
                                  const struct spv_bytes *filter, uint64_t limit);
/* The height above the highest filter header; 0: there are none. */
uint32_t sim_filter_store_end(const struct sim_filter_store *s);
const struct sim_filter_row *sim_filter_store_at(const struct sim_filter_store *s,
                                                 uint32_t height); /* NULL: not stored */

#endif
