/* Limits: n is accepted and n + 1 refused, when reading and writing, and no claimed count allocates
 * more than its bytes need. */
#include "support/msg_bytes.h"
#include "support/unit.h"

#include "spv/error.h"
#include "wire/codec.h"
#include "wire/frame.h"

/* The lists: command, bytes before the count, bytes an entry, bytes after, entries at most. */
static const struct list {
    enum spv_command command;
    size_t before, each, after, max;
} lists[] = {
    {SPV_CMD_ADDR, 0, 30, 0, SPV_MAX_ADDR},
    {SPV_CMD_INV, 0, 36, 0, SPV_MAX_INV},
    {SPV_CMD_GETDATA, 0, 36, 0, SPV_MAX_INV},
    {SPV_CMD_NOTFOUND, 0, 36, 0, SPV_MAX_INV},
    {SPV_CMD_GETBLOCKS, 4, 32, 32, SPV_MAX_LOCATOR},
    {SPV_CMD_GETHEADERS, 4, 32, 32, SPV_MAX_LOCATOR},
    {SPV_CMD_HEADERS, 0, 81, 0, SPV_MAX_HEADERS},
    {SPV_CMD_FILTERADD, 0, 1, 0, SPV_MAX_FILTER_ADD},
    {SPV_CMD_FILTERLOAD, 0, 1, 9, SPV_MAX_FILTER_LOAD},
    {SPV_CMD_CFILTER, 33, 1, 0, SPV_MAX_CFILTER},
    {SPV_CMD_CFHEADERS, 65, 32, 0, SPV_MAX_CFHEADERS},
    {SPV_CMD_CFCHECKPT, 33, 32, 0, SPV_MAX_CFCHECKPT},
};

/* A body of zeros with a count of `claimed` and `held` entries. */
static void make(struct spv_buffer *b, const struct list *list, uint64_t claimed, size_t held)
{
    size_t n = held * list->each + list->after;

    b->len = 0;
    memset(spv_buffer_extend(b, list->before), 0, list->before);
    spv_buffer_compact(b, claimed);
    if (n > 0)
        memset(spv_buffer_extend(b, n), 0, n);
}

static void limit_is_accepted_and_one_more_refused(void **state)
{
    struct spv_arena arena = {0};
    struct spv_buffer b;

    (void)state;
    spv_buffer_init(&b);
    for (size_t i = 0; i < COUNT(lists); i++) {
        struct spv_msg msg = {.command = lists[i].command};

        make(&b, &lists[i], lists[i].max, lists[i].max);
        /* the cap is exact; a header's transaction count is a byte of 9 that it may take */
        const size_t spare = lists[i].command == SPV_CMD_HEADERS ? 8 * lists[i].max : 0;
        assert_int_equal(b.len + spare, spv_command_max_payload(lists[i].command));
        assert_int_equal(spv_msg_decode(&msg, b.data, b.len, 70016, &arena), 0);
        assert_true(msg_encodes_to(&msg, 70016, b.data, b.len));

        make(&b, &lists[i], lists[i].max + 1, lists[i].max + 1);
        assert_int_equal(spv_msg_decode(&msg, b.data, b.len, 70016, &arena), SPV_ERR_COUNT);
    }
    spv_buffer_free(&b);
    spv_arena_free(&arena);
}

static void nothing_is_allocated_for_an_impossible_count(void **state)
{
    struct spv_buffer b;

    (void)state;
    spv_buffer_init(&b);
    for (size_t i = 0; i < COUNT(lists); i++) {
        static const uint64_t counts[] = {UINT64_MAX, UINT64_C(1) << 63, UINT32_MAX, 0x100000};
        struct spv_arena arena = {0};
        struct spv_msg msg = {.command = lists[i].command};

        for (size_t j = 0; j < COUNT(counts); j++) {
            make(&b, &lists[i], counts[j], 1);
            assert_int_equal(spv_msg_decode(&msg, b.data, b.len, 70016, &arena), SPV_ERR_COUNT);
            assert_true(arena.cap < 128);
        }
        make(&b, &lists[i], lists[i].max, 1); /* allowed, but the bytes are not there */
        assert_int_equal(spv_msg_decode(&msg, b.data, b.len, 70016, &arena), SPV_ERR_SHORT);
        assert_true(arena.cap < 128);
        spv_arena_free(&arena);
    }
    spv_buffer_free(&b);
}

static void non_canonical_count_is_refused(void **state)
{
    struct spv_arena arena = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(lists); i++) {
        uint8_t body[256] = {0};
        struct spv_msg msg = {.command = lists[i].command};
        size_t n = lists[i].before + 3 + lists[i].each + lists[i].after;

        memcpy(body + lists[i].before, "\xfd\x01", 2);
        assert_int_equal(spv_msg_decode(&msg, body, n, 70016, &arena), SPV_ERR_COMPACT_SIZE);
    }
    spv_arena_free(&arena);
}

