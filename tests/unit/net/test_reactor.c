/* The reactor, its task queue and its timers. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/reactor.h"

static int setup(void **state)
{
    struct spv_reactor *r;
    assert_int_equal(spv_reactor_new(&r, NULL), 0);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    spv_reactor_free(*state);
    return 0;
}

static void *stop_reactor(void *ctx)
{
    spv_reactor_stop(ctx);
    return NULL;
}

static void stops_from_another_thread(void **state)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_reactor, *state), 0);
    assert_int_equal(spv_reactor_run(*state), 0);
    assert_true(spv_reactor_stopped(*state));
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static struct spv_reactor *signalled;

static void on_signal(int sig)
{
    (void)sig;
    spv_reactor_stop(signalled);
}

static void raise_signal(void *ctx)
{
    (void)ctx;
    assert_int_equal(raise(SIGUSR1), 0);
}

static void stops_from_a_signal_handler(void **state)
{
    signalled = *state;
    struct sigaction act = {.sa_handler = on_signal};
    struct sigaction before;
    assert_int_equal(sigaction(SIGUSR1, &act, &before), 0);
    struct spv_timer *t;
    assert_int_equal(spv_timer_new(&t, *state, raise_signal, NULL), 0);
    spv_timer_set(t, 0);
    assert_int_equal(spv_reactor_run(*state), 0);
    spv_timer_free(t);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
}

static void does_not_run_after_a_stop(void **state)
{
    assert_false(spv_reactor_stopped(*state));
    spv_reactor_stop(*state);
    assert_int_equal(spv_reactor_run(*state), 0);
}

/* Timers. */
struct fired_list {
    struct spv_reactor *r;
    char order[8];
    size_t n;
};
struct fired_timer {
    struct fired_list *all;
    struct spv_timer *timer;
    uint64_t at;
    char name;
};

static void on_fire(void *ctx)
{
    struct fired_timer *s = ctx;
    assert_true(spv_system_now().mono_us >= s->at);
    s->all->order[s->all->n++] = s->name;
    if (s->name == 'z')
        spv_reactor_stop(s->all->r);
}

static void set(struct fired_timer *s, uint64_t at)
{
    s->at = at;
    spv_timer_set(s->timer, at);
}

static void timers_fire_in_order_and_never_early(void **state)
{
    struct fired_list all = {.r = *state};
    struct fired_timer s[] = {
        {.name = 'a'}, {.name = 'b'}, {.name = 'c'}, {.name = 'd'}, {.name = 'z'}};
    const uint64_t t0 = spv_system_now().mono_us;
    for (size_t i = 0; i < 5; i++) {
        s[i].all = &all;
        assert_int_equal(spv_timer_new(&s[i].timer, *state, on_fire, &s[i]), 0);
    }
    set(&s[4], t0 + 60000);
    set(&s[0], t0 + 5000);
    set(&s[0], t0 + 40000); /* moved later: does not fire at 5 ms */
    set(&s[1], t0 + 50000);
    set(&s[1], t0 + 20000); /* moved earlier */
    set(&s[2], t0 + 10000);
    set(&s[2], SPV_NEVER); /* disarmed */
    set(&s[3], 0); /* at once */
    assert_int_equal(spv_reactor_run(*state), 0);
    assert_string_equal(all.order, "dbaz");
    for (size_t i = 0; i < 5; i++)
        spv_timer_free(s[i].timer);
}

/* The task queue: two threads push, each in its own order. */
#define TASKS 500
struct numbered_task {
    struct spv_task task; /* first */
    unsigned from;
    unsigned number;
};
static struct numbered_task tasks[2][TASKS];
static unsigned n_run[2];
static struct spv_reactor *reactor;

static void on_task(struct spv_task *task)
{
    const struct numbered_task *l = (const struct numbered_task *)task;
    assert_int_equal(l->number, n_run[l->from]);
    n_run[l->from]++;
    if (n_run[0] == TASKS && n_run[1] == TASKS)
        spv_reactor_stop(reactor);
}

