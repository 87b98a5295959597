/* The codecs of handshake, addresses, inventory, headers and keep-alive on golden bodies. */
#include "support/golden.h"

#define GENESIS                                                                                    \
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac7" \
    "2c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c"
#define MAPPED "00000000000000000000ffff"

#define BODY_MAX 256

static void check_addr(const struct spv_msg *m)
{
    const struct spv_addr_entry *e = m->u.addr.entries;

    assert_int_equal(m->u.addr.n, 2);
    assert_int_equal(e[0].time, 1700000000);
    assert_true(e[0].services == 1033);
    assert_int_equal(e[0].addr.network, SPV_ADDR_IPV4);
    assert_int_equal(e[0].addr.len, 4);
    assert_memory_equal(e[0].addr.bytes, "\x7f\x00\x00\x01", 4);
    assert_int_equal(e[0].addr.port, 8333);
    assert_int_equal(e[1].addr.network, SPV_ADDR_IPV6);
    assert_int_equal(e[1].addr.len, 16);
    assert_int_equal(e[1].addr.bytes[15], 1);
    assert_int_equal(e[1].addr.port, 18444);
}

static void check_inv(const struct spv_msg *m)
{
    assert_int_equal(m->u.inv.n, 2);
    assert_int_equal(m->u.inv.items[0].type, SPV_INV_BLOCK);
    assert_int_equal(m->u.inv.items[0].hash.b[31], 0x11);
    assert_int_equal(m->u.inv.items[1].type, SPV_INV_WITNESS | SPV_INV_TX);
    assert_int_equal(m->u.inv.items[1].hash.b[0], 0x22);
}

static void check_getheaders(const struct spv_msg *m)
{
    assert_int_equal(m->u.getheaders.version, 70016);
    assert_int_equal(m->u.getheaders.n, 2);
    assert_int_equal(m->u.getheaders.locator[0].b[0], 0x11);
    assert_int_equal(m->u.getheaders.locator[1].b[31], 0x22);
    assert_true(spv_blockhash_is_zero(&m->u.getheaders.stop));
}

static void check_headers(const struct spv_msg *m)
{
    struct spv_blockhash hash;
    char text[SPV_HASH_HEX];

    assert_int_equal(m->u.headers.n, 2);
    for (size_t i = 0; i < 2; i++) {
        spv_header_hash(&hash, &m->u.headers.headers[i]);
        spv_blockhash_hex(text, &hash);
        assert_string_equal(text,
                            "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f");
    }
}

static void check_none(const struct spv_msg *m)
{
    assert_true(m->u.headers.n == 0);
}

static void check_ping(const struct spv_msg *m)
{
    assert_true(m->u.ping.has_nonce);
    assert_true(m->u.ping.nonce == UINT64_C(0x0807060504030201));
}

static void check_old_ping(const struct spv_msg *m)
{
    assert_false(m->u.ping.has_nonce);
}

static void check_reject(const struct spv_msg *m)
{
    assert_string_equal(m->u.reject.command, "version");
    assert_int_equal(m->u.reject.code, 0x11);
    assert_string_equal(m->u.reject.reason, "obsolete");
    assert_false(m->u.reject.has_hash);
}

static void check_nothing(const struct spv_msg *m)
{
    (void)m;
}

static const struct golden golden[] = {
    {SPV_CMD_VERACK, 0, "", check_nothing},
    {SPV_CMD_GETADDR, 70016, "", check_nothing},
    {SPV_CMD_SENDHEADERS, 70012, "", check_nothing},
    {SPV_CMD_SENDADDRV2, 70016, "", check_nothing},
    {SPV_CMD_WTXIDRELAY, 70016, "", check_nothing},
    {SPV_CMD_MEMPOOL, 60002, "", check_nothing},
    {SPV_CMD_FILTERCLEAR, 70001, "", check_nothing},
    {SPV_CMD_ADDR, 31800,
     "02"
     "00f15365"
     "0904000000000000" MAPPED "7f000001"
     "208d"
     "00f15365"
     "0100000000000000"
     "20010db8000000000000000000000001"
     "480c",
     check_addr},
    {SPV_CMD_ADDR, 70016, "00", check_none},
    {SPV_CMD_INV, 31800,
     "02"
     "02000000" HASH_1 "01000040" HASH_2,
     check_inv},
    {SPV_CMD_GETDATA, 70016,
     "02"
     "02000000" HASH_1 "01000040" HASH_2,
     check_inv},
    {SPV_CMD_NOTFOUND, 70001,
     "02"
     "02000000" HASH_1 "01000040" HASH_2,
     check_inv},
    {SPV_CMD_GETHEADERS, 31800,
     "80110100"
     "02" HASH_1 HASH_2 HASH_0,
     check_getheaders},
    {SPV_CMD_GETBLOCKS, 70016,
     "80110100"
     "02" HASH_1 HASH_2 HASH_0,
     check_getheaders},
    {SPV_CMD_HEADERS, 31800, "02" GENESIS "00" GENESIS "00", check_headers},
    {SPV_CMD_HEADERS, 70016, "00", check_none},
    {SPV_CMD_PING, 60001, "0102030405060708", check_ping},
    {SPV_CMD_PING, 70016, "0102030405060708", check_ping},
    {SPV_CMD_PING, 60000, "", check_old_ping},
    {SPV_CMD_PONG, 60001, "0102030405060708", check_ping},
    {SPV_CMD_REJECT, 70002,
     "07"
     "76657273696f6e"
     "11"
     "08"
     "6f62736f6c657465",
     check_reject},
};

