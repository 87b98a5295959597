/* The header server with clients made of links, on loopback. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "spv/serve.h"
#include "unit/loop/server_fixture.h"
#include "unit/net/net_fixture.h"
#include "util/buffer.h"
#include "wire/codec.h"

#define HEADERS 4500
#define CLIENTS 20
#define UNREAD_REQUESTS 120 /* of a client that does not read: more than its queue takes */
#define PIPELINED 60 /* requests of a client that reads late: half of the answers must wait */
/* Downloads by another client meanwhile: many more turns than the first one has requests. */
#define ROUNDS 80
#define SLOTS 5
#define BUSY_CLIENTS 3 /* clients that send requests without pause */
#define REQUESTS 40 /* of each */

static struct mined chain;

struct clients {
    struct end ends[CLIENTS];
    struct spv_blockhash from[CLIENTS]; /* the last block hash of each */
    unsigned n;
    unsigned done;
    struct spv_endpoint at; /* where more of them can connect */
    unsigned rounds; /* how many more times they download the chain, in total */
};

static size_t index_of(const struct end *e)
{
    const struct clients *c = e->ctx;
    return (size_t)(e - c->ends);
}

static void ask(struct end *e)
{
    struct clients *c = e->ctx;
    const struct spv_msg msg = {
        .command = SPV_CMD_GETHEADERS,
        .u.getheaders = {.locator = &c->from[index_of(e)], .n = 1},
    };
    assert_int_equal(spv_link_send(e->link, &msg), 0);
}

static void ask_until_empty(struct end *e, const struct spv_msg *msg)
{
    struct clients *c = e->ctx;
    if (msg->command != SPV_CMD_HEADERS)
        return;
    const struct spv_msg_headers *h = &msg->u.headers;
    for (size_t i = 0; i < h->n; i++) { /* in order from the first */
        assert_memory_equal(h->headers[i].prev.b, c->from[index_of(e)].b, 32);
        spv_header_hash(&c->from[index_of(e)], &h->headers[i]);
    }
    if (h->n == 0 && c->rounds > 0) {
        c->rounds--;
        c->from[index_of(e)] = chain.records[0].hash;
        ask(e);
    } else if (h->n > 0)
        ask(e);
    else if (++c->done == c->n)
        net_fixture_stop(e);
}

static void count_closed(struct end *e)
{
    struct clients *c = e->ctx;
    if (++c->done == c->n)
        net_fixture_stop(e);
}

static void on_dialled(void *ctx, int fd, int error)
{
    struct end *e = ctx;
    struct spv_peer_config cfg = net_fixture_config();
    assert_int_equal(error, 0);
    cfg.transport = e->net_fixture->transport;
    net_fixture_attach(e->net_fixture, e, fd, SPV_OUTBOUND, &cfg);
}

static void dial_clients(struct net_fixture *net_fixture, struct clients *c, unsigned n,
                         const struct spv_endpoint *at)
{
    c->n = n;
    for (unsigned i = 0; i < n; i++) {
        struct spv_dial *d;
        c->from[i] = chain.records[0].hash;
        c->ends[i].net_fixture = net_fixture;
        c->ends[i].ctx = c;
        assert_int_equal(spv_dial_start(&d, net_fixture->r, at, 0, on_dialled, &c->ends[i]), 0);
    }
}

static void serves_many_clients_at_once(void **state)
{
    struct server_fixture s = {0};
    server_fixture_start(&s, &chain, HEADERS, 0);
    const struct spv_endpoint at = server_fixture_endpoint(&s);
    struct clients c = {0};
    dial_clients(*state, &c, CLIENTS, &at);
    for (unsigned i = 0; i < CLIENTS; i++) {
        c.ends[i].on_ready = ask;
        c.ends[i].on_message = ask_until_empty;
    }
    net_fixture_run(*state);
    for (unsigned i = 0; i < CLIENTS; i++)
        assert_memory_equal(c.from[i].b, chain.records[HEADERS].hash.b, 32);
    struct spv_peer_stats stats;
    spv_link_stats(c.ends[0].link, &stats);
    assert_int_equal(stats.start_height, HEADERS);
    assert_int_equal(stats.services, SPV_NODE_P2P_V2);
    net_fixture_close(*state);
    server_fixture_stop(&s);
    assert_int_equal(s.stats.accepted, CLIENTS);
    assert_int_equal(s.stats.refused, 0);
    assert_int_equal(s.stats.headers_sent, CLIENTS * HEADERS);
    assert_int_equal(s.stats.requests, CLIENTS * 4);
}

