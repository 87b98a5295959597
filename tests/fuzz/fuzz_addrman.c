/* Operations on an addrman in any order: rows of an invalid file, addresses from peers, connections
 * and their outcomes, collisions in the tried table, saves, jumps of the clock. The first 16 bytes
 * are the key; then each operation is a byte and its arguments.
 *
 * Invariants: every entry is in exactly one slot, one that its address can have; counts are right;
 * a selected address may be connected to; an addrman that is saved and loaded again is equal. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "spv/addrman/addrman.h"
#include "spv/error.h"

struct input {
    const uint8_t *at, *end;
};

static uint8_t u8(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static uint32_t u32(struct input *in)
{
    uint32_t x = 0;
    for (int i = 0; i < 4; i++)
        x = x << 8 | u8(in);
    return x;
}

static void fill_random(void *ctx, void *out, size_t n)
{
    uint64_t *state = ctx;
    for (size_t i = 0; i < n; i++) {
        *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407U;
        ((uint8_t *)out)[i] = (uint8_t)(*state >> 56);
    }
}

/* Few input bytes determine the address, so that addresses repeat. */
static struct spv_netaddr address(struct input *in)
{
    const uint8_t kind = u8(in), a = u8(in), b = u8(in);
    struct spv_netaddr out = {.port = (uint16_t)(8333 + (kind >> 6))};
    switch (kind & 3) {
    case 0:
    case 1:
        out.network = SPV_ADDR_IPV4;
        out.len = 4;
        memcpy(out.bytes, (const uint8_t[]){(uint8_t)(kind & 0x3c ? 8 : 10), a, b, 1}, 4);
        break;
    case 2:
        out.network = SPV_ADDR_IPV6;
        out.len = 16;
        memcpy(out.bytes, (const uint8_t[]){0x2a, 1, a, b}, 4);
        break;
    default:
        out.network = SPV_ADDR_TORV3;
        out.len = 32;
        out.bytes[0] = a;
        out.bytes[31] = b;
        break;
    }
    return out;
}

static void row(struct spv_addr_info *out, struct input *in)
{
    const uint8_t flags = u8(in);
    *out = (struct spv_addr_info){
        .addr = address(in),
        .services = u8(in),
        .source_len = u8(in),
        .last_seen = (int64_t)u32(in) << (flags >> 4 & 7),
        .last_try = u32(in),
        .last_success = flags & 1 ? u32(in) : 0,
        .attempts = flags & 2 ? UINT32_MAX : u8(in),
        .slow = flags & 4 ? UINT32_MAX : u8(in),
        .tried = (flags & 8) != 0,
        .anchor = (flags & 128) != 0,
    };
    out->source[0] = u8(in);
}

static void check_addrman(const struct spv_addrman *b)
{
    size_t fresh = 0, tried = 0, used = 0;
    for (size_t i = 0; i < b->cap; i++) {
        const struct spv_addrman_entry *e = &b->entries[i];
        if (!e->used)
            continue;
        used++;
        FUZZ_CHECK((e->a.tried ? b->tried_tbl : b->new_tbl)[e->slot] == i + 1);
        FUZZ_CHECK(spv_addrman_find(b, &e->a.addr) == (int)i);
        FUZZ_CHECK(spv_netaddr_routable(&e->a.addr));
    }
    for (size_t i = 0; i < SPV_ADDRMAN_NEW; i++)
        fresh += b->new_tbl[i] != 0;
    for (size_t i = 0; i < SPV_ADDRMAN_TRIED; i++)
        tried += b->tried_tbl[i] != 0;
    FUZZ_CHECK(fresh == b->n_new && tried == b->n_tried && fresh + tried == used);
    FUZZ_CHECK(b->n_collisions <= SPV_ADDRMAN_COLLISIONS);
    for (size_t i = 0; i < b->n_collisions; i++)
        FUZZ_CHECK(b->entries[b->collision[i].entry].used &&
                   !b->entries[b->collision[i].entry].a.tried);
}

