/* The helpers of spv/push.h. */
#include "unit/peer/peer_fixture.h"

#include "spv/push.h"

static void quiet(struct peer_fixture *k, uint32_t version)
{
    peer_fixture_init(k);
    k->cfg.timeouts.ping_interval = 1000000 * SPV_SECOND;
    k->cfg.timeouts.idle = 1000000 * SPV_SECOND;
    peer_fixture_open(k, SPV_OUTBOUND);
    peer_fixture_handshake(k, version);
}

#define MANY 3000
static struct spv_addr_entry entries[MANY];

static void build_entries(void)
{
    for (size_t i = 0; i < MANY; i++)
        entries[i] =
            (struct spv_addr_entry){.time = (uint32_t)(1700000000 + i),
                                    .services = 1,
                                    .addr = {.network = SPV_ADDR_IPV4,
                                             .len = 4,
                                             .port = 8333,
                                             .bytes = {8, 8, (uint8_t)(i >> 8), (uint8_t)i}}};
}

static void at_most_a_thousand_addresses_are_sent_and_their_indexes_returned(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg out;
    size_t sent[SPV_MAX_ADDR];
    static bool seen[MANY];
    build_entries();
    quiet(&k, 70015);
    assert_int_equal(spv_peer_push_addr(k.p, sent, entries, MANY, k.now), SPV_MAX_ADDR);
    assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_ADDR);
    assert_int_equal(out.u.addr.n, SPV_MAX_ADDR);
    for (size_t i = 0; i < SPV_MAX_ADDR; i++) {
        assert_true(sent[i] < MANY);
        assert_false(seen[sent[i]]);
        seen[sent[i]] = true;
        assert_int_equal(out.u.addr.entries[i].time, entries[sent[i]].time);
    }
    assert_int_equal(spv_peer_push_addr(k.p, NULL, entries, 3, k.now), 3);
    assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_ADDR);
    assert_int_equal(spv_peer_push_addr(k.p, NULL, entries, 0, k.now), 0);
    peer_fixture_expect_silence(&k);
    peer_fixture_close(&k);
}

static void every_address_and_every_position_is_equally_likely(void **state)
{
    (void)state;
    struct peer_fixture k;
    size_t sent[SPV_MAX_ADDR], first[4] = {0}, chosen[MANY] = {0};
    const uint8_t *bytes;
    enum { ROUNDS = 600 };
    build_entries();
    quiet(&k, 70015);
    print_message("seed %llu\n", (unsigned long long)k.random.state);
    for (int i = 0; i < ROUNDS; i++) {
        assert_int_equal(spv_peer_push_addr(k.p, sent, entries, 4, k.now), 4);
        first[sent[0]]++;
        assert_int_equal(spv_peer_push_addr(k.p, sent, entries, MANY, k.now), SPV_MAX_ADDR);
        for (size_t j = 0; j < SPV_MAX_ADDR; j++)
            chosen[sent[j]]++;
        spv_peer_sent(k.p, spv_peer_pending(k.p, &bytes), k.now);
    }
    for (size_t i = 0; i < 4; i++)
        assert_in_range(first[i], ROUNDS / 4 - 60, ROUNDS / 4 + 60); /* 5.6 deviations */
    for (size_t i = 0; i < MANY; i++)
        assert_in_range(chosen[i], ROUNDS / 3 - 70, ROUNDS / 3 + 70); /* 6 deviations */
    peer_fixture_close(&k);
}

