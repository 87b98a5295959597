/* Version negotiation: the messages of each side, their order, and the errors. */
#include "unit/peer/peer_fixture.h"

static void outbound_sends_version_then_sendaddrv2_and_verack(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    peer_fixture_open(&k, SPV_OUTBOUND);
    peer_fixture_expect(&k, SPV_CMD_VERSION);
    peer_fixture_expect_silence(&k);
    assert_int_equal(peer_fixture_send_version(&k, 70016), 0);
    peer_fixture_expect(&k, SPV_CMD_SENDADDRV2);
    peer_fixture_expect(&k, SPV_CMD_VERACK);
    peer_fixture_expect_silence(&k);
    assert_false(spv_peer_ready(k.p));
    assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_VERACK), 0);
    assert_true(spv_peer_ready(k.p));
    peer_fixture_close(&k);
}

static void inbound_waits_for_version_then_sends_its_version(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    k.cfg.wtxidrelay = true;
    peer_fixture_open(&k, SPV_INBOUND);
    peer_fixture_expect_silence(&k);
    assert_int_equal(peer_fixture_send_version(&k, 70016), 0);
    peer_fixture_expect(&k, SPV_CMD_VERSION);
    peer_fixture_expect(&k, SPV_CMD_WTXIDRELAY);
    peer_fixture_expect(&k, SPV_CMD_SENDADDRV2);
    peer_fixture_expect(&k, SPV_CMD_VERACK);
    assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_VERACK), 0);
    assert_true(spv_peer_ready(k.p));
    peer_fixture_close(&k);
}

static void version_has_our_configuration_and_no_address_of_ours(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg msg;
    peer_fixture_init(&k);
    k.cfg.services = SPV_NODE_NETWORK_LIMITED;
    k.cfg.height = 77;
    k.cfg.relay = true;
    k.cfg.user_agent = "/wallet:2/";
    k.cfg.remote =
        (struct spv_netaddr){.network = SPV_ADDR_IPV4, .len = 4, .port = 18444, {127, 0, 0, 1}};
    peer_fixture_open(&k, SPV_OUTBOUND);
    assert_int_equal(peer_fixture_recv(&k, &msg), SPV_CMD_VERSION);
    const struct spv_msg_version *v = &msg.u.version;
    assert_int_equal(v->version, 70016);
    assert_int_equal(v->services, SPV_NODE_NETWORK_LIMITED);
    assert_int_equal(v->time, PEER_FIXTURE_UNIX);
    assert_int_equal(v->from_services, SPV_NODE_NETWORK_LIMITED);
    assert_int_equal(v->from.port, 0);
    static const uint8_t nothing[SPV_ADDR_BYTES];
    assert_memory_equal(v->from.bytes, nothing, sizeof(nothing));
    assert_int_equal(v->recv.network, SPV_ADDR_IPV4);
    assert_int_equal(v->recv.port, 18444);
    assert_memory_equal(v->recv.bytes, k.cfg.remote.bytes, 4);
    assert_true(v->nonce != 0);
    assert_string_equal(v->user_agent, "/wallet:2/");
    assert_int_equal(v->height, 77);
    assert_true(v->relay);
    peer_fixture_close(&k);
}

static int32_t newest(void *ctx)
{
    return *(int32_t *)ctx;
}

static void version_has_the_newest_height_when_it_is_encoded(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg msg;
    int32_t height = 5;
    peer_fixture_init(&k);
    k.cfg.height = 1;
    k.cfg.newest_height = newest;
    k.cfg.newest_ctx = &height;
    peer_fixture_open(&k, SPV_INBOUND);
    height = 9; /* the chain grew between the connection and their version */
    assert_int_equal(peer_fixture_send_version(&k, 70016), 0);
    assert_int_equal(peer_fixture_recv(&k, &msg), SPV_CMD_VERSION);
    assert_int_equal(msg.u.version.height, 9);
    peer_fixture_close(&k);
}

static void version_through_a_proxy_has_no_remote_address(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg msg;
    static const uint8_t nothing[SPV_ADDR_BYTES];
    peer_fixture_init(&k);
    peer_fixture_open(&k, SPV_OUTBOUND);
    assert_int_equal(peer_fixture_recv(&k, &msg), SPV_CMD_VERSION);
    assert_int_equal(msg.u.version.recv.port, 0);
    assert_memory_equal(msg.u.version.recv.bytes, nothing, sizeof(nothing));
    assert_false(msg.u.version.relay);
    peer_fixture_close(&k);
}

