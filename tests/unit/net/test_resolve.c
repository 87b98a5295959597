/* Name look-ups without a network: literals, localhost and impossible names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "spv/resolve.h"

/* A label of more than 63 bytes fails without a query. */
#define IMPOSSIBLE "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define MANY 24 /* more than there are worker threads */

struct results {
    struct spv_reactor *r;
    unsigned n_started;
    unsigned n;
    int error;
    struct spv_netaddr addrs[SPV_RESOLVE_MAX];
    size_t n_addrs;
};

static int setup(void **state)
{
    struct results *a = calloc(1, sizeof *a);
    assert_non_null(a);
    assert_int_equal(spv_reactor_new(&a->r, NULL), 0);
    *state = a;
    return 0;
}

static int teardown(void **state)
{
    struct results *a = *state;
    spv_reactor_free(a->r);
    free(a);
    return 0;
}

static void on_result(void *ctx, int error, const struct spv_netaddr *addrs, size_t n)
{
    struct results *a = ctx;
    a->error = error;
    a->n_addrs = n;
    memcpy(a->addrs, addrs, n * sizeof *addrs);
    if (++a->n == a->n_started)
        spv_reactor_stop(a->r);
}

static void look_up(struct results *a, const char *host)
{
    struct spv_resolve *l;
    a->n_started++;
    assert_int_equal(spv_resolve_start(&l, a->r, host, 8333, on_result, a), 0);
}

static void run(struct results *a)
{
    assert_int_equal(a->n, 0); /* not inside spv_resolve_start */
    assert_int_equal(spv_reactor_run(a->r), 0);
    assert_int_equal(a->n, a->n_started);
}

static void literal_addresses_are_returned(void **state)
{
    static const struct {
        const char *host;
        uint8_t network;
        uint8_t len;
        uint8_t first, last;
    } table[] = {
        {"127.0.0.1", SPV_ADDR_IPV4, 4, 127, 1},
        {"203.0.113.9", SPV_ADDR_IPV4, 4, 203, 9},
        {"2001:db8::7", SPV_ADDR_IPV6, 16, 0x20, 7},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (i > 0) {
            assert_int_equal(teardown(state), 0);
            assert_int_equal(setup(state), 0);
        }
        struct results *a = *state;
        look_up(a, table[i].host);
        run(a);
        assert_int_equal(a->error, 0);
        assert_int_equal(a->n_addrs, 1);
        assert_int_equal(a->addrs[0].network, table[i].network);
        assert_int_equal(a->addrs[0].len, table[i].len);
        assert_int_equal(a->addrs[0].port, 8333);
        assert_int_equal(a->addrs[0].bytes[0], table[i].first);
        assert_int_equal(a->addrs[0].bytes[table[i].len - 1], table[i].last);
    }
}

static void localhost_is_returned_without_duplicates(void **state)
{
    struct results *a = *state;
    look_up(a, "localhost");
    run(a);
    assert_int_equal(a->error, 0);
    assert_in_range(a->n_addrs, 1, 2);
    for (size_t i = 0; i < a->n_addrs; i++) {
        assert_int_equal(a->addrs[i].port, 8333);
        assert_int_equal(a->addrs[i].bytes[a->addrs[i].len - 1], 1);
    }
}

static void impossible_names_fail(void **state)
{
    struct results *a = *state;
    look_up(a, IMPOSSIBLE);
    run(a);
    assert_int_equal(a->error, SPV_ERR_RESOLVE);
    assert_int_equal(a->n_addrs, 0);
}

static void empty_and_too_long_names_are_refused_at_the_call(void **state)
{
    struct results *a = *state;
    struct spv_resolve *l;
    char endless[SPV_HOST_MAX + 1];
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    assert_int_equal(spv_resolve_start(&l, a->r, "", 1, on_result, a), SPV_ERR_INVALID);
    assert_int_equal(spv_resolve_start(&l, a->r, endless, 1, on_result, a), SPV_ERR_INVALID);
}

static void more_names_than_workers_are_all_looked_up(void **state)
{
    struct results *a = *state;
    for (unsigned i = 0; i < MANY; i++)
        look_up(a, i % 3 == 0 ? "127.0.0.1" : i % 3 == 1 ? "localhost" : IMPOSSIBLE);
    run(a);
}

static void cancelled_lookups_do_not_call_done(void **state)
{
    struct results *a = *state;
    struct spv_resolve *l[MANY];
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(
            spv_resolve_start(&l[i], a->r, i % 2 ? "localhost" : "::1", 1, on_result, a), 0);
    for (unsigned i = 0; i < MANY; i++)
        spv_resolve_cancel(l[i]);
    look_up(a, "localhost");
    run(a);
    assert_int_equal(a->n, 1);
}

static void reactor_is_freed_while_lookups_are_in_progress(void **state)
{
    struct results *a = *state;
    for (unsigned i = 0; i < MANY; i++)
        look_up(a, i % 2 ? "localhost" : "127.0.0.1");
    spv_reactor_free(a->r); /* busy workers free their jobs later */
    assert_int_equal(a->n, 0);
    assert_int_equal(spv_reactor_new(&a->r, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(literal_addresses_are_returned, setup, teardown),
        cmocka_unit_test_setup_teardown(localhost_is_returned_without_duplicates, setup, teardown),
        cmocka_unit_test_setup_teardown(impossible_names_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(empty_and_too_long_names_are_refused_at_the_call, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(more_names_than_workers_are_all_looked_up, setup, teardown),
        cmocka_unit_test_setup_teardown(cancelled_lookups_do_not_call_done, setup, teardown),
        cmocka_unit_test_setup_teardown(reactor_is_freed_while_lookups_are_in_progress, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
