/* The event loop over real sockets on loopback, with a real store in a folder of its own. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "unit/loop/server_fixture.h"
#include "unit/loop/temp_db.h"

#define HEADERS 5000
#define KINDS (SPV_EVENT_UNRESOLVED + 1)

static struct mined chain;

struct run {
    struct spv_store *store;
    struct spv_evloop *loop;
    unsigned events[KINDS];
    int error; /* of the last event that had one */
    uint32_t synced_at;
    unsigned ticks;
    size_t peers; /* at the time of synced */
    struct spv_peer_stats peer;
    size_t node_peers;
    struct spv_node_peer node_peer; /* the same, as the node sees it */
    /* What the test wants to happen; NULL: stop when synced. */
    void (*on_event)(struct run *r, const struct spv_event *event);
    void (*on_tick)(struct run *r);
    void *ctx;
};

static void on_event(void *ctx, const struct spv_event *event)
{
    struct run *r = ctx;
    r->events[event->kind]++;
    if (event->error != 0)
        r->error = event->error;
    if (event->kind == SPV_EVENT_SYNCED) {
        r->synced_at = event->tip.height;
        r->peers = spv_evloop_peers(r->loop, &r->peer, NULL, 1);
        r->node_peers = spv_evloop_node_peers(r->loop, &r->node_peer, 1);
    }
    if (r->on_event)
        r->on_event(r, event);
    else if (event->kind == SPV_EVENT_SYNCED)
        spv_evloop_stop(r->loop);
}

static void on_tick(void *ctx)
{
    struct run *r = ctx;
    r->ticks++;
    if (r->on_tick)
        r->on_tick(r);
}

/* SIGALRM ends a hanging test. */
static int run_loop(struct run *r, const struct temp_db *p, const struct spv_endpoint *peers,
                    size_t n)
{
    struct spv_error_info why = {0};
    const struct spv_store_config store = {
        .path = p->path, .params = spv_params_get(SPV_REGTEST), .mode = SPV_STORE_CREATE};
    assert_int_equal(spv_store_open(&r->store, &store, &why), 0);
    const struct spv_evloop_config cfg = {
        .node = {.params = spv_params_get(SPV_REGTEST), .connect = peers, .n_connect = n},
        .store = r->store,
        .on_event = on_event,
        .on_tick = on_tick,
        .tick_us = 1000,
        .ctx = r,
    };
    assert_int_equal(spv_evloop_new(&r->loop, &cfg, &why), 0);
    (void)alarm(60);
    int rc = spv_evloop_run(r->loop);
    (void)alarm(0);
    return rc;
}

static void end_loop(struct run *r)
{
    assert_int_equal(spv_evloop_free(r->loop), 0);
    assert_int_equal(spv_store_close(r->store), 0);
}

static void expect_tip(struct run *r, uint32_t height)
{
    struct spv_chain_header tip;
    assert_int_equal(spv_store_tip(r->store, &tip), 1);
    assert_int_equal(tip.height, height);
    assert_memory_equal(tip.hash.b, chain.records[height].hash.b, 32);
    assert_int_equal(spv_u256_cmp(&tip.work, &chain.records[height].work), 0);
    struct spv_node_stats stats;
    spv_evloop_get_stats(r->loop, &stats);
    assert_int_equal(stats.tip.height, height);
}