static void our_version_does_not_vary_with_the_peers(void **state)
{
    (void)state;
    static const uint32_t theirs[] = {31800, 60000, 70001, 70016, 80000};
    for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++) {
        struct peer_fixture k;
        struct spv_msg msg;
        peer_fixture_init(&k);
        peer_fixture_open(&k, SPV_INBOUND);
        assert_int_equal(peer_fixture_send_version(&k, theirs[i]), 0);
        assert_int_equal(peer_fixture_recv(&k, &msg), SPV_CMD_VERSION);
        assert_int_equal(msg.u.version.version, 70016);
        peer_fixture_close(&k);
    }
}

static void negotiates_the_smaller_version(void **state)
{
    (void)state;
    static const struct {
        uint32_t ours, theirs, negotiated;
    } rows[] = {{0, 70016, 70016},     {0, 99999, 70016}, {0, 70002, 70002},
                {70001, 70016, 70001}, {0, 31800, 31800}, {31800, 31800, 31800}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct peer_fixture k;
        struct spv_peer_stats stats;
        peer_fixture_init(&k);
        k.cfg.max_version = rows[i].ours;
        peer_fixture_open(&k, SPV_OUTBOUND);
        assert_int_equal(peer_fixture_send_version(&k, rows[i].theirs), 0);
        spv_peer_get_stats(k.p, &stats);
        assert_int_equal(stats.version, rows[i].negotiated);
        assert_int_equal(stats.peer_version, rows[i].theirs);
        peer_fixture_close(&k);
    }
}

static void below_70016_no_sendaddrv2_is_sent(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    k.cfg.wtxidrelay = true;
    peer_fixture_open(&k, SPV_OUTBOUND);
    peer_fixture_expect(&k, SPV_CMD_VERSION);
    assert_int_equal(peer_fixture_send_version(&k, 70015), 0);
    peer_fixture_expect(&k, SPV_CMD_VERACK);
    peer_fixture_expect_silence(&k);
    peer_fixture_close(&k);
}

static void obsolete_version_is_refused_and_closed(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg msg;
    peer_fixture_init(&k);
    peer_fixture_open(&k, SPV_INBOUND);
    assert_int_equal(peer_fixture_send_version(&k, 31799), SPV_ERR_OBSOLETE);
    assert_int_equal(spv_err_class_of(SPV_ERR_OBSOLETE), SPV_CLASS_PEER);
    peer_fixture_expect_silence(&k);
    assert_int_equal(spv_peer_next(k.p, &msg, k.now), SPV_ERR_OBSOLETE);
    assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_VERACK), SPV_ERR_OBSOLETE);
    peer_fixture_close(&k);
}

static void first_message_must_be_version(void **state)
{
    (void)state;
    static const char *const first[] = {"verack", "ping", "sendaddrv2", "headers", "nonsense"};
    for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
        struct peer_fixture k;
        peer_fixture_init(&k);
        k.cfg.transport = SPV_TRANSPORT_ONLY_V1; /* else other bytes than version's begin v2 */
        peer_fixture_open(&k, i % 2 ? SPV_INBOUND : SPV_OUTBOUND);
        assert_int_equal(peer_fixture_send_raw(&k, first[i], "", 0), SPV_ERR_NOT_VERSION);
        peer_fixture_close(&k);
    }
}

static void unknown_command_between_version_and_verack_is_skipped(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_peer_stats stats;
    peer_fixture_init(&k);
    peer_fixture_open(&k, SPV_OUTBOUND);
    peer_fixture_send_version(&k, 70016);
    assert_int_equal(peer_fixture_send_raw(&k, "sendtxrcncl", "abc", 3), 0);
    assert_int_equal(k.got.command, SPV_CMD_UNKNOWN);
    assert_string_equal(k.got.name, "sendtxrcncl");
    assert_int_equal(k.got.u.raw.n, 3);
    assert_memory_equal(k.got.u.raw.bytes, "abc", 3);
    assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_VERACK), 0);
    assert_true(spv_peer_ready(k.p));
    spv_peer_get_stats(k.p, &stats);
    assert_int_equal(stats.unknown_in, 1);
    assert_int_equal(stats.messages_in, 3);
    peer_fixture_close(&k);
}

