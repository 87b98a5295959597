/* Files of filter headers: what each format is byte by byte, that the reader reads what the writer
 * wrote at every chunk size and truncation, and each malformed file with its error. */
#include "support/unit.h"

#include <stdio.h>

#include "spv/export_rows.h"
#include "spv/import.h"

#define ROWS 5
#define CAPACITY 4096

/* Regtest's genesis filter header and made-up ones; made-up hashes of blocks. */
static struct spv_filter_header headers[ROWS];
static struct spv_blockhash blocks[ROWS];

static const struct spv_params *regtest(void)
{
    return spv_params_get(SPV_REGTEST);
}

static int set_up(void **state)
{
    (void)state;
    for (uint8_t i = 0; i < ROWS; i++) {
        memset(headers[i].b, 0x10 + i, 32);
        headers[i].b[0] = 0xf0;
        memset(blocks[i].b, 0x20 + i, 32);
        blocks[i].b[0] = 0xe0;
    }
    headers[0] = regtest()->filter_checkpoints[0].header;
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
    if (out->left-- == 0)
        return SPV_ERR_IO;
    assert_true(out->n + n <= sizeof out->bytes);
    memcpy(out->bytes + out->n, bytes, n);
    out->n += n;
    return 0;
}

/* Writes rows from..ROWS - 1. */
static int export_all(struct output *out, enum spv_export_format format, uint32_t from)
{
    const struct spv_export_rows e = {
        .params = regtest(), .format = format, .from = from, .write = append, .ctx = out};
    int rc = spv_export_filters_begin(&e);
    for (uint32_t h = from; rc == 0 && h < ROWS; h++)
        rc = spv_export_filters_row(&e, h, &blocks[h], &headers[h]);
    return rc;
}

#define BLOCK                                                                                      \
    "2424242424242424242424242424242424242424242424242424242424242"                                \
    "4e0"
#define HEADER                                                                                     \
    "1414141414141414141414141414141414141414141414141414141414141"                                \
    "4f0"

static void each_format_is_as_documented(void **state)
{
    struct output out = {.left = -1};
    (void)state;
    assert_int_equal(export_all(&out, SPV_EXPORT_RAW, 0), 0);
    assert_int_equal(out.n, ROWS * SPV_FILTER_HEADER_SIZE);
    assert_memory_equal(out.bytes, headers, out.n);
    out = (struct output){.left = -1};
    assert_int_equal(export_all(&out, SPV_EXPORT_NEUTRINO, 3), 0);
    const uint8_t head[10] = {0xfa, 0xbf, 0xb5, 0xda, 0, 1, 3, 0, 0, 0};
    assert_int_equal(out.n, sizeof head + 2 * SPV_FILTER_HEADER_SIZE);
    assert_memory_equal(out.bytes, head, sizeof head);
    assert_memory_equal(out.bytes + sizeof head, headers + 3, 2 * SPV_FILTER_HEADER_SIZE);
    out = (struct output){.left = -1};
    assert_int_equal(export_all(&out, SPV_EXPORT_CSV, 4), 0);
    static const char csv[] = "height,block_hash,filter_header\n4," BLOCK "," HEADER "\n";
    assert_int_equal(out.n, sizeof csv - 1);
    assert_memory_equal(out.bytes, csv, out.n);
    out = (struct output){.left = -1};
    assert_int_equal(export_all(&out, SPV_EXPORT_JSONL, 4), 0);
    static const char jsonl[] =
        "{\"height\":4,\"block_hash\":\"" BLOCK "\",\"filter_header\":\"" HEADER "\"}\n";
    assert_int_equal(out.n, sizeof jsonl - 1);
    assert_memory_equal(out.bytes, jsonl, out.n);
}

