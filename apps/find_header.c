/* The hash index has the best chain only, and only after the first sync. */
#include "find_header.h"

#include "cli.h"

static int scan(struct spv_store_iter *iter, struct spv_chain_header *out,
                const struct spv_blockhash *hash, uint32_t tip, find_header_progress *progress,
                void *ctx)
{
    int rc;

    while ((rc = spv_store_iter_next(iter, out)) > 0) {
        if (spv_blockhash_eq(&out->hash, hash)) {
            return 1;
        }
        if (progress) {
            progress(ctx, out->height, tip);
        }
        if (cli_stopped()) {
            return SPV_ERR_INTERRUPTED;
        }
    }
    return rc;
}

int find_header(struct spv_store *store, struct spv_chain_header *out, bool *best,
                const struct spv_blockhash *hash, find_header_progress *progress, void *ctx)
{
    struct spv_store_iter *iter;
    struct spv_chain_header tip;
    struct spv_chain_start start;
    int rc = spv_store_by_hash(store, out, hash);

    *best = true;
    if (rc == 0) {
        rc = spv_store_tip(store, &tip);
        if (rc <= 0) {
            return rc;
        }
        spv_store_get_start(store, &start);
        rc = spv_store_iter_open(&iter, store, start.height, UINT32_MAX);
        if (rc < 0) {
            return rc;
        }
        if (!spv_store_indexed(store)) {
            rc = scan(iter, out, hash, tip.height, progress, ctx);
        }
        if (rc == 0) {
            *best = false;
            rc = spv_store_iter_branches(iter);
        }
        if (rc == 0) {
            rc = scan(iter, out, hash, tip.height, NULL, NULL);
        }
        spv_store_iter_close(iter);
    }
    return rc;
}
