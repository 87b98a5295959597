/* addrman alone: slots, floods, selection, promotion, collisions, saved rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "spv/addrman/addrman.h"
#include "spv/addrman/backoff.h"
#include "spv/addrman/banman.h"
#include "support/random.h"

#define NOW INT64_C(1800000000)
#define SEED 20261122
#define SERVICES (SPV_NODE_NETWORK | SPV_NODE_WITNESS)

static struct test_random chance;
static struct spv_addrman *am;
static struct spv_now now;

static int setup(void **state)
{
    (void)state;
    chance.state = SEED;
    now = (struct spv_now){.mono_us = SPV_SECOND, .unix_s = NOW};
    am = calloc(1, sizeof *am);
    if (!am)
        return -1;
    spv_addrman_init(am, NULL, test_random_rng(&chance));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    spv_addrman_free(am);
    free(am);
    return 0;
}

static void advance_clock(int64_t seconds)
{
    now.unix_s += seconds;
    now.mono_us += (uint64_t)seconds * SPV_SECOND;
}

static struct spv_netaddr ip(uint32_t number)
{
    return (struct spv_netaddr){.network = SPV_ADDR_IPV4,
                                .len = 4,
                                .port = 8333,
                                .bytes = {(uint8_t)(number >> 24), (uint8_t)(number >> 16),
                                          (uint8_t)(number >> 8), (uint8_t)number}};
}

static struct spv_netgroup source(uint32_t number)
{
    const struct spv_netaddr a = ip(number);
    return spv_netgroup_of(&a);
}

static int add_from(uint32_t number, uint32_t from)
{
    const struct spv_netaddr a = ip(number);
    const struct spv_netgroup g = source(from);
    return spv_addrman_add(am, &a, SERVICES, now.unix_s - 3600, &g, now);
}

static int must_add(uint32_t number)
{
    const struct spv_netaddr a = ip(number);
    assert_int_equal(add_from(number, number ^ 0x01000000), 1);
    return spv_addrman_find(am, &a);
}

static const struct spv_addrman_query any_address = {.nets = SPV_NET_IPV4 | SPV_NET_IPV6};

/* 100,000 addresses from one peer, of one network group and of all, against addresses from other
 * peers. */
static void a_flood_from_one_source_fills_a_bounded_share(void **state)
{
    (void)state;
    print_message("seed %d\n", SEED);
    size_t honest = 0;
    for (uint32_t i = 0; i < 2000; i++)
        honest += (size_t)add_from(0x0b000001 + (i << 16 ^ i), 0x20000000 + (i << 16));
    const size_t before = am->n_new;
    assert_int_equal(before, honest);
    assert_true(honest > 1900);
    for (uint32_t i = 0; i < 100000; i++) /* one group of addresses */
        (void)add_from(0x17170000 + i % 65536, 0x17170001);
    assert_true(am->n_new - before <= SPV_BUCKET);
    const size_t then = am->n_new;
    for (uint32_t i = 0; i < 100000; i++) /* addresses of every group */
        (void)add_from(0x20000000 + i * 40503u * 16, 0x17170001);
    assert_true(am->n_new - before <= SPV_BUCKETS_PER_SOURCE * SPV_BUCKET);
    assert_true(am->n_new > then);
    assert_true(spv_addrman_memory(am) < (size_t)3 << 20);
    print_message("one group took %zu of %d places, every group %zu\n", then - before,
                  SPV_ADDRMAN_NEW, am->n_new - before);
    for (uint32_t i = 0; i < 2000; i++) { /* and no address was replaced */
        const struct spv_netaddr a = ip(0x0b000001 + (i << 16 ^ i));
        honest -= spv_addrman_find(am, &a) >= 0;
    }
    assert_int_equal(honest, 0);
}

static void addrman_is_bounded_for_every_source(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 200000; i++)
        (void)add_from(0x0b000001 + i * 2654435761u % 0x40000000, i * 40503u << 8);
    print_message("%zu of 200,000 found a place\n", am->n_new);
    assert_true(am->n_new > SPV_ADDRMAN_NEW * 9 / 10);
    assert_true(am->n_new <= SPV_ADDRMAN_NEW);
    assert_true(spv_addrman_memory(am) < (size_t)3 << 20);
    struct spv_addrman_changes c;
    assert_int_equal(spv_addrman_get_changes(am, &c), 0);
    assert_int_equal(c.n_changed, am->n_new);
}

