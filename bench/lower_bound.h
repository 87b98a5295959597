/* The lower bounds that the benchmarks measure in the same run as their own figures. */
#ifndef BENCH_LOWER_BOUND_H
#define BENCH_LOWER_BOUND_H

#include <stdint.h>

/* Seconds for only one double SHA-256 of each of n 80-byte headers. */
double lower_bound_hashing(const uint8_t *raw, uint32_t n);

/* Seconds for a plain bulk insert of the rows that the store would write: the same table and
 * pragmas, 2,000 rows per transaction, one prepared statement, final WAL checkpoint and fsync
 * included. The values are computed before the measurement. The file at path must not exist. */
double lower_bound_inserting(const char *path, const uint8_t *raw, uint32_t n);

/* Seconds for building the store's index over the rows of lower_bound_inserting, final WAL
 * checkpoint and fsync included. */
double lower_bound_indexing(const char *path);

/* Seconds for only writing and reading the bytes of n headers over loopback from another process:
 * headers messages of 2,000 with their frames, one after the other without requests. */
double lower_bound_transfer(uint32_t n);

#endif
