/* The readers of header files: the first byte chooses format, network and headers or filter
 * headers, the second the size of the chunks, the rest is the file.
 *
 * Invariants: items and end do not depend on the chunks; holes and heights are within bounds; an
 * error is sticky and has a message; the headers of a binary file encode to the file's bytes, its
 * filter headers are those bytes. */
#include <stdio.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "spv/import.h"

struct outcome {
    int rc;
    uint64_t items;
    uint64_t sum; /* of all fields of all items, in order */
    char problem[SPV_ERROR_INFO_TEXT];
};

static void mix(struct outcome *o, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++) {
        o->sum = (o->sum ^ p[i]) * UINT64_C(0x100000001b3);
    }
}

static void add_item(struct outcome *o, const struct spv_import_item *item, const uint8_t *file,
                     size_t size)
{
    uint8_t raw[SPV_HEADER_SIZE];
    o->items++;
    mix(o, &item->kind, sizeof item->kind);
    mix(o, &item->height, sizeof item->height);
    mix(o, &item->count, sizeof item->count);
    mix(o, &item->has_height, sizeof item->has_height);
    mix(o, &item->branch, sizeof item->branch);
    mix(o, &item->offset, sizeof item->offset);
    FUZZ_CHECK(item->offset < size);
    switch (item->kind) {
    case SPV_IMPORT_HEADER:
        spv_header_encode(raw, &item->header);
        mix(o, raw, sizeof raw);
        FUZZ_CHECK(item->line > 0 || memcmp(raw, file + item->offset, sizeof raw) == 0);
        break;
    case SPV_IMPORT_GAP:
        FUZZ_CHECK(item->count > 0 && item->count <= SPV_IMPORT_GAP_MAX);
        FUZZ_CHECK(item->offset + (uint64_t)item->count * SPV_HEADER_SIZE <= size);
        break;
    case SPV_IMPORT_REORG:
        FUZZ_CHECK(item->line > 0);
        break;
    case SPV_IMPORT_FILTER_HEADER:
        mix(o, item->filter_header.b, sizeof item->filter_header.b);
        mix(o, item->block.b, sizeof item->block.b);
        mix(o, &item->has_block, sizeof item->has_block);
        FUZZ_CHECK(item->has_height && (item->line > 0 || !item->has_block));
        FUZZ_CHECK(item->line > 0 || memcmp(item->filter_header.b, file + item->offset, 32) == 0);
        break;
    }
}

static struct outcome read_pieces(const struct spv_params *params, enum spv_import_format format,
                                  bool filters, const uint8_t *file, size_t size, size_t piece)
{
    struct outcome o = {.rc = 0, .sum = UINT64_C(0xcbf29ce484222325)};
    struct spv_import *d = NULL;
    struct spv_import_item item;
    size_t given = 0;
    FUZZ_CHECK((filters ? spv_import_new_filter_headers(&d, params, format)
                        : spv_import_new(&d, params, format)) == 0);
    for (bool ended = false; o.rc >= 0 && !ended;) {
        size_t capacity = 0;
        uint8_t *to = spv_import_reserve(d, &capacity);
        size_t n = size - given < piece ? size - given : piece;
        FUZZ_CHECK(capacity > 0);
        n = n < capacity ? n : capacity;
        if (n > 0) {
            memcpy(to, file + given, n);
        }
        spv_import_commit(d, n);
        given += n;
        if (given == size) {
            spv_import_finish(d);
            ended = true;
        }
        while ((o.rc = spv_import_next(d, &item)) == 1) {
            add_item(&o, &item, file, size);
        }
    }
    (void)snprintf(o.problem, sizeof o.problem, "%s", spv_import_error_text(d));
    if (o.rc < 0) {
        FUZZ_CHECK(o.problem[0] != '\0');
        FUZZ_CHECK(spv_import_next(d, &item) == o.rc);
    }
    spv_import_free(d);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    enum spv_import_format format = (enum spv_import_format)(data[0] % 6);
    const struct spv_params *params =
        spv_params_get((enum spv_network)(data[0] / 6 % SPV_NETWORKS));
    const bool filters =
        data[0] / 6 / SPV_NETWORKS % 2 != 0 && format != SPV_IMPORT_ELECTRUM; /* has none */
    struct outcome whole = read_pieces(params, format, filters, data + 2, size - 2, SIZE_MAX);
    struct outcome cut =
        read_pieces(params, format, filters, data + 2, size - 2, (size_t)data[1] + 1);
    FUZZ_CHECK(whole.rc == cut.rc && whole.items == cut.items && whole.sum == cut.sum);
    FUZZ_CHECK(strcmp(whole.problem, cut.problem) == 0);
    return 0;
}