/* In on_client and on_tip, while the server runs and while it is being freed with a client
 * connected. */
static void freeing_or_running_the_server_in_its_callbacks_returns_an_error(void **state)
{
    struct server_fixture s = {.frees_server = true, .tip_poll_us = 1000};
    server_fixture_start(&s, &chain, HEADERS - 1, 0);
    const struct spv_endpoint at = server_fixture_endpoint(&s);
    struct clients c = {0};
    dial_clients(*state, &c, 1, &at);
    c.ends[0].on_ready = ask;
    c.ends[0].on_message = ask_until_empty;
    net_fixture_run(*state);
    assert_int_equal(s.n_busy, 1); /* connected */
    s.height = HEADERS;
    while (s.n_busy < 2) /* the new tip */
        (void)sched_yield();
    server_fixture_stop(&s);
    assert_int_equal(s.n_busy, 3); /* disconnected */
    net_fixture_close(*state);
}

static int connected_socket(const struct spv_endpoint *at)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    const int small = 65536; /* so that answers wait at the server, not in the kernel */
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    const struct sockaddr_in in = {.sin_family = AF_INET,
                                   .sin_port = htons(at->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (const struct sockaddr *)&in, sizeof in), 0);
    return fd;
}

/* Connections that send nothing fill all slots; each new peer evicts the one that has been silent
 * for the longest time. */
static void silent_connections_keep_no_peer_out(void **state)
{
    struct server_fixture s = {0};
    server_fixture_start(&s, &chain, HEADERS, SLOTS);
    const struct spv_endpoint at = server_fixture_endpoint(&s);
    int silent[2 * SLOTS];
    for (unsigned i = 0; i < 2 * SLOTS; i++)
        silent[i] = connected_socket(&at);
    struct clients c = {0};
    dial_clients(*state, &c, SLOTS, &at);
    for (unsigned i = 0; i < SLOTS; i++) {
        c.ends[i].on_ready = ask;
        c.ends[i].on_message = ask_until_empty;
    }
    net_fixture_run(*state);
    server_fixture_stop(&s);
    net_fixture_close(*state);
    assert_int_equal(s.stats.accepted, 3 * SLOTS);
    assert_int_equal(s.stats.evicted, 2 * SLOTS);
    assert_int_equal(s.stats.refused, 0);
    for (unsigned i = 0; i < 2 * SLOTS; i++)
        (void)close(silent[i]);
}

static void answered(struct end *e, const struct spv_msg *msg)
{
    struct clients *c = e->ctx;
    struct spv_dial *d;
    if (msg->command == SPV_CMD_HEADERS)
        assert_int_equal(spv_dial_start(&d, e->net_fixture->r, &c->at, 0, on_dialled, &c->ends[1]),
                         0);
}

/* The only client is the oldest of its group. */
static void new_client_is_refused_when_every_client_is_protected(void **state)
{
    struct server_fixture s = {0};
    server_fixture_start(&s, &chain, HEADERS, 1);
    struct clients c = {.at = server_fixture_endpoint(&s)};
    dial_clients(*state, &c, 1, &c.at);
    c.ends[0].on_ready = ask;
    c.ends[0].on_message = answered;
    c.ends[1] = (struct end){.net_fixture = *state, .ctx = &c, .on_closed = count_closed};
    net_fixture_run(*state);
    server_fixture_stop(&s);
    net_fixture_close(*state);
    assert_int_equal(s.stats.accepted, 1);
    assert_int_equal(s.stats.refused, 1);
    assert_int_equal(s.stats.evicted, 0);
}