static void addresses_that_addr_cannot_encode_are_left_out(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg out;
    size_t sent[SPV_MAX_ADDR];
    struct spv_addr_entry list[5] = {
        {.addr = {.network = SPV_ADDR_TORV3, .len = 32, .bytes = {1}}},
        {.addr = {.network = 99}},
        {.time = 7, .addr = {.network = SPV_ADDR_IPV6, .len = 16, .bytes = {0x20, 1, 5}}},
        {.addr = {.network = SPV_ADDR_IPV4, .len = 16}},
        {.addr = {.network = 0}},
    };
    quiet(&k, 70016);
    assert_int_equal(spv_peer_push_addr(k.p, sent, list, 5, k.now), 1);
    assert_int_equal(sent[0], 2);
    assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_ADDR);
    assert_int_equal(out.u.addr.entries[0].time, 7);
    assert_int_equal(spv_peer_push_addr(k.p, sent, list, 2, k.now), 0);
    struct spv_msg unasked = {.command = SPV_CMD_ADDRV2, .u.addr = {&list[2], 1}};
    assert_int_equal(spv_peer_send(k.p, &unasked, k.now), SPV_ERR_UNSUPPORTED);
    peer_fixture_expect_silence(&k);
    peer_fixture_close(&k);
}

static void other_networks_are_sent_to_a_peer_that_sent_sendaddrv2(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg out;
    size_t sent[SPV_MAX_ADDR];
    struct spv_addr_entry list[8] = {
        {.addr = {.network = SPV_ADDR_TORV3, .len = 32, .bytes = {1}}},
        {.addr = {.network = SPV_ADDR_I2P, .len = 32, .bytes = {2}}},
        {.addr = {.network = SPV_ADDR_CJDNS, .len = 16, .bytes = {0xfc}}},
        {.addr = {.network = SPV_ADDR_YGGDRASIL, .len = 16, .bytes = {2}}},
        {.addr = {.network = SPV_ADDR_IPV4, .len = 4, .bytes = {8, 8, 8, 8}}},
        {.addr = {.network = SPV_ADDR_TORV3, .len = 31, .bytes = {1}}}, /* malformed */
        {.addr = {.network = SPV_ADDR_IPV6, .len = 16, .bytes = {[10] = 0xff, 0xff, 1}}}, /* IPv4 */
        {.addr = {.network = 77}}, /* unknown: never relayed */
    };
    peer_fixture_init(&k);
    peer_fixture_open(&k, SPV_INBOUND);
    assert_int_equal(peer_fixture_send_version(&k, 70016), 0);
    assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_SENDADDRV2), 0);
    assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_VERACK), 0);
    peer_fixture_expect(&k, SPV_CMD_VERSION);
    peer_fixture_expect(&k, SPV_CMD_SENDADDRV2);
    peer_fixture_expect(&k, SPV_CMD_VERACK);
    assert_int_equal(spv_peer_push_addr(k.p, sent, list, 8, k.now), 5);
    assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_ADDRV2);
    assert_int_equal(out.u.addr.n, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_true(sent[i] < 5);
        assert_int_equal(out.u.addr.entries[i].addr.network, list[sent[i]].addr.network);
    }
    peer_fixture_close(&k);
}

static void bloom_filters_are_sent_to_a_peer_with_node_bloom(void **state)
{
    (void)state;
    for (int offered = 0; offered < 2; offered++) {
        struct peer_fixture k;
        struct spv_msg out;
        const uint8_t bits[3] = {1, 2, 3};
        struct spv_msg_filterload load = {bits, 3, 11, 99, SPV_BLOOM_UPDATE_ALL};
        int rc = offered ? 0 : SPV_ERR_UNSUPPORTED;
        peer_fixture_init(&k);
        k.services = offered ? SPV_NODE_BLOOM : SPV_NODE_NETWORK;
        peer_fixture_open(&k, SPV_OUTBOUND);
        peer_fixture_handshake(&k, 70016);
        assert_int_equal(spv_peer_push_filterload(k.p, &load, k.now), rc);
        assert_int_equal(spv_peer_push_filteradd(k.p, bits, 2, k.now), rc);
        assert_int_equal(spv_peer_push_filterclear(k.p, k.now), rc);
        if (offered) {
            assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_FILTERLOAD);
            assert_int_equal(out.u.filterload.n, 3);
            assert_int_equal(out.u.filterload.functions, 11);
            assert_int_equal(out.u.filterload.tweak, 99);
            assert_int_equal(out.u.filterload.update, SPV_BLOOM_UPDATE_ALL);
            assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_FILTERADD);
            assert_int_equal(out.u.filteradd.n, 2);
            peer_fixture_expect(&k, SPV_CMD_FILTERCLEAR);
            load.functions = 51;
            assert_int_equal(spv_peer_push_filterload(k.p, &load, k.now), SPV_ERR_TOO_LONG);
        }
        peer_fixture_expect_silence(&k);
        peer_fixture_close(&k);
    }
}