static struct golden_list golden_list = {golden, COUNT(golden)};

static void unknown_bodies_are_returned_as_bytes(void **state)
{
    static const uint8_t body[] = {0xde, 0xad, 0xbe, 0xef};
    struct spv_arena arena = {0};
    struct spv_msg msg = {.command = SPV_CMD_UNKNOWN, .name = "kept"};

    (void)state;
    assert_int_equal(spv_msg_decode(&msg, body, sizeof body, 70016, &arena), 0);
    assert_int_equal(msg.u.raw.n, sizeof body);
    assert_ptr_equal(msg.u.raw.bytes, body); /* not copied */
    assert_string_equal(msg.name, "kept");
    assert_true(msg_encodes_to(&msg, 70016, body, sizeof body));
    spv_arena_free(&arena);
}

/* As by Bitcoin Core: it is read, not checked. */
static void transaction_count_behind_a_header_is_ignored(void **state)
{
    static const struct {
        const char *count;
        int rc;
    } cases[] = {{"00", 0},
                 {"01", 0},
                 {"fdfd00", 0},
                 {"ffffffffffffffffff", 0},
                 {"fd0000", SPV_ERR_COMPACT_SIZE},
                 {"fdfd", SPV_ERR_SHORT}};
    struct spv_arena arena = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t body[BODY_MAX] = {1};
        size_t n = 1 + unhex(body + 1, 80, GENESIS);
        struct spv_msg msg = {.command = SPV_CMD_HEADERS};

        n += unhex(body + n, 9, cases[i].count);
        assert_int_equal(spv_msg_decode(&msg, body, n, 70016, &arena), cases[i].rc);
    }
    spv_arena_free(&arena);
}

static void addresses_of_obsolete_networks_become_no_address(void **state)
{
    static const struct {
        const char *ip;
        uint8_t network, len;
    } cases[] = {
        {MAPPED "01020304", SPV_ADDR_IPV4, 4},
        {"20010db8000000000000000000000001", SPV_ADDR_IPV6, 16},
        {"fd87d87eeb4301020304050607080900", 0, 0}, /* OnionCat: Tor v2 */
        {"fd87d87eeb4401020304050607080900", SPV_ADDR_IPV6, 16},
        {"00000000000000000000000000000000", 0, 0},
        {"00000000000000000000000000000001", SPV_ADDR_IPV6, 16},
    };
    struct spv_arena arena = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t body[1 + 30] = {1};
        struct spv_msg msg = {.command = SPV_CMD_ADDR};

        unhex(body + 1 + 12, 16, cases[i].ip);
        assert_int_equal(spv_msg_decode(&msg, body, sizeof body, 70016, &arena), 0);
        assert_int_equal(msg.u.addr.entries[0].addr.network, cases[i].network);
        assert_int_equal(msg.u.addr.entries[0].addr.len, cases[i].len);
    }
    spv_arena_free(&arena);
}

static void addr_refuses_to_send_other_networks(void **state)
{
    static const struct spv_netaddr addrs[] = {
        {.network = SPV_ADDR_TORV3, .len = 32},
        {.network = SPV_ADDR_IPV4, .len = 16},
        {.network = SPV_ADDR_IPV6, .len = 4},
        {.network = 99, .len = 0},
    };
    struct spv_buffer b;

    (void)state;
    spv_buffer_init(&b);
    for (size_t i = 0; i < COUNT(addrs); i++) {
        struct spv_addr_entry entry = {.addr = addrs[i]};
        struct spv_msg msg = {.command = SPV_CMD_ADDR, .u.addr = {&entry, 1}};
        assert_int_equal(spv_msg_encode(&b, &msg, 70016), SPV_ERR_INVALID);
    }
    assert_int_equal(b.len, 0);
    spv_buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GOLDEN_TESTS(&golden_list),
        cmocka_unit_test(unknown_bodies_are_returned_as_bytes),
        cmocka_unit_test(transaction_count_behind_a_header_is_ignored),
        cmocka_unit_test(addresses_of_obsolete_networks_become_no_address),
        cmocka_unit_test(addr_refuses_to_send_other_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
