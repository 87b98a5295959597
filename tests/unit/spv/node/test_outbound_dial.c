/* Which addresses the node dials and how it handles the outcome: network groups, feelers,
 * anchors, bans. */
#include "outbound_fixture.h"

static void slots_are_spread_over_network_groups(void **state)
{
    struct spv_node_config cfg = {.peers = 8};
    struct node_fixture *s = node_on(SPV_SIGNET, &cfg);
    struct spv_netaddr flood[60];
    (void)state;
    for (uint8_t i = 0; i < 60; i++) /* of one group */
        flood[i] = ipv4(7, 7, i, 1);
    resolve(s, "x9.flood", flood, 60);
    const size_t flooded = effects(s, SPV_EFFECT_CONNECT);
    assert_int_equal(flooded, 8); /* no better address was known */
    for (size_t i = 0; i < s->n; i++)
        if (s->log[i].kind == SPV_EFFECT_CONNECT)
            node_fixture_close(s, s->log[i].peer, SPV_ERR_REFUSED);
    add_known(s, 10, 20);
    for (size_t i = 0; i < s->n; i++) /* every flooded address that is dialled now fails */
        if (s->log[i].kind == SPV_EFFECT_CONNECT && s->log[i].endpoint.host[0] == '7')
            node_fixture_close(s, s->log[i].peer, SPV_ERR_REFUSED);
    size_t others = 0;
    for (size_t i = 0; i < s->n; i++)
        others += s->log[i].kind == SPV_EFFECT_CONNECT &&
                  strncmp(s->log[i].endpoint.host, "7.7.", 4) != 0;
    assert_true(others >= 7); /* at most one in eight for the flood */
    node_fixture_free(s);
}

static void a_feeler_tests_a_new_address_without_an_event(void **state)
{
    struct spv_node_config cfg = {.peers = 1};
    struct node_fixture *s = node_on(SPV_SIGNET, &cfg);
    (void)state;
    add_known(s, 5, 20);
    node_fixture_connect(s, 0, SERVICES);
    assert_int_equal(stats_of(s).addresses_tried, 1);
    advance_clock(s, SPV_FEELER_INTERVAL_US / 2 - 1);
    assert_null(node_fixture_next(s, SPV_EFFECT_CONNECT));
    advance_clock(s, SPV_FEELER_INTERVAL_US + 1);
    const struct spv_effect *dial = node_fixture_next(s, SPV_EFFECT_CONNECT);
    assert_non_null(dial);
    const uint64_t feeler = dial->peer;
    assert_int_equal(stats_of(s).peers_connecting, 0);
    const size_t events = node_fixture_events(s, SPV_EVENT_CONNECTED);
    const struct spv_peer_stats info = {.ready = true, .version = 70016, .services = SERVICES};
    assert_int_equal(spv_node_connected(s->node, feeler, &info, s->now), 0);
    node_fixture_pull(s);
    assert_non_null(close_effect_of(s, feeler));
    assert_int_equal(close_effect_of(s, feeler)->error, SPV_ERR_DISCONNECTED);
    assert_int_equal(stats_of(s).addresses_tried, 2);
    assert_int_equal(stats_of(s).feelers, 1);
    assert_int_equal(stats_of(s).peers, 1);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_CONNECTED), events);
    /* a feeler without an answer is closed after a while, without an event */
    advance_clock(s, 2 * SPV_FEELER_INTERVAL_US);
    dial = node_fixture_next(s, SPV_EFFECT_CONNECT);
    assert_non_null(dial);
    const uint64_t dead = dial->peer;
    advance_clock(s, SPV_FEELER_TIMEOUT_US);
    assert_non_null(close_effect_of(s, dead));
    assert_int_equal(node_fixture_events(s, SPV_EVENT_CONNECT_FAILED), 0);
    node_fixture_free(s);
}

static void no_feelers_before_the_slots_are_full_or_with_connect(void **state)
{
    struct spv_node_config cfg = {.peers = 4};
    struct node_fixture *s = node_on(SPV_SIGNET, &cfg);
    (void)state;
    add_known(s, 3, 20);
    connect_all(s);
    for (int i = 0; i < 20; i++)
        advance_clock(s, 30 * SPV_SECOND);
    assert_int_equal(stats_of(s).feelers, 0);
    node_fixture_free(s);
    struct spv_node_config named = {.request_timeout_us = UINT64_C(1) << 40};
    s = node_fixture_new(&named, 1);
    node_fixture_connect(s, 0, 0);
    for (int i = 0; i < 20; i++)
        advance_clock(s, 30 * SPV_SECOND);
    assert_int_equal(stats_of(s).feelers, 0);
    assert_int_equal(effects(s, SPV_EFFECT_CONNECT), 1);
    node_fixture_free(s);
}

