/* The block below the first stored header has no stored header: its hash is the previous-block hash
 * of the first one. */
#include "spv/wallet/chain_point.h"

#include "spv/error.h"

static int find_point(const struct spv_chain *chain, struct spv_point *out, uint32_t height)
{
    struct spv_chain_header header;
    int rc = spv_chain_header_at(chain, &header, height);

    *out = (struct spv_point){.height = height, .hash = header.hash};
    if (rc != 0)
        return rc;
    rc = spv_chain_header_at(chain, &header, height + 1);
    if (rc == 1)
        out->hash = header.header.prev;
    return rc;
}

int spv_chain_point_get(const struct spv_chain *chain, struct spv_point *out, uint32_t height)
{
    const int rc = find_point(chain, out, height);

    return rc == 0 ? SPV_ERR_DB_DAMAGED : rc < 0 ? rc : 0;
}

int spv_chain_point_is_best(const struct spv_chain *chain, const struct spv_point *point)
{
    struct spv_point there;
    const int rc = find_point(chain, &there, point->height);

    return rc <= 0 ? rc : spv_blockhash_eq(&there.hash, &point->hash);
}
