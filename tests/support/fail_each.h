/* Runs a call with each of its allocations failing in turn, for programs of spv_failing_alloc(). */
#ifndef SPV_TESTS_SUPPORT_FAIL_EACH_H
#define SPV_TESTS_SUPPORT_FAIL_EACH_H

#include "spv/error.h"
#include "support/failing_alloc.h"
#include "support/unit.h"

/* The call must return SPV_ERR_NOMEM for each, and 0 when none fails. Returns the number of
 * allocations. */
static inline size_t fail_each(int (*call)(void))
{
    for (size_t k = 1;; k++) {
        failing_alloc_plan(k, FAILING_ALLOC_ONE);
        const int rc = call();
        if (failing_alloc_end() == 0) {
            assert_int_equal(rc, 0);
            return k - 1;
        }
        assert_int_equal(rc, SPV_ERR_NOMEM);
    }
}

#endif
