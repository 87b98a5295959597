/* A server's slots per network group, and the choice of the client that is evicted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "loop/conn_slots.h"

#define MANY 64

static const uint64_t key[2] = {1, 2};

static struct spv_netaddr ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return (struct spv_netaddr){.network = SPV_ADDR_IPV4, .len = 4, .bytes = {a, b, c, d}};
}

static struct spv_netaddr ipv6(uint8_t subnet, uint8_t host)
{
    struct spv_netaddr a = {.network = SPV_ADDR_IPV6, .len = 16, .bytes = {0x20, 0x01}};
    a.bytes[7] = subnet;
    a.bytes[15] = host;
    return a;
}

/* Returns how many clients with these addresses, one after the other, get one of n slots. */
static unsigned let_in(const struct spv_netaddr *from, unsigned n, unsigned slots)
{
    unsigned in = 0;
    struct spv_netaddr clients[MANY];
    for (unsigned i = 0; i < n; i++) {
        struct spv_conn_slots_count count = {0};
        for (unsigned k = 0; k < in; k++)
            spv_conn_slots_add(&count, &from[i], &clients[k]);
        if (!spv_conn_slots_share_taken(&count, &from[i], slots))
            clients[in++] = from[i];
    }
    return in;
}

static void address_has_an_eighth_and_its_group_a_quarter(void **state)
{
    struct spv_netaddr same[MANY], group[MANY], far[MANY], same6[MANY], group6[MANY], far6[MANY];
    (void)state;
    for (uint8_t i = 0; i < MANY; i++) {
        same[i] = ipv4(8, 1, 1, 1);
        group[i] = ipv4(8, 1, 1, i);
        far[i] = ipv4(8, 1, i, 1);
        same6[i] = ipv6(1, 1);
        group6[i] = ipv6(1, i);
        far6[i] = ipv6(i, 1);
        same[i].port = group[i].port = i; /* is not part of the group */
    }
    assert_int_equal(let_in(same, MANY, MANY), MANY / 8);
    assert_int_equal(let_in(group, MANY, MANY), MANY / 4);
    assert_int_equal(let_in(far, MANY, MANY), MANY);
    assert_int_equal(let_in(same6, MANY, MANY), MANY / 8);
    assert_int_equal(let_in(group6, MANY, MANY), MANY / 4);
    assert_int_equal(let_in(far6, MANY, MANY), MANY);
    assert_int_equal(let_in(same, MANY, 3), 1); /* with few slots still one */
}

static void loopback_has_no_share(void **state)
{
    struct spv_netaddr v4[MANY], v6[MANY], unknown[MANY] = {{0}};
    (void)state;
    for (uint8_t i = 0; i < MANY; i++) {
        v4[i] = ipv4(127, 0, 0, 1);
        v6[i] = (struct spv_netaddr){.network = SPV_ADDR_IPV6, .len = 16, .bytes = {[15] = 1}};
    }
    assert_int_equal(let_in(v4, MANY, MANY), MANY);
    assert_int_equal(let_in(v6, MANY, MANY), MANY);
    assert_int_equal(let_in(unknown, MANY, MANY), MANY);
}

/* Clients 0..n-1 in the order of connecting, each in a group of its own. */
static void make(struct spv_conn_slot *clients, size_t n)
{
    for (size_t i = 0; i < n; i++)
        clients[i] = (struct spv_conn_slot){.addr = ipv4(8, 1, (uint8_t)i, 1),
                                            .ready = true,
                                            .connected_us = 1000 + i,
                                            .last_in_us = 5000};
}

static void connection_silent_for_longest_in_the_handshake_is_evicted_first(void **state)
{
    struct spv_conn_slot clients[MANY];
    (void)state;
    make(clients, MANY);
    clients[10].ready = clients[20].ready = clients[30].ready = false;
    clients[10].last_in_us = 3000; /* connected first, and has sent a message */
    clients[20].last_in_us = 0;
    clients[30].last_in_us = 0;
    assert_int_equal(spv_conn_slots_victim(clients, MANY, key), 20);
    clients[20].ready = true;
    assert_int_equal(spv_conn_slots_victim(clients, MANY, key), 30);
    clients[30].ready = true;
    assert_int_equal(spv_conn_slots_victim(clients, MANY, key), 10);
}

