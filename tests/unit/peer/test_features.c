/* Feature negotiation (BIP434): which features are sent and kept, when they are ignored, and what
 * closes the connection. */
#include "peer_fixture.h"

static const uint8_t id[] = "BIP999", data[] = {1, 2, 3};
static const struct spv_msg_feature ours[] = {{id, 6, data, 3}, {id, 4, NULL, 0}};

static void open_at(struct peer_fixture *k, enum spv_direction dir, bool with_features,
                    uint32_t version)
{
    peer_fixture_init(k);
    k->cfg.features = with_features ? ours : NULL;
    k->cfg.n_features = with_features ? 2 : 0;
    peer_fixture_open(k, dir);
    assert_int_equal(peer_fixture_send_version(k, version), 0);
}

/* A body of an id of n bytes and data of m bytes. */
static int send_feature(struct peer_fixture *k, size_t n, size_t m, size_t trailing)
{
    struct spv_buffer b;
    spv_buffer_init(&b);
    spv_buffer_compact(&b, n);
    for (size_t i = 0; i < n; i++)
        spv_buffer_u8(&b, (uint8_t)(i == 0 ? 7 : 'a' + i % 26)); /* printable is a SHOULD */
    spv_buffer_compact(&b, m);
    for (size_t i = 0; i < m + trailing; i++)
        spv_buffer_u8(&b, 9);
    const int rc = peer_fixture_send_raw(k, "feature", b.data, b.len);
    spv_buffer_free(&b);
    return rc;
}

static void our_features_are_sent_between_version_and_verack(void **state)
{
    (void)state;
    for (int dir = 0; dir < 2; dir++) {
        struct peer_fixture k;
        struct spv_msg msg;
        open_at(&k, dir ? SPV_INBOUND : SPV_OUTBOUND, true, 70017);
        assert_int_equal(peer_fixture_recv(&k, &msg), SPV_CMD_VERSION);
        assert_int_equal(msg.u.version.version, 70017);
        peer_fixture_expect(&k, SPV_CMD_SENDADDRV2);
        assert_int_equal(peer_fixture_recv(&k, &msg), SPV_CMD_FEATURE);
        assert_int_equal(msg.u.feature.id_len, 6);
        assert_memory_equal(msg.u.feature.id, id, 6);
        assert_int_equal(msg.u.feature.n, 3);
        assert_memory_equal(msg.u.feature.data, data, 3);
        assert_int_equal(peer_fixture_recv(&k, &msg), SPV_CMD_FEATURE);
        assert_int_equal(msg.u.feature.id_len, 4);
        assert_int_equal(msg.u.feature.n, 0);
        peer_fixture_expect(&k, SPV_CMD_VERACK);
        peer_fixture_close(&k);
    }
}

static void without_features_the_version_stays(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg msg;
    struct spv_peer_stats stats;
    open_at(&k, SPV_OUTBOUND, false, 70017);
    assert_int_equal(peer_fixture_recv(&k, &msg), SPV_CMD_VERSION);
    assert_int_equal(msg.u.version.version, 70016);
    peer_fixture_expect(&k, SPV_CMD_SENDADDRV2);
    peer_fixture_expect(&k, SPV_CMD_VERACK);
    spv_peer_get_stats(k.p, &stats);
    assert_int_equal(stats.version, 70016);
    peer_fixture_close(&k);
}

static void below_70017_features_are_neither_sent_nor_kept(void **state)
{
    (void)state;
    struct peer_fixture k;
    const struct spv_msg_feature *got;
    open_at(&k, SPV_INBOUND, true, 70016);
    peer_fixture_expect(&k, SPV_CMD_VERSION);
    peer_fixture_expect(&k, SPV_CMD_SENDADDRV2);
    peer_fixture_expect(&k, SPV_CMD_VERACK);
    assert_int_equal(send_feature(&k, 5, 1, 0), 0);
    assert_int_equal(send_feature(&k, 1, 1, 9), 0); /* unknown there: not even decoded */
    assert_int_equal(spv_peer_features(k.p, &got), 0);
    assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_VERACK), 0);
    assert_int_equal(send_feature(&k, 5, 1, 0), 0); /* nor is it late */
    assert_true(spv_peer_ready(k.p));
    peer_fixture_close(&k);
}

