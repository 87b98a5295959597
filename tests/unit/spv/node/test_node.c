/* The node with sync and outbound connections, with every effect checked by the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node_fixture.h"
#include "spv/addrman/banman.h"
#include "spv/addrman/manual_peers.h"
#include "spv/effects/effects.h"
#include "spv/sync/header_sync.h"

static struct test_chain main_chain; /* 4,500 headers: three messages */
static struct test_chain fork_chain; /* forks at 4,400, 120 longer */

static int setup(void **state)
{
    (void)state;
    main_chain = test_chain_mine(4500, 1, NULL, 0);
    fork_chain = test_chain_mine(4620, 2, &main_chain, 4400);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_chain_free(&main_chain);
    test_chain_free(&fork_chain);
    return 0;
}

static struct spv_node_stats stats_of(const struct node_fixture *s)
{
    struct spv_node_stats stats;
    spv_node_get_stats(s->node, &stats);
    return stats;
}

static void assert_tip(const struct node_fixture *s, const struct test_chain *chain)
{
    const struct spv_chain_header *tip = spv_chain_tip(spv_node_chain(s->node));
    assert_int_equal(tip->height, chain->n - 1);
    assert_memory_equal(&tip->hash, &chain->hashes[chain->n - 1], 32);
}

static void downloads_the_chain_of_one_peer_and_emits_synced_once(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 1);
    const uint64_t a = node_fixture_connect(s, 4500, 0);
    assert_int_equal(node_fixture_serve(s, a, &main_chain), 3);
    assert_tip(s, &main_chain);
    assert_int_equal(s->tip.height, 4500);
    assert_true(stats_of(s).synced);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_SYNCED), 1);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_PROGRESS), 3);
    assert_int_equal(stats_of(s).headers_added, 4500);
    node_fixture_free(s);
}

static void requests_more_before_it_stores(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 1);
    const uint64_t a = node_fixture_connect(s, 4500, 0);
    s->seen = s->n;
    node_fixture_headers(s, a, main_chain.headers + 1, 2000);
    assert_int_equal(s->log[s->seen].kind, SPV_EFFECT_SEND);
    assert_int_equal(s->log[s->seen + 1].kind, SPV_EFFECT_STORE);
    assert_int_equal(s->log[s->seen + 1].update.n, 2000);
    node_fixture_free(s);
}

static void refuses_a_message_while_a_change_is_not_acknowledged(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 1);
    const uint64_t a = node_fixture_connect(s, 4500, 0);
    const struct spv_msg msg = {.command = SPV_CMD_HEADERS,
                                .u.headers = {.headers = main_chain.headers + 1, .n = 5}};
    assert_int_equal(spv_node_recv(s->node, a, &msg, s->now), 0);
    assert_int_equal(spv_node_recv(s->node, a, &msg, s->now), SPV_ERR_STATE);
    node_fixture_free(s);
}

static void queries_another_peer_when_one_stalls(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 2);
    const uint64_t mute =
        node_fixture_connect(s, 9000, 0); /* the highest start height is queried first */
    const uint64_t b = node_fixture_connect(s, 4500, 0);
    assert_int_equal(stats_of(s).sync_peer, mute);
    assert_int_equal(node_fixture_serve(s, b, &main_chain), 0);
    s->now.mono_us += 19 * SPV_SECOND;
    node_fixture_timer(s);
    assert_int_equal(stats_of(s).sync_peer, mute);
    s->now.mono_us += SPV_SECOND;
    node_fixture_timer(s);
    const struct spv_effect *close = node_fixture_next(s, SPV_EFFECT_CLOSE);
    assert_non_null(close);
    assert_int_equal(close->peer, mute);
    assert_int_equal(close->error, SPV_ERR_STALL);
    assert_int_equal(stats_of(s).sync_peer, b);
    assert_int_equal(stats_of(s).bans, 0);
    assert_int_equal(node_fixture_serve(s, b, &main_chain), 3);
    assert_tip(s, &main_chain);
    node_fixture_free(s);
}

