/* A whole scan with each of its allocations failing in turn: the first failure ends it, and nothing
 * leaks. */
#include "scan_fixture.h"

#include "support/fail_each.h"

static struct scan_fixture f;

static int serve_filters(uint64_t peer, const struct spv_msg_getcfilters *get)
{
    int rc = 0;

    for (uint32_t h = get->start; rc >= 0 && h <= f.tip; h++) {
        const struct spv_msg_cfilter msg = {.type = SPV_FILTER_BASIC,
                                            .block = f.blocks[h].hash,
                                            .filter = f.filters[h].bytes,
                                            .n = f.filters[h].n};
        rc = spv_filter_scan_cfilter(f.scan, peer, &msg, f.now);
        if (spv_blockhash_eq(&get->stop, &f.blocks[h].hash))
            break;
    }
    return rc < 0 ? rc : 0;
}

static int serve_block(uint64_t peer, const struct spv_msg_inv *inv)
{
    struct spv_fetched_block out;
    uint32_t h = 1;

    while (memcmp(f.blocks[h].hash.b, inv->items->hash.b, 32) != 0)
        h++;
    const int rc = spv_block_fetch_recv(&f.fetch, &out, peer, &f.blocks[h].block, f.now);
    return rc == 1 ? spv_filter_scan_block(f.scan, &out) : rc;
}

static int match(const struct spv_match_filters_task *task)
{
    struct spv_filter_matcher *matcher;
    int rc = spv_filter_matcher_new(&matcher, task->query);

    for (size_t i = 0; i < task->n; i++)
        task->results[i] = SPV_ERR_NOMEM;
    if (rc == 0)
        spv_filter_match_list(matcher, task->results, task->filters, task->n);
    spv_filter_matcher_free(matcher);
    rc = spv_filter_scan_matched(f.scan);
    return rc;
}

static int run_effect(const struct spv_effect *e)
{
    if (e->kind == SPV_EFFECT_MATCH_FILTERS)
        return match(&e->match);
    if (e->kind != SPV_EFFECT_SEND)
        return 0;
    return e->message.command == SPV_CMD_GETCFILTERS
               ? serve_filters(e->peer, &e->message.u.getcfilters)
               : serve_block(e->peer, &e->message.u.inv);
}

/* Returns 1 when something was done. */
static int step(void)
{
    struct spv_scan_event event;
    struct spv_effect e;
    int rc = spv_filter_scan_run(f.scan, f.available, true, f.now);

    if (rc < 0)
        return rc;
    if (spv_effects_pop(&f.effects, &e) == 1) {
        rc = run_effect(&e);
        return rc < 0 ? rc : 1;
    }
    if (spv_filter_scan_next(f.scan, &event) != 1)
        return 0;
    f.n_events++;
    return 1;
}

static int scan(void)
{
    uint8_t bytes[2][BLOCK_FIXTURE_SCRIPT];
    const struct spv_bytes scripts[2] = {{bytes[0], BLOCK_FIXTURE_SCRIPT},
                                         {bytes[1], BLOCK_FIXTURE_SCRIPT}};
    fixture_script(bytes[0], 12);
    fixture_script(bytes[1], 25);
    int rc = spv_filter_scan_begin(f.scan, &scripts[0], 1, 1, UINT32_MAX, f.now);
    if (rc == 0)
        rc = spv_filter_scan_add(f.scan, &scripts[1], 1, 1);
    while (rc == 0 && (rc = step()) == 1)
        rc = 0;
    return rc;
}

static int whole_scan(void)
{
    const struct spv_filter_scan_config cfg = {.params = spv_params_get(SPV_REGTEST),
                                               .chain = f.chain,
                                               .peers = &f.table,
                                               .effects = &f.effects,
                                               .blocks = &f.fetch,
                                               .filter_db = scan_fixture_db(&f),
                                               .knowledge = scan_fixture_knowledge(&f),
                                               .rng = test_random_rng(&f.random),
                                               .keep = true};
    struct spv_peer_entry *p;

    memset(&f.table, 0, sizeof f.table);
    spv_effects_init(&f.effects);
    spv_block_fetch_init(&f.fetch, f.chain, cfg.params, &f.effects, &f.table, cfg.rng);
    f.random.state = 1;
    f.n_events = 0;
    int rc = spv_filter_scan_new(&f.scan, &cfg);
    if (rc == 0) {
        p = spv_peer_table_add(&f.table, 1);
        p->services = SCAN_FIXTURE_FULL;
        p->start_height = f.tip;
        p->filters = (struct spv_filter_peer){.added = true, .best_known_height = f.tip};
        rc = spv_block_fetch_add(&f.fetch, 1, f.now);
        if (rc == 0)
            rc = scan();
    }
    spv_filter_scan_free(f.scan);
    f.scan = NULL;
    spv_effects_free(&f.effects);
    return rc;
}

static void the_first_failed_allocation_ends_a_scan_and_nothing_leaks(void **state)
{
    (void)state;
    scan_fixture_open(&f, 40);
    assert_in_range(fail_each(whole_scan), 50, 100000);
    assert_int_equal(f.n_events, 5); /* 12, 22, 25, 35, done */
    scan_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_failed_allocation_ends_a_scan_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
