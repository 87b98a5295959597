/* Chains that do not begin at genesis: started at a checkpoint, filled from below, pruned. Periods
 * are ten blocks long here. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "base/u256.h"
#include "faults.h"
#include "spv/chain.h"
#include "store/db.h"

#define PERIOD 10
#define N 100 /* headers of the whole chain above genesis */
#define BASE 40

static struct spv_params params;
static struct spv_record r[N + 1]; /* the whole chain by height */

static void prepare(void)
{
    params = *regtest();
    params.target_timespan = PERIOD * params.target_spacing;
    r[0] = first_record(&params);
    grow(r + 1, &r[0], N, 0);
}

static struct spv_store *open_small(const char *path, enum spv_store_mode mode)
{
    struct spv_store *s = NULL;
    struct spv_problem why = {.text = ""};
    const struct spv_store_config cfg = {.path = path, .params = &params, .mode = mode};
    if (spv_store_open(&s, &cfg, &why) != 0) {
        fail_msg("%s", why.text);
    }
    return s;
}

/* The records as a store has them whose work counts from the base. */
static void relative(struct spv_record *out, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = r[from + i];
        out[i].work = spv_u256_sub(&r[from + i].work, &r[BASE - 1].work);
    }
}

/* A store that holds BASE..to, with or without the work below. */
static struct spv_store *started(const char *path, size_t to, bool known)
{
    struct spv_record some[N];
    struct spv_store *s = open_small(path, SPV_STORE_CREATE);
    relative(some, BASE, to - BASE + 1);
    assert_int_equal(apply(s, SPV_CHANGE_START, BASE - 1, 0, known ? r + BASE : some, PERIOD), 0);
    if (to >= BASE + PERIOD) {
        assert_int_equal(apply(s, SPV_CHANGE_APPEND, BASE + PERIOD - 1, 0,
                               known ? r + BASE + PERIOD : some + PERIOD, to - BASE - PERIOD + 1),
                         0);
    }
    return s;
}

static void same(const struct spv_record *a, const struct spv_record *b)
{
    assert_int_equal(a->height, b->height);
    assert_memory_equal(&a->hash, &b->hash, sizeof a->hash);
    assert_memory_equal(&a->header, &b->header, sizeof a->header);
    assert_int_equal(spv_u256_cmp(&a->work, &b->work), 0);
}

/* The store holds genesis and base..to, by every way of reading. */
static void holds_from(struct spv_store *s, uint32_t base, uint32_t to)
{
    struct spv_record got;
    struct spv_header headers[N + 2];
    struct spv_store_walk *walk = NULL;
    struct spv_base begins;

    spv_store_base(s, &begins);
    assert_int_equal(begins.height, base);
    assert_int_equal(begins.work_from, 0);
    assert_int_equal(spv_store_tip(s, &got), 1);
    same(&got, &r[to]);
    assert_int_equal(spv_store_by_height(s, &got, 0), 1);
    same(&got, &r[0]);
    assert_int_equal(spv_store_range(s, headers, 0, 3), base > 0 || to < 2 ? 1 : 3);
    assert_memory_equal(&headers[0], &r[0].header, sizeof headers[0]);
    for (uint32_t h = 1; h < base; h++) {
        assert_int_equal(spv_store_by_height(s, &got, h), 0);
        assert_int_equal(spv_store_by_hash(s, &got, &r[h].hash), 0);
        assert_int_equal(spv_store_range(s, headers, h, 5), 0);
        assert_int_equal(spv_store_walk_open(&walk, s, h, to), SPV_ERR_NOT_FOUND);
    }
    const uint32_t from = base > 0 ? base : 1;
    assert_int_equal(spv_store_range(s, headers, from, N), to - from + 1);
    assert_int_equal(spv_store_walk_open(&walk, s, from, UINT32_MAX), 0);
    for (uint32_t h = from; h <= to; h++) {
        assert_int_equal(spv_store_by_height(s, &got, h), 1);
        same(&got, &r[h]);
        assert_int_equal(spv_store_walk_next(walk, &got), 1);
        same(&got, &r[h]);
        assert_memory_equal(&headers[h - from], &r[h].header, sizeof headers[0]);
        if (spv_store_indexed(s)) {
            assert_int_equal(spv_store_by_hash(s, &got, &r[h].hash), 1);
            same(&got, &r[h]);
        }
    }
    assert_int_equal(spv_store_walk_next(walk, &got), 0);
    spv_store_walk_close(walk);
    assert_int_equal(spv_store_by_height(s, &got, to + 1), 0);
}

