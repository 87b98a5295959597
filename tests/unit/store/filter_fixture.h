/* Shared by the tests of stored filter headers and kept filters: filters of made-up bytes with
 * their chain of filter headers, and networks with built-in filter headers. */
#ifndef SPV_TESTS_UNIT_STORE_FILTER_FIXTURE_H
#define SPV_TESTS_UNIT_STORE_FILTER_FIXTURE_H

#include "store_fixture.h"

#define FILTERS_MAX 300 /* heights 0..299 */
#define FILTER_MIN 20 /* bytes; the filter of height h > 0 has 20 + h % 7 */

struct filter_chain {
    struct spv_filter_header headers[FILTERS_MAX];
    struct spv_filter_hash hashes[FILTERS_MAX];
    uint8_t bytes[FILTERS_MAX][FILTER_MIN + 6];
};

size_t filter_size(uint32_t height);
struct spv_bytes filter_at(const struct filter_chain *chain, uint32_t height);

/* All heights. Different salts give different filters, but for that of regtest's genesis. */
void make_filters(struct filter_chain *out, uint32_t salt);
/* The same as *below up to a height, other filters above. */
void fork_filters(struct filter_chain *out, const struct filter_chain *below, uint32_t height,
                  uint32_t salt);

/* Stores the filter headers of heights from..from + n - 1, with or without their hashes; the store
 * names the last block itself. */
int add_filters(struct spv_store *s, const struct filter_chain *chain, uint32_t from, size_t n,
                bool hashes);
int keep(struct spv_store *s, const struct filter_chain *chain, uint32_t height, uint64_t limit);

/* Opens the store with parameters that are not regtest's, or fails the test. */
struct spv_store *open_with(const char *path, enum spv_store_mode mode,
                            const struct spv_params *params);

/* Asserts that exactly these heights have filter headers; hashes are known from `known` on. */
void assert_filters(struct spv_store *s, const struct filter_chain *chain, uint32_t first,
                    uint32_t last, uint32_t known);
void assert_no_filters(struct spv_store *s);
/* Asserts which filters are kept, as "5-7,9": each is read; and the last run and the totals. */
void assert_kept(struct spv_store *s, const struct filter_chain *chain, const char *heights);

#endif
