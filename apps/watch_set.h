/* The watches of a snapshot in memory, to name the one that a coin belongs to. */
#ifndef APPS_WATCH_SET_H
#define APPS_WATCH_SET_H

#include "watch.h"

struct watch_entry {
    uint64_t id;
    enum spv_watch_kind kind;
    char *descriptor; /* NULL: another kind */
    char **single; /* the single-path form of each branch, made when asked for; NULL: none yet */
    size_t n_single;
};
struct watch_set {
    struct watch_entry *at; /* by ascending id */
    size_t n, cap;
};

/* Reads them; free them with watch_set_free. Returns 0 or an error of the store. */
int watch_set_load(struct watch_set *out, struct spv_wallet_iter *it);
void watch_set_free(struct watch_set *set);
/* Returns the watch, or NULL. */
struct watch_entry *watch_set_find(const struct watch_set *set, uint64_t id);
/* Returns the single-path descriptor of a branch (BIP389) with its checksum, borrowed; NULL: it is
 * no descriptor, or there is no memory. */
const char *watch_set_single(struct watch_entry *entry, uint32_t branch);

#endif