/* The buckets depend on a secret key: addresses that collide in one addrman do not in another. */
static void places_depend_on_the_secret(void **state)
{
    (void)state;
    struct spv_addrman *other = calloc(1, sizeof *other);
    assert_non_null(other);
    spv_addrman_init(other, NULL, test_random_rng(&chance));
    size_t agree = 0, both = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        const struct spv_netaddr a = ip(0x0b000001 + (i << 16));
        const struct spv_netgroup g = source(0x30000000 + (i << 16));
        (void)spv_addrman_add(am, &a, SERVICES, NOW, &g, now);
        (void)spv_addrman_add(other, &a, SERVICES, NOW, &g, now);
        const int x = spv_addrman_find(am, &a), y = spv_addrman_find(other, &a);
        both += x >= 0 && y >= 0;
        agree += x >= 0 && y >= 0 && am->entries[x].slot == other->entries[y].slot;
    }
    assert_true(both > 900);
    assert_true(agree < 10);
    spv_addrman_free(other);
    free(other);
}

static void terrible_addresses_are_replaced_and_others_are_not(void **state)
{
    static const struct {
        struct spv_addr_info a;
        bool terrible;
    } rows[] = {
        {{.last_seen = NOW}, false},
        {{.last_seen = NOW + 601}, true}, /* from the future */
        {{.last_seen = NOW + 600}, false},
        {{.last_seen = NOW - 30 * 86400}, false},
        {{.last_seen = NOW - 30 * 86400 - 1}, true}, /* not seen for a month */
        {{.last_seen = NOW, .attempts = 2}, false},
        {{.last_seen = NOW, .attempts = 3}, true}, /* never answered */
        {{.last_seen = NOW, .attempts = 3, .last_try = NOW - 59}, false}, /* may be under way */
        {{.last_seen = NOW, .attempts = 9, .last_success = NOW - 8 * 86400}, false},
        {{.last_seen = NOW, .attempts = 10, .last_success = NOW - 8 * 86400}, true},
        {{.last_seen = NOW, .attempts = 10, .last_success = NOW - 6 * 86400}, false},
        {{.last_seen = NOW, .slow = 100}, false}, /* slow is not unreachable */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct spv_addrman_entry e = {.a = rows[i].a};
        if (spv_addrman_is_terrible(&e, NOW) != rows[i].terrible)
            fail_msg("row %zu", i);
        e.in_use = true;
        assert_false(spv_addrman_is_terrible(&e, NOW));
    }
    /* one bucket, full of good addresses: no insertion; after a month unseen: every insertion */
    for (uint32_t i = 0; i < 2000; i++)
        (void)add_from(0x17170000 + i, 0x17170001);
    const size_t full = am->n_new;
    assert_true(full > SPV_BUCKET / 2);
    assert_int_equal(
        add_from(0x17170000 + 5000, 0x17170001) + add_from(0x17170000 + 5001, 0x17170001), 0);
    advance_clock(31 * 86400);
    assert_int_equal(add_from(0x17170000 + 5000, 0x17170001), 1);
    assert_int_equal(am->n_new, full);
}

static void unroutable_addresses_are_refused(void **state)
{
    static const struct {
        struct spv_netaddr addr;
        bool ok;
    } rows[] = {
        {{SPV_ADDR_IPV4, 4, 8333, {127, 0, 0, 1}}, false},
        {{SPV_ADDR_IPV4, 4, 8333, {10, 1, 2, 3}}, false},
        {{SPV_ADDR_IPV4, 4, 8333, {192, 168, 0, 1}}, false},
        {{SPV_ADDR_IPV4, 4, 8333, {172, 31, 0, 1}}, false},
        {{SPV_ADDR_IPV4, 4, 8333, {172, 32, 0, 1}}, true},
        {{SPV_ADDR_IPV4, 4, 8333, {100, 64, 0, 1}}, false},
        {{SPV_ADDR_IPV4, 4, 8333, {203, 0, 113, 1}}, false},
        {{SPV_ADDR_IPV4, 4, 8333, {224, 0, 0, 1}}, false},
        {{SPV_ADDR_IPV4, 4, 0, {8, 8, 8, 8}}, false},
        {{SPV_ADDR_IPV4, 4, 8333, {8, 8, 8, 8}}, true},
        {{SPV_ADDR_IPV6, 16, 8333, {0xfe, 0x80}}, false},
        {{SPV_ADDR_IPV6, 16, 8333, {0x20, 0x01, 0x0d, 0xb8}}, false},
        {{SPV_ADDR_IPV6, 16, 8333, {0x2a, 0x01, 0, 1}}, true},
        {{SPV_ADDR_TORV3, 32, 8333, {1}}, true},
        {{SPV_ADDR_I2P, 32, 8333, {1}}, false},
        {{SPV_ADDR_CJDNS, 16, 8333, {0xfc}}, false},
        {{9, 0, 8333, {0}}, false},
    };
    const struct spv_netgroup g = source(1);
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(spv_addrman_add(am, &rows[i].addr, 1, NOW, &g, now), rows[i].ok);
}

