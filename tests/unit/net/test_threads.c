/* Links from other threads: the reactor runs in the test's thread, the others send, ask and close.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/reactor.h"
#include "support/random.h"
#include "unit/net/net_fixture.h"

#define THREADS 8
#define SENDS 10000
#define ROUNDS 1000
#define SEED 20250607

/* A message with its sender and its number. */
struct numbered_msg {
    uint32_t thread;
    uint32_t number;
};

static struct spv_msg encode_numbered(const struct numbered_msg *numbered_msg)
{
    return (struct spv_msg){
        .command = SPV_CMD_UNKNOWN,
        .name = "numbered_msg",
        .u.raw = {.bytes = (const uint8_t *)numbered_msg, .n = sizeof *numbered_msg}};
}

struct shared_link {
    struct end a; /* used by all threads */
    struct end b;
    struct spv_link *link; /* with a reference */
    pthread_t threads[THREADS];
    atomic_uint n_accepted; /* sends that were accepted */
    unsigned n_sent; /* successful completions; reactor's thread, as all below */
    unsigned not_sent;
    unsigned n_received;
    uint32_t next[THREADS]; /* expected number of each thread's next message */
    bool close_when_all; /* else the threads close after their last send */
};
struct worker {
    struct shared_link *shared_link;
    uint32_t id;
    unsigned sends; /* then it closes */
};

static void on_sent(void *ctx, int error)
{
    struct shared_link *c = ctx;
    assert_true(error <= 0);
    assert_int_equal(c->a.n_closed, 0); /* completions are called before on_closed */
    if (error == 0)
        c->n_sent++;
    else
        c->not_sent++;
    if (c->close_when_all && c->n_sent == THREADS * SENDS)
        spv_link_close(c->link, 0);
}

static void count_numbered(struct end *e, const struct spv_msg *msg)
{
    struct shared_link *c = e->ctx;
    struct numbered_msg numbered_msg;
    if (msg->command != SPV_CMD_UNKNOWN)
        return;
    assert_string_equal(msg->name, "numbered_msg");
    assert_int_equal(msg->u.raw.n, sizeof numbered_msg);
    memcpy(&numbered_msg, msg->u.raw.bytes, sizeof numbered_msg);
    assert_true(numbered_msg.thread < THREADS);
    assert_int_equal(numbered_msg.number, c->next[numbered_msg.thread]);
    c->next[numbered_msg.thread]++;
    c->n_received++;
}

static void stop_after_both(struct end *e)
{
    const struct shared_link *c = e->ctx;
    if (c->a.n_closed > 0 && c->b.n_closed > 0)
        net_fixture_stop(e);
}

static void *sender_main(void *ctx)
{
    struct worker *w = ctx;
    struct shared_link *c = w->shared_link;
    struct spv_peer_stats stats;
    uint64_t bytes = 0;
    int rc = 0;
    for (uint32_t i = 0; i < w->sends && rc == 0; i++) {
        const struct numbered_msg numbered_msg = {w->id, i};
        const struct spv_msg msg = encode_numbered(&numbered_msg);
        while ((rc = spv_link_send_tracked(c->link, &msg, on_sent, c)) == SPV_ERR_QUEUE_FULL)
            (void)sched_yield();
        if (rc == 0)
            atomic_fetch_add(&c->n_accepted, 1);
        if (i % 64 == 0) {
            spv_link_stats(c->link, &stats);
            assert_true(stats.bytes_out >= bytes); /* consistent and never decreasing */
            bytes = stats.bytes_out;
            assert_string_equal(spv_link_endpoint(c->link)->host, "local");
        }
    }
    assert_true(rc == 0 || (rc == SPV_ERR_STATE && !c->close_when_all));
    if (!c->close_when_all)
        spv_link_close(c->link, SPV_ERR_DISCONNECTED);
    assert_int_equal(spv_link_wait(c->link), 0);
    assert_int_equal(c->a.n_closed, 1);
    assert_int_equal(c->n_sent + c->not_sent, atomic_load(&c->n_accepted));
    spv_link_unref(c->link);
    return NULL;
}

