/* addrv2 (BIP155): networks, ignored addresses, invalid messages. */
#include "support/golden.h"

#define ONION "79bcc625184b05194975c28b66b66b0469f7f6556fb1ac3189a79b40dda32f1f"
#define I2P "a2894dabaec08c0051a481a6dac88b64f98232ae42d4b6fd2fa81952dfe36a87"
#define CJDNS "fc000001000200030004000500060007"
#define YGGDRASIL "0201000000000000000000000000abcd"
#define LOOPBACK "00000000000000000000000000000001"
#define TIME "61bc6649"
#define PORT "208d"

/* Three entries as Bitcoin Core's own tests write them: services 0, 1 and 0x448. */
#define CORE                                                                                       \
    "03" TIME "00"                                                                                 \
    "02"                                                                                           \
    "10" LOOPBACK "0000"                                                                           \
    "79627683"                                                                                     \
    "01"                                                                                           \
    "02"                                                                                           \
    "10" LOOPBACK "00f1"                                                                           \
    "ffffffff"                                                                                     \
    "fd4804"                                                                                       \
    "02"                                                                                           \
    "10" LOOPBACK "f1f2"

static void check_core(const struct spv_msg *m)
{
    static const struct {
        uint32_t time;
        uint64_t services;
        uint16_t port;
    } expected[] = {
        {0x4966bc61, 0, 0}, {0x83766279, SPV_NODE_NETWORK, 0x00f1}, {0xffffffff, 0x448, 0xf1f2}};

    assert_int_equal(m->u.addr.n, COUNT(expected));
    for (size_t i = 0; i < COUNT(expected); i++) {
        const struct spv_addr_entry *e = &m->u.addr.entries[i];
        assert_int_equal(e->time, expected[i].time);
        assert_true(e->services == expected[i].services);
        assert_int_equal(e->addr.network, SPV_ADDR_IPV6);
        assert_int_equal(e->addr.len, 16);
        assert_int_equal(e->addr.bytes[15], 1);
        assert_int_equal(e->addr.port, expected[i].port);
    }
}

static void check_networks(const struct spv_msg *m)
{
    static const struct {
        uint8_t network, len, first, last;
    } expected[] = {{SPV_ADDR_IPV4, 4, 1, 4},
                    {SPV_ADDR_TORV3, 32, 0x79, 0x1f},
                    {SPV_ADDR_I2P, 32, 0xa2, 0x87},
                    {SPV_ADDR_CJDNS, 16, 0xfc, 7},
                    {SPV_ADDR_YGGDRASIL, 16, 2, 0xcd}};

    assert_int_equal(m->u.addr.n, COUNT(expected));
    for (size_t i = 0; i < COUNT(expected); i++) {
        const struct spv_netaddr *a = &m->u.addr.entries[i].addr;
        assert_int_equal(a->network, expected[i].network);
        assert_int_equal(a->len, expected[i].len);
        assert_int_equal(a->bytes[0], expected[i].first);
        assert_int_equal(a->bytes[a->len - 1], expected[i].last);
        assert_int_equal(a->port, 8333);
        assert_true(m->u.addr.entries[i].services == UINT64_MAX); /* any 64-bit value */
    }
}

static void check_none(const struct spv_msg *m)
{
    assert_int_equal(m->u.addr.n, 0);
}

#define ENTRY(rest) TIME "ffffffffffffffffff" rest PORT
static const struct golden golden[] = {
    {SPV_CMD_ADDRV2, 70016, CORE, check_core},
    {SPV_CMD_ADDRV2, 70016,
     "05" ENTRY("01"
                "04"
                "01020304") ENTRY("04"
                                  "20" ONION) ENTRY("05"
                                                    "20" I2P) ENTRY("06"
                                                                    "10" CJDNS)
         ENTRY("07"
               "10" YGGDRASIL),
     check_networks},
    {SPV_CMD_ADDRV2, 70016, "00", check_none},
};

static struct golden_list golden_list = {golden, COUNT(golden)};

static void wrong_length_for_a_known_network_makes_the_message_invalid(void **state)
{
    static const struct {
        uint8_t network, len;
    } known[] = {{1, 4}, {2, 16}, {4, 32}, {5, 32}, {6, 16}, {7, 16}};
    struct spv_arena arena = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(known); i++)
        for (uint8_t len = 0; len < 40; len++) {
            uint8_t body[64] = {1, 0, 0, 0, 0, 0, known[i].network, len};
            struct spv_msg msg = {.command = SPV_CMD_ADDRV2};

            memset(body + 8, 0x20, len);
            assert_int_equal(spv_msg_decode(&msg, body, 8u + len + 2, 70016, &arena),
                             len == known[i].len ? 0 : SPV_ERR_MALFORMED);
        }
    spv_arena_free(&arena);
}

