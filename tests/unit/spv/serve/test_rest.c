/* The REST answers as a pure function: requests, refusals, and bodies. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/serve/rest.h"
#include "unit/spv/chain/chain_fixture.h"
#include "util/hex.h"

#define SERVED 2500

struct serve_fixture {
    const struct spv_params *params;
    struct chain_fixture_headers headers;
    struct chain_fixture_store store;
    struct spv_header_db header_db;
    int held; /* begin_read minus end_read calls */
    int holds;
    int reads_unheld;
};
static struct serve_fixture serve_fixture;

/* The fixture's header database, which records whether a read is open. */

static int hold(void *ctx)
{
    (void)ctx;
    serve_fixture.held++;
    serve_fixture.holds++;
    return 0;
}

static void release(void *ctx)
{
    (void)ctx;
    serve_fixture.held--;
}

static struct spv_header_db inner;

static int tip(void *ctx, struct spv_chain_header *out)
{
    serve_fixture.reads_unheld += serve_fixture.held != 1;
    return inner.tip(ctx, out);
}

static int by_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    serve_fixture.reads_unheld += serve_fixture.held != 1;
    return inner.by_height(ctx, out, height);
}

static int by_hash(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash)
{
    serve_fixture.reads_unheld += serve_fixture.held != 1;
    return inner.by_hash(ctx, out, hash);
}

static int range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    serve_fixture.reads_unheld += serve_fixture.held != 1;
    return inner.range(ctx, out, from, n);
}

static int set_up(void **state)
{
    struct spv_chain *c;

    *state = &serve_fixture;
    serve_fixture.params = spv_params_get(SPV_REGTEST);
    serve_fixture.headers = chain_fixture_mined(serve_fixture.params, NULL, 0, SERVED, 600, 1);
    chain_fixture_store_init(&serve_fixture.store, serve_fixture.params);
    inner = chain_fixture_reader(&serve_fixture.store);
    const struct spv_chain_config cfg = {.params = serve_fixture.params, .header_db = inner};
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    chain_fixture_feed_stored(c, &serve_fixture.store, &serve_fixture.headers, 0, SERVED);
    spv_chain_free(c);
    serve_fixture.header_db = (struct spv_header_db){.ctx = inner.ctx,
                                                     .tip = tip,
                                                     .by_height = by_height,
                                                     .by_hash = by_hash,
                                                     .range = range,
                                                     .begin_read = hold,
                                                     .end_read = release};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    chain_fixture_store_free(&serve_fixture.store);
    chain_fixture_headers_free(&serve_fixture.headers);
    return 0;
}

/* Answers a target in which the mark # is replaced by the hash at a height; the body is
 * terminated. */
static enum spv_rest_status ask(struct spv_rest_reply *reply, const char *marked, uint32_t height)
{
    char target[4 * SPV_REST_MAX_TARGET], hex[SPV_HASH_HEX];
    const size_t before = strcspn(marked, "#");

    spv_blockhash_hex(hex, &serve_fixture.store.records[height].hash);
    (void)snprintf(target, sizeof target, "%.*s%s%s", (int)before, marked,
                   marked[before] != '\0' ? hex : "",
                   marked[before] != '\0' ? marked + before + 1 : "");
    assert_int_equal(spv_rest_answer(reply, &serve_fixture.header_db, serve_fixture.params, target),
                     0);
    spv_buffer_u8(&reply->body, 0);
    assert_int_equal(reply->body.error, 0);
    reply->body.len--;
    return reply->status;
}

static const char *text(const struct spv_rest_reply *reply)
{
    return (const char *)reply->body.data;
}

static void headers_are_returned_as_bytes_from_the_hash_upward(void **state)
{
    static const struct {
        const char *target;
        uint32_t height, n;
    } cases[] = {
        {"/rest/headers/#.bin", 100, 5},
        {"/rest/headers/#.bin?count=1", 100, 1},
        {"/rest/headers/#.bin?other=7&count=3&count=9", 0, 3},
        {"/rest/headers/#.bin?count=2000", 1, 2000},
        {"/rest/headers/#.bin?count=2000", SERVED - 6, 7},
        {"/rest/headers/#.bin", SERVED, 1},
        {"/rest/headers/7/#.bin", 50, 7},
        {"/rest/headers/7/#.bin?count=3", 50, 7},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct spv_rest_reply reply;
        uint8_t want[SPV_HEADER_SIZE];

        assert_int_equal(ask(&reply, cases[i].target, cases[i].height), SPV_REST_OK);
        assert_string_equal(reply.type, "application/octet-stream");
        assert_int_equal(reply.body.len, cases[i].n * SPV_HEADER_SIZE);
        for (uint32_t h = 0; h < cases[i].n; h++) {
            spv_header_encode(want, &serve_fixture.store.records[cases[i].height + h].header);
            assert_memory_equal(reply.body.data + h * SPV_HEADER_SIZE, want, sizeof want);
        }
        spv_buffer_free(&reply.body);
    }
}

