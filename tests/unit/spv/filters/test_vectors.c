/* Filters of real blocks, of BIP158's own vectors and of a chain of Bitcoin Core. */
#include "support/unit.h"
#include "support/vector_json.h"
#include "support/vectors.h"

#include "spv/error.h"
#include "spv/filter.h"
#include "spv/filters/block_scripts.h"

#define MAX_SPENT 10000

/* Outputs that a block spends. */
struct spent {
    struct spv_bytes at[MAX_SPENT];
    uint8_t *owned[MAX_SPENT];
    size_t n;
};

static void spent_add(struct spent *spent, const char *hex)
{
    assert_true(spent->n < MAX_SPENT);
    struct spv_bytes *script = &spent->at[spent->n];
    script->bytes = spent->owned[spent->n++] = hex_bytes(hex, &script->n);
}

static void spent_free(struct spent *spent)
{
    for (size_t i = 0; i < spent->n; i++)
        free(spent->owned[i]);
    spent->n = 0;
}

static struct spv_filter_header header_from_hex(const char *hex)
{
    struct spv_blockhash shown;
    struct spv_filter_header header;

    assert_int_equal(spv_blockhash_from_hex(&shown, hex), 0);
    memcpy(header.b, shown.b, 32);
    return header;
}

/* A block's filter is this one, and with the header before it gives the header `want`. */
static void check_block(const uint8_t *block_bytes, size_t n_block, const struct spent *spent,
                        const char *filter_hex, const char *prev, const char *want)
{
    struct spv_block block;
    struct spv_filter filter = {0};
    struct spv_filter_hash hash;
    uint8_t *built, *none;
    size_t n_wanted, n_elements;
    uint8_t *wanted = hex_bytes(filter_hex, &n_wanted);

    assert_int_equal(spv_block_parse(&block, block_bytes, n_block), 0);
    assert_int_equal(spv_filter_build_block(&built, &filter.n, &block, spent->at, spent->n), 0);
    assert_int_equal(filter.n, n_wanted);
    assert_memory_equal(built, wanted, n_wanted);
    filter.bytes = built;
    assert_int_equal(spv_filter_check(&n_elements, &filter), 0);
    if (want) {
        const struct spv_filter_header expected = header_from_hex(want);
        struct spv_filter_header header = header_from_hex(prev);
        spv_filter_compute_hash(&hash, &filter);
        spv_filter_compute_header(&header, &hash, &header);
        assert_memory_equal(header.b, expected.b, 32);
    }
    /* too few or too many spent outputs are the caller's mistake */
    if (spent->n > 0)
        assert_int_equal(spv_filter_build_block(&none, &n_wanted, &block, spent->at, spent->n - 1),
                         SPV_ERR_INVALID);
    assert_int_equal(spv_filter_build_block(&none, &n_wanted, &block, spent->at, spent->n + 1),
                     SPV_ERR_INVALID);
    assert_null(none);
    free(built);
    free(wanted);
}

static void bip158_vectors_hold(void **state)
{
    json_t *all = read_json("vectors/bip158-testnet-19.json");
    struct spent *spent = calloc(1, sizeof *spent);

    (void)state;
    assert_non_null(spent);
    assert_true(json_array_size(all) > 9);
    for (size_t i = 1; i < json_array_size(all); i++) { /* the first names the columns */
        const json_t *row = json_array_get(all, i), *scripts = json_array_get(row, 3);
        size_t n;
        uint8_t *block = hex_bytes(vector_text(row, 2), &n);
        for (size_t k = 0; k < json_array_size(scripts); k++)
            spent_add(spent, vector_text(scripts, k));
        check_block(block, n, spent, vector_text(row, 5), vector_text(row, 4), vector_text(row, 6));
        spent_free(spent);
        free(block);
    }
    free(spent);
    json_decref(all);
}

/* Outputs that a block spends, in the order of its inputs: they are asked for in that order, too,
 * but only for those that are not in the block. */
struct spent_table {
    const struct spent *spent;
    const struct spv_block *block;
};

static bool find_spent(void *ctx, struct spv_bytes *script, const struct spv_txid *txid,
                       uint32_t index)
{
    const struct spent_table *table = ctx;
    struct spv_block_iter txs = spv_block_txs(table->block);
    struct spv_tx tx;
    size_t at = 0;

    while (spv_block_next(&txs, &tx)) {
        struct spv_tx_iter inputs = spv_tx_inputs(&tx);
        struct spv_tx_input input;
        if (spv_tx_is_coinbase(&tx))
            continue;
        for (; spv_tx_next_input(&inputs, &input); at++)
            if (input.index == index && memcmp(&input.prev, txid, sizeof *txid) == 0) {
                *script = table->spent->at[at];
                return true;
            }
    }
    return false;
}

