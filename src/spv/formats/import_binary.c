/* 80 bytes per header. Where a file does not contain the height of its first header, the header
 * itself may determine it: genesis has no previous hash, and the previous hash of the next one is
 * that of genesis.
 *
 * In Electrum's file the offset of a header determines its height; headers that were not fetched
 * are zero. A raw file that starts at genesis and has such a gap is one of Electrum's. */
#include <string.h>

#include "spv/formats/import.h"
#include "util/cursor.h"
#include "util/u256.h"

static const char *network_of(const uint8_t magic[4])
{
    for (int i = 0; i < SPV_NETWORKS; i++) {
        const struct spv_netid *net = spv_netid_get((enum spv_network)i);
        if (memcmp(net->magic, magic, 4) == 0)
            return net->name;
    }
    return "an unknown network";
}

int spv_import_neutrino_head(struct spv_import *im, uint8_t wanted)
{
    static const char *const names[] = {"block headers", "filter headers", "which is unknown"};
    size_t n = im->end - im->at;
    if (n < SPV_NEUTRINO_HEAD) {
        return im->ended ? spv_import_fail(im, SPV_ERR_SHORT,
                                           "the file ends inside the 10 bytes before the headers")
                         : 0;
    }
    struct spv_cursor c = spv_cursor_over(im->buffer + im->at, SPV_NEUTRINO_HEAD);
    const uint8_t *magic = spv_cursor_take(&c, 4);
    uint8_t version = spv_cursor_u8(&c);
    uint8_t type = spv_cursor_u8(&c);
    uint32_t height = spv_cursor_u32(&c);
    if (!magic || memcmp(magic, im->params->net.magic, 4) != 0) {
        return spv_import_fail(im, SPV_ERR_MAGIC, "the headers are of %s, not of %s",
                               magic ? network_of(magic) : "no network", im->params->net.name);
    }
    if (version != 0) {
        return spv_import_fail(im, SPV_ERR_UNSUPPORTED,
                               "version %u of neutrino's format, only 0 is known", version);
    }
    if (type != wanted) {
        return spv_import_fail(im, SPV_ERR_UNSUPPORTED, "type %u, %s: only %s (type %u) are read",
                               type, names[type < 2 ? type : 2], names[wanted], wanted);
    }
    spv_import_skip(im, SPV_NEUTRINO_HEAD);
    im->has_height = true;
    im->height = height;
    return 1;
}

static bool is_zero(const uint8_t *p)
{
    static const uint8_t zeros[SPV_HEADER_SIZE];
    return memcmp(p, zeros, sizeof zeros) == 0;
}

/* The hash meets the target of the header's own bits. */
static bool has_valid_pow(const struct spv_header *h)
{
    struct spv_blockhash hash;
    struct spv_u256 target;
    spv_header_hash(&hash, h);
    return spv_target_from_bits(&target, h->bits) == 0 && spv_hash_meets(hash.b, &target);
}

/* Reads the bytes before the headers, and determines the height of the first. Returns 1, 0 or an
 * error. */
static int read_start(struct spv_import *im)
{
    struct spv_blockhash genesis;
    struct spv_header first;
    int rc = 1;
    if (im->format == SPV_IMPORT_NEUTRINO) {
        rc = spv_import_neutrino_head(im, SPV_NEUTRINO_BLOCK_HEADERS);
    } else if (im->end - im->at < SPV_HEADER_SIZE && im->format == SPV_IMPORT_RAW && im->detected) {
        return spv_import_fail_whole(im, SPV_ERR_MALFORMED,
                                     "is no file of headers: it has %zu bytes, a header has %d",
                                     im->end - im->at, SPV_HEADER_SIZE);
    } else if (im->end - im->at >= SPV_HEADER_SIZE) {
        spv_header_hash(&genesis, &im->params->genesis);
        spv_header_decode(&first, im->buffer + im->at);
        im->has_height = im->format == SPV_IMPORT_ELECTRUM || spv_blockhash_is_zero(&first.prev) ||
                         spv_blockhash_eq(&first.prev, &genesis);
        if (!im->has_height && im->detected && !is_zero(im->buffer + im->at) &&
            !has_valid_pow(&first)) {
            /* every header meets its target, random bytes one time in thousands */
            return spv_import_fail_whole(
                im, SPV_ERR_MALFORMED, "is not a file of headers: its first %d bytes prove no work",
                SPV_HEADER_SIZE);
        }
        im->height = im->has_height && im->format != SPV_IMPORT_ELECTRUM &&
                     !spv_blockhash_is_zero(&first.prev);
    }
    im->begun = rc > 0;
    return rc;
}

/* Counts a zero header. Returns 0 or an error. */
static int count_zero_header(struct spv_import *im)
{
    if (im->format == SPV_IMPORT_RAW && im->detected && im->has_height)
        im->format = SPV_IMPORT_ELECTRUM; /* a raw file has no gaps */
    if (im->format != SPV_IMPORT_ELECTRUM)
        return spv_import_fail(im, SPV_ERR_MALFORMED, "a header of zeros");
    if (im->gap == SPV_IMPORT_GAP_MAX) {
        return spv_import_fail(im, SPV_ERR_TOO_LONG, "more than %d zero headers in a row",
                               SPV_IMPORT_GAP_MAX);
    }
    im->gap++;
    im->height++;
    spv_import_skip(im, SPV_HEADER_SIZE);
    return 0;
}

static int emit_gap(struct spv_import *im, struct spv_import_item *out)
{
    out->kind = SPV_IMPORT_GAP;
    out->count = im->gap;
    out->height = (uint32_t)(im->height - im->gap);
    out->offset = im->offset - (uint64_t)im->gap * SPV_HEADER_SIZE;
    im->gap = 0;
    return 1;
}

int spv_import_binary(struct spv_import *im, struct spv_import_item *out)
{
    for (;;) {
        size_t n = im->end - im->at;
        int rc = 1;
        if (n < SPV_HEADER_SIZE && !im->ended)
            return 0;
        if (!im->begun) {
            rc = read_start(im);
            if (rc <= 0)
                return rc;
            continue;
        }
        if (n > 0 && n < SPV_HEADER_SIZE && im->detected && im->gap > 0 && im->gap == im->height) {
            return spv_import_fail_whole(im, SPV_ERR_MALFORMED,
                                         "is no file of headers: its first %llu bytes are zeros, "
                                         "and no header follows",
                                         (unsigned long long)im->gap * SPV_HEADER_SIZE);
        }
        if (n > 0 && n < SPV_HEADER_SIZE) {
            return spv_import_fail(im, SPV_ERR_SHORT,
                                   "the file ends inside a header, after %zu of "
                                   "its 80 bytes",
                                   n);
        }
        const uint8_t *p = im->buffer + im->at;
        if (n > 0 && is_zero(p)) {
            rc = count_zero_header(im);
            if (rc < 0)
                return rc;
            continue;
        }
        if (im->gap > 0)
            return emit_gap(im, out);
        if (n == 0)
            return 0;
        if (im->has_height && im->height >= UINT32_MAX)
            return spv_import_fail(im, SPV_ERR_TOO_LONG, "a header beyond the highest height");
        spv_header_decode(&out->header, p);
        out->kind = SPV_IMPORT_HEADER;
        out->has_height = im->has_height;
        out->height = im->has_height ? (uint32_t)im->height : 0;
        out->offset = im->offset;
        im->height++;
        spv_import_skip(im, SPV_HEADER_SIZE);
        return 1;
    }
}
