#include "unit/loop/temp_db.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

int temp_db_make(void **state)
{
    struct temp_db *p = calloc(1, sizeof *p);
    assert_non_null(p);
    (void)snprintf(p->folder, sizeof p->folder, "/tmp/spv-evloop-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    (void)snprintf(p->path, sizeof p->path, "%s/headers.db", p->folder);
    *state = p;
    return 0;
}

int temp_db_remove(void **state)
{
    static const char *const files[] = {"headers.db", "headers.db-wal", "headers.db-shm",
                                        "headers.db.lock", "headers.db-lock"};
    struct temp_db *p = *state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", p->folder, files[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(p->folder), 0);
    free(p);
    return 0;
}
