#include "loop/handshake_limit.h"

#include "loop/conn_slots.h"

void spv_handshake_limit_init(struct spv_rate_limit *r)
{
    spv_rate_limit_init(r, SPV_HANDSHAKE_PER_SECOND, SPV_HANDSHAKE_BURST);
}

bool spv_handshake_limit_allow(struct spv_rate_limit *r, const struct spv_netaddr *from,
                               uint64_t now_us)
{
    struct spv_netaddr group;
    if (!spv_conn_slots_limited_group(&group, from))
        return true;
    return spv_rate_limit_take(r, &group, now_us) == 0;
}
