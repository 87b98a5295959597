/* Selects an address to connect to, and records how the connection ended.
 *
 * An address that does not answer may be evicted after several attempts; one that answers and is
 * slow or useless is only deprioritised. Both back off longer with each failure in a row, and are
 * retried as long as they are in a table. */
#include "spv/addrman/addrman_state.h"
#include "spv/addrman/backoff.h"
#include "util/deadline.h"
#include "util/rng.h"

#define TRIED_RECENTLY_S 600 /* seconds: others are preferred to one tried more recently */
#define REPLACEMENT_S (4 * 3600) /* seconds: an incumbent that answered within this stays */
#define TEST_WINDOW_S (40 * 60) /* seconds: then an unresolved collision replaces the incumbent */

unsigned spv_net_bit(const struct spv_netaddr *addr)
{
    return addr->network == SPV_ADDR_IPV4   ? SPV_NET_IPV4
           : addr->network == SPV_ADDR_IPV6 ? SPV_NET_IPV6
                                            : SPV_NET_ONION;
}

bool spv_addrman_reachable(const struct spv_addrman *am, int entry, unsigned nets)
{
    return (spv_net_bit(&am->entries[entry].a.addr) & nets) != 0;
}

/* Out of 2^16: 0.66 for each failure up to eight, a hundredth when tried minutes ago. */
static uint32_t selection_chance(const struct spv_addr_info *a, int64_t now)
{
    uint32_t chance = 65536;
    for (uint32_t i = 0; i < a->attempts && i < 8; i++)
        chance = chance * 66 / 100;
    for (uint32_t i = 0; i < a->slow && i < 8; i++)
        chance = chance * 66 / 100;
    if (a->last_try && now - a->last_try < TRIED_RECENTLY_S)
        chance /= 100;
    return chance ? chance : 1;
}

static bool group_used(const struct spv_netaddr *addr, const struct spv_addrman_query *pick)
{
    const struct spv_netgroup group = spv_netgroup_of(addr);
    for (size_t i = 0; i < pick->n_groups; i++)
        if (spv_netgroup_eq(&group, &pick->groups[i]))
            return true;
    return false;
}

bool spv_serves_chain(uint64_t services)
{
    return (services & (SPV_NODE_NETWORK | SPV_NODE_NETWORK_LIMITED)) != 0;
}

/* Scans one table in random order: sizes are powers of two, so any odd stride visits every slot
 * once. */
static int pick_from(struct spv_addrman *am, const uint16_t *table, size_t size,
                     const struct spv_addrman_query *pick, bool any_group, uint64_t services,
                     struct spv_now now)
{
    const size_t stride = (size_t)spv_rng_u64(&am->rng) | 1;
    size_t at = (size_t)spv_rng_u64(&am->rng);
    uint64_t scale = 10; /* tenths: grows with each entry passed over, so the search ends soon */
    int best = -1;
    uint32_t best_chance = 0;
    for (size_t i = 0; i < size; i++, at += stride) {
        const uint16_t index = table[at & (size - 1)];
        if (!index)
            continue;
        const struct spv_addrman_entry *e = &am->entries[index - 1];
        if (e->in_use || !(spv_net_bit(&e->a.addr) & pick->nets) ||
            !spv_serves_chain(e->a.services) || (e->a.services & services) != services)
            continue;
        const uint64_t from =
            e->deferred_until_us > e->next_try_us ? e->deferred_until_us : e->next_try_us;
        if (from > now.mono_us) {
            am->idle_until_us = spv_min_deadline(am->idle_until_us, from);
            continue;
        }
        if (!any_group && group_used(&e->a.addr, pick))
            continue;
        const uint32_t x = selection_chance(&e->a, now.unix_s);
        if ((spv_rng_u64(&am->rng) & 0xffff) * 10 < x * scale)
            return index - 1;
        scale += scale / 5 + 1;
        if (x > best_chance) {
            best_chance = x;
            best = index - 1;
        }
    }
    return best;
}

