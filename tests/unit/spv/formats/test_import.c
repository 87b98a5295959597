/* The readers of header files: every truncation, every chunk size, and each malformed line with
 * its error. */
#include "support/unit.h"

#include <stdio.h>

#include "spv/formats/import.h"
#include "spv/import.h"

#define BUF_SIZE 8192

/* Regtest's genesis and a header on it (not mined: nothing here judges work). */
static struct spv_header genesis;
static struct spv_header child;
static struct spv_blockhash genesis_hash;
static struct spv_blockhash child_hash;

static const struct spv_params *regtest(void)
{
    return spv_params_get(SPV_REGTEST);
}

static int set_up(void **state)
{
    (void)state;
    genesis = regtest()->genesis;
    spv_header_hash(&genesis_hash, &genesis);
    child = genesis;
    child.prev = genesis_hash;
    child.time += 600;
    child.version = -7;
    spv_header_hash(&child_hash, &child);
    return 0;
}

/* The result of a reader for some bytes. */
struct outcome {
    int rc; /* of the last next */
    size_t n;
    struct spv_import_item items[16];
    enum spv_import_format format;
    char problem[SPV_ERROR_INFO_TEXT];
};

/* Feeds the bytes in chunks of a size and reads every item. */
static struct outcome read_pieces(const void *bytes, size_t n, size_t chunk,
                                  enum spv_import_format format)
{
    struct outcome o = {.rc = 0};
    struct spv_import *d = NULL;
    const uint8_t *from = bytes;
    assert_int_equal(spv_import_new(&d, regtest(), format), 0);
    for (bool ended = false; o.rc >= 0 && !ended;) {
        size_t capacity = 0;
        uint8_t *to = spv_import_reserve(d, &capacity);
        size_t k = n < chunk ? n : chunk;
        k = k < capacity ? k : capacity;
        assert_true(n == 0 || k > 0);
        if (k > 0) {
            memcpy(to, from, k);
        }
        spv_import_commit(d, k);
        from += k;
        n -= k;
        if (n == 0) {
            spv_import_finish(d);
            ended = true;
        }
        while (o.n < COUNT(o.items) && (o.rc = spv_import_next(d, &o.items[o.n])) == 1) {
            o.n++;
        }
    }
    if (o.rc < 0) { /* the error is sticky */
        struct spv_import_item item;
        assert_int_equal(spv_import_next(d, &item), o.rc);
    }
    o.format = spv_import_format_of(d);
    (void)snprintf(o.problem, sizeof o.problem, "%s", spv_import_error_text(d));
    spv_import_free(d);
    return o;
}

static struct outcome read_text(const char *text)
{
    return read_pieces(text, strlen(text), BUF_SIZE, SPV_IMPORT_AUTO);
}

static void assert_problem(const struct outcome *o, int rc, const char *words)
{
    if (o->rc != rc || !strstr(o->problem, words)) {
        fail_msg("%d '%s', wanted %d '%s'", o->rc, o->problem, rc, words);
    }
}

static void assert_same(const struct spv_header *a, const struct spv_header *b)
{
    uint8_t x[SPV_HEADER_SIZE];
    uint8_t y[SPV_HEADER_SIZE];
    spv_header_encode(x, a);
    spv_header_encode(y, b);
    assert_memory_equal(x, y, sizeof x);
}

static size_t csv_row(char *out, const struct spv_header *h, uint32_t height)
{
    struct spv_blockhash hash;
    char own[SPV_HASH_HEX];
    char prev[SPV_HASH_HEX];
    char root[SPV_HASH_HEX];
    spv_header_hash(&hash, h);
    spv_blockhash_hex(own, &hash);
    spv_blockhash_hex(prev, &h->prev);
    spv_hash256_hex(root, &h->merkle_root);
    return (size_t)sprintf(out, "%u,%s,%d,%s,%s,%u,%08x,%u,%064x\n", height, own, h->version, prev,
                           root, h->time, h->bits, h->nonce, 2);
}

