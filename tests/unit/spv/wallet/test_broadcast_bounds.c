/* Bounds of a broadcast, rows that contradict themselves, and random orders of inputs. */
#include "broadcast_case.h"

#include <stdio.h>

static int publish_raw(struct broadcast_case *c, const struct built_tx *tx)
{
    const struct spv_broadcast_report report = {.txid = tx->txid, .fee = -1};

    return spv_broadcast_publish(c->b, &tx->tx, &report, 1, 0, c->now);
}

static int publish_pair(struct broadcast_case *c, const struct built_tx *pair)
{
    const struct spv_broadcast_report reports[] = {{.txid = pair[0].txid}, {.txid = pair[1].txid}};
    const struct spv_tx txs[] = {pair[0].tx, pair[1].tx};

    return spv_broadcast_publish(c->b, txs, reports, 2, 0, c->now);
}

static void thousand_transactions_are_kept(void **state)
{
    struct broadcast_case *c = *state;
    struct spv_txid first = {.b = {0}};
    struct built_tx tx, pair[2];
    uint64_t next = 0;
    size_t n = 0;
    struct spv_broadcast_progress out;

    make_tx(&pair[0], TX_SPEC(TX_INS({.script = 8}), TX_OUTS({1, 20})));
    make_tx(&pair[1], TX_SPEC(TX_INS({.script = 9, .prev = pair[0].txid}), TX_OUTS({1, 20})));
    for (uint32_t i = 0; i <= SPV_BROADCAST_MAX_TXS; i++) {
        if (i == SPV_BROADCAST_MAX_TXS - 1)
            assert_int_equal(publish_pair(c, pair), SPV_ERR_TOO_MANY);
        make_tx(&tx, TX_SPEC(TX_INS({.script = 9, .vout = i}), TX_OUTS({1, 20})));
        if (i == 0)
            first = tx.txid;
        assert_int_equal(publish_raw(c, &tx), i < SPV_BROADCAST_MAX_TXS ? 0 : SPV_ERR_TOO_MANY);
        if (i < SPV_BROADCAST_MAX_TXS)
            built_tx_free(&tx);
    }
    while (spv_broadcast_next(c->b, &next, &out))
        assert_int_equal(next, ++n);
    assert_int_equal(n, SPV_BROADCAST_MAX_TXS);
    assert_true(spv_broadcast_memory(c->b) > 1000 * 60 && spv_broadcast_memory(c->b) < 2000000);
    /* a refused one changes nothing; one that is forgotten leaves its place */
    assert_int_equal(spv_broadcast_withdraw(c->b, &first, c->now), 0);
    c->now.unix_s += SPV_BROADCAST_KEEP_S;
    assert_int_equal(spv_broadcast_timer(c->b, c->now), 0);
    assert_int_equal(publish_raw(c, &tx), 0);
    built_tx_free(&tx);
    built_tx_free(&pair[0]);
    built_tx_free(&pair[1]);
}

static void forty_megabytes_are_kept(void **state)
{
    struct broadcast_case *c = *state;
    struct built_tx tx;
    size_t sum = 0;

    for (uint32_t i = 0;; i++) {
        make_tx(&tx, TX_SPEC(TX_INS({.witness = 399000, .vout = i}), TX_OUTS({1, 20})));
        sum += tx.tx.n;
        const int rc = publish_raw(c, &tx);
        built_tx_free(&tx);
        assert_int_equal(rc, sum <= SPV_BROADCAST_MAX_BYTES ? 0 : SPV_ERR_TOO_MANY);
        if (rc < 0)
            break;
    }
}

static void connections_are_bounded(void **state)
{
    struct broadcast_case *c = *state;
    struct spv_broadcast_peer peer = {.relay = true};

    for (peer.id = 1; peer.id <= SPV_BROADCAST_MAX_PEERS; peer.id++)
        assert_int_equal(spv_broadcast_add_peer(c->b, &peer, c->now), 0);
    assert_int_equal(spv_broadcast_add_peer(c->b, &peer, c->now), SPV_ERR_TOO_MANY);
    peer.id = 7;
    assert_int_equal(spv_broadcast_add_peer(c->b, &peer, c->now), 0);
}

static void packages_of_0_or_26_and_duplicates_are_invalid(void **state)
{
    struct broadcast_case *c = *state;
    struct spv_broadcast_report reports[2];
    struct spv_tx txs[2];
    struct built_tx tx;

    make_tx(&tx, TX_SPEC(TX_INS({.script = 9}), TX_OUTS({1, 20})));
    txs[0] = txs[1] = tx.tx;
    reports[0] = reports[1] = (struct spv_broadcast_report){.txid = tx.txid};
    assert_int_equal(spv_broadcast_publish(c->b, txs, reports, 0, 0, c->now), SPV_ERR_INVALID);
    assert_int_equal(spv_broadcast_publish(c->b, txs, reports, 26, 0, c->now), SPV_ERR_INVALID);
    assert_int_equal(spv_broadcast_publish(c->b, txs, reports, 2, 0, c->now), SPV_ERR_INVALID);
    built_tx_free(&tx);
}