static void syncs_to_the_tip_then_resumes(void **state)
{
    struct server_fixture s = {0};
    server_fixture_start(&s, &chain, 3000, 0);
    struct spv_endpoint peer = server_fixture_endpoint(&s);
    struct run r = {0};
    assert_int_equal(run_loop(&r, *state, &peer, 1), 0);
    expect_tip(&r, 3000);
    assert_int_equal(r.synced_at, 3000);
    assert_int_equal(r.events[SPV_EVENT_CONNECTED], 1);
    assert_int_equal(r.events[SPV_EVENT_SYNCED], 1);
    assert_int_equal(r.events[SPV_EVENT_DISCONNECTED], 0);
    assert_true(r.events[SPV_EVENT_PROGRESS] >= 2);
    assert_true(spv_store_indexed(r.store));
    assert_int_equal(r.peers, 1);
    assert_int_equal(r.peer.start_height, 3000);
    assert_true(r.peer.ready);
    assert_int_equal(r.node_peers, 1);
    assert_int_equal(r.node_peer.headers, 3000);
    assert_int_equal(r.node_peer.group, SPV_GROUP_MANUAL);
    assert_true(r.node_peer.at_tip);
    assert_true(r.node_peer.rate > 0);
    assert_int_equal(r.node_peer.latency_us, r.peer.answer_us);
    assert_true(r.node_peer.latency_us > 0);
    assert_int_equal(spv_evloop_node_peers(r.loop, &r.node_peer, 1), 0);
    assert_int_equal(spv_evloop_peers(r.loop, &r.peer, NULL, 1),
                     0); /* no peer is left after the run */
    assert_int_equal(spv_evloop_run(r.loop), SPV_ERR_STATE);
    end_loop(&r);
    server_fixture_stop(&s);
    assert_int_equal(s.stats.accepted, 1);
    assert_int_equal(s.stats.headers_sent, 3000);

    server_fixture_start(&s, &chain, HEADERS, 0);
    peer = server_fixture_endpoint(&s);
    struct run again = {0};
    assert_int_equal(run_loop(&again, *state, &peer, 1), 0);
    expect_tip(&again, HEADERS);
    struct spv_node_stats stats;
    spv_evloop_get_stats(again.loop, &stats);
    assert_int_equal(stats.start_height, 3000);
    assert_int_equal(stats.headers_added, HEADERS - 3000);
    end_loop(&again);
    server_fixture_stop(&s);
    assert_int_equal(s.stats.headers_sent, HEADERS - 3000); /* no header was downloaded twice */
}

static void stop_at_progress(struct run *r, const struct spv_event *event)
{
    if (event->kind == SPV_EVENT_PROGRESS)
        spv_evloop_stop(r->loop);
}

static void stop_during_sync_keeps_accepted_headers(void **state)
{
    struct server_fixture s = {0};
    server_fixture_start(&s, &chain, HEADERS, 0);
    const struct spv_endpoint peer = server_fixture_endpoint(&s);
    struct run r = {.on_event = stop_at_progress};
    assert_int_equal(run_loop(&r, *state, &peer, 1), 0);
    assert_int_equal(r.events[SPV_EVENT_PROGRESS], 1); /* no input after the stop */
    expect_tip(&r, 2000);
    end_loop(&r);
    struct run again = {0};
    assert_int_equal(run_loop(&again, *state, &peer, 1), 0);
    expect_tip(&again, HEADERS);
    end_loop(&again);
    server_fixture_stop(&s);
}

static void *stop_main(void *ctx)
{
    spv_evloop_stop(ctx);
    return NULL;
}

static void start_stopper(struct run *r, const struct spv_event *event)
{
    if (event->kind == SPV_EVENT_CONNECTED)
        assert_int_equal(pthread_create(r->ctx, NULL, stop_main, r->loop), 0);
}