/* The two headers in each format. */
static size_t make(uint8_t *out, enum spv_import_format format)
{
    size_t n = 0;
    char *text = (char *)out;
    char own[SPV_HASH_HEX];
    char prev[SPV_HASH_HEX];
    char root[SPV_HASH_HEX];
    const struct spv_header *headers[] = {&genesis, &child};
    if (format == SPV_IMPORT_NEUTRINO) {
        n = unhex(out, BUF_SIZE, "fabfb5da000000000000");
    }
    for (uint32_t i = 0; i < 2; i++) {
        const struct spv_header *h = headers[i];
        struct spv_blockhash hash;
        if (format == SPV_IMPORT_CSV) {
            n += csv_row(text + n, h, i);
        } else if (format == SPV_IMPORT_JSONL) {
            spv_header_hash(&hash, h);
            spv_blockhash_hex(own, &hash);
            spv_blockhash_hex(prev, &h->prev);
            spv_hash256_hex(root, &h->merkle_root);
            n += (size_t)sprintf(text + n,
                                 "{\"height\":%u,\"hash\":\"%s\",\"version\":%d,"
                                 "\"previous_hash\":\"%s\",\"merkle_root\":\"%s\",\"time\":%u,"
                                 "\"bits\":\"%08x\",\"nonce\":%u,\"branch\":%s}\n",
                                 i, own, h->version, prev, root, h->time, h->bits, h->nonce,
                                 i == 1 ? "true" : "false");
        } else {
            spv_header_encode(out + n, h);
            n += SPV_HEADER_SIZE;
        }
    }
    return n;
}

static const enum spv_import_format formats[] = {
    SPV_IMPORT_RAW, SPV_IMPORT_ELECTRUM, SPV_IMPORT_NEUTRINO, SPV_IMPORT_CSV, SPV_IMPORT_JSONL};

static void each_format_is_read_in_chunks_of_any_size(void **state)
{
    (void)state;
    for (size_t f = 0; f < COUNT(formats); f++) {
        uint8_t bytes[BUF_SIZE];
        size_t n = make(bytes, formats[f]);
        for (size_t chunk = 1; chunk <= n; chunk++) {
            struct outcome o = read_pieces(bytes, n, chunk, formats[f]);
            assert_int_equal(o.rc, 0);
            assert_int_equal(o.n, 2);
            for (uint32_t i = 0; i < 2; i++) {
                assert_int_equal(o.items[i].kind, SPV_IMPORT_HEADER);
                assert_true(o.items[i].has_height);
                assert_int_equal(o.items[i].height, i);
                assert_same(&o.items[i].header, i == 0 ? &genesis : &child);
                assert_int_equal(o.items[i].line, formats[f] >= SPV_IMPORT_CSV ? i + 1 : 0);
            }
            assert_int_equal(o.items[1].branch, formats[f] == SPV_IMPORT_JSONL);
        }
    }
}

static void formats_are_detected_by_their_first_bytes(void **state)
{
    (void)state;
    for (size_t f = 0; f < COUNT(formats); f++) {
        uint8_t bytes[BUF_SIZE];
        size_t n = make(bytes, formats[f]);
        struct outcome o = read_pieces(bytes, n, BUF_SIZE, SPV_IMPORT_AUTO);
        assert_int_equal(o.rc, 0);
        assert_int_equal(o.n, 2);
        /* electrum's is raw until it has a gap */
        assert_int_equal(o.format, formats[f] == SPV_IMPORT_ELECTRUM ? SPV_IMPORT_RAW : formats[f]);
    }
}

static void a_file_truncated_anywhere_yields_its_complete_headers(void **state)
{
    (void)state;
    for (size_t f = 0; f < COUNT(formats); f++) {
        uint8_t bytes[BUF_SIZE];
        size_t n = make(bytes, formats[f]);
        size_t head = formats[f] == SPV_IMPORT_NEUTRINO ? 10 : 0;
        bool text = formats[f] >= SPV_IMPORT_CSV;
        for (size_t cut = 0; cut < n; cut++) {
            struct outcome o = read_pieces(bytes, cut, BUF_SIZE, formats[f]);
            size_t whole = cut < head ? 0 : (cut - head) / SPV_HEADER_SIZE;
            if (text) { /* the last newline may be missing */
                char *nl = memchr(bytes, '\n', n);
                size_t first = (size_t)(nl - (char *)bytes);
                whole = (size_t)(cut >= first) + (size_t)(cut >= n - 1);
                assert_int_equal(o.rc == 0, cut == first || cut == first + 1 || cut == n - 1);
            } else {
                assert_int_equal(o.rc == 0,
                                 cut >= head && cut > 0 && (cut - head) % SPV_HEADER_SIZE == 0);
                assert_true(o.rc == 0 || o.rc == SPV_ERR_SHORT);
            }
            assert_int_equal(o.n, whole);
        }
    }
}

