/* Apart from failing_alloc.c, whose other users do not link SQLite. */
#include "support/failing_alloc.h"

#include <sqlite3.h>

static sqlite3_mem_methods real;

static void *sqlite_malloc(int n)
{
    return failing_alloc_fails() ? NULL : real.xMalloc(n);
}

static void *sqlite_realloc(void *p, int n)
{
    return failing_alloc_fails() ? NULL : real.xRealloc(p, n);
}

void failing_alloc_install_sqlite(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real);
    sqlite3_mem_methods methods = real;
    methods.xMalloc = sqlite_malloc;
    methods.xRealloc = sqlite_realloc;
    (void)sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    (void)sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0); /* else small ones bypass xMalloc */
}
