/* Memory limits of a connection, and the failure of every single allocation. */
#include "unit/peer/peer_fixture.h"

#include <stdlib.h>

#include "spv/push.h"
#include "spv/serve.h"
#include "support/failing_alloc.h"

/* Runs a client with allocations of the library only. Returns 0 or the first error. */
static int run_client(const struct spv_buffer *script, enum spv_direction dir)
{
    struct test_random random = {.state = 3};
    struct spv_now now = {.mono_us = SPV_SECOND, .unix_s = PEER_FIXTURE_UNIX};
    struct spv_peer_config cfg = {.net = spv_netid_get(SPV_REGTEST),
                                  .rng = test_random_rng(&random)};
    struct spv_peer *p;
    struct spv_msg msg;
    struct spv_blockhash locator[3] = {{{1}}, {{2}}, {{3}}};
    struct spv_inv item = {SPV_INV_TX, {{4}}};
    struct spv_msg ask = {.command = SPV_CMD_GETHEADERS,
                          .u.getheaders = {.locator = locator, .n = 3}};
    struct spv_msg fetch = {.command = SPV_CMD_GETDATA, .u.inv = {&item, 1}};
    int rc = spv_peer_new(&p, &cfg, dir, now);
    if (rc < 0)
        return rc;
    rc = spv_peer_send(p, &ask, now); /* deferred until the handshake */
    for (size_t at = 0; rc == 0 && at < script->len; at += 500) {
        size_t n = script->len - at < 500 ? script->len - at : 500;
        rc = spv_peer_feed(p, script->data + at, n, now);
        while (rc == 0 && (rc = spv_peer_next(p, &msg, now)) == 1)
            rc = msg.command == SPV_CMD_PING ? spv_peer_send(p, &fetch, now) : 0;
    }
    now.mono_us += 151 * SPV_SECOND / 5;
    if (rc == 0)
        rc = spv_peer_timer(p, now);
    spv_peer_free(p);
    return rc;
}

static void build_script(struct spv_buffer *b)
{
    static struct spv_header headers[300];
    /* One input, one output, empty scripts, a witness of one empty item. */
    static const uint8_t tx[64] = {[0] = 2, [5] = 1, [6] = 1, [48] = 1, [58] = 1};
    struct peer_fixture k;
    spv_buffer_init(b);
    peer_fixture_init(&k);
    struct spv_msg msg = {.command = SPV_CMD_VERSION};
    msg.u.version.version = 70015;
    msg.u.version.nonce = 5;
    assert_int_equal(spv_msg_write(b, &msg, k.cfg.net, 70015), 0);
    peer_fixture_frame(b, "verack", "", 0);
    for (size_t i = 0; i < 300; i++)
        headers[i] = peer_fixture_header(i);
    msg = (struct spv_msg){.command = SPV_CMD_HEADERS, .u.headers = {.headers = headers, .n = 300}};
    assert_int_equal(spv_msg_write(b, &msg, k.cfg.net, 70015), 0);
    peer_fixture_frame(b, "ping", "12345678", 8);
    peer_fixture_frame(b, "tx", tx, sizeof(tx));
    peer_fixture_frame(b, "inv", "\2", 1); /* malformed: reject and close */
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct spv_buffer script;
    build_script(&script);
    for (int dir = 0; dir < 2; dir++) {
        failing_alloc_plan(0, FAILING_ALLOC_ONE);
        assert_int_equal(run_client(&script, (enum spv_direction)dir), SPV_ERR_SHORT);
        const size_t all = failing_alloc_count();
        assert_in_range(all, 8, 1000);
        size_t harmless = 0;
        for (size_t k = 1; k <= all; k++) {
            failing_alloc_plan(k, FAILING_ALLOC_ONE);
            int rc = run_client(&script, (enum spv_direction)dir);
            assert_int_equal(failing_alloc_end(), 1);
            if (rc != SPV_ERR_NOMEM) {
                /* Only the reject before the close may fail without another result. */
                assert_int_equal(rc, SPV_ERR_SHORT);
                harmless++;
            }
        }
        assert_in_range(harmless, 0, 1);
    }
    spv_buffer_free(&script);
}

