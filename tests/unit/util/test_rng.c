/* Random helpers over a scripted generator, and their ranges over a seeded one. */
#include "support/random.h"
#include "support/unit.h"

#include "util/rng.h"

/* A generator that returns the listed words, one a call. */
struct script {
    const uint64_t *words;
    size_t n, next;
};

static void script_fill(void *ctx, void *out, size_t n)
{
    struct script *s = ctx;

    assert_int_equal(n, sizeof s->words[0]);
    assert_true(s->next < s->n);
    memcpy(out, &s->words[s->next++], n);
}

static void below_rejects_words_past_the_largest_multiple(void **state)
{
    static const struct {
        uint64_t n, words[3];
        size_t used;
        uint64_t result;
    } cases[] = {
        {1, {UINT64_MAX}, 1, 0},
        {2, {UINT64_MAX}, 1, 1}, /* 2^64 is a multiple of 2: nothing is rejected */
        {10, {19}, 1, 9},
        /* 2^64 mod 10 = 6: the last six words would favour 0 to 5 */
        {10, {UINT64_MAX - 6}, 1, 9},
        {10, {UINT64_MAX - 5, UINT64_MAX, 4}, 3, 4},
        {UINT64_MAX, {UINT64_MAX - 1}, 1, UINT64_MAX - 1},
        {UINT64_MAX, {UINT64_MAX, 7}, 2, 7},
        /* almost half of all words are rejected here */
        {(UINT64_C(1) << 63) + 1,
         {(UINT64_C(1) << 63) + 1, UINT64_C(1) << 63},
         2,
         UINT64_C(1) << 63},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct script s = {cases[i].words, COUNT(cases[i].words), 0};
        const struct spv_rng rng = {script_fill, &s};
        assert_int_equal(spv_rng_below(&rng, cases[i].n), cases[i].result);
        assert_int_equal(s.next, cases[i].used);
    }
}

static void jitter_stays_within_the_spread_and_reaches_both_ends(void **state)
{
    struct test_random random = {1};
    const struct spv_rng rng = test_random_rng(&random);
    unsigned seen[5] = {0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        const uint64_t x = spv_rng_jitter(&rng, 100, 2);
        assert_in_range(x, 98, 102);
        seen[x - 98]++;
    }
    for (size_t i = 0; i < COUNT(seen); i++)
        assert_true(seen[i] > 100);
    assert_int_equal(spv_rng_jitter(&rng, 100, 0), 100);
    assert_in_range(spv_rng_jitter(&rng, 3, 3), 0, 6);
}

static void u64_uses_every_byte_of_the_generator(void **state)
{
    static const uint64_t words[] = {UINT64_C(0x0123456789abcdef), UINT64_MAX};
    struct script s = {words, COUNT(words), 0};
    const struct spv_rng rng = {script_fill, &s};

    (void)state;
    assert_int_equal(spv_rng_u64(&rng), words[0]);
    assert_int_equal(spv_rng_u64(&rng), words[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(below_rejects_words_past_the_largest_multiple),
        cmocka_unit_test(jitter_stays_within_the_spread_and_reaches_both_ends),
        cmocka_unit_test(u64_uses_every_byte_of_the_generator),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
