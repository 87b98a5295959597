/* Which transport the node dials an address with, and when it dials once more with v1. */
#include "outbound_fixture.h"
#include "spv/node/outbound_state.h"

#define V2_SERVICES (SERVICES | SPV_NODE_P2P_V2)

/* n addresses of their own groups whose DNS seeds filter by P2P_V2. */
static void add_known_v2(struct node_fixture *s, unsigned n, uint8_t first)
{
    for (unsigned i = 0; i < n; i++) {
        char seed[24];
        const struct spv_netaddr a = ipv4((uint8_t)(first + i), 1, 1, 1);
        (void)snprintf(seed, sizeof seed, "x809.seed%u", i);
        resolve(s, seed, &a, 1);
    }
}

static struct node_fixture *named(enum spv_transport_choice choice, size_t n)
{
    struct spv_node_config cfg = {.request_timeout_us = UINT64_C(1) << 40, .transport = choice};
    return node_fixture_new(&cfg, n);
}

static struct spv_effect next_dial(struct node_fixture *s)
{
    const struct spv_effect *e = node_fixture_next(s, SPV_EFFECT_CONNECT);
    assert_non_null(e);
    return *e;
}

static void complete_with(struct node_fixture *s, uint64_t id, enum spv_transport transport,
                          uint64_t services)
{
    const struct spv_peer_stats info = {
        .ready = true, .version = 70016, .services = services, .transport = transport};
    assert_int_equal(spv_node_connected(s->node, id, &info, s->now), 0);
    node_fixture_pull(s);
}

static void complete(struct node_fixture *s, uint64_t id, enum spv_transport transport)
{
    complete_with(s, id, transport, V2_SERVICES);
}

static void the_choice_decides_for_a_named_peer(void **state)
{
    (void)state;
    static const struct {
        enum spv_transport_choice choice;
        enum spv_transport dialled;
    } cases[] = {{SPV_TRANSPORT_AUTO, SPV_TRANSPORT_V2},
                 {SPV_TRANSPORT_ONLY_V1, SPV_TRANSPORT_V1},
                 {SPV_TRANSPORT_ONLY_V2, SPV_TRANSPORT_V2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct node_fixture *s = named(cases[i].choice, 1);
        assert_int_equal(next_dial(s).transport, cases[i].dialled);
        node_fixture_free(s);
    }
}

static void a_found_address_is_dialled_with_what_it_offers(void **state)
{
    struct spv_node_config cfg = {.peers = 8};
    struct node_fixture *s = node_on(SPV_SIGNET, &cfg);
    (void)state;
    add_known(s, 2, 20);
    add_known_v2(s, 2, 40);
    for (int i = 0; i < 4; i++) {
        const struct spv_effect e = next_dial(s);
        assert_int_equal(e.transport,
                         e.endpoint.host[0] == '4' ? SPV_TRANSPORT_V2 : SPV_TRANSPORT_V1);
    }
    node_fixture_free(s);
}

static void a_fall_back_costs_one_connection_and_is_remembered(void **state)
{
    (void)state;
    struct node_fixture *s = named(SPV_TRANSPORT_AUTO, 1);
    const struct spv_effect v2 = next_dial(s);
    node_fixture_close(s, v2.peer, SPV_ERR_V1_PEER);
    const struct spv_effect v1 = next_dial(s); /* at once */
    assert_int_equal(v1.transport, SPV_TRANSPORT_V1);
    assert_string_equal(v1.endpoint.host, v2.endpoint.host);
    assert_true(v1.peer != v2.peer);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_CONNECT_FAILED), 0);
    complete(s, v1.peer, SPV_TRANSPORT_V1);
    node_fixture_close(s, v1.peer, SPV_ERR_CLOSED);
    advance_clock(s, SPV_BACKOFF_MAX_US);
    const struct spv_effect again = next_dial(s);
    assert_int_equal(again.transport, SPV_TRANSPORT_V1);
    complete(s, again.peer, SPV_TRANSPORT_V1);
    s->now.mono_us += UINT64_C(7) * 24 * 3600 * SPV_SECOND; /* the note expires */
    node_fixture_close(s, again.peer, SPV_ERR_CLOSED);
    advance_clock(s, SPV_BACKOFF_MAX_US);
    const struct spv_effect later = next_dial(s);
    assert_int_equal(later.transport, SPV_TRANSPORT_V2);
    node_fixture_free(s);
}

