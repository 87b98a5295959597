/* Compact filter requests answered as BIP157 demands and Bitcoin Core answers them. */
#include "spv/error.h"
#include "spv/filter.h"
#include "spv/serve.h"
#include "support/failing_alloc.h"
#include "support/unit.h"
#include "unit/spv/serve/filters_fixture.h"

#define BLOCKS 3100 /* three checkpoints, and more than a request may ask for */

struct serve_fixture {
    struct filters_fixture f;
    struct spv_header_db headers;
    struct spv_filter_db filters;
    struct spv_hash256 hashes[SPV_MAX_CFHEADERS];
    struct spv_msg_cfheaders cfheaders;
    struct spv_msg_cfcheckpt cfcheckpt;
    struct spv_serve_checkpoints checkpoints;
    struct spv_serve_cfilters cfilters;
};
static struct serve_fixture serve_fixture;

static int set_up(void **state)
{
    struct serve_fixture *s = &serve_fixture;
    *s = (struct serve_fixture){.cfilters = {.n_left = 0}};
    filters_fixture_init(&s->f, BLOCKS, 1);
    filters_fixture_fill(&s->f, 0, 1);
    s->headers = filters_fixture_headers(&s->f);
    s->filters = filters_fixture_filters(&s->f);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct serve_fixture *s = *state;
    assert_false(s->f.in_snapshot);
    spv_serve_checkpoints_free(&s->checkpoints);
    filters_fixture_free(&s->f);
    return 0;
}

/* The three requests, with a stop by its hash. */

static int get_cfheaders(struct serve_fixture *s, uint8_t type, uint32_t start,
                         const struct spv_blockhash *stop)
{
    const struct spv_msg_getcfilters request = {.type = type, .start = start, .stop = *stop};
    return spv_serve_cfheaders(&s->headers, &s->filters, &s->cfheaders, s->hashes, &request);
}

static int get_cfilters(struct serve_fixture *s, uint8_t type, uint32_t start,
                        const struct spv_blockhash *stop)
{
    const struct spv_msg_getcfilters request = {.type = type, .start = start, .stop = *stop};
    return spv_serve_cfilters_begin(&s->headers, &s->filters, &s->cfilters, &request);
}

static int get_cfcheckpt(struct serve_fixture *s, uint8_t type, const struct spv_blockhash *stop)
{
    const struct spv_msg_getcfcheckpt request = {.type = type, .stop = *stop};
    return spv_serve_cfcheckpt(&s->headers, &s->filters, &s->cfcheckpt, &s->checkpoints, &request);
}

/* And of the basic type, with a stop by its height. */

static const struct spv_blockhash *hash_at(const struct serve_fixture *s, uint32_t height)
{
    return &s->f.at[height].block.hash;
}

static int cfheaders(struct serve_fixture *s, uint32_t start, uint32_t stop)
{
    return get_cfheaders(s, SPV_FILTER_BASIC, start, hash_at(s, stop));
}

static int cfilters(struct serve_fixture *s, uint32_t start, uint32_t stop)
{
    return get_cfilters(s, SPV_FILTER_BASIC, start, hash_at(s, stop));
}

static int cfcheckpt(struct serve_fixture *s, uint32_t stop)
{
    return get_cfcheckpt(s, SPV_FILTER_BASIC, hash_at(s, stop));
}

/* All three must give the same result. */
static void assert_all(struct serve_fixture *s, uint8_t type, const struct spv_blockhash *stop,
                       int want)
{
    assert_int_equal(get_cfheaders(s, type, 5, stop), want);
    assert_int_equal(get_cfilters(s, type, 5, stop), want);
    assert_int_equal(get_cfcheckpt(s, type, stop), want);
}

static int next_filter(struct serve_fixture *s, struct spv_msg_cfilter *out)
{
    return spv_serve_cfilters_next(&s->headers, &s->filters, &s->cfilters, out);
}

/* The next filter must be that of this height. */
static void expect_filter(struct serve_fixture *s, uint32_t height)
{
    struct spv_msg_cfilter filter;
    assert_int_equal(next_filter(s, &filter), 1);
    assert_int_equal(filter.type, SPV_FILTER_BASIC);
    assert_memory_equal(filter.block.b, hash_at(s, height)->b, 32);
    assert_int_equal(filter.n, s->f.at[height].n);
    assert_memory_equal(filter.filter, s->f.at[height].filter, filter.n);
}