static void features_are_kept_with_their_data(void **state)
{
    (void)state;
    struct peer_fixture k;
    const struct spv_msg_feature *got;
    open_at(&k, SPV_OUTBOUND, true, 70017);
    assert_int_equal(send_feature(&k, 4, 0, 0), 0);
    assert_int_equal(k.got.command, SPV_CMD_FEATURE);
    assert_int_equal(send_feature(&k, 80, 512, 0), 0);
    assert_int_equal(spv_peer_features(k.p, &got), 2);
    assert_int_equal(got[0].id_len, 4);
    assert_int_equal(got[0].n, 0);
    assert_int_equal(got[1].id_len, 80);
    assert_int_equal(got[1].id[0], 7);
    assert_int_equal(got[1].n, 512);
    assert_int_equal(got[1].data[0], 9);
    assert_int_equal(got[1].data[511], 9);
    for (int i = 0; i < 100; i++)
        assert_int_equal(send_feature(&k, 80, 512, 0), 0);
    assert_int_equal(spv_peer_features(k.p, &got), SPV_PEER_FEATURES);
    assert_true(spv_peer_memory(k.p) < 32 * 1024);
    assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_VERACK), 0);
    assert_true(spv_peer_ready(k.p));
    peer_fixture_close(&k);
}

static void wrong_lengths_and_trailing_bytes_close(void **state)
{
    (void)state;
    static const struct {
        size_t n, m, trailing;
        int error;
    } cases[] = {{3, 0, 0, SPV_ERR_COUNT},
                 {0, 0, 0, SPV_ERR_COUNT},
                 {81, 0, 0, SPV_ERR_COUNT},
                 {4, 513, 0, SPV_ERR_COUNT},
                 {4, 0, 1, SPV_ERR_TRAILING}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct peer_fixture k;
        open_at(&k, SPV_OUTBOUND, true, 70017);
        assert_int_equal(send_feature(&k, cases[i].n, cases[i].m, cases[i].trailing),
                         cases[i].error);
        assert_int_equal(spv_err_class_of(cases[i].error), SPV_CLASS_PEER);
        peer_fixture_close(&k);
    }
}

static void a_late_feature_closes_without_a_ban(void **state)
{
    (void)state;
    struct peer_fixture k;
    open_at(&k, SPV_OUTBOUND, true, 70017);
    assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_VERACK), 0);
    assert_int_equal(send_feature(&k, 5, 0, 0), SPV_ERR_LATE_NEGOTIATION);
    assert_int_equal(spv_err_class_of(SPV_ERR_LATE_NEGOTIATION), SPV_CLASS_PEER);
    peer_fixture_close(&k);
}

static void only_the_peer_itself_sends_features(void **state)
{
    (void)state;
    struct peer_fixture k;
    const struct spv_msg msg = {.command = SPV_CMD_FEATURE, .u.feature = ours[0]};
    open_at(&k, SPV_OUTBOUND, true, 70017);
    assert_int_equal(spv_peer_send(k.p, &msg, k.now), SPV_ERR_INVALID);
    peer_fixture_close(&k);
}

static void invalid_features_of_the_caller_are_refused(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_peer *p;
    static const struct spv_msg_feature bad[] = {
        {id, 3, NULL, 0}, {id, 81, NULL, 0}, {id, 6, data, 513}};
    struct spv_msg_feature many[SPV_PEER_FEATURES + 1];
    for (size_t i = 0; i < SPV_PEER_FEATURES + 1; i++)
        many[i] = ours[0];
    peer_fixture_init(&k);
    for (size_t i = 0; i < 3; i++) {
        k.cfg.features = &bad[i];
        k.cfg.n_features = 1;
        assert_int_equal(spv_peer_new(&p, &k.cfg, SPV_OUTBOUND, k.now), SPV_ERR_INVALID);
    }
    k.cfg.features = many;
    k.cfg.n_features = SPV_PEER_FEATURES + 1;
    assert_int_equal(spv_peer_new(&p, &k.cfg, SPV_OUTBOUND, k.now), SPV_ERR_INVALID);
    k.cfg.n_features = 0;
    k.cfg.max_version = 70017; /* not without features */
    assert_int_equal(spv_peer_new(&p, &k.cfg, SPV_OUTBOUND, k.now), SPV_ERR_INVALID);
    k.cfg.max_version = 0;
    peer_fixture_open(&k, SPV_INBOUND);
    peer_fixture_close(&k);
}

