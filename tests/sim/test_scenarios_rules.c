/* Scenarios: chains that break a consensus rule of headers. One of four servers has such a
 * chain, longer than the honest one and often with more work. scenario_fixture.h has the table. */
#include "scenario_fixture.h"

#define SERVERS 4

static struct spv_params retarget_params, warped;
static struct sim_store retarget_chain, warped_chain;

static int mine_chains(void **state)
{
    (void)state;
    retarget_params = scenario_params(false);
    warped = scenario_params(true);
    scenario_mine(&retarget_chain, &retarget_params, 1);
    scenario_mine(&warped_chain, &warped, 2);
    return 0;
}

static int free_chains(void **state)
{
    (void)state;
    sim_store_free(&retarget_chain);
    sim_store_free(&warped_chain);
    return 0;
}

/* Three honest servers and, at a random index, one that serves `forged`. The client must end on
 * the honest chain and must have banned that server. */
static void one_misbehaving(struct sim *sim, struct sim_store *honest, struct sim_store *forged)
{
    const size_t at = scenario_random(sim, 0, SERVERS - 1);
    for (size_t i = 0; i < SERVERS; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = i == at ? forged : honest});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
    scenario_check(
        sim, &(struct scenario_expected){
                 .client = client, .want = honest, .misbehaving = 1u << at, .all_banned = true});
}

/* ---- difficulty dropped at a period's edge ---- */

static void drop_difficulty(void *ctx, struct spv_header *header, uint32_t i)
{
    struct sim *sim = ctx;
    if (i != 0)
        return;
    switch (scenario_random(sim, 0, 2)) {
    case 0: /* to the minimum */
        header->bits = 0x207fffff;
        break;
    case 1: /* as if the clamp were wider */
        header->bits = (header->bits & 0x00ffffff) | ((header->bits >> 24) + 1) << 24;
        if (header->bits > 0x207fffff)
            header->bits = 0x207fffff;
        break;
    default: /* by the smallest possible step */
        header->bits++;
    }
}

static void difficulty_drop(struct sim *sim)
{
    const uint32_t edge = SCENARIO_INTERVAL * scenario_random(sim, 3, 12);
    struct sim_store forged;
    sim_store_fork(&forged, &retarget_chain, edge - 1, 0, 0);
    sim_store_forge(&forged, SCENARIO_LENGTH, test_random_next(sim_random(sim)), drop_difficulty,
                    sim);
    one_misbehaving(sim, &retarget_chain, &forged);
    sim_store_free(&forged);
}

static void difficulty_dropped_at_a_retarget_is_misbehaving(void **state)
{
    (void)state;
    scenario_run(difficulty_drop, &retarget_params);
}

/* ---- bits that encode no target ---- */

static uint32_t bad_bits;

static void set_bits(void *ctx, struct spv_header *header, uint32_t i)
{
    const uint32_t *at = ctx;
    if (i == *at)
        header->bits = bad_bits;
}

static void bits(struct sim *sim)
{
    uint32_t at = scenario_random(sim, 0, 30);
    const uint32_t fork = scenario_random(sim, 0, SCENARIO_LENGTH - at - 1);
    struct sim_store forged; /* its valid part has less work than the honest chain */
    sim_store_fork(&forged, &retarget_chain, fork, 0, 0);
    sim_store_forge(&forged, SCENARIO_LENGTH, test_random_next(sim_random(sim)), set_bits, &at);
    one_misbehaving(sim, &retarget_chain, &forged);
    sim_store_free(&forged);
}

static void negative_bits_are_misbehaving(void **state)
{
    (void)state;
    bad_bits = 0x1d80ffff;
    scenario_run(bits, &retarget_params);
}

static void zero_bits_are_misbehaving(void **state)
{
    (void)state;
    bad_bits = 0x1d000000;
    scenario_run(bits, &retarget_params);
    bad_bits = 0;
    scenario_run(bits, &retarget_params);
}

static void overflowing_bits_are_misbehaving(void **state)
{
    (void)state;
    bad_bits = 0xff123456;
    scenario_run(bits, &retarget_params);
}

static void bits_above_the_limit_are_misbehaving(void **state)
{
    (void)state;
    bad_bits = 0x2100ffff;
    scenario_run(bits, &retarget_params);
}

/* ---- times ---- */

struct time_warp_ctx {
    const struct sim_store *store;
    uint32_t first; /* i of a period's first header */
};

/* The last header of a period is an hour and a half ahead of time, the next one is back at the
 * median: on testnet4 this could lower the difficulty repeatedly. */