static void ignored_addresses_have_no_bytes_and_are_not_relayed(void **state)
{
    static const struct {
        const char *address;
        uint8_t network;
    } cases[] = {
        {"02"
         "10"
         "00000000000000000000ffff01020304",
         0}, /* IPv4 inside IPv6 */
        {"02"
         "10"
         "fd87d87eeb430102030405060708090a",
         0}, /* OnionCat: Tor v2 inside IPv6 */
        {"02"
         "10"
         "00000000000000000000000000000000",
         0},
        {"03"
         "0a"
         "f1f2f3f4f5f6f7f8f9fa",
         3}, /* Tor v2 */
        {"08"
         "04"
         "01020304",
         8}, /* unassigned networks */
        {"00"
         "00",
         0},
        {"ff"
         "10" LOOPBACK,
         255},
        {"aa"
         "21" ONION "00",
         0xaa},
    };
    struct spv_arena arena = {0};
    struct spv_buffer b;

    (void)state;
    spv_buffer_init(&b);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char hex[GOLDEN_MAX] = "02" TIME "09";
        struct spv_msg msg;

        strcat(hex, cases[i].address);
        strcat(hex, PORT TIME "01"
                              "01"
                              "04"
                              "7f000001" PORT); /* and a valid one */
        assert_int_equal(decode_hex(&msg, SPV_CMD_ADDRV2, hex, &arena), 0);
        const struct spv_addr_entry *e = msg.u.addr.entries;
        assert_int_equal(e[0].addr.network, cases[i].network);
        assert_int_equal(e[0].addr.len, 0);
        assert_int_equal(e[0].addr.port, 8333);
        assert_int_equal(e[1].addr.network, SPV_ADDR_IPV4);
        assert_int_equal(e[1].addr.len, 4);
        assert_int_equal(spv_msg_encode(&b, &msg, 70016), SPV_ERR_INVALID);
        assert_int_equal(b.len, 0);
        msg.u.addr = (struct spv_msg_addr){&e[1], 1};
        assert_int_equal(spv_msg_encode(&b, &msg, 70016), 0);
        b.len = 0;
    }
    spv_buffer_free(&b);
    spv_arena_free(&arena);
}

static void sends_only_complete_addresses_of_known_networks(void **state)
{
    static const struct spv_netaddr addrs[] = {
        {.network = SPV_ADDR_IPV4, .len = 16},
        {.network = SPV_ADDR_TORV3, .len = 16},
        {.network = SPV_ADDR_IPV6, .len = 16, .bytes = {[10] = 0xff, [11] = 0xff, [15] = 1}},
        {.network = 3, .len = 10},
        {.network = 99, .len = 4},
        {.network = 0, .len = 0},
    };
    struct spv_buffer b;

    (void)state;
    spv_buffer_init(&b);
    for (size_t i = 0; i < COUNT(addrs); i++) {
        struct spv_addr_entry entry = {.addr = addrs[i]};
        struct spv_msg msg = {.command = SPV_CMD_ADDRV2, .u.addr = {&entry, 1}};
        assert_int_equal(spv_msg_encode(&b, &msg, 70016), SPV_ERR_INVALID);
    }
    assert_int_equal(b.len, 0);
    spv_buffer_free(&b);
}

/* n entries of an unknown network with addresses of `len` bytes. */
static void build(struct spv_buffer *b, uint64_t claimed, size_t n, size_t len)
{
    b->len = 0;
    spv_buffer_compact(b, claimed);
    for (size_t i = 0; i < n; i++) {
        spv_buffer_u32(b, 0);
        spv_buffer_compact(b, UINT64_MAX);
        spv_buffer_u8(b, 200);
        spv_buffer_compact(b, len);
        if (len > 0)
            memset(spv_buffer_extend(b, len), 0x5a, len);
        spv_buffer_u16be(b, 1);
    }
}

static void accepts_a_thousand_entries_of_512_bytes_and_no_more(void **state)
{
    struct spv_arena arena = {0};
    struct spv_msg msg = {.command = SPV_CMD_ADDRV2};
    struct spv_buffer b;

    (void)state;
    spv_buffer_init(&b);
    build(&b, SPV_MAX_ADDR, SPV_MAX_ADDR, 512);
    assert_int_equal(b.len, spv_command_max_payload(SPV_CMD_ADDRV2)); /* the cap is exact */
    assert_int_equal(spv_msg_decode(&msg, b.data, b.len, 70016, &arena), 0);
    assert_int_equal(msg.u.addr.n, SPV_MAX_ADDR);
    build(&b, SPV_MAX_ADDR + 1, SPV_MAX_ADDR + 1, 0);
    assert_int_equal(spv_msg_decode(&msg, b.data, b.len, 70016, &arena), SPV_ERR_COUNT);
    build(&b, 1, 1, 513);
    assert_int_equal(spv_msg_decode(&msg, b.data, b.len, 70016, &arena), SPV_ERR_COUNT);
    spv_arena_free(&arena);

    build(&b, UINT64_MAX, 1, 4); /* nothing is allocated for an impossible count */
    assert_int_equal(spv_msg_decode(&msg, b.data, b.len, 70016, &arena), SPV_ERR_COUNT);
    assert_true(arena.cap < 128);
    build(&b, SPV_MAX_ADDR, 1, 4);
    assert_int_equal(spv_msg_decode(&msg, b.data, b.len, 70016, &arena), SPV_ERR_SHORT);
    assert_true(arena.cap < 128);
    spv_arena_free(&arena);
    spv_buffer_free(&b);
}

static void compact_sizes_are_canonical(void **state)
{
    static const char *const cases[] = {
        "fd0100" TIME "01"
        "01"
        "04"
        "01020304" PORT, /* count */
        "01" TIME "fd0100"
        "01"
        "04"
        "01020304" PORT, /* services */
        "01" TIME "01"
        "01"
        "fd0400"
        "01020304" PORT, /* length */
    };
    struct spv_arena arena = {0};
    struct spv_msg msg;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(decode_hex(&msg, SPV_CMD_ADDRV2, cases[i], &arena), SPV_ERR_COMPACT_SIZE);
    spv_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GOLDEN_TESTS(&golden_list),
        cmocka_unit_test(wrong_length_for_a_known_network_makes_the_message_invalid),
        cmocka_unit_test(ignored_addresses_have_no_bytes_and_are_not_relayed),
        cmocka_unit_test(sends_only_complete_addresses_of_known_networks),
        cmocka_unit_test(accepts_a_thousand_entries_of_512_bytes_and_no_more),
        cmocka_unit_test(compact_sizes_are_canonical),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
