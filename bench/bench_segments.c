/* Header download over connections with high latency or low bandwidth: spv-serve, a proxy that adds
 * delay and limits the rate (proxy.c), and an event loop with a database, all on loopback.
 *
 *   bench_segments BIN_DIR [HEADERS] [FOLDER]
 * First one peer with a delay of 50 ms, without checkpoints (one request at a time) and with a
 * checkpoint per period, which allows many requests in flight. Then three equal peers of 2 MB/s,
 * alone and with a fourth that has 20 times the delay and a twentieth of the rate. Measured from
 * the first handshake until the last header is validated and stored; the state "synced" (printed as
 * verdict) from the first dial. Each sync is a process of its own. */
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
#include "proxy.h"
#include "spv/spv.h"

#define DEFAULT_HEADERS 100000
#define PERIOD 2016
#define PATH_SIZE 512
#define PEERS 4

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_fetch: %s: %s\n", what, strerror(errno));
    exit(1);
}

struct world {
    uint32_t n;
    struct spv_checkpoint *marks;
    size_t n_marks;
    char folder[PATH_SIZE / 2], headers[PATH_SIZE];
    FILE *out; /* while mining */
};

static int keep(void *ctx, const struct spv_chain_header *record)
{
    struct world *w = ctx;
    uint8_t raw[SPV_HEADER_SIZE];
    spv_header_encode(raw, &record->header);
    if (fwrite(raw, sizeof raw, 1, w->out) != 1)
        die(w->headers);
    if ((record->height + 1) % PERIOD == 0)
        w->marks[w->n_marks++] =
            (struct spv_checkpoint){.height = record->height, .hash = record->hash};
    return 0;
}

static void mine(struct world *w)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    const struct spv_chain_config cfg = {.params = params};
    const struct spv_mine_plan plan = {
        .n = w->n, .spacing = 300, .seed = 1, .sink = keep, .ctx = w};
    struct spv_chain *chain = NULL;
    uint8_t raw[SPV_HEADER_SIZE];
    w->marks = calloc(w->n / PERIOD + 1, sizeof *w->marks);
    w->out = fopen(w->headers, "wb");
    spv_header_encode(raw, &params->genesis);
    if (!w->marks || !w->out || fwrite(raw, sizeof raw, 1, w->out) != 1 ||
        spv_chain_new(&chain, &cfg) < 0 || spv_mine_chain(chain, &plan) < 0 || fclose(w->out) != 0)
        die("mining");
    spv_chain_free(chain);
}

/* Starts the server and reads its port from the line that it prints when it listens. */
static pid_t serve(const char *folder, const char *headers, uint16_t *port)
{
    char program[PATH_SIZE], line[512];
    int fds[2];
    snprintf(program, sizeof program, "%s/spv-serve", folder);
    if (pipe(fds) != 0)
        die("pipe");
    const pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        execl(program, "spv-serve", "--network", "regtest", "--listen", "127.0.0.1:0", "--headers",
              headers, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    FILE *out = fdopen(fds[0], "r");
    *port = 0;
    while (out && !*port && fgets(line, sizeof line, out)) {
        const char *at = strstr(line, "127.0.0.1:");
        if (at)
            *port = (uint16_t)strtoul(at + 10, NULL, 10);
    }
    if (!*port)
        die("the server did not say where it listens");
    return pid; /* the pipe stays open, because the server may still write */
}

struct times {
    double headers, verdict; /* seconds */
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
        s->times.verdict = (double)(now - s->start_ns) / 1e9;
        spv_evloop_stop(s->loop);
    }
}