/* ---- rows ---- */

static void row_that_the_library_does_not_write_is_refused(void **state)
{
    struct broadcast_case *c = *state;
    struct built_tx tx;
    struct spv_broadcast_row good, bad[20];
    size_t n = 0;
    const struct spv_broadcast_config cfg = {.rng = test_random_rng(&c->random)};

    make_tx(&tx, TX_SPEC(TX_INS({.script = 9}), TX_OUTS({1, 20})));
    connect(c, 1, CONN_RELAY);
    assert_int_equal(publish(c, &tx, 0), 0);
    good = c->rows[0];
    for (size_t i = 0; i < COUNT(bad); i++)
        bad[i] = good;
    bad[n++].id = 0;
    bad[n++].package = 0;
    bad[n++].position = SPV_BROADCAST_MAX_PACKAGE;
    bad[n++].state = 0;
    bad[n++].state = 5;
    bad[n++].flags = 2;
    bad[n++].n_groups = SPV_BROADCAST_MAX_GROUPS + 1;
    bad[n++].facts[0] = 16;
    bad[n++].txid.b[0] ^= 1;
    bad[n++].raw.n--;
    bad[n++].raw.n = 0;
    bad[n++].wait_time = -1;
    bad[n++].announced_at = -1;
    bad[n++].ended_at = -1;
    bad[n++].id = UINT64_MAX;
    spv_broadcast_free(c->b);
    assert_int_equal(spv_broadcast_new(&c->b, &cfg), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(spv_broadcast_load(c->b, &bad[i]), SPV_ERR_DB_DAMAGED);
    assert_int_equal(spv_broadcast_load(c->b, &good), 0);
    assert_int_equal(spv_broadcast_load(c->b, &good), SPV_ERR_DB_DAMAGED);
    assert_int_equal(spv_broadcast_load_end(c->b, c->now), 0);
    assert_int_equal(spv_broadcast_load_end(c->b, c->now), SPV_ERR_STATE);
    assert_int_equal(spv_broadcast_load(c->b, &good), SPV_ERR_STATE);
    /* no package without a first one */
    spv_broadcast_free(c->b);
    assert_int_equal(spv_broadcast_new(&c->b, &cfg), 0);
    good.position = 1;
    assert_int_equal(spv_broadcast_load(c->b, &good), 0);
    assert_int_equal(spv_broadcast_load_end(c->b, c->now), SPV_ERR_DB_DAMAGED);
    assert_int_equal(spv_broadcast_timer(c->b, c->now), SPV_ERR_STATE);
    built_tx_free(&tx);
}

/* ---- random orders ---- */

#define TXS 12
#define PEERS 6

struct model {
    struct broadcast_case *c;
    struct built_tx txs[TXS]; /* 2k + 1 spends 2k */
    bool is_private[TXS / 2];
    bool known[TXS / 2];
    bool connected[PEERS + 1];
    uint64_t id[PEERS + 1];
    uint64_t next_id;
    bool told[PEERS + 1][TXS / 2]; /* on this connection */
};

static size_t peer_of(const struct model *m, uint64_t id)
{
    size_t i = 1;

    while (i <= PEERS && (!m->connected[i] || m->id[i] != id))
        i++;
    return i;
}

/* Nothing goes to those who do not want it, nor to those to whom it was not announced. */
static void check_sent(struct model *m)
{
    for (size_t i = 0; i < m->c->n_sent; i++) {
        const struct sent *s = &m->c->sent[i];
        const size_t peer = peer_of(m, s->peer);
        assert_true(peer <= PEERS);
        for (size_t k = 0; k < TXS; k++) {
            const struct spv_inv item = item_of(&m->txs[k], SPV_INV_TX);
            for (size_t j = 0; s->command == SPV_CMD_INV && j < s->n_items; j++)
                if (memcmp(&s->items[j], &item, sizeof item) == 0) {
                    assert_true(peer % 2 == 1); /* the others have relay 0 */
                    m->told[peer][k / 2] = true;
                    assert_false(m->is_private[k / 2]);
                }
            if (s->command == SPV_CMD_TX && memcmp(&s->txid, &m->txs[k].txid, 32) == 0)
                assert_true(m->told[peer][k / 2] && !m->is_private[k / 2]);
        }
    }
    clear_sent(m->c);
}

static void check_same(const struct spv_broadcast_progress *a,
                       const struct spv_broadcast_progress *b)
{
    assert_memory_equal(&a->txid, &b->txid, sizeof a->txid);
    assert_int_equal(a->package, b->package);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->is_private, b->is_private);
    assert_int_equal(a->waits, b->waits);
    assert_int_equal(a->wait_height, b->wait_height);
    assert_int_equal(a->wait_time, b->wait_time);
    assert_int_equal(a->announced, b->announced);
    assert_int_equal(a->fetched, b->fetched);
    assert_int_equal(a->returned, b->returned);
    assert_int_equal(a->n_rejects, b->n_rejects);
    assert_int_equal(a->reject_code, b->reject_code);
}

