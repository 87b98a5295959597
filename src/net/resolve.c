/* Name look-ups that do not block the loop. A job is queued in the pool; up to WORKERS detached
 * threads each take jobs until the queue is empty, and end. The result is a task in the reactor's
 * task queue.
 *
 * getaddrinfo can block for a long time and cannot be interrupted, so workers are never joined. The
 * reactor and each worker have a reference to the pool. A job belongs to the pool, then to the
 * run_worker, then to the task queue (when that is closed, the worker frees it). Cancelling a
 * look-up separates its job from its handle. */
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/reactor.h"
#include "net/sockaddr.h"
#include "spv/resolve.h"

/* look-ups at a time, so that one slow DNS server does not delay the others */
#define WORKERS 4

struct job {
    struct spv_task task; /* first */
    struct job *next; /* in the pool's queue */
    struct spv_resolve *owner; /* NULL once cancelled; reactor's thread only */
    atomic_bool cancelled;
    char host[SPV_HOST_MAX];
    uint16_t port;
    int error;
    size_t n;
    struct spv_netaddr addrs[SPV_RESOLVE_MAX];
};

struct spv_resolve {
    struct spv_handle handle; /* first */
    struct job *job;
    void (*done)(void *ctx, int error, const struct spv_netaddr *addrs, size_t n);
    void *ctx;
};

struct spv_resolve_pool {
    struct spv_handle handle; /* first; reactor's thread only */
    pthread_mutex_t lock; /* guards all except the handle and task_queue */
    struct job *head;
    struct job **tail;
    unsigned workers;
    unsigned refs; /* the reactor and the workers */
    struct spv_task_queue *task_queue;
};

static void pool_unref(struct spv_resolve_pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    bool last = --pool->refs == 0;
    (void)pthread_mutex_unlock(&pool->lock);
    if (!last)
        return;
    (void)pthread_mutex_destroy(&pool->lock);
    spv_task_queue_unref(pool->task_queue);
    free(pool);
}

/* All look-ups were closed before, so queued jobs have no owner. */
static void pool_close(struct spv_handle *handle)
{
    struct spv_resolve_pool *pool = (struct spv_resolve_pool *)handle;
    handle->reactor->resolve_pool = NULL;
    spv_handle_unregister(handle);
    (void)pthread_mutex_lock(&pool->lock);
    struct job *job = pool->head;
    pool->head = NULL;
    pool->tail = &pool->head;
    (void)pthread_mutex_unlock(&pool->lock);
    while (job) {
        struct job *next = job->next;
        free(job);
        job = next;
    }
    pool_unref(pool);
}

static int pool_new(struct spv_reactor *r)
{
    int rc = SPV_ERR_NOMEM;
    struct spv_resolve_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        goto err0;
    if (pthread_mutex_init(&pool->lock, NULL) != 0)
        goto err1;
    rc = spv_handle_register(r, &pool->handle, SPV_HANDLE_OWNED, pool_close);
    if (rc < 0)
        goto err2;
    pool->tail = &pool->head;
    pool->refs = 1;
    pool->task_queue = spv_task_queue_ref(r->task_queue);
    r->resolve_pool = pool;
    return 0;
err2:
    (void)pthread_mutex_destroy(&pool->lock);
err1:
    free(pool);
err0:
    return rc;
}

static int resolve_error(int gai)
{
    return gai == EAI_MEMORY ? SPV_ERR_NOMEM : SPV_ERR_RESOLVE;
}

static bool has_addr(const struct job *job, const struct spv_netaddr *addr)
{
    for (size_t i = 0; i < job->n; i++) {
        if (job->addrs[i].len == addr->len &&
            memcmp(job->addrs[i].bytes, addr->bytes, addr->len) == 0)
            return true;
    }
    return false;
}

/* Without duplicates, in the system's order of preference (RFC 6724). */
static void resolve_job(struct job *job)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int gai = getaddrinfo(job->host, NULL, &hints, &list);
    if (gai != 0) {
        job->error = resolve_error(gai);
        return;
    }
    for (const struct addrinfo *ai = list; ai && job->n < SPV_RESOLVE_MAX; ai = ai->ai_next) {
        struct spv_netaddr addr;
        if (spv_sock_to_netaddr(&addr, ai->ai_addr) < 0 || has_addr(job, &addr))
            continue;
        addr.port = job->port;
        job->addrs[job->n++] = addr;
    }
    freeaddrinfo(list);
    if (job->n == 0)
        job->error = SPV_ERR_RESOLVE;
}

