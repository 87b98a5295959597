/* A complete sync: spv-sync downloads N regtest headers from spv-serve over loopback into a
 * database, with validation, durable rows and the hash index at the end.
 *
 *   bench_sync BIN_DIR [HEADERS] [FOLDER] [ROUNDS]
 * The lower bound is measured in the same run, alternating with the sync, with the same headers and
 * on the same disk: the bytes over loopback, double SHA-256 of every header, a bulk insert of the
 * same rows (2,000 per transaction), and the same index, final WAL checkpoints and fsyncs included.
 * The programs run in their own processes, so that the kernel's peak memory is that of spv-sync
 * alone. It includes the process before exec; therefore mining and lower bounds run in a child, and
 * this process stays small. */
#define _DEFAULT_SOURCE /* wait4 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "bench_files.h"
#include "lower_bound.h"
#include "spv/spv.h"

#define DEFAULT_HEADERS 1000000
#define DEFAULT_ROUNDS 3
#define ROUNDS_MAX 25
#define PATH_SIZE 512

enum part {
    TRANSFER,
    HASHING,
    INSERTING,
    INDEXING,
    LOWER_BOUND, /* their sum */
    SYNC, /* encrypted (v2), as by default */
    RATIO,
    SYNC_V1,
    V2_RATIO, /* v2 to v1 */
    PARTS,
};

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, unsigned n)
{
    double sorted[ROUNDS_MAX];
    memcpy(sorted, values, n * sizeof *values);
    qsort(sorted, n, sizeof *sorted, by_value);
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/* Runs work in a child process, which returns `size` bytes: its memory is not counted as ours. */
static void in_child(void (*work)(void *out, const char *headers, const char *db, uint32_t n),
                     void *out, size_t size, const char *headers, const char *db, uint32_t n)
{
    int fds[2], status = 0;
    if (pipe(fds) != 0)
        bench_die("pipe");
    const pid_t pid = fork();
    if (pid < 0)
        bench_die("fork");
    if (pid == 0) {
        work(out, headers, db, n);
        _exit(write(fds[1], out, size) == (ssize_t)size ? 0 : 1);
    }
    close(fds[1]);
    if (waitpid(pid, &status, 0) != pid || status != 0 || read(fds[0], out, size) != (ssize_t)size)
        bench_die("mining and lower bounds");
    close(fds[0]);
}

/* Mines the headers into a file, and writes their checkpoints into another. */
static void mine_files(void *out, const char *headers, const char *list, uint32_t n)
{
    const struct bench_headers mined = bench_mine(n);
    FILE *f = fopen(list, "w");
    bench_write_headers(headers, &mined);
    for (uint32_t h = 2016; f && h <= n; h += 2016) {
        struct spv_blockhash hash;
        char hex[SPV_HASH_HEX];
        spv_header_hash_raw(&hash, mined.raw + (size_t)h * SPV_HEADER_SIZE, 1);
        spv_blockhash_hex(hex, &hash);
        fprintf(f, "%" PRIu32 ":%s\n", h, hex);
    }
    if (!f || fclose(f) != 0)
        bench_die(list);
    *(char *)out = 1;
}

static void measure_lower_bounds(void *out, const char *headers, const char *db, uint32_t n)
{
    double *part = out;
    const size_t size = ((size_t)n + 1) * SPV_HEADER_SIZE;
    uint8_t *raw = malloc(size);
    FILE *f = fopen(headers, "rb");
    if (!raw || !f || fread(raw, 1, size, f) != size)
        bench_die(headers);
    fclose(f);
    part[TRANSFER] = lower_bound_transfer(n);
    part[HASHING] = lower_bound_hashing(raw, n + 1);
    part[INSERTING] = lower_bound_inserting(db, raw, n + 1);
    part[INDEXING] = lower_bound_indexing(db);
    part[LOWER_BOUND] = part[TRANSFER] + part[HASHING] + part[INSERTING] + part[INDEXING];
    bench_remove_db(db);
}

/* Runs one sync, with a list of checkpoints unless it is NULL. */
static double sync_once(const char *program, const char *db, const char *list, uint16_t port,
                        const char *transport, struct rusage *usage)
{
    char peer[32];
    snprintf(peer, sizeof peer, "127.0.0.1:%u", port);
    const uint64_t start = bench_now_ns();
    const pid_t pid = fork();
    if (pid < 0)
        bench_die("fork");
    if (pid == 0) {
        execl(program, "spv-sync", "--network", "regtest", "--connect", peer, "--db", db, "--quiet",
              "--transport", transport, list ? "--checkpoint-file" : (char *)NULL, list,
              (char *)NULL);
        _exit(127);
    }
    int status = 0;
    if (wait4(pid, &status, 0, usage) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "bench_sync: spv-sync failed (status %d)\n", status);
        exit(1);
    }
    const double seconds = (double)(bench_now_ns() - start) / 1e9;
    bench_remove_db(db);
    return seconds;
}

