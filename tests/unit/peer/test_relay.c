/* Which items are announced to a peer, when and in which form. */
#include "unit/peer/peer_fixture.h"

#include <stdlib.h>

#include "peer/known_inv.h"
#include "spv/push.h"

static struct spv_inv item(uint32_t type, uint64_t n)
{
    struct spv_inv inv = {.type = type};
    memcpy(inv.hash.b, &n, sizeof(n));
    return inv;
}

static struct spv_hash256 hash_of(const struct spv_header *header)
{
    struct spv_blockhash hash;
    struct spv_hash256 out;
    spv_header_hash(&hash, header);
    memcpy(out.b, hash.b, sizeof(out.b));
    return out;
}

static int push_fee(struct peer_fixture *k, uint32_t type, uint64_t n, uint64_t fee)
{
    struct spv_inv inv = item(type, n);
    return spv_peer_push_inventory(k->p, &inv, fee, k->now);
}

static int push(struct peer_fixture *k, uint32_t type, uint64_t n)
{
    return push_fee(k, type, n, SPV_FEE_UNKNOWN);
}

static void quiet(struct peer_fixture *k)
{
    peer_fixture_init(k);
    k->cfg.timeouts.ping_interval = 1000000 * SPV_SECOND;
    k->cfg.timeouts.idle = 1000000 * SPV_SECOND;
}

static void open_quiet(struct peer_fixture *k)
{
    quiet(k);
    peer_fixture_ready(k, SPV_OUTBOUND);
}

/* Waits for the next inv. Returns the number of its items. */
static size_t next_inv(struct peer_fixture *k, struct spv_msg *out)
{
    const uint8_t *bytes;
    while (spv_peer_pending(k->p, &bytes) == 0) {
        k->now.mono_us = spv_peer_deadline(k->p);
        assert_true(k->now.mono_us != SPV_NEVER);
        assert_int_equal(spv_peer_timer(k->p, k->now), 0);
    }
    assert_int_equal(peer_fixture_recv(k, out), SPV_CMD_INV);
    return out->u.inv.n;
}

static void expect_no_trickle(struct peer_fixture *k)
{
    assert_int_equal(peer_fixture_wait(k, 1000), 0);
    peer_fixture_expect_silence(k);
}

static void a_block_is_announced_at_once_and_only_once(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg out;
    open_quiet(&k);
    assert_int_equal(push(&k, SPV_INV_BLOCK, 5), 1);
    assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_INV);
    assert_int_equal(out.u.inv.n, 1);
    assert_int_equal(out.u.inv.items[0].type, SPV_INV_BLOCK);
    assert_int_equal(push(&k, SPV_INV_BLOCK, 5), 0);
    assert_int_equal(push(&k, SPV_INV_FILTERED_BLOCK, 6), SPV_ERR_INVALID);
    expect_no_trickle(&k);
    peer_fixture_close(&k);
}

static void transactions_trickle_a_thousand_at_a_time(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg out;
    open_quiet(&k);
    for (uint64_t i = 1; i <= 2500; i++)
        assert_int_equal(push(&k, SPV_INV_TX, i), 1);
    peer_fixture_expect_silence(&k);
    uint64_t expected = 1, before = k.now.mono_us;
    static const size_t sizes[] = {1000, 1000, 500};
    for (size_t b = 0; b < 3; b++) {
        assert_int_equal(next_inv(&k, &out), sizes[b]);
        assert_true(k.now.mono_us > before);
        before = k.now.mono_us;
        peer_fixture_expect_silence(&k);
        for (size_t i = 0; i < out.u.inv.n; i++) {
            uint64_t n;
            memcpy(&n, out.u.inv.items[i].hash.b, sizeof(n));
            assert_int_equal(n, expected++);
        }
    }
    expect_no_trickle(&k);
    peer_fixture_close(&k);
}