static void netgroups_are_prefixes_that_one_operator_may_own(void **state)
{
    static const struct {
        struct spv_netaddr a, b;
        bool same;
    } rows[] = {
        {{SPV_ADDR_IPV4, 4, 1, {8, 8, 1, 1}}, {SPV_ADDR_IPV4, 4, 2, {8, 8, 9, 9}}, true},
        {{SPV_ADDR_IPV4, 4, 1, {8, 8, 1, 1}}, {SPV_ADDR_IPV4, 4, 1, {8, 9, 1, 1}}, false},
        {{SPV_ADDR_IPV6, 16, 1, {0x2a, 1, 2, 3, 4}},
         {SPV_ADDR_IPV6, 16, 1, {0x2a, 1, 2, 3, 9}},
         true},
        {{SPV_ADDR_IPV6, 16, 1, {0x2a, 1, 2, 3}}, {SPV_ADDR_IPV6, 16, 1, {0x2a, 1, 2, 4}}, false},
        {{SPV_ADDR_TORV3, 32, 1, {0x1f}}, {SPV_ADDR_TORV3, 32, 1, {0x10}}, true},
        {{SPV_ADDR_TORV3, 32, 1, {0x1f}}, {SPV_ADDR_TORV3, 32, 1, {0x2f}}, false},
        {{SPV_ADDR_TORV3, 32, 1, {8, 8}}, {SPV_ADDR_IPV4, 4, 1, {8, 8}}, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct spv_netgroup a = spv_netgroup_of(&rows[i].a), b = spv_netgroup_of(&rows[i].b);
        assert_int_equal(spv_netgroup_eq(&a, &b), rows[i].same);
    }
}

static void prefers_groups_that_are_not_in_use(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 20; i++)
        (void)add_from(0x08080001 + i, 0x30000000 + (i << 16));
    must_add(0x09090001);
    const struct spv_netgroup used = source(0x08080001);
    const struct spv_addrman_query pick = {
        .nets = any_address.nets, .groups = &used, .n_groups = 1};
    for (int i = 0; i < 50; i++)
        assert_int_equal(am->entries[spv_addrman_select(am, &pick, now)].a.addr.bytes[0], 9);
    const struct spv_netaddr only = ip(0x09090001);
    spv_addrman_set_in_use(am, spv_addrman_find(am, &only), now);
    assert_int_equal(am->entries[spv_addrman_select(am, &pick, now)].a.addr.bytes[0], 8);
}

static void picks_only_addresses_that_can_be_dialled(void **state)
{
    const struct spv_netaddr onion = {SPV_ADDR_TORV3, 32, 8333, {7}};
    const struct spv_netgroup g = source(1);
    const struct spv_addrman_query tor = {.nets = SPV_NET_ONION};
    (void)state;
    const int v4 = must_add(0x09090001);
    assert_int_equal(spv_addrman_select(am, &tor, now), -1);
    assert_true(spv_addrman_deadline(am) == SPV_NEVER);
    assert_int_equal(spv_addrman_add(am, &onion, SERVICES, NOW, &g, now), 1);
    assert_int_equal(spv_addrman_select(am, &tor, now), spv_addrman_find(am, &onion));
    assert_int_equal(spv_addrman_select(am, &any_address, now), v4);
    const struct spv_netaddr bloom = ip(0x0a0a0001 ^ 0x01000000);
    spv_addrman_set_in_use(am, v4, now);
    assert_int_equal(spv_addrman_add(am, &bloom, SPV_NODE_BLOOM, NOW, &g, now), 1);
    assert_int_equal(spv_addrman_select(am, &any_address, now), -1); /* does not serve the chain */
}