static void headers_are_returned_as_a_line_of_hex(void **state)
{
    struct spv_rest_reply reply;
    char want[4 * SPV_HEADER_SIZE + 2];
    uint8_t raw[SPV_HEADER_SIZE];
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        spv_header_encode(raw, &serve_fixture.store.records[9 + i].header);
        spv_hex(want + i * 2 * SPV_HEADER_SIZE, raw, sizeof raw);
    }
    strcat(want, "\n");
    assert_int_equal(ask(&reply, "/rest/headers/#.hex?count=2", 9), SPV_REST_OK);
    assert_string_equal(text(&reply), want);
    assert_string_equal(reply.type, "text/plain");
    spv_buffer_free(&reply.body);
}

static void describes_a_header_as_getblockheader_does(void **state)
{
    struct spv_rest_reply reply;
    char want[1024], hex[4][SPV_HASH_HEX];
    const struct spv_chain_header *r = &serve_fixture.store.records[SERVED - 1];
    (void)state;

    spv_blockhash_hex(hex[0], &r->hash);
    spv_hash256_hex(hex[1], &r->header.merkle_root);
    spv_blockhash_hex(hex[2], &r->header.prev);
    spv_blockhash_hex(hex[3], &serve_fixture.store.records[SERVED].hash);
    (void)snprintf(want, sizeof want,
                   "[{\"hash\":\"%s\",\"confirmations\":2,\"height\":%d,\"version\":%ld,"
                   "\"versionHex\":\"%08lx\",\"merkleroot\":\"%s\",\"time\":%lu,"
                   "\"mediantime\":%lu,\"nonce\":%lu,\"bits\":\"207fffff\","
                   "\"difficulty\":4.656542373906925e-10,"
                   "\"chainwork\":\"%064x\",\"previousblockhash\":\"%s\","
                   "\"nextblockhash\":\"%s\"}]\n",
                   hex[0], SERVED - 1, (long)r->header.version,
                   (unsigned long)(uint32_t)r->header.version, hex[1],
                   (unsigned long)r->header.time, (unsigned long)(r->header.time - 5 * 600),
                   (unsigned long)r->header.nonce, 2 * SERVED, hex[2], hex[3]);
    assert_int_equal(ask(&reply, "/rest/headers/#.json?count=1", SERVED - 1), SPV_REST_OK);
    assert_string_equal(text(&reply), want);
    assert_string_equal(reply.type, "application/json");
    spv_buffer_free(&reply.body);
}

static void genesis_has_no_previous_and_the_tip_no_next(void **state)
{
    struct spv_rest_reply reply;
    (void)state;

    assert_int_equal(ask(&reply, "/rest/headers/#.json?count=1", 0), SPV_REST_OK);
    assert_null(strstr(text(&reply), "previousblockhash"));
    assert_non_null(strstr(text(&reply), "nextblockhash"));
    assert_non_null(strstr(text(&reply), "\"mediantime\":1296688602,"));
    spv_buffer_free(&reply.body);
    assert_int_equal(ask(&reply, "/rest/headers/#.json", SERVED), SPV_REST_OK);
    assert_non_null(strstr(text(&reply), "previousblockhash"));
    assert_null(strstr(text(&reply), "nextblockhash"));
    spv_buffer_free(&reply.body);
}

static void an_unknown_hash_returns_404(void **state)
{
    static const struct {
        const char *ending, *want;
    } cases[] = {{"bin", ""}, {"hex", "\n"}, {"json", "[]\n"}};
    (void)state;

    for (size_t i = 0; i < 3; i++) {
        struct spv_rest_reply reply;
        char target[200];

        (void)snprintf(target, sizeof target, "/rest/headers/%064x.%s", 7, cases[i].ending);
        assert_int_equal(
            spv_rest_answer(&reply, &serve_fixture.header_db, serve_fixture.params, target), 0);
        assert_int_equal(reply.status, SPV_REST_OK);
        assert_int_equal(reply.body.len, strlen(cases[i].want));
        if (reply.body.len > 0)
            assert_memory_equal(reply.body.data, cases[i].want, reply.body.len);
        spv_buffer_free(&reply.body);
    }
}