static void only_peer_gets_a_longer_timeout(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 1);
    const uint64_t a = node_fixture_connect(s, 4500, 0);
    s->now.mono_us += 79 * SPV_SECOND;
    node_fixture_timer(s);
    assert_int_equal(stats_of(s).peers, 1);
    assert_int_equal(node_fixture_serve(s, a, &main_chain), 3);
    assert_tip(s, &main_chain);
    node_fixture_free(s);
}

static void synced_needs_tips_from_two_network_groups(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 2);
    const uint64_t a = node_fixture_connect(s, 4500, 0);
    node_fixture_serve(s, a, &main_chain);
    assert_tip(s, &main_chain);
    assert_false(stats_of(s).synced);
    const uint64_t b = node_fixture_connect(s, 10, 0);
    assert_false(stats_of(s).synced);
    node_fixture_headers(s, b, NULL, 0);
    assert_true(stats_of(s).synced);
    node_fixture_free(s);
}

static void an_unreachable_manual_peer_does_not_delay_synced_forever(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 2);
    const uint64_t a = node_fixture_connect(s, 4500, 0);
    node_fixture_serve(s, a, &main_chain);
    const uint64_t served_us = s->now.mono_us;
    while (!stats_of(s).synced) {
        const struct spv_effect *dial;
        while (!(dial = node_fixture_next(s, SPV_EFFECT_CONNECT)) && !stats_of(s).synced)
            node_fixture_sleep_until_deadline(s);
        if (dial)
            node_fixture_close(s, dial->peer, SPV_ERR_REFUSED);
    }
    /* failures do not end the wait */
    assert_true(node_fixture_events(s, SPV_EVENT_CONNECT_FAILED) >= SPV_MANUAL_PEERS_TRIES);
    assert_int_equal(s->now.mono_us - served_us, SPV_SYNC_MIN_WAIT_US);
    node_fixture_free(s);
}

static void the_chain_with_more_work_replaces_the_first_seen(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 2);
    const uint64_t a = node_fixture_connect(s, 9999, 0);
    const uint64_t b = node_fixture_connect(s, 4620, 0);
    node_fixture_serve(s, a, &main_chain);
    assert_tip(s, &main_chain);
    node_fixture_serve(s, b, &fork_chain);
    assert_tip(s, &fork_chain);
    const struct spv_effect *reorg = node_fixture_next_event(s, SPV_EVENT_REORG);
    assert_non_null(reorg);
    assert_int_equal(reorg->event.fork_height, 4400);
    assert_int_equal(reorg->event.removed, 100);
    assert_int_equal(reorg->event.added, 220);
    assert_true(stats_of(s).synced);
    node_fixture_free(s);
}

static void an_unmet_start_height_ends_unresolved(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 1);
    const uint64_t a = node_fixture_connect(s, 1000000, 0);
    assert_int_equal(stats_of(s).target_height, 1000000);
    assert_int_equal(node_fixture_serve(s, a, &main_chain),
                     5); /* its chain ends below, and it is queried again */
    assert_false(stats_of(s).synced);
    const struct spv_effect *e = node_fixture_next_event(s, SPV_EVENT_WARNING);
    assert_non_null(e);
    assert_int_equal(e->event.warning, SPV_WARN_UNMET_CLAIM);
    assert_int_equal(e->event.peer, a);
    assert_true(e->event.address[0] != '\0');
    assert_int_equal(e->event.claimed_height, 1000000);
    assert_int_equal(e->event.given_height, 4500);
    e = node_fixture_next_event(s, SPV_EVENT_UNRESOLVED);
    assert_non_null(e);
    assert_int_equal(e->event.warning, SPV_WARN_UNMET_CLAIM);
    assert_int_equal(stats_of(s).target_height, 4500);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_WARNING), 1);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_UNRESOLVED), 1);
    node_fixture_free(s);
}

