/* What the link tests share: a reactor with a guard that ends a hanging test, and connected links
 * that note what happens to them. */
#ifndef SPV_TESTS_UNIT_NET_NET_FIXTURE_H
#define SPV_TESTS_UNIT_NET_NET_FIXTURE_H

#include "spv/dial.h"
#include "spv/link.h"
#include "spv/listener.h"

#define RIG_GUARD (20 * SPV_SECOND) /* a test that hangs fails then */
/* For tests of many threads, which a busy machine makes wait for each other. */
#define RIG_LONG_GUARD (120 * SPV_SECOND)

struct net_fixture {
    struct spv_reactor *r;
    struct spv_timer *guard;
    uint64_t guard_us; /* RIG_GUARD, unless a test says otherwise */
    bool hung;
};

/* Setup and teardown of cmocka; *state is a struct rig. */
int net_fixture_setup(void **state);
int net_fixture_teardown(void **state);
/* Runs until somebody stops the reactor; fails the test when the guard had to. */
void net_fixture_run(struct net_fixture *net_fixture);

struct end {
    struct net_fixture *net_fixture;
    struct spv_link *link; /* NULL once closed */
    unsigned readies;
    unsigned closings;
    int error;
    unsigned messages[SPV_CMD_CFCHECKPT + 1];
    size_t headers; /* entries of the headers messages */
    uint32_t nonces; /* the last headers entry's nonce */
    /* What the test wants to happen; all may be NULL. */
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
/* Two links on a socket pair, a outbound and b inbound. */
void net_fixture_connect(struct net_fixture *net_fixture, struct end *a, struct end *b);
void net_fixture_stop(struct end *e);
/* Closes what is still open, while the ends on the test's stack are there to be told. */
void net_fixture_part(struct net_fixture *net_fixture);

#endif