static void a_raw_file_is_placed_by_its_first_header(void **state)
{
    (void)state;
    uint8_t bytes[3 * SPV_HEADER_SIZE];
    struct spv_header next = child;
    next.prev = child_hash;
    spv_header_encode(bytes, &child);
    spv_header_encode(bytes + SPV_HEADER_SIZE, &next);
    struct outcome o =
        read_pieces(bytes, sizeof bytes - SPV_HEADER_SIZE, BUF_SIZE, SPV_IMPORT_AUTO);
    assert_int_equal(o.n, 2);
    assert_true(o.items[0].has_height);
    assert_int_equal(o.items[0].height, 1);
    assert_int_equal(o.items[1].height, 2);
    o = read_pieces(bytes + SPV_HEADER_SIZE, SPV_HEADER_SIZE, BUF_SIZE, SPV_IMPORT_AUTO);
    assert_int_equal(o.n, 1);
    assert_false(o.items[0].has_height);
}

static void electrum_holes_are_counted(void **state)
{
    (void)state;
    uint8_t bytes[8 * SPV_HEADER_SIZE] = {0};
    spv_header_encode(bytes, &genesis);
    spv_header_encode(bytes + 5 * SPV_HEADER_SIZE, &child);
    for (size_t chunk = 1; chunk < sizeof bytes; chunk++) {
        struct outcome o = read_pieces(bytes, sizeof bytes, chunk, SPV_IMPORT_AUTO);
        assert_int_equal(o.rc, 0);
        assert_int_equal(o.format, SPV_IMPORT_ELECTRUM);
        assert_int_equal(o.n, 4);
        assert_int_equal(o.items[1].kind, SPV_IMPORT_GAP);
        assert_int_equal(o.items[1].height, 1);
        assert_int_equal(o.items[1].count, 4);
        assert_int_equal(o.items[1].offset, SPV_HEADER_SIZE);
        assert_int_equal(o.items[2].height, 5);
        assert_int_equal(o.items[3].kind, SPV_IMPORT_GAP);
        assert_int_equal(o.items[3].height, 6);
        assert_int_equal(o.items[3].count, 2);
    }
    /* from genesis on; and only where the file offset is a height */
    struct outcome o =
        read_pieces(bytes + SPV_HEADER_SIZE, SPV_HEADER_SIZE, BUF_SIZE, SPV_IMPORT_AUTO);
    assert_int_equal(o.items[0].kind, SPV_IMPORT_GAP);
    assert_int_equal(o.items[0].height, 0);
    o = read_pieces(bytes, sizeof bytes, BUF_SIZE, SPV_IMPORT_RAW);
    assert_problem(&o, SPV_ERR_MALFORMED, "byte 80: a header of zeros");
    spv_header_encode(bytes, &child); /* begins at height 1 */
    o = read_pieces(bytes, sizeof bytes, BUF_SIZE, SPV_IMPORT_ELECTRUM);
    assert_int_equal(o.items[0].height, 0);
}

static void a_hole_longer_than_any_chain_is_refused(void **state)
{
    (void)state;
    struct spv_import *d = NULL;
    struct spv_import_item item;
    int rc = 0;
    uint64_t given = 0;
    assert_int_equal(spv_import_new(&d, regtest(), SPV_IMPORT_ELECTRUM), 0);
    while (rc == 0 && given <= (uint64_t)SPV_IMPORT_GAP_MAX * SPV_HEADER_SIZE + SPV_IMPORT_BUFFER) {
        size_t capacity = 0;
        uint8_t *to = spv_import_reserve(d, &capacity);
        memset(to, 0, capacity);
        spv_import_commit(d, capacity);
        given += capacity;
        rc = spv_import_next(d, &item);
    }
    assert_int_equal(rc, SPV_ERR_TOO_LONG);
    spv_import_free(d);
}

