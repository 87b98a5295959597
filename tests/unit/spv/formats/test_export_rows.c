/* The writers of header files: what they write is read back by the readers, and an error of the
 * caller's function ends the export. */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "spv/export_rows.h"
#include "spv/import.h"
#include "util/u256.h"

#define HEADERS 5
#define CAPACITY 16384

static struct spv_chain_header chain[HEADERS];
static struct spv_chain_header side;

static const struct spv_params *regtest(void)
{
    return spv_params_get(SPV_REGTEST);
}

static int set_up(void **state)
{
    struct spv_u256 target;
    (void)state;
    memset(chain, 0, sizeof chain);
    assert_int_equal(spv_target_from_bits(&target, regtest()->genesis.bits), 0);
    const struct spv_u256 work = spv_work_from_target(&target);
    for (size_t i = 0; i < HEADERS; i++) {
        struct spv_chain_header *h = &chain[i];
        h->height = (uint32_t)i;
        h->header = regtest()->genesis;
        h->work = work;
        if (i > 0) {
            h->header.prev = chain[i - 1].hash;
            h->header.time += 600 * (uint32_t)i;
            h->header.version = i % 2 == 0 ? 4 : -7;
            h->work = spv_u256_add(&chain[i - 1].work, &work);
        }
        spv_header_hash(&h->hash, &h->header);
    }
    side = chain[HEADERS - 1];
    side.header.nonce++;
    spv_header_hash(&side.hash, &side.header);
    return 0;
}

struct output {
    uint8_t bytes[CAPACITY];
    size_t n;
    int left; /* calls until write fails */
};

static int append(void *ctx, const void *bytes, size_t n)
{
    struct output *out = ctx;
    if (out->left-- == 0) {
        return SPV_ERR_IO;
    }
    assert_true(n <= sizeof out->bytes - out->n);
    memcpy(out->bytes + out->n, bytes, n);
    out->n += n;
    return 0;
}

/* A whole export; the first error ends it. */
static int export_all(struct output *out, enum spv_export_format format, uint32_t from,
                      bool branches)
{
    const struct spv_export_rows e = {.params = regtest(),
                                      .format = format,
                                      .from = from,
                                      .branches = branches,
                                      .write = append,
                                      .ctx = out};
    int rc = spv_export_rows_begin(&e);
    for (uint32_t h = from; !rc && h < HEADERS; h++) {
        rc = spv_export_rows_row(&e, &chain[h]);
    }
    if (!rc && branches) {
        rc = spv_export_rows_begin_branches(&e);
    }
    if (!rc && branches) {
        rc = spv_export_rows_branch_row(&e, &side);
    }
    return rc ? rc : spv_export_rows_end(&e, &chain[from], &chain[HEADERS - 1]);
}

/* Feeds the written bytes to a reader. */
static struct spv_import *import_of(const struct output *out)
{
    struct spv_import *d = NULL;
    size_t capacity = 0;
    assert_int_equal(spv_import_new(&d, regtest(), SPV_IMPORT_AUTO), 0);
    uint8_t *to = spv_import_reserve(d, &capacity);
    assert_true(out->n <= capacity);
    memcpy(to, out->bytes, out->n);
    spv_import_commit(d, out->n);
    spv_import_finish(d);
    return d;
}

static void next_is(struct spv_import *d, const struct spv_chain_header *want, bool branch)
{
    struct spv_import_item item;
    struct spv_blockhash hash;
    assert_int_equal(spv_import_next(d, &item), 1);
    assert_int_equal(item.kind, SPV_IMPORT_HEADER);
    assert_true(item.has_height);
    assert_int_equal(item.height, want->height);
    assert_int_equal(item.branch, branch);
    spv_header_hash(&hash, &item.header);
    assert_memory_equal(&hash, &want->hash, sizeof hash);
}

static void export_and_import_round_trip(void **state)
{
    static const enum spv_export_format formats[] = {
        SPV_EXPORT_CSV, SPV_EXPORT_JSONL, SPV_EXPORT_RAW, SPV_EXPORT_ELECTRUM, SPV_EXPORT_NEUTRINO};
    (void)state;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        struct output out = {.left = -1};
        struct spv_import_item item;
        const bool branches = spv_export_format_has_branches(formats[i]);
        assert_int_equal(export_all(&out, formats[i], 0, branches), 0);
        struct spv_import *d = import_of(&out);
        for (uint32_t h = 0; h < HEADERS; h++) {
            next_is(d, &chain[h], false);
        }
        if (branches) {
            next_is(d, &side, true);
        }
        assert_int_equal(spv_import_next(d, &item), 0);
        spv_import_free(d);
    }
}

static void electrum_export_writes_zeros_below_the_first_height(void **state)
{
    struct output out = {.left = -1};
    (void)state;
    assert_int_equal(export_all(&out, SPV_EXPORT_ELECTRUM, 3, false), 0);
    assert_int_equal(out.n, HEADERS * SPV_HEADER_SIZE);
    for (size_t i = 0; i < 3 * SPV_HEADER_SIZE; i++) {
        assert_int_equal(out.bytes[i], 0);
    }
}

