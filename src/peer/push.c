/* Helpers that build the messages which callers send most. Each ends in spv_peer_send. */
#include "spv/push.h"

#include <stdlib.h>
#include <string.h>

#include "peer/peer_state.h"
#include "spv/error.h"
#include "util/rng.h"
#include "wire/netaddr.h"

/* True when the message that this peer accepts (addr or addrv2) can encode the address. */
static bool can_carry(const struct spv_peer *p, const struct spv_netaddr *addr)
{
    return spv_netaddr_fits_addrv2(addr) &&
           (p->stats.addrv2 || addr->network == SPV_ADDR_IPV4 || addr->network == SPV_ADDR_IPV6);
}

/* Chooses up to SPV_MAX_ADDR of the entries with equal probability (reservoir sampling), in random
 * order: the order of a list would reveal how it was learned. */
static size_t choose_addrs(const struct spv_peer *p, size_t *chosen,
                           const struct spv_addr_entry *entries, size_t n)
{
    const struct spv_rng *rng = &p->cfg.rng;
    size_t seen = 0;
    for (size_t i = 0; i < n; i++) {
        if (!can_carry(p, &entries[i].addr))
            continue;
        size_t at = seen < SPV_MAX_ADDR ? seen : (size_t)spv_rng_below(rng, seen + 1);
        if (at < SPV_MAX_ADDR)
            chosen[at] = i;
        seen++;
    }
    size_t count = seen < SPV_MAX_ADDR ? seen : SPV_MAX_ADDR;
    for (size_t left = count; left > 1; left--) {
        size_t at = (size_t)spv_rng_below(rng, left), swap = chosen[at];
        chosen[at] = chosen[left - 1];
        chosen[left - 1] = swap;
    }
    return count;
}

int spv_peer_push_addr(struct spv_peer *p, size_t *sent, const struct spv_addr_entry *entries,
                       size_t n, struct spv_now now)
{
    size_t chosen[SPV_MAX_ADDR];
    if (p->error < 0)
        return p->error;
    if (!p->ready)
        return SPV_ERR_STATE; /* addr or addrv2 is not known yet */
    size_t count = choose_addrs(p, chosen, entries, n);
    if (count == 0)
        return 0;
    struct spv_addr_entry *list = malloc(count * sizeof(list[0]));
    if (!list)
        return SPV_ERR_NOMEM;
    for (size_t i = 0; i < count; i++)
        list[i] = entries[chosen[i]];
    struct spv_msg msg = {.command = p->stats.addrv2 ? SPV_CMD_ADDRV2 : SPV_CMD_ADDR,
                          .u.addr = {list, count}};
    int rc = spv_peer_send(p, &msg, now);
    free(list);
    if (rc < 0)
        return rc;
    if (sent)
        memcpy(sent, chosen, count * sizeof(sent[0]));
    return (int)count;
}

bool spv_peer_knows(const struct spv_peer *p, const struct spv_hash256 *hash)
{
    return spv_known_inv_has(&p->relay.known_inv, hash->b);
}

static int send_inv(struct spv_peer *p, const struct spv_inv *item, struct spv_now now)
{
    struct spv_msg msg = {.command = SPV_CMD_INV, .u.inv = {item, 1}};
    return spv_peer_send(p, &msg, now);
}

int spv_peer_push_inventory(struct spv_peer *p, const struct spv_inv *item, uint64_t fee_rate,
                            struct spv_now now)
{
    if (p->error < 0)
        return p->error;
    switch (item->type & ~SPV_INV_WITNESS) {
    case SPV_INV_TX:
    case SPV_INV_WTX:
        return spv_relay_push_tx(p, item, fee_rate, now);
    case SPV_INV_BLOCK:
        if (spv_known_inv_has(&p->relay.known_inv, item->hash.b))
            return 0;
        int rc = send_inv(p, item, now);
        return rc < 0 ? rc : 1;
    default:
        return SPV_ERR_INVALID;
    }
}

