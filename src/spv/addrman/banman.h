/* Banned addresses: 24 hours for misbehaviour, kept across restarts. In a running
 * process a ban ends by the monotonic clock, so setting the clock does not end it; stored rows have
 * unix seconds. */
#ifndef SPV_SPV_ADDRMAN_BANMAN_H
#define SPV_SPV_ADDRMAN_BANMAN_H

#include "spv/addrman.h"
#include "spv/types.h"

#define SPV_BAN_SECONDS 86400 /* ours: 24 h; as Bitcoin Core's DEFAULT_MISBEHAVING_BANTIME */

struct spv_banman {
    struct spv_ban_entry bans[SPV_ADDRMAN_BANS];
    uint64_t until_us[SPV_ADDRMAN_BANS];
    size_t n;
    bool changed; /* since the last save */
};

/* Adds stored bans. Those that ended, or whose code does not ban, are dropped; none lasts longer
 * than a ban that begins now. */
void spv_banman_load(struct spv_banman *b, const struct spv_ban_entry *rows, size_t n,
                     struct spv_now now);
/* address: a host, or "host:port" of a manual peer. */
void spv_banman_add(struct spv_banman *b, const char *address, int code, struct spv_now now);
/* Returns the ban that is in force, borrowed until the next change, or NULL; *until_us (may be
 * NULL) is its end, monotonic. */
const struct spv_ban_entry *spv_banman_find(const struct spv_banman *b, uint64_t *until_us,
                                            const char *address, struct spv_now now);
/* Drops the bans that ended. */
void spv_banman_expire(struct spv_banman *b, struct spv_now now);

#endif