static struct spv_addr_info row(uint8_t a, bool tried, bool anchor)
{
    return (struct spv_addr_info){.addr = ipv4(a, 1, 1, 1),
                                  .services = SERVICES,
                                  .source = {1, a},
                                  .source_len = 2,
                                  .last_seen = 1799990000,
                                  .last_success = tried ? 1799990000 : 0,
                                  .tried = tried,
                                  .anchor = anchor};
}

static void anchors_are_dialled_first(void **state)
{
    struct spv_addr_info rows[60];
    (void)state;
    for (uint8_t i = 0; i < 60; i++)
        rows[i] = row((uint8_t)(20 + i), i % 2 == 0, i == 17 || i == 30);
    struct spv_addrman_rows stored = {.keyed = true, .addresses = rows, .n = 60};
    struct spv_node_config cfg = {.peers = 2, .addrman_rows = &stored};
    struct node_fixture *s = node_on(SPV_SIGNET, &cfg);
    const char *one = node_fixture_next(s, SPV_EFFECT_CONNECT)->endpoint.host;
    const char *two = node_fixture_next(s, SPV_EFFECT_CONNECT)->endpoint.host;
    assert_true((!strcmp(one, "37.1.1.1") && !strcmp(two, "50.1.1.1")) ||
                (!strcmp(two, "37.1.1.1") && !strcmp(one, "50.1.1.1")));
    assert_int_equal(effects(s, SPV_EFFECT_RESOLVE),
                     0); /* addresses in addrman replace DNS seeds */
    node_fixture_free(s);
}

static void the_two_longest_connections_become_anchors(void **state)
{
    struct spv_node_config cfg = {.peers = 4};
    struct node_fixture *s = node_on(SPV_SIGNET, &cfg);
    struct spv_addrman_changes c;
    (void)state;
    add_known(s, 4, 20);
    for (int i = 0; i < 4; i++) {
        node_fixture_connect(s, 0, SERVICES);
        advance_clock(s, SPV_SECOND);
    }
    assert_int_equal(spv_node_addrman_changes(s->node, &c, s->now), 0);
    size_t anchors = 0;
    for (size_t i = 0; i < c.n_changed; i++) {
        char host[SPV_HOST_MAX];
        assert_int_equal(spv_netaddr_to_host(host, &c.changed[i].addr), 0);
        anchors += c.changed[i].anchor;
        size_t order = 0; /* of its dial */
        for (size_t j = 0; j < s->n && strcmp(s->log[j].endpoint.host, host) != 0; j++)
            order += s->log[j].kind == SPV_EFFECT_CONNECT;
        assert_int_equal(c.changed[i].anchor, order < 2);
    }
    assert_int_equal(anchors, 2);
    node_fixture_free(s);
}

static void seeds_are_queried_when_addrman_addresses_fail(void **state)
{
    struct spv_addr_info rows[20];
    (void)state;
    for (uint8_t i = 0; i < 20; i++)
        rows[i] = row((uint8_t)(20 + i), true, false);
    struct spv_addrman_rows stored = {.keyed = true, .addresses = rows, .n = 20};
    struct spv_node_config cfg = {.addrman_rows = &stored};
    struct node_fixture *s = node_on(SPV_SIGNET, &cfg);
    assert_int_equal(effects(s, SPV_EFFECT_RESOLVE), 0);
    advance_clock(s, SPV_DNS_STEP_US);
    assert_true(effects(s, SPV_EFFECT_RESOLVE) > 0);
    node_fixture_free(s);
}

