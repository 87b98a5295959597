#include "outbound_fixture.h"

struct spv_netaddr ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return (struct spv_netaddr){
        .network = SPV_ADDR_IPV4, .len = 4, .port = 38333, .bytes = {a, b, c, d}};
}

struct node_fixture *node_on(enum spv_network network, struct spv_node_config *cfg)
{
    cfg->params = spv_params_get(network);
    cfg->request_timeout_us = UINT64_C(1) << 40; /* this test does not depend on an answer */
    return node_fixture_new(cfg, 0);
}

void advance_clock(struct node_fixture *s, uint64_t us)
{
    s->now.mono_us += us;
    s->now.unix_s += (int64_t)(us / SPV_SECOND);
    node_fixture_timer(s);
}

size_t effects(const struct node_fixture *s, enum spv_effect_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += s->log[i].kind == kind;
    return n;
}

struct spv_node_stats stats_of(const struct node_fixture *s)
{
    struct spv_node_stats stats;
    spv_node_get_stats(s->node, &stats);
    return stats;
}

void resolve(struct node_fixture *s, const char *seed, const struct spv_netaddr *addrs, size_t n)
{
    struct spv_endpoint endpoint = {.port = 38333};
    (void)snprintf(endpoint.host, sizeof endpoint.host, "%s", seed);
    assert_int_equal(
        spv_node_resolved(s->node, &endpoint, n ? 0 : SPV_ERR_RESOLVE, addrs, n, s->now), 0);
    node_fixture_pull(s);
}

void add_known(struct node_fixture *s, unsigned n, uint8_t first)
{
    for (unsigned i = 0; i < n; i++) {
        char seed[20];
        const struct spv_netaddr a = ipv4((uint8_t)(first + i), 1, 1, 1);
        (void)snprintf(seed, sizeof seed, "x9.seed%u", i);
        resolve(s, seed, &a, 1);
    }
}

void gossip(struct node_fixture *s, uint64_t peer, enum spv_command form,
            const struct spv_addr_entry *entries, size_t n)
{
    const struct spv_msg msg = {.command = form, .u.addr = {.entries = entries, .n = n}};
    assert_int_equal(spv_node_recv(s->node, peer, &msg, s->now), 0);
    node_fixture_pull(s);
}

uint64_t connect_all(struct node_fixture *s)
{
    uint64_t last = 0;
    const struct spv_effect *e;
    while ((e = node_fixture_next(s, SPV_EFFECT_CONNECT))) {
        const struct spv_peer_stats info = {.ready = true, .version = 70016, .services = SERVICES};
        last = e->peer;
        assert_int_equal(spv_node_connected(s->node, last, &info, s->now), 0);
        node_fixture_pull(s);
    }
    return last;
}

const struct spv_effect *close_effect_of(struct node_fixture *s, uint64_t peer)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->log[i].kind == SPV_EFFECT_CLOSE && s->log[i].peer == peer)
            return &s->log[i];
    return NULL;
}