static void minimum_work_vouches_for_a_tip_below_every_claim(void **state)
{
    (void)state;
    const struct spv_u256 some = {.w = {9000}}; /* 2 a header */
    struct spv_node_config cfg = {.min_work = &some};
    struct node_fixture *s = node_fixture_new(&cfg, 1);
    const uint64_t a = node_fixture_connect(s, 1000000, 0);
    node_fixture_serve(s, a, &main_chain);
    assert_true(stats_of(s).synced);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_WARNING), 1); /* reported all the same */
    assert_int_equal(node_fixture_events(s, SPV_EVENT_UNRESOLVED), 0);
    node_fixture_free(s);
}

static void one_peer_whose_claim_is_met_is_enough(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 2);
    const uint64_t a = node_fixture_connect(s, INT32_MAX, 0), b = node_fixture_connect(s, 4500, 0);
    node_fixture_serve(s, a, &main_chain);
    assert_false(stats_of(s).synced);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_UNRESOLVED), 0);
    node_fixture_serve(s, b, &main_chain);
    assert_true(stats_of(s).synced);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_WARNING), 0);
    node_fixture_free(s);
}

static void bans_a_misbehaving_peer_and_does_not_dial_it_again(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 1);
    const uint64_t a = node_fixture_connect(s, 4500, 0);
    struct spv_header bad[2] = {main_chain.headers[1], main_chain.headers[2]};
    struct spv_blockhash hash;
    do {
        bad[1].nonce++;
        spv_header_hash(&hash, &bad[1]);
    } while (!(hash.b[31] & 0x80)); /* above regtest's target */
    node_fixture_headers(s, a, bad, 2);
    assert_int_equal(s->tip.height, 1); /* the valid header before it is kept */
    const struct spv_effect *close = node_fixture_next(s, SPV_EFFECT_CLOSE);
    assert_non_null(close);
    assert_int_equal(close->error, SPV_ERR_HDR_POW);
    assert_int_equal(stats_of(s).bans, 1);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_BANNED), 1);
    s->now.mono_us += (SPV_BAN_SECONDS - 1) * SPV_SECOND;
    node_fixture_timer(s);
    assert_null(node_fixture_next(s, SPV_EFFECT_CONNECT));
    s->now.mono_us += SPV_SECOND;
    node_fixture_timer(s);
    assert_non_null(node_fixture_next(s, SPV_EFFECT_CONNECT));
    node_fixture_free(s);
}

static void requests_headers_from_the_future_again_without_a_ban(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 1);
    const uint64_t a = node_fixture_connect(s, 10, 0);
    s->now.unix_s = (int64_t)main_chain.headers[6].time - SPV_MAX_FUTURE_S - 60;
    node_fixture_headers(s, a, main_chain.headers + 1, 6);
    assert_int_equal(s->tip.height, 5);
    assert_int_equal(stats_of(s).bans, 0);
    assert_int_equal(stats_of(s).peers, 1);
    /* a second before its time no peer is queried, and it would still be invalid */
    while (node_fixture_next(s, SPV_EFFECT_SEND))
        ;
    s->now.unix_s += 59;
    s->now.mono_us += 59 * SPV_SECOND;
    node_fixture_timer(s);
    assert_null(node_fixture_next(s, SPV_EFFECT_SEND));
    node_fixture_headers(s, a, main_chain.headers + 6, 1);
    assert_int_equal(s->tip.height, 5);
    assert_int_equal(stats_of(s).bans, 0);
    node_fixture_sleep_until_deadline(s);
    assert_int_equal(s->now.unix_s, (int64_t)main_chain.headers[6].time - SPV_MAX_FUTURE_S);
    const struct spv_effect *send = NULL, *e;
    while ((e = node_fixture_next(s, SPV_EFFECT_SEND)))
        if (e->message.command == SPV_CMD_GETHEADERS)
            send = e;
    assert_non_null(send);
    node_fixture_headers(s, a, main_chain.headers + 6, 1);
    assert_int_equal(s->tip.height, 6);
    node_fixture_free(s);
}