static void a_failed_send_leaves_the_peer_unchanged(void **state)
{
    (void)state;
    static const struct spv_blockhash locator[SPV_MAX_LOCATOR];
    struct peer_fixture k;
    struct spv_msg ask = {.command = SPV_CMD_GETHEADERS,
                          .u.getheaders = {.locator = locator, .n = SPV_MAX_LOCATOR}};
    struct spv_msg empty = {.command = SPV_CMD_HEADERS};
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    for (size_t at = 1; at <= 2; at++) { /* the request's keys, the queue's bytes */
        failing_alloc_plan(at, FAILING_ALLOC_ONE);
        assert_int_equal(spv_peer_send(k.p, &ask, k.now), SPV_ERR_NOMEM);
        peer_fixture_expect_silence(&k);
        assert_int_equal(failing_alloc_end(), 1);
    }
    /* No request remained after its failed send: one answer answers all that is open. */
    assert_int_equal(spv_peer_send(k.p, &ask, k.now), 0);
    peer_fixture_expect(&k, SPV_CMD_GETHEADERS);
    assert_int_equal(peer_fixture_send(&k, &empty), 0);
    assert_int_equal(peer_fixture_wait(&k, 91), 0);
    peer_fixture_close(&k);
}

/* Calls all push helpers. Returns how many tagged messages were accepted. */
static uint64_t push_everything(struct peer_fixture *k)
{
    struct spv_header header = peer_fixture_header(9);
    struct spv_addr_entry entry = {.addr = {.network = SPV_ADDR_IPV4, .len = 4, .bytes = {8}}};
    struct spv_blockhash locator = {{7}};
    struct spv_msg msg = {.command = SPV_CMD_GETADDR};
    uint64_t tags = 0;
    for (uint8_t i = 0; i < 20; i++) {
        struct spv_inv inv = {SPV_INV_TX, {{i, 1}}};
        int rc = spv_peer_push_inventory(k->p, &inv, SPV_FEE_UNKNOWN, k->now);
        assert_true(rc == 1 || rc == SPV_ERR_NOMEM);
        rc = spv_peer_send_tagged(k->p, &msg, tags, k->now);
        assert_true(rc == 0 || rc == SPV_ERR_NOMEM);
        tags += rc == 0;
    }
    int rc = spv_peer_announce(k->p, &header, 1, k->now);
    assert_true(rc == 1 || rc == SPV_ERR_NOMEM);
    rc = spv_peer_push_addr(k->p, NULL, &entry, 1, k->now);
    assert_true(rc == 1 || rc == SPV_ERR_NOMEM);
    rc = spv_peer_push_getheaders(k->p, &locator, 1, NULL, k->now);
    assert_true(rc == 1 || rc == SPV_ERR_NOMEM);
    return tags;
}

static void push_helpers_survive_every_failed_allocation(void **state)
{
    (void)state;
    size_t all = 1;
    for (size_t at = 0; at <= all; at++) {
        struct peer_fixture k;
        uint64_t tag, done = 0;
        int error;
        peer_fixture_init(&k);
        peer_fixture_ready(&k, SPV_OUTBOUND);
        failing_alloc_plan(at, FAILING_ALLOC_ONE);
        uint64_t tags = push_everything(&k);
        k.now.mono_us = spv_peer_deadline(k.p); /* the trickle, in most runs */
        int rc = spv_peer_timer(k.p, k.now);
        assert_true(rc == 0 || rc == SPV_ERR_NOMEM);
        (void)failing_alloc_end();
        if (at == 0) {
            all = failing_alloc_count();
            assert_in_range(all, 8, 100);
        }
        struct spv_msg out;
        while (peer_fixture_recv(&k, &out) != SPV_CMD_UNKNOWN) /* all frames are valid */
            continue;
        spv_peer_close(k.p, SPV_ERR_CLOSED);
        while (spv_peer_next_completion(k.p, &tag, &error) == 1) {
            assert_int_equal(tag, done++);
            assert_int_equal(error, 0);
        }
        assert_int_equal(done, tags);
        peer_fixture_close(&k);
    }
}