static void warp_time(void *ctx, struct spv_header *header, uint32_t i)
{
    const struct time_warp_ctx *w = ctx;
    const struct spv_chain_header *tip = sim_store_tip(w->store);
    if (i + 1 == w->first) {
        header->time = tip->header.time + 5400;
        header->bits = w->store->params->pow_limit_bits; /* its time is ahead of the spacing */
    } else if (i == w->first) {
        header->time = tip->header.time - 601;
    }
}

static void time_warp(struct sim *sim)
{
    const uint32_t edge = SCENARIO_INTERVAL * scenario_random(sim, 3, 12);
    const uint32_t fork = edge - scenario_random(sim, 2, 20);
    struct sim_store forged;
    struct time_warp_ctx w = {.store = &forged, .first = edge - fork - 1};
    sim_store_fork(&forged, &warped_chain, fork, 0, 0);
    sim_store_forge(&forged, SCENARIO_LENGTH, test_random_next(sim_random(sim)), warp_time, &w);
    one_misbehaving(sim, &warped_chain, &forged);
    sim_store_free(&forged);
}

static void a_time_warp_is_misbehaving(void **state)
{
    (void)state;
    scenario_run(time_warp, &warped);
}

struct backdate_ctx {
    const struct sim_store *store;
    uint32_t at;
};

/* With ten minutes between headers, the median of the last eleven is the sixth. */
static void backdate(void *ctx, struct spv_header *header, uint32_t i)
{
    const struct backdate_ctx *b = ctx;
    const struct spv_chain_header *tip = sim_store_tip(b->store);
    if (i == b->at)
        header->time = b->store->at[tip->height - 5].header.time;
}

static void median(struct sim *sim)
{
    struct sim_store forged;
    struct backdate_ctx b = {.store = &forged, .at = scenario_random(sim, 0, 40)};
    const uint32_t fork = scenario_random(sim, 20, SCENARIO_LENGTH - b.at - 1);
    sim_store_fork(&forged, &retarget_chain, fork, 0, 0);
    sim_store_forge(&forged, SCENARIO_LENGTH, test_random_next(sim_random(sim)), backdate, &b);
    one_misbehaving(sim, &retarget_chain, &forged);
    sim_store_free(&forged);
}

static void a_time_not_after_the_median_is_misbehaving(void **state)
{
    (void)state;
    scenario_run(median, &retarget_params);
}

#define AHEAD 10800 /* three hours */

static void speed_up(void *ctx, struct spv_header *header, uint32_t i)
{
    (void)ctx;
    if (i == 0)
        header->time = SIM_UNIX + AHEAD;
}

static bool adopted(struct sim *sim, void *ctx)
{
    const struct scenario_expected *e = ctx;
    (void)sim;
    return scenario_on_tip(e->client, e->want);
}

static void future(struct sim *sim)
{
    const size_t at = scenario_random(sim, 0, SERVERS - 1);
    struct sim_store forged;
    sim_store_fork(&forged, &retarget_chain, SCENARIO_LENGTH, 0, 0);
    sim_store_forge(&forged, scenario_random(sim, 1, 5), test_random_next(sim_random(sim)),
                    speed_up, NULL);
    for (size_t i = 0; i < SERVERS; i++)
        sim_add_server(sim,
                       &(struct sim_server_config){.chain = i == at ? &forged : &retarget_chain});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
    struct scenario_expected e = {.client = client, .want = &retarget_chain};
    /* The header's time is too far in the future. It may become valid later, so no peer
     * misbehaves. */
    if (sim_run(sim, 3000 * SPV_SECOND, NULL, NULL) == 0 &&
        !scenario_on_tip(client, &retarget_chain))
        sim_break(sim, "a header from the future was accepted, or the honest chain was not");
    if (!sim_broken(sim) && !sim_client_synced(sim, client))
        sim_break(sim, "a header from the future delayed SYNCED");
    /* Two hours before its time the header is valid and has the most work. Its successors are
     * ten minutes apart each. */
    e.want = &forged;
    const uint64_t wait = AHEAD - SPV_MAX_FUTURE_S + 600 * 5 + 1200;
    if (sim_run(sim, wait * SPV_SECOND, adopted, &e) == 0)
        sim_break(sim, "deferred headers were not accepted when they became valid");
    scenario_check(sim, &e);
    sim_store_free(&forged);
}

static void far_future_headers_are_not_misbehaving_and_accepted_later(void **state)
{
    (void)state;
    scenario_run(future, &retarget_params);
}

/* ---- checkpoints ---- */

#define STARTS 3 /* checkpoints: the ends of periods, like the built-in ones */

