#include "support/failing_alloc.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static struct {
    size_t k; /* 0: none fails */
    enum failing_alloc_mode mode;
    size_t count, failed;
    bool paused;
} plan;

bool failing_alloc_fails(void)
{
    if (plan.paused)
        return false;
    plan.count++;
    if (plan.k == 0 || plan.count < plan.k)
        return false;
    if (plan.mode == FAILING_ALLOC_ONE && plan.count > plan.k)
        return false;
    plan.failed++;
    return true;
}

void *__wrap_malloc(size_t n)
{
    return failing_alloc_fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return failing_alloc_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return failing_alloc_fails() ? NULL : __real_realloc(p, n);
}

void failing_alloc_plan(size_t k, enum failing_alloc_mode mode)
{
    plan.k = k;
    plan.mode = mode;
    plan.count = 0;
    plan.failed = 0;
}

size_t failing_alloc_end(void)
{
    plan.k = 0;
    return plan.failed;
}

size_t failing_alloc_count(void)
{
    return plan.count;
}

void failing_alloc_pause(void)
{
    plan.paused = true;
}

void failing_alloc_resume(void)
{
    plan.paused = false;
}