/* One client that has the headers up to height 10; then the chain grows. */
struct growth {
    struct server_fixture server_fixture;
    uint32_t to;
    bool wants_headers;
    struct spv_blockhash last; /* last announced */
    size_t headers, hashes; /* in announcements */
    unsigned messages;
};

static void ask_for_all(struct end *e)
{
    const struct growth *g = e->ctx;
    const struct spv_msg hello = {.command = SPV_CMD_SENDHEADERS};
    const struct spv_msg msg = {
        .command = SPV_CMD_GETHEADERS,
        .u.getheaders = {.locator = &chain.records[0].hash, .n = 1},
    };
    if (g->wants_headers)
        assert_int_equal(spv_link_send(e->link, &hello), 0);
    assert_int_equal(spv_link_send(e->link, &msg), 0);
}

static void on_announcement(struct end *e, const struct spv_msg *msg)
{
    struct growth *g = e->ctx;
    if (msg->command != SPV_CMD_HEADERS && msg->command != SPV_CMD_INV)
        return;
    if (g->messages++ == 0) { /* the answer; now it may grow */
        assert_int_equal(msg->u.headers.n, 10);
        g->server_fixture.height = g->to;
        return;
    }
    if (msg->command == SPV_CMD_HEADERS) {
        g->headers += msg->u.headers.n;
        assert_memory_equal(msg->u.headers.headers[0].prev.b, chain.records[10].hash.b, 32);
        spv_header_hash(&g->last, &msg->u.headers.headers[msg->u.headers.n - 1]);
    } else {
        g->hashes += msg->u.inv.n;
        assert_int_equal(msg->u.inv.items[0].type, SPV_INV_BLOCK);
        memcpy(g->last.b, msg->u.inv.items[0].hash.b, 32);
    }
    net_fixture_stop(e);
}

static void grow(struct net_fixture *net_fixture, struct growth *g)
{
    g->server_fixture.tip_poll_us = 1000;
    server_fixture_start(&g->server_fixture, &chain, 10, 0);
    const struct spv_endpoint at = server_fixture_endpoint(&g->server_fixture);
    struct end e = {.net_fixture = net_fixture,
                    .ctx = g,
                    .on_ready = ask_for_all,
                    .on_message = on_announcement};
    struct spv_dial *d;
    assert_int_equal(spv_dial_start(&d, net_fixture->r, &at, 0, on_dialled, &e), 0);
    net_fixture_run(net_fixture);
    net_fixture_close(net_fixture);
    server_fixture_stop(&g->server_fixture);
    assert_memory_equal(g->last.b, chain.records[g->to].hash.b, 32);
    assert_int_equal(g->messages, 2);
}

static void announces_by_headers_to_a_client_that_sent_sendheaders(void **state)
{
    struct growth g = {.to = 13, .wants_headers = true};
    grow(*state, &g);
    assert_int_equal(g.headers, 3);
    assert_int_equal(g.hashes, 0);
}

static void announces_the_new_tip_by_its_hash_to_other_clients(void **state)
{
    struct growth g = {.to = 13};
    grow(*state, &g);
    assert_int_equal(g.headers, 0);
    assert_int_equal(g.hashes, 1);
}

static void announces_many_new_headers_by_the_hash_of_the_tip(void **state)
{
    struct growth g = {.to = HEADERS, .wants_headers = true};
    grow(*state, &g);
    assert_int_equal(g.headers, 0);
    assert_int_equal(g.hashes, 1);
}

static void chatter(struct end *e)
{
    static const enum spv_command empty[] = {SPV_CMD_SENDHEADERS, SPV_CMD_GETADDR};
    for (size_t i = 0; i < 2; i++) {
        const struct spv_msg msg = {.command = empty[i]};
        assert_int_equal(spv_link_send(e->link, &msg), 0);
    }
    const struct spv_inv item = {.type = SPV_INV_BLOCK};
    const struct spv_msg inv = {.command = SPV_CMD_INV, .u.inv = {.items = &item, .n = 1}};
    assert_int_equal(spv_link_send(e->link, &inv), 0);
    ask(e);
}

