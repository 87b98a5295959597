/* A database without its hash index, served from memory while another connection writes to it. */
#include <stdlib.h>
#include <string.h>

#include "serve_follow.h"
#include "unit/store/store_fixture.h"

#define HEADERS 40

struct follow_fixture {
    struct spv_chain_header records[HEADERS + 5]; /* [i] is at height i + 1 */
    struct spv_store *writer, *reader;
    struct serve_follow follow;
    struct spv_header_db db;
};
static struct follow_fixture fixture;

/* The reader's store and its set have HEADERS - 1 headers above genesis. */
static int begin(void **state)
{
    struct follow_fixture *k = &fixture;
    const int rc = folder_setup(state);
    const struct spv_chain_header genesis = genesis_record(regtest());
    const char *path = in_folder(state, "headers.db");
    struct header_set *set;
    if (rc != 0)
        return rc;
    make_chain(path, k->records, HEADERS - 1);
    extend(&k->records[HEADERS - 1], &k->records[HEADERS - 2], 6, 1);
    k->writer = must_open(path, SPV_STORE_WRITE);
    k->reader = must_open(path, SPV_STORE_READ);
    assert_false(spv_store_indexed(k->reader));
    assert_int_equal(header_set_new(&set), 0);
    assert_int_equal(header_set_add(set, &genesis), 0);
    for (size_t i = 0; i < HEADERS - 1; i++)
        assert_int_equal(header_set_add(set, &k->records[i]), 0);
    k->db = serve_follow_begin(&k->follow, k->reader, set);
    return 0;
}

static int end(void **state)
{
    struct follow_fixture *k = &fixture;
    serve_follow_end(&k->follow);
    assert_int_equal(spv_store_close(k->reader), 0);
    assert_int_equal(spv_store_close(k->writer), 0);
    return folder_teardown(state);
}

static void append(struct follow_fixture *k, uint32_t height)
{
    assert_int_equal(apply(k->writer, SPV_UPDATE_APPEND, height - 1, 0, &k->records[height - 1], 1),
                     0);
}

static uint32_t tip_of(const struct spv_header_db *db)
{
    struct spv_chain_header tip;
    assert_int_equal(db->tip(db->ctx, &tip), 1);
    return tip.height;
}

static void new_headers_are_seen_from_the_next_snapshot_on(void **state)
{
    struct follow_fixture *k = &fixture;
    (void)state;
    assert_int_equal(k->db.begin_read(k->db.ctx), 0);
    append(k, HEADERS);
    assert_int_equal(tip_of(&k->db), HEADERS - 1);
    k->db.end_read(k->db.ctx);
    assert_int_equal(k->db.begin_read(k->db.ctx), 0);
    assert_int_equal(tip_of(&k->db), HEADERS);
    k->db.end_read(k->db.ctx);
}

/* What is read from the database itself, as filters are, is of the set's state. */
static void the_database_has_the_state_of_the_set_until_end_read(void **state)
{
    struct follow_fixture *k = &fixture;
    const struct spv_header_db stored = spv_store_header_db(k->reader);
    (void)state;
    assert_int_equal(k->db.begin_read(k->db.ctx), 0);
    append(k, HEADERS);
    assert_int_equal(tip_of(&stored), HEADERS - 1);
    assert_int_equal(tip_of(&k->db), HEADERS - 1);
    k->db.end_read(k->db.ctx);
    assert_int_equal(tip_of(&stored), HEADERS);
}

static void the_set_is_freed_once_the_index_is_built(void **state)
{
    struct follow_fixture *k = &fixture;
    struct spv_chain_header found;
    (void)state;
    assert_int_equal(spv_store_build_index(k->writer), 0);
    append(k, HEADERS);
    assert_int_equal(k->db.begin_read(k->db.ctx), 0);
    assert_null(k->follow.set);
    append(k, HEADERS + 1);
    assert_int_equal(tip_of(&k->db), HEADERS);
    assert_int_equal(k->db.by_hash(k->db.ctx, &found, &k->records[5].hash), 1);
    k->db.end_read(k->db.ctx);
    assert_int_equal(k->db.begin_read(k->db.ctx), 0);
    assert_int_equal(tip_of(&k->db), HEADERS + 1);
    k->db.end_read(k->db.ctx);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        T(new_headers_are_seen_from_the_next_snapshot_on),
        T(the_database_has_the_state_of_the_set_until_end_read),
        T(the_set_is_freed_once_the_index_is_built),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
