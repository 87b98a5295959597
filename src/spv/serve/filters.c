/* Answers compact filter requests as Bitcoin Core does (net_processing.cpp,
 * PrepareBlockFilterRequest and its callers), with one difference: a stop hash off the best chain
 * closes whatever its age, because only the best chain's filters are stored.
 *
 * An answer to getcfilters is read filter by filter, each in a snapshot of its own. While the stop
 * hash is on the best chain, so are its ancestors: that one look-up shows that the next filter
 * belongs to the same chain as those before.
 *
 * A filter header commits to all filter headers below it: while the highest checkpoint that was
 * read for earlier answers is still stored, the lower ones belong to it, also if their rows were
 * dropped. */
#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/serve.h"
#include "util/array.h"

#define FIRST_CHECKPOINTS 64 /* a chain of 64,000 blocks */

_Static_assert(sizeof(struct spv_filter_hash) == sizeof(struct spv_hash256),
               "filter hashes are read in place");

static int begin_read(const struct spv_header_db *headers)
{
    return headers->begin_read ? headers->begin_read(headers->ctx) : 0;
}

static void end_read(const struct spv_header_db *headers)
{
    if (headers->end_read)
        headers->end_read(headers->ctx);
}

static int has_hash_index(const struct spv_header_db *headers)
{
    return headers->has_hash_index ? headers->has_hash_index(headers->ctx) : 1;
}

/* The height of a stop hash. Returns 1, 0 when it cannot be known, or an error. */
static int find_stop(const struct spv_header_db *headers, uint32_t *height, uint8_t type,
                     const struct spv_blockhash *hash)
{
    struct spv_chain_header stop;
    if (type != SPV_FILTER_BASIC)
        return SPV_ERR_FILTER_REQUEST;
    int rc = headers->by_hash(headers->ctx, &stop, hash);
    if (rc < 0)
        return rc;
    if (rc == 0) {
        /* BIP157: "StopHash MUST be known to belong to a block accepted by the receiving peer."
         * Without a hash index no hash is found, which is not the peer's fault. */
        rc = has_hash_index(headers);
        return rc == 1 ? SPV_ERR_FILTER_REQUEST : rc;
    }
    *height = stop.height;
    return 1;
}

/* The stop height and the number of blocks, at most max. Returns as find_stop. */
static int find_range(const struct spv_header_db *headers, uint32_t *stop, uint32_t *n,
                      const struct spv_msg_getcfilters *request, uint32_t max)
{
    const int rc = find_stop(headers, stop, request->type, &request->stop);
    if (rc != 1)
        return rc;
    /* BIP157: "The height of the block with hash StopHash MUST be greater than or equal to
     * StartHeight, and the difference MUST be strictly less than 1000" (getcfheaders: 2,000). */
    if (request->start > *stop || *stop - request->start >= max)
        return SPV_ERR_FILTER_REQUEST;
    *n = *stop - request->start + 1;
    return 1;
}

static int read_filter_header(const struct spv_filter_db *filters, struct spv_hash256 *out,
                              uint32_t height)
{
    struct spv_filter_header header;
    const int rc = filters->headers(filters->ctx, &header, NULL, height, 1);
    if (rc == 1)
        memcpy(out->b, header.b, sizeof out->b);
    return rc;
}

static int answer_cfheaders(const struct spv_header_db *headers,
                            const struct spv_filter_db *filters, struct spv_msg_cfheaders *out,
                            struct spv_hash256 *hashes, const struct spv_msg_getcfilters *request)
{
    uint32_t stop, n;
    int rc = find_range(headers, &stop, &n, request, SPV_MAX_CFHEADERS);
    if (rc != 1)
        return rc;
    *out = (struct spv_msg_cfheaders){
        .type = SPV_FILTER_BASIC, .stop = request->stop, .hashes = hashes, .n = n};
    /* BIP157: the previous filter header of the genesis block is zero. */
    rc = request->start > 0 ? read_filter_header(filters, &out->prev, request->start - 1) : 1;
    if (rc != 1)
        return rc;
    rc = filters->headers(filters->ctx, NULL, (struct spv_filter_hash *)hashes, request->start, n);
    /* BIP157: "FilterHashes MUST have one entry for each block": all or no answer. */
    return rc < 0 ? rc : rc == (int)n;
}

