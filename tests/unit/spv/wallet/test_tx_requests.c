/* Requests of announced transactions: from two peers, a hundred open ones each, never twice, with
 * witness where the peer has it. */
#include "support/random.h"
#include "support/unit.h"

#include "spv/error.h"
#include "spv/wallet/tx_requests.h"

static struct spv_effects effects;
static struct spv_tx_requests *requests;

static int setup(void **state)
{
    static struct test_random random;
    const struct spv_rng rng = test_random_rng(&random);

    (void)state;
    random.state = 5;
    spv_effects_init(&effects);
    return spv_tx_requests_new(&requests, &effects, &rng);
}

static int teardown(void **state)
{
    (void)state;
    spv_tx_requests_free(requests);
    spv_effects_free(&effects);
    return 0;
}

static struct spv_inv tx_item(uint32_t number)
{
    struct spv_inv item = {.type = SPV_INV_TX};

    memcpy(item.hash.b, &number, sizeof number);
    return item;
}

static struct spv_txid txid_of(uint32_t number)
{
    const struct spv_inv item = tx_item(number);
    struct spv_txid txid;

    memcpy(txid.b, item.hash.b, sizeof txid.b);
    return txid;
}

/* How many transactions the next effect requests of a peer; 0: there is none. */
static size_t requested(uint64_t peer, uint32_t type)
{
    struct spv_effect e;

    if (spv_effects_pop(&effects, &e) == 0)
        return 0;
    assert_int_equal(e.kind, SPV_EFFECT_SEND);
    assert_int_equal(e.peer, peer);
    assert_int_equal(e.message.command, SPV_CMD_GETDATA);
    for (size_t i = 0; i < e.message.u.inv.n; i++)
        assert_int_equal(e.message.u.inv.items[i].type, type);
    return e.message.u.inv.n;
}

static size_t announce(uint64_t peer, uint32_t first, uint32_t last)
{
    static struct spv_inv items[3000];
    size_t n = 0;

    for (uint32_t i = first; i <= last; i++)
        items[n++] = tx_item(i);
    assert_int_equal(spv_tx_requests_inv(requests, peer, true, items, n), 0);
    return requested(peer, SPV_INV_TX | SPV_INV_WITNESS);
}

static void two_peers_are_asked_and_no_third(void **state)
{
    (void)state;
    assert_int_equal(announce(1, 7, 7), 1);
    assert_int_equal(announce(1, 7, 7), 0);
    assert_int_equal(announce(2, 7, 7), 1);
    assert_int_equal(announce(3, 7, 7), 0);
    const struct spv_txid txid = txid_of(7);
    assert_false(spv_tx_requests_tx(requests, 3, &txid)); /* it was not asked */
    assert_true(spv_tx_requests_tx(requests, 1, &txid));
    assert_false(spv_tx_requests_tx(requests, 1, &txid)); /* a second time */
    assert_int_equal(announce(3, 7, 7), 0); /* received: no peer is asked again */
    assert_int_equal(announce(1, 7, 7), 0);
    assert_true(spv_tx_requests_tx(requests, 2, &txid)); /* the other request is still answered */
}

static void a_peer_without_witness_is_asked_for_none(void **state)
{
    const struct spv_inv items[] = {
        tx_item(1), {.type = SPV_INV_BLOCK}, {.type = SPV_INV_WTX}, tx_item(2)};

    (void)state;
    assert_int_equal(spv_tx_requests_inv(requests, 4, false, items, COUNT(items)), 0);
    assert_int_equal(requested(4, SPV_INV_TX), 2);
    assert_int_equal(requested(4, SPV_INV_TX), 0);
}

static void notfound_and_a_lost_peer_leave_it_to_others(void **state)
{
    const struct spv_inv missing[] = {{.type = SPV_INV_BLOCK}, tx_item(9)};
    const struct spv_msg_inv msg = {missing, COUNT(missing)};

    (void)state;
    assert_int_equal(announce(1, 9, 9), 1);
    assert_int_equal(announce(2, 9, 9), 1);
    assert_int_equal(announce(3, 9, 9), 0);
    spv_tx_requests_notfound(requests, 1, &msg);
    assert_int_equal(announce(3, 9, 9), 1);
    assert_int_equal(announce(4, 9, 9), 0);
    spv_tx_requests_remove(requests, 2);
    spv_tx_requests_remove(requests, 77);
    assert_int_equal(announce(4, 9, 9), 1);
    const struct spv_txid txid = txid_of(9);
    assert_false(spv_tx_requests_tx(requests, 2, &txid));
}

static void a_peer_has_a_hundred_open_requests(void **state)
{
    (void)state;
    assert_int_equal(announce(1, 1, SPV_TX_REQUESTS_OPEN - 1), SPV_TX_REQUESTS_OPEN - 1);
    assert_int_equal(announce(1, 1000, 1005), 1);
    assert_int_equal(announce(1, 2000, 2000), 0);
    const struct spv_txid txid = txid_of(3);
    assert_true(spv_tx_requests_tx(requests, 1, &txid));
    assert_int_equal(announce(1, 2000, 2001), 1);
}

/* Only the first thousand items of an inv are read. */
static void a_long_inv_is_read_in_part(void **state)
{
    (void)state;
    assert_int_equal(announce(1, 1, 50), 50);
    for (uint32_t i = 1; i <= 50; i++) {
        const struct spv_txid txid = txid_of(i);
        assert_true(spv_tx_requests_tx(requests, 1, &txid));
    }
    static struct spv_inv items[SPV_TX_REQUESTS_ITEMS + 1];
    for (uint32_t i = 0; i < COUNT(items); i++)
        items[i] = tx_item(1 + i % 50);
    items[SPV_TX_REQUESTS_ITEMS] = tx_item(60);
    assert_int_equal(spv_tx_requests_inv(requests, 1, true, items, COUNT(items)), 0);
    assert_int_equal(requested(1, SPV_INV_TX | SPV_INV_WITNESS), 0);
    items[SPV_TX_REQUESTS_ITEMS - 1] = tx_item(60);
    assert_int_equal(spv_tx_requests_inv(requests, 1, true, items, COUNT(items)), 0);
    assert_int_equal(requested(1, SPV_INV_TX | SPV_INV_WITNESS), 1);
}

static void more_peers_than_a_node_has_are_not_asked(void **state)
{
    (void)state;
    for (uint64_t peer = 1; peer <= SPV_NODE_MAX_PEERS; peer++)
        assert_int_equal(announce(peer, (uint32_t)peer, (uint32_t)peer), 1);
    assert_int_equal(announce(SPV_NODE_MAX_PEERS + 1, 500, 500), 0);
    assert_true(spv_tx_requests_memory(requests) < 1024 * 1024);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(two_peers_are_asked_and_no_third),
        T(a_peer_without_witness_is_asked_for_none),
        T(notfound_and_a_lost_peer_leave_it_to_others),
        T(a_peer_has_a_hundred_open_requests),
        T(a_long_inv_is_read_in_part),
        T(more_peers_than_a_node_has_are_not_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
