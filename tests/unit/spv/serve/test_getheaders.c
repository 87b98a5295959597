/* getheaders answered as Bitcoin Core answers it. */
#include <string.h>

#include "spv/error.h"
#include "spv/serve.h"
#include "unit/spv/chain/chain_fixture.h"

#define SERVED 2500

struct serve_fixture {
    struct chain_fixture_headers headers;
    struct chain_fixture_store store;
    struct spv_header_db header_db;
    struct spv_header out[SPV_MAX_HEADERS];
};
static struct serve_fixture serve_fixture;

static int set_up(void **state)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    struct spv_chain *c;

    *state = &serve_fixture;
    serve_fixture.headers = chain_fixture_mined(params, NULL, 0, SERVED, 600, 1);
    chain_fixture_store_init(&serve_fixture.store, params);
    serve_fixture.header_db = chain_fixture_reader(&serve_fixture.store);
    const struct spv_chain_config cfg = {.params = params, .header_db = serve_fixture.header_db};
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    chain_fixture_feed_stored(c, &serve_fixture.store, &serve_fixture.headers, 0, SERVED);
    spv_chain_free(c);
    return 0;
}

static int tear_down(void **state)
{
    struct serve_fixture *s = *state;

    chain_fixture_store_free(&s->store);
    chain_fixture_headers_free(&s->headers);
    return 0;
}

/* The answer must be heights first.. */
static void assert_answer(struct serve_fixture *s, const struct spv_msg_getheaders *request,
                          uint32_t first, int n)
{
    assert_int_equal(spv_serve_headers(&s->header_db, s->out, request), n);
    assert_memory_equal(s->out, s->headers.headers + first - 1, (size_t)n * sizeof *s->out);
}

static void starts_after_the_first_known_locator_hash(void **state)
{
    struct serve_fixture *s = *state;
    struct spv_blockhash locator[] = {
        {{1}}, s->store.records[2300].hash, s->store.records[10].hash, s->store.records[0].hash};
    const struct spv_msg_getheaders request = {.locator = locator, .n = 4};

    assert_answer(s, &request, 2301, SERVED - 2300);
}

static void returns_at_most_2000_headers(void **state)
{
    struct serve_fixture *s = *state;
    const struct spv_msg_getheaders request = {.locator = &s->store.records[100].hash, .n = 1};

    assert_answer(s, &request, 101, SPV_MAX_HEADERS);
}

static void starts_after_genesis_when_no_locator_hash_is_known(void **state)
{
    struct serve_fixture *s = *state;
    const struct spv_blockhash strange = {{1, 2, 3}};
    const struct spv_msg_getheaders request = {.locator = &strange, .n = 1};

    assert_answer(s, &request, 1, SPV_MAX_HEADERS);
}

static void returns_no_headers_after_the_tip(void **state)
{
    struct serve_fixture *s = *state;
    const struct spv_msg_getheaders request = {.locator = &s->store.records[SERVED].hash, .n = 1};

    assert_answer(s, &request, 1, 0);
}

static void stops_at_the_stop_hash(void **state)
{
    static const struct {
        uint32_t stop;
        int n;
    } cases[] = {{101, 1},     {150, 50},   {2100, 2000}, {2099, 1999},
                 {2101, 2000}, {100, 2000}, {7, 2000} /* not ahead: no stop */};
    struct serve_fixture *s = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct spv_msg_getheaders request = {.locator = &s->store.records[100].hash,
                                                   .n = 1,
                                                   .stop = s->store.records[cases[i].stop].hash};
        /* a stop at the parent of the first header is not ahead either */
        assert_answer(s, &request, 101, cases[i].n);
    }
}

static void an_empty_locator_requests_only_the_stop_hash(void **state)
{
    struct serve_fixture *s = *state;
    struct spv_msg_getheaders request = {.stop = s->store.records[1234].hash};

    assert_answer(s, &request, 1234, 1);
    request.stop.b[0] ^= 1;
    assert_answer(s, &request, 1, 0);
}

static int knows_none(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash)
{
    (void)ctx;
    (void)out;
    (void)hash;
    return 0;
}

static void the_stop_hash_works_without_a_hash_index(void **state)
{
    struct serve_fixture *s = *state;
    struct spv_header_db reader = s->header_db;
    const struct spv_msg_getheaders request = {
        .locator = &s->store.records[1].hash, .n = 1, .stop = s->store.records[150].hash};

    reader.by_hash = knows_none; /* a database without its hash index */
    assert_int_equal(spv_serve_headers(&reader, s->out, &request), 150);
    assert_memory_equal(s->out, s->headers.headers, 150 * sizeof *s->out);
}

static int failing(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash)
{
    (void)ctx;
    (void)out;
    (void)hash;
    return SPV_ERR_DB;
}

static void returns_errors_of_the_store(void **state)
{
    struct serve_fixture *s = *state;
    struct spv_header_db reader = s->header_db;
    struct spv_msg_getheaders request = {.locator = &s->store.records[1].hash, .n = 1};

    reader.by_hash = failing;
    assert_int_equal(spv_serve_headers(&reader, s->out, &request), SPV_ERR_DB);
    request.n = 0;
    assert_int_equal(spv_serve_headers(&reader, s->out, &request), SPV_ERR_DB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_after_the_first_known_locator_hash),
        cmocka_unit_test(returns_at_most_2000_headers),
        cmocka_unit_test(starts_after_genesis_when_no_locator_hash_is_known),
        cmocka_unit_test(returns_no_headers_after_the_tip),
        cmocka_unit_test(stops_at_the_stop_hash),
        cmocka_unit_test(the_stop_hash_works_without_a_hash_index),
        cmocka_unit_test(an_empty_locator_requests_only_the_stop_hash),
        cmocka_unit_test(returns_errors_of_the_store),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