static void stored_bans_apply_to_automatic_and_manual_peers(void **state)
{
    struct spv_addr_info rows[1] = {row(20, true, true)};
    struct spv_ban_entry bans[2] = {
        {.address = "20.1.1.1", .since = 1799999000, .until = 1800000060, .code = SPV_ERR_HDR_POW},
        {.address = "a:1", .since = 1799999000, .until = 1800000060, .code = SPV_ERR_HDR_POW}};
    struct spv_addrman_rows stored = {
        .keyed = true, .addresses = rows, .n = 1, .bans = bans, .n_bans = 2};
    struct spv_node_config cfg = {.addrman_rows = &stored};
    (void)state;
    struct node_fixture *s = node_on(SPV_SIGNET, &cfg);
    assert_null(node_fixture_next(s, SPV_EFFECT_CONNECT));
    assert_int_equal(stats_of(s).banned, 2);
    advance_clock(s, 60 * SPV_SECOND);
    assert_string_equal(node_fixture_next(s, SPV_EFFECT_CONNECT)->endpoint.host, "20.1.1.1");
    node_fixture_free(s);

    struct spv_node_config named = {.addrman_rows = &stored};
    s = node_fixture_new(&named, 1); /* "a" port 1 */
    const struct spv_effect *e = node_fixture_next_event(s, SPV_EVENT_CONNECT_FAILED);
    assert_non_null(e);
    assert_int_equal(e->event.error, SPV_ERR_BANNED);
    assert_string_equal(e->event.address, "a:1");
    assert_null(node_fixture_next(s, SPV_EFFECT_CONNECT));
    advance_clock(s, 60 * SPV_SECOND);
    assert_non_null(node_fixture_next(s, SPV_EFFECT_CONNECT));
    node_fixture_free(s);

    struct spv_node_config forgiving = {.addrman_rows = &stored, .clear_bans = true};
    s = node_fixture_new(&forgiving, 1);
    assert_non_null(node_fixture_next(s, SPV_EFFECT_CONNECT));
    struct spv_addrman_changes c;
    assert_int_equal(spv_node_addrman_changes(s->node, &c, s->now), 0);
    assert_true(c.bans_changed);
    assert_int_equal(c.n_bans, 0);
    node_fixture_free(s);
}

static void a_ban_is_saved_at_once_gossip_later(void **state)
{
    struct spv_node_config cfg = {.peers = 1};
    struct node_fixture *s = node_on(SPV_SIGNET, &cfg);
    struct spv_addrman_changes c;
    (void)state;
    add_known(s, 3, 20);
    assert_int_equal(effects(s, SPV_EFFECT_SAVE_ADDRMAN), 0);
    advance_clock(s, SPV_SAVE_AFTER_US - 1);
    assert_int_equal(effects(s, SPV_EFFECT_SAVE_ADDRMAN), 0);
    advance_clock(s, 1);
    assert_int_equal(effects(s, SPV_EFFECT_SAVE_ADDRMAN), 1);
    assert_int_equal(spv_node_addrman_changes(s->node, &c, s->now), 0);
    assert_int_equal(c.n_changed, 3);
    assert_false(c.bans_changed);
    const uint64_t a = node_fixture_connect(s, 0, SERVICES);
    advance_clock(s, SPV_SAVE_SOON_US);
    assert_int_equal(effects(s, SPV_EFFECT_SAVE_ADDRMAN), 2); /* one has been verified */
    assert_int_equal(spv_node_addrman_changes(s->node, &c, s->now), 0);
    node_fixture_close(s, a, SPV_ERR_HDR_POW); /* invalid data */
    assert_int_equal(effects(s, SPV_EFFECT_SAVE_ADDRMAN), 3);
    assert_int_equal(spv_node_addrman_changes(s->node, &c, s->now), 0);
    assert_true(c.bans_changed);
    assert_int_equal(c.n_bans, 1);
    assert_int_equal(c.bans[0].code, SPV_ERR_HDR_POW);
    assert_int_equal(c.bans[0].until - s->now.unix_s, SPV_BAN_SECONDS);
    assert_null(strchr(c.bans[0].address,
                       ':')); /* found, not a manual peer: the host is banned, on any port */
    node_fixture_free(s);
}

