/* The whole job: spv-sync brings N regtest headers from spv-serve over loopback into a database,
 * with judging, durable rows and the hash index at the end.
 *
 *   bench_sync BIN_DIR [HEADERS] [FOLDER]
 *
 * The floor is measured in the same run, on the same headers and the same disk: double SHA-256 of
 * every header, plus a bare bulk insert of the very rows (same table, pragmas, rows a transaction),
 * with the final checkpoint and fsync inside. The programs run as processes of their own, so peak
 * memory is the kernel's figure for spv-sync alone; since that counts what the process was before
 * exec, too, mining and floors happen in a child and this one stays small. */
#define _DEFAULT_SOURCE /* wait4 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "floor.h"
#include "spv/spv.h"

#define DEFAULT_HEADERS 1000000
#define PATH_SIZE 512

struct raw {
    uint8_t *bytes; /* height 0 first */
    uint32_t n;
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_sync: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int keep(void *ctx, const struct spv_record *record)
{
    struct raw *raw = ctx;
    spv_header_encode(raw->bytes + (size_t)record->height * SPV_HEADER_SIZE, &record->header);
    return 0;
}

static struct raw mine(uint32_t n)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    const struct spv_chain_config cfg = {.params = params};
    struct raw raw = {.bytes = malloc(((size_t)n + 1) * SPV_HEADER_SIZE), .n = n + 1};
    const struct spv_mine_plan plan = {
        .n = n, .spacing = 300, .seed = 1, .sink = keep, .ctx = &raw};
    struct spv_chain *chain = NULL;
    if (!raw.bytes || spv_chain_new(&chain, &cfg) < 0 || spv_mine_chain(chain, &plan) < 0)
        die("mining");
    spv_header_encode(raw.bytes, &params->genesis);
    spv_chain_free(chain);
    return raw;
}

static void write_file(const char *path, const struct raw *raw)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(raw->bytes, SPV_HEADER_SIZE, raw->n, f) != raw->n || fclose(f) != 0)
        die(path);
}

static void remove_db(const char *path)
{
    static const char *const tails[] = {"", "-wal", "-shm", "-lock"};
    char name[PATH_SIZE + 8];
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        snprintf(name, sizeof name, "%s%s", path, tails[i]);
        (void)unlink(name);
    }
}

struct floors {
    double hashing, inserting;
};

/* Mines the headers into a file and measures the floors, in a child. */
static struct floors prepare(const char *headers, const char *bare_db, uint32_t n)
{
    struct floors floors;
    int fds[2], status = 0;
    if (pipe(fds) != 0)
        die("pipe");
    const pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        const struct raw raw = mine(n);
        write_file(headers, &raw);
        floors.hashing = floor_hashing(raw.bytes, raw.n);
        floors.inserting = floor_inserting(bare_db, raw.bytes, raw.n);
        remove_db(bare_db);
        _exit(write(fds[1], &floors, sizeof floors) == sizeof floors ? 0 : 1);
    }
    if (waitpid(pid, &status, 0) != pid || status != 0 ||
        read(fds[0], &floors, sizeof floors) != sizeof floors)
        die("mining and floors");
    return floors;
}

/* Starts the server and reads its port from the line that says it is listening. */
static pid_t serve(const char *program, const char *headers, unsigned *port)
{
    int fds[2];
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
    char line[512];
    *port = 0;
    while (out && !*port && fgets(line, sizeof line, out)) {
        const char *at = strstr(line, "127.0.0.1:");
        if (at)
            *port = (unsigned)strtoul(at + 10, NULL, 10);
    }
    if (!*port)
        die("the server did not say where it listens");
    return pid; /* the pipe stays open: the server may still write */
}

static double sync_once(const char *program, const char *db, unsigned port, struct rusage *usage)
{
    char peer[32];
    snprintf(peer, sizeof peer, "127.0.0.1:%u", port);
    const uint64_t start = bench_now_ns();
    const pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        execl(program, "spv-sync", "--network", "regtest", "--connect", peer, "--db", db, "--quiet",
              (char *)NULL);
        _exit(127);
    }
    int status = 0;
    if (wait4(pid, &status, 0, usage) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "bench_sync: spv-sync failed (status %d)\n", status);
        exit(1);
    }
    return (double)(bench_now_ns() - start) / 1e9;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_sync BIN_DIR [HEADERS] [FOLDER]\n");
        return 2;
    }
    const uint32_t n = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : DEFAULT_HEADERS;
    char folder[PATH_SIZE / 2], path[PATH_SIZE], headers[PATH_SIZE], program[PATH_SIZE];
    snprintf(folder, sizeof folder, "%s/spv-bench-XXXXXX", argc > 3 ? argv[3] : "/var/tmp");
    if (!mkdtemp(folder))
        die(folder);
    snprintf(headers, sizeof headers, "%s/headers.raw", folder);
    snprintf(path, sizeof path, "%s/bare.db", folder);
    const struct floors floors = prepare(headers, path, n);
    const double floor = floors.hashing + floors.inserting;

    unsigned port = 0;
    snprintf(program, sizeof program, "%s/spv-serve", argv[1]);
    const pid_t server = serve(program, headers, &port);
    struct rusage usage;
    snprintf(program, sizeof program, "%s/spv-sync", argv[1]);
    snprintf(path, sizeof path, "%s/sync.db", folder);
    const double whole = sync_once(program, path, port, &usage);
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);

    printf("whole sync of %" PRIu32 " headers over loopback, durable, hash index built\n", n);
    printf("  sync        %7.2f s   (%.0f headers/s)\n", whole, n / whole);
    printf("  floor       %7.2f s   (double SHA-256 %.2f s + bare insert %.2f s)\n", floor,
           floors.hashing, floors.inserting);
    printf("  ratio       %7.2f x   (target: 3)\n", whole / floor);
    printf("  peak memory %7.1f MiB (target: 64)\n", (double)usage.ru_maxrss / 1024.0);
    printf("  cpu         %7.2f s user, %.2f s system\n",
           (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6,
           (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6);
    remove_db(path);
    unlink(headers);
    rmdir(folder);
    return 0;
}
