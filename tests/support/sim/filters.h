/* Filters and filter headers of a test chain by height: the true ones, and the tables of a peer
 * that lies, in which some filters are replaced. */
#ifndef SPV_TESTS_SUPPORT_SIM_FILTERS_H
#define SPV_TESTS_SUPPORT_SIM_FILTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/filter.h"

struct sim_blocks;
struct sim_block;

struct sim_filter {
    const uint8_t *bytes;
    size_t n;
    uint8_t *owned; /* bytes, when this table is to free them; else NULL */
    struct spv_filter_hash hash;
    struct spv_filter_header header;
};

struct sim_filters {
    struct sim_filter *at; /* by height */
    size_t n, cap;
};

/* The true filters of a chain, which must outlive the copy. */
void sim_filters_copy(struct sim_filters *out, const struct sim_blocks *blocks);
void sim_filters_free(struct sim_filters *filters);
/* Appends the true filters of the blocks that the chain has beyond the table, on the table's own
 * filter headers. */
void sim_filters_extend(struct sim_filters *filters, const struct sim_blocks *blocks);
/* Appends a filter: bytes is copied when `copy`. */
void sim_filters_append(struct sim_filters *filters, const uint8_t *bytes, size_t n, bool copy);
/* Removes those from a height on. */
void sim_filters_cut(struct sim_filters *filters, uint32_t height);
/* Replaces a filter, taking bytes over, and recomputes the filter headers from there on. */
void sim_filters_replace(struct sim_filters *filters, uint32_t height, uint8_t *bytes, size_t n);
/* Replaces a filter hash but not its filter, and recomputes the filter headers from there on. */
void sim_filters_replace_hash(struct sim_filters *filters, uint32_t height, uint64_t seed);

/* How a filter is false. */
enum sim_filter_lie {
    SIM_LACKS_OUTPUT, /* of the wallet, if the block has one */
    SIM_LACKS_CERTAIN, /* a spent script that its input proves (P2SH around a witness program) */
    SIM_LACKS_INFERRED, /* a spent script that its input only suggests */
    SIM_LACKS_HIDDEN, /* a spent script of which its input shows nothing */
    SIM_FOLLOWS_INFERRED, /* a script that an input suggests falsely, instead of the true one */
    SIM_TOO_MANY, /* more elements than the block has outputs and inputs */
    SIM_DECOYS, /* some more elements, not too many: nothing proves it false */
    SIM_CUT_SHORT, /* does not decode */
    SIM_OF_OTHER_BLOCK,
    SIM_EMPTY,
};
#define SIM_FILTER_LIES (SIM_EMPTY + 1)

/* A false filter of a block, to be freed; NULL when the block offers no such lie. */
uint8_t *sim_filter_false(size_t *n, const struct sim_blocks *blocks, uint32_t height,
                          enum sim_filter_lie lie);
/* The first height, from one on, whose block offers such a lie; 0: none. With `wallet`, the script
 * that it hides must be the wallet's. */
uint32_t sim_filter_lie_height(const struct sim_blocks *blocks, uint32_t from,
                               enum sim_filter_lie lie, bool wallet);
/* The table with a false filter there. Ends the program when the block offers no such lie. */
void sim_filters_lie(struct sim_filters *filters, const struct sim_blocks *blocks, uint32_t height,
                     enum sim_filter_lie lie);

#endif
