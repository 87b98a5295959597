/* Compact filter messages as they are published, and as the chain of a real node makes them. */
#include "spv/error.h"
#include "spv/filter.h"
#include "spv/params.h"
#include "spv/serve.h"
#include "support/vector_json.h"
#include "unit/spv/serve/filters_fixture.h"
#include "util/buffer.h"
#include "wire/codec.h"

#define MAINNET_BLOCKS 32261
#define REGTEST_BLOCKS 265

static struct filters_fixture fixture;

static int tear_down(void **state)
{
    (void)state;
    filters_fixture_free(&fixture);
    return 0;
}

static void from_hex(uint8_t out[32], const char *display)
{
    struct spv_blockhash hash;
    assert_int_equal(spv_blockhash_from_hex(&hash, display), 0);
    memcpy(out, hash.b, 32);
}

/* Headers of consecutive heights. */
static void set_blocks(uint32_t from, const char *raw, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct spv_chain_header *block = &fixture.at[from + i].block;
        spv_header_decode(&block->header, (const uint8_t *)raw + i * SPV_HEADER_SIZE);
        spv_header_hash(&block->hash, &block->header);
    }
}

static void set_filter_header(uint32_t height, const void *header)
{
    memcpy(fixture.at[height].header.b, header, 32);
    fixture.at[height].has_header = true;
}

/* Filters of heights 0.. with the filter headers that they must give. */
static void set_filters(const char *name, size_t n_columns, size_t filter_column, uint32_t n)
{
    struct csv_table t = csv_table_open(name);
    char *cells[5];
    uint32_t h = 0;
    for (; csv_table_row(&t, cells, n_columns); h++) {
        uint8_t want[32];
        size_t n_bytes;
        uint8_t *bytes = hex_bytes(cells[filter_column], &n_bytes);
        from_hex(want, cells[1]);
        assert_memory_equal(fixture.at[h].block.hash.b, want, 32);
        filters_fixture_set_filter(&fixture, h, bytes, n_bytes);
        from_hex(want, cells[n_columns - 1]);
        assert_memory_equal(fixture.at[h].header.b, want, 32);
        free(bytes);
    }
    assert_int_equal(h, n);
    free(t.text);
}

static int load_mainnet(void **state)
{
    uint8_t genesis[SPV_HEADER_SIZE];
    char *cells[3];
    size_t n;
    (void)state;
    if (!getenv("SPV_TEST_DATA")) {
        fixture = (struct filters_fixture){.n = 0};
        return 0; /* the test says that it is skipped */
    }
    filters_fixture_init(&fixture, MAINNET_BLOCKS, 1);
    spv_header_encode(genesis, &spv_params_get(SPV_MAINNET)->genesis);
    set_blocks(0, (const char *)genesis, 1);
    char *raw = read_data("headers/mainnet-1-32260.bin", &n);
    assert_int_equal(n, (MAINNET_BLOCKS - 1) * SPV_HEADER_SIZE);
    set_blocks(1, raw, MAINNET_BLOCKS - 1);
    free(raw);
    set_filters("filters/mainnet-0-255.csv", 5, 2, 256);
    raw = read_data("filters/filter-headers-mainnet-0-2015.bin", &n);
    assert_int_equal(n, 2016 * 32);
    for (uint32_t h = 0; h < 2016; h++)
        set_filter_header(h, raw + (size_t)h * 32);
    free(raw);
    struct csv_table t = csv_table_open("filters/filter-header-checkpoints.csv");
    while (csv_table_row(&t, cells, 3)) {
        uint8_t header[32];
        const unsigned long height = strtoul(cells[1], NULL, 10);
        if (strcmp(cells[0], "mainnet") != 0 || height >= MAINNET_BLOCKS)
            continue;
        from_hex(header, cells[2]);
        set_filter_header((uint32_t)height, header);
    }
    free(t.text);
    return 0;
}

/* Payloads that answer a request, one after the other. */
struct answer {
    int rc;
    struct spv_buffer payloads[SPV_MAX_GETCFILTERS];
    size_t n;
};

static void answer_add(struct answer *a, const struct spv_msg *msg)
{
    assert_true(a->n < SPV_MAX_GETCFILTERS);
    spv_buffer_init(&a->payloads[a->n]);
    assert_int_equal(spv_msg_encode(&a->payloads[a->n++], msg, SPV_PROTOCOL_VERSION), 0);
}

