/* From text to values, strictly: any form other than the one that spv-export writes is an error
 * that names the field, so that a mistake of another program is reported with its line and not as a
 * header with an invalid proof of work. */
#include <stdlib.h>
#include <string.h>

#include "spv/formats/import.h"
#include "util/hex.h"

#define SHOWN 24 /* of a bad value in an error */
#define NUMBER_DIGITS 10 /* of 4294967295 */

static const char *const names[SPV_FIELDS] = {
    [SPV_FIELD_HEIGHT] = "height",
    [SPV_FIELD_HASH] = "hash",
    [SPV_FIELD_VERSION] = "version",
    [SPV_FIELD_PREVIOUS_HASH] = "previous_hash",
    [SPV_FIELD_MERKLE_ROOT] = "merkle_root",
    [SPV_FIELD_TIME] = "time",
    [SPV_FIELD_BITS] = "bits",
    [SPV_FIELD_NONCE] = "nonce",
    [SPV_FIELD_CHAIN_WORK] = "chain_work",
    [SPV_FIELD_BRANCH] = "branch",
    [SPV_FIELD_BLOCK_HASH] = "block_hash",
    [SPV_FIELD_FILTER_HEADER] = "filter_header",
    [SPV_FIELD_EVENT] = "event",
    [SPV_FIELD_FORK_HEIGHT] = "fork_height",
    [SPV_FIELD_FORK_HASH] = "fork_hash",
    [SPV_FIELD_REMOVED] = "removed",
};

enum spv_import_field spv_import_field_by_name(const char *name)
{
    for (size_t i = 0; i < SPV_FIELDS; i++)
        if (strcmp(names[i], name) == 0)
            return (enum spv_import_field)i;
    return SPV_FIELD_OTHER;
}

/* The values of one line; the first error is sticky. */
struct field_reader {
    struct spv_import *im;
    const struct spv_import_values *v;
    int error;
};

static void field_error(struct field_reader *r, enum spv_import_field field, const char *wanted)
{
    const char *text = r->v->text[field];
    if (r->error == 0) {
        r->error = spv_import_fail(r->im, SPV_ERR_MALFORMED, "%s: '%.*s' is not %s", names[field],
                                   SHOWN, text, wanted);
    }
}

enum json_form { JSON_PLAIN, JSON_STRING };

/* The text of a field that must be there, a string or a plain value in jsonl. NULL after an error.
 */
static const char *require_field(struct field_reader *r, enum spv_import_field field,
                                 enum json_form form)
{
    const char *text = r->v->text[field];
    if (r->error != 0)
        return NULL;
    if (!text) {
        r->error = spv_import_fail(r->im, SPV_ERR_MALFORMED, "%s is missing", names[field]);
        return NULL;
    }
    if (r->im->format == SPV_IMPORT_JSONL && r->v->quoted[field] != (form == JSON_STRING)) {
        field_error(r, field, form == JSON_STRING ? "a string" : "a plain value: it is quoted");
        return NULL;
    }
    return text;
}

static uint32_t read_number(struct field_reader *r, enum spv_import_field field)
{
    const char *text = require_field(r, field, JSON_PLAIN);
    uint64_t value = 0;
    size_t n = 0;
    if (!text)
        return 0;
    for (; text[n] >= '0' && text[n] <= '9' && n <= NUMBER_DIGITS; n++)
        value = value * 10 + (uint64_t)(text[n] - '0');
    if (n == 0 || text[n] != '\0' || value > UINT32_MAX) {
        field_error(r, field, "a number from 0 to 4294967295");
        return 0;
    }
    return (uint32_t)value;
}

static int32_t read_signed(struct field_reader *r, enum spv_import_field field)
{
    const char *text = require_field(r, field, JSON_PLAIN);
    bool minus = text && text[0] == '-';
    uint64_t value = 0;
    size_t n = minus;
    if (!text)
        return 0;
    for (; text[n] >= '0' && text[n] <= '9' && n <= NUMBER_DIGITS; n++)
        value = value * 10 + (uint64_t)(text[n] - '0');
    if (n == minus || text[n] != '\0' || value > (uint64_t)INT32_MAX + minus) {
        field_error(r, field, "a number from -2147483648 to 2147483647");
        return 0;
    }
    return (int32_t)(minus ? -(int64_t)value : (int64_t)value);
}

static void read_hash(struct field_reader *r, struct spv_blockhash *out,
                      enum spv_import_field field)
{
    const char *text = require_field(r, field, JSON_STRING);
    if (text && (strlen(text) != SPV_HASH_HEX - 1 || spv_blockhash_from_hex(out, text) != 0))
        field_error(r, field, "64 hexadecimal digits");
}

