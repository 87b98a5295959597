#include <stdlib.h>
#include <string.h>

#include "support/sim/internal.h"

static size_t find_row(const struct spv_addrman_rows *addrman_rows, const struct spv_netaddr *addr)
{
    size_t i = 0;
    while (i < addrman_rows->n &&
           memcmp(&addrman_rows->addresses[i].addr, addr, sizeof(*addr)) != 0)
        i++;
    return i;
}

void sim_addrman_save(struct spv_addrman_rows *addrman_rows,
                      const struct spv_addrman_changes *changes)
{
    addrman_rows->keyed = true;
    memcpy(addrman_rows->key, changes->key, sizeof(addrman_rows->key));
    if (changes->all)
        addrman_rows->n = 0;
    for (size_t i = 0; i < changes->n_removed; i++) {
        const size_t at = find_row(addrman_rows, &changes->removed[i]);
        if (at < addrman_rows->n)
            addrman_rows->addresses[at] = addrman_rows->addresses[--addrman_rows->n];
    }
    if (changes->n_changed > 0) {
        addrman_rows->addresses =
            realloc(addrman_rows->addresses,
                    (addrman_rows->n + changes->n_changed) * sizeof(addrman_rows->addresses[0]));
        if (!addrman_rows->addresses)
            abort();
    }
    for (size_t i = 0; i < changes->n_changed; i++) {
        const size_t at = find_row(addrman_rows, &changes->changed[i].addr);
        addrman_rows->addresses[at] = changes->changed[i];
        addrman_rows->n += at == addrman_rows->n;
    }
    if (!changes->bans_changed)
        return;
    free(addrman_rows->bans);
    addrman_rows->bans = calloc(changes->n_bans + 1, sizeof(addrman_rows->bans[0]));
    if (!addrman_rows->bans)
        abort();
    memcpy(addrman_rows->bans, changes->bans, changes->n_bans * sizeof(addrman_rows->bans[0]));
    addrman_rows->n_bans = changes->n_bans;
}

void sim_addrman_free(struct spv_addrman_rows *addrman_rows)
{
    free(addrman_rows->addresses);
    free(addrman_rows->bans);
}
