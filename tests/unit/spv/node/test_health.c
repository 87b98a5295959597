/* Warnings of the health monitor: when each is raised, how often it is reported, what ends it;
 * first the monitor alone, then a node that uses it. */
#include "support/unit.h"

#include "node_fixture.h"
#include "spv/effects/warning_text.h"
#include "spv/node/health.h"

#define MINUTES (60 * SPV_SECOND)
#define UNIX 1700000000

static struct spv_now at(uint64_t minutes)
{
    return (struct spv_now){.mono_us = SPV_SECOND + minutes * MINUTES,
                            .unix_s = UNIX + (int64_t)minutes * 60};
}

static struct spv_peer_table peers;

static struct spv_health health_of(enum spv_network network, unsigned wanted)
{
    struct spv_health a;
    memset(&peers, 0, sizeof peers);
    spv_health_init(&a, spv_params_get(network), wanted, &peers);
    return a;
}

static void connect_peer(struct spv_health *a, uint64_t id, int64_t ahead_s, struct spv_now now)
{
    assert_non_null(spv_peer_table_add(&peers, id));
    spv_health_connected(a, id, ahead_s, now);
}

static void close_peer(struct spv_health *a, uint64_t id, struct spv_now now)
{
    spv_health_closed(a, id, now);
    spv_peer_table_remove(&peers, id);
}

static struct spv_chain_header tip_of(uint8_t mark, int64_t time)
{
    return (struct spv_chain_header){.hash.b = {mark}, .header.time = (uint32_t)time};
}

/* The next due report: a warning; -1 - kind for a report that is no warning; 0 for none. */
static int next(struct spv_health *a, struct spv_now now, int64_t *seconds)
{
    struct spv_health_event event;
    if (!spv_health_next(a, &event, now))
        return 0;
    if (seconds)
        *seconds = event.seconds;
    return event.kind == SPV_HEALTH_WARNING ? (int)event.warning : -1 - (int)event.kind;
}
#define FRESH (-1 - (int)SPV_HEALTH_EXTRA_PEERS)
#define OVER (-1 - (int)SPV_HEALTH_TIP_RESUMED)
#define STALE ((int)SPV_WARN_STALE_TIP)
#define CLOCK ((int)SPV_WARN_CLOCK)
#define ALONE ((int)SPV_WARN_NO_PEERS)

static void fresh_peers_are_due_at_30_minutes_and_a_warning_at_90(void **state)
{
    (void)state;
    struct spv_health a = health_of(SPV_MAINNET, 4);
    const struct spv_chain_header tip = tip_of(1, UNIX);
    int64_t seconds = 0;
    spv_health_tip(&a, true, &tip, at(0));
    assert_int_equal(spv_health_deadline(&a), at(30).mono_us);
    assert_int_equal(next(&a, at(29), NULL), 0);
    assert_int_equal(next(&a, at(30), NULL), FRESH);
    assert_int_equal(next(&a, at(30), NULL), 0);
    assert_int_equal(next(&a, at(60), NULL), FRESH); /* and others again */
    assert_int_equal(next(&a, at(89), NULL), 0);
    assert_int_equal(next(&a, at(90), NULL), FRESH);
    assert_int_equal(next(&a, at(90), &seconds), STALE);
    assert_int_equal(seconds, 90 * 60);
}

static void the_warning_repeats_at_most_hourly_until_the_tip_advances(void **state)
{
    (void)state;
    struct spv_health a = health_of(SPV_TESTNET4, 4);
    struct spv_chain_header tip = tip_of(1, UNIX);
    unsigned warnings = 0;
    spv_health_tip(&a, true, &tip, at(0));
    for (uint64_t minute = 0; minute <= 300; minute++)
        for (int reported; (reported = next(&a, at(minute), NULL)) != 0;)
            warnings += reported == STALE;
    assert_int_equal(warnings, 4); /* at 90, 150, 210, 270 */
    tip = tip_of(2, UNIX);
    spv_health_tip(&a, true, &tip, at(300));
    assert_int_equal(spv_health_deadline(&a), 0);
    assert_int_equal(next(&a, at(300), NULL), OVER);
    assert_int_equal(next(&a, at(300), NULL), 0);
    assert_int_equal(spv_health_deadline(&a), at(330).mono_us);
    assert_int_equal(next(&a, at(329), NULL), 0);
}

