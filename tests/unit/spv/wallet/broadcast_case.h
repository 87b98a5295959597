/* A broadcast with numbered connections, for tests of single rules. What it sends and reports is
 * taken after each operation; its rows are kept as a database would. */
#ifndef SPV_TESTS_BROADCAST_CASE_H
#define SPV_TESTS_BROADCAST_CASE_H

#include "tx_builder.h"

#include "support/random.h"

#include "spv/broadcast.h"
#include "spv/error.h"

#define CASE_SENT 4096
#define CASE_ROWS 64

/* A message that was sent, without what it points at. */
struct sent {
    uint64_t peer;
    enum spv_command command;
    struct spv_inv items[32]; /* INV, NOTFOUND: the first ones */
    size_t n_items;
    struct spv_txid txid; /* TX */
    size_t n_bytes; /* TX */
    bool witness; /* TX */
};

struct broadcast_case {
    struct spv_broadcast *b;
    struct test_random random;
    struct spv_now now;
    struct sent sent[CASE_SENT];
    size_t n_sent;
    size_t n_events;
    struct spv_broadcast_progress event; /* the last one */
    struct spv_broadcast_row rows[CASE_ROWS]; /* by ascending id */
    size_t n_rows;
};

int broadcast_setup(void **state);
int broadcast_teardown(void **state);

/* Forgets what was sent so far. */
void clear_sent(struct broadcast_case *c);
/* Takes what is to be sent and reported; stores the rows first. */
void take(struct broadcast_case *c);
/* A machine loaded from the rows takes the place of this one; without connections. */
void restart(struct broadcast_case *c);
/* Time goes by. */
void pass(struct broadcast_case *c, uint64_t seconds);

enum conn_kind {
    CONN_RELAY, /* accepts announcements and announces to us */
    CONN_SILENT, /* its version had relay 0 */
    CONN_WTXID, /* as RELAY, by wtxid */
    CONN_MUTE, /* accepts announcements, and announces nothing to us: our version had relay 0 */
};
/* The group of a connection is its id. */
void connect(struct broadcast_case *c, uint64_t id, enum conn_kind kind);
void connect_group(struct broadcast_case *c, uint64_t id, uint64_t group);
void disconnect(struct broadcast_case *c, uint64_t id);

/* Publishes what spv_broadcast_check passes. Returns what spv_broadcast_publish does. */
int publish(struct broadcast_case *c, const struct built_tx *tx, unsigned flags);
int publish_package(struct broadcast_case *c, const struct built_tx *const *txs, size_t n,
                    unsigned flags);
#define PUBLISH_PACKAGE(c, ...)                                                                    \
    publish_package(c, (const struct built_tx *const[]){__VA_ARGS__},                              \
                    COUNT(((const struct built_tx *const[]){__VA_ARGS__})), 0)

struct spv_inv item_of(const struct built_tx *tx, uint32_t type);
void getdata(struct broadcast_case *c, uint64_t peer, const struct built_tx *tx, uint32_t type);
void inv(struct broadcast_case *c, uint64_t peer, const struct built_tx *tx, uint32_t type);

/* How many messages of a kind went to a peer; 0: to all together. */
size_t count_sent(const struct broadcast_case *c, uint64_t peer, enum spv_command command);
/* Whether a transaction was announced to a peer. */
bool was_announced(const struct broadcast_case *c, uint64_t peer, const struct built_tx *tx);
struct spv_broadcast_progress progress(const struct broadcast_case *c, const struct built_tx *tx);
/* Demands groups of the three facts. */
void assert_facts(const struct broadcast_case *c, const struct built_tx *tx, unsigned announced,
                  unsigned fetched, unsigned returned);

#endif
