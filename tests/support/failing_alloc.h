/* Allocations that fail on request. In a program made with spv_failing_alloc() (CMake), the linker
 * redirects malloc, calloc and realloc of all that is linked statically to this module; those of
 * SQLite come here after failing_alloc_install_sqlite(). Process-wide, one thread. */
#ifndef SPV_TESTS_SUPPORT_FAILING_ALLOC_H
#define SPV_TESTS_SUPPORT_FAILING_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

enum failing_alloc_mode {
    FAILING_ALLOC_ONE, /* only the k-th fails */
    FAILING_ALLOC_REST, /* the k-th and all after it fail */
};

/* From now on the k-th allocation (from 1) fails; with k = 0 none does. Resets both counts. */
void failing_alloc_plan(size_t k, enum failing_alloc_mode mode);
/* Ends the plan: no further allocation fails. Returns how many failed since its beginning. */
size_t failing_alloc_end(void);
/* How many allocations there were since the plan began, failed ones included. */
size_t failing_alloc_count(void);

/* Between these calls allocations are not counted and do not fail: those of the test itself. */
void failing_alloc_pause(void);
void failing_alloc_resume(void);

/* Counts an allocation and returns whether it fails: for an allocator's hooks. */
bool failing_alloc_fails(void);
/* Call it before any use of SQLite. */
void failing_alloc_install_sqlite(void);

#endif
