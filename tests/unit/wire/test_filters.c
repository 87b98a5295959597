/* Bloom filters and merkle blocks (BIP37), compact filters (BIP157), feefilter (BIP133) and
 * sendcmpct (BIP152). */
#include "support/golden.h"

/* Mainnet block 100014 for one of its transactions, the developer reference's example. */
#define MERKLE_HEADER                                                                              \
    "0100000082bb869cf3a793432a66e826e05a6fc37469f8efb7421dc880670100000000007f16c5962e8bd963659c" \
    "793ce370d95f093bc7e367117b3c30c1f8fdd0d9728776381b4d4c86041b554b8529"
#define MERKLE_HASHES                                                                              \
    "3612262624047ee87660be1a707519a443b1c1ce3d248cbfc6c15870f6c5daa2019f5b01d4195ecbc9398fbf3c3b" \
    "1fa9bb3183301d7a1fb3bd174fcfa40a2b6541ed70551dd7e841883ab8f0b16bf04176b7d1480e4f0af9f3d4c359" \
    "5768d06820d2a7bc994987302e5b1ac80fc425fe25f8b63169ea78e68fbaaefa59379bbf"
#define MERKLE_BLOCK                                                                               \
    MERKLE_HEADER "07000000"                                                                       \
                  "04" MERKLE_HASHES "01"                                                          \
                  "1d"

/* Testnet 3's first block: its hash, and the basic filter and filter header that BIP158 gives. */
#define TESTNET "43497fd7f826957108f4a30fd9cec3aeba79972084e90ead01ea330900000000"
#define TESTNET_FILTER "019dfca8"
#define TESTNET_HEADER "50b781aed7b7129012a6d20e2d040027937f3affaee573779908ebb779455821"

static void check_merkleblock(const struct spv_msg *m)
{
    const struct spv_msg_merkleblock *b = &m->u.merkleblock;
    struct spv_blockhash hash;
    char text[SPV_HASH_HEX];

    spv_header_hash(&hash, &b->header);
    spv_blockhash_hex(text, &hash);
    assert_string_equal(text, "000000000000b731f2eef9e8c63173adfb07e41bd53eb0ef0a6b720d6cb6dea4");
    assert_int_equal(b->total, 7);
    assert_int_equal(b->n_hashes, 4);
    spv_hash256_hex(text, &b->hashes[1]); /* the one that matched */
    assert_string_equal(text, "652b0aa4cf4f17bdb31f7a1d308331bba91f3b3cbf8f39c9cb5e19d4015b9f01");
    assert_int_equal(b->n_flags, 1);
    assert_int_equal(b->flags[0], 0x1d);
}

static void check_filterload(const struct spv_msg *m)
{
    assert_int_equal(m->u.filterload.n, 2);
    assert_memory_equal(m->u.filterload.filter, "\xb5\x0f", 2);
    assert_int_equal(m->u.filterload.functions, 11);
    assert_int_equal(m->u.filterload.tweak, 0x80000001);
    assert_int_equal(m->u.filterload.update, SPV_BLOOM_UPDATE_P2PUBKEY_ONLY);
}

static void check_empty_filter(const struct spv_msg *m)
{
    assert_int_equal(m->u.filterload.n, 0);
    assert_int_equal(m->u.filterload.functions, 50);
    assert_int_equal(m->u.filterload.update, SPV_BLOOM_UPDATE_NONE);
}

static void check_filteradd(const struct spv_msg *m)
{
    assert_int_equal(m->u.filteradd.n, 32);
    assert_int_equal(m->u.filteradd.element[0], 0xfd);
    assert_int_equal(m->u.filteradd.element[31], 0x5b);
}

static void check_feefilter(const struct spv_msg *m)
{
    assert_true(m->u.feefilter.rate == 48508);
}

static void check_large_fee(const struct spv_msg *m)
{
    assert_true(m->u.feefilter.rate == UINT64_MAX);
}

static void check_sendcmpct(const struct spv_msg *m)
{
    assert_true(m->u.sendcmpct.announce);
    assert_true(m->u.sendcmpct.version == 2);
}

