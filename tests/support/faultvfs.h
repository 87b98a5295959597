/* An SQLite VFS over the real one that breaks at a chosen operation, and models what a power cut
 * leaves on a disk: what was synced is there; of what was not, anything may be.
 *
 * Operations are counted: each write, truncation, sync and deletion of a file. The file system
 * shows all that was written, as an operating system's cache does; beside it the VFS keeps what is
 * durable. Process-wide, one thread. */
#ifndef TEST_FAULTVFS_H
#define TEST_FAULTVFS_H

#include <stdbool.h>
#include <stdint.h>

enum fault {
    FAULT_NONE,
    FAULT_FAILS_ONCE, /* the operation fails and does nothing */
    FAULT_FAILS_ON, /* it and all after it */
    FAULT_SHORT, /* a write does half of its bytes and then fails; others fail */
    FAULT_FULL, /* the disk is full from here on: half of the bytes, and nothing more */
    FAULT_CUT_DROPS, /* power cut: nothing that was not synced is on the disk */
    FAULT_CUT_KEEPS, /* power cut: all of it is */
    FAULT_CUT_REORDERS, /* power cut: any of the unsynced operations are, drawn from the seed */
    FAULT_CUT_TEARS, /* power cut: any of their 512-byte sectors */
};
#define FAULTS 9

const char *fault_name(enum fault fault);

/* Makes it the default VFS; call before anything uses SQLite. */
void faultvfs_install(void);

/* From now on the k-th operation (from 0) meets the fault. */
void faultvfs_plan(enum fault fault, long k, uint64_t seed);
/* Ends the plan; tells how many operations there were since, and whether the fault was met. After a
 * power cut the files are what the disk has: call it when everything is closed. */
long faultvfs_end(bool *met);

#endif
