/* A chain of headers in memory, for a server: 80 bytes a header and a compact index of their
 * hashes, about 92 bytes a header in all. One thread. */
#ifndef SPV_HEADER_SET_H
#define SPV_HEADER_SET_H

#include "spv/header.h"

struct headerset;

/* An empty set. SPV_ERR_NOMEM. */
int headerset_new(struct headerset **out);
void headerset_free(struct headerset *set);

/* Adds the next header; the first has height 0. SPV_ERR_INVALID when it is not the next one,
 * SPV_ERR_NOMEM. */
int headerset_add(struct headerset *set, const struct spv_record *record);

/* Keeps the first n headers (at least 1) and drops those above. Costs as much as the set is long.
 */
void headerset_cut(struct headerset *set, uint32_t n);

/* The set as a reader; lent, valid as long as the set, also while it grows. */
struct spv_reader headerset_reader(struct headerset *set);

#endif
