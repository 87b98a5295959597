/* Which message answers which request, and the timeout of unanswered ones. */
#include "unit/peer/peer_fixture.h"

#include "util/hash.h"

static int ask_from(struct peer_fixture *k, const uint64_t *locator, size_t n)
{
    struct spv_blockhash hashes[SPV_MAX_LOCATOR];
    struct spv_msg out;
    for (size_t i = 0; i < n; i++)
        hashes[i] = peer_fixture_hash(locator[i]);
    struct spv_msg msg = {.command = SPV_CMD_GETHEADERS,
                          .u.getheaders = {.locator = hashes, .n = n}};
    int rc = spv_peer_send(k->p, &msg, k->now);
    if (rc == 0)
        assert_int_equal(peer_fixture_recv(k, &out), SPV_CMD_GETHEADERS);
    return rc;
}

static int ask(struct peer_fixture *k, uint64_t first)
{
    const uint64_t locator[] = {first, 1};
    return ask_from(k, locator, 2);
}

/* Sends n headers, the first of which follows hash `prev`. */
static int answer(struct peer_fixture *k, uint64_t prev, size_t n)
{
    static struct spv_header headers[SPV_MAX_HEADERS];
    for (size_t i = 0; i < n; i++)
        headers[i] = peer_fixture_header(i == 0 ? prev : 1000000 + i);
    struct spv_msg msg = {.command = SPV_CMD_HEADERS, .u.headers = {.headers = headers, .n = n}};
    return peer_fixture_send(k, &msg);
}

/* Opens a ready peer that sends no pings, so that only requests time out. */
static void open_quiet(struct peer_fixture *k)
{
    peer_fixture_init(k);
    k->cfg.timeouts.ping_interval = 100000 * SPV_SECOND;
    k->cfg.timeouts.idle = 100000 * SPV_SECOND;
    k->services |= SPV_NODE_BLOOM; /* required for mempool */
    peer_fixture_ready(k, SPV_OUTBOUND);
}

static void getheaders_unanswered_for_ninety_seconds_closes(void **state)
{
    (void)state;
    struct peer_fixture k;
    open_quiet(&k);
    assert_int_equal(ask(&k, 50), 0);
    assert_int_equal(peer_fixture_wait_us(&k, 90 * SPV_SECOND - 1), 0);
    assert_int_equal(peer_fixture_wait_us(&k, 1), SPV_ERR_STALL);
    assert_int_equal(spv_err_class_of(SPV_ERR_STALL), SPV_CLASS_TIMEOUT);
    peer_fixture_close(&k);
}

static void an_answer_removes_the_request(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 8, 9, 2000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct peer_fixture k;
        open_quiet(&k);
        assert_int_equal(ask(&k, 50), 0);
        assert_int_equal(answer(&k, 50, sizes[i]), 0);
        assert_int_equal(peer_fixture_wait(&k, 1000), 0);
        peer_fixture_close(&k);
    }
}

static void statistics_have_the_time_of_the_last_answer(void **state)
{
    (void)state;
    struct spv_peer_stats stats;
    struct peer_fixture k;
    open_quiet(&k);
    assert_int_equal(ask(&k, 50), 0);
    assert_int_equal(peer_fixture_wait(&k, 3), 0);
    assert_int_equal(ask(&k, 60), 0);
    spv_peer_get_stats(k.p, &stats);
    assert_int_equal(stats.answer_us, 0);
    assert_int_equal(peer_fixture_wait(&k, 4), 0);
    assert_int_equal(answer(&k, 50, 2000), 0);
    spv_peer_get_stats(k.p, &stats);
    assert_int_equal(stats.answer_us, 7 * SPV_SECOND);
    assert_int_equal(answer(&k, 60, 0), 0);
    spv_peer_get_stats(k.p, &stats);
    assert_int_equal(stats.answer_us, 4 * SPV_SECOND);
    assert_int_equal(peer_fixture_wait(&k, 9), 0);
    assert_int_equal(answer(&k, 70, 1), 0); /* an announcement is no answer */
    spv_peer_get_stats(k.p, &stats);
    assert_int_equal(stats.answer_us, 4 * SPV_SECOND);
    peer_fixture_close(&k);
}