static void neutrinos_head_is_checked(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        int rc;
        const char *words;
    } cases[] = {
        {"f9beb4d9000000000000", SPV_ERR_MAGIC, "the headers are of mainnet, not of regtest"},
        {"fabfb5da010000000000", SPV_ERR_UNSUPPORTED, "version 1"},
        {"fabfb5da000100000000", SPV_ERR_UNSUPPORTED, "filter headers"},
        {"fabfb5da000200000000", SPV_ERR_UNSUPPORTED, "type 2"},
        {"fabfb5da0000000000", SPV_ERR_SHORT, "inside the 10 bytes"},
        {"fabfb5da0000000000005a", SPV_ERR_SHORT, "after 1 of its 80 bytes"},
        {"01020304000000000000", SPV_ERR_MAGIC, "an unknown network"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t bytes[16];
        size_t n = unhex(bytes, sizeof bytes, cases[i].head);
        struct outcome o = read_pieces(bytes, n, BUF_SIZE, SPV_IMPORT_NEUTRINO);
        assert_problem(&o, cases[i].rc, cases[i].words);
    }
    /* the start height is little-endian */
    uint8_t bytes[10 + SPV_HEADER_SIZE];
    (void)unhex(bytes, sizeof bytes, "fabfb5da000039050000");
    spv_header_encode(bytes + 10, &child);
    struct outcome o = read_pieces(bytes, sizeof bytes, BUF_SIZE, SPV_IMPORT_AUTO);
    assert_int_equal(o.n, 1);
    assert_int_equal(o.items[0].height, 1337);
    (void)unhex(bytes, sizeof bytes, "fabfb5da0000ffffffff");
    o = read_pieces(bytes, sizeof bytes, BUF_SIZE, SPV_IMPORT_AUTO);
    assert_problem(&o, SPV_ERR_TOO_LONG, "beyond the highest height");
}

/* Replaces the first occurrence. */
static void swap(char *text, const char *old, const char *new)
{
    char rest[BUF_SIZE];
    char *at = strstr(text, old);
    assert_non_null(at);
    (void)snprintf(rest, sizeof rest, "%s", at + strlen(old));
    strcpy(at, new);
    strcat(at, rest);
}

static void each_invalid_csv_value_is_named_in_the_error(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new;
        int rc;
        const char *words;
    } cases[] = {
        {"1,", "x,", SPV_ERR_MALFORMED, "height: 'x'"},
        {",-7,", ",7,", SPV_ERR_MALFORMED, "the hash is not"},
        {",-7,", ",-2147483649,", SPV_ERR_MALFORMED,
         "version: '-2147483649' is not a number from -2"},
        {",-7,", ",--7,", SPV_ERR_MALFORMED, "version: '--7'"},
        {",-7,", ",,", SPV_ERR_MALFORMED, "version: ''"},
        {",-7,", ",+7,", SPV_ERR_MALFORMED, "version: '+7'"},
        {",207fffff,", ",207ffff,", SPV_ERR_MALFORMED, "bits: '207ffff' is not 8"},
        {",207fffff,", ",207fffff0,", SPV_ERR_MALFORMED, "bits: '207fffff0' is not 8"},
        {",207fffff,", ",0x7fffff,", SPV_ERR_MALFORMED, "bits: '0x7fffff' is not 8"},
        {",207fffff,", ",207fffff,,", SPV_ERR_MALFORMED, "has 10 values, not 9"},
        {",207fffff,", ",", SPV_ERR_MALFORMED, "has 8 values, not 9"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[BUF_SIZE];
        char row[BUF_SIZE];
        size_t n = csv_row(text, &genesis, 0);
        (void)csv_row(row, &child, 1);
        swap(row, cases[i].old, cases[i].new);
        strcpy(text + n, row);
        struct outcome o = read_text(text);
        assert_int_equal(o.n, 1);
        assert_problem(&o, cases[i].rc, cases[i].words);
        assert_problem(&o, cases[i].rc, "line 2: ");
    }
}

static void marks_of_a_reorganisation_are_read(void **state)
{
    (void)state;
    char text[BUF_SIZE];
    char hex[SPV_HASH_HEX];
    spv_blockhash_hex(hex, &genesis_hash);
    size_t n = csv_row(text, &genesis, 0);
    (void)sprintf(text + n, "#reorg,0,%s,3\n", hex);
    struct outcome o = read_text(text);
    assert_int_equal(o.rc, 0);
    assert_int_equal(o.n, 2);
    assert_int_equal(o.items[1].kind, SPV_IMPORT_REORG);
    assert_int_equal(o.items[1].height, 0);
    assert_int_equal(o.items[1].count, 3);
    (void)sprintf(
        text, "{\"event\":\"reorg\",\"fork_height\":5,\"fork_hash\":\"%s\",\"removed\":2}", hex);
    o = read_text(text);
    assert_int_equal(o.n, 1);
    assert_int_equal(o.items[0].height, 5);
    assert_int_equal(o.items[0].count, 2);
}