/* As Bitcoin Core does: no answer, no reject; the idle deadline is not renewed. */
static void a_second_version_or_verack_is_ignored(void **state)
{
    (void)state;
    static const uint32_t versions[] = {60000, 70001, 70002, 70015, 70016};
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        struct peer_fixture k;
        struct spv_peer_stats before, after;
        peer_fixture_init(&k);
        peer_fixture_open(&k, SPV_OUTBOUND);
        peer_fixture_handshake(&k, versions[i]);
        spv_peer_get_stats(k.p, &before);
        const uint64_t deadline = spv_peer_deadline(k.p);
        const unsigned got = k.n_got;
        k.now.mono_us += SPV_SECOND;
        struct spv_msg second = {.command = SPV_CMD_VERSION};
        second.u.version.version = 70016;
        second.u.version.services = 99;
        second.u.version.height = 1000000;
        assert_int_equal(peer_fixture_send(&k, &second), 0);
        assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_VERACK), 0);
        assert_int_equal(peer_fixture_send_raw(&k, "version", "\1", 1),
                         0); /* its payload is not decoded */
        assert_int_equal(k.n_got, got); /* nothing is returned */
        peer_fixture_expect_silence(&k);
        assert_int_equal(spv_peer_deadline(k.p), deadline);
        spv_peer_get_stats(k.p, &after);
        assert_int_equal(after.messages_in, before.messages_in + 3);
        assert_int_equal(after.version, before.version);
        assert_int_equal(after.services, before.services);
        assert_int_equal(after.start_height, before.start_height);
        assert_int_equal(peer_fixture_send_raw(&k, "getaddr", "", 0),
                         0); /* the next message is returned */
        assert_int_equal(k.n_got, got + 1);
        peer_fixture_close(&k);
    }
}

static void a_second_version_before_verack_is_ignored(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    peer_fixture_open(&k, SPV_INBOUND);
    assert_int_equal(peer_fixture_send_version(&k, 70015), 0);
    assert_int_equal(peer_fixture_send_version(&k, 70016), 0);
    peer_fixture_expect(&k, SPV_CMD_VERSION);
    peer_fixture_expect(&k, SPV_CMD_VERACK); /* once, at the version of the first one */
    peer_fixture_expect_silence(&k);
    assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_VERACK), 0);
    assert_true(spv_peer_ready(k.p));
    peer_fixture_close(&k);
}

static void feature_negotiation_after_verack_closes(void **state)
{
    (void)state;
    static const enum spv_command late[] = {SPV_CMD_SENDADDRV2, SPV_CMD_WTXIDRELAY};
    for (size_t i = 0; i < 2; i++) {
        struct peer_fixture k;
        peer_fixture_init(&k);
        peer_fixture_open(&k, SPV_OUTBOUND);
        peer_fixture_send_version(&k, 70016);
        assert_int_equal(peer_fixture_send_empty(&k, late[i]), 0);
        peer_fixture_send_empty(&k, SPV_CMD_VERACK);
        assert_int_equal(peer_fixture_send_empty(&k, late[i]), SPV_ERR_LATE_NEGOTIATION);
        peer_fixture_close(&k);
    }
}

static void missing_services_are_refused(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    k.cfg.need_services = SPV_NODE_NETWORK | SPV_NODE_COMPACT_FILTERS;
    peer_fixture_open(&k, SPV_OUTBOUND);
    assert_int_equal(peer_fixture_send_version(&k, 70016), SPV_ERR_SERVICES);
    peer_fixture_close(&k);

    peer_fixture_init(&k);
    k.cfg.need_services = SPV_NODE_NETWORK | SPV_NODE_WITNESS;
    peer_fixture_open(&k, SPV_OUTBOUND);
    assert_int_equal(peer_fixture_send_version(&k, 70016), 0);
    peer_fixture_close(&k);
}