static void deadlines_of_requests_in_flight_restart_with_each_answer(void **state)
{
    (void)state;
    struct peer_fixture k;
    open_quiet(&k);
    assert_int_equal(ask(&k, 50), 0);
    assert_int_equal(peer_fixture_wait(&k, 30), 0);
    assert_int_equal(ask(&k, 60), 0);
    assert_int_equal(peer_fixture_wait(&k, 30), 0);
    assert_int_equal(answer(&k, 50, 2000), 0);
    assert_int_equal(peer_fixture_wait_us(&k, 90 * SPV_SECOND - 1),
                     0); /* its deadline restarted with the first answer */
    assert_int_equal(peer_fixture_wait_us(&k, 1), SPV_ERR_STALL);
    peer_fixture_close(&k);
}

static void answers_may_come_in_any_order(void **state)
{
    (void)state;
    struct peer_fixture k;
    open_quiet(&k);
    assert_int_equal(ask(&k, 50), 0);
    assert_int_equal(peer_fixture_wait(&k, 10), 0);
    assert_int_equal(ask(&k, 60), 0);
    assert_int_equal(answer(&k, 60, 2000), 0); /* answers the second, not the oldest */
    assert_int_equal(peer_fixture_wait_us(&k, 80 * SPV_SECOND - 1), 0);
    assert_int_equal(peer_fixture_wait_us(&k, 1), SPV_ERR_STALL);
    peer_fixture_close(&k);
}

static void an_answer_from_a_later_locator_hash_is_accepted(void **state)
{
    (void)state;
    static const uint64_t locator[] = {50, 49, 48, 40, 1};
    static const size_t sizes[] = {1, 8, 2000};
    for (size_t i = 0; i < 3; i++) {
        struct peer_fixture k;
        open_quiet(&k);
        assert_int_equal(ask_from(&k, locator, 5), 0);
        assert_int_equal(answer(&k, 40, sizes[i]), 0);
        assert_int_equal(peer_fixture_wait(&k, 1000), 0);
        peer_fixture_close(&k);
    }
}

static void a_first_locator_hash_matches_before_a_later_one(void **state)
{
    (void)state;
    static const uint64_t newer_chain[] = {90, 50, 1};
    struct peer_fixture k;
    open_quiet(&k);
    assert_int_equal(ask_from(&k, newer_chain, 3), 0);
    assert_int_equal(peer_fixture_wait(&k, 10), 0);
    assert_int_equal(ask(&k, 50), 0);
    assert_int_equal(answer(&k, 50, 20), 0); /* the second's */
    assert_int_equal(peer_fixture_wait_us(&k, 80 * SPV_SECOND - 1), 0);
    assert_int_equal(peer_fixture_wait_us(&k, 1), SPV_ERR_STALL);
    peer_fixture_close(&k);
}

static void an_empty_message_answers_the_oldest_request(void **state)
{
    (void)state;
    struct peer_fixture k;
    open_quiet(&k);
    assert_int_equal(ask(&k, 50), 0);
    assert_int_equal(peer_fixture_wait(&k, 10), 0);
    assert_int_equal(ask(&k, 60), 0);
    assert_int_equal(answer(&k, 0, 0), 0);
    assert_int_equal(peer_fixture_wait_us(&k, 90 * SPV_SECOND - 1), 0);
    assert_int_equal(peer_fixture_wait_us(&k, 1), SPV_ERR_STALL);
    peer_fixture_close(&k);
}