static void starts_at_a_base_and_goes_on(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_store *s = started(path, BASE + PERIOD - 1, true);
    char got[SPV_HASH_HEX];
    char want[SPV_HASH_HEX];

    holds_from(s, BASE, BASE + PERIOD - 1);
    assert_int_equal(
        apply(s, SPV_CHANGE_APPEND, BASE + PERIOD - 1, 0, r + BASE + PERIOD, N - BASE - PERIOD + 1),
        0);
    assert_int_equal(spv_store_build_index(s), 0);
    holds_from(s, BASE, N);
    assert_int_equal(spv_store_close(s), 0);
    for (int mode = SPV_STORE_READ; mode <= SPV_STORE_CREATE; mode++) {
        s = open_small(path, (enum spv_store_mode)mode);
        assert_int_equal(spv_store_rewound(s), 0);
        holds_from(s, BASE, N);
        assert_int_equal(spv_store_close(s), 0);
    }
    /* people see what the base follows, too */
    ask(got, sizeof got, path, "SELECT previous_hash FROM block_header WHERE height = 40");
    spv_blockhash_hex(want, &r[BASE - 1].hash);
    assert_string_equal(got, want);
    ask(got, sizeof got, path, "SELECT previous_hash FROM block_header WHERE height = 41");
    spv_blockhash_hex(want, &r[BASE].hash);
    assert_string_equal(got, want);
    ask(got, sizeof got, path, "SELECT value FROM meta WHERE key = 'base'");
    assert_string_equal(got, "40");
}

static void a_chain_goes_on_over_a_base(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_store *s = started(path, 80, true);
    struct spv_checkpoint checkpoint = {.height = BASE - 1, .hash = r[BASE - 1].hash};
    struct spv_chain_config cfg = {.params = &params,
                                   .reader = spv_store_reader(s),
                                   .checkpoints = &checkpoint,
                                   .n_checkpoints = 1};
    struct spv_blockhash locator[SPV_MAX_LOCATOR];
    struct spv_record got;
    struct spv_base base;
    struct spv_chain *c;

    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    spv_chain_base(c, &base);
    assert_int_equal(base.height, BASE);
    same(spv_chain_tip(c), &r[80]);
    assert_int_equal(spv_chain_at(c, &got, BASE), 1);
    same(&got, &r[BASE]);
    assert_int_equal(spv_chain_at(c, &got, BASE - 1), 0);
    assert_int_equal(spv_chain_at(c, &got, 1), 0);
    assert_int_equal(spv_chain_at(c, &got, 0), 1);
    assert_int_equal(spv_chain_find(c, &got, NULL, &r[BASE - 1].hash), 0);
    /* a locator names what is there, and genesis */
    int n = spv_chain_locator(c, locator, SPV_MAX_LOCATOR, NULL);
    assert_true(n > 10);
    assert_memory_equal(&locator[n - 1], &r[0].hash, 32);
    for (int i = 0; i < n - 1; i++) {
        size_t h = BASE;
        while (h <= 80 && memcmp(&r[h].hash, &locator[i], 32) != 0) {
            h++;
        }
        assert_true(h <= 80);
    }
    spv_chain_free(c);
    /* what the base follows is bound by a checkpoint, and so is all that is stored */
    checkpoint.hash.b[0] ^= 1;
    assert_int_equal(spv_chain_new(&c, &cfg), SPV_ERR_DB_CHECKPOINT);
    checkpoint = (struct spv_checkpoint){.height = BASE, .hash = r[BASE + 1].hash};
    assert_int_equal(spv_chain_new(&c, &cfg), SPV_ERR_DB_CHECKPOINT);
    /* work that a checkpoint knows is what the chain has */
    checkpoint = (struct spv_checkpoint){.height = 79, .hash = r[79].hash, .work = r[79].work};
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    spv_chain_free(c);
    checkpoint.work = r[78].work;
    assert_int_equal(spv_chain_new(&c, &cfg), SPV_ERR_DB_DAMAGED);
    assert_int_equal(spv_store_close(s), 0);
}