static void a_failed_one_waits_longer_each_time_up_to_a_bound(void **state)
{
    (void)state;
    const int e = must_add(0x09090001);
    uint64_t last = 0;
    for (int i = 0; i < 20; i++) {
        spv_addrman_set_in_use(am, e, now);
        assert_int_equal(spv_addrman_select(am, &any_address, now), -1);
        spv_addrman_released(am, e, SPV_CONN_OUTCOME_UNREACHABLE, SPV_ERR_REFUSED, now);
        const uint64_t wait = am->entries[e].next_try_us - now.mono_us;
        assert_true(wait <= SPV_BACKOFF_MAX_US);
        if (i > 0 && i < 10)
            assert_true(wait > last / 2);
        if (i > 12)
            assert_true(wait >= SPV_BACKOFF_MAX_US / 2);
        assert_int_equal(spv_addrman_select(am, &any_address, now), -1);
        assert_true(spv_addrman_deadline(am) == am->entries[e].next_try_us);
        now.mono_us = am->entries[e].next_try_us;
        now.unix_s += (int64_t)(wait / SPV_SECOND);
        assert_int_equal(spv_addrman_select(am, &any_address, now), e); /* no address is removed */
        last = wait;
    }
    assert_int_equal(am->entries[e].a.attempts, 20);
    assert_int_equal(am->entries[e].a.slow, 0);
    spv_addrman_set_in_use(am, e, now);
    spv_addrman_on_handshake(am, e, SERVICES, now);
    spv_addrman_released(am, e, SPV_CONN_OUTCOME_GOOD, 0, now);
    assert_true(am->entries[e].next_try_us - now.mono_us <= SPV_BACKOFF_FIRST_US);
    assert_int_equal(am->entries[e].a.attempts, 0);
}

/* "timeouts only lower preference": both stay, the slow one is rarely selected. */
static void a_slow_one_is_chosen_less(void **state)
{
    (void)state;
    const int good = must_add(0x09090001), slow = must_add(0x0b0b0001);
    for (int i = 0; i < 6; i++) {
        spv_addrman_set_in_use(am, slow, now);
        spv_addrman_on_handshake(am, slow, SERVICES, now);
        spv_addrman_released(am, slow, SPV_CONN_OUTCOME_USELESS, SPV_ERR_STALL, now);
        advance_clock(3600);
    }
    spv_addrman_set_in_use(am, good, now);
    spv_addrman_on_handshake(am, good, SERVICES, now);
    spv_addrman_released(am, good, SPV_CONN_OUTCOME_GOOD, 0, now);
    advance_clock(3600);
    assert_int_equal(am->entries[slow].a.slow, 6);
    assert_int_equal(am->entries[slow].a.attempts, 0);
    unsigned chosen = 0;
    for (int i = 0; i < 1000; i++)
        chosen += spv_addrman_select(am, &any_address, now) == slow;
    print_message("the slow one was chosen %u times of 1,000\n", chosen);
    assert_true(chosen > 0);
    assert_true(chosen < 200);
}

static void one_that_answers_is_promoted(void **state)
{
    (void)state;
    const int e = must_add(0x09090001);
    const struct spv_addrman_query feeler = {.nets = any_address.nets, .only_new = true};
    assert_int_equal(spv_addrman_select(am, &feeler, now), e);
    spv_addrman_set_in_use(am, e, now);
    spv_addrman_on_handshake(am, e, SPV_NODE_NETWORK, now);
    spv_addrman_released(am, e, SPV_CONN_OUTCOME_GOOD, 0, now);
    assert_true(am->entries[e].a.tried);
    assert_int_equal(am->n_new, 0);
    assert_int_equal(am->n_tried, 1);
    assert_true(am->save_soon);
    advance_clock(3600);
    assert_int_equal(spv_addrman_select(am, &feeler, now), -1);
    assert_int_equal(spv_addrman_select(am, &any_address, now), e);
    /* gossip about its services is ignored from now on */
    const struct spv_netaddr a = ip(0x09090001);
    const struct spv_netgroup g = source(5);
    assert_int_equal(spv_addrman_add(am, &a, UINT64_MAX, now.unix_s, &g, now), 0);
    assert_true(am->entries[e].a.services == SPV_NODE_NETWORK);
}

/* Promotes addresses of one group until one collides; returns it. */
static int make_collision(void)
{
    for (uint32_t i = 0; i < 4000; i++) {
        if (add_from(0x17170000 + i, 0x30000000 + (i << 16)) != 1)
            continue;
        const struct spv_netaddr a = ip(0x17170000 + i);
        const int e = spv_addrman_find(am, &a);
        spv_addrman_set_in_use(am, e, now);
        spv_addrman_on_handshake(am, e, SERVICES, now);
        spv_addrman_released(am, e, SPV_CONN_OUTCOME_GOOD, 0, now);
        if (!am->entries[e].a.tried)
            return e;
    }
    fail_msg("no dispute arose");
    return -1;
}