int spv_serve_cfheaders(const struct spv_header_db *headers, const struct spv_filter_db *filters,
                        struct spv_msg_cfheaders *out, struct spv_hash256 *hashes,
                        const struct spv_msg_getcfilters *request)
{
    int rc = begin_read(headers);
    if (rc < 0)
        return rc;
    rc = answer_cfheaders(headers, filters, out, hashes, request);
    end_read(headers);
    return rc;
}

/* Drops checkpoints from the highest down to the first that is still stored. Returns 0 or an error.
 */
static int drop_changed(const struct spv_filter_db *filters,
                        struct spv_serve_checkpoints *checkpoints)
{
    for (; checkpoints->n > 0; checkpoints->n--) {
        const struct spv_hash256 *last = &checkpoints->headers[checkpoints->n - 1];
        struct spv_hash256 header;
        const int rc =
            read_filter_header(filters, &header, (uint32_t)checkpoints->n * SPV_CFCHECKPT_INTERVAL);
        if (rc < 0)
            return rc;
        if (rc == 1 && memcmp(header.b, last->b, sizeof header.b) == 0)
            break;
    }
    return 0;
}

/* Reads the checkpoints up to the n-th. Returns 1, 0 when one is not stored, or an error. */
static int read_checkpoints(const struct spv_filter_db *filters,
                            struct spv_serve_checkpoints *checkpoints, size_t n)
{
    int rc = drop_changed(filters, checkpoints);
    if (rc < 0)
        return rc;
    while (checkpoints->n < n) {
        struct spv_hash256 *grown =
            spv_array_grow(checkpoints->headers, &checkpoints->cap, checkpoints->n + 1,
                           FIRST_CHECKPOINTS, sizeof *grown);
        if (!grown)
            return SPV_ERR_NOMEM;
        checkpoints->headers = grown;
        rc = read_filter_header(filters, &grown[checkpoints->n],
                                (uint32_t)(checkpoints->n + 1) * SPV_CFCHECKPT_INTERVAL);
        if (rc != 1)
            return rc;
        checkpoints->n++;
    }
    return 1;
}

static int answer_cfcheckpt(const struct spv_header_db *headers,
                            const struct spv_filter_db *filters, struct spv_msg_cfcheckpt *out,
                            struct spv_serve_checkpoints *checkpoints,
                            const struct spv_msg_getcfcheckpt *request)
{
    uint32_t stop;
    int rc = find_stop(headers, &stop, request->type, &request->stop);
    if (rc != 1)
        return rc;
    /* BIP157: "exactly one entry for each block on the chain terminating in StopHash, where the
     * block height is a multiple of 1,000 greater than 0" */
    const size_t n = stop / SPV_CFCHECKPT_INTERVAL;
    if (n > SPV_MAX_CFCHECKPT)
        return 0; /* more than a message can have */
    rc = read_checkpoints(filters, checkpoints, n);
    if (rc != 1)
        return rc;
    *out = (struct spv_msg_cfcheckpt){
        .type = SPV_FILTER_BASIC, .stop = request->stop, .headers = checkpoints->headers, .n = n};
    return 1;
}

int spv_serve_cfcheckpt(const struct spv_header_db *headers, const struct spv_filter_db *filters,
                        struct spv_msg_cfcheckpt *out, struct spv_serve_checkpoints *checkpoints,
                        const struct spv_msg_getcfcheckpt *request)
{
    int rc = begin_read(headers);
    if (rc < 0)
        return rc;
    rc = answer_cfcheckpt(headers, filters, out, checkpoints, request);
    end_read(headers);
    return rc;
}

void spv_serve_checkpoints_free(struct spv_serve_checkpoints *checkpoints)
{
    free(checkpoints->headers);
    *checkpoints = (struct spv_serve_checkpoints){0};
}