static void other_messages_are_read_and_ignored(void **state)
{
    struct server_fixture s = {0};
    server_fixture_start(&s, &chain, HEADERS, 0);
    const struct spv_endpoint at = server_fixture_endpoint(&s);
    struct clients c = {0};
    dial_clients(*state, &c, 1, &at);
    c.ends[0].on_ready = chatter;
    c.ends[0].on_message = ask_until_empty;
    net_fixture_run(*state);
    assert_int_equal(c.ends[0].messages[SPV_CMD_ADDR], 0);
    assert_int_equal(c.ends[0].n_closed, 0);
    net_fixture_close(*state);
    server_fixture_stop(&s);
}

/* A plain socket that has sent many requests and read no answer. */
static int asking_client(const struct spv_endpoint *at, const struct spv_blockhash *locator,
                         int times)
{
    const int fd = connected_socket(at);
    const struct spv_netid *net = spv_netid_get(SPV_REGTEST);
    struct spv_buffer b;
    spv_buffer_init(&b);
    const struct spv_msg version = {.command = SPV_CMD_VERSION,
                                    .u.version = {.version = SPV_PROTOCOL_VERSION, .nonce = 99}};
    const struct spv_msg verack = {.command = SPV_CMD_VERACK};
    const struct spv_msg more = {
        .command = SPV_CMD_GETHEADERS,
        .u.getheaders = {.version = SPV_PROTOCOL_VERSION, .locator = locator, .n = 1}};
    assert_int_equal(spv_msg_write(&b, &version, net, SPV_PROTOCOL_VERSION), 0);
    assert_int_equal(spv_msg_write(&b, &verack, net, SPV_PROTOCOL_VERSION), 0);
    for (int i = 0; i < times; i++)
        assert_int_equal(spv_msg_write(&b, &more, net, SPV_PROTOCOL_VERSION), 0);
    assert_int_equal(write(fd, b.data, b.len), (ssize_t)b.len);
    spv_buffer_free(&b);
    return fd;
}

static int greedy_client(const struct spv_endpoint *at, int times)
{
    return asking_client(at, &chain.records[0].hash, times);
}

static void client_that_does_not_read_delays_no_other(void **state)
{
    struct server_fixture s = {0};
    server_fixture_start(&s, &chain, HEADERS, 0);
    const struct spv_endpoint at = server_fixture_endpoint(&s);
    int greedy = greedy_client(&at, UNREAD_REQUESTS);
    struct clients c = {.rounds = ROUNDS};
    dial_clients(*state, &c, 1, &at);
    c.ends[0].on_ready = ask;
    c.ends[0].on_message = ask_until_empty;
    net_fixture_run(*state);
    assert_memory_equal(c.from[0].b, chain.records[HEADERS].hash.b, 32);
    server_fixture_stop(&s);
    net_fixture_close(*state);
    assert_int_equal(s.stats.clients, 2); /* neither was closed */
    /* The socket buffers and 4 MiB of queue, not all answers; no further request was read. */
    const uint64_t others = 4 * (ROUNDS + 1);
    assert_in_range(s.stats.requests - others, 1, UNREAD_REQUESTS - 20);
    const uint64_t answers = (s.stats.headers_sent - (ROUNDS + 1) * HEADERS) / SPV_MAX_HEADERS;
    assert_in_range(answers, (4u << 20) / (SPV_MAX_HEADERS * 81), UNREAD_REQUESTS - 20);
    (void)close(greedy);
}

/* Reads until n full answers have arrived. */
static void read_answers(int fd, int n)
{
    const struct timeval patience = {.tv_sec = 30};
    static uint8_t bytes[65536];
    size_t left = (size_t)n * (24 + 3 + SPV_MAX_HEADERS * (SPV_HEADER_SIZE + 1));
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    while (left > 0) {
        const ssize_t got = read(fd, bytes, left < sizeof bytes ? left : sizeof bytes);
        assert_true(got > 0);
        left -= (size_t)got;
    }
}