static void a_file_of_too_many_reorg_lines_is_an_error(void **state)
{
    (void)state;
    struct spv_import *d = NULL;
    struct spv_import_item item;
    char hex[SPV_HASH_HEX];
    char line[128];
    int rc = 0;
    uint64_t n_reorgs = 0;
    spv_blockhash_hex(hex, &genesis_hash);
    size_t n = (size_t)sprintf(line, "#reorg,0,%s,0\n", hex);
    assert_int_equal(spv_import_new(&d, regtest(), SPV_IMPORT_CSV), 0);
    size_t capacity = 0;
    uint8_t *to = spv_import_reserve(d, &capacity);
    size_t k = csv_row((char *)to, &genesis, 0);
    spv_import_commit(d, k);
    while (rc >= 0 && n_reorgs < SPV_IMPORT_REORGS_MAX + UINT64_C(10)) {
        to = spv_import_reserve(d, &capacity);
        if (capacity >= n) {
            memcpy(to, line, n);
            spv_import_commit(d, n);
        }
        while ((rc = spv_import_next(d, &item)) == 1) {
            n_reorgs += item.kind == SPV_IMPORT_REORG;
        }
    }
    assert_int_equal(rc, SPV_ERR_TOO_LONG);
    assert_int_equal(n_reorgs, SPV_IMPORT_REORGS_MAX);
    spv_import_free(d);
}

static void long_lines_are_refused_before_they_are_held(void **state)
{
    (void)state;
    char *text = malloc(3 * BUF_SIZE);
    assert_non_null(text);
    memset(text, '1', 3 * BUF_SIZE);
    struct outcome o = read_pieces(text, 3 * BUF_SIZE, 1, SPV_IMPORT_CSV);
    assert_problem(&o, SPV_ERR_TOO_LONG, "line 1: is longer than 4096 bytes");
    text[SPV_IMPORT_LINE_MAX] = '\n';
    o = read_pieces(text, 3 * BUF_SIZE, BUF_SIZE, SPV_IMPORT_CSV);
    assert_problem(&o, SPV_ERR_MALFORMED, "line 1: has 1 values, not 9");
    free(text);
}

static void files_without_headers_are_reported_by_their_type(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        int rc;
        const char *words;
    } cases[] = {
        {"BZh91AY&SY", 10, SPV_ERR_UNSUPPORTED, "is not a file of headers but compressed by bzip2"},
        {"\xfd"
         "7zXZ\0",
         6, SPV_ERR_UNSUPPORTED, "is not a file of headers but compressed by xz"},
        {"SQLite format 3", 16, SPV_ERR_UNSUPPORTED,
         "is not a file of headers but an SQLite database"},
        {"\x01\x02\x03\x80", 4, SPV_ERR_MALFORMED,
         "is not a file of headers: its first 80 bytes prove no work"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char bytes[160];
        memset(bytes, 0xd5, sizeof bytes);
        memcpy(bytes, cases[i].bytes, cases[i].n);
        struct outcome o = read_pieces(bytes, sizeof bytes, BUF_SIZE, SPV_IMPORT_AUTO);
        assert_int_equal(o.n, 0);
        assert_problem(&o, cases[i].rc, cases[i].words);
    }
}

static void bytes_too_few_for_a_header_are_no_file_of_headers(void **state)
{
    (void)state;
    char bytes[SPV_HEADER_SIZE + 20];
    for (int value = 0; value < 256; value += 0xd5) {
        memset(bytes, value, sizeof bytes);
        struct outcome o = read_pieces(bytes, 40, 7, SPV_IMPORT_AUTO);
        assert_problem(&o, SPV_ERR_MALFORMED,
                       "is no file of headers: it has 40 bytes, a header has 80");
        o = read_pieces(bytes, 40, 7, SPV_IMPORT_RAW); /* named */
        assert_problem(&o, SPV_ERR_SHORT, "ends inside a header, after 40 of its 80 bytes");
    }
    memset(bytes, 0, sizeof bytes);
    struct outcome o = read_pieces(bytes, sizeof bytes, 7, SPV_IMPORT_AUTO);
    assert_int_equal(o.n, 0);
    assert_problem(&o, SPV_ERR_MALFORMED, "its first 80 bytes are zeros, and no header follows");
}

