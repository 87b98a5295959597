/* An SQLite VFS over the real one whose disk can fill up or break after a chosen number of
 * operations, and an allocator that can fail the k-th request. Both are process-wide. */
#ifndef SPV_TESTS_UNIT_STORE_FAULTS_H
#define SPV_TESTS_UNIT_STORE_FAULTS_H

#include <stdbool.h>

/* Call before anything uses SQLite. */
void faults_install(void);

/* From the k-th changing operation on (write, truncate, sync, growth of shared memory, creation),
 * each fails with the SQLite code. k < 0: none does. */
void faults_disk(long k, int code);
/* The k-th allocation from now fails, or with sticky every one from the k-th on. k < 0: none. */
void faults_memory(long k, bool sticky);
/* Whether something failed since it was asked for. */
bool faults_hit(void);

#endif