static void expect_end(struct serve_fixture *s)
{
    struct spv_msg_cfilter filter;
    assert_int_equal(next_filter(s, &filter), 0);
    assert_int_equal(s->cfilters.n_left, 0);
    s->f.calls = 0;
    assert_int_equal(next_filter(s, &filter), 0);
    assert_int_equal(s->f.calls, 0); /* ended for good */
}

static void cfheaders_gives_the_filter_headers_of_the_range(void **state)
{
    struct serve_fixture *s = *state;
    assert_int_equal(cfheaders(s, 7, 40), 1);
    assert_int_equal(s->cfheaders.type, SPV_FILTER_BASIC);
    assert_memory_equal(s->cfheaders.stop.b, hash_at(s, 40)->b, 32);
    assert_int_equal(s->cfheaders.n, 34);
    assert_memory_equal(s->cfheaders.prev.b, s->f.at[6].header.b, 32);
    struct spv_filter_header header = s->f.at[6].header;
    for (uint32_t i = 0; i < 34; i++) {
        struct spv_filter_hash hash;
        memcpy(hash.b, s->cfheaders.hashes[i].b, 32);
        spv_filter_compute_header(&header, &hash, &header);
        assert_memory_equal(header.b, s->f.at[7 + i].header.b, 32);
    }
}

static void previous_filter_header_of_genesis_is_zero(void **state)
{
    static const uint8_t zero[32];
    struct serve_fixture *s = *state;
    assert_int_equal(cfheaders(s, 0, 0), 1);
    assert_int_equal(s->cfheaders.n, 1);
    assert_memory_equal(s->cfheaders.prev.b, zero, 32);
    assert_memory_equal(s->cfheaders.hashes[0].b, s->f.at[0].hash.b, 32);
}

static void a_getcfheaders_of_2000_blocks_is_answered_and_one_more_closes(void **state)
{
    struct serve_fixture *s = *state;
    static const uint32_t starts[] = {0, 1, 3};
    for (size_t i = 0; i < COUNT(starts); i++) {
        const uint32_t from = starts[i];
        assert_int_equal(cfheaders(s, from, from + 1998), 1);
        assert_int_equal(s->cfheaders.n, 1999);
        assert_int_equal(cfheaders(s, from, from + 1999), 1);
        assert_int_equal(s->cfheaders.n, 2000);
        assert_memory_equal(s->cfheaders.hashes[1999].b, s->f.at[from + 1999].hash.b, 32);
        assert_int_equal(cfheaders(s, from, from + 2000), SPV_ERR_FILTER_REQUEST);
    }
}

static void a_getcfilters_of_1000_blocks_is_answered_and_one_more_closes(void **state)
{
    struct serve_fixture *s = *state;
    static const uint32_t starts[] = {0, 1, 3};
    for (size_t i = 0; i < COUNT(starts); i++) {
        const uint32_t from = starts[i];
        assert_int_equal(cfilters(s, from, from + 998), 1);
        assert_int_equal(s->cfilters.n_left, 999);
        assert_int_equal(cfilters(s, from, from + 1000), SPV_ERR_FILTER_REQUEST);
        assert_int_equal(s->cfilters.n_left, 0);
        assert_int_equal(cfilters(s, from, from + 999), 1);
        for (uint32_t h = from; h < from + 1000; h++)
            expect_filter(s, h);
        expect_end(s);
    }
}

static void a_start_above_the_stop_closes(void **state)
{
    struct serve_fixture *s = *state;
    assert_int_equal(cfheaders(s, 41, 40), SPV_ERR_FILTER_REQUEST);
    assert_int_equal(cfilters(s, 41, 40), SPV_ERR_FILTER_REQUEST);
    assert_int_equal(cfheaders(s, UINT32_MAX, 0), SPV_ERR_FILTER_REQUEST);
    assert_int_equal(cfilters(s, UINT32_MAX, 0), SPV_ERR_FILTER_REQUEST);
    assert_int_equal(cfheaders(s, 40, 40), 1);
    assert_int_equal(cfilters(s, 40, 40), 1);
}

static void a_filter_type_other_than_basic_closes(void **state)
{
    struct serve_fixture *s = *state;
    assert_all(s, 0, hash_at(s, 40), 1);
    for (unsigned type = 1; type < 256; type++)
        assert_all(s, (uint8_t)type, hash_at(s, 40), SPV_ERR_FILTER_REQUEST);
}