/* A real filter is never proven invalid; for n_fooled of its block's inputs the inferred script is
 * wrong. */
static void check_block_scripts(const uint8_t *block_bytes, size_t n_block,
                                const struct spent *spent, const struct spv_filter *filter,
                                bool segwit_active, size_t n_fooled)
{
    struct spv_block block;
    struct spv_block_scripts *block_scripts;
    struct spv_filter_check_result result;

    assert_int_equal(spv_block_parse(&block, block_bytes, n_block), 0);
    struct spent_table table = {.spent = spent, .block = &block};
    const struct spv_known_outputs known = {.find = find_spent, .ctx = &table};
    struct spv_filter keyed = *filter;
    spv_header_hash(&keyed.block, &block.header);
    assert_int_equal(spv_block_scripts_new(&block_scripts, &block, segwit_active, NULL), 0);
    assert_int_equal(spv_block_scripts_check_filter(&result, block_scripts, &keyed), 0);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.n_inferred_missing, n_fooled);
    spv_block_scripts_free(block_scripts);
    assert_int_equal(spv_block_scripts_new(&block_scripts, &block, segwit_active, &known), 0);
    assert_int_equal(spv_block_scripts_check_filter(&result, block_scripts, &keyed), 0);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.n_inferred, 0);
    spv_block_scripts_free(block_scripts);
}

/* filters.csv: name, network, height, block hash, prevouts, items, bytes, filter hash, previous
 * filter header, filter header */
static void filters_of_real_blocks_are_built(void **state)
{
    struct csv_table all = csv_table_open("filters/filters.csv");
    struct spent *spent = calloc(1, sizeof *spent);
    char *row[10];
    unsigned n_rows = 0;

    (void)state;
    assert_non_null(spent);
    for (; csv_table_row(&all, row, COUNT(row)); n_rows++) {
        char name[128], *cells[3];
        size_t n_block, n_filter, n_elements;
        (void)snprintf(name, sizeof name, "blocks/%s.raw", row[0]);
        char *block_bytes = read_data(name, &n_block);
        (void)snprintf(name, sizeof name, "filters/%s.filter", row[0]);
        char *filter_bytes = read_data(name, &n_filter);
        (void)snprintf(name, sizeof name, "filters/%s-prevouts.csv", row[0]);
        struct csv_table prevouts = csv_table_open(name);
        while (csv_table_row(&prevouts, cells, 3))
            spent_add(spent, cells[2]);
        char *hex = malloc(n_filter * 2 + 1);
        assert_non_null(hex);
        spv_hex(hex, (const uint8_t *)filter_bytes, n_filter);
        check_block((const uint8_t *)block_bytes, n_block, spent, hex, row[8],
                    row[9][0] != '\0' ? row[9] : NULL);
        const struct spv_filter filter = {.bytes = (const uint8_t *)filter_bytes, .n = n_filter};
        assert_int_equal(spv_filter_check(&n_elements, &filter), 0);
        assert_int_equal(n_elements, strtoul(row[5], NULL, 10));
        check_block_scripts((const uint8_t *)block_bytes, n_block, spent, &filter,
                            strcmp(row[1], "testnet3") == 0, strcmp(row[2], "300025") == 0 ? 3 : 0);
        struct spv_filter_hash hash;
        const struct spv_filter_header shown = header_from_hex(row[7]);
        spv_filter_compute_hash(&hash, &filter);
        assert_memory_equal(hash.b, shown.b, 32);
        free(hex);
        free(prevouts.text);
        free(filter_bytes);
        free(block_bytes);
        spent_free(spent);
    }
    assert_true(n_rows >= 6);
    free(spent);
    free(all.text);
}

/* A chain of filters (height, block hash, filter, filter header in the given columns) links from
 * genesis on. Returns its length. */