static void answer_free(struct answer *a)
{
    for (size_t i = 0; i < a->n; i++)
        spv_buffer_free(&a->payloads[i]);
    a->n = 0;
}

static void answer_cfilters(struct answer *a, const struct spv_header_db *headers,
                            const struct spv_filter_db *filters,
                            const struct spv_msg_getcfilters *request)
{
    struct spv_serve_cfilters cfilters;
    struct spv_msg out = {.command = SPV_CMD_CFILTER};
    a->rc = spv_serve_cfilters_begin(headers, filters, &cfilters, request);
    while (spv_serve_cfilters_next(headers, filters, &cfilters, &out.u.cfilter) == 1)
        answer_add(a, &out);
}

/* The answer to a request as received. */
static void answer_request(struct answer *a, const struct spv_msg *request)
{
    static struct spv_hash256 hashes[SPV_MAX_CFHEADERS];
    const struct spv_header_db headers = filters_fixture_headers(&fixture);
    const struct spv_filter_db filters = filters_fixture_filters(&fixture);
    struct spv_serve_checkpoints checkpoints = {0};
    struct spv_msg out = {.command = SPV_CMD_CFHEADERS};
    a->n = 0;
    if (request->command == SPV_CMD_GETCFILTERS) {
        answer_cfilters(a, &headers, &filters, &request->u.getcfilters);
        return;
    }
    if (request->command == SPV_CMD_GETCFHEADERS) {
        a->rc = spv_serve_cfheaders(&headers, &filters, &out.u.cfheaders, hashes,
                                    &request->u.getcfilters);
    } else {
        out.command = SPV_CMD_CFCHECKPT;
        a->rc = spv_serve_cfcheckpt(&headers, &filters, &out.u.cfcheckpt, &checkpoints,
                                    &request->u.getcfcheckpt);
    }
    if (a->rc == 1)
        answer_add(a, &out);
    spv_serve_checkpoints_free(&checkpoints);
}

static void answer_payload(struct answer *a, enum spv_command command, const char *hex)
{
    struct spv_msg request = {.command = command};
    struct spv_arena arena = {0};
    size_t n;
    uint8_t *bytes = hex_bytes(hex, &n);
    assert_int_equal(spv_msg_decode(&request, bytes, n, SPV_PROTOCOL_VERSION, &arena), 0);
    answer_request(a, &request);
    spv_arena_free(&arena);
    free(bytes);
}

static void assert_payload(const struct answer *a, size_t i, const char *hex)
{
    size_t n;
    uint8_t *want = hex_bytes(hex, &n);
    assert_true(i < a->n);
    assert_int_equal(a->payloads[i].len, n);
    assert_memory_equal(a->payloads[i].data, want, n);
    free(want);
}

static enum spv_command command_of(const char *name)
{
    if (strcmp(name, "getcfilters") == 0)
        return SPV_CMD_GETCFILTERS;
    if (strcmp(name, "getcfheaders") == 0)
        return SPV_CMD_GETCFHEADERS;
    assert_string_equal(name, "getcfcheckpt");
    return SPV_CMD_GETCFCHECKPT;
}

static void published_requests_have_the_published_answers(void **state)
{
    json_t *all = read_json("filters/bip157.json");
    const json_t *messages = json_get(all, "messages");
    static struct answer a;
    (void)state;
    assert_int_equal(json_array_size(messages), 15);
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *message = json_array_get(messages, i);
        const json_t *list = json_find(message, "reply_payloads");
        answer_payload(&a, command_of(json_text(message, "request")),
                       json_text(message, "request_payload"));
        assert_int_equal(a.rc, 1);
        assert_int_equal(a.n, list ? json_array_size(list) : 1);
        for (size_t k = 0; list && k < a.n; k++)
            assert_payload(&a, k, json_string_value(json_array_get(list, k)));
        if (!list)
            assert_payload(&a, 0, json_text(message, "reply_payload"));
        answer_free(&a);
    }
    json_decref(all);
}

static int load_regtest(void **state)
{
    size_t n;
    (void)state;
    if (!getenv("SPV_TEST_DATA")) {
        fixture = (struct filters_fixture){.n = 0};
        return 0;
    }
    filters_fixture_init(&fixture, REGTEST_BLOCKS, 1);
    char *raw = read_data("regtest-node/headers.bin", &n);
    assert_int_equal(n, REGTEST_BLOCKS * SPV_HEADER_SIZE);
    set_blocks(0, raw, REGTEST_BLOCKS);
    free(raw);
    set_filters("regtest-node/filters.csv", 4, 2, REGTEST_BLOCKS);
    return 0;
}

