/* Compact block filters by size and by instructions. Decoding stands beside a textbook reader that
 * takes bit after bit; matching beside the hashing and decoding that it cannot do without, the
 * fastest of the same run. Rounds alternate; the best one of each counts. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "spv/error.h"
#include "spv/filter.h"
#include "spv/filters/filter_match.h"
#include "spv/filters/filter_query.h"
#include "spv/filters/gcs.h"
#include "support/random.h"

#define ROUNDS 15
#define FILTERS 64 /* in a list: 1.7 MB */
#define ELEMENTS 10000
#define SCRIPT 22 /* bytes of a P2WPKH script */

static const char *const names[] = {"baseline", "BMI", "AVX2"};
static struct spv_filter filters[FILTERS];
static uint64_t *values[2];
static volatile uint64_t sink; /* keeps results alive */

static void must(int rc)
{
    if (rc < 0) {
        fprintf(stderr, "bench_filters: %s\n", spv_strerror(rc));
        exit(1);
    }
}

static void *need(void *p)
{
    if (!p)
        must(SPV_ERR_NOMEM);
    return p;
}

/* n scripts that are random, each of a seed all its own. */
static struct spv_bytes *make_scripts(size_t n, uint64_t seed)
{
    struct test_random random = {seed};
    struct spv_bytes *scripts = need(calloc(n, sizeof *scripts));
    uint8_t *bytes = need(malloc(n * SCRIPT));

    test_random_fill(&random, bytes, n * SCRIPT);
    for (size_t i = 0; i < n; i++)
        scripts[i] = (struct spv_bytes){bytes + i * SCRIPT, SCRIPT};
    return scripts;
}

static void make_filters(void)
{
    struct spv_bytes *scripts = make_scripts(ELEMENTS + FILTERS, 1);

    for (size_t i = 0; i < FILTERS; i++) {
        uint8_t *bytes;
        memset(filters[i].block.b, (int)i + 1, 16);
        must(spv_filter_build(&bytes, &filters[i].n, &filters[i].block, scripts + i, ELEMENTS));
        filters[i].bytes = bytes;
    }
    for (unsigned i = 0; i < 2; i++)
        values[i] = need(malloc(ELEMENTS * sizeof *values[i]));
}

/* A reader as textbooks have it: a byte, a mask. */
static void decode_textbook(const struct spv_gcs *set)
{
    const uint8_t *p = set->bits;
    unsigned bit = 0;
    uint64_t value = 0;

    for (size_t i = 0; i < set->n; i++) {
        uint64_t more = 0, rest = 0;
        for (;;) {
            const unsigned one = (unsigned)p[bit / 8] >> (7 - bit % 8) & 1;
            bit++;
            if (one == 0)
                break;
            more++;
        }
        /* the remainder a byte, or what is left of it, at a time */
        for (unsigned left = SPV_FILTER_P; left > 0;) {
            const unsigned here = 8 - bit % 8 < left ? 8 - bit % 8 : left;
            rest =
                rest << here | ((unsigned)p[bit / 8] >> (8 - bit % 8 - here) & ((1u << here) - 1));
            bit += here;
            left -= here;
        }
        value += more << SPV_FILTER_P | rest;
        values[0][i] = value;
    }
    sink += value;
}

enum work { TEXTBOOK, ALONE, LIST, HASH, MATCH_ALONE, MATCH_LIST, N_WORKS };

struct run {
    enum work work;
    enum spv_simd simd;
    struct spv_filter_matcher *matcher; /* HASH and MATCH */
    double best; /* ns a filter */
};

static void run_once(const struct run *run)
{
    static int results[FILTERS];
    struct spv_gcs sets[FILTERS];

    for (size_t i = 0; i < FILTERS; i++)
        must(spv_gcs_open(&sets[i], filters[i].bytes, filters[i].n));
    switch (run->work) {
    case TEXTBOOK:
        for (size_t i = 0; i < FILTERS; i++)
            decode_textbook(&sets[i]);
        break;
    case ALONE:
        for (size_t i = 0; i < FILTERS; i++)
            must(spv_gcs_decode(values[0], &sets[i], run->simd));
        break;
    case LIST:
        for (size_t i = 0; i < FILTERS; i += 2) {
            int rc[2];
            spv_gcs_decode_pair(rc, values, (const struct spv_gcs *[2]){&sets[i], &sets[i + 1]},
                                run->simd);
            must(rc[0]);
            must(rc[1]);
        }
        break;
    case HASH:
        for (size_t i = 0; i < FILTERS; i++)
            for (size_t g = 0; g < run->matcher->query->n_batches; g++)
                spv_script_batch_hash(run->matcher->script_values, &run->matcher->query->batches[g],
                                      spv_gcs_key_of(&filters[i].block), sets[i].range, run->simd);
        break;
    case MATCH_ALONE:
        for (size_t i = 0; i < FILTERS; i++)
            results[i] = spv_filter_match(run->matcher, &filters[i]);
        break;
    case MATCH_LIST:
        spv_filter_match_list(run->matcher, results, filters, FILTERS);
        break;
    case N_WORKS:
        break;
    }
    sink += values[0][7] + (uint64_t)results[3];
}

