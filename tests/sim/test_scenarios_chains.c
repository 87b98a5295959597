/* Scenarios: branches and floods. scenario_fixture.h has the table. */
#include "scenario_fixture.h"

#define LENGTH 4100 /* headers: three answers */
#define CHECKPOINT_EVERY 500 /* headers between checkpoints, in simulations with checkpoints */
#define FORKS 40 /* more than the chain keeps in memory */

static struct sim_store chain; /* regtest */
static struct spv_checkpoint checkpoints[LENGTH / CHECKPOINT_EVERY - 1];
static struct sim_store foreign; /* no header of the client is its parent */
static struct sim_store forks[FORKS]; /* fork from the chain near its tip and have less work */

static int mine_chains(void **state)
{
    (void)state;
    struct spv_params elsewhere = scenario_params(false);
    sim_store_mine(&chain, spv_params_get(SPV_REGTEST), LENGTH, 1);
    scenario_checkpoints(checkpoints, COUNT(checkpoints), &chain, CHECKPOINT_EVERY);
    sim_store_mine(&foreign, &elsewhere, 2000, 4);
    for (uint32_t i = 0; i < FORKS; i++)
        sim_store_fork(&forks[i], &chain, LENGTH - 2 * FORKS + i, 1 + i, 100 + i);
    return 0;
}

static int free_chains(void **state)
{
    (void)state;
    sim_store_free(&chain);
    sim_store_free(&foreign);
    for (size_t i = 0; i < FORKS; i++)
        sim_store_free(&forks[i]);
    return 0;
}

/* ---- branches ---- */

/* The better branch arrives while the client is on the other one, and has less work during the
 * first two messages. */
static void late_winner(struct sim *sim)
{
    struct sim_store rival;
    sim_store_fork(&rival, &chain, scenario_random(sim, 0, 60),
                   LENGTH + scenario_random(sim, 1, 50), test_random_next(sim_random(sim)));
    const size_t at = scenario_random(sim, 0, 3);
    for (size_t i = 0; i < 4; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = i == at ? &rival : &chain,
                                                        .listen = i == at ? SIM_REFUSE : SIM_OPEN});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
    if (sim_run(sim, 600 * SPV_SECOND, sim_client_synced, client) == 0)
        sim_break(sim, "not synced in time");
    sim_server(sim, at)->listen = SIM_OPEN;
    scenario_check(sim, &(struct scenario_expected){.client = client, .want = &rival});
    if (!sim_broken(sim) && sim_client_events(client, SPV_EVENT_REORG) != 1)
        sim_break(sim, "not exactly one reorganisation was reported");
    sim_store_free(&rival);
}

static void a_branch_that_wins_after_several_messages_is_one_reorg(void **state)
{
    (void)state;
    scenario_run(late_winner, NULL);
}

struct switch_branches {
    struct sim_store left, right;
    unsigned n_left;
};

static void switch_branches(struct sim *sim, void *ctx)
{
    struct switch_branches *f = ctx;
    for (size_t i = 0; i < sim_servers(sim); i++)
        sim_server_announce(sim, i, scenario_random(sim, 0, 1) != 0 ? &f->left : &f->right);
    if (f->n_left-- > 0)
        sim_after(sim, scenario_random(sim, 1, 60) * SPV_SECOND, switch_branches, f);
}

static void equal_branches(struct sim *sim)
{
    const uint32_t fork = scenario_random(sim, LENGTH - 20, LENGTH - 1);
    struct switch_branches f = {.n_left = 30};
    sim_store_fork(&f.left, &chain, fork, 20, test_random_next(sim_random(sim)));
    sim_store_fork(&f.right, &chain, fork, 20, test_random_next(sim_random(sim)));
    for (size_t i = 0; i < 4; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = i % 2 != 0 ? &f.left : &f.right});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
    if (sim_run(sim, 600 * SPV_SECOND, sim_client_synced, client) == 0)
        sim_break(sim, "not synced in time");
    const struct sim_store *first = scenario_on_tip(client, &f.left) ? &f.left : &f.right;
    sim_after(sim, SPV_SECOND, switch_branches, &f);
    scenario_check(sim, &(struct scenario_expected){.client = client, .want = first});
    if (!sim_broken(sim) && sim_client_events(client, SPV_EVENT_REORG) != 0)
        sim_break(sim, "a branch of equal work replaced the first seen");
    sim_store_free(&f.left);
    sim_store_free(&f.right);
}

static void of_branches_with_equal_work_the_first_seen_stays(void **state)
{
    (void)state;
    scenario_run(equal_branches, NULL);
}

/* ---- floods ---- */

struct flood {
    size_t server;
    unsigned n_left;
    void (*push_round)(struct sim *sim, const struct flood *f);
};

static void keep_flooding(struct sim *sim, void *ctx)
{
    struct flood *f = ctx;
    f->push_round(sim, f);
    if (f->n_left-- > 0)
        sim_after(sim, scenario_random(sim, 10, 2000) * (SPV_SECOND / 1000), keep_flooding, f);
}

static void push_part(struct sim *sim, const struct flood *f, const struct sim_store *store)
{
    static struct spv_header part[SPV_MAX_HEADERS];
    const uint32_t most = scenario_random(sim, 0, 9) == 0 ? SPV_MAX_HEADERS : 10;
    const uint32_t from = scenario_random(sim, 1, (uint32_t)store->n - 1);
    uint32_t n = scenario_random(sim, 1, most);
    if (n > store->n - from)
        n = (uint32_t)store->n - from;
    for (uint32_t i = 0; i < n; i++)
        part[i] = store->at[from + i].header;
    sim_server_push(sim, f->server, part, n);
}

