/* An array, scanned: a connection attempt needs few look-ups, and bans are few. */
#include "spv/addrman/banman.h"

#include <string.h>

#include "spv/error.h"

static void drop_ban(struct spv_banman *b, size_t i)
{
    b->n--;
    b->bans[i] = b->bans[b->n];
    b->until_us[i] = b->until_us[b->n];
    b->changed = true;
}

/* The slot of the next ban: at the end or, when full, that of the ban that ends first. */
static size_t ban_slot(struct spv_banman *b)
{
    if (b->n < SPV_ADDRMAN_BANS)
        return b->n++;
    size_t first = 0;
    for (size_t i = 1; i < b->n; i++)
        if (b->until_us[i] < b->until_us[first])
            first = i;
    return first;
}

void spv_banman_load(struct spv_banman *b, const struct spv_ban_entry *rows, size_t n,
                     struct spv_now now)
{
    for (size_t i = 0; i < n; i++) {
        int64_t left = rows[i].until - now.unix_s;
        /* older versions banned for more errors */
        const bool bans = spv_err_class_of(rows[i].code) == SPV_CLASS_MISBEHAVING;
        if (left <= 0 || !bans) {
            b->changed = true;
            continue;
        }
        if (left > SPV_BAN_SECONDS) /* written by a clock that was ahead of ours */
            left = SPV_BAN_SECONDS;
        const size_t at = ban_slot(b);
        b->bans[at] = rows[i];
        b->bans[at].until = now.unix_s + left;
        b->until_us[at] = now.mono_us + (uint64_t)left * SPV_SECOND;
    }
}

void spv_banman_add(struct spv_banman *b, const char *address, int code, struct spv_now now)
{
    size_t at = 0;
    while (at < b->n && strcmp(b->bans[at].address, address) != 0)
        at++;
    if (at == b->n)
        at = ban_slot(b);
    b->bans[at] = (struct spv_ban_entry){
        .since = now.unix_s, .until = now.unix_s + SPV_BAN_SECONDS, .code = code};
    strncpy(b->bans[at].address, address, sizeof b->bans[at].address - 1);
    b->until_us[at] = now.mono_us + SPV_BAN_SECONDS * SPV_SECOND;
    b->changed = true;
}

const struct spv_ban_entry *spv_banman_find(const struct spv_banman *b, uint64_t *until_us,
                                            const char *address, struct spv_now now)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->until_us[i] <= now.mono_us || strcmp(b->bans[i].address, address) != 0)
            continue;
        if (until_us)
            *until_us = b->until_us[i];
        return &b->bans[i];
    }
    return NULL;
}

void spv_banman_expire(struct spv_banman *b, struct spv_now now)
{
    for (size_t i = 0; i < b->n;)
        if (b->until_us[i] <= now.mono_us)
            drop_ban(b, i);
        else
            i++;
}