static void measure(struct run *runs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        runs[i].best = 1e18;
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < n; i++) {
            const uint64_t start = bench_now_ns();
            run_once(&runs[i]);
            const double each = (double)(bench_now_ns() - start) / FILTERS;
            if (each < runs[i].best)
                runs[i].best = each;
        }
}

static struct spv_filter_matcher *make_matcher(size_t n_scripts, enum spv_simd simd)
{
    struct spv_filter_query *query;
    struct spv_filter_matcher *matcher;

    must(spv_filter_query_new(&query, make_scripts(n_scripts, 2), n_scripts));
    must(spv_filter_matcher_new(&matcher, query));
    matcher->simd = simd;
    return matcher;
}

struct share {
    struct spv_filter_matcher *matcher;
    size_t from, n;
    int results[FILTERS];
};

static void *match_share(void *arg)
{
    struct share *share = arg;

    for (int i = 0; i < 20; i++)
        spv_filter_match_list(share->matcher, share->results, filters + share->from, share->n);
    return NULL;
}

/* How many times faster two threads are than one: the median of five. */
static double two_threads(void)
{
    struct share all = {.matcher = make_matcher(1000, spv_simd_best()), .n = FILTERS};
    struct share halves[2];
    double ratio[5];

    for (unsigned i = 0; i < 2; i++) {
        must(spv_filter_matcher_new(&halves[i].matcher, all.matcher->query));
        halves[i].from = i * FILTERS / 2;
        halves[i].n = FILTERS / 2;
    }
    for (unsigned k = 0; k < 5; k++) {
        pthread_t other;
        uint64_t start = bench_now_ns();
        match_share(&all);
        const double one = (double)(bench_now_ns() - start);
        start = bench_now_ns();
        if (pthread_create(&other, NULL, match_share, &halves[1]) != 0)
            must(SPV_ERR_NOMEM);
        match_share(&halves[0]);
        pthread_join(other, NULL);
        const double now = one / (double)(bench_now_ns() - start);
        unsigned at = k;
        for (; at > 0 && ratio[at - 1] > now; at--)
            ratio[at] = ratio[at - 1];
        ratio[at] = now;
    }
    return ratio[2];
}

static void print_decoding(const struct run *runs, size_t n)
{
    const double textbook = runs[0].best / ELEMENTS;

    printf("%-44s %12.2f ns\n", "decode an element, textbook", textbook);
    for (size_t i = 1; i < n; i++)
        printf("decode an element, %-5s %-19s %12.2f ns         %6.2f x faster than the textbook\n",
               runs[i].work == ALONE ? "alone" : "list", names[runs[i].simd],
               runs[i].best / ELEMENTS, textbook * ELEMENTS / runs[i].best);
}

/* Prints, and gives the fastest of each: alone and in a list. */
static void bench_decoding(double fastest[2])
{
    struct run runs[1 + 4];
    size_t n = 0;

    runs[n++] = (struct run){.work = TEXTBOOK};
    for (enum spv_simd simd = SPV_SIMD_BASELINE; simd <= spv_simd_best() && simd <= SPV_SIMD_BMI;
         simd++) {
        runs[n++] = (struct run){.work = ALONE, .simd = simd};
        runs[n++] = (struct run){.work = LIST, .simd = simd};
    }
    measure(runs, n);
    print_decoding(runs, n);
    fastest[0] = fastest[1] = 1e18;
    for (size_t i = 1; i < n; i++) {
        double *best = &fastest[runs[i].work == LIST];
        if (runs[i].best < *best)
            *best = runs[i].best;
    }
}

static void bench_matching(size_t n_scripts, const double decoding[2])
{
    struct run runs[9];
    double hashing = 1e18;
    size_t n = 0;

    for (enum spv_simd simd = SPV_SIMD_BASELINE; simd <= spv_simd_best(); simd++)
        for (enum work work = HASH; work < N_WORKS; work++)
            runs[n++] =
                (struct run){.work = work, .simd = simd, .matcher = make_matcher(n_scripts, simd)};
    measure(runs, n);
    for (size_t i = 0; i < n; i++)
        if (runs[i].work == HASH && runs[i].best < hashing)
            hashing = runs[i].best;
    for (size_t i = 0; i < n; i++) {
        char what[64];
        if (runs[i].work == HASH) {
            (void)snprintf(what, sizeof what, "SipHash of 22 bytes, %zu scripts, %s", n_scripts,
                           names[runs[i].simd]);
            bench_cost(what, runs[i].best / (double)n_scripts, 0, "ns");
            continue;
        }
        (void)snprintf(what, sizeof what, "match %zu scripts, %s, %s", n_scripts,
                       runs[i].work == MATCH_ALONE ? "alone" : "list", names[runs[i].simd]);
        bench_cost(what, runs[i].best / 1000,
                   (hashing + decoding[runs[i].work == MATCH_LIST]) / 1000, "us/filter");
    }
}

int main(void)
{
    double decoding[2];

    make_filters();
    printf("filters of %d elements, %zu bytes\n", ELEMENTS, filters[0].n);
    bench_decoding(decoding);
    bench_matching(1000, decoding);
    bench_matching(4000, decoding);
    bench_matching(60000, decoding);
    printf("%-44s %12.2f x (median of 5)\n", "match 1000 scripts, two threads", two_threads());
    return 0;
}