/* A median of eleven is needed to judge: nearer to the base a fork can be neither known nor judged,
 * which is no lie. */
static void forks_near_the_base_are_unknown_and_above_it_judged(void **state)
{
    static const struct {
        uint32_t fork;
        int error;
        enum spv_change_kind kind;
    } cases[] = {
        {0, SPV_ERR_HDR_UNLINKED, SPV_CHANGE_NONE},
        {BASE - 1, SPV_ERR_HDR_UNLINKED, SPV_CHANGE_NONE},
        {BASE, SPV_ERR_HDR_UNLINKED, SPV_CHANGE_NONE},
        {BASE + 9, SPV_ERR_HDR_UNLINKED, SPV_CHANGE_NONE},
        {BASE + 10, 0, SPV_CHANGE_BRANCH},
        {79, 0, SPV_CHANGE_BRANCH},
        {80, 0, SPV_CHANGE_APPEND},
    };
    struct spv_store *s = started(in_folder(state, "h.db"), 80, true);
    assert_int_equal(spv_store_build_index(s), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct spv_chain_config cfg = {.params = &params, .reader = spv_store_reader(s)};
        const struct spv_now now = {.unix_s = INT64_C(1) << 33};
        struct spv_record next;
        struct spv_verdict v;
        struct spv_chain *c;
        assert_int_equal(spv_chain_new(&c, &cfg), 0);
        grow(&next, &r[cases[i].fork], 1, 5);
        next.header.version = 4;
        next.header.nonce = 0;
        struct spv_u256 target;
        assert_int_equal(spv_target_from_bits(&target, next.header.bits), 0);
        do {
            next.header.nonce++;
            spv_header_hash(&next.hash, &next.header);
        } while (!spv_hash_meets(next.hash.b, &target));
        assert_int_equal(spv_chain_accept(c, &v, &next.header, 1, now), 0);
        assert_int_equal(v.error, cases[i].error);
        assert_int_equal(v.change.kind, cases[i].kind);
        spv_chain_free(c);
    }
    assert_int_equal(spv_store_close(s), 0);
}

static void work_that_counts_from_the_base_is_compared_with_nothing(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_store *s = started(path, 80, false);
    struct spv_checkpoint checkpoint = {.height = 79, .hash = r[79].hash, .work = r[79].work};
    struct spv_chain_config cfg = {.params = &params,
                                   .reader = spv_store_reader(s),
                                   .checkpoints = &checkpoint,
                                   .n_checkpoints = 1};
    struct spv_base base;
    struct spv_chain *c;

    spv_store_base(s, &base);
    assert_int_equal(base.work_from, BASE);
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    /* the last checkpoint proves all the work below it; without one there is only what was seen */
    assert_true(spv_chain_has_work(c, &r[80].work));
    spv_chain_free(c);
    cfg.no_checkpoints = true;
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    assert_false(spv_chain_has_work(c, &r[80].work));
    assert_true(spv_chain_has_work(c, &spv_chain_tip(c)->work));
    spv_chain_free(c);
    assert_int_equal(spv_store_close(s), 0);
}

