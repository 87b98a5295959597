/* ../shared/data/vectors/bloom.json: each case as its fields say. */
#include "wallet_fixture.h"

#include "support/vector_json.h"

#include "spv/block.h"
#include "spv/bloom.h"
#include "spv/error.h"
#include "spv/wallet/murmur3.h"
#include "wire/codec.h"

static json_t *vectors;

static int teardown(void **state)
{
    (void)state;
    json_decref(vectors);
    return 0;
}

static const json_t *section(const char *name)
{
    if (!vectors)
        vectors = read_json("vectors/bloom.json");
    return json_get(vectors, name);
}

/* A filter from a filterload payload, which must decode. */
static int load_filter(struct spv_bloom **out, const char *hex)
{
    struct spv_msg msg = {.command = SPV_CMD_FILTERLOAD};
    struct spv_arena arena = {0};
    size_t n;
    uint8_t *payload = hex_bytes(hex, &n);
    int rc = spv_msg_decode(&msg, payload, n, 70016, &arena);

    if (rc == 0)
        rc = spv_bloom_from_filterload(out, &msg.u.filterload);
    free(payload);
    return rc;
}

static void assert_filter_is(const struct spv_bloom *bloom, const char *hex)
{
    struct spv_msg msg = {.command = SPV_CMD_FILTERLOAD};
    struct spv_buffer b;
    size_t n;
    uint8_t *payload = hex_bytes(hex, &n);

    spv_bloom_filterload(&msg.u.filterload, bloom);
    spv_buffer_init(&b);
    assert_int_equal(spv_msg_encode(&b, &msg, 70016), 0);
    assert_int_equal(b.len, n);
    assert_memory_equal(b.data, payload, n);
    spv_buffer_free(&b);
    free(payload);
}

static void insert_all(struct spv_bloom *bloom, const json_t *items)
{
    for (size_t at = 0; at < json_array_size(items); at++) {
        const json_t *j = json_array_get(items, at);
        size_t n;
        uint8_t *item = hex_bytes(json_string_value(j), &n);
        spv_bloom_insert(bloom, item, n);
        free(item);
    }
}

static void assert_all(const struct spv_bloom *bloom, const json_t *items, bool contained)
{
    for (size_t at = 0; at < json_array_size(items); at++) {
        const json_t *j = json_array_get(items, at);
        size_t n;
        uint8_t *item = hex_bytes(json_string_value(j), &n);
        assert_int_equal(spv_bloom_contains(bloom, item, n), contained);
        free(item);
    }
}

static void murmur3_values(void **state)
{
    const json_t *cases = section("murmur3");

    (void)state;
    assert_int_equal(json_array_size(cases), 41);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        size_t n;
        uint8_t *data = hex_bytes(json_text(c, "data"), &n);
        const uint32_t hash = spv_murmur3((uint32_t)json_number(c, "seed"), 0, data, n).first;
        assert_int_equal(hash, (uint32_t)json_number(c, "hash"));
        free(data);
    }
}

static void filters_are_created_and_filled(void **state)
{
    const json_t *cases = section("create");

    (void)state;
    assert_int_equal(json_array_size(cases), 13);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        struct spv_bloom_shape shape = {.tweak = (uint32_t)json_number(c, "tweak"),
                                        .update = (enum spv_bloom_update)json_number(c, "flags")};
        const int rc =
            spv_bloom_size(&shape, (size_t)json_number(c, "elements"), json_number(c, "fp_rate"));
        struct spv_bloom *bloom;
        if (json_number(c, "bytes") == 0) { /* would match everything */
            assert_int_equal(rc, SPV_ERR_INVALID);
            continue;
        }
        assert_int_equal(rc, 0);
        assert_int_equal(shape.n_bytes, (size_t)json_number(c, "bytes"));
        assert_int_equal(shape.n_functions, (uint32_t)json_number(c, "hash_funcs"));
        if (!json_find(c, "filter"))
            continue;
        assert_int_equal(spv_bloom_new(&bloom, &shape), 0);
        assert_filter_is(bloom, json_text(c, "empty"));
        insert_all(bloom, json_get(c, "insert"));
        assert_filter_is(bloom, json_text(c, "filter"));
        assert_all(bloom, json_get(c, "contains"), true);
        assert_all(bloom, json_get(c, "not_contains"), false);
        spv_bloom_free(bloom);
    }
}

static void transactions_match_and_update_the_filter(void **state)
{
    const json_t *cases = section("match"), *transactions = section("transactions");
    size_t steps = 0, refused = 0;

    (void)state;
    assert_int_equal(json_array_size(cases), 36);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        struct spv_bloom *bloom;
        const int rc = load_filter(&bloom, json_text(c, "filter"));
        if (strncmp(json_text(c, "name"), "flags 3", 7) == 0) {
            /* Bitcoin Core accepts the update 3 and inserts nothing; no client sends it. */
            assert_int_equal(rc, SPV_ERR_MALFORMED);
            refused++;
            continue;
        }
        assert_int_equal(rc, 0);
        insert_all(bloom, json_get(c, "insert")); /* are in it */
        assert_filter_is(bloom, json_text(c, "filter"));
        for (size_t at = 0; at < json_array_size(json_get(c, "steps")); at++) {
            const json_t *s = json_array_get(json_get(c, "steps"), at);
            struct spv_tx tx;
            size_t n;
            uint8_t *raw = hex_bytes(json_text(transactions, json_text(s, "txid")), &n);
            assert_int_equal(spv_tx_parse(&tx, raw, n), 0);
            if (spv_bloom_match_tx(bloom, &tx) != json_bool(s, "relevant"))
                fail_msg("%s", json_text(c, "name"));
            assert_filter_is(bloom, json_text(s, "filter_after"));
            free(raw);
            steps++;
        }
        spv_bloom_free(bloom);
    }
    assert_int_equal(refused, 1);
    assert_int_equal(steps, 61); /* without the two of the refused filter */
}