static void a_connection_to_ourselves_is_detected_by_its_nonce(void **state)
{
    (void)state;
    struct spv_self_nonces nonces = {0};
    struct peer_fixture dial, accept;
    const uint8_t *bytes;
    struct spv_msg msg;
    peer_fixture_init(&dial);
    dial.cfg.self_nonces = &nonces;
    peer_fixture_open(&dial, SPV_OUTBOUND);
    peer_fixture_init(&accept);
    accept.cfg.self_nonces = &nonces;
    peer_fixture_open(&accept, SPV_INBOUND);
    size_t n = spv_peer_pending(dial.p, &bytes);
    assert_int_equal(peer_fixture_send_bytes(&accept, bytes, n), SPV_ERR_SELF);
    peer_fixture_expect_silence(&accept);
    assert_int_equal(spv_peer_next(accept.p, &msg, accept.now), SPV_ERR_SELF);
    peer_fixture_close(&accept);

    /* Connections from another node, and of a node without a set of nonces. */
    struct spv_self_nonces others = {0};
    peer_fixture_init(&accept);
    accept.cfg.self_nonces = &others;
    peer_fixture_open(&accept, SPV_INBOUND);
    assert_int_equal(peer_fixture_send_bytes(&accept, bytes, n), 0);
    peer_fixture_close(&accept);
    peer_fixture_close(&dial);
}

static void the_set_stores_the_nonces_of_fifty_handshakes(void **state)
{
    (void)state;
    struct spv_self_nonces nonces = {0};
    struct peer_fixture first, other, accept;
    const uint8_t *bytes;
    peer_fixture_init(&first);
    first.cfg.self_nonces = &nonces;
    peer_fixture_open(&first, SPV_OUTBOUND);
    peer_fixture_init(&other);
    other.cfg.self_nonces = &nonces;
    for (int more = 1; more <= 50; more++) {
        peer_fixture_open(&other, SPV_OUTBOUND);
        spv_peer_free(other.p);
        size_t n = spv_peer_pending(first.p, &bytes);
        peer_fixture_init(&accept);
        struct spv_self_nonces copy = nonces;
        accept.cfg.self_nonces = &copy;
        peer_fixture_open(&accept, SPV_INBOUND);
        /* The accepting peer's own nonce is the last one in the set. */
        assert_int_equal(peer_fixture_send_bytes(&accept, bytes, n),
                         more + 1 < 50 ? SPV_ERR_SELF : 0);
        peer_fixture_close(&accept);
    }
    peer_fixture_close(&first);
}

static void handshake_must_end_in_thirty_seconds(void **state)
{
    (void)state;
    static const uint64_t limits[] = {0, 5 * SPV_SECOND};
    for (size_t i = 0; i < 2; i++) {
        unsigned limit = i == 0 ? 30 : 5;
        struct peer_fixture k;
        peer_fixture_init(&k);
        k.cfg.timeouts.handshake = limits[i];
        peer_fixture_open(&k, SPV_OUTBOUND);
        assert_int_equal(peer_fixture_send_version(&k, 70016), 0);
        assert_int_equal(peer_fixture_wait_us(&k, limit * SPV_SECOND - 1), 0);
        assert_int_equal(peer_fixture_wait_us(&k, 1), SPV_ERR_HANDSHAKE_TIMEOUT);
        assert_int_equal(spv_err_class_of(SPV_ERR_HANDSHAKE_TIMEOUT), SPV_CLASS_TIMEOUT);
        assert_int_equal(spv_peer_deadline(k.p), SPV_NEVER);
        peer_fixture_close(&k);
    }
}

static void messages_sent_early_follow_the_verack(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg msg;
    struct spv_blockhash locator[] = {peer_fixture_hash(5)};
    peer_fixture_init(&k);
    peer_fixture_open(&k, SPV_OUTBOUND);
    struct spv_msg ask = {.command = SPV_CMD_GETHEADERS,
                          .u.getheaders = {.locator = locator, .n = 1}};
    struct spv_msg ping = {.command = SPV_CMD_PING, .u.ping = {true, 9}};
    assert_int_equal(spv_peer_send(k.p, &ask, k.now), 0);
    assert_int_equal(spv_peer_send(k.p, &ping, k.now), 0);
    peer_fixture_expect(&k, SPV_CMD_VERSION);
    peer_fixture_expect_silence(&k);
    peer_fixture_send_version(&k, 70016);
    peer_fixture_expect(&k, SPV_CMD_SENDADDRV2);
    peer_fixture_expect(&k, SPV_CMD_VERACK);
    peer_fixture_expect_silence(&k);
    peer_fixture_send_empty(&k, SPV_CMD_VERACK);
    assert_int_equal(peer_fixture_recv(&k, &msg), SPV_CMD_GETHEADERS);
    assert_int_equal(msg.u.getheaders.version, 70016);
    assert_int_equal(msg.u.getheaders.n, 1);
    assert_memory_equal(&msg.u.getheaders.locator[0], &locator[0], 32);
    assert_int_equal(peer_fixture_recv(&k, &msg), SPV_CMD_PING);
    assert_int_equal(msg.u.ping.nonce, 9);
    peer_fixture_expect_silence(&k);
    peer_fixture_close(&k);
}