static void starts_only_where_nothing_is_and_at_a_period(void **state)
{
    struct spv_store *s = open_small(in_folder(state, "h.db"), SPV_STORE_CREATE);

    assert_int_equal(apply(s, SPV_CHANGE_START, BASE, 0, r + BASE + 1, 5), SPV_ERR_STATE);
    assert_int_equal(apply(s, SPV_CHANGE_START, BASE - 1, 0, r + BASE + 1, 5), SPV_ERR_STATE);
    assert_int_equal(apply(s, SPV_CHANGE_FILL, 0, 0, r + 1, 5), SPV_ERR_STATE); /* no gap */
    holds_from(s, 0, 0);
    assert_int_equal(apply(s, SPV_CHANGE_APPEND, 0, 0, r + 1, 5), 0);
    assert_int_equal(apply(s, SPV_CHANGE_START, BASE - 1, 0, r + BASE, PERIOD), SPV_ERR_STATE);
    holds_from(s, 0, 5);
    assert_int_equal(spv_store_close(s), 0);
    s = started(in_folder(state, "2.db"), BASE + PERIOD - 1, true);
    assert_int_equal(apply(s, SPV_CHANGE_START, BASE + 2 * PERIOD - 1, 0, r + BASE + 2 * PERIOD, 5),
                     SPV_ERR_STATE);
    holds_from(s, BASE, BASE + PERIOD - 1);
    assert_int_equal(spv_store_close(s), 0);
}