static void filters_of_a_real_node_are_served_byte_for_byte(void **state)
{
    struct csv_table t = csv_table_open("regtest-node/filters.csv");
    struct spv_msg request = {.command = SPV_CMD_GETCFILTERS};
    static struct answer a;
    char *cells[4];
    (void)state;
    request.u.getcfilters.stop = fixture.at[REGTEST_BLOCKS - 1].block.hash;
    answer_request(&a, &request);
    assert_int_equal(a.n, REGTEST_BLOCKS);
    for (size_t h = 0; csv_table_row(&t, cells, 4); h++) {
        size_t n;
        uint8_t *filter = hex_bytes(cells[2], &n), hash[32];
        const struct spv_buffer *payload = &a.payloads[h];
        from_hex(hash, cells[1]);
        assert_true(n < 0xfd); /* a CompactSize of one byte */
        assert_int_equal(payload->len, 34 + n);
        assert_int_equal(payload->data[0], 0);
        assert_memory_equal(payload->data + 1, hash, 32);
        assert_int_equal(payload->data[33], n);
        assert_memory_equal(payload->data + 34, filter, n);
        free(filter);
    }
    answer_free(&a);
    free(t.text);
}

/* Each range of ten blocks, and all of them: the hashes and the previous filter header give the
 * node's own filter headers. */
static void filter_headers_of_a_real_node_are_served(void **state)
{
    static const uint32_t spans[] = {1, 10, REGTEST_BLOCKS};
    struct csv_table t = csv_table_open("regtest-node/filters.csv");
    static uint8_t want[REGTEST_BLOCKS][32];
    static struct answer a;
    char *cells[4];
    (void)state;
    for (size_t h = 0; csv_table_row(&t, cells, 4); h++)
        from_hex(want[h], cells[3]);
    free(t.text);
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        for (uint32_t from = 0; from + spans[i] <= REGTEST_BLOCKS; from++) {
            struct spv_msg request = {.command = SPV_CMD_GETCFHEADERS};
            request.u.getcfilters.start = from;
            request.u.getcfilters.stop = fixture.at[from + spans[i] - 1].block.hash;
            answer_request(&a, &request);
            assert_int_equal(a.n, 1);
            const uint8_t *at = a.payloads[0].data + 33;
            const size_t count = spans[i] < 0xfd ? 1 : 3;
            struct spv_filter_header header;
            assert_int_equal(a.payloads[0].len, 65 + count + (size_t)spans[i] * 32);
            memcpy(header.b, at, 32);
            at += 32 + count;
            for (uint32_t h = from; h < from + spans[i]; h++, at += 32) {
                struct spv_filter_hash hash;
                memcpy(hash.b, at, 32);
                spv_filter_compute_header(&header, &hash, &header);
                assert_memory_equal(header.b, want[h], 32);
            }
            answer_free(&a);
        }
    }
}

static void stale_blocks_of_a_real_node_are_no_stop_hash(void **state)
{
    static const enum spv_command commands[] = {SPV_CMD_GETCFILTERS, SPV_CMD_GETCFHEADERS,
                                                SPV_CMD_GETCFCHECKPT};
    struct csv_table t = csv_table_open("regtest-node/stale.csv");
    static struct answer a;
    char *cells[3];
    unsigned n = 0;
    (void)state;
    for (; csv_table_row(&t, cells, 3); n++) {
        for (size_t i = 0; i < 3; i++) {
            struct spv_msg request = {.command = commands[i]};
            if (commands[i] == SPV_CMD_GETCFCHECKPT)
                from_hex(request.u.getcfcheckpt.stop.b, cells[1]);
            else
                from_hex(request.u.getcfilters.stop.b, cells[1]);
            answer_request(&a, &request);
            assert_int_equal(a.rc, SPV_ERR_FILTER_REQUEST);
            assert_int_equal(a.n, 0);
        }
    }
    assert_int_equal(n, 3);
    free(t.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(published_requests_have_the_published_answers, load_mainnet,
                                        tear_down),
        cmocka_unit_test_setup_teardown(filters_of_a_real_node_are_served_byte_for_byte,
                                        load_regtest, tear_down),
        cmocka_unit_test_setup_teardown(filter_headers_of_a_real_node_are_served, load_regtest,
                                        tear_down),
        cmocka_unit_test_setup_teardown(stale_blocks_of_a_real_node_are_no_stop_hash, load_regtest,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