static void youngest_unprotected_client_is_evicted(void **state)
{
    struct spv_conn_slot clients[MANY];
    (void)state;
    make(clients, MANY);
    for (size_t i = 0; i < MANY; i++) /* one group protects only its oldest client */
        clients[i].addr = ipv4(8, 1, 1, (uint8_t)i);
    assert_int_equal(spv_conn_slots_victim(clients, MANY, key), MANY - 1);
    clients[5].connected_us = 9000; /* the array is not in the order of connecting */
    assert_int_equal(spv_conn_slots_victim(clients, MANY, key), 5);
}

static void eight_lowest_pings_are_protected(void **state)
{
    struct spv_conn_slot clients[MANY];
    (void)state;
    make(clients, MANY);
    for (size_t i = 0; i < MANY; i++)
        clients[i].addr = ipv4(8, 1, 1, (uint8_t)i);
    for (size_t i = MANY - 8; i < MANY; i++)
        clients[i].ping_us = 100 + i;
    assert_int_equal(spv_conn_slots_victim(clients, MANY, key), MANY - 9);
    clients[MANY - 9].ping_us = 50; /* now it is among the eight fastest, and the slowest is not */
    assert_int_equal(spv_conn_slots_victim(clients, MANY, key), MANY - 1);
}

/* The youngest clients are each in a group of their own. Four groups, chosen by the key, are
 * protected, and of each of them only the oldest client. */
static void oldest_client_of_four_groups_that_a_key_chooses_is_protected(void **state)
{
    struct spv_conn_slot clients[MANY];
    bool was_protected[MANY] = {false};
    unsigned different = 0;
    (void)state;
    for (uint64_t k = 0; k < 20; k++) {
        const uint64_t other[2] = {k, 7};
        unsigned n = 0;
        make(clients, MANY);
        (void)spv_conn_slots_victim(clients, MANY, other);
        for (size_t i = 0; i < MANY; i++) {
            n += clients[i].is_protected;
            different += clients[i].is_protected && !was_protected[i];
            was_protected[i] = was_protected[i] || clients[i].is_protected;
        }
        assert_int_equal(n, 4);
    }
    assert_in_range(different, 20, MANY);
    make(clients, MANY);
    for (size_t i = 0; i < MANY; i++)
        clients[i].addr = ipv4(8, 1, (uint8_t)(i % 4), (uint8_t)i);
    (void)spv_conn_slots_victim(clients, MANY, key);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(clients[i].is_protected, i < 4);
}

static void longer_connected_half_is_protected(void **state)
{
    struct spv_conn_slot clients[16];
    (void)state;
    make(clients, 16);
    for (size_t i = 0; i < 16; i++)
        clients[i].addr = ipv4(8, 1, 1, (uint8_t)i);
    for (size_t i = 9; i < 16; i++)
        clients[i].ping_us = 100;
    assert_int_equal(spv_conn_slots_victim(clients, 16, key), 8);
    clients[8].ping_us =
        100; /* the younger half is protected by ping times: no client is left to evict */
    assert_int_equal(spv_conn_slots_victim(clients, 16, key), SPV_CONN_SLOTS_NONE);
    assert_int_equal(spv_conn_slots_victim(clients, 0, key), SPV_CONN_SLOTS_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_has_an_eighth_and_its_group_a_quarter),
        cmocka_unit_test(loopback_has_no_share),
        cmocka_unit_test(connection_silent_for_longest_in_the_handshake_is_evicted_first),
        cmocka_unit_test(youngest_unprotected_client_is_evicted),
        cmocka_unit_test(eight_lowest_pings_are_protected),
        cmocka_unit_test(oldest_client_of_four_groups_that_a_key_chooses_is_protected),
        cmocka_unit_test(longer_connected_half_is_protected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