static void an_answer_carries_the_tag_of_the_request_that_it_answers(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg out;
    open_quiet(&k);
    for (uint64_t first = 50; first <= 60; first += 10) {
        struct spv_blockhash hash = peer_fixture_hash(first);
        const struct spv_msg msg = {.command = SPV_CMD_GETHEADERS,
                                    .u.getheaders = {.locator = &hash, .n = 1, .tag = first + 7}};
        assert_int_equal(spv_peer_send(k.p, &msg, k.now), 0);
        assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_GETHEADERS);
    }
    assert_int_equal(answer(&k, 70, 1), 0); /* an announcement */
    assert_int_equal(k.got.u.headers.tag, 0);
    assert_int_equal(answer(&k, 60, 20), 0);
    assert_int_equal(k.got.u.headers.tag, 67);
    assert_int_equal(answer(&k, 0, 0), 0);
    assert_int_equal(k.got.u.headers.tag, 57);
    peer_fixture_close(&k);
}

/* Queues a getheaders that the socket does not accept yet. */
static void ask_unsent(struct peer_fixture *k, uint64_t first)
{
    struct spv_blockhash hash = peer_fixture_hash(first);
    struct spv_msg msg = {.command = SPV_CMD_GETHEADERS,
                          .u.getheaders = {.locator = &hash, .n = 1}};
    assert_int_equal(spv_peer_send(k->p, &msg, k->now), 0);
}

static void an_empty_message_answers_no_request_that_is_not_sent_completely(void **state)
{
    (void)state;
    struct peer_fixture k;
    const uint8_t *bytes;
    open_quiet(&k);
    assert_int_equal(answer(&k, 50, 0), 0); /* nothing is open */
    assert_int_equal(k.got.u.headers.role, SPV_HEADERS_UNSOLICITED);
    ask_unsent(&k, 50);
    spv_peer_sent(k.p, spv_peer_pending(k.p, &bytes) - 1, k.now);
    assert_int_equal(answer(&k, 50, 0), 0);
    assert_int_equal(k.got.u.headers.role, SPV_HEADERS_UNSOLICITED);
    spv_peer_sent(k.p, 1, k.now);
    assert_int_equal(answer(&k, 50, 0), 0);
    assert_int_equal(k.got.u.headers.role, SPV_HEADERS_ANSWER);
    assert_int_equal(peer_fixture_wait(&k, 1000), 0);
    peer_fixture_close(&k);
}

/* Sends a getheaders from the last header's hash of an answer, for which the fixture has no number.
 */
static void ask_behind(struct peer_fixture *k, uint64_t prev, size_t n)
{
    struct spv_header last = peer_fixture_header(n == 1 ? prev : 1000000 + n - 1);
    struct spv_blockhash hashes[2];
    struct spv_msg out;
    spv_header_hash(&hashes[0], &last);
    hashes[1] = peer_fixture_hash(prev);
    struct spv_msg msg = {.command = SPV_CMD_GETHEADERS,
                          .u.getheaders = {.locator = hashes, .n = 2}};
    assert_int_equal(spv_peer_send(k->p, &msg, k->now), 0);
    assert_int_equal(peer_fixture_recv(k, &out), SPV_CMD_GETHEADERS);
}

static void a_repeated_answer_does_not_answer_the_next_request(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 100, 2000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct peer_fixture k;
        open_quiet(&k);
        assert_int_equal(ask(&k, 50), 0);
        assert_int_equal(answer(&k, 50, sizes[i]), 0);
        assert_int_equal(k.got.u.headers.role, SPV_HEADERS_ANSWER);
        ask_behind(&k, 50, sizes[i]);
        assert_int_equal(answer(&k, 50, sizes[i]), 0);
        assert_int_equal(k.got.u.headers.role, SPV_HEADERS_REPEATED);
        assert_int_equal(peer_fixture_wait_us(&k, 90 * SPV_SECOND - 1), 0);
        assert_int_equal(peer_fixture_wait_us(&k, 1), SPV_ERR_STALL); /* it is still open */
        peer_fixture_close(&k);
    }
}