static void list_longer_than_its_limit_is_not_written(void **state)
{
    static struct spv_inv items[SPV_MAX_INV + 1];
    static struct spv_addr_entry entries[SPV_MAX_ADDR + 1];
    static struct spv_blockhash hashes[SPV_MAX_LOCATOR + 1];
    static struct spv_header headers[SPV_MAX_HEADERS + 1];
    static struct spv_hash256 filters[SPV_MAX_CFCHECKPT + 1];
    static uint8_t bytes[SPV_MAX_PAYLOAD + 1];
    const struct spv_msg msgs[] = {
        {.command = SPV_CMD_INV, .u.inv = {items, COUNT(items)}},
        {.command = SPV_CMD_GETDATA, .u.inv = {items, SIZE_MAX}},
        {.command = SPV_CMD_ADDR, .u.addr = {entries, COUNT(entries)}},
        {.command = SPV_CMD_GETHEADERS, .u.getheaders = {.locator = hashes, .n = COUNT(hashes)}},
        {.command = SPV_CMD_HEADERS, .u.headers = {.headers = headers, .n = COUNT(headers)}},
        {.command = SPV_CMD_ADDRV2, .u.addr = {entries, COUNT(entries)}},
        {.command = SPV_CMD_UNKNOWN, .name = "long", .u.raw = {bytes, sizeof bytes}},
        {.command = SPV_CMD_TX, .u.tx = {.bytes = bytes, .n = sizeof bytes}},
        {.command = SPV_CMD_BLOCK, .u.block = {.bytes = bytes, .n = sizeof bytes}},
        {.command = SPV_CMD_MERKLEBLOCK,
         .u.merkleblock =
             {.total = 1, .hashes = filters, .n_hashes = 2, .flags = bytes, .n_flags = 1}},
        {.command = SPV_CMD_FILTERLOAD, .u.filterload = {bytes, SPV_MAX_FILTER_LOAD + 1, 1, 0, 0}},
        {.command = SPV_CMD_FILTERLOAD,
         .u.filterload = {bytes, 1, SPV_MAX_FILTER_FUNCTIONS + 1, 0, 0}},
        {.command = SPV_CMD_FILTERADD, .u.filteradd = {bytes, SPV_MAX_FILTER_ADD + 1}},
        {.command = SPV_CMD_CFILTER, .u.cfilter = {.filter = bytes, .n = SPV_MAX_CFILTER + 1}},
        {.command = SPV_CMD_CFHEADERS,
         .u.cfheaders = {.hashes = filters, .n = SPV_MAX_CFHEADERS + 1}},
        {.command = SPV_CMD_CFCHECKPT, .u.cfcheckpt = {.headers = filters, .n = COUNT(filters)}},
        {.command = SPV_CMD_VERSION, .u.version = {.user_agent_len = SPV_MAX_USER_AGENT + 1}},
    };
    struct spv_buffer b;

    (void)state;
    spv_buffer_init(&b);
    spv_buffer_u8(&b, 0x77);
    for (size_t i = 0; i < COUNT(msgs); i++) {
        assert_int_equal(spv_msg_encode(&b, &msgs[i], 70016), SPV_ERR_TOO_LONG);
        assert_int_equal(spv_msg_write(&b, &msgs[i], spv_netid_get(SPV_MAINNET), 70016),
                         SPV_ERR_TOO_LONG);
        assert_int_equal(b.len, 1); /* as before */
        assert_int_equal(b.error, 0);
    }
    spv_buffer_free(&b);
}

static void message_above_the_negotiated_version_is_not_written(void **state)
{
    static const struct spv_hash256 root;
    const struct spv_netid *net = spv_netid_get(SPV_MAINNET);
    struct spv_buffer b;

    (void)state;
    spv_buffer_init(&b);
    for (int i = SPV_CMD_UNKNOWN + 1; i <= SPV_CMD_CFCHECKPT; i++) {
        struct spv_msg msg = {.command = (enum spv_command)i};
        uint32_t since = spv_command_since(msg.command);

        if (msg.command == SPV_CMD_PONG)
            msg.u.ping.has_nonce = true;
        if (msg.command == SPV_CMD_MERKLEBLOCK)
            msg.u.merkleblock = (struct spv_msg_merkleblock){
                .total = 1, .hashes = &root, .n_hashes = 1, .flags = root.b, .n_flags = 1};
        if (since == 0)
            continue;
        b.len = 0;
        assert_int_equal(spv_msg_write(&b, &msg, net, since - 1), SPV_ERR_UNSUPPORTED);
        assert_int_equal(b.len, 0);
        assert_int_equal(spv_msg_write(&b, &msg, net, since), 0);
        assert_int_equal(spv_msg_write(&b, &msg, net, 0), 0); /* not yet negotiated */
    }
    spv_buffer_free(&b);
}