static void an_unconnecting_announcement_is_answered_by_getheaders(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 1);
    struct test_chain shorter = main_chain;
    shorter.n = 100;
    const uint64_t a = node_fixture_connect(s, 99, 0);
    node_fixture_serve(s, a, &shorter);
    assert_true(stats_of(s).synced);
    node_fixture_headers(s, a, main_chain.headers + 120, 1);
    assert_int_equal(node_fixture_serve(s, a, &main_chain), 3);
    assert_tip(s, &main_chain);
    node_fixture_free(s);
}

/* The first part of the answer may follow, as of a peer that splits it and swaps the parts. */
static void an_unconnecting_answer_is_requested_again_at_once(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 1);
    const uint64_t a = node_fixture_connect(s, 4500, 0);
    s->seen = s->n;
    node_fixture_headers(s, a, main_chain.headers + 1001, 1000);
    const struct spv_effect *again = node_fixture_next(s, SPV_EFFECT_SEND);
    assert_non_null(again);
    assert_int_equal(again->message.command, SPV_CMD_GETHEADERS);
    node_fixture_headers(s, a, main_chain.headers + 1, 1000);
    assert_int_equal(s->tip.height, 1000);
    assert_int_equal(stats_of(s).peers, 1);
    node_fixture_free(s);
}

static void drops_a_peer_whose_announcements_never_link(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 1);
    const uint64_t a = node_fixture_connect(s, 99, 0);
    for (unsigned i = 0; i < SPV_SYNC_MAX_UNCONNECTING; i++)
        node_fixture_headers(s, a, main_chain.headers + 120, 1);
    assert_int_equal(stats_of(s).peers, 1);
    node_fixture_headers(s, a, main_chain.headers + 120, 1);
    assert_int_equal(stats_of(s).peers, 0);
    assert_int_equal(stats_of(s).bans, 0);
    node_fixture_free(s);
}

static void an_inv_of_an_unknown_block_is_answered_by_getheaders(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 1);
    struct test_chain shorter = main_chain;
    shorter.n = 100;
    const uint64_t a = node_fixture_connect(s, 99, 0);
    node_fixture_serve(s, a, &shorter);
    node_fixture_inv(s, a, &main_chain.hashes[50]);
    assert_int_equal(node_fixture_serve(s, a, &main_chain), 0);
    node_fixture_inv(s, a, &main_chain.hashes[130]);
    assert_int_equal(node_fixture_serve(s, a, &main_chain), 3);
    assert_tip(s, &main_chain);
    node_fixture_free(s);
}

/* How many getheaders a peer of 100 headers gets that announces a block before it answers. */
static unsigned requests_with_inv(const struct spv_blockhash *announced)
{
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 1);
    struct test_chain shorter = main_chain;
    shorter.n = 100;
    const uint64_t a = node_fixture_connect(s, 99, 0);
    if (announced)
        node_fixture_inv(s, a, announced);
    const unsigned requests = (unsigned)node_fixture_serve(s, a, &shorter);
    node_fixture_free(s);
    return requests;
}

/* bcoin answers a request from its tip with silence. */
static void an_inv_of_a_block_that_came_with_the_answer_causes_no_request(void **state)
{
    (void)state;
    const unsigned without = requests_with_inv(NULL);
    assert_int_equal(requests_with_inv(&main_chain.hashes[99]), without);
    assert_int_equal(requests_with_inv(&main_chain.hashes[130]), without + 1);
}