static void check_sendcmpct_low(const struct spv_msg *m)
{
    assert_false(m->u.sendcmpct.announce);
    assert_true(m->u.sendcmpct.version == 1);
}

static void check_getcfilters(const struct spv_msg *m)
{
    assert_int_equal(m->u.getcfilters.type, SPV_FILTER_BASIC);
    assert_int_equal(m->u.getcfilters.start, 900000);
    assert_int_equal(m->u.getcfilters.stop.b[31], 0x11);
}

static void check_cfilter(const struct spv_msg *m)
{
    assert_int_equal(m->u.cfilter.type, SPV_FILTER_BASIC);
    assert_int_equal(m->u.cfilter.block.b[0], 0x43);
    assert_int_equal(m->u.cfilter.n, 4);
    assert_memory_equal(m->u.cfilter.filter, "\x01\x9d\xfc\xa8", 4);
}

static void check_cfheaders(const struct spv_msg *m)
{
    assert_int_equal(m->u.cfheaders.type, 7); /* unknown types are passed through */
    assert_int_equal(m->u.cfheaders.stop.b[31], 0x11);
    assert_int_equal(m->u.cfheaders.prev.b[0], 0x50);
    assert_int_equal(m->u.cfheaders.n, 2);
    assert_int_equal(m->u.cfheaders.hashes[0].b[0], 0);
    assert_int_equal(m->u.cfheaders.hashes[1].b[31], 0x22);
}

static void check_getcfcheckpt(const struct spv_msg *m)
{
    assert_int_equal(m->u.getcfcheckpt.type, 0);
    assert_int_equal(m->u.getcfcheckpt.stop.b[0], 0x22);
}

static void check_cfcheckpt(const struct spv_msg *m)
{
    assert_int_equal(m->u.cfcheckpt.type, 0);
    assert_int_equal(m->u.cfcheckpt.stop.b[0], 0x22);
    assert_int_equal(m->u.cfcheckpt.n, 1);
    assert_int_equal(m->u.cfcheckpt.headers[0].b[31], 0x21);
}

static const struct golden golden[] = {
    {SPV_CMD_MERKLEBLOCK, 70001, MERKLE_BLOCK, check_merkleblock},
    {SPV_CMD_MERKLEBLOCK, 70016, MERKLE_BLOCK, check_merkleblock},
    {SPV_CMD_FILTERLOAD, 70001,
     "02"
     "b50f"
     "0b000000"
     "01000080"
     "02",
     check_filterload},
    {SPV_CMD_FILTERLOAD, 70016,
     "00"
     "32000000"
     "00000000"
     "00",
     check_empty_filter},
    {SPV_CMD_FILTERADD, 70001,
     "20"
     "fdacf9b3eb077412e7a968d2e4f11b9a9dee312d666187ed77ee7d26af16cb5b",
     check_filteradd},
    {SPV_CMD_FEEFILTER, 70013, "7cbd000000000000", check_feefilter},
    {SPV_CMD_FEEFILTER, 70016, "ffffffffffffffff", check_large_fee},
    {SPV_CMD_SENDCMPCT, 70014,
     "01"
     "0200000000000000",
     check_sendcmpct},
    {SPV_CMD_SENDCMPCT, 70016,
     "00"
     "0100000000000000",
     check_sendcmpct_low},
    {SPV_CMD_GETCFILTERS, 70016,
     "00"
     "a0bb0d00" HASH_1,
     check_getcfilters},
    {SPV_CMD_GETCFHEADERS, 31800,
     "00"
     "a0bb0d00" HASH_1,
     check_getcfilters},
    {SPV_CMD_CFILTER, 70016, "00" TESTNET "04" TESTNET_FILTER, check_cfilter},
    {SPV_CMD_CFHEADERS, 70016, "07" HASH_1 TESTNET_HEADER "02" HASH_0 HASH_2, check_cfheaders},
    {SPV_CMD_GETCFCHECKPT, 70016, "00" HASH_2, check_getcfcheckpt},
    {SPV_CMD_CFCHECKPT, 70016, "00" HASH_2 "01" TESTNET_HEADER, check_cfcheckpt},
};