static void an_unknown_stop_hash_closes(void **state)
{
    struct serve_fixture *s = *state;
    const struct spv_blockhash zero = {{0}}, strange = {{1, 2, 3}};
    assert_all(s, SPV_FILTER_BASIC, &zero, SPV_ERR_FILTER_REQUEST);
    assert_all(s, SPV_FILTER_BASIC, &strange, SPV_ERR_FILTER_REQUEST);
}

static void a_stop_hash_that_left_the_best_chain_closes(void **state)
{
    struct serve_fixture *s = *state;
    const struct spv_blockhash stale = *hash_at(s, 60);
    filters_fixture_reorganise(&s->f, 60, 2);
    filters_fixture_fill(&s->f, 60, 2);
    assert_all(s, SPV_FILTER_BASIC, &stale, SPV_ERR_FILTER_REQUEST);
    assert_all(s, SPV_FILTER_BASIC, hash_at(s, 60), 1);
}

static void no_answer_while_there_is_no_hash_index(void **state)
{
    struct serve_fixture *s = *state;
    const struct spv_blockhash strange = {{1, 2, 3}};
    s->f.no_index = true;
    assert_all(s, SPV_FILTER_BASIC, hash_at(s, 40), 0);
    assert_all(s, SPV_FILTER_BASIC, &strange, 0);
    assert_all(s, 1, hash_at(s, 40), SPV_ERR_FILTER_REQUEST);
}

static void no_cfheaders_when_a_filter_header_or_hash_is_missing(void **state)
{
    struct serve_fixture *s = *state;
    s->f.at[100].has_hash = false; /* an imported filter header */
    assert_int_equal(cfheaders(s, 90, 99), 1);
    assert_int_equal(cfheaders(s, 90, 100), 0);
    assert_int_equal(cfheaders(s, 90, 101), 0);
    assert_int_equal(cfheaders(s, 100, 100), 0);
    assert_int_equal(cfheaders(s, 101, 110), 1); /* it is a previous filter header, too */
    s->f.at[200].has_header = false;
    assert_int_equal(cfheaders(s, 200, 210), 0);
    assert_int_equal(cfheaders(s, 201, 210), 0); /* without the previous filter header */
    assert_int_equal(cfheaders(s, 202, 210), 1);
}

/* A new block: its header is there, its filter is not yet. */
static void no_answer_for_a_block_whose_filter_is_not_there_yet(void **state)
{
    struct serve_fixture *s = *state;
    filters_fixture_reorganise(&s->f, BLOCKS - 1, 2);
    assert_int_equal(cfheaders(s, BLOCKS - 2, BLOCKS - 1), 0);
    assert_int_equal(cfilters(s, BLOCKS - 2, BLOCKS - 1), 0);
    assert_int_equal(cfcheckpt(s, BLOCKS - 1), 1); /* its filter header is not in it */
    assert_int_equal(cfheaders(s, BLOCKS - 3, BLOCKS - 2), 1);
    assert_int_equal(cfilters(s, BLOCKS - 3, BLOCKS - 2), 1);
}

static void an_answer_begins_only_when_all_its_filters_are_kept(void **state)
{
    struct serve_fixture *s = *state;
    filters_fixture_drop_filter(&s->f, 100); /* a bounded store drops the oldest */
    filters_fixture_drop_filter(&s->f, BLOCKS - 1);
    assert_int_equal(cfilters(s, 100, 110), 0);
    assert_int_equal(s->cfilters.n_left, 0);
    assert_int_equal(cfilters(s, 101, 110), 1);
    assert_int_equal(cfilters(s, BLOCKS - 3, BLOCKS - 2), 1);
    assert_int_equal(cfilters(s, BLOCKS - 3, BLOCKS - 1), 0);
    for (uint32_t h = 0; h < BLOCKS; h++)
        filters_fixture_drop_filter(&s->f, h);
    assert_int_equal(cfilters(s, 101, 110), 0);
    assert_int_equal(s->f.filter_reads, 0);
}

