/* Shared by the tests of chains that do not begin at genesis: one chain with periods of ten blocks,
 * and stores that contain a part of it. */
#ifndef SPV_TESTS_UNIT_STORE_START_FIXTURE_H
#define SPV_TESTS_UNIT_STORE_START_FIXTURE_H

#include "store_fixture.h"

#define PERIOD 10
#define TOP 100 /* headers of the whole chain above genesis */
#define BASE 40

extern struct spv_params base_params;
extern struct spv_chain_header base_chain[TOP + 1]; /* the whole chain by height */

void start_fixture_prepare(void);
struct spv_store *start_fixture_open(const char *path, enum spv_store_mode mode);
/* The headers with work values that count from the base. */
void start_fixture_relative(struct spv_chain_header *out, size_t from, size_t n);
/* A store that contains BASE..to; its work values include the work below the base or not. */
struct spv_store *start_fixture_started(const char *path, size_t to, bool known);
void start_fixture_same(const struct spv_chain_header *a, const struct spv_chain_header *b);
/* Asserts that each read function returns exactly genesis and base..to. */
void start_fixture_check(struct spv_store *s, uint32_t base, uint32_t to);

#endif