static void other_formats_have_no_filter_headers(void **state)
{
    static const enum spv_export_format other[] = {SPV_EXPORT_ELECTRUM, SPV_EXPORT_POSTGRES,
                                                   (enum spv_export_format)99};
    (void)state;
    for (size_t i = 0; i < COUNT(other); i++) {
        struct output out = {.left = -1};
        const struct spv_export_rows e = {
            .params = regtest(), .format = other[i], .write = append, .ctx = &out};
        assert_false(spv_export_format_has_filter_headers(other[i]));
        assert_int_equal(spv_export_filters_begin(&e), SPV_ERR_UNSUPPORTED);
        assert_int_equal(spv_export_filters_row(&e, 0, &blocks[0], &headers[0]),
                         SPV_ERR_UNSUPPORTED);
        assert_int_equal(out.n, 0);
    }
    struct output out = {.left = -1};
    assert_int_equal(export_all(&out, SPV_EXPORT_RAW, 1), SPV_ERR_INVALID);
    struct spv_import *im = NULL;
    assert_int_equal(spv_import_new_filter_headers(&im, regtest(), SPV_IMPORT_ELECTRUM),
                     SPV_ERR_INVALID);
    assert_null(im);
    assert_int_equal(spv_import_new_filter_headers(&im, NULL, SPV_IMPORT_RAW), SPV_ERR_INVALID);
}

static const struct {
    enum spv_export_format written;
    enum spv_import_format read;
    uint32_t from;
    bool block; /* contains the blocks' hashes */
} formats[] = {
    {SPV_EXPORT_CSV, SPV_IMPORT_CSV, 2, true},
    {SPV_EXPORT_JSONL, SPV_IMPORT_JSONL, 0, true},
    {SPV_EXPORT_RAW, SPV_IMPORT_RAW, 0, false},
    {SPV_EXPORT_NEUTRINO, SPV_IMPORT_NEUTRINO, 0, false},
    {SPV_EXPORT_NEUTRINO, SPV_IMPORT_NEUTRINO, 2, false},
};

static void an_error_of_the_writer_ends_the_export(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(formats); i++) {
        assert_true(spv_export_format_has_filter_headers(formats[i].written));
        int left = 0;
        for (int rc = SPV_ERR_IO; rc != 0; left++) {
            struct output out = {.left = left};
            rc = export_all(&out, formats[i].written, formats[i].from);
            assert_true(rc == 0 || rc == SPV_ERR_IO);
        }
        assert_in_range(left, ROWS - 1, ROWS + 2);
    }
}

/* The result of a reader for some bytes. */
struct outcome {
    int rc; /* of the last next */
    size_t n;
    struct spv_import_item items[ROWS + 1];
    enum spv_import_format format;
    char problem[SPV_ERROR_INFO_TEXT];
};

static struct outcome read_pieces(const void *bytes, size_t n, size_t chunk,
                                  enum spv_import_format format)
{
    struct outcome o = {.rc = 0};
    struct spv_import *im = NULL;
    const uint8_t *from = bytes;
    assert_int_equal(spv_import_new_filter_headers(&im, regtest(), format), 0);
    for (bool ended = false; o.rc >= 0 && !ended;) {
        size_t capacity = 0;
        uint8_t *to = spv_import_reserve(im, &capacity);
        const size_t k = n < chunk ? n : chunk;
        assert_true(k <= capacity);
        if (k > 0)
            memcpy(to, from, k);
        spv_import_commit(im, k);
        from += k;
        n -= k;
        if (n == 0) {
            spv_import_finish(im);
            ended = true;
        }
        while (o.n < COUNT(o.items) && (o.rc = spv_import_next(im, &o.items[o.n])) == 1)
            o.n++;
    }
    if (o.rc < 0) { /* the error is sticky */
        struct spv_import_item item;
        assert_int_equal(spv_import_next(im, &item), o.rc);
    }
    o.format = spv_import_format_of(im);
    (void)snprintf(o.problem, sizeof o.problem, "%s", spv_import_error_text(im));
    spv_import_free(im);
    return o;
}