static struct job *pool_take(struct spv_resolve_pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    struct job *job = pool->head;
    if (job) {
        pool->head = job->next;
        if (!pool->head)
            pool->tail = &pool->head;
    } else {
        pool->workers--; /* with the lock held: a job queued from now on starts another worker */
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return job;
}

static void *run_worker(void *ctx)
{
    struct spv_resolve_pool *pool = ctx;
    struct job *job;
    while ((job = pool_take(pool))) {
        if (!atomic_load(&job->cancelled))
            resolve_job(job);
        if (!spv_task_queue_push(pool->task_queue, &job->task))
            free(job);
    }
    pool_unref(pool);
    return NULL;
}

/* All signals are blocked: they are for the program's own threads. */
static int start_worker(struct spv_resolve_pool *pool)
{
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0)
        return SPV_ERR_NOMEM;
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int failed = pthread_create(&thread, &attr, run_worker, pool);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    return failed ? SPV_ERR_NOMEM : 0;
}

/* Queues the job and starts a worker if needed. The lock is held throughout, so no worker takes the
 * job before it is certain that there is one. */
static int pool_put(struct spv_resolve_pool *pool, struct job *job)
{
    int rc = 0;
    (void)pthread_mutex_lock(&pool->lock);
    if (pool->workers < WORKERS) {
        pool->workers++;
        pool->refs++;
        if (start_worker(pool) < 0) {
            pool->workers--;
            pool->refs--;
            if (pool->workers == 0)
                rc = SPV_ERR_NOMEM;
        }
    }
    if (rc == 0) {
        *pool->tail = job;
        pool->tail = &job->next;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return rc;
}

static void resolve_free(struct spv_resolve *rs)
{
    spv_handle_unregister(&rs->handle);
    free(rs);
}

static void on_task(struct spv_task *task)
{
    struct job *job = (struct job *)task;
    struct spv_resolve *rs = job->owner;
    if (rs) {
        void (*done)(void *, int, const struct spv_netaddr *, size_t) = rs->done;
        void *ctx = rs->ctx;
        resolve_free(rs);
        done(ctx, job->error, job->addrs, job->n);
    }
    free(job);
}

void spv_resolve_cancel(struct spv_resolve *rs)
{
    if (!rs)
        return;
    struct job *job = rs->job;
    job->owner = NULL;
    atomic_store(&job->cancelled, true);
    resolve_free(rs);
}

static void handle_close(struct spv_handle *handle)
{
    spv_resolve_cancel((struct spv_resolve *)handle);
}

/* A literal address needs no thread, but done is called from the loop for it as well. */
static int submit_job(struct spv_reactor *r, struct job *job)
{
    if (spv_sock_literal(&job->addrs[0], job->host, job->port) == 0) {
        job->n = 1;
        return spv_task_queue_push(r->task_queue, &job->task) ? 0 : SPV_ERR_STATE;
    }
    if (!r->resolve_pool) {
        int rc = pool_new(r);
        if (rc < 0)
            return rc;
    }
    return pool_put(r->resolve_pool, job);
}

int spv_resolve_start(struct spv_resolve **out, struct spv_reactor *r, const char *host,
                      uint16_t port,
                      void (*done)(void *ctx, int error, const struct spv_netaddr *addrs, size_t n),
                      void *ctx)
{
    size_t len = strlen(host);
    if (len == 0 || len >= SPV_HOST_MAX)
        return SPV_ERR_INVALID;
    int rc = SPV_ERR_NOMEM;
    struct spv_resolve *rs = calloc(1, sizeof *rs);
    if (!rs)
        goto err0;
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        goto err1;
    atomic_init(&job->cancelled, false);
    job->task.run = on_task;
    job->owner = rs;
    job->port = port;
    memcpy(job->host, host, len + 1);
    rs->job = job;
    rs->done = done;
    rs->ctx = ctx;
    rc = spv_handle_register(r, &rs->handle, SPV_HANDLE_CONNECTION, handle_close);
    if (rc < 0)
        goto err2;
    rc = submit_job(r, job);
    if (rc < 0)
        goto err3;
    *out = rs;
    return 0;
err3:
    spv_handle_unregister(&rs->handle);
err2:
    free(job);
err1:
    free(rs);
err0:
    return rc;
}