static void pings_need_a_nonce_from_60001(void **state)
{
    struct spv_msg ping = {.command = SPV_CMD_PING};
    struct spv_msg pong = {.command = SPV_CMD_PONG};
    struct spv_buffer b;

    (void)state;
    spv_buffer_init(&b);
    assert_int_equal(spv_msg_encode(&b, &ping, 60001), SPV_ERR_INVALID);
    assert_int_equal(spv_msg_encode(&b, &pong, 60001), SPV_ERR_INVALID);
    assert_int_equal(spv_msg_encode(&b, &ping, 60000), 0);
    ping.u.ping.has_nonce = true; /* an old peer gets the old form */
    assert_int_equal(spv_msg_encode(&b, &ping, 60000), 0);
    assert_int_equal(b.len, 0);
    spv_buffer_free(&b);
}

static void rejects_are_truncated_when_read_and_bounded_when_written(void **state)
{
    uint8_t body[1 + 2 + 1 + 3 + 300 + 32] = {2, 't', 'x', 0x40, 0xfd, 0x2c, 0x01};
    struct spv_arena arena = {0};
    struct spv_msg msg = {.command = SPV_CMD_REJECT};
    struct spv_buffer b;

    (void)state;
    memset(body + 7, 'r', 300);
    memset(body + 307, 0x33, 32);
    assert_int_equal(spv_msg_decode(&msg, body, sizeof body, 70002, &arena), 0);
    assert_int_equal(strlen(msg.u.reject.reason), SPV_MAX_REJECT_REASON);
    assert_true(msg.u.reject.has_hash);
    assert_int_equal(msg.u.reject.hash.b[31], 0x33);
    for (size_t cut = 308; cut < sizeof body; cut++)
        assert_int_equal(spv_msg_decode(&msg, body, cut, 70002, &arena), SPV_ERR_SHORT);

    static const uint8_t thirteen[] = {13,  'a', 'b', 'c', 'd', 'e', 'f', 'g',
                                       'h', 'i', 'j', 'k', 'l', 'm', 0,   0};
    assert_int_equal(spv_msg_decode(&msg, thirteen, sizeof thirteen, 70002, &arena), SPV_ERR_COUNT);

    static const uint8_t nul[] = {4, 't', 'x', 0, 'y', 0x40, 3, 'a', 0, 'b'};
    assert_int_equal(spv_msg_decode(&msg, nul, sizeof nul, 70002, &arena), 0);
    assert_memory_equal(msg.u.reject.command, "tx\0\0\0", 5); /* nothing behind the NUL */
    assert_memory_equal(msg.u.reject.reason, "a\0\0\0", 4);

    memset(&msg.u, 'x', sizeof msg.u); /* texts without NUL */
    spv_buffer_init(&b);
    assert_int_equal(spv_msg_encode(&b, &msg, 70002), SPV_ERR_TOO_LONG);
    spv_buffer_free(&b);
    spv_arena_free(&arena);
}

static void arena_is_reused_and_trimmed(void **state)
{
    struct spv_arena arena = {0};
    struct spv_buffer b;
    struct spv_msg msg = {.command = SPV_CMD_HEADERS};

    (void)state;
    spv_buffer_init(&b);
    make(&b, &lists[6], 2000, 2000);
    assert_int_equal(spv_msg_decode(&msg, b.data, b.len, 70016, &arena), 0);
    const void *mem = arena.mem;
    size_t cap = arena.cap;
    assert_true(cap >= 2000 * sizeof(struct spv_header));
    make(&b, &lists[6], 3, 3);
    assert_int_equal(spv_msg_decode(&msg, b.data, b.len, 70016, &arena), 0);
    assert_ptr_equal(arena.mem, mem);
    spv_arena_trim(&arena, cap);
    assert_ptr_equal(arena.mem, mem);
    spv_arena_trim(&arena, cap - 1);
    assert_null(arena.mem);
    spv_arena_free(&arena);
    spv_buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limit_is_accepted_and_one_more_refused),
        cmocka_unit_test(nothing_is_allocated_for_an_impossible_count),
        cmocka_unit_test(non_canonical_count_is_refused),
        cmocka_unit_test(list_longer_than_its_limit_is_not_written),
        cmocka_unit_test(message_above_the_negotiated_version_is_not_written),
        cmocka_unit_test(pings_need_a_nonce_from_60001),
        cmocka_unit_test(rejects_are_truncated_when_read_and_bounded_when_written),
        cmocka_unit_test(arena_is_reused_and_trimmed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