static void the_delay_is_memoryless_around_ten_seconds(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg out;
    double sum = 0;
    unsigned short_ones = 0, long_ones = 0;
    enum { TIMES = 4000 };
    open_quiet(&k);
    print_message("seed %llu\n", (unsigned long long)k.random.state);
    for (uint64_t i = 1; i <= TIMES; i++) {
        assert_int_equal(push(&k, SPV_INV_TX, i), 1);
        uint64_t before = k.now.mono_us;
        assert_int_equal(next_inv(&k, &out), 1);
        double s = (double)(k.now.mono_us - before) / 1e6;
        sum += s;
        short_ones += s < 1;
        long_ones += s > 20;
    }
    /* An exponential distribution: 9.5 % below a tenth of the mean, 13.5 % above twice it. */
    assert_in_range((unsigned)(sum / TIMES * 100), 940, 1060);
    assert_in_range(short_ones, TIMES * 8 / 100, TIMES * 11 / 100);
    assert_in_range(long_ones, TIMES * 12 / 100, TIMES * 15 / 100);
    peer_fixture_close(&k);
}

static void items_that_the_peer_has_are_left_out_when_queued_and_when_sent(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg out;
    struct spv_inv theirs[2] = {item(SPV_INV_TX, 1), item(SPV_INV_BLOCK, 9)};
    struct spv_msg inv = {.command = SPV_CMD_INV, .u.inv = {theirs, 2}};
    open_quiet(&k);
    assert_false(spv_peer_knows(k.p, &theirs[0].hash));
    assert_int_equal(push(&k, SPV_INV_TX, 1), 1); /* the peer announces it before the trickle */
    assert_int_equal(push(&k, SPV_INV_TX, 2), 1);
    assert_int_equal(push(&k, SPV_INV_TX, 2), 1); /* twice in one batch */
    assert_int_equal(peer_fixture_send(&k, &inv), 0);
    assert_true(spv_peer_knows(k.p, &theirs[0].hash));
    assert_int_equal(push(&k, SPV_INV_TX, 1), 0);
    assert_int_equal(push(&k, SPV_INV_BLOCK, 9), 0);
    assert_int_equal(next_inv(&k, &out), 1);
    assert_memory_equal(out.u.inv.items[0].hash.b, "\2\0\0\0", 4);
    assert_int_equal(push(&k, SPV_INV_TX, 2), 0);
    expect_no_trickle(&k);
    peer_fixture_close(&k);
}

static void sent_and_received_transactions_and_blocks_are_known(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_hash256 hash = {{0}};
    struct spv_tx tx;
    static const uint8_t raw[60] = {[0] = 1, [4] = 1, [46] = 1}; /* one input, one output */
    assert_int_equal(spv_tx_parse(&tx, raw, sizeof(raw)), 0);
    open_quiet(&k);
    struct spv_txid txid;
    spv_tx_txid(&txid, &tx);
    memcpy(hash.b, txid.b, 32);
    assert_false(spv_peer_knows(k.p, &hash));
    assert_int_equal(peer_fixture_send_raw(&k, "tx", raw, sizeof(raw)), 0);
    assert_true(spv_peer_knows(k.p, &hash));
    struct spv_msg merkle = {.command = SPV_CMD_MERKLEBLOCK};
    struct spv_hash256 leaf = {{1}};
    merkle.u.merkleblock = (struct spv_msg_merkleblock){.header = peer_fixture_header(3),
                                                        .total = 1,
                                                        .hashes = &leaf,
                                                        .n_hashes = 1,
                                                        .flags = (const uint8_t *)"\1",
                                                        .n_flags = 1};
    hash = hash_of(&merkle.u.merkleblock.header);
    assert_false(spv_peer_knows(k.p, &hash));
    assert_int_equal(spv_peer_send(k.p, &merkle, k.now), 0);
    assert_true(spv_peer_knows(k.p, &hash));
    peer_fixture_close(&k);
}

static void a_fee_filter_above_the_fee_rate_suppresses_the_announcement(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg out;
    open_quiet(&k);
    assert_int_equal(push_fee(&k, SPV_INV_TX, 1, 999), 1); /* before the peer's feefilter */
    assert_int_equal(push_fee(&k, SPV_INV_TX, 2, 1000), 1);
    assert_int_equal(peer_fixture_send_raw(&k, "feefilter", "\xe8\3\0\0\0\0\0\0", 8), 0);
    assert_int_equal(push_fee(&k, SPV_INV_TX, 3, 999), 0);
    assert_int_equal(push_fee(&k, SPV_INV_TX, 4, 1000), 1);
    assert_int_equal(push_fee(&k, SPV_INV_BLOCK, 5, 0), 1); /* blocks pay nothing */
    assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_INV);
    assert_int_equal(next_inv(&k, &out), 2);
    assert_memory_equal(out.u.inv.items[0].hash.b, "\2\0\0\0", 4);
    assert_memory_equal(out.u.inv.items[1].hash.b, "\4\0\0\0", 4);
    peer_fixture_close(&k);
}