static void blockhashbyheight_returns_the_hash(void **state)
{
    struct spv_rest_reply reply;
    char want[100], hex[SPV_HASH_HEX];
    (void)state;

    spv_blockhash_hex(hex, &serve_fixture.store.records[1234].hash);
    assert_int_equal(ask(&reply, "/rest/blockhashbyheight/1234.bin", 0), SPV_REST_OK);
    assert_int_equal(reply.body.len, 32);
    assert_memory_equal(reply.body.data, serve_fixture.store.records[1234].hash.b, 32);
    spv_buffer_free(&reply.body);
    assert_int_equal(ask(&reply, "/rest/blockhashbyheight/1234.hex", 0), SPV_REST_OK);
    (void)snprintf(want, sizeof want, "%s\n", hex);
    assert_string_equal(text(&reply), want);
    spv_buffer_free(&reply.body);
    assert_int_equal(ask(&reply, "/rest/blockhashbyheight/1234.json", 0), SPV_REST_OK);
    (void)snprintf(want, sizeof want, "{\"blockhash\":\"%s\"}\n", hex);
    assert_string_equal(text(&reply), want);
    spv_buffer_free(&reply.body);
}

static void chaininfo_describes_the_chain(void **state)
{
    struct spv_rest_reply reply;
    char want[600], hex[SPV_HASH_HEX];
    const struct spv_chain_header *r = &serve_fixture.store.records[SERVED];
    (void)state;

    spv_blockhash_hex(hex, &r->hash);
    (void)snprintf(want, sizeof want,
                   "{\"chain\":\"regtest\",\"blocks\":2500,\"headers\":2500,"
                   "\"bestblockhash\":\"%s\",\"bits\":\"207fffff\","
                   "\"difficulty\":4.656542373906925e-10,\"time\":%lu,\"mediantime\":%lu,"
                   "\"chainwork\":\"%064x\"}\n",
                   hex, (unsigned long)r->header.time, (unsigned long)(r->header.time - 5 * 600),
                   2 * (SERVED + 1));
    assert_int_equal(ask(&reply, "/rest/chaininfo.json", 0), SPV_REST_OK);
    assert_string_equal(text(&reply), want);
    spv_buffer_free(&reply.body);
}

static void error_texts_are_those_of_bitcoin_core(void **state)
{
#define RANGE "Header count is invalid or out of acceptable range (1-2000): "
#define FORMATS "output format not found (available: .bin, .hex, .json)"
    static const struct {
        const char *target;
        int status;
        const char *words;
    } cases[] = {
        {"/rest/headers/#.json?count=0", 400, RANGE "0"},
        {"/rest/headers/#.json?count=2001", 400, RANGE "2001"},
        {"/rest/headers/#.json?count=-5", 400, RANGE "-5"},
        {"/rest/headers/#.json?count=5a", 400, RANGE "5a"},
        {"/rest/headers/#.json?count=", 400, RANGE},
        {"/rest/headers/#.json?count=99999999999999999999999999999999999", 400,
         RANGE "99999999999999999999999999999999999"},
        {"/rest/headers/0/#.json", 400, RANGE "0"},
        {"/rest/headers/x/#.json", 400, RANGE "x"},
        {"/rest/headers//#.json", 400, RANGE},
        {"/rest/headers/1/2/#.json", 400,
         "Invalid URI format. Expected /rest/headers/<hash>.<ext>?count=<count>"},
        {"/rest/headers/abc.json", 400, "Invalid hash: abc"},
        {"/rest/headers/.json", 400, "Invalid hash: "},
        {"/rest/headers/", 400, "Invalid hash: "},
        {"/rest/headers/x\x01\x7f\xff.json", 400, "Invalid hash: x???"},
        {"/rest/headers/#.xml", 400, NULL},
        {"/rest/headers/#", 404, FORMATS},
        {"/rest/headers", 404, NULL},
        {"/rest/blockhashbyheight/.json", 400, "Invalid height: "},
        {"/rest/blockhashbyheight/-1.json", 400, "Invalid height: -1"},
        {"/rest/blockhashbyheight/1e2.json", 400, "Invalid height: 1e2"},
        {"/rest/blockhashbyheight/2147483648.json", 400, "Invalid height: 2147483648"},
        {"/rest/blockhashbyheight/2147483647.json", 404, "Block height out of range"},
        {"/rest/blockhashbyheight/2501.hex", 404, "Block height out of range"},
        {"/rest/blockhashbyheight/5", 404, FORMATS},
        {"/rest/chaininfo.hex", 404, "output format not found (available: json)"},
        {"/rest/chaininfo", 404, "output format not found (available: json)"},
        {"/rest/block/#.json", 404, NULL},
        {"/", 404, NULL},
        {"", 404, NULL},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct spv_rest_reply reply;
        char want[300];

        assert_int_equal(ask(&reply, cases[i].target, 10), cases[i].status);
        assert_string_equal(reply.type, "text/plain");
        if (cases[i].words) {
            (void)snprintf(want, sizeof want, "%s\r\n", cases[i].words);
            assert_string_equal(text(&reply), want);
        }
        spv_buffer_free(&reply.body);
    }
}