static void make_checkpoints(struct spv_checkpoint out[STARTS], uint32_t first)
{
    for (uint32_t i = 0; i < STARTS; i++) {
        const struct spv_chain_header *end = &retarget_chain.at[first + i * SCENARIO_INTERVAL];
        out[i] =
            (struct spv_checkpoint){.height = end->height, .hash = end->hash, .work = end->work};
    }
}

/* The first header that is requested after a start at a checkpoint is a retarget. Its bits must
 * be checked, though the client has no headers before the period below. */
static void drop_after_start(struct sim *sim)
{
    struct spv_checkpoint checkpoints[STARTS];
    struct sim_store forged;
    make_checkpoints(checkpoints, SCENARIO_INTERVAL * scenario_random(sim, 3, 8) - 1);
    const uint32_t start = checkpoints[STARTS - 1].height;
    const size_t at = scenario_random(sim, 0, SERVERS - 1);
    sim_store_fork(&forged, &retarget_chain, start, 0, 0);
    sim_store_forge(&forged, SCENARIO_LENGTH, test_random_next(sim_random(sim)), drop_difficulty,
                    sim);
    for (size_t i = 0; i < SERVERS; i++)
        sim_add_server(sim,
                       &(struct sim_server_config){.chain = i == at ? &forged : &retarget_chain});
    struct sim_client *client = sim_add_client(
        sim, &(struct sim_client_config){
                 .checkpoints = checkpoints, .n_checkpoints = STARTS, .start_height = start});
    scenario_check(sim, &(struct scenario_expected){.client = client,
                                                    .want = &retarget_chain,
                                                    .misbehaving = 1u << at,
                                                    .all_banned = true});
    const struct sim_store *stored = sim_client_store(client);
    if (!sim_broken(sim) && stored->base != start + 1 - SCENARIO_INTERVAL)
        sim_break(sim, "the chain did not start a period below the checkpoint");
    if (!sim_broken(sim) &&
        spv_u256_cmp(&sim_store_tip(stored)->work, &sim_store_tip(&retarget_chain)->work) != 0)
        sim_break(sim, "the work below the start is not counted");
    sim_store_free(&forged);
}

static void difficulty_dropped_after_a_checkpoint_start_is_misbehaving(void **state)
{
    (void)state;
    scenario_run(drop_after_start, &retarget_params);
}

static void fork_below_checkpoint(struct sim *sim)
{
    const size_t at = scenario_random(sim, 0, SERVERS - 1);
    struct spv_checkpoint checkpoints[3] = {{0}};
    struct sim_store forged;
    for (uint32_t i = 0; i < COUNT(checkpoints); i++) {
        checkpoints[i].height = SCENARIO_INTERVAL * 3 * (i + 1) - 1;
        checkpoints[i].hash = retarget_chain.at[checkpoints[i].height].hash;
    }
    /* valid by every other rule, and with more work */
    sim_store_fork(&forged, &retarget_chain,
                   scenario_random(sim, 0, checkpoints[COUNT(checkpoints) - 1].height - 1), 0, 0);
    sim_store_grow(&forged, SCENARIO_LENGTH + 20, 0, test_random_next(sim_random(sim)));
    for (size_t i = 0; i < SERVERS; i++)
        sim_add_server(sim,
                       &(struct sim_server_config){.chain = i == at ? &forged : &retarget_chain});
    struct sim_client *client =
        sim_add_client(sim, &(struct sim_client_config){.checkpoints = checkpoints,
                                                        .n_checkpoints = COUNT(checkpoints)});
    scenario_check(sim, &(struct scenario_expected){.client = client,
                                                    .want = &retarget_chain,
                                                    .misbehaving = 1u << at,
                                                    .all_banned = true});
    sim_store_free(&forged);
}

static void a_fork_below_a_checkpoint_is_misbehaving(void **state)
{
    (void)state;
    scenario_run(fork_below_checkpoint, &retarget_params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(difficulty_dropped_at_a_retarget_is_misbehaving),
        cmocka_unit_test(difficulty_dropped_after_a_checkpoint_start_is_misbehaving),
        cmocka_unit_test(negative_bits_are_misbehaving),
        cmocka_unit_test(zero_bits_are_misbehaving),
        cmocka_unit_test(overflowing_bits_are_misbehaving),
        cmocka_unit_test(bits_above_the_limit_are_misbehaving),
        cmocka_unit_test(a_time_warp_is_misbehaving),
        cmocka_unit_test(a_time_not_after_the_median_is_misbehaving),
        cmocka_unit_test(far_future_headers_are_not_misbehaving_and_accepted_later),
        cmocka_unit_test(a_fork_below_a_checkpoint_is_misbehaving),
    };
    scenario_filter();
    return cmocka_run_group_tests_name("sim: scenarios, rules", tests, mine_chains, free_chains);
}