/* Other groups first; of those one table, then the other. */
static int pick_any(struct spv_addrman *am, const struct spv_addrman_query *pick, uint64_t services,
                    struct spv_now now)
{
    int found = -1;
    const bool tried_first = am->n_tried && (!am->n_new || (spv_rng_u64(&am->rng) & 1));
    for (int any_group = pick->n_groups == 0; found < 0 && any_group < 2; any_group++) {
        for (int turn = 0; found < 0 && turn < 2; turn++) {
            const bool tried = (turn == 0) == tried_first;
            if (tried && !pick->only_new && am->n_tried)
                found =
                    pick_from(am, am->tried_tbl, SPV_ADDRMAN_TRIED, pick, any_group, services, now);
            else if (!tried && am->n_new)
                found = pick_from(am, am->new_tbl, SPV_ADDRMAN_NEW, pick, any_group, services, now);
        }
    }
    return found;
}

int spv_addrman_select(struct spv_addrman *am, const struct spv_addrman_query *pick,
                       struct spv_now now)
{
    const bool some = pick->only_new || pick->only_preferred; /* says nothing about the others */
    if (!some && am->idle_until_us > now.mono_us)
        return -1;
    const uint64_t before = am->idle_until_us;
    am->idle_until_us = SPV_NEVER;
    int found = pick->prefer ? pick_any(am, pick, pick->prefer, now) : -1;
    if (found < 0 && !pick->only_preferred)
        found = pick_any(am, pick, 0, now);
    if (some)
        am->idle_until_us = before;
    else if (found >= 0)
        am->idle_until_us = 0;
    return found;
}

uint64_t spv_addrman_deadline(const struct spv_addrman *am)
{
    return am->idle_until_us;
}

/* Outcomes. */

void spv_addrman_set_in_use(struct spv_addrman *am, int entry, struct spv_now now)
{
    struct spv_addrman_entry *e = &am->entries[entry];
    e->in_use = true;
    e->a.last_try = now.unix_s;
    spv_addrman_mark_dirty(am, e);
}

/* The entry in the first slot of its tried bucket. */
static int incumbent_of(const struct spv_addrman *am, int entry)
{
    const struct spv_addr_info *a = &am->entries[entry].a;
    return am->tried_tbl[spv_addrman_slot_in(spv_addrman_tried_bucket(am, a),
                                             spv_addrman_hash_addr(am, &a->addr), 0)] -
           1;
}

static void make_tried(struct spv_addrman *am, int entry, int slot)
{
    spv_addrman_remove_collision(am, entry);
    spv_addrman_remove(am, &am->entries[entry]);
    spv_addrman_insert(am, entry, slot, SPV_ADDRMAN_TABLE_TRIED);
    spv_addrman_mark_dirty(am, &am->entries[entry]);
    am->save_soon = true;
}

void spv_addrman_on_handshake(struct spv_addrman *am, int entry, uint64_t services,
                              struct spv_now now)
{
    struct spv_addrman_entry *e = &am->entries[entry];
    e->a.services = services;
    e->a.last_success = e->a.last_seen = now.unix_s;
    e->a.attempts = 0;
    e->a.failure = 0;
    spv_addrman_mark_dirty(am, e);
    if (e->a.tried)
        return;
    const int slot = spv_addrman_tried_slot(am, &e->a);
    if (slot >= 0) {
        make_tried(am, entry, slot);
        return;
    }
    for (size_t i = 0; i < am->n_collisions; i++)
        if (am->collision[i].entry == entry)
            return;
    if (am->n_collisions < SPV_ADDRMAN_COLLISIONS)
        am->collision[am->n_collisions++] =
            (struct spv_addrman_collision){.entry = entry, .since = now.unix_s};
}

void spv_addrman_set_services(struct spv_addrman *am, int entry, uint64_t services)
{
    am->entries[entry].a.services = services;
    spv_addrman_mark_dirty(am, &am->entries[entry]);
}