static void a_peer_without_relay_gets_no_transactions(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg out;
    quiet(&k);
    k.cfg.services = SPV_NODE_BLOOM;
    peer_fixture_open(&k, SPV_INBOUND);
    struct spv_msg msg = {.command = SPV_CMD_VERSION};
    msg.u.version.version = 70016; /* relay off */
    assert_int_equal(push(&k, SPV_INV_TX, 1), 1); /* not known yet; checked again when it is sent */
    assert_int_equal(peer_fixture_send(&k, &msg), 0);
    assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_VERACK), 0);
    peer_fixture_expect(&k, SPV_CMD_VERSION);
    peer_fixture_expect(&k, SPV_CMD_SENDADDRV2);
    peer_fixture_expect(&k, SPV_CMD_VERACK);
    assert_int_equal(push(&k, SPV_INV_TX, 2), 0);
    expect_no_trickle(&k);
    assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_FILTERCLEAR), 0);
    assert_int_equal(push(&k, SPV_INV_TX, 2), 1);
    assert_int_equal(next_inv(&k, &out), 1);
    peer_fixture_close(&k);
}

static void transactions_queued_early_trickle_after_the_handshake(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg out;
    quiet(&k);
    peer_fixture_open(&k, SPV_OUTBOUND);
    assert_int_equal(push(&k, SPV_INV_TX, 1), 1);
    peer_fixture_handshake(&k, 70016);
    peer_fixture_expect_silence(&k);
    assert_int_equal(next_inv(&k, &out), 1);
    peer_fixture_close(&k);
}

static void announced_by_wtxid_only_after_both_sides_sent_wtxidrelay(void **state)
{
    (void)state;
    for (int both = 0; both < 2; both++) {
        struct peer_fixture k;
        struct spv_peer_stats stats;
        quiet(&k);
        k.cfg.wtxidrelay = both;
        peer_fixture_open(&k, SPV_OUTBOUND);
        assert_int_equal(peer_fixture_send_version(&k, 70016), 0);
        assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_WTXIDRELAY), 0);
        assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_VERACK), 0);
        spv_peer_get_stats(k.p, &stats);
        assert_int_equal(stats.wtxidrelay, both);
        assert_int_equal(push(&k, SPV_INV_WTX, 1), both);
        assert_int_equal(push(&k, SPV_INV_TX, 2), !both);
        peer_fixture_close(&k);
    }
}

static void fifty_thousand_transactions_may_be_queued(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg out;
    open_quiet(&k);
    for (uint64_t i = 1; i <= SPV_PEER_INVENTORY; i++)
        assert_int_equal(push(&k, SPV_INV_TX, i), 1);
    assert_int_equal(push(&k, SPV_INV_TX, 99999), SPV_ERR_QUEUE_FULL);
    assert_int_equal(next_inv(&k, &out), 1000);
    assert_int_equal(push(&k, SPV_INV_TX, 99999), 1);
    peer_fixture_close(&k);
}

static void a_full_send_queue_delays_announcements(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg out, filler = {.command = SPV_CMD_GETADDR};
    quiet(&k);
    k.cfg.timeouts.write = 1000000 * SPV_SECOND;
    k.cfg.max_queue_bytes = 24 + 27 + 36 * 3 + 35; /* three items fit besides the filler */
    peer_fixture_ready(&k, SPV_OUTBOUND);
    for (uint64_t i = 1; i <= 4; i++)
        assert_int_equal(push(&k, SPV_INV_TX, i), 1);
    assert_int_equal(spv_peer_send(k.p, &filler, k.now), 0);
    assert_int_equal(peer_fixture_wait(&k, 1000), 0);
    peer_fixture_expect(&k, SPV_CMD_GETADDR);
    assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_INV);
    assert_int_equal(out.u.inv.n, 3);
    assert_int_equal(next_inv(&k, &out), 1);
    assert_memory_equal(out.u.inv.items[0].hash.b, "\4\0\0\0", 4);
    peer_fixture_close(&k);
}