/* The saved rows are the whole addrman: loads them into another one with the same key. */
static void save(struct spv_addrman *b, struct spv_rng rng, struct spv_now now)
{
    static struct spv_addrman again;
    struct spv_addrman_changes c = {.n_changed = 0};
    b->all = true;
    FUZZ_CHECK(spv_addrman_get_changes(b, &c) == 0);
    FUZZ_CHECK(c.n_changed == b->n_new + b->n_tried && c.n_removed == 0);
    spv_addrman_init(&again, (const uint8_t *)b->key, rng);
    FUZZ_CHECK(spv_addrman_load(&again, c.changed, c.n_changed, now) == 0);
    check_addrman(&again);
    spv_addrman_free(&again);
}

static unsigned saves; /* of this input */

static void run_operation(struct spv_addrman *b, struct input *in, struct spv_rng rng,
                          struct spv_now *now)
{
    const struct spv_addrman_query pick = {.nets = u8(in) & 7u, .only_new = (u8(in) & 1) != 0};
    struct spv_addr_info a;
    struct spv_netaddr addr;
    struct spv_netgroup source;
    int e;
    switch (u8(in) % 8) {
    case 0:
        row(&a, in);
        FUZZ_CHECK(spv_addrman_load(b, &a, 1, *now) == 0);
        break;
    case 1:
    case 2:
        addr = address(in);
        source = spv_netgroup_of(&addr);
        source.b[1] = u8(in) & 3;
        FUZZ_CHECK(spv_addrman_add(b, &addr, u8(in), now->unix_s - u32(in) % 10000000, &source,
                                   *now) >= 0);
        break;
    case 3:
        e = spv_addrman_select(b, &pick, *now);
        if (e < 0)
            break;
        FUZZ_CHECK(b->entries[e].used && !b->entries[e].in_use &&
                   spv_addrman_reachable(b, e, pick.nets));
        FUZZ_CHECK(!pick.only_new || !b->entries[e].a.tried);
        FUZZ_CHECK(b->entries[e].next_try_us <= now->mono_us &&
                   b->entries[e].deferred_until_us <= now->mono_us);
        spv_addrman_set_in_use(b, e, *now);
        break;
    case 4:
        addr = address(in);
        e = spv_addrman_find(b, &addr);
        if (e >= 0 && b->entries[e].in_use)
            spv_addrman_on_handshake(b, e, u8(in), *now);
        break;
    case 5:
        addr = address(in);
        e = spv_addrman_find(b, &addr);
        if (e >= 0 && b->entries[e].in_use)
            spv_addrman_released(b, e, (enum spv_conn_outcome)(u8(in) % 4), SPV_ERR_RESET, *now);
        break;
    case 6:
        now->unix_s += (int64_t)(int32_t)u32(in) / 64;
        now->mono_us += (uint64_t)u32(in) * 1000;
        e = spv_addrman_select_collision(b, pick.nets, *now);
        FUZZ_CHECK(e < 0 || (b->entries[e].used && b->entries[e].a.tried && !b->entries[e].in_use));
        break;
    default:
        if (saves++ < 2) /* a save costs as much as a hundred other operations */
            save(b, rng, *now);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct spv_addrman b;
    uint64_t state = 1;
    const struct spv_rng rng = {.fill = fill_random, .ctx = &state};
    struct spv_now now = {.mono_us = 1, .unix_s = 1800000000};
    if (size < SPV_ADDRMAN_KEY)
        return 0;
    struct input in = {data + SPV_ADDRMAN_KEY, data + size};
    spv_addrman_init(&b, data, rng);
    saves = 0;
    for (unsigned i = 0; in.at < in.end && i < 400; i++)
        run_operation(&b, &in, rng, &now);
    check_addrman(&b);
    save(&b, rng, now);
    spv_addrman_free(&b);
    return 0;
}