static void deferred_messages_are_sent_in_the_form_of_the_negotiated_version(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg msg;
    peer_fixture_init(&k);
    peer_fixture_open(&k, SPV_OUTBOUND);
    struct spv_msg ping = {.command = SPV_CMD_PING, .u.ping = {true, 9}};
    struct spv_msg sendheaders = {.command = SPV_CMD_SENDHEADERS};
    assert_int_equal(spv_peer_send(k.p, &ping, k.now), 0);
    assert_int_equal(spv_peer_send(k.p, &sendheaders, k.now), 0);
    peer_fixture_handshake(&k, 60000);
    assert_int_equal(peer_fixture_recv(&k, &msg), SPV_CMD_PING);
    assert_false(msg.u.ping.has_nonce);
    peer_fixture_expect_silence(&k); /* version 60000 does not have sendheaders */
    peer_fixture_close(&k);
}

static void deferred_messages_of_a_failed_handshake_are_never_sent(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    k.cfg.transport = SPV_TRANSPORT_ONLY_V1;
    peer_fixture_open(&k, SPV_INBOUND);
    struct spv_msg ping = {.command = SPV_CMD_PING, .u.ping = {true, 9}};
    assert_int_equal(spv_peer_send(k.p, &ping, k.now), 0);
    assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_VERACK), SPV_ERR_NOT_VERSION);
    peer_fixture_expect_silence(&k);
    assert_int_equal(spv_peer_send(k.p, &ping, k.now), SPV_ERR_NOT_VERSION);
    peer_fixture_close(&k);
}

static void negotiation_messages_cannot_be_sent_by_the_caller(void **state)
{
    (void)state;
    static const enum spv_command own[] = {SPV_CMD_VERSION, SPV_CMD_VERACK, SPV_CMD_SENDADDRV2,
                                           SPV_CMD_WTXIDRELAY};
    struct peer_fixture k;
    peer_fixture_init(&k);
    peer_fixture_ready(&k, SPV_INBOUND);
    for (size_t i = 0; i < 4; i++) {
        struct spv_msg msg = {.command = own[i]};
        assert_int_equal(spv_peer_send(k.p, &msg, k.now), SPV_ERR_INVALID);
    }
    peer_fixture_expect_silence(&k);
    peer_fixture_close(&k);
}

static void commands_that_the_negotiated_version_lacks_are_not_sent(void **state)
{
    (void)state;
    static const struct {
        uint32_t version;
        enum spv_command command;
        int rc;
    } rows[] = {{70011, SPV_CMD_SENDHEADERS, SPV_ERR_UNSUPPORTED},
                {70012, SPV_CMD_SENDHEADERS, 0},
                {70001, SPV_CMD_REJECT, SPV_ERR_UNSUPPORTED},
                {70002, SPV_CMD_REJECT, 0},
                {70015, SPV_CMD_REJECT, 0},
                {70016, SPV_CMD_REJECT, SPV_ERR_UNSUPPORTED}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct peer_fixture k;
        peer_fixture_init(&k);
        peer_fixture_open(&k, SPV_OUTBOUND);
        peer_fixture_handshake(&k, rows[i].version);
        struct spv_msg msg = {.command = rows[i].command};
        if (msg.command == SPV_CMD_REJECT)
            msg.u.reject = (struct spv_msg_reject){.command = "tx", .code = 1, .reason = "x"};
        assert_int_equal(spv_peer_send(k.p, &msg, k.now), rows[i].rc);
        peer_fixture_close(&k);
    }
}