static void cfcheckpt_has_a_filter_header_for_each_1000_blocks(void **state)
{
    static const struct {
        uint32_t stop;
        size_t n;
    } cases[] = {{0, 0},    {1, 0},    {999, 0},  {1000, 1}, {1001, 1}, {1999, 1},
                 {2000, 2}, {2001, 2}, {2999, 2}, {3000, 3}, {3099, 3}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct serve_fixture *s = *state;
        /* alone, and after each other one */
        for (size_t k = 0; k < COUNT(cases); k++) {
            spv_serve_checkpoints_free(&s->checkpoints);
            assert_int_equal(cfcheckpt(s, cases[k].stop), 1);
            assert_int_equal(cfcheckpt(s, cases[i].stop), 1);
            assert_int_equal(s->cfcheckpt.type, SPV_FILTER_BASIC);
            assert_memory_equal(s->cfcheckpt.stop.b, hash_at(s, cases[i].stop)->b, 32);
            assert_int_equal(s->cfcheckpt.n, cases[i].n);
            for (size_t c = 0; c < cases[i].n; c++)
                assert_memory_equal(s->cfcheckpt.headers[c].b, s->f.at[(c + 1) * 1000].header.b,
                                    32);
        }
    }
}

static void no_cfcheckpt_when_a_checkpoint_is_missing(void **state)
{
    struct serve_fixture *s = *state;
    s->f.at[2000].has_header = false;
    assert_int_equal(cfcheckpt(s, 1999), 1);
    assert_int_equal(cfcheckpt(s, 2000), 0);
    assert_int_equal(cfcheckpt(s, 3099), 0);
    s->f.at[2000].has_header = true;
    s->f.at[2000].has_hash = false; /* not needed */
    assert_int_equal(cfcheckpt(s, 3099), 1);
}

static void checkpoints_of_earlier_answers_are_not_read_again(void **state)
{
    struct serve_fixture *s = *state;
    assert_int_equal(cfcheckpt(s, 2500), 1);
    assert_int_equal(s->f.header_reads, 2);
    assert_int_equal(cfcheckpt(s, 2999), 1);
    assert_int_equal(s->f.header_reads, 3); /* the highest, which shows that nothing changed */
    assert_int_equal(cfcheckpt(s, 3000), 1);
    assert_int_equal(s->f.header_reads, 5); /* and the new one */
    assert_int_equal(cfcheckpt(s, 1000), 1);
    assert_int_equal(s->f.header_reads, 6);
    assert_int_equal(cfcheckpt(s, 3000), 1);
    assert_int_equal(s->f.header_reads, 7);
}

/* The checkpoints must be the stored ones. */
static void assert_checkpoints(struct serve_fixture *s, size_t n)
{
    assert_int_equal(s->cfcheckpt.n, n);
    for (size_t i = 0; i < n; i++)
        assert_memory_equal(s->cfcheckpt.headers[i].b, s->f.at[(i + 1) * 1000].header.b, 32);
}

static void checkpoints_follow_a_reorganisation(void **state)
{
    struct serve_fixture *s = *state;
    assert_int_equal(cfcheckpt(s, 3099), 1);
    filters_fixture_reorganise(&s->f, 1500, 2);
    assert_int_equal(cfcheckpt(s, 3099), 0); /* its filters are not there yet */
    filters_fixture_fill(&s->f, 1500, 2);
    assert_int_equal(cfcheckpt(s, 3099), 1);
    assert_checkpoints(s, 3);
    filters_fixture_reorganise(&s->f, 2500, 3);
    filters_fixture_fill(&s->f, 2500, 3);
    assert_int_equal(cfcheckpt(s, 2000), 1); /* not affected */
    assert_checkpoints(s, 2);
    assert_int_equal(cfcheckpt(s, 3099), 1);
    assert_checkpoints(s, 3);
}

/* Filter headers that were proven false are replaced, while the blocks stay. */
static void checkpoints_follow_filter_headers_that_were_undone(void **state)
{
    struct serve_fixture *s = *state;
    assert_int_equal(cfcheckpt(s, 3099), 1);
    filters_fixture_fill(&s->f, 900, 9);
    assert_int_equal(cfcheckpt(s, 2000), 1);
    assert_checkpoints(s, 2);
    assert_int_equal(cfcheckpt(s, 3099), 1);
    assert_checkpoints(s, 3);
}

static int far_by_hash(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash)
{
    (void)ctx;
    *out = (struct spv_chain_header){.hash = *hash};
    out->height = (SPV_MAX_CFCHECKPT + 1) * SPV_CFCHECKPT_INTERVAL;
    return 1;
}

static void no_cfcheckpt_that_no_message_can_hold(void **state)
{
    struct serve_fixture *s = *state;
    s->headers.by_hash = far_by_hash;
    assert_int_equal(cfcheckpt(s, 1), 0);
    assert_int_equal(s->f.header_reads, 0);
}

