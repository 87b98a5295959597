/* A chain of headers in memory, for a server: 80 bytes a header and a compact index of their
 * hashes, about 92 bytes a header in all. One thread. */
#ifndef SPV_HEADER_SET_H
#define SPV_HEADER_SET_H

#include "spv/header_db.h"

struct header_set;

/* Creates an empty set. Returns 0 or SPV_ERR_NOMEM. */
int header_set_new(struct header_set **out);
void header_set_free(struct header_set *set);

/* Adds the next header; the first has height 0. Returns 0, SPV_ERR_INVALID when it is not the next
 * one, SPV_ERR_TOO_MANY or SPV_ERR_NOMEM. */
int header_set_add(struct header_set *set, const struct spv_chain_header *record);

/* Keeps the first n headers (at least 1) and removes those above. Linear in the set's size. */
void header_set_truncate(struct header_set *set, uint32_t n);

/* Returns the set as a header database, valid as long as the set, also while it grows. */
struct spv_header_db header_set_db(struct header_set *set);

#endif