static void assert_items(const struct outcome *o, uint32_t from, bool block)
{
    for (size_t k = 0; k < o->n; k++) {
        const struct spv_import_item *item = &o->items[k];
        const uint32_t h = from + (uint32_t)k;
        assert_int_equal(item->kind, SPV_IMPORT_FILTER_HEADER);
        assert_true(item->has_height);
        assert_int_equal(item->height, h);
        assert_memory_equal(&item->filter_header, &headers[h], 32);
        assert_int_equal(item->has_block, block);
        if (block)
            assert_true(spv_blockhash_eq(&item->block, &blocks[h]));
    }
}

static void what_is_written_is_read_back_in_any_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct output out = {.left = -1};
        assert_int_equal(export_all(&out, formats[i].written, formats[i].from), 0);
        for (size_t chunk = 1; chunk <= out.n; chunk += chunk < 100 ? 1 : 37) {
            const enum spv_import_format format =
                chunk % 2 == 0 ? SPV_IMPORT_AUTO : formats[i].read;
            const struct outcome o = read_pieces(out.bytes, out.n, chunk, format);
            assert_int_equal(o.rc, 0);
            assert_int_equal(o.format, formats[i].read);
            assert_int_equal(o.n, ROWS - formats[i].from);
            assert_items(&o, formats[i].from, formats[i].block);
        }
    }
}

static void a_truncated_file_ends_with_an_error_or_a_whole_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct output out = {.left = -1};
        assert_int_equal(export_all(&out, formats[i].written, formats[i].from), 0);
        for (size_t n = 0; n < out.n; n++) {
            const struct outcome o = read_pieces(out.bytes, n, CAPACITY, formats[i].read);
            assert_items(&o, formats[i].from, formats[i].block);
            assert_true(o.n < ROWS - formats[i].from || formats[i].block);
            assert_true(o.rc == 0 || o.problem[0] != '\0');
            if (!formats[i].block) {
                const size_t head = formats[i].read == SPV_IMPORT_NEUTRINO ? 10 : 0;
                const bool whole = n >= head && n > 0 && (n - head) % 32 == 0;
                assert_int_equal(o.rc, whole ? 0 : SPV_ERR_SHORT);
            }
        }
    }
}

#define F64(c) c c c c c c c c c c c c c c c c
#define HEX F64("0abc")