static struct golden_list golden_list = {golden, COUNT(golden)};

static void limit_of_fixed_size_messages_is_their_size(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(golden); i++)
        switch ((int)golden[i].command) {
        case SPV_CMD_FEEFILTER:
        case SPV_CMD_SENDCMPCT:
        case SPV_CMD_GETCFILTERS:
        case SPV_CMD_GETCFHEADERS:
        case SPV_CMD_GETCFCHECKPT:
            assert_int_equal(spv_command_max_payload(golden[i].command),
                             strlen(golden[i].body) / 2);
        }
}

static void malformed_bodies_are_refused(void **state)
{
    static const struct {
        enum spv_command command;
        const char *body;
        int rc;
    } cases[] = {
        {SPV_CMD_FILTERLOAD,
         "01"
         "00"
         "32000000"
         "00000000"
         "01",
         0},
        {SPV_CMD_FILTERLOAD,
         "01"
         "00"
         "33000000"
         "00000000"
         "01",
         SPV_ERR_COUNT},
        {SPV_CMD_FILTERLOAD,
         "01"
         "00"
         "ffffffff"
         "00000000"
         "01",
         SPV_ERR_COUNT},
        {SPV_CMD_FILTERLOAD,
         "01"
         "00"
         "01000000"
         "00000000"
         "03",
         SPV_ERR_MALFORMED},
        {SPV_CMD_FILTERLOAD,
         "01"
         "00"
         "01000000"
         "00000000"
         "ff",
         SPV_ERR_MALFORMED},
        {SPV_CMD_SENDCMPCT,
         "02"
         "0100000000000000",
         SPV_ERR_MALFORMED},
        /* Merkle blocks: a transaction at least, a hash at least, no more hashes than transactions,
         * no more flags than nodes, no fewer than hashes. */
        {SPV_CMD_MERKLEBLOCK,
         MERKLE_HEADER "01000000"
                       "01" HASH_1 "01"
                       "00",
         0},
        {SPV_CMD_MERKLEBLOCK,
         MERKLE_HEADER "00000000"
                       "01" HASH_1 "01"
                       "00",
         SPV_ERR_MALFORMED},
        {SPV_CMD_MERKLEBLOCK,
         MERKLE_HEADER "00000000"
                       "00"
                       "00",
         SPV_ERR_MALFORMED},
        {SPV_CMD_MERKLEBLOCK,
         MERKLE_HEADER "01000000"
                       "00"
                       "01"
                       "00",
         SPV_ERR_MALFORMED},
        {SPV_CMD_MERKLEBLOCK,
         MERKLE_HEADER "01000000"
                       "02" HASH_1 HASH_2 "01"
                       "00",
         SPV_ERR_COUNT},
        {SPV_CMD_MERKLEBLOCK,
         MERKLE_HEADER "01000000"
                       "01" HASH_1 "00",
         SPV_ERR_MALFORMED},
        {SPV_CMD_MERKLEBLOCK,
         MERKLE_HEADER "01000000"
                       "01" HASH_1 "02"
                       "0000",
         SPV_ERR_COUNT},
        {SPV_CMD_MERKLEBLOCK,
         MERKLE_HEADER "04000000"
                       "01" HASH_1 "01"
                       "00",
         0}, /* 7 nodes */
        {SPV_CMD_MERKLEBLOCK,
         MERKLE_HEADER "04000000"
                       "01" HASH_1 "02"
                       "0000",
         SPV_ERR_COUNT},
        {SPV_CMD_MERKLEBLOCK,
         MERKLE_HEADER "05000000"
                       "01" HASH_1 "02"
                       "0000",
         0}, /* 11 */
        {SPV_CMD_MERKLEBLOCK,
         MERKLE_HEADER "05000000"
                       "01" HASH_1 "03"
                       "000000",
         SPV_ERR_COUNT},
        {SPV_CMD_MERKLEBLOCK,
         MERKLE_HEADER "1a410000"
                       "01" HASH_1 "01"
                       "00",
         0}, /* 16,666 */
        {SPV_CMD_MERKLEBLOCK,
         MERKLE_HEADER "1b410000"
                       "01" HASH_1 "01"
                       "00",
         SPV_ERR_COUNT},
        {SPV_CMD_MERKLEBLOCK,
         MERKLE_HEADER "ffffffff"
                       "01" HASH_1 "01"
                       "00",
         SPV_ERR_COUNT},
        {SPV_CMD_MERKLEBLOCK,
         MERKLE_HEADER "01000000"
                       "ffffffffffffffffff" HASH_1 "01"
                       "00",
         SPV_ERR_COUNT},
        {SPV_CMD_MERKLEBLOCK,
         MERKLE_HEADER "01000000"
                       "01" HASH_1 "ffffffffffffffffff"
                       "00",
         SPV_ERR_COUNT},
        {SPV_CMD_MERKLEBLOCK,
         MERKLE_HEADER "07000000"
                       "fd0100" HASH_1 "01"
                       "00",
         SPV_ERR_COMPACT_SIZE},
        {SPV_CMD_MERKLEBLOCK,
         MERKLE_HEADER "07000000"
                       "01" HASH_1 "fd0100"
                       "00",
         SPV_ERR_COMPACT_SIZE},
    };
    struct spv_arena arena = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spv_msg msg;
        assert_int_equal(decode_hex(&msg, cases[i].command, cases[i].body, &arena), cases[i].rc);
    }
    spv_arena_free(&arena);
}

