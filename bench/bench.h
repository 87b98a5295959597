/* What every benchmark shares: a clock that never steps back, and one line a figure beside its
 * lower bound, the least that the machine would need for the same work. */
#ifndef SPV_BENCH_H
#define SPV_BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

static inline uint64_t bench_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* Costs, where less is better: the ratio says how many times the lower bound; 0: none. */
static inline void bench_cost(const char *what, double cost, double bound, const char *unit)
{
    printf("%-44s %12.1f %-10s", what, cost, unit);
    if (bound > 0)
        printf(" %6.2f x lower bound", cost / bound);
    putchar('\n');
}

/* Rates, where more is better: the ratio says how many times slower than the lower bound. */
static inline void bench_rate(const char *what, double rate, double bound, const char *unit)
{
    printf("%-44s %12.0f %-10s", what, rate, unit);
    if (bound > 0 && rate > 0)
        printf(" %6.2f x lower bound", bound / rate);
    putchar('\n');
}

#endif
