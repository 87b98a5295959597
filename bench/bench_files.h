/* Shared by the benchmarks that run whole programs: a mined chain as a file of raw headers, a
 * server of it, and removing databases. Each function ends the program when it fails. */
#ifndef SPV_BENCH_FILES_H
#define SPV_BENCH_FILES_H

#include <stdint.h>
#include <sys/types.h>

/* Prints the program's name, what failed and errno, and exits with 1. */
_Noreturn void bench_die(const char *what);

struct bench_headers {
    uint8_t *raw; /* 80 bytes each, from genesis */
    uint32_t n;
};

/* Mines n regtest headers after genesis; the caller frees raw. */
struct bench_headers bench_mine(uint32_t n);
void bench_write_headers(const char *path, const struct bench_headers *headers);
/* Removes a database and the files beside it; those that do not exist are skipped. */
void bench_remove_db(const char *path);
/* Starts spv-serve of this folder with a file of raw headers and returns once it listens on
 * 127.0.0.1:*port. */
pid_t bench_serve(const char *bin, const char *headers, uint16_t *port);

#endif
