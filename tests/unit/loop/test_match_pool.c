/* Filters matched on threads: every result is there when the task is reported, whenever the pool is
 * freed. Run with ThreadSanitizer, too. */
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "support/random.h"
#include "support/unit.h"

#include "loop/match_pool.h"
#include "spv/reactor.h"

#define N_FILTERS 300
#define N_ROUNDS 20

struct fixture {
    struct spv_reactor *reactor;
    struct spv_match_pool *pool;
    struct spv_filter_query *query;
    struct spv_filter filters[N_FILTERS];
    uint8_t *bytes[N_FILTERS];
    int results[N_FILTERS];
    size_t n; /* filters of the next task */
    unsigned rounds; /* tasks that were reported */
    unsigned wanted; /* then the reactor stops */
};

/* Filter i has the script of the query when i is a multiple of 3. */
static void open_fixture(struct fixture *f, void (*done)(void *ctx))
{
    static const uint8_t script[2][5] = {{0x51, 1, 2, 3, 4}, {0x51, 9, 9, 9, 9}};
    const struct spv_bytes items[2] = {{script[0], 5}, {script[1], 5}};
    struct test_random random = {1};

    memset(f, 0, sizeof *f);
    for (size_t i = 0; i < N_FILTERS; i++) {
        test_random_fill(&random, f->filters[i].block.b, 32);
        assert_int_equal(spv_filter_build(&f->bytes[i], &f->filters[i].n, &f->filters[i].block,
                                          &items[i % 3 == 0 ? 0 : 1], 1),
                         0);
        f->filters[i].bytes = f->bytes[i];
    }
    assert_int_equal(spv_filter_query_new(&f->query, &items[0], 1), 0);
    assert_int_equal(spv_reactor_new(&f->reactor, NULL), 0);
    assert_int_equal(spv_match_pool_new(&f->pool, f->reactor, done, f), 0);
}

static void close_fixture(struct fixture *f)
{
    spv_match_pool_free(f->pool);
    assert_int_equal(spv_reactor_free(f->reactor), 0);
    spv_filter_query_free(f->query);
    for (size_t i = 0; i < N_FILTERS; i++)
        free(f->bytes[i]);
}

static void start(struct fixture *f)
{
    const struct spv_match_filters_task task = {
        .query = f->query, .filters = f->filters, .results = f->results, .n = f->n};

    for (size_t i = 0; i < N_FILTERS; i++)
        f->results[i] = -1000;
    assert_int_equal(spv_match_pool_start(f->pool, &task), 0);
}

static void on_done(void *ctx)
{
    struct fixture *f = ctx;

    for (size_t i = 0; i < N_FILTERS; i++)
        assert_int_equal(f->results[i], i >= f->n ? -1000 : i % 3 == 0);
    if (++f->rounds == f->wanted) {
        spv_reactor_stop(f->reactor);
        return;
    }
    f->n = (f->n * 7 + 1) % N_FILTERS + 1;
    start(f);
}

static void every_filter_of_every_task_is_matched(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, on_done);
    f.n = 1;
    f.wanted = N_ROUNDS;
    start(&f);
    assert_int_equal(spv_reactor_run(f.reactor), 0);
    assert_int_equal(f.rounds, N_ROUNDS);
    close_fixture(&f);
}

#define N_SLOW                                                                                     \
    100000 /* elements of a filter: milliseconds for one thread, while another is idle             \
            */

static void on_slow_done(void *ctx)
{
    struct fixture *f = ctx;

    assert_int_equal(f->results[0], 1);
    if (++f->rounds == f->wanted)
        spv_reactor_stop(f->reactor);
    else
        start(f);
}

/* One filter: the other thread has nothing to do, and ends the task long before. */
static void a_task_is_reported_by_the_thread_that_ends_last(void **state)
{
    static uint8_t scripts[N_SLOW][5];
    static struct spv_bytes items[N_SLOW];
    struct fixture f;

    (void)state;
    open_fixture(&f, on_slow_done);
    for (uint32_t i = 0; i < N_SLOW; i++) {
        scripts[i][0] = 0x51;
        memcpy(scripts[i] + 1, &i, sizeof i);
        items[i] = (struct spv_bytes){scripts[i], sizeof scripts[i]};
    }
    memcpy(scripts[0] + 1, (const uint8_t[]){1, 2, 3, 4}, 4); /* the script of the query */
    free(f.bytes[0]);
    assert_int_equal(
        spv_filter_build(&f.bytes[0], &f.filters[0].n, &f.filters[0].block, items, N_SLOW), 0);
    f.filters[0].bytes = f.bytes[0];
    f.n = 1;
    f.wanted = N_ROUNDS;
    start(&f);
    assert_int_equal(spv_reactor_run(f.reactor), 0);
    close_fixture(&f);
}

static void must_not_be_called(void *ctx)
{
    (void)ctx;
    fail();
}

static void a_pool_that_is_freed_reports_nothing(void **state)
{
    struct fixture f;

    (void)state;
    for (size_t n = 0; n < N_FILTERS; n += 60) {
        open_fixture(&f, must_not_be_called);
        f.n = n;
        if (n > 0)
            start(&f);
        close_fixture(&f);
    }
}

static void stop_reactor(void *ctx)
{
    spv_reactor_stop(ctx);
}

/* Its threads end the task before they end themselves: the result is in the reactor's queue. */
static void a_result_of_a_freed_pool_is_dropped(void **state)
{
    struct fixture f;
    struct spv_timer *timer;

    (void)state;
    open_fixture(&f, must_not_be_called);
    f.n = N_FILTERS;
    start(&f);
    spv_match_pool_free(f.pool);
    f.pool = NULL;
    assert_int_equal(spv_timer_new(&timer, f.reactor, stop_reactor, f.reactor), 0);
    spv_timer_set(timer, 0);
    assert_int_equal(spv_reactor_run(f.reactor), 0);
    spv_timer_free(timer);
    close_fixture(&f);
}

/* A signal that the program's threads block waits for them. */
static void the_threads_take_no_signals(void **state)
{
    const struct timespec patience = {.tv_sec = 60};
    sigset_t usr1, before;
    struct fixture f;

    (void)state;
    open_fixture(&f, on_done);
    f.n = N_FILTERS;
    f.wanted = 1;
    start(&f);
    assert_int_equal(spv_reactor_run(f.reactor), 0);
    (void)sigemptyset(&usr1);
    (void)sigaddset(&usr1, SIGUSR1);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &usr1, &before), 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(kill(getpid(), SIGUSR1), 0); /* deadly in a thread that takes it */
        assert_int_equal(sigtimedwait(&usr1, NULL, &patience), SIGUSR1);
    }
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    close_fixture(&f);
}

static void a_reactor_may_be_freed_before_the_pool(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, on_done);
    f.n = N_FILTERS;
    f.wanted = 1;
    start(&f);
    assert_int_equal(spv_reactor_free(f.reactor), 0);
    spv_match_pool_free(f.pool);
    f.pool = NULL;
    assert_int_equal(spv_reactor_new(&f.reactor, NULL), 0);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_filter_of_every_task_is_matched),
        cmocka_unit_test(a_task_is_reported_by_the_thread_that_ends_last),
        cmocka_unit_test(a_pool_that_is_freed_reports_nothing),
        cmocka_unit_test(a_result_of_a_freed_pool_is_dropped),
        cmocka_unit_test(the_threads_take_no_signals),
        cmocka_unit_test(a_reactor_may_be_freed_before_the_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