static void reorg_line_is_parsed(void **state)
{
    static const enum spv_export_format formats[] = {SPV_EXPORT_CSV, SPV_EXPORT_JSONL};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct output out = {.left = -1};
        struct spv_import_item item;
        const struct spv_export_rows e = {
            .params = regtest(), .format = formats[i], .write = append, .ctx = &out};
        assert_int_equal(spv_export_rows_begin(&e), 0);
        assert_int_equal(spv_export_rows_row(&e, &chain[0]), 0);
        assert_int_equal(spv_export_rows_row(&e, &chain[1]), 0);
        assert_int_equal(spv_export_rows_reorg(&e, 0, &chain[0].hash, 1), 0);
        struct spv_import *d = import_of(&out);
        next_is(d, &chain[0], false);
        next_is(d, &chain[1], false);
        assert_int_equal(spv_import_next(d, &item), 1);
        assert_int_equal(item.kind, SPV_IMPORT_REORG);
        assert_int_equal(item.height, 0);
        assert_int_equal(item.count, 1);
        spv_import_free(d);
    }
}

static void binary_formats_are_cut_at_the_end_of_a_row(void **state)
{
    static const enum spv_export_format formats[] = {SPV_EXPORT_RAW, SPV_EXPORT_ELECTRUM,
                                                     SPV_EXPORT_NEUTRINO};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct output out = {.left = -1};
        const struct spv_export_rows e = {
            .params = regtest(), .format = formats[i], .from = 2, .write = append, .ctx = &out};
        assert_int_equal(spv_export_format_reorg(formats[i]), SPV_EXPORT_REORG_CUT);
        assert_int_equal(spv_export_rows_reorg(&e, 0, &chain[0].hash, 1), SPV_ERR_UNSUPPORTED);
        assert_int_equal(spv_export_rows_begin(&e), 0);
        for (uint32_t h = 2; h < HEADERS; h++) {
            assert_int_equal(spv_export_rows_row(&e, &chain[h]), 0);
            assert_int_equal(spv_export_rows_end_offset(&e, h), out.n);
        }
    }
}

static void postgres_export_is_one_transaction(void **state)
{
    struct output out = {.left = -1};
    char hex[SPV_HASH_HEX];
    (void)state;
    assert_int_equal(export_all(&out, SPV_EXPORT_POSTGRES, 0, true), 0);
    assert_int_equal(spv_export_format_reorg(SPV_EXPORT_POSTGRES), SPV_EXPORT_REORG_NONE);
    out.bytes[out.n] = '\0';
    const char *text = (const char *)out.bytes;
    assert_non_null(strstr(text, "\nBEGIN;\n"));
    assert_string_equal(text + out.n - strlen("COMMIT;\n"), "COMMIT;\n");
    for (size_t i = 0; i < HEADERS; i++) {
        spv_blockhash_hex(hex, &chain[i].hash);
        assert_non_null(strstr(text, hex));
    }
    spv_blockhash_hex(hex, &side.hash);
    assert_true(strstr(text, hex) > strstr(text, "COPY branch_header"));
}

static void export_ends_with_the_error_of_any_write(void **state)
{
    (void)state;
    for (int f = SPV_EXPORT_CSV; f <= SPV_EXPORT_POSTGRES; f++) {
        const enum spv_export_format format = (enum spv_export_format)f;
        const bool branches = spv_export_format_has_branches(format);
        for (int k = 0;; k++) {
            struct output out = {.left = k};
            int rc = export_all(&out, format, 1, branches);
            if (!rc) {
                assert_true(k >= HEADERS - 1);
                break;
            }
            assert_int_equal(rc, SPV_ERR_IO);
            assert_int_equal(out.left, -1); /* no call came after the one that failed */
        }
    }
}

static void export_formats_have_the_names_of_the_import_formats(void **state)
{
    enum spv_export_format format = SPV_EXPORT_CSV;
    const enum spv_export_format none = (enum spv_export_format)(SPV_EXPORT_POSTGRES + 1);
    const struct spv_export_rows e = {.params = regtest(), .format = none, .write = append};
    (void)state;
    for (int f = SPV_EXPORT_CSV; f <= SPV_EXPORT_POSTGRES; f++) {
        const char *name = spv_export_format_name((enum spv_export_format)f);
        enum spv_import_format import = SPV_IMPORT_AUTO;
        assert_int_equal(spv_export_format_by_name(&format, name), 0);
        assert_int_equal(format, f);
        assert_int_equal(spv_import_format_by_name(&import, name),
                         f == SPV_EXPORT_POSTGRES ? SPV_ERR_NOT_FOUND : 0);
    }
    assert_int_equal(spv_export_format_by_name(&format, "xml"), SPV_ERR_NOT_FOUND);
    assert_null(spv_export_format_name(none));
    assert_int_equal(spv_export_rows_begin(&e), SPV_ERR_INVALID);
    assert_int_equal(spv_export_rows_row(&e, &chain[0]), SPV_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(export_and_import_round_trip, set_up),
        cmocka_unit_test_setup(electrum_export_writes_zeros_below_the_first_height, set_up),
        cmocka_unit_test_setup(reorg_line_is_parsed, set_up),
        cmocka_unit_test_setup(binary_formats_are_cut_at_the_end_of_a_row, set_up),
        cmocka_unit_test_setup(postgres_export_is_one_transaction, set_up),
        cmocka_unit_test_setup(export_ends_with_the_error_of_any_write, set_up),
        cmocka_unit_test_setup(export_formats_have_the_names_of_the_import_formats, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