static void a_repeated_answer_answers_none_of_several_requests(void **state)
{
    (void)state;
    struct peer_fixture k;
    open_quiet(&k);
    assert_int_equal(ask(&k, 50), 0);
    assert_int_equal(ask(&k, 60), 0);
    assert_int_equal(ask(&k, 70), 0);
    assert_int_equal(answer(&k, 50, 2000), 0);
    assert_int_equal(answer(&k, 50, 2000), 0);
    assert_int_equal(k.got.u.headers.role, SPV_HEADERS_REPEATED);
    assert_int_equal(answer(&k, 60, 2000), 0);
    assert_int_equal(k.got.u.headers.role, SPV_HEADERS_ANSWER);
    assert_int_equal(answer(&k, 70, 2000), 0);
    assert_int_equal(k.got.u.headers.role, SPV_HEADERS_ANSWER);
    assert_int_equal(peer_fixture_wait(&k, 1000), 0);
    peer_fixture_close(&k);
}

/* A peer that lacks the first hashes of two requests answers both from the same fork point. */
static void the_same_short_answer_answers_each_request_that_contains_its_fork(void **state)
{
    (void)state;
    static const uint64_t from[][3] = {{70, 50, 1}, {80, 50, 1}, {90, 50, 1}};
    struct peer_fixture k;
    open_quiet(&k);
    assert_int_equal(ask(&k, 50), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(ask_from(&k, from[i], 3), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(answer(&k, 50, 100), 0);
        assert_int_equal(k.got.u.headers.role, SPV_HEADERS_ANSWER);
    }
    assert_int_equal(peer_fixture_wait(&k, 1000), 0);
    peer_fixture_close(&k);
}

static void the_same_answer_to_the_same_request_is_accepted_again(void **state)
{
    (void)state;
    struct peer_fixture k;
    open_quiet(&k);
    assert_int_equal(ask(&k, 50), 0);
    assert_int_equal(answer(&k, 50, 100), 0);
    assert_int_equal(ask(&k, 50), 0); /* the same request again */
    assert_int_equal(answer(&k, 50, 100), 0);
    assert_int_equal(k.got.u.headers.role, SPV_HEADERS_ANSWER);
    static const uint64_t further[] = {80, 50, 1}; /* the peer lacks the first */
    assert_int_equal(ask_from(&k, further, 3), 0);
    assert_int_equal(answer(&k, 50, 100), 0);
    assert_int_equal(k.got.u.headers.role, SPV_HEADERS_ANSWER);
    assert_int_equal(peer_fixture_wait(&k, 1000), 0);
    peer_fixture_close(&k);
}

static void an_announcement_answers_no_request(void **state)
{
    (void)state;
    struct peer_fixture k;
    open_quiet(&k);
    assert_int_equal(ask(&k, 50), 0);
    assert_int_equal(peer_fixture_wait(&k, 30), 0);
    assert_int_equal(answer(&k, 777, 8), 0);
    assert_int_equal(peer_fixture_wait_us(&k, 60 * SPV_SECOND - 1), 0);
    assert_int_equal(peer_fixture_wait_us(&k, 1), SPV_ERR_STALL);
    peer_fixture_close(&k);
}

static void a_long_message_without_a_locator_match_answers_the_oldest_request(void **state)
{
    (void)state;
    struct peer_fixture k; /* the peer had no locator hash and started at genesis */
    open_quiet(&k);
    assert_int_equal(ask(&k, 50), 0);
    assert_int_equal(answer(&k, 777, 9), 0);
    assert_int_equal(peer_fixture_wait(&k, 1000), 0);
    peer_fixture_close(&k);
}

/* Builds a transaction with one input and one output, with or without a witness. */
static void build_tx(struct spv_buffer *b, bool witness)
{
    static const uint8_t zero[36];
    spv_buffer_init(b);
    spv_buffer_u32(b, 2);
    if (witness)
        spv_buffer_u16be(b, 0x0001);
    spv_buffer_u8(b, 1);
    spv_buffer_put(b, zero, 36);
    spv_buffer_u8(b, 3);
    spv_buffer_put(b, "abc", 3);
    spv_buffer_u32(b, 0xffffffff);
    spv_buffer_u8(b, 1);
    spv_buffer_u64(b, 5000);
    spv_buffer_u8(b, 2);
    spv_buffer_put(b, "de", 2);
    if (witness)
        spv_buffer_put(b, "\x01\x02zz", 4);
    spv_buffer_u32(b, 17);
}

static void unrelated_messages_answer_no_request(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_inv item = {SPV_INV_BLOCK, {{9}}};
    struct spv_msg inv = {.command = SPV_CMD_INV, .u.inv = {&item, 1}};
    struct spv_buffer tx;
    build_tx(&tx, false);
    open_quiet(&k);
    assert_int_equal(ask(&k, 50), 0);
    assert_int_equal(peer_fixture_wait(&k, 89), 0);
    assert_int_equal(peer_fixture_send(&k, &inv), 0);
    assert_int_equal(peer_fixture_send_ping(&k, SPV_CMD_PING, 1), 0);
    assert_int_equal(peer_fixture_send_raw(&k, "tx", tx.data, tx.len), 0);
    assert_int_equal(peer_fixture_wait(&k, 1), SPV_ERR_STALL);
    spv_buffer_free(&tx);
    peer_fixture_close(&k);
}

static void a_request_by_stop_hash_is_answered_by_that_header(void **state)
{
    (void)state;
    struct spv_header header = peer_fixture_header(4711);
    struct spv_msg msg = {.command = SPV_CMD_GETHEADERS};
    for (int right = 0; right < 2; right++) {
        struct peer_fixture k;
        struct spv_msg out;
        open_quiet(&k);
        spv_header_hash(&msg.u.getheaders.stop, &header);
        assert_int_equal(spv_peer_send(k.p, &msg, k.now), 0);
        assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_GETHEADERS);
        assert_int_equal(answer(&k, right ? 4711 : 4712, 1), 0);
        assert_int_equal(peer_fixture_wait(&k, 1000), right ? 0 : SPV_ERR_STALL);
        peer_fixture_close(&k);
    }
}

