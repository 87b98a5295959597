/* Scenarios of peer discovery: DNS seeds, gossip, the fallback list, a proxy, the stored addrman of
 * the last run, and an attacker that floods addrman with its own addresses. */
#include "scenario_fixture.h"

#include <stdio.h>

#include "spv/addrman.h"

#define LENGTH 300
#define FLOOD 1000 /* addresses in one answer, as many as fit */
#define HONEST 8

static struct sim_store chain, grown, rival;
static struct spv_params params; /* regtest with a DNS seed */
static struct spv_params listed; /* and a fallback list of the first six servers */
static struct spv_addr_entry flood[FLOOD];
static struct spv_addr_entry honest[HONEST];

static struct spv_netaddr address(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return (struct spv_netaddr){
        .network = SPV_ADDR_IPV4, .len = 4, .port = params.net.port, .bytes = {a, b, c, d}};
}

static int prepare(void **state)
{
    static const struct spv_dns_seed seeds[] = {{"seed.sim.example", SPV_SEED_X9}, {NULL, 0}};
    static struct spv_netaddr places[6];
    static const struct spv_fixed_seeds list = {places, 6};
    (void)state;
    params = *spv_params_get(SPV_REGTEST);
    params.dns_seeds = seeds;
    listed = params;
    listed.fixed_seeds = &list;
    for (uint8_t i = 0; i < 6; i++)
        places[i] = address(8, (uint8_t)(i + 1), 0, 1);
    for (unsigned i = 0; i < FLOOD; i++)
        flood[i] = (struct spv_addr_entry){.time = UINT32_MAX,
                                           .services = 9,
                                           .addr = address(23, 23, (uint8_t)(i >> 8), (uint8_t)i)};
    for (uint8_t i = 0; i < HONEST; i++)
        honest[i] =
            (struct spv_addr_entry){.services = 9, .addr = address(8, (uint8_t)(i + 1), 0, 1)};
    sim_store_mine(&chain, &params, LENGTH, 1);
    sim_store_fork(&grown, &chain, LENGTH, 5, 2);
    sim_store_fork(&rival, &chain, LENGTH - 10, 9, 3);
    return 0;
}

static int put_away(void **state)
{
    (void)state;
    sim_store_free(&chain);
    sim_store_free(&grown);
    sim_store_free(&rival);
    return 0;
}

static struct spv_node_stats stats_of(const struct sim_client *c)
{
    struct spv_node_stats stats;
    spv_node_get_stats(sim_client_node(c), &stats);
    return stats;
}

static bool is_flood_address(const struct spv_netaddr *addr)
{
    return addr->bytes[0] == 23 && addr->bytes[1] == 23;
}

static void expect_tip(struct sim *sim, struct sim_client *c, const struct sim_store *want,
                       uint64_t seconds)
{
    scenario_check(sim, &(struct scenario_expected){.client = c, .want = want, .seconds = seconds});
}

/* ---- flooding ---- */

/* One of the first peers gossips a thousand unreachable addresses of one network group and
 * serves a different chain. The client finds the other peers and stays connected to them, also
 * after a restart without DNS. */
static void flooded(struct sim *sim)
{
    for (size_t i = 0; i < HONEST; i++)
        sim_add_server(sim, &(struct sim_server_config){
                                .chain = &chain, .gossip = honest, .n_gossip = HONEST});
    for (size_t i = 0; i < 2; i++)
        sim_add_server(
            sim, &(struct sim_server_config){.chain = &rival, .gossip = flood, .n_gossip = FLOOD});
    struct sim_client *c =
        sim_add_client(sim, &(struct sim_client_config){.peers = 4, .discover = true});
    expect_tip(sim, c, &chain, 1800);
    const struct spv_addrman_rows *rows = sim_client_addrman(c);
    size_t bad = 0;
    for (size_t i = 0; i < rows->n; i++)
        bad += is_flood_address(&rows->addresses[i].addr);
    if (bad > 2 * 64) /* one bucket for each of the two source peers */
        sim_break(sim, "one network group took more of the addrman than its share");
    for (size_t i = 0; i < HONEST; i++)
        sim_server_announce(sim, i, &grown);
    sim_client_restart(sim, c);
    expect_tip(sim, c, &grown, 1800);
}