static void an_idle_connection_uses_less_than_sixteen_kibibytes(void **state)
{
    (void)state;
    static struct spv_header headers[SPV_MAX_HEADERS];
    struct peer_fixture k;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    assert_true(spv_peer_memory(k.p) < 16 * 1024);
    struct spv_msg msg = {.command = SPV_CMD_HEADERS,
                          .u.headers = {.headers = headers, .n = SPV_MAX_HEADERS}};
    assert_int_equal(peer_fixture_send(&k, &msg), 0);
    assert_int_equal(spv_peer_send(k.p, &msg, k.now), 0);
    peer_fixture_expect(&k, SPV_CMD_HEADERS);
    assert_true(spv_peer_memory(k.p) > 300 * 1024);
    /* Small messages in between do not postpone freeing it. */
    for (int i = 0; i < 5; i++) {
        assert_int_equal(peer_fixture_wait_us(&k, SPV_SECOND / 2), 0);
        assert_int_equal(peer_fixture_send_ping(&k, SPV_CMD_PING, 1), 0);
        peer_fixture_expect(&k, SPV_CMD_PONG);
    }
    assert_true(spv_peer_memory(k.p) < 16 * 1024);
    peer_fixture_close(&k);
}

static void memory_grows_with_received_bytes_not_with_a_claimed_length(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_buffer b;
    static uint8_t body[100000];
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    spv_buffer_init(&b);
    peer_fixture_frame(&b, "block", "", 0);
    b.data[16 + 2] = 60; /* claims 3,932,160 bytes */
    assert_int_equal(peer_fixture_send_bytes(&k, b.data, b.len), 0);
    assert_true(spv_peer_memory(k.p) < 16 * 1024);
    assert_int_equal(peer_fixture_send_bytes(&k, body, sizeof(body)), 0);
    assert_true(spv_peer_memory(k.p) < 16 * 1024 + 2 * sizeof(body));
    spv_buffer_free(&b);
    peer_fixture_close(&k);
}

static void receive_buffer_does_not_grow_beyond_the_incomplete_message(void **state)
{
    (void)state;
    static struct spv_header headers[SPV_MAX_HEADERS];
    struct spv_msg msg = {.command = SPV_CMD_HEADERS,
                          .u.headers = {.headers = headers, .n = SPV_MAX_HEADERS}};
    struct peer_fixture k;
    struct spv_buffer b;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    spv_buffer_init(&b);
    assert_int_equal(spv_msg_write(&b, &msg, k.cfg.net, SPV_PROTOCOL_VERSION), 0);
    const size_t idle = spv_peer_memory(k.p);
    for (size_t at = 0; at + 45000 < b.len; at += 45000)
        assert_int_equal(peer_fixture_send_bytes(&k, b.data + at, 45000), 0);
    assert_true(spv_peer_memory(k.p) <= idle + b.len);
    spv_buffer_free(&b);
    peer_fixture_close(&k);
}

static void memory_of_a_burst_is_freed_while_a_message_is_incomplete(void **state)
{
    (void)state;
    static struct spv_header headers[SPV_MAX_HEADERS];
    struct spv_msg msg = {.command = SPV_CMD_HEADERS,
                          .u.headers = {.headers = headers, .n = SPV_MAX_HEADERS}};
    struct peer_fixture k;
    struct spv_buffer b;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    spv_buffer_init(&b);
    peer_fixture_frame(&b, "ping", "12345678", 8);
    assert_int_equal(peer_fixture_send(&k, &msg), 0);
    assert_int_equal(peer_fixture_send_bytes(&k, b.data, b.len - 1), 0);
    assert_int_equal(peer_fixture_wait(&k, 3), 0);
    assert_true(spv_peer_memory(k.p) < 16 * 1024);
    assert_int_equal(peer_fixture_send_bytes(&k, b.data + b.len - 1, 1),
                     0); /* and the message is complete */
    assert_int_equal(k.got.command, SPV_CMD_PING);
    spv_buffer_free(&b);
    peer_fixture_close(&k);
}

/* Sends only the header of a frame, with a claimed length. */
static int send_claim(struct peer_fixture *k, const char *command, uint32_t length)
{
    struct spv_buffer b;
    spv_buffer_init(&b);
    peer_fixture_frame(&b, command, "", 0);
    for (size_t i = 0; i < 4; i++)
        b.data[16 + i] = (uint8_t)(length >> 8 * i);
    int rc = peer_fixture_send_bytes(k, b.data, b.len);
    spv_buffer_free(&b);
    return rc;
}

