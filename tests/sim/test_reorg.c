/* Deep reorganisations: a better branch causes one chain update and one event, in however many
 * messages it arrives; equal or less work causes none. The chains are long, so the seeds are
 * few: SPV_SIM_DEEP_SEEDS (default 2). */
#include "scenario_fixture.h"

#define TRUNK 200
#define DEEP 5000 /* within the limit of side branches */
#define DEEPER 20000 /* beyond it: the branch needs PRESYNC and REDOWNLOAD */

static struct sim_store best, rival; /* they fork at TRUNK; rival is one header longer */
static struct sim_store equal; /* the length of best, but other headers */
static struct sim_store far_best, far_rival;

static int mine_chains(void **state)
{
    const struct spv_params *regtest = spv_params_get(SPV_REGTEST);
    const char *seeds = getenv("SPV_SIM_DEEP_SEEDS");
    (void)state;
    setenv("SPV_SIM_SEEDS", seeds ? seeds : "2", 1);
    sim_store_mine(&best, regtest, TRUNK + DEEP, 1);
    sim_store_fork(&rival, &best, TRUNK, DEEP + 1, 2);
    sim_store_fork(&equal, &best, TRUNK, DEEP, 3);
    sim_store_mine(&far_best, regtest, TRUNK + DEEPER, 4);
    sim_store_fork(&far_rival, &far_best, TRUNK, DEEPER + 1, 5);
    return 0;
}

static int free_chains(void **state)
{
    (void)state;
    sim_store_free(&best);
    sim_store_free(&rival);
    sim_store_free(&equal);
    sim_store_free(&far_best);
    sim_store_free(&far_rival);
    return 0;
}

static struct sim_client *synced_on(struct sim *sim, struct sim_store *chain)
{
    scenario_servers(sim, 2, &(struct sim_server_config){.chain = chain});
    struct sim_client *client = sim_add_client(
        sim, &(struct sim_client_config){.checkpoint_mode = SPV_CHECKPOINTS_IGNORED});
    if (sim_run(sim, 600 * SPV_SECOND, sim_client_synced, client) == 0 ||
        !scenario_on_tip(client, chain))
        sim_break(sim, "not synced in time");
    return client;
}

struct target {
    struct sim_client *client;
    const struct sim_store *store;
};

static bool there(struct sim *sim, void *ctx)
{
    const struct target *t = ctx;
    (void)sim;
    return scenario_on_tip(t->client, t->store);
}

static void replaced(struct sim *sim, struct sim_store *from, struct sim_store *to, bool restart)
{
    struct sim_client *client = synced_on(sim, from);
    struct target target = {client, to};
    sim_server_announce(sim, 0, to);
    sim_server_announce(sim, 1, to);
    if (restart) {
        sim_run(sim, scenario_random(sim, 100, 1500) * (SPV_SECOND / 1000), NULL, NULL);
        sim_client_restart(sim, client);
    }
    if (sim_run(sim, 1800 * SPV_SECOND, there, &target) == 0)
        sim_break(sim, "the better branch was not accepted");
    if (!sim_broken(sim))
        sim_run(sim, 1800 * SPV_SECOND, NULL, NULL);
    if (!there(sim, &target))
        sim_break(sim, "the better branch was left");
    if (sim_client_events(client, SPV_EVENT_REORG) != 1)
        sim_break(sim, "not one reorganisation, one event");
    if (sim_client_events(client, SPV_EVENT_BANNED) != 0)
        sim_break(sim, "a server was banned");
    if (!restart && sim_client_events(client, SPV_EVENT_SYNCED) != 1)
        sim_break(sim, "synced changed back and forth");
}

static void deep(struct sim *sim)
{
    replaced(sim, &best, &rival, false);
}

static void a_reorganisation_5000_deep_over_several_messages_is_one_event(void **state)
{
    (void)state;
    scenario_run(deep, NULL);
}

static void deeper(struct sim *sim)
{
    replaced(sim, &far_best, &far_rival, false);
}

static void a_reorganisation_20000_deep_needs_a_redownload_and_is_one_event(void **state)
{
    (void)state;
    scenario_run(deeper, NULL);
}

static void deep_restarted(struct sim *sim)
{
    replaced(sim, &best, &rival, true);
}

static void deeper_restarted(struct sim *sim)
{
    replaced(sim, &far_best, &far_rival, true);
}

static void a_restart_in_the_middle_of_a_reorganisation_loses_nothing(void **state)
{
    (void)state;
    scenario_run(deep_restarted, NULL);
    scenario_run(deeper_restarted, NULL);
}

/* Branches with the same work, announced alternately: the first seen stays, and no event is
 * emitted. */
static void flapping(struct sim *sim)
{
    struct sim_client *client = synced_on(sim, &best);
    for (unsigned i = 0; i < 6 && !sim_broken(sim); i++) {
        sim_server_announce(sim, i % 2, i % 4 < 2 ? &equal : &best);
        sim_run(sim, 20 * SPV_SECOND, NULL, NULL);
    }
    sim_run(sim, 1300 * SPV_SECOND, NULL, NULL); /* and when every peer is queried again */
    if (!scenario_on_tip(client, &best))
        sim_break(sim, "a tie was followed");
    if (sim_client_events(client, SPV_EVENT_REORG) + sim_client_events(client, SPV_EVENT_BEHIND) +
            sim_client_events(client, SPV_EVENT_BANNED) !=
        0)
        sim_break(sim, "a reorganisation between equal branches was reported");
    if (sim_client_events(client, SPV_EVENT_SYNCED) != 1)
        sim_break(sim, "synced changed back and forth");
}

static void flapping_of_equal_work_is_no_event_at_all(void **state)
{
    (void)state;
    scenario_run(flapping, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reorganisation_5000_deep_over_several_messages_is_one_event),
        cmocka_unit_test(a_reorganisation_20000_deep_needs_a_redownload_and_is_one_event),
        cmocka_unit_test(a_restart_in_the_middle_of_a_reorganisation_loses_nothing),
        cmocka_unit_test(flapping_of_equal_work_is_no_event_at_all),
    };
    scenario_filter();
    return cmocka_run_group_tests_name("sim: reorganisations", tests, mine_chains, free_chains);
}