/* A connection with v1 after one with v2 failed, or the one with v2, to this host. */
static struct spv_conn conn_to(const char *host, enum spv_transport transport)
{
    struct spv_conn conn = {.state = SPV_CONN_STATE_CONNECTING,
                            .netgroup = spv_netgroup_of_name(host),
                            .manual = -1,
                            .entry = -1,
                            .transport = transport,
                            .fell_back = transport == SPV_TRANSPORT_V1};
    (void)snprintf(conn.endpoint.host, sizeof conn.endpoint.host, "%s", host);
    conn.endpoint.port = 8333;
    return conn;
}

static void works(struct spv_outbound *o, const struct spv_conn *conn, struct spv_now now)
{
    const struct spv_peer_stats info = {
        .ready = true, .services = V2_SERVICES, .transport = conn->transport};
    spv_outbound_transport_works(o, conn, &info, now);
}

static void the_note_ends_after_seven_days_or_with_a_v2_success(void **state)
{
    (void)state;
    const struct spv_now now = {.mono_us = 5 * SPV_SECOND};
    struct spv_manual_peer peer = {.v1_until_us = 0};
    struct spv_outbound *o = calloc(1, sizeof *o);
    assert_non_null(o);
    o->manual.peers = &peer;
    o->manual.n = 1;
    struct spv_conn conn = conn_to("a", SPV_TRANSPORT_V1);
    conn.manual = 0;
    works(o, &conn, now);
    assert_int_equal(peer.v1_until_us, (5 + UINT64_C(7) * 86400) * SPV_SECOND);
    conn = conn_to("a", SPV_TRANSPORT_V2);
    conn.manual = 0;
    works(o, &conn, now);
    assert_int_equal(peer.v1_until_us, 0);
    free(o);
}

static void three_dials_to_two_groups_are_no_sign_of_a_path_that_blocks_v2(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool blocked; /* from now on */
    } dials[] = {
        {"192.0.2.1", false},    {"192.0.2.2", false},    {"192.0.9.9", false}, /* 192.0/16 */
        {"seed.example", false}, {"seed.example", false}, {"198.51.100.1", true},
    };
    const struct spv_now now = {.mono_us = 5 * SPV_SECOND};
    struct spv_outbound *o = calloc(1, sizeof *o);
    assert_non_null(o);
    for (size_t i = 0; i < sizeof dials / sizeof dials[0]; i++) {
        const struct spv_conn conn = conn_to(dials[i].host, SPV_TRANSPORT_V1);
        works(o, &conn, now);
        assert_int_equal(spv_outbound_v2_blocked(o), dials[i].blocked);
    }
    free(o);
}

static void v1_is_tried_once_only(void **state)
{
    (void)state;
    struct node_fixture *s = named(SPV_TRANSPORT_AUTO, 1);
    node_fixture_close(s, next_dial(s).peer, SPV_ERR_V1_PEER);
    node_fixture_close(s, next_dial(s).peer, SPV_ERR_V1_PEER); /* no v1 connection ends so */
    assert_null(node_fixture_next(s, SPV_EFFECT_CONNECT));
    assert_int_equal(node_fixture_events(s, SPV_EVENT_CONNECT_FAILED), 1);
    node_fixture_free(s);
}

static void other_ends_of_a_v2_dial_do_not_fall_back(void **state)
{
    (void)state;
    struct node_fixture *s = named(SPV_TRANSPORT_AUTO, 1);
    node_fixture_close(s, next_dial(s).peer, SPV_ERR_V2_GARBAGE);
    assert_null(node_fixture_next(s, SPV_EFFECT_CONNECT));
    advance_clock(s, SPV_BACKOFF_MAX_US);
    assert_int_equal(next_dial(s).transport, SPV_TRANSPORT_V2);
    node_fixture_free(s);
}