static struct shared_link *run_senders(struct net_fixture *net_fixture,
                                       const unsigned sends[THREADS], bool close_when_all)
{
    struct shared_link *c = calloc(1, sizeof *c);
    struct worker workers[THREADS];
    assert_non_null(c);
    c->close_when_all = close_when_all;
    c->a = (struct end){.on_closed = stop_after_both, .ctx = c};
    c->b = (struct end){.on_message = count_numbered, .on_closed = stop_after_both, .ctx = c};
    net_fixture_connect(net_fixture, &c->a, &c->b);
    c->link = c->a.link;
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.shared_link = c, .id = i, .sends = sends[i]};
        (void)spv_link_ref(c->link);
        assert_int_equal(pthread_create(&c->threads[i], NULL, sender_main, &workers[i]), 0);
    }
    net_fixture_run(net_fixture);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(c->threads[i], NULL), 0);
    return c;
}

static void eight_threads_send_and_every_completion_is_called_once(void **state)
{
    unsigned sends[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        sends[i] = SENDS;
    struct shared_link *c = run_senders(*state, sends, true);
    assert_int_equal(c->n_sent, THREADS * SENDS);
    assert_int_equal(c->not_sent, 0);
    assert_int_equal(c->n_received, THREADS * SENDS);
    assert_int_equal(c->a.error, SPV_ERR_DISCONNECTED);
    free(c);
}

static void threads_that_close_while_others_send_lose_no_completion(void **state)
{
    struct test_random random = {SEED};
    unsigned sends[THREADS];
    printf("seed %u\n", SEED);
    for (size_t i = 0; i < THREADS; i++)
        sends[i] = 100 + (unsigned)test_random_below(&random, SENDS);
    struct shared_link *c = run_senders(*state, sends, false);
    assert_int_equal(c->a.n_closed, 1);
    assert_int_equal(c->n_sent + c->not_sent, atomic_load(&c->n_accepted));
    assert_true(c->n_received <= c->n_sent);
    free(c);
}

/* A thousand links, each closed by two threads at once while they send. */
struct race {
    struct net_fixture *net_fixture;
    struct end a;
    struct end b;
    struct spv_link *link;
    pthread_mutex_t lock;
    pthread_cond_t turned;
    unsigned round; /* the round that the threads run */
    unsigned arrived; /* threads that have finished it */
    atomic_uint n_accepted;
    atomic_uint n_completed;
    struct spv_task next;
};

static void begin_round(struct race *race)
{
    race->a = (struct end){.ctx = race};
    race->b = (struct end){.ctx = race};
    net_fixture_connect(race->net_fixture, &race->a, &race->b);
    (void)pthread_mutex_lock(&race->lock);
    race->link = spv_link_ref(race->a.link);
    atomic_store(&race->n_accepted, 0);
    atomic_store(&race->n_completed, 0);
    race->arrived = 0;
    race->round++;
    (void)pthread_cond_broadcast(&race->turned);
    (void)pthread_mutex_unlock(&race->lock);
}

static void on_next(struct spv_task *post)
{
    struct race *race = (void *)((char *)post - offsetof(struct race, next));
    spv_link_unref(race->link);
    if (race->b.link)
        net_fixture_close(race->net_fixture);
    assert_int_equal(race->b.n_closed, 1);
    if (race->round == ROUNDS)
        spv_reactor_stop(race->net_fixture->r);
    else
        begin_round(race);
}

/* Lets other threads run, to catch a wait that ends before the last callback. */
static void on_done(void *ctx, int error)
{
    struct race *race = ctx;
    (void)error;
    for (int i = 0; i < 20; i++)
        (void)sched_yield();
    atomic_fetch_add(&race->n_completed, 1);
}

static void run_round(struct race *race, unsigned round)
{
    struct spv_link *link = race->link;
    const struct spv_msg msg = {.command = SPV_CMD_GETADDR};
    for (unsigned i = 0; i < round % 4; i++) {
        if (spv_link_send_tracked(link, &msg, on_done, race) == 0)
            atomic_fetch_add(&race->n_accepted, 1);
    }
    if (round % 3 == 0)
        (void)sched_yield();
    spv_link_close(link, SPV_ERR_DISCONNECTED);
    spv_link_close(link, SPV_ERR_STALL);
    assert_int_equal(spv_link_wait(link), 0);
    assert_int_equal(race->a.n_closed, 1);
    assert_int_equal(race->a.error, SPV_ERR_DISCONNECTED);
    assert_int_equal(spv_link_send(link, &msg), SPV_ERR_STATE);
}

static void *race_main(void *ctx)
{
    struct race *race = ctx;
    for (unsigned round = 1; round <= ROUNDS; round++) {
        (void)pthread_mutex_lock(&race->lock);
        while (race->round < round)
            (void)pthread_cond_wait(&race->turned, &race->lock);
        (void)pthread_mutex_unlock(&race->lock);
        run_round(race, round);
        (void)pthread_mutex_lock(&race->lock);
        bool last = ++race->arrived == 2;
        (void)pthread_mutex_unlock(&race->lock);
        if (!last)
            continue;
        assert_int_equal(atomic_load(&race->n_completed), atomic_load(&race->n_accepted));
        assert_true(spv_task_queue_push(race->net_fixture->r->task_queue, &race->next));
    }
    return NULL;
}

static void wait_returns_after_all_completions_in_racing_closes(void **state)
{
    struct net_fixture *net_fixture = *state;
    struct race race = {.net_fixture = net_fixture, .next.run = on_next};
    pthread_t threads[2];
    assert_int_equal(pthread_mutex_init(&race.lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&race.turned, NULL), 0);
    begin_round(&race);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race_main, &race), 0);
    net_fixture_run(net_fixture);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    (void)pthread_cond_destroy(&race.turned);
    (void)pthread_mutex_destroy(&race.lock);
}

