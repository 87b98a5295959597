/* The design is Bitcoin Core's (src/addrman.h there explains it at length): a source can fill only
 * the few buckets that a secret key assigns to its network group, addresses of one group from one
 * source only one of them, and tried addresses are not evicted by addresses from gossip. Our tables
 * are smaller, and an address has one slot: chosen by the group of the peer that first sent it.
 *
 *     new:    bucket = H(source, H(group, source) mod 16) mod 256
 *     tried:  bucket = H(group, H(address) mod 4) mod 64
 *
 * In its bucket an address takes the first of four slots that is free or whose entry is terrible;
 * the four follow from its hash. When a tried bucket has none, a collision is recorded: a feeler
 * tests the incumbent of the first slot, which is replaced when it does not answer or is not tested
 * in time. */
#include "spv/addrman/addrman_state.h"

#include <stdlib.h>
#include <string.h>

#include "util/array.h"
#include "util/hash.h"

#define DAY 86400
#define FIRST_CAP 64 /* entries allocated at first */
#define MAX_FUTURE_S 600 /* seconds: a time further ahead is false or from a wrong clock */
#define HORIZON_S (30 * DAY) /* not seen for this long: terrible (as Bitcoin Core) */
#define RETRIES 3 /* attempts after which an address that never answered is terrible */
#define MAX_FAILURES 10 /* attempts after which one that answered before MIN_FAIL_S is */
#define MIN_FAIL_S (7 * DAY)
#define JUST_TRIED_S 60 /* seconds: not terrible while an attempt may be in progress */

void spv_addrman_init(struct spv_addrman *am, const uint8_t *key, struct spv_rng rng)
{
    memset(am, 0, sizeof *am);
    am->rng = rng;
    if (key)
        memcpy(am->key, key, sizeof am->key);
    else
        rng.fill(rng.ctx, am->key, sizeof am->key);
    am->idle_until_us = SPV_NEVER;
}

void spv_addrman_free(struct spv_addrman *am)
{
    free(am->entries);
    free(am->removed);
    free(am->out);
    free(am->out_removed);
    memset(am, 0, sizeof *am);
}

size_t spv_addrman_memory(const struct spv_addrman *am)
{
    return sizeof *am + am->cap * sizeof *am->entries +
           (am->removed ? SPV_ADDRMAN_REMOVED * sizeof *am->removed : 0);
}

/* Hashes. */

struct key {
    uint8_t bytes[48];
    size_t n;
};

static void key_append(struct key *k, const void *bytes, size_t n)
{
    memcpy(k->bytes + k->n, bytes, n);
    k->n += n;
}

static uint64_t hash_bytes(const struct spv_addrman *am, const struct key *k)
{
    return spv_siphash(am->key[0], am->key[1], k->bytes, k->n);
}

uint64_t spv_addrman_hash_addr(const struct spv_addrman *am, const struct spv_netaddr *addr)
{
    struct key k = {.n = 0};
    const uint8_t port[2] = {(uint8_t)addr->port, (uint8_t)(addr->port >> 8)};
    key_append(&k, &addr->network, 1);
    key_append(&k, addr->bytes, addr->len);
    key_append(&k, port, sizeof port);
    return hash_bytes(am, &k);
}

static uint64_t hash_two(const struct spv_addrman *am, char what, const struct spv_netgroup *one,
                         const struct spv_netgroup *two, uint64_t number)
{
    struct key k = {.n = 0};
    key_append(&k, &what, 1);
    key_append(&k, one, sizeof *one);
    if (two)
        key_append(&k, two, sizeof *two);
    key_append(&k, &number, sizeof number);
    return hash_bytes(am, &k);
}

size_t spv_addrman_slot_in(uint64_t bucket, uint64_t addr_hash, unsigned probe)
{
    return (size_t)(bucket * SPV_BUCKET + (addr_hash + probe) % SPV_BUCKET);
}

static uint64_t new_bucket(const struct spv_addrman *am, const struct spv_addr_info *a)
{
    const struct spv_netgroup group = spv_netgroup_of(&a->addr);
    struct spv_netgroup source = {.len = a->source_len};
    memcpy(source.b, a->source, sizeof source.b);
    const uint64_t which = hash_two(am, 'g', &group, &source, 0) % SPV_BUCKETS_PER_SOURCE;
    return hash_two(am, 'n', &source, NULL, which) % (SPV_ADDRMAN_NEW / SPV_BUCKET);
}

uint64_t spv_addrman_tried_bucket(const struct spv_addrman *am, const struct spv_addr_info *a)
{
    const struct spv_netgroup group = spv_netgroup_of(&a->addr);
    const uint64_t which = (spv_addrman_hash_addr(am, &a->addr) >> 32) % SPV_BUCKETS_PER_GROUP;
    return hash_two(am, 't', &group, NULL, which) % (SPV_ADDRMAN_TRIED / SPV_BUCKET);
}

/* Entries. */

static bool same_addr(const struct spv_netaddr *a, const struct spv_netaddr *b)
{
    return a->network == b->network && a->port == b->port && a->len == b->len &&
           memcmp(a->bytes, b->bytes, a->len) == 0;
}

