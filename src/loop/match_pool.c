/* The threads share a task: each claims the next CHUNK filters until none is left. The last one to
 * finish pushes the result onto the reactor's task queue.
 *
 *     loop:     start ------------------------------------------------ done(ctx)
 *     threads:        claim, match, claim, match ... last one finishes
 */
#include "loop/match_pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "net/reactor.h"
#include "spv/error.h"

/* ours: filters that a thread claims at once: lists are matched faster than single ones */
#define CHUNK 32

/* The result of a task; owned by the task queue once it was pushed. */
struct result {
    struct spv_task task; /* first */
    struct spv_match_pool *pool; /* NULL: freed; reactor's thread only */
};

struct spv_match_pool {
    struct spv_task_queue *task_queue;
    void (*done)(void *ctx);
    void *ctx;
    pthread_t threads[SPV_MATCH_THREADS];
    unsigned n_threads;
    struct result *result; /* of the current task; set on the reactor's thread only */
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t task_available;
    bool is_stopping;
    bool pushed; /* result was pushed onto the task queue */
    uint64_t serial; /* number of the current task */
    struct spv_match_filters_task task;
    size_t next; /* index of the next unclaimed filter */
    unsigned n_working; /* threads that have not finished the task */
};

static size_t claim_chunk(struct spv_match_pool *pool, size_t *first)
{
    (void)pthread_mutex_lock(&pool->lock);
    const size_t left = pool->is_stopping ? 0 : pool->task.n - pool->next;
    const size_t n = left < CHUNK ? left : CHUNK;
    *first = pool->next;
    pool->next += n;
    (void)pthread_mutex_unlock(&pool->lock);
    return n;
}

static void match_all(struct spv_match_pool *pool, const struct spv_match_filters_task *task)
{
    struct spv_filter_matcher *matcher;
    size_t first, n;
    const int rc = spv_filter_matcher_new(&matcher, task->query);

    while ((n = claim_chunk(pool, &first)) > 0) {
        if (rc == 0)
            spv_filter_match_list(matcher, task->results + first, task->filters + first, n);
        for (size_t i = 0; rc < 0 && i < n; i++)
            task->results[first + i] = rc;
    }
    spv_filter_matcher_free(matcher);
}

/* Waits for a task after number *serial; false: the pool is being freed. */
static bool wait_for_task(struct spv_match_pool *pool, struct spv_match_filters_task *task,
                          uint64_t *serial)
{
    (void)pthread_mutex_lock(&pool->lock);
    while (!pool->is_stopping && pool->serial == *serial)
        (void)pthread_cond_wait(&pool->task_available, &pool->lock);
    const bool found = pool->serial != *serial;
    *serial = pool->serial;
    *task = pool->task;
    (void)pthread_mutex_unlock(&pool->lock);
    return found;
}

static void end_task(struct spv_match_pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    const bool last = --pool->n_working == 0;
    struct result *result = pool->result;
    /* before it is pushed: then the reactor's thread may begin the next task at once */
    pool->pushed = last;
    (void)pthread_mutex_unlock(&pool->lock);
    if (!last || spv_task_queue_push(pool->task_queue, &result->task))
        return;
    (void)pthread_mutex_lock(&pool->lock);
    pool->pushed = false; /* the reactor is being freed */
    (void)pthread_mutex_unlock(&pool->lock);
}

static void *run_thread(void *ctx)
{
    struct spv_match_pool *pool = ctx;
    struct spv_match_filters_task task;
    uint64_t serial = 0;

    while (wait_for_task(pool, &task, &serial)) {
        match_all(pool, &task);
        end_task(pool);
    }
    return NULL;
}

int spv_match_pool_new(struct spv_match_pool **out, struct spv_reactor *reactor,
                       void (*done)(void *ctx), void *ctx)
{
    struct spv_match_pool *pool = calloc(1, sizeof *pool);

    *out = NULL;
    if (!pool)
        goto err0;
    if (pthread_mutex_init(&pool->lock, NULL) != 0)
        goto err1;
    if (pthread_cond_init(&pool->task_available, NULL) != 0)
        goto err2;
    pool->done = done;
    pool->ctx = ctx;
    pool->task_queue = spv_task_queue_ref(reactor->task_queue);
    *out = pool;
    return 0;
err2:
    (void)pthread_mutex_destroy(&pool->lock);
err1:
    free(pool);
err0:
    return SPV_ERR_NOMEM;
}

static void join_threads(struct spv_match_pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    pool->is_stopping = true;
    (void)pthread_cond_broadcast(&pool->task_available);
    (void)pthread_mutex_unlock(&pool->lock);
    while (pool->n_threads > 0)
        (void)pthread_join(pool->threads[--pool->n_threads], NULL);
}

void spv_match_pool_free(struct spv_match_pool *pool)
{
    if (!pool)
        return;
    join_threads(pool);
    if (pool->result && pool->pushed)
        pool->result->pool = NULL; /* it frees itself */
    else
        free(pool->result);
    (void)pthread_cond_destroy(&pool->task_available);
    (void)pthread_mutex_destroy(&pool->lock);
    spv_task_queue_unref(pool->task_queue);
    free(pool);
}

static void on_result(struct spv_task *task)
{
    struct result *result = (struct result *)task;
    struct spv_match_pool *pool = result->pool;

    free(result);
    if (!pool)
        return;
    pool->result = NULL;
    pool->done(pool->ctx);
}

/* All signals are blocked: they are for the program's own threads. One thread is enough to go on.
 */
static int start_threads(struct spv_match_pool *pool)
{
    sigset_t all, before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool->n_threads < SPV_MATCH_THREADS &&
           pthread_create(&pool->threads[pool->n_threads], NULL, run_thread, pool) == 0)
        pool->n_threads++;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pool->n_threads > 0 ? 0 : SPV_ERR_NOMEM;
}

int spv_match_pool_start(struct spv_match_pool *pool, const struct spv_match_filters_task *task)
{
    const int rc = pool->n_threads > 0 ? 0 : start_threads(pool);

    if (rc < 0)
        return rc;
    struct result *result = calloc(1, sizeof *result);
    if (!result)
        return SPV_ERR_NOMEM;
    *result = (struct result){.task = {.run = on_result}, .pool = pool};
    (void)pthread_mutex_lock(&pool->lock);
    pool->result = result;
    pool->pushed = false;
    pool->task = *task;
    pool->next = 0;
    pool->n_working = pool->n_threads;
    pool->serial++;
    (void)pthread_cond_broadcast(&pool->task_available);
    (void)pthread_mutex_unlock(&pool->lock);
    return 0;
}
