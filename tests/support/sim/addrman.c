#include <stdlib.h>
#include <string.h>

#include "support/sim/internal.h"

static size_t place_of(const struct spv_addrman_rows *book, const struct spv_netaddr *addr)
{
    size_t i = 0;
    while (i < book->n && memcmp(&book->addresses[i].addr, addr, sizeof(*addr)) != 0)
        i++;
    return i;
}

void sim_book_save(struct spv_addrman_rows *book, const struct spv_addrman_changes *changes)
{
    book->keyed = true;
    memcpy(book->key, changes->key, sizeof(book->key));
    if (changes->all)
        book->n = 0;
    for (size_t i = 0; i < changes->n_removed; i++) {
        const size_t at = place_of(book, &changes->removed[i]);
        if (at < book->n)
            book->addresses[at] = book->addresses[--book->n];
    }
    if (changes->n_changed > 0) {
        book->addresses =
            realloc(book->addresses, (book->n + changes->n_changed) * sizeof(book->addresses[0]));
        if (!book->addresses)
            abort();
    }
    for (size_t i = 0; i < changes->n_changed; i++) {
        const size_t at = place_of(book, &changes->changed[i].addr);
        book->addresses[at] = changes->changed[i];
        book->n += at == book->n;
    }
    if (!changes->bans_changed)
        return;
    free(book->bans);
    book->bans = calloc(changes->n_bans + 1, sizeof(book->bans[0]));
    if (!book->bans)
        abort();
    memcpy(book->bans, changes->bans, changes->n_bans * sizeof(book->bans[0]));
    book->n_bans = changes->n_bans;
}

void sim_book_free(struct spv_addrman_rows *book)
{
    free(book->addresses);
    free(book->bans);
}