/* A thousand connections, both ends on one loop. */
#define CONNECTIONS 1000
#define OTHER_DESCRIPTORS 40 /* descriptors of the test itself */

struct link_group {
    struct end ends[2 * CONNECTIONS];
    unsigned ready;
    unsigned n_received;
};

static void ping_when_all_are_ready(struct end *e)
{
    struct link_group *m = e->ctx;
    const struct spv_msg msg = {.command = SPV_CMD_GETADDR};
    if (++m->ready < 2 * CONNECTIONS)
        return;
    for (size_t i = 0; i < 2 * CONNECTIONS; i++)
        assert_int_equal(spv_link_send(m->ends[i].link, &msg), 0);
}

static void count_ping(struct end *e, const struct spv_msg *msg)
{
    struct link_group *m = e->ctx;
    if (msg->command == SPV_CMD_GETADDR && ++m->n_received == 2 * CONNECTIONS)
        net_fixture_stop(e);
}

static void thousand_connections_run_on_one_loop(void **state)
{
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit wide = {.rlim_cur = 2 * CONNECTIONS + OTHER_DESCRIPTORS,
                          .rlim_max = before.rlim_max};
    if (before.rlim_cur < wide.rlim_cur && setrlimit(RLIMIT_NOFILE, &wide) != 0) {
        print_message("skipped: the limit of open files is %lu here, %lu are needed\n",
                      (unsigned long)before.rlim_max, (unsigned long)wide.rlim_cur);
        skip();
    }
    struct link_group *m = calloc(1, sizeof *m);
    assert_non_null(m);
    for (size_t i = 0; i < 2 * CONNECTIONS; i++)
        m->ends[i] =
            (struct end){.on_ready = ping_when_all_are_ready, .on_message = count_ping, .ctx = m};
    for (size_t i = 0; i < CONNECTIONS; i++)
        net_fixture_connect(*state, &m->ends[2 * i], &m->ends[2 * i + 1]);
    net_fixture_run(*state);
    assert_int_equal(m->ready, 2 * CONNECTIONS);
    net_fixture_close(*state);
    for (size_t i = 0; i < 2 * CONNECTIONS; i++)
        assert_int_equal(m->ends[i].n_closed, 1);
    free(m);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static int setup(void **state)
{
    const int rc = net_fixture_setup(state);
    ((struct net_fixture *)*state)->timeout_us = NET_FIXTURE_LONG_TIMEOUT;
    return rc;
}

static int setup_v2(void **state)
{
    const int rc = net_fixture_setup_v2(state);
    ((struct net_fixture *)*state)->timeout_us = NET_FIXTURE_LONG_TIMEOUT;
    return rc;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, net_fixture_teardown)
#define V2(name) NET_FIXTURE_V2(name, setup_v2)
    const struct CMUnitTest tests[] = {
        T(eight_threads_send_and_every_completion_is_called_once),
        T(threads_that_close_while_others_send_lose_no_completion),
        T(wait_returns_after_all_completions_in_racing_closes),
        T(thousand_connections_run_on_one_loop),
        V2(eight_threads_send_and_every_completion_is_called_once),
        V2(threads_that_close_while_others_send_lose_no_completion),
        V2(wait_returns_after_all_completions_in_racing_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