static void sixty_four_requests_may_be_unanswered(void **state)
{
    (void)state;
    struct peer_fixture k;
    open_quiet(&k);
    for (uint64_t i = 0; i < SPV_PEER_REQUESTS; i++)
        assert_int_equal(ask(&k, 100 + i), 0);
    assert_int_equal(ask(&k, 99), SPV_ERR_QUEUE_FULL);
    peer_fixture_expect_silence(&k);
    assert_int_equal(answer(&k, 130, 2000), 0);
    assert_int_equal(ask(&k, 99), 0);
    for (uint64_t i = 0; i < SPV_PEER_REQUESTS; i++)
        if (i != 30)
            assert_int_equal(answer(&k, 100 + i, 1), 0);
    assert_int_equal(answer(&k, 99, 1), 0);
    assert_int_equal(peer_fixture_wait(&k, 1000), 0);
    peer_fixture_close(&k);
}

static void deadline_of_a_deferred_request_starts_after_the_handshake(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg out;
    struct spv_blockhash locator[] = {peer_fixture_hash(50)};
    struct spv_msg msg = {.command = SPV_CMD_GETHEADERS,
                          .u.getheaders = {.locator = locator, .n = 1}};
    peer_fixture_init(&k);
    k.cfg.timeouts.ping_interval = 100000 * SPV_SECOND;
    k.cfg.timeouts.getheaders = 5 * SPV_SECOND;
    peer_fixture_open(&k, SPV_OUTBOUND);
    assert_int_equal(spv_peer_send(k.p, &msg, k.now), 0);
    assert_int_equal(peer_fixture_wait(&k, 20), 0);
    peer_fixture_handshake(&k, 70016);
    assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_GETHEADERS);
    assert_int_equal(peer_fixture_wait_us(&k, 5 * SPV_SECOND - 1), 0);
    assert_int_equal(peer_fixture_wait_us(&k, 1), SPV_ERR_STALL);
    peer_fixture_close(&k);
}

