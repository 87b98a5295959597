/* Protection is assigned in rounds: each protects the best client that is not protected yet. The
 * half connected longest needs no flags: if the youngest unprotected client is in it, all are. */
#include "loop/conn_slots.h"

#include <string.h>

#include "util/hash.h"

/* Returns how many leading bytes of an address are its group; 0: no group. */
static size_t group_bytes(const struct spv_netaddr *addr)
{
    if (addr->network == SPV_ADDR_IPV4)
        return 3;
    return addr->network == SPV_ADDR_IPV6 ? 8 : 0;
}

bool spv_conn_slots_loopback(const struct spv_netaddr *addr)
{
    static const uint8_t ipv6[16] = {[15] = 1};
    if (addr->network == SPV_ADDR_IPV4)
        return addr->bytes[0] == 127;
    return addr->network == SPV_ADDR_IPV6 && memcmp(addr->bytes, ipv6, sizeof ipv6) == 0;
}

bool spv_conn_slots_limited_group(struct spv_netaddr *out, const struct spv_netaddr *client)
{
    *out = *client;
    if (client->network == 0 || spv_conn_slots_loopback(client))
        return false;
    if (client->network == SPV_ADDR_IPV4)
        out->bytes[3] = 0;
    return true;
}

static bool same_group(const struct spv_netaddr *a, const struct spv_netaddr *b)
{
    return a->network == b->network && memcmp(a->bytes, b->bytes, group_bytes(a)) == 0;
}

void spv_conn_slots_add(struct spv_conn_slots_count *count, const struct spv_netaddr *new_addr,
                        const struct spv_netaddr *client)
{
    if (!same_group(new_addr, client))
        return;
    count->group++;
    if (new_addr->len == client->len && memcmp(new_addr->bytes, client->bytes, client->len) == 0)
        count->address++;
}

static unsigned group_share(unsigned slots, unsigned part)
{
    return slots > part ? slots / part : 1;
}

bool spv_conn_slots_share_taken(const struct spv_conn_slots_count *count,
                                const struct spv_netaddr *new_addr, unsigned slots)
{
    if (group_bytes(new_addr) == 0 || spv_conn_slots_loopback(new_addr))
        return false;
    return count->address >= group_share(slots, SPV_CONN_SLOTS_ADDRESS_SHARE) ||
           count->group >= group_share(slots, SPV_CONN_SLOTS_GROUP_SHARE);
}

static uint64_t silent_since(const struct spv_conn_slot *c)
{
    return c->last_in_us > c->connected_us ? c->last_in_us : c->connected_us;
}

static size_t longest_silent_in_handshake(const struct spv_conn_slot *clients, size_t n)
{
    size_t found = SPV_CONN_SLOTS_NONE;
    for (size_t i = 0; i < n; i++)
        if (!clients[i].ready && (found == SPV_CONN_SLOTS_NONE ||
                                  silent_since(&clients[i]) < silent_since(&clients[found])))
            found = i;
    return found;
}

static void hash_groups(struct spv_conn_slot *clients, size_t n, const uint64_t key[2])
{
    for (size_t i = 0; i < n; i++) {
        uint8_t group[1 + 8] = {clients[i].addr.network};
        memcpy(group + 1, clients[i].addr.bytes, group_bytes(&clients[i].addr));
        clients[i].group_hash = spv_siphash(key[0], key[1], group, sizeof group);
        clients[i].is_protected = false;
    }
}

/* The groups with the lowest hashes. */
static void protect_groups(struct spv_conn_slot *clients, size_t n)
{
    struct spv_conn_slot *last = NULL;
    for (unsigned round = 0; round < SPV_CONN_SLOTS_KEYED_GROUPS; round++) {
        struct spv_conn_slot *best = NULL;
        for (struct spv_conn_slot *c = clients; c < clients + n; c++) {
            if (last && c->group_hash <= last->group_hash)
                continue;
            if (!best || c->group_hash < best->group_hash ||
                (c->group_hash == best->group_hash && c->connected_us < best->connected_us))
                best = c;
        }
        if (!best)
            return;
        best->is_protected = true;
        last = best;
    }
}

static void protect_low_pings(struct spv_conn_slot *clients, size_t n)
{
    for (unsigned round = 0; round < SPV_CONN_SLOTS_LOW_PINGS; round++) {
        struct spv_conn_slot *best = NULL;
        for (struct spv_conn_slot *c = clients; c < clients + n; c++)
            if (!c->is_protected && c->ping_us > 0 && (!best || c->ping_us < best->ping_us))
                best = c;
        if (!best)
            return;
        best->is_protected = true;
    }
}

static bool is_in_older_half(const struct spv_conn_slot *clients, size_t n,
                             const struct spv_conn_slot *client)
{
    size_t older = 0;
    for (size_t i = 0; i < n; i++)
        older += clients[i].connected_us < client->connected_us;
    return older < n / 2;
}

size_t spv_conn_slots_victim(struct spv_conn_slot *clients, size_t n, const uint64_t key[2])
{
    size_t found = longest_silent_in_handshake(clients, n);
    if (found != SPV_CONN_SLOTS_NONE)
        return found;
    hash_groups(clients, n, key);
    protect_groups(clients, n);
    protect_low_pings(clients, n);
    for (size_t i = 0; i < n; i++)
        if (!clients[i].is_protected && (found == SPV_CONN_SLOTS_NONE ||
                                         clients[i].connected_us >= clients[found].connected_us))
            found = i;
    if (found != SPV_CONN_SLOTS_NONE && is_in_older_half(clients, n, &clients[found]))
        return SPV_CONN_SLOTS_NONE;
    return found;
}
