/* A read transaction: several reads see one state of the chain while another connection writes. */
#include "unit/store/store_fixture.h"

#define N 20

static struct spv_chain_header best[N + 5]; /* best[i] has height i + 1 */
static struct spv_chain_header other[8]; /* from height N - 4 */

static void a_read_transaction_is_stable_during_appends_and_reorgs(void **state)
{
    const char *path = in_folder(state, "held.db");
    struct spv_chain_header r;
    make_chain(path, best, N);
    extend(best + N, &best[N - 1], 5, 0);
    extend(other, &best[N - 6], 8, 7);

    struct spv_store *writer = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(spv_store_build_index(writer), 0);
    struct spv_store *store = must_open(path, SPV_STORE_READ);
    const struct spv_header_db reader = spv_store_header_db(store);

    assert_int_equal(reader.begin_read(reader.ctx), 0);
    assert_int_equal(reader.tip(reader.ctx, &r), 1);
    assert_int_equal(r.height, N);
    assert_int_equal(apply(writer, SPV_UPDATE_REORG, N - 5, 5, other, 8), 0);
    assert_int_equal(reader.tip(reader.ctx, &r), 1);
    assert_memory_equal(r.hash.b, best[N - 1].hash.b, 32);
    assert_int_equal(reader.by_hash(reader.ctx, &r, &best[N - 1].hash), 1);
    assert_int_equal(reader.by_hash(reader.ctx, &r, &other[7].hash), 0);
    reader.end_read(reader.ctx);

    assert_int_equal(reader.begin_read(reader.ctx), 0);
    assert_int_equal(reader.tip(reader.ctx, &r), 1);
    assert_memory_equal(r.hash.b, other[7].hash.b, 32);
    assert_int_equal(reader.by_hash(reader.ctx, &r, &best[N - 1].hash), 0);
    reader.end_read(reader.ctx);
    assert_int_equal(spv_store_close(store), 0);
    assert_int_equal(spv_store_close(writer), 0);
}

static void a_reader_sees_the_index_once_the_writer_has_built_it(void **state)
{
    const char *path = in_folder(state, "late.db");
    struct spv_chain_header r;
    make_chain(path, best, N);
    struct spv_store *store = must_open(path, SPV_STORE_READ);
    const struct spv_header_db reader = spv_store_header_db(store);
    assert_int_equal(reader.has_hash_index(reader.ctx), 0);
    assert_int_equal(reader.by_hash(reader.ctx, &r, &best[3].hash), 0);
    struct spv_store *writer = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(spv_store_build_index(writer), 0);
    assert_int_equal(spv_store_close(writer), 0);
    assert_int_equal(reader.has_hash_index(reader.ctx), 1);
    assert_int_equal(reader.by_hash(reader.ctx, &r, &best[3].hash), 1);
    assert_int_equal(r.height, 4);
    assert_int_equal(spv_store_close(store), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        T(a_read_transaction_is_stable_during_appends_and_reorgs),
        T(a_reader_sees_the_index_once_the_writer_has_built_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