static void the_last_fifty_thousand_hashes_are_known_and_memory_is_bounded(void **state)
{
    (void)state;
    struct test_random random = {.state = 11};
    struct spv_rng rng = test_random_rng(&random);
    struct spv_known_inv known;
    const uint64_t n = 7 * SPV_PEER_KNOWN + 123;
    spv_known_inv_init(&known, &rng, SPV_PEER_KNOWN);
    assert_int_equal(spv_known_inv_memory(&known), 0);
    for (uint64_t i = 0; i < n; i++) {
        struct spv_inv inv = item(SPV_INV_TX, i);
        assert_false(spv_known_inv_has(&known, inv.hash.b));
        spv_known_inv_add(&known, inv.hash.b);
        assert_true(spv_known_inv_has(&known, inv.hash.b));
        struct spv_inv last =
            item(SPV_INV_TX, i >= SPV_PEER_KNOWN - 1 ? i - SPV_PEER_KNOWN + 1 : 0);
        assert_true(spv_known_inv_has(&known, last.hash.b));
        assert_true(spv_known_inv_memory(&known) <= 2 * 131072 * 8);
    }
    for (uint64_t i = 0; i < n - 2 * SPV_PEER_KNOWN; i++) {
        struct spv_inv inv = item(SPV_INV_TX, i);
        assert_false(spv_known_inv_has(&known, inv.hash.b));
    }
    spv_known_inv_free(&known);
}

static void an_old_known_hash_is_kept_when_it_is_announced_again(void **state)
{
    (void)state;
    struct test_random random = {.state = 12};
    struct spv_rng rng = test_random_rng(&random);
    struct spv_known_inv known;
    struct spv_inv first = item(SPV_INV_TX, 1000000);
    spv_known_inv_init(&known, &rng, SPV_PEER_KNOWN);
    for (uint64_t i = 0; i < 3 * SPV_PEER_KNOWN; i++) {
        struct spv_inv inv = item(SPV_INV_TX, i);
        if (i % 40000 == 0)
            spv_known_inv_add(&known, first.hash.b);
        spv_known_inv_add(&known, inv.hash.b);
        assert_true(spv_known_inv_has(&known, first.hash.b));
    }
    spv_known_inv_free(&known);
}

/* Builds a chain of n headers; the previous hash of the first is hash `prev`. */
static void build_chain(struct spv_header *headers, size_t n, uint64_t prev)
{
    for (size_t i = 0; i < n; i++) {
        headers[i] = peer_fixture_header(prev);
        if (i > 0)
            spv_header_hash(&headers[i].prev, &headers[i - 1]);
    }
}

/* The peer sends a getheaders whose locator starts with hash n: it has that block. */
static void peer_has(struct peer_fixture *k, uint64_t n)
{
    struct spv_blockhash locator = peer_fixture_hash(n);
    struct spv_msg msg = {.command = SPV_CMD_GETHEADERS,
                          .u.getheaders = {.version = 70016, .locator = &locator, .n = 1}};
    assert_int_equal(peer_fixture_send(k, &msg), 0);
}

/* Announces n headers on hash 50; expects this many headers, or an inv of the last (0). */
static void announce(struct peer_fixture *k, size_t n, size_t expected)
{
    struct spv_header chain[20];
    struct spv_msg out;
    build_chain(chain, n, 50);
    assert_int_equal(spv_peer_announce(k->p, chain, n, k->now), 1);
    if (expected > 0) {
        assert_int_equal(peer_fixture_recv(k, &out), SPV_CMD_HEADERS);
        assert_int_equal(out.u.headers.n, expected);
        struct spv_hash256 got = hash_of(&out.u.headers.headers[expected - 1]),
                           want = hash_of(&chain[n - 1]);
        assert_memory_equal(got.b, want.b, 32);
    } else {
        assert_int_equal(peer_fixture_recv(k, &out), SPV_CMD_INV);
        assert_int_equal(out.u.inv.n, 1);
        assert_int_equal(out.u.inv.items[0].type, SPV_INV_BLOCK);
        struct spv_hash256 want = hash_of(&chain[n - 1]);
        assert_memory_equal(out.u.inv.items[0].hash.b, want.b, 32);
    }
    peer_fixture_expect_silence(k);
    assert_int_equal(spv_peer_announce(k->p, chain, n, k->now), 0); /* it was announced already */
}

