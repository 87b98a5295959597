/* A small file, in hexadecimal or as it is: a proof or a transaction. */
#ifndef SPV_READ_BYTES_H
#define SPV_READ_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct read_bytes {
    uint8_t *at; /* owned; free() it */
    size_t n;
};

/* Reads a file, or standard input for "-", of at most max bytes. A file of hexadecimal digits and
 * white space is decoded. Returns CLI_DONE, or the code to exit with after reporting the error
 * (nothing is to be freed then). */
int read_bytes(struct read_bytes *out, const char *path, size_t max);

/* The same as it is. */
int read_bytes_file(struct read_bytes *out, const char *path, size_t max);
/* Decodes n hexadecimal digits and white space in place. Returns the number of bytes, or -1 for an
 * odd number of digits. */
ssize_t read_bytes_decode(uint8_t *bytes, size_t n);
/* How messages name the file. */
const char *read_bytes_name(const char *path);

#endif