/* Requests a block and two transactions; this many answers arrive, 20 s apart. */
static int request_items(unsigned answers)
{
    struct peer_fixture k;
    struct spv_msg out;
    struct spv_buffer plain, witness;
    struct spv_header header = peer_fixture_header(3);
    /* One transaction, one hash (zero), one byte of flags. */
    uint8_t raw[SPV_HEADER_SIZE + 4 + 1 + 32 + 2] = {
        [SPV_HEADER_SIZE] = 1, [SPV_HEADER_SIZE + 4] = 1, [SPV_HEADER_SIZE + 37] = 1};
    build_tx(&plain, false);
    build_tx(&witness, true);
    spv_header_encode(raw, &header);
    struct spv_inv items[4] = {{SPV_INV_FILTERED_BLOCK, {{0}}},
                               {SPV_INV_WITNESS | SPV_INV_TX, {{0}}},
                               {SPV_INV_WTX, {{0}}},
                               {SPV_INV_TX, {{1, 2, 3}}}};
    spv_sha256d(items[0].hash.b, raw, SPV_HEADER_SIZE);
    spv_sha256d(items[1].hash.b, plain.data, plain.len);
    spv_sha256d(items[2].hash.b, witness.data, witness.len);
    struct spv_msg msg = {.command = SPV_CMD_GETDATA, .u.inv = {items, 4}};

    open_quiet(&k);
    assert_int_equal(spv_peer_send(k.p, &msg, k.now), 0);
    assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_GETDATA);
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < answers; i++) {
        rc = peer_fixture_wait(&k, 20);
        if (rc == 0 && i == 0)
            rc = peer_fixture_send_raw(&k, "merkleblock", raw, sizeof(raw));
        if (rc == 0 && (i == 1 || i == 2)) /* requested by wtxid, then by txid */
            rc = peer_fixture_send_raw(&k, "tx", witness.data, witness.len);
        if (rc == 0 && i == 3) {
            struct spv_msg notfound = {.command = SPV_CMD_NOTFOUND, .u.inv = {&items[3], 1}};
            rc = peer_fixture_send(&k, &notfound);
        }
    }
    if (rc == 0)
        rc = peer_fixture_wait(&k, 1000);
    spv_buffer_free(&plain);
    spv_buffer_free(&witness);
    peer_fixture_close(&k);
    return rc;
}

static void getdata_is_answered_item_by_item(void **state)
{
    (void)state;
    assert_int_equal(request_items(4), 0);
    assert_int_equal(request_items(3), SPV_ERR_STALL);
    assert_int_equal(request_items(0), SPV_ERR_STALL);
}

static void getdata_without_an_answer_closes_after_thirty_seconds(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_msg out;
    struct spv_inv item = {SPV_INV_BLOCK, {{9}}};
    struct spv_msg msg = {.command = SPV_CMD_GETDATA, .u.inv = {&item, 1}};
    open_quiet(&k);
    assert_int_equal(spv_peer_send(k.p, &msg, k.now), 0);
    assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_GETDATA);
    assert_int_equal(peer_fixture_wait(&k, 29), 0);
    assert_int_equal(answer(&k, 50, 2000), 0); /* headers do not answer a getdata */
    assert_int_equal(peer_fixture_wait(&k, 1), SPV_ERR_STALL);
    peer_fixture_close(&k);
}

