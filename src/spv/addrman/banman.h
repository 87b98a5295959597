/* Who is banned: 24 hours for a proven lie, kept over restarts. Within a run the monotonic clock
 * counts, so a clock that is set does not end a ban; the file says unix seconds. */
#ifndef SPV_SPV_ADDRMAN_BANMAN_H
#define SPV_SPV_ADDRMAN_BANMAN_H

#include "spv/addrman.h"
#include "spv/types.h"

#define SPV_BAN_SECONDS 86400 /* SYNC.md: 24 h for a proven lie */

struct spv_banman {
    struct spv_ban_entry at[SPV_ADDRMAN_BANS];
    uint64_t until_us[SPV_ADDRMAN_BANS];
    size_t n;
    bool changed; /* since the last save */
};

/* What was stored; what is over or has a code that does not ban is dropped, and no ban lasts longer
 * than one that begins now. */
void spv_banman_load(struct spv_banman *b, const struct spv_ban_entry *rows, size_t n,
                     struct spv_now now);
/* The address is a host, or "host:port" of a peer that the user named. */
void spv_banman_add(struct spv_banman *b, const char *address, int code, struct spv_now now);
/* The ban in force, or NULL; *until_us (may be NULL) is when it ends. */
const struct spv_ban_entry *spv_banman_find(const struct spv_banman *b, uint64_t *until_us,
                                            const char *address, struct spv_now now);
/* Drops those that are over. */
void spv_banman_expire(struct spv_banman *b, struct spv_now now);

#endif