static void empty_and_foreign_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        const char *words;
    } cases[] = {
        {"", SPV_ERR_SHORT, "is empty"},
        {"\n", SPV_ERR_MALFORMED, "is empty"},
        {"hello", SPV_ERR_MALFORMED, "neither names columns"},
        {"{}", SPV_ERR_MALFORMED, "a name is missing"},
        {"{\"height\":1}", SPV_ERR_MALFORMED, "version is missing"},
        {"[1]", SPV_ERR_MALFORMED, "an array"},
        {"{\"a\":\"b", SPV_ERR_MALFORMED, "a value is missing"},
        {"{\"a\":\"b\\", SPV_ERR_MALFORMED, "a value is missing"},
        {"{\"a\":1 2}", SPV_ERR_MALFORMED, "',' or '}'"},
        {"{\"a\":[1]}", SPV_ERR_MALFORMED, "not a plain one"},
        {"{\"a\":1,}", SPV_ERR_MALFORMED, "a name is missing"},
        {"height\n1\n", SPV_ERR_MALFORMED, "version is missing"},
        {"height,height\n", SPV_ERR_MALFORMED, "names the column height twice"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct outcome o = read_text(cases[i].text);
        assert_problem(&o, cases[i].rc, cases[i].words);
        assert_int_equal(o.n, 0);
    }
    char database[100] = "SQLite format 3";
    struct outcome o = read_pieces(database, sizeof database, BUF_SIZE, SPV_IMPORT_AUTO);
    assert_problem(&o, SPV_ERR_UNSUPPORTED, "an SQLite database");
}

static void error_texts_contain_no_control_characters_of_the_file(void **state)
{
    (void)state;
    char text[BUF_SIZE];
    size_t n = csv_row(text, &genesis, 0);
    (void)snprintf(text + n, sizeof text - n, "\x1b[2J\x7f,0,0,0,0,0,0,0,0\n");
    struct outcome o = read_text(text);
    assert_problem(&o, SPV_ERR_MALFORMED, "height: '?[2J?'");
}

static void names_of_formats_are_known_both_ways(void **state)
{
    (void)state;
    enum spv_import_format format = SPV_IMPORT_AUTO;
    struct spv_import *d = NULL;
    for (size_t f = 0; f < COUNT(formats); f++) {
        assert_int_equal(spv_import_format_by_name(&format, spv_import_format_name(formats[f])), 0);
        assert_int_equal(format, formats[f]);
    }
    assert_null(spv_import_format_name(SPV_IMPORT_AUTO));
    assert_null(spv_import_format_name((enum spv_import_format)99));
    assert_int_equal(spv_import_format_by_name(&format, "postgres"), SPV_ERR_NOT_FOUND);
    assert_int_equal(spv_import_new(&d, regtest(), (enum spv_import_format)99), SPV_ERR_INVALID);
    assert_int_equal(spv_import_new(&d, NULL, SPV_IMPORT_RAW), SPV_ERR_INVALID);
    spv_import_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_format_is_read_in_chunks_of_any_size),
        cmocka_unit_test(formats_are_detected_by_their_first_bytes),
        cmocka_unit_test(a_file_truncated_anywhere_yields_its_complete_headers),
        cmocka_unit_test(a_raw_file_is_placed_by_its_first_header),
        cmocka_unit_test(electrum_holes_are_counted),
        cmocka_unit_test(a_hole_longer_than_any_chain_is_refused),
        cmocka_unit_test(neutrinos_head_is_checked),
        cmocka_unit_test(each_invalid_csv_value_is_named_in_the_error),
        cmocka_unit_test(marks_of_a_reorganisation_are_read),
        cmocka_unit_test(a_file_of_too_many_reorg_lines_is_an_error),
        cmocka_unit_test(long_lines_are_refused_before_they_are_held),
        cmocka_unit_test(files_without_headers_are_reported_by_their_type),
        cmocka_unit_test(bytes_too_few_for_a_header_are_no_file_of_headers),
        cmocka_unit_test(empty_and_foreign_files_are_refused),
        cmocka_unit_test(error_texts_contain_no_control_characters_of_the_file),
        cmocka_unit_test(names_of_formats_are_known_both_ways),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
