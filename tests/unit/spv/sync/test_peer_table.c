/* The peer table: entries are found by id, and the order of the peers does not change. */
#include "support/unit.h"

#include "spv/sync/peer_table.h"

static struct spv_peer_table t;

static int empty_table(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    return 0;
}

/* The ids in the table's order, as digits. */
static uint64_t ids(void)
{
    uint64_t out = 0;
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(&t, p));)
        out = out * 10 + p->id;
    return out;
}

static void a_peer_is_found_by_its_id_alone(void **state)
{
    (void)state;
    assert_null(spv_peer_table_find(&t, 0)); /* what a free entry has */
    assert_null(spv_peer_table_find(&t, 7));
    struct spv_peer_entry *p = spv_peer_table_add(&t, 7);
    struct spv_peer_entry *q = spv_peer_table_add(&t, 5);
    assert_non_null(p);
    assert_non_null(q);
    assert_int_equal(p->id, 7);
    assert_ptr_equal(spv_peer_table_find(&t, 7), p);
    assert_ptr_equal(spv_peer_table_find(&t, 5), q);
    assert_null(spv_peer_table_find(&t, 6));
    assert_null(spv_peer_table_find(&t, 0));
}

static void an_id_has_one_entry(void **state)
{
    (void)state;
    struct spv_peer_entry *p = spv_peer_table_add(&t, 7);
    p->group = 3;
    assert_null(spv_peer_table_add(&t, 7));
    assert_null(spv_peer_table_add(&t, 0));
    assert_int_equal(ids(), 7);
    assert_int_equal(spv_peer_table_find(&t, 7)->group, 3);
}

static void a_removed_peer_leaves_nothing_to_the_next(void **state)
{
    (void)state;
    struct spv_peer_entry *p = spv_peer_table_add(&t, 7);
    p->group = 3;
    p->rate.headers = 2000;
    p->health.has_clock = true;
    spv_peer_table_remove(&t, 8); /* is not there */
    assert_int_equal(ids(), 7);
    spv_peer_table_remove(&t, 7);
    assert_null(spv_peer_table_find(&t, 7));
    assert_int_equal(ids(), 0);
    struct spv_peer_entry *q = spv_peer_table_add(&t, 9);
    assert_ptr_equal(q, p);
    assert_int_equal(q->id, 9);
    assert_int_equal(q->group, 0);
    assert_int_equal(q->rate.headers, 0);
    assert_false(q->health.has_clock);
}

static void peers_keep_their_order_and_a_new_one_fills_the_first_gap(void **state)
{
    (void)state;
    assert_null(spv_peer_table_next(&t, NULL));
    for (uint64_t id = 4; id >= 1; id--)
        assert_non_null(spv_peer_table_add(&t, id));
    assert_int_equal(ids(), 4321);
    spv_peer_table_remove(&t, 3);
    spv_peer_table_remove(&t, 1);
    assert_int_equal(ids(), 42);
    assert_non_null(spv_peer_table_add(&t, 9));
    assert_int_equal(ids(), 492);
}

static void a_peer_may_be_removed_on_the_way(void **state)
{
    (void)state;
    uint64_t seen = 0;
    for (uint64_t id = 1; id <= 4; id++)
        assert_non_null(spv_peer_table_add(&t, id));
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(&t, p));) {
        seen = seen * 10 + p->id;
        if (p->id % 2)
            spv_peer_table_remove(&t, p->id);
    }
    assert_int_equal(seen, 1234);
    assert_int_equal(ids(), 24);
}

static void there_is_space_for_as_many_peers_as_a_node_has(void **state)
{
    (void)state;
    for (uint64_t id = 1; id <= SPV_NODE_MAX_PEERS; id++)
        assert_non_null(spv_peer_table_add(&t, id));
    assert_null(spv_peer_table_add(&t, 1000));
    assert_int_equal(spv_peer_table_find(&t, SPV_NODE_MAX_PEERS)->id, SPV_NODE_MAX_PEERS);
    spv_peer_table_remove(&t, 5);
    assert_non_null(spv_peer_table_add(&t, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_peer_is_found_by_its_id_alone, empty_table),
        cmocka_unit_test_setup(an_id_has_one_entry, empty_table),
        cmocka_unit_test_setup(a_removed_peer_leaves_nothing_to_the_next, empty_table),
        cmocka_unit_test_setup(peers_keep_their_order_and_a_new_one_fills_the_first_gap,
                               empty_table),
        cmocka_unit_test_setup(a_peer_may_be_removed_on_the_way, empty_table),
        cmocka_unit_test_setup(there_is_space_for_as_many_peers_as_a_node_has, empty_table),
    };
    return cmocka_run_group_tests_name("peer table", tests, NULL, NULL);
}