static void *push_tasks(void *ctx)
{
    struct numbered_task *mine = ctx;
    for (unsigned i = 0; i < TASKS; i++)
        assert_true(spv_task_queue_push(reactor->task_queue, &mine[i].task));
    return NULL;
}

static void tasks_of_other_threads_run_on_the_reactors_in_order(void **state)
{
    reactor = *state;
    pthread_t threads[2];
    for (unsigned t = 0; t < 2; t++) {
        n_run[t] = 0;
        for (unsigned i = 0; i < TASKS; i++)
            tasks[t][i] = (struct numbered_task){.task.run = on_task, .from = t, .number = i};
        assert_int_equal(pthread_create(&threads[t], NULL, push_tasks, tasks[t]), 0);
    }
    assert_int_equal(spv_reactor_run(*state), 0);
    for (unsigned t = 0; t < 2; t++)
        assert_int_equal(pthread_join(threads[t], NULL), 0);
    assert_int_equal(n_run[0], TASKS);
    assert_int_equal(n_run[1], TASKS);
}

static void count_run(struct spv_task *task)
{
    (void)task;
    n_run[0]++;
}

static void closed_task_queue_runs_what_is_queued_and_accepts_no_more(void **state)
{
    (void)state;
    struct spv_task_queue *queue;
    struct spv_task two[2] = {{.run = count_run}, {.run = count_run}};
    n_run[0] = 0;
    assert_int_equal(spv_task_queue_new(&queue), 0);
    assert_true(spv_task_queue_push(queue, &two[0]));
    spv_task_queue_close(queue);
    assert_int_equal(n_run[0], 1);
    assert_false(spv_task_queue_push(queue, &two[1]));
    spv_task_queue_unref(queue);
    assert_int_equal(n_run[0], 1);
}

static void randomness_fills_every_length(void **state)
{
    (void)state;
    const struct spv_rng rng = spv_system_rng();
    uint8_t a[300] = {0};
    uint8_t b[300] = {0};
    rng.fill(rng.ctx, a, sizeof a);
    rng.fill(rng.ctx, b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a + 268, b + 268, 32); /* the end as well */
    uint8_t watchdog[3] = {7, 7, 7};
    rng.fill(rng.ctx, watchdog + 1, 0);
    assert_int_equal(watchdog[1], 7);
}

/* Leaves `spare` descriptors, beginning with `lowest`. */
static void leave_descriptors(int lowest, rlim_t spare)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = (rlim_t)lowest + spare;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void reactor_without_descriptors_is_an_error_and_not_an_exit(void **state)
{
    (void)state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const int lowest = dup(STDERR_FILENO);
    assert_true(lowest >= 0);
    assert_int_equal(close(lowest), 0);
    struct spv_reactor *r = NULL;
    for (rlim_t spare = 0; spare < 4; spare++) {
        leave_descriptors(lowest, spare);
        assert_int_equal(spv_reactor_new(&r, NULL), SPV_ERR_NO_DESCRIPTOR);
    }
    leave_descriptors(lowest, 4);
    assert_int_equal(spv_reactor_new(&r, NULL), 0); /* the failed calls have kept none */
    spv_reactor_free(r);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(stops_from_another_thread, setup, teardown),
        cmocka_unit_test_setup_teardown(stops_from_a_signal_handler, setup, teardown),
        cmocka_unit_test_setup_teardown(does_not_run_after_a_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(timers_fire_in_order_and_never_early, setup, teardown),
        cmocka_unit_test_setup_teardown(tasks_of_other_threads_run_on_the_reactors_in_order, setup,
                                        teardown),
        cmocka_unit_test(closed_task_queue_runs_what_is_queued_and_accepts_no_more),
        cmocka_unit_test(randomness_fills_every_length),
        cmocka_unit_test(reactor_without_descriptors_is_an_error_and_not_an_exit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
