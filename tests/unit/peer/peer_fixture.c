/* The functions assert by themselves, so that a test reads as a sequence of messages. */
#include "unit/peer/peer_fixture.h"

#include <stdlib.h>

#include "util/hash.h"

void peer_fixture_init(struct peer_fixture *k)
{
    static uint64_t next_seed; /* seed of the next fixture: each draws other nonces */
    memset(k, 0, sizeof(*k));
    k->random.state = 1000 * ++next_seed;
    k->now = (struct spv_now){.mono_us = 1000 * SPV_SECOND, .unix_s = PEER_FIXTURE_UNIX};
    k->version = SPV_PROTOCOL_VERSION;
    k->services = SPV_NODE_NETWORK | SPV_NODE_WITNESS;
    k->cfg.net = spv_netid_get(SPV_REGTEST);
    k->cfg.rng = test_random_rng(&k->random);
    spv_buffer_init(&k->last);
}

void peer_fixture_open(struct peer_fixture *k, enum spv_direction dir)
{
    assert_int_equal(spv_peer_new(&k->p, &k->cfg, dir, k->now), 0);
}

void peer_fixture_close(struct peer_fixture *k)
{
    spv_peer_free(k->p);
    spv_arena_free(&k->arena);
    spv_buffer_free(&k->last);
}

void peer_fixture_frame(struct spv_buffer *b, const char *command, const void *payload, size_t n)
{
    uint8_t name[SPV_COMMAND_SIZE] = {0}, sum[32];
    memcpy(name, command, strnlen(command, SPV_COMMAND_SIZE));
    spv_sha256d(sum, payload, n);
    spv_buffer_put(b, spv_netid_get(SPV_REGTEST)->magic, 4);
    spv_buffer_put(b, name, sizeof(name));
    spv_buffer_u32(b, (uint32_t)n);
    spv_buffer_put(b, sum, 4);
    if (n > 0)
        spv_buffer_put(b, payload, n);
}

int peer_fixture_send_bytes(struct peer_fixture *k, const void *bytes, size_t n)
{
    int rc = spv_peer_feed(k->p, bytes, n, k->now);
    if (rc < 0)
        return rc;
    while ((rc = spv_peer_next(k->p, &k->got, k->now)) == 1)
        k->n_got++;
    return rc;
}

int peer_fixture_send_raw(struct peer_fixture *k, const char *command, const void *payload,
                          size_t n)
{
    struct spv_buffer b;
    spv_buffer_init(&b);
    peer_fixture_frame(&b, command, payload, n);
    int rc = peer_fixture_send_bytes(k, b.data, b.len);
    spv_buffer_free(&b);
    return rc;
}

int peer_fixture_send(struct peer_fixture *k, const struct spv_msg *msg)
{
    struct spv_buffer b;
    spv_buffer_init(&b);
    assert_int_equal(spv_msg_write(&b, msg, k->cfg.net, k->version), 0);
    int rc = peer_fixture_send_bytes(k, b.data, b.len);
    spv_buffer_free(&b);
    return rc;
}

int peer_fixture_send_empty(struct peer_fixture *k, enum spv_command command)
{
    return peer_fixture_send_raw(k, spv_command_name(command), "", 0);
}

int peer_fixture_send_version(struct peer_fixture *k, uint32_t version)
{
    struct spv_msg msg = {.command = SPV_CMD_VERSION};
    msg.u.version = (struct spv_msg_version){
        .version = version,
        .services = k->services,
        .time = PEER_FIXTURE_UNIX + 7,
        .nonce = 12345,
        .user_agent = "/other:1.0/",
        .user_agent_len = 11,
        .height = 321,
        .relay = true,
    };
    return peer_fixture_send(k, &msg);
}

int peer_fixture_send_ping(struct peer_fixture *k, enum spv_command command, uint64_t nonce)
{
    struct spv_msg msg = {.command = command, .u.ping = {.has_nonce = true, .nonce = nonce}};
    return peer_fixture_send(k, &msg);
}

