/* The event loop with a wallet and with what is published, over a real store: the rows that it
 * writes are those that the next run begins with. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "spv/spv.h"
#include "unit/spv/wallet/chain_builder.h"

#define SCRIPT_BYTES 22

struct run {
    char folder[64];
    char path[96];
    struct spv_store *store;
    struct spv_wallet *wallet;
    struct spv_broadcast *broadcast;
    struct spv_evloop *loop;
    unsigned changed, progressed;
    struct spv_broadcast_progress progress;
    void (*on_tick)(struct run *r);
    unsigned ticks;
    bool is_peer; /* the loop connects to `listener`, and runs until its version is there */
    int listener, socket; /* -1: none */
    struct spv_endpoint endpoint;
    uint8_t version[36]; /* a header of 24 bytes, the version, the services */
    size_t n_version;
};

static const uint8_t script[SCRIPT_BYTES] = {0x00, 0x14, 7};

static int setup(void **state)
{
    struct run *r = calloc(1, sizeof *r);

    assert_non_null(r);
    (void)snprintf(r->folder, sizeof r->folder, "/tmp/spv-wallet-loop-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    (void)snprintf(r->path, sizeof r->path, "%s/h.db", r->folder);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
    struct run *r = *state;

    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s%s", r->path, suffixes[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(r->folder), 0);
    free(r);
    return 0;
}

static void on_wallet(void *ctx, const struct spv_wallet_event *event)
{
    struct run *r = ctx;
    r->changed += event->kind == SPV_WALLET_EVENT_CHANGED;
}

static void on_broadcast(void *ctx, const struct spv_broadcast_progress *progress)
{
    struct run *r = ctx;
    r->progressed++;
    r->progress = *progress;
}

/* Reads the beginning of our version message. Returns true when it is there. */
static bool read_version(struct run *r)
{
    ssize_t n;

    if (r->socket < 0)
        r->socket = accept(r->listener, NULL, NULL);
    if (r->socket < 0)
        return false;
    n = recv(r->socket, r->version + r->n_version, sizeof r->version - r->n_version, MSG_DONTWAIT);
    r->n_version += n > 0 ? (size_t)n : 0;
    return r->n_version == sizeof r->version;
}

static void on_tick(void *ctx)
{
    struct run *r = ctx;
    if (r->ticks++ == 0 && r->on_tick)
        r->on_tick(r);
    else if (!r->is_peer || read_version(r))
        spv_evloop_stop(r->loop);
}

/* A loop without peers. */
static int open_loop(struct run *r)
{
    const struct spv_wallet_config wallet = {.rng = spv_system_rng(),
                                             .networks = SPV_NETWORK_BIT(SPV_REGTEST)};
    const struct spv_broadcast_config broadcast = {.rng = spv_system_rng()};
    const struct spv_store_config store = {
        .path = r->path, .params = spv_params_get(SPV_REGTEST), .mode = SPV_STORE_CREATE};
    struct spv_evloop_config cfg = {.node = {.params = spv_params_get(SPV_REGTEST)},
                                    .on_wallet = on_wallet,
                                    .on_broadcast = on_broadcast,
                                    .on_tick = on_tick,
                                    .tick_us = 1000,
                                    .ctx = r};
    struct spv_error_info why = {.text = ""};

    r->ticks = r->changed = r->progressed = 0;
    r->loop = NULL;
    assert_int_equal(spv_store_open(&r->store, &store, &why), 0);
    assert_int_equal(spv_wallet_new(&r->wallet, &wallet), 0);
    assert_int_equal(spv_broadcast_new(&r->broadcast, &broadcast), 0);
    cfg.store = r->store;
    cfg.node.transport = SPV_TRANSPORT_ONLY_V1;
    cfg.node.connect = &r->endpoint;
    cfg.node.n_connect = r->is_peer;
    cfg.node.wallet = r->wallet;
    cfg.node.broadcast = r->broadcast;
    return spv_evloop_new(&r->loop, &cfg, &why);
}

static void close_loop(struct run *r)
{
    assert_int_equal(spv_evloop_free(r->loop), 0);
    spv_wallet_free(r->wallet);
    spv_broadcast_free(r->broadcast);
    assert_int_equal(spv_store_close(r->store), 0);
}

static void run_loop(struct run *r)
{
    (void)alarm(60); /* ends a hanging test */
    assert_int_equal(spv_evloop_run(r->loop), 0);
    (void)alarm(0);
}

static void reserve_index(struct run *r)
{
    uint64_t request;
    uint32_t index;
    /* a watched script has no indexes to reserve: nothing changes, and the run goes on */
    assert_true(spv_evloop_reserve_index(r->loop, &request, &index, 1, 0) < 0);
}

static void watch_of_a_run_is_there_in_the_next_one(void **state)
{
    struct run *r = *state;
    const struct spv_watch_target target = {.kind = SPV_WATCH_SCRIPT,
                                            .script = {script, sizeof script}};
    struct spv_wallet_status status;
    uint64_t request, id;

    assert_int_equal(open_loop(r), 0);
    assert_int_equal(spv_evloop_watch(r->loop, &request, &id, NULL, &target), 0);
    assert_int_equal(id, 1);
    run_loop(r);
    close_loop(r);

    assert_int_equal(open_loop(r), 0);
    assert_int_equal(spv_wallet_script_count(r->wallet), 1); /* loaded */
    spv_evloop_wallet_status(r->loop, &status);
    assert_true(status.on);
    r->on_tick = reserve_index;
    run_loop(r);
    assert_int_equal(r->changed, 0); /* no transaction has changed */
    assert_int_equal(spv_evloop_unwatch(r->loop, &request, 1), 0);
    close_loop(r);
}

static void withdraw(struct run *r)
{
    assert_int_equal(spv_evloop_withdraw(r->loop, &r->progress.txid), 0);
}

static void publication_of_a_run_goes_on_in_the_next_one(void **state)
{
    struct run *r = *state;
    const struct spv_broadcast_check_config check = {.find_output = NULL};
    const struct built_input in = {.prev = {{9}}};
    const struct built_output out = {.script = {script, sizeof script}, .value = 1000};
    const struct built_spec spec = {
        .inputs = &in, .n_inputs = 1, .outputs = &out, .n_outputs = 1, .witness = true};
    struct built_tx tx;
    struct spv_broadcast_report report;
    struct spv_broadcast_progress progress;

    build_tx(&tx, &spec);
    assert_int_equal(spv_broadcast_check(&report, NULL, &tx.tx, 1, &check), 0);
    assert_int_equal(open_loop(r), 0);
    assert_int_equal(spv_evloop_publish(r->loop, &tx.tx, &report, 1, 0), 0);
    run_loop(r);
    assert_true(r->progressed > 0);
    assert_memory_equal(&r->progress.txid, &report.txid, 32);
    close_loop(r);

    assert_int_equal(open_loop(r), 0);
    assert_int_equal(spv_broadcast_find(r->broadcast, &progress, &report.txid), 0);
    assert_int_equal(progress.state, SPV_BROADCAST_PUBLISHING);
    r->on_tick = withdraw; /* in a callback */
    run_loop(r);
    close_loop(r);

    assert_int_equal(open_loop(r), 0);
    assert_int_equal(spv_broadcast_find(r->broadcast, &progress, &report.txid), 0);
    assert_int_equal(progress.state, SPV_BROADCAST_WITHDRAWN);
    close_loop(r);
    built_tx_free(&tx);
}

static void wallet_that_was_used_is_refused(void **state)
{
    struct run *r = *state;
    const struct spv_watch_target target = {.kind = SPV_WATCH_SCRIPT,
                                            .script = {script, sizeof script}};
    struct spv_evloop_config cfg = {.node = {.params = spv_params_get(SPV_REGTEST)}};
    struct spv_evloop *loop;
    uint64_t request, id;

    assert_int_equal(open_loop(r), 0);
    assert_int_equal(spv_evloop_watch(r->loop, &request, &id, NULL, &target), 0);
    run_loop(r);
    cfg.store = r->store;
    cfg.node.transport = SPV_TRANSPORT_ONLY_V1;
    cfg.node.connect = &r->endpoint;
    cfg.node.n_connect = r->is_peer;
    cfg.node.wallet = r->wallet; /* it has its rows already */
    assert_int_equal(spv_evloop_new(&loop, &cfg, NULL), SPV_ERR_STATE);
    close_loop(r);
}

static void open_listener(struct run *r)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t n = sizeof address;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    r->listener = socket(AF_INET, SOCK_STREAM, 0);
    r->socket = -1;
    assert_true(r->listener >= 0);
    assert_int_equal(fcntl(r->listener, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(bind(r->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(r->listener, 1), 0);
    assert_int_equal(getsockname(r->listener, (struct sockaddr *)&address, &n), 0);
    (void)snprintf(r->endpoint.host, sizeof r->endpoint.host, "127.0.0.1");
    r->endpoint.port = ntohs(address.sin_port);
    r->is_peer = true;
}

/* BIP144: a peer asks for the witness only of one that offers NODE_WITNESS. */
static void connections_of_a_loop_that_publishes_offer_node_witness(void **state)
{
    struct run *r = *state;

    open_listener(r);
    assert_int_equal(open_loop(r), 0);
    run_loop(r);
    assert_memory_equal(r->version + 4, "version", 8);
    assert_int_equal(r->version[28], SPV_NODE_WITNESS);
    for (size_t i = 29; i < 36; i++)
        assert_int_equal(r->version[i], 0);
    close_loop(r);
    assert_int_equal(close(r->socket), 0);
    assert_int_equal(close(r->listener), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(watch_of_a_run_is_there_in_the_next_one),
        T(publication_of_a_run_goes_on_in_the_next_one),
        T(wallet_that_was_used_is_refused),
        T(connections_of_a_loop_that_publishes_offer_node_witness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
