/* A client's scan: filters are matched at once, or by another thread that takes some time, during
 * which the client goes on. */
#include <stdlib.h>

#include "spv/filter.h"
#include "support/sim/internal.h"

int sim_client_scan_begin(struct sim *sim, struct sim_client *c)
{
    const struct sim_client_config *cfg = &c->cfg;
    if (!cfg->scripts || cfg->wallet)
        return 0;
    return spv_node_scan(c->node, cfg->scripts, cfg->n_scripts,
                         cfg->scan_first != 0 ? cfg->scan_first : 1,
                         cfg->scan_last != 0 ? cfg->scan_last : UINT32_MAX, sim_client_now(sim, c));
}

void sim_client_scan_end(struct sim_client *c)
{
    spv_filter_matcher_free(c->matcher);
    c->matcher = NULL;
    sim_scan_log_free(&c->scan);
}

static void match(struct sim *sim, struct sim_client *c, const struct spv_match_filters_task *task)
{
    spv_filter_matcher_free(c->matcher);
    if (spv_filter_matcher_new(&c->matcher, task->query) < 0)
        abort();
    spv_filter_match_list(c->matcher, task->results, task->filters, task->n);
    sim_note(sim, "client %zu matches %zu filters", c->index, task->n);
}

static void keep(struct sim *sim, struct sim_client *c, const struct spv_keep_filters_task *task)
{
    if (c->cfg.keep_filters == 0)
        sim_break(sim, "filters are to be kept that nobody wanted");
    for (size_t i = 0; i < task->n; i++) {
        const struct spv_bytes filter = {task->filters[i].bytes, task->filters[i].n};
        const char *wrong =
            sim_filter_store_keep(&c->filters, task->heights[i], &filter, c->cfg.keep_filters);
        if (wrong)
            sim_break(sim, wrong);
    }
}

static void report(struct sim *sim, struct sim_client *c, const struct spv_scan_event *event)
{
    static const char *const names[] = {
        [SPV_SCAN_FOUND] = "match", [SPV_SCAN_ROLLED_BACK] = "undone", [SPV_SCAN_DONE] = "done"};
    const char *wrong = sim_scan_log_event(&c->scan, event);
    sim_note(sim, "client %zu scan %s %lu", c->index, names[event->kind],
             (unsigned long)event->height);
    if (event->kind == SPV_SCAN_FOUND &&
        (event->height >= c->store.n ||
         !spv_blockhash_eq(&c->store.at[event->height].hash, &event->hash)))
        wrong = "a match of a block that is not on the best chain";
    if (wrong)
        sim_break(sim, wrong);
}

void sim_client_scan_effect(struct sim *sim, struct sim_client *c, const struct spv_effect *effect)
{
    if (effect->kind == SPV_EFFECT_MATCH_FILTERS) {
        match(sim, c, &effect->match);
        const uint64_t most = c->cfg.match_delay_us;
        struct sim_event *e =
            sim_push(sim, most > 0 ? test_random_below(&sim->random, most + 1) : 0, SIM_MATCHED);
        e->client = c->index;
        e->epoch = c->epoch;
    } else if (effect->kind == SPV_EFFECT_KEEP_FILTERS) {
        keep(sim, c, &effect->keep);
    } else {
        report(sim, c, &effect->scan);
    }
}

const struct sim_scan_log *sim_client_scan(const struct sim_client *c)
{
    return &c->scan;
}
