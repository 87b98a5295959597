/* What the tests of chains that do not begin at genesis share: one chain whose periods are ten
 * blocks long, and stores that hold a part of it. */
#ifndef SPV_TESTS_UNIT_STORE_START_FIXTURE_H
#define SPV_TESTS_UNIT_STORE_START_FIXTURE_H

#include "store_fixture.h"

#define PERIOD 10
#define TOP 100 /* headers of the whole chain above genesis */
#define BASE 40

extern struct spv_params base_params;
extern struct spv_chain_header base_chain[TOP + 1]; /* the whole chain by height */

void base_prepare(void);
struct spv_store *base_open(const char *path, enum spv_store_mode mode);
/* The records as a store has them whose work counts from the base. */
void base_relative(struct spv_chain_header *out, size_t from, size_t n);
/* A store that holds BASE..to, with or without the work below. */
struct spv_store *base_started(const char *path, size_t to, bool known);
void base_same(const struct spv_chain_header *a, const struct spv_chain_header *b);
/* The store holds genesis and base..to, by every way of reading. */
void base_holds(struct spv_store *s, uint32_t base, uint32_t to);

#endif
