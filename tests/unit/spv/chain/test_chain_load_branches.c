/* Side branches over a restart: stored branches are loaded, validated and bounded; invalid or
 * excess ones are skipped without effect on the rest. */
#include <stdlib.h>
#include <string.h>

#include "spv/chain/chain_state.h"
#include "spv/error.h"
#include "unit/spv/chain/chain_fixture.h"
#include "util/u256.h"

struct load_fixture {
    struct spv_params params;
    struct chain_fixture_headers best; /* 300 */
    struct chain_fixture_headers rival; /* leaves it at 250 */
    struct chain_fixture_store store;
};

static void open_fixture(struct load_fixture *s)
{
    *s = (struct load_fixture){.params = chain_fixture_params(CHAIN_FIXTURE_NO_RETARGET)};
    s->best = chain_fixture_mined(&s->params, NULL, 0, 300, 600, 1);
    s->rival = chain_fixture_mined(&s->params, &s->best, 250, 80, 600, 2);
    chain_fixture_store_init(&s->store, &s->params);
}

static void close_fixture(struct load_fixture *s)
{
    chain_fixture_headers_free(&s->best);
    chain_fixture_headers_free(&s->rival);
    chain_fixture_store_free(&s->store);
}

static struct spv_chain *opened(struct load_fixture *s)
{
    const struct spv_chain_config cfg = {.params = &s->params,
                                         .header_db = chain_fixture_reader(&s->store)};
    struct spv_chain *c;

    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    return c;
}

static bool knows_hash(const struct spv_chain *c, const struct spv_header *header)
{
    const struct spv_blockhash hash = chain_fixture_hash(header);
    struct spv_chain_header record;
    int rc = spv_chain_find(c, &record, NULL, &hash);

    assert_true(rc >= 0);
    return rc == 1;
}

static void a_side_branch_can_be_extended_after_a_restart(void **state)
{
    struct load_fixture s;
    struct spv_accept_result v;
    (void)state;

    open_fixture(&s);
    struct spv_chain *c = opened(&s);
    chain_fixture_feed_stored(c, &s.store, &s.best, 0, 300);
    chain_fixture_feed_stored(c, &s.store, &s.rival, 250,
                              300); /* as much work: the first seen stays */
    spv_chain_free(c);
    assert_int_equal(s.store.n_side, 50);
    c = opened(&s);
    assert_int_equal(spv_chain_branch_headers(c), 50);
    assert_int_equal(spv_chain_tip(c)->height, 300);
    assert_true(knows_hash(c, &s.rival.headers[299]));
    /* one header more and it wins, in one change */
    assert_int_equal(spv_chain_accept(c, &v, s.rival.headers + 300, 1, chain_fixture_late), 0);
    assert_int_equal(v.error, 0);
    assert_int_equal(v.update.kind, SPV_UPDATE_REORG);
    assert_int_equal(v.update.fork_height, 250);
    assert_int_equal(v.update.removed, 50);
    assert_int_equal(v.update.n, 51);
    chain_fixture_store_apply(&s.store, &v.update);
    spv_chain_free(c);
    /* and what it displaced is a branch after the next one */
    c = opened(&s);
    assert_int_equal(spv_chain_branch_headers(c), 50);
    assert_true(knows_hash(c, &s.best.headers[299]));
    spv_chain_free(c);
    close_fixture(&s);
}

static void branches_of_branches_are_loaded(void **state)
{
    struct load_fixture s;
    (void)state;

    open_fixture(&s);
    struct chain_fixture_headers third = chain_fixture_mined(&s.params, &s.rival, 270, 20, 600, 3);
    struct chain_fixture_headers other = chain_fixture_mined(&s.params, &s.best, 100, 5, 600, 4);
    struct spv_chain *c = opened(&s);
    chain_fixture_feed_stored(c, &s.store, &s.best, 0, 300);
    chain_fixture_feed_stored(c, &s.store, &s.rival, 250, 290);
    chain_fixture_feed_stored(c, &s.store, &third, 270, 290);
    chain_fixture_feed_stored(c, &s.store, &other, 100, 105);
    spv_chain_free(c);
    c = opened(&s);
    for (size_t i = 250; i < 290; i++) {
        assert_true(knows_hash(c, &s.rival.headers[i]));
        assert_true(knows_hash(c, &third.headers[i]));
    }
    for (size_t i = 100; i < 105; i++)
        assert_true(knows_hash(c, &other.headers[i]));
    spv_chain_free(c);
    chain_fixture_headers_free(&third);
    chain_fixture_headers_free(&other);
    close_fixture(&s);
}

/* The best chain lost its tail: the branch has more work now, but loading must not change the
 * chain without an update to the store. */
static void a_branch_with_more_work_waits_for_its_next_header(void **state)
{
    struct load_fixture s;
    struct spv_accept_result v;
    (void)state;

    open_fixture(&s);
    struct spv_chain *c = opened(&s);
    chain_fixture_feed_stored(c, &s.store, &s.best, 0, 300);
    chain_fixture_feed_stored(c, &s.store, &s.rival, 250, 295);
    spv_chain_free(c);
    s.store.n = 281; /* the tip is at 280 */
    c = opened(&s);
    assert_int_equal(spv_chain_tip(c)->height, 280);
    assert_true(knows_hash(c, &s.rival.headers[279]));
    assert_false(knows_hash(c, &s.rival.headers[280]));
    assert_int_equal(spv_chain_accept(c, &v, s.rival.headers + 280, 15, chain_fixture_late), 0);
    assert_int_equal(v.error, 0);
    assert_int_equal(v.update.kind, SPV_UPDATE_REORG);
    assert_int_equal(v.update.fork_height, 250);
    assert_int_equal(v.update.n, 45);
    spv_chain_free(c);
    close_fixture(&s);
}

