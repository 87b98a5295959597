/* Where headers would attach, looked up without taking anything: what the gate before the chain
 * asks (spv/lowwork.h), and what stored side branches are judged by when they are read back. */
#include "spv/chain/chain_state.h"
#include "spv/error.h"

int spv_chain_find_fork_point(const struct spv_chain *c, struct spv_chain_pos *pos, size_t *known,
                              const struct spv_header *headers, size_t n)
{
    struct spv_blockhash last = headers[0].prev;
    struct spv_chain_header record;
    int rc;

    *known = 0;
    rc = spv_chain_find_pos(c, pos, &record, &last);
    if (rc == 0) { /* the parent is not known, or not knowable; the header itself may be */
        spv_header_hash(&last, &headers[0]);
        rc = spv_chain_find_pos(c, pos, &record, &last);
        *known = rc == 1;
    }
    if (rc <= 0)
        return rc;
    while (*known < n && spv_blockhash_eq(&headers[*known].prev, &last)) {
        spv_header_hash(&last, &headers[*known]);
        rc = spv_chain_find_child(c, pos, &last);
        if (rc < 0)
            return rc;
        if (rc == 0)
            break;
        ++*known;
    }
    return 1;
}

bool spv_chain_covered(const struct spv_chain *c, uint32_t height)
{
    return c->n_checkpoints > 0 && height < c->checkpoints[c->n_checkpoints - 1].height;
}
