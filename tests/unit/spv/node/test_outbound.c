/* Sources of peer addresses: DNS seeds, the fixed seeds, a proxy, gossip. */
#include "outbound_fixture.h"

static void queries_dns_seeds_by_service_bits_three_at_a_time(void **state)
{
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_on(SPV_MAINNET, &cfg);
    (void)state;
    assert_int_equal(effects(s, SPV_EFFECT_RESOLVE), SPV_DNS_MAX_PARALLEL);
    for (unsigned i = 0; i < SPV_DNS_MAX_PARALLEL; i++)
        assert_memory_equal(node_fixture_next(s, SPV_EFFECT_RESOLVE)->endpoint.host, "x9.", 3);
    advance_clock(s, SPV_DNS_STEP_US - 1);
    assert_int_equal(effects(s, SPV_EFFECT_RESOLVE), SPV_DNS_MAX_PARALLEL);
    advance_clock(s, 1);
    advance_clock(s, SPV_DNS_STEP_US);
    assert_int_equal(effects(s, SPV_EFFECT_RESOLVE), 8); /* all of mainnet's, once each */
    for (size_t i = 0; i < s->n; i++)
        for (size_t j = 0; j < i; j++)
            if (s->log[i].kind == SPV_EFFECT_RESOLVE && s->log[j].kind == SPV_EFFECT_RESOLVE)
                assert_string_not_equal(s->log[i].endpoint.host, s->log[j].endpoint.host);
    advance_clock(s, SPV_DNS_STEP_US);
    assert_int_equal(effects(s, SPV_EFFECT_RESOLVE), 8);
    advance_clock(s, SPV_DNS_INTERVAL_US);
    assert_int_equal(effects(s, SPV_EFFECT_RESOLVE), 8 + SPV_DNS_MAX_PARALLEL);
    node_fixture_free(s);
}

static void a_seed_without_addresses_for_service_bits_is_queried_without_them(void **state)
{
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_on(SPV_SIGNET, &cfg);
    (void)state;
    s->seen = s->n;
    resolve(s, "x9.seed.example", NULL, 0);
    const struct spv_effect *e = node_fixture_next(s, SPV_EFFECT_RESOLVE);
    assert_non_null(e);
    assert_string_equal(e->endpoint.host, "seed.example");
    resolve(s, "seed.example", NULL, 0);
    assert_null(node_fixture_next(s, SPV_EFFECT_RESOLVE)); /* and no other */
    node_fixture_free(s);
}

static void the_fixed_seeds_are_used_when_dns_is_silent_for_a_minute(void **state)
{
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_on(SPV_SIGNET, &cfg);
    (void)state;
    advance_clock(s, SPV_FIXED_SEEDS_AFTER_US - 1);
    assert_null(node_fixture_next(s, SPV_EFFECT_CONNECT));
    assert_int_equal(stats_of(s).addresses_new, 0);
    advance_clock(s, 1);
    assert_int_equal(effects(s, SPV_EFFECT_CONNECT), 4);
    assert_true(stats_of(s).addresses_new > 30); /* no onions: there is no proxy */
    assert_true(stats_of(s).addresses_new <= 44);
    node_fixture_free(s);
}

static void the_list_is_not_used_when_dns_helped(void **state)
{
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_on(SPV_SIGNET, &cfg);
    const struct spv_netaddr a = ipv4(9, 9, 9, 9);
    (void)state;
    resolve(s, "x9.seed.example", &a, 1);
    advance_clock(s, 10 * SPV_FIXED_SEEDS_AFTER_US);
    assert_int_equal(stats_of(s).addresses_new, 1);
    node_fixture_free(s);
}

