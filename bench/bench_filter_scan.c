/* A scan over a link of 100 ms and 100 Mbit/s: 2,000 filters of 10,000 elements.
 *
 *   bench_filter_scan [PEERS]
 * The link is simulated: a request takes half a round trip, the answers follow each other at the
 * link's rate, and take the other half. The time that the machine and the matcher (on one thread)
 * really take is added to the virtual clock, as if each were a part of one program without
 * threads. Blocks are not fetched: the scan is over when all filters are matched. The lower bound
 * is the bytes through the link, and three round trips. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "spv/filters/filter_scan.h"
#include "spv/mine.h"
#include "support/random.h"

#define N_FILTERS 2000
#define N_ELEMENTS 10000
#define N_DIFFERENT 16 /* filters; the others have the bytes of one of them */
#define N_SCRIPTS 1000
#define ITEM 22
#define ROUND_TRIP 100000.0 /* us */
#define RATE 12.5 /* bytes a us: 100 Mbit/s */
#define MAX_PEERS 8
#define FRAME 62 /* bytes of a cfilter beside the filter: frame header, type, hash, length */

struct answer {
    double arrives_us;
    uint64_t peer;
    uint32_t height;
};

static struct {
    struct spv_chain *chain;
    struct spv_blockhash hashes[N_FILTERS + 1];
    uint8_t *bytes[N_DIFFERENT];
    size_t n[N_DIFFERENT];
    struct spv_filter_header headers[N_FILTERS + 1];
    struct spv_effects effects;
    struct spv_peer_table peers;
    struct spv_block_fetch blocks;
    struct spv_filter_scan *scan;
    struct test_random random;
    double now_us, link_free_us;
    struct answer answers[N_FILTERS * 4]; /* on their way, in order of arrival */
    size_t first, last;
    size_t peak; /* bytes */
} b;

static void die(const char *what)
{
    fprintf(stderr, "bench_filter_scan: %s\n", what);
    exit(1);
}

static void check(int rc, const char *what)
{
    if (rc < 0)
        die(what);
}

static struct spv_now now(void)
{
    return (struct spv_now){.mono_us = (uint64_t)b.now_us, .unix_s = INT64_C(4000000000)};
}

static int read_headers(void *ctx, struct spv_filter_header *headers,
                        struct spv_filter_hash *hashes, uint32_t from, uint32_t n)
{
    (void)ctx;
    (void)hashes;
    memcpy(headers, &b.headers[from], n * sizeof *headers);
    return (int)n;
}

static int on_header(void *ctx, const struct spv_chain_header *header)
{
    (void)ctx;
    b.hashes[header->height] = header->hash;
    return 0;
}

static void make_filters(void)
{
    static uint8_t items[N_ELEMENTS][ITEM];
    static struct spv_bytes views[N_ELEMENTS];
    const struct spv_chain_config cfg = {.params = spv_params_get(SPV_REGTEST)};
    const struct spv_mine_plan plan = {.n = N_FILTERS, .seed = 1, .on_header = on_header};

    check(spv_chain_new(&b.chain, &cfg), "chain");
    check(spv_mine_chain(b.chain, &plan), "mining");
    for (size_t i = 0; i < N_DIFFERENT; i++) {
        for (size_t k = 0; k < N_ELEMENTS; k++) {
            test_random_fill(&b.random, items[k], ITEM);
            views[k] = (struct spv_bytes){items[k], ITEM};
        }
        check(spv_filter_build(&b.bytes[i], &b.n[i], &b.hashes[i + 1], views, N_ELEMENTS),
              "filter");
    }
    for (uint32_t h = 1; h <= N_FILTERS; h++) {
        const struct spv_filter filter = {.bytes = b.bytes[h % N_DIFFERENT],
                                          .n = b.n[h % N_DIFFERENT]};
        struct spv_filter_hash hash;
        spv_filter_compute_hash(&hash, &filter);
        spv_filter_compute_header(&b.headers[h], &hash, &b.headers[h - 1]);
    }
}

