/* What interrupts the statements of a connection: a requested interrupt, or the caller's progress
 * function. */
#ifndef SPV_STORE_INTERRUPT_H
#define SPV_STORE_INTERRUPT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "spv/store.h"

/* SQLite's virtual machine calls the watch after this many operations: about a millisecond, too
 * seldom to cost anything. */
#define SPV_DB_WATCH_OPERATIONS 50000
/* Calls of the watch after a request until statements are interrupted, summed over a connection: 5
 * million operations, a third of a second. The longest update, the deepest reorganisation, needs a
 * million. */
#define SPV_DB_WATCH_GRACE 100

/* One connection, from its opening to its closing. */
struct spv_db_watch {
    sqlite3 *db;
    struct spv_interrupt *stop; /* borrowed; NULL: none */
    int wait_ms; /* for a lock of another connection; 0: not at all */
    int (*busy)(void *ctx, uint32_t waited_ms); /* spv_store_config's; NULL: wait_ms decides */
    void *busy_ctx;
    int (*progress)(void *ctx); /* NULL, or: non-zero ends the statement */
    void *ctx;
    atomic_bool long_step; /* one operation may be long: it is interrupted at once */
    unsigned after; /* calls since the request */
};

/* Watches an open connection; w->stop and w->wait_ms are set. */
void spv_db_watch_begin(struct spv_db_watch *w, sqlite3 *db);
/* Ends the watch, before the connection is closed; does nothing when it was not begun. */
void spv_db_watch_end(struct spv_db_watch *w);
/* Sets or (NULL) removes the caller's function. */
void spv_db_watch_progress(struct spv_db_watch *w, int (*progress)(void *ctx), void *ctx);
/* While on, a request interrupts SQLite inside an operation, too (counting, an integrity check),
 * and at once. The connection must not write meanwhile. */
void spv_db_watch_long(struct spv_db_watch *w, bool on);

#endif