static void a_flood_of_addresses_from_one_group_changes_nothing(void **state)
{
    (void)state;
    scenario_run(flooded, &params);
}

/* ---- synced ---- */

static void accept_dials(struct sim *sim, void *ctx)
{
    sim_server(sim, *(const size_t *)ctx)->listen = SIM_OPEN;
}

/* One peer has an old chain and is at its tip at once. The peers of other network groups accept
 * connections only after a minute; "synced" waits for one of them. */
static void first_of_one_group(struct sim *sim)
{
    static size_t others[2];
    sim_add_server(sim, &(struct sim_server_config){.chain = &chain});
    for (size_t i = 0; i < 2; i++) {
        others[i] =
            sim_add_server(sim, &(struct sim_server_config){.chain = &grown, .listen = SIM_DROP});
        sim_after(sim, 60 * SPV_SECOND, accept_dials, &others[i]);
    }
    struct sim_client *c =
        sim_add_client(sim, &(struct sim_client_config){.peers = 3, .discover = true});
    sim_run(sim, 60 * SPV_SECOND, NULL, NULL);
    if (sim_store_tip(sim_client_store(c))->height != LENGTH)
        sim_break(sim, "the first peer's headers are not there");
    if (sim_client_events(c, SPV_EVENT_SYNCED) > 0)
        sim_break(sim, "synced with one network group");
    expect_tip(sim, c, &grown, 1800);
}

static void synced_takes_two_network_groups(void **state)
{
    (void)state;
    scenario_run(first_of_one_group, &params);
}

/* ---- the last run ---- */

static void restarted(struct sim *sim)
{
    uint64_t before[12];
    scenario_servers(sim, 12, &(struct sim_server_config){.chain = &chain});
    struct sim_client *c =
        sim_add_client(sim, &(struct sim_client_config){.peers = 3, .discover = true});
    expect_tip(sim, c, &chain, 600);
    size_t anchors = 0;
    const struct spv_addrman_rows *rows = sim_client_addrman(c);
    size_t server[2] = {0, 0};
    for (size_t i = 0; i < rows->n && anchors < 2; i++)
        if (rows->addresses[i].anchor)
            server[anchors++] = rows->addresses[i].addr.bytes[1] - 1u;
    if (anchors != 2) {
        sim_break(sim, "there are no two anchors");
        return;
    }
    for (size_t i = 0; i < 12; i++)
        before[i] = sim_server_connections(sim, i);
    sim_client_restart(sim, c); /* as after kill -9 */
    sim_run(sim, SPV_SECOND, NULL, NULL);
    for (size_t i = 0; i < 2; i++)
        if (sim_server_connections(sim, server[i]) != before[server[i]] + 1)
            sim_break(sim, "an anchor was not dialled at once");
    expect_tip(sim, c, &chain, 600);
}

static void anchors_are_dialled_again_after_a_restart(void **state)
{
    (void)state;
    scenario_run(restarted, &params);
}

static int invalidate_pow(void *ctx, struct spv_header *headers, int n,
                          const struct spv_msg_getheaders *request)
{
    (void)ctx;
    (void)request;
    if (n > 0)
        headers[n - 1].bits = 0x1d00ffff;
    return n;
}

static bool banned_one(struct sim *sim, void *ctx)
{
    (void)sim;
    return sim_client_events(ctx, SPV_EVENT_BANNED) > 0;
}

static void banned_over_restarts(struct sim *sim)
{
    const size_t bad = scenario_random(sim, 0, 4);
    for (size_t i = 0; i < 5; i++)
        sim_add_server(sim,
                       &(struct sim_server_config){.chain = i == bad ? &grown : &chain,
                                                   .answer = i == bad ? invalidate_pow : NULL});
    struct sim_client *c =
        sim_add_client(sim, &(struct sim_client_config){.peers = 5, .discover = true});
    if (sim_run(sim, 600 * SPV_SECOND, banned_one, c) == 0)
        sim_break(sim, "the misbehaving server was not banned");
    const uint64_t met = sim_server_connections(sim, bad);
    for (int i = 0; i < 3; i++) {
        sim_client_restart(sim, c);
        sim_run(sim, 6 * 3600 * SPV_SECOND, NULL, NULL);
        if (sim_server_connections(sim, bad) != met)
            sim_break(sim, "a banned peer was dialled after a restart");
    }
    sim_server(sim, bad)->answer = NULL; /* it stops misbehaving */
    sim_run(sim, 8 * 3600 * SPV_SECOND, NULL, NULL);
    if (sim_server_connections(sim, bad) == met)
        sim_break(sim, "the ban did not end");
    if (!scenario_on_tip(c, &grown))
        sim_break(sim, "its better chain was not accepted");
}