static void through_a_proxy_no_name_is_ever_looked_up(void **state)
{
    struct spv_node_config cfg = {
        .proxied = true, .peers = 2, .nets = SPV_NET_IPV4 | SPV_NET_IPV6 | SPV_NET_ONION};
    struct node_fixture *s = node_on(SPV_SIGNET, &cfg);
    uint64_t seed = 0;
    (void)state;
    assert_true(stats_of(s).addresses_new > 40); /* the fixed seeds, at once, onion addresses too */
    for (size_t i = 0; i < s->n; i++)
        if (s->log[i].kind == SPV_EFFECT_CONNECT &&
            strncmp(s->log[i].endpoint.host, "seed.", 5) == 0)
            seed = s->log[i].peer;
    assert_true(seed != 0);
    const struct spv_peer_stats info = {.ready = true, .version = 70016, .services = SERVICES};
    assert_int_equal(spv_node_connected(s->node, seed, &info, s->now), 0);
    node_fixture_pull(s);
    assert_int_equal(s->log[s->n - 1].kind,
                     SPV_EFFECT_SEND); /* an addr_fetch connection: only getaddr */
    assert_int_equal(s->log[s->n - 1].message.command, SPV_CMD_GETADDR);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_CONNECTED), 0);
    const struct spv_addr_entry reported[2] = {
        {.time = (uint32_t)s->now.unix_s, .services = SERVICES, .addr = ipv4(9, 9, 9, 9)},
        {.time = (uint32_t)s->now.unix_s, .services = SERVICES, .addr = ipv4(11, 9, 9, 9)}};
    const size_t before = stats_of(s).addresses_new;
    gossip(s, seed, SPV_CMD_ADDR, reported, 1); /* its own address */
    assert_null(close_effect_of(s, seed));
    gossip(s, seed, SPV_CMD_ADDRV2, reported + 1, 1);
    gossip(s, seed, SPV_CMD_ADDRV2, reported, 2);
    assert_int_equal(stats_of(s).addresses_new, before + 2);
    assert_non_null(close_effect_of(s, seed));
    for (int i = 0; i < 200; i++)
        advance_clock(s, 10 * SPV_SECOND);
    assert_int_equal(effects(s, SPV_EFFECT_RESOLVE), 0);
    node_fixture_free(s);
}

static void a_silent_addr_fetch_peer_is_disconnected(void **state)
{
    struct spv_node_config cfg = {.proxied = true, .nets = SPV_NET_IPV4};
    struct node_fixture *s = node_on(SPV_MAINNET, &cfg);
    (void)state;
    const struct spv_effect *e;
    while ((e = node_fixture_next(s, SPV_EFFECT_CONNECT)) && !strstr(e->endpoint.host, "seed"))
        ;
    assert_non_null(e);
    const uint64_t seed = e ? e->peer : 0; /* the analyser cannot see that asserts end the test */
    advance_clock(s, SPV_ADDR_FETCH_TIMEOUT_US);
    assert_non_null(close_effect_of(s, seed));
    assert_int_equal(spv_node_closed(s->node, seed, SPV_ERR_CLOSED, s->now), 0); /* too late */
    node_fixture_free(s);
}

static void onlynet_onion_dials_only_onion_addresses(void **state)
{
    struct spv_node_config cfg = {.proxied = true, .nets = SPV_NET_ONION, .peers = 8};
    struct node_fixture *s = node_on(SPV_SIGNET, &cfg);
    (void)state;
    add_known(s, 10, 20); /* clearnet addresses, from any source */
    for (int i = 0; i < 100; i++)
        advance_clock(s, 30 * SPV_SECOND);
    size_t dials = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->log[i].kind != SPV_EFFECT_CONNECT)
            continue;
        dials++;
        assert_non_null(strstr(s->log[i].endpoint.host, ".onion"));
    }
    assert_true(dials >= 8);
    assert_int_equal(effects(s, SPV_EFFECT_RESOLVE), 0);
    node_fixture_free(s);
}

static void addr_and_addrv2_are_accepted_within_the_token_bucket(void **state)
{
    struct spv_node_config cfg = {.peers = 1};
    struct node_fixture *s = node_on(SPV_SIGNET, &cfg);
    static struct spv_addr_entry reported[1000];
    (void)state;
    add_known(s, 1, 20);
    const uint64_t a = node_fixture_connect(s, 0, SERVICES);
    const size_t before = stats_of(s).addresses_new;
    for (unsigned i = 0; i < 1000; i++)
        reported[i] =
            (struct spv_addr_entry){.time = (uint32_t)s->now.unix_s,
                                    .services = SERVICES,
                                    .addr = ipv4((uint8_t)(50 + i / 200), (uint8_t)i, 1, 1)};
    gossip(s, a, SPV_CMD_ADDR, reported, 1);
    gossip(s, a, SPV_CMD_ADDRV2, reported + 1, 1);
    assert_int_equal(stats_of(s).addresses_new, before + 2);
    gossip(s, a, SPV_CMD_ADDRV2, reported + 2, 998);
    const size_t full = stats_of(s).addresses_new;
    assert_true(full > before + 300); /* of one source: some slots are occupied */
    for (unsigned i = 0; i < 1000; i++)
        reported[i].addr = ipv4((uint8_t)(70 + i / 200), (uint8_t)i, 1, 1);
    gossip(s, a, SPV_CMD_ADDR, reported, 1000);
    assert_int_equal(stats_of(s).addresses_new, full); /* spent */
    advance_clock(s, 100 * SPV_SECOND); /* a tenth of an address a second */
    for (unsigned i = 0; i < 30; i++)
        reported[i].addr = ipv4((uint8_t)(90 + i), 7, 1, 1);
    gossip(s, a, SPV_CMD_ADDR, reported, 30);
    assert_true(stats_of(s).addresses_new > full);
    assert_true(stats_of(s).addresses_new <= full + 10);
    node_fixture_free(s);
}

