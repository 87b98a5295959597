/* Output of an export: standard output, a device, or a file that is replaced atomically; compressed
 * by its extension, with an optional checksum of the written bytes.
 * Errors are reported here; the functions return an exit code. */
#ifndef SPV_OUTPUT_FILE_H
#define SPV_OUTPUT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compress.h"

struct output_file {
    const char *name; /* in messages */
    int fd; /* -1: none */
    char *temporary; /* NULL: not a file of ours, or published */
    char *target; /* what the temporary is renamed to; links resolved */
    bool is_file; /* a regular file: progress may go to standard output */
    bool waits; /* a write may block: no regular file */
    struct compress *compressor;
    void *sum; /* EVP_MD_CTX of the written bytes; NULL: no checksum */
    uint8_t *buffer; /* rows not yet compressed */
    size_t used;
    uint64_t position; /* bytes so far, before compression */
    int error; /* errno of the first write that failed; nothing is written after it */
};

/* Opens the path that an option (its name in errors) has; NULL or "-" is standard output. Refuses
 * the database and the files that belong to it. A zeroed one may be closed without. */
int output_file_open(struct output_file *o, const char *option, const char *path,
                     const char *database, bool checksum);
/* Writes bytes; a failure is kept in o->error. */
void output_file_write(struct output_file *o, const void *bytes, size_t n);
void output_file_text(struct output_file *o, const char *text);
/* Writes n zero bytes. */
void output_file_zeros(struct output_file *o, uint64_t n);

/* Completes the output: ends the compression, syncs the file, renames it to its own name and writes
 * its checksum file (for standard output: a line on standard error). */
int output_file_finish(struct output_file *o);

/* Syncs a file that is continued afterwards (not compressed, no checksum); the first call renames
 * it to its own name. */
int output_file_publish(struct output_file *o);
/* Cuts a published file back to a position. */
int output_file_truncate(struct output_file *o, uint64_t position);

/* Removes what is not finished. */
void output_file_close(struct output_file *o);
/* Reports a failed write (o->error), unless the reader has closed the pipe. */
int output_file_report(const struct output_file *o);

/* spv_export_rows.write into an output file (ctx). Also ends an export after a stop signal. */
int output_file_export(void *ctx, const void *bytes, size_t n);
/* Returns the exit code for a result of the functions of spv/export_rows.h, after reporting it. */
int output_file_exit(const struct output_file *o, int rc);

#endif
