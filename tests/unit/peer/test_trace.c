/* Observer callbacks, logs, message summaries, statistics, and tolerated malformed messages. */
#include "unit/peer/peer_fixture.h"

#include <stdio.h>

#define LINES 400
struct watcher {
    char text[LINES][SPV_MSG_FORMAT_MAX + SPV_ENDPOINT_TEXT];
    size_t n;
};

static void add(struct watcher *w, const char *text)
{
    assert_true(w->n < LINES);
    snprintf(w->text[w->n++], sizeof(w->text[0]), "%s", text);
}

static void on_any_read(void *ctx, size_t bytes, const char *command, int error)
{
    char text[64];
    snprintf(text, sizeof(text), "< %s %zu %s", command, bytes, spv_err_name(error));
    add(ctx, text);
}

static void on_any_write(void *ctx, size_t bytes, const char *command, int error)
{
    char text[64];
    snprintf(text, sizeof(text), "> %s %zu %s", command, bytes, spv_err_name(error));
    add(ctx, text);
}

static void on_log(void *ctx, enum spv_log_level level, const char *line)
{
    assert_in_range(level, SPV_LOG_DEBUG, SPV_LOG_TRACE);
    for (const char *c = line; *c != '\0'; c++)
        assert_in_range(*c, ' ', '~');
    add(ctx, line);
}

static void expect(struct watcher *w, const char *const *lines, size_t n)
{
    for (size_t i = 0; i < n && i < w->n; i++)
        assert_string_equal(w->text[i], lines[i]);
    assert_int_equal(w->n, n);
    w->n = 0;
}
#define EXPECT(w, ...)                                                                             \
    do {                                                                                           \
        static const char *const lines[] = {__VA_ARGS__};                                          \
        expect(w, lines, sizeof(lines) / sizeof(lines[0]));                                        \
    } while (0)

static struct watcher watcher;

static void watch(struct peer_fixture *k)
{
    watcher.n = 0;
    peer_fixture_init(k);
    k->cfg.observer = (struct spv_peer_observer){
        .on_any_read = on_any_read, .on_any_write = on_any_write, .ctx = &watcher};
}

static void observers_see_every_frame_both_ways(void **state)
{
    (void)state;
    struct peer_fixture k;
    watch(&k);
    peer_fixture_ready(&k, SPV_OUTBOUND);
    assert_int_equal(watcher.n, 5);
    assert_true(strncmp(watcher.text[0], "> version ", 10) == 0);
    assert_string_equal(watcher.text[1], "< version 121 OK");
    assert_string_equal(watcher.text[2], "> sendaddrv2 24 OK");
    assert_string_equal(watcher.text[3], "> verack 24 OK");
    assert_string_equal(watcher.text[4], "< verack 24 OK");
    watcher.n = 0;
    assert_int_equal(peer_fixture_send_raw(&k, "sendtxrcncl", "abc", 3), 0);
    assert_int_equal(peer_fixture_send_ping(&k, SPV_CMD_PING, 1), 0);
    struct spv_msg odd = {.name = "hello", .u.raw = {(const uint8_t *)"xy", 2}};
    assert_int_equal(spv_peer_send(k.p, &odd, k.now), 0);
    spv_peer_sent(k.p, 40, k.now);
    EXPECT(&watcher, "< sendtxrcncl 27 OK", "< ping 32 OK", "> pong 32 OK");
    spv_peer_close(k.p, SPV_ERR_RESET);
    EXPECT(&watcher, "> hello 8 RESET");
    peer_fixture_close(&k);
}

