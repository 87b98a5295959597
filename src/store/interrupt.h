/* What ends the statements of a connection before their end: a stop that was asked for, or the
 * caller's progress function. */
#ifndef SPV_STORE_INTERRUPT_H
#define SPV_STORE_INTERRUPT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "spv/store.h"

/* SQLite's virtual machine looks up after so many operations: a millisecond, and too seldom to cost
 * anything. */
#define SPV_WATCH_OPERATIONS 50000
/* Looks that statements may go on for once a stop was asked for, all of a connection's together: 5
 * million operations, a third of a second. The longest that storing what came takes, a
 * reorganisation of the deepest kind, needs a million. */
#define SPV_WATCH_GRACE 100

/* One connection, from its opening to its closing. */
struct spv_watch {
    sqlite3 *db;
    struct spv_interrupt *stop; /* lent; NULL: none */
    int wait_ms; /* for a lock of another connection; 0: not at all */
    int (*busy)(void *ctx, uint32_t waited_ms); /* spv_store_config's; decides instead, or NULL */
    void *busy_ctx;
    int (*progress)(void *ctx); /* NULL, or: non-zero ends the statement */
    void *ctx;
    atomic_bool long_step; /* one operation may be long: it is interrupted at once */
    unsigned after; /* looks since the stop */
};

/* Begins with a connection that is open; w->stop and w->wait_ms are set. */
void spv_watch_begin(struct spv_watch *w, sqlite3 *db);
/* Before the connection is closed; harmless on one that was not begun. */
void spv_watch_end(struct spv_watch *w);
/* Sets or (NULL) takes away the caller's function. */
void spv_watch_progress(struct spv_watch *w, int (*progress)(void *ctx), void *ctx);
/* Between these a stop interrupts SQLite inside an operation, too (counting, an integrity check),
 * and nothing goes on after it. Nothing is to be stored meanwhile. */
void spv_watch_long(struct spv_watch *w, bool on);

#endif