static uint16_t *head_of(struct spv_addrman *am, const struct spv_netaddr *addr)
{
    return &am->hash_heads[spv_addrman_hash_addr(am, addr) %
                           (sizeof am->hash_heads / sizeof am->hash_heads[0])];
}

int spv_addrman_find(const struct spv_addrman *am, const struct spv_netaddr *addr)
{
    uint16_t i = am->hash_heads[spv_addrman_hash_addr(am, addr) %
                                (sizeof am->hash_heads / sizeof am->hash_heads[0])];
    while (i && !same_addr(&am->entries[i - 1].a.addr, addr))
        i = am->entries[i - 1].next;
    return (int)i - 1;
}

void spv_addrman_mark_dirty(struct spv_addrman *am, struct spv_addrman_entry *e)
{
    e->dirty = true;
    am->changed = true;
    am->idle_until_us = 0;
}

/* A new entry, in no table yet; -1 without memory or at the limit. */
static int new_entry(struct spv_addrman *am, const struct spv_addr_info *a)
{
    if (!am->unused) {
        const size_t want =
            spv_array_next_cap(am->cap, am->cap + 1, FIRST_CAP, SPV_ADDRMAN_ADDRESSES);
        struct spv_addrman_entry *at = want > 0 ? realloc(am->entries, want * sizeof *at) : NULL;
        if (!at)
            return -1;
        memset(at + am->cap, 0, (want - am->cap) * sizeof *at);
        for (size_t i = want; i-- > am->cap;) {
            at[i].next = am->unused;
            am->unused = (uint16_t)(i + 1);
        }
        am->entries = at;
        am->cap = want;
    }
    const uint16_t i = am->unused;
    struct spv_addrman_entry *e = &am->entries[i - 1];
    am->unused = e->next;
    uint16_t *head = head_of(am, &a->addr);
    *e = (struct spv_addrman_entry){.a = *a, .used = true, .next = *head};
    *head = i;
    return i - 1;
}

static void note_removed(struct spv_addrman *am, const struct spv_netaddr *addr)
{
    if (!am->removed && !am->all)
        am->removed = malloc(SPV_ADDRMAN_REMOVED * sizeof *am->removed);
    if (!am->removed || am->n_removed == SPV_ADDRMAN_REMOVED)
        am->all = true;
    else
        am->removed[am->n_removed++] = *addr;
    am->changed = true;
}

void spv_addrman_remove(struct spv_addrman *am, const struct spv_addrman_entry *e)
{
    if (e->a.tried) {
        am->tried_tbl[e->slot] = 0;
        am->n_tried--;
    } else {
        am->new_tbl[e->slot] = 0;
        am->n_new--;
    }
}

void spv_addrman_remove_collision(struct spv_addrman *am, int entry)
{
    for (size_t i = 0; i < am->n_collisions; i++)
        if (am->collision[i].entry == entry)
            am->collision[i--] = am->collision[--am->n_collisions];
}

void spv_addrman_unlink_entry(struct spv_addrman *am, int entry)
{
    struct spv_addrman_entry *e = &am->entries[entry];
    uint16_t *at = head_of(am, &e->a.addr);
    while (*at != entry + 1)
        at = &am->entries[*at - 1].next;
    *at = e->next;
    if (e->stored)
        note_removed(am, &e->a.addr);
    *e = (struct spv_addrman_entry){.next = am->unused};
    am->unused = (uint16_t)(entry + 1);
}

static void evict_new(struct spv_addrman *am, int entry)
{
    spv_addrman_remove_collision(am, entry);
    spv_addrman_remove(am, &am->entries[entry]);
    spv_addrman_unlink_entry(am, entry);
}

bool spv_addrman_is_terrible(const struct spv_addrman_entry *e, int64_t now)
{
    const struct spv_addr_info *a = &e->a;
    if (e->in_use || (a->last_try && now - a->last_try < JUST_TRIED_S))
        return false;
    if (a->last_seen > now + MAX_FUTURE_S || now - a->last_seen > HORIZON_S)
        return true;
    if (!a->last_success)
        return a->attempts >= RETRIES;
    return now - a->last_success > MIN_FAIL_S && a->attempts >= MAX_FAILURES;
}

int spv_addrman_new_slot(struct spv_addrman *am, const struct spv_addr_info *a, int64_t now)
{
    const uint64_t bucket = new_bucket(am, a), at = spv_addrman_hash_addr(am, &a->addr);
    for (unsigned i = 0; i < SPV_BUCKET_PROBES; i++)
        if (!am->new_tbl[spv_addrman_slot_in(bucket, at, i)])
            return (int)spv_addrman_slot_in(bucket, at, i);
    for (unsigned i = 0; i < SPV_BUCKET_PROBES; i++) {
        const size_t slot = spv_addrman_slot_in(bucket, at, i);
        if (spv_addrman_is_terrible(&am->entries[am->new_tbl[slot] - 1], now)) {
            evict_new(am, am->new_tbl[slot] - 1);
            return (int)slot;
        }
    }
    return -1;
}

