/* One buffer, which the caller fills and the format's reader empties. Detection of the format: text
 * if the first bytes are printable, neutrino if they are a network's magic, else raw. */
#include "spv/formats/import.h"

#include <stdlib.h>
#include <string.h>

/* printable bytes at the start; a binary header has them with a chance of 2^-45 */
#define MIN_TEXT 32
#define BOM "\xef\xbb\xbf" /* UTF-8's byte order mark */

static const char *const format_names[] = {
    [SPV_IMPORT_RAW] = "raw",           [SPV_IMPORT_ELECTRUM] = "electrum",
    [SPV_IMPORT_NEUTRINO] = "neutrino", [SPV_IMPORT_CSV] = "csv",
    [SPV_IMPORT_JSONL] = "jsonl",
};
#define FORMATS (sizeof format_names / sizeof format_names[0])

const char *spv_import_format_name(enum spv_import_format format)
{
    return (size_t)format < FORMATS ? format_names[format] : NULL;
}

int spv_import_format_by_name(enum spv_import_format *out, const char *name)
{
    for (size_t i = SPV_IMPORT_RAW; i < FORMATS; i++) {
        if (strcmp(format_names[i], name) == 0) {
            *out = (enum spv_import_format)i;
            return 0;
        }
    }
    return SPV_ERR_NOT_FOUND;
}

int spv_import_new(struct spv_import **out, const struct spv_params *params,
                   enum spv_import_format format)
{
    *out = NULL;
    if ((size_t)format >= FORMATS || !params)
        return SPV_ERR_INVALID;
    struct spv_import *im = calloc(1, sizeof *im);
    if (!im)
        return SPV_ERR_NOMEM;
    im->params = params;
    im->format = format;
    *out = im;
    return 0;
}

int spv_import_new_filter_headers(struct spv_import **out, const struct spv_params *params,
                                  enum spv_import_format format)
{
    *out = NULL;
    int rc = format != SPV_IMPORT_ELECTRUM ? spv_import_new(out, params, format) : SPV_ERR_INVALID;
    if (!rc)
        (*out)->filters = true;
    return rc;
}

void spv_import_free(struct spv_import *im)
{
    free(im);
}

uint8_t *spv_import_reserve(struct spv_import *im, size_t *n)
{
    if (im->at > 0) {
        memmove(im->buffer, im->buffer + im->at, im->end - im->at);
        im->end -= im->at;
        im->at = 0;
    }
    *n = SPV_IMPORT_BUFFER - im->end;
    return im->buffer + im->end;
}

void spv_import_commit(struct spv_import *im, size_t n)
{
    im->end += n;
}

void spv_import_finish(struct spv_import *im)
{
    im->ended = true;
}

enum spv_import_format spv_import_format_of(const struct spv_import *im)
{
    return im->format;
}

const char *spv_import_error_text(const struct spv_import *im)
{
    return im->error_text;
}

/* Detection. */

static bool is_printable(uint8_t c)
{
    return (c >= ' ' && c <= '~') || c == '\n' || c == '\r' || c == '\t';
}

static bool is_magic(const struct spv_import *im, const uint8_t *p)
{
    if (memcmp(p, im->params->net.magic, 4) == 0)
        return true;
    for (int i = 0; i < SPV_NETWORKS; i++)
        if (memcmp(p, spv_netid_get((enum spv_network)i)->magic, 4) == 0)
            return true;
    return false;
}

static enum spv_import_format detect_format(const struct spv_import *im, size_t bom)
{
    const uint8_t *p = im->buffer + im->at + bom;
    size_t n = im->end - im->at - bom;
    size_t text = 0;
    while (text < n && text < MIN_TEXT && is_printable(p[text]))
        text++;
    if (text == n || text == MIN_TEXT) {
        size_t blank = 0;
        while (blank < text && (p[blank] == ' ' || p[blank] == '\t'))
            blank++;
        return blank < text && (p[blank] == '{' || p[blank] == '[') ? SPV_IMPORT_JSONL
                                                                    : SPV_IMPORT_CSV;
    }
    /* no block version equals a network's magic */
    return n >= 4 && is_magic(im, p) ? SPV_IMPORT_NEUTRINO : SPV_IMPORT_RAW;
}

/* A kind of file without headers, by its first bytes. NULL: none of them. */
static const char *other_kind(const uint8_t *p, size_t n)
{
    static const struct {
        const char *magic;
        size_t at, n;
        const char *what;
    } kinds[] = {
        {"SQLite format 3", 0, 16, "an SQLite database"},
        {"1AY&SY", 4, 6, "compressed by bzip2"}, /* after "BZh" and the level */
        {"\xfd"
         "7zXZ",
         0, 6, "compressed by xz"},
        {"\x04\x22\x4d\x18", 0, 4, "compressed by lz4"},
        {"7z\xbc\xaf\x27\x1c", 0, 6, "compressed by 7-Zip"},
        {"PK\x03\x04", 0, 4, "a zip archive"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (n >= kinds[i].at + kinds[i].n &&
            memcmp(p + kinds[i].at, kinds[i].magic, kinds[i].n) == 0)
            return kinds[i].what;
    return NULL;
}

/* Detects the format. Returns 1, 0 when more bytes are needed, or an error. */
static int import_begin(struct spv_import *im)
{
    size_t n = im->end - im->at;
    if (n < SPV_HEADER_SIZE && !im->ended)
        return 0;
    if (n == 0)
        return spv_import_fail_whole(im, SPV_ERR_SHORT, "is empty");
    size_t bom = n >= sizeof BOM - 1 && memcmp(im->buffer + im->at, BOM, sizeof BOM - 1) == 0
                     ? sizeof BOM - 1
                     : 0;
    const char *other = other_kind(im->buffer + im->at, n);
    if (other)
        return spv_import_fail_whole(im, SPV_ERR_UNSUPPORTED, "is not a file of %sheaders but %s",
                                     im->filters ? "filter " : "", other);
    if (im->format == SPV_IMPORT_AUTO) {
        im->format = detect_format(im, bom);
        im->detected = true;
    }
    if (im->format == SPV_IMPORT_CSV || im->format == SPV_IMPORT_JSONL)
        spv_import_skip(im, bom); /* the byte order mark is not part of the text */
    im->started = true;
    return 1;
}

int spv_import_next(struct spv_import *im, struct spv_import_item *out)
{
    int rc = 1;
    if (im->error != 0)
        return im->error;
    if (!im->started)
        rc = import_begin(im);
    if (rc <= 0)
        return rc;
    memset(out, 0, sizeof *out);
    switch (im->format) {
    case SPV_IMPORT_RAW:
    case SPV_IMPORT_ELECTRUM:
    case SPV_IMPORT_NEUTRINO:
        return im->filters ? spv_import_filters(im, out) : spv_import_binary(im, out);
    case SPV_IMPORT_CSV:
    case SPV_IMPORT_JSONL:
        return spv_import_text(im, out);
    case SPV_IMPORT_AUTO:
        break;
    }
    return spv_import_fail(im, SPV_ERR_STATE, "no format was chosen");
}