static void observers_see_rejected_messages(void **state)
{
    (void)state;
    static const struct {
        const char *command;
        size_t at; /* a byte of the frame changed */
        const char *line;
    } cases[] = {
        {"inv", SIZE_MAX, "< inv 25 SHORT"},
        {"inv", 0, "<  25 MAGIC"},
        {"inv", 19, "< inv 25 LENGTH"},
        {"inv", 20, "< inv 25 CHECKSUM"},
        {"verack", SIZE_MAX, "< verack 25 LENGTH"},
        {"in\1", SIZE_MAX, "<  25 COMMAND"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct peer_fixture k;
        struct spv_buffer b;
        watch(&k);
        peer_fixture_ready(&k, SPV_OUTBOUND);
        watcher.n = 0;
        spv_buffer_init(&b);
        peer_fixture_frame(&b, cases[i].command, "\2", 1);
        if (cases[i].at != SIZE_MAX)
            b.data[cases[i].at] ^= 0x80;
        assert_true(peer_fixture_send_bytes(&k, b.data, b.len) < 0);
        assert_int_equal(watcher.n, 1);
        assert_string_equal(watcher.text[0], cases[i].line);
        spv_buffer_free(&b);
        peer_fixture_close(&k);
    }
}

static void observers_see_dropped_deferred_messages(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg msg = {.command = SPV_CMD_GETADDR};
    watch(&k);
    peer_fixture_open(&k, SPV_INBOUND);
    assert_int_equal(spv_peer_send(k.p, &msg, k.now), 0);
    assert_int_equal(peer_fixture_wait(&k, 30), SPV_ERR_HANDSHAKE_TIMEOUT);
    EXPECT(&watcher, "> getaddr 0 HANDSHAKE_TIMEOUT");
    peer_fixture_close(&k);
}

static void a_log_has_one_line_per_message(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    watcher.n = 0;
    k.cfg.observer =
        (struct spv_peer_observer){.on_log = on_log, .log_level = SPV_LOG_DEBUG, .ctx = &watcher};
    assert_int_equal(spv_endpoint_parse(&k.cfg.endpoint, "127.0.0.1:8333", 0), 0);
    k.cfg.user_agent = "/we:1/";
    peer_fixture_ready(&k, SPV_OUTBOUND);
    EXPECT(&watcher, "sending version (70016, /we:1/, height 0) to 127.0.0.1:8333",
           "received version (70016, /other:1.0/, height 321) from 127.0.0.1:8333",
           "sending sendaddrv2 to 127.0.0.1:8333", "sending verack to 127.0.0.1:8333",
           "received verack from 127.0.0.1:8333");
    assert_int_equal(peer_fixture_send_ping(&k, SPV_CMD_PING, 0xabc), 0);
    EXPECT(&watcher, "received ping (0000000000000abc) from 127.0.0.1:8333",
           "sending pong (0000000000000abc) to 127.0.0.1:8333");
    peer_fixture_close(&k);
}

static void at_trace_level_the_payload_is_logged_in_hex(void **state)
{
    (void)state;
    struct peer_fixture k;
    static uint8_t big[SPV_LOG_DUMP + 3];
    peer_fixture_init(&k);
    assert_int_equal(spv_endpoint_parse(&k.cfg.endpoint, "::1", 18444), 0);
    k.cfg.observer =
        (struct spv_peer_observer){.on_log = on_log, .log_level = SPV_LOG_TRACE, .ctx = &watcher};
    watcher.n = 0;
    peer_fixture_ready(&k, SPV_OUTBOUND);
    watcher.n = 0;
    assert_int_equal(peer_fixture_send_raw(&k, "strange", "0123456789abcdef\n\xff!", 19), 0);
    EXPECT(&watcher, "received strange (19 bytes) from [::1]:18444",
           "00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 0123456789abcdef",
           "00000010  0a ff 21                                        ..!");
    assert_int_equal(peer_fixture_send_raw(&k, "strange", big, sizeof(big)), 0);
    assert_int_equal(watcher.n, 1 + SPV_LOG_DUMP / 16 + 1);
    assert_string_equal(watcher.text[watcher.n - 1], "(3 more bytes)");
    peer_fixture_close(&k);
}

static void log_level_off_logs_nothing(void **state)
{
    (void)state;
    struct peer_fixture k;
    peer_fixture_init(&k);
    watcher.n = 0;
    k.cfg.observer = (struct spv_peer_observer){.on_log = on_log, .ctx = &watcher};
    peer_fixture_ready(&k, SPV_OUTBOUND);
    assert_int_equal(watcher.n, 0);
    peer_fixture_close(&k);
}

static void summaries_contain_the_main_fields(void **state)
{
    (void)state;
    static const char one[] = "0000000000000000000000000000000000000000000000000000000000000001";
    char want[SPV_MSG_FORMAT_MAX], got[SPV_MSG_FORMAT_MAX];
    struct spv_inv items[2] = {{SPV_INV_WITNESS | SPV_INV_TX, {{1}}}, {SPV_INV_BLOCK, {{2}}}};
    struct spv_blockhash locator = {{1}};
    struct spv_header header = peer_fixture_header(5);
    struct spv_blockhash hash;
    char hex[SPV_HASH_HEX];
    spv_header_hash(&hash, &header);
    spv_blockhash_hex(hex, &hash);

    struct spv_msg inv = {.command = SPV_CMD_GETDATA, .u.inv = {items, 2}};
    snprintf(want, sizeof(want), "getdata (2, first tx %s)", one);
    assert_string_equal(spv_msg_format(got, sizeof(got), &inv), want);
    struct spv_msg ask = {.command = SPV_CMD_GETHEADERS,
                          .u.getheaders = {.locator = &locator, .n = 1, .stop = {{1}}}};
    snprintf(want, sizeof(want), "getheaders (1, first %s, stop %s)", one, one);
    assert_string_equal(spv_msg_format(got, sizeof(got), &ask), want);
    struct spv_msg headers = {.command = SPV_CMD_HEADERS,
                              .u.headers = {.headers = &header, .n = 1}};
    snprintf(want, sizeof(want), "headers (1, first %s)", hex);
    assert_string_equal(spv_msg_format(got, sizeof(got), &headers), want);
    headers.u.headers.n = 0;
    assert_string_equal(spv_msg_format(got, sizeof(got), &headers), "headers (0)");
    struct spv_msg reject = {.command = SPV_CMD_REJECT,
                             .u.reject = {.command = "t\x01",
                                          .code = 0x40,
                                          .reason = "\x80"
                                                    "dust"}};
    assert_string_equal(spv_msg_format(got, sizeof(got), &reject), "reject (t?, 0x40, ?dust)");
    struct spv_msg old = {.command = SPV_CMD_PING};
    assert_string_equal(spv_msg_format(got, sizeof(got), &old), "ping");
    /* Every message has a summary that starts with its command, for any content. */
    for (int c = SPV_CMD_VERSION; c <= SPV_CMD_CFCHECKPT; c++) {
        static const uint8_t tx[60] = {[0] = 1, [4] = 1, [46] = 1};
        struct spv_msg msg = {.command = (enum spv_command)c};
        if (c == SPV_CMD_TX)
            assert_int_equal(spv_tx_parse(&msg.u.tx, tx, sizeof(tx)), 0);
        const char *name = spv_command_name(msg.command);
        spv_msg_format(got, sizeof(got), &msg);
        assert_memory_equal(got, name, strlen(name));
        size_t n = strlen(got);
        assert_true(n == strlen(name) || (got[strlen(name)] == ' ' && got[n - 1] == ')'));
    }
    struct spv_msg fee = {.command = SPV_CMD_FEEFILTER, .u.feefilter = {1000}};
    assert_string_equal(spv_msg_format(got, sizeof(got), &fee), "feefilter (1000)");
    /* Cut at every capacity. */
    for (size_t cap = 1; cap < 40; cap++) {
        memset(got, 'x', sizeof(got));
        spv_msg_format(got, cap, &inv);
        assert_int_equal(strlen(got), cap - 1);
        assert_int_equal(got[cap], 'x');
    }
}

static int send_malformed(const char *host, enum spv_network network, bool tolerate, bool checksum)
{
    struct peer_fixture k;
    struct spv_buffer b;
    struct spv_peer_stats stats;
    peer_fixture_init(&k);
    k.cfg.tolerate_malformed = tolerate;
    k.cfg.transport = SPV_TRANSPORT_ONLY_V1;
    snprintf(k.cfg.endpoint.host, sizeof(k.cfg.endpoint.host), "%s", host);
    peer_fixture_ready(&k, SPV_INBOUND);
    if (network != SPV_REGTEST) { /* the fixture is for regtest: checked separately */
        peer_fixture_close(&k);
        k.cfg.net = spv_netid_get(network);
        peer_fixture_open(&k, SPV_INBOUND);
    }
    spv_buffer_init(&b);
    peer_fixture_frame(&b, "inv", "\2", 1);
    peer_fixture_frame(&b, "getaddr", "", 0);
    memcpy(b.data, k.cfg.net->magic, 4);
    memcpy(b.data + 25, k.cfg.net->magic, 4);
    if (checksum)
        b.data[20] ^= 1;
    int rc = peer_fixture_send_bytes(&k, b.data, b.len);
    spv_peer_get_stats(k.p, &stats);
    if (rc == 0) {
        assert_int_equal(k.n_got, 1);
        assert_int_equal(k.got.command, SPV_CMD_GETADDR);
    }
    assert_int_equal(stats.malformed_in, rc == 0 ? 1 : 0);
    spv_buffer_free(&b);
    peer_fixture_close(&k);
    return rc;
}

static void malformed_messages_are_tolerated_on_regtest_from_loopback(void **state)
{
    (void)state;
    assert_int_equal(send_malformed("127.0.0.1", SPV_REGTEST, true, false), 0);
    assert_int_equal(send_malformed("127.255.3.4", SPV_REGTEST, true, true), 0);
    assert_int_equal(send_malformed("::1", SPV_REGTEST, true, true), 0);
    assert_int_equal(send_malformed("::1", SPV_REGTEST, false, false), SPV_ERR_SHORT);
    assert_int_equal(send_malformed("::1", SPV_REGTEST, false, true), SPV_ERR_CHECKSUM);
    assert_int_equal(send_malformed("128.0.0.1", SPV_REGTEST, true, false), SPV_ERR_SHORT);
    assert_int_equal(send_malformed("127.0.0.evil", SPV_REGTEST, true, false), SPV_ERR_SHORT);
    assert_int_equal(send_malformed("127.1", SPV_REGTEST, true, false), SPV_ERR_SHORT);
    assert_int_equal(send_malformed("::2", SPV_REGTEST, true, false), SPV_ERR_SHORT);
    assert_int_equal(send_malformed("", SPV_REGTEST, true, false), SPV_ERR_SHORT);
    assert_int_equal(send_malformed("::1", SPV_MAINNET, true, false), SPV_ERR_NOT_VERSION);
    assert_int_equal(send_malformed("::1", SPV_MAINNET, true, true), SPV_ERR_CHECKSUM);
}

static void a_wrong_magic_is_never_tolerated(void **state)
{
    (void)state;
    struct peer_fixture k;
    static const uint8_t zero[24];
    peer_fixture_init(&k);
    k.cfg.tolerate_malformed = true;
    snprintf(k.cfg.endpoint.host, sizeof(k.cfg.endpoint.host), "::1");
    peer_fixture_ready(&k, SPV_INBOUND);
    assert_int_equal(peer_fixture_send_bytes(&k, zero, sizeof(zero)), SPV_ERR_MAGIC);
    peer_fixture_close(&k);
}

static void statistics_have_id_endpoint_and_heights(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_peer_stats s;
    peer_fixture_init(&k);
    k.cfg.id = 77;
    assert_int_equal(spv_endpoint_parse(&k.cfg.endpoint, "1.2.3.4:5", 0), 0);
    peer_fixture_ready(&k, SPV_INBOUND);
    spv_peer_get_stats(k.p, &s);
    assert_int_equal(s.id, 77);
    assert_string_equal(s.endpoint.host, "1.2.3.4");
    assert_int_equal(s.endpoint.port, 5);
    assert_int_equal(s.transport, SPV_TRANSPORT_V1);
    assert_int_equal(s.last_height, 321);
    spv_peer_note_height(k.p, 400);
    spv_peer_note_height(k.p, 399); /* never falls */
    spv_peer_get_stats(k.p, &s);
    assert_int_equal(s.last_height, 400);
    assert_int_equal(s.start_height, 321);
    peer_fixture_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(observers_see_every_frame_both_ways),
        cmocka_unit_test(observers_see_rejected_messages),
        cmocka_unit_test(observers_see_dropped_deferred_messages),
        cmocka_unit_test(a_log_has_one_line_per_message),
        cmocka_unit_test(at_trace_level_the_payload_is_logged_in_hex),
        cmocka_unit_test(log_level_off_logs_nothing),
        cmocka_unit_test(summaries_contain_the_main_fields),
        cmocka_unit_test(malformed_messages_are_tolerated_on_regtest_from_loopback),
        cmocka_unit_test(a_wrong_magic_is_never_tolerated),
        cmocka_unit_test(statistics_have_id_endpoint_and_heights),
    };
    return cmocka_run_group_tests_name("peer: observing", tests, NULL, NULL);
}