static void an_unsolicited_empty_headers_message_completes_no_request(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 2);
    node_fixture_connect(s, 9000, 0);
    const uint64_t b = node_fixture_connect(s, 4500, 0);
    node_fixture_headers(s, b, NULL, 0);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_SYNCED), 0);
    assert_int_equal(node_fixture_serve(s, b, &main_chain), 0);
    node_fixture_free(s);
}

static void drops_a_peer_that_cannot_show_the_minimum_work(void **state)
{
    (void)state;
    const struct spv_u256 much = {.w = {1000000}};
    struct spv_node_config cfg = {.min_work = &much};
    struct node_fixture *s = node_fixture_new(&cfg, 1);
    const uint64_t a = node_fixture_connect(s, 4500, 0);
    node_fixture_serve(s, a, &main_chain);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_SYNCED), 0);
    const struct spv_effect *close = node_fixture_next(s, SPV_EFFECT_CLOSE);
    assert_non_null(close);
    assert_int_equal(close->error, SPV_ERR_LOW_WORK);
    assert_int_equal(stats_of(s).bans, 0);
    node_fixture_free(s);
}

static void a_store_that_fails_stops_the_node(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 1);
    const uint64_t a = node_fixture_connect(s, 4500, 0);
    s->store_error = SPV_ERR_DB_FULL;
    node_fixture_headers(s, a, main_chain.headers + 1, 10);
    assert_int_equal(spv_node_timer(s->node, s->now), SPV_ERR_DB_FULL);
    node_fixture_free(s);
}

static void builds_the_hash_index_once_after_the_first_sync(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 1);
    const uint64_t a = node_fixture_connect(s, 4500, 0);
    assert_null(node_fixture_next(s, SPV_EFFECT_INDEX));
    node_fixture_serve(s, a, &main_chain);
    s->seen = 0;
    assert_non_null(node_fixture_next(s, SPV_EFFECT_INDEX));
    assert_null(node_fixture_next(s, SPV_EFFECT_INDEX));
    node_fixture_free(s);
}

static void dials_again_with_growing_pauses(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 1);
    uint64_t last = 0;
    for (int i = 0; i < 12; i++) {
        const struct spv_effect *dial = node_fixture_next(s, SPV_EFFECT_CONNECT);
        assert_non_null(dial);
        node_fixture_close(s, dial->peer, SPV_ERR_REFUSED);
        const uint64_t pause = spv_node_deadline(s->node) - s->now.mono_us;
        assert_true(pause <= SPV_BACKOFF_MANUAL_US);
        if (i > 0 && i < 6)
            assert_true(pause > last / 2);
        if (i > 8)
            assert_true(pause >= SPV_BACKOFF_MANUAL_US / 2);
        last = pause;
        node_fixture_sleep_until_deadline(s);
    }
    node_fixture_free(s);
}

static struct spv_netaddr ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return (struct spv_netaddr){
        .network = SPV_ADDR_IPV4, .len = 4, .port = 8333, .bytes = {a, b, c, d}};
}

static void finds_peers_by_dns_and_spreads_them_over_groups(void **state)
{
    (void)state;
    struct spv_node_config cfg = {.params = spv_params_get(SPV_MAINNET), .peers = 2};
    struct node_fixture *s = node_fixture_new(&cfg, 0);
    const struct spv_effect *resolve = node_fixture_next(s, SPV_EFFECT_RESOLVE);
    assert_non_null(resolve);
    struct spv_netaddr addrs[12];
    for (uint8_t i = 0; i < 11; i++)
        addrs[i] = ipv4(1, 2, 3, (uint8_t)(i + 1));
    addrs[11] = ipv4(4, 5, 6, 7);
    const struct spv_endpoint seed = resolve->endpoint;
    assert_int_equal(spv_node_resolved(s->node, &seed, 0, addrs, 12, s->now), 0);
    node_fixture_pull(s);
    const struct spv_effect *one = node_fixture_next(s, SPV_EFFECT_CONNECT);
    assert_non_null(one);
    const struct spv_effect *two = node_fixture_next(s, SPV_EFFECT_CONNECT);
    assert_non_null(two);
    assert_null(node_fixture_next(s, SPV_EFFECT_CONNECT));
    assert_true(!strcmp(one->endpoint.host, "4.5.6.7") ^ !strcmp(two->endpoint.host, "4.5.6.7"));
    node_fixture_free(s);
}

