/* An SQLite VFS over the real one that fails at a chosen operation, and models what a power cut
 * leaves on a disk: synced data is there; unsynced data may or may not be.
 *
 * Operations are counted: each write, truncation, sync and deletion of a file, and each growth of
 * the shared memory of a WAL. The file system shows all that was written, like an operating
 * system's cache; the VFS stores separately what is durable. Process-wide, one thread. */
#ifndef SPV_TESTS_SUPPORT_FAULTVFS_H
#define SPV_TESTS_SUPPORT_FAULTVFS_H

#include <stdbool.h>
#include <stdint.h>

enum fault {
    FAULT_NONE,
    FAULT_FAILS_ONCE, /* the operation fails and does nothing */
    FAULT_FAILS_ON, /* it and all after it */
    FAULT_SHORT, /* a write writes half of its bytes and then fails; other operations fail */
    FAULT_FULL, /* the disk is full from this operation on: what would grow a file writes half of
                   its bytes and fails; the rest succeeds */
    FAULT_CUT_DROPS, /* power cut: no unsynced data is on the disk */
    FAULT_CUT_KEEPS, /* power cut: all unsynced data is on the disk */
    FAULT_CUT_REORDERS, /* power cut: a random subset of the unsynced operations, drawn from the
                           seed */
    FAULT_CUT_TEARS, /* power cut: a random subset of their 512-byte sectors */
};
#define FAULTS 9

const char *fault_name(enum fault fault);

/* Makes it the default VFS. Call it before any use of SQLite. */
void faultvfs_install(void);

/* From now on the k-th operation (from 0) gets the fault. */
void faultvfs_plan(enum fault fault, long k, uint64_t seed);
/* Ends the plan; returns how many operations there were since, and whether the fault happened.
 * After a power cut it writes to the files what the disk has: call it when everything is closed. */
long faultvfs_end(bool *met);

#endif
