/* Answers getheaders as Bitcoin Core does (net_processing.cpp, NetMsgType::GETHEADERS). If the
 * database finds the stop hash, only headers up to its height are read; else it is compared with
 * each child's prev, so that no header is hashed. */
#include "spv/serve.h"

#include "spv/error.h"
#include "spv/serve/header_range.h"

int spv_serve_locate(const struct spv_header_db *db, struct spv_chain_header *out,
                     const struct spv_blockhash *locator, size_t n)
{
    if (db->locate)
        return n > 0 ? db->locate(db->ctx, out, locator, n) : 0;
    for (size_t i = 0; i < n; i++) {
        int rc = db->by_hash(db->ctx, out, &locator[i]);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int spv_serve_find_range(const struct spv_header_db *db, struct spv_serve_range *out,
                         const struct spv_msg_getheaders *request)
{
    struct spv_chain_header entry;
    int rc;

    *out = (struct spv_serve_range){.from = 1, .max = SPV_MAX_HEADERS};
    if (request->n == 0) {
        /* "If locator is null, return the hashStop block" */
        rc = db->by_hash(db->ctx, &entry, &request->stop);
        if (rc < 0)
            return rc;
        *out = (struct spv_serve_range){.from = rc == 1 ? entry.height : 0, .max = (uint32_t)rc};
        return 0;
    }
    rc = spv_serve_locate(db, &entry, request->locator, request->n);
    if (rc < 0)
        return rc;
    /* "If we didn't find a common ancestor ... genesis" */
    if (rc == 1)
        out->from = entry.height + 1;
    if (spv_blockhash_is_zero(&request->stop))
        return 0;
    if (db->by_hash(db->ctx, &entry, &request->stop) != 1)
        out->stop_hash = &request->stop;
    else if (entry.height >= out->from && entry.height - out->from < out->max)
        out->max = entry.height - out->from + 1;
    return 0;
}

static int answer_range(const struct spv_header_db *db, struct spv_header *out,
                        const struct spv_msg_getheaders *request)
{
    struct spv_serve_range range;
    int rc = spv_serve_find_range(db, &range, request);

    if (rc < 0 || range.max == 0)
        return rc;
    rc = db->range(db->ctx, out, range.from, range.max);
    if (rc <= 0 || !range.stop_hash)
        return rc;
    for (int i = 1; i < rc; i++)
        if (spv_blockhash_eq(&out[i].prev, range.stop_hash))
            return i;
    return rc;
}

/* One snapshot per answer: a reorganisation between two reads must not mix two chains. */
int spv_serve_headers(const struct spv_header_db *db, struct spv_header *out,
                      const struct spv_msg_getheaders *request)
{
    int rc = db->begin_read ? db->begin_read(db->ctx) : 0;

    if (rc < 0)
        return rc;
    rc = answer_range(db, out, request);
    if (db->end_read)
        db->end_read(db->ctx);
    return rc;
}

void spv_serve_limits(struct spv_peer_config *cfg)
{
    cfg->max_payload = SPV_SERVE_PAYLOAD;
    cfg->max_known = SPV_SERVE_KNOWN;
    cfg->trim_at_once = true;
}