static void a_payload_above_the_limit_closes_at_its_frame_header(void **state)
{
    (void)state;
    static const struct spv_payload_limit caps[] = {{SPV_CMD_ADDR, 3000}, {SPV_CMD_INV, 500}};
    static const struct {
        const char *command;
        uint32_t largest;
    } cases[] = {{"addr", 3000}, {"inv", 500}, {"tx", 1000}, {"strange", 1000}, {"headers", 1000}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (uint32_t more = 0; more < 2; more++) {
            struct peer_fixture k;
            peer_fixture_init(&k);
            k.cfg.payload_limits = caps;
            k.cfg.n_payload_limits = 2;
            k.cfg.max_payload = 1000;
            peer_fixture_ready(&k, SPV_INBOUND);
            assert_int_equal(send_claim(&k, cases[i].command, cases[i].largest + more),
                             more == 0 ? 0 : SPV_ERR_LENGTH);
            peer_fixture_close(&k);
        }
    }
}

#define SERVED_CLIENTS 256
#define SERVED_MEMORY 16000000
#define SERVED_LINK (15 * 1024) /* a client's socket, link and waiting requests in the server */

/* The most memory that a client can use: a full set of known hashes, a burst, and then the largest
 * message of each kind without its last byte. */
static size_t memory_of_an_incomplete_message(const char *command)
{
    static uint8_t body[SPV_SERVE_PAYLOAD];
    static struct spv_inv items[SPV_SERVE_PAYLOAD / 40];
    struct spv_msg inv = {.command = SPV_CMD_INV,
                          .u.inv = {items, sizeof(items) / sizeof(items[0])}};
    struct peer_fixture k;
    struct spv_buffer b;
    peer_fixture_init(&k);
    spv_serve_limits(&k.cfg);
    peer_fixture_ready(&k, SPV_INBOUND);
    for (uint32_t round = 0; round < 10; round++) {
        for (uint32_t i = 0; i < inv.u.inv.n; i++)
            memcpy(items[i].hash.b, (uint32_t[2]){round, i}, 8);
        assert_int_equal(peer_fixture_send(&k, &inv), 0);
    }
    spv_buffer_init(&b);
    while (b.len < 60000)
        peer_fixture_frame(&b, "getaddr", "", 0);
    assert_int_equal(spv_msg_write(&b, &inv, k.cfg.net, SPV_PROTOCOL_VERSION), 0);
    const size_t before = b.len;
    peer_fixture_frame(&b, command, body, sizeof(body));
    const size_t first = before + (b.len - before) / 2;
    assert_int_equal(peer_fixture_send_bytes(&k, b.data, first), 0);
    assert_int_equal(peer_fixture_send_bytes(&k, b.data + first, b.len - 1 - first), 0);
    const size_t memory = spv_peer_memory(k.p);
    spv_buffer_free(&b);
    peer_fixture_close(&k);
    return memory;
}

static void header_server_clients_with_incomplete_messages_use_under_16_megabytes(void **state)
{
    (void)state;
    static const char *const commands[] = {"addrv2", "inv", "tx", "block", "headers", "strange"};
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        assert_true(SERVED_CLIENTS * (memory_of_an_incomplete_message(commands[i]) + SERVED_LINK) <
                    SERVED_MEMORY);
    struct peer_fixture k; /* a longer message is refused */
    peer_fixture_init(&k);
    spv_serve_limits(&k.cfg);
    peer_fixture_ready(&k, SPV_INBOUND);
    assert_int_equal(send_claim(&k, "block", SPV_SERVE_PAYLOAD + 1), SPV_ERR_LENGTH);
    peer_fixture_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(a_failed_send_leaves_the_peer_unchanged),
        cmocka_unit_test(push_helpers_survive_every_failed_allocation),
        cmocka_unit_test(an_idle_connection_uses_less_than_sixteen_kibibytes),
        cmocka_unit_test(memory_grows_with_received_bytes_not_with_a_claimed_length),
        cmocka_unit_test(receive_buffer_does_not_grow_beyond_the_incomplete_message),
        cmocka_unit_test(memory_of_a_burst_is_freed_while_a_message_is_incomplete),
        cmocka_unit_test(a_payload_above_the_limit_closes_at_its_frame_header),
        cmocka_unit_test(header_server_clients_with_incomplete_messages_use_under_16_megabytes),
    };
    return cmocka_run_group_tests_name("peer: memory", tests, NULL, NULL);
}
