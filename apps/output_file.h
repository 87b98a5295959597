/* Output of an export: standard output, a device, or a file that is replaced atomically; compressed
 * by its extension, with an optional checksum of the written bytes.
 * Errors are reported here; the functions return an exit code. */
#ifndef SPV_OUTPUT_FILE_H
#define SPV_OUTPUT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compress.h"

struct sink {
    const char *name; /* in messages */
    int fd; /* -1: none */
    char *temporary; /* NULL: not a file of ours, or published */
    char *target; /* what the temporary is renamed to; links resolved */
    bool is_file; /* a regular file: progress may go to standard output */
    bool waits; /* a write may block: no regular file */
    struct pack *pack;
    void *sum; /* EVP_MD_CTX of the written bytes; NULL: no checksum */
    uint8_t *buffer; /* rows not yet compressed */
    size_t used;
    uint64_t position; /* bytes so far, before compression */
    int error; /* errno of the first write that failed; nothing is written after it */
};

/* Opens it; NULL or "-" is standard output. Refuses the database and the files that belong to it.
 * A zeroed sink may be closed without. */
int sink_open(struct sink *s, const char *path, const char *database, bool checksum);
/* Writes bytes; a failure is kept in s->error. */
void sink_write(struct sink *s, const void *bytes, size_t n);
void sink_text(struct sink *s, const char *text);
/* Writes n zero bytes. */
void sink_zeros(struct sink *s, uint64_t n);

/* Completes the output: ends the compression, syncs the file, renames it to its own name and writes
 * its checksum file (for standard output: a line on standard error). */
int sink_finish(struct sink *s);

/* Syncs a file that is continued afterwards (not compressed, no checksum); the first call renames
 * it to its own name. */
int sink_publish(struct sink *s);
/* Cuts a published file back to a position. */
int sink_cut(struct sink *s, uint64_t position);

/* Removes what is not finished. */
void sink_close(struct sink *s);
/* Reports a failed write (s->error), unless the reader has closed the pipe. */
int sink_failed(const struct sink *s);

#endif