static void merkleblock_of_the_largest_block_fills_its_limit(void **state)
{
    static struct spv_hash256 hashes[SPV_MAX_BLOCK_TXS];
    static uint8_t flags[4168];
    struct spv_msg msg = {.command = SPV_CMD_MERKLEBLOCK,
                          .u.merkleblock = {.total = SPV_MAX_BLOCK_TXS,
                                            .hashes = hashes,
                                            .n_hashes = COUNT(hashes),
                                            .flags = flags,
                                            .n_flags = sizeof flags}};
    struct spv_arena arena = {0};
    struct spv_buffer b;

    (void)state;
    spv_buffer_init(&b);
    assert_int_equal(spv_msg_encode(&b, &msg, 70016), 0);
    assert_int_equal(b.len, spv_command_max_payload(SPV_CMD_MERKLEBLOCK));
    assert_int_equal(spv_msg_decode(&msg, b.data, b.len, 70016, &arena), 0);
    assert_int_equal(msg.u.merkleblock.n_hashes, COUNT(hashes));
    assert_null(arena.mem); /* nothing is copied */
    spv_buffer_free(&b);
}

static void does_not_send_what_it_refuses_to_read(void **state)
{
    static const struct spv_hash256 hash;
    static const uint8_t flags[2];
    const struct spv_msg msgs[] = {
        {.command = SPV_CMD_MERKLEBLOCK},
        {.command = SPV_CMD_MERKLEBLOCK,
         .u.merkleblock = {.total = 1, .hashes = &hash, .n_hashes = 1}},
        {.command = SPV_CMD_FILTERLOAD, .u.filterload = {flags, 2, 1, 0, 3}},
    };
    struct spv_buffer b;

    (void)state;
    spv_buffer_init(&b);
    for (size_t i = 0; i < COUNT(msgs); i++)
        assert_int_equal(spv_msg_encode(&b, &msgs[i], 70016), SPV_ERR_INVALID);
    assert_int_equal(b.len, 0);
    spv_buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GOLDEN_TESTS(&golden_list),
        cmocka_unit_test(limit_of_fixed_size_messages_is_their_size),
        cmocka_unit_test(malformed_bodies_are_refused),
        cmocka_unit_test(merkleblock_of_the_largest_block_fills_its_limit),
        cmocka_unit_test(does_not_send_what_it_refuses_to_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