static unsigned check_chain(const char *name, size_t n_columns, size_t header_column)
{
    struct csv_table all = csv_table_open(name);
    struct spv_filter_header header = {{0}};
    char *row[6];
    unsigned height = 0;

    for (; csv_table_row(&all, row, n_columns); height++) {
        struct spv_filter filter;
        struct spv_filter_hash hash;
        uint8_t *bytes = hex_bytes(row[2], &filter.n);
        const struct spv_filter_header want = header_from_hex(row[header_column]);
        filter.bytes = bytes;
        assert_int_equal(strtoul(row[0], NULL, 10), height);
        assert_int_equal(spv_filter_check(NULL, &filter), 0);
        spv_filter_compute_hash(&hash, &filter);
        spv_filter_compute_header(&header, &hash, &header);
        assert_memory_equal(header.b, want.b, 32);
        free(bytes);
    }
    free(all.text);
    return height;
}

static void filter_headers_link_from_genesis(void **state)
{
    (void)state;
    assert_int_equal(check_chain("filters/mainnet-0-255.csv", 5, 4), 256);
    assert_int_equal(check_chain("regtest-node/filters.csv", 4, 3), 265);
}

static void matches_are_those_of_the_table(void **state)
{
    json_t *all = read_json("filters/matches.json");
    const char *name;
    json_t *entry;

    (void)state;
    json_object_foreach(all, name, entry)
    {
        static const char *const lists[] = {"match", "no_match"};
        char path[128];
        struct spv_filter filter;
        struct spent *scripts = calloc(1, sizeof *scripts);
        const char *lucky = json_string_value(json_find(entry, "false_positive_match"));
        (void)snprintf(path, sizeof path, "filters/%s.filter", name);
        char *bytes = read_data(path, &filter.n);
        filter.bytes = (const uint8_t *)bytes;
        assert_non_null(scripts);
        assert_int_equal(spv_blockhash_from_hex(&filter.block, json_text(entry, "block_hash")), 0);
        for (unsigned list = 0; list < 2; list++) {
            const json_t *texts = json_get(entry, lists[list]);
            struct spv_filter_query *query;
            struct spv_filter_matcher *matcher;
            bool hits[64];
            for (size_t i = 0; i < json_array_size(texts); i++)
                spent_add(scripts, vector_text(texts, i));
            if (list == 0 && lucky)
                spent_add(scripts, lucky);
            assert_in_range(scripts->n, 1, COUNT(hits));
            assert_int_equal(spv_filter_query_new(&query, scripts->at, scripts->n), 0);
            assert_int_equal(spv_filter_matcher_new(&matcher, query), 0);
            assert_int_equal(spv_filter_match_which(matcher, hits, &filter), list == 0);
            for (size_t i = 0; i < scripts->n; i++)
                assert_int_equal(hits[i], list == 0);
            spv_filter_matcher_free(matcher);
            spv_filter_query_free(query);
            spent_free(scripts);
        }
        free(scripts);
        free(bytes);
    }
    json_decref(all);
}

static void malformed_filters_are_refused_by_their_rule(void **state)
{
    static const struct {
        const char *name;
        int want;
    } rules[] = {
        {"good one", 0},
        {"zero element filter", 0},
        {"empty", SPV_ERR_SHORT},
        {"one byte missing", SPV_ERR_SHORT},
        {"one byte more", SPV_ERR_TRAILING},
        {"count one more", SPV_ERR_SHORT},
        {"only count", SPV_ERR_SHORT},
        {"count not minimal", SPV_ERR_COMPACT_SIZE},
        {"count 2^32-1", SPV_ERR_SHORT},
        {"all ones", SPV_ERR_SHORT},
        {"padding bit set", SPV_ERR_FILTER_PADDING},
        {"block filter cut", SPV_ERR_SHORT},
    };
    json_t *all = read_json("filters/bip157.json");
    const json_t *bad = json_get(all, "bad_filters");

    (void)state;
    assert_int_equal(json_array_size(bad), COUNT(rules));
    for (size_t i = 0; i < COUNT(rules); i++) {
        const json_t *entry = json_array_get(bad, i);
        struct spv_filter filter;
        uint8_t *bytes = hex_bytes(json_text(entry, "filter"), &filter.n);
        filter.bytes = bytes;
        assert_string_equal(json_text(entry, "name"), rules[i].name);
        const int rc = spv_filter_check(NULL, &filter);
        if (rc != rules[i].want)
            fail_msg("%s: %s", rules[i].name, spv_err_name(rc));
        free(bytes);
    }
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bip158_vectors_hold),
        cmocka_unit_test(filters_of_real_blocks_are_built),
        cmocka_unit_test(filter_headers_link_from_genesis),
        cmocka_unit_test(matches_are_those_of_the_table),
        cmocka_unit_test(malformed_filters_are_refused_by_their_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