static void addresses_are_refused_before_the_handshake(void **state)
{
    (void)state;
    struct peer_fixture k;
    build_entries();
    peer_fixture_init(&k);
    peer_fixture_open(&k, SPV_OUTBOUND);
    assert_int_equal(spv_peer_push_addr(k.p, NULL, entries, 3, k.now), SPV_ERR_STATE);
    peer_fixture_close(&k);
}

/* Pushes a getblocks or getheaders from hash `first` (0: empty locator) to hash `stop` (0: none).
 */
static int ask(struct peer_fixture *k, bool blocks, uint64_t first, uint64_t stop)
{
    struct spv_blockhash locator[2] = {peer_fixture_hash(first), peer_fixture_hash(1)},
                         end = peer_fixture_hash(stop);
    const struct spv_blockhash *to = stop != 0 ? &end : NULL;
    size_t n = first != 0 ? 2 : 0;
    return blocks ? spv_peer_push_getblocks(k->p, locator, n, to, k->now)
                  : spv_peer_push_getheaders(k->p, locator, n, to, k->now);
}

static void an_equal_request_in_flight_is_not_repeated(void **state)
{
    (void)state;
    for (int blocks = 0; blocks < 2; blocks++) {
        struct peer_fixture k;
        struct spv_msg out;
        quiet(&k, 70016);
        assert_int_equal(ask(&k, blocks, 5, 0), 1);
        assert_int_equal(peer_fixture_recv(&k, &out),
                         blocks ? SPV_CMD_GETBLOCKS : SPV_CMD_GETHEADERS);
        assert_int_equal(out.u.getheaders.n, 2);
        assert_int_equal(out.u.getheaders.version, SPV_PROTOCOL_VERSION);
        assert_int_equal(ask(&k, blocks, 5, 0), 0);
        peer_fixture_expect_silence(&k);
        assert_int_equal(ask(&k, blocks, 5, 8), 1); /* another stop */
        assert_int_equal(ask(&k, blocks, 5, 8), 0);
        assert_int_equal(ask(&k, blocks, 6, 8), 1); /* another first hash */
        assert_int_equal(ask(&k, blocks, 0, 8), 1);
        assert_int_equal(ask(&k, blocks, 0, 8), 0);
        peer_fixture_close(&k);
    }
}

static void an_answered_getheaders_may_be_repeated(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_header header = peer_fixture_header(5);
    struct spv_msg answer = {.command = SPV_CMD_HEADERS, .u.headers = {.headers = &header, .n = 1}};
    quiet(&k, 70016);
    assert_int_equal(ask(&k, false, 5, 0), 1);
    assert_int_equal(peer_fixture_send(&k, &answer), 0);
    assert_int_equal(ask(&k, false, 5, 0), 1);
    peer_fixture_close(&k);
}

static void getblocks_may_be_repeated_after_blocks_or_a_timeout(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_inv items[2] = {{SPV_INV_TX, {{1}}}, {SPV_INV_BLOCK, {{2}}}};
    struct spv_msg inv = {.command = SPV_CMD_INV, .u.inv = {items, 1}};
    quiet(&k, 70016);
    assert_int_equal(ask(&k, true, 5, 0), 1);
    peer_fixture_expect(&k, SPV_CMD_GETBLOCKS);
    assert_int_equal(peer_fixture_send(&k, &inv), 0);
    assert_int_equal(ask(&k, true, 5, 0), 0); /* an inv of transactions is no answer */
    inv.u.inv.n = 2;
    assert_int_equal(peer_fixture_send(&k, &inv), 0);
    assert_int_equal(ask(&k, true, 5, 0), 1);
    peer_fixture_expect(&k, SPV_CMD_GETBLOCKS);
    assert_int_equal(peer_fixture_wait_us(&k, 90 * SPV_SECOND - 1), 0);
    assert_int_equal(ask(&k, true, 5, 0), 0);
    assert_int_equal(peer_fixture_wait_us(&k, 1), 0);
    assert_int_equal(ask(&k, true, 5, 0), 1);
    peer_fixture_close(&k);
}

