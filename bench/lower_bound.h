/* The lower bounds that the benches measure beside their own figures, in the same run. */
#ifndef BENCH_LOWER_BOUND_H
#define BENCH_LOWER_BOUND_H

#include <stdint.h>

/* Seconds for one double SHA-256 of each of n 80-byte headers, nothing else. */
double lower_bound_hashing(const uint8_t *raw, uint32_t n);

/* Seconds for a bare bulk insert of the same rows that the store keeps: the same table and pragmas,
 * 2,000 rows a transaction, one prepared statement, final checkpoint and fsync inside the time. The
 * values are made before the clock starts. The file at path must not exist. */
double lower_bound_inserting(const char *path, const uint8_t *raw, uint32_t n);

/* Seconds for building the store's index over the rows that lower_bound_inserting left, with the
 * final checkpoint and fsync. */
double lower_bound_indexing(const char *path);

/* Seconds for bringing the bytes of n headers over loopback from another process: headers messages
 * of 2,000, frames included, one after the other without a question; written and read, nothing
 * else. */
double lower_bound_transfer(uint32_t n);

#endif