static void begin_scan(unsigned n_peers)
{
    static uint8_t scripts[N_SCRIPTS][ITEM];
    static struct spv_bytes views[N_SCRIPTS];
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    const struct spv_filter_scan_config cfg = {.params = params,
                                               .chain = b.chain,
                                               .peers = &b.peers,
                                               .effects = &b.effects,
                                               .blocks = &b.blocks,
                                               .filter_db = {.headers = read_headers},
                                               .rng = test_random_rng(&b.random)};

    spv_effects_init(&b.effects);
    spv_block_fetch_init(&b.blocks, b.chain, params, &b.effects, &b.peers, cfg.rng);
    check(spv_filter_scan_new(&b.scan, &cfg), "scan");
    for (size_t i = 0; i < N_SCRIPTS; i++) {
        test_random_fill(&b.random, scripts[i], ITEM);
        views[i] = (struct spv_bytes){scripts[i], ITEM};
    }
    check(spv_filter_scan_begin(b.scan, views, N_SCRIPTS, 1, N_FILTERS, now()), "begin");
    for (uint64_t id = 1; id <= n_peers; id++) {
        struct spv_peer_entry *p = spv_peer_table_add(&b.peers, id);
        p->services = SPV_NODE_COMPACT_FILTERS;
        p->filters = (struct spv_filter_peer){.added = true, .best_known_height = N_FILTERS};
        check(spv_filter_scan_add_peer(b.scan, id, now()), "peer");
    }
}

/* All peers share the link: their filters follow each other. */
static void answer(uint64_t peer, const struct spv_msg_getcfilters *get)
{
    const double requested_us = b.now_us + ROUND_TRIP / 2;

    for (uint32_t h = get->start;; h++) {
        const double begins = b.link_free_us > requested_us ? b.link_free_us : requested_us;
        b.link_free_us = begins + (double)(b.n[h % N_DIFFERENT] + FRAME) / RATE;
        if (b.last == sizeof b.answers / sizeof b.answers[0])
            die("too many answers");
        b.answers[b.last++] = (struct answer){b.link_free_us + ROUND_TRIP / 2, peer, h};
        if (spv_blockhash_eq(&b.hashes[h], &get->stop))
            return;
    }
}

static void run_effects(void)
{
    struct spv_effect e;

    check(spv_filter_scan_run(b.scan, N_FILTERS, true, now()), "run");
    while (spv_effects_pop(&b.effects, &e) == 1) {
        if (e.kind == SPV_EFFECT_SEND && e.message.command == SPV_CMD_GETCFILTERS) {
            answer(e.peer, &e.message.u.getcfilters);
        } else if (e.kind == SPV_EFFECT_MATCH_FILTERS) {
            struct spv_filter_matcher *matcher;
            check(spv_filter_matcher_new(&matcher, e.match.query), "matcher");
            spv_filter_match_list(matcher, e.match.results, e.match.filters, e.match.n);
            spv_filter_matcher_free(matcher);
            check(spv_filter_scan_matched(b.scan), "matched");
            check(spv_filter_scan_run(b.scan, N_FILTERS, true, now()), "run");
        }
    }
}

static void note_memory(void)
{
    struct spv_scan_stats stats;

    spv_filter_scan_get_stats(b.scan, &stats);
    if (stats.memory > b.peak)
        b.peak = stats.memory;
}

/* The next message arrives, or was waiting; what its handling takes is added to the clock. */
static void next_message(void)
{
    const struct answer a = b.answers[b.first++];
    const size_t at = a.height % N_DIFFERENT;
    const struct spv_msg_cfilter msg = {
        .type = SPV_FILTER_BASIC, .block = b.hashes[a.height], .filter = b.bytes[at], .n = b.n[at]};

    if (a.arrives_us > b.now_us)
        b.now_us = a.arrives_us;
    const uint64_t start = bench_now_ns();
    check(spv_filter_scan_cfilter(b.scan, a.peer, &msg, now()), "cfilter");
    note_memory();
    run_effects();
    b.now_us += (double)(bench_now_ns() - start) / 1000;
}

int main(int argc, char **argv)
{
    const unsigned n_peers = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
    double bytes = 0;

    if (n_peers < 1 || n_peers > MAX_PEERS)
        die("PEERS is 1 to 8");
    b.random.state = 1;
    make_filters();
    for (uint32_t h = 1; h <= N_FILTERS; h++)
        bytes += (double)b.n[h % N_DIFFERENT];
    const uint64_t start = bench_now_ns();
    begin_scan(n_peers);
    run_effects();
    b.now_us += (double)(bench_now_ns() - start) / 1000;
    while (b.first < b.last)
        next_message();
    struct spv_scan_stats stats;
    spv_filter_scan_get_stats(b.scan, &stats);
    if (stats.filters < N_FILTERS)
        die("the scan did not end");
    bench_cost("scan of 2,000 filters at 100 ms, 100 Mbit/s", b.now_us / 1000,
               (bytes / RATE + 3 * ROUND_TRIP) / 1000, "ms");
    bench_cost("memory at most", (double)b.peak / 1048576, 0, "MiB");
    spv_filter_scan_free(b.scan);
    spv_effects_free(&b.effects);
    spv_chain_free(b.chain);
    for (size_t i = 0; i < N_DIFFERENT; i++)
        free(b.bytes[i]);
    return 0;
}