int spv_addrman_tried_slot(const struct spv_addrman *am, const struct spv_addr_info *a)
{
    const uint64_t bucket = spv_addrman_tried_bucket(am, a),
                   at = spv_addrman_hash_addr(am, &a->addr);
    for (unsigned i = 0; i < SPV_BUCKET_PROBES; i++)
        if (!am->tried_tbl[spv_addrman_slot_in(bucket, at, i)])
            return (int)spv_addrman_slot_in(bucket, at, i);
    return -1;
}

void spv_addrman_insert(struct spv_addrman *am, int entry, int slot, enum spv_addrman_table table)
{
    struct spv_addrman_entry *e = &am->entries[entry];
    e->slot = (uint16_t)slot;
    e->a.tried = table == SPV_ADDRMAN_TABLE_TRIED;
    if (e->a.tried) {
        am->tried_tbl[slot] = (uint16_t)(entry + 1);
        am->n_tried++;
    } else {
        am->new_tbl[slot] = (uint16_t)(entry + 1);
        am->n_new++;
    }
}

int spv_addrman_add(struct spv_addrman *am, const struct spv_netaddr *addr, uint64_t services,
                    int64_t seen, const struct spv_netgroup *source, struct spv_now now)
{
    if (!spv_netaddr_routable(addr))
        return 0;
    const int known = spv_addrman_find(am, addr);
    if (known >= 0) {
        struct spv_addrman_entry *e = &am->entries[known];
        /* gossip repeats: update hourly for an address seen within a day, else daily */
        const int64_t interval = now.unix_s - seen < DAY ? 3600 : DAY;
        if (seen > e->a.last_seen + interval && seen <= now.unix_s + MAX_FUTURE_S) {
            e->a.last_seen = seen;
            spv_addrman_mark_dirty(am, e);
        }
        if (!e->a.tried && (e->a.services | services) != e->a.services) {
            e->a.services |= services;
            spv_addrman_mark_dirty(am, e);
        }
        return 0;
    }
    struct spv_addr_info a = {
        .addr = *addr, .services = services, .source_len = source->len, .last_seen = seen};
    memcpy(a.source, source->b, sizeof a.source);
    const int slot = spv_addrman_new_slot(am, &a, now.unix_s);
    if (slot < 0)
        return 0;
    const int entry = new_entry(am, &a);
    if (entry < 0)
        return SPV_ERR_NOMEM;
    spv_addrman_insert(am, entry, slot, SPV_ADDRMAN_TABLE_NEW);
    spv_addrman_mark_dirty(am, &am->entries[entry]);
    return 1;
}

static int64_t clamp_to_now(int64_t time, int64_t now)
{
    return time > now ? now : time;
}

int spv_addrman_load(struct spv_addrman *am, const struct spv_addr_info *rows, size_t n,
                     struct spv_now now)
{
    for (size_t i = 0; i < n; i++) {
        struct spv_addr_info a = rows[i];
        if (!spv_netaddr_routable(&a.addr) || a.source_len == 0 ||
            a.source_len > SPV_ADDRMAN_SOURCE || spv_addrman_find(am, &a.addr) >= 0) {
            note_removed(am, &a.addr);
            continue;
        }
        a.last_seen = clamp_to_now(a.last_seen, now.unix_s);
        a.last_try = clamp_to_now(a.last_try, now.unix_s);
        a.last_success = clamp_to_now(a.last_success, now.unix_s);
        int slot = a.tried && a.last_success ? spv_addrman_tried_slot(am, &a) : -1;
        const bool tried = slot >= 0;
        if (!tried)
            slot = spv_addrman_new_slot(am, &a, now.unix_s);
        if (slot < 0) {
            note_removed(am, &a.addr);
            continue;
        }
        const int entry = new_entry(am, &a);
        if (entry < 0)
            return SPV_ERR_NOMEM;
        spv_addrman_insert(am, entry, slot,
                           tried ? SPV_ADDRMAN_TABLE_TRIED : SPV_ADDRMAN_TABLE_NEW);
        am->entries[entry].stored = true;
    }
    am->idle_until_us = 0;
    return 0;
}

int spv_addrman_get_changes(struct spv_addrman *am, struct spv_addrman_changes *out)
{
    size_t n = 0;
    for (size_t i = 0; i < am->cap; i++)
        n += am->entries[i].used && (am->all || am->entries[i].dirty);
    struct spv_addr_info *changed = n ? malloc(n * sizeof *changed) : NULL;
    if (n && !changed)
        return SPV_ERR_NOMEM;
    n = 0;
    for (size_t i = 0; changed && i < am->cap; i++) {
        struct spv_addrman_entry *e = &am->entries[i];
        if (!e->used || !(am->all || e->dirty))
            continue;
        changed[n++] = e->a;
        e->dirty = false;
        e->stored = true;
    }
    free(am->out);
    free(am->out_removed);
    am->out = changed;
    am->out_removed = am->removed;
    out->all = am->all;
    out->changed = changed;
    out->n_changed = n;
    out->removed = am->all ? NULL : am->removed;
    out->n_removed = am->all ? 0 : am->n_removed;
    am->removed = NULL;
    am->n_removed = 0;
    am->all = am->changed = am->save_soon = false;
    return 0;
}
