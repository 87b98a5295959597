/* Which addresses are banned, and until when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "spv/addrman/banman.h"
#include "spv/error.h"

#define NOW INT64_C(1800000000)

static struct spv_now now;

static int setup(void **state)
{
    (void)state;
    now = (struct spv_now){.mono_us = SPV_SECOND, .unix_s = NOW};
    return 0;
}

static void a_ban_lasts_a_day_whatever_the_wall_clock_does(void **state)
{
    static struct spv_banman b;
    uint64_t until = 0;
    (void)state;
    memset(&b, 0, sizeof b);
    spv_banman_add(&b, "8.8.8.8", SPV_ERR_HDR_POW, now);
    assert_true(b.changed);
    assert_null(spv_banman_find(&b, NULL, "8.8.8.9", now));
    now.unix_s += 100 * 86400; /* set */
    now.mono_us += (SPV_BAN_SECONDS - 1) * SPV_SECOND;
    const struct spv_ban_entry *ban = spv_banman_find(&b, &until, "8.8.8.8", now);
    assert_non_null(ban);
    assert_int_equal(ban->code, SPV_ERR_HDR_POW);
    assert_int_equal(ban->until - ban->since, SPV_BAN_SECONDS);
    assert_true(until == now.mono_us + SPV_SECOND);
    spv_banman_expire(&b, now);
    assert_int_equal(b.n, 1);
    now.mono_us += SPV_SECOND;
    assert_null(spv_banman_find(&b, NULL, "8.8.8.8", now));
    spv_banman_expire(&b, now);
    assert_int_equal(b.n, 0);
}

static void stored_bans_go_on_and_end(void **state)
{
    static struct spv_banman b;
    const struct spv_ban_entry rows[] = {
        {.address = "a", .until = NOW + 60, .code = -105},
        {.address = "b", .until = NOW, .code = -105}, /* expired */
        {.address = "c", .until = NOW + 1000 * 86400, .code = -105}, /* set by a clock far ahead */
    };
    uint64_t until = 0;
    (void)state;
    memset(&b, 0, sizeof b);
    spv_banman_load(&b, rows, 3, now);
    assert_int_equal(b.n, 2);
    assert_true(b.changed);
    assert_non_null(spv_banman_find(&b, &until, "a", now));
    assert_true(until == now.mono_us + 60 * SPV_SECOND);
    assert_non_null(spv_banman_find(&b, &until, "c", now));
    assert_true(until == now.mono_us + SPV_BAN_SECONDS * SPV_SECOND);
}

/* Versions before this one banned for malformed messages, second versions and the like, too. */
static void a_stored_ban_with_a_code_that_does_not_ban_is_dropped(void **state)
{
    static struct spv_banman b;
    static const int codes[] = {SPV_ERR_TRAILING,
                                SPV_ERR_SHORT,
                                SPV_ERR_MALFORMED,
                                SPV_ERR_LATE_NEGOTIATION,
                                SPV_ERR_BLOOM_NOT_OFFERED,
                                -61, /* a second version message: no longer banned */
                                -62,
                                SPV_ERR_STALL,
                                0,
                                1, /* no error has a positive code */
                                INT32_MAX,
                                -9999, /* unknown */
                                SPV_ERR_HDR_POW};
    struct spv_ban_entry rows[sizeof codes / sizeof codes[0]];
    const size_t n = sizeof codes / sizeof codes[0];
    (void)state;
    for (size_t i = 0; i < n; i++) {
        rows[i] = (struct spv_ban_entry){.since = NOW, .until = NOW + 86400, .code = codes[i]};
        (void)snprintf(rows[i].address, sizeof rows[i].address, "host%zu", i);
    }
    memset(&b, 0, sizeof b);
    spv_banman_load(&b, rows, n, now);
    assert_true(b.changed); /* they are deleted from the database, too */
    assert_int_equal(b.n, 1);
    assert_int_equal(b.bans[0].code, SPV_ERR_HDR_POW);
}

static void number_of_bans_is_bounded_and_the_oldest_is_dropped(void **state)
{
    static struct spv_banman b;
    char name[20];
    (void)state;
    memset(&b, 0, sizeof b);
    for (unsigned i = 0; i < SPV_ADDRMAN_BANS + 10; i++) {
        (void)snprintf(name, sizeof name, "host%u", i);
        spv_banman_add(&b, name, -105, now);
        now.mono_us++;
    }
    assert_int_equal(b.n, SPV_ADDRMAN_BANS);
    assert_null(spv_banman_find(&b, NULL, "host9", now));
    assert_non_null(spv_banman_find(&b, NULL, "host10", now));
    spv_banman_add(&b, "host10", -105, now); /* again: once */
    assert_int_equal(b.n, SPV_ADDRMAN_BANS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_ban_lasts_a_day_whatever_the_wall_clock_does, setup),
        cmocka_unit_test_setup(stored_bans_go_on_and_end, setup),
        cmocka_unit_test_setup(a_stored_ban_with_a_code_that_does_not_ban_is_dropped, setup),
        cmocka_unit_test_setup(number_of_bans_is_bounded_and_the_oldest_is_dropped, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