static void regtest_and_simnet_have_no_stale_tips(void **state)
{
    (void)state;
    const enum spv_network calm[] = {SPV_REGTEST, SPV_SIMNET};
    for (size_t i = 0; i < COUNT(calm); i++) {
        struct spv_health a = health_of(calm[i], 4);
        const struct spv_chain_header tip = tip_of(1, UNIX - 100000);
        spv_health_tip(&a, true, &tip, at(0));
        assert_int_equal(spv_health_deadline(&a), SPV_NEVER);
        assert_int_equal(next(&a, at(10000), NULL), 0);
    }
    for (int i = 0; i < SPV_NETWORKS; i++) {
        const struct spv_params *p = spv_params_get((enum spv_network)i);
        const bool quiet = p->net.network == SPV_REGTEST || p->net.network == SPV_SIMNET;
        assert_int_equal(p->extra_peers_after_s, quiet ? 0 : 30 * 60);
        assert_int_equal(p->stale_warning_after_s, quiet ? 0 : 90 * 60);
    }
}

static void no_tip_is_stale_before_the_first_synced(void **state)
{
    (void)state;
    struct spv_health a = health_of(SPV_MAINNET, 4);
    struct spv_chain_header tip = tip_of(1, 1231006505);
    spv_health_tip(&a, false, &tip, at(0));
    assert_int_equal(spv_health_deadline(&a), SPV_NEVER);
    assert_int_equal(spv_health_age(&a, at(100)), 0);
    tip = tip_of(2, UNIX + 100 * 60);
    spv_health_tip(&a, true, &tip, at(100));
    assert_int_equal(spv_health_deadline(&a), at(130).mono_us);
    /* no longer synced: the tip is expected to move all the same */
    tip = tip_of(3, UNIX);
    spv_health_tip(&a, false, &tip, at(120));
    assert_int_equal(spv_health_deadline(&a), at(150).mono_us);
}

static void a_tip_old_at_the_first_synced_has_the_age_of_its_timestamp(void **state)
{
    (void)state;
    struct spv_health a = health_of(SPV_MAINNET, 4);
    const struct spv_chain_header tip = tip_of(1, UNIX - 7 * 3600);
    int64_t seconds = 0;
    spv_health_tip(&a, true, &tip, at(0));
    assert_int_equal(next(&a, at(0), NULL), FRESH);
    assert_int_equal(next(&a, at(0), &seconds), STALE);
    assert_int_equal(seconds, 7 * 3600);
    assert_int_equal(next(&a, at(0), NULL), 0);
}

static void age_of_a_tip_counts_from_its_arrival_not_from_its_timestamp(void **state)
{
    (void)state;
    struct spv_health a = health_of(SPV_MAINNET, 4);
    struct spv_chain_header tip = tip_of(1, UNIX + 3600);
    spv_health_tip(&a, true, &tip, at(0)); /* a miner's clock is ahead */
    assert_int_equal(spv_health_age(&a, at(0)), 0);
    tip = tip_of(2, UNIX - 100000); /* now one is behind */
    spv_health_tip(&a, true, &tip, at(10));
    assert_int_equal(spv_health_age(&a, at(11)), 60);
    struct spv_now stepped = at(20);
    stepped.unix_s += 86400;
    spv_health_tip(&a, true, &tip, stepped);
    assert_int_equal(next(&a, stepped, NULL), 0);
    assert_int_equal(spv_health_age(&a, stepped), 600);
}