static void an_id_is_escaped_in_logs(void **state)
{
    (void)state;
    char line[SPV_MSG_FORMAT_MAX];
    static const uint8_t odd[] = {'a', 0, 27, 0xff, 'b'};
    const struct spv_msg msg = {.command = SPV_CMD_FEATURE, .u.feature = {odd, 5, NULL, 0}};
    spv_msg_format(line, sizeof line, &msg);
    assert_string_equal(line, "feature (a???b, 0 bytes)");
}

static int32_t newest(void *ctx)
{
    return *(int32_t *)ctx;
}

static void anonymous_version_is_empty_and_negotiates_nothing(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg msg;
    int32_t height = 5;
    const struct spv_msg_feature feature = {.id = (const uint8_t *)"test", .id_len = 4};
    static const struct spv_netaddr nothing;
    peer_fixture_init(&k);
    k.cfg.anonymous = true;
    k.cfg.services = SPV_NODE_NETWORK_LIMITED;
    k.cfg.height = 77;
    k.cfg.newest_height = newest;
    k.cfg.newest_ctx = &height;
    k.cfg.relay = true;
    k.cfg.wtxidrelay = true;
    k.cfg.features = &feature;
    k.cfg.n_features = 1;
    k.cfg.user_agent = "/same:1/";
    k.cfg.remote =
        (struct spv_netaddr){.network = SPV_ADDR_IPV4, .len = 4, .port = 18444, {127, 0, 0, 1}};
    peer_fixture_open(&k, SPV_OUTBOUND);
    assert_int_equal(peer_fixture_recv(&k, &msg), SPV_CMD_VERSION);
    const struct spv_msg_version *v = &msg.u.version;
    assert_int_equal(v->version, 70016);
    assert_int_equal(v->services, 0);
    assert_int_equal(v->time, 0);
    assert_int_equal(v->recv_services, 0);
    assert_int_equal(v->from_services, 0);
    assert_int_equal(v->recv.port, 0);
    assert_memory_equal(v->recv.bytes, nothing.bytes, sizeof nothing.bytes);
    assert_int_equal(v->from.port, 0);
    assert_memory_equal(v->from.bytes, nothing.bytes, sizeof nothing.bytes);
    assert_true(v->nonce != 0);
    assert_string_equal(v->user_agent, "/same:1/");
    assert_int_equal(v->height, 0);
    assert_false(v->relay);
    assert_int_equal(peer_fixture_send_version(&k, 70017), 0);
    assert_int_equal(peer_fixture_recv(&k, &msg), SPV_CMD_VERACK);
    peer_fixture_expect_silence(&k);
    assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_SENDADDRV2), 0);
    assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_VERACK), 0);
    assert_true(spv_peer_ready(k.p));
    peer_fixture_expect_silence(&k);
    peer_fixture_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anonymous_version_is_empty_and_negotiates_nothing),
        cmocka_unit_test(our_features_are_sent_between_version_and_verack),
        cmocka_unit_test(without_features_the_version_stays),
        cmocka_unit_test(below_70017_features_are_neither_sent_nor_kept),
        cmocka_unit_test(features_are_kept_with_their_data),
        cmocka_unit_test(wrong_lengths_and_trailing_bytes_close),
        cmocka_unit_test(a_late_feature_closes_without_a_ban),
        cmocka_unit_test(only_the_peer_itself_sends_features),
        cmocka_unit_test(invalid_features_of_the_caller_are_refused),
        cmocka_unit_test(an_id_is_escaped_in_logs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