static void another_thread_may_stop_it(void **state)
{
    struct server_fixture s = {0};
    server_fixture_start(&s, &chain, HEADERS, 0);
    const struct spv_endpoint peer = server_fixture_endpoint(&s);
    pthread_t thread;
    struct run r = {.on_event = start_stopper, .ctx = &thread};
    assert_int_equal(run_loop(&r, *state, &peer, 1), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    struct spv_node_stats stats;
    spv_evloop_get_stats(r.loop, &stats);
    expect_tip(&r, stats.tip.height);
    end_loop(&r);
    server_fixture_stop(&s);
}

static void stop_at_failure(struct run *r, const struct spv_event *event)
{
    if (event->kind == SPV_EVENT_CONNECT_FAILED || event->kind == SPV_EVENT_BANNED ||
        event->kind == SPV_EVENT_DISCONNECTED)
        spv_evloop_stop(r->loop);
}

static void refused_dial_is_reported_once(void **state)
{
    /* The port of a server that has just been stopped. */
    struct server_fixture s = {0};
    server_fixture_start(&s, &chain, 10, 0);
    const struct spv_endpoint peer = server_fixture_endpoint(&s);
    server_fixture_stop(&s);
    struct run r = {.on_event = stop_at_failure};
    assert_int_equal(run_loop(&r, *state, &peer, 1), 0);
    assert_int_equal(r.events[SPV_EVENT_CONNECT_FAILED], 1);
    assert_int_equal(r.error, SPV_ERR_REFUSED);
    expect_tip(&r, 0);
    end_loop(&r);
}

static void unresolved_peer_is_reported_and_the_other_serves(void **state)
{
    struct server_fixture s = {0};
    server_fixture_start(&s, &chain, 100, 0);
    struct spv_endpoint peers[2] = {{.port = 1}, server_fixture_endpoint(&s)};
    memset(peers[0].host, 'a', 70); /* a label of more than 63 bytes is invalid */
    struct run r = {0};
    assert_int_equal(run_loop(&r, *state, peers, 2), 0);
    assert_int_equal(r.error, SPV_ERR_RESOLVE);
    assert_true(r.events[SPV_EVENT_CONNECT_FAILED] >= 1);
    expect_tip(&r, 100);
    end_loop(&r);
    server_fixture_stop(&s);
}

static void misbehaving_peer_is_banned_and_its_valid_headers_are_kept(void **state)
{
    struct server_fixture s = {.bad = 2500};
    server_fixture_start(&s, &chain, HEADERS, 0);
    const struct spv_endpoint peer = server_fixture_endpoint(&s);
    struct run r = {.on_event = stop_at_failure};
    assert_int_equal(run_loop(&r, *state, &peer, 1), 0);
    assert_int_equal(r.events[SPV_EVENT_BANNED], 1);
    assert_int_equal(r.error, SPV_ERR_HDR_BITS);
    expect_tip(&r, 2499);
    end_loop(&r);
    server_fixture_stop(&s);
}

static void stop_server(struct run *r, const struct spv_event *event)
{
    struct server_fixture *s = r->ctx;
    if (event->kind == SPV_EVENT_PROGRESS && s->server) {
        server_fixture_stop(s);
        s->server = NULL;
    }
    stop_at_failure(r, event);
}

static void peer_lost_in_mid_sync_is_reported_once(void **state)
{
    struct server_fixture s = {0};
    server_fixture_start(&s, &chain, HEADERS, 0);
    const struct spv_endpoint peer = server_fixture_endpoint(&s);
    struct run r = {.on_event = stop_server, .ctx = &s};
    assert_int_equal(run_loop(&r, *state, &peer, 1), 0);
    assert_int_equal(r.events[SPV_EVENT_DISCONNECTED], 1);
    assert_int_equal(r.events[SPV_EVENT_CONNECT_FAILED], 0);
    assert_int_equal(spv_err_class_of(r.error), SPV_CLASS_CONNECTION);
    end_loop(&r);
}

static void drop_header_table(struct run *r, const struct spv_event *event)
{
    const struct temp_db *p = r->ctx;
    if (event->kind != SPV_EVENT_CONNECTED)
        return;
    sqlite3 *db;
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DROP TABLE header", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void failing_store_ends_the_run_with_its_error(void **state)
{
    struct server_fixture s = {0};
    server_fixture_start(&s, &chain, HEADERS, 0);
    const struct spv_endpoint peer = server_fixture_endpoint(&s);
    struct run r = {.on_event = drop_header_table, .ctx = *state};
    int rc = run_loop(&r, *state, &peer, 1);
    assert_true(rc < 0);
    assert_int_equal(spv_err_class_of(rc), SPV_CLASS_LOCAL);
    assert_int_equal(r.events[SPV_EVENT_SYNCED], 0);
    assert_int_equal(spv_evloop_free(r.loop), 0);
    (void)spv_store_close(r.store);
    server_fixture_stop(&s);
}

/* A socket that accepts connections and sends nothing. */
static int listen_silently(struct spv_endpoint *at)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    *at = (struct spv_endpoint){.host = "127.0.0.1", .port = ntohs(sa.sin_port)};
    return fd;
}

static void stop_at_stored_tip(struct run *r)
{
    struct spv_store *other = r->ctx;
    struct spv_chain_header tip;
    if (spv_store_tip(other, &tip) == 1 && tip.height == HEADERS)
        spv_evloop_stop(r->loop);
}

static void ignore_event(struct run *r, const struct spv_event *event)
{
    (void)r;
    (void)event;
}

/* The mute peer prevents SYNCED, and the other peer sends no more headers. */
static void the_last_headers_are_committed_within_seconds(void **state)
{
    struct server_fixture s = {0};
    struct spv_endpoint at[2];
    struct spv_store *store = NULL;
    const int mute = listen_silently(&at[1]);
    const struct temp_db *p = *state;
    const struct spv_store_config cfg = {
        .path = p->path, .params = spv_params_get(SPV_REGTEST), .mode = SPV_STORE_CREATE};
    server_fixture_start(&s, &chain, HEADERS, 0);
    at[0] = server_fixture_endpoint(&s);
    assert_int_equal(spv_store_open(&store, &cfg, NULL), 0);
    assert_int_equal(spv_store_close(store), 0);
    const struct spv_store_config reading = {.path = p->path, .mode = SPV_STORE_READ};
    assert_int_equal(spv_store_open(&store, &reading, NULL), 0);
    struct run r = {.on_event = ignore_event, .on_tick = stop_at_stored_tip, .ctx = store};
    assert_int_equal(run_loop(&r, p, at, 2), 0);
    assert_int_equal(r.events[SPV_EVENT_SYNCED], 0);
    end_loop(&r);
    assert_int_equal(spv_store_close(store), 0);
    server_fixture_stop(&s);
    (void)close(mute);
}

static void wait_for_ticks(struct run *r, const struct spv_event *event)
{
    (void)r;
    (void)event;
}

static void stop_at_tick(void *ctx)
{
    struct run *r = ctx;
    if (++r->ticks == 3)
        spv_evloop_stop(r->loop);
}

static void ticks_need_no_peer(void **state)
{
    const struct temp_db *p = *state;
    struct run r = {.on_event = wait_for_ticks};
    const struct spv_store_config store = {
        .path = p->path, .params = spv_params_get(SPV_REGTEST), .mode = SPV_STORE_CREATE};
    assert_int_equal(spv_store_open(&r.store, &store, NULL), 0);
    const struct spv_evloop_config cfg = {
        .node = {.params = spv_params_get(SPV_REGTEST), .discovery = SPV_DISCOVERY_OFF},
        .store = r.store,
        .on_event = on_event,
        .on_tick = stop_at_tick,
        .tick_us = 1000,
        .ctx = &r,
    };
    assert_int_equal(spv_evloop_new(&r.loop, &cfg, NULL), 0);
    assert_int_equal(spv_evloop_run(r.loop), 0);
    assert_int_equal(r.ticks, 3);
    end_loop(&r);
}

/* Every call that is not allowed in a callback fails, and the sync continues. */
static void expect_busy(struct run *r)
{
    assert_int_equal(spv_evloop_free(r->loop), SPV_ERR_STATE);
    assert_int_equal(spv_evloop_run(r->loop), SPV_ERR_STATE);
}

static void free_in_event(struct run *r, const struct spv_event *event)
{
    expect_busy(r);
    if (event->kind == SPV_EVENT_SYNCED)
        spv_evloop_stop(r->loop);
}

static void freeing_or_running_the_loop_in_its_callbacks_returns_an_error(void **state)
{
    struct server_fixture s = {0};
    server_fixture_start(&s, &chain, HEADERS, 0);
    const struct spv_endpoint peer = server_fixture_endpoint(&s);
    struct run r = {.on_event = free_in_event, .on_tick = expect_busy};
    assert_int_equal(run_loop(&r, *state, &peer, 1), 0);
    assert_int_equal(r.events[SPV_EVENT_SYNCED], 1);
    assert_true(r.ticks > 0);
    expect_tip(&r, HEADERS);
    end_loop(&r);
    server_fixture_stop(&s);
}

static int make_chain(void **state)
{
    (void)state;
    mined_new(&chain, HEADERS, 7);
    return 0;
}

static int free_chain(void **state)
{
    (void)state;
    mined_free(&chain);
    return 0;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, temp_db_make, temp_db_remove)
    const struct CMUnitTest tests[] = {
        T(syncs_to_the_tip_then_resumes),
        T(stop_during_sync_keeps_accepted_headers),
        T(another_thread_may_stop_it),
        T(refused_dial_is_reported_once),
        T(unresolved_peer_is_reported_and_the_other_serves),
        T(misbehaving_peer_is_banned_and_its_valid_headers_are_kept),
        T(peer_lost_in_mid_sync_is_reported_once),
        T(failing_store_ends_the_run_with_its_error),
        T(ticks_need_no_peer),
        T(freeing_or_running_the_loop_in_its_callbacks_returns_an_error),
        T(the_last_headers_are_committed_within_seconds),
    };
    return cmocka_run_group_tests(tests, make_chain, free_chain);
}
