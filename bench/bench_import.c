/* A complete import: spv-import reads N regtest headers from a raw file into a new database,
 * validated, durable, with the hash index built.
 *
 *   bench_import BIN_DIR [HEADERS] [FOLDER]
 * The lower bound is measured in the same run, with the same headers and on the same disk: reading
 * the file, double SHA-256 of every header, a bulk insert of the same rows with the final WAL
 * checkpoint and fsync, and building the same index. Compressed files and text are imported, too,
 * and a second import measures skipping known headers. Each program runs in its own process, so
 * that the kernel's peak memory is that of the program alone. */
#define _DEFAULT_SOURCE /* wait4 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
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
#define PATH_SIZE 512

struct bounds {
    double reading, hashing, inserting, indexing;
};

static double lower_bound_reading(const char *path)
{
    static uint8_t chunk[65536];
    const uint64_t start = bench_now_ns();
    const int fd = open(path, O_RDONLY);
    if (fd < 0)
        bench_die(path);
    while (read(fd, chunk, sizeof chunk) > 0)
        continue;
    close(fd);
    return (double)(bench_now_ns() - start) / 1e9;
}

/* Mines the headers into a file and measures the lower bounds, in a child process. */
static struct bounds prepare(const char *headers, const char *bare_db, uint32_t n)
{
    struct bounds bounds;
    int fds[2], status = 0;
    if (pipe(fds) != 0)
        bench_die("pipe");
    const pid_t pid = fork();
    if (pid < 0)
        bench_die("fork");
    if (pid == 0) {
        const struct bench_headers mined = bench_mine(n);
        bench_write_headers(headers, &mined);
        bounds.reading = lower_bound_reading(headers);
        bounds.hashing = lower_bound_hashing(mined.raw, mined.n);
        bounds.inserting = lower_bound_inserting(bare_db, mined.raw, mined.n);
        bounds.indexing = lower_bound_indexing(bare_db);
        bench_remove_db(bare_db);
        _exit(write(fds[1], &bounds, sizeof bounds) == sizeof bounds ? 0 : 1);
    }
    if (waitpid(pid, &status, 0) != pid || status != 0 ||
        read(fds[0], &bounds, sizeof bounds) != sizeof bounds)
        bench_die("mining and lower bounds");
    return bounds;
}

/* Runs a program to its end and returns the seconds. */
static double run(const char *bin, const char *const args[], struct rusage *usage)
{
    char program[PATH_SIZE];
    char *copies[16] = {NULL};
    int status = 0;
    for (size_t i = 0; args[i] && i + 1 < sizeof copies / sizeof copies[0]; i++) {
        copies[i] = strdup(args[i]);
        if (!copies[i])
            bench_die("memory");
    }
    snprintf(program, sizeof program, "%s/%s", bin, args[0]);
    const uint64_t start = bench_now_ns();
    const pid_t pid = fork();
    if (pid < 0)
        bench_die("fork");
    if (pid == 0) {
        execv(program, copies);
        _exit(127);
    }
    if (wait4(pid, &status, 0, usage) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "bench_import: %s failed (status %d)\n", args[0], status);
        exit(1);
    }
    const double seconds = (double)(bench_now_ns() - start) / 1e9;
    for (size_t i = 0; copies[i]; i++)
        free(copies[i]);
    return seconds;
}

static double import(const char *bin, const char *file, const char *db, struct rusage *usage)
{
    const char *const args[] = {"spv-import", "--network", "regtest", "--input", file,
                                "--db",       db,          "--quiet", NULL};
    return run(bin, args, usage);
}

static double export(const char *bin, const char *format, const char *file, const char *db)
{
    struct rusage usage;
    const char *const args[] = {"spv-export", "--format", format,    "--output", file,
                                "--db",       db,         "--quiet", NULL};
    return run(bin, args, &usage);
}

/* The other formats and compressions: exported, then imported. */
static void others(const char *bin, const char *folder, const char *db, uint32_t n)
{
    static const char *const names[][2] = {
        {"raw", "raw"},     {"raw", "raw.gz"}, {"raw", "raw.zst"},       {"csv", "csv"},
        {"csv", "csv.zst"}, {"jsonl", "json"}, {"neutrino", "neutrino"}, {"postgres", "sql"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char format[16], file[PATH_SIZE], other[PATH_SIZE];
        struct rusage usage;
        snprintf(format, sizeof format, "%s", names[i][0]);
        snprintf(file, sizeof file, "%s/x.%s", folder, names[i][1]);
        snprintf(other, sizeof other, "%s/other.db", folder);
        const double out = export(bin, format, file, db);
        if (strcmp(format, "postgres") == 0) {
            printf("  %-9s   export %5.2f s\n", names[i][1], out);
        } else {
            const double in = import(bin, file, other, &usage);
            printf("  %-9s   export %5.2f s, import %5.2f s (%.0f headers/s), %.1f MiB\n",
                   names[i][1], out, in, n / in, (double)usage.ru_maxrss / 1024.0);
        }
        bench_remove_db(other);
        unlink(file);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_import BIN_DIR [HEADERS] [FOLDER]\n");
        return 2;
    }
    const uint32_t n = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : DEFAULT_HEADERS;
    char folder[PATH_SIZE / 2], db[PATH_SIZE], headers[PATH_SIZE];
    snprintf(folder, sizeof folder, "%s/spv-bench-XXXXXX", argc > 3 ? argv[3] : "/var/tmp");
    if (!mkdtemp(folder))
        bench_die(folder);
    snprintf(headers, sizeof headers, "%s/headers.raw", folder);
    snprintf(db, sizeof db, "%s/import.db", folder);
    const struct bounds f = prepare(headers, db, n);
    const double bound = f.reading + f.hashing + f.inserting + f.indexing;
    struct rusage usage, again;
    const double whole = import(argv[1], headers, db, &usage);
    const double known = import(argv[1], headers, db, &again);

    printf("import of %" PRIu32 " headers from a raw file, durable, hash index built\n", n);
    printf("  import      %7.2f s   (%.0f headers/s)\n", whole, n / whole);
    printf("  lower bound %7.2f s   (read %.2f s + double SHA-256 %.2f s + bare insert %.2f s + "
           "index %.2f s)\n",
           bound, f.reading, f.hashing, f.inserting, f.indexing);
    printf("  ratio       %7.2f x   (target: 2)\n", whole / bound);
    printf("  again       %7.2f s   (all known: %.0f headers/s)\n", known, n / known);
    printf("  peak memory %7.1f MiB\n", (double)usage.ru_maxrss / 1024.0);
    others(argv[1], folder, db, n);
    bench_remove_db(db);
    unlink(headers);
    rmdir(folder);
    return 0;
}
