#include "wallet_scenario.h"

#include "seeds.h"

#define MAX_DEPTH 20

/* What points into the scenario is used until the simulation is freed: this is the last one's. */
static struct wallet_scenario *last;

static void keep(struct wallet_scenario *s)
{
    if (last) {
        wallet_client_free(&last->client);
        wallet_chain_free(&last->chain);
        free(last);
    }
    last = s;
}

void wallet_scenario_free_last(void)
{
    keep(NULL);
}

struct wallet_scenario *wallet_scenario_begin(struct sim *sim)
{
    struct wallet_scenario *s = calloc(1, sizeof *s);
    static const uint32_t lookaheads[] = {0, 1, 5, WALLET_WIDE, WALLET_WIDE};

    assert_non_null(s);
    wallet_chain_init(&s->chain, test_random_next(sim_random(sim)));
    wallet_client_init(&s->client, sim, &s->chain,
                       lookaheads[wallet_chain_below(&s->chain, COUNT(lookaheads))]);
    wallet_chain_grow(&s->chain, 0, 1 + (uint32_t)wallet_chain_below(&s->chain, 60));
    keep(s);
    return s;
}

void wallet_scenario_add_servers(struct wallet_scenario *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sim_add_server(s->client.sim,
                       &(struct sim_server_config){.filters.blocks = wallet_chain_best(&s->chain),
                                                   .services = WALLET_SERVICES});
    s->servers = n;
}

static void announce(struct wallet_scenario *s)
{
    for (size_t i = 0; i < s->servers; i++)
        sim_server_announce_blocks(s->client.sim, i, wallet_chain_best(&s->chain));
}

void wallet_scenario_run(struct wallet_scenario *s, uint64_t us)
{
    if (!sim_broken(s->client.sim))
        sim_run(s->client.sim, us, NULL, NULL);
}

void wallet_scenario_end(struct wallet_scenario *s)
{
    struct sim *sim = s->client.sim;

    if (!sim_broken(sim) && sim_run(sim, 3600 * SPV_SECOND, wallet_client_done, &s->client) == 0)
        sim_break(sim, "the wallet was not scanned in time");
    if (!sim_broken(sim))
        wallet_client_check(&s->client);
    for (size_t i = 0; i < s->servers; i++)
        if (sim_server_filter_counts(sim, i).closed > 0)
            sim_break(sim, "a request was one that Bitcoin Core closes on");
}

void wallet_scenario_grow(struct wallet_scenario *s, uint32_t depth, uint32_t n)
{
    if (wallet_chain_is_full(&s->chain))
        return;
    wallet_chain_grow(&s->chain, depth, n);
    announce(s);
}

void wallet_scenario_act(struct wallet_scenario *s)
{
    struct wallet_chain *w = &s->chain;
    const uint32_t tip = w->m.height, most = tip < MAX_DEPTH ? tip : MAX_DEPTH;
    const uint64_t what = wallet_chain_below(w, 100);

    if (what < 45) {
        wallet_scenario_grow(s, 0, 1 + (uint32_t)wallet_chain_below(w, 4));
    } else if (what < 65) {
        const uint32_t depth = (uint32_t)wallet_chain_below(w, most + 1);
        wallet_scenario_grow(s, depth, depth + 1 + (uint32_t)wallet_chain_below(w, 3));
    } else if (what < 80) {
        wallet_client_reserve_index(&s->client, (uint32_t)wallet_chain_below(w, 2));
    } else if (what < 88) {
        wallet_client_watch_late(&s->client);
    } else if (what < 94) {
        sim_client_restart(s->client.sim, s->client.client);
    }
}

void wallet_scenario_act_many(struct wallet_scenario *s)
{
    for (uint64_t steps = 5 + wallet_chain_below(&s->chain, 20); steps > 0; steps--) {
        wallet_scenario_run(s, wallet_chain_below(&s->chain, 12 * SPV_SECOND));
        if (!sim_broken(s->client.sim))
            wallet_scenario_act(s);
    }
}