static void the_tried_of_one_group_are_bounded(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 20000; i++) {
        if (add_from(0x17170000 + i % 65536, i * 40503u << 12) != 1)
            continue;
        const struct spv_netaddr a = ip(0x17170000 + i % 65536);
        const int e = spv_addrman_find(am, &a);
        spv_addrman_set_in_use(am, e, now);
        spv_addrman_on_handshake(am, e, SERVICES, now);
        spv_addrman_released(am, e, SPV_CONN_OUTCOME_GOOD, 0, now);
    }
    assert_true(am->n_tried <= SPV_BUCKETS_PER_GROUP * SPV_BUCKET);
    assert_true(am->n_tried > SPV_BUCKET);
}

static void a_tried_one_that_still_answers_keeps_its_place(void **state)
{
    (void)state;
    const int e = make_collision();
    assert_int_equal(am->n_collisions, 1);
    advance_clock(5 * 3600); /* the incumbent's last answer is too old now */
    am->collision[0].since = now.unix_s;
    const int holder = spv_addrman_select_collision(am, any_address.nets, now);
    assert_true(holder >= 0);
    assert_true(am->entries[holder].a.tried);
    assert_false(am->entries[e].a.tried);
    spv_addrman_set_in_use(am, holder, now);
    assert_int_equal(spv_addrman_select_collision(am, any_address.nets, now),
                     -1); /* attempt in progress */
    spv_addrman_on_handshake(am, holder, SERVICES, now);
    spv_addrman_released(am, holder, SPV_CONN_OUTCOME_GOOD, 0, now);
    assert_int_equal(spv_addrman_select_collision(am, any_address.nets, now), -1);
    assert_int_equal(am->n_collisions, 0);
    assert_true(am->entries[holder].a.tried);
    assert_false(am->entries[e].a.tried);
}

static void a_tried_address_that_fails_its_test_is_replaced(void **state)
{
    (void)state;
    const int e = make_collision();
    advance_clock(5 * 3600);
    am->collision[0].since = now.unix_s;
    const int holder = spv_addrman_select_collision(am, any_address.nets, now);
    assert_true(holder >= 0);
    const size_t tried = am->n_tried;
    spv_addrman_set_in_use(am, holder, now);
    spv_addrman_released(am, holder, SPV_CONN_OUTCOME_UNREACHABLE, SPV_ERR_REFUSED, now);
    assert_int_equal(spv_addrman_select_collision(am, any_address.nets, now), -1);
    assert_true(am->entries[e].a.tried);
    assert_false(am->entries[holder].a.tried); /* in the new table again */
    assert_int_equal(am->n_tried, tried);
}

static void a_collision_that_cannot_be_tested_promotes_the_new_address(void **state)
{
    (void)state;
    const int e = make_collision();
    advance_clock(5 * 3600);
    am->collision[0].since = now.unix_s;
    assert_int_equal(spv_addrman_select_collision(am, SPV_NET_ONION, now), -1);
    assert_false(am->entries[e].a.tried);
    advance_clock(40 * 60 + 1);
    assert_int_equal(spv_addrman_select_collision(am, SPV_NET_ONION, now), -1);
    assert_true(am->entries[e].a.tried);
    assert_int_equal(am->n_collisions, 0);
}

static void a_banned_one_is_not_picked(void **state)
{
    (void)state;
    const int e = must_add(0x09090001);
    spv_addrman_defer(am, e, now.mono_us + SPV_BAN_SECONDS * SPV_SECOND);
    advance_clock(SPV_BAN_SECONDS - 1);
    assert_int_equal(spv_addrman_select(am, &any_address, now), -1);
    advance_clock(1);
    assert_int_equal(spv_addrman_select(am, &any_address, now), e);
}