static void invalid_rows_are_skipped(void **state)
{
    enum damage { POW, LINK, HASH, MISSING, HARMS };
    (void)state;

    for (enum damage damage = POW; damage < HARMS; damage = (enum damage)(damage + 1)) {
        struct load_fixture s;
        open_fixture(&s);
        struct spv_chain *c = opened(&s);
        chain_fixture_feed_stored(c, &s.store, &s.best, 0, 300);
        chain_fixture_feed_stored(c, &s.store, &s.rival, 250, 290);
        spv_chain_free(c);
        struct spv_chain_header *row = &s.store.side[20]; /* height 271 */
        switch (damage) {
        case POW:
            chain_fixture_miss(&row->header);
            break;
        case LINK:
            row->header.prev.b[9] ^= 1;
            chain_fixture_work(&row->header);
            break;
        case HASH: /* is mined again, and costs nothing */
            row->hash.b[0] ^= 1;
            break;
        case MISSING:
            s.store.side[20] = s.store.side[--s.store.n_side];
            break;
        case HARMS:
            break;
        }
        c = opened(&s);
        assert_int_equal(spv_chain_tip(c)->height, 300);
        assert_true(knows_hash(c, &s.rival.headers[269]));
        assert_int_equal(knows_hash(c, &s.rival.headers[271]), damage == HASH);
        spv_chain_free(c);
        close_fixture(&s);
    }
}

static void branches_below_a_checkpoint_are_not_loaded(void **state)
{
    struct load_fixture s;
    struct spv_chain *c;
    (void)state;

    open_fixture(&s);
    c = opened(&s);
    chain_fixture_feed_stored(c, &s.store, &s.best, 0, 300);
    chain_fixture_feed_stored(c, &s.store, &s.rival, 250, 290);
    spv_chain_free(c);
    const struct spv_checkpoint checkpoint = {.height = 251, .hash = s.store.records[251].hash};
    const struct spv_chain_config cfg = {.params = &s.params,
                                         .header_db = chain_fixture_reader(&s.store),
                                         .checkpoints = &checkpoint,
                                         .n_checkpoints = 1};
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    assert_int_equal(spv_chain_branch_headers(c), 0);
    spv_chain_free(c);
    close_fixture(&s);
}

/* More branches than slots, each a header longer: the weakest are dropped. */
static void branches_with_the_least_work_are_dropped(void **state)
{
    struct load_fixture s;
    struct spv_chain_header kept;
    struct spv_accept_result v;
    (void)state;

    open_fixture(&s);
    struct spv_chain *c = opened(&s);
    chain_fixture_feed_stored(c, &s.store, &s.best, 0, 300);
    for (uint32_t i = 0; i < SPV_CHAIN_BRANCHES + 5; i++) {
        struct chain_fixture_headers b =
            chain_fixture_mined(&s.params, &s.best, 200, 10 + i, 600, 100 + i);
        assert_int_equal(spv_chain_accept(c, &v, b.headers + 200, 10 + i, chain_fixture_late), 0);
        chain_fixture_store_apply(&s.store, &v.update);
        spv_chain_stored(c);
        chain_fixture_headers_free(&b);
    }
    spv_chain_free(c);
    c = opened(&s);
    size_t branches = 0;
    for (size_t i = 0; i < SPV_CHAIN_BRANCHES; i++)
        branches += c->branches[i].headers.n > 0;
    assert_int_equal(branches, SPV_CHAIN_BRANCHES);
    for (size_t i = 0; i < s.store.n_side; i++) {
        const struct spv_chain_header *r = &s.store.side[i];
        if (r->height == 200 + 10 + SPV_CHAIN_BRANCHES + 4) /* the tip of the strongest one */
            assert_int_equal(spv_chain_find(c, &kept, NULL, &r->hash), 1);
    }
    spv_chain_free(c);
    close_fixture(&s);
}

static int failing(void *ctx, int (*each)(void *arg, const struct spv_chain_header *record),
                   void *arg)
{
    (void)ctx;
    (void)each;
    (void)arg;
    return SPV_ERR_DB_BUSY;
}

static void errors_of_the_store_are_returned(void **state)
{
    struct load_fixture s;
    struct spv_chain *c;
    (void)state;

    open_fixture(&s);
    struct spv_chain_config cfg = {.params = &s.params,
                                   .header_db = chain_fixture_reader(&s.store)};
    cfg.header_db.branches = failing;
    assert_int_equal(spv_chain_new(&c, &cfg), SPV_ERR_DB_BUSY);
    assert_null(c);
    cfg.header_db.branches = NULL; /* a reader need not have it */
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    spv_chain_free(c);
    close_fixture(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_side_branch_can_be_extended_after_a_restart),
        cmocka_unit_test(branches_of_branches_are_loaded),
        cmocka_unit_test(a_branch_with_more_work_waits_for_its_next_header),
        cmocka_unit_test(invalid_rows_are_skipped),
        cmocka_unit_test(branches_below_a_checkpoint_are_not_loaded),
        cmocka_unit_test(branches_with_the_least_work_are_dropped),
        cmocka_unit_test(errors_of_the_store_are_returned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