static void requires_node_network_of_automatic_peers_only(void **state)
{
    (void)state;
    struct spv_node_config cfg = {.params = spv_params_get(SPV_MAINNET), .peers = 1};
    struct node_fixture *s = node_fixture_new(&cfg, 0);
    const struct spv_netaddr addr = ipv4(1, 2, 3, 4);
    struct spv_endpoint seed = {.port = 8333};
    assert_int_equal(spv_node_resolved(s->node, &seed, 0, &addr, 1, s->now), 0);
    node_fixture_pull(s);
    node_fixture_connect(s, 900000, SPV_NODE_BLOOM);
    const struct spv_effect *close = node_fixture_next(s, SPV_EFFECT_CLOSE);
    assert_non_null(close);
    assert_int_equal(close->error, SPV_ERR_SERVICES);
    node_fixture_free(s);
}

static void the_effect_queue_is_bounded_and_its_error_is_sticky(void **state)
{
    (void)state;
    struct spv_effects q;
    spv_effects_init(&q);
    for (unsigned i = 0; i < SPV_EFFECTS_MAX; i++)
        assert_non_null(spv_effects_push(&q, SPV_EFFECT_EVENT, 1));
    assert_null(spv_effects_push(&q, SPV_EFFECT_EVENT, 1));
    assert_int_equal(q.error, SPV_ERR_TOO_MANY);
    spv_effects_free(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(downloads_the_chain_of_one_peer_and_emits_synced_once),
        cmocka_unit_test(requests_more_before_it_stores),
        cmocka_unit_test(refuses_a_message_while_a_change_is_not_acknowledged),
        cmocka_unit_test(queries_another_peer_when_one_stalls),
        cmocka_unit_test(only_peer_gets_a_longer_timeout),
        cmocka_unit_test(synced_needs_tips_from_two_network_groups),
        cmocka_unit_test(an_unreachable_manual_peer_does_not_delay_synced_forever),
        cmocka_unit_test(the_chain_with_more_work_replaces_the_first_seen),
        cmocka_unit_test(an_unmet_start_height_ends_unresolved),
        cmocka_unit_test(minimum_work_vouches_for_a_tip_below_every_claim),
        cmocka_unit_test(one_peer_whose_claim_is_met_is_enough),
        cmocka_unit_test(bans_a_misbehaving_peer_and_does_not_dial_it_again),
        cmocka_unit_test(requests_headers_from_the_future_again_without_a_ban),
        cmocka_unit_test(an_unconnecting_announcement_is_answered_by_getheaders),
        cmocka_unit_test(an_unconnecting_answer_is_requested_again_at_once),
        cmocka_unit_test(drops_a_peer_whose_announcements_never_link),
        cmocka_unit_test(an_inv_of_an_unknown_block_is_answered_by_getheaders),
        cmocka_unit_test(an_inv_of_a_block_that_came_with_the_answer_causes_no_request),
        cmocka_unit_test(an_unsolicited_empty_headers_message_completes_no_request),
        cmocka_unit_test(drops_a_peer_that_cannot_show_the_minimum_work),
        cmocka_unit_test(a_store_that_fails_stops_the_node),
        cmocka_unit_test(builds_the_hash_index_once_after_the_first_sync),
        cmocka_unit_test(dials_again_with_growing_pauses),
        cmocka_unit_test(finds_peers_by_dns_and_spreads_them_over_groups),
        cmocka_unit_test(requires_node_network_of_automatic_peers_only),
        cmocka_unit_test(the_effect_queue_is_bounded_and_its_error_is_sticky),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
