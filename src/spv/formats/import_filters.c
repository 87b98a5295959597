/* 32 bytes per filter header, in the order of the wire. A raw file does not contain its first
 * height: it begins at genesis, whose filter header is built in. */
#include <string.h>

#include "spv/export_rows.h" /* SPV_FILTER_HEADER_SIZE */
#include "spv/formats/import.h"

static const struct spv_filter_header *genesis_of(const struct spv_params *params)
{
    return params->n_filter_checkpoints > 0 && params->filter_checkpoints[0].height == 0
               ? &params->filter_checkpoints[0].header
               : NULL;
}

/* The network whose genesis has this filter header. NULL: none. */
static const struct spv_params *network_of(const uint8_t *header)
{
    for (int i = 0; i < SPV_NETWORKS; i++) {
        const struct spv_params *params = spv_params_get((enum spv_network)i);
        const struct spv_filter_header *genesis = genesis_of(params);
        if (genesis && memcmp(genesis->b, header, sizeof genesis->b) == 0)
            return params;
    }
    return NULL;
}

/* 1 or an error. */
static int check_genesis(struct spv_import *im)
{
    const uint8_t *first = im->buffer + im->at;
    const struct spv_filter_header *genesis = genesis_of(im->params);
    if (!genesis || memcmp(genesis->b, first, sizeof genesis->b) == 0)
        return 1;
    const struct spv_params *other = network_of(first);
    return other ? spv_import_fail_whole(im, SPV_ERR_MAGIC, "has filter headers of %s, not of %s",
                                         other->net.name, im->params->net.name)
                 : spv_import_fail_whole(im, SPV_ERR_MALFORMED,
                                         "is not a raw file of filter headers of %s: it does not "
                                         "begin with that of genesis",
                                         im->params->net.name);
}

/* Reads the bytes before the filter headers. 1, 0 or an error. */
static int read_start(struct spv_import *im)
{
    int rc = 1;
    if (im->format == SPV_IMPORT_NEUTRINO)
        rc = spv_import_neutrino_head(im, SPV_NEUTRINO_FILTER_HEADERS);
    else if (im->end - im->at >= SPV_FILTER_HEADER_SIZE)
        rc = check_genesis(im);
    im->begun = rc > 0;
    return rc;
}

int spv_import_filters(struct spv_import *im, struct spv_import_item *out)
{
    static const uint8_t zero[SPV_FILTER_HEADER_SIZE];
    if (!im->begun) {
        int rc = read_start(im);
        if (rc <= 0)
            return rc;
    }
    const uint8_t *p = im->buffer + im->at;
    const size_t n = im->end - im->at;
    if (n == 0 || (n < SPV_FILTER_HEADER_SIZE && !im->ended))
        return 0;
    if (n < SPV_FILTER_HEADER_SIZE)
        return spv_import_fail(im, SPV_ERR_SHORT,
                               "the file ends inside a filter header, after %zu of its %d bytes", n,
                               SPV_FILTER_HEADER_SIZE);
    if (memcmp(p, zero, sizeof zero) == 0)
        return spv_import_fail(im, SPV_ERR_MALFORMED, "a filter header of zeros");
    if (im->height >= UINT32_MAX)
        return spv_import_fail(im, SPV_ERR_TOO_LONG, "a filter header beyond the highest height");
    memcpy(out->filter_header.b, p, sizeof out->filter_header.b);
    out->kind = SPV_IMPORT_FILTER_HEADER;
    out->has_height = true;
    out->height = (uint32_t)im->height;
    out->offset = im->offset;
    im->height++;
    spv_import_skip(im, SPV_FILTER_HEADER_SIZE);
    return 1;
}