static struct times sync_here(const struct world *w, const uint16_t *ports, size_t n_ports,
                              bool with_marks)
{
    struct sync s = {.n = w->n};
    struct spv_endpoint peers[PEERS];
    struct spv_error_info why;
    char path[PATH_SIZE];
    struct rusage usage;
    memset(peers, 0, sizeof peers);
    snprintf(path, sizeof path, "%s/sync.db", w->folder);
    for (size_t i = 0; i < n_ports; i++) {
        snprintf(peers[i].host, sizeof peers[i].host, "127.0.0.1");
        peers[i].port = ports[i];
    }
    struct spv_evloop_config cfg = {.node = {.params = spv_params_get(SPV_REGTEST),
                                             .connect = peers,
                                             .n_connect = n_ports,
                                             .checkpoints = with_marks ? w->marks : NULL,
                                             .n_checkpoints = with_marks ? w->n_marks : 0},
                                    .on_event = on_event,
                                    .ctx = &s};
    const struct spv_store_config store = {
        .path = path, .params = cfg.node.params, .mode = SPV_STORE_CREATE};
    s.start_ns = bench_now_ns();
    if (spv_store_open(&cfg.store, &store, &why) < 0 || spv_evloop_new(&s.loop, &cfg, &why) < 0 ||
        spv_evloop_run(s.loop) < 0) {
        fprintf(stderr, "bench_fetch: %s\n", why.text);
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

static struct times sync_once(const struct world *w, uint16_t upstream,
                              const struct proxy_line *lines, size_t n, bool with_marks)
{
    static const char *const tails[] = {"", "-wal", "-shm", "-lock"};
    struct times times = {0};
    uint16_t ports[PEERS];
    pid_t proxies[PEERS];
    int fds[2], status = 0;
    if (pipe(fds) != 0)
        die("pipe");
    for (size_t i = 0; i < n; i++)
        if ((proxies[i] = proxy_start(&ports[i], upstream, &lines[i])) < 0)
            die("proxy");
    const pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        times = sync_here(w, ports, n, with_marks);
        _exit(write(fds[1], &times, sizeof times) == sizeof times ? 0 : 1);
    }
    if (waitpid(pid, &status, 0) != pid || status != 0 ||
        read(fds[0], &times, sizeof times) != sizeof times)
        die("a sync failed");
    close(fds[0]);
    close(fds[1]);
    for (size_t i = 0; i < n; i++) {
        kill(proxies[i], SIGKILL);
        waitpid(proxies[i], NULL, 0);
    }
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "%s/sync.db%s", w->folder, tails[i]);
        (void)unlink(path);
    }
    return times;
}

static void say(const char *what, const struct times *t)
{
    printf("  %-34s %7.2f s  (verdict %.2f s, cpu %.2f s, peak %.1f MiB)\n", what, t->headers,
           t->verdict, t->cpu, t->peak);
}

int main(int argc, char **argv)
{
    struct world w = {.n = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : DEFAULT_HEADERS};
    uint16_t upstream;
    if (argc < 2) {
        fprintf(stderr, "usage: bench_fetch BIN_DIR [HEADERS] [FOLDER]\n");
        return 2;
    }
    snprintf(w.folder, sizeof w.folder, "%s/spv-fetch-XXXXXX", argc > 3 ? argv[3] : "/var/tmp");
    if (!mkdtemp(w.folder))
        die(w.folder);
    snprintf(w.headers, sizeof w.headers, "%s/headers.raw", w.folder);
    mine(&w);
    const pid_t server = serve(argv[1], w.headers, &upstream);

    static const struct proxy_line none = {0}, far = {.delay_ms = 50};
    static const struct proxy_line peers[PEERS] = {{10, 2e6}, {10, 2e6}, {10, 2e6}, {200, 1e5}};
    static const struct proxy_line first[PEERS] = {{200, 1e5}, {10, 2e6}, {10, 2e6}, {10, 2e6}};
    const struct times near = sync_once(&w, upstream, &none, 1, true);
    const struct times one = sync_once(&w, upstream, &far, 1, false);
    const struct times many = sync_once(&w, upstream, &far, 1, true);
    const struct times alone = sync_once(&w, upstream, peers, 3, true);
    const struct times last = sync_once(&w, upstream, peers, 4, true);
    const struct times slow_first = sync_once(&w, upstream, first, 4, true);
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);

    printf("fetching %u headers through proxies, judged and stored\n", w.n);
    say("no delay, many in flight", &near);
    say("50 ms each way, one at a time", &one);
    say("50 ms each way, many in flight", &many);
    printf("  ratio %.1f x (target: at least 10)\n", one.headers / many.headers);
    say("three equal peers (2 MB/s, 10 ms)", &alone);
    say("and one 20 times slower, last", &last);
    say("and one 20 times slower, first", &slow_first);
    printf("  ratio %.2f x and %.2f x (target: at most 1.3)\n", last.headers / alone.headers,
           slow_first.headers / alone.headers);
    unlink(w.headers);
    rmdir(w.folder);
    free(w.marks);
    return 0;
}