static void unrequested_transactions_answer_nothing_and_truncated_ones_close(void **state)
{
    (void)state;
    struct spv_inv item = {SPV_INV_TX, {{9}}};
    struct spv_msg out, msg = {.command = SPV_CMD_GETDATA, .u.inv = {&item, 1}};
    struct spv_buffer tx;
    build_tx(&tx, true);
    for (size_t n = 0; n <= tx.len; n++) {
        struct peer_fixture k;
        open_quiet(&k);
        assert_int_equal(spv_peer_send(k.p, &msg, k.now), 0);
        assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_GETDATA);
        assert_int_equal(peer_fixture_send_raw(&k, "tx", tx.data, n),
                         n < tx.len ? SPV_ERR_SHORT : 0);
        assert_int_equal(peer_fixture_wait(&k, 30), n < tx.len ? SPV_ERR_SHORT : SPV_ERR_STALL);
        peer_fixture_close(&k);
    }
    spv_buffer_free(&tx);
}

static void getblocks_and_mempool_may_stay_unanswered(void **state)
{
    (void)state;
    struct peer_fixture k;
    struct spv_blockhash locator[] = {peer_fixture_hash(50)};
    struct spv_msg out,
        msg = {.command = SPV_CMD_GETBLOCKS, .u.getheaders = {.locator = locator, .n = 1}};
    open_quiet(&k);
    assert_int_equal(spv_peer_send(k.p, &msg, k.now), 0);
    assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_GETBLOCKS);
    msg = (struct spv_msg){.command = SPV_CMD_MEMPOOL};
    assert_int_equal(spv_peer_send(k.p, &msg, k.now), 0);
    assert_int_equal(peer_fixture_recv(&k, &out), SPV_CMD_MEMPOOL);
    assert_int_equal(peer_fixture_wait(&k, 1000), 0);
    peer_fixture_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(getheaders_unanswered_for_ninety_seconds_closes),
        cmocka_unit_test(an_answer_removes_the_request),
        cmocka_unit_test(statistics_have_the_time_of_the_last_answer),
        cmocka_unit_test(deadlines_of_requests_in_flight_restart_with_each_answer),
        cmocka_unit_test(answers_may_come_in_any_order),
        cmocka_unit_test(an_answer_from_a_later_locator_hash_is_accepted),
        cmocka_unit_test(a_first_locator_hash_matches_before_a_later_one),
        cmocka_unit_test(an_answer_carries_the_tag_of_the_request_that_it_answers),
        cmocka_unit_test(an_empty_message_answers_the_oldest_request),
        cmocka_unit_test(an_empty_message_answers_no_request_that_is_not_sent_completely),
        cmocka_unit_test(a_repeated_answer_does_not_answer_the_next_request),
        cmocka_unit_test(a_repeated_answer_answers_none_of_several_requests),
        cmocka_unit_test(the_same_short_answer_answers_each_request_that_contains_its_fork),
        cmocka_unit_test(the_same_answer_to_the_same_request_is_accepted_again),
        cmocka_unit_test(an_announcement_answers_no_request),
        cmocka_unit_test(a_long_message_without_a_locator_match_answers_the_oldest_request),
        cmocka_unit_test(unrelated_messages_answer_no_request),
        cmocka_unit_test(a_request_by_stop_hash_is_answered_by_that_header),
        cmocka_unit_test(sixty_four_requests_may_be_unanswered),
        cmocka_unit_test(deadline_of_a_deferred_request_starts_after_the_handshake),
        cmocka_unit_test(getdata_is_answered_item_by_item),
        cmocka_unit_test(getdata_without_an_answer_closes_after_thirty_seconds),
        cmocka_unit_test(unrequested_transactions_answer_nothing_and_truncated_ones_close),
        cmocka_unit_test(getblocks_and_mempool_may_stay_unanswered),
    };
    return cmocka_run_group_tests_name("peer: requests", tests, NULL, NULL);
}