static void user_agent_is_made_safe_to_print(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_peer_stats stats;
    static const char evil[] = "/a\x1b[2J\n\x7f\xc3\xa9~/\0tail";
    peer_fixture_init(&k);
    peer_fixture_open(&k, SPV_INBOUND);
    struct spv_msg msg = {.command = SPV_CMD_VERSION};
    msg.u.version.version = 70016;
    msg.u.version.time = PEER_FIXTURE_UNIX - 100;
    msg.u.version.height = -5;
    msg.u.version.user_agent_len = sizeof(evil) - 1;
    memcpy(msg.u.version.user_agent, evil, sizeof(evil));
    assert_int_equal(peer_fixture_send(&k, &msg), 0);
    spv_peer_get_stats(k.p, &stats);
    assert_string_equal(stats.user_agent, "/a?[2J????~/?tail");
    assert_int_equal(stats.time_offset_s, -100);
    assert_int_equal(stats.start_height, -5);
    assert_false(stats.relay);
    peer_fixture_close(&k);
}

static void time_offset_accepts_any_time_of_the_peer(void **state)
{
    (void)state;
    static const int64_t claims[] = {INT64_MIN, -1, 0, INT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        struct peer_fixture k;
        peer_fixture_init(&k);
        peer_fixture_open(&k, SPV_INBOUND);
        struct spv_msg msg = {.command = SPV_CMD_VERSION};
        msg.u.version.version = 70016;
        msg.u.version.time = claims[i];
        assert_int_equal(peer_fixture_send(&k, &msg), 0);
        peer_fixture_close(&k);
    }
}

static void invalid_configurations_are_refused(void **state)
{
    (void)state;
    char agent[SPV_MAX_USER_AGENT + 2];
    struct spv_peer *p;
    struct peer_fixture k;
    memset(agent, 'a', sizeof(agent) - 1);
    agent[sizeof(agent) - 1] = '\0';
    for (int i = 0; i < 5; i++) {
        peer_fixture_init(&k);
        if (i == 0)
            k.cfg.net = NULL;
        if (i == 1)
            k.cfg.rng.fill = NULL;
        if (i == 2)
            k.cfg.max_version = 31799;
        if (i == 3)
            k.cfg.max_version = 70017;
        if (i == 4)
            k.cfg.user_agent = agent;
        assert_int_equal(spv_peer_new(&p, &k.cfg, SPV_OUTBOUND, k.now), SPV_ERR_INVALID);
        assert_null(p);
    }
    spv_peer_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outbound_sends_version_then_sendaddrv2_and_verack),
        cmocka_unit_test(inbound_waits_for_version_then_sends_its_version),
        cmocka_unit_test(version_has_our_configuration_and_no_address_of_ours),
        cmocka_unit_test(version_has_the_newest_height_when_it_is_encoded),
        cmocka_unit_test(version_through_a_proxy_has_no_remote_address),
        cmocka_unit_test(our_version_does_not_vary_with_the_peers),
        cmocka_unit_test(negotiates_the_smaller_version),
        cmocka_unit_test(below_70016_no_sendaddrv2_is_sent),
        cmocka_unit_test(obsolete_version_is_refused_and_closed),
        cmocka_unit_test(first_message_must_be_version),
        cmocka_unit_test(unknown_command_between_version_and_verack_is_skipped),
        cmocka_unit_test(a_second_version_or_verack_is_ignored),
        cmocka_unit_test(a_second_version_before_verack_is_ignored),
        cmocka_unit_test(feature_negotiation_after_verack_closes),
        cmocka_unit_test(missing_services_are_refused),
        cmocka_unit_test(a_connection_to_ourselves_is_detected_by_its_nonce),
        cmocka_unit_test(the_set_stores_the_nonces_of_fifty_handshakes),
        cmocka_unit_test(handshake_must_end_in_thirty_seconds),
        cmocka_unit_test(messages_sent_early_follow_the_verack),
        cmocka_unit_test(deferred_messages_are_sent_in_the_form_of_the_negotiated_version),
        cmocka_unit_test(deferred_messages_of_a_failed_handshake_are_never_sent),
        cmocka_unit_test(negotiation_messages_cannot_be_sent_by_the_caller),
        cmocka_unit_test(commands_that_the_negotiated_version_lacks_are_not_sent),
        cmocka_unit_test(user_agent_is_made_safe_to_print),
        cmocka_unit_test(time_offset_accepts_any_time_of_the_peer),
        cmocka_unit_test(invalid_configurations_are_refused),
    };
    return cmocka_run_group_tests_name("peer: handshake", tests, NULL, NULL);
}