static void refuses_a_target_that_is_too_long(void **state)
{
    char target[SPV_REST_MAX_TARGET + 2], why[SPV_REST_REASON_SIZE];
    struct spv_rest_request request;
    (void)state;

    memset(target, 'x', sizeof target);
    memcpy(target, "/rest/headers/", 14);
    target[SPV_REST_MAX_TARGET + 1] = '\0';
    assert_int_equal(spv_rest_parse(&request, why, target), SPV_REST_TOO_LONG);
    target[SPV_REST_MAX_TARGET] = '\0';
    assert_int_equal(spv_rest_parse(&request, why, target), SPV_REST_BAD_REQUEST);
    assert_int_equal(strlen(why), strlen("Invalid hash: ") + SPV_REST_MAX_TARGET - 14);
}

static int unindexed(void *ctx)
{
    (void)ctx;
    return 0;
}

static void without_a_hash_index_no_hash_is_looked_up(void **state)
{
    struct spv_rest_reply reply;
    struct spv_header_db whole = serve_fixture.header_db;
    (void)state;

    serve_fixture.header_db.has_hash_index = unindexed;
    serve_fixture.header_db.by_hash = NULL; /* would crash */
    assert_int_equal(ask(&reply, "/rest/headers/#.json", 10), SPV_REST_UNAVAILABLE);
    assert_non_null(strstr(text(&reply), "index"));
    spv_buffer_free(&reply.body);
    assert_int_equal(ask(&reply, "/rest/blockhashbyheight/10.json", 10), SPV_REST_OK);
    spv_buffer_free(&reply.body);
    serve_fixture.header_db = whole;
}

static int failing(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    (void)ctx;
    (void)out;
    (void)height;
    return SPV_ERR_DB_DAMAGED;
}

static void errors_of_the_header_db_are_returned(void **state)
{
    static const char *const targets[] = {"/rest/headers/#.json", "/rest/chaininfo.json",
                                          "/rest/blockhashbyheight/3.bin"};
    struct spv_header_db whole = serve_fixture.header_db;
    (void)state;

    serve_fixture.header_db.by_height = failing;
    for (size_t i = 0; i < 3; i++) {
        struct spv_rest_reply reply;
        assert_int_equal(ask(&reply, targets[i], 10), SPV_REST_INTERNAL);
        assert_non_null(strstr(text(&reply), spv_strerror(SPV_ERR_DB_DAMAGED)));
        assert_null(strchr(text(&reply), '{'));
        spv_buffer_free(&reply.body);
    }
    serve_fixture.header_db = whole;
}

static void every_answer_came_from_one_held_state(void **state)
{
    (void)state;
    assert_int_equal(serve_fixture.held, 0);
    assert_int_equal(serve_fixture.reads_unheld, 0);
    assert_true(serve_fixture.holds > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_returned_as_bytes_from_the_hash_upward),
        cmocka_unit_test(headers_are_returned_as_a_line_of_hex),
        cmocka_unit_test(describes_a_header_as_getblockheader_does),
        cmocka_unit_test(genesis_has_no_previous_and_the_tip_no_next),
        cmocka_unit_test(an_unknown_hash_returns_404),
        cmocka_unit_test(blockhashbyheight_returns_the_hash),
        cmocka_unit_test(chaininfo_describes_the_chain),
        cmocka_unit_test(error_texts_are_those_of_bitcoin_core),
        cmocka_unit_test(refuses_a_target_that_is_too_long),
        cmocka_unit_test(without_a_hash_index_no_hash_is_looked_up),
        cmocka_unit_test(errors_of_the_header_db_are_returned),
        cmocka_unit_test(every_answer_came_from_one_held_state), /* last */
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
