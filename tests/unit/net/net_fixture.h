/* Fixture of the tests of src/net: a reactor with a watchdog that ends a hanging test, and
 * connected links that count their callbacks. */
#ifndef SPV_TESTS_UNIT_NET_NET_FIXTURE_H
#define SPV_TESTS_UNIT_NET_NET_FIXTURE_H

#include "spv/dial.h"
#include "spv/link.h"
#include "spv/listener.h"

#define NET_FIXTURE_TIMEOUT (20 * SPV_SECOND) /* a test that takes longer fails */
/* For tests of many threads on a busy computer. */
#define NET_FIXTURE_LONG_TIMEOUT (120 * SPV_SECOND)

struct net_fixture {
    struct spv_reactor *r;
    struct spv_timer *watchdog;
    uint64_t timeout_us; /* NET_FIXTURE_TIMEOUT, unless a test sets it */
    enum spv_transport_choice transport; /* of net_fixture_connect; automatic is v1 */
    bool timed_out;
};

/* Setup and teardown of cmocka; *state is a struct net_fixture. */
int net_fixture_setup(void **state);
/* The same with v2 only: links that the fixture connects encrypt. */
int net_fixture_setup_v2(void **state);
int net_fixture_teardown(void **state);
/* A test of cmocka that is listed once more, with a setup of v2. */
#define NET_FIXTURE_V2(name, setup)                                                                \
    ((struct CMUnitTest){#name ", v2", name, setup, net_fixture_teardown, NULL})
/* Runs until the reactor is stopped; fails the test when the watchdog stops it. */
void net_fixture_run(struct net_fixture *net_fixture);

/* One end of a connection. */
struct end {
    struct net_fixture *net_fixture;
    struct spv_link *link; /* NULL once closed */
    unsigned n_ready;
    unsigned n_closed;
    int error;
    unsigned messages[SPV_CMD_CFCHECKPT + 1];
    size_t headers; /* entries of the headers messages */
    uint32_t nonces; /* the last headers entry's nonce */
    /* Called after the counters are updated; may be NULL. */
    void (*on_ready)(struct end *e);
    void (*on_message)(struct end *e, const struct spv_msg *msg);
    void (*on_closed)(struct end *e);
    void *ctx;
};

struct spv_peer_config net_fixture_config(void);
struct spv_link_callbacks net_fixture_callbacks(struct end *e); /* for links attached by the test */
void net_fixture_attach(struct net_fixture *net_fixture, struct end *e, int fd,
                        enum spv_direction dir, const struct spv_peer_config *cfg);
/* A pair of connected non-blocking unix sockets. */
void net_fixture_pair(int fds[2]);
/* Two links on a socket pair, a outbound and b inbound, with the fixture's transport. */
void net_fixture_connect(struct net_fixture *net_fixture, struct end *a, struct end *b);
void net_fixture_stop(struct end *e);
/* Closes what is open while the ends on the test's stack exist. */
void net_fixture_close(struct net_fixture *net_fixture);

#endif
