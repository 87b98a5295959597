/* Header download over connections with high latency or low bandwidth: spv-serve, a proxy that adds
 * delay and limits the rate (proxy.c), and an event loop with a database, all on loopback.
 *
 *   bench_segments BIN_DIR [HEADERS] [FOLDER]
 * First one peer with a delay of 50 ms, without checkpoints (one request at a time) and with a
 * checkpoint per period, which allows many requests in flight. Then three equal peers of 2 MB/s,
 * alone and with a fourth that has 20 times the delay and a twentieth of the rate. Measured from
 * the first handshake until the last header is validated and stored; "synced" is the time from the
 * first dial to SYNCED. Each sync is a process of its own. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "bench_files.h"
#include "proxy.h"
#include "spv/spv.h"

#define DEFAULT_HEADERS 100000
#define PERIOD 2016
#define PATH_SIZE 512
#define PEERS 4

struct setup {
    uint32_t n;
    struct spv_checkpoint *checkpoints;
    size_t n_checkpoints;
    char folder[PATH_SIZE / 2], headers[PATH_SIZE];
};

/* Mines the file of headers, and takes the last header of each period as a checkpoint. */
static void mine(struct setup *setup)
{
    struct bench_headers mined = bench_mine(setup->n);
    setup->checkpoints = calloc(setup->n / PERIOD + 1, sizeof *setup->checkpoints);
    if (!setup->checkpoints)
        bench_die("memory");
    bench_write_headers(setup->headers, &mined);
    for (uint32_t h = PERIOD - 1; h < mined.n; h += PERIOD) {
        struct spv_checkpoint *checkpoint = &setup->checkpoints[setup->n_checkpoints++];
        checkpoint->height = h;
        spv_header_hash_raw(&checkpoint->hash, mined.raw + (size_t)h * SPV_HEADER_SIZE, 1);
    }
    free(mined.raw);
}

struct times {
    double headers, synced; /* seconds */
    double cpu; /* seconds of the syncing process */
    double peak; /* MiB */
};

struct sync {
    struct spv_evloop *loop;
    uint32_t n;
    uint64_t start_ns, first_ns;
    struct times times;
};

static void on_event(void *ctx, const struct spv_event *e)
{
    struct sync *s = ctx;
    const uint64_t now = bench_now_ns();
    if (e->kind == SPV_EVENT_CONNECTED && !s->first_ns)
        s->first_ns = now;
    if (e->kind == SPV_EVENT_PROGRESS && e->tip.height == s->n)
        s->times.headers = (double)(now - s->first_ns) / 1e9;
    if (e->kind == SPV_EVENT_SYNCED && e->tip.height == s->n) {
        s->times.synced = (double)(now - s->start_ns) / 1e9;
        spv_evloop_stop(s->loop);
    }
}