static void without_memory_for_checkpoints_there_is_an_error(void **state)
{
    struct serve_fixture *s = *state;
    failing_alloc_plan(1, FAILING_ALLOC_ONE);
    assert_int_equal(cfcheckpt(s, 3099), SPV_ERR_NOMEM);
    assert_int_equal(failing_alloc_end(), 1);
    assert_int_equal(cfcheckpt(s, 3099), 1);
    assert_checkpoints(s, 3);
}

static void a_reorganisation_of_the_stop_ends_the_answer(void **state)
{
    struct serve_fixture *s = *state;
    /* below what was sent, at what is next, and of the stop alone */
    static const uint32_t forks[] = {10, 102, 110};
    for (size_t i = 0; i < COUNT(forks); i++) {
        assert_int_equal(cfilters(s, 100, 110), 1);
        expect_filter(s, 100);
        expect_filter(s, 101);
        filters_fixture_reorganise(&s->f, forks[i], 10 + (uint32_t)i);
        filters_fixture_fill(&s->f, forks[i], 2);
        expect_end(s);
    }
}

static void a_reorganisation_above_the_stop_does_not_end_the_answer(void **state)
{
    struct serve_fixture *s = *state;
    assert_int_equal(cfilters(s, 100, 102), 1);
    expect_filter(s, 100);
    filters_fixture_reorganise(&s->f, 103, 2);
    expect_filter(s, 101);
    expect_filter(s, 102);
    expect_end(s);
}

static void a_shorter_chain_ends_the_answer(void **state)
{
    struct serve_fixture *s = *state;
    assert_int_equal(cfilters(s, 100, 110), 1);
    expect_filter(s, 100);
    const uint32_t n = s->f.n;
    s->f.n = 105;
    expect_end(s);
    s->f.n = n;
}

static void a_filter_that_was_dropped_meanwhile_ends_the_answer(void **state)
{
    struct serve_fixture *s = *state;
    assert_int_equal(cfilters(s, 100, 110), 1);
    expect_filter(s, 100);
    filters_fixture_drop_filter(&s->f, 102);
    expect_filter(s, 101);
    expect_end(s);
}

static void two_answers_are_independent(void **state)
{
    struct serve_fixture *s = *state;
    assert_int_equal(cfilters(s, 100, 102), 1);
    expect_filter(s, 100);
    const struct spv_serve_cfilters first = s->cfilters;
    assert_int_equal(cfilters(s, 0, 0), 1);
    expect_filter(s, 0);
    expect_end(s);
    s->cfilters = first;
    expect_filter(s, 101);
    expect_filter(s, 102);
    expect_end(s);
}

static int coverage(struct serve_fixture *s)
{
    return spv_serve_filter_coverage(&s->headers, &s->filters);
}

static void all_filters_are_there_from_genesis_to_the_tip(void **state)
{
    struct serve_fixture *s = *state;
    assert_int_equal(coverage(s), SPV_FILTERS_ALL);
    s->f.no_index = true; /* stop hashes would not be found */
    assert_int_equal(coverage(s), SPV_FILTERS_SOME);
    s->f.no_index = false;
    s->f.start = 2016; /* headers are missing */
    assert_int_equal(coverage(s), SPV_FILTERS_SOME);
    s->f.start = 0;
    s->f.at[0].has_header = false; /* filter headers from height 1 on */
    assert_int_equal(coverage(s), SPV_FILTERS_SOME);
    s->f.at[0].has_header = true;
    s->f.at[BLOCKS - 1].has_header = false;
    assert_int_equal(coverage(s), SPV_FILTERS_SOME);
    s->f.at[BLOCKS - 1].has_header = true;
    filters_fixture_drop_filter(&s->f, 0);
    assert_int_equal(coverage(s), SPV_FILTERS_SOME);
    filters_fixture_fill(&s->f, 0, 1);
    assert_int_equal(coverage(s), SPV_FILTERS_ALL);
    filters_fixture_drop_filter(&s->f, BLOCKS - 1);
    assert_int_equal(coverage(s), SPV_FILTERS_SOME);
    for (uint32_t h = 0; h < BLOCKS; h++)
        filters_fixture_drop_filter(&s->f, h);
    assert_int_equal(coverage(s), SPV_FILTERS_SOME); /* filter headers only */
}

