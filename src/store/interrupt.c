/* An interrupt is requested in a signal handler or in another thread while the store's thread is
 * inside SQLite. SQLite calls the progress handler every few operations, which checks for the
 * request. A long single operation is ended with sqlite3_interrupt, which needs the connection to
 * be open: the interrupt has a table of its connections, and a connection's owner removes it from
 * the table and waits for requests that may be using it before it closes. It never waits for a
 * signal handler on its own thread: that has returned before the owner continues. */
#include "store/interrupt.h"

#include <sched.h>
#include <string.h>

/* Connections that can be interrupted inside an operation: a program has a store and an iterator or
 * two. Further ones are interrupted between operations. */
#define CONNECTIONS 16
/* Operations between two calls where operations may be long: a foreign table's CHECK may be slow.
 */
#define LONG_OPERATIONS 500
#define WAIT_STEP_MS 25 /* between two tries for a lock */

struct spv_interrupt {
    atomic_bool requested;
    atomic_uint n_requesting; /* calls of spv_interrupt_request under way */
    _Atomic(struct spv_db_watch *) at[CONNECTIONS];
};

struct spv_interrupt *spv_interrupt_new(void)
{
    struct spv_interrupt *stop = sqlite3_malloc64(sizeof *stop);
    if (stop) {
        atomic_init(&stop->requested, false);
        atomic_init(&stop->n_requesting, 0);
        for (size_t i = 0; i < CONNECTIONS; i++)
            atomic_init(&stop->at[i], NULL);
    }
    return stop;
}

void spv_interrupt_free(struct spv_interrupt *stop)
{
    sqlite3_free(stop);
}

void spv_interrupt_request(struct spv_interrupt *stop)
{
    atomic_store(&stop->requested, true);
    atomic_fetch_add(&stop->n_requesting, 1);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct spv_db_watch *w = atomic_load(&stop->at[i]);
        if (w && atomic_load(&w->long_step))
            sqlite3_interrupt(w->db);
    }
    atomic_fetch_sub(&stop->n_requesting, 1);
}

bool spv_interrupt_requested(const struct spv_interrupt *stop)
{
    return stop && atomic_load(&stop->requested);
}

/* SQLite's: non-zero ends the statement with SQLITE_INTERRUPT. */
static int on_operations(void *ctx)
{
    struct spv_db_watch *w = ctx;
    if (w->progress && w->progress(w->ctx) != 0)
        return 1;
    if (!spv_interrupt_requested(w->stop))
        return 0;
    return atomic_load(&w->long_step) || w->after++ >= SPV_DB_WATCH_GRACE;
}

/* SQLite's: 0 gives up waiting for a lock. */
static int on_busy(void *ctx, int tries)
{
    const struct spv_db_watch *w = ctx;
    const uint32_t waited = (uint32_t)tries * WAIT_STEP_MS;
    if (w->wait_ms == 0 || spv_interrupt_requested(w->stop))
        return 0;
    if (w->busy ? w->busy(w->busy_ctx, waited) == 0 : waited >= (uint32_t)w->wait_ms)
        return 0;
    (void)sqlite3_sleep(WAIT_STEP_MS);
    return 1;
}

void spv_db_watch_begin(struct spv_db_watch *w, sqlite3 *db)
{
    w->db = db;
    (void)sqlite3_busy_handler(db, on_busy, w);
    sqlite3_progress_handler(db, SPV_DB_WATCH_OPERATIONS, on_operations, w);
    for (size_t i = 0; w->stop && i < CONNECTIONS; i++) {
        struct spv_db_watch *none = NULL;
        if (atomic_compare_exchange_strong(&w->stop->at[i], &none, w))
            break;
    }
}

void spv_db_watch_end(struct spv_db_watch *w)
{
    if (!w->db || !w->stop)
        return;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct spv_db_watch *self = w;
        (void)atomic_compare_exchange_strong(&w->stop->at[i], &self, NULL);
    }
    while (atomic_load(&w->stop->n_requesting) > 0)
        (void)sched_yield();
    w->db = NULL;
}

void spv_db_watch_progress(struct spv_db_watch *w, int (*progress)(void *ctx), void *ctx)
{
    w->progress = progress;
    w->ctx = ctx;
}

void spv_db_watch_long(struct spv_db_watch *w, bool on)
{
    atomic_store(&w->long_step, on);
    sqlite3_progress_handler(w->db, on ? LONG_OPERATIONS : SPV_DB_WATCH_OPERATIONS, on_operations,
                             w);
}