/* Slow, lost and misbehaving peers: the outcome that addrman records for each. */
static void each_connection_outcome_has_a_name(void **state)
{
    static const struct {
        bool connected, others;
        int error;
        uint32_t attempts, slow;
        size_t bans;
    } rows[] = {
        {false, true, SPV_ERR_REFUSED, 1, 0, 0},
        {false, true, SPV_ERR_CONNECT_TIMEOUT, 1, 0, 0},
        {false, false, SPV_ERR_CONNECT_TIMEOUT, 0, 0, 0}, /* we may be offline */
        {false, true, SPV_ERR_PROXY, 0, 0, 0}, /* not its fault */
        {false, true, SPV_ERR_IO, 0, 0, 0}, /* our failure */
        {true, true, SPV_ERR_PONG_TIMEOUT, 0, 1, 0},
        {true, true, SPV_ERR_STALL, 0, 1, 0},
        {true, true, SPV_ERR_RESET, 0, 0, 0},
        {true, true, SPV_ERR_CHECKSUM, 0, 1, 0},
        {true, true, SPV_ERR_COUNT, 0, 1, 0}, /* malformed: deprioritised, not banned */
        {true, true, SPV_ERR_LATE_NEGOTIATION, 0, 1, 0},
        {true, true, SPV_ERR_BLOOM_NOT_OFFERED, 0, 1, 0},
        {true, true, SPV_ERR_HDR_POW, 0, 1, 1}, /* invalid data */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct spv_node_config cfg = {.peers = 2};
        struct node_fixture *s = node_on(SPV_SIGNET, &cfg);
        struct spv_addrman_changes c;
        const struct spv_netaddr first = ipv4(20, 1, 1, 1), second = ipv4(30, 1, 1, 1);
        if (rows[i].others) {
            resolve(s, "x9.one", &first, 1);
            node_fixture_connect(s, 0, SERVICES);
        }
        resolve(s, "x9.two", &second, 1);
        const struct spv_effect *dial = node_fixture_next(s, SPV_EFFECT_CONNECT);
        assert_non_null(dial);
        const uint64_t id = dial->peer;
        const struct spv_peer_stats info = {.ready = true, .version = 70016, .services = SERVICES};
        if (rows[i].connected)
            assert_int_equal(spv_node_connected(s->node, id, &info, s->now), 0);
        node_fixture_pull(s);
        node_fixture_close(s, id, rows[i].error);
        assert_int_equal(spv_node_addrman_changes(s->node, &c, s->now), 0);
        assert_int_equal(c.n_bans, rows[i].bans);
        bool found = false;
        for (size_t j = 0; j < c.n_changed; j++) {
            if (c.changed[j].addr.bytes[0] != 30)
                continue;
            found = true;
            if (c.changed[j].attempts != rows[i].attempts || c.changed[j].slow != rows[i].slow ||
                c.changed[j].failure != rows[i].error)
                fail_msg("row %zu: attempts %u slow %u failure %d", i, c.changed[j].attempts,
                         c.changed[j].slow, c.changed[j].failure);
        }
        assert_true(found);
        node_fixture_free(s);
    }
}

/* ---- compact filters ---- */

static int no_headers(void *ctx, struct spv_filter_header *headers, struct spv_filter_hash *hashes,
                      uint32_t from, uint32_t n)
{
    (void)ctx, (void)headers, (void)hashes, (void)from, (void)n;
    return 0;
}

static int no_range(void *ctx, uint32_t *first, uint32_t *last)
{
    (void)ctx, (void)first, (void)last;
    return 0;
}

static struct spv_node_config with_filters(unsigned peers)
{
    return (struct spv_node_config){
        .filters = true, .filter_db = {.headers = no_headers, .range = no_range}, .peers = peers};
}