void spv_addrman_released(struct spv_addrman *am, int entry, enum spv_conn_outcome outcome,
                          int error, struct spv_now now)
{
    struct spv_addrman_entry *e = &am->entries[entry];
    e->in_use = false;
    e->a.failure = error;
    if (outcome != SPV_CONN_OUTCOME_GOOD && e->failures < UINT8_MAX)
        e->failures++;
    switch (outcome) {
    case SPV_CONN_OUTCOME_GOOD:
        e->failures = 0;
        e->a.slow = 0;
        break;
    case SPV_CONN_OUTCOME_UNREACHABLE:
        e->a.attempts += e->a.attempts < UINT32_MAX;
        break;
    case SPV_CONN_OUTCOME_USELESS:
        e->a.slow += e->a.slow < UINT32_MAX;
        break;
    case SPV_CONN_OUTCOME_DROPPED:
        break;
    }
    e->next_try_us = now.mono_us + spv_backoff(e->failures, SPV_BACKOFF_MAX_US, am->rng);
    spv_addrman_mark_dirty(am, e);
}

void spv_addrman_defer(struct spv_addrman *am, int entry, uint64_t until_us)
{
    am->entries[entry].deferred_until_us = until_us;
    am->idle_until_us = 0;
}

/* The entry takes the incumbent's slot; the incumbent moves to the new table if it has a slot. */
static void replace_incumbent(struct spv_addrman *am, int entry, int incumbent, struct spv_now now)
{
    const int slot = am->entries[incumbent].slot;
    spv_addrman_remove(am, &am->entries[incumbent]);
    am->entries[incumbent].a.tried = false;
    const int fallback = spv_addrman_new_slot(am, &am->entries[incumbent].a, now.unix_s);
    if (fallback >= 0) {
        spv_addrman_insert(am, incumbent, fallback, SPV_ADDRMAN_TABLE_NEW);
        spv_addrman_mark_dirty(am, &am->entries[incumbent]);
    } else {
        spv_addrman_remove_collision(am, incumbent);
        spv_addrman_unlink_entry(am, incumbent);
    }
    make_tried(am, entry, slot);
}

/* Returns true when the collision is resolved. */
static bool resolve_collision(struct spv_addrman *am, const struct spv_addrman_collision *c,
                              struct spv_now now)
{
    const int entry = c->entry;
    const int slot = spv_addrman_tried_slot(am, &am->entries[entry].a);
    if (slot >= 0) {
        make_tried(am, entry, slot);
        return true;
    }
    const int incumbent = incumbent_of(am, entry);
    const struct spv_addr_info *h = &am->entries[incumbent].a;
    if (now.unix_s - h->last_success < REPLACEMENT_S) {
        spv_addrman_remove_collision(am, entry);
        return true;
    }
    const bool failed = h->last_try >= c->since && h->attempts > 0;
    if (am->entries[incumbent].in_use || (!failed && now.unix_s - c->since <= TEST_WINDOW_S))
        return false;
    replace_incumbent(am, entry, incumbent, now);
    return true;
}

int spv_addrman_select_collision(struct spv_addrman *am, unsigned nets, struct spv_now now)
{
    for (size_t i = 0; i < am->n_collisions;)
        i = resolve_collision(am, &am->collision[i], now) ? 0 : i + 1;
    for (size_t i = 0; i < am->n_collisions; i++) {
        const int incumbent = incumbent_of(am, am->collision[i].entry);
        const struct spv_addrman_entry *e = &am->entries[incumbent];
        if (!e->in_use && (spv_net_bit(&e->a.addr) & nets) &&
            e->a.last_try < am->collision[i].since)
            return incumbent;
    }
    return -1;
}

void spv_addrman_set_anchors(struct spv_addrman *am, const int *entries, size_t n)
{
    for (size_t i = 0; i < am->cap; i++) {
        bool anchor = false;
        for (size_t j = 0; j < n; j++)
            anchor |= entries[j] == (int)i;
        if (!am->entries[i].used || am->entries[i].a.anchor == anchor)
            continue;
        am->entries[i].a.anchor = anchor;
        spv_addrman_mark_dirty(am, &am->entries[i]);
        am->save_soon = true;
    }
}
