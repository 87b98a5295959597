/* Block times do not ascend: each may be up to two hours ahead, and later blocks may have earlier
 * times. So the first block whose time reaches the birthday less two hours is found by reading all
 * headers, a million per second. */
#include "spv/wallet/birthday.h"

#include "spv/error.h"

#define RUN 256 /* headers read at a time, 20 kB */

/* Reads up to RUN headers from a height on. Returns how many, or a negative enum spv_err. */
static int read_run(struct spv_header *out, const struct spv_chain *chain,
                    const struct spv_header_db *db, uint32_t from, uint32_t n)
{
    struct spv_chain_header one;
    int rc = db->range ? db->range(db->ctx, out, from, n) : 0;

    if (rc != 0)
        return rc;
    rc = spv_chain_header_at(chain, &one, from); /* not stored yet */
    if (rc <= 0)
        return rc < 0 ? rc : SPV_ERR_DB_DAMAGED;
    out[0] = one.header;
    return 1;
}

int spv_birthday_find(struct spv_birthday *out, const struct spv_chain *chain,
                      const struct spv_header_db *db, int64_t birthday)
{
    const int64_t wanted =
        birthday > SPV_WALLET_BIRTHDAY_MARGIN_S ? birthday - SPV_WALLET_BIRTHDAY_MARGIN_S : 0;
    const uint32_t tip = spv_chain_tip(chain)->height;
    struct spv_header run[RUN];
    struct spv_chain_start start;
    uint32_t height;

    spv_chain_get_start(chain, &start);
    height = start.height;
    while (height <= tip) {
        const int n = read_run(run, chain, db, height, tip - height < RUN ? tip - height + 1 : RUN);
        int i = 0;
        if (n < 0)
            return n;
        while (i < n && (int64_t)run[i].time < wanted)
            i++;
        height += (uint32_t)i;
        if (i < n)
            break;
    }
    *out = (struct spv_birthday){.height = height > 0 ? height : 1,
                                 .is_below_start = start.height > 0 && height == start.height};
    return 0;
}