static void a_reject_has_command_code_reason_and_hash(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg out;
    struct spv_hash256 hash = {{1, 2, 3}};
    char longer[200];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[199] = '\0';
    quiet(&k, 70015);
    assert_int_equal(spv_peer_push_reject(k.p, "tx", SPV_REJECT_DUST, "dust", &hash, k.now), 0);
    assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_REJECT);
    assert_string_equal(out.u.reject.command, "tx");
    assert_int_equal(out.u.reject.code, 0x41);
    assert_string_equal(out.u.reject.reason, "dust");
    assert_true(out.u.reject.has_hash);
    assert_memory_equal(out.u.reject.hash.b, hash.b, 32);
    assert_int_equal(spv_peer_push_reject(k.p, "version", SPV_REJECT_OBSOLETE, longer, NULL, k.now),
                     0);
    assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_REJECT);
    assert_int_equal(strlen(out.u.reject.reason), SPV_MAX_REJECT_REASON);
    assert_false(out.u.reject.has_hash);
    assert_int_equal(spv_peer_push_reject(k.p, "", 1, "", NULL, k.now), SPV_ERR_INVALID);
    assert_int_equal(spv_peer_push_reject(k.p, "longer than 12", 1, "", NULL, k.now),
                     SPV_ERR_INVALID);
    peer_fixture_close(&k);
    quiet(&k, 70016);
    assert_int_equal(spv_peer_push_reject(k.p, "tx", 1, "", NULL, k.now), SPV_ERR_UNSUPPORTED);
    peer_fixture_close(&k);
}

static void a_failed_peer_pushes_nothing(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_inv inv = {SPV_INV_TX, {{1}}};
    struct spv_header header = peer_fixture_header(1);
    build_entries();
    quiet(&k, 70016);
    assert_int_equal(ask(&k, false, 5, 0), 1);
    assert_int_equal(ask(&k, true, 5, 0), 1);
    spv_peer_close(k.p, SPV_ERR_CLOSED);
    assert_int_equal(ask(&k, false, 5, 0), SPV_ERR_CLOSED);
    assert_int_equal(ask(&k, true, 5, 0), SPV_ERR_CLOSED);
    assert_int_equal(spv_peer_push_addr(k.p, NULL, entries, 3, k.now), SPV_ERR_CLOSED);
    assert_int_equal(spv_peer_push_inventory(k.p, &inv, 0, k.now), SPV_ERR_CLOSED);
    assert_int_equal(spv_peer_announce(k.p, &header, 1, k.now), SPV_ERR_CLOSED);
    assert_int_equal(spv_peer_push_reject(k.p, "tx", 1, "", NULL, k.now), SPV_ERR_CLOSED);
    peer_fixture_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_most_a_thousand_addresses_are_sent_and_their_indexes_returned),
        cmocka_unit_test(every_address_and_every_position_is_equally_likely),
        cmocka_unit_test(addresses_that_addr_cannot_encode_are_left_out),
        cmocka_unit_test(other_networks_are_sent_to_a_peer_that_sent_sendaddrv2),
        cmocka_unit_test(bloom_filters_are_sent_to_a_peer_with_node_bloom),
        cmocka_unit_test(addresses_are_refused_before_the_handshake),
        cmocka_unit_test(an_equal_request_in_flight_is_not_repeated),
        cmocka_unit_test(an_answered_getheaders_may_be_repeated),
        cmocka_unit_test(getblocks_may_be_repeated_after_blocks_or_a_timeout),
        cmocka_unit_test(a_reject_has_command_code_reason_and_hash),
        cmocka_unit_test(a_failed_peer_pushes_nothing),
    };
    return cmocka_run_group_tests_name("peer: push", tests, NULL, NULL);
}