static bool has_prefix(const struct node_fixture *s, const char *prefix)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->log[i].kind == SPV_EFFECT_RESOLVE &&
            strncmp(s->log[i].endpoint.host, prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

static void dns_seeds_are_queried_for_filters_where_they_can_be(void **state)
{
    struct spv_node_config cfg = with_filters(0);
    struct node_fixture *s = node_on(SPV_MAINNET, &cfg);
    const struct spv_effect *e;
    (void)state;
    for (int i = 0; i < 4; i++)
        advance_clock(s, SPV_DNS_STEP_US);
    assert_true(has_prefix(s, "x49.") || has_prefix(s, "x849."));
    s->seen = s->n;
    resolve(s, "x849.seed.example", NULL, 0);
    e = node_fixture_next(s, SPV_EFFECT_RESOLVE);
    assert_non_null(e);
    assert_string_equal(e->endpoint.host, "x49.seed.example");
    resolve(s, "x49.seed.example", NULL, 0);
    e = node_fixture_next(s, SPV_EFFECT_RESOLVE);
    assert_non_null(e);
    assert_string_equal(e->endpoint.host, "x9.seed.example");
    node_fixture_free(s);
}

static void without_filters_no_seed_is_queried_for_them(void **state)
{
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_on(SPV_MAINNET, &cfg);
    (void)state;
    s->seen = s->n;
    resolve(s, "x849.seed.example", NULL, 0);
    const struct spv_effect *e = node_fixture_next(s, SPV_EFFECT_RESOLVE);
    assert_non_null(e);
    assert_string_equal(e->endpoint.host, "x9.seed.example");
    node_fixture_free(s);
}

/* Addresses 20.1.1.1, ... without filters and 60.1.1.1, ... with them. */
static void add_both(struct node_fixture *s, unsigned without, unsigned with)
{
    add_known(s, without, 20);
    for (unsigned i = 0; i < with; i++) {
        const struct spv_netaddr a = ipv4((uint8_t)(60 + i), 1, 1, 1);
        char seed[20];
        (void)snprintf(seed, sizeof seed, "x49.seed%u", i);
        resolve(s, seed, &a, 1);
    }
}

static bool is_for_filters(const struct spv_effect *e)
{
    return e->endpoint.host[0] == '6';
}

static void addresses_that_offer_filters_are_dialled_first(void **state)
{
    struct spv_node_config cfg = with_filters(2);
    struct node_fixture *s = node_on(SPV_SIGNET, &cfg);
    const struct spv_effect *e;
    (void)state;
    s->seen = s->n;
    for (unsigned i = 0; i < 2; i++) { /* both peers are gone again: of three, one is left */
        const struct spv_netaddr a = ipv4((uint8_t)(60 + i), 1, 1, 1);
        resolve(s, "x49.seed", &a, 1);
        e = node_fixture_next(s, SPV_EFFECT_CONNECT);
        assert_non_null(e);
        assert_true(is_for_filters(e));
    }
    add_known(s, 8, 20);
    assert_null(node_fixture_next(s, SPV_EFFECT_CONNECT)); /* two groups with filters */
    node_fixture_free(s);
}

static void two_groups_with_filters_are_dialled_beside_full_slots(void **state)
{
    struct spv_node_config cfg = with_filters(2);
    struct node_fixture *s = node_on(SPV_SIGNET, &cfg);
    unsigned others = 0, filters = 0;
    const struct spv_effect *e;
    uint64_t last = 0;
    (void)state;
    s->seen = s->n;
    add_both(s, 4, 4);
    advance_clock(s, SPV_FILTER_DIAL_INTERVAL_US);
    while ((e = node_fixture_next(s, SPV_EFFECT_CONNECT))) {
        others += !is_for_filters(e);
        filters += is_for_filters(e);
        last = e->peer;
    }
    assert_int_equal(others, 2);
    assert_int_equal(filters, 2);
    /* one of them serves no filters after all: it is closed, and another one is dialled */
    const struct spv_peer_stats info = {.ready = true, .version = 70016, .services = SERVICES};
    assert_int_equal(spv_node_connected(s->node, last, &info, s->now), 0);
    node_fixture_pull(s);
    assert_int_equal(close_effect_of(s, last)->error, SPV_ERR_SERVICES);
    e = node_fixture_next(s, SPV_EFFECT_CONNECT);
    assert_non_null(e);
    assert_true(is_for_filters(e));
    node_fixture_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_spread_over_network_groups),
        cmocka_unit_test(a_feeler_tests_a_new_address_without_an_event),
        cmocka_unit_test(no_feelers_before_the_slots_are_full_or_with_connect),
        cmocka_unit_test(anchors_are_dialled_first),
        cmocka_unit_test(the_two_longest_connections_become_anchors),
        cmocka_unit_test(seeds_are_queried_when_addrman_addresses_fail),
        cmocka_unit_test(stored_bans_apply_to_automatic_and_manual_peers),
        cmocka_unit_test(a_ban_is_saved_at_once_gossip_later),
        cmocka_unit_test(each_connection_outcome_has_a_name),
        cmocka_unit_test(dns_seeds_are_queried_for_filters_where_they_can_be),
        cmocka_unit_test(without_filters_no_seed_is_queried_for_them),
        cmocka_unit_test(addresses_that_offer_filters_are_dialled_first),
        cmocka_unit_test(two_groups_with_filters_are_dialled_beside_full_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