static void requests_wait_until_the_client_has_read_earlier_answers(void **state)
{
    struct server_fixture s = {0};
    server_fixture_start(&s, &chain, HEADERS, 0);
    const struct spv_endpoint at = server_fixture_endpoint(&s);
    int fd = greedy_client(&at, PIPELINED);
    /* When the other client is done, the server has answered this one until its queue was full, and
     * no longer reads it. */
    struct clients c = {.rounds = ROUNDS};
    dial_clients(*state, &c, 1, &at);
    c.ends[0].on_ready = ask;
    c.ends[0].on_message = ask_until_empty;
    net_fixture_run(*state);
    read_answers(fd, PIPELINED);
    server_fixture_stop(&s);
    net_fixture_close(*state);
    assert_int_equal(s.stats.clients, 2); /* neither was closed */
    assert_int_equal(s.stats.headers_sent, (ROUNDS + 1) * HEADERS + PIPELINED * SPV_MAX_HEADERS);
    (void)close(fd);
}

/* A header database that records the order in which clients are answered: each has a locator of its
 * own. */
struct order {
    struct spv_reactor *reactor;
    uint32_t from[BUSY_CLIENTS * REQUESTS];
    size_t n;
};

static int order_tip(void *ctx, struct spv_chain_header *out)
{
    (void)ctx;
    *out = chain.records[HEADERS];
    return 1;
}

static int order_by_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    (void)ctx;
    *out = chain.records[height];
    return 1;
}

static int order_by_hash(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash)
{
    struct order *o = ctx;
    uint32_t height = 0;
    while (height < BUSY_CLIENTS && !spv_blockhash_eq(&chain.records[height].hash, hash))
        height++;
    if (height == BUSY_CLIENTS)
        return 0;
    *out = chain.records[height];
    o->from[o->n++] = height;
    if (o->n == BUSY_CLIENTS * REQUESTS)
        spv_reactor_stop(o->reactor);
    return 1;
}

static int order_range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    (void)ctx;
    for (uint32_t i = 0; i < n; i++)
        out[i] = chain.records[from + i].header;
    return (int)n;
}

/* All requests are sent before the loop runs, so each turn has requests of every client. Between
 * two answers to one client, each other client is answered at most once. */
static void clients_with_queued_requests_are_answered_round_robin(void **state)
{
    struct order o = {0};
    struct spv_p2p_server *server;
    struct spv_error_info why;
    int fds[BUSY_CLIENTS];
    (void)state;
    const struct spv_p2p_server_config cfg = {.net = spv_netid_get(SPV_REGTEST),
                                              .header_db = {.ctx = &o,
                                                            .tip = order_tip,
                                                            .by_height = order_by_height,
                                                            .by_hash = order_by_hash,
                                                            .range = order_range},
                                              .listen = {.host = "127.0.0.1"}};
    assert_int_equal(spv_p2p_server_new(&server, &cfg, &why), 0);
    o.reactor = spv_p2p_server_reactor(server);
    const struct spv_endpoint at = {.host = "127.0.0.1", .port = spv_p2p_server_port(server)};
    for (uint32_t i = 0; i < BUSY_CLIENTS; i++)
        fds[i] = asking_client(&at, &chain.records[i].hash, REQUESTS);
    assert_int_equal(spv_p2p_server_run(server), 0);
    for (uint32_t i = 0; i < BUSY_CLIENTS; i++) {
        unsigned since[BUSY_CLIENTS] = {0}; /* answers to each since this one's last */
        unsigned left = REQUESTS;
        for (size_t k = 0; k < o.n && left > 0; k++) {
            assert_in_range(++since[o.from[k]], 1, 2);
            if (o.from[k] != i)
                continue;
            memset(since, 0, sizeof since);
            left--;
        }
    }
    spv_p2p_server_free(server);
    for (uint32_t i = 0; i < BUSY_CLIENTS; i++)
        (void)close(fds[i]);
}