static void a_ban_survives_restarts_and_expires(void **state)
{
    (void)state;
    scenario_run(banned_over_restarts, &params);
}

/* ---- feelers ---- */

static void feelers(struct sim *sim)
{
    scenario_servers(sim, 10, &(struct sim_server_config){.chain = &chain});
    for (size_t i = 0; i < 2; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &chain, .listen = SIM_DROP});
    struct sim_client *c =
        sim_add_client(sim, &(struct sim_client_config){.peers = 2, .discover = true});
    expect_tip(sim, c, &chain, 600);
    const struct spv_node_stats stats = stats_of(c);
    if (stats.addresses_tried < 9 || stats.feelers < 7)
        sim_break(sim, "feelers did not promote what answers");
    if (stats.peers != 2 || sim_client_events(c, SPV_EVENT_CONNECTED) > 6)
        sim_break(sim, "a feeler was reported, or stayed connected");
}

static void feelers_promote_what_answers(void **state)
{
    (void)state;
    scenario_run(feelers, &params);
}

/* ---- sources ---- */

static void without_dns(struct sim *sim)
{
    scenario_servers(sim, 6, &(struct sim_server_config){.chain = &chain});
    struct sim_client *c = sim_add_client(
        sim, &(struct sim_client_config){.peers = 3, .discover = true, .dns_dead = true});
    sim_run(sim, 59 * SPV_SECOND, NULL, NULL);
    if (stats_of(c).addresses_new != 0)
        sim_break(sim, "the list was used while DNS might still answer");
    expect_tip(sim, c, &chain, 120);
}

static void the_list_is_used_when_dns_fails(void **state)
{
    (void)state;
    scenario_run(without_dns, &listed);
}

static void through_a_proxy(struct sim *sim)
{
    scenario_servers(sim, 6, &(struct sim_server_config){.chain = &chain});
    sim_add_server(
        sim, &(struct sim_server_config){
                 .chain = &chain, .name = "seed.sim.example", .gossip = honest, .n_gossip = 6});
    struct sim_client *c = sim_add_client(
        sim, &(struct sim_client_config){.peers = 3, .discover = true, .proxied = true});
    expect_tip(sim, c, &chain, 120);
    if (sim_client_lookups(c) != 0)
        sim_break(sim, "a name was looked up beside the proxy");
}

static void through_a_proxy_a_seed_is_dialled_without_a_dns_lookup(void **state)
{
    (void)state;
    scenario_run(through_a_proxy, &params);
}

/* Gossip alone: DNS returns one peer, which gossips the others. */
static void by_gossip(struct sim *sim)
{
    scenario_servers(sim, 6, &(struct sim_server_config){.chain = &grown});
    const size_t one = sim_add_server(
        sim, &(struct sim_server_config){
                 .chain = &chain, .name = "hub.sim", .gossip = honest, .n_gossip = 6});
    (void)one;
    struct sim_client *c =
        sim_add_client(sim, &(struct sim_client_config){
                                .peers = 4, .discover = true, .hub = "hub.sim", .dns_dead = true});
    expect_tip(sim, c, &grown, 600);
}

static void gossip_leads_from_one_peer_to_the_others(void **state)
{
    (void)state;
    scenario_run(by_gossip, &params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_of_addresses_from_one_group_changes_nothing),
        cmocka_unit_test(synced_takes_two_network_groups),
        cmocka_unit_test(anchors_are_dialled_again_after_a_restart),
        cmocka_unit_test(a_ban_survives_restarts_and_expires),
        cmocka_unit_test(feelers_promote_what_answers),
        cmocka_unit_test(the_list_is_used_when_dns_fails),
        cmocka_unit_test(through_a_proxy_a_seed_is_dialled_without_a_dns_lookup),
        cmocka_unit_test(gossip_leads_from_one_peer_to_the_others),
    };
    scenario_filter();
    return cmocka_run_group_tests(tests, prepare, put_away);
}
