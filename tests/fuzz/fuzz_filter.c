/* A compact block filter, and scripts to match: [u8: the block hash's first byte][u8: bytes of a
 * script][filter].
 *
 * Invariants: all decoders agree with each other and with the check; a filter without padding bits
 * is what its values encode to; a script matches when its value is among the filter's, alone, in a
 * list, among few or many, by each set of instructions. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "spv/error.h"
#include "spv/filters/filter_match.h"
#include "spv/filters/filter_query.h"
#include "spv/filters/gcs.h"
#include "util/hash.h"

#define MANY (SPV_FILTER_FEW_SCRIPTS + 8)

static void check_encoding(const struct spv_filter *filter, const uint64_t *values, size_t n,
                           int rc)
{
    struct spv_buffer again;

    spv_buffer_init(&again);
    spv_gcs_encode(&again, values, n);
    FUZZ_CHECK(again.error == 0 && again.len == filter->n);
    FUZZ_CHECK((memcmp(again.data, filter->bytes, filter->n) == 0) == (rc == 0));
    spv_buffer_free(&again);
}

/* The query is the script and copies of it. */
static void check_match(const struct spv_filter *filter, const struct spv_bytes *script, size_t n,
                        int want)
{
    struct spv_bytes *scripts = calloc(n, sizeof *scripts);
    bool *hits = calloc(n, sizeof *hits);
    const struct spv_filter list[3] = {*filter, *filter, *filter};
    int results[3];
    struct spv_filter_query *query;
    struct spv_filter_matcher *matcher;

    FUZZ_CHECK(scripts && hits);
    for (size_t i = 0; i < n; i++)
        scripts[i] = *script;
    FUZZ_CHECK(spv_filter_query_new(&query, scripts, n) == 0);
    FUZZ_CHECK(spv_filter_matcher_new(&matcher, query) == 0);
    for (enum spv_simd simd = SPV_SIMD_BASELINE; simd <= spv_simd_best(); simd++) {
        matcher->simd = simd;
        FUZZ_CHECK(spv_filter_match_which(matcher, hits, filter) == want);
        for (size_t i = 0; i < n && want >= 0; i++)
            FUZZ_CHECK(hits[i] == (want == 1));
        spv_filter_match_list(matcher, results, list, 3);
        for (unsigned i = 0; i < 3; i++)
            FUZZ_CHECK(results[i] == want);
    }
    spv_filter_matcher_free(matcher);
    spv_filter_query_free(query);
    free(scripts);
    free(hits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct spv_filter filter = {.block = {{data[0]}}};
    struct spv_bytes script = {data + 2, data[1]};
    struct spv_gcs set;
    size_t n;

    filter.bytes = data + 2;
    filter.n = size - 2;
    if (script.n > filter.n)
        script.n = filter.n;
    const int rc = spv_filter_check(&n, &filter);
    const int opened = spv_gcs_open(&set, filter.bytes, filter.n);
    if (opened != 0) {
        FUZZ_CHECK(rc == opened);
        check_match(&filter, &script, 1, rc);
        return 0;
    }
    uint64_t *values = calloc(set.n + 1, sizeof *values), *more = calloc(set.n + 1, sizeof *more);
    FUZZ_CHECK(values && more);
    int want = rc == SPV_ERR_FILTER_PADDING ? 0 : rc;
    FUZZ_CHECK(spv_filter_decode(values, &filter) == want);
    for (enum spv_simd simd = SPV_SIMD_BASELINE; simd <= spv_simd_best(); simd++) {
        int both[2];
        FUZZ_CHECK(spv_gcs_decode(more, &set, simd) == want);
        FUZZ_CHECK(want != 0 || memcmp(values, more, set.n * sizeof *values) == 0);
        spv_gcs_decode_pair(both, (uint64_t *[2]){more, values},
                            (const struct spv_gcs *[2]){&set, &set}, simd);
        FUZZ_CHECK(both[0] == want && both[1] == want);
        FUZZ_CHECK(want != 0 || memcmp(values, more, set.n * sizeof *values) == 0);
    }
    if (want == 0) {
        const struct spv_gcs_key key = spv_gcs_key_of(&filter.block);
        const uint64_t value =
            spv_gcs_value(spv_siphash(key.k0, key.k1, script.bytes, script.n), set.range);
        FUZZ_CHECK(n == set.n);
        check_encoding(&filter, values, set.n, rc);
        for (size_t i = 0; i < set.n && script.n > 0; i++)
            if (values[i] == value)
                want = 1;
    }
    check_match(&filter, &script, 1, want);
    if (data[1] % 16 == 0)
        check_match(&filter, &script, MANY, want);
    free(values);
    free(more);
    return 0;
}