static void changes_are_reported_once_and_can_be_loaded_again(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 500; i++)
        (void)add_from(0x0b000001 + (i << 16), 0x30000000 + (i << 16));
    const struct spv_netaddr first = ip(0x0b000001);
    const int e = spv_addrman_find(am, &first);
    spv_addrman_set_in_use(am, e, now);
    spv_addrman_on_handshake(am, e, SERVICES, now);
    spv_addrman_set_anchors(am, &e, 1);
    struct spv_addrman_changes c;
    assert_int_equal(spv_addrman_get_changes(am, &c), 0);
    const size_t n = am->n_new + am->n_tried;
    assert_int_equal(c.n_changed, n);
    struct spv_addrman *again = calloc(1, sizeof *again);
    assert_non_null(again);
    spv_addrman_init(again, (const uint8_t *)am->key, test_random_rng(&chance));
    assert_int_equal(spv_addrman_load(again, c.changed, c.n_changed, now), 0);
    assert_int_equal(again->n_new, am->n_new);
    assert_int_equal(again->n_tried, 1);
    assert_true(again->entries[spv_addrman_find(again, &first)].a.anchor);
    struct spv_addrman_changes none;
    assert_int_equal(spv_addrman_get_changes(again, &none), 0); /* same key: all slots valid */
    assert_int_equal(none.n_changed + none.n_removed, 0);
    assert_false(none.all);
    spv_addrman_free(again);
    free(again);
    /* no change; then one address added, and one removed */
    assert_int_equal(spv_addrman_get_changes(am, &c), 0);
    assert_int_equal(c.n_changed + c.n_removed, 0);
    advance_clock(31 * 86400);
    for (uint32_t i = 0; i < 3000; i++)
        (void)add_from(0x0b000002 + (i << 16), 0x30000000 + (i << 16));
    assert_int_equal(spv_addrman_get_changes(am, &c), 0);
    assert_true(c.n_removed > 0);
    assert_int_equal(n + c.n_changed - c.n_removed, am->n_new + am->n_tried);
    for (size_t i = 0; i < c.n_removed; i++)
        assert_int_equal(spv_addrman_find(am, &c.removed[i]), -1);
}

static void invalid_rows_are_harmless(void **state)
{
    (void)state;
    struct spv_addr_info rows[] = {
        {.addr = ip(0x7f000001), .source_len = 1, .source = {1}},
        {.addr = ip(0x08080808), .source_len = 0},
        {.addr = ip(0x08080808), .source_len = 200},
        {.addr = {99, 250, 1, {0}}, .source_len = 1},
        {.addr = ip(0x08080809),
         .source_len = 8,
         .last_seen = INT64_C(1) << 40,
         .last_try = INT64_C(1) << 40,
         .last_success = INT64_C(1) << 40,
         .attempts = UINT32_MAX,
         .slow = UINT32_MAX,
         .services = SPV_NODE_NETWORK,
         .tried = true},
        {.addr = ip(0x08080809), .source_len = 8}, /* twice */
        {.addr = ip(0x0808080a), .source_len = 8, .tried = true}, /* tried and never reached */
    };
    assert_int_equal(spv_addrman_load(am, rows, sizeof rows / sizeof rows[0], now), 0);
    assert_int_equal(am->n_tried, 1);
    assert_int_equal(am->n_new, 1);
    const int e = spv_addrman_find(am, &rows[4].addr);
    assert_int_equal(am->entries[e].a.last_success, NOW);
    assert_int_equal(spv_addrman_select(am, &any_address, now), e);
    spv_addrman_set_in_use(am, e, now);
    spv_addrman_released(am, e, SPV_CONN_OUTCOME_UNREACHABLE, SPV_ERR_REFUSED, now);
    assert_true(am->entries[e].a.attempts == UINT32_MAX); /* no overflow */
    struct spv_addrman_changes c;
    assert_int_equal(spv_addrman_get_changes(am, &c), 0);
    assert_int_equal(c.n_removed, 5); /* the invalid rows are removed from the file */
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(a_flood_from_one_source_fills_a_bounded_share),
        FRESH(addrman_is_bounded_for_every_source),
        FRESH(places_depend_on_the_secret),
        FRESH(terrible_addresses_are_replaced_and_others_are_not),
        FRESH(unroutable_addresses_are_refused),
        FRESH(netgroups_are_prefixes_that_one_operator_may_own),
        FRESH(prefers_groups_that_are_not_in_use),
        FRESH(picks_only_addresses_that_can_be_dialled),
        FRESH(a_failed_one_waits_longer_each_time_up_to_a_bound),
        FRESH(a_slow_one_is_chosen_less),
        FRESH(one_that_answers_is_promoted),
        FRESH(the_tried_of_one_group_are_bounded),
        FRESH(a_tried_one_that_still_answers_keeps_its_place),
        FRESH(a_tried_address_that_fails_its_test_is_replaced),
        FRESH(a_collision_that_cannot_be_tested_promotes_the_new_address),
        FRESH(a_banned_one_is_not_picked),
        FRESH(changes_are_reported_once_and_can_be_loaded_again),
        FRESH(invalid_rows_are_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