static void without_filter_headers_there_is_no_coverage(void **state)
{
    struct serve_fixture *s = *state;
    filters_fixture_reorganise(&s->f, 0, 2);
    assert_int_equal(coverage(s), SPV_FILTERS_NONE);
    s->f.no_index = true;
    assert_int_equal(coverage(s), SPV_FILTERS_NONE);
    filters_fixture_fill(&s->f, 0, 1);
    assert_int_equal(coverage(s), SPV_FILTERS_SOME);
}

/* Each call with each of its reads failing in turn: the error is returned, the snapshot ended, and
 * the next call is complete. */
static void failing_reads_are_errors(void **state)
{
    struct serve_fixture *s = *state;
    for (unsigned call = 0; call < 5; call++) {
        unsigned k = 0;
        int rc = 0;
        do {
            struct spv_msg_cfilter filter;
            s->f.fail_at = 0;
            assert_int_equal(cfilters(s, 100, 101), 1);
            s->f.calls = 0;
            s->f.fail_at = ++k;
            if (call == 0)
                rc = cfheaders(s, 7, 40);
            else if (call == 1)
                rc = cfilters(s, 7, 40);
            else if (call == 2)
                rc = next_filter(s, &filter);
            else if (call == 3)
                rc = cfcheckpt(s, 3099);
            else
                rc = coverage(s);
            if (s->f.calls >= k)
                assert_int_equal(rc, SPV_ERR_DB);
            else
                assert_int_equal(rc, call == 4 ? SPV_FILTERS_ALL : 1);
            assert_false(s->f.in_snapshot);
        } while (rc < 0);
        assert_in_range(k, 4, 7); /* each reads three to six times */
    }
    s->f.fail_at = 0;
    s->f.no_index = true;
    s->f.calls = 0;
    s->f.fail_at = 3; /* whether there is an index */
    assert_int_equal(cfheaders(s, 7, 40), SPV_ERR_DB);
}

static void a_database_without_snapshots_index_and_start_is_read(void **state)
{
    struct serve_fixture *s = *state;
    s->headers.begin_read = NULL;
    s->headers.end_read = NULL;
    s->headers.has_hash_index = NULL;
    s->headers.start = NULL;
    s->f.in_snapshot = true;
    assert_all(s, SPV_FILTER_BASIC, hash_at(s, 40), 1);
    expect_filter(s, 5);
    assert_int_equal(coverage(s), SPV_FILTERS_ALL);
    const struct spv_blockhash strange = {{1, 2, 3}};
    assert_all(s, SPV_FILTER_BASIC, &strange, SPV_ERR_FILTER_REQUEST);
    s->f.in_snapshot = false;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(cfheaders_gives_the_filter_headers_of_the_range),
        T(previous_filter_header_of_genesis_is_zero),
        T(a_getcfheaders_of_2000_blocks_is_answered_and_one_more_closes),
        T(a_getcfilters_of_1000_blocks_is_answered_and_one_more_closes),
        T(a_start_above_the_stop_closes),
        T(a_filter_type_other_than_basic_closes),
        T(an_unknown_stop_hash_closes),
        T(a_stop_hash_that_left_the_best_chain_closes),
        T(no_answer_while_there_is_no_hash_index),
        T(no_cfheaders_when_a_filter_header_or_hash_is_missing),
        T(no_answer_for_a_block_whose_filter_is_not_there_yet),
        T(an_answer_begins_only_when_all_its_filters_are_kept),
        T(cfcheckpt_has_a_filter_header_for_each_1000_blocks),
        T(no_cfcheckpt_when_a_checkpoint_is_missing),
        T(checkpoints_of_earlier_answers_are_not_read_again),
        T(checkpoints_follow_a_reorganisation),
        T(checkpoints_follow_filter_headers_that_were_undone),
        T(no_cfcheckpt_that_no_message_can_hold),
        T(without_memory_for_checkpoints_there_is_an_error),
        T(a_reorganisation_of_the_stop_ends_the_answer),
        T(a_reorganisation_above_the_stop_does_not_end_the_answer),
        T(a_shorter_chain_ends_the_answer),
        T(a_filter_that_was_dropped_meanwhile_ends_the_answer),
        T(two_answers_are_independent),
        T(all_filters_are_there_from_genesis_to_the_tip),
        T(without_filter_headers_there_is_no_coverage),
        T(failing_reads_are_errors),
        T(a_database_without_snapshots_index_and_start_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