static uint32_t read_bits(struct field_reader *r)
{
    const char *text = require_field(r, SPV_FIELD_BITS, JSON_STRING);
    uint8_t be[4] = {0};
    if (text && (strlen(text) != 8 || spv_hex_decode(be, sizeof be, text) != 0))
        field_error(r, SPV_FIELD_BITS, "8 hexadecimal digits");
    return (uint32_t)be[0] << 24 | (uint32_t)be[1] << 16 | (uint32_t)be[2] << 8 | be[3];
}

static bool read_branch(struct field_reader *r)
{
    bool json = r->im->format == SPV_IMPORT_JSONL;
    const char *no = json ? "false" : "0";
    const char *yes = json ? "true" : "1";
    const char *text = require_field(r, SPV_FIELD_BRANCH, JSON_PLAIN);
    if (text && strcmp(text, no) != 0 && strcmp(text, yes) != 0)
        field_error(r, SPV_FIELD_BRANCH, json ? "true or false" : "0 or 1");
    return text && strcmp(text, yes) == 0;
}

static int read_reorg(struct field_reader *r, struct spv_import_item *out)
{
    struct spv_blockhash fork;
    const char *event = require_field(r, SPV_FIELD_EVENT, JSON_STRING);
    if (event && strcmp(event, "reorg") != 0)
        field_error(r, SPV_FIELD_EVENT, "'reorg'");
    out->kind = SPV_IMPORT_REORG;
    out->height = read_number(r, SPV_FIELD_FORK_HEIGHT);
    out->count = read_number(r, SPV_FIELD_REMOVED);
    read_hash(r, &fork, SPV_FIELD_FORK_HASH);
    if (r->error == 0 && ++r->im->n_reorgs > SPV_IMPORT_REORGS_MAX) {
        r->error = spv_import_fail(r->im, SPV_ERR_TOO_LONG, "more than %d reorganisations",
                                   SPV_IMPORT_REORGS_MAX);
    }
    return r->error;
}

static int read_filter_header(struct field_reader *r, struct spv_import_item *out)
{
    struct spv_blockhash header = {{0}};
    if (r->v->text[SPV_FIELD_EVENT])
        return spv_import_fail(r->im, SPV_ERR_MALFORMED,
                               "is a reorganisation, which files of filter headers do not have");
    out->kind = SPV_IMPORT_FILTER_HEADER;
    out->has_height = true;
    out->height = read_number(r, SPV_FIELD_HEIGHT);
    read_hash(r, &header, SPV_FIELD_FILTER_HEADER);
    memcpy(out->filter_header.b, header.b, sizeof header.b);
    out->has_block = r->v->text[SPV_FIELD_BLOCK_HASH] != NULL;
    if (out->has_block)
        read_hash(r, &out->block, SPV_FIELD_BLOCK_HASH);
    return r->error;
}

int spv_import_get_values(struct spv_import *im, struct spv_import_item *out,
                          const struct spv_import_values *v)
{
    struct field_reader r = {.im = im, .v = v};
    if (im->filters)
        return read_filter_header(&r, out);
    struct spv_header *h = &out->header;
    struct spv_blockhash computed;
    struct spv_blockhash root = {{0}};
    if (v->text[SPV_FIELD_EVENT])
        return read_reorg(&r, out);
    out->kind = SPV_IMPORT_HEADER;
    out->has_height = true;
    out->height = read_number(&r, SPV_FIELD_HEIGHT);
    h->version = read_signed(&r, SPV_FIELD_VERSION);
    read_hash(&r, &h->prev, SPV_FIELD_PREVIOUS_HASH);
    read_hash(&r, &root, SPV_FIELD_MERKLE_ROOT);
    memcpy(h->merkle_root.b, root.b, sizeof root.b);
    h->time = read_number(&r, SPV_FIELD_TIME);
    h->bits = read_bits(&r);
    h->nonce = read_number(&r, SPV_FIELD_NONCE);
    if (v->text[SPV_FIELD_CHAIN_WORK]) /* only its form is checked: the chain computes the work */
        read_hash(&r, &root, SPV_FIELD_CHAIN_WORK);
    if (v->text[SPV_FIELD_BRANCH])
        out->branch = read_branch(&r);
    if (r.error == 0 && v->text[SPV_FIELD_HASH]) {
        struct spv_blockhash stated = {{0}};
        read_hash(&r, &stated, SPV_FIELD_HASH);
        spv_header_hash(&computed, h);
        if (r.error == 0 && !spv_blockhash_eq(&computed, &stated)) {
            r.error = spv_import_fail(im, SPV_ERR_MALFORMED,
                                      "the hash is not that of the header's other values");
        }
    }
    return r.error;
}