static struct times sync_here(const struct setup *setup, const uint16_t *ports, size_t n_ports,
                              bool with_checkpoints)
{
    struct sync s = {.n = setup->n};
    struct spv_endpoint peers[PEERS];
    struct spv_error_info why;
    char path[PATH_SIZE];
    struct rusage usage;
    memset(peers, 0, sizeof peers);
    snprintf(path, sizeof path, "%s/sync.db", setup->folder);
    for (size_t i = 0; i < n_ports; i++) {
        snprintf(peers[i].host, sizeof peers[i].host, "127.0.0.1");
        peers[i].port = ports[i];
    }
    struct spv_evloop_config cfg = {
        .node = {.params = spv_params_get(SPV_REGTEST),
                 .connect = peers,
                 .n_connect = n_ports,
                 .checkpoints = with_checkpoints ? setup->checkpoints : NULL,
                 .n_checkpoints = with_checkpoints ? setup->n_checkpoints : 0},
        .on_event = on_event,
        .ctx = &s};
    const struct spv_store_config store = {
        .path = path, .params = cfg.node.params, .mode = SPV_STORE_CREATE};
    s.start_ns = bench_now_ns();
    if (spv_store_open(&cfg.store, &store, &why) < 0 || spv_evloop_new(&s.loop, &cfg, &why) < 0 ||
        spv_evloop_run(s.loop) < 0) {
        fprintf(stderr, "bench_segments: %s\n", why.text);
        _exit(1);
    }
    spv_evloop_free(s.loop);
    spv_store_close(cfg.store);
    (void)getrusage(RUSAGE_SELF, &usage);
    s.times.cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                  (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    s.times.peak = (double)usage.ru_maxrss / 1024.0;
    return s.times;
}

static struct times sync_once(const struct setup *setup, uint16_t upstream,
                              const struct proxy_line *lines, size_t n, bool with_checkpoints)
{
    struct times times = {0};
    uint16_t ports[PEERS];
    pid_t proxies[PEERS];
    int fds[2], status = 0;
    if (pipe(fds) != 0)
        bench_die("pipe");
    for (size_t i = 0; i < n; i++)
        if ((proxies[i] = proxy_start(&ports[i], upstream, &lines[i])) < 0)
            bench_die("proxy");
    const pid_t pid = fork();
    if (pid < 0)
        bench_die("fork");
    if (pid == 0) {
        times = sync_here(setup, ports, n, with_checkpoints);
        _exit(write(fds[1], &times, sizeof times) == sizeof times ? 0 : 1);
    }
    if (waitpid(pid, &status, 0) != pid || status != 0 ||
        read(fds[0], &times, sizeof times) != sizeof times)
        bench_die("a sync failed");
    close(fds[0]);
    close(fds[1]);
    for (size_t i = 0; i < n; i++) {
        kill(proxies[i], SIGKILL);
        waitpid(proxies[i], NULL, 0);
    }
    char db[PATH_SIZE];
    snprintf(db, sizeof db, "%s/sync.db", setup->folder);
    bench_remove_db(db);
    return times;
}

static void print_times(const char *what, const struct times *t)
{
    printf("  %-34s %7.2f s  (synced %.2f s, cpu %.2f s, peak %.1f MiB)\n", what, t->headers,
           t->synced, t->cpu, t->peak);
}

int main(int argc, char **argv)
{
    struct setup setup = {.n = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : DEFAULT_HEADERS};
    uint16_t upstream;
    if (argc < 2) {
        fprintf(stderr, "usage: bench_segments BIN_DIR [HEADERS] [FOLDER]\n");
        return 2;
    }
    snprintf(setup.folder, sizeof setup.folder, "%s/spv-bench-XXXXXX",
             argc > 3 ? argv[3] : "/var/tmp");
    if (!mkdtemp(setup.folder))
        bench_die(setup.folder);
    snprintf(setup.headers, sizeof setup.headers, "%s/headers.raw", setup.folder);
    mine(&setup);
    const pid_t server = bench_serve(argv[1], setup.headers, &upstream);

    static const struct proxy_line none = {0}, far = {.delay_ms = 50};
    static const struct proxy_line peers[PEERS] = {{10, 2e6}, {10, 2e6}, {10, 2e6}, {200, 1e5}};
    static const struct proxy_line first[PEERS] = {{200, 1e5}, {10, 2e6}, {10, 2e6}, {10, 2e6}};
    const struct times near = sync_once(&setup, upstream, &none, 1, true);
    const struct times one = sync_once(&setup, upstream, &far, 1, false);
    const struct times many = sync_once(&setup, upstream, &far, 1, true);
    const struct times alone = sync_once(&setup, upstream, peers, 3, true);
    const struct times last = sync_once(&setup, upstream, peers, 4, true);
    const struct times slow_first = sync_once(&setup, upstream, first, 4, true);
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);

    printf("downloading %u headers through proxies, validated and stored\n", setup.n);
    print_times("no delay, many in flight", &near);
    print_times("50 ms each way, one at a time", &one);
    print_times("50 ms each way, many in flight", &many);
    printf("  ratio %.1f x (target: at least 10)\n", one.headers / many.headers);
    print_times("three equal peers (2 MB/s, 10 ms)", &alone);
    print_times("and one 20 times slower, last", &last);
    print_times("and one 20 times slower, first", &slow_first);
    printf("  ratio %.2f x and %.2f x (target: at most 1.3)\n", last.headers / alone.headers,
           slow_first.headers / alone.headers);
    unlink(setup.headers);
    rmdir(setup.folder);
    free(setup.checkpoints);
    return 0;
}