static void v2_only_backs_off_from_a_v1_peer_without_a_ban(void **state)
{
    (void)state;
    struct node_fixture *s = named(SPV_TRANSPORT_ONLY_V2, 1);
    node_fixture_close(s, next_dial(s).peer, SPV_ERR_V1_PEER);
    assert_null(node_fixture_next(s, SPV_EFFECT_CONNECT));
    assert_int_equal(node_fixture_events(s, SPV_EVENT_CONNECT_FAILED), 1);
    assert_int_equal(stats_of(s).bans, 0);
    advance_clock(s, SPV_BACKOFF_MAX_US);
    assert_int_equal(next_dial(s).transport, SPV_TRANSPORT_V2);
    node_fixture_free(s);
}

static size_t warnings(struct node_fixture *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += s->log[i].kind == SPV_EFFECT_EVENT && s->log[i].event.kind == SPV_EVENT_WARNING &&
             s->log[i].event.warning == SPV_WARN_V2_BLOCKED;
    return n;
}

/* Dials n named peers with v2 and then, as that fails, with v1, which succeeds. */
static void fall_back_with(struct node_fixture *s, size_t n, uint64_t services)
{
    struct spv_effect dial[4];
    for (size_t i = 0; i < n; i++)
        dial[i] = next_dial(s);
    for (size_t i = 0; i < n; i++) {
        node_fixture_close(s, dial[i].peer, SPV_ERR_V1_PEER);
        const struct spv_effect v1 = next_dial(s);
        assert_int_equal(v1.transport, SPV_TRANSPORT_V1);
        complete_with(s, v1.peer, SPV_TRANSPORT_V1, services);
        dial[i] = v1;
    }
    for (size_t i = 0; i < n; i++)
        node_fixture_close(s, dial[i].peer, SPV_ERR_CLOSED);
}

static void a_path_that_blocks_v2_is_reported_once_and_v1_used_for_an_hour(void **state)
{
    (void)state;
    struct node_fixture *s = named(SPV_TRANSPORT_AUTO, 3);
    fall_back_with(s, 3, V2_SERVICES);
    assert_int_equal(warnings(s), 1);
    advance_clock(s, SPV_BACKOFF_MAX_US);
    assert_int_equal(next_dial(s).transport, SPV_TRANSPORT_V1);
    node_fixture_free(s);
    /* addresses got no note: after an hour v2 is tried again, and reported no more */
    s = named(SPV_TRANSPORT_AUTO, 3);
    fall_back_with(s, 3, V2_SERVICES);
    advance_clock(s, SPV_V2_BLOCKED_US);
    fall_back_with(s, 3, V2_SERVICES);
    assert_int_equal(warnings(s), 1);
    node_fixture_free(s);
}

static void peers_without_v2_are_no_sign_of_a_path_that_blocks_it(void **state)
{
    (void)state;
    struct node_fixture *s = named(SPV_TRANSPORT_AUTO, 4);
    fall_back_with(s, 4, SERVICES);
    assert_int_equal(warnings(s), 0);
    node_fixture_free(s);
}

static void a_peer_that_is_not_reached_with_v1_either_is_not_noted(void **state)
{
    (void)state;
    struct node_fixture *s = named(SPV_TRANSPORT_AUTO, 1);
    node_fixture_close(s, next_dial(s).peer, SPV_ERR_V1_PEER);
    node_fixture_close(s, next_dial(s).peer, SPV_ERR_CLOSED);
    advance_clock(s, SPV_BACKOFF_MAX_US);
    assert_int_equal(next_dial(s).transport, SPV_TRANSPORT_V2);
    node_fixture_free(s);
}

static void one_success_shows_that_the_path_is_open(void **state)
{
    (void)state;
    struct node_fixture *s = named(SPV_TRANSPORT_AUTO, 4);
    struct spv_effect dial[4];
    for (int i = 0; i < 4; i++)
        dial[i] = next_dial(s);
    complete(s, dial[0].peer, SPV_TRANSPORT_V2);
    for (int i = 1; i < 4; i++) {
        node_fixture_close(s, dial[i].peer, SPV_ERR_V1_PEER);
        complete(s, next_dial(s).peer, SPV_TRANSPORT_V1);
    }
    assert_int_equal(warnings(s), 0);
    node_fixture_free(s);
}