/* A machine loaded from the rows says the same. */
static void check_restart(struct model *m)
{
    struct spv_broadcast_progress before[TXS], after;
    bool known[TXS];

    for (size_t k = 0; k < TXS; k++)
        known[k] = spv_broadcast_find(m->c->b, &before[k], &m->txs[k].txid) == 0;
    restart(m->c);
    assert_int_equal(spv_broadcast_set_tip(m->c->b, 10, 0, m->c->now), 0);
    for (size_t k = 0; k < TXS; k++) {
        assert_int_equal(spv_broadcast_find(m->c->b, &after, &m->txs[k].txid) == 0, known[k]);
        if (known[k])
            check_same(&before[k], &after);
    }
    for (size_t i = 1; i <= PEERS; i++)
        m->connected[i] = false;
    memset(m->told, 0, sizeof m->told);
    take(m->c);
    check_sent(m);
}

static void random_connect(struct model *m, size_t peer)
{
    struct broadcast_case *c = m->c;

    if (m->connected[peer]) {
        m->connected[peer] = false;
        disconnect(c, m->id[peer]);
    } else {
        m->connected[peer] = true;
        m->id[peer] = m->next_id++;
        for (size_t k = 0; k < TXS / 2; k++)
            m->told[peer][k] = false;
        assert_int_equal(
            spv_broadcast_add_peer(c->b,
                                   &(struct spv_broadcast_peer){
                                       .id = m->id[peer], .group = peer, .relay = peer % 2 == 1},
                                   c->now),
            0);
        take(c);
    }
}

static void random_publish(struct model *m, size_t k)
{
    struct broadcast_case *c = m->c;
    const unsigned flags = m->is_private[k / 2] ? SPV_BROADCAST_PRIVATE : 0;
    const size_t pair = k / 2 * 2;
    const struct built_tx *const list[] = {&m->txs[pair], &m->txs[pair + 1]};

    if (k % 2 == 0)
        (void)publish_package(c, list, 2, flags);
    else
        (void)publish(c, list[0], flags);
}

static void random_step(struct model *m)
{
    static const uint32_t types[] = {SPV_INV_TX, SPV_INV_WTX, SPV_INV_TX | SPV_INV_WITNESS};
    static const enum spv_broadcast_state states[] = {
        SPV_BROADCAST_PUBLISHING, SPV_BROADCAST_CONFIRMED, SPV_BROADCAST_CONFLICTED};
    struct broadcast_case *c = m->c;
    struct test_random *r = &c->random;
    const size_t k = test_random_below(r, TXS), peer = 1 + test_random_below(r, PEERS);
    const uint64_t op = test_random_below(r, 9);

    if (op == 0)
        random_connect(m, peer);
    else if (op == 1)
        random_publish(m, k);
    else if (op == 2)
        (void)spv_broadcast_withdraw(c->b, &m->txs[k].txid, c->now);
    else if (op == 3)
        assert_int_equal(spv_broadcast_set_state(c->b, &m->txs[k].txid,
                                                 states[test_random_below(r, 3)], 10, c->now),
                         0);
    else if (op == 4)
        pass(c, test_random_below(r, 100000));
    else if (op <= 6 && m->connected[peer])
        getdata(c, m->id[peer], &m->txs[k], types[test_random_below(r, 3)]);
    else if (op == 7 && m->connected[peer])
        inv(c, m->id[peer], &m->txs[k], types[test_random_below(r, 3)]);
    else if (op == 8 && test_random_below(r, 20) == 0)
        check_restart(m);
    take(c);
    check_sent(m);
}

static void random_orders_send_only_what_was_announced(void **state)
{
    struct model m = {.c = *state, .next_id = 1};

    for (uint64_t seed = 1; seed <= 20; seed++) {
        for (size_t k = 0; k < TXS; k++) {
            struct tx_in in = {.script = 30, .vout = (uint32_t)k};
            if (k % 2 == 1)
                in = (struct tx_in){.witness = 30, .prev = m.txs[k - 1].txid};
            make_tx(&m.txs[k], TX_SPEC(TX_INS(in), TX_OUTS({1, 20})));
            m.is_private[k / 2] = k / 2 == 1 || k / 2 == 4;
        }
        m.c->random.state = seed;
        print_message("seed %llu\n", (unsigned long long)seed);
        assert_int_equal(spv_broadcast_set_tip(m.c->b, 10, 0, m.c->now), 0);
        for (int i = 0; i < 1000; i++)
            random_step(&m);
        for (size_t k = 0; k < TXS; k++)
            built_tx_free(&m.txs[k]);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, broadcast_setup, broadcast_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(thousand_transactions_are_kept),
        CASE(forty_megabytes_are_kept),
        CASE(connections_are_bounded),
        CASE(packages_of_0_or_26_and_duplicates_are_invalid),
        CASE(row_that_the_library_does_not_write_is_refused),
        CASE(random_orders_send_only_what_was_announced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
