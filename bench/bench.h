/* Shared by the benchmarks: a monotonic clock, and one printed line per figure with its lower
 * bound, the minimum cost of the same work on this machine. */
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

/* Prints a cost, where less is better; the ratio is cost / bound. bound 0: none. */
static inline void bench_cost(const char *what, double cost, double bound, const char *unit)
{
    printf("%-44s %12.1f %-10s", what, cost, unit);
    if (bound > 0)
        printf(" %6.2f x lower bound", cost / bound);
    putchar('\n');
}

/* Prints a rate, where more is better; the ratio is bound / rate. */
static inline void bench_rate(const char *what, double rate, double bound, const char *unit)
{
    printf("%-44s %12.0f %-10s", what, rate, unit);
    if (bound > 0 && rate > 0)
        printf(" %6.2f x lower bound", bound / rate);
    putchar('\n');
}

#endif
