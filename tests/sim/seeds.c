#include "seeds.h"

#include <stdio.h>

/* The seed that runs; 0: none. A failed assertion leaves the run by a jump, so it is told when the
 * next seeds run, or at exit. */
static uint64_t running;

static void tell_running(void)
{
    if (running)
        print_error("seed %llu: an assertion failed (SPV_SIM_SEED=%llu runs it alone)\n",
                    (unsigned long long)running, (unsigned long long)running);
    running = 0;
}

/* Returns the trace, or fails the test. */
static struct spv_buffer run(scenario_fn *scenario, const struct seeds_config *cfg, uint64_t seed)
{
    struct sim *sim = sim_new(&(struct sim_config){
        .seed = seed, .params = cfg->params, .reset_permille = cfg->reset_permille});
    struct spv_buffer trace;
    running = seed;
    scenario(sim);
    running = 0;
    const char *broken = sim_broken(sim);
    spv_buffer_init(&trace);
    spv_buffer_put(&trace, sim_trace(sim)->data, sim_trace(sim)->len);
    sim_free(sim);
    if (!seeds_are_many())
        fwrite(trace.data, 1, trace.len, stderr);
    if (broken) {
        spv_buffer_free(&trace);
        print_error("seed %llu: %s (SPV_SIM_SEED=%llu prints its trace)\n",
                    (unsigned long long)seed, broken, (unsigned long long)seed);
        fail();
    }
    return trace;
}

void seeds_run(scenario_fn *scenario, const struct seeds_config *cfg)
{
    static bool is_registered;
    const char *one = getenv("SPV_SIM_SEED"), *many = getenv("SPV_SIM_SEEDS");
    tell_running();
    if (!is_registered)
        atexit(tell_running);
    is_registered = true;
    const uint64_t first = one ? strtoull(one, NULL, 10) : 1;
    uint64_t n = many ? strtoull(many, NULL, 10) : cfg->n;
    if (one)
        n = 1;
    else if (cfg->divisor > 0 && n >= cfg->divisor)
        n /= cfg->divisor;
    print_message("seeds %llu..%llu\n", (unsigned long long)first,
                  (unsigned long long)(first + n - 1));
    for (uint64_t seed = first; seed < first + n; seed++) {
        struct spv_buffer trace = run(scenario, cfg, seed);
        if (cfg->again_every > 0 && (seed - first) % cfg->again_every == 0) {
            struct spv_buffer again = run(scenario, cfg, seed);
            if (trace.len != again.len || memcmp(trace.data, again.data, trace.len) != 0)
                fail_msg("seed %llu: the second run differs", (unsigned long long)seed);
            spv_buffer_free(&again);
        }
        spv_buffer_free(&trace);
    }
}

void seeds_run_one(scenario_fn *scenario, const struct seeds_config *cfg, uint64_t seed)
{
    if (!seeds_are_many())
        return;
    struct spv_buffer trace = run(scenario, cfg, seed);
    spv_buffer_free(&trace);
}

bool seeds_are_many(void)
{
    return !getenv("SPV_SIM_SEED");
}

void seeds_run_to_sync(struct sim *sim, struct sim_client *client, uint64_t seconds,
                       const struct sim_store *want)
{
    if (sim_run(sim, seconds * SPV_SECOND, sim_client_synced, client) == 0)
        sim_break(sim, "not synced in time");
    if (!spv_blockhash_eq(&sim_store_tip(sim_client_store(client))->hash,
                          &sim_store_tip(want)->hash))
        sim_break(sim, "the client ended on another tip");
}