static void most_clocks_off_on_one_side_are_a_warning_with_the_median(void **state)
{
    (void)state;
    static const struct {
        unsigned wanted;
        size_t n;
        int64_t ahead[7];
        int64_t reported; /* 0: nothing */
    } rows[] = {
        {8, 5, {700, 800, 900, 0, 0}, 700},
        {8, 5, {-700, -800, -900, 0, 0}, -700},
        {8, 5, {700, 800, 0, 0, 0}, 0}, /* no majority */
        {8, 5, {700, 800, -900, -700, 0}, 0}, /* not the same sign */
        {8, 5, {700, 800, -900, -700, 900}, 700},
        {8, 5, {700, 800, -900, -700, -100}, 0},
        {8, 5, {600, 600, 600, 600, 600}, 0}, /* ten minutes are allowed */
        {8, 5, {601, 601, 601, 601, 601}, 601},
        {8, 5, {-601, -601, -601, 0, 0}, -601},
        {8, 4, {700, 700, 700, 700}, 0}, /* fewer than five peers, and more are required */
        {4, 4, {700, 700, 700, 700}, 700}, /* all that are required */
        {4, 3, {700, 700, 700}, 0},
        {4, 4, {700, 700, 0, 0}, 0}, /* half is not most */
        {1, 1, {-86400}, -86400},
        {2, 2, {INT64_MAX, INT64_MAX}, INT64_C(1) << 40}, /* any 64-bit time */
        {2, 2, {INT64_MIN, INT64_MIN}, -(INT64_C(1) << 40)},
        {1, 1, {-UNIX}, 0}, /* a time of 0 is no clock */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct spv_health a = health_of(SPV_REGTEST, rows[i].wanted);
        int64_t seconds = 0;
        for (size_t k = 0; k < rows[i].n; k++)
            connect_peer(&a, k + 1, rows[i].ahead[k], at(0));
        const int reported = next(&a, at(0), &seconds);
        if (reported != (rows[i].reported != 0 ? CLOCK : 0) || seconds != rows[i].reported)
            fail_msg("row %zu: %d, %lld s", i, reported, (long long)seconds);
        assert_int_equal(a.skew_s, rows[i].reported);
        assert_int_equal(next(&a, at(0), NULL), 0);
    }
}

static void a_clock_skew_is_reported_hourly_until_our_clock_is_set(void **state)
{
    (void)state;
    struct spv_health a = health_of(SPV_MAINNET, 2);
    unsigned warnings = 0;
    connect_peer(&a, 1, 3600, at(0));
    connect_peer(&a, 2, 3600, at(0));
    for (uint64_t minute = 0; minute < 120; minute++)
        warnings += next(&a, at(minute), NULL) == CLOCK;
    assert_int_equal(warnings, 2);
    for (uint64_t minute = 120; minute < 240; minute++) {
        struct spv_now now = at(minute);
        now.unix_s += 3600; /* set right */
        assert_int_equal(next(&a, now, NULL), 0);
    }
    assert_int_equal(a.skew_s, 0);
    for (uint64_t minute = 240; minute < 251; minute++)
        warnings += next(&a, at(minute), NULL) == CLOCK; /* and wrong again */
    assert_int_equal(warnings, 3);
}

static void the_loss_of_all_peers_is_reported_once(void **state)
{
    (void)state;
    struct spv_health a = health_of(SPV_REGTEST, 2);
    assert_int_equal(next(&a, at(0), NULL), 0); /* there was no peer yet */
    connect_peer(&a, 1, 0, at(0));
    connect_peer(&a, 2, 0, at(0));
    close_peer(&a, 1, at(1));
    close_peer(&a, 77, at(1)); /* never completed its handshake */
    assert_int_equal(next(&a, at(1), NULL), 0);
    assert_int_equal(next(&a, at(2), NULL), 0);
    close_peer(&a, 2, at(2));
    assert_int_equal(spv_health_deadline(&a), at(2).mono_us + SPV_HEALTH_NO_PEERS_DELAY_US);
    assert_int_equal(next(&a, at(2), NULL), 0); /* it may connect again at once */
    assert_int_equal(next(&a, at(3), NULL), ALONE);
    assert_int_equal(next(&a, at(1000), NULL), 0);
    assert_int_equal(spv_health_deadline(&a), SPV_NEVER);
    connect_peer(&a, 3, 0, at(1000));
    close_peer(&a, 3, at(1000));
    connect_peer(&a, 4, 0, at(1000)); /* connected again in time */
    assert_int_equal(next(&a, at(1001), NULL), 0);
    close_peer(&a, 4, at(1001));
    assert_int_equal(next(&a, at(1002), NULL), ALONE);
}