static double cpu(const struct rusage *u)
{
    return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
           (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

struct paths {
    char headers[PATH_SIZE], list[PATH_SIZE], db[PATH_SIZE], sync[PATH_SIZE];
    const char *bin;
};

/* Rounds of lower bounds and sync alternate, so that other load on the machine affects both. */
static void measure(const struct paths *at, uint32_t n, unsigned rounds, bool listed)
{
    double values[PARTS][ROUNDS_MAX], cpus[ROUNDS_MAX], v1_cpus[ROUNDS_MAX], part[PARTS] = {0};
    long peak = 0;
    uint16_t port = 0;
    const pid_t server = bench_serve(at->bin, at->headers, &port);
    for (unsigned i = 0; i < rounds; i++) {
        struct rusage usage;
        in_child(measure_lower_bounds, part, sizeof part, at->headers, at->db, n);
        struct rusage v1_usage;
        part[SYNC_V1] =
            sync_once(at->sync, at->db, listed ? at->list : NULL, port, "v1", &v1_usage);
        part[SYNC] = sync_once(at->sync, at->db, listed ? at->list : NULL, port, "v2", &usage);
        part[V2_RATIO] = part[SYNC] / part[SYNC_V1];
        part[RATIO] = part[SYNC] / part[LOWER_BOUND];
        for (int k = 0; k < PARTS; k++)
            values[k][i] = part[k];
        cpus[i] = cpu(&usage);
        v1_cpus[i] = cpu(&v1_usage);
        if (usage.ru_maxrss > peak)
            peak = usage.ru_maxrss;
    }
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);

    const double whole = median(values[SYNC], rounds);
    printf("whole sync of %" PRIu32 " headers%s, median of %u rounds\n", n,
           listed ? " with a checkpoint every 2,016" : "", rounds);
    printf("  sync        %7.2f s   (%.0f headers/s, cpu %.2f s)\n", whole, n / whole,
           median(cpus, rounds));
    printf("  lower bound %7.2f s   (transfer %.2f + double SHA-256 %.2f + bare insert %.2f"
           " + index %.2f)\n",
           median(values[LOWER_BOUND], rounds), median(values[TRANSFER], rounds),
           median(values[HASHING], rounds), median(values[INSERTING], rounds),
           median(values[INDEXING], rounds));
    printf("  ratio       %7.2f x   (target: 1.25)\n", median(values[RATIO], rounds));
    printf("  v2 to v1    %7.2f x   (target: 1.0; unencrypted: %.2f s, cpu %.2f s)\n",
           median(values[V2_RATIO], rounds), median(values[SYNC_V1], rounds),
           median(v1_cpus, rounds));
    printf("  peak memory %7.1f MiB (target: 48)\n", (double)peak / 1024.0);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_sync BIN_DIR [HEADERS] [FOLDER] [ROUNDS]\n");
        return 2;
    }
    const uint32_t n = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : DEFAULT_HEADERS;
    const unsigned long asked = argc > 4 ? strtoul(argv[4], NULL, 10) : DEFAULT_ROUNDS;
    const unsigned rounds = asked < 1 ? 1 : asked > ROUNDS_MAX ? ROUNDS_MAX : (unsigned)asked;
    char folder[PATH_SIZE / 2], done = 0;
    struct paths at;
    snprintf(folder, sizeof folder, "%s/spv-bench-XXXXXX", argc > 3 ? argv[3] : "/var/tmp");
    if (!mkdtemp(folder))
        bench_die(folder);
    snprintf(at.headers, sizeof at.headers, "%s/headers.raw", folder);
    snprintf(at.list, sizeof at.list, "%s/checkpoints", folder);
    snprintf(at.db, sizeof at.db, "%s/headers.db", folder);
    snprintf(at.sync, sizeof at.sync, "%s/spv-sync", argv[1]);
    at.bin = argv[1];
    /* Shows that time is linear and memory constant: a quarter of the headers first. */
    for (uint32_t size = n / 4; size <= n && size > 0; size = size < n ? n : n + 1) {
        in_child(mine_files, &done, sizeof done, at.headers, at.list, size);
        measure(&at, size, rounds, false);
    }
    measure(&at, n, rounds, true);
    unlink(at.headers);
    unlink(at.list);
    rmdir(folder);
    return 0;
}