static void blocks_are_announced_as_the_peer_prefers(void **state)
{
    (void)state;
    static const struct {
        bool asked, has;
        size_t n, headers;
    } cases[] = {
        {true, true, 1, 1},  {true, true, 8, 8},  {true, true, 9, 0},
        {true, false, 1, 0}, {false, true, 1, 0}, {false, false, 3, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct peer_fixture k;
        open_quiet(&k);
        if (cases[i].asked)
            assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_SENDHEADERS), 0);
        if (cases[i].has)
            peer_has(&k, 50);
        announce(&k, cases[i].n, cases[i].headers);
        peer_fixture_close(&k);
    }
}

static void leading_headers_that_the_peer_has_are_left_out(void **state)
{
    (void)state;
    struct peer_fixture k;
    open_quiet(&k);
    assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_SENDHEADERS), 0);
    peer_has(&k, 50);
    announce(&k, 3, 3);
    announce(&k, 11, 8); /* 3 and 8 more */
    announce(&k, 12, 1);
    peer_fixture_close(&k);
}

static void noncontinuous_headers_are_announced_by_an_inv(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg out;
    struct spv_header two[2] = {peer_fixture_header(50), peer_fixture_header(51)};
    open_quiet(&k);
    assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_SENDHEADERS), 0);
    peer_has(&k, 50);
    assert_int_equal(spv_peer_announce(k.p, two, 2, k.now), 1);
    assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_INV);
    assert_int_equal(spv_peer_announce(k.p, two, 0, k.now), 0);
    peer_fixture_close(&k);
}

static void headers_announcements_connect_to_headers_sent_or_received_before(void **state)
{
    (void)state;
    for (int served = 0; served < 2; served++) {
        struct peer_fixture k;
        struct spv_header chain[13];
        struct spv_msg out;
        open_quiet(&k);
        build_chain(chain, 13, 7);
        struct spv_msg msg = {.command = SPV_CMD_HEADERS, .u.headers = {.headers = chain, .n = 12}};
        assert_int_equal(peer_fixture_send_empty(&k, SPV_CMD_SENDHEADERS), 0);
        if (served) {
            assert_int_equal(spv_peer_send(k.p, &msg, k.now), 0);
            peer_fixture_expect(&k, SPV_CMD_HEADERS);
        } else {
            assert_int_equal(peer_fixture_send(&k, &msg), 0);
        }
        assert_int_equal(spv_peer_announce(k.p, &chain[12], 1, k.now), 1);
        assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_HEADERS);
        peer_fixture_close(&k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_announced_at_once_and_only_once),
        cmocka_unit_test(transactions_trickle_a_thousand_at_a_time),
        cmocka_unit_test(the_delay_is_memoryless_around_ten_seconds),
        cmocka_unit_test(items_that_the_peer_has_are_left_out_when_queued_and_when_sent),
        cmocka_unit_test(sent_and_received_transactions_and_blocks_are_known),
        cmocka_unit_test(a_fee_filter_above_the_fee_rate_suppresses_the_announcement),
        cmocka_unit_test(a_peer_without_relay_gets_no_transactions),
        cmocka_unit_test(transactions_queued_early_trickle_after_the_handshake),
        cmocka_unit_test(announced_by_wtxid_only_after_both_sides_sent_wtxidrelay),
        cmocka_unit_test(fifty_thousand_transactions_may_be_queued),
        cmocka_unit_test(a_full_send_queue_delays_announcements),
        cmocka_unit_test(the_last_fifty_thousand_hashes_are_known_and_memory_is_bounded),
        cmocka_unit_test(an_old_known_hash_is_kept_when_it_is_announced_again),
        cmocka_unit_test(blocks_are_announced_as_the_peer_prefers),
        cmocka_unit_test(leading_headers_that_the_peer_has_are_left_out),
        cmocka_unit_test(noncontinuous_headers_are_announced_by_an_inv),
        cmocka_unit_test(headers_announcements_connect_to_headers_sent_or_received_before),
    };
    return cmocka_run_group_tests_name("peer: relay", tests, NULL, NULL);
}