static void each_warning_has_a_text(void **state)
{
    (void)state;
    assert_string_equal(spv_warning_text(SPV_WARN_NONE), "");
    assert_non_null(strstr(spv_warning_text(SPV_WARN_STALE_TIP), "tip"));
    assert_non_null(strstr(spv_warning_text(SPV_WARN_CLOCK), "clock"));
    assert_non_null(strstr(spv_warning_text(SPV_WARN_NO_PEERS), "peer"));
}

/* ---- a node with the health monitor ---- */

static struct spv_params fast; /* regtest with stale-tip checks */

/* Advances the clock; the peer answers its requests. */
static void advance_clock(struct node_fixture *s, uint64_t us, uint64_t peer,
                          const struct test_chain *chain)
{
    const uint64_t until = s->now.mono_us + us;
    while (spv_node_deadline(s->node) <= until) {
        node_fixture_sleep_until_deadline(s);
        if (peer != 0)
            node_fixture_serve(s, peer, chain);
    }
    s->now.unix_s += (int64_t)((until - s->now.mono_us) / SPV_SECOND);
    s->now.mono_us = until;
}

static void a_node_reports_a_stale_tip_and_the_loss_of_all_peers(void **state)
{
    (void)state;
    struct test_chain chain = test_chain_mine(20, 1, NULL, 0);
    struct spv_node_config cfg = {.params = &fast};
    struct node_fixture *s = node_fixture_new(&cfg, 1);
    struct spv_node_stats stats;
    s->now.unix_s = chain.headers[19].time; /* the tip is not old at the first SYNCED */
    const uint64_t a = node_fixture_connect(s, 20, 0);
    node_fixture_serve(s, a, &chain);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_SYNCED), 1);
    advance_clock(s, 88 * MINUTES, a, &chain);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_WARNING), 0);
    node_fixture_close(s, a, SPV_ERR_RESET);
    advance_clock(s, 1 * MINUTES, 0, &chain);
    const struct spv_effect *e = node_fixture_next_event(s, SPV_EVENT_WARNING);
    assert_non_null(e);
    assert_int_equal(e->event.warning, SPV_WARN_NO_PEERS);
    spv_node_get_stats(s->node, &stats);
    assert_true(stats.wants_extra_peers);
    advance_clock(s, 60 * MINUTES, 0, &chain);
    e = node_fixture_next_event(s, SPV_EVENT_WARNING);
    assert_non_null(e);
    assert_int_equal(e->event.warning, SPV_WARN_STALE_TIP);
    assert_in_range(e->event.seconds, 90 * 60, 90 * 60 + 60);
    assert_int_equal(e->event.peer, 0);
    assert_true(strlen(e->event.text) > 0);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_WARNING), 2);
    node_fixture_free(s);
    test_chain_free(&chain);
}

int main(void)
{
    fast = *spv_params_get(SPV_REGTEST);
    fast.extra_peers_after_s = 1800;
    fast.stale_warning_after_s = 5400;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_peers_are_due_at_30_minutes_and_a_warning_at_90),
        cmocka_unit_test(the_warning_repeats_at_most_hourly_until_the_tip_advances),
        cmocka_unit_test(regtest_and_simnet_have_no_stale_tips),
        cmocka_unit_test(no_tip_is_stale_before_the_first_synced),
        cmocka_unit_test(a_tip_old_at_the_first_synced_has_the_age_of_its_timestamp),
        cmocka_unit_test(age_of_a_tip_counts_from_its_arrival_not_from_its_timestamp),
        cmocka_unit_test(most_clocks_off_on_one_side_are_a_warning_with_the_median),
        cmocka_unit_test(a_clock_skew_is_reported_hourly_until_our_clock_is_set),
        cmocka_unit_test(the_loss_of_all_peers_is_reported_once),
        cmocka_unit_test(each_warning_has_a_text),
        cmocka_unit_test(a_node_reports_a_stale_tip_and_the_loss_of_all_peers),
    };
    return cmocka_run_group_tests_name("alarm", tests, NULL, NULL);
}
