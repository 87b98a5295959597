/* A file with a proof or a transaction as spv-proof reads it, in hexadecimal or as it is. The input
 * is the file.
 *
 * Invariants: the bytes are those of a plain decoder; an empty file, an odd number of digits and a
 * file above the limit fail; what is read parses or fails, and leaks nothing. */
#define _GNU_SOURCE /* memfd_create */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli.h"
#include "fuzz/fuzz.h"
#include "read_bytes.h"
#include "spv/merkle.h"

#define MAX 600 /* bytes: the limit of a run, low enough to be passed */

/* The value of a digit; 16 for white space, -1 for anything else. */
static int digit(uint8_t c)
{
    static const char digits[] = "0123456789abcdefABCDEF", spaces[] = " \t\n\v\f\r";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;

    if (at)
        return at - digits < 16 ? (int)(at - digits) : (int)(at - digits) - 6;
    return c != '\0' && strchr(spaces, c) ? 16 : -1;
}

/* Decodes into out, which has room for n. Returns the number of bytes, or -1 for an odd number of
 * digits. */
static long plain_decode(uint8_t *out, const uint8_t *data, size_t n)
{
    size_t n_digits = 0;
    bool is_hex = true;

    for (size_t i = 0; i < n; i++) {
        const int value = digit(data[i]);
        if (value < 0)
            is_hex = false;
        else if (value < 16 && n_digits++ % 2 == 0)
            out[(n_digits - 1) / 2] = (uint8_t)(value << 4);
        else if (value < 16)
            out[(n_digits - 1) / 2] |= (uint8_t)value;
    }
    if (!is_hex || n_digits == 0) {
        memcpy(out, data, n);
        return (long)n;
    }
    return n_digits % 2 == 0 ? (long)(n_digits / 2) : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *quiet;
    struct read_bytes read;
    struct spv_msg_merkleblock proof;
    struct spv_tx tx;
    char path[64];

    if (!quiet) /* suppresses the apps' messages; sanitizers use the descriptor */
        quiet = stderr = fopen("/dev/null", "w");
    if (size >
        2 * MAX) /* longer ones are cut while they are read: the limit is white space and all */
        return 0;
    uint8_t *want = malloc(size + 1);
    const int fd = memfd_create("proof", 0);
    FUZZ_CHECK(want && fd >= 0 && write(fd, data, size) == (ssize_t)size);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const long n = plain_decode(want, data, size);
    const int rc = read_bytes(&read, path, MAX);
    FUZZ_CHECK((rc == CLI_DONE) == (n > 0 && n <= MAX));
    FUZZ_CHECK(rc == CLI_DONE || (rc == CLI_FAILED && !read.at && read.n == 0));
    if (rc == CLI_DONE) {
        FUZZ_CHECK(read.n == (size_t)n && memcmp(read.at, want, read.n) == 0);
        (void)spv_merkle_parse(&proof, read.at, read.n);
        (void)spv_tx_parse(&tx, read.at, read.n);
        free(read.at);
    }
    close(fd);
    free(want);
    return 0;
}