/* Matches a block's transactions in order and builds its merkleblock, as a server does. */
static void blocks_give_their_merkleblock(void **state)
{
    const json_t *cases = section("block_match"), *blocks = section("blocks");

    (void)state;
    assert_int_equal(json_array_size(cases), 11);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        static struct spv_txid txids[64];
        static uint32_t positions[64];
        uint8_t bytes[4096];
        size_t n, n_txs = 0, n_matched = 0;
        uint8_t *raw = hex_bytes(json_text(blocks, json_text(c, "block")), &n), *expected;
        const json_t *matched = json_get(c, "matched");
        struct spv_merkle_proof *proof;
        struct spv_block_iter iter;
        struct spv_block block;
        struct spv_bloom *bloom;
        struct spv_tx tx;
        assert_int_equal(spv_block_parse(&block, raw, n), 0);
        assert_int_equal(load_filter(&bloom, json_text(c, "filter")), 0);
        for (iter = spv_block_txs(&block); spv_block_next(&iter, &tx); n_txs++) {
            char hex[SPV_HASH_HEX];
            assert_true(n_txs < COUNT(txids));
            spv_tx_txid(&txids[n_txs], &tx);
            if (!spv_bloom_match_tx(bloom, &tx))
                continue;
            spv_txid_hex(hex, &txids[n_txs]);
            const json_t *match = json_array_get(matched, n_matched);
            assert_non_null(match);
            assert_string_equal(hex, json_text(match, "txid"));
            assert_int_equal(n_txs, (size_t)json_number(match, "index"));
            positions[n_matched++] = (uint32_t)n_txs;
        }
        assert_int_equal(n_matched, json_array_size(matched));
        assert_filter_is(bloom, json_text(c, "filter_after"));
        assert_all(bloom, json_get(c, "contains_after"), true);
        assert_all(bloom, json_get(c, "not_contains_after"), false);
        assert_int_equal(
            spv_merkle_proof_new(&proof, &block.header, txids, n_txs, positions, n_matched), 0);
        expected = hex_bytes(json_text(c, "merkleblock"), &n);
        assert_int_equal(spv_merkle_encode(bytes, sizeof bytes, spv_merkle_proof_message(proof)),
                         n);
        assert_memory_equal(bytes, expected, n);
        spv_merkle_proof_free(proof);
        spv_bloom_free(bloom);
        free(expected);
        free(raw);
    }
}

static void messages_have_their_limits(void **state)
{
    static const struct {
        const char *name;
        int code;
    } limits[] = {
        {"largest filter", 0},
        {"filter too large", SPV_ERR_COUNT},
        {"too many hash functions", SPV_ERR_COUNT},
        {"filterload without flags byte", SPV_ERR_SHORT},
        {"filterload filter length beyond payload", SPV_ERR_SHORT},
        {"filteradd 520", 0},
        {"filteradd 521", SPV_ERR_COUNT},
    };
    const json_t *cases = section("limits");

    (void)state;
    assert_int_equal(json_array_size(cases), COUNT(limits));
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        const bool load = strcmp(json_text(c, "message"), "filterload") == 0;
        struct spv_msg msg = {.command = load ? SPV_CMD_FILTERLOAD : SPV_CMD_FILTERADD};
        const size_t n = (size_t)json_number(c, "payload_bytes");
        const char *head = json_text(c, "payload_head");
        struct spv_arena arena = {0};
        struct spv_bloom *bloom;
        uint8_t *payload = calloc(1, n);
        assert_non_null(payload);
        if (!json_is_null(json_get(c, "payload")))
            head = json_text(c, "payload");
        assert_string_equal(json_text(c, "fill"), "00");
        unhex(payload, n, head);
        const int rc = spv_msg_decode(&msg, payload, n, 70016, &arena);
        assert_string_equal(json_text(c, "name"), limits[i].name);
        assert_int_equal(rc, limits[i].code);
        assert_int_equal(rc == 0, json_bool(c, "accept"));
        if (rc == 0 && load) {
            assert_int_equal(spv_bloom_from_filterload(&bloom, &msg.u.filterload), 0);
            spv_bloom_free(bloom);
        }
        free(payload);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(murmur3_values),
        cmocka_unit_test(filters_are_created_and_filled),
        cmocka_unit_test(transactions_match_and_update_the_filter),
        cmocka_unit_test(blocks_give_their_merkleblock),
        cmocka_unit_test(messages_have_their_limits),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