static void seeds_are_asked_for_v2_addresses_first(void **state)
{
    (void)state;
    for (int only_v1 = 0; only_v1 < 2; only_v1++) {
        struct spv_node_config cfg = {
            .peers = 8, .transport = only_v1 ? SPV_TRANSPORT_ONLY_V1 : SPV_TRANSPORT_AUTO};
        struct node_fixture *s = node_on(SPV_SIGNET, &cfg);
        const char *asked = NULL;
        for (size_t i = 0; i < s->n; i++)
            if (s->log[i].kind == SPV_EFFECT_RESOLVE &&
                strstr(s->log[i].endpoint.host, "achownodes"))
                asked = s->log[i].endpoint.host;
        assert_non_null(asked);
        assert_int_equal(strncmp(asked, "x809.", 5) == 0, !only_v1);
        char text[SPV_ENDPOINT_TEXT];
        (void)snprintf(text, sizeof text, "%s", asked);
        const size_t before = s->n;
        resolve(s, text, NULL, 0); /* asked again with fewer service bits */
        const char *next = only_v1 ? "seed." : "x9.seed.";
        bool found = false;
        for (size_t i = before; i < s->n; i++)
            found |= s->log[i].kind == SPV_EFFECT_RESOLVE &&
                     strncmp(s->log[i].endpoint.host, next, strlen(next)) == 0;
        assert_true(found);
        node_fixture_free(s);
    }
}

/* Its answers have compact filters as well. */
static void a_seed_without_x809_is_asked_by_x849(void **state)
{
    (void)state;
    static const struct spv_dns_seed seeds[] = {{"seed.test.example", SPV_SEED_X9 | SPV_SEED_X849},
                                                {NULL, 0}};
    static const char *const wanted[] = {"x849.seed.test.example", "x9.seed.test.example",
                                         "seed.test.example"};
    struct spv_params params = *spv_params_get(SPV_SIGNET);
    params.dns_seeds = seeds;
    struct spv_node_config cfg = {
        .params = &params, .peers = 8, .request_timeout_us = UINT64_C(1) << 40};
    struct node_fixture *s = node_fixture_new(&cfg, 0);
    size_t asked = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->log[i].kind != SPV_EFFECT_RESOLVE)
            continue;
        assert_true(asked < sizeof wanted / sizeof wanted[0]);
        assert_string_equal(s->log[i].endpoint.host, wanted[asked++]);
        char text[SPV_ENDPOINT_TEXT];
        (void)snprintf(text, sizeof text, "%s", s->log[i].endpoint.host);
        resolve(s, text, NULL, 0);
    }
    assert_int_equal(asked, sizeof wanted / sizeof wanted[0]);
    node_fixture_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_choice_decides_for_a_named_peer),
        cmocka_unit_test(a_found_address_is_dialled_with_what_it_offers),
        cmocka_unit_test(a_fall_back_costs_one_connection_and_is_remembered),
        cmocka_unit_test(the_note_ends_after_seven_days_or_with_a_v2_success),
        cmocka_unit_test(three_dials_to_two_groups_are_no_sign_of_a_path_that_blocks_v2),
        cmocka_unit_test(v1_is_tried_once_only),
        cmocka_unit_test(other_ends_of_a_v2_dial_do_not_fall_back),
        cmocka_unit_test(v2_only_backs_off_from_a_v1_peer_without_a_ban),
        cmocka_unit_test(a_path_that_blocks_v2_is_reported_once_and_v1_used_for_an_hour),
        cmocka_unit_test(peers_without_v2_are_no_sign_of_a_path_that_blocks_it),
        cmocka_unit_test(a_peer_that_is_not_reached_with_v1_either_is_not_noted),
        cmocka_unit_test(one_success_shows_that_the_path_is_open),
        cmocka_unit_test(seeds_are_asked_for_v2_addresses_first),
        cmocka_unit_test(a_seed_without_x809_is_asked_by_x849),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