enum spv_command peer_fixture_recv(struct peer_fixture *k, struct spv_msg *out)
{
    const uint8_t *bytes;
    size_t n = spv_peer_pending(k->p, &bytes);
    if (n == 0)
        return SPV_CMD_UNKNOWN;
    assert_true(n >= SPV_FRAME_HEADER);
    struct spv_frame frame;
    assert_int_equal(spv_frame_read(&frame, bytes, k->cfg.net, SPV_MAX_PAYLOAD), 0);
    size_t whole = SPV_FRAME_HEADER + (size_t)frame.length;
    assert_true(n >= whole);
    k->last.len = 0;
    spv_buffer_put(&k->last, bytes, whole);
    assert_int_equal(k->last.error, 0);
    const uint8_t *payload = k->last.data + SPV_FRAME_HEADER;
    assert_int_equal(spv_frame_check(&frame, payload), 0);
    memset(out, 0, sizeof(*out));
    out->command = frame.command;
    memcpy(out->name, frame.name, sizeof(out->name));
    assert_int_equal(spv_msg_decode(out, payload, frame.length, k->version, &k->arena), 0);
    spv_peer_sent(k->p, whole, k->now);
    return frame.command;
}

void peer_fixture_expect(struct peer_fixture *k, enum spv_command command)
{
    struct spv_msg msg;
    assert_string_equal(spv_command_name(peer_fixture_recv(k, &msg)), spv_command_name(command));
}

void peer_fixture_expect_silence(struct peer_fixture *k)
{
    const uint8_t *bytes;
    assert_int_equal(spv_peer_pending(k->p, &bytes), 0);
}

void peer_fixture_handshake(struct peer_fixture *k, uint32_t version)
{
    struct spv_peer_stats stats;
    spv_peer_get_stats(k->p, &stats);
    if (stats.direction == SPV_OUTBOUND)
        peer_fixture_expect(k, SPV_CMD_VERSION);
    assert_int_equal(peer_fixture_send_version(k, version), 0);
    if (stats.direction == SPV_INBOUND)
        peer_fixture_expect(k, SPV_CMD_VERSION);
    if (version >= SPV_VERSION_ADDRV2)
        peer_fixture_expect(k, SPV_CMD_SENDADDRV2);
    peer_fixture_expect(k, SPV_CMD_VERACK);
    assert_int_equal(peer_fixture_send_empty(k, SPV_CMD_VERACK), 0);
    assert_true(spv_peer_ready(k->p));
    k->version = version;
    k->n_got = 0;
}

void peer_fixture_ready(struct peer_fixture *k, enum spv_direction dir)
{
    peer_fixture_open(k, dir);
    peer_fixture_handshake(k, SPV_PROTOCOL_VERSION);
}

int peer_fixture_wait_us(struct peer_fixture *k, uint64_t us)
{
    uint64_t until = k->now.mono_us + us;
    while (spv_peer_deadline(k->p) <= until) {
        uint64_t at = spv_peer_deadline(k->p);
        if (at > k->now.mono_us)
            k->now.mono_us = at;
        int rc = spv_peer_timer(k->p, k->now);
        if (rc < 0)
            return rc;
        assert_true(spv_peer_deadline(k->p) > k->now.mono_us); /* a processed deadline is removed */
    }
    k->now.mono_us = until;
    return spv_peer_timer(k->p, k->now);
}

int peer_fixture_wait(struct peer_fixture *k, unsigned seconds)
{
    return peer_fixture_wait_us(k, seconds * SPV_SECOND);
}

struct spv_blockhash peer_fixture_hash(uint64_t n)
{
    struct spv_blockhash hash = {{0}};
    memcpy(hash.b, &n, sizeof(n));
    return hash;
}

struct spv_header peer_fixture_header(uint64_t prev)
{
    return (struct spv_header){.version = 1, .prev = peer_fixture_hash(prev), .bits = 0x207fffff};
}