int spv_peer_announce(struct spv_peer *p, const struct spv_header *headers, size_t n,
                      struct spv_now now)
{
    struct spv_blockhash hash;
    if (p->error < 0)
        return p->error;
    if (n == 0)
        return 0;
    spv_header_hash(&hash, &headers[n - 1]);
    if (spv_known_inv_has(&p->relay.known_inv, hash.b))
        return 0;
    struct spv_inv last = {.type = SPV_INV_BLOCK};
    memcpy(last.hash.b, hash.b, sizeof(hash.b));
    /* Skip the leading blocks that the peer has. */
    for (; n > 1; headers++, n--) {
        spv_header_hash(&hash, &headers[0]);
        if (!spv_known_inv_has(&p->relay.known_inv, hash.b))
            break;
    }
    struct spv_msg msg = {.command = SPV_CMD_HEADERS, .u.headers = {.headers = headers, .n = n}};
    int rc =
        spv_relay_as_headers(p, headers, n) ? spv_peer_send(p, &msg, now) : send_inv(p, &last, now);
    return rc < 0 ? rc : 1;
}

static struct spv_msg make_locator_msg(enum spv_command command,
                                       const struct spv_blockhash *locator, size_t n,
                                       const struct spv_blockhash *stop)
{
    struct spv_msg msg = {.command = command};
    msg.u.getheaders.locator = locator;
    msg.u.getheaders.n = n;
    if (stop)
        msg.u.getheaders.stop = *stop;
    return msg;
}

int spv_peer_push_getheaders(struct spv_peer *p, const struct spv_blockhash *locator, size_t n,
                             const struct spv_blockhash *stop, struct spv_now now)
{
    struct spv_msg msg = make_locator_msg(SPV_CMD_GETHEADERS, locator, n, stop);
    if (p->error == 0 && spv_requests_is_pending(&p->requests, &msg.u.getheaders))
        return 0;
    int rc = spv_peer_send(p, &msg, now);
    return rc < 0 ? rc : 1;
}

int spv_peer_push_getblocks(struct spv_peer *p, const struct spv_blockhash *locator, size_t n,
                            const struct spv_blockhash *stop, struct spv_now now)
{
    static const struct spv_blockhash none;
    struct spv_msg msg = make_locator_msg(SPV_CMD_GETBLOCKS, locator, n, stop);
    const struct spv_blockhash *first = n > 0 ? &locator[0] : &none;
    struct spv_last_getblocks *last = &p->last_getblocks;
    if (p->error == 0 && now.mono_us < last->until && spv_blockhash_eq(first, &last->first) &&
        spv_blockhash_eq(&msg.u.getheaders.stop, &last->stop))
        return 0;
    int rc = spv_peer_send(p, &msg, now);
    if (rc < 0)
        return rc;
    *last = (struct spv_last_getblocks){*first, msg.u.getheaders.stop,
                                        now.mono_us + p->cfg.timeouts.getheaders};
    return 1;
}

int spv_peer_push_reject(struct spv_peer *p, const char *command, uint8_t code, const char *reason,
                         const struct spv_hash256 *hash, struct spv_now now)
{
    struct spv_msg msg = {.command = SPV_CMD_REJECT, .u.reject = {.code = code}};
    struct spv_msg_reject *r = &msg.u.reject;
    size_t n = strlen(command);
    if (n == 0 || n > SPV_COMMAND_SIZE)
        return SPV_ERR_INVALID;
    memcpy(r->command, command, n);
    memcpy(r->reason, reason, strnlen(reason, SPV_MAX_REJECT_REASON)); /* cut when longer */
    if (hash) {
        r->has_hash = true;
        r->hash = *hash;
    }
    return spv_peer_send(p, &msg, now);
}

int spv_peer_push_filterload(struct spv_peer *p, const struct spv_msg_filterload *filter,
                             struct spv_now now)
{
    struct spv_msg msg = {.command = SPV_CMD_FILTERLOAD, .u.filterload = *filter};
    return spv_peer_send(p, &msg, now);
}

int spv_peer_push_filteradd(struct spv_peer *p, const uint8_t *element, size_t n,
                            struct spv_now now)
{
    struct spv_msg msg = {.command = SPV_CMD_FILTERADD, .u.filteradd = {element, n}};
    return spv_peer_send(p, &msg, now);
}

int spv_peer_push_filterclear(struct spv_peer *p, struct spv_now now)
{
    struct spv_msg msg = {.command = SPV_CMD_FILTERCLEAR};
    return spv_peer_send(p, &msg, now);
}
