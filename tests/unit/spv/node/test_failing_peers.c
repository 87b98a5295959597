/* Peers that fail without misbehaving: disconnected, queried after other peers, dialled again
 * later, never banned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node_fixture.h"
#include "spv/error.h"

static struct spv_node_stats stats_of(const struct node_fixture *s)
{
    struct spv_node_stats stats;
    spv_node_get_stats(s->node, &stats);
    return stats;
}

/* Failures that are not misbehaving disconnect: each wait is longer and reported, and there is
 * no ban. */
static void a_peer_that_closes_again_and_again_is_dialled_after_longer_waits(void **state)
{
    (void)state;
    static const int errors[] = {SPV_ERR_TRAILING,
                                 SPV_ERR_SHORT,
                                 SPV_ERR_COUNT,
                                 SPV_ERR_LENGTH,
                                 SPV_ERR_LATE_NEGOTIATION,
                                 SPV_ERR_BLOOM_NOT_OFFERED,
                                 SPV_ERR_MALFORMED,
                                 SPV_ERR_CHECKSUM,
                                 SPV_ERR_COMPACT_SIZE};
    const unsigned n = sizeof errors / sizeof errors[0];
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 1);
    for (unsigned i = 0; i < n; i++) {
        const uint64_t a = node_fixture_connect(s, 4500, 0);
        const struct spv_effect *e = node_fixture_next_event(s, SPV_EVENT_CONNECTED);
        assert_non_null(e);
        assert_int_equal(e->event.failures, i);
        node_fixture_close(s, a, errors[i]);
        e = node_fixture_next_event(s, SPV_EVENT_DISCONNECTED);
        assert_non_null(e);
        assert_int_equal(e->event.error, errors[i]);
        assert_int_equal(e->event.failures, i + 1);
        const int64_t seconds = e->event.seconds;
        assert_in_range(seconds, 1, 30);
        assert_true(i == 0 ? seconds == 1 : i < n - 1 || seconds >= 15); /* half of it is random */
        assert_null(node_fixture_next(s, SPV_EFFECT_CONNECT));
        s->now.mono_us += (uint64_t)seconds * SPV_SECOND; /* as reported */
        node_fixture_timer(s);
    }
    assert_int_equal(stats_of(s).bans, 0);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_BANNED), 0);
    node_fixture_free(s);
}

static void lost_peers_make_space_for_others(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 1);
    for (unsigned i = 0; i < 2 * SPV_NODE_MAX_PEERS; i++) {
        const uint64_t a = node_fixture_connect(s, 4500, 0);
        assert_int_equal(stats_of(s).peers, 1);
        node_fixture_close(s, a, SPV_ERR_RESET);
        s->now.mono_us += 30 * SPV_SECOND; /* the longest wait */
        node_fixture_timer(s);
    }
    node_fixture_free(s);
}

/* The peer of the next getheaders, 0 when there is none. */
static uint64_t next_asked(struct node_fixture *s)
{
    const struct spv_effect *e;
    while ((e = node_fixture_next(s, SPV_EFFECT_SEND)))
        if (e->message.command == SPV_CMD_GETHEADERS)
            return e->peer;
    return 0;
}

static void a_peer_that_has_failed_is_queried_after_others(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 3);
    const uint64_t first = node_fixture_connect(s, 9000, 0);
    assert_int_equal(next_asked(s), first);
    node_fixture_close(s, first, SPV_ERR_TRAILING);
    s->n = s->seen = 0;
    s->now.mono_us += SPV_SECOND;
    node_fixture_timer(s); /* dials it again */
    const struct spv_effect *e = node_fixture_next(s, SPV_EFFECT_CONNECT);
    assert_non_null(e);
    const uint64_t again = e->peer, second = 2, third = 3;
    const struct spv_peer_stats good = {.ready = true, .version = 70016, .start_height = 4500};
    const struct spv_peer_stats failing = {.ready = true, .version = 70016, .start_height = 9000};
    assert_int_equal(spv_node_connected(s->node, second, &good, s->now), 0);
    assert_int_equal(spv_node_connected(s->node, again, &failing, s->now), 0);
    assert_int_equal(spv_node_connected(s->node, third, &good, s->now), 0);
    node_fixture_pull(s);
    assert_int_equal(next_asked(s), second);
    node_fixture_close(s, second, SPV_ERR_RESET);
    assert_int_equal(next_asked(s), third); /* although it claims less and connected later */
    node_fixture_close(s, third, SPV_ERR_RESET);
    assert_int_equal(next_asked(s), again); /* better than no peer */
    node_fixture_free(s);
}

/* Otherwise mute peers with high start heights would be queried repeatedly. */
static void claims_of_height_count_until_the_first_stall(void **state)
{
    (void)state;
    for (int stalled = 0; stalled < 2; stalled++) {
        struct spv_node_config cfg = {0};
        struct node_fixture *s = node_fixture_new(&cfg, 3);
        const uint64_t first = node_fixture_connect(s, 4500, 0);
        const uint64_t second = node_fixture_connect(s, 4500, 0);
        const uint64_t third = node_fixture_connect(s, 9000, 0);
        assert_int_equal(next_asked(s), first);
        if (stalled) {
            node_fixture_sleep_until_deadline(s);
            while (node_fixture_events(s, SPV_EVENT_DISCONNECTED) == 0)
                node_fixture_sleep_until_deadline(s);
        } else {
            node_fixture_close(s, first, SPV_ERR_RESET);
        }
        assert_int_equal(next_asked(s), stalled ? second : third);
        node_fixture_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_that_closes_again_and_again_is_dialled_after_longer_waits),
        cmocka_unit_test(lost_peers_make_space_for_others),
        cmocka_unit_test(a_peer_that_has_failed_is_queried_after_others),
        cmocka_unit_test(claims_of_height_count_until_the_first_stall),
    };
    return cmocka_run_group_tests_name("spv: failing peers", tests, NULL, NULL);
}