static void ask_of(int fd, const struct spv_blockhash *from)
{
    const struct spv_msg msg = {
        .command = SPV_CMD_GETHEADERS,
        .u.getheaders = {.version = SPV_PROTOCOL_VERSION, .locator = from, .n = 1}};
    struct spv_buffer b;
    spv_buffer_init(&b);
    assert_int_equal(spv_msg_write(&b, &msg, spv_netid_get(SPV_REGTEST), SPV_PROTOCOL_VERSION), 0);
    assert_int_equal(write(fd, b.data, b.len), (ssize_t)b.len);
    spv_buffer_free(&b);
}

static void message_that_a_header_server_has_no_use_for_closes_when_it_is_large(void **state)
{
    static uint8_t payload[SPV_SERVE_PAYLOAD];
    struct server_fixture s = {0};
    (void)state;
    server_fixture_start(&s, &chain, HEADERS, 0);
    const struct spv_endpoint at = server_fixture_endpoint(&s);
    struct spv_buffer b;
    spv_buffer_init(&b);
    /* the largest allowed payload is accepted: the message after it is answered */
    server_fixture_put_frame(&b, "strange", sizeof payload, payload, sizeof payload);
    int fd = greedy_client(&at, 0);
    assert_int_equal(write(fd, b.data, b.len), (ssize_t)b.len);
    ask_of(fd, &chain.records[0].hash);
    read_answers(fd, 1);
    (void)close(fd);
    b.len = 0;
    server_fixture_put_frame(&b, "block", SPV_SERVE_PAYLOAD + 1, payload,
                             0); /* its payload is never sent */
    fd = greedy_client(&at, 0);
    assert_int_equal(write(fd, b.data, b.len), (ssize_t)b.len);
    assert_true(server_fixture_read_to_end(fd) < 1000);
    (void)close(fd);
    spv_buffer_free(&b);
    server_fixture_stop(&s);
    assert_int_equal(s.stats.requests, 1);
}

static void port_in_use_is_reported(void **state)
{
    struct server_fixture s = {0};
    struct spv_error_info why = {0};
    (void)state;
    server_fixture_start(&s, &chain, 1, 0);
    const struct spv_p2p_server_config cfg = {.net = spv_netid_get(SPV_REGTEST),
                                              .listen = server_fixture_endpoint(&s)};
    struct spv_p2p_server *second;
    assert_int_equal(spv_p2p_server_new(&second, &cfg, &why), SPV_ERR_IO);
    assert_non_null(strstr(why.text, "in use"));
    server_fixture_stop(&s);
}

static int make_chain(void **state)
{
    (void)state;
    mined_new(&chain, HEADERS, 11);
    return 0;
}

static int free_chain(void **state)
{
    (void)state;
    mined_free(&chain);
    return 0;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, net_fixture_setup, net_fixture_teardown)
#define V2(name) NET_FIXTURE_V2(name, net_fixture_setup_v2)
    const struct CMUnitTest tests[] = {
        T(serves_many_clients_at_once),
        T(silent_connections_keep_no_peer_out),
        T(new_client_is_refused_when_every_client_is_protected),
        T(other_messages_are_read_and_ignored),
        T(client_that_does_not_read_delays_no_other),
        T(freeing_or_running_the_server_in_its_callbacks_returns_an_error),
        T(clients_with_queued_requests_are_answered_round_robin),
        T(requests_wait_until_the_client_has_read_earlier_answers),
        T(announces_by_headers_to_a_client_that_sent_sendheaders),
        T(announces_the_new_tip_by_its_hash_to_other_clients),
        T(announces_many_new_headers_by_the_hash_of_the_tip),
        T(message_that_a_header_server_has_no_use_for_closes_when_it_is_large),
        T(port_in_use_is_reported),
        V2(serves_many_clients_at_once),
        V2(clients_with_queued_requests_are_answered_round_robin),
    };
    return cmocka_run_group_tests(tests, make_chain, free_chain);
}
