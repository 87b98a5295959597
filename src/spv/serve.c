/* The answer of Bitcoin Core's ProcessGetHeaders, from a reader. A stop that the reader can find
 * bounds what is read; otherwise whether a header is the stop is seen in its child's prev, so that
 * nothing is hashed. */
#include "spv/serve.h"

#include "spv/error.h"

/* The height after the first locator hash that the best chain has; 1 when it has none. */
static int first_height(const struct spv_reader *reader, uint32_t *out,
                        const struct spv_msg_getheaders *request)
{
    struct spv_record record;

    for (size_t i = 0; i < request->n; i++) {
        int rc = reader->by_hash(reader->ctx, &record, &request->locator[i]);
        if (rc < 0)
            return rc;
        if (rc == 1) {
            *out = record.height + 1;
            return SPV_OK;
        }
    }
    *out = 1; /* "If we didn't find a common ancestor ... genesis" */
    return SPV_OK;
}

static int answer(const struct spv_reader *reader, struct spv_header *out,
                  const struct spv_msg_getheaders *request)
{
    struct spv_record record;
    uint32_t from;
    int rc;

    if (request->n == 0) {
        /* "If locator is null, return the hashStop block" */
        rc = reader->by_hash(reader->ctx, &record, &request->stop);
        if (rc == 1)
            out[0] = record.header;
        return rc;
    }
    rc = first_height(reader, &from, request);
    if (rc < 0)
        return rc;
    uint32_t most = SPV_MAX_HEADERS;
    if (!spv_blockhash_is_zero(&request->stop) &&
        reader->by_hash(reader->ctx, &record, &request->stop) == 1 && record.height >= from &&
        record.height - from < most)
        most = record.height - from + 1;
    rc = reader->range(reader->ctx, out, from, most);
    if (rc <= 0 || spv_blockhash_is_zero(&request->stop))
        return rc;
    for (int i = 1; i < rc; i++)
        if (spv_blockhash_eq(&out[i].prev, &request->stop))
            return i;
    return rc;
}

/* "One snapshot an answer": a reorganisation between two reads must not mix two chains. */
int spv_serve_headers(const struct spv_reader *reader, struct spv_header *out,
                      const struct spv_msg_getheaders *request)
{
    int rc = reader->hold != NULL ? reader->hold(reader->ctx) : SPV_OK;

    if (rc < 0)
        return rc;
    rc = answer(reader, out, request);
    if (reader->release != NULL)
        reader->release(reader->ctx);
    return rc;
}

void spv_serve_limits(struct spv_peer_config *cfg)
{
    cfg->max_payload = SPV_SERVE_PAYLOAD;
    cfg->max_known = SPV_SERVE_KNOWN;
    cfg->trim_at_once = true;
}