static int begin_cfilters(const struct spv_header_db *headers, const struct spv_filter_db *filters,
                          struct spv_serve_cfilters *out, const struct spv_msg_getcfilters *request)
{
    uint32_t stop, n, first, last;
    int rc = find_range(headers, &stop, &n, request, SPV_MAX_GETCFILTERS);
    if (rc != 1)
        return rc;
    rc = filters->kept(filters->ctx, &first, &last);
    if (rc != 1)
        return rc;
    /* BIP157: "one cfilter message for each block in the requested range": all or no answer. */
    if (request->start < first || stop > last)
        return 0;
    *out = (struct spv_serve_cfilters){.stop = request->stop, .stop_height = stop, .n_left = n};
    return 1;
}

int spv_serve_cfilters_begin(const struct spv_header_db *headers,
                             const struct spv_filter_db *filters, struct spv_serve_cfilters *out,
                             const struct spv_msg_getcfilters *request)
{
    *out = (struct spv_serve_cfilters){.n_left = 0};
    int rc = begin_read(headers);
    if (rc < 0)
        return rc;
    rc = begin_cfilters(headers, filters, out, request);
    end_read(headers);
    return rc;
}

static int read_next(const struct spv_header_db *headers, const struct spv_filter_db *filters,
                     const struct spv_serve_cfilters *answer, struct spv_msg_cfilter *out)
{
    struct spv_chain_header block;
    struct spv_bytes filter;
    int rc = headers->by_height(headers->ctx, &block, answer->stop_height);
    if (rc != 1)
        return rc;
    if (!spv_blockhash_eq(&block.hash, &answer->stop))
        return 0; /* the chain was reorganised */
    const uint32_t height = answer->stop_height - (answer->n_left - 1);
    rc = headers->by_height(headers->ctx, &block, height);
    if (rc != 1)
        return rc;
    rc = filters->filter(filters->ctx, &filter, height);
    if (rc != 1)
        return rc;
    *out = (struct spv_msg_cfilter){
        .type = SPV_FILTER_BASIC, .block = block.hash, .filter = filter.bytes, .n = filter.n};
    return 1;
}

int spv_serve_cfilters_next(const struct spv_header_db *headers,
                            const struct spv_filter_db *filters, struct spv_serve_cfilters *answer,
                            struct spv_msg_cfilter *out)
{
    if (answer->n_left == 0)
        return 0;
    int rc = begin_read(headers);
    if (rc < 0)
        return rc;
    rc = read_next(headers, filters, answer, out);
    end_read(headers);
    if (rc == 1)
        answer->n_left--;
    else if (rc == 0)
        answer->n_left = 0;
    return rc;
}

/* Whether the chain is whole and found by hash. Returns 1 and its tip, 0, or an error. */
static int whole_chain(const struct spv_header_db *headers, struct spv_chain_header *tip)
{
    struct spv_chain_start start = {0};
    if (headers->start)
        headers->start(headers->ctx, &start);
    if (start.height > 0)
        return 0;
    const int rc = has_hash_index(headers);
    return rc == 1 ? headers->tip(headers->ctx, tip) : rc;
}

static int read_coverage(const struct spv_header_db *headers, const struct spv_filter_db *filters)
{
    struct spv_chain_header tip;
    uint32_t first, last;
    int rc = filters->range(filters->ctx, &first, &last);
    if (rc != 1)
        return rc < 0 ? rc : SPV_FILTERS_NONE;
    rc = whole_chain(headers, &tip);
    if (rc != 1)
        return rc < 0 ? rc : SPV_FILTERS_SOME;
    if (first > 0 || last < tip.height)
        return SPV_FILTERS_SOME;
    rc = filters->kept(filters->ctx, &first, &last);
    if (rc < 0)
        return rc;
    return rc == 1 && first == 0 && last >= tip.height ? SPV_FILTERS_ALL : SPV_FILTERS_SOME;
}

int spv_serve_filter_coverage(const struct spv_header_db *headers,
                              const struct spv_filter_db *filters)
{
    int rc = begin_read(headers);
    if (rc < 0)
        return rc;
    rc = read_coverage(headers, filters);
    end_read(headers);
    return rc;
}