static void a_bad_tail_is_cut_down_to_the_base_and_no_further(void **state)
{
    static const struct {
        const char *sql;
        uint32_t tip;
    } cases[] = {
        {"UPDATE header SET nonce = nonce + 1 WHERE height = 41", 40},
        {"DELETE FROM header WHERE height > 40", 40},
        {"UPDATE header SET nonce = nonce + 1 WHERE height = 40", 0},
        {"UPDATE meta SET value = (SELECT value FROM meta WHERE key = 'genesis')"
         " WHERE key = 'base_parent'",
         0},
        {"DELETE FROM header WHERE height >= 40", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[16];
        (void)sqlite3_snprintf(sizeof name, name, "%d.db", (int)i);
        const char *path = in_folder(state, name);
        assert_int_equal(spv_store_close(started(path, 80, true)), 0);
        meddle(path, cases[i].sql);
        must_refuse(path, SPV_STORE_READ, &params, SPV_ERR_DB_DAMAGED, "damaged");
        struct spv_store *s = open_small(path, SPV_STORE_WRITE);
        assert_true(spv_store_rewound(s) >= 40);
        holds_from(s, cases[i].tip == 0 ? 0 : BASE, cases[i].tip);
        assert_int_equal(spv_store_close(s), 0);
    }
}

static void a_malformed_base_is_damage(void **state)
{
    static const char *const cases[] = {
        "UPDATE meta SET value = 'x' WHERE key = 'base'",
        "UPDATE meta SET value = '41' WHERE key = 'base'", /* no period's first */
        "UPDATE meta SET value = '-40' WHERE key = 'base'",
        "UPDATE meta SET value = '99999999999' WHERE key = 'base'",
        "DELETE FROM meta WHERE key = 'base_parent'",
        "DELETE FROM meta WHERE key = 'base_work'",
        "UPDATE meta SET value = 'no hash' WHERE key = 'base_parent'",
        "UPDATE meta SET value = '' WHERE key = 'base_work'",
        "INSERT INTO meta VALUES ('work_from', '50')", /* above the base */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[16];
        (void)sqlite3_snprintf(sizeof name, name, "%d.db", (int)i);
        const char *path = in_folder(state, name);
        assert_int_equal(spv_store_close(started(path, 80, true)), 0);
        meddle(path, cases[i]);
        must_refuse(path, SPV_STORE_READ, &params, SPV_ERR_DB_DAMAGED, "begins");
        must_refuse(path, SPV_STORE_WRITE, &params, SPV_ERR_DB_DAMAGED, "begins");
    }
}

static void what_is_filled_joins_when_it_meets_the_base(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_store *s = started(path, 80, true);
    struct spv_reader fill = spv_store_fill_reader(s);
    struct spv_record got;
    struct spv_header headers[8];
    uint32_t filled = 9;

    assert_int_equal(spv_store_filled(s, &filled), 0);
    assert_int_equal(filled, 0);
    assert_int_equal(apply(s, SPV_CHANGE_FILL, 0, 0, r + 1, 25), 0);
    holds_from(s, BASE, 80); /* no part of the chain yet */
    assert_int_equal(spv_store_filled(s, &filled), 0);
    assert_int_equal(filled, 25);
    assert_int_equal(fill.tip(fill.ctx, &got), 1);
    same(&got, &r[25]);
    assert_int_equal(fill.by_height(fill.ctx, &got, 7), 1);
    same(&got, &r[7]);
    assert_int_equal(fill.by_height(fill.ctx, &got, BASE), 0);
    assert_int_equal(fill.range(fill.ctx, headers, 24, 8), 2);
    assert_memory_equal(&headers[1], &r[25].header, sizeof headers[0]);
    /* it survives, and goes on where it ended */
    assert_int_equal(spv_store_close(s), 0);
    s = open_small(path, SPV_STORE_WRITE);
    assert_int_equal(apply(s, SPV_CHANGE_FILL, 26, 0, r + 27, 3), SPV_ERR_STATE);
    assert_int_equal(apply(s, SPV_CHANGE_FILL, 25, 0, r + 26, 16), SPV_ERR_STATE); /* too far */
    /* another branch of the fill takes the place of what it replaces */
    struct spv_record other[15];
    grow(other, &r[20], 15, 7);
    assert_int_equal(apply(s, SPV_CHANGE_FILL, 20, 0, other, 15), 0);
    assert_int_equal(apply(s, SPV_CHANGE_FILL, 20, 0, r + 21, 10), 0);
    assert_int_equal(spv_store_filled(s, &filled), 0);
    assert_int_equal(filled, 30);
    assert_int_equal(apply(s, SPV_CHANGE_FILL, 30, 0, r + 31, BASE - 31), 0);
    holds_from(s, 0, 80);
    assert_int_equal(apply(s, SPV_CHANGE_APPEND, 80, 0, r + 81, 20), 0);
    assert_int_equal(spv_store_close(s), 0);
    s = open_small(path, SPV_STORE_READ);
    holds_from(s, 0, N);
    assert_int_equal(spv_store_close(s), 0);
}

static void a_fill_that_does_not_meet_the_base_is_refused_whole(void **state)
{
    struct spv_store *s = started(in_folder(state, "h.db"), 80, true);
    struct spv_record other[BASE];
    uint32_t filled;

    grow(other, &r[0], BASE - 1, 7);
    assert_int_equal(apply(s, SPV_CHANGE_FILL, 0, 0, other, BASE - 1), SPV_ERR_STATE);
    holds_from(s, BASE, 80);
    /* the right headers, but not the work that the checkpoint has */
    memcpy(other, r + 1, sizeof other);
    other[BASE - 2].work = r[BASE].work;
    assert_int_equal(apply(s, SPV_CHANGE_FILL, 0, 0, other, BASE - 1), SPV_ERR_DB_DAMAGED);
    assert_non_null(strstr(spv_store_last_problem(s), "work"));
    holds_from(s, BASE, 80);
    assert_int_equal(spv_store_filled(s, &filled), 0);
    assert_int_equal(filled, 0);
    assert_int_equal(apply(s, SPV_CHANGE_FILL, 0, 0, r + 1, 5), 0);
    assert_int_equal(spv_store_unfill(s), 0);
    assert_int_equal(spv_store_filled(s, &filled), 0);
    assert_int_equal(filled, 0);
    holds_from(s, BASE, 80);
    assert_int_equal(spv_store_close(s), 0);
}

static void joining_puts_every_sum_of_work_right(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_store *s = started(path, 80, false);
    struct spv_record side[3];
    char got[100];
    char want[SPV_HASH_HEX];

    grow(side, &r[70], 3, 7);
    for (size_t i = 0; i < 3; i++) {
        side[i].work = spv_u256_sub(&side[i].work, &r[BASE - 1].work);
    }
    assert_int_equal(apply(s, SPV_CHANGE_BRANCH, 70, 0, side, 3), 0);
    assert_int_equal(apply(s, SPV_CHANGE_FILL, 0, 0, r + 1, BASE - 1), 0);
    holds_from(s, 0, 80);
    /* the writer knows its own tip */
    assert_int_equal(apply(s, SPV_CHANGE_APPEND, 80, 0, r + 81, 20), 0);
    assert_int_equal(spv_store_close(s), 0);
    s = open_small(path, SPV_STORE_WRITE);
    assert_int_equal(spv_store_rewound(s), 0);
    holds_from(s, 0, N);
    assert_int_equal(spv_store_close(s), 0);
    ask(got, sizeof got, path, "SELECT lower(hex(work)) FROM branch_header WHERE height = 73");
    spv_u256_hex(want, &r[73].work); /* as much as the best chain has there */
    assert_string_equal(got, want);
    ask(got, sizeof got, path, "SELECT count(*) FROM meta WHERE key IN ('base', 'work_from')");
    assert_string_equal(got, "0");
}

static void pruning_leaves_two_periods_and_a_median(void **state)
{
    /* at most 100 - 20 - 11 = 69 may go */
    static const struct {
        uint32_t below, base;
    } cases[] = {{0, 0},   {9, 0},   {10, 10}, {19, 10},        {20, 20},
                 {60, 60}, {69, 60}, {70, 60}, {UINT32_MAX, 60}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[16];
        uint32_t base = 1;
        (void)sqlite3_snprintf(sizeof name, name, "%d.db", (int)i);
        const char *path = in_folder(state, name);
        struct spv_store *s = open_small(path, SPV_STORE_CREATE);
        assert_int_equal(apply(s, SPV_CHANGE_APPEND, 0, 0, r + 1, 90), 0);
        assert_int_equal(apply(s, SPV_CHANGE_APPEND, 90, 0, r + 91, 10), 0);
        assert_int_equal(spv_store_build_index(s), 0);
        assert_int_equal(spv_store_prune(s, cases[i].below, &base), 0);
        assert_int_equal(base, cases[i].base);
        holds_from(s, base, N);
        assert_int_equal(spv_store_close(s), 0);
        s = open_small(path, SPV_STORE_READ);
        holds_from(s, base, N);
        assert_int_equal(spv_store_prune(s, 60, &base), SPV_ERR_DB_READONLY);
        assert_int_equal(spv_store_close(s), 0);
    }
}

static void a_pruned_chain_lives_on(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_store *s = open_small(path, SPV_STORE_CREATE);
    struct spv_record fork[12];
    struct spv_record got;
    struct spv_chain *c;
    uint32_t base;

    assert_int_equal(apply(s, SPV_CHANGE_APPEND, 0, 0, r + 1, 80), 0);
    assert_int_equal(spv_store_prune(s, 25, &base), 0);
    assert_int_equal(base, 20);
    assert_int_equal(spv_store_prune(s, 10, &base), 0); /* never downwards */
    assert_int_equal(base, 20);
    assert_int_equal(spv_store_prune(s, 40, &base), 0);
    assert_int_equal(base, 40);
    holds_from(s, 40, 80);
    const struct spv_chain_config cfg = {.params = &params, .reader = spv_store_reader(s)};
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    same(spv_chain_tip(c), &r[80]);
    spv_chain_free(c);
    grow(fork, &r[70], 12, 7);
    assert_int_equal(apply(s, SPV_CHANGE_REORG, 70, 10, fork, 12), 0);
    assert_int_equal(spv_store_tip(s, &got), 1);
    same(&got, &fork[11]);
    struct spv_record back[30];
    memcpy(back, r + 71, sizeof back);
    assert_int_equal(apply(s, SPV_CHANGE_REORG, 70, 12, back, 30), 0);
    holds_from(s, 40, N);
    /* what was dropped may come back */
    assert_int_equal(apply(s, SPV_CHANGE_FILL, 0, 0, r + 1, 39), 0);
    holds_from(s, 0, N);
    assert_int_equal(spv_store_close(s), 0);
}

static void a_reader_follows_a_base_that_moves(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_store *writer = open_small(path, SPV_STORE_CREATE);
    struct spv_record got;
    uint32_t base;

    assert_int_equal(apply(writer, SPV_CHANGE_APPEND, 0, 0, r + 1, N), 0);
    assert_int_equal(spv_store_build_index(writer), 0);
    struct spv_store *by_height = open_small(path, SPV_STORE_READ);
    struct spv_store *by_range = open_small(path, SPV_STORE_READ);
    struct spv_header headers[4];
    assert_int_equal(spv_store_prune(writer, BASE, &base), 0);
    assert_int_equal(spv_store_by_height(by_height, &got, BASE), 1);
    same(&got, &r[BASE]);
    assert_int_equal(spv_store_range(by_range, headers, BASE - 1, 4), 0);
    assert_int_equal(spv_store_range(by_range, headers, BASE, 4), 4);
    assert_memory_equal(&headers[0], &r[BASE].header, sizeof headers[0]);
    holds_from(by_height, BASE, N);
    /* and down again */
    assert_int_equal(apply(writer, SPV_CHANGE_FILL, 0, 0, r + 1, BASE - 1), 0);
    assert_int_equal(spv_store_by_height(by_height, &got, 7), 1);
    same(&got, &r[7]);
    assert_int_equal(spv_store_range(by_range, headers, 3, 4), 4);
    holds_from(by_range, 0, N);
    assert_int_equal(spv_store_close(by_range), 0);
    assert_int_equal(spv_store_close(by_height), 0);
    assert_int_equal(spv_store_close(writer), 0);
}

/* Many rows are filled in or dropped without the hash index. */
static void the_index_makes_room_for_many_rows_and_comes_back(void **state)
{
    enum { MANY = 21000, TO = 20500 };
    static struct spv_record many[MANY + 1];
    struct spv_store *s = open_small(in_folder(state, "h.db"), SPV_STORE_CREATE);
    struct spv_record got;
    uint32_t base;

    many[0] = r[0];
    grow(many + 1, &many[0], MANY, 0);
    assert_int_equal(apply(s, SPV_CHANGE_APPEND, 0, 0, many + 1, MANY), 0);
    assert_int_equal(spv_store_build_index(s), 0);
    assert_int_equal(spv_store_prune(s, TO, &base), 0);
    assert_int_equal(base, TO);
    assert_true(spv_store_indexed(s));
    assert_int_equal(spv_store_by_hash(s, &got, &many[TO].hash), 1);
    same(&got, &many[TO]);
    assert_int_equal(spv_store_by_hash(s, &got, &many[TO - 1].hash), 0);
    struct spv_store *reader = open_small(in_folder(state, "h.db"), SPV_STORE_READ);
    assert_int_equal(spv_store_by_hash(reader, &got, &many[TO].hash), 1);
    assert_int_equal(apply(s, SPV_CHANGE_FILL, 0, 0, many + 1, 100), 0);
    assert_false(spv_store_indexed(s));
    assert_int_equal(spv_store_by_hash(reader, &got, &many[TO].hash), 0); /* and no scan */
    assert_int_equal(spv_store_by_hash(s, &got, &many[TO].hash), 0);
    assert_int_equal(apply(s, SPV_CHANGE_FILL, 100, 0, many + 101, TO - 101), 0);
    assert_int_equal(spv_store_build_index(s), 0);
    assert_int_equal(spv_store_by_hash(s, &got, &many[1].hash), 1);
    same(&got, &many[1]);
    assert_int_equal(spv_store_by_hash(reader, &got, &many[TO].hash), 1);
    assert_int_equal(spv_store_close(reader), 0);
    assert_int_equal(spv_store_close(s), 0);
}

/* A start, an append, a fill that joins and puts works right, and a pruning. How many of them were
 * reported as done. */
static int life(const char *path)
{
    struct spv_record some[N];
    struct spv_store *s = NULL;
    const struct spv_store_config cfg = {.path = path, .params = &params, .mode = SPV_STORE_CREATE};
    int done = 0;
    relative(some, BASE, 80 - BASE + 1);
    if (spv_store_open(&s, &cfg, NULL) != 0) {
        return 0;
    }
    if (apply(s, SPV_CHANGE_START, BASE - 1, 0, some, PERIOD) == 0) {
        done = 1;
    }
    if (done == 1 && apply(s, SPV_CHANGE_APPEND, BASE + PERIOD - 1, 0, some + PERIOD,
                           80 - BASE - PERIOD + 1) == 0) {
        done = 2;
    }
    if (done == 2 && apply(s, SPV_CHANGE_FILL, 0, 0, r + 1, BASE - 1) == 0) {
        done = 3;
    }
    if (done == 3 && spv_store_prune(s, 20, NULL) == 0) {
        done = 4;
    }
    (void)spv_store_close(s);
    return done;
}

static void a_failing_disk_leaves_the_state_before_or_after(void **state)
{
    static const struct {
        uint32_t base, tip;
    } states[] = {{0, 0}, {BASE, BASE + PERIOD - 1}, {BASE, 80}, {0, 80}, {20, 80}};
    const int codes[] = {SQLITE_FULL, SQLITE_IOERR_WRITE};
    for (size_t i = 0; i < 2; i++) {
        bool hit = true;
        unsigned seen[5] = {0};
        for (long k = 0; hit; k++) {
            char path[PATH_LEN];
            struct spv_base base;
            struct spv_record got;
            size_t now = 0;
            (void)sqlite3_snprintf(sizeof path, path, "%s/%d-%d.db", (const char *)*state, (int)i,
                                   (int)k);
            faults_disk(k, codes[i]);
            const int done = life(path);
            hit = faults_hit();
            faults_disk(-1, 0);
            struct spv_store *s = open_small(path, SPV_STORE_CREATE);
            assert_int_equal(spv_store_rewound(s), 0);
            spv_store_base(s, &base);
            assert_int_equal(spv_store_tip(s, &got), 1);
            while (now < 5 && (states[now].base != base.height || states[now].tip != got.height)) {
                now++;
            }
            /* the one that failed may be there, one that was reported done must be */
            assert_true((int)now == done || (int)now == done + 1);
            seen[now]++;
            if (base.work_from == 0) {
                holds_from(s, states[now].base, states[now].tip);
            } else {
                assert_int_equal(base.work_from, BASE);
                const struct spv_u256 want = spv_u256_sub(&r[got.height].work, &r[BASE - 1].work);
                assert_int_equal(spv_u256_cmp(&got.work, &want), 0);
            }
            assert_int_equal(spv_store_close(s), 0);
        }
        for (size_t n = 0; n < 5; n++) {
            assert_true(seen[n] > 0);
        }
    }
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        FRESH(starts_at_a_base_and_goes_on),
        FRESH(a_chain_goes_on_over_a_base),
        FRESH(forks_near_the_base_are_unknown_and_above_it_judged),
        FRESH(work_that_counts_from_the_base_is_compared_with_nothing),
        FRESH(starts_only_where_nothing_is_and_at_a_period),
        FRESH(a_bad_tail_is_cut_down_to_the_base_and_no_further),
        FRESH(a_malformed_base_is_damage),
        FRESH(what_is_filled_joins_when_it_meets_the_base),
        FRESH(a_fill_that_does_not_meet_the_base_is_refused_whole),
        FRESH(joining_puts_every_sum_of_work_right),
        FRESH(pruning_leaves_two_periods_and_a_median),
        FRESH(a_pruned_chain_lives_on),
        FRESH(a_reader_follows_a_base_that_moves),
        FRESH(the_index_makes_room_for_many_rows_and_comes_back),
        FRESH(a_failing_disk_leaves_the_state_before_or_after),
    };
    faults_install();
    prepare();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