static void each_malformed_file_has_its_error(void **state)
{
    static const struct {
        const char *text;
        int err;
        const char *problem;
        enum spv_import_format format;
        size_t n; /* items before it */
    } cases[] = {
        {"height,block_hash\n1," HEX "\n", SPV_ERR_MALFORMED, "line 2: filter_header is missing",
         SPV_IMPORT_CSV, 0},
        {"block_hash,filter_header\n", SPV_ERR_MALFORMED,
         "line 1: neither names columns, the height among them, nor is it a row", SPV_IMPORT_CSV,
         0},
        {"1," HEX "," HEX "\n2," HEX "\n", SPV_ERR_MALFORMED, "line 2: has 2 values, not 3",
         SPV_IMPORT_CSV, 1},
        {"height,filter_header\nx," HEX "\n", SPV_ERR_MALFORMED,
         "line 2: height: 'x' is not a number from 0 to 4294967295", SPV_IMPORT_CSV, 0},
        {"height,filter_header\n1,abc\n", SPV_ERR_MALFORMED,
         "line 2: filter_header: 'abc' is not 64 hexadecimal digits", SPV_IMPORT_CSV, 0},
        {"1,zz," HEX "\n", SPV_ERR_MALFORMED,
         "line 1: block_hash: 'zz' is not 64 hexadecimal digits", SPV_IMPORT_CSV, 0},
        {"1," HEX "," HEX "0\n", SPV_ERR_MALFORMED, "line 1: filter_header: ", SPV_IMPORT_CSV, 0},
        {"height,height,filter_header\n", SPV_ERR_MALFORMED, "names the column height twice",
         SPV_IMPORT_CSV, 0},
        {"1," HEX "," HEX "\n#reorg,5," HEX ",3\n", SPV_ERR_MALFORMED,
         "line 2: is a reorganisation, which files of filter headers do not have", SPV_IMPORT_CSV,
         1},
        {"{\"event\":\"reorg\",\"fork_height\":1,\"fork_hash\":\"" HEX "\",\"removed\":1}\n",
         SPV_ERR_MALFORMED, "line 1: is a reorganisation", SPV_IMPORT_JSONL, 0},
        {"{\"height\":1}\n", SPV_ERR_MALFORMED, "line 1: filter_header is missing",
         SPV_IMPORT_JSONL, 0},
        {"{\"filter_header\":\"" HEX "\"}\n", SPV_ERR_MALFORMED, "line 1: height is missing",
         SPV_IMPORT_JSONL, 0},
        {"{\"height\":\"1\",\"filter_header\":\"" HEX "\"}\n", SPV_ERR_MALFORMED,
         "line 1: height: '1' is not a plain value", SPV_IMPORT_JSONL, 0},
        {"{\"height\":1,\"filter_header\":" HEX "}\n", SPV_ERR_MALFORMED, "is not a string",
         SPV_IMPORT_JSONL, 0},
        {"{\"height\":1,\"filter_header\":\"" HEX "\",\"block_hash\":7}\n", SPV_ERR_MALFORMED,
         "block_hash: '7' is not a string", SPV_IMPORT_JSONL, 0},
        {"", SPV_ERR_SHORT, "is empty", SPV_IMPORT_AUTO, 0},
        {"PK\x03\x04..............................................................................."
         "..",
         SPV_ERR_UNSUPPORTED, "is not a file of filter headers but a zip archive", SPV_IMPORT_AUTO,
         0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct outcome o =
            read_pieces(cases[i].text, strlen(cases[i].text), 4096, cases[i].format);
        if (o.rc != cases[i].err || !strstr(o.problem, cases[i].problem) || o.n != cases[i].n)
            fail_msg("case %zu: %d, %zu items, %s", i, o.rc, o.n, o.problem);
    }
}

static void text_files_may_have_columns_in_any_order(void **state)
{
    static const char *const texts[] = {
        "filter_header,note,height\n" HEX ",x,7\n",
        "\"height\",\"filter_header\"\r\n\"7\",\"" HEX "\"\r\n",
        "{ \"note\": \"x\", \"filter_header\": \"" HEX "\", \"height\": 7, \"more\": null }\n",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        const struct outcome o = read_pieces(texts[i], strlen(texts[i]), 4096, SPV_IMPORT_AUTO);
        assert_int_equal(o.rc, 0);
        assert_int_equal(o.n, 1);
        assert_int_equal(o.items[0].height, 7);
        assert_false(o.items[0].has_block);
        assert_int_equal(o.items[0].filter_header.b[0], 0xbc); /* display order is reversed */
        assert_int_equal(o.items[0].filter_header.b[31], 0x0a);
    }
}

static void a_binary_file_is_checked_before_it_is_read(void **state)
{
    uint8_t file[10 + 3 * 32] = {0xfa, 0xbf, 0xb5, 0xda, 0, 1};
    struct outcome o;
    (void)state;
    memcpy(file + 10, headers, 3 * 32);
    assert_int_equal(read_pieces(file, sizeof file, 4096, SPV_IMPORT_AUTO).n, 3);
    file[0] ^= 1;
    o = read_pieces(file, sizeof file, 4096, SPV_IMPORT_NEUTRINO);
    assert_int_equal(o.rc, SPV_ERR_MAGIC);
    assert_non_null(strstr(o.problem, "of an unknown network, not of regtest"));
    memcpy(file, spv_params_get(SPV_MAINNET)->net.magic, 4);
    o = read_pieces(file, sizeof file, 4096, SPV_IMPORT_AUTO);
    assert_int_equal(o.rc, SPV_ERR_MAGIC);
    assert_non_null(strstr(o.problem, "byte 0: the headers are of mainnet, not of regtest"));
    memcpy(file, regtest()->net.magic, 4);
    file[4] = 1;
    o = read_pieces(file, sizeof file, 4096, SPV_IMPORT_AUTO);
    assert_int_equal(o.rc, SPV_ERR_UNSUPPORTED);
    assert_non_null(strstr(o.problem, "version 1 of neutrino's format"));
    file[4] = 0;
    file[5] = 0;
    o = read_pieces(file, sizeof file, 4096, SPV_IMPORT_AUTO);
    assert_int_equal(o.rc, SPV_ERR_UNSUPPORTED);
    assert_non_null(
        strstr(o.problem, "type 0, block headers: only filter headers (type 1) are read"));
    file[5] = 7;
    o = read_pieces(file, sizeof file, 4096, SPV_IMPORT_AUTO);
    assert_non_null(
        strstr(o.problem, "type 7, which is unknown: only filter headers (type 1) are read"));
    file[5] = 1;
    memset(file + 6, 0xff, 4); /* the highest height */
    o = read_pieces(file, sizeof file, 4096, SPV_IMPORT_AUTO);
    assert_int_equal(o.rc, SPV_ERR_TOO_LONG);
    assert_int_equal(o.n, 0);
    file[6] = 0xfe;
    o = read_pieces(file, sizeof file, 4096, SPV_IMPORT_AUTO);
    assert_int_equal(o.rc, SPV_ERR_TOO_LONG);
    assert_int_equal(o.n, 1);
    memset(file + 6, 0, 4);
    memset(file + 10 + 32, 0, 32);
    o = read_pieces(file, sizeof file, 4096, SPV_IMPORT_AUTO);
    assert_int_equal(o.rc, SPV_ERR_MALFORMED);
    assert_non_null(strstr(o.problem, "byte 42: a filter header of zeros"));
    assert_int_equal(o.n, 1);
}

static void a_raw_file_begins_with_the_filter_header_of_genesis(void **state)
{
    uint8_t file[2 * 32];
    struct outcome o;
    (void)state;
    memcpy(file, headers, sizeof file);
    assert_int_equal(read_pieces(file, sizeof file, 4096, SPV_IMPORT_AUTO).n, 2);
    file[3] ^= 1;
    o = read_pieces(file, sizeof file, 4096, SPV_IMPORT_AUTO);
    assert_int_equal(o.rc, SPV_ERR_MALFORMED);
    assert_string_equal(o.problem, "is not a raw file of filter headers of regtest: it does not "
                                   "begin with that of genesis");
    memcpy(file, spv_params_get(SPV_TESTNET3)->filter_checkpoints[0].header.b, 32);
    o = read_pieces(file, sizeof file, 4096, SPV_IMPORT_RAW);
    assert_int_equal(o.rc, SPV_ERR_MAGIC);
    assert_string_equal(o.problem, "has filter headers of testnet3, not of regtest");
    /* block headers */
    uint8_t raw[SPV_HEADER_SIZE];
    spv_header_encode(raw, &regtest()->genesis);
    o = read_pieces(raw, sizeof raw, 4096, SPV_IMPORT_AUTO);
    assert_int_equal(o.rc, SPV_ERR_MALFORMED);
    assert_int_equal(o.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_format_is_as_documented),
        cmocka_unit_test(other_formats_have_no_filter_headers),
        cmocka_unit_test(an_error_of_the_writer_ends_the_export),
        cmocka_unit_test(what_is_written_is_read_back_in_any_pieces),
        cmocka_unit_test(a_truncated_file_ends_with_an_error_or_a_whole_row),
        cmocka_unit_test(each_malformed_file_has_its_error),
        cmocka_unit_test(text_files_may_have_columns_in_any_order),
        cmocka_unit_test(a_binary_file_is_checked_before_it_is_read),
        cmocka_unit_test(a_raw_file_begins_with_the_filter_header_of_genesis),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