static void addresses_that_cannot_be_used_are_ignored(void **state)
{
    struct spv_node_config cfg = {.peers = 1};
    struct node_fixture *s = node_on(SPV_SIGNET, &cfg);
    struct spv_addr_entry e = {.services = SERVICES, .addr = ipv4(50, 7, 1, 1)};
    (void)state;
    add_known(s, 1, 20);
    const uint64_t a = node_fixture_connect(s, 0, SERVICES);
    const size_t before = stats_of(s).addresses_new;
    e.addr.port = 1023; /* a service we do not need */
    gossip(s, a, SPV_CMD_ADDR, &e, 1);
    e.addr.port = 38333;
    e.services = SPV_NODE_BLOOM; /* does not serve the chain */
    gossip(s, a, SPV_CMD_ADDR, &e, 1);
    e.services = SERVICES;
    e.addr = (struct spv_netaddr){SPV_ADDR_TORV3, 32, 38333, {1}}; /* needs a proxy */
    gossip(s, a, SPV_CMD_ADDRV2, &e, 1);
    e.addr = (struct spv_netaddr){SPV_ADDR_CJDNS, 16, 38333, {0xfc}};
    gossip(s, a, SPV_CMD_ADDRV2, &e, 1);
    e.addr = (struct spv_netaddr){0};
    gossip(s, a, SPV_CMD_ADDRV2, &e, 1);
    assert_int_equal(stats_of(s).addresses_new, before);
    e.addr = ipv4(50, 7, 1, 1);
    e.addr.port = 1024;
    gossip(s, a, SPV_CMD_ADDR, &e, 1);
    assert_int_equal(stats_of(s).addresses_new, before + 1);
    node_fixture_free(s);
}

static void implausible_times_of_addresses_are_corrected(void **state)
{
    static const struct {
        int64_t reported, kept;
    } rows[] = {
        {-1000, -1000 - 7200},
        {600, 600 - 7200},
        {601, -5 * 86400 - 7200}, /* the future */
        {-1800000000, -5 * 86400 - 7200}, /* none */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct spv_node_config cfg = {.peers = 1};
        struct node_fixture *s = node_on(SPV_SIGNET, &cfg);
        add_known(s, 1, 20);
        const uint64_t a = node_fixture_connect(s, 0, SERVICES);
        const struct spv_addr_entry e = {.time = (uint32_t)(s->now.unix_s + rows[i].reported),
                                         .services = SERVICES,
                                         .addr = ipv4(50, 7, 1, 1)};
        gossip(s, a, SPV_CMD_ADDR, &e, 1);
        struct spv_addrman_changes c;
        assert_int_equal(spv_node_addrman_changes(s->node, &c, s->now), 0);
        bool found = false;
        for (size_t j = 0; j < c.n_changed; j++)
            if (c.changed[j].addr.bytes[0] == 50) {
                assert_int_equal(c.changed[j].last_seen - s->now.unix_s, rows[i].kept);
                found = true;
            }
        assert_true(found);
        node_fixture_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_dns_seeds_by_service_bits_three_at_a_time),
        cmocka_unit_test(a_seed_without_addresses_for_service_bits_is_queried_without_them),
        cmocka_unit_test(the_fixed_seeds_are_used_when_dns_is_silent_for_a_minute),
        cmocka_unit_test(the_list_is_not_used_when_dns_helped),
        cmocka_unit_test(through_a_proxy_no_name_is_ever_looked_up),
        cmocka_unit_test(a_silent_addr_fetch_peer_is_disconnected),
        cmocka_unit_test(onlynet_onion_dials_only_onion_addresses),
        cmocka_unit_test(addr_and_addrv2_are_accepted_within_the_token_bucket),
        cmocka_unit_test(addresses_that_cannot_be_used_are_ignored),
        cmocka_unit_test(implausible_times_of_addresses_are_corrected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