/* In half of the simulations the client has checkpoints and downloads segments. */
static struct sim_client *add_client(struct sim *sim)
{
    struct sim_client_config cfg = {0};
    if (scenario_random(sim, 0, 1) != 0)
        cfg = (struct sim_client_config){.checkpoints = checkpoints,
                                         .n_checkpoints = COUNT(checkpoints)};
    return sim_add_client(sim, &cfg);
}

static void flooded(struct sim *sim, void (*push_round)(struct sim *sim, const struct flood *f),
                    unsigned waves)
{
    struct flood f = {
        .server = scenario_random(sim, 0, 3), .n_left = waves, .push_round = push_round};
    scenario_servers(sim, 4, &(struct sim_server_config){.chain = &chain});
    struct sim_client *client = add_client(sim);
    sim_after(sim, scenario_random(sim, 0, 2000) * (SPV_SECOND / 1000), keep_flooding, &f);
    scenario_check(sim, &(struct scenario_expected){.client = client, .want = &chain});
    if (!sim_broken(sim) && f.n_left + 1 != 0)
        sim_break(sim, "the flood did not end");
}

static void orphans(struct sim *sim, const struct flood *f)
{
    push_part(sim, f, &foreign);
}

static void orphan_flood(struct sim *sim)
{
    flooded(sim, orphans, 200);
}

static void a_flood_of_orphans_changes_nothing(void **state)
{
    (void)state;
    scenario_run(orphan_flood, NULL);
}

static void push_known(struct sim *sim, const struct flood *f)
{
    push_part(sim, f, &chain);
}

static void unsolicited_flood(struct sim *sim)
{
    flooded(sim, push_known, 200);
}

static void a_flood_of_unsolicited_headers_changes_nothing(void **state)
{
    (void)state;
    scenario_run(unsolicited_flood, NULL);
}

static void branches(struct sim *sim, const struct flood *f)
{
    const struct sim_store *fork = &forks[scenario_random(sim, 0, FORKS - 1)];
    struct spv_header part[FORKS];
    size_t n = 0;
    for (uint32_t h = 0; h < fork->n; h++)
        if (!spv_blockhash_eq(&fork->at[h].hash, &chain.at[h].hash))
            part[n++] = fork->at[h].header;
    sim_server_push(sim, f->server, part, n);
}

static void branch_flood(struct sim *sim)
{
    flooded(sim, branches, 200);
}

static void a_flood_of_side_branches_changes_nothing(void **state)
{
    (void)state;
    scenario_run(branch_flood, NULL);
}

/* ---- answers out of order ---- */

/* The same 2,000 headers for every request. */
static int repeat(void *ctx, struct spv_header *headers, int n,
                  const struct spv_msg_getheaders *request)
{
    (void)ctx;
    (void)n;
    (void)request;
    for (uint32_t i = 0; i < SPV_MAX_HEADERS; i++)
        headers[i] = chain.at[1 + i].header;
    return SPV_MAX_HEADERS;
}

static void repeats(struct sim *sim)
{
    const size_t at = scenario_random(sim, 0, 3);
    for (size_t i = 0; i < 4; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &chain,
                                                        .claim = i == at ? LENGTH + 1 : 0,
                                                        .answer = i == at ? repeat : NULL});
    struct sim_client *client = add_client(sim);
    scenario_check(sim, &(struct scenario_expected){.client = client, .want = &chain});
}

static void repeated_headers_change_nothing(void **state)
{
    (void)state;
    scenario_run(repeats, NULL);
}

static int shuffle(void *ctx, struct spv_header *headers, int n,
                   const struct spv_msg_getheaders *request)
{
    struct sim *sim = ctx;
    (void)request;
    if (n >= 3) { /* the first connects, so the test shows that the others were ignored */
        const uint32_t at = scenario_random(sim, 1, (uint32_t)n - 2);
        const struct spv_header x = headers[at];
        headers[at] = headers[at + 1];
        headers[at + 1] = x;
    }
    return n;
}

static uint64_t bans; /* sum over all simulations of a test */

static void out_of_order(struct sim *sim)
{
    const size_t at = scenario_random(sim, 0, 3);
    for (size_t i = 0; i < 4; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &chain,
                                                        .claim = i == at ? LENGTH + 1 : 0,
                                                        .answer = i == at ? shuffle : NULL,
                                                        .ctx = sim});
    struct sim_client *client = add_client(sim);
    scenario_check(sim, &(struct scenario_expected){
                            .client = client, .want = &chain, .misbehaving = 1u << at});
    bans += sim_server_bans(sim, at);
}

static void headers_out_of_order_are_misbehaving(void **state)
{
    (void)state;
    bans = 0;
    scenario_run(out_of_order, NULL);
    if (seeds_are_many())
        assert_true(bans > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_branch_that_wins_after_several_messages_is_one_reorg),
        cmocka_unit_test(of_branches_with_equal_work_the_first_seen_stays),
        cmocka_unit_test(a_flood_of_orphans_changes_nothing),
        cmocka_unit_test(a_flood_of_unsolicited_headers_changes_nothing),
        cmocka_unit_test(a_flood_of_side_branches_changes_nothing),
        cmocka_unit_test(repeated_headers_change_nothing),
        cmocka_unit_test(headers_out_of_order_are_misbehaving),
    };
    scenario_filter();
    return cmocka_run_group_tests_name("sim: scenarios, chains", tests, mine_chains, free_chains);
}
