/* Headers validated per second, with the lower bound: the double SHA-256 of the same headers alone.
 * Uses mined regtest and simnet chains (the latter with retargets), and mainnet headers when
 * SPV_TEST_DATA has them. Rounds of chain and lower bound alternate; the best round of each counts.
 *
 * bench_chain [HEADERS] */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "spv/chain.h"
#include "spv/message.h"
#include "spv/mine.h"

#define HEADERS 1000000
#define ROUNDS 5
#define REAL_FILE "headers/mainnet-1-32260.bin"

/* Decoded headers as in a peer's messages, and their bytes for the lower bound. */
struct header_list {
    struct spv_header *headers;
    uint8_t *raw;
    size_t n;
    size_t cap;
};

static void die(const char *what)
{
    fprintf(stderr, "bench_chain: %s\n", what);
    exit(1);
}

static void allocate(struct header_list *l, size_t n)
{
    l->headers = calloc(n, sizeof *l->headers);
    l->raw = malloc(n * SPV_HEADER_SIZE);
    if (!l->headers || !l->raw)
        die("out of memory");
    l->cap = n;
    l->n = 0;
}

static void append_header(struct header_list *l, const struct spv_header *header)
{
    l->headers[l->n] = *header;
    spv_header_encode(l->raw + l->n * SPV_HEADER_SIZE, header);
    l->n++;
}

static void free_headers(struct header_list *l)
{
    free(l->headers);
    free(l->raw);
}

static int on_mined(void *ctx, const struct spv_chain_header *record)
{
    append_header(ctx, &record->header);
    return 0;
}

static struct spv_chain *new_chain(enum spv_network network)
{
    const struct spv_chain_config cfg = {.params = spv_params_get(network)};
    struct spv_chain *c;

    if (spv_chain_new(&c, &cfg) < 0)
        die("no chain");
    return c;
}

static double lower_bound_seconds(const struct header_list *l)
{
    static struct spv_blockhash hashes[SPV_MAX_HEADERS];
    const uint64_t start = bench_now_ns();

    for (size_t i = 0; i < l->n; i += SPV_MAX_HEADERS)
        spv_header_hash_raw(hashes, l->raw + i * SPV_HEADER_SIZE,
                            l->n - i < SPV_MAX_HEADERS ? l->n - i : SPV_MAX_HEADERS);
    return (double)(bench_now_ns() - start) * 1e-9;
}

static double chain_seconds(const struct header_list *l, enum spv_network network, size_t *memory)
{
    const struct spv_now now = {0, INT64_MAX / 2};
    struct spv_chain *c = new_chain(network);
    const uint64_t start = bench_now_ns();
    double took;

    for (size_t i = 0; i < l->n; i += SPV_MAX_HEADERS) {
        const size_t n = l->n - i < SPV_MAX_HEADERS ? l->n - i : SPV_MAX_HEADERS;
        struct spv_accept_result v;
        if (spv_chain_accept(c, &v, l->headers + i, n, now) < 0 || v.accepted != n)
            die("a header was refused");
        spv_chain_stored(c);
    }
    took = (double)(bench_now_ns() - start) * 1e-9;
    *memory = spv_chain_memory(c);
    spv_chain_free(c);
    return took;
}

static void measure(const char *name, const struct header_list *l, enum spv_network network)
{
    double best_bound = 1e9;
    double best_chain = 1e9;
    size_t memory = 0;
    char what[64];

    for (int i = 0; i < ROUNDS; i++) {
        const double f = lower_bound_seconds(l);
        const double c = chain_seconds(l, network, &memory);
        best_bound = f < best_bound ? f : best_bound;
        best_chain = c < best_chain ? c : best_chain;
    }
    const double n = (double)l->n;
    snprintf(what, sizeof what, "%s: double SHA-256 alone", name);
    bench_rate(what, n / best_bound, 0, "headers/s");
    snprintf(what, sizeof what, "%s: judged", name);
    bench_rate(what, n / best_chain, n / best_bound, "headers/s");
    bench_cost("  the chain's memory at the end", (double)memory / 1024, 0, "KiB");
}

static void mined(size_t n, enum spv_network network, const char *name)
{
    struct header_list l;
    struct spv_chain *c = new_chain(network);
    const uint64_t start = bench_now_ns();

    allocate(&l, n);
    const struct spv_mine_plan plan = {
        .n = (uint32_t)n, .seed = 1, .on_header = on_mined, .ctx = &l};
    if (spv_mine_chain(c, &plan) != 0)
        die("mining failed");
    spv_chain_free(c);
    printf("%s: mined %zu headers in %.2f s\n", name, n, (double)(bench_now_ns() - start) * 1e-9);
    measure(name, &l, network);
    free_headers(&l);
}

static void real(void)
{
    const char *folder = getenv("SPV_TEST_DATA");
    uint8_t raw[SPV_HEADER_SIZE];
    char path[512];
    struct header_list l;
    FILE *f;

    if (!folder) {
        puts("mainnet: skipped, SPV_TEST_DATA is not set");
        return;
    }
    snprintf(path, sizeof path, "%s/%s", folder, REAL_FILE);
    f = fopen(path, "rb");
    if (!f) {
        printf("mainnet: skipped, there is no %s\n", path);
        return;
    }
    allocate(&l, 40000);
    while (l.n < l.cap && fread(raw, 1, sizeof raw, f) == sizeof raw) {
        struct spv_header header;
        spv_header_decode(&header, raw);
        append_header(&l, &header);
    }
    fclose(f);
    printf("mainnet: %zu real headers\n", l.n);
    measure("mainnet", &l, SPV_MAINNET);
    free_headers(&l);
}

int main(int argc, char **argv)
{
    const size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : HEADERS;

    if (n == 0)
        die("usage: bench_chain [HEADERS]");
    mined(n, SPV_REGTEST, "regtest");
    mined(n < 100000 ? n : 100000, SPV_SIMNET, "simnet");
    real();
    return 0;
}
